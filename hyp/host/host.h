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

/* The host's general registers while EL2 has the CPU, as vectors.S stores them; x31 is padding. */
struct host_regs {
	u64 x[32];
};

/* The mediator of the host's PSCI calls. */
extern struct psci host_psci;

/* The mediator of the host's calls to OP-TEE, with keel.smc=optee. */
extern struct optee host_optee;

/**
 * host_trap() - handle a synchronous exception from the host
 * @regs: the host's registers, in and out
 *
 * From vectors.S, on the CPU's own stack, with interrupts masked. Afterwards vectors.S returns to
 * ELR_EL2 and SPSR_EL2.
 */
void host_trap(struct host_regs *regs);

/**
 * host_hypercall() - carry out an HVC of the host
 * @regs: x0 is the function identifier; results go to x0..x17 (include/keel/hypercall.h)
 */
void host_hypercall(struct host_regs *regs);

/**
 * host_set_firmware() - set whether there is firmware
 * @smc: whether firmware answers SMC; without it the host's SMCs return NOT_SUPPORTED
 *
 * Boot CPU, before the host runs.
 */
void host_set_firmware(bool smc);

/**
 * host_allow_smcs() - allow more of the host's SMCs than those that are always allowed
 * @allow: keel.smc; the pointer is kept
 *
 * Boot CPU, before the host runs. If it is not called, no further SMC is allowed.
 */
void host_allow_smcs(const struct option_smc *allow);

/* The value of one of enum keel_stat, summed over all CPUs. */
u64 host_stat(unsigned int stat);

/* Add one to a counter of enum keel_stat. */
void host_count(unsigned int stat);

#endif
