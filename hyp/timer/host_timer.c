// SPDX-License-Identifier: BSD-2-Clause
/*
 * Linux on ACPI takes the virtual timer when it is entered at EL1, whatever the GTDT lists. While a
 * guest has that timer, the EL1 physical one, to which neither of the two has access, keeps the
 * host's deadline: its interrupt, PPI 30, ends the run, and the host finds its own timer fired. The
 * counters are the same, for CNTVOFF_EL2 is 0 while the host runs (ARM DDI 0487, D12.2.4).
 *
 * A host that has turned the virtual timer off uses the physical one, which is left alone then.
 */
#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <arch/timer.h>
#include <cpu/percpu.h>
#include <timer/host_timer.h>
#include <vm/run.h>

#define CNT_CTL_HOST (CNT_CTL_ENABLE | CNT_CTL_IMASK)

/* By CPU: the host's virtual timer while a vCPU is loaded. */
static struct host_timer {
	u64 ctl, cval;
} host_timers[KEEL_MAX_CPUS];

static void host_timer_save(struct vcpu *vcpu)
{
	struct host_timer *t = &host_timers[this_cpu()->id];

	(void)vcpu;
	t->ctl = read_el1_cntv_ctl() & CNT_CTL_HOST;
	t->cval = read_el1_cntv_cval();
	if (!(t->ctl & CNT_CTL_ENABLE))
		return;
	write_el1_cntp_cval(t->cval);
	write_el1_cntp_ctl(t->ctl);
}

/* After the timer's own hook has taken the guest's out. */
static void host_timer_restore(struct vcpu *vcpu)
{
	const struct host_timer *t = &host_timers[this_cpu()->id];

	(void)vcpu;
	if (t->ctl & CNT_CTL_ENABLE)
		write_el1_cntp_ctl(0);
	write_el1_cntv_cval(t->cval);
	write_el1_cntv_ctl(t->ctl);
	isb();
}

static const struct vcpu_hooks host_timer_hooks = {
	.load = host_timer_save,
	.put = host_timer_restore,
};

void host_timer_init(void)
{
	vcpu_add_hooks(&host_timer_hooks);
}
