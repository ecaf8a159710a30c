/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual GICv3 (ARM IHI 0069): distributor and redistributors by emulation, CPU interface by the
 * hardware's list registers. docs/vgic.md.
 *
 * One lock a VM, vgic->lock, guards every interrupt's state; it is never held while a guest runs,
 * and nothing but vm->pool's lock and the log's is taken under it. What is in a list register of a
 * CPU belongs to that CPU until it is folded back, which that CPU alone does: the guest changes it
 * without telling. vcpu->vgic->dirty is how others ask for that: set under the lock, seen at the
 * vCPU's next entry. Whom a change is for is told by vgic_notify().
 */
#ifndef KEEL_VGIC_VGIC_H
#define KEEL_VGIC_VGIC_H

#include <arch/ich.h>
#include <arch/spinlock.h>
#include <keel/hypercall.h>
#include <lib/types.h>
#include <trap/device.h>
#include <vm/run.h>

#define VGIC_PRIVATE	 32
#define VGIC_SGIS	 16
#define VGIC_INTIDS	 1020 /* INTIDs that interrupts can have; 1020 to 1023 are special */
#define VGIC_DIST_SIZE	 0x10000
#define VGIC_REDIST_SIZE 0x20000

#define VGIC_PPI_MAINTENANCE 25
#define VGIC_PPI_VTIMER	     27
#define VGIC_PPI_PTIMER	     30

/* GICD_CTLR with one security state; also which groups are on, struct vgic.ctlr */
#define GICD_CTLR_ENABLE_GRP0 BIT(0)
#define GICD_CTLR_ENABLE_GRP1 BIT(1)

/*
 * One interrupt. @target and @home are indices of vCPUs, or VGIC_NO_VCPU.
 */
struct vgic_irq {
	u8 priority; /* only VGIC_PRIORITY_MASK can be set */
	bool enabled : 1;
	bool group1 : 1;
	bool edge : 1;	 /* configured edge-triggered */
	bool line : 1;	 /* level of the input */
	bool latch : 1;	 /* pending by an edge or a write */
	bool active : 1; /* in a list register: when it was put there */
	bool held : 1;	 /* the physical interrupt of the same INTID is active on the vCPU's CPU */
	bool in_lr : 1;	 /* the truth is in a list register of @home */
	/* of one in a list register: it stands for the latch; and changes
	 * to make when it is folded */
	bool lr_latch : 1, unpend : 1, activate : 1, deactivate : 1;
	u16 target;   /* SPI: where it is routed to */
	u16 home;     /* SPI: whose list register it is in, or on which vCPU it is active */
	u32 affinity; /* SPI: Aff3..Aff0 of GICD_IROUTER, as written */
};

#define VGIC_NO_VCPU	   0xffff
#define VGIC_PRIORITY_MASK 0xf8 /* five bits of priority, which every implementation has */

struct vgic_cpu {
	struct vgic_irq irq[VGIC_PRIVATE];
	u32 busy;   /* private interrupts that are pending, active or in a list register */
	u32 held;   /* private interrupts whose physical one is held active: struct vgic_irq.held */
	bool dirty; /* there is something to fold or fill at the next entry; atomic */
	bool leave; /* the next entry is an exit to the host: it has others to wake. Owner's */
	bool loaded;	/* the list registers are in the hardware */
	bool asleep;	/* GICR_WAKER.ProcessorSleep. Awake at reset, as after a firmware's boot */
	u32 folds;	/* how often list registers were folded; atomic */
	u32 lr_used;	/* bitmap of list registers that hold an interrupt */
	u32 lr_written; /* bitmap of those that may be other than 0 in the hardware */
	u64 lr[ICH_LR_MAX];	    /* as they were filled, valid where lr_used says */
	u64 hcr;		    /* ICH_HCR_EL2 as it was written */
	u64 hcr_on;		    /* what of it is always set while loaded */
	u64 vmcr, ap0r[4], ap1r[4]; /* while not loaded */
};

#define VGIC_SPIS_A_PAGE 256
#define VGIC_SPI_PAGES	 4

/* Redistributors @first to @first + @count - 1 of a VM, one after the other. */
struct vgic_region {
	u64 base;
	u32 first, count;
};

/* What is constant is so from the first run of a vCPU on. */
struct vgic {
	struct spinlock lock;
	u64 dist_base;	/* constant, as the next five */
	u32 nr_irqs;	/* 64..1024: INTIDs below it and VGIC_INTIDS exist */
	u32 nr_frames;	/* redistributors: as many as vCPUs */
	u32 nr_regions; /* where they lie; those of no region cannot be accessed */
	struct vgic_region region[KEEL_REDIST_REGIONS];
	u16 frame[VM_VCPUS_MAX]; /* which vCPU a redistributor is of */
	u32 ctlr;		 /* GICD_CTLR_ENABLE_* */
	u64 busy[1024 / 64];	 /* SPIs that are pending, active or in a list register, by INTID */
	struct vgic_irq *spi[VGIC_SPI_PAGES];
};

/*
 * Register on the run loop; ask the hardware. Boot CPU, after redist_init(). Without GICv3's
 * interface, or without a redistributor, VMs get no vGIC, and guests reach no interface.
 */
void vgic_init(void);

/**
 * vgic_cpu_online() - ask this CPU's GIC interface what it has
 *
 * Each CPU but the first, when it comes up, after host_cpu_init(). The number of list registers may
 * be another than the first one's; what guests see may not.
 *
 * Return: whether it can run VMs that have a vGIC, if VMs can have one.
 */
bool vgic_cpu_online(void);

/**
 * vgic_pages() - what vgic_create() takes from the VM's pool, in pages
 * @nr_irqs:  64..1024
 * @nr_vcpus: vCPUs that the VM has
 */
u64 vgic_pages(u64 nr_irqs, unsigned int nr_vcpus);

/**
 * vgic_create() - KEEL_HC_VGIC_INIT (struct vm_call_ops.vgic_init)
 * @dist:    IPA of the distributor, 64 KiB, aligned to that
 * @redist:  IPA of redistributors, 128 KiB for each vCPU in ascending order, aligned to 64 KiB
 * @nr_irqs: 64..1024, a multiple of 32
 * @count:   how many redistributors are there; 0 for all
 *
 * vm->lock held; all vCPUs are there, and none runs.
 *
 * Return: 0; -ENODEV the CPU has no GICv3 interface; -EBUSY there is one; -EINVAL also without
 * vCPUs; -E2BIG beyond the IPA size; -ENOMEM (some pages of the pool may be kept for the next try).
 */
int __must_check vgic_create(struct vm *vm, struct ipa dist, struct ipa redist, u64 nr_irqs,
			     u64 count);

/**
 * vgic_add_region() - KEEL_HC_VGIC_REDIST (struct vm_call_ops.vgic_redist)
 * @base:  IPA of redistributors, aligned to 64 KiB
 * @count: how many there is room for, 1..
 *
 * vm->lock held; there is a vGIC; no vCPU has run or can while it does.
 *
 * Return: 0; -EINVAL also when all redistributors have their place; -E2BIG beyond the IPA size;
 * -ENOSPC after KEEL_REDIST_REGIONS regions.
 */
int __must_check vgic_add_region(struct vm *vm, struct ipa base, u64 count);

/**
 * vgic_reset() - KEEL_HC_VGIC_RESET (struct vm_call_ops.vgic_reset)
 *
 * All vCPUs are owned by this CPU, so none runs. Inputs keep their levels, which may change
 * meanwhile.
 */
void vgic_reset(struct vm *vm);

/**
 * vgic_cpu_on() - PSCI turns the vCPU on
 * @vcpu: loaded here, before its first instruction
 *
 * Its CPU interface, and what its redistributor keeps of SGIs and PPIs, as after reset: firmware
 * does that on a machine. But what is pending stays: it may have been sent since.
 */
void vgic_cpu_on(struct vcpu *vcpu);

/**
 * vgic_irq_line() - KEEL_HC_IRQ_LINE (struct vm_call_ops.irq_line)
 * @index: in: the vCPU of a PPI, any value; out with 1: the vCPU to wake or kick
 * @intid: 16..nr_irqs - 1. The timers' PPIs, and SPE's, are not the host's: nothing happens
 *	   to them
 *
 * Any CPU. An edge-triggered interrupt becomes pending with each @level of 1.
 *
 * Return: 1; 0 when nobody has to look; -EINVAL.
 */
int __must_check vgic_irq_line(struct vm *vm, u64 *index, u64 intid, bool level);

/**
 * vgic_set_level() - the level of an input changed
 * @vcpu:  the vCPU of a PPI; any vCPU of the VM for an SPI
 * @intid: others than those of PPIs and SPIs that there are do nothing
 *
 * Any CPU.
 *
 * Return: the vCPU that has something new to see, or NULL.
 */
struct vcpu *vgic_set_level(struct vcpu *vcpu, u32 intid, bool level);

/**
 * vgic_set_timer() - the level of a timer's PPI, by the vCPU's owner
 *
 * Nobody else changes that input, so nothing is locked when it has not changed.
 */
void vgic_set_timer(struct vcpu *vcpu, u32 intid, bool level);

/**
 * vgic_map_hw() - a physical PPI is the guest's PPI of the same number
 * @level: whether the physical input is up, for the loaded vCPU. Under vgic->lock
 *
 * Boot CPU. vgic_hold() says when its input is up.
 */
void vgic_map_hw(u32 intid, bool (*level)(struct vcpu *vcpu));

/**
 * vgic_hold() - the input of a mapped physical PPI is up on this CPU
 * @vcpu: loaded here
 *
 * It becomes pending in the guest, and active in the hardware: it does not fire again until the
 * guest deactivates it, its input is seen to have fallen, or the vCPU leaves this CPU.
 *
 * Return: false if it was held already, so that it cannot be what interrupts this CPU.
 */
bool vgic_hold(struct vcpu *vcpu, u32 intid);

/* Whether this PPI would end WFI if it were pending: it is on, and urgent enough. Loaded here. */
bool vgic_wakes(struct vcpu *vcpu, u32 intid);

/* Of an access: it is not the vGIC's; it is done; it is to be made again. */
/**
 * vgic_mmio() - an access to the distributor or a redistributor
 * @vcpu:  the one that made it, loaded here
 * @bytes: 1, 2, 4 or 8
 * @data:  value to write, or the value read, zero-extended
 *
 * Registers that there are not, and accesses that are misaligned or of a width that the register
 * does not take, read as zero and ignore writes. If other vCPUs are to wake, they are named in the
 * run page, and the next entry of @vcpu becomes KEEL_EXIT_IRQ.
 *
 * A read of pending or active state waits for vCPUs that have some of it in their list registers,
 * without a lock. If an interrupt comes meanwhile, or they take too long, the guest makes the
 * access again.
 *
 * Return: TRAP_MMIO_DONE; TRAP_MMIO_AGAIN, nothing was read; TRAP_MMIO_NOT_MINE if the access is
 * not, in whole,
 * the vGIC's.
 */
enum trap_mmio vgic_mmio(struct vcpu *vcpu, u64 ipa, unsigned int bytes, bool write, u64 *data);

/**
 * vgic_write_sgi1r() - ICC_SGI1R_EL1 written: send an SGI
 * @vcpu: the one that did, loaded here
 *
 * vgic_write_sgi0r() is ICC_SGI0R_EL1 or ICC_ASGI1R_EL1, which reach Group 0 alone. Without a vGIC
 * nothing happens.
 *
 * Return: VCPU_RESUME; KEEL_EXIT_IRQ when others must be woken, which the run page names.
 */
int vgic_write_sgi1r(struct vcpu *vcpu, u64 value);
int vgic_write_sgi0r(struct vcpu *vcpu, u64 value);

/*
 * ICC_DIR_EL1 written. It traps where there are several vCPUs, or while more are active than there
 * are list registers. An SPI may be deactivated by any vCPU.
 */
void vgic_write_dir(struct vcpu *vcpu, u64 value);

/* ---- inside vgic/; vgic->lock held if nothing else is said ---- */

/*
 * The interrupt @intid as @vcpu sees it; NULL if there is none. The lock is needed for its state, not
 * to find it: registers are read without.
 */
struct vgic_irq *vgic_irq_of(struct vcpu *vcpu, u32 intid);

/* Its state changed: note it, and let those concerned look. Return: whom it is for, or NULL. */
struct vcpu *vgic_changed(struct vcpu *vcpu, u32 intid, struct vgic_irq *irq);

/* Take the state of what is in @vcpu's list registers back; loaded here, or not loaded at all. */
void vgic_fold(struct vcpu *vcpu);

/* The vCPU with this index, or NULL. */
struct vcpu *vgic_vcpu(struct vm *vm, u32 index);

/*
 * @owner has something to see, and @vcpu, loaded here, is the cause. If it is loaded on another
 * CPU, that CPU's maintenance interrupt is made pending: it is EL2's while a guest runs, and means
 * nothing to the host. If its thread sleeps in WFI, the host wakes it once @vcpu has left.
 * Otherwise it looks by itself before it runs.
 */
void vgic_notify(struct vcpu *vcpu, struct vcpu *owner);

/* The index that an affinity names, whether or not there is such a vCPU; VGIC_NO_VCPU. */
u16 vgic_index_of(u32 affinity);

static inline bool vgic_irq_pending(const struct vgic_irq *irq)
{
	return irq->latch || irq->lr_latch || (!irq->edge && irq->line);
}

#endif
