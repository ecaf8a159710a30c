// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that a driver has mapped for the process without handing out its pages (VM_IO, VM_PFNMAP):
 * registers and memory of devices, as VFIO and /dev/mem map them; or pages that the driver keeps. The
 * process's page tables say which frames these are, and the VMA how the process accesses them.
 *
 * There is no reference to take. As for all memory, the kernel tells the VM's watch before a driver
 * takes it from the process (unmap_mapping_range()), and a fault that has seen it before starts over.
 */
#include <linux/mm.h>

#include "compat.h"
#include "keel.h"
#include "process_tables.h"

static unsigned long hva_of(const struct keel_slot *slot, u64 gfn)
{
	return slot->hva + ((gfn - slot->gfn) << PAGE_SHIFT);
}

/* A leaf of the process's page tables: the frame of an address, and what it maps. */
struct leaf {
	unsigned long pfn;
	unsigned int order;
	bool present, writable;
	u64 type;   /* MT_* */
	pte_t *pte; /* if it is a page: its entry */
};

static u64 type_of_entry(pte_t entry)
{
	return FIELD_GET(PTE_ATTRINDX_MASK, pte_val(entry));
}

/* Interrupts are off. */
static void find_frame_leaf(unsigned long hva, struct leaf *leaf)
{
	struct keel_process_leaf found;

	if (!keel_process_leaf(hva, &found))
		return;
	leaf->pte = found.page;
	if (!pte_present(found.entry))
		return;
	leaf->pfn = found.page ? pte_pfn(found.entry)
			       : found.pfn + ((hva >> PAGE_SHIFT) & ((1UL << found.order) - 1));
	leaf->order = found.order;
	leaf->present = true;
	leaf->writable = pte_write(found.entry);
	leaf->type = type_of_entry(found.entry);
}

/* Whether the 2^@order pages around @hva, of one table, are adjacent frames with one permission and type. */
static bool are_adjacent_ptes(const struct leaf *leaf, unsigned long hva, unsigned int order)
{
	unsigned long count = 1UL << order, before = (hva >> PAGE_SHIFT) & (count - 1);
	const pte_t *first = leaf->pte - before;

	if (count > PTRS_PER_PTE)
		return false;
	for (unsigned long i = 0; i < count; i++) {
		pte_t pte = READ_ONCE(first[i]);

		if (!pte_present(pte) || pte_pfn(pte) != leaf->pfn - before + i ||
		    !pte_write(pte) == leaf->writable || type_of_entry(pte) != leaf->type)
			return false;
	}
	return true;
}

/* Whether the 2^@order pages around @gfn are in the slot and in the VMA, and aligned as they have to be. */
static bool frames_fit(const struct keel_slot *slot, const struct vm_area_struct *vma, u64 gfn,
		       unsigned int order, unsigned long pfn)
{
	u64 count = 1ULL << order, first = ALIGN_DOWN(gfn, count);
	unsigned long hva = hva_of(slot, gfn) - ((gfn - first) << PAGE_SHIFT);

	return first >= slot->gfn && first + count <= slot->gfn + slot->npages &&
	       IS_ALIGNED(pfn ^ gfn, count) && IS_ALIGNED((hva >> PAGE_SHIFT) ^ gfn, count) &&
	       hva >= vma->vm_start && hva + (count << PAGE_SHIFT) <= vma->vm_end;
}

/* Fill @found with the first of @orders that the process has around @gfn. -EFAULT: none. */
static int choose_order(const struct keel_slot *slot, const struct vm_area_struct *vma, u64 gfn,
			const struct leaf *leaf, const struct keel_orders *orders,
			struct keel_frame *found)
{
	for (unsigned int i = 0; i < orders->count; i++) {
		unsigned int order = orders->order[i];

		if (!frames_fit(slot, vma, gfn, order, leaf->pfn) ||
		    (order > leaf->order &&
		     (!leaf->pte || !are_adjacent_ptes(leaf, hva_of(slot, gfn), order))))
			continue;
		found->gfn = ALIGN_DOWN(gfn, 1ULL << order);
		found->pfn = ALIGN_DOWN(leaf->pfn, 1UL << order);
		found->order = order;
		return 0;
	}
	return -EFAULT;
}

/*
 * How the process accesses it. Not by the type of the VMA: a driver may insert frames with another one
 * (vmf_insert_pfn_prot(): the memory of a GPU, which TTM maps write-combined in a VMA that is cacheable).
 */
static bool is_cacheable(const struct leaf *leaf)
{
	return leaf->type == MT_NORMAL || leaf->type == MT_NORMAL_TAGGED;
}

/*
 * What is memory for the kernel is memory for the guest. What is not is a device, unless the driver
 * says that any access without caches does no harm. -EFAULT: the process has it in its caches.
 */
static int type_of(const struct vm_area_struct *vma, const struct leaf *leaf, u64 *flags)
{
	*flags = KEEL_MAP_EXEC;
	if (pfn_is_map_memory(leaf->pfn))
		return 0;
	if (is_cacheable(leaf))
		return -EFAULT;
	*flags = KEEL_MAP_DEVICE | (keel_vma_any_uncached(vma) ? KEEL_MAP_NC : 0);
	return 0;
}

static int look_up_frame(const struct keel_slot *slot, const struct vm_area_struct *vma, u64 gfn,
			 bool write, const struct keel_orders *orders, struct keel_frame *found)
{
	struct leaf leaf = { .present = false };
	unsigned long irqs;
	int ret = -ENOENT;

	local_irq_save(irqs);
	find_frame_leaf(hva_of(slot, gfn), &leaf);
	if (leaf.present && (leaf.writable || !write))
		ret = choose_order(slot, vma, gfn, &leaf, orders, found);
	local_irq_restore(irqs);
	if (ret)
		return ret;
	found->writable = leaf.writable && !(slot->flags & KVM_MEM_READONLY);
	return type_of(vma, &leaf, &found->flags);
}

/*
 * The first address in the page of stage 2 around @hva, of @size, that the process has no frame at, or may not
 * write to yet: a driver may insert frame by frame. The end of that page if there is none, or it is not all
 * in the VMA.
 */
static unsigned long first_absent(const struct vm_area_struct *vma, unsigned long hva,
				  unsigned long size, bool write)
{
	unsigned long at = ALIGN_DOWN(hva, size), end = at + size, irqs;

	if (at < vma->vm_start || end > vma->vm_end)
		return end;
	for (; at < end; at += PAGE_SIZE) {
		struct leaf leaf = { .present = false };

		local_irq_save(irqs);
		find_frame_leaf(at, &leaf);
		local_irq_restore(irqs);
		if (!leaf.present || (write && !leaf.writable))
			break;
	}
	return at;
}

/* Under mmap_lock, which has been released if *@locked is false then. */
static int find_or_fault(const struct keel_slot *slot, u64 gfn, bool write,
			 const struct keel_orders *orders, struct keel_frame *found, bool *locked)
{
	unsigned long hva = hva_of(slot, gfn), needs = write ? VM_WRITE : VM_READ;
	struct vm_area_struct *vma = vma_lookup(current->mm, hva);
	unsigned long size = PAGE_SIZE << orders->order[orders->count - 1], at = hva;
	vm_fault_t fault;
	int ret;

	if (!vma || !(vma->vm_flags & (VM_IO | VM_PFNMAP)) || !(vma->vm_flags & needs))
		return -EFAULT;
	ret = look_up_frame(slot, vma, gfn, write, orders, found);
	if (ret == -EFAULT) /* perhaps the frames around are not there yet */
		at = first_absent(vma, hva, size, write);
	if (ret != -ENOENT && (ret != -EFAULT || at == ALIGN_DOWN(hva, size) + size))
		return ret;
	fault = handle_mm_fault(vma, at,
				FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE |
					FAULT_FLAG_INTERRUPTIBLE | (write ? FAULT_FLAG_WRITE : 0),
				NULL);
	*locked = !(fault & (VM_FAULT_RETRY | VM_FAULT_COMPLETED));
	return fault & VM_FAULT_ERROR ? -EFAULT : -EAGAIN;
}

int keel_frame_find(const struct keel_slot *slot, u64 gfn, bool write,
		    const struct keel_orders *orders, struct keel_frame *found)
{
	struct mm_struct *mm = current->mm;
	bool locked = true;
	int ret;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	ret = find_or_fault(slot, gfn, write, orders, found, &locked);
	if (locked)
		mmap_read_unlock(mm);
	return ret;
}

bool keel_has_frames(unsigned long hva, u64 npages)
{
	struct mm_struct *mm = current->mm;
	unsigned long end = hva + (npages << PAGE_SHIFT);
	struct vm_area_struct *vma;
	bool found = false;

	mmap_read_lock(mm);
	for (; !found && (vma = find_vma_intersection(mm, hva, end)); hva = vma->vm_end)
		found = vma->vm_flags & VM_PFNMAP;
	mmap_read_unlock(mm);
	return found;
}
