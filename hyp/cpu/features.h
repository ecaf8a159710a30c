/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all CPUs support: their ID registers, merged field by field, with the weakest value of each.
 * This is the one structure that the rest of Keel queries, and the table of facts about each field.
 * Everything here works on values; arch/id_regs.h reads the registers. docs/cpu-features.md is the
 * long version.
 */
#ifndef KEEL_CPU_FEATURES_H
#define KEEL_CPU_FEATURES_H

#include <arch/id_reg_list.h>
#include <cpu/mmu_caps.h>
#include <lib/bitmap.h>
#include <lib/types.h>

/*
 * How two CPUs' values of a field become one.
 *
 * LOWER:   the lower value is weaker (most fields: "0 is none, more is more").
 * HIGHER:  the higher value is weaker.
 * EXACT:   the values name alternatives, none of which contains the other: where CPUs differ, the
 *          field has the safe value of its row.
 * UNKNOWN: 0 means unknown, which is weaker than everything; else the higher value is weaker.
 */
enum id_policy { ID_LOWER, ID_HIGHER, ID_EXACT, ID_UNKNOWN };

/*
 * Every field that is known: X(register, field, shift, width, is signed, policy, safe value).
 * A field that is not here reads as zero in the merged registers: what Keel does not know, it
 * does not offer. In a signed field all ones mean "none" (ARM DDI 0487, "Principles of the ID
 * scheme for fields in ID registers"). In order of registers, and of shifts within one.
 */
#define CPU_ID_FIELDS(X)                                  \
	X(PFR0, EL0, 0, 4, false, ID_LOWER, 0)            \
	X(PFR0, EL1, 4, 4, false, ID_LOWER, 0)            \
	X(PFR0, EL2, 8, 4, false, ID_LOWER, 0)            \
	X(PFR0, EL3, 12, 4, false, ID_LOWER, 0)           \
	X(PFR0, FP, 16, 4, true, ID_LOWER, 0)             \
	X(PFR0, AdvSIMD, 20, 4, true, ID_LOWER, 0)        \
	X(PFR0, GIC, 24, 4, false, ID_LOWER, 0)           \
	X(PFR0, RAS, 28, 4, false, ID_LOWER, 0)           \
	X(PFR0, SVE, 32, 4, false, ID_LOWER, 0)           \
	X(PFR0, SEL2, 36, 4, false, ID_LOWER, 0)          \
	X(PFR0, MPAM, 40, 4, false, ID_LOWER, 0)          \
	X(PFR0, AMU, 44, 4, false, ID_LOWER, 0)           \
	X(PFR0, DIT, 48, 4, false, ID_LOWER, 0)           \
	X(PFR0, RME, 52, 4, false, ID_LOWER, 0)           \
	X(PFR0, CSV2, 56, 4, false, ID_LOWER, 0)          \
	X(PFR0, CSV3, 60, 4, false, ID_LOWER, 0)          \
	X(PFR1, BT, 0, 4, false, ID_LOWER, 0)             \
	X(PFR1, SSBS, 4, 4, false, ID_LOWER, 0)           \
	X(PFR1, MTE, 8, 4, false, ID_LOWER, 0)            \
	X(PFR1, RAS_frac, 12, 4, false, ID_LOWER, 0)      \
	X(PFR1, MPAM_frac, 16, 4, false, ID_LOWER, 0)     \
	X(PFR1, SME, 24, 4, false, ID_LOWER, 0)           \
	X(PFR1, RNDR_trap, 28, 4, false, ID_LOWER, 0)     \
	X(PFR1, CSV2_frac, 32, 4, false, ID_LOWER, 0)     \
	X(PFR1, NMI, 36, 4, false, ID_LOWER, 0)           \
	X(PFR1, MTE_frac, 40, 4, true, ID_LOWER, 0)       \
	X(PFR1, GCS, 44, 4, false, ID_LOWER, 0)           \
	X(PFR1, THE, 48, 4, false, ID_LOWER, 0)           \
	X(PFR1, MTEX, 52, 4, false, ID_LOWER, 0)          \
	X(PFR1, DF2, 56, 4, false, ID_LOWER, 0)           \
	X(PFR1, PFAR, 60, 4, false, ID_LOWER, 0)          \
	X(PFR2, MTEPERM, 0, 4, false, ID_LOWER, 0)        \
	X(PFR2, MTESTOREONLY, 4, 4, false, ID_LOWER, 0)   \
	X(PFR2, MTEFAR, 8, 4, false, ID_LOWER, 0)         \
	X(PFR2, UINJ, 16, 4, false, ID_LOWER, 0)          \
	X(PFR2, FPMR, 32, 4, false, ID_LOWER, 0)          \
	X(DFR0, DebugVer, 0, 4, false, ID_LOWER, 0)       \
	X(DFR0, TraceVer, 4, 4, false, ID_LOWER, 0)       \
	X(DFR0, PMUVer, 8, 4, false, ID_LOWER, 0)         \
	X(DFR0, BRPs, 12, 4, false, ID_LOWER, 0)          \
	X(DFR0, PMSS, 16, 4, false, ID_LOWER, 0)          \
	X(DFR0, WRPs, 20, 4, false, ID_LOWER, 0)          \
	X(DFR0, SEBEP, 24, 4, false, ID_LOWER, 0)         \
	X(DFR0, CTX_CMPs, 28, 4, false, ID_LOWER, 0)      \
	X(DFR0, PMSVer, 32, 4, false, ID_LOWER, 0)        \
	X(DFR0, DoubleLock, 36, 4, true, ID_LOWER, 0)     \
	X(DFR0, TraceFilt, 40, 4, false, ID_LOWER, 0)     \
	X(DFR0, TraceBuffer, 44, 4, false, ID_LOWER, 0)   \
	X(DFR0, MTPMU, 48, 4, true, ID_LOWER, 0)          \
	X(DFR0, BRBE, 52, 4, false, ID_LOWER, 0)          \
	X(DFR0, ExtTrcBuff, 56, 4, false, ID_LOWER, 0)    \
	X(DFR0, HPMN0, 60, 4, false, ID_LOWER, 0)         \
	X(DFR1, SYSPMUID, 0, 8, false, ID_EXACT, 0)       \
	X(DFR1, BRPs, 8, 8, false, ID_LOWER, 0)           \
	X(DFR1, WRPs, 16, 8, false, ID_LOWER, 0)          \
	X(DFR1, CTX_CMPs, 24, 8, false, ID_LOWER, 0)      \
	X(DFR1, SPMU, 32, 4, false, ID_LOWER, 0)          \
	X(DFR1, PMICNTR, 36, 4, false, ID_LOWER, 0)       \
	X(DFR1, ABLE, 40, 4, false, ID_LOWER, 0)          \
	X(DFR1, ITE, 44, 4, false, ID_LOWER, 0)           \
	X(DFR1, EBEP, 48, 4, false, ID_LOWER, 0)          \
	X(DFR1, DPFZS, 52, 4, false, ID_LOWER, 0)         \
	X(DFR1, ABL_CMPs, 56, 8, false, ID_LOWER, 0)      \
	X(ISAR0, AES, 4, 4, false, ID_LOWER, 0)           \
	X(ISAR0, SHA1, 8, 4, false, ID_LOWER, 0)          \
	X(ISAR0, SHA2, 12, 4, false, ID_LOWER, 0)         \
	X(ISAR0, CRC32, 16, 4, false, ID_LOWER, 0)        \
	X(ISAR0, Atomic, 20, 4, false, ID_LOWER, 0)       \
	X(ISAR0, TME, 24, 4, false, ID_LOWER, 0)          \
	X(ISAR0, RDM, 28, 4, false, ID_LOWER, 0)          \
	X(ISAR0, SHA3, 32, 4, false, ID_LOWER, 0)         \
	X(ISAR0, SM3, 36, 4, false, ID_LOWER, 0)          \
	X(ISAR0, SM4, 40, 4, false, ID_LOWER, 0)          \
	X(ISAR0, DP, 44, 4, false, ID_LOWER, 0)           \
	X(ISAR0, FHM, 48, 4, false, ID_LOWER, 0)          \
	X(ISAR0, TS, 52, 4, false, ID_LOWER, 0)           \
	X(ISAR0, TLB, 56, 4, false, ID_LOWER, 0)          \
	X(ISAR0, RNDR, 60, 4, false, ID_LOWER, 0)         \
	X(ISAR1, DPB, 0, 4, false, ID_LOWER, 0)           \
	X(ISAR1, APA, 4, 4, false, ID_EXACT, 0)           \
	X(ISAR1, API, 8, 4, false, ID_EXACT, 0)           \
	X(ISAR1, JSCVT, 12, 4, false, ID_LOWER, 0)        \
	X(ISAR1, FCMA, 16, 4, false, ID_LOWER, 0)         \
	X(ISAR1, LRCPC, 20, 4, false, ID_LOWER, 0)        \
	X(ISAR1, GPA, 24, 4, false, ID_EXACT, 0)          \
	X(ISAR1, GPI, 28, 4, false, ID_EXACT, 0)          \
	X(ISAR1, FRINTTS, 32, 4, false, ID_LOWER, 0)      \
	X(ISAR1, SB, 36, 4, false, ID_LOWER, 0)           \
	X(ISAR1, SPECRES, 40, 4, false, ID_LOWER, 0)      \
	X(ISAR1, BF16, 44, 4, false, ID_LOWER, 0)         \
	X(ISAR1, DGH, 48, 4, false, ID_LOWER, 0)          \
	X(ISAR1, I8MM, 52, 4, false, ID_LOWER, 0)         \
	X(ISAR1, XS, 56, 4, false, ID_LOWER, 0)           \
	X(ISAR1, LS64, 60, 4, false, ID_LOWER, 0)         \
	X(ISAR2, WFxT, 0, 4, false, ID_LOWER, 0)          \
	X(ISAR2, RPRES, 4, 4, false, ID_LOWER, 0)         \
	X(ISAR2, GPA3, 8, 4, false, ID_EXACT, 0)          \
	X(ISAR2, APA3, 12, 4, false, ID_EXACT, 0)         \
	X(ISAR2, MOPS, 16, 4, false, ID_LOWER, 0)         \
	X(ISAR2, BC, 20, 4, false, ID_LOWER, 0)           \
	X(ISAR2, PAC_frac, 24, 4, false, ID_EXACT, 0)     \
	X(ISAR2, CLRBHB, 28, 4, false, ID_LOWER, 0)       \
	X(ISAR2, SYSREG_128, 32, 4, false, ID_LOWER, 0)   \
	X(ISAR2, SYSINSTR_128, 36, 4, false, ID_LOWER, 0) \
	X(ISAR2, PRFMSLC, 40, 4, false, ID_LOWER, 0)      \
	X(ISAR2, PCDPHINT, 44, 4, false, ID_LOWER, 0)     \
	X(ISAR2, RPRFM, 48, 4, false, ID_LOWER, 0)        \
	X(ISAR2, CSSC, 52, 4, false, ID_LOWER, 0)         \
	X(ISAR2, LUT, 56, 4, false, ID_LOWER, 0)          \
	X(ISAR2, ATS1A, 60, 4, false, ID_LOWER, 0)        \
	X(ISAR3, CPA, 0, 4, false, ID_LOWER, 0)           \
	X(ISAR3, FAMINMAX, 4, 4, false, ID_LOWER, 0)      \
	X(ISAR3, TLBIW, 8, 4, false, ID_LOWER, 0)         \
	X(ISAR3, PACM, 12, 4, false, ID_LOWER, 0)         \
	X(ISAR3, LSFE, 16, 4, false, ID_LOWER, 0)         \
	X(ISAR3, OCCMO, 20, 4, false, ID_LOWER, 0)        \
	X(ISAR3, LSUI, 24, 4, false, ID_LOWER, 0)         \
	X(ISAR3, FPRCVT, 28, 4, false, ID_LOWER, 0)       \
	X(MMFR0, PARange, 0, 4, false, ID_LOWER, 0)       \
	X(MMFR0, ASIDBits, 4, 4, false, ID_LOWER, 0)      \
	X(MMFR0, BigEnd, 8, 4, false, ID_LOWER, 0)        \
	X(MMFR0, SNSMem, 12, 4, false, ID_LOWER, 0)       \
	X(MMFR0, BigEndEL0, 16, 4, false, ID_LOWER, 0)    \
	X(MMFR0, TGran16, 20, 4, false, ID_LOWER, 0)      \
	X(MMFR0, TGran64, 24, 4, true, ID_LOWER, 0)       \
	X(MMFR0, TGran4, 28, 4, true, ID_LOWER, 0)        \
	X(MMFR0, TGran16_2, 32, 4, false, ID_LOWER, 0)    \
	X(MMFR0, TGran64_2, 36, 4, false, ID_LOWER, 0)    \
	X(MMFR0, TGran4_2, 40, 4, false, ID_LOWER, 0)     \
	X(MMFR0, ExS, 44, 4, false, ID_LOWER, 0)          \
	X(MMFR0, FGT, 56, 4, false, ID_LOWER, 0)          \
	X(MMFR0, ECV, 60, 4, false, ID_LOWER, 0)          \
	X(MMFR1, HAFDBS, 0, 4, false, ID_LOWER, 0)        \
	X(MMFR1, VMIDBits, 4, 4, false, ID_LOWER, 0)      \
	X(MMFR1, VH, 8, 4, false, ID_LOWER, 0)            \
	X(MMFR1, HPDS, 12, 4, false, ID_LOWER, 0)         \
	X(MMFR1, LO, 16, 4, false, ID_LOWER, 0)           \
	X(MMFR1, PAN, 20, 4, false, ID_LOWER, 0)          \
	X(MMFR1, SpecSEI, 24, 4, false, ID_HIGHER, 0)     \
	X(MMFR1, XNX, 28, 4, false, ID_LOWER, 0)          \
	X(MMFR1, TWED, 32, 4, false, ID_LOWER, 0)         \
	X(MMFR1, ETS, 36, 4, false, ID_LOWER, 0)          \
	X(MMFR1, HCX, 40, 4, false, ID_LOWER, 0)          \
	X(MMFR1, AFP, 44, 4, false, ID_LOWER, 0)          \
	X(MMFR1, nTLBPA, 48, 4, false, ID_LOWER, 0)       \
	X(MMFR1, TIDCP1, 52, 4, false, ID_LOWER, 0)       \
	X(MMFR1, CMOW, 56, 4, false, ID_LOWER, 0)         \
	X(MMFR1, ECBHB, 60, 4, false, ID_LOWER, 0)        \
	X(MMFR2, CnP, 0, 4, false, ID_LOWER, 0)           \
	X(MMFR2, UAO, 4, 4, false, ID_LOWER, 0)           \
	X(MMFR2, LSM, 8, 4, false, ID_LOWER, 0)           \
	X(MMFR2, IESB, 12, 4, false, ID_LOWER, 0)         \
	X(MMFR2, VARange, 16, 4, false, ID_LOWER, 0)      \
	X(MMFR2, CCIDX, 20, 4, false, ID_LOWER, 0)        \
	X(MMFR2, NV, 24, 4, false, ID_LOWER, 0)           \
	X(MMFR2, ST, 28, 4, false, ID_LOWER, 0)           \
	X(MMFR2, AT, 32, 4, false, ID_LOWER, 0)           \
	X(MMFR2, IDS, 36, 4, false, ID_LOWER, 0)          \
	X(MMFR2, FWB, 40, 4, false, ID_LOWER, 0)          \
	X(MMFR2, TTL, 48, 4, false, ID_LOWER, 0)          \
	X(MMFR2, BBM, 52, 4, false, ID_LOWER, 0)          \
	X(MMFR2, EVT, 56, 4, false, ID_LOWER, 0)          \
	X(MMFR2, E0PD, 60, 4, false, ID_LOWER, 0)         \
	X(MMFR3, TCRX, 0, 4, false, ID_LOWER, 0)          \
	X(MMFR3, SCTLRX, 4, 4, false, ID_LOWER, 0)        \
	X(MMFR3, S1PIE, 8, 4, false, ID_LOWER, 0)         \
	X(MMFR3, S2PIE, 12, 4, false, ID_LOWER, 0)        \
	X(MMFR3, S1POE, 16, 4, false, ID_LOWER, 0)        \
	X(MMFR3, S2POE, 20, 4, false, ID_LOWER, 0)        \
	X(MMFR3, AIE, 24, 4, false, ID_LOWER, 0)          \
	X(MMFR3, MEC, 28, 4, false, ID_LOWER, 0)          \
	X(MMFR3, D128, 32, 4, false, ID_LOWER, 0)         \
	X(MMFR3, D128_2, 36, 4, false, ID_LOWER, 0)       \
	X(MMFR3, SNERR, 40, 4, false, ID_LOWER, 0)        \
	X(MMFR3, ANERR, 44, 4, false, ID_LOWER, 0)        \
	X(MMFR3, SDERR, 52, 4, false, ID_LOWER, 0)        \
	X(MMFR3, ADERR, 56, 4, false, ID_LOWER, 0)        \
	X(MMFR3, Spec_FPACC, 60, 4, false, ID_LOWER, 0)   \
	X(MMFR4, PoPS, 0, 4, false, ID_LOWER, 0)          \
	X(MMFR4, EIESB, 4, 4, true, ID_LOWER, 0)          \
	X(MMFR4, ASID2, 8, 4, false, ID_LOWER, 0)         \
	X(MMFR4, HACDBS, 12, 4, false, ID_LOWER, 0)       \
	X(MMFR4, FGWTE3, 16, 4, false, ID_LOWER, 0)       \
	X(MMFR4, NV_frac, 20, 4, false, ID_LOWER, 0)      \
	X(MMFR4, E2H0, 24, 4, true, ID_LOWER, 0)          \
	X(ZFR0, SVEver, 0, 4, false, ID_LOWER, 0)         \
	X(ZFR0, AES, 4, 4, false, ID_LOWER, 0)            \
	X(ZFR0, EltPerm, 12, 4, false, ID_LOWER, 0)       \
	X(ZFR0, BitPerm, 16, 4, false, ID_LOWER, 0)       \
	X(ZFR0, BF16, 20, 4, false, ID_LOWER, 0)          \
	X(ZFR0, B16B16, 24, 4, false, ID_LOWER, 0)        \
	X(ZFR0, SHA3, 32, 4, false, ID_LOWER, 0)          \
	X(ZFR0, SM4, 40, 4, false, ID_LOWER, 0)           \
	X(ZFR0, I8MM, 44, 4, false, ID_LOWER, 0)          \
	X(ZFR0, F16MM, 48, 4, false, ID_LOWER, 0)         \
	X(ZFR0, F32MM, 52, 4, false, ID_LOWER, 0)         \
	X(ZFR0, F64MM, 56, 4, false, ID_LOWER, 0)         \
	X(SMFR0, SMOP4, 0, 1, false, ID_LOWER, 0)         \
	X(SMFR0, STMOP, 16, 1, false, ID_LOWER, 0)        \
	X(SMFR0, SFEXPA, 23, 1, false, ID_LOWER, 0)       \
	X(SMFR0, AES, 24, 1, false, ID_LOWER, 0)          \
	X(SMFR0, SBitPerm, 25, 1, false, ID_LOWER, 0)     \
	X(SMFR0, SF8DP2, 28, 1, false, ID_LOWER, 0)       \
	X(SMFR0, SF8DP4, 29, 1, false, ID_LOWER, 0)       \
	X(SMFR0, SF8FMA, 30, 1, false, ID_LOWER, 0)       \
	X(SMFR0, F32F32, 32, 1, false, ID_LOWER, 0)       \
	X(SMFR0, BI32I32, 33, 1, false, ID_LOWER, 0)      \
	X(SMFR0, B16F32, 34, 1, false, ID_LOWER, 0)       \
	X(SMFR0, F16F32, 35, 1, false, ID_LOWER, 0)       \
	X(SMFR0, I8I32, 36, 4, false, ID_EXACT, 0)        \
	X(SMFR0, F8F32, 40, 1, false, ID_LOWER, 0)        \
	X(SMFR0, F8F16, 41, 1, false, ID_LOWER, 0)        \
	X(SMFR0, F16F16, 42, 1, false, ID_LOWER, 0)       \
	X(SMFR0, B16B16, 43, 1, false, ID_LOWER, 0)       \
	X(SMFR0, I16I32, 44, 4, false, ID_EXACT, 0)       \
	X(SMFR0, F64F64, 48, 1, false, ID_LOWER, 0)       \
	X(SMFR0, I16I64, 52, 4, false, ID_EXACT, 0)       \
	X(SMFR0, SMEver, 56, 4, false, ID_LOWER, 0)       \
	X(SMFR0, LUTv2, 60, 1, false, ID_LOWER, 0)        \
	X(SMFR0, FA64, 63, 1, false, ID_LOWER, 0)         \
	X(CTR, IminLine, 0, 4, false, ID_LOWER, 0)        \
	X(CTR, L1Ip, 14, 2, false, ID_EXACT, 2)           \
	X(CTR, DminLine, 16, 4, false, ID_LOWER, 0)       \
	X(CTR, ERG, 20, 4, false, ID_UNKNOWN, 0)          \
	X(CTR, CWG, 24, 4, false, ID_UNKNOWN, 0)          \
	X(CTR, IDC, 28, 1, false, ID_LOWER, 0)            \
	X(CTR, DIC, 29, 1, false, ID_LOWER, 0)            \
	X(CTR, TminLine, 32, 6, false, ID_LOWER, 0)       \
	X(DCZID, BS, 0, 4, false, ID_LOWER, 0)            \
	X(DCZID, DZP, 4, 1, false, ID_HIGHER, 0)

/* A field's name: ID_ register _ field, so ID_MMFR0_PARange. */
#define CPU_ID_FIELD_ENUM(reg, field, shift, width, is_signed, policy, safe) ID_##reg##_##field,
enum id_field { CPU_ID_FIELDS(CPU_ID_FIELD_ENUM) ID_FIELD_COUNT };
#undef CPU_ID_FIELD_ENUM

/* A field, by its name without ID_, of the value of its register: without a look at the table. */
#define CPU_ID_FIELD_BITS(reg, field, shift, width, is_signed, policy, safe) \
	ID_SHIFT_##reg##_##field = (shift), ID_WIDTH_##reg##_##field = (width),
enum id_field_bits { CPU_ID_FIELDS(CPU_ID_FIELD_BITS) };
#undef CPU_ID_FIELD_BITS
#define ID_FIELD_GET(name, value) ((value) >> ID_SHIFT_##name & (BIT(ID_WIDTH_##name) - 1))

/* A row of the table of fields. */
struct id_field_desc {
	u8 reg; /* enum id_reg */
	u8 shift;
	u8 width; /* bits */
	bool is_signed;
	u8 policy; /* enum id_policy */
	u8 safe;   /* for ID_EXACT */
	char name[14];
};

/* Features that Keel queries by name, or prints. features.c has the fields that each needs. */
enum cpu_feature {
	FEAT_AA32EL0, /* EL0 can be AArch32 */
	FEAT_AA32EL1, /* EL1 can be AArch32 */
	FEAT_FP,
	FEAT_GICv3, /* GIC CPU interface by system registers */
	FEAT_RAS,
	FEAT_SVE,
	FEAT_SVE2,
	FEAT_SME,
	FEAT_SME2,
	FEAT_MPAM,
	FEAT_AMU,
	FEAT_RME,
	FEAT_BTI,
	FEAT_SSBS,
	FEAT_MTE2,
	FEAT_NMI,
	FEAT_GCS,
	FEAT_PMUv3,
	FEAT_SPE,
	FEAT_TRF,
	FEAT_TRBE,
	FEAT_BRBE,
	FEAT_DoubleLock,
	FEAT_CRC32,
	FEAT_LSE,
	FEAT_RNG,
	FEAT_TLBIOS,
	FEAT_TLBIRANGE,
	FEAT_DPB,
	FEAT_PAuth,
	FEAT_SB,
	FEAT_SPECRES,
	FEAT_XS,
	FEAT_LS64,
	FEAT_WFxT,
	FEAT_MOPS,
	FEAT_LPA,
	FEAT_LPA2, /* 52-bit addresses with 4K or 16K pages, at stage 2 */
	FEAT_FGT,
	FEAT_FGT2,
	FEAT_ECV,
	FEAT_ECV_POFF, /* CNTPOFF_EL2 */
	FEAT_HAFDBS,   /* access flag by hardware */
	FEAT_HDBS,     /* and dirty state (the architecture has no name for this half) */
	FEAT_VMID16,
	FEAT_VHE,
	FEAT_PAN,
	FEAT_XNX,
	FEAT_TWED,
	FEAT_HCX,
	FEAT_TIDCP1,
	FEAT_UAO,
	FEAT_LVA,
	FEAT_NV,
	FEAT_NV2,
	FEAT_TTST,
	FEAT_IDST,
	FEAT_S2FWB,
	FEAT_TTL,
	FEAT_BBML1,
	FEAT_BBML2,
	FEAT_EVT,
	FEAT_S1PIE,
	FEAT_S2PIE,
	FEAT_TCR2,
	FEAT_SCTLR2,
	FEAT_D128,
	FEAT_MEC,
	FEAT_E2H0, /* HCR_EL2.E2H may be 0 */
	CPU_FEATURE_COUNT
};

/**
 * struct cpu_features - what all CPUs support, and what Keel already relies on
 * @reg:      merged registers: fields of the table alone, and RES1 bits. TGran*_2 is never 0 ("as
 *            stage 1") here, but what that means; a PMUVer of 0xf (not the architecture's) is 0;
 *            DC ZVA is prohibited where its block size differs. ID_REG_MIDR is 0
 * @required: fields that a CPU that comes later must not have weaker than @floor
 * @floor:    for each required field, in its place, the weakest value that a CPU may have
 *
 * One for the machine, owned by boot. Changed by the functions below; their callers serialize them
 * (features_lock in boot/smp.c). Readers need no lock: a value that somebody relies on was required
 * first, and so does not change.
 */
struct cpu_features {
	u64 reg[ID_REG_COUNT];
	u64 required[BITMAP_WORDS(ID_FIELD_COUNT)];
	u64 floor[ID_REG_COUNT];
};

/**
 * struct cpu_features_diff - how a CPU differs from those before it
 * @differ:  a bit for each enum id_field that differs
 * @missing: if the CPU was refused, the first field in which it is too weak
 */
struct cpu_features_diff {
	u64 differ[BITMAP_WORDS(ID_FIELD_COUNT)];
	enum id_field missing;
};

/**
 * cpu_features_init() - start with the boot CPU
 * @system: needs no particular contents
 * @boot:   its registers
 */
void cpu_features_init(struct cpu_features *system, const struct cpu_id_regs *boot);

/**
 * cpu_features_limit_pa() - treat the machine as one with narrower physical addresses
 * @system:  the machine's; no field is required yet
 * @pa_bits: 32..56: the limit is the widest width of PARange that is not more; CPUs that come later
 *           do not widen it
 *
 * Return: the machine's width now; less than the limit if the CPU has less.
 */
unsigned int cpu_features_limit_pa(struct cpu_features *system, unsigned int pa_bits);

/**
 * cpu_features_merge() - merge another CPU's registers: the weakest value of each field stays
 * @system: the machine's
 * @cpu:    registers of the CPU
 * @diff:   out: the fields that differ, and on -EINVAL the one that is too weak (id_field_format())
 *
 * Return: 0; -EINVAL if a required field of the CPU is weaker than its floor: @system is unchanged,
 * and the CPU must not run.
 */
int __must_check cpu_features_merge(struct cpu_features *system, const struct cpu_id_regs *cpu,
				    struct cpu_features_diff *diff);

/**
 * cpu_features_require() - declare that Keel relies on a field from now on
 * @system: the machine's
 * @field:  the field
 * @value:  the weakest value that is enough: if page tables need 40 address bits only, a CPU that
 *          has no more can still join. A value that is stronger than what @system has is replaced
 *          by that
 *
 * If a field is required twice, the stronger value counts.
 */
void cpu_features_require(struct cpu_features *system, enum id_field field, u64 value);

/* cpu_features_require_current() - cpu_features_require() a field as it is now */
void cpu_features_require_current(struct cpu_features *system, enum id_field field);

/**
 * cpu_features_require_mmu() - require all fields that cpu_features_mmu_caps() reads, as they are
 * @system:  the machine's
 * @pa_bits: except for the physical address width, of which this is enough: 32..56
 *
 * To be called when the first page table is made from the capabilities.
 */
void cpu_features_require_mmu(struct cpu_features *system, unsigned int pa_bits);

/* cpu_features_freeze() - require every field as it is now: from the first VM on */
void cpu_features_freeze(struct cpu_features *system);

/* cpu_features_field() - a field of the merged registers, raw (0..2^width-1) */
u64 cpu_features_field(const struct cpu_features *system, enum id_field field);

/* cpu_features_signed() - the same, but sign-extended if the field is signed */
s64 cpu_features_signed(const struct cpu_features *system, enum id_field field);

/* cpu_has() - whether every CPU has a feature. Linear in a short table: not for hot paths. */
bool cpu_has(const struct cpu_features *system, enum cpu_feature feature);

/**
 * cpu_features_mmu_caps() - the features that page-table code needs
 * @system: the machine's
 * @caps:   out; all fields are written
 */
void cpu_features_mmu_caps(const struct cpu_features *system, struct mmu_caps *caps);

/**
 * cpu_features_describe() - the notable features in one line, for the boot log
 * @system: the machine's
 * @buf:    out, always terminated
 * @size:   of @buf in bytes, at least 1; 512 is enough for everything
 *
 * Architecture names without "FEAT_", separated by spaces; what does not fit is left out whole.
 *
 * Return: length of the line in bytes.
 */
size_t cpu_features_describe(const struct cpu_features *system, char *buf, size_t size);

/**
 * cpu_id_field() - a field of one CPU's own registers
 * @cpu: as read, not merged with those of others
 *
 * Return: as cpu_features_signed(); 0 for a PMUVer of 0xf.
 */
s64 cpu_id_field(const struct cpu_id_regs *cpu, enum id_field field);

/* id_field_desc() - the row of a field */
const struct id_field_desc *id_field_desc(enum id_field field);

/**
 * id_field_format() - a field's full name, for a message: "ID_AA64MMFR0_EL1.PARange"
 * @buf:  out, always terminated, cut off if it must be; 40 bytes are enough
 * @size: of @buf in bytes, at least 1
 *
 * Return: @buf.
 */
char *id_field_format(enum id_field field, char *buf, size_t size);

/* id_reg_name() - the architecture's name of a register */
const char *id_reg_name(enum id_reg reg);

#endif
