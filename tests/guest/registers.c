// SPDX-License-Identifier: BSD-2-Clause
/*
 * System registers: the state at entry, what ID registers promise and deny, values over exits and
 * over moves of the vCPU (churn), and every encoding there is, read and written with garbage.
 */
#include "lib/guest.h"

const char *payload_name = "registers";

typedef u64 (*access_fn)(u64 value);
extern char all_mrs[], all_msr[], all_sys[];

/* As the tables in registers.S have it; op0 is 2 or 3. */
#define ENC(op0, op1, crn, crm, op2) \
	((u32)(((op0)&1) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2)))
#define ENCODINGS 32768
#define SYS_COUNT 16384
#define ROUNDS	  300
#define SCTLR_OFF (BIT(25) | BIT(24) | BIT(12) | BIT(2) | BIT(0)) /* EE, E0E, I, C, M */

static u64 value_read;

static u64 at(char *table, u32 encoding, u64 value)
{
	access_fn function = (access_fn)(table + encoding * 8);

	return TRY(value_read = function(value));
}

static u64 try_read(u32 encoding)
{
	return at(all_mrs, encoding, 0);
}

/* ---- entry ---- */

static void check_entry(void)
{
	check("entry: x0 is a device tree", *(u32 *)at_entry.x0, 0xedfe0dd0);
	check("entry: x1 to x3 are 0", at_entry.x1 | at_entry.x2 | at_entry.x3, 0);
	check("entry: at EL1", at_entry.currentel, 4);
	check("entry: exceptions are masked", at_entry.daif, 0x3c0);
	check("entry: MMU and caches off, little-endian", at_entry.sctlr & SCTLR_OFF, 0);
}

/* ---- ID registers ---- */

#define PFR0  ENC(3, 0, 0, 4, 0)
#define PFR1  ENC(3, 0, 0, 4, 1)
#define DFR0  ENC(3, 0, 0, 5, 0)
#define ISAR0 ENC(3, 0, 0, 6, 0)
#define ISAR1 ENC(3, 0, 0, 6, 1)
#define ISAR2 ENC(3, 0, 0, 6, 2)
#define MMFR1 ENC(3, 0, 0, 7, 1)
#define MMFR3 ENC(3, 0, 0, 7, 3)

/* Registers that are UNDEFINED while a field is 0 (or says "not there");
 * that work when it is not. */
static const struct feature {
	const char *name;
	u32 id, shift;
	u32 registers[5];
	bool reads_if_there; /* its registers need no other enable */
} features[] = {
	{ "EL2",
	  PFR0,
	  8,
	  { ENC(3, 4, 1, 1, 0), ENC(3, 4, 2, 1, 0), ENC(3, 4, 12, 0, 0), ENC(3, 5, 1, 0, 0) },
	  true },
	{ "EL3", PFR0, 12, { ENC(3, 6, 1, 1, 0), ENC(3, 6, 1, 0, 0), ENC(3, 6, 12, 0, 0) }, false },
	{ "RAS", PFR0, 28, { ENC(3, 0, 5, 3, 0), ENC(3, 0, 5, 3, 1), ENC(3, 0, 5, 4, 0) }, true },
	{ "SVE", PFR0, 32, { ENC(3, 0, 1, 2, 0) }, true },
	{ "MPAM",
	  PFR0,
	  40,
	  { ENC(3, 0, 10, 5, 0), ENC(3, 0, 10, 5, 1), ENC(3, 0, 10, 4, 4) },
	  true },
	{ "AMU",
	  PFR0,
	  44,
	  { ENC(3, 3, 13, 2, 0), ENC(3, 3, 13, 2, 1), ENC(3, 3, 13, 4, 0), ENC(3, 3, 13, 12, 0) },
	  true },
	{ "MTE",
	  PFR1,
	  8,
	  { ENC(3, 0, 1, 0, 5), ENC(3, 0, 1, 0, 6), ENC(3, 0, 5, 6, 0), ENC(3, 0, 5, 6, 1),
	    ENC(3, 1, 0, 0, 4) },
	  true },
	{ "SME",
	  PFR1,
	  24,
	  { ENC(3, 0, 1, 2, 4), ENC(3, 0, 1, 2, 6), ENC(3, 3, 4, 2, 2), ENC(3, 3, 13, 0, 5),
	    ENC(3, 1, 0, 0, 6) },
	  false },
	{ "PMU",
	  DFR0,
	  8,
	  { ENC(3, 3, 9, 12, 0), ENC(3, 3, 9, 13, 0), ENC(3, 0, 9, 14, 1), ENC(3, 3, 14, 15, 7),
	    ENC(3, 3, 9, 12, 5) },
	  true },
	{ "trace",
	  DFR0,
	  4,
	  { ENC(2, 1, 0, 8, 7), ENC(2, 1, 0, 1, 0), ENC(2, 1, 7, 15, 6), ENC(2, 1, 1, 1, 4) },
	  true },
	{ "SPE",
	  DFR0,
	  32,
	  { ENC(3, 0, 9, 9, 0), ENC(3, 0, 9, 9, 7), ENC(3, 0, 9, 10, 0), ENC(3, 0, 9, 10, 7) },
	  true },
	{ "trace filter", DFR0, 40, { ENC(3, 0, 1, 2, 1) }, true },
	{ "TRBE", DFR0, 44, { ENC(3, 0, 9, 11, 0), ENC(3, 0, 9, 11, 7) }, true },
	{ "BRBE", DFR0, 52, { ENC(2, 1, 9, 0, 0), ENC(2, 1, 8, 0, 0), ENC(2, 1, 9, 2, 0) }, true },
	{ "random numbers", ISAR0, 60, { ENC(3, 3, 2, 4, 0), ENC(3, 3, 2, 4, 1) }, true },
	{ "LORegions",
	  MMFR1,
	  16,
	  { ENC(3, 0, 10, 4, 0), ENC(3, 0, 10, 4, 3), ENC(3, 0, 10, 4, 7) },
	  true },
	{ "TCR2_EL1", MMFR3, 0, { ENC(3, 0, 2, 0, 3) }, true },
	{ "SCTLR2_EL1", MMFR3, 4, { ENC(3, 0, 1, 0, 3) }, true },
	{ "S1PIE", MMFR3, 8, { ENC(3, 0, 10, 2, 2), ENC(3, 0, 10, 2, 3) }, true },
	{ "S1POE", MMFR3, 16, { ENC(3, 0, 10, 2, 4), ENC(3, 3, 10, 2, 4) }, true },
};

/* With FEAT_IDST, in the ID space, EC says which register it was. */
static bool is_undefined(u32 encoding, u64 esr)
{
	bool id_space = (encoding >> 7 & 15) == 0 && encoding >> 14 == 1;

	return esr >> 26 == EC_UNKNOWN || (id_space && esr >> 26 == EC_SYS64);
}

static bool is_there(const struct feature *f)
{
	u64 value;

	try_read(f->id);
	value = field(value_read, f->shift);
	return value && !(f->id == DFR0 && f->shift == 8 && value == 15);
}

static void check_features(void)
{
	u64 i, n;

	write_sysreg(3UL << 24 | 3UL << 20 | 3UL << 16, cpacr_el1); /* SMEN, FPEN, ZEN */
	for (i = 0; i < ARRAY_SIZE(features); i++) {
		bool there = is_there(&features[i]);

		for (n = 0; n < 5 && features[i].registers[n]; n++) {
			u64 esr = try_read(features[i].registers[n]);

			if (!there)
				check_quiet(features[i].name,
					    is_undefined(features[i].registers[n], esr), 1);
			else if (features[i].reads_if_there)
				check_quiet(features[i].name, esr, NO_EXCEPTION);
		}
	}
	write_sysreg(3UL << 20, cpacr_el1);
	check_round("registers are there as ID registers say");
}

/* Pointer authentication: five keys, and instructions that use them. */
static void check_pauth(void)
{
	u64 isar1, isar2, value = 0x80001000, signed_value = value, esr;
	u32 key;

	try_read(ISAR1);
	isar1 = value_read;
	try_read(ISAR2);
	isar2 = value_read;
	if (!(isar1 & 0xff0) && !(isar2 & 0xf000)) {
		for (key = 0; key < 10; key++)
			check_quiet("a key without pointer authentication",
				    try_read(ENC(3, 0, 2, 1 + key / 4, key % 4)) >> 26, EC_UNKNOWN);
		check_round("no pointer authentication");
		return;
	}
	write_sysreg(read_sysreg(sctlr_el1) | BIT(31), sctlr_el1); /* EnIA */
	esr = TRY(__asm__ volatile(".arch_extension pauth\npacia %0, %1"
				   : "+r"(signed_value)
				   : "r"(5UL)));
	check("PACIA", esr, NO_EXCEPTION);
	hvc(PSCI_VERSION, 0, 0, 0);
	relax();
	__asm__ volatile(".arch_extension pauth\nautia %0, %1" : "+r"(signed_value) : "r"(5UL));
	check("AUTIA after exits", signed_value, value);
	write_sysreg(read_sysreg(sctlr_el1) & ~BIT(31), sctlr_el1);
}

/* The whole ID space reads: as what it is, or as zero; and always the same. */
static void check_id_space(void)
{
	u64 first[64], i;

	for (i = 8; i < 64; i++) {
		check_quiet("an ID register", try_read(ENC(3, 0, 0, i / 8, i % 8)), NO_EXCEPTION);
		first[i] = value_read;
	}
	relax();
	for (i = 8; i < 64; i++) {
		try_read(ENC(3, 0, 0, i / 8, i % 8));
		check_quiet("an ID register, again", value_read, first[i]);
		check_quiet("a write of an ID register",
			    at(all_msr, ENC(3, 0, 0, i / 8, i % 8), 0) >> 26, EC_UNKNOWN);
	}
	check("EL1 is AArch64 alone", first[32] >> 4 & 15, 1);
	check("there is a GIC by system registers", first[32] >> 24 & 15, 1);
	check_round("ID registers");
}

/* Breakpoints: as many as there are said to be can be read. */
static void check_debug(void)
{
	u64 dfr0 = (try_read(DFR0), value_read), n;

	for (n = 0; n <= field(dfr0, 12); n++) {
		check_quiet("DBGBVR<n>_EL1", try_read(ENC(2, 0, 0, n, 4)), NO_EXCEPTION);
		check_quiet("DBGBCR<n>_EL1", try_read(ENC(2, 0, 0, n, 5)), NO_EXCEPTION);
	}
	for (n = 0; n <= field(dfr0, 20); n++) {
		check_quiet("DBGWVR<n>_EL1", try_read(ENC(2, 0, 0, n, 6)), NO_EXCEPTION);
		check_quiet("DBGWCR<n>_EL1", try_read(ENC(2, 0, 0, n, 7)), NO_EXCEPTION);
	}
	check_quiet("at least two breakpoints", field(dfr0, 12) >= 1, 1);
	write_sysreg(1, oslar_el1);
	check_quiet("the OS lock is taken", read_sysreg(oslsr_el1) & 2, 2);
	write_sysreg(0, oslar_el1);
	check_quiet("the OS lock is given back", read_sysreg(oslsr_el1) & 2, 0);
	check_round("debug registers");
}

/* ---- values ---- */

/* Registers that hold a value of any kind, and the bits that this test changes. */
static const struct kept {
	const char *name;
	u32 encoding;
	u64 bits;
} kept[] = {
	{ "TPIDR_EL0", ENC(3, 3, 13, 0, 2), ~0UL },
	{ "TPIDRRO_EL0", ENC(3, 3, 13, 0, 3), ~0UL },
	{ "TPIDR_EL1", ENC(3, 0, 13, 0, 4), ~0UL },
	{ "CONTEXTIDR_EL1", ENC(3, 0, 13, 0, 1), 0xffffffff },
	{ "SP_EL0", ENC(3, 0, 4, 1, 0), ~0UL },
	{ "ELR_EL1", ENC(3, 0, 4, 0, 1), ~0UL },
	{ "SPSR_EL1", ENC(3, 0, 4, 0, 0), 0xf0000000 },
	{ "ESR_EL1", ENC(3, 0, 5, 2, 0), 0xffffffff },
	{ "FAR_EL1", ENC(3, 0, 6, 0, 0), ~0UL },
	{ "AFSR0_EL1", ENC(3, 0, 5, 1, 0), ~0UL },
	{ "AFSR1_EL1", ENC(3, 0, 5, 1, 1), ~0UL },
	{ "PAR_EL1", ENC(3, 0, 7, 4, 0), 0xfffff000 },
	{ "TTBR1_EL1", ENC(3, 0, 2, 0, 1), 0xfffff000 }, /* TCR_EL1.EPD1 is set */
	{ "MAIR_EL1", ENC(3, 0, 10, 2, 0), 0xffffffffffff0000 },
	{ "AMAIR_EL1", ENC(3, 0, 10, 3, 0), ~0UL },
	{ "CNTKCTL_EL1", ENC(3, 0, 14, 1, 0), 0x3ff },
	{ "CSSELR_EL1", ENC(3, 2, 0, 0, 0), 0x3 },
	{ "MDSCR_EL1", ENC(2, 0, 0, 2, 2), BIT(12) | BIT(13) },
	{ "CNTP_CVAL_EL0", ENC(3, 3, 14, 2, 2), ~0UL },
	{ "APIAKeyLo_EL1", ENC(3, 0, 2, 1, 0), ~0UL },
	{ "APIAKeyHi_EL1", ENC(3, 0, 2, 1, 1), ~0UL },
	{ "APIBKeyLo_EL1", ENC(3, 0, 2, 1, 2), ~0UL },
	{ "APIBKeyHi_EL1", ENC(3, 0, 2, 1, 3), ~0UL },
	{ "APDAKeyLo_EL1", ENC(3, 0, 2, 2, 0), ~0UL },
	{ "APDAKeyHi_EL1", ENC(3, 0, 2, 2, 1), ~0UL },
	{ "APDBKeyLo_EL1", ENC(3, 0, 2, 2, 2), ~0UL },
	{ "APDBKeyHi_EL1", ENC(3, 0, 2, 2, 3), ~0UL },
	{ "APGAKeyLo_EL1", ENC(3, 0, 2, 3, 0), ~0UL },
	{ "APGAKeyHi_EL1", ENC(3, 0, 2, 3, 1), ~0UL },
};

static u64 direct(char *table, u32 encoding, u64 value)
{
	return ((access_fn)(table + encoding * 8))(value);
}

static void leave_and_return(u64 how)
{
	switch (how % 5) {
	case 0:
		hvc(PSCI_VERSION, 0, 0, 0);
		break;
	case 1:
		read32(UART_BASE + 0x18);
		break;
	case 2:
		read32(GICD_BASE + GICD_TYPER);
		break;
	case 3:
		relax();
		break;
	default: /* until the host takes the CPU */
		for (how = 0; how < 20000; how++)
			barrier();
		break;
	}
}

/* No exception may come between: what is undefined here is found first. */
static void check_values(u64 cpu, u64 argument)
{
	u64 values[ARRAY_SIZE(kept)], saved[ARRAY_SIZE(kept)], round, i,
		rounds = payload_number("rounds=", ROUNDS);
	bool there[ARRAY_SIZE(kept)];

	(void)cpu;
	(void)argument;
	for (i = 0; i < ARRAY_SIZE(kept); i++) {
		there[i] = TRY(direct(all_mrs, kept[i].encoding, 0)) == NO_EXCEPTION;
		saved[i] = there[i] ? direct(all_mrs, kept[i].encoding, 0) : 0;
	}
	for (round = 0; round < rounds; round++) {
		for (i = 0; i < ARRAY_SIZE(kept); i++) {
			if (!there[i])
				continue;
			values[i] = (saved[i] & ~kept[i].bits) | (random64() & kept[i].bits);
			direct(all_msr, kept[i].encoding, values[i]);
			isb();
			values[i] = direct(all_mrs, kept[i].encoding, 0);
		}
		leave_and_return(round);
		for (i = 0; i < ARRAY_SIZE(kept); i++)
			if (there[i])
				check_quiet(kept[i].name, direct(all_mrs, kept[i].encoding, 0),
					    values[i]);
	}
	for (i = 0; i < ARRAY_SIZE(kept); i++)
		if (there[i])
			direct(all_msr, kept[i].encoding, saved[i]);
	isb();
}

/* ---- everything ---- */

/* What this program itself stands on. */
static bool is_needed(u32 encoding)
{
	static const u32 needed[] = {
		ENC(3, 0, 1, 0, 0),  /* SCTLR_EL1 */
		ENC(3, 0, 2, 0, 0),  /* TTBR0_EL1 */
		ENC(3, 0, 2, 0, 2),  /* TCR_EL1 */
		ENC(3, 0, 10, 2, 0), /* MAIR_EL1 */
		ENC(3, 0, 12, 0, 0), /* VBAR_EL1 */
		ENC(3, 0, 4, 2, 0),  /* SPSel: the stack */
		ENC(3, 3, 4, 2, 1),  /* DAIF */
		ENC(2, 0, 0, 2, 2),  /* MDSCR_EL1: steps and breakpoints of its own making */
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(needed); i++)
		if (needed[i] == encoding)
			return true;
	return false;
}

/* A value, or UNDEFINED, or an exception to EL1 that EL1 asked for by CPACR_EL1; at the
 * instruction. */
static void check_outcome(const char *name, u32 encoding, u64 esr, char *table)
{
	u64 ec = ec_of(esr);

	if (esr == NO_EXCEPTION)
		return;
	if (ec != EC_UNKNOWN && ec != EC_SYS64 && ec != EC_SVE && ec != EC_FP && ec != 0x1d)
		print("encoding 0x%x: esr 0x%x\n", (u64)encoding, esr);
	check_quiet(name,
		    ec == EC_UNKNOWN || ec == EC_SYS64 || ec == EC_SVE || ec == EC_FP || ec == 0x1d,
		    1);
	check_quiet("at the instruction", this_cpu()->elr, (u64)table + encoding * 8);
}

static void sweep_reads(void)
{
	u32 encoding;

	for (encoding = 0; encoding < ENCODINGS; encoding++)
		check_outcome("a read of any register", encoding, try_read(encoding), all_mrs);
}

static void sweep_writes(void)
{
	static const u64 values[] = { 0, ~0UL };
	u32 encoding, i;

	for (encoding = 0; encoding < ENCODINGS; encoding++) {
		if (is_needed(encoding))
			continue;
		for (i = 0; i < 3; i++)
			check_outcome("a write of any register", encoding,
				      at(all_msr, encoding, i < 2 ? values[i] : random64()),
				      all_msr);
	}
	/* Whatever that switched on */
	write_sysreg(0, cntv_ctl_el0);
	write_sysreg(0, cntp_ctl_el0);
	write_sysreg(3UL << 20, cpacr_el1);
}

/* Cache, TLB and address-translation instructions on memory of this program's. */
static void sweep_instructions(void)
{
	u64 page = fresh_page();
	u32 encoding;

	for (encoding = 0; encoding < SYS_COUNT; encoding++)
		check_outcome("any system instruction", encoding, at(all_sys, encoding, page),
			      all_sys);
}

/* PSTATE and such are as they should be; the machine answers. */
static void check_after_sweep(void)
{
	check("after all that: a hypercall", hvc(PSCI_VERSION, 0, 0, 0), 0x10001);
	check("after all that: MPIDR_EL1", read_sysreg(mpidr_el1) & 0xff, 0);
	gic_init_cpu();
	gic_enable(PPI_VTIMER);
	relax();
	smp_run(check_values, 0);
	check_round("after all that: registers keep their values");
}

void payload_main(void)
{
	smp_start();
	check_entry();
	check_features();
	check_pauth();
	check_id_space();
	check_debug();
	smp_run(check_values, 0);
	check_round("registers keep their values");
	if (payload_has_arg("values"))
		return;
	sweep_reads();
	check_round("every register read");
	sweep_writes();
	check_round("every register written");
	sweep_instructions();
	check_round("every system instruction");
	check_after_sweep();
}
