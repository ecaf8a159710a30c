/* SPDX-License-Identifier: BSD-2-Clause */
/* Moving a vCPU's system registers onto a CPU and off it; inside vm/ only. */
#ifndef KEEL_VM_SWITCH_H
#define KEEL_VM_SWITCH_H

#include <spe/spe_host.h>
#include <vm/guest_traps.h>
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
	struct spe_host spe;	      /* the host's profiling... */
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
};

/* Give each CPU its struct vm_cpu; boot. Return: 0; -ENOMEM. */
int __must_check switch_init(struct page_pool *pool, unsigned int nr_cpus);

struct vm_cpu *this_vm_cpu(void);

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
void switch_update_hcr(const struct vcpu *vcpu);

/* The opposite. The guest's FP registers, if it used them, are saved too. */
void switch_to_host(struct vcpu *vcpu);

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
