// SPDX-License-Identifier: BSD-2-Clause
/* The memory map: sets of ranges against a naive model, reading device trees, searching. */
/* SOURCES: hyp/host/memmap.c hyp/host/memmap_fdt.c hyp/host/fdt_read.c hyp/host/host_fdt.c hyp/lib/options.c hyp/lib/parse.c */
/* LIBS: -lfdt */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fdt_world.h"
#include <host/memmap.h>
#include <lib/errno.h>

/* Checks a set against ranges "base-end base-end", in hexadecimal. */
static void is_set(const struct mem_ranges *set, const char *expected)
{
	char got[8192] = "";
	size_t n = 0;

	for (unsigned int i = 0; i < set->count && n < sizeof(got); i++)
		n += (size_t)snprintf(got + n, sizeof(got) - n, "%s%llx-%llx", i ? " " : "",
				      (unsigned long long)set->range[i].base,
				      (unsigned long long)set->range[i].end);
	if (strcmp(got, expected))
		fail_msg("ranges are \"%s\", expected \"%s\"", got, expected);
}

static void added_ranges_are_merged(void **state)
{
	struct mem_ranges s = { 0 };

	assert_int_equal(mem_ranges_add(&s, 0x3000, 0x1000), 0);
	assert_int_equal(mem_ranges_add(&s, 0x1000, 0x1000), 0);
	is_set(&s, "1000-2000 3000-4000");
	assert_int_equal(mem_ranges_add(&s, 0x5000, 0), 0);
	is_set(&s, "1000-2000 3000-4000");
	assert_int_equal(mem_ranges_add(&s, 0x2000, 0x1000), 0);
	is_set(&s, "1000-4000");
	assert_int_equal(mem_ranges_add(&s, 0x1800, 0x100), 0);
	is_set(&s, "1000-4000");
	assert_int_equal(mem_ranges_add(&s, 0, 0x10000), 0);
	is_set(&s, "0-10000");
}

static void a_removed_range_cuts_others(void **state)
{
	struct mem_ranges s = { 0 };

	assert_int_equal(mem_ranges_add(&s, 0x1000, 0x9000), 0);
	assert_int_equal(mem_ranges_remove(&s, 0x3000, 0x1000), 0);
	is_set(&s, "1000-3000 4000-a000");
	assert_int_equal(mem_ranges_remove(&s, 0x3000, 0x1000), 0);
	assert_int_equal(mem_ranges_remove(&s, 0, 0x1000), 0);
	assert_int_equal(mem_ranges_remove(&s, 0xa000, 0x1000), 0);
	assert_int_equal(mem_ranges_remove(&s, 0x5000, 0), 0);
	is_set(&s, "1000-3000 4000-a000");
	assert_int_equal(mem_ranges_remove(&s, 0x2000, 0x3000), 0);
	is_set(&s, "1000-2000 5000-a000");
	assert_int_equal(mem_ranges_remove(&s, 0, 0x100000), 0);
	is_set(&s, "");
}

static void impossible_ranges_are_refused(void **state)
{
	static const struct {
		u64 base, size;
	} bad[] = {
		{ MEMMAP_PA_LIMIT, 1 }, { MEMMAP_PA_LIMIT - 1, 2 },   { ~0ULL, 1 },
		{ 0x1000, ~0ULL },	{ 0x1000, ~0ULL - 0xfffULL }, { 1, MEMMAP_PA_LIMIT },
	};
	struct mem_ranges s = { 0 };

	assert_int_equal(mem_ranges_add(&s, 0x1000, 0x1000), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(mem_ranges_add(&s, bad[i].base, bad[i].size), -EINVAL);
		assert_int_equal(mem_ranges_remove(&s, bad[i].base, bad[i].size), -EINVAL);
		assert_false(mem_ranges_contain(&s, bad[i].base, bad[i].size));
		assert_false(mem_ranges_overlap(&s, bad[i].base, bad[i].size));
	}
	is_set(&s, "1000-2000");
	assert_int_equal(mem_ranges_add(&s, 0, MEMMAP_PA_LIMIT), 0);
	is_set(&s, "0-100000000000000");
}

static void a_full_set_refuses_and_stays(void **state)
{
	struct mem_ranges s = { 0 }, before;

	for (u64 i = 0; i < MEMMAP_MAX_RANGES; i++)
		assert_int_equal(mem_ranges_add(&s, i * 0x4000, 0x3000), 0);
	before = s;
	assert_int_equal(mem_ranges_add(&s, 0x1000000, 0x1000), -ENOSPC);
	assert_int_equal(mem_ranges_remove(&s, 0x1000, 0x1000), -ENOSPC);
	assert_memory_equal(&s, &before, sizeof(s));
	/* what needs no new range still works */
	assert_int_equal(mem_ranges_add(&s, 0x3000, 0x1000), 0);
	assert_int_equal(s.count, MEMMAP_MAX_RANGES - 1);
	assert_int_equal(mem_ranges_remove(&s, 0x1000, 0x1000), 0);
	assert_int_equal(s.count, MEMMAP_MAX_RANGES);
	assert_int_equal(mem_ranges_remove(&s, 0x0, 0x1000), 0);
	assert_int_equal(s.count, MEMMAP_MAX_RANGES - 1);
}

/* The model: an array of bits, one for each of MODEL addresses. */
#define MODEL 256

static void is_model(const struct mem_ranges *s, const bool *model)
{
	bool got[MODEL + 1] = { false };

	for (unsigned int i = 0; i < s->count; i++) {
		assert_true(s->range[i].base < s->range[i].end && s->range[i].end <= MODEL);
		if (i)
			assert_true(s->range[i - 1].end < s->range[i].base);
		for (u64 a = s->range[i].base; a < s->range[i].end; a++)
			got[a] = true;
	}
	assert_memory_equal(got, model, MODEL);
}

static void check_queries(const struct mem_ranges *s, const bool *model, u64 base, u64 size)
{
	bool all = size != 0, any = false;

	for (u64 a = base; a < base + size; a++) {
		all &= model[a];
		any |= model[a];
	}
	assert_int_equal(mem_ranges_contain(s, base, size), all);
	assert_int_equal(mem_ranges_overlap(s, base, size), any);
}

static void random_changes_agree_with_a_model(void **state)
{
	struct mem_ranges s = { 0 };
	bool model[MODEL] = { false };

	srand(1);
	for (unsigned int step = 0; step < 20000; step++) {
		u64 base = (u64)rand() % MODEL, size = (u64)rand() % (MODEL - base + 1);
		bool add = rand() & 1;

		if (rand() & 1)
			size = size ? size % 8 : 0;
		check_queries(&s, model, base, size);
		assert_int_equal(add ? mem_ranges_add(&s, base, size)
				     : mem_ranges_remove(&s, base, size),
				 0);
		memset(model + base, add, size);
		is_model(&s, model);
	}
}

/* The naive search: every address. Returns MODEL if nothing fits. */
static u64 naive_find(const bool *is_free, u64 size, u64 align, u64 min, u64 max, bool high)
{
	u64 found = MODEL;

	for (u64 a = 0; a + size <= MODEL; a += align) {
		bool fits = a >= min && a + size <= max;

		for (u64 i = a; fits && i < a + size; i++)
			fits = is_free[i];
		if (fits && (high || found == MODEL))
			found = a;
	}
	return found;
}

static void random_map(struct memmap *map, bool *is_free)
{
	memset(map, 0, sizeof(*map));
	memset(is_free, 0, MODEL);
	for (unsigned int i = 0; i < 1 + (unsigned int)rand() % 6; i++) {
		u64 base = (u64)rand() % MODEL, size = (u64)rand() % (MODEL - base + 1);

		assert_int_equal(mem_ranges_add(&map->ram, base, size), 0);
		memset(is_free + base, 1, size);
	}
	for (unsigned int i = 0; i < (unsigned int)rand() % 12; i++) {
		u64 base = (u64)rand() % MODEL, size = (u64)rand() % 16 % (MODEL - base + 1);

		assert_int_equal(memmap_reserve(map, base, size), 0);
		memset(is_free + base, 0, size);
	}
}

static void random_searches_agree_with_a_model(void **state)
{
	srand(2);
	for (unsigned int step = 0; step < 20000; step++) {
		u64 size = 1 + (u64)rand() % 40, align = 1ULL << (rand() % 6);
		u64 min = (u64)rand() % MODEL, max = min + (u64)rand() % MODEL;
		bool is_free[MODEL], high = rand() & 1;
		u64 want, got = 12345;
		struct memmap map;
		int err;

		if (rand() & 1) {
			min = 0;
			max = ~0ULL;
		}
		random_map(&map, is_free);
		want = naive_find(is_free, size, align, min, max, high);
		err = memmap_find(&map, size, align, min, max,
				  high ? MEMMAP_HIGHEST : MEMMAP_LOWEST, &got);
		if (want == MODEL) {
			assert_int_equal(err, -ENOSPC);
			assert_int_equal(got, 12345);
		} else if (err || got != want) {
			fail_msg("step %u: %d, %llu, expected %llu", step, err,
				 (unsigned long long)got, (unsigned long long)want);
		} else {
			assert_true(memmap_is_free(&map, got, size));
			assert_true(memmap_is_ram(&map, got, size));
		}
	}
}

static void a_search_with_invalid_arguments_is_refused(void **state)
{
	struct memmap map = { 0 };
	u64 at = 1;

	assert_int_equal(mem_ranges_add(&map.ram, 0, MEMMAP_PA_LIMIT), 0);
	assert_int_equal(memmap_find(&map, 0, 1, 0, ~0ULL, MEMMAP_LOWEST, &at), -EINVAL);
	assert_int_equal(memmap_find(&map, 1, 0, 0, ~0ULL, MEMMAP_LOWEST, &at), -EINVAL);
	assert_int_equal(memmap_find(&map, 1, 3, 0, ~0ULL, MEMMAP_LOWEST, &at), -EINVAL);
	assert_int_equal(memmap_find(&map, 1, 1, 2, 1, MEMMAP_LOWEST, &at), -ENOSPC);
	assert_int_equal(memmap_find(&map, 1, 1ULL << 63, 1, ~0ULL, MEMMAP_LOWEST, &at), -ENOSPC);
	assert_int_equal(memmap_find(&map, ~0ULL, 1, 0, ~0ULL, MEMMAP_LOWEST, &at), -ENOSPC);
	assert_int_equal(at, 1);
	assert_int_equal(memmap_find(&map, MEMMAP_PA_LIMIT, 1, 0, ~0ULL, MEMMAP_HIGHEST, &at), 0);
	assert_int_equal(at, 0);
	assert_int_equal(memmap_ram_size(&map), MEMMAP_PA_LIMIT);
}

/* Where firmware put the tree. */
static const struct mem_range tree_at = { 0x4b000100, 0x4b010000 };

static struct memmap from_fdt(struct fdt_world *w)
{
	struct memmap map;
	const char *why = "-";
	int err;

	fw_finish(w);
	err = memmap_from_fdt(&map, w->fdt, tree_at, &why);
	if (err)
		fail_msg("%d %s", err, why);
	fw_free(w);
	return map;
}

static void is_refused(struct fdt_world *w, int err, const char *line)
{
	struct memmap map;
	const char *why = "-";
	int got;

	fw_finish(w);
	got = memmap_from_fdt(&map, w->fdt, tree_at, &why);
	if (got != err || !strstr(why, line))
		fail_msg("got %d \"%s\", expected %d and \"%s\"", got, why, err, line);
	fw_free(w);
}

static void the_memory_of_qemus_machine_is_read(void **state)
{
	struct fdt_world w = fw_virt(NULL, false);
	struct memmap map;
	const char *why;

	assert_int_equal(memmap_from_fdt(&map, w.fdt, tree_at, &why), 0);
	is_set(&map.ram, "40000000-80000000");
	is_set(&map.reserved, "");
	fw_free(&w);
}

static void begin(struct fdt_world *w, unsigned int addr_cells, unsigned int size_cells)
{
	fw_begin(w, addr_cells, size_cells);
	fw_root(w);
}

static void addresses_and_sizes_have_one_or_two_cells(void **state)
{
	for (unsigned int a = 1; a <= 2; a++) {
		for (unsigned int s = 1; s <= 2; s++) {
			struct fdt_world w;
			struct memmap map;

			begin(&w, a, s);
			fw_memory(&w, a == 2 ? 0x880000000 : 0x80000000, 0x10000000);
			map = from_fdt(&w);
			is_set(&map.ram, a == 2 ? "880000000-890000000" : "80000000-90000000");
		}
	}
}

static void banks_are_sorted_and_merged(void **state)
{
	struct fdt_world w;
	struct memmap map;

	begin(&w, 2, 2);
	fw_memory(&w, 0x880000000, 0x80000000);
	fw_node(&w, "memory@80000000");
	fw_string(&w, "device_type", "memory");
	fw_reg(&w, "reg", 0xc0000000, 0x20000000, 0x80000000, 0x40000000, 0x100000000, 0);
	fw_end(&w);
	map = from_fdt(&w);
	is_set(&map.ram, "80000000-e0000000 880000000-900000000");
	assert_int_equal(memmap_ram_size(&map), 0xe0000000);
	assert_true(memmap_is_ram(&map, 0xbf000000, 0x2000000));
	assert_false(memmap_is_ram(&map, 0xdf000000, 0x1000001));
}

static void disabled_nodes_and_other_nodes_are_no_memory(void **state)
{
	struct fdt_world w;
	struct memmap map;

	begin(&w, 2, 2);
	fw_memory(&w, 0x40000000, 0x1000000);
	fw_node(&w, "memory@50000000");
	fw_string(&w, "device_type", "memory");
	fw_string(&w, "status", "disabled");
	fw_reg(&w, "reg", 0x50000000, 0x1000000);
	fw_end(&w);
	fw_node(&w, "memory@60000000"); /* the name alone does not count */
	fw_reg(&w, "reg", 0x60000000, 0x1000000);
	fw_end(&w);
	fw_node(&w, "memory@70000000");
	fw_string(&w, "device_type", "memory");
	fw_string(&w, "status", "okay");
	fw_reg(&w, "reg", 0x70000000, 0x1000000);
	fw_reg(&w, "linux,usable-memory", 0x70000000, 0x800000);
	fw_end(&w);
	map = from_fdt(&w);
	is_set(&map.ram, "40000000-41000000 70000000-70800000");
}

static void reservations_of_both_kinds_are_read(void **state)
{
	struct fdt_world w;
	struct memmap map;

	fw_begin(&w, 2, 2);
	fw_reserve(&w, 0x48000000, 0x2000000);
	fw_reserve(&w, 0x42000000, 0x1000);
	fw_root(&w);
	fw_memory(&w, 0x40000000, 0x40000000);
	fw_node(&w, "reserved-memory");
	fw_cells(&w, "#address-cells", 1);
	fw_cells(&w, "#size-cells", 1);
	fw_bytes(&w, "ranges", NULL, 0);
	fw_node(&w, "tee@42001000");
	fw_reg_(&w, "reg", 1, 1, (const u64[]){ 0x42001000, 0x1000, 0x43000000, 0x10, FW_END });
	fw_bytes(&w, "no-map", NULL, 0);
	fw_end(&w);
	fw_node(&w, "pool"); /* placed by the kernel */
	fw_cells(&w, "size", 0x400000);
	fw_end(&w);
	fw_node(&w, "off@44000000");
	fw_string(&w, "status", "disabled");
	fw_reg_(&w, "reg", 1, 1, (const u64[]){ 0x44000000, 0x1000, FW_END });
	fw_end(&w);
	fw_end(&w);
	map = from_fdt(&w);
	is_set(&map.reserved, "42000000-42002000 43000000-43000010 48000000-4a000000");
	is_set(&map.fixed, "42000000-42002000 43000000-43000010 48000000-4a000000");
	assert_true(memmap_is_free(&map, 0x42002000, 0x1000));
	assert_false(memmap_is_free(&map, 0x42001000, 0x1001));
}

/* Memory that the host's kernel uses can be donated, also when it is reserved. */
static void memory_that_never_moves_is_known(void **state)
{
	struct fdt_world w;
	struct memmap map;

	fw_begin(&w, 2, 2);
	fw_reserve(&w, 0x4b000000, 0x10000);	/* the tree, with its first page */
	fw_reserve(&w, tree_at.base - 1, 0x10); /* of its first page, and so the tree's too */
	fw_reserve(&w, 0x4b00ff00, 0x2000);	/* begins in the tree and is not of it */
	fw_root(&w);
	fw_memory(&w, 0x40000000, 0x40000000);
	fw_node(&w, "reserved-memory");
	fw_cells(&w, "#address-cells", 2);
	fw_cells(&w, "#size-cells", 2);
	fw_bytes(&w, "ranges", NULL, 0);
	fw_node(&w, "cma@50000000");
	fw_reg(&w, "reg", 0x50000000, 0x1000000);
	fw_bytes(&w, "reusable", NULL, 0);
	fw_end(&w);
	fw_node(&w, "secure@60000800"); /* in two parts, one of them not in RAM */
	fw_reg(&w, "reg", 0x60000800, 0x1000, 0x1000, 0x2000);
	fw_bytes(&w, "no-map", NULL, 0);
	fw_end(&w);
	fw_node(&w, "off@70000000");
	fw_string(&w, "status", "disabled");
	fw_bytes(&w, "no-map", NULL, 0);
	fw_reg(&w, "reg", 0x70000000, 0x1000000);
	fw_end(&w);
	fw_end(&w);
	map = from_fdt(&w);
	is_set(&map.reserved, "1000-3000 4b000000-4b011f00 50000000-51000000 60000800-60001800");
	is_set(&map.fixed, "1000-3000 4b00ff00-4b011f00 60000800-60001800");
}

static void the_bundle_is_not_reserved(void **state)
{
	struct fdt_world w;
	struct memmap map;

	fw_begin(&w, 2, 2);
	fw_reserve(&w, 0x48000800, 0x2000100); /* as it is */
	fw_reserve(&w, 0x48000000, 0x2001000); /* with its pages */
	fw_reserve(&w, 0x49000000, 0x1000);
	fw_reserve(&w, 0x4a000900, 0x100);  /* in its last page, but not of it */
	fw_reserve(&w, 0x4a000000, 0x1001); /* beyond its last page */
	fw_root(&w);
	fw_memory(&w, 0x40000000, 0x40000000);
	fw_node(&w, "chosen");
	fw_cells(&w, "linux,initrd-start", 0x48000800);
	fw_cells(&w, "linux,initrd-end", 0x4a000900);
	fw_end(&w);
	map = from_fdt(&w);
	is_set(&map.reserved, "4a000000-4a001001");
	fw_begin(&w, 2, 2);
	fw_reserve(&w, 0x4a000900, 0x100);
	fw_reserve(&w, 0x48000000, 0x800);
	fw_root(&w);
	fw_memory(&w, 0x40000000, 0x40000000);
	fw_node(&w, "chosen");
	fw_cells(&w, "linux,initrd-start", 0x48000800);
	fw_cells(&w, "linux,initrd-end", 0x4a000900);
	fw_end(&w);
	map = from_fdt(&w);
	is_set(&map.reserved, "48000000-48000800 4a000900-4a000a00");
	/* sums that wrap around are nobody's */
	assert_false(mem_range_is_of((struct mem_range){ 0, 0x2000 }, 0x1000, ~0ULL));
	assert_false(mem_range_is_of((struct mem_range){ 0, 0x2000 }, 0x1000, 0));
}

static void a_tree_without_memory_is_refused(void **state)
{
	struct fdt_world w;

	begin(&w, 2, 2);
	is_refused(&w, -ENOENT, "lists no memory");
	begin(&w, 2, 2);
	fw_memory(&w, 0x40000000, 0);
	is_refused(&w, -ENOENT, "lists no memory");
	begin(&w, 2, 2);
	fw_node(&w, "memory@0");
	fw_string(&w, "device_type", "memory");
	fw_end(&w);
	is_refused(&w, -ENOENT, "lists no memory");
}

static void malformed_ranges_are_refused(void **state)
{
	struct fdt_world w;

	begin(&w, 2, 2);
	fw_memory(&w, 0xfffffffffffff000, 0x2000);
	is_refused(&w, -EINVAL, "memory node");
	begin(&w, 2, 2);
	fw_node(&w, "memory@0");
	fw_string(&w, "device_type", "memory");
	fw_cells(&w, "reg", 0, 0x40000000, 0);
	fw_end(&w);
	is_refused(&w, -EINVAL, "memory node");
	begin(&w, 3, 2);
	is_refused(&w, -EINVAL, "root's");
	begin(&w, 2, 0);
	is_refused(&w, -EINVAL, "root's");

	fw_begin(&w, 2, 2);
	fw_reserve(&w, 0xfffffffffffff000, 0x2000);
	fw_root(&w);
	fw_memory(&w, 0x40000000, 0x40000000);
	is_refused(&w, -EINVAL, "reserved range");

	begin(&w, 2, 2);
	fw_memory(&w, 0x40000000, 0x40000000);
	fw_node(&w, "reserved-memory");
	fw_cells(&w, "#address-cells", 3);
	fw_end(&w);
	is_refused(&w, -EINVAL, "/reserved-memory");

	begin(&w, 2, 2);
	fw_memory(&w, 0x40000000, 0x40000000);
	fw_node(&w, "reserved-memory");
	fw_cells(&w, "#address-cells", 2);
	fw_cells(&w, "#size-cells", 2);
	fw_node(&w, "x");
	fw_cells(&w, "reg", 1, 2, 3);
	fw_end(&w);
	fw_end(&w);
	is_refused(&w, -EINVAL, "reserved range");
}

static void too_many_ranges_are_refused(void **state)
{
	struct fdt_world w;

	begin(&w, 2, 2);
	for (u64 i = 0; i <= MEMMAP_MAX_RANGES; i++)
		fw_memory(&w, i * 0x20000000, 0x10000000);
	is_refused(&w, -ENOSPC, "too many memory banks");

	fw_begin(&w, 2, 2);
	for (u64 i = 0; i <= MEMMAP_MAX_RANGES; i++)
		fw_reserve(&w, 0x40000000 + i * 0x2000, 0x1000);
	fw_root(&w);
	fw_memory(&w, 0x40000000, 0x40000000);
	is_refused(&w, -ENOSPC, "too many reserved ranges");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(added_ranges_are_merged),
		cmocka_unit_test(a_removed_range_cuts_others),
		cmocka_unit_test(impossible_ranges_are_refused),
		cmocka_unit_test(a_full_set_refuses_and_stays),
		cmocka_unit_test(random_changes_agree_with_a_model),
		cmocka_unit_test(random_searches_agree_with_a_model),
		cmocka_unit_test(a_search_with_invalid_arguments_is_refused),
		cmocka_unit_test(the_memory_of_qemus_machine_is_read),
		cmocka_unit_test(addresses_and_sizes_have_one_or_two_cells),
		cmocka_unit_test(banks_are_sorted_and_merged),
		cmocka_unit_test(disabled_nodes_and_other_nodes_are_no_memory),
		cmocka_unit_test(reservations_of_both_kinds_are_read),
		cmocka_unit_test(memory_that_never_moves_is_known),
		cmocka_unit_test(the_bundle_is_not_reserved),
		cmocka_unit_test(a_tree_without_memory_is_refused),
		cmocka_unit_test(malformed_ranges_are_refused),
		cmocka_unit_test(too_many_ranges_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
