// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/spe/spe_filter.c hyp/spe/spe_regs.c */
/* Which samples SPE's filters accept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <spe/spe_filter.h>

static struct spe_regs regs;

static int setup(void **state)
{
	memset(&regs, 0, sizeof(regs));
	return 0;
}

static void set(u32 encoding, u64 value)
{
	assert_true(spe_reg_write(&regs, encoding, value));
}

static void without_a_filter_all_samples_are_kept(void **state)
{
	set(REG_NUM(PMSEVFR_EL1), ~0ULL);
	set(REG_NUM(PMSNEVFR_EL1), ~0ULL);
	set(REG_NUM(PMSLATFR_EL1), ~0ULL);
	set(REG_NUM(PMSFCR_EL1), 7 << 16);
	assert_true(spe_filter_keep(&regs, 0, 0, 0));
	assert_true(spe_filter_keep(&regs, ~0ULL, 7, 0));
}

static void samples_without_a_selected_event_are_rejected(void **state)
{
	set(REG_NUM(PMSFCR_EL1), 1);
	/* all that are named must be there: misaligned and not taken */
	set(REG_NUM(PMSEVFR_EL1), 1 << 11 | 1 << 6);
	assert_false(spe_filter_keep(&regs, 0, 0, 0));
	assert_false(spe_filter_keep(&regs, 1 << 11, 0, 0));
	assert_false(spe_filter_keep(&regs, 1 << 6, 0, 0));
	assert_true(spe_filter_keep(&regs, 1 << 11 | 1 << 6, 0, 0));
	assert_true(spe_filter_keep(&regs, ~0ULL, 0, 0));
	/* nothing named rejects nothing */
	set(REG_NUM(PMSEVFR_EL1), 0);
	assert_true(spe_filter_keep(&regs, 0, 0, 0));
}

static void samples_with_an_inversely_selected_event_are_rejected(void **state)
{
	set(REG_NUM(PMSFCR_EL1), 8);
	set(REG_NUM(PMSNEVFR_EL1), 1 << 11 | 1 << 6);
	assert_true(spe_filter_keep(&regs, 0, 0, 0));
	assert_true(spe_filter_keep(&regs, 1 << 1, 0, 0));
	assert_false(spe_filter_keep(&regs, 1 << 11, 0, 0));
	assert_false(spe_filter_keep(&regs, 1 << 6, 0, 0));
	/* wanted and not wanted: none */
	set(REG_NUM(PMSFCR_EL1), 9);
	set(REG_NUM(PMSEVFR_EL1), 1 << 6);
	assert_false(spe_filter_keep(&regs, 0, 0, 0));
	assert_false(spe_filter_keep(&regs, 1 << 6, 0, 0));
}

static void events_of_sve_need_sve(void **state)
{
	regs.sve = true;
	set(REG_NUM(PMSFCR_EL1), 1);
	set(REG_NUM(PMSEVFR_EL1), 1 << 17);
	assert_false(spe_filter_keep(&regs, 0, 0, 0));
	assert_true(spe_filter_keep(&regs, 1 << 17, 0, 0));
	/* a VM without SVE cannot ask */
	regs.sve = false;
	assert_true(spe_filter_keep(&regs, 0, 0, 0));
}

/* Every choice of PMSFCR_EL1.{B,LD,ST}, every kind of operation. */
static void samples_are_filtered_by_type(void **state)
{
	for (u64 wanted = 0; wanted < 8; wanted++)
		for (u64 ops = 0; ops < 8; ops++) {
			set(REG_NUM(PMSFCR_EL1), 2 | wanted << 16);
			assert_int_equal(spe_filter_keep(&regs, 0, ops, 0),
					 !wanted || (wanted & ops));
		}
}

static void samples_below_the_minimum_latency_are_rejected(void **state)
{
	set(REG_NUM(PMSFCR_EL1), 4);
	for (u32 min = 0; min <= 0xfff; min += 0x111) {
		set(REG_NUM(PMSLATFR_EL1), min);
		assert_true(spe_filter_keep(&regs, 0, 0, min));
		assert_true(spe_filter_keep(&regs, 0, 0, min + 1));
		if (min)
			assert_false(spe_filter_keep(&regs, 0, 0, min - 1));
		/* what cannot be known is no reason to reject */
		assert_true(spe_filter_keep(&regs, 0, 0, spe_filter_unknown_latency(&regs)));
		assert_int_equal(spe_filter_unknown_latency(&regs), min ? min : 1);
	}
	set(REG_NUM(PMSFCR_EL1), 0);
	assert_int_equal(spe_filter_unknown_latency(&regs), 1);
}

/* The result is the logical AND of the enabled filters. */
static void all_enabled_filters_must_agree(void **state)
{
	set(REG_NUM(PMSEVFR_EL1), 1 << 7);
	set(REG_NUM(PMSNEVFR_EL1), 1 << 11);
	set(REG_NUM(PMSLATFR_EL1), 10);
	for (u64 on = 0; on < 16; on++)
		for (unsigned int bad = 0; bad < 16; bad++) {
			set(REG_NUM(PMSFCR_EL1), on | 1 << 17);
			assert_int_equal(
				spe_filter_keep(
					&regs, (bad & 1 ? 0 : 1 << 7) | (bad & 8 ? 1 << 11 : 0),
					bad & 2 ? SPE_OP_STORE : SPE_OP_LOAD, bad & 4 ? 9 : 10),
				!(on & bad));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(without_a_filter_all_samples_are_kept, setup),
		cmocka_unit_test_setup(samples_without_a_selected_event_are_rejected, setup),
		cmocka_unit_test_setup(samples_with_an_inversely_selected_event_are_rejected,
				       setup),
		cmocka_unit_test_setup(events_of_sve_need_sve, setup),
		cmocka_unit_test_setup(samples_are_filtered_by_type, setup),
		cmocka_unit_test_setup(samples_below_the_minimum_latency_are_rejected, setup),
		cmocka_unit_test_setup(all_enabled_filters_must_agree, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
