// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that EL2 holds for a VM. From the moment EL2 takes a page until KEEL_HC_VM_DESTROY has
 * succeeded an access to it is an external abort: here only its struct page is touched.
 */
#include <linux/gfp.h>
#include <linux/slab.h>

#include "keel.h"

/*
 * For EL2's own pool, what tables of EL2's and the host's are made of: 256 KiB at a time, which
 * keep the host's memory in as few pieces as can be, or as little as EL2 takes.
 */
#define POOL_ORDER     get_order(SZ_256K)
#define POOL_ORDER_MIN get_order(KEEL_POOL_DONATE_MIN << KEEL_EL2_PAGE_SHIFT)

/* Memory for tables comes in pieces of so much while it is easily had, by the table when not. */
#define TOPUP_ORDER get_order(SZ_32K)

struct page *keel_donation_alloc(u32 pages, unsigned long align, unsigned int *order)
{
	*order = get_order(max((unsigned long)pages << KEEL_EL2_PAGE_SHIFT, align));
	return alloc_pages(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN, *order);
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
	page = alloc_pages(gfp | __GFP_NORETRY, *order);
	if (page)
		return page;
	*order = vm->page_order;
	return alloc_pages(gfp, *order);
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
		__free_pages(page, order);
	return ret;
}

int keel_pool_topup(void)
{
	unsigned int order = POOL_ORDER;
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY, order);
	long ret;

	BUILD_BUG_ON(KEEL_EL2_PAGES(POOL_ORDER_MIN) < KEEL_POOL_DONATE_MIN);
	BUILD_BUG_ON(KEEL_EL2_PAGES(POOL_ORDER) > KEEL_DONATE_MAX);
	if (!page) {
		order = POOL_ORDER_MIN;
		page = alloc_pages(GFP_KERNEL | __GFP_NOWARN, order);
	}
	if (!page)
		return -ENOMEM;
	ret = keel_call(KEEL_HC_POOL_DONATE, page_to_phys(page), KEEL_EL2_PAGES(order), 0, 0, 0,
			NULL);
	if (ret)
		__free_pages(page, order);
	return ret;
}

void keel_donations_free(struct keel_vm *vm)
{
	struct page *page, *next;

	list_for_each_entry_safe (page, next, &vm->donated, lru) {
		unsigned int order = page_private(page);

		list_del(&page->lru);
		set_page_private(page, 0);
		__free_pages(page, order);
	}
}
