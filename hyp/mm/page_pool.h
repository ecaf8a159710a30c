/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages for page tables. EL2 has no heap: each stage 2 (and EL2's own map) takes pages from a pool
 * that its owner donated, so nobody can exhaust another's pool, or Keel's.
 *
 * Free pages form runs of adjacent pages, merged when they touch, in a balanced tree. A host can
 * make a pool of many single pages, so each operation takes time logarithmic in the number of runs,
 * whatever the order in which pages come.
 */
#ifndef KEEL_MM_PAGE_POOL_H
#define KEEL_MM_PAGE_POOL_H

#include <arch/spinlock.h>
#include <lib/types.h>

#define POOL_PAGE_SIZE SZ_4K

/* The bytes at the beginning of a free page that the pool uses. */
#define POOL_NODE_BYTES 32

/*
 * The reserve of Keel's own pool, which has the tables of EL2's map and of the host's stage 2.
 * KEEL_HC_POOL_DONATE may use the reserve: to split a block of the host's stage 2 takes one table
 * for each level below the root (3), and EL2's map one more at most (4), which is less than what
 * the call brings in. A fault of the host on a device finds the tables that it needs after the
 * tables of other devices are dropped. No other user touches the reserve.
 */
#define KEEL_POOL_RESERVE_DONATE 7
#define KEEL_POOL_RESERVE_DEVICE 4
#define KEEL_POOL_RESERVE	 (KEEL_POOL_RESERVE_DONATE + KEEL_POOL_RESERVE_DEVICE)

struct pool_run;

/*
 * Embedded in its owner's structure; only page_pool.c accesses the fields, but counters may be read
 * without the lock. The pages must stay mapped at EL2, and nowhere else, until
 * page_pool_take_range() takes them out.
 */
struct page_pool {
	struct spinlock lock;  /* guards the other fields, and the contents of free pages */
	struct pool_run *runs; /* the tree of free runs */
	u64 total;	       /* pages in the pool, free or allocated */
	u64 free;	       /* pages that are free */
	u64 low_water;	       /* the least value of @free since the pool was last empty of pages */
	u64 bad_frees;	       /* frees that were refused: a bug of Keel's */
	u64 reserve;	       /* page_pool_set_reserve() */
};

/**
 * page_pool_init() - an empty pool, or one that starts with a range
 * @pool:  the pool; needs no particular contents
 * @base:  EL2 address of the first page, 4K-aligned; NULL with @pages 0
 * @pages: how many pages
 *
 * Return: 0; -EINVAL when @base is not aligned, or the range wraps (the pool is then empty).
 */
int __must_check page_pool_init(struct page_pool *pool, void *base, u64 pages);

/**
 * page_pool_add() - donate pages to a pool
 *
 * Arguments as page_pool_init().
 *
 * Return: 0; -EINVAL when @base is not aligned, @pages is 0, or the range wraps or meets a page
 * that is already free in the pool (nothing was added).
 */
int __must_check page_pool_add(struct page_pool *pool, void *base, u64 pages);

/**
 * page_pool_take_range() - take free pages out of the pool, to give them back to their owner
 * @base:  EL2 address of the first page
 * @pages: how many
 *
 * Return: whether all of them were free; otherwise nothing was changed.
 */
bool page_pool_take_range(struct page_pool *pool, void *base, u64 pages);

/**
 * page_pool_alloc() - one page, zeroed
 *
 * Return: the page; NULL when none is free.
 */
void *page_pool_alloc(struct page_pool *pool);

/**
 * page_pool_alloc_run() - adjacent pages, aligned to their size and zeroed
 * @pool:  the pool
 * @order: log2 of how many pages, 0..20: for concatenated roots
 *
 * The first that fits, by address.
 *
 * Return: the first page; NULL when there is no such run, or @order is too large.
 */
void *page_pool_alloc_run(struct page_pool *pool, unsigned int order);

/**
 * page_pool_free() - give one page of page_pool_alloc() back
 *
 * A page that is free already is left alone and counted in bad_frees.
 */
void page_pool_free(struct page_pool *pool, void *page);

/* page_pool_free_run() - give a run of page_pool_alloc_run() back; as page_pool_free(). */
void page_pool_free_run(struct page_pool *pool, void *pages, unsigned int order);

/* page_pool_order_of() - the least order for page_pool_alloc_run() with room for @bytes */
static inline unsigned int page_pool_order_of(u64 bytes)
{
	unsigned int order = 0;

	while ((POOL_PAGE_SIZE << order) < bytes)
		order++;
	return order;
}

/* page_pool_available() - pages that are free now. Takes no lock: only a snapshot. */
u64 page_pool_available(const struct page_pool *pool);

/**
 * page_pool_has_runs() - whether page_pool_alloc_run() would succeed @count times in a row
 * @order: as for page_pool_alloc_run()
 * @count: how many
 *
 * Only a snapshot, as page_pool_available(). Visits at most @count runs that have such a block, and
 * their ancestors in the tree; none for order 0.
 */
bool page_pool_has_runs(struct page_pool *pool, unsigned int order, u64 count);

/**
 * page_pool_set_reserve() - set how many free pages are reserved
 * @pages: how many; 0 at first
 *
 * Allocation does not enforce it: users that must leave the reserve call page_pool_spare() before
 * they allocate, all under the same lock.
 */
void page_pool_set_reserve(struct page_pool *pool, u64 pages);

/* page_pool_spare() - free pages beyond the reserve. As page_pool_available(). */
u64 page_pool_spare(const struct page_pool *pool);

/**
 * page_pool_sane() - whether a pool is as the functions above leave it
 * @most: how many runs to look at, the lowest first; ~0ULL: all, and their sum
 *
 * For debug builds and tests: takes time linear in the runs that it looks at, under the pool's lock.
 *
 * Return: NULL, or what is wrong.
 */
const char *page_pool_sane(struct page_pool *pool, u64 most);

#endif
