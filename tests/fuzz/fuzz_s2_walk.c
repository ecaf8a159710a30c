// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: tests/unit/s2_walk_model.c tests/unit/arch/fake_tlb.c tests/unit/arch/fake_mem.c tests/unit/fake_panic.c hyp/nested/s2_walk.c hyp/mm/pgtable.c hyp/mm/pgtable_sane.c hyp/mm/stage2_geometry.c */
/*
 * The walk of a guest hypervisor's stage 2 against the second walker (tests/unit/s2_walk_model.h).
 * A guest hypervisor writes registers and descriptors, which may point to each other and to
 * themselves; each step changes something and makes one access.
 */
#include <string.h>

#include <lib/errno.h>

#include "s2_walk_model.h"
#include "steps.h"

/*
 * Tables of 64 KiB at the bottom of the VM's memory, and a repetition of them above it: so whatever
 * a descriptor points to holds descriptors, but for the part where nothing answers.
 */
#define TABLES	8
#define WORDS	(TABLES * SZ_64K / sizeof(u64))
#define MISSING (WORDS / 16)

static u64 words[WORDS];
static struct s2_walk_regs regs;
static struct mmu_caps caps;
static bool missing;

static int read_word(u64 address, u64 *raw)
{
	u64 index = address / sizeof(u64) % WORDS;

	*raw = words[index];
	if (missing && index < MISSING)
		return index % 2 ? -EAGAIN : -ENXIO;
	return 0;
}

static u64 any_desc(void)
{
	u64 desc = s2_rand64();

	if (rnd(4))
		desc = (desc & ~0xfffffffff003ULL) | (desc & ((TABLES * SZ_64K) - SZ_4K));
	return rnd(8) ? desc | 1 : desc;
}

static void put_desc(u64 index, u64 desc)
{
	words[index % WORDS] = (regs.sctlr_el2 & BIT(25)) ? __builtin_bswap64(desc) : desc;
}

static void start(void)
{
	s2_rand = rnd;
	memset(words, 0, sizeof(words));
	s2_random_caps(&caps);
	s2_random_regs(&regs);
	missing = rnd(2);
}

/* A table whose entries are all the same, or a few of different kinds. */
static void fill_table(void)
{
	u64 at = rnd(TABLES) * (SZ_64K / sizeof(u64)), desc = any_desc();

	for (u64 i = 0; i < SZ_64K / sizeof(u64); i++)
		put_desc(at + i, desc);
}

static void step(void)
{
	switch (rnd(16)) {
	case 0:
		s2_random_regs(&regs);
		return;
	case 1:
		fill_table();
		return;
	case 2:
		regs.vtcr_el2 ^= BIT(rnd(34));
		return;
	case 3:
		regs.vttbr_el2 ^= BIT(rnd(64));
		return;
	case 4:
		regs.hcr_el2 ^= rnd(2) ? BIT(46) : BIT(2);
		return;
	case 5:
	case 6:
	case 7:
		put_desc(rnd(WORDS), any_desc());
		return;
	default:
		s2_compare_walks_in(read_word, &regs, &caps, s2_random_ipa(&regs),
				    s2_random_access());
	}
}

/* FUZZ_STANDALONE: see steps.h */
STEPS_MAIN("walks of a guest hypervisor's stage 2", start, step)
