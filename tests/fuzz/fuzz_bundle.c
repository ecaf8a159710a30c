// SPDX-License-Identifier: BSD-2-Clause
/*
 * Bundles that may be anything: parsing never reads beyond the end, and what it accepts is
 * consistent, up to the place that the kernel gets.
 *
 * Input: a byte that chooses between raw data and a sound archive with patches, then that data, or
 * the patches: (16-bit offset, byte) triples.
 */
/* SOURCES: hyp/host/bundle.c hyp/host/image.c hyp/host/place.c hyp/host/memmap.c */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <host/place.h>

#define CHECK(cond)                                             \
	do {                                                    \
		if (!(cond)) {                                  \
			fprintf(stderr, "not so: %s\n", #cond); \
			abort();                                \
		}                                               \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A sound archive: a kernel with a header, an initrd, a command line; no file is large. */
static size_t sound_archive(char *out)
{
	static const struct {
		const char *name;
		unsigned int size;
	} files[] = { { "pad", 300 },
		      { "kernel", 128 },
		      { "initrd", 40 },
		      { "cmdline", 9 },
		      { "TRAILER!!!", 0 } };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		n += (size_t)sprintf(out + n,
				     "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s",
				     1, 0100644, 0, 0, 1, 0, files[i].size, 0, 0, 0, 0,
				     (unsigned int)strlen(files[i].name) + 1, 0, files[i].name);
		memset(out + n, 0, 4);
		n = ALIGN_UP(n + 1, (size_t)4);
		memset(out + n, 'x', files[i].size);
		if (strcmp(files[i].name, "kernel") == 0) {
			memset(out + n, 0, 56);
			memcpy(out + n + 24, "\x0a", 1);
			memcpy(out + n + 18, "\x10", 1);
			memcpy(out + n + 56, "ARM\x64", 4);
		}
		n = ALIGN_UP(n + files[i].size, (size_t)4);
	}
	return n;
}

static char *make_input(const uint8_t *data, size_t size, size_t *out_size)
{
	char archive[2048], *copy;

	if (size && data[0] % 2) {
		*out_size = size - 1;
		copy = malloc(size);
		memcpy(copy, data + 1, size - 1);
		return copy;
	}
	*out_size = sound_archive(archive);
	for (size_t i = 1; i + 3 <= size; i += 3)
		archive[(size_t)(data[i] | data[i + 1] << 8) % *out_size] = (char)data[i + 2];
	copy = malloc(*out_size);
	memcpy(copy, archive, *out_size);
	return copy;
}

static void check_file(const struct bundle *b, struct bundle_file f)
{
	CHECK(f.offset <= b->size && f.size <= b->size - f.offset);
}

static void place(const struct bundle *b, const struct image_info *image)
{
	static const u64 bases[] = { 0x48000000, 0x48001000, 0x40000000 };
	struct host_layout l;
	struct memmap map;
	const char *why;

	for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
		memset(&map, 0, sizeof(map));
		CHECK(mem_ranges_add(&map.ram, 0x40000000, 0x80000000) == 0);
		if (host_place(&map, bases[i], b, image, &l, &why)) {
			CHECK(why && *why);
			continue;
		}
		CHECK(memmap_is_ram(&map, l.kernel, image->image_size));
		CHECK(l.kernel_end <= l.initrd || l.initrd_end <= l.kernel);
		CHECK(l.fdt + HOST_FDT_SPACE <= l.kernel || l.kernel_end <= l.fdt);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_info image;
	const char *why = NULL;
	struct bundle b;
	size_t n;
	char *copy = make_input(data, size, &n);

	if (bundle_parse(copy, n, &b, &why)) {
		CHECK(why && *why && !strchr(why, '\n'));
	} else {
		CHECK(b.size <= n && b.kernel.size && b.initrd.size);
		check_file(&b, b.kernel);
		check_file(&b, b.initrd);
		check_file(&b, b.cmdline);
		if (image_check(copy + b.kernel.offset, b.kernel.size, &image, &why) == 0) {
			CHECK(image.image_size >= image.file_size);
			place(&b, &image);
		}
	}
	free(copy);
	return 0;
}
