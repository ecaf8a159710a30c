// SPDX-License-Identifier: BSD-2-Clause
/* Where the host's kernel, initrd and device tree are placed, by each rule of the boot protocol. */
/* SOURCES: hyp/host/place.c hyp/host/memmap.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <host/place.h>
#include <lib/errno.h>

#define MB SZ_1M
#define GB SZ_1G

/* A machine, a bundle and a kernel, as on QEMU's virt: Keel is at the lowest addresses. */
struct world {
	struct memmap map;
	u64 base; /* of the bundle */
	struct bundle bundle;
	struct image_info image;
	struct host_layout layout;
};

#define KEEL	  (GB + 2 * MB)
#define KEEL_SIZE (2 * MB)

static struct world world(void)
{
	struct world w = {
		.base = GB + 128 * MB,
		.bundle = {
			.kernel = { .offset = 2 * MB, .size = 29 * MB },
			.initrd = { .offset = 40 * MB, .size = 10 * MB + 5 },
			.size = 51 * MB,
		},
		.image = {
			.file_size = 29 * MB,
			.image_size = 30 * MB,
			.anywhere = true,
		},
	};

	assert_int_equal(mem_ranges_add(&w.map.ram, GB, GB), 0);
	assert_int_equal(memmap_reserve(&w.map, KEEL, KEEL_SIZE), 0);
	/* firmware's device tree */
	assert_int_equal(memmap_reserve(&w.map, GB + 256 * MB, 9000), 0);
	return w;
}

static int place(struct world *w, const char **why)
{
	*why = "-";
	memset(&w->layout, 0xa5, sizeof(w->layout));
	return host_place(&w->map, w->base, &w->bundle, &w->image, &w->layout, why);
}

static bool apart(u64 a, u64 a_end, u64 b, u64 b_end)
{
	return a_end <= b || b_end <= a;
}

/* What holds of every layout, whatever the decision was. @before: the map as it was. */
static void check_rules(const struct world *w, const struct memmap *before)
{
	const struct host_layout *l = &w->layout;
	u64 low = MIN(l->kernel, l->initrd), high = MAX(l->kernel_end, l->initrd_end);

	assert_int_equal(l->kernel_from, w->base + w->bundle.kernel.offset);
	assert_int_equal(l->kernel_size, w->image.file_size);
	assert_int_equal(l->kernel_end - l->kernel, w->image.image_size);
	assert_int_equal(l->initrd, w->base + w->bundle.initrd.offset);
	assert_int_equal(l->initrd_end - l->initrd, w->bundle.initrd.size);
	assert_int_equal((l->kernel - w->image.text_offset) % (2 * MB), 0);
	assert_int_equal(l->fdt % (2 * MB), 0);

	assert_true(memmap_is_free(before, l->kernel, l->kernel_end - l->kernel));
	assert_true(memmap_is_free(before, l->fdt, HOST_FDT_SPACE));
	assert_true(apart(l->kernel, l->kernel_end, l->initrd, l->initrd_end));
	assert_true(apart(l->fdt, l->fdt + HOST_FDT_SPACE, l->kernel, l->kernel_end));
	assert_true(apart(l->fdt, l->fdt + HOST_FDT_SPACE, w->base, w->base + w->bundle.size));
	if (l->kernel != l->kernel_from)
		assert_true(apart(l->kernel, l->kernel_end, w->base, w->base + w->bundle.size));
	/* one window of 32 GiB, aligned to 1 GiB */
	assert_true(ALIGN_UP(high, GB) - ALIGN_DOWN(low, GB) <= 32 * GB);

	/* and nobody gets that memory again */
	assert_true(mem_ranges_contain(&w->map.reserved, w->base, w->bundle.size));
	assert_true(mem_ranges_contain(&w->map.reserved, l->kernel, l->kernel_end - l->kernel));
	assert_true(mem_ranges_contain(&w->map.reserved, l->fdt, HOST_FDT_SPACE));
}

static void placed(struct world *w)
{
	struct memmap before = w->map;
	const char *why;
	int err = place(w, &why);

	if (err)
		fail_msg("refused: %d %s", err, why);
	check_rules(w, &before);
}

static void is_refused(struct world *w, int err, const char *line)
{
	const char *why;
	int got = place(w, &why);

	if (got != err || !strstr(why, line))
		fail_msg("got %d \"%s\", expected %d and \"%s\"", got, why, err, line);
}

static void stays(struct world *w)
{
	placed(w);
	assert_int_equal(w->layout.kernel, w->layout.kernel_from);
}

static void moves_to(struct world *w, u64 kernel)
{
	placed(w);
	if (w->layout.kernel != kernel)
		fail_msg("kernel at %llx, expected %llx", (unsigned long long)w->layout.kernel,
			 (unsigned long long)kernel);
}

static void a_kernel_that_can_stays_in_place(void **state)
{
	struct world w = world();

	stays(&w);
	assert_true(w.layout.fdt >= w.layout.kernel_end);
}

static void a_kernel_in_place_has_room_up_to_the_initrd(void **state)
{
	struct world w = world();

	w.image.image_size = 38 * MB;
	stays(&w);
	w = world();
	w.image.image_size = 38 * MB + 1;
	moves_to(&w, KEEL + KEEL_SIZE);
}

static void a_kernel_may_begin_right_behind_the_initrd(void **state)
{
	struct world w = world();

	w.bundle.kernel.offset = 12 * MB;
	w.bundle.initrd.offset = MB;
	w.bundle.initrd.size = 11 * MB;
	stays(&w);
	w = world();
	w.bundle.kernel.offset = 12 * MB;
	w.bundle.initrd.offset = MB;
	w.bundle.initrd.size = 11 * MB + 1;
	moves_to(&w, KEEL + KEEL_SIZE);
}

static void a_kernel_in_place_may_own_memory_beyond_the_bundle(void **state)
{
	struct world w = world();

	w.bundle.initrd.offset = 200;
	w.bundle.initrd.size = MB;
	w.bundle.size = 31 * MB;
	w.image.image_size = 126 * MB; /* up to firmware's device tree */
	stays(&w);
	w.map = world().map;
	w.image.image_size = 126 * MB + 1;
	moves_to(&w, GB + 258 * MB);
}

static void an_unaligned_kernel_is_copied_low(void **state)
{
	struct world w = world();

	w.bundle.kernel.offset = 2 * MB + 4;
	moves_to(&w, KEEL + KEEL_SIZE);
	w = world();
	w.base += 4096;
	moves_to(&w, KEEL + KEEL_SIZE);
}

static void a_kernel_lies_at_its_text_offset(void **state)
{
	struct world w = world();

	w.image.text_offset = 0x80000;
	moves_to(&w, KEEL + KEEL_SIZE + 0x80000);
	w = world();
	w.image.text_offset = 0x80000;
	w.bundle.kernel.offset = 2 * MB + 0x80000;
	stays(&w);
	/* the boundary is address 0 */
	w = (struct world){ .bundle = w.bundle, .image = w.image };
	w.image.text_offset = 0x100000;
	w.bundle.kernel.offset = 0x100000;
	assert_int_equal(mem_ranges_add(&w.map.ram, 0, GB), 0);
	stays(&w);
	/* the boundary would be below it */
	w = (struct world){ .bundle = w.bundle, .image = w.image };
	w.image.text_offset = 0x100000;
	w.bundle.kernel.offset = 0x80000;
	assert_int_equal(mem_ranges_add(&w.map.ram, 0, GB), 0);
	moves_to(&w, 52 * MB + 0x100000);
}

static void old_kernels_go_to_the_bottom(void **state)
{
	struct world w = world();

	w.image.anywhere = false;
	moves_to(&w, KEEL + KEEL_SIZE);
}

static void a_copied_kernel_gets_the_first_range_that_is_large_enough(void **state)
{
	struct world w = world();

	w.bundle.kernel.offset = 4096;
	assert_int_equal(memmap_reserve(&w.map, GB + 33 * MB, 1), 0);
	moves_to(&w, GB + 34 * MB);
}

static void a_copied_kernel_is_near_the_initrd(void **state)
{
	struct world w = world();

	/* low memory is free, but more than 32 GiB below the bundle */
	assert_int_equal(mem_ranges_add(&w.map.ram, 64 * GB, 8 * GB), 0);
	w.base = 66 * GB + 4096;
	moves_to(&w, 64 * GB);
	/* at the window's edge: the last address of the initrd decides */
	w = world();
	assert_int_equal(mem_ranges_add(&w.map.ram, 2 * GB, 38 * GB), 0);
	w.base = 35 * GB - 41 * MB + 4096;
	moves_to(&w, 4 * GB);
	/* above it: the kernel's end decides */
	w = world();
	w.bundle.kernel.offset = 4096;
	w.map.ram.count = 0;
	assert_int_equal(mem_ranges_add(&w.map.ram, w.base, 60 * MB), 0);
	assert_int_equal(mem_ranges_add(&w.map.ram, 33 * GB - 30 * MB, 30 * MB), 0);
	assert_int_equal(mem_ranges_add(&w.map.ram, 40 * GB, GB), 0);
	moves_to(&w, 33 * GB - 30 * MB);
	w.map.ram.range[1].base += 2 * MB;
	w.map.ram.range[1].end += 2 * MB;
	w.map.reserved.count = 0;
	is_refused(&w, -ENOSPC, "kernel: does not fit");
}

static void the_device_tree_is_near_the_kernel_if_there_is_room(void **state)
{
	struct world w = world();

	placed(&w);
	assert_true(w.layout.fdt + HOST_FDT_SPACE <= w.layout.kernel + 512 * MB);
	/* all of that taken: then anywhere */
	w = world();
	w.map.ram.count = 0;
	assert_int_equal(mem_ranges_add(&w.map.ram, w.base, 51 * MB), 0);
	assert_int_equal(mem_ranges_add(&w.map.ram, 0, 3 * MB), 0);
	placed(&w);
	assert_int_equal(w.layout.fdt, 0);
}

static void a_bundle_outside_free_ram_is_refused(void **state)
{
	struct world w = world();

	w.base = 2 * GB - MB;
	is_refused(&w, -EINVAL, "does not lie in RAM");
	w = world();
	w.base = ~0ULL - MB;
	is_refused(&w, -EINVAL, "does not lie in RAM");
	w = world();
	w.base = KEEL + 4096;
	is_refused(&w, -EINVAL, "overlaps");
	w = world();
	w.base = GB + 256 * MB - w.bundle.size + 1;
	is_refused(&w, -EINVAL, "overlaps");
}

static void a_kernel_that_does_not_fit_is_refused(void **state)
{
	struct world w = world();

	w.bundle.kernel.offset = 4096;
	w.image.image_size = GB;
	is_refused(&w, -ENOSPC, "kernel: does not fit");
	w = world();
	w.image.image_size = (1ULL << 56) - 1;
	w.image.text_offset = 0x1fffff;
	is_refused(&w, -ENOSPC, "kernel: does not fit");
	w = world();
	w.map.ram.count = 0;
	assert_int_equal(mem_ranges_add(&w.map.ram, w.base, w.bundle.size), 0);
	is_refused(&w, -ENOSPC, "device tree: does not fit");
}

static void fill(struct memmap *map, unsigned int left)
{
	for (u64 i = 0; map->reserved.count < MEMMAP_MAX_RANGES - left; i++)
		assert_int_equal(memmap_reserve(map, 8 * GB + i * 2 * MB, MB), 0);
}

static void too_many_reserved_ranges_are_an_error(void **state)
{
	/* the kernel in the bundle needs one range, a moved one and the device tree one each */
	for (unsigned int left = 0; left < 2; left++) {
		struct world w = world();

		fill(&w.map, left);
		is_refused(&w, -ENOSPC, "too many reserved ranges");
	}
	struct world w = world();

	assert_int_equal(memmap_reserve(&w.map, KEEL + KEEL_SIZE + MB, 1), 0);
	w.bundle.kernel.offset = 4096;
	fill(&w.map, 1);
	is_refused(&w, -ENOSPC, "too many reserved ranges");
}

static void random_machines_keep_the_rules(void **state)
{
	unsigned int done = 0, in_place = 0;

	srand(3);
	for (unsigned int step = 0; step < 20000; step++) {
		struct world w = world();
		struct memmap before;
		const char *why;

		for (unsigned int i = 0; i < (unsigned int)rand() % 8; i++)
			(void)!memmap_reserve(&w.map, GB + (u64)rand() % 1024 * MB,
					      (u64)rand() % 64 * MB / 3);
		if (rand() % 4 == 0)
			w.map.ram.range[0].end -= (u64)rand() % 1000 * MB;
		w.base = GB + (u64)rand() % 512 * 2 * MB + (rand() % 4 ? 0 : 4096);
		w.image.image_size += (u64)rand() % 20 * MB;
		w.image.text_offset = rand() % 4 ? 0 : 0x80000;
		w.image.anywhere = rand() % 8;
		before = w.map;
		if (place(&w, &why))
			continue;
		check_rules(&w, &before);
		done++;
		in_place += w.layout.kernel == w.layout.kernel_from;
	}
	/* both kinds of decision were seen often */
	assert_true(in_place > 1000 && done - in_place > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kernel_that_can_stays_in_place),
		cmocka_unit_test(a_kernel_in_place_has_room_up_to_the_initrd),
		cmocka_unit_test(a_kernel_may_begin_right_behind_the_initrd),
		cmocka_unit_test(a_kernel_in_place_may_own_memory_beyond_the_bundle),
		cmocka_unit_test(an_unaligned_kernel_is_copied_low),
		cmocka_unit_test(a_kernel_lies_at_its_text_offset),
		cmocka_unit_test(old_kernels_go_to_the_bottom),
		cmocka_unit_test(a_copied_kernel_gets_the_first_range_that_is_large_enough),
		cmocka_unit_test(a_copied_kernel_is_near_the_initrd),
		cmocka_unit_test(the_device_tree_is_near_the_kernel_if_there_is_room),
		cmocka_unit_test(a_bundle_outside_free_ram_is_refused),
		cmocka_unit_test(a_kernel_that_does_not_fit_is_refused),
		cmocka_unit_test(too_many_reserved_ranges_are_an_error),
		cmocka_unit_test(random_machines_keep_the_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
