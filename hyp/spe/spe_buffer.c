// SPDX-License-Identifier: BSD-2-Clause
/* The profiling buffer. See spe_buffer.h. */
#include <lib/esr.h>
#include <spe/spe_buffer.h>

/* A management event; COLL, EA and DL are sticky (OtherSPEManagementEvent() in J1.1.1). */
static void management_event(struct spe_regs *regs, u32 ec, u32 mss)
{
	if (spe_irq(regs))
		return;
	regs->pmbsr &= ~(PMBSR_EC | PMBSR_MSS);
	regs->pmbsr |= FIELD_PREP(PMBSR_EC, ec) | FIELD_PREP(PMBSR_MSS, mss) | PMBSR_S;
}

static bool buffer_discards(const struct spe_regs *regs)
{
	return FIELD_GET(PMBLIMITR_FM, regs->pmblimitr) == PMBLIMITR_FM_DISCARD;
}

enum spe_place spe_buffer_place(struct spe_regs *regs, u64 *va)
{
	if (!spe_buffer_enabled(regs))
		return SPE_PLACE_OFF;
	if (buffer_discards(regs))
		return SPE_PLACE_DISCARD;
	if (!spe_buffer_fits(regs)) {
		spe_buffer_full(regs);
		return SPE_PLACE_OFF;
	}
	*va = regs->pmbptr;
	return SPE_PLACE_WRITE;
}

void spe_buffer_full(struct spe_regs *regs)
{
	management_event(regs, PMBSR_EC_OTHER, PMBSR_BSC_FULL);
}

/* FSC: external aborts, on the access and on a walk at any level. */
static bool is_external_fault(u32 fsc)
{
	return fsc == ESR_FSC_EXTABT || (fsc & ~3U) == ESR_FSC_EXTABT_WALK ||
	       fsc == ESR_FSC_EXTABT_WALK_M1 || fsc == ESR_FSC_EXTABT_WALK_M2;
}

void spe_buffer_fault(struct spe_regs *regs, unsigned int stage, u32 fsc)
{
	if (spe_irq(regs))
		return;
	management_event(regs, stage == 2 ? PMBSR_EC_S2 : PMBSR_EC_S1, fsc);
	if (is_external_fault(fsc))
		regs->pmbsr |= PMBSR_EA;
}

void spe_buffer_abort(struct spe_regs *regs)
{
	spe_buffer_fault(regs, 1, ESR_FSC_EXTABT);
}
