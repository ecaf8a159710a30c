/* SPDX-License-Identifier: BSD-2-Clause */
/* Fields of the EL2 registers that Keel writes (ARM DDI 0487, D23.2). Constants only. */
#ifndef KEEL_CPU_EL2_REGS_H
#define KEEL_CPU_EL2_REGS_H

#ifdef __ASSEMBLY__
#define BIT_(n) (1 << (n))
#else
#include <lib/types.h>
#define BIT_(n) BIT(n)
#endif

/* CurrentEL */
#define CURRENTEL_EL1 (1 << 2)
#define CURRENTEL_EL2 (2 << 2)

/* SPSR_ELx, PSTATE (C5.2.18) */
#define PSR_MODE_EL0t 0x0
#define PSR_MODE_EL1t 0x4
#define PSR_MODE_EL1h 0x5
#define PSR_MODE_MASK 0xf
#define PSR_MODE32    BIT_(4)
#define PSR_F	      BIT_(6)
#define PSR_I	      BIT_(7)
#define PSR_A	      BIT_(8)
#define PSR_D	      BIT_(9)
#define PSR_DAIF      (PSR_D | PSR_A | PSR_I | PSR_F)

/* SCTLR_EL2 (D23.2.139): bits that are RES1 before any extension gives them a meaning */
#define SCTLR_EL2_RES1 0x30c50830
#define SCTLR_M	       BIT_(0)
#define SCTLR_A	       BIT_(1)
#define SCTLR_C	       BIT_(2)
#define SCTLR_SA       BIT_(3)
#define SCTLR_I	       BIT_(12)
#define SCTLR_WXN      BIT_(19)
/* SCTLR_EL1 (D23.2.138) as a kernel finds it: MMU and caches off, RES1 bits set */
#define SCTLR_EL1_RESET 0x30d00800
#define SCTLR_EL1_EE	BIT_(25) /* big-endian */

#ifndef __ASSEMBLY__

/* SCTLR_EL1 bits that decide the PSTATE of an exception */
#define SCTLR_EL1_SPAN	    BIT(23)
#define SCTLR_EL1_DSSBS	    BIT(44)
#define SCTLR_EL1_SPINTMASK BIT(62)

/* PSTATE bits beyond the mode and the masks */
#define PSR_BTYPE  GENMASK(11, 10)
#define PSR_SSBS   BIT(12)
#define PSR_ALLINT BIT(13)
#define PSR_IL	   BIT(20)
#define PSR_SS	   BIT(21)
#define PSR_PAN	   BIT(22)
#define PSR_UAO	   BIT(23)
#define PSR_DIT	   BIT(24)
#define PSR_TCO	   BIT(25)
#define PSR_NZCV   GENMASK(31, 28)

/* HCR_EL2 (D23.2.53) */
#define HCR_VM	   BIT(0)
#define HCR_FMO	   BIT(3)
#define HCR_IMO	   BIT(4)
#define HCR_AMO	   BIT(5)
#define HCR_VSE	   BIT(8) /* the CPU clears it when the virtual SError is taken */
#define HCR_TSC	   BIT(19)
#define HCR_RW	   BIT(31)
#define HCR_E2H	   BIT(34)
#define HCR_APK	   BIT(40)
#define HCR_API	   BIT(41)
#define HCR_ENSCXT BIT(53)
#define HCR_ATA	   BIT(56)

/* More of HCR_EL2: what traps from a guest, and where its interrupts go */
#define HCR_SWIO   BIT(1)
#define HCR_FB	   BIT(9)
#define HCR_BSU_IS BIT(10)
#define HCR_TWI	   BIT(13)
#define HCR_TID3   BIT(18)
#define HCR_TIDCP  BIT(20)
#define HCR_TACR   BIT(21)
#define HCR_TSW	   BIT(22)
#define HCR_TVM	   BIT(26)
#define HCR_FWB	   BIT(46)
#define HCR_GUEST_TRAPS                                                                      \
	(HCR_SWIO | HCR_FMO | HCR_IMO | HCR_AMO | HCR_FB | HCR_BSU_IS | HCR_TWI | HCR_TID3 | \
	 HCR_TSC | HCR_TIDCP | HCR_TACR | HCR_TSW)

/* MDCR_EL2 (D24.3): profiling and trace buffers are EL1's, and nothing of them traps; the
 * event counters (FEAT_PMUv3p1) and the cycle counter (FEAT_PMUv3p5) stop at EL2;
 * accesses of the trace filter trap */
#define MDCR_E2PB_EL1 GENMASK(13, 12)
#define MDCR_E2TB_EL1 GENMASK(25, 24)
#define MDCR_HPMD     BIT(17)
#define MDCR_TTRF     BIT(19)
#define MDCR_HCCD     BIT(23)

/* The fine-grained traps of branch records (FEAT_BRBE): nBRBIDR, nBRBCTL, nBRBDATA; without the
 * first; nBRBINJ, nBRBIALL. */
#define HDFGRTR_BRBE GENMASK(61, 59)
#define HDFGWTR_BRBE GENMASK(61, 60)
#define HFGITR_BRBE  GENMASK(56, 55)

/* TCR_EL2 with E2H=0 (D23.2.151) */
#define TCR_T0SZ(x)    ((u64)(x))
#define TCR_IRGN0_WBWA BIT(8)
#define TCR_ORGN0_WBWA BIT(10)
#define TCR_SH0_INNER  (3ULL << 12)
#define TCR_EL2_PS(x)  ((u64)(x) << 16)
#define TCR_EL2_RES1   (BIT(31) | BIT(23))
#define TCR_EL2_DS     BIT(32)
/* TCR_EL2 with E2H=1: the layout of TCR_EL1 */
#define TCR_E2H_T1SZ(x)	   ((u64)(x) << 16)
#define TCR_E2H_IRGN1_WBWA BIT(24)
#define TCR_E2H_ORGN1_WBWA BIT(26)
#define TCR_E2H_SH1_INNER  (3ULL << 28)
#define TCR_E2H_TG1_4K	   (2ULL << 30)
#define TCR_E2H_IPS(x)	   ((u64)(x) << 32)
#define TCR_E2H_DS	   BIT(59)

/* MAIR_EL2: the three memory types of Keel's own mappings, by index */
#define MAIR_IDX_NORMAL 0
#define MAIR_IDX_DEVICE 1
/* attr 1: Device-nGnRE; attr 0: Normal, write-back, allocating */
#define MAIR_EL2_VALUE 0x04ffULL

/* HPFAR_EL2.FIPA is IPA[51:12] at bit 4 */
#define HPFAR_FIPA GENMASK(47, 4)

#endif
#endif
