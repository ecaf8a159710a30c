/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The steps by which a slot goes, and how the kernel's invalidations find its memory until it has been
 * taken from the guest. No more: slots.c includes them, and tests/unit/test_watch_steps.c has them
 * run with those of watch_steps.h in every order.
 */
#ifndef KEEL_SLOT_STEPS_H
#define KEEL_SLOT_STEPS_H

#include "slot_table.h"

/*
 * keel_slots_part() in a table of slots. Of a slot that is being withdrawn, too: until its memory
 * has been taken the guest has it, and the kernel must not have it back. Parts come in the order of
 * guest addresses, whichever slot has them, as the caller goes on from the end of the last.
 */
static inline bool keel_part_in_slots(const struct keel_slots *slots, unsigned long start,
				      unsigned long end, u64 *gfn, u64 *npages)
{
	u64 at = *gfn, count;
	bool found = keel_table_part(slots, start, end, gfn, npages);

	if (likely(!smp_load_acquire(&slots->is_leaving)) ||
	    !keel_part_in_slot(&slots->leaving, start, end, &at, &count) || (found && at > *gfn))
		return found;
	*gfn = at;
	*npages = count;
	return true;
}

/* Under slots_lock: @new is the VM's table from then on, with a new generation. Takes mem_lock. */
static void replace_slots(struct keel_vm *vm, struct keel_slots *new);

/*
 * Replace the slots by @without, which lacks @slot, so that no fault maps more of its memory; then
 * take its memory. Invalidations find it until then: an entry has no reference to its page.
 * Afterwards @without->leaving is the copy of it that is left.
 */
static inline void keel_slot_withdraw(struct keel_vm *vm, const struct keel_slot *slot,
				      struct keel_slots *without)
{
	without->leaving = *slot;
	without->is_leaving = true;
	replace_slots(vm, without);
	keel_take_all(vm, without->leaving.gfn, without->leaving.npages);
	smp_store_release(&without->is_leaving, false);
}

#endif
