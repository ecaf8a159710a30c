/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UEFI's device paths (10.3) and boot options (3.1.3): both come from firmware's variables or from
 * other programs, so nothing is believed of their lengths.
 */
#ifndef KEEL_EFI_EFI_PATH_H
#define KEEL_EFI_EFI_PATH_H

#include <efi/efi_abi.h>
#include <lib/types.h>

#define EFI_PATH_MAX 1024 /* bytes of a device path that Keel makes or takes */

/**
 * efi_path_size() - bytes of a device path, its last node included
 * @path: may be NULL
 * @most: bytes that may be read
 *
 * Return: 0 if it has no end within @most bytes.
 */
size_t efi_path_size(const void *path, size_t most);

/* The first node of @type and @subtype in a path of efi_path_size() @size; NULL if none is. */
const struct efi_device_path *efi_path_find(const void *path, size_t size, u8 type, u8 subtype);

/* Whether two paths name the same partition, by its signature or number. Sizes as above. */
bool efi_path_same_disk(const void *a, size_t a_size, const void *b, size_t b_size);

/* Whether @path has a file with this name, regardless of case. */
bool efi_path_names_file(const void *path, size_t size, const char *name);

/**
 * efi_path_of_file() - the path of a file on a device
 * @device: the device's path, of @size bytes
 * @name:   from the root, with `\`
 * @out:    EFI_PATH_MAX bytes
 *
 * Return: false if it is too long.
 */
bool efi_path_of_file(const void *device, size_t size, const char *name, void *out);

/**
 * efi_path_append() - a device's path followed by the nodes of @tail from @from on
 *
 * As efi_path_of_file(); @tail has @tail_size bytes, and @from is one of its nodes.
 */
bool efi_path_append(const void *device, size_t size, const void *tail, size_t tail_size,
		     const struct efi_device_path *from, void *out);

/* The path in the load option @data of @size bytes, of an active option; NULL if there is none. */
const void *efi_option_path(const void *data, size_t size, size_t *path_size);

/* Where the path's file is said to be, as ASCII: false if there is none, or it is too long. */
bool efi_path_file(const void *path, size_t size, char *out, size_t out_size);

#endif
