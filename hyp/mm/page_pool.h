/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages for page tables. EL2 has no heap: each stage 2 (and EL2's own map) draws on a pool of pages
 * that its owner donated, so that nobody can exhaust another's, or Keel's.
 *
 * The free pages describe themselves: runs of adjacent free pages, merged when they touch, in a
 * balanced tree. A host can make a pool of many single pages, so each operation takes a time that
 * grows with the logarithm of their number, no matter in which order they came.
 */
#ifndef KEEL_MM_PAGE_POOL_H
#define KEEL_MM_PAGE_POOL_H

#include <arch/spinlock.h>
#include <lib/types.h>

#define POOL_PAGE_SIZE SZ_4K

/* What the pool reads of a free page: its first bytes. */
#define POOL_NODE_BYTES 32

/*
 * The reserve of Keel's own pool, from which come the tables of EL2's map and the host's stage 2.
 * KEEL_HC_POOL_DONATE takes less for the tables of what it is given than it is given, and finds
 * that much: to cut a block out of the host's stage 2 takes one a level below the root (3), EL2's
 * map at most one more than that (4). The host's devices find what one fault can ask for once
 * those that were mapped before are dropped. All others leave the reserve alone.
 */
#define KEEL_POOL_RESERVE_DONATE 7
#define KEEL_POOL_RESERVE_DEVICE 4
#define KEEL_POOL_RESERVE	 (KEEL_POOL_RESERVE_DONATE + KEEL_POOL_RESERVE_DEVICE)

struct pool_run;

/*
 * Owned by whoever embeds it; only page_pool.c looks inside. Counters may be read without the lock.
 * Its pages must stay mapped at EL2 (and nowhere else) until
 * page_pool_take_range() gives them back.
 */
struct page_pool {
	struct spinlock lock;  /* guards all of the below, and the insides of free pages */
	struct pool_run *runs; /* the tree of free runs */
	u64 total;	       /* pages in the pool, free or allocated */
	u64 free;	       /* pages that are free */
	u64 low_water; /* the least that free has ever been since the pool last grew from 0 */
	u64 bad_frees; /* frees refused because the page was free already: a bug of Keel's */
	u64 reserve;   /* page_pool_set_reserve() */
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
 * page_pool_take_range() - take these free pages out of the pool for good, to give them back
 * @base:  EL2 address of the first page
 * @pages: how many
 *
 * Return: whether all of them were free; else nothing changed.
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

/* page_pool_available() - pages that are free now. Without the lock: a number, not a promise. */
u64 page_pool_available(const struct page_pool *pool);

/**
 * page_pool_has_runs() - whether page_pool_alloc_run() would succeed so many times in a row
 * @order: as there
 * @count: how many
 *
 * A number, not a promise, as page_pool_available(). Looks at no more than @count runs that have
 * one, and the way to each in the tree; at none for order 0.
 */
bool page_pool_has_runs(struct page_pool *pool, unsigned int order, u64 count);

/**
 * page_pool_set_reserve() - keep free pages back
 * @pages: how many; 0 to begin with
 *
 * Nothing enforces it: who may not have the last pages asks page_pool_spare() before it allocates,
 * under a lock that all who do so hold.
 */
void page_pool_set_reserve(struct page_pool *pool, u64 pages);

/* page_pool_spare() - free pages beyond the reserve. As page_pool_available(). */
u64 page_pool_spare(const struct page_pool *pool);

#endif
