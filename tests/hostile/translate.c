// SPDX-License-Identifier: BSD-2-Clause
/*
 * AT at a virtual EL2 whose walk meets what is not there: tables, of stage 1 at each level or of the
 * guest hypervisor's stage 2, in holes, in the interrupt controller, in memory that does not answer,
 * and in memory that the VM has had before. The guest takes an External abort on the walk, of the
 * right level; or the instruction is executed again if there is memory after all.
 */
#include "hostile.h"

#define PAGE   4096UL
#define PSCI   (1UL << 2)
#define VMM    0x0a000000UL    /* where nothing is: the guest's access is an exit */
#define DIST   0x08000000UL    /* the distributor */
#define SILENT 0x0b000000UL    /* an access is answered with an external abort */
#define HIGH   ~0x7fffffffffUL /* where TTBR1_EL1 begins to translate */
#define GIB    (1UL << 30)

/* Addresses of the VM; its memory begins at 0. */
#define HOLE	 0x80000000UL
#define DEAD	 0x90000000UL /* SILENT */
#define GONE	 0xa0000000UL /* a page that is unmapped while it is a table */
#define SHARED	 0x7000UL     /* struct shared */
#define ROOT	 0x1000UL     /* identity of the first GiB */
#define UPPER	 0x2000UL     /* TTBR1_EL1's: level 1, 2 and 3 */
#define STAGE2	 0x5000UL     /* of the nested guest's second GiB ... */
#define STAGE2_2 0x6000UL     /* ... there is as much as this has */
#define TARGET	 0x9000UL     /* what the address translates to, if it does */

#define D_TABLE 3UL
#define D_PAGE	0x703UL
#define D_BLOCK 0x701UL
#define EL0	(1UL << 6)
#define S2_RW	(0xfUL << 2 | 3UL << 6 | 3UL << 8 | 1UL << 10)

#define SCTLR_ON  0x30d01805UL
#define SCTLR_OFF 0x30d01804UL

#define HCR_VM	 (1UL << 0)
#define HCR_HOST (1UL << 27 | 1UL << 31 | 1UL << 34) /* TGE, RW, E2H */
#define HCR_EL1	 (1UL << 31 | 1UL << 34)

#define EC_DABT_CUR	 0x25UL
#define ABORT_OF(level)	 (EC_DABT_CUR << 26 | 1UL << 25 | 1UL << 8 | 1UL << 6 | 0x14 | (level))
#define PAR_F		 1UL
#define PAR_OF_WALK(fst) (0xb01UL | (fst) << 1) /* F, PTW, S */

/* What the guest is told, and tells. */
struct shared {
	u64 hcr, va, op, ttbr1;
	u64 vttbr, esr, far, par;
	u64 off;   /* of ELR_EL2 from the instruction */
	u64 sctlr; /* EL1's */
};

/*
 * At EL2: the instruction by number, and what came of it; then an exit. Both levels have the same
 * tables.
 */
__asm__(".pushsection .rodata\n"
	".balign 2048\n"
	"guest:\n"
	"b 1f\n"
	".balign 2048\n"
	"2: .skip 0x200\n" /* an exception of EL2h */
	"mrs x0, esr_el1\n"
	"mrs x1, far_el1\n"
	"mrs x2, elr_el1\n"
	"sub x2, x2, x5\n"
	"b 6f\n"
	"1: adr x0, 2b\n"
	"msr vbar_el1, x0\n"
	"mov x9, #0x0a000000\n" /* VMM */
	"mov x10, #0x7000\n"	/* SHARED */
	"mov x0, #0xff\n"
	"msr mair_el1, x0\n"
	"msr s3_5_c10_c2_0, x0\n" /* MAIR_EL12 */
	"ldr x0, =0x2b5193519\n"  /* 39 bits and 4K in both halves; 40 bits of output */
	"msr tcr_el1, x0\n"
	"msr s3_5_c2_c0_2, x0\n"
	"mov x0, #0x1000\n" /* ROOT */
	"msr ttbr0_el1, x0\n"
	"msr s3_5_c2_c0_0, x0\n"
	"mov x0, #0x3559\n" /* VTCR_EL2: 39 bits, 4K, from level 1 on */
	"movk x0, #0x8002, lsl #16\n"
	"msr vtcr_el2, x0\n"
	"dsb sy\n"
	"isb\n"
	"tlbi alle2\n"
	"dsb sy\n"
	"isb\n"
	"ldr x0, =0x30d01805\n"
	"msr sctlr_el1, x0\n"
	"isb\n"
	"3: ldp x1, x2, [x10]\n"
	"ldp x3, x4, [x10, #16]\n"
	"msr ttbr1_el1, x4\n"
	"msr s3_5_c2_c0_1, x4\n"
	"ldr x4, [x10, #32]\n"
	"msr vttbr_el2, x4\n"
	"ldr x4, [x10, #72]\n"
	"msr s3_5_c1_c0_0, x4\n" /* SCTLR_EL12 */
	"isb\n"
	"dsb sy\n"
	"tlbi alle2\n"
	"tlbi alle1\n"
	"dsb sy\n"
	"msr hcr_el2, x1\n"
	"isb\n"
	"adr x5, 4f\n"
	"add x5, x5, x3, lsl #3\n"
	"br x5\n"
	"4: at s1e2r, x2\n b 5f\n"
	"at s1e2w, x2\n b 5f\n"
	"at s1e1r, x2\n b 5f\n"
	"at s1e1w, x2\n b 5f\n"
	"at s1e0r, x2\n b 5f\n"
	"at s12e1r, x2\n b 5f\n"
	"at s12e0w, x2\n b 5f\n"
	"5: mov x0, #0\n"
	"mov x1, #0\n"
	"mov x2, #0\n"
	"6: isb\n"
	"mrs x6, par_el1\n"
	"stp x0, x1, [x10, #40]\n"
	"stp x6, x2, [x10, #56]\n"
	"ldr x1, =0x488000000\n"
	"msr hcr_el2, x1\n"
	"isb\n"
	"str x0, [x9]\n"
	"b 3b\n"
	".ltorg\n"
	"guest_end:\n"
	".popsection\n");
extern const char guest[], guest_end[];

enum { S1E2R, S1E2W, S1E1R, S1E1W, S1E0R, S12E1R, S12E0W, OPS };

static const char names[][12] = { "AT S1E2R", "AT S1E2W",  "AT S1E1R", "AT S1E1W",
				  "AT S1E0R", "AT S12E1R", "AT S12E0W" };

static u64 vm;
static volatile struct shared *shared;

static volatile u64 *table(u64 ipa)
{
	return (volatile u64 *)(GUEST_CODE(0) + ipa);
}

static void make_guest(void)
{
	vm = guest_create(0, guest, (u64)(guest_end - guest), PSCI | GUEST_EL2);
	check("VGIC_INIT", hvc(KEEL_HC_VGIC_INIT, vm, DIST, 0x80a0000, 64, 0), 0);
	check("VM_MAP of nothing",
	      hvc(KEEL_HC_VM_MAP, vm, DEAD, SILENT, PAGE, KEEL_MAP_WRITE | KEEL_MAP_DEVICE), 0);
	shared = (volatile struct shared *)table(SHARED);
	/* GUEST_CODE() is cleared, and the code is at 0, which is below ROOT. */
	table(ROOT)[0] = D_BLOCK;
}

static void tables_of(u64 first, u64 second, u64 third)
{
	shared->ttbr1 = first;
	table(UPPER)[0] = second | D_TABLE;
	table(UPPER + PAGE)[0] = third | D_TABLE;
	table(UPPER + 2 * PAGE)[0] = TARGET | D_PAGE | EL0;
}

/* The page that comes and goes has what the table has in whose place it is. */
static u64 gone_page(void)
{
	return GUEST_CODE(1);
}

static void gone_is(u64 ipa)
{
	for (u64 i = 0; i < PAGE / 8; i++)
		((volatile u64 *)gone_page())[i] = table(ipa)[i];
}

static u64 map_gone(void)
{
	return hvc(KEEL_HC_VM_MAP, vm, GONE, gone_page(), PAGE, KEEL_MAP_WRITE);
}

static u64 unmap_gone(void)
{
	return hvc(KEEL_HC_VM_UNMAP, vm, GONE, PAGE, 0, 0);
}

/* Run to the guest's exit. Where it asks for memory, at @asked, there is what @answer says, or GONE. */
static u64 run(u64 answer, u64 *asked)
{
	volatile struct keel_run *page = (volatile struct keel_run *)GUEST_RUN(0);

	*asked = 0;
	for (int i = 0; i < 16; i++) {
		if (guest_run(vm) != KEEL_EXIT_FAULT)
			return 0;
		page->answer = KEEL_ANSWER_DONE;
		if (page->fault.ipa == VMM)
			return 1;
		*asked = page->fault.ipa;
		page->answer = answer;
		if (answer == KEEL_ANSWER_DONE)
			(void)map_gone();
	}
	return 0;
}

static void expect(const char *what, u64 level, u64 esr, u64 par, u64 asked, u64 where)
{
	print("hostile: ");
	print(names[shared->op]);
	print(level ? ", level " : "");
	if (level)
		print_decimal((u32)level);
	print("\n");
	check(what, shared->esr, esr);
	if (esr) {
		check("... FAR_EL2", shared->far, shared->va);
		check("... ELR_EL2", shared->off, 0);
	} else {
		check("... PAR_EL1",
		      shared->par & (par & PAR_F ? 0xfffUL : PAR_F | 0xfffffffff000UL), par);
	}
	check("... the host was asked for", asked, where);
}

/* @where: of the VM; or 0: nobody asks for it. */
static void walk_fails(const char *what, u64 place, u64 asks)
{
	u64 asked;

	for (u64 level = 1; level <= 3; level++) {
		tables_of(level == 1 ? place : UPPER, level == 2 ? place : UPPER + PAGE,
			  level == 3 ? place : UPPER + 2 * PAGE);
		check("the guest goes on", run(KEEL_ANSWER_NONE, &asked), 1);
		expect(what, level, ABORT_OF(level), 0, asked, asks);
	}
}

static void walk_comes_back(void)
{
	u64 asked;

	for (u64 level = 1; level <= 3; level++) {
		tables_of(level == 1 ? GONE : UPPER, level == 2 ? GONE : UPPER + PAGE,
			  level == 3 ? GONE : UPPER + 2 * PAGE);
		gone_is(UPPER + (level - 1) * PAGE);
		check("VM_MAP", map_gone(), 0);
		check("the guest goes on", run(KEEL_ANSWER_NONE, &asked), 1);
		expect("a table in memory", level, 0, TARGET, asked, 0);
		check("VM_UNMAP", unmap_gone(), 0);
		check("the guest goes on", run(KEEL_ANSWER_NONE, &asked), 1);
		expect("memory that was removed", level, ABORT_OF(level), 0, asked, GONE);
		check("the guest goes on", run(KEEL_ANSWER_DONE, &asked), 1);
		expect("memory that comes back", level, 0, TARGET, asked, GONE);
		check("VM_UNMAP", unmap_gone(), 0);
	}
}

static void stage1(u64 op, u64 hcr)
{
	shared->op = op;
	shared->hcr = hcr;
	shared->va = HIGH + 0x123;
	shared->sctlr = SCTLR_ON;
	walk_fails("a hole", HOLE, HOLE);
	walk_fails("the interrupt controller", DIST, DIST);
	walk_fails("memory that does not answer", DEAD, 0);
	walk_comes_back();
}

/* ---- the guest hypervisor's stage 2 */

static void stage2_fails(const char *what, u64 place, u64 asks)
{
	u64 asked;

	table(STAGE2)[1] = place | D_TABLE;
	check("the guest goes on", run(KEEL_ANSWER_NONE, &asked), 1);
	expect(what, 2, ABORT_OF(2), 0, asked, asks);
}

/* EL1's table, with its MMU on, is in the first GiB, the address in the second one. */
static void stage2(u64 op, u64 sctlr, u64 vmid)
{
	u64 asked;

	shared->op = op;
	shared->hcr = HCR_EL1 | HCR_VM;
	shared->vttbr = STAGE2 | vmid << 48;
	shared->va = GIB + 0x123; /* at stage 2, page 0 */
	shared->sctlr = sctlr;
	table(ROOT)[1] = GIB | D_BLOCK | EL0;
	table(STAGE2)[0] = S2_RW | 1;
	table(STAGE2_2)[0] = S2_RW | 1;
	table(STAGE2)[1] = STAGE2_2 | D_TABLE;
	check("the guest goes on", run(KEEL_ANSWER_NONE, &asked), 1);
	expect("stage 2 in memory", 0, 0, 0, asked, 0);
	stage2_fails("stage 2: a hole", HOLE, HOLE);
	stage2_fails("stage 2: the interrupt controller", DIST, DIST);
	stage2_fails("stage 2: memory that does not answer", DEAD, 0);
	table(STAGE2)[1] = GONE | D_TABLE;
	gone_is(STAGE2_2);
	check("the guest goes on", run(KEEL_ANSWER_DONE, &asked), 1);
	expect("stage 2: memory that comes", 0, 0, 0, asked, GONE);
	check("VM_UNMAP", unmap_gone(), 0);
}

/* A table of EL1's that stage 2 does not have, translates to nothing, or has in memory that comes. */
static void stage1_by_stage2(u64 op)
{
	u64 asked;

	stage2(op, SCTLR_ON, 2 + op);
	table(STAGE2)[1] = STAGE2_2 | D_TABLE;
	table(STAGE2)[0] = 0;
	check("the guest goes on", run(KEEL_ANSWER_NONE, &asked), 1);
	expect("a table that stage 2 does not have", 0, 0, PAR_OF_WALK(5), asked, 0);
	table(STAGE2)[0] = HOLE | D_TABLE;
	check("the guest goes on", run(KEEL_ANSWER_NONE, &asked), 1);
	expect("a table whose translation is in a hole", 2, ABORT_OF(2), 0, asked, HOLE);
	table(STAGE2)[0] = HOLE | S2_RW | 1;
	check("the guest goes on", run(KEEL_ANSWER_NONE, &asked), 1);
	expect("a table that is in a hole", 1, ABORT_OF(1), 0, asked, HOLE + ROOT);
}

static void hostile_main(u64 fdt)
{
	(void)fdt;
	make_guest();
	stage1(S1E2R, HCR_HOST);
	stage1(S1E2W, HCR_HOST);
	for (u64 op = S1E1R; op <= S12E0W; op++)
		stage1(op, HCR_EL1);
	stage2(S12E1R, SCTLR_OFF, 1);
	stage2(S12E0W, SCTLR_OFF, 1);
	stage1_by_stage2(S12E1R);
	stage1_by_stage2(S12E0W);
}
