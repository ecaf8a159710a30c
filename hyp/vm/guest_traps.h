/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of a CPU traps while a guest has it: EL2's controls, computed from the CPU's ID registers.
 * A feature that guests are not given must be UNDEFINED to them, so whatever the CPU has of it
 * traps and finds no row, or an empty one, in the table of trap/sysreg.c. A bit that belongs to a
 * feature is set only where the feature is: elsewhere it is RES0.
 */
#ifndef KEEL_VM_GUEST_TRAPS_H
#define KEEL_VM_GUEST_TRAPS_H

#include <cpu/features.h>

/**
 * struct guest_traps - one CPU's controls for guests
 * @hcr:     HCR_EL2 but for E2H, FWB, API and APK
 * @cptr:    CPTR_EL2, in the layout of the CPU's E2H, with FP and SVE trapped
 * @cptr_fp: the bits of @cptr to clear, or with E2H=1 to set, for FP...
 * @cptr_sve: ... for SVE...
 * @cptr_sme: ... and for SME
 * @mdcr:    MDCR_EL2 but for @mdcr_host
 * @mdcr_host: bits of MDCR_EL2 that are the host's
 * @hcrx ... @hdfgwtr: HCRX_EL2 and the fine-grained traps
 * @mpam2, @mpamhcr: MPAM2_EL2, MPAMHCR_EL2
 * @has_...: whether these registers are there; @has_ras: VDISR_EL2
 * @has_rare: FEAT_FGT2's, MPAM2_EL2 or MPAMHCR_EL2
 * @has_sve, @has_sme, @has_fpmr: Z, P and FFR; SVCR; FPMR
 * @has_fa64: in Streaming SVE mode FFR is there as well (FEAT_SME_FA64)
 */
struct guest_traps {
	u64 hcr, cptr, cptr_fp, cptr_sve, cptr_sme, mdcr, mdcr_host, hcrx;
	u64 hfgrtr, hfgwtr, hfgitr, hdfgrtr, hdfgwtr;
	u64 mpam2, mpamhcr;
	bool e2h, has_hcx, has_fgt, has_fgt2, has_mpam, has_mpamhcr, has_rare, has_ras;
	bool has_sve, has_sme, has_fa64, has_fpmr;
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

/* CPTR_EL2 with FP open, and the @also of these: OPEN_SME is EL2's own alone, never a guest's. */
enum { OPEN_SVE = 1, OPEN_SME = 2 };
u64 guest_traps_cptr_open(const struct guest_traps *traps, unsigned int also);

/* The bits of CPTR_EL2 that decide about FP and the @also of SVE and SME. */
u64 guest_traps_cptr_bits(const struct guest_traps *traps, unsigned int also);

#endif
