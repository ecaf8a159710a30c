// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_SET_USER_MEMORY_REGION: which guest addresses are memory, and where the process has it. The
 * slots of a VM are one table (slot_table.h), which is replaced as a whole, so a lookup takes no lock.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "keel.h"
#include "slot_steps.h"
#include "slot_table.h"

#define SLOT_FLAGS (KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES)
/* KVM's own limit for a slot. */
#define SLOT_PAGES_MAX ((1UL << 31) - 1)

/*
 * A table of so many slots is freed at once, after a grace period that its replacement waits for: if
 * thousands of them waited to be freed, they would fill the memory.
 */
#define SLOTS_TO_WAIT 512

/* A slot in tables. */
struct held_slot {
	struct keel_slot slot;
	struct rcu_head rcu;
};

static bool contains(const struct keel_slot *slot, u64 gfn)
{
	return gfn - slot->gfn < slot->npages;
}

/* Most often it is the last one's again. Inline, since each fault and each MMIO exit comes here. */
static __always_inline const struct keel_slot *find_slot(struct keel_slots *slots, u64 gfn)
{
	const struct keel_slot *last;
	unsigned int at;

	if (unlikely(!slots->count))
		return NULL;
	last = slots->slot[READ_ONCE(slots->last)];
	if (likely(contains(last, gfn)))
		return last;
	at = keel_table_first(slots, gfn);
	if (at == slots->count || gfn < slots->slot[at]->gfn)
		return NULL;
	WRITE_ONCE(slots->last, at);
	return slots->slot[at];
}

const struct keel_slot *keel_slot_of(struct keel_slots *slots, u64 gfn)
{
	return find_slot(slots, gfn);
}

/*
 * The load of the generation pairs with replace_slots(): the slots that are read are no older than
 * it.
 */
bool keel_slot_find(struct keel_vm *vm, u64 gfn, struct keel_slot *out, unsigned long *generation)
{
	const struct keel_slot *slot;

	rcu_read_lock();
	*generation = smp_load_acquire(&vm->slots_generation);
	slot = find_slot(rcu_dereference(vm->slots), gfn);
	if (slot)
		*out = *slot;
	rcu_read_unlock();
	return slot;
}

bool keel_slot_hold(struct keel_vm *vm, u64 gfn, struct keel_slot *out, unsigned long *generation)
{
	const struct keel_slot *slot;
	bool held;

	rcu_read_lock();
	*generation = smp_load_acquire(&vm->slots_generation);
	slot = find_slot(rcu_dereference(vm->slots), gfn);
	held = slot && slot->file && refcount_inc_not_zero(&slot->file->users);
	if (held)
		*out = *slot;
	rcu_read_unlock();
	return held;
}

bool keel_slots_part(struct keel_vm *vm, unsigned long start, unsigned long end, u64 *gfn,
		     u64 *npages)
{
	return keel_part_in_slots(rcu_dereference_check(vm->slots, lockdep_is_held(&vm->mem_lock)),
				  start, end, gfn, npages);
}

/* ---- the module writes to guest memory ---- */

void __user *keel_write_begin(struct keel_vm *vm, u64 ipa, struct keel_slot *slot)
{
	unsigned long generation;

	down_read(&vm->writing);
	if (keel_slot_find(vm, ipa >> PAGE_SHIFT, slot, &generation) &&
	    !(slot->flags & KVM_MEM_READONLY)) {
		keel_inject_write();
		return (void __user *)(slot->hva + (ipa - (slot->gfn << PAGE_SHIFT)));
	}
	up_read(&vm->writing);
	return NULL;
}

/*
 * The barrier: who takes the bit sees what was written. As on KVM, what is written in a vCPU's thread
 * goes into its ring, if it has one: a bitmap from before the rings is nobody's to read.
 */
void keel_write_end(struct keel_vm *vm, struct keel_vcpu *vcpu, u64 ipa,
		    const struct keel_slot *slot)
{
	smp_mb__before_atomic();
	if (slot->dirty && vcpu && vcpu->ring.entry)
		keel_ring_push(vcpu, slot, ipa >> PAGE_SHIFT, 1);
	else if (slot->dirty)
		keel_dirty_mark(slot, ipa >> PAGE_SHIFT, 1);
	up_read(&vm->writing);
}

/* ---- what follows is under slots_lock ---- */

static const struct keel_slots *current_slots(struct keel_vm *vm)
{
	return rcu_dereference_protected(vm->slots, lockdep_is_held(&vm->slots_lock));
}

static const struct keel_slot *find_id(struct keel_vm *vm, u32 id)
{
	return xa_load(&vm->slot_ids, id);
}

bool keel_slot_by_id(struct keel_vm *vm, u32 id, struct keel_slot *out)
{
	const struct keel_slot *slot = find_id(vm, id);

	if (slot)
		*out = *slot;
	return slot;
}

bool keel_has_slots(const struct keel_vm *vm)
{
	return rcu_dereference_protected(vm->slots, lockdep_is_held(&vm->slots_lock))->count;
}

bool keel_any_logged(const struct keel_vm *vm)
{
	const struct keel_slots *slots =
		rcu_dereference_protected(vm->slots, lockdep_is_held(&vm->slots_lock));

	for (unsigned int i = 0; i < slots->count; i++)
		if (slots->slot[i]->dirty)
			return true;
	return false;
}

static bool overlaps_other(const struct keel_slots *slots, const struct keel_slot *slot)
{
	for (unsigned int i = keel_table_first(slots, slot->gfn);
	     i < slots->count && slots->slot[i]->gfn < keel_slot_end(slot); i++)
		if (slots->slot[i]->id != slot->id)
			return true;
	return false;
}

static struct keel_slots *new_table(size_t count)
{
	struct keel_slots *table =
		kvmalloc(sizeof(*table) + keel_table_size(count), GFP_KERNEL_ACCOUNT);

	if (!table)
		return NULL;
	table->last = 0;
	table->is_leaving = false;
	keel_table_begin(table, count);
	return table;
}

/* A copy of the VM's table without @without, and with @add; either may be NULL. */
static struct keel_slots *copy_slots(struct keel_vm *vm, const struct keel_slot *without,
				     struct keel_slot *add)
{
	const struct keel_slots *old = current_slots(vm);
	struct keel_slots *new = new_table(old->count + 1);

	if (new)
		keel_table_copy(new, old, without, add);
	return new;
}

static struct keel_slot *hold_slot(const struct keel_slot *slot)
{
	struct held_slot *held = kmalloc(sizeof(*held), GFP_KERNEL_ACCOUNT);

	if (!held)
		return NULL;
	held->slot = *slot;
	return &held->slot;
}

/* It is in no table any more, but RCU's readers may have it. */
static void drop_slot(const struct keel_slot *slot)
{
	struct held_slot *held = container_of((struct keel_slot *)slot, struct held_slot, slot);

	kfree_rcu(held, rcu);
}

/* No table has had it; or nobody is left. */
static void free_slot(struct keel_slot *slot)
{
	if (slot)
		kfree(container_of(slot, struct held_slot, slot));
}

static void drop_table(struct keel_slots *table)
{
	if (table->count < SLOTS_TO_WAIT) {
		kvfree_rcu(table, rcu);
		return;
	}
	synchronize_rcu_expedited();
	kvfree(table);
}

/*
 * mem_lock is held as well: a fault compares the generation under it. When this returns nobody
 * writes to memory of the slots that were there before, or to their bitmaps (keel_write_begin()).
 */
static void replace_slots(struct keel_vm *vm, struct keel_slots *new)
{
	struct keel_slots *old = (struct keel_slots *)current_slots(vm);

	mutex_lock(&vm->mem_lock);
	rcu_assign_pointer(vm->slots, new);
	smp_store_release(&vm->slots_generation, vm->slots_generation + 1);
	mutex_unlock(&vm->mem_lock);
	down_write(&vm->writing);
	up_write(&vm->writing);
	drop_table(old);
}

int keel_slots_init(struct keel_vm *vm)
{
	struct keel_slots *table = new_table(0);

	xa_init(&vm->slot_ids);
	RCU_INIT_POINTER(vm->slots, table);
	return table ? 0 : -ENOMEM;
}

/* A table with a copy of @slot, which replaces @old unless that is NULL; and the copy has its number. */
static int put_slot(struct keel_vm *vm, const struct keel_slot *old, const struct keel_slot *slot)
{
	struct keel_slot *held = hold_slot(slot);
	struct keel_slots *new = held ? copy_slots(vm, old, held) : NULL;

	/* What replaces another needs no memory. */
	if (!new || xa_is_err(xa_store(&vm->slot_ids, slot->id, held, GFP_KERNEL_ACCOUNT))) {
		kvfree(new);
		free_slot(held);
		return -ENOMEM;
	}
	replace_slots(vm, new);
	if (old)
		drop_slot(old);
	return 0;
}

static int add_slot(struct keel_vm *vm, const struct keel_slot *slot,
		    const struct kvm_userspace_memory_region2 *region)
{
	struct keel_slot add = *slot;
	int ret;

	if (slot->flags & KVM_MEM_GUEST_MEMFD)
		add.file =
			keel_gmem_bind(vm, slot, region->guest_memfd, region->guest_memfd_offset);
	if (IS_ERR(add.file))
		return PTR_ERR(add.file);
	ret = put_slot(vm, NULL, &add);
	if (ret && add.file)
		keel_gmem_unbind(add.file);
	return ret;
}

/* Only whether it is logged changes: its memory stays. */
static int relog_slot(struct keel_vm *vm, const struct keel_slot *old, const struct keel_slot *slot)
{
	struct keel_dirty *was = old->dirty;
	struct keel_slot now = *old;
	int ret;

	now.flags = slot->flags;
	now.dirty = slot->dirty;
	ret = put_slot(vm, old, &now);
	if (ret)
		return ret;
	if (now.dirty)
		return keel_log_begin(vm, &now);
	kvfree_rcu(was, rcu);
	keel_write_restore(vm, now.gfn, now.npages);
	return 0;
}

static void withdraw_slot(struct keel_vm *vm, const struct keel_slot *slot,
			  struct keel_slots *without)
{
	keel_slot_withdraw(vm, slot, without);
	if (without->leaving.file)
		keel_gmem_unbind(without->leaving.file);
}

static int remove_slot(struct keel_vm *vm, const struct keel_slot *slot)
{
	struct keel_slots *without = copy_slots(vm, slot, NULL);
	struct keel_dirty *dirty = slot->dirty;

	if (!without)
		return -ENOMEM;
	xa_erase(&vm->slot_ids, slot->id);
	withdraw_slot(vm, slot, without);
	drop_slot(slot);
	if (dirty)
		kvfree_rcu(dirty, rcu);
	return 0;
}

/* Everything that can fail is done first. In between, the slot is at neither address. */
static int move_slot(struct keel_vm *vm, const struct keel_slot *from, const struct keel_slot *to)
{
	struct keel_slot *held = hold_slot(to);
	struct keel_slots *without = copy_slots(vm, from, NULL);
	struct keel_slots *with = held ? copy_slots(vm, from, held) : NULL;
	struct keel_dirty *dirty = from->dirty;

	if (without && with) {
		xa_store(&vm->slot_ids, to->id, held, GFP_KERNEL_ACCOUNT);
		withdraw_slot(vm, from, without);
		replace_slots(vm, with);
		drop_slot(from);
		if (dirty && dirty != to->dirty)
			kvfree_rcu(dirty, rcu);
		return 0;
	}
	kvfree(without);
	kvfree(with);
	free_slot(held);
	return -ENOMEM;
}

void keel_slots_release(struct keel_vm *vm)
{
	const struct keel_slots *slots = rcu_dereference_protected(vm->slots, true);

	for (unsigned int i = 0; i < slots->count; i++) {
		if (!vm->gone)
			keel_take_all(vm, slots->slot[i]->gfn, slots->slot[i]->npages);
		if (slots->slot[i]->file)
			keel_gmem_unbind(slots->slot[i]->file);
	}
}

/* No vCPU is left, and no call on the VM. */
void keel_slots_free(struct keel_vm *vm)
{
	struct keel_slots *slots = rcu_dereference_protected(vm->slots, true);

	for (unsigned int i = 0; i < slots->count; i++) {
		kvfree(slots->slot[i]->dirty);
		free_slot(slots->slot[i]);
	}
	xa_destroy(&vm->slot_ids);
	kvfree(slots);
}

static int update_slot(struct keel_vm *vm, const struct keel_slot *old,
		       const struct keel_slot *slot)
{
	if (old->npages != slot->npages || old->hva != slot->hva ||
	    (old->flags ^ slot->flags) & KVM_MEM_READONLY)
		return -EINVAL;
	if (old->gfn != slot->gfn)
		return move_slot(vm, old, slot);
	return old->flags == slot->flags ? 0 : relog_slot(vm, old, slot);
}

/* What was logged of @old, if there is one, goes on with it, wherever it is moved to. */
static int set_slot(struct keel_vm *vm, const struct keel_slot *old, struct keel_slot *slot,
		    const struct kvm_userspace_memory_region2 *region)
{
	struct keel_dirty *new = NULL;
	int ret;

	if (slot->flags & KVM_MEM_LOG_DIRTY_PAGES) {
		slot->dirty = old ? old->dirty : NULL;
		if (!slot->dirty)
			slot->dirty = new = keel_dirty_alloc(vm, slot->npages);
		if (!slot->dirty)
			return -ENOMEM;
	}
	ret = old ? update_slot(vm, old, slot) : add_slot(vm, slot, region);
	if (ret && ret != -EIO)
		kvfree(new);
	return ret;
}

/* *@added: it has memory at addresses where it had none before. */
static int apply_slot(struct keel_vm *vm, struct keel_slot *slot,
		      const struct kvm_userspace_memory_region2 *region, bool *added)
{
	const struct keel_slots *slots = current_slots(vm);
	const struct keel_slot *old = find_id(vm, slot->id);

	*added = slot->npages && (!old || old->gfn != slot->gfn);
	if (!slot->npages)
		return old ? remove_slot(vm, old) : -EINVAL;
	/* Of a file it can only be removed. */
	if (old && (old->flags | slot->flags) & KVM_MEM_GUEST_MEMFD)
		return -EINVAL;
	if (overlaps_other(slots, slot))
		return old && (old->npages != slot->npages || old->hva != slot->hva) ? -EINVAL
										     : -EEXIST;
	return set_slot(vm, old, slot, region);
}

/* A slot of a file is neither read-only nor logged. */
static bool are_slot_flags(u32 flags)
{
	if (flags & KVM_MEM_GUEST_MEMFD)
		return flags == KVM_MEM_GUEST_MEMFD && keel_gmem_flags();
	return !(flags & ~SLOT_FLAGS);
}

static bool is_file_range(const struct kvm_userspace_memory_region2 *region)
{
	u64 offset = region->guest_memfd_offset;

	return PAGE_ALIGNED(offset) && offset + region->memory_size >= offset;
}

static int check_region(struct keel_vm *vm, const struct kvm_userspace_memory_region2 *region)
{
	u64 size = region->memory_size;

	if (!are_slot_flags(region->flags) || region->slot >= KEEL_SLOTS)
		return -EINVAL;
	if (region->flags & KVM_MEM_GUEST_MEMFD && !is_file_range(region))
		return -EINVAL;
	/* Multiples of a page of stage 2, as on a kernel whose own pages are that large. */
	if (!IS_ALIGNED(size | region->guest_phys_addr | region->userspace_addr,
			PAGE_SIZE << vm->page_order))
		return -EINVAL;
	if (region->guest_phys_addr + size < region->guest_phys_addr ||
	    size >> PAGE_SHIFT > SLOT_PAGES_MAX)
		return -EINVAL;
	/* To delete a slot nothing else is checked. */
	if (!size)
		return 0;
	if (untagged_addr(region->userspace_addr) != region->userspace_addr ||
	    !access_ok((void __user *)(unsigned long)region->userspace_addr, size))
		return -EINVAL;
	/* KVM's error for addresses beyond the VM's IPA size. */
	if ((region->guest_phys_addr + size - 1) >> vm->ipa_bits)
		return -EFAULT;
	if (READ_ONCE(vm->mte) &&
	    (region->flags & KVM_MEM_GUEST_MEMFD ||
	     !keel_mte_allows(vm->mm, region->userspace_addr, region->userspace_addr + size)))
		return -EINVAL;
	return region->flags & KVM_MEM_LOG_DIRTY_PAGES &&
			       keel_has_frames(region->userspace_addr, size >> PAGE_SHIFT)
		       ? -EINVAL
		       : 0;
}

/* ---- without locks: all memory of a slot, before it is touched ---- */

/*
 * Block by block from *@gfn on, which is updated. A slot that is removed meanwhile has no memory
 * that could be missing; if another thread replaces it, that thread populates it. Broken memory
 * ends this (-EHWPOISON), because the SIGBUS that was sent may be blocked.
 */
static int populate_slot(struct keel_vm *vm, const struct keel_slot *slot, u64 *gfn)
{
	int ret = slot->flags & KVM_MEM_READONLY ? -ENOENT : 0;

	while (!ret && *gfn < keel_slot_end(slot)) {
		ret = keel_map_pinned(vm, gfn);
		if (ret == -ENOENT) /* the next iteration finds it */
			ret = keel_fault(vm, NULL, *gfn << PAGE_SHIFT, true);
		else if (!ret && signal_pending(current))
			ret = -EINTR;
		cond_resched();
	}
	if (ret == -ENOENT) {
		*gfn = keel_slot_end(slot);
		ret = 0;
	}
	return ret;
}

/* The first slot that ends after @gfn. */
static bool next_slot(struct keel_vm *vm, u64 gfn, struct keel_slot *out)
{
	const struct keel_slots *slots;
	unsigned int i;

	rcu_read_lock();
	slots = rcu_dereference(vm->slots);
	i = keel_table_first(slots, gfn);
	if (i < slots->count)
		*out = *slots->slot[i];
	rcu_read_unlock();
	return i < slots->count;
}

/* The VMM may write to this memory after it is mapped: the guest must see that. */
static void note_populated(struct keel_vm *vm)
{
	WRITE_ONCE(vm->stale, KEEL_STALE);
}

/*
 * A fault that has not seen this finds at its commit that slots have changed, and starts over. What
 * is mapped already is mapped again, with a pin, by populate_slot().
 */
static void pin_from_now_on(struct keel_vm *vm)
{
	mutex_lock(&vm->mem_lock);
	WRITE_ONCE(vm->locked, true);
	smp_store_release(&vm->slots_generation, vm->slots_generation + 1);
	mutex_unlock(&vm->mem_lock);
}

int keel_populate(struct keel_vm *vm)
{
	struct keel_slot slot;
	int ret = 0;
	u64 gfn;

	if (mutex_lock_killable(&vm->slots_lock))
		return -EINTR;
	/* What is written without a fault can be in a bitmap only. */
	if (!keel_logs_bits(vm)) {
		mutex_unlock(&vm->slots_lock);
		return -EINVAL;
	}
	/* From here on a thread that adds a slot populates it, so that none is missed. */
	WRITE_ONCE(vm->populate, true);
	pin_from_now_on(vm);
	gfn = vm->populated;
	mutex_unlock(&vm->slots_lock);
	while (!ret && next_slot(vm, gfn, &slot)) {
		gfn = max(gfn, slot.gfn);
		ret = populate_slot(vm, &slot, &gfn);
	}
	note_populated(vm);
	mutex_lock(&vm->slots_lock);
	vm->populated = max(vm->populated, gfn);
	mutex_unlock(&vm->slots_lock);
	return ret;
}

/*
 * The slot exists already, so that it can be mapped. If it cannot be populated it is removed again:
 * so not one that was there before, of which no more than the flags change.
 */
static int populate_new(struct keel_vm *vm, const struct keel_slot *slot)
{
	const struct keel_slot *mine;
	u64 gfn = slot->gfn;
	int ret = populate_slot(vm, slot, &gfn);

	note_populated(vm);
	mutex_lock(&vm->slots_lock);
	mine = ret ? find_id(vm, slot->id) : NULL;
	if (mine && mine->gfn == slot->gfn && mine->hva == slot->hva)
		(void)remove_slot(vm, mine);
	mutex_unlock(&vm->slots_lock);
	return ret;
}

int keel_set_memory_region(struct keel_vm *vm, const struct kvm_userspace_memory_region2 *region)
{
	struct keel_slot slot = {
		.id = region->slot,
		.flags = region->flags,
		.gfn = region->guest_phys_addr >> PAGE_SHIFT,
		.npages = region->memory_size >> PAGE_SHIFT,
		.hva = region->userspace_addr,
	};
	int ret = check_region(vm, region);
	bool added, all;

	if (ret)
		return ret;
	if (mutex_lock_killable(&vm->slots_lock))
		return -EINTR;
	ret = apply_slot(vm, &slot, region, &added);
	all = vm->populate;
	mutex_unlock(&vm->slots_lock);
	return !ret && all && added ? populate_new(vm, &slot) : ret;
}
