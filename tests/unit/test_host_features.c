// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/host/host_features.c hyp/cpu/features.c tests/unit/arch/fake_sysreg.c hyp/cpu/errata.c hyp/cpu/withheld.c */
/*
 * The host's ID registers: never more than the CPU has, never more than the table allows, and
 * nothing of what is left out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arch/sysreg.h>
#include <host/host_features.h>

static const char *const names[ID_REG_COUNT] = {
	[ID_REG_PFR0] = "id_aa64pfr0_el1",
	[ID_REG_PFR1] = "id_aa64pfr1_el1",
	[ID_REG_PFR2] = "s3_0_c0_c4_2",
	[ID_REG_DFR0] = "id_aa64dfr0_el1",
	[ID_REG_DFR1] = "id_aa64dfr1_el1",
	[ID_REG_ISAR0] = "id_aa64isar0_el1",
	[ID_REG_ISAR1] = "id_aa64isar1_el1",
	[ID_REG_ISAR2] = "s3_0_c0_c6_2",
	[ID_REG_ISAR3] = "s3_0_c0_c6_3",
	[ID_REG_MMFR0] = "id_aa64mmfr0_el1",
	[ID_REG_MMFR1] = "id_aa64mmfr1_el1",
	[ID_REG_MMFR2] = "s3_0_c0_c7_2",
	[ID_REG_MMFR3] = "s3_0_c0_c7_3",
	[ID_REG_MMFR4] = "s3_0_c0_c7_4",
	[ID_REG_ZFR0] = "s3_0_c0_c4_4",
	[ID_REG_SMFR0] = "s3_0_c0_c4_5",
	[ID_REG_CTR] = "ctr_el0",
	[ID_REG_DCZID] = "dczid_el0",
	[ID_REG_MIDR] = "midr_el1",
};

/* Where the architecture has them (D24.2): CRm, op2. */
static const u8 places[ID_REG_COUNT][2] = {
	[ID_REG_PFR0] = { 4, 0 },  [ID_REG_PFR1] = { 4, 1 },  [ID_REG_PFR2] = { 4, 2 },
	[ID_REG_ZFR0] = { 4, 4 },  [ID_REG_SMFR0] = { 4, 5 }, [ID_REG_DFR0] = { 5, 0 },
	[ID_REG_DFR1] = { 5, 1 },  [ID_REG_ISAR0] = { 6, 0 }, [ID_REG_ISAR1] = { 6, 1 },
	[ID_REG_ISAR2] = { 6, 2 }, [ID_REG_ISAR3] = { 6, 3 }, [ID_REG_MMFR0] = { 7, 0 },
	[ID_REG_MMFR1] = { 7, 1 }, [ID_REG_MMFR2] = { 7, 2 }, [ID_REG_MMFR3] = { 7, 3 },
	[ID_REG_MMFR4] = { 7, 4 },
};

static void set_field(struct cpu_id_regs *id, enum id_field field, u64 value)
{
	const struct id_field_desc *d = id_field_desc(field);
	u64 mask = GENMASK(d->width - 1, 0) << d->shift;

	id->reg[d->reg] = (id->reg[d->reg] & ~mask) | (value << d->shift & mask);
}

/* TGran*_2 are not the CPU's, but "not at stage 2"; a PMUVer of 0xf is none. */
static bool is_fixed(enum id_field field)
{
	return field == ID_MMFR0_TGran4_2 || field == ID_MMFR0_TGran16_2 ||
	       field == ID_MMFR0_TGran64_2;
}

static void no_field_says_more_than_the_cpu(void **state)
{
	for (unsigned int f = 0; f < ID_FIELD_COUNT; f++) {
		const struct id_field_desc *d = id_field_desc((enum id_field)f);

		for (u64 value = 0; d->reg <= ID_REG_SMFR0 && value < BIT(MIN(d->width, 6));
		     value++) {
			struct cpu_id_regs id = { 0 }, host;

			set_field(&id, (enum id_field)f, value);
			host = id;
			host_features_limit(&host);
			if (is_fixed((enum id_field)f))
				assert_int_equal(cpu_id_field(&host, (enum id_field)f), 1);
			else if (cpu_id_field(&host, (enum id_field)f) >
				 MAX(cpu_id_field(&id, (enum id_field)f), 0))
				fail_msg("%s.%s = %#llx reads as %#llx", id_reg_name(d->reg),
					 d->name, (unsigned long long)value,
					 (unsigned long long)host.reg[d->reg]);
		}
	}
}

/* On a CPU whose fields all have their largest value. */
static void fields_of_features_that_are_left_out_read_as_absent(void **state)
{
	static const u16 absent[] = {
		ID_PFR0_EL2,	   ID_PFR0_SEL2,       ID_PFR0_RME,	    ID_PFR1_RAS_frac,
		ID_PFR1_RNDR_trap, ID_PFR2_MTEPERM,    ID_PFR2_UINJ,	    ID_DFR0_PMSS,
		ID_DFR0_SEBEP,	   ID_DFR0_ExtTrcBuff, ID_DFR1_SYSPMUID,    ID_DFR1_BRPs,
		ID_DFR1_SPMU,	   ID_DFR1_PMICNTR,    ID_DFR1_ABLE,	    ID_DFR1_ITE,
		ID_DFR1_EBEP,	   ID_ISAR0_TME,       ID_ISAR2_SYSREG_128, ID_ISAR2_SYSINSTR_128,
		ID_ISAR3_TLBIW,	   ID_MMFR0_FGT,       ID_MMFR1_VMIDBits,   ID_MMFR1_VH,
		ID_MMFR1_XNX,	   ID_MMFR1_TWED,      ID_MMFR1_HCX,	    ID_MMFR2_NV,
		ID_MMFR2_FWB,	   ID_MMFR2_EVT,       ID_MMFR3_S2PIE,	    ID_MMFR3_S2POE,
		ID_MMFR3_MEC,	   ID_MMFR3_D128,      ID_MMFR3_D128_2,	    ID_MMFR4_HACDBS,
		ID_MMFR4_FGWTE3,   ID_MMFR4_NV_frac,
	};
	static const struct {
		u16 field;
		u8 most;
	} cut[] = {
		{ ID_PFR0_RAS, 1 },  { ID_PFR1_SME, 2 },      { ID_DFR0_PMSVer, 3 },
		{ ID_PFR0_SVE, 1 },  { ID_MMFR0_ECV, 1 },     { ID_MMFR1_HAFDBS, 3 },
		{ ID_PFR0_CSV2, 3 }, { ID_MMFR0_PARange, 6 }, { ID_ISAR1_LS64, 3 },
	};
	struct cpu_id_regs host;

	memset(&host, 0xff, sizeof(host));
	host_features_limit(&host);
	for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
		if (cpu_id_field(&host, (enum id_field)absent[i]))
			fail_msg("%s is there", id_field_desc((enum id_field)absent[i])->name);
	for (size_t i = 0; i < ARRAY_SIZE(cut); i++)
		assert_int_equal(cpu_id_field(&host, (enum id_field)cut[i].field), cut[i].most);
}

/* Bits that are of no field. */
static void bits_of_no_known_field_read_as_zero(void **state)
{
	struct cpu_id_regs host;
	u64 known[ID_REG_COUNT] = { 0 };

	for (unsigned int f = 0; f < ID_FIELD_COUNT; f++) {
		const struct id_field_desc *d = id_field_desc((enum id_field)f);

		known[d->reg] |= GENMASK(d->width - 1, 0) << d->shift;
	}
	memset(&host, 0xff, sizeof(host));
	host_features_limit(&host);
	for (unsigned int r = 0; r <= ID_REG_SMFR0; r++)
		assert_int_equal(host.reg[r] & ~known[r], 0);
	/* those that the host reads for itself */
	assert_int_equal(host.reg[ID_REG_CTR], ~0ULL);
	assert_int_equal(host.reg[ID_REG_MIDR], ~0ULL);
}

static void make(const struct cpu_id_regs *id)
{
	fake_sysreg_reset();
	for (unsigned int r = 0; r < ID_REG_COUNT; r++)
		fake_sysreg_set(names[r], id->reg[r]);
	fake_sysreg_set("s3_0_c0_c4_7", ~0ULL);
}

static void set_aarch32(u64 value)
{
	char name[32];

	for (unsigned int crm = 1; crm <= 3; crm++)
		for (unsigned int op2 = 0; op2 < 8; op2++) {
			snprintf(name, sizeof(name), "s3_0_c0_c%u_%u", crm, op2);
			fake_sysreg_set(name, value);
		}
}

static void each_register_is_read_at_its_encoding(void **state)
{
	struct cpu_id_regs id, host;
	bool found[8][8] = { 0 };

	for (unsigned int r = 0; r < ID_REG_COUNT; r++)
		id.reg[r] = 0x1111111111111111ULL;
	host = id;
	make(&id);
	host_features_limit(&host);
	for (unsigned int r = 0; r <= ID_REG_SMFR0; r++) {
		assert_int_equal(host_features_read(places[r][0], places[r][1]), host.reg[r]);
		found[places[r][0]][places[r][1]] = true;
	}
	/* ID_AA64FPFR0_EL1 comes with FPMR */
	assert_int_equal(host_features_read(4, 7), 0xfc000003);
	id.reg[ID_REG_PFR2] = 0;
	make(&id);
	found[4][7] = true;
	assert_int_equal(host_features_read(4, 7), 0);
	for (unsigned int crm = 4; crm < 8; crm++)
		for (unsigned int op2 = 0; op2 < 8; op2++)
			if (!found[crm][op2])
				assert_int_equal(host_features_read(crm, op2), 0);
}

/* AArch32's are the CPU's, except RASv1p1 and fields that the architecture does not define. */
static void registers_of_aarch32_are_the_cpus(void **state)
{
	const struct cpu_id_regs id = { 0 };

	make(&id);
	set_aarch32(0x22222222);
	assert_int_equal(host_features_read(1, 0), 0x12222222);
	assert_int_equal(host_features_read(3, 4), 0x22222022);
	assert_int_equal(host_features_read(1, 3), 0); /* ID_AFR0_EL1 */
	assert_int_equal(host_features_read(3, 3), 0);
	assert_int_equal(host_features_read(3, 7), 0);
	assert_int_equal(host_features_read(2, 7), 0x22222222);
	set_aarch32(0);
	assert_int_equal(host_features_read(1, 0), 0);
}

/* No control bit is set for a feature that the host does not see. */
static void a_cpu_without_features_has_no_control_set(void **state)
{
	const struct cpu_id_regs id = { 0 };
	struct cpu_id_regs host = id;

	host_features_limit(&host);
	for (unsigned int c = 0; c < HOST_CONTROL_COUNT; c++)
		assert_int_equal(host_features_control(&host, (enum host_control)c), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_field_says_more_than_the_cpu),
		cmocka_unit_test(fields_of_features_that_are_left_out_read_as_absent),
		cmocka_unit_test(bits_of_no_known_field_read_as_zero),
		cmocka_unit_test(each_register_is_read_at_its_encoding),
		cmocka_unit_test(registers_of_aarch32_are_the_cpus),
		cmocka_unit_test(a_cpu_without_features_has_no_control_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
