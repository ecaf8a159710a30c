// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/mm/page_pool.c */
/* Page pools: pages that are allocated are zeroed, aligned, from the pool, and given out once. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <lib/errno.h>
#include <mm/page_pool.h>

#define PAGE  POOL_PAGE_SIZE
#define PAGES 256

static u8 *arena;	/* PAGES pages, aligned to their size */
static u8 owner[PAGES]; /* 0: not the pool's; 1: free in it; 2: allocated */
static struct page_pool pool;

enum { OUTSIDE, FREE, TAKEN };

static int fresh_pool(void **state)
{
	if (!arena)
		arena = aligned_alloc(PAGES * PAGE, PAGES * PAGE);
	assert_non_null(arena);
	memset(arena, 0xcc, PAGES * PAGE);
	memset(owner, OUTSIDE, sizeof(owner));
	assert_int_equal(page_pool_init(&pool, NULL, 0), 0);
	return 0;
}

static u8 *page_at(size_t i)
{
	return arena + i * PAGE;
}

static void add(size_t first, size_t n)
{
	assert_int_equal(page_pool_add(&pool, page_at(first), n), 0);
	memset(owner + first, FREE, n);
}

/* Checks what an allocation gave and dirties it. */
static void expect_fresh(u8 *pages, size_t n)
{
	size_t first = (size_t)(pages - arena) / PAGE;

	assert_true(pages >= arena && first + n <= PAGES);
	assert_int_equal((uintptr_t)pages % (n * PAGE), 0);
	for (size_t i = 0; i < n; i++) {
		if (owner[first + i] != FREE)
			fail_msg("page %zu was handed out but is not free", first + i);
		owner[first + i] = TAKEN;
	}
	for (size_t i = 0; i < n * PAGE; i++)
		if (pages[i])
			fail_msg("byte %zu of %zu pages is %#x, not zero", i, n, pages[i]);
	memset(pages, 0xdd, n * PAGE);
}

static size_t count(u8 what)
{
	size_t n = 0;

	for (size_t i = 0; i < PAGES; i++)
		n += owner[i] == what;
	return n;
}

static void expect_counters(void)
{
	assert_int_equal(page_pool_available(&pool), count(FREE));
	assert_int_equal(pool.total, count(FREE) + count(TAKEN));
	assert_false(spin_is_locked(&pool.lock));
	assert_null(page_pool_sane(&pool, ~0ULL));
	assert_null(page_pool_sane(&pool, 3));
}

/* Some free page, which leaves the pool. */
static void *take_any(struct page_pool *from)
{
	void *page = page_pool_alloc(from);

	if (!page)
		return NULL;
	page_pool_free(from, page);
	assert_true(page_pool_take_range(from, page, 1));
	return page;
}

static void an_empty_pool_gives_nothing(void **state)
{
	assert_null(page_pool_alloc(&pool));
	assert_null(page_pool_alloc_run(&pool, 0));
	assert_null(take_any(&pool));
	expect_counters();
}

static void every_page_is_given_once(void **state)
{
	assert_int_equal(page_pool_init(&pool, page_at(3), 20), 0);
	memset(owner + 3, FREE, 20);
	for (size_t i = 0; i < 20; i++) {
		expect_fresh(page_pool_alloc(&pool), 1);
		expect_counters();
	}
	assert_null(page_pool_alloc(&pool));
	assert_int_equal(pool.low_water, 0);
}

static void bad_ranges_are_refused(void **state)
{
	assert_int_equal(page_pool_init(&pool, page_at(0) + 8, 4), -EINVAL);
	assert_int_equal(pool.total, 0);
	assert_int_equal(page_pool_add(&pool, page_at(0), 0), -EINVAL);
	assert_int_equal(page_pool_add(&pool, NULL, 4), -EINVAL);
	assert_int_equal(page_pool_add(&pool, page_at(0) + 1, 4), -EINVAL);
	assert_int_equal(page_pool_add(&pool, page_at(0), ~0ULL), -EINVAL);
	assert_int_equal(page_pool_add(&pool, page_at(0), BIT(52)), -EINVAL);
	add(10, 10);
	/* any overlap with what is free: from the left, the right, inside, around, the same */
	assert_int_equal(page_pool_add(&pool, page_at(5), 6), -EINVAL);
	assert_int_equal(page_pool_add(&pool, page_at(19), 6), -EINVAL);
	assert_int_equal(page_pool_add(&pool, page_at(12), 3), -EINVAL);
	assert_int_equal(page_pool_add(&pool, page_at(5), 50), -EINVAL);
	assert_int_equal(page_pool_add(&pool, page_at(10), 10), -EINVAL);
	expect_counters();
	add(5, 5);
	add(20, 5);
	expect_counters();
	for (size_t i = 0; i < 20; i++)
		expect_fresh(page_pool_alloc(&pool), 1);
}

static void runs_are_aligned_and_what_is_left_stays_free(void **state)
{
	add(1, 30);
	expect_fresh(page_pool_alloc_run(&pool, 3), 8); /* 8..15 */
	assert_int_equal(owner[8], TAKEN);
	expect_counters();
	expect_fresh(page_pool_alloc_run(&pool, 3), 8); /* 16..23 */
	assert_null(page_pool_alloc_run(&pool, 3));
	expect_fresh(page_pool_alloc_run(&pool, 2), 4); /* 4..7 */
	expect_fresh(page_pool_alloc_run(&pool, 2), 4); /* 24..27 */
	assert_null(page_pool_alloc_run(&pool, 2));
	expect_fresh(page_pool_alloc_run(&pool, 1), 2); /* 2..3 */
	expect_fresh(page_pool_alloc_run(&pool, 0), 1);
	expect_fresh(page_pool_alloc_run(&pool, 1), 2); /* 28..29 */
	expect_fresh(page_pool_alloc(&pool), 1);
	assert_null(page_pool_alloc(&pool));
	assert_int_equal(count(TAKEN), 30);
	expect_counters();
}

static void an_order_out_of_range_is_refused(void **state)
{
	add(0, PAGES);
	assert_null(page_pool_alloc_run(&pool, 9));
	assert_null(page_pool_alloc_run(&pool, 20));
	assert_null(page_pool_alloc_run(&pool, 21));
	assert_null(page_pool_alloc_run(&pool, 64));
	assert_null(page_pool_alloc_run(&pool, ~0u));
	assert_false(page_pool_has_runs(&pool, 21, 1));
	assert_false(page_pool_has_runs(&pool, ~0u, 1));
	assert_true(page_pool_has_runs(&pool, ~0u, 0));
	expect_counters();
	expect_fresh(page_pool_alloc_run(&pool, 8), 256);
	assert_null(page_pool_alloc(&pool));
}

/* Freed in any order, pages join to the run that they came from. */
static void freed_pages_join(void **state)
{
	for (size_t stride = 1; stride < 64; stride += 2) {
		fresh_pool(NULL);
		add(0, 64);
		for (size_t i = 0; i < 64; i++)
			expect_fresh(page_pool_alloc(&pool), 1);
		for (size_t i = 0; i < 64; i++) {
			page_pool_free(&pool, page_at(i * stride % 64));
			owner[i * stride % 64] = FREE;
			expect_counters();
		}
		expect_fresh(page_pool_alloc_run(&pool, 6), 64);
	}
}

static void a_double_free_is_counted_and_does_no_harm(void **state)
{
	u8 *run, *page;

	add(0, 32);
	run = page_pool_alloc_run(&pool, 2);
	page = page_pool_alloc(&pool);
	page_pool_free(&pool, page);
	page_pool_free(&pool, page);
	assert_int_equal(pool.bad_frees, 1);
	page_pool_free_run(&pool, run, 3); /* more than was given: the rest is free */
	assert_int_equal(pool.bad_frees, 2);
	page_pool_free(&pool, run + 16);
	page_pool_free(&pool, NULL);
	page_pool_free_run(&pool, run, 64);
	assert_int_equal(pool.bad_frees, 5);
	assert_int_equal(pool.free, 28);
	page_pool_free_run(&pool, run, 2);
	assert_int_equal(pool.bad_frees, 5);
	assert_int_equal(pool.free, 32);
	page_pool_free(&pool, page_at(100)); /* all are free, so this cannot be the pool's */
	assert_int_equal(pool.bad_frees, 6);
	expect_counters();
}

static void taken_pages_leave_the_pool(void **state)
{
	add(0, 4);
	for (size_t i = 0; i < 3; i++) {
		u8 *page = take_any(&pool);

		owner[(page - arena) / PAGE] = OUTSIDE;
		expect_counters();
	}
	expect_fresh(page_pool_alloc(&pool), 1);
	assert_null(take_any(&pool));
	assert_int_equal(pool.total, 1);
}

static void a_range_is_taken_if_all_of_it_is_free(void **state)
{
	void *page;

	add(0, 32);
	add(40, 8);
	page = page_at(31);
	assert_ptr_equal(page_pool_alloc(&pool), page);
	owner[31] = TAKEN;
	assert_false(page_pool_take_range(&pool, page_at(30), 2));
	assert_false(page_pool_take_range(&pool, page_at(32), 8)); /* not the pool's */
	assert_false(page_pool_take_range(&pool, page_at(44), 8));
	assert_false(page_pool_take_range(&pool, page_at(8), 0));
	expect_counters();
	/* From a run's middle, start and end, and a whole one. */
	assert_true(page_pool_take_range(&pool, page_at(8), 8));
	assert_true(page_pool_take_range(&pool, page_at(0), 4));
	assert_true(page_pool_take_range(&pool, page_at(16), 15));
	assert_true(page_pool_take_range(&pool, page_at(40), 8));
	memset(owner, OUTSIDE, 48);
	memset(owner + 4, FREE, 4);
	owner[31] = TAKEN;
	expect_counters();
	assert_false(page_pool_take_range(&pool, page_at(0), 4));
	expect_fresh(page_pool_alloc_run(&pool, 2), 4);
	page_pool_free(&pool, page);
	assert_int_equal(pool.bad_frees, 0);
	assert_int_equal(pool.total, 5);
}

static void low_water_is_the_least_there_was(void **state)
{
	void *a, *b;

	add(0, 10);
	assert_int_equal(pool.low_water, 10);
	a = page_pool_alloc(&pool);
	b = page_pool_alloc_run(&pool, 2);
	assert_int_equal(pool.low_water, 5);
	page_pool_free(&pool, a);
	page_pool_free_run(&pool, b, 2);
	assert_int_equal(pool.low_water, 5);
	add(10, 10);
	assert_int_equal(pool.low_water, 5);
	assert_non_null(take_any(&pool));
	assert_int_equal(pool.low_water, 5);
}

static u32 random_below(u64 *seed, u32 n)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (u32)(*seed >> 33) % n;
}

/* How many runs the pool could serve: aligned ranges of free pages. */
static u64 runs_possible(unsigned int order)
{
	size_t n = (size_t)1 << order;
	u64 found = 0;

	for (size_t i = 0; i + n <= PAGES; i += n)
		found += !memchr(owner + i, OUTSIDE, n) && !memchr(owner + i, TAKEN, n);
	return found;
}

static void expect_runs(unsigned int order)
{
	u64 possible = runs_possible(order);

	assert_true(page_pool_has_runs(&pool, order, possible));
	assert_false(page_pool_has_runs(&pool, order, possible + 1));
	assert_true(page_pool_has_runs(&pool, order, possible / 2));
}

static void random_alloc(u64 *seed)
{
	unsigned int order = random_below(seed, 2) ? 0 : random_below(seed, 5);
	u64 possible = runs_possible(order);
	u8 *pages = order ? page_pool_alloc_run(&pool, order) : page_pool_alloc(&pool);

	if (!!pages != (possible > 0))
		fail_msg("order %u: %s", order, pages ? "served" : "refused");
	if (pages)
		expect_fresh(pages, (size_t)1 << order);
}

/* Frees, takes out or donates the page. */
static void random_change(u64 *seed, size_t page)
{
	u8 *taken;

	if (owner[page] == OUTSIDE) {
		add(page, 1);
	} else if (owner[page] == TAKEN) {
		page_pool_free(&pool, page_at(page));
		owner[page] = FREE;
	} else if (random_below(seed, 4) == 0) {
		taken = take_any(&pool);
		assert_int_equal(owner[(taken - arena) / PAGE], FREE);
		owner[(taken - arena) / PAGE] = OUTSIDE;
		memset(taken, 0xee, PAGE);
	}
}

static void random_use_agrees_with_a_map_of_pages(void **state)
{
	u64 seed = 7;

	for (size_t step = 0; step < 100000; step++) {
		if (random_below(&seed, 3) == 0)
			random_alloc(&seed);
		else
			random_change(&seed, random_below(&seed, PAGES));
		expect_counters();
		if (step % 16 == 0)
			expect_runs(random_below(&seed, 6));
	}
	assert_int_equal(pool.bad_frees, 0);
}

static void expect_wrong(const char *what)
{
	const char *why = page_pool_sane(&pool, ~0ULL);

	if (!why || !strstr(why, what))
		fail_msg("expected: %s; found: %s", what, why ? why : "nothing");
}

/*
 * Three runs, of 1, 2 and 4 pages: the middle one is the root. A node is two links, the number of
 * pages, the height and the order.
 */
static void what_is_wrong_with_a_pool_is_found(void **state)
{
	u64 *low, *middle, *high;
	u8 *order;

	add(1, 1);
	add(4, 2);
	add(8, 4);
	low = (u64 *)page_at(1);
	middle = (u64 *)page_at(4);
	high = (u64 *)page_at(8);
	order = (u8 *)&middle[3] + 1;
	assert_ptr_equal(pool.runs, middle);
	assert_null(page_pool_sane(&pool, ~0ULL));

#define WRONG(lvalue, value, what)                         \
	do {                                               \
		__typeof__(lvalue) was_ = (lvalue);        \
                                                           \
		(lvalue) = (__typeof__(lvalue))(value);    \
		expect_wrong(what);                        \
		(lvalue) = was_;                           \
		assert_null(page_pool_sane(&pool, ~0ULL)); \
	} while (0)

	WRONG(low[2], 0, "a run is empty");
	WRONG(middle[2], 4, "in order"); /* these touch */
	WRONG(middle[0], 0, "counted");
	WRONG(high[3], high[3] + 2, "balanced");
	WRONG(low[3], 2, "height");
	WRONG(*order, 1, "best_order");
	WRONG(*order, 3, "best_order");
	WRONG(pool.free, 6, "counted");
	WRONG(pool.free, 8, "counted");
	WRONG(pool.total, 6, "free pages than pages");
	WRONG(pool.low_water, 8, "never so few");
	/* Looking at one run, it is not found what is wrong with the others. */
	high[2] = 0;
	assert_null(page_pool_sane(&pool, 1));
	high[2] = 4;
}

/*
 * What a pool does must not take longer the more pieces it was made of. Each run is a page that is
 * looked at, so the pages are counted that an operation reaches: all are shut before it.
 */
#define FRAGMENTS 1024
#define WIDE	  (2 * FRAGMENTS + 8)

/* A balanced tree of them is 15 high at the most; two ways down, and what lies beside each. */
#define REACHED_MOST (4 * 15)

static u8 *wide; /* WIDE pages, aligned to 8 of them */
static unsigned int reached;
static size_t reached_most;

static u8 *wide_page(size_t i)
{
	return wide + i * PAGE;
}

static void open_page(int signal, siginfo_t *info, void *context)
{
	u8 *page = (u8 *)ALIGN_DOWN((uintptr_t)info->si_addr, PAGE);

	if (page < wide || page >= wide_page(WIDE) || mprotect(page, PAGE, PROT_READ | PROT_WRITE))
		_Exit(1); /* a fault of the test's own */
	reached++;
}

static void shut_all(void)
{
	reached = 0;
	assert_int_equal(mprotect(wide, WIDE * PAGE, PROT_NONE), 0);
}

static void expect_few(const char *what)
{
	reached_most = MAX(reached_most, (size_t)reached);
	if (reached > REACHED_MOST)
		fail_msg("%s reaches %u pages of %u fragments", what, reached, FRAGMENTS);
	assert_int_equal(pool.bad_frees, 0);
}

/* The n-th fragment to come, in one of the orders that a host may choose. */
static size_t nth_fragment(unsigned int order, size_t n)
{
	switch (order) {
	case 0:
		return n;
	case 1:
		return FRAGMENTS - 1 - n;
	case 2: /* from both ends */
		return n % 2 ? FRAGMENTS - 1 - n / 2 : n / 2;
	default:
		return n * 357 % FRAGMENTS;
	}
}

/* Single pages, a gap behind each; behind the last two that are a run of order 1. */
static void fragment(unsigned int order)
{
	assert_int_equal(page_pool_init(&pool, wide_page(2 * FRAGMENTS + 2), 2), 0);
	for (size_t n = 0; n < FRAGMENTS; n++) {
		shut_all();
		assert_int_equal(page_pool_add(&pool, wide_page(2 * nth_fragment(order, n)), 1), 0);
		expect_few("to add a page");
	}
}

static void take_and_give_back(void)
{
	void *page, *run;

	shut_all();
	page = page_pool_alloc(&pool);
	expect_few("an allocation");
	assert_ptr_equal(page, wide_page(0));
	shut_all();
	page_pool_free(&pool, page);
	expect_few("a free");
	shut_all();
	assert_true(page_pool_has_runs(&pool, 1, 1));
	assert_false(page_pool_has_runs(&pool, 2, 1));
	expect_few("to ask for a run");
	shut_all();
	run = page_pool_alloc_run(&pool, 1);
	expect_few("a run");
	assert_ptr_equal(run, wide_page(2 * FRAGMENTS + 2));
	shut_all();
	assert_null(page_pool_alloc_run(&pool, 1));
	expect_few("a run that is not there");
	shut_all();
	page_pool_free_run(&pool, run, 1);
	expect_few("a free of a run");
}

/* Out of the middle, and what joins two fragments, or lies in one. */
static void change_one(size_t i)
{
	shut_all();
	assert_true(page_pool_take_range(&pool, wide_page(2 * i), 1));
	assert_false(page_pool_take_range(&pool, wide_page(2 * i), 1));
	expect_few("to take a page");
	shut_all();
	assert_int_equal(page_pool_add(&pool, wide_page(2 * i), 1), 0);
	assert_int_equal(page_pool_add(&pool, wide_page(2 * i), 1), -EINVAL);
	expect_few("to add it again");
	shut_all();
	assert_int_equal(page_pool_add(&pool, wide_page(2 * i + 1), 1), 0);
	expect_few("to join two");
	shut_all();
	assert_true(page_pool_take_range(&pool, wide_page(2 * i + 1), 1));
	expect_few("to part them");
}

static void what_fragments_cost_is_bounded(void **state)
{
	struct sigaction action = { .sa_sigaction = open_page, .sa_flags = SA_SIGINFO }, before;
	u64 seed = 11;

	wide = mmap(NULL, (WIDE + 8) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(wide != MAP_FAILED);
	wide = (u8 *)ALIGN_UP((uintptr_t)wide, 8 * PAGE);
	assert_int_equal(sigaction(SIGSEGV, &action, &before), 0);
	for (unsigned int order = 0; order < 4; order++) {
		fragment(order);
		take_and_give_back();
		for (unsigned int i = 0; i < 100; i++)
			change_one(random_below(&seed, FRAGMENTS - 1));
		assert_int_equal(pool.free, FRAGMENTS + 2);
	}
	assert_int_equal(sigaction(SIGSEGV, &before, NULL), 0);
	assert_true(reached_most > 3); /* it does count */
}

int main(void)
{
#define test(f) cmocka_unit_test_setup(f, fresh_pool)
	const struct CMUnitTest tests[] = {
		test(an_empty_pool_gives_nothing),
		test(every_page_is_given_once),
		test(bad_ranges_are_refused),
		test(runs_are_aligned_and_what_is_left_stays_free),
		test(an_order_out_of_range_is_refused),
		test(freed_pages_join),
		test(a_double_free_is_counted_and_does_no_harm),
		test(taken_pages_leave_the_pool),
		test(a_range_is_taken_if_all_of_it_is_free),
		test(low_water_is_the_least_there_was),
		test(random_use_agrees_with_a_map_of_pages),
		test(what_is_wrong_with_a_pool_is_found),
		test(what_fragments_cost_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
