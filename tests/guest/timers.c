// SPDX-License-Identifier: BSD-2-Clause
/*
 * The virtual and the physical timer (ARM DDI 0487, D12.2), each with the same checks on every CPU:
 * registers, conditions, and interrupts: one for each expiry, none that is masked, and WFI that
 * ends. wait_until() is not used while a CPU checks, for it takes the virtual timer.
 */
#include "lib/guest.h"

const char *payload_name = "timers";

#define ROUNDS	1000
#define SHORT	(read_sysreg(cntfrq_el0) / 20000) /* 50 microseconds */
#define LONG	(read_sysreg(cntfrq_el0) * 3600)
#define MOST_32 0x7fffffffL
#define MOST_64 0x7fffffffffffffffL

struct timer {
	const char *name;
	u32 (*intid)(void);
	u64 (*count)(void);
	u64 (*get_ctl)(void);
	void (*set_ctl)(u64 value);
	u64 (*get_cval)(void);
	void (*set_cval)(u64 value);
	u64 (*get_tval)(void);
	void (*set_tval)(u64 value);
};

#define ACCESSORS(prefix, reg)              \
	static u64 prefix##_get(void)       \
	{                                   \
		return read_sysreg(reg);    \
	}                                   \
	static void prefix##_set(u64 value) \
	{                                   \
		write_sysreg(value, reg);   \
	}
ACCESSORS(v_ctl, cntv_ctl_el0)
ACCESSORS(v_cval, cntv_cval_el0)
ACCESSORS(v_tval, cntv_tval_el0)
ACCESSORS(p_ctl, cntp_ctl_el0)
ACCESSORS(p_cval, cntp_cval_el0)
ACCESSORS(p_tval, cntp_tval_el0)

static u64 v_count(void)
{
	isb();
	return read_sysreg(cntvct_el0);
}

static u64 p_count(void)
{
	isb();
	return read_sysreg(cntpct_el0);
}

static u32 v_intid(void)
{
	return PPI_VTIMER;
}

static u32 p_intid(void)
{
	return PPI_PTIMER;
}

static const struct timer virtual_timer = {
	"virtual",  v_intid,	v_count,    v_ctl_get,	v_ctl_set,
	v_cval_get, v_cval_set, v_tval_get, v_tval_set,
};
static const struct timer physical_timer = {
	"physical", p_intid,	p_count,    p_ctl_get,	p_ctl_set,
	p_cval_get, p_cval_set, p_tval_get, p_tval_set,
};

/* ---- interrupts ---- */

#define REPEATS 20

enum quieting { BY_ENABLE, BY_IMASK, BY_CVAL, AT_LAST };

static struct {
	const struct timer *timer;
	enum quieting quieting;
	u64 taken, strays, without_condition;
} state[MAX_CPUS];

static void quiet(const struct timer *t, enum quieting how)
{
	if (how == BY_ENABLE)
		t->set_ctl(0);
	else if (how == BY_IMASK)
		t->set_ctl(CTL_ENABLE | CTL_IMASK);
	else if (how == BY_CVAL)
		t->set_cval(~0UL);
}

/*
 * Turning a timer off just before its interrupt is taken leaves the GIC some time to notice, so one
 * without a reason is legal: it is counted apart.
 */
static void on_irq(struct frame *frame, bool fiq)
{
	__typeof__(&state[0]) s = &state[this_cpu_id()];
	u32 intid = gic_ack();

	(void)frame;
	if (intid == SPURIOUS)
		return;
	if (fiq || !s->timer || intid != s->timer->intid()) {
		s->strays++;
	} else if (s->timer->get_ctl() == (CTL_ENABLE | CTL_ISTATUS)) {
		if (++s->taken == REPEATS && s->quieting == AT_LAST)
			quiet(s->timer, BY_ENABLE);
		quiet(s->timer, s->quieting);
	} else {
		s->without_condition++;
	}
	gic_eoi(intid);
}

static void use(const struct timer *t, enum quieting how)
{
	__typeof__(&state[0]) s = &state[this_cpu_id()];

	s->timer = t;
	s->quieting = how;
	s->taken = s->without_condition = 0;
}

static u64 taken(void)
{
	return read_once(state[this_cpu_id()].taken);
}

/* Asleep until an interrupt was taken; IRQs are masked outside of WFI so that none slips by. */
static void sleep_until_taken(u64 number)
{
	irqs_off();
	while (taken() < number) {
		wfi();
		irqs_on();
		irqs_off();
	}
}

static void spin_until_taken(u64 number)
{
	irqs_on();
	while (taken() < number)
		barrier();
	irqs_off();
}

/* ---- registers ---- */

static u64 status(const struct timer *t)
{
	return t->get_ctl() & CTL_ISTATUS;
}

static void check_registers(const struct timer *t)
{
	u64 before, after, cval;
	s64 tval;

	t->set_ctl(0);
	check_quiet("CTL after 0", t->get_ctl() & 3, 0);
	t->set_ctl(~0UL);
	check_quiet("CTL: ENABLE and IMASK alone can be written", t->get_ctl() & ~CTL_ISTATUS, 3);
	t->set_ctl(CTL_IMASK);
	check_quiet("CTL after IMASK", t->get_ctl() & 3, CTL_IMASK);
	t->set_cval(0x123456789abcdef0UL);
	check_quiet("CVAL", t->get_cval(), 0x123456789abcdef0UL);

	/* TVAL written: CVAL = count + its 32 bits with their sign */
	before = t->count();
	t->set_tval(0xdead00001000UL);
	after = t->count();
	cval = t->get_cval();
	check_quiet("CVAL by TVAL", cval - 0x1000 >= before && cval - 0x1000 <= after, 1);
	before = t->count();
	t->set_tval(0xfffff000UL);
	after = t->count();
	cval = t->get_cval();
	check_quiet("CVAL by a negative TVAL", cval + 0x1000 >= before && cval + 0x1000 <= after,
		    1);
	before = t->count();
	t->set_tval(0x7fffffff);
	after = t->count();
	cval = t->get_cval();
	check_quiet("CVAL by the greatest TVAL",
		    cval - MOST_32 >= before && cval - MOST_32 <= after, 1);

	/* TVAL read: the low 32 bits of CVAL - count, which only falls */
	t->set_ctl(CTL_ENABLE | CTL_IMASK);
	t->set_cval(t->count() + MOST_32);
	tval = (s32)t->get_tval();
	check_quiet("TVAL", tval <= MOST_32 && t->get_tval() <= (u64)tval, 1);
	check_quiet("TVAL has 32 bits", t->get_tval() >> 32, 0);
	t->set_cval(t->count() - 1000);
	check_quiet("TVAL behind", (s32)t->get_tval() <= -1000, 1);
	t->set_ctl(0);
}

static void check_conditions(const struct timer *t)
{
	t->set_ctl(CTL_ENABLE | CTL_IMASK);
	t->set_cval(0);
	check_quiet("ISTATUS, at the beginning of time", status(t), CTL_ISTATUS);
	t->set_cval(t->count());
	check_quiet("ISTATUS, now", status(t), CTL_ISTATUS);
	t->set_cval(t->count() + LONG);
	check_quiet("ISTATUS, in an hour", status(t), 0);
	t->set_cval(BIT(63));
	check_quiet("ISTATUS, in the upper half of time", status(t), 0);
	t->set_cval(~0UL);
	check_quiet("ISTATUS, at the end of time", status(t), 0);
	t->set_tval(-1UL);
	check_quiet("ISTATUS, a moment ago", status(t), CTL_ISTATUS);
	t->set_tval(MOST_32);
	check_quiet("ISTATUS, by the greatest TVAL", status(t), 0);
	t->set_cval(t->count() + SHORT);
	while (!status(t))
		;
	check_quiet("ISTATUS comes with the time", t->count() >= t->get_cval(), 1);
	t->set_ctl(0);
}

/* ---- what becomes an interrupt ---- */

/* Is the interrupt pending? Its level follows the timer's condition, masked or not enabled. */
static void check_level(const struct timer *t)
{
	gic_disable(t->intid());
	t->set_cval(0);
	t->set_ctl(CTL_ENABLE);
	check_quiet("pending when the time has come", gic_bit(GIC_ISPENDR, t->intid()), 1);
	t->set_ctl(CTL_ENABLE | CTL_IMASK);
	check_quiet("not pending with IMASK", gic_bit(GIC_ISPENDR, t->intid()), 0);
	t->set_ctl(CTL_ENABLE);
	check_quiet("pending again", gic_bit(GIC_ISPENDR, t->intid()), 1);
	gic_set_bit(GIC_ICPENDR, t->intid());
	check_quiet("pending while the condition lasts", gic_bit(GIC_ISPENDR, t->intid()), 1);
	t->set_cval(~0UL);
	check_quiet("not pending when the time has moved", gic_bit(GIC_ISPENDR, t->intid()), 0);
	t->set_ctl(0);
	gic_enable(t->intid());
}

static void check_masked(const struct timer *t)
{
	u64 i;

	use(t, BY_ENABLE);
	t->set_cval(t->count() + SHORT);
	t->set_ctl(CTL_ENABLE | CTL_IMASK);
	irqs_on();
	while (!status(t))
		;
	for (i = 0; i < 1000; i++)
		barrier();
	irqs_off();
	t->set_ctl(0);
	check_quiet("no interrupt with IMASK", taken(), 0);

	/* By the priority mask: it comes as soon as that is open. */
	write_sysreg(0x80, ICC_PMR_EL1);
	t->set_cval(0);
	t->set_ctl(CTL_ENABLE);
	irqs_on();
	for (i = 0; i < 1000; i++)
		barrier();
	check_quiet("no interrupt below the priority mask", taken(), 0);
	write_sysreg(0xff, ICC_PMR_EL1);
	spin_until_taken(1);
	check_quiet("one when the mask opens", taken(), 1);

	/* By PSTATE: it waits. */
	t->set_ctl(CTL_ENABLE);
	t->set_cval(0);
	while (!(read_sysreg(isr_el1) & BIT(7)))
		;
	check_quiet("none with PSTATE.I", taken(), 1);
	spin_until_taken(2);
	check_quiet("one when PSTATE.I opens", taken(), 2);
	t->set_ctl(0);
}

/* One for each expiry, by each way of making it quiet, awake and asleep. */
static void check_expiries(const struct timer *t, enum quieting how)
{
	u64 i, rounds = payload_number("rounds=", ROUNDS) / 3;

	use(t, how);
	for (i = 1; i <= rounds; i++) {
		t->set_cval(t->count() + SHORT * (i % 3));
		t->set_ctl(CTL_ENABLE);
		if (i & 1)
			sleep_until_taken(i);
		else
			spin_until_taken(i);
		check_quiet("interrupts for an expiry", taken(), i);
	}
	t->set_ctl(0);
}

/* A handler that does not make the timer quiet is called again: the interrupt is a level. */
static void check_repeats(const struct timer *t)
{
	use(t, AT_LAST);
	t->set_cval(0);
	t->set_ctl(CTL_ENABLE);
	spin_until_taken(REPEATS);
	check_quiet("again while the condition lasts", taken(), REPEATS);
	/* and it is over with it, but for one that was under way */
	irqs_on();
	isb();
	irqs_off();
	check_quiet("no more when it is over", taken(), REPEATS);
	check_quiet("... but for one", state[this_cpu_id()].without_condition <= 1, 1);
}

/* WFI ends by an interrupt that PSTATE masks, and does not take it. */
static void check_wfi(const struct timer *t)
{
	u64 i;

	use(t, BY_ENABLE);
	irqs_off();
	for (i = 0; i < 50; i++) {
		t->set_cval(t->count() + SHORT);
		t->set_ctl(CTL_ENABLE);
		while (!status(t))
			wfi();
		check_quiet("WFI takes no interrupt", taken(), 0);
		t->set_ctl(0);
	}
	/* It ends at once when the time had come already. */
	t->set_cval(0);
	t->set_ctl(CTL_ENABLE);
	wfi();
	wfi();
	t->set_ctl(0);
}

static void check_timer(const struct timer *t)
{
	gic_enable(t->intid());
	check_registers(t);
	check_conditions(t);
	check_level(t);
	check_masked(t);
	check_expiries(t, BY_ENABLE);
	check_expiries(t, BY_IMASK);
	check_expiries(t, BY_CVAL);
	check_repeats(t);
	check_wfi(t);
	gic_disable(t->intid());
	use(NULL, BY_ENABLE);
}

/* ---- both at once ---- */

static u64 both[MAX_CPUS][2];

static void on_either(struct frame *frame, bool fiq)
{
	u32 intid = gic_ack();

	(void)frame;
	(void)fiq;
	if (intid == PPI_VTIMER && v_ctl_get() == (CTL_ENABLE | CTL_ISTATUS)) {
		v_ctl_set(0);
		both[this_cpu_id()][0]++;
	} else if (intid == PPI_PTIMER && p_ctl_get() == (CTL_ENABLE | CTL_ISTATUS)) {
		p_ctl_set(0);
		both[this_cpu_id()][1]++;
	}
	if (intid != SPURIOUS)
		gic_eoi(intid);
}

static void check_both(u64 cpu, u64 argument)
{
	u64 i;

	(void)argument;
	gic_enable(PPI_VTIMER);
	gic_enable(PPI_PTIMER);
	for (i = 1; i <= 100; i++) {
		v_cval_set(v_count() + SHORT * (i % 4));
		p_cval_set(p_count() + SHORT * (i / 4 % 4));
		v_ctl_set(CTL_ENABLE);
		p_ctl_set(CTL_ENABLE);
		while (read_once(both[cpu][0]) < i || read_once(both[cpu][1]) < i) {
			wfi();
			irqs_on();
			irqs_off();
		}
		check_quiet("virtual timer interrupts, with the other", both[cpu][0], i);
		check_quiet("physical timer interrupts, with the other", both[cpu][1], i);
	}
	gic_disable(PPI_PTIMER);
}

/* ---- counters ---- */

/* signed: at EL2 there is no offset, and the counts differ by when they are read */
static s64 least_offset[MAX_CPUS], most_offset[MAX_CPUS];
static u64 last_count;

/* CNTPCT - CNTVCT is the same at all times and on all CPUs: bounds for it, as narrow as it gets. */
static void measure_offset(u64 cpu, u64 argument)
{
	u64 i, before, at, after, last;

	(void)argument;
	least_offset[cpu] = -MOST_64;
	most_offset[cpu] = MOST_64;
	for (i = 0; i < 2000; i++) {
		before = p_count();
		at = v_count();
		after = p_count();
		check_quiet("the physical counter rises", after >= before, 1);
		if ((s64)(before - at) > least_offset[cpu])
			least_offset[cpu] = (s64)(before - at);
		if ((s64)(after - at) < most_offset[cpu])
			most_offset[cpu] = (s64)(after - at);
		/* no CPU sees less than another has seen already */
		last = __atomic_load_n(&last_count, __ATOMIC_ACQUIRE);
		at = v_count();
		check_quiet("the virtual counter rises, seen from all CPUs", at >= last, 1);
		__atomic_store_n(&last_count, at, __ATOMIC_RELEASE);
		if (i % 100 == 0)
			relax();
	}
}

static void check_counters(void)
{
	s64 least = -MOST_64, most = MOST_64;
	u64 i, at;

	check_true("CNTFRQ_EL0", read_sysreg(cntfrq_el0) >= 1000000);
	at = v_count();
	check_true("the virtual counter is behind the physical one", at < p_count());
	smp_run(measure_offset, 0);
	for (i = 0; i < nr_cpus; i++) {
		least = least_offset[i] > least ? least_offset[i] : least;
		most = most_offset[i] < most ? most_offset[i] : most;
	}
	check_round("counters");
	check_true("one virtual offset at all times, on all CPUs", least <= most);
}

/* ---- */

static void check_both_timers(u64 cpu, u64 which)
{
	(void)cpu;
	check_timer(which ? &physical_timer : &virtual_timer);
	gic_enable(PPI_VTIMER); /* relax()'s */
}

void payload_main(void)
{
	u64 i;

	smp_start();
	check_counters();
	irq_handler = on_irq;
	smp_run(check_both_timers, 0);
	check_round("the virtual timer");
	smp_run(check_both_timers, 1);
	check_round("the physical timer");
	for (i = 0; i < nr_cpus; i++)
		check_quiet("interrupts of anything else", state[i].strays, 0);
	irq_handler = on_either;
	smp_run(check_both, 0);
	check_round("both at once");
}
