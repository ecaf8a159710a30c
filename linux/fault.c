// SPDX-License-Identifier: GPL-2.0
/*
 * Guest memory comes when the guest first touches it: the process's page is pinned for good and
 * mapped at EL2. Of a huge page as much is mapped as fits the guest's addresses: all of it, which
 * makes a block of stage 2, or 64 KiB at a time. What follows and the process has already comes
 * along: pages in their 64 KiB, huge pages in their 8 MiB. Memory that the process has not got is
 * not taken before the guest touches it.
 *
 * What is pinned is in vm->pins, one entry for each mapping, at its first gfn. The entry is made
 * before EL2 maps and goes after EL2 has unmapped, so memory that a guest reaches is pinned always.
 * The other way round does not hold: an entry without a mapping is mapped again when it is touched.
 */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

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

static void unpin(const struct pinned *pin)
{
	unsigned long count = pin->one_pin ? 1 : 1UL << pin->order;

	unpin_user_page_range_dirty_lock(pin->page, count, pin->writable);
}

/* ---- under mem_lock: the record of pins, and EL2's map ---- */

/* The mapping that has @gfn, of those orders[] that @which has a bit for. */
static bool find_pin(struct keel_vm *vm, u64 gfn, unsigned int which, struct pinned *pin)
{
	unsigned int i;

	lockdep_assert_held(&vm->mem_lock);
	which &= vm->pins.sizes;
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

/* Whether something smaller lies in what @pin, of size @size, is to be. */
static bool any_smaller(struct keel_vm *vm, const struct pinned *pin, unsigned int size)
{
	u64 last = pin->gfn + (1UL << pin->order) - 1;
	unsigned int i;

	for (i = size + 1; vm->pins.sizes >> i; i++) {
		unsigned long index = pin->gfn >> order_of(vm, i);

		if (vm->pins.sizes & BIT(i) &&
		    keel_pins_next(&vm->pins, i, &index, last >> order_of(vm, i)))
			return true;
	}
	return false;
}

static int map_pages(struct keel_vm *vm, u64 gfn, struct page *page, unsigned long count,
		     bool writable)
{
	u64 ipa = gfn << PAGE_SHIFT, pa = page_to_phys(page), done = 0;
	u64 left = count << PAGE_SHIFT;
	u64 flags = KEEL_MAP_EXEC | (writable ? KEEL_MAP_WRITE : 0);
	long ret;

	for (;;) {
		ret = keel_vm_call(vm, KEEL_HC_VM_MAP, ipa, pa, left, flags, &done);
		if (ret != -EAGAIN || done >= left)
			return ret;
		ipa += done;
		pa += done;
		left -= done;
		cond_resched();
	}
}

static int map_pin(struct keel_vm *vm, const struct pinned *pin)
{
	return map_pages(vm, pin->gfn, pin->page, 1UL << pin->order, pin->writable);
}

/*
 * Accounting takes the process's mmap_lock and asks for capabilities. So it is done for as much
 * again as is needed, and for so many pages at least, as far as the limit allows; what is not used
 * goes back when memory does.
 */
#define ACCOUNT_AHEAD ((unsigned long)SZ_256K >> PAGE_SHIFT)

static int account_more(struct keel_vm *vm, unsigned long pages)
{
	unsigned long n = pages + max(pages, ACCOUNT_AHEAD);

	if (account_locked_vm(vm->mm, n, true)) {
		n = pages;
		if (account_locked_vm(vm->mm, n, true))
			return -ENOMEM;
	}
	vm->accounted_pages += n;
	return 0;
}

static int account(struct keel_vm *vm, unsigned long pages)
{
	unsigned long needed = vm->locked_pages + pages;
	int ret = 0;

	if (needed > vm->accounted_pages)
		ret = account_more(vm, needed - vm->accounted_pages);
	if (!ret)
		vm->locked_pages = needed;
	return ret;
}

/* Let no more than @ahead be accounted for beyond what is locked. */
static void unaccount(struct keel_vm *vm, unsigned long pages, unsigned long ahead)
{
	unsigned long spare;

	vm->locked_pages -= pages;
	spare = vm->accounted_pages - vm->locked_pages;
	if (spare <= ahead)
		return;
	account_locked_vm(vm->mm, spare - ahead, false);
	vm->accounted_pages -= spare - ahead;
}

void keel_account_exactly(struct keel_vm *vm)
{
	unaccount(vm, 0, 0);
}

static unsigned long drop_pins(struct keel_vm *vm, unsigned int i, u64 gfn, u64 last)
{
	unsigned long index = gfn >> order_of(vm, i), dropped = 0;
	void *entry;

	for (; (entry = keel_pins_next(&vm->pins, i, &index, last >> order_of(vm, i))); index++) {
		struct pinned pin = from_entry(vm, i, index, entry);

		keel_pins_erase(&vm->pins, i, index);
		unpin(&pin);
		dropped += 1UL << pin.order;
		cond_resched();
	}
	return dropped;
}

/* No mapping lies across an end of the range: each is in one slot. */
void keel_unpin_range(struct keel_vm *vm, u64 gfn, u64 npages)
{
	unsigned long dropped = 0;
	unsigned int i;

	if (!npages)
		return;
	for (i = 0; i < ARRAY_SIZE(orders); i++)
		dropped += drop_pins(vm, i, gfn, gfn + npages - 1);
	keel_pins_trim(&vm->pins, gfn >> vm->page_order, (gfn + npages - 1) >> vm->page_order);
	unaccount(vm, dropped, 0);
}

/* On an error part of it may be gone; what is left is still pinned. */
int keel_unmap(struct keel_vm *vm, u64 gfn, u64 npages)
{
	u64 ipa = gfn << PAGE_SHIFT, left = npages << PAGE_SHIFT, done = 0;
	long ret;

	for (;;) {
		ret = keel_vm_call(vm, KEEL_HC_VM_UNMAP, ipa, left, 0, 0, &done);
		if (ret != -EAGAIN || done >= left)
			break;
		ipa += done;
		left -= done;
		cond_resched();
	}
	if (!ret)
		keel_unpin_range(vm, gfn, npages);
	return ret;
}

/* @size: which of orders[] it has. -EBUSY: there is an entry. */
static int insert(struct keel_vm *vm, const struct pinned *pin, unsigned int size)
{
	int ret = account(vm, 1UL << pin->order);

	if (ret)
		return ret;
	ret = keel_pins_insert(&vm->pins, size, pin->gfn >> pin->order, to_entry(pin));
	if (ret)
		unaccount(vm, 1UL << pin->order, ACCOUNT_AHEAD);
	return ret;
}

static void forget(struct keel_vm *vm, const struct pinned *pin, unsigned int size)
{
	keel_pins_erase(&vm->pins, size, pin->gfn >> pin->order);
	unaccount(vm, 1UL << pin->order, ACCOUNT_AHEAD);
}

/*
 * A map that stopped half-way leaves the entry, and the entry's pages pinned: the next fault goes
 * on. One that did nothing leaves nothing. *@kept: there is an entry.
 */
static int insert_and_map(struct keel_vm *vm, const struct pinned *pin, unsigned int size,
			  bool *kept)
{
	int ret = insert(vm, pin, size);

	if (ret)
		return ret;
	ret = map_pin(vm, pin);
	*kept = !ret || pin->order > vm->page_order;
	if (!*kept)
		forget(vm, pin, size);
	/* All that a VM has mapped is in the record: EL2 has something else there. */
	return ret == -EEXIST ? -EFAULT : ret;
}

/* ---- without locks: pinning ---- */

/*
 * Read-only slots too are pinned for writing where the process may write: pages that it has never
 * written would be the zero page otherwise, which cannot be shared that often. Returns what
 * pin_user_pages_fast() does.
 */
static long pin_pages(const struct keel_slot *slot, unsigned long hva, unsigned long count,
		      struct page **pages)
{
	long got = pin_user_pages_fast(hva, count, FOLL_LONGTERM | FOLL_WRITE, pages);

	if (got == -EFAULT && slot->flags & KVM_MEM_READONLY)
		got = pin_user_pages_fast(hva, count, FOLL_LONGTERM, pages);
	return got;
}

static bool adjacent(struct page **pages, unsigned long count)
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
static struct translation translate(unsigned long hva, unsigned long max)
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
	found = translate(hva, 0);
	return found.order >= order && found.pfn == ALIGN_DOWN(pfn, 1UL << found.order);
}

static void widen(struct pinned *pin, unsigned int order)
{
	unsigned long before = pin->gfn & ((1UL << order) - 1);

	pin->gfn -= before;
	pin->page = pfn_to_page(page_to_pfn(pin->page) - before);
	pin->order = order;
	pin->one_pin = true;
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
	pin->writable = !(slot->flags & KVM_MEM_READONLY);
	got = pin_pages(slot, slot_hva(slot, pin->gfn), count, pages);
	if (got == count && adjacent(pages, count) &&
	    IS_ALIGNED(page_to_pfn(pages[0]) ^ pin->gfn, 1UL << unit)) {
		pin->page = pages[0];
		kvfree(pages);
		return 0;
	}
	if (got > 0)
		unpin_user_pages(pages, got);
	kvfree(pages);
	return -EFAULT;
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
	bool there;	     /* the process had them already */
	struct page **pages; /* AROUND_PAGES */
};

static void unpin_from(struct around *around, unsigned long first)
{
	if (around->count > first)
		unpin_user_pages(around->pages + first, around->count - first);
	around->count = min(around->count, first);
}

/*
 * Let the process have the page. What pinning would do as well, but with much to look up again;
 * should it fail, pinning says why.
 */
static void fault_in(unsigned long hva)
{
	unsigned int flags = memalloc_pin_save();
	bool unlocked = false;

	mmap_read_lock(current->mm);
	(void)fixup_user_fault(current->mm, hva, FAULT_FLAG_WRITE, &unlocked);
	mmap_read_unlock(current->mm);
	memalloc_pin_restore(flags);
}

/* How many pages from @gfn on are to be pinned: those that are there, or one that is now. */
static unsigned long pages_to_pin(const struct keel_vm *vm, const struct keel_slot *slot, u64 gfn,
				  bool *there)
{
	u64 end = min(ALIGN(gfn + 1, AROUND_PAGES), slot->gfn + slot->npages);
	struct translation found = translate(slot_hva(slot, gfn), end - gfn);

	*there = found.order || found.pages;
	if (!*there)
		fault_in(slot_hva(slot, gfn));
	return slot->flags & KVM_MEM_READONLY || vm->page_order ? 1 : max(found.pages, 1UL);
}

static int pin_around(const struct keel_vm *vm, const struct keel_slot *slot, u64 gfn,
		      struct around *around)
{
	unsigned long count = pages_to_pin(vm, slot, gfn, &around->there);
	long got = pin_pages(slot, slot_hva(slot, gfn), count, around->pages);

	around->gfn = gfn;
	around->count = max(got, 0L);
	if (got > 0)
		return 0;
	return got == -EINTR || got == -ENOMEM ? got : -EFAULT;
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
		return 0;
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
			widen(pin, orders[i]);
			return true;
		}
		if (pin_block(slot, gfn, orders[i], vm->page_order, &block))
			continue;
		unpin_from(around, 0);
		*pin = block;
		return true;
	}
	return false;
}

/* Pin @gfn's page and those around it, or more of it if it is part of a huge page. */
static int pin_best(const struct keel_vm *vm, const struct keel_slot *slot, u64 gfn,
		    unsigned int max, struct pinned *pin, struct around *around)
{
	int ret = pin_around(vm, slot, gfn, around);

	if (ret)
		return ret;
	*pin = (struct pinned){
		.gfn = gfn,
		.page = around->pages[0],
		.writable = !(slot->flags & KVM_MEM_READONLY),
	};
	if (PageCompound(pin->page) && pin_larger(vm, slot, gfn, max, pin, around))
		return 0;
	if (!vm->page_order)
		return 0;
	unpin_from(around, 0);
	return pin_large_page(slot, gfn, vm->page_order, pin);
}

/* Another vCPU was faster. Should EL2 not have it, it gets it now. */
static int map_again(struct keel_vm *vm, const struct pinned *there)
{
	int ret = map_pin(vm, there);

	return ret == -EEXIST ? 0 : ret;
}

/* Under mem_lock. -EAGAIN: the slots have changed; -EBUSY: no room for a block, only for a page. */
static int commit(struct keel_vm *vm, u64 gfn, const struct pinned *pin, unsigned long generation,
		  bool *kept)
{
	unsigned int size = index_of(vm, pin->order);
	struct pinned there;
	int ret;

	*kept = false;
	if (vm->slots_generation != generation)
		return -EAGAIN;
	if (find_pin(vm, gfn, BIT(size) - 1, &there))
		return map_again(vm, &there);
	ret = any_smaller(vm, pin, size) ? -EBUSY : insert_and_map(vm, pin, size, kept);
	/* An entry of just this size, or a page's in a block's place. */
	if (ret == -EBUSY && find_pin(vm, gfn, ~0U, &there))
		return map_again(vm, &there);
	return ret;
}

/* ---- what follows ---- */

/* Entries for @n pages from the @first on, one each. Returns how many it has made. */
static unsigned long insert_around(struct keel_vm *vm, const struct around *around,
				   unsigned long first, unsigned long n)
{
	unsigned long i;

	if (account(vm, n))
		return 0;
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
	if (i < n)
		unaccount(vm, n - i, ACCOUNT_AHEAD);
	return i;
}

/* Under mem_lock, after the first. Adjacent ones are mapped at once. Returns how many are kept. */
static unsigned long commit_around(struct keel_vm *vm, const struct around *around)
{
	unsigned long done = 1, n, want;
	int ret = 0;

	for (; done < around->count && !ret; done += n) {
		struct page **pages = around->pages + done;

		for (want = 1; done + want < around->count; want++)
			if (page_to_pfn(pages[want]) != page_to_pfn(pages[0]) + want)
				break;
		n = insert_around(vm, around, done, want);
		if (n)
			ret = map_pages(vm, around->gfn + done, pages[0], n, true);
		if (n < want)
			ret = -EBUSY;
	}
	return done;
}

/* A fault of a guest. */
struct fault {
	u64 gfn;
	bool write;
	unsigned int max;   /* the largest order that may be mapped */
	unsigned int order; /* which was */
	bool there;	    /* the process had it already */
};

static int commit_all(struct keel_vm *vm, const struct fault *fault, struct pinned *pin,
		      struct around *around, unsigned long generation)
{
	unsigned long kept_around = 1;
	bool kept;
	int ret;

	mutex_lock(&vm->mem_lock);
	ret = commit(vm, fault->gfn, pin, generation, &kept);
	if (!ret && around->count > 1)
		kept_around = commit_around(vm, around);
	mutex_unlock(&vm->mem_lock);
	if (!kept)
		unpin(pin);
	unpin_from(around, kept_around);
	return ret;
}

/* -EAGAIN: start over. */
static int fault_once(struct keel_vm *vm, struct fault *fault)
{
	struct page *pages[AROUND_PAGES] KEEL_NOT_CLEARED;
	struct around around = { .pages = pages };
	unsigned long generation;
	struct keel_slot slot;
	struct pinned pin;
	int ret;

	if (!keel_slot_find(vm, fault->gfn, &slot, &generation))
		return -ENOENT;
	if (fault->write && slot.flags & KVM_MEM_READONLY)
		return -ENOENT;
	ret = pin_best(vm, &slot, fault->gfn, fault->max, &pin, &around);
	if (ret)
		return ret;
	fault->order = pin.order;
	fault->there = around.there;
	ret = commit_all(vm, fault, &pin, &around, generation);
	if (ret != -EBUSY)
		return ret;
	fault->max = 0;
	return -EAGAIN;
}

#define BLOCK_PAGES   (1UL << PMD_LEAF_ORDER)
#define AROUND_BLOCKS 4

/* Whether the process has a huge page there, which the VM has not. */
static bool has_block(struct keel_vm *vm, u64 gfn)
{
	unsigned long generation;
	struct translation found;
	struct keel_slot slot;
	struct pinned there;
	bool pinned;

	if (!keel_slot_find(vm, gfn, &slot, &generation) || slot.flags & KVM_MEM_READONLY)
		return false;
	found = translate(slot_hva(&slot, gfn), 0);
	if (found.order != PMD_LEAF_ORDER || !found.writable)
		return false;
	mutex_lock(&vm->mem_lock);
	pinned = find_pin(vm, gfn, ~0U, &there);
	mutex_unlock(&vm->mem_lock);
	return !pinned;
}

/* As with pages: the huge pages that follow in their 8 MiB. */
static void fault_blocks_around(struct keel_vm *vm, u64 gfn)
{
	struct fault next = { .max = PMD_LEAF_ORDER };

	for (next.gfn = ALIGN_DOWN(gfn, BLOCK_PAGES) + BLOCK_PAGES;
	     next.gfn % (AROUND_BLOCKS * BLOCK_PAGES) && has_block(vm, next.gfn);
	     next.gfn += BLOCK_PAGES) {
		if (fault_once(vm, &next))
			break;
		cond_resched();
	}
}

int keel_fault(struct keel_vm *vm, u64 ipa, bool write)
{
	struct fault fault = { .gfn = ipa >> PAGE_SHIFT, .write = write, .max = orders[0] };
	int ret;

	do {
		if (signal_pending(current))
			return -EINTR;
		ret = fault_once(vm, &fault);
	} while (ret == -EAGAIN);
	if (!ret && fault.there && fault.order == PMD_LEAF_ORDER)
		fault_blocks_around(vm, fault.gfn);
	return ret;
}

int keel_map_pinned(struct keel_vm *vm, u64 *gfn)
{
	struct pinned pin;
	int ret = -ENOENT;

	mutex_lock(&vm->mem_lock);
	if (find_pin(vm, *gfn, ~0U, &pin)) {
		ret = map_pin(vm, &pin);
		*gfn = pin.gfn + (1UL << pin.order);
	}
	mutex_unlock(&vm->mem_lock);
	return ret == -EEXIST ? 0 : ret;
}
