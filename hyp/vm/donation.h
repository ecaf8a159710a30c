/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that the host donates for a VM or for Keel's pool: how it becomes Keel's, its records, and
 * how it goes back. Inside vm/ only.
 *
 * The records are in pages of the VM's own pool. Each page was donated no later than the memory
 * that the page's first record describes. So giving back in the reverse order never takes away a
 * record that is still needed. struct vm is in the first donation.
 */
#ifndef KEEL_VM_DONATION_H
#define KEEL_VM_DONATION_H

#include <vm/vm.h>

/* Pages that one call can donate: limits the duration of the call. */
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
 * Guards what the linear window maps besides what boot mapped there: checking a page, mapping it,
 * and making it Keel's (or sharing it with Keel) is one critical section. Taken inside vm->lock,
 * outside ownership_lock.
 */
extern struct spinlock donation_lock;

/**
 * donation_take() - make memory of the host Keel's, and map it at EL2; contents stay
 * @pa:    first address, page-aligned
 * @pages: 1..DONATION_PAGES_MAX
 *
 * Takes donation_lock.
 *
 * Return: 0; -EINVAL misaligned, wrapping, none or too many; -ERANGE outside of EL2's linear
 * window; -EPERM not the host's; -EBUSY shared; -EFAULT it faults when EL2 reads it; -ENOBUFS
 * Keel's pool is short of pages for EL2's tables or the host's. On an error nothing was changed.
 */
int __must_check donation_take(struct pa pa, u64 pages);

/**
 * donation_show() - map memory in EL2's linear window; ownership_lock held
 *
 * Return: 0; -ERANGE, -EEXIST, -ENOBUFS as el2_map_linear(). On an error nothing was changed.
 */
int __must_check donation_show(struct pa pa, u64 size);

/**
 * donation_to_pool() - make memory of the host Keel's, as pages for tables
 * @pool:  Keel's own pool
 * @pages: KEEL_POOL_DONATE_PAGES; @pa is aligned to as much
 *
 * May use the pool's reserve, which is always enough: see KEEL_POOL_RESERVE.
 *
 * Return: 0; else as donation_take().
 */
int __must_check donation_to_pool(struct page_pool *pool, struct pa pa, u64 pages);

/**
 * donation_from_pool() - give pages of donation_to_pool() back to the host, cleared
 *
 * Arguments as for donation_to_pool(). The pool keeps its reserve.
 *
 * Return: 0; -EINVAL, -ERANGE as donation_to_pool(); -EPERM some of them were not donated; -EBUSY
 * some are in use, or part of the reserve. On an error nothing was changed.
 */
int __must_check donation_from_pool(struct page_pool *pool, struct pa pa, u64 pages);

/**
 * donation_hide() - unmap donated memory from EL2's linear window, before it is given back
 *
 * Keel must not use it any more.
 */
void donation_hide(const struct donation *donation);

/**
 * donation_return() - give hidden memory, or a part of it, back to the host, cleared
 *
 * Usually takes no page from Keel's pool, since the host's stage 2 has kept the tables. It has none
 * where the host's block was donated as a whole, and comes back in parts.
 *
 * Return: 0; -ENOBUFS: Keel's pool is short of pages for the host's tables, to be repeated.
 */
int __must_check donation_return(struct pa pa, u64 pages);

/**
 * donation_add() - donate memory to a VM
 * @vm:    locked
 * @keep:  how many of the pages, from the first on, the caller uses itself; the others go to
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

/**
 * donation_sane() - whether the records of a VM's donations are consistent
 *
 * For ASSERT() and tests: debug builds only. All records name memory of Keel's, add up to
 * vm->donated_pages while the VM lives, and are in pages that were donated early enough. vm->lock
 * held, or nobody else finds the VM. Takes time linear in the records.
 */
bool donation_sane(const struct vm *vm);

#endif
