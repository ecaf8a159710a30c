// SPDX-License-Identifier: BSD-2-Clause
/*
 * The benchmark guest: what single operations cost a guest, by its virtual counter.
 *
 * The machine is vmrun's: tools/vmrun/layout.h, and boot.c for where the initial RAM disk lies.
 */
#include "guest.h"

/* GICv3 (IHI 0069, 12.9 and 12.11). */
#define GICD_CTLR	   0x0000
#define GICD_TYPER	   0x0004
#define GICD_CTLR_GRP1_ARE 0x12
#define GICR_WAKER	   0x0014
#define GICR_SGI	   0x10000
#define GICR_IGROUPR0	   (GICR_SGI + 0x0080)
#define GICR_ISENABLER0	   (GICR_SGI + 0x0100)
#define WAKER_ASLEEP	   4 /* ChildrenAsleep */

#define SGI	     1
#define VTIMER_INTID 27

/*
 * Memory that nothing has touched: the host has to find it. The initial RAM disk: the host has it,
 * and only the guest's stage 2 does not. vmrun puts the disk 2 MiB behind the device tree.
 */
#define FRESH_PAGES  (RAM_BASE + 160 * MIB)
#define FRESH_BLOCKS (RAM_BASE + 176 * MIB)
#define DISK_OFFSET  (2 * MIB)
#define DISK_BLOCKS  (16 * MIB) /* from the disk's start; its pages begin it */

extern char secondary[];

/* What interrupts leave, of one vCPU each. */
static volatile struct {
	u64 count;   /* interrupts taken */
	u64 entered; /* the counter when the last one came */
	u64 eoi;     /* ticks of its EOI */
} taken[2];
static volatile u64 answered; /* interrupts that the other vCPU has taken */
static volatile bool other_is_up;

static u64 disk;

static void irqs_on(void)
{
	__asm__ volatile("msr daifclr, #2" : : : "memory");
}

static void irqs_off(void)
{
	__asm__ volatile("msr daifset, #2" : : : "memory");
}

static unsigned int this_cpu(void)
{
	return read_sysreg("mpidr_el1") & 1;
}

/* ---- interrupts ---- */

static void gic_init(void)
{
	u64 redistributor = GICR_BASE + this_cpu() * GICR_SIZE;

	write32(GICD_BASE + GICD_CTLR, GICD_CTLR_GRP1_ARE);
	write32(redistributor + GICR_WAKER, 0);
	while (read32(redistributor + GICR_WAKER) & WAKER_ASLEEP)
		;
	write32(redistributor + GICR_IGROUPR0, ~0U);
	write32(redistributor + GICR_ISENABLER0, 1U << SGI | 1U << VTIMER_INTID);
	write_sysreg(1, "icc_sre_el1");
	write_sysreg(0xff, "icc_pmr_el1");
	write_sysreg(1, "icc_igrpen1_el1");
}

static void send_sgi(unsigned int cpu)
{
	write_sysreg((u64)SGI << 24 | 1UL << cpu, "icc_sgi1r_el1");
}

void irq_taken(u64 entered)
{
	unsigned int cpu = this_cpu();
	u64 intid = read_sysreg("icc_iar1_el1"), before, after;

	if (intid == VTIMER_INTID)
		write_sysreg(0, "cntv_ctl_el0");
	before = counter();
	write_sysreg(intid, "icc_eoir1_el1");
	after = counter();
	taken[cpu].eoi = after - before;
	taken[cpu].entered = entered;
	taken[cpu].count++;
	if (cpu)
		answered = taken[cpu].count;
}

/* ---- operations: each does @count of them and tells the ticks that they took ---- */

static u64 do_nothing(unsigned int count, unsigned int round)
{
	(void)round;
	return REPEATED(count, __asm__ volatile("" : : : "memory"));
}

static u64 do_hypercall(unsigned int count, unsigned int round)
{
	(void)round;
	return REPEATED(count, hvc(PSCI_VERSION, 0, 0, 0));
}

static u64 do_mmio_read(unsigned int count, unsigned int round)
{
	(void)round;
	return REPEATED(count, read32(UART_BASE + UARTFR));
}

static u64 do_distributor_read(unsigned int count, unsigned int round)
{
	(void)round;
	return REPEATED(count, read32(GICD_BASE + GICD_TYPER));
}

static u64 touch(u64 start, u64 stride, unsigned int count, unsigned int round)
{
	u64 address = start + (u64)round * count * stride;

	return REPEATED(count, ({
				write32(address, 1);
				address += stride;
			}));
}

static u64 do_fresh_page(unsigned int count, unsigned int round)
{
	return touch(FRESH_PAGES, 4096, count, round);
}

static u64 do_fresh_block(unsigned int count, unsigned int round)
{
	return touch(FRESH_BLOCKS, 2 * MIB, count, round);
}

static u64 do_known_page(unsigned int count, unsigned int round)
{
	return touch(disk, 4096, count, round);
}

static u64 do_known_block(unsigned int count, unsigned int round)
{
	return touch(disk + DISK_BLOCKS, 2 * MIB, count, round);
}

/* Take one interrupt, which is due or will be. */
static void wait_for_irq(u64 before)
{
	irqs_on();
	while (taken[0].count == before)
		;
	irqs_off();
}

/*
 * A counter with ticks of several instructions tells the mean of many readings, if they begin
 * everywhere within a tick. Pauses that grow by three instructions do that: triangular numbers are
 * evenly spread over the residues of a power of two.
 */
static void pause(u64 turns)
{
	__asm__ volatile("1: cbz %0, 2f\n\tsub %0, %0, #1\n\tb 1b\n2:" : "+r"(turns));
}

static u64 do_eoi(unsigned int count, unsigned int round)
{
	u64 sum = 0;

	(void)round;
	for (unsigned int i = 0; i < count; i++) {
		u64 before = taken[0].count;

		pause(i);
		send_sgi(0);
		wait_for_irq(before);
		sum += taken[0].eoi;
	}
	return sum;
}

/* From the time that the timer was set to, to the first instruction of the vector; a busy guest. */
static u64 do_timer(unsigned int count, unsigned int round)
{
	u64 delay = read_sysreg("cntfrq_el0") / 50000, sum = 0;

	(void)round;
	for (unsigned int i = 0; i < count; i++) {
		u64 before = taken[0].count, due = counter() + delay;

		write_sysreg(due, "cntv_cval_el0");
		write_sysreg(1, "cntv_ctl_el0");
		wait_for_irq(before);
		sum += taken[0].entered - due;
	}
	return sum;
}

/*
 * Both vCPUs run: the other one is in a loop. QEMU runs them in turns, and WFE ends a turn, so
 * there are but a few instructions of waiting.
 */
static u64 do_ipi(unsigned int count, unsigned int round)
{
	(void)round;
	return REPEATED(count, ({
				u64 before = answered;

				send_sgi(1);
				while (answered == before)
					__asm__ volatile("wfe");
			}));
}

static const struct operation operations[] = {
	{ "nothing", do_nothing, 64, 33, false, false },
	{ "hypercall", do_hypercall, 64, 33, false, true },
	{ "distributor-read", do_distributor_read, 64, 33, false, false },
	{ "mmio-read", do_mmio_read, 64, 33, false, false },
	{ "eoi", do_eoi, 64, 33, false, false },
	{ "timer", do_timer, 64, 33, false, false },
	{ "fresh-page", do_fresh_page, 64, 33, false, false },
	{ "known-page", do_known_page, 64, 33, false, false },
	{ "fresh-block", do_fresh_block, 4, 7, false, false },
	{ "known-block", do_known_block, 4, 5, false, false },
	{ "ipi", do_ipi, 64, 33, true, true },
};

static bool start_other(void)
{
	if ((int)hvc(PSCI_CPU_ON, 1, (u64)secondary, 0))
		return false;
	while (!other_is_up)
		__asm__ volatile("wfe");
	return true;
}

__attribute__((noreturn)) void bench_secondary(void)
{
	gic_init();
	irqs_on();
	other_is_up = true;
	for (;;)
		__asm__ volatile("wfe");
}

__attribute__((noreturn)) void bench_main(u64 device_tree)
{
	bool pair;

	disk = device_tree + DISK_OFFSET;
	gic_init();
	pair = start_other();
	run_operations(operations, sizeof(operations) / sizeof(operations[0]), pair);
	put("BENCH end\n");
	power_off();
}
