// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: tests/unit/arch/fake_tlb.c tests/unit/arch/fake_mem.c hyp/mm/pgtable.c hyp/mm/pgtable_sane.c tests/unit/fake_panic.c */
/*
 * Tables without a stage: formats, levels, addresses, the walker, and EL2's stage 1 as a user with
 * attributes of its own. The operations are tested at length in test_stage2.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include <arch/barrier.h>
#include <arch/fake_mem.h>
#include <arch/fake_tlb.h>
#include <arch/tlb.h>
#include <lib/errno.h>
#include <mm/pgtable.h>

/* EL2 stage 1 (D8.3.1): AttrIndx 0, AP[1] RES1, inner shareable, AF; never executable. */
#define EL2_ATTRS (BIT(6) | 3ULL << 8 | BIT(10) | BIT(54))
#define EL2_RO	  BIT(7)

static struct pgtable pgt;
static int regime;

static void el2_tlb_inval(void *ctx, const struct pgtable_inval *inval)
{
	(void)ctx;
	dsb(ishst);
	/* A range may be large with little in it. */
	if (inval->size / inval->stride > 512)
		tlbi_alle2is();
	for (u64 offset = 0; offset < inval->size && inval->size / inval->stride <= 512;
	     offset += inval->stride)
		tlbi_vae2is((inval->ia + offset) >> 12);
	dsb(ish);
	isb();
}

static const struct pgtable_ops ops = {
	.zalloc_table = fake_mem_zalloc,
	.free_table = fake_mem_free,
	.table_to_pa = fake_mem_to_pa,
	.pa_to_table = fake_mem_from_pa,
	.tlb_inval = el2_tlb_inval,
};

static struct pgtable_format format(enum granule granule, int start, unsigned int tables,
				    unsigned int ia, unsigned int oa, bool ds)
{
	return (struct pgtable_format){ .granule = granule,
					.start_level = (s8)start,
					.root_tables = (u8)tables,
					.ia_bits = (u8)ia,
					.oa_bits = (u8)oa,
					.ds = ds };
}

static void start(struct pgtable_format fmt)
{
	struct fake_regime r = { .el2 = true,
				 .granule = fmt.granule,
				 .start_level = fmt.start_level,
				 .ia_bits = fmt.ia_bits,
				 .oa_bits = fmt.oa_bits,
				 .ds = fmt.ds };
	u64 size = granule_size(fmt.granule);

	fake_tlb_reset();
	fake_mem_init(fmt.granule, BIT(fmt.oa_bits) - 100 * size, 100);
	r.root = fake_mem_zalloc_root(fmt.root_tables, size);
	regime = fake_tlb_add(&r);
	assert_int_equal(pgtable_init(&pgt, &fmt, r.root, &ops, NULL), 0);
}

static int world(void **state)
{
	(void)state;
	start(format(GRANULE_4K, 1, 1, 39, 48, false));
	return 0;
}

static int finish(void **state)
{
	(void)state;
	fake_tlb_check("the test");
	pgtable_destroy(&pgt);
	fake_tlb_check("destroy");
	assert_int_equal(fake_mem_in_use(), pgt.fmt.root_tables);
	fake_tlb_remove(regime);
	return 0;
}

static const char *sane(const struct pgtable_attrs_check *attrs)
{
	u64 ia = 0;

	return pgtable_sane(&pgt, &ia, BIT(pgt.fmt.ia_bits), attrs, NULL);
}

/* ---- formats ---- */

static void formats_that_exist_are_accepted_and_others_refused(void **state)
{
	/* granule, start level, root tables, ia, oa, ds; size of the root, 0 if there is no such */
	static const struct {
		u8 granule;
		s8 start;
		u8 tables, ia, oa;
		bool ds;
		u64 root;
	} rows[] = {
		{ GRANULE_4K, 0, 1, 48, 48, false, 0x1000 },
		{ GRANULE_4K, 0, 1, 40, 48, false, 0x10 },
		{ GRANULE_4K, 1, 1, 39, 48, false, 0x1000 },
		{ GRANULE_4K, 1, 2, 40, 48, false, 0x2000 },
		{ GRANULE_4K, 1, 16, 43, 48, false, 0x10000 },
		{ GRANULE_4K, 1, 1, 40, 48, false, 0 }, /* too narrow a root */
		{ GRANULE_4K, 1, 2, 39, 48, false, 0 }, /* a second table without use */
		{ GRANULE_4K, 1, 3, 41, 48, false, 0 },
		{ GRANULE_4K, 1, 32, 44, 48, false, 0 },
		{ GRANULE_4K, 1, 1, 30, 48, false, 0 }, /* no bits at the start level */
		{ GRANULE_4K, 1, 0, 39, 48, false, 0 },
		{ GRANULE_4K, -1, 1, 52, 52, true, 0x80 },
		{ GRANULE_4K, -1, 1, 52, 52, false, 0 },
		{ GRANULE_4K, 0, 16, 52, 52, true, 0x10000 },
		{ GRANULE_4K, 0, 16, 52, 48, false, 0 },
		{ GRANULE_4K, 0, 1, 48, 52, false, 0 },
		{ GRANULE_4K, 3, 1, 21, 32, false, 0x1000 },
		{ GRANULE_4K, 4, 1, 16, 32, false, 0 },
		{ GRANULE_4K, 0, 1, 48, 31, false, 0 },
		{ GRANULE_16K, 0, 1, 48, 48, false, 0x10 },
		{ GRANULE_16K, 0, 1, 52, 52, true, 0x100 },
		{ GRANULE_16K, -1, 1, 52, 52, true, 0 },
		{ GRANULE_16K, 1, 2, 48, 48, false, 0x8000 },
		{ GRANULE_64K, 1, 1, 52, 52, false, 0x2000 },
		{ GRANULE_64K, 1, 1, 48, 48, false, 0x200 },
		{ GRANULE_64K, 0, 1, 52, 52, false, 0 },
		{ GRANULE_64K, 1, 1, 52, 52, true, 0 }, /* DS is not for 64K */
		{ GRANULE_64K, 2, 16, 46, 48, false, 0x100000 },
		{ GRANULE_COUNT, 1, 1, 39, 48, false, 0 },
	};
	static u64 root[0x100000 / 8];

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pgtable_format fmt = format((enum granule)rows[i].granule, rows[i].start,
						   rows[i].tables, rows[i].ia, rows[i].oa,
						   rows[i].ds);
		int ret = pgtable_init(&pgt, &fmt, root, &ops, NULL);

		if (ret != (rows[i].root ? 0 : -EINVAL))
			fail_msg("row %u: %d", i, ret);
		if (!ret && pgtable_root_size(&fmt) != rows[i].root)
			fail_msg("row %u: root of %#llx bytes", i,
				 (unsigned long long)pgtable_root_size(&fmt));
	}
}

static void blocks_and_groups_are_as_the_manual_says(void **state)
{
	/* Highest level of a block, with 48 and 52 bits; contiguous leaves at levels 1, 2, 3. */
	static const struct {
		int highest, highest_52;
		unsigned int contig[4];
		u64 size[4];
	} rows[GRANULE_COUNT] = {
		{ 1, 0, { 1, 16, 16, 16 }, { BIT(39), SZ_1G, SZ_2M, SZ_4K } },
		{ 2, 1, { 1, 1, 32, 128 }, { BIT(47), BIT(36), 32 * SZ_1M, SZ_16K } },
		{ 2, 1, { 1, 1, 32, 32 }, { BIT(55), BIT(42), 512 * SZ_1M, SZ_64K } },
	};

	for (int g = 0; g < GRANULE_COUNT; g++) {
		struct pgtable_format narrow = format((enum granule)g, 1, 1, 40, 48, false);
		struct pgtable_format wide =
			format((enum granule)g, 1, 1, 52, 52, g != GRANULE_64K);

		for (int level = 0; level < 4; level++) {
			assert_int_equal(pgtable_leaf_allowed(&narrow, level),
					 level >= rows[g].highest);
			assert_int_equal(pgtable_leaf_allowed(&wide, level),
					 level >= rows[g].highest_52);
			assert_int_equal(pgtable_contig_entries(&narrow, level),
					 rows[g].contig[level]);
			assert_int_equal(pgtable_level_size(&narrow, level), rows[g].size[level]);
		}
	}
	struct pgtable_format five = format(GRANULE_4K, -1, 1, 52, 52, true);

	assert_false(pgtable_leaf_allowed(&five, -1));
	assert_int_equal(pgtable_contig_entries(&five, -1), 1);
	assert_int_equal(pgtable_level_size(&five, -1), BIT(48));
}

static void every_address_bit_has_its_place(void **state)
{
	static const struct {
		u8 granule, oa;
		bool ds;
		u64 attrs;
	} rows[] = {
		{ GRANULE_4K, 48, false, 0xffec000000000ffc },
		{ GRANULE_4K, 52, true, 0xffec000000000cfc },
		{ GRANULE_16K, 48, false, 0xffec000000000ffc },
		{ GRANULE_16K, 52, true, 0xffec000000000cfc },
		{ GRANULE_64K, 48, false, 0xffec000000000ffc },
		{ GRANULE_64K, 52, false, 0xffec000000000ffc },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pgtable_format fmt =
			format((enum granule)rows[i].granule, 1, 1, 42, rows[i].oa, rows[i].ds);
		u64 mask = pgtable_oa_mask(&fmt), seen = 0;

		for (unsigned int bit = granule_shift(fmt.granule); bit < fmt.oa_bits; bit++) {
			u64 pte = pgtable_pa_to_pte(&fmt, PA(BIT(bit)));

			assert_int_equal(__builtin_popcountll(pte), 1);
			assert_int_equal(pte & ~mask, 0);
			assert_int_equal(pte & seen, 0);
			assert_int_equal(pgtable_pte_to_pa(&fmt, pte | ~mask).v, BIT(bit));
			seen |= pte;
		}
		assert_int_equal(seen, mask);
		assert_int_equal(pgtable_attr_mask(&fmt), rows[i].attrs);
		assert_int_equal(pgtable_attr_mask(&fmt) & (mask | PTE_CONT | 3), 0);
	}
}

/* ---- the walker ---- */

static char trail[400];

static int note_visit(const struct pgtable_visit *v, void *arg)
{
	static const char *const names[] = {
		[PGTABLE_LEAF] = "leaf", [PGTABLE_TABLE_PRE] = "pre", [PGTABLE_TABLE_POST] = "post"
	};
	size_t used = strlen(trail);

	assert_int_equal(*v->ptep, v->pte);
	assert_true(v->ia <= v->start && v->start < v->end);
	snprintf(trail + used, sizeof(trail) - used, "%s%d:%llx-%llx ", names[v->when], v->level,
		 (unsigned long long)v->start >> 12, (unsigned long long)v->end >> 12);
	return arg ? *(int *)arg : 0;
}

static void walk(u64 ia, u64 size, unsigned int when, const char *want)
{
	struct pgtable_walk walk = { .visit = note_visit, .when = when };

	trail[0] = 0;
	assert_int_equal(pgtable_walk(&pgt, ia, size, &walk), 0);
	assert_string_equal(trail, want);
}

static void visits_are_in_order(void **state)
{
	const unsigned int all = PGTABLE_LEAF | PGTABLE_TABLE_PRE | PGTABLE_TABLE_POST;

	/* Pages 0x1ff and 0x200 in two level-3 tables, and a block of 1G. */
	assert_int_equal(pgtable_map(&pgt, 0x1ff000, PA(0x1ff000), 2 * SZ_4K, EL2_ATTRS, 0), 0);
	assert_int_equal(pgtable_map(&pgt, SZ_1G, PA(SZ_1G), SZ_1G, EL2_ATTRS, 0), 0);
	walk(0x1fe000, 4 * SZ_4K, all,
	     "pre1:1fe-202 pre2:1fe-200 leaf3:1fe-1ff leaf3:1ff-200 post2:1fe-200 "
	     "pre2:200-202 leaf3:200-201 leaf3:201-202 post2:200-202 post1:1fe-202 ");
	walk(0x1fe000, 4 * SZ_4K, PGTABLE_TABLE_POST, "post2:1fe-200 post2:200-202 post1:1fe-202 ");
	walk(0x1ff000, SZ_4K, PGTABLE_LEAF | PGTABLE_TABLE_PRE,
	     "pre1:1ff-200 pre2:1ff-200 leaf3:1ff-200 ");
	walk(SZ_1G - SZ_4K, SZ_4K + 2 * SZ_1G, PGTABLE_LEAF,
	     "leaf2:3ffff-40000 leaf1:40000-80000 leaf1:80000-c0000 ");
}

static void empty_entries_are_joined(void **state)
{
	struct pgtable_progress p = { .budget = 5 };
	struct pgtable_walk bounded = {
		.visit = note_visit,
		.when = PGTABLE_LEAF | PGTABLE_JOIN,
		.progress = &p,
	};

	/* Pages 3 and 0x1ff; 0x200 to 0x3ff say something; from 1G to 2G a block. */
	assert_int_equal(pgtable_map(&pgt, 3 * SZ_4K, PA(SZ_4K), SZ_4K, EL2_ATTRS, 0), 0);
	assert_int_equal(pgtable_map(&pgt, 0x1ff000, PA(0), SZ_4K, EL2_ATTRS, 0), 0);
	assert_int_equal(pgtable_annotate(&pgt, SZ_2M, SZ_2M, 0x80), 0);
	assert_int_equal(pgtable_map(&pgt, SZ_1G, PA(SZ_1G), SZ_1G, EL2_ATTRS, 0), 0);
	walk(SZ_4K, 5 * SZ_1G, PGTABLE_LEAF | PGTABLE_JOIN,
	     "leaf3:1-3 leaf3:3-4 leaf3:4-1ff leaf3:1ff-200 leaf2:200-400 leaf2:400-40000 "
	     "leaf1:40000-80000 leaf1:80000-140001 ");
	walk(8 * SZ_4K, SZ_4K, PGTABLE_LEAF | PGTABLE_JOIN, "leaf3:8-9 ");
	/* They are paid for one by one: two tables, then pages 0, 1 and 2. */
	trail[0] = 0;
	assert_int_equal(pgtable_walk(&pgt, 0, SZ_1G, &bounded), -EAGAIN);
	assert_string_equal(trail, "leaf3:0-3 leaf3:3-4 leaf3:4-5 leaf3:5-6 leaf3:6-7 leaf3:7-8 "
				   "leaf3:8-9 leaf3:9-a leaf3:a-b leaf3:b-c leaf3:c-d leaf3:d-e "
				   "leaf3:e-f leaf3:f-10 ");
	assert_int_equal(p.done, SZ_64K);
	assert_int_equal(p.budget, 0);
}

static void leaves_of_the_root_can_be_visited_alone(void **state)
{
	assert_int_equal(pgtable_map(&pgt, 0, PA(0), SZ_4K, EL2_ATTRS, 0), 0);
	assert_int_equal(pgtable_map(&pgt, SZ_1G, PA(SZ_1G), SZ_1G, EL2_ATTRS, 0), 0);
	walk(0, 3 * SZ_1G, PGTABLE_ROOT_LEAF | PGTABLE_TABLE_POST,
	     "post2:0-200 post1:0-40000 leaf1:40000-80000 leaf1:80000-c0000 ");
}

/* One page is looked at and changed in one walk: what is there still counts. */
static void a_page_is_not_mapped_over_another(void **state)
{
	assert_int_equal(pgtable_map(&pgt, 0, PA(0), SZ_4K, EL2_ATTRS, 0), 0);
	assert_int_equal(pgtable_annotate(&pgt, SZ_2M, SZ_2M, 0x80), 0);
	assert_int_equal(pgtable_map(&pgt, SZ_1G, PA(SZ_1G), SZ_1G, EL2_ATTRS, 0), 0);
	assert_int_equal(pgtable_map(&pgt, 0, PA(0), SZ_4K, EL2_ATTRS, 0), 0);
	assert_int_equal(pgtable_map(&pgt, 0, PA(SZ_4K), SZ_4K, EL2_ATTRS, 0), -EEXIST);
	assert_int_equal(pgtable_map(&pgt, 0, PA(0), SZ_4K, EL2_ATTRS | EL2_RO, 0), -EEXIST);
	assert_int_equal(pgtable_map(&pgt, SZ_2M, PA(0), SZ_4K, EL2_ATTRS, 0), -EEXIST);
	assert_int_equal(pgtable_map(&pgt, SZ_1G + SZ_4K, PA(SZ_1G + SZ_4K), SZ_4K, EL2_ATTRS, 0),
			 0);
	assert_int_equal(pgtable_map(&pgt, SZ_1G + SZ_4K, PA(SZ_1G), SZ_4K, EL2_ATTRS, 0), -EEXIST);
	walk(SZ_2M, SZ_4K, PGTABLE_LEAF, "leaf2:200-201 ");
	walk(SZ_1G, SZ_1G, PGTABLE_LEAF, "leaf1:40000-80000 ");
}

/* What a look-up has found is used by the next map, and by none once the tables are others. */
static void a_hole_that_was_found_is_forgotten_in_time(void **state)
{
	struct pgtable_leaf leaf;
	u64 ia = SZ_1G + SZ_4K;

	assert_int_equal(pgtable_map(&pgt, SZ_1G, PA(SZ_2M), SZ_4K, EL2_ATTRS, 0), 0);
	/* used */
	assert_int_equal(pgtable_lookup(&pgt, ia, &leaf), -ENOENT);
	assert_int_equal(pgtable_map(&pgt, ia, PA(SZ_4K), SZ_4K, EL2_ATTRS, 0), 0);
	assert_int_equal(pgtable_lookup(&pgt, ia, &leaf), 0);
	assert_int_equal(leaf.pa.v, SZ_4K);
	/* once */
	assert_int_equal(pgtable_map(&pgt, ia, PA(SZ_64K), SZ_4K, EL2_ATTRS, 0), -EEXIST);
	/* another address's, and one that is larger than what is to be mapped */
	assert_int_equal(pgtable_lookup(&pgt, ia + SZ_4K, &leaf), -ENOENT);
	assert_int_equal(pgtable_map(&pgt, ia + SZ_64K, PA(SZ_4K), SZ_4K, EL2_ATTRS, 0), 0);
	assert_int_equal(pgtable_lookup(&pgt, 2 * SZ_1G, &leaf), -ENOENT);
	assert_int_equal(leaf.size, SZ_1G);
	assert_int_equal(pgtable_map(&pgt, 2 * SZ_1G, PA(SZ_4K), SZ_4K, EL2_ATTRS, 0), 0);
	assert_int_equal(pgtable_lookup(&pgt, 2 * SZ_1G + SZ_4K, &leaf), -ENOENT);
	assert_int_equal(leaf.size, SZ_4K);
	/* of a table that goes, and comes again elsewhere */
	assert_int_equal(pgtable_unmap(&pgt, 2 * SZ_1G, SZ_1G, NULL), 0);
	assert_int_equal(pgtable_map(&pgt, 2 * SZ_1G + SZ_4K, PA(SZ_4K), SZ_4K, EL2_ATTRS, 0), 0);
	assert_int_equal(pgtable_lookup(&pgt, 2 * SZ_1G + SZ_4K, &leaf), 0);
	assert_int_equal(leaf.level, 3);
	/* that was annotated meanwhile */
	assert_int_equal(pgtable_lookup(&pgt, ia + SZ_4K, &leaf), -ENOENT);
	assert_int_equal(pgtable_annotate(&pgt, ia + SZ_4K, SZ_4K, 4), 0);
	assert_int_equal(pgtable_map(&pgt, ia + SZ_4K, PA(SZ_4K), SZ_4K, EL2_ATTRS, 0), -EEXIST);
}

static void a_visitor_can_end_the_walk(void **state)
{
	int end = -77;
	struct pgtable_walk walk = { .visit = note_visit, .arg = &end, .when = PGTABLE_LEAF };

	trail[0] = 0;
	assert_int_equal(pgtable_walk(&pgt, 0, 2 * SZ_1G, &walk), -77);
	assert_string_equal(trail, "leaf1:0-40000 ");
}

static void walks_refuse_bad_ranges(void **state)
{
	struct pgtable_walk walk = { .visit = note_visit, .when = PGTABLE_LEAF };

	assert_int_equal(pgtable_walk(&pgt, 0, 0, &walk), -EINVAL);
	assert_int_equal(pgtable_walk(&pgt, 8, SZ_4K, &walk), -EINVAL);
	assert_int_equal(pgtable_walk(&pgt, 0, SZ_4K + 8, &walk), -EINVAL);
	assert_int_equal(pgtable_walk(&pgt, BIT(39), SZ_4K, &walk), -E2BIG);
	assert_int_equal(pgtable_walk(&pgt, BIT(39) - SZ_4K, 2 * SZ_4K, &walk), -E2BIG);
	assert_int_equal(pgtable_walk(&pgt, ~0ULL << 12, SZ_4K, &walk), -E2BIG);
}

static void a_budget_stops_between_groups_and_the_next_continues(void **state)
{
	struct pgtable_progress p = { .budget = 1 };
	struct pgtable_walk walk = { .visit = note_visit, .when = PGTABLE_LEAF, .progress = &p };

	assert_int_equal(pgtable_map(&pgt, 0, PA(0), 2 * SZ_64K, EL2_ATTRS, 0), 0);
	assert_int_equal(pgtable_walk(&pgt, 0, SZ_2M, &walk), -EAGAIN);
	assert_int_equal(p.done, SZ_64K);
	p.budget = 4;
	assert_int_equal(pgtable_walk(&pgt, 0, SZ_2M, &walk), -EAGAIN);
	assert_int_equal(p.done, 2 * SZ_64K);
	p.budget = 10000;
	assert_int_equal(pgtable_walk(&pgt, 0, SZ_2M, &walk), 0);
	assert_int_equal(p.done, SZ_2M);
	p.done = SZ_2M + SZ_4K;
	assert_int_equal(pgtable_walk(&pgt, 0, SZ_2M, &walk), -EINVAL);
	p.done = 5;
	assert_int_equal(pgtable_walk(&pgt, 0, SZ_2M, &walk), -EINVAL);
}

/* ---- EL2's stage 1 ---- */

static void stage_1_keeps_its_own_attributes(void **state)
{
	struct pgtable_change ro = { .set = EL2_RO };
	struct pgtable_leaf leaf;
	u64 desc, pa;
	int level;

	assert_int_equal(pgtable_map(&pgt, 5 * SZ_2M, PA(3 * SZ_2M), SZ_2M, EL2_ATTRS, 0), 0);
	assert_int_equal(fake_walk(regime, 5 * SZ_2M, &pa, &desc, &level), FAKE_OK);
	assert_int_equal(desc, 3 * SZ_2M | EL2_ATTRS | 1);
	assert_int_equal(fake_tlb_access(0, regime, 5 * SZ_2M, FAKE_WRITE, &pa), FAKE_OK);
	assert_int_equal(pgtable_set_attrs(&pgt, 5 * SZ_2M, SZ_4K, &ro, NULL), 0);
	assert_int_equal(fake_tlb_access(0, regime, 5 * SZ_2M, FAKE_WRITE, &pa), FAKE_PERMISSION);
	assert_int_equal(fake_tlb_access(0, regime, 5 * SZ_2M + SZ_4K, FAKE_WRITE, &pa), FAKE_OK);
	assert_int_equal(pgtable_lookup(&pgt, 5 * SZ_2M, &leaf), 0);
	assert_int_equal(leaf.pte, 3 * SZ_2M | EL2_ATTRS | EL2_RO | 3);
	assert_int_equal(pgtable_lookup(&pgt, 6 * SZ_2M - 1, &leaf), 0);
	assert_int_equal(leaf.size, SZ_64K);
	assert_int_equal(leaf.pa.v, 4 * SZ_2M - SZ_64K);
}

static void bits_that_are_no_attributes_are_refused(void **state)
{
	struct pgtable_change address = { .set = BIT(20) };

	assert_int_equal(pgtable_map(&pgt, 0, PA(0), SZ_4K, EL2_ATTRS | PTE_CONT, 0), -EINVAL);
	assert_int_equal(pgtable_map(&pgt, 0, PA(0), SZ_4K, EL2_ATTRS | BIT(20), 0), -EINVAL);
	assert_int_equal(pgtable_map(&pgt, 0, PA(0), SZ_4K, EL2_ATTRS, 2), -EINVAL);
	assert_int_equal(pgtable_map(&pgt, 0, PA(0), SZ_4K, EL2_ATTRS, 0), 0);
	assert_int_equal(pgtable_set_attrs(&pgt, 0, SZ_4K, &address, NULL), -EINVAL);
	assert_int_equal(pgtable_replace(&pgt, 0, PA(0), SZ_4K, BIT(20)), -EINVAL);
	assert_int_equal(pgtable_annotate(&pgt, 0, SZ_4K, 1), -EINVAL);
	assert_int_equal(pgtable_test_clear(&pgt, 0, SZ_4K, BIT(20), true, NULL, NULL, NULL),
			 -EINVAL);
}

static void all_start_levels_translate(void **state)
{
	const struct pgtable_format formats[] = {
		format(GRANULE_4K, -1, 1, 52, 52, true),
		format(GRANULE_4K, 0, 16, 52, 52, true),
		format(GRANULE_4K, 0, 1, 48, 48, false),
		format(GRANULE_4K, 1, 16, 43, 48, false),
		format(GRANULE_4K, 2, 1, 30, 40, false),
		format(GRANULE_4K, 3, 1, 21, 40, false),
		format(GRANULE_16K, 0, 1, 52, 52, true),
		format(GRANULE_16K, 1, 2, 48, 48, false),
		format(GRANULE_16K, 2, 16, 40, 48, false),
		format(GRANULE_16K, 3, 1, 25, 48, false),
		format(GRANULE_64K, 1, 1, 52, 52, false),
		format(GRANULE_64K, 2, 16, 46, 48, false),
		format(GRANULE_64K, 3, 1, 29, 48, false),
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(formats); i++) {
		u64 page = granule_size(formats[i].granule), last, pa, attrs;

		start(formats[i]);
		/* With DS there is no SH in a descriptor. */
		attrs = EL2_ATTRS & pgtable_attr_mask(&formats[i]);
		last = BIT(formats[i].ia_bits) - page;
		assert_int_equal(pgtable_map(&pgt, last, PA(last & (BIT(31) - 1)), page, attrs, 0),
				 0);
		assert_int_equal(pgtable_map(&pgt, 0, PA(page), page, attrs, 0), 0);
		assert_int_equal(fake_walk(regime, last + 5, &pa, NULL, NULL), FAKE_OK);
		assert_int_equal(pa, (last & (BIT(31) - 1)) + 5);
		assert_int_equal(fake_walk(regime, 7, &pa, NULL, NULL), FAKE_OK);
		assert_int_equal(pa, page + 7);
		assert_int_equal(fake_walk(regime, last - page, &pa, NULL, NULL), FAKE_TRANSLATION);
		assert_null(sane(NULL));
		assert_int_equal(pgtable_unmap(&pgt, last, page, NULL), 0);
		assert_null(sane(NULL));
		finish(NULL);
	}
}

/* ---- consistency ---- */

/* Other bits in the descriptor, as no function here writes them: what is told. */
static void assert_told(u64 *ptep, u64 bits, const char *why)
{
	const char *told;

	assert_null(sane(NULL));
	*ptep ^= bits;
	told = sane(NULL);
	*ptep ^= bits;
	if (!told || strcmp(told, why) != 0)
		fail_msg("told \"%s\", expected \"%s\"", told ? told : "nothing", why);
}

static u64 *leaf_at(u64 ia)
{
	struct pgtable_leaf leaf;

	assert_int_equal(pgtable_lookup(&pgt, ia, &leaf), 0);
	return leaf.ptep;
}

static bool not_read_only(const void *arg, u64 attrs)
{
	return !(attrs & EL2_RO) && arg == &pgt;
}

#define DOES_NOT_CONTINUE "a contiguous group does not continue"
#define NOT_ALIGNED	  "a leaf's output is not aligned, or too large"

static void tables_that_are_not_sane_are_described(void **state)
{
	const struct pgtable_attrs_check check = { not_read_only, &pgt };
	struct pgtable_leaf hole;

	start(format(GRANULE_4K, 0, 1, 40, 40, false));
	assert_int_equal(pgtable_map(&pgt, 0, PA(0x40000000), SZ_64K, EL2_ATTRS, 0), 0);
	assert_int_equal(pgtable_map(&pgt, 0x20000, PA(0x50001000), SZ_4K, EL2_ATTRS, 0), 0);
	assert_int_equal(pgtable_map(&pgt, SZ_2M, PA(0x40200000), SZ_2M, EL2_ATTRS, 0), 0);
	assert_null(sane(&check));

	assert_told(leaf_at(0x20000), PTE_TABLE, "a page's descriptor is reserved");
	assert_told(leaf_at(0x20000), BIT(48), "a leaf has bits that mean nothing");
	assert_told(leaf_at(0x20000), BIT(44), NOT_ALIGNED);
	assert_told(leaf_at(SZ_2M), BIT(13), NOT_ALIGNED);
	assert_told(leaf_at(0x20000), PTE_CONT, DOES_NOT_CONTINUE);
	for (unsigned int i = 0; i < 16; i++) {
		assert_told(leaf_at(0) + i, PTE_CONT, DOES_NOT_CONTINUE);
		assert_told(leaf_at(0) + i, EL2_RO, DOES_NOT_CONTINUE);
		assert_told(leaf_at(0) + i, PTE_VALID, DOES_NOT_CONTINUE);
		assert_told(leaf_at(0) + i, BIT(16), DOES_NOT_CONTINUE);
	}
	assert_told(pgt.root, BIT(59), "a table's descriptor has more than its address");
	assert_told(pgt.root, BIT(44), "a table is where none can be");
	assert_told(pgt.root + 1, PTE_VALID | EL2_ATTRS, "a block at a level that has none");

	assert_int_equal(pgtable_map(&pgt, 0x30000, PA(0x50002000), SZ_4K, EL2_ATTRS | EL2_RO, 0),
			 0);
	assert_null(sane(NULL));
	assert_string_equal(sane(&check), "a leaf has attributes that nobody gives");

	assert_int_equal(pgtable_lookup(&pgt, 0x31000, &hole), -ENOENT);
	assert_told(hole.ptep, BIT(2), "the hole that was found last is none");
	assert_int_equal(pgtable_map(&pgt, 0x31000, PA(0x50003000), SZ_4K, EL2_ATTRS, 0), 0);
	finish(state);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world, finish)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_that_exist_are_accepted_and_others_refused),
		cmocka_unit_test(blocks_and_groups_are_as_the_manual_says),
		cmocka_unit_test(every_address_bit_has_its_place),
		T(visits_are_in_order),
		T(empty_entries_are_joined),
		T(leaves_of_the_root_can_be_visited_alone),
		T(a_page_is_not_mapped_over_another),
		T(a_hole_that_was_found_is_forgotten_in_time),
		T(a_visitor_can_end_the_walk),
		T(walks_refuse_bad_ranges),
		T(a_budget_stops_between_groups_and_the_next_continues),
		T(stage_1_keeps_its_own_attributes),
		T(bits_that_are_no_attributes_are_refused),
		cmocka_unit_test(all_start_levels_translate),
		cmocka_unit_test(tables_that_are_not_sane_are_described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
