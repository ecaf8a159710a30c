// SPDX-License-Identifier: GPL-2.0
/*
 * Dirty logging: which pages of a slot were written since userspace asked last.
 *
 * A slot with KVM_MEM_LOG_DIRTY_PAGES has a bitmap. Without a bit in it the guest cannot write to
 * a page: EL2 maps it read-only. The fault of a write sets the bit, then gives the permission for
 * that page (fault.c). KVM_GET_DIRTY_LOG and KVM_CLEAR_DIRTY_LOG take bits, then the permission,
 * before they return. All of this is under mem_lock, so what the guest writes is either there when
 * the call returns, or sets a bit again.
 *
 * What the module writes to guest memory sets bits as well (keel_write_end()), without mem_lock:
 * bits are only changed by atomic operations.
 */
#include <linux/bitops.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "keel.h"

/* What is looked at under one hold of mem_lock: in pages, a multiple of the bits of a word. */
#define PART_WORDS (KEEL_TAKE_PAGES / BITS_PER_LONG)

static unsigned long words_of(u64 pages)
{
	return BITS_TO_LONGS(pages);
}

struct keel_dirty *keel_dirty_alloc(const struct keel_vm *vm, u64 npages)
{
	unsigned long words = keel_logs_bits(vm) ? words_of(npages) : 0;
	struct keel_dirty *dirty;

	dirty = kvzalloc(struct_size(dirty, bits, words), GFP_KERNEL_ACCOUNT);
	if (!dirty || !words)
		return dirty;
	dirty->has_bits = true;
	if (!(READ_ONCE(vm->log_manual) & KVM_DIRTY_LOG_INITIALLY_SET))
		return dirty;
	memset(dirty->bits, 0xff, npages / BITS_PER_BYTE);
	for (u64 page = round_down(npages, BITS_PER_BYTE); page < npages; page++)
		set_bit_le(page, dirty->bits);
	return dirty;
}

void keel_dirty_mark(const struct keel_slot *slot, u64 gfn, u64 npages)
{
	if (!slot->dirty->has_bits)
		return;
	for (u64 i = 0; i < npages; i++)
		set_bit_le(gfn - slot->gfn + i, slot->dirty->bits);
}

/*
 * The barrier: who takes the bit sees what was written; and if the slot is not logged yet, who
 * turns that on will.
 */
void keel_mark_written(struct keel_vm *vm, u64 gfn, u64 npages)
{
	const struct keel_slot *slot;

	smp_mb();
	rcu_read_lock();
	slot = keel_slot_of(rcu_dereference(vm->slots), gfn);
	if (slot && slot->dirty)
		keel_dirty_mark(slot, gfn, npages);
	rcu_read_unlock();
}

/* ---- KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG; under slots_lock ---- */

/* Words @first to @last of the bitmap have lost bits: nobody writes to these pages unnoticed. */
static int protect_words(struct keel_vm *vm, const struct keel_slot *slot, unsigned long first,
			 unsigned long last)
{
	u64 end = min((u64)(last + 1) * BITS_PER_LONG, slot->npages);

	return keel_write_protect(vm, slot->gfn + (u64)first * BITS_PER_LONG, slot->gfn + end - 1);
}

/* Without mem_lock: what is set later is not of this look at the log. Return: whether any is set. */
static bool drop_unset(const struct keel_slot *slot, unsigned long at, unsigned long n,
		       unsigned long *words)
{
	unsigned long any = 0;

	for (unsigned long i = 0; i < n; i++)
		any |= words[i] &= READ_ONCE(slot->dirty->bits[at + i]);
	return any;
}

/*
 * Take those bits of @n words from number @at on that are set in @words, which gets those that
 * were set in the bitmap. On an error they are set again.
 */
static int take_bits(struct keel_vm *vm, const struct keel_slot *slot, unsigned long at,
		     unsigned long n, unsigned long *words)
{
	unsigned long first = n, last = 0, i;
	int ret = 0;

	if (!drop_unset(slot, at, n, words))
		return 0;
	mutex_lock(&vm->mem_lock);
	for (i = 0; i < n; i++) {
		atomic_long_t *word = (atomic_long_t *)&slot->dirty->bits[at + i];

		if (words[i])
			words[i] &= atomic_long_fetch_andnot(words[i], word);
		if (!words[i])
			continue;
		first = min(first, i);
		last = i;
	}
	if (first < n)
		ret = protect_words(vm, slot, at + first, at + last);
	for (i = first; ret && i <= last; i++)
		atomic_long_or(words[i], (atomic_long_t *)&slot->dirty->bits[at + i]);
	mutex_unlock(&vm->mem_lock);
	return ret;
}

/* Blocks that bits were taken of, from word @at on, are pages from now on. */
static void split_words(struct keel_vm *vm, const struct keel_slot *slot, unsigned long at,
			unsigned long n, const unsigned long *words)
{
	unsigned long first = 0;
	u64 from, to;

	while (first < n && !words[first])
		first++;
	while (n > first && !words[n - 1])
		n--;
	if (first == n)
		return;
	from = (u64)(at + first) * BITS_PER_LONG;
	to = min((u64)(at + n) * BITS_PER_LONG, slot->npages);
	keel_split_blocks(vm, slot->gfn + from, to - from);
}

static int get_words(struct keel_vm *vm, const struct keel_slot *slot, unsigned long at,
		     unsigned long n, unsigned long *words)
{
	/* With manual protection nothing is taken, until KVM_CLEAR_DIRTY_LOG. */
	if (vm->log_manual) {
		for (unsigned long i = 0; i < n; i++)
			words[i] = READ_ONCE(slot->dirty->bits[at + i]);
		return 0;
	}
	memset(words, 0xff, n * sizeof(*words));
	return take_bits(vm, slot, at, n, words);
}

static int get_log(struct keel_vm *vm, const struct keel_slot *slot, unsigned long __user *out)
{
	unsigned long end = words_of(slot->npages), n;
	unsigned long words[PART_WORDS];

	for (unsigned long at = 0; at < end; at += n) {
		int ret;

		n = min(PART_WORDS, (u64)(end - at));
		ret = get_words(vm, slot, at, n, words);
		if (ret)
			return ret;
		if (copy_to_user(out + at, words, n * sizeof(*words))) {
			for (unsigned long i = 0; i < n; i++)
				atomic_long_or(words[i],
					       (atomic_long_t *)&slot->dirty->bits[at + i]);
			return -EFAULT;
		}
		cond_resched();
	}
	return 0;
}

static int clear_log(struct keel_vm *vm, const struct keel_slot *slot, unsigned long at,
		     unsigned long end, const unsigned long __user *in)
{
	unsigned long words[PART_WORDS], n;

	for (; at < end; at += n, in += n) {
		int ret;

		n = min(PART_WORDS, (u64)(end - at));
		if (copy_from_user(words, in, n * sizeof(*words)))
			return -EFAULT;
		ret = take_bits(vm, slot, at, n, words);
		if (ret)
			return ret;
		/* Logging has not split them when it began. */
		if (vm->log_manual & KVM_DIRTY_LOG_INITIALLY_SET)
			split_words(vm, slot, at, n, words);
		cond_resched();
	}
	return 0;
}

/* -EINVAL: there is no slot of that number; -ENOENT: it is not there, or not logged. */
static int find_logged(struct keel_vm *vm, u32 id, struct keel_slot *slot)
{
	if (id >= KEEL_SLOTS)
		return -EINVAL;
	return keel_slot_by_id(vm, id, slot) && slot->dirty ? 0 : -ENOENT;
}

int keel_get_dirty_log(struct keel_vm *vm, void __user *argp)
{
	struct kvm_dirty_log log;
	struct keel_slot slot;
	int ret;

	if (copy_from_user(&log, argp, sizeof(log)))
		return -EFAULT;
	if (mutex_lock_killable(&vm->slots_lock))
		return -EINTR;
	ret = keel_logs_bits(vm) ? find_logged(vm, log.slot, &slot) : -ENXIO;
	if (!ret)
		ret = get_log(vm, &slot, log.dirty_bitmap);
	keel_drain_profiling(vm);
	mutex_unlock(&vm->slots_lock);
	return ret;
}

/* Whole words, but for the end of the slot. */
static bool is_part(const struct keel_slot *slot, u64 first, u64 npages)
{
	if (first % BITS_PER_LONG || first > slot->npages || npages > slot->npages - first)
		return false;
	return npages == slot->npages - first || npages % BITS_PER_LONG == 0;
}

int keel_clear_dirty_log(struct keel_vm *vm, void __user *argp)
{
	struct kvm_clear_dirty_log log;
	struct keel_slot slot;
	unsigned long first;
	int ret;

	if (copy_from_user(&log, argp, sizeof(log)))
		return -EFAULT;
	if (mutex_lock_killable(&vm->slots_lock))
		return -EINTR;
	if (!keel_logs_bits(vm))
		ret = -ENXIO;
	else if (log.first_page % BITS_PER_LONG)
		ret = -EINVAL;
	else
		ret = find_logged(vm, log.slot, &slot);
	if (!ret && !is_part(&slot, log.first_page, log.num_pages))
		ret = -EINVAL;
	if (!ret) {
		first = log.first_page / BITS_PER_LONG;
		ret = clear_log(vm, &slot, first, first + words_of(log.num_pages),
				log.dirty_bitmap);
	}
	keel_drain_profiling(vm);
	mutex_unlock(&vm->slots_lock);
	return ret;
}

#define MANUAL_CAPS ((u64)KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET)

/* KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. Bits are set initially only where they are cleared by hand. */
int keel_dirty_set_manual(struct keel_vm *vm, u64 how)
{
	if (how & ~MANUAL_CAPS || how == KVM_DIRTY_LOG_INITIALLY_SET)
		return -EINVAL;
	mutex_lock(&vm->slots_lock);
	WRITE_ONCE(vm->log_manual, how);
	mutex_unlock(&vm->slots_lock);
	return 0;
}

/* KVM's, also for the order of its checks: without a slot alone can the size be changed. */
int keel_dirty_set_split(struct keel_vm *vm, u64 bytes)
{
	int ret = -EINVAL;

	mutex_lock(&vm->slots_lock);
	if (!keel_has_slots(vm) &&
	    (!bytes || (is_power_of_2(bytes) && bytes <= U32_MAX && bytes & keel_block_sizes()))) {
		WRITE_ONCE(vm->split_chunk, bytes);
		ret = 0;
	}
	mutex_unlock(&vm->slots_lock);
	return ret;
}

/* ---- a slot's logging begins and ends; under slots_lock ---- */

int keel_log_begin(struct keel_vm *vm, const struct keel_slot *slot)
{
	u64 gfn = slot->gfn, end = gfn + slot->npages, n;
	int ret = 0;

	/* All bits are set: the permission goes with them. A ring has no such beginning. */
	if (vm->log_manual & KVM_DIRTY_LOG_INITIALLY_SET && !vm->ring_bytes)
		return 0;
	for (; gfn < end && !ret; gfn += n) {
		n = min(KEEL_TAKE_PAGES, end - gfn);
		mutex_lock(&vm->mem_lock);
		ret = keel_write_protect(vm, gfn, gfn + n - 1);
		mutex_unlock(&vm->mem_lock);
		cond_resched();
	}
	keel_drain_profiling(vm);
	if (!ret)
		keel_split_blocks(vm, slot->gfn, slot->npages);
	return ret;
}
