// SPDX-License-Identifier: BSD-2-Clause
/*
 * A run: one KEEL_HC_VCPU_RUN, from the host into the guest and back.
 *
 *      vcpu_run()
 *        enter_run_state()        vcpu->place = VCPU_HERE: senders kick this CPU from now on
 *        load_vcpu()              VMID, world switch (switch.c), hooks' .load
 *        call_resume()            hooks' .resume: finish what the last run's exit left open
 *        exit_prepare_entry()     hooks' and stages' .enter (exit.c)
 *        guest_run()              enter.S: ERET ... exception, vcpu_exit() (exit.c), ERET ...
 *        put_vcpu()               hooks' .put, world switch back, VMID released
 *        leave_run_state()        VCPU_AWAY, or VCPU_WAITS if the vCPU's thread is to sleep
 *
 * Each step after load_vcpu() can end the run with an exit for the host; put_vcpu() follows in any
 * case. The layers above (trap/, vgic/, timer/, spe/) take part by struct vcpu_hooks. Those of
 * their functions that every run calls are kept in one list for each point of the run, without gaps
 * and ended by NULL. .put is called in the reverse order of registration.
 *
 * Locking. The CPU owns the vCPU: vcpu_take() has set vcpu->owner by compare-and-exchange, and only
 * the owner touches registers and hook state. No lock is held while a guest runs, and none is
 * needed here. vcpu->place is the one field that other CPUs change: vcpu_kick() in run.h argues why
 * no kick is lost.
 *
 * The host's SErrors. A physical SError that is pending when a run begins belongs to the host: the
 * run returns at once, and the host takes it as a virtual SError. One found when the vCPU is put
 * may belong to the guest; serror.c decides.
 *
 * The run page is memory of the host and may fail (run_page.h). Then what host and guest told each
 * other is lost: the vCPU does not enter its guest again, and its runs return -EFAULT.
 */
#include <arch/barrier.h>
#include <arch/el1.h>
#include <arch/percpu.h>
#include <arch/tlb.h>
#include <cpu/assert.h>
#include <cpu/inject.h>
#include <cpu/panic.h>
#include <cpu/percpu.h>
#include <lib/errno.h>
#include <lib/string.h>
#include <vm/exit.h>
#include <vm/run.h>
#include <vm/run_page.h>
#include <vm/switch.h>
#include <vm/vm_ops.h>

/* enter.S */
int guest_run(struct vcpu *vcpu);

static const struct vcpu_hooks *hooks[VCPU_HOOKS_MAX];
static unsigned int nr_hooks;

/* The hooks' functions, without gaps; NULL ends a list. .put is called in reverse order. */
static void (*load_hooks[VCPU_HOOKS_MAX + 1])(struct vcpu *vcpu);
static void (*put_hooks[VCPU_HOOKS_MAX])(struct vcpu *vcpu);
static unsigned int nr_put_hooks;
static enum vcpu_action (*resume_hooks[VCPU_HOOKS_MAX + 1])(struct vcpu *vcpu);

static void add_resume(const struct vcpu_hooks *new_hooks)
{
	enum vcpu_action (**list)(struct vcpu * vcpu) = resume_hooks;

	while (*list)
		list++;
	*list = new_hooks->resume;
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

void vcpu_add_hooks(const struct vcpu_hooks *new_hooks)
{
	if (nr_hooks == VCPU_HOOKS_MAX)
		panic("too many layers have registered hooks");
	hooks[nr_hooks++] = new_hooks;
	add_load_and_put(new_hooks);
	add_resume(new_hooks);
	exit_add_hooks(new_hooks);
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
	ASSERT(this_cpu()->vcpu != vcpu);
	__atomic_store_n(&vcpu->owner, VCPU_NO_OWNER, __ATOMIC_RELEASE);
}

void vcpu_wake(struct vcpu *runner, const struct vcpu *vcpu)
{
	unsigned long long *word = &runner->run->wake[vcpu->index / 64];

	ASSERT_CMP(runner->owner, ==, this_cpu()->id);
	run_write64(runner, word, run_read64(runner, word) | BIT(vcpu->index % 64));
}

void vcpu_tell_ended(struct vcpu *runner, u32 intid)
{
	struct keel_run *run = runner->run;
	unsigned long long *word = &run->ended[intid / 64];

	ASSERT_CMP(runner->owner, ==, this_cpu()->id);
	ASSERT_CMP(intid, <, KEEL_INTIDS_MAX);
	run_write64(runner, word, run_read64(runner, word) | BIT(intid % 64));
	run_write64(runner, &run->any_ended, run_read64(runner, &run->any_ended) | BIT(intid / 64));
}

static void load_vcpu(struct vcpu *vcpu)
{
	void (**hook)(struct vcpu * vcpu);

	(void)s2_context_load(vcpu->s2);
	switch_to_guest(vcpu);
	s2_context_take_over(vcpu->s2, this_cpu()->id, vcpu->index);
	for (hook = load_hooks; *hook; hook++)
		(*hook)(vcpu);
	this_cpu()->vcpu = vcpu; /* vectors.S: exceptions from EL1 and EL0 are the guest's now */
}

/* Without an ISB, as switch_to_guest(). */
void vcpu_change_s2(struct vcpu *vcpu, struct s2_context *to)
{
	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	ASSERT(to->vm == vcpu->vm);
	vcpu->s2 = to;
	if (this_vm_cpu()->vcpu != vcpu)
		return;
	(void)s2_context_load(to);
	write_sysreg(to->stage2.geometry.vtcr, vtcr_el2);
	write_sysreg(to->stage2.vttbr, vttbr_el2);
	s2_context_take_over(to, this_cpu()->id, vcpu->index);
}

static void put_vcpu(struct vcpu *vcpu)
{
	ASSERT(this_cpu()->vcpu == vcpu);
	this_cpu()->vcpu = NULL;
	if (unlikely(switch_serror_found()))
		exit_take_serror(vcpu);
	for (unsigned int i = nr_put_hooks; i-- > 0;)
		put_hooks[i](vcpu);
	switch_to_host(vcpu);
	vcpu->last_cpu = this_cpu()->id;
}

static enum vcpu_action call_resume(struct vcpu *vcpu)
{
	enum vcpu_action (**resume)(struct vcpu * vcpu), action = VCPU_RESUME;

	for (resume = resume_hooks; *resume && action == VCPU_RESUME; resume++)
		action = (*resume)(vcpu);
	return action;
}

/* The fence orders VCPU_HERE before the look for interrupts: see vcpu_kick(). */
static void enter_run_state(struct vcpu *vcpu)
{
	vcpu->cpu = this_cpu();
	__atomic_store_n(&vcpu->place, VCPU_HERE, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/*
 * A sender that saw VCPU_HERE has kicked this CPU and not woken the thread, so a vCPU that was
 * kicked must not go to sleep.
 */
static int leave_run_state(struct vcpu *vcpu, int exit)
{
	bool waits = exit == KEEL_EXIT_WFI;
	u32 was =
		__atomic_exchange_n(&vcpu->place, waits ? VCPU_WAITS : VCPU_AWAY, __ATOMIC_ACQ_REL);

	return waits && (was == VCPU_KICKED || vcpu->serror_pending) ? (int)KEEL_EXIT_IRQ : exit;
}

/* The run page may have failed since the run began, in a hook: do not enter then. */
static int enter_guest(struct vcpu *vcpu)
{
	if (likely(!vcpu->run_failed))
		return guest_run(vcpu);
	exit_leave(vcpu);
	return -EFAULT;
}

int vcpu_run(struct vcpu *vcpu)
{
	int ret;

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	ASSERT(vcpu->initialized);
	ASSERT(!this_cpu()->vcpu);
	ASSERT(vcpu->place == VCPU_AWAY || vcpu->place == VCPU_WAITS);
	if (unlikely(vcpu->run_failed))
		return -EFAULT;
	if (unlikely(switch_host_serror_found())) {
		switch_take_host_serror();
		return KEEL_EXIT_IRQ;
	}
	enter_run_state(vcpu);
	load_vcpu(vcpu);
	ret = call_resume(vcpu);
	if (ret == VCPU_RESUME)
		ret = exit_prepare_entry(vcpu);
	if (ret == VCPU_RESUME)
		ret = enter_guest(vcpu);
	put_vcpu(vcpu);
	ret = leave_run_state(vcpu, ret);
	return likely(!vcpu->run_failed) ? ret : -EFAULT;
}

bool vcpu_has_pending(struct vcpu *vcpu)
{
	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	if (vcpu->serror_pending && switch_serror_waits(vcpu))
		return true;
	for (unsigned int i = 0; i < nr_hooks; i++)
		if (hooks[i]->pending && hooks[i]->pending(vcpu))
			return true;
	return false;
}

u64 vcpu_deadline(struct vcpu *vcpu)
{
	u64 first = ~0ULL;

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	for (unsigned int i = 0; i < nr_hooks; i++)
		if (hooks[i]->deadline)
			first = MIN(first, hooks[i]->deadline(vcpu));
	return first;
}

/* The reset values that the architecture defines for a PE that comes out of reset at EL1. */
void vcpu_reset(struct vcpu *vcpu)
{
	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	ASSERT(this_cpu()->vcpu != vcpu);
	vcpu->regs = (struct vcpu_gpregs){ .pstate = PSR_MODE_EL1h | PSR_DAIF };
	memset(vcpu->sysreg, 0, VCPU_SYSREG_COUNT * sizeof(vcpu->sysreg[0]));
	vcpu->sysreg[SCTLR_EL1] = SCTLR_EL1_RESET;
	vcpu->fault_pending = false;
	vcpu->on_pending = false;
	vcpu->trap_vm_regs = false;
	vcpu->serror_pending = false;
	vcpu->flush_at = 0;
	exit_choose_stages(vcpu);
	for (unsigned int i = 0; i < nr_hooks; i++)
		if (hooks[i]->reset)
			hooks[i]->reset(vcpu);
}

/* ---- exceptions into the guest ---- */

/* The PSTATE bits of features that the guest has. trap/ hides NMI. */
static struct pstate_features guest_pstate_features(const struct vcpu *vcpu)
{
	const struct cpu_features *machine = vm_features();

	return (struct pstate_features){
		.pan = cpu_has(machine, FEAT_PAN),
		.uao = cpu_has(machine, FEAT_UAO),
		.ssbs = cpu_has(machine, FEAT_SSBS),
		.mte = vcpu->has_tags,
	};
}

static bool (*el2_inject)(struct vcpu *vcpu, u64 esr, u64 far);

void vcpu_set_el2_inject(bool (*inject)(struct vcpu *vcpu, u64 esr, u64 far))
{
	el2_inject = inject;
}

static void inject_to_el1(struct vcpu *vcpu, u64 esr, u64 far)
{
	const struct pstate_features has = guest_pstate_features(vcpu);
	u64 spsr = vcpu->regs.pstate;
	struct el1_entry entry = el1_exception_entry(spsr, vcpu_read_sysreg(vcpu, SCTLR_EL1), &has);

	vcpu_write_sysreg(vcpu, ELR_EL1, vcpu->regs.pc);
	vcpu_write_sysreg(vcpu, SPSR_EL1, spsr);
	vcpu_write_sysreg(vcpu, ESR_EL1, esr);
	vcpu_write_sysreg(vcpu, FAR_EL1, far);
	vcpu->regs.pc = vcpu_read_sysreg(vcpu, VBAR_EL1) + entry.vector;
	vcpu->regs.pstate = entry.pstate;
}

void vcpu_inject(struct vcpu *vcpu, u64 esr, u64 far)
{
	if (likely(!vcpu->nested) || !el2_inject(vcpu, esr, far))
		inject_to_el1(vcpu, esr, far);
}

void vcpu_inject_undef(struct vcpu *vcpu)
{
	vcpu_inject(vcpu, el1_undef_esr(), vcpu_read_sysreg(vcpu, FAR_EL1));
}

void vcpu_inject_external_abort(struct vcpu *vcpu, u64 esr, u64 far)
{
	vcpu_inject(vcpu, el1_external_abort_esr(esr, vcpu->regs.pstate), far);
}
