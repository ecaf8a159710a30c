/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The steps by which a fault and the kernel's invalidations meet, and no more: keel.h includes them,
 * and tests/unit/test_watch_steps.c has them run in every order.
 *
 * A fault reads the sequence, looks the process's page up, takes mem_lock, and maps the page unless
 * the watch has changed. The kernel calls the watch, which enters the range and takes its memory
 * from the guest; changes the process's page tables; and calls the watch again, which leaves.
 */
#ifndef KEEL_WATCH_STEPS_H
#define KEEL_WATCH_STEPS_H

/* Whether an invalidation is under way of some of the process's memory from @hva up to @end. */
static inline bool keel_watch_is_busy(struct keel_watch *watch, unsigned long hva,
				      unsigned long end)
{
	bool busy;

	if (likely(!smp_load_acquire(&watch->active)))
		return false;
	spin_lock(&watch->lock);
	busy = watch->active && hva < watch->end && end > watch->start;
	spin_unlock(&watch->lock);
	return busy;
}

/* The sequence to read before the process's page tables at @hva. May sleep. */
static inline unsigned long keel_watch_sequence(struct keel_watch *watch, unsigned long hva,
						unsigned long end)
{
	if (unlikely(keel_watch_is_busy(watch, hva, end)))
		wait_event(watch->calm, !keel_watch_is_busy(watch, hva, end));
	return smp_load_acquire(&watch->sequence);
}

/*
 * Under mem_lock: whether the process may have lost some of its memory from @hva up to @end since
 * keel_watch_sequence(). In this order, the reverse of keel_watch_leave()'s: an invalidation that is
 * not under way any more has changed the sequence.
 */
static inline bool keel_watch_changed(struct keel_watch *watch, unsigned long hva,
				      unsigned long end, unsigned long sequence)
{
	return keel_watch_is_busy(watch, hva, end) || READ_ONCE(watch->sequence) != sequence;
}

/*
 * Before the slots are looked at: a slot that is added later cannot be found by a fault that does not
 * see this. Of several invalidations the range is what contains all.
 */
static inline void keel_watch_enter(struct keel_watch *watch, unsigned long start,
				    unsigned long end)
{
	spin_lock(&watch->lock);
	watch->start = watch->active ? min(watch->start, start) : start;
	watch->end = watch->active ? max(watch->end, end) : end;
	WRITE_ONCE(watch->active, watch->active + 1);
	spin_unlock(&watch->lock);
	smp_mb();
}

/* Between keel_watch_enter() and keel_watch_leave(): whether a slot has some of the range. */
static inline bool keel_watch_has_memory(struct keel_vm *vm, unsigned long start, unsigned long end)
{
	u64 gfn = 0, count;
	bool ret;

	rcu_read_lock();
	ret = keel_slots_part(vm, start, end, &gfn, &count);
	rcu_read_unlock();
	return ret;
}

/* @changed: there may be memory of the VM in the range. */
static inline void keel_watch_leave(struct keel_watch *watch, bool changed)
{
	spin_lock(&watch->lock);
	if (changed)
		WRITE_ONCE(watch->sequence, watch->sequence + 1);
	smp_store_release(&watch->active, watch->active - 1);
	spin_unlock(&watch->lock);
	if (wq_has_sleeper(&watch->calm))
		wake_up_all(&watch->calm);
}

/*
 * Take from the guest what it has of the process's memory from @start up to @end, after
 * keel_watch_enter(), and before the kernel takes it from the process.
 *
 * Each hold of mem_lock, for which faults elsewhere wait, is for a bounded part. No fault maps again
 * a part that was taken: if it began before keel_watch_leave(), it finds at its commit under
 * mem_lock that this invalidation is under way, or that the sequence has changed. Guest addresses
 * only go up; so this ends, however slots come and go.
 */
static inline void keel_watch_take(struct keel_vm *vm, unsigned long start, unsigned long end)
{
	u64 gfn = 0, count;
	bool more = true;

	while (more) {
		mutex_lock(&vm->mem_lock);
		if (keel_slots_part(vm, start, end, &gfn, &count)) {
			count = min(KEEL_TAKE_PAGES, count);
			keel_take(vm, gfn, gfn + count - 1);
			gfn += count;
		}
		more = keel_slots_part(vm, start, end, &gfn, &count);
		mutex_unlock(&vm->mem_lock);
	}
}

#endif
