// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: tests/unit/vm_machine.c tests/unit/fake_panic.c hyp/vm/vm.c hyp/vm/s2_context.c hyp/vm/vcpu.c hyp/vm/guest_mem.c hyp/vm/vm_table.c hyp/vm/donation.c hyp/mm/ownership.c hyp/mm/page_lock.c hyp/mm/page_pool.c hyp/mm/pgtable.c hyp/mm/pgtable_sane.c hyp/mm/stage2.c hyp/mm/stage2_geometry.c hyp/mm/vmid.c hyp/cpu/features.c hyp/cpu/errata.c */
/* A VM's memory: what is mapped how, in how large pieces, and that every error changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <vm_machine.h>

#define RW  KEEL_MAP_WRITE
#define RX  KEEL_MAP_EXEC
#define RWX (KEEL_MAP_WRITE | KEEL_MAP_EXEC)
#define DEV KEEL_MAP_DEVICE

#define TOP (1ULL << 40) /* of a VM of 40 bits */

static u64 handle;
static struct vm *vm;

static void create_vm(u64 ipa_bits, u64 topup)
{
	struct vm_sizes sizes;

	assert_int_equal(vm_sizes(ipa_bits, &sizes), 0);
	assert_int_equal(
		vm_create(machine_alloc(sizes.vm_pages, SZ_1M), sizes.vm_pages, ipa_bits, &handle),
		0);
	vm = vm_get(handle);
	if (topup)
		assert_int_equal(vm_topup(vm, machine_alloc(topup, SZ_4K), topup), 0);
}

static void start_vm(const struct machine_config *config, u64 ipa_bits, u64 topup)
{
	machine_start(config);
	create_vm(ipa_bits, topup);
}

static int start(void **state)
{
	start_vm(&(struct machine_config){ 0 }, 40, 64);
	return 0;
}

static int finish(void **state)
{
	int ret;

	machine_check_context(&vm->s2);
	vm_put(vm);
	while ((ret = vm_destroy(handle)) == -EAGAIN)
		;
	assert_int_equal(ret, 0);
	machine_check();
	for (u64 i = 0; i < RAM_PAGES; i++) {
		enum ownership_state s = ownership_state(PA(RAM_BASE + i * SZ_4K));

		if (s != OWNERSHIP_HOST && s != OWNERSHIP_IMAGE)
			fail_msg("page %d is %s after the VM's end", (int)i,
				 ownership_state_name(s));
	}
	return 0;
}

/* ---- helpers ---- */

static u64 done;
static u64 clean; /* of a map that is under way */

/* What one call may clean from the caches, in pages: the host's interrupts wait for it. */
#define CLEAN_STEP  SZ_256K
#define CLEAN_PAGES (CLEAN_STEP / SZ_4K)

/*
 * What one call may look at: some times its budget of 1536 descriptors, since each is read for
 * more than one purpose. And how often it may go to the tables: some times for each stretch.
 */
#define CALL_READS 16384
#define CALL_TURNS 256

/* What a call has done so far that takes time; and that it was not too much. */
struct work {
	u64 cleaned, reads;
	u32 turns;
};

static struct work work_now(void)
{
	return (struct work){ machine_pages_cleaned, machine_pte_reads, vm->s2.stage2.lock.taken };
}

static void assert_cleaned_little(u64 before)
{
	if (machine_pages_cleaned - before > CLEAN_PAGES)
		fail_msg("a call cleaned %d pages", (int)(machine_pages_cleaned - before));
}

static void assert_worked_little(struct work before)
{
	struct work now = work_now();

	assert_cleaned_little(before.cleaned);
	if (now.reads - before.reads > CALL_READS)
		fail_msg("a call read %d descriptors", (int)(now.reads - before.reads));
	if (now.turns - before.turns > CALL_TURNS)
		fail_msg("a call went to the tables %d times", (int)(now.turns - before.turns));
}

/* One call, which goes on behind the first *@from bytes. */
static int map_from(u64 *from, u64 ipa, u64 pa, u64 size, u64 flags)
{
	struct vm_mapped mapped = { .clean = *from };
	struct work before = work_now();
	int ret;

	ret = vm_map(vm, IPA(ipa), PA(pa), size, flags, &mapped);
	assert_worked_little(before);
	done = mapped.done;
	if (ret == -EAGAIN && !done)
		assert_true(mapped.clean > *from);
	*from = ret == -EAGAIN ? mapped.clean : 0;
	return ret;
}

static int map_once(u64 ipa, u64 pa, u64 size, u64 flags)
{
	return map_from(&clean, ipa, pa, size, flags);
}

/* Until something is done: cleaning caches may take calls that do no more than that. */
static int map(u64 ipa, u64 pa, u64 size, u64 flags)
{
	int ret;

	clean = 0;
	do {
		ret = map_once(ipa, pa, size, flags);
	} while (ret == -EAGAIN && !done);
	return ret;
}

static int map_all(u64 ipa, u64 pa, u64 size, u64 flags)
{
	int ret;

	for (; (ret = map(ipa, pa, size, flags)) == -EAGAIN; size -= done, ipa += done, pa += done)
		assert_true(done > 0 && done < size);
	return ret;
}

static int unmap_once(u64 ipa, u64 size, u64 flags)
{
	struct work before = work_now();
	int ret = vm_unmap(vm, IPA(ipa), size, flags, &done);

	assert_worked_little(before);
	return ret;
}

/* As map(): until something is done. */
static int unmap_flags(u64 ipa, u64 size, u64 flags)
{
	u64 calls = 0;
	int ret;

	do {
		ret = unmap_once(ipa, size, flags);
		assert_true(calls++ <= SZ_2M / CLEAN_STEP);
	} while (ret == -EAGAIN && !done);
	return ret;
}

static int unmap(u64 ipa, u64 size)
{
	return unmap_flags(ipa, size, 0);
}

static int unmap_whole(u64 ipa, u64 size)
{
	return unmap_flags(ipa, size, KEEL_UNMAP_WHOLE);
}

static int unmap_all(u64 ipa, u64 size)
{
	int ret;

	for (; (ret = unmap(ipa, size)) == -EAGAIN; size -= done, ipa += done)
		assert_true(done > 0 && done < size);
	return ret;
}

static struct stage2_leaf lookup(u64 ipa)
{
	struct stage2_leaf leaf;
	int ret;

	spin_lock(&vm->s2.stage2.lock);
	ret = stage2_lookup(&vm->s2.stage2, IPA(ipa), &leaf);
	spin_unlock(&vm->s2.stage2.lock);
	assert_true(ret == 0 || ret == -ENOENT);
	return leaf;
}

static void assert_mapped(u64 ipa, u64 pa, unsigned int attrs)
{
	struct stage2_leaf leaf = lookup(ipa);

	assert_true(leaf.mapped);
	assert_int_equal(leaf.pa.v + (ipa - leaf.ipa.v), pa);
	assert_int_equal(leaf.attrs, attrs);
}

static void assert_unmapped(u64 ipa)
{
	assert_false(lookup(ipa).mapped);
}

/* ---- mapping ---- */

static void flags_become_permissions(void **state)
{
	static const struct {
		u64 flags;
		unsigned int attrs;
	} rows[] = {
		{ 0, STAGE2_R },
		{ RW, STAGE2_RW },
		{ RX, STAGE2_R | STAGE2_X },
		{ RWX, STAGE2_RWX },
	};

	for (u64 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pa pa = machine_alloc(1, SZ_4K);

		assert_int_equal(map(i * SZ_4K, pa.v, SZ_4K, rows[i].flags), 0);
		assert_mapped(i * SZ_4K, pa.v, rows[i].attrs);
		assert_int_equal(ownership_state(pa), OWNERSHIP_SHARED);
	}
	assert_int_equal(map(SZ_1G, DEVICE, SZ_4K, DEV | RW), 0);
	assert_mapped(SZ_1G, DEVICE, STAGE2_RW | STAGE2_DEVICE);
	assert_int_equal(map(SZ_1G + SZ_4K, DEVICE, SZ_4K, DEV), 0);
	assert_mapped(SZ_1G + SZ_4K, DEVICE, STAGE2_R | STAGE2_DEVICE);
	assert_int_equal(map(SZ_1G + 2 * SZ_4K, DEVICE, SZ_4K, DEV | KEEL_MAP_NC | RW), 0);
	assert_mapped(SZ_1G + 2 * SZ_4K, DEVICE, STAGE2_RW | STAGE2_NORMAL_NC);
	/* it is another type than what is there */
	assert_int_equal(map(SZ_1G, DEVICE, SZ_4K, DEV | KEEL_MAP_NC | RW), -EEXIST);
}

static void blocks_are_used_where_the_alignment_allows(void **state)
{
	u64 pa = machine_alloc(1024, SZ_2M).v;

	assert_int_equal(map_all(SZ_2M, pa, 2 * SZ_2M, RW), 0);
	assert_int_equal(lookup(SZ_2M).level, 2);
	assert_int_equal(lookup(2 * SZ_2M).level, 2);
	/* Two gigabytes and two megabytes, of which one block is aligned on both sides. */
	assert_int_equal(
		map_all(3 * SZ_1G - SZ_2M, FAR_BASE + 0x40000000 - SZ_2M, SZ_1G + SZ_2M, RW), 0);
	assert_int_equal(lookup(3 * SZ_1G - SZ_4K).level, 2);
	assert_int_equal(lookup(3 * SZ_1G).level, 1);
	assert_mapped(4 * SZ_1G - SZ_4K, FAR_BASE + 2 * SZ_1G - SZ_4K, STAGE2_RW);
	assert_int_equal(unmap_all(3 * SZ_1G - SZ_2M, SZ_1G + SZ_2M), 0);
}

static void a_call_does_no_more_than_a_block(void **state)
{
	u64 pa = machine_alloc(2048, SZ_2M).v;

	assert_int_equal(map(SZ_2M - 3 * SZ_4K, pa, 4 * SZ_2M, RW), -EAGAIN);
	assert_int_equal(done, 3 * SZ_4K); /* up to the next boundary */
	assert_int_equal(map(SZ_2M, pa + 3 * SZ_4K, 2 * SZ_2M, RW), -EAGAIN);
	assert_int_equal(done, SZ_512K); /* these are pages */
	assert_unmapped(SZ_2M + SZ_512K);
	assert_int_equal(map_all(SZ_2M, pa + 3 * SZ_4K, 2 * SZ_2M, RW), 0);
	assert_int_equal(map(4 * SZ_2M, pa + 2 * SZ_2M, 2 * SZ_2M, RW), -EAGAIN);
	assert_int_equal(done, SZ_2M);
	assert_unmapped(5 * SZ_2M);
}

/* Holes between pages that are mapped already: each takes as long as a call for it alone. */
static void assert_filled_a_little_a_call(u64 ipa, u64 pa, u64 size, u64 mapped)
{
	for (u64 at = 0; at < mapped; at += 2 * SZ_4K)
		assert_int_equal(map(ipa + at, pa + at, SZ_4K, RW), 0);
	assert_int_equal(map_all(ipa, pa, size, RW), 0);
	for (u64 at = 0; at < mapped; at += SZ_4K)
		assert_mapped(ipa + at, pa + at, STAGE2_RW);
	assert_mapped(ipa + size - SZ_4K, pa + size - SZ_4K, STAGE2_RW);
	assert_int_equal(unmap_all(ipa, size), 0);
}

static void many_holes_in_a_range_are_filled_a_few_a_call(void **state)
{
	assert_filled_a_little_a_call(SZ_1G, FAR_BASE, SZ_1G, 16 * SZ_2M);
	assert_filled_a_little_a_call(SZ_1G, FAR_BASE, SZ_2M, SZ_2M);
	assert_filled_a_little_a_call(SZ_1G, FAR_BASE, SZ_1G, SZ_4K);
}

static void where_caches_must_be_cleaned_a_gigabyte_is_not_mapped_at_once(void **state)
{
	vm_put(vm);
	start_vm(&(struct machine_config){ .no_fwb = true }, 40, 64);
	assert_int_equal(map(SZ_1G, FAR_BASE, SZ_1G, RW), -EAGAIN);
	assert_int_equal(done, SZ_2M);
	assert_int_equal(machine_pages_cleaned, 512);
}

/* A block is mapped as one, but cleaned a little at a time; each page of it once. */
static void a_block_is_cleaned_in_parts(void **state)
{
	u64 pa = machine_alloc(512, SZ_2M).v, calls = 0;

	vm_put(vm);
	start_vm(&(struct machine_config){ .no_fwb = true, .dic = true }, 40, 64);
	clean = 0;
	while (map_once(SZ_2M, pa, SZ_2M, RW) == -EAGAIN) {
		assert_int_equal(done, 0);
		assert_unmapped(SZ_2M);
		calls++;
	}
	assert_int_equal(done, SZ_2M);
	assert_int_equal(calls, SZ_2M / CLEAN_STEP - 1);
	assert_int_equal(machine_pages_cleaned, 512);
	assert_int_equal(lookup(SZ_2M).level, 2);

	/* The host has it back at once, but the call is not done before the caches are. */
	machine_pages_cleaned = 0;
	for (calls = 0; unmap_once(SZ_2M, SZ_2M, 0) == -EAGAIN; calls++) {
		assert_int_equal(done, 0);
		assert_unmapped(SZ_2M);
		assert_int_equal(ownership_state(PA(pa)), OWNERSHIP_HOST);
	}
	assert_int_equal(calls, SZ_2M / CLEAN_STEP - 1);
	assert_int_equal(done, SZ_2M);
	assert_int_equal(machine_pages_cleaned, 512);
}

/* Two maps at once: each goes on where it was, and gets all of its own cleaned. */
static void maps_do_not_disturb_each_other(void **state)
{
	u64 a = machine_alloc(512, SZ_2M).v, b = machine_alloc(512, SZ_2M).v;
	u64 clean_a = 0, clean_b = 0;

	vm_put(vm);
	start_vm(&(struct machine_config){ .no_fwb = true, .dic = true }, 40, 64);
	for (unsigned int i = 1; i < SZ_2M / CLEAN_STEP; i++) {
		assert_int_equal(map_from(&clean_a, SZ_2M, a, SZ_2M, RW), -EAGAIN);
		assert_int_equal(map_from(&clean_b, 2 * SZ_2M, b, SZ_2M, RW), -EAGAIN);
	}
	assert_int_equal(map_from(&clean_b, 2 * SZ_2M, b, SZ_2M, RW), 0);
	assert_int_equal(map_from(&clean_a, SZ_2M, a, SZ_2M, RW), 0);
	assert_mapped(SZ_2M, a, STAGE2_RW);
	assert_mapped(2 * SZ_2M, b, STAGE2_RW);
	assert_int_equal(machine_pages_cleaned, 1024);
}

/* What was cleaned for a map that was given up may have been another guest's since. */
static void a_map_that_is_given_up_counts_no_more(void **state)
{
	u64 pa = machine_alloc(512, SZ_2M).v;

	vm_put(vm);
	start_vm(&(struct machine_config){ .no_fwb = true, .dic = true }, 40, 64);
	clean = 0;
	for (unsigned int i = 0; i < SZ_2M / CLEAN_STEP / 2; i++)
		assert_int_equal(map_once(SZ_2M, pa, SZ_2M, RW), -EAGAIN);
	machine_pages_cleaned = 0;
	assert_int_equal(map(SZ_2M, pa, SZ_2M, RW), 0);
	assert_int_equal(machine_pages_cleaned, 512);
	/* Nor does what was mapped and is mapped again. */
	assert_int_equal(unmap_all(SZ_2M, SZ_2M), 0);
	machine_pages_cleaned = 0;
	assert_int_equal(map(SZ_2M, pa, SZ_2M, RW), 0);
	assert_int_equal(machine_pages_cleaned, 512);
}

static void what_is_clean_is_part_of_what_is_mapped(void **state)
{
	static const u64 bad[] = { 1, SZ_4K - 1, SZ_4K + 8, 5 * SZ_4K, 1ULL << 63, ~0xfffULL };
	u64 pa = machine_alloc(4, SZ_4K).v, at;

	for (int fwb = 0; fwb < 2; fwb++) {
		vm_put(vm);
		start_vm(&(struct machine_config){ .no_fwb = !fwb, .dic = true }, 40, 64);
		for (u64 i = 0; i < ARRAY_SIZE(bad); i++) {
			at = bad[i];
			assert_int_equal(map_from(&at, 0, pa, 4 * SZ_4K, RW), -EINVAL);
			assert_unmapped(0);
		}
		at = 3 * SZ_4K;
		assert_int_equal(map_from(&at, 0, pa, 4 * SZ_4K, RW), 0);
		assert_int_equal(machine_pages_cleaned, fwb ? 0 : 1);
		assert_int_equal(unmap_all(0, 4 * SZ_4K), 0);
		machine_pages_cleaned = 0;
		at = 4 * SZ_4K;
		assert_int_equal(map_from(&at, 0, pa, 4 * SZ_4K, RW), 0);
		assert_int_equal(machine_pages_cleaned, 0);
	}
}

/* The next unmap first cleans what the last one left, before it unmaps anything itself. */
static void an_unmap_that_is_given_up_is_finished_by_the_next(void **state)
{
	u64 a = machine_alloc(512, SZ_2M).v, b = machine_alloc(1, SZ_4K).v, before;
	int ret;

	vm_put(vm);
	start_vm(&(struct machine_config){ .no_fwb = true, .dic = true }, 40, 64);
	assert_int_equal(map(SZ_2M, a, SZ_2M, RW), 0);
	assert_int_equal(map(0, b, SZ_4K, RW), 0);
	machine_pages_cleaned = 0;
	assert_int_equal(unmap_once(SZ_2M, SZ_2M, 0), -EAGAIN);
	assert_int_equal(unmap(0, SZ_4K), 0);
	assert_int_equal(machine_pages_cleaned, 512 + 1);
	/* The end of a VM does not wait for more than a part a call. */
	assert_int_equal(map(SZ_2M, a, SZ_2M, RW), 0);
	assert_int_equal(unmap_once(SZ_2M, SZ_2M, 0), -EAGAIN);
	vm_put(vm);
	do {
		before = machine_pages_cleaned;
		ret = vm_destroy(handle);
		assert_cleaned_little(before);
	} while (ret == -EAGAIN);
	assert_int_equal(ret, 0);
	create_vm(40, 64);
}

/* The block goes as a whole: so much is cleaned, though the range has only its last page. */
static void a_whole_block_is_cleaned_whole(void **state)
{
	u64 pa = machine_alloc(512, SZ_2M).v, calls = 0;
	int ret;

	vm_put(vm);
	start_vm(&(struct machine_config){ .no_fwb = true, .dic = true }, 40, 64);
	assert_int_equal(map(SZ_2M, pa, SZ_2M, RW), 0);
	machine_pages_cleaned = 0;
	while ((ret = unmap_once(2 * SZ_2M - SZ_4K, 2 * SZ_4K, KEEL_UNMAP_WHOLE)) == -EAGAIN) {
		assert_int_equal(done, 0);
		assert_unmapped(SZ_2M);
		calls++;
	}
	assert_int_equal(ret, 0);
	assert_int_equal(calls, SZ_2M / CLEAN_STEP - 1);
	assert_int_equal(machine_pages_cleaned, 512);
}

/* Its neighbours stay, without another fault, and no table is needed. */
static void a_page_of_a_contiguous_group_goes_alone(void **state)
{
	u64 pa = machine_alloc(32, SZ_64K).v, free;

	assert_int_equal(map(SZ_64K, pa, 2 * SZ_64K, RW), 0);
	assert_int_equal(lookup(SZ_64K).size, SZ_64K);
	free = page_pool_available(&vm->pool);
	assert_int_equal(unmap_whole(SZ_64K + 5 * SZ_4K, SZ_4K), 0);
	for (u64 at = 0; at < 2 * SZ_64K; at += SZ_4K) {
		if (at == 5 * SZ_4K)
			assert_unmapped(SZ_64K + at);
		else
			assert_mapped(SZ_64K + at, pa + at, STAGE2_RW);
		assert_int_equal(ownership_state(PA(pa + at)),
				 at == 5 * SZ_4K ? OWNERSHIP_HOST : OWNERSHIP_SHARED);
	}
	assert_int_equal(lookup(SZ_64K).size, SZ_4K);
	assert_int_equal(lookup(2 * SZ_64K).size, SZ_64K);
	assert_int_equal(page_pool_available(&vm->pool), free);
	assert_int_equal(unmap_whole(2 * SZ_64K - SZ_4K, 2 * SZ_4K), 0);
	assert_mapped(2 * SZ_64K - 2 * SZ_4K, pa + SZ_64K - 2 * SZ_4K, STAGE2_RW);
	assert_unmapped(2 * SZ_64K);
	assert_mapped(2 * SZ_64K + SZ_4K, pa + SZ_64K + SZ_4K, STAGE2_RW);
}

/* Misaligned, so that each is a leaf by itself: adjacent ones are looked at and taken together. */
static void many_pages_take_few_calls(void **state)
{
	u64 pa = machine_alloc(768, SZ_2M).v + SZ_4K, at = 0, calls = 0;
	int ret;

	assert_int_equal(map_all(SZ_2M, pa, SZ_2M, RW), 0);
	assert_int_equal(lookup(SZ_2M).size, SZ_4K);
	assert_int_equal(vm_protect(vm, IPA(SZ_2M), SZ_1M, KEEL_PROTECT_TAKE, &done), 0);
	for (; (ret = unmap_once(SZ_2M + at, SZ_2M - at, KEEL_UNMAP_WHOLE)) == -EAGAIN; at += done)
		calls++;
	assert_int_equal(ret, 0);
	assert_in_range(calls, 1, 5);
	for (at = 0; at < SZ_2M; at += SZ_4K)
		assert_int_equal(ownership_state(PA(pa + at)), OWNERSHIP_HOST);
}

/* One of many: no walk, and no search for what could need a table. */
static void a_page_is_unmapped_by_few_reads(void **state)
{
	u64 pa = machine_alloc(512, SZ_2M).v + SZ_4K, before;

	assert_int_equal(map_all(SZ_2M, pa, SZ_1M, RW), 0);
	before = machine_pte_reads;
	assert_int_equal(unmap_whole(SZ_2M + SZ_64K, SZ_4K), 0);
	assert_in_range(machine_pte_reads - before, 1, 24);
	assert_unmapped(SZ_2M + SZ_64K);
	assert_mapped(SZ_2M + SZ_64K + SZ_4K, pa + SZ_64K + SZ_4K, STAGE2_RW);
}

/* Holes between what is mapped are cleaned too, and are as much work as they are large. */
static void many_holes_are_cleaned_in_parts(void **state)
{
	u64 pa = machine_alloc(512, SZ_2M).v;

	vm_put(vm);
	start_vm(&(struct machine_config){ .no_fwb = true, .dic = true }, 40, 64);
	for (u64 at = 0; at < SZ_2M; at += 2 * SZ_4K)
		assert_int_equal(map(at, pa + at, SZ_4K, RW), 0);
	machine_pages_cleaned = 0;
	assert_int_equal(map_all(0, pa, SZ_2M, RW), 0);
	assert_int_equal(machine_pages_cleaned, 256);
	assert_int_equal(unmap_all(0, SZ_2M), 0);
	assert_int_equal(machine_pages_cleaned, 256 + 512);
}

/* All RAM of the VM, once, and nothing else. */
static void a_flush_finds_all_memory(void **state)
{
	u64 at = 0, calls = 0;
	int ret;

	vm_put(vm);
	start_vm(&(struct machine_config){ .no_fwb = true }, 40, 64);
	for (u64 i = 0; i < 5; i++)
		assert_int_equal(map(i * SZ_1G + 3 * SZ_4K, machine_alloc(1, SZ_4K).v, SZ_4K, RWX),
				 0);
	assert_int_equal(map(6 * SZ_1G, machine_alloc(512, SZ_2M).v, SZ_2M, RWX), 0);
	assert_int_equal(map(7 * SZ_1G, DEVICE, SZ_4K, DEV), 0);
	machine_pages_cleaned = 0;
	do {
		struct work before = work_now();

		ret = vm_flush_caches(vm, &at);
		assert_worked_little(before);
		assert_true(++calls < 100);
	} while (ret == -EAGAIN);
	assert_int_equal(ret, 0);
	assert_int_equal(machine_pages_cleaned, 5 + 512);
	assert_int_equal(at, 1ULL << 40);
}

static int sync_all(void)
{
	u64 at = 0, calls = 0;
	int ret;

	do {
		struct work before = work_now();

		ret = vm_sync(vm, &at);
		assert_worked_little(before);
		assert_true(++calls < 100);
	} while (ret == -EAGAIN);
	return ret;
}

/* What the host has written since it was mapped: as much as a map of all of it would clean. */
static void a_sync_cleans_what_the_cpu_does_not_keep_coherent(void **state)
{
	static const struct {
		bool no_fwb, dic;
		u64 pages, icaches;
	} rows[] = {
		{ false, true, 0, 0 },
		{ false, false, 0, 1 },
		{ true, true, 5 + 512, 0 },
		{ true, false, 5 + 512, 1 },
	};

	for (u64 row = 0; row < ARRAY_SIZE(rows); row++) {
		vm_put(vm);
		start_vm(&(struct machine_config){ .no_fwb = rows[row].no_fwb,
						   .dic = rows[row].dic },
			 40, 64);
		for (u64 i = 0; i < 5; i++)
			assert_int_equal(
				map(i * SZ_1G, machine_alloc(1, SZ_4K).v, SZ_4K, i & 1 ? RW : RWX),
				0);
		assert_int_equal(map(6 * SZ_1G, machine_alloc(512, SZ_2M).v, SZ_2M, RWX), 0);
		assert_int_equal(map(7 * SZ_1G, DEVICE, SZ_4K, DEV), 0);
		machine_pages_cleaned = 0;
		machine_icaches = 0;
		assert_int_equal(sync_all(), 0);
		assert_int_equal(machine_pages_cleaned, rows[row].pages);
		assert_int_equal(machine_icaches, rows[row].icaches);
	}
}

static void a_sync_wants_an_address_of_the_vm(void **state)
{
	u64 at = SZ_4K - 1;

	assert_int_equal(vm_sync(vm, &at), -EINVAL);
	at = (1ULL << 40) + SZ_4K;
	assert_int_equal(vm_sync(vm, &at), -E2BIG);
	at = ~(SZ_4K - 1);
	assert_int_equal(vm_sync(vm, &at), -E2BIG);
	at = 1ULL << 40;
	assert_int_equal(vm_sync(vm, &at), 0);
}

static void caches_are_cleaned_only_without_fwb(void **state)
{
	struct pa pa = machine_alloc(4, SZ_4K);

	assert_int_equal(map(0, pa.v, 4 * SZ_4K, RWX), 0);
	assert_int_equal(unmap(0, 4 * SZ_4K), 0);
	assert_int_equal(machine_pages_cleaned, 0);
	assert_int_equal(machine_icaches, 1);
	vm_put(vm);
	start_vm(&(struct machine_config){ .no_fwb = true, .dic = true }, 40, 64);
	pa = machine_alloc(4, SZ_4K);
	assert_int_equal(map(0, pa.v, 4 * SZ_4K, RWX), 0);
	assert_int_equal(machine_pages_cleaned, 4);
	assert_int_equal(machine_icaches, 0);
	assert_int_equal(unmap(SZ_4K, SZ_4K), 0);
	assert_int_equal(machine_pages_cleaned, 5);
	assert_int_equal(map(SZ_1G, DEVICE, SZ_4K, DEV), 0);
	assert_int_equal(machine_pages_cleaned, 5);
}

/* A page that faults is not mapped; what had been mapped is unmapped in any case. */
static void memory_whose_caches_cannot_be_cleaned_is_not_mapped(void **state)
{
	struct machine_state *before;
	u64 at = 0;
	struct pa pa;

	vm_put(vm);
	start_vm(&(struct machine_config){ .no_fwb = true, .dic = true }, 40, 64);
	pa = machine_alloc(4, SZ_4K);
	before = machine_save();
	machine_bad_page = pa.v + SZ_4K;
	assert_int_equal(map(0, pa.v, 4 * SZ_4K, RWX), -EFAULT);
	machine_assert_same(before, "a page that faults");
	assert_unmapped(0);
	machine_bad_page = 0;
	assert_int_equal(map(0, pa.v, 4 * SZ_4K, RWX), 0);
	machine_bad_page = pa.v + SZ_4K;
	while (vm_flush_caches(vm, &at) == -EAGAIN)
		;
	assert_int_equal(unmap(0, 4 * SZ_4K), 0);
	assert_unmapped(SZ_4K);
	assert_int_equal(ownership_state(PA(machine_bad_page)), OWNERSHIP_HOST);
	machine_drop(before);
}

/* Each of its lines may be an exception: no call does two such pages, nor much beside one. */
static void pages_that_fault_are_cleaned_one_a_call(void **state)
{
	const u64 pages = 2 * EL2_WINDOW_PAGES + 3;
	struct pa pa;
	u64 at;

	vm_put(vm);
	start_vm(&(struct machine_config){ .no_fwb = true, .dic = true }, 40, 64);
	pa = machine_alloc(pages, SZ_4K);
	assert_int_equal(map(0, pa.v, pages * SZ_4K, RWX), 0);
	for (u64 bad = 0; bad < pages; bad++) {
		machine_bad_page = pa.v + bad * SZ_4K;
		machine_pages_cleaned = at = 0;
		assert_int_equal(vm_flush_caches(vm, &at), -EAGAIN);
		assert_int_equal(at, (bad + 1) * SZ_4K);
		assert_int_equal(machine_pages_cleaned, bad);
		while (vm_flush_caches(vm, &at) == -EAGAIN)
			;
		assert_int_equal(machine_pages_cleaned, pages - 1);
	}
	machine_bad_page = 0;
}

/* Which memory of a guest's faults when EL2 reads it, too, and where it is. */
static void memory_that_has_failed_does_not_answer(void **state)
{
	struct vcpu vcpu = { .vm = vm, .s2 = &vm->s2 };
	const u64 in_block = 0x12340, bad = 5 * SZ_4K + 0xf40;
	struct pa pa = machine_alloc(16, SZ_64K), block = machine_alloc(512, SZ_2M), at;

	assert_int_equal(map(SZ_1G, pa.v, 16 * SZ_4K, RWX), 0);
	assert_int_equal(map_all(2 * SZ_1G, block.v, SZ_2M, RW), 0);
	assert_int_equal(map(3 * SZ_1G, DEVICE, SZ_4K, DEV), 0);
	for (u64 offset = 0; offset < 16 * SZ_4K; offset += 8)
		assert_true(vm_memory_answers(&vcpu, IPA(SZ_1G + offset), &at));
	machine_bad_page = pa.v + bad;
	for (u64 offset = 0; offset < 16 * SZ_4K; offset += 8) {
		bool same_line = offset / 64 == bad / 64;

		if (vm_memory_answers(&vcpu, IPA(SZ_1G + offset + 3), &at) == same_line)
			fail_msg("offset %#llx of %#llx", (unsigned long long)offset,
				 (unsigned long long)bad);
		if (same_line)
			assert_int_equal(at.v, pa.v + offset + 3);
	}
	machine_bad_page = block.v + in_block;
	assert_false(vm_memory_answers(&vcpu, IPA(2 * SZ_1G + in_block), &at));
	assert_int_equal(at.v, block.v + in_block);
	/* A device is not read, nor what is not there. */
	assert_true(vm_memory_answers(&vcpu, IPA(3 * SZ_1G), &at));
	assert_true(vm_memory_answers(&vcpu, IPA(4 * SZ_1G), &at));
	assert_true(vm_memory_answers(&vcpu, IPA(TOP), &at));
	machine_bad_page = 0;
}

/* However often: each call cleans a part, or the host would not come further. */
static void cleaning_stops_where_an_interrupt_of_the_host_waits(void **state)
{
	const u64 part = EL2_WINDOW_PAGES, pages = 3 * part + 1;
	u64 at = 0, clean = 0;
	struct pa pa;

	vm_put(vm);
	start_vm(&(struct machine_config){ .no_fwb = true, .dic = true }, 40, 64);
	pa = machine_alloc(pages, SZ_4K);
	machine_interrupt_waits = true;
	for (u64 cleaned = part; cleaned < pages; cleaned += part) {
		assert_int_equal(map_from(&clean, 0, pa.v, pages * SZ_4K, RWX), -EAGAIN);
		assert_int_equal(machine_pages_cleaned, cleaned);
	}
	assert_int_equal(map_from(&clean, 0, pa.v, pages * SZ_4K, RWX), 0);
	assert_int_equal(machine_pages_cleaned, pages);
	assert_int_equal(vm_flush_caches(vm, &at), -EAGAIN);
	assert_int_equal(at, part * SZ_4K);
	machine_interrupt_waits = false;
	while (vm_flush_caches(vm, &at) == -EAGAIN)
		;
	assert_int_equal(machine_pages_cleaned, 2 * pages);
}

/* Memory is cleaned before a guest gets it, whoever had it before. */
static void the_end_of_a_vm_cleans_no_caches(void **state)
{
	struct pa pa;
	int ret;

	vm_put(vm);
	start_vm(&(struct machine_config){ .no_fwb = true, .dic = true }, 40, 64);
	pa = machine_alloc(4, SZ_4K);
	assert_int_equal(map(0, pa.v, 4 * SZ_4K, RWX), 0);
	assert_int_equal(machine_pages_cleaned, 4);
	vm_put(vm);
	while ((ret = vm_destroy(handle)) == -EAGAIN)
		;
	assert_int_equal(ret, 0);
	assert_int_equal(machine_pages_cleaned, 4);
	create_vm(40, 64);
	assert_int_equal(map(0, pa.v, 4 * SZ_4K, RWX), 0);
	assert_int_equal(machine_pages_cleaned, 8);
}

static void bad_maps_change_nothing(void **state)
{
	u64 pa = machine_alloc(1024, SZ_2M).v, top = 1ULL << 40;
	const struct {
		const char *what;
		u64 ipa, pa, size, flags;
		int want;
	} rows[] = {
		{ "IPA not aligned", 8, pa, SZ_4K, RW, -EINVAL },
		{ "address not aligned", 0, pa + 8, SZ_4K, RW, -EINVAL },
		{ "size not aligned", 0, pa, SZ_4K + 8, RW, -EINVAL },
		{ "nothing", 0, pa, 0, RW, -EINVAL },
		{ "an IPA that wraps", ~0ULL << 12, pa, 2 * SZ_4K, RW, -EINVAL },
		{ "an address that wraps", 0, ~0ULL << 12, 2 * SZ_4K, RW, -EINVAL },
		{ "a size that wraps", SZ_4K, pa, ~0ULL << 12, RW, -EINVAL },
		{ "undefined flags", 0, pa, SZ_4K, 16, -EINVAL },
		{ "memory that is not cacheable", 0, pa, SZ_4K, KEEL_MAP_NC, -EINVAL },
		{ "what is to be both", 0, DEVICE, SZ_4K, DEV | KEEL_MAP_NC | RX, -EINVAL },
		{ "high flags", 0, pa, SZ_4K, 1ULL << 32, -EINVAL },
		{ "an executable device", 0, DEVICE, SZ_4K, DEV | RX, -EINVAL },
		{ "past the IPA size", top, pa, SZ_4K, RW, -E2BIG },
		{ "over the IPA size", top - SZ_4K, pa, 2 * SZ_4K, RW, -E2BIG },
		{ "far past it", 1ULL << 62, pa, SZ_4K, RW, -E2BIG },
		{ "Keel's memory", 0, IMAGE_BASE, SZ_4K, RW, -EPERM },
		{ "partly Keel's memory", 0, IMAGE_BASE - SZ_4K, 2 * SZ_4K, RW, -EPERM },
		{ "over the end of RAM", 0, RAM_END - SZ_4K, 2 * SZ_4K, RW, -EPERM },
		{ "a device as RAM", 0, DEVICE, SZ_4K, RW, -EPERM },
		{ "RAM as a device", 0, pa, SZ_4K, RW | DEV, -EPERM },
		{ "RAM behind a device", 0, RAM_BASE - SZ_4K, 2 * SZ_4K, DEV, -EPERM },
		{ "Keel's device", 0, KEEL_UART, SZ_4K, DEV, -EPERM },
		{ "Keel's device, in the middle", 0, KEEL_UART - SZ_4K, 3 * SZ_4K, DEV, -EPERM },
		{ "no address of the machine", 0, 1ULL << 48, SZ_4K, DEV, -EPERM },
		{ "over the last address", 0, (1ULL << 48) - SZ_4K, 2 * SZ_4K, DEV, -EPERM },
	};
	struct machine_state *before = machine_save();
	u64 free = page_pool_available(&vm->pool);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int ret = map(rows[i].ipa, rows[i].pa, rows[i].size, rows[i].flags);

		if (ret != rows[i].want)
			fail_msg("%s: %d, should be %d", rows[i].what, ret, rows[i].want);
		machine_assert_same(before, rows[i].what);
		assert_int_equal(page_pool_available(&vm->pool), free);
		assert_unmapped(0);
	}
	machine_drop(before);
}

static void a_vms_own_memory_cannot_be_mapped(void **state)
{
	assert_int_equal(map(0, vm_va_to_pa(vm).v & ~0xfffULL, SZ_4K, RW), -EPERM);
	assert_int_equal(map(0, vm->s2.stage2.vttbr & GENMASK(47, 0), SZ_4K, 0), -EPERM);
}

static void the_last_page_of_the_ipa_space_can_be_mapped(void **state)
{
	u64 pa = machine_alloc(1, SZ_4K).v, top = 1ULL << 40;

	assert_int_equal(map(top - SZ_4K, pa, SZ_4K, RW), 0);
	assert_mapped(top - SZ_4K, pa, STAGE2_RW);
	assert_int_equal(unmap(top - SZ_4K, SZ_4K), 0);
	assert_int_equal(unmap(top - SZ_4K, 2 * SZ_4K), -E2BIG);
}

static void mapping_the_same_again_is_no_error(void **state)
{
	u64 pa = machine_alloc(512, SZ_2M).v;
	struct machine_state *before;

	assert_int_equal(map(3 * SZ_4K, pa + 3 * SZ_4K, SZ_4K, RW), 0);
	assert_int_equal(map(9 * SZ_4K, pa + 9 * SZ_4K, SZ_4K, RW), 0);
	assert_int_equal(map(3 * SZ_4K, pa + 3 * SZ_4K, SZ_4K, RW), 0);
	assert_int_equal(ownership_share_count(PA(pa + 3 * SZ_4K)), 1);
	/* Around them, the rest. */
	assert_int_equal(map_all(0, pa, SZ_2M, RW), 0);
	for (u64 at = 0; at < SZ_2M; at += SZ_4K) {
		assert_mapped(at, pa + at, STAGE2_RW);
		assert_int_equal(ownership_share_count(PA(pa + at)), 1);
	}
	before = machine_save();
	assert_int_equal(map_all(0, pa, SZ_2M, RW), 0);
	assert_int_equal(map(0, pa, SZ_2M, RWX), -EEXIST);
	assert_int_equal(map(0, pa, SZ_4K, 0), -EEXIST);
	assert_int_equal(map(0, pa + SZ_4K, SZ_4K, RW), -EEXIST);
	assert_int_equal(map(SZ_2M - SZ_4K, pa, SZ_4K, RW), -EEXIST);
	machine_assert_same(before, "what is there already");
	machine_drop(before);
}

/* What is before it may be mapped, by calls before the one that meets it. */
static void something_else_in_the_middle_stops_a_map(void **state)
{
	u64 pa = machine_alloc(512, SZ_2M).v, other = machine_alloc(1, SZ_4K).v;
	struct machine_state *before;

	assert_int_equal(map(100 * SZ_4K, other, SZ_4K, RW), 0);
	assert_int_equal(map_all(0, pa, SZ_2M, RW), -EEXIST);
	assert_unmapped(101 * SZ_4K);
	before = machine_save();
	assert_int_equal(map(99 * SZ_4K, pa + 99 * SZ_4K, SZ_2M, RW), -EEXIST);
	machine_assert_same(before, "something else behind a page");
	machine_drop(before);
}

static void a_page_can_be_in_two_places_and_two_vms(void **state)
{
	u64 pa = machine_alloc(1, SZ_4K).v;

	assert_int_equal(map(0, pa, SZ_4K, RW), 0);
	assert_int_equal(map(SZ_1G, pa, SZ_4K, 0), 0);
	assert_int_equal(ownership_share_count(PA(pa)), 2);
	assert_int_equal(unmap(0, SZ_4K), 0);
	assert_int_equal(ownership_share_count(PA(pa)), 1);
	assert_mapped(SZ_1G, pa, STAGE2_R);
}

/* More often than a byte counts takes a page of Keel's pool, and gives it back. */
static void a_page_is_shared_very_often(void **state)
{
	u64 pa = machine_alloc(1, SZ_4K).v, free = page_pool_available(&machine_pool);
	const u64 often = 2 * OWNERSHIP_BYTE_SHARES;
	s64 ret;

	for (u64 i = 0; i < OWNERSHIP_BYTE_SHARES; i++)
		assert_int_equal(map(i * SZ_4K, pa, SZ_4K, RW), 0);
	machine_fail_after(0);
	assert_int_equal(map(OWNERSHIP_BYTE_SHARES * SZ_4K, pa, SZ_4K, RW), -ENOBUFS);
	assert_true(machine_failed());
	assert_unmapped(OWNERSHIP_BYTE_SHARES * SZ_4K);
	assert_int_equal(page_pool_available(&machine_pool), free);
	for (u64 i = OWNERSHIP_BYTE_SHARES; i < often; i++)
		assert_int_equal(map(i * SZ_4K, pa, SZ_4K, RW), 0);
	assert_int_equal(ownership_share_count(PA(pa)), often);
	assert_int_equal(page_pool_available(&machine_pool), free - 1);
	while ((ret = unmap(0, often * SZ_4K)) == -EAGAIN)
		;
	assert_int_equal(ret, 0);
	assert_int_equal(ownership_share_count(PA(pa)), 0);
	assert_int_equal(page_pool_available(&machine_pool), free);
}

/* ---- tables ---- */

static void a_dry_pool_asks_for_a_topup(void **state)
{
	u64 pa = machine_alloc(512, SZ_2M).v;
	struct machine_state *before;
	struct pa extra;

	vm_put(vm);
	start_vm(&(struct machine_config){ 0 }, 48, 0);
	assert_int_equal(page_pool_available(&vm->pool), 0);
	pa = machine_alloc(512, SZ_2M).v;
	extra = machine_alloc(3, SZ_4K);
	before = machine_save();
	assert_int_equal(map(0, pa, SZ_4K, RW), -ENOMEM);
	machine_assert_same(before, "no tables");
	machine_drop(before);
	/* Three levels below the root of 48 bits; not one page more is asked for. */
	assert_int_equal(vm_topup(vm, extra, 2), 0);
	assert_int_equal(map(0, pa, SZ_4K, RW), -ENOMEM);
	assert_int_equal(page_pool_available(&vm->pool), 2);
	assert_int_equal(map(0, DEVICE, SZ_4K, DEV), -ENOMEM);
	assert_int_equal(page_pool_available(&vm->pool), 2);
	assert_int_equal(vm_topup(vm, PA(extra.v + 2 * SZ_4K), 1), 0);
	assert_int_equal(map(0, pa, SZ_4K, RW), 0);
	assert_int_equal(page_pool_available(&vm->pool), 0);
	assert_int_equal(map(SZ_4K, pa + SZ_4K, 16 * SZ_4K, RW), 0); /* needs none */
	assert_int_equal(map(SZ_2M, pa + SZ_4K, SZ_4K, RW), -ENOMEM);
	/* A block needs none either. */
	assert_int_equal(unmap_all(0, SZ_2M), 0);
	assert_int_equal(page_pool_available(&vm->pool), 3);
	assert_int_equal(map(SZ_2M, pa, SZ_2M, RW), 0);
	assert_int_equal(page_pool_available(&vm->pool), 1);
}

static void a_map_that_ran_dry_in_the_middle_tells_how_far_it_came(void **state)
{
	u64 pa, other;

	vm_put(vm);
	start_vm(&(struct machine_config){ 0 }, 39, 3);
	pa = machine_alloc(512, SZ_2M).v;
	other = machine_alloc(1, SZ_4K).v;
	/* Pages on both sides of a boundary of 1 GiB; tables for all but the last. */
	assert_int_equal(map_all(SZ_1G - SZ_4K, pa, 2 * SZ_4K, RW), -ENOMEM);
	assert_mapped(SZ_1G - SZ_4K, pa, STAGE2_RW);
	assert_unmapped(SZ_1G);
	assert_int_equal(vm_topup(vm, PA(other), 1), 0);
	assert_int_equal(map_all(SZ_1G - SZ_4K, pa, 2 * SZ_4K, RW), 0);
	assert_mapped(SZ_1G, pa + SZ_4K, STAGE2_RW);
}

static void cutting_a_block_takes_tables(void **state)
{
	u64 pa;
	struct machine_state *before;
	struct pa extra;

	vm_put(vm);
	start_vm(&(struct machine_config){ 0 }, 40, 1);
	pa = machine_alloc(512, SZ_2M).v;
	extra = machine_alloc(1, SZ_4K);
	assert_int_equal(map(0, pa, SZ_2M, RW), 0);
	assert_int_equal(page_pool_available(&vm->pool), 0);
	before = machine_save();
	assert_int_equal(unmap(5 * SZ_4K, SZ_4K), -ENOMEM);
	machine_assert_same(before, "a block that cannot be cut");
	assert_int_equal(lookup(0).level, 2);
	assert_int_equal(vm_topup(vm, extra, 1), 0);
	/* Both ends cut the same block, but that is not counted on. */
	assert_int_equal(unmap(5 * SZ_4K, SZ_2M - 5 * SZ_4K), 0);
	assert_mapped(4 * SZ_4K, pa + 4 * SZ_4K, STAGE2_RW);
	assert_unmapped(5 * SZ_4K);
	assert_int_equal(ownership_state(PA(pa + 5 * SZ_4K)), OWNERSHIP_HOST);
	assert_int_equal(ownership_state(PA(pa + 4 * SZ_4K)), OWNERSHIP_SHARED);
	machine_drop(before);
}

static void a_whole_unmap_takes_no_tables(void **state)
{
	u64 pa;

	vm_put(vm);
	start_vm(&(struct machine_config){ 0 }, 40, 1);
	pa = machine_alloc(512, SZ_2M).v;
	assert_int_equal(map(0, pa, SZ_2M, RW), 0);
	assert_int_equal(page_pool_available(&vm->pool), 0);
	assert_int_equal(unmap_whole(5 * SZ_4K, SZ_4K), 0);
	assert_unmapped(0);
	assert_int_equal(ownership_state(PA(pa)), OWNERSHIP_HOST);
	assert_int_equal(ownership_state(PA(pa + SZ_2M - SZ_4K)), OWNERSHIP_HOST);
}

/* What comes back as done is of the range that was asked for, however far the blocks reach. */
static void a_whole_unmap_takes_the_blocks_at_both_ends(void **state)
{
	u64 pa = machine_alloc(2048, SZ_2M).v, at = SZ_2M + SZ_4K, end = 3 * SZ_2M + SZ_4K;
	int ret;

	assert_int_equal(map_all(0, pa, 4 * SZ_2M, RW), 0);
	assert_int_equal(vm_unmap(vm, IPA(at), end - at, 2, &done), -EINVAL);
	for (; (ret = unmap_whole(at, end - at)) == -EAGAIN; at += done)
		assert_true(done > 0 && done < end - at);
	assert_int_equal(ret, 0);
	assert_mapped(SZ_2M - SZ_4K, pa + SZ_2M - SZ_4K, STAGE2_RW);
	assert_unmapped(SZ_2M);
	assert_unmapped(4 * SZ_2M - SZ_4K);
	assert_int_equal(unmap_whole(SZ_1G, SZ_4K), 0);
}

static void bad_topups_change_nothing(void **state)
{
	struct pa pa = machine_alloc(600, SZ_4K);
	struct machine_state *before = machine_save();
	u64 free = page_pool_available(&vm->pool);

	assert_int_equal(vm_topup(vm, pa, 0), -EINVAL);
	assert_int_equal(vm_topup(vm, pa, 513), -EINVAL);
	assert_int_equal(vm_topup(vm, PA(pa.v + 1), 1), -EINVAL);
	assert_int_equal(vm_topup(vm, PA(IMAGE_BASE), 1), -EPERM);
	assert_int_equal(vm_topup(vm, PA(DEVICE), 1), -ERANGE);
	assert_int_equal(vm_topup(vm, PA(FAR_BASE), 1), -ERANGE);
	assert_int_equal(vm_topup(vm, PA(vm->s2.stage2.vttbr & GENMASK(47, 0)), 1), -EPERM);
	machine_assert_same(before, "bad top-ups");
	assert_int_equal(page_pool_available(&vm->pool), free);
	assert_int_equal(vm_topup(vm, pa, 512), 0);
	assert_int_equal(vm_topup(vm, PA(pa.v + 511 * SZ_4K), 2), -EPERM);
	machine_drop(before);
}

/* ---- unmapping ---- */

static void holes_are_passed_over(void **state)
{
	u64 a = machine_alloc(1, SZ_4K).v, b = machine_alloc(512, SZ_2M).v;

	assert_int_equal(unmap(0, 1ULL << 40), 0);
	assert_int_equal(map(7 * SZ_4K, a, SZ_4K, RW), 0);
	assert_int_equal(map(33 * SZ_1G, b, SZ_2M, RW), 0);
	assert_int_equal(map((1ULL << 40) - SZ_4K, DEVICE, SZ_4K, DEV), 0);
	assert_int_equal(unmap_all(0, 1ULL << 40), 0);
	assert_unmapped(7 * SZ_4K);
	assert_unmapped(33 * SZ_1G);
	assert_unmapped((1ULL << 40) - SZ_4K);
	assert_int_equal(ownership_state(PA(a)), OWNERSHIP_HOST);
	assert_int_equal(ownership_state(PA(b)), OWNERSHIP_HOST);
	machine_check();
}

static void bad_unmaps_change_nothing(void **state)
{
	assert_int_equal(unmap(0, 0), -EINVAL);
	assert_int_equal(unmap(8, SZ_4K), -EINVAL);
	assert_int_equal(unmap(0, SZ_4K + 8), -EINVAL);
	assert_int_equal(unmap(SZ_4K, ~0ULL << 12), -EINVAL);
	assert_int_equal(unmap(1ULL << 40, SZ_4K), -E2BIG);
	assert_int_equal(unmap(0, (1ULL << 40) + SZ_4K), -E2BIG);
}

/* Memory goes back through its owner's record, devices do not, whatever lies beside them. */
static void a_device_and_ram_can_be_side_by_side(void **state)
{
	u64 pa = RAM_BASE - SZ_4K;

	assert_int_equal(map(0, pa, SZ_4K, DEV | RW), 0);
	assert_int_equal(map(SZ_4K, pa + SZ_4K, SZ_4K, RW), 0);
	assert_int_equal(unmap(0, 2 * SZ_4K), 0);
	assert_unmapped(0);
	assert_unmapped(SZ_4K);
	assert_int_equal(ownership_state(PA(RAM_BASE)), OWNERSHIP_HOST);
}

static int map_own(u64 ipa, u64 pa, u64 size)
{
	int ret;

	spin_lock(&vm->lock);
	ret = vm_map_own_device(vm, IPA(ipa), PA(pa), size);
	spin_unlock(&vm->lock);
	return ret;
}

/* Keel's registers: the host cannot have them mapped, but unmapped; memory there is in the way. */
static void registers_of_keels_are_mapped_by_keel_alone(void **state)
{
	assert_int_equal(map(0, KEEL_UART, SZ_4K, DEV | RW), -EPERM);
	assert_int_equal(map_own(TOP, KEEL_UART, SZ_4K), -E2BIG);
	assert_int_equal(map_own(0x800, KEEL_UART, SZ_4K), -EINVAL);
	assert_int_equal(map_own(0, KEEL_UART, SZ_4K), 0);
	assert_int_equal(lookup(0).pa.v, KEEL_UART);
	assert_int_equal(lookup(0).attrs & STAGE2_MEMTYPE, STAGE2_DEVICE);
	assert_int_equal(map(0, RAM_BASE, SZ_4K, RW), -EEXIST);
	for (u64 i = 0; i < 100; i++)
		vm_mem_check(vm);
	assert_int_equal(unmap(0, SZ_4K), 0);
	assert_unmapped(0);
	assert_int_equal(map(0, RAM_BASE, SZ_4K, RW), 0);
	assert_int_equal(map_own(0, KEEL_UART, SZ_4K), -EEXIST);
	assert_int_equal(map_own(SZ_4K, KEEL_UART, SZ_4K), 0); /* for the VM's end */
}

static void unmapping_adjacent_pages_is_bounded(void **state)
{
	u64 pa = FAR_BASE + SZ_4K, size = 16 * SZ_2M, at = 0;
	int ret;

	assert_int_equal(map_all(0, pa, size, RW), 0);
	assert_int_equal(lookup(0).level, 3);
	while ((ret = unmap(at, size - at)) == -EAGAIN) {
		assert_true(done > 0 && done <= 4 * SZ_2M);
		at += done;
	}
	assert_int_equal(ret, 0);
	assert_int_equal(ownership_state(PA(pa + size - SZ_4K)), OWNERSHIP_HOST);
}

static void unmapping_is_bounded(void **state)
{
	unsigned int calls = 0;
	u64 at = 0, size = 1024 * SZ_4K;
	int ret;

	for (u64 i = 0; i < 1024; i++) /* scattered */
		assert_int_equal(map(i * SZ_4K, machine_alloc(1, SZ_4K).v, SZ_4K, RW), 0);
	while ((ret = unmap(at, size - at)) == -EAGAIN) {
		assert_true(done > 0 && done <= 100 * SZ_4K);
		at += done;
		calls++;
	}
	assert_int_equal(ret, 0);
	assert_true(calls >= 10);
}

static void the_end_of_a_vm_is_bounded(void **state)
{
	unsigned int calls = 0;
	int ret;

	for (u64 i = 0; i < 1024; i++)
		assert_int_equal(map(i * SZ_4K, machine_alloc(1, SZ_4K).v, SZ_4K, RW), 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(vm_topup(vm, machine_alloc(64, SZ_4K), 64), 0);
	vm_put(vm);
	while ((ret = vm_destroy(handle)) == -EAGAIN) {
		assert_null(vm_get(handle));
		calls++;
	}
	assert_int_equal(ret, 0);
	assert_true(calls > 12);
	start_vm(&(struct machine_config){ 0 }, 40, 0);
}

/* The host wants a page back that the end of the VM would reach later. */
static void memory_of_a_vm_that_ends_can_be_unmapped(void **state)
{
	const u64 last = 1023 * SZ_4K, hole = SZ_1G;
	struct pa page = PA(0);
	u64 left = 0;
	int ret;

	for (u64 at = 0; at <= last; at += SZ_4K) {
		page = machine_alloc(1, SZ_4K);
		assert_int_equal(map(at, page.v, SZ_4K, RW), 0);
	}
	vm_put(vm);
	assert_int_equal(vm_unmap_ending(handle + 1, IPA(0), SZ_4K, KEEL_UNMAP_WHOLE, &left),
			 -ENOENT);
	assert_int_equal(vm_destroy(handle), -EAGAIN);
	assert_int_equal(ownership_state(page), OWNERSHIP_SHARED);
	assert_int_equal(vm_unmap_ending(handle, IPA(1), SZ_4K, KEEL_UNMAP_WHOLE, &left), -EINVAL);
	assert_int_equal(vm_unmap_ending(handle, IPA(last), SZ_4K, KEEL_UNMAP_WHOLE, &left), 0);
	assert_int_equal(ownership_state(page), OWNERSHIP_HOST);
	while ((ret = vm_destroy(handle)) == -EAGAIN)
		assert_int_equal(vm_unmap_ending(handle, IPA(hole), SZ_4K, KEEL_UNMAP_WHOLE, &left),
				 0);
	assert_int_equal(ret, 0);
	assert_int_equal(vm_unmap_ending(handle, IPA(last), SZ_4K, KEEL_UNMAP_WHOLE, &left),
			 -ENOENT);
	start_vm(&(struct machine_config){ 0 }, 40, 0);
}

/* ---- write permission ---- */

static int protect_once(u64 ipa, u64 size, u64 how)
{
	struct work before = work_now();
	int ret = vm_protect(vm, IPA(ipa), size, how, &done);

	assert_worked_little(before);
	return ret;
}

static int protect(u64 ipa, u64 size, u64 how)
{
	int ret;

	for (; (ret = protect_once(ipa, size, how)) == -EAGAIN; size -= done, ipa += done)
		assert_true(done > 0 && done < size);
	return ret;
}

static int take_write(u64 ipa, u64 size)
{
	return protect(ipa, size, KEEL_PROTECT_TAKE);
}

static int give_write(u64 ipa, u64 size)
{
	return protect(ipa, size, KEEL_PROTECT_GIVE);
}

static int join(u64 ipa, u64 size)
{
	return protect(ipa, size, KEEL_PROTECT_JOIN);
}

static void write_is_taken_and_given_by_the_page(void **state)
{
	u64 pa = machine_alloc(600, SZ_2M).v;

	assert_int_equal(map(8 * SZ_4K, pa, 7 * SZ_4K, RWX), 0);
	assert_int_equal(take_write(9 * SZ_4K, 2 * SZ_4K), 0);
	assert_mapped(8 * SZ_4K, pa, STAGE2_RWX);
	assert_mapped(9 * SZ_4K, pa + SZ_4K, STAGE2_R | STAGE2_X);
	assert_mapped(10 * SZ_4K, pa + 2 * SZ_4K, STAGE2_R | STAGE2_X);
	assert_mapped(11 * SZ_4K, pa + 3 * SZ_4K, STAGE2_RWX);
	assert_int_equal(give_write(10 * SZ_4K, SZ_4K), 0);
	assert_mapped(9 * SZ_4K, pa + SZ_4K, STAGE2_R | STAGE2_X);
	assert_mapped(10 * SZ_4K, pa + 2 * SZ_4K, STAGE2_RWX);
	assert_int_equal(ownership_state(PA(pa + SZ_4K)), OWNERSHIP_SHARED);
}

/* A page of a block: the block loses it as a whole, and one page of it gets it back. */
static void a_block_is_cut_where_a_page_is_written(void **state)
{
	struct machine_state *before;
	u64 pa;

	vm_put(vm);
	start_vm(&(struct machine_config){ 0 }, 40, 1);
	pa = machine_alloc(512, SZ_2M).v;
	assert_int_equal(map(0, pa, SZ_2M, RW), 0);
	assert_int_equal(take_write(77 * SZ_4K, SZ_4K), 0);
	assert_int_equal(lookup(0).level, 2);
	assert_mapped(0, pa, STAGE2_R);
	assert_int_equal(page_pool_available(&vm->pool), 0);
	before = machine_save();
	assert_int_equal(give_write(77 * SZ_4K, SZ_4K), -ENOMEM);
	machine_assert_same(before, "a block that cannot be cut");
	machine_drop(before);
	assert_mapped(0, pa, STAGE2_R);
	assert_int_equal(vm_topup(vm, machine_alloc(1, SZ_4K), 1), 0);
	assert_int_equal(give_write(77 * SZ_4K, SZ_4K), 0);
	assert_mapped(77 * SZ_4K, pa + 77 * SZ_4K, STAGE2_RW);
	assert_mapped(76 * SZ_4K, pa + 76 * SZ_4K, STAGE2_R);
	assert_mapped(78 * SZ_4K, pa + 78 * SZ_4K, STAGE2_R);
	/* what remains is joined again once all of it is equal */
	assert_int_equal(join(0, SZ_2M), 0);
	assert_int_equal(lookup(77 * SZ_4K).size, SZ_4K);
	assert_int_equal(give_write(0, SZ_2M), 0);
	assert_int_equal(join(SZ_4K, SZ_2M - SZ_4K), 0);
	assert_int_equal(lookup(0).level, 3);
	assert_int_equal(join(0, SZ_2M), 0);
	assert_int_equal(lookup(0).level, 2);
	assert_mapped(0, pa, STAGE2_RW);
	assert_int_equal(page_pool_available(&vm->pool), 1);
}

static void what_is_done_of_a_block_counts_from_the_range_on(void **state)
{
	u64 pa = machine_alloc(2048, SZ_2M).v;

	assert_int_equal(map_all(0, pa, 4 * SZ_2M, RW), 0);
	assert_int_equal(take_write(SZ_2M + SZ_4K, 2 * SZ_2M), 0);
	assert_mapped(SZ_2M - SZ_4K, pa + SZ_2M - SZ_4K, STAGE2_RW);
	assert_mapped(SZ_2M, pa + SZ_2M, STAGE2_R);
	assert_mapped(4 * SZ_2M - SZ_4K, pa + 4 * SZ_2M - SZ_4K, STAGE2_R);
	assert_int_equal(lookup(2 * SZ_2M).level, 2);
}

static void holes_have_no_write_permission_to_give(void **state)
{
	u64 pa = machine_alloc(2, SZ_4K).v;

	assert_int_equal(give_write(0, SZ_4K), -ENXIO);
	assert_int_equal(give_write(SZ_1G, SZ_1G), -ENXIO);
	assert_int_equal(take_write(0, TOP), 0);
	assert_int_equal(join(0, SZ_2M), 0);
	assert_int_equal(map(7 * SZ_4K, pa, SZ_4K, 0), 0);
	assert_int_equal(give_write(0, 6 * SZ_4K), -ENXIO);
	assert_int_equal(give_write(0, 8 * SZ_4K), 0);
	assert_mapped(7 * SZ_4K, pa, STAGE2_RW);
	assert_int_equal(protect_once(0, 9 * SZ_4K, KEEL_PROTECT_GIVE), -EAGAIN);
	assert_int_equal(done, 7 * SZ_4K);
	assert_int_equal(take_write(0, TOP), 0);
	assert_mapped(7 * SZ_4K, pa, STAGE2_R);
}

static void changes_of_write_permission_are_bounded(void **state)
{
	static const u64 all[] = { KEEL_PROTECT_TAKE, KEEL_PROTECT_GIVE, KEEL_PROTECT_JOIN,
				   KEEL_PROTECT_SPLIT };
	const u64 size = 4 * SZ_2M;

	assert_int_equal(vm_topup(vm, machine_alloc(8, SZ_4K), 8), 0);
	for (u64 i = 0; i < size / SZ_4K; i++) /* scattered */
		assert_int_equal(map(i * SZ_4K, machine_alloc(1, SZ_4K).v, SZ_4K, RW), 0);
	for (unsigned int n = 0; n < ARRAY_SIZE(all); n++) {
		unsigned int calls = 0;
		u64 at = 0;
		int ret;

		while ((ret = protect_once(at, size - at, all[n])) == -EAGAIN) {
			assert_true(done > 0 && done <= SZ_2M);
			at += done;
			calls++;
		}
		assert_int_equal(ret, 0);
		assert_true(calls >= 3);
		for (u64 i = 0; i < size / SZ_4K; i++)
			assert_int_equal(lookup(i * SZ_4K).attrs,
					 all[n] == KEEL_PROTECT_TAKE ? STAGE2_R : STAGE2_RW);
	}
}

static int split(u64 ipa, u64 size)
{
	return protect(ipa, size, KEEL_PROTECT_SPLIT);
}

static void blocks_are_split_as_far_as_the_range_goes(void **state)
{
	u64 pa = machine_alloc(3 * 512, SZ_2M).v;

	assert_int_equal(map_all(SZ_2M, pa, 3 * SZ_2M, RWX), 0);
	assert_int_equal(take_write(2 * SZ_2M, SZ_2M), 0);
	assert_int_equal(split(0, 3 * SZ_2M), 0);
	assert_int_equal(lookup(SZ_2M).level, 3);
	assert_int_equal(lookup(2 * SZ_2M).level, 3);
	assert_int_equal(lookup(3 * SZ_2M).level, 2);
	/* the permission stays what it was */
	assert_mapped(2 * SZ_2M - SZ_4K, pa + SZ_2M - SZ_4K, STAGE2_RWX);
	assert_mapped(2 * SZ_2M, pa + SZ_2M, STAGE2_R | STAGE2_X);
	assert_mapped(3 * SZ_2M - SZ_4K, pa + 2 * SZ_2M - SZ_4K, STAGE2_R | STAGE2_X);
	/* again is no error, and a page of a block is enough */
	assert_int_equal(split(0, 3 * SZ_2M), 0);
	assert_int_equal(split(3 * SZ_2M + 7 * SZ_4K, SZ_4K), 0);
	assert_int_equal(lookup(3 * SZ_2M + 7 * SZ_4K).level, 3);
	assert_mapped(4 * SZ_2M - SZ_4K, pa + 3 * SZ_2M - SZ_4K, STAGE2_RWX);
	assert_int_equal(give_write(2 * SZ_2M, SZ_2M), 0);
	assert_int_equal(join(0, 4 * SZ_2M), 0);
	for (u64 at = SZ_2M; at < 4 * SZ_2M; at += SZ_2M)
		assert_int_equal(lookup(at).level, 2);
}

static void a_block_without_a_table_to_be_had_stays_one(void **state)
{
	struct machine_state *before;
	u64 pa;

	vm_put(vm);
	start_vm(&(struct machine_config){ 0 }, 40, 1);
	pa = machine_alloc(512, SZ_2M).v;
	assert_int_equal(map(0, pa, SZ_2M, RW), 0);
	assert_int_equal(page_pool_available(&vm->pool), 0);
	before = machine_save();
	assert_int_equal(split(0, SZ_2M), -ENOMEM);
	machine_assert_same(before, "a block that cannot be split");
	machine_drop(before);
	assert_int_equal(vm_topup(vm, machine_alloc(1, SZ_4K), 1), 0);
	assert_int_equal(split(0, SZ_2M), 0);
	assert_int_equal(lookup(0).level, 3);
}

static void a_large_block_is_one_step(void **state)
{
	assert_int_equal(map_all(SZ_1G, FAR_BASE + SZ_1G, SZ_1G, RW), 0);
	assert_int_equal(lookup(SZ_1G).level, 1);
	assert_int_equal(protect_once(SZ_1G, SZ_1G, KEEL_PROTECT_TAKE), 0);
	assert_mapped(SZ_1G, FAR_BASE + SZ_1G, STAGE2_R);
	assert_int_equal(protect_once(SZ_1G, SZ_1G, KEEL_PROTECT_GIVE), 0);
	assert_int_equal(protect_once(SZ_1G, SZ_1G, KEEL_PROTECT_JOIN), 0);
	assert_int_equal(lookup(SZ_1G).level, 1);
	assert_mapped(SZ_1G, FAR_BASE + SZ_1G, STAGE2_RW);
	assert_int_equal(unmap_all(SZ_1G, SZ_1G), 0);
}

static void bad_changes_of_write_permission_change_nothing(void **state)
{
	u64 pa = machine_alloc(1, SZ_4K).v;
	struct machine_state *before;

	assert_int_equal(map(0, pa, SZ_4K, RW), 0);
	before = machine_save();
	for (u64 how = KEEL_PROTECT_TAKE; how <= KEEL_PROTECT_SPLIT; how++) {
		assert_int_equal(protect(0, 0, how), -EINVAL);
		assert_int_equal(protect(8, SZ_4K, how), -EINVAL);
		assert_int_equal(protect(0, SZ_4K + 8, how), -EINVAL);
		assert_int_equal(protect(SZ_4K, ~0ULL << 12, how), -EINVAL);
		assert_int_equal(protect(TOP, SZ_4K, how), -E2BIG);
		assert_int_equal(protect(0, TOP + SZ_4K, how), -E2BIG);
	}
	assert_int_equal(protect(0, SZ_4K, 4), -EINVAL);
	assert_int_equal(protect(0, SZ_4K, ~0ULL), -EINVAL);
	machine_assert_same(before, "bad changes of write permission");
	machine_drop(before);
	assert_mapped(0, pa, STAGE2_RW);
}

/* ---- larger pages ---- */

static void start_with(enum granule granule, u64 ipa_bits)
{
	vm_put(vm);
	start_vm(&(struct machine_config){ .granule = granule }, ipa_bits, 0);
}

static void addresses_are_multiples_of_the_granule(enum granule granule)
{
	u64 page = granule_size(granule), pa = machine_alloc(1024, SZ_2M).v;
	struct machine_state *before;

	assert_int_equal(vm_topup(vm, machine_alloc(512, SZ_2M), 512), 0);
	before = machine_save();
	for (u64 off = SZ_4K; off < page; off *= 2) {
		assert_int_equal(map(off, pa, page, RW), -EINVAL);
		assert_int_equal(map(0, pa + off, page, RW), -EINVAL);
		assert_int_equal(map(0, pa, off, RW), -EINVAL);
		assert_int_equal(map(0, pa, page + off, RW), -EINVAL);
		assert_int_equal(unmap(off, page), -EINVAL);
		assert_int_equal(unmap(0, off), -EINVAL);
	}
	machine_assert_same(before, "parts of a page");
	machine_drop(before);
	assert_int_equal(map(page, pa + page, page, RWX), 0);
	assert_mapped(page, pa + page, STAGE2_RWX);
	assert_mapped(2 * page - SZ_4K, pa + 2 * page - SZ_4K, STAGE2_RWX);
	assert_unmapped(page - SZ_4K);
	assert_unmapped(2 * page);
	for (u64 at = page; at < 2 * page; at += SZ_4K)
		assert_int_equal(ownership_state(PA(pa + at)), OWNERSHIP_SHARED);
	/* 2 MiB are one group of contiguous pages, for 16K and 64K alike */
	assert_int_equal(map(SZ_2M, pa + SZ_2M, SZ_2M, RW), 0);
	assert_int_equal(lookup(SZ_2M).size, SZ_2M);
	assert_int_equal(map(TOP - page, pa, page, RW), 0);
	assert_int_equal(map(TOP, pa, page, RW), -E2BIG);
	assert_int_equal(unmap_all(0, SZ_1G), 0);
	assert_int_equal(ownership_state(PA(pa + page)), OWNERSHIP_HOST);
}

static void addresses_are_multiples_of_16k(void **state)
{
	start_with(GRANULE_16K, 40);
	addresses_are_multiples_of_the_granule(GRANULE_16K);
}

static void addresses_are_multiples_of_64k(void **state)
{
	start_with(GRANULE_64K, 40);
	addresses_are_multiples_of_the_granule(GRANULE_64K);
}

/* A table of 64K comes from 16 adjacent pages, aligned; as many others are no help. */
static void a_large_table_takes_adjacent_pages(void **state)
{
	u64 pa, pieces;

	start_with(GRANULE_64K, 40);
	pa = machine_alloc(16, SZ_64K).v;
	pieces = machine_alloc(48, SZ_64K).v;
	assert_int_equal(vm_topup(vm, PA(pieces + SZ_4K), 15), 0);
	assert_int_equal(vm_topup(vm, PA(pieces + SZ_64K + 8 * SZ_4K), 16), 0);
	assert_int_equal(page_pool_available(&vm->pool), 31);
	assert_int_equal(map(0, pa, SZ_64K, RW), -ENOMEM);
	assert_int_equal(map(0, DEVICE, SZ_64K, DEV), -ENOMEM);
	assert_int_equal(page_pool_available(&vm->pool), 31);
	/* The page before what was there makes a table's worth of it. */
	assert_int_equal(vm_topup(vm, PA(pieces), 1), 0);
	assert_int_equal(map(0, pa, SZ_64K, RW), 0);
	assert_int_equal(page_pool_available(&vm->pool), 16);
	assert_int_equal(unmap(0, SZ_64K), 0);
	assert_int_equal(page_pool_available(&vm->pool), 32);
}

/* ---- random ---- */

#define SPACE 2048	     /* pages of IPA space that are used */
#define PHYS  (2048 * SZ_4K) /* memory that is mapped there; maps begin in its lower half */

static u64 unit; /* bytes of a page */
static bool model_cleans;

struct model_page {
	u64 pa; /* 0: hole */
	u64 flags;
};

static struct model_page model[SPACE];

/*
 * Pages of which caches may have what is not in memory, or no longer: in the model that is all of
 * them before each step, and none that a guest gets or the host has back may be behind it.
 */
static u64 model_base;
static bool in_caches[PHYS / SZ_4K];

static void model_cleaned(struct pa pa)
{
	if (pa.v - model_base < PHYS)
		in_caches[(pa.v - model_base) / SZ_4K] = false;
}

static void assert_clean(const struct model_page *page)
{
	if (!model_cleans || !page->pa || page->flags & DEV)
		return;
	for (u64 at = page->pa - model_base; at < page->pa - model_base + unit; at += SZ_4K)
		if (in_caches[at / SZ_4K])
			fail_msg("%#llx is not clean", (unsigned long long)(model_base + at));
}

static unsigned int attrs_of(u64 flags)
{
	return STAGE2_R | (flags & RW ? STAGE2_W : 0u) | (flags & RX ? STAGE2_X : 0u) |
	       (flags & DEV ? STAGE2_DEVICE : 0u);
}

static u64 random_count(void)
{
	u64 n = 1 + machine_random(machine_random(4) ? 8 : 900);

	return MIN(n, PHYS / 2 / unit);
}

static void random_map(u64 base)
{
	u64 page = machine_random(SPACE), n = random_count();
	u64 half = PHYS / 2 / unit, block = SZ_2M / unit;
	bool device = machine_random(8) == 0;
	u64 flags = device ? DEV | (machine_random(2) ? RW : 0) : machine_random(4);
	u64 pa = (device ? DEVICE : base) + machine_random((u32)half) * unit;
	u64 step, other;
	int ret;

	if (!machine_random(3)) { /* likely aligned alike, or the same again */
		page = ALIGN_DOWN(page, block);
		pa = device ? DEVICE : base + page % half * unit;
	}
	n = MIN(n, SPACE - page);
	step = MIN(n, block - page % block);
	for (other = 0; other < n; other++) {
		const struct model_page *there = &model[page + other];

		if (there->pa && (there->pa != pa + other * unit || there->flags != flags))
			break;
	}
	ret = map(page * unit, pa, n * unit, flags);
	if (ret == -ENOMEM)
		return;
	if (ret == -EEXIST) {
		assert_true(other < step);
		return;
	}
	/* Less than the step may be done, but nothing behind what is in the way. */
	if (ret == -EAGAIN)
		assert_true(done <= step * unit && done <= other * unit);
	else
		assert_int_equal(ret, other ? 0 : -EEXIST);
	assert_true(ret == -EAGAIN || (step == n && other == n));
	if (ret == -EAGAIN)
		n = done / unit;
	for (u64 i = 0; i < n; i++) {
		struct model_page new = { pa + i * unit, flags };

		if (!model[page + i].pa)
			assert_clean(&new);
		model[page + i] = new;
	}
}

static void model_unmap(u64 begin, u64 end)
{
	for (u64 i = begin; i < end; i++) {
		assert_clean(&model[i]);
		model[i].pa = 0;
	}
}

/* Blocks that pages [page, page + n) have a part of go as a whole. */
static void random_whole_unmap(u64 page, u64 n)
{
	struct stage2_leaf first = lookup(page * unit), last = lookup((page + n) * unit - 1);
	u64 before = page * unit % stage2_level_size(&vm->s2.stage2, first.level);
	u64 size = stage2_level_size(&vm->s2.stage2, last.level);
	u64 begin = first.mapped ? page - before / unit : page;
	u64 end = last.mapped ? ALIGN_UP((page + n) * unit, size) / unit : page + n;
	u64 at;
	int ret;

	for (at = 0; (ret = unmap_whole((page + at) * unit, (n - at) * unit)) == -EAGAIN;)
		at += done / unit;
	assert_int_equal(ret, 0);
	model_unmap(begin, end);
}

static void random_unmap(void)
{
	u64 page = machine_random(SPACE), n = random_count(), at;
	int ret;

	/* To its end: what -EAGAIN does not count may be unmapped, and not be clean yet. */
	n = MIN(n, SPACE - page);
	if (!machine_random(3)) {
		random_whole_unmap(page, n);
		return;
	}
	for (at = 0; (ret = unmap((page + at) * unit, (n - at) * unit)) == -EAGAIN;)
		at += done / unit;
	assert_true(ret == 0 || ret == -ENOMEM);
	n = ret ? at : n;
	model_unmap(page, page + n);
}

static void check_model(u64 base)
{
	static u8 shares[PHYS / SZ_4K];

	memset(shares, 0, sizeof(shares));
	for (u64 i = 0; i < SPACE; i++) {
		if (!model[i].pa) {
			assert_unmapped(i * unit);
			continue;
		}
		assert_mapped(i * unit, model[i].pa, attrs_of(model[i].flags));
		if (!(model[i].flags & DEV))
			shares[(model[i].pa - base) / unit]++;
	}
	for (u64 at = 0; at < PHYS; at += SZ_4K)
		assert_int_equal(ownership_share_count(PA(base + at)), shares[at / unit]);
}

static void topup_table(void)
{
	assert_int_equal(vm_topup(vm, machine_alloc(unit / SZ_4K, unit), unit / SZ_4K), 0);
}

static void random_maps_agree_with_a_model(void **state)
{
	for (unsigned int seed = 0; seed < 30; seed++) {
		const struct machine_config config = {
			.no_fwb = seed & 1,
			.granule = (enum granule)(seed % GRANULE_COUNT),
		};
		u64 base;

		unit = granule_size(config.granule);
		model_cleans = config.no_fwb;
		assert_int_equal(finish(NULL), 0);
		start_vm(&config, seed % 4 ? 40 : 32, 2);
		machine_seed(seed);
		memset(model, 0, sizeof(model));
		base = model_base = machine_alloc(PHYS / SZ_4K, SZ_2M).v;
		machine_on_clean = model_cleaned;
		for (int i = 0; i < 400; i++) {
			memset(in_caches, true, sizeof(in_caches));
			if (machine_random(3))
				random_map(base);
			else
				random_unmap();
			if (machine_random(100) == 0)
				topup_table();
			if (i % 10 == 0)
				check_model(base);
		}
		check_model(base);
		machine_check();
		machine_check_context(&vm->s2);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)
	const struct CMUnitTest tests[] = {
		TEST(flags_become_permissions),
		TEST(blocks_are_used_where_the_alignment_allows),
		TEST(a_call_does_no_more_than_a_block),
		TEST(many_holes_in_a_range_are_filled_a_few_a_call),
		TEST(where_caches_must_be_cleaned_a_gigabyte_is_not_mapped_at_once),
		TEST(a_block_is_cleaned_in_parts),
		TEST(maps_do_not_disturb_each_other),
		TEST(a_map_that_is_given_up_counts_no_more),
		TEST(what_is_clean_is_part_of_what_is_mapped),
		TEST(an_unmap_that_is_given_up_is_finished_by_the_next),
		TEST(a_whole_block_is_cleaned_whole),
		TEST(a_page_of_a_contiguous_group_goes_alone),
		TEST(many_pages_take_few_calls),
		TEST(a_page_is_unmapped_by_few_reads),
		TEST(many_holes_are_cleaned_in_parts),
		TEST(a_flush_finds_all_memory),
		TEST(a_sync_cleans_what_the_cpu_does_not_keep_coherent),
		TEST(a_sync_wants_an_address_of_the_vm),
		TEST(caches_are_cleaned_only_without_fwb),
		TEST(memory_that_has_failed_does_not_answer),
		TEST(pages_that_fault_are_cleaned_one_a_call),
		TEST(cleaning_stops_where_an_interrupt_of_the_host_waits),
		TEST(memory_whose_caches_cannot_be_cleaned_is_not_mapped),
		TEST(the_end_of_a_vm_cleans_no_caches),
		TEST(bad_maps_change_nothing),
		TEST(a_vms_own_memory_cannot_be_mapped),
		TEST(the_last_page_of_the_ipa_space_can_be_mapped),
		TEST(mapping_the_same_again_is_no_error),
		TEST(something_else_in_the_middle_stops_a_map),
		TEST(a_page_can_be_in_two_places_and_two_vms),
		TEST(a_page_is_shared_very_often),
		TEST(a_dry_pool_asks_for_a_topup),
		TEST(a_map_that_ran_dry_in_the_middle_tells_how_far_it_came),
		TEST(cutting_a_block_takes_tables),
		TEST(a_whole_unmap_takes_no_tables),
		TEST(a_whole_unmap_takes_the_blocks_at_both_ends),
		TEST(bad_topups_change_nothing),
		TEST(holes_are_passed_over),
		TEST(bad_unmaps_change_nothing),
		TEST(a_device_and_ram_can_be_side_by_side),
		TEST(registers_of_keels_are_mapped_by_keel_alone),
		TEST(unmapping_adjacent_pages_is_bounded),
		TEST(unmapping_is_bounded),
		TEST(write_is_taken_and_given_by_the_page),
		TEST(a_block_is_cut_where_a_page_is_written),
		TEST(what_is_done_of_a_block_counts_from_the_range_on),
		TEST(holes_have_no_write_permission_to_give),
		TEST(changes_of_write_permission_are_bounded),
		TEST(blocks_are_split_as_far_as_the_range_goes),
		TEST(a_block_without_a_table_to_be_had_stays_one),
		TEST(a_large_block_is_one_step),
		TEST(bad_changes_of_write_permission_change_nothing),
		TEST(the_end_of_a_vm_is_bounded),
		TEST(memory_of_a_vm_that_ends_can_be_unmapped),
		TEST(addresses_are_multiples_of_16k),
		TEST(addresses_are_multiples_of_64k),
		TEST(a_large_table_takes_adjacent_pages),
		TEST(random_maps_agree_with_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
