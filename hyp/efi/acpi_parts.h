/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files that read and copy ACPI's tables share. */
#ifndef KEEL_EFI_ACPI_PARTS_H
#define KEEL_EFI_ACPI_PARTS_H

#include <efi/acpi.h>
#include <lib/types.h>

/* By what Keel knows an SSDT as its own: 6 and 8 characters, filled up with spaces. */
#define ACPI_MARKER_OEM_ID   "KEEL  "
#define ACPI_MARKER_TABLE_ID "KEELHOST"

/* acpi_fail() - write @m->why, "ACPI: TABLE: WHAT". Return: -EINVAL */
int acpi_fail(struct acpi_machine *m, const char *table, const char *what);

/* acpi_read_madt() - CPUs, GIC and ITSs of @m->madt. Return: 0, or -EINVAL with @m->why */
int __must_check acpi_read_madt(struct acpi_machine *m);

/**
 * acpi_madt_next() - the entries of a MADT
 * @madt: at least MADT_ENTRIES bytes
 * @at:   in: where the entry is; out: where the next one is. The first is at MADT_ENTRIES
 *
 * Return: the entry's offset; 0 behind the last one; -EINVAL if it goes beyond the end.
 */
int acpi_madt_next(const struct acpi_table *madt, u32 *at);

#endif
