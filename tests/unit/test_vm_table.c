// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/mm/page_pool.c */
/*
 * Handles when another CPU comes in between: at each compare-and-exchange of the table, and each
 * look at a handle, the test gets the chance to end the VM and to make another in its slot.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void come_between(void);

#define __atomic_compare_exchange_n(p, expected, value, weak, yes, no)          \
	({                                                                      \
		__typeof__(*(p)) value_ = (value);                              \
                                                                                \
		come_between();                                                 \
		__atomic_compare_exchange(p, expected, &value_, weak, yes, no); \
	})

#include "../../hyp/vm/vm_table.c"

struct spinlock ownership_lock = SPINLOCK_INIT(LOCK_OWNERSHIP);

static struct page_pool pool;
static struct vm vms[2];
static void (*other_cpu)(void);

static void come_between(void)
{
	void (*run)(void) = other_cpu;

	other_cpu = NULL;
	if (run)
		run();
}

static int start(void **state)
{
	static u8 memory[4][POOL_PAGE_SIZE] __aligned(4096);

	assert_int_equal(page_pool_init(&pool, memory, 4), 0);
	assert_int_equal(vm_table_init(&pool), 0);
	other_cpu = NULL;
	return 0;
}

static u64 make(struct vm *vm)
{
	struct vm_slot *slot;

	assert_int_equal(vm_table_new(&slot), 0);
	slot->vm = vm;
	vm->handle = slot->handle;
	vm_table_open(slot);
	return slot->handle;
}

static void end(u64 handle)
{
	struct vm_slot *slot;

	assert_int_equal(vm_table_close(handle, &slot), 0);
	vm_table_free(slot);
}

static void replace(void)
{
	end(vms[0].handle);
	make(&vms[1]);
}

static void end_first(void)
{
	end(vms[0].handle);
}

static void a_slot_that_changed_hands_is_not_taken_for_the_old_vm(void **state)
{
	u64 old = make(&vms[0]);

	other_cpu = replace;
	assert_null(vm_get(old));
	assert_null(other_cpu);
	/* The new VM is there, and no call is counted. */
	assert_int_equal(vms[1].handle & HANDLE_INDEX, old & HANDLE_INDEX);
	assert_ptr_equal(vm_get(vms[1].handle), &vms[1]);
	vm_put(&vms[1]);
	end(vms[1].handle);
}

static void a_vm_that_ends_meanwhile_is_not_found(void **state)
{
	u64 handle = make(&vms[0]);

	other_cpu = end_first;
	assert_null(vm_get(handle));
	assert_null(other_cpu);
	/* Its slot is as free as any. */
	assert_ptr_equal(vm_get(make(&vms[1])), &vms[1]);
}

static u64 entered;

static void enter(void)
{
	assert_non_null(vm_get(entered));
}

static void a_call_that_comes_first_keeps_the_vm(void **state)
{
	struct vm_slot *slot;

	entered = make(&vms[0]);
	other_cpu = enter;
	assert_int_equal(vm_table_close(entered, &slot), -EBUSY);
	vm_put(&vms[0]);
	assert_int_equal(vm_table_close(entered, &slot), 0);
	assert_null(vm_get(entered));
	assert_int_equal(vm_table_close(entered, &slot), -EBUSY); /* another CPU ends it */
	vm_table_pause(slot);
	assert_null(vm_get(entered));
	assert_int_equal(vm_table_close(entered, &slot), 0);
}

static void a_vm_in_the_making_is_not_found(void **state)
{
	struct vm_slot *slot, *other;

	assert_int_equal(vm_table_new(&slot), 0);
	assert_null(vm_get(slot->handle));
	assert_int_equal(vm_table_close(slot->handle, &other), -EBUSY);
}

static void the_table_is_full_at_its_end(void **state)
{
	static u8 memory[VM_TABLE_PAGES][POOL_PAGE_SIZE] __aligned(4096);
	struct vm_slot *slot;
	unsigned int i;

	assert_int_equal(page_pool_init(&pool, memory, VM_TABLE_PAGES), 0);
	assert_int_equal(vm_table_init(&pool), 0);
	for (i = 0; i < VM_TABLE_SLOTS; i++) {
		assert_int_equal(vm_table_new(&slot), 0);
		assert_int_equal(slot->handle & HANDLE_INDEX, i);
	}
	assert_int_equal(vm_table_new(&slot), -ENOSPC);
	assert_int_equal(page_pool_available(&pool), 0);
}

/* What is left of the pool is the reserve: the table does not grow into it. */
static void the_reserve_is_not_for_handles(void **state)
{
	struct vm_slot *slot;

	page_pool_set_reserve(&pool, 2);
	for (unsigned int i = 0; i < 2 * VM_SLOTS_PER_PAGE; i++)
		assert_int_equal(vm_table_new(&slot), 0);
	assert_int_equal(vm_table_new(&slot), -ENOBUFS);
	assert_int_equal(page_pool_available(&pool), 2);
	page_pool_set_reserve(&pool, 0);
	assert_int_equal(vm_table_new(&slot), 0);
}

static void all_handles_are_gone_through(void **state)
{
	static u8 memory[20][POOL_PAGE_SIZE] __aligned(4096);
	struct vm_slot *slot[200];
	bool seen[200] = { false };
	unsigned int count = 0;
	u64 handle = 0;

	assert_int_equal(vm_table_next(0), 0);
	assert_int_equal(page_pool_init(&pool, memory, 20), 0);
	assert_int_equal(vm_table_init(&pool), 0);
	vm_table_grow();
	vm_table_grow();
	assert_int_equal(page_pool_available(&pool), 20 - VM_TABLE_BOOT_PAGES);
	for (unsigned int i = 0; i < ARRAY_SIZE(slot); i++)
		assert_int_equal(vm_table_new(&slot[i]), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(slot); i += 3)
		vm_table_free(slot[i]);
	/* In the making, open, or half destroyed, all the same. */
	for (unsigned int i = 1; i < ARRAY_SIZE(slot); i += 3)
		vm_table_open(slot[i]);
	while ((handle = vm_table_next(handle))) {
		unsigned int i = 0;

		while (i < ARRAY_SIZE(slot) && slot[i]->handle != handle)
			i++;
		assert_true(i < ARRAY_SIZE(slot) && !seen[i]);
		seen[i] = true;
		count++;
	}
	assert_int_equal(count, ARRAY_SIZE(slot) - (ARRAY_SIZE(slot) + 2) / 3);
	assert_int_equal(vm_table_next(~0ULL), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, start)
	const struct CMUnitTest tests[] = {
		TEST(a_slot_that_changed_hands_is_not_taken_for_the_old_vm),
		TEST(a_vm_that_ends_meanwhile_is_not_found),
		TEST(a_call_that_comes_first_keeps_the_vm),
		TEST(a_vm_in_the_making_is_not_found),
		TEST(the_table_is_full_at_its_end),
		TEST(all_handles_are_gone_through),
		TEST(the_reserve_is_not_for_handles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
