// SPDX-License-Identifier: BSD-2-Clause
/* UEFI's memory map: what is memory, what is firmware's, and maps that are wrong. */
/* SOURCES: hyp/efi/efi_memmap.c hyp/host/memmap.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <efi/efi_abi.h>
#include <efi/efi_memmap.h>
#include <lib/errno.h>

#define MAP_MAX	 4096
#define EFI_STEP 48 /* larger than a descriptor, as firmware has it */

static char map_data[MAP_MAX * EFI_STEP];
static unsigned int map_count;
static struct memmap map;
static const char *why;

static void add(u32 type, u64 start, u64 pages, u64 attribute)
{
	struct efi_memory_descriptor d = {
		.type = type, .physical_start = start, .pages = pages, .attribute = attribute
	};

	assert_true(map_count < MAP_MAX);
	memcpy(map_data + EFI_STEP * map_count++, &d, sizeof(d));
}

static int read_map(void)
{
	char *copy = malloc(map_count * EFI_STEP + 1);
	struct efi_map efi = { copy, map_count * EFI_STEP, EFI_STEP };
	int ret;

	memcpy(copy, map_data, map_count * EFI_STEP);
	why = NULL;
	ret = efi_memmap_read(&efi, &map, &why);
	free(copy);
	return ret;
}

static int start_empty(void **state)
{
	map_count = 0;
	return 0;
}

static void is_range(const struct mem_ranges *set, unsigned int i, u64 base, u64 end)
{
	assert_true(i < set->count);
	assert_int_equal(set->range[i].base, base);
	assert_int_equal(set->range[i].end, end);
}

static void memory_is_what_can_be_cached_and_is_no_device(void **state)
{
	add(EFI_CONVENTIONAL_MEMORY, 0x40000000, 16, EFI_MEMORY_WB);
	add(EFI_MMIO, 0x9000000, 1, EFI_MEMORY_WB | 1);
	add(EFI_BOOT_SERVICES_CODE, 0x40010000, 1, 0xf);
	add(EFI_CONVENTIONAL_MEMORY, 0x8000000, 1, 1); /* uncached: no memory */
	add(EFI_ACPI_RECLAIM_MEMORY, 0x50000000, 1, EFI_MEMORY_WT);
	assert_int_equal(read_map(), 0);
	assert_int_equal(map.ram.count, 2);
	is_range(&map.ram, 0, 0x40000000, 0x40011000);
	is_range(&map.ram, 1, 0x50000000, 0x50001000);
	assert_int_equal(map.fixed.count, 0);
	assert_int_equal(map.reserved.count, 0);
}

static void every_type_that_kernels_leave_alone_is_firmware_s(void **state)
{
	static const u32 fixed[] = { EFI_RESERVED_MEMORY,
				     EFI_RUNTIME_CODE,
				     EFI_RUNTIME_DATA,
				     EFI_UNUSABLE_MEMORY,
				     EFI_ACPI_NVS_MEMORY,
				     EFI_PAL_CODE,
				     15,
				     0x70000000,
				     0xffffffff };
	static const u32 free_types[] = { EFI_LOADER_CODE,	   EFI_LOADER_DATA,
					  EFI_BOOT_SERVICES_CODE,  EFI_BOOT_SERVICES_DATA,
					  EFI_CONVENTIONAL_MEMORY, EFI_ACPI_RECLAIM_MEMORY,
					  EFI_PERSISTENT_MEMORY };

	for (unsigned int i = 0; i < ARRAY_SIZE(fixed); i++)
		add(fixed[i], 0x40000000 + 0x10000ULL * i, 1, EFI_MEMORY_WB);
	for (unsigned int i = 0; i < ARRAY_SIZE(free_types); i++)
		add(free_types[i], 0x80000000 + 0x10000ULL * i, 1, EFI_MEMORY_WB);
	assert_int_equal(read_map(), 0);
	assert_int_equal(map.ram.count, ARRAY_SIZE(fixed) + ARRAY_SIZE(free_types));
	assert_int_equal(map.fixed.count, ARRAY_SIZE(fixed));
	for (unsigned int i = 0; i < ARRAY_SIZE(fixed); i++)
		is_range(&map.fixed, i, 0x40000000 + 0x10000ULL * i, 0x40001000 + 0x10000ULL * i);
}

static void where_descriptors_overlap_firmware_wins(void **state)
{
	add(EFI_RUNTIME_DATA, 0x40004000, 4, EFI_MEMORY_WB);
	add(EFI_CONVENTIONAL_MEMORY, 0x40000000, 16, EFI_MEMORY_WB);
	add(EFI_RUNTIME_CODE, 0x40006000, 4, EFI_MEMORY_WB);
	assert_int_equal(read_map(), 0);
	assert_int_equal(map.ram.count, 1);
	is_range(&map.ram, 0, 0x40000000, 0x40010000);
	assert_int_equal(map.fixed.count, 1);
	is_range(&map.fixed, 0, 0x40004000, 0x4000a000);
}

static void thousands_of_descriptors_of_one_bank_are_one_range(void **state)
{
	/* downwards, types in turn: only the middle of each three is firmware's */
	for (u64 i = MAP_MAX; i-- > 0;)
		add(i % 3 == 1 && i < 300 ? EFI_RUNTIME_DATA : EFI_CONVENTIONAL_MEMORY,
		    0x40000000 + i * 0x1000, 1, EFI_MEMORY_WB);
	assert_int_equal(read_map(), 0);
	assert_int_equal(map.ram.count, 1);
	is_range(&map.ram, 0, 0x40000000, 0x40000000 + MAP_MAX * 0x1000ULL);
	assert_int_equal(map.fixed.count, 100);
}

static void too_many_separate_ranges_are_refused(void **state)
{
	for (u64 i = 0; i <= MEMMAP_MAX_RANGES; i++)
		add(EFI_CONVENTIONAL_MEMORY, 0x40000000 + i * 0x2000, 1, EFI_MEMORY_WB);
	assert_int_equal(read_map(), -ENOSPC);
	assert_string_equal(why, "firmware's memory map has too many separate ranges");
}

static void damaged_descriptors_are_refused(void **state)
{
	static const struct {
		u64 start, pages;
	} bad[] = {
		{ 0x40000800, 1 },     /* no page */
		{ 0x40000000, ~0ULL }, /* wraps around */
		{ ~0xfffULL, 2 },      /* too */
		{ 1ULL << 56, 1 },     /* beyond all machines */
		{ 0x40000000, 1ULL << 52 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		map_count = 0;
		add(EFI_CONVENTIONAL_MEMORY, 0x40000000, 16, EFI_MEMORY_WB);
		add(EFI_CONVENTIONAL_MEMORY, bad[i].start, bad[i].pages, EFI_MEMORY_WB);
		assert_int_equal(read_map(), -EINVAL);
		assert_string_equal(why, "firmware's memory map has bad descriptors");
	}
}

static void sizes_that_do_not_fit_are_refused(void **state)
{
	struct efi_map efi = { map_data, 3 * EFI_STEP, 0 };

	for (u64 size = 0; size < sizeof(struct efi_memory_descriptor); size++) {
		efi.descriptor_size = size;
		assert_int_equal(efi_memmap_read(&efi, &map, &why), -EINVAL);
	}
	efi = (struct efi_map){ map_data, 3 * EFI_STEP - 1, EFI_STEP };
	assert_int_equal(efi_memmap_read(&efi, &map, &why), -EINVAL);
}

static void a_map_without_memory_is_refused(void **state)
{
	assert_int_equal(read_map(), -ENOENT);
	assert_string_equal(why, "firmware's memory map lists no memory");
	add(EFI_CONVENTIONAL_MEMORY, 0x40000000, 0, EFI_MEMORY_WB);
	assert_int_equal(read_map(), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(memory_is_what_can_be_cached_and_is_no_device, start_empty),
		cmocka_unit_test_setup(every_type_that_kernels_leave_alone_is_firmware_s,
				       start_empty),
		cmocka_unit_test_setup(where_descriptors_overlap_firmware_wins, start_empty),
		cmocka_unit_test_setup(thousands_of_descriptors_of_one_bank_are_one_range,
				       start_empty),
		cmocka_unit_test_setup(too_many_separate_ranges_are_refused, start_empty),
		cmocka_unit_test_setup(damaged_descriptors_are_refused, start_empty),
		cmocka_unit_test_setup(sizes_that_do_not_fit_are_refused, start_empty),
		cmocka_unit_test_setup(a_map_without_memory_is_refused, start_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
