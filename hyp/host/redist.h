/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each CPU's redistributor of the GICv3, as far as EL2 uses it: state of private interrupts
 * (arch/gicr.h). All else of it is the host's.
 */
#ifndef KEEL_HOST_REDIST_H
#define KEEL_HOST_REDIST_H

#include <cpu/percpu.h>
#include <host/host_fdt.h>

/* The MPIDR of the CPU that GICR_TYPER names. */
u64 redist_mpidr(u64 typer);

/*
 * A frame that did not answer is that of a CPU that has no power, or of none: it is taken to have
 * LPIs, and to be as large as others are, and its affinity is no CPU's.
 */
bool redist_is_unknown(u64 typer);

/**
 * redist_walk() - visit every redistributor, each CPU's or nobody's
 * @redists: where to look
 * @visit:   @base: physical address of the RD frame, @typer: its GICR_TYPER, which may be unknown.
 *           Return: 0; anything else ends the walk
 * @ctx:     for @visit
 *
 * Boot CPU, before the host runs.
 *
 * Return: 0, or what @visit returned; -ENOENT when @redists make no sense, or frames of unknown
 * size do not answer; -ENOMEM.
 */
int __must_check redist_walk(const struct fdt_redists *redists,
			     int (*visit)(void *ctx, u64 base, u64 typer), void *ctx);

/**
 * redist_init() - find and map each CPU's redistributor
 * @redists: where to look
 * @cpus:    their gicr fields are filled, of those that have one
 * @count:   how many CPUs
 *
 * Boot CPU, before the host runs.
 *
 * Return: 0; -ENOENT if a CPU has none; -ENOMEM, and all fields stay NULL.
 */
int __must_check redist_init(const struct fdt_redists *redists, struct percpu *const cpus[],
			     unsigned int count);

#endif
