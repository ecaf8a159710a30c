/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SPE by emulation, on any CPU (docs/spe.md): debug exceptions that EL2 takes for control of the
 * guest's registers, and samples taken when EL2's timer interrupts the guest.
 */
#ifndef KEEL_SPE_SPE_EMUL_H
#define KEEL_SPE_SPE_EMUL_H

#include <vm/exit.h>

/* Register on the run loop. Boot CPU, once, after trap_init(), vgic_init() and timer_init(). */
void spe_emul_init(void);

/* Inside spe/: of an exit by an interrupt or not, what spe_sample_exit() has not taken. */
enum vcpu_action spe_emul_exit(struct vcpu *vcpu, bool irq);

#endif
