// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/vm/switch.c hyp/vm/fp.c hyp/vm/host_trace.c hyp/vm/run.c hyp/vm/exit.c hyp/vm/serror.c hyp/vm/guest_traps.c hyp/spe/spe_hw.c hyp/vm/host_spe.c hyp/cpu/spe_unit.c hyp/spe/spe_vcpu.c hyp/spe/spe_regs.c hyp/mm/page_pool.c hyp/cpu/features.c hyp/lib/printf.c tests/unit/arch/fake_sysreg.c hyp/cpu/errata.c hyp/trap/device.c hyp/trap/debug.c hyp/cpu/withheld.c hyp/cpu/hw_errors.c tests/unit/run_world.c tests/unit/fake_fp.c tests/unit/fake_panic.c */
/*
 * The order of a whole run of a vCPU, with the real world switch and run loop: records
 * are written and the buffer is off before anything changes that they go by, and it is on after all
 * of that is in place (ARM DDI 0487, D17). On a CPU of which nothing is there but this.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arch/barrier.h>
#include <arch/sysreg.h>
#include <cpu/errata.h>
#include <keel/spe.h>
#include <lib/errno.h>
#include <run_world.h>
#include <spe/spe_hw.h>
#include <spe/spe_vcpu.h>
#include <vgic/vgic.h>
#include <vm/exit.h>
#include <vm/run.h>
#include <vm/switch.h>

#define PMBLIMITR  "s3_0_c9_c10_0"
#define PMBSR	   "s3_0_c9_c10_3"
#define HOST_LIMIT 0xffff800012340001ULL
#define LIMIT	   0x80010001ULL
#define E2PB	   GENMASK(13, 12)
#define GUEST_E2PB (2ULL << 12)

/* Registers that translate EL1&0's records, or that decide who owns the buffer. */
static const char *const context[] = { "vttbr_el2", "vtcr_el2",	  "hcr_el2", "mdcr_el2",
				       "ttbr0_el1", "ttbr1_el1",  "tcr_el1", "mair_el1",
				       "sctlr_el1", "cntvoff_el2" };

static u64 spe_memory[VCPU_SPE_BYTES / 8];
static int (*guest)(void);
static bool level;

void vgic_set_timer(struct vcpu *v, u32 intid, bool to)
{
	level = to;
}

static int enter(struct vcpu *v)
{
	return guest();
}

/* ---- the machine ---- */

static void make_cpu(bool unit)
{
	static const char *const unit_regs[] = {
		"s3_0_c9_c9_0", "s3_0_c9_c9_1",	 "s3_0_c9_c9_2", "s3_0_c9_c9_3",
		"s3_0_c9_c9_4", "s3_0_c9_c9_5",	 "s3_0_c9_c9_6", "s3_0_c9_c9_7",
		PMBLIMITR,	"s3_0_c9_c10_1", PMBSR,		 "s3_0_c9_c10_7",
	};

	run_world_plain_registers();
	fake_sysreg_set("isr_el1", 0);
	for (size_t i = 0; unit && i < ARRAY_SIZE(unit_regs); i++)
		fake_sysreg_set(unit_regs[i], 0);
	fake_sysreg_set("id_aa64dfr0_el1", unit ? 3ULL << 32 | 6 : 6);
	fake_sysreg_set("mdcr_el2", unit ? E2PB : 0);
}

static int start(bool unit, bool with_spe)
{
	make_cpu(unit);
	run_world_start_cpu();
	assert_true(switch_cpu_online());
	run_world_make_vcpu();
	run_world_guest = enter;
	memset(spe_memory, 0, sizeof(spe_memory));
	if (with_spe) {
		rw.vcpu.spe = (void *)spe_memory;
		exit_choose_stages(&rw.vcpu);
		rw.vcpu.spe_ready = true;
		spe_vcpu_reset(&rw.vcpu);
		rw.vcpu.spe->regs.pmscr = PMSCR_E1SPE;
		rw.vcpu.spe->regs.pmblimitr = LIMIT;
	}
	level = false;
	return 0;
}

static int with(void **state)
{
	return start(true, true);
}

static int without(void **state)
{
	return start(true, false);
}

static int no_unit(void **state)
{
	return start(false, false);
}

/* ---- the trace ---- */

/* The first place of @what in @from, as a word. */
static const char *find(const char *from, const char *what)
{
	size_t n = strlen(what);
	const char *at = from;

	while (at && (strncmp(at, what, n) || (at[n] && at[n] != ' ' && at[n] != '=')))
		at = (at = strchr(at, ' ')) ? at + 1 : NULL;
	return at;
}

/* Nothing of the context is written in [from, to). */
static void assert_quiet(const char *from, const char *to)
{
	assert_non_null(from);
	assert_non_null(to);
	for (size_t i = 0; i < ARRAY_SIZE(context); i++) {
		const char *at = find(from, context[i]);

		if (at && at < to)
			fail_msg("%s is written between \"%.40s\" and \"%.40s\"", context[i], from,
				 to);
	}
}

/* @from begins with: written out, off, synchronized. Returns the rest. */
static const char *assert_stops(const char *from)
{
	const char *off = find(from, PMBLIMITR "=0");
	const char *drain = find(from, "psb csync dsb nsh isb");

	assert_non_null(off);
	assert_non_null(drain);
	assert_true(drain < off);
	assert_memory_equal(off, PMBLIMITR "=0 isb", strlen(PMBLIMITR "=0 isb"));
	assert_quiet(from, off);
	return off + strlen(PMBLIMITR "=0 isb");
}

/* The buffer is enabled with @limit after an ISB; from there to @to no context changes. */
static void assert_starts(const char *from, const char *limit, const char *to)
{
	char text[64];
	const char *on;

	snprintf(text, sizeof(text), "isb " PMBLIMITR "=%s", limit);
	on = strstr(from, text);
	assert_non_null(on);
	assert_quiet(on, to);
}

static const char *end_of(const char *trace)
{
	return trace + strlen(trace);
}

/* ---- runs ---- */

static int interrupted(void)
{
	return vcpu_exit(&rw.vcpu, 1);
}

/* The host profiles, the guest profiles, an interrupt ends it. */
static void host_and_guest_can_both_profile(void **state)
{
	const char *trace, *at, *entry;

	guest = interrupted;
	fake_sysreg_set(PMBLIMITR, HOST_LIMIT);
	fake_sysreg_set("s3_0_c9_c9_0", 3);
	fake_trace_start(false);
	assert_int_equal(vcpu_run(&rw.vcpu), KEEL_EXIT_IRQ);
	trace = fake_trace();
	at = assert_stops(trace);
	entry = find(trace, "guest");
	assert_non_null(find(at, "vttbr_el2"));
	assert_true(find(at, "mdcr_el2") < entry);
	assert_starts(at, "80010001", entry);
	at = assert_stops(entry);
	assert_non_null(find(at, "vttbr_el2"));
	assert_starts(at, "ffff800012340001", end_of(trace));
	assert_int_equal(fake_sysreg_get(PMBLIMITR), HOST_LIMIT);
	assert_int_equal(fake_sysreg_get("s3_0_c9_c9_0"), 3);
	assert_int_equal(fake_sysreg_get("mdcr_el2") & E2PB, E2PB);
}

static int look(void)
{
	assert_int_equal(fake_sysreg_get("mdcr_el2") & E2PB, GUEST_E2PB);
	assert_int_equal(fake_sysreg_get("mdcr_el2") & BIT(14), BIT(14)); /* TPMS */
	assert_int_equal(fake_sysreg_get(PMBLIMITR), rw.vcpu.spe ? LIMIT : 0);
	return vcpu_exit(&rw.vcpu, 1);
}

/* The guest has no SPE: the host does not sample it, and EL2 never owns the buffer. */
static void a_host_that_profiles_does_not_sample_the_guest(void **state)
{
	const char *at;

	guest = look;
	fake_sysreg_set(PMBLIMITR, HOST_LIMIT);
	fake_trace_start(false);
	assert_int_equal(vcpu_run(&rw.vcpu), KEEL_EXIT_IRQ);
	at = assert_stops(fake_trace());
	assert_starts(at, "ffff800012340001", end_of(at));
	assert_null(find(fake_trace(), "s3_0_c9_c9_0"));
}

static void a_guest_can_profile_alone(void **state)
{
	const char *entry;

	guest = look;
	fake_trace_start(false);
	assert_int_equal(vcpu_run(&rw.vcpu), KEEL_EXIT_IRQ);
	entry = find(fake_trace(), "guest");
	assert_starts(fake_trace(), "80010001", entry);
	assert_stops(entry);
	assert_int_equal(fake_sysreg_get(PMBLIMITR), 0);
}

/* The entry hooks end the run after an exit that EL2 has handled. */
static int refuse_second(struct vcpu *v)
{
	static bool second;

	second = !second;
	return second ? VCPU_RESUME : KEEL_EXIT_OFF;
}

static int handled_by_keel(struct vcpu *v)
{
	return VCPU_RESUME;
}

static void an_entry_that_is_abandoned_leaves_the_unit_off(void **state)
{
	static const struct vcpu_hooks hooks = { .enter = refuse_second, .irq = handled_by_keel };

	vcpu_add_hooks(&hooks);
	guest = interrupted;
	vcpu_set_attention(&rw.vcpu);
	fake_trace_start(false);
	assert_int_equal(vcpu_run(&rw.vcpu), KEEL_EXIT_OFF);
	assert_stops(find(fake_trace(), "guest"));
	assert_false(rw.vcpu.spe->running);
}

static int fill(void)
{
	fake_sysreg_set(PMBSR, PMBSR_S | PMBSR_BSC_FULL);
	return vcpu_exit(&rw.vcpu, 1);
}

/* The event is gone from the unit, and with it the physical interrupt, before the host runs. */
static void an_event_is_gone_from_the_unit_before_the_host_runs(void **state)
{
	guest = fill;
	assert_int_equal(vcpu_run(&rw.vcpu), KEEL_EXIT_IRQ);
	assert_true(level);
	assert_int_equal(fake_sysreg_get(PMBSR), 0);
	assert_int_equal(rw.vcpu.spe->regs.pmbsr, PMBSR_S | PMBSR_BSC_FULL);
	guest = interrupted; /* it is off as long as the interrupt is asserted */
	fake_trace_start(false);
	vcpu_run(&rw.vcpu);
	assert_null(find(fake_trace(), PMBLIMITR));
}

/* A CPU without a unit has none of its registers, and no access is made to one. */
static void without_a_unit_no_register_of_it_is_touched(void **state)
{
	guest = interrupted;
	fake_trace_start(true);
	assert_int_equal(vcpu_run(&rw.vcpu), KEEL_EXIT_IRQ);
	assert_null(strstr(fake_trace(), "s3_0_c9"));
	assert_null(strstr(fake_trace(), "psb"));
}

/* ---- an entry that is not made ---- */

static unsigned int left;

static enum vcpu_action lose_the_run_page(struct vcpu *v)
{
	v->run_failed = true;
	return VCPU_RESUME;
}

static void count_leave(struct vcpu *v)
{
	left++;
}

/* What a stage has prepared for the entry, it takes back. */
static void stages_are_told_of_an_entry_that_is_not_made(void **state)
{
	static const struct exit_stage stage = { .enter = lose_the_run_page, .leave = count_leave };

	left = 0;
	rw.vcpu.stages[0] = &stage;
	fake_trace_start(false);
	assert_int_equal(vcpu_run(&rw.vcpu), -EFAULT);
	assert_null(find(fake_trace(), "guest"));
	assert_int_equal(left, 1);
}

/* ---- errata ---- */

#define EPD 0x800080ULL

/* From @from on: walks are off before VTTBR_EL2 changes, and on, by @tcr, when all else is done. */
static const char *assert_walks_off(const char *from, u64 tcr, const char *to)
{
	const char *vttbr = find(from, "vttbr_el2"), *at = from, *last = NULL;
	char text[32];

	for (at = find(from, "tcr_el1"); at && at < to; at = find(at + 1, "tcr_el1")) {
		if (!last) {
			assert_true(strtoull(at + strlen("tcr_el1="), NULL, 16) & EPD);
			assert_true(at < vttbr && find(at, "sctlr_el1") < vttbr);
		}
		last = at;
	}
	snprintf(text, sizeof(text), "isb tcr_el1=%llx ", (unsigned long long)tcr);
	assert_non_null(last);
	if (strncmp(last - 4, text, strlen(text)) != 0)
		fail_msg("walks come back by \"%.30s\", expected \"%s\"", last - 4, text);
	for (size_t i = 0; i < ARRAY_SIZE(context); i++) {
		at = strcmp(context[i], "tcr_el1") ? find(last, context[i]) : NULL;
		if (at && at < to)
			fail_msg("%s is written when walks are on", context[i]);
	}
	return last;
}

/* A speculative AT must not use one party's tables with the other's registers. */
static void no_walk_sees_tables_of_one_with_registers_of_the_other(void **state)
{
	const char *entry, *at;

	guest = interrupted;
	rw.vcpu.sysreg[TCR_EL1] = 0x1234;
	fake_sysreg_set("tcr_el1", 0x5555);
	fake_sysreg_set("sctlr_el1", 0);
	errata_actions = ERRATUM_BLOCK_WALKS | ERRATUM_FENCE_PAR | ERRATUM_FENCE_HCR;
	fake_trace_start(false);
	assert_int_equal(vcpu_run(&rw.vcpu), KEEL_EXIT_IRQ);
	errata_actions = 0;
	entry = find(fake_trace(), "guest");
	at = assert_walks_off(fake_trace(), 0x1234, entry);
	assert_true(at < entry);
	assert_walks_off(entry, 0x5555, end_of(entry));
	assert_int_equal(rw.vcpu.sysreg[TCR_EL1], 0x1234);
	assert_int_equal(fake_sysreg_get("tcr_el1"), 0x5555);
	/* The registers are saved between two fences. */
	at = find(fake_trace(), "dmb sy");
	assert_non_null(at);
	assert_non_null(find(at + 1, "dmb sy"));
	/* HCR_EL2 */
	at = strstr(fake_trace(), "hcr_el2=");
	assert_non_null(at);
	assert_memory_equal(strchr(at, ' '), " isb", 4);
}

/* On a CPU without errata no workaround is applied. */
static void without_errata_no_workaround_is_applied(void **state)
{
	guest = interrupted;
	fake_sysreg_set("tcr_el1", 0x5555);
	fake_trace_start(false);
	assert_int_equal(vcpu_run(&rw.vcpu), KEEL_EXIT_IRQ);
	assert_null(strstr(fake_trace(), "dmb"));
	for (const char *at = find(fake_trace(), "tcr_el1"); at; at = find(at + 1, "tcr_el1"))
		assert_false(strtoull(at + strlen("tcr_el1="), NULL, 16) & EPD);
}

int main(void)
{
	static const struct spe_unit_id unit = { .version = 3, .pmbidr = 6, .events = 0xaa };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(host_and_guest_can_both_profile, with),
		cmocka_unit_test_setup(a_host_that_profiles_does_not_sample_the_guest, without),
		cmocka_unit_test_setup(a_guest_can_profile_alone, with),
		cmocka_unit_test_setup(an_event_is_gone_from_the_unit_before_the_host_runs, with),
		cmocka_unit_test_setup(without_a_unit_no_register_of_it_is_touched, no_unit),
		cmocka_unit_test_setup(no_walk_sees_tables_of_one_with_registers_of_the_other,
				       no_unit),
		cmocka_unit_test_setup(without_errata_no_workaround_is_applied, no_unit),
		cmocka_unit_test_setup(stages_are_told_of_an_entry_that_is_not_made, no_unit),
		cmocka_unit_test_setup(an_entry_that_is_abandoned_leaves_the_unit_off,
				       with), /* its hooks stay */
	};

	spe_hw_init(&unit);
	spe_vcpu_set_provider(&spe_hw_ops);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
