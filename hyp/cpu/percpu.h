/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The data of each CPU. TPIDR_EL2 points to the running CPU's structure (this_cpu() is in
 * arch/percpu.h, and in the tests' fake of it). Boot makes the structure and both stacks before the
 * CPU is started, and they are never freed: a CPU that goes off and on again finds them unchanged.
 */
#ifndef KEEL_CPU_PERCPU_H
#define KEEL_CPU_PERCPU_H

#define KEEL_MAX_CPUS 512

/* Offsets that assembly uses; checked against the structure below. */
#define PERCPU_STACK_TOP     0
#define PERCPU_EMERGENCY_TOP 8
#define PERCPU_VCPU	     16 /* vcpu, stop */

#ifndef __ASSEMBLY__
#include <lib/types.h>

struct vcpu;
struct vm_cpu;

/* No two CPUs' in one cache line: each writes its own all the time. */
struct percpu {
	u64 stack_top;	   /* one past the stack's highest byte, 16-aligned */
	u64 emergency_top; /* stack for the panic that follows a stack overflow */
	struct vcpu *vcpu; /* the guest that has the CPU, NULL while the host has it: vectors.S */
	u64 stop;	   /* not 0 once a CPU has begun to panic: enter.S looks at it */
	unsigned int id;   /* index in the order of the device tree's CPUs, 0 at boot */
	struct vm_cpu *vm_cpu; /* vm/switch.h; NULL until the CPU can run guests */
	u64 mpidr;	       /* MPIDR_EL1 affinity fields */
	u64 window_va;	       /* this CPU's pages for temporary mappings (mm/el2_map.h) */
	u64 *window_pte;       /* their descriptors */
	u64 window_attrs[2];   /* what that says beside the address: EL2_R, EL2_RW */
	u64 alias_va;	       /* its page for an alias (mm/el2_map.h), and the descriptor */
	u64 *alias_pte;
	void *gicr; /* SGI frame of its redistributor, or the GICv2's distributor; NULL */
	/* how EL2 interrupts it while it has a guest, and takes that back (vgic/): a register, and what
	 * is written there */
	void *kick_reg, *unkick_reg;
	u32 kick_value, unkick_value;
	bool trace_buffer; /* it has a trace buffer unit for EL1: vm/host_trace.c */
	/* its GIC CPU interface (vgic/): list registers, 0 without one; active-priority registers;
	 * whether ICC_DIR_EL1 can trap */
	u8 nr_lrs, nr_aprs;
	bool has_tdir;
	bool ras;	/* it has FEAT_RAS: vm/switch.h */
	u32 withheld;	/* what EL3 keeps from EL2: cpu/withheld.h */
	u32 locks_held; /* debug builds: BIT(enum lock_rank) of each lock that it holds */
	bool panicking; /* this CPU is already printing its panic */
	u64 hypercalls; /* of the host on this CPU: host/hypercall.c */
} __aligned(64);

/*
 * By id; NULL beyond the machine's CPUs. Written at boot. A CPU that comes up finds its structure
 * here, by the id that CPU_ON passed (boot/head.S).
 */
extern struct percpu *percpu_table[KEEL_MAX_CPUS];

STATIC_ASSERT(__builtin_offsetof(struct percpu, stack_top) == PERCPU_STACK_TOP, "vectors.S");
STATIC_ASSERT(__builtin_offsetof(struct percpu, emergency_top) == PERCPU_EMERGENCY_TOP,
	      "vectors.S");
STATIC_ASSERT(__builtin_offsetof(struct percpu, vcpu) == PERCPU_VCPU, "vectors.S");
STATIC_ASSERT(__builtin_offsetof(struct percpu, stop) == PERCPU_VCPU + 8, "vectors.S");
#endif
#endif
