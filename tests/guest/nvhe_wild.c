// SPDX-License-Identifier: BSD-2-Clause
/*
 * An EL2 without VHE that is out of its mind, on several CPUs at a time: random values in its
 * registers, returns to every mode, tables in holes, in devices and in themselves at both stages, its
 * own stage 1 on and off, TLBIs and AT of each name, timers. In between it does what a hypervisor
 * does, all of which has to be exactly right: EL1 and EL0 with and without a stage 2, its own pages,
 * registers that keep what they have.
 *
 * What ends the VM as documented, or leaves EL2 without a vector, is asked for: lost=N.
 */
#include "lib/el2.h"
#include "lib/hypervisor.h"

const char *payload_name = "nvhe_wild";

void wild_hvc(void), wild_svc(void), wild_load(void);
extern char wild_vectors[], wild_el1_vectors[];

#define CPUS	  4
#define ROUNDS	  60
#define STEPS	  24
#define PPI_HYP	  26 /* of CNTHP_*_EL2 */
#define HCR_SANE  (HCR_RW | HCR_API | HCR_APK)
#define HCR_ENDS  (HCR_IMO | HCR_FMO | HCR_AMO) /* a run is over when the timer fires */
#define CPTR_SANE 0x32ffUL
#define VMID(n)	  ((u64)(n) << 48)
#define SVC_1	  (EC_SVC64 << 26 | BIT(25) | 1)

/* EL2's stage 1: as in nvhe.c. */
#define GIB	 BIT(30)
#define E2_XN	 BIT(54)
#define E2_BLOCK (1UL | PTE_USER | PTE_AF)
#define E2_PAGE	 (PTE_VALID | PTE_USER | PTE_NORMAL | PTE_SH | PTE_AF)
#define TCR_E2	 (25UL | 1UL << 8 | 1UL << 10 | 3UL << 12 | 2UL << 16 | BIT(23) | BIT(31))
#define SCTLR_E2 0x30c51835UL

static struct wild {
	u64 sp, vector, esr, elr, spsr, far, hpfar, x0; /* nvhe_wild.S */
	u64 cpu, seed, page, mark, ends[16];
	u64 *root, *level2, *level3; /* EL2's */
	u64 *s2, *bad_s2;
} wilds[CPUS];

static u64 tables[CPUS][7][512] __attribute__((aligned(8192)));

static struct wild *me(void)
{
	return (struct wild *)read_sysreg(tpidr_el2);
}

static u64 next(struct wild *w)
{
	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 7;
	w->seed ^= w->seed << 17;
	return w->seed * 0x2545f4914f6cdd1dUL;
}

static u64 below(struct wild *w, u64 n)
{
	return (next(w) >> 20) % n;
}

/* The ESR_EL2 of a statement at EL2. */
#define TRY2(...)                       \
	({                              \
		struct wild *w_ = me(); \
		w_->esr = NO_EXCEPTION; \
		barrier();              \
		__VA_ARGS__;            \
		isb();                  \
		read_once(w_->esr);     \
	})

/* ---- where nothing good is ---- */

static u64 bad_address(struct wild *w)
{
	const u64 places[] = { UNBACKED,       BEYOND_IPA,     1UL << 40,
			       GICD_BASE,      GICR_BASE,      UART_BASE,
			       (u64)w->root,   (u64)w->s2,     0,
			       FRESH_END,      (u64)w->bad_s2, GENMASK(47, 12),
			       GENMASK(51, 12) };
	u64 n = below(w, ARRAY_SIZE(places) + 1);

	return n < ARRAY_SIZE(places) ? places[n] : next(w) & GENMASK(47, 12);
}

static u64 bad_entry(struct wild *w)
{
	static const u64 bits[] = { 3, 1 | BIT(10), 3 | BIT(10), 2, 0x7fd, 3 | BIT(59) };

	return below(w, 8) ? bad_address(w) | bits[below(w, ARRAY_SIZE(bits))] : next(w);
}

static u64 bad_va(struct wild *w)
{
	const u64 vas[] = {
		WINDOW, WINDOW + GIB, WINDOW + 2 * GIB, BIT(39), ~0UL, ~7UL, 0x123456789
	};

	return vas[below(w, ARRAY_SIZE(vas))] + (below(w, 512) << 21);
}

/* ---- runs of EL1 and EL0 ---- */

static void timer_off(void)
{
	write_sysreg(0, cnthp_ctl_el2);
}

/* The physical timer of EL2 is the end of what does not end. */
static void timer_soon(void)
{
	write_sysreg(read_sysreg(cntpct_el0) + read_sysreg(cntfrq_el0) / 500, cnthp_cval_el2);
	write_sysreg(CTL_ENABLE, cnthp_ctl_el2);
}

static u64 run_at(struct wild *w, void (*function)(void), u64 x0, u64 hcr, u64 spsr)
{
	u64 esr;

	w->vector = NO_EXCEPTION;
	write_sysreg(hcr, hcr_el2);
	esr = el1_enter((u64)function, x0, &w->sp, spsr);
	write_sysreg(HCR_SANE, hcr_el2);
	return esr;
}

/* Anything may be the end, even an interrupt. */
static void run_wild(struct wild *w, u64 hcr, u64 spsr)
{
	void (*const functions[])(void) = { wild_hvc, wild_svc, wild_load };
	u32 intid;

	timer_soon();
	(void)run_at(w, functions[below(w, 3)], bad_va(w), hcr, spsr);
	w->ends[w->vector % 16]++;
	timer_off();
	while ((intid = gic_ack()) < 1020)
		gic_eoi(intid);
}

/* ---- one wild step each ---- */

static u64 wild_hcr(struct wild *w)
{
	u64 hcr = next(w);

	if (below(w, 2))
		hcr &= ~(HCR_TGE | HCR_HCD);
	return hcr | HCR_ENDS;
}

/* EL0 with TGE ends the VM. */
static u64 wild_spsr(struct wild *w, u64 hcr)
{
	static const u8 legal[] = { 0, 4, 5, 8, 9 };
	u64 mode = below(w, 4) ? legal[below(w, ARRAY_SIZE(legal))] : below(w, 32);

	if (mode == 0 && (hcr & HCR_TGE))
		mode = 4;
	return (next(w) & 0xf1f003c0) | mode;
}

static void step_returns(struct wild *w)
{
	u64 hcr = wild_hcr(w) & ~HCR_VM;

	run_wild(w, hcr, wild_spsr(w, hcr));
}

static void step_stage2(struct wild *w)
{
	u64 hcr = wild_hcr(w) | HCR_VM, base = below(w, 3) ? (u64)w->bad_s2 : bad_address(w);

	w->bad_s2[below(w, 8)] = bad_entry(w);
	w->bad_s2[RAM_BASE / GIB] = below(w, 4) ? RAM_BASE | S2_BLOCK | S2_RWX : bad_entry(w);
	write_sysreg(below(w, 2) ? VTCR_AT : VTCR_AT ^ BIT(below(w, 64)), vtcr_el2);
	write_sysreg(base | VMID(below(w, 16)) | below(w, 2), vttbr_el2);
	run_wild(w, hcr, wild_spsr(w, hcr));
	write_sysreg(0, vttbr_el2);
}

static void step_el1s_stage1(struct wild *w)
{
	u64 hcr = wild_hcr(w) & ~HCR_VM;

	write_sysreg(bad_address(w), ttbr0_el1);
	write_sysreg(next(w), tcr_el1);
	write_sysreg(SCTLR_OFF | 1, sctlr_el1);
	run_wild(w, hcr, wild_spsr(w, hcr));
	write_sysreg(SCTLR_OFF, sctlr_el1);
}

static void step_own_stage1(struct wild *w)
{
	u64 va = bad_va(w);

	for (u64 n = 3; n < 8; n++)
		w->root[n] = bad_entry(w);
	__asm__ volatile("dsb ish; tlbi alle2; dsb ish; isb" ::: "memory");
	(void)TRY2(read64(va));
	(void)TRY2(__asm__ volatile("at s1e2r, %0" ::"r"(va) : "memory"));
	(void)TRY2(__asm__ volatile("at s12e1r, %0" ::"r"(va) : "memory"));
	(void)TRY2(__asm__ volatile("at s1e1w, %0" ::"r"(va) : "memory"));
	memset(w->root + 3, 0, 40);
	w->root[WINDOW / GIB] = (u64)w->level2 | 3;
	__asm__ volatile("dsb ish; tlbi alle2; dsb ish; isb" ::: "memory");
}

/* Off and on: the same memory either way. */
static void step_own_mmu(struct wild *w)
{
	u64 mark = next(w);

	write64((u64)&w->mark, mark);
	write_sysreg(SCTLR_E2 & ~1UL, sctlr_el2);
	check_quiet("EL2's memory without its stage 1", read64((u64)&w->mark), mark);
	write_sysreg(SCTLR_E2, sctlr_el2);
	check_quiet("EL2's memory with it", read64((u64)&w->mark), mark);
}

#define TRASH(name, sane)                                \
	do {                                             \
		(void)TRY2(write_sysreg(next(w), name)); \
		(void)TRY2(read_sysreg(name));           \
		write_sysreg(sane, name);                \
	} while (0)

static void step_registers(struct wild *w)
{
	u64 vbar = (u64)wild_vectors;

	switch (below(w, 12)) {
	case 0:
		TRASH(cptr_el2, CPTR_SANE);
		break;
	case 1:
		TRASH(cnthctl_el2, 3);
		break;
	case 2:
		TRASH(mdcr_el2, 0);
		break;
	case 3:
		write_sysreg(vbar | below(w, 2048), vbar_el2);
		write_sysreg(vbar, vbar_el2);
		break;
	case 4:
		TRASH(ICH_HCR_EL2, 0);
		break;
	case 5:
		TRASH(ICH_VMCR_EL2, 0);
		break;
	case 6:
		TRASH(hcr_el2, HCR_SANE);
		break;
	case 7:
		TRASH(vtcr_el2, VTCR_AT);
		break;
	case 8:
		TRASH(hstr_el2, 0);
		break;
	case 9:
		TRASH(cntvoff_el2, 0);
		break;
	case 10:
		TRASH(elr_el2, 0);
		TRASH(spsr_el2, 0);
		break;
	default:
		TRASH(esr_el2, 0);
		TRASH(far_el2, 0);
		TRASH(hpfar_el2, 0);
	}
}

/* The registers have anything while EL1 runs. */
static void step_controls(struct wild *w)
{
	u64 hcr = wild_hcr(w) & ~HCR_VM;

	write_sysreg(next(w), cptr_el2);
	write_sysreg(next(w), cnthctl_el2);
	write_sysreg(next(w), mdcr_el2);
	write_sysreg(next(w), ICH_HCR_EL2);
	write_sysreg(next(w), ICH_VMCR_EL2);
	write_sysreg(next(w) & ~BIT(61), ICH_LR0_EL2);
	run_wild(w, hcr, wild_spsr(w, hcr));
	write_sysreg(0, ICH_LR0_EL2);
	write_sysreg(0, ICH_HCR_EL2);
	write_sysreg(0, ICH_VMCR_EL2);
	write_sysreg(CPTR_SANE, cptr_el2);
	write_sysreg(3, cnthctl_el2);
	write_sysreg(0, mdcr_el2);
}

TLBI(alle2, "alle2")
TLBI(alle2is, "alle2is")
TLBI(vae2, "vae2, %0")
TLBI(vae2is, "vae2is, %0")
TLBI(vale2is, "vale2is, %0")
TLBI(alle1, "alle1")
TLBI(alle1is, "alle1is")
TLBI(vmalle1, "vmalle1")
TLBI(vmalle1is, "vmalle1is")
TLBI(vae1is, "vae1is, %0")
TLBI(vaale1is, "vaale1is, %0")
TLBI(aside1is, "aside1is, %0")
TLBI(vmalls12e1, "vmalls12e1")
TLBI(vmalls12e1is, "vmalls12e1is")
TLBI(ipas2e1, "ipas2e1, %0")
TLBI(ipas2e1is, "ipas2e1is, %0")
TLBI(ipas2le1is, "ipas2le1is, %0")

/* RIPAS2E1IS, RVAE1IS, RVAE2IS: UNDEFINED or not */
#define RANGE(name, op)                                                                      \
	static void tlbi_##name(u64 x)                                                       \
	{                                                                                    \
		(void)TRY2(__asm__ volatile("dsb ish; sys " op ", %0" ::"r"(x) : "memory")); \
	}
RANGE(ripas2e1is, "#4, c8, c0, #2")
RANGE(rvae1is, "#0, c8, c2, #1")
RANGE(rvae2is, "#4, c8, c2, #1")

static void step_tlbi(struct wild *w)
{
	static void (*const ways[])(u64 x) = {
		tlbi_alle2,	tlbi_alle2is,	 tlbi_vae2,	  tlbi_vae2is,	     tlbi_vale2is,
		tlbi_alle1,	tlbi_alle1is,	 tlbi_vmalle1,	  tlbi_vmalle1is,    tlbi_vae1is,
		tlbi_vaale1is,	tlbi_aside1is,	 tlbi_vmalls12e1, tlbi_vmalls12e1is, tlbi_ipas2e1,
		tlbi_ipas2e1is, tlbi_ipas2le1is, tlbi_ripas2e1is, tlbi_rvae1is,	     tlbi_rvae2is,
	};

	write_sysreg(HCR_SANE | (below(w, 2) ? HCR_TGE : 0), hcr_el2);
	write_sysreg((u64)w->s2 | VMID(below(w, 48)), vttbr_el2);
	ways[below(w, ARRAY_SIZE(ways))](below(w, 2) ? next(w) : bad_va(w) >> 12);
	write_sysreg(0, vttbr_el2);
	write_sysreg(HCR_SANE, hcr_el2);
}

static void step_timers(struct wild *w)
{
	u64 offset = next(w), count;

	write_sysreg(offset, cntvoff_el2);
	count = read_sysreg(cntpct_el0);
	check_quiet("CNTVCT_EL0", read_sysreg(cntvct_el0) - (count - offset) < BIT(40), 1);
	write_sysreg(read_sysreg(cntvct_el0) - 1, cntv_cval_el0);
	write_sysreg(CTL_ENABLE | CTL_IMASK, cntv_ctl_el0);
	check_quiet("CNTV_CTL_EL0, when it is time", read_sysreg(cntv_ctl_el0), 7);
	write_sysreg(read_sysreg(cntvct_el0) + BIT(50), cntv_cval_el0);
	check_quiet("CNTV_CTL_EL0, before", read_sysreg(cntv_ctl_el0),
		    read_sysreg(cntv_cval_el0) > read_sysreg(cntvct_el0) ? 3 : 7);
	write_sysreg(0, cntv_ctl_el0);
	write_sysreg(next(w), cnthp_cval_el2);
	write_sysreg(next(w) | CTL_IMASK, cnthp_ctl_el2);
	timer_off();
	write_sysreg(0, cntvoff_el2);
}

/* ---- and what has to be right ---- */

static void check_runs(struct wild *w)
{
	u64 s2_hcr = HCR_SANE | HCR_VM;

	write_sysreg(VTCR_AT, vtcr_el2);
	write_sysreg((u64)w->s2 | VMID(0x20 + w->cpu), vttbr_el2);
	for (u64 i = 0; i < 8; i++) {
		u64 hcr = i & 1 ? s2_hcr : HCR_SANE;

		check_quiet("HVC of EL1", run_at(w, wild_hvc, 0, hcr, EL1H), HVC(0x33));
		check_quiet("... at its vector", w->vector, 8);
		check_quiet("... from EL1h", w->spsr & MODE, 5);
		check_quiet("... its return address", w->elr, (u64)wild_hvc + 4);
		check_quiet("SVC of EL0", run_at(w, wild_svc, 0, hcr, EL0T), HVC(0x44));
		check_quiet("... is EL1's", read_sysreg(esr_el1), SVC_1);
		check_quiet("... from there", read_sysreg(elr_el1), (u64)wild_svc + 4);
		check_quiet("... at its vector", w->elr, (u64)wild_el1_vectors + 0x404);
		write64(w->page, next(w));
		check_quiet("a load", run_at(w, wild_load, w->page, hcr, EL1H), HVC(0x34));
		check_quiet("... of what is there", w->x0, read64(w->page));
		check_quiet("HVC at EL2", run_at(w, wild_hvc, 0, hcr, EL2H), HVC(0x33));
		check_quiet("... at its vector", w->vector, 4);
		check_quiet("an illegal return", ec_of(run_at(w, wild_hvc, 0, hcr, 0x3cdUL)),
			    EC_ILLEGAL);
		check_quiet("... goes nowhere", w->elr, (u64)wild_hvc);
	}
	check_quiet("no stage 2 there", ec_of(run_at(w, wild_load, WINDOW, s2_hcr, EL1H)),
		    EC_DABT_LOW);
	check_quiet("... HPFAR_EL2", w->hpfar, WINDOW >> 8);
	write_sysreg(0, vttbr_el2);
}

/* The same address is another page on each CPU, and nothing at EL1. */
static void check_own_page(struct wild *w)
{
	u64 mark = next(w);

	write64(w->page, mark);
	check_quiet("EL2's page", read64(WINDOW), mark);
	w->level3[1] = w->page | E2_PAGE | E2_XN | PTE_RO;
	__asm__ volatile("dsb ish; isb" ::: "memory");
	check_quiet("a read-only one", ec_of(TRY2(write64(WINDOW + PAGE, 1))), EC_DABT);
	w->level3[1] = 0;
	__asm__ volatile("dsb ish; tlbi vae2, %0; dsb ish; isb" ::"r"((WINDOW + PAGE) >> 12)
			 : "memory");
	check_quiet("and no page", ec_of(TRY2(read64(WINDOW + PAGE))), EC_DABT);
}

/* EL1's registers are what this EL2 has made them: only the steps above write these. */
static void give_registers(u64 seed)
{
	write_sysreg(seed, mair_el1);
	write_sysreg(seed & ~1UL, ttbr1_el1);
	write_sysreg(seed & 0xffffffff, contextidr_el1);
	write_sysreg(~seed, tpidr_el1);
}

static void check_registers(u64 seed)
{
	check_quiet("MAIR_EL1", read_sysreg(mair_el1), seed);
	check_quiet("TTBR1_EL1", read_sysreg(ttbr1_el1), seed & ~1UL);
	check_quiet("CONTEXTIDR_EL1", read_sysreg(contextidr_el1), seed & 0xffffffff);
	check_quiet("TPIDR_EL1", read_sysreg(tpidr_el1), ~seed);
	check_quiet("TTBR0_EL2", read_sysreg(ttbr0_el2), (u64)me()->root);
	check_quiet("TCR_EL2", read_sysreg(tcr_el2), TCR_E2);
	check_quiet("SCTLR_EL2", read_sysreg(sctlr_el2), SCTLR_E2);
	check_quiet("CPTR_EL2", read_sysreg(cptr_el2), CPTR_SANE);
	check_quiet("HCR_EL2", read_sysreg(hcr_el2), HCR_SANE);
	check_quiet("CurrentEL", read_sysreg(currentel), 8);
}

/* ---- */

static void one_round(struct wild *w)
{
	static void (*const steps[])(struct wild *) = {
		step_returns, step_stage2,    step_el1s_stage1, step_own_stage1,
		step_own_mmu, step_registers, step_registers,	step_controls,
		step_tlbi,    step_tlbi,      step_timers,
	};
	u64 seed = next(w);

	give_registers(seed);
	for (u64 i = 0; i < STEPS; i++)
		steps[below(w, ARRAY_SIZE(steps))](w);
	check_registers(seed);
	check_runs(w);
	check_own_page(w);
}

/* EL1's registers are the payload's own, and come back. */
static u64 run_rounds(u64 rounds)
{
	u64 sctlr = read_sysreg(sctlr_el1), vbar = read_sysreg(vbar_el1),
	    tcr = read_sysreg(tcr_el1);
	u64 ttbr0 = read_sysreg(ttbr0_el1), ttbr1 = read_sysreg(ttbr1_el1),
	    mair = read_sysreg(mair_el1);
	u64 tpidr = read_sysreg(tpidr_el1), vbar2 = read_sysreg(vbar_el2),
	    sp1 = read_sysreg(sp_el1);

	write_sysreg((u64)wild_vectors, vbar_el2);
	write_sysreg((u64)wild_el1_vectors, vbar_el1);
	write_sysreg(SCTLR_OFF, sctlr_el1);
	for (u64 i = 0; i < rounds; i++)
		one_round(me());
	write_sysreg(sp1, sp_el1);
	write_sysreg(vbar2, vbar_el2);
	write_sysreg(vbar, vbar_el1);
	write_sysreg(tcr, tcr_el1);
	write_sysreg(ttbr0, ttbr0_el1);
	write_sysreg(ttbr1, ttbr1_el1);
	write_sysreg(mair, mair_el1);
	write_sysreg(tpidr, tpidr_el1);
	write_sysreg(0, cntv_ctl_el0);
	write_sysreg(sctlr, sctlr_el1);
	tlbi_vmalle1(0);
	return 0;
}

static u64 begin(u64 at)
{
	struct wild *w = (struct wild *)at;

	write_sysreg(at, tpidr_el2);
	w->root[0] = 0 * GIB | E2_BLOCK | PTE_DEVICE | E2_XN;
	w->root[RAM_BASE / GIB] = RAM_BASE | E2_BLOCK | PTE_NORMAL | PTE_SH;
	w->root[WINDOW / GIB] = (u64)w->level2 | 3;
	w->level2[0] = (u64)w->level3 | 3;
	w->level3[0] = w->page | E2_PAGE | E2_XN;
	w->s2[0] = 0 * GIB | S2_BLOCK | S2_DEV;
	w->s2[RAM_BASE / GIB] = RAM_BASE | S2_BLOCK | S2_RWX;
	write_sysreg(read_sysreg(mair_el1), mair_el2);
	write_sysreg(TCR_E2, tcr_el2);
	write_sysreg((u64)w->root, ttbr0_el2);
	__asm__ volatile("dsb ish; tlbi alle2; dsb ish; isb" ::: "memory");
	write_sysreg(SCTLR_E2, sctlr_el2);
	return 0;
}

static void work(u64 cpu, u64 rounds)
{
	gic_enable(PPI_HYP);
	(void)el2_call(begin, (u64)&wilds[cpu]);
	(void)el2_call(run_rounds, rounds);
	gic_disable(PPI_HYP);
}

/* ---- what does not come back ---- */

static u64 get_lost(u64 how)
{
	struct wild *w = me();

	write_sysreg((u64)wild_vectors, vbar_el2);
	write_sysreg(SCTLR_OFF, sctlr_el1);
	switch (how) {
	case 1: /* documented: there is one virtual CPU interface */
		return run_at(w, wild_hvc, 0, HCR_SANE | HCR_IMO, EL1H);
	case 2: /* documented: EL0 of this EL2 */
		return run_at(w, wild_hvc, 0, HCR_SANE | HCR_TGE, EL0T);
	case 3:
		write_sysreg(UNBACKED, vbar_el2);
		__asm__ volatile("brk #1");
		break;
	case 4: /* tables in a device, for its own next instruction */
		w->root[RAM_BASE / GIB] = GICD_BASE | 3;
		break;
	case 5:
		w->root[RAM_BASE / GIB] = (u64)w->root | 3;
		break;
	case 6:
		write_sysreg(UNBACKED, ttbr0_el2);
		break;
	default: /* 25 bits */
		write_sysreg(TCR_E2 + 14, tcr_el2);
	}
	__asm__ volatile("dsb ish; tlbi alle2; dsb ish; isb" ::: "memory");
	return 0;
}

/* ---- */

void payload_main(void)
{
	u64 lost = payload_number("lost", 0), i;

	gic_init();
	smp_start();
	for (i = 0; i < nr_cpus && i < CPUS; i++)
		wilds[i] = (struct wild){
			.cpu = i,
			.seed = 0x9e3779b97f4a7c15UL * (payload_number("seed", 1) + i),
			.page = fresh_page(),
			.root = tables[i][4],
			.level2 = tables[i][5],
			.level3 = tables[i][6],
			.s2 = tables[i][0],
			.bad_s2 = tables[i][2],
		};
	if (lost) {
		(void)el2_call(begin, (u64)&wilds[0]);
		print("nvhe_wild: is lost\n");
		(void)el2_call(get_lost, lost);
		die("it is still here");
	}
	smp_run(work, payload_number("rounds", ROUNDS));
	check_round("a hypervisor that is out of its mind, in between");
	for (i = 0; i < nr_cpus; i++) {
		print("nvhe_wild: ends of runs on CPU %u:", i);
		for (u64 n = 0; n < 16; n++)
			print(" %u", wilds[i].ends[n]);
		print("\n");
		check_true("runs end by exceptions of EL1", wilds[i].ends[8] > 10);
		check_true("... by illegal returns", wilds[i].ends[4] > 5);
	}
}
