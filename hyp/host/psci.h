/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mediates PSCI (ARM DEN 0022) between the host and firmware, so that every CPU that enters the
 * host comes from Keel; and smc_policy(), which decides about each of the host's SMCs.
 *
 * A state machine without hardware: firmware is called through an ops structure.
 *
 * A CPU's states, and who moves it:
 *
 *            CPU_ON (any CPU)               psci_cpu_arrived() (itself)
 *     OFF ----------------------> ON_PENDING ------------------------> ON
 *      ^  <---------------------                                        |
 *      |     firmware refuses                                           |
 *      +----------------------------------------------------------------+
 *            CPU_OFF (itself; back to ON if firmware refuses)
 */
#ifndef KEEL_HOST_PSCI_H
#define KEEL_HOST_PSCI_H

#include <arch/spinlock.h>
#include <lib/smccc.h>
#include <lib/types.h>

#include <host/host_fdt.h>

struct option_smc;

/**
 * struct psci_ops - what the mediation needs from its user
 * @smc:       call firmware; @regs are X0..X17 in and out. Called without a lock held. Does not
 *             return from a call that turns the CPU or the machine off.
 * @host_owns: may the host execute at @ipa?
 * @irqs_masked: does the calling CPU's host have interrupts masked (PSTATE.I)?
 * @host_starts: a kernel of the host's starts, and none runs. The first one, or one that took the
 *             place of another, by kexec or after a crash. Called without a lock held.
 */
struct psci_ops {
	void (*smc)(void *ctx, struct smccc_regs *regs);
	bool (*host_owns)(void *ctx, struct ipa ipa);
	bool (*irqs_masked)(void *ctx);
	void (*host_starts)(void *ctx);
};

/*
 * What the host has asked for. A CPU that is OFF here may still be on its way off, and one that is
 * not may be lost: only firmware knows.
 */
enum psci_cpu_state { PSCI_CPU_OFF, PSCI_CPU_ON_PENDING, PSCI_CPU_ON };

/* Where a CPU is to enter the host, at EL1 with the MMU off. */
struct psci_entry {
	u64 pc;
	u64 x0;
};

/* A CPU; under psci's lock. */
struct psci_cpu {
	u64 mpidr;
	enum psci_cpu_state state;
	u64 claim;		 /* of the last CPU_ON for it; 0: it was on at boot, or never */
	bool resuming;		 /* asked firmware for a power-down suspend; @entry is valid */
	struct psci_entry entry; /* valid in ON_PENDING, and in ON while @resuming */
};

/* Lives as long as Keel does. The fields above the lock do not change after psci_init(). */
struct psci {
	const struct psci_ops *ops;
	void *ctx;
	u64 secondary_entry;
	bool extended_state_id; /* format of CPU_SUSPEND's power_state */
	unsigned int nr_cpus;
	struct spinlock lock;  /* innermost; protects what follows, but for cpu[].mpidr */
	u64 claims;	       /* how many CPU_ONs have claimed a CPU */
	unsigned int starting; /* of these, firmware has not answered so many yet */
	struct psci_cpu cpu[KEEL_MAX_CPUS];
};

/**
 * psci_init() - begin to mediate
 * @psci:            filled
 * @ops:             must stay valid
 * @ctx:             for @ops
 * @cpus:            the machine's CPUs; index 0 is the running one, the rest are off
 * @secondary_entry: physical address at which firmware starts CPUs: Keel's entry, EL2, MMU off.
 *                   X0 there is the CPU's index in @cpus.
 *
 * Asks firmware for its version and power_state format.
 */
void psci_init(struct psci *psci, const struct psci_ops *ops, void *ctx,
	       const struct fdt_cpus *cpus, struct pa secondary_entry);

/**
 * psci_handle() - carry out an SMC of the host if it is PSCI's
 * @psci: mediator
 * @cpu:  index of the calling CPU
 * @regs: the caller's X0..X17; on return of true, what it is to see
 *
 * Takes @psci->lock, never across a call of firmware. Does not return from a CPU_OFF, a power-down
 * suspend, or SYSTEM_* that firmware carries out.
 *
 * Return: true if the call was PSCI's and @regs holds its result; false if it is not PSCI's.
 */
bool psci_handle(struct psci *psci, unsigned int cpu, struct smccc_regs *regs);

/**
 * psci_cpu_arrived() - a CPU has come from firmware to Keel's secondary entry
 * @psci: mediator
 * @cpu:  its index: what firmware passed in X0
 * @out:  where it enters the host
 *
 * To be called by that CPU, once it is set up. For a CPU that was started, and for one that wakes
 * from a power-down suspend.
 *
 * Return: 0; -EINVAL if nobody asked for this CPU: it must not enter the host.
 */
int __must_check psci_cpu_arrived(struct psci *psci, unsigned int cpu, struct psci_entry *out);

/* Is the CPU with @mpidr off, as firmware says, or is there none? Takes @psci->lock. */
bool psci_is_off(struct psci *psci, u64 mpidr);

/* What Keel does with an SMC of the host. */
enum smc_policy {
	SMC_DENY,    /* answered NOT_SUPPORTED, whatever keel.smc says */
	SMC_ASK,     /* the same, since keel.smc does not allow it; OP-TEE's are optee_handle()'s */
	SMC_FORWARD, /* goes to firmware as it is */
	SMC_PSCI     /* psci_handle() */
};

/**
 * smc_policy() - what Keel does with a call
 * @allow: what keel.smc adds to the calls that are forwarded
 * @fid:   function identifier, W0
 *
 * A pure function; docs/boot.md has the reasons.
 */
enum smc_policy smc_policy(const struct option_smc *allow, u32 fid);

/* A function identifier without the SVE hint, which is no part of the function's identity. */
u32 smc_identity(u32 fid);

#endif
