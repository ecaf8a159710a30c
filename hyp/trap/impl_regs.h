/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers that identify the CPU and describe its caches: MIDR, REVIDR, AIDR, CTR, CLIDR, CCSIDR.
 * CPUs of one machine can differ in them, and a vCPU can move from one to another. So userspace
 * sees the boot CPU's values, and a CTR_EL0 that is valid for all CPUs. A guest reads the
 * hardware's; but on a CPU whose caches differ from these values, the registers that describe
 * caches trap (HCR_EL2.TID2).
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

/* On the boot CPU: read its values, which become the machine's. Changes CSSELR_EL1 meanwhile. */
void impl_regs_init(void);

/* The values that impl_regs_init() has read. */
const struct impl_regs *impl_regs_machine(void);

/* Whether the machine has the cache that a value of CSSELR_EL1 names. */
bool impl_regs_has_cache(u64 csselr);

/**
 * impl_regs_traps() - which registers must trap on this CPU, because it differs from the machine
 * @id:      this CPU's own ID registers
 * @machine: the machine's
 *
 * Return: bits of HCR_EL2: TID2 if its caches differ; TDZ if DC ZVA is prohibited because CPUs
 * clear blocks of different sizes.
 */
u64 impl_regs_traps(const struct cpu_id_regs *id, const struct cpu_features *machine);

#endif
