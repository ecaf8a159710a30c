// SPDX-License-Identifier: BSD-2-Clause
/*
 * What UEFI firmware and its programs pass: memory maps, keel.cfg, load options, device paths, boot
 * entries. Nothing is read beyond its end, and what is accepted is consistent.
 *
 * Input: a byte that chooses, then the data. libFuzzer puts it in memory of exactly its size.
 */
/* SOURCES: hyp/efi/efi_memmap.c hyp/efi/efi_config.c hyp/efi/efi_path.c hyp/host/memmap.c */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <efi/efi_config.h>
#include <efi/efi_memmap.h>
#include <efi/efi_path.h>

#define CHECK(cond)                                             \
	do {                                                    \
		if (!(cond)) {                                  \
			fprintf(stderr, "not so: %s\n", #cond); \
			abort();                                \
		}                                               \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_sorted(const struct mem_ranges *set)
{
	CHECK(set->count <= MEMMAP_MAX_RANGES);
	for (unsigned int i = 0; i < set->count; i++) {
		CHECK(set->range[i].base < set->range[i].end);
		CHECK(set->range[i].end <= MEMMAP_PA_LIMIT);
		CHECK(!i || set->range[i - 1].end < set->range[i].base);
	}
}

static void fuzz_map(const uint8_t *data, size_t size)
{
	static struct memmap map;
	const char *why = NULL;
	struct efi_map efi;

	if (!size)
		return;
	efi = (struct efi_map){ data + 1, size - 1, data[0] % 64 };
	if (efi_memmap_read(&efi, &map, &why)) {
		CHECK(why);
		return;
	}
	check_sorted(&map.ram);
	check_sorted(&map.fixed);
	for (unsigned int i = 0; i < map.fixed.count; i++)
		CHECK(memmap_is_ram(&map, map.fixed.range[i].base,
				    map.fixed.range[i].end - map.fixed.range[i].base));
}

static void check_warning(const char *why, const char *text, size_t len)
{
	CHECK(why && strlen(why));
	for (size_t i = 0; i < len; i++)
		CHECK((text[i] >= ' ' && text[i] <= '~') || text[i] == '\t' || text[i] == '\r');
}

static void check_config(const struct efi_config *config)
{
	const char *word = config->options;

	CHECK(strnlen(config->options, EFI_OPTIONS_MAX) < EFI_OPTIONS_MAX);
	CHECK(strnlen(config->loader, EFI_LOADER_MAX) < EFI_LOADER_MAX);
	CHECK(strnlen(config->arguments, EFI_ARGUMENTS_MAX) < EFI_ARGUMENTS_MAX);
	CHECK(!config->loader[0] || (config->loader[0] == '\\' && config->loader[1]));
	while (*(word += strspn(word, " \t\r"))) {
		CHECK(strncmp(word, "keel.", 5) == 0);
		word += strcspn(word, " \t\r");
	}
}

static void fuzz_config(const uint8_t *data, size_t size)
{
	struct efi_config config = { .options = "" };
	size_t half = size / 2;

	efi_config_file(&config, (const char *)data, half, check_warning);
	check_config(&config);
	efi_config_load_options(&config, data + half, size - half, check_warning);
	check_config(&config);
}

static void fuzz_path(const uint8_t *data, size_t size)
{
	size_t known = efi_path_size(data, size), made_size;
	u64 made[EFI_PATH_MAX / sizeof(u64)], tail[EFI_PATH_MAX / sizeof(u64)];
	char name[300];

	CHECK(known <= size);
	if (efi_path_file(data, known, name, sizeof(name)))
		CHECK(efi_path_names_file(data, known, name));
	(void)efi_path_same_disk(data, known, data, known);
	if (!efi_path_of_file(data, known, "\\vmlinuz", made))
		return;
	made_size = efi_path_size(made, sizeof(made));
	CHECK(made_size == known + 4 + 2 * sizeof("\\vmlinuz"));
	memcpy(tail, made, made_size);
	CHECK(efi_path_append(data, known, tail, made_size, (const void *)tail, made) ||
	      known + made_size - 4 > EFI_PATH_MAX);
}

static void fuzz_entry(const uint8_t *data, size_t size)
{
	size_t path_size = 0;
	const uint8_t *path = efi_option_path(data, size, &path_size);

	if (!path)
		return;
	CHECK(path > data && path_size && path_size <= size - (size_t)(path - data));
	fuzz_path(path, path_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const fuzzers[])(const uint8_t *data, size_t size) = {
		fuzz_map,
		fuzz_config,
		fuzz_path,
		fuzz_entry,
	};

	if (size)
		fuzzers[data[0] % ARRAY_SIZE(fuzzers)](data + 1, size - 1);
	return 0;
}
