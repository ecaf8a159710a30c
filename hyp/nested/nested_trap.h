/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest's EL2 does that traps: registers, TLBI, AT, and the registers for userspace. */
#ifndef KEEL_NESTED_NESTED_TRAP_H
#define KEEL_NESTED_NESTED_TRAP_H

#include <vm/exit.h>
#include <vm/vm.h>

/*
 * An MSR, MRS or system instruction in the context NESTED_EL2, with syndrome @esr. VCPU_RESUME, or
 * VCPU_NOT_MINE for what is as at EL1.
 */
enum vcpu_action nested_sysreg_trap(struct vcpu *vcpu, u64 esr);

/**
 * nested_sysreg_at_once() - the same, in an early exit, for what changes nothing that an entry looks at
 *
 * Return: whether it is done, pc too, and the guest can be entered at once. If not, nothing has
 * changed.
 */
bool nested_sysreg_at_once(struct vcpu *vcpu, u64 esr);

/* Both without VHE. */
enum vcpu_action nested_sysreg_trap_nvhe(struct vcpu *vcpu, u64 esr);
bool nested_sysreg_at_once_nvhe(struct vcpu *vcpu, u64 esr);

/* Let userspace reach the registers of EL2 (trap/el2.h). Boot CPU, once. */
void nested_trap_init(void);

#endif
