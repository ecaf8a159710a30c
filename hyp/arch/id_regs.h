/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading this CPU's ID registers. Unallocated ones read as zero, so none can trap at EL2. */
#ifndef KEEL_ARCH_ID_REGS_H
#define KEEL_ARCH_ID_REGS_H

#include <arch/id_reg_list.h>
#include <arch/sysreg.h>

static inline void read_id_regs(struct cpu_id_regs *out)
{
	out->reg[ID_REG_PFR0] = read_sysreg(id_aa64pfr0_el1);
	out->reg[ID_REG_PFR1] = read_sysreg(id_aa64pfr1_el1);
	out->reg[ID_REG_PFR2] = read_sysreg(ASM_REG(ID_AA64PFR2_EL1));
	out->reg[ID_REG_DFR0] = read_sysreg(id_aa64dfr0_el1);
	out->reg[ID_REG_DFR1] = read_sysreg(id_aa64dfr1_el1);
	out->reg[ID_REG_ISAR0] = read_sysreg(id_aa64isar0_el1);
	out->reg[ID_REG_ISAR1] = read_sysreg(id_aa64isar1_el1);
	out->reg[ID_REG_ISAR2] = read_sysreg(ASM_REG(ID_AA64ISAR2_EL1));
	out->reg[ID_REG_ISAR3] = read_sysreg(ASM_REG(ID_AA64ISAR3_EL1));
	out->reg[ID_REG_MMFR0] = read_sysreg(id_aa64mmfr0_el1);
	out->reg[ID_REG_MMFR1] = read_sysreg(id_aa64mmfr1_el1);
	out->reg[ID_REG_MMFR2] = read_sysreg(ASM_REG(ID_AA64MMFR2_EL1));
	out->reg[ID_REG_MMFR3] = read_sysreg(ASM_REG(ID_AA64MMFR3_EL1));
	out->reg[ID_REG_MMFR4] = read_sysreg(ASM_REG(ID_AA64MMFR4_EL1));
	out->reg[ID_REG_ZFR0] = read_sysreg(ASM_REG(ID_AA64ZFR0_EL1));
	out->reg[ID_REG_SMFR0] = read_sysreg(ASM_REG(ID_AA64SMFR0_EL1));
	out->reg[ID_REG_CTR] = read_sysreg(ctr_el0);
	out->reg[ID_REG_DCZID] = read_sysreg(dczid_el0);
	out->reg[ID_REG_MIDR] = read_sysreg(midr_el1);
}

/* AArch32's, S3_0_C0_C<crm>_<op2>; but ID_AFR0_EL1, which no architecture defines. */
#define AARCH32_ID_REGS(X) \
	X(1, 0)            \
	X(1, 1)            \
	X(1, 2)            \
	X(1, 4)            \
	X(1, 5)            \
	X(1, 6)            \
	X(1, 7)            \
	X(2, 0)            \
	X(2, 1)            \
	X(2, 2)            \
	X(2, 3)            \
	X(2, 4)            \
	X(2, 5)            \
	X(2, 6)            \
	X(2, 7)            \
	X(3, 0)            \
	X(3, 1)            \
	X(3, 2)            \
	X(3, 4)            \
	X(3, 5)            \
	X(3, 6)

#define READ_AARCH32_ID(crm, op2) \
	case (crm) << 3 | (op2):  \
		return read_sysreg(s3_0_c0_c##crm##_##op2);

/* One of them; 0 for what is none. */
static inline u64 read_aarch32_id_reg(unsigned int crm, unsigned int op2)
{
	switch (crm << 3 | op2) {
		AARCH32_ID_REGS(READ_AARCH32_ID)
	default:
		return 0;
	}
}

#endif
