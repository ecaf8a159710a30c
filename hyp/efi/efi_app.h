/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keel.efi: the EFI application that Keel's image is, too. It runs by firmware's mappings, prepares
 * Keel at EL2, and starts the next loader; when the operating system ends boot services, Keel takes
 * EL2. docs/boot.md has the whole story.
 */
#ifndef KEEL_EFI_EFI_APP_H
#define KEEL_EFI_EFI_APP_H

#include <efi/efi_abi.h>
#include <efi/handover.h>
#include <lib/types.h>

/* What the application needs of the CPU and of Keel's image, so that it also runs in tests. */
struct efi_platform {
	const char *version; /* Keel's */
	u64 current_el;
	const void *image; /* as loaded; it is copied from here */
	u64 image_size;	   /* bytes of it that are in the file */
	u64 region_size;   /* bytes that Keel needs for it, a power of two, and its alignment */
	u64 first_entry;   /* offset in the image: where Keel begins, MMU off, x0 = the handover */
	u64 resume, el1_entry;

	/*
	 * Save firmware's state at @state, turn the MMU off and go to @entry with x0 = @arg. Return:
	 * what Keel returns with: 0 at EL1, or another value at EL2, where all is as it was.
	 */
	u64 (*enter)(u64 entry, u64 arg, struct efi_el2_state *state);
	/* Clean and invalidate the data caches, for code and data that is read past them. */
	void (*clean)(const void *start, u64 size);
};

/* Keel at EL2 prepares itself, and returns at EL2 with this, or with EFI_KEEL_FAILED. */
#define EFI_KEEL_READY	1
#define EFI_KEEL_FAILED 2

/**
 * efi_app() - the application
 * @image:    its handle
 * @system:   firmware's
 * @platform: stays valid
 *
 * Return: when the next loader returns, its status; EFI_NOT_FOUND if there is none.
 */
efi_status efi_app(efi_handle image, struct efi_system_table *system,
		   const struct efi_platform *platform);

#endif
