// SPDX-License-Identifier: BSD-2-Clause
/*
 * Donated memory: from the host to Keel, for a VM or for Keel's own pool, and back.
 *
 *      the host's ── check ── map at EL2 ── read ── unmap from the host's stage 2 ──> Keel's
 *                                           (ownership_donate_keel_locked())
 *      the host's <── map in the host's stage 2 ── clear ── unmap at EL2 ── Keel's
 *                     (ownership_reclaim_keel())
 *
 * To take memory, the steps that can be undone come first: pages are mapped in EL2's linear window
 * and read, before the transition takes them from the host. Each page is read at its beginning,
 * where the pool keeps its node of free pages; the rest is cleared before it is used.
 *
 * Records. A VM's donations are recorded in pages of the VM's own pool:
 *
 *      vm->donations ──> page n ──older──> page n-1 ──older──> ... ──> page 1
 *                        [ some ]          [ full ]           [ full; record 1: struct vm itself ]
 *
 * The page of a record was donated no later than the memory that its first record describes. So a
 * VM that ends can give its donations back from the newest to the oldest, and never loses a record
 * that it still needs; the last one given back contains struct vm itself.
 *
 * Locking. vm->lock guards the records. donation_lock makes "is not mapped in the linear window, so
 * map it" one step; ownership_lock, inside it, is held from the check to the transition. All who
 * take pages from Keel's pool hold it, so the tables that prepare has counted are still there.
 *
 * Keel's own pool keeps a reserve (KEEL_POOL_RESERVE), which donations to the pool itself may use:
 * they bring in more pages than their tables take. So a pool that is empty can always be filled.
 */
#include <arch/foreign.h>
#include <cpu/assert.h>
#include <cpu/panic.h>
#include <lib/errno.h>
#include <mm/el2_map.h>
#include <vm/donation.h>
#include <vm/vm_ops.h>

STATIC_ASSERT(FOREIGN_TRIED >= POOL_NODE_BYTES, "the pool's node of a free page is read first");

struct spinlock donation_lock = SPINLOCK_INIT(LOCK_DONATION);

STATIC_ASSERT(KEEL_POOL_DONATE_PAGES > KEEL_POOL_RESERVE_DONATE,
	      "a donation to the pool brings in more than it takes");

static int check_donation_range(struct pa pa, u64 pages)
{
	if (!pages || pages > DONATION_PAGES_MAX || !IS_ALIGNED(pa.v, SZ_4K) ||
	    pa.v + pages * SZ_4K < pa.v)
		return -EINVAL;
	return vm_in_linear_window(pa, pages * SZ_4K) ? 0 : -ERANGE;
}

/* Before reporting -ENOBUFS, reclaim tables of the host's stage 2 that map devices only. */
int donation_show(struct pa pa, u64 size)
{
	int ret;

	spin_assert_held(&ownership_lock);
	ret = el2_map_linear(pa, size, EL2_RW);
	if (ret == -ENOBUFS && ownership_shrink_host())
		ret = el2_map_linear(pa, size, EL2_RW);
	return ret;
}

/*
 * If all pages are the host's alone, none is in the linear window: pages there are Keel's or shared
 * with it, and donation_lock prevents that they become so now.
 *
 * Map the memory at EL2 first, since that can be undone without fail, and the transition cannot.
 * Then read the beginning of each page: memory that faults is refused with -EFAULT. The rest of a
 * page need not be tried, since all of it is cleared before it is read. ownership_lock is held
 * throughout: whoever takes pages from Keel's pool holds it, so the tables that prepare() has
 * counted are still there when the transition unmaps.
 */
static int take_donation_locked(struct pa pa, u64 size)
{
	int ret = ownership_check_donate_keel(pa, size);

	if (ret)
		return ret == -ERANGE ? -EPERM : ret;
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

/* For ASSERT(), after pages came to a pool or went: so many of its runs are looked at. */
#define RUNS_LOOKED_AT 64

/* May use the pool's reserve: the donation brings in more pages than its tables take. */
static int take_for_pool(struct page_pool *pool, struct pa pa, u64 size)
{
	int ret;

	page_pool_set_reserve(pool, 0);
	ret = take_donation_locked(pa, size);
	page_pool_set_reserve(pool, KEEL_POOL_RESERVE);
	if (!ret && page_pool_add(pool, vm_pa_to_va(pa), size / SZ_4K))
		panic("pages at %#lx cannot be added to Keel's pool", pa.v);
	ASSERT(!page_pool_sane(pool, RUNS_LOOKED_AT));
	return ret;
}

/* Too small for a block: the pages are mapped as pages, so to unmap them later splits nothing. */
STATIC_ASSERT(KEEL_POOL_DONATE_PAGES *SZ_4K < SZ_2M, "what is given to the pool is no block");

static int check_for_pool(struct pa pa, u64 pages)
{
	if (pages != KEEL_POOL_DONATE_PAGES || !IS_ALIGNED(pa.v, pages * SZ_4K))
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

/* Take pages out of the pool, but leave the reserve; if need be, reclaim tables of the host's. */
static bool take_free_pages(struct page_pool *pool, struct pa pa, u64 pages)
{
	if (page_pool_spare(pool) >= pages && page_pool_take_range(pool, vm_pa_to_va(pa), pages))
		return true;
	return ownership_shrink_host() && page_pool_spare(pool) >= pages &&
	       page_pool_take_range(pool, vm_pa_to_va(pa), pages);
}

/* Both parties have kept the tables that the pages need, so the transition cannot fail. */
static int return_from_pool(struct page_pool *pool, struct pa pa, u64 pages)
{
	int ret;

	if (!ownership_is_keels(pa, pages * SZ_4K))
		return -EPERM;
	if (!take_free_pages(pool, pa, pages))
		return -EBUSY;
	ASSERT(!page_pool_sane(pool, RUNS_LOOKED_AT));
	el2_unmap_linear(pa, pages * SZ_4K);
	ret = ownership_reclaim_keel_locked(pa, pages * SZ_4K);
	if (ret)
		panic("pages of Keel's pool at %#lx cannot be reclaimed (error %d)", pa.v, ret);
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

/* A donation is unmapped as a whole, as it was mapped: no block is split, so this cannot fail. */
void donation_hide(const struct donation *donation)
{
	el2_unmap_linear(donation->pa, donation->pages * SZ_4K);
}

int donation_return(struct pa pa, u64 pages)
{
	int ret = ownership_reclaim_keel(pa, pages * SZ_4K);

	if (ret && ret != -ENOBUFS)
		panic("donated memory at %#lx cannot be reclaimed (error %d)", pa.v, ret);
	return ret;
}

/* A page of records with room for one more: the newest, or a new one from the VM's pool. */
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
	/* A new page of records can come from the donation itself, unless @keep is all of it. */
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
	ASSERT(donation_sane(vm));
	ASSERT(!page_pool_sane(&vm->pool, RUNS_LOOKED_AT));
	return 0;
}

bool donation_pop(struct vm *vm, struct donation *donation)
{
	struct donation_page *page = vm->donations;

	ASSERT(donation_sane(vm));
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

/* ---- consistency ---- */

#ifdef KEEL_DEBUG
static bool is_in_donation(const struct donation *donation, struct pa pa)
{
	return pa.v - donation->pa.v < donation->pages * SZ_4K;
}

/* Whether the page that holds records was donated no later than its first record tells. */
static bool page_is_in_time(const struct donation_page *page)
{
	const struct pa pa = vm_va_to_pa(page);

	if (page->count && is_in_donation(&page->record[0], pa))
		return true;
	for (const struct donation_page *older = page->older; older; older = older->older)
		for (u64 i = 0; i < older->count; i++)
			if (is_in_donation(&older->record[i], pa))
				return true;
	return false;
}

static bool records_are_sane(const struct donation_page *page)
{
	for (u64 i = 0; i < page->count; i++) {
		const struct donation *donation = &page->record[i];

		if (check_donation_range(donation->pa, donation->pages) ||
		    ownership_state(donation->pa) != OWNERSHIP_KEEL)
			return false;
	}
	return true;
}

/* Pages are filled before the next is begun, so all but the newest are full. */
static bool page_is_sane(const struct vm *vm, const struct donation_page *page)
{
	if (page == vm->donations ? page->count > DONATIONS_PER_PAGE
				  : page->count != DONATIONS_PER_PAGE)
		return false;
	return records_are_sane(page) && page_is_in_time(page);
}

bool donation_sane(const struct vm *vm)
{
	u64 pages = 0;

	for (const struct donation_page *page = vm->donations; page; page = page->older) {
		if (!page_is_sane(vm, page))
			return false;
		for (u64 i = 0; i < page->count; i++)
			pages += page->record[i].pages;
	}
	return vm->state == VM_DYING ? pages <= vm->donated_pages
				     : pages == vm->donated_pages && vm->pool.total <= pages;
}
#endif
