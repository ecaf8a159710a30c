// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/host/host_mem.c hyp/mm/ownership.c hyp/mm/page_lock.c hyp/mm/pgtable.c hyp/mm/pgtable_sane.c hyp/mm/stage2.c hyp/mm/stage2_geometry.c hyp/mm/page_pool.c tests/unit/arch/fake_tlb.c tests/unit/arch/fake_mem.c tests/unit/fake_panic.c hyp/cpu/errata.c */
/* LIBS: -Wl,--wrap=stage2_init -Wl,--wrap=stage2_merge_up -Wl,--wrap=page_pool_free */
/*
 * The host's memory on real tables, real ownership and a real pool of pages, under the strict TLB
 * model. What the host should reach is worked out here from the machine's description alone, and
 * read from the tables by the model's own walker.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arch/cache.h>
#include <arch/fake_mem.h>
#include <arch/fake_tlb.h>
#include <arch/foreign.h>
#include <cpu/log.h>
#include <fake_panic.h>
#include <host/host.h>
#include <host/host_mem.h>
#include <keel/hypercall.h>
#include <lib/errno.h>
#include <mm/el2_map.h>
#include <mm/ownership.h>
#include <mm/stage2.h>
#include <page_moves.h>

#define PAGE SZ_4K

struct range {
	u64 base, size;
};

/* The machine: blocks of both sizes, an odd tail, Keel in two places, and devices of Keel's. */
#define TABLES 0x82000000ULL
static const struct range ram[] = { { 0x40000000, SZ_1G + 64 * SZ_1M },
				    { 0x880000000, SZ_1G + 3 * PAGE } };
static const struct range keel[] = { { TABLES, 2 * SZ_2M }, { 0x83001000, 3 * PAGE } };
static const struct range devices[] = {
	{ 0x08030000, 0x10000 }, { 0x100200000, SZ_2M }, { 0x140000000, PAGE },
	{ 0x180000000, PAGE },	 { 0x1c0000000, PAGE },	 { 0x200000000, PAGE },
	{ 0x240000000, PAGE },	 { 0x280000000, PAGE },	 { 0x2c0000000, PAGE },
};

static u8 states[2][(SZ_1G + 64 * SZ_1M) / PAGE];
static u32 *counts[2][ARRAY_SIZE(states[0]) / 1024];
static struct ownership_bank banks[2];
static struct page_pool pool;
static struct el2_layout layout;
static struct stage2 *host_s2;
static int regime;
static u64 mmio_maps, zero_pages;
static const struct mmu_caps *the_caps;

/* Pages that were cleared, and the page that the window shows. */
static u8 window[PAGE];
static const u8 zero[PAGE];
static bool window_used, window_cleaned;

/* The page that the host reads in place of memory that it gave away; it was cleaned at boot. */
static const void *zeros;
static u64 cleared, cleared_sum;

/* Memory that was given to Keel, beyond keel[]. */
static struct range given[64];
static unsigned int given_count;

static const struct mmu_caps small_caps = {
	.pa_bits = 40,
	.vmid_bits = 8,
	.s1_granule = { true },
	.s2_granule = { true },
};
static const struct mmu_caps large_caps = {
	.pa_bits = 52,
	.vmid_bits = 16,
	.bbm_level = 2,
	.s1_granule = { true, true, true },
	.s2_granule = { true, true, true },
	.s1_lpa2 = { true, true },
	.s2_lpa2 = { true, true },
	.hw_access = true,
	.hw_dirty = true,
	.fwb = true,
	.xnx = true,
	.ttl = true,
	.tlbi_range = true,
	.vhe = true,
};

/* ---- what host_mem.c calls ---- */

const struct el2_layout *el2_map_layout(void)
{
	return &layout;
}

void host_count(unsigned int stat)
{
	if (stat == KEEL_STAT_HOST_ZERO_PAGES) {
		zero_pages++;
		return;
	}
	assert_int_equal(stat, KEEL_STAT_HOST_MMIO_MAPS);
	mmio_maps++;
}

static bool reaches(u64 ipa);

void *el2_window_map(struct pa pa, enum el2_prot prot)
{
	assert_false(window_used);
	assert_int_equal(prot, EL2_RW);
	/* Nobody may see the page between its contents and zero. */
	if (reaches(pa.v))
		fail_msg("%#lx is cleared while the host reaches it", pa.v);
	window_used = true;
	window_cleaned = false;
	cleared++;
	cleared_sum += pa.v;
	memset(window, 0xa5, sizeof(window));
	return window;
}

void el2_window_unmap(void)
{
	assert_true(window_used);
	window_used = false;
	/* The host may look past the caches. */
	assert_true(window_cleaned);
}

void dcache_clean_inval_poc(const void *start, u64 size)
{
	assert_int_equal(size, PAGE);
	assert_memory_equal(start, zero, PAGE);
	if (start == window)
		window_cleaned = true;
	else
		zeros = start;
}

/* Which of the pages that the window shows faults, counted from 1; 0: none. */
static u64 bad_page;
static unsigned int logged;

bool fake_foreign_faults(const void *start, u64 size)
{
	bool bad = cleared == bad_page;

	assert_ptr_equal(start, window);
	if (bad) /* there is nothing to be cleaned */
		window_cleaned = true;
	return bad;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	assert_int_equal(level, LOG_ERR);
	logged++;
}

u64 ratelimit(struct ratelimit *rl)
{
	return ++rl->count;
}

/* How large what comes back was allowed to become: the most; and how often that was tried. */
static u64 merged_most;
static unsigned int merges;

int __real_stage2_merge_up(struct stage2 *s2, struct ipa ipa, u64 most);
int __wrap_stage2_merge_up(struct stage2 *s2, struct ipa ipa, u64 most);
int __wrap_stage2_merge_up(struct stage2 *s2, struct ipa ipa, u64 most)
{
	merged_most = MAX(merged_most, most);
	merges++;
	return __real_stage2_merge_up(s2, ipa, most);
}

static void forget_merges(void)
{
	merges = 0;
	merged_most = 0;
}

static void expect_merges(unsigned int count, u64 most)
{
	assert_int_equal(merges, count);
	assert_int_equal(merged_most, most);
	forget_merges();
}

/* The TLB model follows the host's stage 2 from its first descriptor on. */
int __real_stage2_init(struct stage2 *s2, const struct stage2_config *config);
int __wrap_stage2_init(struct stage2 *s2, const struct stage2_config *config);
int __wrap_stage2_init(struct stage2 *s2, const struct stage2_config *config)
{
	const struct stage2_geometry *g = config->geometry;
	int ret = __real_stage2_init(s2, config);

	assert_false(config->fwb); /* it would override the host's memory types */
	assert_int_equal(config->vmid, 0);
	host_s2 = s2;
	regime = fake_tlb_add(&(struct fake_regime){
		.granule = GRANULE_4K,
		.start_level = g->start_level,
		.ia_bits = g->ia_bits,
		.oa_bits = g->oa_bits,
		.ds = g->ds,
		.ha = config->caps->hw_access,
		.hd = config->caps->hw_dirty,
		.bbm_level = config->caps->bbm_level,
		.root = config->root,
	});
	return ret;
}

void __real_page_pool_free(struct page_pool *p, void *page);
void __wrap_page_pool_free(struct page_pool *p, void *page);
void __wrap_page_pool_free(struct page_pool *p, void *page)
{
	fake_tlb_table_freed(fake_mem_page(page));
	__real_page_pool_free(p, page);
}

/* ---- the machine ---- */

static bool overlaps(const struct range *ranges, size_t n, u64 base, u64 size)
{
	for (size_t i = 0; i < n; i++)
		if (base < ranges[i].base + ranges[i].size && ranges[i].base < base + size)
			return true;
	return false;
}

static bool is_keel(u64 base, u64 size)
{
	return overlaps(keel, ARRAY_SIZE(keel), base, size) ||
	       overlaps(given, given_count, base, size) ||
	       overlaps(devices, ARRAY_SIZE(devices), base, size);
}

static bool is_ram(u64 base, u64 size)
{
	for (size_t i = 0; i < ARRAY_SIZE(ram); i++)
		if (base >= ram[i].base && base + size <= ram[i].base + ram[i].size)
			return true;
	return false;
}

static void make_machine(const struct mmu_caps *caps)
{
	the_caps = caps;
	given_count = 0;
	mmio_maps = zero_pages = cleared = cleared_sum = bad_page = 0;
	logged = 0;
	zeros = NULL;
	window_used = false;
	ownership_lock = (struct spinlock)SPINLOCK_INIT(LOCK_OWNERSHIP);
	memset(states, 0, sizeof(states));
	for (size_t i = 0; i < ARRAY_SIZE(ram); i++)
		banks[i] =
			(struct ownership_bank){ ram[i].base, ram[i].size, states[i], counts[i] };
	assert_int_equal(ownership_init(banks, ARRAY_SIZE(banks)), 0);
	for (size_t i = 0; i < ARRAY_SIZE(keel); i++)
		assert_int_equal(ownership_claim_boot(PA(keel[i].base), keel[i].size), 0);
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		assert_int_equal(ownership_claim_device(PA(devices[i].base), devices[i].size), 0);
}

/* @pages of Keel's memory for tables, in the linear window. */
static void make_pool(unsigned int pages)
{
	char *base;

	fake_tlb_reset();
	fake_mem_init(GRANULE_4K, TABLES, 2 * SZ_2M / PAGE);
	base = fake_mem_zalloc_root(pages, PAGE);
	assert_non_null(base);
	layout = (struct el2_layout){ .linear_offset = (u64)base - TABLES };
	assert_int_equal(page_pool_init(&pool, base, pages), 0);
}

#define PLENTY 600U

static void start(const struct mmu_caps *caps, unsigned int pages)
{
	make_machine(caps);
	make_pool(pages);
	assert_int_equal(host_mem_init(caps, &pool), 0);
	fake_tlb_check("host_mem_init");
}

/* Pages that the host's tables take when only RAM is mapped. */
static unsigned int pages_at_start(const struct mmu_caps *caps)
{
	start(caps, PLENTY);
	return PLENTY - (unsigned int)page_pool_available(&pool);
}

static bool was_given(u64 ipa)
{
	return overlaps(given, given_count, ipa, 1);
}

/* The host reads zeros at @ipa, from the one page that has them, and can do nothing else there. */
static bool reads_zeros(u64 ipa)
{
	u64 pa = 0, page = ALIGN_DOWN(ipa, PAGE);

	if (fake_walk(regime, page, &pa, NULL, NULL) != FAKE_OK)
		return false;
	if (pa != (u64)zeros - layout.linear_offset)
		return false;
	assert_memory_equal(zeros, zero, PAGE);
	for (unsigned int cpu = 0; cpu < FAKE_CPUS; cpu++)
		if (fake_tlb_access(cpu, regime, page, FAKE_READ, &pa) != FAKE_OK ||
		    fake_tlb_access(cpu, regime, page, FAKE_WRITE, &pa) != FAKE_PERMISSION ||
		    fake_tlb_access(cpu, regime, page, FAKE_EXEC, &pa) != FAKE_PERMISSION)
			fail_msg("%#lx is not read-only", ipa);
	return true;
}

/* Memory of the host's, which the tables map with the largest possible blocks. */
static void check_ram_page(u64 ipa)
{
	static const u64 sizes[] = { SZ_1G, SZ_2M, PAGE };
	u64 pa = 0, desc;
	int level;
	enum fake_outcome outcome = fake_walk(regime, ipa, &pa, &desc, &level);

	if (is_keel(ipa, 1)) {
		if (outcome != FAKE_TRANSLATION && !(reads_zeros(ipa) && was_given(ipa)))
			fail_msg("%#lx is Keel's, and the host has %#lx there", ipa, desc);
		return;
	}
	if (outcome != FAKE_OK || pa != ipa)
		fail_msg("%#lx is the host's: outcome %d, pa %#lx", ipa, outcome, pa);
	for (int i = 0; i < 3; i++) {
		u64 base = ALIGN_DOWN(ipa, sizes[i]);

		if (!is_ram(base, sizes[i]) || is_keel(base, sizes[i]))
			continue;
		if (level != i + 1)
			fail_msg("%#lx is mapped at level %d, %d would do", ipa, level, i + 1);
		return;
	}
}

static void check_ram(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(ram); i++)
		for (u64 at = 0; at < ram[i].size;
		     at += at < ram[i].size - 16 * PAGE && at % SZ_2M == 17 * PAGE
				   ? SZ_2M - 17 * PAGE
				   : PAGE)
			check_ram_page(ram[i].base + at);
	for (size_t i = 0; i < ARRAY_SIZE(keel); i++)
		for (u64 at = 0; at < keel[i].size + 2 * PAGE; at += PAGE)
			check_ram_page(keel[i].base + at - PAGE);
	for (unsigned int i = 0; i < given_count; i++)
		for (u64 at = 0; at < given[i].size + 2 * PAGE; at += PAGE)
			if (is_ram(given[i].base + at - PAGE, PAGE))
				check_ram_page(given[i].base + at - PAGE);
}

static void check_all(const char *where)
{
	check_ram();
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		for (u64 at = 0; at < devices[i].size; at += PAGE)
			assert_int_equal(fake_walk(regime, devices[i].base + at, NULL, NULL, NULL),
					 FAKE_TRANSLATION);
	host_mem_check();
	fake_tlb_check(where);
}

static bool reaches(u64 ipa)
{
	u64 pa;

	return fake_walk(regime, ipa, &pa, NULL, NULL) == FAKE_OK && pa == ipa;
}

/* ---- boot ---- */

static void ram_is_mapped_in_the_largest_blocks_and_keel_is_not(void **state)
{
	static const struct mmu_caps *const caps[] = { &small_caps, &large_caps };

	for (size_t i = 0; i < ARRAY_SIZE(caps); i++) {
		u64 pa;

		start(caps[i], PLENTY);
		check_all("boot");
		/* The host may do anything with its RAM. */
		for (int access = FAKE_READ; access <= FAKE_EXEC; access++)
			assert_int_equal(fake_tlb_access(0, regime, 0x44444444,
							 (enum fake_access)access, &pa),
					 FAKE_OK);
		/* Nothing but RAM is mapped at boot. */
		assert_false(reaches(0));
		assert_false(reaches(0x9000000));
		assert_false(reaches(0x840000000));
		assert_false(reaches(ram[1].base + ram[1].size));
	}
}

static void registers_name_the_tables(void **state)
{
	start(&small_caps, PLENTY);
	/* 40 bits: T0SZ 24; start level 1 (SL0 1) with two tables; 4K; PS 40 bits; RES1 bit 31 */
	assert_int_equal(host_mem_vtcr() & 0x3f, 24);
	assert_int_equal(host_mem_vtcr() >> 6 & 3, 1);
	assert_int_equal(host_mem_vtcr() >> 14 & 3, 0);
	assert_int_equal(host_mem_vtcr() >> 16 & 7, 2);
	assert_true(host_mem_vtcr() & BIT(31));
	assert_int_equal(host_mem_vttbr(), fake_mem_to_pa(NULL, host_s2->pgt.root).v);
	assert_int_equal(host_mem_table_pages_free(), page_pool_available(&pool));
	start(&large_caps, PLENTY);
	assert_int_equal(host_mem_vtcr() & 0x3f, 12);
	assert_int_equal(host_mem_vttbr() >> 48, 0); /* the host's VMID is 0 */
}

static void boot_fails_without_tables_or_granule(void **state)
{
	struct mmu_caps no_4k = small_caps;
	unsigned int needed = pages_at_start(&small_caps);

	for (unsigned int pages = 1; pages < needed; pages++) {
		make_machine(&small_caps);
		make_pool(pages);
		if (host_mem_init(&small_caps, &pool) != -ENOMEM)
			fail_msg("%u of %u pages: expected -ENOMEM", pages, needed);
		assert_false(spin_is_locked(&ownership_lock));
	}
	start(&small_caps, needed);
	check_all("boot with exactly what it takes");
	no_4k.s2_granule[GRANULE_4K] = false;
	no_4k.s2_granule[GRANULE_64K] = true;
	make_machine(&no_4k);
	make_pool(PLENTY);
	assert_int_equal(host_mem_init(&no_4k, &pool), -EOPNOTSUPP);
	assert_int_equal(page_pool_available(&pool), PLENTY);
}

/* ---- faults ---- */

static void check_access(u64 ipa, enum host_access access, int expected)
{
	u64 before = mmio_maps;
	int ret = host_mem_fault(IPA(ipa), access);

	if (ret != expected)
		fail_msg("fault at %#lx: %d, expected %d", ipa, ret, expected);
	if (ret)
		assert_int_equal(mmio_maps, before);
	assert_false(spin_is_locked(&ownership_lock));
	assert_false(spin_is_locked(&host_s2->lock));
}

/* By each kind of access; reads only if the result does not depend on the memory's owner. */
static void check_fault(u64 ipa, int expected)
{
	check_access(ipa, HOST_WRITE, expected);
	check_access(ipa, HOST_FETCH, expected);
	check_access(ipa, HOST_WALK, expected);
	if (!was_given(ipa))
		check_access(ipa, HOST_READ, expected);
}

/* The level of the block that maps @ipa. */
static int level_of(u64 ipa)
{
	u64 pa = 0;
	int level = 99;

	if (fake_walk(regime, ipa, &pa, NULL, &level) != FAKE_OK || pa != ipa)
		fail_msg("%#lx is not mapped to itself", ipa);
	return level;
}

static void a_device_gets_the_largest_block_that_is_all_device(void **state)
{
	static const struct {
		u64 ipa;
		int level;
	} rows[] = {
		{ 0x10000000000 - PAGE, 1 },			/* the last GiB of 40 bits */
		{ 0xc0000123, 1 },	     { 0x09000000, 2 }, /* Keel's device is in the same GiB */
		{ 0x08000000, 3 },				/* ... in the same 2 MiB */
		{ 0x0802f000, 3 },				/* ... in the page before */
		{ 0x08040abc, 3 },				/* ... in the page behind */
		{ 0x84000000, 2 },				/* in the GiB where RAM ends */
		{ 0x8c0003000, 3 }, /* in the 2 MiB where RAM ends, in a page's middle */
		{ 0x8c0200000, 2 },	     { 0x100000000, 2 }, { 0x100400000, 2 },
	};
	u64 pa;

	start(&small_caps, PLENTY);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		check_fault(rows[i].ipa, 0);
		if (level_of(rows[i].ipa) != rows[i].level)
			fail_msg("device at %#lx: level %d, expected %d", rows[i].ipa,
				 level_of(rows[i].ipa), rows[i].level);
		assert_int_equal(mmio_maps, i + 1);
		check_all("a device fault");
	}
	assert_int_equal(fake_tlb_access(1, regime, 0x09000000, FAKE_READ, &pa), FAKE_OK);
	assert_int_equal(fake_tlb_access(1, regime, 0x09000000, FAKE_WRITE, &pa), FAKE_OK);
	assert_int_equal(fake_tlb_access(1, regime, 0x09000000, FAKE_EXEC, &pa), FAKE_PERMISSION);
}

/* Two CPUs fault on the same address; the second finds it mapped. */
static void a_fault_on_what_is_mapped_is_repeated(void **state)
{
	u64 free;

	start(&small_caps, PLENTY);
	check_fault(0x09000000, 0);
	free = page_pool_available(&pool);
	check_fault(0x09000000, 0);
	check_fault(0x09000fff, 0);
	check_fault(0x091fffff, 0);
	assert_int_equal(mmio_maps, 1);
	assert_int_equal(page_pool_available(&pool), free);
	check_fault(0x40000000, 0); /* RAM, as after a change of its blocks */
	assert_int_equal(mmio_maps, 1);
}

static void memory_that_is_not_the_hosts_is_refused(void **state)
{
	start(&small_caps, PLENTY);
	check_fault(keel[0].base, -EPERM);
	check_fault(keel[0].base + keel[0].size - 1, -EPERM);
	check_fault(keel[1].base + PAGE, -EPERM);
	check_fault(devices[0].base, -EPERM);
	check_fault(devices[0].base + devices[0].size - 1, -EPERM);
	check_fault(1ULL << 40, -ERANGE);
	check_fault(1ULL << 51, -ERANGE);
	check_fault(~0ULL, -ERANGE);
	check_all("refused faults");
	assert_int_equal(mmio_maps, 0);
	start(&large_caps, PLENTY);
	check_fault(1ULL << 51, 0);
	check_fault((1ULL << 52) - 1, 0);
	check_fault(1ULL << 52, -ERANGE);
}

/* The largest of the three sizes that is possible for @ipa: 0 for RAM and Keel's memory. */
static u64 expected_block(u64 ipa)
{
	static const u64 sizes[] = { SZ_1G, SZ_2M, PAGE };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		u64 base = ALIGN_DOWN(ipa, sizes[i]);
		bool free = !overlaps(ram, ARRAY_SIZE(ram), base, sizes[i]) &&
			    !is_keel(base, sizes[i]);

		/* Nothing is half mapped: a block that is not free of mappings is not a hole. */
		for (u64 at = base; at < base + sizes[i] && free; at += MAX(sizes[i] / 512, PAGE))
			free = !reaches(at);
		if (free)
			return sizes[i];
	}
	return 0;
}

static void random_faults_never_map_what_is_not_a_device(void **state)
{
	static const struct mmu_caps *const caps[] = { &small_caps, &large_caps };

	fake_srand(7);
	for (unsigned int n = 0; n < 2; n++) {
		start(caps[n], 1000);
		for (unsigned int i = 0; i < 600; i++) {
			/* near something, mostly */
			u64 near[] = { devices[fake_rand(ARRAY_SIZE(devices))].base,
				       ram[fake_rand(2)].base,
				       ram[1].base + ram[1].size,
				       ram[0].base + ram[0].size,
				       keel[1].base,
				       (u64)fake_rand(1U << 30) << 10 };
			u64 ipa = (near[fake_rand(ARRAY_SIZE(near))] + fake_rand(8 * SZ_2M) -
				   4 * SZ_2M) &
				  (BIT(40) - 1);
			bool mapped = reaches(ALIGN_DOWN(ipa, PAGE));
			u64 block = mapped ? 0 : expected_block(ipa);

			check_fault(ipa, mapped || block ? 0 : -EPERM);
			if (block && block != SZ_1G >> (9 * (level_of(ipa) - 1)))
				fail_msg("%#lx: level %d, expected a block of %#lx", ipa,
					 level_of(ipa), block);
		}
		check_all("random faults");
		assert_true(mmio_maps > 100);
	}
}

static int give(u64 base, u64 size)
{
	int ret = ownership_donate_keel(PA(base), size);

	if (!ret)
		given[given_count++] = (struct range){ base, size };
	return ret;
}

/* ---- out of tables ---- */

/* A device with only devices near it: it takes a table that covers 512 GiB. */
#define FAR_DEVICE(n) ((u64)(n) << 39)

static void device_mappings_are_dropped_when_tables_run_out(void **state)
{
	u64 pa;

	start(&large_caps, pages_at_start(&large_caps) + 1);
	for (u64 round = 0; round < 3; round++)
		for (u64 i = 1; i < 9; i++) {
			check_fault(FAR_DEVICE(i), 0);
			assert_int_equal(level_of(FAR_DEVICE(i)), 1);
			/* CPUs have it in their TLBs when it is dropped. */
			for (unsigned int cpu = 0; cpu < FAKE_CPUS; cpu++)
				assert_int_equal(fake_tlb_access(cpu, regime, FAR_DEVICE(i),
								 FAKE_WRITE, &pa),
						 FAKE_OK);
			for (u64 j = 1; j < 9; j++)
				if (j != i && reaches(FAR_DEVICE(j)))
					fail_msg("device %lu is still mapped", j);
			check_all("recycling");
		}
	assert_int_equal(mmio_maps, 3 * 8);
}

/* Between Keel's devices and the end of RAM the tables exist from the start. */
static void devices_beside_what_is_not_take_no_tables(void **state)
{
	start(&small_caps, pages_at_start(&small_caps));
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		check_fault(devices[i].base + devices[i].size, 0);
		if (devices[i].base & (SZ_1G - 1))
			check_fault(devices[i].base - 1, 0);
	}
	check_fault(ram[1].base + ram[1].size, 0);
	assert_int_equal(page_pool_available(&pool), 0);
	check_all("devices beside");
}

static void with_no_tables_at_all_a_fault_fails_and_changes_nothing(void **state)
{
	start(&large_caps, pages_at_start(&large_caps));
	check_fault(FAR_DEVICE(2), -ENOMEM);
	assert_false(reaches(FAR_DEVICE(2)));
	check_fault(0xc0000000, 0); /* its table is there for RAM */
	check_all("out of tables");
}

/* The pool's reserve is not for devices, except for what one fault takes. */
static void devices_leave_the_reserve_alone(void **state)
{
	start(&large_caps, pages_at_start(&large_caps) + KEEL_POOL_RESERVE);
	page_pool_set_reserve(&pool, KEEL_POOL_RESERVE);
	for (u64 i = 1; i < 40; i++) {
		check_fault(FAR_DEVICE(i), 0);
		assert_true(page_pool_available(&pool) >= KEEL_POOL_RESERVE_DONATE);
	}
	check_all("devices and the reserve");
	/* Who moves pages gets none of it. */
	assert_int_equal(give(0x50001000, PAGE), -ENOBUFS);
	page_pool_set_reserve(&pool, 0);
	assert_int_equal(give(0x50001000, PAGE), 0);
	check_all("with the reserve");
}

/* ---- ownership ---- */

static int take_back(unsigned int i)
{
	struct range r = given[i];
	int ret;
	u64 sum = 0;

	cleared = cleared_sum = 0;
	ret = ownership_reclaim_keel(PA(r.base), r.size);
	if (ret)
		return ret;
	for (u64 at = 0; at < r.size; at += PAGE)
		sum += r.base + at;
	assert_int_equal(cleared, r.size / PAGE);
	assert_int_equal(cleared_sum, sum);
	given[i] = given[--given_count];
	return 0;
}

static void given_memory_leaves_the_host_and_comes_back_cleared_in_blocks(void **state)
{
	static const struct range rows[] = {
		{ 0x40000000, PAGE }, /* the first page of a GiB */
		{ 0x7ffff000, PAGE }, /* the last */
		{ 0x50001000, 5 * PAGE },  { 0x501ff000, 2 * PAGE },
		{ 0x60000000, SZ_2M },	   { 0x60000000, 16 * SZ_2M },
		{ 0x7fffd000, 6 * PAGE }, /* across GiBs */
		{ 0x40000000, SZ_1G },	   { 0x8bffff000, 4 * PAGE },
		{ 0x8c0000000, 3 * PAGE }, { 0x40001000, SZ_1G - 2 * PAGE },
	};
	static const struct mmu_caps *const caps[] = { &small_caps, &large_caps };

	for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		const struct range *r = &rows[i / 2];
		u64 pa, free;

		start(caps[i % 2], 1000);
		free = page_pool_available(&pool);
		for (unsigned int cpu = 0; cpu < FAKE_CPUS; cpu++)
			fake_tlb_access(cpu, regime, r->base + 8, FAKE_WRITE, &pa);
		if (give(r->base, r->size))
			fail_msg("%#lx+%#lx is not given", r->base, r->size);
		/* No CPU reaches it through its TLB. */
		for (unsigned int cpu = 0; cpu < FAKE_CPUS; cpu++)
			assert_int_equal(fake_tlb_access(cpu, regime, r->base + 8, FAKE_READ, &pa),
					 FAKE_TRANSLATION);
		check_all("giving");
		check_fault(r->base, -EPERM);
		assert_int_equal(take_back(0), 0);
		check_all("taking back");
		if (page_pool_available(&pool) != free)
			fail_msg("%#lx+%#lx: %lu pages for tables are gone", r->base, r->size,
				 free - page_pool_available(&pool));
		assert_int_equal(pool.bad_frees, 0);
	}
}

/* ---- zeros ---- */

/* A read of memory that was given away finds zeros, whether or not these were mapped before. */
static void check_zeros(u64 ipa)
{
	u64 before = zero_pages;
	bool there = reads_zeros(ipa);

	check_access(ipa, HOST_READ, there ? 0 : HOST_MEM_ZEROS);
	assert_int_equal(zero_pages, before + !there);
	if (!reads_zeros(ipa))
		fail_msg("the host does not read zeros at %#lx", ipa);
	/* That they are there does not help who would do more. */
	check_fault(ipa, -EPERM);
}

static void what_was_given_reads_as_zeros(void **state)
{
	static const struct range rows[] = {
		{ 0x40000000, PAGE },	   { 0x50001000, 5 * PAGE },
		{ 0x60000000, SZ_2M }, /* whole: its table is made for the zeros */
		{ 0x60000000, 3 * SZ_2M }, { 0x5fffe000, SZ_2M + 4 * PAGE },
		{ 0x40000000, SZ_1G },	   { 0x8bffff000, 4 * PAGE },
	};
	static const struct mmu_caps *const caps[] = { &small_caps, &large_caps };

	for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		const struct range *r = &rows[i / 2];
		u64 step = MAX(r->size / 8, PAGE), free;

		start(caps[i % 2], 1000);
		free = page_pool_available(&pool);
		assert_int_equal(give(r->base, r->size), 0);
		for (u64 at = 0; at < r->size; at += step)
			check_zeros(r->base + at + 0x123);
		check_zeros(r->base + r->size - 1);
		check_zeros(r->base);
		check_all("zeros");
		/* It comes back as if nobody had looked: CPUs have the zeros in their TLBs. */
		assert_int_equal(take_back(0), 0);
		check_all("taking back what was read");
		for (u64 at = 0; at < r->size; at += step)
			assert_true(reaches(r->base + at));
		assert_int_equal(page_pool_available(&pool), free);
		assert_int_equal(pool.bad_frees, 0);
	}
}

/* A table for zeros never comes from the reserve; devices' tables are reclaimed for it. */
static void zeros_take_no_table_that_others_may_need(void **state)
{
	/* What is given is all of 2 MiB: a table for the 1 GiB, and for zeros one more. */
	start(&large_caps, pages_at_start(&large_caps) + 2 + KEEL_POOL_RESERVE);
	page_pool_set_reserve(&pool, KEEL_POOL_RESERVE);
	assert_int_equal(give(0x60000000, SZ_2M), 0);
	check_fault(FAR_DEVICE(2), 0);
	assert_int_equal(page_pool_spare(&pool), 0);
	check_zeros(0x60003000);
	assert_false(reaches(FAR_DEVICE(2)));
	assert_int_equal(page_pool_spare(&pool), 0);
	assert_int_equal(page_pool_available(&pool), KEEL_POOL_RESERVE);
	/* Its neighbours are in the same table. */
	check_zeros(0x60004000);
	assert_int_equal(give(0x60200000, SZ_2M), 0);
	check_access(0x60200000, HOST_READ, -ENOMEM);
	assert_int_equal(page_pool_available(&pool), KEEL_POOL_RESERVE);
	check_all("no table for zeros");
	assert_int_equal(take_back(0), 0);
	check_zeros(0x60200000);
	assert_int_equal(take_back(0), 0);
	check_all("back");
}

static void run_check(void *arg)
{
	host_mem_check();
}

/*
 * One page of a block faults when it is cleared: with tables for the rest, and without; and with
 * those that the zeros took that the host has read there.
 */
static void a_page_that_cannot_be_cleared_stays_behind(void **state)
{
	for (unsigned int n = 0; n < 4; n++) {
		bool read = n & 2, drained = n & 1, alone = !drained || read;

		start(&large_caps, 1000);
		assert_int_equal(give(0x60000000, SZ_2M), 0);
		for (u64 at = 98 * PAGE; read && at < 103 * PAGE; at += PAGE)
			check_zeros(0x60000000 + at);
		while (drained && page_pool_available(&pool))
			assert_non_null(page_pool_alloc(&pool));
		cleared = cleared_sum = 0;
		bad_page = 101;
		assert_int_equal(ownership_reclaim_keel(PA(0x60000000), SZ_2M), 0);
		assert_int_equal(cleared, SZ_2M / PAGE);
		assert_int_equal(logged, 1);
		bad_page = 0;
		if (alone)
			given[0] = (struct range){ 0x60000000 + 100 * PAGE, PAGE };
		check_all("a page that is lost");
		assert_null(fake_panics(run_check, NULL));
		assert_false(reads_zeros(0x60000000 + 100 * PAGE));
		check_fault(0x60000000 + 100 * PAGE, -EPERM);
		assert_int_equal(reaches(0x60000000 + 99 * PAGE), alone);
		assert_int_equal(reaches(0x60000000 + 101 * PAGE), alone);
	}
}

/* After the stop no CPU reaches any memory, whatever its TLB held. */
static void the_host_is_stopped(void **state)
{
	static const struct mmu_caps *const caps[] = { &small_caps, &large_caps };
	u64 pa;

	for (unsigned int n = 0; n < 2; n++) {
		start(caps[n], 1000);
		check_fault(0x09000000, 0);
		for (unsigned int cpu = 0; cpu < FAKE_CPUS; cpu++) {
			fake_tlb_access(cpu, regime, 0x50000000, FAKE_WRITE, &pa);
			fake_tlb_access(cpu, regime, 0x09000000, FAKE_WRITE, &pa);
		}
		spin_lock(&ownership_lock); /* somebody's that will not come back */
		host_mem_stop();
		spin_unlock(&ownership_lock);
		for (unsigned int cpu = 0; cpu < FAKE_CPUS; cpu++)
			for (u64 ipa = 0; ipa < 1ULL << 36; ipa += SZ_2M)
				assert_int_equal(fake_tlb_access(cpu, regime, ipa, FAKE_READ, &pa),
						 FAKE_TRANSLATION);
	}
}

static void random_moves_give_all_tables_back(void **state)
{
	static const struct mmu_caps *const caps[] = { &small_caps, &large_caps };

	fake_srand(3);
	for (unsigned int n = 0; n < 2; n++) {
		u64 free;

		start(caps[n], 900);
		free = page_pool_available(&pool);
		for (unsigned int i = 0; i < 100; i++) {
			u64 pages = 1 + fake_rand(fake_rand(4) ? 20 : 2000);
			u64 base = 0x40000000 + fake_rand(0x41000) * PAGE;
			u64 at = ALIGN_DOWN(base, fake_rand(3) ? PAGE : SZ_2M), pa;
			int expected = is_keel(at, pages * PAGE) ? -EPERM : 0;

			fake_tlb_access(fake_rand(FAKE_CPUS), regime, at, FAKE_WRITE, &pa);
			if (given_count && (fake_rand(2) || given_count == 60))
				assert_int_equal(take_back(fake_rand(given_count)), 0);
			else
				assert_int_equal(give(at, pages * PAGE), expected);
			/* Devices come and go in between. */
			if (!fake_rand(4))
				(void)!host_mem_fault(IPA(fake_rand(1U << 30)), HOST_WRITE);
			if (given_count) {
				const struct range *r = &given[fake_rand(given_count)];

				check_zeros(r->base + fake_rand((u32)(r->size / PAGE)) * PAGE);
			}
			host_mem_check();
			fake_tlb_check("a move");
		}
		check_all("random moves");
		while (given_count)
			assert_int_equal(take_back(0), 0);
		check_all("all back");
		/* Devices have none: near what is not a device, their tables were there before. */
		assert_int_equal(page_pool_available(&pool), free);
		assert_int_equal(pool.bad_frees, 0);
	}
}

/* Splitting a block takes tables: without them nothing changes. */
static void a_move_without_tables_fails_before_it_changes_anything(void **state)
{
	start(&small_caps, pages_at_start(&small_caps));
	assert_int_equal(give(0x50001000, PAGE), -ENOBUFS);
	check_all("a move without tables");
	assert_int_equal(ownership_state(PA(0x50001000)), OWNERSHIP_HOST);
}

static void a_move_takes_the_tables_of_devices(void **state)
{
	/* A page of a 1 GiB block takes two. */
	start(&large_caps, pages_at_start(&large_caps) + 2);
	check_fault(FAR_DEVICE(2), 0);
	check_fault(FAR_DEVICE(3), 0);
	assert_int_equal(page_pool_available(&pool), 0);
	assert_int_equal(give(0x50001000, PAGE), 0);
	assert_false(reaches(FAR_DEVICE(2)));
	check_all("a move that dropped devices");
	/* The table that the page is in has no room for them. */
	check_fault(FAR_DEVICE(2), -ENOMEM);
	assert_int_equal(take_back(0), 0);
	check_fault(FAR_DEVICE(2), 0);
	check_all("the device again");
}

/* Memory comes back without a page for tables, whatever else was given or came back meanwhile. */
static void what_was_given_comes_back_without_tables(void **state)
{
	static const struct mmu_caps *const caps[] = { &small_caps, &large_caps };

	fake_srand(5);
	for (unsigned int n = 0; n < 20; n++) {
		void *hoard[1000];
		unsigned int hoarded = 0;

		start(caps[n % 2], 900);
		while (given_count < 60) {
			/* All of some 2 MiB, in pieces, so that tables become empty. */
			u64 base = 0x60000000 + fake_rand(4) * SZ_2M;
			u64 pages = fake_rand(4) ? 64 : 512;
			u64 at = ALIGN_DOWN(base + fake_rand(512) * PAGE, pages * PAGE);

			if (fake_rand(8) == 0)
				at = 0x40000000 + ALIGN_DOWN(fake_rand(0x40000), 64) * PAGE;
			if (!is_keel(at, pages * PAGE) && is_ram(at, pages * PAGE))
				assert_int_equal(give(at, pages * PAGE), 0);
			else if (given_count && fake_rand(20) == 0)
				break;
		}
		for (unsigned int i = 0; i < given_count; i += 1 + fake_rand(4))
			check_zeros(given[i].base + fake_rand((u32)(given[i].size / PAGE)) * PAGE);
		while ((hoard[hoarded] = page_pool_alloc(&pool)))
			hoarded++;
		while (given_count) {
			void *page;

			assert_int_equal(take_back(fake_rand(given_count)), 0);
			/* Tables that are free again are not to be had either. */
			while ((page = page_pool_alloc(&pool)))
				hoard[hoarded++] = page;
		}
		check_all("back without tables");
		while (hoarded)
			__real_page_pool_free(&pool, hoard[--hoarded]);
	}
}

static void what_the_host_does_not_map_cannot_be_given(void **state)
{
	start(&small_caps, PLENTY);
	spin_lock(&host_s2->lock);
	assert_int_equal(stage2_unmap(host_s2, IPA(0x50003000), PAGE, NULL), 0);
	spin_unlock(&host_s2->lock);
	assert_int_equal(give(0x50000000, 8 * PAGE), -EPERM);
	assert_true(reaches(0x50000000));
	/* ... nor taken back over something that is mapped there. */
	assert_int_equal(give(0x60000000, PAGE), 0);
	spin_lock(&host_s2->lock);
	assert_int_equal(stage2_map(host_s2, IPA(0x60000000), PA(0x70000000), PAGE, STAGE2_RW), 0);
	spin_unlock(&host_s2->lock);
	assert_int_equal(take_back(0), -EEXIST);
	assert_int_equal(cleared, 0);
}

/* ---- words, and the check ---- */

static int vm_ok(void *ctx, const struct page_move *move)
{
	return 0;
}

static int vm_ok2(void *ctx, const struct page_move *move)
{
	return 0;
}

static void vm_map(void *ctx, const struct page_move *move)
{
	bool shared = ctx;

	/* When a VM first reaches donated memory the host does not any more. */
	assert_int_equal(reaches(move->pa.v), shared);
}

static void vm_unmap(void *ctx, const struct page_move *move)
{
}

static const struct ownership_party_ops vm_ops = { vm_ok, vm_ok2, vm_ok2, vm_map, vm_unmap };

/* Counts are pages of the pool: devices' tables are reclaimed for them, and the reserve stays. */
static void counts_of_shares_come_from_the_pool(void **state)
{
	const struct ownership_party sharer = { .ops = &vm_ops, .ctx = &pool };
	const struct pa pa = PA(0x60000000);

	start(&large_caps, pages_at_start(&large_caps) + KEEL_POOL_RESERVE);
	page_pool_set_reserve(&pool, KEEL_POOL_RESERVE);
	for (unsigned int i = 0; i < OWNERSHIP_BYTE_SHARES; i++)
		assert_int_equal(share_pages(pa, PAGE, &sharer, IPA(0)), 0);
	assert_int_equal(share_pages(pa, PAGE, &sharer, IPA(0)), -ENOBUFS);
	assert_int_equal(ownership_share_count(pa), OWNERSHIP_BYTE_SHARES);
	assert_int_equal(page_pool_available(&pool), KEEL_POOL_RESERVE);
	page_pool_set_reserve(&pool, KEEL_POOL_RESERVE - 1);
	check_fault(FAR_DEVICE(2), 0);
	assert_true(reaches(FAR_DEVICE(2)));
	for (unsigned int i = 0; i < OWNERSHIP_BYTE_SHARES; i++)
		assert_int_equal(share_pages(pa, PAGE, &sharer, IPA(0)), 0);
	assert_false(reaches(FAR_DEVICE(2)));
	assert_int_equal(ownership_share_count(pa), 2 * OWNERSHIP_BYTE_SHARES);
	assert_int_equal(page_pool_available(&pool), KEEL_POOL_RESERVE - 1);
	for (unsigned int i = 0; i < 2 * OWNERSHIP_BYTE_SHARES; i++)
		assert_int_equal(unshare_pages(pa, PAGE, &sharer, IPA(0)), 0);
	assert_int_equal(ownership_state(pa), OWNERSHIP_HOST);
	assert_int_equal(page_pool_available(&pool), KEEL_POOL_RESERVE);
	assert_int_equal(pool.bad_frees, 0);
	check_all("counts of shares");
}

static void a_vms_memory_is_kept_from_the_host_unless_shared(void **state)
{
	const struct ownership_party donee = { .ops = &vm_ops },
				     sharer = { .ops = &vm_ops, .ctx = &pool };

	start(&small_caps, PLENTY);
	assert_int_equal(donate_pages(PA(0x50000000), SZ_2M, &donee, IPA(0)), 0);
	assert_int_equal(share_pages(PA(0x60000000), SZ_2M, &sharer, IPA(0)), 0);
	given[given_count++] = (struct range){ 0x50000000, SZ_2M };
	host_mem_check();
	assert_false(reaches(0x50000000));
	assert_true(reaches(0x60000000));
	check_fault(0x50000000, -EPERM);
	check_zeros(0x50000000);
	check_zeros(0x501ff000);
	host_mem_check();
	assert_string_equal(host_mem_describe(IPA(0x50000123)), "a VM's memory");
	assert_string_equal(host_mem_describe(IPA(0x60000000)), "the host's memory");
	assert_string_equal(host_mem_describe(IPA(0x40000000)), "the host's memory");
	assert_string_equal(host_mem_describe(IPA(keel[1].base)), "Keel's memory");
	assert_string_equal(host_mem_describe(IPA(0x09000000)), "no memory of the host's");
	assert_int_equal(give(0x70000000, PAGE), 0);
	assert_string_equal(host_mem_describe(IPA(0x70000000)), "Keel's memory");
}

static void expect_disagreement(const char *words)
{
	const char *message = fake_panics(run_check, NULL);

	if (!message || !strstr(message, words))
		fail_msg("expected a panic with \"%s\", got %s", words, message ? message : "none");
}

static void the_check_finds_what_the_tables_should_not_say(void **state)
{
	start(&small_caps, PLENTY);
	assert_null(fake_panics(run_check, NULL));
	spin_lock(&host_s2->lock);
	assert_int_equal(stage2_unmap(host_s2, IPA(0x50003000), PAGE, NULL), 0);
	spin_unlock(&host_s2->lock);
	expect_disagreement("page 0x50003000");

	start(&small_caps, PLENTY);
	spin_lock(&host_s2->lock);
	assert_int_equal(stage2_map(host_s2, IPA(0x83002000), PA(0x83002000), PAGE, STAGE2_R), 0);
	spin_unlock(&host_s2->lock);
	expect_disagreement("page 0x83002000");

	start(&small_caps, PLENTY);
	spin_lock(&host_s2->lock);
	assert_int_equal(stage2_remap(host_s2, IPA(0x50003000), PA(0x50004000), PAGE, STAGE2_RWX),
			 0);
	spin_unlock(&host_s2->lock);
	expect_disagreement("maps elsewhere");

	start(&small_caps, PLENTY);
	spin_lock(&host_s2->lock);
	assert_int_equal(
		stage2_map(host_s2, IPA(devices[0].base), PA(devices[0].base), PAGE, STAGE2_RW), 0);
	spin_unlock(&host_s2->lock);
	expect_disagreement("page 0x8030000");
}

/* Where memory was given away, read-only zeros count as unmapped; elsewhere they are wrong. */
static void the_check_finds_zeros_where_they_should_not_be(void **state)
{
	const struct pa page = PA((u64)zeros - layout.linear_offset);

	start(&small_caps, PLENTY);
	assert_int_equal(give(0x50003000, PAGE), 0);
	check_zeros(0x50003000);
	assert_null(fake_panics(run_check, NULL));
	spin_lock(&host_s2->lock);
	assert_int_equal(
		stage2_protect(host_s2, IPA(0x50003000), PAGE, STAGE2_W, STAGE2_NONE, NULL), 0);
	spin_unlock(&host_s2->lock);
	expect_disagreement("page 0x50003000");

	start(&small_caps, PLENTY);
	spin_lock(&host_s2->lock);
	assert_int_equal(stage2_map(host_s2, IPA(keel[1].base), page, PAGE, STAGE2_R), 0);
	spin_unlock(&host_s2->lock);
	expect_disagreement("page 0x83001000");

	start(&small_caps, PLENTY);
	spin_lock(&host_s2->lock);
	assert_int_equal(stage2_remap(host_s2, IPA(0x50003000), page, PAGE, STAGE2_R), 0);
	spin_unlock(&host_s2->lock);
	expect_disagreement("page 0x50003000");
}

/* Under a lock, so a page that comes back must not read the tables of its 2 MiB, or of 1 GiB. */
static void a_page_that_comes_back_looks_at_no_more_than_can_be_merged(void **state)
{
	u64 base = 0x40000000 + 7 * SZ_2M;

	start(&small_caps, PLENTY);
	assert_int_equal(give(base + PAGE, PAGE), 0);
	assert_int_equal(give(base + 3 * PAGE, PAGE), 0);
	forget_merges();
	assert_int_equal(take_back(0), 0);
	expect_merges(1, 16 * PAGE);
	assert_int_equal(level_of(base), 3);
	assert_int_equal(take_back(0), 0);
	expect_merges(1, ~0ULL);
	assert_int_equal(level_of(base), 1);
	check_all("merging");
}

/* Each of the others could have a table of its own. */
static void a_2mib_that_comes_back_merges_with_what_is_whole(void **state)
{
	u64 base = 0x40000000 + 7 * SZ_2M;

	start(&small_caps, PLENTY);
	assert_int_equal(give(base + PAGE, PAGE), 0);
	assert_int_equal(give(base + SZ_2M + PAGE, PAGE), 0);
	assert_int_equal(give(base + 20 * SZ_2M + PAGE, PAGE), 0);
	forget_merges();
	for (unsigned int left = 3; left-- > 0;) {
		assert_int_equal(take_back(0), 0);
		expect_merges(1, ~0ULL);
		assert_int_equal(level_of(base), left ? 2 : 1);
		check_all("merging");
	}
}

/* From the middle of one 2 MiB to that of another: each at an end, and all between, are whole. */
static void a_range_that_comes_back_in_parts_is_as_large_as_before(void **state)
{
	const u64 base = 0x40000000 + 5 * SZ_2M + 37 * PAGE, size = 3 * SZ_2M + 11 * PAGE;
	u64 free;

	start(&small_caps, PLENTY);
	free = page_pool_available(&pool);
	for (u64 part = PAGE; part <= 512 * PAGE; part *= 4) {
		assert_int_equal(ownership_donate_keel(PA(base), size), 0);
		for (u64 at = 0; at < size; at += part)
			assert_int_equal(
				ownership_reclaim_keel(PA(base + at), MIN(part, size - at)), 0);
		assert_int_equal(level_of(base), 1);
		assert_int_equal(page_pool_available(&pool), free);
		check_all("parts");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ram_is_mapped_in_the_largest_blocks_and_keel_is_not),
		cmocka_unit_test(registers_name_the_tables),
		cmocka_unit_test(boot_fails_without_tables_or_granule),
		cmocka_unit_test(a_device_gets_the_largest_block_that_is_all_device),
		cmocka_unit_test(a_fault_on_what_is_mapped_is_repeated),
		cmocka_unit_test(memory_that_is_not_the_hosts_is_refused),
		cmocka_unit_test(random_faults_never_map_what_is_not_a_device),
		cmocka_unit_test(device_mappings_are_dropped_when_tables_run_out),
		cmocka_unit_test(devices_beside_what_is_not_take_no_tables),
		cmocka_unit_test(with_no_tables_at_all_a_fault_fails_and_changes_nothing),
		cmocka_unit_test(devices_leave_the_reserve_alone),
		cmocka_unit_test(given_memory_leaves_the_host_and_comes_back_cleared_in_blocks),
		cmocka_unit_test(what_was_given_reads_as_zeros),
		cmocka_unit_test(zeros_take_no_table_that_others_may_need),
		cmocka_unit_test(a_page_that_cannot_be_cleared_stays_behind),
		cmocka_unit_test(the_host_is_stopped),
		cmocka_unit_test(random_moves_give_all_tables_back),
		cmocka_unit_test(a_move_without_tables_fails_before_it_changes_anything),
		cmocka_unit_test(a_move_takes_the_tables_of_devices),
		cmocka_unit_test(what_was_given_comes_back_without_tables),
		cmocka_unit_test(what_the_host_does_not_map_cannot_be_given),
		cmocka_unit_test(counts_of_shares_come_from_the_pool),
		cmocka_unit_test(a_vms_memory_is_kept_from_the_host_unless_shared),
		cmocka_unit_test(a_page_that_comes_back_looks_at_no_more_than_can_be_merged),
		cmocka_unit_test(a_2mib_that_comes_back_merges_with_what_is_whole),
		cmocka_unit_test(a_range_that_comes_back_in_parts_is_as_large_as_before),
		cmocka_unit_test(the_check_finds_what_the_tables_should_not_say),
		cmocka_unit_test(the_check_finds_zeros_where_they_should_not_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
