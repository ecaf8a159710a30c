// SPDX-License-Identifier: BSD-2-Clause
/*
 * Device trees that may be anything: reading and editing them ends, stays in bounds, and what the
 * host gets is a sound tree with Keel in it.
 *
 * Input: a byte that chooses between a raw tree and QEMU's virt with patches, then that tree, or
 * the patches: (16-bit offset, byte) triples.
 */
/* SOURCES: hyp/host/host_fdt.c hyp/host/host_fdt_edit.c hyp/host/fdt_read.c hyp/host/memmap.c hyp/host/memmap_fdt.c hyp/lib/options.c hyp/lib/parse.c hyp/lib/printf.c */
/* LIBS: -lfdt */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libfdt.h>

#include "../unit/fdt_world.h"
#include <host/host_fdt.h>

#define CHECK(cond)                                             \
	do {                                                    \
		if (!(cond)) {                                  \
			fprintf(stderr, "not so: %s\n", #cond); \
			abort();                                \
		}                                               \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *make_input(const uint8_t *data, size_t size, size_t *out_size)
{
	struct fdt_world w;
	char *copy;

	if (size && data[0] % 2) {
		*out_size = size - 1;
		copy = malloc(size);
		memcpy(copy, data + 1, size - 1);
		return copy;
	}
	w = fw_virt("keel.loglevel=debug quiet", true);
	*out_size = fdt_totalsize(w.fdt);
	for (size_t i = 1; i + 3 <= size; i += 3)
		w.fdt[(size_t)(data[i] | data[i + 1] << 8) % *out_size] = (char)data[i + 2];
	return w.fdt;
}

static void check_set(const struct mem_ranges *s)
{
	for (unsigned int i = 0; i < s->count; i++) {
		CHECK(s->range[i].base < s->range[i].end && s->range[i].end <= MEMMAP_PA_LIMIT);
		CHECK(i == 0 || s->range[i - 1].end < s->range[i].base);
	}
}

static void read_tree(const void *fdt)
{
	static struct fdt_cpus cpus;
	static struct memmap map;
	struct fdt_console console;
	struct mem_range initrd;
	const char *why = NULL;
	char args[256];

	if (memmap_from_fdt(&map, fdt, (struct mem_range){ 0, 0 }, &why) == 0) {
		CHECK(map.ram.count);
		check_set(&map.ram);
		check_set(&map.reserved);
	} else {
		CHECK(why && *why);
	}
	if (host_fdt_initrd(fdt, &initrd, &why) == 0)
		CHECK(initrd.base < initrd.end && initrd.end <= MEMMAP_PA_LIMIT);
	if (host_fdt_console(fdt, &console) == 0)
		CHECK(console.size && console.base < MEMMAP_PA_LIMIT);
	if (host_fdt_cpus(fdt, 0, &cpus, &why) == 0)
		CHECK(cpus.count >= 1 && cpus.count <= KEEL_MAX_CPUS && cpus.mpidr[0] == 0);
	if (host_bootargs("root=/dev/vda", 13, host_fdt_bootargs(fdt), args, sizeof(args)) == 0)
		CHECK(strlen(args) < sizeof(args));
	(void)host_fdt_psci(fdt);
}

static void edit_tree(const void *fdt, size_t size)
{
	static const struct mem_range keel = { 0x40200000, 0x40400000 };
	const struct host_fdt_params params = {
		.keel = &keel,
		.keel_count = 1,
		.released = { { 0x48000000, 0x4c000000 } },
		.bootargs = "quiet",
		.initrd = { 0x48001000, 0x48002000 },
		.version = "0",
	};
	size_t room = size + (size % 3 ? 4096 : 256);
	struct host_fdt_report report;
	const char *why = NULL;
	char *buf = malloc(room);
	struct mem_range initrd;

	if (host_fdt_edit(fdt, buf, room, &params, &report, &why)) {
		CHECK(why && *why && !strchr(why, '\n'));
	} else {
		CHECK(host_fdt_check(buf, room, &why) == 0);
		CHECK(fdt_path_offset(buf, "/hypervisor") >= 0);
		CHECK(host_fdt_initrd(buf, &initrd, &why) == 0);
		CHECK(initrd.base == params.initrd.base && initrd.end == params.initrd.end);
		CHECK(strcmp(host_fdt_bootargs(buf), "quiet") == 0);
	}
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *why = NULL;
	size_t n;
	char *fdt = make_input(data, size, &n);

	if (host_fdt_check(fdt, n, &why)) {
		CHECK(why && *why);
	} else {
		read_tree(fdt);
		edit_tree(fdt, n);
	}
	free(fdt);
	return 0;
}
