// SPDX-License-Identifier: BSD-2-Clause
/* Reading untrusted device-tree properties (Devicetree Specification v0.4, 2.2, 2.3). */
#include <libfdt.h>

#include <host/fdt_read.h>
#include <lib/errno.h>
#include <lib/psci_abi.h>
#include <lib/string.h>

#define CELL sizeof(fdt32_t)

void fdt_walk_begin(struct fdt_walk *walk, const void *fdt)
{
	walk->fdt = fdt;
	walk->depth = 0;
	walk->node[0] = 0;
}

bool fdt_walk_next(struct fdt_walk *walk)
{
	int node = fdt_next_node(walk->fdt, fdt_walk_node(walk), &walk->depth);

	if (node < 0 || walk->depth < 0 || walk->depth > FDT_MAX_DEPTH) {
		walk->depth = 0;
		return false;
	}
	walk->node[walk->depth] = node;
	return true;
}

int fdt_read_cells(const void *fdt, int bus, struct fdt_cells *out)
{
	int addr = fdt_address_cells(fdt, bus);
	int size = fdt_size_cells(fdt, bus);

	if (addr < 1 || addr > 2 || size < 0 || size > 2)
		return -EINVAL;
	*out = (struct fdt_cells){ (unsigned int)addr, (unsigned int)size };
	return 0;
}

u64 fdt_read_number(const void *p, unsigned int cells)
{
	const u8 *byte = p;
	u64 number = 0;

	for (size_t i = 0; i < cells * CELL; i++)
		number = number << 8 | byte[i];
	return number;
}

int fdt_read_u64(const void *fdt, int node, const char *name, u64 *out)
{
	int len;
	const void *p = fdt_getprop(fdt, node, name, &len);

	if (!p)
		return -ENOENT;
	if (len != CELL && len != 2 * CELL)
		return -EINVAL;
	*out = fdt_read_number(p, (unsigned int)len / CELL);
	return 0;
}

const char *fdt_read_string(const void *fdt, int node, const char *name)
{
	int len;
	const char *s = fdt_getprop(fdt, node, name, &len);

	if (!s || len <= 0 || strnlen(s, (size_t)len) == (size_t)len)
		return NULL;
	return s;
}

bool fdt_has_string(const void *fdt, int node, const char *name, const char *word)
{
	int len;
	const char *list = fdt_getprop(fdt, node, name, &len);

	return list && len > 0 && fdt_stringlist_contains(list, len, word);
}

int fdt_read_reg(const void *fdt, struct fdt_cells cells, int node, const char *name,
		 unsigned int index, u64 *base, u64 *size)
{
	size_t pair = (cells.addr + cells.size) * CELL;
	int len;
	const u8 *p = fdt_getprop(fdt, node, name, &len);

	if (!p)
		return -ENOENT;
	if (len < 0 || (size_t)len % pair)
		return -EINVAL;
	if (index >= (size_t)len / pair)
		return -ENOENT;
	p += index * pair;
	*base = fdt_read_number(p, cells.addr);
	*size = fdt_read_number(p + cells.addr * CELL, cells.size);
	return 0;
}

bool fdt_is_available(const void *fdt, int node)
{
	const char *status = fdt_read_string(fdt, node, "status");

	return !fdt_getprop(fdt, node, "status", NULL) ||
	       (status && (strcmp(status, "okay") == 0 || strcmp(status, "ok") == 0));
}

bool fdt_is_cpu(const void *fdt, int node)
{
	const char *type = fdt_read_string(fdt, node, "device_type");
	const char *status = fdt_read_string(fdt, node, "status");

	return type && strcmp(type, "cpu") == 0 && (!status || strncmp(status, "fail", 4) != 0);
}

int fdt_read_mpidr(const void *fdt, struct fdt_cells cells, int node, u64 *mpidr)
{
	u64 none;

	if (fdt_read_reg(fdt, cells, node, "reg", 0, mpidr, &none) ||
	    (*mpidr & ~PSCI_TARGET_AFFINITY))
		return -EINVAL;
	return 0;
}

bool fdt_cpu_is_mediable(const void *fdt, int node)
{
	return fdt_has_string(fdt, node, "enable-method", "psci");
}

int fdt_find_cpus(const void *fdt, struct fdt_cells *cells)
{
	int parent = fdt_path_offset(fdt, "/cpus");

	if (parent < 0 || fdt_read_cells(fdt, parent, cells) || cells->size != 0)
		return -EINVAL;
	return parent;
}
