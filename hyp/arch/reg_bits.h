/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fields of the system registers that Keel reads and writes, by the architecture's names: the one
 * place for each, but for those of SPE (cpu/spe_fields.h), of ESR_ELx (lib/esr.h) and of ID
 * registers (cpu/features.h). Constants only.
 */
#ifndef KEEL_ARCH_REG_BITS_H
#define KEEL_ARCH_REG_BITS_H

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
#define PSR_MODE_EL2t 0x8
#define PSR_MODE_EL2h 0x9
#define PSR_MODE_MASK 0xf
#define PSR_MODE32    BIT_(4)
#define PSR_F	      BIT_(6)
#define PSR_I	      BIT_(7)
#define PSR_A	      BIT_(8)
#define PSR_D	      BIT_(9)
#define PSR_DAIF      (PSR_D | PSR_A | PSR_I | PSR_F)

/* SCTLR_EL2: bits that are RES1 before any extension gives them a meaning */
#define SCTLR_EL2_RES1 0x30c50830
#define SCTLR_M	       BIT_(0)
#define SCTLR_A	       BIT_(1)
#define SCTLR_C	       BIT_(2)
#define SCTLR_SA       BIT_(3)
#define SCTLR_I	       BIT_(12)
#define SCTLR_WXN      BIT_(19)
#define SCTLR_EE       BIT_(25) /* data accesses at this level, and its table walks, are big-endian */
/* SCTLR_EL1 as a kernel finds it: MMU and caches off, RES1 bits set */
#define SCTLR_EL1_RESET 0x30d00800
#define SCTLR_EL1_E0E	BIT_(24) /* EL0 is big-endian */
#define SCTLR_EL1_EE	BIT_(25) /* big-endian */

#ifndef __ASSEMBLY__

/* SCTLR_EL1 bits that decide the PSTATE of an exception */
#define SCTLR_EL1_SPAN	    BIT(23)
#define SCTLR_EL1_DSSBS	    BIT(44)
#define SCTLR_EL1_SPINTMASK BIT(62)

/* Pointer authentication of instructions' addresses, by key */
#define SCTLR_EL1_EnIB BIT(30)
#define SCTLR_EL1_EnIA BIT(31)

/* DCZID_EL0 */
#define DCZID_BS  GENMASK(3, 0) /* log2 of the words that DC ZVA clears */
#define DCZID_DZP BIT(4)	/* DC ZVA is prohibited */

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

/* HCR_EL2 */
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

#define HCR_SWIO   BIT(1)
#define HCR_PTW	   BIT(2) /* a stage 1 walk in Device memory is a stage 2 Permission fault */
#define HCR_FB	   BIT(9)
#define HCR_BSU_IS BIT(10)
#define HCR_TWI	   BIT(13)
#define HCR_TID1   BIT(16) /* AIDR_EL1, REVIDR_EL1, SMIDR_EL1 */
#define HCR_TID2   BIT(17) /* reads of CTR_EL0, CLIDR_EL1, CCSIDR_EL1; CSSELR_EL1 */
#define HCR_TID3   BIT(18)
#define HCR_TIDCP  BIT(20)
#define HCR_TACR   BIT(21)
#define HCR_TSW	   BIT(22)
#define HCR_TVM	   BIT(26)
#define HCR_TDZ	   BIT(28) /* DC ZVA */
#define HCR_TLOR   BIT(35)
#define HCR_CD	   BIT(32) /* stage 2 makes data Non-cacheable; ID: instructions */
#define HCR_ID	   BIT(33)
#define HCR_TERR   BIT(36)
#define HCR_TEA	   BIT(37) /* synchronous external aborts go to EL2 */
#define HCR_FWB	   BIT(46)
#define HCR_TID5   BIT(58) /* GMID_EL1 */
#define HCR_VF	   BIT(6)  /* virtual interrupts that the hypervisor itself makes pending */
#define HCR_VI	   BIT(7)
#define HCR_DC	   BIT(12) /* stage 1 off, memory cacheable, and as if VM were 1 */
#define HCR_TWE	   BIT(14)
#define HCR_TPCP   BIT(23) /* DC to the point of coherency or persistence */
#define HCR_TPU	   BIT(24) /* cache maintenance to the point of unification */
#define HCR_TTLB   BIT(25)
#define HCR_TGE	   BIT(27)
#define HCR_HCD	   BIT(29)
#define HCR_TRVM   BIT(30)
#define HCR_NV	   BIT(42)
#define HCR_NV1	   BIT(43)
#define HCR_AT	   BIT(44)
#define HCR_NV2	   BIT(45)
/* What traps from every guest, and where its interrupts go. */
#define HCR_GUEST_TRAPS                                                                      \
	(HCR_SWIO | HCR_FMO | HCR_IMO | HCR_AMO | HCR_FB | HCR_BSU_IS | HCR_TWI | HCR_TID3 | \
	 HCR_TSC | HCR_TIDCP | HCR_TACR | HCR_TSW)

/* CPTR_EL2 with E2H=0; TZ and TSM are RES1 where there is no SVE or SME */
#define CPTR_RES1 0x22ffULL
#define CPTR_TZ	  BIT(8)
#define CPTR_TFP  BIT(10)
#define CPTR_TSM  BIT(12)
#define CPTR_TTA  BIT(20)
#define CPTR_TAM  BIT(30) /* in either layout */
/* CPACR_EL1, and CPTR_EL2 with E2H=1. ZEN, FPEN, SMEN and E0POE trap while they are zero. */
#define CPACR_ZEN   GENMASK(17, 16)
#define CPACR_FPEN  GENMASK(21, 20)
#define CPACR_SMEN  GENMASK(25, 24)
#define CPACR_TTA   BIT(28)
#define CPACR_E0POE BIT(29)
/* ZCR_ELx and SMCR_ELx: the longest vectors, in quadwords less one */
#define ZCR_LEN	  GENMASK(3, 0)
#define SMCR_LEN  GENMASK(3, 0)
#define SMCR_EZT0 BIT(30)
#define SMCR_FA64 BIT(31)
/* SVCR: the CPU is in Streaming SVE mode */
#define SVCR_SM	   BIT(0)
#define CPTR_TCPAC BIT(31) /* of CPTR_EL2 in either layout: accesses to CPACR_EL1 */

/*
 * MDCR_EL2. The buffers of profiling (E2PB) and trace (E2TB) go by the EL1&0 regime; 0b11: their
 * registers are EL1's, 0b10: they trap. With 0b00 a buffer would be EL2's, and what the unit has
 * still to write, or one that was left enabled, would go through EL2's own translation, or, by
 * TRBLIMITR_EL1.nVM, to any physical address: into Keel.
 */
#define MDCR_HPMN	GENMASK(4, 0)
#define MDCR_TPMCR	BIT(5)
#define MDCR_TPM	BIT(6)
#define MDCR_HPME	BIT(7)
#define MDCR_TDE	BIT(8)
#define MDCR_TDA	BIT(9)
#define MDCR_TDOSA	BIT(10)
#define MDCR_TDRA	BIT(11)
#define MDCR_E2PB_EL1	GENMASK(13, 12)
#define MDCR_E2PB_TRAPS (2ULL << 12)
#define MDCR_TPMS	BIT(14)
#define MDCR_HPMD	BIT(17) /* FEAT_PMUv3p1: event counters stop at EL2 */
#define MDCR_TTRF	BIT(19)
#define MDCR_HCCD	BIT(23) /* FEAT_PMUv3p5: the cycle counter stops at EL2 */
#define MDCR_E2TB_EL1	GENMASK(25, 24)
#define MDCR_E2TB_TRAPS (2ULL << 24)
#define MDCR_HLP	BIT(26)
#define MDCR_TDCC	BIT(27)
#define MDCR_MTPME	BIT(28)
#define MDCR_HPMFZO	BIT(29)

/* HCRX_EL2: all others are enables, or there is nothing to trap */
#define HCRX_ENAS0    BIT(0)
#define HCRX_ENALS    BIT(1)
#define HCRX_ENASR    BIT(2)
#define HCRX_TALLINT  BIT(6)
#define HCRX_MSCEN    BIT(11)
#define HCRX_TCR2EN   BIT(14)
#define HCRX_SCTLR2EN BIT(15)
#define HCRX_GCSEN    BIT(22)
#define HCRX_ENFPM    BIT(23)
#define HCRX_PACMEN   BIT(24)

/* HFGRTR_EL2, and HFGWTR_EL2 likewise: n..., which trap while they are zero */
#define HFGRTR_ACCDATA_EL1 BIT(50)
#define HFGRTR_GCS	   GENMASK(53, 52) /* _EL0, _EL1 */
#define HFGRTR_SMPRI_EL1   BIT(54)
#define HFGRTR_TPIDR2_EL0  BIT(55)
#define HFGRTR_RCWMASK_EL1 BIT(56)
#define HFGRTR_PIR	   GENMASK(58, 57) /* PIRE0_EL1, PIR_EL1 */
#define HFGRTR_POR_EL0	   BIT(59)
#define HFGRTR_POR_EL1	   BIT(60)
#define HFGRTR_S2POR_EL1   BIT(61)
#define HFGRTR_POR	   (HFGRTR_POR_EL0 | HFGRTR_POR_EL1 | HFGRTR_S2POR_EL1)
#define HFGRTR_AIE	   GENMASK(63, 62) /* MAIR2_EL1, AMAIR2_EL1 */

/* HFGRTR2_EL2, HFGWTR2_EL2; HFGITR_EL2, HFGITR2_EL2: likewise */
#define HFGRTR2_PFAR_EL1     BIT(0)
#define HFGRTR2_RCWSMASK_EL1 BIT(2)
#define HFGITR_GCS	     GENMASK(59, 57) /* GCSPUSHM_EL1, GCSSTR, GCSEPP */
#define HFGITR2_DCCIVAPS     BIT(1)

/* HDFGRTR_EL2; of them n..., which trap while they are zero, and those of HDFG<R,W>TR2_EL2 */
#define HDFGRTR_TRBIDR	     BIT(51)
#define HDFGRTR_PMBIDR	     BIT(63)
#define HDFGRTR_PMSNEVFR_EL1 BIT(62)
#define HDFGRTR2_PMUACR_EL1  BIT(4)
#define HDFGWTR2_PMZR_EL0    BIT(21)

/* MPAM2_EL2, MPAMHCR_EL2, MPAMIDR_EL1 */
#define MPAM2_TRAPMPAM1EL1 BIT(48)
#define MPAM2_TRAPMPAM0EL1 BIT(49)
#define MPAM2_TIDR	   BIT(58)
#define MPAMHCR_TRAP_IDR   BIT(31)
#define MPAMIDR_HAS_HCR	   BIT(17)
#define MPAMIDR_HAS_TIDR   BIT(58)

/* The fine-grained traps of branch records (FEAT_BRBE): nBRBIDR, nBRBCTL, nBRBDATA; without the
 * first; nBRBINJ, nBRBIALL. */
#define HDFGRTR_BRBE GENMASK(61, 59)
#define HDFGWTR_BRBE GENMASK(61, 60)
#define HFGITR_BRBE  GENMASK(56, 55)

/* TRBIDR_EL1: the buffer belongs to a higher Exception level */
#define TRBIDR_P BIT(4)
/* TRBLIMITR_EL1: on, for the CPU's own trace unit or for an external one */
#define TRBLIMITR_E  BIT(0)
#define TRBLIMITR_XE BIT(6)

/* TCR_EL2 with E2H=0 */
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

/* VTTBR_EL2 */
#define VTTBR_VMID	  GENMASK(63, 48)
#define VTTBR_BADDR	  GENMASK(47, 1)
#define VTTBR_BADDR_51_48 GENMASK(5, 2) /* with 52-bit output addresses */

/* VTCR_EL2 */
#define VTCR_T0SZ  GENMASK(5, 0)
#define VTCR_SL0   GENMASK(7, 6)
#define VTCR_IRGN0 GENMASK(9, 8)
#define VTCR_ORGN0 GENMASK(11, 10)
#define VTCR_SH0   GENMASK(13, 12)
#define VTCR_TG0   GENMASK(15, 14)
#define VTCR_PS	   GENMASK(18, 16)
#define VTCR_VS	   BIT(19) /* 16-bit VMID */
#define VTCR_HA	   BIT(21) /* access flag by hardware */
#define VTCR_HD	   BIT(22) /* dirty state by hardware */
#define VTCR_RES1  BIT(31)
#define VTCR_DS	   BIT(32) /* FEAT_LPA2's descriptors */
#define VTCR_SL2   BIT(33)

/* TCR_EL1, what software walks need */
#define TCR_T0SZ_BITS GENMASK(5, 0)
#define TCR_T1SZ_BITS GENMASK(21, 16)
#define TCR_TBI0      BIT(37)
#define TCR_TBI1      BIT(38)
#define TCR_TBID0     BIT(51) /* TBI0 is for data only */
#define TCR_TBID1     BIT(52)
#define TCR_TG0	      GENMASK(15, 14)
#define TCR_TG0_64K   1
#define TCR_TG1	      GENMASK(31, 30)
#define TCR_TG1_64K   3
#define TCR_EPD0      BIT(7) /* no walks by TTBR0_EL1 */
#define TCR_EPD1      BIT(23)
#define TCR_IPS	      GENMASK(34, 32)

/* PAR_EL1 */
#define PAR_F	 BIT(0)
#define PAR_FST	 GENMASK(6, 1)
#define PAR_PTW	 BIT(8) /* of a fault at stage 2: of stage 1's walk */
#define PAR_S	 BIT(9) /* of a fault: stage 2's */
#define PAR_SH	 GENMASK(8, 7)
#define PAR_PA	 GENMASK(51, 12)
#define PAR_ATTR GENMASK(63, 56)

/* ISR_EL1; A at EL2 is a physical SError */
#define ISR_F BIT(6)
#define ISR_I BIT(7)
#define ISR_A BIT(8)

/* PMCR_EL0 */
#define PMCR_N GENMASK(15, 11)

/* CNT*_CTL_EL<x> */
#define CNT_CTL_ENABLE	 BIT(0)
#define CNT_CTL_IMASK	 BIT(1)
#define CNT_CTL_ISTATUS	 BIT(2)
#define CNT_CTL_WRITABLE (CNT_CTL_ENABLE | CNT_CTL_IMASK)

/* CNTHCTL_EL2 with E2H=0 */
#define CNTHCTL_NVHE_EL1PCTEN BIT(0)
#define CNTHCTL_NVHE_EL1PCEN  BIT(1)

/*
 * CNTKCTL_EL1; with HCR_EL2.E2H=1 the low bits of CNTHCTL_EL2 are the same for EL0, and it has
 * these beside: EL1's physical counter and timer trap while they are 0, and with FEAT_ECV the
 * virtual timer, and the timers by their _EL02 names, trap while they are 1.
 */
#define CNTKCTL_BITS	 (GENMASK(9, 0) | BIT(17))
#define CNTHCTL_EL0PCTEN BIT(0)
#define CNTHCTL_EL0VCTEN BIT(1)
#define CNTHCTL_EL0VTEN	 BIT(8)
#define CNTHCTL_EL0PTEN	 BIT(9)
#define CNTHCTL_EL1PCTEN BIT(10)
#define CNTHCTL_EL1PTEN	 BIT(11)
#define CNTHCTL_EL1TVT	 BIT(13)
#define CNTHCTL_EL1TVCT	 BIT(14)
#define CNTHCTL_EL1NVPCT BIT(15)
#define CNTHCTL_EL1NVVCT BIT(16)

/* CSSELR_EL1: TnD, Level, InD */
#define CSSELR_BITS GENMASK(4, 0)

/* Debug. MDSCR_EL1: what software can use; OSLSR_EL1.OSLM: the OS lock is there. */
#define MDSCR_SS     BIT(0)
#define MDSCR_TDCC   BIT(12)
#define MDSCR_KDE    BIT(13)
#define MDSCR_MDE    BIT(15)
#define OSLAR_OSLK   BIT(0)
#define OSLSR_OSLK   BIT(1)
#define OSLSR_OSLM   BIT(3)
#define OSDLR_DLK    BIT(0)
#define MDCCINT_BITS GENMASK(30, 29) /* RX, TX */
/* DBGBCR<n>_EL1, DBGWCR<n>_EL1, DBGWVR<n>_EL1: bits that are not RES0 */
#define DBGBCR_BITS 0xffe1e7ULL
#define DBGWCR_BITS 0x1f1fffffULL
#define DBGWVR_BITS (~3ULL)

/* ICH_LR<n>_EL2 */
#define LR_STATE    GENMASK(63, 62)
#define LR_ACTIVE   BIT(63)
#define LR_PENDING  BIT(62)
#define LR_HW	    BIT(61)
#define LR_GROUP1   BIT(60)
#define LR_PRIORITY GENMASK(55, 48)
#define LR_PINTID   GENMASK(44, 32)
#define LR_EOI	    BIT(41) /* with HW=0 */
#define LR_VINTID   GENMASK(31, 0)

/* ICH_VMCR_EL2; VENG0 and VENG1 are the same bits as of GICD_CTLR */
#define VMCR_VENG0 BIT(0)
#define VMCR_VENG1 BIT(1)
#define VMCR_VCBPR BIT(4)
#define VMCR_VEOIM BIT(9)
#define VMCR_VBPR1 GENMASK(20, 18)
#define VMCR_VBPR0 GENMASK(23, 21)
#define VMCR_VPMR  GENMASK(31, 24)
/* GICH_VMCR of a GICv2 is the same, but for the mask's lower bits; the fields of GICC_CTLR */
#define VMCR_PMR5 GENMASK(31, 27)
#define VMCR_CTLR (GENMASK(4, 0) | VMCR_VEOIM)

/* ICH_VTR_EL2 */
#define VTR_LISTREGS GENMASK(4, 0)
#define VTR_TDS	     BIT(19)
#define VTR_NV4	     BIT(20)
#define VTR_A3V	     BIT(21)
#define VTR_SEIS     BIT(22)
#define VTR_IDBITS   GENMASK(25, 23)
#define VTR_PREBITS  GENMASK(28, 26)
#define VTR_PRIBITS  GENMASK(31, 29)

/* ICH_HCR_EL2 (ARM IHI 0069) */
#define ICH_HCR_EN	 BIT(0)
#define ICH_HCR_UIE	 BIT(1) /* at most one list register is valid */
#define ICH_HCR_LRENPIE	 BIT(2) /* EOIs of interrupts that are in no list register */
#define ICH_HCR_NPIE	 BIT(3) /* no list register is pending */
#define ICH_HCR_VGRP0EIE BIT(4) /* the guest has enabled a group at its CPU interface... */
#define ICH_HCR_VGRP0DIE BIT(5) /* ... or disabled it */
#define ICH_HCR_VGRP1EIE BIT(6)
#define ICH_HCR_VGRP1DIE BIT(7)
#define ICH_HCR_TC	 BIT(10)
#define ICH_HCR_TALL0	 BIT(11)
#define ICH_HCR_TALL1	 BIT(12)
#define ICH_HCR_TDIR	 BIT(14)
#define ICH_HCR_EOICOUNT GENMASK(31, 27)

/* ICC_SRE_EL2, ICC_SRE_EL1 (ARM IHI 0069) */
#define ICC_SRE_SRE    BIT(0)
#define ICC_SRE_DFB    BIT(1)
#define ICC_SRE_DIB    BIT(2)
#define ICC_SRE_ENABLE BIT(3)

#endif
#endif
