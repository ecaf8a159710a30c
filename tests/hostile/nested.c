// SPDX-License-Identifier: BSD-2-Clause
/*
 * How long Keel keeps a CPU for a guest hypervisor and its nested guests: a page is taken from a VM
 * with shadows, all shadows are emptied by one TLBI, an entry recycles a shadow, and the VM ends. Under QEMU's -icount, and with
 * -cpu max, the counter counts instructions. Where Keel looks whether the host's interrupts wait,
 * one comes at each time that it can, and what counts is how long the host waits for the CPU.
 */
#include "hostile.h"

#define VCPUS	 8UL
#define SHADOWS	 (2 * VCPUS)
#define PAGE	 4096UL
#define BLOCK	 0x200000UL
#define GIB	 0x40000000UL
#define ENOMEM_	 (-12L)
#define EAGAIN_	 (-11L)
#define ENOBUFS_ (-105L)
#define EL2	 0x84UL /* KEEL_HC_VCPU_INIT: PSCI 0.2, an EL2 */

#define POOL_PA 0x7e000000UL /* for Keel's own pool */
#define VMM	0x0a000000UL /* where nothing is: the guest's access is an exit */
#define DATA	0x60000000UL /* pages of the VM that nested guests have at 0x40000000 */

/* A part of a donation goes back, and the tables of the host that are whole then are merged. */
#define END_STEP 20000

/* The guest hypervisor's memory, which begins at 0. */
#define PARAMETERS 0x7000UL
#define ROOT	   0x10000UL
#define LEVEL2	   0x11000UL
#define AREA	   0x12000UL
#define CODE	   0x13000UL
#define ENTRIES	   64UL

#define D_TABLE 3UL
#define D_PAGE	(3UL | 0xfUL << 2 | 3UL << 6 | 3UL << 8 | 1UL << 10)

/*
 * At EL2: for each VMID below the first parameter, EL1 reads as many pages as the second one says, each
 * by the fourth one behind the last. The third one becomes the longest time from ERET to EL1's first
 * instruction, which its abort, if it is not in the shadow, is a part of. Then an exit, a TLBI for all of
 * EL1, and another exit.
 */
__asm__(".pushsection .rodata\n"
	".balign 2048\n"
	"guest:\n"
	"b 1f\n"
	".balign 2048\n"
	"2: .skip 0x400\n"
	"sub x23, x23, x22\n"
	"cmp x23, x24\n"
	"csel x24, x23, x24, hi\n"
	"str x24, [x10, #16]\n"
	"add x20, x20, #1\n"
	"cmp x20, x19\n"
	"b.lo 4f\n"
	"mov x0, #0x88000000\n"
	"movk x0, #4, lsl #32\n"
	"msr hcr_el2, x0\n"
	"str x0, [x9]\n"
	"dsb ish\n"
	"tlbi alle1is\n"
	"dsb ish\n"
	"isb\n"
	"str x0, [x9]\n"
	"b 3f\n"
	"1: adr x0, 2b\n"
	"msr vbar_el2, x0\n"
	"mov x0, #0xc00\n" /* EL1 has the counter */
	"msr cnthctl_el2, x0\n"
	"mov x9, #0x0a000000\n" /* VMM */
	"3: mov x20, #0\n"
	"mov x24, #0\n"
	"4: mov x10, #0x7000\n" /* PARAMETERS */
	"ldp x19, x21, [x10]\n"
	"ldr x26, [x10, #24]\n"
	"mov x0, #0x10000\n" /* ROOT */
	"orr x0, x0, x20, lsl #48\n"
	"msr vttbr_el2, x0\n"
	"mov x0, #0x3559\n" /* 39 bits, 4K, from level 1 on */
	"movk x0, #0x8002, lsl #16\n"
	"msr vtcr_el2, x0\n"
	"mov x0, #1\n" /* VM, RW, E2H */
	"movk x0, #0x8000, lsl #16\n"
	"movk x0, #4, lsl #32\n"
	"msr hcr_el2, x0\n"
	"mov x0, #0x0800\n"
	"movk x0, #0x30d0, lsl #16\n"
	"msr s3_5_c1_c0_0, x0\n" /* SCTLR_EL12 */
	"adr x0, 5f\n"
	"msr elr_el2, x0\n"
	"mov x0, #0x3c5\n"
	"msr spsr_el2, x0\n"
	"mrs x22, cntpct_el0\n"
	"eret\n"
	"5: mrs x23, cntpct_el0\n"
	"mov x1, #0x40000000\n"
	"6: ldr x3, [x1]\n"
	"add x1, x1, x26\n"
	"subs x21, x21, #1\n"
	"b.ne 6b\n"
	"hvc #0\n"
	"guest_end:\n"
	".popsection\n");
extern const char guest[], guest_end[];

static u64 vm, free_pa = HOSTILE_MEMORY, memory, runs, stride = PAGE;

static u64 take(u64 pages, u64 align)
{
	u64 pa = (free_pa + align - 1) & ~(align - 1);

	free_pa = pa + pages * PAGE;
	return pa;
}

/* Make the call, with a page for Keel's pool if it wants one. Return: x0; @took: instructions. */
static u64 timed(struct regs *regs, u64 *took)
{
	static u64 pool = POOL_PA;
	struct regs again = *regs;
	u64 begin;

	for (;;) {
		begin = read_sysreg(CNTPCT_EL0);
		hvc0(regs);
		*took = read_sysreg(CNTPCT_EL0) - begin;
		if (regs->x[0] != (u64)ENOBUFS_)
			return regs->x[0];
		check("POOL_DONATE",
		      hvc(KEEL_HC_POOL_DONATE, pool, KEEL_POOL_DONATE_PAGES, 0, 0, 0), 0);
		pool += KEEL_POOL_DONATE_PAGES * PAGE;
		*regs = again;
	}
}

static u64 call(u64 fid, u64 x1, u64 x2, u64 x3, u64 x4, u64 x5)
{
	struct regs regs = { { fid, x1, x2, x3, x4, x5 } };
	u64 took;

	return timed(&regs, &took);
}

static void tell(const char *what, u64 instructions, u64 bound)
{
	print("hostile: nested: ");
	print(what);
	print(": ");
	print_decimal((u32)instructions);
	print("\n");
	check(what, instructions && instructions <= bound, 1);
}

/* ---- the host's interrupt: its timer ---- */

static void gic_on(void)
{
	volatile u32 *waker = (volatile u32 *)0x080a0014;

	*(volatile u32 *)0x08000000 = 0x12; /* GICD_CTLR: ARE, group 1 */
	*waker = 0;
	while (*waker & 4)
		;
	*(volatile u32 *)0x080b0080 = ~0U; /* GICR_IGROUPR0 */
	*(volatile u32 *)0x080b0100 = 1U << 30;
	write_sysreg(0xff, S3_0_C4_C6_0); /* ICC_PMR_EL1 */
	write_sysreg(1, S3_0_C12_C12_7);  /* ICC_IGRPEN1_EL1 */
}

static u64 timer_in(u64 instructions)
{
	u64 at = read_sysreg(CNTPCT_EL0) + instructions;

	write_sysreg(at, CNTP_CVAL_EL0);
	write_sysreg(1, CNTP_CTL_EL0);
	return at;
}

static void timer_off(void)
{
	write_sysreg(0, CNTP_CTL_EL0);
}

/* ---- the VM ---- */

static u64 topup(void)
{
	return call(KEEL_HC_VM_TOPUP, vm, take(16, 16 * PAGE), 16, 0, 0);
}

static u64 make_vcpu(u64 i, u64 pages)
{
	u64 ret = call(KEEL_HC_VCPU_CREATE, vm, i, take(pages, PAGE), pages, runs + i * PAGE);

	while (!ret && (ret = call(KEEL_HC_VCPU_INIT, vm, i, EL2, 0, 0)) == (u64)ENOMEM_)
		ret = topup();
	return ret;
}

/* The vCPUs bring shadows; one of them runs. */
static void make_vm(void)
{
	struct regs size = { { KEEL_HC_VM_SIZE } }, regs;
	u64 failures = 0, took;

	hvc0(&size);
	regs = (struct regs){ { KEEL_HC_VM_CREATE, take(16, 16 * PAGE), 16 } };
	check("VM_CREATE", timed(&regs, &took), 0);
	vm = regs.x[1];
	runs = take(VCPUS, PAGE);
	for (u64 i = 0; i < VCPUS; i++)
		failures += make_vcpu(i, size.x[2]) != 0;
	check("VCPU_CREATE and VCPU_INIT", failures, 0);
	for (u64 i = 0; i < 4; i++)
		failures += topup() != 0;
	check("VM_TOPUP", failures, 0);
}

static u64 *table(u64 ipa)
{
	return (u64 *)(memory + ipa);
}

static void make_memory(void)
{
	u64 data = take(ENTRIES + 1, BLOCK) + PAGE; /* no block */

	memory = take(BLOCK / PAGE, BLOCK);
	memset((void *)memory, 0, 0x20000);
	memcpy((void *)memory, guest, (u64)(guest_end - guest));
	table(ROOT)[0] = CODE | D_TABLE;
	table(CODE)[0] = D_PAGE & ~2UL;
	table(ROOT)[1] = LEVEL2 | D_TABLE;
	table(LEVEL2)[0] = AREA | D_TABLE;
	for (u64 i = 0; i < ENTRIES; i++)
		table(AREA)[i] = (DATA + i * PAGE) | D_PAGE;
	check("VM_MAP of the guest", call(KEEL_HC_VM_MAP, vm, 0, memory, BLOCK, 3), 0);
	check("VM_MAP of data", call(KEEL_HC_VM_MAP, vm, DATA, data, ENTRIES * PAGE, 1), 0);
}

/* Run to the guest's next access to VMM. Return: the most that the host waited for the CPU. */
static u64 run(u64 timer_at)
{
	struct keel_run *page = (struct keel_run *)runs;
	u64 exit, now, late = 0;

	page->answer = KEEL_ANSWER_DONE;
	do {
		exit = call(KEEL_HC_VCPU_RUN, vm, 0, 0, 0, 0);
		now = read_sysreg(CNTPCT_EL0);
		if (timer_at && now > timer_at)
			late = now - timer_at > late ? now - timer_at : late;
		timer_off();
		timer_at = 0;
	} while (exit == KEEL_EXIT_IRQ);
	if (exit != KEEL_EXIT_FAULT)
		check("an exit of the guest", exit, KEEL_EXIT_FAULT);
	return late;
}

/* So many shadows have so many pages each. */
static void fill(u64 shadows, u64 pages)
{
	table(PARAMETERS)[0] = shadows;
	table(PARAMETERS)[3] = stride;
	table(PARAMETERS)[1] = pages;
	(void)run(0);
}

static u64 stat_of(u64 which)
{
	struct regs regs = { { KEEL_HC_VM_NESTED, vm, which } };

	hvc0(&regs);
	return regs.x[0] ? ~0UL : regs.x[1];
}

/* ---- measurements ---- */

/* Return: the longest of the calls that it takes; *calls of them. */
static u64 unmap(u64 ipa, u64 size, u64 *calls)
{
	u64 most = 0, done = 0, took, ret;

	*calls = 0;
	do {
		struct regs regs = { { KEEL_HC_VM_UNMAP, vm, ipa + done, size - done, 0 } };

		ret = timed(&regs, &took);
		most = took > most ? took : most;
		done += regs.x[0] == (u64)EAGAIN_ ? regs.x[1] : 0;
		++*calls;
	} while (ret == (u64)EAGAIN_);
	check("VM_UNMAP", ret, 0);
	return most;
}

static void take_pages(void)
{
	u64 calls, before, plain;

	plain = unmap(DATA + 60 * PAGE, PAGE, &calls); /* that no shadow has */
	tell("a page is unmapped", plain, 5200);
	fill(4, 32);
	check("entries of four shadows", stat_of(KEEL_NESTED_MAPPED), 4 * 33);
	before = stat_of(KEEL_NESTED_CLEARED);
	tell("a page is unmapped that four shadows have", unmap(DATA, PAGE, &calls), plain + 3000);
	check("calls for it", calls, 1);
	check("entries after it", stat_of(KEEL_NESTED_MAPPED), 4 * 32);
	check("shadows that were cleared for it", stat_of(KEEL_NESTED_CLEARED) - before, 0);
	for (u64 i = 0; i < ENTRIES; i++) /* one page at all addresses */
		table(AREA)[i] = (DATA + 40 * PAGE) | D_PAGE;
	(void)run(0); /* the TLBI */
	fill(SHADOWS, 32);
	tell("a page is unmapped that is at 32 addresses of 16 shadows",
	     unmap(DATA + 40 * PAGE, PAGE, &calls), 25000);
	check("calls for it: several", calls > 1, 1);
	(void)run(0);
}

static void empty_all(void)
{
	u64 late, most = 0, exits = 0;

	for (u64 i = 0; i < ENTRIES; i++)
		table(AREA)[i] = (DATA + (1 + i % 32) * PAGE) | D_PAGE;
	for (u64 at = 1000; at < 16000; at += 250) {
		fill(SHADOWS, 32);
		late = run(timer_in(at));
		exits += late > 0;
		most = late > most ? late : most;
	}
	check("interrupts at different times of a TLBI", exits > 20, 1);
	tell("an interrupt of the host waits for a TLBI of 16 shadows", most, 20000);
}

/* The shadows of the first VMIDs, each with pages all over its root, become those of as many others. */
static void recycle(void)
{
	u64 before = stat_of(KEEL_NESTED_RECYCLED), found;

	for (u64 i = 2; i <= ENTRIES; i++)
		table(ROOT)[i] = LEVEL2 | D_TABLE;
	stride = GIB;
	fill(SHADOWS, 48);
	check("shadows that became those of another VMID", stat_of(KEEL_NESTED_RECYCLED) - before,
	      0);
	found = table(PARAMETERS)[2];
	(void)run(0);
	fill(2 * SHADOWS, 48);
	check("... now", stat_of(KEEL_NESTED_RECYCLED) - before, SHADOWS);
	tell("an entry that finds its shadow", found, 20000);
	tell("an entry that makes a shadow of one with other pages", table(PARAMETERS)[2], 20000);
	(void)run(0);
	stride = PAGE;
}

static void end_vm(void)
{
	u64 most = 0, ret, took;

	fill(SHADOWS, 32);
	(void)timer_in(0); /* one waits all the time */
	do {
		struct regs regs = { { KEEL_HC_VM_DESTROY, vm } };

		ret = timed(&regs, &took);
		most = took > most ? took : most;
	} while (ret == (u64)EAGAIN_);
	timer_off();
	check("VM_DESTROY", ret, 0);
	tell("a step of a VM's end while an interrupt waits", most, END_STEP);
}

static void hostile_main(u64 fdt)
{
	(void)fdt;
	gic_on();
	make_vm();
	make_memory();
	take_pages();
	empty_all();
	recycle();
	end_vm();
}
