/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's memory according to UEFI's memory map. */
#ifndef KEEL_EFI_EFI_MEMMAP_H
#define KEEL_EFI_EFI_MEMMAP_H

#include <host/memmap.h>
#include <lib/types.h>

/* A memory map as GetMemoryMap() fills it. */
struct efi_map {
	const void *data;
	u64 size;	     /* bytes of it */
	u64 descriptor_size; /* bytes from one descriptor to the next */
};

/**
 * efi_memmap_read() - banks of RAM, and what of it is firmware's
 * @efi: untrusted: in any order, with overlaps and holes
 * @map: out; undefined on error. @map->reserved is empty
 * @why: on error, one line for the console
 *
 * RAM: what can be cached and is no device. Fixed: what a kernel does not use as memory because of
 * its type (runtime services, reserved, ACPI's NVS, unusable, types that UEFI does not define);
 * where descriptors overlap, such a type wins.
 *
 * Return: 0; -EINVAL if a descriptor is too small, or a range wraps around or ends above 56 bits;
 * -ENOENT without any memory; -ENOSPC for too many ranges.
 */
int __must_check efi_memmap_read(const struct efi_map *efi, struct memmap *map, const char **why);

#endif
