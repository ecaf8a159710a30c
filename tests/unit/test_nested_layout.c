// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/nested/nested_layout.c */
/*
 * Registers of EL2 without VHE in the layout of VHE, against tables of the fields by name: both layouts
 * as the manual's register descriptions list them (ARM DDI 0487, D24.2: TCR_EL2, SCTLR_EL2, CPTR_EL2,
 * CNTHCTL_EL2, each in two versions, TCR_EL1, SCTLR_EL1), from the top bit downwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arch/reg_bits.h>
#include <nested/nested_layout.h>

/* A field's bits. The end of a layout has no name. */
struct named {
	const char *name;
	unsigned int high, low;
};

static const struct named tcr_el2[] = {
	{ "MTX", 33, 33 },    { "DS", 32, 32 },	    { "TCMA0", 30, 30 },  { "TBID0", 29, 29 },
	{ "HWU062", 28, 28 }, { "HWU061", 27, 27 }, { "HWU060", 26, 26 }, { "HWU059", 25, 25 },
	{ "HPD0", 24, 24 },   { "HD", 22, 22 },	    { "HA", 21, 21 },	  { "TBI0", 20, 20 },
	{ "IPS", 18, 16 },    { "TG0", 15, 14 },    { "SH0", 13, 12 },	  { "ORGN0", 11, 10 },
	{ "IRGN0", 9, 8 },    { "T0SZ", 5, 0 },	    { NULL, 0, 0 },
};
static const struct named tcr_el1[] = {
	{ "TCMA1", 58, 58 },  { "TCMA0", 57, 57 },  { "E0PD1", 56, 56 },  { "E0PD0", 55, 55 },
	{ "NFD1", 54, 54 },   { "NFD0", 53, 53 },   { "TBID1", 52, 52 },  { "TBID0", 51, 51 },
	{ "HWU162", 50, 50 }, { "HWU161", 49, 49 }, { "HWU160", 48, 48 }, { "HWU159", 47, 47 },
	{ "HWU062", 46, 46 }, { "HWU061", 45, 45 }, { "HWU060", 44, 44 }, { "HWU059", 43, 43 },
	{ "HPD1", 42, 42 },   { "HPD0", 41, 41 },   { "HD", 40, 40 },	  { "HA", 39, 39 },
	{ "TBI1", 38, 38 },   { "TBI0", 37, 37 },   { "AS", 36, 36 },	  { "IPS", 34, 32 },
	{ "TG1", 31, 30 },    { "SH1", 29, 28 },    { "ORGN1", 27, 26 },  { "IRGN1", 25, 24 },
	{ "A1", 22, 22 },     { "T1SZ", 21, 16 },   { "TG0", 15, 14 },	  { "SH0", 13, 12 },
	{ "ORGN0", 11, 10 },  { "IRGN0", 9, 8 },    { "EPD0", 7, 7 },	  { "T0SZ", 5, 0 },
	{ NULL, 0, 0 },
};

static const struct named sctlr_el2[] = {
	{ "DSSBS", 44, 44 }, { "ATA", 43, 43 },	 { "TCF", 41, 40 },  { "ITFSB", 37, 37 },
	{ "BT", 36, 36 },    { "EnIA", 31, 31 }, { "EnIB", 30, 30 }, { "EnDA", 27, 27 },
	{ "EE", 25, 25 },    { "EIS", 22, 22 },	 { "IESB", 21, 21 }, { "WXN", 19, 19 },
	{ "EnDB", 13, 13 },  { "I", 12, 12 },	 { "EOS", 11, 11 },  { "nAA", 6, 6 },
	{ "SA", 3, 3 },	     { "C", 2, 2 },	 { "A", 1, 1 },	     { "M", 0, 0 },
	{ NULL, 0, 0 },
};
static const struct named sctlr_el1[] = {
	{ "TIDCP", 63, 63 }, { "SPINTMASK", 62, 62 }, { "NMI", 61, 61 },    { "EnTP2", 60, 60 },
	{ "EPAN", 57, 57 },  { "EnALS", 56, 56 },     { "EnAS0", 55, 55 },  { "EnASR", 54, 54 },
	{ "DSSBS", 44, 44 }, { "ATA", 43, 43 },	      { "ATA0", 42, 42 },   { "TCF", 41, 40 },
	{ "TCF0", 39, 38 },  { "ITFSB", 37, 37 },     { "BT", 36, 36 },	    { "BT0", 35, 35 },
	{ "EnIA", 31, 31 },  { "EnIB", 30, 30 },      { "LSMAOE", 29, 29 }, { "nTLSMD", 28, 28 },
	{ "EnDA", 27, 27 },  { "UCI", 26, 26 },	      { "EE", 25, 25 },	    { "E0E", 24, 24 },
	{ "EIS", 22, 22 },   { "IESB", 21, 21 },      { "TSCXT", 20, 20 },  { "WXN", 19, 19 },
	{ "nTWE", 18, 18 },  { "nTWI", 16, 16 },      { "UCT", 15, 15 },    { "DZE", 14, 14 },
	{ "EnDB", 13, 13 },  { "I", 12, 12 },	      { "EOS", 11, 11 },    { "EnRCTX", 10, 10 },
	{ "UMA", 9, 9 },     { "SED", 8, 8 },	      { "ITD", 7, 7 },	    { "nAA", 6, 6 },
	{ "SA0", 4, 4 },     { "SA", 3, 3 },	      { "C", 2, 2 },	    { "A", 1, 1 },
	{ "M", 0, 0 },	     { NULL, 0, 0 },
};

static const struct named cnthctl_el2[] = {
	{ "CNTPMASK", 19, 19 }, { "CNTVMASK", 18, 18 }, { "EVNTIS", 17, 17 },
	{ "EL1NVVCT", 16, 16 }, { "EL1NVPCT", 15, 15 }, { "EL1TVCT", 14, 14 },
	{ "EL1TVT", 13, 13 },	{ "ECV", 12, 12 },	{ "EVNTI", 7, 4 },
	{ "EVNTDIR", 3, 3 },	{ "EVNTEN", 2, 2 },	{ "EL1PTEN", 1, 1 },
	{ "EL1PCTEN", 0, 0 },	{ NULL, 0, 0 },
};
static const struct named cnthctl_vhe[] = {
	{ "CNTPMASK", 19, 19 }, { "CNTVMASK", 18, 18 }, { "EVNTIS", 17, 17 },
	{ "EL1NVVCT", 16, 16 }, { "EL1NVPCT", 15, 15 }, { "EL1TVCT", 14, 14 },
	{ "EL1TVT", 13, 13 },	{ "ECV", 12, 12 },	{ "EL1PTEN", 11, 11 },
	{ "EL1PCTEN", 10, 10 }, { "EL0PTEN", 9, 9 },	{ "EL0VTEN", 8, 8 },
	{ "EVNTI", 7, 4 },	{ "EVNTDIR", 3, 3 },	{ "EVNTEN", 2, 2 },
	{ "EL0VCTEN", 1, 1 },	{ "EL0PCTEN", 0, 0 },	{ NULL, 0, 0 },
};

static u64 next(u64 *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return *seed ^ *seed >> 29;
}

static const struct named *find(const struct named *layout, const char *name)
{
	for (; layout->name; layout++)
		if (!strcmp(layout->name, name))
			return layout;
	return NULL;
}

static u64 field_of(const struct named *field, u64 value)
{
	return value >> field->low & (BIT(field->high - field->low + 1) - 1);
}

/*
 * Fields of the same name have the same value; but for @never, those that only one layout has, and bits
 * that have no name, are 0, or in @always.
 */
static void compare(const struct named *from, const struct named *to, u64 (*layout)(u64 value),
		    const char *never, u64 always)
{
	u64 seed = 1;

	for (unsigned int n = 0; n < 200000; n++) {
		u64 value = n < 64 ? BIT(n) : next(&seed), out = layout(value), expected = always;

		for (const struct named *f = from; f->name; f++) {
			const struct named *same = find(to, f->name);

			if (!strstr(never, f->name)) {
				assert_non_null(same);
				assert_int_equal(same->high - same->low, f->high - f->low);
				expected |= field_of(f, value) << same->low;
			}
		}
		assert_int_equal(out, expected);
	}
}

static void tcr_el2_is_that_of_one_range(void **state)
{
	compare(tcr_el2, tcr_el1, nested_layout_tcr, "DS, MTX", BIT(23) /* EPD1 */);
}

static void sctlr_el2_has_no_el0_and_keeps_pan(void **state)
{
	compare(sctlr_el2, sctlr_el1, nested_layout_sctlr, "", BIT(23) /* SPAN */);
}

static void cnthctl_el2_is_about_el1_alone(void **state)
{
	compare(cnthctl_el2, cnthctl_vhe, nested_layout_cnthctl, "", 0);
}

/* What traps in the one layout does in the other: TZ 8, TFP 10, TSM 12, TTA 20, TAM 30, TCPAC 31. */
static void cptr_el2_traps_the_same(void **state)
{
	u64 seed = 3;

	for (unsigned int n = 0; n < 100000; n++) {
		u64 cptr = n < 64 ? BIT(n) : next(&seed), out = nested_layout_cptr(cptr);

		assert_int_equal(out >> 16 & 3, cptr & 0x100 ? 0 : 3);	/* ZEN */
		assert_int_equal(out >> 20 & 3, cptr & 0x400 ? 0 : 3);	/* FPEN */
		assert_int_equal(out >> 24 & 3, cptr & 0x1000 ? 0 : 3); /* SMEN */
		assert_int_equal(out >> 28 & 1, cptr >> 20 & 1);	/* TTA */
		assert_int_equal(out >> 30, cptr >> 30 & 3);		/* TCPAC, TAM */
		assert_int_equal(out & ~0xd3330000ULL, 0);
	}
}

static void ttbr0_el2_has_no_asid(void **state)
{
	assert_int_equal(nested_layout_ttbr0(~0ULL), 0xffffffffffff);
	assert_int_equal(nested_layout_ttbr0(0x1234800000401001), 0x800000401001);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcr_el2_is_that_of_one_range),
		cmocka_unit_test(sctlr_el2_has_no_el0_and_keeps_pan),
		cmocka_unit_test(cnthctl_el2_is_about_el1_alone),
		cmocka_unit_test(cptr_el2_traps_the_same),
		cmocka_unit_test(ttbr0_el2_has_no_asid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
