// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/timer/timer.c hyp/vgic/vgic.c hyp/vgic/vgic_sane.c hyp/vgic/vgic_mmio.c hyp/mm/page_pool.c tests/unit/vgic_world.c tests/unit/arch/fake_ich.c tests/unit/arch/fake_sysreg.c hyp/trap/device.c tests/unit/fake_panic.c */
/* A guest's timers, with and without a vGIC. */
#include "vgic_world.h"

#include <arch/sysreg.h>
#include <timer/timer.h>
#include <trap/device.h>

#define ISENABLER0 sgi_frame(0, 0x100)
#define PTIMER	   (1U << 30)
#define VTIMER	   (1U << 27)

static const struct vcpu_hooks *timer;
static unsigned int exits_to_host;

/* ---- the generic timer of CPU 0, on which all of this runs ---- */

#define COUNT fake_sysreg_get("cntpct_el0")

static u64 with_istatus(u64 ctl, u64 cval, u64 count)
{
	return (ctl & 3) | ((ctl & 1) && count >= cval ? 4 : 0);
}

/* The hardware's part: ISTATUS, and the interrupts that it causes. */
static void wire(void)
{
	u64 ctl = with_istatus(fake_sysreg_get("cntv_ctl_el0"), fake_sysreg_get("cntv_cval_el0"),
			       COUNT - world_vm.cntvoff);
	u64 hp = with_istatus(fake_sysreg_get("cnthp_ctl_el2"), fake_sysreg_get("cnthp_cval_el2"),
			      COUNT);

	fake_sysreg_set("cntv_ctl_el0", ctl);
	fake_sysreg_set("cnthp_ctl_el2", hp);
	fake_icc[0].phys_pending &= ~(VTIMER | 1U << 26);
	if (ctl == 5)
		fake_icc[0].phys_pending |= VTIMER;
	if (hp == 5)
		fake_icc[0].phys_pending |= 1U << 26;
}

/* The counter is at @count. */
static void count(u64 value)
{
	fake_sysreg_set("cntpct_el0", value);
	wire();
}

/* The guest's own writes do not trap. */
static void vtimer(u64 ctl)
{
	fake_sysreg_set("cntv_ctl_el0", ctl);
	wire();
}

static void vtimer_at(u64 virtual_count)
{
	fake_sysreg_set("cntv_cval_el0", virtual_count);
	vtimer(1);
}

static void start_timers(void)
{
	static const char *const names[] = { "cntv_ctl_el0", "cntv_cval_el0", "cnthp_ctl_el2",
					     "cnthp_cval_el2", "hcr_el2" };

	fake_sysreg_reset();
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		fake_sysreg_set(names[i], 0);
	fake_sysreg_set("cntpct_el0", 1000000);
}

/* The guest runs on CPU @n, and interrupts are handled as by vm/run.c. */
static void run(unsigned int n)
{
	struct vcpu *vcpu = on(n);

	for (unsigned int i = 0; i < 50; i++) {
		if (world_vm.vgic)
			world_enter(vcpu);
		wire();
		if (fake_irq() == FAKE_NONE)
			return;
		if (world_vgic_hooks->irq(vcpu) == VCPU_RESUME || timer->irq(vcpu) == VCPU_RESUME)
			continue;
		exits_to_host++;
		return;
	}
	fail_msg("a storm of interrupts on CPU %u", n);
}

static void load(unsigned int n)
{
	if (world_vm.vgic)
		world_vgic_hooks->load(on(n));
	timer->load(on(n));
	run(n);
}

static void put(unsigned int n)
{
	timer->put(on(n));
	world_vgic_hooks->put(on(n));
	wire();
	if (fake_icc[n].phys_pending & (VTIMER | 1U << 26) || fake_icc[n].phys_active)
		fail_msg("put leaves interrupts on CPU %u", n);
}

static void start_vm(bool vgic)
{
	exits_to_host = 0;
	start_timers();
	if (vgic)
		world_start(4, 2, 64);
	else
		world_start_without_vgic(4, 1);
	for (unsigned int n = 0; vgic && n < 2; n++)
		world_put(n);
	timer_init();
	timer = world_last_hooks;
	timer_vm_init(&world_vm);
	assert_int_equal(world_vm.cntvoff, 1000000);
	load(0);
	if (!vgic)
		return;
	wr(0, ISENABLER0, 4, PTIMER | VTIMER);
	run(0);
}

static u32 take(unsigned int n)
{
	u32 priority, intid;

	run(n);
	intid = fake_guest_ack(256, true, &priority);
	run(n);
	return intid;
}

static void end(unsigned int n, u32 intid)
{
	on(n);
	fake_guest_eoi(intid);
	run(n);
}

static void the_virtual_timer_fires_and_is_rearmed(void **state)
{
	start_vm(true);
	for (u64 i = 1; i <= 10; i++) {
		vtimer_at(100 * i);
		assert_int_equal(take(0), FAKE_NONE);
		count(1000000 + 100 * i - 1);
		assert_int_equal(take(0), FAKE_NONE);
		count(COUNT + 1);
		assert_int_equal(take(0), VGIC_PPI_VTIMER);
		assert_int_equal(take(0), FAKE_NONE);
		if (i % 2) { /* rearmed in the handler */
			vtimer_at(100 * (i + 1));
			end(0, VGIC_PPI_VTIMER);
		} else { /* ended while it is up still: comes again */
			end(0, VGIC_PPI_VTIMER);
			assert_int_equal(take(0), VGIC_PPI_VTIMER);
			vtimer(3);
			end(0, VGIC_PPI_VTIMER);
		}
		assert_int_equal(take(0), FAKE_NONE);
	}
	assert_int_equal(exits_to_host, 0);
}

static void the_virtual_timer_moves_with_its_vcpu(void **state)
{
	start_vm(true);
	vtimer_at(500);
	put(0);
	assert_int_equal(fake_sysreg_get("cntv_ctl_el0") & 3, 0);
	assert_int_equal(world_vcpu[0].sysreg[CNTV_CTL_EL0], 1);
	assert_int_equal(world_vcpu[0].sysreg[CNTV_CVAL_EL0], 500);
	count(COUNT + 600);
	load(0);
	assert_int_equal(take(0), VGIC_PPI_VTIMER);
	/* in the handler, the vCPU goes and comes: the interrupt stays active, the timer is up */
	put(0);
	load(0);
	assert_int_equal(take(0), FAKE_NONE);
	vtimer(0);
	end(0, VGIC_PPI_VTIMER);
	assert_int_equal(take(0), FAKE_NONE);
	assert_int_equal(fake_icc[0].phys_active, 0);
}

static void a_disabled_interrupt_does_not_storm(void **state)
{
	start_vm(true);
	wr(0, sgi_frame(0, 0x180), 4, VTIMER | PTIMER);
	vtimer_at(0);
	run(0);
	assert_int_equal(take(0), FAKE_NONE);
	assert_false(timer->pending(on(0)) || world_vgic_hooks->pending(on(0)));
	assert_int_equal(timer->deadline(on(0)), ~0ULL);
	wr(0, ISENABLER0, 4, VTIMER);
	assert_int_equal(take(0), VGIC_PPI_VTIMER);
}

static u64 rd_timer(u32 reg)
{
	return timer_read_sysreg(on(0), reg);
}

static void wr_timer(u32 reg, u64 value)
{
	timer_write_sysreg(on(0), reg, value);
	run(0);
}

static void the_physical_timer_fires(void **state)
{
	start_vm(true);
	wr_timer(REG_NUM(CNTP_CVAL_EL0), COUNT + 100);
	wr_timer(REG_NUM(CNTP_CTL_EL0), 1);
	assert_int_equal(fake_sysreg_get("cnthp_ctl_el2"), 1);
	assert_int_equal(fake_sysreg_get("cnthp_cval_el2"), COUNT + 100);
	assert_int_equal(rd_timer(REG_NUM(CNTP_CTL_EL0)), 1);
	assert_int_equal(take(0), FAKE_NONE);
	count(COUNT + 100);
	assert_int_equal(rd_timer(REG_NUM(CNTP_CTL_EL0)), 5);
	assert_int_equal(take(0), VGIC_PPI_PTIMER);
	wr_timer(REG_NUM(CNTP_CTL_EL0), 3); /* masked in the handler */
	end(0, VGIC_PPI_PTIMER);
	assert_int_equal(take(0), FAKE_NONE);
	wr_timer(REG_NUM(CNTP_CTL_EL0), 1);
	assert_int_equal(take(0), VGIC_PPI_PTIMER);
	end(0, VGIC_PPI_PTIMER);
	assert_int_equal(take(0), VGIC_PPI_PTIMER); /* a level: up still */
	wr_timer(REG_NUM(CNTP_TVAL_EL0), 50);
	end(0, VGIC_PPI_PTIMER);
	assert_int_equal(take(0), FAKE_NONE);
	assert_int_equal(exits_to_host, 0);
}

static void the_physical_timer_fires_after_the_vcpu_was_away(void **state)
{
	start_vm(true);
	wr_timer(REG_NUM(CNTP_TVAL_EL0), 50);
	wr_timer(REG_NUM(CNTP_CTL_EL0), 1);
	put(0);
	assert_int_equal(fake_sysreg_get("cnthp_ctl_el2"), 0);
	count(COUNT + 60);
	load(0);
	assert_int_equal(take(0), VGIC_PPI_PTIMER);
}

static void registers_read_as_the_architecture_says(void **state)
{
	start_vm(true);
	wr_timer(REG_NUM(CNTP_CVAL_EL0), COUNT - 10);
	assert_int_equal(rd_timer(REG_NUM(CNTP_TVAL_EL0)), 0xfffffff6);
	assert_int_equal(rd_timer(REG_NUM(CNTP_CTL_EL0)), 0);
	wr_timer(REG_NUM(CNTP_TVAL_EL0), 0xfffffffffULL); /* 32 bits, signed: -1 */
	assert_int_equal(rd_timer(REG_NUM(CNTP_CVAL_EL0)), COUNT - 1);
	wr_timer(REG_NUM(CNTP_TVAL_EL0), 0x7fffffff);
	assert_int_equal(rd_timer(REG_NUM(CNTP_CVAL_EL0)), COUNT + 0x7fffffff);
	wr_timer(REG_NUM(CNTP_CTL_EL0), ~0ULL);
	assert_int_equal(rd_timer(REG_NUM(CNTP_CTL_EL0)), 3);
	wr_timer(REG_NUM(CNTP_CVAL_EL0), ~0ULL);
	wr_timer(REG_NUM(CNTP_CTL_EL0), 1);
	assert_int_equal(rd_timer(REG_NUM(CNTP_CTL_EL0)), 1);
	assert_int_equal(rd_timer(SYSREG_ENC(3, 3, 14, 2, 7)), 0);
	wr_timer(SYSREG_ENC(3, 3, 14, 2, 7), 1);
	assert_int_equal(rd_timer(REG_NUM(CNTP_CVAL_EL0)), ~0ULL);
}

/* Userspace can set a guest's counter to any value: it may have migrated from another machine. */
static void the_deadline_is_right_wherever_the_guests_counter_is(void **state)
{
	static const u64 counts[] = { 0,	  1,	      1ULL << 32,  1ULL << 56,
				      ~0ULL >> 1, 1ULL << 63, ~0ULL - 5000 };

	start_vm(true);
	for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++) {
		u64 now = COUNT;

		world_vm.cntvoff = now - counts[i];
		vtimer_at(counts[i] + 5000);
		assert_int_equal(timer->deadline(on(0)), now + 5000);
		vtimer_at(counts[i]);
		assert_int_equal(timer->deadline(on(0)), now);
		vtimer_at(0);
		assert_int_equal(timer->deadline(on(0)), now);
	}
}

static void the_deadline_is_the_earliest(void **state)
{
	u64 now;

	start_vm(true);
	now = COUNT;
	assert_int_equal(timer->deadline(on(0)), ~0ULL);
	vtimer_at(700);
	assert_int_equal(timer->deadline(on(0)), 1000000 + 700);
	wr_timer(REG_NUM(CNTP_CVAL_EL0), now + 300);
	wr_timer(REG_NUM(CNTP_CTL_EL0), 1);
	assert_int_equal(timer->deadline(on(0)), now + 300);
	wr_timer(REG_NUM(CNTP_CTL_EL0), 3);
	assert_int_equal(timer->deadline(on(0)), 1000000 + 700);
	vtimer_at(~0ULL); /* beyond the counter's end */
	assert_int_equal(timer->deadline(on(0)), ~0ULL);
	assert_false(timer->pending(on(0)));
	vtimer_at(0); /* not yet noticed */
	assert_true(timer->pending(on(0)));
	assert_int_equal(timer->deadline(on(0)), now);
	vtimer(3);
	assert_false(timer->pending(on(0)));
	wr_timer(REG_NUM(CNTP_CVAL_EL0), now);
	assert_false(timer->pending(on(0)));
	world_vcpu[0].sysreg[CNTP_CTL_EL0] = 1;
	assert_true(timer->pending(on(0)));
}

static void without_a_vgic_the_guest_gets_on(void **state)
{
	start_vm(false);
	vtimer_at(0);
	run(0);
	assert_int_equal(exits_to_host, 0);
	assert_true(timer->pending(on(0)));
	assert_int_equal(fake_icc[0].phys_active, VTIMER);
	put(0);
	load(0);
	put(0);
}

/* The interrupt cannot be made active: the guest makes no progress, but the host does. */
static void dead_below_a_guest(bool vgic)
{
	start_vm(vgic);
	fake_gicr_power(0, false);
	vtimer_at(0);
	for (unsigned int runs = 1; runs <= 3; runs++) {
		run(0);
		assert_int_equal(exits_to_host, runs);
		put(0);
		load(0);
		exits_to_host = runs; /* load() is a run, too */
	}
	put(0);
	assert_true(fake_icc[0].faults >= 4);
	fake_gicr_power(0, true);
	load(0);
	assert_int_equal(fake_icc[0].phys_active, VTIMER);
}

static void a_redistributor_without_power_is_tolerated(void **state)
{
	dead_below_a_guest(false);
	dead_below_a_guest(true);
	assert_int_equal(take(0), VGIC_PPI_VTIMER);
	end(0, VGIC_PPI_VTIMER);
}

/* Forwarded before, and deactivated after. */
static void a_redistributor_that_loses_power_is_tolerated(void **state)
{
	start_vm(true);
	vtimer_at(0);
	assert_int_equal(take(0), VGIC_PPI_VTIMER);
	vtimer(3);
	fake_gicr_power(0, false);
	put(0);
	assert_true(fake_icc[0].faults);
	fake_gicr_power(0, true);
	load(0);
	end(0, VGIC_PPI_VTIMER);
	vtimer_at(0);
	assert_int_equal(take(0), VGIC_PPI_VTIMER);
}

static void without_a_redistributor_the_timer_is_masked(void **state)
{
	start_vm(false);
	fake_cpu->gicr = NULL;
	vtimer_at(0);
	timer_write_sysreg(on(0), REG_NUM(CNTP_CTL_EL0), 1);
	assert_int_equal(timer->irq(on(0)), VCPU_NOT_MINE);
	assert_int_equal(fake_sysreg_get("cntv_ctl_el0") & 3, 3);
	assert_int_equal(fake_sysreg_get("cnthp_ctl_el2"), 0);
	assert_int_equal(fake_icc[0].phys_active, 0);
}

/* The virtual timer is asserted and forwarded: another interrupt is the host's. */
static void a_held_timer_does_not_hide_the_hosts_interrupt(void **state)
{
	start_vm(true);
	vtimer_at(0);
	run(0);
	assert_int_equal(fake_icc[0].phys_active, VTIMER);
	fake_icc[0].phys_pending |= 1U << 5;
	assert_int_equal(timer->irq(on(0)), VCPU_NOT_MINE);
	assert_int_equal(fake_icc[0].phys_active, VTIMER);
	assert_true(fake_icc[0].phys_pending & 1U << 5);
	fake_icc[0].phys_pending = 0; /* the host has taken it */
	assert_int_equal(take(0), VGIC_PPI_VTIMER);
}

static void the_hosts_interrupts_are_the_hosts(void **state)
{
	start_vm(true);
	fake_icc[0].phys_pending = 1U << 3;
	assert_int_equal(timer->irq(on(0)), VCPU_NOT_MINE);
	assert_int_equal(world_vgic_hooks->irq(on(0)), VCPU_NOT_MINE);
	assert_int_equal(fake_icc[0].phys_pending, 1U << 3);
}

static void a_cpu_that_is_turned_on_has_both_off(void **state)
{
	start_vm(true);
	fake_sysreg_set("cntv_ctl_el0", 1);
	wr_timer(REG_NUM(CNTP_CTL_EL0), 1);
	trap_devices_on(on(0));
	assert_int_equal(fake_sysreg_get("cntv_ctl_el0"), 0);
	assert_int_equal(rd_timer(REG_NUM(CNTP_CTL_EL0)), 0);
	assert_int_equal(fake_sysreg_get("cnthp_ctl_el2"), 0);
	assert_int_equal(take(0), FAKE_NONE);
}

static void reset_stops_both(void **state)
{
	start_vm(true);
	wr_timer(REG_NUM(CNTP_CVAL_EL0), 0);
	wr_timer(REG_NUM(CNTP_CTL_EL0), 1);
	vtimer_at(0);
	run(0);
	put(0);
	timer->reset(&world_vcpu[0]);
	world_vgic_hooks->reset(&world_vcpu[0]);
	load(0);
	fake_icc[0].vmcr = 0xffULL << 24 | 3;
	wr(0, ISENABLER0, 4, PTIMER | VTIMER);
	assert_int_equal(take(0), FAKE_NONE);
	assert_int_equal(world_vcpu[0].vgic->busy, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_virtual_timer_fires_and_is_rearmed),
		cmocka_unit_test(the_virtual_timer_moves_with_its_vcpu),
		cmocka_unit_test(a_disabled_interrupt_does_not_storm),
		cmocka_unit_test(the_physical_timer_fires),
		cmocka_unit_test(the_physical_timer_fires_after_the_vcpu_was_away),
		cmocka_unit_test(registers_read_as_the_architecture_says),
		cmocka_unit_test(the_deadline_is_the_earliest),
		cmocka_unit_test(the_deadline_is_right_wherever_the_guests_counter_is),
		cmocka_unit_test(without_a_vgic_the_guest_gets_on),
		cmocka_unit_test(without_a_redistributor_the_timer_is_masked),
		cmocka_unit_test(a_redistributor_without_power_is_tolerated),
		cmocka_unit_test(a_redistributor_that_loses_power_is_tolerated),
		cmocka_unit_test(a_held_timer_does_not_hide_the_hosts_interrupt),
		cmocka_unit_test(the_hosts_interrupts_are_the_hosts),
		cmocka_unit_test(reset_stops_both),
		cmocka_unit_test(a_cpu_that_is_turned_on_has_both_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
