/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ESR_ELx, the exception syndrome: its fields and classes under the names of the manual
 * (ARM DDI 0487, ESR_EL2), and its description in words.
 */
#ifndef KEEL_LIB_ESR_H
#define KEEL_LIB_ESR_H

#include <lib/types.h>

#define ESR_ISS2 GENMASK(55, 32)
#define ESR_EC	 GENMASK(31, 26)
#define ESR_IL	 BIT(25) /* 32-bit instruction (or no instruction at all) */
#define ESR_ISS	 GENMASK(24, 0)

#define ESR_EC_COUNT 64

/* Exception classes. "Lower" is from a lower Exception level, "CUR" from the current one. */
#define ESR_EC_UNKNOWN	     0x00
#define ESR_EC_WFX	     0x01 /* WFI, WFE, WFIT, WFET */
#define ESR_EC_CP15_32	     0x03 /* AArch32 MCR/MRC, coproc 15 */
#define ESR_EC_CP15_64	     0x04 /* AArch32 MCRR/MRRC, coproc 15 */
#define ESR_EC_CP14_32	     0x05 /* AArch32 MCR/MRC, coproc 14 */
#define ESR_EC_CP14_LS	     0x06 /* AArch32 LDC/STC */
#define ESR_EC_FP_ASIMD	     0x07 /* SVE, SIMD, FP trapped by CPACR_EL1.FPEN, CPTR_ELx.TFP */
#define ESR_EC_CP10_ID	     0x08 /* AArch32 VMRS of an ID register */
#define ESR_EC_PAC	     0x09 /* pointer authentication trapped by HCR_EL2.API, SCR_EL3.API */
#define ESR_EC_OTHER	     0x0a /* LD64B, ST64B* and whatever has no class of its own */
#define ESR_EC_CP14_64	     0x0c /* AArch32 MRRC, coproc 14 */
#define ESR_EC_BTI	     0x0d /* Branch Target exception */
#define ESR_EC_ILL	     0x0e /* Illegal Execution state */
#define ESR_EC_SVC32	     0x11
#define ESR_EC_HVC32	     0x12
#define ESR_EC_SMC32	     0x13
#define ESR_EC_SYS128	     0x14 /* MSRR, MRRS, SYSP */
#define ESR_EC_SVC64	     0x15
#define ESR_EC_HVC64	     0x16
#define ESR_EC_SMC64	     0x17
#define ESR_EC_SYS64	     0x18 /* MSR, MRS, System instructions */
#define ESR_EC_SVE	     0x19 /* SVE trapped by CPACR_EL1.ZEN, CPTR_ELx.ZEN or TZ */
#define ESR_EC_ERET	     0x1a /* ERET, ERETAA, ERETAB */
#define ESR_EC_TSTART	     0x1b
#define ESR_EC_FPAC	     0x1c /* pointer authentication failed */
#define ESR_EC_SME	     0x1d
#define ESR_EC_GPC	     0x1e /* Granule Protection Check, to EL3 */
#define ESR_EC_IMP_DEF	     0x1f /* IMPLEMENTATION DEFINED, to EL3 */
#define ESR_EC_IABT_LOWER    0x20
#define ESR_EC_IABT_CUR	     0x21
#define ESR_EC_PC_ALIGN	     0x22
#define ESR_EC_DABT_LOWER    0x24
#define ESR_EC_DABT_CUR	     0x25
#define ESR_EC_SP_ALIGN	     0x26
#define ESR_EC_MOPS	     0x27 /* Memory Copy and Memory Set instructions */
#define ESR_EC_FP_EXC32	     0x28
#define ESR_EC_FP_EXC64	     0x2c
#define ESR_EC_GCS	     0x2d /* Guarded Control Stack */
#define ESR_EC_SERROR	     0x2f
#define ESR_EC_BRKPT_LOWER   0x30
#define ESR_EC_BRKPT_CUR     0x31
#define ESR_EC_STEP_LOWER    0x32
#define ESR_EC_STEP_CUR	     0x33
#define ESR_EC_WATCHPT_LOWER 0x34
#define ESR_EC_WATCHPT_CUR   0x35
#define ESR_EC_BKPT32	     0x38 /* AArch32 BKPT */
#define ESR_EC_VECTOR32	     0x3a /* AArch32 vector catch */
#define ESR_EC_BRK64	     0x3c
#define ESR_EC_PMU	     0x3d /* PMU (profiling) exception */

/* ISS of a Data Abort. FnV, EA, S1PTW and the status code are the same in an Instruction Abort. */
#define ESR_ISV	  BIT(24)	  /* SAS to AR are valid */
#define ESR_SAS	  GENMASK(23, 22) /* access size: 1 << SAS bytes */
#define ESR_SSE	  BIT(21)	  /* sign-extend */
#define ESR_SRT	  GENMASK(20, 16) /* register transferred */
#define ESR_SF	  BIT(15)	  /* 64-bit register */
#define ESR_AR	  BIT(14)	  /* acquire/release */
#define ESR_VNCR  BIT(13)	  /* access through VNCR_EL2 (FEAT_NV2) */
#define ESR_SET	  GENMASK(12, 11) /* with FEAT_RAS and FSC ESR_FSC_EXTABT: error type */
#define ESR_FNV	  BIT(10)	  /* FAR is not valid */
#define ESR_EA	  BIT(9)	  /* external abort type */
#define ESR_CM	  BIT(8)	  /* cache maintenance or address translation instruction */
#define ESR_S1PTW BIT(7)	  /* stage 2 fault on a stage 1 table walk */
#define ESR_WNR	  BIT(6)	  /* write, not read */
#define ESR_FSC	  GENMASK(5, 0)	  /* DFSC, IFSC: fault status code */

/* Fault status codes; those with a level hold it in bits 1:0 (levels 0 to 3). */
#define ESR_FSC_LEVEL	      GENMASK(1, 0)
#define ESR_FSC_TYPE	      GENMASK(5, 2)
#define ESR_FSC_ADDRESS_SIZE  0x00
#define ESR_FSC_TRANSLATION   0x04
#define ESR_FSC_ACCESS_FLAG   0x08
#define ESR_FSC_PERMISSION    0x0c
#define ESR_FSC_EXTABT	      0x10 /* synchronous external abort, not on a table walk */
#define ESR_FSC_TAG_CHECK     0x11
#define ESR_FSC_EXTABT_WALK   0x14
#define ESR_FSC_PARITY	      0x18 /* parity or ECC error, not on a table walk */
#define ESR_FSC_PARITY_WALK   0x1c
#define ESR_FSC_ALIGNMENT     0x21
#define ESR_FSC_GPF_WALK      0x24
#define ESR_FSC_GPF	      0x28 /* Granule Protection Fault, not on a table walk */
#define ESR_FSC_TLB_CONFLICT  0x30
#define ESR_FSC_ATOMIC_UPDATE 0x31 /* unsupported atomic hardware update */
#define ESR_FSC_LOCKDOWN      0x34 /* IMPLEMENTATION DEFINED */
#define ESR_FSC_EXCLUSIVE     0x35 /* IMPLEMENTATION DEFINED: exclusive or atomic access */
/* The same faults at levels below 0. */
#define ESR_FSC_EXTABT_WALK_M2	0x12
#define ESR_FSC_EXTABT_WALK_M1	0x13
#define ESR_FSC_PARITY_WALK_M1	0x1b
#define ESR_FSC_GPF_WALK_M2	0x22
#define ESR_FSC_GPF_WALK_M1	0x23
#define ESR_FSC_ADDRESS_SIZE_M1 0x29
#define ESR_FSC_TRANSLATION_M2	0x2a
#define ESR_FSC_TRANSLATION_M1	0x2b
#define ESR_FSC_ADDRESS_SIZE_M2 0x2c

/* ISS of ESR_EC_SYS64. */
#define ESR_SYS64_OP0	GENMASK(21, 20)
#define ESR_SYS64_OP2	GENMASK(19, 17)
#define ESR_SYS64_OP1	GENMASK(16, 14)
#define ESR_SYS64_CRN	GENMASK(13, 10)
#define ESR_SYS64_CRN_0 BIT(10)
#define ESR_SYS64_RT	GENMASK(9, 5)
#define ESR_SYS64_CRM	GENMASK(4, 1)
#define ESR_SYS64_READ	BIT(0) /* Direction: MRS */

/* ISS of ESR_EC_WFX. */
#define ESR_WFX_RN	GENMASK(9, 5) /* WFIT, WFET: register with the timeout, if RV */
#define ESR_WFX_RV	BIT(2)
#define ESR_WFX_TI	GENMASK(1, 0)
#define ESR_WFX_TI_WFI	0
#define ESR_WFX_TI_WFE	1
#define ESR_WFX_TI_WFIT 2
#define ESR_WFX_TI_WFET 3

/* ISS of SVC, HVC, SMC, BRK: the instruction's immediate. */
#define ESR_IMM16 GENMASK(15, 0)

/* ISS of ESR_EC_FP_ASIMD: CV, COND as AArch64 has them. */
#define ESR_FP_ALWAYS (BIT(24) | 14ULL << 20)

/* ISS of ESR_EC_ERET. */
#define ESR_ERET_ERETA	BIT(1) /* ERETAA or ERETAB */
#define ESR_ERET_ERETAB BIT(0) /* if so: ERETAB */

/* ISS of ESR_EC_FPAC. */
#define ESR_FPAC_KEY_B BIT(0)

/* ISS of ESR_EC_SERROR. */
#define ESR_SERROR_IDS	BIT(24) /* the rest is IMPLEMENTATION DEFINED */
#define ESR_SERROR_IESB BIT(13)
#define ESR_SERROR_AET	GENMASK(12, 10) /* valid if DFSC is ESR_FSC_SERROR */
#define ESR_FSC_SERROR	0x11

/* DISR_EL1: an SError that ESB has deferred; its syndrome if IDS is 0 */
#define DISR_A	 BIT(31)
#define DISR_ISS (ESR_SERROR_AET | BIT(9) | GENMASK(5, 0))

static inline unsigned int esr_ec(u64 esr)
{
	return (unsigned int)FIELD_GET(ESR_EC, esr);
}

static inline unsigned int esr_fsc(u64 esr)
{
	return (unsigned int)FIELD_GET(ESR_FSC, esr);
}

/* A synchronous external abort, on a table walk or not. */
static inline bool esr_fsc_is_external(u64 fsc)
{
	return fsc == ESR_FSC_EXTABT || fsc == ESR_FSC_EXTABT_WALK_M2 ||
	       fsc == ESR_FSC_EXTABT_WALK_M1 || (fsc & ESR_FSC_TYPE) == ESR_FSC_EXTABT_WALK;
}

/**
 * esr_ec_name() - an exception class in words
 * @ec: 0..63, as esr_ec() gives it
 *
 * Return: a string that stays; "reserved exception class" for a class that the manual does not
 * define.
 */
const char *esr_ec_name(unsigned int ec);

/**
 * esr_fsc_name() - a fault status code in words
 * @fsc: 0..63, as esr_fsc() gives it
 *
 * Where esr_fsc_level() says that the code has a level, the words do not hold it.
 *
 * Return: a string that stays; "reserved fault status" for a code that the manual does not define.
 */
const char *esr_fsc_name(unsigned int fsc);

/**
 * esr_fsc_level() - the translation table level of a fault
 * @fsc:   0..63
 * @level: -2..3; untouched if there is none
 *
 * Return: whether @fsc has a level.
 */
bool esr_fsc_level(unsigned int fsc, int *level);

/**
 * esr_describe() - a whole syndrome in words, in one line
 * @buf:  gets the description, terminated; cut off if too small (ESR_DESCRIBE_MAX is enough)
 * @size: of @buf in bytes
 * @esr:  any value
 *
 * Return: the length of the whole description, as kl_snprintf().
 */
int esr_describe(char *buf, size_t size, u64 esr);

#define ESR_DESCRIBE_MAX 256

#endif
