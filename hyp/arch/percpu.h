/* SPDX-License-Identifier: BSD-2-Clause */
/* The running CPU's own structure, in TPIDR_EL2. */
#ifndef KEEL_ARCH_PERCPU_H
#define KEEL_ARCH_PERCPU_H

struct percpu;

/* NULL until boot has given this CPU its structure. */
static inline struct percpu *this_cpu(void)
{
	struct percpu *cpu;

	/* Not volatile: the pointer does not change on a CPU. */
	__asm__("mrs %0, tpidr_el2" : "=r"(cpu));
	return cpu;
}

static inline void set_this_cpu(struct percpu *cpu)
{
	__asm__ volatile("msr tpidr_el2, %0" : : "r"(cpu) : "memory");
}

#endif
