// SPDX-License-Identifier: GPL-2.0
/*
 * Guest memory is supplied when the guest first touches it: the process's page is mapped at EL2. Of
 * a huge page as much is mapped as fits the guest's addresses: all of it, as a block of stage 2, or
 * 64 KiB at a time. Pages that follow, and that the process already has, are mapped by the same
 * fault: up to the end of the 64 KiB around a page, or of the 8 MiB around a huge page. Memory that
 * the process does not have is not allocated before the guest touches it.
 *
 * vm->pins records what is mapped: one entry for each mapping, at its first gfn. An entry is made
 * before EL2 maps and removed after EL2 has unmapped, so whatever a guest can access has an entry.
 * The reverse does not hold: an entry without a mapping is mapped when the guest touches it.
 *
 * An entry holds no reference to its page: it is the page that the process has at that address, and
 * the process keeps it. Before the kernel takes it from the process it is taken from the guest, with
 * its entry (watch.c); so it may be swapped out, moved or merged as any other. A fault refers to
 * pages until it has mapped them, and does not map what the process has no longer. Only where memory
 * must stay where it is (vm->locked) does an entry keep what the fault had, a pin.
 */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/highmem.h>
#include <linux/hugetlb.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "compat.h"
#include "keel.h"
#include "process_tables.h"

/* The sizes of a mapping, largest first: 1 GiB, 2 MiB, 64 KiB, a page of stage 2. */
static const unsigned int orders[] = { 30 - PAGE_SHIFT, 21 - PAGE_SHIFT, 16 - PAGE_SHIFT, 0 };
#define ORDER_PAGE (ARRAY_SIZE(orders) - 1)

/* keel_vm.pins has the same sizes. */
static_assert(ARRAY_SIZE(orders) == KEEL_PIN_SIZES);

/*
 * A mapping: 2^order adjacent pages. A fault, or the record if it is pinned, refers to them: once
 * to the huge page that contains all of them, or to each.
 */
struct pinned {
	u64 gfn;
	struct page *page;
	unsigned int order;
	bool writable;
	bool one_ref;
	bool pinned; /* these references are pins */
	bool frames; /* it has no pages to refer to: frames.c */
};

/*
 * A fault of a guest; or a guess, at memory that the guest has not accessed. A guess maps what is
 * there, or does nothing: it faults no memory in, waits for no page, and tells the process nothing.
 */
struct fault {
	struct keel_vcpu *vcpu; /* whose access it is, or NULL */
	u64 gfn;
	bool write;
	bool guess;
	bool there;	 /* the process had the memory already, and may write to it */
	bool readable;	 /* it has the memory, but must not write to it as it is */
	bool held;	 /* -EBUSY: somebody holds the page */
	bool get_faults; /* looking pages up may fault them in: without, it has failed */
	union {
		struct {
			bool locked; /* vm->locked: pages are pinned */
			bool mte;    /* vm->mte: pages have tags */
		};
		u16 special; /* vm->special: these */
	};
	int why;	    /* -EBUSY: the kernel's error */
	unsigned int max;   /* the largest order that may be mapped */
	unsigned int order; /* the order that was mapped, or not, by the last try */
	unsigned int stale; /* how often what was pinned was out of date */
	unsigned int tries; /* that failed one after the other, without @held */
	unsigned int ticks; /* the last wait for somebody who holds the page */
};

/* An entry of size i in vm->pins, indexed by gfn >> order_of(i): the frame, and flags. */
#define ENTRY_WRITABLE	BIT(0)
#define ENTRY_ONE_REF	BIT(1)
#define ENTRY_PINNED	BIT(2)
#define ENTRY_FRAMES	BIT(3)
#define ENTRY_PFN_SHIFT 4

static unsigned int order_of(const struct keel_vm *vm, unsigned int index)
{
	return index == ORDER_PAGE ? vm->page_order : orders[index];
}

static unsigned int index_of(const struct keel_vm *vm, unsigned int order)
{
	unsigned int i;

	if (likely(!order)) /* a page of the kernel: blocks are larger */
		return ORDER_PAGE;
	for (i = 0; order_of(vm, i) != order; i++)
		;
	return i;
}

static void *to_entry(const struct pinned *pin)
{
	return xa_mk_value(page_to_pfn(pin->page) << ENTRY_PFN_SHIFT |
			   (pin->writable ? ENTRY_WRITABLE : 0) |
			   (pin->one_ref ? ENTRY_ONE_REF : 0) | (pin->pinned ? ENTRY_PINNED : 0));
}

static struct pinned from_entry(const struct keel_vm *vm, unsigned int i, unsigned long index,
				void *entry)
{
	unsigned long value = xa_to_value(entry);

	return (struct pinned){
		.gfn = (u64)index << order_of(vm, i),
		.page = pfn_to_page(value >> ENTRY_PFN_SHIFT),
		.order = order_of(vm, i),
		.writable = value & ENTRY_WRITABLE,
		.one_ref = value & ENTRY_ONE_REF,
		.pinned = value & ENTRY_PINNED,
		.frames = value & ENTRY_FRAMES,
	};
}

static unsigned long refs_of(const struct pinned *pin)
{
	return pin->one_ref ? 1 : 1UL << pin->order;
}

static void release_memory(const struct pinned *pin)
{
	if (unlikely(pin->pinned)) {
		unpin_user_page_range_dirty_lock(pin->page, refs_of(pin), false);
		return;
	}
	for (unsigned long i = 0; i < refs_of(pin); i++)
		put_page(pin->page + i);
}

/* Whether a page that is dirty has a flag for it, and no more: ramfs, for one, writes nothing back. */
static bool has_flag_alone(struct folio *folio)
{
	struct address_space *mapping;
	bool ret;

	rcu_read_lock(); /* an inode is freed after a grace period */
	mapping = folio_mapping(folio);
	ret = mapping && READ_ONCE(mapping->a_ops)->dirty_folio == noop_dirty_folio;
	rcu_read_unlock();
	return ret;
}

/*
 * Memory that a guest may write is dirty from the fault on, whose reference to the page keeps the
 * kernel from discarding it as clean meanwhile; what is pinned, until it is unpinned. Nobody cleans a
 * page that the process may write to: first it is taken from the process, or write access to it, and
 * so from the guest.
 *
 * set_page_dirty_lock() cannot be used here: it locks the folio, whose lock reclaim may hold while
 * it waits for mem_lock. For a page of a file with writeback nothing is needed: it is dirty as long
 * as the process may write to it. Without (ramfs), the process's page tables let it write to a clean one.
 */
static void mark_dirty(struct folio *folio)
{
	if (folio_test_dirty(folio))
		return;
	if (folio_test_anon(folio) || folio_test_swapbacked(folio) || folio_test_hugetlb(folio) ||
	    has_flag_alone(folio))
		folio_set_dirty(folio);
}

static void mark_all_dirty(const struct pinned *pin)
{
	for (unsigned long i = 0; i < refs_of(pin); i++)
		mark_dirty(page_folio(pin->page + i));
}

/* ---- under mem_lock: the record of pins, and EL2's map ---- */

/* find_pin(), if the record has entries of the sizes @which. */
static noinline bool find_pin_of(struct keel_vm *vm, u64 gfn, unsigned int which,
				 struct pinned *pin)
{
	for (unsigned int i = 0; which >> i; i++) {
		unsigned long index = gfn >> order_of(vm, i);
		void *entry = which & BIT(i) ? keel_pins_load(&vm->pins, i, index) : NULL;

		if (!entry)
			continue;
		*pin = from_entry(vm, i, index, entry);
		return true;
	}
	return false;
}

/* The mapping that contains @gfn, among the sizes orders[] whose bit is set in @which. */
static __always_inline bool find_pin(struct keel_vm *vm, u64 gfn, unsigned int which,
				     struct pinned *pin)
{
	lockdep_assert_held(&vm->mem_lock);
	which &= vm->pins.sizes;
	return which && find_pin_of(vm, gfn, which, pin);
}

/* Whether there is a mapping in [gfn, last] of size @size or smaller. */
static bool any_pin(struct keel_vm *vm, u64 gfn, u64 last, unsigned int size)
{
	for (unsigned int i = size; vm->pins.sizes >> i; i++) {
		unsigned long index = gfn >> order_of(vm, i);

		if (vm->pins.sizes & BIT(i) &&
		    keel_pins_next(&vm->pins, i, &index, last >> order_of(vm, i)))
			return true;
	}
	return false;
}

/* Whether there is a smaller mapping within @pin, which is of size @size and not mapped yet. */
static bool any_smaller(struct keel_vm *vm, const struct pinned *pin, unsigned int size)
{
	return vm->pins.sizes >> (size + 1) &&
	       any_pin(vm, pin->gfn, pin->gfn + (1UL << pin->order) - 1, size + 1);
}

/*
 * Map from page *@at of @count on; *@at is updated. Some calls only clean caches and map nothing. If
 * EL2 lacks memory (-ENOMEM, -ENOBUFS) it cannot be supplied
 * here: see supply_memory(). @flags: KEEL_MAP_*.
 */
static __always_inline int map_as(struct keel_vm *vm, u64 gfn, struct page *page,
				  unsigned long count, u64 flags, unsigned long *at)
{
	u64 done, clean = 0;
	long ret;

	for (;;) {
		ret = keel_inject_map();
		if (ret)
			return ret;
		ret = keel_hvc_map(keel_inject_handle(vm->handle), (gfn + *at) << PAGE_SHIFT,
				   page_to_phys(page) + (*at << PAGE_SHIFT),
				   (count - *at) << PAGE_SHIFT, flags, &done, &clean);
		done >>= PAGE_SHIFT;
		/* The VM has ended. For callers -ENOENT means that there is no slot. */
		if (unlikely(ret == -ENOENT))
			return -EIO;
		if (likely(ret != -EAGAIN) || done >= count - *at)
			return ret;
		*at += done;
		cond_resched();
	}
}

static int map_pages(struct keel_vm *vm, u64 gfn, struct page *page, unsigned long count,
		     bool writable, unsigned long *at)
{
	return map_as(vm, gfn, page, count, KEEL_MAP_EXEC | (writable ? KEEL_MAP_WRITE : 0), at);
}

static void unpin_entry(struct keel_vm *vm, const struct pinned *pin)
{
	if (pin->writable)
		mark_all_dirty(pin);
	release_memory(pin);
	atomic_long_add(1UL << pin->order, &vm->unpinned);
}

static void drop_entries(struct keel_vm *vm, unsigned int i, u64 gfn, u64 last)
{
	unsigned long index = gfn >> order_of(vm, i);
	void *entry;

	for (; (entry = keel_pins_next(&vm->pins, i, &index, last >> order_of(vm, i))); index++) {
		struct pinned pin = from_entry(vm, i, index, entry);

		keel_pins_erase(&vm->pins, i, index);
		if (pin.pinned)
			unpin_entry(vm, &pin);
		cond_resched();
	}
}

/* No mapping crosses an end of the range, and EL2 has none there. */
static void forget_range(struct keel_vm *vm, u64 first, u64 last)
{
	/* Pages come by the thousand: their entries are looked at only if some may be pinned. */
	unsigned int sizes = vm->pins.sizes & (vm->locked ? ~0U : ~BIT(ORDER_PAGE));

	for (unsigned int i = 0; sizes >> i; i++)
		if (sizes & BIT(i))
			drop_entries(vm, i, first, last);
	keel_pins_clear(&vm->pins, first >> vm->page_order, last >> vm->page_order);
}

/*
 * Extend the range to whole mappings, and whole pages of stage 2, which EL2 unmaps also if nothing is
 * mapped at an end of the range. Return: whether there is anything.
 */
static bool widen_to_entries(struct keel_vm *vm, u64 *first, u64 *last)
{
	u64 offset = (1ULL << vm->page_order) - 1;
	struct pinned pin;

	*first &= ~offset;
	*last |= offset;
	if (find_pin(vm, *first, ~0U, &pin)) {
		*first = pin.gfn;
		*last = max(*last, pin.gfn + (1UL << pin.order) - 1);
		if (*last == pin.gfn + (1UL << pin.order) - 1)
			return true;
	} else if (!any_pin(vm, *first, *last, 0)) {
		return false;
	}
	if (find_pin(vm, *last, ~0U, &pin))
		*last = pin.gfn + (1UL << pin.order) - 1;
	return true;
}

/* EL2 unmaps whole blocks, needs no memory for that, and does not fail. */
static long unmap_gfns(struct keel_vm *vm, u64 first, u64 last)
{
	u64 ipa = first << PAGE_SHIFT, left = (last - first + 1) << PAGE_SHIFT, done = 0;
	long ret;

	if (keel_inject_unmap())
		return -EIO;
	for (;;) {
		ret = keel_call(KEEL_HC_VM_UNMAP, vm->handle, ipa, left, KEEL_UNMAP_WHOLE, 0,
				&done);
		if (ret != -EAGAIN || done >= left)
			return ret;
		ipa += done;
		left -= done;
		cond_resched();
	}
}

/* A unit is drained when its CPU leaves the guest. */
void keel_drain_profiling(struct keel_vm *vm)
{
	if (READ_ONCE(vm->populate))
		keel_guests_out();
}

/* @how: KEEL_PROTECT_*. EL2's errors. */
static long protect_gfns(struct keel_vm *vm, u64 first, u64 last, u64 how)
{
	u64 ipa = first << PAGE_SHIFT, left = (last - first + 1) << PAGE_SHIFT, done = 0;
	long ret;

	for (;;) {
		ret = keel_call(KEEL_HC_VM_PROTECT, vm->handle, ipa, left, how, 0, &done);
		if (ret != -EAGAIN || done >= left)
			return ret;
		ipa += done;
		left -= done;
		cond_resched();
	}
}

bool keel_is_young(struct keel_vm *vm, u64 gfn, u64 npages, u64 how)
{
	u64 offset = (1ULL << vm->page_order) - 1, first = gfn & ~offset, done;
	u64 ipa = first << PAGE_SHIFT, left = (((gfn + npages - 1) | offset) + 1 - first)
					      << PAGE_SHIFT;
	bool young = READ_ONCE(vm->locked);
	long ret;

	if (young)
		return true;
	while ((ret = keel_call(KEEL_HC_VM_YOUNG, vm->handle, ipa, left, how, 0, &done)) ==
	       -EAGAIN) {
		young |= done & 1;
		done &= PAGE_MASK;
		if (done >= left)
			break;
		ipa += done;
		left -= done;
	}
	return young || ret == 1; /* an error: the VM has ended */
}

/*
 * This reschedules for every caller. So the out-of-memory reaper, which may not wait, yields the
 * CPU here, as it does itself after each page.
 */
void keel_take(struct keel_vm *vm, u64 first, u64 last)
{
	long ret;

	lockdep_assert_held(&vm->mem_lock);
	keel_inject_note_taken(last - first + 1);
	/* Not vm->dead: until keel_vm_kill() has returned CPUs are in the guest still. */
	if (vm->stuck || READ_ONCE(vm->gone) || !widen_to_entries(vm, &first, &last))
		return;
	ret = unmap_gfns(vm, first, last);
	if (!ret) {
		keel_drain_profiling(vm);
		forget_range(vm, first, last);
		return;
	}
	/* No CPU is in the guest when this returns, and none enters it again. What is pinned stays. */
	pr_err("VM %#llx: cannot unmap its memory (%ld): the VM is stopped\n", vm->handle, ret);
	keel_vm_kill(vm);
	vm->stuck = true;
}

int keel_write_protect(struct keel_vm *vm, u64 first, u64 last)
{
	u64 offset = (1ULL << vm->page_order) - 1;
	long ret;

	lockdep_assert_held(&vm->mem_lock);
	if (!any_pin(vm, first, last, 0))
		return 0;
	ret = protect_gfns(vm, first & ~offset, last | offset, KEEL_PROTECT_TAKE);
	return ret ? -EIO : 0; /* it needs no memory: EL2 does not have the VM any more */
}

static void settle_charges(struct keel_vm *vm);

/* The first gfn from @gfn up to @last that has an entry; beyond @last if none has. */
static u64 next_entry(struct keel_vm *vm, u64 gfn, u64 last)
{
	u64 first = last + 1;

	for (unsigned int i = 0; vm->pins.sizes >> i; i++) {
		unsigned long index = gfn >> order_of(vm, i);

		if (vm->pins.sizes & BIT(i) &&
		    keel_pins_next(&vm->pins, i, &index, last >> order_of(vm, i)))
			first = min(first, (u64)index << order_of(vm, i));
	}
	return max(first, gfn);
}

void keel_take_all(struct keel_vm *vm, u64 gfn, u64 npages)
{
	u64 end = gfn + npages, n;

	for (; gfn < end; gfn += n) {
		mutex_lock(&vm->mem_lock);
		gfn = next_entry(vm, gfn, end - 1);
		n = min(KEEL_TAKE_PAGES, end - gfn);
		if (n)
			keel_take(vm, gfn, gfn + n - 1);
		mutex_unlock(&vm->mem_lock);
		cond_resched();
	}
	settle_charges(vm);
}

bool keel_find_frames(struct keel_vm *vm, u64 gfn, unsigned long pfn, struct keel_frames *frames)
{
	struct pinned pin;
	struct page *head;
	bool is_it;

	mutex_lock(&vm->mem_lock);
	is_it = find_pin(vm, gfn, ~0U, &pin) && page_to_pfn(pin.page) + (gfn - pin.gfn) == pfn;
	if (is_it) { /* to split the compound page, the kernel must take it from the guest first */
		head = compound_head(pfn_to_page(pfn));
		frames->first = page_to_pfn(head);
		frames->last = frames->first + (1UL << compound_order(head)) - 1;
	}
	mutex_unlock(&vm->mem_lock);
	return is_it;
}

/* How many entries are looked at under one hold of mem_lock. */
#define LOOK_ENTRIES 512

/* Under mem_lock. Look at entries of @size from *@index on. Return: whether all were looked at. */
static bool take_some_frames(struct keel_vm *vm, unsigned int size, unsigned long *index,
			     const struct keel_frames *frames)
{
	u64 last = ((1ULL << (vm->ipa_bits - PAGE_SHIFT)) - 1) >> order_of(vm, size);

	for (unsigned int looks = 0; looks < LOOK_ENTRIES; looks++, ++*index) {
		void *entry = keel_pins_next(&vm->pins, size, index, last);
		unsigned long pages = 1UL << order_of(vm, size);
		struct pinned pin;

		if (!entry)
			return true;
		pin = from_entry(vm, size, *index, entry);
		if (page_to_pfn(pin.page) <= frames->last &&
		    page_to_pfn(pin.page) + pages > frames->first)
			keel_take(vm, pin.gfn, pin.gfn + pages - 1);
	}
	return false;
}

void keel_take_frames(struct keel_vm *vm, const struct keel_frames *frames)
{
	bool done;

	for (unsigned int size = 0; size < KEEL_PIN_SIZES; size++) {
		unsigned long index = 0;

		do {
			mutex_lock(&vm->mem_lock);
			done = take_some_frames(vm, size, &index, frames);
			mutex_unlock(&vm->mem_lock);
			cond_resched();
		} while (!done);
	}
}

#ifdef KEEL_INJECT
unsigned long keel_mapped_pfn(struct keel_vm *vm, u64 gfn)
{
	struct pinned pin;
	unsigned long pfn = 0;

	mutex_lock(&vm->mem_lock);
	if (find_pin(vm, gfn, ~0U, &pin))
		pfn = page_to_pfn(pin.page) + (gfn - pin.gfn);
	mutex_unlock(&vm->mem_lock);
	return pfn;
}
#endif

void keel_forget_all(struct keel_vm *vm)
{
	mutex_lock(&vm->mem_lock);
	forget_range(vm, 0, (1ULL << (vm->ipa_bits - PAGE_SHIFT)) - 1);
	mutex_unlock(&vm->mem_lock);
	settle_charges(vm);
}

/* The progress of a commit, which is repeated when memory was short. */
struct committed {
	unsigned long at;     /* how many pages of @entry EL2 has mapped; 0: @entry is not set */
	struct pinned entry;  /* of the record, which was being mapped when memory was short */
	bool kept;	      /* there is an entry for what the fault has */
	unsigned long around; /* how many pages around are kept, the first included */
};

/* Map @entry; from its beginning, unless it is the one that was being mapped. */
static __always_inline int map_entry(struct keel_vm *vm, const struct pinned *entry,
				     struct committed *done)
{
	int ret;

	if (done->at && (entry->gfn != done->entry.gfn || entry->order != done->entry.order ||
			 entry->page != done->entry.page))
		done->at = 0;
	ret = map_pages(vm, entry->gfn, entry->page, 1UL << entry->order, entry->writable,
			&done->at);
	if (unlikely(ret))
		done->entry = *entry;
	return ret;
}

/*
 * @size: its index in orders[]. If EL2 has mapped a part of it, the entry is kept, and the next fault
 * continues; if EL2 has mapped nothing, no entry is kept.
 */
static int insert_and_map(struct keel_vm *vm, const struct pinned *pin, unsigned int size,
			  struct committed *done)
{
	int ret = keel_pins_insert(&vm->pins, size, pin->gfn >> pin->order, to_entry(pin));

	if (ret)
		return ret;
	ret = map_entry(vm, pin, done);
	done->kept = !ret || pin->order > vm->page_order;
	if (!done->kept)
		keel_pins_erase(&vm->pins, size, pin->gfn >> pin->order);
	/*
	 * The record has an entry for everything that is mapped, so EL2 has something else there.
	 */
	return ret == -EEXIST ? -EFAULT : ret;
}

/* ---- under mem_lock: write permission, of slots that are logged or were ---- */

/* The guest can write to these pages, whole pages of stage 2. -ENXIO: none of them is mapped. */
static int give_write(struct keel_vm *vm, u64 gfn, u64 npages)
{
	long ret = keel_inject_map();

	if (!ret)
		ret = protect_gfns(vm, gfn, gfn + npages - 1, KEEL_PROTECT_GIVE);
	return ret == -ENOENT ? -EIO : ret;
}

/* The same, and blocks are what they were before their pages were given the permission one by one. */
static int give_whole(struct keel_vm *vm, u64 gfn, u64 npages)
{
	int ret = give_write(vm, gfn, npages);

	if (!ret && npages > 1UL << vm->page_order)
		ret = protect_gfns(vm, gfn, gfn + npages - 1, KEEL_PROTECT_JOIN);
	return ret;
}

/*
 * map_entry(), where there may be a mapping already: what was write-protected while its slot was
 * logged can be written again.
 */
static int map_whole(struct keel_vm *vm, const struct pinned *entry, struct committed *done)
{
	int ret = map_entry(vm, entry, done);

	if (likely(ret != -EEXIST))
		return ret;
	ret = entry->writable ? give_whole(vm, entry->gfn, 1ULL << entry->order) : 0;
	if (ret && ret != -ENXIO)
		return ret;
	done->at = 0;
	ret = map_entry(vm, entry, done);
	return ret == -EEXIST ? 0 : ret;
}

/*
 * In a logged slot EL2's mapping is changed page by page. The page at @gfn of @entry can be written
 * from now on, and has its bit before; or it can be read. @fresh: EL2 has nothing of it. @vcpu: it has
 * a ring for that, else NULL. The ring has the page once it can be written, and once only: nobody
 * relies on an entry before the vCPU has left KVM_RUN, or the entry is there.
 */
static int map_logged(struct keel_vm *vm, struct keel_vcpu *vcpu, const struct keel_slot *slot,
		      const struct pinned *entry, u64 gfn, bool write, bool fresh)
{
	unsigned long count = 1UL << vm->page_order, at = 0;
	int ret = -ENXIO;

	gfn &= ~((u64)count - 1);
	write &= entry->writable;
	if (write && !vcpu)
		keel_dirty_mark(slot, gfn, count);
	if (write && !fresh)
		ret = give_write(vm, gfn, count);
	if (ret == -ENXIO)
		ret = map_pages(vm, gfn, entry->page + (gfn - entry->gfn), count, write, &at);
	if (ret && ret != -EEXIST)
		return ret;
	if (write && vcpu)
		keel_ring_push(vcpu, slot, gfn, count);
	return 0;
}

/* At once: a part of KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE's. */
static long split_part(struct keel_vm *vm, u64 first, u64 last)
{
	long ret = 0;

	mutex_lock(&vm->mem_lock);
	if (!vm->dead && any_pin(vm, first, last, 0))
		ret = keel_inject_map() ?: protect_gfns(vm, first, last, KEEL_PROTECT_SPLIT);
	mutex_unlock(&vm->mem_lock);
	return ret;
}

static bool is_writable(struct keel_vm *vm, unsigned int size, unsigned long index)
{
	void *entry = keel_pins_load(&vm->pins, size, index);

	return entry && from_entry(vm, size, index, entry).writable;
}

/*
 * How many entries that follow each other from @index on are writable. A run ends at a multiple of
 * what one hold of mem_lock is for: there it cuts no contiguous group or block of EL2's, and those
 * can be joined again.
 */
static unsigned long writable_run(struct keel_vm *vm, unsigned int size, unsigned long index,
				  unsigned long last)
{
	unsigned long most = max(KEEL_TAKE_PAGES >> order_of(vm, size), 1ULL), n;

	most -= index % most;
	for (n = 0; n < most && index + n <= last; n++)
		if (!is_writable(vm, size, index + n))
			break;
	return n;
}

/* Return: whether there is no entry of @size from *@index up to @last any more. */
static bool restore_some(struct keel_vm *vm, unsigned int size, unsigned long *index, u64 last)
{
	unsigned int order = order_of(vm, size);
	unsigned long n;

	if (!keel_pins_next(&vm->pins, size, index, last >> order))
		return true;
	n = writable_run(vm, size, *index, last >> order);
	if (n) /* what EL2 lacks memory for, the next fault there does */
		(void)give_whole(vm, (u64)*index << order, (u64)n << order);
	*index += max(n, 1UL);
	return false;
}

void keel_write_restore(struct keel_vm *vm, u64 gfn, u64 npages)
{
	bool done;

	for (unsigned int size = 0; size < KEEL_PIN_SIZES; size++) {
		unsigned long index = gfn >> order_of(vm, size);

		do {
			mutex_lock(&vm->mem_lock);
			done = vm->dead || restore_some(vm, size, &index, gfn + npages - 1);
			mutex_unlock(&vm->mem_lock);
			cond_resched();
		} while (!done);
	}
}

/* ---- without locks ---- */

/* Count pages as locked memory, before they are recorded as pinned: vm->locked. */
static int charge_pages(struct keel_vm *vm, unsigned long pages)
{
	if (!account_locked_vm(vm->mm, pages, true))
		return 0;
	pr_warn_ratelimited(
		"%s[%d]: guest memory that is pinned counts as locked, and the limit of %lu KiB "
		"is reached: raise it (ulimit -l)\n",
		current->comm, task_pid_nr(current), rlimit(RLIMIT_MEMLOCK) >> 10);
	return -ENOMEM;
}

/* Uncount pages that were unpinned where mmap_lock could not be taken. */
static void settle_charges(struct keel_vm *vm)
{
	unsigned long pages = vm->locked ? atomic_long_xchg(&vm->unpinned, 0) : 0;

	if (pages)
		account_locked_vm(vm->mm, pages, false);
}

/*
 * Whether a commit lacked memory: for the VM at EL2, for EL2's own pool, or for an entry of the
 * record.
 */
static bool is_short(int err)
{
	return err == -ENOMEM || err == -ENOBUFS || err == -ENOSPC;
}

static int supply_memory(struct keel_vm *vm, const struct pinned *pin, int err)
{
	switch (err) {
	case -ENOMEM:
		return keel_topup(vm);
	case -ENOBUFS:
		return keel_pool_topup();
	default:
		return keel_pins_reserve(&vm->pins, &vm->mem_lock, index_of(vm, pin->order),
					 pin->gfn >> pin->order);
	}
}

/*
 * The limit for one commit: the tables for a GiB in pages take half as many donations as it has
 * MiB.
 */
#define SUPPLIES_MAX 1024

void keel_split_blocks(struct keel_vm *vm, u64 gfn, u64 npages)
{
	u64 chunk = clamp_t(u64, vm->split_chunk, SZ_2M, SZ_8M) >> PAGE_SHIFT, end = gfn + npages;
	unsigned int supplies;
	u64 next;
	long ret;

	if (!vm->split_chunk)
		return;
	for (; gfn < end; gfn = next) {
		next = min(ALIGN_DOWN(gfn, chunk) + chunk, end);
		supplies = 0; /* the limit is one chunk's: a slot may be terabytes */
		do
			ret = split_part(vm, gfn, next - 1);
		while ((ret == -ENOMEM || ret == -ENOBUFS) && supplies++ < SUPPLIES_MAX &&
		       !fatal_signal_pending(current) && !supply_memory(vm, NULL, ret));
		if (ret)
			return;
		cond_resched();
	}
}

/* ---- without locks: the process's pages ---- */

/* @flags: with FOLL_LONGTERM the pages are pinned; otherwise there is a reference to each. */
static __always_inline long get_pages(unsigned long hva, unsigned long count, unsigned int flags,
				      struct page **pages)
{
	if (unlikely(flags & FOLL_LONGTERM))
		return pin_user_pages_fast(hva, count, flags, pages);
	return get_user_pages_fast(hva, count, flags, pages);
}

static noinline long get_to_read(unsigned long hva, unsigned long count, unsigned int flags,
				 struct page **pages)
{
	return get_pages(hva, count, flags, pages);
}

/*
 * Without a pin, no copy is made for a read of what the process shares: the first write of the guest
 * makes it. A page that is pinned must be the process's own, as it stays.
 */
static unsigned int flags_to_write(unsigned int flags, bool read_only)
{
	return FOLL_WRITE | flags | (read_only && !(flags & FOLL_LONGTERM) ? FOLL_NOFAULT : 0);
}

/*
 * Get pages for writing if the process may write as it is, also for reads and in read-only slots;
 * otherwise for reading, if @read_only. *@writable tells which. @flags as for get_pages(), and
 * FOLL_NOFAULT for memory that the guest has not accessed. Return: as get_user_pages_fast().
 */
static __always_inline long get_best(const struct keel_slot *slot, unsigned long hva,
				     unsigned long count, unsigned int flags, struct page **pages,
				     bool read_only, bool *writable)
{
	long got = get_pages(hva, count, flags_to_write(flags, read_only), pages);

	*writable = !(slot->flags & KVM_MEM_READONLY);
	if (likely(got != -EFAULT) || !read_only)
		return got;
	*writable = false;
	return get_to_read(hva, count, flags, pages);
}

/* The flags for get_pages() of what @fault needs. */
static unsigned int flags_of(const struct fault *fault)
{
	return (fault->locked ? FOLL_LONGTERM : 0) | (fault->get_faults ? 0 : FOLL_NOFAULT);
}

/*
 * Whether there are more references to the page at @hva than the process's page tables and the
 * kernel's caches have: then the kernel cannot move it. It need not if the page is pinned already,
 * unless that is for a short time, in movable memory.
 */
static bool is_held(unsigned long hva)
{
	struct folio *folio;
	struct page *page;
	int known = 1; /* this one */
	bool held;

	if (get_user_pages_fast(hva, 1, FOLL_NOFAULT, &page) != 1)
		return false;
	folio = page_folio(page);
	known += keel_folio_mapcount(folio);
	if (folio_mapping(folio))
		known += folio_nr_pages(folio) + folio_test_private(folio);
	if (!folio_test_lru(folio) && !folio_test_hugetlb(folio)) /* about to be added to a list */
		known++;
	held = folio_ref_count(folio) > known &&
	       (is_zone_movable_page(page) || !folio_maybe_dma_pinned(folio));
	folio_put(folio);
	return held;
}

static unsigned long slot_hva(const struct keel_slot *slot, u64 gfn)
{
	return slot->hva + ((gfn - slot->gfn) << PAGE_SHIFT);
}

/* Whether one of the 2^order pages around @gfn is_held(). */
static bool is_any_held(const struct keel_slot *slot, u64 gfn, unsigned int order)
{
	u64 first = ALIGN_DOWN(gfn, 1UL << order);

	for (gfn = first; gfn < first + (1UL << order); gfn++)
		if (is_held(slot_hva(slot, gfn)))
			return true;
	return false;
}

/*
 * The error of a fault whose pin of the 2^order pages around its own gave @err. -EBUSY: the kernel
 * cannot pin them now, see wait_for_page(). Errors that KVM_RUN does not return by themselves mean
 * that the process has no such memory.
 */
static noinline int pin_error(struct fault *fault, const struct keel_slot *slot, long err,
			      unsigned int order)
{
	if (err == -EINTR)
		return err;
	if (err != -EAGAIN && err != -EBUSY && err != -ENOMEM)
		return -EFAULT;
	fault->why = err;
	fault->held = !fault->guess && is_any_held(slot, fault->gfn, order);
	return -EBUSY;
}

static bool are_adjacent(struct page **pages, unsigned long count)
{
	unsigned long pfn = page_to_pfn(pages[0]);

	for (unsigned long i = 1; i < count; i++)
		if (page_to_pfn(pages[i]) != pfn + i)
			return false;
	return true;
}

/*
 * Whether all of the 2^order guest pages around @gfn are in the slot, and in the huge page that
 * contains @page, the page of @gfn.
 */
static bool block_fits(const struct keel_slot *slot, u64 gfn, unsigned int order, struct page *page)
{
	struct page *head = compound_head(page);
	unsigned long count = 1UL << order, before = gfn & (count - 1);
	unsigned long index = page_to_pfn(page) - page_to_pfn(head);

	return gfn - before >= slot->gfn && gfn - before + count <= slot->gfn + slot->npages &&
	       index >= before && index - before + count <= 1UL << compound_order(head);
}

#define PMD_LEAF_ORDER (PMD_SHIFT - PAGE_SHIFT)

static void release_some(struct page **pages, unsigned long count, bool pinned)
{
	if (pinned && count)
		unpin_user_pages(pages, count);
	for (unsigned long i = 0; !pinned && i < count; i++)
		put_page(pages[i]);
}

/* What the process's page tables have for an address. */
struct translation {
	unsigned int order; /* of the leaf; 0 for a page, or if there is none */
	unsigned long pfn;  /* the first of such a leaf */
	bool writable;	    /* all of that leaf */
	bool readable;	    /* the leaf, or the page at the address */
	unsigned long
		pages; /* without such a leaf: how many pages from the address on are present and writable */
};

static unsigned long count_pages(const pte_t *ptep, unsigned long hva, unsigned long max)
{
	unsigned long n;

	max = min(max, PTRS_PER_PTE - (hva >> PAGE_SHIFT) % PTRS_PER_PTE);
	for (n = 0; n < max; n++) {
		pte_t pte = READ_ONCE(ptep[n]);

		if (!pte_present(pte) || !pte_write(pte))
			break;
	}
	return n;
}

/* Interrupts are off. */
static void translate_leaf(unsigned long hva, unsigned long max, struct translation *found)
{
	struct keel_process_leaf leaf;

	if (!keel_process_leaf(hva, &leaf))
		return;
	found->readable = pte_access_permitted(leaf.entry, false);
	if (leaf.page) {
		found->pages = count_pages(leaf.page, hva, max);
		return;
	}
	found->order = leaf.order;
	found->pfn = leaf.pfn;
	found->writable = pte_write(leaf.entry);
}

/* Up to @max pages are looked at. The answer may be out of date when this returns. */
static struct translation translate_hva(unsigned long hva, unsigned long max)
{
	struct translation found = { 0 };
	unsigned long flags;

	local_irq_save(flags);
	translate_leaf(hva, max, &found);
	local_irq_restore(flags);
	return found;
}

/*
 * Whether a single leaf of the process's page tables maps all of the block around @pin's page. Then
 * one reference is enough: a pin keeps the whole huge page in place and in one piece, and otherwise
 * the kernel takes the huge page from the guest before it changes the leaf.
 */
static bool one_leaf(const struct keel_slot *slot, const struct pinned *pin, unsigned int order)
{
	unsigned long mask = (1UL << order) - 1, pfn = page_to_pfn(pin->page);
	unsigned long hva = slot_hva(slot, pin->gfn);
	struct translation found;

	if ((pin->gfn ^ pfn) & mask || (pin->gfn ^ hva >> PAGE_SHIFT) & mask)
		return false;
	found = translate_hva(hva, 0);
	return found.order >= order && found.pfn == ALIGN_DOWN(pfn, 1UL << found.order);
}

static void widen_pin(struct pinned *pin, unsigned int order)
{
	unsigned long before = pin->gfn & ((1UL << order) - 1);

	pin->gfn -= before;
	pin->page = pfn_to_page(page_to_pfn(pin->page) - before);
	pin->order = order;
	pin->one_ref = true;
}

/* Whether the process has all of it. A block must not bring back what the process has discarded. */
static bool process_has(const struct keel_slot *slot, u64 gfn, unsigned long count)
{
	while (count) {
		unsigned long hva = slot_hva(slot, gfn), n;
		struct translation found = translate_hva(hva, count);

		n = found.pages;
		if (found.order && found.writable)
			n = (1UL << found.order) -
			    ((hva >> PAGE_SHIFT) & ((1UL << found.order) - 1));
		if (!n)
			return false;
		n = min(n, count);
		gfn += n;
		count -= n;
	}
	return true;
}

/*
 * The memory must be aligned to 2^@unit pages as the guest addresses are. @flags as for
 * get_best(). Return: 0; the kernel's error; or -EFAULT.
 */
static long get_block(const struct keel_slot *slot, u64 gfn, unsigned int order, unsigned int unit,
		      unsigned int flags, struct pinned *pin)
{
	unsigned long count = 1UL << order;
	struct page **pages;
	long got;

	pages = kvmalloc_array(count, sizeof(*pages), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!pages)
		return -ENOMEM;
	pin->gfn = ALIGN_DOWN(gfn, count);
	pin->order = order;
	pin->one_ref = false;
	pin->pinned = flags & FOLL_LONGTERM;
	got = get_best(slot, slot_hva(slot, pin->gfn), count, flags, pages,
		       slot->flags & KVM_MEM_READONLY, &pin->writable);
	if (got == count && are_adjacent(pages, count) &&
	    IS_ALIGNED(page_to_pfn(pages[0]) ^ pin->gfn, 1UL << unit)) {
		pin->page = pages[0];
		kvfree(pages);
		return 0;
	}
	release_some(pages, max(got, 0L), pin->pinned);
	kvfree(pages);
	return got < 0 ? got : -EFAULT;
}

/*
 * Guests use memory upwards, and the process often has some of the pages that follow in the same 64
 * KiB. They are mapped as well, since another fault costs more than all of them. This is a guess: a
 * page that cannot be mapped is left for its own fault.
 */
#define AROUND_PAGES 16

/*
 * The kernel notifies the watch when it moves a page to pin it, and also when it tries to and
 * fails. So what was pinned of a slot with a page that cannot be moved would be out of date each
 * time. After so often no more than the page of the fault is pinned.
 */
#define STALE_MAX 2

/* Pages from @gfn on, with a reference to each; one page, if it is pinned. */
struct around {
	u64 gfn;
	unsigned long count;
	struct page **pages; /* AROUND_PAGES */
	bool pinned;
};

static void release_from(struct around *around, unsigned long first)
{
	if (around->count > first)
		release_some(around->pages + first, around->count - first, around->pinned);
	around->count = min(around->count, first);
}

#define MAY_NOT_FAULT (VM_IO | VM_PFNMAP)

/* For writing if that is allowed, otherwise for reading if @read_only. */
static bool may_fault(const struct vm_area_struct *vma, bool read_only)
{
	if (vma->vm_flags & MAY_NOT_FAULT)
		return false;
	return vma->vm_flags & VM_WRITE || (read_only && vma->vm_flags & VM_READ);
}

/*
 * Whether to bring a page that can be written, also for a read. Of anonymous memory that is the page
 * that a write would need next, instead of the zero page. A page of a file would be copied, or would
 * have to be written back.
 */
static bool brings_writable(struct vm_area_struct *vma, bool read_only)
{
	return vma->vm_flags & VM_WRITE &&
	       (!read_only || vma_is_anonymous(vma) || is_vm_hugetlb_page(vma));
}

/*
 * Under mmap_lock, which has been released if the result has VM_FAULT_RETRY or VM_FAULT_COMPLETED.
 * Interruptible, since userspace (userfaultfd) may let it wait without end.
 */
static vm_fault_t fault_in_locked(struct mm_struct *mm, unsigned long hva, bool read_only,
				  unsigned int *shift)
{
	struct vm_area_struct *vma = vma_lookup(mm, hva);
	vm_fault_t fault = 0;

	if (vma && may_fault(vma, read_only))
		fault = handle_mm_fault(
			vma, hva,
			FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE | FAULT_FLAG_INTERRUPTIBLE |
				(brings_writable(vma, read_only) ? FAULT_FLAG_WRITE : 0),
			NULL);
	if (fault & VM_FAULT_HWPOISON_LARGE)
		*shift = ilog2(vma_kernel_pagesize(vma));
	return fault;
}

/* The process is told of broken memory as if it had accessed it itself. */
static void tell_of_poison(unsigned long hva, unsigned int shift)
{
	send_sig_mceerr(BUS_MCEERR_AR, (void __user *)ALIGN_DOWN(hva, 1UL << shift), shift,
			current);
}

/*
 * Fault the page in for the process. get_pages() would do so as well, but with more lookups and
 * without reacting to signals. If this fails, get_pages() finds out why. -EAGAIN: try again.
 * -EHWPOISON: the process was told.
 */
static int fault_in(unsigned long hva, bool read_only, bool locked)
{
	unsigned int shift = PAGE_SHIFT, flags;
	struct mm_struct *mm = current->mm;
	vm_fault_t fault;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	flags = locked ? memalloc_pin_save() : 0;
	fault = fault_in_locked(mm, hva, read_only, &shift);
	if (locked)
		memalloc_pin_restore(flags);
	if (!(fault & (VM_FAULT_RETRY | VM_FAULT_COMPLETED)))
		mmap_read_unlock(mm);
	if (fault & VM_FAULT_RETRY)
		return -EAGAIN;
	if (!(fault & (VM_FAULT_HWPOISON | VM_FAULT_HWPOISON_LARGE)))
		return 0;
	tell_of_poison(hva, shift);
	return -EHWPOISON;
}

/* Fault in what the process does not have of the page of stage 2 that contains @gfn. */
static noinline int fault_in_large_page(const struct keel_slot *slot, const struct fault *fault,
					unsigned int order)
{
	u64 first = ALIGN_DOWN(fault->gfn, 1UL << order), gfn;
	int ret = 0;

	for (gfn = first; gfn < first + (1UL << order) && !ret; gfn++)
		if (!process_has(slot, gfn, 1))
			ret = fault_in(slot_hva(slot, gfn), slot->flags & KVM_MEM_READONLY,
				       fault->locked);
	return ret;
}

/*
 * How many pages from the fault's on to map: those that the process has, or one that is faulted in.
 * -EAGAIN also for a guess at what is no longer there.
 */
static long pages_to_get(const struct keel_vm *vm, const struct keel_slot *slot,
			 struct fault *fault)
{
	u64 gfn = fault->gfn, end = min(ALIGN(gfn + 1, AROUND_PAGES), slot->gfn + slot->npages);
	struct translation found = translate_hva(slot_hva(slot, gfn), end - gfn);
	int ret = 0;

	fault->there = found.pages || (found.order && found.writable);
	fault->readable = found.readable && !fault->there && !fault->write && !fault->locked;
	if (vm->page_order && !fault->guess)
		ret = fault_in_large_page(slot, fault, vm->page_order);
	else if (!fault->there && !fault->readable)
		ret = fault->guess ? -EAGAIN
				   : fault_in(slot_hva(slot, gfn), !fault->write, fault->locked);
	if (ret)
		return ret;
	if (slot->flags & KVM_MEM_READONLY || vm->page_order || fault->locked ||
	    fault->stale >= STALE_MAX || slot->dirty)
		return 1;
	return max(found.pages, 1UL);
}

/* get_pages() has one error for broken memory and for memory that the process does not have. */
static int why_not(int err, const struct keel_slot *slot, u64 gfn, bool read_only)
{
	return (err == -EFAULT ? fault_in(slot_hva(slot, gfn), read_only, false) : 0) ?: err;
}

/* Nobody is told of broken memory that the guest has not accessed. */
static int is_broken(const struct fault *fault, unsigned long hva, unsigned int shift)
{
	if (!fault->guess)
		tell_of_poison(hva, shift);
	return -EHWPOISON;
}

/*
 * The zero page is never given up, whatever is said of it (MADV_HWPOISON): all processes go on
 * reading it, and so do guests.
 */
static bool is_page_broken(struct page *page)
{
	return unlikely(PageHWPoison(page)) && !is_zero_pfn(page_to_pfn(page));
}

/*
 * The process may still have pages that the kernel knows to be broken, because they were pinned
 * when it tried to unmap them. Drop these and what follows; no guest gets them. -EHWPOISON if none
 * are left.
 */
static noinline int drop_broken(const struct keel_slot *slot, const struct fault *fault,
				struct around *around)
{
	struct page *head = compound_head(around->pages[0]);
	unsigned long good = 0;

	if (PageHuge(head) && PageHWPoison(head)) {
		release_from(around, 0);
		return is_broken(fault, slot_hva(slot, around->gfn),
				 compound_order(head) + PAGE_SHIFT);
	}
	while (good < around->count && !is_page_broken(around->pages[good]))
		good++;
	release_from(around, good);
	return good ? 0 : is_broken(fault, slot_hva(slot, around->gfn), PAGE_SHIFT);
}

/* Whether there is nothing for drop_broken(). Of hugetlb pages the head tells, and all have one. */
static __always_inline bool are_good(const struct around *around)
{
	struct page *const *page = around->pages, *const *end = page + around->count;

	if (is_page_broken(compound_head(*page)))
		return false;
	while (page < end && !is_page_broken(*page))
		page++;
	return page == end;
}

/* If several pages cannot be had the one that the guest has accessed may be. */
static noinline long get_one(const struct keel_slot *slot, const struct fault *fault,
			     struct page **pages, bool *writable)
{
	return get_best(slot, slot_hva(slot, fault->gfn), 1, flags_of(fault), pages, !fault->write,
			writable);
}

static noinline int get_around_failed(const struct keel_slot *slot, struct fault *fault, long err)
{
	int ret = pin_error(fault, slot, err, 0);

	return fault->guess ? ret : why_not(ret, slot, fault->gfn, !fault->write);
}

static int get_around(const struct keel_slot *slot, struct fault *fault, long count,
		      struct around *around, bool *writable)
{
	unsigned int flags = flags_of(fault) | (count > 1 ? FOLL_NOFAULT : 0);
	unsigned long hva = slot_hva(slot, fault->gfn);
	long got;

	*writable = false;
	if (unlikely(fault->readable))
		got = get_to_read(hva, 1, flags, around->pages);
	else
		got = get_best(slot, hva, count, flags, around->pages, count == 1 && !fault->write,
			       writable);
	if (unlikely(got <= 0) && count > 1)
		got = get_one(slot, fault, around->pages, writable);
	around->gfn = fault->gfn;
	around->count = max(got, 0L);
	around->pinned = fault->locked;
	if (unlikely(got <= 0))
		return get_around_failed(slot, fault, got);
	return likely(are_good(around)) ? 0 : drop_broken(slot, fault, around);
}

/* To get several pages has failed: find out whether one of them is broken. */
static int look_at_each(const struct keel_slot *slot, u64 gfn, unsigned long count)
{
	int ret = -EFAULT;

	for (; count && ret == -EFAULT; gfn++, count--)
		ret = why_not(ret, slot, gfn, slot->flags & KVM_MEM_READONLY);
	return ret;
}

static int drop_broken_page(const struct keel_slot *slot, const struct fault *fault,
			    const struct pinned *pin)
{
	unsigned long i;

	for (i = 0; i < 1UL << pin->order && !is_page_broken(pin->page + i); i++)
		;
	if (i == 1UL << pin->order)
		return 0;
	release_memory(pin);
	return is_broken(fault, slot_hva(slot, pin->gfn + i), PAGE_SHIFT);
}

/*
 * A page of stage 2 that is several of the kernel's pages. They must be adjacent and aligned, as
 * they are in a huge page; otherwise such a VM cannot have this memory.
 */
static int get_large_page(const struct keel_slot *slot, struct fault *fault, unsigned int order,
			  struct pinned *pin)
{
	u64 gfn = fault->gfn;
	long got = get_block(slot, gfn, order, order, flags_of(fault), pin);
	int ret;

	if (!got)
		return drop_broken_page(slot, fault, pin);
	ret = pin_error(fault, slot, got, order);
	if (ret != -EFAULT || !fault->get_faults)
		return ret;
	ret = look_at_each(slot, ALIGN_DOWN(gfn, 1UL << order), 1UL << order);
	if (ret != -EFAULT)
		return ret;
	pr_warn_ratelimited("%s[%d]: memory at %#lx is not in aligned pieces of %lu KiB, which "
			    "keel.stage2_granule needs: use huge pages\n",
			    current->comm, task_pid_nr(current), slot_hva(slot, gfn),
			    PAGE_SIZE << order >> 10);
	return ret;
}

/* Extend @pin, the page of @fault, if it is part of a huge page. */
static bool get_larger(const struct keel_vm *vm, const struct keel_slot *slot,
		       const struct fault *fault, struct pinned *pin, struct around *around)
{
	unsigned int flags = flags_of(fault) | FOLL_NOFAULT;
	u64 gfn = fault->gfn;
	struct pinned block;

	for (unsigned int i = 0; i < ORDER_PAGE && orders[i] > vm->page_order; i++) {
		if (orders[i] > fault->max || !block_fits(slot, gfn, orders[i], pin->page))
			continue;
		if (one_leaf(slot, pin, orders[i])) {
			release_from(around, 1);
			widen_pin(pin, orders[i]);
			return true;
		}
		if (!process_has(slot, ALIGN_DOWN(gfn, 1UL << orders[i]), 1UL << orders[i]) ||
		    get_block(slot, gfn, orders[i], vm->page_order, flags, &block))
			continue;
		release_from(around, 0);
		*pin = block;
		return true;
	}
	return false;
}

/* Get the page of @fault and those around it, or more of a huge page. */
static int get_memory(const struct keel_vm *vm, const struct keel_slot *slot, struct fault *fault,
		      long count, struct pinned *pin, struct around *around)
{
	int ret = get_around(slot, fault, count, around, &pin->writable);

	if (ret)
		return ret;
	pin->gfn = fault->gfn;
	pin->page = around->pages[0];
	pin->order = 0;
	pin->one_ref = false;
	pin->pinned = fault->locked;
	if (PageCompound(pin->page) && !keel_compound_is_broken(compound_head(pin->page)) &&
	    get_larger(vm, slot, fault, pin, around))
		return 0;
	if (!vm->page_order)
		return 0;
	release_from(around, 0);
	return get_large_page(slot, fault, vm->page_order, pin);
}

/* As long as these have not changed, the process still has what a fault has found. */
struct seen {
	struct keel_slot slot;
	unsigned long generation; /* of the slots */
	unsigned long sequence;	  /* of the watch */
};

/* Under mem_lock, of @pages from @gfn on. */
static bool out_of_date(struct keel_vm *vm, const struct seen *seen, u64 gfn, unsigned long pages)
{
	unsigned long hva = slot_hva(&seen->slot, gfn);

	if (vm->slots_generation != seen->generation)
		return true;
	if (unlikely(seen->slot.file)) /* its addresses are not the process's */
		return READ_ONCE(vm->watch.sequence) != seen->sequence;
	return keel_watch_changed(&vm->watch, hva, hva + (pages << PAGE_SHIFT), seen->sequence);
}

/*
 * Another vCPU was faster. Its mapping is completed if EL2 does not have it yet. A read-only
 * mapping is removed if the process may write now: -EAGAIN.
 */
static noinline int map_again(struct keel_vm *vm, const struct pinned *there,
			      const struct pinned *pin, struct committed *done)
{
	if ((pin->writable && !there->writable) || there->frames) {
		keel_take(vm, there->gfn, there->gfn);
		return -EAGAIN;
	}
	return map_whole(vm, there, done);
}

/* The vCPU whose ring gets what is written, or NULL. */
static struct keel_vcpu *ring_of(const struct fault *fault)
{
	return fault->vcpu && fault->vcpu->ring.entry ? fault->vcpu : NULL;
}

/*
 * commit_pin() in a logged slot: @pin is a page. Mappings from before are as large as they were,
 * and one page of them is mapped, or can be written then.
 */
static noinline int commit_logged(struct keel_vm *vm, const struct fault *fault,
				  const struct pinned *pin, const struct keel_slot *slot,
				  struct committed *done)
{
	unsigned int size = index_of(vm, pin->order);
	struct pinned there;
	int ret;

	if (find_pin(vm, fault->gfn, ~0U, &there)) {
		if ((pin->writable && !there.writable) || there.frames) {
			keel_take(vm, there.gfn, there.gfn);
			return -EAGAIN;
		}
		return map_logged(vm, ring_of(fault), slot, &there, fault->gfn, fault->write,
				  false);
	}
	ret = keel_pins_insert(&vm->pins, size, pin->gfn >> pin->order, to_entry(pin));
	if (ret)
		return ret;
	ret = map_logged(vm, ring_of(fault), slot, pin, fault->gfn, fault->write, true);
	done->kept = !ret;
	if (ret)
		keel_pins_erase(&vm->pins, size, pin->gfn >> pin->order);
	return ret;
}

/*
 * Under mem_lock. -EAGAIN: what was found is out of date; -EBUSY: a block does not fit, a page
 * does; is_short(): call again with @done as it is.
 */
static int commit_pin(struct keel_vm *vm, const struct fault *fault, const struct pinned *pin,
		      const struct around *around, const struct seen *seen, struct committed *done)
{
	unsigned int size = index_of(vm, pin->order);
	struct pinned there KEEL_NOT_CLEARED;
	u64 gfn = fault->gfn;
	int ret = -EBUSY;

	if (out_of_date(vm, seen, pin->gfn, max(1UL << pin->order, around->count)))
		return -EAGAIN;
	if (unlikely(seen->slot.dirty))
		return commit_logged(vm, fault, pin, &seen->slot, done);
	if (find_pin(vm, gfn, BIT(size) - 1, &there))
		return map_again(vm, &there, pin, done);
	if (!done->kept && !any_smaller(vm, pin, size))
		ret = insert_and_map(vm, pin, size, done);
	/* There is an entry of this size, or of a page where the block would be. */
	if (ret == -EBUSY && find_pin(vm, gfn, ~0U, &there))
		return map_again(vm, &there, pin, done);
	return ret;
}

/* ---- pages that follow ---- */

/* Make entries for @n pages from number @first on. Return: how many were made. */
static unsigned long insert_around(struct keel_vm *vm, const struct around *around,
				   unsigned long first, unsigned long n)
{
	unsigned long i;

	for (i = 0; i < n; i++) {
		struct pinned there, pin = {
			.gfn = around->gfn + first + i,
			.page = around->pages[first + i],
			.writable = true,
		};

		if (find_pin(vm, pin.gfn, BIT(index_of(vm, 0)) - 1, &there) ||
		    keel_pins_insert(&vm->pins, index_of(vm, 0), pin.gfn, to_entry(&pin)))
			break;
	}
	return i;
}

/*
 * Under mem_lock, for the pages after the first. Adjacent ones are mapped in one call. Return: how
 * many pages are kept, the first included.
 */
static unsigned long commit_around(struct keel_vm *vm, const struct around *around)
{
	unsigned long done = 1, n, want, at;
	int ret = 0;

	for (; done < around->count && !ret; done += n) {
		struct page **pages = around->pages + done;

		for (want = 1; done + want < around->count; want++)
			if (page_to_pfn(pages[want]) != page_to_pfn(pages[0]) + want)
				break;
		n = insert_around(vm, around, done, want);
		at = 0;
		if (n)
			ret = map_pages(vm, around->gfn + done, pages[0], n, true, &at);
		if (n < want)
			ret = -EBUSY;
	}
	return done;
}

static int commit_once(struct keel_vm *vm, const struct fault *fault, const struct pinned *pin,
		       const struct around *around, const struct seen *seen, struct committed *done)
{
	int ret;

	if (mutex_lock_killable(&vm->mem_lock))
		return -EINTR;
	ret = commit_pin(vm, fault, pin, around, seen, done);
	if (!ret && around->count > 1)
		done->around = commit_around(vm, around);
	mutex_unlock(&vm->mem_lock);
	return ret;
}

/* What is in the record stays pinned. */
static noinline void end_pinned(struct keel_vm *vm, const struct pinned *pin, bool kept)
{
	if (kept)
		return;
	release_memory(pin);
	atomic_long_add(1UL << pin->order, &vm->unpinned);
}

/* The end of a fault's reference. */
static __always_inline void end_page(struct page *page, bool dirty)
{
	if (dirty)
		mark_dirty(page_folio(page));
	put_page(page);
}

/* @pin refers to the first of @around, if that has any. */
static __always_inline void end_commit(const struct pinned *pin, const struct around *around,
				       const struct committed *done)
{
	for (unsigned long i = 0; i < refs_of(pin); i++)
		end_page(pin->page + i, done->kept && pin->writable);
	for (unsigned long i = 1; i < around->count; i++)
		end_page(around->pages[i], i < done->around);
}

static __always_inline int commit_all(struct keel_vm *vm, const struct fault *fault,
				      const struct pinned *pin, struct around *around,
				      const struct seen *seen)
{
	struct committed done KEEL_NOT_CLEARED;
	unsigned int supplies = 0;
	int ret;

	done.at = 0;
	done.kept = false;
	done.around = 1;
	while (is_short(ret = commit_once(vm, fault, pin, around, seen, &done))) {
		if (fatal_signal_pending(current) || supplies++ == SUPPLIES_MAX ||
		    supply_memory(vm, pin, ret)) {
			ret = -ENOMEM;
			break;
		}
	}
	if (unlikely(pin->pinned))
		end_pinned(vm, pin, done.kept);
	else
		end_commit(pin, around, &done);
	return ret;
}

/*
 * What is found gets tags, before a guest that has them sees it: only of memory that may have them. An
 * invalidation would have told if the process had other memory there when it was found. -EAGAIN: less
 * of it may do.
 */
static int give_tags(struct keel_vm *vm, struct fault *fault, const struct pinned *pin,
		     struct around *around, const struct seen *seen)
{
	unsigned long count = max(1UL << pin->order, around->count), i;
	unsigned long hva = slot_hva(&seen->slot, pin->gfn), end = hva + (count << PAGE_SHIFT);
	bool more = pin->order > vm->page_order || around->count > 1;
	int ret;

	if (!keel_mte_allows(vm->mm, hva, end)) {
		fault->max = 0;
		fault->stale = STALE_MAX;
		return more ? -EAGAIN : -EFAULT;
	}
	if (keel_watch_changed(&vm->watch, hva, end, seen->sequence))
		return -EAGAIN;
	ret = keel_mte_clear(pin->page, 1UL << pin->order);
	for (i = 1; i < around->count && !ret; i++)
		ret = keel_mte_clear(around->pages[i], 1);
	return ret;
}

/* Of VMs with vm->special. After an error there is no reference to @pin and @around any more. */
static noinline int prepare_special(struct keel_vm *vm, struct fault *fault,
				    const struct pinned *pin, struct around *around,
				    const struct seen *seen)
{
	int ret = fault->mte ? give_tags(vm, fault, pin, around, seen) : 0;

	if (!ret && fault->locked && charge_pages(vm, 1UL << pin->order))
		ret = -ENOMEM;
	if (!ret)
		return 0;
	release_from(around, 1); /* @pin refers to the first */
	release_memory(pin);
	return ret;
}

/* Between keel_pin_begin() and keel_pin_end(). */
static int get_and_commit(struct keel_vm *vm, struct fault *fault, long count,
			  const struct seen *seen)
{
	struct page *pages[AROUND_PAGES] KEEL_NOT_CLEARED;
	struct around around KEEL_NOT_CLEARED;
	struct pinned pin KEEL_NOT_CLEARED;
	int ret;

	around.pages = pages;
	ret = get_memory(vm, &seen->slot, fault, count, &pin, &around);
	if (ret)
		return ret;
	fault->order = pin.order;
	if (unlikely(fault->special)) {
		ret = prepare_special(vm, fault, &pin, &around, seen);
		if (ret)
			return ret;
	}
	ret = commit_all(vm, fault, &pin, &around, seen);
	if (ret != -EBUSY)
		return ret;
	fault->max = 0; /* a page fits where a block does not */
	return -EAGAIN;
}

/* ---- memory without pages ---- */

static bool is_same(const struct pinned *a, const struct pinned *b)
{
	return a->gfn == b->gfn && a->page == b->page && a->order == b->order &&
	       a->writable == b->writable && a->frames == b->frames;
}

/*
 * Under mem_lock: make the entry, unless another vCPU was faster, and map. An entry that is there
 * otherwise is of what was mapped before it could be written, or in other pieces.
 */
static int insert_frames(struct keel_vm *vm, const struct pinned *pin, u64 flags)
{
	unsigned long count = 1UL << pin->order, at = 0;
	unsigned int size = index_of(vm, pin->order);
	struct pinned there;
	int ret = 0;

	if (!find_pin(vm, pin->gfn, ~0U, &there) || !is_same(&there, pin)) {
		void *entry = xa_mk_value(xa_to_value(to_entry(pin)) | ENTRY_FRAMES);

		keel_take(vm, pin->gfn, pin->gfn + count - 1);
		ret = keel_pins_insert(&vm->pins, size, pin->gfn >> pin->order, entry);
	}
	if (!ret)
		ret = map_as(vm, pin->gfn, pin->page, count, flags, &at);
	if (ret)
		keel_take(vm, pin->gfn, pin->gfn + count - 1);
	return ret;
}

/* As commit_once(). In a logged slot a page is written from its first write on. */
static int commit_frames(struct keel_vm *vm, const struct fault *fault, const struct seen *seen,
			 const struct pinned *pin, u64 flags)
{
	const struct keel_slot *slot = &seen->slot;
	struct keel_vcpu *ring = ring_of(fault);
	u64 count = 1ULL << pin->order;
	bool write = pin->writable && (fault->write || !slot->dirty);
	int ret = -EAGAIN;

	if (mutex_lock_killable(&vm->mem_lock))
		return -EINTR;
	if (!out_of_date(vm, seen, pin->gfn, count)) {
		if (slot->dirty && write && !ring)
			keel_dirty_mark(slot, pin->gfn, count);
		if (slot->dirty) /* what is there has another permission, or can have */
			keel_take(vm, pin->gfn, pin->gfn + count - 1);
		ret = insert_frames(vm, pin, flags | (write ? KEEL_MAP_WRITE : 0));
		if (!ret && slot->dirty && write && ring)
			keel_ring_push(ring, slot, pin->gfn, count);
	}
	mutex_unlock(&vm->mem_lock);
	return ret;
}

static struct keel_orders orders_for(const struct keel_vm *vm, const struct fault *fault)
{
	struct keel_orders some = { 0 };

	for (unsigned int i = 0; i < ORDER_PAGE; i++)
		if (orders[i] > vm->page_order && orders[i] <= fault->max)
			some.order[some.count++] = orders[i];
	some.order[some.count++] = vm->page_order;
	return some;
}

static int commit_all_frames(struct keel_vm *vm, const struct fault *fault, const struct seen *seen,
			     const struct pinned *pin, u64 flags)
{
	unsigned int supplies = 0;
	int ret;

	while (is_short(ret = commit_frames(vm, fault, seen, pin, flags)))
		if (fatal_signal_pending(current) || supplies++ == SUPPLIES_MAX ||
		    supply_memory(vm, pin, ret))
			return -ENOMEM;
	return ret;
}

/* What EL2 does not let a guest reach is -EFAULT; a block, because a part of it may be that, is not. */
static int refused_frames(const struct keel_vm *vm, struct fault *fault, const struct pinned *pin,
			  int err)
{
	if (err != -EPERM && err != -EINVAL && err != -EEXIST)
		return err;
	if (pin->order <= vm->page_order)
		return -EFAULT;
	fault->max = 0;
	return -EAGAIN;
}

/* Whether the kernel knows that some of it is broken: it cannot take that from a driver's mapping. */
static bool are_broken(const struct keel_frame *frame)
{
	if (frame->flags & KEEL_MAP_DEVICE)
		return false;
	for (unsigned long i = 0; i < 1UL << frame->order; i++) {
		struct page *page = pfn_to_online_page(frame->pfn + i);

		if (page && PageHWPoison(page))
			return true;
	}
	return false;
}

/* No guest gets it: it would meet the error again and again. */
static int refused_broken(const struct keel_vm *vm, struct fault *fault, const struct seen *seen,
			  const struct keel_frame *frame)
{
	if (frame->order <= vm->page_order)
		return is_broken(fault, slot_hva(&seen->slot, fault->gfn), PAGE_SHIFT);
	fault->max = 0;
	return -EAGAIN;
}

/* get_pages() finds no page. -EFAULT: there is no memory without pages, either. */
static noinline int map_frames(struct keel_vm *vm, struct fault *fault, const struct seen *seen)
{
	struct keel_orders some = orders_for(vm, fault);
	struct keel_frame found;
	struct pinned pin;
	int ret = keel_frame_find(&seen->slot, fault->gfn, fault->write, &some, &found);

	if (ret)
		return ret;
	if (fault->mte && !(found.flags & KEEL_MAP_DEVICE)) /* it would have tags, and nobody's */
		return -EFAULT;
	if (found.flags & KEEL_MAP_DEVICE && fault->vcpu && fault->vcpu->hyp->fault.exec)
		return -ENOEXEC;
	if (are_broken(&found))
		return refused_broken(vm, fault, seen, &found);
	pin = (struct pinned){
		.gfn = found.gfn,
		.page = pfn_to_page(found.pfn),
		.order = found.order,
		.writable = found.writable,
		.frames = true,
	};
	ret = commit_all_frames(vm, fault, seen, &pin, found.flags);
	return refused_frames(vm, fault, &pin, ret);
}

/* KVM_RUN fails, and says where. */
static void tell_of_fault(struct keel_vcpu *vcpu, u64 gfn)
{
	vcpu->run->exit_reason = KVM_EXIT_MEMORY_FAULT;
	*keel_memory_fault(vcpu->run) =
		(struct keel_memory_fault){ .gpa = gfn << PAGE_SHIFT, .size = PAGE_SIZE };
}

/* In a slot of a file (gmem.c), which is not looked up in the process's memory. */
static noinline int fault_in_file(struct keel_vm *vm, const struct fault *fault, struct seen *seen)
{
	struct keel_gmem_page page;
	struct pinned pin;
	int ret;

	if (!keel_slot_hold(vm, fault->gfn, &seen->slot, &seen->generation))
		return -EAGAIN;
	ret = READ_ONCE(vm->mte) ? -EFAULT : keel_gmem_begin(seen->slot.file, fault->gfn, &page);
	if (ret == -EHWPOISON)
		tell_of_poison(slot_hva(&seen->slot, fault->gfn), PAGE_SHIFT);
	if (ret == -EFAULT && fault->vcpu)
		tell_of_fault(fault->vcpu, fault->gfn);
	if (ret)
		goto out;
	seen->sequence = page.sequence;
	pin = (struct pinned){
		.gfn = fault->gfn, .page = page.page, .writable = true, .frames = true
	};
	ret = commit_all_frames(vm, fault, seen, &pin, KEEL_MAP_EXEC);
	keel_gmem_end(seen->slot.file, &page);
out:
	keel_gmem_drop(seen->slot.file);
	return ret;
}

/*
 * At first get_pages() does not fault memory in, since no signal could end its wait for userspace
 * (userfaultfd). If that fails, what was looked at may have changed before it got it: then start
 * over. Otherwise it takes a fault of its own, as to pin a page that the process may only read, and
 * shares: get_faults.
 */
static noinline int not_mapped(struct keel_vm *vm, struct fault *fault, const struct seen *seen,
			       int ret)
{
	unsigned long hva = slot_hva(&seen->slot, fault->gfn);
	bool changed = keel_watch_changed(&vm->watch, hva, hva + PAGE_SIZE, seen->sequence);

	if (ret == -EFAULT && !fault->guess)
		ret = map_frames(vm, fault, seen);
	if (ret == -EFAULT && (changed || !(fault->guess || fault->get_faults))) {
		fault->get_faults = !changed;
		ret = -EAGAIN;
	}
	fault->stale += ret == -EAGAIN;
	cond_resched(); /* a page beside the fault's may be what is being invalidated */
	return ret;
}

/* -EAGAIN also while a page is being given up, for which keel_fault() waits. */
static int fault_in_slot(struct keel_vm *vm, struct fault *fault, const struct seen *seen)
{
	long ret = pages_to_get(vm, &seen->slot, fault);

	if (ret < 0)
		return ret;
	if (!keel_pin_begin(vm))
		return -EAGAIN;
	ret = get_and_commit(vm, fault, ret, seen);
	keel_pin_end(vm);
	if (unlikely(fault->locked))
		settle_charges(vm);
	return likely(!ret) ? 0 : not_mapped(vm, fault, seen, ret);
}

#define BLOCK_PAGES   (1UL << PMD_LEAF_ORDER)
#define AROUND_BLOCKS 4

/* Whether the process has a huge page there that the VM does not have. */
static bool has_block(struct keel_vm *vm, const struct keel_slot *slot, u64 gfn)
{
	struct translation found;
	struct pinned there;
	bool pinned;

	if (gfn >= slot->gfn + slot->npages || slot->flags & KVM_MEM_READONLY)
		return false;
	found = translate_hva(slot_hva(slot, gfn), 0);
	if (found.order != PMD_LEAF_ORDER || !found.writable)
		return false;
	if (mutex_lock_killable(&vm->mem_lock))
		return false;
	pinned = find_pin(vm, gfn, ~0U, &there);
	mutex_unlock(&vm->mem_lock);
	return !pinned;
}

/* As for pages: map the huge pages that follow in the same 8 MiB. */
static void fault_blocks_around(struct keel_vm *vm, u64 gfn, const struct seen *seen)
{
	struct fault next = { .guess = true, .max = PMD_LEAF_ORDER, .mte = READ_ONCE(vm->mte) };

	for (next.gfn = ALIGN_DOWN(gfn, BLOCK_PAGES) + BLOCK_PAGES;
	     next.gfn % (AROUND_BLOCKS * BLOCK_PAGES) && has_block(vm, &seen->slot, next.gfn);
	     next.gfn += BLOCK_PAGES) {
		if (fault_in_slot(vm, &next, seen))
			break;
		cond_resched();
	}
}

/* Slots of which not all faults are by the process's addresses. */
#define UNUSUAL (KVM_MEM_READONLY | KVM_MEM_GUEST_MEMFD)

static bool is_read_only(const struct keel_slot *slot, const struct fault *fault)
{
	return !fault->write && !(slot->flags & KVM_MEM_GUEST_MEMFD);
}

/*
 * A write to a page of a logged slot that the guest has already, read-only, though the process may
 * write to it. This needs no look at the process's page tables, and no reference to the page: before
 * the kernel takes the page, or the process's permission, the watch takes the entry. Return: 0; 1: it
 * takes more than that; -EINTR, -EIO.
 */
static noinline int give_logged(struct keel_vm *vm, const struct fault *fault,
				const struct seen *seen)
{
	struct pinned there KEEL_NOT_CLEARED;
	int ret = 1;

	if (mutex_lock_killable(&vm->mem_lock))
		return -EINTR;
	if (vm->slots_generation == seen->generation && find_pin(vm, fault->gfn, ~0U, &there) &&
	    there.writable && !there.frames)
		ret = map_logged(vm, ring_of(fault), &seen->slot, &there, fault->gfn, true, false);
	mutex_unlock(&vm->mem_lock);
	return is_short(ret) ? 1 : ret;
}

/* @seen: the slot and the generation. -EAGAIN: start over; -EBUSY: the kernel cannot pin the page now. */
static __always_inline int fault_once(struct keel_vm *vm, struct fault *fault, struct seen *seen)
{
	unsigned long size, hva;
	int ret;

	fault->special = READ_ONCE(vm->special); /* after the generation: pin_from_now_on() */
	if (unlikely(seen->slot.flags & UNUSUAL) && !is_read_only(&seen->slot, fault))
		return seen->slot.file ? fault_in_file(vm, fault, seen) : -ENOENT;
	if (unlikely(seen->slot.dirty)) {
		fault->max = 0;
		ret = fault->write ? give_logged(vm, fault, seen) : 1;
		if (ret <= 0)
			return ret;
	}
	size = PAGE_SIZE << fault->order; /* of what the last try was about, or a page */
	hva = ALIGN_DOWN(slot_hva(&seen->slot, fault->gfn), size);
	seen->sequence = keel_watch_sequence(&vm->watch, hva, hva + size);
	ret = fault_in_slot(vm, fault, seen);
	if (!ret && fault->there && fault->order == PMD_LEAF_ORDER && !fault->locked)
		fault_blocks_around(vm, fault->gfn, seen);
	return ret;
}

/*
 * Pinning fails temporarily for a page that must be moved first, out of movable memory or CMA,
 * while somebody else holds it. The kernel's error for that is also the one for a lack of memory.
 * As long as the page is held, be it for a second or for hours, the guest waits; and it can be
 * killed or interrupted meanwhile. Otherwise so many tries are made, a tick apart.
 */
#define PIN_TRIES  10
#define HELD_TICKS (HZ / 16) /* between two looks at a page that stays held */

/* Return: whether to try again. A signal ends the wait. */
static noinline bool wait_for_page(struct fault *fault)
{
	unsigned int ticks = 1;

	if (fault->held) {
		fault->tries = 0;
		fault->ticks = min(2 * fault->ticks + 1, (unsigned int)HELD_TICKS);
		ticks = fault->ticks;
	} else if (++fault->tries == PIN_TRIES) {
		return false;
	}
	schedule_timeout_interruptible(ticks);
	return true;
}

static bool find_seen(struct keel_vm *vm, u64 gfn, struct seen *seen)
{
	return keel_slot_find(vm, gfn, &seen->slot, &seen->generation);
}

static noinline int fault_in_memory(struct keel_vm *vm, struct fault *fault, struct seen *seen)
{
	int ret;

	for (;;) {
		ret = fault_once(vm, fault, seen);
		if (!(ret == -EAGAIN && !keel_wait_given_up()) &&
		    !(ret == -EBUSY && wait_for_page(fault)))
			break;
		if (signal_pending(current))
			return -EINTR;
		if (!find_seen(vm, fault->gfn, seen))
			return -ENOENT;
	}
	if (ret == -EAGAIN) /* a signal came while it waited */
		return -EINTR;
	if (ret != -EBUSY)
		return ret;
	return fault->why == -ENOMEM ? -ENOMEM : -EAGAIN;
}

/* The slot comes first: each MMIO exit comes here too, to find that there is none. */
int keel_fault(struct keel_vm *vm, struct keel_vcpu *vcpu, u64 ipa, bool write)
{
	struct seen seen KEEL_NOT_CLEARED;
	struct fault fault KEEL_NOT_CLEARED;

	if (signal_pending(current))
		return -EINTR;
	if (!find_seen(vm, ipa >> PAGE_SHIFT, &seen))
		return -ENOENT;
	fault = (struct fault){
		.vcpu = vcpu,
		.gfn = ipa >> PAGE_SHIFT,
		.write = write,
		.max = orders[0],
	};
	return fault_in_memory(vm, &fault, &seen);
}

static int map_pinned_once(struct keel_vm *vm, u64 gfn, struct pinned *pin)
{
	struct committed done = { .at = 0 };
	int ret = -ENOENT;

	if (mutex_lock_killable(&vm->mem_lock))
		return -EINTR;
	if (find_pin(vm, gfn, ~0U, pin)) {
		if (pin->frames) {
			ret = 0;
		} else if (pin->pinned) {
			keel_mark_written(vm, pin->gfn, 1UL << pin->order); /* it can be */
			ret = map_whole(vm, pin, &done);
		} else { /* from before memory was pinned */
			keel_take(vm, gfn, gfn);
		}
	}
	mutex_unlock(&vm->mem_lock);
	return ret;
}

int keel_map_pinned(struct keel_vm *vm, u64 *gfn)
{
	unsigned int supplies = 0;
	struct pinned pin;
	int ret;

	while (is_short(ret = map_pinned_once(vm, *gfn, &pin)))
		if (supplies++ == SUPPLIES_MAX || supply_memory(vm, &pin, ret))
			return -ENOMEM;
	if (!ret)
		*gfn = pin.gfn + (1UL << pin.order);
	return ret;
}
