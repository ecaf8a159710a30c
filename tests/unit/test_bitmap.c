// SPDX-License-Identifier: BSD-2-Clause
/* Bitmaps against an array of bool, with sizes around the word size. */
/* SOURCES: */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lib/bitmap.h>

#define MAX_BITS 200

static const unsigned int sizes[] = { 1, 7, 63, 64, 65, 127, 128, 129, MAX_BITS };

static unsigned int naive_next(const bool *model, unsigned int bits, unsigned int from, bool value)
{
	while (from < bits && model[from] != value)
		from++;
	return MIN(from, bits);
}

static void compare(const u64 *map, const bool *model, unsigned int bits)
{
	unsigned int weight = 0, bit, want;

	for (unsigned int from = 0; from < bits; from++) {
		weight += model[from];
		assert_int_equal(bitmap_test(map, from), model[from]);
		bit = bitmap_next_set(map, bits, from);
		want = naive_next(model, bits, from, true);
		if (bit != want)
			fail_msg("%u bits from %u: set %u, expected %u", bits, from, bit, want);
		bit = bitmap_next_clear(map, bits, from);
		want = naive_next(model, bits, from, false);
		if (bit != want)
			fail_msg("%u bits from %u: clear %u, expected %u", bits, from, bit, want);
	}
	assert_int_equal(bitmap_weight(map, bits), weight);
	assert_int_equal(bitmap_next_set(map, bits, bits), bits);
	assert_int_equal(bitmap_next_clear(map, bits, bits), bits);
}

/* The heap's words are exactly those that the size needs. */
static void bitmap_agrees_with_an_array(void **state)
{
	srandom(1);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		u64 *map = malloc(BITMAP_WORDS(sizes[i]) * sizeof(u64));
		bool model[MAX_BITS] = { false };

		bitmap_zero(map, sizes[i]);
		for (int round = 0; round < 300; round++) {
			unsigned int bit = (unsigned int)random() % sizes[i];

			model[bit] = random() % 3;
			if (model[bit])
				bitmap_set(map, bit);
			else
				bitmap_clear(map, bit);
			compare(map, model, sizes[i]);
		}
		free(map);
	}
}

/* Bits beyond the size, in the last word, are ignored. */
static void bits_beyond_the_size_are_not_found(void **state)
{
	DECLARE_BITMAP(map, 70) = { 0, BIT(6) };

	assert_int_equal(bitmap_next_set(map, 70, 0), 70);
	assert_int_equal(bitmap_weight(map, 70), 0);
	assert_int_equal(bitmap_next_set(map, 71, 0), 70);
}

static void the_loop_visits_set_bits_in_order_while_they_are_cleared(void **state)
{
	static const unsigned int want[] = { 0, 5, 63, 64, 99 };
	DECLARE_BITMAP(map, 100) = { 0 };
	unsigned int bit, count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		bitmap_set(map, want[i]);
	for_each_set_bit (bit, map, 100) {
		assert_true(count < ARRAY_SIZE(want));
		assert_int_equal(bit, want[count++]);
		bitmap_clear(map, bit);
	}
	assert_int_equal(count, ARRAY_SIZE(want));
	assert_int_equal(bitmap_weight(map, 100), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bitmap_agrees_with_an_array),
		cmocka_unit_test(bits_beyond_the_size_are_not_found),
		cmocka_unit_test(the_loop_visits_set_bits_in_order_while_they_are_cleared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
