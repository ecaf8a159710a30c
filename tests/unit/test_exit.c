// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/vm/exit.c hyp/vm/serror.c tests/unit/arch/fake_sysreg.c tests/unit/fake_panic.c hyp/cpu/errata.c hyp/cpu/hw_errors.c */
/*
 * Who is asked about an exit, in which order, and what comes of what they say: vm/exit.h. All that
 * is asked writes its name into a trace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arch/percpu.h>
#include <arch/sysreg.h>
#include <cpu/log.h>
#include <cpu/panic.h>
#include <cpu/percpu.h>
#include <fake_panic.h>
#include <lib/esr.h>
#include <vm/exit.h>
#include <vm/run.h>
#include <vm/switch.h>
#include <vm/vm_ops.h>

int vcpu_exit(struct vcpu *vcpu, unsigned int kind);
int vcpu_exit_handled(struct vcpu *vcpu, enum vcpu_action action, u64 esr);

static struct percpu cpu;
static struct vm_cpu vm_cpu;
static struct vm vm;
static struct keel_run run_page;
static struct vcpu vcpu;
static char trace[256];
u32 panic_begun;

/* What each says when it is asked; VCPU_NOT_MINE and VCPU_RESUME where nothing else is set. */
static enum vcpu_action outer_says, inner_says, handler_says, irq_says, enter_hook_says;
static enum vcpu_action outer_enter_says, inner_enter_says, outer_makes;
static bool outer_makes_something;

static void note(const char *what)
{
	strcat(trace, what);
	strcat(trace, " ");
}

/* ---- what exit.c calls ---- */

void panic_stop_cpu(void)
{
	panic("stopped");
}

u64 ratelimit(struct ratelimit *rl)
{
	return 0;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
}

void switch_guest_fp(struct vcpu *v)
{
	note("fp");
}

void vcpu_inject_undef(struct vcpu *v)
{
	note("undef");
}

void switch_guest_serror(struct vcpu *v)
{
	note("guest-serror");
}

void switch_host_serror(u64 esr)
{
	note("host-serror");
}

u64 switch_take_guest_serror(void)
{
	return 0;
}

bool interrupt_waits(void)
{
	return false;
}

/* ---- layers ---- */

static enum vcpu_action outer_exit(struct vcpu *v, enum guest_exit_kind kind)
{
	assert_ptr_equal(v, &vcpu);
	note("outer");
	return outer_says;
}

static enum vcpu_action outer_handled(struct vcpu *v, enum vcpu_action action)
{
	note("outer-handled");
	return outer_makes_something ? outer_makes : action;
}

static enum vcpu_action outer_enter(struct vcpu *v)
{
	note("outer-enter");
	return outer_enter_says;
}

static void outer_leave(struct vcpu *v)
{
	note("leave");
}

static bool outer_wanted(const struct vcpu *v)
{
	return v->features & 1;
}

static struct vcpu *outer_fast(struct vcpu *v)
{
	return v;
}

static enum vcpu_action inner_exit(struct vcpu *v, enum guest_exit_kind kind)
{
	note("inner");
	return inner_says;
}

static enum vcpu_action inner_handled(struct vcpu *v, enum vcpu_action action)
{
	note("inner-handled");
	return action;
}

static enum vcpu_action inner_enter(struct vcpu *v)
{
	note("inner-enter");
	return inner_enter_says;
}

static enum vcpu_action handle(struct vcpu *v, u64 esr)
{
	note("handler");
	return handler_says;
}

static enum vcpu_action irq_hook(struct vcpu *v)
{
	note("irq");
	return irq_says;
}

static enum vcpu_action enter_hook(struct vcpu *v)
{
	note("enter");
	return enter_hook_says;
}

static bool outer_early(struct vcpu *v)
{
	(void)v;
	return false;
}

static const struct exit_stage outer = { .wanted = outer_wanted,
					 .exit = outer_exit,
					 .handled = outer_handled,
					 .enter = outer_enter,
					 .leave = outer_leave,
					 .fast = outer_fast,
					 .fast_classes = BIT(ESR_EC_BRKPT_LOWER),
					 .early = outer_early,
					 .early_classes = BIT(ESR_EC_SYS64) };
static const struct exit_stage inner = { .exit = inner_exit,
					 .handled = inner_handled,
					 .enter = inner_enter };

static vcpu_exit_handler *const handlers[ESR_EC_COUNT] = { [ESR_EC_HVC64] = handle };
static const struct vcpu_hooks hooks = { .exits = handlers, .irq = irq_hook, .enter = enter_hook };

static int set_up(void **state)
{
	static bool registered;

	if (!registered) {
		exit_add_hooks(&hooks);
		exit_set_stage(EXIT_STAGE_SPE, &outer);
		registered = true;
	}
	vcpu = (struct vcpu){ .vm = &vm, .run = &run_page, .features = 1, .attention = true };
	run_page = (struct keel_run){ 0 };
	outer_says = inner_says = irq_says = VCPU_NOT_MINE;
	handler_says = enter_hook_says = outer_enter_says = inner_enter_says = VCPU_RESUME;
	outer_makes_something = false;
	cpu.vm_cpu = &vm_cpu;
	set_this_cpu(&cpu);
	trace[0] = 0;
	panic_begun = 0;
	fake_sysreg_set("esr_el2", FIELD_PREP(ESR_EC, ESR_EC_HVC64));
	exit_choose_stages(&vcpu);
	return 0;
}

/* No machine has two yet; the second one is the vCPU's without being registered. */
static void add_inner(void)
{
	vcpu.stages[1] = &inner;
	vcpu.stages[2] = NULL;
}

static void assert_exit(enum guest_exit_kind kind, int ret, const char *asked)
{
	assert_int_equal(vcpu_exit(&vcpu, kind), ret);
	assert_string_equal(trace, asked);
}

/* ---- tests ---- */

static void hooks_are_asked_before_an_entry_only_if_one_has_work(void **state)
{
	vcpu.attention = false;
	assert_exit(GUEST_SYNC, VCPU_RESUME, "outer handler outer-handled outer-enter ");
	trace[0] = 0;
	assert_int_equal(exit_prepare_entry(&vcpu), VCPU_RESUME);
	assert_string_equal(trace, "outer-enter ");
	vcpu.stages[0] = NULL;
	trace[0] = 0;
	assert_exit(GUEST_SYNC, VCPU_RESUME, "handler ");
	vcpu_set_attention(&vcpu);
	trace[0] = 0;
	assert_exit(GUEST_SYNC, VCPU_RESUME, "handler enter ");
}

static void a_vcpu_has_the_stages_that_want_it(void **state)
{
	assert_ptr_equal(vcpu.stages[0], &outer);
	assert_null(vcpu.stages[1]);
	assert_ptr_equal(vcpu.fast_exit, outer_fast);
	assert_int_equal(vcpu.fast_classes, BIT(ESR_EC_BRKPT_LOWER) | BIT(EXIT_HAS_EARLY));
	assert_ptr_equal(vcpu.early_exit, outer_early);
	assert_int_equal(vcpu.early_classes, BIT(ESR_EC_SYS64));
	vcpu.features = 0;
	exit_choose_stages(&vcpu);
	assert_null(vcpu.stages[0]);
	assert_null(vcpu.fast_exit);
}

static void without_stages_the_handler_is_asked_and_then_the_hooks(void **state)
{
	vcpu.stages[0] = NULL;
	assert_exit(GUEST_SYNC, VCPU_RESUME, "handler enter ");
}

static void an_exit_for_the_host_calls_no_entry_hook(void **state)
{
	vcpu.stages[0] = NULL;
	handler_says = vcpu_to_host(KEEL_EXIT_WFI);
	assert_exit(GUEST_SYNC, KEEL_EXIT_WFI, "handler ");
}

/* What enter.S needs: a handler for each class, unless a stage is asked first. */
static void without_stages_there_is_a_handler_for_every_class(void **state)
{
	assert_null(vcpu.handlers);
	vcpu.features = 0;
	exit_choose_stages(&vcpu);
	for (unsigned int ec = 0; ec < ESR_EC_COUNT; ec++)
		assert_non_null(vcpu.handlers->of[ec]);
	assert_int_equal(vcpu.handlers->of[ESR_EC_HVC64](&vcpu, 0), VCPU_RESUME);
	assert_string_equal(trace, "handler ");
	assert_int_equal(vcpu.handlers->of[ESR_EC_ERET](&vcpu, 0), VCPU_NOT_MINE);
}

static void what_a_handler_says_to_enter_s_ends_as_in_vcpu_exit(void **state)
{
	vcpu.stages[0] = NULL;
	assert_int_equal(vcpu_exit_handled(&vcpu, VCPU_RESUME, 0), VCPU_RESUME);
	assert_string_equal(trace, "enter ");
	trace[0] = 0;
	assert_int_equal(vcpu_exit_handled(&vcpu, vcpu_to_host(KEEL_EXIT_WFI), 0), KEEL_EXIT_WFI);
	fake_sysreg_set("far_el2", 0);
	fake_sysreg_set("hpfar_el2", 0);
	/* the guest's, not what a fault that EL2 has mended since left in ESR_EL2 */
	assert_int_equal(
		vcpu_exit_handled(&vcpu, VCPU_NOT_MINE, FIELD_PREP(ESR_EC, ESR_EC_IABT_LOWER)),
		KEEL_EXIT_FAIL);
	assert_int_equal(run_page.fail.esr, FIELD_PREP(ESR_EC, ESR_EC_IABT_LOWER));
	assert_string_equal(trace, "");
}

static void an_interrupt_that_nobody_knows_is_the_hosts(void **state)
{
	vcpu.stages[0] = NULL;
	assert_exit(GUEST_IRQ, KEEL_EXIT_IRQ, "irq ");
	irq_says = VCPU_RESUME;
	trace[0] = 0;
	assert_exit(GUEST_FIQ, VCPU_RESUME, "irq enter ");
}

static void a_class_that_nobody_knows_is_told_with_its_registers(void **state)
{
	vcpu.stages[0] = NULL;
	vcpu.regs.pc = 0x1234;
	fake_sysreg_set("esr_el2", FIELD_PREP(ESR_EC, ESR_EC_ERET) | 1);
	fake_sysreg_set("far_el2", 0x5678);
	fake_sysreg_set("hpfar_el2", 0x9a);
	assert_exit(GUEST_SYNC, KEEL_EXIT_FAIL, "");
	assert_int_equal(run_page.fail.esr, FIELD_PREP(ESR_EC, ESR_EC_ERET) | 1);
	assert_int_equal(run_page.fail.far, 0x5678);
	assert_int_equal(run_page.fail.ipa, 0x9a00);
	assert_int_equal(run_page.fail.pc, 0x1234);
}

static void stages_are_asked_inwards_and_told_outwards(void **state)
{
	add_inner();
	assert_exit(GUEST_SYNC, VCPU_RESUME,
		    "outer inner handler inner-handled outer-handled enter inner-enter "
		    "outer-enter ");
}

static void at_once_enters_without_asking_anybody_else(void **state)
{
	add_inner();
	outer_says = VCPU_AT_ONCE;
	assert_exit(GUEST_IRQ, VCPU_RESUME, "outer ");
}

static void what_a_stage_takes_no_later_one_sees(void **state)
{
	add_inner();
	outer_says = VCPU_RESUME;
	assert_exit(GUEST_SYNC, VCPU_RESUME, "outer outer-handled enter inner-enter outer-enter ");
	trace[0] = 0;
	outer_says = VCPU_NOT_MINE;
	inner_says = vcpu_to_host(KEEL_EXIT_OFF);
	assert_exit(GUEST_SYNC, KEEL_EXIT_OFF, "outer inner inner-handled outer-handled leave ");
}

static void a_stage_can_put_another_action_in_place_of_one(void **state)
{
	outer_makes_something = true;
	outer_makes = vcpu_to_host(KEEL_EXIT_FAULT);
	assert_exit(GUEST_SYNC, KEEL_EXIT_FAULT, "outer handler outer-handled leave ");
}

static void an_entry_that_is_refused_is_the_last_thing(void **state)
{
	add_inner();
	inner_enter_says = vcpu_to_host(KEEL_EXIT_SPE);
	assert_exit(GUEST_SYNC, KEEL_EXIT_SPE,
		    "outer inner handler inner-handled outer-handled enter inner-enter leave ");
	trace[0] = 0;
	enter_hook_says = vcpu_to_host(KEEL_EXIT_IRQ);
	assert_int_equal(exit_prepare_entry(&vcpu), KEEL_EXIT_IRQ);
	assert_string_equal(trace, "enter ");
}

static void the_first_entry_asks_hooks_and_stages(void **state)
{
	add_inner();
	assert_int_equal(exit_prepare_entry(&vcpu), VCPU_RESUME);
	assert_string_equal(trace, "enter inner-enter outer-enter ");
}

static void leave_the_guest(void *arg)
{
	(void)vcpu_exit(arg, GUEST_SYNC);
}

static void an_exit_while_a_cpu_panics_is_the_end_of_this_one(void **state)
{
	panic_begun = 1;
	assert_string_equal(fake_panics(leave_the_guest, &vcpu), "stopped");
	assert_string_equal(trace, "");
}

static void sve_without_the_feature_is_undefined_for_the_guest(void **state)
{
	vcpu.stages[0] = NULL;
	fake_sysreg_set("esr_el2", FIELD_PREP(ESR_EC, ESR_EC_SVE));
	assert_exit(GUEST_SYNC, VCPU_RESUME, "undef enter ");
	trace[0] = 0;
	vcpu.features |= BIT(VCPU_SVE);
	assert_exit(GUEST_SYNC, VCPU_RESUME, "fp enter ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_vcpu_has_the_stages_that_want_it, set_up),
		cmocka_unit_test_setup(without_stages_the_handler_is_asked_and_then_the_hooks,
				       set_up),
		cmocka_unit_test_setup(without_stages_there_is_a_handler_for_every_class, set_up),
		cmocka_unit_test_setup(what_a_handler_says_to_enter_s_ends_as_in_vcpu_exit, set_up),
		cmocka_unit_test_setup(an_exit_for_the_host_calls_no_entry_hook, set_up),
		cmocka_unit_test_setup(an_interrupt_that_nobody_knows_is_the_hosts, set_up),
		cmocka_unit_test_setup(a_class_that_nobody_knows_is_told_with_its_registers,
				       set_up),
		cmocka_unit_test_setup(stages_are_asked_inwards_and_told_outwards, set_up),
		cmocka_unit_test_setup(hooks_are_asked_before_an_entry_only_if_one_has_work,
				       set_up),
		cmocka_unit_test_setup(at_once_enters_without_asking_anybody_else, set_up),
		cmocka_unit_test_setup(what_a_stage_takes_no_later_one_sees, set_up),
		cmocka_unit_test_setup(a_stage_can_put_another_action_in_place_of_one, set_up),
		cmocka_unit_test_setup(an_entry_that_is_refused_is_the_last_thing, set_up),
		cmocka_unit_test_setup(the_first_entry_asks_hooks_and_stages, set_up),
		cmocka_unit_test_setup(an_exit_while_a_cpu_panics_is_the_end_of_this_one, set_up),
		cmocka_unit_test_setup(sve_without_the_feature_is_undefined_for_the_guest, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
