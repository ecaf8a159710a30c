/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's parts in memory: from the bundle and firmware's device tree
 * to a kernel to be entered. */
#ifndef KEEL_HOST_HOST_LOAD_H
#define KEEL_HOST_HOST_LOAD_H

#include <host/image.h>
#include <host/memmap.h>
#include <host/place.h>
#include <lib/types.h>

/* What the host is made of. */
struct host_load {
	const void *fdt;	    /* firmware's device tree, mapped */
	struct mem_range fdt_range; /* its memory, the host's to use once it has its own */
	u64 boot_mpidr;
	struct memmap *map;	      /* RAM and what is taken; Keel's memory is reserved in it */
	const struct mem_range *keel; /* Keel's memory: the host must not touch it */
	unsigned int keel_count;
	const char *version;
	/* results */
	struct host_layout layout;
	enum image_page_size page_size; /* of the host's kernel */
	u64 bundle_size;
};

/**
 * host_load_place() - find the bundle and decide where its parts go
 * @load: @fdt and @map are used; @layout is filled and what it names is reserved in @map
 * @why:  on error, one line for the console
 *
 * Moves nothing yet. Boot CPU.
 *
 * Return: 0, or a negative error (what bundle_parse(), image_check() and host_place() return).
 */
int __must_check host_load_place(struct host_load *load, const char **why);

/**
 * host_load() - put kernel and device tree where host_load_place() decided
 * @load: as host_load_place() left it, @keel complete
 * @why:  on error, one line for the console
 *
 * Memory that the host will read with its caches off is cleaned to the point of coherency.
 *
 * Return: 0, or a negative error.
 */
int __must_check host_load(struct host_load *load, const char **why);

#endif
