/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What keel.efi is asked for: keel.cfg beside it, and its load options, which come later and win.
 * Both are untrusted text. A line or word that cannot be used is reported and ignored.
 *
 *   keel.cfg                          load options
 *   # a comment                       keel.loglevel=debug loader=\vmlinuz -- console=ttyAMA0
 *   options keel.loglevel=debug
 *   loader \EFI\debian\grubaa64.efi
 *   arguments console=ttyAMA0
 */
#ifndef KEEL_EFI_EFI_CONFIG_H
#define KEEL_EFI_EFI_CONFIG_H

#include <efi/efi_abi.h>
#include <efi/handover.h>
#include <lib/types.h>

#define EFI_LOADER_MAX	  256 /* with a terminator, as the next two */
#define EFI_ARGUMENTS_MAX 2048
#define EFI_CONFIG_MAX	  8192 /* keel.cfg */

struct efi_config {
	char options[EFI_OPTIONS_MAX];	   /* Keel's own: words with `keel.` */
	char loader[EFI_LOADER_MAX];	   /* what is started next; empty: not said */
	char arguments[EFI_ARGUMENTS_MAX]; /* its load options */
};

/**
 * typedef efi_config_warn_t - called for what could not be used
 * @why:  what is wrong, a few words
 * @text: what it is about, not terminated, printable
 */
typedef void efi_config_warn_t(const char *why, const char *text, size_t len);

/* efi_config_file() - take what keel.cfg says; @data: @size bytes of it */
void efi_config_file(struct efi_config *config, const char *data, size_t size,
		     efi_config_warn_t *warn);

/**
 * efi_config_load_options() - take what the load options say
 * @data: @size bytes: UCS-2 with or without a terminator, if it is text at all
 *
 * A first word that ends in `.efi` is the name of the program, which shells pass.
 */
void efi_config_load_options(struct efi_config *config, const void *data, size_t size,
			     efi_config_warn_t *warn);

#endif
