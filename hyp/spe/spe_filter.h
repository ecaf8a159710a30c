/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which samples become records: PMSFCR_EL1 and the filters that it enables (ARM DDI 0487, D17.5;
 * SPECollectRecord() in J1.1.1). Pure functions.
 */
#ifndef KEEL_SPE_SPE_FILTER_H
#define KEEL_SPE_SPE_FILTER_H

#include <spe/spe_regs.h>

/*
 * The types of an operation for the type filter; an atomic that returns a value is load and store.
 */
#define SPE_OP_BRANCH BIT(0)
#define SPE_OP_LOAD   BIT(1)
#define SPE_OP_STORE  BIT(2)

/**
 * spe_filter_keep() - whether a sample is recorded
 * @events:  bits of the Events packet, SPE_EVENT_*
 * @ops:     SPE_OP_*, or 0 for any other operation
 * @latency: total latency in cycles
 *
 * All enabled filters must accept it. A filter that is enabled with nothing selected, which is
 * CONSTRAINED UNPREDICTABLE, rejects nothing; an event that both event filters select rejects all
 * samples.
 */
bool spe_filter_keep(const struct spe_regs *regs, u64 events, u64 ops, u32 latency);

/*
 * The total latency to report in the emulation, which cannot measure it: 1, or, with the latency
 * filter enabled, the minimum of PMSLATFR_EL1, so that no sample is rejected for an unknown
 * latency.
 */
static inline u32 spe_filter_unknown_latency(const struct spe_regs *regs)
{
	if (!(regs->pmsfcr & PMSFCR_FL))
		return 1;
	return (u32)MAX(FIELD_GET(PMSLATFR_MINLAT, regs->pmslatfr), 1);
}

/* Whether no filter is enabled, so that spe_filter_keep() is always true. */
static inline bool spe_filter_none(const struct spe_regs *regs)
{
	return !(regs->pmsfcr & (PMSFCR_FE | PMSFCR_FNE | PMSFCR_FT | PMSFCR_FL));
}

#endif
