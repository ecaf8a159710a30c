// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/host/host_load.c hyp/host/bundle.c hyp/host/image.c hyp/host/place.c hyp/host/memmap.c hyp/host/memmap_fdt.c hyp/host/fdt_read.c hyp/host/host_fdt.c hyp/host/host_fdt_edit.c hyp/lib/options.c hyp/lib/parse.c hyp/lib/printf.c hyp/cpu/log.c */
/* LIBS: -lfdt */
/*
 * Loading the host from a bundle in a GiB of memory, with all functions involved. EL2's map is a
 * fake that shows this memory, and remembers what is mapped; the caches are a fake that remembers
 * what was in memory when it was cleaned, which is all that a kernel without caches will see.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <arch/cache.h>
#include <cpio_world.h>
#include <cpu/log.h>
#include <fdt_world.h>
#include <host/host_load.h>
#include <lib/errno.h>
#include <mm/el2_map.h>

#define RAM	    0x40000000ULL
#define RAM_SIZE    SZ_1G
#define BUNDLE	    0x48000000ULL /* as fw_virt() says */
#define BUNDLE_SIZE 0x4000000ULL
#define KERNEL_SIZE (SZ_64K + 20)
#define KEEL	    0x7fe00000ULL

static char *ram;    /* what the CPU sees through its caches */
static char *beyond; /* the same memory as it is without them */
static char ring[4096];

/* ---- EL2's map ---- */

static struct mapping {
	char *ptr;
	u64 size;
	enum el2_prot prot;
	u64 sum; /* of what is mapped read-only: it must not change */
} mappings[8];
static unsigned int mapped, map_calls, fail_map; /* fail_map: the call that fails, from 1 */

static u64 checksum(const char *p, u64 n)
{
	u64 sum = n;

	for (u64 i = 0; i < n; i += 16)
		sum = sum * 31 + (unsigned char)p[i];
	return sum;
}

void *el2_map_private(struct pa pa, u64 size, enum el2_prot prot)
{
	char *ptr = ram + (pa.v - RAM);

	if (++map_calls == fail_map)
		return NULL;
	assert_true(pa.v >= RAM && size && size <= RAM_SIZE - (pa.v - RAM));
	assert_true(prot == EL2_R || prot == EL2_RW);
	assert_true(mapped < ARRAY_SIZE(mappings));
	mappings[mapped++] =
		(struct mapping){ ptr, size, prot, prot == EL2_R ? checksum(ptr, size) : 0 };
	return ptr;
}

void el2_unmap_private(const void *va, u64 size)
{
	for (unsigned int i = 0; i < mapped; i++) {
		const struct mapping m = mappings[i];

		if (m.ptr != va || m.size != size)
			continue;
		if (m.prot == EL2_R)
			assert_int_equal(checksum(m.ptr, m.size), m.sum);
		mappings[i] = mappings[--mapped];
		return;
	}
	fail_msg("unmapped, but not mapped: %p, %#lx bytes", va, size);
}

/* ---- caches ---- */

static struct mem_range cleaned; /* last */

static bool icache_fresh; /* invalidated when the kernel was in memory already */

void dcache_clean_poc(const void *start, u64 size)
{
	u64 at = (u64)((const char *)start - ram);
	bool is_mapped = false;

	for (unsigned int i = 0; i < mapped; i++)
		is_mapped |= mappings[i].ptr <= (const char *)start &&
			     (const char *)start + size <= mappings[i].ptr + mappings[i].size;
	if (!is_mapped)
		fail_msg("cleaning %#lx of RAM, %#lx bytes, which are not mapped", at, size);
	memcpy(beyond + at, start, size);
	cleaned = (struct mem_range){ RAM + at, RAM + at + size };
}

/* ---- bundles ---- */

struct header {
	u32 code[2];
	u64 text_offset, image_size, flags, res[3];
	u32 magic, pe_offset;
};

static char kernel[KERNEL_SIZE], initrd[5000];

static void make_files(void)
{
	const struct header h = { .image_size = SZ_1M, .flags = 0xa, .magic = 0x644d5241 };

	for (size_t i = 0; i < sizeof(kernel); i++)
		kernel[i] = (char)(i * 7 + (i >> 8));
	for (size_t i = 0; i < sizeof(initrd); i++)
		initrd[i] = (char)(i * 13 + 5);
	memcpy(kernel, &h, sizeof(h));
}

/* A bundle whose kernel lies on a 2 MiB boundary, with room behind it, or not. */
static struct cpio make_bundle(bool aligned, const char *cmdline)
{
	struct cpio c = { 0 };

	/* 116 and 120: the headers of "pad" and "kernel" */
	if (aligned)
		cpio_add(&c, "pad", NULL, SZ_2M - 116 - 120);
	cpio_add(&c, "kernel", kernel, sizeof(kernel));
	if (aligned)
		cpio_add(&c, "pad2", NULL, SZ_2M);
	cpio_add(&c, "initrd", initrd, sizeof(initrd));
	if (cmdline)
		cpio_add(&c, "cmdline", cmdline, strlen(cmdline));
	cpio_end(&c);
	return c;
}

/* ---- the machine ---- */

static struct fdt_world tree;
static struct memmap memmap;
static struct host_load load;
static const struct mem_range keel = { KEEL, KEEL + SZ_2M };

void icache_inval_all(void)
{
	icache_fresh = !memcmp(beyond + (load.layout.kernel - RAM), kernel, sizeof(kernel));
}

static void boot_with_tree(struct fdt_world w, struct cpio c)
{
	const char *why = NULL;

	fw_free(&tree);
	tree = w;
	madvise(ram, RAM_SIZE, MADV_DONTNEED);
	madvise(beyond, RAM_SIZE, MADV_DONTNEED);
	memcpy(ram + (BUNDLE - RAM), c.data, c.size);
	/* The boot loader left it in memory. */
	memcpy(beyond + (BUNDLE - RAM), c.data, c.size);
	cpio_free(&c);
	mapped = map_calls = fail_map = 0;
	icache_fresh = false;
	assert_int_equal(memmap_from_fdt(&memmap, tree.fdt, (struct mem_range){ 0, 0 }, &why), 0);
	assert_int_equal(memmap_reserve(&memmap, KEEL, SZ_2M), 0);
	load = (struct host_load){
		.fdt = tree.fdt,
		.boot_mpidr = 0,
		.map = &memmap,
		.keel = &keel,
		.keel_count = 1,
		.version = "1.2-test",
	};
}

static void boot(struct cpio c)
{
	boot_with_tree(fw_virt("quiet keel.loglevel=debug", true), c);
}

static void place_and_load(void)
{
	const char *why = "";
	int ret = host_load_place(&load, &why);

	if (ret)
		fail_msg("not placed: %d, %s", ret, why);
	assert_int_equal(mapped, 0);
	assert_memory_equal(ram + (BUNDLE - RAM), beyond + (BUNDLE - RAM), SZ_2M);
	ret = host_load(&load, &why);
	if (ret)
		fail_msg("not loaded: %d, %s", ret, why);
	assert_int_equal(mapped, 0);
}

static void expect_refused(int expected, const char *line)
{
	const char *why = NULL;
	int ret = host_load_place(&load, &why);

	if (!ret)
		ret = host_load(&load, &why);
	if (ret != expected || !why || !strstr(why, line))
		fail_msg("got %d \"%s\", expected %d and \"%s\"", ret, why ? why : "-", expected,
			 line);
	if (mapped)
		fail_msg("\"%s\": %u mappings are left", why, mapped);
}

/* All as a kernel sees it that starts with its caches off. */
static void check_host(const char *words)
{
	const struct host_layout *l = &load.layout;
	const char *fdt = beyond + (l->fdt - RAM);
	const void *start, *end;
	int chosen, size, hyp;

	assert_memory_equal(beyond + (l->kernel - RAM), kernel, sizeof(kernel));
	assert_true(icache_fresh);
	assert_int_equal(l->initrd_end - l->initrd, sizeof(initrd));
	assert_memory_equal(beyond + (l->initrd - RAM), initrd, sizeof(initrd));
	assert_int_equal(fdt_check_header(fdt), 0);
	/* All of the tree was cleaned, and no more than its space was used. */
	assert_true(fdt_totalsize(fdt) <= HOST_FDT_SPACE);
	assert_int_equal(cleaned.base, l->fdt);
	assert_int_equal(cleaned.end, l->fdt + fdt_totalsize(fdt));
	assert_memory_equal(fdt, ram + (l->fdt - RAM), fdt_totalsize(fdt));
	chosen = fdt_path_offset(fdt, "/chosen");
	assert_true(chosen >= 0);
	assert_string_equal(fdt_getprop(fdt, chosen, "bootargs", &size), words);
	end = fdt_getprop(fdt, chosen, "linux,initrd-end", &size);
	assert_int_equal(size, 8);
	assert_int_equal(fdt64_ld(end), l->initrd_end);
	start = fdt_getprop(fdt, chosen, "linux,initrd-start", &size);
	assert_int_equal(size, 8);
	assert_int_equal(fdt64_ld(start), l->initrd);
	hyp = fdt_path_offset(fdt, "/hypervisor");
	assert_true(hyp >= 0);
	assert_string_equal(fdt_getprop(fdt, hyp, "version", &size), "1.2-test");
	assert_true(fdt_path_offset(fdt, "/reserved-memory") >= 0);
}

/* ---- tests ---- */

static void a_kernel_on_its_boundary_is_loaded_in_place(void **state)
{
	boot(make_bundle(true, "root=/dev/vda"));
	place_and_load();
	assert_int_equal(load.layout.kernel, BUNDLE + SZ_2M);
	assert_int_equal(load.layout.kernel_from, load.layout.kernel);
	assert_int_equal(load.bundle_size, BUNDLE_SIZE);
	check_host("root=/dev/vda quiet");
	/* The bundle, and one mapping each for kernel and tree: it was not copied. */
	assert_int_equal(map_calls, 3);
}

static void a_kernel_anywhere_else_is_moved(void **state)
{
	boot(make_bundle(false, NULL));
	place_and_load();
	assert_int_not_equal(load.layout.kernel, load.layout.kernel_from);
	assert_int_equal(load.layout.kernel % SZ_2M, 0);
	check_host("quiet");
	/* What it was copied from is still there: the two never overlap. */
	assert_true(load.layout.kernel + sizeof(kernel) <= load.layout.kernel_from ||
		    load.layout.kernel >= load.layout.kernel_from + sizeof(kernel));
	assert_memory_equal(ram + (load.layout.kernel_from - RAM), kernel, sizeof(kernel));
}

/* All ranges of the layout are reserved afterwards, and none is Keel's memory. */
static void what_was_placed_is_reserved(void **state)
{
	boot(make_bundle(false, NULL));
	place_and_load();
	assert_false(memmap_is_free(&memmap, load.layout.kernel, SZ_4K));
	assert_false(memmap_is_free(&memmap, load.layout.kernel_end - SZ_4K, SZ_4K));
	assert_false(memmap_is_free(&memmap, load.layout.fdt, SZ_4K));
	assert_false(memmap_is_free(&memmap, load.layout.initrd, SZ_4K));
	assert_true(load.layout.fdt + HOST_FDT_SPACE <= KEEL || load.layout.fdt >= KEEL + SZ_2M);
}

static void no_room_in_el2s_map_is_an_error_at_each_step(void **state)
{
	/* place: the bundle; load, moved: to, from, tree */
	static const struct {
		bool aligned;
		unsigned int call;
		const char *line;
	} rows[] = {
		{ true, 1, "the bundle does not fit EL2's address space" },
		{ true, 2, "the kernel does not fit EL2's address space" },
		{ true, 3, "the device tree does not fit EL2's address space" },
		{ false, 2, "the kernel does not fit EL2's address space" },
		{ false, 3, "the kernel does not fit EL2's address space" },
		{ false, 4, "the device tree does not fit EL2's address space" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		boot(make_bundle(rows[i].aligned, NULL));
		fail_map = rows[i].call;
		expect_refused(-ENOSPC, rows[i].line);
	}
}

static void a_bundle_that_is_not_in_memory_is_refused(void **state)
{
	struct fdt_world w;

	boot_with_tree(fw_virt("", false), make_bundle(true, NULL));
	expect_refused(-ENOENT, "initrd");
	assert_int_equal(map_calls, 0);
	/* RAM ends inside of it */
	w = fw_virt("", true);
	boot_with_tree(w, make_bundle(true, NULL));
	assert_int_equal(mem_ranges_remove(&memmap.ram, BUNDLE + BUNDLE_SIZE - SZ_4K, SZ_4K), 0);
	expect_refused(-EINVAL, "the bundle is not in memory");
	assert_int_equal(map_calls, 0);
}

static void a_bad_bundle_is_refused_and_unmapped(void **state)
{
	char words[BUNDLE_CMDLINE_MAX];
	struct cpio c = { 0 };

	cpio_bytes(&c, NULL, SZ_4K);
	boot(c);
	expect_refused(-ENOENT, "");
	c = (struct cpio){ 0 };
	cpio_add(&c, "initrd", initrd, sizeof(initrd));
	cpio_end(&c);
	boot(c);
	expect_refused(-ENOENT, "kernel");
	/* a kernel that is none */
	((struct header *)(void *)kernel)->magic = 0;
	boot(make_bundle(true, NULL));
	make_files();
	expect_refused(-EINVAL, "kernel");
	/* a kernel larger than memory */
	((struct header *)(void *)kernel)->image_size = 2 * SZ_1G;
	boot(make_bundle(true, NULL));
	make_files();
	expect_refused(-ENOSPC, "kernel");
	/* the bundle's words fit by themselves, but not with the boot loader's */
	memset(words, 'a', sizeof(words) - 1);
	words[sizeof(words) - 1] = 0;
	boot(make_bundle(true, words));
	expect_refused(-E2BIG, "the host's command line is too long");
}

static const char *log_text(void)
{
	static char text[sizeof(ring) + 1];
	u64 pos = 0, lost;

	text[log_read(&pos, text, sizeof(ring), &lost)] = 0;
	return text;
}

static void what_the_host_does_not_get_is_logged(void **state)
{
	struct fdt_world w;

	boot(make_bundle(true, NULL));
	place_and_load();
	assert_null(strstr(log_text(), "hidden"));
	assert_null(strstr(log_text(), "timer"));
	/* No timer, and two CPUs that are not started by PSCI. */
	fw_begin(&w, 2, 2);
	fw_root(&w);
	fw_psci(&w, "arm,psci-1.0", "smc");
	fw_memory(&w, RAM, RAM_SIZE);
	fw_cpus(&w, 1);
	fw_cpu(&w, 0, "psci");
	fw_cpu(&w, 1, "spin-table");
	fw_cpu(&w, 2, "spin-table");
	fw_end(&w);
	fw_node(&w, "chosen");
	fw_cells(&w, "linux,initrd-start", BUNDLE);
	fw_cells(&w, "linux,initrd-end", BUNDLE + BUNDLE_SIZE);
	fw_end(&w);
	fw_finish(&w);
	boot_with_tree(w, make_bundle(true, NULL));
	place_and_load();
	assert_non_null(strstr(log_text(), "2 CPUs are hidden from the host"));
	assert_non_null(strstr(log_text(), "no generic timer in the device tree"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kernel_on_its_boundary_is_loaded_in_place),
		cmocka_unit_test(a_kernel_anywhere_else_is_moved),
		cmocka_unit_test(what_was_placed_is_reserved),
		cmocka_unit_test(no_room_in_el2s_map_is_an_error_at_each_step),
		cmocka_unit_test(a_bundle_that_is_not_in_memory_is_refused),
		cmocka_unit_test(a_bad_bundle_is_refused_and_unmapped),
		cmocka_unit_test(what_the_host_does_not_get_is_logged),
	};
	int failed;

	ram = mmap(NULL, 2 * RAM_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ram == MAP_FAILED || log_init(ring, sizeof(ring)))
		return 1;
	beyond = ram + RAM_SIZE;
	make_files();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fw_free(&tree);
	return failed;
}
