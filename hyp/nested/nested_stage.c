// SPDX-License-Identifier: BSD-2-Clause
/*
 * The stage of the run loop (vm/exit.h) that vCPUs with an EL2 have, between the guest and the
 * handlers that know of EL0 and EL1 alone.
 *
 *	exit    PSTATE becomes the guest's. What is EL2's goes there: in the context NESTED_EL2 that
 *	        is HVC, ERET and its registers, in NESTED_EL1 what the guest hypervisor traps. Faults
 *	        at stage 2 of a nested guest are those of its shadow
 *	handled a vCPU that would wait is woken by its EL2's timers, too
 *	enter   the context that PSTATE and HCR_EL2 ask for, with its stage 2; EL2's controls for
 *	        it; PSTATE as the hardware has it
 *
 * Nothing else knows contexts: what moves the guest from one level to the other only writes PSTATE,
 * pc and registers, and the hardware follows at the next entry. The controls are written at each
 * entry, since other layers and each load write those of a guest without an EL2. None needs to be
 * taken back: switch_to_host() restores them, and the host does not use VNCR_EL2.
 */
#include <arch/barrier.h>
#include <arch/el1.h>
#include <arch/reg_bits.h>
#include <arch/regs.h>
#include <arch/sysreg.h>
#include <arch/tlb.h>
#include <cpu/assert.h>
#include <cpu/log.h>
#include <cpu/panic.h>
#include <lib/esr.h>
#include <nested/nested.h>
#include <nested/nested_exception.h>
#include <nested/nested_fast.h>
#include <nested/nested_nvhe.h>
#include <nested/nested_pauth.h>
#include <nested/nested_route.h>
#include <nested/nested_stage.h>
#include <nested/nested_timer.h>
#include <nested/nested_tlbi.h>
#include <nested/nested_trap.h>
#include <nested/nested_vgic.h>
#include <nested/shadow.h>
#include <nested/shadow_fault.h>
#include <timer/timer.h>
#include <trap/device.h>
#include <trap/impl_regs.h>
#include <trap/trap.h>
#include <vm/exit.h>
#include <vm/run.h>
#include <vm/run_page.h>
#include <vm/switch.h>
#include <vm/vm_ops.h>

/* ---- contexts ---- */

/* Stage 1 under the VM's own VMID, which is in VTTBR_EL2. */
static void forget_own_vmid(void)
{
	isb(); /* the TLBI uses HCR_EL2 and VTTBR_EL2 */
	dsb(ish);
	tlbi_vmalle1is();
	dsb(ish);
	isb();
}

/* EL1's and EL2's translations under one VMID: TLBs cannot tell them apart. */
static void forget_own_entries(struct vcpu *vcpu, enum nested_context now)
{
	vcpu->nested->own_entries = now;
	if (now == NESTED_EL1)
		__atomic_store_n(&vcpu->vm->shadows->plain_el1, true, __ATOMIC_RELAXED);
	forget_own_vmid();
}

/* The stage 2 of a context: a nested guest's is a shadow, unless the guest hypervisor has none. */
static void change_s2(struct vcpu *vcpu, enum nested_context to)
{
	bool shadowed = to == NESTED_EL1 && nested_hcr_has_stage2(nested_hcr(vcpu));
	struct s2_context *s2 = shadowed ? &shadow_of(vcpu)->ctx : &vcpu->vm->s2;

	if (vcpu->s2 != s2)
		vcpu_change_s2(vcpu, s2);
	if (!shadowed && vcpu->nested->own_entries != to)
		forget_own_entries(vcpu, to);
}

static void change_context(struct vcpu *vcpu, enum nested_context to)
{
	ASSERT(this_vm_cpu()->vcpu == vcpu);
	if (vcpu->nested->context != to) {
		if (to == NESTED_EL2)
			nested_timer_leave_el1(vcpu);
		else
			nested_timer_enter_el1(vcpu);
		nested_switch_regs(vcpu, to);
		if (to == NESTED_EL2)
			(void)nested_timer_update(
				vcpu); /* the alarm is EL1's virtual timer's, too */
	}
	change_s2(vcpu, to);
}

/*
 * Without VHE EL1's entries under the VM's own VMID are those of the VMIDs that are noted here. The
 * barrier is one of two, as in give_key(): here the note is written before any table is read, in a TLBI
 * (act_on_shadows()) the change of the table comes before the note is read.
 */
static void note_plain_el1(struct vcpu *vcpu)
{
	struct shadow_set *set = vcpu->vm->shadows;
	u16 vmid = shadow_vmid(vcpu->nested->page[VTTBR_EL2]);
	u64 *word = &set->plain_vmids[vmid / 64];

	if (__atomic_load_n(word, __ATOMIC_ACQUIRE) & BIT(vmid % 64))
		return;
	/* whoever finds the bit enters at once: what go_on() looks at before the bit is there by then */
	__atomic_store_n(&set->plain_el1, true, __ATOMIC_RELAXED);
	__atomic_fetch_or(word, BIT(vmid % 64), __ATOMIC_RELEASE);
	dmb(ish);
}

/* No TLB entry of one context is ever taken for one of another. */
static struct s2_context *s2_of(struct vcpu *vcpu, enum nested_context context)
{
	if (context == NESTED_EL2)
		return &vcpu->vm->shadows->el2->ctx;
	if (nested_hcr_has_stage2(nested_hcr(vcpu)))
		return &shadow_of(vcpu)->ctx;
	note_plain_el1(vcpu);
	return &vcpu->vm->s2;
}

/*
 * VMIDs count without a stage 2, too. All of them have the VM's own one here, so what this vCPU has left
 * under it, on any CPU, goes when the guest hypervisor's VMID is another one than then.
 */
static void take_plain_vmid(struct vcpu *vcpu)
{
	u32 mine = shadow_vmid(vcpu->nested->page[VTTBR_EL2]) + 1U, was = vcpu->nested->plain_vmid;

	vcpu->nested->plain_vmid = mine;
	if (unlikely(was && was != mine))
		forget_own_vmid();
}

static void change_context_nvhe(struct vcpu *vcpu, enum nested_context to)
{
	struct s2_context *s2 = s2_of(vcpu, to);

	ASSERT(this_vm_cpu()->vcpu == vcpu);
	if (vcpu->nested->context != to)
		nested_nvhe_switch_regs(vcpu, to);
	if (vcpu->s2 != s2)
		vcpu_change_s2(vcpu, s2);
	if (s2 == &vcpu->vm->s2)
		take_plain_vmid(vcpu);
}

void nested_change_context(struct vcpu *vcpu, enum nested_context to)
{
	if (vcpu->nested->nvhe)
		change_context_nvhe(vcpu, to);
	else
		change_context(vcpu, to);
}

/* What a level may use whose hypervisor has @virt in CPTR_EL2. */
static __always_inline u64 cptr_within(const struct vcpu *vcpu, u64 virt)
{
	const struct vm_cpu *cpu = this_vm_cpu();
	bool sve = (vcpu->features & BIT(VCPU_SVE)) && !nested_traps_sve(virt);
	u64 cptr = cpu->traps.cptr;

	if (cpu->guest_fp_in && !nested_traps_fp(virt))
		cptr = guest_traps_cptr_open(&cpu->traps, sve ? OPEN_SVE : 0);
	return cptr | (virt & CPTR_TCPAC);
}

/*
 * FP traps as long as the registers are not the guest's, and at EL1 if the guest hypervisor traps
 * it. CPACR_EL1 traps from EL2 with VHE: it is CPTR_EL2 there, and has bits that CPACR_EL1 has not.
 */
static __always_inline u64 cptr_of(const struct vcpu *vcpu, const bool nvhe)
{
	if (vcpu->nested->context == NESTED_EL2)
		return cptr_within(vcpu, CPACR_FPEN | CPACR_ZEN) | (nvhe ? 0 : CPTR_TCPAC);
	return cptr_within(vcpu, nested_read_live(vcpu, NESTED_CPTR_EL2));
}

/*
 * The physical counter traps at EL1 if the guest hypervisor traps it. Bits move with E2H. The virtual
 * one, without VHE, traps at EL2, which may have changed its offset.
 */
static __always_inline u64 cnthctl_of(const struct vcpu *vcpu, const bool nvhe)
{
	const u64 ecv = CNTHCTL_EL1TVT | CNTHCTL_EL1NVPCT | CNTHCTL_EL1NVVCT;
	u64 timers = nested_timers_are_native() ? 0 : ecv;
	u64 counter = el2_is_e2h() ? CNTHCTL_EL1PCTEN : CNTHCTL_NVHE_EL1PCTEN;
	u64 cnthctl = read_sysreg(cnthctl_el2) & ~(ecv | counter | (nvhe ? CNTHCTL_EL1TVCT : 0));

	if (vcpu->nested->context == NESTED_EL2)
		return cnthctl | timers | counter | (nvhe ? CNTHCTL_EL1TVCT : 0);
	if (nested_read_live(vcpu, NESTED_CNTHCTL_EL2) & CNTHCTL_EL1PCTEN)
		cnthctl |= counter;
	return cnthctl;
}

/* EL2's own vectors are limited by its ZCR_EL2 as EL1's are by ZCR_EL1, in whose place it is. */
static __always_inline u64 zcr_of(const struct vcpu *vcpu)
{
	return vcpu->nested->context == NESTED_EL2 ? ZCR_LEN : nested_read_zcr(vcpu);
}

/* Debug exceptions of EL1 and EL0 go to EL2 if the guest hypervisor says so. */
static __always_inline u64 mdcr_of(const struct vcpu *vcpu)
{
	u64 mdcr = read_sysreg(mdcr_el2) & ~MDCR_TDE;

	if (vcpu->nested->context == NESTED_EL1)
		mdcr |= vcpu->nested->own[NESTED_MDCR_EL2] & MDCR_TDE;
	return mdcr;
}

/* CNTVOFF_EL2, VMPIDR_EL2 and VPIDR_EL2 are EL1's view. The last one is taken back at each exit. */
#define VPIDR_BITS GENMASK(31, 0)

static __always_inline void load_el2_controls(struct vcpu *vcpu)
{
	write_sysreg(0, cntvoff_el2);
	write_sysreg(vcpu->mpidr, vmpidr_el2);
	if (nested_timers_are_native())
		nested_timer_bring_in(vcpu);
	switch_set_hcr(vcpu, nested_fast_controls(vcpu), 0);
}

/* EL1's names are of the page, or trap; SCTLR_EL1 and the like never are for trap/set_way.h. */
static void load_el2_controls_nvhe(struct vcpu *vcpu)
{
	const u64 *page = vcpu->nested->page;

	write_sysreg(page[CNTVOFF_EL2], cntvoff_el2);
	write_sysreg(vcpu->mpidr, vmpidr_el2);
	write_sysreg((u64)page, ASM_REG(VNCR_EL2));
	switch_set_hcr(vcpu, HCR_NV | HCR_NV1 | HCR_NV2 | HCR_AT | HCR_TTLB, HCR_TVM);
}

static __always_inline void load_el1_controls(struct vcpu *vcpu)
{
	const u64 *page = vcpu->nested->page;
	u64 hcr = nested_hcr(vcpu);

	write_sysreg(page[CNTVOFF_EL2], cntvoff_el2);
	write_sysreg(page[VMPIDR_EL2], vmpidr_el2);
	write_sysreg(page[VPIDR_EL2] & VPIDR_BITS, vpidr_el2);
	if (nested_hcr_has_vse(hcr) && this_vm_cpu()->traps.has_ras)
		write_sysreg(ESR_SERROR_IDS, ASM_REG(VSESR_EL2));
	switch_set_hcr(vcpu, nested_hcr_for_el1(hcr, vcpu->s2->stage2.fwb), nested_hcr_denied(hcr));
}

static __always_inline void load_controls(struct vcpu *vcpu, const bool nvhe)
{
	if (vcpu->features & BIT(VCPU_SVE))
		switch_limit_sve(vcpu, zcr_of(vcpu)); /* before CPTR_EL2 */
	write_sysreg(cptr_of(vcpu, nvhe), cptr_el2);
	write_sysreg(cnthctl_of(vcpu, nvhe), cnthctl_el2);
	write_sysreg(mdcr_of(vcpu), mdcr_el2);
	if (vcpu->nested->context == NESTED_EL1)
		load_el1_controls(vcpu);
	else if (nvhe)
		load_el2_controls_nvhe(vcpu);
	else
		load_el2_controls(vcpu);
}

/* ---- entry ---- */

/* The guest cannot go on: what it asks for is not there. The host ends it. */
static enum vcpu_action refuse_entry(struct vcpu *vcpu)
{
	static struct ratelimit limit;

	log_limited(&limit, LOG_WARN,
		    "VM %#lx, vCPU %u: a nested guest of this kind is not possible (HCR_EL2 %#lx)",
		    vcpu->vm->handle, vcpu->index, nested_hcr(vcpu));
	run_write64(vcpu, &vcpu->run->fail.esr, 0);
	run_write64(vcpu, &vcpu->run->fail.far, nested_hcr(vcpu));
	run_write64(vcpu, &vcpu->run->fail.ipa, vcpu->nested->page[VTTBR_EL2]);
	run_write64(vcpu, &vcpu->run->fail.pc, vcpu->regs.pc);
	return vcpu_to_host(KEEL_EXIT_FAIL);
}

/*
 * From EL1 and EL0 that is EL1's, interrupts and SErrors that are taken to EL2 are so whatever
 * PSTATE masks: one that waits is taken in place of the entry. Return: whether one was.
 */
static __always_inline bool take_physical(struct vcpu *vcpu, u64 hcr)
{
	if ((hcr & HCR_AMO) && switch_serror_waits(vcpu)) {
		vcpu->serror_pending = false;
		nested_take_exception(vcpu, NESTED_SERROR,
				      FIELD_PREP(ESR_EC, ESR_EC_SERROR) | ESR_IL | ESR_SERROR_IDS);
		return true;
	}
	if (!nested_vgic_virtual(vcpu, hcr))
		return false;
	switch (nested_vgic_lend(vcpu)) {
	case VGIC_IRQ:
		nested_take_exception(vcpu, NESTED_IRQ, 0);
		return true;
	case VGIC_FIQ:
		nested_take_exception(vcpu, NESTED_FIQ, 0);
		return true;
	default:
		return false;
	}
}

/* The context that is entered: EL2 in place of EL1, if an interrupt is taken there. */
static __always_inline enum nested_context context_to_enter(struct vcpu *vcpu, u64 hcr)
{
	if (nested_context_of(vcpu->regs.pstate, hcr) == NESTED_EL2 || take_physical(vcpu, hcr))
		return NESTED_EL2;
	return NESTED_EL1;
}

/*
 * The virtual CPU interface of this entry: the VM's, which has been filled, and of which EL1 cannot
 * access what the guest hypervisor makes trap; or the guest hypervisor's.
 */
static __always_inline void load_interface(struct vcpu *vcpu)
{
	if (vcpu->nested->lent)
		nested_vgic_enter(vcpu);
	else if (vcpu->vm->vgic && vcpu->nested->context == NESTED_EL1)
		nested_vgic_add_traps(vcpu);
}

/* The run page has failed, or the vGIC needs the host: the guest is not entered. */
static __always_inline bool must_leave(const struct vcpu *vcpu)
{
	return vcpu->run_failed || (vcpu->vm->vgic && vgic_must_leave(vcpu));
}

/* Not on a CPU that came later and has less. */
static bool is_cpu_able(void)
{
	const struct guest_traps *traps = &this_vm_cpu()->traps;

	return traps->has_nv2 && (traps->has_ecv || nested_timers_are_native()) &&
	       nested_vgic_possible();
}

static __always_inline bool can_enter(const struct vcpu *vcpu, u64 hcr)
{
	if (!is_cpu_able())
		return false;
	return nested_context_of(vcpu->regs.pstate, hcr) == NESTED_EL2 || !nested_hcr_refused(hcr);
}

/* Without VHE EL0 with TGE=1 has no stage 1, and its exceptions are EL2's: nobody does that. */
static bool can_enter_nvhe(const struct vcpu *vcpu, u64 hcr)
{
	return this_vm_cpu()->traps.has_nv1 &&
	       ((vcpu->regs.pstate & PSR_MODE_MASK) != PSR_MODE_EL0t || !(hcr & HCR_TGE));
}

static __always_inline enum vcpu_action enter_kind(struct vcpu *vcpu, const bool nvhe)
{
	u64 hcr = nested_hcr(vcpu);
	enum nested_context context;

	if (!can_enter(vcpu, hcr) || (nvhe && !can_enter_nvhe(vcpu, hcr)))
		return refuse_entry(vcpu);
	context = context_to_enter(vcpu, hcr);
	if (nvhe)
		change_context_nvhe(vcpu, context);
	else
		change_context(vcpu, context);
	if (!vcpu->nested->lent && vcpu->vm->vgic)
		vgic_refill(vcpu); /* folds once more, after which the host may be needed */
	if (must_leave(vcpu)) {
		vcpu->nested->lent = false;
		return vcpu_to_host(KEEL_EXIT_IRQ);
	}
	load_controls(vcpu, nvhe);
	load_interface(vcpu);
	vcpu->regs.pstate = nested_pstate_to_hw(vcpu->regs.pstate);
	return VCPU_RESUME;
}

static enum vcpu_action nested_enter(struct vcpu *vcpu)
{
	return enter_kind(vcpu, false);
}

static enum vcpu_action nested_enter_nvhe(struct vcpu *vcpu)
{
	return enter_kind(vcpu, true);
}

/* ---- exit ---- */

/*
 * ERETAA and ERETAB: UNDEFINED without pointer authentication; then the address is authenticated,
 * which may fail; then the return may be illegal.
 */
static void handle_authenticated_eret(struct vcpu *vcpu, u64 esr)
{
	u64 elr = nested_read_live(vcpu, NESTED_ELR_EL2);

	if (!nested_has_pauth(vcpu)) {
		vcpu_inject_undef(vcpu);
	} else if (nested_authenticate(vcpu, esr, &elr)) {
		nested_eret(vcpu);
		vcpu->regs.pc = elr;
	} else {
		esr = esr & ESR_ERET_ERETAB ? ESR_FPAC_KEY_B : 0;
		nested_take_exception(vcpu, NESTED_SYNC,
				      FIELD_PREP(ESR_EC, ESR_EC_FPAC) | ESR_IL | esr);
	}
}

static __always_inline enum vcpu_action handle_eret(struct vcpu *vcpu, u64 esr)
{
	if (esr & ESR_ERET_ERETA)
		handle_authenticated_eret(vcpu, esr);
	else
		nested_eret(vcpu);
	return VCPU_RESUME;
}

/* For HVC, pc is the next instruction. HCR_EL2.HCD counts, since there is no EL3. */
static __always_inline enum vcpu_action handle_el2_hvc(struct vcpu *vcpu, u64 esr)
{
	if (nested_hcr(vcpu) & HCR_HCD) {
		vcpu->regs.pc -= 4;
		vcpu_inject_undef(vcpu);
	} else {
		nested_take_exception(vcpu, NESTED_SYNC, esr);
	}
	return VCPU_RESUME;
}

/* Where the fast exit does not do it: the entry makes the page writable. */
static __always_inline enum vcpu_action handle_page_write(struct vcpu *vcpu, u64 esr)
{
	if (!nested_is_page_write(vcpu, esr))
		return VCPU_NOT_MINE;
	vcpu->nested->untrapped = false;
	return VCPU_RESUME;
}

static __always_inline enum vcpu_action exit_from_el2(struct vcpu *vcpu, u64 esr, const bool nvhe)
{
	switch (esr_ec(esr)) {
	case ESR_EC_ERET:
		nested_count(vcpu, KEEL_NESTED_EXIT_ERET);
		return handle_eret(vcpu, esr);
	case ESR_EC_HVC64:
		nested_count(vcpu, KEEL_NESTED_EXIT_HVC);
		return handle_el2_hvc(vcpu, esr);
	case ESR_EC_SYS64:
		nested_count(vcpu, KEEL_NESTED_EXIT_SYSREG);
		return nvhe ? nested_sysreg_trap_nvhe(vcpu, esr) : nested_sysreg_trap(vcpu, esr);
	case ESR_EC_DABT_CUR:
		return handle_page_write(vcpu, esr);
	default:
		nested_count(vcpu, KEEL_NESTED_EXIT_EL2_OTHER);
		return VCPU_NOT_MINE;
	}
}

/* An abort at stage 2 is the guest hypervisor's, the host's, or just a hole in the shadow. */
static __always_inline bool is_shadow_fault(const struct vcpu *vcpu, u64 esr)
{
	unsigned int ec = esr_ec(esr);

	return (ec == ESR_EC_IABT_LOWER || ec == ESR_EC_DABT_LOWER) && vcpu->s2 != &vcpu->vm->s2 &&
	       abort_is_stage2(esr);
}

/* Of the exceptions that are the guest hypervisor's, only a watchpoint's has an address. */
static void give_to_el2(struct vcpu *vcpu, u64 esr)
{
	u64 syndrome = esr & ~(u64)ESR_ISS2;

	if (esr_ec(esr) == ESR_EC_WATCHPT_LOWER)
		nested_take_abort(vcpu, syndrome, read_sysreg(far_el2));
	else
		nested_take_exception(vcpu, NESTED_SYNC, syndrome);
}

static __always_inline enum vcpu_action exit_from_el1(struct vcpu *vcpu, u64 esr)
{
	const struct nested_controls controls = nested_controls_of(vcpu);

	switch (nested_route(&controls, esr)) {
	case NESTED_ROUTE_EL2:
		nested_count(vcpu, KEEL_NESTED_EXIT_TAKEN);
		give_to_el2(vcpu, esr);
		return VCPU_RESUME;
	case NESTED_ROUTE_FP:
		give_to_el2(vcpu, FIELD_PREP(ESR_EC, ESR_EC_FP_ASIMD) | ESR_IL | ESR_FP_ALWAYS);
		return VCPU_RESUME;
	case NESTED_ROUTE_UNDEF:
		vcpu->regs.pc -= 4; /* HVC */
		vcpu_inject_undef(vcpu);
		return VCPU_RESUME;
	default:
		nested_count(vcpu, KEEL_NESTED_EXIT_EL1_OTHER);
		return VCPU_NOT_MINE;
	}
}

/* The nested guest has taken a virtual SError, if the CPU has cleared HCR_EL2.VSE. */
static __always_inline void read_back_vse(struct vcpu *vcpu)
{
	u64 *hcr = &vcpu->nested->page[HCR_EL2];

	if (nested_hcr_has_vse(*hcr) && !(read_sysreg(hcr_el2) & HCR_VSE))
		*hcr &= ~HCR_VSE;
}

/* What the hardware has for the guest alone. Return: whether an interrupt of the guest's is due. */
static __always_inline bool take_back(struct vcpu *vcpu, bool el2)
{
	bool due;

	vcpu->regs.pstate = nested_pstate_from_hw(vcpu->regs.pstate, el2);
	vcpu->nested->walk_esr = 0;
	if (!el2) {
		read_back_vse(vcpu);
		write_sysreg(read_sysreg(midr_el1), vpidr_el2);
	}
	due = nested_vgic_leave(vcpu);
	return due | nested_timer_update(vcpu);
}

static __always_inline enum vcpu_action exit_the_long_way(struct vcpu *vcpu,
							  enum guest_exit_kind kind,
							  const bool nvhe)
{
	bool el2 = vcpu->nested->context == NESTED_EL2, due;

	/* EL2 may have changed it: from now on EL1's virtual timer is asked when it fires, as by WFI */
	if (nvhe && el2)
		write_sysreg(vcpu->nested->page[CNTVOFF_EL2], cntvoff_el2);
	due = take_back(vcpu, el2);
	if (kind != GUEST_SYNC) {
		nested_count(vcpu, KEEL_NESTED_EXIT_IRQ);
		return due && kind == GUEST_IRQ ? VCPU_RESUME : VCPU_NOT_MINE;
	}
	return el2 ? exit_from_el2(vcpu, read_sysreg(esr_el2), nvhe)
		   : exit_from_el1(vcpu, read_sysreg(esr_el2));
}

/*
 * A table may be in memory that faults. Then there is an exception of EL2's own, which changes the
 * registers by which the guest goes on, and by which the long way knows what the exit is.
 */
static __always_inline bool resolve_early(struct vcpu *vcpu, u64 esr,
					  bool (*resolve)(struct vcpu *v, u64 syndrome,
							  struct shadow_fault *f))
{
	u64 elr, spsr;
	bool done;

	if (!is_shadow_fault(vcpu, esr))
		return false;
	elr = read_sysreg(elr_el2);
	spsr = read_sysreg(spsr_el2);
	vcpu->regs.pstate = spsr;
	done = resolve(vcpu, esr, &vcpu->nested->fault);
	write_sysreg(elr, elr_el2);
	write_sysreg(spsr, spsr_el2);
	write_sysreg(esr, esr_el2);
	return done;
}

static __noinline bool early_fault(struct vcpu *vcpu, u64 esr)
{
	return resolve_early(vcpu, esr, shadow_resolve);
}

/* Without VHE: of EL2 itself. */
static __noinline bool early_fault_el2(struct vcpu *vcpu, u64 esr)
{
	return resolve_early(vcpu, esr, shadow_resolve_el2);
}

/*
 * The early exit. The guest goes on at once where neither PSTATE nor any control has changed: after
 * what EL2 does most often, and after most faults of a nested guest. If another CPU has panicked, the
 * exit goes on, and vcpu_exit() stops this one.
 */
static bool nested_early(struct vcpu *vcpu)
{
	u64 esr = read_sysreg(esr_el2);

	if (unlikely(panic_in_progress()))
		return false;
	if (vcpu->nested->context == NESTED_EL1)
		return early_fault(vcpu, esr);
	if (nested_is_el2_tlbi(esr))
		return nested_tlbi_at_once(vcpu, esr);
	return esr_ec(esr) == ESR_EC_SYS64 && nested_sysreg_at_once(vcpu, esr);
}

static bool nested_early_nvhe(struct vcpu *vcpu)
{
	u64 esr = read_sysreg(esr_el2);

	if (unlikely(panic_in_progress()))
		return false;
	if (vcpu->nested->context == NESTED_EL1)
		return early_fault(vcpu, esr);
	return esr_ec(esr) == ESR_EC_SYS64 ? nested_sysreg_at_once_nvhe(vcpu, esr)
					   : early_fault_el2(vcpu, esr);
}

/* The early exit has had it, and knows why there is no entry in the shadow. */
static enum vcpu_action exit_by_fault(struct vcpu *vcpu, bool el2)
{
	ASSERT(vcpu->nested->fault.esr == read_sysreg(esr_el2));
	(void)take_back(vcpu, el2);
	return shadow_conclude(&vcpu->nested->fault);
}

static enum vcpu_action nested_exit(struct vcpu *vcpu, enum guest_exit_kind kind)
{
	if (kind == GUEST_SYNC && vcpu->nested->context == NESTED_EL1 &&
	    is_shadow_fault(vcpu, read_sysreg(esr_el2)))
		return exit_by_fault(vcpu, false);
	return exit_the_long_way(vcpu, kind, false);
}

static enum vcpu_action nested_exit_nvhe(struct vcpu *vcpu, enum guest_exit_kind kind)
{
	if (kind == GUEST_SYNC && is_shadow_fault(vcpu, read_sysreg(esr_el2)))
		return exit_by_fault(vcpu, vcpu->nested->context == NESTED_EL2);
	return exit_the_long_way(vcpu, kind, true);
}

/*
 * A vCPU that waits for an interrupt: EL2's timers wake it as well, and a nested guest its own
 * interrupts.
 */
static enum vcpu_action nested_handled(struct vcpu *vcpu, enum vcpu_action action)
{
	u64 deadline;

	nested_vgic_settle(vcpu);
	if (action != vcpu_to_host(KEEL_EXIT_WFI))
		return action;
	if (vcpu->nested->context == NESTED_EL1 && nested_vgic_wakes(vcpu))
		return VCPU_RESUME;
	deadline = nested_timer_deadline(vcpu);
	if (deadline < run_read64(vcpu, &vcpu->run->wfi.deadline))
		run_write64(vcpu, &vcpu->run->wfi.deadline, deadline);
	return action;
}

static void nested_leave(struct vcpu *vcpu)
{
	nested_timer_leave(vcpu);
	nested_fast_leave(vcpu);
}

static bool nested_wanted(const struct vcpu *vcpu)
{
	return vcpu->nested && !(vcpu->features & BIT(VCPU_HAS_EL2_E2H0));
}

static bool nested_wanted_nvhe(const struct vcpu *vcpu)
{
	return vcpu->nested && (vcpu->features & BIT(VCPU_HAS_EL2_E2H0));
}

/* ---- exceptions that other layers make the guest take ---- */

/* From EL1, and EL0 that is EL1's, these go to EL1. */
static bool inject_to_el2(struct vcpu *vcpu, u64 esr, u64 far)
{
	if (shadow_walk_failed(vcpu))
		return true;
	if (nested_context_of(vcpu->regs.pstate, nested_hcr(vcpu)) != NESTED_EL2)
		return false;
	nested_take_abort(vcpu, esr, far);
	return true;
}

/* ---- reset ---- */

static void reset_el2(struct vcpu *vcpu)
{
	const struct pstate_features has = nested_pstate_features();
	enum nested_context entries = vcpu->nested->own_entries;
	u32 plain_vmid = vcpu->nested->plain_vmid;

	ASSERT(!vcpu->nested->alias_open);
	shadow_drop(vcpu);
	nested_reset_regs(vcpu, impl_regs_machine()->midr);
	vcpu->nested->own_entries = entries;
	vcpu->nested->plain_vmid = plain_vmid;
	vcpu->nested->pstate_has = has;
	vcpu->nested->eret_pstate = nested_return_usual(&has);
	vcpu->regs.pstate = PSR_MODE_EL2h | PSR_DAIF;
	nested_vgic_reset(vcpu);
	nested_timer_reset(vcpu);
}

static void nested_reset(struct vcpu *vcpu)
{
	if (vcpu->nested)
		reset_el2(vcpu);
}

/* The vCPU is loaded: its timer may be set. */
static void nested_cpu_on(struct vcpu *vcpu)
{
	if (!vcpu->nested)
		return;
	reset_el2(vcpu);
	timer_set_alarm(vcpu, 0);
}

void nested_stage_init(void)
{
	static const struct vcpu_hooks hooks = {
		.resume = nested_tlbi_resume,
		.reset = nested_reset,
	};
	static const struct trap_device device = { .cpu_on = nested_cpu_on };
	static const struct exit_stage stage = {
		.wanted = nested_wanted,
		.exit = nested_exit,
		.handled = nested_handled,
		.enter = nested_enter,
		.leave = nested_leave,
		.fast = nested_fast,
		.fast_classes = NESTED_FAST_CLASSES,
		.early = nested_early,
		.early_classes = BIT(ESR_EC_SYS64) | BIT(ESR_EC_IABT_LOWER) |
				 BIT(ESR_EC_DABT_LOWER),
	};

	static const struct exit_stage nvhe = {
		.wanted = nested_wanted_nvhe,
		.exit = nested_exit_nvhe,
		.handled = nested_handled,
		.enter = nested_enter_nvhe,
		.leave = nested_leave,
		.fast = nested_fast_nvhe,
		.fast_classes = BIT(ESR_EC_ERET),
		.early = nested_early_nvhe,
		.early_classes = BIT(ESR_EC_SYS64) | BIT(ESR_EC_IABT_LOWER) |
				 BIT(ESR_EC_DABT_LOWER),
	};

	vcpu_add_hooks(&hooks);
	trap_set_device(TRAP_DEVICE_NESTED, &device);
	exit_set_stage(EXIT_STAGE_NESTED, &stage);
	exit_set_stage(EXIT_STAGE_NESTED_NVHE, &nvhe);
	vcpu_set_el2_inject(inject_to_el2);
}

/* HCR_EL2.NV1 is RES0 where ID_AA64MMFR4_EL1.E2H0 is -2. EL1's timers must trap at EL2. */
static bool nested_nvhe_possible(const struct cpu_features *machine)
{
	return cpu_features_signed(machine, ID_MMFR4_E2H0) >= -1 && cpu_has(machine, FEAT_ECV);
}

void nested_init(bool asked, const struct cpu_features *machine)
{
	if (!asked)
		return;
	/* firmware may keep a GICv3's registers from EL2: then VMs have a GICv2, or no GIC */
	if (!cpu_has(machine, FEAT_NV2) || !cpu_has(machine, FEAT_GICv3) || vgic_version() != 3) {
		log_warn("keel.nested: these CPUs do not have FEAT_NV2 and a GICv3");
		return;
	}
	nested_timer_init(cpu_has(machine, FEAT_ECV));
	nested_vgic_init();
	nested_trap_init();
	nested_stage_init();
	vm_set_nested(&shadow_vm_ops);
	if (nested_nvhe_possible(machine))
		vm_set_nested_nvhe();
	log_info("VMs can have an EL2 of their own (experimental)");
}
