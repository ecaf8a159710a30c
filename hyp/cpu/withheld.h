/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What EL3 withholds from EL2. Firmware has to enable the registers of most features for lower
 * Exception levels. Firmware that is older than the CPU does not, and only an access shows that. So
 * each CPU tries the registers before anything depends on them. A feature that is withheld counts
 * as absent from then on, for EL2, the host and guests: it is cleared in the ID registers as Keel
 * reads them. docs/cpu-features.md.
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

/* The name of the first register in a set, which must not be empty. */
const char *withheld_name(u32 withheld);

/* This CPU's ID registers without what EL3 withholds. To be used from withheld_probe() on. */
static inline void cpu_read_id_regs(struct cpu_id_regs *id)
{
	read_id_regs(id);
	withheld_clear(id, this_cpu()->withheld);
}

#endif
