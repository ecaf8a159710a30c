// SPDX-License-Identifier: BSD-2-Clause
/*
 * How long calls keep a CPU at EL2. Under QEMU's -icount, and with -cpu max, the counter counts
 * instructions. Each call is made where it takes longest: for a VM with as many vCPUs as there can
 * be, for memory in single pages, between pages that are mapped. Where Keel looks whether the host's
 * interrupts wait, one does. docs/locking.md has the bounds.
 */
#include "gic.h"

#define VCPUS	 512UL
#define PAGE	 4096UL
#define BLOCK	 0x200000UL
#define ENXIO_	 (-6L)
#define EAGAIN_	 (-11L)
#define EINVAL_	 (-22L)
#define ENOSPC_	 (-28L)
#define ENOBUFS_ (-105L)

#define POOL_PA 0x7e000000UL /* for Keel's own pool */
#define POOL	KEEL_POOL_DONATE_PAGES
#define PIECES	0x40000000UL /* IPA of a block of which every second page is mapped */
#define PAGES	0x60000000UL /* IPA of pages that do not fit a block */
#define SPLIT	0x50000000UL /* IPA of a block that is split */
#define DIST	0x08000000UL
#define VMM	0x0a000000UL /* where nothing is: the guest's access is an exit */
#define WAIT	0x8000UL     /* where the guest's other vCPUs begin */
#define PC	0x6030000000100040UL

#define LPI 8192UL /* the first one */

/* A kind of call: the most instructions that one may take, and the most that one took. */
struct kind {
	char what[40];
	u64 bound, most;
};

enum {
	CREATE,
	TOPUP,
	VCPU_CREATE,
	VCPU_INIT,
	DONATE,
	RECLAIM,
	VGIC_INIT,
	VGIC_PLACE,
	VGIC_RESET,
	VGIC_LPIS,
	VGIC_GET_REG,
	VGIC_SET_REG,
	LPI_PEND,
	LPI_TAKE,
	RUN,
	MAP,
	UNMAP,
	PROTECT_TAKE,
	PROTECT_GIVE,
	PROTECT_JOIN,
	PROTECT_SPLIT,
	YOUNG,
	SYNC,
	WALK,
	NEXT,
	DESTROY,
};

static struct kind kinds[] = {
	[CREATE] = { "VM_CREATE", 12000, 0 },
	[TOPUP] = { "VM_TOPUP", 12000, 0 },
	[VCPU_CREATE] = { "VCPU_CREATE", 20000, 0 },
	[VCPU_INIT] = { "VCPU_INIT", 8000, 0 },
	[DONATE] = { "POOL_DONATE of 8 pages", 20000, 0 },
	[RECLAIM] = { "POOL_RECLAIM of 8 pages", 20000, 0 },
	[VGIC_INIT] = { "VGIC_INIT of 512 vCPUs", 54000, 0 },
	[VGIC_PLACE] = { "VGIC_PLACE of 512 vCPUs", 22000, 0 },
	[VGIC_RESET] = { "VGIC_RESET of 512 vCPUs", 28000, 0 },
	[VGIC_LPIS] = { "VGIC_LPIS", 500, 0 },
	[VGIC_GET_REG] = { "VGIC_GET_REG", 2800, 0 },
	[VGIC_SET_REG] = { "VGIC_SET_REG, of 512 vCPUs", 12500, 0 },
	[LPI_PEND] = { "LPI_PEND, where there is no room", 2600, 0 },
	[LPI_TAKE] = { "LPI_TAKE", 1200, 0 },
	[RUN] = { "VCPU_RUN with an access to 512 vCPUs", 53000, 0 },
	[MAP] = { "VM_MAP", 23000, 0 },
	[UNMAP] = { "VM_UNMAP", 20000, 0 },
	[PROTECT_TAKE] = { "VM_PROTECT, taking", 16000, 0 },
	[PROTECT_GIVE] = { "VM_PROTECT, giving", 20000, 0 },
	[PROTECT_JOIN] = { "VM_PROTECT, joining", 9000, 0 },
	[PROTECT_SPLIT] = { "VM_PROTECT, splitting", 12000, 0 },
	[YOUNG] = { "VM_YOUNG", 20000, 0 },
	[SYNC] = { "VM_SYNC", 2000, 0 },
	[WALK] = { "VM_WALK", 23000, 0 },
	[NEXT] = { "VM_NEXT past 512 slots", 7000, 0 },
	[DESTROY] = { "VM_DESTROY, while an interrupt waits", 20000, 0 },
};

static u64 vm, free_pa = HOSTILE_MEMORY;

/* Writes what reaches all vCPUs, and leaves after each by an access to VMM. */
__asm__(".pushsection .rodata\n"
	".balign 8\n"
	"guest:\n"
	"mov x1, #0x08000000\n" /* DIST */
	"mov x9, #0x0a000000\n" /* VMM */
	"mov w0, #3\n"
	"mov x2, #(1 << 40)\n"
	"1: str w0, [x1]\n" /* GICD_CTLR: both groups on */
	"str x0, [x9]\n"
	"msr s3_0_c12_c11_5, x2\n" /* ICC_SGI1R_EL1: to all others */
	"str x0, [x9]\n"
	"mov w3, #-1\n"
	"str w3, [x1, #0x104]\n" /* GICD_ISENABLER1 */
	"str w3, [x1, #0x204]\n" /* GICD_ISPENDR1 */
	"str w3, [x1, #0x304]\n" /* GICD_ISACTIVER1 */
	"ldr w3, [x1, #0x304]\n"
	"str x0, [x9]\n"
	"str wzr, [x1]\n" /* off */
	"str x0, [x9]\n"
	"b 1b\n"
	"guest_end:\n"
	".popsection\n");
extern const char guest[], guest_end[];

/* Make the call and return x0. */
static u64 timed(u32 which, struct regs *regs)
{
	struct kind *kind = &kinds[which];
	u64 begin = read_sysreg(CNTPCT_EL0), took;

	hvc0(regs);
	took = read_sysreg(CNTPCT_EL0) - begin;
	if (took > kind->most)
		kind->most = took;
	return regs->x[0];
}

#define CALL(which, ...) timed(which, &(struct regs){ { __VA_ARGS__ } })

static u64 take(u64 pages)
{
	u64 pa = free_pa;

	free_pa += pages * PAGE;
	return pa;
}

static u64 take_block(void)
{
	free_pa = (free_pa + BLOCK - 1) & ~(BLOCK - 1);
	return take(BLOCK / PAGE);
}

/* A call about a range, until all of it is done; x0 of the last. */
static u64 range(u32 which, u64 fid, u64 ipa, u64 pa, u64 flags)
{
	struct regs regs;
	u64 done = 0;

	do {
		if (fid == KEEL_HC_VM_MAP)
			regs = (struct regs){ { fid, vm, ipa + done, pa + done, BLOCK - done,
						flags } };
		else
			regs = (struct regs){ { fid, vm, ipa + done, BLOCK - done, flags } };
		if (timed(which, &regs) == (u64)EAGAIN_)
			done += regs.x[1] & ~1UL; /* bit 0: KEEL_HC_VM_YOUNG */
	} while (regs.x[0] == (u64)EAGAIN_);
	return regs.x[0];
}

static void make_vm(void)
{
	struct regs regs = { { KEEL_HC_VM_CREATE, take_block(), BLOCK / PAGE } };

	check("VM_CREATE", timed(CREATE, &regs), 0);
	vm = regs.x[1];
	for (u32 i = 0; i < 16; i++)
		check("VM_TOPUP", CALL(TOPUP, KEEL_HC_VM_TOPUP, vm, take_block(), BLOCK / PAGE), 0);
	for (u32 i = 0; i < 64; i++, (void)take(1))
		(void)CALL(TOPUP, KEEL_HC_VM_TOPUP, vm, take(1), 1);
}

static u64 make_vcpu(u64 i, u64 pages, u64 run)
{
	static u64 pool = POOL_PA;
	u64 pa = take(pages), ret;

	while ((ret = CALL(VCPU_CREATE, KEEL_HC_VCPU_CREATE, vm, i, pa, pages, run)) ==
	       (u64)ENOBUFS_) {
		check("POOL_DONATE", CALL(DONATE, KEEL_HC_POOL_DONATE, pool, POOL), 0);
		pool += POOL * PAGE;
	}
	return ret ? ret : CALL(VCPU_INIT, KEEL_HC_VCPU_INIT, vm, i, 4);
}

static void make_vcpus(u64 runs)
{
	struct regs size = { { KEEL_HC_VM_SIZE } };
	u64 failures = 0;

	hvc0(&size);
	for (u64 i = 0; i < VCPUS; i++)
		failures += make_vcpu(i, size.x[2], runs + i * PAGE) != 0;
	check("VCPU_CREATE and VCPU_INIT", failures, 0);
}

static void make_vgic(void)
{
	u64 calls = 0, at = 0, ret;
	struct regs regs;

	do {
		ret = CALL(VGIC_INIT, KEEL_HC_VGIC_INIT, vm, DIST, 0x080a0000, 1024, 1);
		calls++;
	} while (ret == (u64)EAGAIN_);
	check("VGIC_INIT", ret, 0);
	check("VGIC_INIT: calls", calls, VCPUS / 8 + 1);
	check("VGIC_PLACE", CALL(VGIC_PLACE, KEEL_HC_VGIC_PLACE, vm, 0x10000000, VCPUS - 1), 0);
	do {
		regs = (struct regs){ { KEEL_HC_VGIC_RESET, vm, at } };
		ret = timed(VGIC_RESET, &regs);
		at = regs.x[1];
	} while (ret == (u64)EAGAIN_);
	check("VGIC_RESET", ret, 0);
	check("VGIC_RESET from a number that it did not name",
	      CALL(VGIC_RESET, KEEL_HC_VGIC_RESET, vm, 40), (u64)-22L);
}

/* All places of vCPU 0 are taken: what comes then looks at each, and is more urgent than none. */
static void pend_lpis(void)
{
	struct regs regs;
	u64 failures = 0;

	check("VGIC_LPIS", CALL(VGIC_LPIS, KEEL_HC_VGIC_LPIS, vm), 0);
	for (u64 i = 0; i < KEEL_LPIS; i++)
		failures += CALL(LPI_PEND, KEEL_HC_LPI_PEND, vm, 0, LPI + i, 0xf0 - i % 16 * 8) !=
			    1;
	check("LPI_PEND", failures, 0);
	check("LPI_PEND of one too many",
	      CALL(LPI_PEND, KEEL_HC_LPI_PEND, vm, 0, LPI + KEEL_LPIS, 0xf8), (u64)ENOSPC_);
	regs = (struct regs){ { KEEL_HC_LPI_PEND, vm, 0, LPI + KEEL_LPIS, 0 } };
	check("LPI_PEND of a more urgent one", timed(LPI_PEND, &regs), 1);
	check("... and the least urgent one is given back", regs.x[1], LPI);
	check("LPI_TAKE of one that is not there", CALL(LPI_TAKE, KEEL_HC_LPI_TAKE, vm, 0, LPI), 0);
	check("LPI_TAKE", CALL(LPI_TAKE, KEEL_HC_LPI_TAKE, vm, 0, LPI + 63), 1);
	check("LPI_PEND again", CALL(LPI_PEND, KEEL_HC_LPI_PEND, vm, 0, LPI + 63, 8), 1);
}

/* The others wait in WFI, so that each is one to be woken. */
static void run_guest(u64 runs)
{
	u64 memory = take_block();
	volatile u32 *wait = (volatile u32 *)(memory + WAIT);
	struct keel_run *run = (struct keel_run *)runs;
	u64 exits = 0;

	memcpy((void *)memory, guest, (u64)(guest_end - guest));
	wait[0] = 0xd503207f; /* WFI */
	wait[1] = 0x17ffffff; /* B to it */
	check("VM_MAP for the guest", CALL(MAP, KEEL_HC_VM_MAP, vm, 0, memory, 0x10000, 3), 0);
	for (u64 i = 1; i < VCPUS; i++) {
		*(volatile u64 *)((volatile struct keel_run *)(runs + i * PAGE))->data = WAIT;
		(void)hvc(KEEL_HC_VCPU_SET_REG, vm, i, PC, 0, 0);
		exits += CALL(RUN, KEEL_HC_VCPU_RUN, vm, i) == KEEL_EXIT_WFI;
	}
	check("vCPUs that wait", exits, VCPUS - 1);
	for (u32 i = exits = 0; i < 16; i++) {
		run->answer = KEEL_ANSWER_DONE;
		exits += CALL(RUN, KEEL_HC_VCPU_RUN, vm, 0) == KEEL_EXIT_FAULT;
	}
	check("the guest's accesses to nothing, among others", exits >= 8, 1);
}

static u64 is_answer(u64 ret)
{
	return !ret || ret == (u64)ENXIO_ || ret == (u64)EINVAL_;
}

/* Registers of the vGIC, as a VMM saves and restores them; and all that they can be. */
static u64 access_reg(u64 space, u64 offset)
{
	struct regs get = { { KEEL_HC_VGIC_GET_REG, vm, 0, space, offset } };
	u64 failures = !is_answer(timed(VGIC_GET_REG, &get));
	const u64 values[] = { get.x[1], ~0U, 0, ~0U };

	for (u32 i = 0; i < ARRAY_SIZE(values); i++)
		failures += !is_answer(
			CALL(VGIC_SET_REG, KEEL_HC_VGIC_SET_REG, vm, 0, space, offset, values[i]));
	return failures;
}

static void access_vgic(void)
{
	static const struct {
		u64 space, first, end, step;
	} ranges[] = {
		{ KEEL_VGIC_DIST, 0, 0xd80, 4 },
		{ KEEL_VGIC_DIST, 0x6000, 0x8000, 8 },
		{ KEEL_VGIC_REDIST, 0, 0x100, 4 },
		{ KEEL_VGIC_REDIST, 0x10080, 0x10e04, 4 },
		{ KEEL_VGIC_LINES, 0, 0x80, 4 },
		{ KEEL_VGIC_CPU, 0xc230, 0xc231, 1 }, /* ICC_PMR_EL1 */
		{ KEEL_VGIC_CPU, 0xc640, 0xc668, 1 }, /* ICC_IAR0_EL1 to ICC_IGRPEN1_EL1 */
	};
	u64 failures = 0;

	for (u32 i = 0; i < ARRAY_SIZE(ranges); i++)
		for (u64 at = ranges[i].first; at < ranges[i].end; at += ranges[i].step)
			failures += access_reg(ranges[i].space, at);
	check("VGIC_GET_REG and VGIC_SET_REG", failures, 0);
}

static u64 protect(u64 ipa, u64 how)
{
	return range(PROTECT_TAKE + (u32)how, KEEL_HC_VM_PROTECT, ipa, 0, how);
}

static u64 protect_page(u64 ipa, u64 how)
{
	return CALL(PROTECT_TAKE + (u32)how, KEEL_HC_VM_PROTECT, vm, ipa, PAGE, how);
}

/* Of single pages, of a block, of one page of it, of every second one, and of what is left. */
static void protect_memory(void)
{
	u64 pages = 0;

	for (u64 how = KEEL_PROTECT_TAKE; how <= KEEL_PROTECT_SPLIT; how++)
		check("VM_PROTECT of pages", protect(PAGES, how), 0);
	check("VM_PROTECT of a block", protect(SPLIT, KEEL_PROTECT_TAKE), 0);
	check("VM_PROTECT in a block", protect_page(SPLIT + PAGE, KEEL_PROTECT_GIVE), 0);
	check("VM_PROTECT of its rest", protect(SPLIT, KEEL_PROTECT_GIVE), 0);
	check("VM_PROTECT to a block", protect(SPLIT, KEEL_PROTECT_JOIN), 0);
	check("VM_PROTECT of a block again", protect(SPLIT, KEEL_PROTECT_TAKE), 0);
	for (u64 at = PAGE; at < BLOCK; at += 2 * PAGE)
		pages += !protect_page(SPLIT + at, KEEL_PROTECT_GIVE);
	check("VM_PROTECT of every second page", pages, BLOCK / PAGE / 2);
	check("VM_PROTECT between pages", protect(SPLIT, KEEL_PROTECT_GIVE), 0);
	check("VM_PROTECT to a block again", protect(SPLIT, KEEL_PROTECT_JOIN), 0);
	check("VM_PROTECT of a block to pages", protect(SPLIT, KEEL_PROTECT_SPLIT), 0);
	check("VM_PROTECT to a block at last", protect(SPLIT, KEEL_PROTECT_JOIN), 0);
}

static u64 age(u64 how)
{
	return range(YOUNG, KEEL_HC_VM_YOUNG, PAGES, 0, how);
}

static void age_memory(void)
{
	check("VM_YOUNG of pages", age(KEEL_YOUNG_CLEAR), 1);
	check("VM_YOUNG of old pages", age(KEEL_YOUNG_TEST), 0);
	check("VM_YOUNG of old pages again", age(KEEL_YOUNG_CLEAR), 0);
}

static void move_memory(void)
{
	u64 pieces = take_block(), block = take_block(), pages = take_block() + PAGE;

	(void)take_block();
	for (u64 at = 0; at < BLOCK; at += 2 * PAGE)
		(void)CALL(MAP, KEEL_HC_VM_MAP, vm, PIECES + at, pieces + at, PAGE, 1);
	check("VM_MAP between pages", range(MAP, KEEL_HC_VM_MAP, PIECES, pieces, 1), 0);
	check("... again", range(MAP, KEEL_HC_VM_MAP, PIECES, pieces, 1), 0);
	check("VM_MAP of pages", range(MAP, KEEL_HC_VM_MAP, PAGES, pages, 3), 0);
	check("VM_MAP of a block", range(MAP, KEEL_HC_VM_MAP, SPLIT, block, 3), 0);
	(void)CALL(WALK, KEEL_HC_VM_WALK, vm, PIECES);
	(void)CALL(WALK, KEEL_HC_VM_WALK, vm, 2 * SPLIT);
	protect_memory();
	age_memory();
	check("VM_UNMAP in a block", CALL(UNMAP, KEEL_HC_VM_UNMAP, vm, SPLIT + PAGE, PAGE, 0), 0);
	check("VM_UNMAP of its rest", range(UNMAP, KEEL_HC_VM_UNMAP, SPLIT, 0, 0), 0);
	check("VM_UNMAP of pages", range(UNMAP, KEEL_HC_VM_UNMAP, PAGES, 0, KEEL_UNMAP_WHOLE), 0);
	for (u64 at = 0; at < BLOCK; at += 2 * PAGE)
		(void)CALL(UNMAP, KEEL_HC_VM_UNMAP, vm, PIECES + at, PAGE, 0);
	check("VM_UNMAP between holes", range(UNMAP, KEEL_HC_VM_UNMAP, PIECES, 0, 0), 0);
	check("VM_SYNC", CALL(SYNC, KEEL_HC_VM_SYNC, vm, 0), 0);
	check("VM_MAP of pages that stay", range(MAP, KEEL_HC_VM_MAP, PAGES, pages, 3), 0);
}

static void end_vm(void)
{
	u64 ret;

	check("VM_NEXT", CALL(NEXT, KEEL_HC_VM_NEXT, 0), 0);
	write_sysreg(0, CNTP_CVAL_EL0); /* an interrupt waits all the time */
	write_sysreg(1, CNTP_CTL_EL0);
	do
		ret = CALL(DESTROY, KEEL_HC_VM_DESTROY, vm);
	while (ret == (u64)EAGAIN_);
	write_sysreg(0, CNTP_CTL_EL0);
	check("VM_DESTROY", ret, 0);
	check("VM_NEXT, of none", CALL(NEXT, KEEL_HC_VM_NEXT, 0), 0);
	check("POOL_DONATE", CALL(DONATE, KEEL_HC_POOL_DONATE, HOSTILE_MEMORY, POOL), 0);
	check("POOL_RECLAIM", CALL(RECLAIM, KEEL_HC_POOL_RECLAIM, HOSTILE_MEMORY, POOL), 0);
}

static void check_bounds(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(kinds); i++) {
		print("hostile: hold: ");
		print(kinds[i].what);
		print(": ");
		print_decimal((u32)kinds[i].most);
		print("\n");
		check(kinds[i].what, kinds[i].most && kinds[i].most <= kinds[i].bound, 1);
	}
}

static void hostile_main(u64 fdt)
{
	u64 runs;

	(void)fdt;
	gic_init(0, 1U << TIMER_PPI);
	make_vm();
	runs = take(VCPUS);
	make_vcpus(runs);
	make_vgic();
	pend_lpis();
	run_guest(runs);
	access_vgic();
	move_memory();
	end_vm();
	check_bounds();
}
