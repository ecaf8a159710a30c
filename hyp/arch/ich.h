/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual CPU interface of GICv3 (ARM IHI 0069, 12.4), and the physical one from EL2.
 */
#ifndef KEEL_ARCH_ICH_H
#define KEEL_ARCH_ICH_H

#include <arch/barrier.h>
#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <lib/compiler.h>

#define ICC_INTID 0xffffff

#define ICH_LR_MAX 16

/* clang-format off */
#define ICH_LR_CASES(X) \
	X(0, c12, 0) X(1, c12, 1) X(2, c12, 2) X(3, c12, 3) \
	X(4, c12, 4) X(5, c12, 5) X(6, c12, 6) X(7, c12, 7) \
	X(8, c13, 0) X(9, c13, 1) X(10, c13, 2) X(11, c13, 3) \
	X(12, c13, 4) X(13, c13, 5) X(14, c13, 6) X(15, c13, 7)
/* clang-format on */
#define ICH_LR_READ(n, crm, op2) \
	case n:                  \
		return read_sysreg(s3_4_c12_##crm##_##op2);
#define ICH_LR_WRITE(n, crm, op2)                            \
	case n:                                              \
		write_sysreg(value, s3_4_c12_##crm##_##op2); \
		break;

/* The first one apart: most often no other is used. */
static inline u64 ich_read_lr(unsigned int n)
{
	if (likely(!n))
		return read_sysreg(s3_4_c12_c12_0);
	switch (n) {
		ICH_LR_CASES(ICH_LR_READ)
	default:
		return 0;
	}
}

static inline void ich_write_lr(unsigned int n, u64 value)
{
	if (likely(!n)) {
		write_sysreg(value, s3_4_c12_c12_0);
		return;
	}
	switch (n) {
		ICH_LR_CASES(ICH_LR_WRITE)
	default:
		break;
	}
}

/* Active priorities: one, two or four registers, depending on the priority bits. */
static inline void ich_read_apr(u64 ap0r[4], u64 ap1r[4], unsigned int count)
{
	if (count > 2) {
		ap0r[3] = read_sysreg(ASM_REG(ICH_AP0R3_EL2));
		ap0r[2] = read_sysreg(ASM_REG(ICH_AP0R2_EL2));
		ap1r[3] = read_sysreg(ASM_REG(ICH_AP1R3_EL2));
		ap1r[2] = read_sysreg(ASM_REG(ICH_AP1R2_EL2));
	}
	if (count > 1) {
		ap0r[1] = read_sysreg(ASM_REG(ICH_AP0R1_EL2));
		ap1r[1] = read_sysreg(ASM_REG(ICH_AP1R1_EL2));
	}
	ap0r[0] = read_sysreg(ASM_REG(ICH_AP0R0_EL2));
	ap1r[0] = read_sysreg(ASM_REG(ICH_AP1R0_EL2));
}

static inline void ich_write_apr(const u64 ap0r[4], const u64 ap1r[4], unsigned int count)
{
	if (count > 2) {
		write_sysreg(ap0r[3], ASM_REG(ICH_AP0R3_EL2));
		write_sysreg(ap0r[2], ASM_REG(ICH_AP0R2_EL2));
		write_sysreg(ap1r[3], ASM_REG(ICH_AP1R3_EL2));
		write_sysreg(ap1r[2], ASM_REG(ICH_AP1R2_EL2));
	}
	if (count > 1) {
		write_sysreg(ap0r[1], ASM_REG(ICH_AP0R1_EL2));
		write_sysreg(ap1r[1], ASM_REG(ICH_AP1R1_EL2));
	}
	write_sysreg(ap0r[0], ASM_REG(ICH_AP0R0_EL2));
	write_sysreg(ap1r[0], ASM_REG(ICH_AP1R0_EL2));
}

/* ICH_HCR_EL2 and ICH_VMCR_EL2; changes take effect at the next entry of the guest. */
static inline u64 ich_read_hcr(void)
{
	return read_sysreg(ASM_REG(ICH_HCR_EL2));
}

static inline void ich_write_hcr(u64 value)
{
	write_sysreg(value, ASM_REG(ICH_HCR_EL2));
}

static inline u64 ich_read_vmcr(void)
{
	return read_sysreg(ASM_REG(ICH_VMCR_EL2));
}

static inline void ich_write_vmcr(u64 value)
{
	write_sysreg(value, ASM_REG(ICH_VMCR_EL2));
}

/* The reasons for which the maintenance interrupt is asserted; 0 if it is not. */
static inline u64 ich_read_misr(void)
{
	return read_sysreg(ASM_REG(ICH_MISR_EL2));
}

static inline u64 ich_read_vtr(void)
{
	return read_sysreg(ASM_REG(ICH_VTR_EL2));
}

/* Whether this CPU has a GICv3 CPU interface, and EL2 may use it (ICC_SRE_EL2.SRE). */
static inline bool icc_present(void)
{
	u64 sre = 0;

	return (read_sysreg(id_aa64pfr0_el1) & GENMASK(27, 24)) &&
	       try_read_sysreg(ASM_REG(ICC_SRE_EL2), &sre) && (sre & ICC_SRE_SRE);
}

/* Whether a physical interrupt is pending on this CPU, EL2's or the host's (ISR_EL1). */
static inline bool interrupt_waits(void)
{
	return read_sysreg(isr_el1) & (ISR_I | ISR_F);
}

/* Whether EL1 may access ICC_SRE_EL1; if not, it traps. */
static inline void icc_open_sre(bool open)
{
	u64 sre = read_sysreg(ASM_REG(ICC_SRE_EL2));

	write_sysreg(open ? sre | ICC_SRE_ENABLE : sre & ~ICC_SRE_ENABLE, ASM_REG(ICC_SRE_EL2));
}

#endif
