// SPDX-License-Identifier: BSD-2-Clause
/* Reads firmware's device tree; host_fdt_edit.c edits the copy for the host. */
#include <libfdt.h>

#include <host/fdt_read.h>
#include <host/host_fdt.h>
#include <lib/errno.h>
#include <lib/options.h>
#include <lib/psci_abi.h>
#include <lib/string.h>

/* The least that a GICv2 has of its virtual interface */
#define GICH_SIZE SZ_4K
#define GICV_SIZE (2 * SZ_4K)

static int host_fdt_fail(const char **why, const char *line, int err)
{
	*why = line;
	return err;
}

/* Visits every node once, so that later searches do not mistake damage for "not found". */
static bool structure_is_sound(const void *fdt)
{
	int depth = 0, node = 0, end;

	while (node >= 0 && depth >= 0) {
		if (depth > FDT_MAX_DEPTH)
			return false;
		node = fdt_next_node(fdt, node, &depth);
	}
	/* the tree must end behind the root */
	return node >= 0 && fdt_next_tag(fdt, node, &end) == FDT_END && end >= 0;
}

/* libfdt does not check the blocks' alignment (Devicetree Specification v0.4, 5.2). */
static bool header_is_sound(const void *fdt)
{
	return fdt_check_header(fdt) == 0 && fdt_version(fdt) >= 17 &&
	       fdt_last_comp_version(fdt) <= 17 && IS_ALIGNED(fdt_off_mem_rsvmap(fdt), 8) &&
	       IS_ALIGNED(fdt_off_dt_struct(fdt), 4);
}

int host_fdt_check(const void *fdt, size_t max_size, const char **why)
{
	if (!fdt)
		return host_fdt_fail(why, "device tree: none was passed", -EINVAL);
	if (!IS_ALIGNED((uintptr_t)fdt, 8))
		return host_fdt_fail(why, "device tree: its address is not 8-byte aligned",
				     -EINVAL);
	if (max_size < sizeof(struct fdt_header) || fdt_magic(fdt) != FDT_MAGIC)
		return host_fdt_fail(why, "device tree: none there (bad magic number)", -EINVAL);
	if (fdt_totalsize(fdt) > max_size)
		return host_fdt_fail(why, "device tree: too large", -EINVAL);
	if (!header_is_sound(fdt))
		return host_fdt_fail(why, "device tree: damaged header, or an unknown version",
				     -EINVAL);
	/* fdt_open_into() does not check that the block ends */
	if (fdt_num_mem_rsv(fdt) < 0)
		return host_fdt_fail(why, "device tree: damaged memory reservation block", -EINVAL);
	if (!structure_is_sound(fdt))
		return host_fdt_fail(why, "device tree: damaged", -EINVAL);
	return 0;
}

const char *host_fdt_bootargs(const void *fdt)
{
	int chosen = fdt_path_offset(fdt, "/chosen");
	const char *args = chosen >= 0 ? fdt_read_string(fdt, chosen, "bootargs") : NULL;

	return args ? args : "";
}

int host_fdt_initrd(const void *fdt, struct mem_range *out, const char **why)
{
	int chosen = fdt_path_offset(fdt, "/chosen");
	struct mem_range r;
	int begin, end;

	if (chosen < 0)
		return host_fdt_fail(why, "bundle: none there: no initrd was passed", -ENOENT);
	begin = fdt_read_u64(fdt, chosen, "linux,initrd-start", &r.base);
	end = fdt_read_u64(fdt, chosen, "linux,initrd-end", &r.end);
	if (begin == -ENOENT || end == -ENOENT)
		return host_fdt_fail(why, "bundle: none there: no initrd was passed", -ENOENT);
	if (begin || end || r.base >= r.end || r.end > MEMMAP_PA_LIMIT)
		return host_fdt_fail(why, "device tree: /chosen's initrd is no address range",
				     -EINVAL);
	*out = r;
	return 0;
}

/*
 * The node that stdout-path names. The UART's settings behind a colon are ignored, since firmware
 * has set it up. libfdt resolves aliases.
 */
static int stdout_node(const void *fdt)
{
	int chosen = fdt_path_offset(fdt, "/chosen");
	const char *path, *colon;

	if (chosen < 0)
		return -ENOENT;
	path = fdt_read_string(fdt, chosen, "stdout-path");
	if (!path)
		path = fdt_read_string(fdt, chosen, "linux,stdout-path");
	if (!path || !*path)
		return -ENOENT;
	colon = strchr(path, ':');
	return fdt_path_offset_namelen(fdt, path,
				       (int)(colon ? (size_t)(colon - path) : strlen(path)));
}

/* Translate *@addr to an address of the parent bus, by the bus's `ranges`. */
static int cross_ranges(const void *fdt, int bus, struct fdt_cells child, struct fdt_cells parent,
			u64 *addr)
{
	size_t step = (child.addr + parent.addr + child.size) * sizeof(fdt32_t);
	int len;
	const u8 *p = fdt_getprop(fdt, bus, "ranges", &len);

	if (!p || len < 0 || (size_t)len % step)
		return -ENODEV;
	if (len == 0)
		return 0;
	for (const u8 *end = p + len; p < end; p += step) {
		u64 from = fdt_read_number(p, child.addr);
		u64 to = fdt_read_number(p + child.addr * sizeof(fdt32_t), parent.addr);
		u64 size = fdt_read_number(p + (child.addr + parent.addr) * sizeof(fdt32_t),
					   child.size);

		if (*addr >= from && *addr - from < size) {
			*addr = to + (*addr - from);
			return 0;
		}
	}
	return -ENODEV;
}

/* Start a walk and go to @node, so that the walk knows its ancestors. */
static bool walk_to(struct fdt_walk *walk, const void *fdt, int node)
{
	fdt_walk_begin(walk, fdt);
	while (fdt_walk_node(walk) != node) {
		if (!fdt_walk_next(walk))
			return false;
	}
	return true;
}

/* The physical address and size of a node's @index-th registers, through all buses above it. */
static int read_registers(const void *fdt, int node, unsigned int index, u64 *addr, u64 *size)
{
	struct fdt_cells cells, up;
	struct fdt_walk walk;

	if (!walk_to(&walk, fdt, node) || walk.depth == 0 ||
	    fdt_read_cells(fdt, walk.node[walk.depth - 1], &cells) ||
	    fdt_read_reg(fdt, cells, node, "reg", index, addr, size))
		return -ENODEV;
	for (int bus = walk.depth - 1; bus > 0; bus--) {
		if (fdt_read_cells(fdt, walk.node[bus - 1], &up) ||
		    cross_ranges(fdt, walk.node[bus], cells, up, addr))
			return -ENODEV;
		cells = up;
	}
	return 0;
}

int host_fdt_console(const void *fdt, struct fdt_console *out)
{
	int node = stdout_node(fdt);
	struct fdt_console c;

	if (node < 0)
		return -ENOENT;
	if (fdt_has_string(fdt, node, "compatible", "arm,pl011"))
		c.uart = FDT_UART_PL011;
	else if (fdt_has_string(fdt, node, "compatible", "arm,sbsa-uart"))
		c.uart = FDT_UART_SBSA;
	else
		return -ENODEV;
	if (read_registers(fdt, node, 0, &c.base, &c.size) || c.base >= MEMMAP_PA_LIMIT || !c.size)
		return -ENODEV;
	*out = c;
	return 0;
}

/* The first available node that is @compatible. */
static int find_compatible(const void *fdt, const char *compatible)
{
	struct fdt_walk walk;

	for (fdt_walk_begin(&walk, fdt); fdt_walk_next(&walk);) {
		int node = fdt_walk_node(&walk);

		if (fdt_has_string(fdt, node, "compatible", compatible) &&
		    fdt_is_available(fdt, node))
			return node;
	}
	return -ENOENT;
}

static int read_redists(const void *fdt, int gic, u64 count, struct fdt_redists *out)
{
	u64 base, size;

	if (count > FDT_REDIST_REGIONS)
		return -EINVAL;
	for (out->count = 0; out->count < count; out->count++) {
		/* the distributor's registers come first */
		if (read_registers(fdt, gic, out->count + 1, &base, &size) ||
		    base >= MEMMAP_PA_LIMIT || size > MEMMAP_PA_LIMIT - base)
			return -EINVAL;
		out->region[out->count] = (struct mem_range){ base, base + size };
	}
	return 0;
}

int host_fdt_redists(const void *fdt, struct fdt_redists *out)
{
	int ret, gic = find_compatible(fdt, "arm,gic-v3");
	u64 count = 1;

	if (gic < 0)
		return -ENOENT;
	out->stride = 0;
	ret = fdt_read_u64(fdt, gic, "redistributor-stride", &out->stride);
	if (!ret || ret == -ENOENT)
		ret = fdt_read_u64(fdt, gic, "#redistributor-regions", &count);
	if (ret && ret != -ENOENT)
		return -EINVAL;
	return read_redists(fdt, gic, count, out);
}

/* In the order of the binding; the third, between these, is the physical CPU interface. */
enum gicv2_regs { GICV2_GICD = 0, GICV2_GICH = 2, GICV2_GICV = 3 };

static int read_gicv2_range(const void *fdt, int gic, enum gicv2_regs index, u64 least,
			    struct mem_range *out)
{
	u64 base, size;

	if (read_registers(fdt, gic, (unsigned int)index, &base, &size) ||
	    base >= MEMMAP_PA_LIMIT || size > MEMMAP_PA_LIMIT - base || size < least ||
	    !IS_ALIGNED(base, SZ_4K))
		return -EINVAL;
	*out = (struct mem_range){ base, base + size };
	return 0;
}

static int find_gicv2(const void *fdt)
{
	static const char *const names[] = { "arm,gic-400", "arm,cortex-a15-gic",
					     "arm,cortex-a7-gic" };
	int gic = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(names) && gic < 0; i++)
		gic = find_compatible(fdt, names[i]);
	return gic;
}

int host_fdt_gicv2(const void *fdt, struct fdt_gicv2 *out)
{
	int gic = find_gicv2(fdt);
	u64 base, size;
	int ret;

	if (gic < 0 || read_registers(fdt, gic, GICV2_GICV, &base, &size))
		return -ENOENT;
	ret = read_gicv2_range(fdt, gic, GICV2_GICD, SZ_4K, &out->gicd);
	if (!ret)
		ret = read_gicv2_range(fdt, gic, GICV2_GICH, GICH_SIZE, &out->gich);
	return ret ? ret : read_gicv2_range(fdt, gic, GICV2_GICV, GICV_SIZE, &out->gicv);
}

static int read_its(const void *fdt, int node, struct fdt_its *its)
{
	u64 size;

	if (read_registers(fdt, node, 0, &its->base, &size) || its->base >= MEMMAP_PA_LIMIT ||
	    !IS_ALIGNED(its->base, SZ_64K))
		return -EINVAL;
	its->available = fdt_is_available(fdt, node);
	its->coherent = !fdt_getprop(fdt, node, "dma-noncoherent", NULL);
	return 0;
}

int host_fdt_itses(const void *fdt, struct fdt_itses *out)
{
	struct fdt_walk walk;
	int ret = 0;

	out->count = 0;
	for (fdt_walk_begin(&walk, fdt); !ret && fdt_walk_next(&walk);) {
		int node = fdt_walk_node(&walk);

		if (!fdt_has_string(fdt, node, "compatible", "arm,gic-v3-its"))
			continue;
		if (out->count == FDT_ITS_MAX)
			return -ENOSPC;
		ret = read_its(fdt, node, &out->its[out->count++]);
	}
	return ret;
}

bool host_fdt_is_machine(const void *fdt, const char *board)
{
	return fdt_has_string(fdt, 0, "compatible", board);
}

/* Version 0.2 or later; PSCI 0.1 has only "arm,psci". */
static bool is_psci(const void *fdt, int node)
{
	return fdt_has_string(fdt, node, "compatible", "arm,psci-1.0") ||
	       fdt_has_string(fdt, node, "compatible", "arm,psci-0.2");
}

/* The binding does not say where the node is; usually it is /psci. */
static int find_psci(const void *fdt)
{
	struct fdt_walk walk;
	int node = fdt_path_offset(fdt, "/psci");

	if (node >= 0 && is_psci(fdt, node))
		return node;
	for (fdt_walk_begin(&walk, fdt); fdt_walk_next(&walk);) {
		if (is_psci(fdt, fdt_walk_node(&walk)))
			return fdt_walk_node(&walk);
	}
	return -ENOENT;
}

enum fdt_psci host_fdt_psci(const void *fdt)
{
	int node = find_psci(fdt);

	if (node < 0)
		return FDT_PSCI_NONE;
	if (fdt_has_string(fdt, node, "method", "smc"))
		return FDT_PSCI_SMC;
	if (fdt_has_string(fdt, node, "method", "hvc"))
		return FDT_PSCI_HVC;
	return FDT_PSCI_NONE;
}

static bool is_listed(const struct fdt_cpus *cpus, u64 mpidr)
{
	for (unsigned int i = 0; i < cpus->count; i++) {
		if (cpus->mpidr[i] == mpidr)
			return true;
	}
	return false;
}

/* Add one CPU node to @cpus, which has the boot CPU already. */
static int add_cpu(const void *fdt, struct fdt_cells cells, int node, bool psci,
		   struct fdt_cpus *cpus, bool *found_boot, const char **why)
{
	u64 mpidr;

	if (fdt_read_mpidr(fdt, cells, node, &mpidr))
		return host_fdt_fail(why, "device tree: a CPU has no usable reg", -EINVAL);
	if (mpidr == cpus->mpidr[0]) {
		if (*found_boot)
			return host_fdt_fail(why, "device tree: two CPUs have the same reg",
					     -EINVAL);
		*found_boot = true;
	} else if (is_listed(cpus, mpidr)) {
		return host_fdt_fail(why, "device tree: two CPUs have the same reg", -EINVAL);
	} else if (!psci || !fdt_cpu_is_mediable(fdt, node) || cpus->count == KEEL_MAX_CPUS) {
		cpus->dropped++;
	} else {
		cpus->mpidr[cpus->count++] = mpidr;
	}
	return 0;
}

int host_fdt_cpus(const void *fdt, u64 boot_mpidr, struct fdt_cpus *out, const char **why)
{
	bool psci = host_fdt_psci(fdt) != FDT_PSCI_NONE;
	struct fdt_cells cells;
	bool found_boot = false;
	int node, parent = fdt_find_cpus(fdt, &cells);

	if (parent < 0)
		return host_fdt_fail(why, "device tree: no /cpus, or its cells are bad", -EINVAL);
	out->count = 1;
	out->dropped = 0;
	out->mpidr[0] = boot_mpidr & PSCI_TARGET_AFFINITY;
	fdt_for_each_subnode (node, fdt, parent) {
		int err = 0;

		if (fdt_is_cpu(fdt, node))
			err = add_cpu(fdt, cells, node, psci, out, &found_boot, why);
		if (err)
			return err;
	}
	if (!found_boot)
		return host_fdt_fail(why, "device tree: does not list the CPU that booted",
				     -ENOENT);
	return 0;
}

int host_bootargs(const char *cmdline, size_t len, const char *bootargs, char *out, size_t size)
{
	size_t n;
	int err;

	/* copied here to be terminated; then replaced by the words that are kept */
	if (len >= size)
		return -E2BIG;
	memmove(out, cmdline ? cmdline : "", len);
	out[len] = '\0';
	err = options_host_args(out, out, size);
	if (err)
		return err;
	n = strlen(out);
	if (!n)
		return options_host_args(bootargs, out, size);
	if (size - n < 2)
		return -E2BIG;
	err = options_host_args(bootargs, out + n + 1, size - n - 1);
	if (err)
		return err;
	if (out[n + 1])
		out[n] = ' ';
	return 0;
}
