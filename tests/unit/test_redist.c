// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/host/redist.c */
/* Finding each CPU's redistributor among the regions that the device tree names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arch/foreign.h>
#include <arch/gicr.h>
#include <arch/mmio.h>
#include <host/gic_regs.h>
#include <host/redist.h>
#include <lib/errno.h>
#include <mm/el2_map.h>

#define CPUS	3
#define FRAMES	8
#define GICV3	0x20000ULL
#define GICV4	0x40000ULL
#define REGION	0x80a0000ULL
#define REGION2 0x4000000000ULL

/* The machine's redistributors: address of the RD frame, and its GICR_TYPER. */
static struct {
	u64 base, typer;
} frames[FRAMES];
static unsigned int nr_frames;

static struct percpu percpus[CPUS];
static struct percpu *cpus[CPUS];
static int mapped, maps_left;

/* A mapping is its address itself. */
void *el2_map_private(struct pa pa, u64 size, enum el2_prot prot)
{
	assert_int_equal(size, SZ_4K);
	assert_int_equal(prot, EL2_DEVICE);
	if (maps_left-- == 0)
		return NULL;
	mapped++;
	return (void *)pa.v;
}

void el2_unmap_private(const void *ptr, u64 size)
{
	assert_int_equal(size, SZ_4K);
	assert_non_null(ptr);
	mapped--;
}

u32 mmio_read32(const volatile void *addr)
{
	for (unsigned int i = 0; i < nr_frames; i++) {
		if (frames[i].base + GICR_TYPER == (u64)addr)
			return (u32)frames[i].typer;
		if (frames[i].base + GICR_TYPER + 4 == (u64)addr)
			return (u32)(frames[i].typer >> 32);
	}
	fail_msg("read of %p, where there is nothing", (const void *)addr);
	return 0;
}

/* Frames from here on do not answer. */
static u64 dead_from, dead_to;

bool fake_foreign_faults(const void *start, u64 size)
{
	return (u64)start >= dead_from && (u64)start < dead_to;
}

static void add_frame(u64 base, u64 affinity, u64 flags)
{
	frames[nr_frames].base = base;
	frames[nr_frames++].typer = affinity << 32 | flags;
}

static int setup(void **state)
{
	memset(percpus, 0, sizeof(percpus));
	for (unsigned int i = 0; i < CPUS; i++) {
		cpus[i] = &percpus[i];
		percpus[i].mpidr = i == 2 ? 0x0500000100ULL : i; /* Aff3 is not beside Aff2 */
	}
	nr_frames = 0;
	dead_from = dead_to = 0;
	mapped = 0;
	maps_left = -1;
	return 0;
}

static struct fdt_redists one_region(u64 size)
{
	return (struct fdt_redists){ .count = 1, .region = { { REGION, REGION + size } } };
}

static void assert_at(unsigned int cpu, u64 base)
{
	if ((u64)percpus[cpu].gicr != base + SZ_64K)
		fail_msg("CPU %u: %p, expected %#llx", cpu, percpus[cpu].gicr,
			 (unsigned long long)base + SZ_64K);
}

static void each_cpu_gets_its_own(void **state)
{
	struct fdt_redists r = one_region(0xf60000);

	add_frame(REGION, 1, 0);
	add_frame(REGION + GICV3, 0x77, 0); /* of a CPU that Keel does not know */
	add_frame(REGION + 2 * GICV3, 0x05000100, 0);
	add_frame(REGION + 3 * GICV3, 0, GICR_TYPER_LAST);
	assert_int_equal(redist_init(&r, cpus, CPUS), 0);
	assert_at(0, REGION + 3 * GICV3);
	assert_at(1, REGION);
	assert_at(2, REGION + 2 * GICV3);
	assert_int_equal(mapped, CPUS);
}

static void redistributors_are_found_in_several_regions_and_of_gicv4(void **state)
{
	struct fdt_redists r = { .count = 2,
				 .region = { { REGION, REGION + 2 * GICV4 },
					     { REGION2, REGION2 + GICV3 } } };

	add_frame(REGION, 0, GICR_TYPER_VLPIS);
	add_frame(REGION + GICV4, 1, GICR_TYPER_VLPIS | GICR_TYPER_LAST);
	add_frame(REGION2, 0x05000100, 0);
	assert_int_equal(redist_init(&r, cpus, CPUS), 0);
	assert_at(1, REGION + GICV4);
	assert_at(2, REGION2);
}

static void the_trees_stride_counts(void **state)
{
	struct fdt_redists r = one_region(3 * SZ_1M);

	r.stride = SZ_1M;
	add_frame(REGION, 0, 0);
	add_frame(REGION + SZ_1M, 1, 0);
	add_frame(REGION + 2 * SZ_1M, 0x05000100, 0);
	assert_int_equal(redist_init(&r, cpus, CPUS), 0);
	assert_at(2, REGION + 2 * SZ_1M);
	for (u64 bad = 1; bad < GICV3; bad += SZ_64K - 1) {
		r.stride = bad;
		assert_int_equal(redist_init(&r, cpus, CPUS), -ENOENT);
	}
}

struct visited {
	unsigned int count;
	u64 base[4], typer[4];
};

static int note(void *ctx, u64 base, u64 typer)
{
	struct visited *v = ctx;

	assert_true(v->count < 4);
	v->base[v->count] = base;
	v->typer[v->count++] = typer;
	return 0;
}

/* The frame of a CPU without power counts as one with LPIs, of the size of others. */
static void a_frame_that_does_not_answer_is_visited_with_an_unknown_affinity(void **state)
{
	struct fdt_redists r = one_region(3 * GICV4);
	struct visited v = { 0 };

	add_frame(REGION, 0, GICR_TYPER_VLPIS);
	add_frame(REGION + 2 * GICV4, 1, GICR_TYPER_VLPIS | GICR_TYPER_LAST);
	dead_from = REGION + GICV4;
	dead_to = REGION + 2 * GICV4;
	assert_int_equal(redist_walk(&r, note, &v), 0);
	assert_int_equal(v.count, 3);
	assert_int_equal(v.base[1], REGION + GICV4);
	assert_true(redist_is_unknown(v.typer[1]));
	assert_int_equal(v.typer[1] & 3, 3);
	assert_int_equal(v.base[2], REGION + 2 * GICV4);
	assert_int_equal(redist_init(&r, cpus, CPUS), -ENOENT);
	assert_at(1, REGION + 2 * GICV4);
	assert_null(percpus[2].gicr);
	/* The first one, and nothing says how large it is. */
	dead_from = REGION;
	assert_int_equal(redist_walk(&r, note, &v), -ENOENT);
	r.stride = GICV4;
	v.count = 0;
	assert_int_equal(redist_walk(&r, note, &v), 0);
	assert_int_equal(v.count, 3);
	assert_int_equal(v.typer[0] & 3, 3);
}

/* As ACPI's tables have it: a region for each, and the first ones are of CPUs that are not there. */
static void frames_that_do_not_answer_have_the_size_of_one_in_another_region(void **state)
{
	struct fdt_redists r = { .count = 3,
				 .region = { { REGION, REGION + GICV3 },
					     { REGION + GICV4, REGION + GICV4 + GICV3 },
					     { REGION2, REGION2 + GICV3 } } };
	struct visited v = { 0 };

	dead_from = REGION;
	dead_to = REGION + 2 * GICV4;
	add_frame(REGION2, 0, GICR_TYPER_PLPIS | GICR_TYPER_VLPIS | GICR_TYPER_LAST);
	assert_int_equal(redist_walk(&r, note, &v), 0);
	assert_int_equal(v.count, 3);
	assert_true(redist_is_unknown(v.typer[0]) && redist_is_unknown(v.typer[1]));
	assert_int_equal(v.base[1], REGION + GICV4);
	assert_int_equal(v.typer[0] & 3, 3);
	assert_int_equal(v.typer[1] & 3, 3);
}

/* It is no redistributor without LPIs, of the CPU with affinity 0. */
static void a_frame_that_reads_as_zero_where_others_have_lpis_is_one_without_power(void **state)
{
	struct fdt_redists r = { .count = 2,
				 .region = { { REGION, REGION + GICV3 },
					     { REGION2, REGION2 + 2 * GICV3 } } };
	struct visited v = { 0 };

	add_frame(REGION, 0, 0);
	add_frame(REGION2, 1, GICR_TYPER_PLPIS);
	add_frame(REGION2 + GICV3, 0, 0);
	assert_int_equal(redist_walk(&r, note, &v), 0);
	assert_int_equal(v.count, 3);
	assert_true(redist_is_unknown(v.typer[0]) && redist_is_unknown(v.typer[2]));
	assert_int_equal(v.typer[2] & 3, 1);
}

static void a_cpu_without_one_leaves_the_others_theirs(void **state)
{
	struct fdt_redists r = one_region(2 * GICV3 + SZ_64K); /* half a redistributor at the end */

	add_frame(REGION, 0, 0);
	add_frame(REGION + GICV3, 1, 0);
	assert_int_equal(redist_init(&r, cpus, CPUS), -ENOENT);
	assert_int_equal(mapped, 2);
	assert_at(0, REGION);
	assert_at(1, REGION + GICV3);
	assert_null(percpus[2].gicr);
	setup(state);
	r.count = 0;
	assert_int_equal(redist_init(&r, cpus, CPUS), -ENOENT);
	assert_int_equal(mapped, 0);
	/* two that say they are the same CPU's: the first counts, and the other CPU has none */
	nr_frames = 0;
	dead_from = dead_to = 0;
	r = one_region(2 * GICV3);
	add_frame(REGION, 0, 0);
	add_frame(REGION + GICV3, 0, 0);
	assert_int_equal(redist_init(&r, cpus, 2), -ENOENT);
	assert_at(0, REGION);
	assert_null(percpus[1].gicr);
}

static void a_mapping_that_fails_leaves_nothing_mapped(void **state)
{
	struct fdt_redists r = one_region(3 * GICV3);

	add_frame(REGION, 0, 0);
	add_frame(REGION + GICV3, 1, 0);
	add_frame(REGION + 2 * GICV3, 0x05000100, 0);
	for (int n = 0; n < 2 * CPUS + 1; n++) {
		maps_left = n;
		assert_int_equal(redist_init(&r, cpus, CPUS), -ENOMEM);
		assert_int_equal(mapped, 0);
		for (unsigned int i = 0; i < CPUS; i++)
			assert_null(percpus[i].gicr);
	}
	maps_left = 2 * CPUS + 1;
	assert_int_equal(redist_init(&r, cpus, CPUS), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_cpu_gets_its_own, setup),
		cmocka_unit_test_setup(redistributors_are_found_in_several_regions_and_of_gicv4,
				       setup),
		cmocka_unit_test_setup(the_trees_stride_counts, setup),
		cmocka_unit_test_setup(
			a_frame_that_does_not_answer_is_visited_with_an_unknown_affinity, setup),
		cmocka_unit_test_setup(
			frames_that_do_not_answer_have_the_size_of_one_in_another_region, setup),
		cmocka_unit_test_setup(
			a_frame_that_reads_as_zero_where_others_have_lpis_is_one_without_power,
			setup),
		cmocka_unit_test_setup(a_cpu_without_one_leaves_the_others_theirs, setup),
		cmocka_unit_test_setup(a_mapping_that_fails_leaves_nothing_mapped, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
