// SPDX-License-Identifier: BSD-2-Clause
/*
 * Tries to make the interrupt controller read and write memory that is not the host's, by each
 * register and command of an ITS and of a redistributor that takes an address. Memory of Keel's, of
 * a VM's and of firmware's must not change, refusals are counted, and after valid writes LPIs
 * arrive.
 *
 * The device tree lists a page at LISTED in its reservation block. ARM IHI 0069 has the names.
 */
#include "hostile.h"

#define ITS    0x08080000UL
#define RD0    0x080a0000UL
#define RD1    0x080c0000UL
#define R32(a) (*(volatile u32 *)(a))
#define R64(a) (*(volatile u64 *)(a))

#define GITS_CTLR	(ITS + 0x0)
#define GITS_TYPER	(ITS + 0x8)
#define GITS_CBASER	(ITS + 0x80)
#define GITS_CWRITER	(ITS + 0x88)
#define GITS_CREADR	(ITS + 0x90)
#define GITS_BASER0	(ITS + 0x100)
#define GITS_BASER1	(ITS + 0x108)
#define GICR_CTLR	0x0
#define GICR_PROPBASER	0x70
#define GICR_PENDBASER	0x78
#define GICR_VPENDBASER 0x20078
#define VALID		(1UL << 63)
#define QUIESCENT	(1U << 31)

#define MAPD   0x08
#define MAPC   0x09
#define MAPTI  0x0a
#define INT    0x03
#define SYNC   0x05
#define MOVALL 0x0e
#define INVALL 0x0d
#define VMAPP  0x29
#define VMAPTI 0x2a
#define LPI    8192UL

#define PAGE	4096UL
#define EPERM_	(-1L)
#define EBUSY_	(-16L)
#define LISTED	0x70000000UL
#define NOWHERE 0x0b000000UL
#define BEYOND	(1UL << 44)

/* The device tree has frames there that do not answer. */
#define DEAD_RD	 0x0c100000UL
#define DEAD_ITS 0x0c200000UL

#define QUEUE	   (HOSTILE_MEMORY + 0x00000000)
#define QUEUE_SIZE 0x10000UL
#define TABLE	   (HOSTILE_MEMORY + 0x00100000)
#define ITT	   (HOSTILE_MEMORY + 0x00200000)
#define PROP	   (HOSTILE_MEMORY + 0x00300000)
#define PEND	   (HOSTILE_MEMORY + 0x00400000)
#define OTHER	   (HOSTILE_MEMORY + 0x00600000)
#define VM_MEMORY  (HOSTILE_MEMORY + 0x01000000) /* donated: a VM's */
#define VM_PAGES   128
#define PATTERN	   0xa5a5a5a5a5a5a5a5UL

/* PropBits: 2^14 INTIDs, so 8 KiB of properties and 2 KiB of pending bits. */
#define IDBITS 13UL

static u64 keel, queue_tail, vm;

static u64 call_x1(u64 fid, u64 x1, u64 x2, u64 x3)
{
	struct regs regs = { { fid, x1, x2, x3 } };

	hvc0(&regs);
	return regs.x[0] ? 0 : regs.x[1];
}

static u64 refused(void)
{
	return call_x1(KEEL_HC_STAT, KEEL_STAT_GIC_REFUSED, 0, 0);
}

static u64 topup(u64 pa, u64 pages)
{
	return hvc(KEEL_HC_VM_TOPUP, vm, pa, pages, 0, 0);
}

/* The first node keel@ADDRESS in the device tree is Keel's image. */
static u64 find_keel(const u8 *fdt)
{
	for (u32 at = 0; at < 0x100000; at++) {
		const u8 *p = fdt + at;
		u64 value = 0;

		if (p[0] != 'k' || p[1] != 'e' || p[2] != 'e' || p[3] != 'l' || p[4] != '@')
			continue;
		for (p += 5; *p; p++)
			value = value * 16 + (*p <= '9' ? *p - '0' : *p - 'a' + 10);
		return value;
	}
	return 0;
}

/* ---- the ITS */

static void its_set(u64 ctlr)
{
	R32(GITS_CTLR) = (u32)ctlr;
	for (u32 i = 0; !ctlr && i < 1000000 && !(R32(GITS_CTLR) & QUIESCENT); i++)
		;
}

static u64 its_done(void)
{
	for (u32 i = 0; i < 1000000; i++)
		if (R64(GITS_CREADR) == queue_tail)
			return 1;
	return 0;
}

static void its_put(u64 w0, u64 w1, u64 w2, u64 w3)
{
	volatile u64 *command = (volatile u64 *)(QUEUE + queue_tail);

	command[0] = w0, command[1] = w1, command[2] = w2, command[3] = w3;
	queue_tail = (queue_tail + 32) % QUEUE_SIZE;
}

static u64 its_go(void)
{
	R64(GITS_CWRITER) = queue_tail;
	return its_done();
}

static void its_start(u64 table, u64 queue)
{
	its_set(0);
	R64(GITS_BASER0) = VALID | (table & 0xffffffff000UL) | 127;
	R64(GITS_BASER1) = VALID | (table & 0xffffffff000UL) | 15;
	R64(GITS_CBASER) = VALID | queue | (QUEUE_SIZE / PAGE - 1);
	queue_tail = 0;
	R64(GITS_CWRITER) = 0;
	its_set(1);
}

/* Execute a command. Returns how often it was refused. */
static void send(const char *what, u64 refusals, u64 w0, u64 w1, u64 w2, u64 w3)
{
	u64 before = refused();

	its_put(w0, w1, w2, w3);
	check(what, its_go(), 1);
	check("... refused or not", refused() - before, refusals);
}

/* @bits: events, as a power of two */
static void mapd(const char *what, u64 refusals, u64 device, u64 itt, u64 bits)
{
	send(what, refusals, MAPD | device << 32, bits - 1, VALID | itt, 0);
}

static void unmapd(u64 device)
{
	send("MAPD that unmaps", 0, MAPD | device << 32, 0, 0, 0);
}

static u64 unchanged(u64 from, u64 bytes)
{
	for (u64 at = 0; at < bytes; at += 8)
		if (R64(from + at) != PATTERN)
			return 0;
	return 1;
}

static void fill(u64 from, u64 bytes)
{
	for (u64 at = 0; at < bytes; at += 8)
		R64(from + at) = PATTERN;
}

/* ---- memory that is not the host's */

static void check_itts(void)
{
	mapd("MAPD of the host's memory", 0, 1, ITT, 5);
	mapd("MAPD of Keel's image", 1, 2, keel, 5);
	mapd("MAPD that ends in Keel's image", 1, 2, keel - 0x100, 5);
	mapd("MAPD of a VM's memory", 1, 2, VM_MEMORY, 5);
	mapd("MAPD that ends in a VM's memory", 1, 2, VM_MEMORY - 0x100, 8);
	mapd("MAPD that begins in a VM's memory", 1, 2, VM_MEMORY + VM_PAGES * PAGE - 0x100, 8);
	mapd("MAPD of what firmware reserved", 1, 2, LISTED, 5);
	mapd("MAPD of what is not RAM", 1, 2, NOWHERE, 5);
	mapd("MAPD of what is not there", 1, 2, BEYOND, 5);
	mapd("MAPD of more events than there are", 1, 2, ITT, 32);
	mapd("MAPD of a device that is not there", 1, 1UL << 20, ITT, 5);
	check("an ITT cannot be donated", topup(ITT, 1), (u64)EBUSY_);
	mapd("MAPD of another ITT", 0, 1, ITT + PAGE, 5);
	check("the old ITT can", topup(ITT, 1), 0);
	check("the new one cannot", topup(ITT + PAGE, 1), (u64)EBUSY_);
	mapd("MAPD of one that is Keel's now", 1, 1, ITT, 5);
	check("the ITT before that stays pinned", topup(ITT + PAGE, 1), (u64)EBUSY_);
	unmapd(1);
	check("an ITT that is not used any more can be donated", topup(ITT + PAGE, 1), 0);
}

static void check_commands(void)
{
	send("VMAPP", 1, VMAPP, 0, VALID | OTHER, OTHER);
	send("VMAPTI", 1, VMAPTI, 0, 0, 0);
	send("a command that there is not", 1, 0x7f, 0, 0, 0);
	send("command 0", 1, 0, 0, 0, 0);
	send("MAPC to a redistributor that there is not", 1, MAPC, 0, VALID | 7UL << 16, 0);
	send("MAPC to an address", 1, MAPC, 0, VALID | keel, 0);
	send("SYNC with an address", 1, SYNC, 0, keel, 0);
	send("MOVALL to an address", 1, MOVALL, 0, 0, keel);
	send("INVALL of a collection that there is not", 1, INVALL, 0, 0xffff, 0);
	send("SYNC", 0, SYNC, 0, 0, 0);
}

/* The hardware's tables are not at the host's addresses. */
static void check_tables(void)
{
	const u64 places[] = { keel, VM_MEMORY, LISTED, OTHER, BEYOND };

	for (u64 i = 0; i < ARRAY_SIZE(places); i++) {
		fill(OTHER, 0x20000);
		its_start(places[i], QUEUE);
		mapd("MAPD with the device table somewhere", 0, 3, ITT + 2 * PAGE, 5);
		send("MAPC", 0, MAPC, 0, VALID, 0);
		check("no table is written", unchanged(OTHER, 0x20000), 1);
		unmapd(3);
	}
}

/* New tables are empty: a device that was mapped is not any more, and its ITT is not pinned. */
static void check_new_tables(void)
{
	its_start(TABLE, QUEUE);
	for (u64 device = 0; device < 300; device++)
		its_put(MAPD | device << 32, 4, VALID | (ITT + 3 * PAGE), 0);
	check("300 devices with one ITT", its_go(), 1);
	check("it cannot be donated", topup(ITT + 3 * PAGE, 1), (u64)EBUSY_);
	its_start(TABLE + 0x80000, QUEUE);
	check("with other tables it can", topup(ITT + 3 * PAGE, 1), 0);
}

static void check_queues(void)
{
	const u64 places[] = { keel, VM_MEMORY, LISTED, NOWHERE, BEYOND };

	for (u64 i = 0; i < ARRAY_SIZE(places); i++) {
		u64 before = refused();

		its_start(TABLE, places[i]);
		queue_tail = 64;
		check("a queue somewhere: it goes on", its_go(), 1);
		check("... and its commands are refused", refused() - before, 2);
	}
	its_start(TABLE, QUEUE);
	R64(GITS_CWRITER) = QUEUE_SIZE;
	check("GITS_CWRITER beyond the queue", R64(GITS_CWRITER), 0);
	R64(GITS_CBASER) = VALID | keel;
	check("GITS_CBASER of an enabled ITS", R64(GITS_CBASER),
	      VALID | QUEUE | (QUEUE_SIZE / PAGE - 1));
	for (u32 round = 0; round < 3; round++) {
		for (u32 i = 0; i < QUEUE_SIZE / 32 - 1; i++)
			its_put(SYNC, 0, 0, 0);
		check("a full queue", its_go(), 1);
	}
}

/* Another CPU keeps rewriting the commands in the queue; it uses no stack. */
static volatile u64 racing;

static void race(void)
{
	volatile u64 *queue = (volatile u64 *)QUEUE;

	racing = 1;
	for (u64 i = 0; racing; i = (i + 4) % (QUEUE_SIZE / 8)) {
		queue[i + 2] = VALID | keel;
		queue[i + 2] = VALID | VM_MEMORY;
		queue[i + 2] = VALID | ITT;
	}
	__asm__ volatile("mov x0, %0\n"
			 "smc #0\n" ::"r"(0x84000002UL) /* CPU_OFF */
			 : "x0");
	for (;;)
		;
}

/*
 * The hardware gets the command that was checked: with an ITT in Keel's memory it would write
 * there.
 */
static void check_race(void)
{
	its_start(TABLE, QUEUE);
	check("CPU_ON", smc(0xc4000003, 1, (u64)race, 0), 0);
	for (u32 i = 0; i < 100000000 && !racing; i++)
		;
	check("the other CPU rewrites commands", racing, 1);
	for (u32 round = 0; round < 3; round++) {
		for (u64 i = 0; i < QUEUE_SIZE / 64; i++) {
			its_put(MAPD | (i % 64) << 32, 4, VALID | ITT, 0);
			its_put(MAPTI | (i % 64) << 32, 0, 0, 0);
		}
		queue_tail = (queue_tail + QUEUE_SIZE - 32) % QUEUE_SIZE;
		check("a queue of commands that change", its_go(), 1);
		queue_tail = 0;
		its_start(TABLE + round * 0x80000, QUEUE);
	}
	racing = 0;
	for (u32 i = 0; i < 1000000 && smc(0xc4000004, 1, 0, 0) != 1; i++) /* AFFINITY_INFO */
		;
	check("the other CPU is off", smc(0xc4000004, 1, 0, 0), 1);
}

/* ---- redistributors */

static void lpis(const char *what, u64 rd, u64 prop, u64 pend, u64 bits, u64 enabled)
{
	u64 before = refused();

	R32(rd + GICR_CTLR) = 0;
	R64(rd + GICR_PROPBASER) = prop | bits;
	R64(rd + GICR_PENDBASER) = pend;
	R32(rd + GICR_CTLR) = 1;
	check(what, R32(rd + GICR_CTLR) & 1, enabled);
	check("... refused or not", refused() - before, !enabled);
}

static void check_lpi_tables(void)
{
	const u64 places[] = { keel, VM_MEMORY, LISTED, NOWHERE, BEYOND };

	for (u64 i = 0; i < ARRAY_SIZE(places); i++) {
		lpis("LPIs with properties somewhere", RD0, places[i], PEND, IDBITS, 0);
		lpis("LPIs with pending bits somewhere", RD0, PROP, places[i] & ~0xffffUL, IDBITS,
		     0);
	}
	lpis("properties that end in a VM's", RD0, VM_MEMORY - PAGE, PEND, IDBITS, 0);
	lpis("pending bits that end in a VM's", RD0, PROP, VM_MEMORY - 0x10000, 23, 0);
	check("what was refused is not pinned", topup(PROP + 0x10000, 1), 0);
	lpis("LPIs of a good host", RD0, PROP, PEND, IDBITS, 1);
	check("its properties cannot be donated", topup(PROP + PAGE, 1), (u64)EBUSY_);
	check("nor its pending bits", topup(PEND, 1), (u64)EBUSY_);
	R64(RD0 + GICR_PENDBASER) = keel;
	R64(RD0 + GICR_PROPBASER) = keel;
	check("GICR_PENDBASER while it is used", R64(RD0 + GICR_PENDBASER) & 0xffffffff0000UL,
	      PEND);
	check("GICR_PROPBASER while it is used", R64(RD0 + GICR_PROPBASER) & 0xfffffffff000UL,
	      PROP);
	lpis("LPIs of another CPU", RD1, PROP, PEND + 0x10000, IDBITS, 1);
}

static void lpis_off(u64 rd)
{
	R32(rd + GICR_CTLR) = 0;
	for (u32 i = 0; i < 1000 && R32(rd + GICR_CTLR); i++)
		;
}

/* QEMU's redistributors have one property table (GICR_TYPER.CommonLPIAff). CPU 1 is off. */
static void check_shared_table(void)
{
	u64 before = refused();

	lpis_off(RD1);
	R64(RD1 + GICR_PROPBASER) = OTHER | IDBITS;
	check("another table than CPU 0 uses", R64(RD1 + GICR_PROPBASER) & 0xfffffffff000UL, PROP);
	R32(RD1 + GICR_CTLR) = 1;
	check("LPIs with it", R32(RD1 + GICR_CTLR) & 1, 0);
	check("both are refused", refused() - before, 2);
	lpis("the same table", RD1, PROP, PEND + 0x10000, IDBITS, 1);
	lpis_off(RD0);
	lpis("another table than a CPU uses that is off", RD0, OTHER, PEND, IDBITS, 1);
	check("that one uses none any more", R32(RD1 + GICR_CTLR) & 1, 0);
	lpis_off(RD0);
	lpis("the first table again", RD0, PROP, PEND, IDBITS, 1);
	check("the other one can be donated", topup(OTHER, 1), 0);
}

/* ---- other registers */

static u64 pair_load(u64 address)
{
	fault.esr = 0;
	__asm__ volatile("ldp x9, x10, [%0]\n" ::"r"(address) : "x8", "x9", "x10", "memory");
	return fault.esr >> ESR_EC_SHIFT;
}

static void check_accesses(void)
{
	check("a pair of registers is refused", pair_load(ITS), 0x25);
	check("a byte reads as zero", *(volatile u8 *)GITS_TYPER, 0);
	check("half of GITS_TYPER", R32(GITS_TYPER + 4), R64(GITS_TYPER) >> 32);
	check("no virtual LPIs", R64(GITS_TYPER) & 2, 0);
	R32(GITS_BASER0 + 0x30) = 0xffffffff;
	check("a table that there is not", R64(GITS_BASER0 + 0x30), 0);
	R64(ITS + 0x2000) = ~0UL;
	check("a register that there is not", R64(ITS + 0x2000), 0);
	R64(RD0 + 0x8000) = ~0UL;
	check("one of a redistributor's", R64(RD0 + 0x8000), 0);
	check("a VM cannot have the ITS",
	      hvc(KEEL_HC_VM_MAP, vm, 0, ITS, PAGE, KEEL_MAP_WRITE | KEEL_MAP_DEVICE), (u64)EPERM_);
	check("nor a redistributor",
	      hvc(KEEL_HC_VM_MAP, vm, 0, RD1, PAGE, KEEL_MAP_WRITE | KEEL_MAP_DEVICE), (u64)EPERM_);
}

/* An external abort of the host's, by a load (0) or a store (1). */
static void check_aborts(const char *what, u64 address, u64 kind)
{
	touch(address, kind);
	check(what, fault.esr & 0xfc00003f, 0x25UL << ESR_EC_SHIFT | 0x10);
	check("its address", fault.far, address);
}

/* A frame without power: the host gets the fault, and the ITS counts as absent. */
static void check_dead_frames(void)
{
	check_aborts("a load from a redistributor without power", DEAD_RD + 8, 0);
	check_aborts("a store", DEAD_RD + GICR_PROPBASER, 1);
	check_aborts("another one", DEAD_RD + 0x20000 + GICR_PENDBASER, 0);
	check("an ITS without power", R32(DEAD_ITS + 0xffe8), 0);
	R64(DEAD_ITS + 0x80) = ~0UL;
	check("its queue", R64(DEAD_ITS + 0x80), 0);
}

/* An LPI, from an INT command to the CPU. */
static void check_delivery(void)
{
	*(volatile u32 *)0x08000000 = 0x12; /* GICD_CTLR: ARE, EnableGrp1 */
	R32(RD0 + 0x14) &= ~2U;		    /* GICR_WAKER.ProcessorSleep */
	for (u32 i = 0; i < 1000000 && (R32(RD0 + 0x14) & 4); i++)
		;
	write_sysreg(1, S3_0_C12_C12_5);  /* ICC_SRE_EL1 */
	write_sysreg(0xff, S3_0_C4_C6_0); /* ICC_PMR_EL1 */
	write_sysreg(1, S3_0_C12_C12_7);  /* ICC_IGRPEN1_EL1 */
	for (u64 i = 0; i < 16; i++)
		((volatile u8 *)PROP)[i] = 0x81; /* enabled */
	its_start(TABLE, QUEUE);
	mapd("MAPD", 0, 5, ITT + 4 * PAGE, 5);
	send("MAPC", 0, MAPC, 0, VALID, 0);
	send("MAPTI", 0, MAPTI | 5UL << 32, 3 | (LPI + 2) << 32, 0, 0);
	send("INVALL", 0, INVALL, 0, 0, 0);
	send("INT", 0, INT | 5UL << 32, 3, 0, 0);
	for (u32 i = 0; i < 1000000 && !(read_sysreg(ISR_EL1) & 0x80); i++)
		;
	check("the LPI arrives", read_sysreg(S3_0_C12_C12_0), LPI + 2); /* ICC_IAR1_EL1 */
	write_sysreg(LPI + 2, S3_0_C12_C12_1);
	its_set(0);
	R32(RD0 + GICR_CTLR) = 0;
	check("LPIs of a host that wants none any more", R32(RD0 + GICR_CTLR) & 1, 0);
	check("its pending bits can be donated", topup(PEND, 1), 0);
}

static void hostile_main(u64 fdt)
{
	keel = find_keel((const u8 *)fdt);
	check("Keel is in the device tree", keel != 0, 1);
	vm = call_x1(KEEL_HC_VM_CREATE, VM_MEMORY, VM_PAGES, 0);
	check("a VM", vm != 0, 1);
	its_start(TABLE, QUEUE);
	check_itts();
	check_commands();
	check_tables();
	check_new_tables();
	check_queues();
	check_race();
	check_accesses();
	check_dead_frames();
	check_lpi_tables();
	check_shared_table();
	check_delivery();
}
