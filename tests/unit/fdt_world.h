/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds device trees in memory: a board like QEMU's virt with as many variations as tests need.
 * Needs -lfdt and its sequential-write functions, which Keel itself does not have.
 */
#ifndef KEEL_TESTS_UNIT_FDT_WORLD_H
#define KEEL_TESTS_UNIT_FDT_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libfdt.h>

#include <lib/types.h>

#define FDT_WORLD_SIZE	65536
#define FDT_GIC_PHANDLE 0x8001

/* A tree that is being written; a mistake of the test stops it. */
struct fdt_world {
	char *fdt;
	unsigned int addr_cells, size_cells; /* of the root */
};

static inline void fw_ok(int err, const char *what)
{
	if (err < 0) {
		fprintf(stderr, "device tree for the test: %s: %s\n", what, fdt_strerror(err));
		abort();
	}
}

static inline void fw_begin(struct fdt_world *w, unsigned int addr_cells, unsigned int size_cells)
{
	*w = (struct fdt_world){ calloc(1, FDT_WORLD_SIZE), addr_cells, size_cells };
	fw_ok(fdt_create(w->fdt, FDT_WORLD_SIZE), "create");
}

static inline void fw_node(struct fdt_world *w, const char *name)
{
	fw_ok(fdt_begin_node(w->fdt, name), name);
}

static inline void fw_end(struct fdt_world *w)
{
	fw_ok(fdt_end_node(w->fdt), "end of node");
}

static inline void fw_bytes(struct fdt_world *w, const char *name, const void *data, size_t size)
{
	fw_ok(fdt_property(w->fdt, name, data ? data : "", (int)size), name);
}

static inline void fw_string(struct fdt_world *w, const char *name, const char *value)
{
	fw_bytes(w, name, value, strlen(value) + 1);
}

/* Cells, ended by FW_END. */
#define FW_END 0xdeadbeefcafeULL
static inline void fw_cells_(struct fdt_world *w, const char *name, const u64 *values)
{
	fdt32_t cells[64];
	size_t n = 0;

	for (; values[n] != FW_END; n++)
		cells[n] = cpu_to_fdt32((u32)values[n]);
	fw_bytes(w, name, cells, n * sizeof(fdt32_t));
}

#define fw_cells(w, name, ...) \
	fw_cells_(w, name, (const u64[]){ __VA_ARGS__ __VA_OPT__(, ) FW_END })

/* (address, size) pairs in the given cells, ended by FW_END. */
static inline void fw_reg_(struct fdt_world *w, const char *name, unsigned int addr_cells,
			   unsigned int size_cells, const u64 *values)
{
	u64 cells[64];
	size_t n = 0;

	for (unsigned int i = 0; values[i] != FW_END; i++) {
		if ((i % 2 ? size_cells : addr_cells) == 2)
			cells[n++] = values[i] >> 32;
		if ((i % 2 ? size_cells : addr_cells) >= 1)
			cells[n++] = values[i] & 0xffffffff;
	}
	cells[n] = FW_END;
	fw_cells_(w, name, cells);
}

/* In the root's cells. */
#define fw_reg(w, name, ...) \
	fw_reg_(w, name, (w)->addr_cells, (w)->size_cells, (const u64[]){ __VA_ARGS__, FW_END })

static inline void fw_reserve(struct fdt_world *w, u64 base, u64 size)
{
	fw_ok(fdt_add_reservemap_entry(w->fdt, base, size), "memory reservation");
}

/* Ends the reservation block and begins the root. */
static inline void fw_root(struct fdt_world *w)
{
	fw_ok(fdt_finish_reservemap(w->fdt), "reservation block");
	fw_node(w, "");
	fw_cells(w, "#address-cells", w->addr_cells);
	fw_cells(w, "#size-cells", w->size_cells);
	fw_cells(w, "interrupt-parent", FDT_GIC_PHANDLE);
}

/* Ends the root and the tree, in a block of its exact size so that reads beyond it are caught. */
static inline void fw_finish(struct fdt_world *w)
{
	char *exact;
	size_t size;

	fw_end(w);
	fw_ok(fdt_finish(w->fdt), "finish");
	size = fdt_totalsize(w->fdt);
	exact = malloc(size);
	memcpy(exact, w->fdt, size);
	free(w->fdt);
	w->fdt = exact;
}

static inline void fw_free(struct fdt_world *w)
{
	free(w->fdt);
	w->fdt = NULL;
}

static inline void fw_memory(struct fdt_world *w, u64 base, u64 size)
{
	char name[32];

	snprintf(name, sizeof(name), "memory@%llx", (unsigned long long)base);
	fw_node(w, name);
	fw_string(w, "device_type", "memory");
	fw_reg(w, "reg", base, size);
	fw_end(w);
}

static inline void fw_gic(struct fdt_world *w, unsigned int interrupt_cells)
{
	fw_node(w, "intc@8000000");
	fw_string(w, "compatible", "arm,gic-v3");
	fw_bytes(w, "interrupt-controller", NULL, 0);
	fw_cells(w, "#interrupt-cells", interrupt_cells);
	fw_cells(w, "phandle", FDT_GIC_PHANDLE);
	fw_reg(w, "reg", 0x8000000, 0x10000, 0x80a0000, 0xf60000);
	fw_end(w);
}

/* /cpus must be open, with one address cell. */
static inline void fw_cpu(struct fdt_world *w, u32 mpidr, const char *method)
{
	char name[32];

	snprintf(name, sizeof(name), "cpu@%x", mpidr);
	fw_node(w, name);
	fw_string(w, "device_type", "cpu");
	fw_string(w, "compatible", "arm,cortex-a57");
	fw_cells(w, "reg", mpidr);
	if (method)
		fw_string(w, "enable-method", method);
	fw_end(w);
}

static inline void fw_cpus(struct fdt_world *w, unsigned int addr_cells)
{
	fw_node(w, "cpus");
	fw_cells(w, "#address-cells", addr_cells);
	fw_cells(w, "#size-cells", 0);
}

static inline void fw_psci(struct fdt_world *w, const char *compatible, const char *method)
{
	fw_node(w, "psci");
	fw_string(w, "compatible", compatible);
	fw_string(w, "method", method);
	fw_end(w);
}

static inline void fw_uart(struct fdt_world *w)
{
	fw_node(w, "pl011@9000000");
	fw_bytes(w, "compatible", "arm,pl011\0arm,primecell", 24);
	fw_reg(w, "reg", 0x9000000, 0x1000);
	fw_end(w);
}

/* QEMU's virt with two CPUs and 1 GiB; @bootargs and @initrd may be left out. */
static inline struct fdt_world fw_virt(const char *bootargs, bool initrd)
{
	struct fdt_world w;

	fw_begin(&w, 2, 2);
	fw_root(&w);
	fw_psci(&w, "arm,psci-1.0", "smc");
	fw_memory(&w, 0x40000000, 0x40000000);
	fw_gic(&w, 3);
	fw_cpus(&w, 1);
	fw_cpu(&w, 0, "psci");
	fw_cpu(&w, 1, "psci");
	fw_end(&w);
	fw_node(&w, "timer");
	fw_bytes(&w, "compatible", "arm,armv8-timer\0arm,armv7-timer", 32);
	fw_cells(&w, "interrupts", 1, 13, 0x104, 1, 14, 0x104, 1, 11, 0x104, 1, 10, 0x104);
	fw_end(&w);
	fw_uart(&w);
	fw_node(&w, "aliases");
	fw_string(&w, "serial0", "/pl011@9000000");
	fw_end(&w);
	fw_node(&w, "chosen");
	fw_string(&w, "stdout-path", "/pl011@9000000");
	fw_cells(&w, "kaslr-seed", 1, 2);
	if (bootargs)
		fw_string(&w, "bootargs", bootargs);
	if (initrd) {
		fw_cells(&w, "linux,initrd-start", 0x48000000);
		fw_cells(&w, "linux,initrd-end", 0, 0x4c000000);
	}
	fw_end(&w);
	fw_finish(&w);
	return w;
}

#endif
