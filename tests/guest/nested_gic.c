// SPDX-License-Identifier: BSD-2-Clause
/*
 * Interrupts at a virtual EL2 (vmrun --nested) and of its nested guest, which has no memory of its
 * own: interrupts of the VM that end its run, list registers, the maintenance interrupt for each of
 * its reasons, virtual interrupts of HCR_EL2, timers of both levels (ARM IHI 0069, 12.4).
 */
#include "lib/hypervisor.h"

const char *payload_name = "nested_gic";

#define GUEST (HCR_EL1 | HCR_IMO | HCR_FMO | HCR_AMO)

#define VECTOR_IRQ    0x280UL
#define VECTOR_FIQ    0x300UL
#define VECTOR_SERROR 0x380UL

/* ICH_HCR_EL2, ICH_MISR_EL2 */
#define EN	  BIT(0)
#define EOI	  BIT(0)
#define U	  BIT(1)
#define LRENP	  BIT(2)
#define NP	  BIT(3)
#define GRP0E	  BIT(4)
#define GRP0D	  BIT(5)
#define GRP1E	  BIT(6)
#define GRP1D	  BIT(7)
#define TC	  BIT(10)
#define TALL0	  BIT(11)
#define TALL1	  BIT(12)
#define TDIR	  BIT(14)
#define EOIS	  27 /* EOIcount */
#define VMCR	  (0xf8UL << 24 | 2 | 1)
#define EOIM	  BIT(9)
#define ACTIVE	  BIT(63)
#define LR(intid) (BIT(62) | BIT(60) | 0x80UL << 48 | (intid))
#define LR_EOI	  BIT(41)
#define LR_HW(p)  (BIT(61) | (u64)(p) << 32)
#define STATE(lr) ((lr) >> 62)

#define MAINTENANCE  25
#define PPI_EL2_PHYS 26
#define PPI_EL1_VIRT 27
#define PPI_EL2_VIRT 28
#define PPI_EL1_PHYS 30
#define NONE	     1023
#define SHORT	     (read_sysreg(cntfrq_el0) / 2000)

void el1_unmask(void), el1_spin(void), el1_ack(void), el1_end(void), el1_ack_and_end(void);
void el1_group1(void), el1_group0(void), el1_pmr(void), el1_ack0(void), el1_deactivate(void);
void el1_sgi(void), el1_vtimer(void), el1_ptimer(void), el1_vtimer_handler(void);
void el1_end_and_spin(void), el1_count(void);
extern char el1_vectors[];

static u64 nr_lrs;

/* clang-format off */
#define LR_CASES(X) \
	X(0, 12, 0) X(1, 12, 1) X(2, 12, 2) X(3, 12, 3) X(4, 12, 4) X(5, 12, 5) X(6, 12, 6) \
	X(7, 12, 7) X(8, 13, 0) X(9, 13, 1) X(10, 13, 2) X(11, 13, 3) X(12, 13, 4) X(13, 13, 5) \
	X(14, 13, 6) X(15, 13, 7)
/* clang-format on */
#define READ_LR(n, crm, op2) \
	case n:              \
		return read_sysreg(S3_4_C12_C##crm##_##op2);
#define WRITE_LR(n, crm, op2)                                 \
	case n:                                               \
		write_sysreg(value, S3_4_C12_C##crm##_##op2); \
		return;

static u64 get_lr(u64 n)
{
	switch (n) {
		LR_CASES(READ_LR)
	default:
		return 0;
	}
}

static void set_lr(u64 n, u64 value)
{
	switch (n) {
		LR_CASES(WRITE_LR)
	default:
		return;
	}
}

/* ---- EL1 ---- */

/* The vector of EL1 at which it took an exception; 0 if it took none. */
static u64 el1_vector(u64 hcr)
{
	u64 esr = el1_run(el1_unmask, 0, hcr);

	return ec_of(esr) == EC_HVC64 && (esr & 0xffff) == 0x88
		       ? this_cpu()->elr - 4 - (u64)el1_vectors
		       : 0;
}

static u64 el1_result(void (*function)(void), u64 x0)
{
	check_quiet("EL1 has ended", ec_of(el1_run(function, x0, GUEST)), EC_HVC64);
	return el0_x0;
}

static void reset_interface(void)
{
	u64 n;

	for (n = 0; n < nr_lrs; n++)
		set_lr(n, 0);
	write_sysreg(0, ICH_AP0R0_EL2);
	write_sysreg(0, ICH_AP1R0_EL2);
	write_sysreg(VMCR, ICH_VMCR_EL2);
	write_sysreg(EN, ICH_HCR_EL2);
}

static void setup(void)
{
	gic_init();
	gic_init_cpu();
	write_sysreg(SCTLR_OFF, SCTLR_EL12);
	write_sysreg((u64)el1_vectors, VBAR_EL12);
	write_sysreg(3UL << 10, cnthctl_el2); /* EL1PCTEN, EL1PTEN */
	nr_lrs = (read_sysreg(ICH_VTR_EL2) & 0x1f) + 1;
	reset_interface();
}

static void enable(u32 intid)
{
	gic_set_bit(GIC_ISENABLER, intid);
}

static void disable(u32 intid)
{
	gic_set_bit(GIC_ICENABLER, intid);
}

/* An interrupt that EL2 takes, from EL1 or itself. */
static void take(const char *name, u32 intid)
{
	check(name, gic_ack(), intid);
	gic_eoi(intid);
}

/* ---- interrupts of the VM ---- */

static void check_vm_interrupts(void)
{
	enable(3);
	gic_send_sgi(3, 0);
	check("an SGI that waits ends EL1's run", el1_run(el1_spin, 0, GUEST), ENDED_BY_IRQ);
	check("... from EL1", this_cpu()->spsr & 0x1f, 5);
	check("... at once", this_cpu()->elr, (u64)el1_spin);
	take("... and is there", 3);
	check("... once", gic_ack(), NONE);
	check("EL1 runs without it", ec_of(el1_run(el1_unmask, 0, GUEST)), EC_HVC64);

	gic_set_group(3, false);
	gic_send_sgi(3, 0);
	write_sysreg(3UL << 24 | 1, ICC_SGI0R_EL1);
	check("an FIQ", el1_run(el1_spin, 0, GUEST), ENDED_BY_FIQ);
	check("... and is there", read_sysreg(ICC_IAR0_EL1), 3);
	write_sysreg(3, ICC_EOIR0_EL1);
	gic_set_group(3, true);

	gic_send_sgi(3, 0);
	write_sysreg(0x80, ICC_PMR_EL1);
	check("not one that the priority mask hides", ec_of(el1_run(el1_unmask, 0, GUEST)),
	      EC_HVC64);
	write_sysreg(0xff, ICC_PMR_EL1);
	write_sysreg(0, ICC_IGRPEN1_EL1);
	check("... of a group that is off", ec_of(el1_run(el1_unmask, 0, GUEST)), EC_HVC64);
	write_sysreg(1, ICC_IGRPEN1_EL1);
	check("... then it is taken", el1_run(el1_spin, 0, GUEST), ENDED_BY_IRQ);
	check("acknowledged", gic_ack(), 3);
	gic_send_sgi(3, 0);
	enable(4);
	gic_send_sgi(4, 0);
	check("not one that does not preempt", ec_of(el1_run(el1_unmask, 0, GUEST)), EC_HVC64);
	gic_eoi(3);
	check("... until the other has ended", el1_run(el1_spin, 0, GUEST), ENDED_BY_IRQ);
	take("... both are there", 3);
	take("... both are there", 4);

	gic_send_sgi(3, 0);
	check("with IMO=0 it is EL1's", el1_vector(HCR_EL1), VECTOR_IRQ);
	write_sysreg(read_sysreg(ICH_HCR_EL2) | TALL1,
		     ICH_HCR_EL2); /* for the VM's interface, too */
	check("... unless it traps", ec_of(el1_run(el1_ack_and_end, 0, HCR_EL1)), EC_SYS64);
	write_sysreg(read_sysreg(ICH_HCR_EL2) & ~TALL1, ICH_HCR_EL2);
	check("... acknowledged there", (el1_run(el1_ack_and_end, 0, HCR_EL1), el0_x0), 3);
	check("... and ended", gic_ack(), NONE);
}

/* ---- list registers ---- */

static void check_list_register(void)
{
	check("EL1 has nothing", el1_result(el1_ack, 0), NONE);
	check("... and is not interrupted", el1_vector(GUEST), 0);
	set_lr(0, LR(40));
	check("EL1 is interrupted", el1_vector(GUEST), VECTOR_IRQ);
	check("... acknowledges", el1_result(el1_ack, 0), 40);
	check("... active", STATE(get_lr(0)), 2);
	check("... not empty", read_sysreg(ICH_ELRSR_EL2) & 1, 0);
	check("... its priority is", read_sysreg(ICH_AP1R0_EL2), BIT(16));
	(void)el1_result(el1_end, 40);
	check("... ends it", STATE(get_lr(0)), 0);
	check("... empty", read_sysreg(ICH_ELRSR_EL2) & 1, 1);
	check("... no priority is active", read_sysreg(ICH_AP1R0_EL2), 0);
	check("the VM's interface does not know of it", gic_ack(), NONE);
	check("ICC_PMR_EL1 is ICH_VMCR_EL2's", el1_result(el1_pmr, 0), 0xf8);
	(void)el1_result(el1_group1, 0);
	check("ICC_IGRPEN1_EL1, too", read_sysreg(ICH_VMCR_EL2) & 3, 1);
	set_lr(0, LR(40));
	check("... off: no interrupt", el1_vector(GUEST), 0);
	(void)el1_result(el1_group1, 1);
	set_lr(0, LR(40) & ~BIT(60));
	check("of Group 0: an FIQ", el1_vector(GUEST), VECTOR_FIQ);
	check("... acknowledged", el1_result(el1_ack0, 0), 40);
	reset_interface();
	set_lr(0, LR(8192 + 5));
	check("an LPI", el1_result(el1_ack_and_end, 0), 8192 + 5);
	reset_interface();
}

/* The most urgent first, wherever it is; the others stay as they are. */
static void check_mask(u64 mask)
{
	u64 n, left, filler = BIT(50) | 0x1234;

	for (n = 0; n < nr_lrs; n++)
		set_lr(n, mask >> n & 1 ? LR(40 + n) + ((u64)(nr_lrs - n) << 51) : filler);
	check_quiet("ICH_ELRSR_EL2", read_sysreg(ICH_ELRSR_EL2), ~mask & (BIT(nr_lrs) - 1));
	for (left = nr_lrs; left-- > 0;)
		if (mask >> left & 1)
			check_quiet("acknowledged", el1_result(el1_ack_and_end, 0), 40 + left);
	check_quiet("no more", el1_result(el1_ack, 0), NONE);
	for (n = 0; n < nr_lrs; n++)
		check_quiet("a list register's fields",
			    mask >> n & 1 ? STATE(get_lr(n)) : get_lr(n) - filler, 0);
}

static void check_masks(void)
{
	u64 mask, most = nr_lrs < 6 ? nr_lrs : 6;

	for (mask = 0; mask < BIT(most); mask++)
		check_mask(mask);
	check_round("list registers used in every combination");
	reset_interface();
}

/* ---- the maintenance interrupt ---- */

static void check_reason(const char *name, u64 hcr, u64 misr)
{
	write_sysreg(EN | hcr, ICH_HCR_EL2);
	check(name, read_sysreg(ICH_MISR_EL2), misr);
	check_quiet("it ends EL1's run", el1_run(el1_spin, 0, GUEST), ENDED_BY_IRQ);
	check_quiet("it is pending", gic_bit(GIC_ISPENDR, MAINTENANCE), 1);
	check_quiet("it is acknowledged", gic_ack(), MAINTENANCE);
	write_sysreg(hcr, ICH_HCR_EL2); /* En=0 */
	check_quiet("it is gone", read_sysreg(ICH_MISR_EL2), 0);
	gic_eoi(MAINTENANCE);
	check_quiet("and does not come again", gic_ack(), NONE);
	check_quiet("EL1 runs on", ec_of(el1_run(el1_unmask, 0, GUEST)), EC_HVC64);
	reset_interface();
}

static void check_reason_in_el1(const char *name, u64 hcr, void (*function)(void), u64 x0, u64 misr)
{
	write_sysreg(EN | hcr, ICH_HCR_EL2);
	check_quiet("no reason yet", read_sysreg(ICH_MISR_EL2), 0);
	check_quiet("it ends EL1's run", el1_run(function, x0, GUEST), ENDED_BY_IRQ);
	check(name, read_sysreg(ICH_MISR_EL2), misr);
	check_quiet("it is acknowledged", gic_ack(), MAINTENANCE);
	reset_interface();
	gic_eoi(MAINTENANCE);
	check_quiet("and does not come again", gic_ack(), NONE);
}

static void check_maintenance(void)
{
	enable(MAINTENANCE);
	check_reason("NP", NP, NP);
	check_reason("U", U, U);
	check_reason("VGrp0E", GRP0E, GRP0E);
	check_reason("VGrp1E", GRP1E, GRP1E);
	write_sysreg(VMCR & ~3UL, ICH_VMCR_EL2);
	check_reason("VGrp0D, VGrp1D", GRP0D | GRP1D, GRP0D | GRP1D);
	check_reason("LRENP", LRENP | 3UL << EOIS, LRENP);
	set_lr(1, LR_EOI);
	check("ICH_EISR_EL2", read_sysreg(ICH_EISR_EL2), 2);
	check("ICH_ELRSR_EL2 without it", read_sysreg(ICH_ELRSR_EL2) & 3, 1);
	check_reason("EOI", 0, EOI);
	check_round("the interrupt of these");

	set_lr(1, LR(50) | LR_EOI);
	check_reason_in_el1("EOI by EL1", 0, el1_end_and_spin, 0, EOI);
	set_lr(0, LR(50));
	check_reason_in_el1("NP by EL1's acknowledge", NP, el1_end_and_spin, 0, NP);
	set_lr(0, LR(50));
	set_lr(2, LR(51));
	check_reason_in_el1("U by EL1's end of one", U, el1_end_and_spin, 0, U);
	check_reason_in_el1("VGrp1D by EL1", GRP1D, el1_group1, 0, GRP1D);
	write_sysreg(VMCR & ~1UL, ICH_VMCR_EL2);
	check_reason_in_el1("VGrp0E by EL1", GRP0E, el1_group0, 1, GRP0E);
	check_round("what EL1 does");

	disable(MAINTENANCE);
	write_sysreg(EN | NP, ICH_HCR_EL2);
	check("not enabled, it does not end EL1's run", ec_of(el1_run(el1_unmask, 0, GUEST)),
	      EC_HVC64);
	check("... and is pending", gic_bit(GIC_ISPENDR, MAINTENANCE), 1);
	write_sysreg(0, ICH_HCR_EL2);
	check("... as long as its reason", gic_bit(GIC_ISPENDR, MAINTENANCE), 0);
	reset_interface();
}

/* ---- virtual interrupts of HCR_EL2, and traps ---- */

static void check_hcr(void)
{
	check("HCR_EL2.VI", el1_vector(GUEST | HCR_VI), VECTOR_IRQ);
	check("HCR_EL2.VF", el1_vector(GUEST | HCR_VF), VECTOR_FIQ);
	check("HCR_EL2.VI without IMO", el1_vector(HCR_EL1 | HCR_VI), 0);
	write_sysreg(GUEST | HCR_VSE, hcr_el2);
	check("HCR_EL2.VSE", el1_vector(GUEST | HCR_VSE), VECTOR_SERROR);
	check("HCR_EL2.VSE without AMO", el1_vector((GUEST & ~HCR_AMO) | HCR_VSE), 0);
}

static void check_trap(const char *name, u64 ich, void (*function)(void))
{
	u64 esr;

	write_sysreg(EN | ich, ICH_HCR_EL2);
	esr = el1_run(function, 0, GUEST);
	check(name, ec_of(esr), EC_SYS64);
	check_quiet("at the instruction", this_cpu()->elr, (u64)function);
	reset_interface();
}

static void check_traps(void)
{
	check_trap("ICC_SGI1R_EL1", 0, el1_sgi);
	check_trap("ICH_HCR_EL2.TC", TC, el1_pmr);
	check_trap("ICH_HCR_EL2.TALL0", TALL0, el1_ack0);
	check_trap("ICH_HCR_EL2.TALL1", TALL1, el1_ack);
	if (read_sysreg(ICH_VTR_EL2) & BIT(19))
		check_trap("ICH_HCR_EL2.TDIR", TDIR, el1_deactivate);
	check_round("where these are");
}

/* ---- timers ---- */

static void check_el2_timers(void)
{
	enable(PPI_EL2_PHYS);
	write_sysreg(read_sysreg(cntpct_el0) + SHORT, cnthp_cval_el2);
	write_sysreg(1, cnthp_ctl_el2);
	check("EL2's physical timer ends EL1's run", el1_run(el1_spin, 0, GUEST), ENDED_BY_IRQ);
	check("... its interrupt", gic_ack(), PPI_EL2_PHYS);
	write_sysreg(0, cnthp_ctl_el2);
	gic_eoi(PPI_EL2_PHYS);
	enable(PPI_EL2_VIRT);
	write_sysreg(read_sysreg(cntvct_el0) + SHORT, CNTHV_CVAL_EL2);
	write_sysreg(1, CNTHV_CTL_EL2);
	check("EL2's virtual timer ends EL1's run", el1_run(el1_spin, 0, GUEST), ENDED_BY_IRQ);
	check("... its interrupt", gic_ack(), PPI_EL2_VIRT);
	write_sysreg(0, CNTHV_CTL_EL2);
	gic_eoi(PPI_EL2_VIRT);
	check("no more", gic_ack(), NONE);
}

/* On machines without FEAT_ECV what EL2 writes by these names is noticed at its next exit. */
static void have_timers_noticed(void)
{
	if (payload_has_arg("late-timers"))
		(void)smc(PSCI_VERSION, 0, 0, 0);
}

static void check_el1_timers(void)
{
	enable(PPI_EL1_VIRT);
	check("EL1's virtual timer ends its run", el1_run(el1_vtimer, 0, GUEST), ENDED_BY_IRQ);
	check("... it is on, and has fired", read_sysreg(CNTV_CTL_EL02), 5);
	check("... its interrupt", gic_ack(), PPI_EL1_VIRT);
	write_sysreg(0, CNTV_CTL_EL02);
	gic_eoi(PPI_EL1_VIRT);
	check("... once", gic_ack(), NONE);

	write_sysreg(0, CNTV_CVAL_EL02);
	write_sysreg(1, CNTV_CTL_EL02);
	have_timers_noticed();
	check("EL1's virtual timer while EL2 runs", gic_ack(), PPI_EL1_VIRT);
	write_sysreg(0, CNTV_CTL_EL02);
	gic_eoi(PPI_EL1_VIRT);
	write_sysreg(read_sysreg(cntvct_el0) + SHORT,
		     CNTV_CVAL_EL02); /* later, by the VM's offset */
	write_sysreg(1, CNTV_CTL_EL02);
	while (gic_ack() == NONE)
		have_timers_noticed();
	check_true("... later", read_sysreg(CNTV_CTL_EL02) == 5);
	write_sysreg(0, CNTV_CTL_EL02);
	gic_eoi(PPI_EL1_VIRT);
	check("... once", gic_ack(), NONE);

	enable(PPI_EL1_PHYS);
	check("EL1's physical timer ends its run", el1_run(el1_ptimer, 0, GUEST), ENDED_BY_IRQ);
	check("... its interrupt", gic_ack(), PPI_EL1_PHYS);
	write_sysreg(0, CNTP_CTL_EL02);
	gic_eoi(PPI_EL1_PHYS);
	check("... once", gic_ack(), NONE);
}

/* The interrupt of EL1's timer is EL1's own to deactivate: EL2 only drops its priority. */
static void forward_vtimer(void)
{
	check_quiet("its interrupt", gic_ack(), PPI_EL1_VIRT);
	gic_eoi(PPI_EL1_VIRT);
	check_quiet("stays active", gic_bit(GIC_ISACTIVER, PPI_EL1_VIRT), 1);
	set_lr(3 % nr_lrs, LR(PPI_EL1_VIRT) | LR_HW(PPI_EL1_VIRT));
}

static void check_forwarded_timer(void)
{
	write_sysreg(ICC_EOIMODE, ICC_CTLR_EL1);
	check("EL1's timer", el1_run(el1_vtimer, 0, GUEST), ENDED_BY_IRQ);
	forward_vtimer();
	check("... interrupts EL1", el1_vector(GUEST), VECTOR_IRQ);
	check("... which ends it", el1_result(el1_vtimer_handler, 0), PPI_EL1_VIRT);
	check("... for the VM as well", gic_bit(GIC_ISACTIVER, PPI_EL1_VIRT), 0);
	check("... its list register", STATE(get_lr(3 % nr_lrs)), 0);
	check("... and nothing is left", gic_ack(), NONE);

	check("again", el1_run(el1_vtimer, 0, GUEST), ENDED_BY_IRQ);
	forward_vtimer();
	check("ended while the timer is on, it is there again", el1_run(el1_end_and_spin, 0, GUEST),
	      ENDED_BY_IRQ);
	check("... pending for the VM", gic_ack(), PPI_EL1_VIRT);
	write_sysreg(0, CNTV_CTL_EL02);
	gic_eoi(PPI_EL1_VIRT);
	write_sysreg(PPI_EL1_VIRT, ICC_DIR_EL1);
	check("... and nothing is left", gic_ack(), NONE);

	/* an interrupt of the VM's that stands for none of the machine's: a level that stays */
	enable(MAINTENANCE);
	write_sysreg(EN | NP, ICH_HCR_EL2);
	check_quiet("EL1", el1_run(el1_spin, 0, GUEST), ENDED_BY_IRQ);
	check_quiet("its interrupt", gic_ack(), MAINTENANCE);
	gic_eoi(MAINTENANCE);
	write_sysreg(EN, ICH_HCR_EL2);
	set_lr(1, LR(60) | LR_HW(MAINTENANCE));
	check("any PPI by HW=1", el1_result(el1_ack_and_end, 0), 60);
	check("... is deactivated", gic_bit(GIC_ISACTIVER, MAINTENANCE), 0);
	disable(MAINTENANCE);
	write_sysreg(0, ICC_CTLR_EL1);
	reset_interface();
}

/* EL1's virtual count is EL2's, which has no offset, less CNTVOFF_EL2. */
static u64 check_offset(const char *name, u64 offset)
{
	u64 before = read_sysreg(cntvct_el0) - offset, el1;

	write_sysreg(offset, cntvoff_el2);
	el1 = el1_result(el1_count, 0);
	isb();
	check_true(name, el1 - before <= read_sysreg(cntvct_el0) - offset - before);
	return el1;
}

static void check_offsets(void)
{
	u64 el1;

	(void)check_offset("CNTVCT_EL0 at EL1", 0);
	(void)check_offset("... with CNTVOFF_EL2", 1000000);
	el1 = check_offset("... negative", -1000000000000UL);
	check("a timer by it", el1_run(el1_vtimer, el1 + SHORT, GUEST), ENDED_BY_IRQ);
	check("... its interrupt", gic_ack(), PPI_EL1_VIRT);
	write_sysreg(0, CNTV_CTL_EL02);
	gic_eoi(PPI_EL1_VIRT);
	check_true("... not too early", el1_result(el1_count, 0) >= el1 + SHORT);
	write_sysreg(0, cntvoff_el2);
}

void payload_main(void)
{
	setup();
	check_vm_interrupts();
	check_list_register();
	check_masks();
	check_maintenance();
	check_hcr();
	check_traps();
	check_el2_timers();
	check_el1_timers();
	check_forwarded_timer();
	check_offsets();
}
