/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Firmware's translation regime at EL2, made into an equivalent one of EL1 (ARM DDI 0487, D8).
 *
 * Registers are values, and tables are reached by the caller's functions, so that this needs no
 * EL2. Tables are changed in place: what EL2 takes for a permission at EL1 and EL0 is the only
 * difference.
 */
#ifndef KEEL_EFI_EFI_REGIME_H
#define KEEL_EFI_EFI_REGIME_H

#include <efi/handover.h>
#include <lib/types.h>

/* The regime at EL1. */
struct efi_el1_regime {
	u64 sctlr, tcr, ttbr0, ttbr1, mair;
	bool mmu;		/* SCTLR_EL1.M: there are tables */
	bool convert;		/* they are of a regime without EL0 */
	bool ds;		/* FEAT_LPA2's descriptors */
	u64 root;		/* of TTBR0_EL1 */
	int level;		/* of the root */
	unsigned int root_size; /* descriptors in it */
};

/**
 * efi_regime_read() - what EL1's registers must be for @el2's address space
 * @el2: firmware's registers
 * @out: undefined on error
 *
 * Return: NULL; or why that cannot be, a line for the console.
 */
const char *efi_regime_read(const struct efi_el2_state *el2, struct efi_el1_regime *out);

/* How a page of the tables is reached; one at a time. */
struct efi_table_ops {
	/* Return: the table of 4 KiB at @pa; NULL if there is no memory of the host's. */
	u64 *(*open)(void *ctx, u64 pa);
	void (*close)(void *ctx, u64 *table);
};

/* More tables than this are taken for damage: they would map 8 GiB page by page. */
#define EFI_TABLES_MAX 4096

/**
 * efi_tables_check() - whether all tables can be converted; nothing changes
 *
 * Return: NULL; or why not, a line for the console.
 */
const char *efi_tables_check(const struct efi_el1_regime *regime, const struct efi_table_ops *ops,
			     void *ctx);

/* efi_tables_convert() - give EL1's meaning to the descriptors; after efi_tables_check() */
void efi_tables_convert(const struct efi_el1_regime *regime, const struct efi_table_ops *ops,
			void *ctx);

#endif
