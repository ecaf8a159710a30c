// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty ring (KVM_CAP_DIRTY_LOG_RING_ACQ_REL): for each vCPU a ring of the pages of logged slots
 * that it has written, which userspace maps. It takes entries from there without a call, marks them
 * as taken, and KVM_RESET_DIRTY_RINGS then takes the permission to write to their pages.
 *
 * Who may write what: an entry with KVM_DIRTY_GFN_F_DIRTY is userspace's, until it sets
 * KVM_DIRTY_GFN_F_RESET; others are this file's. Userspace is not trusted: an entry is looked at
 * only between the two indices, which it cannot write, and each field is read once.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "keel.h"

#define ENTRIES_MAX 65536U /* as KVM: KVM_DIRTY_RING_MAX_ENTRIES */
/* What a run may still write after the ring is found to be full: no more pages than this. */
#define RESERVED 64U
/* Pages whose permission is taken by one call: an aligned group. */
#define GROUP_PAGES 64U

int keel_ring_bytes_max(void)
{
	return ENTRIES_MAX * sizeof(struct kvm_dirty_gfn);
}

/* ---- settings of the VM ---- */

int keel_ring_enable(struct keel_vm *vm, u64 bytes)
{
	int ret = 0;

	if (!is_power_of_2(bytes) || bytes < RESERVED * sizeof(struct kvm_dirty_gfn) ||
	    bytes < PAGE_SIZE)
		return -EINVAL;
	if (bytes > ENTRIES_MAX * sizeof(struct kvm_dirty_gfn))
		return -E2BIG;
	mutex_lock(&vm->lock);
	if (vm->ring_bytes || vm->nr_vcpus)
		ret = -EINVAL;
	else
		WRITE_ONCE(vm->ring_bytes, bytes);
	mutex_unlock(&vm->lock);
	return ret;
}

/* As KVM: before there is a slot, so that every slot has a bitmap when it is logged. */
int keel_ring_enable_bitmap(struct keel_vm *vm)
{
	int ret = -EINVAL;

	mutex_lock(&vm->slots_lock);
	if (READ_ONCE(vm->ring_bytes) && !keel_has_slots(vm)) {
		vm->ring_bitmap = true;
		ret = 0;
	}
	mutex_unlock(&vm->slots_lock);
	return ret;
}

bool keel_logs_bits(const struct keel_vm *vm)
{
	return !READ_ONCE(vm->ring_bytes) || vm->ring_bitmap;
}

/* ---- a vCPU's ring ---- */

int keel_ring_alloc(struct keel_vcpu *vcpu)
{
	u32 bytes = vcpu->vm->ring_bytes;

	if (!bytes)
		return 0;
	vcpu->ring.entry = __vmalloc(bytes, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	vcpu->ring.entries = bytes / sizeof(struct kvm_dirty_gfn);
	return vcpu->ring.entry ? 0 : -ENOMEM;
}

void keel_ring_free(struct keel_vcpu *vcpu)
{
	vfree(vcpu->ring.entry);
}

/* In pages of the mapping of a vCPU's file. */
static bool is_ring_page(const struct keel_vcpu *vcpu, unsigned long pgoff)
{
	return pgoff >= KEEL_RING_PAGE && pgoff - KEEL_RING_PAGE < vcpu->vm->ring_bytes / PAGE_SIZE;
}

struct page *keel_ring_page(const struct keel_vcpu *vcpu, unsigned long pgoff)
{
	if (!is_ring_page(vcpu, pgoff))
		return NULL;
	return vmalloc_to_page((char *)vcpu->ring.entry + (pgoff - KEEL_RING_PAGE) * PAGE_SIZE);
}

bool keel_ring_may_map(const struct keel_vcpu *vcpu, struct vm_area_struct *vma)
{
	if (!is_ring_page(vcpu, vma->vm_pgoff) &&
	    !is_ring_page(vcpu, vma->vm_pgoff + vma_pages(vma) - 1))
		return true;
	return vma->vm_flags & VM_SHARED && !(vma->vm_flags & VM_EXEC);
}

static struct kvm_dirty_gfn *entry_at(const struct keel_ring *ring, u32 index)
{
	return &ring->entry[index & (ring->entries - 1)];
}

/* An index that userspace frees meanwhile makes it less full. */
bool keel_ring_is_full(const struct keel_ring *ring)
{
	return ring->dirty - READ_ONCE(ring->reset) >= ring->entries - RESERVED;
}

/* Release: who sees the flag, or the index, sees the entry. */
static void push_one(struct keel_ring *ring, u32 slot, u64 offset)
{
	struct kvm_dirty_gfn *entry = entry_at(ring, ring->dirty);

	if (WARN_ON_ONCE(ring->dirty - READ_ONCE(ring->reset) >= ring->entries))
		return;
	WRITE_ONCE(entry->slot, slot);
	WRITE_ONCE(entry->offset, offset);
	smp_store_release(&entry->flags, KVM_DIRTY_GFN_F_DIRTY);
	smp_store_release(&ring->dirty, ring->dirty + 1);
}

void keel_ring_push(struct keel_vcpu *vcpu, const struct keel_slot *slot, u64 gfn, u64 npages)
{
	for (u64 i = 0; i < npages; i++)
		push_one(&vcpu->ring, slot->id, gfn - slot->gfn + i);
}

/* ---- KVM_RESET_DIRTY_RINGS; under slots_lock ---- */

/* Pages of a slot that userspace has taken: @first to @last of it, none if @id is no slot's. */
struct group {
	u32 id;
	u64 first, last;
};

#define NO_SLOT U32_MAX

/*
 * A slot may have gone since, and an entry is what userspace says: what is not a page of a logged
 * slot is passed over.
 */
static int protect_group(struct keel_vm *vm, const struct group *group)
{
	struct keel_slot slot;
	int ret;

	if (group->id >= KEEL_SLOTS || !keel_slot_by_id(vm, group->id, &slot) || !slot.dirty ||
	    group->first >= slot.npages)
		return 0;
	mutex_lock(&vm->mem_lock);
	ret = keel_write_protect(vm, slot.gfn + group->first,
				 slot.gfn + min(group->last, slot.npages - 1));
	mutex_unlock(&vm->mem_lock);
	return ret;
}

static bool in_group(const struct group *group, u32 id, u64 offset)
{
	return id == group->id && offset / GROUP_PAGES == group->first / GROUP_PAGES;
}

/* Pages in between that were not taken are protected as well, and fault once more. */
static int add_to_group(struct keel_vm *vm, struct group *group, u32 id, u64 offset)
{
	int ret;

	if (in_group(group, id, offset)) {
		group->first = min(group->first, offset);
		group->last = max(group->last, offset);
		return 0;
	}
	ret = protect_group(vm, group);
	*group = (struct group){ .id = id, .first = offset, .last = offset };
	cond_resched();
	return ret;
}

/*
 * The entry is free before its page is protected: a write in between is in the page when the call
 * returns, and userspace copies the page after that. Only a fatal signal ends this early: QEMU asserts
 * that all entries it has marked are reset.
 */
static int reset_ring(struct keel_vm *vm, struct keel_ring *ring, struct group *group, int *count)
{
	u32 end = smp_load_acquire(&ring->dirty);
	int ret = 0;

	while (!ret && ring->reset != end && !fatal_signal_pending(current)) {
		struct kvm_dirty_gfn *entry = entry_at(ring, ring->reset);
		u32 id;
		u64 offset;

		/* Acquire: userspace has read the entry. */
		if (!(smp_load_acquire(&entry->flags) & KVM_DIRTY_GFN_F_RESET))
			break;
		id = READ_ONCE(entry->slot);
		offset = READ_ONCE(entry->offset);
		smp_store_release(&entry->flags, 0);
		smp_store_release(&ring->reset, ring->reset + 1);
		(*count)++;
		ret = add_to_group(vm, group, id, offset);
	}
	return ret;
}

static int reset_rings(struct keel_vm *vm, int *count)
{
	struct group group = { .id = NO_SLOT };
	int ret = 0, last;

	for (unsigned int i = 0; i < KEEL_VCPUS && !ret; i++) {
		struct keel_vcpu *vcpu = keel_vcpu_find(vm, i);

		if (vcpu)
			ret = reset_ring(vm, &vcpu->ring, &group, count);
	}
	last = protect_group(vm, &group);
	return ret ?: last;
}

int keel_reset_rings(struct keel_vm *vm)
{
	int ret, count = 0;

	if (!READ_ONCE(vm->ring_bytes))
		return -EINVAL;
	if (mutex_lock_killable(&vm->slots_lock))
		return -EINTR;
	ret = reset_rings(vm, &count);
	if (count)
		keel_drain_profiling(vm);
	mutex_unlock(&vm->slots_lock);
	return ret ?: count;
}
