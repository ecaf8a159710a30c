/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The slots of a VM in two orders: by guest address, where none overlap, and by host address, where
 * any may. Nothing here is the kernel's: slots.c includes it, and tests/unit/test_slot_table.c compares
 * it with a search of all slots.
 */
#ifndef KEEL_SLOT_TABLE_H
#define KEEL_SLOT_TABLE_H

/*
 * So many slots are looked at in the order of host addresses. Where more have to be, the order of guest
 * addresses finds the next part sooner.
 */
#define KEEL_HOST_LOOKS 32

static inline u64 keel_slot_end(const struct keel_slot *slot)
{
	return slot->gfn + slot->npages;
}

static inline unsigned long keel_slot_host_end(const struct keel_slot *slot)
{
	return slot->hva + (slot->npages << PAGE_SHIFT);
}

/* How many bytes a table of @count slots has behind struct keel_slots. */
static inline size_t keel_table_size(size_t count)
{
	return count * (2 * sizeof(struct keel_slot *) + sizeof(unsigned long));
}

/* The arrays of a new table, which has keel_table_size(@room) bytes. */
static inline void keel_table_begin(struct keel_slots *table, size_t room)
{
	table->count = 0;
	table->by_host = &table->slot[room];
	table->reach = (unsigned long *)&table->by_host[room];
}

/* By guest address: the first slot that ends after @gfn; table->count if there is none. */
static inline unsigned int keel_table_first(const struct keel_slots *table, u64 gfn)
{
	unsigned int low = 0, high = table->count;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (gfn >= keel_slot_end(table->slot[mid]))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* By host address: how many slots begin below @end. */
static inline unsigned int keel_table_below(const struct keel_slots *table, unsigned long end)
{
	unsigned int low = 0, high = table->count;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (table->by_host[mid]->hva < end)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Where @slot is in the order of host addresses. */
static inline unsigned int keel_place_by_host(const struct keel_slots *table,
					      const struct keel_slot *slot)
{
	unsigned int i = keel_table_below(table, slot->hva);

	while (table->by_host[i] != slot)
		i++;
	return i;
}

/* Copy @count pointers but that at @out; all if @out is not below @count. */
static inline void keel_copy_but(struct keel_slot **to, struct keel_slot *const *from,
				 unsigned int count, unsigned int out)
{
	if (out >= count) {
		memcpy(to, from, count * sizeof(*to));
		return;
	}
	memcpy(to, from, out * sizeof(*to));
	memcpy(to + out, from + out + 1, (count - out - 1) * sizeof(*to));
}

/* @slot comes to @at, before those of @count that are there. */
static inline void keel_put_at(struct keel_slot **slots, unsigned int count, unsigned int at,
			       struct keel_slot *slot)
{
	memmove(slots + at + 1, slots + at, (count - at) * sizeof(*slots));
	slots[at] = slot;
}

/* Both orders are there. Before @first they are as in @from; from @same on as there, @more further. */
static inline void keel_copy_reach(struct keel_slots *to, const struct keel_slots *from,
				   unsigned int first, unsigned int same, int more)
{
	unsigned long reach = first ? from->reach[first - 1] : 0;
	unsigned int i;

	memcpy(to->reach, from->reach, first * sizeof(*to->reach));
	for (i = first; i < to->count; i++) {
		reach = max(reach, keel_slot_host_end(to->by_host[i]));
		to->reach[i] = reach;
		if (i >= same && reach == from->reach[i - more])
			break;
	}
	if (i < to->count)
		memcpy(&to->reach[i], &from->reach[i - more], (to->count - i) * sizeof(*to->reach));
}

/*
 * What @from has without @without, and with @add, in either order; each may be NULL. @to is from
 * keel_table_begin(), with room for one slot more than @from has. Their number is what it copies.
 */
static inline void keel_table_copy(struct keel_slots *to, const struct keel_slots *from,
				   const struct keel_slot *without, struct keel_slot *add)
{
	unsigned int out = from->count, host_out = out, host_at, first = out, last = 0;

	if (without) {
		out = keel_table_first(from, without->gfn);
		first = last = host_out = keel_place_by_host(from, without);
	}
	keel_copy_but(to->slot, from->slot, from->count, out);
	keel_copy_but(to->by_host, from->by_host, from->count, host_out);
	to->count = from->count - !!without;
	if (add) {
		host_at = keel_table_below(to, add->hva);
		keel_put_at(to->slot, to->count, keel_table_first(to, add->gfn), add);
		keel_put_at(to->by_host, to->count, host_at, add);
		to->count++;
		first = min(first, host_at);
		last = max(last, host_at);
	}
	keel_copy_reach(to, from, first, last + 1, (int)!!add - (int)!!without);
}

/* What @slot has of the process's memory from @start up to @end, from *@gfn on. */
static inline bool keel_part_in_slot(const struct keel_slot *slot, unsigned long start,
				     unsigned long end, u64 *gfn, u64 *npages)
{
	unsigned long first = max(start, slot->hva), last;
	u64 at, to;

	if (slot->file)
		return false;
	last = min(end, keel_slot_host_end(slot)) - 1;
	if (first > last)
		return false;
	at = max(*gfn, slot->gfn + ((first - slot->hva) >> PAGE_SHIFT));
	to = slot->gfn + ((last - slot->hva) >> PAGE_SHIFT);
	if (at > to)
		return false;
	*gfn = at;
	*npages = to - at + 1;
	return true;
}

static inline bool keel_part_by_guest(const struct keel_slots *table, unsigned long start,
				      unsigned long end, u64 *gfn, u64 *npages)
{
	bool found = false;

	for (unsigned int i = keel_table_first(table, *gfn); i < table->count && !found; i++)
		found = keel_part_in_slot(table->slot[i], start, end, gfn, npages);
	return found;
}

/*
 * The first part from *@gfn on, by guest address, of the process's memory from @start up to @end. A few
 * slots have some of it, most often: these are next to each other by host address, and are found in
 * time that grows with the logarithm of their number. All parts together, of however many slots, are
 * found in time that grows with the number of slots.
 */
static inline bool keel_table_part(const struct keel_slots *table, unsigned long start,
				   unsigned long end, u64 *gfn, u64 *npages)
{
	unsigned int i = keel_table_below(table, end), looks = 0;
	u64 best = ~0ULL;

	while (i-- && table->reach[i] > start) {
		u64 at = *gfn, count;

		if (looks++ == KEEL_HOST_LOOKS)
			return keel_part_by_guest(table, start, end, gfn, npages);
		if (keel_part_in_slot(table->by_host[i], start, end, &at, &count) && at < best) {
			best = at;
			*npages = count;
		}
	}
	if (best == ~0ULL)
		return false;
	*gfn = best;
	return true;
}

#endif
