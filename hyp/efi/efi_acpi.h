/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ACPI in the EFI application: firmware's tables in its configuration table, Keel's copies in their
 * place, and the same again when somebody has put others there meanwhile.
 */
#ifndef KEEL_EFI_EFI_ACPI_H
#define KEEL_EFI_EFI_ACPI_H

#include <efi/acpi.h>
#include <efi/efi_abi.h>
#include <host/memmap.h>
#include <lib/types.h>

/* The entry of a system table's configuration table; NULL if there is none. */
struct efi_configuration_table *efi_config_entry(const struct efi_system_table *system,
						 const struct efi_guid *guid);

/**
 * efi_acpi_find() - read firmware's tables
 * @system: boot services run
 * @map:    the machine's memory
 *
 * Return: the machine, valid until the next call; NULL if there are no tables, or with efi_acpi_why()
 * if they are wrong.
 */
const struct acpi_machine *efi_acpi_find(const struct efi_system_table *system,
					 const struct memmap *map);

/* Why there is none: one line, "" if firmware has no tables. */
const char *efi_acpi_why(void);

/**
 * efi_acpi_prepare() - allocate memory for the copies of what efi_acpi_find() found, and make them
 *
 * Return: false without memory.
 */
bool efi_acpi_prepare(const struct efi_system_table *system);

/* efi_acpi_install() - put the copies into the configuration table. False if firmware refuses */
bool efi_acpi_install(const struct efi_system_table *system);

/**
 * efi_acpi_refresh() - the operating system is about to end boot services
 * @map: as for efi_acpi_find()
 *
 * Where others than the copies are in the configuration table, make copies of these. Allocates
 * nothing, so the memory map does not change. Nothing happens without efi_acpi_install().
 *
 * Return: NULL; or why not, one line, and the tables are unchanged.
 */
const char *efi_acpi_refresh(const struct efi_system_table *system, const struct memmap *map);

/* efi_acpi_undo() - put firmware's tables back, and free what was allocated; at any point */
void efi_acpi_undo(const struct efi_system_table *system);

#endif
