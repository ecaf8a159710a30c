// SPDX-License-Identifier: BSD-2-Clause
/* Finding the function that contains an address. */
#include <lib/ksyms.h>

/* How many functions start at or before @offset. */
static u32 starts_up_to(const struct ksyms *syms, u64 offset)
{
	u32 lo = 0, hi = syms->count;

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;

		if (syms->offsets[mid] <= offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const char *ksyms_lookup(const struct ksyms *syms, u64 offset, u64 *into)
{
	u32 starts = starts_up_to(syms, offset);

	if (!starts)
		return NULL;
	*into = offset - syms->offsets[starts - 1];
	return syms->names + syms->name_offsets[starts - 1];
}
