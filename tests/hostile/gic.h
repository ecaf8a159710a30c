/* SPDX-License-Identifier: BSD-2-Clause */
/* The GICv3 of QEMU's machine, as far as a hostile host takes interrupts. */
#ifndef HOSTILE_GIC_H
#define HOSTILE_GIC_H

#include "hostile.h"

#define GICD_CTLR ((volatile u32 *)0x08000000)
#define GICR(cpu) (0x080a0000UL + (cpu)*0x20000UL)
#define GICR_SGI  0x10000
#define TIMER_PPI 30

#define ICC_PMR_EL1	S3_0_C4_C6_0
#define ICC_SRE_EL1	S3_0_C12_C12_5
#define ICC_IGRPEN1_EL1 S3_0_C12_C12_7
#define ICC_IAR1_EL1	S3_0_C12_C12_0
#define ICC_EOIR1_EL1	S3_0_C12_C12_1
#define ICC_SGI1R_EL1	S3_0_C12_C11_5

/*
 * This CPU's interface, and those of its SGIs and PPIs that @interrupts has: of group 1, enabled. The
 * timer's gets a priority.
 */
static void gic_init(u64 cpu, u32 interrupts)
{
	volatile u32 *rd = (volatile u32 *)GICR(cpu), *sgi = (volatile u32 *)(GICR(cpu) + GICR_SGI);

	*GICD_CTLR = 0x12;   /* ARE, EnableGrp1 */
	rd[0x14 / 4] &= ~2U; /* GICR_WAKER.ProcessorSleep */
	while (rd[0x14 / 4] & 4)
		;
	sgi[0x80 / 4] |= interrupts;			/* group 1 */
	((volatile u8 *)sgi)[0x400 + TIMER_PPI] = 0x80; /* priority */
	sgi[0x100 / 4] = interrupts;			/* enable */
	write_sysreg(1, ICC_SRE_EL1);
	write_sysreg(0xff, ICC_PMR_EL1);
	write_sysreg(1, ICC_IGRPEN1_EL1);
}

#endif
