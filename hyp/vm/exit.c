// SPDX-License-Identifier: BSD-2-Clause
/*
 * From an exit of the guest to its next entry, or to the exit that the host is told of. exit.h has
 * the picture: fast exit, stages, handlers, and back through the stages and the hooks' .enter.
 *
 * For a synchronous exception of a vCPU without stages enter.S calls the handler of its class. If that one
 * says VCPU_RESUME and vcpu->attention is not set, the guest is entered again; else vcpu_exit_handled()
 * says what is next. vcpu_exit() is called for every other exit that no fast or early exit has handled. The
 * result of both is an enum vcpu_action: VCPU_RESUME enters the guest again, any other value ends the run.
 *
 *      enter.S
 *        no stages:   class_handlers, vcpu_exit_handled()    then  finish_exit()
 *      vcpu_exit()
 *        async_exit():  handle_async(): irq_hooks, SErrors   then  finish_irq_exit()
 *        stages:      exit_with_stages(): the same between .exit and .handled of the stages;
 *                     .enter of the stages before an entry, .leave before the host
 *
 * finish_exit() calls the hooks' .enter, if vcpu->attention says so and unless the exit is for the
 * host. An exit by an interrupt has one more question: does the host wait for an interrupt of its own
 * (vcpu_host_waits())?
 *
 * An SError that is taken from a guest belongs to the guest, to the host or to nobody (serror.c).
 * The guest or the host gets it as a virtual SError. An exception class without a handler ends the
 * run with KEEL_EXIT_FAIL and the syndrome, as does a handler that returns VCPU_NOT_MINE.
 *
 * Speed. A handler is called with all general registers saved, so nothing is kept for it. What
 * vcpu_exit() calls for interrupts of a vCPU without stages is in this file, static, and the lists of
 * hooks have no gaps and end with NULL. Stages cost such a vCPU one test of a NULL pointer. Everything
 * uncommon is __noinline.
 *
 * Locking: the CPU owns the vCPU. The tables are written at boot and only read afterwards.
 */
#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <cpu/assert.h>
#include <cpu/hw_errors.h>
#include <cpu/log.h>
#include <cpu/panic.h>
#include <cpu/percpu.h>
#include <lib/esr.h>
#include <vm/exit.h>
#include <vm/run.h>
#include <vm/run_page.h>
#include <vm/serror.h>
#include <vm/switch.h>
#include <vm/vm_ops.h>

/* Called by enter.S. */
int vcpu_exit(struct vcpu *vcpu, unsigned int kind);
int vcpu_exit_handled(struct vcpu *vcpu, enum vcpu_action action, u64 esr);

/* By enum exit_stage_id; NULL if the machine has no such layer. */
static const struct exit_stage *stages[EXIT_STAGE_COUNT];

/* The hooks that are called at each entry and for each interrupt. */
static enum vcpu_action (*enter_hooks[VCPU_HOOKS_MAX + 1])(struct vcpu *vcpu);
static enum vcpu_action (*irq_hooks[VCPU_HOOKS_MAX + 1])(struct vcpu *vcpu);

/* ---- exceptions that the run loop handles itself ---- */

static enum vcpu_action handle_guest_fp(struct vcpu *vcpu, u64 esr)
{
	(void)esr;
	switch_guest_fp(vcpu);
	return VCPU_RESUME;
}

static enum vcpu_action handle_guest_sve(struct vcpu *vcpu, u64 esr)
{
	if (vcpu->features & BIT(VCPU_SVE))
		return handle_guest_fp(vcpu, esr);
	vcpu_inject_undef(vcpu);
	return VCPU_RESUME;
}

/* An SError from the guest: taken while it ran, or found pending when it is put. */
static enum vcpu_action handle_serror(struct vcpu *vcpu, u64 esr)
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
		return vcpu_to_host(KEEL_EXIT_IRQ);
	}
}

void exit_take_serror(struct vcpu *vcpu)
{
	u64 esr = switch_take_guest_serror();

	if (esr)
		(void)handle_serror(vcpu, esr);
}

/* ---- registration ---- */

/* FP is handled by the world switch, the others by the layers above; a gap is filled at registration. */
static struct exit_handlers class_handlers = { .of = {
						       [ESR_EC_FP_ASIMD] = handle_guest_fp,
						       [ESR_EC_SVE] = handle_guest_sve,
					       } };

static enum vcpu_action handle_unknown(struct vcpu *vcpu, u64 esr)
{
	(void)vcpu;
	(void)esr;
	return VCPU_NOT_MINE;
}

static void add_hook(enum vcpu_action (**list)(struct vcpu *vcpu),
		     enum vcpu_action (*hook)(struct vcpu *vcpu))
{
	while (*list)
		list++;
	*list = hook;
}

static void add_class_handlers(vcpu_exit_handler *const *handlers)
{
	for (unsigned int ec = 0; ec < ESR_EC_COUNT; ec++) {
		if (!handlers[ec])
			continue;
		if (class_handlers.of[ec] && class_handlers.of[ec] != handle_unknown)
			panic("two layers have handlers for exception class %#x", ec);
		class_handlers.of[ec] = handlers[ec];
	}
}

static void fill_gaps(void)
{
	for (unsigned int ec = 0; ec < ESR_EC_COUNT; ec++)
		if (!class_handlers.of[ec])
			class_handlers.of[ec] = handle_unknown;
}

void exit_add_hooks(const struct vcpu_hooks *hooks)
{
	add_hook(enter_hooks, hooks->enter);
	add_hook(irq_hooks, hooks->irq);
	if (hooks->exits)
		add_class_handlers(hooks->exits);
	fill_gaps();
}

void exit_set_stage(enum exit_stage_id id, const struct exit_stage *stage)
{
	stages[id] = stage;
}

static void add_stage(struct vcpu *vcpu, unsigned int n, const struct exit_stage *stage)
{
	vcpu->stages[n] = stage;
	if (!stage->fast)
		return;
	ASSERT(!vcpu->fast_exit);
	ASSERT(!(stage->fast_classes & stage->early_classes));
	vcpu->fast_exit = stage->fast;
	vcpu->fast_classes = stage->fast_classes | (stage->early ? BIT(EXIT_HAS_EARLY) : 0);
	vcpu->early_exit = stage->early;
	vcpu->early_classes = stage->early_classes;
}

void exit_choose_stages(struct vcpu *vcpu)
{
	unsigned int n = 0;

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	vcpu->fast_exit = NULL;
	vcpu->fast_classes = 0;
	for (unsigned int id = 0; id < EXIT_STAGE_COUNT; id++)
		if (stages[id] && stages[id]->wanted(vcpu))
			add_stage(vcpu, n++, stages[id]);
	vcpu->stages[n] = NULL;
	vcpu->handlers = n ? NULL : &class_handlers;
}

/* ---- the handlers ---- */

/* No handler, or it returned VCPU_NOT_MINE: give the host the syndrome registers. */
static __noinline enum vcpu_action tell_unknown(struct vcpu *vcpu, u64 esr)
{
	u64 far = read_sysreg(far_el2), ipa = read_sysreg(hpfar_el2) << 8;

	run_write64(vcpu, &vcpu->run->fail.esr, esr);
	run_write64(vcpu, &vcpu->run->fail.far, far);
	run_write64(vcpu, &vcpu->run->fail.ipa, ipa);
	run_write64(vcpu, &vcpu->run->fail.pc, vcpu->regs.pc);
	return vcpu_to_host(KEEL_EXIT_FAIL);
}

static __always_inline enum vcpu_action handle_sync(struct vcpu *vcpu)
{
	u64 esr = read_sysreg(esr_el2);
	enum vcpu_action action = class_handlers.of[esr_ec(esr)](vcpu, esr);

	return unlikely(action == VCPU_NOT_MINE) ? tell_unknown(vcpu, esr) : action;
}

static __always_inline enum vcpu_action handle_irq(struct vcpu *vcpu)
{
	enum vcpu_action (**irq)(struct vcpu * vcpu), action = VCPU_NOT_MINE;

	for (irq = irq_hooks; *irq && action == VCPU_NOT_MINE; irq++)
		action = (*irq)(vcpu);
	return action == VCPU_NOT_MINE ? vcpu_to_host(KEEL_EXIT_IRQ) : action;
}

static __always_inline enum vcpu_action handle_async(struct vcpu *vcpu, enum guest_exit_kind kind)
{
	if (kind == GUEST_SERROR)
		return handle_serror(vcpu, read_sysreg(esr_el2));
	return handle_irq(vcpu);
}

static __always_inline enum vcpu_action handle_exit(struct vcpu *vcpu, enum guest_exit_kind kind)
{
	return kind == GUEST_SYNC ? handle_sync(vcpu) : handle_async(vcpu, kind);
}

/* ---- before the next entry ---- */

static __noinline enum vcpu_action call_enter_hooks(struct vcpu *vcpu)
{
	enum vcpu_action (**enter)(struct vcpu * vcpu), action = VCPU_RESUME;

	for (enter = enter_hooks; *enter && action == VCPU_RESUME; enter++)
		action = (*enter)(vcpu);
	return action;
}

/* Most entries have nothing new: what is new sets vcpu->attention, so nobody else is asked. */
static __always_inline enum vcpu_action call_enter(struct vcpu *vcpu)
{
	return unlikely(vcpu_has_attention(vcpu)) ? call_enter_hooks(vcpu) : VCPU_RESUME;
}

/* Call the hooks before the next entry, if there is to be one. */
static __always_inline enum vcpu_action finish_exit(struct vcpu *vcpu, enum vcpu_action action)
{
	return likely(action == VCPU_RESUME) ? call_enter(vcpu) : action;
}

/* The same after an interrupt that EL2 has handled: the host may have one pending as well. */
static __always_inline enum vcpu_action finish_irq_exit(struct vcpu *vcpu, enum vcpu_action action)
{
	action = finish_exit(vcpu, action);
	return action == VCPU_RESUME && vcpu_host_waits(vcpu) ? vcpu_to_host(KEEL_EXIT_IRQ)
							      : action;
}

/* If another CPU has panicked, its data may be half changed: stop. */
static __always_inline void stop_if_panicked(void)
{
	if (unlikely(panic_in_progress()))
		panic_stop_cpu();
}

/* ---- stages ---- */

/* .enter of the stages behind the first, the last one first. Few vCPUs have any. */
static __noinline enum vcpu_action enter_inner_stages(struct vcpu *vcpu)
{
	enum vcpu_action action = VCPU_RESUME;
	unsigned int n = 1;

	while (vcpu->stages[n])
		n++;
	while (n-- > 1 && action == VCPU_RESUME)
		action = vcpu->stages[n]->enter(vcpu);
	return action;
}

static enum vcpu_action enter_stages(struct vcpu *vcpu)
{
	enum vcpu_action action = VCPU_RESUME;

	if (unlikely(vcpu->stages[1]))
		action = enter_inner_stages(vcpu);
	return action == VCPU_RESUME ? vcpu->stages[0]->enter(vcpu) : action;
}

enum vcpu_action exit_prepare_entry(struct vcpu *vcpu)
{
	enum vcpu_action action = call_enter(vcpu);

	return action == VCPU_RESUME && vcpu->stages[0] ? enter_stages(vcpu) : action;
}

void exit_leave(struct vcpu *vcpu)
{
	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	for (unsigned int n = 0; vcpu->stages[n]; n++)
		if (vcpu->stages[n]->leave)
			vcpu->stages[n]->leave(vcpu);
}

/* An exit that stage 0 has not taken: ask the stages behind it, then the handlers. */
static __noinline enum vcpu_action ask_inner_stages(struct vcpu *vcpu, enum guest_exit_kind kind)
{
	enum vcpu_action action = VCPU_NOT_MINE;
	unsigned int seen = 1;

	while (action == VCPU_NOT_MINE && vcpu->stages[seen])
		action = vcpu->stages[seen++]->exit(vcpu, kind);
	ASSERT(action != VCPU_AT_ONCE);
	if (action == VCPU_NOT_MINE)
		action = handle_exit(vcpu, kind);
	while (seen-- > 1)
		action = vcpu->stages[seen]->handled(vcpu, action);
	return action;
}

/* @first: the vCPU's stages[0]. */
static __noinline enum vcpu_action exit_with_stages(struct vcpu *vcpu, enum guest_exit_kind kind,
						    const struct exit_stage *first)
{
	enum vcpu_action action;

	stop_if_panicked();
	action = first->exit(vcpu, kind);
	if (action == VCPU_AT_ONCE)
		return VCPU_RESUME;
	if (action == VCPU_NOT_MINE)
		action = unlikely(vcpu->stages[1]) ? ask_inner_stages(vcpu, kind)
						   : handle_exit(vcpu, kind);
	action = vcpu->stages[0]->handled(vcpu, action);
	action = kind == GUEST_SYNC ? finish_exit(vcpu, action) : finish_irq_exit(vcpu, action);
	if (action == VCPU_RESUME)
		action = enter_stages(vcpu);
	if (action != VCPU_RESUME)
		exit_leave(vcpu);
	return action;
}

static __noinline enum vcpu_action async_exit(struct vcpu *vcpu, enum guest_exit_kind kind)
{
	stop_if_panicked();
	return finish_irq_exit(vcpu, handle_async(vcpu, kind));
}

/* What becomes of an exit by @esr whose handler, called by enter.S, says @action. */
int vcpu_exit_handled(struct vcpu *vcpu, enum vcpu_action action, u64 esr)
{
	return finish_exit(vcpu,
			   unlikely(action == VCPU_NOT_MINE) ? tell_unknown(vcpu, esr) : action);
}

/* The guest was left: handle the exit, and prepare the next entry unless the host is needed. */
int vcpu_exit(struct vcpu *vcpu, unsigned int kind)
{
	const struct exit_stage *first = vcpu->stages[0];

	if (first)
		return exit_with_stages(vcpu, (enum guest_exit_kind)kind, first);
	if (unlikely(kind != GUEST_SYNC))
		return async_exit(vcpu, (enum guest_exit_kind)kind);
	stop_if_panicked();
	return finish_exit(vcpu, handle_sync(vcpu));
}
