/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locks of RAM by its address. A stripe of 2 MiB has one lock; there are PAGE_LOCKS locks, and a
 * stripe's is found by its number modulo that. Who changes the states of pages (mm/ownership.c)
 * holds the locks of all of them, so changes of pages in different stripes do not wait for each
 * other, unless the stripes happen to have the same lock.
 *
 *      stripe    0    1    2   ...   63   64   65   ...
 *      lock      0    1    2   ...   63    0    1   ...
 *
 * A range of several stripes takes its locks in ascending order of their numbers and releases them
 * in descending order. All of them have the same rank (LOCK_PAGES), and nobody takes another range
 * while it holds one; so two CPUs never wait for each other.
 */
#ifndef KEEL_MM_PAGE_LOCK_H
#define KEEL_MM_PAGE_LOCK_H

#include <arch/spinlock.h>
#include <lib/compiler.h>
#include <lib/types.h>

#define PAGE_LOCKS	  64
#define PAGE_STRIPE_SHIFT 21

/* Each in a cache line of its own. */
struct page_lock {
	struct spinlock lock;
} __aligned(64);

extern struct page_lock page_locks[PAGE_LOCKS];

/* For ranges of several stripes; else as page_locks_take(), page_locks_release(). */
u64 page_locks_take_many(u64 first_stripe, u64 last_stripe);
void page_locks_release_many(u64 held);

/**
 * page_locks_take() - take the locks of [pa, pa + size)
 * @pa:   any address
 * @size: bytes, not zero; pa + size does not wrap
 *
 * Spins. A caller that holds some already, or a lock of a later rank, would deadlock: debug builds
 * panic.
 *
 * Return: the locks that are held now, a bit for each, for page_locks_release().
 */
static inline u64 page_locks_take(struct pa pa, u64 size)
{
	u64 first = pa.v >> PAGE_STRIPE_SHIFT, last = (pa.v + (size - 1)) >> PAGE_STRIPE_SHIFT;

	if (first != last)
		return page_locks_take_many(first, last);
	spin_lock(&page_locks[first % PAGE_LOCKS].lock);
	return BIT(first % PAGE_LOCKS);
}

/* page_locks_release() - release what page_locks_take() has returned */
static inline void page_locks_release(u64 held)
{
	if (held & (held - 1))
		page_locks_release_many(held);
	else
		spin_unlock(&page_locks[__builtin_ctzll(held)].lock);
}

#endif
