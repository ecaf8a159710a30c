// SPDX-License-Identifier: BSD-2-Clause
/*
 * EL2's controls for guests, computed from two tables (docs/traps.md):
 *
 *      descs[]   by enum guest_trap, which the rows of trap/sysreg.c name: the bits that make a
 *                register trap, and the ID field that tells whether the CPU has the feature
 *      rows[]    bits that belong to no register's row
 *
 * A bit is set only if the CPU has its feature, because it is RES0 otherwise. Enables of features
 * that guests do not have (.clear) stay zero on every CPU. The result is computed once, when the
 * CPU comes up, from the CPU's own ID registers; switch.c adds the few bits that depend on the
 * vCPU.
 */
#include <arch/reg_bits.h>
#include <vm/guest_traps.h>

/* By enum guest_trap. */
static const struct guest_trap_desc descs[GUEST_TRAP_COUNT] = {
	[BY_CPTR_TZ] = { CONTROL_CPTR, .set = CPTR_TZ, .e2h_clear = CPACR_ZEN },
	[BY_HCR_IMO] = { CONTROL_HCR, .set = HCR_IMO | HCR_FMO },
	[BY_HCR_TSW] = { CONTROL_HCR, .set = HCR_TSW },
	[BY_HCR_TACR] = { CONTROL_HCR, .set = HCR_TACR },
	[BY_HCR_TID3] = { CONTROL_HCR, .set = HCR_TID3 },
	[BY_MDCR_TDA] = { CONTROL_MDCR, .set = MDCR_TDA },
	[BY_MDCR_TDOSA] = { CONTROL_MDCR, .set = MDCR_TDOSA },
	[BY_MDCR_TDRA] = { CONTROL_MDCR, .set = MDCR_TDRA },
	[BY_HCR_TID1] = { CONTROL_HCR, ID_PFR1_SME, 1, .set = HCR_TID1 },
	[BY_HCR_TID5] = { CONTROL_HCR, ID_PFR1_MTE, 2, .set = HCR_TID5 },
	[BY_HCR_TLOR] = { CONTROL_HCR, ID_MMFR1_LO, 1, .set = HCR_TLOR },
	[BY_HCR_TERR] = { CONTROL_HCR, ID_PFR0_RAS, 1, .set = HCR_TERR },
	[BY_HCR_ATA_0] = { CONTROL_HCR, ID_PFR1_MTE, 2, .clear = HCR_ATA },
	[BY_HCR_ENSCXT_0] = { CONTROL_HCR, .clear = HCR_ENSCXT },
	[BY_CPTR_TSM] = { CONTROL_CPTR, .set = CPTR_TSM, .e2h_clear = CPACR_SMEN },
	[BY_CPTR_TAM] = { CONTROL_CPTR, ID_PFR0_AMU, 1, .set = CPTR_TAM, .e2h_set = CPTR_TAM },
	[BY_CPTR_TTA] = { CONTROL_CPTR, ID_DFR0_TraceVer, 1, .set = CPTR_TTA,
			  .e2h_set = CPACR_TTA },
	[BY_MDCR_TPM] = { CONTROL_MDCR, ID_DFR0_PMUVer, 1, .set = MDCR_TPM | MDCR_TPMCR },
	[BY_MDCR_TPMS] = { CONTROL_MDCR, ID_DFR0_PMSVer, 1, .set = MDCR_TPMS },
	[BY_MDCR_E2PB] = { CONTROL_MDCR, ID_DFR0_PMSVer, 1, .set = MDCR_E2PB_TRAPS },
	[BY_MDCR_E2TB] = { CONTROL_MDCR, ID_DFR0_TraceBuffer, 1, .set = MDCR_E2TB_TRAPS },
	[BY_MDCR_TTRF] = { CONTROL_MDCR, ID_DFR0_TraceFilt, 1, .set = MDCR_TTRF },
	[BY_HCRX_TALLINT] = { CONTROL_HCRX, ID_PFR1_NMI, 1, .set = HCRX_TALLINT },
	[BY_HCRX_TCR2EN_0] = { CONTROL_HCRX, .clear = HCRX_TCR2EN },
	[BY_HCRX_SCTLR2EN_0] = { CONTROL_HCRX, .clear = HCRX_SCTLR2EN },
	[BY_HCRX_ENFPM_0] = { CONTROL_HCRX, .clear = HCRX_ENFPM },
	[BY_MPAM2] = { CONTROL_MPAM2, ID_PFR0_MPAM, 1,
		       .set = MPAM2_TRAPMPAM0EL1 | MPAM2_TRAPMPAM1EL1 },
	[BY_HFGRTR_GCS_0] = { CONTROL_HFGRTR, .clear = HFGRTR_GCS },
	[BY_HFGRTR_SMPRI_0] = { CONTROL_HFGRTR, .clear = HFGRTR_SMPRI_EL1 },
	[BY_HFGRTR_TPIDR2_0] = { CONTROL_HFGRTR, .clear = HFGRTR_TPIDR2_EL0 },
	[BY_HFGRTR_ACCDATA_0] = { CONTROL_HFGRTR, .clear = HFGRTR_ACCDATA_EL1 },
	[BY_HFGRTR_RCWMASK_0] = { CONTROL_HFGRTR, .clear = HFGRTR_RCWMASK_EL1 },
	[BY_HFGRTR_PIE_0] = { CONTROL_HFGRTR, .clear = HFGRTR_PIR },
	[BY_HFGRTR_POR_0] = { CONTROL_HFGRTR, .clear = HFGRTR_POR },
	[BY_HFGRTR_AIE_0] = { CONTROL_HFGRTR, .clear = HFGRTR_AIE },
	[BY_HFGITR_BRB_0] = { CONTROL_HFGITR, .clear = HFGITR_BRBE },
	[BY_HDFGRTR_BRB_0] = { CONTROL_HDFGRTR, .clear = HDFGRTR_BRBE },
	[BY_HDFGRTR_PMBIDR] = { CONTROL_HDFGRTR, ID_DFR0_PMSVer, 1, .set = HDFGRTR_PMBIDR },
	[BY_HDFGRTR_TRBIDR] = { CONTROL_HDFGRTR, ID_DFR0_TraceBuffer, 1, .set = HDFGRTR_TRBIDR },
};

/* Bits that are no register's trap: set if an ID field has at least a value. */
static const struct trap_row {
	u16 field; /* enum id_field */
	u8 min;
	u8 control; /* enum trap_control */
	u64 bits;
} rows[] = {
	{ ID_PFR0_RAS, 1, CONTROL_HCR, HCR_TEA },
	{ ID_MMFR0_FGT, 1, CONTROL_MDCR, MDCR_TDCC },
	{ ID_PFR1_MPAM_frac, 1, CONTROL_MPAM2, MPAM2_TRAPMPAM0EL1 | MPAM2_TRAPMPAM1EL1 },
};

/* Bits of MDCR_EL2 that keep the host's value while a guest runs. */
static const struct mdcr_row {
	u16 field;
	u8 min;
	u64 bits;
} host_mdcr[] = {
	{ ID_DFR0_PMUVer, 1, MDCR_HPMN | MDCR_HPME },
	{ ID_DFR0_PMUVer, 4, MDCR_HPMD },
	{ ID_DFR0_PMUVer, 6, MDCR_HCCD | MDCR_HLP },
	{ ID_DFR0_PMUVer, 7, MDCR_HPMFZO },
	{ ID_DFR0_MTPMU, 1, MDCR_MTPME },
};

const struct guest_trap_desc *guest_trap_desc(enum guest_trap trap)
{
	return &descs[trap];
}

bool guest_traps_mpam(const struct cpu_id_regs *id)
{
	return cpu_id_field(id, ID_PFR0_MPAM) || cpu_id_field(id, ID_PFR1_MPAM_frac);
}

static void compute_mpam(u64 mpamidr, struct guest_traps *traps)
{
	traps->has_mpamhcr = mpamidr & MPAMIDR_HAS_HCR;
	if (traps->has_mpamhcr)
		traps->mpamhcr = MPAMHCR_TRAP_IDR;
	if (mpamidr & MPAMIDR_HAS_TIDR)
		traps->mpam2 |= MPAM2_TIDR;
}

static bool has_field(const struct cpu_id_regs *id, u16 field, u8 min)
{
	return cpu_id_field(id, (enum id_field)field) >= min;
}

/* Compute all controls, CPTR_EL2 in the layout of @e2h: the bits of each trap, and rows[]. */
static void compute_controls(const struct cpu_id_regs *id, bool e2h, u64 c[CONTROL_COUNT])
{
	for (size_t i = 0; i < CONTROL_COUNT; i++)
		c[i] = 0;
	c[CONTROL_HCR] = HCR_VM | HCR_RW | HCR_GUEST_TRAPS;
	c[CONTROL_CPTR] = e2h ? 0 : CPTR_RES1 | CPTR_TFP;
	for (const struct guest_trap_desc *desc = descs; desc < descs + ARRAY_SIZE(descs); desc++)
		if (has_field(id, desc->field, desc->min))
			c[desc->control] |= e2h && desc->control == CONTROL_CPTR ? desc->e2h_set
										 : desc->set;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (has_field(id, rows[i].field, rows[i].min))
			c[rows[i].control] |= rows[i].bits;
}

static u64 compute_host_mdcr(const struct cpu_id_regs *id)
{
	u64 bits = 0;

	for (size_t i = 0; i < ARRAY_SIZE(host_mdcr); i++)
		if (has_field(id, host_mdcr[i].field, host_mdcr[i].min))
			bits |= host_mdcr[i].bits;
	return bits;
}

void guest_traps_compute(const struct cpu_id_regs *id, u64 mpamidr, bool e2h,
			 struct guest_traps *traps)
{
	u64 c[CONTROL_COUNT];

	compute_controls(id, e2h, c);
	*traps = (struct guest_traps){
		.hcr = c[CONTROL_HCR],
		.cptr = c[CONTROL_CPTR],
		.cptr_fp = e2h ? CPACR_FPEN : CPTR_TFP,
		.cptr_sve = e2h ? CPACR_ZEN : CPTR_TZ,
		.cptr_sme = e2h ? CPACR_SMEN : CPTR_TSM,
		.mdcr = c[CONTROL_MDCR],
		.mdcr_host = compute_host_mdcr(id),
		.hcrx = c[CONTROL_HCRX],
		.hdfgrtr = c[CONTROL_HDFGRTR],
		.mpam2 = c[CONTROL_MPAM2],
		.e2h = e2h,
		.has_hcx = cpu_id_field(id, ID_MMFR1_HCX),
		.has_fgt = cpu_id_field(id, ID_MMFR0_FGT),
		.has_fgt2 = cpu_id_field(id, ID_MMFR0_FGT) >= 2,
		.has_mpam = guest_traps_mpam(id),
		.has_ras = cpu_id_field(id, ID_PFR0_RAS),
		.has_sve = cpu_id_field(id, ID_PFR0_SVE),
		.has_sme = cpu_id_field(id, ID_PFR1_SME),
		.has_fa64 = cpu_id_field(id, ID_PFR1_SME) && cpu_id_field(id, ID_SMFR0_FA64),
		.has_fpmr = cpu_id_field(id, ID_PFR2_FPMR),
		.has_nv2 = cpu_id_field(id, ID_MMFR2_NV) >= 2,
		.has_nv1 = cpu_id_field(id, ID_MMFR4_E2H0) != 0xe, /* -2 */
		.has_ecv = cpu_id_field(id, ID_MMFR0_ECV),
	};
	if (traps->has_mpam)
		compute_mpam(mpamidr, traps);
	traps->has_rare = traps->has_fgt2 || traps->has_mpam; /* has_mpamhcr implies the latter */
}

u64 guest_traps_cptr_bits(const struct guest_traps *traps, unsigned int also)
{
	return traps->cptr_fp | (also & OPEN_SVE ? traps->cptr_sve : 0) |
	       (also & OPEN_SME ? traps->cptr_sme : 0);
}

/* With E2H=0 a bit of CPTR_EL2 traps; with E2H=1 two bits let the access pass. */
u64 guest_traps_cptr_open(const struct guest_traps *traps, unsigned int also)
{
	u64 bits = guest_traps_cptr_bits(traps, also);

	return traps->e2h ? traps->cptr | bits : traps->cptr & ~bits;
}
