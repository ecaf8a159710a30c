/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's memory as a boot loader leaves it: kernel, device tree, initial RAM disk. */
#ifndef VMRUN_BOOT_H
#define VMRUN_BOOT_H

#include "vm.h"

/** struct boot_files - what to load. */
struct boot_files {
	const char *image;   /* a file: an arm64 Image */
	const char *initrd;  /* a file, or NULL */
	const char *cmdline; /* the command line of the kernel */
};

/**
 * boot_load() - load the files, build the device tree, and make the first vCPU ready to start
 *
 * As Documentation/arm64/booting.rst in Linux asks. All devices must be there.
 */
void boot_load(const struct vm *vm, const struct boot_files *files);

#endif
