// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/host/host_cpu.c hyp/host/host_features.c hyp/cpu/features.c tests/unit/arch/fake_sysreg.c hyp/cpu/errata.c hyp/cpu/withheld.c */
/*
 * EL2's controls for the host, on CPUs made of ID registers: an old one, a new one, one with
 * nothing, random ones. A CPU has the registers of its features, by a table that is
 * written here from the manual (ARM DDI 0487, D24); touching another ends the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arch/barrier.h>
#include <arch/sysreg.h>
#include <arch/tlb.h>
#include <host/host_cpu.h>
#include <lib/types.h>

enum { PFR0, PFR1, PFR2, DFR0, ISAR1, ISAR2, ISAR3, MMFR0, MMFR1, MMFR3, MMFR4, SMFR0, IDS };

static const char *const id_names[IDS] = {
	[PFR0] = "id_aa64pfr0_el1",   [PFR1] = "id_aa64pfr1_el1",   [PFR2] = "s3_0_c0_c4_2",
	[DFR0] = "id_aa64dfr0_el1",   [ISAR1] = "id_aa64isar1_el1", [ISAR2] = "s3_0_c0_c6_2",
	[MMFR0] = "id_aa64mmfr0_el1", [MMFR1] = "id_aa64mmfr1_el1", [MMFR3] = "s3_0_c0_c7_3",
	[SMFR0] = "s3_0_c0_c4_5",     [ISAR3] = "s3_0_c0_c6_3",	    [MMFR4] = "s3_0_c0_c7_4",
};

struct cpu {
	u64 id[IDS];
	bool e2h;
	u64 pmcr, mpamidr;
	bool sre_forbidden; /* by firmware: ICC_SRE_EL2.SRE stays 0 */
	bool spe_withheld;  /* by firmware: PMBIDR_EL1.P */
};

#define VTCR  0x80023558ULL
#define VTTBR 0x44440000ULL
#define MIDR  0x410fd034ULL
#define MPIDR 0x81000203ULL

static unsigned int field(const struct cpu *cpu, unsigned int reg, unsigned int shift)
{
	return (unsigned int)(cpu->id[reg] >> shift) & 0xf;
}

/* Registers of a feature: name, encoding, and the ID register field of the feature. */
static const struct optional {
	const char *name, *encoding;
	u8 id, shift, min;
	u8 id2, shift2, min2; /* and this, if min2 is not 0 */
} optional[] = {
	{ "ZCR_EL2", "s3_4_c1_c2_0", PFR0, 32, 1, 0, 0, 0 },
	{ "SMCR_EL2", "s3_4_c1_c2_6", PFR1, 24, 1, 0, 0, 0 },
	{ "HCRX_EL2", "s3_4_c1_c2_2", MMFR1, 40, 1, 0, 0, 0 },
	{ "CNTHV_CTL_EL2", "s3_4_c14_c3_1", MMFR1, 8, 1, 0, 0, 0 },
	{ "HFGRTR_EL2", "s3_4_c1_c1_4", MMFR0, 56, 1, 0, 0, 0 },
	{ "HFGWTR_EL2", "s3_4_c1_c1_5", MMFR0, 56, 1, 0, 0, 0 },
	{ "HFGITR_EL2", "s3_4_c1_c1_6", MMFR0, 56, 1, 0, 0, 0 },
	{ "HDFGRTR_EL2", "s3_4_c3_c1_4", MMFR0, 56, 1, 0, 0, 0 },
	{ "HDFGWTR_EL2", "s3_4_c3_c1_5", MMFR0, 56, 1, 0, 0, 0 },
	{ "HAFGRTR_EL2", "s3_4_c3_c1_6", MMFR0, 56, 1, PFR0, 44, 1 },
	{ "HDFGRTR2_EL2", "s3_4_c3_c1_0", MMFR0, 56, 2, 0, 0, 0 },
	{ "HDFGWTR2_EL2", "s3_4_c3_c1_1", MMFR0, 56, 2, 0, 0, 0 },
	{ "HFGRTR2_EL2", "s3_4_c3_c1_2", MMFR0, 56, 2, 0, 0, 0 },
	{ "HFGWTR2_EL2", "s3_4_c3_c1_3", MMFR0, 56, 2, 0, 0, 0 },
	{ "HFGITR2_EL2", "s3_4_c3_c1_7", MMFR0, 56, 2, 0, 0, 0 },
	{ "ICC_SRE_EL2", "s3_4_c12_c9_5", PFR0, 24, 1, 0, 0, 0 },
};

static bool has(const struct cpu *cpu, const struct optional *reg)
{
	return field(cpu, reg->id, reg->shift) >= reg->min &&
	       (!reg->min2 || field(cpu, reg->id2, reg->shift2) >= reg->min2);
}

static bool has_mpam(const struct cpu *cpu)
{
	return field(cpu, PFR0, 40) || field(cpu, PFR1, 16);
}

static bool has_pmu(const struct cpu *cpu)
{
	return field(cpu, DFR0, 8) && field(cpu, DFR0, 8) != 0xf;
}

/* With E2H=1 EL1's registers have names of their own. */
static const char *sctlr_el1(const struct cpu *cpu)
{
	return cpu->e2h ? "s3_5_c1_c0_0" : "sctlr_el1";
}

static const char *sctlr2_el1(const struct cpu *cpu)
{
	return cpu->e2h ? "s3_5_c1_c0_3" : "s3_0_c1_c0_3";
}

static const char *tcr2_el1(const struct cpu *cpu)
{
	return cpu->e2h ? "s3_5_c2_c0_3" : "s3_0_c2_c0_3";
}

static const char *gcscr_el1(const struct cpu *cpu)
{
	return cpu->e2h ? "s3_5_c2_c5_0" : "s3_0_c2_c5_0";
}

/*
 * EL1's old translations are invalidated, and waited for, after all registers of new ones are set.
 */
static bool tlb_empty, tlb_waited;

void tlbi_alle1(void)
{
	assert_int_equal(fake_sysreg_get("vtcr_el2"), VTCR);
	assert_int_equal(fake_sysreg_get("vttbr_el2"), VTTBR);
	assert_true(fake_sysreg_get("hcr_el2") & BIT(0));
	tlb_empty = true;
}

void fake_dsb(const char *opt)
{
	tlb_waited = tlb_empty && (!strcmp(opt, "nsh") || !strcmp(opt, "ish"));
}

/* Exactly the registers that this CPU has. Those that are not read-only are UNKNOWN at first. */
static void make(const struct cpu *cpu)
{
	static const char *const base[] = { "vtcr_el2",	  "vttbr_el2",	  "cptr_el2",
					    "mdcr_el2",	  "cnthctl_el2",  "cntvoff_el2",
					    "hstr_el2",	  "actlr_el2",	  "vpidr_el2",
					    "vmpidr_el2", "cnthp_ctl_el2" };

	static const char *const others[] = { "id_aa64dfr1_el1", "id_aa64isar0_el1", "s3_0_c0_c7_2",
					      "s3_0_c0_c4_4",	 "ctr_el0",	     "dczid_el0" };

	fake_sysreg_reset();
	for (size_t i = 0; i < ARRAY_SIZE(base); i++)
		fake_sysreg_allow(base[i]);
	for (unsigned int i = 0; i < IDS; i++)
		fake_sysreg_set(id_names[i], cpu->id[i]);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		fake_sysreg_set(others[i], ~0ULL); /* nothing in them matters here */
	fake_sysreg_set("midr_el1", MIDR);
	fake_sysreg_set("mpidr_el1", MPIDR);
	fake_sysreg_set("hcr_el2", BIT(31) | (cpu->e2h ? BIT(34) : 0));
	fake_sysreg_allow(sctlr_el1(cpu));
	for (size_t i = 0; i < ARRAY_SIZE(optional); i++)
		if (has(cpu, &optional[i]))
			fake_sysreg_allow(optional[i].encoding);
	if (field(cpu, MMFR3, 0))
		fake_sysreg_allow(tcr2_el1(cpu));
	if (field(cpu, MMFR3, 4))
		fake_sysreg_allow(sctlr2_el1(cpu));
	if (field(cpu, PFR1, 44)) {
		fake_sysreg_allow(gcscr_el1(cpu));
		fake_sysreg_allow("s3_0_c2_c5_2"); /* GCSCRE0_EL1 */
	}
	if (has_pmu(cpu))
		fake_sysreg_set("s3_3_c9_c12_0", cpu->pmcr); /* PMCR_EL0 */
	if (field(cpu, DFR0, 32)) {
		fake_sysreg_set("s3_0_c9_c10_7", cpu->spe_withheld ? BIT(4) : 0); /* PMBIDR_EL1 */
		if (!cpu->spe_withheld)
			fake_sysreg_allow("s3_4_c9_c9_0"); /* PMSCR_EL2 */
	}
	if (field(cpu, PFR0, 24) && cpu->sre_forbidden)
		fake_sysreg_mask("s3_4_c12_c9_5", ~1ULL);
	if (field(cpu, PFR0, 24) && !cpu->sre_forbidden)
		fake_sysreg_allow("s3_4_c12_c11_0"); /* ICH_HCR_EL2 */
	if (has_mpam(cpu)) {
		fake_sysreg_set("s3_0_c10_c4_4", cpu->mpamidr);
		fake_sysreg_allow("s3_4_c10_c5_0"); /* MPAM2_EL2 */
		if (cpu->mpamidr & BIT(17))
			fake_sysreg_allow("s3_4_c10_c4_0"); /* MPAMHCR_EL2 */
	}
}

static const char *describe(const struct cpu *cpu)
{
	static char text[512];
	int n = snprintf(text, sizeof(text), "E2H=%d", cpu->e2h);

	for (unsigned int i = 0; i < IDS; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " %s=%#lx", id_names[i],
			      cpu->id[i]);
	return text;
}

static void expect(const struct cpu *cpu, const char *what, const char *reg, u64 expected)
{
	if (!fake_sysreg_writes(reg))
		fail_msg("%s: %s is not written", describe(cpu), what);
	if (fake_sysreg_get(reg) != expected)
		fail_msg("%s: %s is %#lx, expected %#lx", describe(cpu), what, fake_sysreg_get(reg),
			 expected);
}

/* ---- what each register is to be, bit by bit from the manual ---- */

static u64 bits_if(bool cond, u64 bits)
{
	return cond ? bits : 0;
}

static u64 expected_hcr(const struct cpu *c)
{
	bool pauth = field(c, ISAR1, 4) || field(c, ISAR1, 8) || field(c, ISAR2, 12);

	return BIT(0) | BIT(1) | BIT(18) | BIT(19) | BIT(31) | bits_if(c->e2h, BIT(34)) |
	       bits_if(pauth, BIT(40) | BIT(41)) | bits_if(field(c, PFR1, 8) >= 2, BIT(56)) |
	       bits_if(field(c, PFR0, 56) >= 2 || field(c, PFR1, 32) >= 2, BIT(53));
}

static u64 expected_cptr(const struct cpu *c)
{
	bool sve = field(c, PFR0, 32), sme = field(c, PFR1, 24);

	if (!c->e2h) /* RES1: 13, 9, 7:0; TZ and TSM too where there is nothing to trap */
		return 0x22ff | bits_if(!sve, BIT(8)) | bits_if(!sme, BIT(12));
	return 3 << 20 | bits_if(sve, 3 << 16) | bits_if(sme, 3 << 24) |
	       bits_if(field(c, MMFR3, 16), 1 << 29);
}

static u64 expected_mdcr(const struct cpu *c)
{
	return bits_if(has_pmu(c), c->pmcr >> 11 & 0x1f) |
	       bits_if(has_pmu(c) && field(c, DFR0, 8) >= 4, 1 << 17) | /* HPMD */
	       bits_if(has_pmu(c) && field(c, DFR0, 8) >= 6, 1 << 23) | /* HCCD */
	       bits_if(field(c, DFR0, 32), 3 << 12) | bits_if(field(c, DFR0, 44), 3 << 24) |
	       bits_if(field(c, DFR0, 40), 1 << 19); /* TTRF: until the host uses it */
}

static u64 expected_hcrx(const struct cpu *c)
{
	return bits_if(field(c, ISAR1, 60) >= 1, BIT(1)) |
	       bits_if(field(c, ISAR1, 60) >= 2, BIT(2)) |
	       bits_if(field(c, ISAR1, 60) >= 3, BIT(0)) | bits_if(field(c, ISAR2, 16), BIT(11)) |
	       bits_if(field(c, MMFR3, 0), BIT(14)) | bits_if(field(c, MMFR3, 4), BIT(15)) |
	       bits_if(field(c, PFR1, 44), BIT(22)) | bits_if(field(c, PFR2, 32), BIT(23)) |
	       bits_if(field(c, ISAR3, 12), BIT(24));
}

static u64 expected_hfgrtr(const struct cpu *c)
{
	return bits_if(field(c, ISAR1, 60) >= 3, BIT(50)) |
	       bits_if(field(c, PFR1, 44), BIT(52) | BIT(53)) |
	       bits_if(field(c, PFR1, 24), BIT(54) | BIT(55)) |
	       bits_if(field(c, PFR1, 48), BIT(56)) |
	       bits_if(field(c, MMFR3, 8), BIT(57) | BIT(58)) |
	       bits_if(field(c, MMFR3, 16), BIT(59) | BIT(60)) |
	       bits_if(field(c, MMFR3, 24), BIT(62) | BIT(63));
}

static void check_fine_traps(const struct cpu *c)
{
	unsigned int fgt = field(c, MMFR0, 56);
	u64 hdfg = bits_if(field(c, DFR0, 32) >= 3, BIT(62));
	u64 hfgr2 = bits_if(field(c, PFR1, 60), BIT(0)) | bits_if(field(c, PFR1, 48), BIT(2));
	bool pmuv3p9 = has_pmu(c) && field(c, DFR0, 8) >= 9;

	if (!fgt)
		return;
	expect(c, "HFGRTR_EL2", "s3_4_c1_c1_4", expected_hfgrtr(c));
	expect(c, "HFGWTR_EL2", "s3_4_c1_c1_5", expected_hfgrtr(c));
	expect(c, "HFGITR_EL2", "s3_4_c1_c1_6",
	       bits_if(field(c, PFR1, 44), BIT(57) | BIT(58) | BIT(59)));
	/* BRBE's are closed until the host uses it */
	expect(c, "HDFGRTR_EL2", "s3_4_c3_c1_4", hdfg);
	expect(c, "HDFGWTR_EL2", "s3_4_c3_c1_5", hdfg);
	if (field(c, PFR0, 44))
		expect(c, "HAFGRTR_EL2", "s3_4_c3_c1_6", 0);
	if (fgt < 2)
		return;
	/* nDCCIVAPS; TSBCSYNC, which traps where it is 1, is not */
	expect(c, "HFGITR2_EL2", "s3_4_c3_c1_7", bits_if(field(c, MMFR4, 0), BIT(1)));
	/* nPFAR_EL1, nRCWSMASK_EL1 */
	expect(c, "HFGRTR2_EL2", "s3_4_c3_c1_2", hfgr2);
	expect(c, "HFGWTR2_EL2", "s3_4_c3_c1_3", hfgr2);
	/* nPMUACR_EL1, nPMZR_EL0 */
	expect(c, "HDFGRTR2_EL2", "s3_4_c3_c1_0", bits_if(pmuv3p9, BIT(4)));
	expect(c, "HDFGWTR2_EL2", "s3_4_c3_c1_1", bits_if(pmuv3p9, BIT(4) | BIT(21)));
}

static void check_extensions(const struct cpu *c)
{
	if (field(c, PFR0, 32))
		expect(c, "ZCR_EL2", "s3_4_c1_c2_0", 0xf);
	if (field(c, PFR1, 24))
		expect(c, "SMCR_EL2", "s3_4_c1_c2_6",
		       0xf | bits_if(field(c, PFR1, 24) >= 2, BIT(30)) |
			       (c->id[SMFR0] & BIT(63)) >> 32);
	if (field(c, MMFR1, 40))
		expect(c, "HCRX_EL2", "s3_4_c1_c2_2", expected_hcrx(c));
	if (field(c, MMFR1, 40) && field(c, MMFR3, 0))
		expect(c, "TCR2_EL1", tcr2_el1(c), 0);
	if (field(c, MMFR1, 40) && field(c, MMFR3, 4))
		expect(c, "SCTLR2_EL1", sctlr2_el1(c), 0);
	if (field(c, MMFR1, 40) && field(c, PFR1, 44)) {
		expect(c, "GCSCR_EL1", gcscr_el1(c), 0);
		expect(c, "GCSCRE0_EL1", "s3_0_c2_c5_2", 0);
	}
	/* SRE, DFB, DIB, Enable; what firmware forbids stays off, and
	 * the rest is left alone then */
	if (field(c, PFR0, 24))
		expect(c, "ICC_SRE_EL2", "s3_4_c12_c9_5", c->sre_forbidden ? 0xe : 0xf);
	if (field(c, PFR0, 24) && !c->sre_forbidden)
		expect(c, "ICH_HCR_EL2", "s3_4_c12_c11_0", 0);
	if (field(c, DFR0, 32) && !c->spe_withheld)
		expect(c, "PMSCR_EL2", "s3_4_c9_c9_0", 0);
	if (has_mpam(c))
		expect(c, "MPAM2_EL2", "s3_4_c10_c5_0", 0);
	if (has_mpam(c) && c->mpamidr & BIT(17))
		expect(c, "MPAMHCR_EL2", "s3_4_c10_c4_0", 0);
}

static void check_cpu(const struct cpu *c)
{
	make(c);
	tlb_empty = tlb_waited = false;
	host_cpu_init(VTCR, VTTBR);
	assert_true(tlb_waited);
	expect(c, "VTCR_EL2", "vtcr_el2", VTCR);
	expect(c, "VTTBR_EL2", "vttbr_el2", VTTBR);
	expect(c, "HCR_EL2", "hcr_el2", expected_hcr(c));
	expect(c, "CPTR_EL2", "cptr_el2", expected_cptr(c));
	expect(c, "MDCR_EL2", "mdcr_el2", expected_mdcr(c));
	/* EL1PCTEN, EL1PCEN: 0 and 1, but 10 and 11 with E2H, where EL0's are at 0, 1, 8, 9 */
	expect(c, "CNTHCTL_EL2", "cnthctl_el2", c->e2h ? 0xf03 : 3);
	expect(c, "CNTVOFF_EL2", "cntvoff_el2", 0);
	expect(c, "CNTHP_CTL_EL2", "cnthp_ctl_el2", 0);
	if (field(c, MMFR1, 8))
		expect(c, "CNTHV_CTL_EL2", "s3_4_c14_c3_1", 0);
	expect(c, "HSTR_EL2", "hstr_el2", 0);
	expect(c, "ACTLR_EL2", "actlr_el2", 0);
	expect(c, "VPIDR_EL2", "vpidr_el2", MIDR);
	expect(c, "VMPIDR_EL2", "vmpidr_el2", MPIDR);
	/* MMU and caches off, little endian, RES1 bits: 29, 28, 23, 22, 20, 11 */
	expect(c, "SCTLR_EL1", sctlr_el1(c), 0x30d00800);
	check_extensions(c);
	check_fine_traps(c);
}

static void check_both_regimes(struct cpu cpu)
{
	cpu.e2h = false;
	check_cpu(&cpu);
	cpu.e2h = true;
	check_cpu(&cpu);
}

/* ---- tests ---- */

static void a_cpu_without_anything_gets_nothing_optional(void **state)
{
	const struct cpu nothing = { 0 };

	check_both_regimes(nothing);
}

static void an_old_cpu_gets_the_controls_of_its_features(void **state)
{
	/* cortex-a53 with GICv3 */
	const struct cpu a53 = {
		.id = { [PFR0] = 0x01002222, [DFR0] = 0x10305106, [MMFR0] = 0x00001122 },
		.pmcr = 6 << 11 | 0x41 << 24,
	};

	check_both_regimes(a53);
	/* Written out: what a reader of the manual would expect on the simplest machine. */
	make(&a53);
	host_cpu_init(VTCR, VTTBR);
	assert_int_equal(fake_sysreg_get("hcr_el2"), 0x800c0003);
	assert_int_equal(fake_sysreg_get("cptr_el2"), 0x33ff);
	assert_int_equal(fake_sysreg_get("mdcr_el2"), 6);
	assert_int_equal(fake_sysreg_get("cnthctl_el2"), 3);
}

static struct cpu max_cpu(void)
{
	/* QEMU's -cpu max, nearly, and SPE, trace buffer, MPAM */
	return (struct cpu){
		.id = { [PFR0] = 0x1201131121112222,
			[PFR1] = 0x0000000102000321,
			[DFR0] = 0x0110110305f0f519 | 3ULL << 32 | 1ULL << 44,
			[ISAR1] = 0x0011111101211052,
			[ISAR2] = 0x00010110,
			[MMFR0] = 0x2100022200101126,
			[MMFR1] = 0x1111011110211122,
			[MMFR3] = 0x11,
			[SMFR0] = 0x80f100fd00000000 },
		.pmcr = 6 << 11,
		.mpamidr = BIT(17),
	};
}

static void a_new_cpu_gets_the_controls_of_its_features(void **state)
{
	struct cpu max = max_cpu();

	check_both_regimes(max);
	max.mpamidr = 0;
	check_both_regimes(max);
	max.sre_forbidden = true;
	max.spe_withheld = true;
	check_both_regimes(max);
}

/* Each field alone, with each value that it can have. */
static void each_field_brings_its_own_registers_and_no_others(void **state)
{
	for (unsigned int reg = 0; reg < IDS; reg++)
		for (unsigned int shift = 0; shift < 64; shift += 4)
			for (u64 value = 1; value < 16; value++) {
				struct cpu cpu = { .pmcr = 31 << 11, .mpamidr = ~0ULL };

				cpu.id[reg] = value << shift;
				check_both_regimes(cpu);
				/* ... and with the registers there that the bits are in */
				cpu.id[MMFR0] |= (reg == MMFR0 && shift == 56) ? 0 : 2ULL << 56;
				cpu.id[MMFR1] |= (reg == MMFR1 && shift == 40) ? 0 : 1ULL << 40;
				check_both_regimes(cpu);
			}
}

static void on_random_cpus_no_register_is_written_that_is_not_there(void **state)
{
	u64 seed = 42;

	for (unsigned int i = 0; i < 20000; i++) {
		struct cpu cpu = { 0 };

		for (unsigned int reg = 0; reg < IDS; reg++)
			for (unsigned int n = 0; n < 2; n++) {
				seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
				cpu.id[reg] = cpu.id[reg] << 32 | seed >> 32;
				/* fields that are zero are the more interesting ones */
				for (unsigned int shift = 0; shift < 64 && i % 2; shift += 4)
					if (seed >> (shift % 29) & 1)
						cpu.id[reg] &= ~(0xfULL << shift);
			}
		cpu.pmcr = seed >> 7;
		cpu.mpamidr = seed >> 9;
		cpu.sre_forbidden = seed & BIT(40);
		cpu.spe_withheld = seed & BIT(41);
		check_both_regimes(cpu);
	}
}

/* Physical interrupts go to the host: no control may trap or route them while it runs. */
static void interrupts_are_not_taken_from_the_host(void **state)
{
	const u64 fmo_imo_amo = BIT(3) | BIT(4) | BIT(5), twi_twe = BIT(13) | BIT(14);
	const u64 tge = BIT(27);
	struct cpu_id_regs all;
	struct cpu max = max_cpu();

	make(&max);
	memset(&all, 0xff, sizeof(all));
	assert_int_equal(host_hcr(&all) & (fmo_imo_amo | twi_twe | tge), 0);
	assert_int_equal(fake_sysreg_writes("hcr_el2"), 0);
}

/* Twice on one CPU, as when it is turned off and on: old values do not matter. */
static void a_second_time_changes_nothing(void **state)
{
	struct cpu max = max_cpu();

	check_cpu(&max);
	fake_sysreg_set("cptr_el2", ~0ULL);
	fake_sysreg_set("mdcr_el2", ~0ULL);
	fake_sysreg_set("hcr_el2", ~0ULL & ~BIT(34));
	host_cpu_init(VTCR, VTTBR);
	expect(&max, "CPTR_EL2", "cptr_el2", expected_cptr(&max));
	expect(&max, "MDCR_EL2", "mdcr_el2", expected_mdcr(&max));
	expect(&max, "HCR_EL2", "hcr_el2", expected_hcr(&max));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cpu_without_anything_gets_nothing_optional),
		cmocka_unit_test(an_old_cpu_gets_the_controls_of_its_features),
		cmocka_unit_test(a_new_cpu_gets_the_controls_of_its_features),
		cmocka_unit_test(each_field_brings_its_own_registers_and_no_others),
		cmocka_unit_test(on_random_cpus_no_register_is_written_that_is_not_there),
		cmocka_unit_test(interrupts_are_not_taken_from_the_host),
		cmocka_unit_test(a_second_time_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
