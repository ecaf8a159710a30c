/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The world switch: a vCPU's system registers onto a CPU and off it. The functions that load and
 * put are vm/'s own; the layers above look at struct vm_cpu (this_vm_cpu()) and ask about SErrors,
 * vector lengths and HCR_EL2.
 */
#ifndef KEEL_VM_SWITCH_H
#define KEEL_VM_SWITCH_H

#include <arch/barrier.h>
#include <arch/percpu.h>
#include <arch/regs.h>
#include <arch/sysreg.h>
#include <cpu/percpu.h>
#include <lib/esr.h>
#include <vm/guest_traps.h>
#include <vm/host_spe.h>
#include <vm/host_trace.h>
#include <vm/vm.h>

/* Controls that few CPUs have. */
struct vm_rare_controls {
	u64 hfgrtr2, hfgwtr2, hfgitr2, hdfgrtr2, hdfgwtr2, mpam2, mpamhcr;
};

/* A CPU's part of the world switch, with the host's registers while a guest is loaded. */
struct vm_cpu {
	u64 sysreg[VCPU_SYSREG_COUNT]; /* the host's EL1 registers that are switched */
	u64 elr, spsr;		       /* of the host's hypercall */
	u64 hcr, cptr, mdcr, cnthctl, cntvoff, vtcr, vttbr, vmpidr, hcrx;
	u64 hfgrtr, hfgwtr, hfgitr, hdfgrtr, hdfgwtr;
	struct vm_rare_controls rare;
	struct guest_traps traps;     /* EL2's controls for guests on this CPU */
	struct host_spe spe;	      /* the host's profiling */
	struct host_trace trace;      /* the host's trace and branch records */
	struct vcpu_fpstate *host_fp; /* valid while @host_fp_out */
	u64 host_fpmr;		      /* likewise, if @host_streaming */
	bool controls_saved;	      /* @hcr to @rare are valid, until the CPU goes down */
	unsigned int sve_longest;     /* the longest vector, in quadwords; 0 without SVE */
	bool host_fp_out;	      /* the FP registers are not the host's: FP traps for it */
	bool host_streaming; /* the host was in Streaming SVE mode: restored already at put */
	bool guest_fp_in;    /* the FP registers are the loaded vCPU's */
	bool debug_live;     /* breakpoints and watchpoints are the loaded vCPU's (trap/debug.h) */
	struct vcpu *vcpu;   /* the loaded vCPU, or NULL */
	/* The host has a virtual SError pending, or has taken one since it last ran a guest: its
	 * HCR_EL2 has AMO */
	bool serror_pending;
	u64 serror_syndrome; /* of it, for VSESR_EL2 */
	u64 disr;	     /* the host's DISR_EL1 while a guest is loaded */
};

/* Allocate each CPU's struct vm_cpu. Boot CPU, once. Return: 0; -ENOMEM. */
int __must_check switch_init(struct page_pool *pool, unsigned int nr_cpus);

/* NULL on a machine without VMs. */
static inline struct vm_cpu *this_vm_cpu(void)
{
	return this_cpu()->vm_cpu;
}

/*
 * Prepare a CPU that has come up, and is about to run the host, for guests. On that CPU. Return:
 * whether it may run; false if it lacks an SVE vector length that a vCPU or userspace was told of.
 */
bool __must_check switch_cpu_online(void);

/*
 * The SVE vector lengths that all CPUs have which have come up so far: BIT(quadwords - 1); 0
 * without SVE. Final from the first call on: CPUs that lack one of them are kept out.
 */
u64 switch_sve_vqs(void);

/* Save the host's state, load the vCPU's. By its owner; no vCPU is loaded on this CPU. */
void switch_to_guest(struct vcpu *vcpu);

/* Write HCR_EL2 again, after a field of the loaded vCPU that guest_hcr() uses has changed. */
void switch_update_hcr(struct vcpu *vcpu);

/* The same with @more bits set, and @less cleared, of a vCPU with an EL2 (hyp/nested/). */
void switch_set_hcr(struct vcpu *vcpu, u64 more, u64 less);

/* Save the loaded vCPU's state, its FP registers included if it used them; load the host's. */
void switch_to_host(struct vcpu *vcpu);

/* The uncommon parts of the two functions below. */
bool switch_serror_is_pending(void);
void switch_keep_disr(void);

/**
 * switch_serror_found() - wait for outstanding SErrors, and look whether there is one
 *
 * EL2 masks SErrors: with FEAT_RAS, ESB defers one to DISR_EL1. Inline, as the next function, since
 * each run calls both.
 *
 * Return: whether there is one. If so, the caller calls one of switch_take_...() next.
 */
static inline bool switch_serror_found(void)
{
	if (unlikely(!this_cpu()->ras))
		return switch_serror_is_pending();
	esb();
	return read_sysreg(ASM_REG(DISR_EL1)) & DISR_A;
}

/* The same, before a guest is loaded: a value in DISR_EL1 is the host's, and is saved first. */
static inline bool switch_host_serror_found(void)
{
	if (unlikely(!this_cpu()->ras))
		return switch_serror_is_pending();
	if (unlikely(read_sysreg(ASM_REG(DISR_EL1))))
		switch_keep_disr();
	esb();
	return read_sysreg(ASM_REG(DISR_EL1)) & DISR_A;
}

/*
 * Pass the SError that was found to the host; no guest is loaded. With FEAT_RAS it becomes the
 * host's virtual SError. Without it the physical SError stays pending, and EL1 takes it.
 */
void switch_take_host_serror(void);

/* While a vCPU is loaded. Return: ESR_EL2 of the SError that was found; 0 if it is gone. */
u64 switch_take_guest_serror(void);

/* Make a virtual SError with this syndrome pending for the host; it takes it when it next runs. */
void switch_host_serror(u64 esr);

/* Make a virtual SError pending for the guest of the loaded vCPU. */
void switch_guest_serror(struct vcpu *vcpu);

/* Of a guest with a virtual EL2 each of both levels has these: those banked, and SP_EL1. */
#define EL1_LEVEL_REGS(BANKED, PLAIN) EL1_BANKED_REGS(BANKED) PLAIN(SP_EL1, sp_el1)

/**
 * switch_swap_el1() - exchange EL1's registers of the loaded vCPU for those of its other level
 * @out: what they are; by the order of EL1_LEVEL_REGS
 * @in:  what they become
 *
 * Without an ISB.
 */
void switch_swap_el1(const struct vcpu *vcpu, u64 *out, const u64 *in);

/* Whether the vCPU has a virtual SError that its guest has not taken. By its owner. */
bool switch_serror_waits(struct vcpu *vcpu);

/**
 * switch_limit_sve() - the longest vectors of the next level that runs: of a vCPU with an EL2
 * @vcpu: loaded, with SVE
 * @zcr:  its hypervisor's ZCR_EL2; ~0 for that hypervisor itself
 *
 * For as long as the vectors are the vCPU's. No ISB: it counts from the next ERET on. CPTR_EL2 is
 * undefined afterwards.
 */
void switch_limit_sve(const struct vcpu *vcpu, u64 zcr);

/* The guest used FP or SVE, which trapped: load its registers. The vCPU is loaded. */
void switch_guest_fp(struct vcpu *vcpu);

/**
 * switch_host_fp() - the host used FP, SVE or SME, which trapped: load its registers
 *
 * Return: whether its registers were in memory, which is why it trapped.
 */
bool switch_host_fp(void);

/**
 * switch_host_trace() - handle the host's first access to trace or branch record registers
 * @esr: ESR_EL2 of the trapped access, of class ESR_EC_SYS64
 *
 * Return: whether it was such an access. They do not trap any more: the host repeats it.
 */
bool switch_host_trace(u64 esr);

#endif
