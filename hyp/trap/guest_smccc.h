/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls of a guest by HVC or SMC (ARM DEN 0028, SMCCC 1.1): version and features, mitigations of
 * the firmware, random numbers (ARM DEN 0098), stolen time (ARM DEN 0057), PSCI, the host's clock
 * (KVM's PTP). All other calls return NOT_SUPPORTED, Keel's own hypercalls too.
 */
#ifndef KEEL_TRAP_GUEST_SMCCC_H
#define KEEL_TRAP_GUEST_SMCCC_H

#include <cpu/features.h>
#include <vm/run.h>

/* Groups of services that userspace can turn off (KVM_REG_ARM_*_BMAP), and their services. */
enum guest_smccc_group { GUEST_SMCCC_STD, GUEST_SMCCC_STD_HYP, GUEST_SMCCC_VENDOR_HYP };
#define GUEST_SMCCC_GROUPS   3
#define GUEST_SMCCC_TRNG     BIT(0) /* of GUEST_SMCCC_STD */
#define GUEST_SMCCC_PV_TIME  BIT(0) /* of GUEST_SMCCC_STD_HYP */
#define GUEST_SMCCC_FEATURES BIT(0) /* of GUEST_SMCCC_VENDOR_HYP */
#define GUEST_SMCCC_PTP	     BIT(1) /* of GUEST_SMCCC_VENDOR_HYP */

/* A mitigation, for a guest and for KVM's firmware registers; from the worst to the best. */
enum workaround_state {
	WORKAROUND_NONE,       /* the CPU is affected, or it is not known whether it is */
	WORKAROUND_NEEDED,     /* the firmware has the call, and the CPU needs it */
	WORKAROUND_NOT_NEEDED, /* the CPU is not affected */
};

/* @features: the machine's; the pointer is kept. Boot CPU. */
void guest_smccc_init(const struct cpu_features *features);

/* Find out which mitigations a CPU needs that has come up. On that CPU; @id: its own registers. */
void guest_smccc_cpu_online(const struct cpu_id_regs *id);

/**
 * guest_smccc_call() - carry out a call; pc is behind the HVC or SMC; @esr is not used
 *
 * The function identifier is in W0; results go to x0 and, if the function has more, to x1..x3.
 *
 * Return: VCPU_RESUME or an exit.
 */
enum vcpu_action guest_smccc_call(struct vcpu *vcpu, u64 esr);

/**
 * guest_smccc_resume() - finish a call for which the host was asked (KEEL_EXIT_ENTROPY, _CLOCK)
 *
 * Before the vCPU is entered.
 *
 * Return: VCPU_RESUME; KEEL_EXIT_IRQ if the host asked for it (KEEL_ANSWER_STOP).
 */
enum vcpu_action guest_smccc_resume(struct vcpu *vcpu);

/* The vCPU is reset: drop such a call. */
void guest_smccc_forget(struct vcpu *vcpu);

/* The services of a group that guests of the VM have. */
u64 guest_smccc_services(const struct vm *vm, enum guest_smccc_group group);

/*
 * Choose the services of a group. -EINVAL: one of them does not exist; -EBUSY: a change after a
 * vCPU has run.
 */
int __must_check guest_smccc_set_services(struct vm *vm, enum guest_smccc_group group,
					  u64 services);

/* The state of SMCCC_ARCH_WORKAROUND_@n, 1..3, on the CPU where it is worst. */
enum workaround_state guest_smccc_workaround(unsigned int n);

#endif
