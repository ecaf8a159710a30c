// SPDX-License-Identifier: BSD-2-Clause
/*
 * The GICv3 (ARM IHI 0069): register fields, and what becomes of interrupts. SPIs are made pending
 * by GICD_ISPENDR<n>; the level-sensitive one is the serial port's.
 */
#include "lib/guest.h"

const char *payload_name = "gic";

#define FIRST_SPI  33 /* 32 is the serial port's */
#define LAST_SPI   63
#define NR_SPIS	   (LAST_SPI - FIRST_SPI + 1)
#define UART_IMSC  (UART_BASE + 0x38)
#define UART_TX	   (1 << 5)
#define ISR_I	   BIT(7)
#define ISR_F	   BIT(6)
#define GICR_PIDR2 0xffe8
#define SGI_BASE   0x10000
#define GARBAGE	   4000

/* ---- register fields ---- */

static void check_identity(void)
{
	u64 typer = read32(GICD_BASE + GICD_TYPER), cpu;

	check("GICD_PIDR2: GICv3", read32(GICD_BASE + GIC_PIDR2) >> 4 & 15, 3);
	check("GICR_PIDR2: GICv3", read32(gicr(0) + GICR_PIDR2) >> 4 & 15, 3);
	check("GICD_TYPER: 64 interrupts", typer & 31, 1);
	check("GICD_TYPER: 10 bits of INTID", typer >> 19 & 31, 9);
	check("GICD_CTLR: ARE and DS", read32(GICD_BASE + GICD_CTLR) & 0x50, 0x50);
	check("ICC_SRE_EL1", read_sysreg(ICC_SRE_EL1), 7);
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		u64 gicr_typer = read64(gicr(cpu) + GICR_TYPER);

		check_quiet("GICR_TYPER: affinity", gicr_typer >> 32, cpu);
		check_quiet("GICR_TYPER: number", gicr_typer >> 8 & 0xffff, cpu);
		check_quiet("GICR_TYPER: last", gicr_typer >> 4 & 1, cpu == nr_cpus - 1);
		check_quiet("GICR_TYPER in halves", read32(gicr(cpu) + GICR_TYPER + 4),
			    gicr_typer >> 32);
	}
	check_round("GICR_TYPER");
}

/* What cannot be written is not: identification, the private
 * interrupts' part of the distributor. */
static void check_read_only(void)
{
	static const u64 fixed[] = {
		GICD_BASE + GICD_TYPER, GICD_BASE + GICD_IIDR,	    GICD_BASE + GIC_PIDR2,
		GICR_BASE + GICR_TYPER, GICR_BASE + GICR_TYPER + 4, GICR_BASE + 0x4, /* GICR_IIDR */
	};
	static const u64 zero[] = {
		GICD_BASE + GIC_IGROUPR,
		GICD_BASE + GIC_ISENABLER,
		GICD_BASE + GIC_ICENABLER,
		GICD_BASE + GIC_ISPENDR,
		GICD_BASE + GIC_ICPENDR,
		GICD_BASE + GIC_ISACTIVER,
		GICD_BASE + GIC_ICACTIVER,
		GICD_BASE + GIC_IPRIORITYR,
		GICD_BASE + GIC_IPRIORITYR + 28,
		GICD_BASE + GICD_ITARGETSR,
		GICD_BASE + GICD_ITARGETSR + 32,
		GICD_BASE + 0xf00,	     /* SGIR */
		GICD_BASE + 0xf10,	     /* CPENDSGIR */
		GICD_BASE + GIC_IGROUPR + 8, /* SPIs that there are not */
		GICD_BASE + GIC_ISENABLER + 0x7c,
		GICD_BASE + 0x20, /* implementation defined */
	};
	u64 i, before;

	for (i = 0; i < ARRAY_SIZE(fixed); i++) {
		before = read32(fixed[i]);
		write32(fixed[i], (u32)~before);
		check_quiet("an identification register", read32(fixed[i]), before);
	}
	for (i = 0; i < ARRAY_SIZE(zero); i++) {
		write32(zero[i], ~0U);
		check_quiet("reads as zero, ignores writes", read32(zero[i]), 0);
	}
	check_round("what cannot be written");
}

/* Set and clear registers, by bit: each is a view of the same. */
static void check_pair(u64 frame, u64 set, u64 clear, u64 word, const char *name)
{
	u32 value = 0x5a5aa5a4U;

	write32(frame + clear + 4 * word, ~0U);
	check_quiet(name, read32(frame + set + 4 * word), 0);
	write32(frame + set + 4 * word, value);
	check_quiet(name, read32(frame + set + 4 * word), value);
	check_quiet(name, read32(frame + clear + 4 * word), value);
	write32(frame + set + 4 * word, 0);
	check_quiet(name, read32(frame + set + 4 * word), value);
	write32(frame + clear + 4 * word, value & 0xffff0000U);
	check_quiet(name, read32(frame + set + 4 * word), value & 0xffffU);
	write32(frame + clear + 4 * word, ~0U);
	check_quiet(name, read32(frame + clear + 4 * word), 0);
}

static void check_priorities(u64 frame, u64 first)
{
	u64 reg = frame + GIC_IPRIORITYR + first;
	u32 mask;

	write32(reg, 0xffffffffU);
	mask = read8(reg);
	check_quiet("priority: at least 16 levels", mask & 0xf0, 0xf0);
	check_quiet("priority: the same for all", read32(reg), mask * 0x01010101U);
	write8(reg + 1, 0x30);
	check_quiet("priority, by bytes", read32(reg), (mask * 0x01010101U & ~0xff00U) | 0x3000U);
	check_quiet("priority, a byte", read8(reg + 1), 0x30);
	write32(reg, 0x80604020U);
	check_quiet("priority, by words", read8(reg + 3), 0x80);
	write32(reg, 0x80808080U);
}

static void check_config(void)
{
	u64 reg = GICD_BASE + GIC_ICFGR + 8 /* SPIs 32 to 47 */;

	write32(reg, 0xffffffffU);
	check_quiet("ICFGR: the upper bit of each field", read32(reg), 0xaaaaaaaaU);
	write32(reg, 0);
	check_quiet("ICFGR: level", read32(reg), 0);
	check_quiet("ICFGR: SGIs are edges", read32(GICR_BASE + SGI_BASE + GIC_ICFGR), 0xaaaaaaaaU);
}

static void check_router(void)
{
	u64 reg = GICD_BASE + GICD_IROUTER + 8 * 40;

	write64(reg, 1);
	check_quiet("IROUTER", read64(reg), 1);
	write32(reg + 4, 0x55);
	check_quiet("IROUTER, upper half: there is no affinity 3", read64(reg), 1);
	write32(reg, 0);
	check_quiet("IROUTER, lower half", read32(reg), 0);
	write64(reg, 0);
	write64(GICD_BASE + GICD_IROUTER + 8 * 8, ~0UL);
	check_quiet("IROUTER of an SGI", read64(GICD_BASE + GICD_IROUTER + 8 * 8), 0);
}

/* Firmware has woken it by the time that a kernel looks. */
static void check_awake(void)
{
	u64 cpu = 0;

	do
		check_quiet("GICR_WAKER: awake from the start", read32(gicr(cpu) + GICR_WAKER), 0);
	while (!(read64(gicr(cpu++) + GICR_TYPER) & GICR_TYPER_LAST));
	check_round("GICR_WAKER");
}

static void check_waker(u64 cpu)
{
	u64 reg = gicr(cpu) + GICR_WAKER;

	write32(reg, read32(reg) | 2);
	check_quiet("GICR_WAKER: asleep", read32(reg) & 6, 6);
	write32(reg, read32(reg) & ~2U);
	check_quiet("GICR_WAKER: awake", read32(reg) & 6, 0);
}

/* Widths and places that no register has: no exception, and the machine goes on. */
static void check_odd_accesses(void)
{
	u64 i;

	for (i = 0; i < 64; i++) {
		check_quiet("a byte of the distributor", TRY(read8(GICD_BASE + i)), NO_EXCEPTION);
		check_quiet("a halfword of it", TRY(read16(GICD_BASE + 2 * i)), NO_EXCEPTION);
		check_quiet("a doubleword of it", TRY(read64(GICD_BASE + 8 * i)), NO_EXCEPTION);
		check_quiet("a halfword of a redistributor",
			    TRY(write16(gicr(0) + SGI_BASE + 2 * i, 0)), NO_EXCEPTION);
		check_quiet("a doubleword of it",
			    TRY(write64(gicr(0) + SGI_BASE + 0x80 + 8 * i, 0)), NO_EXCEPTION);
	}
	check_round("accesses of odd widths");
}

static void check_fields(void)
{
	u64 cpu, own = gicr(0) + SGI_BASE;

	check_pair(GICD_BASE, GIC_ISENABLER, GIC_ICENABLER, 1, "SPIs: enable");
	check_pair(GICD_BASE, GIC_ISACTIVER, GIC_ICACTIVER, 1, "SPIs: active");
	write32(GICD_BASE + GIC_ICFGR + 8, ~0U);
	write32(GICD_BASE + GIC_ICFGR + 12, ~0U);
	check_pair(GICD_BASE, GIC_ISPENDR, GIC_ICPENDR, 1, "SPIs: pending, edges");
	check_config();
	check_priorities(GICD_BASE, 40);
	check_router();
	check_pair(own, GIC_ISENABLER, GIC_ICENABLER, 0, "PPIs and SGIs: enable");
	check_pair(own, GIC_ISPENDR, GIC_ICPENDR, 0, "PPIs and SGIs: pending");
	check_pair(own, GIC_ISACTIVER, GIC_ICACTIVER, 0, "PPIs and SGIs: active");
	check_priorities(own, 16);
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		check_pair(gicr(cpu) + SGI_BASE, GIC_ISENABLER, GIC_ICENABLER, 0,
			   "another CPU's: enable");
		check_priorities(gicr(cpu) + SGI_BASE, 4);
		check_waker(cpu);
		/* relax()'s: the others sleep with a timer that has fired, and are to go on now */
		write32(gicr(cpu) + SGI_BASE + GIC_ISENABLER, 1U << PPI_VTIMER);
	}
	check_round("fields");
	check_odd_accesses();
}

/* ---- interrupts, taken by polling: IRQs stay masked ---- */

/* Drop the priority and deactivate, in either EOImode. */
static void end(u32 intid)
{
	gic_eoi(intid);
	if (read_sysreg(ICC_CTLR_EL1) & ICC_EOIMODE)
		write_sysreg(intid, ICC_DIR_EL1);
}

/* relax() turns the timer off, but its interrupt may have been under
 * way: that one does not count. */
static u32 take(void)
{
	u32 intid;

	while ((intid = gic_ack()) == PPI_VTIMER)
		end(intid);
	return intid;
}

static bool signalled(void)
{
	isb();
	if (read_sysreg(ICC_HPPIR1_EL1) == PPI_VTIMER)
		end(gic_ack());
	return read_sysreg(isr_el1) & ISR_I;
}

static void spi_setup(u32 intid, u8 priority, bool edge)
{
	gic_set_edge(intid, edge);
	gic_set_priority(intid, priority);
	gic_enable(intid);
}

static void all_off(void)
{
	gic_init();
	gic_init_cpu();
	gic_enable(PPI_VTIMER); /* relax()'s */
}

static void check_priority_order(void)
{
	spi_setup(40, 0x80, true);
	spi_setup(41, 0x40, true);
	spi_setup(42, 0x60, true);
	gic_pend(40);
	gic_pend(41);
	gic_pend(42);
	check("ICC_HPPIR1_EL1: the most urgent", read_sysreg(ICC_HPPIR1_EL1), 41);
	check("the most urgent first", take(), 41);
	check("ICC_RPR_EL1: its priority", read_sysreg(ICC_RPR_EL1), 0x40);
	check("the others are not signalled", signalled(), 0);
	check("... nor acknowledged", take(), SPURIOUS);
	spi_setup(43, 0x20, true);
	gic_pend(43);
	check("a more urgent one is", signalled(), 1);
	check("... and is taken in between", take(), 43);
	check("ICC_RPR_EL1: its priority", read_sysreg(ICC_RPR_EL1), 0x20);
	gic_eoi(43);
	check("ICC_RPR_EL1: back", read_sysreg(ICC_RPR_EL1), 0x40);
	gic_eoi(41);
	check("then the next", take(), 42);
	gic_eoi(42);
	check("then the last", take(), 40);
	gic_eoi(40);
	check("then none", take(), SPURIOUS);
	check("ICC_RPR_EL1: idle", read_sysreg(ICC_RPR_EL1), 0xff);
}

/* ICC_BPR1_EL1: priorities of one group do not preempt each other, but are in order. */
static void check_binary_point(void)
{
	u64 old = read_sysreg(ICC_BPR1_EL1);

	write_sysreg(7, ICC_BPR1_EL1); /* all of priority is subpriority but bit 7 */
	spi_setup(40, 0x60, true);
	spi_setup(41, 0x20, true);
	gic_pend(40);
	check("binary point: one", take(), 40);
	gic_pend(41);
	check("binary point: no preemption in a group", signalled(), 0);
	gic_eoi(40);
	check("binary point: then the other", take(), 41);
	gic_eoi(41);
	write_sysreg(old, ICC_BPR1_EL1);
}

static void check_mask(void)
{
	spi_setup(40, 0x80, true);
	write_sysreg(0x80, ICC_PMR_EL1);
	gic_pend(40);
	check("ICC_PMR_EL1: not signalled at its own priority", signalled(), 0);
	check("... nor acknowledged", take(), SPURIOUS);
	write_sysreg(0xf0, ICC_PMR_EL1);
	check("ICC_PMR_EL1: signalled above it", signalled(), 1);
	check("... and acknowledged", take(), 40);
	gic_eoi(40);
	write_sysreg(0xff, ICC_PMR_EL1);
}

static void check_enables(void)
{
	gic_set_edge(40, true);
	gic_disable(40);
	gic_pend(40);
	check("disabled: pending", gic_bit(GIC_ISPENDR, 40), 1);
	check("... but not signalled", signalled(), 0);
	gic_enable(40);
	check("enabled: signalled", signalled(), 1);
	gic_disable(40);
	check("disabled again: not signalled", signalled(), 0);
	check("... but pending", gic_bit(GIC_ISPENDR, 40), 1);
	gic_enable(40);
	gic_set_bit(GIC_ICPENDR, 40);
	check("ICPENDR: neither signalled", signalled(), 0);
	check("... nor pending", gic_bit(GIC_ISPENDR, 40), 0);
	gic_pend(40);
	write_sysreg(0, ICC_IGRPEN1_EL1);
	check("ICC_IGRPEN1_EL1=0: not signalled", signalled(), 0);
	write_sysreg(1, ICC_IGRPEN1_EL1);
	check("ICC_IGRPEN1_EL1=1: signalled", signalled(), 1);
	write32(GICD_BASE + GICD_CTLR, 0x10);
	check("GICD_CTLR, group 1 off: not signalled", signalled(), 0);
	write32(GICD_BASE + GICD_CTLR, 0x13);
	check("GICD_CTLR, group 1 on: signalled", signalled(), 1);
	check("and acknowledged", take(), 40);
	gic_eoi(40);
}

/* Active: not signalled again until it is ended, though pending again; edges are not lost. */
static void check_active(void)
{
	spi_setup(40, 0x80, true);
	gic_pend(40);
	check("acknowledged", take(), 40);
	check("it is active", gic_bit(GIC_ISACTIVER, 40), 1);
	check("and no longer pending", gic_bit(GIC_ISPENDR, 40), 0);
	gic_pend(40);
	check("pending again while active", gic_bit(GIC_ISPENDR, 40), 1);
	check("is not signalled", signalled(), 0);
	gic_eoi(40);
	check("but when it has been ended", take(), 40);
	gic_eoi(40);
	check("is not active any more", gic_bit(GIC_ISACTIVER, 40), 0);
	/* by hand */
	gic_set_bit(GIC_ISACTIVER, 40);
	gic_pend(40);
	check("ISACTIVER: not signalled", signalled(), 0);
	gic_set_bit(GIC_ICACTIVER, 40);
	check("ICACTIVER: signalled", take(), 40);
	gic_set_bit(GIC_ICACTIVER, 40);
	gic_eoi(40);
	check("... and ended twice", gic_bit(GIC_ISACTIVER, 40), 0);
	check("idle again", read_sysreg(ICC_RPR_EL1), 0xff);
}

static void check_eoi_mode_1(void)
{
	write_sysreg(ICC_EOIMODE, ICC_CTLR_EL1);
	spi_setup(40, 0x80, true);
	gic_pend(40);
	check("EOImode 1: acknowledged", take(), 40);
	gic_eoi(40);
	check("EOImode 1: the priority drops", read_sysreg(ICC_RPR_EL1), 0xff);
	check("EOImode 1: it stays active", gic_bit(GIC_ISACTIVER, 40), 1);
	gic_pend(40);
	check("EOImode 1: so it is not signalled", signalled(), 0);
	write_sysreg(40, ICC_DIR_EL1);
	check("EOImode 1: until ICC_DIR_EL1", take(), 40);
	gic_eoi(40);
	write_sysreg(40, ICC_DIR_EL1);
	check("EOImode 1: at the end not active", gic_bit(GIC_ISACTIVER, 40), 0);
	write_sysreg(0, ICC_CTLR_EL1);
}

/* The serial port's transmit interrupt: its line is up as long as IMSC lets it be. */
static void check_line(void)
{
	spi_setup(UART_INTID, 0x80, false);
	print("a line, so that the serial port has sent something\n");
	write32(UART_IMSC, UART_TX);
	check("level: signalled", signalled(), 1);
	gic_set_bit(GIC_ICPENDR, UART_INTID);
	check("level: ICPENDR does not clear it", signalled(), 1);
	check("level: acknowledged", take(), UART_INTID);
	check("level: active and pending", gic_bit(GIC_ISPENDR, UART_INTID), 1);
	gic_eoi(UART_INTID);
	check("level: again, for the line is up", take(), UART_INTID);
	write32(UART_IMSC, 0);
	gic_eoi(UART_INTID);
	check("level: not when it has fallen", take(), SPURIOUS);
	write32(UART_IMSC, UART_TX);
	write32(UART_IMSC, 0);
	check("level: up and down is nothing", take(), SPURIOUS);
	gic_set_edge(UART_INTID, true);
	write32(UART_IMSC, UART_TX);
	write32(UART_IMSC, 0);
	check("as an edge: up and down is one", take(), UART_INTID);
	gic_eoi(UART_INTID);
	check("as an edge: and no more", take(), SPURIOUS);
	gic_set_edge(UART_INTID, false);
	gic_disable(UART_INTID);
}

/* Group 0 comes as FIQ, and by its own registers. */
static void check_groups(void)
{
	spi_setup(40, 0x80, true);
	spi_setup(41, 0x90, true);
	gic_set_group(40, false);
	gic_pend(40);
	gic_pend(41);
	isb();
	check("group 0 is an FIQ", read_sysreg(isr_el1) & (ISR_I | ISR_F), ISR_F);
	check("ICC_IAR1_EL1 does not give it", take() >= 1020, 1);
	check("ICC_HPPIR0_EL1", read_sysreg(ICC_HPPIR0_EL1), 40);
	check("ICC_IAR0_EL1", read_sysreg(ICC_IAR0_EL1), 40);
	dsb();
	write_sysreg(40, ICC_EOIR0_EL1);
	check("then group 1", take(), 41);
	gic_eoi(41);
	gic_pend(40);
	write_sysreg(0, ICC_IGRPEN0_EL1);
	isb();
	check("ICC_IGRPEN0_EL1=0: no FIQ", read_sysreg(isr_el1) & ISR_F, 0);
	write_sysreg(1, ICC_IGRPEN0_EL1);
	gic_set_group(40, true);
	check("moved to group 1", take(), 40);
	gic_eoi(40);
}

/* ---- more than there are list registers ---- */

static u8 priorities[LAST_SPI + 1];

static void pend_all(void)
{
	u32 i;

	for (i = FIRST_SPI; i <= LAST_SPI; i++) {
		priorities[i] = (u8)(random64() & 0xe0);
		spi_setup(i, priorities[i], true);
	}
	write32(GICD_BASE + GIC_ISPENDR + 4, ~1U);
}

/* By priority; of the same one, which is first is the GIC's choice. */
static void check_many_pending(void)
{
	u32 i, intid, seen = 0;
	u8 last = 0;

	pend_all();
	for (i = 0; i < NR_SPIS; i++) {
		intid = take();
		check_quiet("many: one of them", intid >= FIRST_SPI && intid <= LAST_SPI, 1);
		if (intid > LAST_SPI)
			break;
		check_quiet("many: by priority", priorities[intid] >= last, 1);
		check_quiet("many: once", seen >> (intid - FIRST_SPI) & 1, 0);
		last = priorities[intid];
		seen |= 1U << (intid - FIRST_SPI);
		gic_eoi(intid);
	}
	check_quiet("many: all", seen, (1UL << NR_SPIS) - 1);
	check_quiet("many: no more", take(), SPURIOUS);
}

/* What group 0 has pending, while that is off, is not in the way of group 1. */
static void check_many_of_a_disabled_group(void)
{
	u32 i;

	write_sysreg(0, ICC_IGRPEN0_EL1);
	for (i = FIRST_SPI; i < LAST_SPI; i++) {
		spi_setup(i, 0x20, true);
		gic_set_group(i, false);
		gic_pend(i);
	}
	spi_setup(LAST_SPI, 0xa0, true);
	gic_pend(LAST_SPI);
	check_quiet("group 0 off: group 1 is taken", take(), LAST_SPI);
	gic_eoi(LAST_SPI);
	check_quiet("group 0 off: nothing else", take(), SPURIOUS);
	write_sysreg(1, ICC_IGRPEN0_EL1);
	isb();
	check_quiet("group 0 on: an FIQ", read_sysreg(isr_el1) & ISR_F, ISR_F);
	gic_pend(LAST_SPI);
	write_sysreg(0, ICC_IGRPEN0_EL1);
	wait_until(signalled());
	check_quiet("group 0 off again: group 1 is taken", take(), LAST_SPI);
	gic_eoi(LAST_SPI);
	write_sysreg(1, ICC_IGRPEN0_EL1);
	for (i = FIRST_SPI; i < LAST_SPI; i++) {
		isb();
		check_quiet("group 0 on: all are taken", read_sysreg(ICC_IAR0_EL1), i);
		dsb();
		write_sysreg(i, ICC_EOIR0_EL1);
	}
	check_round("more pending of a disabled group than list registers");
}

/* All of them active at once, and ended in any order. */
static void check_many_active(void)
{
	u32 i, intid, mask = ~1U;

	write_sysreg(ICC_EOIMODE, ICC_CTLR_EL1);
	pend_all();
	for (i = 0; i < NR_SPIS; i++) {
		intid = gic_ack();
		check_quiet("many active: acknowledged", intid >= FIRST_SPI && intid <= LAST_SPI,
			    1);
		gic_eoi(intid);
	}
	check_quiet("many active: no more", gic_ack(), SPURIOUS);
	check_quiet("many active: all", read32(GICD_BASE + GIC_ISACTIVER + 4), mask);
	write32(GICD_BASE + GIC_ISPENDR + 4, ~1U);
	check_quiet("many active: none is signalled again", signalled(), 0);
	while (mask) {
		intid = 32 + (u32)(random64() % 32);
		if (!(mask >> (intid - 32) & 1))
			continue;
		mask &= ~(1U << (intid - 32));
		write_sysreg(intid, ICC_DIR_EL1);
		check_quiet("many active: less this one", read32(GICD_BASE + GIC_ISACTIVER + 4),
			    mask);
		check_quiet("many active: which comes again", gic_ack(), intid);
		gic_eoi(intid);
		write_sysreg(intid, ICC_DIR_EL1);
	}
	check_quiet("many active: none", read32(GICD_BASE + GIC_ISACTIVER + 4), 0);
	check_quiet("many active: nothing pending", gic_ack(), SPURIOUS);
	write_sysreg(0, ICC_CTLR_EL1);
}

/* Each preempts the one before: as many levels as there are, ended in reverse. */
static void check_nesting(void)
{
	u32 level;

	for (level = 0; level < 16; level++) {
		u32 intid = FIRST_SPI + level;

		spi_setup(intid, (u8)(0xf0 - 0x10 * level), true);
		gic_pend(intid);
		check_quiet("nested: taken", take(), intid);
		check_quiet("nested: running", read_sysreg(ICC_RPR_EL1), 0xf0 - 0x10 * level);
	}
	while (level--) {
		gic_eoi(FIRST_SPI + level);
		check_quiet("nested: back", read_sysreg(ICC_RPR_EL1),
			    level ? 0xf0 - 0x10 * (level - 1) : 0xff);
	}
}

/* ---- SGIs ---- */

static void check_sgis_to_oneself(void)
{
	u32 i, intid;

	for (i = 0; i < 16; i++) {
		gic_enable(i);
		gic_send_sgi(i, 0);
		check_quiet("SGI: pending", gic_bit(GIC_ISPENDR, i), 1);
	}
	for (i = 0; i < 16; i++) {
		intid = take();
		check_quiet("SGI: in order", intid, i);
		gic_eoi(intid);
	}
	check_quiet("SGI: no more", take(), SPURIOUS);
	gic_pend(7);
	check_quiet("SGI by ISPENDR", take(), 7);
	gic_eoi(7);
	/* To nobody: affinities that there are not. */
	dsb();
	write_sysreg(0x30001UL << 16 | 1, ICC_SGI1R_EL1);
	write_sysreg(BIT(47), ICC_SGI1R_EL1);
	write_sysreg(0xff0000000001UL | BIT(48), ICC_SGI1R_EL1);
	check_quiet("SGI: to nobody", take(), SPURIOUS);
	gic_set_group(5, false);
	write_sysreg(5UL << 24 | 1, ICC_SGI0R_EL1);
	isb();
	check_quiet("SGI of group 0", read_sysreg(ICC_IAR0_EL1), 5);
	dsb();
	write_sysreg(5, ICC_EOIR0_EL1);
	gic_set_group(5, true);
}

/* Every CPU sends to every other one, in turn. */
static void exchange(u64 cpu, u64 argument)
{
	u64 from;

	(void)argument;
	gic_enable(1);
	for (from = 0; from < nr_cpus; from++) {
		smp_barrier();
		if (cpu == from) {
			u64 list = (BIT(nr_cpus) - 1) & ~BIT(cpu);

			dsb();
			write_sysreg(1UL << 24 | list, ICC_SGI1R_EL1);
			check_quiet("SGI: not to oneself", take(), SPURIOUS);
		} else {
			wait_until(gic_bit(GIC_ISPENDR, 1));
			check_quiet("SGI: from another", take(), 1);
			gic_eoi(1);
		}
		smp_barrier();
		check_quiet("SGI: once", gic_bit(GIC_ISPENDR, 1), 0);
	}
	gic_disable(1);
}

/* An SPI goes where it is routed; when that changes, so does one that is pending. */
static u64 spi_at;

static void take_routed(u64 cpu, u64 target)
{
	if (cpu == target) {
		wait_until(read_sysreg(ICC_HPPIR1_EL1) == 44);
		check_quiet("routed: taken", take(), 44);
		__atomic_store_n(&spi_at, cpu, __ATOMIC_RELEASE);
		gic_eoi(44);
	}
	smp_barrier();
}

static void check_routing(void)
{
	u64 target;

	spi_setup(44, 0x80, true);
	for (target = 0; target < nr_cpus; target++) {
		gic_pend(44);
		gic_route(44, target);
		spi_at = MAX_CPUS;
		smp_run(take_routed, target);
		check_quiet("routed: by the right CPU", spi_at, target);
	}
	gic_route(44, 0x00ff00); /* nobody's */
	gic_pend(44);
	check_quiet("routed to nobody: not signalled", signalled(), 0);
	gic_route(44, 0);
	/* its last CPU may not have noticed yet that it was ended there */
	wait_until(signalled());
	check_quiet("routed to somebody: acknowledged", take(), 44);
	gic_eoi(44);
}

/* With EOImode=1 an SPI is deactivated by any CPU. */
static void deactivate_at(u64 cpu, u64 other)
{
	write_sysreg(ICC_EOIMODE, ICC_CTLR_EL1);
	if (cpu == 0) {
		gic_pend(40);
		check_quiet("EOImode 1: taken", take(), 40);
		gic_eoi(40);
	}
	smp_barrier();
	if (cpu == other) {
		check_quiet("EOImode 1: active, for each CPU", gic_bit(GIC_ISACTIVER, 40), 1);
		write_sysreg(40, ICC_DIR_EL1);
		check_quiet("EOImode 1: until any deactivates it", gic_bit(GIC_ISACTIVER, 40), 0);
	}
	smp_barrier();
	if (cpu == 0) {
		gic_pend(40);
		wait_until(signalled());
		check_quiet("EOImode 1: and again, once another CPU has deactivated it", take(),
			    40);
		end(40);
	}
	smp_barrier();
	write_sysreg(0, ICC_CTLR_EL1);
}

static void check_deactivation_elsewhere(void)
{
	u64 other;

	spi_setup(40, 0x80, true);
	for (other = 0; other < nr_cpus; other++)
		smp_run(deactivate_at, other);
	check_round("EOImode 1: deactivation by any CPU");
}

/* ---- garbage ---- */

static void write_garbage(u64 address)
{
	u64 value = random64();

	switch (random64() % 4) {
	case 0:
		write8(address, (u8)value);
		break;
	case 1:
		write16(address & ~1UL, (u16)value);
		break;
	case 2:
		write64(address & ~7UL, value);
		break;
	default:
		write32(address & ~3UL, (u32)value);
		break;
	}
}

static void write_garbage_sysreg(u64 which, u64 value)
{
	switch (which % 12) {
	case 0:
		write_sysreg(value, ICC_PMR_EL1);
		break;
	case 1:
		write_sysreg(value, ICC_BPR0_EL1);
		break;
	case 2:
		write_sysreg(value, ICC_BPR1_EL1);
		break;
	case 3:
		write_sysreg(value, ICC_CTLR_EL1);
		break;
	case 4:
		write_sysreg(value, ICC_EOIR0_EL1);
		break;
	case 5:
		write_sysreg(value & 0x3f, ICC_EOIR1_EL1);
		break;
	case 6:
		write_sysreg(value & 0x3f, ICC_DIR_EL1);
		break;
	case 7:
		write_sysreg(value, ICC_SGI1R_EL1);
		break;
	case 8:
		write_sysreg(value & 0xf00000f, ICC_SGI0R_EL1);
		break;
	case 9:
		write_sysreg(value & 0xf00000f, ICC_SGI1R_EL1);
		break;
	case 10:
		(void)read_sysreg(ICC_IAR1_EL1);
		break;
	default:
		(void)read_sysreg(ICC_IAR0_EL1);
		break;
	}
}

/* The first registers of each frame more often than the wide spaces behind them. */
static u64 garbage_address(void)
{
	u64 r = random64(), offset = r & 1 ? r >> 8 & 0xfff : r >> 8 & 0xffff;

	switch (r >> 1 & 3) {
	case 0:
	case 1:
		return GICD_BASE + offset;
	case 2:
		return gicr((r >> 40) % nr_cpus) + offset;
	default:
		return gicr((r >> 40) % nr_cpus) + SGI_BASE + offset;
	}
}

static void garbage(u64 cpu, u64 count)
{
	u64 i;

	(void)cpu;
	irqs_off();
	for (i = 0; i < count; i++) {
		u64 address = garbage_address();

		if (i % 3 == 0)
			write_garbage_sysreg(random64(), random64());
		else if (i % 3 == 1)
			write_garbage(address);
		else
			(void)read32(address & ~3UL);
	}
}

static void reset_this_cpu(u64 cpu, u64 argument)
{
	(void)cpu;
	(void)argument;
	gic_init_cpu();
	gic_enable(PPI_VTIMER);
}

/* wait_until() cannot sleep meanwhile: so without barriers, and each round ends with a reset. */
static void garbage_and_reset(u64 cpu, u64 count)
{
	garbage(cpu, count);
	reset_this_cpu(cpu, 0);
}

static void check_after_garbage(void)
{
	u64 round;

	for (round = 0; round < 4; round++)
		smp_run(garbage_and_reset, payload_number("garbage=", GARBAGE) / nr_cpus / 4);
	/* what one did to the other's after its reset */
	smp_run(reset_this_cpu, 0);
	all_off();
	smp_run(reset_this_cpu, 0);
	all_off();
	check_priority_order();
	all_off();
	smp_run(exchange, 0);
	check_many_pending();
	check_round("the GIC works after garbage in all its registers");
}

/* ---- */

void payload_main(void)
{
	static void (*const polled[])(void) = {
		check_priority_order, check_binary_point, check_mask, check_enables,
		check_active,	      check_eoi_mode_1,	  check_line, check_groups,
	};
	u64 i;

	check_awake();
	gic_init();
	smp_start();
	check_identity();
	check_read_only();
	check_fields();
	for (i = 0; i < ARRAY_SIZE(polled); i++) {
		all_off();
		polled[i]();
	}
	all_off();
	check_nesting();
	check_round("nesting");
	for (i = 0; i < 10; i++)
		check_many_pending();
	check_round("more pending than list registers");
	for (i = 0; i < 5; i++)
		check_many_active();
	check_round("more active than list registers");
	all_off();
	check_many_of_a_disabled_group();
	all_off();
	check_sgis_to_oneself();
	all_off();
	for (i = 0; i < 5; i++)
		smp_run(exchange, 0);
	check_round("SGIs");
	check_routing();
	check_round("routing");
	check_deactivation_elsewhere();
	check_after_garbage();
}
