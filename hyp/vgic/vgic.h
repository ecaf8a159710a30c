/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual GICv3 (ARM IHI 0069): distributor and redistributors by emulation, CPU interface by the
 * hardware's list registers. docs/vgic.md.
 *
 * Each VM has one lock, vgic->lock, which guards the state of all its interrupts. It is never held
 * while a guest runs, and only vm->pool's lock and the log's are taken under it. An interrupt in a
 * list register belongs to the CPU on which its vCPU is loaded: the guest changes it without an
 * exit, and only that CPU can fold it back. To request that, another CPU sets vcpu->attention
 * under the lock, which the vCPU sees at its next entry, and calls vgic_notify().
 */
#ifndef KEEL_VGIC_VGIC_H
#define KEEL_VGIC_VGIC_H

#include <arch/ich.h>
#include <arch/spinlock.h>
#include <keel/hypercall.h>
#include <lib/compiler.h>
#include <lib/types.h>
#include <trap/device.h>
#include <vm/run.h>

#define VGIC_PRIVATE	 32
#define VGIC_SGIS	 16
#define VGIC_SGI_OF_ANY	 8    /* struct vgic_irq.sgi.taken: more than a GICv2 has vCPUs */
#define VGIC_INTIDS	 1020 /* INTIDs that interrupts can have; 1020 to 1023 are special */
#define VGIC_DIST_SIZE	 0x10000
#define VGIC_REDIST_SIZE 0x20000

/* LPIs: the first INTID, and how many EL2 has at most that are pending for a vCPU */
#define VGIC_LPI_FIRST 8192
#define VGIC_LPIS      64

/* In struct vgic_cpu.busy, beside the private interrupts: a place of an LPI is not free */
#define VGIC_BUSY_LPIS BIT(VGIC_PRIVATE)
/* In struct vgic_cpu.lpi_fold: the host has LPIs for which no place was free */
#define VGIC_LPI_MORE BIT(31)

#define VGIC_PPI_MAINTENANCE 25
#define VGIC_PPI_EL2_PTIMER  26 /* a guest's that has an EL2, as the next but one */
#define VGIC_PPI_VTIMER	     27
#define VGIC_PPI_EL2_VTIMER  28
#define VGIC_PPI_PTIMER	     30

/* GICD_CTLR with one security state; also which groups are on, struct vgic.ctlr */
#define GICD_CTLR_ENABLE_GRP0 BIT(0)
#define GICD_CTLR_ENABLE_GRP1 BIT(1)
/* In struct vgic.ctlr: Group 0 is on, and its enable reads as 0, as on the KVM that it was on */
#define VGIC_GRP0_HIDDEN BIT(3)
/* GICD_TYPER: LPIs, and INTIDs of 10 bits, or with LPIs of 16; an SPI has one target */
#define GICD_TYPER_LPIS	       BIT(17)
#define GICD_TYPER_IDBITS      (9ULL << 19)
#define GICD_TYPER_IDBITS_LPIS (15ULL << 19)
#define GICD_TYPER_NO1N	       BIT(25)

/*
 * One interrupt. @target and @home are indices of vCPUs, or VGIC_NO_VCPU.
 */
struct vgic_irq {
	u8 priority; /* only VGIC_PRIORITY_MASK can be set */
	bool enabled : 1;
	bool group1 : 1;
	bool edge : 1;	    /* configured edge-triggered */
	bool line : 1;	    /* level of the input */
	bool latch : 1;	    /* pending by an edge or a write */
	bool active : 1;    /* while in a list register: as it was when that was written */
	bool forwarded : 1; /* the physical PPI of the same INTID is active on its CPU */
	bool in_lr : 1;	    /* the current state is in a list register of @home */
	bool report : 1;    /* SPI: the host is to know when the guest ends it, as a level */
	/* while in a list register: its pending state represents the latch; and requests of other
	 * vCPUs, which the fold carries out */
	bool lr_latch : 1, unpend : 1, activate : 1, deactivate : 1;
	u16 target; /* SPI: the vCPU that it is routed to */
	u16 home;   /* the vCPU in whose list register it is, or on which it is active */
	union {
		u32 affinity; /* SPI: Aff2..Aff0 of GICD_IROUTER, as written; GICD_ITARGETSR */
		/* a GICv2's SGI: a bit for each vCPU whose is pending, in no list register: latch is set
		 * while there is one; and whose is in the list register, or active, which may be
		 * VGIC_SGI_OF_ANY */
		struct {
			u8 sources, taken;
		} sgi;
	};
};

/* Of KVM's vGIC, which this one answers as: GICD_IIDR.Revision */
#define VGIC_REVISION 3

#define VGIC_NO_VCPU	   0xffff
#define VGIC_PRIORITY_MASK 0xf8 /* five bits of priority, which every implementation has */

/* A pending LPI. It is an edge of group 1 that is never active. */
struct vgic_lpi {
	u32 intid;	     /* 0: the place is free */
	struct vgic_irq irq; /* not enabled: the host is taking it back */
};

/* struct vgic_cpu.loaded */
#define VGIC_IN_ICH  1
#define VGIC_IN_GICH 2

struct vgic_cpu {
	struct vgic_irq irq[VGIC_PRIVATE];
	u64 busy;      /* private interrupts that are pending, active or in a list register */
	u32 forwarded; /* private interrupts with struct vgic_irq.forwarded */
	bool leave; /* the next entry is an exit: the host must wake other vCPUs. Owner's; vgic_leave() */
	u8 loaded;    /* VGIC_IN_*: where list registers are in the hardware; or 0 */
	bool emptied; /* vgic_lend() has emptied the list registers, which are not filled yet */
	bool asleep;  /* GICR_WAKER.ProcessorSleep. Awake at reset, as after a firmware's boot */
	u8 statusr;   /* GICR_STATUSR; atomic */
	/* ICC_CTLR_EL1.PRIbits, IDbits: what the host has restored, 0 if nothing; or the hardware's */
	u8 pri_bits, id_bits;
	u32 folds;	    /* how often list registers were folded; atomic */
	u32 lr_used;	    /* bitmap of list registers that hold an interrupt */
	u32 lr_written;	    /* bitmap of list registers that may be other than 0 in the hardware */
	u64 lr[ICH_LR_MAX]; /* values at the last fill, valid where lr_used says */
	u64 hcr;	    /* ICH_HCR_EL2 as it was written */
	u64 hcr_on;	    /* bits of ICH_HCR_EL2 that are always set while loaded */
	u64 vmcr, ap0r[4], ap1r[4]; /* while not loaded */
	u64 pendbaser;		    /* GICR_PENDBASER of a VM without LPIs */
	/* what a reset of the vCPU does not change */
	u64 lpi_busy; /* bitmap of places that are not free */
	struct vgic_lpi lpi[VGIC_LPIS];
	u8 lr_lpi[ICH_LR_MAX]; /* which place the LPI in a list register has */
	u32 lpi_fold;	       /* bitmap of list registers that hold an LPI, and VGIC_LPI_MORE */
};

#define VGIC_SPIS_A_PAGE 256
#define VGIC_SPI_PAGES	 4

/* Of a distributor that has no place yet: beyond any IPA, so no access and no frame meets it. */
#define VGIC_NOWHERE BIT(63)

/* Redistributors @first to @first + @count - 1 of a VM, one after the other. */
struct vgic_region {
	u64 base;
	u32 first, count;
};

/* "Constant" begins at the first run of a vCPU. */
struct vgic {
	struct spinlock lock;
	u64 dist_base;	/* VGIC_NOWHERE without one; constant, as the next six */
	u64 cpu_base;	/* of a GICv2 the CPU interface; VGIC_NOWHERE */
	u32 nr_irqs;	/* 64..1024: INTIDs below nr_irqs and VGIC_INTIDS exist */
	u32 nr_frames;	/* number of redistributors: as many as vCPUs */
	u32 nr_regions; /* a redistributor in no region cannot be accessed */
	struct vgic_region region[KEEL_REDIST_REGIONS];
	u16 frame
		[VM_VCPUS_MAX]; /* by struct vcpu.number, which is its redistributor's: its index */
	u32 typer;		/* GICD_TYPER; changes when the host has an ITS for the VM */
	u32 maintenance;     /* the PPI of the virtual maintenance interrupt; of VMs with an EL2 */
	u32 ctlr;	     /* GICD_CTLR_ENABLE_*, VGIC_GRP0_HIDDEN */
	u8 statusr;	     /* GICD_STATUSR; atomic */
	u8 revision;	     /* GICD_IIDR: 1..VGIC_REVISION */
	bool groups_known;   /* of a GICv2: userspace has written GICD_IIDR, and may write groups */
	u64 propbaser;	     /* GICR_PROPBASER of a VM without LPIs, of all redistributors */
	u64 busy[1024 / 64]; /* SPIs that are pending, active or in a list register, by INTID */
	u32 busy_words;	     /* bitmap of those words that are not 0 */
	struct vgic_irq *spi[VGIC_SPI_PAGES];
	/* what each is at reset: constant, and quicker to copy than to make */
	struct vgic_irq spi_at_reset;
};

/* ---- GICv2: the VMs of a machine that has one ---- */

#define VGIC_V2_CPUS	     8
#define VGIC_V2_REVISION_MIN 2
#define VGIC_V2_DIST_SIZE    SZ_4K
#define VGIC_V2_CPU_SIZE     (2 * SZ_4K)
/* What of the CPU interface is mapped: all but GICC_DIR, which is alone in the second page. */
#define VGIC_V2_CPU_MAPPED SZ_4K

/* The parts of the machine's GICv2 that are for VMs, in EL2's address space; @gicv also a guest's. */
struct vgic_v2_frames {
	u8 *gich, *gicv;
	struct pa gicv_pa;
};

/* All NULL on other machines. Constant from vgic_init() on. */
extern struct vgic_v2_frames vgic_v2;

/* Whether VMs have a GICv2, as the machine. */
static inline bool vgic_is_v2(void)
{
	return vgic_v2.gich;
}

/**
 * vgic_use_v2() - VMs have GICv2s, on these frames of the machine's
 *
 * Boot CPU, before vgic_init(); until then struct percpu.gicr of each CPU becomes the distributor.
 *
 * Return: false, and nothing has changed, if the CPU has the registers of a GICv3.
 */
bool __must_check vgic_use_v2(const struct vgic_v2_frames *frames);

/* vgic_mmio() for a GICv2: the distributor, and the CPU interface where it is not mapped. */
enum trap_mmio vgic_v2_mmio(struct vcpu *vcpu, u64 ipa, unsigned int bytes, bool write, u64 *data);

/* vgic_host_reg() of a GICv2: -ENXIO also for all of KEEL_VGIC_REDIST. */
int __must_check vgic_v2_host_reg(struct vcpu *vcpu, u64 space, u64 offset, bool write, u64 *value);

/* Empty the list registers of a GICv2, of the vCPU that is loaded here. Takes vgic->lock. */
void vgic_v2_fold(struct vcpu *vcpu);

/*
 * Register with the run loop, and read what the hardware has. Boot CPU, after redist_init(). If the
 * CPU has no GICv3 interface or no redistributor, VMs get no vGIC, and guests' accesses to the
 * interface trap.
 */
void vgic_init(void);

/* The version of the GIC that VMs can have; 0: none. */
unsigned int vgic_version(void);

/**
 * vgic_cpu_online() - read what this CPU's GIC interface has
 *
 * Each CPU but the boot CPU, when it comes up, after host_cpu_init(). The number of list registers
 * may differ from the boot CPU's; what guests see may not.
 *
 * Return: whether this CPU can run VMs that have a vGIC; true if VMs can have none.
 */
bool vgic_cpu_online(void);

/**
 * vgic_pages() - how many pages vgic_prepare() and vgic_create() take from the VM's pool
 * @nr_irqs:  64..1024
 * @nr_vcpus: number of vCPUs of the VM
 */
u64 vgic_pages(u64 nr_irqs, unsigned int nr_vcpus);

/**
 * vgic_prepare() - KEEL_HC_VGIC_INIT, before vgic_create() (struct vm_call_ops.vgic_prepare)
 * @dist:    IPA of the distributor, 64 KiB, aligned to that; or KEEL_NO_PLACE, as for each GICv2
 * @redist:  IPA of redistributors, 128 KiB for each vCPU in the order in which these were created,
 *           aligned to 64 KiB; or KEEL_NO_PLACE
 * @nr_irqs: 64..1024, a multiple of 32; in bits 63 to 32 the PPI of the virtual maintenance
 *           interrupt, 16..31, which VMs with an EL2 have; 0 for VGIC_PPI_MAINTENANCE
 * @count:   how many redistributors this region has; 0 for all
 *
 * vm->lock held, and not released before vgic_create(). Checks the arguments, and gives vCPUs pages
 * from the VM's pool, a few in each call. They keep them whatever comes later.
 *
 * Return: 0; -ENODEV VMs can have no vGIC (vgic_init()); -EBUSY the VM has one; -EINVAL an argument
 * is invalid, frames overlap, or the VM has no vCPU; -E2BIG beyond the IPA size; -ENOMEM the pool
 * has too few pages; -EAGAIN some vCPUs have no page yet.
 */
int __must_check vgic_prepare(struct vm *vm, struct ipa dist, struct ipa redist, u64 nr_irqs,
			      u64 count);

/**
 * vgic_create() - KEEL_HC_VGIC_INIT (struct vm_call_ops.vgic_init)
 *
 * Arguments as for vgic_prepare(), which has returned 0 for them under the same vm->lock; and no
 * vCPU runs.
 *
 * Return: 0; -ENOMEM the pool has too few pages.
 */
int __must_check vgic_create(struct vm *vm, struct ipa dist, struct ipa redist, u64 nr_irqs,
			     u64 count);

/**
 * vgic_place() - KEEL_HC_VGIC_PLACE (struct vm_call_ops.vgic_place)
 * @base:  IPA, aligned to 64 KiB; of a GICv2 to 4 KiB
 * @count: of redistributors, how many the region has room for; 0: the distributor. Of a GICv2
 *         another count stands for the CPU interface
 *
 * vm->lock held; the VM has a vGIC; no vCPU has run, or can run during the call.
 *
 * Return: 0; -EINVAL an argument is invalid, frames overlap, or all redistributors or the
 * distributor have their place already; -E2BIG beyond the IPA size; -ENOSPC there are
 * KEEL_REDIST_REGIONS regions; -ENOMEM the pool has too few pages (a GICv2).
 */
int __must_check vgic_place(struct vm *vm, struct ipa base, u64 count);

/**
 * vgic_reset() - KEEL_HC_VGIC_RESET (struct vm_call_ops.vgic_reset)
 * @at: INTID to start at, 0 at first, a multiple of 32; out: where to continue
 *
 * vm->lock held. This CPU owns all vCPUs, so none runs. Inputs keep their levels, which may change
 * during the call.
 *
 * Return: 0; -EAGAIN some SPIs are left; -EINVAL.
 */
int __must_check vgic_reset(struct vm *vm, u64 *at);

/**
 * vgic_cpu_on() - PSCI turns the vCPU on
 * @vcpu: loaded here, before its first instruction
 *
 * Resets its CPU interface, and the state of SGIs and PPIs in its redistributor, as firmware does
 * on a physical machine. Pending interrupts stay: they may have been sent since CPU_ON returned.
 */
void vgic_cpu_on(struct vcpu *vcpu);

/**
 * vgic_irq_line() - KEEL_HC_IRQ_LINE (struct vm_call_ops.irq_line)
 * @index: in: the vCPU of a PPI, any value is allowed; out, if 1 is returned: the vCPU to wake or
 *	   kick
 * @intid: 16..nr_irqs - 1. The PPIs of the timers and of SPE are EL2's: for these the call does
 *	   nothing and returns 0
 * @level: 0, 1; or 1 and KEEL_LINE_REPORT, which only an SPI can have
 *
 * Any CPU. An edge-triggered interrupt becomes pending with each @level of 1. With KEEL_LINE_REPORT
 * the next end of the interrupt that is one of a level is told to the host, by vcpu_tell_ended().
 * That the line falls before does not change it.
 *
 * Return: 1; 0 if no vCPU needs to be woken or kicked; -EINVAL.
 */
int __must_check vgic_irq_line(struct vm *vm, u64 *index, u64 intid, u64 level);

/**
 * vgic_enable_lpis() - KEEL_HC_VGIC_LPIS (struct vm_call_ops.vgic_lpis)
 *
 * Any CPU. From now on the guest finds a GIC with LPIs, and its accesses to the redistributors'
 * registers for LPIs are the host's to carry out.
 */
void vgic_enable_lpis(struct vm *vm);

/**
 * vgic_lpi_pend() - KEEL_HC_LPI_PEND (struct vm_call_ops.lpi_pend)
 * @intid:    VGIC_LPI_FIRST..2^24 - 1; of group 1, and enabled
 * @priority: only VGIC_PRIORITY_MASK can be set; and KEEL_LPI_AGAIN: only if it has its place already
 * @back:     out: an LPI that was pending, and has lost its place to this one; 0
 *
 * Any CPU. An LPI that has its place already gets this priority when it is not in a list register.
 *
 * Return: 1 @vcpu is to be woken or kicked; 0; -ENOSPC all places have LPIs that are at least as
 * urgent, or that are in list registers, or it has none (KEEL_LPI_AGAIN); -EINVAL.
 */
int __must_check vgic_lpi_pend(struct vcpu *vcpu, u64 intid, u64 priority, u64 *back);

/**
 * vgic_lpi_take() - KEEL_HC_LPI_TAKE (struct vm_call_ops.lpi_take)
 *
 * Any CPU. EL2 has the LPI no more. It need not be there.
 *
 * Return: 1 it was pending; 0 it was not; -EAGAIN it is in a list register of @vcpu, which is to be
 * kicked: repeat the call.
 */
int __must_check vgic_lpi_take(struct vcpu *vcpu, u64 intid);

/**
 * vgic_set_level() - set the level of an interrupt's input
 * @vcpu:  the vCPU of a PPI; any vCPU of the VM for an SPI
 * @intid: SGIs, and INTIDs that the VM does not have, are ignored
 *
 * Any CPU.
 *
 * Return: the vCPU to wake or kick, or NULL.
 */
struct vcpu *vgic_set_level(struct vcpu *vcpu, u32 intid, bool level);

/**
 * vgic_set_timer() - set the level of a PPI that EL2 drives; by the vCPU's owner
 *
 * Only the owner changes that input, so the lock is not taken when the level has not changed.
 */
void vgic_set_timer(struct vcpu *vcpu, u32 intid, bool level);

/* The level that such an input has. */
static inline bool vgic_level(const struct vcpu *vcpu, u32 intid)
{
	return vcpu->vgic->irq[intid].line;
}

/**
 * vgic_map_hw() - map a physical PPI to the guests' PPI of the same INTID
 * @level: reads the level of the physical input, for the loaded vCPU; called under vgic->lock
 *
 * Boot CPU. The caller then calls vgic_forward() whenever the input is high.
 */
void vgic_map_hw(u32 intid, bool (*level)(struct vcpu *vcpu));

/**
 * vgic_forward() - forward a mapped physical PPI whose input is high on this CPU
 * @vcpu: loaded here
 *
 * The virtual interrupt becomes pending, and the physical one active, so that it does not fire
 * again until the guest deactivates it, its input has fallen, or the vCPU leaves this CPU.
 *
 * Return: false if it was forwarded already: then it is not what interrupts this CPU.
 */
bool vgic_forward(struct vcpu *vcpu, u32 intid);

/*
 * Whether this PPI, if it is pending, ends WFI: enabled, and urgent enough, or the redistributor is
 * asleep. @vcpu is loaded here.
 */
bool vgic_wakes(struct vcpu *vcpu, u32 intid);

/**
 * vgic_mmio() - an access to the distributor or a redistributor
 * @vcpu:  the vCPU that made the access, loaded here
 * @bytes: 1, 2, 4 or 8
 * @data:  value to write, or the value read, zero-extended
 *
 * An access to a register that is not implemented, a misaligned one, or one of a width that the
 * register does not have, reads as zero and ignores writes. vCPUs that the host must wake are named
 * in the run page, and the next entry of @vcpu becomes KEEL_EXIT_IRQ.
 *
 * A read of pending or active state waits, without a lock, for vCPUs that have some of it in their
 * list registers. If an interrupt comes meanwhile, or they take too long, the guest repeats the
 * access.
 *
 * Return: TRAP_MMIO_DONE; TRAP_MMIO_AGAIN nothing was read, and the guest repeats the access;
 * TRAP_MMIO_NOT_MINE not all of the access is within the distributor or a region.
 */
enum trap_mmio vgic_mmio(struct vcpu *vcpu, u64 ipa, unsigned int bytes, bool write, u64 *data);

/**
 * vgic_host_reg() - KEEL_HC_VGIC_GET_REG and _SET_REG (struct vm_call_ops.vgic_reg)
 * @vcpu:   owned by this CPU, not loaded; of a VM with a vGIC
 * @space:  KEEL_VGIC_*
 * @offset: in bytes, a multiple of 4; of KEEL_VGIC_CPU an encoding
 * @value:  of 32 bits; in, or out
 *
 * As a guest's access, but: pending state is the latch alone, which a write sets as it says; there
 * are registers that are zero; and GICD_IIDR takes each revision from 1 to VGIC_REVISION. No vCPU is
 * notified, so none should run; if one does, what is in its list registers is as it was written.
 *
 * Return: 0; -EINVAL there is no such space, or GICD_IIDR, ICC_CTLR_EL1 or ICC_SRE_EL1 cannot have
 * that value, or ICC_AP<n>R<m>_EL1 is one more than this CPU has; -ENXIO there is no register.
 */
int __must_check vgic_host_reg(struct vcpu *vcpu, u64 space, u64 offset, bool write, u64 *value);

/**
 * vgic_write_sgi1r() - a write of ICC_SGI1R_EL1: send an SGI
 * @vcpu: the sender, loaded here
 *
 * vgic_write_sgi0r() is for ICC_SGI0R_EL1 and ICC_ASGI1R_EL1, which reach only SGIs of Group 0.
 * Without a vGIC both do nothing.
 *
 * Return: VCPU_RESUME; KEEL_EXIT_IRQ if the host must wake vCPUs, which the run page names.
 */
int vgic_write_sgi1r(struct vcpu *vcpu, u64 value);
int vgic_write_sgi0r(struct vcpu *vcpu, u64 value);

/*
 * A write of ICC_DIR_EL1. It traps in a VM with several vCPUs, and while more interrupts are active
 * than there are list registers. Any vCPU may deactivate an SPI.
 */
void vgic_write_dir(struct vcpu *vcpu, u64 value);

/* ---- the CPU's interface for a nested guest (hyp/nested/) ---- */

/* What the VM's interrupts signal to a vCPU: an IRQ is of Group 1, an FIQ of Group 0. */
enum vgic_signal { VGIC_NO_SIGNAL, VGIC_IRQ, VGIC_FIQ };

/**
 * vgic_lend() - before an entry in which list registers and ICH_VMCR_EL2 are the caller's
 * @vcpu: loaded here, of a VM with a vGIC; the last step before the entry
 *
 * The list registers are empty then. An interrupt of the VM that comes from now on ends the guest's
 * run, as does any that comes while its own interface is loaded: vgic_notify().
 *
 * Return: VGIC_NO_SIGNAL. Or what is signalled: nothing is lent, and the VM's interrupts are in
 * list registers.
 */
enum vgic_signal vgic_lend(struct vcpu *vcpu);

/*
 * The end of it, first at the next exit: the VM's interface is in the hardware again, without an
 * interrupt. The caller has written 0 to the list registers that it used.
 */
void vgic_end_loan(struct vcpu *vcpu);

/* Before an entry in which the interface is the VM's: fill the list registers, if one is missing. */
void vgic_refill(struct vcpu *vcpu);

/* PPIs that are active and forwarded: a guest's EOI of a list register may end the physical one. */
u32 vgic_forwarded(const struct vcpu *vcpu);
/* Such a PPI has been ended in that way. */
void vgic_end_forwarded(struct vcpu *vcpu, u32 intid);
/* Deactivate an interrupt of the VM, whatever the guest's EOImode. INTIDs that are none: nothing */
void vgic_deactivate(struct vcpu *vcpu, u32 intid);
/* Whether what these functions did needs the host, which is to wake other vCPUs: no entry then. */
static inline bool vgic_must_leave(const struct vcpu *vcpu)
{
	return vcpu->vgic->leave;
}

/* The opposite of vgic_forward(): from now on the level of the input is what vgic_set_timer() says. */
void vgic_stop_forwarding(struct vcpu *vcpu, u32 intid, bool level);

/* ---- inside vgic/; vgic->lock is held unless the comment says otherwise ---- */

/*
 * The interrupt @intid as @vcpu sees it; NULL if the VM has none. The lock is needed for its state,
 * not to find it.
 */
struct vgic_irq *vgic_irq_of(struct vcpu *vcpu, u32 intid);

/*
 * The state of @irq has changed: update the busy bitmap, and make its vCPU fold and fill at its
 * next entry. Return: that vCPU, for vgic_notify(), or NULL.
 */
struct vcpu *vgic_changed(struct vcpu *vcpu, u32 intid, struct vgic_irq *irq);

/* Merge @vcpu's list registers back into its interrupts' state; loaded here, or nowhere. */
void vgic_fold(struct vcpu *vcpu);

/* vgic_changed() of an SGI or PPI of @vcpu that has become pending. */
static inline void vgic_has_pended(struct vcpu *vcpu, u32 intid)
{
	struct vgic_cpu *v = vcpu->vgic;

	__atomic_store_n(&v->busy, v->busy | BIT(intid), __ATOMIC_RELAXED);
	vcpu_set_attention(vcpu);
}

/* The index of the vCPU that was created first: a GICv2's SPI goes there if it has no target. */
static inline u16 vgic_first_vcpu(const struct vgic *vgic)
{
	return vgic->frame[0];
}

/* The vCPU with this index, or NULL. */
static inline struct vcpu *vgic_vcpu(struct vm *vm, u32 index)
{
	return index < VM_VCPUS_MAX ? __atomic_load_n(&vm->vcpus[index], __ATOMIC_ACQUIRE) : NULL;
}

/*
 * Make @owner see soon what vgic_changed() noted; @vcpu, loaded here, is the cause. If @owner runs
 * on another CPU, that CPU's maintenance interrupt is made pending, which is EL2's while a guest
 * runs, and which the host's handler ignores. If @owner's thread sleeps in WFI, @vcpu leaves to the
 * host, which wakes it. Otherwise @owner reads vcpu->attention before it runs. @owner may be NULL.
 */
void vgic_notify(struct vcpu *vcpu, struct vcpu *owner);

/* The places of LPIs that are not free. */
static inline void vgic_set_lpi_busy(struct vgic_cpu *v, u64 busy)
{
	u64 others = v->busy & ~VGIC_BUSY_LPIS;

	v->lpi_busy = busy;
	__atomic_store_n(&v->busy, busy ? others | VGIC_BUSY_LPIS : others, __ATOMIC_RELAXED);
}

/* The next entry of @vcpu, loaded here, is an exit: the host has something to do for it. */
static inline void vgic_leave(struct vcpu *vcpu)
{
	vcpu->vgic->leave = true;
	vcpu_set_attention(vcpu);
}

/* No LPI is in this place any more. */
static inline void vgic_free_lpi(struct vgic_cpu *v, u32 place)
{
	v->lpi[place].intid = 0;
	vgic_set_lpi_busy(v, v->lpi_busy & ~BIT(place));
}

/* Whether the VM has LPIs. No lock. */
static inline bool vgic_has_lpis(const struct vgic *vgic)
{
	return __atomic_load_n(&vgic->typer, __ATOMIC_RELAXED) & GICD_TYPER_LPIS;
}

/* The part of vgic_host_reg() that is about the CPU interface. @encoding: of REG_NUM() */
int __must_check vgic_host_icc(struct vcpu *vcpu, u64 encoding, bool write, u64 *value);
/* The same of a GICv2: GICC's registers, by offset. */
int __must_check vgic_host_gicc(struct vcpu *vcpu, u64 offset, bool write, u64 *value);

/* Whether EL2 itself drives that input of the vCPU. No lock. */
bool vgic_drives(const struct vcpu *vcpu, u64 intid);

/*
 * The index that an affinity names, whether or not the VM has that vCPU; VGIC_NO_VCPU. The inverse
 * of mpidr_of() in vm/vcpu.c: affinity 0 has 16 values.
 */
static inline u16 vgic_index_of(u32 affinity)
{
	u32 index = (affinity & 0xf) | ((affinity >> 8) & 0xff) << 4 |
		    ((affinity >> 16) & 0xff) << 12;

	return (affinity & 0xff0000f0) || index >= VM_VCPUS_MAX ? VGIC_NO_VCPU : (u16)index;
}

static inline bool vgic_irq_pending(const struct vgic_irq *irq)
{
	return irq->latch || irq->lr_latch || (!irq->edge && irq->line);
}

/* Whether [@a, @a + @a_size) and [@b, @b + @b_size) have an address in common. */
static inline bool vgic_frames_overlap(u64 a, u64 a_size, u64 b, u64 b_size)
{
	return a < b + b_size && b < a + a_size;
}

static inline u64 vgic_region_size(const struct vgic_region *region)
{
	return (u64)VGIC_REDIST_SIZE * region->count;
}

#ifdef KEEL_DEBUG
/**
 * vgic_sane() - whether the state of a VM's vGIC fits together, at any time between two changes
 * @intid: out: the interrupt that the answer is about, if it is about one
 *
 * vgic->lock held. Changes nothing, and takes as long as the VM has interrupts: it is for tests.
 * Debug builds call the two functions below instead, each for what it may have changed.
 *
 * An interrupt is in a list register if it says so, and in one only; it is marked busy if it is
 * pending, active or in a list register, and not otherwise; it has requests only while it is in a
 * list register, a home only while it is active or in one, and is forwarded if its vCPU's bitmap
 * says so. An LPI has a place only while it is pending, and only one; the vCPU is marked busy while
 * one has, and knows which list registers hold LPIs. A vCPU that is not loaded has nothing in list
 * registers, and nothing forwarded. Frames do not overlap, and each redistributor has a vCPU of its
 * own.
 *
 * Return: what is not so, in words; NULL if all is.
 */
const char *vgic_sane(struct vm *vm, u32 *intid);
/* The part of it that is @vcpu's: list registers and what is in them, SGIs and PPIs. */
const char *vgic_cpu_sane(struct vcpu *vcpu, u32 *intid);
/* The part of it that is about SPIs @first to @first + @count - 1. */
const char *vgic_spis_sane(struct vm *vm, u32 first, u32 count, u32 *intid);
#endif

#endif
