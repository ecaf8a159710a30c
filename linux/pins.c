// SPDX-License-Identifier: GPL-2.0
/*
 * The record of what a VM has mapped (struct keel_pins in keel.h): an entry for each mapping,
 * indexed by its size and its number among the mappings of that size. Each large size has an
 * xarray. Pages come by the thousand, and most often next to the last one; they are in leaves of
 * 64. The leaf that was used last is cached, which costs a dozen instructions for a page instead of
 * some hundred.
 */
#include <linux/slab.h>
#include <linux/string.h>

#include "keel.h"

/* The xarray of the smallest size contains leaves. */
#define PAGES	     (KEEL_PIN_SIZES - 1)
#define LEAF_SHIFT   6
#define LEAF_ENTRIES (1UL << LEAF_SHIFT)

struct keel_leaf {
	void *entries[LEAF_ENTRIES];
};

void keel_pins_init(struct keel_pins *pins)
{
	for (unsigned int i = 0; i < KEEL_PIN_SIZES; i++)
		xa_init_flags(&pins->by_size[i], XA_FLAGS_ACCOUNT);
}

void keel_pins_destroy(struct keel_pins *pins)
{
	struct keel_leaf *leaf;
	unsigned long at;

	xa_for_each(&pins->by_size[PAGES], at, leaf) kfree(leaf);
	for (unsigned int i = 0; i < KEEL_PIN_SIZES; i++)
		xa_destroy(&pins->by_size[i]);
}

/* The slot for the entry of a page; NULL if there is no leaf. */
static void **find_place(struct keel_pins *pins, unsigned long index)
{
	unsigned long at = index >> LEAF_SHIFT;

	if (!pins->leaf || pins->leaf_at != at) {
		struct keel_leaf *leaf = xa_load(&pins->by_size[PAGES], at);

		if (!leaf)
			return NULL;
		pins->leaf = leaf;
		pins->leaf_at = at;
	}
	return &pins->leaf->entries[index & (LEAF_ENTRIES - 1)];
}

/*
 * Inserting happens under mem_lock, which the kernel takes in reclaim, so no allocation may wait
 * for memory. keel_pins_reserve() allocates without the lock.
 */
#define NOWAIT (GFP_NOWAIT | __GFP_ACCOUNT | __GFP_NOWARN)

static void **make_place(struct keel_pins *pins, unsigned long index)
{
	struct keel_leaf *leaf = kzalloc(sizeof(*leaf), NOWAIT);

	if (!leaf)
		return NULL;
	if (xa_insert(&pins->by_size[PAGES], index >> LEAF_SHIFT, leaf, NOWAIT)) {
		kfree(leaf);
		return NULL;
	}
	return find_place(pins, index);
}

static int insert_page(struct keel_pins *pins, unsigned long index, void *entry)
{
	void **place = find_place(pins, index);

	if (!place)
		place = make_place(pins, index);
	if (!place)
		return -ENOSPC;
	if (*place)
		return -EBUSY;
	*place = entry;
	return 0;
}

/* A reserved slot reads as an empty one. */
static int insert_large(struct xarray *xa, unsigned long index, void *entry)
{
	if (xa_load(xa, index))
		return -EBUSY;
	return keel_inject() || xa_err(xa_store(xa, index, entry, NOWAIT)) ? -ENOSPC : 0;
}

int keel_pins_insert(struct keel_pins *pins, unsigned int size, unsigned long index, void *entry)
{
	int ret = size == PAGES ? insert_page(pins, index, entry)
				: insert_large(&pins->by_size[size], index, entry);

	if (!ret)
		pins->sizes |= BIT(size);
	return ret;
}

/* For pages the leaf itself: a reserved slot in the xarray would not help. */
static int reserve_leaf(struct keel_pins *pins, struct mutex *lock, unsigned long at)
{
	struct keel_leaf *leaf = kzalloc(sizeof(*leaf), GFP_KERNEL_ACCOUNT);
	int ret = leaf ? xa_reserve(&pins->by_size[PAGES], at, GFP_KERNEL_ACCOUNT) : -ENOMEM;

	if (!ret) {
		mutex_lock(lock);
		if (!xa_load(&pins->by_size[PAGES], at))
			ret = xa_err(xa_store(&pins->by_size[PAGES], at, leaf, NOWAIT));
		else
			ret = -EEXIST;
		mutex_unlock(lock);
	}
	if (ret)
		kfree(leaf);
	return ret == -EEXIST ? 0 : ret;
}

int keel_pins_reserve(struct keel_pins *pins, struct mutex *lock, unsigned int size,
		      unsigned long index)
{
	if (size == PAGES)
		return reserve_leaf(pins, lock, index >> LEAF_SHIFT);
	return xa_reserve(&pins->by_size[size], index, GFP_KERNEL_ACCOUNT);
}

void *keel_pins_load(struct keel_pins *pins, unsigned int size, unsigned long index)
{
	void **place;

	if (size != PAGES)
		return xa_load(&pins->by_size[size], index);
	place = find_place(pins, index);
	return place ? *place : NULL;
}

void keel_pins_erase(struct keel_pins *pins, unsigned int size, unsigned long index)
{
	void **place;

	if (size != PAGES) {
		xa_erase(&pins->by_size[size], index);
		return;
	}
	place = find_place(pins, index);
	if (place)
		*place = NULL;
}

/* Cache the leaf of @index, or the next one up to @last; false if there is none. */
static bool find_leaf(struct keel_pins *pins, unsigned long index, unsigned long last)
{
	unsigned long at = index >> LEAF_SHIFT;

	if (pins->leaf && pins->leaf_at == at)
		return true;
	pins->leaf = xa_find(&pins->by_size[PAGES], &at, last >> LEAF_SHIFT, XA_PRESENT);
	pins->leaf_at = at;
	return pins->leaf;
}

static void *next_page(struct keel_pins *pins, unsigned long *index, unsigned long last)
{
	for (; *index <= last && find_leaf(pins, *index, last); *index += LEAF_ENTRIES) {
		unsigned long start = pins->leaf_at << LEAF_SHIFT;
		unsigned long i = *index > start ? *index - start : 0;
		unsigned long end = min(last - start + 1, LEAF_ENTRIES);

		for (; i < end; i++) {
			if (!pins->leaf->entries[i])
				continue;
			*index = start + i;
			return pins->leaf->entries[i];
		}
		*index = start;
	}
	return NULL;
}

void *keel_pins_next(struct keel_pins *pins, unsigned int size, unsigned long *index,
		     unsigned long last)
{
	if (size == PAGES)
		return next_page(pins, index, last);
	return xa_find(&pins->by_size[size], index, last, XA_PRESENT);
}

/* Return: whether the leaf, number @at, has entries still. */
static bool clear_some(struct keel_leaf *leaf, unsigned long at, unsigned long first,
		       unsigned long last)
{
	unsigned long start = at << LEAF_SHIFT, from = max(first, start) - start;
	unsigned long to = min(last - start, LEAF_ENTRIES - 1);

	memset(leaf->entries + from, 0, (to - from + 1) * sizeof(leaf->entries[0]));
	return memchr_inv(leaf, 0, sizeof(*leaf));
}

void keel_pins_clear(struct keel_pins *pins, unsigned long first, unsigned long last)
{
	unsigned long at = first >> LEAF_SHIFT;
	struct keel_leaf *leaf;

	/* Most often a part of one leaf, which stays, and is cached then. */
	if (at == last >> LEAF_SHIFT &&
	    (!find_place(pins, first) || clear_some(pins->leaf, at, first, last)))
		return;
	pins->leaf = NULL;
	xa_for_each_range (&pins->by_size[PAGES], at, leaf, first >> LEAF_SHIFT,
			   last >> LEAF_SHIFT) {
		if (clear_some(leaf, at, first, last))
			continue;
		xa_erase(&pins->by_size[PAGES], at);
		kfree(leaf);
		cond_resched();
	}
}
