/* SPDX-License-Identifier: BSD-2-Clause */
/* Moving a vCPU's system registers onto a CPU and off it; inside vm/ only. */
#ifndef KEEL_VM_SWITCH_H
#define KEEL_VM_SWITCH_H

#include <arch/barrier.h>
#include <arch/percpu.h>
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

/* What a CPU keeps for its host while a guest has the hardware; one for each CPU, for ever. */
struct vm_cpu {
	u64 sysreg[VCPU_SYSREG_COUNT]; /* the host's EL1 registers; only those that are switched */
	u64 elr, spsr;		       /* where the host's hypercall returns to */
	u64 hcr, cptr, mdcr, cnthctl, cntvoff, vtcr, vttbr, vpidr, vmpidr, hcrx;
	u64 hfgrtr, hfgwtr, hfgitr, hdfgrtr, hdfgwtr;
	struct vm_rare_controls rare;
	struct guest_traps traps;     /* what EL2 controls a guest by, here */
	struct host_spe spe;	      /* the host's profiling... */
	struct host_trace trace;      /* ... and trace */
	struct vcpu_fpstate *host_fp; /* valid while @host_fp_out */
	u64 host_fpmr;		      /* likewise, if @host_streaming */
	bool controls_saved;	  /* @hcr to @rare are the host's for as long as the CPU is up */
	unsigned int sve_longest; /* vector, in quadwords; 0 without SVE */
	bool host_fp_out;    /* the FP registers are not the host's: it traps when it uses them */
	bool host_streaming; /* ... and it left in Streaming SVE mode: it gets them back at once */
	bool guest_fp_in;    /* the FP registers are the loaded vCPU's */
	bool debug_live;     /* breakpoints and watchpoints are the loaded vCPU's (trap/debug.h) */
	struct vcpu *vcpu;   /* loaded here, or NULL */
	/* The host has a virtual SError of this syndrome (VSESR_EL2), or has taken it
	 * since it last ran a guest: its HCR_EL2 has AMO. What the host has in
	 * DISR_EL1 while a guest is loaded. */
	bool serror_pending;
	u64 serror_syndrome;
	u64 disr;
};

/* Give each CPU its struct vm_cpu; boot. Return: 0; -ENOMEM. */
int __must_check switch_init(struct page_pool *pool, unsigned int nr_cpus);

/* NULL on a machine without VMs. */
static inline struct vm_cpu *this_vm_cpu(void)
{
	return this_cpu()->vm_cpu;
}

/*
 * A CPU has come up and is about to run its host: how it controls guests. On that CPU. Return:
 * whether it may; false if it lacks a length of SVE vectors that a vCPU or userspace was told of.
 */
bool __must_check switch_cpu_online(void);

/*
 * Vector lengths of SVE that every CPU has that has come up: BIT(quadwords - 1); 0 without SVE.
 * Final once it was asked: CPUs that lack one of them are kept out.
 */
u64 switch_sve_vqs(void);

/* The host's EL1 state out, the guest's in; then EL2's controls for a guest. */
void switch_to_guest(struct vcpu *vcpu);

/* What of the loaded vCPU decides about HCR_EL2 has changed. */
void switch_update_hcr(struct vcpu *vcpu);

/* The opposite. The guest's FP registers, if it used them, are saved too. */
void switch_to_host(struct vcpu *vcpu);

/* Of the two below: what is seldom there, or wanted. */
bool switch_serror_is_pending(void);
void switch_keep_disr(void);

/**
 * switch_serror_found() - make what there is of SErrors pending, and look
 *
 * EL2 is above who would take it, or has it masked: with FEAT_RAS, ESB puts it into DISR_EL1.
 * Inline, as the next: each run asks both.
 *
 * Return: whether there is one: one of switch_take_...() is next.
 */
static inline bool switch_serror_found(void)
{
	if (unlikely(!this_cpu()->ras))
		return switch_serror_is_pending();
	esb();
	return read_sysreg(ASM_REG(DISR_EL1)) & DISR_A;
}

/* The same before a guest is loaded: what is in DISR_EL1 is the host's, and is put aside. */
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
 * No guest is loaded: with FEAT_RAS the SError that was found is the host's virtual one from now
 * on. Without, it stays pending, and EL1 takes it.
 */
void switch_take_host_serror(void);

/* A vCPU is loaded. Return: ESR_EL2 of the SError that was found; 0 if it has gone. */
u64 switch_take_guest_serror(void);

/* Have the host of this CPU take a virtual SError, with this ESR_EL2, when it runs (again). */
void switch_host_serror(u64 esr);

/* Have the guest take one. The vCPU is loaded. */
void switch_guest_serror(struct vcpu *vcpu);

/* Whether the vCPU has one that it has not taken. By its owner. */
bool switch_serror_waits(struct vcpu *vcpu);

/* The guest used FP or SVE: put its registers in place. */
void switch_guest_fp(struct vcpu *vcpu);

/**
 * switch_host_fp() - the host used FP, SVE or SME and it trapped: give it its registers back
 *
 * Return: whether that was why it trapped.
 */
bool switch_host_fp(void);

/**
 * switch_host_trace() - an access of the host trapped: has it begun to use trace or branch records?
 * @esr: ESR_EL2, of class ESR_EC_SYS64
 *
 * Return: whether that was why it trapped. It does not any more: have the host repeat it.
 */
bool switch_host_trace(u64 esr);

#endif
