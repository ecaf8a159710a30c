// SPDX-License-Identifier: BSD-2-Clause
/* The failures and checks of keel.selftest. */
#include <arch/percpu.h>
#include <boot/boot.h>
#include <boot/boot_info.h>
#include <boot/selftest.h>
#include <cpu/log.h>
#include <cpu/panic.h>
#include <cpu/percpu.h>
#include <host/host_mem.h>
#include <lib/string.h>
#include <mm/el2_map.h>
#include <mm/ownership.h>

#ifdef KEEL_DEBUG

static void test_panic(void)
{
	panic("asked for by keel.selftest");
}

/* Panic when a CPU comes up for the second time, while the others run the host. */
static void test_panic_again(void)
{
	static bool seen[KEEL_MAX_CPUS];

	if (seen[this_cpu()->id])
		panic("asked for by keel.selftest");
	seen[this_cpu()->id] = true;
}

/* The first page of the runtime range is never mapped. */
static void test_fault(void)
{
	(void)READ_ONCE(*(u64 *)el2_map_layout()->runtime_base);
}

/* Code must not be writable. */
static void test_wx(void)
{
	WRITE_ONCE(*(u32 *)(void *)_text, 0);
}

/* Data must not be executable. */
static void test_nx(void)
{
	static u32 code[] = { 0xd65f03c0 }; /* RET */

	((void (*)(void))(void *)code)();
}

static u64 __noinline recurse(u64 depth)
{
	volatile u64 frame[32];

	frame[depth % ARRAY_SIZE(frame)] = depth;
	if (depth == ~0ULL)
		return 0;
	return recurse(depth + 1) + frame[depth % ARRAY_SIZE(frame)];
}

static void test_overflow(void)
{
	log_info("selftest: %lu", recurse(0));
}

/* A page in the middle of the host's free memory, for the transitions. */
static struct pa some_host_page(void)
{
	u64 base;

	if (memmap_find(&boot_info.memmap, SZ_2M, SZ_2M, 0, MEMMAP_PA_LIMIT, MEMMAP_HIGHEST, &base))
		panic("selftest: no free memory");
	return PA(base + SZ_1M);
}

/*
 * Donate a page to Keel and reclaim it: the host's stage 2 follows, the tables that split blocks
 * are freed again, and the page comes back cleared.
 */
static void test_ownership(void)
{
	struct pa page = some_host_page();
	u64 before = host_mem_table_pages_free();
	u64 *seen;

	host_mem_check();
	if (ownership_donate_keel(page, SZ_4K) || ownership_host_may_reach(page))
		panic("selftest: a page could not be donated");
	host_mem_check();
	if (host_mem_fault(host_pa_to_ipa(page), HOST_WRITE) == 0)
		panic("selftest: the host could fault a donated page in");
	if (host_mem_fault(host_pa_to_ipa(page), HOST_READ) != HOST_MEM_ZEROS)
		panic("selftest: the host does not read zeros in a donated page");
	host_mem_check();
	if (ownership_donate_keel(page, SZ_4K) == 0)
		panic("selftest: a page could be donated twice");
	seen = el2_window_map(page, EL2_RW);
	seen[7] = 0x6b65656c;
	el2_window_unmap();
	if (ownership_reclaim_keel(page, SZ_4K) || !ownership_host_may_reach(page))
		panic("selftest: a page could not be reclaimed");
	host_mem_check();
	seen = el2_window_map(page, EL2_R);
	if (seen[7] != 0)
		panic("selftest: a reclaimed page was not cleared");
	el2_window_unmap();
	if (host_mem_table_pages_free() != before)
		panic("selftest: tables leaked: %lu pages free, were %lu",
		      host_mem_table_pages_free(), before);
	if (ownership_donate_keel(boot_info.image, SZ_4K) == 0 ||
	    ownership_reclaim_keel(boot_info.image, SZ_4K) == 0)
		panic("selftest: Keel's image could be moved");
	log_info("selftest: ownership passed");
}

static const struct selftest {
	const char *name;
	void (*boot)(void);
	void (*secondary)(void);
} selftests[] = {
	{ "panic", test_panic, NULL },
	{ "fault", test_fault, NULL },
	{ "wx", test_wx, NULL },
	{ "nx", test_nx, NULL },
	{ "overflow", test_overflow, NULL },
	{ "ownership", test_ownership, NULL },
	{ "panic-again", NULL, test_panic_again },
	{ "panic-cpu1", NULL, test_panic },
	{ "overflow-cpu1", NULL, test_overflow },
};

static const struct selftest *find_selftest(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(selftests); i++)
		if (!strcmp(selftests[i].name, name))
			return &selftests[i];
	return NULL;
}

void selftest_boot(const char *name)
{
	const struct selftest *test = find_selftest(name);

	if (!test && name[0])
		log_warn("option keel.selftest: there is no test called %s", name);
	if (test && test->boot)
		test->boot();
}

void selftest_secondary(const char *name)
{
	const struct selftest *test = find_selftest(name);

	if (test && test->secondary)
		test->secondary();
}

#else

void selftest_boot(const char *name)
{
	if (name[0])
		log_warn("option keel.selftest: this is a release build, which has none");
}

void selftest_secondary(const char *name)
{
	(void)name;
}

#endif
