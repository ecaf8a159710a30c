/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that the host donated for a VM: how it becomes Keel's, the records of it, and how it goes
 * back. Inside vm/ only.
 *
 * The records lie in pages of the VM's own pool. Whatever page a record is in was donated no later
 * than the memory that the page's first record tells of, so giving back in the opposite order never
 * takes away a record that is still needed; struct vm lies in what was donated first.
 */
#ifndef KEEL_VM_DONATION_H
#define KEEL_VM_DONATION_H

#include <vm/vm.h>

/* Pages that one call can donate: what bounds the time it takes, and that of giving it back. */
#define DONATION_PAGES_MAX 512

struct donation {
	struct pa pa;
	u64 pages;
};

#define DONATIONS_PER_PAGE 255

struct donation_page {
	struct donation_page *older;
	u64 count;
	struct donation record[DONATIONS_PER_PAGE];
};

STATIC_ASSERT(sizeof(struct donation_page) == POOL_PAGE_SIZE, "a page of records");

/*
 * Guards what is shown in the linear window besides what boot put there: a page is looked at, shown
 * and made Keel's (or shared with Keel) under one hold of it. Taken inside vm->lock, outside
 * ownership_lock.
 */
extern struct spinlock donation_lock;

/**
 * donation_take() - make memory of the host Keel's, and show it at EL2; contents stay
 * @pa:    first address, page-aligned
 * @pages: 1..DONATION_PAGES_MAX
 *
 * Takes donation_lock.
 *
 * Return: 0; -EINVAL misaligned, wrapping, none or too many; -ERANGE outside of EL2's linear
 * window; -EPERM not the host's; -EBUSY shared; -ENOBUFS Keel has no pages to spare for its own
 * tables, or the host's. On an error nothing was changed.
 */
int __must_check donation_take(struct pa pa, u64 pages);

/**
 * donation_show() - show memory in EL2's linear window; ownership_lock held
 *
 * Return: 0; -ERANGE, -EEXIST, -ENOBUFS as el2_map_linear(). On an error nothing was changed.
 */
int __must_check donation_show(struct pa pa, u64 size);

/**
 * donation_to_pool() - make memory of the host Keel's, as pages for tables
 * @pool:  Keel's own pool
 * @pages: a power of two, KEEL_POOL_DONATE_MIN..KEEL_POOL_DONATE_MAX; @pa is aligned to as much
 *
 * May use the pool's reserve, which therefore always suffices: see KEEL_POOL_RESERVE.
 *
 * Return: 0; else as donation_take().
 */
int __must_check donation_to_pool(struct page_pool *pool, struct pa pa, u64 pages);

/**
 * donation_from_pool() - give pages of donation_to_pool() back to the host, cleared
 *
 * Arguments as there. The pool keeps its reserve.
 *
 * Return: 0; -EINVAL, -ERANGE as there; -EPERM some of them were not donated; -EBUSY some are in
 * use, or part of the reserve. On an error nothing was changed.
 */
int __must_check donation_from_pool(struct page_pool *pool, struct pa pa, u64 pages);

/**
 * donation_hide() - take donated memory out of EL2's address space, ready to be given back
 *
 * Nothing of Keel's may be in it any more.
 */
void donation_hide(const struct donation *donation);

/**
 * donation_return() - give hidden memory back to the host, cleared
 *
 * Takes no page of Keel's: tables of the host's that held only a part of it were kept.
 *
 * Return: 0; -ENOBUFS: Keel has no pages to spare for the host's tables now, try again.
 */
int __must_check donation_return(const struct donation *donation);

/**
 * donation_add() - donate memory to a VM
 * @vm:    locked
 * @keep:  how many of the pages, from the first on, the caller wants for itself; the others go to
 *         vm->pool
 *
 * Return: 0; -EINVAL for fewer pages than @keep; -ENOMEM when @keep is all and vm->pool has no page
 * for the record; as donation_take().
 */
int __must_check donation_add(struct vm *vm, struct pa pa, u64 pages, u64 keep);

/**
 * donation_record() - note memory that is already Keel's
 *
 * Return: 0; -ENOMEM: vm->pool has no page for the record.
 */
int __must_check donation_record(struct vm *vm, struct pa pa, u64 pages);

/**
 * donation_pop() - forget the newest donation
 *
 * Return: whether there was one.
 */
bool donation_pop(struct vm *vm, struct donation *donation);

#endif
