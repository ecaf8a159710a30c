/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading device-tree properties, which are untrusted: helpers of memmap_fdt.c, host_fdt.c and
 * host_fdt_edit.c. Internal to host/. Errors of libfdt become errno names. host_fdt_check() has
 * accepted the tree.
 */
#ifndef KEEL_HOST_FDT_READ_H
#define KEEL_HOST_FDT_READ_H

#include <lib/types.h>

/* host_fdt_check() refuses deeper trees; real ones are much less deep. */
#define FDT_MAX_DEPTH 32

/*
 * A walk over all nodes that knows each one's ancestors. libfdt finds a parent only by searching
 * from the root, which made up most of the time that Keel spent on device trees.
 */
struct fdt_walk {
	const void *fdt;
	int depth;		     /* of the present node; the root has 0 */
	int node[FDT_MAX_DEPTH + 1]; /* offsets: the root to the present node */
};

/* Start at the root. */
void fdt_walk_begin(struct fdt_walk *walk, const void *fdt);

/* Advance to the next node in the tree's order. Return: false at the end. */
bool fdt_walk_next(struct fdt_walk *walk);

/* The present node. */
static inline int fdt_walk_node(const struct fdt_walk *walk)
{
	return walk->node[walk->depth];
}

/* How addresses and sizes are written in a bus node's children: 1 or 2 cells each. */
struct fdt_cells {
	unsigned int addr;
	unsigned int size; /* 0 if children have no size */
};

/* Return: 0; -EINVAL for other widths than 1 or 2 (size: 0 to 2). */
int __must_check fdt_read_cells(const void *fdt, int bus, struct fdt_cells *out);

/* The big-endian number of @cells cells (0 to 2) at @p. */
u64 fdt_read_number(const void *p, unsigned int cells);

/* A property that is one number of 1 or 2 cells. Return: 0; -ENOENT; -EINVAL for another size. */
int __must_check fdt_read_u64(const void *fdt, int node, const char *name, u64 *out);

/* The first string of a property. NULL if it is missing or not terminated. */
const char *fdt_read_string(const void *fdt, int node, const char *name);

/* Is @word one of the strings of a property? False if that is missing or malformed. */
bool fdt_has_string(const void *fdt, int node, const char *name, const char *word);

/**
 * fdt_read_reg() - one (address, size) pair of a `reg`-like property
 * @fdt:   device tree
 * @cells: of the node's parent
 * @node:  node
 * @name:  the property's name
 * @index: which pair
 * @base:  address
 * @size:  size; 0 if @cells says that there is none
 *
 * Return: 0; -ENOENT if there is no such property, or no pair at @index; -EINVAL if the property's
 * length is not a multiple of a pair's.
 */
int __must_check fdt_read_reg(const void *fdt, struct fdt_cells cells, int node, const char *name,
			      unsigned int index, u64 *base, u64 *size);

/*
 * Whether a child of /cpus is a CPU that may be used: not with status "fail", but with "disabled".
 */
bool fdt_is_cpu(const void *fdt, int node);

/* The MPIDR_EL1 affinity of a CPU node. Return: 0; -EINVAL if its reg is not one. */
int __must_check fdt_read_mpidr(const void *fdt, struct fdt_cells cells, int node, u64 *mpidr);

/* Whether a CPU is started by PSCI, the only method that Keel can mediate. */
bool fdt_cpu_is_mediable(const void *fdt, int node);

/* The offset of /cpus, and its cells. Return: the offset; -EINVAL. */
int __must_check fdt_find_cpus(const void *fdt, struct fdt_cells *cells);

/* Whether `status` allows use of the node. True if there is none. */
bool fdt_is_available(const void *fdt, int node);

#endif
