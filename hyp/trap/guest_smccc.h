/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls of a guest by HVC or SMC (ARM DEN 0028, SMCCC 1.1): version and features, mitigations of
 * the firmware, random numbers (ARM DEN 0098), stolen time (ARM DEN 0057), PSCI. Everything else is
 * not supported, Keel's own hypercalls among it.
 */
#ifndef KEEL_TRAP_GUEST_SMCCC_H
#define KEEL_TRAP_GUEST_SMCCC_H

#include <cpu/features.h>
#include <vm/run.h>

/* Groups of services that userspace can turn off, KVM_REG_ARM_*_BMAP, and what is in them. */
enum guest_smccc_group { GUEST_SMCCC_STD, GUEST_SMCCC_STD_HYP, GUEST_SMCCC_VENDOR_HYP };
#define GUEST_SMCCC_GROUPS   3
#define GUEST_SMCCC_TRNG     BIT(0) /* of the first */
#define GUEST_SMCCC_PV_TIME  BIT(0) /* of the second */
#define GUEST_SMCCC_FEATURES BIT(0) /* of the third */

/* Whether a mitigation is there, for a guest and for KVM's firmware registers. */
enum workaround_state {
	WORKAROUND_NONE,       /* affected, or nobody knows */
	WORKAROUND_NEEDED,     /* the call is there and does something */
	WORKAROUND_NOT_NEEDED, /* from the worst to the best */
};

/* @features: the machine's; kept. Boot CPU. */
void guest_smccc_init(const struct cpu_features *features);

/* A CPU has come up, and is asked what mitigations it needs. On it; @id: its own registers. */
void guest_smccc_cpu_online(const struct cpu_id_regs *id);

/**
 * guest_smccc_call() - a call; pc is behind it
 *
 * Function identifier in W0; results in x0 and, for a function with more of them, x1..x3.
 *
 * Return: VCPU_RESUME or an exit.
 */
enum vcpu_action guest_smccc_call(struct vcpu *vcpu);

/**
 * guest_smccc_resume() - end a call that the host was asked about (KEEL_EXIT_ENTROPY)
 *
 * Before the vCPU is entered. Return: VCPU_RESUME; KEEL_EXIT_IRQ, which the host has asked for.
 */
enum vcpu_action guest_smccc_resume(struct vcpu *vcpu);

/* The vCPU begins anew: such a call has no end. */
void guest_smccc_forget(struct vcpu *vcpu);

/* The services of a group that guests of the VM have. */
u64 guest_smccc_services(const struct vm *vm, enum guest_smccc_group group);

/* Choose them. -EINVAL for one that there is not; -EBUSY for a change once a vCPU has run. */
int __must_check guest_smccc_set_services(struct vm *vm, enum guest_smccc_group group,
					  u64 services);

/* SMCCC_ARCH_WORKAROUND_@n, 1..3, on the CPU that is worst off. */
enum workaround_state guest_smccc_workaround(unsigned int n);

#endif
