// SPDX-License-Identifier: GPL-2.0
/* its_map.h: a tree of nodes with 16 slots. A node without an entry below it does not exist. */
#include "its_map.h"

#define SLOT_BITS 4
#define SLOTS	  (1U << SLOT_BITS)

struct its_node {
	void *slot[SLOTS];
};

static unsigned int slot_of(u32 key, unsigned int level)
{
	return key >> (level * SLOT_BITS) & (SLOTS - 1);
}

static bool key_fits(const struct its_map *map, u32 key)
{
	return !(key >> (map->levels * SLOT_BITS));
}

void its_map_init(struct its_map *map, unsigned int bits)
{
	map->root = NULL;
	map->levels = (bits + SLOT_BITS - 1) / SLOT_BITS;
}

void *its_map_get(const struct its_map *map, u32 key)
{
	const struct its_node *node = map->root;

	if (!key_fits(map, key))
		return NULL;
	for (unsigned int level = map->levels - 1; node && level; level--)
		node = node->slot[slot_of(key, level)];
	return node ? node->slot[slot_of(key, 0)] : NULL;
}

/*
 * The entry at @key, or NULL; then *@next is the first key behind the empty part that @key is in.
 */
static void *look(const struct its_map *map, u32 key, u32 *next)
{
	const struct its_node *node = map->root;
	unsigned int level = map->levels;

	while (node && level) {
		level--;
		node = node->slot[slot_of(key, level)];
	}
	*next = ((key >> (level * SLOT_BITS)) + 1) << (level * SLOT_BITS);
	return level ? NULL : (void *)node;
}

void *its_map_next(const struct its_map *map, u32 *key)
{
	while (key_fits(map, *key)) {
		u32 next;
		void *entry = look(map, *key, &next);

		if (entry)
			return entry;
		*key = next;
	}
	return NULL;
}

void its_map_insert(struct its_map *map, u32 key, void *entry, struct its_reserve *reserve)
{
	void **slot = &map->root;

	for (unsigned int level = map->levels; level--;) {
		struct its_node *node = *slot;

		if (!node)
			node = *slot = reserve->block[--reserve->count];
		slot = &node->slot[slot_of(key, level)];
	}
	*slot = entry;
}

static bool node_is_empty(const struct its_node *node)
{
	for (unsigned int i = 0; i < SLOTS; i++)
		if (node->slot[i])
			return false;
	return true;
}

void its_map_erase(struct its_map *map, u32 key, void (*release)(void *ctx, void *block), void *ctx)
{
	void **path[ITS_MAP_NODES]; /* by level: where the node is that is on the way to @key */
	void **slot = &map->root;
	unsigned int level;

	for (level = map->levels; level--;) {
		path[level] = slot;
		slot = &((struct its_node *)*slot)->slot[slot_of(key, level)];
	}
	*slot = NULL;
	for (level = 0; level < map->levels && node_is_empty(*path[level]); level++) {
		release(ctx, *path[level]);
		*path[level] = NULL;
	}
}
