/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A CPU's profiling unit: its ID registers, and saving and loading its other registers.
 *
 * The profiling buffer's owner is EL1 at all times (MDCR_EL2.E2PB; host_cpu.c, vm/guest_traps.c),
 * so EL2 itself is never sampled (StatisticalProfilingEnabled() in J1.1.1). The unit may only still
 * be writing records of EL1 and EL0 while EL2 runs.
 *
 * Functions that access registers are for CPUs with a unit that EL3 does not withhold
 * (struct spe_unit_id.version is not 0); elsewhere the registers are UNDEFINED or trap to EL3.
 */
#ifndef KEEL_CPU_SPE_UNIT_H
#define KEEL_CPU_SPE_UNIT_H

#include <cpu/spe_fields.h>

/**
 * struct spe_unit_id - what a CPU, or what every CPU of the machine, has
 * @version: ID_AA64DFR0_EL1.PMSVer; 0 where there is no unit that Keel may use
 * @pmsidr:  PMSIDR_EL1
 * @pmbidr:  PMBIDR_EL1
 * @events:  bits of PMSEVFR_EL1 that are there: events to filter on
 */
struct spe_unit_id {
	unsigned int version;
	u64 pmsidr, pmbidr, events;
};

/*
 * Identify this CPU's unit. To be called before the CPU runs the host: it writes PMSEVFR_EL1 to see
 * which bits it has.
 */
void spe_unit_identify(struct spe_unit_id *id);

/*
 * Reduce @all to what both have; to version 0 if a vCPU could not move between the two CPUs.
 */
void spe_unit_merge(struct spe_unit_id *all, const struct spe_unit_id *one);

/* Whether a CPU has everything that @all has. */
bool spe_unit_covers(const struct spe_unit_id *one, const struct spe_unit_id *all);

/*
 * Wait until all records are written, and PMBPTR_EL1, PMBSR_EL1 and PMSICR_EL1 can be read (D17.7;
 * PSB CSYNC in C6.2.260). EL1's translation registers must be those of the buffer's owner.
 */
void spe_unit_drain(void);

/* Disable the buffer, after it was drained. When this returns, another owner can have it. */
void spe_unit_disable(void);

/* Write PMBLIMITR_EL1, after everything else that the buffer depends on has been written. */
void spe_unit_enable(u64 pmblimitr);

/*
 * Save and load all registers but PMBLIMITR_EL1, while the unit is off. @inverse: there is
 * PMSNEVFR_EL1 (FEAT_SPEv1p2).
 */
void spe_unit_save(struct spe_regs *regs, bool inverse);
void spe_unit_load(const struct spe_regs *regs, bool inverse);

#endif
