/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hardware's controls for the two contexts of a vCPU with an EL2, and the change between them.
 */
#ifndef KEEL_NESTED_NESTED_STAGE_H
#define KEEL_NESTED_NESTED_STAGE_H

#include <nested/nested_regs.h>

/*
 * Make the other context's registers, timer and translations those of the CPU. Loaded. With VHE EL2
 * and EL1 without a stage 2 run under the VM's VMID, so no entry of the TLBs, on any CPU, may be left of
 * either.
 */
void nested_change_context(struct vcpu *vcpu, enum nested_context to);

/* Register the stage of the run loop. Boot CPU, once. */
void nested_stage_init(void);

#endif
