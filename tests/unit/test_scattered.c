// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: tests/unit/fake_panic.c tests/unit/arch/fake_sysreg.c hyp/host/host_mem.c hyp/mm/el2_map.c hyp/mm/el2_layout.c hyp/vm/vm.c hyp/vm/s2_context.c hyp/vm/vcpu.c hyp/vm/guest_mem.c hyp/vm/vm_table.c hyp/vm/donation.c hyp/mm/ownership.c hyp/mm/page_lock.c hyp/mm/page_pool.c hyp/mm/pgtable.c hyp/mm/pgtable_sane.c hyp/mm/stage2.c hyp/mm/stage2_geometry.c hyp/mm/vmid.c hyp/cpu/features.c hyp/cpu/errata.c */
/* LIBS: -Wl,--wrap=el2_window_map -Wl,--wrap=el2_window_unmap -Wl,--wrap=el2_window_map_pages -Wl,--wrap=el2_window_unmap_pages */
/*
 * A host whose memory is in pieces: 8 GiB, of which each page that it gives lies anywhere. EL2's
 * map, the host's stage 2, ownership, VMs and Keel's pool are the real ones. Keel starts with as
 * little as it has on a board; when a call says -ENOBUFS, this host donates and calls again. What
 * is tested: that this always helps, that it has an end, and what it leaves behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <arch/barrier.h>
#include <arch/cache.h>
#include <arch/ich.h>
#include <arch/percpu.h>
#include <arch/pte.h>
#include <arch/tlb.h>
#include <cpu/log.h>
#include <cpu/percpu.h>
#include <host/host.h>
#include <host/host_mem.h>
#include <keel/hypercall.h>
#include <lib/errno.h>
#include <mm/el2_map.h>
#include <mm/stage2.h>
#include <vm/donation.h>
#include <vm/run.h>
#include <vm/vm_ops.h>

int memfd_create(const char *name, unsigned int flags);
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define RAM_BASE      0x40000000ULL
#define RAM_SIZE      (8 * SZ_1G)
#define RAM_PAGES     (RAM_SIZE / SZ_4K)
#define REGIONS	      (RAM_SIZE / SZ_2M)
#define KEEL	      SZ_2M /* the first of RAM */
#define EARLY	      (KEEL / 2)
#define FAR_DEVICE(n) ((u64)(n) << 39)

/* Two tables for each 2 MiB, two for each GiB, and what the pool keeps back. */
#define POOL_BOUND (2 * REGIONS + 2 * (RAM_SIZE / SZ_1G) + 2 * KEEL_POOL_RESERVE)

static struct cpu_features features;
static struct mmu_caps caps;
static struct el2_layout layout;
static struct ownership_bank bank;
static u8 states[RAM_PAGES];
static u32 *counts[RAM_PAGES / 1024];
static struct page_pool pool;
static struct percpu cpu;
static u64 base_va;
static u64 random_state;
static u64 donated; /* pages that the pool got */
static struct vm_sizes sizes;

/* ---- what is not real ---- */

u64 pte_read(const u64 *ptep)
{
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

struct tlb_s2_saved tlb_s2_enter(u64 vttbr, u64 vtcr, bool block, bool trace)
{
	return (struct tlb_s2_saved){ vttbr, vtcr };
}

void tlb_s2_exit(const struct tlb_s2_saved *saved)
{
}

void tlbi_ipas2e1is(u64 xt)
{
}

void tlbi_ripas2e1is(u64 xt)
{
}

void tlbi_vmalle1is(void)
{
}

void tlbi_vmalls12e1is(void)
{
}

bool interrupt_waits(void)
{
	return false;
}

void tlbi_alle1is(void)
{
}

void tlbi_vmalle1(void)
{
}

void tlbi_alle1(void)
{
}

void tlbi_vae2is(u64 xt)
{
}

void tlbi_alle2is(void)
{
}

void fake_dsb(const char *opt)
{
}

void dcache_clean_inval_poc(const void *start, u64 size)
{
}

void icache_inval_all(void)
{
}

void log_msg(enum log_level level, const char *fmt, ...)
{
}

u64 ratelimit(struct ratelimit *rl)
{
	return ++rl->count;
}

void host_count(unsigned int stat)
{
}

int vcpu_take(struct vcpu *vcpu)
{
	return 0;
}

void vcpu_drop(struct vcpu *vcpu)
{
}

void vcpu_reset(struct vcpu *vcpu)
{
}

static char *page_at(struct pa pa)
{
	return (char *)(base_va + (pa.v - RAM_BASE));
}

void *__wrap_el2_window_map(struct pa pa, enum el2_prot prot);
void *__wrap_el2_window_map(struct pa pa, enum el2_prot prot)
{
	return page_at(pa);
}

void __wrap_el2_window_unmap(void);
void __wrap_el2_window_unmap(void)
{
}

void *__wrap_el2_window_map_pages(struct pa pa, unsigned int count, enum el2_prot prot);
void *__wrap_el2_window_map_pages(struct pa pa, unsigned int count, enum el2_prot prot)
{
	return page_at(pa);
}

void __wrap_el2_window_unmap_pages(unsigned int count);
void __wrap_el2_window_unmap_pages(unsigned int count)
{
}

/* ---- boot ---- */

static void map_fixed(u64 at, u64 size, int fd, int flags)
{
	void *p = mmap((void *)at, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	if ((u64)p != at)
		fail_msg("no memory at %#lx", at);
}

/* RAM where the linear window shows it; its first 2 MiB also where they are without an MMU. */
static void make_ram(void)
{
	int fd = memfd_create("keel", 0);

	assert_int_equal(ftruncate(fd, KEEL), 0);
	if (base_va) {
		munmap((void *)base_va, RAM_SIZE);
		munmap((void *)RAM_BASE, KEEL);
	}
	base_va = RAM_BASE + layout.linear_offset;
	map_fixed(base_va, RAM_SIZE, -1,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE);
	map_fixed(base_va, KEEL, fd, MAP_SHARED | MAP_FIXED);
	map_fixed(RAM_BASE, KEEL, fd, MAP_SHARED | MAP_FIXED_NOREPLACE);
	close(fd);
}

static void make_layout(bool wide)
{
	struct cpu_id_regs regs = { 0 };
	struct el2_layout_in in = {
		.trampoline = PA(RAM_BASE),
		.va_bits = 47,
		.image = PA(RAM_BASE),
		.image_size = KEEL,
		.ram_start = PA(RAM_BASE),
		.ram_end = PA(RAM_BASE + RAM_SIZE),
		.caps = &caps,
	};

	/* PARange, and with LPA2: TGran4 and TGran4_2 for 52 bits; FWB so that clearing is all. */
	regs.reg[ID_REG_MMFR0] = wide ? 6ULL | 1ULL << 28 | 3ULL << 40 : 2;
	regs.reg[ID_REG_MMFR2] = 1ULL << 40;
	regs.reg[ID_REG_PFR0] = 0x11;
	cpu_features_init(&features, &regs);
	cpu_features_mmu_caps(&features, &caps);
	assert_int_equal(el2_layout(&layout, &in), 0);
}

static void boot(bool wide, u64 pool_pages)
{
	struct pa next;

	fake_cpu = &cpu;
	donated = 0;
	random_state = 0x9e3779b97f4a7c15ULL;
	make_layout(wide);
	make_ram();
	assert_int_equal(el2_map_early_init(&layout, PA(RAM_BASE + EARLY), PA(RAM_BASE + KEEL)), 0);
	assert_int_equal(el2_map_linear(PA(RAM_BASE), KEEL, EL2_RW), 0);
	next = el2_map_runtime(&pool);
	assert_int_equal(page_pool_init(&pool, page_at(next), pool_pages), 0);
	bank = (struct ownership_bank){ RAM_BASE, RAM_SIZE, states, counts };
	assert_int_equal(ownership_init(&bank, 1), 0);
	assert_int_equal(ownership_claim_boot(PA(RAM_BASE), KEEL), 0);
	assert_int_equal(host_mem_init(&caps, &pool), 0);
	assert_int_equal(vm_init(&features, 1, GRANULE_4K, &pool), 0);
	assert_int_equal(vm_sizes(0, &sizes), 0);
}

/* ---- the host's allocator: memory in pieces ---- */

static u64 rnd(u64 below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 16) % below;
}

/* @pages somewhere in [from, from + size), aligned to @align, all the host's. */
static struct pa host_pages_in(u64 from, u64 size, u64 pages, u64 align)
{
	for (unsigned int tries = 0; tries < 1000000; tries++) {
		u64 at = ALIGN_DOWN(from + rnd(size - pages * SZ_4K + 1), align), i;

		for (i = 0; i < pages; i++)
			if (ownership_state(PA(at + i * SZ_4K)) != OWNERSHIP_HOST)
				break;
		if (i == pages)
			return PA(at);
	}
	fail_msg("the host has no %lu pages", pages);
	return PA(0);
}

static struct pa host_pages(u64 pages, u64 align)
{
	return host_pages_in(RAM_BASE + SZ_2M, RAM_SIZE - SZ_2M, pages, align);
}

/* Donations to the pool, in the order in which they were made. */
static struct pa to_pool[POOL_BOUND / KEEL_POOL_DONATE_PAGES + 1];

/* The smallest donations, which bring the least and come anywhere. */
static void help_keel(void)
{
	struct pa pa = host_pages(KEEL_POOL_DONATE_PAGES, KEEL_POOL_DONATE_PAGES * SZ_4K);
	int ret = vm_pool_donate(pa, KEEL_POOL_DONATE_PAGES);

	if (ret)
		fail_msg("after %lu pages Keel takes no more (error %d)", donated, ret);
	to_pool[donated / KEEL_POOL_DONATE_PAGES] = pa;
	donated += KEEL_POOL_DONATE_PAGES;
	if (donated > POOL_BOUND)
		fail_msg("Keel wants more than %lu pages", donated);
}

static u64 create_at(struct pa pa)
{
	u64 pages = ALIGN_UP(sizes.vm_pages, 2), handle;
	int ret;

	while ((ret = vm_create(pa, pages, 0, &handle)) == -ENOBUFS)
		help_keel();
	assert_int_equal(ret, 0);
	return handle;
}

static u64 create(void)
{
	return create_at(host_pages(ALIGN_UP(sizes.vm_pages, 2), SZ_64K));
}

static void topup_from(struct vm *vm, struct pa pa, u64 pages)
{
	int ret;

	while ((ret = vm_topup(vm, pa, pages)) == -ENOBUFS) {
		help_keel();
		/* The host would not give what it has just given. */
		if (ownership_state(pa) != OWNERSHIP_HOST)
			return;
	}
	assert_int_equal(ret, 0);
}

static void add_vcpu(struct vm *vm, u64 index)
{
	struct pa pa = host_pages(sizes.vcpu_pages, SZ_4K), run = host_pages(1, SZ_4K);
	int ret;

	while ((ret = vcpu_create(vm, index, pa, sizes.vcpu_pages, run)) == -ENOBUFS) {
		help_keel();
		pa = host_pages(sizes.vcpu_pages, SZ_4K);
		run = host_pages(1, SZ_4K);
	}
	/* They may have met, by chance. */
	if (ret != -EBUSY && ret != -EEXIST)
		assert_int_equal(ret, 0);
}

static void destroy(u64 handle)
{
	int ret;

	while ((ret = vm_destroy(handle)) == -EAGAIN)
		;
	assert_int_equal(ret, 0);
}

/* ---- tests ---- */

/* A page of every 2 MiB that there are, while the host touches devices all over the place. */
static void memory_in_4096_pieces(bool wide)
{
	struct vm *vm;
	u64 handle, used;

	boot(wide, 64);
	used = pool.total - pool.free;
	handle = create();
	vm = vm_get(handle);
	for (u64 region = 1; region < REGIONS; region++) {
		topup_from(vm, host_pages_in(RAM_BASE + region * SZ_2M, SZ_2M, 1, SZ_4K), 1);
		if (wide && region % 16 == 0)
			assert_int_equal(
				host_mem_fault(IPA(FAR_DEVICE(1 + region / 16)), HOST_WRITE), 0);
		if (region % 512 == 0)
			host_mem_check();
	}
	host_mem_check();
	assert_true(donated > REGIONS); /* it took that */
	vm_put(vm);
	/* Not one page is to be had for the way back. */
	page_pool_set_reserve(&pool, 0);
	while (page_pool_alloc(&pool))
		;
	destroy(handle);
	host_mem_check();
	/* What is in use besides what was hoarded are tables of the pool's own pages. */
	assert_true(pool.free > REGIONS);
	assert_true(pool.bad_frees == 0 && used < pool.total);
}

static void memory_in_4096_pieces_maps_on_a_small_machine(void **state)
{
	memory_in_4096_pieces(false);
}

static void memory_in_4096_pieces_maps_on_a_wide_machine(void **state)
{
	memory_in_4096_pieces(true);
}

/* The bound holds for pieces of any size and place, and many VMs; in the end blocks are whole. */
static void ten_thousand_scattered_vms_leave_nothing(void **state)
{
	u64 idle = 0, total = 0;

	boot(false, 64);
	for (unsigned int cycle = 0; cycle < 10000; cycle++) {
		u64 handle = create();
		struct vm *vm = vm_get(handle);

		add_vcpu(vm, rnd(KEEL_VCPUS_MAX));
		for (u64 i = rnd(8); i > 0; i--)
			topup_from(vm, host_pages(1, SZ_4K), 1);
		vm_put(vm);
		destroy(handle);
		if (pool.total == total)
			assert_int_equal(pool.total - pool.free, idle);
		total = pool.total;
		idle = pool.total - pool.free;
		if (cycle % 500 == 0)
			host_mem_check();
	}
	host_mem_check();
	/* A VM at a time needs little, and ten thousand of them no more. */
	assert_true(donated < 300);
	assert_int_equal(pool.bad_frees, 0);
}

/* The last pages are for donations, and they are enough wherever those come from. */
static void a_dry_pool_takes_a_donation_anywhere(void **state)
{
	for (unsigned int wide = 0; wide < 2; wide++)
		for (unsigned int i = 0; i < 200; i++) {
			u64 pages = KEEL_POOL_DONATE_PAGES, before;
			struct pa pa;

			if (i % 50 == 0)
				boot(wide, 64);
			pa = host_pages(pages, pages * SZ_4K);
			/* Devices have what they can get, others all but the reserve. */
			while (page_pool_spare(&pool))
				assert_non_null(page_pool_alloc(&pool));
			for (u64 n = 1; wide && n < 30; n++)
				assert_int_equal(host_mem_fault(IPA(FAR_DEVICE(n)), HOST_READ), 0);
			before = pool.free;
			assert_int_equal(vm_pool_donate(pa, pages), 0);
			assert_true(pool.free > before);
			host_mem_check();
		}
}

/*
 * Newest first, no donation holds a table that an older one, or itself, is hidden or shown by.
 * Those of VMs are gone with them, and devices give theirs.
 */
static void all_of_the_pool_comes_back_newest_first(void **state)
{
	for (unsigned int wide = 0; wide < 2; wide++) {
		u64 handles[40], total, free;

		boot(wide, 64);
		total = pool.total;
		free = pool.free;
		for (unsigned int i = 0; i < ARRAY_SIZE(handles); i++) {
			struct pa page = host_pages(1, SZ_4K);
			struct vm *vm;

			handles[i] = create();
			vm = vm_get(handles[i]);
			for (u64 n = rnd(20); n > 0; n--)
				topup_from(vm, host_pages(1, SZ_4K), 1);
			topup_from(vm, page, 1);
			assert_true(host_mem_fault(host_pa_to_ipa(page), HOST_READ) >= 0);
			if (wide)
				assert_int_equal(host_mem_fault(IPA(FAR_DEVICE(1 + i)), HOST_READ),
						 0);
			vm_put(vm);
			/* They come and go: what is freed is used again by others. */
			if (rnd(3) == 0) {
				destroy(handles[i]);
				handles[i] = create();
			}
		}
		assert_true(donated > 8 * KEEL_POOL_DONATE_PAGES);
		for (unsigned int i = 0; i < ARRAY_SIZE(handles); i++)
			destroy(handles[i]);
		for (u64 n = donated / KEEL_POOL_DONATE_PAGES; n-- > 0;)
			if (vm_pool_reclaim(to_pool[n], KEEL_POOL_DONATE_PAGES))
				fail_msg("donation %lu of %lu does not come back", n,
					 donated / KEEL_POOL_DONATE_PAGES);
		host_mem_check();
		assert_int_equal(pool.total, total);
		assert_int_equal(pool.free, free);
		assert_int_equal(pool.bad_frees, 0);
	}
}

/* Pages that were given to the pool, and are free, are as good as any. */
static void what_was_donated_is_used(void **state)
{
	u64 handle;

	boot(false, 64);
	while (page_pool_spare(&pool))
		assert_non_null(page_pool_alloc(&pool));
	help_keel();
	help_keel();
	help_keel();
	handle = create();
	destroy(handle);
	host_mem_check();
}

/* ---- each call, short of each page that it takes ---- */

static struct {
	u64 handle;
	struct vm *vm;
	struct pa pages, run, block;
} w;

static int try_create(void)
{
	u64 handle;

	return vm_create(w.pages, ALIGN_UP(sizes.vm_pages, 2), 0, &handle);
}

static int try_topup(void)
{
	return vm_topup(w.vm, w.pages, 1);
}

static int try_vcpu(void)
{
	return vcpu_create(w.vm, 3, w.pages, sizes.vcpu_pages, w.run);
}

static int try_map(void)
{
	struct vm_mapped mapped = { 0 };

	return vm_map(w.vm, IPA(5 * SZ_1G), w.pages, SZ_4K, KEEL_MAP_WRITE, &mapped);
}

static int try_map_device(void)
{
	struct vm_mapped mapped = { 0 };

	return vm_map(w.vm, IPA(7 * SZ_1G), PA(0x8000000), SZ_4K, KEEL_MAP_WRITE | KEEL_MAP_DEVICE,
		      &mapped);
}

static int try_unmap(void)
{
	u64 done;

	return vm_unmap(w.vm, IPA(SZ_2M + 5 * SZ_4K), SZ_4K, 0, &done);
}

static int try_device(void)
{
	return host_mem_fault(IPA(FAR_DEVICE(5)), HOST_WRITE);
}

static int try_donate(void)
{
	return vm_pool_donate(w.block, KEEL_POOL_DONATE_PAGES);
}

static int try_destroy(void)
{
	int ret;

	vm_put(w.vm);
	while ((ret = vm_destroy(w.handle)) == -EAGAIN)
		;
	return ret;
}

/* Whose pages a call takes, what it says when it does not get them, and how many those are. */
static const struct short_of {
	const char *what;
	int (*call)(void);
	bool keels, reserve;
	int error;
	unsigned int takes;
} short_of[] = {
	/* Two tables of the host's and one or two of EL2's, as the first in their GiB. */
	{ "VM_CREATE", try_create, true, true, -ENOBUFS, 4 },
	{ "VM_TOPUP", try_topup, true, true, -ENOBUFS, 4 },
	{ "VCPU_CREATE", try_vcpu, true, true, -ENOBUFS, 6 },
	{ "VM_MAP", try_map, false, false, -ENOMEM, 2 },
	{ "VM_MAP of a device", try_map_device, false, false, -ENOMEM, 2 },
	{ "VM_UNMAP", try_unmap, false, false, -ENOMEM, 1 },
	{ "a device of the host's", try_device, true, true, 0, 0 },
	{ "POOL_DONATE", try_donate, true, true, 0, 0 },
	{ "VM_DESTROY", try_destroy, true, false, 0, 0 },
};

/* A VM with a block at 2 MiB, and pages in GiBs of their own. */
static void make_world(void)
{
	struct vm_mapped mapped = { 0 };

	boot(true, 64);
	w.handle = create_at(PA(RAM_BASE + SZ_1G + SZ_2M));
	w.vm = vm_get(w.handle);
	topup_from(w.vm, PA(RAM_BASE + SZ_1G), 16);
	w.block = PA(RAM_BASE + 2 * SZ_1G);
	assert_int_equal(vm_map(w.vm, IPA(SZ_2M), w.block, SZ_2M, KEEL_MAP_WRITE, &mapped), 0);
	w.block = PA(RAM_BASE + 7 * SZ_1G + SZ_1M);
	w.pages = PA(RAM_BASE + 5 * SZ_1G + SZ_64K);
	w.run = PA(RAM_BASE + 6 * SZ_1G + 9 * SZ_4K);
}

/* All free pages but @left, in a list through their first words. */
static void *hoard(struct page_pool *from, u64 left)
{
	void *list = NULL;

	while (page_pool_available(from) > left) {
		void **page = page_pool_alloc(from);

		*page = list;
		list = page;
	}
	return list;
}

static void unhoard(struct page_pool *to, void *list)
{
	while (list) {
		void *next = *(void **)list;

		page_pool_free(to, list);
		list = next;
	}
}

/* With @left pages. Return: whether that was enough. */
static bool call_with(const struct short_of *s, u64 left)
{
	static u8 before[RAM_PAGES];
	struct page_pool *from = s->keels ? &pool : &w.vm->pool;
	u64 keels, vms;
	void *list;
	int ret;

	make_world();
	list = hoard(from, left + (s->reserve ? KEEL_POOL_RESERVE : 0));
	memcpy(before, states, sizeof(states));
	keels = pool.free;
	vms = w.vm->pool.free;
	ret = s->call();
	host_mem_check();
	if (!ret)
		return true;
	if (ret != s->error)
		fail_msg("%s with %lu pages: error %d, expected %d", s->what, left, ret, s->error);
	if (memcmp(before, states, sizeof(states)) || pool.free != keels || w.vm->pool.free != vms)
		fail_msg("%s with %lu pages failed, and changed something", s->what, left);
	unhoard(from, list);
	ret = s->call();
	if (ret)
		fail_msg("%s, repeated with pages: error %d", s->what, ret);
	host_mem_check();
	return false;
}

static void a_call_can_be_short_of_each_of_its_pages(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(short_of); i++) {
		u64 left = 0;

		while (!call_with(&short_of[i], left))
			left++;
		if (left != short_of[i].takes)
			fail_msg("%s takes %lu pages, expected %u", short_of[i].what, left,
				 short_of[i].takes);
	}
}

/* Pages of the host between two addresses. */
static u64 hosts_pages(u64 from, u64 pages)
{
	u64 count = 0;

	for (u64 i = 0; i < pages; i++)
		count += ownership_state(PA(from + i * SZ_4K)) == OWNERSHIP_HOST;
	return count;
}

/*
 * A donation that was a block of the host's goes back in parts, for which a table is needed. Without
 * one it goes back at once.
 */
static void a_block_that_was_donated_goes_back_with_or_without_a_table(void **state)
{
	const u64 block = RAM_BASE + 4 * SZ_1G;

	for (unsigned int dry = 0; dry < 2; dry++) {
		u64 before, now, most = 0;
		void *list = NULL;
		int ret;

		make_world();
		topup_from(w.vm, PA(block), DONATION_PAGES_MAX);
		vm_put(w.vm);
		if (dry)
			list = hoard(&pool, 0);
		do {
			before = hosts_pages(block, DONATION_PAGES_MAX);
			ret = vm_destroy(w.handle);
			now = hosts_pages(block, DONATION_PAGES_MAX);
			most = MAX(most, now - before);
		} while (ret == -EAGAIN);
		assert_int_equal(ret, 0);
		assert_int_equal(now, DONATION_PAGES_MAX);
		if (dry)
			assert_int_equal(most, DONATION_PAGES_MAX);
		else
			assert_in_range(most, 8, 64);
		unhoard(&pool, list);
		host_mem_check();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_in_4096_pieces_maps_on_a_small_machine),
		cmocka_unit_test(memory_in_4096_pieces_maps_on_a_wide_machine),
		cmocka_unit_test(ten_thousand_scattered_vms_leave_nothing),
		cmocka_unit_test(a_dry_pool_takes_a_donation_anywhere),
		cmocka_unit_test(what_was_donated_is_used),
		cmocka_unit_test(all_of_the_pool_comes_back_newest_first),
		cmocka_unit_test(a_call_can_be_short_of_each_of_its_pages),
		cmocka_unit_test(a_block_that_was_donated_goes_back_with_or_without_a_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
