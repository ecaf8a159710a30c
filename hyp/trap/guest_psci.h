/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PSCI for guests (ARM DEN 0022, version 1.1, or an older one that userspace chose), all of it at
 * EL2. A vCPU's power is vcpu->power: RUNNABLE, STOPPED, and STARTING while a CPU_ON that has
 * claimed it writes where it starts. Only compare-and-exchange leaves STOPPED here.
 */
#ifndef KEEL_TRAP_GUEST_PSCI_H
#define KEEL_TRAP_GUEST_PSCI_H

#include <vm/run.h>

#define GUEST_PSCI_0_2 0x00002
#define GUEST_PSCI_1_0 0x10000
#define GUEST_PSCI_1_1 0x10001

/* A call with a function identifier of PSCI's range; pc is behind it. VCPU_RESUME or an exit. */
enum vcpu_action guest_psci_call(struct vcpu *vcpu);

/* CPU_ON has chosen @vcpu: registers as at reset, pc and x0 as it said. Its owner, loaded. */
void guest_psci_start(struct vcpu *vcpu);

/* The version that the VM's guests are told, and userspace's choice of it: -EINVAL for others. */
u32 guest_psci_version(const struct vm *vm);
int __must_check guest_psci_set_version(struct vm *vm, u64 version);

#endif
