/* SPDX-License-Identifier: GPL-2.0 */
/*
 * keel.ko's own types and what its files offer each other. docs/module.md is the long version.
 *
 * Locks, in order: vcpu->mutex, vm->stop_lock, vm->lock, vm->slots_lock, then what the kernel's
 * memory management locks, vm->mem_lock. vm->donate_lock comes after the first four. By themselves:
 * vm->irqfds_mutex, an eventfd's wait-queue lock, vm->irqfds_lock. vm->slots and vm->ioeventfds are
 * read under RCU.
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
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/xarray.h>

#include <keel/hypercall.h>

#include "inject.h"

#define KEEL_VCPUS	  KEEL_VCPUS_MAX
#define KEEL_SLOTS	  512
#define KEEL_SGIS	  16
#define KEEL_PRIVATE_IRQS 32
#define KEEL_IRQS_MAX	  1024
#define KEEL_PIN_SIZES	  4

/* A kernel may clear what is on the stack: not this, which is filled before it is read. */
#define KEEL_NOT_CLEARED __attribute__((uninitialized))

/* ---- vm.c ---- */

/* One KVM memory slot: guest pages [gfn, gfn + npages) are the process's memory from @hva on. */
struct keel_slot {
	u32 id;
	u32 flags; /* KVM_MEM_* */
	u64 gfn;
	u64 npages;
	unsigned long hva;
	struct keel_watch *watch;
};

/* All slots of a VM, sorted by gfn. Never changed once vm->slots points here: replaced. */
struct keel_slots {
	struct rcu_head rcu;
	unsigned int count;
	struct keel_slot slot[];
};

#define KEEL_NO_ADDRESS (~0ULL)

/*
 * KVM_DEV_TYPE_ARM_VGIC_V3: what userspace has said so far. Under vm->lock. The flags are set once,
 * with release, when what they speak of is there: keel_vgic_created() and the others need no lock.
 */
struct keel_vgic {
	bool created;
	bool init_asked; /* KVM_DEV_ARM_VGIC_CTRL_INIT; nr_irqs is final */
	bool live;	 /* EL2 has it */
	u32 nr_irqs;	 /* 0 until set */
	u64 dist, redist;
	DECLARE_BITMAP(early_lines,
		       KEEL_IRQS_MAX); /* shared ones that are high before it is live */
	bool any_early;		       /* one was driven, of these or of a vCPU's */
};

struct keel_leaf;

/* watch.c: who hears of what becomes of a slot's memory. It may outlive the slot. */
struct keel_watch {
	struct mmu_interval_notifier notifier;
	struct keel_vm *vm; /* while the notifier is there */
	u64 gfn;	    /* the slot's first */
	refcount_t users;   /* the slot, and faults on it */
	unsigned long calm; /* a sequence at which no invalidation was under way */
	struct rcu_head rcu;
};

/* What the guest may not see yet of what was written to its memory: keel_sync(). */
enum keel_stale {
	KEEL_FRESH,
	KEEL_SYNCING, /* from keel_vm.sync_ipa on */
	KEEL_STALE,
};

/* pins.c: the record of a VM's mappings. Under vm->mem_lock, or alone with a VM that ends. */
struct keel_pins {
	struct xarray by_size[KEEL_PIN_SIZES];
	unsigned int sizes;	/* of which there may be entries, a bit each */
	struct keel_leaf *leaf; /* of pages, used last, or NULL */
	unsigned long leaf_at;
};

/*
 * A VM. One reference for its file, each vCPU's and each device's. Everything EL2 has of it goes
 * when the last is put.
 */
struct keel_vm {
	struct kref kref;
	struct mm_struct *mm; /* counted as by mmgrab(); the only one that may use the VM */
	u64 handle;	      /* what EL2 calls it */
	u32 ipa_bits;
	unsigned int page_order; /* log2 of the kernel's pages in one of stage 2, or 0 */
	u32 vcpu_pages;		 /* how many KEEL_HC_VCPU_CREATE takes */
	struct dentry *info;
	pid_t owner; /* who made it */
	char owner_name[TASK_COMM_LEN];

	struct mutex lock; /* life of vCPUs and devices */
	unsigned int nr_vcpus;
	struct keel_vcpu *vcpus[KEEL_VCPUS]; /* by id; set once, with release */
	bool has_run;			     /* a vCPU was entered: the machine's shape is fixed */
	struct keel_vgic vgic;

	struct mutex slots_lock; /* who changes slots */
	/* keel_populate(): slots that are added bring their memory;
	 * others have it below this gfn */
	bool populate;
	u64 populated;
	struct keel_slots __rcu *slots; /* replaced under both locks */
	unsigned long slots_generation;

	/*
	 * Pins, and what EL2 has mapped of them. Taken in the kernel's memory management: whoever
	 * holds it allocates with GFP_NOWAIT at the most, locks no folio, and takes no other lock.
	 */
	struct mutex mem_lock;
	struct keel_pins pins;	/* fault.c: memory that is mapped */
	atomic_t pinning;	/* faults between keel_pin_begin() and keel_pin_end() */
	bool memlock;		/* what is pinned counts as the process's locked memory */
	atomic_long_t unpinned; /* fault.c: pages that do not, as soon as it can be told */
	bool sea_to_user;	/* KVM_CAP_ARM_SEA_TO_USER is enabled */
	bool dead;		/* memory could not be taken from it: it never runs again */

	int stale;    /* enum keel_stale */
	u64 sync_ipa; /* under lock */

	struct mutex stop_lock; /* writing vcpu->stop of any vCPU */

	struct mutex donate_lock;
	struct list_head donated; /* struct page.lru; order in page_private() */

	struct list_head all; /* life.c */
	bool ended;	      /* keel_vm_end(): set once */
	bool gone;	      /* at EL2 */

	struct mutex irqfds_mutex; /* one irqfd at a time is made or asked to end */
	spinlock_t irqfds_lock;
	struct list_head irqfds;
	struct list_head ioeventfds; /* written under vm->lock */
};

int keel_vm_create(unsigned long type);
/* It does not run any more, nor ever again: when this returns no CPU is in this guest. */
void keel_vm_kill(struct keel_vm *vm);
/* When this returns the CPU, or any CPU, is not in a guest that it was in before. */
void keel_guest_out(int cpu);
void keel_guests_out(void);
/* Before a vCPU runs: let the guest see what was written to its memory. -EINTR. */
int keel_sync(struct keel_vm *vm);
struct keel_vm *keel_vm_alloc(u32 ipa_bits);
void keel_vm_get(struct keel_vm *vm);
void keel_vm_put(struct keel_vm *vm);

/*
 * End a VM at EL2 though it has users, and free what was donated for it: KVM_RUN gives -EIO from
 * now on, and whatever needs EL2 fails. The caller has a reference. May sleep.
 */
void keel_vm_end(struct keel_vm *vm);

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
/* All VMs with users, one by one, each counted until the next call: NULL begins, and NULL ends. */
struct keel_vm *keel_life_next(struct keel_vm *vm);
/* Whether a VM whose last user is gone still has memory. */
bool keel_life_releasing(void);

/* ---- vcpu.c, regs.c, run.c ---- */

enum keel_vcpu_mode { KEEL_OUTSIDE_GUEST, KEEL_IN_GUEST };

/* A vCPU. It lives as long as its VM. Who holds @mutex may run it or touch its registers. */
struct keel_vcpu {
	struct keel_vm *vm;
	u32 index;
	struct mutex mutex;
	struct kvm_run *run;  /* userspace maps this page: read each field once */
	struct keel_run *hyp; /* the run page shared with EL2; the kernel's alone otherwise */
	u64 features;	      /* of KVM_ARM_VCPU_INIT, as KEEL_HC_VCPU_INIT takes them */
	bool initialized;
	bool sve_finalized;
	bool spe_ready;		   /* KVM_ARM_VCPU_SPE_INIT was done */
	bool spe_live;		   /* EL2 has heard of it */
	u32 spe_stop;		   /* the last KVM_ARM_VCPU_SPE_STOP, 0 before it */
	unsigned long early_lines; /* as the GIC's, of private interrupts; under vm->lock */
	u32 spe_irq;		   /* of KVM_ARM_VCPU_SPE_IRQ, 0 until set; under vm->lock */
	bool mmio_read;		   /* userspace owes the data of a read */
	bool mmio_pending; /* EL2 has yet to finish what was the host's: an access, a call */
	bool has_run;	   /* since it was made */
	bool has_fd;	   /* under vm->lock */
	bool steal_begun;  /* the guest has asked for its stolen time */
	bool ran_since;	   /* since KVM_ARM_VCPU_INIT; atomic */
	u64 steal_ipa;	   /* where it is, or KEEL_NO_ADDRESS */
	u64 steal_seen;	   /* how long the thread had waited when it was last brought up to date */

	struct task_struct __rcu *task; /* in KVM_RUN */
	struct rcuwait wait;
	int mode;      /* enum keel_vcpu_mode */
	atomic_t wake; /* something happened since the last entry */
	bool stop;     /* the machine was shut down: power off before anything else */
};

int keel_vcpu_create(struct keel_vm *vm, unsigned long id);
struct keel_vcpu *keel_vcpu_alloc(struct keel_vm *vm, u32 index);
struct keel_vcpu *keel_vcpu_find(struct keel_vm *vm, u32 index);
void keel_vcpu_free(struct keel_vcpu *vcpu);
int keel_vcpu_init(struct keel_vcpu *vcpu, u64 features);
void keel_vcpu_kick(struct keel_vcpu *vcpu);
/* Do what vcpu->stop asks for. Under vcpu->mutex. */
void keel_vcpu_apply_stop(struct keel_vcpu *vcpu);

int keel_vcpu_one_reg(struct keel_vcpu *vcpu, void __user *argp, bool set);
int keel_vcpu_reg_list(struct keel_vcpu *vcpu, void __user *argp);
int keel_vcpu_run(struct keel_vcpu *vcpu);

/* What the run loop does after an exit, where KVM_RUN does not return. */
#define KEEL_RUN_AGAIN 1

/* ---- error.c ---- */

/*
 * How many callers give a folio up at the moment: no VM may pin memory. A fault looks at it after it
 * has counted itself in vm->pinning, and the one that gives up looks at vm->pinning after it has
 * counted itself here, each behind a full barrier: so either the fault sees that it must wait, or
 * its pins are waited for.
 */
extern atomic_t keel_giving_up;

/* Return: whether current may pin memory, until keel_pin_end(). Otherwise keel_wait_given_up(). */
static __always_inline bool keel_pin_begin(struct keel_vm *vm)
{
	atomic_inc(&vm->pinning);
	smp_mb__after_atomic();
	if (likely(!atomic_read(&keel_giving_up)))
		return true;
	atomic_dec(&vm->pinning);
	return false;
}

/* What was pinned is in vm->pins, or pinned no more. */
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

/* Whether nothing is missing for KVM_RUN. */
bool keel_spe_ready(const struct keel_vcpu *vcpu);
/* Before each run, once the GIC is live: EL2 hears of what userspace has set up. */
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

/* The virtual and the physical timer's private interrupts, whose inputs are EL2's. */
#define KEEL_PPI_VTIMER 27
#define KEEL_PPI_PTIMER 30

int keel_timer_has_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr);
int keel_timer_get_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr);
int keel_timer_set_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr);

/* ---- slots.c, fault.c: guest memory ---- */

int keel_set_memory_region(struct keel_vm *vm, const struct kvm_userspace_memory_region *region);
/* The watch of *@out is not to be used. */
bool keel_slot_find(struct keel_vm *vm, u64 gfn, struct keel_slot *out, unsigned long *generation);
/* The same, and its watch is there until keel_watch_put(). */
bool keel_slot_hold(struct keel_vm *vm, u64 gfn, struct keel_slot *out, unsigned long *generation);
/* Nobody hears of the process's memory any more: the VM ends. */
void keel_slots_release(struct keel_vm *vm);

/*
 * Have all memory of the writable slots there, pinned and mapped, and that of those that come
 * later. -EINTR, -ENOMEM, -EFAULT, -EHWPOISON: it can be called again.
 */
int keel_populate(struct keel_vm *vm);

/*
 * Supply what a guest access to @ipa needs. -ENOENT: no slot is there (or it is read-only).
 * -EAGAIN: the kernel cannot pin it now. -EHWPOISON: the memory is broken; a SIGBUS that says so was
 * sent to current, which may block it. -EINTR, -ENOMEM, -EFAULT, -EIO.
 */
int keel_fault(struct keel_vm *vm, u64 ipa, bool write);
/*
 * The memory at *@gfn, if it is pinned, is mapped too, and *@gfn is where it ends; -ENOENT, and
 * *@gfn as it was, if it is not.
 */
int keel_map_pinned(struct keel_vm *vm, u64 *gfn);
/*
 * Take what is pinned of gfns @first to @last from the guest, and let go of it; of a mapping that
 * is there in part, all. It does not fail: a VM whose memory cannot be taken never runs again.
 * Under mem_lock.
 */
void keel_take(struct keel_vm *vm, u64 first, u64 last);
/* Frames @first to @last of the host's memory. */
struct keel_frames {
	unsigned long first, last;
};

/*
 * Whether @pfn is pinned at @gfn; then *@frames are those of the compound page that it is part of, or
 * @pfn alone. Takes mem_lock.
 */
bool keel_find_frames(struct keel_vm *vm, u64 gfn, unsigned long pfn, struct keel_frames *frames);
/*
 * Take from the guest whatever is pinned of @frames, at all guest addresses, and let go of it. May
 * sleep; takes mem_lock again and again, each time for a bounded time.
 */
void keel_take_frames(struct keel_vm *vm, const struct keel_frames *frames);
/* In test builds: the frame that is pinned there, or 0. */
unsigned long keel_pinned_pfn(struct keel_vm *vm, u64 gfn);
/* The most gfns for one keel_take(): mem_lock is held no longer. */
#define KEEL_TAKE_PAGES ((u64)SZ_8M >> PAGE_SHIFT)
/* The same for any number of pages, without mem_lock, which it takes for a bounded time. */
void keel_take_all(struct keel_vm *vm, u64 gfn, u64 npages);
/* As the last part of it, when EL2 has forgotten the VM already. */
void keel_unpin_all(struct keel_vm *vm);

/* ---- watch.c ---- */

/* ERR_PTR: -ENOMEM, -EOVERFLOW. Under slots_lock, without mem_lock, as keel_watch_end(). */
struct keel_watch *keel_watch_begin(struct keel_vm *vm, const struct keel_slot *slot);
/* Once this returns the kernel's memory management does not come any more. */
void keel_watch_end(struct keel_watch *watch);
/*
 * The sequence that a fault's look at the process's tables begins with. May sleep. One at which
 * nothing was under way once is good for as long as there was no invalidation since.
 */
static inline unsigned long keel_watch_sequence(struct keel_watch *watch)
{
	unsigned long sequence = READ_ONCE(watch->calm);

	if (likely(!mmu_interval_check_retry(&watch->notifier, sequence)))
		return sequence;
	sequence = mmu_interval_read_begin(&watch->notifier);
	WRITE_ONCE(watch->calm, sequence);
	return sequence;
}

static inline void keel_watch_put(struct keel_watch *watch)
{
	if (refcount_dec_and_test(&watch->users))
		kfree_rcu(watch, rcu);
}

/* ---- pins.c ---- */

/*
 * @size: 0 for the largest mappings, KEEL_PIN_SIZES - 1 for pages; @index: which one of that size.
 * All under vm->mem_lock, or alone with a VM that ends: looking changes what is at hand, too.
 */
void keel_pins_init(struct keel_pins *pins);
/* Entries that are left are forgotten. */
void keel_pins_destroy(struct keel_pins *pins);
/* @entry as xa_mk_value() makes it. -EBUSY: there is one. -ENOSPC: keel_pins_reserve(), again. */
int keel_pins_insert(struct keel_pins *pins, unsigned int size, unsigned long index, void *entry);
/*
 * Have memory for an entry there. It is for the next who inserts there, unless it is trimmed
 * before. -ENOMEM. Takes @lock, vm->mem_lock, and sleeps without it.
 */
int keel_pins_reserve(struct keel_pins *pins, struct mutex *lock, unsigned int size,
		      unsigned long index);
/* NULL: there is none. */
void *keel_pins_load(struct keel_pins *pins, unsigned int size, unsigned long index);
void keel_pins_erase(struct keel_pins *pins, unsigned int size, unsigned long index);
/* The first entry from *@index up to @last, and *@index is where it is; NULL if there is none. */
void *keel_pins_next(struct keel_pins *pins, unsigned int size, unsigned long *index,
		     unsigned long last);
/* Free what the pages from @first up to @last do not need any more. */
void keel_pins_trim(struct keel_pins *pins, unsigned long first, unsigned long last);

/* ---- vgic.c, irq.c, irqfd.c, ioeventfd.c ---- */

int keel_vgic_create(struct keel_vm *vm, struct kvm_create_device *device);
/* KVM_ARM_VCPU_INIT has succeeded: the last one of a machine's reset resets the distributor. */
void keel_vgic_vcpu_reset(struct keel_vcpu *vcpu);
int keel_vgic_first_run(struct keel_vm *vm);
bool keel_vgic_created(struct keel_vm *vm);
bool keel_vgic_initialized(struct keel_vm *vm);
bool keel_vgic_live(struct keel_vm *vm);

int keel_irq_line(struct keel_vm *vm, u32 vcpu, u32 intid, bool level);
/* A shared interrupt's line goes up and down. Any context. */
void keel_irq_edge(struct keel_vm *vm, u32 intid);
/* EL2 has the GIC: it hears of the lines that are high already. Under vm->lock. */
void keel_irq_early_lines(struct keel_vm *vm);
int keel_irq_line_ioctl(struct keel_vm *vm, const struct kvm_irq_level *irq);
int keel_irqfd(struct keel_vm *vm, const struct kvm_irqfd *args);
void keel_irqfd_release(struct keel_vm *vm);
int keel_irqfd_init(void);
void keel_irqfd_exit(void);
int keel_ioeventfd(struct keel_vm *vm, const struct kvm_ioeventfd *args);
bool keel_ioeventfd_write(struct keel_vm *vm, u64 addr, u32 len, u64 value);
void keel_ioeventfd_release(struct keel_vm *vm);

/* ---- caps.c, hostirq.c, stats.c ---- */

int keel_caps_probe(void);
bool keel_has_gicv3(void);
/* main.c: -ENODEV unless this kernel runs below a Keel that the module can talk to; says why. */
int keel_find(void);
int keel_check_extension(struct keel_vm *vm, unsigned long cap);
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

/* EL2's pages, of 4096 bytes, in 2^@order of the kernel's. */
#define KEEL_EL2_PAGE_SHIFT   12
#define KEEL_EL2_PAGES(order) (1UL << ((order) + PAGE_SHIFT - KEEL_EL2_PAGE_SHIFT))

/* Pages for EL2, at least @pages of its, adjacent and aligned to @align bytes at least; NULL. */
struct page *keel_donation_alloc(u32 pages, unsigned long align, unsigned int *order);
/* Give pages back to the kernel that EL2 does not have, or no longer. */
void keel_donation_free(struct page *page, unsigned int order);
/* Remember pages that EL2 has taken; from here to keel_donations_free() nobody may touch them. */
void keel_donation_add(struct keel_vm *vm, struct page *page, unsigned int order);
int keel_topup(struct keel_vm *vm);
/* Pages for EL2's own pool. It keeps them, whatever becomes of this module. */
int keel_pool_topup(void);
/* Have back what is free of it. Return: whether that was all. May sleep. */
bool keel_pool_reclaim(void);
/* Whether the page was there when Keel was started, so that Keel knows it for memory. */
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
 * KEEL_HC_VM_MAP, without a detour by memory: each fault has one. *@clean: in and out, bytes behind
 * what is mapped that are clean already; *@done: bytes that were mapped.
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

/* A call with up to five arguments; @out, if any, gets x1. */
long keel_call(u32 fid, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5, u64 *out);
/* The same for calls that give or take back memory: it tops up EL2's own pool. May sleep. */
long keel_giving_call(u32 fid, u64 a1, u64 a2, u64 a3, u64 *out);
/* The same for @vm's handle in x1: it tops up whatever EL2 is short of. May sleep. */
long keel_vm_call(struct keel_vm *vm, u32 fid, u64 a2, u64 a3, u64 a4, u64 a5, u64 *out);

/* KEEL_HC_VM_SIZE's answer. */
struct keel_vm_size {
	u32 vm_pages, vcpu_pages, ipa_default, ipa_max;
	unsigned int granule_shift; /* log2 of a page of stage 2 */
	u64 features;		    /* of KEEL_HC_VCPU_INIT that EL2 offers */
	u32 spe;		    /* how: KEEL_SPE_*, 0 without */
};
int keel_vm_size(u32 ipa_bits, struct keel_vm_size *size);

#endif
