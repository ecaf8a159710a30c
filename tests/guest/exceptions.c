// SPDX-License-Identifier: BSD-2-Clause
/*
 * Exceptions: the guest's own come to it unchanged; accesses to what is not there are vmrun's to
 * answer, or an external abort; the first access to memory may be of any kind.
 *
 * vmrun's answer where no device is: loads give 0, stores are lost.
 */
#include "lib/guest.h"

const char *payload_name = "exceptions";

#define UART_FBRD (UART_BASE + 0x28) /* 16 bits that mean nothing, as with IBRD */
#define UART_IBRD (UART_BASE + 0x24)
#define UART_ID	  (UART_BASE + 0xff4) /* 0xf0: PCellID1 */
#define UART_IDS  (UART_BASE + 0xffc) /* 0xb1: PCellID3 */
#define HOLE	  0x20000000UL	      /* within what is mapped as devices */
#define EL1H	  0x3c5UL
#define SPSR_MASK 0x3cfUL

u64 be_ldr16(u64 address), be_ldr32(u64 address), be_ldr64(u64 address), be_ldrsh(u64 address);
u64 be_ldrsw(u64 address), be_str16(u64 address, u64 value), be_str32(u64 address, u64 value);
void el0_svc(void), el0_hvc(void), el0_smc(void), el0_load32(void), el0_wfi(void), el0_id(void);
void el0_msr(void), el0_dc(void);
#define STEP(name) void step_##name(u64 address), step_##name##_end(void)
STEP(nop);
STEP(hvc);
STEP(id);
STEP(load);
STEP(smc);
STEP(wfi);

/* ---- the guest's own ---- */

#define EXCEPTION(name, ec, statement)                                \
	do {                                                          \
		u64 esr_ = TRY(statement);                            \
		check(name, ec_of(esr_), ec);                         \
		check_quiet(name, this_cpu()->spsr &SPSR_MASK, EL1H); \
	} while (0)

static void check_instructions(void)
{
	u64 esr;

	EXCEPTION("an undefined instruction", EC_UNKNOWN, __asm__ volatile("udf #1"));
	EXCEPTION("BRK", EC_BRK64, __asm__ volatile("brk #0x1234"));
	check("BRK: its number", this_cpu()->esr & 0xffff, 0x1234);
	EXCEPTION("SVC", EC_SVC64, __asm__ volatile("svc #0x4321"));
	check("SVC: its number", this_cpu()->esr & 0xffff, 0x4321);
	EXCEPTION("an EL2 register", EC_UNKNOWN, read_sysreg(hcr_el2));
	EXCEPTION("an EL3 register", EC_UNKNOWN, read_sysreg(scr_el3));
	/* HVC and SMC with other immediates are calls or NOT_SUPPORTED, and change nothing else */
	esr = TRY(__asm__ volatile("hvc #1" ::: "x0", "x1", "x2", "x3"));
	check("HVC #1 is no exception", esr, NO_EXCEPTION);
	check_round("PSTATE of these");
}

static u64 load64(u64 address)
{
	u64 value;

	__asm__ volatile("ldr %0, [%1]" : "=r"(value) : "r"(address) : "memory");
	return value;
}

static void call(u64 address)
{
	((void (*)(void))address)();
}

static void check_abort(const char *name, u64 esr, u64 ec, u64 type, u64 address)
{
	check(name, ec_of(esr), ec);
	check_quiet(name, fsc_of(esr) & 0x3c, type);
	check_quiet(name, this_cpu()->far, address);
}

#define TRANSLATION 0x04
#define PERMISSION  0x0c
#define ALIGNMENT   0x21

static void check_stage1_aborts(void)
{
	u64 va = WINDOW + 0x3000, page = fresh_page(), esr;

	esr = TRY(load64(va + 8));
	check_abort("a load from nowhere", esr, EC_DABT, TRANSLATION, va + 8);
	check("... reads", esr & ESR_WNR, 0);
	esr = TRY(write64(va + 16, 1));
	check_abort("a store to nowhere", esr, EC_DABT, TRANSLATION, va + 16);
	check("... writes", esr & ESR_WNR, ESR_WNR);
	window_map(va, page, PAGE_RW | PTE_RO);
	check("a load from read-only memory", TRY(load64(va)), NO_EXCEPTION);
	esr = TRY(write64(va, 1));
	check_abort("a store to read-only memory", esr, EC_DABT, PERMISSION, va);
	esr = TRY(call(va));
	check_abort("a fetch from memory not to be executed", esr, EC_IABT, PERMISSION, va);
	window_map(va, page, 0);
	esr = TRY(call(va));
	check_abort("a fetch from nowhere", esr, EC_IABT, TRANSLATION, va);
	check("a fetch from an odd address", ec_of(TRY(call((u64)fresh_page + 2))), EC_PC_ALIGN);
	esr = TRY(load64(UART_BASE + 1));
	check("an unaligned access to a device", ec_of(esr), EC_DABT);
	check("... is an alignment fault", fsc_of(esr), ALIGNMENT);
	check_round("syndromes of these");
}

/* ---- devices ---- */

#define LOAD(name, insn, w, address, expected)         \
	do {                                           \
		u64 value_ = ~0UL;                     \
		__asm__ volatile(insn " %" w "0, [%1]" \
				 : "+r"(value_)        \
				 : "r"((u64)(address)) \
				 : "memory");          \
		check(name, value_, expected);         \
	} while (0)

static void check_sizes(void)
{
	write32(UART_FBRD, 0x8081);
	LOAD("ldrb", "ldrb", "w", UART_FBRD, 0x81);
	LOAD("ldrh", "ldrh", "w", UART_FBRD, 0x8081);
	LOAD("ldr w", "ldr", "w", UART_FBRD, 0x8081);
	LOAD("ldr x", "ldr", "x", UART_FBRD, 0x8081);
	LOAD("ldrsb w", "ldrsb", "w", UART_FBRD, 0xffffff81);
	LOAD("ldrsb x", "ldrsb", "x", UART_FBRD, 0xffffffffffffff81);
	LOAD("ldrsh w", "ldrsh", "w", UART_FBRD, 0xffff8081);
	LOAD("ldrsh x", "ldrsh", "x", UART_FBRD, 0xffffffffffff8081);
	LOAD("ldrsw", "ldrsw", "x", UART_FBRD, 0x8081);
	LOAD("ldurb", "ldurb", "w", UART_FBRD, 0x81);
	LOAD("ldar", "ldar", "w", UART_FBRD, 0x8081);
	LOAD("ldarh", "ldarh", "w", UART_FBRD, 0x8081);
	__asm__ volatile("strb %w0, [%1]" ::"r"(0x12345678), "r"(UART_FBRD) : "memory");
	check("strb", read32(UART_FBRD), 0x78);
	__asm__ volatile("strh %w0, [%1]" ::"r"(0x12345678), "r"(UART_FBRD) : "memory");
	check("strh", read32(UART_FBRD), 0x5678);
	__asm__ volatile("str %x0, [%1]" ::"r"(0x1122334455667788UL), "r"(UART_FBRD) : "memory");
	check("str x", read32(UART_FBRD), 0x7788);
	__asm__ volatile("stlr %w0, [%1]" ::"r"(0x12349abc), "r"(UART_FBRD) : "memory");
	check("stlr", read32(UART_FBRD), 0x9abc);
	__asm__ volatile("str wzr, [%0]" ::"r"(UART_FBRD) : "memory");
	check("str wzr", read32(UART_FBRD), 0);
	write32(UART_FBRD, 0x1234);
	__asm__ volatile("ldr wzr, [%0]" ::"r"(UART_FBRD) : "memory");
	check("ldr wzr changes nothing", read32(UART_FBRD), 0x1234);
}

/* The vGIC's registers and vmrun's, by both. */
static void check_byte_order(void)
{
	write32(UART_FBRD, 0x0180);
	check("big-endian ldrh", be_ldr16(UART_FBRD), 0x8001);
	check("big-endian ldr w", be_ldr32(UART_FBRD), 0x80010000);
	check("big-endian ldr x", be_ldr64(UART_FBRD), 0x8001000000000000);
	check("big-endian ldrsh", be_ldrsh(UART_FBRD), 0xffffffffffff8001);
	check("big-endian ldrsw", be_ldrsw(UART_FBRD), 0xffffffff80010000);
	be_str16(UART_FBRD, 0x1234);
	check("big-endian strh", read32(UART_FBRD), 0x3412);
	be_str32(UART_FBRD, 0x12345678);
	check("big-endian str w", read32(UART_FBRD), 0x3412);
	check("big-endian, vGIC", be_ldr32(GICD_BASE + GIC_PIDR2),
	      __builtin_bswap32(read32(GICD_BASE + GIC_PIDR2)));
	be_str32(GICD_BASE + GIC_IPRIORITYR + 40, 0x10203040);
	check("big-endian store, vGIC", read32(GICD_BASE + GIC_IPRIORITYR + 40), 0x40302010);
}

/* By vmrun: nothing is there. */
static void check_unbacked(void)
{
	u64 va = WINDOW + 0x5000, esr;

	check("a load from a hole", TRY(read32(HOLE)), NO_EXCEPTION);
	check("... is 0", read64(HOLE), 0);
	check("a store to a hole", TRY(write32(HOLE, 1)), NO_EXCEPTION);
	check("a load high up", read64(UNBACKED), 0);
	check("DC CIVAC of a hole", TRY(__asm__ volatile("dc civac, %0" ::"r"(HOLE))),
	      NO_EXCEPTION);
	check("DC CVAC of a hole", TRY(__asm__ volatile("dc cvac, %0" ::"r"(HOLE))), NO_EXCEPTION);
	check("PRFM of a hole", TRY(__asm__ volatile("prfm pldl1keep, [%0]" ::"r"(HOLE))),
	      NO_EXCEPTION);

	window_map(va, UNBACKED, PAGE_RX);
	esr = TRY(call(va + 8));
	check("a fetch from a hole", ec_of(esr), EC_IABT);
	check("... is an external abort", fsc_of(esr), FSC_EXTERNAL);
	check("... with its address", this_cpu()->far, va + 8);
	window_map(va, 0, 0);

	esr = TRY(load64(BEYOND_IPA + 0x10));
	check("a load beyond the VM's addresses", ec_of(esr), EC_DABT);
	check("... is an external abort", fsc_of(esr), FSC_EXTERNAL);
	check("... with its address", this_cpu()->far, BEYOND_IPA + 0x10);
	esr = TRY(write32(BEYOND_IPA, 1));
	check("a store beyond the VM's addresses", ec_of(esr) << 8 | fsc_of(esr),
	      EC_DABT << 8 | FSC_EXTERNAL);
}

/* A table in a hole: the walk is what fails. On any level: 0x14 to 0x17, or as an access. */
/* Device accesses that the CPU does not describe: the bus refuses them. */
static void check_without_syndrome(void)
{
	u64 esr;

	esr = TRY(__asm__ volatile("ldp x10, x11, [%0]" ::"r"(HOLE) : "x10", "x11", "memory"));
	check("LDP of a hole", ec_of(esr) << 8 | fsc_of(esr), EC_DABT << 8 | FSC_EXTERNAL);
	check("... with its address", this_cpu()->far, HOLE);
	esr = TRY(__asm__ volatile("stp x10, x11, [%0]" ::"r"(HOLE) : "memory"));
	check("STP to a hole", ec_of(esr) << 8 | fsc_of(esr), EC_DABT << 8 | FSC_EXTERNAL);
	check("... is a write", esr >> 6 & 1, 1);
	esr = TRY(__asm__ volatile("mov x9, %0\nldr w10, [x9], #4" ::"r"(HOLE)
				   : "x9", "x10", "memory"));
	check("a load with writeback", ec_of(esr) << 8 | fsc_of(esr), EC_DABT << 8 | FSC_EXTERNAL);
	check("a load that says more", TRY(read32(HOLE)), NO_EXCEPTION);
	if (!(read_sysreg(id_aa64isar0_el1) >> 20 & 15)) /* FEAT_LSE */
		return;
	esr = TRY(__asm__ volatile(".arch_extension lse\nswp w10, w10, [%0]" ::"r"(HOLE)
				   : "x10", "memory"));
	check("an atomic of a hole", ec_of(esr) << 8 | fsc_of(esr), EC_DABT << 8 | FSC_EXTERNAL);
}

static void check_table_in_hole(void)
{
	extern u64 mmu_root[512];
	u64 va = 200UL << 30, esr;

	write_once(mmu_root[200], UNBACKED | 3);
	dsb();
	isb();
	esr = TRY(load64(va));
	check("a table in a hole", ec_of(esr), EC_DABT);
	check("... is an external abort",
	      (fsc_of(esr) & 0x3c) == 0x14 || fsc_of(esr) == FSC_EXTERNAL, 1);
	check("... with the address of the access", this_cpu()->far, va);
	write_once(mmu_root[200], 0);
	tlbi_va(va);
}

/* ---- memory that is touched for the first time, by any instruction ---- */

#define FIRST(name, statement)                                   \
	do {                                                     \
		register u64 page_ __asm__("x9") = fresh_page(); \
		check_quiet(name, TRY(statement), NO_EXCEPTION); \
	} while (0)

static void check_first_touches(void)
{
	u64 page;

	FIRST("ldp", __asm__ volatile("ldp x10, x11, [%0]" ::"r"(page_) : "x10", "x11", "memory"));
	FIRST("stp", __asm__ volatile("stp xzr, xzr, [%0]" ::"r"(page_) : "memory"));
	FIRST("ldr with post-index", __asm__ volatile("ldr x10, [%0], #8"
						      : "+r"(page_)::"x10", "memory"));
	FIRST("str with pre-index", __asm__ volatile("str xzr, [%0, #8]!" : "+r"(page_)::"memory"));
	FIRST("ldxr", __asm__ volatile("ldxr x10, [%0]" ::"r"(page_) : "x10", "memory"));
	FIRST("ldaxp", __asm__ volatile("ldaxp x10, x11, [%0]" ::"r"(page_)
					: "x10", "x11", "memory"));
	FIRST("dc zva", __asm__ volatile("dc zva, %0" ::"r"(page_) : "memory"));
	FIRST("dc civac", __asm__ volatile("dc civac, %0" ::"r"(page_) : "memory"));
	FIRST("dc cvau", __asm__ volatile("dc cvau, %0" ::"r"(page_) : "memory"));
	FIRST("dc ivac", __asm__ volatile("dc ivac, %0" ::"r"(page_) : "memory"));
	FIRST("ic ivau", __asm__ volatile("ic ivau, %0" ::"r"(page_) : "memory"));
	FIRST("prfm", __asm__ volatile("prfm pstl1keep, [%0]" ::"r"(page_) : "memory"));
	FIRST("at s1e1w", __asm__ volatile("at s1e1w, %0" ::"r"(page_) : "memory"));
	if (field(read_sysreg(id_aa64isar0_el1), 20) >= 2) {
		FIRST("swp", __asm__ volatile(".arch_extension lse\nswp x10, x10, [%0]" ::"r"(page_)
					      : "x10", "memory"));
		FIRST("casp",
		      __asm__ volatile(
			      ".arch_extension lse\ncasp x10, x11, x12, x13, [%0]" ::"r"(page_)
			      : "x10", "x11", "x12", "x13", "memory"));
	}
	/* across a page's end, both pages new */
	page = fresh_page();
	fresh_page();
	check_quiet("unaligned, across pages", TRY(load64(page + PAGE - 4)), NO_EXCEPTION);
	/* code: RET, which somebody must have written; the page of the table is new too */
	page = fresh_page();
	write32(page, 0xd65f03c0);
	__asm__ volatile("dc cvau, %0; dsb ish; ic ivau, %0; dsb ish; isb" ::"r"(page) : "memory");
	window_map(WINDOW + 0x8000, page, PAGE_RX);
	check_quiet("new code", TRY(call(WINDOW + 0x8000)), NO_EXCEPTION);
	check_round("first touches of memory");
	/* It is zero when it comes. */
	for (page = fresh_page(); page < FRESH_BASE + (2UL << 20); page = fresh_page())
		check_quiet("new memory", load64(page) | load64(page + PAGE - 8), 0);
	check_round("new memory is zero");
}

static void check_set_way(void)
{
	check("DC ISW", TRY(__asm__ volatile("dc isw, %0" ::"r"(0UL))), NO_EXCEPTION);
	check("DC CSW", TRY(__asm__ volatile("dc csw, %0" ::"r"(0UL))), NO_EXCEPTION);
	check("DC CISW", TRY(__asm__ volatile("dc cisw, %0" ::"r"(~0UL))), NO_EXCEPTION);
}

/* ---- EL0 ---- */

static void check_el0(void)
{
	u64 sctlr = read_sysreg(sctlr_el1), esr;
	u64 user = WINDOW + 0x9000;

	esr = el0_run(el0_svc, 0);
	check("EL0: SVC", ec_of(esr) << 16 | (esr & 0xffff), EC_SVC64 << 16 | 0x77);
	check("EL0: HVC is undefined", ec_of(el0_run(el0_hvc, 0)), EC_UNKNOWN);
	check("EL0: SMC is undefined", ec_of(el0_run(el0_smc, 0)), EC_UNKNOWN);
	check("EL0: VBAR_EL1 is undefined", ec_of(el0_run(el0_msr, 0)), EC_UNKNOWN);
	esr = ec_of(el0_run(el0_id, 0));
	check_true("EL0: ID registers are EL1's to answer", esr == EC_UNKNOWN || esr == EC_SYS64);
	check_true("EL0: DC CISW is undefined",
		   ec_of(el0_run(el0_dc, 0)) == EC_UNKNOWN || ec_of(this_cpu()->esr) == EC_SYS64);
	esr = el0_run(el0_load32, HOLE);
	check("EL0: EL1's memory", ec_of(esr), EC_DABT_LOW);
	check("... is a permission fault", fsc_of(esr) & 0x3c, PERMISSION);
	check("... at its address", this_cpu()->far, HOLE);
	write_sysreg(sctlr & ~BIT(16), sctlr_el1); /* nTWI */
	check("EL0: WFI that EL1 traps", ec_of(el0_run(el0_wfi, 0)), 1);
	write_sysreg(sctlr, sctlr_el1);

	/* A device of EL0's, and its byte order. */
	window_map(user, UART_BASE & ~(PAGE - 1), (PAGE_RW & ~PTE_SH) | PTE_DEVICE | PTE_USER);
	write32(UART_FBRD, 0x0180);
	check("EL0: a device", ec_of(el0_run(el0_load32, user + 0x28)), EC_SVC64);
	check("... what it says", el0_x0, 0x0180);
	write_sysreg(sctlr | BIT(24), sctlr_el1); /* E0E */
	el0_run(el0_load32, user + 0x28);
	write_sysreg(sctlr, sctlr_el1);
	check("... to a big-endian EL0", el0_x0, 0x80010000);
	window_map(user, UNBACKED, PAGE_RX | PTE_USER);
	esr = el0_run(el0_load32, user);
	check("EL0: a load from a hole is 0", el0_x0, 0);
	window_map(user, BIT(40) & ~0UL, (PAGE_RW & ~PTE_SH) | PTE_DEVICE | PTE_USER);
	esr = el0_run(el0_load32, user + 4);
	check("EL0: beyond the VM's addresses", ec_of(esr) << 8 | fsc_of(esr),
	      EC_DABT_LOW << 8 | FSC_EXTERNAL);
	window_map(user, 0, 0);
}

/* ---- software step: also over what EL2 does in the guest's stead ---- */

static void check_step(const char *name, void (*step)(u64), void (*end)(void), u64 address)
{
	struct cpu *cpu = this_cpu();

	cpu->esr = NO_EXCEPTION;
	cpu->step = 1;
	step(address);
	cpu->step = 0;
	check(name, ec_of(cpu->esr), EC_STEP);
	check("... ends behind the instruction", cpu->elr, (u64)end);
}

static void check_steps(void)
{
	check_step("step: NOP", step_nop, step_nop_end, 0);
	check_step("step: HVC", step_hvc, step_hvc_end, PSCI_VERSION);
	check_step("step: SMC", step_smc, step_smc_end, PSCI_VERSION);
	check_step("step: a trapped register", step_id, step_id_end, 0);
	check_step("step: a load that vmrun answers", step_load, step_load_end, UART_FBRD);
	check_step("step: a load that the vGIC answers", step_load, step_load_end, GICD_BASE);
	check_step("step: a load of new memory", step_load, step_load_end, fresh_page());
	gic_pend(1); /* something that ends a WFI */
	check_step("step: WFI", step_wfi, step_wfi_end, 0);
	gic_set_bit(GIC_ICPENDR, 1);
}

void payload_main(void)
{
	gic_init_cpu();
	gic_enable(1);
	check_instructions();
	check_stage1_aborts();
	check_sizes();
	check_byte_order();
	check_unbacked();
	check_without_syndrome();
	check_table_in_hole();
	check_set_way();
	check_first_touches();
	check_el0();
	check_steps();
}
