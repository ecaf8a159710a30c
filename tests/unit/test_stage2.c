// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: tests/unit/stage2_model.c tests/unit/arch/fake_tlb.c tests/unit/arch/fake_mem.c hyp/mm/pgtable.c hyp/mm/pgtable_sane.c hyp/mm/stage2.c hyp/mm/stage2_geometry.c hyp/cpu/errata.c tests/unit/fake_panic.c */
/* Stage 2: exact descriptors, each documented error and effect, and random sequences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include <cpu/errata.h>

#include "stage2_model.h"
#include "stage2_world.h"

static struct world w;

static int start_full(void **state)
{
	struct mmu_caps caps = world_caps();

	(void)state;
	world_start(&w, &caps, GRANULE_4K, 48, false);
	return 0;
}

static int start_old(void **state)
{
	struct mmu_caps caps = world_old_caps();

	(void)state;
	world_start(&w, &caps, GRANULE_4K, 40, false);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	world_end(&w);
	return 0;
}

#define MAP(ipa, pa, size, attrs) \
	stage2_map(&w.s2, IPA(ipa), PA(pa), size, (enum stage2_attrs)(attrs))
#define UNMAP(ipa, size) stage2_unmap(&w.s2, IPA(ipa), size, NULL)
#define PROTECT(ipa, size, set, clear)                                  \
	stage2_protect(&w.s2, IPA(ipa), size, (enum stage2_attrs)(set), \
		       (enum stage2_attrs)(clear), NULL)

static struct stage2_leaf lookup(u64 ipa)
{
	struct stage2_leaf leaf;

	assert_int_equal(stage2_lookup(&w.s2, IPA(ipa), &leaf), 0);
	return leaf;
}

static void assert_unmapped(u64 ipa)
{
	struct stage2_leaf leaf;

	assert_int_equal(stage2_lookup(&w.s2, IPA(ipa), &leaf), -ENOENT);
	assert_false(leaf.mapped);
}

/* ---- descriptors ---- */

static void attributes_have_the_manuals_encoding(void **state)
{
	/* Without and with FWB: MemAttr 5:2, S2AP 7:6, SH 9:8, AF 10,
	 * DBM 51, XN 54:53, SW 58:55. */
	static const struct {
		unsigned int attrs;
		u64 plain, fwb;
	} rows[] = {
		{ STAGE2_R, 0x004000000000077f, 0x004000000000075b },
		{ STAGE2_RW, 0x00480000000007ff, 0x00480000000007db },
		{ STAGE2_RWX, 0x00080000000007ff, 0x00080000000007db },
		{ STAGE2_R | STAGE2_X, 0x000000000000077f, 0x000000000000075b },
		{ STAGE2_R | STAGE2_PX, 0x006000000000077f, 0x006000000000075b },
		{ STAGE2_R | STAGE2_UX, 0x002000000000077f, 0x002000000000075b },
		{ STAGE2_RW | STAGE2_CLEAN, 0x004800000000077f, 0x004800000000075b },
		{ STAGE2_RW | STAGE2_OLD, 0x00480000000003ff, 0x00480000000003db },
		{ STAGE2_RW | STAGE2_NORMAL_NC, 0x00480000000007d7, 0x00480000000007d7 },
		{ STAGE2_RW | STAGE2_DEVICE, 0x00480000000004c7, 0x00480000000004c7 },
		{ STAGE2_RW | STAGE2_DEVICE_nGnRnE, 0x00480000000004c3, 0x00480000000004c3 },
		{ STAGE2_R | STAGE2_SW0 | STAGE2_SW3, 0x04c000000000077f, 0x04c000000000075b },
	};
	struct mmu_caps caps = world_caps();

	caps.pa_bits = 48;
	caps.s2_lpa2[GRANULE_4K] = false;
	for (unsigned int fwb = 0; fwb < 2; fwb++) {
		world_start(&w, &caps, GRANULE_4K, 40, fwb);
		for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
			u64 ipa = i * SZ_4K, want = fwb ? rows[i].fwb : rows[i].plain;

			assert_int_equal(MAP(ipa, 0x80000000 + ipa, SZ_4K, rows[i].attrs), 0);
			if (world_desc(&w, ipa, NULL) != (want | (0x80000000 + ipa)))
				fail_msg("fwb %u, attributes %#x: %#llx, should be %#llx", fwb,
					 rows[i].attrs,
					 (unsigned long long)world_desc(&w, ipa, NULL),
					 (unsigned long long)(want | (0x80000000 + ipa)));
			assert_int_equal(lookup(ipa).attrs, rows[i].attrs);
		}
		world_end(&w);
	}
}

static void old_machines_have_no_dbm_and_one_xn_bit(void **state)
{
	struct mmu_caps caps = world_old_caps();

	world_start(&w, &caps, GRANULE_4K, 40, false);
	assert_int_equal(MAP(0, 0x80000000, SZ_4K, STAGE2_RWX), 0);
	assert_int_equal(world_desc(&w, 0, NULL), 0x800007ff);
	assert_int_equal(MAP(SZ_4K, 0x80001000, SZ_4K, STAGE2_RW), 0);
	assert_int_equal(world_desc(&w, SZ_4K, NULL), 0x00400000800017ff);
	assert_int_equal(MAP(SZ_2M, 0x80000000, SZ_4K, STAGE2_RW | STAGE2_PX), -EINVAL);
	assert_int_equal(MAP(SZ_2M, 0x80000000, SZ_4K, STAGE2_RW | STAGE2_CLEAN), -EINVAL);
	world_end(&w);
}

static void output_addresses_have_the_manuals_encoding(void **state)
{
	/* RWX is 0x7ff with SH in 9:8, and 0x4ff with DS, where those are OA[51:50]. */
	static const struct {
		enum granule granule;
		u8 pa_bits;
		u64 pa, desc;
	} rows[] = {
		{ GRANULE_4K, 48, 0x0000fffffffff000, 0x0000fffffffff7ff },
		{ GRANULE_4K, 52, 0x000ffffffffff000, 0x0003fffffffff7ff },
		{ GRANULE_4K, 52, 0x0008000000001000, 0x00000000000016ff },
		{ GRANULE_4K, 52, 0x0004000000001000, 0x00000000000015ff },
		{ GRANULE_4K, 52, 0x0002000000001000, 0x00020000000014ff },
		{ GRANULE_16K, 48, 0x0000ffffffffc000, 0x0000ffffffffc7ff },
		{ GRANULE_16K, 52, 0x000fffffffffc000, 0x0003ffffffffc7ff },
		{ GRANULE_16K, 52, 0x000b000000004000, 0x00030000000046ff },
		{ GRANULE_64K, 48, 0x0000ffffffff0000, 0x0000ffffffff07ff },
		{ GRANULE_64K, 52, 0x000fffffffff0000, 0x0000fffffffff7ff },
		{ GRANULE_64K, 52, 0x000a000000010000, 0x000000000001a7ff },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		struct mmu_caps caps = world_caps();
		u64 size = granule_size(rows[i].granule);

		caps.pa_bits = rows[i].pa_bits;
		caps.hw_dirty = false;
		if (caps.pa_bits == 48)
			memset(caps.s2_lpa2, 0, sizeof(caps.s2_lpa2));
		world_start(&w, &caps, rows[i].granule, 42, false);
		assert_int_equal(MAP(size, rows[i].pa, size, STAGE2_RWX), 0);
		if (world_desc(&w, size, NULL) != rows[i].desc)
			fail_msg("row %u: %#llx, should be %#llx", i,
				 (unsigned long long)world_desc(&w, size, NULL),
				 (unsigned long long)rows[i].desc);
		assert_int_equal(lookup(size).pa.v, rows[i].pa);
		world_end(&w);
	}
}

static void the_largest_leaves_are_used(void **state)
{
	/* Mapping this much, this aligned, gives this level, contiguous or not. */
	static const struct {
		enum granule granule;
		u8 pa_bits;
		u8 log2_size;
		s8 level;
		bool cont;
	} rows[] = {
		{ GRANULE_4K, 48, 12, 3, false },  { GRANULE_4K, 48, 15, 3, false },
		{ GRANULE_4K, 48, 16, 3, true },   { GRANULE_4K, 48, 20, 3, true },
		{ GRANULE_4K, 48, 21, 2, false },  { GRANULE_4K, 48, 25, 2, true },
		{ GRANULE_4K, 48, 30, 1, false },  { GRANULE_4K, 48, 34, 1, true },
		{ GRANULE_4K, 48, 39, 1, true },   { GRANULE_4K, 52, 39, 0, false },
		{ GRANULE_16K, 48, 14, 3, false }, { GRANULE_16K, 48, 21, 3, true },
		{ GRANULE_16K, 48, 25, 2, false }, { GRANULE_16K, 48, 30, 2, true },
		{ GRANULE_16K, 48, 36, 2, true },  { GRANULE_16K, 52, 36, 1, false },
		{ GRANULE_64K, 48, 16, 3, false }, { GRANULE_64K, 48, 21, 3, true },
		{ GRANULE_64K, 48, 29, 2, false }, { GRANULE_64K, 48, 34, 2, true },
		{ GRANULE_64K, 48, 42, 2, true },  { GRANULE_64K, 52, 42, 1, false },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		struct mmu_caps caps = world_caps();
		u64 size = BIT(rows[i].log2_size), desc;
		int level;

		caps.pa_bits = rows[i].pa_bits;
		if (caps.pa_bits == 48)
			memset(caps.s2_lpa2, 0, sizeof(caps.s2_lpa2));
		world_start(&w, &caps, rows[i].granule, 48, false);
		assert_int_equal(MAP(size, 2 * size, size, STAGE2_RWX), 0);
		desc = world_desc(&w, size, &level);
		if (level != rows[i].level || !!(desc & PTE_CONT) != rows[i].cont)
			fail_msg("row %u: %#llx at level %d", i, (unsigned long long)desc, level);
		world_end(&w);
	}
}

static void the_root_is_in_vttbr(void **state)
{
	struct mmu_caps caps = world_caps();
	u64 root;

	world_start(&w, &caps, GRANULE_64K, 52, false);
	root = fake_mem_to_pa(NULL, w.config.root).v;
	assert_int_equal(root >> 48, 0xf);
	assert_int_equal(w.s2.vttbr, (u64)WORLD_VMID << 48 | (root & GENMASK(47, 0)) | 0xfULL << 2);
	stage2_set_vmid(&w.s2, 0xabcd);
	assert_int_equal(w.s2.vttbr >> 48, 0xabcd);
	assert_int_equal(w.s2.vttbr & GENMASK(47, 0), (root & GENMASK(47, 0)) | 0xfULL << 2);
	stage2_set_vmid(&w.s2, WORLD_VMID);
	world_end(&w);
}

/* ---- errors ---- */

static void init_refuses_nonsense(void **state)
{
	struct stage2_config config = w.config;
	struct stage2_geometry geometry = w.geometry;
	struct stage2 s2;

	config.geometry = &geometry;
	config.root = (u8 *)w.config.root + 8;
	assert_int_equal(stage2_init(&s2, &config), -EINVAL);
	config.root = w.config.root;
	config.fwb = true;
	assert_int_equal(stage2_init(&s2, &config), -EOPNOTSUPP);
	config.fwb = false;
	config.vmid = 256;
	assert_int_equal(stage2_init(&s2, &config), -EINVAL);
	config.vmid = 1;
	geometry.start_level = -1;
	assert_int_equal(stage2_init(&s2, &config), -EINVAL);
	geometry = w.geometry;
	geometry.oa_bits = 32;
	assert_int_equal(stage2_init(&s2, &config), -EINVAL);
}

static void map_refuses_bad_arguments(void **state)
{
	u64 end = stage2_size(&w.s2);

	assert_int_equal(MAP(1, 0, SZ_4K, STAGE2_R), -EINVAL);
	assert_int_equal(MAP(0, 1, SZ_4K, STAGE2_R), -EINVAL);
	assert_int_equal(MAP(0, 0, SZ_4K + 1, STAGE2_R), -EINVAL);
	assert_int_equal(MAP(0, 0, 0, STAGE2_R), -EINVAL);
	assert_int_equal(MAP(end, 0, SZ_4K, STAGE2_R), -E2BIG);
	assert_int_equal(MAP(end - SZ_4K, 0, 2 * SZ_4K, STAGE2_R), -E2BIG);
	assert_int_equal(MAP(~0ULL << 12, 0, 2 * SZ_4K, STAGE2_R), -E2BIG);
	assert_int_equal(MAP(SZ_4K, 0, ~0ULL << 12, STAGE2_R), -E2BIG);
	assert_int_equal(MAP(0, BIT(52), SZ_4K, STAGE2_R), -E2BIG);
	assert_int_equal(MAP(0, BIT(52) - SZ_4K, 2 * SZ_4K, STAGE2_R), -E2BIG);
	assert_int_equal(MAP(0, 0, SZ_4K, STAGE2_RWX | STAGE2_DEVICE), -EINVAL);
	assert_int_equal(MAP(0, 0, SZ_4K, STAGE2_R | STAGE2_CLEAN), -EINVAL);
	assert_int_equal(MAP(0, 0, SZ_4K, 1 << 13), -EINVAL);
	assert_int_equal(world_tables(&w), 0);
	assert_int_equal(MAP(end - SZ_4K, BIT(52) - SZ_4K, SZ_4K, STAGE2_R), 0);
}

static void others_refuse_bad_arguments(void **state)
{
	u64 end = stage2_size(&w.s2);
	struct stage2_progress beyond = { .done = 2 * SZ_4K };
	struct stage2_leaf leaf;
	bool young;

	assert_int_equal(UNMAP(1, SZ_4K), -EINVAL);
	assert_int_equal(UNMAP(0, 0), -EINVAL);
	assert_int_equal(UNMAP(end, SZ_4K), -E2BIG);
	assert_int_equal(stage2_unmap(&w.s2, IPA(0), SZ_4K, &beyond), -EINVAL);
	assert_int_equal(stage2_annotate(&w.s2, IPA(1), SZ_4K, 1), -EINVAL);
	assert_int_equal(stage2_annotate(&w.s2, IPA(end), SZ_4K, 1), -E2BIG);
	assert_int_equal(PROTECT(1, SZ_4K, STAGE2_R, 0), -EINVAL);
	assert_int_equal(PROTECT(0, SZ_4K, STAGE2_R, STAGE2_R), -EINVAL);
	assert_int_equal(PROTECT(0, SZ_4K, STAGE2_PX, 0), -EINVAL);
	assert_int_equal(PROTECT(0, SZ_4K, 0, STAGE2_UX), -EINVAL);
	assert_int_equal(PROTECT(0, SZ_4K, STAGE2_OLD, 0), -EINVAL);
	assert_int_equal(PROTECT(end, SZ_4K, STAGE2_R, 0), -E2BIG);
	assert_int_equal(stage2_split(&w.s2, IPA(end), SZ_4K, NULL), -E2BIG);
	assert_int_equal(stage2_merge(&w.s2, IPA(1), SZ_4K, NULL), -EINVAL);
	assert_int_equal(stage2_lookup(&w.s2, IPA(end), &leaf), -E2BIG);
	assert_int_equal(stage2_set_young(&w.s2, IPA(end)), -E2BIG);
	assert_int_equal(stage2_set_young(&w.s2, IPA(0)), -ENOENT);
	assert_int_equal(stage2_test_clear_young(&w.s2, IPA(1), SZ_4K, &young, NULL), -EINVAL);
	assert_int_equal(stage2_collect_dirty(&w.s2, IPA(end), SZ_4K, NULL, NULL, NULL), -E2BIG);
	assert_int_equal(stage2_remap(&w.s2, IPA(0), PA(0), SZ_4K, STAGE2_R), -ENOENT);
	assert_int_equal(stage2_remap(&w.s2, IPA(0), PA(1), SZ_4K, STAGE2_R), -EINVAL);
	assert_int_equal(stage2_remap(&w.s2, IPA(0), PA(0), SZ_4K, STAGE2_PAGES), -EINVAL);
	assert_int_equal(world_tables(&w), 0);
}

static void map_is_idempotent_and_refuses_conflicts(void **state)
{
	assert_int_equal(MAP(SZ_2M, SZ_1G, SZ_2M, STAGE2_RW), 0);
	assert_int_equal(MAP(SZ_2M, SZ_1G, SZ_2M, STAGE2_RW), 0);
	assert_int_equal(lookup(SZ_2M).level, 2);
	/* Part of it, and what is larger but continues it. */
	assert_int_equal(MAP(SZ_2M + SZ_4K, SZ_1G + SZ_4K, SZ_4K, STAGE2_RW), 0);
	assert_int_equal(MAP(SZ_2M - SZ_4K, SZ_1G - SZ_4K, SZ_2M + 2 * SZ_4K, STAGE2_RW), 0);
	assert_int_equal(lookup(SZ_2M).level, 2);
	/* Nothing changes when the last page of a range is another. */
	assert_int_equal(MAP(0, SZ_1G - SZ_2M + SZ_4K, SZ_2M + SZ_4K, STAGE2_RW), -EEXIST);
	assert_unmapped(0);
	assert_int_equal(MAP(SZ_2M, SZ_1G, SZ_4K, STAGE2_R), -EEXIST);
	assert_int_equal(MAP(SZ_2M, SZ_1G, SZ_4K, STAGE2_RW | STAGE2_NORMAL_NC), -EEXIST);
	assert_int_equal(MAP(SZ_2M, SZ_1G, SZ_4K, STAGE2_RW | STAGE2_OLD), 0);
	assert_int_equal(MAP(SZ_2M, SZ_1G, SZ_4K, STAGE2_RW | STAGE2_CLEAN), 0);
}

static void map_without_memory_keeps_what_it_did(void **state)
{
	unsigned int failures = 0;
	int ret;

	/* A page, a block and a page, in three tables at two levels below the root. */
	for (int n = 0;; n++) {
		fake_mem_fail_after(n);
		ret = MAP(SZ_2M - SZ_4K, SZ_1G - SZ_4K, SZ_2M + 2 * SZ_4K, STAGE2_RW);
		fake_tlb_check("map");
		fake_mem_fail_after(-1);
		if (!ret)
			break;
		assert_int_equal(ret, -ENOMEM);
		failures++;
		assert_int_equal(MAP(SZ_2M - SZ_4K, SZ_1G - SZ_4K, SZ_2M + 2 * SZ_4K, STAGE2_RW),
				 0);
		assert_int_equal(UNMAP(SZ_2M - SZ_4K, SZ_2M + 2 * SZ_4K), 0);
		assert_int_equal(world_tables(&w), 0);
	}
	assert_int_equal(failures, world_tables(&w));
	assert_int_equal(lookup(2 * SZ_2M).level, 3);
}

static void failed_splits_change_nothing(void **state)
{
	u64 desc;

	assert_int_equal(MAP(SZ_1G, SZ_1G, SZ_1G, STAGE2_RW), 0);
	desc = world_desc(&w, SZ_1G, NULL);
	fake_mem_fail_after(0);
	assert_int_equal(UNMAP(SZ_1G + SZ_4K, SZ_4K), -ENOMEM);
	assert_int_equal(stage2_annotate(&w.s2, IPA(SZ_1G + SZ_4K), SZ_4K, 3), -ENOMEM);
	assert_int_equal(PROTECT(SZ_1G + SZ_4K, SZ_4K, 0, STAGE2_W), -ENOMEM);
	assert_int_equal(stage2_split(&w.s2, IPA(SZ_1G), SZ_4K, NULL), -ENOMEM);
	assert_int_equal(stage2_remap(&w.s2, IPA(SZ_1G), PA(0), SZ_4K, STAGE2_R), -ENOMEM);
	assert_int_equal(world_desc(&w, SZ_1G, NULL), desc);
	/* Whole leaves need none. */
	assert_int_equal(PROTECT(SZ_1G, SZ_1G, 0, STAGE2_W), 0);
	assert_int_equal(stage2_annotate(&w.s2, IPA(SZ_1G), SZ_1G, 3), 0);
	fake_mem_fail_after(-1);
}

static void a_hole_is_annotated_all_or_not_at_all(void **state)
{
	struct stage2_leaf leaf;

	for (int n = 0; n < 3; n++) {
		fake_mem_fail_after(n);
		assert_int_equal(stage2_annotate(&w.s2, IPA(SZ_4K), SZ_1G, 7), -ENOMEM);
		for (u64 ipa = 0; ipa <= SZ_1G; ipa += SZ_2M) {
			assert_int_equal(stage2_lookup(&w.s2, IPA(ipa), &leaf), -ENOENT);
			assert_int_equal(leaf.owner, 0);
		}
	}
	fake_mem_fail_after(-1);
}

/* ---- effects ---- */

static void annotations_refuse_mappings_and_take_no_tables(void **state)
{
	struct stage2_leaf leaf;

	assert_int_equal(stage2_annotate(&w.s2, IPA(SZ_1G), SZ_1G, 255), 0);
	assert_int_equal(world_tables(&w), 1);
	assert_int_equal(stage2_lookup(&w.s2, IPA(SZ_1G + 5), &leaf), -ENOENT);
	assert_int_equal(leaf.owner, 255);
	assert_int_equal(leaf.size, SZ_1G);
	assert_int_equal(MAP(SZ_1G, 0, SZ_4K, STAGE2_R), -EEXIST);
	/* Removing a part leaves the rest; removing the rest leaves nothing. */
	assert_int_equal(stage2_annotate(&w.s2, IPA(SZ_1G), SZ_4K, 0), 0);
	assert_int_equal(MAP(SZ_1G, 0, SZ_4K, STAGE2_R), 0);
	assert_int_equal(stage2_lookup(&w.s2, IPA(SZ_1G + SZ_4K), &leaf), -ENOENT);
	assert_int_equal(leaf.owner, 255);
	assert_int_equal(UNMAP(SZ_1G, SZ_1G), 0);
	assert_int_equal(stage2_lookup(&w.s2, IPA(SZ_1G + SZ_4K), &leaf), -ENOENT);
	assert_int_equal(leaf.owner, 255);
	assert_int_equal(stage2_annotate(&w.s2, IPA(0), 4 * SZ_1G, 0), 0);
	assert_int_equal(world_tables(&w), 0);
}

static void split_and_merge_are_inverse(void **state)
{
	u64 desc, after;
	int level;

	assert_int_equal(MAP(SZ_1G, SZ_1G, 16 * SZ_2M, STAGE2_RWX), 0);
	desc = world_desc(&w, SZ_1G, &level);
	assert_int_equal(level, 2);
	assert_true(desc & PTE_CONT);
	assert_int_equal(stage2_split(&w.s2, IPA(SZ_1G), 16 * SZ_2M, NULL), 0);
	assert_int_equal(world_tables(&w), 2 + 16);
	assert_int_equal(lookup(SZ_1G + SZ_2M).size, SZ_4K);
	fake_mem_fail_after(0);
	assert_int_equal(stage2_merge(&w.s2, IPA(SZ_1G), 16 * SZ_2M, NULL), 0);
	assert_int_equal(world_tables(&w), 2);
	after = world_desc(&w, SZ_1G, &level);
	assert_int_equal(after, desc);
	assert_int_equal(level, 2);
	fake_mem_fail_after(-1);
}

static void merge_stays_within_its_range(void **state)
{
	assert_int_equal(MAP(0, SZ_1G, SZ_2M, STAGE2_RWX | STAGE2_PAGES), 0);
	assert_int_equal(stage2_merge(&w.s2, IPA(SZ_4K), SZ_2M - SZ_4K, NULL), 0);
	assert_int_equal(lookup(0).size, SZ_4K);
	assert_int_equal(lookup(15 * SZ_4K).size, SZ_4K);
	assert_int_equal(lookup(16 * SZ_4K).size, SZ_64K);
	assert_int_equal(stage2_merge(&w.s2, IPA(0), SZ_2M, NULL), 0);
	assert_int_equal(lookup(0).size, SZ_2M);
}

static void merge_up_makes_of_one_leaf_what_merge_makes_of_all(void **state)
{
	static const struct {
		u64 most, size;
	} rows[] = {
		{ SZ_4K, SZ_4K }, { SZ_64K, SZ_64K },	     { SZ_1M, SZ_64K },
		{ SZ_2M, SZ_2M }, { SZ_1G - 1, 16 * SZ_2M }, { ~0ULL, SZ_1G },
	};
	const u64 at = SZ_1G + SZ_1G / 2 + 3 * SZ_2M + 5 * SZ_4K;

	assert_int_equal(MAP(SZ_1G, SZ_1G, SZ_1G, STAGE2_RWX), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(stage2_split(&w.s2, IPA(at), SZ_4K, NULL), 0);
		fake_mem_fail_after(0);
		assert_int_equal(stage2_merge_up(&w.s2, IPA(at + SZ_4K), rows[i].most), 0);
		fake_mem_fail_after(-1);
		fake_tlb_check("merging upwards");
		assert_int_equal(lookup(at).size, rows[i].size);
	}
	assert_int_equal(world_tables(&w), 0);
	assert_int_equal(stage2_merge_up(&w.s2, IPA(1), SZ_1G), -EINVAL);
	assert_int_equal(stage2_merge_up(&w.s2, IPA(stage2_size(&w.s2)), SZ_1G), -E2BIG);
}

static void merge_up_ends_where_a_neighbour_is_different(void **state)
{
	const u64 page = SZ_1G + SZ_2M + 20 * SZ_4K;

	assert_int_equal(MAP(SZ_1G, SZ_1G, SZ_1G, STAGE2_RWX), 0);
	assert_int_equal(PROTECT(page, SZ_4K, 0, STAGE2_W), 0);
	assert_int_equal(stage2_split(&w.s2, IPA(SZ_1G + SZ_2M), SZ_2M, NULL), 0);
	assert_int_equal(stage2_merge_up(&w.s2, IPA(SZ_1G + SZ_2M), ~0ULL), 0);
	assert_int_equal(lookup(SZ_1G + SZ_2M).size, SZ_64K);
	assert_int_equal(stage2_merge_up(&w.s2, IPA(page), ~0ULL), 0);
	assert_int_equal(lookup(page).size, SZ_4K);
	assert_int_equal(PROTECT(page, SZ_4K, STAGE2_W, 0), 0);
	assert_int_equal(stage2_merge_up(&w.s2, IPA(page), ~0ULL), 0);
	assert_int_equal(lookup(page).size, SZ_1G);
	/* Nothing is there: nothing to do. */
	assert_int_equal(UNMAP(SZ_1G, SZ_1G), 0);
	assert_int_equal(stage2_merge_up(&w.s2, IPA(page), ~0ULL), 0);
	assert_int_equal(world_tables(&w), 0);
}

static void merge_leaves_misaligned_memory_alone(void **state)
{
	assert_int_equal(MAP(0, SZ_1G + SZ_64K, SZ_2M, STAGE2_RWX | STAGE2_PAGES), 0);
	assert_int_equal(MAP(SZ_2M, SZ_1G + SZ_4K, SZ_2M, STAGE2_RWX | STAGE2_PAGES), 0);
	assert_int_equal(stage2_merge(&w.s2, IPA(0), 2 * SZ_2M, NULL), 0);
	assert_int_equal(lookup(0).size, SZ_64K);
	assert_int_equal(lookup(SZ_2M).size, SZ_4K);
}

static void budgets_never_stop_in_a_group(void **state)
{
	struct stage2_progress p = { 0 };
	int ret;

	assert_int_equal(MAP(0, SZ_1G, SZ_1M, STAGE2_RW), 0);
	do {
		p.budget = 5;
		ret = stage2_unmap(&w.s2, IPA(0), SZ_2M, &p);
		fake_tlb_check("unmap");
		assert_true(p.done % SZ_64K == 0);
	} while (ret == -EAGAIN);
	assert_int_equal(ret, 0);
}

static void merge_reaches_groups_in_the_root(void **state)
{
	assert_int_equal(w.geometry.start_level, 1);
	assert_int_equal(MAP(16 * SZ_1G, 16 * SZ_1G, 16 * SZ_1G, STAGE2_RWX), 0);
	assert_int_equal(lookup(16 * SZ_1G).size, 16 * SZ_1G);
	assert_int_equal(stage2_split(&w.s2, IPA(20 * SZ_1G), SZ_4K, NULL), 0);
	assert_int_equal(lookup(16 * SZ_1G).size, SZ_1G);
	assert_int_equal(stage2_merge(&w.s2, IPA(0), 64 * SZ_1G, NULL), 0);
	assert_int_equal(lookup(16 * SZ_1G).size, 16 * SZ_1G);
	assert_int_equal(world_tables(&w), 0);
}

static void empty_tables_partly_in_a_range_are_forgotten(void **state)
{
	/* Two empty tables that maps without memory left, and a range from one's middle on. */
	assert_int_equal(MAP(0, 0, SZ_4K, STAGE2_R), 0);
	for (u64 ipa = SZ_1G; ipa <= 2 * SZ_1G; ipa += SZ_1G) {
		fake_mem_fail_after(1);
		assert_int_equal(MAP(ipa, 0, SZ_4K, STAGE2_R), -ENOMEM);
		fake_mem_fail_after(-1);
	}
	assert_int_equal(UNMAP(SZ_1G + SZ_1G / 2, SZ_1G), 0);
	assert_int_equal(UNMAP(0, SZ_4K), 0);
	assert_int_equal(world_tables(&w), 0);
}

static void granting_makes_young(void **state)
{
	assert_int_equal(MAP(0, 0, SZ_4K, STAGE2_R | STAGE2_OLD), 0);
	assert_int_equal(PROTECT(0, SZ_4K, 0, STAGE2_X), 0);
	assert_int_equal(lookup(0).attrs, STAGE2_R | STAGE2_OLD);
	assert_int_equal(PROTECT(0, SZ_4K, STAGE2_W, 0), 0);
	assert_int_equal(lookup(0).attrs, STAGE2_RW);
}

static void merge_in_small_steps_makes_large_blocks(void **state)
{
	struct stage2_progress p = { 0 };
	unsigned int calls = 0;
	int ret;

	assert_int_equal(MAP(SZ_1G, SZ_1G, SZ_1G, STAGE2_RWX), 0);
	assert_int_equal(stage2_split(&w.s2, IPA(SZ_1G), 4 * SZ_2M, NULL), 0);
	do {
		p.budget = 100;
		ret = stage2_merge(&w.s2, IPA(SZ_1G), SZ_1G, &p);
		calls++;
	} while (ret == -EAGAIN);
	assert_int_equal(ret, 0);
	assert_in_range(calls, 20, 30);
	assert_int_equal(lookup(SZ_1G).size, SZ_1G);
}

static void merge_frees_tables_that_say_nothing(void **state)
{
	/* A failed map leaves empty tables behind. */
	fake_mem_fail_after(2);
	assert_int_equal(MAP(0, 0, SZ_4K, STAGE2_R), -ENOMEM);
	fake_mem_fail_after(-1);
	assert_int_equal(world_tables(&w), 2);
	assert_int_equal(stage2_merge(&w.s2, IPA(0), SZ_1G, NULL), 0);
	assert_int_equal(world_tables(&w), 0);
}

static unsigned int dirty_calls;
static u64 dirty_ipa, dirty_size;

static void note_dirty(void *arg, struct ipa ipa, u64 size)
{
	assert_ptr_equal(arg, &dirty_calls);
	dirty_calls++;
	dirty_ipa = ipa.v;
	dirty_size = size;
}

static unsigned int collect(u64 ipa, u64 size)
{
	dirty_calls = 0;
	assert_int_equal(
		stage2_collect_dirty(&w.s2, IPA(ipa), size, note_dirty, &dirty_calls, NULL), 0);
	fake_tlb_check("collect");
	return dirty_calls;
}

static void dirty_state_is_exact(void **state)
{
	u64 pa;

	assert_int_equal(MAP(0, SZ_1G, 16 * SZ_4K, STAGE2_RW | STAGE2_CLEAN | STAGE2_PAGES), 0);
	assert_int_equal(collect(0, SZ_2M), 0);
	assert_int_equal(fake_tlb_access(0, w.regime, 5 * SZ_4K, FAKE_READ, &pa), FAKE_OK);
	assert_int_equal(collect(0, SZ_2M), 0);
	assert_int_equal(fake_tlb_access(0, w.regime, 5 * SZ_4K, FAKE_WRITE, &pa), FAKE_OK);
	assert_int_equal(collect(0, SZ_2M), 1);
	assert_int_equal(dirty_ipa, 5 * SZ_4K);
	assert_int_equal(dirty_size, SZ_4K);
	assert_int_equal(lookup(5 * SZ_4K).attrs, STAGE2_RW | STAGE2_CLEAN);
	assert_int_equal(collect(0, SZ_2M), 0);
	assert_int_equal(fake_tlb_access(0, w.regime, 5 * SZ_4K, FAKE_WRITE, &pa), FAKE_OK);
	assert_int_equal(collect(0, SZ_2M), 1);
}

static void without_hardware_the_next_write_faults(void **state)
{
	u64 pa;

	assert_int_equal(MAP(0, SZ_1G, 2 * SZ_4K, STAGE2_RW | STAGE2_PAGES), 0);
	assert_int_equal(collect(0, SZ_2M), 2);
	assert_int_equal(collect(0, SZ_2M), 0);
	assert_int_equal(fake_tlb_access(0, w.regime, 0, FAKE_READ, &pa), FAKE_OK);
	assert_int_equal(fake_tlb_access(0, w.regime, 0, FAKE_WRITE, &pa), FAKE_PERMISSION);
	assert_int_equal(PROTECT(0, SZ_4K, STAGE2_W, 0), 0);
	assert_int_equal(fake_tlb_access(0, w.regime, 0, FAKE_WRITE, &pa), FAKE_OK);
	assert_int_equal(collect(0, SZ_2M), 1);
	assert_int_equal(dirty_ipa, 0);
}

static void ageing_by_hand(void **state)
{
	bool young;
	u64 pa;

	assert_int_equal(MAP(0, SZ_1G, 2 * SZ_4K, STAGE2_R | STAGE2_OLD), 0);
	assert_int_equal(stage2_test_clear_young(&w.s2, IPA(0), SZ_2M, &young, NULL), 0);
	assert_false(young);
	assert_int_equal(fake_tlb_access(0, w.regime, 0, FAKE_READ, &pa), FAKE_ACCESS_FLAG);
	assert_int_equal(stage2_set_young(&w.s2, IPA(0x123)), 0);
	assert_int_equal(fake_tlb_access(0, w.regime, 0, FAKE_READ, &pa), FAKE_OK);
	assert_int_equal(stage2_test_clear_young(&w.s2, IPA(SZ_4K), SZ_4K, &young, NULL), 0);
	assert_false(young);
	assert_int_equal(stage2_test_clear_young(&w.s2, IPA(0), SZ_2M, &young, NULL), 0);
	assert_true(young);
	assert_int_equal(lookup(0).attrs, STAGE2_R | STAGE2_OLD);
	stage2_invalidate_all(&w.s2);
}

/* Hardware tells of one part of a group that it was accessed, of the others it does not. */
static void a_group_is_young_until_each_part_was_asked(void **state)
{
	const u64 group = 16 * SZ_4K;
	u64 at, pa;

	assert_int_equal(MAP(0, SZ_1G, group, STAGE2_RW), 0);
	assert_int_equal(lookup(0).size, group);
	for (at = 0; at < group; at += SZ_4K)
		assert_true(stage2_is_young(&w.s2, IPA(at), true));
	assert_false(stage2_is_young(&w.s2, IPA(0), true));
	assert_int_equal(lookup(0).attrs, STAGE2_RW | STAGE2_OLD);
	stage2_invalidate_all(&w.s2);
	assert_int_equal(fake_tlb_access(0, w.regime, 5 * SZ_4K, FAKE_READ, &pa), FAKE_OK);
	assert_true(stage2_is_young(&w.s2, IPA(0), false));
	assert_true(stage2_is_young(&w.s2, IPA(5 * SZ_4K), true));
	assert_false(stage2_is_young(&w.s2, IPA(group), true));
	assert_false(stage2_is_young(&w.s2, IPA(stage2_size(&w.s2)), true));
	stage2_invalidate_all(&w.s2);
}

static void protect_keeps_device_memory_from_execution(void **state)
{
	for (unsigned int fwb = 0; fwb < 2; fwb++) {
		struct mmu_caps caps = world_caps();

		world_start(&w, &caps, GRANULE_4K, 40, fwb);
		assert_int_equal(MAP(0, SZ_1G, SZ_4K, STAGE2_RW | STAGE2_DEVICE), 0);
		assert_int_equal(MAP(SZ_4K, SZ_1G, SZ_4K, STAGE2_RW | STAGE2_NORMAL_NC), 0);
		assert_int_equal(PROTECT(0, SZ_4K, STAGE2_X, 0), -EINVAL);
		assert_int_equal(PROTECT(0, SZ_4K, 0, STAGE2_W), 0);
		assert_int_equal(lookup(0).attrs, STAGE2_R | STAGE2_DEVICE);
		assert_int_equal(PROTECT(SZ_4K, SZ_4K, STAGE2_X | STAGE2_SW2, STAGE2_RW), 0);
		assert_int_equal(lookup(SZ_4K).attrs, STAGE2_X | STAGE2_NORMAL_NC | STAGE2_SW2);
		world_end(&w);
	}
}

static void remap_moves_pages_blocks_and_groups(void **state)
{
	assert_int_equal(MAP(0, SZ_1G, 2 * SZ_2M, STAGE2_R), 0);
	assert_int_equal(stage2_remap(&w.s2, IPA(SZ_2M), PA(4 * SZ_1G), SZ_2M, STAGE2_RW), 0);
	assert_int_equal(lookup(SZ_2M).pa.v, 4 * SZ_1G);
	assert_int_equal(lookup(SZ_2M).size, SZ_2M);
	assert_int_equal(stage2_remap(&w.s2, IPA(SZ_2M), PA(SZ_4K), SZ_2M, STAGE2_RW), -EINVAL);
	/* Copy-on-write of one page of a block: the others stay, in groups. */
	assert_int_equal(stage2_remap(&w.s2, IPA(SZ_4K), PA(8 * SZ_1G), SZ_4K, STAGE2_RW), 0);
	assert_int_equal(lookup(SZ_4K).pa.v, 8 * SZ_1G);
	assert_int_equal(lookup(0).pa.v, SZ_1G);
	assert_int_equal(lookup(SZ_64K).size, SZ_64K);
	/* A group moves as one where it stays aligned, and falls apart otherwise. */
	assert_int_equal(stage2_remap(&w.s2, IPA(SZ_64K), PA(9 * SZ_1G), SZ_64K, STAGE2_RW), 0);
	assert_int_equal(lookup(SZ_64K).size, SZ_64K);
	assert_int_equal(stage2_remap(&w.s2, IPA(SZ_64K), PA(9 * SZ_1G + SZ_4K), SZ_64K, STAGE2_RW),
			 0);
	assert_int_equal(lookup(SZ_64K).size, SZ_4K);
	assert_int_equal(lookup(SZ_64K + SZ_4K).pa.v, 9 * SZ_1G + 2 * SZ_4K);
}

static void budgets_bound_the_work(void **state)
{
	struct stage2_progress p = { 0 };
	unsigned int calls = 0;
	u64 before = 0;
	int ret;

	assert_int_equal(MAP(SZ_1G, SZ_1G, SZ_2M, STAGE2_RW | STAGE2_PAGES), 0);
	do {
		p.budget = 32;
		ret = stage2_unmap(&w.s2, IPA(SZ_1G), SZ_2M, &p);
		fake_tlb_check("unmap");
		assert_true(p.done - before <= 32 * SZ_4K);
		before = p.done;
		calls++;
	} while (ret == -EAGAIN);
	assert_int_equal(ret, 0);
	assert_int_equal(p.done, SZ_2M);
	assert_in_range(calls, 16, 20);
	assert_int_equal(world_tables(&w), 0);
}

static int count_leaf(void *arg, const struct stage2_leaf *leaf)
{
	unsigned int *count = arg;

	*count += leaf->mapped;
	return *count == 20 ? 77 : 0;
}

static void walk_visits_leaves_and_can_be_ended(void **state)
{
	unsigned int count = 0;

	assert_int_equal(MAP(SZ_4K, 0, SZ_4K, STAGE2_R), 0);
	assert_int_equal(MAP(SZ_64K, SZ_64K, SZ_64K, STAGE2_R), 0);
	assert_int_equal(MAP(SZ_2M, SZ_2M, SZ_2M, STAGE2_R), 0);
	assert_int_equal(stage2_walk(&w.s2, IPA(0), SZ_1G, count_leaf, &count, NULL), 0);
	assert_int_equal(count, 1 + 16 + 1);
	count = 5;
	assert_int_equal(stage2_walk(&w.s2, IPA(0), SZ_1G, count_leaf, &count, NULL), 77);
}

/* ---- TLB maintenance ---- */

static void many_invalidations_become_one(void **state)
{
	unsigned int by_address = fake_tlbi_by_address(), all = fake_tlbi_all();

	assert_int_equal(MAP(0, SZ_1G, SZ_2M, STAGE2_RW | STAGE2_PAGES), 0);
	assert_int_equal(fake_tlbi_by_address(), by_address);
	assert_int_equal(UNMAP(0, STAGE2_MAX_TLBIS * SZ_4K), 0);
	assert_int_equal(fake_tlbi_by_address(), by_address + STAGE2_MAX_TLBIS);
	assert_int_equal(fake_tlbi_all(), all);
	assert_int_equal(MAP(0, SZ_1G, STAGE2_MAX_TLBIS * SZ_4K, STAGE2_RW | STAGE2_PAGES), 0);
	assert_int_equal(UNMAP(0, (STAGE2_MAX_TLBIS + 1) * SZ_4K), 0);
	assert_int_equal(fake_tlbi_by_address(), by_address + STAGE2_MAX_TLBIS);
	assert_int_equal(fake_tlbi_all(), all + 1);
}

static void ranges_take_few_invalidations(void **state)
{
	unsigned int by_address, all = fake_tlbi_all();

	/* The base of a range is a multiple of 64K here, since DS is 1. */
	assert_true(w.geometry.ds);
	assert_int_equal(MAP(SZ_4K, SZ_4K, SZ_1G - SZ_4K, STAGE2_RW), 0);
	by_address = fake_tlbi_by_address();
	assert_int_equal(UNMAP(SZ_4K, SZ_1G - SZ_4K), 0);
	assert_in_range(fake_tlbi_by_address() - by_address, 4, 20);
	assert_int_equal(fake_tlbi_all(), all);
	/* More than ranges reach. */
	assert_int_equal(MAP(0, 0, 16 * SZ_1G, STAGE2_RW), 0);
	by_address = fake_tlbi_by_address();
	assert_int_equal(UNMAP(0, 16 * SZ_1G), 0);
	assert_int_equal(fake_tlbi_by_address() - by_address, 16);
	assert_int_equal(fake_tlbi_all(), all);
}

static void random_sequences_agree_with_the_model(void **state)
{
	/* 10^5 operations and some, over all configurations. */
	const unsigned int steps = 100000 / model_config_count + 1;

	for (unsigned int i = 0; i < model_config_count; i++) {
		model_start(&model_configs[i], 1000 + i);
		for (unsigned int step = 0; step < steps; step++)
			model_step();
		model_end();
	}
}

/*
 * The same on CPUs with errata: a DSB comes back before other CPUs have done what a TLBI asks of
 * them, and AT is executed ahead of the program. Configurations with DS and range TLBIs are among
 * them.
 */
static void random_sequences_make_errata_good(void **state)
{
	const unsigned int steps = 20000 / model_config_count + 1;

	errata_actions = ERRATUM_REPEAT_TLBI | ERRATUM_BLOCK_WALKS;
	for (unsigned int i = 0; i < model_config_count; i++) {
		model_start(&model_configs[i], 5000 + i);
		fake_tlb_errata(true, true);
		for (unsigned int step = 0; step < steps; step++)
			model_step();
		model_end();
	}
	errata_actions = 0;
}

/* Each of the two is seen by the model: without what is done about it, one unmap is wrong. */
static void errata_need_what_is_done(void **state)
{
	static const struct {
		bool early_dsb, speculative_at;
		u32 actions;
		const char *expected;
	} rows[] = {
		{ true, false, 0, "a TLB may hold" },
		{ true, false, ERRATUM_REPEAT_TLBI, NULL },
		{ false, true, 0, "EL1's tables may be walked" },
		{ false, true, ERRATUM_BLOCK_WALKS, NULL },
	};
	unsigned int repeats = fake_tlbi_by_address();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *message;

		assert_int_equal(MAP(SZ_2M, SZ_1G, SZ_4K, STAGE2_RW), 0);
		fake_tlb_errata(rows[i].early_dsb, rows[i].speculative_at);
		errata_actions = rows[i].actions;
		fake_expect_violation();
		assert_int_equal(UNMAP(SZ_2M, SZ_4K), 0);
		fake_tlb_check("unmap");
		message = fake_expected_violation();
		if (!message != !rows[i].expected ||
		    (message && !strstr(message, rows[i].expected)))
			fail_msg("row %zu: %s", i, message ? message : "no violation");
		fake_tlb_errata(false, false);
		stage2_invalidate_all(&w.s2);
	}
	errata_actions = 0;
	/* On CPUs without the erratum nothing is repeated. */
	repeats = fake_tlbi_by_address();
	assert_int_equal(MAP(SZ_2M, SZ_1G, SZ_4K, STAGE2_RW), 0);
	assert_int_equal(UNMAP(SZ_2M, SZ_4K), 0);
	assert_int_equal(fake_tlbi_by_address(), repeats + 1);
}

/* A page, a contiguous group and a block, each by an address within it; tables stay. */
static void a_leaf_is_unmapped_by_any_of_its_addresses(void **state)
{
	static const u64 sizes[] = { SZ_4K, SZ_64K, SZ_2M, SZ_1G };
	u64 pa, size = 0;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		u64 at = 4 * SZ_1G + (i & 1 ? sizes[i] : 0), middle = at + sizes[i] / 2;

		middle = ALIGN_DOWN(middle, SZ_4K);
		assert_int_equal(MAP(at, 8 * SZ_1G + at, sizes[i], STAGE2_RW), 0);
		assert_int_equal(fake_tlb_access(1, w.regime, middle, FAKE_WRITE, &pa), FAKE_OK);
		assert_int_equal(stage2_unmap_leaf(&w.s2, IPA(middle), &size), 0);
		fake_tlb_check("unmap of a leaf");
		assert_int_equal(size, sizes[i]);
		assert_unmapped(at);
		assert_unmapped(at + sizes[i] - SZ_4K);
		assert_int_equal(fake_tlb_access(1, w.regime, middle, FAKE_READ, &pa),
				 FAKE_TRANSLATION);
		assert_int_equal(stage2_unmap_leaf(&w.s2, IPA(middle), &size), -ENOENT);
		assert_int_equal(UNMAP(0, 8 * SZ_1G), 0); /* empty tables go */
	}
	assert_int_equal(stage2_unmap_leaf(&w.s2, IPA(~0ULL), &size), -E2BIG);
}

/* As after a pool is made anew: the model finds a table that a TLB could still walk in. */
static void take_tables_back(void)
{
	int first = fake_mem_page(w.config.root);
	u64 page_size = granule_size(w.geometry.granule);
	int end = first + (int)(ALIGN_UP(w.geometry.root_size, page_size) / page_size);

	for (int page = 0; page < FAKE_MEM_MAX_PAGES; page++)
		if (fake_mem_allocated(page) && (page < first || page >= end))
			fake_mem_free(NULL, fake_mem_page_ptr(page));
}

static void assert_changed(u64 *changes)
{
	assert_true(w.s2.changes != *changes);
	*changes = w.s2.changes;
}

/* Who keeps a look-up's answer learns of each operation after which it may be another. */
static void an_answer_is_kept_until_the_count_moves(void **state)
{
	u64 changes = w.s2.changes;
	bool young;

	(void)state;
	assert_int_equal(MAP(0, SZ_1G, SZ_2M, STAGE2_RW), 0);
	assert_int_equal(MAP(SZ_1G, 2 * SZ_1G, SZ_4K, STAGE2_RW), 0);
	assert_true(w.s2.changes == changes);
	assert_int_equal(PROTECT(0, SZ_2M, 0, STAGE2_W), 0);
	assert_changed(&changes);
	assert_int_equal(stage2_test_clear_young(&w.s2, IPA(0), SZ_2M, &young, NULL), 0);
	assert_changed(&changes);
	assert_int_equal(stage2_remap(&w.s2, IPA(0), PA(4 * SZ_1G), SZ_2M, STAGE2_R), 0);
	assert_changed(&changes);
	assert_int_equal(UNMAP(0, SZ_4K), 0);
	assert_changed(&changes);
	assert_int_equal(stage2_annotate(&w.s2, IPA(SZ_4K), SZ_4K, 3), 0);
	assert_changed(&changes);
	stage2_clear(&w.s2, stage2_root_parts(&w.s2, IPA(0), 2 * SZ_1G));
	assert_changed(&changes);
	take_tables_back();
}

static void cleared_at_once_nothing_is_left_in_any_tlb(void **state)
{
	static const u64 ipas[] = { 0, SZ_2M, SZ_1G, 3 * SZ_1G + 5 * SZ_4K, BIT(47) };
	u64 pa;

	(void)state;
	for (int round = 0; round < 3; round++) {
		u64 parts = 0;

		for (unsigned int i = 0; i < ARRAY_SIZE(ipas); i++) {
			assert_int_equal(MAP(ipas[i], SZ_1G + ipas[i], SZ_4K << i, STAGE2_RW), 0);
			parts |= stage2_root_parts(&w.s2, IPA(ipas[i]), SZ_4K << i);
			assert_int_equal(
				fake_tlb_access(i % FAKE_CPUS, w.regime, ipas[i], FAKE_WRITE, &pa),
				FAKE_OK);
		}
		fake_tlb_race(50, NULL);
		stage2_clear(&w.s2, parts);
		fake_tlb_race(0, NULL);
		take_tables_back();
		for (unsigned int i = 0; i < ARRAY_SIZE(ipas); i++) {
			assert_unmapped(ipas[i]);
			assert_int_equal(
				fake_tlb_access(i % FAKE_CPUS, w.regime, ipas[i], FAKE_READ, &pa),
				FAKE_TRANSLATION);
		}
		fake_tlb_check("clear");
	}
}

/* The root itself has leaves if the space is small; a hint of a hole is not believed afterwards. */
static void a_root_with_leaves_is_cleared(void **state)
{
	struct mmu_caps caps = world_caps();
	u64 pa;

	(void)state;
	caps.pa_bits = 48;
	caps.s2_lpa2[GRANULE_4K] = false;
	world_start(&w, &caps, GRANULE_4K, 34, false);
	assert_int_equal(MAP(SZ_1G, 4 * SZ_1G, SZ_2M, STAGE2_RW), 0);
	assert_int_equal(fake_tlb_access(1, w.regime, SZ_1G, FAKE_WRITE, &pa), FAKE_OK);
	stage2_clear(&w.s2, stage2_root_parts(&w.s2, IPA(SZ_1G), SZ_2M));
	assert_unmapped(SZ_1G);
	assert_int_equal(MAP(SZ_1G, 5 * SZ_1G, SZ_4K, STAGE2_RW), 0);
	assert_unmapped(SZ_1G + SZ_4K);
	stage2_clear(&w.s2, ~0ULL >> (64 - 16));
	take_tables_back();
	assert_int_equal(MAP(SZ_1G + SZ_4K, 5 * SZ_1G, SZ_4K, STAGE2_RW), 0);
	world_end(&w);
}

/* Each format's root: parts are equal, in order, and hold the entries that a range has. */
static void parts_of_a_root_are_those_of_a_range(void **state)
{
	static const unsigned int bits[] = { 32, 34, 36, 40, 42, 44, 48 };
	struct mmu_caps caps = world_caps();

	(void)state;
	caps.pa_bits = 48;
	for (unsigned int i = 0; i < ARRAY_SIZE(bits) * 3; i++) {
		u64 size = BIT(bits[i / 3]), entries, per_part;
		struct stage2 *s2 = &w.s2;
		struct stage2_leaf leaf;

		world_start(&w, &caps, (enum granule)(i % 3), bits[i / 3], false);
		per_part = pgtable_root_part_entries(&s2->pgt);
		entries = size >> pgtable_level_shift(&s2->pgt.fmt, s2->pgt.fmt.start_level);
		assert_true(entries / per_part <= 64 &&
			    (per_part == 1 || entries / per_part == 64));
		assert_int_equal(stage2_root_parts(s2, IPA(0), size),
				 ~0ULL >> (64 - entries / per_part));
		for (u64 n = 0; n < entries / per_part; n++) {
			u64 part = size / (entries / per_part);

			assert_int_equal(stage2_root_parts(s2, IPA(n * part), part), BIT(n));
			assert_int_equal(stage2_root_parts(s2, IPA(n * part + part - 1), 1),
					 BIT(n));
		}
		/* what is in a part goes with it, what is not stays */
		assert_int_equal(MAP(0, SZ_1G, SZ_64K, STAGE2_RW), 0);
		assert_int_equal(MAP(size - SZ_64K, SZ_1G, SZ_64K, STAGE2_RW), 0);
		pgtable_drop(&s2->pgt, stage2_root_parts(s2, IPA(0), SZ_64K));
		assert_unmapped(0);
		assert_int_equal(stage2_lookup(s2, IPA(size - SZ_64K), &leaf),
				 entries == 1 ? -ENOENT : 0);
		stage2_clear(s2, ~0ULL >> (64 - entries / per_part));
		take_tables_back();
		world_end(&w);
	}
}

static void stage1_alone_is_invalidated_under_its_vmid(void **state)
{
	u64 pa;

	(void)state;
	assert_int_equal(MAP(0, SZ_1G, SZ_4K, STAGE2_RW), 0);
	assert_int_equal(fake_tlb_access(0, w.regime, 0, FAKE_WRITE, &pa), FAKE_OK);
	stage2_invalidate_stage1(&w.s2);
	assert_int_equal(fake_tlb_access(0, w.regime, 0, FAKE_WRITE, &pa), FAKE_OK);
	assert_int_equal(fake_tlbi_by_address(), 0);
}

int main(void)
{
#define FULL(name) cmocka_unit_test_setup_teardown(name, start_full, finish)
#define OLD(name)  cmocka_unit_test_setup_teardown(name, start_old, finish)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(cleared_at_once_nothing_is_left_in_any_tlb,
						start_full, finish),
		FULL(an_answer_is_kept_until_the_count_moves),
		FULL(a_leaf_is_unmapped_by_any_of_its_addresses),
		cmocka_unit_test(a_root_with_leaves_is_cleared),
		cmocka_unit_test(parts_of_a_root_are_those_of_a_range),
		cmocka_unit_test_setup_teardown(stage1_alone_is_invalidated_under_its_vmid,
						start_full, finish),
		cmocka_unit_test(attributes_have_the_manuals_encoding),
		cmocka_unit_test(old_machines_have_no_dbm_and_one_xn_bit),
		cmocka_unit_test(output_addresses_have_the_manuals_encoding),
		cmocka_unit_test(the_largest_leaves_are_used),
		cmocka_unit_test(the_root_is_in_vttbr),
		OLD(init_refuses_nonsense),
		FULL(map_refuses_bad_arguments),
		FULL(others_refuse_bad_arguments),
		FULL(map_is_idempotent_and_refuses_conflicts),
		FULL(map_without_memory_keeps_what_it_did),
		FULL(failed_splits_change_nothing),
		FULL(a_hole_is_annotated_all_or_not_at_all),
		FULL(annotations_refuse_mappings_and_take_no_tables),
		FULL(split_and_merge_are_inverse),
		OLD(merge_stays_within_its_range),
		OLD(merge_up_makes_of_one_leaf_what_merge_makes_of_all),
		OLD(merge_up_ends_where_a_neighbour_is_different),
		OLD(merge_leaves_misaligned_memory_alone),
		OLD(budgets_never_stop_in_a_group),
		OLD(merge_reaches_groups_in_the_root),
		FULL(empty_tables_partly_in_a_range_are_forgotten),
		FULL(granting_makes_young),
		FULL(a_group_is_young_until_each_part_was_asked),
		FULL(merge_in_small_steps_makes_large_blocks),
		FULL(merge_frees_tables_that_say_nothing),
		FULL(dirty_state_is_exact),
		OLD(without_hardware_the_next_write_faults),
		OLD(ageing_by_hand),
		cmocka_unit_test(protect_keeps_device_memory_from_execution),
		FULL(remap_moves_pages_blocks_and_groups),
		FULL(budgets_bound_the_work),
		FULL(walk_visits_leaves_and_can_be_ended),
		OLD(many_invalidations_become_one),
		FULL(ranges_take_few_invalidations),
		FULL(errata_need_what_is_done),
		cmocka_unit_test(random_sequences_agree_with_the_model),
		cmocka_unit_test(random_sequences_make_errata_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
