/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ACPI's tables (ACPI 6.5, chapter 5): what they say of the machine, and the copies that the host
 * gets.
 *
 * Tables are untrusted: a checksum, a length or an entry that is wrong is one line for the console.
 * All functions work on memory that the caller provides, keep no state, and need no lock.
 */
#ifndef KEEL_EFI_ACPI_H
#define KEEL_EFI_ACPI_H

#include <cpu/percpu.h>
#include <host/host_fdt.h>
#include <lib/types.h>

/* How tables are reached. */
struct acpi_reader {
	/* Return: [@pa, @pa + @size) to read; NULL if that is not in the machine's memory */
	const u8 *(*at)(const void *ctx, u64 pa, u64 size);
	const void *ctx;
};

/* A table that has been read: its checksum is right. @data is NULL if there is none. */
struct acpi_table {
	const u8 *data;
	u64 pa;
	u32 length;
};

/* No table that Keel reads is larger. */
#define ACPI_TABLE_MAX SZ_1M
/* Tables that an XSDT may list. */
#define ACPI_XSDT_MAX 1024

#define ACPI_WHY_MAX 96

/* What the tables say. Pointers are into the reader's memory. */
struct acpi_machine {
	struct acpi_table rsdp, xsdt, fadt, madt, gtdt;
	u64 marker; /* the table by which these are copies that a Keel made; 0: they are not */
	/* CPUs that PSCI starts, in the MADT's order */
	unsigned int cpus, cpus_left_out; /* beyond KEEL_MAX_CPUS */
	u64 mpidr[KEEL_MAX_CPUS];	  /* MPIDR_EL1's affinity fields */
	bool gicv3;
	u64 gicd;	      /* the distributor */
	u64 gicc, gich, gicv; /* of a GICv2; @gich and @gicv are 0 without its part for VMs */
	struct fdt_redists redists;
	struct fdt_itses itses;
	bool has_console;
	struct fdt_console console;
	char warning
		[ACPI_WHY_MAX]; /* why there is no console; "" if there is none to be expected */
	char why[ACPI_WHY_MAX]; /* on error, one line for the console */
};

/**
 * acpi_read() - read and check the tables that Keel needs
 * @reader: how
 * @rsdp:   physical address of the root pointer
 * @out:    undefined on error, but @out->why
 *
 * Needed are an RSDP of ACPI 2.0 or later with its XSDT; an FADT that says PSCI by SMC; a MADT with
 * CPUs and with a GICv2, or a GICv3 with redistributors; a GTDT with the interrupts of the BSA. Of
 * these three there is one each: of two, systems take the first for one purpose and the last for another.
 * The console is optional: the PL011 of SPCR, or the first of DBG2.
 *
 * Return: 0; -EINVAL if a table is missing or wrong.
 */
int __must_check acpi_read(const struct acpi_reader *reader, u64 rsdp, struct acpi_machine *out);

/* Bytes at which acpi_make_tree() never fails. */
#define ACPI_TREE_SIZE SZ_128K

/**
 * acpi_make_tree() - the machine as a device tree, for Keel's own boot
 * @m:    what acpi_read() found
 * @to:   the tree; 8-byte aligned
 * @size: bytes there
 *
 * It has what host_fdt.h reads of a tree, and nothing else: CPUs, PSCI, console, the GIC and its
 * ITSs. The host never sees it.
 *
 * Return: 0; -ENOSPC if @size is too small.
 */
int __must_check acpi_make_tree(const struct acpi_machine *m, void *to, size_t size);

/* acpi_copies_size() - bytes that acpi_make_copies() needs */
u64 acpi_copies_size(const struct acpi_machine *m);

/**
 * acpi_make_copies() - the tables that the host gets: copies of those that Keel changes
 * @m:    what acpi_read() found
 * @to:   where they go, the RSDP first; must not overlap firmware's tables
 * @pa:   the physical address of that, 16-byte aligned
 * @size: bytes there
 *
 * - MADT: CPUs have no virtual interface of the GIC, no maintenance interrupt and no parking
 *   protocol;
 * - FADT: PSCI by SMC; the hypervisor's vendor is Keel, if the table has the field;
 * - an SSDT with the device KEEL_ACPI_HID, in place of another Keel's;
 * - XSDT and RSDP that point to them. There is no RSDT.
 *
 * The GTDT is firmware's: what the host does with the virtual timer is timer/host_timer.c's.
 *
 * Return: 0; -ENOSPC if @size is too small, or a table lies in @to that the copies need.
 */
int __must_check acpi_make_copies(const struct acpi_machine *m, void *to, u64 pa, u64 size);

#endif
