/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errata of CPUs that concern a hypervisor: which CPU has which, and what Keel does about it.
 * Errata of EL1 and EL0 are handled by the host's and the guests' kernels, which see the CPU's
 * MIDR_EL1. docs/cpu-features.md has the table in words.
 */
#ifndef KEEL_CPU_ERRATA_H
#define KEEL_CPU_ERRATA_H

#include <arch/barrier.h>
#include <arch/sysreg.h>
#include <arch/tlb.h>
#include <lib/types.h>

/* The workarounds; a CPU can need several. */
enum erratum_action {
	/* a broadcast TLBI is followed by another one before its DSB counts: tlb_sync() */
	ERRATUM_REPEAT_TLBI = BIT(0),
	/* EL1's walks are disabled while registers of host and guest are mixed */
	ERRATUM_BLOCK_WALKS = BIT(1),
	/* hardware sets neither access flag nor dirty state at stage 2 */
	ERRATUM_NO_HW_ACCESS = BIT(2),
	/* hardware does not set the dirty state at stage 2 */
	ERRATUM_NO_HW_DIRTY = BIT(3),
	/* DMB SY on both sides of a read of PAR_EL1 */
	ERRATUM_FENCE_PAR = BIT(4),
	/* DSB before and ISB behind a write of HCR_EL2 */
	ERRATUM_FENCE_HCR = BIT(5),
	/* nothing can be done at EL2, but a warning at boot: a guest can hang the machine */
	ERRATUM_GUESTS_HANG = BIT(6),
	/* likewise. An access by SME may still be under way when TLB invalidation is complete */
	ERRATUM_LATE_SME = BIT(7),
};

/* Those that change what tables mean: they must be known before the first VM is made. */
#define ERRATA_EARLY ((u32)(ERRATUM_NO_HW_ACCESS | ERRATUM_NO_HW_DIRTY))

/* Those without a workaround. */
#define ERRATA_OPEN ((u32)(ERRATUM_GUESTS_HANG | ERRATUM_LATE_SME))

/* An erratum of one kind of CPU. */
struct erratum {
	u32 model;	/* MIDR_EL1 without variant and revision */
	u32 model_mask; /* bits of it that count */
	u8 first, last; /* variant << 4 | revision, both included */
	char cpu[16];
	char number[16]; /* the vendor's number */
	u32 actions;
};

/* The actions that CPUs need which have come up so far. Changed by errata_add() only. */
extern u32 errata_actions;

static inline bool errata_need(u32 actions)
{
	return unlikely(READ_ONCE(errata_actions) & actions);
}

/* errata_of() - the actions that a CPU with this MIDR_EL1 needs. A pure function. */
u32 errata_of(u64 midr);

/**
 * errata_add() - a CPU with this MIDR_EL1 is going to run
 * @midr: its MIDR_EL1
 * @prev: NULL, or what the last call returned
 *
 * To be called until it returns NULL, before the CPU enters the host. One CPU at a time.
 *
 * Return: the next erratum that this CPU has and no CPU before it had.
 */
const struct erratum *errata_add(u64 midr, const struct erratum *prev);

/* errata_describe() - the workaround of an erratum, or its effect if there is none; a few words. */
const char *errata_describe(const struct erratum *erratum);

/**
 * tlb_sync() - wait until TLBIs that all CPUs carry out are complete, on all of them
 * @errata: tlb_sync_on(), read_par_on(): errata_actions, by who needs it more than once
 *
 * DSB ISH. Where a CPU may answer that too early, one more TLBI, of any kind, and a second DSB make
 * sure (Arm's notices to each of the errata; the second one's completion implies that of the
 * accesses that the first one missed). VAE2IS of address 0 is the cheapest: nothing is mapped there
 * that is used again and again.
 */
static inline void tlb_sync_on(u32 errata)
{
	dsb(ish);
	if (unlikely(errata & ERRATUM_REPEAT_TLBI)) {
		tlbi_vae2is(0);
		dsb(ish);
	}
}

static inline void tlb_sync(void)
{
	tlb_sync_on(READ_ONCE(errata_actions));
}

/* PAR_EL1, read at EL2. */
static inline u64 read_par_on(u32 errata)
{
	u64 par;

	if (unlikely(errata & ERRATUM_FENCE_PAR))
		dmb(sy);
	par = read_sysreg(par_el1);
	if (unlikely(errata & ERRATUM_FENCE_PAR))
		dmb(sy);
	return par;
}

static inline u64 read_par(void)
{
	return read_par_on(READ_ONCE(errata_actions));
}

#endif
