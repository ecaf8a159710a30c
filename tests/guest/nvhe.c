// SPDX-License-Identifier: BSD-2-Clause
/*
 * An EL2 without VHE (vmrun --nested=nvhe), with a stage 1 of its own format: its registers and EL1's
 * by their names, exceptions to it, what it traps from EL1, that its translations and those of EL1
 * never meet, and a nested guest. The payload itself runs at EL1, without a stage 2 (lib/el2.S).
 */
#include "lib/el2.h"
#include "lib/hypervisor.h"

const char *payload_name = "nvhe";

void nvhe_hvc(void), nvhe_read_ttbr1(void), nvhe_write_vbar(void), nvhe_count(void);
void nvhe_timer(void), nvhe_fp(void), nvhe_load(void), nvhe_cntkctl(void);
u64 nvhe_page(void);

#define HCR_NVHE (HCR_RW | HCR_API | HCR_APK)

/* ---- EL2's stage 1: 39 bits, 4K; a descriptor's bit 54 is XN, AP[1] is RES1 ---- */

#define GIB	 BIT(30)
#define E2_XN	 BIT(54)
#define E2_BLOCK (1UL | PTE_USER | PTE_AF)
#define E2_PAGE	 (PTE_VALID | PTE_USER | PTE_NORMAL | PTE_SH | PTE_AF)
#define TCR_E2	 (25UL | 1UL << 8 | 1UL << 10 | 3UL << 12 | 2UL << 16 | BIT(23) | BIT(31))
#define SCTLR_E2 0x30c51835UL /* RES1, M, C, I */

static u64 root[512] __attribute__((aligned(4096)));
static u64 level2[512] __attribute__((aligned(4096)));
static u64 level3[512] __attribute__((aligned(4096)));

/* What happens to a statement at EL2: its ESR_EL2. */
#define TRY2(...)                              \
	({                                     \
		el2_caught.esr = NO_EXCEPTION; \
		barrier();                     \
		__VA_ARGS__;                   \
		isb();                         \
		read_once(el2_caught.esr);     \
	})

static void map2(u64 va, u64 pa, u64 attributes)
{
	write_once(level3[(va - WINDOW) / PAGE], 0);
	__asm__ volatile("dsb ish; tlbi vae2is, %0; dsb ish; isb" ::"r"(va >> 12) : "memory");
	write_once(level3[(va - WINDOW) / PAGE], attributes ? pa | attributes : 0);
	__asm__ volatile("dsb ish; isb" ::: "memory");
}

static u64 mmu2_on(u64 unused)
{
	root[0] = 0 * GIB | E2_BLOCK | PTE_DEVICE | E2_XN;
	root[RAM_BASE / GIB] = RAM_BASE | E2_BLOCK | PTE_NORMAL | PTE_SH;
	root[WINDOW / GIB] = (u64)level2 | 3;
	level2[0] = (u64)level3 | 3;
	write_sysreg(read_sysreg(mair_el1), mair_el2);
	write_sysreg(TCR_E2, tcr_el2);
	write_sysreg((u64)root, ttbr0_el2);
	__asm__ volatile("dsb ish; tlbi alle2; dsb ish; isb" ::: "memory");
	write_sysreg(SCTLR_E2, sctlr_el2);
	return unused;
}

/* ---- at EL2 ---- */

static u64 run(void (*function)(void), u64 x0, u64 hcr)
{
	u64 esr;

	write_sysreg(hcr, hcr_el2);
	esr = el1_enter((u64)function, x0, &el2_nested_sp, EL1H);
	write_sysreg(HCR_NVHE, hcr_el2);
	return esr;
}

/* Two registers, by two names. */
#define DIFFERENT(el2, el1, mask)                                                \
	do {                                                                     \
		u64 a_ = read_sysreg(el2), b_ = read_sysreg(el1);                \
		write_sysreg(PATTERN &(mask), el2);                              \
		write_sysreg(~PATTERN &(mask), el1);                             \
		check_quiet(#el2, read_sysreg(el2), PATTERN &(mask));            \
		check_quiet(#el1 " at EL2", read_sysreg(el1), ~PATTERN &(mask)); \
		write_sysreg(a_, el2);                                           \
		write_sysreg(b_, el1);                                           \
	} while (0)

#define UNDEFINED(name) check_quiet(#name, ec_of(TRY2(read_sysreg(name))), EC_UNKNOWN)

static u64 check_registers(u64 unused)
{
	check("CurrentEL", read_sysreg(currentel), 8);
	check("HCR_EL2", read_sysreg(hcr_el2), HCR_NVHE);
	check("ID_AA64PFR0_EL1.EL2", field(read_sysreg(id_aa64pfr0_el1), 8), 1);
	check("ID_AA64MMFR1_EL1.VH", field(read_sysreg(id_aa64mmfr1_el1), 8), 0);
	check("ID_AA64MMFR4_EL1.E2H0", field(read_sysreg(S3_0_C0_C7_4), 24), 0);
	check("SCTLR_EL2", read_sysreg(sctlr_el2), SCTLR_E2);
	check("TCR_EL2", read_sysreg(tcr_el2), TCR_E2);
	check("TTBR0_EL2", read_sysreg(ttbr0_el2), (u64)root);
	DIFFERENT(esr_el2, esr_el1, 0xffffffffUL);
	DIFFERENT(far_el2, far_el1, ~0UL);
	DIFFERENT(elr_el2, elr_el1, ~3UL);
	DIFFERENT(spsr_el2, spsr_el1, 0xf0000000UL);
	DIFFERENT(tpidr_el2, tpidr_el1, ~0UL);
	KEEPS(ttbr0_el1, ~0UL);
	KEEPS(ttbr1_el1, ~0UL);
	KEEPS(mair_el1, ~0UL);
	KEEPS(vbar_el1, ~0x7ffUL);
	KEEPS(contextidr_el1, 0xffffffffUL);
	KEEPS(cpacr_el1, FP_ON);
	KEEPS(sp_el1, ~0UL);
	KEEPS(cntkctl_el1, 0x303UL);
	KEEPS(vttbr_el2, ~0UL);
	KEEPS(vtcr_el2, ~0UL);
	KEEPS(vmpidr_el2, ~0UL);
	KEEPS(cntvoff_el2, ~0UL);
	KEEPS(cptr_el2, 1UL << 31 | 0x22ffUL);
	KEEPS(cnthctl_el2, 3UL);
	KEEPS(cnthp_cval_el2, ~0UL);
	KEEPS(hpfar_el2, 0xfffffffff0UL);
	KEEPS(ICH_LR0_EL2, ~0UL);
	check_round("EL2's registers, and EL1's");
	UNDEFINED(SCTLR_EL12);
	UNDEFINED(CNTKCTL_EL12);
	UNDEFINED(CNTV_CTL_EL02);
	UNDEFINED(CNTHV_CTL_EL2);
	UNDEFINED(TTBR1_EL2);
	UNDEFINED(CONTEXTIDR_EL2);
	check_round("registers of VHE are UNDEFINED");
	return unused;
}

static u64 check_exceptions(u64 unused)
{
	check("BRK at EL2", ec_of(TRY2(__asm__ volatile("brk #1"))), EC_BRK64);
	check("... from EL2h", el2_caught.spsr & MODE, 9);
	check("HVC at EL2", ec_of(TRY2(__asm__ volatile("hvc #3"))), EC_HVC64);
	check("HVC of EL1", run(nvhe_hvc, 0, HCR_NVHE), HVC(0x33));
	check("... from EL1h", el2_caught.spsr & MODE, 5);
	check("... its return address", el2_caught.elr, (u64)nvhe_hvc + 4);
	return unused;
}

static u64 check_el1(u64 unused)
{
	u64 was = read_sysreg(ttbr1_el1), vbar = read_sysreg(vbar_el1);

	write_sysreg(0x770000, ttbr1_el1);
	(void)run(nvhe_read_ttbr1, 0, HCR_NVHE);
	check("what EL2 wrote, EL1 reads", el2_caught.x0, 0x770000);
	write_sysreg(was, ttbr1_el1);
	(void)run(nvhe_write_vbar, 0x12345800, HCR_NVHE);
	check("and the reverse", read_sysreg(vbar_el1), 0x12345800);
	write_sysreg(vbar, vbar_el1);
	(void)run(nvhe_cntkctl, 0, HCR_NVHE);
	check("CNTKCTL_EL1 is EL1's", el2_caught.x0, read_sysreg(cntkctl_el1));
	check("a write of VBAR_EL1 does not trap", ec_of(run(nvhe_write_vbar, vbar, HCR_NVHE)),
	      EC_HVC64);
	check("a read of TTBR1_EL1, by HCR_EL2.TRVM",
	      ec_of(run(nvhe_read_ttbr1, 0, HCR_NVHE | HCR_TRVM)), EC_SYS64);
	write_sysreg(0x32ff | BIT(10), cptr_el2);
	check("FP, by CPTR_EL2.TFP", ec_of(run(nvhe_fp, 0, HCR_NVHE)), EC_FP);
	write_sysreg(0x32ff, cptr_el2);
	check("FP, not trapped", ec_of(run(nvhe_fp, 0, HCR_NVHE)), EC_HVC64);
	write_sysreg(0, cnthctl_el2);
	check("CNTPCT_EL0, by CNTHCTL_EL2.EL1PCTEN", ec_of(run(nvhe_count, 0, HCR_NVHE)), EC_SYS64);
	write_sysreg(3, cnthctl_el2);
	check("CNTPCT_EL0, not trapped", ec_of(run(nvhe_count, 0, HCR_NVHE)), EC_HVC64);
	return unused;
}

/* EL1's virtual timer and count have their names at EL2. */
static u64 check_timers(u64 unused)
{
	u64 count;

	write_sysreg(0, cntv_cval_el0);
	write_sysreg(3, cntv_ctl_el0);
	check("CNTV_CTL_EL0 at EL2", read_sysreg(cntv_ctl_el0), 7);
	(void)run(nvhe_timer, 0, HCR_NVHE);
	check("CNTV_CTL_EL0 at EL1 is the same", el2_caught.x0, 7);
	write_sysreg(0, cntv_ctl_el0);
	write_sysreg(~0UL, cnthp_cval_el2);
	write_sysreg(3, cnthp_ctl_el2);
	check("CNTHP_CTL_EL2 is another", read_sysreg(cnthp_ctl_el2), 3);
	check("... than CNTP_CTL_EL0", read_sysreg(cntp_ctl_el0) & 1, 0);
	write_sysreg(0, cnthp_ctl_el2);
	write_sysreg(BIT(60), cntvoff_el2);
	count = read_sysreg(cntpct_el0);
	check_true("CNTVCT_EL0 at EL2 has the offset",
		   read_sysreg(cntvct_el0) - (count - BIT(60)) < BIT(59));
	write_sysreg(0, cntvoff_el2);
	return unused;
}

static u64 check_stage1(u64 unused)
{
	u64 page = fresh_page(), code = (u64)nvhe_page & ~(PAGE - 1), i;
	u64 (*function)(void) = (u64(*)(void))(WINDOW + (u64)nvhe_page % PAGE);

	map2(WINDOW, page, E2_PAGE | E2_XN);
	write64(WINDOW, 1);
	check("a page of EL2's, with AP[1]", read64(page), 1);
	map2(WINDOW, page, E2_PAGE | E2_XN | PTE_RO);
	check("a read-only one", ec_of(TRY2(write64(WINDOW, 2))), EC_DABT);
	map2(WINDOW, code, E2_PAGE | PTE_RO);
	check("a page to execute", function(), 0x77);
	map2(WINDOW, code, E2_PAGE | PTE_RO | PTE_PXN);
	check("bit 53 is nothing", function(), 0x77);
	map2(WINDOW, code, E2_PAGE | E2_XN);
	check("XN", ec_of(TRY2((void)function())), EC_IABT);
	map2(WINDOW, 0, 0);
	check("nothing", ec_of(TRY2(read64(WINDOW))), EC_DABT);
	for (i = 0; i < 100; i++) {
		u64 other = i & 1 ? page : page + PAGE;

		map2(WINDOW, other, E2_PAGE | E2_XN);
		write64(other, i);
		check_quiet("TLBI VAE2IS", read64(WINDOW), i);
	}
	check_round("what changes, after a TLBI");
	return unused;
}

static u64 pages[2];

/* EL1 has pages[0] at the address, EL2 pages[1]. */
static u64 look_at_window(u64 n)
{
	u64 own = read64(WINDOW);

	(void)run(nvhe_load, WINDOW, HCR_NVHE);
	return own == n + 1 && el2_caught.x0 == n;
}

static u64 map_at_el2(u64 page)
{
	map2(WINDOW, page, page ? E2_PAGE | E2_XN : 0);
	return page;
}

static void check_regimes(void)
{
	pages[0] = fresh_page();
	pages[1] = fresh_page();
	window_map(WINDOW, pages[0], PAGE_RW);
	(void)el2_call(map_at_el2, pages[1]);
	for (u64 i = 0; i < 200; i++) {
		write64(pages[0], i);
		write64(pages[1], i + 1);
		check_quiet("EL1's page", read64(WINDOW), i);
		check_quiet("EL2's page", el2_call(look_at_window, i), 1);
	}
	check_round("the same address at EL1 and EL2");
	for (u64 i = 0; i < 50; i++) {
		u64 page = fresh_page();

		write64(page, i);
		window_map(WINDOW, page, PAGE_RW);
		check_quiet("EL1's TLBI", read64(WINDOW), i);
		write64(pages[1], i + 1);
		check_quiet("... leaves EL2's", el2_call(look_at_window, i), 1);
	}
	check_round("EL1's TLBIs");
	(void)el2_call(map_at_el2, 0);
	window_map(WINDOW, 0, 0);
}

/* ---- a nested guest: EL1 with the identity as its stage 2, but for one GiB ---- */

static u64 s2_root[1024] __attribute__((aligned(8192)));

static u64 check_nested(u64 unused)
{
	u64 sctlr = read_sysreg(sctlr_el1), esr;

	s2_root[0] = 0 * GIB | S2_BLOCK | S2_DEV;
	s2_root[RAM_BASE / GIB] = RAM_BASE | S2_BLOCK | S2_RWX;
	write_sysreg(VTCR_AT, vtcr_el2);
	write_sysreg((u64)s2_root | 7UL << 48, vttbr_el2);
	__asm__ volatile("dsb ish; tlbi vmalls12e1is; dsb ish; isb" ::: "memory");
	write_sysreg(SCTLR_OFF, sctlr_el1);
	check("HVC of a nested guest", run(nvhe_hvc, 0, HCR_NVHE | HCR_VM), HVC(0x33));
	write64((u64)&pages[0], 0x55aa);
	check("it loads", ec_of(run(nvhe_load, (u64)&pages[0], HCR_NVHE | HCR_VM)), EC_HVC64);
	check("... what is there", el2_caught.x0, 0x55aa);
	esr = run(nvhe_load, WINDOW + 0x123000, HCR_NVHE | HCR_VM);
	check("where it has nothing", ec_of(esr), EC_DABT_LOW);
	check("... HPFAR_EL2", el2_caught.hpfar, (WINDOW + 0x123000) >> 8);
	check("... FAR_EL2", el2_caught.far, WINDOW + 0x123000);
	s2_root[WINDOW / GIB] = RAM_BASE | S2_BLOCK | S2_RWX;
	__asm__ volatile("dsb ish" ::: "memory");
	check("it has something there",
	      ec_of(run(nvhe_load, WINDOW + (u64)&pages[0] - RAM_BASE, HCR_NVHE | HCR_VM)),
	      EC_HVC64);
	check("... through its stage 2", el2_caught.x0, 0x55aa);
	s2_root[WINDOW / GIB] = 0;
	__asm__ volatile("dsb ish; tlbi vmalls12e1is; dsb ish; isb" ::: "memory");
	esr = run(nvhe_load, WINDOW + (u64)&pages[0] - RAM_BASE, HCR_NVHE | HCR_VM);
	check("and loses it by a TLBI", ec_of(esr), EC_DABT_LOW);
	write_sysreg(0, vttbr_el2);
	write_sysreg(sctlr, sctlr_el1);
	check("EL1 without a stage 2 goes on", run(nvhe_hvc, 0, HCR_NVHE), HVC(0x33));
	return unused;
}

void payload_main(void)
{
	check("CurrentEL of the payload", read_sysreg(currentel), 4);
	(void)el2_call(mmu2_on, 0);
	(void)el2_call(check_registers, 0);
	(void)el2_call(check_exceptions, 0);
	(void)el2_call(check_el1, 0);
	(void)el2_call(check_timers, 0);
	(void)el2_call(check_stage1, 0);
	check_regimes();
	(void)el2_call(check_nested, 0);
}
