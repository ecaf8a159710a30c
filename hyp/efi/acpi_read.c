// SPDX-License-Identifier: BSD-2-Clause
/* Reads firmware's ACPI tables: acpi.h. */
#include <efi/acpi.h>
#include <efi/acpi_abi.h>
#include <efi/acpi_parts.h>
#include <lib/errno.h>
#include <lib/printf.h>
#include <lib/string.h>

int acpi_fail(struct acpi_machine *m, const char *table, const char *what)
{
	kl_snprintf(m->why, sizeof(m->why), "ACPI: %s: %s", table, what);
	return -EINVAL;
}

/* ---- tables ---- */

static bool has_signature(const u8 *data, const char *signature)
{
	return memcmp(data, signature, 4) == 0;
}

/* The table at @pa, whatever its signature. Return: NULL, or what is wrong with it. */
static const char *open_acpi_table(const struct acpi_reader *reader, u64 pa, struct acpi_table *out)
{
	const u8 *header = reader->at(reader->ctx, pa, ACPI_HEADER_SIZE);
	u32 length;

	if (!header)
		return "is not in memory";
	length = acpi_u32(header + ACPI_LENGTH);
	if (length < ACPI_HEADER_SIZE || length > ACPI_TABLE_MAX)
		return "has a bad length";
	*out = (struct acpi_table){ reader->at(reader->ctx, pa, length), pa, length };
	if (!out->data)
		return "goes beyond the end of memory";
	return acpi_sum(out->data, length) ? "has a wrong checksum" : NULL;
}

static int read_rsdp(const struct acpi_reader *reader, u64 pa, struct acpi_machine *m)
{
	const u8 *rsdp = reader->at(reader->ctx, pa, RSDP_SIZE);
	u32 length;

	if (!rsdp || memcmp(rsdp, RSDP_SIGNATURE, 8))
		return acpi_fail(m, "RSDP", "there is none");
	if (acpi_sum(rsdp, RSDP_V1_SIZE))
		return acpi_fail(m, "RSDP", "has a wrong checksum");
	if (rsdp[RSDP_REVISION] < 2)
		return acpi_fail(m, "RSDP", "is older than ACPI 2.0");
	length = acpi_u32(rsdp + RSDP_LENGTH);
	if (length < RSDP_SIZE || length > SZ_4K)
		return acpi_fail(m, "RSDP", "has a bad length");
	m->rsdp = (struct acpi_table){ reader->at(reader->ctx, pa, length), pa, length };
	if (!m->rsdp.data)
		return acpi_fail(m, "RSDP", "goes beyond the end of memory");
	if (acpi_sum(m->rsdp.data, length))
		return acpi_fail(m, "RSDP", "has a wrong checksum");
	return 0;
}

static int read_xsdt(const struct acpi_reader *reader, struct acpi_machine *m)
{
	const char *wrong = open_acpi_table(reader, acpi_u64(m->rsdp.data + RSDP_XSDT), &m->xsdt);
	u32 size;

	if (wrong)
		return acpi_fail(m, "XSDT", wrong);
	size = m->xsdt.length - ACPI_HEADER_SIZE;
	if (!has_signature(m->xsdt.data, "XSDT"))
		return acpi_fail(m, "XSDT", "there is none");
	if (size % XSDT_ENTRY || size / XSDT_ENTRY > ACPI_XSDT_MAX)
		return acpi_fail(m, "XSDT", "has a bad length");
	return 0;
}

/* The header of the table that the XSDT's entry @i points to; NULL if it is not in memory. */
static const u8 *entry_header(const struct acpi_reader *reader, const struct acpi_machine *m, u32 i,
			      u64 *pa)
{
	*pa = acpi_u64(m->xsdt.data + ACPI_HEADER_SIZE + i * XSDT_ENTRY);
	return reader->at(reader->ctx, *pa, ACPI_HEADER_SIZE);
}

static u32 entry_count(const struct acpi_machine *m)
{
	return (m->xsdt.length - ACPI_HEADER_SIZE) / XSDT_ENTRY;
}

/*
 * The first table with @signature.
 *
 * Return: NULL, or what is wrong; "there is none" is one of these.
 */
static const char *find_acpi_table(const struct acpi_reader *reader, const struct acpi_machine *m,
				   const char *signature, u32 least, struct acpi_table *out)
{
	for (u32 i = 0; i < entry_count(m); i++) {
		u64 pa;
		const u8 *header = entry_header(reader, m, i, &pa);
		const char *wrong;

		if (!header || !has_signature(header, signature))
			continue;
		wrong = open_acpi_table(reader, pa, out);
		if (!wrong && out->length < least)
			wrong = "is too short";
		return wrong;
	}
	*out = (struct acpi_table){ 0 };
	return "there is none";
}

static bool has_another(const struct acpi_reader *reader, const struct acpi_machine *m,
			const char *signature, u64 first)
{
	for (u32 i = 0; i < entry_count(m); i++) {
		u64 pa;
		const u8 *header = entry_header(reader, m, i, &pa);

		if (header && pa != first && has_signature(header, signature))
			return true;
	}
	return false;
}

static int need_table(const struct acpi_reader *reader, struct acpi_machine *m, const char *name,
		      const char *signature, u32 least, struct acpi_table *out)
{
	const char *wrong = find_acpi_table(reader, m, signature, least, out);

	if (!wrong && has_another(reader, m, signature, out->pa))
		wrong = "there are two";
	return wrong ? acpi_fail(m, name, wrong) : 0;
}

static bool is_marker(const u8 *header)
{
	return has_signature(header, "SSDT") &&
	       memcmp(header + ACPI_OEM_ID, ACPI_MARKER_OEM_ID, 6) == 0 &&
	       memcmp(header + ACPI_OEM_TABLE_ID, ACPI_MARKER_TABLE_ID, 8) == 0;
}

/* Return: its address; 0 if there is none. */
static u64 find_marker(const struct acpi_reader *reader, const struct acpi_machine *m)
{
	for (u32 i = 0; i < entry_count(m); i++) {
		u64 pa;
		const u8 *header = entry_header(reader, m, i, &pa);

		if (header && is_marker(header))
			return pa;
	}
	return 0;
}

/* ---- FADT and GTDT ---- */

static int check_fadt(struct acpi_machine *m)
{
	u16 flags = acpi_u16(m->fadt.data + FADT_ARM_BOOT_FLAGS);

	if (!(flags & FADT_PSCI_COMPLIANT))
		return acpi_fail(m, "FADT", "firmware has no PSCI");
	if (flags & FADT_PSCI_USE_HVC)
		return acpi_fail(m, "FADT", "firmware's PSCI is called by HVC, and Keel needs SMC");
	return 0;
}

/* Keel, and the host's module, know the interrupts' numbers from the BSA (Arm DEN 0094). */
#define BSA_EL1_TIMER	  30
#define BSA_VIRTUAL_TIMER 27

static int check_gtdt(struct acpi_machine *m)
{
	if (acpi_u32(m->gtdt.data + GTDT_EL1_TIMER) != BSA_EL1_TIMER ||
	    acpi_u32(m->gtdt.data + GTDT_VIRTUAL_TIMER) != BSA_VIRTUAL_TIMER)
		return acpi_fail(m, "GTDT", "timers have other interrupts than 30 and 27");
	return 0;
}

/* ---- console ---- */

/* A UART in memory would have Keel write there. */
static const char *take_uart(const struct acpi_reader *reader, u16 kind, const u8 *gas,
			     struct acpi_machine *m)
{
	u64 base = acpi_u64(gas + GAS_ADDRESS);

	if (kind != DBG2_UART_PL011 && kind != DBG2_UART_SBSA && kind != DBG2_UART_SBSA_32)
		return "no UART that Keel knows";
	if (gas[GAS_SPACE] != GAS_SPACE_MEMORY || !base || base >= MEMMAP_PA_LIMIT ||
	    base % sizeof(u32) || reader->at(reader->ctx, ALIGN_DOWN(base, SZ_4K), SZ_4K))
		return "the UART's address is no device's";
	m->has_console = true;
	m->console = (struct fdt_console){
		.uart = kind == DBG2_UART_PL011 ? FDT_UART_PL011 : FDT_UART_SBSA,
		.base = base,
		.size = SZ_4K,
	};
	return NULL;
}

/* The first UART of a DBG2. Return: NULL, or what is wrong. */
static const char *take_debug_port(const struct acpi_reader *reader, const struct acpi_table *dbg2,
				   struct acpi_machine *m)
{
	u64 at = acpi_u32(dbg2->data + DBG2_DEVICES);
	const char *wrong = "no UART that Keel knows";

	for (u32 n = acpi_u32(dbg2->data + DBG2_COUNT); n; n--) {
		const u8 *dev = dbg2->data + at;
		u16 length, gas;

		if (at > dbg2->length || dbg2->length - at < DBG2_DEV_SIZE)
			return "a device goes beyond the end";
		length = acpi_u16(dev + DBG2_DEV_LENGTH);
		gas = acpi_u16(dev + DBG2_DEV_BASE);
		if (length < DBG2_DEV_SIZE || length > dbg2->length - at)
			return "a device goes beyond the end";
		at += length;
		if (acpi_u16(dev + DBG2_DEV_TYPE) != DBG2_SERIAL || !dev[DBG2_DEV_GASES])
			continue;
		if (gas > length || length - gas < GAS_SIZE)
			return "a device goes beyond the end";
		wrong = take_uart(reader, acpi_u16(dev + DBG2_DEV_SUBTYPE), dev + gas, m);
		if (!wrong)
			return NULL;
	}
	return wrong;
}

static const char *read_spcr(const struct acpi_reader *reader, struct acpi_machine *m,
			     struct acpi_table *spcr)
{
	const char *wrong = find_acpi_table(reader, m, "SPCR", SPCR_SIZE, spcr);

	return wrong ? wrong : take_uart(reader, spcr->data[SPCR_UART], spcr->data + SPCR_BASE, m);
}

static const char *read_dbg2(const struct acpi_reader *reader, struct acpi_machine *m,
			     struct acpi_table *dbg2)
{
	const char *wrong = find_acpi_table(reader, m, "DBG2", DBG2_SIZE, dbg2);

	return wrong ? wrong : take_debug_port(reader, dbg2, m);
}

/* Without a UART Keel's messages are in its log alone. */
static void read_acpi_console(const struct acpi_reader *reader, struct acpi_machine *m)
{
	struct acpi_table spcr = { 0 }, dbg2 = { 0 };
	const char *wrong = read_spcr(reader, m, &spcr), *wrong2 = NULL;

	if (wrong)
		wrong2 = read_dbg2(reader, m, &dbg2);
	if (!m->has_console)
		kl_snprintf(m->warning, sizeof(m->warning), "ACPI: no console: SPCR: %s; DBG2: %s",
			    wrong, wrong2);
}

int acpi_read(const struct acpi_reader *reader, u64 rsdp, struct acpi_machine *out)
{
	int ret;

	memset(out, 0, sizeof(*out));
	ret = read_rsdp(reader, rsdp, out);
	if (!ret)
		ret = read_xsdt(reader, out);
	if (!ret)
		ret = need_table(reader, out, "FADT", "FACP", FADT_ARM_SIZE, &out->fadt);
	if (!ret)
		ret = need_table(reader, out, "MADT", "APIC", MADT_ENTRIES, &out->madt);
	if (!ret)
		ret = need_table(reader, out, "GTDT", "GTDT", GTDT_SIZE, &out->gtdt);
	if (!ret)
		ret = check_fadt(out);
	if (ret)
		return ret;
	out->marker = find_marker(reader, out);
	ret = acpi_read_madt(out);
	if (!ret)
		ret = check_gtdt(out);
	if (ret)
		return ret;
	read_acpi_console(reader, out);
	return 0;
}
