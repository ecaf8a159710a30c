// SPDX-License-Identifier: GPL-2.0
/*
 * Guest memory comes when the guest first touches it: the process's page is pinned for good and
 * mapped at EL2. Of a huge page as much is mapped as fits the guest's addresses: all of it, which
 * makes a block of stage 2, or 64 KiB at a time; of pages, those that follow in their 64 KiB and
 * that the process has already. Memory that the process has not got is not taken before the guest
 * touches it.
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

/* Memory that one fault brings: 2^order adjacent pages. */
struct pinned {
	u64 gfn;
	struct page *page;
	unsigned int order;
	bool writable;
	bool one_pin; /* on the huge page that all of it is in; otherwise each page has one */
};

/* An entry of vm->pins: the frame, which of orders[], and whether the guest may write. */
#define ENTRY_WRITABLE	BIT(0)
#define ENTRY_ORDER	GENMASK(2, 1)
#define ENTRY_ONE_PIN	BIT(3)
#define ENTRY_PFN_SHIFT 4

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

static void *to_entry(const struct keel_vm *vm, const struct pinned *pin)
{
	return xa_mk_value(page_to_pfn(pin->page) << ENTRY_PFN_SHIFT |
			   index_of(vm, pin->order) << 1 | (pin->writable ? ENTRY_WRITABLE : 0) |
			   (pin->one_pin ? ENTRY_ONE_PIN : 0));
}

static struct pinned from_entry(const struct keel_vm *vm, u64 gfn, void *entry)
{
	unsigned long value = xa_to_value(entry);

	return (struct pinned){
		.gfn = gfn,
		.page = pfn_to_page(value >> ENTRY_PFN_SHIFT),
		.order = order_of(vm, (value & ENTRY_ORDER) >> 1),
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

static bool find_pin(struct keel_vm *vm, u64 gfn, struct pinned *pin)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		u64 first = ALIGN_DOWN(gfn, 1UL << order_of(vm, i));
		void *entry = vm->pin_orders & BIT(i) ? xa_load(&vm->pins, first) : NULL;

		if (!entry)
			continue;
		*pin = from_entry(vm, first, entry);
		if (gfn - first < 1UL << pin->order)
			return true;
	}
	return false;
}

static bool any_pin(struct keel_vm *vm, u64 gfn, unsigned int order)
{
	unsigned long index = gfn;
	struct pinned pin;

	return find_pin(vm, gfn, &pin) ||
	       xa_find(&vm->pins, &index, gfn + (1UL << order) - 1, XA_PRESENT);
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

static int account(struct keel_vm *vm, unsigned long pages)
{
	int ret = account_locked_vm(vm->mm, pages, true);

	if (!ret)
		vm->locked_pages += pages;
	return ret;
}

static void unaccount(struct keel_vm *vm, unsigned long pages)
{
	account_locked_vm(vm->mm, pages, false);
	vm->locked_pages -= pages;
}

void keel_unpin_range(struct keel_vm *vm, u64 gfn, u64 npages)
{
	unsigned long index, dropped = 0;
	void *entry;

	if (!npages)
		return;
	xa_for_each_range (&vm->pins, index, entry, gfn, gfn + npages - 1) {
		struct pinned pin = from_entry(vm, index, entry);

		xa_erase(&vm->pins, index);
		unpin(&pin);
		dropped += 1UL << pin.order;
		cond_resched();
	}
	if (dropped)
		unaccount(vm, dropped);
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

static int insert(struct keel_vm *vm, const struct pinned *pin)
{
	int ret = account(vm, 1UL << pin->order);

	if (ret)
		return ret;
	ret = xa_err(xa_store(&vm->pins, pin->gfn, to_entry(vm, pin), GFP_KERNEL_ACCOUNT));
	if (ret)
		unaccount(vm, 1UL << pin->order);
	else
		vm->pin_orders |= BIT(index_of(vm, pin->order));
	return ret;
}

static void forget(struct keel_vm *vm, const struct pinned *pin)
{
	xa_erase(&vm->pins, pin->gfn);
	unaccount(vm, 1UL << pin->order);
}

/*
 * A map that stopped half-way leaves the entry, and the entry's pages pinned: the next fault goes
 * on. One that did nothing leaves nothing. *@kept: there is an entry.
 */
static int insert_and_map(struct keel_vm *vm, const struct pinned *pin, bool *kept)
{
	int ret = insert(vm, pin);

	if (ret)
		return ret;
	ret = map_pin(vm, pin);
	*kept = !ret || pin->order > vm->page_order;
	if (!*kept)
		forget(vm, pin);
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

/*
 * The order of the leaf in the process's tables that translates @hva to @pfn; 0 for a page, or if
 * it does not any more. With interrupts off no table that was found is freed (as fast GUP has it).
 */
static unsigned int leaf_order(unsigned long hva, unsigned long pfn)
{
	pgd_t *pgdp = pgd_offset(current->mm, hva), pgd = READ_ONCE(*pgdp);
	p4d_t *p4dp, p4d;
	pud_t *pudp, pud;
	pmd_t pmd;

	if (pgd_none(pgd))
		return 0;
	p4dp = p4d_offset_lockless(pgdp, pgd, hva);
	p4d = READ_ONCE(*p4dp);
	if (p4d_none(p4d) || !p4d_present(p4d))
		return 0;
	pudp = pud_offset_lockless(p4dp, p4d, hva);
	pud = READ_ONCE(*pudp);
	if (pud_none(pud) || !pud_present(pud))
		return 0;
	if (pud_leaf(pud))
		return pud_pfn(pud) == ALIGN_DOWN(pfn, 1UL << PUD_LEAF_ORDER) ? PUD_LEAF_ORDER : 0;
	pmd = READ_ONCE(*pmd_offset_lockless(pudp, pud, hva));
	if (!pmd_present(pmd) || !pmd_leaf(pmd))
		return 0;
	return pmd_pfn(pmd) == ALIGN_DOWN(pfn, 1UL << PMD_LEAF_ORDER) ? PMD_LEAF_ORDER : 0;
}

/*
 * Whether one leaf of the process's has all of the block around @pin's page, which is pinned: its
 * pin keeps the whole huge page where it is, and in one piece.
 */
static bool one_leaf(const struct keel_slot *slot, const struct pinned *pin, unsigned int order)
{
	unsigned long mask = (1UL << order) - 1, pfn = page_to_pfn(pin->page), flags;
	unsigned long hva = slot_hva(slot, pin->gfn);
	unsigned int found;

	if ((pin->gfn ^ pfn) & mask || (pin->gfn ^ hva >> PAGE_SHIFT) & mask)
		return false;
	local_irq_save(flags);
	found = leaf_order(hva, pfn);
	local_irq_restore(flags);
	return found >= order;
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

static int pin_page(const struct keel_slot *slot, u64 gfn, struct pinned *pin)
{
	long got = pin_pages(slot, slot_hva(slot, gfn), 1, &pin->page);

	pin->gfn = gfn;
	pin->order = 0;
	pin->one_pin = false;
	pin->writable = !(slot->flags & KVM_MEM_READONLY);
	if (got == 1)
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
	struct pinned block;
	int ret = pin_block(slot, gfn, order, order, &block);

	unpin(pin);
	if (!ret) {
		*pin = block;
		return 0;
	}
	pr_warn_ratelimited(
		"%s[%d]: memory at %#lx is not in %lu KiB pieces, as keel.stage2_granule "
		"wants: use huge pages\n",
		current->comm, task_pid_nr(current), slot_hva(slot, gfn), PAGE_SIZE << order >> 10);
	return ret;
}

/* Pin @gfn's page, then more of it if it is part of a huge page. */
static int pin_best(const struct keel_vm *vm, const struct keel_slot *slot, u64 gfn,
		    unsigned int max, struct pinned *pin)
{
	unsigned int i;
	struct pinned block;
	int ret = pin_page(slot, gfn, pin);

	if (ret)
		return ret;
	for (i = 0; i < ORDER_PAGE && orders[i] > vm->page_order; i++) {
		if (orders[i] > max || !block_fits(slot, gfn, orders[i], pin->page))
			continue;
		if (one_leaf(slot, pin, orders[i])) {
			widen(pin, orders[i]);
			return 0;
		}
		if (pin_block(slot, gfn, orders[i], vm->page_order, &block))
			continue;
		unpin(pin);
		*pin = block;
		return 0;
	}
	return vm->page_order ? pin_large_page(slot, gfn, vm->page_order, pin) : 0;
}

/* Under mem_lock. -EAGAIN: the slots have changed; -EBUSY: no room for a block, only for a page. */
static int commit(struct keel_vm *vm, u64 gfn, const struct pinned *pin, unsigned long generation,
		  bool *kept)
{
	struct pinned there;
	int ret;

	*kept = false;
	if (vm->slots_generation != generation)
		return -EAGAIN;
	if (find_pin(vm, gfn, &there)) {
		/* Another vCPU was faster. Should EL2 not have it, it gets it now. */
		ret = map_pin(vm, &there);
		return ret == -EEXIST ? 0 : ret;
	}
	if (pin->order > vm->page_order && any_pin(vm, pin->gfn, pin->order))
		return -EBUSY;
	return insert_and_map(vm, pin, kept);
}

/* ---- the pages behind it ---- */

/*
 * Guests go through memory from below. Of what follows a page in its 64 KiB the process often has
 * some already, which then comes along, since a fault costs more than all of it. It is a guess:
 * what of it fails is left for when it is touched.
 */
#define AROUND_PAGES 16

struct around {
	u64 gfn;
	unsigned long count;
	struct page *pages[AROUND_PAGES];
};

/* How many pages from @gfn on the process has, and may write. */
static unsigned long count_present(const struct keel_slot *slot, u64 gfn, unsigned long count)
{
	struct page *pages[AROUND_PAGES];
	int i, got = get_user_pages_fast_only(slot_hva(slot, gfn), count, FOLL_WRITE, pages);

	for (i = 0; i < got; i++)
		put_page(pages[i]);
	return max(got, 0);
}

static void pin_around(const struct keel_slot *slot, u64 gfn, struct around *around)
{
	u64 end = min(ALIGN(gfn, AROUND_PAGES), slot->gfn + slot->npages);
	unsigned long count = gfn < end ? count_present(slot, gfn, end - gfn) : 0;
	long got = count ? pin_pages(slot, slot_hva(slot, gfn), count, around->pages) : 0;

	around->gfn = gfn;
	around->count = max(got, 0L);
}

/* Entries for @n pages from the @first on, one each. Returns how many it has made. */
static unsigned long insert_around(struct keel_vm *vm, const struct around *around,
				   unsigned long first, unsigned long n)
{
	unsigned long i;

	if (account(vm, n))
		return 0;
	vm->pin_orders |= BIT(ORDER_PAGE);
	for (i = 0; i < n; i++) {
		struct pinned there, pin = {
			.gfn = around->gfn + first + i,
			.page = around->pages[first + i],
			.writable = true,
		};

		if (find_pin(vm, pin.gfn, &there) ||
		    xa_err(xa_store(&vm->pins, pin.gfn, to_entry(vm, &pin), GFP_KERNEL_ACCOUNT)))
			break;
	}
	if (i < n)
		unaccount(vm, n - i);
	return i;
}

/* Under mem_lock. Adjacent ones are mapped at once. Returns how many now are the VM's. */
static unsigned long commit_around(struct keel_vm *vm, const struct around *around)
{
	unsigned long done = 0, n, want;
	int ret = 0;

	for (; done < around->count && !ret; done += n) {
		struct page **pages = (struct page **)around->pages + done;

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

/* -EAGAIN: start over. */
static int fault_once(struct keel_vm *vm, u64 gfn, bool write, unsigned int *max)
{
	unsigned long generation;
	unsigned long kept_around = 0;
	struct around around;
	struct keel_slot slot;
	struct pinned pin;
	bool kept;
	int ret;

	if (!keel_slot_find(vm, gfn, &slot, &generation))
		return -ENOENT;
	if (write && slot.flags & KVM_MEM_READONLY)
		return -ENOENT;
	ret = pin_best(vm, &slot, gfn, *max, &pin);
	if (ret)
		return ret;
	around.count = 0;
	if (!pin.order && pin.writable)
		pin_around(&slot, gfn + 1, &around);
	mutex_lock(&vm->mem_lock);
	ret = commit(vm, gfn, &pin, generation, &kept);
	if (!ret)
		kept_around = commit_around(vm, &around);
	mutex_unlock(&vm->mem_lock);
	if (!kept)
		unpin(&pin);
	if (around.count > kept_around)
		unpin_user_pages(around.pages + kept_around, around.count - kept_around);
	if (ret != -EBUSY)
		return ret;
	*max = 0;
	return -EAGAIN;
}

int keel_fault(struct keel_vm *vm, u64 ipa, bool write)
{
	unsigned int max = orders[0];
	int ret;

	do {
		if (signal_pending(current))
			return -EINTR;
		ret = fault_once(vm, ipa >> PAGE_SHIFT, write, &max);
	} while (ret == -EAGAIN);
	return ret;
}

int keel_map_pinned(struct keel_vm *vm, u64 *gfn)
{
	struct pinned pin;
	int ret = -ENOENT;

	mutex_lock(&vm->mem_lock);
	if (find_pin(vm, *gfn, &pin)) {
		ret = map_pin(vm, &pin);
		*gfn = pin.gfn + (1UL << pin.order);
	}
	mutex_unlock(&vm->mem_lock);
	return ret == -EEXIST ? 0 : ret;
}
