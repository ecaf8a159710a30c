/* SPDX-License-Identifier: BSD-2-Clause */
/* The device tree for the guest. */
#ifndef VMRUN_TREE_H
#define VMRUN_TREE_H

#include "vm.h"

#define TREE_SIZE (256 * 1024) /* enough for MAX_CPUS */

/** struct tree_boot - the /chosen node. */
struct tree_boot {
	const char *cmdline;
	uint64_t initrd_start, initrd_end; /* guest physical; both 0: there is none */
};

/** tree_build() - write the tree to @to, TREE_SIZE bytes. All vCPUs and devices must be there. */
void tree_build(const struct vm *vm, const struct tree_boot *boot, void *to);

#endif
