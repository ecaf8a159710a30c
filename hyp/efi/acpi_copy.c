// SPDX-License-Identifier: BSD-2-Clause
/* The tables that the host gets: acpi.h. */
#include <efi/acpi.h>
#include <efi/acpi_abi.h>
#include <efi/acpi_parts.h>
#include <keel/hypercall.h>
#include <lib/errno.h>

/* Each copy begins at a multiple of this. */
#define COPY_ALIGN 64

/*
 * The marker's AML (ACPI 6.5, 20.2):
 *
 *	Scope (\_SB) {
 *		Device (KEEL) {
 *			Name (_HID, KEEL_ACPI_HID)
 *			Name (_UID, Zero)
 *		}
 *	}
 *
 * A package's length, of at most 63 bytes, is one byte, and counts itself. Names have no terminator.
 */
struct marker_aml {
	u8 scope_op, scope_length;
	char scope_name[5];
	u8 device_op[2], device_length;
	char device_name[4];
	u8 hid_op;
	char hid_name[4];
	u8 hid_string;
	char hid[sizeof(KEEL_ACPI_HID)];
	u8 uid_op;
	char uid_name[4];
	u8 uid;
};

STATIC_ASSERT(sizeof(struct marker_aml) < 64, "20.2.4");
STATIC_ASSERT(sizeof(KEEL_ACPI_HID) == 9, "6.1.5: four letters, four digits");

#define AML_FROM(member) (sizeof(struct marker_aml) - __builtin_offsetof(struct marker_aml, member))

static const struct marker_aml marker_aml = {
	.scope_op = 0x10,
	.scope_length = AML_FROM(scope_length),
	.scope_name = "\\_SB_",
	.device_op = { 0x5b, 0x82 },
	.device_length = AML_FROM(device_length),
	.device_name = "KEEL",
	.hid_op = 0x08,
	.hid_name = "_HID",
	.hid_string = 0x0d,
	.hid = KEEL_ACPI_HID,
	.uid_op = 0x08,
	.uid_name = "_UID",
	.uid = 0,
};

#define MARKER_SIZE (ACPI_HEADER_SIZE + sizeof(marker_aml))

/* Where copies go, one behind the other. */
struct copier {
	u8 *to;
	u64 pa, used;
};

static u8 *next_copy(struct copier *c, u64 size, u64 *pa)
{
	u8 *at = c->to + c->used;

	*pa = c->pa + c->used;
	c->used += ALIGN_UP(size, COPY_ALIGN);
	return at;
}

static u8 *copy_table(struct copier *c, const struct acpi_table *table, u64 *pa)
{
	u8 *at = next_copy(c, table->length, pa);

	memcpy(at, table->data, table->length);
	return at;
}

/* Make the checksum at @checksum right: with it the first @size bytes sum up to 0. */
static void seal(u8 *table, unsigned int checksum, u32 size)
{
	table[checksum] = 0;
	table[checksum] = (u8)-acpi_sum(table, size);
}

/* @length is what was checked: the table may lie in memory that has changed since, by Keel's own hand. */
static void seal_table(u8 *table, u32 length)
{
	acpi_put(table + ACPI_LENGTH, length, 4);
	seal(table, ACPI_CHECKSUM, length);
}

/* Names in tables have a fixed size and no terminator. */
static void put_name(u8 *to, const char *name, size_t size)
{
	for (size_t i = 0; i < size; i++)
		to[i] = (u8)name[i];
}

static void edit_gicc(u8 *e)
{
	acpi_put(e + GICC_FLAGS, acpi_u32(e + GICC_FLAGS) & ~GICC_MAINTENANCE_EDGE, 4);
	acpi_put(e + GICC_PARKING, 0, 4);
	acpi_put(e + GICC_PARKED, 0, 8);
	acpi_put(e + GICC_GICV, 0, 8);
	acpi_put(e + GICC_GICH, 0, 8);
	acpi_put(e + GICC_MAINTENANCE, 0, 4);
}

/* acpi_read() has found all entries in bounds, and no GICC that is too short. */
static void edit_madt(u8 *data, u32 length)
{
	const struct acpi_table madt = { .data = data, .length = length };
	u32 at = MADT_ENTRIES;
	int entry;

	while ((entry = acpi_madt_next(&madt, &at)) > 0)
		if (data[entry] == MADT_GICC && data[entry + 1] >= GICC_SIZE)
			edit_gicc(data + entry);
}

static void edit_fadt(u8 *fadt, u32 length)
{
	u16 flags = acpi_u16(fadt + FADT_ARM_BOOT_FLAGS);

	acpi_put(fadt + FADT_ARM_BOOT_FLAGS,
		 (flags | FADT_PSCI_COMPLIANT) & ~(u64)FADT_PSCI_USE_HVC, 2);
	if (length >= FADT_HYPERVISOR_END)
		put_name(fadt + FADT_HYPERVISOR, "Keel\0\0\0\0", 8);
}

static void make_marker(u8 *ssdt)
{
	memset(ssdt, 0, ACPI_HEADER_SIZE);
	put_name(ssdt + ACPI_SIGNATURE, "SSDT", 4);
	ssdt[ACPI_REVISION] = 2; /* integers of 64 bits */
	put_name(ssdt + ACPI_OEM_ID, ACPI_MARKER_OEM_ID, 6);
	put_name(ssdt + ACPI_OEM_TABLE_ID, ACPI_MARKER_TABLE_ID, 8);
	acpi_put(ssdt + ACPI_OEM_REVISION, 1, 4);
	put_name(ssdt + ACPI_CREATOR_ID, "KEEL", 4);
	acpi_put(ssdt + ACPI_CREATOR_ID + 4, 1, 4);
	memcpy(ssdt + ACPI_HEADER_SIZE, &marker_aml, sizeof(marker_aml));
	seal_table(ssdt, MARKER_SIZE);
}

/* Where the XSDT points to @old it points to @pa. A table may be listed twice. */
static void replace_entry(u8 *xsdt, const struct acpi_machine *m, u64 old, u64 pa)
{
	for (u32 at = ACPI_HEADER_SIZE; at < m->xsdt.length; at += XSDT_ENTRY)
		if (acpi_u64(m->xsdt.data + at) == old)
			acpi_put(xsdt + at, pa, XSDT_ENTRY);
}

static void copy_edited(struct copier *c, const struct acpi_machine *m, u8 *xsdt,
			const struct acpi_table *table, void (*edit)(u8 *data, u32 length))
{
	u64 pa;
	u8 *copy = copy_table(c, table, &pa);

	edit(copy, table->length);
	seal_table(copy, table->length);
	replace_entry(xsdt, m, table->pa, pa);
}

/* A copy of the XSDT has room for one table more. */
static u8 *copy_xsdt(struct copier *c, const struct acpi_machine *m, u64 *pa)
{
	u8 *xsdt = next_copy(c, m->xsdt.length + XSDT_ENTRY, pa);

	memcpy(xsdt, m->xsdt.data, m->xsdt.length);
	return xsdt;
}

/* A new one each time: one that is there may lie where the copies after these will be. */
static void add_marker(struct copier *c, const struct acpi_machine *m, u8 *xsdt)
{
	u64 pa;

	make_marker(next_copy(c, MARKER_SIZE, &pa));
	if (m->marker)
		replace_entry(xsdt, m, m->marker, pa);
	else
		acpi_put(xsdt + m->xsdt.length, pa, XSDT_ENTRY);
}

static void edit_rsdp(u8 *rsdp, u32 length, u64 xsdt)
{
	acpi_put(rsdp + RSDP_RSDT, 0, 4);
	acpi_put(rsdp + RSDP_XSDT, xsdt, 8);
	seal(rsdp, RSDP_CHECKSUM, RSDP_V1_SIZE);
	seal(rsdp, RSDP_CHECKSUM2, length);
}

u64 acpi_copies_size(const struct acpi_machine *m)
{
	const u64 sizes[] = { m->rsdp.length, m->xsdt.length + XSDT_ENTRY, m->fadt.length,
			      m->madt.length, MARKER_SIZE };
	u64 sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		sum += ALIGN_UP(sizes[i], COPY_ALIGN);
	return sum;
}

static bool overlaps_table(const struct acpi_machine *m, u64 pa, u64 size)
{
	const struct acpi_table *const tables[] = { &m->rsdp, &m->xsdt, &m->fadt, &m->madt };

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		if (tables[i]->pa < pa + size && pa < tables[i]->pa + tables[i]->length)
			return true;
	for (u32 at = ACPI_HEADER_SIZE; at < m->xsdt.length; at += XSDT_ENTRY) {
		u64 entry = acpi_u64(m->xsdt.data + at);

		if (entry >= pa && entry - pa < size && entry != m->marker)
			return true;
	}
	return false;
}

int acpi_make_copies(const struct acpi_machine *m, void *to, u64 pa, u64 size)
{
	struct copier c = { .to = to, .pa = pa };
	u64 rsdp_pa, xsdt_pa;
	u8 *rsdp, *xsdt;

	if (acpi_copies_size(m) > size || overlaps_table(m, pa, size))
		return -ENOSPC;
	rsdp = copy_table(&c, &m->rsdp, &rsdp_pa);
	xsdt = copy_xsdt(&c, m, &xsdt_pa);
	copy_edited(&c, m, xsdt, &m->fadt, edit_fadt);
	copy_edited(&c, m, xsdt, &m->madt, edit_madt);
	add_marker(&c, m, xsdt);
	seal_table(xsdt, m->xsdt.length + (m->marker ? 0 : XSDT_ENTRY));
	edit_rsdp(rsdp, m->rsdp.length, xsdt_pa);
	return 0;
}
