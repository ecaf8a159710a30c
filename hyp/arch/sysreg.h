/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Access to system registers. Names that the assembler's base architecture does not know are
 * given by encoding here, with the manual's name (ARM DDI 0487, D23).
 */
#ifndef KEEL_ARCH_SYSREG_H
#define KEEL_ARCH_SYSREG_H

#include <arch/extable.h>
#include <lib/types.h>

#define SYSREG_STR_(x) #x
#define SYSREG_STR(x)  SYSREG_STR_(x)

#define read_sysreg(reg)                                                     \
	({                                                                   \
		u64 value_;                                                  \
		__asm__ volatile("mrs %0, " SYSREG_STR(reg) : "=r"(value_)); \
		value_;                                                      \
	})

#define write_sysreg(value, reg)                                                     \
	do {                                                                         \
		u64 written_ = (u64)(value);                                         \
		__asm__ volatile("msr " SYSREG_STR(reg) ", %x0" : : "rZ"(written_)); \
	} while (0)

/*
 * Registers that EL3 may keep from EL2: false where the access is UNDEFINED, and 0 is read. Then
 * ELR_EL2, SPSR_EL2, ESR_EL2 and FAR_EL2 are lost. The flags change: reading RNDR and RNDRRS sets them.
 */
#define try_read_sysreg(reg, value)                                                          \
	({                                                                                   \
		u64 done_ = 1;                                                               \
		__asm__ volatile("1: mrs %0, " SYSREG_STR(reg) "\n"                          \
							       "2:\n"                        \
							       ".subsection 1\n"             \
							       "3: mov %0, xzr\n"            \
							       "mov %1, xzr\n"               \
							       "b 2b\n"                      \
							       ".previous\n" EXTABLE_SYSREG( \
								       "1b", "2b", "3b")     \
				 : "=&r"(*(value)), "+r"(done_)                              \
				 :                                                           \
				 : "cc");                                                    \
		done_ != 0;                                                                  \
	})

#define try_write_sysreg(value, reg)                                                             \
	({                                                                                       \
		u64 done_ = 1, written_ = (u64)(value);                                          \
		__asm__ volatile(                                                                \
			"1: msr " SYSREG_STR(reg) ", %x1\n"                                      \
						  "2:\n"                                         \
						  ".subsection 1\n"                              \
						  "3: mov %0, xzr\n"                             \
						  "b 2b\n"                                       \
						  ".previous\n" EXTABLE_SYSREG("1b", "2b", "3b") \
			: "+r"(done_)                                                            \
			: "rZ"(written_));                                                       \
		done_ != 0;                                                                      \
	})

/* op0, op1, CRn, CRm, op2 */
#define SYS_ID_AA64PFR2_EL1  s3_0_c0_c4_2
#define SYS_ID_AA64ZFR0_EL1  s3_0_c0_c4_4
#define SYS_ID_AA64FPFR0_EL1 s3_0_c0_c4_7
#define SYS_ID_AA64SMFR0_EL1 s3_0_c0_c4_5
#define SYS_ID_AA64ISAR2_EL1 s3_0_c0_c6_2
#define SYS_ID_AA64ISAR3_EL1 s3_0_c0_c6_3
#define SYS_ID_AA64MMFR2_EL1 s3_0_c0_c7_2
#define SYS_ID_AA64MMFR3_EL1 s3_0_c0_c7_3
#define SYS_ID_AA64MMFR4_EL1 s3_0_c0_c7_4
#define SYS_GCSCRE0_EL1	     s3_0_c2_c5_2
#define SYS_ZCR_EL2	     s3_4_c1_c2_0
#define SYS_SMCR_EL2	     s3_4_c1_c2_6
#define SYS_HCRX_EL2	     s3_4_c1_c2_2
#define SYS_HFGRTR_EL2	     s3_4_c1_c1_4
#define SYS_HFGWTR_EL2	     s3_4_c1_c1_5
#define SYS_HFGITR_EL2	     s3_4_c1_c1_6
#define SYS_HDFGRTR_EL2	     s3_4_c3_c1_4
#define SYS_HDFGWTR_EL2	     s3_4_c3_c1_5
#define SYS_HAFGRTR_EL2	     s3_4_c3_c1_6
#define SYS_HDFGRTR2_EL2     s3_4_c3_c1_0
#define SYS_HDFGWTR2_EL2     s3_4_c3_c1_1
#define SYS_HFGRTR2_EL2	     s3_4_c3_c1_2
#define SYS_HFGWTR2_EL2	     s3_4_c3_c1_3
#define SYS_HFGITR2_EL2	     s3_4_c3_c1_7
#define SYS_PMSNEVFR_EL1     s3_0_c9_c9_1
#define SYS_PMSICR_EL1	     s3_0_c9_c9_2
#define SYS_PMSIRR_EL1	     s3_0_c9_c9_3
#define SYS_PMSFCR_EL1	     s3_0_c9_c9_4
#define SYS_PMSEVFR_EL1	     s3_0_c9_c9_5
#define SYS_PMSLATFR_EL1     s3_0_c9_c9_6
#define SYS_PMSIDR_EL1	     s3_0_c9_c9_7
#define SYS_PMBLIMITR_EL1    s3_0_c9_c10_0
#define SYS_PMBPTR_EL1	     s3_0_c9_c10_1
#define SYS_PMBSR_EL1	     s3_0_c9_c10_3
#define SYS_PMBIDR_EL1	     s3_0_c9_c10_7
#define SYS_PMSCR_EL2	     s3_4_c9_c9_0
#define SYS_TRBLIMITR_EL1    s3_0_c9_c11_0
#define SYS_TRBIDR_EL1	     s3_0_c9_c11_7
#define SYS_TRFCR_EL2	     s3_4_c1_c2_1
#define SYS_BRBCR_EL2	     s2_4_c9_c0_0
#define SYS_MPAMIDR_EL1	     s3_0_c10_c4_4
#define SYS_DISR_EL1	     s3_0_c12_c1_1
#define SYS_VSESR_EL2	     s3_4_c5_c2_3
#define SYS_VDISR_EL2	     s3_4_c12_c1_1
#define SYS_MPAM2_EL2	     s3_4_c10_c5_0
#define SYS_MPAMHCR_EL2	     s3_4_c10_c4_0
#define SYS_ICC_SRE_EL2	     s3_4_c12_c9_5
#define SYS_ICH_HCR_EL2	     s3_4_c12_c11_0
#define SYS_CNTHV_CTL_EL2    s3_4_c14_c3_1
#define SYS_CNTPOFF_EL2	     s3_4_c14_c0_6
#define SYS_TTBR1_EL2	     s3_4_c2_c0_1
#define SYS_CONTEXTIDR_EL2   s3_4_c13_c0_1
#define SYS_TCR2_EL2	     s3_4_c2_c0_3
#define SYS_SCTLR2_EL2	     s3_4_c1_c0_3
#define SYS_PIR_EL2	     s3_4_c10_c2_3
#define SYS_RNDRRS	     s3_3_c2_c4_1
#define SYS_APIAKEYLO_EL1    s3_0_c2_c1_0
#define SYS_PMCR_EL0	     s3_3_c9_c12_0
#define SYS_SVCR	     s3_3_c4_c2_2
#define SYS_FPMR	     s3_3_c4_c4_2

#endif
