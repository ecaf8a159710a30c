// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/trap/trap.c hyp/trap/abort.c hyp/trap/mmio.c hyp/trap/sysreg.c hyp/trap/id_regs.c hyp/trap/guest_psci.c hyp/trap/guest_smccc.c hyp/cpu/features.c hyp/lib/printf.c tests/unit/arch/fake_sysreg.c */
/* The system-register table, ID registers of a VM, and traps of system registers. */
#include <trap_world.h>

#define PC 0x40080000ULL

static u64 iss_of(u32 enc, unsigned int rt, bool read)
{
	return FIELD_PREP(ESR_SYS64_OP0, enc >> 14) | FIELD_PREP(ESR_SYS64_OP1, enc >> 11 & 7) |
	       FIELD_PREP(ESR_SYS64_CRN, enc >> 7 & 15) | FIELD_PREP(ESR_SYS64_CRM, enc >> 3 & 15) |
	       FIELD_PREP(ESR_SYS64_OP2, enc & 7) | FIELD_PREP(ESR_SYS64_RT, rt) | read;
}

static int mrs(u32 enc, unsigned int rt)
{
	return take(V, ESR_EC_SYS64, iss_of(enc, rt, true));
}

static int msr(u32 enc, unsigned int rt)
{
	return take(V, ESR_EC_SYS64, iss_of(enc, rt, false));
}

static u64 read_reg(u32 enc)
{
	unsigned int undefs = w.undefs;

	V->regs.x[1] = ~0ULL;
	assert_int_equal(mrs(enc, 1), VCPU_RESUME);
	if (w.undefs != undefs)
		fail_msg("reading %#x is undefined", enc);
	return V->regs.x[1];
}

static void assert_undefined(u32 enc)
{
	u64 pc = V->regs.pc;

	w.undefs = 0;
	V->regs.x[1] = 0x5a5a;
	assert_int_equal(mrs(enc, 1), VCPU_RESUME);
	assert_int_equal(msr(enc, 1), VCPU_RESUME);
	if (w.undefs != 2)
		fail_msg("%#x is there", enc);
	assert_int_equal(V->regs.x[1], 0x5a5a);
	assert_int_equal(V->regs.pc, pc);
}

static u64 id(enum id_field field)
{
	const struct id_field_desc *desc = id_field_desc(field);

	return id_reg_value(V, desc->reg) >> desc->shift & GENMASK(desc->width - 1, 0);
}

/* A machine that has everything. */
static void have_all(void)
{
	unsigned int f;

	for (f = 0; f < ID_FIELD_COUNT; f++)
		if (!id_field_desc(f)->is_signed)
			set_field(f, GENMASK(id_field_desc(f)->width - 1, 0));
		else
			set_field(f, GENMASK(id_field_desc(f)->width - 2, 0));
}

static void test_table_is_sorted(void **state)
{
	size_t i;

	for (i = 0; i < sysreg_count(); i++) {
		const struct sysreg_row *row = sysreg_row(i);

		if (row->first > row->last || (i && row->first <= sysreg_row(i - 1)->last))
			fail_msg("row %s is out of order", row->name);
		assert_ptr_equal(sysreg_find(row->first), row);
		assert_ptr_equal(sysreg_find(row->last), row);
	}
}

static void test_table_is_consistent(void **state)
{
	static bool used[VCPU_SYSREG_COUNT];
	size_t i;

	for (i = 0; i < sysreg_count(); i++) {
		const struct sysreg_row *row = sysreg_row(i);
		bool stored = row->storage != SYSREG_NO_STORAGE;

		if (stored != (row->user == USER_STORED))
			fail_msg("%s: storage and userspace do not agree", row->name);
		if (row->user == USER_EQUAL && !row->read)
			fail_msg("%s: userspace cannot read it", row->name);
		if (row->first != row->last && (row->user || row->read || row->write))
			fail_msg("%s: a group that is there", row->name);
		if (stored && (row->storage >= VCPU_SYSREG_COUNT || used[row->storage]))
			fail_msg("%s: no place of its own", row->name);
		if (stored)
			used[row->storage] = true;
	}
}

static void test_find_nothing_between(void **state)
{
	u32 enc;

	for (enc = 0; enc < 0x10000; enc++) {
		const struct sysreg_row *row = sysreg_find(enc);
		size_t i, hits = 0;

		for (i = 0; i < sysreg_count(); i++)
			hits += sysreg_row(i)->first <= enc && enc <= sysreg_row(i)->last;
		assert_int_equal(hits, row ? 1 : 0);
	}
}

static void test_unknown_is_undefined_and_logged_once(void **state)
{
	assert_undefined(SYSREG_ENC(3, 1, 15, 2, 3));
	assert_int_equal(w.logs, 1);
	assert_undefined(SYSREG_ENC(3, 1, 15, 2, 3));
	assert_int_equal(w.logs, 1);
	assert_undefined(SYSREG_ENC(3, 1, 15, 2, 4));
	assert_int_equal(w.logs, 2);
}

static void test_absent_is_undefined_and_not_logged(void **state)
{
	static const u16 encs[] = {
		SYSREG_ENC(3, 3, 9, 12, 0),  /* PMCR_EL0 */
		SYSREG_ENC(3, 3, 9, 13, 0),  /* PMCCNTR_EL0 */
		SYSREG_ENC(3, 0, 9, 14, 1),  /* PMINTENSET_EL1 */
		SYSREG_ENC(3, 3, 14, 15, 7), /* PMCCFILTR_EL0 */
		SYSREG_ENC(3, 0, 9, 9, 0),   /* PMSCR_EL1 */
		SYSREG_ENC(3, 0, 9, 10, 7),  /* PMBIDR_EL1 */
		SYSREG_ENC(3, 0, 9, 11, 0),  /* TRBLIMITR_EL1 */
		SYSREG_ENC(3, 0, 1, 2, 1),   /* TRFCR_EL1 */
		SYSREG_ENC(2, 1, 7, 8, 6),   /* TRCCLAIMSET */
		SYSREG_ENC(3, 0, 13, 0, 7),  /* SCXTNUM_EL1 */
		SYSREG_ENC(3, 0, 2, 1, 0),   /* APIAKeyLo_EL1 */
		SYSREG_ENC(3, 0, 1, 2, 0),   /* ZCR_EL1 */
		SYSREG_ENC(2, 0, 0, 2, 4),   /* DBGBVR2_EL1 */
		SYSREG_ENC(3, 0, 2, 0, 3),   /* TCR2_EL1 */
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(encs); i++)
		assert_undefined(encs[i]);
	assert_int_equal(w.logs, 0);
}

static void test_id_space_reads_as_zero(void **state)
{
	unsigned int crm, op2;

	/* An empty machine: what is not fixed is zero, in the whole of the space. */
	for (crm = 1; crm < 8; crm++)
		for (op2 = 0; op2 < 8; op2++) {
			u64 value = read_reg(SYSREG_ENC(3, 0, 0, crm, op2));
			u64 expect = 0;

			if (crm == 5 && op2 == 0)
				expect = 0x101006;
			if (crm == 7 && op2 == 0)
				expect = 0x11100000000;
			if (value != expect)
				fail_msg("S3_0_C0_C%u_%u is %#lx", crm, op2, value);
		}
}

static void test_id_registers_of_a_machine_with_everything(void **state)
{
	static const struct {
		u16 field;
		u8 value;
	} rows[] = {
		{ ID_PFR0_EL0, 1 },	    { ID_PFR0_EL1, 1 },	       { ID_PFR0_EL2, 0 },
		{ ID_PFR0_EL3, 0 },	    { ID_PFR0_GIC, 1 },	       { ID_PFR0_RAS, 0 },
		{ ID_PFR0_SVE, 0 },	    { ID_PFR0_AMU, 0 },	       { ID_PFR0_MPAM, 0 },
		{ ID_PFR0_CSV2, 1 },	    { ID_PFR1_MTE, 0 },	       { ID_PFR1_SME, 0 },
		{ ID_PFR1_GCS, 0 },	    { ID_PFR1_THE, 0 },	       { ID_PFR1_NMI, 0 },
		{ ID_PFR2_FPMR, 0 },	    { ID_DFR0_DebugVer, 6 },   { ID_DFR0_PMUVer, 0 },
		{ ID_DFR0_BRPs, 1 },	    { ID_DFR0_WRPs, 1 },       { ID_DFR0_CTX_CMPs, 0 },
		{ ID_DFR0_PMSVer, 0 },	    { ID_DFR0_TraceVer, 0 },   { ID_DFR0_TraceFilt, 0 },
		{ ID_DFR0_TraceBuffer, 0 }, { ID_DFR0_BRBE, 0 },       { ID_ISAR0_TME, 0 },
		{ ID_ISAR0_RNDR, 1 },	    { ID_ISAR1_APA, 0 },       { ID_ISAR1_API, 0 },
		{ ID_ISAR1_GPA, 0 },	    { ID_ISAR1_LS64, 0 },      { ID_ISAR2_APA3, 0 },
		{ ID_ISAR2_MOPS, 0 },	    { ID_MMFR0_FGT, 0 },       { ID_MMFR0_ECV, 0 },
		{ ID_MMFR0_TGran4_2, 1 },   { ID_MMFR0_TGran16_2, 1 }, { ID_MMFR0_TGran64_2, 1 },
		{ ID_MMFR0_PARange, 2 },    { ID_MMFR1_VH, 0 },	       { ID_MMFR1_HAFDBS, 2 },
		{ ID_MMFR1_HCX, 0 },	    { ID_MMFR2_NV, 0 },	       { ID_MMFR2_FWB, 0 },
		{ ID_MMFR2_EVT, 0 },	    { ID_MMFR3_TCRX, 0 },      { ID_MMFR3_S1PIE, 0 },
		{ ID_ZFR0_SVEver, 0 },	    { ID_SMFR0_SMEver, 0 },    { ID_MMFR1_PAN, 3 },
	};
	size_t i;

	have_all();
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (id(rows[i].field) != rows[i].value)
			fail_msg("%s is %lu, expected %u", id_field_desc(rows[i].field)->name,
				 id(rows[i].field), rows[i].value);
}

static void test_id_registers_follow_the_vm(void **state)
{
	have_all();
	set_field(ID_ISAR1_API, 5);
	w.vm.vgic = NULL;
	assert_int_equal(id(ID_PFR0_GIC), 0);
	V->features |= BIT(VCPU_SVE);
	assert_int_equal(id(ID_PFR0_SVE), 1);
	assert_true(id(ID_ZFR0_SVEver) > 0);
	V->features |= BIT(VCPU_PTRAUTH_ADDRESS);
	assert_int_equal(id(ID_ISAR1_API), 0);
	V->features |= BIT(VCPU_PTRAUTH_GENERIC);
	assert_int_equal(id(ID_ISAR1_API), 5);
}

static void test_id_registers_never_exceed_the_machine(void **state)
{
	set_field(ID_PFR0_FP, 0xf); /* none */
	set_field(ID_PFR0_AdvSIMD, 0);
	set_field(ID_MMFR1_PAN, 2);
	assert_int_equal(id(ID_PFR0_FP), 0xf);
	assert_int_equal(id(ID_PFR0_AdvSIMD), 0);
	assert_int_equal(id(ID_MMFR1_PAN), 2);
	assert_int_equal(id(ID_PFR0_GIC), 0);
	assert_int_equal(id(ID_PFR0_CSV2), 0);
}

static void test_pa_range(void **state)
{
	static const struct {
		u8 bits, machine, expect;
	} rows[] = { { 32, 6, 0 }, { 33, 6, 0 }, { 36, 6, 1 }, { 39, 6, 1 },
		     { 40, 6, 2 }, { 43, 6, 3 }, { 47, 6, 4 }, { 48, 6, 5 },
		     { 52, 6, 6 }, { 51, 6, 5 }, { 48, 2, 2 }, { 52, 15, 6 } };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		w.vm.s2.geometry.ia_bits = rows[i].bits;
		set_field(ID_MMFR0_PARange, rows[i].machine);
		if (id(ID_MMFR0_PARange) != rows[i].expect)
			fail_msg("%u bits: PARange %lu", rows[i].bits, id(ID_MMFR0_PARange));
	}
}

static void test_debug(void **state)
{
	const u32 mdscr = SYSREG_ENC(2, 0, 0, 2, 2), oslar = SYSREG_ENC(2, 0, 1, 0, 4);
	const u32 oslsr = SYSREG_ENC(2, 0, 1, 1, 4), bcr0 = SYSREG_ENC(2, 0, 0, 0, 5);

	w.hooks->reset(V);
	V->regs.x[2] = ~0ULL;
	msr(mdscr, 2);
	assert_int_equal(V->sysreg[MDSCR_EL1], 0x3001); /* no MDE: the host's breakpoints */
	assert_int_equal(read_reg(mdscr), 0x3001);
	assert_int_equal(read_reg(oslsr), 8);
	msr(oslar, 2);
	assert_int_equal(read_reg(oslsr), 0xa);
	msr(oslar, 31);
	assert_int_equal(read_reg(oslsr), 8);
	msr(bcr0, 2);
	assert_int_equal(read_reg(bcr0), 0);
	assert_int_equal(w.undefs, 0);
	msr(oslsr, 2); /* read-only */
	mrs(oslar, 2); /* write-only */
	assert_int_equal(w.undefs, 2);
}

static void test_set_way_and_actlr(void **state)
{
	assert_int_equal(msr(SYSREG_ENC(1, 0, 7, 14, 2), 0), VCPU_RESUME);
	assert_int_equal(V->regs.pc, PC + 4);
	V->regs.x[2] = 3;
	msr(SYSREG_ENC(3, 0, 1, 0, 1), 2);
	assert_int_equal(read_reg(SYSREG_ENC(3, 0, 1, 0, 1)), 0);
	assert_int_equal(w.undefs, 0);
}

static void test_timer_and_gic(void **state)
{
	assert_int_equal(read_reg(SYSREG_CNTP_CTL_EL0), 0x7157);
	assert_int_equal(w.timer_encoding, SYSREG_CNTP_CTL_EL0);
	V->regs.x[5] = 99;
	msr(SYSREG_CNTP_CVAL_EL0, 5);
	assert_int_equal(w.timer_encoding, SYSREG_CNTP_CVAL_EL0);
	assert_int_equal(w.timer_written, 99);

	w.sgi_exit = KEEL_EXIT_IRQ;
	V->regs.pc = PC;
	assert_int_equal(msr(SYSREG_ENC(3, 0, 12, 11, 5), 5), KEEL_EXIT_IRQ);
	assert_int_equal(w.sgi, 99);
	assert_int_equal(V->regs.pc, PC + 4); /* done before the host hears of it */
	assert_int_equal(read_reg(SYSREG_ENC(3, 0, 12, 12, 5)), 7);
	msr(SYSREG_ENC(3, 0, 12, 11, 6), 5);
	msr(SYSREG_ENC(3, 0, 12, 11, 7), 5);
	assert_int_equal(w.sgis, 1);
	assert_int_equal(w.sgis0, 2);
	msr(SYSREG_ENC(3, 0, 12, 11, 1), 5);
	assert_int_equal(w.dir, 99);
	assert_int_equal(w.undefs, 0);
	w.vm.vgic = NULL;
	assert_undefined(SYSREG_ENC(3, 0, 12, 11, 5));
	assert_undefined(SYSREG_ENC(3, 0, 12, 12, 5));
	assert_int_equal(w.sgis, 1);
}

static void test_zero_register(void **state)
{
	mrs(SYSREG_ENC(3, 0, 0, 5, 0), 31);
	assert_int_equal(V->regs.x[30], 0);
	assert_int_equal(V->regs.pc, PC + 4);
}

static void test_reset(void **state)
{
	V->sysreg[TTBR0_EL1] = V->sysreg[SCTLR_EL1] = V->sysreg[OSLSR_EL1] = ~0ULL;
	w.hooks->reset(V);
	assert_int_equal(V->sysreg[TTBR0_EL1], 0);
	assert_int_equal(V->sysreg[SCTLR_EL1], SCTLR_EL1_RESET);
	assert_int_equal(V->sysreg[OSLSR_EL1], 8);
}

/* Every class: an answer of this layer, or none. */
static void test_every_class(void **state)
{
	u64 ec, iss;

	fake_sysreg_set("hpfar_el2", 0);
	fake_sysreg_set("far_el2", 0);
	for (ec = 0; ec < ESR_EC_COUNT; ec++)
		for (iss = 0; iss < BIT(25); iss += 0x1357) {
			int ret;

			V->regs.x[0] = iss;
			ret = take(V, ec, iss);
			assert_in_range(ret + 2, 0, KEEL_EXIT_FAIL + 2);
		}
}

static void test_wfi_and_wfe(void **state)
{
	w.deadline = 5000;
	assert_int_equal(take(V, ESR_EC_WFX, ESR_WFX_TI_WFI), KEEL_EXIT_WFI);
	assert_int_equal(w.run[0].wfi.deadline, 5000);
	assert_int_equal(V->regs.pc, PC + 4);
	assert_int_equal(take(V, ESR_EC_WFX, ESR_WFX_TI_WFE), VCPU_RESUME);
	w.pending = true;
	assert_int_equal(take(V, ESR_EC_WFX, ESR_WFX_TI_WFI), VCPU_RESUME);
	w.pending = false;
	w.vm.cntvoff = 1000;
	V->regs.x[9] = 2000;
	assert_int_equal(
		take(V, ESR_EC_WFX, ESR_WFX_TI_WFIT | ESR_WFX_RV | FIELD_PREP(ESR_WFX_RN, 9)),
		KEEL_EXIT_WFI);
	assert_int_equal(w.run[0].wfi.deadline, 3000);
}

static void test_step_over(void **state)
{
	V->regs.pstate = PSR_MODE_EL1h | PSR_BTYPE | PSR_SS;
	trap_step_over(V, 0);
	assert_int_equal(V->regs.pc, PC + 4);
	assert_int_equal(V->regs.pstate, PSR_MODE_EL1h);
	/* Thumb, the second of ITTE's: IT = 1010 0110 becomes 1010 1100; three, two, one, none */
	V->regs.pstate = PSR_MODE32 | BIT(5) | 2ULL << 25 | 0x29ULL << 10;
	trap_step_over(V, 0);
	assert_int_equal(V->regs.pc, PC + 6);
	assert_int_equal(V->regs.pstate, PSR_MODE32 | BIT(5) | 0ULL << 25 | 0x2bULL << 10);
	trap_step_over(V, ESR_IL);
	assert_int_equal(V->regs.pc, PC + 10);
	assert_int_equal(V->regs.pstate, PSR_MODE32 | BIT(5) | 0x2eULL << 10);
	trap_step_over(V, 0);
	assert_int_equal(V->regs.pstate, PSR_MODE32 | BIT(5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_table_is_sorted, world_setup),
		cmocka_unit_test_setup(test_table_is_consistent, world_setup),
		cmocka_unit_test_setup(test_find_nothing_between, world_setup),
		cmocka_unit_test_setup(test_unknown_is_undefined_and_logged_once, world_setup),
		cmocka_unit_test_setup(test_absent_is_undefined_and_not_logged, world_setup),
		cmocka_unit_test_setup(test_id_space_reads_as_zero, world_setup),
		cmocka_unit_test_setup(test_id_registers_of_a_machine_with_everything, world_setup),
		cmocka_unit_test_setup(test_id_registers_follow_the_vm, world_setup),
		cmocka_unit_test_setup(test_id_registers_never_exceed_the_machine, world_setup),
		cmocka_unit_test_setup(test_pa_range, world_setup),
		cmocka_unit_test_setup(test_debug, world_setup),
		cmocka_unit_test_setup(test_set_way_and_actlr, world_setup),
		cmocka_unit_test_setup(test_timer_and_gic, world_setup),
		cmocka_unit_test_setup(test_zero_register, world_setup),
		cmocka_unit_test_setup(test_reset, world_setup),
		cmocka_unit_test_setup(test_every_class, world_setup),
		cmocka_unit_test_setup(test_wfi_and_wfe, world_setup),
		cmocka_unit_test_setup(test_step_over, world_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
