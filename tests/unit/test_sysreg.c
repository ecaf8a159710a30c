// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/trap/trap.c hyp/trap/abort.c tests/unit/fake_panic.c hyp/trap/error.c hyp/trap/sysreg.c hyp/trap/el2.c hyp/trap/set_way.c hyp/trap/debug.c hyp/trap/device.c hyp/spe/spe_vcpu.c hyp/spe/spe_emul_regs.c hyp/spe/spe_debug.c hyp/spe/spe_arm.c hyp/spe/spe_regs.c hyp/trap/id_regs.c hyp/trap/impl_regs.c hyp/trap/guest_psci.c hyp/trap/guest_smccc.c hyp/cpu/features.c hyp/lib/printf.c tests/unit/arch/fake_sysreg.c hyp/cpu/errata.c hyp/cpu/hw_errors.c hyp/vm/serror.c */
/* The system-register table, ID registers of a VM, and traps of system registers. */
#include <trap_world.h>

#include <trap/impl_regs.h>

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

/* On a CPU whose caches differ from the machine's these trap, and read as the machine's. */
static void on_a_cpu_with_other_caches_the_machines_are_read(void **state)
{
	fake_sysreg_set("clidr_el1", 3 | 4 << 3);
	impl_regs_init();
	fake_sysreg_set("clidr_el1", 0x777); /* another CPU's */
	fake_sysreg_set("ccsidr_el1", 0x12345678);
	w.features.reg[ID_REG_CTR] = 0x84448004;
	assert_int_equal(read_reg(SYSREG_ENC(3, 3, 0, 0, 1)), 0x84448004);
	assert_int_equal(read_reg(SYSREG_ENC(3, 1, 0, 0, 1)), 3 | 4 << 3);
	for (u64 csselr = 0; csselr < 32; csselr++) {
		bool there = csselr <= 2;

		V->regs.x[1] = csselr | 0xff00;
		assert_int_equal(msr(SYSREG_ENC(3, 2, 0, 0, 0), 1), VCPU_RESUME);
		assert_int_equal(read_reg(SYSREG_ENC(3, 2, 0, 0, 0)), csselr);
		assert_int_equal(read_reg(SYSREG_ENC(3, 1, 0, 0, 0)), there ? 0x700fe01a : 0);
	}
	assert_undefined(SYSREG_ENC(1, 3, 7, 4, 1)); /* DC ZVA, where it is prohibited */
}

static void the_table_is_sorted(void **state)
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

static void the_table_is_consistent(void **state)
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

/* Open to a vCPU that has the feature; for others its enable traps. */
static bool is_open_at_times(const struct sysreg_row *row)
{
	return row->trap == BY_HCR_APK_0 || row->trap == BY_CPTR_TZ || row->trap == BY_HCR_ATA_0;
}

static void what_is_emulated_or_absent_has_a_trap(void **state)
{
	size_t i;

	for (i = 0; i < sysreg_count(); i++) {
		const struct sysreg_row *row = sysreg_row(i);
		bool stored = row->storage != SYSREG_NO_STORAGE;

		if (row->trap >= GUEST_TRAP_COUNT)
			fail_msg("%s: no such trap", row->name);
		if (stored && !row->read && !row->write && row->trap && !is_open_at_times(row))
			fail_msg("%s: traps, and nobody answers", row->name);
		if (!row->trap && row->write)
			fail_msg("%s: a write that does not trap", row->name);
		if (!row->trap && row->read && row->user != USER_EQUAL)
			fail_msg("%s: a read that does not trap", row->name);
		if (!row->trap && !row->read && !row->write && !stored)
			fail_msg("%s: guests do not have it, and nothing traps", row->name);
	}
}

static void each_trap_is_of_some_register(void **state)
{
	bool seen[GUEST_TRAP_COUNT] = { false };
	size_t i;

	for (i = 0; i < sysreg_count(); i++)
		seen[sysreg_row(i)->trap] = true;
	for (i = 0; i < GUEST_TRAP_COUNT; i++)
		if (!seen[i])
			fail_msg("no register traps by number %zu", i);
}

static void no_encoding_is_in_two_rows(void **state)
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

static void an_unknown_register_is_undefined_and_logged_once(void **state)
{
	assert_undefined(SYSREG_ENC(3, 1, 15, 2, 3));
	assert_int_equal(w.logs, 1);
	assert_undefined(SYSREG_ENC(3, 1, 15, 2, 3));
	assert_int_equal(w.logs, 1);
	assert_undefined(SYSREG_ENC(3, 1, 15, 2, 4));
	assert_int_equal(w.logs, 2);
}

static void a_guest_cannot_fill_the_log(void **state)
{
	unsigned int enc, logs;

	for (enc = 0; enc < 0x10000; enc++)
		if (!sysreg_find(enc))
			assert_undefined((u16)enc);
	logs = w.logs;
	if (logs > 70)
		fail_msg("%u lines for one guest's sweep of all encodings", logs);
	assert_undefined(SYSREG_ENC(3, 7, 15, 15, 7));
	assert_int_equal(w.logs, logs);
}

static void an_absent_register_is_undefined_and_not_logged(void **state)
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
		SYSREG_ENC(3, 0, 2, 0, 3),   /* TCR2_EL1 */
		SYSREG_ENC(3, 0, 1, 0, 3),   /* SCTLR2_EL1 */
		SYSREG_ENC(3, 0, 10, 4, 0),  /* LORSA_EL1 */
		SYSREG_ENC(3, 0, 10, 4, 7),  /* LORID_EL1 */
		SYSREG_ENC(3, 0, 5, 3, 0),   /* ERRIDR_EL1 */
		SYSREG_ENC(3, 0, 5, 4, 1),   /* ERXCTLR_EL1 */
		SYSREG_ENC(3, 0, 5, 4, 6),   /* ERXPFGCDN_EL1 */
		SYSREG_ENC(3, 0, 5, 5, 3),   /* ERXMISC3_EL1 */
		SYSREG_ENC(3, 3, 13, 2, 0),  /* AMCR_EL0 */
		SYSREG_ENC(3, 3, 13, 4, 0),  /* AMEVCNTR00_EL0 */
		SYSREG_ENC(3, 3, 13, 15, 7), /* AMEVTYPER115_EL0 */
		SYSREG_ENC(3, 0, 10, 4, 4),  /* MPAMIDR_EL1 */
		SYSREG_ENC(3, 0, 10, 5, 0),  /* MPAM1_EL1 */
		SYSREG_ENC(3, 0, 10, 5, 1),  /* MPAM0_EL1 */
		SYSREG_ENC(3, 0, 9, 11, 7),  /* TRBIDR_EL1 */
		SYSREG_ENC(2, 1, 0, 0, 6),   /* TRCIDR8 and on */
		SYSREG_ENC(2, 1, 9, 0, 0),   /* BRBCR_EL1 */
		SYSREG_ENC(3, 0, 1, 0, 5),   /* RGSR_EL1 */
		SYSREG_ENC(3, 0, 1, 0, 6),   /* GCR_EL1 */
		SYSREG_ENC(3, 0, 5, 6, 0),   /* TFSR_EL1 */
		SYSREG_ENC(3, 0, 5, 6, 1),   /* TFSRE0_EL1 */
		SYSREG_ENC(3, 1, 0, 0, 4),   /* GMID_EL1 */
		SYSREG_ENC(3, 1, 0, 0, 6),   /* SMIDR_EL1 */
		SYSREG_ENC(3, 0, 1, 2, 6),   /* SMCR_EL1 */
		SYSREG_ENC(3, 0, 1, 2, 4),   /* SMPRI_EL1 */
		SYSREG_ENC(3, 3, 4, 2, 2),   /* SVCR */
		SYSREG_ENC(3, 3, 13, 0, 5),  /* TPIDR2_EL0 */
		SYSREG_ENC(3, 0, 13, 0, 5),  /* ACCDATA_EL1 */
		SYSREG_ENC(3, 0, 2, 5, 0),   /* GCSCR_EL1 */
		SYSREG_ENC(3, 3, 2, 5, 1),   /* GCSPR_EL0 */
		SYSREG_ENC(3, 0, 10, 2, 3),  /* PIR_EL1 */
		SYSREG_ENC(3, 3, 10, 2, 4),  /* POR_EL0 */
		SYSREG_ENC(3, 0, 13, 0, 6),  /* RCWMASK_EL1 */
		SYSREG_ENC(3, 3, 4, 4, 2),   /* FPMR */
		SYSREG_ENC(3, 3, 13, 0, 7),  /* SCXTNUM_EL0 */
		SYSREG_ENC(3, 0, 4, 3, 0),   /* ALLINT */
		SYSREG_ENC(3, 3, 9, 4, 0),   /* PMICNTR_EL0 */
		SYSREG_ENC(3, 0, 9, 14, 6),  /* PMMIR_EL1 */
		SYSREG_ENC(2, 0, 9, 13, 7),  /* SPMCFGR_EL1 */
		SYSREG_ENC(2, 3, 9, 12, 0),  /* SPMCR_EL0 */
		SYSREG_ENC(2, 0, 0, 4, 2),   /* MDSELR_EL1 */
		SYSREG_ENC(3, 0, 6, 0, 5),   /* PFAR_EL1 */
		SYSREG_ENC(1, 0, 7, 15, 1),  /* DC CIVAPS */
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(encs); i++)
		assert_undefined(encs[i]);
	assert_int_equal(w.logs, 0);
}

static void the_id_space_reads_as_zero(void **state)
{
	unsigned int crm, op2;

	/* An empty machine: what is not fixed is zero, in the whole of the space. */
	for (crm = 1; crm < 8; crm++)
		for (op2 = 0; op2 < 8; op2++) {
			u64 value = read_reg(SYSREG_ENC(3, 0, 0, crm, op2));
			u64 expect = 0;

			if (crm == 5 && op2 == 0)
				expect = 0x6;
			if (crm == 7 && op2 == 0)
				expect = 0x11100000000;
			if (value != expect)
				fail_msg("S3_0_C0_C%u_%u is %#lx", crm, op2, value);
		}
}

static void of_a_machine_with_everything_a_vm_sees_what_it_has(void **state)
{
	static const struct {
		u16 field;
		u8 value;
	} rows[] = {
		{ ID_PFR0_EL0, 1 },	   { ID_PFR0_EL1, 1 },	       { ID_PFR0_EL2, 0 },
		{ ID_PFR0_EL3, 0 },	   { ID_PFR0_GIC, 1 },	       { ID_PFR0_RAS, 0 },
		{ ID_PFR0_SVE, 0 },	   { ID_PFR0_AMU, 0 },	       { ID_PFR0_MPAM, 0 },
		{ ID_PFR0_CSV2, 1 },	   { ID_PFR1_MTE, 0 },	       { ID_PFR1_SME, 0 },
		{ ID_PFR1_GCS, 0 },	   { ID_PFR1_THE, 0 },	       { ID_PFR1_NMI, 0 },
		{ ID_PFR2_FPMR, 0 },	   { ID_DFR0_DebugVer, 6 },    { ID_DFR0_PMUVer, 0 },
		{ ID_DFR0_BRPs, 15 },	   { ID_DFR0_WRPs, 15 },       { ID_DFR0_CTX_CMPs, 15 },
		{ ID_DFR0_DoubleLock, 0 }, { ID_DFR0_PMSVer, 0 },      { ID_DFR0_TraceVer, 0 },
		{ ID_DFR0_TraceFilt, 0 },  { ID_DFR0_TraceBuffer, 0 }, { ID_DFR0_BRBE, 0 },
		{ ID_ISAR0_TME, 0 },	   { ID_ISAR0_RNDR, 1 },       { ID_ISAR1_APA, 0 },
		{ ID_ISAR1_API, 0 },	   { ID_ISAR1_GPA, 0 },	       { ID_ISAR1_LS64, 0 },
		{ ID_ISAR2_APA3, 0 },	   { ID_ISAR2_MOPS, 0 },       { ID_MMFR0_FGT, 0 },
		{ ID_MMFR0_ECV, 0 },	   { ID_MMFR0_TGran4_2, 1 },   { ID_MMFR0_TGran16_2, 1 },
		{ ID_MMFR0_TGran64_2, 1 }, { ID_MMFR0_PARange, 2 },    { ID_MMFR1_VH, 0 },
		{ ID_MMFR1_HAFDBS, 2 },	   { ID_MMFR1_HCX, 0 },	       { ID_MMFR2_NV, 0 },
		{ ID_MMFR2_FWB, 0 },	   { ID_MMFR2_EVT, 0 },	       { ID_MMFR3_TCRX, 0 },
		{ ID_MMFR3_S1PIE, 0 },	   { ID_ZFR0_SVEver, 0 },      { ID_SMFR0_SMEver, 0 },
		{ ID_MMFR1_PAN, 3 },
	};
	size_t i;

	have_all();
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (id(rows[i].field) != rows[i].value)
			fail_msg("%s is %lu, expected %u", id_field_desc(rows[i].field)->name,
				 id(rows[i].field), rows[i].value);
}

/* What hyp/nested/ has at stage 2 of a guest hypervisor is all that there is. */
static void with_an_el2_there_is_no_more_than_at_its_stage_2(void **state)
{
	static u64 nested;

	have_all();
	assert_int_equal(id(ID_MMFR2_BBM), 2);
	assert_int_equal(id(ID_ISAR1_SPECRES), 2);
	V->nested = (struct nested_vcpu *)(void *)&nested;
	assert_int_equal(id(ID_MMFR0_TGran4), 0); /* without 52-bit addresses */
	assert_int_equal(id(ID_MMFR0_TGran16), 1);
	assert_int_equal(id(ID_MMFR1_HAFDBS), 1);
	assert_int_equal(id(ID_MMFR2_BBM), 0);
	assert_int_equal(id(ID_ISAR1_SPECRES), 0);
	assert_int_equal(id(ID_PFR0_EL2), 1);
	V->nested = NULL;
}

static void id_registers_follow_the_vm(void **state)
{
	have_all();
	set_field(ID_ISAR1_API, 5);
	/* a vGIC may still come, but not once a vCPU has run */
	w.vm.vgic = NULL;
	assert_int_equal(id(ID_PFR0_GIC), 1);
	w.vm.has_run = true;
	assert_int_equal(id(ID_PFR0_GIC), 0);
	w.vm.has_run = false;
	V->features |= BIT(VCPU_SVE);
	assert_int_equal(id(ID_PFR0_SVE), 1);
	assert_true(id(ID_ZFR0_SVEver) > 0);
	V->features |= BIT(VCPU_PTRAUTH_ADDRESS);
	assert_int_equal(id(ID_ISAR1_API), 0);
	V->features |= BIT(VCPU_PTRAUTH_GENERIC);
	assert_int_equal(id(ID_ISAR1_API), 5);
}

static void id_registers_are_kept_once_they_are_final(void **state)
{
	u64 before;

	have_all();
	w.vm.vgic = NULL;
	before = id_reg_read(V, ID_REG_PFR0);
	assert_int_equal(V->id_known, 0);
	w.vm.has_run = true;
	assert_int_not_equal(id_reg_read(V, ID_REG_PFR0), before);
	assert_int_equal(V->id_known, BIT(ID_REG_PFR0));
	for (int i = ID_REG_PFR0; i <= ID_REG_SMFR0; i++)
		for (int round = 0; round < 2; round++)
			assert_int_equal(id_reg_read(V, (enum id_reg)i),
					 id_reg_value(V, (enum id_reg)i));
	V->id[ID_REG_PFR1] = 1; /* what is read is what is kept */
	assert_int_equal(id_reg_read(V, ID_REG_PFR1), 1);
}

static void id_registers_never_exceed_the_machine(void **state)
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

static void parange_covers_the_ipa_space(void **state)
{
	static const struct {
		u8 bits, machine, expect;
	} rows[] = { { 32, 6, 0 }, { 33, 6, 1 }, { 36, 6, 1 }, { 37, 6, 2 }, { 39, 6, 2 },
		     { 40, 6, 2 }, { 41, 6, 3 }, { 42, 6, 3 }, { 43, 6, 4 }, { 44, 6, 4 },
		     { 45, 6, 5 }, { 47, 6, 5 }, { 48, 6, 5 }, { 49, 6, 6 }, { 51, 6, 6 },
		     { 52, 6, 6 }, { 39, 2, 2 }, { 40, 2, 2 }, { 48, 5, 5 }, { 52, 15, 6 } };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		w.vm.s2.stage2.geometry.ia_bits = rows[i].bits;
		set_field(ID_MMFR0_PARange, rows[i].machine);
		if (id(ID_MMFR0_PARange) != rows[i].expect)
			fail_msg("%u bits: PARange %lu", rows[i].bits, id(ID_MMFR0_PARange));
	}
}

static const u32 mdscr = SYSREG_ENC(2, 0, 0, 2, 2), oslar = SYSREG_ENC(2, 0, 1, 0, 4);
static const u32 oslsr = SYSREG_ENC(2, 0, 1, 1, 4), osdlr = SYSREG_ENC(2, 0, 1, 3, 4);

static u32 dbg_enc(unsigned int n, unsigned int op2)
{
	return SYSREG_ENC(2, 0, 0, n, op2);
}

static void write_reg(u32 enc, u64 value)
{
	V->regs.x[2] = value;
	assert_int_equal(msr(enc, 2), VCPU_RESUME);
}

static const char *dbg_name(const char *kind, unsigned int n)
{
	static char name[32];

	snprintf(name, sizeof(name), "dbg%s%u_el1", kind, n);
	return name;
}

/*
 * A CPU with six breakpoints and four watchpoints, all of which the host uses, in a machine whose
 * other CPUs have two and one less.
 */
static void debug_world(void)
{
	unsigned int n;

	set_field(ID_DFR0_BRPs, 3);
	set_field(ID_DFR0_WRPs, 2);
	fake_sysreg_set("id_aa64dfr0_el1", 5 << 12 | 3 << 20);
	fake_sysreg_set("mdscr_el1", 0x9000);
	for (n = 0; n < 6; n++) {
		fake_sysreg_set(dbg_name("bvr", n), 0x100 + n);
		fake_sysreg_set(dbg_name("bcr", n), 0x200 + n);
	}
	for (n = 0; n < 4; n++) {
		fake_sysreg_set(dbg_name("wvr", n), 0x300 + n);
		fake_sysreg_set(dbg_name("wcr", n), 0x400 + n);
	}
	w.hooks->reset(V);
}

static void load(struct vcpu *vcpu)
{
	w.cpu.vcpu = vcpu;
	w.hooks->load(vcpu);
}

static void put(struct vcpu *vcpu)
{
	w.hooks->put(vcpu);
	w.cpu.vcpu = NULL;
}

static void assert_hosts_debug(void)
{
	unsigned int n;

	assert_int_equal(fake_sysreg_get("mdscr_el1"), 0x9000);
	for (n = 0; n < 6; n++) {
		assert_int_equal(fake_sysreg_get(dbg_name("bvr", n)), 0x100 + n);
		assert_int_equal(fake_sysreg_get(dbg_name("bcr", n)), 0x200 + n);
	}
	for (n = 0; n < 4; n++) {
		assert_int_equal(fake_sysreg_get(dbg_name("wvr", n)), 0x300 + n);
		assert_int_equal(fake_sysreg_get(dbg_name("wcr", n)), 0x400 + n);
	}
}

static void debug_registers_keep_their_writable_bits(void **state)
{
	unsigned int n;

	debug_world();
	write_reg(mdscr, ~0ULL);
	assert_int_equal(read_reg(mdscr), 0xb001);
	assert_int_equal(read_reg(oslsr), 8);
	write_reg(oslar, ~0ULL);
	assert_int_equal(read_reg(oslsr), 0xa);
	write_reg(oslar, 0);
	assert_int_equal(read_reg(oslsr), 8);
	write_reg(osdlr, ~0ULL);
	assert_int_equal(read_reg(osdlr), 1);
	for (n = 0; n < 4; n++) {
		write_reg(dbg_enc(n, 4), ~0ULL - n);
		write_reg(dbg_enc(n, 5), ~0ULL);
		assert_int_equal(read_reg(dbg_enc(n, 4)), ~0ULL - n);
		assert_int_equal(read_reg(dbg_enc(n, 5)), 0xffe1e7);
	}
	for (n = 0; n < 3; n++) {
		write_reg(dbg_enc(n, 6), ~0ULL - 4 * n);
		write_reg(dbg_enc(n, 7), ~0ULL);
		assert_int_equal(read_reg(dbg_enc(n, 6)), (~0ULL - 4 * n) & ~3ULL);
		assert_int_equal(read_reg(dbg_enc(n, 7)), 0x1f1fffff);
	}
	assert_int_equal(w.undefs, 0);
	msr(oslsr, 2); /* read-only */
	mrs(oslar, 2); /* write-only */
	assert_int_equal(w.undefs, 2);
	for (n = 0; n < 16; n++) {
		if (n >= 4) {
			assert_undefined(dbg_enc(n, 4));
			assert_undefined(dbg_enc(n, 5));
		}
		if (n >= 3) {
			assert_undefined(dbg_enc(n, 6));
			assert_undefined(dbg_enc(n, 7));
		}
	}
	assert_int_equal(w.logs, 0);
	assert_hosts_debug(); /* it was not loaded */
}

/* For a guest that enables no breakpoint no register is touched, whatever else it does. */
static void debug_registers_that_are_not_used_are_not_switched(void **state)
{
	debug_world();
	load(V);
	assert_int_equal(fake_sysreg_get("mdscr_el1"), 0);
	write_reg(dbg_enc(0, 4), 0x1234);
	write_reg(dbg_enc(0, 5), 0x1e5);
	write_reg(mdscr, 0x3001); /* software step */
	assert_int_equal(fake_sysreg_get("mdscr_el1"), 0x3001);
	put(V);
	assert_int_equal(fake_sysreg_writes("dbgbvr0_el1"), 0);
	assert_int_equal(fake_sysreg_reads("dbgbvr0_el1"), 0);
	assert_int_equal(fake_sysreg_reads("dbgwcr0_el1"), 0);
	assert_hosts_debug();
}

static void debug_registers_are_switched_when_enabled(void **state)
{
	debug_world();
	load(V);
	write_reg(dbg_enc(3, 4), 0x1234);
	write_reg(dbg_enc(3, 5), 0x1e5);
	write_reg(mdscr, 0xa000);
	assert_int_equal(fake_sysreg_get("mdscr_el1"), 0xa000);
	assert_int_equal(fake_sysreg_get("dbgbvr3_el1"), 0x1234);
	assert_int_equal(fake_sysreg_get("dbgbcr3_el1"), 0x1e5);
	/* what the guest does not know of is off, not the host's */
	assert_int_equal(fake_sysreg_get("dbgbcr4_el1"), 0);
	assert_int_equal(fake_sysreg_get("dbgbcr5_el1"), 0);
	assert_int_equal(fake_sysreg_get("dbgwcr3_el1"), 0);
	/* later writes go through */
	write_reg(dbg_enc(0, 4), 0x5678);
	write_reg(dbg_enc(0, 5), 0x1e1);
	write_reg(dbg_enc(2, 6), 0x9abc);
	write_reg(dbg_enc(2, 7), 0x1ff7);
	assert_int_equal(fake_sysreg_get("dbgbvr0_el1"), 0x5678);
	assert_int_equal(fake_sysreg_get("dbgbcr0_el1"), 0x1e1);
	assert_int_equal(fake_sysreg_get("dbgwvr2_el1"), 0x9abc);
	assert_int_equal(fake_sysreg_get("dbgwcr2_el1"), 0x1ff7);
	put(V);
	assert_hosts_debug();
	/* and again, with what was written meanwhile */
	write_reg(dbg_enc(0, 4), 0x777);
	load(V);
	assert_int_equal(fake_sysreg_get("dbgbvr0_el1"), 0x777);
	assert_int_equal(fake_sysreg_get("dbgbvr3_el1"), 0x1234);
	write_reg(mdscr, 0);
	assert_int_equal(fake_sysreg_get("mdscr_el1"), 0);
	put(V);
	assert_hosts_debug();
}

/* A lock that the guest sets disables its debug exceptions; its registers keep their values. */
static void an_os_lock_disables_debug_exceptions(void **state)
{
	debug_world();
	load(V);
	write_reg(oslar, 1);
	write_reg(mdscr, 0xb001);
	assert_int_equal(fake_sysreg_get("mdscr_el1"), 0x1000);
	assert_int_equal(fake_sysreg_reads("dbgbvr0_el1"), 0);
	write_reg(oslar, 0);
	assert_int_equal(fake_sysreg_get("mdscr_el1"), 0xb001);
	write_reg(osdlr, 1);
	assert_int_equal(fake_sysreg_get("mdscr_el1"), 0x1000);
	assert_int_equal(read_reg(mdscr), 0xb001);
	write_reg(osdlr, 0);
	assert_int_equal(fake_sysreg_get("mdscr_el1"), 0xb001);
	/* CPU_ON finds everything off, in the hardware too */
	w.hooks->reset(V);
	assert_int_equal(fake_sysreg_get("mdscr_el1"), 0);
	put(V);
	assert_hosts_debug();
}

/* Another vCPU's registers are not touched by a write to one that is not loaded. */
static void a_write_to_a_vcpu_that_is_not_loaded_does_not_touch_the_hardware(void **state)
{
	debug_world();
	load(&w.vcpu[1]);
	write_reg(mdscr, 0xa000);
	write_reg(dbg_enc(0, 4), 0x1234);
	assert_int_equal(fake_sysreg_get("mdscr_el1"), 0);
	assert_int_equal(fake_sysreg_writes("dbgbvr0_el1"), 0);
	put(&w.vcpu[1]);
	assert_hosts_debug();
}

#define DC_CISW SYSREG_ENC(1, 0, 7, 14, 2)
#define SCTLR	SYSREG_ENC(3, 0, 1, 0, 0)
#define MMU_ON	(SCTLR_EL1_RESET | SCTLR_M | SCTLR_C)

/* The instruction is repeated until all is flushed; the host runs in between. */
static void assert_flush(u32 enc, unsigned int rt)
{
	unsigned int i, flushes = w.flushes;
	u64 pc = V->regs.pc;

	for (i = 1; i < w.flush_steps; i++) {
		assert_int_equal(msr(enc, rt), KEEL_EXIT_IRQ);
		assert_int_equal(V->regs.pc, pc);
	}
	assert_int_equal(msr(enc, rt), VCPU_RESUME);
	assert_int_equal(V->regs.pc, pc + 4);
	assert_int_equal(w.flushes, flushes + 1);
}

static void set_way_flushes_when_caches_change(void **state)
{
	w.flush_steps = 4;
	V->sysreg[SCTLR_EL1] = MMU_ON;
	assert_flush(DC_CISW, 0);
	assert_true(V->trap_vm_regs);
	assert_int_equal(w.hcr_updates, 1);
	for (int i = 0; i < 100; i++) /* the other sets and ways */
		assert_int_equal(msr(DC_CISW, 0), VCPU_RESUME);
	assert_int_equal(w.flushes, 1);
	V->regs.x[3] = 0x1234;
	assert_int_equal(msr(SYSREG_ENC(3, 0, 2, 0, 0), 3), VCPU_RESUME);
	assert_int_equal(V->sysreg[TTBR0_EL1], 0x1234);
	assert_int_equal(w.flushes, 1);
	V->regs.x[3] = SCTLR_EL1_RESET;
	assert_flush(SCTLR, 3); /* off */
	assert_int_equal(V->sysreg[SCTLR_EL1], SCTLR_EL1_RESET);
	assert_true(V->trap_vm_regs);
	V->regs.x[3] = MMU_ON;
	assert_flush(SCTLR, 3); /* and on: the end of it */
	assert_int_equal(V->sysreg[SCTLR_EL1], MMU_ON);
	assert_false(V->trap_vm_regs);
	assert_int_equal(w.hcr_updates, 2);
	assert_int_equal(w.undefs, 0);
}

/* Their set/way operations are as the others; without tags they are UNDEFINED. */
static void a_vcpu_with_tags_has_their_registers_and_no_newer_fields(void **state)
{
	static const u32 regs[] = { SYSREG_ENC(3, 0, 1, 0, 5), SYSREG_ENC(3, 0, 1, 0, 6),
				    SYSREG_ENC(3, 0, 5, 6, 0), SYSREG_ENC(3, 0, 5, 6, 1) };
	const u32 cgdsw = SYSREG_ENC(1, 0, 7, 10, 6);
	u64 value;

	have_all();
	w.vm.s2.stage2.fwb = true;
	for (unsigned int with = 0; with < 2; with++) {
		V->has_tags = with;
		for (size_t i = 0; i < ARRAY_SIZE(regs); i++) {
			assert_int_equal(sysreg_user_set(V, regs[i], 0x10 + i), with ? 0 : -ENOENT);
			assert_int_equal(sysreg_user_get(V, regs[i], &value), with ? 0 : -ENOENT);
			assert_true(!with || value == 0x10 + i);
		}
		w.undefs = 0;
		assert_int_equal(msr(cgdsw, 0), VCPU_RESUME);
		assert_int_equal(w.undefs, !with);
		assert_int_equal(id(ID_PFR1_MTE), with ? 3 : 0);
		assert_int_equal(id(ID_PFR1_MTE_frac), 0);
		assert_int_equal(id(ID_PFR1_MTEX), 0);
		assert_int_equal(id_reg_value(V, ID_REG_PFR2), 0);
	}
	set_field(ID_PFR1_MTE, 2);
	set_field(ID_PFR1_MTE_frac, 0xf);
	assert_int_equal(id(ID_PFR1_MTE), 2);
	assert_int_equal(id(ID_PFR1_MTE_frac), 0xf);
	value = id_reg_value(V, ID_REG_PFR1);
	assert_int_equal(id_reg_set(V, ID_REG_PFR1, value & ~(15ULL << 8)), -EINVAL);
	assert_int_equal(id_reg_set(V, ID_REG_PFR1, value), 0);
}

/* Userspace changes pc during a flush: the next flush starts over. */
static void a_flush_that_was_given_up_starts_over(void **state)
{
	w.flush_steps = 4;
	assert_int_equal(msr(DC_CISW, 0), KEEL_EXIT_IRQ);
	assert_int_equal(msr(DC_CISW, 0), KEEL_EXIT_IRQ);
	V->regs.pc += 0x100;
	assert_flush(DC_CISW, 0);
}

static void with_fwb_set_way_does_nothing(void **state)
{
	w.vm.s2.stage2.fwb = true;
	w.flush_steps = 1;
	assert_int_equal(msr(DC_CISW, 0), VCPU_RESUME);
	assert_int_equal(V->regs.pc, PC + 4);
	assert_int_equal(w.flush_calls, 0);
	assert_false(V->trap_vm_regs);
}

static void actlr_is_zero_and_ignores_writes(void **state)
{
	V->regs.x[2] = 3;
	msr(SYSREG_ENC(3, 0, 1, 0, 1), 2);
	assert_int_equal(read_reg(SYSREG_ENC(3, 0, 1, 0, 1)), 0);
	assert_int_equal(w.undefs, 0);
}

static void registers_of_timer_and_gic_go_to_their_devices(void **state)
{
	assert_int_equal(read_reg(REG_NUM(CNTP_CTL_EL0)), 0x7157);
	assert_int_equal(w.timer_encoding, REG_NUM(CNTP_CTL_EL0));
	V->regs.x[5] = 99;
	msr(REG_NUM(CNTP_CVAL_EL0), 5);
	assert_int_equal(w.timer_encoding, REG_NUM(CNTP_CVAL_EL0));
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

static void a_read_into_the_zero_register_changes_none(void **state)
{
	mrs(SYSREG_ENC(3, 0, 0, 5, 0), 31);
	assert_int_equal(V->regs.x[30], 0);
	assert_int_equal(V->regs.pc, PC + 4);
}

static void a_reset_gives_stored_registers_their_values(void **state)
{
	V->sysreg[TTBR0_EL1] = V->sysreg[SCTLR_EL1] = V->sysreg[OSLSR_EL1] = ~0ULL;
	w.hooks->reset(V);
	assert_int_equal(V->sysreg[TTBR0_EL1], 0);
	assert_int_equal(V->sysreg[SCTLR_EL1], SCTLR_EL1_RESET);
	assert_int_equal(V->sysreg[OSLSR_EL1], 8);
}

/* Every class is handled by this layer, or not its own. */
static void every_exception_class_has_a_result(void **state)
{
	u64 ec, iss;

	fake_sysreg_set("hpfar_el2", 0);
	fake_sysreg_set("far_el2", 0);
	for (ec = 0; ec < ESR_EC_COUNT; ec++)
		for (iss = 0; iss < BIT(25); iss += 0x1357) {
			int ret;

			V->regs.x[0] = iss;
			ret = take(V, ec, iss);
			assert_in_range(ret + 2, 0, KEEL_EXIT_CLOCK + 2);
		}
}

static void wfi_waits_and_wfe_does_not(void **state)
{
	w.deadline = 5000;
	assert_int_equal(take(V, ESR_EC_WFX, ESR_WFX_TI_WFI), KEEL_EXIT_WFI);
	assert_int_equal(w.run[0].wfi.deadline, 5000);
	assert_int_equal(V->regs.pc, PC + 4);
	assert_int_equal(take(V, ESR_EC_WFX, ESR_WFX_TI_WFE), VCPU_RESUME);
	w.pending = true;
	assert_int_equal(take(V, ESR_EC_WFX, ESR_WFX_TI_WFI), VCPU_RESUME);
	w.pending = false;
}

/* Of a guest whose counter is behind the machine's, and of one whose counter is ahead. */
static void wfit_waits_until_its_time(void **state)
{
	static const struct {
		u64 count, until, deadline;
	} rows[] = {
		{ 500, 2000, 3000 },
		{ 500, 100, 1500 },
		{ 1ULL << 63, (1ULL << 63) + 100, 1600 },
		{ ~0ULL - 300, ~0ULL - 100, 1700 },
		{ 500, ~0ULL, ~0ULL },
	};

	w.deadline = ~0ULL;
	fake_sysreg_set("cntpct_el0", 1500);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		w.vm.cntvoff = 1500 - rows[i].count;
		V->regs.x[9] = rows[i].until;
		assert_int_equal(take(V, ESR_EC_WFX,
				      ESR_WFX_TI_WFIT | ESR_WFX_RV | FIELD_PREP(ESR_WFX_RN, 9)),
				 KEEL_EXIT_WFI);
		assert_int_equal(w.run[0].wfi.deadline, rows[i].deadline);
	}
}

static void stepping_over_advances_it_and_clears_btype_and_ss(void **state)
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

/* FEAT_IDST: a missing ID register is a trapped access, if the guest has the feature. */
static void with_idst_a_missing_id_register_is_a_trapped_access(void **state)
{
	static const struct {
		u32 encoding;
		bool id_space;
	} rows[] = {
		{ SYSREG_ENC(3, 1, 0, 0, 4), true },  /* GMID_EL1 */
		{ SYSREG_ENC(3, 1, 0, 0, 6), true },  /* SMIDR_EL1 */
		{ SYSREG_ENC(3, 3, 4, 2, 2), false }, /* SVCR */
		{ SYSREG_ENC(2, 1, 0, 0, 6), false }, /* TRCIDR8 */
	};

	for (unsigned int ids = 0; ids < 2; ids++) {
		set_field(ID_MMFR2_IDS, ids);
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			u64 iss = iss_of(rows[i].encoding, 3, true);
			bool told = ids && rows[i].id_space;

			w.undefs = 0;
			w.inject_esr = 0;
			mrs(rows[i].encoding, 3);
			assert_int_equal(w.undefs, 1);
			assert_int_equal(w.inject_esr,
					 told ? FIELD_PREP(ESR_EC, ESR_EC_SYS64) | ESR_IL | iss
					      : 0);
			w.inject_esr = 0;
			msr(rows[i].encoding, 3); /* writes are UNDEFINED as ever */
			assert_int_equal(w.undefs, 2);
			assert_int_equal(w.inject_esr, 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(on_a_cpu_with_other_caches_the_machines_are_read,
				       world_setup),
		cmocka_unit_test_setup(the_table_is_sorted, world_setup),
		cmocka_unit_test_setup(the_table_is_consistent, world_setup),
		cmocka_unit_test_setup(what_is_emulated_or_absent_has_a_trap, world_setup),
		cmocka_unit_test_setup(each_trap_is_of_some_register, world_setup),
		cmocka_unit_test_setup(no_encoding_is_in_two_rows, world_setup),
		cmocka_unit_test_setup(an_unknown_register_is_undefined_and_logged_once,
				       world_setup),
		cmocka_unit_test_setup(a_guest_cannot_fill_the_log, world_setup),
		cmocka_unit_test_setup(an_absent_register_is_undefined_and_not_logged, world_setup),
		cmocka_unit_test_setup(with_idst_a_missing_id_register_is_a_trapped_access,
				       world_setup),
		cmocka_unit_test_setup(the_id_space_reads_as_zero, world_setup),
		cmocka_unit_test_setup(of_a_machine_with_everything_a_vm_sees_what_it_has,
				       world_setup),
		cmocka_unit_test_setup(with_an_el2_there_is_no_more_than_at_its_stage_2,
				       world_setup),
		cmocka_unit_test_setup(id_registers_follow_the_vm, world_setup),
		cmocka_unit_test_setup(id_registers_are_kept_once_they_are_final, world_setup),
		cmocka_unit_test_setup(id_registers_never_exceed_the_machine, world_setup),
		cmocka_unit_test_setup(parange_covers_the_ipa_space, world_setup),
		cmocka_unit_test_setup(debug_registers_keep_their_writable_bits, world_setup),
		cmocka_unit_test_setup(debug_registers_that_are_not_used_are_not_switched,
				       world_setup),
		cmocka_unit_test_setup(debug_registers_are_switched_when_enabled, world_setup),
		cmocka_unit_test_setup(an_os_lock_disables_debug_exceptions, world_setup),
		cmocka_unit_test_setup(
			a_write_to_a_vcpu_that_is_not_loaded_does_not_touch_the_hardware,
			world_setup),
		cmocka_unit_test_setup(set_way_flushes_when_caches_change, world_setup),
		cmocka_unit_test_setup(a_flush_that_was_given_up_starts_over, world_setup),
		cmocka_unit_test_setup(a_vcpu_with_tags_has_their_registers_and_no_newer_fields,
				       world_setup),
		cmocka_unit_test_setup(with_fwb_set_way_does_nothing, world_setup),
		cmocka_unit_test_setup(actlr_is_zero_and_ignores_writes, world_setup),
		cmocka_unit_test_setup(registers_of_timer_and_gic_go_to_their_devices, world_setup),
		cmocka_unit_test_setup(a_read_into_the_zero_register_changes_none, world_setup),
		cmocka_unit_test_setup(a_reset_gives_stored_registers_their_values, world_setup),
		cmocka_unit_test_setup(every_exception_class_has_a_result, world_setup),
		cmocka_unit_test_setup(wfi_waits_and_wfe_does_not, world_setup),
		cmocka_unit_test_setup(wfit_waits_until_its_time, world_setup),
		cmocka_unit_test_setup(stepping_over_advances_it_and_clears_btype_and_ss,
				       world_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
