// SPDX-License-Identifier: BSD-2-Clause
/* EL2's controls for guests, as a table by feature. See guest_traps.h; docs/traps.md. */
#include <arch/el2_regs.h>
#include <vm/guest_traps.h>

enum control {
	C_HCR,
	C_CPTR_NVHE,
	C_CPTR_VHE,
	C_MDCR,
	C_MDCR_HOST,
	C_HCRX,
	C_HDFGR,
	C_MPAM2,
	C_COUNT
};

/* HCR_EL2 (D24.2.54) */
#define HCR_TID1 BIT(16) /* AIDR_EL1, REVIDR_EL1, SMIDR_EL1 */
#define HCR_TLOR BIT(35)
#define HCR_TERR BIT(36)
#define HCR_TEA	 BIT(37) /* synchronous external aborts go to EL2 */
#define HCR_TID5 BIT(58) /* GMID_EL1 */

/* CPTR_EL2 (D24.2.34) with E2H=0; TZ and TSM are RES1 where there is no SVE or SME */
#define CPTR_NVHE_RES1 0x22ffULL
#define CPTR_TZ	       BIT(8)
#define CPTR_TFP       BIT(10)
#define CPTR_TSM       BIT(12)
#define CPTR_TTA       BIT(20)
#define CPTR_TAM       BIT(30) /* in either layout */
/* with E2H=1: the layout of CPACR_EL1. ZEN, FPEN, SMEN and E0POE trap while they are zero */
#define CPACR_ZEN  GENMASK(17, 16)
#define CPACR_FPEN GENMASK(21, 20)
#define CPACR_SMEN GENMASK(25, 24)
#define CPACR_TTA  BIT(28)

/*
 * MDCR_EL2. E2PB and E2TB are 0b10: the buffers of profiling and trace go by the EL1&0 regime and
 * their registers trap, also of a guest without SPE. With 0b00 a buffer would be EL2's, and what
 * the unit has still to write, or one that was left enabled, would go through EL2's own
 * translation, or, by TRBLIMITR_EL1.nVM, to any physical address: into Keel.
 */
#define MDCR_HPMN   GENMASK(4, 0)
#define MDCR_TPMCR  BIT(5)
#define MDCR_TPM    BIT(6)
#define MDCR_HPME   BIT(7)
#define MDCR_TDA    BIT(9)
#define MDCR_TDOSA  BIT(10)
#define MDCR_TDRA   BIT(11)
#define MDCR_E2PB   (2ULL << 12)
#define MDCR_TPMS   BIT(14)
#define MDCR_E2TB   (2ULL << 24)
#define MDCR_HLP    BIT(26)
#define MDCR_TDCC   BIT(27)
#define MDCR_MTPME  BIT(28)
#define MDCR_HPMFZO BIT(29)

/* HCRX_EL2 (D24.2.55): all others are enables, or there is nothing to trap */
#define HCRX_TALLINT BIT(6)

/* HDFGRTR_EL2 (D24.2.58): what has no other trap. The bits named n... trap while they are zero. */
#define HDFGR_TRBIDR BIT(51)
#define HDFGR_PMBIDR BIT(63)

/* MPAM2_EL2, MPAMHCR_EL2, MPAMIDR_EL1 (D24.7) */
#define MPAM2_TRAPMPAM1EL1 BIT(48)
#define MPAM2_TRAPMPAM0EL1 BIT(49)
#define MPAM2_TIDR	   BIT(58)
#define MPAMHCR_TRAP_IDR   BIT(31)
#define MPAMIDR_HAS_HCR	   BIT(17)
#define MPAMIDR_HAS_TIDR   BIT(58)

/* Whatever the CPU. */
static const u64 always[C_COUNT] = {
	[C_HCR] = HCR_VM | HCR_RW | HCR_GUEST_TRAPS,
	[C_CPTR_NVHE] = CPTR_NVHE_RES1 | CPTR_TZ | CPTR_TSM | CPTR_TFP,
	[C_MDCR] = MDCR_TDA | MDCR_TDOSA | MDCR_TDRA,
};

/* A field of at least a value brings bits of a control with it. */
static const struct trap_row {
	u16 field; /* enum id_field */
	u8 min;
	u8 control; /* enum control */
	u64 bits;
} rows[] = {
	{ ID_MMFR1_LO, 1, C_HCR, HCR_TLOR },
	{ ID_PFR0_RAS, 1, C_HCR, HCR_TERR | HCR_TEA },
	{ ID_PFR1_MTE, 2, C_HCR, HCR_TID5 }, /* the others trap without HCR_EL2.ATA */
	{ ID_PFR1_SME, 1, C_HCR, HCR_TID1 },
	{ ID_DFR0_TraceVer, 1, C_CPTR_NVHE, CPTR_TTA },
	{ ID_DFR0_TraceVer, 1, C_CPTR_VHE, CPACR_TTA },
	{ ID_PFR0_AMU, 1, C_CPTR_NVHE, CPTR_TAM },
	{ ID_PFR0_AMU, 1, C_CPTR_VHE, CPTR_TAM },
	{ ID_DFR0_PMUVer, 1, C_MDCR, MDCR_TPM | MDCR_TPMCR },
	{ ID_DFR0_PMUVer, 1, C_MDCR_HOST, MDCR_HPMN | MDCR_HPME },
	{ ID_DFR0_PMUVer, 4, C_MDCR_HOST, MDCR_HPMD },
	{ ID_DFR0_PMUVer, 6, C_MDCR_HOST, MDCR_HCCD | MDCR_HLP },
	{ ID_DFR0_PMUVer, 7, C_MDCR_HOST, MDCR_HPMFZO },
	{ ID_DFR0_MTPMU, 1, C_MDCR_HOST, MDCR_MTPME },
	{ ID_DFR0_PMSVer, 1, C_MDCR, MDCR_TPMS | MDCR_E2PB },
	{ ID_DFR0_TraceFilt, 1, C_MDCR, MDCR_TTRF },
	{ ID_MMFR0_FGT, 1, C_MDCR, MDCR_TDCC },
	{ ID_PFR1_NMI, 1, C_HCRX, HCRX_TALLINT },
	{ ID_DFR0_PMSVer, 1, C_HDFGR, HDFGR_PMBIDR },
	{ ID_DFR0_TraceBuffer, 1, C_MDCR, MDCR_E2TB },
	{ ID_DFR0_TraceBuffer, 1, C_HDFGR, HDFGR_TRBIDR },
	{ ID_PFR0_MPAM, 1, C_MPAM2, MPAM2_TRAPMPAM0EL1 | MPAM2_TRAPMPAM1EL1 },
	{ ID_PFR1_MPAM_frac, 1, C_MPAM2, MPAM2_TRAPMPAM0EL1 | MPAM2_TRAPMPAM1EL1 },
};

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

void guest_traps_compute(const struct cpu_id_regs *id, u64 mpamidr, bool e2h,
			 struct guest_traps *traps)
{
	u64 c[C_COUNT];
	size_t i;

	for (i = 0; i < C_COUNT; i++)
		c[i] = always[i];
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (cpu_id_field(id, (enum id_field)rows[i].field) >= rows[i].min)
			c[rows[i].control] |= rows[i].bits;
	*traps = (struct guest_traps){
		.hcr = c[C_HCR],
		.cptr = e2h ? c[C_CPTR_VHE] : c[C_CPTR_NVHE],
		.cptr_fp = e2h ? CPACR_FPEN : CPTR_TFP,
		.cptr_sve = e2h ? CPACR_ZEN : CPTR_TZ,
		.cptr_sme = e2h ? CPACR_SMEN : CPTR_TSM,
		.mdcr = c[C_MDCR],
		.mdcr_host = c[C_MDCR_HOST],
		.hcrx = c[C_HCRX],
		.hdfgrtr = c[C_HDFGR],
		.mpam2 = c[C_MPAM2],
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

/* In one layout a bit traps, in the other two let pass. */
u64 guest_traps_cptr_open(const struct guest_traps *traps, unsigned int also)
{
	u64 bits = guest_traps_cptr_bits(traps, also);

	return traps->e2h ? traps->cptr | bits : traps->cptr & ~bits;
}
