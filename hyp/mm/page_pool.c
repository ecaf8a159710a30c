// SPDX-License-Identifier: BSD-2-Clause
/*
 * Pages for page tables. Free pages form runs of adjacent pages; no two runs touch. The node of a
 * run is in its own first page, so the pool takes no memory of its own.
 *
 *      pool->runs ──> ┌ node │ free page │ free page ┐          addresses ──>
 *                     └──┬───┬──────────────────────┘
 *           child[LEFT]  │   │  child[RIGHT]
 *                        v   v
 *                     runs at lower and at higher addresses
 *
 * The nodes are a search tree by address, balanced as an AVL tree: the heights of the two subtrees
 * of a node differ by one at most. Each node also has best_order, the order of the largest aligned
 * block in its subtree. So each operation goes down one path and up again, in O(log n) steps:
 *
 *      one page        the last page of the lowest run: most often no link changes
 *      2^order pages   the lowest run with best_order >= order; carve_run() takes them out
 *      free            find the neighbours; join with those that touch
 *
 * The way down records the links that it follows (struct path); rebalance_path() goes back up them,
 * restores the balance, and recomputes height and best_order of each node.
 *
 * Locking: pool->lock, around each operation. It is among the innermost locks; a page is zeroed
 * after the lock is released.
 *
 * A page that is freed twice overlaps a run, and one of another pool makes this one larger than its
 * total: such a page is not inserted, and counted in bad_frees.
 */
#include <arch/clear.h>
#include <lib/errno.h>
#include <mm/page_pool.h>

enum { LEFT, RIGHT };

struct pool_run {
	struct pool_run *child[2]; /* runs at lower and at higher addresses */
	u64 pages;
	u8 height;     /* of the subtree; a leaf's is 1 */
	u8 best_order; /* log2 of the pages of the largest aligned block in the subtree */
};

STATIC_ASSERT(sizeof(struct pool_run) <= POOL_NODE_BYTES, "the size that others rely on");

#define MAX_RUN_ORDER 20

/*
 * The height of an AVL tree of n nodes is less than 1.45 log2(n + 2). Between two runs there is a
 * page that is not free, so n is at most 2^39 in 2^52 bytes.
 */
#define MAX_HEIGHT 57

/* The links from the root down to a run, or to where it would be inserted. */
struct path {
	struct pool_run **link[MAX_HEIGHT + 1];
	unsigned int depth;
};

/* ---- runs ---- */

static uintptr_t run_start(const struct pool_run *run)
{
	return (uintptr_t)run;
}

static uintptr_t run_end(const struct pool_run *run)
{
	return (uintptr_t)run + (uintptr_t)(run->pages * POOL_PAGE_SIZE);
}

static bool pool_range_valid(const void *base, u64 pages)
{
	uintptr_t start = (uintptr_t)base;

	return base && pages != 0 && IS_ALIGNED(start, POOL_PAGE_SIZE) &&
	       pages <= (UINTPTR_MAX - start) / POOL_PAGE_SIZE;
}

static unsigned int log2_of(u64 value)
{
	return 63 - (unsigned int)__builtin_clzll(value);
}

/*
 * The order of the largest aligned block in a run. Such a block begins or ends at the most aligned
 * page number in [first, end]. That is end with all bits cleared below the highest bit in which
 * first - 1 and end differ.
 */
static unsigned int largest_order(const struct pool_run *run)
{
	u64 first = run_start(run) / POOL_PAGE_SIZE, end = first + run->pages;
	u64 middle = end & ~(BIT(log2_of((first - 1) ^ end)) - 1);
	u64 before = middle - first, behind = end - middle;

	return log2_of(MAX(before, behind));
}

/* How many aligned blocks of @size bytes @run contains. */
static u64 runs_within(const struct pool_run *run, uintptr_t size)
{
	uintptr_t start = ALIGN_UP(run_start(run), size), end = ALIGN_DOWN(run_end(run), size);

	return end > start ? (end - start) / size : 0;
}

/* ---- the tree ---- */

static unsigned int height_of(const struct pool_run *run)
{
	return run ? run->height : 0;
}

static bool has_order(const struct pool_run *run, unsigned int order)
{
	return run && run->best_order >= order;
}

static void update_node(struct pool_run *run)
{
	const struct pool_run *left = run->child[LEFT], *right = run->child[RIGHT];
	unsigned int best = largest_order(run);

	if (left)
		best = MAX(best, left->best_order);
	if (right)
		best = MAX(best, right->best_order);
	run->best_order = (u8)best;
	run->height = (u8)(1 + MAX(height_of(left), height_of(right)));
}

/* Rotate: the child on @side takes the place of its parent. */
static void rotate_tree(struct pool_run **link, unsigned int side)
{
	struct pool_run *run = *link, *up = run->child[side];

	run->child[side] = up->child[!side];
	up->child[!side] = run;
	update_node(run);
	update_node(up);
	*link = up;
}

static void balance_tree(struct pool_run **link)
{
	struct pool_run *run = *link, *taller;
	unsigned int tall;

	if (!run) /* cannot be: the links of a path lead to runs */
		return;
	tall = height_of(run->child[RIGHT]) > height_of(run->child[LEFT]);
	taller = run->child[tall];
	if (height_of(taller) <= height_of(run->child[!tall]) + 1) {
		update_node(run);
		return;
	}
	if (height_of(taller->child[!tall]) > height_of(taller->child[tall]))
		rotate_tree(&run->child[tall], !tall);
	rotate_tree(link, tall);
}

/* After a change in or below the last run of the path: update all its nodes, from below. */
static void rebalance_path(struct path *path)
{
	while (path->depth)
		balance_tree(path->link[--path->depth]);
}

static struct pool_run **step_down(struct path *path, struct pool_run **link, unsigned int side)
{
	path->link[path->depth++] = link;
	return &(*link)->child[side];
}

/* Go down to the run at @start, or to where it would be inserted. */
static struct pool_run **find_run(struct page_pool *pool, uintptr_t start, struct path *path)
{
	struct pool_run **link = &pool->runs;

	path->depth = 0;
	while (*link && run_start(*link) != start)
		link = step_down(path, link, run_start(*link) < start);
	return link;
}

/* Take @run out of the tree. If it has a right subtree, the lowest run of that takes its place. */
static void unlink_run(struct page_pool *pool, struct pool_run *run)
{
	struct path path;
	struct pool_run **place = find_run(pool, run_start(run), &path), **link, *next;
	unsigned int below;

	if (!run->child[RIGHT]) {
		*place = run->child[LEFT];
		rebalance_path(&path);
		return;
	}
	link = step_down(&path, place, RIGHT);
	below = path.depth;
	while ((*link)->child[LEFT])
		link = step_down(&path, link, LEFT);
	next = *link;
	*link = next->child[RIGHT];
	next->child[LEFT] = run->child[LEFT];
	next->child[RIGHT] = run->child[RIGHT];
	*place = next;
	if (path.depth > below) /* this link was in @run, which is no longer in the tree */
		path.link[below] = &next->child[RIGHT];
	rebalance_path(&path);
}

/* Insert a range that touches no run. */
static void link_run(struct page_pool *pool, void *base, u64 pages)
{
	struct path path;
	struct pool_run **link = find_run(pool, (uintptr_t)base, &path), *run = base;

	*run = (struct pool_run){ .pages = pages };
	*link = run;
	path.link[path.depth++] = link;
	rebalance_path(&path);
}

/* ---- insertion ---- */

/* The last run that starts below @start, and the first that starts at or above it; or NULL. */
static void find_neighbours(struct page_pool *pool, uintptr_t start, struct pool_run **before,
			    struct pool_run **behind)
{
	struct pool_run *run = pool->runs;

	*before = *behind = NULL;
	while (run) {
		if (run_start(run) < start) {
			*before = run;
			run = run->child[RIGHT];
		} else {
			*behind = run;
			run = run->child[LEFT];
		}
	}
}

/* Change the length of @run. */
static void resize_run(struct page_pool *pool, struct pool_run *run, u64 pages)
{
	struct path path;
	struct pool_run **link = find_run(pool, run_start(run), &path);

	path.link[path.depth++] = link;
	run->pages = pages;
	rebalance_path(&path);
}

/* Insert a range, joined with the runs that it touches. Return: false if a run overlaps it. */
static bool insert_range(struct page_pool *pool, void *base, u64 pages)
{
	uintptr_t start = (uintptr_t)base, end = start + (uintptr_t)(pages * POOL_PAGE_SIZE);
	struct pool_run *before, *behind;

	find_neighbours(pool, start, &before, &behind);
	if ((before && run_end(before) > start) || (behind && run_start(behind) < end))
		return false;
	if (behind && run_start(behind) == end) {
		pages += behind->pages;
		unlink_run(pool, behind);
	}
	if (before && run_end(before) == start)
		resize_run(pool, before, before->pages + pages);
	else
		link_run(pool, base, pages);
	return true;
}

/* ---- removal ---- */

/* Take [start, start + pages) out of @run; the pages before and behind stay free. */
static void carve_run(struct page_pool *pool, struct pool_run *run, uintptr_t start, u64 pages)
{
	uintptr_t end = start + (uintptr_t)(pages * POOL_PAGE_SIZE);
	u64 before = (start - run_start(run)) / POOL_PAGE_SIZE;
	u64 behind = (run_end(run) - end) / POOL_PAGE_SIZE;

	if (before)
		resize_run(pool, run, before);
	else
		unlink_run(pool, run);
	if (behind)
		link_run(pool, (void *)end, behind);
}

/* Take the last page of the lowest run, so that most often no link changes. */
static void *remove_page(struct page_pool *pool)
{
	struct pool_run **link = &pool->runs, *run;
	struct path path = { .depth = 0 };

	if (!*link)
		return NULL;
	while ((*link)->child[LEFT])
		link = step_down(&path, link, LEFT);
	run = *link;
	run->pages--;
	if (run->pages)
		path.link[path.depth++] = link;
	else
		*link = run->child[RIGHT];
	rebalance_path(&path);
	return (void *)run_end(run);
}

/* The lowest run that has an aligned block of this order. */
static struct pool_run *first_fit(const struct page_pool *pool, unsigned int order)
{
	struct pool_run *run = pool->runs;

	while (has_order(run, order)) {
		if (has_order(run->child[LEFT], order))
			run = run->child[LEFT];
		else if (largest_order(run) >= order)
			return run;
		else
			run = run->child[RIGHT];
	}
	return NULL;
}

static void *remove_run(struct page_pool *pool, unsigned int order)
{
	struct pool_run *run = first_fit(pool, order);
	uintptr_t start;

	if (!run)
		return NULL;
	start = ALIGN_UP(run_start(run), (uintptr_t)(POOL_PAGE_SIZE << order));
	carve_run(pool, run, start, BIT(order));
	return (void *)start;
}

static bool remove_pages(struct page_pool *pool, uintptr_t start, u64 pages)
{
	struct pool_run *run, *behind;

	find_neighbours(pool, start + 1, &run, &behind);
	if (!run || start >= run_end(run) || pages > (run_end(run) - start) / POOL_PAGE_SIZE)
		return false;
	carve_run(pool, run, start, pages);
	return true;
}

/*
 * Count aligned blocks up to @most. Visits at most @most runs that have one, and their ancestors.
 */
static u64 count_blocks(const struct page_pool *pool, unsigned int order, u64 most)
{
	const struct pool_run *waiting[MAX_HEIGHT], *run = pool->runs;
	unsigned int depth = 0;
	u64 found = 0;

	for (;;) {
		for (; has_order(run, order); run = run->child[LEFT])
			waiting[depth++] = run;
		if (!depth || found >= most)
			return found;
		run = waiting[--depth];
		found += runs_within(run, (uintptr_t)(POOL_PAGE_SIZE << order));
		run = run->child[RIGHT];
	}
}

/* ---- what holds between two operations ---- */

/* Whether an aligned block of @order is in @run, or below it by the nodes there. */
static bool subtree_has_order(const struct pool_run *run, unsigned int order)
{
	return largest_order(run) >= order || has_order(run->child[LEFT], order) ||
	       has_order(run->child[RIGHT], order);
}

static const char *find_wrong_node(const struct pool_run *run)
{
	unsigned int left = height_of(run->child[LEFT]), right = height_of(run->child[RIGHT]);

	if (!pool_range_valid(run, run->pages))
		return "a run is empty, or not of pages";
	if (MAX(left, right) > MIN(left, right) + 1)
		return "the tree is not balanced";
	if (run->height != 1 + MAX(left, right))
		return "a height is not that of the subtree";
	if (!subtree_has_order(run, run->best_order) || subtree_has_order(run, run->best_order + 1))
		return "a best_order is not that of the subtree";
	return NULL;
}

/* Look at runs by address, at @most of them; *@pages: how many pages they have. */
static const char *find_wrong_run(const struct page_pool *pool, u64 most, u64 *pages)
{
	const struct pool_run *waiting[MAX_HEIGHT], *run = pool->runs;
	const char *why = NULL;
	unsigned int depth = 0;
	uintptr_t end = 0;

	for (*pages = 0; most && !why; most--) {
		for (; run && depth < MAX_HEIGHT; run = run->child[LEFT])
			waiting[depth++] = run;
		if (run)
			return "the tree is too high";
		if (!depth)
			return NULL;
		run = waiting[--depth];
		why = run_start(run) <= end ? "runs touch, or are not in order"
					    : find_wrong_node(run);
		end = run_end(run);
		*pages += run->pages;
		run = run->child[RIGHT];
	}
	return why;
}

static const char *find_wrong_count(const struct page_pool *pool, u64 most, u64 pages)
{
	if (pages > pool->free || (most == ~0ULL && pages != pool->free))
		return "the free pages are not counted";
	if (pool->free > pool->total || pool->low_water > pool->free)
		return "there are more free pages than pages, or were never so few";
	return NULL;
}

const char *page_pool_sane(struct page_pool *pool, u64 most)
{
	const char *why;
	u64 pages;

	spin_lock(&pool->lock);
	why = find_wrong_run(pool, most, &pages);
	if (!why)
		why = find_wrong_count(pool, most, pages);
	spin_unlock(&pool->lock);
	return why;
}

/* ---- public functions ---- */

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

	if (!pool_range_valid(base, pages))
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

bool page_pool_take_range(struct page_pool *pool, void *base, u64 pages)
{
	bool taken;

	if (!pool_range_valid(base, pages))
		return false;
	spin_lock(&pool->lock);
	taken = remove_pages(pool, (uintptr_t)base, pages);
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
		clear_pages(page, POOL_PAGE_SIZE);
	return page;
}

void *page_pool_alloc_run(struct page_pool *pool, unsigned int order)
{
	void *pages;

	if (order > MAX_RUN_ORDER)
		return NULL;
	spin_lock(&pool->lock);
	pages = remove_run(pool, order);
	if (pages)
		count_taken(pool, BIT(order));
	spin_unlock(&pool->lock);
	if (pages)
		clear_pages(pages, POOL_PAGE_SIZE << order);
	return pages;
}

void page_pool_free(struct page_pool *pool, void *page)
{
	page_pool_free_run(pool, page, 0);
}

void page_pool_free_run(struct page_pool *pool, void *pages, unsigned int order)
{
	spin_lock(&pool->lock);
	if (order <= MAX_RUN_ORDER && pool_range_valid(pages, BIT(order)) &&
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

bool page_pool_has_runs(struct page_pool *pool, unsigned int order, u64 count)
{
	u64 found;

	if (!order)
		return page_pool_available(pool) >= count;
	if (order > MAX_RUN_ORDER)
		return !count;
	spin_lock(&pool->lock);
	found = count_blocks(pool, order, count);
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
