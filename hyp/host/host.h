/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host VM: a stock kernel at EL1 that owns all memory that Keel does not.
 */
#ifndef KEEL_HOST_HOST_H
#define KEEL_HOST_HOST_H

#include <host/optee.h>
#include <host/psci.h>
#include <lib/options.h>
#include <lib/types.h>

/* The host's general registers while EL2 has the CPU; x31 is padding.
 * As vectors.S lays them out. */
struct host_regs {
	u64 x[32];
};

/* The one mediator of the host's power management. */
extern struct psci host_psci;

/* OP-TEE, if keel.smc=optee let the host at it. */
extern struct optee host_optee;

/**
 * host_trap() - a synchronous exception from the host
 * @regs: its registers, changed to what it is to see
 *
 * From vectors.S, on the CPU's own stack, interrupts masked; returns to ELR_EL2 and SPSR_EL2.
 */
void host_trap(struct host_regs *regs);

/**
 * host_hypercall() - carry out an HVC of the host
 * @regs: x0 is the function identifier; results go to x0..x17 (include/keel/hypercall.h)
 */
void host_hypercall(struct host_regs *regs);

/**
 * host_set_firmware() - say how firmware is to be called
 * @smc: whether there is firmware that answers SMC; without it the host's SMCs get NOT_SUPPORTED
 *
 * Boot CPU, before the host runs.
 */
void host_set_firmware(bool smc);

/**
 * host_allow_smcs() - let more of the host's SMCs through than those that are harmless
 * @allow: keel.smc; kept, not copied
 *
 * Boot CPU, before the host runs. Without it no such call is allowed.
 */
void host_allow_smcs(const struct option_smc *allow);

/* One of enum keel_stat, all CPUs together. */
u64 host_stat(unsigned int stat);

/* Counts one occurrence. */
void host_count(unsigned int stat);

#endif
