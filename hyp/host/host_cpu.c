/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EL2 controls for the host (ARM DDI 0487, D23.2). The fine-grained traps have bits of both
 * polarities: for those named n... 1 means "do not trap", and each belongs to a feature.
 */
#include <arch/barrier.h>
#include <arch/el1.h>
#include <arch/sysreg.h>
#include <arch/tlb.h>
#include <cpu/el2_regs.h>
#include <host/host_cpu.h>

/* CPTR_EL2 (D23.2.33) with E2H=0: TZ and TSM are RES1 where there is no SVE or SME. */
#define CPTR_RES1_NVHE 0x22ffULL
#define CPTR_TZ	       BIT(8)
#define CPTR_TSM       BIT(12)
/* With E2H=1 it has the layout of CPACR_EL1. */
#define CPACR_ZEN   GENMASK(17, 16)
#define CPACR_FPEN  GENMASK(21, 20)
#define CPACR_SMEN  GENMASK(25, 24)
#define CPACR_E0POE BIT(29)

/* CNTHCTL_EL2 (D24.10.2): EL1 may use the physical counter and timer; the bits move with E2H. */
#define CNTHCTL_NVHE (BIT(0) | BIT(1))
#define CNTHCTL_VHE  (BIT(10) | BIT(11) | BIT(0) | BIT(1) | BIT(8) | BIT(9))

/* MDCR_EL2 (D23.3.17) */
#define MDCR_HPMN GENMASK(4, 0)
#define MDCR_HPMD BIT(17)	  /* FEAT_PMUv3p1: the host's event counters stop at EL2 */
#define MDCR_HCCD BIT(23)	  /* FEAT_PMUv3p5: so does the cycle counter */
#define MDCR_E2PB GENMASK(13, 12) /* 0b11: the profiling buffer is EL1's, nothing traps */
#define MDCR_E2TB GENMASK(25, 24) /* likewise the trace buffer */

#define PMCR_N	 GENMASK(15, 11)
#define PMBIDR_P BIT(4) /* PMBIDR_EL1 (D24.7): the buffer belongs to a higher Exception level */

/* ICC_SRE_EL2 (D12): system registers on, and EL1 may turn its own on */
#define ICC_SRE_SRE    BIT(0)
#define ICC_SRE_DFB    BIT(1)
#define ICC_SRE_DIB    BIT(2)
#define ICC_SRE_ENABLE BIT(3)

/* An enable bit that a feature brings with it. */
struct feature_bits {
	u8 reg;	  /* index into struct id_regs */
	u8 shift; /* of the 4-bit ID field */
	u8 min;	  /* field value from which the bits exist */
	u64 bits;
};

enum { PFR0, PFR1, PFR2, ISAR1, ISAR2, MMFR1, MMFR3, DFR0, MMFR0, ID_COUNT };

struct id_regs {
	u64 reg[ID_COUNT];
};

static void read_ids(struct id_regs *id)
{
	id->reg[PFR0] = read_sysreg(id_aa64pfr0_el1);
	id->reg[PFR1] = read_sysreg(id_aa64pfr1_el1);
	id->reg[PFR2] = read_sysreg(SYS_ID_AA64PFR2_EL1);
	id->reg[ISAR1] = read_sysreg(id_aa64isar1_el1);
	id->reg[ISAR2] = read_sysreg(SYS_ID_AA64ISAR2_EL1);
	id->reg[MMFR0] = read_sysreg(id_aa64mmfr0_el1);
	id->reg[MMFR1] = read_sysreg(id_aa64mmfr1_el1);
	id->reg[MMFR3] = read_sysreg(SYS_ID_AA64MMFR3_EL1);
	id->reg[DFR0] = read_sysreg(id_aa64dfr0_el1);
}

static unsigned int field(const struct id_regs *id, unsigned int reg, unsigned int shift)
{
	return (unsigned int)(id->reg[reg] >> shift) & 0xf;
}

/* HCRX_EL2 (D23.2.54): 0 hides the feature from EL1, so the host gets what the CPU has. */
static const struct feature_bits hcrx_bits[] = {
	{ ISAR1, 60, 1, BIT(1) },  /* FEAT_LS64: EnALS */
	{ ISAR1, 60, 2, BIT(2) },  /* FEAT_LS64_V: EnASR */
	{ ISAR1, 60, 3, BIT(0) },  /* FEAT_LS64_ACCDATA: EnAS0 */
	{ ISAR2, 16, 1, BIT(11) }, /* FEAT_MOPS: MSCEn */
	{ MMFR3, 0, 1, BIT(14) },  /* FEAT_TCR2: TCR2En */
	{ MMFR3, 4, 1, BIT(15) },  /* FEAT_SCTLR2: SCTLR2En */
	{ MMFR3, 32, 1, BIT(17) }, /* FEAT_D128: D128En */
	{ PFR1, 44, 1, BIT(22) },  /* FEAT_GCS: GCSEn */
	{ PFR2, 32, 1, BIT(23) },  /* FEAT_FPMR: EnFPM */
};

/* HFGRTR_EL2 and HFGWTR_EL2 (D23.2.61, .63) */
static const struct feature_bits hfgrw_bits[] = {
	{ ISAR1, 60, 3, BIT(50) },	     /* nACCDATA_EL1 */
	{ PFR1, 44, 1, BIT(52) | BIT(53) },  /* nGCS_EL0, nGCS_EL1 */
	{ PFR1, 24, 1, BIT(54) | BIT(55) },  /* FEAT_SME: nSMPRI_EL1, nTPIDR2_EL0 */
	{ PFR1, 48, 1, BIT(56) },	     /* FEAT_THE: nRCWMASK_EL1 */
	{ MMFR3, 8, 1, BIT(57) | BIT(58) },  /* FEAT_S1PIE: nPIRE0_EL1, nPIR_EL1 */
	{ MMFR3, 16, 1, BIT(59) | BIT(60) }, /* FEAT_S1POE: nPOR_EL0, nPOR_EL1 */
	{ MMFR3, 20, 1, BIT(61) },	     /* FEAT_S2POE: nS2POR_EL1 */
	{ MMFR3, 24, 1, BIT(62) | BIT(63) }, /* FEAT_AIE: nMAIR2_EL1, nAMAIR2_EL1 */
};

/* HFGITR_EL2 (D23.2.60) */
static const struct feature_bits hfgi_bits[] = {
	{ PFR1, 44, 1, BIT(57) | BIT(58) | BIT(59) }, /* nGCSPUSHM_EL1, nGCSSTR_EL1, nGCSEPP */
};

/* HDFGRTR_EL2, HDFGWTR_EL2 (D23.2.57); for BRBE's see vm/host_trace.h */
static const struct feature_bits hdfg_bits[] = {
	{ DFR0, 32, 3, BIT(62) }, /* FEAT_SPEv1p2: nPMSNEVFR_EL1 */
};

static u64 collect(const struct id_regs *id, const struct feature_bits *rows, size_t count)
{
	u64 bits = 0;
	size_t i;

	for (i = 0; i < count; i++)
		if (field(id, rows[i].reg, rows[i].shift) >= rows[i].min)
			bits |= rows[i].bits;
	return bits;
}

/* HFGITR2_EL2 (D24.2): nDCCIVAPS, and TSBCSYNC, which is of the other polarity */
#define HFGITR2_NDCCIVAPS BIT(1)

/*
 * FEAT_FGT in ID_AA64MMFR0_EL1.FGT; 2 is FEAT_FGT2, whose bits for registers are all of the n...
 * kind.
 */
static void init_fine_traps(const struct id_regs *id)
{
	unsigned int fgt = field(id, MMFR0, 56);
	u64 hdfg = collect(id, hdfg_bits, ARRAY_SIZE(hdfg_bits));
	u64 hfgrw = collect(id, hfgrw_bits, ARRAY_SIZE(hfgrw_bits));

	if (!fgt)
		return;
	write_sysreg(hfgrw, SYS_HFGRTR_EL2);
	write_sysreg(hfgrw, SYS_HFGWTR_EL2);
	write_sysreg(collect(id, hfgi_bits, ARRAY_SIZE(hfgi_bits)), SYS_HFGITR_EL2);
	write_sysreg(hdfg, SYS_HDFGRTR_EL2);
	write_sysreg(hdfg, SYS_HDFGWTR_EL2);
	if (field(id, PFR0, 44)) /* FEAT_AMU */
		write_sysreg(0, SYS_HAFGRTR_EL2);
	if (fgt < 2)
		return;
	write_sysreg(~0ULL, SYS_HFGRTR2_EL2);
	write_sysreg(~0ULL, SYS_HFGWTR2_EL2);
	write_sysreg(HFGITR2_NDCCIVAPS, SYS_HFGITR2_EL2);
	write_sysreg(~0ULL, SYS_HDFGRTR2_EL2);
	write_sysreg(~0ULL, SYS_HDFGWTR2_EL2);
}

static void init_hcrx(const struct id_regs *id)
{
	if (!field(id, MMFR1, 40)) /* FEAT_HCX */
		return;
	write_sysreg(collect(id, hcrx_bits, ARRAY_SIZE(hcrx_bits)), SYS_HCRX_EL2);
	/* A kernel that does not know these would find them UNKNOWN and live: give it zeroes. */
	if (field(id, MMFR3, 0))
		write_el1_tcr2(0);
	if (field(id, MMFR3, 4))
		write_el1_sctlr2(0);
}

/* FP, SVE and SME: not trapped, vectors as long as the hardware has them. */
static void init_vectors(const struct id_regs *id, bool e2h)
{
	bool sve = field(id, PFR0, 32) != 0, sme = field(id, PFR1, 24) != 0;
	u64 cptr = CPTR_RES1_NVHE | (sve ? 0 : CPTR_TZ) | (sme ? 0 : CPTR_TSM);

	if (e2h)
		cptr = CPACR_FPEN | (sve ? CPACR_ZEN : 0) | (sme ? CPACR_SMEN : 0) |
		       (field(id, MMFR3, 16) ? CPACR_E0POE : 0);
	write_sysreg(cptr, cptr_el2);
	isb();
	if (sve)
		write_sysreg(0xf, SYS_ZCR_EL2);
	if (sme) {
		/* EZT0 with SME2 (SMEver 1), FA64 where ID_AA64SMFR0_EL1 says so (bit 63) */
		u64 smcr = 0xf | (field(id, PFR1, 24) >= 2 ? BIT(30) : 0);

		if (read_sysreg(SYS_ID_AA64SMFR0_EL1) & BIT(63))
			smcr |= BIT(31);
		write_sysreg(smcr, SYS_SMCR_EL2);
	}
}

/* All counters are the host's, and do not count Keel where the CPU can tell them so. */
static u64 pmu_controls(const struct id_regs *id)
{
	unsigned int pmu = field(id, DFR0, 8);

	if (!pmu || pmu == 0xf)
		return 0;
	return FIELD_PREP(MDCR_HPMN, FIELD_GET(PMCR_N, read_sysreg(SYS_PMCR_EL0))) |
	       (pmu >= 4 ? MDCR_HPMD : 0) | (pmu >= 6 ? MDCR_HCCD : 0);
}

/*
 * Counters, breakpoints, profiling, trace: all the host's. Its trace filter and branch records trap
 * until it uses them, and TRFCR_EL2 and BRBCR_EL2 are not written before: vm/host_trace.h.
 */
static void init_debug(const struct id_regs *id)
{
	u64 mdcr = pmu_controls(id);

	if (field(id, DFR0, 32)) {
		mdcr |= MDCR_E2PB;
		/* Where firmware keeps the buffer to itself, its registers trap to EL3. */
		if (!(read_sysreg(SYS_PMBIDR_EL1) & PMBIDR_P))
			write_sysreg(0, SYS_PMSCR_EL2);
	}
	if (field(id, DFR0, 44))
		mdcr |= MDCR_E2TB;
	if (field(id, DFR0, 40))
		mdcr |= MDCR_TTRF;
	write_sysreg(mdcr, mdcr_el2);
}

/* EL2's own timers are off: their interrupts would be the host's to wonder at. */
static void init_timer(const struct id_regs *id, bool e2h)
{
	write_sysreg(0, cnthp_ctl_el2);
	if (field(id, MMFR1, 8)) /* FEAT_VHE */
		write_sysreg(0, SYS_CNTHV_CTL_EL2);
	write_sysreg(e2h ? CNTHCTL_VHE : CNTHCTL_NVHE, cnthctl_el2);
	write_sysreg(0, cntvoff_el2);
}

/* GICv3's CPU interface by system registers, where there is one. */
static void init_gic(const struct id_regs *id)
{
	if (!field(id, PFR0, 24))
		return;
	write_sysreg(ICC_SRE_SRE | ICC_SRE_DFB | ICC_SRE_DIB | ICC_SRE_ENABLE, SYS_ICC_SRE_EL2);
	isb();
	/* Where firmware forbids it, SRE reads back as 0 and the rest would be UNDEFINED. */
	if (read_sysreg(SYS_ICC_SRE_EL2) & ICC_SRE_SRE)
		write_sysreg(0, SYS_ICH_HCR_EL2);
}

/* FEAT_MPAM: no traps, partition 0. MPAMIDR_EL1.HAS_HCR (bit 17) tells of MPAMHCR_EL2. */
static void init_mpam(const struct id_regs *id)
{
	if (!field(id, PFR0, 40) && !field(id, PFR1, 16))
		return;
	write_sysreg(0, SYS_MPAM2_EL2);
	if (read_sysreg(s3_0_c10_c4_4) & BIT(17))
		write_sysreg(0, SYS_MPAMHCR_EL2);
}

/*
 * SWIO: the host's invalidation of a data cache by set and way cleans it first, so that it cannot
 * undo Keel's writes. Not FIEN: by FEAT_RASv1p1's fault injection the host could have Keel's own
 * accesses fail. The registers trap then, and are UNDEFINED to the host.
 */
u64 host_hcr(void)
{
	u64 hcr = HCR_RW | HCR_VM | HCR_SWIO | HCR_TSC | (read_sysreg(hcr_el2) & HCR_E2H);
	struct id_regs id;

	read_ids(&id);
	if (field(&id, ISAR1, 4) || field(&id, ISAR1, 8) || field(&id, ISAR2, 12))
		hcr |= HCR_APK | HCR_API; /* pointer authentication does not trap */
	if (field(&id, PFR1, 8) >= 2)
		hcr |= HCR_ATA; /* FEAT_MTE2: allocation tags */
	if (field(&id, PFR0, 56) >= 2)
		hcr |= HCR_ENSCXT; /* FEAT_CSV2_2: SCXTNUM_ELx */
	return hcr;
}

void host_cpu_init(u64 vtcr, u64 vttbr)
{
	bool e2h = el2_is_e2h();
	struct id_regs id;

	read_ids(&id);
	write_sysreg(vtcr, vtcr_el2);
	write_sysreg(vttbr, vttbr_el2);
	init_vectors(&id, e2h);
	init_hcrx(&id);
	init_fine_traps(&id);
	init_debug(&id);
	init_timer(&id, e2h);
	init_gic(&id);
	init_mpam(&id);
	write_sysreg(0, hstr_el2);
	write_sysreg(read_sysreg(midr_el1), vpidr_el2);
	write_sysreg(read_sysreg(mpidr_el1), vmpidr_el2);
	write_el1_sctlr(SCTLR_EL1_RESET);
	write_sysreg(host_hcr(), hcr_el2);
	isb();
	/*
	 * After reset, and after a sleep through which other CPUs' broadcasts were not heard, TLBs
	 * hold anything: what EL1 is translated by begins here (D8.17).
	 */
	tlbi_alle1();
	dsb(nsh);
	isb();
}
