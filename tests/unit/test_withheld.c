// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/cpu/withheld.c hyp/cpu/features.c hyp/cpu/errata.c tests/unit/arch/fake_sysreg.c */
/*
 * What EL3 keeps from EL2: which registers are tried, on which CPU, and what is absent afterwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <cpu/withheld.h>

/* Each register: what it is called, and the features that are gone without it. */
static const struct row {
	const char *name, *encoding;
	struct {
		enum id_field field;
		s64 left;
	} gone[16];
} rows[] = {
	{ "HCRX_EL2",
	  SYSREG_STR(ASM_REG(HCRX_EL2)),
	  { { ID_MMFR1_HCX, 0 },
	    { ID_MMFR3_TCRX, 0 },
	    { ID_MMFR3_SCTLRX, 0 },
	    { ID_ISAR2_MOPS, 0 },
	    { ID_ISAR1_LS64, 0 },
	    { ID_PFR2_FPMR, 0 },
	    { ID_PFR1_GCS, 0 },
	    { ID_MMFR3_S1PIE, 0 } } },
	{ "HFGRTR_EL2",
	  SYSREG_STR(ASM_REG(HFGRTR_EL2)),
	  { { ID_MMFR0_FGT, 0 },
	    { ID_PFR1_SME, 0 },
	    { ID_MMFR3_S1PIE, 0 },
	    { ID_DFR0_PMSVer, 2 },
	    { ID_DFR0_BRBE, 0 },
	    { ID_ISAR1_LS64, 2 } } },
	{ "HFGRTR2_EL2",
	  SYSREG_STR(ASM_REG(HFGRTR2_EL2)),
	  { { ID_MMFR0_FGT, 1 }, { ID_PFR1_THE, 0 } } },
	{ "TCR2_EL2",
	  SYSREG_STR(ASM_REG(TCR2_EL2)),
	  { { ID_MMFR3_TCRX, 0 }, { ID_MMFR3_S1PIE, 0 } } },
	{ "SCTLR2_EL2", SYSREG_STR(ASM_REG(SCTLR2_EL2)), { { ID_MMFR3_SCTLRX, 0 } } },
	{ "PIR_EL2",
	  SYSREG_STR(ASM_REG(PIR_EL2)),
	  { { ID_MMFR3_S1PIE, 0 }, { ID_MMFR3_S1POE, 0 } } },
	{ "GCSCRE0_EL1", SYSREG_STR(ASM_REG(GCSCRE0_EL1)), { { ID_PFR1_GCS, 0 } } },
	{ "ZCR_EL2", SYSREG_STR(ASM_REG(ZCR_EL2)), { { ID_PFR0_SVE, 0 } } },
	{ "SMCR_EL2", SYSREG_STR(ASM_REG(SMCR_EL2)), { { ID_PFR1_SME, 0 } } },
	{ "FPMR", SYSREG_STR(ASM_REG(FPMR)), { { ID_PFR2_FPMR, 0 } } },
	{ "GCR_EL1", SYSREG_STR(ASM_REG(GCR_EL1)), { { ID_PFR1_MTE, 1 }, { ID_PFR1_MTEX, 0 } } },
	{ "APIAKeyLo_EL1",
	  SYSREG_STR(ASM_REG(APIAKEYLO_EL1)),
	  { { ID_ISAR1_APA, 0 }, { ID_ISAR1_API, 0 }, { ID_ISAR1_GPI, 0 }, { ID_ISAR2_APA3, 0 } } },
	{ "RNDRRS", SYSREG_STR(ASM_REG(RNDRRS)), { { ID_ISAR0_RNDR, 0 } } },
	{ "MPAM2_EL2",
	  SYSREG_STR(ASM_REG(MPAM2_EL2)),
	  { { ID_PFR0_MPAM, 0 }, { ID_PFR1_MPAM_frac, 0 } } },
	{ "MPAM2_EL2", SYSREG_STR(ASM_REG(MPAMIDR_EL1)), { { ID_PFR0_MPAM, 0 } } },
	{ "PMCR_EL0", SYSREG_STR(ASM_REG(PMCR_EL0)), { { ID_DFR0_PMUVer, 0 } } },
	{ "PMSCR_EL2", SYSREG_STR(ASM_REG(PMSCR_EL2)), { { ID_DFR0_PMSVer, 0 } } },
	{ "PMSNEVFR_EL1", SYSREG_STR(ASM_REG(PMSNEVFR_EL1)), { { ID_DFR0_PMSVer, 2 } } },
	{ "ICC_SRE_EL2", SYSREG_STR(ASM_REG(ICC_SRE_EL2)), { { ID_PFR0_GIC, 0 } } },
};

/* All of it, or nothing but what every CPU has. */
static void make_cpu(struct cpu_id_regs *id, bool all, bool e2h)
{
	static const u8 fields[] = {
		ID_MMFR1_HCX,  ID_MMFR3_TCRX,  ID_MMFR3_SCTLRX,	  ID_ISAR2_MOPS, ID_PFR2_FPMR,
		ID_PFR1_GCS,   ID_MMFR3_S1PIE, ID_MMFR3_S1POE,	  ID_PFR1_THE,	 ID_PFR0_SVE,
		ID_PFR1_SME,   ID_ISAR1_APA,   ID_ISAR1_API,	  ID_ISAR1_GPI,	 ID_ISAR2_APA3,
		ID_ISAR0_RNDR, ID_PFR0_MPAM,   ID_PFR1_MPAM_frac, ID_DFR0_BRBE,	 ID_PFR0_GIC,
	};

	memset(id, 0, sizeof(*id));
	fake_sysreg_reset();
	fake_sysreg_set("hcr_el2", e2h ? HCR_E2H : 0);
	fake_sysreg_set("cptr_el2", 0x1234);
	if (!all)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct id_field_desc *desc = id_field_desc((enum id_field)fields[i]);

		id->reg[desc->reg] |= 1ULL << desc->shift;
	}
	id->reg[ID_REG_MMFR0] |= 2ULL << id_field_desc(ID_MMFR0_FGT)->shift;
	id->reg[ID_REG_DFR0] |= 3ULL << id_field_desc(ID_DFR0_PMSVer)->shift;
	id->reg[ID_REG_DFR0] |= 9ULL << id_field_desc(ID_DFR0_PMUVer)->shift;
	id->reg[ID_REG_PFR1] |= 3ULL << id_field_desc(ID_PFR1_MTE)->shift;
	id->reg[ID_REG_ISAR1] |= 3ULL << id_field_desc(ID_ISAR1_LS64)->shift;
	fake_sysreg_set(SYSREG_STR(ASM_REG(PMBIDR_EL1)), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		fake_sysreg_set(rows[i].encoding, 0);
}

static void a_cpu_without_the_features_is_asked_nothing(void **state)
{
	struct cpu_id_regs id;

	make_cpu(&id, false, false);
	assert_int_equal(withheld_probe(&id), 0);
	assert_int_equal(fake_sysreg_get("cptr_el2"), 0x1234);
}

static void where_all_registers_answer_nothing_is_withheld(void **state)
{
	for (unsigned int e2h = 0; e2h < 2; e2h++) {
		struct cpu_id_regs id, before;

		make_cpu(&id, true, e2h);
		before = id;
		assert_int_equal(withheld_probe(&id), 0);
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
			assert_int_equal(fake_sysreg_reads(rows[i].encoding), 1);
		withheld_clear(&id, 0);
		assert_memory_equal(&id, &before, sizeof(id));
		assert_int_equal(fake_sysreg_get("cptr_el2"), 0x1234);
	}
}

static void each_register_has_its_features(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cpu_id_regs id;
		u32 withheld;

		make_cpu(&id, true, i % 2);
		fake_sysreg_withhold(rows[i].encoding);
		withheld = withheld_probe(&id);
		assert_true(withheld && !(withheld & (withheld - 1)));
		assert_string_equal(withheld_name(withheld), rows[i].name);
		withheld_clear(&id, withheld);
		for (size_t g = 0; g < 16 && (g == 0 || rows[i].gone[g].field); g++)
			if (cpu_id_field(&id, rows[i].gone[g].field) != rows[i].gone[g].left)
				fail_msg("%s, feature %zu", rows[i].name, g);
		/* a feature that is gone is not tried again */
		assert_int_equal(withheld_probe(&id), 0);
	}
}

static void several_registers_can_be_withheld(void **state)
{
	struct cpu_id_regs id;
	u32 withheld;

	make_cpu(&id, true, false);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		fake_sysreg_withhold(rows[i].encoding);
	withheld = withheld_probe(&id);
	withheld_clear(&id, withheld);
	/* instructions that need no register */
	assert_int_equal(id.reg[ID_REG_PFR1], 1ULL << id_field_desc(ID_PFR1_MTE)->shift);
	id.reg[ID_REG_PFR1] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(id.reg); i++)
		assert_int_equal(id.reg[i], 0);
	for (unsigned int n = 0; withheld; n++, withheld &= withheld - 1)
		assert_true(n < 32 && withheld_name(withheld)[0]);
}

/* PMBIDR_EL1.P: to touch the rest would be a trap to EL3, of which firmware knows. */
static void a_buffer_that_el3_owns_is_not_touched(void **state)
{
	struct cpu_id_regs id;

	make_cpu(&id, true, false);
	fake_sysreg_set(SYSREG_STR(ASM_REG(PMBIDR_EL1)), BIT(4));
	assert_int_equal(withheld_probe(&id), 0);
	assert_int_equal(fake_sysreg_reads(SYSREG_STR(ASM_REG(PMSCR_EL2))), 0);
	assert_int_equal(fake_sysreg_reads(SYSREG_STR(ASM_REG(PMSNEVFR_EL1))), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cpu_without_the_features_is_asked_nothing),
		cmocka_unit_test(where_all_registers_answer_nothing_is_withheld),
		cmocka_unit_test(each_register_has_its_features),
		cmocka_unit_test(several_registers_can_be_withheld),
		cmocka_unit_test(a_buffer_that_el3_owns_is_not_touched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
