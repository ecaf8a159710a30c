// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/nested/nested_route.c hyp/nested/nested_regs.c hyp/nested/nested_nvhe.c hyp/nested/nested_layout.c tests/unit/fake_panic.c tests/unit/arch/fake_sysreg.c */
/*
 * What a guest hypervisor's controls make trap to its EL2, against the manual's descriptions of each
 * bit (D24.2): every system register encoding, reads and writes, with each bit alone; and which bits
 * of its HCR_EL2 reach the hardware.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arch/reg_bits.h>
#include <arch/regs.h>
#include <lib/esr.h>
#include <nested/nested_pauth.h>
#include <nested/nested_regs.h>
#include <nested/nested_route.h>

#include "swap_el1.h"

u64 vcpu_read_sysreg(const struct vcpu *v, enum vcpu_sysreg reg)
{
	return 0;
}

void vcpu_write_sysreg(struct vcpu *v, enum vcpu_sysreg reg, u64 value)
{
}

static bool has_pauth;

bool nested_has_pauth(const struct vcpu *v)
{
	return has_pauth;
}

/* What lets EL1 do all: counters enabled, FP not trapped. */
static const struct nested_controls open_controls = {
	.hcr = HCR_API | HCR_APK,
	.cptr = 3ULL << 20,
	.cnthctl = 3ULL << 10,
};

static u64 sys64(u32 encoding, bool read)
{
	return 0x18ULL << 26 | 1ULL << 25 | (u64)(encoding >> 14 & 3) << 20 |
	       (u64)(encoding & 7) << 17 | (u64)(encoding >> 11 & 7) << 14 |
	       (u64)(encoding >> 7 & 15) << 10 | (u64)(encoding >> 3 & 15) << 1 | read;
}

static bool traps(const struct nested_controls *c, u32 encoding, bool read)
{
	return nested_route(c, sys64(encoding, read)) == NESTED_ROUTE_EL2;
}

/* By the manual: the bit, and an access that it traps. */
static const struct {
	unsigned int hcr;
	u32 encoding;
	bool reads, writes;
} expected[] = {
	{ 16, SYSREG_ENC(3, 0, 0, 0, 6), true, false }, /* TID1: REVIDR_EL1 */
	{ 16, SYSREG_ENC(3, 1, 0, 0, 7), true, false }, /* AIDR_EL1 */
	{ 17, SYSREG_ENC(3, 1, 0, 0, 0), true, false }, /* TID2: CCSIDR_EL1 */
	{ 17, SYSREG_ENC(3, 1, 0, 0, 1), true, false }, /* CLIDR_EL1 */
	{ 17, SYSREG_ENC(3, 1, 0, 0, 2), true, false }, /* CCSIDR2_EL1 */
	{ 17, SYSREG_ENC(3, 2, 0, 0, 0), true, true },	/* CSSELR_EL1 */
	{ 17, SYSREG_ENC(3, 3, 0, 0, 1), true, false }, /* CTR_EL0 */
	{ 18, SYSREG_ENC(3, 0, 0, 1, 0), true, false }, /* TID3: ID_PFR0_EL1 */
	{ 18, SYSREG_ENC(3, 0, 0, 4, 0), true, false }, /* ID_AA64PFR0_EL1 */
	{ 18, SYSREG_ENC(3, 0, 0, 7, 7), true, false },
	{ 20, SYSREG_ENC(3, 0, 15, 3, 2), true, true }, /* TIDCP */
	{ 20, SYSREG_ENC(3, 3, 11, 0, 0), true, true },
	{ 21, SYSREG_ENC(3, 0, 1, 0, 1), true, true },	/* TACR: ACTLR_EL1 */
	{ 22, SYSREG_ENC(1, 0, 7, 6, 2), false, true }, /* TSW: DC ISW */
	{ 22, SYSREG_ENC(1, 0, 7, 10, 2), false, true },
	{ 22, SYSREG_ENC(1, 0, 7, 14, 2), false, true },
	{ 23, SYSREG_ENC(1, 0, 7, 6, 1), false, true },	 /* TPCP: DC IVAC */
	{ 23, SYSREG_ENC(1, 3, 7, 10, 1), false, true }, /* DC CVAC */
	{ 23, SYSREG_ENC(1, 3, 7, 12, 1), false, true }, /* DC CVAP */
	{ 23, SYSREG_ENC(1, 3, 7, 14, 1), false, true }, /* DC CIVAC */
	{ 24, SYSREG_ENC(1, 0, 7, 1, 0), false, true },	 /* TPU: IC IALLUIS */
	{ 24, SYSREG_ENC(1, 0, 7, 5, 0), false, true },	 /* IC IALLU */
	{ 24, SYSREG_ENC(1, 3, 7, 5, 1), false, true },	 /* IC IVAU */
	{ 24, SYSREG_ENC(1, 3, 7, 11, 1), false, true }, /* DC CVAU */
	{ 25, SYSREG_ENC(1, 0, 8, 7, 0), false, true },	 /* TTLB: TLBI VMALLE1 */
	{ 25, SYSREG_ENC(1, 0, 8, 3, 1), false, true },	 /* TLBI VAE1IS */
	{ 26, SYSREG_ENC(3, 0, 1, 0, 0), false, true },	 /* TVM: SCTLR_EL1 */
	{ 26, SYSREG_ENC(3, 0, 2, 0, 0), false, true },	 /* TTBR0_EL1 */
	{ 26, SYSREG_ENC(3, 0, 2, 0, 1), false, true },
	{ 26, SYSREG_ENC(3, 0, 2, 0, 2), false, true }, /* TCR_EL1 */
	{ 26, SYSREG_ENC(3, 0, 5, 1, 0), false, true }, /* AFSR0_EL1 */
	{ 26, SYSREG_ENC(3, 0, 5, 1, 1), false, true },
	{ 26, SYSREG_ENC(3, 0, 5, 2, 0), false, true },	 /* ESR_EL1 */
	{ 26, SYSREG_ENC(3, 0, 6, 0, 0), false, true },	 /* FAR_EL1 */
	{ 26, SYSREG_ENC(3, 0, 10, 2, 0), false, true }, /* MAIR_EL1 */
	{ 26, SYSREG_ENC(3, 0, 10, 3, 0), false, true }, /* AMAIR_EL1 */
	{ 26, SYSREG_ENC(3, 0, 13, 0, 1), false, true }, /* CONTEXTIDR_EL1 */
	{ 28, SYSREG_ENC(1, 3, 7, 4, 1), false, true },	 /* TDZ: DC ZVA */
	{ 30, SYSREG_ENC(3, 0, 1, 0, 0), true, false },	 /* TRVM: SCTLR_EL1 */
	{ 30, SYSREG_ENC(3, 0, 2, 0, 2), true, false },
	{ 30, SYSREG_ENC(3, 0, 13, 0, 1), true, false },
};

static void each_bit_traps_what_the_manual_says(void **state)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(expected); i++) {
		struct nested_controls c = open_controls, others = open_controls;
		u32 encoding = expected[i].encoding;
		unsigned int bit = expected[i].hcr;

		c.hcr |= 1ULL << bit;
		/* TVM and TRVM share registers; each traps one direction */
		others.hcr = ~(1ULL << bit) & ~(1ULL << 26 | 1ULL << 30);
		/* an instruction has one direction */
		if ((encoding >> 14 == 3 && traps(&c, encoding, true) != expected[i].reads) ||
		    (expected[i].writes && !traps(&c, encoding, false)))
			fail_msg("HCR_EL2 bit %u, encoding %#x", bit, encoding);
		assert_false(traps(&others, encoding, true));
		assert_false(traps(&others, encoding, false));
		assert_false(traps(&open_controls, encoding, true));
	}
}

/* What has no row is not the guest hypervisor's, whatever it sets; and nothing traps by nothing. */
static void nothing_traps_without_a_bit(void **state)
{
	u32 encoding;

	for (encoding = 0; encoding < 0x10000; encoding++) {
		assert_false(traps(&open_controls, encoding, true));
		assert_false(traps(&open_controls, encoding, false));
	}
}

static void each_other_control_traps_its_own(void **state)
{
	struct nested_controls c = open_controls;

	c.cptr |= 1ULL << 31;
	assert_true(traps(&c, REG_NUM(CPACR_EL1), true));
	assert_false(traps(&c, REG_NUM(SCTLR_EL1), true));
	c = open_controls;
	c.cnthctl = 1ULL << 11;
	assert_true(traps(&c, REG_NUM(CNTPCT_EL0), true));
	assert_false(traps(&c, REG_NUM(CNTP_CTL_EL0), true));
	c.cnthctl = 1ULL << 10;
	assert_false(traps(&c, REG_NUM(CNTPCT_EL0), true));
	assert_true(traps(&c, REG_NUM(CNTP_CVAL_EL0), false));
	c = open_controls;
	c.mdcr = 1ULL << 9;
	assert_true(traps(&c, REG_NUM(MDSCR_EL1), false));
	assert_false(traps(&c, REG_NUM(OSLAR_EL1), false));
	assert_false(traps(&c, REG_NUM(MDRAR_EL1), true));
	c.mdcr = 1ULL << 11;
	assert_true(traps(&c, REG_NUM(MDRAR_EL1), true));
	assert_false(traps(&c, REG_NUM(MDSCR_EL1), true));
	c.mdcr = 1ULL << 10;
	assert_true(traps(&c, REG_NUM(OSLAR_EL1), false));
	assert_false(traps(&c, REG_NUM(MDSCR_EL1), false));
	c.mdcr = 1ULL << 8; /* TDE */
	assert_true(traps(&c, REG_NUM(OSLAR_EL1), false));
	assert_true(traps(&c, REG_NUM(MDSCR_EL1), false));
	assert_true(traps(&c, REG_NUM(MDRAR_EL1), true));
}

/* HCR_EL2.APK, API: what is 0 traps; but what there is not is UNDEFINED. */
static void pointer_authentication_traps_unless_it_is_allowed(void **state)
{
	const u64 pac = 0x09ULL << 26;
	struct nested_vcpu nested = { .context = NESTED_EL1 };
	struct vm vm = { 0 };
	struct vcpu vcpu = { .vm = &vm, .nested = &nested };
	struct nested_controls c = open_controls;
	unsigned int keys = 0;
	u32 encoding;

	c.hcr = HCR_API;
	for (encoding = 0; encoding < 0x10000; encoding++) {
		keys += traps(&c, encoding, true);
		assert_int_equal(traps(&c, encoding, true), traps(&c, encoding, false));
	}
	assert_int_equal(keys, 10); /* five keys of two registers */
	assert_true(traps(&c, REG_NUM(APIAKEYLO_EL1), true));
	assert_true(traps(&c, REG_NUM(APGAKEYHI_EL1), true));
	assert_int_equal(nested_route(&c, pac), NESTED_ROUTE_KEEL);
	c.hcr = HCR_APK;
	assert_int_equal(nested_route(&c, pac), NESTED_ROUTE_EL2);
	assert_false(traps(&c, REG_NUM(APIAKEYLO_EL1), true));
	assert_int_equal(nested_hcr_denied(0), HCR_API | HCR_APK);
	assert_int_equal(nested_hcr_denied(~HCR_API), HCR_API);
	assert_int_equal(nested_hcr_denied(~0ULL), 0);
	has_pauth = true;
	assert_int_equal(nested_controls_of(&vcpu).hcr & (HCR_API | HCR_APK), 0);
	has_pauth = false;
	assert_int_equal(nested_controls_of(&vcpu).hcr & (HCR_API | HCR_APK), HCR_API | HCR_APK);
}

/* CPTR_EL2.ZEN, then FPEN, each 0b00 and 0b10; what there is not is UNDEFINED. */
static void sve_traps_by_two_fields(void **state)
{
	for (unsigned int n = 0; n < 32; n++) {
		const struct nested_controls c = {
			.sve = n & 16,
			.cptr = (u64)(n & 3) << 16 | (u64)(n >> 2 & 3) << 20,
		};
		enum nested_route want = NESTED_ROUTE_KEEL;

		if (c.sve && !(n & 1))
			want = NESTED_ROUTE_EL2;
		else if (c.sve && !(n & 4))
			want = NESTED_ROUTE_FP;
		assert_int_equal(nested_route(&c, 0x19ULL << 26), want);
		assert_int_equal(nested_traps_sve(c.cptr), !(n & 1));
	}
}

/* D24.2, HCR_EL2.TIDCP: CRn 11 and 15 of op0 1 and 3, whatever op1 is. */
static void implementation_defined_encodings_trap(void **state)
{
	struct nested_controls c = open_controls;
	u32 encoding;

	c.hcr |= HCR_TIDCP;
	for (encoding = SYSREG_ENC(1, 0, 0, 0, 0); encoding < 0x10000; encoding++) {
		u32 op0 = encoding >> 14, crn = encoding >> 7 & 15;
		bool expect = (op0 == 1 || op0 == 3) && (crn == 11 || crn == 15);

		assert_int_equal(traps(&c, encoding, true), expect);
		assert_int_equal(traps(&c, encoding, false), expect);
	}
}

static enum nested_route route(u64 hcr, u64 cptr, u64 esr)
{
	const struct nested_controls c = { .hcr = hcr, .cptr = cptr };

	return nested_route(&c, esr);
}

static void each_class_goes_where_the_manual_says(void **state)
{
	const u64 wfi = 0x01ULL << 26, wfe = wfi | 1, wfit = wfi | 2, wfet = wfi | 3;
	const u64 hvc = 0x16ULL << 26, smc = 0x17ULL << 26, fp = 0x07ULL << 26;

	assert_int_equal(route(0, 0, hvc), NESTED_ROUTE_EL2);
	assert_int_equal(route(1ULL << 29, 0, hvc), NESTED_ROUTE_UNDEF);
	assert_int_equal(route(0, 0, smc), NESTED_ROUTE_KEEL);
	assert_int_equal(route(1ULL << 19, 0, smc), NESTED_ROUTE_EL2);
	assert_int_equal(route(1ULL << 13, 0, wfi), NESTED_ROUTE_EL2);
	assert_int_equal(route(1ULL << 13, 0, wfit), NESTED_ROUTE_EL2);
	assert_int_equal(route(1ULL << 13, 0, wfe), NESTED_ROUTE_KEEL);
	assert_int_equal(route(1ULL << 14, 0, wfe), NESTED_ROUTE_EL2);
	assert_int_equal(route(1ULL << 14, 0, wfet), NESTED_ROUTE_EL2);
	assert_int_equal(route(1ULL << 14, 0, wfi), NESTED_ROUTE_KEEL);
	assert_int_equal(route(0, 0ULL << 20, fp), NESTED_ROUTE_EL2);
	assert_int_equal(route(0, 1ULL << 20, fp), NESTED_ROUTE_KEEL);
	assert_int_equal(route(0, 2ULL << 20, fp), NESTED_ROUTE_EL2);
	assert_int_equal(route(0, 3ULL << 20, fp), NESTED_ROUTE_KEEL);
	/* a stage 2 fault is not its own: it has no stage 2 */
	assert_int_equal(route(~0ULL, 0, 0x24ULL << 26), NESTED_ROUTE_KEEL);
}

/* MDCR_EL2.TDE: breakpoints, steps, watchpoints, BKPT and BRK (D2.3). */
static void debug_exceptions_are_el2s_by_tde(void **state)
{
	u32 ec;

	for (ec = 0x20; ec < 0x40; ec++) {
		struct nested_controls c = { .mdcr = MDCR_TDE };
		bool debug = ec == 0x30 || ec == 0x32 || ec == 0x34 || ec == 0x38 || ec == 0x3c;

		assert_int_equal(nested_route(&c, (u64)ec << 26),
				 debug ? NESTED_ROUTE_EL2 : NESTED_ROUTE_KEEL);
		c.mdcr = ~MDCR_TDE;
		assert_int_equal(nested_route(&c, (u64)ec << 26), NESTED_ROUTE_KEEL);
	}
}

/* Each of the 64 bits: it reaches the hardware, it keeps EL1 from running, or it does nothing. */
static void hcr_is_merged_by_an_allow_list(void **state)
{
	static const u8 allowed[] = { 13, 14, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 28, 30 };
	/* IMO without FMO, and the reverse */
	static const u8 refused[] = { 3, 4 };
	u64 all = 0, no = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(allowed); i++)
		all |= 1ULL << allowed[i];
	for (i = 0; i < ARRAY_SIZE(refused); i++)
		no |= 1ULL << refused[i];
	/* DC, PTW, CD and ID, which are about stage 2; the last two not with FEAT_S2FWB */
	assert_int_equal(nested_hcr_for_el1(~0ULL, false), all | 0x1c0 | 0x300001004);
	assert_int_equal(nested_hcr_for_el1(~0ULL, true), all | 0x1c0 | 0x1004);
	for (i = 0; i < 64; i++) {
		u64 walks = i == 12 ? HCR_DC : 0, stage2 = 0x300001004;

		assert_int_equal(nested_hcr_for_el1(1ULL << i, false), (all | walks) & 1ULL << i);
		assert_int_equal(nested_hcr_for_el1(1ULL << i | HCR_VM, false),
				 (all | stage2) & 1ULL << i);
		assert_int_equal(nested_hcr_has_stage2(1ULL << i), i == 0 || i == 12);
		assert_int_equal(nested_hcr_refused(1ULL << i), no >> i & 1);
	}
	assert_false(nested_hcr_refused(HCR_IMO | HCR_FMO));
	assert_int_equal(nested_hcr_for_el1(HCR_IMO | 0x1c0, true), HCR_VI);
	assert_int_equal(nested_hcr_for_el1(HCR_FMO | 0x1c0, true), HCR_VF);
	assert_int_equal(nested_hcr_for_el1(HCR_AMO | 0x1c0, true), HCR_VSE);
	assert_true(nested_hcr_has_vse(HCR_AMO | HCR_VSE));
	assert_false(nested_hcr_has_vse(HCR_AMO) || nested_hcr_has_vse(HCR_VSE));
}

/* ICH_HCR_EL2 (IHI 0069, 12.4.3), and the SGI registers by HCR_EL2.IMO or FMO. */
static void gic_registers_trap_by_groups(void **state)
{
	static const struct {
		u32 first, last;
		u64 bits;
	} gic[] = {
		{ SYSREG_ENC(3, 0, 4, 6, 0), SYSREG_ENC(3, 0, 4, 6, 0), 1 << 10 }, /* PMR */
		{ SYSREG_ENC(3, 0, 12, 8, 0), SYSREG_ENC(3, 0, 12, 8, 7), 1 << 11 },
		{ SYSREG_ENC(3, 0, 12, 9, 0), SYSREG_ENC(3, 0, 12, 9, 3), 1 << 12 },
		{ SYSREG_ENC(3, 0, 12, 11, 1), SYSREG_ENC(3, 0, 12, 11, 1), 1 << 10 | 1 << 14 },
		{ SYSREG_ENC(3, 0, 12, 11, 3), SYSREG_ENC(3, 0, 12, 11, 3), 1 << 10 }, /* RPR */
		{ SYSREG_ENC(3, 0, 12, 11, 5), SYSREG_ENC(3, 0, 12, 11, 7), 1 << 10 }, /* SGIs */
		{ SYSREG_ENC(3, 0, 12, 12, 0), SYSREG_ENC(3, 0, 12, 12, 3), 1 << 12 },
		{ SYSREG_ENC(3, 0, 12, 12, 4), SYSREG_ENC(3, 0, 12, 12, 4), 1 << 10 }, /* CTLR */
		{ SYSREG_ENC(3, 0, 12, 12, 6), SYSREG_ENC(3, 0, 12, 12, 6), 1 << 11 },
		{ SYSREG_ENC(3, 0, 12, 12, 7), SYSREG_ENC(3, 0, 12, 12, 7), 1 << 12 },
	};
	struct nested_controls c = open_controls;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(gic); i++)
		for (u32 at = gic[i].first; at <= gic[i].last; at += SYSREG_ENC(0, 0, 0, 0, 1))
			for (unsigned int bit = 0; bit < 32; bit++) {
				c.ich = 1ULL << bit;
				assert_int_equal(traps(&c, at, true), gic[i].bits >> bit & 1);
				assert_int_equal(traps(&c, at, false), gic[i].bits >> bit & 1);
			}
	c.ich = 0;
	assert_false(traps(&c, REG_NUM(ICC_SGI1R_EL1), false));
	c.hcr |= HCR_IMO;
	assert_true(traps(&c, REG_NUM(ICC_SGI1R_EL1), false));
	assert_true(traps(&c, REG_NUM(ICC_SGI0R_EL1), false));
	c.hcr = HCR_FMO | HCR_API | HCR_APK;
	assert_true(traps(&c, REG_NUM(ICC_ASGI1R_EL1), false));
	assert_false(traps(&c, REG_NUM(ICC_DIR_EL1), false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_bit_traps_what_the_manual_says),
		cmocka_unit_test(nothing_traps_without_a_bit),
		cmocka_unit_test(each_other_control_traps_its_own),
		cmocka_unit_test(pointer_authentication_traps_unless_it_is_allowed),
		cmocka_unit_test(sve_traps_by_two_fields),
		cmocka_unit_test(implementation_defined_encodings_trap),
		cmocka_unit_test(each_class_goes_where_the_manual_says),
		cmocka_unit_test(debug_exceptions_are_el2s_by_tde),
		cmocka_unit_test(hcr_is_merged_by_an_allow_list),
		cmocka_unit_test(gic_registers_trap_by_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
