/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which registers and instructions trap while a guest has the CPU: EL2's controls, computed from
 * the CPU's ID registers. A feature that guests do not have must be UNDEFINED for them: if the CPU
 * has it, it traps, and there is no row for it, or an empty one, in the table of trap/sysreg.c. A
 * bit of a feature is set only if the CPU has the feature; otherwise it is RES0.
 */
#ifndef KEEL_VM_GUEST_TRAPS_H
#define KEEL_VM_GUEST_TRAPS_H

#include <cpu/features.h>

/*
 * The traps of registers to EL2: the column .trap of the table in trap/sysreg.c. guest_trap_desc()
 * gives the bits. BY_..._0 is an enable that stays zero.
 */
enum guest_trap {
	BY_NOTHING, /* it does not trap: it is in the hardware, or UNDEFINED there */
	/* temporarily, or on some CPUs: trap/set_way.h, trap/impl_regs.h */
	BY_HCR_TVM,
	BY_HCR_TID2,
	BY_HCR_TDZ,
	/* for VMs without the feature: see switch.c, vgic/ */
	BY_HCR_APK_0,
	BY_CPTR_TZ,
	BY_ICH_HCR,
	BY_ICC_SRE_0,
	/* always */
	BY_HCR_IMO,
	BY_HCR_TSW,
	BY_HCR_TACR,
	BY_HCR_TID3,
	BY_MDCR_TDA,
	BY_MDCR_TDOSA,
	BY_MDCR_TDRA,
	BY_CNTHCTL,
	/* if the CPU has the feature */
	BY_HCR_TID1,
	BY_HCR_TID5,
	BY_HCR_TLOR,
	BY_HCR_TERR,
	BY_HCR_ATA_0,
	BY_HCR_ENSCXT_0,
	BY_CPTR_TSM,
	BY_CPTR_TAM,
	BY_CPTR_TTA,
	BY_MDCR_TPM,
	BY_MDCR_TPMS,
	BY_MDCR_E2PB,
	BY_MDCR_E2TB,
	BY_MDCR_TTRF,
	BY_HCRX_TALLINT,
	BY_HCRX_TCR2EN_0,
	BY_HCRX_SCTLR2EN_0,
	BY_HCRX_ENFPM_0,
	BY_MPAM2,
	/* FEAT_FGT: the n... bits at 0 */
	BY_HFGRTR_GCS_0,
	BY_HFGRTR_SMPRI_0,
	BY_HFGRTR_TPIDR2_0,
	BY_HFGRTR_ACCDATA_0,
	BY_HFGRTR_RCWMASK_0,
	BY_HFGRTR_PIE_0,
	BY_HFGRTR_POR_0,
	BY_HFGRTR_AIE_0,
	BY_HFGITR_BRB_0,
	BY_HDFGRTR_BRB_0,
	BY_HDFGRTR_PMBIDR,
	BY_HDFGRTR_TRBIDR,
	BY_FGT2_0, /* all of FEAT_FGT2's registers are zero */
	GUEST_TRAP_COUNT
};

enum trap_control {
	CONTROL_NONE, /* not decided by guest_traps_compute() */
	CONTROL_HCR,
	CONTROL_CPTR,
	CONTROL_MDCR,
	CONTROL_HCRX,
	CONTROL_HFGRTR,
	CONTROL_HFGITR,
	CONTROL_HDFGRTR,
	CONTROL_MPAM2,
	CONTROL_COUNT
};

/**
 * struct guest_trap_desc - a trap's bits
 * @control: the register that has them
 * @field, @min: the ID field of the feature, and its least value; 0, 0: each CPU has it
 * @set:     bits that are 1 while a guest runs
 * @clear:   bits that are 0
 * @e2h_set, @e2h_clear: the same of CPTR_EL2 with HCR_EL2.E2H=1, in CPACR_EL1's layout
 */
struct guest_trap_desc {
	u8 control; /* enum trap_control */
	u16 field;  /* enum id_field */
	u8 min;
	u64 set, clear, e2h_set, e2h_clear;
};

const struct guest_trap_desc *guest_trap_desc(enum guest_trap trap);

/**
 * struct guest_traps - one CPU's controls for guests
 * @hcr:     HCR_EL2 without E2H, FWB, API and APK
 * @cptr:    CPTR_EL2, in the layout of the CPU's E2H, with FP and SVE trapped
 * @cptr_fp: the bits of @cptr to clear, or with E2H=1 to set, for FP...
 * @cptr_sve: ... for SVE...
 * @cptr_sme: ... and for SME
 * @mdcr:    MDCR_EL2 without @mdcr_host
 * @mdcr_host: bits of MDCR_EL2 that are the host's
 * @hcrx ... @hdfgwtr: HCRX_EL2 and the fine-grained traps
 * @mpam2, @mpamhcr: MPAM2_EL2, MPAMHCR_EL2
 * @has_...: whether the CPU has these registers; @has_ras: VDISR_EL2
 * @has_rare: FEAT_FGT2's, MPAM2_EL2 or MPAMHCR_EL2
 * @has_sve, @has_sme, @has_fpmr: Z, P and FFR; SVCR; FPMR
 * @has_nv2, @has_ecv: what hyp/nested/ needs, and what it uses
 * @has_nv1: HCR_EL2.NV1, beside FEAT_NV2
 * @has_fa64: in Streaming SVE mode FFR is there as well (FEAT_SME_FA64)
 */
struct guest_traps {
	u64 hcr, cptr, cptr_fp, cptr_sve, cptr_sme, mdcr, mdcr_host, hcrx;
	u64 hfgrtr, hfgwtr, hfgitr, hdfgrtr, hdfgwtr;
	u64 mpam2, mpamhcr;
	bool e2h, has_hcx, has_fgt, has_fgt2, has_mpam, has_mpamhcr, has_rare, has_ras;
	bool has_sve, has_sme, has_fa64, has_fpmr, has_nv2, has_nv1, has_ecv;
};

/**
 * guest_traps_compute() - the controls for a CPU
 * @id:     its own ID registers as read, not merged with those of others
 * @mpamidr: MPAMIDR_EL1, if it has FEAT_MPAM
 * @e2h:    HCR_EL2.E2H
 * @traps:  out, whole
 */
void guest_traps_compute(const struct cpu_id_regs *id, u64 mpamidr, bool e2h,
			 struct guest_traps *traps);

/* Whether the CPU has FEAT_MPAM, and MPAMIDR_EL1 can be read. */
bool guest_traps_mpam(const struct cpu_id_regs *id);

/* CPTR_EL2 with FP open, and SVE and SME as @also says. OPEN_SME is for EL2 only. */
enum { OPEN_SVE = 1, OPEN_SME = 2 };
u64 guest_traps_cptr_open(const struct guest_traps *traps, unsigned int also);

/* The bits of CPTR_EL2 that decide about FP and the @also of SVE and SME. */
u64 guest_traps_cptr_bits(const struct guest_traps *traps, unsigned int also);

#endif
