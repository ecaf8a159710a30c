// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: tests/unit/vm_machine.c tests/unit/fake_panic.c hyp/vm/vm.c hyp/vm/s2_context.c hyp/vm/vcpu.c hyp/vm/guest_mem.c hyp/vm/vm_info.c hyp/vm/vm_table.c hyp/vm/donation.c hyp/mm/ownership.c hyp/mm/page_lock.c hyp/mm/page_pool.c hyp/mm/pgtable.c hyp/mm/pgtable_sane.c hyp/mm/stage2.c hyp/mm/stage2_geometry.c hyp/mm/vmid.c hyp/cpu/features.c hyp/cpu/errata.c */
/* What is told of a VM: its shape, what memory its tables take, its memory map. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <vm_machine.h>

#define RW  KEEL_MAP_WRITE
#define RWX (KEEL_MAP_WRITE | KEEL_MAP_EXEC)

static u64 handle, donated;
static struct vm *vm;

/* As KEEL_HC_VM_CREATE has it. */
static u64 vm_align(u64 pages)
{
	u64 align = SZ_4K;

	while (2 * align <= pages * SZ_4K)
		align *= 2;
	return MAX(align, SZ_64K);
}

static int try_vm(const struct machine_config *config, u64 ipa_bits)
{
	struct vm_sizes sizes;
	int ret;

	machine_start(config);
	ret = vm_sizes(ipa_bits, &sizes);
	if (ret && vm_sizes(32, &sizes))
		fail_msg("no VM of 32 bits");
	donated = sizes.vm_pages;
	assert_int_equal(
		vm_create(machine_alloc(donated, vm_align(donated)), donated, ipa_bits, &handle),
		ret);
	return ret;
}

static void start_vm(u64 ipa_bits)
{
	assert_int_equal(try_vm(&(struct machine_config){ .pa_bits = 52 }, ipa_bits), 0);
	vm = vm_get(handle);
}

static int start(void **state)
{
	(void)state;
	start_vm(40);
	return 0;
}

static int finish(void **state)
{
	int ret;

	(void)state;
	vm_put(vm);
	while ((ret = vm_destroy(handle)) == -EAGAIN)
		;
	assert_int_equal(ret, 0);
	machine_check();
	return 0;
}

static void topup(u64 pages)
{
	assert_int_equal(vm_topup(vm, machine_alloc(pages, SZ_4K), pages), 0);
	donated += pages;
}

static void map(u64 ipa, u64 pa, u64 size, u64 flags)
{
	struct vm_mapped mapped = { 0 };
	int ret;

	while ((ret = vm_map(vm, IPA(ipa), PA(pa), size, flags, &mapped)) == -EAGAIN)
		ipa += mapped.done, pa += mapped.done, size -= mapped.done;
	assert_int_equal(ret, 0);
}

static void unmap(u64 ipa, u64 size)
{
	u64 done;
	int ret;

	while ((ret = vm_unmap(vm, IPA(ipa), size, 0, &done)) == -EAGAIN)
		ipa += done, size -= done;
	assert_int_equal(ret, 0);
}

static void expect(const struct vm_extent *s, u64 ipa, u64 size, u64 block, u64 flags)
{
	if (s->ipa.v != ipa || s->size != size || s->block != block || s->flags != flags)
		fail_msg("found %#lx + %#lx in %#lx, flags %lu", (unsigned long)s->ipa.v,
			 (unsigned long)s->size, (unsigned long)s->block, (unsigned long)s->flags);
}

/* ---- vm_info() ---- */

static void expect_shape(u64 bits, enum granule granule)
{
	struct stage2_geometry want;
	struct mmu_caps caps;
	struct vm_info info;

	cpu_features_mmu_caps(&machine_features, &caps);
	assert_int_equal(stage2_geometry(&want, (unsigned int)bits, granule, &caps), 0);
	vm_info(vm, &info);
	assert_int_equal(info.geometry.ia_bits, bits);
	assert_int_equal(info.geometry.start_level, want.start_level);
	assert_int_equal(info.geometry.root_tables, want.root_tables);
	assert_int_equal(info.geometry.root_size, want.root_size);
	assert_int_equal(info.geometry.vtcr, want.vtcr);
	assert_int_equal(info.table_bytes, want.root_size);
	/* no more is asked for than the root, rounded up, and what does not depend on the size */
	assert_int_equal(info.donated_bytes, donated * SZ_4K);
	assert_int_equal(info.free_bytes, 0);
	assert_int_equal(info.vcpus, 0);
	assert_int_equal(vm->s2.stage2.vttbr & GENMASK(47, 1) & (want.root_size - 1), 0);
}

/* Every size on a machine of this limit, through vm_create(). */
static void expect_every_size(enum granule granule, unsigned int limit)
{
	const struct machine_config config = { .pa_bits = limit, .granule = granule };

	for (u64 bits = 1; bits <= 64; bits++) {
		int ret = try_vm(&config, bits);

		assert_int_equal(ret, bits < 32 || bits > limit ? -EINVAL : 0);
		if (ret)
			continue;
		vm = vm_get(handle);
		expect_shape(bits, granule);
		finish(NULL);
	}
}

static void every_ipa_size_has_its_geometry(void **state)
{
	static const unsigned int limits[] = { 32, 36, 40, 42, 44, 48, 52 };

	(void)state;
	for (enum granule g = GRANULE_4K; g < GRANULE_COUNT; g++)
		for (size_t l = 0; l < ARRAY_SIZE(limits); l++)
			expect_every_size(g, limits[l]);
}

static void tables_are_counted(void **state)
{
	u64 pa = machine_alloc(4, SZ_2M).v;
	struct vm_info info;

	(void)state;
	topup(8);
	vm_info(vm, &info);
	assert_int_equal(info.table_bytes, 2 * SZ_4K);
	assert_int_equal(info.free_bytes, 8 * SZ_4K);
	map(0x80000000, pa, SZ_4K, RWX); /* levels 2 and 3 */
	vm_info(vm, &info);
	assert_int_equal(info.table_bytes, 4 * SZ_4K);
	assert_int_equal(info.free_bytes, 6 * SZ_4K);
	map(0x80001000, pa + SZ_4K, SZ_4K, RWX);
	map(0xffffffffff & ~0xfffULL, pa + 2 * SZ_4K, SZ_4K, RWX); /* two more */
	vm_info(vm, &info);
	assert_int_equal(info.table_bytes, 6 * SZ_4K);
	assert_int_equal(info.donated_bytes, donated * SZ_4K);
	unmap(0x80000000, SZ_2M);
	vm_info(vm, &info);
	assert_int_equal(info.table_bytes + info.free_bytes, 10 * SZ_4K);
	assert_true(info.table_bytes <= 6 * SZ_4K);
}

/* Tables are as large as the granule; the pool's smaller pieces are of no use for them. */
static void tables_of_large_pages_are_counted(void **state)
{
	u64 pa;
	struct vm_info info;

	(void)state;
	finish(NULL);
	assert_int_equal(
		try_vm(&(struct machine_config){ .pa_bits = 52, .granule = GRANULE_64K }, 40), 0);
	vm = vm_get(handle);
	pa = machine_alloc(16, SZ_64K).v;
	topup(16 * 2);
	map(0x80000000, pa, SZ_64K, RWX); /* level 3 */
	vm_info(vm, &info);
	assert_int_equal(info.table_bytes, info.geometry.root_size + SZ_64K);
	unmap(0x80000000, SZ_64K);
	vm_info(vm, &info);
	assert_int_equal(info.table_bytes, info.geometry.root_size);
	assert_int_equal(info.free_bytes, 32 * SZ_4K);
}

static void vcpus_are_counted(void **state)
{
	struct vm_sizes sizes;
	struct vm_info info;

	(void)state;
	assert_int_equal(vm_sizes(40, &sizes), 0);
	for (u64 i = 0; i < 3; i++)
		assert_int_equal(vcpu_create(vm, 5 * i, machine_alloc(sizes.vcpu_pages, SZ_4K),
					     sizes.vcpu_pages, machine_alloc(1, SZ_4K)),
				 0);
	vm_info(vm, &info);
	assert_int_equal(info.vcpus, 3);
	assert_int_equal(info.donated_bytes, (donated + 3 * sizes.vcpu_pages) * SZ_4K);
}

/* ---- vm_walk() ---- */

static int walk(u64 ipa, struct vm_extent *s)
{
	int ret;

	while ((ret = vm_walk(vm, IPA(ipa), s)) == -EAGAIN) {
		assert_true(s->ipa.v > ipa);
		ipa = s->ipa.v;
	}
	return ret;
}

static void an_empty_vm_maps_nothing(void **state)
{
	struct vm_extent s;

	(void)state;
	assert_int_equal(walk(0, &s), 0);
	assert_int_equal(s.size, 0);
	assert_int_equal(walk((1ULL << 40) - SZ_4K, &s), 0);
	assert_int_equal(s.size, 0);
}

static void bad_addresses_are_refused(void **state)
{
	struct vm_extent s;

	(void)state;
	assert_int_equal(walk(1, &s), -EINVAL);
	assert_int_equal(walk(0x800, &s), -EINVAL);
	assert_int_equal(walk(1ULL << 40, &s), -E2BIG);
	assert_int_equal(walk(~0xfffULL, &s), -E2BIG);
}

static void extents_have_one_kind_of_leaf(void **state)
{
	u64 block = machine_alloc(1024, SZ_2M).v, pages = machine_alloc(8, SZ_4K).v;
	struct vm_extent s;

	(void)state;
	topup(16);
	map(0x80000000, block, 2 * SZ_2M, RWX);
	map(0x80400000, pages, SZ_4K, RWX);
	map(0x80401000, pages + 3 * SZ_4K, SZ_4K, RWX); /* elsewhere in memory: no matter */
	map(0x80402000, pages + SZ_4K, SZ_4K, RW);
	map(0x80403000, pages + 2 * SZ_4K, SZ_4K, 0);
	map(0xc0000000, DEVICE, SZ_4K, RW | KEEL_MAP_DEVICE);

	assert_int_equal(walk(0, &s), 0);
	expect(&s, 0x80000000, 2 * SZ_2M, SZ_2M, RWX);
	assert_int_equal(walk(0x80400000, &s), 0);
	expect(&s, 0x80400000, 2 * SZ_4K, SZ_4K, RWX);
	assert_int_equal(walk(0x80402000, &s), 0);
	expect(&s, 0x80402000, SZ_4K, SZ_4K, RW);
	assert_int_equal(walk(0x80403000, &s), 0);
	expect(&s, 0x80403000, SZ_4K, SZ_4K, 0);
	assert_int_equal(walk(0x80404000, &s), 0);
	expect(&s, 0xc0000000, SZ_4K, SZ_4K, RW | KEEL_MAP_DEVICE);
	map(0xc0001000, DEVICE, SZ_4K, RW | KEEL_MAP_DEVICE | KEEL_MAP_NC);
	assert_int_equal(walk(0xc0001000, &s), 0);
	expect(&s, 0xc0001000, SZ_4K, SZ_4K, RW | KEEL_MAP_DEVICE | KEEL_MAP_NC);
	assert_int_equal(walk(0xc0002000, &s), 0);
	assert_int_equal(s.size, 0);
	/* from within: the leaf as a whole */
	assert_int_equal(walk(0x80300000, &s), 0);
	expect(&s, 0x80200000, SZ_2M, SZ_2M, RWX);
}

/* 16 tables with one page each at their ends: more than a call looks at, and none is left out. */
static void a_long_walk_is_cut_into_steps(void **state)
{
	u64 pa = machine_alloc(1, SZ_4K).v, ipa = 0, found = 0, steps = 0, again = 0;
	const u64 tables = 16;
	struct vm_extent s;
	int ret;

	(void)state;
	topup(3 * tables);
	for (u64 i = 0; i < tables; i++)
		map(i * SZ_1G + SZ_2M - SZ_4K, pa, SZ_4K, RW);
	for (;; ipa = s.ipa.v + s.size, steps++) {
		ret = vm_walk(vm, IPA(ipa), &s);
		if (!ret && !s.size)
			break;
		again += ret == -EAGAIN;
		assert_true(ret == 0 || ret == -EAGAIN);
		assert_true(s.ipa.v + s.size > ipa);
		if (!ret)
			expect(&s, found++ * SZ_1G + SZ_2M - SZ_4K, SZ_4K, SZ_4K, RW);
	}
	assert_int_equal(found, tables);
	assert_true(again > 0 && steps <= 16 * tables);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_ipa_size_has_its_geometry),
		cmocka_unit_test_setup_teardown(tables_are_counted, start, finish),
		cmocka_unit_test_setup_teardown(tables_of_large_pages_are_counted, start, finish),
		cmocka_unit_test_setup_teardown(vcpus_are_counted, start, finish),
		cmocka_unit_test_setup_teardown(an_empty_vm_maps_nothing, start, finish),
		cmocka_unit_test_setup_teardown(bad_addresses_are_refused, start, finish),
		cmocka_unit_test_setup_teardown(extents_have_one_kind_of_leaf, start, finish),
		cmocka_unit_test_setup_teardown(a_long_walk_is_cut_into_steps, start, finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
