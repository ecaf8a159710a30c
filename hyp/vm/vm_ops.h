/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of VMs and vCPUs, and a VM's memory: the functions behind the hypercalls of
 * include/keel/hypercall.h. Arguments are the host's, unchecked: each function checks them before
 * it changes anything, and an error means that nothing was changed, unless it says otherwise.
 *
 * A struct vm comes from vm_get() (vm_table.h), and stays valid until vm_put(). The functions here
 * take vm->lock if they need it; none may be called with it held.
 */
#ifndef KEEL_VM_VM_OPS_H
#define KEEL_VM_VM_OPS_H

#include <cpu/features.h>
#include <keel/spe.h>
#include <mm/el2_map.h>
#include <vm/vm.h>
#include <vm/vm_table.h>

#define VM_IPA_BITS_DEFAULT 40
#define VM_IPA_BITS_MIN	    32

/* Most memory that one call maps or unmaps, when it is not one 1 GiB block. */
#define VM_MAP_STEP SZ_2M

/* KVM's bits of KEEL_HC_VCPU_INIT (Linux: arch/arm64/include/uapi/asm/kvm.h). */
enum vcpu_feature {
	VCPU_POWER_OFF = 0,
	VCPU_EL1_32BIT = 1,
	VCPU_PSCI_0_2 = 2,
	VCPU_PMU_V3 = 3,
	VCPU_SVE = 4,
	VCPU_PTRAUTH_ADDRESS = 5,
	VCPU_PTRAUTH_GENERIC = 6,
	VCPU_HAS_EL2 = 7,
	VCPU_HAS_EL2_E2H0 = 8, /* only beside it: HCR_EL2.E2H is always 0 */
	VCPU_MTE = KEEL_HC_VCPU_FEATURE_MTE,
	VCPU_SPE = KEEL_HC_VCPU_FEATURE_SPE,
};

/* ---- boot ---- */

/**
 * vm_init() - initialize what all VMs share
 * @features: the machine's, final in what VMs are told (cpu_features_freeze()); kept
 * @nr_cpus:  how many CPUs there can be, 1..KEEL_MAX_CPUS
 * @pages:    the granule of stage 2 of all VMs
 * @pool:     Keel's own pool: handles and VMIDs come from it now, EL2's tables later
 *
 * Boot CPU, once, after ownership_set_host().
 *
 * Return: 0; -EOPNOTSUPP if stage 2 does not have this granule (nothing was changed: to be called
 * again with another one); -ENOMEM; -EINVAL for more CPUs than VMIDs; other errors of
 * stage2_geometry().
 */
int __must_check vm_init(const struct cpu_features *features, unsigned int nr_cpus,
			 enum granule pages, struct page_pool *pool);

/* KEEL_HC_VCPU_SPE_STATS, since the vCPU was created. */
struct vcpu_spe_stats {
	u64 samples;	/* records written */
	u64 dropped;	/* samples without a record, for lack of memory */
	u64 false_hits; /* of the breakpoint on its vectors */
	u64 emulated;	/* accesses to registers */
};

/* The features that vm_init() was given. */
const struct cpu_features *vm_features(void);

/* How vCPUs can have SPE: KEEL_SPE_*, or 0, as after vm_init(), for not at all. Boot CPU. */
void vm_set_spe(u32 how);
u32 vm_spe(void);

/**
 * struct vm_nested_ops - what nested/ does for VMs whose vCPUs have an EL2
 * @prepare: called by vcpu_init(), by the owner, without locks, for each vCPU that has an EL2.
 *           Return: 0; -ENOMEM as vcpu_init()
 * @forget:  the VM's own stage 2 does not translate to [pa, pa + size) any more: remove what was
 *           derived from it. vm->lock is held, and no stage2.lock. *@budget as in guest_mem.c, is
 *           counted down. Return: false if something is left: the next call is for the same memory
 * @stat:    one of enum keel_nested, of a VM with vm->shadows. Return: 0; -EINVAL
 */
struct vm_nested_ops {
	int (*prepare)(struct vcpu *vcpu);
	bool (*forget)(struct vm *vm, struct pa pa, u64 size, u64 *budget);
	int (*stat)(const struct vm *vm, u64 which, u64 *value);
};

/* Let vCPUs have VCPU_HAS_EL2; vcpu_pages() counts its pages from then on. Boot CPU. */
void vm_set_nested(const struct vm_nested_ops *ops);
/* VCPU_HAS_EL2_E2H0, too. */
void vm_set_nested_nvhe(void);
bool vm_nested(void);
bool vm_nested_nvhe(void);
int __must_check vm_prepare_el2(struct vcpu *vcpu);
bool vm_forget(struct vm *vm, struct pa pa, u64 size, u64 *budget);
int __must_check vm_nested_stat(const struct vm *vm, u64 which, u64 *value);

/* Set a function that is called for each new VM before any call can find it. Boot CPU, once. */
void vm_set_created(void (*created)(struct vm *vm));

/* ---- VMs ---- */

struct vm_sizes {
	u64 vm_pages;	/* for vm_create() */
	u64 vcpu_pages; /* for vcpu_create() */
	unsigned int ipa_bits_default, ipa_bits_max;
	unsigned int granule_shift; /* log2 of a page of its stage 2 */
	u64 features;		    /* BIT(enum vcpu_feature): what vcpu_init() takes */
	u32 spe;		    /* KEEL_SPE_*: how VCPU_SPE is provided; 0 if it is not there */
};

/**
 * vm_sizes() - how many pages VMs and vCPUs need
 * @ipa_bits: width of the VM's IPA space: 0 for the default, or VM_IPA_BITS_MIN..the machine's most
 *
 * Return: 0; -EINVAL for another width.
 */
int __must_check vm_sizes(u64 ipa_bits, struct vm_sizes *sizes);

/**
 * vm_create() - a VM in donated memory
 * @pa:       first page, aligned to 64 KiB, and to the largest power of two that is no more than
 *	      vm_sizes.vm_pages: the root of stage 2 lies first
 * @pages:    how many are donated: vm_sizes.vm_pages at least, DONATION_PAGES_MAX at most. More
 *	      than the least are for stage 2 tables
 * @ipa_bits: as for vm_sizes()
 * @handle:   out: its handle
 *
 * Return: 0; -EINVAL; -ENOSPC no handle left; -ERANGE, -EPERM, -EBUSY, -ENOBUFS as donation_take(),
 * -ENOBUFS also for a page of handles.
 */
int __must_check vm_create(struct pa pa, u64 pages, u64 ipa_bits, u64 *handle);

/**
 * vm_destroy() - end a VM, a bounded number of steps at a time
 *
 * From the first call on, no other call finds the VM, but for vm_unmap_ending().
 *
 * Return: 0: all memory is the host's again; -EAGAIN: to be repeated; -ENOBUFS: to be repeated
 * after vm_pool_donate(); -ENOENT; -EBUSY while another call is at work on it, such as a running
 * vCPU.
 */
int __must_check vm_destroy(u64 handle);

/**
 * vm_unmap_ending() - as vm_unmap(), between two calls of vm_destroy()
 *
 * So that memory which is wanted sooner need not wait for the end. Caches are not cleaned, as at the
 * end.
 *
 * Return: as vm_unmap(); -ENOENT also for a VM that has gone; -EBUSY while another call is at work on it.
 */
int __must_check vm_unmap_ending(u64 handle, struct ipa ipa, u64 size, u64 flags, u64 *done);

/* The vCPU of an index, which may be any number; NULL if there is none. Valid as long as the VM. */
struct vcpu *vm_vcpu(struct vm *vm, u64 index);

/**
 * vm_pool_donate() - add pages to Keel's own pool, after a call has returned -ENOBUFS
 * @pages: KEEL_POOL_DONATE_PAGES; @pa is aligned to as much
 *
 * Return: 0; -EINVAL, -ERANGE, -EPERM, -EBUSY as donation_take().
 */
int __must_check vm_pool_donate(struct pa pa, u64 pages);

/* vm_pool_reclaim() - take pages of vm_pool_donate() back: as donation_from_pool(). */
int __must_check vm_pool_reclaim(struct pa pa, u64 pages);

/* ---- memory ---- */

/**
 * vm_topup() - donate pages to vm->pool, for stage 2 tables and other needs of the VM
 * @pages: 1..DONATION_PAGES_MAX
 *
 * Return: 0; errors as donation_take().
 */
int __must_check vm_topup(struct vm *vm, struct pa pa, u64 pages);

/* The progress of a map, in bytes. */
struct vm_mapped {
	u64 done; /* out, with -EAGAIN: from the start, mapped now */
	/*
	 * In: from the start, cleaned from the caches by earlier calls, a multiple of 4096; out,
	 * with -EAGAIN: for the next call, which is for the rest. It is the host's word: whose
	 * memory it is, and who would read there what was before.
	 */
	u64 clean;
};

/**
 * vm_map() - share memory of the host, or map a device, with the VM
 * @flags:  KEEL_MAP_*
 * @so_far: the progress
 *
 * Parts that are mapped already to the same memory with the same permissions stay so, and count as
 * done.
 *
 * Return: 0; -EAGAIN; -EINVAL; -E2BIG past the IPA size; -EEXIST something else is mapped there;
 * -ENOMEM the VM's pool is short of tables; -EPERM not the host's; -EOVERFLOW shared too often;
 * -ENOBUFS Keel's pool is short of a page of counts (ownership_share()). An error other than
 * -EAGAIN means that nothing was mapped.
 */
int __must_check vm_map(struct vm *vm, struct ipa ipa, struct pa pa, u64 size, u64 flags,
			struct vm_mapped *so_far);

/**
 * vm_unmap() - unmap memory of the VM; holes are skipped
 * @flags: KEEL_UNMAP_*
 * @done:  out with -EAGAIN: bytes from the start that are finished. May be 0, while what is
 *         unmapped is not clean in the caches yet
 *
 * With KEEL_UNMAP_WHOLE a block that is partly in the range is unmapped as a whole: it is not split,
 * so no table is needed. Of a contiguous group of pages or blocks, what is in the range is.
 *
 * Return: 0; -EAGAIN; -EINVAL; -E2BIG; -ENOMEM a block must be split, and the VM's pool has no
 * table (nothing was unmapped).
 */
int __must_check vm_unmap(struct vm *vm, struct ipa ipa, u64 size, u64 flags, u64 *done);

/**
 * vm_protect() - take or give write permission of what is mapped; holes are skipped
 * @how:  KEEL_PROTECT_*
 * @done: out with -EAGAIN: bytes from the start that are finished. May be 0, while shadows still
 *        have what the VM may not write any more
 *
 * _TAKE: for whole blocks and contiguous groups, also those that are partly in the range. When it
 * is finished no TLB has the permission, nor has a shadow. It takes no tables. _GIVE: exactly in the
 * range; what is partly in it is split. _JOIN: what adjacent leaves allow, within VM_MAP_STEP.
 *
 * Return: 0; -EAGAIN; -EINVAL; -E2BIG; of _GIVE also -ENXIO where nothing is mapped in all of the
 * range, and -ENOMEM, nothing changed.
 */
int __must_check vm_protect(struct vm *vm, struct ipa ipa, u64 size, u64 how, u64 *done);

/**
 * vm_young() - whether the guest has accessed some of a range; holes are passed over
 * @how:   KEEL_YOUNG_*: _CLEAR makes it old
 * @done:  out with -EAGAIN: bytes from the start that are finished
 * @young: out, unless -EINVAL or -E2BIG: of what is finished
 *
 * Takes the stage 2's lock alone: so it may be called while the VM is changed. Shadows are not asked.
 *
 * Return: 0; -EAGAIN; -EINVAL; -E2BIG.
 */
int __must_check vm_young(struct vm *vm, struct ipa ipa, u64 size, u64 how, u64 *done, bool *young);

/**
 * vm_sync() - let the guest see what the host has written to memory that is mapped already
 * @at: IPA to start at, 0 at first; out: where to continue
 *
 * Without FEAT_S2FWB, cleans and invalidates data caches; without CTR_EL0.DIC, invalidates
 * instruction caches. Takes vm->lock. Each call does a bounded part.
 *
 * Return: 0 at the end; -EAGAIN; -EINVAL for an address within a page; -E2BIG past the IPA size.
 */
int __must_check vm_sync(struct vm *vm, u64 *at);

/**
 * vm_map_own_device() - map registers that are EL2's, of which each VM may have its own state there
 * @ipa, @size: of pages that the VM's stage 2 has
 *
 * vm->lock held. The host can unmap them as other devices, but not map them.
 *
 * Return: 0; -EINVAL stage 2 has larger pages; -E2BIG; -EEXIST something else is mapped there;
 * -ENOMEM the pool has too few pages, nothing was mapped.
 */
int __must_check vm_map_own_device(struct vm *vm, struct ipa ipa, struct pa pa, u64 size);

/**
 * vm_memory_answers() - whether EL2 can read memory at which a guest has met an external abort
 * @vcpu: whose stage 2 is used
 * @ipa:  within its memory
 * @pa:   out, with false: its physical address
 *
 * Reads the cache line that contains @ipa. Takes the lock of stage 2.
 *
 * Return: false if memory is mapped there and the read faults. True otherwise, also for a device,
 * which is not read, and if nothing is mapped there any more.
 */
bool vm_memory_answers(struct vcpu *vcpu, struct ipa ipa, struct pa *pa);

/*
 * In a debug build: check a part of the VM's stage 2, continuing where the last call ended. Pages
 * that are neither shared nor donated, or tables that are not sane, are a panic. Takes vm->lock.
 */
void vm_mem_check(struct vm *vm);

/* ---- vCPUs ---- */

/**
 * vcpu_create() - a vCPU in donated memory
 * @index: 0..VM_VCPUS_MAX - 1
 * @pa:	   donated pages; those beyond vm_sizes.vcpu_pages go to vm->pool
 * @run:   address of the run page, which is shared with Keel until the VM ends
 *
 * Return: 0; -EINVAL index or pages; -EEXIST there is one, or the run page is one already; -EBUSY
 * the VM's vGIC is complete; -ENOMEM also when the record of the donation needs vm_topup(); errors
 * as donation_take() for the pages, -ERANGE and -EPERM for the run page, too.
 */
int __must_check vcpu_create(struct vm *vm, u64 index, struct pa pa, u64 pages, struct pa run);

/**
 * vcpu_init() - choose the vCPU's features, in the first call, and reset it
 * @vcpu:     owned by this CPU
 * @features: BIT(enum vcpu_feature). VCPU_POWER_OFF chooses the state and is no feature
 *
 * Return: 0; -EINVAL for features that do not exist, contradict, or differ from the first call's;
 * -ENOMEM: with VCPU_HAS_EL2, the call is to be repeated after vm_topup().
 */
int __must_check vcpu_init(struct vcpu *vcpu, u64 features);

/**
 * vcpu_set_state() - KEEL_HC_VCPU_STATE
 *
 * Return: KEEL_STATE_*, the state before; -EINVAL for another @state; -EBUSY for a change while a
 * CPU owns the vCPU.
 */
int __must_check vcpu_set_state(struct vcpu *vcpu, u64 state);

/**
 * vcpu_set_steal_time() - set where the host keeps a vCPU's stolen time
 * @vcpu: owned by this CPU
 * @ipa:  a multiple of 64
 *
 * Return: 0; -EINVAL; -E2BIG past the IPA size; -EEXIST if it was set before.
 */
int __must_check vcpu_set_steal_time(struct vcpu *vcpu, u64 ipa);

/**
 * vm_flush_caches() - clean and invalidate data caches for all of the VM's memory
 * @at: IPA to start at, 0 at first; out: where to continue
 *
 * Not called with FEAT_S2FWB. Takes vm->lock. Each call does a bounded part.
 *
 * Return: 0 at the end; -EAGAIN.
 */
int __must_check vm_flush_caches(struct vm *vm, u64 *at);

/* ---- inside vm/ ---- */

/*
 * One step of a VM's end: false if nothing is mapped any more; true to be repeated, in any case if
 * it has done something and an interrupt of the host waits.
 */
bool vm_unmap_all(struct vm *vm);
/* Of a VM that ends: whether vm_unmap_all() has something left. */
bool vm_has_memory(const struct vm *vm);

/* Likewise: give the run pages back. */
bool vcpu_release_all(struct vm *vm);

/* A VM as a party of transitions; ctx is &vm->s2. */
extern const struct ownership_party_ops vm_party_ops;

/* Whether the linear window can map [pa, pa + size), and a stage 2 can have tables there. */
bool vm_in_linear_window(struct pa pa, u64 size);

static inline void *vm_pa_to_va(struct pa pa)
{
	return el2_pa_to_va(el2_map_layout(), pa);
}

static inline struct pa vm_va_to_pa(const void *va)
{
	return el2_va_to_pa(el2_map_layout(), va);
}

/* Pages that vcpu_create() needs. */
u64 vcpu_pages(void);

/* Features that vcpu_init() accepts, without VCPU_POWER_OFF. */
u64 vcpu_features_known(void);

/* ---- information about VMs ---- */

struct vm_info {
	struct stage2_geometry geometry;
	u64 table_bytes;   /* of stage 2, including the root */
	u64 donated_bytes; /* all that the host has donated for this VM */
	u64 free_bytes;	   /* the part that is not used yet */
	unsigned int vcpus;
};

/* vm_info() - the VM's sizes now. Takes vm->lock. */
void vm_info(struct vm *vm, struct vm_info *info);

/* An extent of guest memory that is mapped by leaves of one size, with equal permissions. */
struct vm_extent {
	struct ipa ipa;
	u64 size;  /* bytes */
	u64 block; /* bytes of a leaf; of each leaf in a contiguous group */
	u64 flags; /* KEEL_MAP_* */
};

/**
 * vm_walk() - find the next mapped extent
 * @ipa:     where to start; a multiple of the VM's granule
 * @extent:  out: the first extent that ends above @ipa; may be cut short by the bound on steps
 *
 * Return: 0, with a size of 0 if nothing is mapped from @ipa on; -EAGAIN: nothing is mapped up to
 * extent->ipa, continue from there; -EINVAL; -E2BIG past the IPA size.
 */
int __must_check vm_walk(struct vm *vm, struct ipa ipa, struct vm_extent *extent);

#endif
