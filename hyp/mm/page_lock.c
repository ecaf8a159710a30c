// SPDX-License-Identifier: BSD-2-Clause
#include <mm/page_lock.h>

STATIC_ASSERT(PAGE_LOCKS == 64, "a set of locks is a u64");

struct page_lock page_locks[PAGE_LOCKS] = {
	[0 ... PAGE_LOCKS - 1] = { .lock = SPINLOCK_INIT(LOCK_PAGES) },
};

/* The locks of stripes [first, last], a bit for each: as many bits, rotated to where they begin. */
static u64 locks_of(u64 first, u64 last)
{
	unsigned int at = first % PAGE_LOCKS;
	u64 locks;

	if (last - first >= PAGE_LOCKS - 1)
		return ~0ULL;
	locks = BIT(last - first + 1) - 1;
	return at ? locks << at | locks >> (PAGE_LOCKS - at) : locks;
}

u64 page_locks_take_many(u64 first_stripe, u64 last_stripe)
{
	const u64 all = locks_of(first_stripe, last_stripe);
	const struct spinlock *before = NULL;

	for (u64 left = all; left; left &= left - 1) {
		struct spinlock *lock = &page_locks[__builtin_ctzll(left)].lock;

		if (before)
			spin_lock_next(lock, before);
		else
			spin_lock(lock);
		before = lock;
	}
	return all;
}

void page_locks_release_many(u64 held)
{
	while (held) {
		unsigned int last = 63 - (unsigned int)__builtin_clzll(held);

		held &= ~BIT(last);
		if (held)
			spin_unlock_next(&page_locks[last].lock);
		else
			spin_unlock(&page_locks[last].lock);
	}
}
