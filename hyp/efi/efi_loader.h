/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds what keel.efi starts: a boot loader, or a kernel that is an EFI application. */
#ifndef KEEL_EFI_EFI_LOADER_H
#define KEEL_EFI_EFI_LOADER_H

#include <efi/efi_config.h>
#include <efi/efi_env.h>
#include <lib/types.h>

/* What efi_loader_load() found. */
struct efi_loader {
	efi_handle image;
	char name[EFI_LOADER_MAX]; /* its file */
	bool named;		   /* the one that @config names */
};

/**
 * efi_loader_load() - load the next loader
 * @env:    boot services run
 * @config: what names it, and its arguments
 * @out:    undefined on error
 *
 * By LoadImage(), so that firmware verifies it: the file that @config names; else, or if it cannot
 * be loaded, the boot entry that follows the one that firmware booted; else the first of the usual
 * files on Keel's own device. Keel itself is none of them.
 *
 * Return: EFI_SUCCESS; EFI_NOT_FOUND.
 */
efi_status efi_loader_load(const struct efi_env *env, const struct efi_config *config,
			   struct efi_loader *out);

#endif
