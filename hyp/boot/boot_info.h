/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the boot CPU finds out before the host runs, from the first C code on. Plain values and
 * physical addresses, so that they stay valid at runtime addresses. Written by one CPU, and read
 * only once the host runs, except for the features: CPUs that come later are merged into them
 * (smp.c).
 */
#ifndef KEEL_BOOT_BOOT_INFO_H
#define KEEL_BOOT_BOOT_INFO_H

#include <cpu/features.h>
#include <host/host_fdt.h>
#include <host/memmap.h>

#include <lib/options.h>
#include <lib/types.h>

#define LOG_RING_SIZE 16384

struct boot_info {
	u64 entry_count; /* CNTPCT_EL0 at the first instruction */
	struct pa image; /* Keel's region, KEEL_REGION_SIZE bytes */
	struct pa fdt;	 /* firmware's device tree */
	u64 fdt_size;
	bool has_console;
	struct fdt_console console;
	struct options options;
	unsigned int va_bits; /* as used; options.va_bits is as asked for */
	bool e2h;
	struct memmap memmap; /* RAM, and which parts are reserved */
	/* RAM that keel.pa_bits excludes: not in memmap, and used by nobody; may be empty */
	struct mem_range beyond;
	struct cpu_features features;
	struct fdt_cpus cpus;
	char log_ring[LOG_RING_SIZE];
};

extern struct boot_info boot_info;

#endif
