// SPDX-License-Identifier: BSD-2-Clause
/* Donated memory: see donation.h. */
#include <arch/foreign.h>
#include <cpu/panic.h>
#include <lib/errno.h>
#include <mm/el2_map.h>
#include <vm/donation.h>
#include <vm/vm_ops.h>

STATIC_ASSERT(FOREIGN_TRIED >= POOL_NODE_BYTES, "what the pool reads of a free page is tried");

struct spinlock donation_lock = SPINLOCK_INIT(LOCK_DONATION);

STATIC_ASSERT(KEEL_POOL_DONATE_MIN > KEEL_POOL_RESERVE_DONATE,
	      "what is given is more than it takes");

static int check_donation_range(struct pa pa, u64 pages)
{
	if (!pages || pages > DONATION_PAGES_MAX || !IS_ALIGNED(pa.v, SZ_4K) ||
	    pa.v + pages * SZ_4K < pa.v)
		return -EINVAL;
	return vm_in_linear_window(pa, pages * SZ_4K) ? 0 : -ERANGE;
}

/*
 * The host's alone, so that nothing of it is shown: what is shown is Keel's, or shared with it, and
 * donation_lock keeps it from becoming so.
 */
static int check_hosts(struct pa pa, u64 size)
{
	u64 at;

	for (at = 0; at < size; at += SZ_4K) {
		enum ownership_state state = ownership_state(PA(pa.v + at));

		if (state != OWNERSHIP_HOST)
			return state == OWNERSHIP_SHARED ? -EBUSY : -EPERM;
	}
	return 0;
}

/* What the host's devices took is had back before anybody is told that there is too little. */
int donation_show(struct pa pa, u64 size)
{
	int ret = el2_map_linear(pa, size, EL2_RW);

	if (ret == -ENOBUFS && ownership_shrink_host())
		ret = el2_map_linear(pa, size, EL2_RW);
	return ret;
}

/*
 * Shown first: that can be undone without fail, while taking it from the host cannot. And tried:
 * Keel keeps nothing of its own in memory that does not answer. The beginning of each page tells,
 * where the pool is to have what it knows of free pages: what else has failed does no harm, since
 * all of a page is cleared before any more of it is read. Under one
 * hold of ownership_lock, which whoever takes pages of Keel's pool has: a side that found enough of
 * them in prepare() still does when it maps.
 */
static int take_donation_locked(struct pa pa, u64 size)
{
	int ret = check_hosts(pa, size);

	if (!ret)
		ret = donation_show(pa, size);
	if (ret)
		return ret;
	if (foreign_answers(vm_pa_to_va(pa), size, SZ_4K))
		ret = ownership_donate_keel_locked(pa, size);
	else
		ret = -EFAULT;
	if (ret)
		el2_unmap_linear(pa, size);
	return ret == -ERANGE ? -EPERM : ret;
}

int donation_take(struct pa pa, u64 pages)
{
	int ret = check_donation_range(pa, pages);

	if (ret)
		return ret;
	spin_lock(&donation_lock);
	spin_lock(&ownership_lock);
	ret = take_donation_locked(pa, pages * SZ_4K);
	spin_unlock(&ownership_lock);
	spin_unlock(&donation_lock);
	return ret;
}

/* With the reserve, which is enough for it: what comes in is more than what its tables take. */
static int take_for_pool(struct page_pool *pool, struct pa pa, u64 size)
{
	int ret;

	page_pool_set_reserve(pool, 0);
	ret = take_donation_locked(pa, size);
	page_pool_set_reserve(pool, KEEL_POOL_RESERVE);
	if (!ret && page_pool_add(pool, vm_pa_to_va(pa), size / SZ_4K))
		panic("pages at %#lx cannot be added to Keel's", pa.v);
	return ret;
}

/* Neither side's tables hold so little in a block, so that it goes and comes without a cut. */
STATIC_ASSERT(KEEL_POOL_DONATE_MAX *SZ_4K < SZ_2M, "what is given to the pool is no block");

static int check_for_pool(struct pa pa, u64 pages)
{
	if (pages < KEEL_POOL_DONATE_MIN || pages > KEEL_POOL_DONATE_MAX || (pages & (pages - 1)) ||
	    !IS_ALIGNED(pa.v, pages * SZ_4K))
		return -EINVAL;
	return check_donation_range(pa, pages);
}

int donation_to_pool(struct page_pool *pool, struct pa pa, u64 pages)
{
	int ret = check_for_pool(pa, pages);

	if (ret)
		return ret;
	spin_lock(&donation_lock);
	spin_lock(&ownership_lock);
	ret = take_for_pool(pool, pa, pages * SZ_4K);
	spin_unlock(&ownership_lock);
	spin_unlock(&donation_lock);
	return ret;
}

static bool is_keels_range(struct pa pa, u64 size)
{
	u64 at = 0;

	while (at < size && ownership_state(PA(pa.v + at)) == OWNERSHIP_KEEL)
		at += SZ_4K;
	return at == size;
}

/* Out of the pool, but for its reserve. What devices of the host's took is had back first. */
static bool take_free_pages(struct page_pool *pool, struct pa pa, u64 pages)
{
	if (page_pool_spare(pool) >= pages && page_pool_take_range(pool, vm_pa_to_va(pa), pages))
		return true;
	return ownership_shrink_host() && page_pool_spare(pool) >= pages &&
	       page_pool_take_range(pool, vm_pa_to_va(pa), pages);
}

/* Both sides have its tables, and keep them until it is gone: nothing can fail. */
static int return_from_pool(struct page_pool *pool, struct pa pa, u64 pages)
{
	int ret;

	if (!is_keels_range(pa, pages * SZ_4K))
		return -EPERM;
	if (!take_free_pages(pool, pa, pages))
		return -EBUSY;
	el2_unmap_linear(pa, pages * SZ_4K);
	ret = ownership_reclaim_keel_locked(pa, pages * SZ_4K);
	if (ret)
		panic("Keel's pages at %#lx cannot go back (error %d)", pa.v, ret);
	return 0;
}

int donation_from_pool(struct page_pool *pool, struct pa pa, u64 pages)
{
	int ret = check_for_pool(pa, pages);

	if (ret)
		return ret;
	spin_lock(&donation_lock);
	spin_lock(&ownership_lock);
	ret = return_from_pool(pool, pa, pages);
	spin_unlock(&ownership_lock);
	spin_unlock(&donation_lock);
	return ret;
}

/* Unmapped as it was mapped, whole: no block is cut, so nothing can fail. */
void donation_hide(const struct donation *donation)
{
	el2_unmap_linear(donation->pa, donation->pages * SZ_4K);
}

int donation_return(const struct donation *donation)
{
	int ret = ownership_reclaim_keel(donation->pa, donation->pages * SZ_4K);

	if (ret && ret != -ENOBUFS)
		panic("donated memory at %#lx cannot go back (error %d)", donation->pa.v, ret);
	return ret;
}

/* The newest page of records, with room for one more. */
static struct donation_page *page_with_room(struct vm *vm)
{
	struct donation_page *page = vm->donations;

	if (page && page->count < DONATIONS_PER_PAGE)
		return page;
	page = page_pool_alloc(&vm->pool);
	if (!page)
		return NULL;
	page->older = vm->donations;
	vm->donations = page;
	return page;
}

int donation_record(struct vm *vm, struct pa pa, u64 pages)
{
	struct donation_page *page = page_with_room(vm);

	if (!page)
		return -ENOMEM;
	page->record[page->count++] = (struct donation){ pa, pages };
	vm->donated_pages += pages;
	return 0;
}

int donation_add(struct vm *vm, struct pa pa, u64 pages, u64 keep)
{
	const struct donation donation = { pa, pages };
	int ret;

	spin_assert_held(&vm->lock);
	if (pages < keep)
		return -EINVAL;
	/* The page for the record comes from what is donated, unless nothing is left of that. */
	if (pages == keep && !page_with_room(vm))
		return -ENOMEM;
	ret = donation_take(pa, pages);
	if (ret)
		return ret;
	if (pages > keep)
		ret = page_pool_add(&vm->pool, vm_pa_to_va(PA(pa.v + keep * SZ_4K)), pages - keep);
	if (!ret)
		ret = donation_record(vm, pa, pages);
	if (ret)
		panic("no record of %lu pages at %#lx", donation.pages, donation.pa.v);
	return 0;
}

bool donation_pop(struct vm *vm, struct donation *donation)
{
	struct donation_page *page = vm->donations;

	while (page && !page->count)
		page = page->older;
	vm->donations = page;
	if (!page)
		return false;
	*donation = page->record[--page->count];
	if (!page->count)
		vm->donations = page->older;
	return true;
}
