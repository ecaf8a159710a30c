/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The world switch (docs/world-switch.md): EL1's registers belong to the host or to one guest, and
 * EL2's controls follow. What a guest does not have is trapped, and so need not be switched.
 *
 * Floating point is switched when it is used (fp.c).
 */
#include <arch/barrier.h>
#include <arch/el1.h>
#include <arch/el2_regs.h>
#include <arch/percpu.h>
#include <arch/serror.h>
#include <arch/sysreg.h>
#include <arch/tlb.h>
#include <cpu/assert.h>
#include <cpu/errata.h>
#include <cpu/percpu.h>
#include <cpu/withheld.h>
#include <lib/errno.h>
#include <lib/esr.h>
#include <vm/fp.h>
#include <vm/run.h>
#include <vm/serror.h>
#include <vm/switch.h>

/* Registers that are EL1's in either regime: place, name with E2H=0,
 * encoding with E2H=1 (_EL12). */
#define EL1_REGS(X)                                      \
	X(SCTLR_EL1, sctlr_el1, s3_5_c1_c0_0)            \
	X(CPACR_EL1, cpacr_el1, s3_5_c1_c0_2)            \
	X(TTBR0_EL1, ttbr0_el1, s3_5_c2_c0_0)            \
	X(TTBR1_EL1, ttbr1_el1, s3_5_c2_c0_1)            \
	X(TCR_EL1, tcr_el1, s3_5_c2_c0_2)                \
	X(SPSR_EL1, spsr_el1, s3_5_c4_c0_0)              \
	X(ELR_EL1, elr_el1, s3_5_c4_c0_1)                \
	X(AFSR0_EL1, afsr0_el1, s3_5_c5_c1_0)            \
	X(AFSR1_EL1, afsr1_el1, s3_5_c5_c1_1)            \
	X(ESR_EL1, esr_el1, s3_5_c5_c2_0)                \
	X(FAR_EL1, far_el1, s3_5_c6_c0_0)                \
	X(MAIR_EL1, mair_el1, s3_5_c10_c2_0)             \
	X(AMAIR_EL1, amair_el1, s3_5_c10_c3_0)           \
	X(VBAR_EL1, vbar_el1, s3_5_c12_c0_0)             \
	X(CONTEXTIDR_EL1, contextidr_el1, s3_5_c13_c0_1) \
	X(CNTKCTL_EL1, cntkctl_el1, s3_5_c14_c1_0)       \
	X(SP_EL0, sp_el0, sp_el0)                        \
	X(SP_EL1, sp_el1, sp_el1)                        \
	X(TPIDR_EL0, tpidr_el0, tpidr_el0)               \
	X(TPIDRRO_EL0, tpidrro_el0, tpidrro_el0)         \
	X(TPIDR_EL1, tpidr_el1, tpidr_el1)               \
	X(PAR_EL1, par_el1, par_el1)                     \
	X(CSSELR_EL1, csselr_el1, csselr_el1)

/* Pointer authentication keys (D23.2.9 and on), where the CPU has it. */
#define KEY_REGS(X)                    \
	X(APIAKEYLO_EL1, s3_0_c2_c1_0) \
	X(APIAKEYHI_EL1, s3_0_c2_c1_1) \
	X(APIBKEYLO_EL1, s3_0_c2_c1_2) \
	X(APIBKEYHI_EL1, s3_0_c2_c1_3) \
	X(APDAKEYLO_EL1, s3_0_c2_c2_0) \
	X(APDAKEYHI_EL1, s3_0_c2_c2_1) \
	X(APDBKEYLO_EL1, s3_0_c2_c2_2) \
	X(APDBKEYHI_EL1, s3_0_c2_c2_3) \
	X(APGAKEYLO_EL1, s3_0_c2_c3_0) \
	X(APGAKEYHI_EL1, s3_0_c2_c3_1)

#define SAVE_NVHE(place, el1, el12) to[place] = read_sysreg(el1);
#define SAVE_VHE(place, el1, el12)  to[place] = read_sysreg(el12);
#define LOAD_NVHE(place, el1, el12) write_sysreg(from[place], el1);
#define LOAD_VHE(place, el1, el12)  write_sysreg(from[place], el12);
#define SAVE_KEY(place, name)	    to[place] = read_sysreg(name);
#define LOAD_KEY(place, name)	    write_sysreg(from[place], name);

/* CNTHCTL_EL2: the physical counter is free, the physical timer traps; bits move with E2H */
#define CNTHCTL_GUEST_NVHE BIT(0)
#define CNTHCTL_GUEST_VHE  BIT(10)

#define ISR_A BIT(8) /* ISR_EL1: at EL2, a physical SError */

/* KVM_ARM_VCPU_* feature bits that matter here */
#define VCPU_FEATURE_PTRAUTH (BIT(5) | BIT(6))

static struct vm_cpu *vm_cpus[KEEL_MAX_CPUS];

static unsigned int order_of(u64 bytes)
{
	unsigned int order = 0;

	while ((SZ_4K << order) < bytes)
		order++;
	return order;
}

int switch_init(struct page_pool *pool, unsigned int nr_cpus)
{
	unsigned int i;

	for (i = 0; i < nr_cpus; i++) {
		vm_cpus[i] = page_pool_alloc_run(pool, order_of(sizeof(struct vm_cpu)));
		if (!vm_cpus[i])
			return -ENOMEM;
		vm_cpus[i]->host_fp =
			page_pool_alloc_run(pool, order_of(sizeof(struct vcpu_fpstate)));
		if (!vm_cpus[i]->host_fp)
			return -ENOMEM;
	}
	return 0;
}

bool switch_cpu_online(void)
{
	struct cpu_id_regs id;
	u64 mpamidr = 0;

	this_cpu()->vm_cpu = vm_cpus[this_cpu()->id];
	cpu_read_id_regs(&id);
	if (guest_traps_mpam(&id))
		mpamidr = read_sysreg(SYS_MPAMIDR_EL1);
	guest_traps_compute(&id, mpamidr, el2_is_e2h(), &this_vm_cpu()->traps);
	/* The registers come from host_cpu_init(), and FP from reset:
	 * what was kept is of the past. */
	this_vm_cpu()->controls_saved = false;
	this_vm_cpu()->serror_pending = false;
	this_vm_cpu()->disr = 0;
	this_cpu()->ras = this_vm_cpu()->traps.has_ras;
	host_spe_online(&this_vm_cpu()->spe);
	host_trace_online(&this_vm_cpu()->trace, &id);
	return fp_cpu_online(this_vm_cpu());
}

/* ---- EL1 registers ---- */

/*
 * Without pointer authentication a guest can neither use nor reach the keys: HCR_EL2.API and .APK
 * are zero (D24.2.54), so instructions that use them and the registers themselves trap. The host's
 * stay where they are.
 */
static bool has_keys(const struct vcpu *vcpu)
{
	return (vcpu->features & VCPU_FEATURE_PTRAUTH) == VCPU_FEATURE_PTRAUTH;
}

static __always_inline void save_el1(u64 *to, bool keys, u32 errata)
{
	if (unlikely(errata & ERRATUM_FENCE_PAR))
		dmb(sy);
	if (el2_is_e2h()) {
		EL1_REGS(SAVE_VHE)
	} else {
		EL1_REGS(SAVE_NVHE)
	}
	if (unlikely(errata & ERRATUM_FENCE_PAR))
		dmb(sy);
	if (keys) {
		KEY_REGS(SAVE_KEY)
	}
}

static __always_inline void load_el1(const u64 *from, bool keys)
{
	if (el2_is_e2h()) {
		EL1_REGS(LOAD_VHE)
	} else {
		EL1_REGS(LOAD_NVHE)
	}
	if (keys) {
		KEY_REGS(LOAD_KEY)
	}
}

/*
 * Where the CPU may execute AT speculatively, walks are off (block_walks()) until all registers are
 * there: TCR_EL1 has that, and so comes twice.
 */
static __noinline void replace_el1_blocked(u64 *from, bool keys)
{
	u64 tcr = from[TCR_EL1];

	isb();
	from[TCR_EL1] = tcr | TCR_EPD0 | TCR_EPD1;
	load_el1(from, keys);
	from[TCR_EL1] = tcr;
	isb();
	write_el1_tcr(tcr);
}

/* Put a side's registers in the place of the other's: controls are loaded already. */
static __always_inline void replace_el1(u64 *from, bool keys, u32 errata)
{
	if (likely(!(errata & ERRATUM_BLOCK_WALKS)))
		load_el1(from, keys);
	else
		replace_el1_blocked(from, keys);
}

static void block_walks(u32 errata)
{
	if (unlikely(errata & ERRATUM_BLOCK_WALKS))
		el1_walks_off(read_el1_tcr(), read_el1_sctlr());
}

#define READ_CASE(place, el1, el12) \
	case place:                 \
		return el2_is_e2h() ? read_sysreg(el12) : read_sysreg(el1);
#define WRITE_CASE(place, el1, el12)               \
	case place:                                \
		if (el2_is_e2h())                  \
			write_sysreg(value, el12); \
		else                               \
			write_sysreg(value, el1);  \
		return;
#define READ_KEY_CASE(place, name) \
	case place:                \
		return read_sysreg(name);
#define WRITE_KEY_CASE(place, name)        \
	case place:                        \
		write_sysreg(value, name); \
		return;

u64 vcpu_read_sysreg(const struct vcpu *vcpu, enum vcpu_sysreg reg)
{
	if (this_vm_cpu()->vcpu != vcpu)
		return vcpu->sysreg[reg];
	switch ((unsigned int)reg) {
		EL1_REGS(READ_CASE)
	case DISR_EL1:
		return this_vm_cpu()->traps.has_ras ? read_sysreg(SYS_VDISR_EL2)
						    : vcpu->sysreg[DISR_EL1];
	default:
		break;
	}
	if (has_keys(vcpu)) {
		switch ((unsigned int)reg) {
			KEY_REGS(READ_KEY_CASE)
		default:
			break;
		}
	}
	return vcpu->sysreg[reg];
}

void vcpu_write_sysreg(struct vcpu *vcpu, enum vcpu_sysreg reg, u64 value)
{
	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	vcpu->sysreg[reg] = value;
	if (this_vm_cpu()->vcpu != vcpu)
		return;
	switch ((unsigned int)reg) {
		EL1_REGS(WRITE_CASE)
	case DISR_EL1:
		if (this_vm_cpu()->traps.has_ras)
			write_sysreg(value, SYS_VDISR_EL2);
		return;
	default:
		break;
	}
	if (has_keys(vcpu)) {
		switch ((unsigned int)reg) {
			KEY_REGS(WRITE_KEY_CASE)
		default:
			break;
		}
	}
}

/* ---- EL2 controls ---- */

/* Controls that few CPUs have: of FEAT_FGT2 and FEAT_MPAM. */
static void save_rare_controls(struct vm_cpu *cpu)
{
	struct vm_rare_controls *host = &cpu->rare;

	if (cpu->traps.has_fgt2) {
		host->hfgrtr2 = read_sysreg(SYS_HFGRTR2_EL2);
		host->hfgwtr2 = read_sysreg(SYS_HFGWTR2_EL2);
		host->hfgitr2 = read_sysreg(SYS_HFGITR2_EL2);
		host->hdfgrtr2 = read_sysreg(SYS_HDFGRTR2_EL2);
		host->hdfgwtr2 = read_sysreg(SYS_HDFGWTR2_EL2);
	}
	if (cpu->traps.has_mpam)
		host->mpam2 = read_sysreg(SYS_MPAM2_EL2);
	if (cpu->traps.has_mpamhcr)
		host->mpamhcr = read_sysreg(SYS_MPAMHCR_EL2);
}

static __noinline void write_rare_controls(const struct vm_cpu *cpu,
					   const struct vm_rare_controls *to)
{
	if (cpu->traps.has_fgt2) {
		write_sysreg(to->hfgrtr2, SYS_HFGRTR2_EL2);
		write_sysreg(to->hfgwtr2, SYS_HFGWTR2_EL2);
		write_sysreg(to->hfgitr2, SYS_HFGITR2_EL2);
		write_sysreg(to->hdfgrtr2, SYS_HDFGRTR2_EL2);
		write_sysreg(to->hdfgwtr2, SYS_HDFGWTR2_EL2);
	}
	if (cpu->traps.has_mpam)
		write_sysreg(to->mpam2, SYS_MPAM2_EL2);
	if (cpu->traps.has_mpamhcr)
		write_sysreg(to->mpamhcr, SYS_MPAMHCR_EL2);
}

static __noinline void write_guest_rare_controls(const struct vm_cpu *cpu)
{
	const struct vm_rare_controls rare = { .mpam2 = cpu->traps.mpam2,
					       .mpamhcr = cpu->traps.mpamhcr };

	write_rare_controls(cpu, &rare);
}

/*
 * Once, before the CPU's first guest: nobody changes what host_cpu_init() has set up, but for the
 * FP trap in CPTR_EL2, which cannot be set before that.
 */
static void save_controls(struct vm_cpu *cpu)
{
	cpu->controls_saved = true;
	cpu->hcr = read_sysreg(hcr_el2) & ~(HCR_AMO | HCR_VSE); /* host_hcr() */
	cpu->cptr = read_sysreg(cptr_el2);
	cpu->mdcr = read_sysreg(mdcr_el2);
	cpu->cnthctl = read_sysreg(cnthctl_el2);
	cpu->cntvoff = read_sysreg(cntvoff_el2);
	cpu->vtcr = read_sysreg(vtcr_el2);
	cpu->vttbr = read_sysreg(vttbr_el2);
	cpu->vmpidr = read_sysreg(vmpidr_el2);
	if (cpu->traps.has_hcx)
		cpu->hcrx = read_sysreg(SYS_HCRX_EL2);
	if (cpu->traps.has_fgt) {
		cpu->hfgrtr = read_sysreg(SYS_HFGRTR_EL2);
		cpu->hfgwtr = read_sysreg(SYS_HFGWTR_EL2);
		cpu->hfgitr = read_sysreg(SYS_HFGITR_EL2);
		cpu->hdfgrtr = read_sysreg(SYS_HDFGRTR_EL2);
		cpu->hdfgwtr = read_sysreg(SYS_HDFGWTR_EL2);
	}
	save_rare_controls(cpu);
}

static void write_fine_traps(u64 hfgrtr, u64 hfgwtr, u64 hfgitr, u64 hdfgrtr, u64 hdfgwtr)
{
	write_sysreg(hfgrtr, SYS_HFGRTR_EL2);
	write_sysreg(hfgwtr, SYS_HFGWTR_EL2);
	write_sysreg(hfgitr, SYS_HFGITR_EL2);
	write_sysreg(hdfgrtr, SYS_HDFGRTR_EL2);
	write_sysreg(hdfgwtr, SYS_HDFGWTR_EL2);
}

static u64 guest_hcr(const struct vcpu *vcpu, const struct vm_cpu *cpu)
{
	u64 hcr = (cpu->hcr & HCR_E2H) | cpu->traps.hcr;

	if (has_keys(vcpu))
		hcr |= HCR_API | HCR_APK;
	if (vcpu->s2->fwb)
		hcr |= HCR_FWB;
	if (vcpu->trap_vm_regs)
		hcr |= HCR_TVM;
	if (vcpu->serror_pending)
		hcr |= HCR_VSE;
	return hcr;
}

/* Some CPUs translate loads and stores around it wrongly. */
static void write_hcr(u64 hcr, u32 errata)
{
	if (unlikely(errata & ERRATUM_FENCE_HCR))
		dsb(nsh);
	write_sysreg(hcr, hcr_el2);
	if (unlikely(errata & ERRATUM_FENCE_HCR))
		isb();
}

bool switch_serror_waits(struct vcpu *vcpu)
{
	if (this_vm_cpu()->vcpu == vcpu && !(read_sysreg(hcr_el2) & HCR_VSE))
		vcpu->serror_pending = false;
	return vcpu->serror_pending;
}

void switch_update_hcr(struct vcpu *vcpu)
{
	(void)switch_serror_waits(vcpu);
	write_hcr(guest_hcr(vcpu, this_vm_cpu()), READ_ONCE(errata_actions));
}

/* IMPLEMENTATION DEFINED, as on a CPU without FEAT_RAS, which no guest has. */
static void write_guest_syndrome(const struct vm_cpu *cpu)
{
	if (cpu->traps.has_ras)
		write_sysreg(ESR_SERROR_IDS, SYS_VSESR_EL2);
}

/*
 * HCR_EL2 of a host that has a virtual SError: @hcr is what it has otherwise. With AMO, DISR_EL1 is
 * VDISR_EL2 to the host, and what was there was a guest's.
 */
static u64 host_serror_hcr(const struct vm_cpu *cpu, u64 hcr)
{
	if (cpu->traps.has_ras) {
		write_sysreg(cpu->serror_syndrome, SYS_VSESR_EL2);
		if (!(hcr & HCR_AMO))
			write_sysreg(0, SYS_VDISR_EL2);
	}
	return hcr | HCR_AMO | HCR_VSE;
}

/*
 * No ISB behind these: nothing at EL2 depends on them before the ERET, which synchronizes
 * (SCTLR_EL2.EOS is 1), and the EL1&0 regime is not used, not even speculatively, from EL2 (D8.2,
 * "Use of out-of-context translation regimes"). Who invalidates TLBs before that synchronizes
 * first.
 */
static void load_guest_controls(struct vcpu *vcpu, const struct vm_cpu *cpu, u32 errata)
{
	const struct guest_traps *traps = &cpu->traps;

	write_sysreg(traps->cptr, cptr_el2);
	write_sysreg((cpu->mdcr & traps->mdcr_host) | traps->mdcr, mdcr_el2);
	write_sysreg(el2_is_e2h() ? CNTHCTL_GUEST_VHE : CNTHCTL_GUEST_NVHE, cnthctl_el2);
	write_sysreg(vcpu->vm->cntvoff, cntvoff_el2);
	write_sysreg(vcpu->mpidr, vmpidr_el2);
	if (traps->has_hcx)
		write_sysreg(traps->hcrx, SYS_HCRX_EL2);
	if (traps->has_fgt)
		write_fine_traps(traps->hfgrtr, traps->hfgwtr, traps->hfgitr, traps->hdfgrtr,
				 traps->hdfgwtr);
	if (unlikely(traps->has_rare))
		write_guest_rare_controls(cpu);
	/* What a guest reads and writes as DISR_EL1 (HCR_EL2.AMO). */
	if (traps->has_ras)
		write_sysreg(vcpu->sysreg[DISR_EL1], SYS_VDISR_EL2);
	if (unlikely(vcpu->serror_pending))
		write_guest_syndrome(cpu);
	write_sysreg(vcpu->s2->geometry.vtcr, vtcr_el2);
	write_sysreg(vcpu->s2->vttbr, vttbr_el2);
	write_hcr(guest_hcr(vcpu, cpu), errata);
}

static void load_host_controls(const struct vm_cpu *cpu, u32 errata)
{
	const struct guest_traps *traps = &cpu->traps;

	write_sysreg(fp_host_cptr(cpu), cptr_el2);
	write_sysreg(cpu->mdcr, mdcr_el2);
	write_sysreg(cpu->cnthctl, cnthctl_el2);
	write_sysreg(cpu->cntvoff, cntvoff_el2);
	write_sysreg(cpu->vmpidr, vmpidr_el2);
	if (traps->has_hcx)
		write_sysreg(cpu->hcrx, SYS_HCRX_EL2);
	if (traps->has_fgt)
		write_fine_traps(cpu->hfgrtr, cpu->hfgwtr, cpu->hfgitr, cpu->hdfgrtr, cpu->hdfgwtr);
	if (unlikely(traps->has_rare))
		write_rare_controls(cpu, &cpu->rare);
	write_sysreg(cpu->vtcr, vtcr_el2);
	write_sysreg(cpu->vttbr, vttbr_el2);
	write_hcr(unlikely(cpu->serror_pending) ? host_serror_hcr(cpu, cpu->hcr) : cpu->hcr,
		  errata);
}

/* ---- SErrors ---- */

void switch_guest_serror(struct vcpu *vcpu)
{
	vcpu->serror_pending = true;
	write_guest_syndrome(this_vm_cpu());
	write_hcr(guest_hcr(vcpu, this_vm_cpu()), READ_ONCE(errata_actions));
}

/* One can be pending at a time: the graver one stays. */
void switch_host_serror(u64 esr)
{
	struct vm_cpu *cpu = this_vm_cpu();
	u64 hcr = read_sysreg(hcr_el2);
	bool waits = cpu->serror_pending && (cpu->vcpu || (hcr & HCR_VSE));

	if (!waits || serror_owner(cpu->serror_syndrome, true) != SERROR_HOST)
		cpu->serror_syndrome = esr & ESR_ISS;
	cpu->serror_pending = true;
	if (!cpu->vcpu)
		write_hcr(host_serror_hcr(cpu, hcr), READ_ONCE(errata_actions));
}

/* On a CPU that cannot tell without taking it. */
bool switch_serror_is_pending(void)
{
	dsb(sy);
	isb();
	return read_sysreg(isr_el1) & ISR_A;
}

void switch_keep_disr(void)
{
	this_vm_cpu()->disr = read_sysreg(SYS_DISR_EL1);
	write_sysreg(0, SYS_DISR_EL1);
}

static void return_disr(struct vm_cpu *cpu)
{
	write_sysreg(cpu->disr, SYS_DISR_EL1);
	cpu->disr = 0;
}

void switch_take_host_serror(void)
{
	if (!this_cpu()->ras)
		return;
	switch_host_serror(serror_esr_of_disr(read_sysreg(SYS_DISR_EL1)));
	return_disr(this_vm_cpu());
}

u64 switch_take_guest_serror(void)
{
	u64 disr;

	if (!this_cpu()->ras)
		return serror_window();
	disr = read_sysreg(SYS_DISR_EL1);
	write_sysreg(0, SYS_DISR_EL1);
	return serror_esr_of_disr(disr);
}

/* HCR_EL2.VSE tells whether the host has taken it; ESB may have put it where the guest's goes. */
static void keep_host_serror(struct vm_cpu *cpu)
{
	u64 vdisr = cpu->traps.has_ras ? read_sysreg(SYS_VDISR_EL2) : 0;

	cpu->serror_pending = read_sysreg(hcr_el2) & HCR_VSE;
	if (vdisr)
		cpu->disr = vdisr;
}

void switch_to_guest(struct vcpu *vcpu)
{
	struct vm_cpu *cpu = this_vm_cpu();
	u32 errata = READ_ONCE(errata_actions);

	cpu->elr = read_sysreg(elr_el2);
	cpu->spsr = read_sysreg(spsr_el2);
	if (!cpu->controls_saved)
		save_controls(cpu);
	if (unlikely(cpu->serror_pending))
		keep_host_serror(cpu);
	if (cpu->spe.usable)
		host_spe_leave(&cpu->spe);
	if (cpu->trace.used)
		host_trace_leave(&cpu->trace);
	fp_leave_host(cpu);
	save_el1(cpu->sysreg, has_keys(vcpu), errata);
	block_walks(errata);
	load_guest_controls(vcpu, cpu, errata);
	replace_el1(vcpu->sysreg, has_keys(vcpu), errata);
	cpu->vcpu = vcpu;
}

void switch_to_host(struct vcpu *vcpu)
{
	struct vm_cpu *cpu = this_vm_cpu();
	u32 errata = READ_ONCE(errata_actions);

	if (unlikely(vcpu->serror_pending))
		(void)switch_serror_waits(vcpu);
	fp_leave_guest(vcpu, cpu);
	fp_return_host(cpu);
	if (cpu->traps.has_ras)
		vcpu->sysreg[DISR_EL1] = read_sysreg(SYS_VDISR_EL2);
	if (unlikely(cpu->disr))
		return_disr(cpu);
	save_el1(vcpu->sysreg, has_keys(vcpu), errata);
	cpu->vcpu = NULL;
	block_walks(errata);
	load_host_controls(cpu, errata);
	replace_el1(cpu->sysreg, has_keys(vcpu), errata);
	if (cpu->spe.usable)
		host_spe_return(&cpu->spe);
	if (cpu->trace.used)
		host_trace_return(&cpu->trace);
	write_sysreg(cpu->elr, elr_el2);
	write_sysreg(cpu->spsr, spsr_el2);
}
