// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/mm/stage2_geometry.c */
/*
 * stage2_geometry() against tables written out from the architecture manual: every IPA size from 0
 * to 64, granule, LPA2, small tables and PARange, refusals included. The expectations are literal
 * numbers: nothing here computes a shape.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <lib/errno.h>
#include <mm/stage2_geometry.h>

static const char *const granule_name[GRANULE_COUNT] = { "4K", "16K", "64K" };

/*
 * The root for each IPA size: start level, concatenated tables, bytes, SL0.
 * ARM DDI 0487, D8.2: tables of stage 2 input sizes, start levels and concatenated tables for each
 * granule; VTCR_EL2.SL0. Of the start levels that the manual allows for a size, the one that walks
 * the fewest levels.
 */
struct shape {
	u8 ia_bits;
	s8 start_level;
	u8 root_tables;
	u32 root_size;
	u8 sl0;
};

static const struct shape shapes_4k[] = {
	/* level 3: only with FEAT_TTST; see shapes_4k_without_ttst */
	{ 16, 3, 1, 128, 3 },
	{ 17, 3, 1, 256, 3 },
	{ 18, 3, 1, 512, 3 },
	{ 19, 3, 1, 1024, 3 },
	{ 20, 3, 1, 2048, 3 },
	{ 21, 3, 1, 4096, 3 },
	{ 22, 3, 2, 8192, 3 },
	{ 23, 3, 4, 16384, 3 },
	{ 24, 3, 8, 32768, 3 },
	{ 25, 3, 16, 65536, 3 },
	/* level 2 */
	{ 26, 2, 1, 256, 0 },
	{ 27, 2, 1, 512, 0 },
	{ 28, 2, 1, 1024, 0 },
	{ 29, 2, 1, 2048, 0 },
	{ 30, 2, 1, 4096, 0 },
	{ 31, 2, 2, 8192, 0 },
	{ 32, 2, 4, 16384, 0 },
	{ 33, 2, 8, 32768, 0 },
	{ 34, 2, 16, 65536, 0 },
	/* level 1 */
	{ 35, 1, 1, 256, 1 },
	{ 36, 1, 1, 512, 1 },
	{ 37, 1, 1, 1024, 1 },
	{ 38, 1, 1, 2048, 1 },
	{ 39, 1, 1, 4096, 1 },
	{ 40, 1, 2, 8192, 1 },
	{ 41, 1, 4, 16384, 1 },
	{ 42, 1, 8, 32768, 1 },
	{ 43, 1, 16, 65536, 1 },
	/* level 0; 49 to 52 with DS */
	{ 44, 0, 1, 256, 2 },
	{ 45, 0, 1, 512, 2 },
	{ 46, 0, 1, 1024, 2 },
	{ 47, 0, 1, 2048, 2 },
	{ 48, 0, 1, 4096, 2 },
	{ 49, 0, 2, 8192, 2 },
	{ 50, 0, 4, 16384, 2 },
	{ 51, 0, 8, 32768, 2 },
	{ 52, 0, 16, 65536, 2 },
};

/* Without FEAT_TTST the least IPA size is 25 bits, and level 3 cannot be the start level. */
static const struct shape shapes_4k_without_ttst[] = {
	{ 25, 2, 1, 128, 0 },
};

static const struct shape shapes_16k[] = {
	/* level 3 */
	{ 16, 3, 1, 32, 0 },
	{ 17, 3, 1, 64, 0 },
	{ 18, 3, 1, 128, 0 },
	{ 19, 3, 1, 256, 0 },
	{ 20, 3, 1, 512, 0 },
	{ 21, 3, 1, 1024, 0 },
	{ 22, 3, 1, 2048, 0 },
	{ 23, 3, 1, 4096, 0 },
	{ 24, 3, 1, 8192, 0 },
	{ 25, 3, 1, 16384, 0 },
	{ 26, 3, 2, 32768, 0 },
	{ 27, 3, 4, 65536, 0 },
	{ 28, 3, 8, 131072, 0 },
	{ 29, 3, 16, 262144, 0 },
	/* level 2 */
	{ 30, 2, 1, 256, 1 },
	{ 31, 2, 1, 512, 1 },
	{ 32, 2, 1, 1024, 1 },
	{ 33, 2, 1, 2048, 1 },
	{ 34, 2, 1, 4096, 1 },
	{ 35, 2, 1, 8192, 1 },
	{ 36, 2, 1, 16384, 1 },
	{ 37, 2, 2, 32768, 1 },
	{ 38, 2, 4, 65536, 1 },
	{ 39, 2, 8, 131072, 1 },
	{ 40, 2, 16, 262144, 1 },
	/* level 1 */
	{ 41, 1, 1, 256, 2 },
	{ 42, 1, 1, 512, 2 },
	{ 43, 1, 1, 1024, 2 },
	{ 44, 1, 1, 2048, 2 },
	{ 45, 1, 1, 4096, 2 },
	{ 46, 1, 1, 8192, 2 },
	{ 47, 1, 1, 16384, 2 },
	{ 48, 1, 2, 32768, 2 },
	{ 49, 1, 4, 65536, 2 },
	{ 50, 1, 8, 131072, 2 },
	{ 51, 1, 16, 262144, 2 },
	/* level 0: only with DS */
	{ 52, 0, 1, 256, 3 },
};

static const struct shape shapes_64k[] = {
	/* level 3 */
	{ 17, 3, 1, 16, 0 },
	{ 18, 3, 1, 32, 0 },
	{ 19, 3, 1, 64, 0 },
	{ 20, 3, 1, 128, 0 },
	{ 21, 3, 1, 256, 0 },
	{ 22, 3, 1, 512, 0 },
	{ 23, 3, 1, 1024, 0 },
	{ 24, 3, 1, 2048, 0 },
	{ 25, 3, 1, 4096, 0 },
	{ 26, 3, 1, 8192, 0 },
	{ 27, 3, 1, 16384, 0 },
	{ 28, 3, 1, 32768, 0 },
	{ 29, 3, 1, 65536, 0 },
	{ 30, 3, 2, 131072, 0 },
	{ 31, 3, 4, 262144, 0 },
	{ 32, 3, 8, 524288, 0 },
	{ 33, 3, 16, 1048576, 0 },
	/* level 2 */
	{ 34, 2, 1, 256, 1 },
	{ 35, 2, 1, 512, 1 },
	{ 36, 2, 1, 1024, 1 },
	{ 37, 2, 1, 2048, 1 },
	{ 38, 2, 1, 4096, 1 },
	{ 39, 2, 1, 8192, 1 },
	{ 40, 2, 1, 16384, 1 },
	{ 41, 2, 1, 32768, 1 },
	{ 42, 2, 1, 65536, 1 },
	{ 43, 2, 2, 131072, 1 },
	{ 44, 2, 4, 262144, 1 },
	{ 45, 2, 8, 524288, 1 },
	{ 46, 2, 16, 1048576, 1 },
	/* level 1 */
	{ 47, 1, 1, 256, 2 },
	{ 48, 1, 1, 512, 2 },
	{ 49, 1, 1, 1024, 2 },
	{ 50, 1, 1, 2048, 2 },
	{ 51, 1, 1, 4096, 2 },
	{ 52, 1, 1, 8192, 2 },
};

/*
 * For each PARange: the widest IPA space and output address by granule and LPA2 (ID_AA64MMFR0_EL1
 * .PARange; VTCR_EL2.T0SZ, .PS and .DS; FEAT_LPA is 64K's part of a PARange of 52 or more), and
 * what VTCR_EL2.PS then says.
 */
static const struct {
	u8 pa_bits;
	u8 max[GRANULE_COUNT][2]; /* [granule][LPA2] */
	u8 ps[GRANULE_COUNT][2];
} limits[] = {
	/*      4K: -, LPA2  16K: -, LPA2 64K: same */
	{ 32, { { 32, 32 }, { 32, 32 }, { 32, 32 } }, { { 0, 0 }, { 0, 0 }, { 0, 0 } } },
	{ 36, { { 36, 36 }, { 36, 36 }, { 36, 36 } }, { { 1, 1 }, { 1, 1 }, { 1, 1 } } },
	{ 40, { { 40, 40 }, { 40, 40 }, { 40, 40 } }, { { 2, 2 }, { 2, 2 }, { 2, 2 } } },
	{ 42, { { 42, 42 }, { 42, 42 }, { 42, 42 } }, { { 3, 3 }, { 3, 3 }, { 3, 3 } } },
	{ 44, { { 44, 44 }, { 44, 44 }, { 44, 44 } }, { { 4, 4 }, { 4, 4 }, { 4, 4 } } },
	{ 48, { { 48, 48 }, { 48, 48 }, { 48, 48 } }, { { 5, 5 }, { 5, 5 }, { 5, 5 } } },
	{ 52, { { 48, 52 }, { 48, 52 }, { 52, 52 } }, { { 5, 6 }, { 5, 6 }, { 6, 6 } } },
	{ 56, { { 48, 52 }, { 48, 52 }, { 52, 52 } }, { { 5, 6 }, { 5, 6 }, { 6, 6 } } },
};

/* The narrowest IPA space: 64 - the largest T0SZ (39; with FEAT_TTST 48, and 47 for 64K). */
static const u8 min_ia_bits[GRANULE_COUNT][2] = { { 25, 16 }, { 25, 16 }, { 25, 17 } };

/* One machine of the product: a row of limits, LPA2 and TTST. */
struct machine {
	size_t limit;
	bool lpa2, ttst;
	struct mmu_caps caps;
};

static struct machine make_machine(size_t limit, bool lpa2, bool ttst)
{
	struct machine m = { limit, lpa2, ttst, { .pa_bits = limits[limit].pa_bits } };

	m.caps.vmid_bits = 8;
	m.caps.small_tables = ttst;
	for (int g = 0; g < GRANULE_COUNT; g++) {
		m.caps.s2_granule[g] = true;
		m.caps.s2_lpa2[g] = lpa2 && g != GRANULE_64K;
	}
	return m;
}

static const struct shape *find_shape(const struct shape *shapes, size_t n, unsigned int ia_bits)
{
	for (size_t i = 0; i < n; i++)
		if (shapes[i].ia_bits == ia_bits)
			return &shapes[i];
	return NULL;
}

static const struct shape *expected_shape(unsigned int ia_bits, enum granule granule, bool ttst)
{
	if (granule == GRANULE_4K && !ttst && ia_bits == 25)
		return &shapes_4k_without_ttst[0];
	switch (granule) {
	case GRANULE_4K:
		return find_shape(shapes_4k, ARRAY_SIZE(shapes_4k), ia_bits);
	case GRANULE_16K:
		return find_shape(shapes_16k, ARRAY_SIZE(shapes_16k), ia_bits);
	default:
		return find_shape(shapes_64k, ARRAY_SIZE(shapes_64k), ia_bits);
	}
}

#define expect(what, got, want)                                                               \
	do {                                                                                  \
		unsigned long long g_ = (unsigned long long)(got),                            \
				   w_ = (unsigned long long)(want);                           \
		if (g_ != w_)                                                                 \
			fail_msg("%s IPA %u, PARange %u, LPA2 %d, TTST %d: %s is %#llx, not " \
				 "%#llx",                                                     \
				 granule_name[granule], ia_bits, m->caps.pa_bits, m->lpa2,    \
				 m->ttst, what, g_, w_);                                      \
	} while (0)

static void expect_refused(const struct machine *m, unsigned int ia_bits, enum granule granule,
			   int error)
{
	struct stage2_geometry g, before;

	memset(&g, 0x5a, sizeof(g));
	before = g;
	expect("the answer", stage2_geometry(&g, ia_bits, granule, &m->caps), error);
	expect("a change of the output", memcmp(&g, &before, sizeof(g)), 0);
}

/* VTCR_EL2 taken apart with the manual's bit positions. */
static void expect_vtcr(const struct machine *m, unsigned int ia_bits, enum granule granule,
			const struct shape *want, const struct stage2_geometry *g, bool ds)
{
	static const u8 tg0[GRANULE_COUNT] = { 0, 2, 1 };
	u64 vtcr = g->vtcr;

	expect("VTCR.T0SZ", vtcr & 0x3f, 64 - ia_bits);
	expect("VTCR.SL0", vtcr >> 6 & 3, want->sl0);
	expect("VTCR.IRGN0", vtcr >> 8 & 3, 1);
	expect("VTCR.ORGN0", vtcr >> 10 & 3, 1);
	expect("VTCR.SH0", vtcr >> 12 & 3, 3);
	expect("VTCR.TG0", vtcr >> 14 & 3, tg0[granule]);
	expect("VTCR.PS", vtcr >> 16 & 7, limits[m->limit].ps[granule][m->lpa2]);
	expect("VTCR.VS", vtcr >> 19 & 1, m->caps.vmid_bits == 16);
	expect("VTCR.HA", vtcr >> 21 & 1, m->caps.hw_access);
	expect("VTCR.HD", vtcr >> 22 & 1, m->caps.hw_dirty);
	expect("VTCR bit 31", vtcr >> 31 & 1, 1);
	expect("VTCR.DS", vtcr >> 32 & 1, ds);
	expect("VTCR.SL2", vtcr >> 33 & 1, 0);
	expect("VTCR's other bits", vtcr & ~0x3806fffffULL, 0);
}

static void expect_made(const struct machine *m, unsigned int ia_bits, enum granule granule)
{
	const struct shape *want = expected_shape(ia_bits, granule, m->ttst);
	bool wide = limits[m->limit].max[granule][m->lpa2] == 52;
	bool ds = wide && granule != GRANULE_64K;
	u32 align = wide && want->root_size < 64 ? 64 : want->root_size;
	struct stage2_geometry g;

	expect("the answer", stage2_geometry(&g, ia_bits, granule, &m->caps), 0);
	expect("ia_bits", g.ia_bits, ia_bits);
	expect("granule", g.granule, granule);
	expect("start_level", g.start_level, want->start_level);
	expect("root_tables", g.root_tables, want->root_tables);
	expect("root_size", g.root_size, want->root_size);
	expect("root_align", g.root_align, align);
	expect("ds", g.ds, ds);
	expect("oa_bits", g.oa_bits, limits[m->limit].max[granule][m->lpa2]);
	expect("t0sz", g.t0sz, 64 - ia_bits);
	expect("sl0", g.sl0, want->sl0);
	expect("sl2", g.sl2, 0);
	expect("ps", g.ps, limits[m->limit].ps[granule][m->lpa2]);
	expect_vtcr(m, ia_bits, granule, want, &g, ds);
}

static void check_machine(const struct machine *m, unsigned int *made, unsigned int *refused)
{
	for (enum granule granule = 0; granule < GRANULE_COUNT; granule++) {
		unsigned int max = limits[m->limit].max[granule][m->lpa2];
		unsigned int min = min_ia_bits[granule][m->ttst];
		unsigned int ia_bits = 0;

		expect("the maximum", stage2_max_ia_bits(granule, &m->caps), max);
		expect("the minimum", stage2_min_ia_bits(granule, &m->caps), min);
		for (ia_bits = 0; ia_bits <= 64; ia_bits++) {
			bool fits = ia_bits >= min && ia_bits <= max;

			if (fits)
				expect_made(m, ia_bits, granule);
			else
				expect_refused(m, ia_bits, granule,
					       ia_bits > max ? -E2BIG : -ERANGE);
			*(fits ? made : refused) += 1;
		}
	}
}

static void every_combination_is_as_the_manual_says(void **state)
{
	unsigned int made = 0, refused = 0;

	for (size_t limit = 0; limit < ARRAY_SIZE(limits); limit++)
		for (int lpa2 = 0; lpa2 < 2; lpa2++)
			for (int ttst = 0; ttst < 2; ttst++) {
				struct machine m = make_machine(limit, lpa2, ttst);

				check_machine(&m, &made, &refused);
			}
	print_message("%u shapes made, %u refused\n", made, refused);
	assert_int_equal(made + refused, 8 * 2 * 2 * 3 * 65);
}

static void a_granule_that_stage_2_lacks_is_refused(void **state)
{
	for (enum granule granule = 0; granule < GRANULE_COUNT; granule++) {
		struct machine machine = make_machine(6, true, true), *m = &machine;
		unsigned int ia_bits = 40;

		m->caps.s2_granule[granule] = false;
		m->caps.s1_granule[granule] = true; /* stage 1 having it does not help */
		expect_refused(m, ia_bits, granule, -EOPNOTSUPP);
		expect("the maximum", stage2_max_ia_bits(granule, &m->caps), 0);
	}
}

static void arguments_out_of_range_are_refused(void **state)
{
	struct machine machine = make_machine(5, false, false), *m = &machine;
	enum granule granule = GRANULE_4K;

	for (unsigned int pa_bits = 0; pa_bits < 256; pa_bits++) {
		bool named = false;

		for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
			named |= limits[i].pa_bits == pa_bits;
		m->caps.pa_bits = (u8)pa_bits;
		if (!named)
			expect_refused(m, 32, granule, -EINVAL);
	}
	m->caps.pa_bits = 48;
	assert_int_equal(
		stage2_geometry(&(struct stage2_geometry){ 0 }, 40, GRANULE_COUNT, &m->caps),
		-EINVAL);
	assert_int_equal(stage2_max_ia_bits(GRANULE_COUNT, &m->caps), 0);
	expect_refused(m, ~0u, granule, -E2BIG);
}

/* HA, HD and VS follow the machine; HD never comes without HA. */
static void flags_of_vtcr_follow_the_machine(void **state)
{
	for (int bits = 0; bits < 8; bits++) {
		struct machine machine = make_machine(5, false, false), *m = &machine;
		struct stage2_geometry g;
		unsigned int ia_bits = 40;
		enum granule granule = GRANULE_4K;

		m->caps.hw_access = bits & 1;
		m->caps.hw_dirty = bits & 2;
		m->caps.vmid_bits = bits & 4 ? 16 : 8;
		expect("the answer", stage2_geometry(&g, ia_bits, granule, &m->caps), 0);
		expect("VTCR.HA", g.vtcr >> 21 & 1, bits & 1);
		expect("VTCR.HD", g.vtcr >> 22 & 1, (bits & 3) == 3);
		expect("VTCR.VS", g.vtcr >> 19 & 1, (bits & 4) != 0);
	}
}

/* What KVM's default of 40 bits becomes, in full: the values were put together by hand. */
static void the_usual_sizes_have_known_values(void **state)
{
	struct machine m = make_machine(4, false, false); /* 44 bits */
	struct stage2_geometry g;

	assert_int_equal(stage2_geometry(&g, 40, GRANULE_4K, &m.caps), 0);
	assert_int_equal(g.vtcr, 0x80043558);
	m = make_machine(6, true, true); /* 52 bits, LPA2 */
	m.caps.vmid_bits = 16;
	m.caps.hw_access = m.caps.hw_dirty = true;
	assert_int_equal(stage2_geometry(&g, 52, GRANULE_4K, &m.caps), 0);
	assert_int_equal(g.vtcr, 0x1806e358c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_combination_is_as_the_manual_says),
		cmocka_unit_test(a_granule_that_stage_2_lacks_is_refused),
		cmocka_unit_test(arguments_out_of_range_are_refused),
		cmocka_unit_test(flags_of_vtcr_follow_the_machine),
		cmocka_unit_test(the_usual_sizes_have_known_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
