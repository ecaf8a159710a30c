// SPDX-License-Identifier: BSD-2-Clause
/*
 * The benchmark's guest hypervisor: what single operations cost at a virtual EL2, and a nested guest
 * of it. Bare metal, MMU off, HCR_EL2.{E2H,TGE} = {1,1} as in the host part of a VHE kernel.
 */
#include "guest.h"

#define HCR_VM	(1UL << 0)
#define HCR_TGE (1UL << 27)
#define HCR_RW	(1UL << 31)
#define HCR_E2H (1UL << 34)
#define HOST	(HCR_E2H | HCR_TGE | HCR_RW)
#define GUEST	(HCR_E2H | HCR_RW | HCR_VM)

#define SPSR_EL0T 0x3c0UL
#define SPSR_EL1H 0x3c5UL
#define SPSR_EL2H 0x3c9UL

#define SCTLR_OFF 0x30d00800UL

/* Names that need FEAT_VHE, and those of the GIC. */
#define CPACR_EL1     "cpacr_el1"
#define CPACR_EL12    "s3_5_c1_c0_2"
#define SCTLR_EL12    "s3_5_c1_c0_0"
#define CNTV_CTL_EL02 "s3_5_c14_c3_1"
#define ICH_VTR_EL2   "s3_4_c12_c11_1"
#define ICH_ELRSR_EL2 "s3_4_c12_c11_5"
#define FP_NO_TRAP    (3UL << 20)

u64 enter(void (*pc)(void), u64 count, u64 address, u64 spsr, u64 host, u64 guest);
void process(void), guest_hypercalls(void), guest_loads(void), guest_pages(void);
extern char vectors_guest[], vectors_host[];

/* ---- stage 2 of the nested guest: 39 bits of IPA, 4K pages, from level 1 on ---- */

#define VTCR	 (25UL | 1UL << 6 | 1UL << 8 | 1UL << 10 | 3UL << 12 | 2UL << 16 | 1UL << 31)
#define S2_TABLE 3UL
#define S2_PAGE	 3UL
#define S2_BLOCK 1UL
#define S2_RWX	 (0xfUL << 2 | 3UL << 6 | 3UL << 8 | 1UL << 10)

/* Its memory, by pages, where the machine has nothing; behind it there is nothing. */
#define AREA	   0x40000000UL
#define AREA_SIZE  (2 * MIB)
#define AREA_IS_AT (RAM_BASE + 64 * MIB)

static u64 root[512] __attribute__((aligned(4096)));
static u64 level2[2][512] __attribute__((aligned(4096)));
static u64 pages[512] __attribute__((aligned(4096)));

/* The code's 2 MiB by a block. The area's pages are touched: the host has them. */
static void make_tables(void)
{
	root[AREA >> 30] = (u64)level2[0] | S2_TABLE;
	level2[0][0] = (u64)pages | S2_TABLE;
	root[RAM_BASE >> 30] = (u64)level2[1] | S2_TABLE;
	level2[1][0] = RAM_BASE | S2_RWX | S2_BLOCK;
	for (unsigned int i = 0; i < 512; i++) {
		write32(AREA_IS_AT + i * 4096UL, i);
		pages[i] = (AREA_IS_AT + i * 4096UL) | S2_RWX | S2_PAGE;
	}
	__asm__ volatile("dsb ish");
}

static u64 run_guest(void (*pc)(void), u64 count, u64 address)
{
	u64 ticks;

	write_sysreg(vectors_guest, "vbar_el1");
	ticks = enter(pc, count, address, SPSR_EL1H, HOST, GUEST);
	write_sysreg(SPSR_EL2H, "spsr_el1");
	return ticks;
}

/* ---- operations ---- */

static u64 do_nothing(unsigned int count, unsigned int round)
{
	(void)round;
	return REPEATED(count, __asm__ volatile("" : : : "memory"));
}

/* To EL2 itself, at the next instruction. */
static u64 do_eret(unsigned int count, unsigned int round)
{
	(void)round;
	write_sysreg(SPSR_EL2H, "spsr_el1");
	return REPEATED(count, ({
				u64 pc_;

				__asm__ volatile("adr %0, 1f\n\tmsr elr_el1, %0\n\teret\n1:"
						 : "=&r"(pc_)
						 :
						 : "memory");
			}));
}

static u64 do_system_call(unsigned int count, unsigned int round)
{
	u64 start;

	(void)round;
	write_sysreg(vectors_host, "vbar_el1");
	start = counter();
	enter(process, count, 0, SPSR_EL0T, HOST, HOST);
	return counter() - start;
}

/* As a kernel's, for a page of its own. */
static u64 do_tlbi(unsigned int count, unsigned int round)
{
	u64 address = AREA >> 12;

	(void)round;
	return REPEATED(count,
			__asm__ volatile("dsb ishst\n\ttlbi vaale1is, %0\n\tdsb ish" ::"r"(address)
					 : "memory"));
}

/* The same by the name that always traps. */
static u64 do_tlbi_el2(unsigned int count, unsigned int round)
{
	u64 address = AREA >> 12;

	(void)round;
	return REPEATED(count,
			__asm__ volatile("dsb ishst\n\ttlbi vale2is, %0\n\tdsb ish" ::"r"(address)
					 : "memory"));
}

static u64 do_id_register(unsigned int count, unsigned int round)
{
	(void)round;
	return REPEATED(count, read_sysreg("id_aa64pfr0_el1"));
}

static u64 do_vtr(unsigned int count, unsigned int round)
{
	(void)round;
	return REPEATED(count, read_sysreg(ICH_VTR_EL2));
}

static u64 do_elrsr(unsigned int count, unsigned int round)
{
	(void)round;
	return REPEATED(count, read_sysreg(ICH_ELRSR_EL2));
}

static u64 do_hpfar(unsigned int count, unsigned int round)
{
	(void)round;
	return REPEATED(count, read_sysreg("hpfar_el2"));
}

static u64 do_cpacr(unsigned int count, unsigned int round)
{
	(void)round;
	return REPEATED(count, write_sysreg(FP_NO_TRAP, CPACR_EL1));
}

static u64 do_timer_el02(unsigned int count, unsigned int round)
{
	(void)round;
	return REPEATED(count, read_sysreg(CNTV_CTL_EL02));
}

static u64 do_mdcr(unsigned int count, unsigned int round)
{
	(void)round;
	return REPEATED(count, write_sysreg(0, "mdcr_el2"));
}

/* Out of the host's context, and into it: two writes. */
static u64 do_context(unsigned int count, unsigned int round)
{
	(void)round;
	return REPEATED(count, ({
				write_sysreg(GUEST, "hcr_el2");
				write_sysreg(HOST, "hcr_el2");
			}));
}

static u64 do_nested_hypercall(unsigned int count, unsigned int round)
{
	(void)round;
	return run_guest(guest_hypercalls, count, 0);
}

static u64 do_nested_abort(unsigned int count, unsigned int round)
{
	(void)round;
	return run_guest(guest_loads, count, AREA + AREA_SIZE);
}

/* The shadow is emptied before each round. */
static u64 do_shadow_fault(unsigned int count, unsigned int round)
{
	(void)round;
	write_sysreg(GUEST, "hcr_el2");
	__asm__ volatile("dsb ishst\n\ttlbi vmalls12e1is\n\tdsb ish\n\tisb" ::: "memory");
	write_sysreg(HOST, "hcr_el2");
	return run_guest(guest_pages, count, AREA);
}

static const struct operation operations[] = {
	{ "nothing", do_nothing, 64, 33, false, false },
	{ "eret", do_eret, 64, 33, false, false },
	{ "system-call", do_system_call, 64, 33, false, false },
	{ "tlbi", do_tlbi, 64, 33, false, false },
	{ "tlbi-el2", do_tlbi_el2, 64, 33, false, false },
	{ "id-register", do_id_register, 64, 33, false, false },
	{ "ich-vtr", do_vtr, 64, 33, false, false },
	{ "ich-elrsr", do_elrsr, 64, 33, false, false },
	{ "hpfar", do_hpfar, 64, 33, false, false },
	{ "cpacr", do_cpacr, 64, 33, false, false },
	{ "timer-el02", do_timer_el02, 64, 33, false, false },
	{ "mdcr", do_mdcr, 64, 33, false, false },
	{ "context", do_context, 64, 33, false, false },
	{ "nested-hypercall", do_nested_hypercall, 64, 33, false, true },
	{ "nested-abort", do_nested_abort, 64, 33, false, true },
	{ "shadow-fault", do_shadow_fault, 64, 9, false, true }, /* a round takes stock KVM 260 M */
};

__attribute__((noreturn)) void bench_main(u64 device_tree)
{
	(void)device_tree;
	write_sysreg(HOST, "hcr_el2");
	write_sysreg(vectors_guest, "vbar_el1");
	write_sysreg(SCTLR_OFF, SCTLR_EL12);
	write_sysreg(FP_NO_TRAP, CPACR_EL12);
	make_tables();
	write_sysreg(VTCR, "vtcr_el2");
	write_sysreg((u64)root | 1UL << 48, "vttbr_el2");
	run_operations(operations, sizeof(operations) / sizeof(operations[0]), false);
	put("BENCH end\n");
	power_off();
}
