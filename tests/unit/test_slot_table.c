// SPDX-License-Identifier: BSD-2-Clause
/*
 * The slots of a VM in two orders (linux/slot_table.h) against a search of them all: while slots are
 * added, removed, replaced and moved at random, each look-up by guest address and each part of a range
 * of the process's memory is what the search finds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lib/compiler.h>
#include <lib/types.h>

#undef min
#undef max
#define min(a, b)  ((a) < (b) ? (a) : (b))
#define max(a, b)  ((a) > (b) ? (a) : (b))
#define PAGE_SHIFT 12

#include "slots_of_tests.h"

#include "../../linux/slot_table.h"

#define MOST	  300
#define GUEST_END 4096 /* pages */
#define HOST	  0x7f0000000000UL
#define HOST_END  512 /* pages: fewer than the guest has, so that slots share memory */

static struct keel_slots *table;
static int a_file;

static unsigned int roll(unsigned int sides)
{
	return (unsigned int)rand() % sides;
}

static struct keel_slots *new_table(size_t room)
{
	struct keel_slots *new = malloc(sizeof(*new) + keel_table_size(room));

	assert_non_null(new);
	keel_table_begin(new, room);
	return new;
}

static void change(const struct keel_slot *without, struct keel_slot *add)
{
	struct keel_slots *new = new_table(table->count + 1);

	keel_table_copy(new, table, without, add);
	free(table);
	table = new;
}

static bool is_free(const struct keel_slot *slot, const struct keel_slot *but)
{
	for (unsigned int i = 0; i < table->count; i++)
		if (table->slot[i] != but && slot->gfn < keel_slot_end(table->slot[i]) &&
		    table->slot[i]->gfn < keel_slot_end(slot))
			return false;
	return true;
}

static struct keel_slot *random_slot(void)
{
	struct keel_slot *slot = calloc(1, sizeof(*slot));

	assert_non_null(slot);
	slot->npages = 1 + (roll(20) ? roll(8) : roll(200));
	slot->gfn = roll(GUEST_END);
	slot->hva = HOST + ((unsigned long)roll(HOST_END) << PAGE_SHIFT);
	slot->file = roll(10) ? NULL : &a_file;
	return slot;
}

/* What is added, or replaces another, or nothing if it has no room. */
static void change_one(void)
{
	struct keel_slot *old = table->count && roll(2) ? table->slot[roll(table->count)] : NULL;
	struct keel_slot *add = table->count < MOST && roll(4) ? random_slot() : NULL;

	if (add && !is_free(add, old)) {
		free(add);
		return;
	}
	change(old, add);
	free(old);
}

/* Once in the order of guest addresses, so as often in the other. */
static void check_is_there(const struct keel_slot *slot)
{
	unsigned int at = keel_table_first(table, slot->gfn);

	assert_true(at < table->count && table->slot[at] == slot);
}

static void check_orders(void)
{
	unsigned long reach = 0;

	for (unsigned int i = 0; i < table->count; i++) {
		const struct keel_slot *slot = table->by_host[i];

		if (i) {
			assert_true(table->slot[i]->gfn >= keel_slot_end(table->slot[i - 1]));
			assert_true(slot->hva >= table->by_host[i - 1]->hva);
		}
		reach = max(reach, keel_slot_host_end(slot));
		assert_int_equal(table->reach[i], reach);
		check_is_there(slot);
	}
}

static void check_guest_address(u64 gfn)
{
	unsigned int at = keel_table_first(table, gfn), i = 0;

	while (i < table->count && keel_slot_end(table->slot[i]) <= gfn)
		i++;
	assert_int_equal(at, i);
}

/* The first part by a search of all slots. */
static bool search(unsigned long start, unsigned long end, u64 *gfn, u64 *npages)
{
	bool found = false;

	for (unsigned int i = 0; i < table->count && !found; i++)
		found = keel_part_in_slot(table->slot[i], start, end, gfn, npages);
	return found;
}

/* All parts of a range, in order. */
static void check_range(unsigned long start, unsigned long end)
{
	u64 gfn = roll(4) ? 0 : roll(GUEST_END), npages = 0;

	for (;;) {
		u64 at = gfn, count = 0;
		bool found = search(start, end, &at, &count);

		assert_int_equal(keel_table_part(table, start, end, &gfn, &npages), found);
		if (!found)
			return;
		assert_int_equal(gfn, at);
		assert_int_equal(npages, count);
		gfn += npages;
	}
}

static void check_some_ranges(void)
{
	unsigned long start = HOST + ((unsigned long)roll(HOST_END) << PAGE_SHIFT);

	check_range(start, start + (1UL << PAGE_SHIFT));
	check_range(start, start + ((1UL + roll(100)) << PAGE_SHIFT));
	check_range(0, HOST);
	check_range(0, ~0UL);
	check_range(start + 1, start + 2);
}

static void empty(void)
{
	while (table->count) {
		struct keel_slot *slot = table->slot[roll(table->count)];

		change(slot, NULL);
		free(slot);
		check_orders();
	}
}

static void test_look_ups_find_what_a_search_finds(void **state)
{
	(void)state;
	srand(1);
	table = new_table(0);
	check_some_ranges();
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < 3000; i++) {
			change_one();
			check_orders();
			check_guest_address(roll(GUEST_END));
			check_some_ranges();
		}
		assert_true(table->count > MOST / 4);
		empty();
	}
	free(table);
}

/* Thousands of slots of a page each, in the reverse order of the process's memory. */
static void test_the_most_slots_that_there_are(void **state)
{
	enum { ALL = 32764 };
	struct keel_slot *slots = calloc(ALL, sizeof(*slots));
	u64 gfn, npages;

	(void)state;
	assert_non_null(slots);
	table = new_table(ALL);
	for (unsigned int i = 0; i < ALL; i++) {
		slots[i] = (struct keel_slot){ .gfn = 2 * (u64)i,
					       .npages = 1,
					       .hva = HOST + ((ALL - 1UL - i) << PAGE_SHIFT) };
		table->slot[table->count++] = &slots[i];
	}
	for (unsigned int i = 0; i < ALL; i++) {
		table->by_host[i] = &slots[ALL - 1 - i];
		table->reach[i] = keel_slot_host_end(table->by_host[i]);
	}
	for (unsigned int i = 0; i < ALL; i += 97) {
		gfn = 0;
		assert_int_equal(keel_table_first(table, 2 * (u64)i), i);
		assert_true(keel_table_part(table, slots[i].hva, slots[i].hva + 1, &gfn, &npages));
		assert_int_equal(gfn, slots[i].gfn);
		assert_int_equal(npages, 1);
	}
	gfn = 0;
	for (unsigned int i = 0; i < ALL; i++) {
		assert_true(keel_table_part(table, 0, ~0UL, &gfn, &npages));
		assert_int_equal(gfn, slots[i].gfn);
		gfn += npages;
	}
	assert_false(keel_table_part(table, 0, ~0UL, &gfn, &npages));
	change(&slots[ALL / 2], NULL);
	gfn = 0;
	assert_false(
		keel_table_part(table, slots[ALL / 2].hva, slots[ALL / 2].hva + 1, &gfn, &npages));
	assert_int_equal(table->by_host[0]->gfn, slots[ALL - 1].gfn);
	free(table);
	free(slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_look_ups_find_what_a_search_finds),
		cmocka_unit_test(test_the_most_slots_that_there_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
