// SPDX-License-Identifier: BSD-2-Clause
/*
 * The model of register ownership. See owner_model.h. Written from the manual (ARM DDI 0487, D24),
 * not from Keel's tables. Timers, the GIC's CPU interface and debug registers are not in it: they
 * are switched by layers above the world switch, which have tests of their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arch/barrier.h>
#include <arch/fpsimd.h>
#include <arch/sysreg.h>

#include "owner_model.h"

#define HCR_E2H BIT(34)

/* ---- by which control EL1 cannot reach a register ---- */

enum gate {
	G_NONE,
	G_HCR_SET,    /* traps if a bit of HCR_EL2 is 1... */
	G_HCR_CLEAR,  /* ... or 0 */
	G_HCRX_CLEAR, /* HCRX_EL2: and the register has no effect */
	G_MDCR_SET,   /* MDCR_EL2 */
	G_MDCR_OWNER, /* a field of two bits at .bit: traps unless it is 0b11 */
	G_HFGR_CLEAR, /* HFGRTR_EL2, HDFGRTR_EL2, HFGRTR2_EL2, HDFGRTR2_EL2 */
	G_HDFGR_CLEAR,
	G_HFGR2_CLEAR,
	G_HDFGR2_CLEAR,
	G_MPAM_SET, /* MPAM2_EL2 */
	G_CPTR_SVE,
	G_CPTR_SME,
	G_CPTR_TTA,
	G_CPTR_TAM,
};

static bool bit_of(const char *reg, unsigned int bit)
{
	return fake_sysreg_exists(reg) && fake_sysreg_get(reg) >> bit & 1;
}

static bool e2h(void)
{
	return bit_of("hcr_el2", 34);
}

/* CPTR_EL2 (D24.2.34): with E2H=0 a bit traps, with E2H=1 a field does unless it is 0b11 (0b01). */
static bool cptr_traps(unsigned int nvhe, unsigned int vhe_field)
{
	u64 cptr = fake_sysreg_get("cptr_el2");

	return e2h() ? (cptr >> vhe_field & 3) != 3 : cptr >> nvhe & 1;
}

bool owner_model_trapped(enum owner_unit unit)
{
	switch (unit) {
	case OWNER_FP:
		return cptr_traps(10, 20);
	case OWNER_SVE:
		return cptr_traps(8, 16) || cptr_traps(10, 20);
	default:
		return cptr_traps(12, 24);
	}
}

static bool gate_closed(enum gate gate, unsigned int bit)
{
	switch (gate) {
	case G_HCR_SET:
		return bit_of("hcr_el2", bit);
	case G_HCR_CLEAR:
		return !bit_of("hcr_el2", bit);
	case G_HCRX_CLEAR:
		return !bit_of("s3_4_c1_c2_2", bit);
	case G_MDCR_SET:
		return bit_of("mdcr_el2", bit);
	case G_MDCR_OWNER:
		return (fake_sysreg_get("mdcr_el2") >> bit & 3) != 3;
	case G_HFGR_CLEAR:
		return !bit_of("s3_4_c1_c1_4", bit);
	case G_HDFGR_CLEAR:
		return !bit_of("s3_4_c3_c1_4", bit);
	case G_HFGR2_CLEAR:
		return !bit_of("s3_4_c3_c1_2", bit);
	case G_HDFGR2_CLEAR:
		return !bit_of("s3_4_c3_c1_0", bit);
	case G_MPAM_SET:
		return bit_of("s3_4_c10_c5_0", bit);
	case G_CPTR_SVE:
		return owner_model_trapped(OWNER_SVE);
	case G_CPTR_SME:
		return owner_model_trapped(OWNER_SME);
	case G_CPTR_TTA:
		return e2h() ? bit_of("cptr_el2", 28) : bit_of("cptr_el2", 20);
	case G_CPTR_TAM:
		return bit_of("cptr_el2", 30);
	default:
		return false;
	}
}

/* ---- the registers of EL1 ---- */

#define ALWAYS ID_FIELD_COUNT

/* What is at work while the register is not zero in @live, whoever can reach it. */
static const struct row {
	const char *name, *el12; /* with E2H=0; from EL2 with E2H=1, NULL if the same */
	u16 field;		 /* there if the field is at least @min */
	u8 min;
	u8 gate, bit;	/* enum gate */
	u8 gate2, bit2; /* or this one */
	u64 live;
} rows[] = {
	{ "sctlr_el1", "s3_5_c1_c0_0", ALWAYS, 0, G_NONE, 0, G_NONE, 0, 0 },
	{ "cpacr_el1", "s3_5_c1_c0_2", ALWAYS, 0, G_NONE, 0, G_NONE, 0, 0 },
	{ "ttbr0_el1", "s3_5_c2_c0_0", ALWAYS, 0, G_NONE, 0, G_NONE, 0, 0 },
	{ "ttbr1_el1", "s3_5_c2_c0_1", ALWAYS, 0, G_NONE, 0, G_NONE, 0, 0 },
	{ "tcr_el1", "s3_5_c2_c0_2", ALWAYS, 0, G_NONE, 0, G_NONE, 0, 0 },
	{ "spsr_el1", "s3_5_c4_c0_0", ALWAYS, 0, G_NONE, 0, G_NONE, 0, 0 },
	{ "elr_el1", "s3_5_c4_c0_1", ALWAYS, 0, G_NONE, 0, G_NONE, 0, 0 },
	{ "afsr0_el1", "s3_5_c5_c1_0", ALWAYS, 0, G_NONE, 0, G_NONE, 0, 0 },
	{ "afsr1_el1", "s3_5_c5_c1_1", ALWAYS, 0, G_NONE, 0, G_NONE, 0, 0 },
	{ "esr_el1", "s3_5_c5_c2_0", ALWAYS, 0, G_NONE, 0, G_NONE, 0, 0 },
	{ "far_el1", "s3_5_c6_c0_0", ALWAYS, 0, G_NONE, 0, G_NONE, 0, 0 },
	{ "mair_el1", "s3_5_c10_c2_0", ALWAYS, 0, G_NONE, 0, G_NONE, 0, 0 },
	{ "amair_el1", "s3_5_c10_c3_0", ALWAYS, 0, G_NONE, 0, G_NONE, 0, 0 },
	{ "vbar_el1", "s3_5_c12_c0_0", ALWAYS, 0, G_NONE, 0, G_NONE, 0, 0 },
	{ "contextidr_el1", "s3_5_c13_c0_1", ALWAYS, 0, G_NONE, 0, G_NONE, 0, 0 },
	{ "cntkctl_el1", "s3_5_c14_c1_0", ALWAYS, 0, G_NONE, 0, G_NONE, 0, 0 },
	{ "sp_el0", NULL, ALWAYS, 0, G_NONE, 0, G_NONE, 0, 0 },
	{ "sp_el1", NULL, ALWAYS, 0, G_NONE, 0, G_NONE, 0, 0 },
	{ "tpidr_el0", NULL, ALWAYS, 0, G_NONE, 0, G_NONE, 0, 0 },
	{ "tpidrro_el0", NULL, ALWAYS, 0, G_NONE, 0, G_NONE, 0, 0 },
	{ "tpidr_el1", NULL, ALWAYS, 0, G_NONE, 0, G_NONE, 0, 0 },
	{ "par_el1", NULL, ALWAYS, 0, G_NONE, 0, G_NONE, 0, 0 },
	{ "csselr_el1", NULL, ALWAYS, 0, G_NONE, 0, G_NONE, 0, 0 },
	{ "actlr_el1", NULL, ALWAYS, 0, G_HCR_SET, 21, G_NONE, 0, 0 },
	/* pointer authentication: APK */
	{ "s3_0_c2_c1_0", NULL, ID_ISAR1_APA, 1, G_HCR_CLEAR, 40, G_NONE, 0, 0 },
	{ "s3_0_c2_c1_1", NULL, ID_ISAR1_APA, 1, G_HCR_CLEAR, 40, G_NONE, 0, 0 },
	{ "s3_0_c2_c1_2", NULL, ID_ISAR1_APA, 1, G_HCR_CLEAR, 40, G_NONE, 0, 0 },
	{ "s3_0_c2_c1_3", NULL, ID_ISAR1_APA, 1, G_HCR_CLEAR, 40, G_NONE, 0, 0 },
	{ "s3_0_c2_c2_0", NULL, ID_ISAR1_APA, 1, G_HCR_CLEAR, 40, G_NONE, 0, 0 },
	{ "s3_0_c2_c2_1", NULL, ID_ISAR1_APA, 1, G_HCR_CLEAR, 40, G_NONE, 0, 0 },
	{ "s3_0_c2_c2_2", NULL, ID_ISAR1_APA, 1, G_HCR_CLEAR, 40, G_NONE, 0, 0 },
	{ "s3_0_c2_c2_3", NULL, ID_ISAR1_APA, 1, G_HCR_CLEAR, 40, G_NONE, 0, 0 },
	{ "s3_0_c2_c3_0", NULL, ID_ISAR1_APA, 1, G_HCR_CLEAR, 40, G_NONE, 0, 0 },
	{ "s3_0_c2_c3_1", NULL, ID_ISAR1_APA, 1, G_HCR_CLEAR, 40, G_NONE, 0, 0 },
	/* SCXTNUM_EL1, _EL0: EnSCXT */
	{ "s3_0_c13_c0_7", "s3_5_c13_c0_7", ID_PFR0_CSV2, 2, G_HCR_CLEAR, 53, G_NONE, 0, 0 },
	{ "s3_3_c13_c0_7", NULL, ID_PFR0_CSV2, 2, G_HCR_CLEAR, 53, G_NONE, 0, 0 },
	/* TFSR_EL1, TFSRE0_EL1, RGSR_EL1, GCR_EL1: ATA */
	{ "s3_0_c5_c6_0", "s3_5_c5_c6_0", ID_PFR1_MTE, 2, G_HCR_CLEAR, 56, G_NONE, 0, 0 },
	{ "s3_0_c5_c6_1", NULL, ID_PFR1_MTE, 2, G_HCR_CLEAR, 56, G_NONE, 0, 0 },
	{ "s3_0_c1_c0_5", NULL, ID_PFR1_MTE, 2, G_HCR_CLEAR, 56, G_NONE, 0, 0 },
	{ "s3_0_c1_c0_6", NULL, ID_PFR1_MTE, 2, G_HCR_CLEAR, 56, G_NONE, 0, 0 },
	/* ZCR_EL1; SMCR_EL1, SVCR, TPIDR2_EL0, SMPRI_EL1; FPMR */
	{ "s3_0_c1_c2_0", "s3_5_c1_c2_0", ID_PFR0_SVE, 1, G_CPTR_SVE, 0, G_NONE, 0, 0 },
	{ "s3_0_c1_c2_6", "s3_5_c1_c2_6", ID_PFR1_SME, 1, G_CPTR_SME, 0, G_NONE, 0, 0 },
	{ "s3_3_c4_c2_2", NULL, ID_PFR1_SME, 1, G_CPTR_SME, 0, G_NONE, 0, 1 },
	{ "s3_3_c13_c0_5", NULL, ID_PFR1_SME, 1, G_HFGR_CLEAR, 55, G_NONE, 0, 0 },
	{ "s3_0_c1_c2_4", NULL, ID_PFR1_SME, 1, G_HFGR_CLEAR, 54, G_CPTR_SME, 0, 0 },
	{ "s3_3_c4_c4_2", NULL, ID_PFR2_FPMR, 1, G_HCRX_CLEAR, 23, G_NONE, 0, 0 },
	/* TCR2_EL1, SCTLR2_EL1 */
	{ "s3_0_c2_c0_3", "s3_5_c2_c0_3", ID_MMFR3_TCRX, 1, G_HCRX_CLEAR, 14, G_NONE, 0, 0 },
	{ "s3_0_c1_c0_3", "s3_5_c1_c0_3", ID_MMFR3_SCTLRX, 1, G_HCRX_CLEAR, 15, G_NONE, 0, 0 },
	/* GCSCR_EL1, GCSPR_EL1, GCSCRE0_EL1, GCSPR_EL0 */
	{ "s3_0_c2_c5_0", "s3_5_c2_c5_0", ID_PFR1_GCS, 1, G_HCRX_CLEAR, 22, G_HFGR_CLEAR, 53, 0 },
	{ "s3_0_c2_c5_1", "s3_5_c2_c5_1", ID_PFR1_GCS, 1, G_HCRX_CLEAR, 22, G_HFGR_CLEAR, 53, 0 },
	{ "s3_0_c2_c5_2", NULL, ID_PFR1_GCS, 1, G_HCRX_CLEAR, 22, G_HFGR_CLEAR, 52, 0 },
	{ "s3_3_c2_c5_1", NULL, ID_PFR1_GCS, 1, G_HCRX_CLEAR, 22, G_HFGR_CLEAR, 52, 0 },
	/* PIR_EL1, PIRE0_EL1; POR_EL1, POR_EL0; MAIR2_EL1, AMAIR2_EL1 */
	{ "s3_0_c10_c2_3", "s3_5_c10_c2_3", ID_MMFR3_S1PIE, 1, G_HFGR_CLEAR, 58, G_NONE, 0, 0 },
	{ "s3_0_c10_c2_2", "s3_5_c10_c2_2", ID_MMFR3_S1PIE, 1, G_HFGR_CLEAR, 57, G_NONE, 0, 0 },
	{ "s3_0_c10_c2_4", "s3_5_c10_c2_4", ID_MMFR3_S1POE, 1, G_HFGR_CLEAR, 60, G_NONE, 0, 0 },
	{ "s3_3_c10_c2_4", NULL, ID_MMFR3_S1POE, 1, G_HFGR_CLEAR, 59, G_NONE, 0, 0 },
	{ "s3_0_c10_c2_1", "s3_5_c10_c2_1", ID_MMFR3_AIE, 1, G_HFGR_CLEAR, 62, G_NONE, 0, 0 },
	{ "s3_0_c10_c3_1", "s3_5_c10_c3_1", ID_MMFR3_AIE, 1, G_HFGR_CLEAR, 63, G_NONE, 0, 0 },
	/* RCWMASK_EL1, RCWSMASK_EL1; ACCDATA_EL1; PFAR_EL1 */
	{ "s3_0_c13_c0_6", NULL, ID_PFR1_THE, 1, G_HFGR_CLEAR, 56, G_NONE, 0, 0 },
	{ "s3_0_c13_c0_3", NULL, ID_PFR1_THE, 1, G_HFGR2_CLEAR, 2, G_NONE, 0, 0 },
	{ "s3_0_c13_c0_5", NULL, ID_ISAR1_LS64, 3, G_HFGR_CLEAR, 50, G_HCRX_CLEAR, 0, 0 },
	{ "s3_0_c6_c0_5", "s3_5_c6_c0_5", ID_PFR1_PFAR, 1, G_HFGR2_CLEAR, 0, G_NONE, 0, 0 },
	/* LORC_EL1; ERRSELR_EL1; AMUSERENR_EL0; TRCPRGCTLR; PMCR_EL0 */
	{ "s3_0_c10_c4_3", NULL, ID_MMFR1_LO, 1, G_HCR_SET, 35, G_NONE, 0, 0 },
	{ "s3_0_c5_c3_1", NULL, ID_PFR0_RAS, 1, G_HCR_SET, 36, G_NONE, 0, 0 },
	{ "s3_3_c13_c2_3", NULL, ID_PFR0_AMU, 1, G_CPTR_TAM, 0, G_NONE, 0, 0 },
	{ "s2_1_c0_c1_0", NULL, ID_DFR0_TraceVer, 1, G_CPTR_TTA, 0, G_NONE, 0, 0 },
	{ "s3_3_c9_c12_0", NULL, ID_DFR0_PMUVer, 1, G_MDCR_SET, 6, G_NONE, 0, 0 },
	/* PMUACR_EL1, PMSDSFR_EL1 */
	{ "s3_0_c9_c14_4", NULL, ID_DFR0_PMUVer, 9, G_HDFGR2_CLEAR, 4, G_NONE, 0, 0 },
	{ "s3_0_c9_c10_4", NULL, ID_DFR0_PMSVer, 4, G_HDFGR2_CLEAR, 19, G_NONE, 0, 0 },
	/* PMSCR_EL1, PMSFCR_EL1, PMBLIMITR_EL1, PMBPTR_EL1, PMBSR_EL1 */
	{ "s3_0_c9_c9_0", "s3_5_c9_c9_0", ID_DFR0_PMSVer, 1, G_MDCR_SET, 14, G_NONE, 0, 0 },
	{ "s3_0_c9_c9_4", NULL, ID_DFR0_PMSVer, 1, G_MDCR_SET, 14, G_NONE, 0, 0 },
	{ "s3_0_c9_c10_0", NULL, ID_DFR0_PMSVer, 1, G_MDCR_OWNER, 12, G_NONE, 0, 1 },
	{ "s3_0_c9_c10_1", NULL, ID_DFR0_PMSVer, 1, G_MDCR_OWNER, 12, G_NONE, 0, 0 },
	{ "s3_0_c9_c10_3", NULL, ID_DFR0_PMSVer, 1, G_MDCR_OWNER, 12, G_NONE, 0, 0 },
	/* TRBLIMITR_EL1 (E, XE), TRBPTR_EL1, TRBBASER_EL1, TRBSR_EL1; TRFCR_EL1; BRBCR_EL1 */
	{ "s3_0_c9_c11_0", NULL, ID_DFR0_TraceBuffer, 1, G_MDCR_OWNER, 24, G_NONE, 0, 0x41 },
	{ "s3_0_c9_c11_1", NULL, ID_DFR0_TraceBuffer, 1, G_MDCR_OWNER, 24, G_NONE, 0, 0 },
	{ "s3_0_c9_c11_2", NULL, ID_DFR0_TraceBuffer, 1, G_MDCR_OWNER, 24, G_NONE, 0, 0 },
	{ "s3_0_c9_c11_3", NULL, ID_DFR0_TraceBuffer, 1, G_MDCR_OWNER, 24, G_NONE, 0, 0 },
	{ "s3_0_c1_c2_1", "s3_5_c1_c2_1", ID_DFR0_TraceFilt, 1, G_MDCR_SET, 19, G_NONE, 0, 3 },
	{ "s2_1_c9_c0_0", "s2_5_c9_c0_0", ID_DFR0_BRBE, 1, G_HDFGR_CLEAR, 60, G_NONE, 0, 3 },
	/* MPAM1_EL1, MPAM0_EL1 */
	{ "s3_0_c10_c5_0", "s3_5_c10_c5_0", ID_PFR0_MPAM, 1, G_MPAM_SET, 49, G_NONE, 0, 0 },
	{ "s3_0_c10_c5_1", NULL, ID_PFR0_MPAM, 1, G_MPAM_SET, 48, G_NONE, 0, 0 },
};

/* EL2's own: there if the field is at least @min; @known: reset or the test gives it a value. */
static const struct control {
	const char *name;
	u16 field;
	u8 min;
	bool known;
} controls[] = {
	{ "cptr_el2", ALWAYS, 0, false },
	{ "mdcr_el2", ALWAYS, 0, false },
	{ "cnthctl_el2", ALWAYS, 0, false },
	{ "cntvoff_el2", ALWAYS, 0, false },
	{ "vtcr_el2", ALWAYS, 0, false },
	{ "vttbr_el2", ALWAYS, 0, false },
	{ "vpidr_el2", ALWAYS, 0, false },
	{ "vmpidr_el2", ALWAYS, 0, false },
	{ "hstr_el2", ALWAYS, 0, false },
	{ "actlr_el2", ALWAYS, 0, false },
	{ "cnthp_ctl_el2", ALWAYS, 0, false },
	{ "elr_el2", ALWAYS, 0, true },
	{ "spsr_el2", ALWAYS, 0, true },
	{ "esr_el2", ALWAYS, 0, true },
	{ "far_el2", ALWAYS, 0, true },
	{ "hpfar_el2", ALWAYS, 0, true },
	{ "midr_el1", ALWAYS, 0, true },
	{ "mpidr_el1", ALWAYS, 0, true },
	{ "s3_4_c1_c2_0", ID_PFR0_SVE, 1, false },  /* ZCR_EL2 */
	{ "s3_4_c1_c2_6", ID_PFR1_SME, 1, false },  /* SMCR_EL2 */
	{ "s3_4_c1_c2_2", ID_MMFR1_HCX, 1, false }, /* HCRX_EL2 */
	{ "s3_4_c14_c3_1", ID_MMFR1_VH, 1, false }, /* CNTHV_CTL_EL2 */
	{ "s3_4_c1_c1_4", ID_MMFR0_FGT, 1, false }, /* HFGRTR_EL2, HFGWTR_EL2, HFGITR_EL2 */
	{ "s3_4_c1_c1_5", ID_MMFR0_FGT, 1, false },
	{ "s3_4_c1_c1_6", ID_MMFR0_FGT, 1, false },
	{ "s3_4_c3_c1_4", ID_MMFR0_FGT, 1, false }, /* HDFGRTR_EL2, HDFGWTR_EL2 */
	{ "s3_4_c3_c1_5", ID_MMFR0_FGT, 1, false },
	{ "s3_4_c3_c1_6", ID_PFR0_AMU, 1, false },  /* HAFGRTR_EL2 */
	{ "s3_4_c3_c1_0", ID_MMFR0_FGT, 2, false }, /* HDFGRTR2_EL2, HDFGWTR2_EL2 */
	{ "s3_4_c3_c1_1", ID_MMFR0_FGT, 2, false },
	{ "s3_4_c3_c1_2", ID_MMFR0_FGT, 2, false }, /* HFGRTR2_EL2, HFGWTR2_EL2, HFGITR2_EL2 */
	{ "s3_4_c3_c1_3", ID_MMFR0_FGT, 2, false },
	{ "s3_4_c3_c1_7", ID_MMFR0_FGT, 2, false },
	{ "s3_4_c12_c9_5", ID_PFR0_GIC, 1, false }, /* ICC_SRE_EL2, ICH_HCR_EL2 */
	{ "s3_4_c12_c11_0", ID_PFR0_GIC, 1, false },
	{ "isr_el1", ALWAYS, 0, true },
	{ "s3_4_c12_c1_1", ID_PFR0_RAS, 1, false }, /* VDISR_EL2; DISR_EL1 */
	{ "s3_0_c12_c1_1", ID_PFR0_RAS, 1, true },
	{ "s3_4_c10_c5_0", ID_PFR0_MPAM, 1, false }, /* MPAM2_EL2, MPAMIDR_EL1 */
	{ "s3_0_c10_c4_4", ID_PFR0_MPAM, 1, true },
	{ "s3_4_c9_c9_0", ID_DFR0_PMSVer, 1,
	  false }, /* PMSCR_EL2; PMBIDR_EL1, PMSIDR_EL1, PMSEVFR_EL1 */
	{ "s3_0_c9_c10_7", ID_DFR0_PMSVer, 1, true },
	{ "s3_0_c9_c9_7", ID_DFR0_PMSVer, 1, true },
	{ "s3_0_c9_c9_5", ID_DFR0_PMSVer, 1, true },
	{ "s3_0_c9_c11_7", ID_DFR0_TraceBuffer, 1, true }, /* TRBIDR_EL1 */
	{ "s3_4_c1_c2_1", ID_DFR0_TraceFilt, 1, false },   /* TRFCR_EL2 */
	{ "s2_4_c9_c0_0", ID_DFR0_BRBE, 1, false },	   /* BRBCR_EL2 */
};

static const char *const id_names[ID_REG_COUNT] = {
	"id_aa64pfr0_el1", "id_aa64pfr1_el1",  "s3_0_c0_c4_2",	   "id_aa64dfr0_el1",
	"id_aa64dfr1_el1", "id_aa64isar0_el1", "id_aa64isar1_el1", "s3_0_c0_c6_2",
	"s3_0_c0_c6_3",	   "id_aa64mmfr0_el1", "id_aa64mmfr1_el1", "s3_0_c0_c7_2",
	"s3_0_c0_c7_3",	   "s3_0_c0_c7_4",     "s3_0_c0_c4_4",	   "s3_0_c0_c4_5",
	"ctr_el0",	   "dczid_el0",	       "midr_el1",
};

static struct {
	struct cpu_id_regs id;
	u64 host[ARRAY_SIZE(rows)], guest[ARRAY_SIZE(rows)];
	bool wrote[ARRAY_SIZE(rows)];
	u64 control[ARRAY_SIZE(controls)], hcr;
	u64 vectors;
	bool psb, tsb, psb_done, tsb_done;
} m;

static bool there(u16 field, u8 min)
{
	return field == ALWAYS || cpu_id_field(&m.id, (enum id_field)field) >= min;
}

static const char *name_of(const struct row *row)
{
	return row->el12 && e2h() ? row->el12 : row->name;
}

static bool reachable(const struct row *row)
{
	return !gate_closed((enum gate)row->gate, row->bit) &&
	       !gate_closed((enum gate)row->gate2, row->bit2);
}

/* ---- CPUs ---- */

static void at_least(struct cpu_id_regs *id, enum id_field field, u64 min)
{
	const struct id_field_desc *d = id_field_desc(field);
	u64 mask = GENMASK(d->width - 1, 0) << d->shift;

	if (cpu_id_field(id, field) < (s64)min)
		id->reg[d->reg] = (id->reg[d->reg] & ~mask) | min << d->shift;
}

void owner_model_complete(struct cpu_id_regs *id)
{
	static const struct {
		u16 field;
		u8 min;
		u16 needs;
		u8 value;
	} needs[] = {
		{ ID_MMFR3_S1POE, 1, ID_MMFR3_TCRX, 1 },
		{ ID_MMFR3_S1PIE, 1, ID_MMFR3_TCRX, 1 },
		{ ID_MMFR3_AIE, 1, ID_MMFR3_TCRX, 1 },
		{ ID_PFR1_THE, 1, ID_MMFR0_FGT, 2 },
		{ ID_PFR1_PFAR, 1, ID_MMFR0_FGT, 2 },
		{ ID_DFR0_PMUVer, 9, ID_MMFR0_FGT, 2 },
		{ ID_DFR0_PMSVer, 4, ID_MMFR0_FGT, 2 },
		{ ID_MMFR3_TCRX, 1, ID_MMFR1_HCX, 1 },
		{ ID_MMFR3_TCRX, 1, ID_MMFR0_FGT, 1 },
		{ ID_MMFR3_SCTLRX, 1, ID_MMFR1_HCX, 1 },
		{ ID_PFR1_GCS, 1, ID_MMFR1_HCX, 1 },
		{ ID_PFR1_GCS, 1, ID_MMFR0_FGT, 1 },
		{ ID_PFR1_SME, 1, ID_MMFR0_FGT, 1 },
		{ ID_PFR1_SME, 1, ID_MMFR1_HCX, 1 },
		{ ID_PFR2_FPMR, 1, ID_MMFR1_HCX, 1 },
		{ ID_ISAR1_LS64, 1, ID_MMFR1_HCX, 1 },
		{ ID_ISAR1_LS64, 3, ID_MMFR0_FGT, 1 },
		{ ID_DFR0_BRBE, 1, ID_MMFR0_FGT, 1 },
		{ ID_PFR0_AMU, 1, ID_MMFR0_FGT, 1 }, /* not the architecture's: HAFGRTR_EL2 */
		{ ID_DFR0_TraceBuffer, 1, ID_DFR0_TraceFilt, 1 },
		{ ID_DFR0_TraceFilt, 1, ID_DFR0_TraceVer, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(needs); i++)
		if (cpu_id_field(id, (enum id_field)needs[i].field) >= needs[i].min)
			at_least(id, (enum id_field)needs[i].needs, needs[i].value);
}

/* ---- what happens at EL2 ---- */

static bool on(const char *reg, u64 bits)
{
	return fake_sysreg_exists(reg) && (fake_sysreg_get(reg) & bits);
}

#define PMBLIMITR "s3_0_c9_c10_0"
#define TRBLIMITR "s3_0_c9_c11_0"
#define SVCR	  "s3_3_c4_c2_2"

/* Whom a buffer belongs to, and what its addresses go by (D6.3, D17). */
static bool is_context(const char *name)
{
	static const char *const names[] = { "vttbr_el2",    "vtcr_el2",     "hcr_el2",
					     "mdcr_el2",     "ttbr0_el1",    "ttbr1_el1",
					     "tcr_el1",	     "sctlr_el1",    "mair_el1",
					     "s3_5_c2_c0_0", "s3_5_c2_c0_1", "s3_5_c2_c0_2",
					     "s3_5_c1_c0_0", "s3_5_c10_c2_0" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

static void buffer_write(const char *name, u64 value, u64 bits, bool drained, const char *what)
{
	if (on(name, bits) && !(value & bits) && !drained)
		fail_msg("%s goes off before it is written out", what);
	if (on(name, bits) && (value & bits))
		fail_msg("%s is on, and is written", what);
}

static void watch_access(const char *name, bool write, u64 value)
{
	if (!strcmp(name, SVCR) || !strcmp(name, "s3_0_c1_c2_6")) {
		if (owner_model_trapped(OWNER_SME))
			fail_msg("%s at EL2 while CPTR_EL2 traps SME", name);
		if (write && !strcmp(name, SVCR) && ((value ^ fake_sysreg_get(SVCR)) & 1)) {
			m.vectors = 0;
			if (fake_sysreg_exists("s3_3_c4_c4_2"))
				fake_sysreg_set("s3_3_c4_c4_2", 0);
		}
	}
	if (!write)
		return;
	if (is_context(name) && fake_sysreg_exists(name)) {
		if (on(PMBLIMITR, 1))
			fail_msg("%s changes while the profiling buffer is on", name);
		if (on(TRBLIMITR, 0x41))
			fail_msg("%s changes while the trace buffer is on", name);
	}
	if (!strcmp(name, PMBLIMITR))
		buffer_write(name, value, 1, m.psb_done, "the profiling buffer");
	if (!strcmp(name, TRBLIMITR))
		buffer_write(name, value, 0x41, m.tsb_done, "the trace buffer");
}

/* A CSYNC counts when a DSB behind it completes; and until the host or a guest runs. */
static void watch_barrier(const char *what)
{
	if (!strcmp(what, "psb csync"))
		m.psb = true;
	if (!strcmp(what, "tsb csync"))
		m.tsb = true;
	if (!strncmp(what, "dsb", 3)) {
		m.psb_done |= m.psb;
		m.tsb_done |= m.tsb;
	}
}

/* EL1 has run: there may be more to write. */
static void undrained(void)
{
	m.psb = m.tsb = m.psb_done = m.tsb_done = false;
}

static bool keeps_fa64; /* SMCR_EL3.FA64 is 0 */

void owner_model_keep_fa64(bool keep)
{
	keeps_fa64 = keep;
}

static bool fa64(void)
{
	return cpu_id_field(&m.id, ID_SMFR0_FA64) && !keeps_fa64;
}

bool sve_has_ffr(void)
{
	if (!owner_model_streaming())
		fail_msg("FFR is tried out of Streaming SVE mode");
	if (owner_model_trapped(OWNER_FP) || owner_model_trapped(OWNER_SME))
		fail_msg("FFR is tried while CPTR_EL2 traps SME");
	return fa64();
}

static void check_vectors_usable(bool sve, bool ffr)
{
	bool sm = owner_model_streaming();

	if (owner_model_trapped(OWNER_FP))
		fail_msg("FP at EL2 while CPTR_EL2 traps it");
	if (!sve && sm)
		fail_msg("FP at EL2 in Streaming SVE mode: it does not reach all of the vectors");
	if (!sve)
		return;
	if (sm && owner_model_trapped(OWNER_SME))
		fail_msg("SVE at EL2 in Streaming SVE mode while CPTR_EL2 traps SME");
	if (sm && ffr && !fa64())
		fail_msg("FFR in Streaming SVE mode without FEAT_SME_FA64");
	if (sm && !ffr && fa64())
		fail_msg("FFR of Streaming SVE mode is forgotten");
	if (!sm && cpu_id_field(&m.id, ID_PFR0_SVE) < 1)
		fail_msg("SVE at EL2 on a CPU without it");
	if (!sm && owner_model_trapped(OWNER_SVE))
		fail_msg("SVE at EL2 while CPTR_EL2 traps it");
	if (!sm && !ffr)
		fail_msg("FFR is forgotten");
}

void fpsimd_save(struct vcpu_fpstate *state)
{
	check_vectors_usable(false, false);
	if (cpu_id_field(&m.id, ID_PFR0_SVE) >= 1 && m.vectors & BIT(63))
		fail_msg("the host's vectors are saved as V registers");
	memcpy(state->v, &m.vectors, sizeof(m.vectors));
}

void fpsimd_restore(const struct vcpu_fpstate *state)
{
	check_vectors_usable(false, false);
	memcpy(&m.vectors, state->v, sizeof(m.vectors));
}

void sve_save(struct vcpu_fpstate *state, bool ffr)
{
	check_vectors_usable(true, ffr);
	memcpy(state->z, &m.vectors, sizeof(m.vectors));
}

void sve_restore(const struct vcpu_fpstate *state, bool ffr)
{
	check_vectors_usable(true, ffr);
	memcpy(&m.vectors, state->z, sizeof(m.vectors));
}

unsigned int sve_vq(void)
{
	if (owner_model_streaming() || owner_model_trapped(OWNER_SVE))
		fail_msg("RDVL at EL2 while it traps");
	return (unsigned int)MIN(fake_sysreg_get("s3_4_c1_c2_0") & 0xf, 3) + 1;
}

u64 owner_model_vectors(void)
{
	return m.vectors;
}

void owner_model_set_vectors(u64 value)
{
	m.vectors = value;
}

bool owner_model_streaming(void)
{
	return on(SVCR, 1);
}

/* The host writes a register of its own, if it has it. */
static void host_sets(const char *name, u64 value)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(rows[i].name, name) && there(rows[i].field, rows[i].min)) {
			m.host[i] = value;
			fake_sysreg_set(name_of(&rows[i]), value);
		}
}

void owner_model_set_streaming(bool to)
{
	if (owner_model_streaming() == to)
		return;
	host_sets(SVCR, (fake_sysreg_get(SVCR) & ~1ULL) | to);
	m.vectors = 0;
	host_sets("s3_3_c4_c4_2", 0);
}

/* ---- turns ---- */

void owner_model_make(const struct cpu_id_regs *id, bool with_e2h)
{
	memset(&m, 0, sizeof(m));
	m.id = *id;
	fake_sysreg_reset();
	for (size_t i = 0; i < ID_REG_COUNT; i++)
		fake_sysreg_set(id_names[i], id->reg[i]);
	fake_sysreg_set("hcr_el2", BIT(31) | (with_e2h ? HCR_E2H : 0));
	for (size_t i = 0; i < ARRAY_SIZE(controls); i++) {
		if (!there(controls[i].field, controls[i].min))
			continue;
		if (controls[i].known)
			fake_sysreg_set(controls[i].name, 0);
		else
			fake_sysreg_allow(controls[i].name);
	}
	/* EL1's have values of some kind; none is at work after reset. */
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (there(rows[i].field, rows[i].min))
			fake_sysreg_set(name_of(&rows[i]), 0);
	/* what the profiling unit has besides */
	if (there(ID_DFR0_PMSVer, 1))
		for (unsigned int op2 = 1; op2 < 7; op2++) {
			char name[32];

			snprintf(name, sizeof(name), "s3_0_c9_c9_%u", op2);
			fake_sysreg_set(name, 0);
		}
	fake_sysreg_set("cptr_el2", with_e2h ? 0x3330000 : 0); /* as boot code leaves it: open */
	fake_sysreg_watch = watch_access;
	fake_barrier_watch = watch_barrier;
}

void owner_model_host_begins(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!there(rows[i].field, rows[i].min))
			continue;
		m.host[i] = (0x1000 + i * 0x100) & ~(u64)0xff;
		fake_sysreg_set(name_of(&rows[i]), m.host[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(controls); i++)
		if (!controls[i].known && there(controls[i].field, controls[i].min) &&
		    (fake_sysreg_writes(controls[i].name) || i == 0))
			m.control[i] = fake_sysreg_get(controls[i].name);
	m.hcr = fake_sysreg_get("hcr_el2");
	undrained();
}

static void start(const char *name, u64 bits)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(rows[i].name, name) && there(rows[i].field, rows[i].min)) {
			m.host[i] |= bits;
			fake_sysreg_set(name_of(&rows[i]), m.host[i]);
		}
}

static void check_owner(unsigned int shift, const char *what)
{
	if (!(fake_sysreg_get("mdcr_el2") >> (shift + 1) & 1))
		fail_msg("%s is EL2's", what);
}

void owner_model_host_starts(const struct owner_host *host)
{
	if (host->profiles)
		start(PMBLIMITR, 1);
	if (host->traces)
		start(TRBLIMITR, 1);
	if (host->filter)
		start("s3_0_c1_c2_1", 3);
	if (host->branches)
		start("s2_1_c9_c0_0", 3);
	if (host->streams)
		start(SVCR, 1);
}

static void check_host_value(size_t i, const char *what)
{
	const char *name = name_of(&rows[i]);

	if (fake_sysreg_get(name) != m.host[i])
		fail_msg("%s: %s (%s) is %#llx in the host, and was %#llx", what, rows[i].name,
			 name, (unsigned long long)fake_sysreg_get(name),
			 (unsigned long long)m.host[i]);
}

static void check_host_controls(const char *what)
{
	for (size_t i = 1; i < ARRAY_SIZE(controls); i++) /* not CPTR_EL2: FP is given back later */
		if (m.control[i] && !controls[i].known &&
		    fake_sysreg_get(controls[i].name) != m.control[i])
			fail_msg("%s: %s is %#llx in the host, and was %#llx", what,
				 controls[i].name,
				 (unsigned long long)fake_sysreg_get(controls[i].name),
				 (unsigned long long)m.control[i]);
	assert_int_equal(fake_sysreg_get("hcr_el2"), m.hcr);
}

void owner_model_host_ends(const char *what)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (there(rows[i].field, rows[i].min))
			check_host_value(i, what);
	check_host_controls(what);
	if (there(ID_DFR0_PMSVer, 1))
		check_owner(12, "the profiling buffer");
	if (there(ID_DFR0_TraceBuffer, 1))
		check_owner(24, "the trace buffer");
	undrained();
}

static void check_guest_register(size_t i, unsigned int run)
{
	const char *name = name_of(&rows[i]);
	u64 value = fake_sysreg_get(name);

	if (value & rows[i].live)
		fail_msg("run %u: %s (%s) of the host is at work in the guest: %#llx", run,
			 rows[i].name, name, (unsigned long long)value);
	if (!reachable(&rows[i]))
		return;
	if (value == m.host[i] && value)
		fail_msg("run %u: the guest can reach %s (%s), which has the host's value", run,
			 rows[i].name, name);
	if (m.wrote[i] && value != m.guest[i])
		fail_msg("run %u: %s (%s) is %#llx, and the guest left %#llx", run, rows[i].name,
			 name, (unsigned long long)value, (unsigned long long)m.guest[i]);
	m.guest[i] = 0x100000ULL * (run + 1) + i * 0x100;
	m.wrote[i] = true;
	fake_sysreg_set(name, m.guest[i]);
}

void owner_model_guest(unsigned int run)
{
	if (there(ID_DFR0_PMSVer, 1))
		check_owner(12, "the profiling buffer");
	if (there(ID_DFR0_TraceBuffer, 1))
		check_owner(24, "the trace buffer");
	if (owner_model_streaming())
		fail_msg("run %u: the guest is in Streaming SVE mode", run);
	if (!owner_model_trapped(OWNER_FP) && m.vectors & BIT(63))
		fail_msg("run %u: the guest can reach the host's vectors", run);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (there(rows[i].field, rows[i].min))
			check_guest_register(i, run);
	undrained();
}
