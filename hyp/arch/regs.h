/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system registers and system instructions that Keel knows, by the architecture's names
 * (ARM DDI 0487, D23 and D24; ARM IHI 0069, 12): op0, op1, CRn, CRm, op2. The one place where an
 * encoding is stated. Constants only, for C and assembly.
 *
 *	ASM_REG(NAME)		the operand of MRS and MSR
 *	ASM_REG_EL12(NAME)	the same of EL1's register while HCR_EL2.E2H is 1: NAME_EL12 or NAME_EL02
 *	REG_NUM(NAME)		the number, as in KVM's register ids, and in the instruction from bit 5 on
 */
#ifndef KEEL_ARCH_REGS_H
#define KEEL_ARCH_REGS_H

#define ASM_REG_(op0, op1, crn, crm, op2)      s##op0##_##op1##_c##crn##_c##crm##_##op2
#define ASM_REG_EL12_(op0, op1, crn, crm, op2) s##op0##_5_c##crn##_c##crm##_##op2
#define ASM_REG_OF(...)			       ASM_REG_(__VA_ARGS__)
#define ASM_REG_EL12_OF(...)		       ASM_REG_EL12_(__VA_ARGS__)
#define ASM_REG(name)			       ASM_REG_OF(REG_##name)
#define ASM_REG_EL12(name)		       ASM_REG_EL12_OF(REG_##name)

#define SYSREG_ENC(op0, op1, crn, crm, op2) \
	((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))
#define REG_NUM_OF(...) SYSREG_ENC(__VA_ARGS__)
#define REG_NUM(name)	REG_NUM_OF(REG_##name)

/* clang-format off */
#define REG_DC_ISW 1, 0, 7, 6, 2
#define REG_DC_IGSW 1, 0, 7, 6, 4
#define REG_DC_IGDSW 1, 0, 7, 6, 6
#define REG_DC_CSW 1, 0, 7, 10, 2
#define REG_DC_CGSW 1, 0, 7, 10, 4
#define REG_DC_CGDSW 1, 0, 7, 10, 6
#define REG_DC_CISW 1, 0, 7, 14, 2
#define REG_DC_CIGSW 1, 0, 7, 14, 4
#define REG_DC_CIGDSW 1, 0, 7, 14, 6
#define REG_DC_CIVAPS 1, 0, 7, 15, 1
#define REG_DC_CIGDVAPS 1, 0, 7, 15, 5

#define REG_OSDTRRX_EL1 2, 0, 0, 0, 2
#define REG_MDCCINT_EL1 2, 0, 0, 2, 0
#define REG_MDSCR_EL1 2, 0, 0, 2, 2
#define REG_OSDTRTX_EL1 2, 0, 0, 3, 2
#define REG_MDSELR_EL1 2, 0, 0, 4, 2
#define REG_MDSTEPOP_EL1 2, 0, 0, 5, 2
#define REG_OSECCR_EL1 2, 0, 0, 6, 2
#define REG_MDRAR_EL1 2, 0, 1, 0, 0
#define REG_OSLAR_EL1 2, 0, 1, 0, 4
#define REG_OSLSR_EL1 2, 0, 1, 1, 4
#define REG_OSDLR_EL1 2, 0, 1, 3, 4
#define REG_DBGPRCR_EL1 2, 0, 1, 4, 4
#define REG_DBGCLAIMSET_EL1 2, 0, 7, 8, 6
#define REG_DBGCLAIMCLR_EL1 2, 0, 7, 9, 6
#define REG_DBGAUTHSTATUS_EL1 2, 0, 7, 14, 6
#define REG_BRBCR_EL1 2, 1, 9, 0, 0
#define REG_MDCCSR_EL0 2, 3, 0, 1, 0
#define REG_DBGDTR_EL0 2, 3, 0, 4, 0
#define REG_DBGDTRRX_EL0 2, 3, 0, 5, 0
#define REG_DBGVCR32_EL2 2, 4, 0, 7, 0
#define REG_BRBCR_EL2 2, 4, 9, 0, 0

#define REG_MIDR_EL1 3, 0, 0, 0, 0
#define REG_MPIDR_EL1 3, 0, 0, 0, 5
#define REG_REVIDR_EL1 3, 0, 0, 0, 6
#define REG_ID_PFR0_EL1 3, 0, 0, 1, 0
#define REG_ID_PFR1_EL1 3, 0, 0, 1, 1
#define REG_ID_DFR0_EL1 3, 0, 0, 1, 2
#define REG_ID_AFR0_EL1 3, 0, 0, 1, 3
#define REG_ID_MMFR0_EL1 3, 0, 0, 1, 4
#define REG_ID_MMFR1_EL1 3, 0, 0, 1, 5
#define REG_ID_MMFR2_EL1 3, 0, 0, 1, 6
#define REG_ID_MMFR3_EL1 3, 0, 0, 1, 7
#define REG_ID_ISAR0_EL1 3, 0, 0, 2, 0
#define REG_ID_ISAR1_EL1 3, 0, 0, 2, 1
#define REG_ID_ISAR2_EL1 3, 0, 0, 2, 2
#define REG_ID_ISAR3_EL1 3, 0, 0, 2, 3
#define REG_ID_ISAR4_EL1 3, 0, 0, 2, 4
#define REG_ID_ISAR5_EL1 3, 0, 0, 2, 5
#define REG_ID_MMFR4_EL1 3, 0, 0, 2, 6
#define REG_ID_ISAR6_EL1 3, 0, 0, 2, 7
#define REG_MVFR0_EL1 3, 0, 0, 3, 0
#define REG_MVFR1_EL1 3, 0, 0, 3, 1
#define REG_MVFR2_EL1 3, 0, 0, 3, 2
#define REG_S3_0_C0_C3_3 3, 0, 0, 3, 3
#define REG_ID_PFR2_EL1 3, 0, 0, 3, 4
#define REG_ID_DFR1_EL1 3, 0, 0, 3, 5
#define REG_ID_MMFR5_EL1 3, 0, 0, 3, 6
#define REG_S3_0_C0_C3_7 3, 0, 0, 3, 7
#define REG_ID_AA64PFR0_EL1 3, 0, 0, 4, 0
#define REG_ID_AA64PFR1_EL1 3, 0, 0, 4, 1
#define REG_ID_AA64PFR2_EL1 3, 0, 0, 4, 2
#define REG_S3_0_C0_C4_3 3, 0, 0, 4, 3
#define REG_ID_AA64ZFR0_EL1 3, 0, 0, 4, 4
#define REG_ID_AA64SMFR0_EL1 3, 0, 0, 4, 5
#define REG_S3_0_C0_C4_6 3, 0, 0, 4, 6
#define REG_ID_AA64FPFR0_EL1 3, 0, 0, 4, 7
#define REG_ID_AA64DFR0_EL1 3, 0, 0, 5, 0
#define REG_ID_AA64DFR1_EL1 3, 0, 0, 5, 1
#define REG_ID_AA64DFR2_EL1 3, 0, 0, 5, 2
#define REG_S3_0_C0_C5_3 3, 0, 0, 5, 3
#define REG_ID_AA64AFR0_EL1 3, 0, 0, 5, 4
#define REG_ID_AA64AFR1_EL1 3, 0, 0, 5, 5
#define REG_S3_0_C0_C5_6 3, 0, 0, 5, 6
#define REG_S3_0_C0_C5_7 3, 0, 0, 5, 7
#define REG_ID_AA64ISAR0_EL1 3, 0, 0, 6, 0
#define REG_ID_AA64ISAR1_EL1 3, 0, 0, 6, 1
#define REG_ID_AA64ISAR2_EL1 3, 0, 0, 6, 2
#define REG_ID_AA64ISAR3_EL1 3, 0, 0, 6, 3
#define REG_S3_0_C0_C6_4 3, 0, 0, 6, 4
#define REG_S3_0_C0_C6_5 3, 0, 0, 6, 5
#define REG_S3_0_C0_C6_6 3, 0, 0, 6, 6
#define REG_S3_0_C0_C6_7 3, 0, 0, 6, 7
#define REG_ID_AA64MMFR0_EL1 3, 0, 0, 7, 0
#define REG_ID_AA64MMFR1_EL1 3, 0, 0, 7, 1
#define REG_ID_AA64MMFR2_EL1 3, 0, 0, 7, 2
#define REG_ID_AA64MMFR3_EL1 3, 0, 0, 7, 3
#define REG_ID_AA64MMFR4_EL1 3, 0, 0, 7, 4
#define REG_S3_0_C0_C7_5 3, 0, 0, 7, 5
#define REG_S3_0_C0_C7_6 3, 0, 0, 7, 6
#define REG_S3_0_C0_C7_7 3, 0, 0, 7, 7
#define REG_SCTLR_EL1 3, 0, 1, 0, 0
#define REG_ACTLR_EL1 3, 0, 1, 0, 1
#define REG_CPACR_EL1 3, 0, 1, 0, 2
#define REG_SCTLR2_EL1 3, 0, 1, 0, 3
#define REG_RGSR_EL1 3, 0, 1, 0, 5
#define REG_GCR_EL1 3, 0, 1, 0, 6
#define REG_ZCR_EL1 3, 0, 1, 2, 0
#define REG_TRFCR_EL1 3, 0, 1, 2, 1
#define REG_TRCITECR_EL1 3, 0, 1, 2, 3
#define REG_SMPRI_EL1 3, 0, 1, 2, 4
#define REG_SMCR_EL1 3, 0, 1, 2, 6
#define REG_TTBR0_EL1 3, 0, 2, 0, 0
#define REG_TTBR1_EL1 3, 0, 2, 0, 1
#define REG_TCR_EL1 3, 0, 2, 0, 2
#define REG_TCR2_EL1 3, 0, 2, 0, 3
#define REG_APIAKEYLO_EL1 3, 0, 2, 1, 0
#define REG_APIAKEYHI_EL1 3, 0, 2, 1, 1
#define REG_APIBKEYLO_EL1 3, 0, 2, 1, 2
#define REG_APIBKEYHI_EL1 3, 0, 2, 1, 3
#define REG_APDAKEYLO_EL1 3, 0, 2, 2, 0
#define REG_APDAKEYHI_EL1 3, 0, 2, 2, 1
#define REG_APDBKEYLO_EL1 3, 0, 2, 2, 2
#define REG_APDBKEYHI_EL1 3, 0, 2, 2, 3
#define REG_APGAKEYLO_EL1 3, 0, 2, 3, 0
#define REG_APGAKEYHI_EL1 3, 0, 2, 3, 1
#define REG_GCSCR_EL1 3, 0, 2, 5, 0
#define REG_GCSCRE0_EL1 3, 0, 2, 5, 2
#define REG_SPSR_EL1 3, 0, 4, 0, 0
#define REG_ELR_EL1 3, 0, 4, 0, 1
#define REG_ALLINT 3, 0, 4, 3, 0
#define REG_ICC_PMR_EL1 3, 0, 4, 6, 0
#define REG_AFSR0_EL1 3, 0, 5, 1, 0
#define REG_AFSR1_EL1 3, 0, 5, 1, 1
#define REG_ESR_EL1 3, 0, 5, 2, 0
#define REG_TFSR_EL1 3, 0, 5, 6, 0
#define REG_TFSRE0_EL1 3, 0, 5, 6, 1
#define REG_FAR_EL1 3, 0, 6, 0, 0
#define REG_PFAR_EL1 3, 0, 6, 0, 5
#define REG_PAR_EL1 3, 0, 7, 4, 0
#define REG_PMSCR_EL1 3, 0, 9, 9, 0
#define REG_PMSNEVFR_EL1 3, 0, 9, 9, 1
#define REG_PMSICR_EL1 3, 0, 9, 9, 2
#define REG_PMSIRR_EL1 3, 0, 9, 9, 3
#define REG_PMSFCR_EL1 3, 0, 9, 9, 4
#define REG_PMSEVFR_EL1 3, 0, 9, 9, 5
#define REG_PMSLATFR_EL1 3, 0, 9, 9, 6
#define REG_PMSIDR_EL1 3, 0, 9, 9, 7
#define REG_PMBLIMITR_EL1 3, 0, 9, 10, 0
#define REG_PMBPTR_EL1 3, 0, 9, 10, 1
#define REG_S3_0_C9_C10_2 3, 0, 9, 10, 2
#define REG_PMBSR_EL1 3, 0, 9, 10, 3
#define REG_PMBIDR_EL1 3, 0, 9, 10, 7
#define REG_TRBLIMITR_EL1 3, 0, 9, 11, 0
#define REG_TRBIDR_EL1 3, 0, 9, 11, 7
#define REG_MAIR_EL1 3, 0, 10, 2, 0
#define REG_MAIR2_EL1 3, 0, 10, 2, 1
#define REG_AMAIR_EL1 3, 0, 10, 3, 0
#define REG_AMAIR2_EL1 3, 0, 10, 3, 1
#define REG_MPAMIDR_EL1 3, 0, 10, 4, 4
#define REG_LORID_EL1 3, 0, 10, 4, 7
#define REG_VBAR_EL1 3, 0, 12, 0, 0
#define REG_DISR_EL1 3, 0, 12, 1, 1
#define REG_ICC_BPR0_EL1 3, 0, 12, 8, 3
#define REG_ICC_AP0R0_EL1 3, 0, 12, 8, 4
#define REG_ICC_AP1R0_EL1 3, 0, 12, 9, 0
#define REG_ICC_DIR_EL1 3, 0, 12, 11, 1
#define REG_ICC_SGI1R_EL1 3, 0, 12, 11, 5
#define REG_ICC_ASGI1R_EL1 3, 0, 12, 11, 6
#define REG_ICC_SGI0R_EL1 3, 0, 12, 11, 7
#define REG_ICC_BPR1_EL1 3, 0, 12, 12, 3
#define REG_ICC_CTLR_EL1 3, 0, 12, 12, 4
#define REG_ICC_SRE_EL1 3, 0, 12, 12, 5
#define REG_ICC_IGRPEN0_EL1 3, 0, 12, 12, 6
#define REG_ICC_IGRPEN1_EL1 3, 0, 12, 12, 7
#define REG_CONTEXTIDR_EL1 3, 0, 13, 0, 1
#define REG_RCWSMASK_EL1 3, 0, 13, 0, 3
#define REG_TPIDR_EL1 3, 0, 13, 0, 4
#define REG_ACCDATA_EL1 3, 0, 13, 0, 5
#define REG_RCWMASK_EL1 3, 0, 13, 0, 6
#define REG_SCXTNUM_EL1 3, 0, 13, 0, 7
#define REG_CNTKCTL_EL1 3, 0, 14, 1, 0
#define REG_CCSIDR_EL1 3, 1, 0, 0, 0
#define REG_CLIDR_EL1 3, 1, 0, 0, 1
#define REG_CCSIDR2_EL1 3, 1, 0, 0, 2
#define REG_GMID_EL1 3, 1, 0, 0, 4
#define REG_SMIDR_EL1 3, 1, 0, 0, 6
#define REG_AIDR_EL1 3, 1, 0, 0, 7
#define REG_CSSELR_EL1 3, 2, 0, 0, 0
#define REG_CTR_EL0 3, 3, 0, 0, 1
#define REG_RNDRRS 3, 3, 2, 4, 1
#define REG_GCSPR_EL0 3, 3, 2, 5, 1
#define REG_SVCR 3, 3, 4, 2, 2
#define REG_FPMR 3, 3, 4, 4, 2
#define REG_PMCR_EL0 3, 3, 9, 12, 0
#define REG_POR_EL0 3, 3, 10, 2, 4
#define REG_TPIDR_EL0 3, 3, 13, 0, 2
#define REG_TPIDRRO_EL0 3, 3, 13, 0, 3
#define REG_TPIDR2_EL0 3, 3, 13, 0, 5
#define REG_SCXTNUM_EL0 3, 3, 13, 0, 7
#define REG_CNTPCT_EL0 3, 3, 14, 0, 1
#define REG_CNTVCT_EL0 3, 3, 14, 0, 2
#define REG_CNTP_TVAL_EL0 3, 3, 14, 2, 0
#define REG_CNTP_CTL_EL0 3, 3, 14, 2, 1
#define REG_CNTP_CVAL_EL0 3, 3, 14, 2, 2
#define REG_CNTV_TVAL_EL0 3, 3, 14, 3, 0
#define REG_CNTV_CTL_EL0 3, 3, 14, 3, 1
#define REG_CNTV_CVAL_EL0 3, 3, 14, 3, 2
#define REG_VPIDR_EL2 3, 4, 0, 0, 0
#define REG_VMPIDR_EL2 3, 4, 0, 0, 5
#define REG_SCTLR_EL2 3, 4, 1, 0, 0
#define REG_ACTLR_EL2 3, 4, 1, 0, 1
#define REG_SCTLR2_EL2 3, 4, 1, 0, 3
#define REG_HCR_EL2 3, 4, 1, 1, 0
#define REG_MDCR_EL2 3, 4, 1, 1, 1
#define REG_CPTR_EL2 3, 4, 1, 1, 2
#define REG_HSTR_EL2 3, 4, 1, 1, 3
#define REG_HFGRTR_EL2 3, 4, 1, 1, 4
#define REG_HFGWTR_EL2 3, 4, 1, 1, 5
#define REG_HFGITR_EL2 3, 4, 1, 1, 6
#define REG_HACR_EL2 3, 4, 1, 1, 7
#define REG_ZCR_EL2 3, 4, 1, 2, 0
#define REG_TRFCR_EL2 3, 4, 1, 2, 1
#define REG_HCRX_EL2 3, 4, 1, 2, 2
#define REG_SMCR_EL2 3, 4, 1, 2, 6
#define REG_TTBR0_EL2 3, 4, 2, 0, 0
#define REG_TTBR1_EL2 3, 4, 2, 0, 1
#define REG_TCR_EL2 3, 4, 2, 0, 2
#define REG_TCR2_EL2 3, 4, 2, 0, 3
#define REG_VTTBR_EL2 3, 4, 2, 1, 0
#define REG_VTCR_EL2 3, 4, 2, 1, 2
#define REG_VNCR_EL2 3, 4, 2, 2, 0
#define REG_DACR32_EL2 3, 4, 3, 0, 0
#define REG_HDFGRTR2_EL2 3, 4, 3, 1, 0
#define REG_HDFGWTR2_EL2 3, 4, 3, 1, 1
#define REG_HFGRTR2_EL2 3, 4, 3, 1, 2
#define REG_HFGWTR2_EL2 3, 4, 3, 1, 3
#define REG_HDFGRTR_EL2 3, 4, 3, 1, 4
#define REG_HDFGWTR_EL2 3, 4, 3, 1, 5
#define REG_HAFGRTR_EL2 3, 4, 3, 1, 6
#define REG_HFGITR2_EL2 3, 4, 3, 1, 7
#define REG_SPSR_EL2 3, 4, 4, 0, 0
#define REG_ELR_EL2 3, 4, 4, 0, 1
#define REG_SP_EL1 3, 4, 4, 1, 0
#define REG_IFSR32_EL2 3, 4, 5, 0, 1
#define REG_AFSR0_EL2 3, 4, 5, 1, 0
#define REG_AFSR1_EL2 3, 4, 5, 1, 1
#define REG_ESR_EL2 3, 4, 5, 2, 0
#define REG_VSESR_EL2 3, 4, 5, 2, 3
#define REG_FPEXC32_EL2 3, 4, 5, 3, 0
#define REG_FAR_EL2 3, 4, 6, 0, 0
#define REG_HPFAR_EL2 3, 4, 6, 0, 4
#define REG_PMSCR_EL2 3, 4, 9, 9, 0
#define REG_MAIR_EL2 3, 4, 10, 2, 0
#define REG_PIRE0_EL2 3, 4, 10, 2, 2
#define REG_PIR_EL2 3, 4, 10, 2, 3
#define REG_AMAIR_EL2 3, 4, 10, 3, 0
#define REG_MPAMHCR_EL2 3, 4, 10, 4, 0
#define REG_MPAM2_EL2 3, 4, 10, 5, 0
#define REG_VBAR_EL2 3, 4, 12, 0, 0
#define REG_RVBAR_EL2 3, 4, 12, 0, 1
#define REG_RMR_EL2 3, 4, 12, 0, 2
#define REG_VDISR_EL2 3, 4, 12, 1, 1
#define REG_ICH_AP0R0_EL2 3, 4, 12, 8, 0
#define REG_ICH_AP0R1_EL2 3, 4, 12, 8, 1
#define REG_ICH_AP0R2_EL2 3, 4, 12, 8, 2
#define REG_ICH_AP0R3_EL2 3, 4, 12, 8, 3
#define REG_ICH_AP1R0_EL2 3, 4, 12, 9, 0
#define REG_ICH_AP1R1_EL2 3, 4, 12, 9, 1
#define REG_ICH_AP1R2_EL2 3, 4, 12, 9, 2
#define REG_ICH_AP1R3_EL2 3, 4, 12, 9, 3
#define REG_ICC_SRE_EL2 3, 4, 12, 9, 5
#define REG_ICH_HCR_EL2 3, 4, 12, 11, 0
#define REG_ICH_VTR_EL2 3, 4, 12, 11, 1
#define REG_ICH_MISR_EL2 3, 4, 12, 11, 2
#define REG_ICH_EISR_EL2 3, 4, 12, 11, 3
#define REG_ICH_ELRSR_EL2 3, 4, 12, 11, 5
#define REG_ICH_VMCR_EL2 3, 4, 12, 11, 7
#define REG_ICH_LR0_EL2 3, 4, 12, 12, 0
#define REG_CONTEXTIDR_EL2 3, 4, 13, 0, 1
#define REG_TPIDR_EL2 3, 4, 13, 0, 2
#define REG_CNTVOFF_EL2 3, 4, 14, 0, 3
#define REG_CNTPOFF_EL2 3, 4, 14, 0, 6
#define REG_CNTHCTL_EL2 3, 4, 14, 1, 0
#define REG_CNTHP_TVAL_EL2 3, 4, 14, 2, 0
#define REG_CNTHP_CTL_EL2 3, 4, 14, 2, 1
#define REG_CNTHP_CVAL_EL2 3, 4, 14, 2, 2
#define REG_CNTHV_TVAL_EL2 3, 4, 14, 3, 0
#define REG_CNTHV_CTL_EL2 3, 4, 14, 3, 1
#define REG_CNTHV_CVAL_EL2 3, 4, 14, 3, 2
#define REG_SP_EL2 3, 6, 4, 1, 0
/* clang-format on */

/*
 * The registers that the host and each guest have their own values of, by how they are saved:
 * name, and what the assembler calls it.
 *
 * While HCR_EL2.E2H is 1 the name alone is EL2's register, and EL1's is ASM_REG_EL12(name)...
 */
#define EL1_BANKED_REGS(X)                \
	X(SCTLR_EL1, sctlr_el1)           \
	X(CPACR_EL1, cpacr_el1)           \
	X(TTBR0_EL1, ttbr0_el1)           \
	X(TTBR1_EL1, ttbr1_el1)           \
	X(TCR_EL1, tcr_el1)               \
	X(SPSR_EL1, spsr_el1)             \
	X(ELR_EL1, elr_el1)               \
	X(AFSR0_EL1, afsr0_el1)           \
	X(AFSR1_EL1, afsr1_el1)           \
	X(ESR_EL1, esr_el1)               \
	X(FAR_EL1, far_el1)               \
	X(MAIR_EL1, mair_el1)             \
	X(AMAIR_EL1, amair_el1)           \
	X(VBAR_EL1, vbar_el1)             \
	X(CONTEXTIDR_EL1, contextidr_el1) \
	X(CNTKCTL_EL1, cntkctl_el1)

/* ... these are the same register whatever E2H is... */
#define EL1_PLAIN_REGS(X)           \
	X(SP_EL0, sp_el0)           \
	X(SP_EL1, sp_el1)           \
	X(TPIDR_EL0, tpidr_el0)     \
	X(TPIDRRO_EL0, tpidrro_el0) \
	X(TPIDR_EL1, tpidr_el1)     \
	X(PAR_EL1, par_el1)         \
	X(CSSELR_EL1, csselr_el1)

/* ... and these as well: the keys of pointer authentication, where the CPU has it. */
#define EL1_KEY_REGS(X)  \
	X(APIAKEYLO_EL1) \
	X(APIAKEYHI_EL1) \
	X(APIBKEYLO_EL1) \
	X(APIBKEYHI_EL1) \
	X(APDAKEYLO_EL1) \
	X(APDAKEYHI_EL1) \
	X(APDBKEYLO_EL1) \
	X(APDBKEYHI_EL1) \
	X(APGAKEYLO_EL1) \
	X(APGAKEYHI_EL1)

/* Of memory tags, where the CPU has FEAT_MTE2: one that has an _EL12 name, and others. */
#define EL1_TAG_REGS(BANKED, PLAIN) \
	BANKED(TFSR_EL1)            \
	PLAIN(TFSRE0_EL1)           \
	PLAIN(GCR_EL1)              \
	PLAIN(RGSR_EL1)

#endif
