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
#define POOL_ORDER     6
#define POOL_ORDER_MIN 3

/* Pages for tables come by the eight while memory is easily had, by the one when it is not. */
#define TOPUP_ORDER 3

struct page *keel_donation_alloc(u32 pages, unsigned long align, unsigned int *order)
{
	*order = get_order(max((unsigned long)pages << PAGE_SHIFT, align));
	return alloc_pages(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN, *order);
}

void keel_donation_add(struct keel_vm *vm, struct page *page, unsigned int order)
{
	set_page_private(page, order);
	mutex_lock(&vm->donate_lock);
	list_add(&page->lru, &vm->donated);
	mutex_unlock(&vm->donate_lock);
}

static struct page *alloc_topup(unsigned int *order)
{
	gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_NOWARN;
	struct page *page;

	*order = TOPUP_ORDER;
	page = alloc_pages(gfp | __GFP_NORETRY, *order);
	if (page)
		return page;
	*order = 0;
	return alloc_pages(gfp, *order);
}

int keel_topup(struct keel_vm *vm)
{
	unsigned int order;
	struct page *page = alloc_topup(&order);
	long ret;

	if (!page)
		return -ENOMEM;
	mutex_lock(&vm->donate_lock);
	ret = keel_giving_call(KEEL_HC_VM_TOPUP, vm->handle, page_to_phys(page), 1 << order, NULL);
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

	BUILD_BUG_ON(1 << POOL_ORDER_MIN != KEEL_POOL_DONATE_MIN);
	if (!page) {
		order = POOL_ORDER_MIN;
		page = alloc_pages(GFP_KERNEL | __GFP_NOWARN, order);
	}
	if (!page)
		return -ENOMEM;
	ret = keel_call(KEEL_HC_POOL_DONATE, page_to_phys(page), 1 << order, 0, 0, 0, NULL);
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
