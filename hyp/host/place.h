/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides where the host's kernel, initrd and device tree lie in memory, by the rules of the arm64
 * boot protocol (Linux: Documentation/arch/arm64/booting.rst). A pure function of the memory map,
 * the bundle and the kernel's header.
 */
#ifndef KEEL_HOST_PLACE_H
#define KEEL_HOST_PLACE_H

#include <host/bundle.h>
#include <host/host_fdt.h>
#include <host/image.h>
#include <host/memmap.h>
#include <lib/types.h>

/* Where the host's parts lie, in physical addresses. */
struct host_layout {
	u64 kernel; /* the kernel's load address and entry point */
	/* where the kernel lies in the bundle; equal to @kernel if it is not copied */
	u64 kernel_from;
	u64 kernel_size; /* bytes to copy */
	u64 kernel_end;	 /* end of the memory that the kernel owns */
	u64 initrd;	 /* in the bundle */
	u64 initrd_end;
	u64 fdt; /* 2 MiB aligned, HOST_FDT_SPACE bytes */
};

/**
 * host_place() - decide where the host's kernel, initrd and device tree lie
 * @map:    memory map in which Keel and firmware's device tree are reserved, and the bundle is not
 *          (as memmap_from_fdt() leaves it). On success the bundle and the ranges that were chosen
 *          are reserved too, so that later users of memory find free memory with memmap_find().
 *          Undefined on error.
 * @base:   the bundle's address
 * @bundle: its files
 * @image:  its kernel's header
 * @layout: out
 * @why:    on error, one line for the console
 *
 * The kernel stays where it is in the bundle if the boot protocol allows that: at text_offset from
 * a 2 MiB boundary, with nothing but the bundle's own padding in the memory that it owns. Otherwise
 * it is copied to the lowest free range that is near enough to the initrd (the boot protocol
 * requires both in one window of 32 GiB). The initrd is used in place.
 *
 * Return: 0; -EINVAL if the bundle is not in RAM, or in reserved memory; -ENOSPC if something does
 * not fit.
 */
int __must_check host_place(struct memmap *map, u64 base, const struct bundle *bundle,
			    const struct image_info *image, struct host_layout *layout,
			    const char **why);

#endif
