/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The structures of VMs and vCPUs. All of a VM lies in memory that the host donated for it; the
 * host knows VMs by handle only.
 *
 * Locks, in the order of lib/lock_rank.h: vm->lock guards the VM's set of vCPUs, memory, donations
 * and allocations from its pool; vm->s2.stage2.lock, vm->vgic->lock and vm->pool.lock guard what
 * their names say. A running vCPU is owned by the CPU that runs it: vcpu->owner, set by
 * compare-and-exchange. Only the owner touches a vCPU's registers, so they need no lock.
 */
#ifndef KEEL_VM_VM_H
#define KEEL_VM_VM_H

#include <arch/spinlock.h>
#include <cpu/percpu.h>
#include <keel/hypercall.h>
#include <lib/types.h>
#include <mm/ownership.h>
#include <mm/page_pool.h>
#include <vm/s2_context.h>
#include <vm/vcpu_regs.h>

/* Registers of ID fields that userspace can lower: enum id_reg's first (cpu/features.h). */
#define VM_ID_REGS 16

#define VM_VCPUS_MAX	   KEEL_VCPUS_MAX
#define VCPU_NO_OWNER	   (~0U)
#define VCPU_NO_STEAL_TIME (~0ULL)

struct vgic; /* vgic/vgic.h */
struct vgic_cpu;
struct spe_vcpu;    /* spe/spe_vcpu.h */
struct nested_vcpu; /* nested/nested_regs.h */
struct shadow_set;  /* nested/shadow.h */
struct exit_stage;  /* exit.h */
struct exit_handlers;
struct vm;

/* Layers that can see each exit of a vCPU. */
#define VCPU_STAGES_MAX 2

/* PSCI's power state; any CPU may change it, atomically. */
enum vcpu_power {
	VCPU_RUNNABLE = KEEL_STATE_RUNNABLE,
	VCPU_STOPPED = KEEL_STATE_STOPPED,
	VCPU_STARTING = 3, /* claimed by a CPU_ON that is writing on_pc and on_x0; for a moment */
};

/*
 * The run state of a vCPU, for CPUs that have an interrupt for it. The owner changes it; other CPUs
 * change it from HERE to KICKED only. All accesses are atomic: see vcpu_kick().
 */
enum vcpu_place {
	VCPU_AWAY,   /* on no CPU; it looks for interrupts before its guest runs */
	VCPU_WAITS,  /* on no CPU, and its thread sleeps until it is woken: KEEL_EXIT_WFI */
	VCPU_HERE,   /* on a CPU */
	VCPU_KICKED, /* on a CPU, and another CPU has told it to look for interrupts */
};

struct vcpu {
	struct vcpu_gpregs regs; /* first: enter.S */
	struct vm *vm;
	struct s2_context *s2; /* what it runs in: the VM's own, or a shadow */
	u64 *sysreg;	       /* register file: VCPU_SYSREG_BYTES, see vcpu_regs.h */
	struct vcpu_fpstate *fp;
	struct keel_run *run; /* the run page, which the host can write at any time: run_page.h */
	struct vgic_cpu *vgic;
	struct spe_vcpu *spe; /* NULL without the feature */
	/* exit.h: its stages, the outermost first, ended by NULL */
	const struct exit_stage *stages[VCPU_STAGES_MAX + 1];
	/* exit.h: what enter.S calls for synchronous exceptions; NULL if the vCPU has stages */
	const struct exit_handlers *handlers;
	/* the fast exit of one of the stages, for exceptions of fast_classes */
	u64 fast_classes; /* BIT(exception class); BIT(EXIT_HAS_EARLY); 0 without a fast exit */
	struct vcpu *(*fast_exit)(struct vcpu *vcpu);
	/* and the early exit, for exceptions of early_classes, of which none is in fast_classes */
	bool (*early_exit)(struct vcpu *vcpu);
	u64 early_classes;
	unsigned int index;
	unsigned int number; /* how many vCPUs the VM had before this one */
	u64 mpidr;	     /* MPIDR_EL1 as the guest sees it */
	u64 features;	     /* KVM_ARM_VCPU_* bits of KEEL_HC_VCPU_INIT */
	u64 id_known;	     /* BIT(enum id_reg): those that are in @id, final */
	u64 id[VM_ID_REGS];  /* ID registers that the guest has read: id_reg_read() */
	unsigned int sve_vq; /* longest vector that it may use, in quadwords; 0: not chosen yet */
	bool initialized;
	u64 run_failed;	    /* 1: an access to the run page has faulted; it runs no more */
	unsigned int owner; /* CPU that holds it, or VCPU_NO_OWNER */
	unsigned int
		last_cpu; /* where it ran last, for TLB maintenance; VCPU_NO_OWNER for nowhere */
	u32 power;	  /* enum vcpu_power */
	u64 steal_ipa;	  /* where the host keeps its stolen time, or VCPU_NO_STEAL_TIME */
	/* PSCI CPU_ON's request, valid while @power goes from STOPPED to RUNNABLE */
	u64 on_pc, on_x0;
	bool on_big_endian; /* the caller's SCTLR_EL1.EE */
	bool on_pending;
	u32 place;		  /* enum vcpu_place */
	bool attention;		  /* a hook's .enter has work: vcpu_set_attention() */
	const struct percpu *cpu; /* the CPU it is on, or was on last; set before @place */
	u64 irq_pc;	   /* vcpu_host_waits(): the PC at the last interrupt that EL2 handled */
	bool spe_ready;	   /* KEEL_SPE_INIT was done: it can run */
	bool ptimer_level; /* the level of PPI 30 that the vGIC was last given: timer.c */
	u64 alarm;	   /* counter value at which EL2 wants the CPU, 0 for never: timer.h */
	/* the stage 2 fault of KEEL_EXIT_FAULT: valid until the next run */
	bool fault_pending;
	u64 fault_esr, fault_ipa, fault_far;
	u64 again_pc, again_far; /* the instruction last repeated, trap/error.h: its PC + 1, FAR */
	u8 call_pending;  /* guest_smccc.c: what the host was asked for; valid until the next run */
	u64 call_cntvoff; /* the offset of the virtual count that the caller has */
	/* trap/set_way.h: writes of translation registers trap, and up to which IPA the VM's memory
	 * has been flushed from caches for the instruction at flush_pc; 0 if none is in progress */
	bool trap_vm_regs;
	union {
		struct {
			bool serror_pending; /* a virtual SError; while loaded: what VSE was set to */
			bool has_tags; /* VCPU_MTE: the registers of memory tags are its own */
		};
		u16 unusual; /* whether there is any of them, by one look */
	};
	u64 flush_pc, flush_at;
	struct nested_vcpu *nested; /* its virtual EL2; NULL without the feature */
};

STATIC_ASSERT(__builtin_offsetof(struct vcpu, regs) == VCPU_GPREGS, "enter.S");
STATIC_ASSERT(__builtin_offsetof(struct vcpu, handlers) == VCPU_HANDLERS, "enter.S");
STATIC_ASSERT(__builtin_offsetof(struct vcpu, fast_classes) == VCPU_HANDLERS + 8, "enter.S");
STATIC_ASSERT(__builtin_offsetof(struct vcpu, fast_exit) == VCPU_FAST_EXIT, "enter.S");
STATIC_ASSERT(__builtin_offsetof(struct vcpu, early_exit) == VCPU_EARLY_EXIT, "enter.S");
STATIC_ASSERT(__builtin_offsetof(struct vcpu, early_classes) == VCPU_EARLY_EXIT + 8, "enter.S");
STATIC_ASSERT(__builtin_offsetof(struct vcpu, attention) == VCPU_ATTENTION, "enter.S");

enum vm_state { VM_LIVE, VM_DYING };

/* Whether the vCPUs of a VM have SPE: the first one that is initialized decides for all. */
enum vm_spe { VM_SPE_UNDECIDED, VM_SPE_WITHOUT, VM_SPE_WITH };

/* Whether the vCPUs of a VM have an EL2: the first one that is initialized decides for all. */
enum vm_el2 { VM_EL2_UNDECIDED, VM_EL2_WITHOUT, VM_EL2_VHE, VM_EL2_NVHE };

/* Whether the vCPUs of a VM have memory tags: likewise. */
enum vm_mte { VM_MTE_UNDECIDED, VM_MTE_WITHOUT, VM_MTE_WITH };

/* Bytes that a vCPU has for its EL2, aligned to a page; asserted in nested/nested_regs.c. */
#define VCPU_NESTED_BYTES 8192

/* Bytes that a vCPU has for its SPE; asserted in spe/spe_vcpu.c. */
#define VCPU_SPE_BYTES 512

struct donation_page; /* donation.h */

/* Memory that was unmapped and is not yet clean in the caches: guest_mem.c, under vm->lock. */
struct vm_unclean {
	struct pa pa;
	u64 size; /* 0 for none */
};

/* Why memory leaves a VM's shadows. */
enum vm_leaving_for {
	VM_LEAVES_HOST,	    /* the VM has lost it: it is the host's alone */
	VM_LEAVES_DEVICE,   /* likewise, and it has no owner */
	VM_LEAVES_READABLE, /* it stays the VM's, which may not write to it any more */
};

/* Memory that the VM's own stage 2 has lost, and its shadows may still have: likewise. */
struct vm_leaving {
	struct pa pa;
	u64 size; /* 0 for none */
	enum vm_leaving_for why;
};

struct vm {
	struct spinlock lock;
	u64 handle;
	enum vm_state state;
	bool dic;	       /* CTR_EL0.DIC: no instruction cache need be invalidated */
	struct s2_context s2;  /* its own: it translates guest physical addresses */
	struct page_pool pool; /* donated pages that are free: for objects and @s2's tables */
	u64 donated_pages;
	u64 cntvoff;	    /* CNTVOFF_EL2 of all vCPUs */
	u32 psci_version;   /* the version that userspace chose; 0 for the newest */
	bool has_run;	    /* a vCPU was loaded: what guests can read is final */
	u64 id_set;	    /* the ID registers that userspace wrote, BIT(enum id_reg) */
	u64 id[VM_ID_REGS]; /* their values: no field is above what the machine has */
	u32 spe;	    /* enum vm_spe; atomic */
	u32 el2;	    /* enum vm_el2; atomic */
	u32 mte;	    /* enum vm_mte; atomic */
	u32 spe_intid;	    /* the profiling interrupt of all vCPUs, 0 until chosen; atomic */
	u64 smccc_off[3];   /* services that userspace turned off, by group (guest_smccc.h) */
	struct vgic *vgic;  /* NULL until KEEL_HC_VGIC_INIT */
	/*
	 * All registers of the vGIC that EL2 emulates are within these bytes from vgic_first on; other
	 * things may be, too. 0 bytes while it has none. Written under lock, read without: an access of the
	 * guest while its vGIC gets its place is the host's or the vGIC's.
	 */
	u64 vgic_first, vgic_span;
	struct shadow_set *shadows;	  /* NULL if no vCPU has an EL2; set once, under lock */
	unsigned int nr_vcpus;		  /* created so far */
	struct vcpu *vcpus[VM_VCPUS_MAX]; /* by index; set once, read with acquire */
	struct ownership_party party;	  /* this VM as a party of transitions */
	struct vm_unclean unclean;	  /* left by the last unmap */
	struct vm_leaving leaving;	  /* by that, or by the last vm_protect() */
	struct donation_page *donations;  /* records of donations, newest first; see donation.h */
	u64 check_ipa;			  /* where vm_mem_check() continues; under lock */
	/* the progress of KEEL_HC_VM_DESTROY */
	u64 destroy_ipa;
	unsigned int destroy_vcpu;
};

#endif
