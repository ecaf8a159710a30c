// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/nested/shadow_rmap.c */
/*
 * A shadow's reverse map against a list of its entries: random additions and removals, by memory and
 * by leaf, of all sizes; searches that end early; a map without memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <nested/shadow_rmap.h>

#define CHUNK_SHIFT 15
#define MANY	    ~0ULL

static struct shadow_rmap rmap;
static void *given[RMAP_CHUNKS_MAX + 8];
static unsigned int nr_given;

static int start(void **state)
{
	memset(&rmap, 0, sizeof(rmap));
	rmap.chunk_shift = CHUNK_SHIFT;
	return 0;
}

static int finish(void **state)
{
	while (nr_given)
		free(given[--nr_given]);
	return 0;
}

/* With whatever was in the memory before. */
static bool give_chunk(void)
{
	void *chunk = aligned_alloc(SZ_4K, BIT(CHUNK_SHIFT));

	memset(chunk, 0xa5, BIT(CHUNK_SHIFT));
	given[nr_given++] = chunk;
	return rmap_give(&rmap, chunk);
}

static void add(u64 pa, u64 ipa, u64 size)
{
	if (!rmap_has_room(&rmap))
		assert_true(give_chunk());
	rmap_add(&rmap, &(struct rmap_entry){ pa, ipa, size });
}

static void assert_entry(const struct rmap_entry *e, u64 pa, u64 ipa, u64 size)
{
	assert_int_equal(e->pa, pa);
	assert_int_equal(e->ipa, ipa);
	assert_int_equal(e->size, size);
}

static void an_empty_one_has_nothing(void **state)
{
	struct rmap_entry e;
	u64 steps = MANY;
	u32 at = 0;

	assert_false(rmap_has_room(&rmap));
	assert_false(rmap_take(&rmap, 0, BIT(52), &steps, &e));
	assert_false(rmap_take_leaf(&rmap, 0, 0, &steps, &e));
	assert_false(rmap_next(&rmap, &at, &e));
	rmap_reset(&rmap);
	assert_false(rmap_take(&rmap, 0, BIT(52), &steps, &e));
}

static void entries_are_found_by_any_part_of_them(void **state)
{
	static const u64 sizes[] = { SZ_4K, SZ_64K, SZ_2M, 16 * SZ_2M, SZ_1G };
	const u64 top = BIT(52) - 2 * SZ_1G, ipa = BIT(48) - SZ_1G;

	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		u64 size = sizes[i], parts[] = { 0, size / 2, size - SZ_4K };
		struct rmap_entry e;
		u64 steps = MANY;

		for (unsigned int part = 0; part < ARRAY_SIZE(parts); part++) {
			add(top, ipa, size);
			assert_false(rmap_take(&rmap, top - SZ_4K, SZ_4K, &steps, &e));
			assert_false(rmap_take(&rmap, top + size, SZ_4K, &steps, &e));
			assert_true(rmap_take(&rmap, top + parts[part], SZ_4K, &steps, &e));
			assert_entry(&e, top, ipa, size);
			add(top, ipa, size);
			assert_false(
				rmap_take_leaf(&rmap, top + parts[part], ipa + size, &steps, &e));
			assert_true(rmap_take_leaf(&rmap, top + parts[part], ipa + parts[part],
						   &steps, &e));
			assert_entry(&e, top, ipa, size);
			assert_int_equal(rmap.count, 0);
		}
	}
}

/* Many addresses for one page: a search that is too long says so, and one that is not succeeds. */
static void a_search_ends(void **state)
{
	struct rmap_entry e;
	u64 steps = 1000;

	for (u64 i = 0; i < 5000; i++)
		add(SZ_2M, i * SZ_4K, SZ_4K);
	assert_false(rmap_take_leaf(&rmap, SZ_2M, 0, &steps, &e)); /* the first one is the last */
	assert_int_equal(steps, 0);
	assert_int_equal(rmap.count, 5000);
	steps = 10;
	assert_true(rmap_take_leaf(&rmap, SZ_2M, 4999 * SZ_4K, &steps, &e));
	assert_true(steps > 0);
	/* a range that has many lists */
	steps = 100;
	assert_false(rmap_take(&rmap, SZ_1G, SZ_1G, &steps, &e));
	assert_int_equal(steps, 0);
}

static void without_memory_it_is_partial_until_it_begins_again(void **state)
{
	struct rmap_entry e;
	u64 steps = MANY;

	while (rmap_has_room(&rmap) || give_chunk())
		add((u64)rmap.count * SZ_4K, (u64)rmap.count * SZ_4K, SZ_4K);
	assert_int_equal(rmap.nr_chunks, RMAP_CHUNKS_MAX);
	assert_int_equal(rmap.count, (RMAP_CHUNKS_MAX << CHUNK_SHIFT) / 16 - RMAP_BUCKETS / 4);
	for (u64 n = 0; n < rmap.count; n += 1023) {
		assert_true(rmap_take(&rmap, n * SZ_4K, SZ_4K, &steps, &e));
		assert_entry(&e, n * SZ_4K, n * SZ_4K, SZ_4K);
		assert_true(rmap_has_room(&rmap));
		add(e.pa, e.ipa, e.size);
	}
	rmap_give_up(&rmap);
	assert_true(rmap.partial);
	rmap_add(&rmap, &e);
	assert_false(rmap_take(&rmap, 0, BIT(40), &steps, &e));
	rmap_reset(&rmap);
	assert_false(rmap.partial);
	add(SZ_1G, SZ_2M, SZ_4K);
	assert_true(rmap_take(&rmap, SZ_1G, SZ_4K, &steps, &e));
	assert_int_equal(rmap.count, 0);
}

/* ---- against a list ---- */

#define MODEL_MAX 700

static struct rmap_entry model[MODEL_MAX];
static unsigned int nr_model;

static u64 random_bits(u64 below)
{
	static u64 x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x % below;
}

static bool overlap(u64 a, u64 a_size, u64 b, u64 b_size)
{
	return a < b + b_size && b < a + a_size;
}

/* One that overlaps no other in the nested guest's space. */
static void add_random(void)
{
	static const u64 sizes[] = { SZ_4K, SZ_4K, SZ_4K, SZ_64K, SZ_2M, SZ_1G };
	u64 size = sizes[random_bits(ARRAY_SIZE(sizes))];
	struct rmap_entry e = { random_bits(8 * SZ_1G / size) * size,
				random_bits(64 * SZ_1G / size) * size, size };

	if (random_bits(2)) /* many in a few blocks */
		e.pa %= MAX(size, SZ_2M);
	for (unsigned int i = 0; i < nr_model; i++)
		if (overlap(model[i].ipa, model[i].size, e.ipa, e.size))
			return;
	if (nr_model == MODEL_MAX)
		return;
	model[nr_model++] = e;
	add(e.pa, e.ipa, e.size);
}

static void drop_from_model(const struct rmap_entry *e)
{
	for (unsigned int i = 0; i < nr_model; i++) {
		if (model[i].ipa != e->ipa)
			continue;
		assert_entry(e, model[i].pa, model[i].ipa, model[i].size);
		model[i] = model[--nr_model];
		return;
	}
	fail_msg("%#lx is not there", e->ipa);
}

static void take_memory(void)
{
	u64 size = SZ_4K << random_bits(10), pa = random_bits(8 * SZ_1G / size) * size,
	    steps = MANY;
	struct rmap_entry e;
	unsigned int expected = 0;

	if (random_bits(2))
		pa %= SZ_2M;
	for (unsigned int i = 0; i < nr_model; i++)
		expected += overlap(model[i].pa, model[i].size, pa, size);
	for (; rmap_take(&rmap, pa, size, &steps, &e); expected--) {
		assert_true(overlap(e.pa, e.size, pa, size));
		drop_from_model(&e);
	}
	assert_int_equal(expected, 0);
}

static void take_a_leaf(void)
{
	struct rmap_entry *from = &model[random_bits(nr_model)], e;
	u64 offset = random_bits(from->size / SZ_4K) * SZ_4K, steps = MANY;

	assert_true(rmap_take_leaf(&rmap, from->pa + offset, from->ipa + offset, &steps, &e));
	assert_entry(&e, from->pa, from->ipa, from->size);
	drop_from_model(&e);
}

static void look_at_all(void)
{
	unsigned int count = 0, found;
	struct rmap_entry e;
	u32 at = 0;

	for (; rmap_next(&rmap, &at, &e); count++) {
		found = 0;
		for (unsigned int i = 0; i < nr_model; i++)
			found += !memcmp(&model[i], &e, sizeof(e));
		assert_int_equal(found, 1);
	}
	assert_int_equal(count, nr_model);
	assert_int_equal(rmap.count, nr_model);
}

static void at_random_it_has_what_a_list_has(void **state)
{
	nr_model = 0;
	for (unsigned int step = 0; step < 200000; step++) {
		switch (random_bits(8)) {
		case 0:
			take_memory();
			break;
		case 1:
			if (nr_model)
				take_a_leaf();
			break;
		default:
			add_random();
		}
		if (step % 1000 == 0)
			look_at_all();
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, finish)
	const struct CMUnitTest tests[] = {
		TEST(an_empty_one_has_nothing),
		TEST(entries_are_found_by_any_part_of_them),
		TEST(a_search_ends),
		TEST(without_memory_it_is_partial_until_it_begins_again),
		TEST(at_random_it_has_what_a_list_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
