/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine's memory according to the device tree: banks of RAM, and reserved ranges.
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
 * full. An error has changed nothing; an empty range changes nothing.
 */
int __must_check mem_ranges_add(struct mem_ranges *set, u64 base, u64 size);

/* mem_ranges_remove() - remove [base, base + size) from a set. Return: as mem_ranges_add(). */
int __must_check mem_ranges_remove(struct mem_ranges *set, u64 base, u64 size);

/* Whether all of [base, base + size) is in @set. False for an empty or invalid range. */
bool mem_ranges_contain(const struct mem_ranges *set, u64 base, u64 size);

/* Whether any of [base, base + size) is in @set. False for an empty or invalid range. */
bool mem_ranges_overlap(const struct mem_ranges *set, u64 base, u64 size);

struct memmap {
	struct mem_ranges ram;	    /* what the device tree's memory nodes list */
	struct mem_ranges reserved; /* memory that is taken, in RAM or not */
	struct mem_ranges fixed;    /* reserved memory that is never given to a VM or to Keel */
};

/**
 * mem_range_is_of() - whether a reservation is the boot loader's for the memory of @file
 * @file: where the boot loader put something: Keel's bundle, a device tree
 * @base: first address of the reservation
 * @size: bytes
 *
 * True if it covers nothing but @file, or the rest of @file's first and last 4 KiB page.
 */
bool mem_range_is_of(struct mem_range file, u64 base, u64 size);

/**
 * memmap_from_fdt() - read the banks of RAM and firmware's reservations
 * @map: out; undefined on error
 * @fdt: device tree that host_fdt_check() accepted
 * @at:  physical addresses of the tree
 * @why: on error, one line for the console that says what is wrong
 *
 * RAM: the `memory` nodes below the root. Reserved: the memory reservation block, and each child of
 * /reserved-memory with a `reg`. The initrd, which is Keel's bundle, is not reserved even if the
 * reservation block lists it; neither is the device tree itself: see memmap_reserve().
 *
 * Fixed: ranges in the reservation block, except the tree's, which the host gets later; and
 * children of /reserved-memory with `no-map`. It may be memory that only the Secure world can
 * access.
 *
 * Return: 0; -ENOENT without any memory; -EINVAL if a node is malformed or a range is not an
 * address range (it wraps around, or ends above 56 bits); -ENOSPC for too many ranges.
 */
int __must_check memmap_from_fdt(struct memmap *map, const void *fdt, struct mem_range at,
				 const char **why);

/**
 * memmap_add_reserved_memory() - add a device tree's /reserved-memory alone
 * @map: its RAM is known by other means; undefined on error
 * @fdt: as for memmap_from_fdt()
 * @why: as there
 *
 * Return: as memmap_from_fdt().
 */
int __must_check memmap_add_reserved_memory(struct memmap *map, const void *fdt, const char **why);

/**
 * memmap_reserve() - reserve [base, base + size)
 * @map:  map
 * @base: first address
 * @size: bytes; 0 reserves nothing
 *
 * The range need not be RAM, and may be reserved already, in part or entirely.
 *
 * Return: 0; -EINVAL if the range wraps around or ends above 56 bits; -ENOSPC for too many ranges.
 * Nothing was changed on error.
 */
int __must_check memmap_reserve(struct memmap *map, u64 base, u64 size);

/*
 * Whether all of [base, base + size) is RAM, reserved or not. False for an empty or invalid range.
 */
bool memmap_is_ram(const struct memmap *map, u64 base, u64 size);

/* Whether all of [base, base + size) is RAM that is not reserved. False as above. */
bool memmap_is_free(const struct memmap *map, u64 base, u64 size);

/* Bytes of RAM, reserved or not. */
u64 memmap_ram_size(const struct memmap *map);

/* Which one of the ranges that fit memmap_find() returns. */
enum memmap_prefer { MEMMAP_LOWEST, MEMMAP_HIGHEST };

/**
 * memmap_find() - find free memory
 * @map:    map
 * @size:   bytes; not 0
 * @align:  alignment of the result, a power of two
 * @min:    the result is at least this
 * @max:    the result's last byte is below this
 * @prefer: which one of the ranges that fit
 * @base:   out: its first address; untouched on error. The caller reserves it
 *
 * Return: 0; -EINVAL if @size is 0 or @align is not a power of two; -ENOSPC if nothing fits.
 */
int __must_check memmap_find(const struct memmap *map, u64 size, u64 align, u64 min, u64 max,
			     enum memmap_prefer prefer, u64 *base);

#endif
