// SPDX-License-Identifier: BSD-2-Clause
/* Exceptions that EL2 makes EL1 take. */
#include <arch/reg_bits.h>
#include <cpu/inject.h>
#include <lib/esr.h>

/* D1.3.1.5: offsets of the synchronous vector, by where the exception comes from */
#define VECTOR_EL1t    0x000
#define VECTOR_EL1h    0x200
#define VECTOR_EL0_A64 0x400
#define VECTOR_EL0_A32 0x600

static u64 sync_vector(u64 spsr)
{
	if (spsr & PSR_MODE32)
		return VECTOR_EL0_A32;
	switch (spsr & PSR_MODE_MASK) {
	case PSR_MODE_EL0t:
		return VECTOR_EL0_A64;
	case PSR_MODE_EL1t:
		return VECTOR_EL1t;
	default:
		return VECTOR_EL1h;
	}
}

struct el1_entry el1_exception_entry(u64 spsr, u64 sctlr, const struct pstate_features *has)
{
	/* NZCV and DIT stay; SS, IL, UAO and BTYPE become 0. */
	u64 pstate = PSR_MODE_EL1h | PSR_DAIF | (spsr & (PSR_NZCV | PSR_DIT));

	if (has->pan)
		pstate |= (spsr & PSR_PAN) | (sctlr & SCTLR_EL1_SPAN ? 0 : PSR_PAN);
	if (has->ssbs && (sctlr & SCTLR_EL1_DSSBS))
		pstate |= PSR_SSBS;
	if (has->mte)
		pstate |= PSR_TCO;
	if (has->nmi && !(sctlr & SCTLR_EL1_SPINTMASK)) /* whether or not SCTLR_EL1.NMI is 1 */
		pstate |= PSR_ALLINT;
	return (struct el1_entry){ .vector = sync_vector(spsr), .pstate = pstate };
}

/* If @esr is an external abort already, its status has the level, and whether FAR is valid. */
static u64 external_abort_iss(u64 esr)
{
	u64 fsc = esr_fsc(esr);

	if (fsc == ESR_FSC_EXTABT)
		return esr & (ESR_FSC | ESR_FNV | ESR_EA);
	if (esr_fsc_is_external(fsc) && !(esr & ESR_S1PTW))
		return esr & (ESR_FSC | ESR_EA);
	return esr & ESR_S1PTW ? ESR_FSC_EXTABT_WALK : ESR_FSC_EXTABT;
}

u64 el1_external_abort_esr(u64 esr, u64 spsr)
{
	bool from_el0 = (spsr & PSR_MODE32) || (spsr & PSR_MODE_MASK) == PSR_MODE_EL0t;
	bool data = esr_ec(esr) == ESR_EC_DABT_LOWER;
	u64 ec, iss = external_abort_iss(esr);

	if (data)
		ec = from_el0 ? ESR_EC_DABT_LOWER : ESR_EC_DABT_CUR;
	else
		ec = from_el0 ? ESR_EC_IABT_LOWER : ESR_EC_IABT_CUR;
	return FIELD_PREP(ESR_EC, ec) | ESR_IL | (data ? esr & (ESR_WNR | ESR_CM) : 0) | iss;
}

u64 el1_refusal_esr(u64 esr, u64 spsr)
{
	u64 abort = el1_external_abort_esr(esr, spsr);

	if (esr_ec(esr) != ESR_EC_DABT_LOWER || (esr & ESR_S1PTW))
		return abort;
	return (abort & ~ESR_FSC) | ESR_FSC_ALIGNMENT;
}

u64 el1_undef_esr(void)
{
	return FIELD_PREP(ESR_EC, ESR_EC_UNKNOWN) | ESR_IL;
}
