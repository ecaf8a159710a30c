// SPDX-License-Identifier: GPL-2.0
/* Keel's counters (KEEL_HC_STAT), one file each in debugfs: /sys/kernel/debug/keel/. */
#include <linux/debugfs.h>

#include "keel.h"

static const char *const names[KEEL_STAT_COUNT] = {
	[KEEL_STAT_HOST_ABORTS] = "host_aborts",
	[KEEL_STAT_HOST_MMIO_MAPS] = "host_mmio_maps",
	[KEEL_STAT_HYPERCALLS] = "hypercalls",
	[KEEL_STAT_SMCS] = "smcs",
	[KEEL_STAT_TABLE_PAGES_FREE] = "table_pages_free",
	[KEEL_STAT_TABLE_PAGES] = "table_pages",
	[KEEL_STAT_HOST_ZERO_PAGES] = "host_zero_pages",
	[KEEL_STAT_GIC_REFUSED] = "gic_refused",
	[KEEL_STAT_GUEST_ABORTS] = "guest_aborts",
	[KEEL_STAT_GUEST_SERRORS] = "guest_serrors",
	[KEEL_STAT_EL2_FAULTS] = "el2_faults",
};

static struct dentry *directory;

static int read_stat(void *stat, u64 *value)
{
	return keel_call(KEEL_HC_STAT, (unsigned long)stat, 0, 0, 0, 0, value);
}

DEFINE_DEBUGFS_ATTRIBUTE(stat_fops, read_stat, NULL, "%llu\n");

/* Without debugfs the counters cannot be read. Nothing else changes. */
void keel_stats_init(void)
{
	directory = debugfs_create_dir("keel", NULL);
	keel_vminfo_init(directory);
	for (unsigned long i = 0; i < KEEL_STAT_COUNT; i++)
		if (names[i])
			debugfs_create_file_unsafe(names[i], 0400, directory, (void *)i,
						   &stat_fops);
}

void keel_stats_exit(void)
{
	debugfs_remove(directory);
}
