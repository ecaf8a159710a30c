// SPDX-License-Identifier: BSD-2-Clause
/*
 * A guest's timers (ARM DDI 0487, D12). See timer.h.
 *
 * The virtual timer's registers are in the hardware while the vCPU is loaded, and off while it is
 * not: its interrupt, PPI 27, fires on a CPU only while a guest of Keel's is there. It is then held
 * active, so that it does not fire again, until the guest ends it.
 *
 * The physical timer is the host's, so a guest's accesses trap. EL2's own physical timer, PPI 26,
 * interrupts the guest when it is due, or when EL2 wants the CPU back (timer_set_alarm()). Both
 * comparators count in the counter as it is: a guest's physical counter has no offset.
 */
#include <arch/gicr.h>
#include <arch/percpu.h>
#include <arch/timer.h>
#include <cpu/percpu.h>
#include <timer/timer.h>
#include <trap/device.h>
#include <vgic/vgic.h>
#include <vm/count.h>
#include <vm/run.h>

/* CNTx_CTL_EL0 */
#define CTL_ENABLE  BIT(0)
#define CTL_IMASK   BIT(1)
#define CTL_ISTATUS BIT(2)

/* CPUs on which PPI 27 is held active for a VM that has no vGIC to end it. */
static bool held[KEEL_MAX_CPUS];

/* ---- one timer ---- */

static bool is_timer_armed(u64 ctl)
{
	return (ctl & (CTL_ENABLE | CTL_IMASK)) == CTL_ENABLE;
}

/* Whether the timer asserts its interrupt when its counter is at @now. */
static bool is_timer_asserted(u64 ctl, u64 cval, u64 now)
{
	return is_timer_armed(ctl) && now >= cval;
}

/* EL1's virtual timer asserts its interrupt, by the hardware's word. */
static bool vtimer_asserted(void)
{
	return (read_el1_cntv_ctl() & (CTL_ENABLE | CTL_IMASK | CTL_ISTATUS)) ==
	       (CTL_ENABLE | CTL_ISTATUS);
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

/* PPI 30. A level that stays low is not told again: a guest that is profiled asks often. */
static void ptimer_tell(struct vcpu *vcpu, bool level)
{
	if (level || vcpu->ptimer_level)
		vgic_set_timer(vcpu, VGIC_PPI_PTIMER, level);
	vcpu->ptimer_level = level;
}

/* Put PPI 30 where the physical timer says, and EL2's timer to when that will change. */
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

	if ((ctl & CTL_ENABLE) && timer_counter() >= vcpu->sysreg[CNTP_CVAL_EL0])
		ctl |= CTL_ISTATUS;
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
		vcpu->sysreg[CNTP_CTL_EL0] = value & (CTL_ENABLE | CTL_IMASK);
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
	write_el1_cntv_ctl(vcpu->sysreg[CNTV_CTL_EL0] & (CTL_ENABLE | CTL_IMASK));
	ptimer_update(vcpu);
}

static void timer_put(struct vcpu *vcpu)
{
	unsigned int cpu = this_cpu()->id;

	vcpu->sysreg[CNTV_CTL_EL0] = read_el1_cntv_ctl() & (CTL_ENABLE | CTL_IMASK);
	vcpu->sysreg[CNTV_CVAL_EL0] = read_el1_cntv_cval();
	write_el1_cntv_ctl(0);
	cnthp_stop();
	if (held[cpu])
		gicr_clear_active(this_cpu()->gicr, VGIC_PPI_VTIMER);
	held[cpu] = false;
}

/* Keep PPI 27 from firing again. Return: whether it was not kept from it already. */
static bool hold_vtimer(struct vcpu *vcpu)
{
	bool *here = &held[this_cpu()->id];

	if (vcpu->vm->vgic)
		return vgic_hold(vcpu, VGIC_PPI_VTIMER);
	if (*here)
		return false;
	gicr_set_active(this_cpu()->gicr, VGIC_PPI_VTIMER);
	*here = true;
	return true;
}

/*
 * Without a redistributor EL2 cannot hold an interrupt, and VMs have no vGIC. A timer that has
 * fired is masked, so that the guest gets on; it sees that in CNTV_CTL_EL0.
 */
static enum vcpu_action timer_irq_without_gicr(struct vcpu *vcpu)
{
	if (vtimer_asserted())
		write_el1_cntv_ctl(CTL_ENABLE | CTL_IMASK);
	ptimer_update(vcpu);
	return VCPU_NOT_MINE;
}

/*
 * What interrupts this CPU the timers tell: nothing is acknowledged, so no interrupt of the host's
 * can be taken in its place. If one is pending besides, it interrupts the guest's next entry.
 */
static enum vcpu_action timer_irq(struct vcpu *vcpu)
{
	if (!this_cpu()->gicr)
		return timer_irq_without_gicr(vcpu);
	if (vtimer_asserted() && hold_vtimer(vcpu))
		return VCPU_RESUME;
	if (!cnthp_asserted())
		return VCPU_NOT_MINE;
	ptimer_update(vcpu); /* its line falls with it */
	return VCPU_RESUME;
}

/* Whether a timer that fires gets through to the guest: always, if there is no vGIC in between. */
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

/* When a timer will wake the vCPU, by the physical counter. Loaded. */
static u64 timer_deadline(struct vcpu *vcpu)
{
	u64 first = ~0ULL;

	if (is_timer_armed(read_el1_cntv_ctl()) && reaches_guest(vcpu, VGIC_PPI_VTIMER))
		first = vm_count_time(vcpu->vm, read_el1_cntv_cval());
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

/* As after reset, and the virtual timer, which is in the hardware, is off. */
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
