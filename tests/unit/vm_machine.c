// SPDX-License-Identifier: BSD-2-Clause
/* A machine for tests of VMs: see vm_machine.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sanitizer/asan_interface.h>

#include <arch/barrier.h>
#include <arch/cache.h>
#include <arch/foreign.h>
#include <arch/ich.h>
#include <arch/percpu.h>
#include <arch/pte.h>
#include <arch/tlb.h>
#include <cpu/log.h>
#include <cpu/percpu.h>
#include <mm/el2_map.h>
#include <vm/run.h>
#include <vm_machine.h>

#define PAGES (RAM_PAGES + FAR_PAGES)
#define FRESH 0xa5 /* what is in memory that nobody has cleared */

struct page_pool machine_pool;
struct cpu_features machine_features;
u64 machine_pages_cleaned, machine_icaches;
bool machine_interrupt_waits;
void (*machine_on_clean)(struct pa pa);
unsigned int machine_log_lines, machine_resets;
char machine_log_last[256];
int (*machine_run)(struct vcpu *vcpu);
__attribute__((weak)) struct percpu *fake_cpu;

static struct percpu cpu;
static u8 *ram, *keel_ram;
static struct el2_layout layout;
static u8 states[PAGES];
static u32 *counts[PAGES]; /* more than enough */
static bool host_maps[PAGES];
static bool shown[RAM_PAGES];
static bool in_use[RAM_PAGES]; /* by machine_alloc() */
static struct ownership_bank banks[2];
static u8 *window;
static unsigned int window_pages;
static bool window_was_shown[EL2_WINDOW_PAGES];
static int fail_countdown;
static bool failed;
static u64 random_state;

static bool order_to_fail(void)
{
	if (fail_countdown < 0)
		return false;
	if (fail_countdown-- > 0)
		return false;
	failed = true;
	return true;
}

void machine_fail_after(int n)
{
	fail_countdown = n;
	failed = false;
}

bool machine_failed(void)
{
	return failed;
}

/* ---- descriptors, TLBs, barriers, caches: mm/ has tests of its own for these ---- */

u64 machine_pte_reads;

u64 pte_read(const u64 *ptep)
{
	machine_pte_reads++;
	return *ptep;
}

void pte_write(u64 *ptep, u64 pte)
{
	*ptep = pte;
}

bool pte_cmpxchg(u64 *ptep, u64 *old, u64 pte)
{
	bool same = *ptep == *old;

	*old = *ptep;
	if (same)
		*ptep = pte;
	return same;
}

static u64 vttbr;

struct tlb_s2_saved tlb_s2_enter(u64 new_vttbr, u64 vtcr, bool block, bool trace)
{
	struct tlb_s2_saved saved = { .vttbr = vttbr, .vtcr = vtcr };

	vttbr = new_vttbr;
	return saved;
}

void tlb_s2_exit(const struct tlb_s2_saved *saved)
{
	vttbr = saved->vttbr;
}

void tlbi_ipas2e1is(u64 xt)
{
}

void tlbi_ripas2e1is(u64 xt)
{
}

u64 machine_vmalle1is_vttbr;

void tlbi_vmalle1is(void)
{
	machine_vmalle1is_vttbr = vttbr;
}

void tlbi_vae2is(u64 xt)
{
}

void tlbi_vmalls12e1is(void)
{
}

u64 machine_vmalle1s;

void tlbi_vmalle1(void)
{
	machine_vmalle1s++;
}

void tlbi_alle1(void)
{
}

void fake_dsb(const char *opt)
{
}

bool interrupt_waits(void)
{
	return machine_interrupt_waits;
}

void dcache_clean_inval_poc(const void *start, u64 size)
{
	const u8 *at = start;

	assert_true(window && at >= window && at + size <= window + window_pages * SZ_4K);
	machine_pages_cleaned += size / SZ_4K;
	if (machine_on_clean && at >= ram && at < ram + RAM_PAGES * SZ_4K)
		machine_on_clean(PA(RAM_BASE + (u64)(at - ram)));
}

u64 machine_bad_page;

/* As EL2 sees it, in its window or in the linear one. */
bool fake_foreign_faults(const void *start, u64 size)
{
	const u8 *from = start;

	return machine_bad_page >= RAM_BASE && from <= ram + (machine_bad_page - RAM_BASE) &&
	       ram + (machine_bad_page - RAM_BASE) < from + size;
}

void icache_inval_all(void)
{
	machine_icaches++;
}

/* ---- EL2's map ---- */

static size_t page_of(struct pa pa)
{
	if (pa.v >= FAR_BASE)
		return RAM_PAGES + (pa.v - FAR_BASE) / SZ_4K;
	return (pa.v - RAM_BASE) / SZ_4K;
}

const struct el2_layout *el2_map_layout(void)
{
	return &layout;
}

static void show(struct pa pa, bool yes)
{
	u8 *page = ram + (pa.v - RAM_BASE);

	shown[page_of(pa)] = yes;
	if (yes)
		ASAN_UNPOISON_MEMORY_REGION(page, SZ_4K);
	else
		ASAN_POISON_MEMORY_REGION(page, SZ_4K);
}

/* All or nothing, as the real one. */
int el2_map_linear(struct pa pa, u64 size, enum el2_prot prot)
{
	assert_int_equal(prot, EL2_RW);
	assert_true(spin_is_locked(&ownership_lock)); /* as for all takers of Keel's pages */
	if (pa.v < RAM_BASE || pa.v + size > RAM_END)
		return -ERANGE;
	if (order_to_fail())
		return -ENOBUFS;
	for (u64 at = 0; at < size; at += SZ_4K) {
		if (shown[page_of(PA(pa.v + at))])
			fail_msg("%#llx is shown again", (unsigned long long)(pa.v + at));
		show(PA(pa.v + at), true);
	}
	return 0;
}

void el2_unmap_linear(struct pa pa, u64 size)
{
	for (u64 at = 0; at < size; at += SZ_4K)
		show(PA(pa.v + at), false);
}

bool el2_linear_shown(struct pa pa, u64 size)
{
	for (u64 at = 0; at < size; at += SZ_4K)
		if (shown[page_of(PA(pa.v + at))])
			return true;
	return false;
}

static u8 *window_page(unsigned int i)
{
	u8 *page = window + i * SZ_4K;

	return page >= ram && page < ram + RAM_PAGES * SZ_4K ? page : NULL;
}

void *el2_window_map_pages(struct pa pa, unsigned int count, enum el2_prot prot)
{
	static u8 nowhere[EL2_WINDOW_PAGES * SZ_4K];

	if (window)
		fail_msg("the window is used while it is in use");
	assert_in_range(count, 1, EL2_WINDOW_PAGES);
	window = pa.v >= FAR_BASE ? nowhere : ram + (pa.v - RAM_BASE);
	window_pages = count;
	for (unsigned int i = 0; i < count; i++) {
		struct pa page = PA(pa.v + i * SZ_4K);

		if (!ownership_is_ram(page))
			fail_msg("the window shows %#llx, no RAM", (unsigned long long)page.v);
		if (window_page(i)) {
			window_was_shown[i] = shown[page_of(page)];
			ASAN_UNPOISON_MEMORY_REGION(window_page(i), SZ_4K);
		}
	}
	return window;
}

void el2_window_unmap_pages(unsigned int count)
{
	assert_int_equal(count, window_pages);
	for (unsigned int i = 0; i < count; i++)
		if (window_page(i) && !window_was_shown[i])
			ASAN_POISON_MEMORY_REGION(window_page(i), SZ_4K);
	window = NULL;
}

void *el2_window_map(struct pa pa, enum el2_prot prot)
{
	return el2_window_map_pages(pa, 1, prot);
}

void el2_window_unmap(void)
{
	el2_window_unmap_pages(1);
}

/* ---- the host ---- */

static int host_check_mapped(void *ctx, const struct page_move *move)
{
	for (u64 at = 0; at < move->size; at += SZ_4K)
		if (!host_maps[page_of(PA(move->pa.v + at))])
			return -EPERM;
	return 0;
}

static int host_check_unmapped(void *ctx, const struct page_move *move)
{
	for (u64 at = 0; at < move->size; at += SZ_4K)
		if (host_maps[page_of(PA(move->ipa.v + at))])
			return -EEXIST;
	return 0;
}

static int host_prepare(void *ctx, const struct page_move *move)
{
	return order_to_fail() ? -ENOBUFS : 0;
}

static void host_map(void *ctx, const struct page_move *move)
{
	for (u64 at = 0; at < move->size; at += SZ_4K) {
		struct pa page = PA(move->pa.v + at);

		if (shown[page_of(page)])
			fail_msg("the host gets %#llx, which EL2 still shows",
				 (unsigned long long)page.v);
		host_maps[page_of(page)] = true;
	}
}

static void host_unmap(void *ctx, const struct page_move *move)
{
	for (u64 at = 0; at < move->size; at += SZ_4K)
		host_maps[page_of(PA(move->ipa.v + at))] = false;
}

static bool host_clear_page(void *ctx, struct pa pa)
{
	if (host_maps[page_of(pa)] || shown[page_of(pa)])
		fail_msg("%#llx is cleared while somebody has it", (unsigned long long)pa.v);
	if (pa.v == machine_bad_page)
		return false;
	memset(el2_window_map(pa, EL2_RW), 0, SZ_4K);
	el2_window_unmap();
	return true;
}

static void host_forget(void *ctx, struct pa pa, u64 size)
{
	for (u64 at = 0; at < size; at += SZ_4K)
		if (host_maps[page_of(PA(pa.v + at))])
			fail_msg("%#llx stays behind, and the host maps it",
				 (unsigned long long)(pa.v + at));
}

static const struct ownership_party_ops host_ops = {
	.check_mapped = host_check_mapped,
	.check_unmapped = host_check_unmapped,
	.prepare = host_prepare,
	.map = host_map,
	.unmap = host_unmap,
};

static u32 *host_take_counts(void *ctx)
{
	if (order_to_fail() || !page_pool_spare(&machine_pool))
		return NULL;
	return page_pool_alloc(&machine_pool);
}

static void host_give_counts(void *ctx, u32 *page)
{
	page_pool_free(&machine_pool, page);
}

static const struct ownership_host host = {
	.party = { .ops = &host_ops },
	.clear_page = host_clear_page,
	.forget = host_forget,
	.take_counts = host_take_counts,
	.give_counts = host_give_counts,
};

u8 *machine_host_page(struct pa pa)
{
	u8 *page = ram + (pa.v - RAM_BASE);

	assert_true(host_maps[page_of(pa)]);
	ASAN_UNPOISON_MEMORY_REGION(page, SZ_4K);
	return page;
}

/* ---- logs, CPUs, the world switch ---- */

void log_msg(enum log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(machine_log_last, sizeof(machine_log_last), fmt, args);
	va_end(args);
	machine_log_lines++;
}

u64 ratelimit(struct ratelimit *rl)
{
	return ++rl->count;
}

int vcpu_take(struct vcpu *vcpu)
{
	if (vcpu->owner != VCPU_NO_OWNER)
		return -EBUSY;
	vcpu->owner = cpu.id;
	return 0;
}

void vcpu_drop(struct vcpu *vcpu)
{
	assert_int_equal(vcpu->owner, cpu.id);
	vcpu->owner = VCPU_NO_OWNER;
}

int vcpu_run(struct vcpu *vcpu)
{
	assert_int_equal(vcpu->owner, cpu.id);
	return machine_run(vcpu);
}

void vcpu_reset(struct vcpu *vcpu)
{
	machine_resets++;
}

/* ---- beginning ---- */

static u64 parange(unsigned int bits)
{
	static const u8 widths[] = { 32, 36, 40, 42, 44, 48, 52 };

	for (u64 i = 0; i < sizeof(widths); i++)
		if (widths[i] == bits)
			return i;
	abort();
}

static void start_features(const struct machine_config *config)
{
	unsigned int pa_bits = config->pa_bits ? config->pa_bits : 48;
	struct cpu_id_regs regs = { 0 };

	/* all granules; with 52 bits 4K and 16K have FEAT_LPA2's descriptors */
	regs.reg[ID_REG_MMFR0] =
		parange(pa_bits) |
		(pa_bits == 52 ? 1ULL << 28 | 3ULL << 40 | 2ULL << 20 | 3ULL << 32 : 1ULL << 20);
	regs.reg[ID_REG_MMFR1] = config->vmid16 ? 2ULL << 4 : 0;
	regs.reg[ID_REG_MMFR2] = config->no_fwb ? 0 : 1ULL << 40;
	regs.reg[ID_REG_PFR0] = 0x11 | (config->sve ? 1ULL << 32 : 0) |
				(config->gicv3 ? 1ULL << 24 : 0);
	regs.reg[ID_REG_PFR1] |= config->mte ? 2ULL << 8 : 0;
	regs.reg[ID_REG_ISAR1] = config->pauth ? 1ULL << 4 | 1ULL << 24 : 0;
	regs.reg[ID_REG_CTR] = config->dic ? 1ULL << 29 : 0;
	cpu_features_init(&machine_features, &regs);
}

static void start_memory(unsigned int keel_pages)
{
	if (!ram) {
		ram = aligned_alloc(SZ_1G >> 4, RAM_PAGES * SZ_4K);
		keel_ram = aligned_alloc(SZ_2M, SZ_2M);
	}
	ASAN_UNPOISON_MEMORY_REGION(ram, RAM_PAGES * SZ_4K);
	memset(ram, FRESH, RAM_PAGES * SZ_4K);
	ASAN_POISON_MEMORY_REGION(ram, RAM_PAGES * SZ_4K);
	memset(shown, 0, sizeof(shown));
	memset(in_use, 0, sizeof(in_use));
	memset(host_maps, 1, sizeof(host_maps));
	layout.linear_offset = (u64)(uintptr_t)ram - RAM_BASE;
	layout.linear_start = PA(RAM_BASE);
	layout.linear_end = PA(RAM_END);
	assert_int_equal(page_pool_init(&machine_pool, keel_ram, keel_pages), 0);
}

static void start_ownership(void)
{
	banks[0] = (struct ownership_bank){ RAM_BASE, RAM_PAGES * SZ_4K, states, counts };
	banks[1] = (struct ownership_bank){ FAR_BASE, FAR_PAGES * SZ_4K, states + RAM_PAGES,
					    counts + RAM_PAGES };
	assert_int_equal(ownership_init(banks, 2), 0);
	assert_int_equal(ownership_claim_boot(PA(IMAGE_BASE), IMAGE_SIZE), 0);
	assert_int_equal(ownership_claim_device(PA(KEEL_UART), SZ_4K), 0);
	for (u64 at = 0; at < IMAGE_SIZE; at += SZ_4K) {
		show(PA(IMAGE_BASE + at), true);
		host_maps[page_of(PA(IMAGE_BASE + at))] = false;
		in_use[page_of(PA(IMAGE_BASE + at))] = true;
	}
	ownership_set_host(&host);
}

void machine_start_without_vms(const struct machine_config *config)
{
	fake_cpu = &cpu;
	fail_countdown = -1;
	failed = false;
	window = NULL;
	machine_pages_cleaned = machine_icaches = machine_bad_page = 0;
	machine_interrupt_waits = false;
	machine_log_lines = machine_resets = 0;
	machine_run = NULL;
	machine_on_clean = NULL;
	machine_seed(1);
	start_features(config);
	start_memory(config->keel_pages ? config->keel_pages : 64);
	start_ownership();
}

void machine_start(const struct machine_config *config)
{
	machine_start_without_vms(config);
	assert_int_equal(vm_init(&machine_features, config->cpus ? config->cpus : 4,
				 config->granule, &machine_pool),
			 0);
}

/* ---- the host's allocator ---- */

void machine_seed(u64 seed)
{
	random_state = seed * 0x9e3779b97f4a7c15ULL + 1;
}

u32 machine_random(u32 below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (u32)((random_state >> 16) % below);
}

static bool all_free(size_t first, u64 pages)
{
	if (first + pages > RAM_PAGES)
		return false;
	for (u64 i = 0; i < pages; i++)
		if (in_use[first + i])
			return false;
	return true;
}

struct pa machine_alloc(u64 pages, u64 align)
{
	size_t step = (size_t)(align / SZ_4K);
	size_t start = ALIGN_DOWN((size_t)machine_random(RAM_PAGES), step);

	for (size_t i = 0; i < RAM_PAGES; i += step) {
		size_t first = (start + i) % RAM_PAGES;

		if (!all_free(first, pages))
			continue;
		memset(in_use + first, 1, pages);
		return PA(RAM_BASE + first * SZ_4K);
	}
	fail_msg("the test's host has no %llu pages", (unsigned long long)pages);
	return PA(0);
}

void machine_free(struct pa pa, u64 pages)
{
	memset(in_use + page_of(pa), 0, pages);
}

void machine_free_all(void)
{
	for (size_t i = 0; i < RAM_PAGES; i++)
		in_use[i] = ownership_state(PA(RAM_BASE + i * SZ_4K)) == OWNERSHIP_IMAGE;
}

/* ---- checks ---- */

struct machine_state {
	u8 states[PAGES];
	bool host_maps[PAGES];
	bool shown[RAM_PAGES];
	u64 keel_free;
};

struct machine_state *machine_save(void)
{
	struct machine_state *s = malloc(sizeof(*s));

	memcpy(s->states, states, sizeof(states));
	memcpy(s->host_maps, host_maps, sizeof(host_maps));
	memcpy(s->shown, shown, sizeof(shown));
	s->keel_free = page_pool_available(&machine_pool);
	return s;
}

void machine_drop(struct machine_state *state)
{
	free(state);
}

static void assert_same_bytes(const void *a, const void *b, size_t n, const char *what,
			      const char *when)
{
	for (size_t i = 0; memcmp(a, b, n) && i < n; i++)
		if (((const u8 *)a)[i] != ((const u8 *)b)[i])
			fail_msg("%s: page %zu: %s was %u, is %u", when, i, what,
				 ((const u8 *)a)[i], ((const u8 *)b)[i]);
}

void machine_assert_same(const struct machine_state *s, const char *when)
{
	assert_same_bytes(s->states, states, sizeof(states), "its state", when);
	assert_same_bytes(s->host_maps, host_maps, sizeof(host_maps), "the host's map", when);
	assert_same_bytes(s->shown, shown, sizeof(shown), "EL2's map", when);
	if (s->keel_free != page_pool_available(&machine_pool))
		fail_msg("%s: Keel had %llu pages, has %llu", when,
			 (unsigned long long)s->keel_free,
			 (unsigned long long)page_pool_available(&machine_pool));
}

void machine_check(void)
{
	assert_null(page_pool_sane(&machine_pool, ~0ULL));
	for (size_t i = 0; i < RAM_PAGES; i++) {
		struct pa pa = PA(RAM_BASE + i * SZ_4K);
		enum ownership_state state = ownership_state(pa);
		bool hosts = state == OWNERSHIP_HOST || state == OWNERSHIP_SHARED;

		if (hosts != host_maps[i])
			fail_msg("%#llx is %s, but the host's map says %d",
				 (unsigned long long)pa.v, ownership_state_name(state),
				 host_maps[i]);
		if (pa.v == machine_bad_page && state == OWNERSHIP_IMAGE)
			continue; /* lost: nobody's */
		if (shown[i] ? state == OWNERSHIP_HOST : state == OWNERSHIP_IMAGE)
			fail_msg("%#llx is %s, but EL2's map says %d", (unsigned long long)pa.v,
				 ownership_state_name(state), shown[i]);
	}
}

static int count_table(const struct pgtable_visit *visit, void *arg)
{
	u64 *tables = arg;

	(*tables)++;
	return 0;
}

void machine_check_context(struct s2_context *ctx)
{
	u64 tables = 0;
	const struct pgtable_walk walk = { .visit = count_table,
					   .arg = &tables,
					   .when = PGTABLE_TABLE_PRE };

	assert_true(s2_context_sane(ctx));
	assert_null(page_pool_sane(ctx->pool, ~0ULL));
	assert_int_equal(pgtable_walk(&ctx->stage2.pgt, 0, stage2_size(&ctx->stage2), &walk), 0);
	assert_int_equal(ctx->nr_tables, tables);
}
