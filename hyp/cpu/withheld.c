// SPDX-License-Identifier: BSD-2-Clause
/*
 * What EL3 withholds from EL2: see withheld.h. The controls are fields of SCR_EL3, CPTR_EL3,
 * MDCR_EL3, MPAM3_EL3 and ICC_SRE_EL3 (ARM DDI 0487).
 *
 * For each control one register is read, at EL2. If EL3 withholds it, firmware reflects the trap as
 * an UNDEFINED exception, for which the exception table has a row. The table below names the ID
 * register fields that cannot be offered without a control.
 */
#include <arch/barrier.h>
#include <arch/el1.h>
#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <cpu/spe_fields.h>
#include <cpu/withheld.h>

/* One register for each control: reading it shows whether EL3 withholds all that it controls. */
#define TRY(name, reg)                               \
	static bool name##_answers(void)             \
	{                                            \
		u64 value;                           \
                                                     \
		return try_read_sysreg(reg, &value); \
	}

TRY(hcrx, ASM_REG(HCRX_EL2))
TRY(fgt, ASM_REG(HFGRTR_EL2))
TRY(fgt2, ASM_REG(HFGRTR2_EL2))
TRY(tcr2, ASM_REG(TCR2_EL2))
TRY(sctlr2, ASM_REG(SCTLR2_EL2))
TRY(pie, ASM_REG(PIR_EL2))
TRY(gcs, ASM_REG(GCSCRE0_EL1))
TRY(zcr, ASM_REG(ZCR_EL2))
TRY(smcr, ASM_REG(SMCR_EL2))
TRY(fpmr, ASM_REG(FPMR))
TRY(gcr, ASM_REG(GCR_EL1))
TRY(pauth, ASM_REG(APIAKEYLO_EL1))
TRY(rng, ASM_REG(RNDRRS))
TRY(mpamidr, ASM_REG(MPAMIDR_EL1))
TRY(mpam2, ASM_REG(MPAM2_EL2))
TRY(pmu, ASM_REG(PMCR_EL0))
TRY(pmscr, ASM_REG(PMSCR_EL2))
TRY(pmsnevfr, ASM_REG(PMSNEVFR_EL1))
TRY(sre, ASM_REG(ICC_SRE_EL2))

static bool mpam_answers(void)
{
	return mpamidr_answers() && mpam2_answers();
}

/* PMBIDR_EL1 can always be read. If it says that EL3 owns the buffer, nothing else is accessed. */
static bool is_el3s_buffer(void)
{
	return read_sysreg(ASM_REG(PMBIDR_EL1)) & PMBIDR_P;
}

static bool spe_answers(void)
{
	return is_el3s_buffer() || pmscr_answers();
}

static bool spe1p2_answers(void)
{
	return is_el3s_buffer() || pmsnevfr_answers();
}

enum {
	HCRX,
	FGT,
	FGT2,
	TCR2,
	SCTLR2,
	PIE,
	GCS,
	SVE,
	SME,
	FPMR,
	MTE,
	PAUTH,
	RNG,
	MPAM,
	PMU,
	SPE,
	SPE1P2,
	GIC,
	COUNT
};

/* The register that is read, and EL3's control. */
static const struct probe {
	bool (*answers)(void);
	char name[16];
} probes[COUNT] = {
	[HCRX] = { hcrx_answers, "HCRX_EL2" },	       /* SCR_EL3.HXEn */
	[FGT] = { fgt_answers, "HFGRTR_EL2" },	       /* SCR_EL3.FGTEn */
	[FGT2] = { fgt2_answers, "HFGRTR2_EL2" },      /* SCR_EL3.FGTEn2 */
	[TCR2] = { tcr2_answers, "TCR2_EL2" },	       /* SCR_EL3.TCR2En */
	[SCTLR2] = { sctlr2_answers, "SCTLR2_EL2" },   /* SCR_EL3.SCTLR2En */
	[PIE] = { pie_answers, "PIR_EL2" },	       /* SCR_EL3.PIEn */
	[GCS] = { gcs_answers, "GCSCRE0_EL1" },	       /* SCR_EL3.GCSEn */
	[SVE] = { zcr_answers, "ZCR_EL2" },	       /* CPTR_EL3.EZ */
	[SME] = { smcr_answers, "SMCR_EL2" },	       /* CPTR_EL3.ESM */
	[FPMR] = { fpmr_answers, "FPMR" },	       /* SCR_EL3.EnFPM */
	[MTE] = { gcr_answers, "GCR_EL1" },	       /* SCR_EL3.ATA */
	[PAUTH] = { pauth_answers, "APIAKeyLo_EL1" },  /* SCR_EL3.APK */
	[RNG] = { rng_answers, "RNDRRS" },	       /* SCR_EL3.TRNDR */
	[MPAM] = { mpam_answers, "MPAM2_EL2" },	       /* MPAM3_EL3.TRAPLOWER */
	[PMU] = { pmu_answers, "PMCR_EL0" },	       /* MDCR_EL3.TPM */
	[SPE] = { spe_answers, "PMSCR_EL2" },	       /* MDCR_EL3.NSPB */
	[SPE1P2] = { spe1p2_answers, "PMSNEVFR_EL1" }, /* MDCR_EL3.EnPMSN */
	[GIC] = { sre_answers, "ICC_SRE_EL2" },	       /* ICC_SRE_EL3.Enable */
};

STATIC_ASSERT(COUNT <= 32, "a set is 32 bits");

/*
 * What there is not without it: what it controls; what is enabled by bits that count as zero; and
 * what of the host's a guest could write, since the trap is not there. @most: what is left of the
 * field. A register is tried if there is something to lose; the first row of each must be had.
 */
static const struct loss {
	u8 probe;
	u8 most;
	u16 field; /* enum id_field */
} losses[] = {
	{ HCRX, 0, ID_MMFR1_HCX },	{ HCRX, 0, ID_MMFR3_TCRX }, /* TCR2En */
	{ HCRX, 0, ID_MMFR3_SCTLRX },				    /* SCTLR2En */
	{ HCRX, 0, ID_ISAR1_LS64 },				    /* EnALS, EnASR, EnAS0 */
	{ HCRX, 0, ID_ISAR2_MOPS },				    /* MSCEn */
	{ HCRX, 0, ID_ISAR3_PACM },				    /* PACMEn */
	{ HCRX, 0, ID_PFR2_FPMR },				    /* EnFPM */
	{ HCRX, 0, ID_PFR1_GCS },				    /* GCSEn */
	{ HCRX, 0, ID_PFR1_NMI },				    /* TALLINT */
	{ HCRX, 0, ID_MMFR3_S1PIE }, /* by TCR2_EL1, as are the next ones */
	{ HCRX, 0, ID_MMFR3_S1POE },	{ HCRX, 0, ID_MMFR3_AIE },
	{ HCRX, 0, ID_PFR1_THE },	{ HCRX, 0, ID_MMFR4_ASID2 },

	{ FGT, 0, ID_MMFR0_FGT },	{ FGT, 0, ID_MMFR3_S1PIE }, /* nPIR_EL1, nPIRE0_EL1 */
	{ FGT, 0, ID_MMFR3_S1POE },				    /* nPOR_EL1, nPOR_EL0 */
	{ FGT, 0, ID_MMFR3_AIE },				    /* nMAIR2_EL1, nAMAIR2_EL1 */
	{ FGT, 0, ID_PFR1_THE },				    /* nRCWMASK_EL1 */
	{ FGT, 0, ID_PFR1_SME },				    /* nTPIDR2_EL0 */
	{ FGT, 0, ID_DFR0_BRBE },				    /* nBRB... */
	{ FGT, 0, ID_PFR1_PFAR }, /* FEAT_FGT2's are gone as well */
	{ FGT, 0, ID_MMFR4_PoPS },	{ FGT, 2, ID_ISAR1_LS64 }, /* nACCDATA_EL1 */
	{ FGT, 2, ID_DFR0_PMSVer },				   /* nPMSNEVFR_EL1 */
	{ FGT, 8, ID_DFR0_PMUVer },

	{ FGT2, 1, ID_MMFR0_FGT },	{ FGT2, 0, ID_PFR1_THE }, /* nRCWSMASK_EL1 */
	{ FGT2, 0, ID_PFR1_PFAR },				  /* nPFAR_EL1 */
	{ FGT2, 0, ID_MMFR4_PoPS },				  /* nDCCIVAPS */
	{ FGT2, 8, ID_DFR0_PMUVer },				  /* nPMUACR_EL1 */

	{ TCR2, 0, ID_MMFR3_TCRX },	{ TCR2, 0, ID_MMFR3_S1PIE },
	{ TCR2, 0, ID_MMFR3_S1POE },	{ TCR2, 0, ID_MMFR3_AIE },
	{ TCR2, 0, ID_PFR1_THE },	{ TCR2, 0, ID_MMFR4_ASID2 },
	{ SCTLR2, 0, ID_MMFR3_SCTLRX }, { PIE, 0, ID_MMFR3_S1PIE },
	{ PIE, 0, ID_MMFR3_S1POE }, /* PIEn is about POR_EL0 and POR_EL1 too */
	{ GCS, 0, ID_PFR1_GCS },

	{ SVE, 0, ID_PFR0_SVE },	{ SME, 0, ID_PFR1_SME },
	{ FPMR, 0, ID_PFR2_FPMR },	{ MTE, 1, ID_PFR1_MTE }, /* instructions alone */
	{ MTE, 0, ID_PFR1_MTEX },	{ PAUTH, 0, ID_ISAR1_APA },
	{ PAUTH, 0, ID_ISAR1_API },	{ PAUTH, 0, ID_ISAR1_GPA },
	{ PAUTH, 0, ID_ISAR1_GPI },	{ PAUTH, 0, ID_ISAR2_APA3 },
	{ PAUTH, 0, ID_ISAR2_GPA3 },	{ RNG, 0, ID_ISAR0_RNDR },
	{ MPAM, 0, ID_PFR0_MPAM },	{ MPAM, 0, ID_PFR1_MPAM_frac },
	{ PMU, 0, ID_DFR0_PMUVer },	{ SPE, 0, ID_DFR0_PMSVer },
	{ SPE1P2, 2, ID_DFR0_PMSVer },	{ GIC, 0, ID_PFR0_GIC },
};

static bool has_more(const struct cpu_id_regs *id, const struct loss *loss)
{
	return cpu_id_field(id, (enum id_field)loss->field) > loss->most;
}

/*
 * Whether the CPU has the register. These controls are one field's each, but for two features that
 * show in several.
 */
static bool has_register(const struct cpu_id_regs *id, unsigned int probe)
{
	size_t i;

	for (i = 0; losses[i].probe != probe; i++)
		;
	if (probe != PAUTH && probe != MPAM)
		return has_more(id, &losses[i]);
	for (; i < ARRAY_SIZE(losses) && losses[i].probe == probe; i++)
		if (has_more(id, &losses[i]))
			return true;
	return false;
}

/* EL2's own accesses to what belongs to FP, SVE and SME go by CPTR_EL2, too: nothing traps. */
static u64 cptr_open(const struct cpu_id_regs *id)
{
	bool sve = cpu_id_field(id, ID_PFR0_SVE) >= 1, sme = cpu_id_field(id, ID_PFR1_SME) >= 1;

	if (el2_is_e2h())
		return CPACR_FPEN | (sve ? CPACR_ZEN : 0) | (sme ? CPACR_SMEN : 0);
	return CPTR_RES1 | (sve ? 0 : CPTR_TZ) | (sme ? 0 : CPTR_TSM);
}

u32 withheld_probe(const struct cpu_id_regs *id)
{
	u64 cptr = read_sysreg(cptr_el2);
	u32 withheld = 0;

	write_sysreg(cptr_open(id), cptr_el2);
	isb();
	for (unsigned int i = 0; i < COUNT; i++)
		if (has_register(id, i) && !probes[i].answers())
			withheld |= (u32)BIT(i);
	write_sysreg(cptr, cptr_el2);
	isb();
	return withheld;
}

void withheld_clear(struct cpu_id_regs *id, u32 withheld)
{
	for (size_t i = 0; withheld && i < ARRAY_SIZE(losses); i++) {
		const struct id_field_desc *desc = id_field_desc((enum id_field)losses[i].field);

		if (!(withheld & BIT(losses[i].probe)) || !has_more(id, &losses[i]))
			continue;
		id->reg[desc->reg] &= ~(GENMASK(desc->width - 1, 0) << desc->shift);
		id->reg[desc->reg] |= (u64)losses[i].most << desc->shift;
	}
}

const char *withheld_name(u32 withheld)
{
	unsigned int i = 0;

	while (!(withheld & BIT(i)))
		i++;
	return probes[i].name;
}
