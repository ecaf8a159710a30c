// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: tests/unit/s2_walk_model.c tests/unit/arch/fake_tlb.c tests/unit/arch/fake_mem.c tests/unit/fake_panic.c hyp/nested/s2_walk.c hyp/mm/pgtable.c hyp/mm/pgtable_sane.c hyp/mm/stage2_geometry.c */
/*
 * The walk of a guest hypervisor's stage 2, against a second walker (s2_walk_model.h): every shape,
 * every attribute of every leaf, and random registers in random memory; and against numbers from
 * the manual, written out here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lib/errno.h>
#include <nested/s2_walk.h>

#include "s2_walk_model.h"

#define RANDOM_WALKS 2000000

/* VTCR_EL2 */
#define TG0(x) ((u64)(x) << 14)
#define PS(x)  ((u64)(x) << 16)
#define SL0(x) ((u64)(x) << 6)
#define HA     BIT(21)
#define HD     BIT(22)
#define DS     BIT(32)
#define SL2    BIT(33)

/* HCR_EL2, SCTLR_EL2 */
#define PTW BIT(2)
#define FWB BIT(46)
#define EE  BIT(25)

/* Descriptors */
#define TABLE  3ULL
#define PAGE   3ULL
#define BLOCK  1ULL
#define AF     BIT(10)
#define S2AP_R BIT(6)
#define S2AP_W BIT(7)
#define CONT   BIT(52)

static const u64 tg0_of[GRANULE_COUNT] = { TG0(0), TG0(2), TG0(1) };

static const struct mmu_caps all_caps = {
	.pa_bits = 48,
	.vmid_bits = 16,
	.s2_granule = { true, true, true },
	.small_tables = true,
	.hw_access = true,
	.fwb = true,
	.xnx = true,
};

static const struct s2_access reading = { .kind = S2_READ };
static const struct s2_access writing = { .kind = S2_WRITE };

/*
 * VTCR_EL2 for a walk that starts at @level, with the fewest IPA bits that this level takes and one
 * more, but not fewer than 25.
 */
static u64 vtcr_from(enum granule granule, int level)
{
	static const u64 sl0[GRANULE_COUNT][4] = {
		{ SL0(2), SL0(1), SL0(0), SL0(3) },
		{ 0, SL0(2), SL0(1), SL0(0) },
		{ 0, SL0(2), SL0(1), SL0(0) },
	};
	static const u8 ia[GRANULE_COUNT][4] = {
		{ 44, 36, 32, 25 },
		{ 0, 46, 36, 27 },
		{ 0, 46, 36, 30 },
	};

	return tg0_of[granule] | sl0[granule][level] | PS(6) | (64U - ia[granule][level]);
}

/* ---- memory with one descriptor a level ---- */

/*
 * The table of a level is 16 MiB times the level and one: every address in it has this descriptor.
 */
static u64 chain[4];
static bool chain_big_endian;

static u64 chain_table(int level)
{
	return (u64)(level + 1) << 24;
}

static int chain_read(u64 address, u64 *raw)
{
	u64 level = (address >> 24) - 1;

	if (level > 3)
		return -ENXIO;
	*raw = chain_big_endian ? __builtin_bswap64(chain[level]) : chain[level];
	return 0;
}

/* A chain of tables down to @leaf at @level. */
static void chain_make(int level, u64 leaf)
{
	for (int i = 0; i < level; i++)
		chain[i] = chain_table(i + 1) | TABLE;
	chain[level] = leaf;
	chain_big_endian = false;
}

static struct s2_walk_regs chain_regs(enum granule granule, int start)
{
	return (struct s2_walk_regs){ .vtcr_el2 = vtcr_from(granule, start),
				      .vttbr_el2 = chain_table(start) };
}

/* ---- with the model: everything ---- */

static void walk_shapes(const struct mmu_caps *caps)
{
	for (u64 vtcr = 0; vtcr < 1 << 13; vtcr++) {
		/* T0SZ, SL0, TG0 and PS are 6, 2, 2 and 3 bits. */
		struct s2_walk_regs regs = { .vttbr_el2 = s2_rand64() >> (16 + s2_rand(20)) };

		regs.vtcr_el2 = (vtcr & 0xff) | (vtcr >> 8 & 3) << 14 | (vtcr >> 10 & 7) << 16;
		s2_compare_walks(&regs, caps, s2_random_ipa(&regs), s2_random_access());
	}
}

static void each_shape_that_registers_can_ask_for_is_walked_or_refused_as_by_the_model(void **state)
{
	static const u8 widths[] = { 32, 36, 40, 42, 44, 48, 52, 56 };
	struct mmu_caps caps = all_caps;

	s2_memory_start(1, 4, false);
	for (unsigned int granules = 0; granules < 8; granules++) {
		for (int g = 0; g < GRANULE_COUNT; g++)
			caps.s2_granule[g] = granules >> g & 1;
		for (unsigned int w = 0; w < 2 * ARRAY_SIZE(widths); w++) {
			caps.pa_bits = widths[w / 2];
			caps.small_tables = w % 2;
			walk_shapes(&caps);
		}
	}
}

static void random_registers_in_random_tables_give_what_the_model_gives(void **state)
{
	unsigned int ends[4] = { 0 }, fsc[64] = { 0 };

	for (unsigned int i = 0; i < RANDOM_WALKS; i++) {
		struct s2_walk_regs regs;
		struct mmu_caps caps;
		struct model_walk walk;

		s2_random_caps(&caps);
		s2_random_regs(&regs);
		s2_memory_start(s2_rand64(), s2_rand(2) * 16, regs.sctlr_el2 & EE);
		walk = s2_compare_walks(&regs, &caps, s2_random_ipa(&regs), s2_random_access());
		ends[walk.end]++;
		fsc[walk.fsc & 63] += walk.end == S2_WALK_FAULT;
	}
	/* Each way to end has been seen: every fault at each level that it can have. */
	assert_true(ends[S2_WALK_LEAF] > RANDOM_WALKS / 100);
	assert_true(ends[S2_WALK_ASK_HOST] > 100);
	for (unsigned int level = 0; level < 4; level++) {
		assert_true(fsc[0x00 + level] && fsc[0x04 + level] && fsc[0x14 + level]);
		assert_true(level == 0 || (fsc[0x08 + level] && fsc[0x0c + level]));
	}
}

/* All permissions and attributes of a leaf: S2AP, XN, AF, MemAttr, SH and Contiguous in 13 bits. */
static u64 leaf_attrs(unsigned int n)
{
	return (u64)(n & 3) << 6 | (u64)(n >> 2 & 3) << 53 | (u64)(n >> 4 & 1) << 10 |
	       (u64)(n >> 5 & 15) << 2 | (u64)(n >> 9 & 3) << 8 | (u64)(n >> 11 & 1) << 52 |
	       (u64)(n >> 12 & 1) << 51;
}

/* The 12 accesses; and in the bits above what decides about them. */
static void walk_leaf(struct s2_walk_regs regs, unsigned int n)
{
	const struct s2_access access = { .kind = (enum s2_access_kind)(n % 3),
					  .el0 = n / 3 & 1,
					  .s1ptw = n / 6 & 1 };
	struct mmu_caps caps = all_caps;

	n /= 12;
	caps.xnx = n & 1;
	regs.hcr_el2 = (n & 2 ? FWB : 0) | (n & 4 ? PTW : 0);
	regs.vtcr_el2 |= n & 8 ? HA : 0;
	regs.sctlr_el2 = n & 16 ? EE : 0;
	chain_big_endian = n & 16;
	s2_compare_walks_in(chain_read, &regs, &caps, s2_rand64() & 0xfffffffff, access);
}

static void each_access_to_each_kind_of_leaf_at_each_level_is_as_the_model_has_it(void **state)
{
	for (int g = 0; g < GRANULE_COUNT; g++) {
		for (int level = 0; level <= 3; level++) {
			int start = g == GRANULE_4K ? 0 : 1;

			for (unsigned int attrs = 0; attrs < 1 << 13; attrs++) {
				u64 type = level == 3 ? PAGE : BLOCK;

				chain_make(level, leaf_attrs(attrs) | 0xc0000000ULL | type);
				for (unsigned int n = attrs % 7; n < 12 * 32; n += 7)
					walk_leaf(chain_regs((enum granule)g, start), n);
			}
		}
	}
}

/* ---- numbers from the manual ---- */

/* A guest memory of its own that can be written. */
static u64 page[SZ_64K / sizeof(u64)];
static u64 page_at;
static unsigned int exchanges, fail_reads, races;
static u64 race_desc; /* what another vCPU puts in place of a descriptor before the exchange */
static int fail_with;

static u64 *page_word(struct ipa ipa)
{
	if (ipa.v < page_at || ipa.v >= page_at + sizeof(page) || ipa.v % 8)
		return NULL;
	return &page[(ipa.v - page_at) / 8];
}

static int page_read(void *ctx, struct ipa ipa, u64 *raw)
{
	u64 *word = page_word(ipa);

	if (fail_reads && --fail_reads == 0)
		return fail_with;
	if (!word)
		return -ENXIO;
	*raw = *word;
	return 0;
}

static int page_cmpxchg(void *ctx, struct ipa ipa, u64 old, u64 new)
{
	u64 *word = page_word(ipa);

	exchanges++;
	if (fail_with && !fail_reads)
		return fail_with;
	if (races) {
		races--;
		*word = race_desc;
		race_desc ^= BIT(55); /* a bit that nobody looks at */
	}
	if (*word != old)
		return -EBUSY;
	*word = new;
	return 0;
}

static const struct s2_walk_memory page_memory = { .read = page_read, .cmpxchg = page_cmpxchg };

static int page_setup(void **state)
{
	memset(page, 0, sizeof(page));
	page_at = SZ_1G;
	exchanges = fail_reads = races = 0;
	fail_with = 0;
	return 0;
}

static struct s2_walk_result page_walk(u64 vtcr, u64 ipa, struct s2_access access)
{
	const struct s2_walk_regs regs = { .vtcr_el2 = vtcr, .vttbr_el2 = page_at };
	struct s2_walk_result out;
	struct s2_tables tables;

	s2_tables_decode(&tables, &regs, &all_caps);
	s2_walk(&tables, IPA(ipa), access, &page_memory, &out);
	return out;
}

static void assert_fault(const struct s2_walk_result *out, unsigned int fsc)
{
	assert_int_equal(out->end, S2_WALK_FAULT);
	assert_int_equal(out->fsc, fsc);
}

/* D8.4.2.2: by XN[1:0], whether EL1 and EL0 may execute, with FEAT_XNX and without. */
static void execute_never_means_what_the_manual_says_with_and_without_fine_control(void **state)
{
	static const unsigned int with_xnx[4] = { STAGE2_X, STAGE2_UX, 0, STAGE2_PX };
	static const unsigned int without[4] = { STAGE2_X, STAGE2_X, 0, 0 };
	struct s2_walk_regs regs = { .vtcr_el2 = vtcr_from(GRANULE_4K, 3) };

	regs.vttbr_el2 = page_at;
	for (u64 n = 0; n < 32; n++) {
		struct mmu_caps caps = all_caps;
		struct s2_tables tables;
		u64 xn = n & 3, s2ap = n >> 2 & 3;
		unsigned int data = (s2ap & 1 ? STAGE2_R : 0) | (s2ap & 2 ? STAGE2_W : 0);
		unsigned int exec;

		caps.xnx = n & 16;
		exec = caps.xnx ? with_xnx[xn] : without[xn];
		page[0] = xn << 53 | s2ap << 6 | 0xf << 2 | AF | PAGE;
		s2_tables_decode(&tables, &regs, &caps);
		for (unsigned int el0 = 0; el0 < 2; el0++) {
			const struct s2_access fetch = { .kind = S2_FETCH, .el0 = el0 };
			unsigned int needs = el0 ? STAGE2_UX : STAGE2_PX;
			struct s2_walk_result out;

			s2_walk(&tables, IPA(0), fetch, &page_memory, &out);
			assert_int_equal(out.leaf.perm, data | exec);
			if (exec & needs)
				assert_int_equal(out.end, S2_WALK_LEAF);
			else
				assert_fault(&out, 0x0f);
		}
	}
}

static void a_walk_by_stage_1_needs_read_and_to_update_a_descriptor_write_too(void **state)
{
	const struct s2_access walk = { .kind = S2_READ, .s1ptw = true };
	const struct s2_access update = { .kind = S2_WRITE, .el0 = true, .s1ptw = true };
	struct s2_walk_result out;

	page[0] = S2AP_R | 0xf << 2 | AF | PAGE;
	page[1] = S2AP_W | 0xf << 2 | AF | PAGE;
	page[2] = S2AP_R | S2AP_W | 0xf << 2 | AF | PAGE;
	assert_int_equal(page_walk(vtcr_from(GRANULE_4K, 3), 0, walk).end, S2_WALK_LEAF);
	out = page_walk(vtcr_from(GRANULE_4K, 3), 0, update);
	assert_fault(&out, 0x0f);
	out = page_walk(vtcr_from(GRANULE_4K, 3), SZ_4K, walk);
	assert_fault(&out, 0x0f);
	out = page_walk(vtcr_from(GRANULE_4K, 3), SZ_4K, update);
	assert_fault(&out, 0x0f);
	assert_int_equal(page_walk(vtcr_from(GRANULE_4K, 3), 2 * SZ_4K, update).end, S2_WALK_LEAF);
}

static void a_bad_root_is_an_address_size_fault_at_level_0_whatever_the_start_level(void **state)
{
	for (int level = 1; level <= 3; level++) {
		const u64 vtcr = (vtcr_from(GRANULE_4K, level) & ~PS(7)) | PS(1); /* 36 bits */
		struct s2_walk_result out;

		page_at = BIT(36);
		out = page_walk(vtcr, 0, reading);
		assert_fault(&out, 0x00);
		/* But an IPA that is too wide comes first. */
		out = page_walk(vtcr, BIT(45), reading);
		assert_fault(&out, 0x04);
	}
}

static void an_address_that_is_too_wide_in_a_descriptor_is_a_fault_at_its_level(void **state)
{
	for (int level = 1; level <= 3; level++) {
		const u64 vtcr = (vtcr_from(GRANULE_4K, level) & ~PS(7)) | PS(2); /* 40 bits */
		struct s2_walk_result out;

		page[0] = BIT(40) | AF | S2AP_R | (level == 3 ? PAGE : TABLE);
		out = page_walk(vtcr, 0, reading);
		assert_fault(&out, 0x00 | (unsigned int)level);
		if (level == 3)
			continue;
		page[0] = BIT(40) | AF | S2AP_R | BLOCK;
		out = page_walk(vtcr, 0, reading);
		assert_fault(&out, 0x00 | (unsigned int)level);
	}
}

static void no_walk_begins_above_level_0_and_what_belongs_to_lpa2_has_no_effect(void **state)
{
	s2_memory_start(7, 0, false);
	for (unsigned int i = 0; i < 100000; i++) {
		struct s2_walk_regs plain, other;
		struct model_walk a, b;
		struct s2_access access = s2_random_access();
		struct s2_tables tables;
		struct mmu_caps caps;
		u64 ipa;

		s2_random_caps(&caps);
		s2_random_regs(&plain);
		plain.vtcr_el2 &= ~(DS | SL2 | HD);
		other = plain;
		other.vtcr_el2 |= s2_rand64() & (GENMASK(63, 32) | HD | BIT(20) | GENMASK(31, 23));
		ipa = s2_random_ipa(&plain);
		s2_tables_decode(&tables, &other, &caps);
		assert_in_range(tables.fmt.start_level, 0, 3);
		a = s2_compare_walks(&plain, &caps, ipa, access);
		b = s2_compare_walks(&other, &caps, ipa, access);
		assert_memory_equal(&a, &b, sizeof(a));
	}
}

static void a_reserved_or_missing_granule_is_the_smallest_that_there_is(void **state)
{
	static const struct {
		u64 tg0;
		bool has[GRANULE_COUNT];
		enum granule is;
	} rows[] = {
		{ TG0(0), { true, true, true }, GRANULE_4K },
		{ TG0(1), { true, true, true }, GRANULE_64K },
		{ TG0(2), { true, true, true }, GRANULE_16K },
		{ TG0(3), { true, true, true }, GRANULE_4K },
		{ TG0(3), { false, true, true }, GRANULE_16K },
		{ TG0(3), { false, false, true }, GRANULE_64K },
		{ TG0(0), { false, true, true }, GRANULE_16K },
		{ TG0(0), { false, false, true }, GRANULE_64K },
		{ TG0(1), { true, true, false }, GRANULE_4K },
		{ TG0(2), { true, false, true }, GRANULE_4K },
		{ TG0(2), { false, false, true }, GRANULE_64K },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct s2_walk_regs regs = { .vtcr_el2 = rows[i].tg0 };
		struct mmu_caps caps = all_caps;
		struct s2_tables tables;

		memcpy(caps.s2_granule, rows[i].has, sizeof(rows[i].has));
		s2_tables_decode(&tables, &regs, &caps);
		assert_int_equal(tables.fmt.granule, rows[i].is);
	}
}

static void where_no_granule_is_promised_each_access_is_a_translation_fault_at_level_0(void **state)
{
	const struct s2_walk_regs regs = { .vtcr_el2 = vtcr_from(GRANULE_4K, 1) };
	struct mmu_caps caps = all_caps;

	memset(caps.s2_granule, 0, sizeof(caps.s2_granule));
	s2_memory_start(1, 0, false);
	for (u64 tg0 = 0; tg0 < 4; tg0++) {
		struct s2_walk_regs each = regs;

		each.vtcr_el2 |= TG0(tg0);
		assert_int_equal(s2_compare_walks(&each, &caps, 0, reading).fsc, 0x04);
	}
}

/* D8.2, tables of start levels: the least and the greatest IPA size of each; 48-bit PARange. */
static void each_start_level_takes_the_ipa_sizes_that_the_manual_lists(void **state)
{
	static const struct {
		enum granule granule;
		u64 sl0;
		unsigned int least, greatest;
	} rows[] = {
		{ GRANULE_4K, 0, 22, 34 },  { GRANULE_4K, 1, 31, 43 },	{ GRANULE_4K, 2, 40, 48 },
		{ GRANULE_4K, 3, 16, 25 },  { GRANULE_16K, 0, 16, 29 }, { GRANULE_16K, 1, 26, 40 },
		{ GRANULE_16K, 2, 37, 48 }, { GRANULE_16K, 3, 65, 0 },	{ GRANULE_64K, 0, 17, 33 },
		{ GRANULE_64K, 1, 30, 46 }, { GRANULE_64K, 2, 43, 48 }, { GRANULE_64K, 3, 65, 0 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		for (unsigned int ia = 1; ia <= 64; ia++) {
			const struct s2_walk_regs regs = { .vtcr_el2 = tg0_of[rows[i].granule] |
								       SL0(rows[i].sl0) | PS(5) |
								       (64 - ia) };
			struct s2_tables tables;

			s2_tables_decode(&tables, &regs, &all_caps);
			assert_int_equal(!tables.misshapen,
					 ia >= rows[i].least && ia <= rows[i].greatest);
		}
	}
}

static void up_to_16_tables_of_the_root_are_one_table(void **state)
{
	/* 4K, level 3, 25 bits: 16 tables of 4 KiB. */
	const u64 vtcr = TG0(0) | SL0(3) | PS(5) | (64 - 25);

	for (u64 index = 0; index < BIT(25 - 12); index++) {
		struct s2_walk_result out;

		page[index] = (index + 5) << 12 | AF | S2AP_R | 0xf << 2 | PAGE;
		out = page_walk(vtcr, index << 12 | 0xabc, reading);
		assert_int_equal(out.end, S2_WALK_LEAF);
		assert_int_equal(out.desc.v, page_at + index * 8);
		assert_int_equal(out.leaf.oa.v, (index + 5) << 12);
		assert_int_equal(out.leaf.ipa.v, index << 12);
	}
}

static void the_bits_of_the_base_below_the_roots_size_are_ignored(void **state)
{
	/* 4K, level 1, 32 bits: four entries, so 32 bytes. */
	const u64 vtcr = TG0(0) | SL0(1) | PS(5) | (64 - 32);

	page[4] = SZ_1G | AF | S2AP_R | BLOCK;
	page_at = SZ_1G;
	for (u64 low = 0; low < 32; low++) {
		const struct s2_walk_regs regs = { .vtcr_el2 = vtcr,
						   .vttbr_el2 = BIT(48) * 9 | SZ_1G | 32 | low };
		struct s2_walk_result out;
		struct s2_tables tables;

		s2_tables_decode(&tables, &regs, &all_caps);
		assert_int_equal(tables.root.v, SZ_1G + 32);
		s2_walk(&tables, IPA(0x123), reading, &page_memory, &out);
		assert_int_equal(out.leaf.oa.v, SZ_1G);
	}
}

static void with_52_bit_addresses_the_base_and_descriptors_of_64k_have_four_bits_more(void **state)
{
	struct s2_walk_regs regs = { .vtcr_el2 = TG0(1) | SL0(1) | PS(6) | (64 - 32),
				     .vttbr_el2 = SZ_1G | 0xa << 2 };
	struct mmu_caps caps = all_caps;
	struct s2_walk_result out;
	struct s2_tables tables;

	caps.pa_bits = 52;
	page_at = 0xaULL << 48 | SZ_1G;
	page[3] = 0x7ULL << 29 | 0x5 << 12 | AF | S2AP_R | BLOCK;
	s2_tables_decode(&tables, &regs, &caps);
	assert_int_equal(tables.root.v, page_at);
	s2_walk(&tables, IPA(3ULL << 29), reading, &page_memory, &out);
	assert_int_equal(out.end, S2_WALK_LEAF);
	assert_int_equal(out.leaf.oa.v, 0x5ULL << 48 | 0x7ULL << 29);
	/* With a smaller PS the base has no such bits, and the descriptor's are too many. */
	regs.vtcr_el2 = (regs.vtcr_el2 & ~PS(7)) | PS(5);
	page_at = SZ_1G;
	s2_tables_decode(&tables, &regs, &caps);
	s2_walk(&tables, IPA(3ULL << 29), reading, &page_memory, &out);
	assert_fault(&out, 0x02);
	/* Where PARange is 48 bits, they are no address bits. */
	s2_tables_decode(&tables, &regs, &all_caps);
	s2_walk(&tables, IPA(3ULL << 29), reading, &page_memory, &out);
	assert_int_equal(out.leaf.oa.v, 0x7ULL << 29);
}

static void tables_that_point_to_themselves_end_at_level_3(void **state)
{
	for (int g = 0; g < GRANULE_COUNT; g++) {
		int start = g == GRANULE_4K ? 0 : 1;
		struct s2_walk_result out;

		for (size_t i = 0; i < ARRAY_SIZE(page); i++)
			page[i] = page_at | AF | S2AP_R | S2AP_W | 0xf << 2 | TABLE;
		out = page_walk(vtcr_from((enum granule)g, start), 0x1234567, writing);
		assert_int_equal(out.end, S2_WALK_LEAF);
		assert_int_equal(out.leaf.level, 3);
		assert_int_equal(out.leaf.oa.v, page_at);
	}
}

static void a_page_of_level_3_that_looks_like_a_block_is_invalid(void **state)
{
	struct s2_walk_result out;

	page[0] = AF | S2AP_R | BLOCK;
	out = page_walk(vtcr_from(GRANULE_4K, 3), 0, reading);
	assert_fault(&out, 0x07);
}

/* D8.7.1 */
static void a_contiguous_group_is_one_leaf_if_its_addresses_continue(void **state)
{
	static const struct {
		enum granule granule;
		int level;
		u64 size;
	} groups[] = {
		{ GRANULE_4K, 1, 16ULL << 30 }, { GRANULE_4K, 2, 32ULL << 20 },
		{ GRANULE_4K, 3, 64ULL << 10 }, { GRANULE_16K, 2, 1ULL << 30 },
		{ GRANULE_16K, 3, 2ULL << 20 }, { GRANULE_64K, 2, 16ULL << 30 },
		{ GRANULE_64K, 3, 2ULL << 20 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(groups); i++) {
		u64 vtcr = vtcr_from(groups[i].granule, groups[i].level);
		unsigned int shift = 12 + 2 * groups[i].granule;
		struct s2_walk_result out;
		u64 leaf;

		shift += (unsigned int)(3 - groups[i].level) * (shift - 3);
		leaf = BIT(shift);
		page[1] = (leaf + (1ULL << 36)) | CONT | AF | S2AP_R |
			  (groups[i].level == 3 ? PAGE : BLOCK);
		out = page_walk(vtcr, leaf + 1, reading);
		assert_int_equal(out.leaf.size, groups[i].size);
		assert_int_equal(out.leaf.oa.v, 1ULL << 36);
		assert_int_equal(out.leaf.ipa.v, 0);
		assert_true(out.leaf.contiguous);
		page[1] ^= leaf;
		out = page_walk(vtcr, leaf + 1, reading);
		assert_int_equal(out.leaf.size, leaf);
		assert_int_equal(out.leaf.ipa.v, leaf);
		assert_false(out.leaf.contiguous);
	}
}

static void a_contiguous_group_beyond_the_ipa_space_is_no_group(void **state)
{
	struct s2_walk_result out;

	/* Two blocks of 1 GiB are all of a 31-bit space. */
	page[1] = SZ_1G | CONT | AF | S2AP_R | BLOCK;
	out = page_walk(TG0(0) | SL0(1) | PS(5) | (64 - 31), SZ_1G, reading);
	assert_int_equal(out.end, S2_WALK_LEAF);
	assert_int_equal(out.leaf.size, SZ_1G);
}

/* ---- the access flag ---- */

static void an_access_flag_is_set_in_the_descriptor_that_was_used_and_nowhere_else(void **state)
{
	for (int g = 0; g < GRANULE_COUNT; g++) {
		unsigned int shift = 12 + 2 * (unsigned int)g;
		u64 entries = BIT(shift - 3);
		u64 vtcr = HA | tg0_of[g] | SL0(g ? 0 : 3) | PS(5) | (64 - (2 * shift - 3));

		for (u64 i = 0; i < entries; i++)
			page[i] = i << shift | S2AP_R | 0xf << 2 | PAGE;
		for (u64 i = 0; i < entries; i++) {
			struct s2_walk_result out = page_walk(vtcr, i << shift, reading);

			assert_int_equal(out.end, S2_WALK_LEAF);
			assert_true(out.set_af);
			assert_int_equal(out.desc.v, page_at + i * 8);
			for (u64 j = 0; j < entries; j += i % 64 ? entries / 16 - 1 : 1)
				assert_int_equal(page[j], (j << shift | S2AP_R | 0xf << 2 | PAGE |
							   (j <= i ? AF : 0)));
			assert_int_equal(page[i] & AF, AF);
			assert_int_equal(i + 1 < entries ? page[i + 1] & AF : 0, 0);
		}
		exchanges = 0;
		assert_false(page_walk(vtcr, 0, reading).set_af);
		assert_int_equal(exchanges, 0);
	}
}

static void without_hardware_access_flags_an_old_leaf_is_an_access_flag_fault(void **state)
{
	struct s2_walk_result out;

	page[0] = 0xf << 2 | PAGE;
	out = page_walk(vtcr_from(GRANULE_4K, 3), 0, reading);
	assert_fault(&out, 0x0b); /* before the Permission fault */
	assert_int_equal(exchanges, 0);
	out = page_walk(vtcr_from(GRANULE_4K, 3) | HA, 0, reading);
	assert_fault(&out, 0x0f);
	assert_int_equal(exchanges, 0);
}

static void an_access_flag_of_a_big_endian_table_is_set_where_big_endian_has_it(void **state)
{
	const struct s2_walk_regs regs = { .vtcr_el2 = vtcr_from(GRANULE_4K, 3) | HA,
					   .vttbr_el2 = page_at,
					   .sctlr_el2 = EE };
	struct s2_walk_result out;
	struct s2_tables tables;

	page[0] = __builtin_bswap64(0x5000 | S2AP_R | 0xf << 2 | PAGE);
	s2_tables_decode(&tables, &regs, &all_caps);
	assert_int_equal(s2_walk(&tables, IPA(0), reading, &page_memory, &out), S2_WALK_LEAF);
	assert_int_equal(page[0], __builtin_bswap64(0x5000 | AF | S2AP_R | 0xf << 2 | PAGE));
	assert_int_equal(out.leaf.oa.v, 0x5000);
}

static void a_descriptor_that_changes_before_the_exchange_is_walked_again(void **state)
{
	struct s2_walk_result out;

	page[0] = 0x5000 | S2AP_R | 0xf << 2 | PAGE;
	race_desc = 0x6000 | S2AP_R | 0xf << 2 | PAGE;
	races = 1;
	out = page_walk(vtcr_from(GRANULE_4K, 3) | HA, 0, reading);
	assert_int_equal(out.end, S2_WALK_LEAF);
	assert_int_equal(out.leaf.oa.v, 0x6000);
	/* What is invalid then is not written to. */
	page[0] = 0x5000 | S2AP_R | 0xf << 2 | PAGE;
	race_desc = 0;
	races = 1;
	out = page_walk(vtcr_from(GRANULE_4K, 3) | HA, 0, reading);
	assert_fault(&out, 0x07);
	assert_int_equal(page[0], 0);
}

static void a_walk_of_tables_that_never_stop_changing_ends(void **state)
{
	struct s2_walk_result out;

	page[0] = 0x5000 | S2AP_R | 0xf << 2 | PAGE;
	race_desc = 0x6000 | S2AP_R | 0xf << 2 | PAGE;
	races = 1000;
	out = page_walk(vtcr_from(GRANULE_4K, 3) | HA, 0, reading);
	assert_int_equal(out.end, S2_WALK_TRY_AGAIN);
	assert_int_equal(exchanges, S2_WALK_TRIES);
}

/* ---- memory that does not answer ---- */

static void missing_memory_is_an_external_abort_on_the_walk_at_its_level(void **state)
{
	for (int level = 0; level <= 3; level++) {
		struct s2_walk_result out;

		page[0] = page_at | TABLE;
		fail_reads = (unsigned int)level + 1;
		fail_with = level % 2 ? -ENXIO : -EBUSY; /* no read says that it is busy */
		out = page_walk(vtcr_from(GRANULE_4K, 0), 0, reading);
		assert_fault(&out, 0x14 | (unsigned int)level);
		assert_int_equal(out.level, level);
	}
}

static void memory_that_the_host_may_have_is_asked_for_by_its_address(void **state)
{
	struct s2_walk_result out;

	page[2] = page_at | TABLE;
	fail_reads = 2;
	fail_with = -EAGAIN;
	out = page_walk(vtcr_from(GRANULE_4K, 1), 2 * SZ_1G + 3 * SZ_2M, reading);
	assert_int_equal(out.end, S2_WALK_ASK_HOST);
	assert_int_equal(out.desc.v, page_at + 3 * 8);
}

static void an_access_flag_in_memory_that_cannot_be_written_is_an_external_abort(void **state)
{
	struct s2_walk_result out;

	page[0] = S2AP_R | 0xf << 2 | PAGE;
	fail_with = -EACCES;
	out = page_walk(vtcr_from(GRANULE_4K, 3) | HA, 0, reading);
	assert_fault(&out, 0x17);
	fail_with = -EAGAIN;
	out = page_walk(vtcr_from(GRANULE_4K, 3) | HA, 0, reading);
	assert_int_equal(out.end, S2_WALK_ASK_HOST);
	assert_int_equal(out.desc.v, page_at);
	assert_false(out.set_af);
}

/* ---- Device memory, and the VMID ---- */

static void device_memory_is_not_executed_from_nor_walked_through_if_ptw_forbids_it(void **state)
{
	const struct s2_access fetch = { .kind = S2_FETCH };
	const struct s2_access walk = { .kind = S2_READ, .s1ptw = true };
	struct s2_walk_regs regs = { .vtcr_el2 = vtcr_from(GRANULE_4K, 3), .vttbr_el2 = page_at };

	for (u64 memattr = 0; memattr < 16; memattr++) {
		for (u64 n = 0; n < 4; n++) {
			bool device = n & 1 ? !(memattr & 4) : !(memattr & 12);
			struct s2_walk_result out;
			struct s2_tables tables;

			regs.hcr_el2 = (n & 1 ? FWB : 0) | (n & 2 ? PTW : 0);
			page[0] = memattr << 2 | S2AP_R | AF | PAGE;
			s2_tables_decode(&tables, &regs, &all_caps);
			s2_walk(&tables, IPA(0), fetch, &page_memory, &out);
			assert_int_equal(out.leaf.device, device);
			assert_int_equal(out.end, device ? S2_WALK_FAULT : S2_WALK_LEAF);
			s2_walk(&tables, IPA(0), walk, &page_memory, &out);
			assert_int_equal(out.end, device && n & 2 ? S2_WALK_FAULT : S2_WALK_LEAF);
			assert_int_equal(out.leaf.memattr, memattr);
		}
	}
}

static void the_vmid_has_16_bits_only_where_they_are_promised_and_asked_for(void **state)
{
	for (unsigned int n = 0; n < 4; n++) {
		const struct s2_walk_regs regs = { .vtcr_el2 = n & 1 ? BIT(19) : 0,
						   .vttbr_el2 = 0xabcdULL << 48 };
		struct mmu_caps caps = all_caps;
		struct s2_tables tables;

		caps.vmid_bits = n & 2 ? 16 : 8;
		s2_tables_decode(&tables, &regs, &caps);
		assert_int_equal(tables.vmid, n == 3 ? 0xabcd : 0xcd);
	}
}

#define PAGE_TEST(f) cmocka_unit_test_setup(f, page_setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			each_shape_that_registers_can_ask_for_is_walked_or_refused_as_by_the_model),
		cmocka_unit_test(
			each_access_to_each_kind_of_leaf_at_each_level_is_as_the_model_has_it),
		cmocka_unit_test(random_registers_in_random_tables_give_what_the_model_gives),
		cmocka_unit_test(
			no_walk_begins_above_level_0_and_what_belongs_to_lpa2_has_no_effect),
		PAGE_TEST(execute_never_means_what_the_manual_says_with_and_without_fine_control),
		PAGE_TEST(a_walk_by_stage_1_needs_read_and_to_update_a_descriptor_write_too),
		PAGE_TEST(a_bad_root_is_an_address_size_fault_at_level_0_whatever_the_start_level),
		PAGE_TEST(an_address_that_is_too_wide_in_a_descriptor_is_a_fault_at_its_level),
		PAGE_TEST(a_reserved_or_missing_granule_is_the_smallest_that_there_is),
		PAGE_TEST(
			where_no_granule_is_promised_each_access_is_a_translation_fault_at_level_0),
		PAGE_TEST(each_start_level_takes_the_ipa_sizes_that_the_manual_lists),
		PAGE_TEST(up_to_16_tables_of_the_root_are_one_table),
		PAGE_TEST(the_bits_of_the_base_below_the_roots_size_are_ignored),
		PAGE_TEST(
			with_52_bit_addresses_the_base_and_descriptors_of_64k_have_four_bits_more),
		PAGE_TEST(tables_that_point_to_themselves_end_at_level_3),
		PAGE_TEST(a_page_of_level_3_that_looks_like_a_block_is_invalid),
		PAGE_TEST(a_contiguous_group_is_one_leaf_if_its_addresses_continue),
		PAGE_TEST(a_contiguous_group_beyond_the_ipa_space_is_no_group),
		PAGE_TEST(an_access_flag_is_set_in_the_descriptor_that_was_used_and_nowhere_else),
		PAGE_TEST(without_hardware_access_flags_an_old_leaf_is_an_access_flag_fault),
		PAGE_TEST(an_access_flag_of_a_big_endian_table_is_set_where_big_endian_has_it),
		PAGE_TEST(a_descriptor_that_changes_before_the_exchange_is_walked_again),
		PAGE_TEST(a_walk_of_tables_that_never_stop_changing_ends),
		PAGE_TEST(missing_memory_is_an_external_abort_on_the_walk_at_its_level),
		PAGE_TEST(memory_that_the_host_may_have_is_asked_for_by_its_address),
		PAGE_TEST(an_access_flag_in_memory_that_cannot_be_written_is_an_external_abort),
		PAGE_TEST(device_memory_is_not_executed_from_nor_walked_through_if_ptw_forbids_it),
		PAGE_TEST(the_vmid_has_16_bits_only_where_they_are_promised_and_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
