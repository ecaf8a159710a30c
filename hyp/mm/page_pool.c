// SPDX-License-Identifier: BSD-2-Clause
/*
 * Pages for page tables: runs of free pages, each described in its own first page, in a list in
 * address order. No two runs touch.
 */
#include <lib/errno.h>
#include <mm/page_pool.h>

struct pool_run {
	struct pool_run *next;
	u64 pages;
};

#define MAX_RUN_ORDER 20

static uintptr_t run_start(const struct pool_run *run)
{
	return (uintptr_t)run;
}

static uintptr_t run_end(const struct pool_run *run)
{
	return (uintptr_t)run + (uintptr_t)(run->pages * POOL_PAGE_SIZE);
}

static bool range_valid(const void *base, u64 pages)
{
	uintptr_t start = (uintptr_t)base;

	return base && pages != 0 && IS_ALIGNED(start, POOL_PAGE_SIZE) &&
	       pages <= (UINTPTR_MAX - start) / POOL_PAGE_SIZE;
}

/* Puts a range on the free list, joined with its neighbours; false if some of it is there. */
static bool insert_range(struct page_pool *pool, void *base, u64 pages)
{
	uintptr_t start = (uintptr_t)base, end = start + (uintptr_t)(pages * POOL_PAGE_SIZE);
	struct pool_run *run = base, *before = NULL, *after = pool->runs;

	while (after && run_start(after) < start) {
		before = after;
		after = after->next;
	}
	if ((before && run_end(before) > start) || (after && run_start(after) < end))
		return false;
	run->pages = pages;
	run->next = after;
	if (after && run_start(after) == end) {
		run->pages += after->pages;
		run->next = after->next;
	}
	if (before && run_end(before) == start) {
		before->pages += run->pages;
		before->next = run->next;
	} else if (before) {
		before->next = run;
	} else {
		pool->runs = run;
	}
	return true;
}

/* Takes the last page of the first run, so that most often no link changes. */
static void *remove_page(struct page_pool *pool)
{
	struct pool_run *run = pool->runs;

	if (!run)
		return NULL;
	run->pages--;
	if (run->pages == 0)
		pool->runs = run->next;
	return (void *)run_end(run);
}

/* Takes [start, start + pages) out of *link; what is left before and behind stays free. */
static void carve(struct pool_run **link, uintptr_t start, u64 pages)
{
	struct pool_run *run = *link, *rest = run->next;
	uintptr_t end = start + (uintptr_t)(pages * POOL_PAGE_SIZE);
	u64 behind = (run_end(run) - end) / POOL_PAGE_SIZE;

	if (behind) {
		struct pool_run *tail = (void *)end;

		tail->pages = behind;
		tail->next = rest;
		rest = tail;
	}
	run->pages = (start - run_start(run)) / POOL_PAGE_SIZE;
	if (run->pages)
		run->next = rest;
	else
		*link = rest;
}

static void *remove_run(struct page_pool *pool, u64 pages)
{
	uintptr_t size = (uintptr_t)(pages * POOL_PAGE_SIZE);

	for (struct pool_run **link = &pool->runs; *link; link = &(*link)->next) {
		uintptr_t start = ALIGN_UP(run_start(*link), size), end = run_end(*link);

		if (start >= end || end - start < size)
			continue;
		carve(link, start, pages);
		return (void *)start;
	}
	return NULL;
}

static void count_taken(struct page_pool *pool, u64 pages)
{
	pool->free -= pages;
	pool->low_water = MIN(pool->low_water, pool->free);
}

int page_pool_init(struct page_pool *pool, void *base, u64 pages)
{
	*pool = (struct page_pool){ .lock = SPINLOCK_INIT(LOCK_PAGE_POOL) };
	return pages ? page_pool_add(pool, base, pages) : 0;
}

int page_pool_add(struct page_pool *pool, void *base, u64 pages)
{
	bool added;

	if (!range_valid(base, pages))
		return -EINVAL;
	spin_lock(&pool->lock);
	added = insert_range(pool, base, pages);
	if (added) {
		if (pool->total == 0)
			pool->low_water = pages;
		pool->total += pages;
		pool->free += pages;
	}
	spin_unlock(&pool->lock);
	return added ? 0 : -EINVAL;
}

void *page_pool_take(struct page_pool *pool)
{
	void *page;

	spin_lock(&pool->lock);
	page = remove_page(pool);
	if (page) {
		count_taken(pool, 1);
		pool->total--;
	}
	spin_unlock(&pool->lock);
	return page;
}

static bool remove_range(struct page_pool *pool, uintptr_t start, u64 pages)
{
	for (struct pool_run **link = &pool->runs; *link; link = &(*link)->next) {
		if (start < run_start(*link) || start >= run_end(*link))
			continue;
		if (pages > (run_end(*link) - start) / POOL_PAGE_SIZE)
			return false;
		carve(link, start, pages);
		return true;
	}
	return false;
}

bool page_pool_take_range(struct page_pool *pool, void *base, u64 pages)
{
	bool taken;

	if (!range_valid(base, pages))
		return false;
	spin_lock(&pool->lock);
	taken = remove_range(pool, (uintptr_t)base, pages);
	if (taken) {
		count_taken(pool, pages);
		pool->total -= pages;
	}
	spin_unlock(&pool->lock);
	return taken;
}

void *page_pool_alloc(struct page_pool *pool)
{
	void *page;

	spin_lock(&pool->lock);
	page = remove_page(pool);
	if (page)
		count_taken(pool, 1);
	spin_unlock(&pool->lock);
	if (page)
		__builtin_memset(page, 0, POOL_PAGE_SIZE);
	return page;
}

void *page_pool_alloc_run(struct page_pool *pool, unsigned int order)
{
	void *pages;

	if (order > MAX_RUN_ORDER)
		return NULL;
	spin_lock(&pool->lock);
	pages = remove_run(pool, BIT(order));
	if (pages)
		count_taken(pool, BIT(order));
	spin_unlock(&pool->lock);
	if (pages)
		__builtin_memset(pages, 0, POOL_PAGE_SIZE << order);
	return pages;
}

void page_pool_free(struct page_pool *pool, void *page)
{
	page_pool_free_run(pool, page, 0);
}

void page_pool_free_run(struct page_pool *pool, void *pages, unsigned int order)
{
	spin_lock(&pool->lock);
	if (order <= MAX_RUN_ORDER && range_valid(pages, BIT(order)) &&
	    BIT(order) <= pool->total - pool->free && insert_range(pool, pages, BIT(order)))
		pool->free += BIT(order);
	else
		pool->bad_frees++;
	spin_unlock(&pool->lock);
}

u64 page_pool_available(const struct page_pool *pool)
{
	return READ_ONCE(pool->free);
}

/* Aligned runs of so many bytes that lie in @run. */
static u64 runs_within(const struct pool_run *run, uintptr_t size)
{
	uintptr_t start = ALIGN_UP(run_start(run), size), end = ALIGN_DOWN(run_end(run), size);

	return end > start ? (end - start) / size : 0;
}

bool page_pool_has_runs(struct page_pool *pool, unsigned int order, u64 count)
{
	const struct pool_run *run;
	u64 found = 0;

	if (!order)
		return page_pool_available(pool) >= count;
	if (order > MAX_RUN_ORDER)
		return !count;
	spin_lock(&pool->lock);
	for (run = pool->runs; run && found < count; run = run->next)
		found += runs_within(run, (uintptr_t)(POOL_PAGE_SIZE << order));
	spin_unlock(&pool->lock);
	return found >= count;
}

void page_pool_set_reserve(struct page_pool *pool, u64 pages)
{
	WRITE_ONCE(pool->reserve, pages);
}

u64 page_pool_spare(const struct page_pool *pool)
{
	u64 free = page_pool_available(pool), reserve = READ_ONCE(pool->reserve);

	return free > reserve ? free - reserve : 0;
}
