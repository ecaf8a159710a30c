// SPDX-License-Identifier: GPL-2.0
/*
 * What the process does with its memory. A VM has one notifier, its watch. Before the kernel removes
 * a page from the process, or write access to it, begin_invalidation() unmaps it from the guest and
 * drops its entry. A fault that maps memory at the same time sees by the watch that what it has found
 * may be out of date.
 *
 * begin_invalidation() runs with locks of the kernel held: mmap_lock, those of reverse mappings, a
 * folio's; and in reclaim. So it takes mem_lock, and the watch's own spinlock, which is innermost.
 * Under mem_lock no allocation may start reclaim, no folio is locked, and none of these locks is
 * taken. docs/module.md has the details.
 *
 * A notifier that is told of the end of an invalidation cannot refuse its beginning. The
 * out-of-memory reaper, which may not sleep, waits for mem_lock as well: whoever has it waits for
 * nothing that depends on memory, and will give it back.
 */
#include <linux/slab.h>

#include "keel.h"

static struct keel_vm *vm_of(struct mmu_notifier *notifier)
{
	return container_of(notifier, struct keel_vm, watch.notifier);
}

static int begin_invalidation(struct mmu_notifier *notifier, const struct mmu_notifier_range *range)
{
	struct keel_vm *vm = vm_of(notifier);

	keel_watch_enter(&vm->watch, range->start, range->end);
	if (!keel_watch_has_memory(vm, range->start, range->end))
		return 0;
	if (mmu_notifier_range_blockable(range))
		keel_inject_invalidate();
	keel_watch_take(vm, range->start, range->end);
	return 0;
}

/* What slots do not have any more, faults find by the slots' generation. */
static void end_invalidation(struct mmu_notifier *notifier, const struct mmu_notifier_range *range)
{
	struct keel_vm *vm = vm_of(notifier);

	keel_watch_leave(&vm->watch, keel_watch_has_memory(vm, range->start, range->end));
}

/*
 * Whether the guest uses some of the range. Reclaim asks, with spinlocks held, so this takes no lock
 * but RCU's: it changes neither the record nor what is mapped.
 */
static int ask_young(struct mmu_notifier *notifier, unsigned long start, unsigned long end, u64 how)
{
	struct keel_vm *vm = vm_of(notifier);
	u64 gfn = 0, count;
	bool young = false;

	rcu_read_lock();
	for (; keel_slots_part(vm, start, end, &gfn, &count); gfn += count)
		young |= keel_is_young(vm, gfn, count, how);
	rcu_read_unlock();
	return young;
}

/* As KVM, without a TLB invalidation: what a TLB has still is found to be young the next time. */
static int test_and_clear_young(struct mmu_notifier *notifier, struct mm_struct *mm,
				unsigned long start, unsigned long end)
{
	return ask_young(notifier, start, end, KEEL_YOUNG_CLEAR);
}

static int test_young(struct mmu_notifier *notifier, struct mm_struct *mm, unsigned long address)
{
	return ask_young(notifier, address, address + 1, KEEL_YOUNG_TEST);
}

/* The process ends, or the notifier does, which finds that the VM has ended. */
static void leave_process(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	keel_vm_leave(vm_of(notifier));
}

static const struct mmu_notifier_ops ops = {
	.release = leave_process,
	.invalidate_range_start = begin_invalidation,
	.invalidate_range_end = end_invalidation,
	.clear_flush_young = test_and_clear_young,
	.clear_young = test_and_clear_young,
	.test_young = test_young,
};

void keel_watch_init(struct keel_watch *watch)
{
	spin_lock_init(&watch->lock);
	init_waitqueue_head(&watch->calm);
	watch->notifier.ops = &ops;
}

void keel_watch_change(struct keel_watch *watch)
{
	spin_lock(&watch->lock);
	WRITE_ONCE(watch->sequence, watch->sequence + 1);
	spin_unlock(&watch->lock);
}

int keel_watch_begin(struct keel_vm *vm)
{
	int ret = mmu_notifier_register(&vm->watch.notifier, vm->mm);

	vm->watch.begun = !ret;
	return ret;
}

void keel_watch_end(struct keel_vm *vm)
{
	if (vm->watch.begun)
		mmu_notifier_unregister(&vm->watch.notifier, vm->mm);
}
