/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A CPU's profiling unit: what its ID registers say, and its registers as EL2 moves them about.
 *
 * The profiling buffer's owner is EL1 at all times (MDCR_EL2.E2PB; host_cpu.c, vm/guest_traps.c),
 * so EL2 itself is never sampled (StatisticalProfilingEnabled() in J1.1.1), and all that the unit
 * may still have to do there is to write what it sampled at EL1 and EL0.
 *
 * What reads or writes registers is for a CPU that has a unit which EL3 has given away
 * (struct spe_unit_id.version is not 0); elsewhere they are UNDEFINED or trap to EL3.
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
 * This CPU's. Before it runs the host, or again after it was off: PMSEVFR_EL1, whose value is
 * UNKNOWN then, is written to see which bits it has.
 */
void spe_unit_identify(struct spe_unit_id *id);

/*
 * @all becomes what both have; .version 0 if they have too little in common for a vCPU to move
 * between them.
 */
void spe_unit_merge(struct spe_unit_id *all, const struct spe_unit_id *one);

/* Whether a CPU has all that @all says. */
bool spe_unit_covers(const struct spe_unit_id *one, const struct spe_unit_id *all);

/*
 * Until all that was sampled is written, and PMBPTR_EL1, PMBSR_EL1 and PMSICR_EL1 can be read
 * (D17.7; PSB CSYNC in C6.2.260). EL1's translation must be in place.
 */
void spe_unit_drain(void);

/* The buffer is off when this returns, and can be given to somebody else. Drained before. */
void spe_unit_disable(void);

/* PMBLIMITR_EL1, as the last of all that the buffer depends on: that is written before the call. */
void spe_unit_enable(u64 pmblimitr);

/*
 * All registers but PMBLIMITR_EL1, out of a unit that is off and into it. @inverse: PMSNEVFR_EL1 is
 * there (FEAT_SPEv1p2).
 */
void spe_unit_save(struct spe_regs *regs, bool inverse);
void spe_unit_load(const struct spe_regs *regs, bool inverse);

#endif
