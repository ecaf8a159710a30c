// SPDX-License-Identifier: BSD-2-Clause
/*
 * The end of the guest's physical addresses. Run with a bank of memory that ends there; `args:
 * bits=N machine=M`: the size, and what the CPU itself has. One CPU. With `linger` the VM stays, to
 * be looked at from the host.
 *
 * Stage 1 here has no 52-bit descriptors, so from 2^48 on addresses are used with the MMU off. That
 * is of no matter for caches: where there are so many bits, stage 2 decides what is cacheable
 * (FEAT_S2FWB), but for one load at 2^48 that goes nowhere.
 */
#include "lib/guest.h"

const char *payload_name = "ipa";

#define STAGE1_BITS 48
#define TCR_IPS	    (7UL << 32)
#define IPS_48	    (5UL << 32)
#define SCTLR_MC    (BIT(0) | BIT(2))
#define TABLE	    3UL
#define GIB	    BIT(30)
#define WALKED	    (5 * GIB) /* no memory of this machine's map; its table is beyond the end */
#define WORDS	    (PAGE / 8)

#define FSC_ADDRESS_SIZE 0x00UL /* to 0x03, by level */
#define FSC_WALK	 0x14UL /* to 0x17 */
#define FSC_LEVEL	 3UL

static u64 bits, machine, edge;

static const u8 widths[] = { 32, 36, 40, 42, 44, 48, 52 };

static u64 narrowest(void)
{
	u64 i = 0;

	while (widths[i] < bits)
		i++;
	return i;
}

static void use_48_bits(void)
{
	write_sysreg((read_sysreg(tcr_el1) & ~TCR_IPS) | IPS_48, tcr_el1);
	__asm__ volatile("dsb ish; tlbi vmalle1is; dsb ish; isb" ::: "memory");
}

/* ---- accesses ---- */

static bool mmu_reaches(u64 pa)
{
	return pa < BIT(STAGE1_BITS);
}

/* All of it in one go: with the MMU off nothing else is to be touched. */
static u64 raw_load(u64 pa)
{
	u64 sctlr = read_sysreg(sctlr_el1), value;

	__asm__ volatile("msr sctlr_el1, %2; isb; ldr %0, [%1]; msr sctlr_el1, %3; isb"
			 : "=&r"(value)
			 : "r"(pa), "r"(sctlr & ~SCTLR_MC), "r"(sctlr)
			 : "memory");
	return value;
}

static void raw_store(u64 pa, u64 value)
{
	u64 sctlr = read_sysreg(sctlr_el1);

	__asm__ volatile(
		"msr sctlr_el1, %2; isb; str %0, [%1]; dsb sy; msr sctlr_el1, %3; isb" ::"r"(value),
		"r"(pa), "r"(sctlr & ~SCTLR_MC), "r"(sctlr)
		: "memory");
}

static u64 map_page(u64 pa)
{
	window_map(WINDOW, pa & ~(PAGE - 1), PAGE_RW);
	return WINDOW + pa % PAGE;
}

static u64 load(u64 pa)
{
	return mmu_reaches(pa) ? read64(map_page(pa)) : raw_load(pa);
}

static void store(u64 pa, u64 value)
{
	if (mmu_reaches(pa))
		write64(map_page(pa), value);
	else
		raw_store(pa, value);
}

/* ---- what is there ---- */

static void check_page(u64 page, const char *name)
{
	u64 i;

	check_quiet("fresh memory is zero", load(page), 0);
	for (i = 0; i < WORDS; i++)
		store(page + 8 * i, page + i);
	for (i = 0; i < WORDS; i++)
		check_quiet("what was written is read", load(page + 8 * i), page + i);
	check_round(name);
}

/* ---- what is not ---- */

static void check_abort(const char *name, u64 esr, u64 ec, u64 far, u64 pa)
{
	u64 fsc = fsc_of(esr);

	check_true(name, esr != NO_EXCEPTION && ec_of(esr) == ec);
	if (pa >> machine) /* the CPU itself refuses it, in stage 1 */
		check_true("... an address size fault", fsc <= (FSC_ADDRESS_SIZE | FSC_LEVEL));
	else
		check("... an external abort", fsc, FSC_EXTERNAL);
	check("... at its address", this_cpu()->far, far);
}

static void check_mapped_beyond(u64 pa)
{
	u64 va = map_page(pa), esr;

	esr = TRY(__asm__ volatile("ldr xzr, [%0]" ::"r"(va) : "memory"));
	check_abort("a load beyond", esr, EC_DABT, va, pa);
	check("... is no write", esr & ESR_WNR, 0);
	esr = TRY(__asm__ volatile("strb wzr, [%0]" ::"r"(va) : "memory"));
	check_abort("a store beyond", esr, EC_DABT, va, pa);
	check("... is a write", esr & ESR_WNR, ESR_WNR);
	esr = TRY(__asm__ volatile("ldp x9, x10, [%0]" ::"r"(va) : "x9", "x10", "memory"));
	check_abort("a load of a pair beyond", esr, EC_DABT, va, pa);
	window_map(WINDOW, pa & ~(PAGE - 1), PAGE_RX);
	esr = TRY(((void (*)(void))va)());
	check_abort("a fetch beyond", esr, EC_IABT, va, pa);
	window_map(WINDOW, 0, 0);
}

/* The exception is taken with the MMU off; the handler's way is the same. */
static void check_raw_beyond(u64 pa)
{
	u64 sctlr = read_sysreg(sctlr_el1), esr;

	write_sysreg(sctlr & ~SCTLR_MC, sctlr_el1);
	esr = TRY(__asm__ volatile("ldr xzr, [%0]" ::"r"(pa) : "memory"));
	write_sysreg(sctlr, sctlr_el1);
	check_abort("a load beyond, with the MMU off", esr, EC_DABT, pa, pa);
}

static void check_beyond(u64 pa)
{
	if (mmu_reaches(pa))
		check_mapped_beyond(pa);
	check_raw_beyond(pa);
}

/* A table of stage 1's that lies beyond. */
static void check_walk_beyond(u64 pa)
{
	extern u64 mmu_root[512];
	u64 esr, fsc;

	write_once(mmu_root[WALKED / GIB], pa | TABLE);
	dsb();
	isb();
	esr = TRY(__asm__ volatile("ldr xzr, [%0]" ::"r"(WALKED) : "memory"));
	write_once(mmu_root[WALKED / GIB], 0);
	tlbi_va(WALKED);
	fsc = fsc_of(esr);
	check_true("a table beyond", esr != NO_EXCEPTION && ec_of(esr) == EC_DABT);
	if (pa >> machine)
		check_true("... an address size fault", fsc <= (FSC_ADDRESS_SIZE | FSC_LEVEL));
	else
		check_true("... an external abort on a walk", (fsc & ~FSC_LEVEL) == FSC_WALK);
	check("... at the address accessed", this_cpu()->far, WALKED);
}

void payload_main(void)
{
	bits = payload_number("bits", 40);
	machine = payload_number("machine", 52);
	edge = BIT(bits);
	use_48_bits();
	check("PARange is the narrowest that holds the size", read_sysreg(id_aa64mmfr0_el1) & 15,
	      narrowest());
	check_page(edge - PAGE, "the last page");
	check_page(edge - 0x200000, "a page 2 MiB before the end");
	check_beyond(edge);
	if (widths[narrowest()] > bits) /* the last page that PARange promises */
		check_beyond(BIT(widths[narrowest()]) - PAGE);
	if (mmu_reaches(edge))
		check_walk_beyond(edge);
	if (!payload_has_arg("linger"))
		return;
	print("lingering\n");
	for (;;)
		wfi();
}
