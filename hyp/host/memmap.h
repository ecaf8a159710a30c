/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine's memory as the device tree tells it: banks of RAM, and what of it is taken; and the
 * decision where the host's kernel and device tree go.
 *
 * A map is a plain value of fixed size, filled on the boot CPU before any other runs; it needs no
 * lock. Ranges are half open, sorted, disjoint and never adjacent (adjacent ones are merged).
 */
#ifndef KEEL_HOST_MEMMAP_H
#define KEEL_HOST_MEMMAP_H

#include <lib/types.h>

#include <host/bundle.h>
#include <host/image.h>

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

struct memmap {
	struct mem_ranges ram;	    /* what the device tree's memory nodes list */
	struct mem_ranges reserved; /* what is taken, in RAM or not */
};

/**
 * memmap_from_fdt() - read the banks of RAM and what firmware reserved
 * @map: filled; its contents are undefined on error
 * @fdt: device tree that host_fdt_check() accepted
 * @why: on error, one line for the console that says what is wrong
 *
 * RAM: the `memory` nodes below the root. Reserved: the memory reservation block, and each child of
 * /reserved-memory with a `reg`. The device tree itself is not reserved: see memmap_reserve().
 *
 * Return: 0; -ENOENT without any memory; -EINVAL if a node is malformed or a range is not an
 * address range (it wraps around, or ends above 56 bits); -ENOSPC for too many ranges.
 */
int __must_check memmap_from_fdt(struct memmap *map, const void *fdt, const char **why);

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

/**
 * memmap_unreserve() - give [base, base + size) back
 * @map:  map
 * @base: first address
 * @size: bytes; 0 gives nothing back
 *
 * Return: as memmap_reserve().
 */
int __must_check memmap_unreserve(struct memmap *map, u64 base, u64 size);

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

/* The boot protocol's limit for a device tree, and the space that host_place() gives it. */
#define HOST_FDT_SPACE SZ_2M

/* Where the host's parts lie; all physical addresses. */
struct host_layout {
	u64 kernel;	 /* the kernel's load address and entry point */
	u64 kernel_from; /* where it lies in the bundle: equal to @kernel if nothing is to be copied
			  */
	u64 kernel_size; /* bytes to copy if so */
	u64 kernel_end;	 /* end of the memory that the kernel owns */
	u64 initrd;	 /* in the bundle */
	u64 initrd_end;
	u64 fdt; /* 2 MiB aligned, HOST_FDT_SPACE bytes */
};

/**
 * host_place() - decide where the host's kernel, initrd and device tree lie
 * @map:    map with all that must stay untouched reserved: Keel, and firmware's device tree. The
 *          bundle need not be. On success the bundle and the places decided on are reserved too,
 *          so that whoever needs memory afterwards uses memmap_find(). Undefined on error.
 * @base:   the bundle's address
 * @bundle: what is in it
 * @image:  what its kernel wants
 * @layout: the decision
 * @why:    on error, one line for the console
 *
 * The kernel stays where it is in the bundle if that is a legal place for it: at text_offset from a
 * 2 MiB boundary, and with nothing but the bundle's own padding in the memory that it owns. Else it
 * gets the lowest place that is free and near enough to the initrd (the boot protocol wants both in
 * one window of 32 GiB). The initrd is used in place.
 *
 * Return: 0; -EINVAL if the bundle is not in RAM; -ENOSPC if something does not fit.
 */
int __must_check host_place(struct memmap *map, u64 base, const struct bundle *bundle,
			    const struct image_info *image, struct host_layout *layout,
			    const char **why);

#endif
