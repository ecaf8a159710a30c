// SPDX-License-Identifier: BSD-2-Clause
/* The exception table. See extable.h. */
#include <cpu/extable.h>
#include <lib/esr.h>

static u64 row_target(const s32 *distance)
{
	return (u64)(uintptr_t)distance + (u64)(s64)*distance;
}

/* Translation, access flag, permission and alignment faults are bugs of EL2 itself. */
static bool is_own_mistake(u64 esr)
{
	switch (esr & ESR_FSC_TYPE) {
	case ESR_FSC_ADDRESS_SIZE:
	case ESR_FSC_TRANSLATION:
	case ESR_FSC_ACCESS_FLAG:
	case ESR_FSC_PERMISSION:
		return true;
	default:
		return esr_fsc(esr) == ESR_FSC_ALIGNMENT || esr_fsc(esr) == ESR_FSC_TRANSLATION_M1;
	}
}

/*
 * If firmware withholds a register, EL2's access is UNDEFINED or traps; for FFR, in Streaming SVE
 * mode, it is the trap of SME.
 */
static bool is_undefined(u64 esr)
{
	return esr_ec(esr) == ESR_EC_UNKNOWN || esr_ec(esr) == ESR_EC_SYS64 ||
	       esr_ec(esr) == ESR_EC_SME;
}

/* EL2 unmasks SErrors at one place only, which is in the table (arch/serror.h). */
static bool may_be_expected(u64 esr)
{
	if (esr_ec(esr) == ESR_EC_SERROR)
		return true;
	if (is_undefined(esr))
		return true;
	return esr_ec(esr) == ESR_EC_DABT_CUR && ((esr & ESR_CM) || !is_own_mistake(esr));
}

bool extable_fixup(const struct extable_row *rows, size_t n, u64 esr, u64 pc, u64 *out)
{
	if (!may_be_expected(esr))
		return false;
	for (size_t i = 0; i < n; i++) {
		u64 fixup = row_target(&rows[i].fixup);

		if (pc < row_target(&rows[i].from) || pc >= row_target(&rows[i].to) ||
		    is_undefined(esr) != ((fixup & EXTABLE_UNDEF) != 0))
			continue;
		*out = fixup & ~(u64)EXTABLE_UNDEF;
		return true;
	}
	return false;
}
