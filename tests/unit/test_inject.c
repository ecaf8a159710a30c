// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/cpu/inject.c */
/*
 * Exceptions that EL2 makes EL1 take, against the manual's AArch64.TakeException and its table of
 * vector offsets: every mode that EL0 and EL1 have, each PSTATE bit, each combination of features.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <cpu/inject.h>

/* SPSR_EL2 and SCTLR_EL1 fields, by the manual's bit numbers (C5.2.19, D24.2.169). */
#define N_TO_V	  (0xfULL << 28)
#define TCO	  BIT(25)
#define DIT	  BIT(24)
#define UAO	  BIT(23)
#define PAN	  BIT(22)
#define SS	  BIT(21)
#define IL	  BIT(20)
#define ALLINT	  BIT(13)
#define SSBS	  BIT(12)
#define BTYPE	  (3ULL << 10)
#define DAIF	  (0xfULL << 6)
#define AARCH32	  BIT(4)
#define SPAN	  BIT(23)
#define DSSBS	  BIT(44)
#define NMI	  BIT(61)
#define SPINTMASK BIT(62)

static const struct pstate_features none;
static const struct pstate_features all = { true, true, true, true, true };

static u64 pstate(u64 spsr, u64 sctlr, const struct pstate_features *has)
{
	return el1_exception_entry(spsr, sctlr, has).pstate;
}

static void the_vector_is_chosen_by_where_the_exception_comes_from(void **state)
{
	static const struct {
		u64 mode, vector;
	} rows[] = {
		{ 0x4, 0x000 },		  /* EL1t: current level, SP_EL0 */
		{ 0x5, 0x200 },		  /* EL1h: current level, SP_EL1 */
		{ 0x0, 0x400 },		  /* EL0, AArch64 */
		{ AARCH32 | 0x0, 0x600 }, /* EL0, AArch32: User */
	};
	const u64 noise = N_TO_V | DIT | PAN | DAIF;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 plain = el1_exception_entry(rows[i].mode, 0, &none).vector;
		u64 noisy = el1_exception_entry(rows[i].mode | noise, ~0ULL, &all).vector;

		if (plain != rows[i].vector || noisy != rows[i].vector)
			fail_msg("from mode %#lx: vector %#lx and %#lx, expected %#lx",
				 rows[i].mode, plain, noisy, rows[i].vector);
	}
}

static void it_is_taken_to_el1h_with_everything_masked(void **state)
{
	static const u64 modes[] = { 0, 4, 5, AARCH32 };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		assert_int_equal(pstate(modes[i], SPAN, &none), DAIF | 5);
		assert_int_equal(pstate(modes[i] | DAIF, SPAN, &none), DAIF | 5);
	}
}

/* Each bit of SPSR alone: which ones survive. */
static void of_old_pstate_only_flags_dit_and_pan_survive(void **state)
{
	const u64 kept = N_TO_V | DIT | PAN;

	for (unsigned int bit = 5; bit < 64; bit++) {
		u64 quiet = pstate(5, SPAN | SPINTMASK, &all);
		u64 got = pstate(5 | BIT(bit), SPAN | SPINTMASK, &all);
		u64 expected = quiet | (BIT(bit) & kept);

		if (got != expected)
			fail_msg("SPSR bit %u: new PSTATE %#lx, expected %#lx", bit, got, expected);
	}
	assert_int_equal(pstate(5 | SS | IL | BTYPE | UAO, SPAN, &none), DAIF | 5);
	/* T, E, IT, GE and Q of AArch32 leave nothing behind. */
	assert_int_equal(pstate(AARCH32 | 0x0f0ffc20 | N_TO_V, SPAN, &none),
			 DAIF | 5 | N_TO_V | (0x0f0ffc20 & DIT));
}

static void pan_is_set_unless_span_says_not_to(void **state)
{
	const struct pstate_features pan = { .pan = true };

	assert_int_equal(pstate(5, 0, &pan) & PAN, PAN);
	assert_int_equal(pstate(5 | PAN, 0, &pan) & PAN, PAN);
	assert_int_equal(pstate(5, SPAN, &pan) & PAN, 0);
	assert_int_equal(pstate(5 | PAN, SPAN, &pan) & PAN, PAN);
	/* Without FEAT_PAN both bits are RES0. */
	assert_int_equal(pstate(5 | PAN, 0, &none) & PAN, 0);
}

static void ssbs_is_what_dssbs_says(void **state)
{
	const struct pstate_features ssbs = { .ssbs = true };

	assert_int_equal(pstate(5 | SSBS, 0, &ssbs) & SSBS, 0);
	assert_int_equal(pstate(5, DSSBS, &ssbs) & SSBS, SSBS);
	assert_int_equal(pstate(5 | SSBS, DSSBS, &none) & SSBS, 0);
}

static void uao_and_btype_are_cleared_and_tco_is_set(void **state)
{
	const struct pstate_features uao = { .uao = true }, mte = { .mte = true };

	assert_int_equal(pstate(5 | UAO | BTYPE, SPAN, &uao), DAIF | 5);
	assert_int_equal(pstate(5, SPAN, &mte), DAIF | 5 | TCO);
	assert_int_equal(pstate(5 | TCO, SPAN, &none), DAIF | 5);
}

/* PSTATE.ALLINT = NOT SCTLR_EL1.SPINTMASK, whether or not SCTLR_EL1.NMI makes it count. */
static void allint_is_the_inverse_of_spintmask(void **state)
{
	const struct pstate_features nmi = { .nmi = true };

	assert_int_equal(pstate(5, NMI, &nmi) & ALLINT, ALLINT);
	assert_int_equal(pstate(5, 0, &nmi) & ALLINT, ALLINT);
	assert_int_equal(pstate(5 | ALLINT, NMI | SPINTMASK, &nmi) & ALLINT, 0);
	assert_int_equal(pstate(5 | ALLINT, SPINTMASK, &nmi) & ALLINT, 0);
	assert_int_equal(pstate(5 | ALLINT, NMI, &none) & ALLINT, 0);
}

/* ---- syndromes ---- */

#define EC(x)	   ((u64)(x) << 26)
#define ESR_IL_BIT BIT(25)
#define CM	   BIT(8)
#define S1PTW	   BIT(7)
#define WNR	   BIT(6)
#define EL0	   0x0ULL
#define EL0_A32	   0x10ULL

/* Of every abort from EL0, AArch32 EL0, EL1t and EL1h: what EL1 is told. */
static void external_aborts_have_their_syndromes(void **state)
{
	static const struct {
		const char *what;
		u64 esr, spsr, expected;
	} rows[] = {
		{ "read by EL1", EC(0x24) | 0x06, 5, EC(0x25) | 0x10 },
		{ "write by EL1", EC(0x24) | WNR | 0x07, 5, EC(0x25) | WNR | 0x10 },
		{ "read by EL1t", EC(0x24) | 0x04, 4, EC(0x25) | 0x10 },
		{ "read by EL0", EC(0x24) | 0x05, EL0, EC(0x24) | 0x10 },
		{ "write by EL0", EC(0x24) | WNR | 0x05, EL0, EC(0x24) | WNR | 0x10 },
		{ "read by AArch32", EC(0x24) | 0x05, EL0_A32, EC(0x24) | 0x10 },
		{ "cache maintenance", EC(0x24) | CM | WNR | 0x07, 5, EC(0x25) | CM | WNR | 0x10 },
		{ "fetch by EL1", EC(0x20) | 0x07, 5, EC(0x21) | 0x10 },
		{ "fetch by EL0", EC(0x20) | 0x07, EL0, EC(0x20) | 0x10 },
		{ "fetch by AArch32", EC(0x20) | 0x07, EL0_A32, EC(0x20) | 0x10 },
		{ "walk for a read", EC(0x24) | S1PTW | 0x05, 5, EC(0x25) | 0x14 },
		{ "walk for EL0's write", EC(0x24) | S1PTW | WNR | 0x05, EL0,
		  EC(0x24) | WNR | 0x14 },
		{ "walk for a fetch", EC(0x20) | S1PTW | 0x05, 5, EC(0x21) | 0x14 },
		/* permission fault, access flag fault, address size fault: all the same */
		{ "permission", EC(0x24) | 0x0f, 5, EC(0x25) | 0x10 },
		{ "access flag", EC(0x24) | 0x0b, 5, EC(0x25) | 0x10 },
		{ "address size", EC(0x24) | 0x01, 5, EC(0x25) | 0x10 },
		/* the decoded access (ISV..AR), VNCR, FnV, EA and ISS2 are EL2's alone */
		{ "with ISS", EC(0x24) | 0x1ffe600ULL | 0x06, 5, EC(0x25) | 0x10 },
		{ "with ISS2", 0xffffff00000000ULL | EC(0x24) | 0x06, 5, EC(0x25) | 0x10 },
		/* external aborts stay what they are: FnV, EA and the level are valid in these */
		{ "external", EC(0x24) | WNR | 0x10, 5, EC(0x25) | WNR | 0x10 },
		{ "external, no FAR", EC(0x24) | 0x600 | 0x10, EL0, EC(0x24) | 0x600 | 0x10 },
		{ "external, with SET", EC(0x24) | 0x1800 | 0x10, 5, EC(0x25) | 0x10 },
		{ "external, fetch", EC(0x20) | 0x600 | 0x10, 5, EC(0x21) | 0x600 | 0x10 },
		{ "external, walk", EC(0x24) | 0x200 | 0x16, 5, EC(0x25) | 0x200 | 0x16 },
		{ "external, walk, level -1", EC(0x20) | 0x13, EL0, EC(0x20) | 0x13 },
		{ "external, walk, level -2", EC(0x24) | 0x12, 5, EC(0x25) | 0x12 },
		{ "external, stage 2 walk", EC(0x24) | S1PTW | 0x17, 5, EC(0x25) | 0x14 },
		{ "bits that a fetch has not", EC(0x20) | 0x1ffe740ULL | 0x06, 5, EC(0x21) | 0x10 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 got = el1_external_abort_esr(rows[i].esr, rows[i].spsr);
		u64 il = el1_external_abort_esr(rows[i].esr | ESR_IL_BIT, rows[i].spsr);
		/* IL is 1 where ISV is 0 (D24.2.40), whatever the instruction was. */
		u64 expected = rows[i].expected | ESR_IL_BIT;

		if (got != expected || il != expected)
			fail_msg("%s: ESR %#lx, and %#lx with IL; expected %#lx", rows[i].what, got,
				 il, expected);
	}
}

/* A refused load or store is an alignment fault; all else is as an external abort. */
static void refusals_have_their_syndromes(void **state)
{
	static const struct {
		const char *what;
		u64 esr, spsr, expected;
	} rows[] = {
		{ "read by EL1", EC(0x24) | 0x06, 5, EC(0x25) | 0x21 },
		{ "write by EL1", EC(0x24) | WNR | 0x0f, 5, EC(0x25) | WNR | 0x21 },
		{ "read by EL0", EC(0x24) | 0x05, EL0, EC(0x24) | 0x21 },
		{ "read by AArch32", EC(0x24) | 0x05, EL0_A32, EC(0x24) | 0x21 },
		{ "cache maintenance", EC(0x24) | CM | WNR | 0x07, 5, EC(0x25) | CM | WNR | 0x21 },
		{ "fetch by EL1", EC(0x20) | 0x07, 5, EC(0x21) | 0x10 },
		{ "fetch by EL0", EC(0x20) | 0x0f, EL0, EC(0x20) | 0x10 },
		{ "walk for a read", EC(0x24) | S1PTW | 0x05, 5, EC(0x25) | 0x14 },
		{ "walk for a fetch", EC(0x20) | S1PTW | 0x05, 5, EC(0x21) | 0x14 },
		{ "with ISS", EC(0x24) | 0x1ffe600ULL | 0x06, 5, EC(0x25) | 0x21 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 got = el1_refusal_esr(rows[i].esr, rows[i].spsr);
		u64 expected = rows[i].expected | ESR_IL_BIT;

		if (got != expected)
			fail_msg("%s: ESR %#lx, expected %#lx", rows[i].what, got, expected);
	}
}

static void undefined_exceptions_have_their_syndrome(void **state)
{
	assert_int_equal(el1_undef_esr(), ESR_IL_BIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vector_is_chosen_by_where_the_exception_comes_from),
		cmocka_unit_test(it_is_taken_to_el1h_with_everything_masked),
		cmocka_unit_test(of_old_pstate_only_flags_dit_and_pan_survive),
		cmocka_unit_test(pan_is_set_unless_span_says_not_to),
		cmocka_unit_test(ssbs_is_what_dssbs_says),
		cmocka_unit_test(uao_and_btype_are_cleared_and_tco_is_set),
		cmocka_unit_test(allint_is_the_inverse_of_spintmask),
		cmocka_unit_test(external_aborts_have_their_syndromes),
		cmocka_unit_test(refusals_have_their_syndromes),
		cmocka_unit_test(undefined_exceptions_have_their_syndrome),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
