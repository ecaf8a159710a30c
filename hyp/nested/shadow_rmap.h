/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reverse map of a shadow: which of its entries translate to some memory.
 *
 *	heads[]        by a hash of the memory's address, in units of the entry's size, and that size
 *	  │
 *	  └──> {pa, ipa, size} ──> {pa, ipa, size} ──> ... 0
 *
 * An entry is what was mapped at once: a power of two, aligned in both address spaces, of which the
 * tables may have several leaves. Entries do not overlap in the nested guest's space. So a look into
 * one short list for each size that there is finds what translates to a page, or the entry of a
 * leaf, whatever the shadow has besides.
 *
 * A guest hypervisor can make a list long: many addresses for one page. So a search has a number of
 * steps, after which its answer is that it does not know.
 *
 * Memory comes in chunks from the shadow's owner. If there is none for an entry, the owner has the
 * map given up: it is partial then, has nothing, and stays so until rmap_reset().
 *
 * No state of its own besides, no lock: the owner's.
 */
#ifndef KEEL_NESTED_SHADOW_RMAP_H
#define KEEL_NESTED_SHADOW_RMAP_H

#include <lib/types.h>

#define RMAP_BUCKETS	2048
#define RMAP_CHUNKS_MAX 64

struct rmap_entry {
	u64 pa, ipa, size;
};

struct rmap_node {
	u64 words[2];
};

/* All zero but @chunk_shift: empty. */
struct shadow_rmap {
	unsigned int chunk_shift; /* log2 of a chunk's bytes; constant */
	unsigned int nr_chunks;
	void *chunks[RMAP_CHUNKS_MAX]; /* the first one begins with the heads */
	u32 used;		       /* bytes of the chunks, in nodes, that have been used */
	u32 free;		       /* list of nodes that are free again */
	u32 count;		       /* entries */
	u64 sizes;		       /* of entries, or-ed */
	bool partial;		       /* entries are missing */
};

/* Whether there is room for one more entry: else rmap_give() first. */
bool rmap_has_room(const struct shadow_rmap *rmap);

/* A chunk more, which is the map's until rmap_reset(). Return: false if it has as many as it can. */
bool rmap_give(struct shadow_rmap *rmap, void *chunk);

/* Add an entry. There is room, and none like it; no effect on a partial one. */
void rmap_add(struct shadow_rmap *rmap, const struct rmap_entry *entry);

/* No entries. The chunks are the caller's. */
void rmap_reset(struct shadow_rmap *rmap);

/* Likewise, and it is partial. */
void rmap_give_up(struct shadow_rmap *rmap);

/**
 * rmap_take() - remove an entry that translates to [pa, pa + size)
 * @steps: nodes and lists that may be looked at, counted down
 * @entry: out
 *
 * Return: false if there is none; or, with no steps left, if none was found.
 */
bool rmap_take(struct shadow_rmap *rmap, u64 pa, u64 size, u64 *steps, struct rmap_entry *entry);

/* rmap_take_leaf() - remove the entry that translates @ipa to @pa. As rmap_take(). */
bool rmap_take_leaf(struct shadow_rmap *rmap, u64 pa, u64 ipa, u64 *steps,
		    struct rmap_entry *entry);

/**
 * rmap_next() - the entries one after the other, for checks
 * @at: 0 for the first; for the next one afterwards
 *
 * Return: false at the end.
 */
bool rmap_next(const struct shadow_rmap *rmap, u32 *at, struct rmap_entry *entry);

#endif
