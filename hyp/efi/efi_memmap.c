// SPDX-License-Identifier: BSD-2-Clause
/* UEFI's memory map (UEFI 2.10, 7.2.3) as sets of ranges. */
#include <efi/efi_abi.h>
#include <efi/efi_memmap.h>
#include <lib/errno.h>
#include <lib/string.h>

/* Memory answers as such whatever its type is; what cannot be cached is no memory. */
static bool efi_is_ram(const struct efi_memory_descriptor *d)
{
	return d->type != EFI_MMIO && d->type != EFI_MMIO_PORT_SPACE &&
	       (d->attribute & (EFI_MEMORY_WB | EFI_MEMORY_WT | EFI_MEMORY_WC));
}

/* Types that a kernel uses as memory, at the latest when it has read ACPI's tables. */
static bool efi_is_usable(u32 type)
{
	switch (type) {
	case EFI_LOADER_CODE:
	case EFI_LOADER_DATA:
	case EFI_BOOT_SERVICES_CODE:
	case EFI_BOOT_SERVICES_DATA:
	case EFI_CONVENTIONAL_MEMORY:
	case EFI_ACPI_RECLAIM_MEMORY:
	case EFI_PERSISTENT_MEMORY:
		return true;
	default:
		return false;
	}
}

static int efi_add_range(struct memmap *map, const struct efi_memory_descriptor *d)
{
	int ret;

	if (d->pages > MEMMAP_PA_LIMIT / EFI_PAGE_SIZE || d->physical_start % EFI_PAGE_SIZE)
		return -EINVAL;
	if (!efi_is_ram(d))
		return 0;
	ret = mem_ranges_add(&map->ram, d->physical_start, d->pages * EFI_PAGE_SIZE);
	if (!ret && !efi_is_usable(d->type))
		ret = mem_ranges_add(&map->fixed, d->physical_start, d->pages * EFI_PAGE_SIZE);
	return ret;
}

int efi_memmap_read(const struct efi_map *efi, struct memmap *map, const char **why)
{
	struct efi_memory_descriptor d;
	int ret = 0;

	map->ram.count = map->reserved.count = map->fixed.count = 0;
	*why = "firmware's memory map has bad descriptors";
	if (efi->descriptor_size < sizeof(d) || efi->size % efi->descriptor_size)
		return -EINVAL;
	for (u64 at = 0; at < efi->size && !ret; at += efi->descriptor_size) {
		memcpy(&d, (const char *)efi->data + at, sizeof(d));
		ret = efi_add_range(map, &d);
	}
	if (ret == -ENOSPC)
		*why = "firmware's memory map has too many separate ranges";
	if (!ret && !map->ram.count) {
		*why = "firmware's memory map lists no memory";
		return -ENOENT;
	}
	return ret;
}
