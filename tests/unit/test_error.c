// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/trap/trap.c hyp/trap/abort.c tests/unit/fake_panic.c hyp/trap/error.c hyp/trap/sysreg.c hyp/trap/el2.c hyp/trap/set_way.c hyp/trap/debug.c hyp/trap/device.c hyp/spe/spe_vcpu.c hyp/spe/spe_emul_regs.c hyp/spe/spe_debug.c hyp/spe/spe_arm.c hyp/spe/spe_regs.c hyp/trap/id_regs.c hyp/trap/impl_regs.c hyp/trap/guest_psci.c hyp/trap/guest_smccc.c hyp/cpu/features.c hyp/lib/printf.c tests/unit/arch/fake_sysreg.c hyp/cpu/errata.c hyp/cpu/hw_errors.c hyp/vm/serror.c */
/* External aborts of guests: what each is of, what is reported to the host, how it ends. */
#include <trap_world.h>

#include <cpu/hw_errors.h>
#include <trap/error.h>
#include <vm/serror.h>

#define PC	0x40080000ULL
#define FAR	0xffff000012345678ULL
#define IPA_OF	0x0a003000ULL
#define ACCESS	ESR_FSC_EXTABT
#define WALK	(ESR_FSC_EXTABT_WALK | 2)
#define ALL_LVL ESR_FSC_EXTABT_WALK, ESR_FSC_EXTABT_WALK | 1, WALK, ESR_FSC_EXTABT_WALK | 3

static int answer(u64 what)
{
	w.run[0].answer = what;
	return w.hooks->resume(V);
}

/* Stage 1's result for FAR: an address, a fault, or an exception of the walk. */
enum stage1 { MAPS, FAULTS, ABORTS };

static bool gone; /* whatever was wrong with tables is not any more */

static int meets(u64 ec, u64 iss, enum stage1 stage1)
{
	fake_sysreg_set("far_el2", FAR);
	fake_sysreg_set("hpfar_el2", ~0ULL); /* says nothing of external aborts */
	w.par = stage1 == MAPS ? IPA_OF | 1ULL << 60 : 1;
	w.at_faults = stage1 == ABORTS;
	w.tables_fault = !gone;
	memset(&w.run[0], 0xee, sizeof(w.run[0]));
	return take(V, ec, iss);
}

/* Each status, with and without S1PTW and FnV, and each thing that EL2 can find now. */
static void an_abort_is_attributed_by_its_status_and_by_what_answers_now(void **state)
{
	static const struct {
		u64 iss;
		bool asked;
		enum error_at translates, not, answers;
	} rows[] = {
		{ ACCESS, true, ERROR_AT_ACCESS, ERROR_AT_UNKNOWN, ERROR_AT_UNKNOWN },
		{ ACCESS | ESR_FNV, false, ERROR_AT_UNKNOWN, ERROR_AT_UNKNOWN, ERROR_AT_UNKNOWN },
		{ ACCESS | ESR_WNR | ESR_EA, true, ERROR_AT_ACCESS, ERROR_AT_UNKNOWN,
		  ERROR_AT_UNKNOWN },
		{ WALK, true, ERROR_AT_STAGE2_TABLES, ERROR_AT_GUEST_TABLES, ERROR_AT_GONE },
		{ WALK | ESR_S1PTW, false, ERROR_AT_STAGE2_TABLES, ERROR_AT_STAGE2_TABLES,
		  ERROR_AT_GONE },
		/* FnV is for no walk: there it has no meaning */
		{ WALK | ESR_FNV, true, ERROR_AT_STAGE2_TABLES, ERROR_AT_GUEST_TABLES,
		  ERROR_AT_GONE },
		{ ESR_FSC_EXTABT_WALK_M1, true, ERROR_AT_STAGE2_TABLES, ERROR_AT_GUEST_TABLES,
		  ERROR_AT_GONE },
		{ ESR_FSC_EXTABT_WALK_M2, true, ERROR_AT_STAGE2_TABLES, ERROR_AT_GUEST_TABLES,
		  ERROR_AT_GONE },
	};
	static const struct error_now translates = { .translates = true }, not = { 0 },
				      answers = { .tables_answer = true };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (error_needs_stage1(rows[i].iss) != rows[i].asked ||
		    error_at(rows[i].iss, &translates) != rows[i].translates ||
		    error_at(rows[i].iss, &not ) != rows[i].not ||
		    error_at(rows[i].iss, &answers) != rows[i].answers)
			fail_msg("row %zu: asked %d, at %d, %d and %d", i,
				 error_needs_stage1(rows[i].iss),
				 error_at(rows[i].iss, &translates), error_at(rows[i].iss, &not ),
				 error_at(rows[i].iss, &answers));
	}
}

static void the_host_gets_what_is_known_of_the_abort(void **state)
{
	static const struct {
		const char *what;
		u64 ec, iss;
		enum stage1 stage1;
		bool broken;
		unsigned int flags, reads;
	} rows[] = {
		{ "broken memory, read", ESR_EC_DABT_LOWER, ACCESS, MAPS, true,
		  KEEL_ABORT_FAR | KEEL_ABORT_IPA | KEEL_ABORT_MEMORY, 1 },
		{ "broken memory, write", ESR_EC_DABT_LOWER, ACCESS | ESR_WNR | ESR_EA, MAPS, true,
		  KEEL_ABORT_FAR | KEEL_ABORT_IPA | KEEL_ABORT_MEMORY, 1 },
		{ "broken memory, fetch", ESR_EC_IABT_LOWER, ACCESS, MAPS, true,
		  KEEL_ABORT_FAR | KEEL_ABORT_IPA | KEEL_ABORT_MEMORY, 1 },
		{ "memory that answers EL2", ESR_EC_DABT_LOWER, ACCESS, MAPS, false,
		  KEEL_ABORT_FAR | KEEL_ABORT_IPA, 1 },
		{ "no address", ESR_EC_DABT_LOWER, ACCESS | ESR_FNV, MAPS, true, 0, 0 },
		{ "an address that is gone", ESR_EC_DABT_LOWER, ACCESS, FAULTS, true,
		  KEEL_ABORT_FAR, 0 },
		{ "the guest's tables", ESR_EC_DABT_LOWER, WALK, ABORTS, true, KEEL_ABORT_FAR, 0 },
		{ "the guest's tables, fetch", ESR_EC_IABT_LOWER, WALK, ABORTS, true,
		  KEEL_ABORT_FAR, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct keel_run *run = &w.run[0];
		u64 before = hw_errors(HW_GUEST_ABORTS);

		world_start();
		w.memory_broken = rows[i].broken;
		w.memory_pa = 0x87654000;
		if (meets(rows[i].ec, rows[i].iss | 0x1ffc000, rows[i].stage1) != KEEL_EXIT_ABORT)
			fail_msg("%s: the host is not told", rows[i].what);
		if (run->abort.flags != rows[i].flags || w.memory_reads != rows[i].reads)
			fail_msg("%s: flags %#x, %u reads", rows[i].what, run->abort.flags,
				 w.memory_reads);
		/* without what describes the access */
		assert_int_equal(run->abort.esr,
				 FIELD_PREP(ESR_EC, rows[i].ec) | ESR_IL | rows[i].iss);
		if (rows[i].flags & KEEL_ABORT_FAR)
			assert_int_equal(run->abort.far, FAR);
		if (rows[i].flags & KEEL_ABORT_IPA) {
			assert_int_equal(run->abort.ipa, IPA_OF | (FAR & 0xfff));
			assert_int_equal(w.memory_ipa, run->abort.ipa);
		}
		if (rows[i].flags & KEEL_ABORT_MEMORY)
			assert_int_equal(run->abort.pa, 0x87654000);
		assert_int_equal(run->mmio.bytes, 0);
		assert_int_equal(fake_sysreg_get("par_el1"), 0x9a9);
		assert_int_equal(hw_errors(HW_GUEST_ABORTS), before + 1);
		assert_true(w.logs);
		assert_int_equal(V->regs.pc, PC);
		assert_int_equal(w.aborts, 0);
	}
}

/* Stage 1 of a nested guest gives an address of its own, which is none of the VM's memory. */
static void behind_a_shadow_no_memory_of_the_vm_is_blamed(void **state)
{
	static struct s2_context shadow;

	w.memory_broken = true;
	V->s2 = &shadow;
	assert_int_equal(meets(ESR_EC_DABT_LOWER, ACCESS, MAPS), KEEL_EXIT_ABORT);
	assert_int_equal(w.run[0].abort.flags, KEEL_ABORT_FAR);
	assert_int_equal(w.run[0].abort.ipa, 0);
	assert_int_equal(w.memory_reads, 0);
}

/* EL2 without VHE has a shadow, whose addresses are the VM's. */
static void behind_a_shadow_of_the_identity_memory_of_the_vm_is_blamed(void **state)
{
	static struct s2_context shadow = { .identity = true };

	w.memory_broken = true;
	w.memory_pa = 0x87654000;
	V->s2 = &shadow;
	assert_int_equal(meets(ESR_EC_DABT_LOWER, ACCESS, MAPS), KEEL_EXIT_ABORT);
	assert_int_equal(w.run[0].abort.flags, KEEL_ABORT_FAR | KEEL_ABORT_IPA | KEEL_ABORT_MEMORY);
	assert_int_equal(w.run[0].abort.ipa, IPA_OF | (FAR & 0xfff));
	assert_int_equal(w.run[0].abort.pa, 0x87654000);
	assert_int_equal(w.memory_ipa, IPA_OF | (FAR & 0xfff));
}

/* Each answer repeats the access, or gives the guest an external abort. */
static void an_answer_repeats_the_access_or_aborts_it(void **state)
{
	static const u64 repeated[] = { KEEL_ANSWER_MAPPED, KEEL_ANSWER_DONE, 77 };

	for (size_t i = 0; i < ARRAY_SIZE(repeated); i++) {
		assert_int_equal(meets(ESR_EC_DABT_LOWER, ACCESS | ESR_ISV | ESR_SAS, MAPS),
				 KEEL_EXIT_ABORT);
		assert_int_equal(answer(repeated[i]), VCPU_RESUME);
		assert_int_equal(V->regs.pc, PC);
		assert_int_equal(w.aborts, 0);
	}
	assert_int_equal(meets(ESR_EC_DABT_LOWER, ACCESS | ESR_WNR, MAPS), KEEL_EXIT_ABORT);
	assert_int_equal(answer(KEEL_ANSWER_STOP), KEEL_EXIT_IRQ);
	assert_int_equal(w.aborts, 0);

	assert_int_equal(meets(ESR_EC_DABT_LOWER, ACCESS | ESR_WNR, MAPS), KEEL_EXIT_ABORT);
	assert_int_equal(answer(KEEL_ANSWER_ABORT), VCPU_RESUME);
	assert_int_equal(w.aborts, 1);
	assert_int_equal(w.abort_far, FAR);
	assert_true(w.abort_esr & ESR_WNR);
	assert_int_equal(answer(KEEL_ANSWER_ABORT), VCPU_RESUME);
	assert_int_equal(w.aborts, 1); /* once */

	assert_int_equal(meets(ESR_EC_IABT_LOWER, ACCESS | ESR_FNV, MAPS), KEEL_EXIT_ABORT);
	assert_int_equal(answer(KEEL_ANSWER_ABORT), VCPU_RESUME);
	assert_int_equal(w.abort_far, 0); /* and not what FAR_EL2 happened to hold */
	assert_true(w.abort_esr & ESR_FNV);
}

/* Without its stage 2 tables a guest cannot even take an exception. */
static void a_guest_without_its_stage_2_tables_cannot_go_on(void **state)
{
	static const u64 levels[] = { ALL_LVL, ESR_FSC_EXTABT_WALK_M1, ESR_FSC_EXTABT_WALK_M2 };

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		world_start();
		assert_int_equal(meets(ESR_EC_DABT_LOWER, levels[i], MAPS), VCPU_NOT_MINE);
		assert_int_equal(meets(ESR_EC_IABT_LOWER, levels[i] | ESR_S1PTW, ABORTS),
				 VCPU_NOT_MINE);
		assert_int_equal(answer(KEEL_ANSWER_ABORT), VCPU_RESUME);
		assert_int_equal(w.aborts, 0);
		assert_int_equal(w.memory_reads, 0);
	}
}

/*
 * The memory answers again, or the guest has changed the tables: neither the VM nor the guest needs
 * to know. But if the same access fails again at once, it is reported.
 */
static void an_access_whose_error_has_gone_is_repeated_once(void **state)
{
	static const u64 iss[] = { WALK, WALK | ESR_S1PTW, ESR_FSC_EXTABT_WALK_M1 };

	for (size_t i = 0; i < ARRAY_SIZE(iss); i++) {
		u64 before = hw_errors(HW_GUEST_ABORTS);

		world_start();
		gone = true;
		assert_int_equal(meets(ESR_EC_DABT_LOWER, iss[i], MAPS), VCPU_RESUME);
		assert_int_equal(hw_errors(HW_GUEST_ABORTS), before + 1);
		assert_int_equal(fake_sysreg_get("par_el1"), 0x9a9);
		assert_int_equal(V->regs.pc, PC);
		assert_int_equal(w.aborts, 0);
		V->regs.pc = PC + 4; /* it has gone on */
		assert_int_equal(meets(ESR_EC_IABT_LOWER, iss[i], MAPS), VCPU_RESUME);
		assert_int_equal(meets(ESR_EC_IABT_LOWER, iss[i], MAPS), KEEL_EXIT_ABORT);
		assert_int_equal(w.run[0].abort.flags, KEEL_ABORT_FAR);
		assert_int_equal(answer(KEEL_ANSWER_MAPPED), VCPU_RESUME);
		assert_int_equal(meets(ESR_EC_IABT_LOWER, iss[i], MAPS), VCPU_RESUME);
		gone = false;
	}
	/* Of an access nothing is known from that tables answer. */
	gone = true;
	assert_int_equal(meets(ESR_EC_DABT_LOWER, ACCESS, FAULTS), KEEL_EXIT_ABORT);
	gone = false;
}

static void an_uncontained_error_is_the_hosts(void **state)
{
	const u64 uncontainable = ACCESS | FIELD_PREP(ESR_SET, 2);

	w.cpu.traps.has_ras = true;
	assert_int_equal(meets(ESR_EC_DABT_LOWER, uncontainable, MAPS), KEEL_EXIT_IRQ);
	assert_int_equal(serror_owner(w.host_serror, true), SERROR_HOST);
	assert_int_equal(answer(KEEL_ANSWER_ABORT), VCPU_RESUME);
	assert_int_equal(w.aborts, 0);

	w.host_serror = 0;
	w.cpu.traps.has_ras = false;
	assert_int_equal(meets(ESR_EC_DABT_LOWER, uncontainable, MAPS), KEEL_EXIT_ABORT);
	assert_int_equal(w.host_serror, 0);
}

/* ---- a run page that fails after it was shared ---- */

static bool page_fails;

bool fake_foreign_faults(const void *start, u64 size)
{
	const u8 *at = start, *page = (const u8 *)&w.run[0];

	return page_fails && at >= page && at + size <= page + sizeof(w.run[0]);
}

/* The report to the host is lost, which the run loop checks. */
static void a_run_page_that_fails_is_noted(void **state)
{
	struct keel_run before;

	memset(&before, 0xee, sizeof(before));
	page_fails = true;
	(void)meets(ESR_EC_DABT_LOWER, ACCESS, MAPS);
	page_fails = false;
	assert_int_equal(V->run_failed, 1);
	assert_memory_equal(&w.run[0], &before, sizeof(before));
}

/* ---- what userspace has the guest take ---- */

static u64 pending;

static void userspace_raises_and_reads_events(void **state)
{
	assert_int_equal(error_events(V, 0, &pending), 0);
	assert_int_equal(pending, 0);
	for (unsigned int bit = 2; bit < 64; bit++)
		assert_int_equal(error_events(V, BIT(bit) | 3, &pending), -EINVAL);
	assert_false(V->serror_pending);
	assert_int_equal(w.aborts, 0);

	assert_int_equal(error_events(V, KEEL_EVENT_SERROR, &pending), 0);
	assert_int_equal(pending, KEEL_EVENT_SERROR);
	assert_true(V->serror_pending);
	assert_int_equal(error_events(V, 0, &pending), 0);
	assert_int_equal(pending, KEEL_EVENT_SERROR);

	assert_int_equal(error_events(V, KEEL_EVENT_ABORT, &pending), 0);
	assert_int_equal(pending, KEEL_EVENT_SERROR);
	assert_int_equal(w.aborts, 1);
	assert_int_equal(esr_ec(w.abort_esr), ESR_EC_DABT_LOWER);
	assert_int_equal(esr_fsc(w.abort_esr), ESR_FSC_EXTABT);
}

/* The abort ends the access for which the host was asked, and has its address. */
static void an_abort_that_userspace_raises_ends_the_access_that_waits(void **state)
{
	fake_sysreg_set("far_el2", FAR);
	fake_sysreg_set("hpfar_el2", FIELD_PREP(HPFAR_FIPA, IPA_OF >> 12));
	assert_int_equal(take(V, ESR_EC_DABT_LOWER, ESR_FSC_TRANSLATION | 3 | ESR_ISV | ESR_WNR),
			 KEEL_EXIT_FAULT);
	assert_int_equal(error_events(V, KEEL_EVENT_ABORT, &pending), 0);
	assert_int_equal(w.aborts, 1);
	assert_int_equal(w.abort_far, FAR);
	assert_true(w.abort_esr & ESR_WNR);
	assert_int_equal(answer(KEEL_ANSWER_DONE), VCPU_RESUME);
	assert_int_equal(V->regs.pc, PC); /* not stepped over */
	assert_int_equal(w.aborts, 1);

	/* One of data, though the fault was a fetch's. */
	assert_int_equal(meets(ESR_EC_IABT_LOWER, ACCESS, MAPS), KEEL_EXIT_ABORT);
	assert_int_equal(error_events(V, KEEL_EVENT_ABORT, &pending), 0);
	assert_int_equal(esr_ec(w.abort_esr), ESR_EC_DABT_LOWER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_abort_is_attributed_by_its_status_and_by_what_answers_now,
				       world_setup),
		cmocka_unit_test_setup(the_host_gets_what_is_known_of_the_abort, world_setup),
		cmocka_unit_test_setup(behind_a_shadow_no_memory_of_the_vm_is_blamed, world_setup),
		cmocka_unit_test_setup(behind_a_shadow_of_the_identity_memory_of_the_vm_is_blamed,
				       world_setup),
		cmocka_unit_test_setup(an_answer_repeats_the_access_or_aborts_it, world_setup),
		cmocka_unit_test_setup(a_guest_without_its_stage_2_tables_cannot_go_on,
				       world_setup),
		cmocka_unit_test_setup(an_access_whose_error_has_gone_is_repeated_once,
				       world_setup),
		cmocka_unit_test_setup(an_uncontained_error_is_the_hosts, world_setup),
		cmocka_unit_test_setup(a_run_page_that_fails_is_noted, world_setup),
		cmocka_unit_test_setup(userspace_raises_and_reads_events, world_setup),
		cmocka_unit_test_setup(an_abort_that_userspace_raises_ends_the_access_that_waits,
				       world_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
