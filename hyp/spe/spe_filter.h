/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which samples become records: PMSFCR_EL1 and the filters that it turns on (ARM DDI 0487, D17.5;
 * SPECollectRecord() in J1.1.1). Values to values.
 */
#ifndef KEEL_SPE_SPE_FILTER_H
#define KEEL_SPE_SPE_FILTER_H

#include <spe/spe_regs.h>

/* What a sampled operation is to the type filter; an atomic that returns a value is both. */
#define SPE_OP_BRANCH BIT(0)
#define SPE_OP_LOAD   BIT(1)
#define SPE_OP_STORE  BIT(2)

/**
 * spe_filter_keep() - whether a sample is recorded
 * @events:  bits of the Events packet, SPE_EVENT_*
 * @ops:     SPE_OP_*, or 0 for any other operation
 * @latency: total latency in cycles
 *
 * The enabled filters must all agree. A filter that is enabled with nothing to filter on, which is
 * CONSTRAINED UNPREDICTABLE, rejects nothing; an event that both event filters name lets no sample
 * through.
 */
bool spe_filter_keep(const struct spe_regs *regs, u64 events, u64 ops, u32 latency);

/*
 * The total latency to report where none can be measured, as in emulation: 1, or what
 * PMSLATFR_EL1 asks for where the latency filter is on, so that it does not reject samples for a
 * number that nobody knows.
 */
static inline u32 spe_filter_unknown_latency(const struct spe_regs *regs)
{
	if (!(regs->pmsfcr & PMSFCR_FL))
		return 1;
	return (u32)MAX(FIELD_GET(PMSLATFR_MINLAT, regs->pmslatfr), 1);
}

/* No filter is on: spe_filter_keep() would keep everything. */
static inline bool spe_filter_none(const struct spe_regs *regs)
{
	return !(regs->pmsfcr & (PMSFCR_FE | PMSFCR_FNE | PMSFCR_FT | PMSFCR_FL));
}

#endif
