/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shadows of a VM: stage-2 contexts behind which its nested guests run.
 *
 *      struct vm
 *        s2       <────────────────────────── vm, own lock before a shadow's ──┐
 *        shadows ──> struct shadow_set                                         │
 *                      first ──> struct shadow ──> struct shadow ──> ... NULL  │
 *                                  ctx ────────────────────────────────────────┘
 *                                  key: what the guest hypervisor has in VTTBR_EL2, VTCR_EL2 ..
 *                                  refs: vCPUs that have it
 *                                  pool <── chunks of pages ──> set->chunks
 *
 * A VM gets SHADOW_PER_VCPU shadows with each vCPU that has an EL2, and chunks of pages for their
 * tables; there are no others. Both come from vm->pool when the vCPU is initialized, and stay until
 * the VM ends. A vCPU has at most one shadow, so there always is an idle one.
 *
 * A shadow holds what can be derived again from the guest hypervisor's tables and the VM's own. So
 * it can be emptied at any time: shadow_clear() empties its root, invalidates its VMID and takes all
 * its pages back, which does not depend on how many there are. Nor on the size of the root, of which
 * a part that is not too large is used at a time. That is the answer to each change
 * that is not known more exactly, to a pool that is dry, and to another key.
 *
 * EL2's own translations without VHE (docs/nested.md) must not meet those of EL1 under one VMID. So
 * they have a context of their own, set->el2: a shadow whose guest hypervisor's tables would translate
 * each address to itself. It has no key, no vCPU's reference counts for it, and no TLBI by VMID or IPA
 * is about it: they begin at set->first.
 *
 * Locks (docs/locking.md): set->lock, then a shadow's stage2.lock, then set->chunk_lock. Who fills
 * a shadow, and who removes from it what has become invalid, holds the stage2.lock of the VM's own
 * context. So what has been removed is not put back by a fault that had looked at it before.
 */
#ifndef KEEL_NESTED_SHADOW_H
#define KEEL_NESTED_SHADOW_H

#include <nested/s2_compose.h>
#include <nested/s2_walk.h>
#include <nested/shadow_rmap.h>
#include <vm/s2_context.h>
#include <vm/vm_ops.h>

#define SHADOW_PER_VCPU 2

/* Pages for tables that a VM gets with each vCPU: 1 MiB. */
#define SHADOW_PAGES_PER_VCPU 256

/* The most chunks of one shadow, but for those of its reverse map. */
#define SHADOW_CHUNKS_MAX 128

/* VMs have VMIDs of 8 bits. */
#define SHADOW_VMIDS 256

/*
 * What a guest hypervisor has in its registers when it enters a guest. The hardware would be given
 * these; here they say which shadow it is.
 */
struct shadow_key {
	u64 vttbr; /* VMID, BADDR */
	u64 vtcr;
	u64 hcr;   /* FWB, PTW */
	u64 sctlr; /* EE */
};

struct shadow {
	struct s2_context ctx;
	struct page_pool pool;
	struct shadow *next; /* the list does not change but at its head: set->first */
	/* under set->lock; key and tables change while refs is 0, and under ctx.stage2.lock, too */
	struct shadow_key key;
	struct s2_tables tables; /* key, decoded */
	bool valid;		 /* it has a key */
	u32 refs;
	/* under set->lock: in the list of the key's VMID; in that of the idle ones while refs is 0 */
	struct shadow *vmid_next, **vmid_link;
	struct shadow *idle_next, *idle_prev;
	/* under ctx.stage2.lock */
	u64 changes;	/* moves when it is cleared, as with another key, and with TLBIs */
	bool filled;	/* something was mapped since it was last cleared; set under the own lock */
	u64 root_parts; /* of the root that may not be empty */
	struct shadow_rmap rmap;
	u64 check_ipa; /* debug builds: where the check continues */
	u32 check_entry;
	u64 cleared, forgotten; /* counters: KEEL_NESTED_CLEARED, _FORGOTTEN */
	unsigned int nr_chunks;
	void *chunks[SHADOW_CHUNKS_MAX]; /* the first set->kept are not given back */
};

struct shadow_chunk {
	struct shadow_chunk *next;
};

/* In a page of its own. */
struct shadow_set {
	struct spinlock lock; /* keys and references */
	struct shadow *first;
	/*
	 * Without VHE: the context of EL2's own translations, a shadow of no tables (shadow.h), and @all
	 * begins with it. Else @all is @first. Under vm->lock.
	 */
	struct shadow *el2, *all;
	bool nvhe;
	/*
	 * Under set->lock: those with a key, by its VMID; those that no vCPU has, those without a key
	 * first, then the one that was left first. An idle one of the same VMID is taken before any
	 * other. So a VMID has no more shadows than there are vCPUs.
	 */
	struct shadow *by_vmid[SHADOW_VMIDS];
	struct shadow *idle_first, *idle_last;
	unsigned int nr_shadows, nr_vcpus; /* under vm->lock */
	u64 counted[VM_VCPUS_MAX / 64];	   /* vCPUs in nr_vcpus, by index */
	struct stage2_geometry geometry;   /* of all shadows of nested guests */
	struct s2_shadow_format format;
	unsigned int chunk_order, kept;
	u64 pages; /* taken for chunks; under vm->lock */
	/* for shadows that are not made yet, which no other one may take; under vm->lock */
	struct shadow_chunk *reserved;
	unsigned int nr_reserved;
	struct spinlock chunk_lock;
	struct shadow_chunk *chunks; /* that no shadow has */
	struct shadow *leaving;	     /* where forgetting memory continues; under vm->lock */
	/* Some vCPU has run EL1 with stage 2 off: there may be TLB entries of EL1 under the VM's own
	 * VMID. Set once; atomic. */
	bool plain_el1;
	/* Without VHE: the VMIDs in VTTBR_EL2 meanwhile. Bits are set, and stay; atomic. */
	u64 plain_vmids[SHADOW_VMIDS / 64];
};

/* Of nested guests: the newest one; the others by ->next. They stay until the VM ends. */
static inline struct shadow *shadow_first(const struct shadow_set *set)
{
	return __atomic_load_n(&set->first, __ATOMIC_ACQUIRE);
}

/* The same with that of EL2's own translations, if there is one. */
static inline struct shadow *shadow_first_of_all(const struct shadow_set *set)
{
	return __atomic_load_n(&set->all, __ATOMIC_ACQUIRE);
}

/* ->next of set->el2 changes with set->first. */
static inline struct shadow *shadow_next(const struct shadow *shadow)
{
	return __atomic_load_n(&shadow->next, __ATOMIC_ACQUIRE);
}

/* What vm/ asks of shadows: vm_set_nested(). */
extern const struct vm_nested_ops shadow_vm_ops;

/**
 * shadow_prepare() - let the VM have what it needs for one more vCPU with an EL2
 * @vcpu: owned by this CPU; vm->lock is not held
 *
 * A bounded part in each call. Return: 0 when all is there; -ENOMEM: to be repeated after more pages
 * were given to vm->pool (some of which it may have taken).
 */
int __must_check shadow_prepare(struct vcpu *vcpu);

/**
 * shadow_of() - the shadow for a nested guest that is about to run
 * @vcpu: owned by this CPU
 *
 * Found by what the guest hypervisor has in its registers now, or else made of one that is idle.
 * The vCPU has it until the next call, or shadow_drop(). No lock held.
 */
struct shadow *shadow_of(struct vcpu *vcpu);

/* The vCPU needs its shadow no more, and runs in the VM's own context. By the owner; no lock held. */
void shadow_drop(struct vcpu *vcpu);

/* The shadow in which the vCPU runs, which may be set->el2; NULL if it runs in the VM's own. */
struct shadow *shadow_current(const struct vcpu *vcpu);

/**
 * shadow_clear() - remove all that a shadow translates
 *
 * Complete when it returns: no TLB has any of it. With its stage2.lock held.
 */
void shadow_clear(struct shadow_set *set, struct shadow *shadow);

/**
 * shadow_map() - fill a shadow
 * @shadow: a vCPU's; the VM's own stage2.lock is held since the look-up that @leaf comes from
 * @leaf:   what it gets
 *
 * What is there instead is replaced. If pages run short, the shadow that has the most is emptied
 * first.
 *
 * Return: 0; -EINVAL, -E2BIG as stage2_map().
 */
int __must_check shadow_map(struct shadow_set *set, struct shadow *shadow,
			    const struct s2_composed *leaf);

/**
 * shadow_unmap() - remove a range from a shadow, or more than that
 *
 * The range may be beyond the shadow's size. The VM's own stage2.lock is held. Complete when it
 * returns.
 */
void shadow_unmap(struct shadow_set *set, struct shadow *shadow, struct ipa ipa, u64 size);

/* The guest hypervisor's VMID in a value of its VTTBR_EL2. */
static inline u16 shadow_vmid(u64 vttbr)
{
	return vttbr >> 48 & (SHADOW_VMIDS - 1);
}

#endif
