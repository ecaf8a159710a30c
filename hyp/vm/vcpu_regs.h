/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vCPU's register file. System registers for which the architecture defines a place in the VNCR
 * page (ARM DDI 0487, D8.12.1.3, FEAT_NV2) lie at that place, so that an index means the same in
 * the page to which VNCR_EL2 points for a vCPU with a virtual EL2 (nested/nested_regs.h). The
 * others follow in the page behind it. An index is the offset in bytes divided by 8.
 */
#ifndef KEEL_VM_VCPU_REGS_H
#define KEEL_VM_VCPU_REGS_H

#ifndef __ASSEMBLY__
#include <arch/fpsimd.h>
#include <lib/types.h>

#define VNCR(offset) ((offset) / 8)

enum vcpu_sysreg {
	/* defined by the architecture */
	VTTBR_EL2 = VNCR(0x020),
	VTCR_EL2 = VNCR(0x040),
	VMPIDR_EL2 = VNCR(0x050),
	CNTVOFF_EL2 = VNCR(0x060),
	HCR_EL2 = VNCR(0x078),
	HSTR_EL2 = VNCR(0x080),
	VPIDR_EL2 = VNCR(0x088),
	TPIDR_EL2 = VNCR(0x090),
	HCRX_EL2 = VNCR(0x0a0),
	CPACR_EL1 = VNCR(0x100),
	CONTEXTIDR_EL1 = VNCR(0x108),
	SCTLR_EL1 = VNCR(0x110),
	ACTLR_EL1 = VNCR(0x118),
	TCR_EL1 = VNCR(0x120),
	AFSR0_EL1 = VNCR(0x128),
	AFSR1_EL1 = VNCR(0x130),
	ESR_EL1 = VNCR(0x138),
	MAIR_EL1 = VNCR(0x140),
	AMAIR_EL1 = VNCR(0x148),
	MDSCR_EL1 = VNCR(0x158),
	SPSR_EL1 = VNCR(0x160),
	CNTV_CVAL_EL0 = VNCR(0x168),
	CNTV_CTL_EL0 = VNCR(0x170),
	CNTP_CVAL_EL0 = VNCR(0x178),
	CNTP_CTL_EL0 = VNCR(0x180),
	SCXTNUM_EL1 = VNCR(0x188),
	TFSR_EL1 = VNCR(0x190),
	ZCR_EL1 = VNCR(0x1e0),
	TTBR0_EL1 = VNCR(0x200),
	TTBR1_EL1 = VNCR(0x210),
	FAR_EL1 = VNCR(0x220),
	ELR_EL1 = VNCR(0x230),
	SP_EL1 = VNCR(0x240),
	VBAR_EL1 = VNCR(0x250),
	TCR2_EL1 = VNCR(0x270),
	SCTLR2_EL1 = VNCR(0x278),
	PIRE0_EL1 = VNCR(0x290),
	PIR_EL1 = VNCR(0x2a0),
	POR_EL1 = VNCR(0x2a8),
	ICH_LR0_EL2 = VNCR(0x400),   /* 16 of them */
	ICH_AP0R0_EL2 = VNCR(0x480), /* 4 of each */
	ICH_AP1R0_EL2 = VNCR(0x4a0),
	ICH_HCR_EL2 = VNCR(0x4c0),
	ICH_VMCR_EL2 = VNCR(0x4c8),

	/* Keel's own places */
	VCPU_SYSREG_FIRST_OWN = 4096 / 8,
	SP_EL0 = VCPU_SYSREG_FIRST_OWN,
	TPIDR_EL0,
	TPIDRRO_EL0,
	TPIDR_EL1,
	PAR_EL1,
	CNTKCTL_EL1,
	CSSELR_EL1,
	OSLSR_EL1,
	MDCCINT_EL1,
	DISR_EL1,
	SCXTNUM_EL0,
	TPIDR2_EL0,
	APIAKEYLO_EL1,
	APIAKEYHI_EL1,
	APIBKEYLO_EL1,
	APIBKEYHI_EL1,
	APDAKEYLO_EL1,
	APDAKEYHI_EL1,
	APDBKEYLO_EL1,
	APDBKEYHI_EL1,
	APGAKEYLO_EL1,
	APGAKEYHI_EL1,
	TFSRE0_EL1,
	GCR_EL1,
	RGSR_EL1,
	DBGVCR32_EL2,
	DACR32_EL2,
	IFSR32_EL2,
	FPEXC32_EL2,
	OSDLR_EL1,
	/* 16 of each */
	DBGBVR0_EL1,
	DBGBCR0_EL1 = DBGBVR0_EL1 + 16,
	DBGWVR0_EL1 = DBGBCR0_EL1 + 16,
	DBGWCR0_EL1 = DBGWVR0_EL1 + 16,
	DBG_REGS_END = DBGWCR0_EL1 + 16,
	VCPU_SYSREG_COUNT = DBG_REGS_END
};

/* Bytes of the register file. */
#define VCPU_SYSREG_BYTES 8192
STATIC_ASSERT(VCPU_SYSREG_COUNT * 8 <= VCPU_SYSREG_BYTES, "register file");

/* General registers; enter.S uses the layout. */
struct vcpu_gpregs {
	u64 x[31];
	u64 pc;
	u64 pstate;
	u64 pad;
};

#endif

/* Offsets in struct vcpu that enter.S uses; asserted in vm.h. */
#define VCPU_GPREGS	0
#define VCPU_HANDLERS	352 /* handlers, fast_classes */
#define VCPU_FAST_EXIT	368
#define VCPU_EARLY_EXIT 376 /* early_exit, early_classes */
#define VCPU_ATTENTION	616

/* In fast_classes: there is an early exit. No exception has this class. */
#define EXIT_HAS_EARLY 63

#endif
