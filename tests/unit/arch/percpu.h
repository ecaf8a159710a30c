/* SPDX-License-Identifier: BSD-2-Clause */
/* The running CPU's own structure, fake: whichever the test says. */
#ifndef KEEL_ARCH_PERCPU_H
#define KEEL_ARCH_PERCPU_H

struct percpu;

extern struct percpu *fake_cpu;

static inline struct percpu *this_cpu(void)
{
	return fake_cpu;
}

static inline void set_this_cpu(struct percpu *cpu)
{
	fake_cpu = cpu;
}

#endif
