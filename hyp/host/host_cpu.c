// SPDX-License-Identifier: BSD-2-Clause
/*
 * EL2's controls for the host (ARM DDI 0487). Bits that depend on a feature come from the table in
 * host_features.c.
 */
#include <arch/barrier.h>
#include <arch/el1.h>
#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <arch/tlb.h>
#include <cpu/spe_fields.h>
#include <cpu/withheld.h>
#include <host/host_cpu.h>
#include <host/host_features.h>

/* CNTHCTL_EL2: EL1 may use the physical counter and timer; the bits move with E2H. */
#define CNTHCTL_NVHE (CNTHCTL_NVHE_EL1PCTEN | CNTHCTL_NVHE_EL1PCEN)
#define CNTHCTL_VHE                                                                 \
	(CNTHCTL_EL1PCTEN | CNTHCTL_EL1PTEN | CNTHCTL_EL0PCTEN | CNTHCTL_EL0VCTEN | \
	 CNTHCTL_EL0VTEN | CNTHCTL_EL0PTEN)

static u64 host_control_value(const struct cpu_id_regs *id, enum host_control which)
{
	return host_features_control(id, which);
}

/* FEAT_FGT in ID_AA64MMFR0_EL1.FGT; 2 is FEAT_FGT2. The host itself has neither. */
static void init_fine_traps(const struct cpu_id_regs *cpu, const struct cpu_id_regs *host)
{
	s64 fgt = cpu_id_field(cpu, ID_MMFR0_FGT);

	if (fgt < 1)
		return;
	write_sysreg(host_control_value(host, HOST_HFGR), ASM_REG(HFGRTR_EL2));
	write_sysreg(host_control_value(host, HOST_HFGW), ASM_REG(HFGWTR_EL2));
	write_sysreg(host_control_value(host, HOST_HFGI), ASM_REG(HFGITR_EL2));
	write_sysreg(host_control_value(host, HOST_HDFGR), ASM_REG(HDFGRTR_EL2));
	write_sysreg(host_control_value(host, HOST_HDFGW), ASM_REG(HDFGWTR_EL2));
	if (cpu_id_field(cpu, ID_PFR0_AMU) >= 1)
		write_sysreg(0, ASM_REG(HAFGRTR_EL2));
	if (fgt < 2)
		return;
	write_sysreg(host_control_value(host, HOST_HFGR2), ASM_REG(HFGRTR2_EL2));
	write_sysreg(host_control_value(host, HOST_HFGW2), ASM_REG(HFGWTR2_EL2));
	write_sysreg(host_control_value(host, HOST_HFGI2), ASM_REG(HFGITR2_EL2));
	write_sysreg(host_control_value(host, HOST_HDFGR2), ASM_REG(HDFGRTR2_EL2));
	write_sysreg(host_control_value(host, HOST_HDFGW2), ASM_REG(HDFGWTR2_EL2));
}

/*
 * Registers that are UNKNOWN after reset, and in effect also for a kernel that does not know them.
 */
static void init_el1(const struct cpu_id_regs *host)
{
	if (cpu_id_field(host, ID_MMFR3_TCRX) >= 1)
		write_el1_tcr2(0);
	if (cpu_id_field(host, ID_MMFR3_SCTLRX) >= 1)
		write_el1_sctlr2(0);
	if (cpu_id_field(host, ID_PFR1_GCS) >= 1) {
		write_el1_gcscr(0);
		write_sysreg(0, ASM_REG(GCSCRE0_EL1));
	}
}

/* FP, and SVE and SME if the host has them: no traps, and the longest vectors of the hardware. */
static void init_vectors(const struct cpu_id_regs *host, bool e2h)
{
	u64 closed = CPTR_RES1 | CPTR_TZ | CPTR_TSM;

	write_sysreg(e2h ? CPACR_FPEN | host_control_value(host, HOST_CPTR_VHE)
			 : closed & ~host_control_value(host, HOST_CPTR_NVHE),
		     cptr_el2);
	isb();
	if (cpu_id_field(host, ID_PFR0_SVE) >= 1)
		write_sysreg(ZCR_LEN, ASM_REG(ZCR_EL2));
	if (cpu_id_field(host, ID_PFR1_SME) >= 1)
		write_sysreg(SMCR_LEN | host_control_value(host, HOST_SMCR), ASM_REG(SMCR_EL2));
}

/*
 * Counters, breakpoints, profiling and trace are the host's; if the CPU can prohibit it, counters
 * do not count at EL2. The trace filter and branch records trap until the host uses them, and
 * TRFCR_EL2 and BRBCR_EL2 are written only then: vm/host_trace.h.
 */
static void init_debug(const struct cpu_id_regs *host)
{
	u64 mdcr = host_control_value(host, HOST_MDCR);

	if (cpu_id_field(host, ID_DFR0_PMUVer) >= 1)
		mdcr |= FIELD_PREP(MDCR_HPMN, FIELD_GET(PMCR_N, read_sysreg(ASM_REG(PMCR_EL0))));
	/* if firmware keeps the buffer for the Secure world, its registers trap to EL3 */
	if (cpu_id_field(host, ID_DFR0_PMSVer) >= 1 &&
	    !(read_sysreg(ASM_REG(PMBIDR_EL1)) & PMBIDR_P))
		write_sysreg(0, ASM_REG(PMSCR_EL2));
	write_sysreg(mdcr, mdcr_el2);
}

/* EL2's own timers are off: the host would take their interrupts as spurious. */
static void init_timer(const struct cpu_id_regs *cpu, bool e2h)
{
	write_sysreg(0, cnthp_ctl_el2);
	if (cpu_id_field(cpu, ID_MMFR1_VH) >= 1)
		write_sysreg(0, ASM_REG(CNTHV_CTL_EL2));
	write_sysreg(e2h ? CNTHCTL_VHE : CNTHCTL_NVHE, cnthctl_el2);
	write_sysreg(0, cntvoff_el2);
}

/* Enable the system registers of a GICv3's CPU interface, if there is one. */
static void init_host_gic(const struct cpu_id_regs *host)
{
	if (cpu_id_field(host, ID_PFR0_GIC) < 1)
		return;
	write_sysreg(ICC_SRE_SRE | ICC_SRE_DFB | ICC_SRE_DIB | ICC_SRE_ENABLE,
		     ASM_REG(ICC_SRE_EL2));
	isb();
	/* if firmware does not allow it, SRE reads back as 0 and the others are UNDEFINED */
	if (read_sysreg(ASM_REG(ICC_SRE_EL2)) & ICC_SRE_SRE)
		write_sysreg(0, ASM_REG(ICH_HCR_EL2));
}

/* FEAT_MPAM: no traps, partition 0. */
static void init_mpam(const struct cpu_id_regs *host)
{
	if (!cpu_id_field(host, ID_PFR0_MPAM) && !cpu_id_field(host, ID_PFR1_MPAM_frac))
		return;
	write_sysreg(0, ASM_REG(MPAM2_EL2));
	if (read_sysreg(ASM_REG(MPAMIDR_EL1)) & MPAMIDR_HAS_HCR)
		write_sysreg(0, ASM_REG(MPAMHCR_EL2));
}

/*
 * TID3: the host reads its ID registers as host_features.h limits them. SWIO: when the host
 * invalidates a data cache by set and way, it is cleaned too, so that Keel's writes are not lost.
 * Not FIEN: with FEAT_RASv1p1's fault injection the host could make Keel's own accesses fail.
 */
u64 host_hcr(const struct cpu_id_regs *host)
{
	return HCR_RW | HCR_VM | HCR_SWIO | HCR_TSC | HCR_TID3 | (read_sysreg(hcr_el2) & HCR_E2H) |
	       host_control_value(host, HOST_HCR);
}

void host_cpu_init(u64 vtcr, u64 vttbr)
{
	bool e2h = el2_is_e2h();
	struct cpu_id_regs cpu, host;

	cpu_read_id_regs(&cpu);
	host = cpu;
	host_features_limit(&host);
	write_sysreg(vtcr, vtcr_el2);
	write_sysreg(vttbr, vttbr_el2);
	init_vectors(&host, e2h);
	if (cpu_id_field(&cpu, ID_MMFR1_HCX) >= 1) {
		write_sysreg(host_control_value(&host, HOST_HCRX), ASM_REG(HCRX_EL2));
		init_el1(&host);
	}
	init_fine_traps(&cpu, &host);
	init_debug(&host);
	init_timer(&cpu, e2h);
	init_host_gic(&host);
	init_mpam(&host);
	write_sysreg(0, hstr_el2);
	/* on many CPUs it gives EL1 IMPLEMENTATION DEFINED controls; firmware may have set it */
	write_sysreg(0, actlr_el2);
	write_sysreg(read_sysreg(midr_el1), vpidr_el2);
	write_sysreg(read_sysreg(mpidr_el1), vmpidr_el2);
	write_el1_sctlr(SCTLR_EL1_RESET);
	dsb(nsh); /* with the ISB behind it: ERRATUM_FENCE_HCR */
	write_sysreg(host_hcr(&host), hcr_el2);
	isb();
	/*
	 * TLBs may hold anything after reset, and after a sleep in which this CPU did not receive
	 * other CPUs' broadcasts (D8.17).
	 */
	tlbi_alle1();
	dsb(nsh);
	isb();
}
