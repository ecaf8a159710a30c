/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The steps by which a fault and the kernel's invalidations meet, and no more: keel.h includes them,
 * and tests/unit/test_watch_steps.c has them run in every order.
 *
 * A fault reads the sequence, looks the process's page up, takes mem_lock, and maps the page if the
 * sequence has not changed. The kernel calls the watch, changes the process's page tables once that
 * has returned, and ends the invalidation.
 */
#ifndef KEEL_WATCH_STEPS_H
#define KEEL_WATCH_STEPS_H

/*
 * The sequence to read before the process's page tables. May sleep. A sequence at which no
 * invalidation was in progress is valid until the next invalidation.
 */
static inline unsigned long keel_watch_sequence(struct keel_watch *watch)
{
	unsigned long sequence = READ_ONCE(watch->calm);

	if (likely(!mmu_interval_check_retry(&watch->notifier, sequence)))
		return sequence;
	sequence = mmu_interval_read_begin(&watch->notifier);
	WRITE_ONCE(watch->calm, sequence);
	return sequence;
}

/* Under mem_lock: whether the process may have lost what was found since keel_watch_sequence(). */
static inline bool keel_watch_changed(struct keel_watch *watch, unsigned long sequence)
{
	return mmu_interval_read_retry(&watch->notifier, sequence);
}

/*
 * Take gfns from @gfn up to @end from the guest, before the kernel takes them from the process. False:
 * this would have to wait, and must not.
 *
 * Each hold of mem_lock, for which faults elsewhere wait, is for a bounded part of the range. No
 * fault maps again a part that was taken: if it began before, it finds at its commit under mem_lock
 * that the sequence has changed; if it begins later, keel_watch_sequence() waits for the end of
 * this invalidation. The first hold sets the sequence, and the others set the same one.
 */
static inline bool keel_watch_take(struct keel_watch *watch, u64 gfn, u64 end,
				   unsigned long sequence, bool may_wait)
{
	u64 count;

	for (; gfn < end; gfn += count) {
		if (may_wait)
			mutex_lock(&watch->vm->mem_lock);
		else if (!mutex_trylock(&watch->vm->mem_lock))
			return false;
		mmu_interval_set_seq(&watch->notifier, sequence);
		count = min(KEEL_TAKE_PAGES, end - gfn);
		keel_take(watch->vm, gfn, gfn + count - 1);
		mutex_unlock(&watch->vm->mem_lock);
	}
	return true;
}

#endif
