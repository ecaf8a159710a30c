// SPDX-License-Identifier: BSD-2-Clause
/* GICv3 without security states (IHI 0069): what payloads need of it. */
#include "guest.h"

#define GICD_CTLR_ON 0x13 /* ARE, EnableGrp1, EnableGrp0 */
#define PRIORITY     0x80
#define SGI_FRAME    0x10000
#define WAKER_SLEEP  BIT(1)
#define WAKER_ASLEEP BIT(2)
#define SGI_INTID    24 /* ICC_SGI1R_EL1.INTID */

u64 gic_frame(u32 intid)
{
	return intid < 32 ? gicr(this_cpu_id()) + SGI_FRAME : GICD_BASE;
}

bool gic_bit(u64 reg, u32 intid)
{
	return read32(gic_frame(intid) + reg + intid / 32 * 4) >> (intid % 32) & 1;
}

void gic_set_bit(u64 reg, u32 intid)
{
	write32(gic_frame(intid) + reg + intid / 32 * 4, 1U << (intid % 32));
}

void gic_set_group(u32 intid, bool group1)
{
	u64 reg = gic_frame(intid) + GIC_IGROUPR + intid / 32 * 4;
	u32 bit = 1U << (intid % 32);

	write32(reg, group1 ? read32(reg) | bit : read32(reg) & ~bit);
}

void gic_set_priority(u32 intid, u8 priority)
{
	write8(gic_frame(intid) + GIC_IPRIORITYR + intid, priority);
}

void gic_set_edge(u32 intid, bool edge)
{
	u64 reg = gic_frame(intid) + GIC_ICFGR + intid / 16 * 4;
	u32 bit = 2U << (intid % 16 * 2);

	write32(reg, edge ? read32(reg) | bit : read32(reg) & ~bit);
}

void gic_route(u32 intid, u64 cpu)
{
	write64(GICD_BASE + GICD_IROUTER + intid * 8, cpu);
}

void gic_send_sgi(u32 intid, u64 cpu)
{
	dsb();
	write_sysreg((u64)intid << SGI_INTID | 1UL << cpu, ICC_SGI1R_EL1);
}

u32 gic_ack(void)
{
	u32 intid = (u32)read_sysreg(ICC_IAR1_EL1);

	dsb();
	return intid;
}

void gic_eoi(u32 intid)
{
	write_sysreg(intid, ICC_EOIR1_EL1);
}

static void quiet(u64 frame, u32 word)
{
	u32 i;

	write32(frame + GIC_ICENABLER + 4 * word, ~0U);
	write32(frame + GIC_ICPENDR + 4 * word, ~0U);
	write32(frame + GIC_ICACTIVER + 4 * word, ~0U);
	write32(frame + GIC_IGROUPR + 4 * word, ~0U);
	for (i = 0; i < 8; i++)
		write32(frame + GIC_IPRIORITYR + 32 * word + 4 * i, PRIORITY * 0x01010101U);
}

void gic_init(void)
{
	u32 words = (read32(GICD_BASE + GICD_TYPER) & 31) + 1, word, i;

	for (word = 1; word < words; word++) {
		quiet(GICD_BASE, word);
		write32(GICD_BASE + GIC_ICFGR + 8 * word, 0);
		write32(GICD_BASE + GIC_ICFGR + 8 * word + 4, 0);
		for (i = 0; i < 32; i++)
			gic_route(32 * word + i, 0);
	}
	write32(GICD_BASE + GICD_CTLR, GICD_CTLR_ON);
}

void gic_init_cpu(void)
{
	u64 waker = gicr(this_cpu_id()) + GICR_WAKER;

	write32(waker, read32(waker) & ~(u32)WAKER_SLEEP);
	while (read32(waker) & WAKER_ASLEEP)
		;
	if (!(read32(GICD_BASE + GICD_CTLR) & 2))
		write32(GICD_BASE + GICD_CTLR, GICD_CTLR_ON);
	quiet(gic_frame(0), 0);
	write_sysreg(7, ICC_SRE_EL1);
	write_sysreg(0, ICC_CTLR_EL1);
	write_sysreg(0, ICC_BPR0_EL1);
	write_sysreg(0, ICC_BPR1_EL1);
	write_sysreg(0, ICC_AP0R0_EL1);
	write_sysreg(0, ICC_AP1R0_EL1);
	write_sysreg(0xff, ICC_PMR_EL1);
	write_sysreg(1, ICC_IGRPEN0_EL1);
	write_sysreg(1, ICC_IGRPEN1_EL1);
}
