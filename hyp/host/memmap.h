/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine's memory as the device tree tells it: banks of RAM, and what of it is taken.
 *
 * A map is a plain value of fixed size, filled on the boot CPU before any other runs; it needs no
 * lock. Ranges are half open, sorted, disjoint and never adjacent (adjacent ones are merged).
 */
#ifndef KEEL_HOST_MEMMAP_H
#define KEEL_HOST_MEMMAP_H

#include <lib/types.h>

/* No machine has memory at or above this: the largest physical address size is 56 bits. */
#define MEMMAP_PA_LIMIT (1ULL << 56)

#define MEMMAP_MAX_RANGES 128

/* [base, end), not empty, end at most MEMMAP_PA_LIMIT. */
struct mem_range {
	u64 base;
	u64 end;
};

/* A set of addresses. */
struct mem_ranges {
	unsigned int count;
	struct mem_range range[MEMMAP_MAX_RANGES];
};

/**
 * mem_ranges_add() - add [base, base + size) to a set
 *
 * Return: 0; -EINVAL if the range wraps around or ends above MEMMAP_PA_LIMIT; -ENOSPC if the set is
 * full. Nothing was changed on error; an empty range changes nothing.
 */
int __must_check mem_ranges_add(struct mem_ranges *set, u64 base, u64 size);

/* mem_ranges_remove() - take [base, base + size) out of a set. Return: as mem_ranges_add(). */
int __must_check mem_ranges_remove(struct mem_ranges *set, u64 base, u64 size);

/* Is every address of [base, base + size) in @set? False for an empty or impossible range. */
bool mem_ranges_contain(const struct mem_ranges *set, u64 base, u64 size);

/* Is any address of [base, base + size) in @set? False for an empty or impossible range. */
bool mem_ranges_overlap(const struct mem_ranges *set, u64 base, u64 size);

struct memmap {
	struct mem_ranges ram;	    /* what the device tree's memory nodes list */
	struct mem_ranges reserved; /* what is taken, in RAM or not */
	struct mem_ranges fixed;    /* what of it never moves to a VM or to Keel */
};

/**
 * mem_range_is_of() - is a reservation the boot loader's way to keep @file's memory free?
 * @file: where the boot loader put something: Keel's bundle, a device tree
 * @base: first address of the reservation
 * @size: bytes
 *
 * True if it covers nothing but @file, or the rest of @file's first and last 4 KiB page.
 */
bool mem_range_is_of(struct mem_range file, u64 base, u64 size);

/**
 * memmap_from_fdt() - read the banks of RAM and what firmware reserved
 * @map: filled; its contents are undefined on error
 * @fdt: device tree that host_fdt_check() accepted
 * @at:  where firmware put the tree: physical addresses
 * @why: on error, one line for the console that says what is wrong
 *
 * RAM: the `memory` nodes below the root. Reserved: the memory reservation block, and each child of
 * /reserved-memory with a `reg`. The initrd, which is Keel's bundle, is not reserved even if the
 * reservation block lists it; neither is the device tree itself: see memmap_reserve().
 *
 * Fixed: what the reservation block lists but for the tree, which the host gets later, and children
 * of /reserved-memory with `no-map`. It may be memory that only the Secure world can reach.
 *
 * Return: 0; -ENOENT without any memory; -EINVAL if a node is malformed or a range is not an
 * address range (it wraps around, or ends above 56 bits); -ENOSPC for too many ranges.
 */
int __must_check memmap_from_fdt(struct memmap *map, const void *fdt, struct mem_range at,
				 const char **why);

/**
 * memmap_reserve() - take [base, base + size)
 * @map:  map
 * @base: first address
 * @size: bytes; 0 takes nothing
 *
 * It does not matter whether it is RAM, or already taken in whole or in part.
 *
 * Return: 0; -EINVAL if the range wraps around or ends above 56 bits; -ENOSPC for too many ranges.
 * Nothing was changed on error.
 */
int __must_check memmap_reserve(struct memmap *map, u64 base, u64 size);

/* Is all of [base, base + size) RAM, taken or not? False for an empty or impossible range. */
bool memmap_is_ram(const struct memmap *map, u64 base, u64 size);

/* Is all of [base, base + size) RAM of which nothing is taken? False as above. */
bool memmap_is_free(const struct memmap *map, u64 base, u64 size);

/* Bytes of RAM, taken or not. */
u64 memmap_ram_size(const struct memmap *map);

/* Which of the places that fit memmap_find() returns. */
enum memmap_prefer { MEMMAP_LOWEST, MEMMAP_HIGHEST };

/**
 * memmap_find() - find free memory
 * @map:    map
 * @size:   bytes; not 0
 * @align:  a power of two that the result is a multiple of
 * @min:    the result is at least this
 * @max:    the result's last byte is below this
 * @prefer: which of the places that fit
 * @base:   the place; untouched on error. It is not reserved: that is the caller's next step.
 *
 * Return: 0; -EINVAL if @size is 0 or @align is not a power of two; -ENOSPC if nothing fits.
 */
int __must_check memmap_find(const struct memmap *map, u64 size, u64 align, u64 min, u64 max,
			     enum memmap_prefer prefer, u64 *base);

#endif
