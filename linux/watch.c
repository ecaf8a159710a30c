// SPDX-License-Identifier: GPL-2.0
/*
 * What the process does with a slot's memory. A watch is an interval notifier on the slot's
 * addresses. Before the kernel removes a page from there, or write access to it, invalidate_watch()
 * unmaps it from the guest and drops its entry. A fault that maps memory at the same time sees by the
 * sequence of the watch that what it has found may be out of date.
 *
 * invalidate_watch() runs with locks of the kernel held: mmap_lock, those of reverse mappings, a
 * folio's; and in reclaim. So it takes mem_lock only. Under mem_lock no allocation may start
 * reclaim, no folio is locked, and none of these locks is taken. docs/module.md has the details.
 */
#include <linux/slab.h>

#include "keel.h"

static u64 gfn_of(const struct keel_watch *watch, unsigned long hva)
{
	return watch->gfn + ((hva - watch->notifier.interval_tree.start) >> PAGE_SHIFT);
}

static bool invalidate_watch(struct mmu_interval_notifier *notifier,
			     const struct mmu_notifier_range *range, unsigned long sequence)
{
	struct keel_watch *watch = container_of(notifier, struct keel_watch, notifier);
	unsigned long first = max(range->start, notifier->interval_tree.start);
	unsigned long last = min(range->end - 1, notifier->interval_tree.last);
	bool may_wait = mmu_notifier_range_blockable(range);

	if (may_wait)
		keel_inject_invalidate();
	return keel_watch_take(watch, gfn_of(watch, first), gfn_of(watch, last) + 1, sequence,
			       may_wait);
}

static const struct mmu_interval_notifier_ops ops = {
	.invalidate = invalidate_watch,
};

struct keel_watch *keel_watch_begin(struct keel_vm *vm, const struct keel_slot *slot)
{
	struct keel_watch *watch = kzalloc(sizeof(*watch), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!watch)
		return ERR_PTR(-ENOMEM);
	watch->vm = vm;
	watch->gfn = slot->gfn;
	refcount_set(&watch->users, 1);
	ret = mmu_interval_notifier_insert(&watch->notifier, vm->mm, slot->hva,
					   slot->npages << PAGE_SHIFT, &ops);
	if (!ret)
		return watch;
	kfree(watch);
	return ERR_PTR(ret);
}

void keel_watch_end(struct keel_watch *watch)
{
	if (watch->gmem)
		keel_gmem_unwatch(watch);
	else
		mmu_interval_notifier_remove(&watch->notifier);
	keel_watch_put(watch);
}
