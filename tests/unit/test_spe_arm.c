// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/spe/spe_arm.c hyp/spe/spe_regs.c hyp/cpu/errata.c */
/* The breakpoint on the guest's vectors: when it is there, and what its hits mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <spe/spe_arm.h>

#define VBAR  0xffff800010010800ULL
#define OTHER 0xfffffbfffe010000ULL /* a trampoline's vectors */
#define PC    0xffff800010020000ULL
#define EL1H  0x3c5ULL /* PSTATE: DAIF, EL1h */
#define EL1T  0x3c4ULL
#define MDE   (1ULL << 15)
#define KDE   (1ULL << 13)
#define SS    (1ULL << 0)
#define D     (1ULL << 9)
#define UNDEF (1ULL << 25) /* ESR_EL1: EC 0, IL */
#define DABT  (0x25ULL << 26 | 1ULL << 25)

#define MRS_PMSIDR   0xd53899e1U /* mrs x1, pmsidr_el1 */
#define MSR_PMSCR    0xd518991fU /* msr pmscr_el1, xzr */
#define MRS_PMBSR    0xd5389a62U /* mrs x2, pmbsr_el1 */
#define MSR_PMSIDR   0xd51899e1U /* msr pmsidr_el1, x1: UNDEFINED */
#define MRS_PMSDSFR  0xd5389a81U /* mrs x1, pmsdsfr_el1: not there */
#define MRS_MIDR     0xd5380001U
#define SUB_SP	     0xd10543ffU /* sub sp, sp, #0x150 */
#define SUB_SP_SHIFT 0xd14007ffU /* sub sp, sp, #1, lsl #12 */
#define STP	     0xa9bf07e0U /* stp x0, x1, [sp, #-16]! */

static struct spe_arm arm;
static struct spe_debug_hw hw;
static unsigned int asked;
static u64 asked_va;
static bool can_read;

static bool readable(void *arg, u64 va)
{
	assert_ptr_equal(arg, &arm);
	asked++;
	asked_va = va;
	return can_read;
}

static int setup(void **state)
{
	arm = (struct spe_arm){ 0 };
	spe_arm_reset(&arm, 1);
	asked = 0;
	can_read = true;
	return 0;
}

static void exit_from(unsigned int el, u64 vbar)
{
	struct spe_guest guest = {
		.el = el, .vbar = vbar, .sctlr = 1, .readable = readable, .arg = &arm
	};

	spe_arm_exit(&arm, &guest);
}

static int setup_armed(void **state)
{
	setup(NULL);
	spe_arm_interest(&arm);
	exit_from(1, VBAR);
	return 0;
}

static void expect_armed(u64 mdscr, u64 at)
{
	spe_arm_enter(&arm, PC, mdscr, &hw);
	assert_true(hw.tde);
	assert_false(hw.step);
	assert_int_equal(hw.count, 1);
	assert_int_equal(hw.bvr[0], at);
	assert_int_equal(hw.mdscr, mdscr | MDE);
	assert_int_equal(hw.guest, (mdscr & MDE) != 0);
}

/* No breakpoint of EL2's is set. */
static void expect_bare(u64 mdscr)
{
	spe_arm_enter(&arm, PC, mdscr, &hw);
	assert_false(hw.tde);
	assert_false(hw.step);
	assert_int_equal(hw.count, 0);
	assert_int_equal(hw.mdscr, mdscr);
	assert_int_equal(hw.guest, (mdscr & MDE) != 0);
}

static void the_breakpoint_matches_at_el1_only(void **state)
{
	/* E; PMC 01: EL1; BAS 1111; HMC, SSC, BT 0 (D24.3.2) */
	assert_int_equal(SPE_DBGBCR, 1 | 1 << 1 | 0xf << 5);
}

/* ---- when it is armed ---- */

static void no_breakpoint_is_set_before_the_guest_shows_interest(void **state)
{
	exit_from(1, VBAR);
	expect_bare(0);
	assert_int_equal(asked, 0);
	spe_arm_interest(&arm);
	expect_bare(0); /* not before the next exit has shown the vectors */
	exit_from(1, VBAR);
	expect_armed(0, VBAR + 0x200);
	assert_int_equal(asked_va, VBAR + 0x200);
}

static void vectors_are_not_taken_from_an_exit_at_el0(void **state)
{
	spe_arm_interest(&arm);
	exit_from(0, OTHER);
	expect_bare(0);
	exit_from(1, VBAR);
	exit_from(0, OTHER);
	expect_armed(0, VBAR + 0x200);
	assert_int_equal(asked, 1);
}

static void the_breakpoint_follows_the_vectors(void **state)
{
	setup_armed(NULL);
	exit_from(1, VBAR + 0x800);
	expect_armed(0, VBAR + 0xa00);
	assert_int_equal(asked, 2);
	/* not asked again while they stay; bits 10:0 are RES0 */
	exit_from(1, VBAR + 0x800);
	exit_from(1, VBAR + 0x800 + 0x7ff);
	expect_armed(0, VBAR + 0xa00);
	assert_int_equal(asked, 2);
}

static void no_breakpoint_is_set_while_the_mmu_is_off(void **state)
{
	struct spe_guest guest = { .el = 1, .vbar = VBAR, .readable = readable, .arg = &arm };

	setup_armed(NULL);
	spe_arm_exit(&arm, &guest); /* SCTLR_EL1.M is 0 */
	expect_bare(0);
	exit_from(1, VBAR);
	expect_armed(0, VBAR + 0x200);
}

static void no_breakpoint_is_set_on_vectors_that_cannot_be_read(void **state)
{
	spe_arm_interest(&arm);
	can_read = false;
	exit_from(1, VBAR);
	expect_bare(0);
	/* asked at each exit until they are */
	exit_from(1, VBAR);
	assert_int_equal(asked, 2);
	can_read = true;
	exit_from(1, VBAR);
	expect_armed(0, VBAR + 0x200);
	/* new ones that are not: nothing stays armed */
	can_read = false;
	exit_from(1, OTHER);
	expect_bare(0);
}

static void a_reset_removes_the_breakpoint(void **state)
{
	setup_armed(NULL);
	spe_arm_reset(&arm, 1);
	expect_bare(0);
	exit_from(1, VBAR);
	expect_bare(0);
}

/* The vector of EL1t gets a breakpoint after EL1t was used, if EL2 has a second breakpoint. */
static void the_vector_of_el1t_gets_the_second_breakpoint(void **state)
{
	struct spe_guest guest = {
		.el = 1, .sp0 = true, .vbar = VBAR, .sctlr = 1, .readable = readable, .arg = &arm
	};
	struct spe_hit hit;

	setup_armed(NULL);
	spe_arm_exit(&arm, &guest);
	expect_armed(0, VBAR + 0x200);

	spe_arm_reset(&arm, 2);
	spe_arm_interest(&arm);
	exit_from(1, VBAR);
	expect_armed(0, VBAR + 0x200);
	hit = spe_arm_hit(&arm, VBAR, 1, true, SUB_SP);
	assert_int_equal(hit.action, SPE_HIT_GUESTS);
	spe_arm_exit(&arm, &guest);
	exit_from(1, VBAR);
	spe_arm_enter(&arm, PC, 0, &hw);
	assert_int_equal(hw.count, 2);
	assert_int_equal(hw.bvr[0], VBAR + 0x200);
	assert_int_equal(hw.bvr[1], VBAR);
	hit = spe_arm_hit(&arm, VBAR, 1, true, SUB_SP);
	assert_int_equal(hit.action, SPE_HIT_EMULATE);
}

static void the_guest_is_shown_at_least_two_breakpoints(void **state)
{
	assert_int_equal(spe_arm_breakpoints(&arm, 6), 5);
	assert_int_equal(spe_arm_breakpoints(&arm, 3), 2);
	assert_int_equal(spe_arm_breakpoints(&arm, 2), 2);
	spe_arm_reset(&arm, 2);
	assert_int_equal(spe_arm_breakpoints(&arm, 6), 4);
	assert_int_equal(spe_arm_breakpoints(&arm, 3), 2);
	spe_arm_reset(&arm, 7);
	assert_int_equal(arm.slots, 2);
}

/* ---- beside the guest's own debugging ---- */

static void the_guests_breakpoints_stay_beside_el2s(void **state)
{
	setup_armed(NULL);
	expect_armed(MDE | KDE, VBAR + 0x200);
	expect_armed(KDE, VBAR + 0x200); /* MDE is ours: the guest's are not in the registers */
}

static void while_the_guest_steps_no_breakpoint_is_set(void **state)
{
	setup_armed(NULL);
	expect_bare(SS);
	expect_bare(SS | KDE | MDE);
	expect_armed(KDE, VBAR + 0x200);
}

/*
 * With TDE PSTATE.D and KDE do not mask debug exceptions; those that they would mask are stepped.
 */
static void only_exceptions_that_the_guest_would_take_are_injected(void **state)
{
	static const struct {
		unsigned int ec, el;
		u64 pstate, mdscr;
		enum spe_debug_action action;
	} rows[] = {
		{ 0x30, 0, 0, MDE, SPE_DEBUG_INJECT },
		{ 0x30, 0, D, MDE, SPE_DEBUG_INJECT },
		{ 0x30, 1, 5, MDE | KDE, SPE_DEBUG_INJECT },
		{ 0x30, 1, 5 | D, MDE | KDE, SPE_DEBUG_STEP },
		{ 0x30, 1, 5, MDE, SPE_DEBUG_STEP },
		{ 0x30, 1, 5, KDE, SPE_DEBUG_STEP },
		{ 0x30, 0, 0, KDE, SPE_DEBUG_STEP },
		{ 0x34, 0, 0, MDE, SPE_DEBUG_INJECT },
		{ 0x34, 1, 5 | D, MDE | KDE, SPE_DEBUG_STEP },
		{ 0x34, 1, 5, MDE | KDE, SPE_DEBUG_INJECT },
		{ 0x3c, 0, 0, 0, SPE_DEBUG_INJECT }, /* BRK: always */
		{ 0x3c, 1, 5 | D, 0, SPE_DEBUG_INJECT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		setup_armed(NULL);
		assert_int_equal(spe_arm_debug(&arm, rows[i].ec, PC, rows[i].el, rows[i].pstate,
					       rows[i].mdscr),
				 rows[i].action);
		spe_arm_enter(&arm, PC, rows[i].mdscr, &hw);
		assert_int_equal(hw.step, rows[i].action == SPE_DEBUG_STEP);
		if (hw.step)
			assert_false(hw.guest); /* else it would fire again */
	}
}

/* ---- hits ---- */

static struct spe_access access;

static struct spe_hit hit_at(u64 esr, u64 spsr, u32 word, u32 vector)
{
	bool is_access = spe_arm_is_access(esr, spsr, word, &access);

	return spe_arm_hit(&arm, VBAR + 0x200, 1, is_access, vector);
}

static void an_access_to_spes_registers_is_emulated(void **state)
{
	struct spe_hit hit = hit_at(UNDEF, EL1H, MRS_PMSIDR, SUB_SP);

	assert_int_equal(hit.action, SPE_HIT_EMULATE);
	assert_int_equal(access.encoding, REG_NUM(PMSIDR_EL1));
	assert_int_equal(access.rt, 1);
	assert_false(access.write);
	hit = hit_at(UNDEF, EL1H, MSR_PMSCR, STP);
	assert_int_equal(hit.action, SPE_HIT_EMULATE);
	assert_int_equal(access.encoding, REG_NUM(PMSCR_EL1));
	assert_int_equal(access.rt, 31);
	assert_true(access.write);
	hit = hit_at(UNDEF, EL1T, MRS_PMBSR, STP);
	assert_int_equal(hit.action, SPE_HIT_EMULATE);
	assert_int_equal(access.encoding, REG_NUM(PMBSR_EL1));
	assert_int_equal(access.rt, 2);
	assert_int_equal(arm.emulated, 3);
	assert_int_equal(arm.false_hits, 0);
	expect_armed(0, VBAR + 0x200);
}

/* Of all MRS and MSR, only those of registers in the table. */
static void only_accesses_to_spes_registers_are_decoded(void **state)
{
	unsigned int reads = 0, writes = 0;

	for (u32 n = 0; n < 1U << 21; n++) {
		u32 word = 0xd5000000 | n << 3 | 5; /* bits 23:3 */

		if (!spe_arm_decode(word, &access))
			continue;
		assert_int_equal(word & 0xffc0f000, 0xd5009000); /* op0 = 3, op1 = 0, CRn = 9 */
		assert_int_equal(access.rt, word & 31);
		reads += !access.write;
		writes += access.write;
	}
	assert_int_equal(reads, 12 * 4); /* bits 4:3 of Rt run */
	assert_int_equal(writes, 10 * 4);
}

static void other_exceptions_of_the_guest_are_false_hits(void **state)
{
	static const struct {
		u64 esr, spsr;
		u32 word;
	} rows[] = {
		{ DABT, EL1H, STP },				  /* a fault in a user copy */
		{ DABT, EL1H, MRS_PMSIDR },			  /* the class decides */
		{ UNDEF, EL1H, MSR_PMSIDR },			  /* UNDEFINED on any CPU */
		{ UNDEF, EL1H, MRS_PMSDSFR },			  /* of a later SPE */
		{ UNDEF, EL1H, MRS_MIDR },    { UNDEF, EL1H, 0 }, /* not readable, or UDF */
		{ UNDEF, 0, MRS_PMSIDR },			  /* not from EL1 */
		{ UNDEF, 0x10, MRS_PMSIDR },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct spe_hit hit = hit_at(rows[i].esr, rows[i].spsr, rows[i].word, SUB_SP);

		assert_int_equal(hit.action, SPE_HIT_SUB_SP);
		assert_int_equal(hit.sub, 0x150);
		assert_int_equal(arm.false_hits, i + 1);
	}
	assert_int_equal(hit_at(DABT, EL1H, STP, SUB_SP_SHIFT).sub, 0x1000);
	assert_int_equal(arm.emulated, 0);
	expect_armed(0, VBAR + 0x200);
}

static void breakpoints_elsewhere_are_the_guests(void **state)
{
	static const u64 pcs[] = { VBAR, VBAR + 0x204, VBAR + 0x280, PC, 0 };

	for (size_t i = 0; i < ARRAY_SIZE(pcs); i++)
		assert_int_equal(spe_arm_hit(&arm, pcs[i], 1, true, SUB_SP).action, SPE_HIT_GUESTS);
	assert_int_equal(spe_arm_hit(&arm, VBAR + 0x200, 0, true, SUB_SP).action, SPE_HIT_GUESTS);
	arm.readable = false;
	assert_int_equal(hit_at(UNDEF, EL1H, MRS_PMSIDR, SUB_SP).action, SPE_HIT_GUESTS);
	assert_int_equal(arm.emulated + arm.false_hits, 0);
}

/* ---- stepping over the vector's first instruction ---- */

static void expect_step(u64 pc, u64 mdscr)
{
	spe_arm_enter(&arm, pc, mdscr, &hw);
	assert_true(hw.tde && hw.step);
	assert_false(hw.guest);
	assert_int_equal(hw.count, 0);
	assert_int_equal(hw.mdscr, (mdscr & ~MDE) | SS);
}

static void a_false_hit_is_stepped_over(void **state)
{
	assert_int_equal(hit_at(DABT, EL1H, STP, STP).action, SPE_HIT_STEP);
	expect_step(VBAR + 0x200, 0);
	/* an interrupt for the host comes first: the step is still to be done */
	exit_from(1, VBAR);
	expect_step(VBAR + 0x200, KDE | MDE);
	assert_false(spe_arm_stepped(&arm, VBAR + 0x204));
	expect_armed(0, VBAR + 0x200);
}

/* The instruction itself faults, and the guest is at its vector again. */
static void a_step_that_faults_is_another_hit(void **state)
{
	assert_int_equal(hit_at(DABT, EL1H, STP, STP).action, SPE_HIT_STEP);
	expect_step(VBAR + 0x200, 0);
	assert_true(spe_arm_stepped(&arm, VBAR + 0x200));
	assert_int_equal(hit_at(DABT, EL1H, STP, STP).action, SPE_HIT_STEP);
	assert_int_equal(arm.false_hits, 2);
}

/* The instruction traps, and EL2 skips it: no step exception follows. */
static void a_step_that_traps_has_ended(void **state)
{
	assert_int_equal(hit_at(DABT, EL1H, STP, MRS_MIDR).action, SPE_HIT_STEP);
	expect_step(VBAR + 0x200, 0);
	spe_arm_enter(&arm, VBAR + 0x204, 0, &hw);
	assert_false(hw.step);
	assert_int_equal(hw.count, 1);
	/* and if it has turned the guest's own step on */
	assert_int_equal(hit_at(DABT, EL1H, STP, MRS_MIDR).action, SPE_HIT_STEP);
	expect_bare(SS);
	expect_armed(0, VBAR + 0x200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_breakpoint_matches_at_el1_only, setup),
		cmocka_unit_test_setup(no_breakpoint_is_set_before_the_guest_shows_interest, setup),
		cmocka_unit_test_setup(vectors_are_not_taken_from_an_exit_at_el0, setup),
		cmocka_unit_test_setup(the_breakpoint_follows_the_vectors, setup),
		cmocka_unit_test_setup(no_breakpoint_is_set_while_the_mmu_is_off, setup),
		cmocka_unit_test_setup(no_breakpoint_is_set_on_vectors_that_cannot_be_read, setup),
		cmocka_unit_test_setup(a_reset_removes_the_breakpoint, setup),
		cmocka_unit_test_setup(the_vector_of_el1t_gets_the_second_breakpoint, setup),
		cmocka_unit_test_setup(the_guest_is_shown_at_least_two_breakpoints, setup),
		cmocka_unit_test_setup(the_guests_breakpoints_stay_beside_el2s, setup),
		cmocka_unit_test_setup(while_the_guest_steps_no_breakpoint_is_set, setup),
		cmocka_unit_test_setup(only_exceptions_that_the_guest_would_take_are_injected,
				       setup),
		cmocka_unit_test_setup(an_access_to_spes_registers_is_emulated, setup_armed),
		cmocka_unit_test_setup(only_accesses_to_spes_registers_are_decoded, setup),
		cmocka_unit_test_setup(other_exceptions_of_the_guest_are_false_hits, setup_armed),
		cmocka_unit_test_setup(breakpoints_elsewhere_are_the_guests, setup_armed),
		cmocka_unit_test_setup(a_false_hit_is_stepped_over, setup_armed),
		cmocka_unit_test_setup(a_step_that_faults_is_another_hit, setup_armed),
		cmocka_unit_test_setup(a_step_that_traps_has_ended, setup_armed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
