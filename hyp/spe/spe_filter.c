// SPDX-License-Identifier: BSD-2-Clause
/* SPE's sample filters. See spe_filter.h. */
#include <spe/spe_filter.h>

/* SPEFilterByEvents(): all events that PMSEVFR_EL1 selects have occurred. */
static bool events_pass(const struct spe_regs *regs, u64 events)
{
	u64 wanted = regs->pmsevfr & spe_events_filtered(regs);

	return !(regs->pmsfcr & PMSFCR_FE) || !(wanted & ~events);
}

/* No event that PMSNEVFR_EL1 selects has occurred. */
static bool inverse_events_pass(const struct spe_regs *regs, u64 events)
{
	u64 unwanted = regs->pmsnevfr & spe_events_filtered(regs);

	return !(regs->pmsfcr & PMSFCR_FNE) || !(unwanted & events);
}

STATIC_ASSERT(SPE_OP_BRANCH == PMSFCR_B >> 16 && SPE_OP_LOAD == PMSFCR_LD >> 16 &&
		      SPE_OP_STORE == PMSFCR_ST >> 16,
	      "SPE_OP_* are in the order of PMSFCR_EL1.TYPE");

static bool type_passes(const struct spe_regs *regs, u64 ops)
{
	u64 wanted = (regs->pmsfcr & (PMSFCR_B | PMSFCR_LD | PMSFCR_ST)) >> 16;

	return !(regs->pmsfcr & PMSFCR_FT) || !wanted || (wanted & ops);
}

static bool latency_passes(const struct spe_regs *regs, u32 latency)
{
	return !(regs->pmsfcr & PMSFCR_FL) || latency >= FIELD_GET(PMSLATFR_MINLAT, regs->pmslatfr);
}

bool spe_filter_keep(const struct spe_regs *regs, u64 events, u64 ops, u32 latency)
{
	return events_pass(regs, events) && inverse_events_pass(regs, events) &&
	       type_passes(regs, ops) && latency_passes(regs, latency);
}
