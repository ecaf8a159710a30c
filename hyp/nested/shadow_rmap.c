// SPDX-License-Identifier: BSD-2-Clause
/*
 * See shadow_rmap.h. A node has two words:
 *
 *	63     52 51                         12 11            0
 *	 next, high     pa, in pages               next, low
 *	                ipa, in pages              log2 of the size
 *
 * A node's number is its place in the chunks, one after the other, in units of nodes. The heads have
 * the first numbers: 0 is no node.
 */
#include <lib/string.h>
#include <nested/shadow_rmap.h>

#define NODE_NEXT_LOW  GENMASK(11, 0)
#define NODE_NEXT_HIGH GENMASK(63, 52)
#define NODE_ADDRESS   GENMASK(51, 12)
#define NODE_SHIFT     GENMASK(5, 0)

#define RMAP_BUCKETS_SHIFT 11

STATIC_ASSERT(RMAP_BUCKETS == 1 << RMAP_BUCKETS_SHIFT, "the bits of the hash");

#define HEADS_BYTES (RMAP_BUCKETS * sizeof(u32))
#define FIRST_NODE  (HEADS_BYTES / sizeof(struct rmap_node))

STATIC_ASSERT(HEADS_BYTES <= SZ_16K, "within the first chunk");

/* ---- nodes ---- */

static struct rmap_node *node_at(const struct shadow_rmap *rmap, u32 n)
{
	u64 byte = n * sizeof(struct rmap_node);
	u8 *chunk = rmap->chunks[byte >> rmap->chunk_shift];

	return (struct rmap_node *)(void *)(chunk + byte % BIT(rmap->chunk_shift));
}

static u32 next_of(const struct rmap_node *node)
{
	return (u32)(FIELD_GET(NODE_NEXT_HIGH, node->words[0]) << 12 |
		     FIELD_GET(NODE_NEXT_LOW, node->words[0]));
}

static void set_next(struct rmap_node *node, u32 next)
{
	node->words[0] = (node->words[0] & NODE_ADDRESS) | FIELD_PREP(NODE_NEXT_HIGH, next >> 12) |
			 (next & NODE_NEXT_LOW);
}

static struct rmap_entry entry_of(const struct rmap_node *node)
{
	return (struct rmap_entry){
		.pa = node->words[0] & NODE_ADDRESS,
		.ipa = node->words[1] & NODE_ADDRESS,
		.size = BIT(node->words[1] & NODE_SHIFT),
	};
}

static u32 capacity(const struct shadow_rmap *rmap)
{
	return (u32)(((u64)rmap->nr_chunks << rmap->chunk_shift) / sizeof(struct rmap_node));
}

static u32 alloc_node(struct shadow_rmap *rmap)
{
	u32 n = rmap->free;

	if (!n)
		return rmap->used++;
	rmap->free = next_of(node_at(rmap, n));
	return n;
}

static void free_node(struct shadow_rmap *rmap, u32 n)
{
	set_next(node_at(rmap, n), rmap->free);
	rmap->free = n;
}

/* ---- lists ---- */

/* The list of entries of size BIT(shift) at @pa. */
static u32 *head_of(const struct shadow_rmap *rmap, u64 pa, unsigned int shift)
{
	u32 *heads = rmap->chunks[0];
	u64 block = pa >> shift << 6 | shift;

	return &heads[block * 0x9e3779b97f4a7c15 >> (64 - RMAP_BUCKETS_SHIFT)];
}

/* What is searched for: an entry of [pa, end); if exact, that of the leaf that maps ipa to pa. */
struct query {
	u64 pa, end, ipa;
	bool exact;
	u64 *steps;
};

static bool is_found(const struct query *q, const struct rmap_entry *e)
{
	if (e->pa >= q->end || e->pa + e->size <= q->pa)
		return false;
	return !q->exact || e->ipa - e->pa == q->ipa - q->pa;
}

static bool step(const struct query *q)
{
	if (!*q->steps)
		return false;
	--*q->steps;
	return true;
}

static bool take_from(struct shadow_rmap *rmap, u32 *head, const struct query *q,
		      struct rmap_entry *entry)
{
	struct rmap_node *node, *previous = NULL;

	for (u32 n = *head; n && step(q); n = next_of(node), previous = node) {
		node = node_at(rmap, n);
		*entry = entry_of(node);
		if (!is_found(q, entry))
			continue;
		if (previous)
			set_next(previous, next_of(node));
		else
			*head = next_of(node);
		free_node(rmap, n);
		rmap->count--;
		return true;
	}
	return false;
}

/* Entries of one size, in each list that the range is in. */
static bool take_of_size(struct shadow_rmap *rmap, unsigned int shift, const struct query *q,
			 struct rmap_entry *entry)
{
	u64 last = (q->end - 1) >> shift;

	for (u64 block = q->pa >> shift; block <= last && step(q); block++)
		if (take_from(rmap, head_of(rmap, block << shift, shift), q, entry))
			return true;
	return false;
}

static bool take(struct shadow_rmap *rmap, const struct query *q, struct rmap_entry *entry)
{
	u64 sizes = rmap->count ? rmap->sizes : 0;

	for (; sizes; sizes &= sizes - 1)
		if (take_of_size(rmap, (unsigned int)__builtin_ctzll(sizes), q, entry))
			return true;
	return false;
}

/* ---- the map ---- */

bool rmap_has_room(const struct shadow_rmap *rmap)
{
	return rmap->free || rmap->used < capacity(rmap);
}

bool rmap_give(struct shadow_rmap *rmap, void *chunk)
{
	if (rmap->nr_chunks == RMAP_CHUNKS_MAX)
		return false;
	if (!rmap->nr_chunks) {
		memset(chunk, 0, HEADS_BYTES);
		rmap->used = FIRST_NODE;
	}
	rmap->chunks[rmap->nr_chunks++] = chunk;
	return true;
}

void rmap_add(struct shadow_rmap *rmap, const struct rmap_entry *entry)
{
	unsigned int shift = (unsigned int)__builtin_ctzll(entry->size);
	u32 *head, n;
	struct rmap_node *node;

	if (rmap->partial)
		return;
	head = head_of(rmap, entry->pa, shift);
	n = alloc_node(rmap);
	node = node_at(rmap, n);
	node->words[0] = entry->pa;
	node->words[1] = entry->ipa | shift;
	set_next(node, *head);
	*head = n;
	rmap->count++;
	rmap->sizes |= entry->size;
}

void rmap_reset(struct shadow_rmap *rmap)
{
	rmap->nr_chunks = 0;
	rmap->used = rmap->free = rmap->count = 0;
	rmap->sizes = 0;
	rmap->partial = false;
}

void rmap_give_up(struct shadow_rmap *rmap)
{
	rmap_reset(rmap);
	rmap->partial = true;
}

bool rmap_take(struct shadow_rmap *rmap, u64 pa, u64 size, u64 *steps, struct rmap_entry *entry)
{
	const struct query q = { .pa = pa, .end = pa + size, .steps = steps };

	return take(rmap, &q, entry);
}

bool rmap_take_leaf(struct shadow_rmap *rmap, u64 pa, u64 ipa, u64 *steps, struct rmap_entry *entry)
{
	const struct query q = {
		.pa = pa, .end = pa + 1, .ipa = ipa, .exact = true, .steps = steps
	};

	return take(rmap, &q, entry);
}

/* @at: a bucket, and how far in its list. */
bool rmap_next(const struct shadow_rmap *rmap, u32 *at, struct rmap_entry *entry)
{
	const u32 *heads = rmap->chunks[0];
	u32 bucket = *at % RMAP_BUCKETS, skip = *at / RMAP_BUCKETS, n;

	for (; rmap->count && bucket < RMAP_BUCKETS; bucket++, skip = 0) {
		u32 i = 0;

		for (n = heads[bucket]; n && i < skip; i++)
			n = next_of(node_at(rmap, n));
		if (!n)
			continue;
		*entry = entry_of(node_at(rmap, n));
		*at = (skip + 1) * RMAP_BUCKETS + bucket;
		return true;
	}
	return false;
}
