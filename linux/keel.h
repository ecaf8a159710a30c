/* SPDX-License-Identifier: GPL-2.0 */
/*
 * keel.ko's types, and the functions that its files offer each other. docs/module.md has the
 * details.
 *
 * Lock order: vcpu->mutex, vm->stop_lock, vm->lock, vm->slots_lock, vm->writing, then the locks of
 * the kernel's memory management, vm->mem_lock, vm->watch.lock. vm->donate_lock comes after the first
 * four; the mutex of a VM's ITSs (its.c) after vcpu->mutex and vm->lock, and its spinlock innermost;
 * gmem.c has the place of its own. With none of these:
 * vm->irqfds_mutex, an eventfd's wait-queue lock, vm->irqfds_lock. vm->slots, vm->ioeventfds,
 * vm->resamplers and vm->routes are read under RCU.
 */
#ifndef KEEL_H
#define KEEL_H

#include <linux/kref.h>
#include <linux/kvm.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/rcuwait.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/xarray.h>

#include <keel/hypercall.h>

#include "compat.h"

#include "inject.h"

#define KEEL_VCPUS	  KEEL_VCPUS_MAX
#define KEEL_SLOTS	  32764 /* as KVM has */
#define KEEL_SGIS	  16
#define KEEL_PRIVATE_IRQS 32
#define KEEL_IRQS_MAX	  1024
#define KEEL_GSIS	  4096
#define KEEL_PIN_SIZES	  4

/* Kernels that clear local variables do not clear these, which are filled before they are read. */
#define KEEL_NOT_CLEARED __attribute__((uninitialized))

/* ---- vm.c ---- */

/* A KVM memory slot: guest pages [gfn, gfn + npages) are the process's memory from @hva on. */
struct keel_slot {
	u32 id;
	u32 flags; /* KVM_MEM_* */
	u64 gfn;
	u64 npages;
	unsigned long hva;
	struct keel_gmem_slot *file; /* NULL unless it has KVM_MEM_GUEST_MEMFD */
	struct keel_dirty *dirty;    /* NULL unless it is logged (KVM_MEM_LOG_DIRTY_PAGES) */
};

/*
 * All slots of a VM. Constant but for @last and @is_leaving once vm->slots points to it, and then
 * replaced as a whole. Slots that stay are the same ones in the next.
 */
struct keel_slots {
	struct rcu_head rcu;
	unsigned int count;
	unsigned int last; /* where the last one was found; atomic, and a hint */
	/* slot_steps.h: no fault finds @leaving any more, but the guest has its memory still */
	bool is_leaving;
	struct keel_slot leaving;
	/* slot_table.h: by hva; and where the last ends of those up to each */
	struct keel_slot **by_host;
	unsigned long *reach;
	struct keel_slot *slot[]; /* by gfn */
};

#define KEEL_NO_ADDRESS (~0ULL)

/* Redistributors, one after the other: as many as @count says, or all if it is 0. */
struct keel_redists {
	u64 base;
	u32 count;
};

/*
 * KVM_DEV_TYPE_ARM_VGIC_V3 or _V2: the settings of userspace. Under vm->lock. The flags are set once, with
 * release, when what they tell is true: keel_vgic_created() and the others need no lock.
 */
struct keel_vgic {
	bool created;
	bool v2;	  /* it is a GICv2; set before created */
	bool initialized; /* KVM_DEV_ARM_VGIC_CTRL_INIT: EL2 has the GIC, nr_irqs is final */
	bool made;	  /* EL2 has it, but perhaps not all of what belongs to the init */
	bool dist_told;	  /* EL2 has the distributor's address */
	bool cpu_told;	  /* and that of a GICv2's CPU interface */
	u8 revision;	  /* GICD_IIDR.Revision, if userspace chose it before the init; or 0 */
	u32 nr_irqs;	  /* 0 until set */
	u32 maint_irq;	  /* KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ: a PPI; 0 until set, or initialized */
	u64 dist;
	u64 cpu; /* a GICv2's CPU interface */
	struct keel_redists redists[KEEL_REDIST_REGIONS];
	unsigned int nr_redists;
	unsigned int told; /* of them EL2 has so many */
};

/* gmem.c: a slot's pages of a file. It may outlive the slot. */
struct keel_gmem_slot {
	struct keel_gmem *gmem;
	struct list_head in_file;
	struct keel_vm *vm;
	u64 gfn, pgoff, npages;
	refcount_t users; /* the slot, and faults on it */
	struct rcu_head rcu;
};

struct keel_leaf;

/* watch.c: the notifier for changes of the process's memory. */
struct keel_watch {
	struct mmu_notifier notifier;
	bool begun; /* it is registered */
	spinlock_t lock;
	unsigned long sequence; /* how many invalidations of guest memory have ended; under lock */
	unsigned int active;	/* how many are under way, of any memory; under lock */
	unsigned long start, end; /* all of these are between; under lock */
	wait_queue_head_t calm;	  /* for faults that wait for the end of one */
};

/*
 * dirty.c: a bit for each page of a slot that was written, in KVM's layout. Bits are changed by
 * atomic operations; without one the guest cannot write there, under vm->mem_lock. Readers have
 * vm->mem_lock, or slots_lock, or are in RCU's critical section that they found the slot in.
 */
struct keel_dirty {
	struct rcu_head rcu;
	bool has_bits; /* false: what is written is in the vCPUs' rings alone */
	unsigned long bits[];
};

/*
 * ring.c: pages that a vCPU has written, for userspace. Indices count on without end. @dirty is
 * written by who holds vcpu->mutex, @reset under slots_lock.
 */
struct keel_ring {
	struct kvm_dirty_gfn *entry; /* NULL without a ring. Userspace maps it */
	u32 entries;		     /* a power of 2 */
	u32 dirty;		     /* the next to be filled; release */
	u32 reset;		     /* the next to be freed; release */
};

/* Whether the guest may not see yet what was written to its memory: keel_sync(). */
enum keel_stale {
	KEEL_FRESH,
	KEEL_SYNCING, /* from keel_vm.sync_ipa on */
	KEEL_STALE,
};

/* pins.c: the record of a VM's mappings. Under vm->mem_lock, or without it at the end of the VM. */
struct keel_pins {
	struct xarray by_size[KEEL_PIN_SIZES];
	unsigned int sizes;	/* a bit for each size that may have entries */
	struct keel_leaf *leaf; /* the leaf of pages that was used last, or NULL */
	unsigned long leaf_at;
};

/*
 * A VM. There is a reference for its file, and for each vCPU's and each device's file. When the
 * last is dropped EL2 destroys the VM.
 */
struct keel_vm {
	struct kref kref;
	struct mm_struct *mm; /* with a reference (mmgrab()); no other process may use the VM */
	u64 handle;	      /* its name at EL2 */
	u32 ipa_bits;
	unsigned int page_order; /* log2 of the kernel's pages in a page of stage 2 */
	u32 vcpu_pages;		 /* pages that KEEL_HC_VCPU_CREATE takes */
	struct dentry *info;
	pid_t owner; /* the process that created it */
	char owner_name[TASK_COMM_LEN];

	struct mutex lock; /* creation of vCPUs, devices */
	unsigned int nr_vcpus;
	struct keel_vcpu *vcpus[KEEL_VCPUS]; /* by id; set once, with release */
	bool has_run;			     /* a vCPU was entered: no more devices can be added */
	struct keel_vgic vgic;
	struct keel_itss *itss;		  /* its.c; NULL without an ITS. Set once, with release */
	struct keel_routes __rcu *routes; /* route.c; NULL before KVM_SET_GSI_ROUTING */

	struct mutex slots_lock; /* changing slots */
	/*
	 * For reading while the module writes to guest memory: from the look for the slot until the
	 * page is marked. Who has replaced the slots takes it for writing, to wait for them.
	 */
	struct rw_semaphore writing;
	/*
	 * keel_populate() was called: slots that are added are populated; the others are, below
	 * this gfn
	 */
	bool populate;
	u64 populated;
	struct keel_slots __rcu *slots; /* replaced under both locks */
	struct xarray slot_ids;		/* the same by number; under slots_lock */
	unsigned long slots_generation;

	/*
	 * Guards the record, and what EL2 has mapped. Taken by the kernel's memory management, so the
	 * holder allocates with GFP_NOWAIT at most, locks no folio, and takes no other lock.
	 */
	struct mutex mem_lock;
	struct keel_watch watch;
	struct keel_pins pins; /* fault.c: memory that is mapped */
	atomic_t pinning;      /* faults between keel_pin_begin() and keel_pin_end() */
	union {
		struct {
			bool locked; /* what faults map from now on stays pinned; set under it, for good */
			bool mte; /* KVM_CAP_ARM_MTE is enabled; set under lock, before any vCPU */
		};
		u16 special; /* whether faults have more to do for any of these, by one look */
	};
	atomic_long_t unpinned; /* fault.c: pages that were unpinned and still count as locked */
	bool sea_to_user;	/* KVM_CAP_ARM_SEA_TO_USER is enabled */
	u64 log_manual;		/* KVM_DIRTY_LOG_*; written under slots_lock */
	u32 ring_bytes;		/* of each vCPU's ring, 0 without; set once, under lock */
	u64 split_chunk;	/* bytes; 0: blocks are split by faults; written under slots_lock */
	bool ring_bitmap;	/* slots have a bitmap nevertheless; under slots_lock */
	bool dead;		/* it has ended: it never runs again */
	bool stuck;		/* EL2 has refused to unmap its memory; under mem_lock */

	int stale;    /* enum keel_stale */
	u64 sync_ipa; /* under vm->lock */

	struct mutex stop_lock; /* writing vcpu->stop of any vCPU */

	struct mutex donate_lock;
	struct list_head donated; /* struct page.lru; order in page_private() */

	struct list_head all; /* life.c */
	bool ended;	      /* EL2 may have begun to destroy it: set once */
	bool gone;	      /* destroyed at EL2; under mem_lock */

	struct mutex irqfds_mutex; /* one irqfd at a time is made or removed */
	spinlock_t irqfds_lock;
	struct list_head irqfds;
	struct list_head resamplers; /* of these; written under irqfds_lock, read under RCU */
	struct list_head ioeventfds; /* written under vm->lock */
};

int keel_vm_create(unsigned long type);
/* The VM never runs again: when this returns no CPU is in its guest. */
void keel_vm_kill(struct keel_vm *vm);
/* When this returns the CPU, or every CPU, has left the guest that it was in. */
void keel_guest_out(int cpu);
void keel_guests_out(void);
/* Before a vCPU runs: let the guest see what was written to its memory. -EINTR. */
int keel_sync(struct keel_vm *vm);
struct keel_vm *keel_vm_alloc(u32 ipa_bits);
void keel_vm_get(struct keel_vm *vm);
void keel_vm_put(struct keel_vm *vm);

/*
 * Destroy a VM at EL2 while it has users, and free what was donated for it: KVM_RUN gives -EIO from
 * now on, and every call that needs EL2 fails. The caller has a reference. May sleep.
 */
void keel_vm_end(struct keel_vm *vm);
/* The same when its process ends: it has no thread any more. */
void keel_vm_leave(struct keel_vm *vm);
/*
 * Under mem_lock: a step of the VM's end at EL2, when no CPU is in its guest. -EAGAIN: not the last
 * one; 0: the VM is gone, also if it was before. -EBUSY during another call on the VM.
 */
long keel_end_step(struct keel_vm *vm);

/* ---- life.c ---- */

int keel_life_init(void);
void keel_life_exit(void);
/*
 * Around the creation of a VM. Return: 0; -EBUSY while the host hibernates; -ENODEV if there was no
 * usable Keel when it returned from hibernation; -EIO once it restarts.
 */
int keel_life_begin(void);
void keel_life_end(void);
/* From KEEL_HC_VM_CREATE to KEEL_HC_VM_DESTROY. */
void keel_life_add(struct keel_vm *vm);
void keel_life_remove(struct keel_vm *vm);
/* Iterate over all VMs with users, from NULL to NULL. Each is referenced until the next call. */
struct keel_vm *keel_life_next(struct keel_vm *vm);
/* Whether a VM whose last user is gone still has memory. */
bool keel_life_releasing(void);

/* ---- vcpu.c, regs.c, run.c ---- */

enum keel_vcpu_mode { KEEL_OUTSIDE_GUEST, KEEL_IN_GUEST };

/* A vCPU. It lives as long as its VM. The holder of @mutex may run it or access its registers. */
struct keel_vcpu {
	struct keel_vm *vm;
	u32 index;
	u32 number; /* how many vCPUs the VM had before this one */
	struct mutex mutex;
	struct kvm_run *run;  /* userspace maps this page: read each field once */
	struct keel_run *hyp; /* the run page, shared with EL2; only the kernel maps it otherwise */
	u64 features;	      /* of KVM_ARM_VCPU_INIT, as KEEL_HC_VCPU_INIT takes them */
	bool initialized;
	bool ready; /* nothing is missing for KVM_RUN since the last KVM_ARM_VCPU_INIT */
	bool sve_finalized;
	bool has_sigmask; /* KVM_SET_SIGNAL_MASK: signals that are blocked in KVM_RUN */
	sigset_t sigmask;
	bool spe_ready;	   /* KVM_ARM_VCPU_SPE_INIT was done */
	bool spe_live;	   /* EL2 was told */
	u32 spe_stop;	   /* the last KVM_ARM_VCPU_SPE_STOP, 0 before it */
	u32 spe_irq;	   /* KVM_ARM_VCPU_SPE_IRQ, 0 until set; under vm->lock */
	bool mmio_read;	   /* userspace has yet to supply the data of a read */
	bool mmio_pending; /* EL2 has yet to complete an access or a call that the host did */
	bool has_run;	   /* since it was created */
	bool has_fd;	   /* under vm->lock */
	bool ran_since;	   /* since KVM_ARM_VCPU_INIT; atomic */
	struct keel_ring ring;
	struct its_redist *redist; /* its.c; NULL without an ITS. Set once, with release */
	u64 steal_ipa;		   /* its address, or KEEL_NO_ADDRESS */
	u64 steal_seen;		   /* the time that the thread had waited at the last update */

	struct task_struct __rcu *task; /* in KVM_RUN */
	struct rcuwait wait;
	int mode;      /* enum keel_vcpu_mode */
	atomic_t wake; /* there was an event since the last entry */
	bool stop;     /* the machine was powered off or reset: turn off before anything else */
};

int keel_vcpu_create(struct keel_vm *vm, unsigned long id);
struct keel_vcpu *keel_vcpu_alloc(struct keel_vm *vm, u32 index);
struct keel_vcpu *keel_vcpu_find(struct keel_vm *vm, u32 index);
void keel_vcpu_free(struct keel_vcpu *vcpu);
int keel_vcpu_init(struct keel_vcpu *vcpu, u64 features);
void keel_vcpu_kick(struct keel_vcpu *vcpu);
/* Turn the vCPU off if vcpu->stop is set. Under vcpu->mutex. */
void keel_vcpu_apply_stop(struct keel_vcpu *vcpu);

int keel_vcpu_one_reg(struct keel_vcpu *vcpu, void __user *argp, bool set);
/* A register of an EL2's CPU interface, under vcpu->mutex. -ENXIO: there is no such one. */
int keel_vcpu_gic_reg(struct keel_vcpu *vcpu, u32 encoding, u64 *value, bool set);
int keel_vcpu_reg_list(struct keel_vcpu *vcpu, void __user *argp);
int keel_vcpu_run(struct keel_vcpu *vcpu);

/* Result of an exit: run again, KVM_RUN does not return. */
#define KEEL_RUN_AGAIN 1

/* ---- error.c ---- */

/*
 * How many callers give up memory at the moment, while no VM may pin any. A fault increments
 * vm->pinning and then reads this; the caller increments this and then reads vm->pinning. With a
 * full barrier on each side, either the fault sees that it must wait, or the caller waits for it.
 */
extern atomic_t keel_giving_up;

/* Return: whether current may look pages up, or pin them, until keel_pin_end(). Otherwise keel_wait_given_up(). */
static __always_inline bool keel_pin_begin(struct keel_vm *vm)
{
	(void)atomic_inc_return(&vm->pinning); /* a full barrier */
	if (likely(!atomic_read(&keel_giving_up)))
		return true;
	atomic_dec(&vm->pinning);
	return false;
}

/* What the fault has found is in vm->pins now, or it no longer refers to it. */
static __always_inline void keel_pin_end(struct keel_vm *vm)
{
	(void)atomic_fetch_dec_release(&vm->pinning);
}

int keel_wait_until_given_up(void);

/* -EINTR: a signal came first. */
static inline int keel_wait_given_up(void)
{
	return likely(!atomic_read(&keel_giving_up)) ? 0 : keel_wait_until_given_up();
}

/* KEEL_EXIT_ABORT. KEEL_RUN_AGAIN, or what KVM_RUN returns. */
int keel_exit_abort(struct keel_vcpu *vcpu);
int keel_vcpu_get_events(struct keel_vcpu *vcpu, void __user *argp);
int keel_vcpu_set_events(struct keel_vcpu *vcpu, void __user *argp);

/* ---- spe.c: KVM_ARM_VCPU_SPE_CTRL ---- */

/* Whether everything is set that KVM_RUN needs. */
bool keel_spe_ready(const struct keel_vcpu *vcpu);
/* Before each run, once EL2 has the GIC: tell EL2 what userspace has set. */
int keel_spe_first_run(struct keel_vcpu *vcpu);
int keel_spe_has_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr);
int keel_spe_get_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr);
int keel_spe_set_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr);

/* ---- pvtime.c: stolen time ---- */

bool keel_pvtime_supported(void);
void keel_pvtime_begin(struct keel_vcpu *vcpu);
void keel_pvtime_update(struct keel_vcpu *vcpu);
int keel_pvtime_has_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr);
int keel_pvtime_get_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr);
int keel_pvtime_set_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr);

/* ---- timer.c ---- */

/* The private interrupts of the virtual and the physical timer, which EL2 drives. */
#define KEEL_PPI_VTIMER 27
#define KEEL_PPI_PTIMER 30

int keel_timer_has_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr);
int keel_timer_get_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr);
int keel_timer_set_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr);

/* ---- slots.c, fault.c: guest memory ---- */

int keel_set_memory_region(struct keel_vm *vm, const struct kvm_userspace_memory_region2 *region);
bool keel_slot_find(struct keel_vm *vm, u64 gfn, struct keel_slot *out, unsigned long *generation);
/* The same if it is a slot of a file, with a reference to slot->file for keel_gmem_drop(). */
bool keel_slot_hold(struct keel_vm *vm, u64 gfn, struct keel_slot *out, unsigned long *generation);
/*
 * The first part of the guest's addresses, from *@gfn on, whose memory is the process's from @start up
 * to @end: *@npages pages from *@gfn on. Under mem_lock, or RCU.
 */
bool keel_slots_part(struct keel_vm *vm, unsigned long start, unsigned long end, u64 *gfn,
		     u64 *npages);
/* The slot of a table that has @gfn, or NULL. */
const struct keel_slot *keel_slot_of(struct keel_slots *slots, u64 gfn);
/* Under slots_lock. */
bool keel_has_slots(const struct keel_vm *vm);
/* A copy of the slot of number @id, valid under slots_lock. */
bool keel_slot_by_id(struct keel_vm *vm, u32 id, struct keel_slot *out);
/* A new VM has none. Return: 0 or -ENOMEM. */
int keel_slots_init(struct keel_vm *vm);
/* Slots of files end, once EL2 has destroyed the VM. If it cannot, all memory is taken. */
void keel_slots_release(struct keel_vm *vm);
void keel_slots_free(struct keel_vm *vm);

/*
 * Pin and map all memory of the writable slots, and from now on that of slots that are added.
 * -EINTR, -ENOMEM, -EFAULT, -EHWPOISON: it can be called again.
 */
int keel_populate(struct keel_vm *vm);

/*
 * Map what a guest access to @ipa needs, of @vcpu, whose mutex is held, or of none (NULL). -ENOENT:
 * there is no slot, or it is read-only. -EAGAIN: the memory is to be pinned, and the kernel cannot do
 * that now. -EHWPOISON: it is broken, and a SIGBUS that says so was sent to current, which may block
 * it. -ENOEXEC: a fetch from a device. -EINTR, -ENOMEM, -EFAULT, -EIO.
 */
int keel_fault(struct keel_vm *vm, struct keel_vcpu *vcpu, u64 ipa, bool write);
/*
 * Map the memory at *@gfn if it is pinned, and set *@gfn to the end of that mapping; or it has no pages
 * (frames.c), and is mapped. -ENOENT, with *@gfn unchanged, otherwise; then it is not mapped, either.
 */
int keel_map_pinned(struct keel_vm *vm, u64 *gfn);
/*
 * Unmap gfns @first to @last from the guest, TLBs included, and forget them; mappings that are partly
 * in the range, as a whole. This cannot fail: a VM whose memory cannot be unmapped never runs again. Under
 * mem_lock.
 */
void keel_take(struct keel_vm *vm, u64 first, u64 last);
/*
 * Whether the guest has accessed some of these pages. @how: KEEL_YOUNG_*. What is pinned counts as
 * accessed. Any context, without locks.
 */
bool keel_is_young(struct keel_vm *vm, u64 gfn, u64 npages, u64 how);
/* Frames @first to @last of the host's memory. */
struct keel_frames {
	unsigned long first, last;
};

/*
 * Whether @pfn is mapped at @gfn; then *@frames is the compound page that contains it, or @pfn
 * alone. Takes mem_lock.
 */
bool keel_find_frames(struct keel_vm *vm, u64 gfn, unsigned long pfn, struct keel_frames *frames);
/*
 * Unmap whatever of @frames the guest has, at all guest addresses. May
 * sleep; takes mem_lock many times, each for a bounded time.
 */
void keel_take_frames(struct keel_vm *vm, const struct keel_frames *frames);
/* In test builds: the frame that is mapped at @gfn, or 0. */
unsigned long keel_mapped_pfn(struct keel_vm *vm, u64 gfn);
/* The most gfns for one keel_take(), which bounds how long mem_lock is held. */
#define KEEL_TAKE_PAGES ((u64)SZ_8M >> PAGE_SHIFT)
/* The same for any number of pages. Takes mem_lock many times, each for a bounded time. */
void keel_take_all(struct keel_vm *vm, u64 gfn, u64 npages);
/* Empty the record, and unpin what is pinned, after EL2 has destroyed the VM. */
void keel_forget_all(struct keel_vm *vm);

/*
 * Under mem_lock: gfns @first to @last cannot be written any more, TLBs included. The pages of
 * blocks that reach beyond neither. -EIO: the VM has ended.
 */
int keel_write_protect(struct keel_vm *vm, u64 first, u64 last);
/*
 * Let pages take the place of blocks in these pages, if vm->split_chunk says so; as much as that at a
 * time, but 2 MiB at least and 8 at most: each takes mem_lock for itself. What there is no memory for is
 * left to faults. Under slots_lock.
 */
void keel_split_blocks(struct keel_vm *vm, u64 gfn, u64 npages);
/* Let the guest write again where it may, in blocks where these were, after a slot was logged. */
void keel_write_restore(struct keel_vm *vm, u64 gfn, u64 npages);
/*
 * A CPU's profiling unit may write to a page that was unmapped, or write-protected, until it is
 * drained: when this returns it is.
 */
void keel_drain_profiling(struct keel_vm *vm);

/* ---- mte.c: memory tags ---- */

struct kvm_arm_copy_mte_tags;

/* KVM_ENABLE_CAP. -EINVAL: there are no tags, or there are vCPUs. */
int keel_mte_enable(struct keel_vm *vm);
/* Whether all that the process has mapped from @hva up to @end may have tags. Takes mmap_lock. */
bool keel_mte_allows(struct mm_struct *mm, unsigned long hva, unsigned long end);
/* Let pages have tags: those that have none yet get zero. May sleep. -EFAULT: it cannot be. */
int keel_mte_clear(struct page *page, unsigned long count);
/* KVM_ARM_MTE_COPY_TAGS. */
long keel_mte_copy(struct keel_vm *vm, const struct kvm_arm_copy_mte_tags *copy);
/* Whether any slot is logged. Under slots_lock. */
bool keel_any_logged(const struct keel_vm *vm);

/* ---- frames.c: memory that drivers have mapped for the process, without pages ---- */

/* Orders that a mapping can have, largest first. */
struct keel_orders {
	unsigned int count;
	unsigned int order[KEEL_PIN_SIZES];
};

/* 2^order frames from @pfn on, at @gfn. */
struct keel_frame {
	u64 gfn;
	unsigned long pfn;
	unsigned int order;
	bool writable;
	u64 flags; /* KEEL_MAP_EXEC, or KEEL_MAP_DEVICE and _NC: its type */
};

/*
 * What the process has around @gfn of a mapping without pages, by its page tables: to be mapped only
 * if the slot's sequence, read before, has not changed. -EFAULT: it has no such mapping, or a guest
 * cannot have it. -EAGAIN: call again; -EINTR.
 */
int keel_frame_find(const struct keel_slot *slot, u64 gfn, bool write,
		    const struct keel_orders *orders, struct keel_frame *found);
/* Whether there is any such mapping in these pages of the process: of VM_PFNMAP. */
bool keel_has_frames(unsigned long hva, u64 npages);

/* ---- dirty.c ---- */

/* NULL: no memory. Under slots_lock. Freed by kvfree_rcu(). */
struct keel_dirty *keel_dirty_alloc(const struct keel_vm *vm, u64 npages);
/* Pages of a logged slot are written, or may be: in the bitmap, if it has one. */
void keel_dirty_mark(const struct keel_slot *slot, u64 gfn, u64 npages);
/*
 * The module writes to guest memory, at @ipa in one page: the process's address, until
 * keel_write_end() with the same *@slot, and with @vcpu in that one's thread, else NULL. Return NULL:
 * there is none that can be written, and no end. The write may sleep and take mmap_lock. slots.c.
 */
void __user *keel_write_begin(struct keel_vm *vm, u64 ipa, struct keel_slot *slot);
void keel_write_end(struct keel_vm *vm, struct keel_vcpu *vcpu, u64 ipa,
		    const struct keel_slot *slot);
/* A guest can write to pages of one slot: after that, with any locks. */
void keel_mark_written(struct keel_vm *vm, u64 gfn, u64 npages);
/* The slot is logged since now, and can be found. Under slots_lock. -EIO. */
int keel_log_begin(struct keel_vm *vm, const struct keel_slot *slot);
int keel_get_dirty_log(struct keel_vm *vm, void __user *argp);
int keel_clear_dirty_log(struct keel_vm *vm, void __user *argp);
/* KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. -EINVAL. */
int keel_dirty_set_manual(struct keel_vm *vm, u64 how);
/* KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE. -EINVAL: no such block, or there is a slot. */
int keel_dirty_set_split(struct keel_vm *vm, u64 bytes);

/* ---- ring.c: the dirty ring ---- */

/* Where a vCPU's ring begins in what is mapped of its file, in pages: KVM_DIRTY_LOG_PAGE_OFFSET. */
#define KEEL_RING_PAGE 64

/* What KVM_CAP_DIRTY_LOG_RING_ACQ_REL reads. */
int keel_ring_bytes_max(void);
/* KVM_CAP_DIRTY_LOG_RING_ACQ_REL, KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP. -EINVAL, -E2BIG. */
int keel_ring_enable(struct keel_vm *vm, u64 bytes);
int keel_ring_enable_bitmap(struct keel_vm *vm);
/* Whether logged slots have bitmaps. Under slots_lock. */
bool keel_logs_bits(const struct keel_vm *vm);
/* -ENOMEM. No ring if the VM has none. Freed with the vCPU. */
int keel_ring_alloc(struct keel_vcpu *vcpu);
void keel_ring_free(struct keel_vcpu *vcpu);
/* NULL: there is none. */
struct page *keel_ring_page(const struct keel_vcpu *vcpu, unsigned long pgoff);
/* A ring is mapped shared, and not to be executed. */
bool keel_ring_may_map(const struct keel_vcpu *vcpu, struct vm_area_struct *vma);
/* In the vCPU's thread: pages of a logged slot were written. It has a ring, which is not full. */
void keel_ring_push(struct keel_vcpu *vcpu, const struct keel_slot *slot, u64 gfn, u64 npages);
/* No room for what a run may write. */
bool keel_ring_is_full(const struct keel_ring *ring);
/* KVM_RESET_DIRTY_RINGS. Return: how many entries were freed; -EINVAL, -EINTR, -EIO. */
int keel_reset_rings(struct keel_vm *vm);

/* ---- gmem.c: KVM_CREATE_GUEST_MEMFD ---- */

/* GUEST_MEMFD_FLAG_* that a file can have; 0: there are no such files. */
int keel_gmem_flags(void);
/* Return: a file descriptor; -EINVAL, -EMFILE, -ENFILE, -ENOMEM. */
int keel_gmem_create(struct keel_vm *vm, const struct kvm_create_guest_memfd *args);
/*
 * For a slot of the file @fd from @offset on, until keel_gmem_unbind(). ERR_PTR: -EBADF, -EINVAL,
 * -ENOMEM. Under slots_lock.
 */
struct keel_gmem_slot *keel_gmem_bind(struct keel_vm *vm, const struct keel_slot *slot, int fd,
				      u64 offset);
void keel_gmem_unbind(struct keel_gmem_slot *file);
/* The end of a reference. */
void keel_gmem_drop(struct keel_gmem_slot *file);

struct keel_gmem_page {
	struct page *page;
	unsigned long sequence; /* of the VM's watch, read before */
};

/*
 * The page for @gfn of a slot, which stays the file's until keel_gmem_end(); allocated if it is not there.
 * -EFAULT: the file is closed; -EHWPOISON, -ENOMEM, -EINTR. Without mem_lock.
 */
int keel_gmem_begin(struct keel_gmem_slot *file, u64 gfn, struct keel_gmem_page *page);
void keel_gmem_end(struct keel_gmem_slot *file, const struct keel_gmem_page *page);

/* ---- watch.c ---- */

void keel_watch_init(struct keel_watch *watch);
/* Before the VM has slots. -ENOMEM, -EINTR. */
int keel_watch_begin(struct keel_vm *vm);
/* When this returns the kernel does not call the watch any more. */
void keel_watch_end(struct keel_vm *vm);
/* What the process does not have at any address goes: faults that have found it start over. */
void keel_watch_change(struct keel_watch *watch);
#include "watch_steps.h"

/* ---- pins.c ---- */

/*
 * @size: 0 for the largest mappings, KEEL_PIN_SIZES - 1 for pages; @index: the number among those
 * of that size. All under vm->mem_lock, or without it at the end of the VM; reading changes the
 * cached leaf as well.
 */
void keel_pins_init(struct keel_pins *pins);
/* Entries that are left are dropped. */
void keel_pins_destroy(struct keel_pins *pins);
/*
 * @entry is made by xa_mk_value(). -EBUSY: there is one. -ENOSPC: call keel_pins_reserve() and
 * repeat.
 */
int keel_pins_insert(struct keel_pins *pins, unsigned int size, unsigned long index, void *entry);
/*
 * Allocate memory for an entry there, for the next insertion, unless it is trimmed before. -ENOMEM.
 * Takes @lock, which is vm->mem_lock, and sleeps without it.
 */
int keel_pins_reserve(struct keel_pins *pins, struct mutex *lock, unsigned int size,
		      unsigned long index);
/* NULL: there is none. */
void *keel_pins_load(struct keel_pins *pins, unsigned int size, unsigned long index);
void keel_pins_erase(struct keel_pins *pins, unsigned int size, unsigned long index);
/* The first entry from *@index up to @last; *@index is set to its index. NULL if there is none. */
void *keel_pins_next(struct keel_pins *pins, unsigned int size, unsigned long *index,
		     unsigned long last);
/* Drop the entries from page @first up to @last, and free leaves that have none then. */
void keel_pins_clear(struct keel_pins *pins, unsigned long first, unsigned long last);

/* ---- vgic.c, irq.c, irqfd.c, ioeventfd.c ---- */

int keel_vgic_create(struct keel_vm *vm, struct kvm_create_device *device);
/*
 * KVM_ARM_VCPU_INIT has succeeded. The last one in a reset of the machine resets the distributor.
 */
void keel_vgic_vcpu_reset(struct keel_vcpu *vcpu);
int keel_vgic_first_run(struct keel_vm *vm);
/* Under vm->lock: KVM_DEV_ARM_VGIC_CTRL_INIT, and KVM_DEV_ARM_VGIC_GRP_NR_IRQS. */
int keel_vgic_ctrl_init(struct keel_vm *vm);
int keel_vgic_set_nr_irqs(struct keel_vm *vm, u32 value);
/* 32 bits of EL2's GIC at @offset of @space, one of KEEL_VGIC_*, while no vCPU runs. */
int keel_vgic_reg(struct keel_vcpu *vcpu, u64 space, u32 offset, u32 *value, bool set);
/* What KVM_DEV_ARM_VGIC_GRP_NR_IRQS reads as. */
u32 keel_vgic_irqs_so_far(const struct keel_vm *vm);
/* Whether the VM has the interrupts of a register of the distributor, if it is about interrupts. */
bool keel_vgic_has_irqs_of(const struct keel_vm *vm, u32 offset);
bool keel_vgic_created(struct keel_vm *vm);
bool keel_vgic_initialized(struct keel_vm *vm);

/* ---- vgic_v2.c: KVM_DEV_TYPE_ARM_VGIC_V2 ---- */

int keel_vgic_v2_create(struct keel_vm *vm, struct kvm_create_device *device);
int keel_create_irqchip(struct keel_vm *vm);
int keel_set_device_addr(struct keel_vm *vm, void __user *argp);
/* Under vm->lock, before the first run: -ENXIO, -EINVAL. */
int keel_vgic_v2_is_ready(struct keel_vm *vm);
int keel_vgic_lazy_init(struct keel_vm *vm);

/*
 * Lock the mutex of every vCPU, so that none runs and no other ioctl is about one. Under vm->lock.
 * -EBUSY: nothing is locked.
 */
int keel_vcpus_trylock(struct keel_vm *vm);
void keel_vcpus_unlock(struct keel_vm *vm);

/* KVM_SET, GET and HAS_DEVICE_ATTR of a device with a file. Under vm->lock. */
struct keel_device_ops {
	int (*set)(void *device, const struct kvm_device_attr *attr);
	int (*get)(void *device, const struct kvm_device_attr *attr);
	int (*has)(void *device, const struct kvm_device_attr *attr);
};

/* An ioctl of such a file. -EIO from another process, or when the VM has ended; -ENOTTY; -EFAULT. */
long keel_device_ioctl(struct keel_vm *vm, const struct keel_device_ops *ops, void *device,
		       unsigned int nr, unsigned long arg);

/* ---- its.c, route.c ---- */

int keel_its_create(struct keel_vm *vm, struct kvm_create_device *device);
bool keel_its_created(struct keel_vm *vm);
/* EL2 has the GIC. Under vm->lock; more than once does no harm. -ENOMEM, and EL2's errors. */
int keel_its_go_live(struct keel_vm *vm);
/* The machine is reset: LPIs are off. Under vm->lock, while no vCPU runs. */
void keel_its_machine_reset(struct keel_vm *vm);
/* After a run: EL2 may have room for LPIs of @vcpu, which has vcpu->redist. */
void keel_its_refill(struct keel_vcpu *vcpu);
/*
 * A guest's access, where it has no memory. @value: in or out. Return: whether an ITS, or a
 * redistributor's register that EL2 leaves to the host, is there. May sleep.
 */
bool keel_its_access(struct keel_vm *vm, u64 addr, u32 len, bool write, u64 *value);
/*
 * Userspace's access to 32 bits of a register of the redistributor that EL2 leaves to the host.
 * Return: whether there is one at @offset. Under vm->lock and all vcpu->mutex; @vcpu has a redist.
 */
bool keel_its_redist_reg(struct keel_vcpu *vcpu, u32 offset, u32 *value, bool set);
/* -EBUSY, -EFAULT. Under vm->lock. */
int keel_its_save_pending(struct keel_vm *vm);
/* The VM's last user is gone, and EL2 has it still. */
void keel_its_release(struct keel_vm *vm);

struct keel_msi {
	u64 address;
	u32 data, device;
	bool has_device;
};

/*
 * A device's write to an ITS. Any context. Return: 1; 0 nothing is mapped; -ENODEV the VM has no
 * ITS; -EINVAL there is none at that address, or @msi has no device; -EBUSY the ITS or LPIs are off.
 */
int keel_msi(struct keel_vm *vm, const struct keel_msi *msi);
int keel_signal_msi(struct keel_vm *vm, void __user *argp);
int keel_set_routing(struct keel_vm *vm, void __user *argp);
/* An irqfd was written to. Any context. */
void keel_raise_gsi(struct keel_vm *vm, u32 gsi);
/*
 * The same of an irqfd that raises a level: its line is high until keel_lower_gsi(), and EL2 tells
 * when the guest has ended the interrupt. An MSI has no level.
 */
void keel_hold_gsi(struct keel_vm *vm, u32 gsi);
void keel_lower_gsi(struct keel_vm *vm, u32 gsi);
/* Whether @gsi is the shared interrupt @pin. */
bool keel_gsi_is_pin(struct keel_vm *vm, u32 gsi, u32 pin);
void keel_routes_release(struct keel_vm *vm);

int keel_irq_line(struct keel_vm *vm, u32 vcpu, u32 intid, bool level);
/* Raise it, and have EL2 tell when the guest has ended it. Any context. */
void keel_irq_hold(struct keel_vm *vm, u32 intid);
/* After a run of @vcpu: lines that were held and that the guest has ended. */
void keel_irqs_ended(struct keel_vcpu *vcpu);
int keel_irq_line_ioctl(struct keel_vm *vm, const struct kvm_irq_level *irq);
int keel_irqfd(struct keel_vm *vm, const struct kvm_irqfd *args);
void keel_irqfd_release(struct keel_vm *vm);
/* The guest has ended the shared interrupt @pin. */
void keel_irqfd_ended(struct keel_vm *vm, u32 pin);
int keel_irqfd_init(void);
void keel_irqfd_exit(void);
int keel_ioeventfd(struct keel_vm *vm, const struct kvm_ioeventfd *args);
bool keel_ioeventfd_write(struct keel_vm *vm, u64 addr, u32 len, u64 value);
void keel_ioeventfd_release(struct keel_vm *vm);

/* ---- caps.c, hostirq.c, stats.c ---- */

int keel_caps_probe(void);
/* Of VMs: 2 or 3; 0 if they can have none. */
unsigned int keel_gic_version(void);
/* How many vCPUs a VM can have. */
unsigned int keel_max_vcpus(void);
/* main.c: -ENODEV unless this kernel runs below a Keel that the module can use; logs why. */
int keel_find(void);
int keel_check_extension(struct keel_vm *vm, unsigned long cap);
/* Bits of the sizes that stage 2 has leaves of: KVM_CAP_ARM_SUPPORTED_BLOCK_SIZES. */
u32 keel_block_sizes(void);
/* How EL2 provides SPE: KEEL_SPE_*, 0 if it does not. */
u32 keel_spe_how(void);

int keel_hostirq_init(void);
void keel_hostirq_exit(void);

void keel_stats_init(void);
void keel_stats_exit(void);

/* ---- vminfo.c: what keelctl reads ---- */

void keel_vminfo_add(struct keel_vm *vm);
void keel_vminfo_remove(struct keel_vm *vm);
/* @directory: keel's in debugfs */
void keel_vminfo_init(struct dentry *directory);

/* ---- donate.c: memory for EL2 ---- */

/* How many pages of EL2, of 4096 bytes, are in 2^@order pages of the kernel. */
#define KEEL_EL2_PAGE_SHIFT   12
#define KEEL_EL2_PAGES(order) (1UL << ((order) + PAGE_SHIFT - KEEL_EL2_PAGE_SHIFT))

/* Allocate at least @pages pages of EL2, adjacent and aligned to at least @align bytes. NULL. */
struct page *keel_donation_alloc(u32 pages, unsigned long align, unsigned int *order);
/* Free pages that EL2 does not have. */
void keel_donation_free(struct page *page, unsigned int order);
/* Record pages that EL2 has taken. They must not be touched until keel_donations_free(). */
void keel_donation_add(struct keel_vm *vm, struct page *page, unsigned int order);
int keel_topup(struct keel_vm *vm);
/* Donate pages to EL2's own pool, which keeps them even if this module is unloaded. */
int keel_pool_topup(void);
/* Take back what is free in it. Return: whether that was everything. May sleep. */
bool keel_pool_reclaim(void);
void keel_pool_close(void);
/* Whether the page was there at boot, so that Keel knows that it is memory. */
bool keel_boot_memory(const struct page *page);
void keel_donations_free(struct keel_vm *vm);

/* ---- hvc.c ---- */

struct keel_regs {
	unsigned long x[7];
};

/* HVC #0: x0..x6 go in and come back. Returns x0 as a number. */
long keel_hvc(struct keel_regs *regs);

/*
 * KEEL_HC_VCPU_RUN by itself, to be inlined where nothing may be traced. The loop of KVM_RUN is the
 * one place where a few instructions more or less count.
 *
 * A kernel with KASAN or KCSAN calls a function at each access to memory, which overwrites register
 * variables. So in all functions that make an HVC these are set from local variables, and copied to
 * local variables after it, before any other access.
 */
static __always_inline long keel_hvc_run(u64 handle, u32 index)
{
	register unsigned long x0 asm("x0") = KEEL_HC_VCPU_RUN;
	register unsigned long x1 asm("x1") = handle;
	register unsigned long x2 asm("x2") = index;

	asm volatile("hvc #0"
		     : "+r"(x0), "+r"(x1), "+r"(x2)
		     :
		     : "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",
		       "x15", "x16", "x17", "cc", "memory");
	return (long)x0;
}

/*
 * KEEL_HC_VM_MAP with all values in registers: each fault makes this call. *@clean: in and out, how
 * many bytes after what is mapped are clean already; *@done: how many bytes were mapped.
 */
static __always_inline long keel_hvc_map(u64 handle, u64 ipa, u64 pa, u64 size, u64 flags,
					 u64 *done, u64 *clean)
{
	unsigned long was_clean = *clean, mapped, is_clean;
	long ret;
	register unsigned long x0 asm("x0") = KEEL_HC_VM_MAP;
	register unsigned long x1 asm("x1") = handle;
	register unsigned long x2 asm("x2") = ipa;
	register unsigned long x3 asm("x3") = pa;
	register unsigned long x4 asm("x4") = size;
	register unsigned long x5 asm("x5") = flags;
	register unsigned long x6 asm("x6") = was_clean;

	asm volatile("hvc #0"
		     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5), "+r"(x6)
		     :
		     : "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17",
		       "cc", "memory");
	ret = (long)x0;
	mapped = x1;
	is_clean = x2;
	*done = mapped;
	*clean = is_clean;
	return ret;
}

/* A call with up to five arguments; *@out, if @out is not NULL, gets x1. */
long keel_call(u32 fid, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5, u64 *out);
/* The same for calls that donate or return memory. Tops up EL2's own pool. May sleep. */
long keel_giving_call(u32 fid, u64 a1, u64 a2, u64 a3, u64 *out);
/* The same with @vm's handle in x1. Tops up whatever EL2 lacks. May sleep. */
long keel_vm_call(struct keel_vm *vm, u32 fid, u64 a2, u64 a3, u64 a4, u64 a5, u64 *out);

/* The result of KEEL_HC_VM_SIZE. */
struct keel_vm_size {
	u32 vm_pages, vcpu_pages, ipa_default, ipa_max;
	unsigned int granule_shift; /* log2 of a page of stage 2 */
	unsigned int gic;	    /* 2 or 3, 0 without one for VMs */
	u64 features;		    /* features of KEEL_HC_VCPU_INIT that EL2 offers */
	u32 spe;		    /* KEEL_SPE_*, 0 without SPE */
};
int keel_vm_size(u32 ipa_bits, struct keel_vm_size *size);

#endif
