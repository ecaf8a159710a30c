// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/vm/serror.c hyp/vm/switch.c hyp/vm/fp.c hyp/vm/host_trace.c hyp/vm/run.c hyp/vm/exit.c hyp/vm/guest_traps.c hyp/vm/host_spe.c hyp/cpu/spe_unit.c hyp/mm/page_pool.c hyp/cpu/features.c hyp/lib/printf.c tests/unit/arch/fake_sysreg.c hyp/cpu/errata.c hyp/cpu/withheld.c hyp/cpu/hw_errors.c tests/unit/run_world.c tests/unit/fake_fp.c tests/unit/fake_panic.c */
/*
 * SErrors: whose they are, and that each of them reaches him, with the world switch and the run
 * loop as they are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arch/barrier.h>
#include <arch/reg_bits.h>
#include <arch/serror.h>
#include <arch/sysreg.h>
#include <cpu/hw_errors.h>
#include <lib/errno.h>
#include <lib/esr.h>
#include <run_world.h>
#include <vm/run.h>
#include <vm/run_page.h>
#include <vm/serror.h>
#include <vm/switch.h>

#define DISR  "s3_0_c12_c1_1"
#define VDISR "s3_4_c12_c1_1"
#define VSESR "s3_4_c5_c2_3"

#define SERROR	 (FIELD_PREP(ESR_EC, ESR_EC_SERROR) | ESR_IL)
#define AET(aet) (SERROR | FIELD_PREP(ESR_SERROR_AET, aet) | ESR_FSC_SERROR)
#define UC	 AET(0)
#define UER	 AET(3)
#define CE	 AET(6)

#define HOST_HCR 0x80000001ULL
#define ISR_A	 BIT(8)

static unsigned int entries;
static int (*guest)(void);

/*
 * The hardware: an SError that is pending, which ESB at EL2 puts into DISR_EL1, and which goes
 * nowhere else, since EL2 has it masked.
 */
static u64 pending;

static void hardware(const char *what)
{
	if (strcmp(what, "esb") != 0 || !pending)
		return;
	fake_sysreg_set(DISR, DISR_A | (pending & ESR_ISS));
	pending = 0;
}

u64 fake_serror_window(void)
{
	u64 esr = pending;

	assert_true(fake_sysreg_get("hcr_el2") & HCR_AMO);
	pending = 0;
	fake_sysreg_set("isr_el1", 0);
	return esr;
}

/* ---- the machine ---- */

static int enter(struct vcpu *v)
{
	entries++;
	return guest();
}

static int start(bool ras)
{
	run_world_plain_registers();
	if (ras) {
		fake_sysreg_set("id_aa64pfr0_el1", 1ULL << 28);
		fake_sysreg_set(DISR, 0);
		fake_sysreg_set(VDISR, 0);
		fake_sysreg_allow(VSESR);
		fake_barrier_watch = hardware;
	} else {
		fake_sysreg_set("isr_el1", 0);
	}
	run_world_start_cpu();
	assert_true(switch_cpu_online());
	run_world_make_vcpu();
	run_world_guest = enter;
	pending = 0;
	entries = 0;
	return 0;
}

static int with_ras(void **state)
{
	return start(true);
}

static int without_ras(void **state)
{
	return start(false);
}

static u64 hcr(void)
{
	return fake_sysreg_get("hcr_el2");
}

/* The host or guest that has the CPU takes its virtual SError. */
static void take(void)
{
	assert_true((hcr() & HCR_AMO) && (hcr() & HCR_VSE));
	fake_sysreg_set("hcr_el2", hcr() & ~HCR_VSE);
}

static void assert_host_has(u64 syndrome)
{
	assert_int_equal(hcr(), HOST_HCR | HCR_AMO | HCR_VSE);
	assert_int_equal(fake_sysreg_get(VSESR), syndrome & ESR_ISS);
	assert_int_equal(fake_sysreg_get(VDISR), 0);
}

/* ---- guests ---- */

static u64 error; /* what the guest causes */

static int interrupted(void)
{
	return vcpu_exit(&rw.vcpu, 1);
}

static int meets_it(void)
{
	int ret;

	fake_sysreg_set("esr_el2", error);
	ret = vcpu_exit(&rw.vcpu, 3);
	return ret == VCPU_RESUME ? interrupted() : ret;
}

static int leaves_it_pending(void)
{
	pending = error;
	if (fake_sysreg_exists("isr_el1"))
		fake_sysreg_set("isr_el1", ISR_A);
	return interrupted();
}

static int expects_and_takes(void)
{
	assert_true(hcr() & HCR_VSE);
	take();
	return interrupted();
}

static int expects_none(void)
{
	assert_false(hcr() & HCR_VSE);
	return interrupted();
}

static void run(int (*what)(void))
{
	guest = what;
	assert_int_equal(vcpu_run(&rw.vcpu), KEEL_EXIT_IRQ);
}

/* ---- owners of SErrors ---- */

static void each_syndrome_has_its_owner(void **state)
{
	static const u8 by_aet[8] = { SERROR_HOST, SERROR_GUEST, SERROR_NOBODY, SERROR_GUEST,
				      SERROR_HOST, SERROR_HOST,	 SERROR_NOBODY, SERROR_HOST };

	for (u64 aet = 0; aet < 8; aet++) {
		assert_int_equal(serror_owner(AET(aet), true), by_aet[aet]);
		assert_int_equal(serror_owner(AET(aet) | ESR_SERROR_IESB, true), by_aet[aet]);
		assert_int_equal(serror_owner(AET(aet), false), SERROR_GUEST);
		assert_int_equal(serror_owner(AET(aet) | ESR_SERROR_IDS, true), SERROR_GUEST);
		/* Without that DFSC AET has no meaning. */
		assert_int_equal(serror_owner(AET(aet) & ~0x3fULL, true), SERROR_HOST);
	}
}

/* Of synchronous ones: ESR_EL2.SET has a meaning with FEAT_RAS, and not on a walk. */
static void contained_aborts_are_known_by_their_syndrome(void **state)
{
	static const bool by_set[4] = { true, false, false, true };

	for (u64 set = 0; set < 4; set++) {
		u64 esr = FIELD_PREP(ESR_EC, ESR_EC_DABT_LOWER) | FIELD_PREP(ESR_SET, set);

		assert_int_equal(abort_is_contained(esr | ESR_FSC_EXTABT, true), by_set[set]);
		assert_true(abort_is_contained(esr | ESR_FSC_EXTABT, false));
		assert_true(abort_is_contained(esr | ESR_FSC_EXTABT_WALK | 1, true));
	}
	assert_int_equal(serror_owner(serror_esr_uncontained(), true), SERROR_HOST);
}

static void a_deferred_serror_has_the_syndrome_of_a_taken_one(void **state)
{
	assert_int_equal(serror_esr_of_disr(DISR_A | 0xe11), SERROR | 0xe11);
	assert_int_equal(serror_esr_of_disr(DISR_A | 0xffffff), SERROR | 0x1e3f);
	assert_int_equal(serror_esr_of_disr(DISR_A | ESR_SERROR_IDS | 0x123456),
			 SERROR | ESR_SERROR_IDS | 0x123456);
}

/* ---- taken while a guest runs, and found behind it: the same ---- */

static void corrected(int (*what)(void))
{
	u64 before = hw_errors(HW_GUEST_SERRORS);

	error = CE;
	rw.log_lines = 0;
	run(what);
	assert_int_equal(rw.log_lines, 1);
	assert_int_equal(hw_errors(HW_GUEST_SERRORS), before + 1);
	assert_int_equal(hcr(), HOST_HCR);
	run(expects_none);
	assert_int_equal(hcr(), HOST_HCR);
}

static void a_corrected_error_lets_the_guest_continue(void **state)
{
	corrected(meets_it);
	corrected(leaves_it_pending);
}

static void contained(int (*what)(void))
{
	error = UER;
	run(what);
	assert_int_equal(hcr(), HOST_HCR);
	if (what == meets_it)
		assert_true(rw.vcpu.serror_pending);
	/* It stays the guest's until it takes it, and has no more to say than one of no RAS. */
	run(interrupted);
	assert_int_equal(hcr(), HOST_HCR);
	assert_true(vcpu_has_pending(&rw.vcpu));
	run(expects_and_takes);
	assert_false(vcpu_has_pending(&rw.vcpu));
	run(expects_none);
}

static void a_contained_error_is_the_guests(void **state)
{
	contained(meets_it);
	assert_int_equal(fake_sysreg_get(VSESR), ESR_SERROR_IDS);
	contained(leaves_it_pending);
	assert_int_equal(fake_sysreg_get(DISR), 0);
}

static void without_ras_an_error_is_the_guests(void **state)
{
	contained(meets_it);
	contained(leaves_it_pending);
	assert_int_equal(pending, 0);
}

static void uncontainable(int (*what)(void))
{
	error = UC;
	fake_sysreg_set(VDISR, 0x77);
	run(what);
	assert_false(rw.vcpu.serror_pending);
	assert_host_has(UC);
	/* It is masked there: another run does not lose it, nor shows it to the guest. */
	run(expects_none);
	assert_host_has(UC);
	take();
	run(expects_none);
	assert_int_equal(hcr(), HOST_HCR);
}

static void an_uncontainable_error_is_the_hosts(void **state)
{
	uncontainable(meets_it);
	uncontainable(leaves_it_pending);
}

/* What the guest does with HCR_EL2 meanwhile does not bring back one that it has taken. */
static int takes_and_goes_on(void)
{
	take();
	switch_update_hcr(&rw.vcpu);
	assert_false(hcr() & HCR_VSE);
	return interrupted();
}

static int still_has_it(void)
{
	switch_update_hcr(&rw.vcpu);
	assert_true(hcr() & HCR_VSE);
	return interrupted();
}

static void other_changes_of_hcr_keep_the_pending_serror(void **state)
{
	error = UER;
	run(meets_it);
	run(still_has_it);
	run(takes_and_goes_on);
	run(expects_none);
}

/* A vCPU does not sleep over one that was found when it was put. */
static int waits(void)
{
	pending = UER;
	return KEEL_EXIT_WFI;
}

static void a_vcpu_with_a_pending_serror_does_not_sleep(void **state)
{
	run(waits);
	assert_true(rw.vcpu.serror_pending);
	vcpu_reset(&rw.vcpu);
	assert_false(rw.vcpu.serror_pending);
}

/* ---- the host's own ---- */

static void a_hosts_serror_ends_the_run_before_the_guest(void **state)
{
	pending = UER;
	fake_sysreg_set(DISR, 0x55);
	run(expects_none);
	assert_int_equal(entries, 0);
	assert_host_has(UER);
	assert_int_equal(fake_sysreg_get(DISR), 0x55);
	run(expects_none); /* masked: guests run on */
	assert_int_equal(entries, 1);
	assert_host_has(UER);
	assert_int_equal(fake_sysreg_get(DISR), 0x55);
}

static void without_ras_a_hosts_serror_ends_the_run_before_the_guest(void **state)
{
	pending = SERROR;
	fake_sysreg_set("isr_el1", ISR_A);
	run(expects_none);
	assert_int_equal(entries, 0);
	assert_int_equal(hcr(), HOST_HCR);
	assert_int_equal(pending, SERROR); /* EL1 takes it */
}

/* While it has a virtual one, others are routed to EL2. The graver one stays. */
static void a_second_serror_does_not_replace_a_graver_one(void **state)
{
	error = UC;
	run(meets_it);
	switch_host_serror(CE);
	assert_host_has(UC);
	take();
	switch_host_serror(CE);
	assert_host_has(CE);
	switch_host_serror(UC);
	assert_host_has(UC);
}

/* With ESB the host defers its virtual one: then that is what it reads in DISR_EL1. */
static void an_serror_that_the_host_defers_stays_the_hosts(void **state)
{
	error = UC;
	run(meets_it);
	take();
	fake_sysreg_set(VDISR, DISR_A | 0x11);
	run(expects_none);
	assert_int_equal(hcr(), HOST_HCR);
	assert_int_equal(fake_sysreg_get(DISR), DISR_A | 0x11);
	run(expects_none);
	assert_int_equal(fake_sysreg_get(DISR), DISR_A | 0x11);
}

/* Without an SError there are no further accesses to HCR_EL2, and no log lines. */
static void without_an_serror_nothing_is_logged(void **state)
{
	rw.log_lines = 0;
	run(expects_none);
	assert_int_equal(rw.log_lines, 0);
	assert_int_equal(hcr(), HOST_HCR);
	assert_int_equal(fake_sysreg_writes("hcr_el2"), 2);
}

/* ---- a run page that fails after it was shared ---- */

static bool page_fails;

bool fake_foreign_faults(const void *start, u64 size)
{
	const u8 *at = start, *page = (const u8 *)&rw.page;

	return page_fails && at >= page && at + size <= page + sizeof(rw.page);
}

static int tells_the_host(void)
{
	page_fails = true;
	fake_sysreg_set("esr_el2", 0x3fULL << 26); /* what nobody handles */
	return vcpu_exit(&rw.vcpu, 0);
}

static int wakes_another(void)
{
	page_fails = true;
	vcpu_wake(&rw.vcpu, &rw.vcpu);
	return interrupted();
}

/* What it had to tell is lost: the run ends in an error, and there is none after it. */
static void a_run_page_that_fails_ends_the_run(void **state)
{
	static const struct vcpu_hooks no_handlers;
	int (*const turns[])(void) = { tells_the_host, wakes_another };

	vcpu_add_hooks(&no_handlers);
	for (size_t i = 0; i < ARRAY_SIZE(turns); i++) {
		unsigned int before;

		assert_int_equal(with_ras(NULL), 0);
		guest = interrupted;
		assert_int_equal(vcpu_run(&rw.vcpu), KEEL_EXIT_IRQ);
		guest = turns[i];
		assert_int_equal(vcpu_run(&rw.vcpu), -EFAULT);
		page_fails = false;
		before = entries;
		assert_int_equal(vcpu_run(&rw.vcpu), -EFAULT);
		assert_int_equal(entries, before);
	}
}

static int reads_the_answer(struct vcpu *v)
{
	return run_answer(v) == KEEL_ANSWER_STOP ? (int)KEEL_EXIT_IRQ : VCPU_RESUME;
}

/* It fails while the host's answer is read: the guest does not go on with what that gave. */
static void a_run_page_that_fails_before_the_entry_ends_the_run(void **state)
{
	static const struct vcpu_hooks reads = { .resume = reads_the_answer };
	unsigned int before = entries;

	vcpu_add_hooks(&reads);
	guest = interrupted;
	page_fails = true;
	assert_int_equal(vcpu_run(&rw.vcpu), -EFAULT);
	page_fails = false;
	assert_int_equal(entries, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_syndrome_has_its_owner),
		cmocka_unit_test(contained_aborts_are_known_by_their_syndrome),
		cmocka_unit_test(a_deferred_serror_has_the_syndrome_of_a_taken_one),
		cmocka_unit_test_setup(a_corrected_error_lets_the_guest_continue, with_ras),
		cmocka_unit_test_setup(a_contained_error_is_the_guests, with_ras),
		cmocka_unit_test_setup(without_ras_an_error_is_the_guests, without_ras),
		cmocka_unit_test_setup(an_uncontainable_error_is_the_hosts, with_ras),
		cmocka_unit_test_setup(other_changes_of_hcr_keep_the_pending_serror, with_ras),
		cmocka_unit_test_setup(a_vcpu_with_a_pending_serror_does_not_sleep, with_ras),
		cmocka_unit_test_setup(a_hosts_serror_ends_the_run_before_the_guest, with_ras),
		cmocka_unit_test_setup(without_ras_a_hosts_serror_ends_the_run_before_the_guest,
				       without_ras),
		cmocka_unit_test_setup(a_second_serror_does_not_replace_a_graver_one, with_ras),
		cmocka_unit_test_setup(an_serror_that_the_host_defers_stays_the_hosts, with_ras),
		cmocka_unit_test_setup(without_an_serror_nothing_is_logged, with_ras),
		cmocka_unit_test_setup(without_an_serror_nothing_is_logged, without_ras),
		cmocka_unit_test_setup(a_run_page_that_fails_ends_the_run, with_ras),
		cmocka_unit_test_setup(a_run_page_that_fails_before_the_entry_ends_the_run,
				       with_ras),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
