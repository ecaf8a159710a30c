// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/cpu/extable.c */
/* The exception table: which faults of EL2's go on, and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include <cpu/extable.h>
#include <lib/esr.h>

#define EXTERNAL (FIELD_PREP(ESR_EC, ESR_EC_DABT_CUR) | ESR_IL | ESR_FSC_EXTABT)

/* "Code": a table's distances are 32 bits wide, so it lies where the table is. */
static u8 text[256];
static struct extable_row rows[3];

static s32 distance(const s32 *from, unsigned int at)
{
	return (s32)((intptr_t)&text[at] - (intptr_t)from);
}

static u64 pc(unsigned int at)
{
	return (u64)(uintptr_t)&text[at];
}

static void row(unsigned int i, unsigned int from, unsigned int to, unsigned int fixup)
{
	rows[i].from = distance(&rows[i].from, from);
	rows[i].to = distance(&rows[i].to, to);
	rows[i].fixup = distance(&rows[i].fixup, fixup);
}

static int setup(void **state)
{
	row(0, 64, 68, 200);
	row(1, 8, 40, 204);
	row(2, 40, 44, 0);
	return 0;
}

static void each_instruction_goes_to_its_own_place(void **state)
{
	for (unsigned int at = 0; at < sizeof(text); at += 4) {
		u64 to = 0, want = at == 64		? pc(200)
				   : at >= 8 && at < 40 ? pc(204)
				   : at == 40		? pc(0)
							: 0;

		assert_int_equal(extable_fixup(rows, 3, EXTERNAL, pc(at), &to), want != 0);
		assert_int_equal(to, want);
	}
}

static void an_empty_table_knows_nothing(void **state)
{
	u64 to = 7;

	assert_false(extable_fixup(rows, 0, EXTERNAL, pc(64), &to));
	assert_int_equal(to, 7);
}

/*
 * An instruction abort at a place that may fault is a wild jump, a breakpoint is a mistake. SErrors
 * are masked everywhere else.
 */
static void only_data_aborts_and_serrors_are_looked_up(void **state)
{
	u64 to;

	for (u64 ec = 0; ec < ESR_EC_COUNT; ec++)
		assert_int_equal(extable_fixup(rows, 3,
					       FIELD_PREP(ESR_EC, ec) | ESR_IL | ESR_FSC_EXTABT,
					       pc(64), &to),
				 ec == ESR_EC_DABT_CUR || ec == ESR_EC_SERROR);
}

/* What EL3 keeps is UNDEFINED, or is as if it trapped; an abort there is a mistake, and no answer. */
static void registers_that_may_be_undefined_have_rows_of_their_own(void **state)
{
	u64 to;

	rows[1].fixup |= EXTABLE_UNDEF;
	for (u64 ec = 0; ec < ESR_EC_COUNT; ec++) {
		u64 esr = FIELD_PREP(ESR_EC, ec) | ESR_IL | ESR_FSC_EXTABT;
		bool undefined = ec == ESR_EC_UNKNOWN || ec == ESR_EC_SYS64 || ec == ESR_EC_SME;

		assert_int_equal(extable_fixup(rows, 3, esr, pc(8), &to), undefined);
		if (undefined)
			assert_int_equal(to, pc(204));
	}
	assert_false(extable_fixup(rows, 3, FIELD_PREP(ESR_EC, ESR_EC_UNKNOWN), pc(44), &to));
}

/* What the memory says is its owner's; what EL2's own tables say is EL2's. */
static void faults_of_el2s_own_tables_are_no_answer(void **state)
{
	static const u8 own[] = {
		0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
		0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x21, 0x2b,
	};
	u64 to;

	for (u64 fsc = 0; fsc <= ESR_FSC; fsc++) {
		u64 esr = FIELD_PREP(ESR_EC, ESR_EC_DABT_CUR) | ESR_IL | fsc;
		bool mine = false;

		for (size_t i = 0; i < ARRAY_SIZE(own); i++)
			mine |= own[i] == fsc;
		assert_int_equal(extable_fixup(rows, 3, esr, pc(64), &to), !mine);
		/* of an AT or cache instruction the tables can be a guest's */
		assert_true(extable_fixup(rows, 3, esr | ESR_CM, pc(64), &to));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_instruction_goes_to_its_own_place, setup),
		cmocka_unit_test_setup(an_empty_table_knows_nothing, setup),
		cmocka_unit_test_setup(only_data_aborts_and_serrors_are_looked_up, setup),
		cmocka_unit_test_setup(registers_that_may_be_undefined_have_rows_of_their_own,
				       setup),
		cmocka_unit_test_setup(faults_of_el2s_own_tables_are_no_answer, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
