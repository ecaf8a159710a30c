// SPDX-License-Identifier: BSD-2-Clause
/* ACPI's tables: what Keel reads of them, what it refuses, and the copies for the host. */
/* SOURCES: hyp/efi/acpi_read.c hyp/efi/acpi_madt.c hyp/efi/acpi_tree.c hyp/efi/acpi_copy.c hyp/host/memmap.c hyp/host/fdt_read.c hyp/host/host_fdt.c hyp/lib/options.c hyp/lib/printf.c hyp/lib/parse.c */
/* LIBS: -lfdt */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "acpi_world.h"

#include <efi/acpi.h>
#include <keel/hypercall.h>
#include <libfdt.h>

#define PA_BASE 0x40000000ULL
#define MEMORY	SZ_256K

/* Copies are where the tables are read, too, so that they can be read again. */
#define COPIES (PA_BASE + MEMORY / 2)

static u8 memory[MEMORY], tree[ACPI_TREE_SIZE] __attribute__((aligned(8))), copies[MEMORY];
static struct acpi_world world;
static struct acpi_machine machine;
static u64 rsdp;

static const u8 *at(const void *ctx, u64 pa, u64 size)
{
	if (pa < PA_BASE || pa - PA_BASE > MEMORY || size > MEMORY - (pa - PA_BASE))
		return NULL;
	return memory + (pa - PA_BASE);
}

static const struct acpi_reader reader = { at, NULL };

static void begin(void)
{
	memset(memory, 0, sizeof(memory));
	aw_begin(&world, memory, PA_BASE, MEMORY);
}

/* A GICv3 with two CPUs and an ITS, as QEMU's virt has it. */
static void begin_v3(void)
{
	begin();
	aw_gicd(&world, 3);
	aw_gicc(&world, 0, 0);
	aw_gicc(&world, 0x101, 0);
	aw_gicr(&world, 0x80a0000, 0xf60000);
	aw_its(&world, 0x8080000);
}

static int finish(void)
{
	rsdp = aw_end(&world);
	return acpi_read(&reader, rsdp, &machine);
}

static void accepted(void)
{
	int ret = finish();

	if (ret)
		fail_msg("refused: %s", machine.why);
}

/* After a change of the MADT; with the machine's tree. */
static void accepted_again(void)
{
	aw_seal(world.madt);
	assert_int_equal(acpi_read(&reader, rsdp, &machine), 0);
	assert_int_equal(acpi_make_tree(&machine, tree, sizeof(tree)), 0);
}

static void refused(const char *why)
{
	assert_int_equal(finish(), -22);
	assert_string_equal(machine.why, why);
}

static void a_gicv3_machine_is_read(void **state)
{
	begin_v3();
	accepted();
	assert_int_equal(machine.cpus, 2);
	assert_int_equal(machine.mpidr[1], 0x101);
	assert_true(machine.gicv3);
	assert_int_equal(machine.redists.count, 1);
	assert_int_equal(machine.redists.region[0].end, 0x9000000);
	assert_int_equal(machine.itses.count, 1);
	assert_true(machine.itses.its[0].coherent);
	assert_true(machine.has_console);
	assert_int_equal(machine.console.base, 0x9000000);
	assert_string_equal(machine.warning, "");
	assert_int_equal(machine.marker, 0);
}

static void a_gicv2_machine_is_read(void **state)
{
	begin();
	aw_gicd(&world, 2);
	aw_gicc(&world, 0, 0);
	accepted();
	assert_false(machine.gicv3);
	assert_int_equal(machine.redists.count, 0);
	assert_int_equal(machine.gicc, 0x8010000);
	assert_int_equal(machine.gich, 0x8030000);
	assert_int_equal(machine.gicv, 0x8040000);
}

/* Entries of two CPUs, the second one of which may be not enabled. */
static void two_cpus_of_a_gicv2(u8 *(*change)(u8 *second))
{
	u8 *second;

	begin();
	aw_gicd(&world, 2);
	aw_gicc(&world, 0, 0);
	second = aw_gicc(&world, 1, 0);
	if (change)
		change(second);
}

static u8 *another_gich(u8 *e)
{
	acpi_put(e + GICC_GICH, 0x8050000, 8);
	return e;
}

static u8 *no_gicv(u8 *e)
{
	acpi_put(e + GICC_GICV, 0, 8);
	return e;
}

static u8 *not_enabled(u8 *e)
{
	acpi_put(e + GICC_FLAGS, 0, 4);
	return e;
}

static u8 *another_gich_not_enabled(u8 *e)
{
	return not_enabled(another_gich(e));
}

static u8 *nothing_not_enabled(u8 *e)
{
	acpi_put(e + GICC_GICH, 0, 8);
	acpi_put(e + GICC_BASE, 0, 8);
	acpi_put(e + GICC_MAINTENANCE, 0, 4);
	return not_enabled(no_gicv(e));
}

static u8 *another_maintenance_interrupt(u8 *e)
{
	acpi_put(e + GICC_MAINTENANCE, 24, 4);
	return e;
}

static void a_gicv2_is_the_same_for_all_cpus_or_refused(void **state)
{
	const char *why = "ACPI: MADT: CPUs have different interfaces of the GICv2";

	two_cpus_of_a_gicv2(NULL);
	accepted();
	two_cpus_of_a_gicv2(nothing_not_enabled);
	accepted();
	two_cpus_of_a_gicv2(another_gich);
	refused(why);
	two_cpus_of_a_gicv2(no_gicv);
	refused(why);
	two_cpus_of_a_gicv2(another_gich_not_enabled);
	refused(why);
	two_cpus_of_a_gicv2(another_maintenance_interrupt);
	refused("ACPI: MADT: the GIC's maintenance interrupt is not 25");
}

/* A GICv3's second CPU has this maintenance interrupt. */
static u8 *v3_with_maintenance(u32 intid)
{
	u8 *e;

	begin_v3();
	e = aw_gicc(&world, 0x102, 0);
	acpi_put(e + GICC_MAINTENANCE, intid, 4);
	return e;
}

static void a_gicv3_has_the_maintenance_interrupt_that_keel_listens_to_or_is_refused(void **state)
{
	static const u32 others[] = { 0, 24, 26, 32, 0x80000019 };

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		v3_with_maintenance(others[i]);
		refused("ACPI: MADT: the GIC's maintenance interrupt is not 25");
		not_enabled(v3_with_maintenance(others[i]));
		accepted();
	}
	v3_with_maintenance(25);
	accepted();
}

static void cpus_that_are_not_enabled_are_left_out(void **state)
{
	begin_v3();
	acpi_put(aw_gicc(&world, 0x102, 0) + GICC_FLAGS, 8, 4); /* may come later */
	acpi_put(aw_gicc(&world, 0, 0) + GICC_FLAGS, 0, 4);
	accepted();
	assert_int_equal(machine.cpus, 2);
}

static void has_redistributor_at(u64 base)
{
	for (unsigned int i = 0; i < machine.redists.count; i++)
		if (machine.redists.region[i].base == base) {
			assert_int_equal(machine.redists.region[i].end, base + SZ_128K);
			return;
		}
	fail_msg("none at %#llx", (unsigned long long)base);
}

static void each_cpu_s_entry_has_a_redistributor_of_its_own(void **state)
{
	begin();
	aw_gicd(&world, 4);
	for (u64 i = 0; i < 8; i++)
		aw_gicc(&world, i, 0x80a0000 + (7 - i) * SZ_256K);
	accepted();
	assert_true(machine.gicv3);
	assert_int_equal(machine.redists.count, 8);
	for (u64 i = 0; i < 8; i++)
		has_redistributor_at(0x80a0000 + i * SZ_256K);
}

/* Online capable, or nothing: the frame may be there, and a host could have its LPIs written. */
static void redistributors_of_cpus_that_are_not_enabled_are_known_too(void **state)
{
	begin();
	aw_gicd(&world, 3);
	acpi_put(aw_gicc(&world, 7, 0x80a0000) + GICC_FLAGS, 0, 4);
	aw_gicc(&world, 0, 0x80c0000);
	acpi_put(aw_gicc(&world, 1, 0x80e0000) + GICC_FLAGS, 8, 4);
	acpi_put(aw_gicc(&world, 2, 0) + GICC_FLAGS, 0, 4);	    /* which names none */
	acpi_put(aw_gicc(&world, 3, 0x80c0000) + GICC_FLAGS, 0, 4); /* the same again */
	accepted();
	assert_int_equal(machine.cpus, 1);
	assert_int_equal(machine.redists.count, 3);
	has_redistributor_at(0x80a0000);
	has_redistributor_at(0x80c0000);
	has_redistributor_at(0x80e0000);
}

static void redistributors_of_cpus_entries_are_known_beside_ranges(void **state)
{
	begin_v3();
	acpi_put(aw_gicc(&world, 2, 0x20000000) + GICC_FLAGS, 8, 4);
	aw_gicc(&world, 3, 0x80a0000 + 3 * SZ_128K); /* in the range */
	accepted();
	assert_int_equal(machine.redists.count, 2);
	has_redistributor_at(0x20000000);
}

static void five_hundred_and_twelve_cpus_fit_and_more_are_counted(void **state)
{
	struct fdt_cpus cpus;
	const char *why;

	begin();
	aw_gicd(&world, 3);
	aw_gicr(&world, 0x10000000, 0x8000000);
	for (u64 i = 0; i < KEEL_MAX_CPUS + 3; i++)
		aw_gicc(&world, (i / 16) << 8 | i % 16, 0);
	accepted();
	assert_int_equal(machine.cpus, KEEL_MAX_CPUS);
	assert_int_equal(machine.cpus_left_out, 3);
	assert_int_equal(acpi_make_tree(&machine, tree, sizeof(tree)), 0);
	assert_int_equal(host_fdt_cpus(tree, 0, &cpus, &why), 0);
	assert_int_equal(cpus.count, KEEL_MAX_CPUS);
	assert_int_equal(cpus.mpidr[KEEL_MAX_CPUS - 1], 0x1f0f);
}

static void the_tree_says_what_the_tables_say(void **state)
{
	struct fdt_console console;
	struct fdt_redists redists;
	struct fdt_itses itses;
	struct fdt_cpus cpus;
	const char *why;

	begin_v3();
	aw_its(&world, 0x80c0000)[ITS_FLAGS] = ITS_NONCOHERENT;
	accepted();
	assert_int_equal(acpi_make_tree(&machine, tree, sizeof(tree)), 0);
	assert_int_equal(host_fdt_check(tree, sizeof(tree), &why), 0);
	assert_int_equal(host_fdt_console(tree, &console), 0);
	assert_int_equal(console.base, 0x9000000);
	assert_int_equal(console.uart, FDT_UART_PL011);
	assert_int_equal(host_fdt_psci(tree), FDT_PSCI_SMC);
	assert_int_equal(host_fdt_cpus(tree, 0x101, &cpus, &why), 0);
	assert_int_equal(cpus.count, 2);
	assert_int_equal(cpus.mpidr[1], 0);
	assert_int_equal(host_fdt_redists(tree, &redists), 0);
	assert_int_equal(redists.count, 1);
	assert_int_equal(redists.region[0].base, 0x80a0000);
	assert_int_equal(redists.region[0].end, 0x9000000);
	assert_int_equal(host_fdt_itses(tree, &itses), 0);
	assert_int_equal(itses.count, 2);
	assert_true(itses.its[0].coherent && itses.its[0].available);
	assert_false(itses.its[1].coherent);
	assert_int_equal(acpi_make_tree(&machine, tree, 200), -28);
}

static void has_range(const struct mem_range *range, u64 base, u64 size)
{
	assert_int_equal(range->base, base);
	assert_int_equal(range->end, base + size);
}

static void a_tree_of_a_gicv2_machine_has_its_registers(void **state)
{
	struct fdt_gicv2 v2;
	u8 *e;

	begin();
	aw_gicd(&world, 2);
	e = aw_gicc(&world, 0, 0);
	accepted();
	assert_int_equal(acpi_make_tree(&machine, tree, sizeof(tree)), 0);
	assert_int_equal(host_fdt_gicv2(tree, &v2), 0);
	has_range(&v2.gicd, 0x8000000, 2 * SZ_4K);
	has_range(&v2.gich, 0x8030000, 2 * SZ_4K);
	has_range(&v2.gicv, 0x8040000, 2 * SZ_4K);
	/* close together: what is one part's is not the other's, too */
	acpi_put(e + GICC_BASE, 0x8001000, 8);
	acpi_put(e + GICC_GICH, 0x8003000, 8);
	acpi_put(e + GICC_GICV, 0x8004000, 8);
	accepted_again();
	assert_int_equal(host_fdt_gicv2(tree, &v2), 0);
	has_range(&v2.gicd, 0x8000000, SZ_4K);
	has_range(&v2.gich, 0x8003000, SZ_4K);
	has_range(&v2.gicv, 0x8004000, 2 * SZ_4K);
	/* no part for VMs */
	acpi_put(e + GICC_GICV, 0, 8);
	accepted_again();
	assert_int_equal(host_fdt_gicv2(tree, &v2), -2);
}

static void a_tree_of_a_gicv2_machine_has_no_redistributors(void **state)
{
	struct fdt_redists redists;

	begin();
	aw_gicd(&world, 2);
	aw_gicc(&world, 0, 0);
	accepted();
	assert_int_equal(acpi_make_tree(&machine, tree, sizeof(tree)), 0);
	assert_int_equal(host_fdt_redists(tree, &redists), -2);
}

/* ---- what is refused ---- */

static void break_checksum(u8 *table)
{
	table[ACPI_CHECKSUM]++;
}

static void wrong_checksums_are_found(void **state)
{
	static const struct {
		size_t table;
		const char *why;
	} rows[] = {
		{ offsetof(struct acpi_world, fadt), "ACPI: FADT: has a wrong checksum" },
		{ offsetof(struct acpi_world, madt), "ACPI: MADT: has a wrong checksum" },
		{ offsetof(struct acpi_world, gtdt), "ACPI: GTDT: has a wrong checksum" },
		{ offsetof(struct acpi_world, xsdt), "ACPI: XSDT: has a wrong checksum" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		begin_v3();
		accepted();
		break_checksum(*(u8 **)((char *)&world + rows[i].table));
		assert_int_equal(acpi_read(&reader, rsdp, &machine), -22);
		assert_string_equal(machine.why, rows[i].why);
	}
}

static void a_damaged_rsdp_is_refused(void **state)
{
	begin_v3();
	accepted();
	world.rsdp[RSDP_CHECKSUM2]++;
	assert_int_equal(acpi_read(&reader, rsdp, &machine), -22);
	assert_string_equal(machine.why, "ACPI: RSDP: has a wrong checksum");
	world.rsdp[RSDP_CHECKSUM]++;
	assert_int_equal(acpi_read(&reader, rsdp, &machine), -22);
	assert_string_equal(machine.why, "ACPI: RSDP: has a wrong checksum");
	world.rsdp[0] = 0;
	assert_int_equal(acpi_read(&reader, rsdp, &machine), -22);
	assert_string_equal(machine.why, "ACPI: RSDP: there is none");
	assert_int_equal(acpi_read(&reader, 0, &machine), -22);
	assert_string_equal(machine.why, "ACPI: RSDP: there is none");
}

static void lengths_beyond_the_end_are_found(void **state)
{
	begin_v3();
	accepted();
	acpi_put(world.madt + ACPI_LENGTH, MEMORY, 4);
	assert_int_equal(acpi_read(&reader, rsdp, &machine), -22);
	assert_string_equal(machine.why, "ACPI: MADT: goes beyond the end of memory");
	acpi_put(world.madt + ACPI_LENGTH, 0xffffffff, 4);
	assert_int_equal(acpi_read(&reader, rsdp, &machine), -22);
	assert_string_equal(machine.why, "ACPI: MADT: has a bad length");
	acpi_put(world.madt + ACPI_LENGTH, 8, 4);
	assert_int_equal(acpi_read(&reader, rsdp, &machine), -22);
	assert_string_equal(machine.why, "ACPI: MADT: has a bad length");
}

static void entries_beyond_the_end_are_found(void **state)
{
	begin_v3();
	aw_its(&world, 0x80c0000)[1] = ITS_SIZE + 1;
	refused("ACPI: MADT: an entry goes beyond the end");
	begin_v3();
	aw_its(&world, 0x80c0000)[1] = 0;
	refused("ACPI: MADT: an entry goes beyond the end");
	begin_v3();
	aw_madt_entry(&world, MADT_GICC, 40); /* ACPI 5.0 */
	refused("ACPI: MADT: an entry is too short");
}

static void missing_tables_are_named(void **state)
{
	begin_v3();
	memcpy(world.madt, "XXXX", 4);
	refused("ACPI: MADT: there is none");
	begin_v3();
	memcpy(world.gtdt, "XXXX", 4);
	refused("ACPI: GTDT: there is none");
	begin_v3();
	memcpy(world.fadt, "XXXX", 4);
	refused("ACPI: FADT: there is none");
}

static void mixtures_of_gics_are_refused(void **state)
{
	begin();
	aw_gicd(&world, 2);
	aw_gicc(&world, 0, 0);
	aw_gicr(&world, 0x80a0000, SZ_1M);
	refused("ACPI: MADT: a GICv2 with redistributors or an ITS");
	begin();
	aw_gicd(&world, 2);
	aw_gicc(&world, 0, 0);
	acpi_put(aw_gicc(&world, 1, 0x80a0000) + GICC_FLAGS, 0, 4);
	refused("ACPI: MADT: a GICv2 with redistributors or an ITS");
	begin();
	aw_gicd(&world, 3);
	aw_gicc(&world, 0, 0);
	refused("ACPI: MADT: a GICv3 without redistributors");
	begin();
	aw_gicd(&world, 3);
	aw_gicc(&world, 0, 0x80a0000);
	aw_gicc(&world, 1, 0);
	refused("ACPI: MADT: a CPU without a redistributor");
	begin_v3();
	aw_gicd(&world, 3);
	refused("ACPI: MADT: two distributors");
	begin();
	aw_gicd(&world, 5);
	aw_gicc(&world, 0, 0);
	refused("ACPI: MADT: a GIC later than GICv4");
	begin();
	aw_gicc(&world, 0, 0x80a0000);
	refused("ACPI: MADT: no distributor");
}

static void bad_cpus_are_refused(void **state)
{
	begin();
	aw_gicd(&world, 2);
	refused("ACPI: MADT: no CPU");
	begin_v3();
	aw_gicc(&world, 0x101, 0);
	refused("ACPI: MADT: two CPUs have the same MPIDR");
	begin_v3();
	aw_gicc(&world, 1ULL << 31, 0);
	refused("ACPI: MADT: a CPU has a bad MPIDR");
}

static void redistributors_in_more_places_than_keel_can_look_at_are_refused(void **state)
{
	begin_v3();
	for (u64 i = 0; i < FDT_REDIST_REGIONS; i++)
		aw_gicr(&world, 0x10000000 + i * SZ_1M, SZ_128K);
	refused("ACPI: MADT: redistributors are in too many places");
	begin();
	aw_gicd(&world, 3);
	for (u64 i = 0; i <= FDT_REDIST_REGIONS; i++)
		aw_gicc(&world, i, 0x10000000 + i * SZ_1M);
	refused("ACPI: MADT: redistributors are in too many places");
	begin_v3();
	aw_gicr(&world, 0x10000001, SZ_128K);
	refused("ACPI: MADT: a bad range of redistributors");
	begin_v3();
	acpi_put(aw_gicc(&world, 2, 0x10000001) + GICC_FLAGS, 0, 4);
	refused("ACPI: MADT: a bad range of redistributors");
}

static void firmware_without_psci_by_smc_is_refused(void **state)
{
	begin_v3();
	acpi_put(world.fadt + FADT_ARM_BOOT_FLAGS, 0, 2);
	refused("ACPI: FADT: firmware has no PSCI");
	begin_v3();
	acpi_put(world.fadt + FADT_ARM_BOOT_FLAGS, 3, 2);
	refused("ACPI: FADT: firmware's PSCI is called by HVC, and Keel needs SMC");
}

static void timers_whose_interrupts_keel_does_not_know_are_refused(void **state)
{
	begin_v3();
	acpi_put(world.gtdt + GTDT_EL1_TIMER, 0, 4);
	refused("ACPI: GTDT: timers have other interrupts than 30 and 27");
}

static void two_tables_of_a_kind_are_refused_and_one_listed_twice_is_not(void **state)
{
	static const struct {
		const char *signature, *why;
		size_t table;
		u32 length;
	} rows[] = {
		{ "FACP", "ACPI: FADT: there are two", offsetof(struct acpi_world, fadt), 276 },
		{ "APIC", "ACPI: MADT: there are two", offsetof(struct acpi_world, madt), 0 },
		{ "GTDT", "ACPI: GTDT: there are two", offsetof(struct acpi_world, gtdt), 104 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		begin_v3();
		world.tables[world.count++] =
			aw_pa(&world, *(u8 **)((char *)&world + rows[i].table));
		accepted();
		begin_v3();
		(void)aw_table(&world, rows[i].signature, rows[i].length ?: MADT_ENTRIES);
		refused(rows[i].why);
	}
}

static void seal_if_whole(u8 *table)
{
	if (acpi_u32(table + ACPI_LENGTH) <= MEMORY - (u64)(table - memory))
		aw_seal(table);
}

static void seal_all(void)
{
	for (unsigned int i = 0; i < world.count; i++)
		seal_if_whole(memory + (world.tables[i] - PA_BASE));
	seal_if_whole(world.xsdt);
	world.rsdp[RSDP_CHECKSUM] = world.rsdp[RSDP_CHECKSUM2] = 0;
	world.rsdp[RSDP_CHECKSUM] = (u8)-acpi_sum(world.rsdp, RSDP_V1_SIZE);
	world.rsdp[RSDP_CHECKSUM2] = (u8)-acpi_sum(world.rsdp, RSDP_SIZE);
}

/* Return: whether the tables with another byte there, and right checksums, are accepted. */
static bool takes_byte(u64 where, u8 value)
{
	u8 before = memory[where];
	bool taken;

	memory[where] = value;
	seal_all();
	taken = !acpi_read(&reader, rsdp, &machine);
	if (taken) {
		assert_int_equal(acpi_make_tree(&machine, tree, sizeof(tree)), 0);
		assert_int_equal(acpi_make_copies(&machine, copies, PA_BASE + MEMORY, MEMORY), 0);
	} else {
		assert_memory_equal(machine.why, "ACPI: ", 6);
	}
	memory[where] = before;
	return taken;
}

static void a_field_of_any_value_is_accepted_whole_or_named(void **state)
{
	static const u8 values[] = { 0x00, 0x01, 0x02, 0x0c, 0x40, 0x7f, 0x80, 0xff };
	unsigned int taken = 0, tried = 0;

	begin_v3();
	(void)aw_dbg2(&world, 0x9040000);
	accepted();
	for (u64 where = 0; where < world.used; where++)
		for (size_t v = 0; v < ARRAY_SIZE(values); v++, tried++)
			taken += takes_byte(where, values[v]);
	assert_in_range(taken, tried / 4, tried - tried / 50);
}

/* ---- the console ---- */

static void without_a_sound_uart_there_is_a_warning_and_no_console(void **state)
{
	begin_v3();
	accepted();
	break_checksum(world.spcr);
	assert_int_equal(acpi_read(&reader, rsdp, &machine), 0);
	assert_false(machine.has_console);
	assert_string_equal(machine.warning,
			    "ACPI: no console: SPCR: has a wrong checksum; DBG2: there is none");
	assert_int_equal(acpi_make_tree(&machine, tree, sizeof(tree)), 0);
	assert_true(fdt_path_offset(tree, "/chosen") < 0);
}

static void a_uart_in_memory_is_not_written_to(void **state)
{
	begin_v3();
	acpi_put(world.spcr + SPCR_BASE + GAS_ADDRESS, PA_BASE + SZ_64K, 8);
	accepted();
	assert_false(machine.has_console);
}

static void dbg2_has_the_console_where_spcr_has_none(void **state)
{
	u8 *dev;

	begin_v3();
	memcpy(world.spcr, "XXXX", 4);
	dev = aw_dbg2(&world, 0x9040000);
	accepted();
	assert_true(machine.has_console);
	assert_int_equal(machine.console.base, 0x9040000);
	assert_int_equal(machine.console.uart, FDT_UART_SBSA);
	acpi_put(dev + DBG2_DEV_BASE, 40, 2);
	aw_seal(dev - DBG2_SIZE);
	assert_int_equal(acpi_read(&reader, rsdp, &machine), 0);
	assert_false(machine.has_console);
}

/* ---- the copies ---- */

static const u8 *in_copies(u64 pa)
{
	assert_true(pa >= COPIES && pa < COPIES + acpi_copies_size(&machine));
	return memory + (pa - PA_BASE);
}

static const u8 *copied_table(const char *signature)
{
	const u8 *xsdt = in_copies(acpi_u64(memory + (COPIES - PA_BASE) + RSDP_XSDT));

	for (u32 i = ACPI_HEADER_SIZE; i < acpi_u32(xsdt + ACPI_LENGTH); i += 8) {
		const u8 *table = memory + (acpi_u64(xsdt + i) - PA_BASE);

		if (memcmp(table, signature, 4) == 0)
			return table;
	}
	fail_msg("no %s", signature);
	return NULL;
}

static void the_host_s_tables_are_copies_with_keel_s_changes(void **state)
{
	static u8 before[MEMORY / 2];
	struct acpi_machine again;
	const u8 *madt, *fadt, *ssdt;

	begin_v3();
	accepted();
	memcpy(before, memory, sizeof(before));
	assert_int_equal(acpi_make_copies(&machine, memory + MEMORY / 2, COPIES, SZ_64K), 0);
	assert_memory_equal(before, memory, sizeof(before));
	/* all checksums are right, and nothing that Keel needs is lost */
	assert_int_equal(acpi_read(&reader, COPIES, &again), 0);
	assert_int_equal(again.cpus, 2);
	assert_int_not_equal(again.marker, 0);
	madt = copied_table("APIC") + MADT_ENTRIES + GICD_SIZE;
	assert_int_equal(madt[0], MADT_GICC);
	assert_int_equal(acpi_u32(madt + GICC_FLAGS), GICC_ENABLED);
	assert_int_equal(acpi_u64(madt + GICC_GICV), 0);
	assert_int_equal(acpi_u64(madt + GICC_GICH), 0);
	assert_int_equal(acpi_u32(madt + GICC_MAINTENANCE), 0);
	fadt = copied_table("FACP");
	assert_int_equal(acpi_u16(fadt + FADT_ARM_BOOT_FLAGS), FADT_PSCI_COMPLIANT);
	assert_memory_equal(fadt + FADT_HYPERVISOR, "Keel\0\0\0\0", 8);
	ssdt = copied_table("SSDT");
	/* Scope (\_SB), Device (KEEL), Name (_HID, ...), Name (_UID, Zero) */
	assert_memory_equal(
		ssdt + ACPI_HEADER_SIZE,
		"\x10\x22\\_SB_\x5b\x82\x1aKEEL\x08_HID\x0d" KEEL_ACPI_HID "\0\x08_UID\0", 35);
	assert_int_equal(acpi_u32(ssdt + ACPI_LENGTH), ACPI_HEADER_SIZE + 35);
}

static void copies_of_copies_have_one_marker_and_it_is_theirs(void **state)
{
	static struct acpi_machine again;
	u64 last;

	begin_v3();
	accepted();
	assert_int_equal(acpi_make_copies(&machine, memory + MEMORY / 2, COPIES, SZ_64K), 0);
	assert_int_equal(acpi_read(&reader, COPIES, &again), 0);
	assert_int_equal(acpi_make_copies(&again, copies, COPIES + SZ_64K, SZ_64K), 0);
	/* the RSDP comes first, then the XSDT */
	assert_int_equal(acpi_u32(copies + 64 + ACPI_LENGTH), again.xsdt.length);
	last = acpi_u64(copies + 64 + again.xsdt.length - XSDT_ENTRY);
	assert_true(last >= COPIES + SZ_64K && last < COPIES + 2 * SZ_64K);
	assert_memory_equal(copies + (last - COPIES - SZ_64K), "SSDT", 4);
	/* and not where a table is that only the XSDT names */
	assert_int_equal(acpi_make_copies(&again, copies, acpi_u64(again.xsdt.data + 52), 64), -28);
}

static void a_fadt_without_the_hypervisor_s_field_is_not_written_beyond_its_end(void **state)
{
	begin_v3();
	acpi_put(world.fadt + ACPI_LENGTH, 268, 4);
	accepted();
	assert_int_equal(acpi_make_copies(&machine, memory + MEMORY / 2, COPIES, SZ_64K), 0);
	assert_int_equal(acpi_u32(copied_table("FACP") + ACPI_LENGTH), 268);
	assert_int_equal(copied_table("FACP")[FADT_HYPERVISOR], 0);
}

static void copies_need_their_room_and_never_overwrite_tables(void **state)
{
	begin_v3();
	accepted();
	assert_int_equal(acpi_make_copies(&machine, copies, COPIES, acpi_copies_size(&machine) - 1),
			 -28);
	assert_int_equal(acpi_make_copies(&machine, copies, PA_BASE, SZ_64K), -28);
	assert_int_equal(acpi_make_copies(&machine, copies, COPIES, acpi_copies_size(&machine)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_gicv3_machine_is_read),
		cmocka_unit_test(a_gicv2_machine_is_read),
		cmocka_unit_test(cpus_that_are_not_enabled_are_left_out),
		cmocka_unit_test(each_cpu_s_entry_has_a_redistributor_of_its_own),
		cmocka_unit_test(redistributors_of_cpus_that_are_not_enabled_are_known_too),
		cmocka_unit_test(redistributors_of_cpus_entries_are_known_beside_ranges),
		cmocka_unit_test(five_hundred_and_twelve_cpus_fit_and_more_are_counted),
		cmocka_unit_test(the_tree_says_what_the_tables_say),
		cmocka_unit_test(a_gicv2_is_the_same_for_all_cpus_or_refused),
		cmocka_unit_test(
			a_gicv3_has_the_maintenance_interrupt_that_keel_listens_to_or_is_refused),
		cmocka_unit_test(a_tree_of_a_gicv2_machine_has_its_registers),
		cmocka_unit_test(a_tree_of_a_gicv2_machine_has_no_redistributors),
		cmocka_unit_test(wrong_checksums_are_found),
		cmocka_unit_test(a_damaged_rsdp_is_refused),
		cmocka_unit_test(lengths_beyond_the_end_are_found),
		cmocka_unit_test(entries_beyond_the_end_are_found),
		cmocka_unit_test(missing_tables_are_named),
		cmocka_unit_test(mixtures_of_gics_are_refused),
		cmocka_unit_test(bad_cpus_are_refused),
		cmocka_unit_test(redistributors_in_more_places_than_keel_can_look_at_are_refused),
		cmocka_unit_test(firmware_without_psci_by_smc_is_refused),
		cmocka_unit_test(timers_whose_interrupts_keel_does_not_know_are_refused),
		cmocka_unit_test(two_tables_of_a_kind_are_refused_and_one_listed_twice_is_not),
		cmocka_unit_test(a_field_of_any_value_is_accepted_whole_or_named),
		cmocka_unit_test(without_a_sound_uart_there_is_a_warning_and_no_console),
		cmocka_unit_test(a_uart_in_memory_is_not_written_to),
		cmocka_unit_test(dbg2_has_the_console_where_spcr_has_none),
		cmocka_unit_test(the_host_s_tables_are_copies_with_keel_s_changes),
		cmocka_unit_test(copies_of_copies_have_one_marker_and_it_is_theirs),
		cmocka_unit_test(
			a_fadt_without_the_hypervisor_s_field_is_not_written_beyond_its_end),
		cmocka_unit_test(copies_need_their_room_and_never_overwrite_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
