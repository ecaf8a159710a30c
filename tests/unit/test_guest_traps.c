// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/vm/guest_traps.c hyp/cpu/features.c hyp/lib/printf.c hyp/cpu/errata.c */
/*
 * EL2's controls for guests: what of a CPU that a guest is not given traps, for each feature and
 * both values of HCR_EL2.E2H, and no bit of a feature that the CPU lacks is set.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <vm/guest_traps.h>

static void set_field(struct cpu_id_regs *id, enum id_field field, u64 value)
{
	const struct id_field_desc *d = id_field_desc(field);
	u64 mask = GENMASK(d->width - 1, 0) << d->shift;

	id->reg[d->reg] = (id->reg[d->reg] & ~mask) | (value << d->shift & mask);
}

static struct cpu_id_regs bare(void)
{
	struct cpu_id_regs id = { 0 };

	set_field(&id, ID_DFR0_MTPMU, 0xf); /* signed: none */
	return id;
}

static struct guest_traps of(const struct cpu_id_regs *id, u64 mpamidr, bool e2h)
{
	struct guest_traps traps;

	memset(&traps, 0x5a, sizeof(traps));
	guest_traps_compute(id, mpamidr, e2h, &traps);
	return traps;
}

/* Armv8.0, without anything optional: written out from the manual. */
static void a_cpu_without_features_traps_what_it_can(void **state)
{
	const struct cpu_id_regs id = bare();
	struct guest_traps t = of(&id, 0, false);

	/* VM SWIO FMO IMO AMO FB BSU TWI TID3 TSC TIDCP TACR TSW RW */
	assert_int_equal(t.hcr, 0x807c263b);
	assert_int_equal(t.cptr, 0x37ff); /* RES1, TZ, TFP, TSM */
	assert_int_equal(t.mdcr, 0xe00);  /* TDA, TDOSA, TDRA */
	assert_int_equal(t.mdcr_host | t.hcrx | t.hfgrtr | t.hfgwtr | t.hfgitr, 0);
	assert_int_equal(t.hdfgrtr | t.hdfgwtr | t.mpam2 | t.mpamhcr, 0);
	assert_false(t.e2h || t.has_hcx || t.has_fgt || t.has_fgt2);
	assert_false(t.has_mpam || t.has_mpamhcr || t.has_ras);
	assert_int_equal(of(&id, 0, true).cptr, 0);
}

/* One feature at a time adds exactly its bits. */
static void each_feature_adds_its_traps(void **state)
{
	static const struct {
		u16 field;
		u8 value;
		u64 hcr, nvhe, vhe, mdcr, host, hcrx, hdfgr, mpam2;
	} rows[] = {
		{ ID_MMFR1_LO, 1, .hcr = BIT(35) },
		{ ID_PFR0_RAS, 1, .hcr = BIT(36) | BIT(37) },
		{ ID_PFR0_RAS, 2, .hcr = BIT(36) | BIT(37) },
		{ ID_PFR1_MTE, 1, .hcr = 0 }, /* instructions alone */
		{ ID_PFR1_MTE, 2, .hcr = BIT(58) },
		{ ID_PFR1_SME, 1, .hcr = BIT(16) },
		{ ID_DFR0_TraceVer, 1, .nvhe = BIT(20), .vhe = BIT(28) },
		{ ID_PFR0_AMU, 1, .nvhe = BIT(30), .vhe = BIT(30) },
		{ ID_DFR0_PMUVer, 1, .mdcr = 0x60, .host = 0x9f },
		{ ID_DFR0_PMUVer, 4, .mdcr = 0x60, .host = 0x2009f },
		{ ID_DFR0_PMUVer, 6, .mdcr = 0x60, .host = 0x482009f },
		{ ID_DFR0_PMUVer, 7, .mdcr = 0x60, .host = 0x2482009f },
		{ ID_DFR0_PMUVer, 0xf, .hcr = 0 },
		{ ID_DFR0_MTPMU, 1, .host = BIT(28) },
		{ ID_DFR0_PMSVer, 1, .mdcr = BIT(14) | BIT(13), .hdfgr = BIT(63) },
		{ ID_DFR0_TraceFilt, 1, .mdcr = BIT(19) },
		{ ID_DFR0_TraceBuffer, 1, .mdcr = BIT(25), .hdfgr = BIT(51) },
		{ ID_MMFR0_FGT, 1, .mdcr = BIT(27) },
		{ ID_PFR1_NMI, 1, .hcrx = BIT(6) },
		{ ID_PFR0_MPAM, 1, .mpam2 = 3ULL << 48 },
		{ ID_PFR1_MPAM_frac, 1, .mpam2 = 3ULL << 48 },
		/* open while zero, or by enables that stay zero */
		{ ID_PFR0_SVE, 1, .hcr = 0 },
		{ ID_PFR1_GCS, 1, .hcr = 0 },
		{ ID_MMFR3_S1POE, 1, .hcr = 0 },
		{ ID_MMFR3_TCRX, 1, .hcr = 0 },
		{ ID_DFR0_BRBE, 1, .hcr = 0 },
		{ ID_ISAR1_LS64, 3, .hcr = 0 },
	};
	const struct cpu_id_regs none = bare();
	const struct guest_traps base = of(&none, 0, false);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cpu_id_regs id = bare();
		struct guest_traps t, v;

		set_field(&id, rows[i].field, rows[i].value);
		t = of(&id, 0, false);
		v = of(&id, 0, true);
		if (t.hcr != (base.hcr | rows[i].hcr) || t.cptr != (base.cptr | rows[i].nvhe) ||
		    v.cptr != rows[i].vhe || t.mdcr != (base.mdcr | rows[i].mdcr) ||
		    t.mdcr_host != rows[i].host || t.hcrx != rows[i].hcrx ||
		    t.hdfgrtr != rows[i].hdfgr || t.mpam2 != rows[i].mpam2)
			fail_msg("%s.%s = %u: hcr %#llx cptr %#llx %#llx mdcr %#llx %#llx",
				 id_reg_name(id_field_desc(rows[i].field)->reg),
				 id_field_desc(rows[i].field)->name, rows[i].value,
				 (unsigned long long)t.hcr, (unsigned long long)t.cptr,
				 (unsigned long long)v.cptr, (unsigned long long)t.mdcr,
				 (unsigned long long)t.mdcr_host);
		assert_int_equal(v.hcr, t.hcr);
		assert_int_equal(v.mdcr, t.mdcr);
		assert_int_equal(t.hfgrtr | t.hfgwtr | t.hfgitr | t.hdfgwtr, 0);
	}
}

static u64 control_of(const struct guest_traps *t, enum trap_control control)
{
	switch (control) {
	case CONTROL_HCR:
		return t->hcr;
	case CONTROL_CPTR:
		return t->cptr;
	case CONTROL_MDCR:
		return t->mdcr;
	case CONTROL_HCRX:
		return t->hcrx;
	case CONTROL_HFGRTR:
		return t->hfgrtr | t->hfgwtr;
	case CONTROL_HFGITR:
		return t->hfgitr;
	case CONTROL_HDFGRTR:
		return t->hdfgrtr;
	case CONTROL_MPAM2:
		return t->mpam2;
	default:
		fail_msg("control %d is nobody's", (int)control);
		return 0;
	}
}

static void assert_trapped(const struct guest_trap_desc *d, const struct cpu_id_regs *id, bool e2h)
{
	struct guest_traps t = of(id, 0, e2h);
	u64 value = control_of(&t, (enum trap_control)d->control);
	bool cpacr = e2h && d->control == CONTROL_CPTR;
	u64 set = cpacr ? d->e2h_set : d->set, clear = cpacr ? d->e2h_clear : d->clear;

	assert_true(set | clear);
	assert_int_equal(value & set, set);
	assert_int_equal(value & clear, 0);
}

/* What the table of registers says of a register is so on the CPU that has it. */
static void each_trap_is_set_where_the_feature_is(void **state)
{
	unsigned int trap, e2h;

	for (trap = 0; trap < GUEST_TRAP_COUNT; trap++) {
		const struct guest_trap_desc *d = guest_trap_desc((enum guest_trap)trap);
		struct cpu_id_regs id = bare();

		if (d->control == CONTROL_NONE)
			continue;
		if (d->min)
			set_field(&id, (enum id_field)d->field, d->min);
		for (e2h = 0; e2h < 2; e2h++)
			assert_trapped(d, &id, e2h);
	}
}

/* A CPU with every feature: enables that trap at zero stay zero, whatever else is set. */
static void no_feature_opens_what_traps_at_zero(void **state)
{
	struct cpu_id_regs id = bare();
	unsigned int trap, e2h;

	for (trap = 0; trap < GUEST_TRAP_COUNT; trap++) {
		const struct guest_trap_desc *d = guest_trap_desc((enum guest_trap)trap);

		if (d->min)
			set_field(&id, (enum id_field)d->field, d->min);
	}
	for (trap = 0; trap < GUEST_TRAP_COUNT; trap++)
		for (e2h = 0; e2h < 2; e2h++)
			if (guest_trap_desc((enum guest_trap)trap)->control != CONTROL_NONE)
				assert_trapped(guest_trap_desc((enum guest_trap)trap), &id, e2h);
}

static void control_registers_are_known_by_their_features(void **state)
{
	struct cpu_id_regs id = bare();

	set_field(&id, ID_MMFR1_HCX, 1);
	set_field(&id, ID_MMFR0_FGT, 1);
	set_field(&id, ID_PFR0_RAS, 1);
	assert_true(of(&id, 0, false).has_hcx && of(&id, 0, false).has_fgt);
	assert_true(of(&id, 0, false).has_ras);
	assert_false(of(&id, 0, false).has_fgt2);
	set_field(&id, ID_MMFR0_FGT, 2);
	assert_true(of(&id, 0, false).has_fgt && of(&id, 0, false).has_fgt2);
	assert_false(guest_traps_mpam(&id));
}

/* MPAMIDR_EL1 traps by one of two bits, as it says itself; without MPAM its value is nobody's. */
static void mpam_traps_follow_its_id_register(void **state)
{
	struct cpu_id_regs id = bare();
	struct guest_traps t = of(&id, ~0ULL, false);

	assert_false(t.has_mpam || t.has_mpamhcr);
	assert_int_equal(t.mpam2 | t.mpamhcr, 0);
	set_field(&id, ID_PFR1_MPAM_frac, 1); /* v0.1 */
	assert_true(guest_traps_mpam(&id));
	t = of(&id, 0, false);
	assert_true(t.has_mpam && !t.has_mpamhcr);
	t = of(&id, BIT(17), false);
	assert_true(t.has_mpamhcr);
	assert_int_equal(t.mpamhcr, BIT(31));
	assert_int_equal(t.mpam2, 3ULL << 48);
	assert_int_equal(of(&id, BIT(58), false).mpam2, 3ULL << 48 | BIT(58));
}

/* What the switch asks of a CPU; FA64 counts with SME alone. */
static void vector_extensions_are_known_by_their_features(void **state)
{
	struct cpu_id_regs id = bare();
	struct guest_traps t = of(&id, 0, false);

	assert_false(t.has_sve || t.has_sme || t.has_fa64 || t.has_fpmr);
	set_field(&id, ID_SMFR0_FA64, 1);
	assert_false(of(&id, 0, false).has_fa64);
	set_field(&id, ID_PFR1_SME, 1);
	t = of(&id, 0, false);
	assert_true(t.has_sme && t.has_fa64 && !t.has_sve);
	set_field(&id, ID_PFR0_SVE, 1);
	set_field(&id, ID_PFR2_FPMR, 1);
	t = of(&id, 0, true);
	assert_true(t.has_sve && t.has_fpmr);
}

static void cptr_opens_fp_and_what_is_asked_for(void **state)
{
	struct cpu_id_regs id = bare();
	struct guest_traps t;

	set_field(&id, ID_PFR0_AMU, 1);
	set_field(&id, ID_PFR0_SVE, 1);
	t = of(&id, 0, false);
	assert_int_equal(guest_traps_cptr_open(&t, 0), 0x400033ff);
	assert_int_equal(guest_traps_cptr_open(&t, OPEN_SVE), 0x400032ff);
	assert_int_equal(guest_traps_cptr_open(&t, OPEN_SME), 0x400023ff);
	assert_int_equal(guest_traps_cptr_bits(&t, OPEN_SVE | OPEN_SME), 0x1500);
	t = of(&id, 0, true);
	assert_int_equal(guest_traps_cptr_open(&t, 0), 0x40300000);
	assert_int_equal(guest_traps_cptr_open(&t, OPEN_SVE), 0x40330000);
	assert_int_equal(guest_traps_cptr_open(&t, OPEN_SME), 0x43300000);
	assert_int_equal(guest_traps_cptr_bits(&t, OPEN_SVE | OPEN_SME), 0x3330000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cpu_without_features_traps_what_it_can),
		cmocka_unit_test(each_feature_adds_its_traps),
		cmocka_unit_test(mpam_traps_follow_its_id_register),
		cmocka_unit_test(each_trap_is_set_where_the_feature_is),
		cmocka_unit_test(no_feature_opens_what_traps_at_zero),
		cmocka_unit_test(control_registers_are_known_by_their_features),
		cmocka_unit_test(vector_extensions_are_known_by_their_features),
		cmocka_unit_test(cptr_opens_fp_and_what_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
