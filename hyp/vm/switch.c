// SPDX-License-Identifier: BSD-2-Clause
/*
 * The world switch: EL1's registers and EL2's controls, from the host to a guest and back, once a
 * run each. docs/world-switch.md has the table of what is switched when.
 *
 *      switch_to_guest(vcpu)                          switch_to_host(vcpu)
 *        profiling, trace, FP of the host off           FP of the guest saved
 *        EL1:  CPU ────> cpu->sysreg                    EL1:  CPU ────> vcpu->sysreg
 *        (erratum: stage 1 walks off)                   (erratum: stage 1 walks off)
 *        EL2:  the guest's controls ────> CPU           EL2:  the host's controls ────> CPU
 *        EL1:  vcpu->sysreg ────> CPU                   EL1:  cpu->sysreg ────> CPU
 *        this_vm_cpu()->vcpu = vcpu                     profiling, trace of the host on
 *
 * Which registers: the lists of arch/regs.h. EL1_BANKED_REGS have an _EL12 name, by which EL2
 * accesses them with E2H=1; EL1_PLAIN_REGS have one name; EL1_KEY_REGS are the keys of pointer
 * authentication, and EL1_TAG_REGS those of memory tags, both switched only for a vCPU that has the
 * feature. What a guest does not have traps, and so keeps the host's value. While a vCPU is loaded
 * its registers are in the CPU, and vcpu_read_sysreg() and vcpu_write_sysreg() access them there.
 *
 * Which controls: the guest's are computed once a CPU (guest_traps.c), but for the few bits that
 * depend on the vCPU (guest_hcr()). The host's are read once, before the CPU's first guest, and
 * written at each put: they do not change once host_cpu_init() has written them.
 *
 * Why no ISB: nothing at EL2 depends on these registers before the ERET, which synchronizes. The
 * order (controls before EL1's registers) matters on CPUs whose AT instructions may walk EL1's
 * tables speculatively: while registers of both worlds are mixed, TCR_EL1.EPD0 and EPD1 disable
 * walks, and the new TCR_EL1 is written last.
 *
 * SErrors: EL2 masks them. A virtual SError (HCR_EL2.VSE) is how the host or the guest is told of
 * one that is its own; at most one is pending for each.
 *
 * All state is the CPU's own (struct vm_cpu) or its vCPU's, so there is no lock.
 */
#include <arch/barrier.h>
#include <arch/el1.h>
#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <arch/serror.h>
#include <arch/sysreg.h>
#include <arch/tlb.h>
#include <cpu/assert.h>
#include <cpu/errata.h>
#include <cpu/percpu.h>
#include <cpu/withheld.h>
#include <lib/errno.h>
#include <lib/esr.h>
#include <mm/page_pool.h>
#include <vm/fp.h>
#include <vm/run.h>
#include <vm/serror.h>
#include <vm/switch.h>

#define SAVE(reg, name)	     to[reg] = read_sysreg(name);
#define SAVE_EL12(reg, name) to[reg] = read_sysreg(ASM_REG_EL12(reg));
#define SAVE_KEY(reg)	     to[reg] = read_sysreg(ASM_REG(reg));
#define SAVE_TAG_EL12(reg)   to[reg] = read_sysreg(ASM_REG_EL12(reg));
#define LOAD(reg, name)	     write_sysreg(from[reg], name);
#define LOAD_EL12(reg, name) write_sysreg(from[reg], ASM_REG_EL12(reg));
#define LOAD_KEY(reg)	     write_sysreg(from[reg], ASM_REG(reg));
#define LOAD_TAG_EL12(reg)   write_sysreg(from[reg], ASM_REG_EL12(reg));

/* CNTHCTL_EL2: the physical counter does not trap, the physical timer does. Bits move with E2H. */
#define CNTHCTL_GUEST_NVHE CNTHCTL_NVHE_EL1PCTEN
#define CNTHCTL_GUEST_VHE  CNTHCTL_EL1PCTEN

/* The feature bits KVM_ARM_VCPU_PTRAUTH_ADDRESS and _GENERIC */
#define VCPU_FEATURE_PTRAUTH (BIT(5) | BIT(6))

static struct vm_cpu *vm_cpus[KEEL_MAX_CPUS];

int switch_init(struct page_pool *pool, unsigned int nr_cpus)
{
	for (unsigned int i = 0; i < nr_cpus; i++) {
		vm_cpus[i] = page_pool_alloc_run(pool, page_pool_order_of(sizeof(struct vm_cpu)));
		if (!vm_cpus[i])
			return -ENOMEM;
		vm_cpus[i]->host_fp =
			page_pool_alloc_run(pool, page_pool_order_of(sizeof(struct vcpu_fpstate)));
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
	ASSERT(!this_vm_cpu()->vcpu);
	cpu_read_id_regs(&id);
	if (guest_traps_mpam(&id))
		mpamidr = read_sysreg(ASM_REG(MPAMIDR_EL1));
	guest_traps_compute(&id, mpamidr, el2_is_e2h(), &this_vm_cpu()->traps);
	/* host_cpu_init() has written the controls anew: what was saved before is stale. */
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
 * Without pointer authentication HCR_EL2.API and .APK are zero: the keys, and the instructions that
 * use them, trap. So the host's keys can stay in the registers.
 */
static bool has_keys(const struct vcpu *vcpu)
{
	return (vcpu->features & VCPU_FEATURE_PTRAUTH) == VCPU_FEATURE_PTRAUTH;
}

static __noinline void save_tags(u64 *to)
{
	/* Asynchronous faults of earlier loads and stores are in TFSR_EL1 and TFSRE0_EL1 then. */
	dsb(nsh);
	isb();
	if (el2_is_e2h()) {
		EL1_TAG_REGS(SAVE_TAG_EL12, SAVE_KEY)
	} else {
		EL1_TAG_REGS(SAVE_KEY, SAVE_KEY)
	}
}

static __noinline void load_tags(const u64 *from)
{
	if (el2_is_e2h()) {
		EL1_TAG_REGS(LOAD_TAG_EL12, LOAD_KEY)
	} else {
		EL1_TAG_REGS(LOAD_KEY, LOAD_KEY)
	}
}

static __always_inline void save_el1(u64 *to, bool keys, u32 errata)
{
	if (unlikely(errata & ERRATUM_FENCE_PAR))
		dmb(sy);
	if (el2_is_e2h()) {
		EL1_BANKED_REGS(SAVE_EL12)
	} else {
		EL1_BANKED_REGS(SAVE)
	}
	EL1_PLAIN_REGS(SAVE)
	if (unlikely(errata & ERRATUM_FENCE_PAR))
		dmb(sy);
	if (keys) {
		EL1_KEY_REGS(SAVE_KEY)
	}
}

static __always_inline void load_el1(const u64 *from, bool keys)
{
	if (el2_is_e2h()) {
		EL1_BANKED_REGS(LOAD_EL12)
	} else {
		EL1_BANKED_REGS(LOAD)
	}
	EL1_PLAIN_REGS(LOAD)
	if (keys) {
		EL1_KEY_REGS(LOAD_KEY)
	}
}

/*
 * On a CPU that may execute AT speculatively: keep walks disabled (block_walks()) until all other
 * registers are written. So TCR_EL1 is written twice, the second time with its real value.
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

/* Write EL1's registers of one world over those of the other. The controls are loaded already. */
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

#define READ_CASE(reg, name) \
	case reg:            \
		return read_sysreg(name);
#define READ_BANKED_CASE(reg, name) \
	case reg:                   \
		return el2_is_e2h() ? read_sysreg(ASM_REG_EL12(reg)) : read_sysreg(name);
#define READ_KEY_CASE(reg) READ_CASE(reg, ASM_REG(reg))
#define READ_TAG_CASE(reg) READ_BANKED_CASE(reg, ASM_REG(reg))
#define WRITE_CASE(reg, name)              \
	case reg:                          \
		write_sysreg(value, name); \
		return;
#define WRITE_BANKED_CASE(reg, name)                            \
	case reg:                                               \
		if (el2_is_e2h())                               \
			write_sysreg(value, ASM_REG_EL12(reg)); \
		else                                            \
			write_sysreg(value, name);              \
		return;
#define WRITE_KEY_CASE(reg) WRITE_CASE(reg, ASM_REG(reg))
#define WRITE_TAG_CASE(reg) WRITE_BANKED_CASE(reg, ASM_REG(reg))

static __noinline u64 read_tag_reg(const struct vcpu *vcpu, enum vcpu_sysreg reg)
{
	if (vcpu->has_tags) {
		switch ((unsigned int)reg) {
			EL1_TAG_REGS(READ_TAG_CASE, READ_KEY_CASE)
		default:
			break;
		}
	}
	return vcpu->sysreg[reg];
}

static __noinline void write_tag_reg(const struct vcpu *vcpu, enum vcpu_sysreg reg, u64 value)
{
	if (vcpu->has_tags) {
		switch ((unsigned int)reg) {
			EL1_TAG_REGS(WRITE_TAG_CASE, WRITE_KEY_CASE)
		default:
			break;
		}
	}
}

#define TAG_REG(reg) case reg:

u64 vcpu_read_sysreg(const struct vcpu *vcpu, enum vcpu_sysreg reg)
{
	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	if (this_vm_cpu()->vcpu != vcpu)
		return vcpu->sysreg[reg];
	switch ((unsigned int)reg) {
		EL1_BANKED_REGS(READ_BANKED_CASE)
		EL1_PLAIN_REGS(READ_CASE)
	case ZCR_EL1:
		return fp_has_zcr(vcpu) ? fp_read_zcr() : vcpu->sysreg[ZCR_EL1];
	case DISR_EL1:
		return this_vm_cpu()->traps.has_ras ? read_sysreg(ASM_REG(VDISR_EL2))
						    : vcpu->sysreg[DISR_EL1];
		EL1_TAG_REGS(TAG_REG, TAG_REG)
		return read_tag_reg(vcpu, reg);
	default:
		break;
	}
	if (has_keys(vcpu)) {
		switch ((unsigned int)reg) {
			EL1_KEY_REGS(READ_KEY_CASE)
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
		EL1_BANKED_REGS(WRITE_BANKED_CASE)
		EL1_PLAIN_REGS(WRITE_CASE)
	case ZCR_EL1:
		if (fp_has_zcr(vcpu))
			fp_write_zcr(value);
		return;
	case DISR_EL1:
		if (this_vm_cpu()->traps.has_ras)
			write_sysreg(value, ASM_REG(VDISR_EL2));
		return;
		EL1_TAG_REGS(TAG_REG, TAG_REG)
		write_tag_reg(vcpu, reg, value);
		return;
	default:
		break;
	}
	if (has_keys(vcpu)) {
		switch ((unsigned int)reg) {
			EL1_KEY_REGS(WRITE_KEY_CASE)
		default:
			break;
		}
	}
}

#define SWAP(reg, name)             \
	*out++ = read_sysreg(name); \
	write_sysreg(*in++, name);
#define SWAP_EL12(reg, name) SWAP(reg, ASM_REG_EL12(reg))

void switch_swap_el1(const struct vcpu *vcpu, u64 *out, const u64 *in)
{
	ASSERT(this_vm_cpu()->vcpu == vcpu);
	if (el2_is_e2h()) {
		EL1_LEVEL_REGS(SWAP_EL12, SWAP)
	} else {
		EL1_LEVEL_REGS(SWAP, SWAP)
	}
}

/* ---- EL2 controls ---- */

/* Controls that few CPUs have: those of FEAT_FGT2 and FEAT_MPAM. */
static void save_rare_controls(struct vm_cpu *cpu)
{
	struct vm_rare_controls *host = &cpu->rare;

	if (cpu->traps.has_fgt2) {
		host->hfgrtr2 = read_sysreg(ASM_REG(HFGRTR2_EL2));
		host->hfgwtr2 = read_sysreg(ASM_REG(HFGWTR2_EL2));
		host->hfgitr2 = read_sysreg(ASM_REG(HFGITR2_EL2));
		host->hdfgrtr2 = read_sysreg(ASM_REG(HDFGRTR2_EL2));
		host->hdfgwtr2 = read_sysreg(ASM_REG(HDFGWTR2_EL2));
	}
	if (cpu->traps.has_mpam)
		host->mpam2 = read_sysreg(ASM_REG(MPAM2_EL2));
	if (cpu->traps.has_mpamhcr)
		host->mpamhcr = read_sysreg(ASM_REG(MPAMHCR_EL2));
}

static __noinline void write_rare_controls(const struct vm_cpu *cpu,
					   const struct vm_rare_controls *to)
{
	if (cpu->traps.has_fgt2) {
		write_sysreg(to->hfgrtr2, ASM_REG(HFGRTR2_EL2));
		write_sysreg(to->hfgwtr2, ASM_REG(HFGWTR2_EL2));
		write_sysreg(to->hfgitr2, ASM_REG(HFGITR2_EL2));
		write_sysreg(to->hdfgrtr2, ASM_REG(HDFGRTR2_EL2));
		write_sysreg(to->hdfgwtr2, ASM_REG(HDFGWTR2_EL2));
	}
	if (cpu->traps.has_mpam)
		write_sysreg(to->mpam2, ASM_REG(MPAM2_EL2));
	if (cpu->traps.has_mpamhcr)
		write_sysreg(to->mpamhcr, ASM_REG(MPAMHCR_EL2));
}

static __noinline void write_guest_rare_controls(const struct vm_cpu *cpu)
{
	const struct vm_rare_controls rare = { .mpam2 = cpu->traps.mpam2,
					       .mpamhcr = cpu->traps.mpamhcr };

	write_rare_controls(cpu, &rare);
}

/*
 * Save the host's controls, once, before the CPU's first guest. They do not change after
 * host_cpu_init(), except for the FP trap in CPTR_EL2, which is not used before the first guest.
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
		cpu->hcrx = read_sysreg(ASM_REG(HCRX_EL2));
	if (cpu->traps.has_fgt) {
		cpu->hfgrtr = read_sysreg(ASM_REG(HFGRTR_EL2));
		cpu->hfgwtr = read_sysreg(ASM_REG(HFGWTR_EL2));
		cpu->hfgitr = read_sysreg(ASM_REG(HFGITR_EL2));
		cpu->hdfgrtr = read_sysreg(ASM_REG(HDFGRTR_EL2));
		cpu->hdfgwtr = read_sysreg(ASM_REG(HDFGWTR_EL2));
	}
	save_rare_controls(cpu);
}

static void write_fine_traps(u64 hfgrtr, u64 hfgwtr, u64 hfgitr, u64 hdfgrtr, u64 hdfgwtr)
{
	write_sysreg(hfgrtr, ASM_REG(HFGRTR_EL2));
	write_sysreg(hfgwtr, ASM_REG(HFGWTR_EL2));
	write_sysreg(hfgitr, ASM_REG(HFGITR_EL2));
	write_sysreg(hdfgrtr, ASM_REG(HDFGRTR_EL2));
	write_sysreg(hdfgwtr, ASM_REG(HDFGWTR_EL2));
}

/* guest_hcr() of a vCPU with a virtual SError, or with memory tags. */
static u64 unusual_hcr(const struct vcpu *vcpu, u64 hcr)
{
	if (vcpu->serror_pending)
		hcr |= HCR_VSE;
	return vcpu->has_tags ? (hcr | HCR_ATA) & ~HCR_TID5 : hcr;
}

static u64 guest_hcr(const struct vcpu *vcpu, const struct vm_cpu *cpu)
{
	u64 hcr = (cpu->hcr & HCR_E2H) | cpu->traps.hcr;

	if (has_keys(vcpu))
		hcr |= HCR_API | HCR_APK;
	if (vcpu->s2->stage2.fwb)
		hcr |= HCR_FWB;
	if (vcpu->trap_vm_regs)
		hcr |= HCR_TVM;
	if (unlikely(vcpu->unusual))
		hcr = unusual_hcr(vcpu, hcr);
	return hcr;
}

/* Erratum: some CPUs translate loads and stores around this write wrongly, so they are fenced. */
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
	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	if (this_vm_cpu()->vcpu == vcpu && !(read_sysreg(hcr_el2) & HCR_VSE))
		vcpu->serror_pending = false;
	return vcpu->serror_pending;
}

void switch_update_hcr(struct vcpu *vcpu)
{
	ASSERT(this_vm_cpu()->vcpu == vcpu);
	(void)switch_serror_waits(vcpu);
	write_hcr(guest_hcr(vcpu, this_vm_cpu()), READ_ONCE(errata_actions));
}

void switch_set_hcr(struct vcpu *vcpu, u64 more, u64 less)
{
	ASSERT(this_vm_cpu()->vcpu == vcpu);
	(void)switch_serror_waits(vcpu);
	write_hcr((guest_hcr(vcpu, this_vm_cpu()) & ~less) | more, READ_ONCE(errata_actions));
}

/* Guests do not have FEAT_RAS: their SErrors have an IMPLEMENTATION DEFINED syndrome. */
static void write_guest_syndrome(const struct vm_cpu *cpu)
{
	if (cpu->traps.has_ras)
		write_sysreg(ESR_SERROR_IDS, ASM_REG(VSESR_EL2));
}

/* Once a run, of a vCPU that has any of it. The tags' registers trap for other guests. */
static __noinline void load_unusual(const struct vcpu *vcpu, struct vm_cpu *cpu)
{
	if (vcpu->serror_pending)
		write_guest_syndrome(cpu);
	if (vcpu->has_tags) {
		save_tags(cpu->sysreg);
		load_tags(vcpu->sysreg);
	}
}

static __noinline void leave_unusual(struct vcpu *vcpu, const struct vm_cpu *cpu)
{
	if (vcpu->serror_pending)
		(void)switch_serror_waits(vcpu);
	if (vcpu->has_tags) {
		save_tags(vcpu->sysreg);
		load_tags(cpu->sysreg);
	}
}

/*
 * HCR_EL2 for a host with a virtual SError pending, given its HCR_EL2 without one. With AMO the
 * host's accesses to DISR_EL1 go to VDISR_EL2, which may hold a guest's value: it is cleared.
 */
static u64 host_serror_hcr(const struct vm_cpu *cpu, u64 hcr)
{
	if (cpu->traps.has_ras) {
		write_sysreg(cpu->serror_syndrome, ASM_REG(VSESR_EL2));
		if (!(hcr & HCR_AMO))
			write_sysreg(0, ASM_REG(VDISR_EL2));
	}
	return hcr | HCR_AMO | HCR_VSE;
}

/*
 * Without an ISB: nothing at EL2 depends on these registers before the ERET, which synchronizes
 * (SCTLR_EL2.EOS is 1), and EL2 does not use the EL1&0 regime, not even speculatively (D8.2, "Use
 * of out-of-context translation regimes"). Code that executes a TLBI before the ERET executes an
 * ISB first.
 */
static void load_guest_controls(struct vcpu *vcpu, struct vm_cpu *cpu, u32 errata)
{
	const struct guest_traps *traps = &cpu->traps;

	write_sysreg(traps->cptr, cptr_el2);
	write_sysreg((cpu->mdcr & traps->mdcr_host) | traps->mdcr, mdcr_el2);
	write_sysreg(el2_is_e2h() ? CNTHCTL_GUEST_VHE : CNTHCTL_GUEST_NVHE, cnthctl_el2);
	write_sysreg(vcpu->vm->cntvoff, cntvoff_el2);
	write_sysreg(vcpu->mpidr, vmpidr_el2);
	if (traps->has_hcx)
		write_sysreg(traps->hcrx, ASM_REG(HCRX_EL2));
	if (traps->has_fgt)
		write_fine_traps(traps->hfgrtr, traps->hfgwtr, traps->hfgitr, traps->hdfgrtr,
				 traps->hdfgwtr);
	if (unlikely(traps->has_rare))
		write_guest_rare_controls(cpu);
	/* With HCR_EL2.AMO the guest's accesses to DISR_EL1 go to VDISR_EL2. */
	if (traps->has_ras)
		write_sysreg(vcpu->sysreg[DISR_EL1], ASM_REG(VDISR_EL2));
	if (unlikely(vcpu->unusual))
		load_unusual(vcpu, cpu);
	write_sysreg(vcpu->s2->stage2.geometry.vtcr, vtcr_el2);
	write_sysreg(vcpu->s2->stage2.vttbr, vttbr_el2);
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
		write_sysreg(cpu->hcrx, ASM_REG(HCRX_EL2));
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
	ASSERT(this_vm_cpu()->vcpu == vcpu);
	vcpu->serror_pending = true;
	write_guest_syndrome(this_vm_cpu());
	write_hcr(guest_hcr(vcpu, this_vm_cpu()), READ_ONCE(errata_actions));
}

/* Only one can be pending: one whose syndrome says that it is the host's is not replaced. */
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

/* Without FEAT_RAS: ISR_EL1 tells that an SError is pending, but not which. */
bool switch_serror_is_pending(void)
{
	dsb(sy);
	isb();
	return read_sysreg(isr_el1) & ISR_A;
}

void switch_keep_disr(void)
{
	this_vm_cpu()->disr = read_sysreg(ASM_REG(DISR_EL1));
	write_sysreg(0, ASM_REG(DISR_EL1));
}

static void return_disr(struct vm_cpu *cpu)
{
	write_sysreg(cpu->disr, ASM_REG(DISR_EL1));
	cpu->disr = 0;
}

void switch_take_host_serror(void)
{
	ASSERT(!this_vm_cpu()->vcpu);
	if (!this_cpu()->ras)
		return;
	switch_host_serror(serror_esr_of_disr(read_sysreg(ASM_REG(DISR_EL1))));
	return_disr(this_vm_cpu());
}

u64 switch_take_guest_serror(void)
{
	u64 disr;

	ASSERT(this_vm_cpu()->vcpu);
	if (!this_cpu()->ras)
		return serror_window();
	disr = read_sysreg(ASM_REG(DISR_EL1));
	write_sysreg(0, ASM_REG(DISR_EL1));
	return serror_esr_of_disr(disr);
}

/*
 * Save the host's virtual SError before a guest is loaded: hardware has cleared HCR_EL2.VSE if the
 * host has taken it, and an ESB of the host may have deferred it to VDISR_EL2.
 */
static void keep_host_serror(struct vm_cpu *cpu)
{
	u64 vdisr = cpu->traps.has_ras ? read_sysreg(ASM_REG(VDISR_EL2)) : 0;

	cpu->serror_pending = read_sysreg(hcr_el2) & HCR_VSE;
	if (vdisr)
		cpu->disr = vdisr;
}

void switch_to_guest(struct vcpu *vcpu)
{
	struct vm_cpu *cpu = this_vm_cpu();
	u32 errata = READ_ONCE(errata_actions);

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	ASSERT(!cpu->vcpu);
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

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	ASSERT(cpu->vcpu == vcpu);
	if (unlikely(vcpu->unusual))
		leave_unusual(vcpu, cpu);
	fp_leave_guest(vcpu, cpu);
	fp_return_host(cpu);
	if (cpu->traps.has_ras)
		vcpu->sysreg[DISR_EL1] = read_sysreg(ASM_REG(VDISR_EL2));
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
