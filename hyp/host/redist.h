/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each CPU's redistributor of the GICv3, as far as EL2 uses it: the state of private interrupts
 * (arch/gicr.h). All other registers are the host's.
 */
#ifndef KEEL_HOST_REDIST_H
#define KEEL_HOST_REDIST_H

#include <cpu/percpu.h>
#include <host/host_fdt.h>

/* The MPIDR of the CPU that GICR_TYPER names. */
u64 redist_mpidr(u64 typer);

/*
 * Whether GICR_TYPER is of a frame that did not answer, or read as zero where others have LPIs: its
 * CPU has no power, or does not exist.
 * The frame counts as one with LPIs, of the size of others, and with an affinity that no CPU has.
 */
bool redist_is_unknown(u64 typer);

/**
 * redist_walk() - visit all redistributors, also those without a CPU
 * @redists: the device tree's regions
 * @visit:   @base: physical address of the RD frame, @typer: its GICR_TYPER, which may be unknown.
 *           Return: 0; any other value ends the walk
 * @ctx:     argument for @visit
 *
 * Boot CPU, before the host runs.
 *
 * Return: 0, or what @visit returned; -ENOENT if @redists are invalid, or frames of unknown size do
 * not answer; -ENOMEM.
 */
int __must_check redist_walk(const struct fdt_redists *redists,
			     int (*visit)(void *ctx, u64 base, u64 typer), void *ctx);

/**
 * redist_init() - find and map each CPU's redistributor
 * @redists: the device tree's regions
 * @cpus:    out: the gicr field of each CPU that has a redistributor
 * @count:   how many CPUs
 *
 * Boot CPU, before the host runs.
 *
 * Return: 0; -ENOENT if a CPU has none; -ENOMEM, and all fields stay NULL.
 */
int __must_check redist_init(const struct fdt_redists *redists, struct percpu *const cpus[],
			     unsigned int count);

#endif
