// SPDX-License-Identifier: BSD-2-Clause
/*
 * A guest's timers (ARM DDI 0487, D12). See timer.h.
 *
 *	               registers                comparator       interrupt in the guest
 *	virtual        the hardware's EL1       EL1's, CNTV      PPI 27, forwarded from the
 *	               virtual timer                             physical PPI 27
 *	physical       emulated: accesses trap  EL2's, CNTHP     PPI 30, set by EL2; PPI 26
 *	                                                         interrupts the guest
 *
 * The virtual timer is loaded with the vCPU and disabled when the vCPU is put, so its physical
 * interrupt fires only while a guest is on the CPU. EL2 then makes the physical interrupt active,
 * so that it does not fire again until the guest ends it (vgic_forward()).
 *
 * The EL1 physical timer is the host's, so a guest's is emulated. EL2's own physical timer is set
 * to the earlier of the guest's comparator and of the time at which EL2 wants the CPU back
 * (timer_set_alarm()). Both are values of CNTPCT_EL0: a guest's physical counter has no offset.
 *
 * EL2 acknowledges no interrupt: timer_irq() reads the timers to find out whether one of them
 * interrupted the guest. If a host interrupt is pending too, it ends the run at the next entry.
 */
#include <arch/gicr.h>
#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <arch/timer.h>
#include <cpu/percpu.h>
#include <timer/timer.h>
#include <trap/device.h>
#include <vgic/vgic.h>
#include <vm/count.h>
#include <vm/run.h>

/* By CPU: PPI 27 is active for a vCPU whose VM has no vGIC, until the vCPU is put. */
static bool forwarded[KEEL_MAX_CPUS];

/* ---- one timer ---- */

static bool is_timer_armed(u64 ctl)
{
	return (ctl & (CNT_CTL_ENABLE | CNT_CTL_IMASK)) == CNT_CTL_ENABLE;
}

/* Whether the timer asserts its interrupt when its counter is at @now. */
static bool is_timer_asserted(u64 ctl, u64 cval, u64 now)
{
	return is_timer_armed(ctl) && now >= cval;
}

/* Whether EL1's virtual timer asserts its interrupt, by CNTV_CTL_EL0.ISTATUS. */
static bool vtimer_asserted(void)
{
	return (read_el1_cntv_ctl() & (CNT_CTL_ENABLE | CNT_CTL_IMASK | CNT_CTL_ISTATUS)) ==
	       (CNT_CTL_ENABLE | CNT_CTL_ISTATUS);
}

static bool vtimer_level(struct vcpu *vcpu)
{
	(void)vcpu;
	isb();
	return vtimer_asserted();
}

static bool ptimer_asserted(const struct vcpu *vcpu)
{
	return is_timer_asserted(vcpu->sysreg[CNTP_CTL_EL0], vcpu->sysreg[CNTP_CVAL_EL0],
				 timer_counter());
}

/* Set the level of PPI 30, if it is or was high: for a profiled guest this is called often. */
static void ptimer_tell(struct vcpu *vcpu, bool level)
{
	if (level || vcpu->ptimer_level)
		vgic_set_timer(vcpu, VGIC_PPI_PTIMER, level);
	vcpu->ptimer_level = level;
}

/*
 * Set PPI 30 to the guest's physical timer, and EL2's timer to when that changes, or to the alarm.
 */
static void ptimer_update(struct vcpu *vcpu)
{
	u64 next = vcpu->alarm ? vcpu->alarm : ~0ULL;
	bool level = false;

	if (is_timer_armed(vcpu->sysreg[CNTP_CTL_EL0])) {
		level = ptimer_asserted(vcpu);
		if (!level)
			next = MIN(next, vcpu->sysreg[CNTP_CVAL_EL0]);
	}
	ptimer_tell(vcpu, level);
	if (next != ~0ULL)
		cnthp_start(next);
	else
		cnthp_stop();
}

void timer_set_alarm(struct vcpu *vcpu, u64 at)
{
	vcpu->alarm = at;
	ptimer_update(vcpu);
}

/* ---- the trapped registers ---- */

static u64 read_ctl(const struct vcpu *vcpu)
{
	u64 ctl = vcpu->sysreg[CNTP_CTL_EL0];

	if ((ctl & CNT_CTL_ENABLE) && timer_counter() >= vcpu->sysreg[CNTP_CVAL_EL0])
		ctl |= CNT_CTL_ISTATUS;
	return ctl;
}

u64 timer_read_sysreg(struct vcpu *vcpu, u32 encoding)
{
	switch (encoding) {
	case REG_NUM(CNTP_TVAL_EL0):
		return (u32)(vcpu->sysreg[CNTP_CVAL_EL0] - timer_counter());
	case REG_NUM(CNTP_CTL_EL0):
		return read_ctl(vcpu);
	case REG_NUM(CNTP_CVAL_EL0):
		return vcpu->sysreg[CNTP_CVAL_EL0];
	default:
		return 0;
	}
}

void timer_write_sysreg(struct vcpu *vcpu, u32 encoding, u64 value)
{
	switch (encoding) {
	case REG_NUM(CNTP_TVAL_EL0): /* signed, 32 bits */
		vcpu->sysreg[CNTP_CVAL_EL0] = timer_counter() + (u64)(s64)(s32)(u32)value;
		break;
	case REG_NUM(CNTP_CTL_EL0):
		vcpu->sysreg[CNTP_CTL_EL0] = value & (CNT_CTL_ENABLE | CNT_CTL_IMASK);
		break;
	case REG_NUM(CNTP_CVAL_EL0):
		vcpu->sysreg[CNTP_CVAL_EL0] = value;
		break;
	default:
		return;
	}
	ptimer_update(vcpu);
}

/* ---- hooks ---- */

static void timer_load(struct vcpu *vcpu)
{
	write_el1_cntv_cval(vcpu->sysreg[CNTV_CVAL_EL0]);
	write_el1_cntv_ctl(vcpu->sysreg[CNTV_CTL_EL0] & (CNT_CTL_ENABLE | CNT_CTL_IMASK));
	ptimer_update(vcpu);
}

static void timer_put(struct vcpu *vcpu)
{
	unsigned int cpu = this_cpu()->id;

	vcpu->sysreg[CNTV_CTL_EL0] = read_el1_cntv_ctl() & (CNT_CTL_ENABLE | CNT_CTL_IMASK);
	vcpu->sysreg[CNTV_CVAL_EL0] = read_el1_cntv_cval();
	write_el1_cntv_ctl(0);
	cnthp_stop();
	if (forwarded[cpu])
		gicr_clear_active(this_cpu()->gicr, VGIC_PPI_VTIMER);
	forwarded[cpu] = false;
}

/*
 * Make the physical PPI 27 active, so that it does not fire again. Return: false if it was active.
 */
static bool hold_vtimer(struct vcpu *vcpu)
{
	bool *here = &forwarded[this_cpu()->id];

	if (vcpu->vm->vgic)
		return vgic_forward(vcpu, VGIC_PPI_VTIMER);
	if (*here)
		return false;
	gicr_set_active(this_cpu()->gicr, VGIC_PPI_VTIMER);
	*here = true;
	return true;
}

/*
 * Without a redistributor EL2 cannot make an interrupt active, and VMs have no vGIC. A virtual
 * timer that has fired is masked, so that the guest makes progress; it sees IMASK in CNTV_CTL_EL0.
 */
static enum vcpu_action timer_irq_without_gicr(struct vcpu *vcpu)
{
	if (vtimer_asserted())
		write_el1_cntv_ctl(CNT_CTL_ENABLE | CNT_CTL_IMASK);
	ptimer_update(vcpu);
	return VCPU_NOT_MINE;
}

/* Whether a timer interrupted the guest; then make it stop to assert its interrupt. */
static enum vcpu_action timer_irq(struct vcpu *vcpu)
{
	if (!this_cpu()->gicr)
		return timer_irq_without_gicr(vcpu);
	if (vtimer_asserted() && hold_vtimer(vcpu))
		return VCPU_RESUME;
	if (!cnthp_asserted())
		return VCPU_NOT_MINE;
	ptimer_update(vcpu); /* moves the comparator, which lowers PPI 26 */
	return VCPU_RESUME;
}

/* Whether a timer that fires ends WFI: always without a vGIC, else if the guest enabled its PPI. */
static bool reaches_guest(struct vcpu *vcpu, u32 intid)
{
	return !vcpu->vm->vgic || vgic_wakes(vcpu, intid);
}

static bool timer_pending(struct vcpu *vcpu)
{
	isb();
	return (vtimer_asserted() && reaches_guest(vcpu, VGIC_PPI_VTIMER)) ||
	       (ptimer_asserted(vcpu) && reaches_guest(vcpu, VGIC_PPI_PTIMER));
}

/* The time at which a timer will wake the vCPU, as a value of CNTPCT_EL0. Loaded here. */
static u64 timer_deadline(struct vcpu *vcpu)
{
	u64 first = ~0ULL;

	if (is_timer_armed(read_el1_cntv_ctl()) && reaches_guest(vcpu, VGIC_PPI_VTIMER))
		first = vcpu_count_time(vcpu, read_el1_cntv_cval());
	if (is_timer_armed(vcpu->sysreg[CNTP_CTL_EL0]) && reaches_guest(vcpu, VGIC_PPI_PTIMER))
		first = MIN(first, vcpu->sysreg[CNTP_CVAL_EL0]);
	return first;
}

static void timer_reset(struct vcpu *vcpu)
{
	vcpu->sysreg[CNTV_CTL_EL0] = 0;
	vcpu->sysreg[CNTP_CTL_EL0] = 0;
	vcpu->ptimer_level = false;
	vgic_set_timer(vcpu, VGIC_PPI_PTIMER, false);
}

/* Both timers off, as after reset; the vCPU is loaded, so the virtual one is in the hardware. */
static void timer_cpu_on(struct vcpu *vcpu)
{
	timer_write_sysreg(vcpu, REG_NUM(CNTP_CTL_EL0), 0);
	write_el1_cntv_ctl(0);
}

static enum vcpu_action timer_write_trapped(struct vcpu *vcpu, u32 encoding, u64 value)
{
	timer_write_sysreg(vcpu, encoding, value);
	return VCPU_RESUME;
}

static const struct trap_device device = {
	.read = timer_read_sysreg,
	.write = timer_write_trapped,
	.cpu_on = timer_cpu_on,
};

static const struct vcpu_hooks hooks = {
	.load = timer_load,
	.put = timer_put,
	.irq = timer_irq,
	.pending = timer_pending,
	.deadline = timer_deadline,
	.reset = timer_reset,
};

void timer_init(void)
{
	vgic_map_hw(VGIC_PPI_VTIMER, vtimer_level);
	vcpu_add_hooks(&hooks);
	trap_set_device(TRAP_DEVICE_TIMER, &device);
}

void timer_vm_init(struct vm *vm)
{
	vm->cntvoff = timer_counter();
}
