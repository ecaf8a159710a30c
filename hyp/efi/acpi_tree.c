// SPDX-License-Identifier: BSD-2-Clause
/*
 * The machine that ACPI describes, as the device tree that Keel's boot reads: acpi.h. The boot has
 * one source for what it knows of the machine, whichever firmware it is.
 */
#include <libfdt.h>

#include <efi/acpi.h>
#include <lib/errno.h>
#include <lib/printf.h>
#include <lib/string.h>

/* Errors of libfdt stay with the writer: the first one counts. */
struct tree_writer {
	void *fdt;
	int err;
};

static void tree_did(struct tree_writer *w, int err)
{
	if (!w->err)
		w->err = err;
}

static void tree_node(struct tree_writer *w, const char *name, u64 unit)
{
	char text[40];

	kl_snprintf(text, sizeof(text), unit ? "%s@%llx" : "%s", name, (unsigned long long)unit);
	tree_did(w, fdt_begin_node(w->fdt, text));
}

static void tree_end(struct tree_writer *w)
{
	tree_did(w, fdt_end_node(w->fdt));
}

static void tree_string(struct tree_writer *w, const char *name, const char *value)
{
	tree_did(w, fdt_property(w->fdt, name, value, (int)strlen(value) + 1));
}

static void tree_u32(struct tree_writer *w, const char *name, u32 value)
{
	tree_did(w, fdt_property_u32(w->fdt, name, value));
}

static void tree_cells(struct tree_writer *w, u32 addr, u32 size)
{
	tree_u32(w, "#address-cells", addr);
	tree_u32(w, "#size-cells", size);
}

static void put_range(fdt64_t *reg, const struct mem_range *range)
{
	fdt64_st(reg, range->base);
	fdt64_st(reg + 1, range->end - range->base);
}

/* @more: @count ranges behind the first one */
static void tree_regs(struct tree_writer *w, const struct mem_range *first,
		      const struct mem_range *more, unsigned int count)
{
	const u64 size = 2 * (1 + (u64)count) * sizeof(fdt64_t);
	void *reg;

	tree_did(w, fdt_property_placeholder(w->fdt, "reg", (int)size, &reg));
	if (w->err)
		return;
	put_range(reg, first);
	for (unsigned int i = 0; i < count; i++)
		put_range((fdt64_t *)reg + 2 * (1 + (u64)i), &more[i]);
}

static void tree_reg(struct tree_writer *w, const struct mem_range *range)
{
	tree_regs(w, range, NULL, 0);
}

static void write_console(struct tree_writer *w, const struct acpi_machine *m)
{
	const struct mem_range at = { m->console.base, m->console.base + m->console.size };
	char path[40];

	if (!m->has_console)
		return;
	kl_snprintf(path, sizeof(path), "/serial@%llx", (unsigned long long)at.base);
	tree_node(w, "chosen", 0);
	tree_string(w, "stdout-path", path);
	tree_end(w);
	tree_node(w, "serial", at.base);
	tree_string(w, "compatible",
		    m->console.uart == FDT_UART_PL011 ? "arm,pl011" : "arm,sbsa-uart");
	tree_reg(w, &at);
	tree_end(w);
}

static void write_cpus(struct tree_writer *w, const struct acpi_machine *m)
{
	tree_node(w, "cpus", 0);
	tree_cells(w, 2, 0);
	for (unsigned int i = 0; i < m->cpus; i++) {
		tree_node(w, "cpu", m->mpidr[i]);
		tree_string(w, "device_type", "cpu");
		tree_string(w, "enable-method", "psci");
		tree_did(w, fdt_property_u64(w->fdt, "reg", m->mpidr[i]));
		tree_end(w);
	}
	tree_end(w);
	tree_node(w, "psci", 0);
	tree_string(w, "compatible", "arm,psci-1.0");
	tree_string(w, "method", "smc");
	tree_end(w);
}

static void write_its(struct tree_writer *w, const struct fdt_its *its)
{
	const struct mem_range at = { its->base, its->base + SZ_128K };

	tree_node(w, "msi-controller", its->base);
	tree_string(w, "compatible", "arm,gic-v3-its");
	tree_reg(w, &at);
	if (!its->coherent)
		tree_did(w, fdt_property(w->fdt, "dma-noncoherent", NULL, 0));
	tree_end(w);
}

/*
 * Nobody says how large the parts of a GICv2 are: two pages, as the GIC-400's, of which GICH's second one
 * has the registers of all CPUs; or what is left before the next part.
 */
static struct mem_range part_of_gicv2(const struct acpi_machine *m, u64 base)
{
	const u64 others[] = { m->gicd, m->gicc, m->gich, m->gicv };
	struct mem_range part = { base, base + 2 * SZ_4K };

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (others[i] > base && others[i] < part.end)
			part.end = others[i];
	return part;
}

/* Without GICH and GICV there is nothing that Keel needs to know. */
static void write_gicv2(struct tree_writer *w, const struct acpi_machine *m)
{
	const struct mem_range gicd = part_of_gicv2(m, m->gicd);
	const struct mem_range others[] = { part_of_gicv2(m, m->gicc), part_of_gicv2(m, m->gich),
					    part_of_gicv2(m, m->gicv) };

	if (!m->gich || !m->gicv)
		return;
	tree_node(w, "interrupt-controller", m->gicd);
	tree_string(w, "compatible", "arm,gic-400");
	tree_regs(w, &gicd, others, ARRAY_SIZE(others));
	tree_end(w);
}

static void write_gic(struct tree_writer *w, const struct acpi_machine *m)
{
	const struct mem_range gicd = { m->gicd, m->gicd + SZ_64K };

	if (!m->gicv3) {
		write_gicv2(w, m);
		return;
	}
	tree_node(w, "interrupt-controller", m->gicd);
	tree_string(w, "compatible", "arm,gic-v3");
	tree_u32(w, "#redistributor-regions", m->redists.count);
	tree_regs(w, &gicd, m->redists.region, m->redists.count);
	tree_end(w);
	for (unsigned int i = 0; i < m->itses.count; i++)
		write_its(w, &m->itses.its[i]);
}

/* A tree written by acpi_make_tree() says so to whoever looks at it. */
int acpi_make_tree(const struct acpi_machine *m, void *to, size_t size)
{
	struct tree_writer w = { .fdt = to };

	tree_did(&w, fdt_create(to, (int)size));
	tree_did(&w, fdt_finish_reservemap(to));
	tree_node(&w, "", 0);
	tree_string(&w, "compatible", "keel,acpi");
	tree_cells(&w, 2, 2);
	write_console(&w, m);
	write_gic(&w,
		  m); /* before the CPUs: who reads many redistributors looks for it each time */
	write_cpus(&w, m);
	tree_end(&w);
	tree_did(&w, fdt_finish(to));
	return w.err ? -ENOSPC : 0;
}
