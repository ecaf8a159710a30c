// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that EL2 holds for a VM, or for its own tables. From the moment EL2 takes a page until it
 * has returned it, only the struct page is used here. All of these pages are PageOffline:
 * hibernation, core dumps and /proc/kcore skip them, and memory that holds some cannot be taken
 * offline.
 */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/gfp.h>
#include <linux/mmzone.h>
#include <linux/slab.h>

#include "keel.h"

/*
 * Donations to EL2's own pool, of which its tables and the host's are made: 256 KiB at a time, so
 * that the host's memory stays in few pieces, or when memory is scarce as little as EL2 accepts. Each
 * call gives or takes back a part of it, so that interrupts do not wait long.
 */
#define POOL_ORDER     get_order(SZ_256K)
#define POOL_ORDER_MIN get_order(KEEL_POOL_DONATE_PAGES << KEEL_EL2_PAGE_SHIFT)

/* Memory for tables: so much at a time while it is easy to get, otherwise one table. */
#define TOPUP_ORDER get_order(SZ_32K)

/* How often another allocation is tried while the kernel returns memory that Keel does not know. */
#define ALLOC_TRIES 32

/* The donations to EL2's pool, newest first: struct page.lru, with struct given in page_private(). */
static DEFINE_MUTEX(pool_lock);
static bool pool_closed; /* for good; under pool_lock */
static LIST_HEAD(pool_pages);

/* ---- pages ---- */

bool keel_boot_memory(const struct page *page)
{
	return early_section(__pfn_to_section(page_to_pfn(page)));
}

/* A list of pages, struct page.lru; order in page_private(). */
static void free_list(struct list_head *pages)
{
	struct page *page, *next;

	list_for_each_entry_safe (page, next, pages, lru) {
		unsigned int order = page_private(page);

		list_del(&page->lru);
		set_page_private(page, 0);
		__free_pages(page, order);
	}
}

/*
 * Memory that was added after boot is put aside until the end, so that the next try gets other
 * memory.
 */
static struct page *alloc_boot_memory(gfp_t gfp, unsigned int order)
{
	LIST_HEAD(aside);
	struct page *page;
	unsigned int tries;

	for (tries = 0; tries < ALLOC_TRIES; tries++) {
		page = alloc_pages(gfp, order);
		if (!page || keel_boot_memory(page))
			break;
		set_page_private(page, order);
		list_add(&page->lru, &aside);
		page = NULL;
	}
	free_list(&aside);
	if (tries == ALLOC_TRIES)
		pr_warn_ratelimited(
			"the kernel has only memory that was added after boot, which Keel cannot use\n");
	return page;
}

static struct page *alloc_donation(gfp_t gfp, unsigned int order)
{
	struct page *page = alloc_boot_memory(gfp, order);

	for (unsigned long i = 0; page && i < 1UL << order; i++)
		__SetPageOffline(page + i);
	return page;
}

void keel_donation_free(struct page *page, unsigned int order)
{
	for (unsigned long i = 0; i < 1UL << order; i++)
		__ClearPageOffline(page + i);
	__free_pages(page, order);
}

/* ---- a VM's ---- */

struct page *keel_donation_alloc(u32 pages, unsigned long align, unsigned int *order)
{
	*order = get_order(max((unsigned long)pages << KEEL_EL2_PAGE_SHIFT, align));
	return alloc_donation(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN, *order);
}

void keel_donation_add(struct keel_vm *vm, struct page *page, unsigned int order)
{
	set_page_private(page, order);
	mutex_lock(&vm->donate_lock);
	list_add(&page->lru, &vm->donated);
	mutex_unlock(&vm->donate_lock);
}

static struct page *alloc_topup(const struct keel_vm *vm, unsigned int *order)
{
	gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_NOWARN;
	struct page *page;

	*order = max_t(unsigned int, TOPUP_ORDER, vm->page_order);
	page = alloc_donation(gfp | __GFP_NORETRY, *order);
	if (page)
		return page;
	*order = vm->page_order;
	return alloc_donation(gfp, *order);
}

int keel_topup(struct keel_vm *vm)
{
	unsigned int order;
	struct page *page = alloc_topup(vm, &order);
	long ret;

	if (!page)
		return -ENOMEM;
	mutex_lock(&vm->donate_lock);
	ret = keel_giving_call(KEEL_HC_VM_TOPUP, vm->handle, page_to_phys(page),
			       KEEL_EL2_PAGES(order), NULL);
	if (!ret) {
		set_page_private(page, order);
		list_add(&page->lru, &vm->donated);
	}
	mutex_unlock(&vm->donate_lock);
	if (ret)
		keel_donation_free(page, order);
	return ret;
}

void keel_donations_free(struct keel_vm *vm)
{
	struct page *page, *next;

	list_for_each_entry_safe (page, next, &vm->donated, lru) {
		unsigned int order = page_private(page);

		list_del(&page->lru);
		set_page_private(page, 0);
		keel_donation_free(page, order);
	}
}

/* ---- EL2's own ---- */

/* What is EL2's of an allocation of an order: its first parts. */
struct given {
	unsigned int order, parts;
};

static struct given given_of(const struct page *page)
{
	return (struct given){ page_private(page) & 0xff, page_private(page) >> 8 };
}

static void set_given(struct page *page, struct given given)
{
	set_page_private(page, (unsigned long)given.parts << 8 | given.order);
}

static long call_part(u64 call, const struct page *page, unsigned int part)
{
	phys_addr_t size = KEEL_POOL_DONATE_PAGES << KEEL_EL2_PAGE_SHIFT;

	return keel_call(call, page_to_phys(page) + part * size, KEEL_POOL_DONATE_PAGES, 0, 0, 0,
			 NULL);
}

/* In order, as far as EL2 takes them. Return: 0 if it has taken any. */
static long give_parts(struct page *page, unsigned int order)
{
	struct given given = { order };
	long ret = 0;

	while (given.parts < KEEL_EL2_PAGES(order) / KEEL_POOL_DONATE_PAGES && !ret) {
		ret = call_part(KEEL_HC_POOL_DONATE, page, given.parts);
		given.parts += !ret;
	}
	set_given(page, given);
	return given.parts ? 0 : ret;
}

/* The last one first, which tables in the others may map. Return: whether EL2 has none any more. */
static bool take_parts_back(struct page *page, struct given given)
{
	while (given.parts && !call_part(KEEL_HC_POOL_RECLAIM, page, given.parts - 1))
		given.parts--;
	set_given(page, given);
	return !given.parts;
}

/* Charged to the first process that needs it. */
int keel_pool_topup(void)
{
	const gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_NOWARN;
	unsigned int order = POOL_ORDER;
	struct page *page = alloc_donation(gfp | __GFP_NORETRY, order);
	long ret;

	BUILD_BUG_ON(KEEL_EL2_PAGES(POOL_ORDER_MIN) % KEEL_POOL_DONATE_PAGES);
	if (!page) {
		order = POOL_ORDER_MIN;
		page = alloc_donation(gfp, order);
	}
	if (!page)
		return -ENOMEM;
	keel_inject_pool();
	mutex_lock(&pool_lock);
	ret = pool_closed ? -EIO : give_parts(page, order);
	if (!ret)
		list_add(&page->lru, &pool_pages);
	mutex_unlock(&pool_lock);
	keel_inject_pool_given();
	if (ret) {
		set_page_private(page, 0);
		keel_donation_free(page, order);
	}
	return ret;
}

/* The host restarts: a fault that is still under way must not give what nobody would take back. */
void keel_pool_close(void)
{
	mutex_lock(&pool_lock);
	pool_closed = true;
	mutex_unlock(&pool_lock);
}

/* Newest first: the tables that map a donation are in older donations. */
bool keel_pool_reclaim(void)
{
	struct page *page, *next;
	bool all;

	mutex_lock(&pool_lock);
	list_for_each_entry_safe (page, next, &pool_pages, lru) {
		const struct given given = given_of(page);

		if (!take_parts_back(page, given))
			continue;
		list_del(&page->lru);
		set_page_private(page, 0);
		keel_donation_free(page, given.order);
	}
	all = list_empty(&pool_pages);
	mutex_unlock(&pool_lock);
	return all;
}
