// SPDX-License-Identifier: GPL-2.0
/*
 * Guest memory comes when the guest first touches it: the process's page is pinned and mapped at
 * EL2. Of a huge page as much is mapped as fits the guest's addresses: all of it, which makes a
 * block of stage 2, or 64 KiB at a time. What follows and the process has already comes along:
 * pages in their 64 KiB, huge pages in their 8 MiB. Memory that the process has not got is not
 * taken before the guest touches it.
 *
 * What is pinned is in vm->pins, one entry for each mapping, at its first gfn. The entry is made
 * before EL2 maps and goes after EL2 has unmapped, so memory that a guest reaches is pinned always.
 * The other way round does not hold: an entry without a mapping is mapped again when it is touched.
 *
 * A pin is of the page that the process has at that address: what the process discards is taken
 * from the guest before (watch.c), and the page of a fault that was under way is not mapped.
 */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/highmem.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "compat.h"
#include "keel.h"

/* What is mapped at once, largest first: 1 GiB, 2 MiB, 64 KiB, a page of stage 2. */
static const unsigned int orders[] = { 30 - PAGE_SHIFT, 21 - PAGE_SHIFT, 16 - PAGE_SHIFT, 0 };
#define ORDER_PAGE (ARRAY_SIZE(orders) - 1)

/* The same in all of keel_vm.pins. */
static_assert(ARRAY_SIZE(orders) == KEEL_PIN_SIZES);

/* Memory that one fault brings: 2^order adjacent pages. */
struct pinned {
	u64 gfn;
	struct page *page;
	unsigned int order;
	bool writable;
	bool one_pin; /* on the huge page that all of it is in; otherwise each page has one */
};

/* A fault of a guest. */
struct fault {
	u64 gfn;
	bool write;
	unsigned int max;   /* the largest order that may be mapped */
	unsigned int order; /* which was */
	bool there;	    /* the process had it already */
};

/* An entry of size i in vm->pins, by gfn >> order_of(i): the frame, and what the guest may. */
#define ENTRY_WRITABLE	BIT(0)
#define ENTRY_ONE_PIN	BIT(1)
#define ENTRY_PFN_SHIFT 2

static unsigned int order_of(const struct keel_vm *vm, unsigned int index)
{
	return index == ORDER_PAGE ? vm->page_order : orders[index];
}

static unsigned int index_of(const struct keel_vm *vm, unsigned int order)
{
	unsigned int i;

	if (likely(!order)) /* one of the kernel's pages: no block is as small */
		return ORDER_PAGE;
	for (i = 0; order_of(vm, i) != order; i++)
		;
	return i;
}

static void *to_entry(const struct pinned *pin)
{
	return xa_mk_value(page_to_pfn(pin->page) << ENTRY_PFN_SHIFT |
			   (pin->writable ? ENTRY_WRITABLE : 0) |
			   (pin->one_pin ? ENTRY_ONE_PIN : 0));
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
		.one_pin = value & ENTRY_ONE_PIN,
	};
}

static void unpin_memory(const struct pinned *pin)
{
	unsigned long count = pin->one_pin ? 1 : 1UL << pin->order;

	unpin_user_page_range_dirty_lock(pin->page, count, false);
}

/*
 * What a guest may have written is dirty. A folio's lock, which is for pages of files, cannot be
 * had here: reclaim may hold it and wait for mem_lock. No need: such a page is dirty as long as the
 * process may write to it, and was taken from the guest before it was made clean.
 */
static void mark_dirty(struct folio *folio)
{
	if (folio_test_dirty(folio))
		return;
	if (folio_test_anon(folio) || folio_test_swapbacked(folio) || folio_test_hugetlb(folio))
		folio_set_dirty(folio);
}

static void mark_all_dirty(const struct pinned *pin)
{
	unsigned long i, count = pin->one_pin ? 1 : 1UL << pin->order;

	for (i = 0; i < count; i++)
		mark_dirty(page_folio(pin->page + i));
}

/* ---- under mem_lock: the record of pins, and EL2's map ---- */

/* find_pin(), where the record has one of the sizes @which. */
static noinline bool find_pin_of(struct keel_vm *vm, u64 gfn, unsigned int which,
				 struct pinned *pin)
{
	unsigned int i;

	for (i = 0; which >> i; i++) {
		unsigned long index = gfn >> order_of(vm, i);
		void *entry = which & BIT(i) ? keel_pins_load(&vm->pins, i, index) : NULL;

		if (!entry)
			continue;
		*pin = from_entry(vm, i, index, entry);
		return true;
	}
	return false;
}

/* The mapping that has @gfn, of those orders[] that @which has a bit for. */
static __always_inline bool find_pin(struct keel_vm *vm, u64 gfn, unsigned int which,
				     struct pinned *pin)
{
	lockdep_assert_held(&vm->mem_lock);
	which &= vm->pins.sizes;
	return which && find_pin_of(vm, gfn, which, pin);
}

/* Whether there is a mapping of one of the sizes from @size on in [gfn, last]. */
static bool any_pin(struct keel_vm *vm, u64 gfn, u64 last, unsigned int size)
{
	unsigned int i;

	for (i = size; vm->pins.sizes >> i; i++) {
		unsigned long index = gfn >> order_of(vm, i);

		if (vm->pins.sizes & BIT(i) &&
		    keel_pins_next(&vm->pins, i, &index, last >> order_of(vm, i)))
			return true;
	}
	return false;
}

/* Whether something smaller lies in what @pin, of size @size, is to be. */
static bool any_smaller(struct keel_vm *vm, const struct pinned *pin, unsigned int size)
{
	return vm->pins.sizes >> (size + 1) &&
	       any_pin(vm, pin->gfn, pin->gfn + (1UL << pin->order) - 1, size + 1);
}

/*
 * From page *@at of @count on, which is where it has come to. It may take calls that clean caches
 * and map nothing: the pages are pinned meanwhile. What EL2 is short of cannot be given to it here:
 * -ENOMEM and -ENOBUFS, see supply_memory().
 */
static int map_pages(struct keel_vm *vm, u64 gfn, struct page *page, unsigned long count,
		     bool writable, unsigned long *at)
{
	u64 flags = KEEL_MAP_EXEC | (writable ? KEEL_MAP_WRITE : 0), done, clean = 0;
	long ret;

	for (;;) {
		if (keel_inject())
			return -ENOMEM;
		ret = keel_hvc_map(keel_inject_handle(vm->handle), (gfn + *at) << PAGE_SHIFT,
				   page_to_phys(page) + (*at << PAGE_SHIFT),
				   (count - *at) << PAGE_SHIFT, flags, &done, &clean);
		done >>= PAGE_SHIFT;
		if (unlikely(ret == -ENOENT)) /* no such VM: it has ended. Not "no slot" */
			return -EIO;
		if (likely(ret != -EAGAIN) || done >= count - *at)
			return ret;
		*at += done;
		cond_resched();
	}
}

static int map_pin(struct keel_vm *vm, const struct pinned *pin, unsigned long *at)
{
	return map_pages(vm, pin->gfn, pin->page, 1UL << pin->order, pin->writable, at);
}

static void drop_pins(struct keel_vm *vm, unsigned int i, u64 gfn, u64 last)
{
	unsigned long index = gfn >> order_of(vm, i);
	void *entry;

	for (; (entry = keel_pins_next(&vm->pins, i, &index, last >> order_of(vm, i))); index++) {
		struct pinned pin = from_entry(vm, i, index, entry);

		keel_pins_erase(&vm->pins, i, index);
		if (pin.writable)
			mark_all_dirty(&pin);
		unpin_memory(&pin);
		if (vm->memlock)
			atomic_long_add(1UL << pin.order, &vm->unpinned);
		cond_resched();
	}
}

/* No mapping lies across an end of the range. */
static void unpin_range(struct keel_vm *vm, u64 first, u64 last)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(orders); i++)
		drop_pins(vm, i, first, last);
	keel_pins_trim(&vm->pins, first >> vm->page_order, last >> vm->page_order);
}

/* Whole blocks at EL2: it needs nothing for that, and has no reason to refuse. */
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

/*
 * The CPUs' profiling units may write to a page that was unmapped for as long as they have not been
 * drained, which the way out of the guest does.
 */
static void drain_profiling(struct keel_vm *vm)
{
	if (READ_ONCE(vm->populate))
		keel_guests_out();
}

/*
 * Others get the CPU meanwhile, whoever calls: the out-of-memory reaper, too, which may wait for no
 * one, but gives the CPU away as often as it unmaps a page.
 */
void keel_take(struct keel_vm *vm, u64 first, u64 last)
{
	u64 offset = (1ULL << vm->page_order) - 1;
	struct pinned pin;
	long ret;

	lockdep_assert_held(&vm->mem_lock);
	keel_inject_note_taken(last - first + 1);
	if (vm->dead || !any_pin(vm, first, last, 0))
		return;
	/* EL2 takes pages of stage 2, also where nothing is pinned at an end of the range. */
	first &= ~offset;
	last |= offset;
	if (find_pin(vm, first, ~0U, &pin))
		first = pin.gfn;
	if (find_pin(vm, last, ~0U, &pin))
		last = pin.gfn + (1UL << pin.order) - 1;
	ret = unmap_gfns(vm, first, last);
	if (!ret) {
		drain_profiling(vm);
		unpin_range(vm, first, last);
		return;
	}
	/* What the guest may still reach stays pinned, and the guest does not run. */
	pr_err("VM %#llx: memory cannot be taken from it (%ld): it is stopped\n", vm->handle, ret);
	keel_vm_kill(vm);
}

static void settle_charges(struct keel_vm *vm);

void keel_take_all(struct keel_vm *vm, u64 gfn, u64 npages)
{
	u64 end = gfn + npages;

	for (; gfn < end; gfn += min(KEEL_TAKE_PAGES, end - gfn)) {
		mutex_lock(&vm->mem_lock);
		keel_take(vm, gfn, gfn + min(KEEL_TAKE_PAGES, end - gfn) - 1);
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
	if (is_it) { /* the pin keeps the compound page in one piece */
		head = compound_head(pfn_to_page(pfn));
		frames->first = page_to_pfn(head);
		frames->last = frames->first + (1UL << compound_order(head)) - 1;
	}
	mutex_unlock(&vm->mem_lock);
	return is_it;
}

/* How many entries of the record are looked at under one hold of mem_lock. */
#define LOOK_ENTRIES 512

/* Under mem_lock, among the entries of @size from *@index on. Return: whether these were all. */
static bool take_some_frames(struct keel_vm *vm, unsigned int size, unsigned long *index,
			     const struct keel_frames *frames)
{
	u64 last = ((1ULL << (vm->ipa_bits - PAGE_SHIFT)) - 1) >> order_of(vm, size);
	unsigned int looks;

	for (looks = 0; looks < LOOK_ENTRIES; looks++, ++*index) {
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
	unsigned int size;
	bool done;

	for (size = 0; size < KEEL_PIN_SIZES; size++) {
		unsigned long index = 0;

		do {
			mutex_lock(&vm->mem_lock);
			done = take_some_frames(vm, size, &index, frames);
			mutex_unlock(&vm->mem_lock);
			cond_resched();
		} while (!done);
	}
	settle_charges(vm);
}

#ifdef KEEL_INJECT
unsigned long keel_pinned_pfn(struct keel_vm *vm, u64 gfn)
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

void keel_unpin_all(struct keel_vm *vm)
{
	unpin_range(vm, 0, (1ULL << (vm->ipa_bits - PAGE_SHIFT)) - 1);
	settle_charges(vm);
}

/*
 * @size: which of orders[] it has. A map that stopped half-way leaves the entry, and the entry's
 * pages pinned: the next fault goes on. One that did nothing leaves nothing. *@kept: there is an
 * entry.
 */
static int insert_and_map(struct keel_vm *vm, const struct pinned *pin, unsigned int size,
			  unsigned long *at, bool *kept)
{
	int ret = keel_pins_insert(&vm->pins, size, pin->gfn >> pin->order, to_entry(pin));

	if (ret)
		return ret;
	ret = map_pin(vm, pin, at);
	*kept = !ret || pin->order > vm->page_order;
	if (!*kept)
		keel_pins_erase(&vm->pins, size, pin->gfn >> pin->order);
	/* All that a VM has mapped is in the record: EL2 has something else there. */
	return ret == -EEXIST ? -EFAULT : ret;
}

/* ---- without locks ---- */

/* Pages that count as locked where the module was asked for that: vm->memlock. */
static int charge_pages(struct keel_vm *vm, unsigned long pages)
{
	if (!account_locked_vm(vm->mm, pages, true))
		return 0;
	pr_warn_ratelimited(
		"%s[%d]: guest memory counts as locked (keel.memlock=1), and its limit, "
		"%lu KiB, is reached: raise it (ulimit -l)\n",
		current->comm, task_pid_nr(current), rlimit(RLIMIT_MEMLOCK) >> 10);
	return -ENOMEM;
}

/* What was unpinned where mmap_lock could not be taken counts no more. */
static void settle_charges(struct keel_vm *vm)
{
	unsigned long pages = vm->memlock ? atomic_long_xchg(&vm->unpinned, 0) : 0;

	if (pages)
		account_locked_vm(vm->mm, pages, false);
}

/* What a commit was short of: memory for EL2, for EL2's own pool, for the record of a pin. */
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

/* For one commit: a GiB of pages takes half as many tables as it has MiB. */
#define SUPPLIES_MAX 1024

/* ---- without locks: pinning ---- */

/*
 * Pinning fails for a moment where a page must be moved first, out of what is movable or CMA, and
 * somebody holds it. So many times it is tried, a tick apart.
 */
#define PIN_TRIES 10

static bool is_transient(long err)
{
	return err == -EAGAIN || err == -EBUSY || err == -ENOMEM;
}

static noinline long pin_again(unsigned long hva, unsigned long count, unsigned int flags,
			       struct page **pages)
{
	unsigned int tries = 1;
	long got;

	do {
		schedule_timeout_interruptible(1);
		if (signal_pending(current))
			return -EINTR;
		got = pin_user_pages_fast(hva, count, flags, pages);
	} while (is_transient(got) && ++tries < PIN_TRIES);
	return got;
}

static __always_inline long pin_patiently(unsigned long hva, unsigned long count,
					  unsigned int flags, struct page **pages)
{
	long got = pin_user_pages_fast(hva, count, FOLL_LONGTERM | flags, pages);

	return likely(!is_transient(got)) ? got
					  : pin_again(hva, count, FOLL_LONGTERM | flags, pages);
}

static noinline long pin_for_reading(unsigned long hva, unsigned long count, struct page **pages)
{
	return pin_patiently(hva, count, 0, pages);
}

/*
 * For writing, where the process may write, also for reads and in read-only slots: pages that it
 * has never written would be the zero page otherwise, which cannot be shared that often. *@writable
 * says whether. Where the process may not write, for reading, if @read_only. Returns what
 * pin_user_pages_fast() does.
 */
static __always_inline long pin_pages(const struct keel_slot *slot, unsigned long hva,
				      unsigned long count, struct page **pages, bool read_only,
				      bool *writable)
{
	long got = pin_patiently(hva, count, FOLL_WRITE, pages);

	*writable = !(slot->flags & KVM_MEM_READONLY);
	if (likely(got != -EFAULT) || !read_only)
		return got;
	*writable = false;
	return pin_for_reading(hva, count, pages);
}

/* What is no error of its own in KVM_RUN is one of the process's memory. */
static int pin_error(long err)
{
	if (err == -EINTR || err == -ENOMEM || err == -EBUSY)
		return err;
	return err == -EAGAIN ? -EBUSY : -EFAULT;
}

static bool are_adjacent(struct page **pages, unsigned long count)
{
	unsigned long i, pfn = page_to_pfn(pages[0]);

	for (i = 1; i < count; i++)
		if (page_to_pfn(pages[i]) != pfn + i)
			return false;
	return true;
}

static unsigned long slot_hva(const struct keel_slot *slot, u64 gfn)
{
	return slot->hva + ((gfn - slot->gfn) << PAGE_SHIFT);
}

/*
 * Whether the 2^order guest pages around @gfn are all in the slot, and in the huge page that @gfn's
 * page @page is of.
 */
static bool block_fits(const struct keel_slot *slot, u64 gfn, unsigned int order, struct page *page)
{
	struct page *head = compound_head(page);
	unsigned long count = 1UL << order, before = gfn & (count - 1);
	unsigned long index = page_to_pfn(page) - page_to_pfn(head);

	return gfn - before >= slot->gfn && gfn - before + count <= slot->gfn + slot->npages &&
	       index >= before && index - before + count <= 1UL << compound_order(head);
}

#define PUD_LEAF_ORDER (PUD_SHIFT - PAGE_SHIFT)
#define PMD_LEAF_ORDER (PMD_SHIFT - PAGE_SHIFT)

/* What the process's tables say of an address. */
struct translation {
	unsigned int order;  /* of the leaf, 0 for a page or nothing */
	unsigned long pfn;   /* the first of a leaf of more than a page */
	bool writable;	     /* all of such a leaf */
	unsigned long pages; /* without one: how many from the address on are there and writable */
};

static unsigned long count_pages(pmd_t *pmd, unsigned long hva, unsigned long max)
{
	pte_t *ptep = pte_offset_kernel(pmd, hva);
	unsigned long n;

	max = min(max, PTRS_PER_PTE - (hva >> PAGE_SHIFT) % PTRS_PER_PTE);
	for (n = 0; n < max; n++) {
		pte_t pte = READ_ONCE(ptep[n]);

		if (!pte_present(pte) || !pte_write(pte))
			break;
	}
	return n;
}

/* Interrupts are off, so that no table that was found is freed (as fast GUP has it). */
static void walk_tables(unsigned long hva, unsigned long max, struct translation *found)
{
	pgd_t *pgdp = pgd_offset(current->mm, hva), pgd = READ_ONCE(*pgdp);
	p4d_t *p4dp, p4d;
	pud_t *pudp, pud;
	pmd_t pmd;

	if (pgd_none(pgd))
		return;
	p4dp = p4d_offset_lockless(pgdp, pgd, hva);
	p4d = READ_ONCE(*p4dp);
	if (p4d_none(p4d) || !p4d_present(p4d))
		return;
	pudp = pud_offset_lockless(p4dp, p4d, hva);
	pud = READ_ONCE(*pudp);
	if (pud_none(pud) || !pud_present(pud))
		return;
	if (pud_leaf(pud)) {
		found->order = PUD_LEAF_ORDER;
		found->pfn = pud_pfn(pud);
		found->writable = pud_write(pud);
		return;
	}
	pmd = READ_ONCE(*pmd_offset_lockless(pudp, pud, hva));
	if (pmd_none(pmd) || !pmd_present(pmd))
		return;
	if (pmd_leaf(pmd)) {
		found->order = PMD_LEAF_ORDER;
		found->pfn = pmd_pfn(pmd);
		found->writable = pmd_write(pmd);
	} else {
		found->pages = count_pages(&pmd, hva, max);
	}
}

/* Of pages @max are looked at. What it says may be out of date when it returns. */
static struct translation translate_hva(unsigned long hva, unsigned long max)
{
	struct translation found = { 0 };
	unsigned long flags;

	local_irq_save(flags);
	walk_tables(hva, max, &found);
	local_irq_restore(flags);
	return found;
}

/*
 * Whether one leaf of the process's has all of the block around @pin's page, which is pinned: its
 * pin keeps the whole huge page where it is, and in one piece.
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
	pin->one_pin = true;
}

/* Whether the process has all of it: what it has discarded is not to
 * come back for a block's sake. */
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

/* Its memory is aligned to 2^@unit pages as the guest's addresses are. */
static int pin_block(const struct keel_slot *slot, u64 gfn, unsigned int order, unsigned int unit,
		     struct pinned *pin)
{
	unsigned long count = 1UL << order;
	struct page **pages;
	long got;

	pages = kvmalloc_array(count, sizeof(*pages), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!pages)
		return -ENOMEM;
	pin->gfn = ALIGN_DOWN(gfn, count);
	pin->order = order;
	pin->one_pin = false;
	got = pin_pages(slot, slot_hva(slot, pin->gfn), count, pages,
			slot->flags & KVM_MEM_READONLY, &pin->writable);
	if (got == count && are_adjacent(pages, count) &&
	    IS_ALIGNED(page_to_pfn(pages[0]) ^ pin->gfn, 1UL << unit)) {
		pin->page = pages[0];
		kvfree(pages);
		return 0;
	}
	if (got > 0)
		unpin_user_pages(pages, got);
	kvfree(pages);
	return got < 0 ? pin_error(got) : -EFAULT;
}

/*
 * Guests go through memory from below. Of what follows a page in its 64 KiB the process often has
 * some already, which then comes along, since a fault costs more than all of it. It is a guess:
 * what of it fails is left for when it is touched.
 */
#define AROUND_PAGES 16

/* Pages that are pinned, each by itself, for @gfn and what follows. */
struct around {
	u64 gfn;
	unsigned long count;
	struct page **pages; /* AROUND_PAGES */
};

static void unpin_from(struct around *around, unsigned long first)
{
	if (around->count > first)
		unpin_user_pages(around->pages + first, around->count - first);
	around->count = min(around->count, first);
}

#define MAY_NOT_FAULT (VM_IO | VM_PFNMAP)

/* As pin_pages() wants it: for writing where that is allowed, else for reading if @read_only. */
static bool may_fault(const struct vm_area_struct *vma, bool read_only)
{
	if (vma->vm_flags & MAY_NOT_FAULT)
		return false;
	return vma->vm_flags & VM_WRITE || (read_only && vma->vm_flags & VM_READ);
}

/*
 * Under mmap_lock, which is gone if the answer says RETRY or COMPLETED. Interruptible: what
 * userspace answers for (userfaultfd) may take for ever.
 */
static vm_fault_t fault_in_locked(struct mm_struct *mm, unsigned long hva, bool read_only,
				  unsigned int *shift)
{
	struct vm_area_struct *vma = vma_lookup(mm, hva);
	vm_fault_t fault = 0;

	if (vma && may_fault(vma, read_only))
		fault = handle_mm_fault(vma, hva,
					FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE |
						FAULT_FLAG_INTERRUPTIBLE |
						(vma->vm_flags & VM_WRITE ? FAULT_FLAG_WRITE : 0),
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
 * Let the process have the page. What pinning would do as well, but with much to look up again, and
 * without hearing signals; should it fail, pinning says why. -EAGAIN: look again. -EHWPOISON: the
 * process was told.
 */
static int fault_in(unsigned long hva, bool read_only)
{
	unsigned int shift = PAGE_SHIFT, flags;
	struct mm_struct *mm = current->mm;
	vm_fault_t fault;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	flags = memalloc_pin_save();
	fault = fault_in_locked(mm, hva, read_only, &shift);
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

/* How many pages from @gfn on are to be pinned: those that are there, or one that is now. */
static long pages_to_pin(const struct keel_vm *vm, const struct keel_slot *slot, u64 gfn,
			 bool read_only, bool *there)
{
	u64 end = min(ALIGN(gfn + 1, AROUND_PAGES), slot->gfn + slot->npages);
	struct translation found = translate_hva(slot_hva(slot, gfn), end - gfn);
	int ret;

	*there = found.pages || (found.order && found.writable);
	if (!*there) {
		ret = fault_in(slot_hva(slot, gfn), read_only);
		if (ret)
			return ret;
	}
	if (slot->flags & KVM_MEM_READONLY || vm->page_order || vm->memlock)
		return 1;
	return max(found.pages, 1UL);
}

/* Pinning does not tell memory that is broken from such as the process has not. */
static int why_not(int err, const struct keel_slot *slot, u64 gfn, bool read_only)
{
	return (err == -EFAULT ? fault_in(slot_hva(slot, gfn), read_only) : 0) ?: err;
}

/*
 * The process may still have pages that the kernel knows to be broken: it could not unmap them, for
 * somebody had them pinned. No guest gets these. Those before the first one are kept.
 */
static int drop_broken(const struct keel_slot *slot, struct around *around)
{
	unsigned long good = 0;
	struct page *first = around->pages[0];

	if (PageCompound(first) && PageHuge(first) &&
	    keel_compound_is_broken(compound_head(first))) {
		unpin_from(around, 0);
		tell_of_poison(slot_hva(slot, around->gfn),
			       compound_order(compound_head(first)) + PAGE_SHIFT);
		return -EHWPOISON;
	}
	while (good < around->count && !PageHWPoison(around->pages[good]))
		good++;
	unpin_from(around, good);
	if (good)
		return 0;
	tell_of_poison(slot_hva(slot, around->gfn), PAGE_SHIFT);
	return -EHWPOISON;
}

static int pin_around(const struct keel_slot *slot, const struct fault *fault, long count,
		      struct around *around, bool *writable)
{
	long got = pin_pages(slot, slot_hva(slot, fault->gfn), count, around->pages,
			     count == 1 && !fault->write, writable);

	around->gfn = fault->gfn;
	around->count = max(got, 0L);
	return got > 0 ? drop_broken(slot, around)
		       : why_not(pin_error(got), slot, fault->gfn, !fault->write);
}

/* Pinning of several has failed: whether one of them is the reason, as why_not() has it. */
static int look_at_each(const struct keel_slot *slot, u64 gfn, unsigned long count)
{
	int ret = -EFAULT;

	for (; count && ret == -EFAULT; gfn++, count--)
		ret = why_not(ret, slot, gfn, slot->flags & KVM_MEM_READONLY);
	return ret;
}

static int drop_broken_page(const struct keel_slot *slot, const struct pinned *pin)
{
	unsigned long i;

	for (i = 0; i < 1UL << pin->order && !PageHWPoison(pin->page + i); i++)
		;
	if (i == 1UL << pin->order)
		return 0;
	unpin_memory(pin);
	tell_of_poison(slot_hva(slot, pin->gfn + i), PAGE_SHIFT);
	return -EHWPOISON;
}

/*
 * A page of stage 2 that takes several of the kernel's: they must lie side by side, and so aligned,
 * as in a huge page they do. Otherwise the process's memory is no memory for such a VM.
 */
static int pin_large_page(const struct keel_slot *slot, u64 gfn, unsigned int order,
			  struct pinned *pin)
{
	int ret = pin_block(slot, gfn, order, order, pin);

	if (!ret)
		return drop_broken_page(slot, pin);
	if (ret != -EFAULT)
		return ret;
	ret = look_at_each(slot, ALIGN_DOWN(gfn, 1UL << order), 1UL << order);
	if (ret != -EFAULT)
		return ret;
	pr_warn_ratelimited(
		"%s[%d]: memory at %#lx is not in %lu KiB pieces, as keel.stage2_granule "
		"wants: use huge pages\n",
		current->comm, task_pid_nr(current), slot_hva(slot, gfn), PAGE_SIZE << order >> 10);
	return ret;
}

/* More than the page at @gfn, which is pinned, if it is part of a huge page. */
static bool pin_larger(const struct keel_vm *vm, const struct keel_slot *slot, u64 gfn,
		       unsigned int max, struct pinned *pin, struct around *around)
{
	struct pinned block;
	unsigned int i;

	for (i = 0; i < ORDER_PAGE && orders[i] > vm->page_order; i++) {
		if (orders[i] > max || !block_fits(slot, gfn, orders[i], pin->page))
			continue;
		if (one_leaf(slot, pin, orders[i])) {
			unpin_from(around, 1);
			widen_pin(pin, orders[i]);
			return true;
		}
		if (!process_has(slot, ALIGN_DOWN(gfn, 1UL << orders[i]), 1UL << orders[i]) ||
		    pin_block(slot, gfn, orders[i], vm->page_order, &block))
			continue;
		unpin_from(around, 0);
		*pin = block;
		return true;
	}
	return false;
}

/* Pin @fault's page and those around it, or more of it if it is part of a huge page. */
static int pin_best(const struct keel_vm *vm, const struct keel_slot *slot,
		    const struct fault *fault, long count, struct pinned *pin,
		    struct around *around)
{
	int ret = pin_around(slot, fault, count, around, &pin->writable);

	if (ret)
		return ret;
	pin->gfn = fault->gfn;
	pin->page = around->pages[0];
	pin->order = 0;
	pin->one_pin = false;
	if (PageCompound(pin->page) && !keel_compound_is_broken(compound_head(pin->page)) &&
	    pin_larger(vm, slot, fault->gfn, fault->max, pin, around))
		return 0;
	if (!vm->page_order)
		return 0;
	unpin_from(around, 0);
	return pin_large_page(slot, fault->gfn, vm->page_order, pin);
}

/* What a fault has pinned is still what the process has there, if these have not changed. */
struct seen {
	struct keel_slot slot;
	unsigned long generation; /* of the slots */
	unsigned long sequence;	  /* of the slot's watch */
};

/* Under mem_lock. */
static bool out_of_date(struct keel_vm *vm, const struct seen *seen)
{
	return vm->slots_generation != seen->generation ||
	       mmu_interval_read_retry(&seen->slot.watch->notifier, seen->sequence);
}

/*
 * Another vCPU was faster. Should EL2 not have it, it gets it now. One that may only be read, where
 * the process may write now, makes way: -EAGAIN.
 */
static int map_again(struct keel_vm *vm, const struct pinned *there, const struct pinned *pin,
		     unsigned long *at)
{
	int ret;

	if (pin->writable && !there->writable) {
		keel_take(vm, there->gfn, there->gfn);
		return -EAGAIN;
	}
	ret = map_pin(vm, there, at);
	return ret == -EEXIST ? 0 : ret;
}

/*
 * Under mem_lock. -EAGAIN: what was pinned is out of date; -EBUSY: no room for a block, only for a
 * page; is_short(): again with *@at and *@kept as they are.
 */
static int commit_pin(struct keel_vm *vm, u64 gfn, const struct pinned *pin,
		      const struct seen *seen, unsigned long *at, bool *kept)
{
	unsigned int size = index_of(vm, pin->order);
	struct pinned there KEEL_NOT_CLEARED;
	int ret = -EBUSY;

	if (out_of_date(vm, seen))
		return -EAGAIN;
	if (find_pin(vm, gfn, BIT(size) - 1, &there))
		return map_again(vm, &there, pin, at);
	if (!*kept && !any_smaller(vm, pin, size))
		ret = insert_and_map(vm, pin, size, at, kept);
	/* An entry of just this size, or a page's in a block's place. */
	if (ret == -EBUSY && find_pin(vm, gfn, ~0U, &there))
		return map_again(vm, &there, pin, at);
	return ret;
}

/* ---- what follows ---- */

/* Entries for @n pages from the @first on, one each. Returns how many it has made. */
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

/* Under mem_lock, after the first. Adjacent ones are mapped at once. Returns how many are kept. */
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

/* How far a commit has come. */
struct committed {
	unsigned long at;     /* pages of its mapping that EL2 has */
	bool kept;	      /* there is an entry for what was pinned */
	unsigned long around; /* how many of these are, the first counted */
};

static int commit_once(struct keel_vm *vm, const struct fault *fault, const struct pinned *pin,
		       const struct around *around, const struct seen *seen, struct committed *done)
{
	int ret;

	if (mutex_lock_killable(&vm->mem_lock))
		return -EINTR;
	ret = commit_pin(vm, fault->gfn, pin, seen, &done->at, &done->kept);
	if (!ret && around->count > 1)
		done->around = commit_around(vm, around);
	mutex_unlock(&vm->mem_lock);
	return ret;
}

static int commit_all(struct keel_vm *vm, const struct fault *fault, const struct pinned *pin,
		      struct around *around, const struct seen *seen)
{
	struct committed done = { .around = 1 };
	unsigned int supplies = 0;
	int ret;

	while (is_short(ret = commit_once(vm, fault, pin, around, seen, &done))) {
		if (fatal_signal_pending(current) || supplies++ == SUPPLIES_MAX ||
		    supply_memory(vm, pin, ret)) {
			ret = -ENOMEM;
			break;
		}
	}
	if (!done.kept) {
		unpin_memory(pin);
		if (vm->memlock)
			atomic_long_add(1UL << pin->order, &vm->unpinned);
	}
	unpin_from(around, done.around);
	return ret;
}

/* Between keel_pin_begin() and keel_pin_end(). */
static int pin_and_commit(struct keel_vm *vm, struct fault *fault, long count,
			  const struct seen *seen)
{
	struct page *pages[AROUND_PAGES] KEEL_NOT_CLEARED;
	struct around around KEEL_NOT_CLEARED;
	struct pinned pin KEEL_NOT_CLEARED;
	int ret;

	around.pages = pages;
	ret = pin_best(vm, &seen->slot, fault, count, &pin, &around);
	if (ret)
		return ret;
	fault->order = pin.order;
	if (vm->memlock && charge_pages(vm, 1UL << pin.order)) {
		unpin_memory(&pin);
		unpin_from(&around, 1);
		return -ENOMEM;
	}
	return commit_all(vm, fault, &pin, &around, seen);
}

/* -EAGAIN also while a folio is being given up: keel_fault() waits. */
static int fault_in_slot(struct keel_vm *vm, struct fault *fault, struct seen *seen)
{
	long ret;

	seen->sequence = keel_watch_sequence(seen->slot.watch);
	ret = pages_to_pin(vm, &seen->slot, fault->gfn, !fault->write, &fault->there);
	if (ret < 0)
		return ret;
	if (!keel_pin_begin(vm))
		return -EAGAIN;
	ret = pin_and_commit(vm, fault, ret, seen);
	keel_pin_end(vm);
	if (vm->memlock)
		settle_charges(vm);
	if (ret != -EBUSY)
		return ret;
	fault->max = 0;
	return -EAGAIN;
}

#define BLOCK_PAGES   (1UL << PMD_LEAF_ORDER)
#define AROUND_BLOCKS 4

/* Whether the process has a huge page there, which the VM has not. */
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

/* As with pages: the huge pages that follow in their 8 MiB. */
static void fault_blocks_around(struct keel_vm *vm, u64 gfn, struct seen *seen)
{
	struct fault next = { .max = PMD_LEAF_ORDER };

	for (next.gfn = ALIGN_DOWN(gfn, BLOCK_PAGES) + BLOCK_PAGES;
	     next.gfn % (AROUND_BLOCKS * BLOCK_PAGES) && has_block(vm, &seen->slot, next.gfn);
	     next.gfn += BLOCK_PAGES) {
		if (fault_in_slot(vm, &next, seen))
			break;
		cond_resched();
	}
}

/* -EAGAIN: start over; -EBUSY: the kernel cannot pin the page now. */
static int fault_once(struct keel_vm *vm, struct fault *fault)
{
	struct seen seen KEEL_NOT_CLEARED;
	int ret = -ENOENT;

	if (!keel_slot_hold(vm, fault->gfn, &seen.slot, &seen.generation))
		return ret;
	if (!fault->write || !(seen.slot.flags & KVM_MEM_READONLY))
		ret = fault_in_slot(vm, fault, &seen);
	if (!ret && fault->there && fault->order == PMD_LEAF_ORDER && !vm->memlock)
		fault_blocks_around(vm, fault->gfn, &seen);
	keel_watch_put(seen.slot.watch);
	return ret;
}

int keel_fault(struct keel_vm *vm, u64 ipa, bool write)
{
	struct fault fault = { .gfn = ipa >> PAGE_SHIFT, .write = write, .max = orders[0] };
	int ret;

	do {
		if (signal_pending(current) || keel_wait_given_up())
			return -EINTR;
		ret = fault_once(vm, &fault);
	} while (ret == -EAGAIN);
	return ret == -EBUSY ? -EAGAIN : ret;
}

static int map_pinned_once(struct keel_vm *vm, u64 gfn, struct pinned *pin)
{
	unsigned long at = 0;
	int ret = -ENOENT;

	if (mutex_lock_killable(&vm->mem_lock))
		return -EINTR;
	if (find_pin(vm, gfn, ~0U, pin))
		ret = map_pin(vm, pin, &at);
	mutex_unlock(&vm->mem_lock);
	return ret == -EEXIST ? 0 : ret;
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
