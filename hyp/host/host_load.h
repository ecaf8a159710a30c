/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads the host: from the bundle and firmware's device tree to a kernel that can be entered. */
#ifndef KEEL_HOST_HOST_LOAD_H
#define KEEL_HOST_HOST_LOAD_H

#include <host/image.h>
#include <host/memmap.h>
#include <host/place.h>
#include <lib/types.h>

/* Arguments and results of loading. */
struct host_load {
	const void *fdt; /* firmware's device tree, mapped */
	struct mem_range
		fdt_range; /* its memory, which the host may use once it has its own tree */
	u64 boot_mpidr;
	struct memmap *map;	      /* RAM and what is taken; Keel's memory is reserved in it */
	const struct mem_range *keel; /* Keel's memory: the host must not touch it */
	unsigned int keel_count;
	const char *version;
	/* results */
	struct host_layout layout;
	u64 fdt_space;			/* bytes at @layout.fdt */
	enum image_page_size page_size; /* of the host's kernel */
	u64 bundle_size;
};

/**
 * host_load_place() - find the bundle and decide where its parts go
 * @load: in: @fdt, @map; out: @layout, whose ranges are reserved in @map
 * @why:  on error, one line for the console
 *
 * Moves nothing yet. Boot CPU.
 *
 * Return: 0, or a negative error (what bundle_parse(), image_check() and host_place() return).
 */
int __must_check host_load_place(struct host_load *load, const char **why);

/**
 * host_load_tree_place() - somebody else loads the host: it gets a device tree alone
 * @load: in: nothing; out: @layout and @fdt_space
 * @at:   where it goes; not in @load's free memory
 * @size: bytes there
 */
void host_load_tree_place(struct host_load *load, u64 at, u64 size);

/* host_load_tree() - write the device tree; after host_load_tree_place(). As host_load(). */
int __must_check host_load_tree(struct host_load *load, const char **why);

/**
 * host_load() - write kernel and device tree to where host_load_place() decided
 * @load: after host_load_place(), with @keel complete
 * @why:  on error, one line for the console
 *
 * Memory that the host will read with its caches off is cleaned to the point of coherency.
 *
 * Return: 0, or a negative error.
 */
int __must_check host_load(struct host_load *load, const char **why);

#endif
