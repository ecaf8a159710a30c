// SPDX-License-Identifier: BSD-2-Clause
/* Fills a memory map from a device tree (Devicetree Specification v0.4, 3.4, 3.5, 5.3). */
#include <libfdt.h>

#include <host/fdt_read.h>
#include <host/host_fdt.h>
#include <host/memmap.h>
#include <lib/errno.h>
#include <lib/string.h>

/* Error messages for a range that cannot be added. */
struct complaint {
	const char *bad;  /* the range is malformed */
	const char *many; /* the set is full */
};

static const struct complaint bank_complaint = {
	.bad = "device tree: a memory node's reg is malformed or out of range",
	.many = "device tree: too many memory banks",
};

static const struct complaint reserved_complaint = {
	.bad = "device tree: a reserved range is malformed or out of range",
	.many = "device tree: too many reserved ranges",
};

static int memmap_fdt_fail(const char **why, const char *line, int err)
{
	*why = line;
	return err;
}

static int memmap_add_range(struct mem_ranges *set, u64 base, u64 size, const struct complaint *c,
			    const char **why)
{
	int err = mem_ranges_add(set, base, size);

	if (err == -ENOSPC)
		return memmap_fdt_fail(why, c->many, err);
	return err ? memmap_fdt_fail(why, c->bad, err) : 0;
}

/* Add all pairs of a reg-like property; a missing property adds nothing. */
static int memmap_add_reg(struct mem_ranges *set, const void *fdt, struct fdt_cells cells, int node,
			  const char *name, const struct complaint *c, const char **why)
{
	for (unsigned int i = 0;; i++) {
		u64 base, size;
		int err = fdt_read_reg(fdt, cells, node, name, i, &base, &size);

		if (err == -ENOENT)
			return 0;
		if (err)
			return memmap_fdt_fail(why, c->bad, err);
		err = memmap_add_range(set, base, size, c, why);
		if (err)
			return err;
	}
}

/* As in Linux, linux,usable-memory takes precedence over reg. */
static const char *bank_property(const void *fdt, int node)
{
	return fdt_getprop(fdt, node, "linux,usable-memory", NULL) ? "linux,usable-memory" : "reg";
}

static bool is_memory(const void *fdt, int node)
{
	const char *type = fdt_read_string(fdt, node, "device_type");

	return type && strcmp(type, "memory") == 0 && fdt_is_available(fdt, node);
}

static int read_banks(struct memmap *map, const void *fdt, const char **why)
{
	struct fdt_cells cells;
	int node;

	if (fdt_read_cells(fdt, 0, &cells) || !cells.size)
		return memmap_fdt_fail(
			why, "device tree: the root's #address-cells or #size-cells are bad",
			-EINVAL);
	fdt_for_each_subnode (node, fdt, 0) {
		int err = 0;

		if (is_memory(fdt, node))
			err = memmap_add_reg(&map->ram, fdt, cells, node, bank_property(fdt, node),
					     &bank_complaint, why);
		if (err)
			return err;
	}
	return map->ram.count ? 0 : memmap_fdt_fail(why, "device tree: lists no memory", -ENOENT);
}

/* Add a reserved range; with @fixed, also to the fixed ones. */
static int memmap_add_reserved(struct memmap *map, u64 base, u64 size, bool fixed, const char **why)
{
	int err = memmap_add_range(&map->reserved, base, size, &reserved_complaint, why);

	if (!err && fixed)
		err = memmap_add_range(&map->fixed, base, size, &reserved_complaint, why);
	return err;
}

static int read_reservation_block(struct memmap *map, const void *fdt, struct mem_range at,
				  const char **why)
{
	struct mem_range bundle = { 0, 0 };
	int n = fdt_num_mem_rsv(fdt);

	/* host_place() decides about the bundle's memory */
	if (n > 0 && host_fdt_initrd(fdt, &bundle, why))
		bundle = (struct mem_range){ 0, 0 };

	for (int i = 0; i < n; i++) {
		u64 base, size;
		int err;

		if (fdt_get_mem_rsv(fdt, i, &base, &size))
			return memmap_fdt_fail(why, reserved_complaint.bad, -EINVAL);
		if (mem_range_is_of(bundle, base, size))
			continue;
		err = memmap_add_reserved(map, base, size, !mem_range_is_of(at, base, size), why);
		if (err)
			return err;
	}
	return 0;
}

/* Add all ranges of one child of /reserved-memory. */
static int read_reserved_node(struct memmap *map, const void *fdt, struct fdt_cells cells, int node,
			      const char **why)
{
	const char *const name = "reg";
	int err = memmap_add_reg(&map->reserved, fdt, cells, node, name, &reserved_complaint, why);

	if (!err && fdt_getprop(fdt, node, "no-map", NULL))
		err = memmap_add_reg(&map->fixed, fdt, cells, node, name, &reserved_complaint, why);
	return err;
}

static int read_reserved_memory(struct memmap *map, const void *fdt, const char **why)
{
	int node, parent = fdt_path_offset(fdt, "/reserved-memory");
	struct fdt_cells cells;

	if (parent < 0)
		return 0;
	if (fdt_read_cells(fdt, parent, &cells) || !cells.size)
		return memmap_fdt_fail(why, "device tree: /reserved-memory's cells are bad",
				       -EINVAL);
	fdt_for_each_subnode (node, fdt, parent) {
		int err = 0;

		/* a child without reg is placed by the host's kernel */
		if (fdt_is_available(fdt, node))
			err = read_reserved_node(map, fdt, cells, node, why);
		if (err)
			return err;
	}
	return 0;
}

int memmap_add_reserved_memory(struct memmap *map, const void *fdt, const char **why)
{
	return read_reserved_memory(map, fdt, why);
}

int memmap_from_fdt(struct memmap *map, const void *fdt, struct mem_range at, const char **why)
{
	int err;

	map->ram.count = 0;
	map->reserved.count = 0;
	map->fixed.count = 0;
	err = read_banks(map, fdt, why);
	if (!err)
		err = read_reservation_block(map, fdt, at, why);
	if (!err)
		err = read_reserved_memory(map, fdt, why);
	return err;
}
