// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/mm/ownership.c hyp/mm/page_lock.c */
/*
 * Page ownership with real threads: VMs share and return pages without ownership_lock, while others
 * donate pages of the same memory to Keel and to VMs and take them back. ThreadSanitizer sees
 * accesses that no lock orders; the parties see a page that two have of which only one may have it;
 * in the end every state and count is what the VMs' tables say.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <lib/errno.h>
#include <mm/ownership.h>
#include <mm/page_lock.h>

#define PAGE	    OWNERSHIP_PAGE_SIZE
#define BASE	    (61ULL << PAGE_STRIPE_SHIFT) /* so that the locks of ranges wrap around */
#define PAGES	    4096			 /* eight stripes */
#define VMS	    3
#define VM_PAGES    1024
#define UNMAPPED    0
#define ROUNDS	    30000
#define MOVE_MAX    600 /* pages: over three stripes */
#define OFTEN_PAGE  5	/* VM 0 shares it so often that it has a count */
#define OFTEN	    300
#define COUNT_PAGES 4

_Thread_local u32 thread_locks_held;

/* A VM, used by its own thread alone, as under vm->lock: the address of each page, or UNMAPPED. */
static struct vm {
	u64 seed;
	unsigned int done, refused;
	u64 map[VM_PAGES];
	bool donated[VM_PAGES];
} vms[VMS];

static struct keel {
	u64 seed;
	unsigned int done, refused;
} keel;

static u8 bytes[PAGES];
static u32 *counts[PAGES * PAGE / OWNERSHIP_COUNTS_SPAN + 1];
static struct ownership_bank bank;
static u32 count_pages[COUNT_PAGES][PAGE / sizeof(u32)];
static bool count_taken[COUNT_PAGES];

/* What parties have of a page: accessed by atomics alone, as CPUs access memory. */
static int host_has[PAGES], vms_have[PAGES], donated[PAGES];

static void expect(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static u64 below(u64 *seed, u64 n)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (*seed * 0x2545f4914f6cdd1dULL >> 32) % n;
}

static size_t page_of(u64 pa)
{
	return (pa - BASE) / PAGE;
}

static int count(int *counter, int change)
{
	return __atomic_add_fetch(counter, change, __ATOMIC_RELAXED);
}

static int load(const int *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* ---- the host ---- */

static int fake_prepare(void *ctx, const struct page_move *move)
{
	(void)ctx;
	(void)move;
	return 0;
}

static void host_map(void *ctx, const struct page_move *move)
{
	(void)ctx;
	for (size_t i = page_of(move->pa.v), end = i + move->size / PAGE; i < end; i++) {
		expect(!load(&donated[i]), "the host gets a page that a VM has");
		expect(count(&host_has[i], 1) == 1, "the host gets a page twice");
	}
}

static void host_unmap(void *ctx, const struct page_move *move)
{
	(void)ctx;
	for (size_t i = page_of(move->pa.v), end = i + move->size / PAGE; i < end; i++) {
		expect(!load(&vms_have[i]), "the host loses a page that it shares");
		expect(count(&host_has[i], -1) == 0, "the host loses a page twice");
	}
}

static const struct ownership_party_ops host_ops = {
	.prepare = fake_prepare,
	.map = host_map,
	.unmap = host_unmap,
};

static bool host_clear_page(void *ctx, struct pa pa)
{
	size_t i = page_of(pa.v);

	(void)ctx;
	expect(!load(&host_has[i]) && !load(&vms_have[i]) && !load(&donated[i]),
	       "a page is cleared that somebody has");
	return true;
}

static void host_forget(void *ctx, struct pa pa, u64 size)
{
	(void)ctx;
	(void)pa;
	(void)size;
	expect(false, "a page is lost");
}

static u32 *host_take_counts(void *ctx)
{
	(void)ctx;
	spin_assert_held(&ownership_lock);
	for (size_t i = 0; i < COUNT_PAGES; i++)
		if (!count_taken[i]) {
			count_taken[i] = true;
			return count_pages[i];
		}
	return NULL;
}

static void host_give_counts(void *ctx, u32 *page)
{
	(void)ctx;
	spin_assert_held(&ownership_lock);
	count_taken[(size_t)(page - count_pages[0]) / ARRAY_SIZE(count_pages[0])] = false;
}

static const struct ownership_host host = {
	.party = { .ops = &host_ops },
	.clear_page = host_clear_page,
	.forget = host_forget,
	.take_counts = host_take_counts,
	.give_counts = host_give_counts,
};

/* ---- VMs ---- */

static void vm_map(void *ctx, const struct page_move *move)
{
	struct vm *vm = ctx;

	for (u64 at = 0; at < move->size; at += PAGE) {
		size_t i = page_of(move->pa.v + at), to = (move->ipa.v + at) / PAGE;

		if (vm->donated[to])
			expect(!load(&host_has[i]) && !load(&vms_have[i]) &&
				       count(&donated[i], 1) == 1,
			       "a VM is given a page that somebody has");
		else
			expect(count(&vms_have[i], 1) > 0 && load(&host_has[i]) &&
				       !load(&donated[i]),
			       "a VM shares a page that is not the host's");
		vm->map[to] = move->pa.v + at;
	}
}

static void vm_unmap(void *ctx, const struct page_move *move)
{
	struct vm *vm = ctx;

	for (u64 at = 0; at < move->size; at += PAGE) {
		size_t i = page_of(move->pa.v + at), from = (move->ipa.v + at) / PAGE;

		(void)count(vm->donated[from] ? &donated[i] : &vms_have[i], -1);
		vm->map[from] = UNMAPPED;
	}
}

static const struct ownership_party_ops vm_ops = {
	.prepare = fake_prepare,
	.map = vm_map,
	.unmap = vm_unmap,
};

static struct ownership_party party_of(struct vm *vm)
{
	return (struct ownership_party){ .ops = &vm_ops, .ctx = vm, .apart = true };
}

static void tally(struct vm *vm, int ret)
{
	expect(!ret || ret == -EBUSY || ret == -EPERM, "a transition ends with another error");
	if (ret)
		vm->refused++;
	else
		vm->done++;
}

/* The pages from @from on that are mapped alike, at most @most. */
static size_t extent(const struct vm *vm, size_t from, size_t most)
{
	size_t n = 1;

	while (n < most && from + n < VM_PAGES && vm->donated[from + n] == vm->donated[from] &&
	       (vm->map[from] == UNMAPPED ? vm->map[from + n] == UNMAPPED
					  : vm->map[from + n] == vm->map[from] + n * PAGE))
		n++;
	return n;
}

static void map_some(struct vm *vm, size_t to, size_t n)
{
	struct ownership_party party = party_of(vm);
	u64 from = below(&vm->seed, PAGES);
	struct page_move move = { .ipa = IPA(to * PAGE), .pa = PA(BASE + from * PAGE) };
	bool donate = below(&vm->seed, 8) == 0;

	move.size = MIN(n, PAGES - from) * PAGE;
	for (size_t i = 0; donate && i < move.size / PAGE; i++)
		vm->donated[to + i] = true;
	tally(vm, donate ? ownership_donate(&move, &party) : ownership_share(&move, &party));
	for (size_t i = 0; i < move.size / PAGE; i++)
		if (vm->map[to + i] == UNMAPPED)
			vm->donated[to + i] = false;
}

static int unmap_some(struct vm *vm, size_t from, size_t n)
{
	struct ownership_party party = party_of(vm);
	struct page_move move = {
		.ipa = IPA(from * PAGE),
		.pa = PA(vm->map[from]),
		.size = n * PAGE,
	};
	bool reclaim = vm->donated[from];
	int ret = reclaim ? ownership_reclaim(&move, &party) : ownership_unshare(&move, &party);

	for (size_t i = 0; i < n; i++)
		vm->donated[from + i] = false;
	return ret;
}

static void *vm_thread(void *arg)
{
	struct vm *vm = arg;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		size_t at = below(&vm->seed, VM_PAGES), most = 1 + below(&vm->seed, MOVE_MAX);
		size_t n = extent(vm, at, below(&vm->seed, 2) ? 1 : most);

		if (vm->map[at] == UNMAPPED)
			map_some(vm, at, n);
		else
			expect(!unmap_some(vm, at, n), "what a VM has cannot be taken from it");
	}
	return NULL;
}

/* ---- a page that is shared very often, and Keel ---- */

static void *often_thread(void *arg)
{
	static struct vm vm;
	const struct ownership_party party = party_of(&vm);
	struct page_move move = { .pa = PA(BASE + OFTEN_PAGE * PAGE), .size = PAGE };
	unsigned int shared;

	for (unsigned int round = 0; round < ROUNDS / OFTEN; round++) {
		for (shared = 0; shared < OFTEN; shared++) {
			move.ipa = IPA(shared * PAGE);
			if (ownership_share(&move, &party))
				break; /* Keel or a VM has it now */
		}
		*(unsigned int *)arg = MAX(*(unsigned int *)arg, shared);
		while (shared) {
			move.ipa = IPA(--shared * PAGE);
			expect(!ownership_unshare(&move, &party), "a share cannot be undone");
		}
	}
	return NULL;
}

static void *keel_thread(void *arg)
{
	(void)arg;
	for (unsigned int i = 0; i < ROUNDS; i++) {
		u64 from = below(&keel.seed, PAGES), n = 1 + below(&keel.seed, 64);
		struct pa pa = PA(BASE + from * PAGE);
		int ret;

		n = MIN(n, PAGES - from);
		ret = ownership_donate_keel(pa, n * PAGE);
		expect(!ret || ret == -EBUSY || ret == -EPERM,
		       "a donation ends with another error");
		if (ret) {
			keel.refused++;
			continue;
		}
		keel.done++;
		expect(!ownership_reclaim_keel(pa, n * PAGE), "a donation cannot be taken back");
		(void)ownership_share_count(PA(BASE + OFTEN_PAGE * PAGE));
		(void)ownership_may_share(pa, n * PAGE);
	}
	return NULL;
}

/* ---- the test ---- */

static enum ownership_view host_view(void *ctx, struct pa pa, u64 max, u64 *run)
{
	(void)ctx;
	(void)max;
	*run = PAGE;
	return load(&host_has[page_of(pa.v)]) ? OWNERSHIP_VIEW_IDENTITY : OWNERSHIP_VIEW_NOTHING;
}

/* The states are true of the host's view at any time, not only in the end. */
static void *check_thread(void *arg)
{
	struct ownership_mismatch bad;

	(void)arg;
	for (unsigned int i = 0; i < ROUNDS; i++)
		expect(!ownership_check_some(64 * PAGE, host_view, NULL, &bad),
		       "a state is not what the host has");
	return NULL;
}

static void check_end(void)
{
	for (size_t i = 0; i < PAGES; i++) {
		assert_int_equal(ownership_share_count(PA(BASE + i * PAGE)), vms_have[i]);
		assert_int_equal(ownership_state(PA(BASE + i * PAGE)) == OWNERSHIP_DONATED,
				 donated[i]);
		assert_int_equal(host_has[i], !donated[i]);
	}
}

static void pages_that_many_share_have_one_owner_at_a_time(void **state)
{
	pthread_t threads[VMS + 3];
	unsigned int most = 0;

	(void)state;
	bank = (struct ownership_bank){ BASE, PAGES * PAGE, bytes, counts };
	assert_int_equal(ownership_init(&bank, 1), 0);
	for (size_t i = 0; i < PAGES; i++)
		host_has[i] = 1;
	ownership_set_host(&host);
	for (size_t i = 0; i < VMS; i++) {
		vms[i].seed = 0x9e3779b97f4a7c15ULL * (i + 1);
		assert_int_equal(pthread_create(&threads[i], NULL, vm_thread, &vms[i]), 0);
	}
	keel.seed = 77;
	assert_int_equal(pthread_create(&threads[VMS], NULL, keel_thread, NULL), 0);
	assert_int_equal(pthread_create(&threads[VMS + 1], NULL, often_thread, &most), 0);
	assert_int_equal(pthread_create(&threads[VMS + 2], NULL, check_thread, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	check_end();
	for (size_t i = 0; i < VMS; i++) {
		print_message("VM %zu: %u done, %u refused\n", i, vms[i].done, vms[i].refused);
		assert_in_range(vms[i].done, ROUNDS / 10, ROUNDS);
		assert_in_range(vms[i].refused, 1, ROUNDS);
	}
	print_message("Keel: %u done, %u refused; a page was shared %u times\n", keel.done,
		      keel.refused, most);
	assert_in_range(keel.done, 1, ROUNDS);
	assert_in_range(keel.refused, 1, ROUNDS);
	assert_int_equal(most, OFTEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_that_many_share_have_one_owner_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
