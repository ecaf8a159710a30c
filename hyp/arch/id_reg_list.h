/* SPDX-License-Identifier: BSD-2-Clause */
/* The ID registers that Keel reads on each CPU. Data only: arch/id_regs.h reads them. */
#ifndef KEEL_ARCH_ID_REG_LIST_H
#define KEEL_ARCH_ID_REG_LIST_H

#include <lib/types.h>

enum id_reg {
	ID_REG_PFR0,  /* ID_AA64PFR0_EL1 */
	ID_REG_PFR1,  /* ID_AA64PFR1_EL1 */
	ID_REG_PFR2,  /* ID_AA64PFR2_EL1 */
	ID_REG_DFR0,  /* ID_AA64DFR0_EL1 */
	ID_REG_DFR1,  /* ID_AA64DFR1_EL1 */
	ID_REG_ISAR0, /* ID_AA64ISAR0_EL1 */
	ID_REG_ISAR1, /* ID_AA64ISAR1_EL1 */
	ID_REG_ISAR2, /* ID_AA64ISAR2_EL1 */
	ID_REG_ISAR3, /* ID_AA64ISAR3_EL1 */
	ID_REG_MMFR0, /* ID_AA64MMFR0_EL1 */
	ID_REG_MMFR1, /* ID_AA64MMFR1_EL1 */
	ID_REG_MMFR2, /* ID_AA64MMFR2_EL1 */
	ID_REG_MMFR3, /* ID_AA64MMFR3_EL1 */
	ID_REG_MMFR4, /* ID_AA64MMFR4_EL1 */
	ID_REG_ZFR0,  /* ID_AA64ZFR0_EL1 */
	ID_REG_SMFR0, /* ID_AA64SMFR0_EL1 */
	ID_REG_CTR,   /* CTR_EL0 */
	ID_REG_DCZID, /* DCZID_EL0 */
	ID_REG_MIDR,  /* MIDR_EL1: each CPU's own, never merged */
	ID_REG_COUNT
};

/* One CPU's registers as read; filled by arch code. */
struct cpu_id_regs {
	u64 reg[ID_REG_COUNT];
};

#endif
