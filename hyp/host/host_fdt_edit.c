// SPDX-License-Identifier: BSD-2-Clause
/*
 * Makes the host's device tree from firmware's. Each step works on the copy and looks up its nodes
 * again, because each change moves the nodes behind it.
 */
#include <libfdt.h>

#include <host/fdt_read.h>
#include <host/host_fdt.h>
#include <lib/errno.h>
#include <lib/printf.h>
#include <lib/psci_abi.h>
#include <lib/string.h>

static int host_fdt_edit_fail(const char **why, const char *line, int err)
{
	*why = line;
	return err;
}

/* The tree was sound, so an edit fails for want of room, or because a node is not as expected. */
static int host_fdt_edit_error(int fdt_err, const char **why)
{
	if (fdt_err == -FDT_ERR_NOSPACE)
		return host_fdt_edit_fail(why, "device tree: no room for the host's edits",
					  -ENOSPC);
	return host_fdt_edit_fail(why, "device tree: cannot be edited for the host", -EINVAL);
}

static int set_string(void *fdt, int node, const char *name, const char *value)
{
	return fdt_setprop(fdt, node, name, value, (int)strlen(value) + 1);
}

static bool is_released(const struct host_fdt_params *p, u64 base, u64 size)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(p->released); i++) {
		if (mem_range_is_of(p->released[i], base, size))
			return true;
	}
	return false;
}

/* Remove memory that the host gets from the memory reservation block. */
static int drop_reservations(void *fdt, const struct host_fdt_params *p)
{
	for (int i = fdt_num_mem_rsv(fdt) - 1; i >= 0; i--) {
		u64 base, size;
		int err = fdt_get_mem_rsv(fdt, i, &base, &size);

		if (!err && is_released(p, base, size))
			err = fdt_del_mem_rsv(fdt, i);
		if (err)
			return err;
	}
	return 0;
}

/* Write @value in @cells cells at *@p and advance *@p; false if it does not fit. */
static bool put_number(u8 **p, u64 value, unsigned int cells)
{
	if (cells == 1 && value > UINT32_MAX)
		return false;
	for (unsigned int bits = cells * 32; bits; bits -= 8)
		*(*p)++ = (u8)(value >> (bits - 8));
	return true;
}

/* Linux requires that /reserved-memory has the root's cells, and empty (identity) ranges. */
static int init_reserved_memory(void *fdt, int node)
{
	int addr = fdt_address_cells(fdt, 0), size = fdt_size_cells(fdt, 0);
	int err;

	if (addr < 0 || size < 0)
		return -FDT_ERR_BADNCELLS;
	err = fdt_setprop_empty(fdt, node, "ranges");
	if (!err)
		err = fdt_setprop_u32(fdt, node, "#size-cells", (u32)size);
	return err ? err : fdt_setprop_u32(fdt, node, "#address-cells", (u32)addr);
}

/* Return: 0, or libfdt's error; -FDT_ERR_BADNCELLS if the range needs more cells than there are. */
static int add_reserved_node(void *fdt, int parent, const struct mem_range *r)
{
	struct fdt_cells cells;
	char name[32];
	u8 reg[4 * sizeof(fdt32_t)], *p = reg;
	int node, err;

	if (fdt_read_cells(fdt, parent, &cells) || !cells.size ||
	    !put_number(&p, r->base, cells.addr) || !put_number(&p, r->end - r->base, cells.size))
		return -FDT_ERR_BADNCELLS;
	kl_snprintf(name, sizeof(name), "keel@%llx", (unsigned long long)r->base);
	node = fdt_add_subnode(fdt, parent, name);
	if (node < 0)
		return node;
	err = fdt_setprop_empty(fdt, node, "no-map");
	return err ? err : fdt_setprop(fdt, node, "reg", reg, (int)(p - reg));
}

static int add_reserved_nodes(void *fdt, const struct host_fdt_params *p)
{
	int node = fdt_add_subnode(fdt, 0, "reserved-memory");
	int err = node < 0 ? node : init_reserved_memory(fdt, node);

	if (err == -FDT_ERR_EXISTS) {
		node = fdt_subnode_offset(fdt, 0, "reserved-memory");
		err = node < 0 ? node : 0;
	}
	/* adding a child does not move the node */
	for (unsigned int i = 0; i < p->keel_count && !err; i++)
		err = add_reserved_node(fdt, node, &p->keel[i]);
	return err;
}

static int reserve_keel(void *fdt, const struct host_fdt_params *p, const char **why)
{
	int err = add_reserved_nodes(fdt, p);

	if (err == -FDT_ERR_BADNCELLS)
		return host_fdt_edit_fail(
			why, "device tree: /reserved-memory cannot hold Keel's addresses", -EINVAL);
	return err ? host_fdt_edit_error(err, why) : 0;
}

static int add_hypervisor(void *fdt, const char *version)
{
	int err, node = fdt_add_subnode(fdt, 0, "hypervisor");

	/*
	 * firmware's node, if there is one, is of a hypervisor that the host cannot reach any more
	 */
	if (node == -FDT_ERR_EXISTS) {
		err = fdt_del_node(fdt, fdt_subnode_offset(fdt, 0, "hypervisor"));
		node = err ? err : fdt_add_subnode(fdt, 0, "hypervisor");
	}
	if (node < 0)
		return node;
	err = set_string(fdt, node, "version", version);
	return err ? err : set_string(fdt, node, "compatible", "keel,hypervisor");
}

static int edit_chosen(void *fdt, const struct host_fdt_params *p)
{
	int err, node = fdt_subnode_offset(fdt, 0, "chosen");

	if (!p->bootargs)
		return 0;
	if (node == -FDT_ERR_NOTFOUND)
		node = fdt_add_subnode(fdt, 0, "chosen");
	if (node < 0)
		return node;
	err = set_string(fdt, node, "bootargs", p->bootargs);
	if (!err)
		err = fdt_setprop_u64(fdt, node, "linux,initrd-start", p->initrd.base);
	return err ? err : fdt_setprop_u64(fdt, node, "linux,initrd-end", p->initrd.end);
}

/*
 * The generic timer (Linux: Documentation/devicetree/bindings/timer/arm,arch_timer.yaml). Its
 * interrupts are either in this order, where the last ones are often missing, or in any order with
 * names.
 */
enum timer_irq {
	TIMER_SEC_PHYS,
	TIMER_PHYS,
	TIMER_HYP_PHYS = 3,
	TIMER_IRQ_COUNT = 5 /* virt and hyp-virt, too */
};

static const char timer_irq_names[][16] = {
	[TIMER_SEC_PHYS] = "sec-phys",
	[TIMER_PHYS] = "phys",
	[TIMER_HYP_PHYS] = "hyp-phys",
};

/* The interrupts of a timer node: where each begins in the property, and its length. */
struct timer_irqs {
	const char *property; /* "interrupts" or "interrupts-extended" */
	const u8 *cells;
	unsigned int count;
	u16 offset[TIMER_IRQ_COUNT + 1];
};

/* Faster than libfdt's search, which looks for both names of the property in every node. */
static int find_phandle(const void *fdt, u64 phandle)
{
	struct fdt_walk walk;
	u64 found;

	for (fdt_walk_begin(&walk, fdt); fdt_walk_next(&walk);) {
		if (fdt_read_u64(fdt, fdt_walk_node(&walk), "phandle", &found) == 0 &&
		    found == phandle)
			return fdt_walk_node(&walk);
	}
	return fdt_node_offset_by_phandle(fdt, (u32)phandle);
}

/* Return: how many cells an interrupt of the controller has; -EINVAL if it is none. */
static int interrupt_cells(const void *fdt, u64 phandle)
{
	int controller = find_phandle(fdt, phandle);
	u64 cells;

	if (controller < 0 || fdt_read_u64(fdt, controller, "#interrupt-cells", &cells) ||
	    cells < 1 || cells > 4)
		return -EINVAL;
	return (int)cells;
}

/* The phandle of the nearest interrupt-parent, at the node or above it; 0 if there is none. */
static u64 interrupt_parent(const struct fdt_walk *walk)
{
	for (int depth = walk->depth; depth >= 0; depth--) {
		u64 phandle;

		if (fdt_read_u64(walk->fdt, walk->node[depth], "interrupt-parent", &phandle) == 0)
			return phandle;
	}
	return 0;
}

/*
 * An entry of interrupts-extended is a phandle, and as many cells as that controller's node says.
 */
static int extended_cells(const void *fdt, const u8 *at, int left)
{
	int cells;

	if (left < (int)sizeof(fdt32_t))
		return -EINVAL;
	cells = interrupt_cells(fdt, fdt_read_number(at, 1));
	return cells < 0 ? cells : cells + 1;
}

static int read_timer_irqs(const struct fdt_walk *walk, struct timer_irqs *t)
{
	int node = fdt_walk_node(walk), cells = 0, len, at = 0;
	bool extended = fdt_getprop(walk->fdt, node, "interrupts-extended", NULL) != NULL;

	t->property = extended ? "interrupts-extended" : "interrupts";
	t->cells = fdt_getprop(walk->fdt, node, t->property, &len);
	t->offset[0] = 0;
	if (!t->cells)
		return -EINVAL;
	if (!extended)
		cells = interrupt_cells(walk->fdt, interrupt_parent(walk));
	for (t->count = 0; at < len && t->count < TIMER_IRQ_COUNT; t->count++) {
		if (extended)
			cells = extended_cells(walk->fdt, t->cells + at, len - at);
		if (cells < 0 || cells * (int)sizeof(fdt32_t) > len - at)
			return -EINVAL;
		at += cells * (int)sizeof(fdt32_t);
		t->offset[t->count + 1] = (u16)at;
	}
	return at == len ? 0 : -EINVAL;
}

/* The index of the interrupt @irq of a timer, by name if there are names. -ENOENT: it has none. */
static int find_timer_irq(const void *fdt, int node, const struct timer_irqs *t, enum timer_irq irq)
{
	int index = (int)irq;

	if (fdt_getprop(fdt, node, "interrupt-names", NULL))
		index = fdt_stringlist_search(fdt, node, "interrupt-names", timer_irq_names[irq]);
	return index >= 0 && (unsigned int)index < t->count ? index : -ENOENT;
}

/* A timer's new interrupts and their names. */
struct timer_edit {
	u8 cells[sizeof(fdt32_t[4][6])]; /* at most 5 each, and a phandle */
	int cells_len;
	char names[4 * sizeof(timer_irq_names[0])];
	int names_len;
	bool to_extended; /* each interrupt gets its controller's phandle */
	u32 parent;	  /* which is this */
};

static void put_timer_cell(struct timer_edit *e, u32 value)
{
	const fdt32_t cell = cpu_to_fdt32(value);

	memcpy(e->cells + e->cells_len, &cell, sizeof(cell));
	e->cells_len += (int)sizeof(cell);
}

static void put_timer_name(struct timer_edit *e, const char *name)
{
	size_t len = strlen(name) + 1;

	memcpy(e->names + e->names_len, name, len);
	e->names_len += (int)len;
}

static void keep_timer_irq(struct timer_edit *e, const struct timer_irqs *t, int index,
			   const char *name)
{
	size_t len = (size_t)t->offset[index + 1] - t->offset[index];

	if (e->to_extended)
		put_timer_cell(e, e->parent);
	memcpy(e->cells + e->cells_len, t->cells + t->offset[index], len);
	e->cells_len += (int)len;
	put_timer_name(e, name);
}

/*
 * For a kernel that stays at EL2 after all (reduce_timer()). In the place of the virtual timer's
 * interrupt is a phandle of 0, which is none, for the kernels that do not know the names.
 */
static void keep_el2_irq(struct timer_edit *e, const struct timer_irqs *t, int index)
{
	put_timer_cell(e, 0);
	put_timer_name(e, "none");
	keep_timer_irq(e, t, index, timer_irq_names[TIMER_HYP_PHYS]);
}

static int write_timer(void *fdt, int node, const struct timer_edit *e, const char *old)
{
	const char *property = e->to_extended ? "interrupts-extended" : old;
	int err = fdt_setprop(fdt, node, property, e->cells, e->cells_len);

	if (!err)
		err = fdt_setprop(fdt, node, "interrupt-names", e->names, e->names_len);
	return !err && e->to_extended ? fdt_delprop(fdt, node, old) : err;
}

/*
 * Reduce a timer to the interrupt of the Non-secure EL1 physical timer. If firmware lists the
 * Secure timer's, it stays in front, unused: kernels before 5.13 do not know the names, and use the
 * second interrupt. By UEFI (@may_stay) Keel may find at the end that it cannot take EL2, when the
 * boot loader has copied this tree already: a kernel at EL2 then has its own timer's interrupt.
 */
static int reduce_timer(const struct fdt_walk *walk, void *fdt, bool may_stay, const char **why)
{
	struct timer_edit e = { .cells_len = 0, .names_len = 0 };
	int err, sec, phys, hyp, node = fdt_walk_node(walk);
	struct timer_irqs t;

	if (read_timer_irqs(walk, &t))
		return host_fdt_edit_fail(why, "device tree: the timer's interrupts are malformed",
					  -EINVAL);
	sec = find_timer_irq(fdt, node, &t, TIMER_SEC_PHYS);
	phys = find_timer_irq(fdt, node, &t, TIMER_PHYS);
	if (phys < 0)
		return host_fdt_edit_fail(
			why, "device tree: the timer has no EL1 physical timer interrupt", -EINVAL);
	hyp = may_stay && sec >= 0 ? find_timer_irq(fdt, node, &t, TIMER_HYP_PHYS) : -ENOENT;
	e.to_extended = hyp >= 0 && !strcmp(t.property, "interrupts");
	e.parent = (u32)interrupt_parent(walk);
	if (sec >= 0)
		keep_timer_irq(&e, &t, sec, timer_irq_names[TIMER_SEC_PHYS]);
	keep_timer_irq(&e, &t, phys, timer_irq_names[TIMER_PHYS]);
	if (hyp >= 0)
		keep_el2_irq(&e, &t, hyp);

	err = write_timer(fdt, node, &e, t.property);
	return err ? host_fdt_edit_error(err, why) : 0;
}

static bool is_timer_node(const void *fdt, int node)
{
	int len;
	const char *compatible = fdt_getprop(fdt, node, "compatible", &len);

	return compatible && (fdt_stringlist_contains(compatible, len, "arm,armv8-timer") ||
			      fdt_stringlist_contains(compatible, len, "arm,armv7-timer"));
}

static int reduce_timers(void *fdt, bool may_stay, struct host_fdt_report *report, const char **why)
{
	struct fdt_walk walk;

	/* changing a node's properties moves neither the node nor its ancestors */
	for (fdt_walk_begin(&walk, fdt); fdt_walk_next(&walk);) {
		int err;

		if (!is_timer_node(fdt, fdt_walk_node(&walk)))
			continue;
		err = reduce_timer(&walk, fdt, may_stay, why);
		if (err)
			return err;
		report->timers_reduced++;
	}
	return 0;
}

static bool must_drop_cpu(const void *fdt, struct fdt_cells cells, int node, bool psci, u64 boot)
{
	u64 mpidr;

	if (!fdt_is_cpu(fdt, node) || (psci && fdt_cpu_is_mediable(fdt, node)))
		return false;
	return fdt_read_mpidr(fdt, cells, node, &mpidr) == 0 &&
	       mpidr != (boot & PSCI_TARGET_AFFINITY);
}

/* cpu-map names CPUs by phandle. Without it, the host takes the topology from MPIDR_EL1. */
static int drop_cpu_map(void *fdt, int cpus)
{
	int map = fdt_subnode_offset(fdt, cpus, "cpu-map");

	return map < 0 ? 0 : fdt_del_node(fdt, map);
}

/* CPUs with a spin table wait in memory that Keel does not own, so they stay unused. */
static int drop_cpus(void *fdt, u64 boot_mpidr, struct host_fdt_report *report)
{
	bool psci = host_fdt_psci(fdt) != FDT_PSCI_NONE;
	struct fdt_cells cells;
	int node, cpus = fdt_find_cpus(fdt, &cells);

	if (cpus < 0)
		return 0;
	node = fdt_first_subnode(fdt, cpus);
	while (node >= 0) {
		if (!must_drop_cpu(fdt, cells, node, psci, boot_mpidr)) {
			node = fdt_next_subnode(fdt, node);
			continue;
		}
		node = fdt_del_node(fdt, node);
		if (node)
			return node;
		report->cpus_dropped++;
		node = fdt_first_subnode(fdt, cpus);
	}
	return report->cpus_dropped ? drop_cpu_map(fdt, cpus) : 0;
}

int host_fdt_edit(const void *fdt, void *buf, size_t size, const struct host_fdt_params *params,
		  struct host_fdt_report *report, const char **why)
{
	int err = fdt_open_into(fdt, buf, (int)MIN(size, (size_t)HOST_FDT_SPACE));

	*report = (struct host_fdt_report){ 0 };
	if (!err)
		err = drop_reservations(buf, params);
	if (!err)
		err = drop_cpus(buf, params->boot_mpidr, report);
	if (!err)
		err = add_hypervisor(buf, params->version);
	if (!err)
		err = edit_chosen(buf, params);
	if (err)
		return host_fdt_edit_error(err, why);
	err = reduce_timers(buf, !params->bootargs, report, why);
	if (!err)
		err = reserve_keel(buf, params, why);
	if (err)
		return err;
	err = fdt_pack(buf);
	return err ? host_fdt_edit_error(err, why) : 0;
}
