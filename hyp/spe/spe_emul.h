/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SPE by emulation, on any CPU (docs/spe.md): EL2 gets the guest's register accesses by debug
 * exceptions (spe_arm.h), and takes samples when its timer interrupts the guest.
 */
#ifndef KEEL_SPE_SPE_EMUL_H
#define KEEL_SPE_SPE_EMUL_H

#include <vm/exit.h>

/* Register with the run loop. Boot CPU, once, after trap_init(), vgic_init() and timer_init(). */
void spe_emul_init(void);

/* Inside spe/: an exit, by an interrupt or not, that spe_sample_exit() did not finish by itself. */
enum vcpu_action spe_emul_exit(struct vcpu *vcpu, bool irq);

#endif
