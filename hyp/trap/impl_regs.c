// SPDX-License-Identifier: BSD-2-Clause
/* Identification of a CPU and its caches: impl_regs.h; references are to ARM DDI 0487. */
#include <arch/barrier.h>
#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <trap/impl_regs.h>

/* CLIDR_EL1: three bits a level; data or unified, and separate instruction caches */
#define CLIDR_NONE     0
#define CLIDR_ICACHE   1
#define CLIDR_SEPARATE 3

static struct impl_regs boot_cpu;

static bool has_cache(u64 clidr, u64 csselr)
{
	u64 kind = clidr >> 3 * (csselr >> 1) & 7;

	if (csselr & 1)
		return kind == CLIDR_ICACHE || kind == CLIDR_SEPARATE;
	return kind != CLIDR_NONE && kind != CLIDR_ICACHE;
}

static void read_caches(u64 clidr, u64 *ccsidr)
{
	u64 saved = read_sysreg(csselr_el1);

	for (u64 csselr = 0; csselr < CCSIDR_COUNT; csselr++) {
		ccsidr[csselr] = 0;
		if (!has_cache(clidr, csselr))
			continue;
		write_sysreg(csselr, csselr_el1);
		isb();
		ccsidr[csselr] = read_sysreg(ccsidr_el1);
	}
	write_sysreg(saved, csselr_el1);
	isb();
}

void impl_regs_init(void)
{
	boot_cpu.midr = read_sysreg(midr_el1);
	boot_cpu.revidr = read_sysreg(revidr_el1);
	boot_cpu.aidr = read_sysreg(aidr_el1);
	boot_cpu.clidr = read_sysreg(clidr_el1);
	read_caches(boot_cpu.clidr, boot_cpu.ccsidr);
}

const struct impl_regs *impl_regs_machine(void)
{
	return &boot_cpu;
}

bool impl_regs_has_cache(u64 csselr)
{
	return csselr < CCSIDR_COUNT && has_cache(boot_cpu.clidr, csselr);
}

static bool caches_differ(void)
{
	u64 clidr = read_sysreg(clidr_el1), ccsidr[CCSIDR_COUNT];

	if (clidr != boot_cpu.clidr)
		return true;
	read_caches(clidr, ccsidr);
	for (unsigned int i = 0; i < CCSIDR_COUNT; i++)
		if (ccsidr[i] != boot_cpu.ccsidr[i])
			return true;
	return false;
}

u64 impl_regs_traps(const struct cpu_id_regs *id, const struct cpu_features *machine)
{
	struct cpu_features own;
	u64 traps = 0;

	cpu_features_init(&own, id); /* to compare the same form of CTR_EL0 and DCZID_EL0 */
	if (own.reg[ID_REG_CTR] != machine->reg[ID_REG_CTR] || caches_differ())
		traps |= HCR_TID2;
	if (own.reg[ID_REG_DCZID] != machine->reg[ID_REG_DCZID])
		traps |= HCR_TDZ;
	return traps;
}
