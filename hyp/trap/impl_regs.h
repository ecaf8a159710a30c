/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers that say which CPU it is and what caches it has: MIDR, REVIDR, AIDR, CTR, CLIDR,
 * CCSIDR. CPUs of one machine can differ in them, and a vCPU moves from one to another. So
 * userspace is told of the boot CPU's, and CTR_EL0 as it is for all CPUs; a guest reads the
 * hardware where that says the same, and on a CPU where it does not, what describes caches traps
 * (HCR_EL2.TID2).
 */
#ifndef KEEL_TRAP_IMPL_REGS_H
#define KEEL_TRAP_IMPL_REGS_H

#include <cpu/features.h>

/* CCSIDR_EL1 by CSSELR_EL1's value: level and, in bit 0, whether it is the instruction cache. */
#define CCSIDR_COUNT 14

struct impl_regs {
	u64 midr, revidr, aidr, clidr;
	u64 ccsidr[CCSIDR_COUNT]; /* 0 where there is no cache */
};

/* The boot CPU: what the machine is told to be. Needs its own CSSELR_EL1 for a moment. */
void impl_regs_init(void);

/* What impl_regs_init() found. */
const struct impl_regs *impl_regs_machine(void);

/* Whether the machine has the cache that a value of CSSELR_EL1 names. */
bool impl_regs_has_cache(u64 csselr);

/**
 * impl_regs_traps() - what of this CPU is not as the machine is said to be
 * @id:      this CPU's own ID registers
 * @machine: the machine's
 *
 * Return: bits of HCR_EL2: TID2, if what describes its caches differs; TDZ, if DC ZVA is prohibited
 * because CPUs clear blocks of different sizes.
 */
u64 impl_regs_traps(const struct cpu_id_regs *id, const struct cpu_features *machine);

#endif
