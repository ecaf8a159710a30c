/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PSCI for guests (ARM DEN 0022, version 1.1, or an older one that userspace chose), all of it at
 * EL2. vcpu->power is RUNNABLE, STOPPED, or STARTING while a CPU_ON that has claimed the vCPU
 * writes its entry point. Here only a compare-and-exchange changes it from STOPPED, so one caller
 * wins.
 */
#ifndef KEEL_TRAP_GUEST_PSCI_H
#define KEEL_TRAP_GUEST_PSCI_H

#include <vm/run.h>

#define GUEST_PSCI_0_2 0x00002
#define GUEST_PSCI_1_0 0x10000
#define GUEST_PSCI_1_1 0x10001

/* A call with a function identifier of PSCI; pc is behind it. Return: VCPU_RESUME or an exit. */
enum vcpu_action guest_psci_call(struct vcpu *vcpu);

/*
 * Start @vcpu after a CPU_ON: registers as after reset, pc and x0 of the call. Its owner, loaded.
 */
void guest_psci_start(struct vcpu *vcpu);

/* The version that the VM's guests see; and userspace's choice of it: -EINVAL if it is unknown. */
u32 guest_psci_version(const struct vm *vm);
int __must_check guest_psci_set_version(struct vm *vm, u64 version);

#endif
