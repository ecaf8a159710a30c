/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fault injection: in a build with KEEL_INJECT, which is for tests only, every operation of this
 * module that can run out of a resource calls keel_inject() first. In other builds that function is
 * empty.
 *
 * Included by keel.h, so that it precedes all uses. docs/module.md describes how tests use it.
 */
#ifndef KEEL_INJECT_H
#define KEEL_INJECT_H

struct keel_vcpu;

#ifndef KEEL_INJECT

static inline long keel_inject_abort(struct keel_vcpu *vcpu, long exit)
{
	return exit;
}

static inline bool keel_inject(void)
{
	return false;
}

static inline bool keel_inject_populate(void)
{
	return false;
}

static inline bool keel_inject_unmap(void)
{
	return false;
}

static inline long keel_inject_run(long exit)
{
	return exit;
}

static inline void keel_inject_note_taken(u64 pages)
{
}

static inline u64 keel_inject_handle(u64 handle)
{
	return handle;
}

static inline void keel_inject_release(void)
{
}

static inline void keel_inject_write(void)
{
}

static inline int keel_inject_map(void)
{
	return 0;
}

static inline void keel_inject_pool(void)
{
}

static inline void keel_inject_pool_given(void)
{
}

static inline void keel_inject_restart(void)
{
}

static inline void keel_inject_invalidate(void)
{
}

#else

#include <linux/anon_inodes.h>
#include <linux/cpuhotplug.h>
#include <linux/gfp.h>
#include <linux/interrupt.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

/* Whether the next operation is to fail. */
bool keel_inject(void);

/* Whether emulated SPE populates all memory, as SPE of the hardware does. */
bool keel_inject_populate(void);

/* Whether unmapping is to fail, which it never does at EL2. */
bool keel_inject_unmap(void);

/* The result of a run: @exit, or, once, the error of a run page that failed. */
long keel_inject_run(long exit);

/* Called with the number of pages that are taken from a guest under one hold of mem_lock. */
void keel_inject_note_taken(u64 pages);

/* @handle; or, once, that of no VM: EL2 says then what it says of one that has ended. */
u64 keel_inject_handle(u64 handle);

/* A VM is about to be released: it may take long. */
void keel_inject_release(void);

/* The error of a map of guest memory, or 0. */
int keel_inject_map(void);

/* EL2's pool is about to be given memory, which may wait for keel_inject_restart(). */
void keel_inject_pool(void);
void keel_inject_pool_given(void);

/* The host restarts, and what EL2 had is given back: see to what keel_inject_pool() made wait. */
void keel_inject_restart(void);

/* The kernel has said that it changes a process's memory: it may take long. */
void keel_inject_invalidate(void);

/* Pages of the process are about to be looked up: it may take long. */
void keel_inject_pin(void);

/* The module is about to write to guest memory: it may take long. */
void keel_inject_write(void);

/* The exit of a run: @exit, or an external abort at broken memory. */
long keel_inject_abort(struct keel_vcpu *vcpu, long exit);

static inline void *keel_kzalloc(size_t size, gfp_t gfp)
{
	return keel_inject() ? NULL : kzalloc(size, gfp);
}

static inline void *keel_kvzalloc(size_t size, gfp_t gfp)
{
	return keel_inject() ? NULL : kvzalloc(size, gfp);
}

static inline void *keel_kvmalloc(size_t size, gfp_t gfp)
{
	return keel_inject() ? NULL : kvmalloc(size, gfp);
}

static inline void *keel_kvmalloc_array(size_t n, size_t size, gfp_t gfp)
{
	return keel_inject() ? NULL : kvmalloc_array(n, size, gfp);
}

static inline struct page *keel_alloc_pages(gfp_t gfp, unsigned int order)
{
	return keel_inject() ? NULL : alloc_pages(gfp, order);
}

static inline unsigned long keel_get_zeroed_page(gfp_t gfp)
{
	return keel_inject() ? 0 : get_zeroed_page(gfp);
}

static inline int __percpu *keel_alloc_percpu_int(void)
{
	return keel_inject() ? NULL : alloc_percpu(int);
}

static inline int keel_anon_inode_getfd(const char *name, const struct file_operations *fops,
					void *priv, int flags)
{
	return keel_inject() ? -EMFILE : anon_inode_getfd(name, fops, priv, flags);
}

static inline int keel_pin_user_pages_fast(unsigned long start, int nr, unsigned int flags,
					   struct page **pages)
{
	keel_inject_pin();
	return keel_inject() ? -ENOMEM : pin_user_pages_fast(start, nr, flags, pages);
}

static inline int keel_get_user_pages_fast(unsigned long start, int nr, unsigned int flags,
					   struct page **pages)
{
	keel_inject_pin();
	return keel_inject() ? -ENOMEM : get_user_pages_fast(start, nr, flags, pages);
}

static inline int keel_xa_insert(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp)
{
	return keel_inject() ? -ENOMEM : xa_insert(xa, index, entry, gfp);
}

static inline int keel_xa_reserve(struct xarray *xa, unsigned long index, gfp_t gfp)
{
	return keel_inject() ? -ENOMEM : xa_reserve(xa, index, gfp);
}

static inline int keel_notifier_register(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	return keel_inject() ? -ENOMEM : mmu_notifier_register(notifier, mm);
}

static inline int keel_account_locked_vm(struct mm_struct *mm, unsigned long pages, bool inc)
{
	return inc && keel_inject() ? -ENOMEM : account_locked_vm(mm, pages, inc);
}

static inline int keel_request_percpu_irq(unsigned int irq, irq_handler_t handler, const char *name,
					  void __percpu *id)
{
	return keel_inject() ? -ENOMEM : request_percpu_irq(irq, handler, name, id);
}

static inline int keel_cpuhp_setup_state(enum cpuhp_state state, const char *name,
					 int (*startup)(unsigned int cpu),
					 int (*teardown)(unsigned int cpu))
{
	return keel_inject() ? -ENOMEM : cpuhp_setup_state(state, name, startup, teardown);
}

static inline int keel_misc_register(struct miscdevice *misc)
{
	return keel_inject() ? -ENOMEM : misc_register(misc);
}

#undef kzalloc
#undef kvzalloc
#undef kvmalloc
#undef kvmalloc_array
#undef alloc_pages
#undef get_zeroed_page
#undef alloc_percpu
#undef pin_user_pages_fast
#undef get_user_pages_fast
#define kzalloc		      keel_kzalloc
#define kvzalloc	      keel_kvzalloc
#define kvmalloc	      keel_kvmalloc
#define kvmalloc_array	      keel_kvmalloc_array
#define alloc_pages	      keel_alloc_pages
#define get_zeroed_page	      keel_get_zeroed_page
#define alloc_percpu(type)    keel_alloc_percpu_##type()
#define anon_inode_getfd      keel_anon_inode_getfd
#define pin_user_pages_fast   keel_pin_user_pages_fast
#define get_user_pages_fast   keel_get_user_pages_fast
#define xa_insert	      keel_xa_insert
#define xa_reserve	      keel_xa_reserve
#define mmu_notifier_register keel_notifier_register
#define account_locked_vm     keel_account_locked_vm
#define request_percpu_irq    keel_request_percpu_irq
#define cpuhp_setup_state     keel_cpuhp_setup_state
#define misc_register	      keel_misc_register

#endif
#endif
