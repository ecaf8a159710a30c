// SPDX-License-Identifier: BSD-2-Clause
/*
 * ACPI's tables as firmware could have them. Nothing is read beyond the end of memory, and what is
 * accepted makes a tree that Keel's boot understands, and copies that are as sound as firmware's.
 *
 * Input: a byte that chooses a machine, whether checksums are made right at the end, and where memory
 * ends; then changes of its tables, of three bytes each: where (two), and the new value.
 */
/* SOURCES: hyp/efi/acpi_read.c hyp/efi/acpi_madt.c hyp/efi/acpi_tree.c hyp/efi/acpi_copy.c hyp/host/memmap.c hyp/host/fdt_read.c hyp/host/host_fdt.c hyp/lib/options.c hyp/lib/printf.c hyp/lib/parse.c */
/* LIBS: -lfdt */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <efi/acpi.h>
#include <efi/acpi_abi.h>
#include <lib/errno.h>
#include <libfdt.h>

#include "../unit/acpi_world.h"

#define CHECK(cond)                                             \
	do {                                                    \
		if (!(cond)) {                                  \
			fprintf(stderr, "not so: %s\n", #cond); \
			abort();                                \
		}                                               \
	} while (0)

#define PA_BASE 0x40000000ULL
#define PA_COPY 0x50000000ULL

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static u8 *memory, *copies;
static u64 memory_size, copies_size;

static u8 *in_range(u8 *from, u64 base, u64 have, u64 pa, u64 size)
{
	return pa >= base && pa - base <= have && size <= have - (pa - base) ? from + (pa - base)
									     : NULL;
}

static const u8 *at(const void *ctx, u64 pa, u64 size)
{
	u8 *p = in_range(memory, PA_BASE, memory_size, pa, size);

	(void)ctx;
	return p ? p : in_range(copies, PA_COPY, copies_size, pa, size);
}

static const struct acpi_reader reader = { at, NULL };

static u8 *fix_table(u64 pa)
{
	u8 *t = in_range(memory, PA_BASE, memory_size, pa, ACPI_HEADER_SIZE);
	u32 length = t ? acpi_u32(t + ACPI_LENGTH) : 0;

	if (length < ACPI_HEADER_SIZE || !in_range(memory, PA_BASE, memory_size, pa, length))
		return NULL;
	t[ACPI_CHECKSUM] = 0;
	t[ACPI_CHECKSUM] = (u8)-acpi_sum(t, length);
	return t;
}

static void fix_checksums(u8 *rsdp)
{
	u64 xsdt_pa = acpi_u64(rsdp + RSDP_XSDT);
	u32 length = acpi_u32(rsdp + RSDP_LENGTH);
	u8 *xsdt = fix_table(xsdt_pa);

	for (u32 i = ACPI_HEADER_SIZE; xsdt && i + 8 <= acpi_u32(xsdt + ACPI_LENGTH); i += 8)
		(void)fix_table(acpi_u64(xsdt + i));
	(void)fix_table(xsdt_pa);
	rsdp[RSDP_CHECKSUM] = rsdp[RSDP_CHECKSUM2] = 0;
	rsdp[RSDP_CHECKSUM] = (u8)-acpi_sum(rsdp, RSDP_V1_SIZE);
	if (length >= RSDP_SIZE && length <= memory_size - (u64)(rsdp - memory))
		rsdp[RSDP_CHECKSUM2] = (u8)-acpi_sum(rsdp, length);
}

static void check_machine_tree(const struct acpi_machine *m)
{
	static u8 tree[ACPI_TREE_SIZE] __attribute__((aligned(8)));
	static struct fdt_redists redists;
	struct fdt_gicv2 v2;
	struct fdt_itses itses;
	struct fdt_cpus cpus;
	const char *why;

	CHECK(acpi_make_tree(m, tree, sizeof(tree)) == 0);
	CHECK(host_fdt_check(tree, sizeof(tree), &why) == 0);
	CHECK(host_fdt_cpus(tree, m->mpidr[0], &cpus, &why) == 0);
	CHECK(cpus.count == m->cpus);
	CHECK(host_fdt_psci(tree) == FDT_PSCI_SMC);
	CHECK((host_fdt_redists(tree, &redists) == 0) == m->gicv3);
	CHECK(host_fdt_itses(tree, &itses) == 0 && itses.count == m->itses.count);
	CHECK(host_fdt_gicv2(tree, &v2) ||
	      (v2.gich.base == m->gich && v2.gicv.base == m->gicv && v2.gicd.base == m->gicd));
	for (unsigned int i = 0; m->gicv3 && i < redists.count; i++)
		CHECK(redists.region[i].base == m->redists.region[i].base &&
		      redists.region[i].end == m->redists.region[i].end);
}

/* Copies must not lie where the XSDT says that a table is. */
static bool copies_cover_entry(const struct acpi_machine *m)
{
	for (u32 at = ACPI_HEADER_SIZE; at < m->xsdt.length; at += XSDT_ENTRY) {
		u64 entry = acpi_u64(m->xsdt.data + at);

		if (entry >= PA_COPY && entry - PA_COPY < copies_size)
			return true;
	}
	return false;
}

static void check_copies(const struct acpi_machine *m)
{
	static struct acpi_machine again;
	int ret;

	copies_size = acpi_copies_size(m);
	copies = malloc(copies_size);
	CHECK(copies);
	ret = acpi_make_copies(m, copies, PA_COPY, copies_size);
	CHECK(ret == (copies_cover_entry(m) ? -ENOSPC : 0));
	if (!ret) {
		CHECK(acpi_read(&reader, PA_COPY, &again) == 0);
		CHECK(again.marker && again.cpus == m->cpus && again.gicv3 == m->gicv3);
		CHECK(again.madt.length == m->madt.length && again.fadt.length == m->fadt.length);
	}
	free(copies);
	copies = NULL;
	copies_size = 0;
}

/* A machine with all that Keel reads. Return: the RSDP's address. */
static u64 build(struct acpi_world *w, unsigned int kind)
{
	aw_begin(w, memory, PA_BASE, SZ_4K);
	if (kind == 0) {
		aw_gicd(w, 2);
		aw_gicc(w, 0, 0);
	} else {
		aw_gicd(w, (u8)(kind + 2));
		for (u64 i = 0; i < 4; i++)
			aw_gicc(w, i, kind == 1 ? 0 : 0x80a0000 + i * SZ_256K);
		if (kind == 1)
			aw_gicr(w, 0x80a0000, SZ_1M);
		aw_its(w, 0x8080000);
	}
	aw_dbg2(w, 0x9040000);
	return aw_end(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct acpi_machine machine;
	struct acpi_world world;
	u64 rsdp;

	if (!size)
		return 0;
	memory = malloc(SZ_4K);
	rsdp = build(&world, data[0] % 3);
	memory_size = data[0] & 0x40 ? SZ_4K : world.used;
	memory = realloc(memory, memory_size);
	for (size_t i = 1; i + 3 <= size; i += 3)
		memory[(data[i] | data[i + 1] << 8) % memory_size] = data[i + 2];
	if (data[0] & 0x80)
		fix_checksums(memory + (rsdp - PA_BASE));
	if (acpi_read(&reader, rsdp, &machine)) {
		CHECK(machine.why[0]);
	} else {
		check_machine_tree(&machine);
		check_copies(&machine);
	}
	free(memory);
	return 0;
}
