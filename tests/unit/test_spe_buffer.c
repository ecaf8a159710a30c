// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/spe/spe_buffer.c hyp/spe/spe_regs.c */
/* The profiling buffer: where records go, when it is full, what PMBSR_EL1 says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <spe/spe_buffer.h>

#define BASE  0xffff800010000000ULL
#define S     (1ULL << 17)
#define EA    (1ULL << 18)
#define DL    (1ULL << 19)
#define COLL  (1ULL << 16)
#define EC(n) ((u64)(n) << 26)

static struct spe_regs regs;
static u64 va;

static void set(u32 encoding, u64 value)
{
	assert_true(spe_reg_write(&regs, encoding, value));
}

/* A buffer from @ptr to @limit, enabled. */
static void buffer(u64 ptr, u64 limit)
{
	set(REG_NUM(PMBPTR_EL1), ptr);
	set(REG_NUM(PMBLIMITR_EL1), limit | 1);
	set(REG_NUM(PMBSR_EL1), 0);
}

static int setup(void **state)
{
	memset(&regs, 0, sizeof(regs));
	buffer(BASE, BASE + 0x1000);
	return 0;
}

static void expect_stopped(u64 pmbsr, u64 ptr)
{
	assert_int_equal(regs.pmbsr, pmbsr);
	assert_int_equal(regs.pmbptr, ptr);
	assert_int_equal(spe_buffer_place(&regs, &va), SPE_PLACE_OFF);
	assert_int_equal(regs.pmbsr, pmbsr);
	assert_true(spe_irq(&regs));
}

static void the_buffer_fills_to_its_limit(void **state)
{
	for (u64 at = BASE; at < BASE + 0x1000; at += 64) {
		assert_int_equal(spe_buffer_place(&regs, &va), SPE_PLACE_WRITE);
		assert_int_equal(va, at);
		assert_int_equal(regs.pmbsr, 0);
		spe_buffer_written(&regs);
	}
	/* full when the last record that fits is there: S, EC 0, BSC 1 */
	expect_stopped(S | 1, BASE + 0x1000);
}

static void a_disabled_buffer_takes_no_record(void **state)
{
	set(REG_NUM(PMBLIMITR_EL1), BASE + 0x1000);
	assert_int_equal(spe_buffer_place(&regs, &va), SPE_PLACE_OFF);
	assert_int_equal(regs.pmbsr, 0);
}

static void in_discard_mode_records_go_nowhere(void **state)
{
	set(REG_NUM(PMBLIMITR_EL1), BASE | 1 | 2 << 1);
	/* whatever the pointer is */
	set(REG_NUM(PMBPTR_EL1), ~0ULL);
	assert_int_equal(spe_buffer_place(&regs, &va), SPE_PLACE_DISCARD);
	assert_int_equal(regs.pmbsr, 0);
	/* reserved modes are Fill mode */
	buffer(BASE, (BASE + 0x1000) | 1 << 1);
	assert_int_equal(spe_buffer_place(&regs, &va), SPE_PLACE_WRITE);
	buffer(BASE, (BASE + 0x1000) | 3 << 1);
	assert_int_equal(spe_buffer_place(&regs, &va), SPE_PLACE_WRITE);
}

/* Software has set the pointer where no record fits: nothing is written. */
static void a_pointer_without_room_is_a_full_buffer(void **state)
{
	static const u64 rows[][2] = {
		{ BASE + 0x1000, BASE + 0x1000 }, /* empty */
		{ BASE + 0x2000, BASE + 0x1000 }, /* the limit is below */
		{ ~63ULL, 0 },			  /* a limit of 0 is 0, not 2^64 */
		{ 0, 0 },
		{ ~63ULL, ~0xfffULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		buffer(rows[i][0], rows[i][1]);
		assert_int_equal(spe_buffer_place(&regs, &va), SPE_PLACE_OFF);
		expect_stopped(S | 1, rows[i][0]);
	}
}

static void the_last_record_of_the_address_space_is_written(void **state)
{
	buffer(~0xfffULL - 64, ~0xfffULL);
	assert_int_equal(spe_buffer_place(&regs, &va), SPE_PLACE_WRITE);
	spe_buffer_written(&regs);
	expect_stopped(S | 1, ~0xfffULL);
}

static void the_pointer_is_aligned(void **state)
{
	buffer(BASE + 0x3f, BASE + 0x1000);
	assert_int_equal(spe_buffer_place(&regs, &va), SPE_PLACE_WRITE);
	assert_int_equal(va, BASE);
	buffer(BASE + 0xfff, BASE + 0x1000);
	assert_int_equal(spe_buffer_place(&regs, &va), SPE_PLACE_WRITE);
	assert_int_equal(va, BASE + 0xfc0);
}

static void a_fault_gives_its_syndrome(void **state)
{
	static const struct {
		unsigned int stage;
		u32 fsc;
		u64 pmbsr;
	} rows[] = {
		{ 1, 0x07, EC(0x24) | 0x07 }, /* translation, level 3 */
		{ 1, 0x0f, EC(0x24) | 0x0f }, /* permission */
		{ 1, 0x0b, EC(0x24) | 0x0b }, /* access flag */
		{ 1, 0x2b, EC(0x24) | 0x2b }, /* translation, level -1 */
		{ 1, 0x00, EC(0x24) },	      /* address size, level 0 */
		{ 2, 0x06, EC(0x25) | 0x06 },
		{ 1, 0x10, EC(0x24) | 0x10 | EA }, /* external abort, on the write */
		{ 1, 0x13, EC(0x24) | 0x13 | EA }, /* on a walk */
		{ 1, 0x14, EC(0x24) | 0x14 | EA },
		{ 1, 0x17, EC(0x24) | 0x17 | EA },
		{ 2, 0x15, EC(0x25) | 0x15 | EA },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		setup(NULL);
		spe_buffer_fault(&regs, rows[i].stage, rows[i].fsc);
		expect_stopped(rows[i].pmbsr | S, BASE);
	}
}

static void an_abort_is_a_synchronous_external_abort(void **state)
{
	spe_buffer_abort(&regs);
	expect_stopped(EC(0x24) | 0x10 | EA | S, BASE);
}

/* An event replaces what the guest left in PMBSR_EL1 without S, except the sticky bits. */
static void an_event_replaces_a_syndrome_that_software_left(void **state)
{
	set(REG_NUM(PMBSR_EL1), EC(0x3f) | 0x3f | COLL | EA | DL);
	spe_buffer_fault(&regs, 1, 0x07);
	expect_stopped(EC(0x24) | 0x07 | COLL | EA | DL | S, BASE);
}

/* The first event stays until software has cleared S. */
static void an_event_stays_until_software_clears_it(void **state)
{
	spe_buffer_fault(&regs, 1, 0x07);
	spe_buffer_fault(&regs, 2, 0x0f);
	spe_buffer_abort(&regs);
	expect_stopped(EC(0x24) | 0x07 | S, BASE);
	set(REG_NUM(PMBSR_EL1), 0);
	assert_int_equal(spe_buffer_place(&regs, &va), SPE_PLACE_WRITE);
	/* software sets S itself: the interrupt, and no more records */
	set(REG_NUM(PMBSR_EL1), S);
	expect_stopped(S, BASE);
}

static void the_collision_bit_does_not_stop_the_buffer(void **state)
{
	set(REG_NUM(PMBSR_EL1), COLL);
	assert_int_equal(regs.pmbsr, COLL);
	assert_int_equal(spe_buffer_place(&regs, &va), SPE_PLACE_WRITE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_buffer_fills_to_its_limit, setup),
		cmocka_unit_test_setup(a_disabled_buffer_takes_no_record, setup),
		cmocka_unit_test_setup(in_discard_mode_records_go_nowhere, setup),
		cmocka_unit_test_setup(a_pointer_without_room_is_a_full_buffer, setup),
		cmocka_unit_test_setup(the_last_record_of_the_address_space_is_written, setup),
		cmocka_unit_test_setup(the_pointer_is_aligned, setup),
		cmocka_unit_test_setup(a_fault_gives_its_syndrome, setup),
		cmocka_unit_test_setup(an_abort_is_a_synchronous_external_abort, setup),
		cmocka_unit_test_setup(an_event_replaces_a_syndrome_that_software_left, setup),
		cmocka_unit_test_setup(an_event_stays_until_software_clears_it, setup),
		cmocka_unit_test_setup(the_collision_bit_does_not_stop_the_buffer, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
