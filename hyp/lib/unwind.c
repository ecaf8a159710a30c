// SPDX-License-Identifier: BSD-2-Clause
/* Stack walking, as far as a possibly corrupt stack allows. */
#include <lib/unwind.h>

/* AAPCS64 6.4.6: what x29 points to. */
struct frame_record {
	u64 fp;
	u64 lr;
};

static bool record_in_stack(u64 fp, u64 lo, u64 hi)
{
	return IS_ALIGNED(fp, sizeof(u64)) && fp >= lo && fp < hi &&
	       hi - fp >= sizeof(struct frame_record);
}

bool unwind_step(struct unwind_frame *f, u64 lo, u64 hi)
{
	if (!f->fp || !record_in_stack(f->fp, lo, hi))
		return false;

	const struct frame_record *record = (const struct frame_record *)(uintptr_t)f->fp;
	u64 fp = READ_ONCE(record->fp);
	u64 pc = READ_ONCE(record->lr);

	/* The outermost function has nowhere to return to. */
	if (!pc)
		return false;
	f->pc = pc;
	f->fp = fp > f->fp ? fp : 0;
	return true;
}
