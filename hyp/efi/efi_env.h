/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the EFI application share: firmware's tables, its protocols, and its console. */
#ifndef KEEL_EFI_EFI_ENV_H
#define KEEL_EFI_EFI_ENV_H

#include <efi/efi_abi.h>
#include <lib/types.h>

/* The application's surroundings, while boot services run. */
struct efi_env {
	efi_handle image;
	struct efi_system_table *system;
	struct efi_loaded_image *loaded; /* its own image */
	const void *device_path; /* of the device that it was loaded from; NULL if unknown */
	size_t device_path_size;
	const char *self; /* its file, "" if unknown */
};

extern const struct efi_guid efi_guid_loaded_image, efi_guid_device_path, efi_guid_file_system;
extern const struct efi_guid efi_guid_global_variable, efi_guid_device_tree;
extern const struct efi_guid efi_guid_acpi20, efi_guid_acpi10, efi_guid_keel;

/* efi_print() - one line on firmware's console: "keel: " and @fmt, as kl_snprintf() takes it */
void efi_print(const struct efi_system_table *system, const char *fmt, ...) __printf(2, 3);

/*
 * efi_record() - leave a line for the system that boots, in place of the last one: @kind, which is
 * KEEL_EFI_READY or KEEL_EFI_ERROR, and @fmt. Boot services run; they may allocate memory.
 */
void efi_record(const struct efi_system_table *system, const char *kind, const char *fmt, ...)
	__printf(3, 4);

/* efi_widen() - ASCII as UCS-2, terminated, cut off at @size characters. Return: bytes of it */
size_t efi_widen(efi_char *to, size_t size, const char *from);

/* A variable of UEFI's own, of at most @size bytes; then its size. Return: whether it is there */
bool efi_global_variable(const struct efi_system_table *system, const char *name, void *data,
			 u64 *size);

/* Whether firmware starts only what it trusts. */
bool efi_has_secure_boot(const struct efi_system_table *system);

/* A protocol of a handle; NULL if it has none. */
void *efi_protocol(const struct efi_env *env, efi_handle handle, const struct efi_guid *protocol);

#endif
