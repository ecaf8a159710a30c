// SPDX-License-Identifier: BSD-2-Clause
/* Reading firmware's device tree, and editing the copy for the host. */
/* SOURCES: hyp/host/host_fdt.c hyp/host/host_fdt_edit.c hyp/host/fdt_read.c hyp/host/memmap.c hyp/host/memmap_fdt.c hyp/lib/options.c hyp/lib/parse.c hyp/lib/printf.c */
/* LIBS: -lfdt */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fdt_world.h"
#include <host/host_fdt.h>
#include <lib/errno.h>

static void is_line(const char *why, const char *line)
{
	if (!why || !strstr(why, line) || strchr(why, '\n'))
		fail_msg("line is \"%s\", expected \"%s\"", why ? why : "-", line);
}

/* --- host_fdt_check() --- */

static void check_fails(const void *fdt, size_t max, const char *line)
{
	const char *why = NULL;

	assert_int_equal(host_fdt_check(fdt, max, &why), -EINVAL);
	is_line(why, line);
}

static void a_sound_tree_is_accepted_and_no_other(void **state)
{
	struct fdt_world w = fw_virt("a", true);
	size_t size = fdt_totalsize(w.fdt);
	const char *why;
	u32 offset;

	assert_int_equal(host_fdt_check(w.fdt, size, &why), 0);
	check_fails(NULL, size, "none was passed");
	check_fails(w.fdt + 4, size, "aligned");
	check_fails(w.fdt, size - 1, "too large");
	check_fails(w.fdt, 39, "none there");
	fdt_set_magic(w.fdt, FDT_MAGIC + 1);
	check_fails(w.fdt, size, "bad magic");
	fdt_set_magic(w.fdt, FDT_MAGIC);
	offset = fdt_off_dt_struct(w.fdt);
	fdt_set_off_dt_struct(w.fdt, 0xfffffff0);
	check_fails(w.fdt, size, "damaged header");
	/* misaligned accesses would fault while the MMU is off */
	fdt_set_off_dt_struct(w.fdt, offset + 2);
	check_fails(w.fdt, size, "damaged header");
	fdt_set_off_dt_struct(w.fdt, offset);
	fdt_set_off_mem_rsvmap(w.fdt, fdt_off_mem_rsvmap(w.fdt) + 4);
	check_fails(w.fdt, size, "damaged header");
	fdt_set_off_mem_rsvmap(w.fdt, fdt_off_mem_rsvmap(w.fdt) - 4);
	assert_int_equal(host_fdt_check(w.fdt, size, &why), 0);
	/* a reservation block without an end */
	offset = fdt_off_mem_rsvmap(w.fdt);
	fdt_set_off_mem_rsvmap(w.fdt, (u32)ALIGN_DOWN(size, 8) - 8);
	check_fails(w.fdt, size, "reservation block");
	fdt_set_off_mem_rsvmap(w.fdt, offset);
	/* too new, too old */
	fdt_set_version(w.fdt, 18);
	fdt_set_last_comp_version(w.fdt, 18);
	check_fails(w.fdt, size, "damaged header");
	fdt_set_last_comp_version(w.fdt, 16);
	assert_int_equal(host_fdt_check(w.fdt, size, &why), 0);
	fdt_set_version(w.fdt, 16);
	check_fails(w.fdt, size, "damaged header");
	fw_free(&w);
}

static void the_check_finds_damage_in_the_structure(void **state)
{
	struct fdt_world w = fw_virt("a", true);
	const char *why;
	int at = 0, next;

	/* an unknown token in the place of each in turn */
	for (u32 tag = 0; tag != FDT_END; at = next) {
		fdt32_t *token = (fdt32_t *)(w.fdt + fdt_off_dt_struct(w.fdt) + at);

		tag = fdt_next_tag(w.fdt, at, &next);
		*token = cpu_to_fdt32(8);
		check_fails(w.fdt, fdt_totalsize(w.fdt), "damaged");
		*token = cpu_to_fdt32(tag);
	}
	assert_int_equal(host_fdt_check(w.fdt, fdt_totalsize(w.fdt), &why), 0);
	fw_free(&w);
}

static void the_check_limits_the_depth(void **state)
{
	for (unsigned int depth = 32; depth <= 33; depth++) {
		struct fdt_world w;
		const char *why;

		fw_begin(&w, 2, 2);
		fw_root(&w);
		for (unsigned int i = 0; i < depth; i++)
			fw_node(&w, "n");
		for (unsigned int i = 0; i < depth; i++)
			fw_end(&w);
		fw_finish(&w);
		if (depth <= 32)
			assert_int_equal(host_fdt_check(w.fdt, fdt_totalsize(w.fdt), &why), 0);
		else
			check_fails(w.fdt, fdt_totalsize(w.fdt), "damaged");
		fw_free(&w);
	}
}

/* --- /chosen --- */

static void bootargs_are_read_or_empty(void **state)
{
	struct fdt_world w = fw_virt("keel.x quiet", false);

	assert_string_equal(host_fdt_bootargs(w.fdt), "keel.x quiet");
	fw_free(&w);
	w = fw_virt(NULL, false);
	assert_string_equal(host_fdt_bootargs(w.fdt), "");
	fw_free(&w);
	/* no /chosen; bootargs that is no string */
	fw_begin(&w, 2, 2);
	fw_root(&w);
	fw_finish(&w);
	assert_string_equal(host_fdt_bootargs(w.fdt), "");
	fw_free(&w);
	fw_begin(&w, 2, 2);
	fw_root(&w);
	fw_node(&w, "chosen");
	fw_bytes(&w, "bootargs", "abc", 3);
	fw_end(&w);
	fw_finish(&w);
	assert_string_equal(host_fdt_bootargs(w.fdt), "");
	fw_free(&w);
}

static void the_initrd_is_found(void **state)
{
	struct fdt_world w = fw_virt(NULL, true);
	struct mem_range r;
	const char *why;

	assert_int_equal(host_fdt_initrd(w.fdt, &r, &why), 0);
	assert_int_equal(r.base, 0x48000000);
	assert_int_equal(r.end, 0x4c000000);
	fw_free(&w);
	w = fw_virt(NULL, false);
	assert_int_equal(host_fdt_initrd(w.fdt, &r, &why), -ENOENT);
	is_line(why, "no initrd");
	fw_free(&w);
	fw_begin(&w, 2, 2);
	fw_root(&w);
	fw_finish(&w);
	assert_int_equal(host_fdt_initrd(w.fdt, &r, &why), -ENOENT);
	is_line(why, "no initrd");
	fw_free(&w);
}

static void an_initrd_that_is_no_range_is_refused(void **state)
{
	static const u64 bad[][4] = {
		{ 0, 0x48000000, 0, 0x48000000 },
		{ 0, 0x48000000, 0, 0x47ffffff },
		{ 0, 0x48000000, 0x01000000, 1 },
	};

	for (size_t i = 0; i <= ARRAY_SIZE(bad); i++) {
		struct fdt_world w;
		struct mem_range r = { 1, 2 };
		const char *why;

		fw_begin(&w, 2, 2);
		fw_root(&w);
		fw_node(&w, "chosen");
		if (i < ARRAY_SIZE(bad)) {
			fw_cells(&w, "linux,initrd-start", bad[i][0], bad[i][1]);
			fw_cells(&w, "linux,initrd-end", bad[i][2], bad[i][3]);
		} else {
			fw_cells(&w, "linux,initrd-start", 1, 2, 3);
			fw_cells(&w, "linux,initrd-end", 2);
		}
		fw_end(&w);
		fw_finish(&w);
		assert_int_equal(host_fdt_initrd(w.fdt, &r, &why), -EINVAL);
		is_line(why, "no address range");
		assert_int_equal(r.base, 1);
		fw_free(&w);
	}
}

/* --- the console --- */

/* A tree whose console is two buses deep, the outer one with one cell: at 0xf_1000_2000. */
static struct fdt_world deep_uart(const char *path, const char *property, const char *compatible)
{
	struct fdt_world w;

	fw_begin(&w, 2, 2);
	fw_root(&w);
	fw_node(&w, "aliases");
	fw_string(&w, "serial2", "/soc/bus@10000000/uart@2000");
	fw_end(&w);
	fw_node(&w, "chosen");
	fw_string(&w, property, path);
	fw_end(&w);
	fw_node(&w, "soc");
	fw_cells(&w, "#address-cells", 1);
	fw_cells(&w, "#size-cells", 1);
	fw_cells(&w, "ranges", 0, 0, 0xa0000000, 0x1000, /**/ 0x10000000, 0xf, 0x10000000,
		 0x10000000);
	fw_node(&w, "bus@10000000");
	fw_cells(&w, "#address-cells", 1);
	fw_cells(&w, "#size-cells", 1);
	fw_cells(&w, "ranges", 0x2000, 0x10002000, 0x2000);
	fw_node(&w, "uart@2000");
	fw_string(&w, "compatible", compatible);
	fw_cells(&w, "reg", 0x2000, 0x1000);
	fw_end(&w);
	fw_node(&w, "uart@5000"); /* outside of the bus's ranges */
	fw_string(&w, "compatible", compatible);
	fw_cells(&w, "reg", 0x5000, 0x1000);
	fw_end(&w);
	fw_end(&w);
	fw_node(&w, "private"); /* no ranges: no physical addresses */
	fw_cells(&w, "#address-cells", 1);
	fw_cells(&w, "#size-cells", 1);
	fw_node(&w, "uart@1");
	fw_string(&w, "compatible", compatible);
	fw_cells(&w, "reg", 1, 1);
	fw_end(&w);
	fw_end(&w);
	fw_node(&w, "mirror");
	fw_cells(&w, "#address-cells", 1);
	fw_cells(&w, "#size-cells", 1);
	fw_bytes(&w, "ranges", NULL, 0);
	fw_node(&w, "uart@10005000");
	fw_string(&w, "compatible", compatible);
	fw_cells(&w, "reg", 0x10005000, 0x1000);
	fw_end(&w);
	fw_node(&w, "uart@0");
	fw_string(&w, "compatible", compatible);
	fw_end(&w);
	fw_end(&w);
	fw_finish(&w);
	return w;
}

static int console(const char *path, const char *property, const char *compatible,
		   struct fdt_console *c)
{
	struct fdt_world w = deep_uart(path, property, compatible);
	int err;

	*c = (struct fdt_console){ 0 };
	err = host_fdt_console(w.fdt, c);
	fw_free(&w);
	return err;
}

static void the_console_of_qemus_machine_is_found(void **state)
{
	struct fdt_world w = fw_virt(NULL, false);
	struct fdt_console c;

	assert_int_equal(host_fdt_console(w.fdt, &c), 0);
	assert_int_equal(c.uart, FDT_UART_PL011);
	assert_int_equal(c.base, 0x9000000);
	assert_int_equal(c.size, 0x1000);
	fw_free(&w);
}

static void a_console_behind_malformed_ranges_is_not_misplaced(void **state)
{
	for (unsigned int cells = 1; cells <= 8; cells++) {
		static const u64 ranges[] = {
			0, 0, 0x9000000, 0x1000, 0x1000, 0, 0xa000000, 0x1000
		};
		u64 some[9];
		struct fdt_console c;
		struct fdt_world w;
		int err;

		memcpy(some, ranges, sizeof(ranges));
		some[cells] = FW_END;
		fw_begin(&w, 2, 1);
		fw_root(&w);
		fw_node(&w, "chosen");
		fw_string(&w, "stdout-path", "/bus/uart");
		fw_end(&w);
		fw_node(&w, "bus");
		fw_cells(&w, "#address-cells", 1);
		fw_cells(&w, "#size-cells", 1);
		fw_cells_(&w, "ranges", some);
		fw_node(&w, "uart");
		fw_string(&w, "compatible", "arm,pl011");
		fw_cells(&w, "reg", 0, 0x1000);
		fw_end(&w);
		fw_end(&w);
		fw_finish(&w);
		err = host_fdt_console(w.fdt, &c);
		assert_int_equal(err, cells % 4 ? -ENODEV : 0);
		fw_free(&w);
	}
}

static void a_tree_without_a_console_has_none(void **state)
{
	struct fdt_console c;
	struct fdt_world w;

	fw_begin(&w, 2, 2);
	fw_root(&w);
	fw_finish(&w);
	assert_int_equal(host_fdt_console(w.fdt, &c), -ENOENT);
	fw_free(&w);
}

static void the_console_is_named_by_path_or_alias(void **state)
{
	static const char *const good[] = {
		"serial2",
		"serial2:115200n8",
		"/soc/bus@10000000/uart@2000",
		"/soc/bus@10000000/uart@2000:115200",
	};
	static const char *const nowhere[] = { "", ":", "serial3", "/soc/uart", "soc", ":115200" };
	struct fdt_console c;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(console(good[i], "stdout-path", "arm,pl011", &c), 0);
		assert_int_equal(c.base, 0xf10002000);
		assert_int_equal(console(good[i], "linux,stdout-path", "arm,sbsa-uart", &c), 0);
		assert_int_equal(c.uart, FDT_UART_SBSA);
	}
	for (size_t i = 0; i < ARRAY_SIZE(nowhere); i++)
		assert_int_equal(console(nowhere[i], "stdout-path", "arm,pl011", &c), -ENOENT);
	assert_int_equal(console("serial2", "stdin-path", "arm,pl011", &c), -ENOENT);
}

static void a_console_without_a_physical_address_is_none(void **state)
{
	struct fdt_console c;

	assert_int_equal(console("/soc/mirror/uart@10005000", "stdout-path", "arm,pl011", &c), 0);
	assert_int_equal(c.base, 0xf10005000);
	assert_int_equal(console("/soc/bus@10000000/uart@5000", "stdout-path", "arm,pl011", &c),
			 -ENODEV);
	assert_int_equal(console("/soc/private/uart@1", "stdout-path", "arm,pl011", &c), -ENODEV);
	assert_int_equal(console("/soc/mirror/uart@0", "stdout-path", "arm,pl011", &c), -ENODEV);
	assert_int_equal(console("/soc", "stdout-path", "arm,pl011", &c), -ENODEV);
	assert_int_equal(console("/", "stdout-path", "arm,pl011", &c), -ENODEV);
	assert_int_equal(console("serial2", "stdout-path", "ns16550a", &c), -ENODEV);
}

/* --- PSCI and CPUs --- */

static void the_conduit_of_psci_is_read(void **state)
{
	static const struct {
		const char *compatible, *method;
		enum fdt_psci psci;
	} rows[] = {
		{ "arm,psci-1.0", "smc", FDT_PSCI_SMC },   { "arm,psci-0.2", "smc", FDT_PSCI_SMC },
		{ "arm,psci-0.2", "hvc", FDT_PSCI_HVC },   { "arm,psci", "smc", FDT_PSCI_NONE },
		{ "arm,psci-1.0", "call", FDT_PSCI_NONE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fdt_world w;

		fw_begin(&w, 2, 2);
		fw_root(&w);
		fw_psci(&w, rows[i].compatible, rows[i].method);
		fw_finish(&w);
		assert_int_equal(host_fdt_psci(w.fdt), rows[i].psci);
		fw_free(&w);
	}
}

static void the_node_of_psci_may_be_anywhere(void **state)
{
	struct fdt_world w;

	for (unsigned int decoy = 0; decoy < 2; decoy++) {
		fw_begin(&w, 2, 2);
		fw_root(&w);
		if (decoy)
			fw_psci(&w, "arm,psci", "hvc");
		fw_node(&w, "firmware");
		fw_psci(&w, "arm,psci-1.0", "smc");
		fw_end(&w);
		fw_finish(&w);
		assert_int_equal(host_fdt_psci(w.fdt), FDT_PSCI_SMC);
		fw_free(&w);
	}
	fw_begin(&w, 2, 2);
	fw_root(&w);
	fw_finish(&w);
	assert_int_equal(host_fdt_psci(w.fdt), FDT_PSCI_NONE);
	fw_free(&w);
}

/* A tree with /cpus open. */
static struct fdt_world cpus_begin(unsigned int addr_cells, const char *psci)
{
	struct fdt_world w;

	fw_begin(&w, 2, 2);
	fw_root(&w);
	fw_psci(&w, psci, "smc");
	fw_memory(&w, 0x40000000, 0x40000000);
	fw_gic(&w, 3);
	fw_cpus(&w, addr_cells);
	return w;
}

static void cpus_end(struct fdt_world *w)
{
	fw_end(w);
	fw_finish(w);
}

static void cpus_are(const void *fdt, u64 boot, const u64 *mpidr, unsigned int count,
		     unsigned int dropped)
{
	static struct fdt_cpus cpus;
	const char *why = "-";
	int err = host_fdt_cpus(fdt, boot, &cpus, &why);

	if (err)
		fail_msg("%d %s", err, why);
	assert_int_equal(cpus.count, count);
	assert_int_equal(cpus.dropped, dropped);
	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(cpus.mpidr[i], mpidr[i]);
}

static void cpus_are_refused(struct fdt_world *w, u64 boot, int err, const char *line)
{
	static struct fdt_cpus cpus;
	const char *why = NULL;

	assert_int_equal(host_fdt_cpus(w->fdt, boot, &cpus, &why), err);
	is_line(why, line);
	fw_free(w);
}

static void the_boot_cpu_is_listed_first(void **state)
{
	struct fdt_world w = cpus_begin(1, "arm,psci-0.2");

	fw_cpu(&w, 0x000, "psci");
	fw_cpu(&w, 0x001, "psci");
	fw_cpu(&w, 0x100, "psci");
	fw_cpu(&w, 0x101, "psci");
	cpus_end(&w);
	cpus_are(w.fdt, 0x0, (u64[]){ 0, 1, 0x100, 0x101 }, 4, 0);
	/* MPIDR_EL1's other fields (RES1, MT) do not matter */
	cpus_are(w.fdt, 0x81000100, (u64[]){ 0x100, 0, 1, 0x101 }, 4, 0);
	cpus_are_refused(&w, 0x2, -ENOENT, "CPU that booted");
}

static void cpus_may_have_addresses_of_two_cells(void **state)
{
	struct fdt_world w = cpus_begin(2, "arm,psci-1.0");

	for (u64 i = 0; i < 2; i++) {
		fw_node(&w, i ? "cpu@100000001" : "cpu@0");
		fw_string(&w, "device_type", "cpu");
		fw_string(&w, "enable-method", "psci");
		fw_cells(&w, "reg", i, i);
		fw_end(&w);
	}
	cpus_end(&w);
	cpus_are(w.fdt, 0, (u64[]){ 0, 0x100000001 }, 2, 0);
	fw_free(&w);
}

static void cpus_that_cannot_be_started_are_left_out(void **state)
{
	struct fdt_world w = cpus_begin(1, "arm,psci-1.0");

	fw_node(&w, "cpu-map");
	fw_end(&w);
	fw_cpu(&w, 0, "psci");
	fw_cpu(&w, 1, "spin-table");
	fw_cpu(&w, 2, NULL);
	fw_cpu(&w, 3, "psci");
	fw_node(&w, "cpu@4"); /* broken: not there at all */
	fw_string(&w, "device_type", "cpu");
	fw_string(&w, "status", "fail-selftest");
	fw_cells(&w, "reg", 4);
	fw_string(&w, "enable-method", "psci");
	fw_end(&w);
	fw_node(&w, "cpu@5"); /* off until it is started, like all */
	fw_string(&w, "device_type", "cpu");
	fw_string(&w, "status", "disabled");
	fw_cells(&w, "reg", 5);
	fw_string(&w, "enable-method", "psci");
	fw_end(&w);
	cpus_end(&w);
	cpus_are(w.fdt, 0, (u64[]){ 0, 3, 5 }, 3, 2);
	/* the boot CPU runs, however it was started */
	cpus_are(w.fdt, 1, (u64[]){ 1, 0, 3, 5 }, 4, 1);
	fw_free(&w);
	/* PSCI 0.1 has no fixed function numbers: only the boot CPU is left */
	w = cpus_begin(1, "arm,psci");
	fw_cpu(&w, 0, "psci");
	fw_cpu(&w, 1, "psci");
	cpus_end(&w);
	cpus_are(w.fdt, 0, (u64[]){ 0 }, 1, 1);
	fw_free(&w);
}

static void cpus_beyond_the_limit_are_left_out(void **state)
{
	struct fdt_world w = cpus_begin(1, "arm,psci-1.0");
	static u64 mpidr[KEEL_MAX_CPUS];

	for (u32 i = 0; i < KEEL_MAX_CPUS + 3; i++) {
		fw_cpu(&w, i, "psci");
		if (i < KEEL_MAX_CPUS)
			mpidr[i] = i;
	}
	cpus_end(&w);
	cpus_are(w.fdt, 0, mpidr, KEEL_MAX_CPUS, 3);
	fw_free(&w);
}

static void malformed_cpu_nodes_are_refused(void **state)
{
	struct fdt_world w = cpus_begin(1, "arm,psci-1.0");

	fw_cpu(&w, 0, "psci");
	fw_cpu(&w, 0x01000000, "psci"); /* no affinity field there */
	cpus_end(&w);
	cpus_are_refused(&w, 0, -EINVAL, "no usable reg");

	w = cpus_begin(1, "arm,psci-1.0");
	fw_node(&w, "cpu@0");
	fw_string(&w, "device_type", "cpu");
	fw_end(&w);
	cpus_end(&w);
	cpus_are_refused(&w, 0, -EINVAL, "no usable reg");

	for (u32 twice = 0; twice < 2; twice++) {
		w = cpus_begin(1, "arm,psci-1.0");
		fw_cpu(&w, 0, "psci");
		fw_cpu(&w, 1, "psci");
		fw_node(&w, "cpu@x");
		fw_string(&w, "device_type", "cpu");
		fw_string(&w, "enable-method", "psci");
		fw_cells(&w, "reg", twice);
		fw_end(&w);
		cpus_end(&w);
		cpus_are_refused(&w, 0, -EINVAL, "same reg");
	}

	w = cpus_begin(3, "arm,psci-1.0");
	cpus_end(&w);
	cpus_are_refused(&w, 0, -EINVAL, "/cpus");
	fw_begin(&w, 2, 2);
	fw_root(&w);
	fw_node(&w, "cpus");
	fw_cells(&w, "#address-cells", 1);
	fw_cells(&w, "#size-cells", 1);
	cpus_end(&w);
	cpus_are_refused(&w, 0, -EINVAL, "/cpus");
	w = fw_virt(NULL, false);
	fdt_nop_node(w.fdt, fdt_path_offset(w.fdt, "/cpus"));
	cpus_are_refused(&w, 0, -EINVAL, "/cpus");
}

/* --- editing --- */

static const struct mem_range keel_memory[] = {
	{ 0x40200000, 0x40400000 },
	{ 0x7fe00000, 0x80000000 },
};

static struct host_fdt_params params(void)
{
	return (struct host_fdt_params){
		.keel = keel_memory,
		.keel_count = 2,
		.bootargs = "console=ttyAMA0 quiet",
		.initrd = { 0x4a000000, 0x4a800000 },
		.version = "1.2.3",
	};
}

/* Edits @w's tree, which is not changed and freed; the result is to be freed. */
static char *edited(struct fdt_world *w, const struct host_fdt_params *p,
		    struct host_fdt_report *report)
{
	size_t size = fdt_totalsize(w->fdt);
	char *before = malloc(size), *buf = malloc(size + 4096);
	struct host_fdt_report ignored;
	const char *why = "-";
	int err;

	memcpy(before, w->fdt, size);
	err = host_fdt_edit(w->fdt, buf, size + 4096, p, report ? report : &ignored, &why);
	if (err)
		fail_msg("%d %s", err, why);
	assert_memory_equal(before, w->fdt, size);
	free(before);
	fw_free(w);
	assert_int_equal(host_fdt_check(buf, fdt_totalsize(buf), &why), 0);
	return buf;
}

static void edit_fails(struct fdt_world *w, const struct host_fdt_params *p, int err,
		       const char *line)
{
	struct host_fdt_report report;
	const char *why = NULL;
	char *buf = malloc(FDT_WORLD_SIZE);
	int got = host_fdt_edit(w->fdt, buf, FDT_WORLD_SIZE, p, &report, &why);

	if (got != err)
		fail_msg("got %d \"%s\", expected %d and \"%s\"", got, why ? why : "-", err, line);
	is_line(why, line);
	free(buf);
	fw_free(w);
}

static int node_of(const void *fdt, const char *path)
{
	int node = fdt_path_offset(fdt, path);

	if (node < 0)
		fail_msg("no node %s", path);
	return node;
}

static void property_is(const void *fdt, const char *path, const char *name, const void *bytes,
			size_t size)
{
	int len;
	const void *p = fdt_getprop(fdt, node_of(fdt, path), name, &len);

	if (!p || (size_t)len != size || memcmp(p, bytes, size))
		fail_msg("%s of %s is not as expected (%d bytes, expected %zu)", name, path, len,
			 size);
}

static void string_is(const void *fdt, const char *path, const char *name, const char *value)
{
	property_is(fdt, path, name, value, strlen(value) + 1);
}

static void cells_are_(const void *fdt, const char *path, const char *name, const u64 *values)
{
	fdt32_t cells[64];
	size_t n = 0;

	for (; values[n] != FW_END; n++)
		cells[n] = cpu_to_fdt32((u32)values[n]);
	property_is(fdt, path, name, cells, n * sizeof(fdt32_t));
}

#define cells_are(fdt, path, name, ...) \
	cells_are_(fdt, path, name, (const u64[]){ __VA_ARGS__ __VA_OPT__(, ) FW_END })

static void the_tree_of_qemus_machine_is_edited_for_the_host(void **state)
{
	struct fdt_world w = fw_virt("keel.va_bits=48 firmware", true);
	struct host_fdt_params p = params();
	struct host_fdt_report r;
	char *fdt = edited(&w, &p, &r);

	assert_int_equal(r.timers_reduced, 1);
	assert_int_equal(r.cpus_dropped, 0);
	string_is(fdt, "/chosen", "bootargs", "console=ttyAMA0 quiet");
	cells_are(fdt, "/chosen", "linux,initrd-start", 0, 0x4a000000);
	cells_are(fdt, "/chosen", "linux,initrd-end", 0, 0x4a800000);
	string_is(fdt, "/hypervisor", "compatible", "keel,hypervisor");
	string_is(fdt, "/hypervisor", "version", "1.2.3");
	cells_are(fdt, "/reserved-memory", "#address-cells", 2);
	cells_are(fdt, "/reserved-memory", "#size-cells", 2);
	property_is(fdt, "/reserved-memory", "ranges", "", 0);
	cells_are(fdt, "/reserved-memory/keel@40200000", "reg", 0, 0x40200000, 0, 0x200000);
	property_is(fdt, "/reserved-memory/keel@40200000", "no-map", "", 0);
	cells_are(fdt, "/reserved-memory/keel@7fe00000", "reg", 0, 0x7fe00000, 0, 0x200000);
	cells_are(fdt, "/timer", "interrupts", 1, 13, 0x104, 1, 14, 0x104);
	property_is(fdt, "/timer", "interrupt-names", "sec-phys\0phys", 14);
	/* what is not Keel's business stays */
	cells_are(fdt, "/chosen", "kaslr-seed", 1, 2);
	string_is(fdt, "/chosen", "stdout-path", "/pl011@9000000");
	string_is(fdt, "/psci", "method", "smc");
	cells_are(fdt, "/memory@40000000", "reg", 0, 0x40000000, 0, 0x40000000);
	node_of(fdt, "/cpus/cpu@1");
	/* no word of slack */
	assert_int_equal(fdt_totalsize(fdt), fdt_off_dt_strings(fdt) + fdt_size_dt_strings(fdt));
	free(fdt);
}

static void the_edited_tree_is_read_back(void **state)
{
	struct fdt_world w = fw_virt(NULL, true);
	struct host_fdt_params p = params();
	char *fdt = edited(&w, &p, NULL);
	struct mem_range initrd;
	struct memmap map;
	const char *why;

	assert_int_equal(memmap_from_fdt(&map, fdt, (struct mem_range){ 0, 0 }, &why), 0);
	assert_true(mem_ranges_contain(&map.reserved, 0x40200000, 0x200000));
	assert_true(mem_ranges_contain(&map.reserved, 0x7fe00000, 0x200000));
	assert_int_equal(map.reserved.count, 2);
	assert_int_equal(host_fdt_initrd(fdt, &initrd, &why), 0);
	assert_int_equal(initrd.base, 0x4a000000);
	assert_string_equal(host_fdt_bootargs(fdt), "console=ttyAMA0 quiet");
	free(fdt);
}

static void an_edit_makes_nodes_that_are_missing(void **state)
{
	struct fdt_world w;
	struct host_fdt_params p = params();
	char *fdt;

	fw_begin(&w, 1, 1);
	fw_root(&w);
	fw_memory(&w, 0x40000000, 0x40000000);
	fw_node(&w, "hypervisor"); /* somebody else's */
	fw_string(&w, "compatible", "xen,xen");
	fw_cells(&w, "interrupts", 1, 2, 3);
	fw_end(&w);
	fw_finish(&w);
	fdt = edited(&w, &p, NULL);
	string_is(fdt, "/chosen", "bootargs", "console=ttyAMA0 quiet");
	string_is(fdt, "/hypervisor", "compatible", "keel,hypervisor");
	assert_null(fdt_getprop(fdt, node_of(fdt, "/hypervisor"), "interrupts", NULL));
	cells_are(fdt, "/reserved-memory", "#address-cells", 1);
	cells_are(fdt, "/reserved-memory/keel@40200000", "reg", 0x40200000, 0x200000);
	free(fdt);
}

static void an_edit_keeps_reserved_memory(void **state)
{
	struct fdt_world w;
	struct host_fdt_params p = params();
	struct mem_range high = { 0x880000000, 0x880200000 };
	char *fdt;

	for (unsigned int round = 0; round < 2; round++) {
		fw_begin(&w, 2, 2);
		fw_root(&w);
		fw_memory(&w, 0x40000000, 0x40000000);
		fw_node(&w, "reserved-memory");
		fw_cells(&w, "#address-cells", 1);
		fw_cells(&w, "#size-cells", 1);
		fw_bytes(&w, "ranges", NULL, 0);
		fw_node(&w, "tee@42000000");
		fw_cells(&w, "reg", 0x42000000, 0x1000);
		fw_end(&w);
		fw_end(&w);
		fw_finish(&w);
		if (round == 0) {
			fdt = edited(&w, &p, NULL);
			cells_are(fdt, "/reserved-memory/keel@40200000", "reg", 0x40200000,
				  0x200000);
			cells_are(fdt, "/reserved-memory/tee@42000000", "reg", 0x42000000, 0x1000);
			free(fdt);
		} else {
			/* an address that its cells cannot hold */
			p.keel = &high;
			p.keel_count = 1;
			edit_fails(&w, &p, -EINVAL, "cannot hold");
		}
	}
	fw_begin(&w, 2, 2);
	fw_root(&w);
	fw_node(&w, "reserved-memory");
	fw_cells(&w, "#address-cells", 4);
	fw_end(&w);
	fw_finish(&w);
	edit_fails(&w, &p, -EINVAL, "cannot hold");
	/* a root whose cells cannot be taken over, or not be written in */
	for (unsigned int cells = 3; cells <= 5; cells++) {
		fw_begin(&w, cells, 2);
		fw_root(&w);
		fw_finish(&w);
		edit_fails(&w, &p, -EINVAL, "cannot hold");
	}
}

static void an_edit_without_ranges_of_keels_reserves_nothing(void **state)
{
	struct fdt_world w = fw_virt(NULL, true);
	struct host_fdt_params p = params();
	char *fdt;

	p.keel_count = 0;
	fdt = edited(&w, &p, NULL);
	assert_int_equal(fdt_first_subnode(fdt, node_of(fdt, "/reserved-memory")),
			 -FDT_ERR_NOTFOUND);
	free(fdt);
}

/* The same range twice is Keel's mistake, and gives an error, not a wrong tree. */
static void a_range_that_is_given_twice_is_an_error(void **state)
{
	static const struct mem_range twice[] = { { 0x40200000, 0x40400000 },
						  { 0x40200000, 0x40300000 } };
	struct fdt_world w = fw_virt(NULL, true);
	struct host_fdt_params p = params();

	p.keel = twice;
	edit_fails(&w, &p, -EINVAL, "cannot be edited");
}

static void an_edit_drops_reservations_of_released_memory(void **state)
{
	struct host_fdt_params p = params();
	struct fdt_world w;
	u64 base, size;
	char *fdt;

	fw_begin(&w, 2, 2);
	fw_reserve(&w, 0x48000000, 0x4000000); /* the bundle */
	fw_reserve(&w, 0x47fff000, 0x2000);    /* reaches out of it */
	fw_reserve(&w, 0x4c000000, 0x3000);    /* firmware's device tree */
	fw_reserve(&w, 0x4bfff000, 0x5000);    /* reaches out of both */
	fw_reserve(&w, 0x40000000, 0x10000);
	fw_reserve(&w, 0x48000000, 0x1000);
	fw_root(&w);
	fw_finish(&w);
	p.released[0] = (struct mem_range){ 0x48000000, 0x4c000000 };
	p.released[1] = (struct mem_range){ 0x4c000000, 0x4c003000 };
	fdt = edited(&w, &p, NULL);
	assert_int_equal(fdt_num_mem_rsv(fdt), 3);
	assert_int_equal(fdt_get_mem_rsv(fdt, 0, &base, &size), 0);
	assert_int_equal(base, 0x47fff000);
	assert_int_equal(fdt_get_mem_rsv(fdt, 1, &base, &size), 0);
	assert_int_equal(base, 0x4bfff000);
	assert_int_equal(fdt_get_mem_rsv(fdt, 2, &base, &size), 0);
	assert_int_equal(base, 0x40000000);
	free(fdt);
}

static void an_edit_without_room_fails_and_stays_within_its_buffer(void **state)
{
	struct host_fdt_params p = params();
	struct fdt_world w = fw_virt("short", true);
	size_t needed, size = fdt_totalsize(w.fdt);
	char *fdt = edited(&w, &p, NULL);

	needed = fdt_totalsize(fdt);
	free(fdt);
	for (size_t room = 0; room < needed + 64; room++) {
		struct host_fdt_report r;
		const char *why = NULL;
		int err;

		w = fw_virt("short", true);
		fdt = malloc(room ? room : 1);
		err = host_fdt_edit(w.fdt, fdt, room, &p, &r, &why);
		if (err)
			is_line(why, "no room");
		assert_int_equal(err, err ? -ENOSPC : 0);
		if (room < size || room < needed)
			assert_int_equal(err, -ENOSPC);
		else if (room >= needed + 32)
			assert_int_equal(err, 0);
		free(fdt);
		fw_free(&w);
	}
}

/* --- the timer --- */

/* A root with a GIC of @gic_cells; the timer node is open. */
static struct fdt_world timer_begin(unsigned int gic_cells, const char *compatible)
{
	struct fdt_world w;

	fw_begin(&w, 2, 2);
	fw_root(&w);
	fw_gic(&w, gic_cells);
	fw_node(&w, "timer");
	fw_string(&w, "compatible", compatible);
	return w;
}

static char *timer_end(struct fdt_world *w)
{
	struct host_fdt_params p = params();

	fw_end(w);
	fw_finish(w);
	return edited(w, &p, NULL);
}

static void timer_fails(struct fdt_world *w, const char *line)
{
	struct host_fdt_params p = params();

	fw_end(w);
	fw_finish(w);
	edit_fails(w, &p, -EINVAL, line);
}

static void a_timer_with_interrupts_of_four_cells_is_reduced(void **state)
{
	struct fdt_world w = timer_begin(4, "arm,armv8-timer");
	char *fdt;

	fw_cells(&w, "interrupts", 1, 13, 8, 0, 1, 14, 8, 7, 1, 11, 8, 0, 1, 10, 8, 0, 1, 12, 8, 0);
	fdt = timer_end(&w);
	cells_are(fdt, "/timer", "interrupts", 1, 13, 8, 0, 1, 14, 8, 7);
	property_is(fdt, "/timer", "interrupt-names", "sec-phys\0phys", 14);
	free(fdt);
}

static void a_timer_of_armv7_is_reduced(void **state)
{
	struct fdt_world w = timer_begin(3, "arm,armv7-timer");
	char *fdt;

	fw_cells(&w, "interrupts", 1, 13, 8, 1, 14, 8);
	fdt = timer_end(&w);
	cells_are(fdt, "/timer", "interrupts", 1, 13, 8, 1, 14, 8);
	free(fdt);
}

static void a_timer_with_names_keeps_the_named_interrupt(void **state)
{
	struct fdt_world w = timer_begin(3, "arm,armv8-timer");
	char *fdt;

	fw_cells(&w, "interrupts", 1, 11, 4, 1, 14, 4, 1, 12, 4);
	fw_bytes(&w, "interrupt-names", "virt\0phys\0hyp-virt", 19);
	fdt = timer_end(&w);
	cells_are(fdt, "/timer", "interrupts", 1, 14, 4);
	string_is(fdt, "/timer", "interrupt-names", "phys");
	free(fdt);

	w = timer_begin(3, "arm,armv8-timer");
	fw_cells(&w, "interrupts", 1, 14, 4, 1, 11, 4, 1, 13, 4);
	fw_bytes(&w, "interrupt-names", "phys\0virt\0sec-phys", 19);
	fdt = timer_end(&w);
	cells_are(fdt, "/timer", "interrupts", 1, 13, 4, 1, 14, 4);
	property_is(fdt, "/timer", "interrupt-names", "sec-phys\0phys", 14);
	free(fdt);
}

static void a_timer_with_extended_interrupts_is_reduced(void **state)
{
	struct fdt_world w;
	char *fdt;

	fw_begin(&w, 2, 2);
	fw_root(&w);
	fw_gic(&w, 3);
	fw_node(&w, "other-intc");
	fw_cells(&w, "#interrupt-cells", 1);
	fw_cells(&w, "phandle", 0x77);
	fw_end(&w);
	fw_node(&w, "timer");
	fw_string(&w, "compatible", "arm,armv8-timer");
	fw_cells(&w, "interrupts-extended", 0x77, 29, FDT_GIC_PHANDLE, 1, 14, 4, 0x77, 27);
	fdt = timer_end(&w);
	cells_are(fdt, "/timer", "interrupts-extended", 0x77, 29, FDT_GIC_PHANDLE, 1, 14, 4);
	property_is(fdt, "/timer", "interrupt-names", "sec-phys\0phys", 14);
	assert_null(fdt_getprop(fdt, node_of(fdt, "/timer"), "interrupts", NULL));
	free(fdt);
}

static char *timer_end_by_uefi(struct fdt_world *w)
{
	struct host_fdt_params p = params();

	p.bootargs = NULL;
	fw_end(w);
	fw_finish(w);
	return edited(w, &p, NULL);
}

/* Where it may stay at EL2 after all. The third interrupt, which old kernels take for the virtual timer's, is none. */
static void by_uefi_a_kernel_at_el2_has_its_timer_too(void **state)
{
	struct fdt_world w = timer_begin(3, "arm,armv8-timer");
	char *fdt;

	fw_cells(&w, "interrupts", 1, 13, 8, 1, 14, 8, 1, 11, 8, 1, 10, 8);
	fdt = timer_end_by_uefi(&w);
	cells_are(fdt, "/timer", "interrupts-extended", FDT_GIC_PHANDLE, 1, 13, 8, FDT_GIC_PHANDLE,
		  1, 14, 8, 0, FDT_GIC_PHANDLE, 1, 10, 8);
	property_is(fdt, "/timer", "interrupt-names", "sec-phys\0phys\0none\0hyp-phys", 28);
	assert_null(fdt_getprop(fdt, node_of(fdt, "/timer"), "interrupts", NULL));
	free(fdt);

	w = timer_begin(3, "arm,armv8-timer");
	fw_cells(&w, "interrupts-extended", FDT_GIC_PHANDLE, 1, 13, 8, FDT_GIC_PHANDLE, 1, 14, 8,
		 FDT_GIC_PHANDLE, 1, 11, 8, FDT_GIC_PHANDLE, 1, 10, 8);
	fdt = timer_end_by_uefi(&w);
	cells_are(fdt, "/timer", "interrupts-extended", FDT_GIC_PHANDLE, 1, 13, 8, FDT_GIC_PHANDLE,
		  1, 14, 8, 0, FDT_GIC_PHANDLE, 1, 10, 8);
	free(fdt);

	/* without one it is as ever */
	w = timer_begin(3, "arm,armv8-timer");
	fw_cells(&w, "interrupts", 1, 13, 8, 1, 14, 8, 1, 11, 8);
	fdt = timer_end_by_uefi(&w);
	cells_are(fdt, "/timer", "interrupts", 1, 13, 8, 1, 14, 8);
	free(fdt);
}

static void an_interrupt_parent_with_an_old_phandle_is_found(void **state)
{
	struct fdt_world w;
	char *fdt;

	fw_begin(&w, 2, 2);
	fw_ok(fdt_finish_reservemap(w.fdt), "reservation block");
	fw_node(&w, "");
	fw_cells(&w, "interrupt-parent", 0x55);
	fw_node(&w, "intc");
	fw_cells(&w, "#interrupt-cells", 3);
	fw_cells(&w, "linux,phandle", 0x55);
	fw_end(&w);
	fw_node(&w, "timer");
	fw_string(&w, "compatible", "arm,armv8-timer");
	fw_cells(&w, "interrupts", 1, 13, 4, 1, 14, 4, 1, 11, 4);
	fdt = timer_end(&w);
	cells_are(fdt, "/timer", "interrupts", 1, 13, 4, 1, 14, 4);
	free(fdt);
}

static void the_nearest_interrupt_parent_counts(void **state)
{
	struct fdt_world w;
	char *fdt;

	fw_begin(&w, 2, 2);
	fw_root(&w);
	fw_node(&w, "soc");
	fw_cells(&w, "interrupt-parent", 0x77);
	fw_node(&w, "timer");
	fw_string(&w, "compatible", "arm,armv8-timer");
	fw_cells(&w, "interrupts", 29, 0, 30, 0, 27, 0);
	fw_end(&w);
	fw_end(&w);
	fw_node(&w, "other-intc");
	fw_cells(&w, "#interrupt-cells", 2);
	fw_cells(&w, "phandle", 0x77);
	fdt = timer_end(&w);
	cells_are(fdt, "/soc/timer", "interrupts", 29, 0, 30, 0);
	free(fdt);
}

static void there_may_be_any_number_of_timers(void **state)
{
	struct host_fdt_params p = params();
	struct host_fdt_report r;
	struct fdt_world w;
	char *fdt;

	for (unsigned int n = 0; n < 3; n++) {
		fw_begin(&w, 2, 2);
		fw_root(&w);
		fw_gic(&w, 3);
		for (unsigned int i = 0; i < n; i++) {
			fw_node(&w, i ? "timer1" : "timer0");
			fw_string(&w, "compatible", "arm,armv8-timer");
			fw_cells(&w, "interrupts", 1, 13, 4, 1, 14, 4, 1, 11, 4);
			fw_end(&w);
		}
		fw_finish(&w);
		fdt = edited(&w, &p, &r);
		assert_int_equal(r.timers_reduced, n);
		if (n == 2)
			cells_are(fdt, "/timer1", "interrupts", 1, 13, 4, 1, 14, 4);
		free(fdt);
	}
}

static void malformed_timers_are_refused(void **state)
{
	struct fdt_world w = timer_begin(3, "arm,armv8-timer");

	timer_fails(&w, "malformed"); /* no interrupts */
	w = timer_begin(3, "arm,armv8-timer");
	fw_cells(&w, "interrupts", 1, 13, 4, 1, 14);
	timer_fails(&w, "malformed");
	w = timer_begin(3, "arm,armv8-timer");
	fw_cells(&w, "interrupts", 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0);
	timer_fails(&w, "malformed"); /* six */
	w = timer_begin(5, "arm,armv8-timer");
	fw_cells(&w, "interrupts", 1, 13, 4, 1, 14);
	timer_fails(&w, "malformed");
	w = timer_begin(0, "arm,armv8-timer");
	fw_cells(&w, "interrupts", 1, 13, 4, 1, 14);
	timer_fails(&w, "malformed");
	w = timer_begin(3, "arm,armv8-timer");
	fw_cells(&w, "interrupt-parent", 0x1234); /* dangling */
	fw_cells(&w, "interrupts", 1, 13, 4, 1, 14, 4);
	timer_fails(&w, "malformed");
	w = timer_begin(3, "arm,armv8-timer");
	fw_cells(&w, "interrupts-extended", 0x1234, 1, 13, 4);
	timer_fails(&w, "malformed");
	w = timer_begin(3, "arm,armv8-timer");
	fw_bytes(&w, "interrupts", "\0\0\0\1\0\0", 6);
	timer_fails(&w, "malformed");
	w = timer_begin(3, "arm,armv8-timer");
	fw_bytes(&w, "interrupts-extended", "\0\0", 2);
	timer_fails(&w, "malformed");
	/* whole entries, and then not even a phandle */
	w = timer_begin(3, "arm,armv8-timer");
	fw_bytes(&w, "interrupts-extended", "\0\0\x80\x01\0\0\0\1\0\0\0\15\0\0\0\4\0\0", 18);
	timer_fails(&w, "malformed");
	/* no interrupt parent at all */
	fw_begin(&w, 2, 2);
	fw_ok(fdt_finish_reservemap(w.fdt), "reservation block");
	fw_node(&w, "");
	fw_node(&w, "timer");
	fw_string(&w, "compatible", "arm,armv8-timer");
	fw_cells(&w, "interrupts", 1, 13, 4, 1, 14, 4);
	timer_fails(&w, "malformed");

	w = timer_begin(3, "arm,armv8-timer");
	fw_cells(&w, "interrupts", 1, 13, 4);
	timer_fails(&w, "no EL1 physical timer");
	w = timer_begin(3, "arm,armv8-timer");
	fw_cells(&w, "interrupts", 1, 13, 4, 1, 14, 4);
	fw_bytes(&w, "interrupt-names", "virt\0hyp-phys", 14);
	timer_fails(&w, "no EL1 physical timer");
	w = timer_begin(3, "arm,armv8-timer");
	fw_cells(&w, "interrupts", 1, 13, 4);
	fw_bytes(&w, "interrupt-names", "virt\0phys", 10); /* a name too many */
	timer_fails(&w, "no EL1 physical timer");
}

/* --- CPUs --- */

static void an_edit_removes_cpus_with_a_spin_table(void **state)
{
	struct fdt_world w = cpus_begin(1, "arm,psci-1.0");
	struct host_fdt_params p = params();
	struct host_fdt_report r;
	char *fdt;

	fw_cpu(&w, 0, "spin-table");
	fw_cpu(&w, 1, "spin-table");
	fw_cpu(&w, 2, "psci");
	fw_cpu(&w, 3, "spin-table");
	fw_node(&w, "cpu-map");
	fw_end(&w);
	cpus_end(&w);
	p.boot_mpidr = 0x80000001;
	fdt = edited(&w, &p, &r);
	assert_int_equal(r.cpus_dropped, 2);
	assert_int_equal(fdt_path_offset(fdt, "/cpus/cpu@0"), -FDT_ERR_NOTFOUND);
	node_of(fdt, "/cpus/cpu@1");
	node_of(fdt, "/cpus/cpu@2");
	assert_int_equal(fdt_path_offset(fdt, "/cpus/cpu@3"), -FDT_ERR_NOTFOUND);
	assert_int_equal(fdt_path_offset(fdt, "/cpus/cpu-map"), -FDT_ERR_NOTFOUND);
	cpus_are(fdt, 1, (u64[]){ 1, 2 }, 2, 0);
	free(fdt);
}

static void an_edit_that_removes_no_cpu_keeps_the_topology(void **state)
{
	struct fdt_world w = cpus_begin(1, "arm,psci-1.0");
	struct host_fdt_params p = params();
	struct host_fdt_report r;
	char *fdt;

	fw_cpu(&w, 0, "psci");
	fw_cpu(&w, 1, "psci");
	fw_node(&w, "cpu-map");
	fw_end(&w);
	cpus_end(&w);
	fdt = edited(&w, &p, &r);
	assert_int_equal(r.cpus_dropped, 0);
	node_of(fdt, "/cpus/cpu-map");
	free(fdt);
}

/* --- the command line --- */

static void bootargs_are(const char *cmdline, const char *bootargs, const char *expected)
{
	char out[128];

	for (size_t size = 0; size < sizeof(out) - 1; size++) {
		int err;

		memset(out, '#', sizeof(out));
		err = host_bootargs(cmdline, cmdline ? strlen(cmdline) : 0, bootargs, out, size);
		if (out[size] != '#')
			fail_msg("wrote behind %zu bytes", size);
		if (size <= strlen(expected))
			assert_int_equal(err, -E2BIG);
		else if (err == 0)
			assert_string_equal(out, expected);
		/* while it is put together, the words that are left out need room too */
		else if (size > (cmdline ? strlen(cmdline) : 0) + strlen(bootargs) + 2)
			fail_msg("%zu bytes refused for \"%s\"", size, expected);
	}
}

static void the_hosts_command_line_has_no_words_of_keels(void **state)
{
	bootargs_are(NULL, "", "");
	bootargs_are("", "a b", "a b");
	bootargs_are("quiet", "", "quiet");
	bootargs_are("quiet", "keel.va_bits=48", "quiet");
	bootargs_are("keel.va_bits=48", "loud", "loud");
	bootargs_are(" console=ttyAMA0  quiet ", "keel.e2h=0 loud", "console=ttyAMA0 quiet loud");
}

/* --- host_fdt_redists() --- */

/* A GICv3 below a bus at 0x1000000000, with as many regions as @regions says. */
static struct fdt_world gic_on_a_bus(const char *status, u32 regions)
{
	struct fdt_world w;

	fw_begin(&w, 2, 2);
	fw_root(&w);
	fw_node(&w, "bus");
	fw_cells(&w, "#address-cells", 1);
	fw_cells(&w, "#size-cells", 1);
	fw_cells(&w, "ranges", 0, 0x10, 0, 0x10000000);
	fw_node(&w, "gic");
	fw_string(&w, "compatible", "arm,gic-v3");
	if (status)
		fw_string(&w, "status", status);
	fw_cells(&w, "#redistributor-regions", regions);
	fw_cells(&w, "redistributor-stride", 0, 0x40000);
	fw_cells(&w, "reg", 0x1000, 0x10000, 0x20000, 0x80000, 0x200000, 0x40000);
	fw_end(&w);
	fw_end(&w);
	fw_finish(&w);
	return w;
}

static void redistributors_are_read(void **state)
{
	struct fdt_world w = fw_virt("a", true);
	struct fdt_redists r;

	assert_int_equal(host_fdt_redists(w.fdt, &r), 0);
	assert_int_equal(r.count, 1);
	assert_int_equal(r.region[0].base, 0x80a0000);
	assert_int_equal(r.region[0].end, 0x80a0000 + 0xf60000);
	assert_int_equal(r.stride, 0);
	free(w.fdt);
	w = gic_on_a_bus(NULL, 2);
	assert_int_equal(host_fdt_redists(w.fdt, &r), 0);
	assert_int_equal(r.count, 2);
	assert_int_equal(r.region[1].base, 0x1000200000);
	assert_int_equal(r.region[1].end, 0x1000240000);
	assert_int_equal(r.stride, 0x40000);
	free(w.fdt);
}

static void redistributors_that_cannot_be_used_are_refused(void **state)
{
	static const u32 bad[] = { 3, FDT_REDIST_REGIONS + 1, ~0U };
	struct fdt_world w = gic_on_a_bus("disabled", 1);
	struct fdt_redists r;

	assert_int_equal(host_fdt_redists(w.fdt, &r), -ENOENT);
	free(w.fdt);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		w = gic_on_a_bus("okay", bad[i]);
		assert_int_equal(host_fdt_redists(w.fdt, &r), -EINVAL);
		free(w.fdt);
	}
}

/* --- host_fdt_gicv2() --- */

/* With as many ranges of registers as @ranges, GICD, GICC, GICH, GICV, of which @which has @base. */
static int read_gicv2(const char *compatible, unsigned int ranges, unsigned int which, u64 base,
		      struct fdt_gicv2 *v2)
{
	u64 reg[9] = { 0x8000000, 0x10000,   0x8010000, 0x10000, 0x8030000,
		       0x2000,	  0x8040000, 0x2000,	FW_END };
	struct fdt_world w;
	int ret;

	if (which < 4)
		reg[which * 2] = base;
	reg[ranges * 2] = FW_END;
	fw_begin(&w, 2, 2);
	fw_root(&w);
	fw_node(&w, "intc");
	fw_string(&w, "compatible", compatible);
	fw_reg_(&w, "reg", 2, 2, reg);
	fw_end(&w);
	fw_finish(&w);
	ret = host_fdt_gicv2(w.fdt, v2);
	free(w.fdt);
	return ret;
}

static void a_gicv2_is_read(void **state)
{
	static const char *const names[] = { "arm,gic-400", "arm,cortex-a15-gic",
					     "arm,cortex-a7-gic" };
	struct fdt_gicv2 v2;

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(read_gicv2(names[i], 4, 4, 0, &v2), 0);
		assert_int_equal(v2.gicd.base, 0x8000000);
		assert_int_equal(v2.gicd.end, 0x8010000);
		assert_int_equal(v2.gich.base, 0x8030000);
		assert_int_equal(v2.gich.end, 0x8032000);
		assert_int_equal(v2.gicv.base, 0x8040000);
		assert_int_equal(v2.gicv.end, 0x8042000);
	}
}

static void a_gicv2_that_is_not_for_vms_is_none(void **state)
{
	struct fdt_gicv2 v2;

	assert_int_equal(read_gicv2("arm,cortex-a15-gic", 2, 4, 0, &v2), -ENOENT);
	assert_int_equal(read_gicv2("arm,cortex-a9-gic", 4, 4, 0, &v2), -ENOENT);
	assert_int_equal(read_gicv2("arm,gic-v3", 4, 4, 0, &v2), -ENOENT);
	for (unsigned int which = 0; which < 4; which++) {
		bool used = which != 1; /* GICC is the host's */

		assert_int_equal(read_gicv2("arm,gic-400", 4, which, 0x8050800, &v2),
				 used ? -EINVAL : 0);
		assert_int_equal(read_gicv2("arm,gic-400", 4, which, MEMMAP_PA_LIMIT, &v2),
				 used ? -EINVAL : 0);
	}
}

static void its_node(struct fdt_world *w, u64 base, const char *status, bool noncoherent)
{
	fw_node(w, "msi-controller");
	fw_string(w, "compatible", "arm,gic-v3-its");
	if (status)
		fw_string(w, "status", status);
	if (noncoherent)
		fw_bytes(w, "dma-noncoherent", NULL, 0);
	fw_reg_(w, "reg", 1, 1, (const u64[]){ base, 0x20000, FW_END });
	fw_end(w);
}

static int read_itses(struct fdt_itses *itses, u64 base, unsigned int count)
{
	struct fdt_world w;
	int ret;

	fw_begin(&w, 2, 2);
	fw_root(&w);
	fw_node(&w, "intc@8000000");
	fw_string(&w, "compatible", "arm,gic-v3");
	fw_cells(&w, "#address-cells", 1);
	fw_cells(&w, "#size-cells", 1);
	fw_cells(&w, "ranges", 0, 0x10, 0, 0x40000000);
	for (unsigned int i = 0; i < count; i++)
		its_node(&w, base + i * 0x20000, i % 2 ? "disabled" : NULL, i % 3 == 0);
	fw_end(&w);
	fw_finish(&w);
	ret = host_fdt_itses(w.fdt, itses);
	fw_free(&w);
	return ret;
}

static void the_machine_is_known_by_its_compatible_strings(void **state)
{
	struct fdt_world w;

	fw_begin(&w, 2, 2);
	fw_root(&w);
	fw_bytes(&w, "compatible", "maker,board\0maker,chip", 23);
	fw_node(&w, "intc@8000000");
	fw_string(&w, "compatible", "arm,gic-v3");
	fw_end(&w);
	fw_finish(&w);
	assert_true(host_fdt_is_machine(w.fdt, "maker,board"));
	assert_true(host_fdt_is_machine(w.fdt, "maker,chip"));
	assert_false(host_fdt_is_machine(w.fdt, "maker"));
	assert_false(host_fdt_is_machine(w.fdt, "arm,gic-v3"));
	fw_free(&w);
}

/* Disabled ITSs are listed too: their registers exist all the same. */
static void disabled_itss_are_listed_too(void **state)
{
	struct fdt_itses itses;

	assert_int_equal(read_itses(&itses, 0x8080000, 0), 0);
	assert_int_equal(itses.count, 0);
	assert_int_equal(read_itses(&itses, 0x8080000, FDT_ITS_MAX), 0);
	assert_int_equal(itses.count, FDT_ITS_MAX);
	for (unsigned int i = 0; i < FDT_ITS_MAX; i++) {
		assert_int_equal(itses.its[i].base, 0x1008080000 + i * 0x20000ULL);
		assert_int_equal(itses.its[i].available, i % 2 == 0);
		assert_int_equal(itses.its[i].coherent, i % 3 != 0);
	}
	assert_int_equal(read_itses(&itses, 0x8080000, FDT_ITS_MAX + 1), -ENOSPC);
	assert_int_equal(read_itses(&itses, 0x8081000, 1), -EINVAL);
	assert_int_equal(read_itses(&itses, 0x48080000, 1), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disabled_itss_are_listed_too),
		cmocka_unit_test(the_machine_is_known_by_its_compatible_strings),
		cmocka_unit_test(redistributors_are_read),
		cmocka_unit_test(redistributors_that_cannot_be_used_are_refused),
		cmocka_unit_test(a_gicv2_is_read),
		cmocka_unit_test(a_gicv2_that_is_not_for_vms_is_none),
		cmocka_unit_test(a_sound_tree_is_accepted_and_no_other),
		cmocka_unit_test(the_check_finds_damage_in_the_structure),
		cmocka_unit_test(the_check_limits_the_depth),
		cmocka_unit_test(bootargs_are_read_or_empty),
		cmocka_unit_test(the_initrd_is_found),
		cmocka_unit_test(an_initrd_that_is_no_range_is_refused),
		cmocka_unit_test(the_console_of_qemus_machine_is_found),
		cmocka_unit_test(a_console_behind_malformed_ranges_is_not_misplaced),
		cmocka_unit_test(a_tree_without_a_console_has_none),
		cmocka_unit_test(the_console_is_named_by_path_or_alias),
		cmocka_unit_test(a_console_without_a_physical_address_is_none),
		cmocka_unit_test(the_conduit_of_psci_is_read),
		cmocka_unit_test(the_node_of_psci_may_be_anywhere),
		cmocka_unit_test(the_boot_cpu_is_listed_first),
		cmocka_unit_test(cpus_may_have_addresses_of_two_cells),
		cmocka_unit_test(cpus_that_cannot_be_started_are_left_out),
		cmocka_unit_test(cpus_beyond_the_limit_are_left_out),
		cmocka_unit_test(malformed_cpu_nodes_are_refused),
		cmocka_unit_test(the_tree_of_qemus_machine_is_edited_for_the_host),
		cmocka_unit_test(the_edited_tree_is_read_back),
		cmocka_unit_test(an_edit_makes_nodes_that_are_missing),
		cmocka_unit_test(an_edit_keeps_reserved_memory),
		cmocka_unit_test(an_edit_without_ranges_of_keels_reserves_nothing),
		cmocka_unit_test(a_range_that_is_given_twice_is_an_error),
		cmocka_unit_test(an_edit_drops_reservations_of_released_memory),
		cmocka_unit_test(an_edit_without_room_fails_and_stays_within_its_buffer),
		cmocka_unit_test(a_timer_with_interrupts_of_four_cells_is_reduced),
		cmocka_unit_test(a_timer_of_armv7_is_reduced),
		cmocka_unit_test(a_timer_with_names_keeps_the_named_interrupt),
		cmocka_unit_test(a_timer_with_extended_interrupts_is_reduced),
		cmocka_unit_test(by_uefi_a_kernel_at_el2_has_its_timer_too),
		cmocka_unit_test(an_interrupt_parent_with_an_old_phandle_is_found),
		cmocka_unit_test(the_nearest_interrupt_parent_counts),
		cmocka_unit_test(there_may_be_any_number_of_timers),
		cmocka_unit_test(malformed_timers_are_refused),
		cmocka_unit_test(an_edit_removes_cpus_with_a_spin_table),
		cmocka_unit_test(an_edit_that_removes_no_cpu_keeps_the_topology),
		cmocka_unit_test(the_hosts_command_line_has_no_words_of_keels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
