/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handles: how the host names VMs. A handle is a number that was never given out before, with the
 * index of a slot in its low bits, so a stale or invented one finds nothing.
 *
 * A slot counts the calls that are at work on its VM. vm_get() increments the count and vm_put()
 * decrements it, both without a lock. A VM is closed, permanently, at a moment when there are no
 * calls. So a VM does not end during a call, though the call holds no lock. A run is a call, too.
 *
 * Slots are in pages from Keel's pool that are never freed: there are as many as there ever were
 * VMs at a time, VM_TABLE_SLOTS at most. vm_table_lock guards giving out, closing and freeing
 * slots. It is taken before all other locks; inside it only ownership_lock is taken, to allocate a
 * page.
 */
#ifndef KEEL_VM_VM_TABLE_H
#define KEEL_VM_VM_TABLE_H

#include <lib/types.h>
#include <mm/page_pool.h>

struct vm;

#define VM_SLOTS_PER_PAGE 64U
#define VM_TABLE_PAGES	  1024U
#define VM_TABLE_SLOTS	  (VM_SLOTS_PER_PAGE * VM_TABLE_PAGES)

#define VM_TABLE_BOOT_PAGES 8U

/*
 * One VM's slot. @handle and @refs are atomic. The rest is used by the caller that makes or has
 * closed the VM; @vm is constant while it is open.
 */
struct vm_slot {
	u64 handle; /* 0 while the slot is free */
	struct vm *vm;
	u32 refs;      /* calls at work, and flags of vm_table.c */
	u32 next_free; /* index + 1 */
	/* donated memory that Keel no longer maps and has yet to give back: pages 0 for none */
	struct pa return_pa;
	u64 return_pages;
	u64 pad[3];
};

STATIC_ASSERT(sizeof(struct vm_slot) * VM_SLOTS_PER_PAGE == POOL_PAGE_SIZE, "a page of slots");

/**
 * vm_table_init() - an empty table
 * @pool: Keel's own pool
 *
 * Boot CPU.
 *
 * Return: 0; -ENOMEM.
 */
int __must_check vm_table_init(struct page_pool *pool);

/*
 * vm_table_grow() - allocate VM_TABLE_BOOT_PAGES pages of slots, if the pool has them to spare.
 * Pages that are allocated later may be memory that the host donated, and stay as well. Boot CPU.
 */
void vm_table_grow(void);

/**
 * vm_table_new() - a slot with a new handle, closed
 *
 * @slot: out
 *
 * The caller fills slot->vm and then calls vm_table_open(), or gives it back by vm_table_free().
 *
 * Return: 0; -ENOSPC there is none; -ENOBUFS Keel has no page to spare for more of them.
 */
int __must_check vm_table_new(struct vm_slot **slot);

/* The VM is complete: vm_get() finds it. */
void vm_table_open(struct vm_slot *slot);

/**
 * vm_get() - the VM that a handle names, for the length of a call
 * @handle: any value
 *
 * Return: the VM, which stays until vm_put(); NULL if there is none (-ENOENT), or it is closed.
 */
struct vm *vm_get(u64 handle);

/* The end of vm_get(); @vm may be gone right after. */
void vm_put(struct vm *vm);

/**
 * vm_table_close() - close a VM: no call finds it any more, and the caller is alone with it
 * @handle: any value
 * @slot:   out: its slot
 *
 * Also for a VM that is closed already, to continue its end. Followed by vm_table_pause() or
 * vm_table_free().
 *
 * Return: 0; -ENOENT; -EBUSY while another call is at work on it (nothing was changed).
 */
int __must_check vm_table_close(u64 handle, struct vm_slot **slot);

/**
 * vm_table_next() - iterate over all VMs, closed ones included
 * @handle: the last result: any value, 0 to start with
 *
 * Return: the handle of the first VM whose slot is behind @handle's; 0 if there is none.
 */
u64 vm_table_next(u64 handle);

/* The VM stays closed; another caller may continue its end. */
void vm_table_pause(struct vm_slot *slot);

/* The VM is gone, its handle void. */
void vm_table_free(struct vm_slot *slot);

#endif
