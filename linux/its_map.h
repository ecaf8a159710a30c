/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A sparse array of pointers with keys of up to 16 bits: a tree of nodes with 16 slots, as deep as
 * its keys are long. What an insertion needs is allocated before, so that it can be made under a
 * spinlock.
 */
#ifndef KEEL_ITS_MAP_H
#define KEEL_ITS_MAP_H

#include "its_types.h"

/* Each node, and each object of the model, is a block of this many bytes. */
#define ITS_BLOCK 128

/* Nodes that an insertion may need. */
#define ITS_MAP_NODES 4

struct its_map {
	void *root;
	unsigned int levels; /* 1..ITS_MAP_NODES */
};

/* Zeroed blocks. Whoever holds the mutex of the model has it. */
struct its_reserve {
	unsigned int count;
	void *block[16];
};

/* @bits: 1..16, of a key */
void its_map_init(struct its_map *map, unsigned int bits);
/* NULL: there is none, or @key is too long. */
void *its_map_get(const struct its_map *map, u32 key);
/* The first entry from *@key on; *@key is set to its key. NULL: there is none. */
void *its_map_next(const struct its_map *map, u32 *key);
/* @key is free and short enough, and @reserve has ITS_MAP_NODES blocks. */
void its_map_insert(struct its_map *map, u32 key, void *entry, struct its_reserve *reserve);
/* @key has an entry. Nodes that become empty are given to @release. */
void its_map_erase(struct its_map *map, u32 key, void (*release)(void *ctx, void *block),
		   void *ctx);

#endif
