/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls of a guest by HVC or SMC (ARM DEN 0028, SMCCC 1.1): version and features, mitigations of
 * the firmware, random numbers (ARM DEN 0098), PSCI. Everything else is not supported, Keel's own
 * hypercalls among it.
 */
#ifndef KEEL_TRAP_GUEST_SMCCC_H
#define KEEL_TRAP_GUEST_SMCCC_H

#include <cpu/features.h>
#include <vm/run.h>

/* Whether a mitigation is there, for a guest and for KVM's firmware registers. */
enum workaround_state {
	WORKAROUND_NONE,   /* affected, or nobody knows */
	WORKAROUND_NEEDED, /* the call is there and does something */
	WORKAROUND_NOT_NEEDED,
};

/* @features: the machine's; kept. Boot CPU. */
void guest_smccc_init(const struct cpu_features *features);

/**
 * guest_smccc_call() - a call; pc is behind it
 *
 * Function identifier in W0; results in x0 and, for a function with more of them, x1..x3.
 *
 * Return: VCPU_RESUME or an exit.
 */
int guest_smccc_call(struct vcpu *vcpu);

/* SMCCC_ARCH_WORKAROUND_@n, 1..3, on this CPU. */
enum workaround_state guest_smccc_workaround(unsigned int n);

#endif
