// SPDX-License-Identifier: BSD-2-Clause
/* The host's features as an allow-list: host_features.h. References are to ARM DDI 0487. */
#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <cpu/withheld.h>
#include <host/host_features.h>

/*
 * The host reads a field as the CPU has it, but at most as @most, in the field's own order: the
 * newest value of which Keel knows the state and the controls.
 */
struct host_row {
	u16 field; /* enum id_field */
	s8 most;
};

#define ANY 127

/* In the order of registers, for limited_reg()'s search. */
static const struct host_row rows[] = {
	{ ID_PFR0_EL0, 2 },	     { ID_PFR0_EL1, 2 },	 { ID_PFR0_EL3, 2 },
	{ ID_PFR0_FP, ANY },	     { ID_PFR0_AdvSIMD, ANY },	 { ID_PFR0_GIC, 3 },
	{ ID_PFR0_RAS, 1 },	     { ID_PFR0_SVE, 1 },	 { ID_PFR0_MPAM, 1 },
	{ ID_PFR0_AMU, 2 },	     { ID_PFR0_DIT, 1 },	 { ID_PFR0_CSV2, 3 },
	{ ID_PFR0_CSV3, 1 },	     { ID_PFR1_BT, 1 },		 { ID_PFR1_SSBS, 2 },
	{ ID_PFR1_MTE, 3 },	     { ID_PFR1_MPAM_frac, 1 },	 { ID_PFR1_SME, 2 },
	{ ID_PFR1_CSV2_frac, 2 },    { ID_PFR1_NMI, 1 },	 { ID_PFR1_MTE_frac, ANY },
	{ ID_PFR1_GCS, 1 },	     { ID_PFR1_THE, 1 },	 { ID_PFR1_MTEX, 1 },
	{ ID_PFR1_DF2, 1 },	     { ID_PFR1_PFAR, 1 },	 { ID_PFR2_MTESTOREONLY, 1 },
	{ ID_PFR2_MTEFAR, 1 },	     { ID_PFR2_FPMR, 1 },	 { ID_DFR0_DebugVer, 11 },
	{ ID_DFR0_TraceVer, 1 },     { ID_DFR0_PMUVer, 9 },	 { ID_DFR0_BRPs, ANY },
	{ ID_DFR0_WRPs, ANY },	     { ID_DFR0_CTX_CMPs, ANY },	 { ID_DFR0_PMSVer, 3 },
	{ ID_DFR0_DoubleLock, ANY }, { ID_DFR0_TraceFilt, 1 },	 { ID_DFR0_TraceBuffer, 2 },
	{ ID_DFR0_MTPMU, ANY },	     { ID_DFR0_BRBE, 2 },	 { ID_DFR0_HPMN0, 1 },
	{ ID_DFR1_DPFZS, 1 },	     { ID_ISAR0_AES, 2 },	 { ID_ISAR0_SHA1, 1 },
	{ ID_ISAR0_SHA2, 2 },	     { ID_ISAR0_CRC32, 1 },	 { ID_ISAR0_Atomic, 3 },
	{ ID_ISAR0_RDM, 1 },	     { ID_ISAR0_SHA3, 1 },	 { ID_ISAR0_SM3, 1 },
	{ ID_ISAR0_SM4, 1 },	     { ID_ISAR0_DP, 1 },	 { ID_ISAR0_FHM, 1 },
	{ ID_ISAR0_TS, 2 },	     { ID_ISAR0_TLB, 2 },	 { ID_ISAR0_RNDR, 1 },
	{ ID_ISAR1_DPB, 2 },	     { ID_ISAR1_APA, ANY },	 { ID_ISAR1_API, ANY },
	{ ID_ISAR1_JSCVT, 1 },	     { ID_ISAR1_FCMA, 1 },	 { ID_ISAR1_LRCPC, 3 },
	{ ID_ISAR1_GPA, ANY },	     { ID_ISAR1_GPI, ANY },	 { ID_ISAR1_FRINTTS, 1 },
	{ ID_ISAR1_SB, 1 },	     { ID_ISAR1_SPECRES, 2 },	 { ID_ISAR1_BF16, 2 },
	{ ID_ISAR1_DGH, 1 },	     { ID_ISAR1_I8MM, 1 },	 { ID_ISAR1_XS, 1 },
	{ ID_ISAR1_LS64, 3 },	     { ID_ISAR2_WFxT, 2 },	 { ID_ISAR2_RPRES, 1 },
	{ ID_ISAR2_GPA3, ANY },	     { ID_ISAR2_APA3, ANY },	 { ID_ISAR2_MOPS, 1 },
	{ ID_ISAR2_BC, 1 },	     { ID_ISAR2_PAC_frac, ANY }, { ID_ISAR2_CLRBHB, 1 },
	{ ID_ISAR2_PRFMSLC, 1 },     { ID_ISAR2_PCDPHINT, 1 },	 { ID_ISAR2_RPRFM, 1 },
	{ ID_ISAR2_CSSC, 1 },	     { ID_ISAR2_LUT, 1 },	 { ID_ISAR2_ATS1A, 1 },
	{ ID_ISAR3_CPA, 2 },	     { ID_ISAR3_FAMINMAX, 1 },	 { ID_ISAR3_PACM, 2 },
	{ ID_ISAR3_LSFE, 1 },	     { ID_ISAR3_OCCMO, 1 },	 { ID_ISAR3_LSUI, 1 },
	{ ID_ISAR3_FPRCVT, 1 },	     { ID_MMFR0_PARange, 6 },	 { ID_MMFR0_ASIDBits, 2 },
	{ ID_MMFR0_BigEnd, 1 },	     { ID_MMFR0_SNSMem, 1 },	 { ID_MMFR0_BigEndEL0, 1 },
	{ ID_MMFR0_TGran16, 2 },     { ID_MMFR0_TGran64, 0 },	 { ID_MMFR0_TGran4, 1 },
	{ ID_MMFR0_ExS, 1 },	     { ID_MMFR0_ECV, 1 },	 { ID_MMFR1_HAFDBS, 3 },
	{ ID_MMFR1_HPDS, 2 },	     { ID_MMFR1_LO, 1 },	 { ID_MMFR1_PAN, 3 },
	{ ID_MMFR1_SpecSEI, 1 },     { ID_MMFR1_ETS, 3 },	 { ID_MMFR1_AFP, 1 },
	{ ID_MMFR1_nTLBPA, 1 },	     { ID_MMFR1_TIDCP1, 1 },	 { ID_MMFR1_CMOW, 1 },
	{ ID_MMFR1_ECBHB, 1 },	     { ID_MMFR2_CnP, 1 },	 { ID_MMFR2_UAO, 1 },
	{ ID_MMFR2_LSM, 1 },	     { ID_MMFR2_IESB, 1 },	 { ID_MMFR2_VARange, 1 },
	{ ID_MMFR2_CCIDX, 1 },	     { ID_MMFR2_ST, 1 },	 { ID_MMFR2_AT, 1 },
	{ ID_MMFR2_IDS, 1 },	     { ID_MMFR2_TTL, 1 },	 { ID_MMFR2_BBM, 2 },
	{ ID_MMFR2_E0PD, 1 },	     { ID_MMFR3_TCRX, 1 },	 { ID_MMFR3_SCTLRX, 1 },
	{ ID_MMFR3_S1PIE, 1 },	     { ID_MMFR3_S1POE, 1 },	 { ID_MMFR3_AIE, 1 },
	{ ID_MMFR3_Spec_FPACC, 1 },  { ID_MMFR4_PoPS, 1 },	 { ID_MMFR4_EIESB, ANY },
	{ ID_MMFR4_ASID2, 1 },	     { ID_ZFR0_SVEver, 3 },	 { ID_ZFR0_AES, ANY },
	{ ID_ZFR0_EltPerm, ANY },    { ID_ZFR0_BitPerm, ANY },	 { ID_ZFR0_BF16, ANY },
	{ ID_ZFR0_B16B16, ANY },     { ID_ZFR0_SHA3, ANY },	 { ID_ZFR0_SM4, ANY },
	{ ID_ZFR0_I8MM, ANY },	     { ID_ZFR0_F16MM, ANY },	 { ID_ZFR0_F32MM, ANY },
	{ ID_ZFR0_F64MM, ANY },	     { ID_SMFR0_SMOP4, ANY },	 { ID_SMFR0_STMOP, ANY },
	{ ID_SMFR0_SFEXPA, ANY },    { ID_SMFR0_AES, ANY },	 { ID_SMFR0_SBitPerm, ANY },
	{ ID_SMFR0_SF8DP2, ANY },    { ID_SMFR0_SF8DP4, ANY },	 { ID_SMFR0_SF8FMA, ANY },
	{ ID_SMFR0_F32F32, ANY },    { ID_SMFR0_BI32I32, ANY },	 { ID_SMFR0_B16F32, ANY },
	{ ID_SMFR0_F16F32, ANY },    { ID_SMFR0_I8I32, ANY },	 { ID_SMFR0_F8F32, ANY },
	{ ID_SMFR0_F8F16, ANY },     { ID_SMFR0_F16F16, ANY },	 { ID_SMFR0_B16B16, ANY },
	{ ID_SMFR0_I16I32, ANY },    { ID_SMFR0_F64F64, ANY },	 { ID_SMFR0_I16I64, ANY },
	{ ID_SMFR0_SMEver, 3 },	     { ID_SMFR0_LUTv2, ANY },	 { ID_SMFR0_FA64, ANY },
};

/* ID_AA64MMFR0_EL1.TGran*_2: not supported at stage 2; 0 would mean "as at stage 1". */
static const u16 no_stage2[] = { ID_MMFR0_TGran4_2, ID_MMFR0_TGran16_2, ID_MMFR0_TGran64_2 };

/*
 * The control bits that are set if a field has at least a value; all others are zero. In the
 * fine-grained traps these are the bits named n..., where 1 means "do not trap"; those of BRBE are
 * set later (vm/host_trace.h).
 */
static const struct open_row {
	u16 field; /* enum id_field */
	u8 min;
	u8 control; /* enum host_control */
	u64 bits;
} open_rows[] = {
	{ ID_ISAR1_APA, 1, HOST_HCR, HCR_APK | HCR_API },
	{ ID_ISAR1_API, 1, HOST_HCR, HCR_APK | HCR_API },
	{ ID_ISAR2_APA3, 1, HOST_HCR, HCR_APK | HCR_API },
	{ ID_PFR1_MTE, 2, HOST_HCR, HCR_ATA },
	{ ID_PFR0_CSV2, 2, HOST_HCR, HCR_ENSCXT },	/* SCXTNUM_ELx */
	{ ID_PFR1_CSV2_frac, 2, HOST_HCR, HCR_ENSCXT }, /* FEAT_CSV2_1p2 */

	{ ID_ISAR1_LS64, 1, HOST_HCRX, HCRX_ENALS },
	{ ID_ISAR1_LS64, 2, HOST_HCRX, HCRX_ENASR },
	{ ID_ISAR1_LS64, 3, HOST_HCRX, HCRX_ENAS0 },
	{ ID_ISAR1_LS64, 3, HOST_HFGR, HFGRTR_ACCDATA_EL1 },
	{ ID_ISAR1_LS64, 3, HOST_HFGW, HFGRTR_ACCDATA_EL1 },
	{ ID_ISAR2_MOPS, 1, HOST_HCRX, HCRX_MSCEN },
	{ ID_ISAR3_PACM, 1, HOST_HCRX, HCRX_PACMEN },
	{ ID_PFR2_FPMR, 1, HOST_HCRX, HCRX_ENFPM },
	{ ID_MMFR3_TCRX, 1, HOST_HCRX, HCRX_TCR2EN },
	{ ID_MMFR3_SCTLRX, 1, HOST_HCRX, HCRX_SCTLR2EN },
	{ ID_MMFR3_S1PIE, 1, HOST_HFGR, HFGRTR_PIR },
	{ ID_MMFR3_S1PIE, 1, HOST_HFGW, HFGRTR_PIR },
	{ ID_MMFR3_S1POE, 1, HOST_HFGR, HFGRTR_POR_EL0 | HFGRTR_POR_EL1 },
	{ ID_MMFR3_S1POE, 1, HOST_HFGW, HFGRTR_POR_EL0 | HFGRTR_POR_EL1 },
	{ ID_MMFR3_S1POE, 1, HOST_CPTR_VHE, CPACR_E0POE },
	{ ID_MMFR3_AIE, 1, HOST_HFGR, HFGRTR_AIE },
	{ ID_MMFR3_AIE, 1, HOST_HFGW, HFGRTR_AIE },
	{ ID_PFR1_THE, 1, HOST_HFGR, HFGRTR_RCWMASK_EL1 },
	{ ID_PFR1_THE, 1, HOST_HFGW, HFGRTR_RCWMASK_EL1 },
	{ ID_PFR1_THE, 1, HOST_HFGR2, HFGRTR2_RCWSMASK_EL1 },
	{ ID_PFR1_THE, 1, HOST_HFGW2, HFGRTR2_RCWSMASK_EL1 },
	{ ID_PFR1_GCS, 1, HOST_HCRX, HCRX_GCSEN },
	{ ID_PFR1_GCS, 1, HOST_HFGR, HFGRTR_GCS },
	{ ID_PFR1_GCS, 1, HOST_HFGW, HFGRTR_GCS },
	{ ID_PFR1_GCS, 1, HOST_HFGI, HFGITR_GCS },
	{ ID_PFR1_PFAR, 1, HOST_HFGR2, HFGRTR2_PFAR_EL1 },
	{ ID_PFR1_PFAR, 1, HOST_HFGW2, HFGRTR2_PFAR_EL1 },
	{ ID_MMFR4_PoPS, 1, HOST_HFGI2, HFGITR2_DCCIVAPS },

	{ ID_PFR0_SVE, 1, HOST_CPTR_NVHE, CPTR_TZ },
	{ ID_PFR0_SVE, 1, HOST_CPTR_VHE, CPACR_ZEN },
	{ ID_PFR1_SME, 1, HOST_CPTR_NVHE, CPTR_TSM },
	{ ID_PFR1_SME, 1, HOST_CPTR_VHE, CPACR_SMEN },
	{ ID_PFR1_SME, 1, HOST_HFGR, HFGRTR_SMPRI_EL1 | HFGRTR_TPIDR2_EL0 },
	{ ID_PFR1_SME, 1, HOST_HFGW, HFGRTR_SMPRI_EL1 | HFGRTR_TPIDR2_EL0 },
	{ ID_PFR1_SME, 2, HOST_SMCR, SMCR_EZT0 },
	{ ID_SMFR0_FA64, 1, HOST_SMCR, SMCR_FA64 },

	{ ID_DFR0_PMUVer, 4, HOST_MDCR, MDCR_HPMD }, /* counters stop at EL2... */
	{ ID_DFR0_PMUVer, 6, HOST_MDCR, MDCR_HCCD }, /* ... the cycle counter too */
	{ ID_DFR0_PMUVer, 9, HOST_HDFGR2, HDFGRTR2_PMUACR_EL1 },
	{ ID_DFR0_PMUVer, 9, HOST_HDFGW2, HDFGRTR2_PMUACR_EL1 | HDFGWTR2_PMZR_EL0 },
	{ ID_DFR0_PMSVer, 1, HOST_MDCR, MDCR_E2PB_EL1 },
	{ ID_DFR0_PMSVer, 3, HOST_HDFGR, HDFGRTR_PMSNEVFR_EL1 },
	{ ID_DFR0_PMSVer, 3, HOST_HDFGW, HDFGRTR_PMSNEVFR_EL1 },
	{ ID_DFR0_TraceBuffer, 1, HOST_MDCR, MDCR_E2TB_EL1 },
	{ ID_DFR0_TraceFilt, 1, HOST_MDCR, MDCR_TTRF }, /* at first: vm/host_trace.h */
};

static u64 field_bits(enum id_field field, u64 value)
{
	const struct id_field_desc *desc = id_field_desc(field);

	return (value & GENMASK(desc->width - 1, 0)) << desc->shift;
}

static enum id_reg reg_of_row(size_t i)
{
	return (enum id_reg)id_field_desc((enum id_field)rows[i].field)->reg;
}

/* A binary search, because the host may read a register often. */
static size_t first_row(enum id_reg reg)
{
	size_t low = 0, high = ARRAY_SIZE(rows);

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (reg_of_row(middle) < reg)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static u64 limited_reg(const struct cpu_id_regs *id, enum id_reg reg)
{
	u64 value = 0;

	for (size_t i = first_row(reg); i < ARRAY_SIZE(rows) && reg_of_row(i) == reg; i++) {
		enum id_field field = (enum id_field)rows[i].field;

		value |= field_bits(field, (u64)MIN(cpu_id_field(id, field), (s64)rows[i].most));
	}
	for (size_t i = 0; reg == ID_REG_MMFR0 && i < ARRAY_SIZE(no_stage2); i++)
		value |= field_bits((enum id_field)no_stage2[i], 1);
	return value;
}

void host_features_limit(struct cpu_id_regs *id)
{
	struct cpu_id_regs all = *id;

	for (unsigned int reg = 0; reg <= ID_REG_SMFR0; reg++)
		id->reg[reg] = limited_reg(&all, (enum id_reg)reg);
}

u64 host_features_control(const struct cpu_id_regs *id, enum host_control control)
{
	u64 bits = 0;

	for (size_t i = 0; i < ARRAY_SIZE(open_rows); i++)
		if (open_rows[i].control == control &&
		    cpu_id_field(id, (enum id_field)open_rows[i].field) >= open_rows[i].min)
			bits |= open_rows[i].bits;
	return bits;
}

/* ---- the host's reads ---- */

/* S3_0_C0_C<crm>_<op2>, AArch64's. */
static const struct place {
	u8 crm, op2, reg;
} places[] = {
	{ 4, 0, ID_REG_PFR0 },	{ 4, 1, ID_REG_PFR1 },	{ 4, 2, ID_REG_PFR2 },
	{ 4, 4, ID_REG_ZFR0 },	{ 4, 5, ID_REG_SMFR0 }, { 5, 0, ID_REG_DFR0 },
	{ 5, 1, ID_REG_DFR1 },	{ 6, 0, ID_REG_ISAR0 }, { 6, 1, ID_REG_ISAR1 },
	{ 6, 2, ID_REG_ISAR2 }, { 6, 3, ID_REG_ISAR3 }, { 7, 0, ID_REG_MMFR0 },
	{ 7, 1, ID_REG_MMFR1 }, { 7, 2, ID_REG_MMFR2 }, { 7, 3, ID_REG_MMFR3 },
	{ 7, 4, ID_REG_MMFR4 },
};

/*
 * ID_AA64FPFR0_EL1 is about FP8 instructions, whose only state is FPMR: F8CVT to F8MM4, F8E4M3,
 * F8E5M2.
 */
#define FPFR0_KNOWN (GENMASK(31, 26) | GENMASK(1, 0))

/* AArch32's: only fields that AArch64's ID registers have too are limited; others add no state. */
#define A32_PFR0_RAS  GENMASK(31, 28)
#define A32_PFR2_FRAC GENMASK(11, 8) /* RAS_frac */

static u64 read_aarch32(unsigned int crm, unsigned int op2)
{
	u64 value = read_aarch32_id_reg(crm, op2);

	if (crm == 1 && op2 == 0 && (value & A32_PFR0_RAS))
		return (value & ~A32_PFR0_RAS) | FIELD_PREP(A32_PFR0_RAS, 1);
	if (crm == 3 && op2 == 4)
		return value & ~A32_PFR2_FRAC;
	return value;
}

u64 host_features_read(unsigned int crm, unsigned int op2)
{
	struct cpu_id_regs id;

	if (crm < 4)
		return read_aarch32(crm, op2);
	cpu_read_id_regs(&id);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (places[i].crm == crm && places[i].op2 == op2)
			return limited_reg(&id, (enum id_reg)places[i].reg);
	if (crm == 4 && op2 == 7 && cpu_id_field(&id, ID_PFR2_FPMR) >= 1)
		return read_sysreg(ASM_REG(ID_AA64FPFR0_EL1)) & FPFR0_KNOWN;
	return 0;
}
