// SPDX-License-Identifier: GPL-2.0
/*
 * Memory tags of guests: KVM_CAP_ARM_MTE and KVM_ARM_MTE_COPY_TAGS.
 *
 * A guest with tags may read and write those of all its memory. The kernel keeps tags of pages that
 * have a flag (PG_mte_tagged), and of no others: these it saves with a page that is swapped out,
 * copies with one that moves, and does not merge (KSM). A page without the flag has the tags of
 * whoever had it before. So before a page is mapped in such a VM its tags are cleared, if it does not
 * have the flag, and it gets the flag. docs/module.md has more.
 *
 * One of those who find a page without the flag clears it: by the page's own lock, or, on kernels that
 * have none, under keel_tags_lock. There the process itself may give a page tags without that lock
 * (PROT_MTE), under one of its page tables, so memory that several processes share is refused, as by
 * KVM of these kernels.
 */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "keel.h"
#include "tags.h"

#ifndef PG_mte_lock
DEFINE_MUTEX(keel_tags_lock);
#endif

int keel_mte_enable(struct keel_vm *vm)
{
	int ret = -EINVAL;

	mutex_lock(&vm->lock);
	if (keel_check_extension(vm, KVM_CAP_ARM_MTE) && !vm->nr_vcpus) {
		WRITE_ONCE(vm->mte, true);
		ret = 0;
	}
	mutex_unlock(&vm->lock);
	return ret;
}

/* hugetlb's pages have their flags elsewhere, where the kernel has tags for them at all. */
static bool may_have_tags(struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_MTE_ALLOWED && !is_vm_hugetlb_page(vma) &&
	       (KEEL_SHARED_TAGS || !(vma->vm_flags & VM_SHARED));
}

bool keel_mte_allows(struct mm_struct *mm, unsigned long hva, unsigned long end)
{
	struct vm_area_struct *vma;
	bool ret = true;

	mmap_read_lock(mm);
	while (ret && (vma = find_vma_intersection(mm, hva, end))) {
		ret = may_have_tags(vma);
		hva = vma->vm_end;
		if (hva >= end)
			break;
	}
	mmap_read_unlock(mm);
	return ret;
}

/* ---- pages that a guest is about to have ---- */

int keel_mte_clear(struct page *page, unsigned long count)
{
	for (; count; count--, page++) {
		if (page_mte_tagged(page))
			continue;
		if (PageHuge(page) || is_zone_device_page(page))
			return -EFAULT;
		if (keel_tagging_begin(page)) {
			keel_tags_clear(page_address(page));
			keel_tagging_end(page);
		}
		cond_resched();
	}
	return 0;
}

/* ---- KVM_ARM_MTE_COPY_TAGS: a byte for each granule, with the tag in bits 3:0 ---- */

#define PAGE_TAGS (PAGE_SIZE / KEEL_GRANULE)

static int tags_to_user(u8 __user *to, struct page *page, u8 *tags)
{
	if (!page_mte_tagged(page)) /* what it has is nobody's */
		return clear_user(to, PAGE_TAGS) ? -EFAULT : 0;
	keel_tags_read(page_address(page), tags, PAGE_TAGS);
	return copy_to_user(to, tags, PAGE_TAGS) ? -EFAULT : 0;
}

static int tags_from_user(struct page *page, const u8 __user *from, u8 *tags)
{
	bool first;

	if (copy_from_user(tags, from, PAGE_TAGS))
		return -EFAULT;
	first = keel_tagging_begin(page);
	keel_tags_write(page_address(page), tags, PAGE_TAGS);
	if (first)
		keel_tagging_end(page);
	/* Tags are written to swap space with the page alone. */
	set_page_dirty_lock(page);
	return 0;
}

/* Under slots_lock. */
static int copy_page_tags(struct keel_vm *vm, u64 gfn, u8 __user *user, bool write, u8 *tags)
{
	struct keel_slot slot;
	unsigned long generation, hva;
	struct page *page;
	int ret;

	if (!keel_slot_find(vm, gfn, &slot, &generation) || slot.file ||
	    (write && slot.flags & KVM_MEM_READONLY))
		return -EFAULT;
	hva = slot.hva + ((gfn - slot.gfn) << PAGE_SHIFT);
	if (get_user_pages_fast(hva, 1, write ? FOLL_WRITE : 0, &page) != 1)
		return -EFAULT;
	if (PageHuge(page) || is_zone_device_page(page))
		ret = -EFAULT;
	else
		ret = write ? tags_from_user(page, user, tags) : tags_to_user(user, page, tags);
	put_page(page);
	return ret;
}

/* Page by page. Return: how many bytes of memory were done; or why the first was not. */
static long copy_tags(struct keel_vm *vm, const struct kvm_arm_copy_mte_tags *copy, u8 *tags)
{
	bool write = !(copy->flags & KVM_ARM_TAGS_FROM_GUEST);
	u8 __user *user = copy->addr;
	long done = 0;
	int ret = 0;

	while (done < (long)copy->length && !ret) {
		ret = fatal_signal_pending(current)
			      ? -EINTR
			      : copy_page_tags(vm, (copy->guest_ipa + done) >> PAGE_SHIFT, user,
					       write, tags);
		if (ret)
			break;
		user += PAGE_TAGS;
		done += PAGE_SIZE;
		cond_resched();
	}
	return done ?: ret;
}

static bool is_copy_valid(const struct kvm_arm_copy_mte_tags *copy)
{
	return !copy->reserved[0] && !copy->reserved[1] &&
	       !(copy->flags & ~(u64)KVM_ARM_TAGS_FROM_GUEST) &&
	       PAGE_ALIGNED(copy->length | copy->guest_ipa) && copy->length <= INT_MAX;
}

long keel_mte_copy(struct keel_vm *vm, const struct kvm_arm_copy_mte_tags *copy)
{
	bool write = !(copy->flags & KVM_ARM_TAGS_FROM_GUEST);
	long ret = -EINTR;
	u8 *tags;

	if (!READ_ONCE(vm->mte) || !is_copy_valid(copy))
		return -EINVAL;
	tags = kmalloc(PAGE_TAGS, GFP_KERNEL_ACCOUNT);
	if (!tags)
		return -ENOMEM;
	if (!mutex_lock_killable(&vm->slots_lock)) {
		/* Tags that are written here are in no log. */
		ret = write && keel_any_logged(vm) ? -EBUSY : copy_tags(vm, copy, tags);
		mutex_unlock(&vm->slots_lock);
	}
	kfree(tags);
	return ret;
}
