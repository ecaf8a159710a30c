/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EL1's registers, accessed from EL2. With HCR_EL2.E2H=1 the plain names access EL2's own
 * registers, and EL1's have other names (ARM DDI 0487, D8.3.5), so each access chooses by E2H.
 */
#ifndef KEEL_ARCH_EL1_H
#define KEEL_ARCH_EL1_H

#include <arch/barrier.h>
#include <arch/reg_bits.h>
#include <arch/sysreg.h>

static inline bool el2_is_e2h(void)
{
	return (read_sysreg(hcr_el2) & HCR_E2H) != 0;
}

#define DEFINE_EL1_REG(name, el1, reg)                                                   \
	static inline u64 read_el1_##name(void)                                          \
	{                                                                                \
		return el2_is_e2h() ? read_sysreg(ASM_REG_EL12(reg)) : read_sysreg(el1); \
	}                                                                                \
	static inline void write_el1_##name(u64 value)                                   \
	{                                                                                \
		if (el2_is_e2h())                                                        \
			write_sysreg(value, ASM_REG_EL12(reg));                          \
		else                                                                     \
			write_sysreg(value, el1);                                        \
	}

DEFINE_EL1_REG(sctlr, sctlr_el1, SCTLR_EL1)
DEFINE_EL1_REG(sctlr2, ASM_REG(SCTLR2_EL1), SCTLR2_EL1)
DEFINE_EL1_REG(tcr2, ASM_REG(TCR2_EL1), TCR2_EL1)
DEFINE_EL1_REG(gcscr, ASM_REG(GCSCR_EL1), GCSCR_EL1)
DEFINE_EL1_REG(tcr, tcr_el1, TCR_EL1)
DEFINE_EL1_REG(spsr, spsr_el1, SPSR_EL1)
DEFINE_EL1_REG(elr, elr_el1, ELR_EL1)
DEFINE_EL1_REG(esr, esr_el1, ESR_EL1)
DEFINE_EL1_REG(far, far_el1, FAR_EL1)
DEFINE_EL1_REG(zcr, ASM_REG(ZCR_EL1), ZCR_EL1)
DEFINE_EL1_REG(trfcr, ASM_REG(TRFCR_EL1), TRFCR_EL1)
DEFINE_EL1_REG(brbcr, ASM_REG(BRBCR_EL1), BRBCR_EL1)
DEFINE_EL1_REG(pmscr, ASM_REG(PMSCR_EL1), PMSCR_EL1)
DEFINE_EL1_REG(vbar, vbar_el1, VBAR_EL1)
DEFINE_EL1_REG(ttbr0, ttbr0_el1, TTBR0_EL1)
DEFINE_EL1_REG(ttbr1, ttbr1_el1, TTBR1_EL1)
DEFINE_EL1_REG(mair, mair_el1, MAIR_EL1)
DEFINE_EL1_REG(amair, amair_el1, AMAIR_EL1)
DEFINE_EL1_REG(cpacr, cpacr_el1, CPACR_EL1)
DEFINE_EL1_REG(contextidr, contextidr_el1, CONTEXTIDR_EL1)

/*
 * Disable walks of EL1's tables: first by TCR_EL1, then turn the MMU on, since with the MMU off an
 * AT has a result without a walk.
 */
static inline void el1_walks_off(u64 tcr, u64 sctlr)
{
	write_el1_tcr(tcr | TCR_EPD0 | TCR_EPD1);
	isb();
	write_el1_sctlr(sctlr | SCTLR_M);
	isb();
}

/* The opposite, when all other registers have their new values. */
static inline void el1_walks_on(u64 tcr, u64 sctlr)
{
	isb();
	write_el1_sctlr(sctlr);
	isb();
	write_el1_tcr(tcr);
}

#endif
