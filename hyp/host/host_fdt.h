/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What Keel reads from firmware's device tree, and the edited copy that the host gets.
 *
 * A tree is untrusted input: libfdt checks bounds once host_fdt_check() has accepted its header.
 * All functions work on memory that the caller provides, keep no state and need no lock.
 */
#ifndef KEEL_HOST_HOST_FDT_H
#define KEEL_HOST_HOST_FDT_H

#include <cpu/percpu.h>
#include <host/memmap.h>
#include <lib/types.h>

/**
 * host_fdt_check() - check that there is a sound device tree
 * @fdt:      8-byte aligned; its header must be readable
 * @max_size: how many bytes may be read at @fdt
 * @why:      on error, one line for the console that says what is wrong
 *
 * Return: 0; -EINVAL if there is none, or it is damaged, or larger than @max_size.
 */
int __must_check host_fdt_check(const void *fdt, size_t max_size, const char **why);

/* The boot loader's command line: /chosen's bootargs, "" if there is none. */
const char *host_fdt_bootargs(const void *fdt);

/**
 * host_fdt_initrd() - where the boot loader put the initrd, which is Keel's bundle
 * @fdt: checked device tree
 * @out: its range; untouched on error
 * @why: on error, one line for the console that says what is wrong
 *
 * Return: 0; -ENOENT if /chosen names none; -EINVAL if what it says is not an address range.
 */
int __must_check host_fdt_initrd(const void *fdt, struct mem_range *out, const char **why);

/* The kinds of UART that Keel can write to. */
enum fdt_uart {
	FDT_UART_PL011, /* arm,pl011 */
	FDT_UART_SBSA	/* arm,sbsa-uart: a PL011 that firmware has set up */
};

struct fdt_console {
	enum fdt_uart uart;
	u64 base; /* physical address of the registers */
	u64 size; /* bytes of them */
};

/**
 * host_fdt_console() - find the UART that /chosen's stdout-path names
 * @fdt: checked device tree
 * @out: the UART; untouched on error
 *
 * Return: 0; -ENOENT if there is no stdout-path or it names no node; -ENODEV if that node is not a
 * UART of the kinds above, or its registers have no physical address.
 */
int __must_check host_fdt_console(const void *fdt, struct fdt_console *out);

/*
 * Where the redistributors of a GICv3 are. ACPI's tables can have a place for each CPU. Too large for
 * EL2's stack.
 */
#define FDT_REDIST_REGIONS KEEL_MAX_CPUS
struct fdt_redists {
	unsigned int count;
	struct mem_range region[FDT_REDIST_REGIONS];
	u64 stride; /* bytes from one to the next in a region; 0: as GICR_TYPER says */
};

/**
 * host_fdt_redists() - the registers of the redistributors
 * @fdt: checked device tree
 * @out: undefined on error
 *
 * Return: 0; -ENOENT without a GICv3; -EINVAL if its node is invalid.
 */
int __must_check host_fdt_redists(const void *fdt, struct fdt_redists *out);

/* The registers of a GICv2 with virtualization extensions, all at multiples of 4 KiB. */
struct fdt_gicv2 {
	struct mem_range gicd, gich, gicv;
};

/**
 * host_fdt_gicv2() - the registers of a GICv2
 * @fdt: checked device tree
 * @out: undefined on error
 *
 * Return: 0; -ENOENT without a GICv2 that has virtualization extensions; -EINVAL if its node is
 * invalid.
 */
int __must_check host_fdt_gicv2(const void *fdt, struct fdt_gicv2 *out);

/* The ITSs of a GICv3: registers that make LPIs of devices' writes. */
#define FDT_ITS_MAX 32
struct fdt_its {
	u64 base;	/* physical address of the control frame */
	bool available; /* the host may use it: it has power and a clock */
	bool coherent;	/* it snoops caches, according to the device tree */
};
struct fdt_itses {
	unsigned int count;
	struct fdt_its its[FDT_ITS_MAX];
};

/**
 * host_fdt_itses() - list all ITSs, also those that are disabled
 * @fdt: checked device tree
 * @out: undefined on error
 *
 * Return: 0; -EINVAL if one's registers have no physical address, or are not 64 KiB-aligned;
 * -ENOSPC for more than FDT_ITS_MAX.
 */
int __must_check host_fdt_itses(const void *fdt, struct fdt_itses *out);

/* Is the machine compatible with @board? @fdt: checked device tree. */
bool host_fdt_is_machine(const void *fdt, const char *board);

/* How firmware's PSCI is called. */
enum fdt_psci {
	FDT_PSCI_NONE, /* no PSCI, or only version 0.1, which has no standard function numbers */
	FDT_PSCI_SMC,
	FDT_PSCI_HVC
};

enum fdt_psci host_fdt_psci(const void *fdt);

/* The CPUs that can be started by PSCI, and the boot CPU. */
struct fdt_cpus {
	unsigned int count;
	unsigned int dropped;	  /* CPUs left out: beyond KEEL_MAX_CPUS, or not started by PSCI */
	u64 mpidr[KEEL_MAX_CPUS]; /* MPIDR_EL1's affinity fields; the boot CPU's is first */
};

/**
 * host_fdt_cpus() - list the CPUs
 * @fdt:        checked device tree
 * @boot_mpidr: the boot CPU's MPIDR_EL1; other fields than the affinity are ignored
 * @out:        the CPUs in the device tree's order, but the boot CPU first
 * @why:        on error, one line for the console that says what is wrong
 *
 * CPUs whose status is "fail" are left out. "disabled" means that the CPU is off until it is
 * started, so these are listed.
 *
 * Return: 0; -EINVAL if a CPU has no usable `reg`, or two have the same; -ENOENT if the boot CPU is
 * not listed.
 */
int __must_check host_fdt_cpus(const void *fdt, u64 boot_mpidr, struct fdt_cpus *out,
			       const char **why);

/* The boot protocol's limit for a device tree, and the space that host_place() reserves for it. */
#define HOST_FDT_SPACE SZ_2M

/* What host_fdt_edit() writes to the host's device tree. */
struct host_fdt_params {
	const struct mem_range *keel; /* Keel's memory: no-map in the host's tree */
	unsigned int keel_count;
	struct mem_range released[2]; /* the bundle, firmware's device tree: their entries in the
				       * memory reservation block go; empty ones are ignored */
	/* the host's command line, complete; NULL: a boot loader that comes later has it */
	const char *bootargs;
	struct mem_range initrd; /* ignored without bootargs */
	const char *version;	 /* Keel's version, for /hypervisor */
	u64 boot_mpidr;		 /* as for host_fdt_cpus() */
};

/* What host_fdt_edit() did, for the log. */
struct host_fdt_report {
	unsigned int cpus_dropped;   /* removed nodes of CPUs that Keel cannot start */
	unsigned int timers_reduced; /* generic-timer nodes, normally 1 */
};

/**
 * host_fdt_edit() - make the host's device tree from firmware's
 * @fdt:    firmware's, checked; not changed
 * @buf:    the host's tree; 8-byte aligned; must not overlap @fdt
 * @size:   bytes at @buf
 * @params: what to write
 * @report: out: what was done
 * @why:    on error, one line for the console
 *
 * - Keel's memory becomes `no-map` children of /reserved-memory;
 * - entries of the memory reservation block that are @params->released are dropped;
 * - /hypervisor has `compatible = "keel,hypervisor"` and `version`;
 * - generic-timer nodes keep the interrupt of the Non-secure EL1 physical timer and, if it is
 * listed,
 *   the Secure one as a placeholder, and without @params->bootargs that of EL2's physical timer;
 *   that of the virtual timer is removed;
 * - /chosen has the host's bootargs and initrd, or is unchanged;
 * - CPUs that are not started by PSCI are removed, but for the boot CPU.
 *
 * The result is packed: fdt_totalsize() is what it needs.
 *
 * Return: 0; -ENOSPC if @size is too small; -EINVAL if the tree is damaged or a node that must be
 * edited is invalid. After an error the contents of @buf are undefined.
 */
int __must_check host_fdt_edit(const void *fdt, void *buf, size_t size,
			       const struct host_fdt_params *params, struct host_fdt_report *report,
			       const char **why);

/**
 * host_bootargs() - assemble the host's command line
 * @cmdline:  the bundle's, not terminated; may be NULL if @len is 0
 * @len:      its length
 * @bootargs: the boot loader's
 * @out:      the result, terminated
 * @size:     bytes at @out
 *
 * The bundle's words come first and the boot loader's after them, since in Linux the last of two
 * settings of one option counts. Words with the prefix `keel.` are left out.
 *
 * Return: 0; -E2BIG if @out is too small.
 */
int __must_check host_bootargs(const char *cmdline, size_t len, const char *bootargs, char *out,
			       size_t size);

#endif
