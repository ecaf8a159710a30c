/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ACPI tables of a machine like QEMU's virt, built in an array of memory whose physical addresses
 * begin where the caller says, with as many variations as tests need.
 */
#ifndef KEEL_TESTS_UNIT_ACPI_WORLD_H
#define KEEL_TESTS_UNIT_ACPI_WORLD_H

#include <stdlib.h>
#include <string.h>

#include <efi/acpi_abi.h>
#include <lib/types.h>

#define AW_TABLES 8

struct acpi_world {
	u8 *memory; /* of @size bytes, at the physical address @pa */
	u64 pa, size, used;
	u8 *rsdp, *xsdt, *fadt, *madt, *gtdt, *spcr;
	u64 tables[AW_TABLES];
	unsigned int count;
};

static inline u8 *aw_at(struct acpi_world *w, u64 size)
{
	u8 *at = w->memory + w->used;

	w->used += (size + 15) / 16 * 16;
	if (w->used > w->size)
		abort();
	memset(at, 0, size);
	return at;
}

static inline u64 aw_pa(const struct acpi_world *w, const u8 *table)
{
	return w->pa + (u64)(table - w->memory);
}

static inline void aw_seal(u8 *table)
{
	table[ACPI_CHECKSUM] = 0;
	table[ACPI_CHECKSUM] = (u8)-acpi_sum(table, acpi_u32(table + ACPI_LENGTH));
}

static inline u8 *aw_table(struct acpi_world *w, const char *signature, u32 length)
{
	u8 *table = aw_at(w, length);

	memcpy(table, signature, 4);
	acpi_put(table + ACPI_LENGTH, length, 4);
	memcpy(table + ACPI_OEM_ID, "TESTER", 6);
	w->tables[w->count++] = aw_pa(w, table);
	return table;
}

/* An entry at the MADT's end; nothing may follow the MADT in memory yet. */
static inline u8 *aw_madt_entry(struct acpi_world *w, u8 type, u8 size)
{
	u32 length = acpi_u32(w->madt + ACPI_LENGTH);
	u8 *e = w->madt + length;

	w->used = (u64)(e - w->memory);
	e = aw_at(w, size);
	e[0] = type;
	e[1] = size;
	acpi_put(w->madt + ACPI_LENGTH, length + size, 4);
	w->used = (w->used + 15) / 16 * 16;
	return e;
}

static inline u8 *aw_gicc(struct acpi_world *w, u64 mpidr, u64 gicr)
{
	u8 *e = aw_madt_entry(w, MADT_GICC, 80);

	acpi_put(e + GICC_FLAGS, GICC_ENABLED | GICC_MAINTENANCE_EDGE, 4);
	acpi_put(e + GICC_BASE, 0x8010000, 8);
	acpi_put(e + GICC_GICV, 0x8040000, 8);
	acpi_put(e + GICC_GICH, 0x8030000, 8);
	acpi_put(e + GICC_MAINTENANCE, 25, 4);
	acpi_put(e + GICC_GICR, gicr, 8);
	acpi_put(e + GICC_MPIDR, mpidr, 8);
	return e;
}

static inline u8 *aw_gicd(struct acpi_world *w, u8 version)
{
	u8 *e = aw_madt_entry(w, MADT_GICD, GICD_SIZE);

	acpi_put(e + GICD_BASE, 0x8000000, 8);
	e[GICD_VERSION] = version;
	return e;
}

static inline u8 *aw_gicr(struct acpi_world *w, u64 base, u32 length)
{
	u8 *e = aw_madt_entry(w, MADT_GICR, GICR_SIZE);

	acpi_put(e + GICR_BASE, base, 8);
	acpi_put(e + GICR_LENGTH, length, 4);
	return e;
}

static inline u8 *aw_its(struct acpi_world *w, u64 base)
{
	u8 *e = aw_madt_entry(w, MADT_ITS, ITS_SIZE);

	acpi_put(e + ITS_BASE, base, 8);
	return e;
}

/* All tables but the MADT's entries, the XSDT and the RSDP. */
static inline void aw_begin(struct acpi_world *w, u8 *memory, u64 pa, u64 size)
{
	*w = (struct acpi_world){ .memory = memory, .pa = pa, .size = size };
	w->fadt = aw_table(w, "FACP", 276);
	acpi_put(w->fadt + FADT_ARM_BOOT_FLAGS, FADT_PSCI_COMPLIANT, 2);
	w->gtdt = aw_table(w, "GTDT", 104);
	acpi_put(w->gtdt + GTDT_EL1_TIMER, 30, 4);
	acpi_put(w->gtdt + GTDT_VIRTUAL_TIMER, 27, 4);
	w->spcr = aw_table(w, "SPCR", 80);
	w->spcr[SPCR_UART] = DBG2_UART_PL011;
	acpi_put(w->spcr + SPCR_BASE + GAS_ADDRESS, 0x9000000, 8);
	w->madt = aw_table(w, "APIC", MADT_ENTRIES);
}

/* A DBG2 with one UART. Return: the device's information. */
static inline u8 *aw_dbg2(struct acpi_world *w, u64 base)
{
	u8 *dbg2 = aw_table(w, "DBG2", DBG2_SIZE + 48), *dev = dbg2 + DBG2_SIZE;

	acpi_put(dbg2 + DBG2_DEVICES, DBG2_SIZE, 4);
	acpi_put(dbg2 + DBG2_COUNT, 1, 4);
	acpi_put(dev + DBG2_DEV_LENGTH, 48, 2);
	dev[DBG2_DEV_GASES] = 1;
	acpi_put(dev + DBG2_DEV_TYPE, DBG2_SERIAL, 2);
	acpi_put(dev + DBG2_DEV_SUBTYPE, DBG2_UART_SBSA, 2);
	acpi_put(dev + DBG2_DEV_BASE, DBG2_DEV_SIZE, 2);
	acpi_put(dev + DBG2_DEV_SIZE + GAS_ADDRESS, base, 8);
	return dev;
}

/* The XSDT and the RSDP, and right checksums. Return: the RSDP's physical address. */
static inline u64 aw_end(struct acpi_world *w)
{
	u32 xsdt_size = ACPI_HEADER_SIZE + w->count * XSDT_ENTRY;

	w->xsdt = aw_at(w, xsdt_size);
	memcpy(w->xsdt, "XSDT", 4);
	acpi_put(w->xsdt + ACPI_LENGTH, xsdt_size, 4);
	for (unsigned int i = 0; i < w->count; i++) {
		acpi_put(w->xsdt + ACPI_HEADER_SIZE + i * XSDT_ENTRY, w->tables[i], 8);
		aw_seal(w->memory + (w->tables[i] - w->pa));
	}
	aw_seal(w->xsdt);
	w->rsdp = aw_at(w, RSDP_SIZE);
	memcpy(w->rsdp, RSDP_SIGNATURE, 8);
	w->rsdp[RSDP_REVISION] = 2;
	acpi_put(w->rsdp + RSDP_LENGTH, RSDP_SIZE, 4);
	acpi_put(w->rsdp + RSDP_XSDT, aw_pa(w, w->xsdt), 8);
	w->rsdp[RSDP_CHECKSUM] = (u8)-acpi_sum(w->rsdp, RSDP_V1_SIZE);
	w->rsdp[RSDP_CHECKSUM2] = (u8)-acpi_sum(w->rsdp, RSDP_SIZE);
	return aw_pa(w, w->rsdp);
}

#endif
