// SPDX-License-Identifier: BSD-2-Clause
/*
 * Loads the host. The kernel stays where it lies in the bundle if it can be started there; the
 * initrd always stays in the bundle. Memory is mapped only while it is used.
 */
#include <arch/cache.h>
#include <cpu/log.h>
#include <host/bundle.h>
#include <host/host_fdt.h>
#include <host/host_load.h>
#include <host/image.h>
#include <lib/errno.h>
#include <lib/string.h>
#include <libfdt.h>
#include <mm/el2_map.h>

/* The host's command line: the bundle's words and the boot loader's. */
static char bootargs[BUNDLE_CMDLINE_MAX + 1];
static struct bundle bundle;
static struct mem_range bundle_range;

static int judge_bundle(struct host_load *load, const void *data, const char **why)
{
	struct image_info image;
	int ret = bundle_parse(data, bundle_range.end - bundle_range.base, &bundle, why);

	if (!ret)
		ret = image_check((const char *)data + bundle.kernel.offset, bundle.kernel.size,
				  &image, why);
	if (!ret)
		ret = host_place(load->map, bundle_range.base, &bundle, &image, &load->layout, why);
	if (ret)
		return ret;
	load->page_size = image.page_size;
	ret = host_bootargs((const char *)data + bundle.cmdline.offset, bundle.cmdline.size,
			    host_fdt_bootargs(load->fdt), bootargs, sizeof(bootargs));
	if (ret)
		*why = "the host's command line is too long";
	return ret;
}

int host_load_place(struct host_load *load, const char **why)
{
	const void *data;
	u64 size;
	int ret = host_fdt_initrd(load->fdt, &bundle_range, why);

	if (ret)
		return ret;
	size = bundle_range.end - bundle_range.base;
	if (!memmap_is_ram(load->map, bundle_range.base, size)) {
		*why = "the bundle is not in memory";
		return -EINVAL;
	}
	load->bundle_size = size;
	load->fdt_space = HOST_FDT_SPACE;
	data = el2_map_private(PA(bundle_range.base), size, EL2_R);
	if (!data) {
		*why = "the bundle does not fit EL2's address space: raise keel.va_bits";
		return -ENOSPC;
	}
	ret = judge_bundle(load, data, why);
	el2_unmap_private(data, size);
	return ret;
}

/* The kernel starts with caches off, so what it reads first must be in memory (booting.rst). */
static int load_kernel(const struct host_layout *layout, const char **why)
{
	u64 size = layout->kernel_size;
	char *to = el2_map_private(PA(layout->kernel), size, EL2_RW);
	const char *from = NULL;

	if (!to) {
		*why = "the kernel does not fit EL2's address space: raise keel.va_bits";
		return -ENOSPC;
	}
	if (layout->kernel_from != layout->kernel) {
		from = el2_map_private(PA(layout->kernel_from), size, EL2_R);
		if (!from) {
			*why = "the kernel does not fit EL2's address space: raise keel.va_bits";
			el2_unmap_private(to, size);
			return -ENOSPC;
		}
		memcpy(to, from, size);
		el2_unmap_private(from, size);
	}
	dcache_clean_poc(to, size);
	el2_unmap_private(to, size);
	icache_inval_all();
	return 0;
}

void host_load_tree_place(struct host_load *load, u64 at, u64 size)
{
	load->layout = (struct host_layout){ .fdt = at };
	load->fdt_space = size;
}

int host_load_tree(struct host_load *load, const char **why)
{
	const struct host_layout *layout = &load->layout;
	struct host_fdt_params params = {
		.keel = load->keel,
		.keel_count = load->keel_count,
		.released = { bundle_range, load->fdt_range },
		.bootargs = load->bundle_size ? bootargs : NULL,
		.initrd = { layout->initrd, layout->initrd_end },
		.version = load->version,
		.boot_mpidr = load->boot_mpidr,
	};
	struct host_fdt_report report = { 0 };
	void *fdt = el2_map_private(PA(layout->fdt), load->fdt_space, EL2_RW);
	int ret;

	if (!fdt) {
		*why = "the device tree does not fit EL2's address space: raise keel.va_bits";
		return -ENOSPC;
	}
	ret = host_fdt_edit(load->fdt, fdt, load->fdt_space, &params, &report, why);
	if (!ret)
		dcache_clean_poc(fdt, fdt_totalsize(fdt));
	el2_unmap_private(fdt, load->fdt_space);
	if (report.cpus_dropped)
		log_warn("%u CPUs are hidden from the host: they are not started by PSCI",
			 report.cpus_dropped);
	if (!ret && !report.timers_reduced)
		log_warn("no generic timer in the device tree");
	return ret;
}

int host_load(struct host_load *load, const char **why)
{
	int ret = load_kernel(&load->layout, why);

	return ret ? ret : host_load_tree(load, why);
}
