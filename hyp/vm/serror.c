// SPDX-License-Identifier: BSD-2-Clause
/* Who takes an SError: see serror.h. */
#include <lib/esr.h>
#include <vm/serror.h>

/* ESR_EL2.AET. The values that are not here are reserved: the host's. */
static const u8 owner_by_aet[8] = {
	[0] = SERROR_HOST,   /* UC: uncontainable */
	[1] = SERROR_GUEST,  /* UEU: unrecoverable */
	[2] = SERROR_NOBODY, /* UEO: restartable */
	[3] = SERROR_GUEST,  /* UER: recoverable */
	[6] = SERROR_NOBODY, /* CE: corrected */
};

enum serror_owner serror_owner(u64 esr, bool ras)
{
	if (!ras || (esr & ESR_SERROR_IDS))
		return SERROR_GUEST;
	if (esr_fsc(esr) != ESR_FSC_SERROR)
		return SERROR_HOST; /* uncategorized: AET says nothing */
	return (enum serror_owner)owner_by_aet[FIELD_GET(ESR_SERROR_AET, esr)];
}

/* ESR_EL2.SET: which of them are contained. */
static const bool contained_by_set[4] = {
	[0] = true,  /* UER: recoverable */
	[2] = false, /* UC: uncontainable */
	[3] = true,  /* UEO: restartable */
};

bool abort_is_contained(u64 esr, bool ras)
{
	return !ras || esr_fsc(esr) != ESR_FSC_EXTABT || contained_by_set[FIELD_GET(ESR_SET, esr)];
}

u64 serror_esr_uncontained(void)
{
	return FIELD_PREP(ESR_EC, ESR_EC_SERROR) | ESR_IL | ESR_FSC_SERROR; /* AET is 0: UC */
}

u64 serror_esr_of_disr(u64 disr)
{
	u64 iss = disr & (disr & ESR_SERROR_IDS ? ESR_ISS : DISR_ISS);

	return FIELD_PREP(ESR_EC, ESR_EC_SERROR) | ESR_IL | iss;
}
