/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EL1's registers as seen from EL2. With HCR_EL2.E2H=1 the plain names reach EL2's own registers
 * and EL1's have names of their own (ARM DDI 0487, D8.3.5), so each access picks by E2H.
 */
#ifndef KEEL_ARCH_EL1_H
#define KEEL_ARCH_EL1_H

#include <arch/barrier.h>
#include <arch/el2_regs.h>
#include <arch/sysreg.h>

static inline bool el2_is_e2h(void)
{
	return (read_sysreg(hcr_el2) & HCR_E2H) != 0;
}

#define DEFINE_EL1_REG(name, el1, el12)                                     \
	static inline u64 read_el1_##name(void)                             \
	{                                                                   \
		return el2_is_e2h() ? read_sysreg(el12) : read_sysreg(el1); \
	}                                                                   \
	static inline void write_el1_##name(u64 value)                      \
	{                                                                   \
		if (el2_is_e2h())                                           \
			write_sysreg(value, el12);                          \
		else                                                        \
			write_sysreg(value, el1);                           \
	}

DEFINE_EL1_REG(sctlr, sctlr_el1, s3_5_c1_c0_0)
DEFINE_EL1_REG(sctlr2, s3_0_c1_c0_3, s3_5_c1_c0_3)
DEFINE_EL1_REG(tcr2, s3_0_c2_c0_3, s3_5_c2_c0_3)
DEFINE_EL1_REG(gcscr, s3_0_c2_c5_0, s3_5_c2_c5_0)
DEFINE_EL1_REG(tcr, tcr_el1, s3_5_c2_c0_2)
DEFINE_EL1_REG(spsr, spsr_el1, s3_5_c4_c0_0)
DEFINE_EL1_REG(elr, elr_el1, s3_5_c4_c0_1)
DEFINE_EL1_REG(esr, esr_el1, s3_5_c5_c2_0)
DEFINE_EL1_REG(far, far_el1, s3_5_c6_c0_0)
DEFINE_EL1_REG(zcr, s3_0_c1_c2_0, s3_5_c1_c2_0)
DEFINE_EL1_REG(trfcr, s3_0_c1_c2_1, s3_5_c1_c2_1)
DEFINE_EL1_REG(brbcr, s2_1_c9_c0_0, s2_5_c9_c0_0)
DEFINE_EL1_REG(pmscr, s3_0_c9_c9_0, s3_5_c9_c9_0)
DEFINE_EL1_REG(vbar, vbar_el1, s3_5_c12_c0_0)
DEFINE_EL1_REG(contextidr, contextidr_el1, s3_5_c13_c0_1)

/* TCR_EL1.EPD0 and .EPD1: no walks by TTBR0_EL1 and TTBR1_EL1. SCTLR_EL1.M: el2_regs.h. */
#define TCR_EPD0 BIT(7)
#define TCR_EPD1 BIT(23)

/*
 * EL1's tables are not walked from here on. First no walks, then the MMU on, since with the MMU off
 * an AT needs none to have a result.
 */
static inline void el1_walks_off(u64 tcr, u64 sctlr)
{
	write_el1_tcr(tcr | TCR_EPD0 | TCR_EPD1);
	isb();
	write_el1_sctlr(sctlr | SCTLR_M);
	isb();
}

/* The opposite, once everything else is as it shall be. */
static inline void el1_walks_on(u64 tcr, u64 sctlr)
{
	isb();
	write_el1_sctlr(sctlr);
	isb();
	write_el1_tcr(tcr);
}

#endif
