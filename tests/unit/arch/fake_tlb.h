/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A strict model of TLBs, for tests. It knows address spaces ("regimes") by their root, walks their
 * tables with a walker of its own written from the manual, and remembers on several CPUs what TLBs
 * may hold: what an access brought in, and, since a TLB may load any valid descriptor at any time,
 * every valid descriptor that is changed, as it was before.
 *
 * It is a violation, which ends the test with a message, when
 *  - a descriptor becomes valid while a TLB may hold another address, memory type or size for the
 *    same input (break-before-make, ARM DDI 0487 D8.17.1; sizes may differ with FEAT_BBM level 2);
 *  - a plain store hits a valid leaf, whose access flag or dirty state hardware may be updating;
 *  - a table is freed that is linked, or that a TLB may still walk in;
 *  - an access uses an entry that the tables do not have any more;
 *  - at fake_tlb_check(), any CPU's TLB may hold what the tables do not say, or a descriptor was
 *    written and not published by a DSB;
 *  - a descriptor is malformed: a block where there is none, a wild table, an address too wide.
 *
 * TLBIs act as weakly as the manual lets them: only after the DSB that orders them behind the
 * descriptor writes, complete only at the next DSB ISH, with a wrong level hint not at all, by IPA
 * never on table descriptors if there is a level hint, and never on what combines both stages;
 * VMALLE1 on that only once the stage-2 entry from which it could be remade is gone.
 */
#ifndef KEEL_FAKE_TLB_H
#define KEEL_FAKE_TLB_H

#include <cpu/mmu_caps.h>
#include <lib/types.h>

#define FAKE_CPUS 4

/* One address space: what VTCR_EL2 and VTTBR_EL2, or TCR_EL2 and TTBR_EL2, would say. */
struct fake_regime {
	bool el2;   /* EL2 stage 1; otherwise stage 2 */
	bool upper; /* of TTBR1_EL2 */
	u16 vmid;   /* stage 2: no two regimes have the same */
	enum granule granule;
	s8 start_level;
	u8 ia_bits, oa_bits;
	bool ds;
	bool ha, hd; /* hardware sets the access flag, the dirty state */
	u8 bbm_level;
	u64 *root; /* from fake_mem.h */
};

enum fake_access { FAKE_READ, FAKE_WRITE, FAKE_EXEC };

enum fake_outcome { FAKE_OK, FAKE_TRANSLATION, FAKE_PERMISSION, FAKE_ACCESS_FLAG };

/* Forget all regimes, TLB entries and orders. */
void fake_tlb_reset(void);

/*
 * Errata of the CPUs, until the next reset. @early_dsb: a DSB waits for the TLBIs of other CPUs
 * only once a second TLBI was issued behind a first DSB. @speculative_at: VTTBR_EL2 may only change
 * while EL1's walks are off.
 */
void fake_tlb_errata(bool early_dsb, bool speculative_at);

/* Make a regime known. Returns its number. Its root is empty. */
int fake_tlb_add(const struct fake_regime *regime);

/* Make a regime unknown: its root may be freed, and its VMID be used again if no TLB knows it. */
void fake_tlb_remove(int regime);

/* Access @ia on @cpu, through its TLB, or the tables and then into the TLB. */
enum fake_outcome fake_tlb_access(unsigned int cpu, int regime, u64 ia, enum fake_access access,
				  u64 *pa);

/* The CPU on which instructions run from now on. */
void fake_tlb_set_cpu(unsigned int cpu);

/* What the tables say: what any TLB may say between two operations. */
enum fake_outcome fake_walk(int regime, u64 ia, u64 *pa, u64 *desc, int *level);

/* Do all TLBs agree with the tables, and have all descriptors been published? */
void fake_tlb_check(const char *where);

/* Entries that TLBs hold. */
unsigned int fake_tlb_entries(void);

/* TLBI instructions since the last reset, by IPA or range or VA; and of everything. */
unsigned int fake_tlbi_by_address(void), fake_tlbi_all(void);

/*
 * Let hardware update a leaf between pte_read() and pte_cmpxchg() in @percent of the cases: the
 * access flag, and the dirty state, as if a CPU had written. @dirtied is told then, if not NULL.
 */
void fake_tlb_race(unsigned int percent, void (*dirtied)(int regime, u64 ia, u64 size));

/* A pseudo-random number below @n; seeded by fake_srand(). */
u32 fake_rand(u32 n);
void fake_srand(u64 seed);

/* Something that must not happen did. Ends the test, unless within fake_expect_violation(). */
void fake_violation(const char *fmt, ...) __printf(1, 2);

/* From here on violations are noted. */
void fake_expect_violation(void);
/* End that. Returns the first violation's message, or NULL if there was none. */
const char *fake_expected_violation(void);

/* From fake_mem.c. */
void fake_tlb_table_freed(int page);

#endif
