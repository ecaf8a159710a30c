// SPDX-License-Identifier: BSD-2-Clause
/* Sets of address ranges, and the search for free memory between them. */
#include <host/memmap.h>
#include <lib/errno.h>

static int make_range(u64 base, u64 size, struct mem_range *r)
{
	if (base > MEMMAP_PA_LIMIT || size > MEMMAP_PA_LIMIT - base)
		return -EINVAL;
	*r = (struct mem_range){ base, base + size };
	return 0;
}

/* The first range of @set that ends at or above @addr; the count if there is none. */
static unsigned int first_touching(const struct mem_ranges *set, u64 addr)
{
	unsigned int i = 0;

	while (i < set->count && set->range[i].end < addr)
		i++;
	return i;
}

/* Replace ranges [first, last) by the @n ranges of @with; the caller has checked the capacity. */
static void replace_ranges(struct mem_ranges *set, unsigned int first, unsigned int last,
			   const struct mem_range *with, unsigned int n)
{
	unsigned int tail = set->count - last;

	if (first + n > last) {
		for (unsigned int i = tail; i-- > 0;)
			set->range[first + n + i] = set->range[last + i];
	} else {
		for (unsigned int i = 0; i < tail; i++)
			set->range[first + n + i] = set->range[last + i];
	}
	for (unsigned int i = 0; i < n; i++)
		set->range[first + i] = with[i];
	set->count = first + n + tail;
}

int mem_ranges_add(struct mem_ranges *set, u64 base, u64 size)
{
	unsigned int first, last;
	struct mem_range r;
	int err = make_range(base, size, &r);

	if (err || !size)
		return err;
	first = first_touching(set, r.base);
	for (last = first; last < set->count && set->range[last].base <= r.end; last++) {
		r.base = MIN(r.base, set->range[last].base);
		r.end = MAX(r.end, set->range[last].end);
	}
	if (first == last && set->count == MEMMAP_MAX_RANGES)
		return -ENOSPC;
	replace_ranges(set, first, last, &r, 1);
	return 0;
}

int mem_ranges_remove(struct mem_ranges *set, u64 base, u64 size)
{
	struct mem_range r, left[2];
	unsigned int first, last, n = 0;
	int err = make_range(base, size, &r);

	if (err || !size)
		return err;
	first = first_touching(set, r.base);
	/* an adjacent range is not cut */
	if (first < set->count && set->range[first].end == r.base)
		first++;
	for (last = first; last < set->count && set->range[last].base < r.end; last++)
		;
	if (first == last)
		return 0;
	if (set->range[first].base < r.base)
		left[n++] = (struct mem_range){ set->range[first].base, r.base };
	if (set->range[last - 1].end > r.end)
		left[n++] = (struct mem_range){ r.end, set->range[last - 1].end };
	if (set->count - (last - first) + n > MEMMAP_MAX_RANGES)
		return -ENOSPC;
	replace_ranges(set, first, last, left, n);
	return 0;
}

bool mem_ranges_contain(const struct mem_ranges *set, u64 base, u64 size)
{
	struct mem_range r;

	if (!size || make_range(base, size, &r))
		return false;
	for (unsigned int i = 0; i < set->count; i++) {
		if (set->range[i].base <= r.base && r.end <= set->range[i].end)
			return true;
	}
	return false;
}

bool mem_ranges_overlap(const struct mem_ranges *set, u64 base, u64 size)
{
	struct mem_range r;

	if (!size || make_range(base, size, &r))
		return false;
	for (unsigned int i = 0; i < set->count; i++) {
		if (set->range[i].base < r.end && r.base < set->range[i].end)
			return true;
	}
	return false;
}

bool mem_range_is_of(struct mem_range file, u64 base, u64 size)
{
	u64 end = base + size;

	return end > base && base < file.end && end > file.base &&
	       base >= ALIGN_DOWN(file.base, SZ_4K) && end <= ALIGN_UP(file.end, SZ_4K);
}

int memmap_reserve(struct memmap *map, u64 base, u64 size)
{
	return mem_ranges_add(&map->reserved, base, size);
}

bool memmap_is_ram(const struct memmap *map, u64 base, u64 size)
{
	return mem_ranges_contain(&map->ram, base, size);
}

bool memmap_is_free(const struct memmap *map, u64 base, u64 size)
{
	return memmap_is_ram(map, base, size) && !mem_ranges_overlap(&map->reserved, base, size);
}

u64 memmap_ram_size(const struct memmap *map)
{
	u64 sum = 0;

	for (unsigned int i = 0; i < map->ram.count; i++)
		sum += map->ram.range[i].end - map->ram.range[i].base;
	return sum;
}

/* Arguments of memmap_find(); @max and @min are within the physical address space. */
struct search {
	u64 size, align, min, max;
	enum memmap_prefer prefer;
};

/* Try one gap [base, end) between reserved ranges in one bank. */
static bool gap_fits(const struct search *s, u64 base, u64 end, u64 *at)
{
	base = MAX(base, s->min);
	end = MIN(end, s->max);
	/* no overflow: all addresses are at most 2^56, and an alignment above that was refused */
	base = ALIGN_UP(base, s->align);
	if (base > end || end - base < s->size)
		return false;
	*at = s->prefer == MEMMAP_LOWEST ? base : ALIGN_DOWN(end - s->size, s->align);
	return true;
}

/* Try the gaps of one bank, ascending: the last one that fits is the highest. */
static bool search_bank(const struct mem_ranges *reserved, const struct search *s,
			struct mem_range bank, u64 *at)
{
	u64 base = bank.base;
	bool found = false;

	for (unsigned int i = 0; i <= reserved->count && base < bank.end; i++) {
		bool tail = i == reserved->count;
		u64 end = tail ? bank.end : MIN(reserved->range[i].base, bank.end);

		if (end > base && gap_fits(s, base, end, at)) {
			found = true;
			if (s->prefer == MEMMAP_LOWEST)
				return true;
		}
		if (!tail)
			base = MAX(base, reserved->range[i].end);
	}
	return found;
}

int memmap_find(const struct memmap *map, u64 size, u64 align, u64 min, u64 max,
		enum memmap_prefer prefer, u64 *base)
{
	struct search s = { size, align, min, MIN(max, MEMMAP_PA_LIMIT), prefer };
	bool found = false;

	if (!size || !align || (align & (align - 1)))
		return -EINVAL;
	if (align > MEMMAP_PA_LIMIT || min > s.max)
		return -ENOSPC;
	for (unsigned int i = 0; i < map->ram.count; i++) {
		found |= search_bank(&map->reserved, &s, map->ram.range[i], base);
		if (found && prefer == MEMMAP_LOWEST)
			break;
	}
	return found ? 0 : -ENOSPC;
}
