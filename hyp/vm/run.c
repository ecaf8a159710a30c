/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The run loop: enter the guest, and let the layers above finish what it exits for, until one of
 * them says that the host is needed. No lock is held while a guest runs.
 */
#include <arch/barrier.h>
#include <arch/el1.h>
#include <arch/percpu.h>
#include <arch/tlb.h>
#include <cpu/assert.h>
#include <cpu/hw_errors.h>
#include <cpu/inject.h>
#include <cpu/log.h>
#include <cpu/panic.h>
#include <cpu/percpu.h>
#include <lib/errno.h>
#include <lib/esr.h>
#include <lib/string.h>
#include <vm/run.h>
#include <vm/run_page.h>
#include <vm/serror.h>
#include <vm/switch.h>
#include <vm/vm_ops.h>

/* Kinds of exceptions from a guest: vectors.S says them, enter.S hands them on. */
enum { GUEST_SYNC, GUEST_IRQ, GUEST_FIQ, GUEST_SERROR };

/* enter.S and what it calls. */
int guest_run(struct vcpu *vcpu);
int vcpu_exit(struct vcpu *vcpu, unsigned int kind);

static const struct vcpu_hooks *hooks[VCPU_HOOKS_MAX];
static unsigned int nr_hooks;

/* Those of them that each exit and each entry asks, without the gaps; a NULL ends them. */
static int (*enter_hooks[VCPU_HOOKS_MAX + 1])(struct vcpu *vcpu);
static int (*irq_hooks[VCPU_HOOKS_MAX + 1])(struct vcpu *vcpu);

/* The same of those that each run asks; put goes from the last to the first. */
static void (*load_hooks[VCPU_HOOKS_MAX + 1])(struct vcpu *vcpu);
static void (*put_hooks[VCPU_HOOKS_MAX])(struct vcpu *vcpu);
static unsigned int nr_put_hooks;
static int (*resume_hooks[VCPU_HOOKS_MAX + 1])(struct vcpu *vcpu);

static const struct vcpu_profiler *profiler;

static int handle_fp(struct vcpu *vcpu, u64 esr)
{
	(void)esr;
	switch_guest_fp(vcpu);
	return VCPU_RESUME;
}

static int handle_sve(struct vcpu *vcpu, u64 esr)
{
	if (vcpu->features & BIT(VCPU_SVE))
		return handle_fp(vcpu, esr);
	vcpu_inject_undef(vcpu);
	return VCPU_RESUME;
}

/* By class. FP is the world switch's own, the rest the layers'. */
static vcpu_exit_handler *exit_handlers[ESR_EC_COUNT] = {
	[ESR_EC_FP_ASIMD] = handle_fp,
	[ESR_EC_SVE] = handle_sve,
};

static void add_hook(int (**list)(struct vcpu *vcpu), int (*hook)(struct vcpu *vcpu))
{
	if (!hook)
		return;
	while (*list)
		list++;
	*list = hook;
}

static void add_load_and_put(const struct vcpu_hooks *new_hooks)
{
	void (**list)(struct vcpu * vcpu) = load_hooks;

	while (*list)
		list++;
	*list = new_hooks->load;
	if (new_hooks->put)
		put_hooks[nr_put_hooks++] = new_hooks->put;
}

static void add_exits(vcpu_exit_handler *const *exits)
{
	unsigned int ec;

	for (ec = 0; ec < ESR_EC_COUNT; ec++) {
		if (!exits[ec])
			continue;
		if (exit_handlers[ec])
			panic("two layers for exception class %#x", ec);
		exit_handlers[ec] = exits[ec];
	}
}

void vcpu_add_hooks(const struct vcpu_hooks *new_hooks)
{
	if (nr_hooks == VCPU_HOOKS_MAX)
		panic("too many layers on the run loop");
	hooks[nr_hooks++] = new_hooks;
	add_hook(enter_hooks, new_hooks->enter);
	add_hook(irq_hooks, new_hooks->irq);
	add_hook(resume_hooks, new_hooks->resume);
	add_load_and_put(new_hooks);
	if (new_hooks->exits)
		add_exits(new_hooks->exits);
}

void vcpu_set_profiler(const struct vcpu_profiler *new_profiler)
{
	profiler = new_profiler;
}

int vcpu_take(struct vcpu *vcpu)
{
	unsigned int nobody = VCPU_NO_OWNER;

	return __atomic_compare_exchange_n(&vcpu->owner, &nobody, this_cpu()->id, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
		       ? 0
		       : -EBUSY;
}

void vcpu_drop(struct vcpu *vcpu)
{
	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	__atomic_store_n(&vcpu->owner, VCPU_NO_OWNER, __ATOMIC_RELEASE);
}

void vcpu_wake(struct vcpu *runner, const struct vcpu *vcpu)
{
	unsigned long long *word = &runner->run->wake[vcpu->index / 64];

	run_write64(runner, word, run_read64(runner, word) | BIT(vcpu->index % 64));
}

/*
 * Another vCPU of the same VM may have left translations on this CPU that are its own: ASIDs are
 * private to a vCPU. Guest TLBIs that are local reach all CPUs (HCR_EL2.FB), so nothing else can be
 * stale. Complete before the first entry.
 */
static void forget_other_vcpus(struct vcpu *vcpu)
{
	unsigned int cpu = this_cpu()->id;
	u16 *last = &vcpu->vm->last_vcpu[cpu];
	u16 mine = (u16)(vcpu->index + 1);

	if (*last == mine)
		return;
	isb(); /* VTTBR_EL2 and HCR_EL2 are the guest's: the TLBI goes by them */
	tlbi_vmalle1();
	dsb(nsh);
	isb();
	*last = mine;
}

/* Of the guest: taken while it ran, or found when it is put. */
static int handle_serror(struct vcpu *vcpu, u64 esr)
{
	static const char *const whose[] = { [SERROR_HOST] = "the host takes it",
					     [SERROR_GUEST] = "the guest takes it",
					     [SERROR_NOBODY] = "the guest goes on" };
	static struct ratelimit limit;
	enum serror_owner owner = serror_owner(esr, this_vm_cpu()->traps.has_ras);

	hw_error(HW_GUEST_SERRORS);
	log_limited(&limit, LOG_WARN, "VM %#lx, vCPU %u: SError, ESR_EL2 %#lx: %s",
		    vcpu->vm->handle, vcpu->index, esr, whose[owner]);
	switch (owner) {
	case SERROR_NOBODY:
		return VCPU_RESUME;
	case SERROR_GUEST:
		switch_guest_serror(vcpu);
		return VCPU_RESUME;
	default:
		switch_host_serror(esr);
		return KEEL_EXIT_IRQ;
	}
}

/* It was found when the guest was left for the host. */
static void take_serror(struct vcpu *vcpu)
{
	u64 esr = switch_take_guest_serror();

	if (esr)
		(void)handle_serror(vcpu, esr);
}

static void load(struct vcpu *vcpu)
{
	void (**hook)(struct vcpu * vcpu);

	(void)vm_vmid_enter(vcpu);
	switch_to_guest(vcpu);
	forget_other_vcpus(vcpu);
	for (hook = load_hooks; *hook; hook++)
		(*hook)(vcpu);
	this_cpu()->vcpu = vcpu; /* what comes from below is the guest's now: vectors.S */
}

static void put(struct vcpu *vcpu)
{
	unsigned int i;

	this_cpu()->vcpu = NULL;
	if (unlikely(switch_serror_found()))
		take_serror(vcpu);
	for (i = nr_put_hooks; i-- > 0;)
		put_hooks[i](vcpu);
	switch_to_host(vcpu);
	vm_vmid_leave(vcpu);
	vcpu->last_cpu = this_cpu()->id;
}

static int call_resume(struct vcpu *vcpu)
{
	int (**resume)(struct vcpu * vcpu), ret = VCPU_RESUME;

	for (resume = resume_hooks; *resume && ret == VCPU_RESUME; resume++)
		ret = (*resume)(vcpu);
	return ret;
}

static int call_enter(struct vcpu *vcpu)
{
	int (**enter)(struct vcpu * vcpu), ret = VCPU_RESUME;

	for (enter = enter_hooks; *enter && ret == VCPU_RESUME; enter++)
		ret = (*enter)(vcpu);
	return ret;
}

static __noinline int fail(struct vcpu *vcpu, u64 esr)
{
	u64 far = read_sysreg(far_el2), ipa = read_sysreg(hpfar_el2) << 8;

	run_write64(vcpu, &vcpu->run->fail.esr, esr);
	run_write64(vcpu, &vcpu->run->fail.far, far);
	run_write64(vcpu, &vcpu->run->fail.ipa, ipa);
	run_write64(vcpu, &vcpu->run->fail.pc, vcpu->regs.pc);
	return KEEL_EXIT_FAIL;
}

static __always_inline int handle_sync(struct vcpu *vcpu)
{
	u64 esr = read_sysreg(esr_el2);
	unsigned int ec = esr_ec(esr);
	int ret = VCPU_NOT_MINE;

	if (likely(exit_handlers[ec]))
		ret = exit_handlers[ec](vcpu, esr);
	return unlikely(ret == VCPU_NOT_MINE) ? fail(vcpu, esr) : ret;
}

static int handle_irq(struct vcpu *vcpu)
{
	int (**irq)(struct vcpu * vcpu), ret = VCPU_NOT_MINE;

	for (irq = irq_hooks; *irq && ret == VCPU_NOT_MINE; irq++)
		ret = (*irq)(vcpu);
	return ret == VCPU_NOT_MINE ? (int)KEEL_EXIT_IRQ : ret;
}

static __noinline int handle_exit(struct vcpu *vcpu, unsigned int kind)
{
	switch (kind) {
	case GUEST_SYNC:
		return handle_sync(vcpu);
	case GUEST_IRQ:
	case GUEST_FIQ:
		return handle_irq(vcpu);
	default:
		return handle_serror(vcpu, read_sysreg(esr_el2));
	}
}

/* Get ready for the next entry, if there is to be one. */
static int finish(struct vcpu *vcpu, int ret)
{
	return ret == VCPU_RESUME ? call_enter(vcpu) : ret;
}

/* An exit by no instruction: once EL2 has taken its reasons away, see whether the host has one. */
static int finish_irq(struct vcpu *vcpu, int ret)
{
	ret = finish(vcpu, ret);
	return ret == VCPU_RESUME && vcpu_host_waits(vcpu) ? (int)KEEL_EXIT_IRQ : ret;
}

/* What every exit does, of a vCPU that has SPE. */
static __noinline int exit_with_spe(struct vcpu *vcpu, unsigned int kind)
{
	int ret;

	profiler->exited(vcpu, kind == GUEST_IRQ);
	ret = profiler->handled(vcpu, handle_exit(vcpu, kind));
	ret = kind == GUEST_SYNC ? finish(vcpu, ret) : finish_irq(vcpu, ret);
	return ret == VCPU_RESUME ? profiler->enter(vcpu) : ret;
}

static int irq_with_spe(struct vcpu *vcpu)
{
	if (profiler->sampled && likely(profiler->sampled(vcpu)))
		return VCPU_RESUME;
	return exit_with_spe(vcpu, GUEST_IRQ);
}

/*
 * The guest was left: deal with it, and get ready for the next entry. A CPU that has panicked may
 * have left anything half done, so this one stops here, too.
 */
int vcpu_exit(struct vcpu *vcpu, unsigned int kind)
{
	if (unlikely(panic_in_progress()))
		panic_stop_cpu();
	if (!vcpu->spe)
		return kind == GUEST_SYNC ? finish(vcpu, handle_sync(vcpu))
					  : finish_irq(vcpu, handle_exit(vcpu, kind));
	return kind == GUEST_IRQ ? irq_with_spe(vcpu) : exit_with_spe(vcpu, kind);
}

/* See vcpu_kick(). */
static void arrive(struct vcpu *vcpu)
{
	vcpu->cpu = this_cpu();
	__atomic_store_n(&vcpu->place, VCPU_HERE, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Who found it here has kicked it and woken nobody: then it must not sleep. */
static int leave(struct vcpu *vcpu, int exit)
{
	bool waits = exit == KEEL_EXIT_WFI;
	u32 was =
		__atomic_exchange_n(&vcpu->place, waits ? VCPU_WAITS : VCPU_AWAY, __ATOMIC_ACQ_REL);

	return waits && (was == VCPU_KICKED || vcpu->serror_pending) ? (int)KEEL_EXIT_IRQ : exit;
}

/* As long as its run page does not fail: what the host and the guest have to tell is lost then. */
static int enter_guest(struct vcpu *vcpu)
{
	return likely(!vcpu->run_failed) ? guest_run(vcpu) : -EFAULT;
}

int vcpu_run(struct vcpu *vcpu)
{
	int ret;

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	ASSERT(vcpu->initialized);
	if (unlikely(vcpu->run_failed))
		return -EFAULT;
	if (unlikely(switch_host_serror_found())) {
		switch_take_host_serror();
		return KEEL_EXIT_IRQ;
	}
	arrive(vcpu);
	load(vcpu);
	ret = call_resume(vcpu);
	if (ret == VCPU_RESUME)
		ret = call_enter(vcpu);
	if (ret == VCPU_RESUME && vcpu->spe)
		ret = profiler->enter(vcpu);
	if (ret == VCPU_RESUME)
		ret = enter_guest(vcpu);
	put(vcpu);
	ret = leave(vcpu, ret);
	return likely(!vcpu->run_failed) ? ret : -EFAULT;
}

bool vcpu_has_pending(struct vcpu *vcpu)
{
	unsigned int i;

	if (vcpu->serror_pending && switch_serror_waits(vcpu))
		return true;
	for (i = 0; i < nr_hooks; i++)
		if (hooks[i]->pending && hooks[i]->pending(vcpu))
			return true;
	return false;
}

u64 vcpu_deadline(struct vcpu *vcpu)
{
	u64 first = ~0ULL;
	unsigned int i;

	for (i = 0; i < nr_hooks; i++)
		if (hooks[i]->deadline)
			first = MIN(first, hooks[i]->deadline(vcpu));
	return first;
}

/* Reset values that the architecture defines for a PE that comes out of reset at EL1. */
void vcpu_reset(struct vcpu *vcpu)
{
	unsigned int i;

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	vcpu->regs = (struct vcpu_gpregs){ .pstate = PSR_MODE_EL1h | PSR_DAIF };
	memset(vcpu->sysreg, 0, VCPU_SYSREG_COUNT * sizeof(vcpu->sysreg[0]));
	vcpu->sysreg[SCTLR_EL1] = SCTLR_EL1_RESET;
	vcpu->fault_pending = false;
	vcpu->on_pending = false;
	vcpu->trap_vm_regs = false;
	vcpu->serror_pending = false;
	vcpu->flush_at = 0;
	for (i = 0; i < nr_hooks; i++)
		if (hooks[i]->reset)
			hooks[i]->reset(vcpu);
}

/* ---- exceptions into the guest ---- */

/* PSTATE bits of features that a guest has: no MTE and no NMI (trap/ hides them). */
static struct pstate_features guest_pstate_features(void)
{
	const struct cpu_features *machine = vm_features();

	return (struct pstate_features){
		.pan = cpu_has(machine, FEAT_PAN),
		.uao = cpu_has(machine, FEAT_UAO),
		.ssbs = cpu_has(machine, FEAT_SSBS),
	};
}

void vcpu_inject(struct vcpu *vcpu, u64 esr, u64 far)
{
	const struct pstate_features has = guest_pstate_features();
	u64 spsr = vcpu->regs.pstate;
	struct el1_entry entry = el1_exception_entry(spsr, vcpu_read_sysreg(vcpu, SCTLR_EL1), &has);

	vcpu_write_sysreg(vcpu, ELR_EL1, vcpu->regs.pc);
	vcpu_write_sysreg(vcpu, SPSR_EL1, spsr);
	vcpu_write_sysreg(vcpu, ESR_EL1, esr);
	vcpu_write_sysreg(vcpu, FAR_EL1, far);
	vcpu->regs.pc = vcpu_read_sysreg(vcpu, VBAR_EL1) + entry.vector;
	vcpu->regs.pstate = entry.pstate;
}

void vcpu_inject_undef(struct vcpu *vcpu)
{
	vcpu_inject(vcpu, el1_undef_esr(), vcpu_read_sysreg(vcpu, FAR_EL1));
}

void vcpu_inject_external_abort(struct vcpu *vcpu, u64 esr, u64 far)
{
	vcpu_inject(vcpu, el1_external_abort_esr(esr, vcpu->regs.pstate), far);
}
