/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What EL3 keeps from EL2. Firmware has to open the registers of most features to lower Exception
 * levels; one that is older than the CPU does not, and nothing says so but an access. So each CPU
 * tries them before anything depends on them, and a feature that is kept is absent from then on, to
 * EL2, to the host and to guests: cleared in the ID registers as Keel reads them. docs/cpu-features.md.
 */
#ifndef KEEL_CPU_WITHHELD_H
#define KEEL_CPU_WITHHELD_H

#include <arch/id_regs.h>
#include <arch/percpu.h>
#include <cpu/features.h>
#include <cpu/percpu.h>

/**
 * withheld_probe() - try the registers of what @id has
 * @id: this CPU's, as the hardware has them
 *
 * On each CPU that comes from firmware, at EL2 with its vectors in place, before the host's or a
 * guest's controls are written. ELR_EL2, SPSR_EL2, ESR_EL2 and FAR_EL2 are lost.
 *
 * Return: a set, for withheld_clear() and withheld_name().
 */
u32 withheld_probe(const struct cpu_id_regs *id);

/* Without the features of a set. */
void withheld_clear(struct cpu_id_regs *id, u32 withheld);

/* The register of the first in a set that is not empty. */
const char *withheld_name(u32 withheld);

/* This CPU's, without what EL3 keeps of it: what to use from withheld_probe() on. */
static inline void cpu_read_id_regs(struct cpu_id_regs *id)
{
	read_id_regs(id);
	withheld_clear(id, this_cpu()->withheld);
}

#endif
