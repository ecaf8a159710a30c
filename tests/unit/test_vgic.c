// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/vgic/vgic.c hyp/vgic/vgic_sane.c hyp/vgic/vgic_mmio.c hyp/mm/page_pool.c tests/unit/vgic_world.c tests/unit/arch/fake_ich.c tests/unit/arch/fake_sysreg.c hyp/trap/device.c tests/unit/fake_panic.c */
/*
 * Interrupts on their way into list registers and back: single cases, and random ones with a model
 * of a GIC without list registers.
 */
#include "vgic_world.h"

#include <stdlib.h>
#include <string.h>

#define IRQS	     96
#define ISENABLER(n) (DIST + 0x100 + (n) / 32 * 4)
#define ICENABLER(n) (DIST + 0x180 + (n) / 32 * 4)
#define ISPENDR(n)   (DIST + 0x200 + (n) / 32 * 4)
#define ICPENDR(n)   (DIST + 0x280 + (n) / 32 * 4)
#define ISACTIVER(n) (DIST + 0x300 + (n) / 32 * 4)
#define ICACTIVER(n) (DIST + 0x380 + (n) / 32 * 4)
#define BITOF(n)     (1U << (n) % 32)

static void enable_spi(u32 intid)
{
	wr(0, ISENABLER(intid), 4, BITOF(intid));
}

static void set_edge(u32 intid)
{
	u64 reg = DIST + 0xc00 + intid / 16 * 4;

	wr(0, reg, 4, rd(0, reg, 4) | 2U << intid % 16 * 2);
}

static void set_level(u32 intid)
{
	u64 reg = DIST + 0xc00 + intid / 16 * 4;

	wr(0, reg, 4, rd(0, reg, 4) & ~(2ULL << intid % 16 * 2));
}

static void level(u32 intid, bool up)
{
	u64 index = 0;
	int ret = vgic_irq_line(&world_vm, &index, intid, up);

	assert_true(ret >= 0);
	if (ret)
		world_woken |= 1U << index;
	world_kick();
}

#define assert_ack(n, expected)                                                      \
	do {                                                                         \
		u32 got_ = ack(n);                                                   \
		if (got_ != (expected))                                              \
			fail_msg("line %d: acknowledged %u, not %u", __LINE__, got_, \
				 (u32)(expected));                                   \
	} while (0)

/* ---- one by one ---- */

/* Load vCPU @n on the CPU that the test is on now. */
static void world_load_here(unsigned int n)
{
	world_vcpu[n].cpu = this_cpu();
	world_vgic_hooks->load(&world_vcpu[n]);
}

static void a_level_is_delivered_until_it_falls(void **state)
{
	world_start(4, 1, IRQS);
	enable_spi(40);
	level(40, true);
	assert_ack(0, 40);
	assert_ack(0, FAKE_NONE);
	eoi(0, 40);
	assert_ack(0, 40); /* still up: its EOI raised the maintenance interrupt */
	level(40, false);
	eoi(0, 40);
	assert_ack(0, FAKE_NONE);
	world_check();
}

static void a_level_that_falls_before_it_is_taken_is_gone(void **state)
{
	world_start(4, 1, IRQS);
	enable_spi(40);
	level(40, true);
	level(40, false);
	world_exit(0);
	assert_ack(0, FAKE_NONE);
}

static void a_level_that_fell_costs_no_maintenance(void **state)
{
	world_start(4, 1, IRQS);
	enable_spi(40);
	level(40, true);
	assert_ack(0, 40);
	level(40, false);
	world_exit(0);
	on(0);
	fake_guest_eoi(40);
	assert_int_equal(ich_read_misr(), 0);
}

static void a_level_that_rises_while_active_comes_again(void **state)
{
	world_start(4, 1, IRQS);
	enable_spi(40);
	level(40, true);
	assert_ack(0, 40);
	level(40, false);
	world_exit(0);
	level(40, true);
	eoi(0, 40);
	assert_ack(0, 40);
}

static void an_edge_is_delivered_once(void **state)
{
	world_start(4, 1, IRQS);
	set_edge(40);
	enable_spi(40);
	level(40, true);
	level(40, false);
	assert_ack(0, 40);
	eoi(0, 40);
	assert_ack(0, FAKE_NONE);
}

static void an_edge_while_active_is_kept(void **state)
{
	world_start(4, 1, IRQS);
	set_edge(40);
	enable_spi(40);
	level(40, true);
	assert_ack(0, 40);
	level(40, true); /* each 1 is an edge */
	assert_ack(0, FAKE_NONE);
	eoi(0, 40);
	assert_ack(0, 40);
	eoi(0, 40);
	assert_ack(0, FAKE_NONE);
}

static void split_eoi(unsigned int n)
{
	on(n);
	fake_this_icc()->vmcr |= 1 << 9; /* EOImode=1 */
}

/* A level that the host holds until it is told that the guest has ended it. */
static void hold(u32 intid)
{
	u64 index = 0;
	int ret = vgic_irq_line(&world_vm, &index, intid, 1 | KEEL_LINE_REPORT);

	assert_true(ret >= 0);
	if (ret)
		world_woken |= 1U << index;
	world_kick();
}

static void the_end_of_a_level_is_told_once_if_the_host_asks(void **state)
{
	world_start(4, 1, IRQS);
	enable_spi(40);
	enable_spi(41);
	level(41, true);
	hold(40);
	assert_ack(0, 40);
	assert_int_equal(world_ended[40], 0);
	world_put(0);
	world_load(0);
	assert_int_equal(world_ended[40], 0);
	on(0);
	fake_guest_eoi(40);
	assert_int_not_equal(ich_read_misr(), 0);
	world_exit(0);
	assert_int_equal(world_ended[40], 1);
	level(40, false);
	assert_ack(0, 41);
	eoi(0, 41);
	level(41, false);
	world_exit(0);
	assert_int_equal(world_ended[40], 1);
	assert_int_equal(world_ended[41], 0);
	/* again, and held while it is active */
	level(40, true);
	assert_ack(0, 40);
	hold(40);
	level(40, false);
	eoi(0, 40);
	assert_int_equal(world_ended[40], 2);
	assert_ack(0, FAKE_NONE);
	world_check();
}

/* The run ends, and the guest does not take the interrupt again before. */
static void a_run_ends_when_the_host_is_to_be_told(void **state)
{
	world_start(4, 1, IRQS);
	enable_spi(40);
	hold(40);
	assert_ack(0, 40);
	on(0);
	fake_guest_eoi(40);
	vcpu_set_attention(&world_vcpu[0]);
	assert_int_equal(world_vgic_hooks->enter(&world_vcpu[0]), vcpu_to_host(KEEL_EXIT_IRQ));
	assert_int_equal(world_ended[40], 1);
}

/* Before an entry of a guest hypervisor: the caller asks vgic_must_leave() after the refill. */
static void a_refill_tells_of_an_end_too(void **state)
{
	u64 index = 0;

	world_start(4, 2, IRQS);
	enable_spi(40);
	hold(40);
	assert_ack(0, 40);
	on(0);
	fake_guest_eoi(40);
	assert_false(vcpu_has_attention(&world_vcpu[0])); /* another exit: the hook is not asked */
	/* now its input falls, of which nobody is notified */
	assert_int_equal(vgic_irq_line(&world_vm, &index, 40, 0), 0);
	assert_true(vcpu_has_attention(&world_vcpu[0]));
	assert_int_equal(fake_icc[0].phys_pending, 0);
	vgic_refill(on(0));
	assert_int_equal(world_ended[40], 1);
	assert_true(vgic_must_leave(&world_vcpu[0]));
	assert_int_equal(ich_read_misr(), 0); /* nothing would end the run by itself */
	assert_true(vcpu_has_attention(&world_vcpu[0]));
}

static void the_end_of_an_edge_is_not_told(void **state)
{
	world_start(4, 1, IRQS);
	set_edge(40);
	enable_spi(40);
	hold(40);
	assert_ack(0, 40);
	eoi(0, 40);
	assert_int_equal(world_ended[40], 0);
	wr(0, DIST + 0xc00 + 40 / 16 * 4, 4, 0); /* the line is high still: now it is a level */
	assert_ack(0, 40);
	eoi(0, 40);
	assert_int_equal(world_ended[40], 1);
}

static void an_end_is_told_that_no_list_register_shows(void **state)
{
	world_start(2, 1, 1024);
	for (u32 i = 0; i < 8; i++) {
		wr(0, DIST + 0x400 + 100 + i, 1, (30 - i) * 8);
		enable_spi(100 + i);
		hold(100 + i);
		assert_ack(0, 100 + i);
	}
	for (u32 i = 8; i-- > 0;) {
		level(100 + i, false);
		on(0);
		fake_guest_eoi(100 + i);
	}
	world_exit(0);
	for (u32 i = 0; i < 8; i++)
		assert_int_equal(world_ended[100 + i], 1);
}

static void a_deactivation_by_another_vcpu_is_told(void **state)
{
	for (int away = 0; away < 2; away++) {
		world_start(4, 2, IRQS);
		split_eoi(0);
		split_eoi(1);
		enable_spi(40);
		hold(40);
		assert_ack(0, 40);
		eoi(0, 40);
		assert_int_equal(world_ended[40], 0);
		if (away)
			world_put(0);
		dir(1, 40);
		world_kick();
		if (away)
			world_load(0);
		assert_int_equal(world_ended[40], 1);
	}
}

static void the_host_is_told_over_a_reset_and_of_spis_alone(void **state)
{
	u64 index = 0;

	world_start(4, 1, IRQS);
	hold(40);
	assert_int_equal(vgic_irq_line(&world_vm, &index, 20, 1 | KEEL_LINE_REPORT), -EINVAL);
	assert_int_equal(vgic_irq_line(&world_vm, &index, 40, KEEL_LINE_REPORT), -EINVAL);
	assert_int_equal(vgic_irq_line(&world_vm, &index, 40, 4), -EINVAL);
	world_put(0);
	world_reset_vgic();
	world_load(0);
	wr(0, DIST, 4, 3);
	wr(0, DIST + 0x80 + 4, 4, ~0U);
	set_level(40);
	enable_spi(40);
	assert_ack(0, 40);
	eoi(0, 40);
	assert_int_equal(world_ended[40], 1);
}

static void a_level_written_pending_is_taken_once(void **state)
{
	world_start(4, 1, IRQS);
	enable_spi(40);
	wr(0, ISPENDR(40), 4, BITOF(40));
	assert_ack(0, 40);
	wr(0, ISPENDR(40), 4, BITOF(40)); /* while it is active: once more */
	eoi(0, 40);
	assert_ack(0, 40);
	eoi(0, 40);
	assert_ack(0, FAKE_NONE);
}

static void more_than_list_registers_come_in_order(void **state)
{
	for (unsigned int lrs = 1; lrs <= 16; lrs++) {
		world_start(lrs, 1, 1024);
		for (u32 i = 0; i < 60; i++) {
			u32 intid = 100 + i;

			wr(0, DIST + 0x400 + intid, 1, (59 - i) / 2 * 8);
			set_edge(intid);
			enable_spi(intid);
		}
		for (u32 i = 0; i < 60; i++)
			level(100 + i, true);
		for (u32 i = 0; i < 60; i++) { /* pairs of a priority, the lower INTID first */
			u32 expected = 100 + ((59 - i) ^ 1);

			assert_ack(0, expected);
			eoi(0, expected);
		}
		assert_ack(0, FAKE_NONE);
		world_check();
	}
}

/* Handlers of SPIs 100 to 130, each in the one before, and more urgent. */
static void start_with_nested(unsigned int lrs)
{
	world_start(lrs, 1, 1024);
	for (u32 i = 0; i < 31; i++) {
		wr(0, DIST + 0x400 + 100 + i, 1, (30 - i) * 8);
		set_edge(100 + i);
		enable_spi(100 + i);
		level(100 + i, true);
		assert_ack(0, 100 + i);
	}
}

/* More are active than there are list registers. */
static void more_can_be_active_than_there_are_list_registers(void **state)
{
	for (unsigned int lrs = 1; lrs <= 16; lrs++) {
		start_with_nested(lrs);
		for (u32 i = 31; i-- > 0;) {
			u32 word = (u32)rd(0, ISACTIVER(100 + i), 4);

			if (!(word & BITOF(100 + i)))
				fail_msg("%u list registers: INTID %u is not active", lrs, 100 + i);
			eoi(0, 100 + i);
			word = (u32)rd(0, ISACTIVER(100 + i), 4);
			if (word & BITOF(100 + i))
				fail_msg("%u list registers: INTID %u is active still", lrs,
					 100 + i);
		}
		world_check();
	}
}

/* All end in one go: of those without a list register only the number is reported. */
static void many_that_are_active_end_at_once(void **state)
{
	for (unsigned int lrs = 1; lrs <= 16; lrs++) {
		start_with_nested(lrs);
		on(0);
		for (u32 i = 31; i-- > 3;)
			fake_guest_eoi(100 + i);
		world_exit(0);
		for (u32 i = 0; i < 31; i++)
			assert_int_equal(!(rd(0, ISACTIVER(100 + i), 4) & BITOF(100 + i)), i >= 3);
		world_check();
	}
}

/* With EOImode=1 any of the active ones may be deactivated, and each write traps meanwhile. */
static void interrupts_can_be_deactivated_in_any_order(void **state)
{
	world_start(2, 1, 1024);
	on(0);
	fake_this_icc()->vmcr |= 1 << 9;
	for (u32 i = 0; i < 8; i++) {
		set_edge(100 + i);
		enable_spi(100 + i);
		level(100 + i, true);
		assert_ack(0, 100 + i);
	}
	if (!(fake_this_icc()->hcr & 1 << 14))
		fail_msg("ICC_DIR_EL1 does not trap with 8 active and 2 list registers");
	for (u32 i = 0; i < 8; i++) {
		on(0);
		vgic_write_dir(&world_vcpu[0], 100 + i * 3 % 8);
		world_exit(0);
		u64 active = rd(0, ISACTIVER(100), 4);

		assert_false(active & BITOF(100 + i * 3 % 8));
		assert_int_equal(__builtin_popcountll(active), 7 - i);
	}
	vgic_write_dir(on(0), 2000);
	vgic_write_dir(on(0), 1023);
	assert_false(fake_this_icc()->hcr & 1 << 14);
	world_check();
}

/* IHI 0069, ICC_DIR_EL1: an SPI may be deactivated by another PE than the one that took it. */
static void another_vcpu_deactivates(void **state)
{
	for (int away = 0; away < 2; away++) {
		world_start(4, 3, IRQS);
		for (unsigned int n = 0; n < 3; n++)
			split_eoi(n);
		set_edge(40);
		enable_spi(40);
		level(40, true);
		assert_ack(0, 40);
		eoi(0, 40);
		if (away)
			world_put(0);
		dir(1, 40);
		world_kick();
		if (away)
			world_load(0);
		if (rd(2, ISACTIVER(40), 4) & BITOF(40))
			fail_msg("INTID 40 is active still");
		level(40, true);
		assert_ack(0, 40);
		world_check();
	}
}

/* More are active than there are list registers; another vCPU deactivates each. */
static void other_vcpus_deactivate_more_than_list_registers(void **state)
{
	world_start(2, 2, 1024);
	for (unsigned int n = 0; n < 2; n++)
		split_eoi(n);
	for (u32 i = 0; i < 8; i++) {
		set_edge(100 + i);
		enable_spi(100 + i);
		level(100 + i, true);
		assert_ack(0, 100 + i);
		eoi(0, 100 + i);
	}
	for (u32 i = 0; i < 8; i++) {
		u32 intid = 100 + i * 3 % 8;

		dir(1, intid);
		world_kick();
		level(intid, true);
		assert_ack(0, intid);
		eoi(0, intid);
		dir(0, intid);
	}
	assert_ack(0, FAKE_NONE);
	world_check();
}

/* With one vCPU, and no more active than list registers, ICC_DIR_EL1 does not trap. */
static void one_vcpu_deactivates_without_a_trap(void **state)
{
	world_start(2, 1, IRQS);
	split_eoi(0);
	set_edge(40);
	enable_spi(40);
	level(40, true);
	assert_ack(0, 40);
	on(0);
	assert_false(fake_guest_dir(40));
	world_exit(0);
	level(40, true);
	assert_ack(0, 40);
}

static void pend_edges(u32 first, u32 count, u32 priority, bool group1)
{
	for (u32 i = first; i < first + count; i++) {
		u64 reg = DIST + 0x80 + i / 32 * 4, old = rd(0, reg, 4);

		set_edge(i);
		wr(0, DIST + 0x400 + i, 1, priority);
		wr(0, reg, 4, group1 ? old | BITOF(i) : old & ~BITOF(i));
		enable_spi(i);
		level(i, true);
	}
}

/* Interrupts of a disabled group do not keep those of an enabled one out of list registers. */
static void a_group_that_is_off_does_not_starve_the_other(void **state)
{
	u32 priority;

	for (unsigned int lrs = 1; lrs <= 16; lrs++) {
		world_start(lrs, 1, IRQS);
		on(0);
		fake_this_icc()->vmcr &= ~1ULL; /* ICC_IGRPEN0_EL1 = 0 */
		pend_edges(33, 20, 0x10, false);
		pend_edges(60, 1, 0xa0, true);
		assert_ack(0, 60);
		eoi(0, 60);
		assert_ack(0, FAKE_NONE);
		on(0);
		fake_this_icc()->vmcr |= 1;
		world_serve(0);
		for (u32 i = 0; i < 20; i++) {
			u32 got = (on(0), fake_guest_ack(256, false, &priority));

			if (got != 33 + i)
				fail_msg("%u list registers: %u in place of %u", lrs, got, 33 + i);
			eoi(0, got);
		}
		world_check();
	}
}

/* The same when the guest turns the group off while its interrupts are in list registers. */
static void a_group_that_is_turned_off_makes_room(void **state)
{
	for (unsigned int lrs = 1; lrs <= 16; lrs++) {
		world_start(lrs, 1, IRQS);
		pend_edges(33, 20, 0x10, false);
		pend_edges(60, 1, 0xa0, true);
		assert_ack(0, FAKE_NONE); /* group 0 is before it */
		on(0);
		fake_this_icc()->vmcr &= ~1ULL;
		world_serve(0);
		assert_ack(0, 60);
		world_check();
	}
}

/* All list registers are active, and waiting interrupts are not signalled: no interrupt storm. */
static void what_is_not_signalled_makes_no_storm(void **state)
{
	world_start(2, 1, IRQS);
	for (u32 i = 0; i < 2; i++) {
		pend_edges(33 + i, 1, 0xa0 - i * 0x10, true);
		assert_ack(0, 33 + i);
	}
	on(0);
	fake_this_icc()->vmcr &= ~1ULL;
	pend_edges(40, 1, 0x10, false);
	world_serve(0);
	assert_int_equal(ich_read_misr(), 0);
	for (u32 i = 2; i-- > 0;)
		eoi(0, 33 + i);
	assert_ack(0, FAKE_NONE);
}

static void disabled_and_masked_ones_wait(void **state)
{
	world_start(4, 1, IRQS);
	level(40, true);
	assert_ack(0, FAKE_NONE);
	enable_spi(40);
	wr(0, DIST, 4, 0);
	assert_ack(0, FAKE_NONE);
	wr(0, DIST, 4, 2);
	assert_ack(0, 40);
	eoi(0, 40);
	wr(0, ICENABLER(40), 4, BITOF(40));
	assert_ack(0, FAKE_NONE);
}

static void group_0_is_signalled_as_group_0(void **state)
{
	u32 priority;

	world_start(4, 1, IRQS);
	wr(0, DIST + 0x84, 4, ~BITOF(40));
	enable_spi(40);
	level(40, true);
	assert_ack(0, FAKE_NONE);
	on(0);
	assert_int_equal(fake_guest_ack(256, false, &priority), 40);
	eoi(0, 40);
	wr(0, DIST, 4, 2); /* group 0 off */
	assert_int_equal(fake_guest_ack(256, false, &priority), FAKE_NONE);
}

/* ---- several vCPUs ---- */

/* IHI 0069, 12.9: reads give the state, in whichever vCPU's list register it is. */
static void what_another_vcpu_handles_reads_as_active(void **state)
{
	world_start(4, 2, IRQS);
	set_edge(40);
	enable_spi(40);
	level(40, true);
	if (!(rd(1, ISPENDR(40), 4) & BITOF(40)))
		fail_msg("not pending, before it is taken");
	for (int waits = 0; waits < 2; waits++) {
		assert_ack(0, 40);
		fake_icc[1].host_waits = waits;
		if (!(rd(1, ISACTIVER(40), 4) & BITOF(40)))
			fail_msg("not active at the first read");
		if (rd(1, ISPENDR(40), 4) & BITOF(40))
			fail_msg("still pending, when it has been taken");
		eoi(0, 40);
		if (rd(1, ISACTIVER(40), 4) & BITOF(40))
			fail_msg("active, when it has been ended");
		level(40, true);
	}
	world_check();
}

/* A host interrupt ends the wait, and the guest repeats the access. */
static void an_access_that_waits_lets_the_host_in(void **state)
{
	u64 value = 7;

	world_start(4, 2, IRQS);
	set_edge(40);
	enable_spi(40);
	level(40, true);
	assert_ack(0, 40);
	fake_others_go_on = NULL;
	on(1);
	fake_icc[1].host_waits = true;
	assert_int_equal(vgic_mmio(&world_vcpu[1], ISACTIVER(40), 4, false, &value),
			 TRAP_MMIO_AGAIN);
	assert_int_equal(value, 7);
	assert_false(world_vm.vgic->lock.held);
	assert_true(vcpu_is_kicked(&world_vcpu[0]));
}

/* The host can mask the interrupt that would make the other vCPU exit, and all of its own. */
static void no_access_waits_without_end(void **state)
{
	u64 value = 7;

	world_start(4, 2, IRQS);
	set_edge(40);
	enable_spi(40);
	level(40, true);
	assert_ack(0, 40);
	fake_others_go_on = NULL;
	assert_int_equal(vgic_mmio(on(1), ISACTIVER(40), 4, false, &value), TRAP_MMIO_AGAIN);
	assert_int_equal(value, 7);
	assert_false(world_vm.vgic->lock.held);
}

/* Two vCPUs that read each other's interrupts do not wait for each other. */
static void two_that_ask_each_other_get_answers(void **state)
{
	world_start(4, 2, IRQS);
	wr(0, DIST + 0x6000 + 41 * 8, 8, 1);
	for (u32 i = 40; i < 42; i++) {
		set_edge(i);
		enable_spi(i);
		level(i, true);
	}
	world_kick();
	assert_ack(0, 40);
	assert_ack(1, 41);
	for (unsigned int n = 0; n < 2; n++)
		assert_int_equal(rd(n, ISACTIVER(40), 4) & (BITOF(40) | BITOF(41)),
				 BITOF(40) | BITOF(41));
}

static void an_spi_goes_where_it_is_routed(void **state)
{
	world_start(4, 3, IRQS);
	enable_spi(40);
	wr(0, DIST + 0x6000 + 40 * 8, 8, 2);
	world_kick();
	level(40, true);
	assert_ack(0, FAKE_NONE);
	assert_ack(1, FAKE_NONE);
	assert_ack(2, 40);
	level(40, false);
	eoi(2, 40);
}

static void a_pending_spi_follows_its_route(void **state)
{
	world_start(4, 3, IRQS);
	enable_spi(40);
	level(40, true); /* in a list register of vCPU 0 */
	wr(1, DIST + 0x6000 + 40 * 8, 8, 1);
	world_kick();
	assert_ack(0, FAKE_NONE);
	assert_ack(1, 40);
	/* what is active stays */
	wr(0, DIST + 0x6000 + 40 * 8, 8, 2);
	world_kick();
	assert_ack(2, FAKE_NONE);
	eoi(1, 40);
	world_kick();
	assert_ack(1, FAKE_NONE);
	assert_ack(2, 40);
	world_check();
}

#define KICK (1U << VGIC_PPI_MAINTENANCE)

/* A vCPU on a CPU is notified by that CPU's maintenance interrupt, once until it has looked. */
static void a_kick_interrupts_the_cpu(void **state)
{
	world_start(4, 2, IRQS);
	wr(1, sgi_frame(1, 0x100), 4, 0xffff);
	assert_int_equal(vgic_write_sgi1r(on(0), 2 | 3 << 24), VCPU_RESUME);
	assert_int_equal(fake_icc[1].phys_pending, KICK);
	assert_int_equal(fake_icc[0].phys_pending, 0);
	fake_icc[1].phys_pending = 0;
	assert_int_equal(vgic_write_sgi1r(on(0), 2 | 4 << 24), VCPU_RESUME);
	assert_int_equal(fake_icc[1].phys_pending, 0);
	fake_icc[1].phys_pending = KICK;
	assert_int_equal(world_vgic_hooks->irq(on(1)), VCPU_RESUME);
	assert_int_equal(world_enter(on(1)), VCPU_RESUME);
	assert_int_equal(fake_icc[1].phys_pending, 0);
	assert_int_equal(world_vgic_hooks->irq(on(1)), VCPU_NOT_MINE);
	assert_ack(1, 3);
	assert_ack(1, 4);
	assert_int_equal(vgic_write_sgi1r(on(0), 2 | 5 << 24), VCPU_RESUME);
	assert_int_equal(fake_icc[1].phys_pending, KICK);
	/* it leaves before it has looked: the run loop sees that it must not sleep */
	world_put(1);
	assert_int_equal(world_vcpu[1].place, VCPU_KICKED);
	assert_int_equal(world_woken, 0);
	fake_icc[1].phys_pending = 0; /* the host takes it, and has nothing to do */
	world_load(1);
	assert_int_equal(world_vcpu[1].place, VCPU_HERE);
	assert_ack(1, 5);
	world_check();
}

/*
 * A redistributor loses its power with its CPU, or because the host cuts it: a kick is lost,
 * and so is its end. The next entry sees what has changed.
 */
static void a_redistributor_without_power_is_no_fault_of_el2s(void **state)
{
	world_start(4, 2, IRQS);
	wr(1, sgi_frame(1, 0x100), 4, 0xffff);
	fake_gicr_power(1, false);
	assert_int_equal(vgic_write_sgi1r(on(0), 2 | 3 << 24), VCPU_RESUME);
	assert_int_equal(fake_icc[1].faults, 1);
	assert_true(vcpu_is_kicked(&world_vcpu[1]));
	world_put(1);
	world_load(1);
	assert_ack(1, 3);
	eoi(1, 3);

	fake_gicr_power(1, true);
	assert_int_equal(vgic_write_sgi1r(on(0), 2 | 4 << 24), VCPU_RESUME);
	assert_int_equal(fake_icc[1].phys_pending, KICK);
	fake_gicr_power(1, false);
	fake_icc[1].faults = 0;
	assert_int_equal(world_vgic_hooks->irq(on(1)), VCPU_RESUME);
	assert_int_equal(world_enter(on(1)), VCPU_RESUME);
	assert_int_equal(fake_icc[1].faults, 2);
	assert_ack(1, 4);
	world_check();
}

/* Continuous kicks do not delay the host's interrupts. */
static void the_host_gets_its_turn_between_kicks(void **state)
{
	struct vcpu *vcpu;

	world_start(4, 1, IRQS);
	vcpu = on(0);
	vcpu->irq_pc = 0;
	vcpu->regs.pc = 0x1000;
	fake_icc[0].host_waits = true; /* or the kick, whose end is not seen yet */
	assert_false(vcpu_host_waits(vcpu));
	assert_true(vcpu_host_waits(vcpu));
	vcpu->regs.pc = 0x1004; /* the guest has gone on: so nothing was pending */
	assert_false(vcpu_host_waits(vcpu));
	fake_icc[0].host_waits = false;
	assert_false(vcpu_host_waits(vcpu)); /* a loop of one instruction */
}

/* A vCPU that is on no CPU: the host wakes it if it sleeps, and has nothing to do if not. */
static void a_vcpu_that_sleeps_is_woken_by_the_host(void **state)
{
	world_start(4, 2, IRQS);
	wr(1, sgi_frame(1, 0x100), 4, 0xffff);
	world_put(1);
	assert_int_equal(vgic_write_sgi1r(on(0), 2 | 3 << 24), VCPU_RESUME);
	assert_int_equal(world_told(), 0);
	world_vcpu[1].place = VCPU_WAITS;
	assert_int_equal(vgic_write_sgi1r(on(0), 2 | 4 << 24), KEEL_EXIT_IRQ);
	assert_int_equal(world_woken, 2);
	assert_int_equal(fake_icc[1].phys_pending, 0);
	world_load(1);
	assert_ack(1, 3);
	assert_ack(1, 4);
}

static void sgis_reach_whom_they_name(void **state)
{
	world_start(4, 4, IRQS);
	for (unsigned int n = 0; n < 4; n++)
		wr(n, sgi_frame(n, 0x100), 4, 0xffff);
	assert_int_equal(vgic_write_sgi1r(on(1), 0xd | 3 << 24), VCPU_RESUME);
	assert_int_equal(world_told(), 0xd);
	assert_int_equal(world_woken, 0); /* all of them are on their CPUs: no host is needed */
	world_kick();
	assert_ack(0, 3);
	assert_ack(1, FAKE_NONE);
	assert_ack(2, 3);
	assert_ack(3, 3);
	/* to itself alone: nobody has to be told */
	assert_int_equal(vgic_write_sgi1r(on(1), 2 | 5 << 24), VCPU_RESUME);
	world_exit(1);
	assert_ack(1, 5);
	/* all but itself */
	assert_int_equal(vgic_write_sgi1r(on(3), 1ULL << 40 | 15 << 24 | 0xffff), VCPU_RESUME);
	assert_int_equal(world_told(), 7);
	world_kick();
	for (unsigned int n = 0; n < 3; n++)
		assert_ack(n, 15);
	assert_ack(3, FAKE_NONE);
}

static void sgis_to_nobody_do_nothing(void **state)
{
	static const u64 values[] = {
		0xfff0,		  /* vCPUs that there are not */
		0xf | 1ULL << 44, /* a range that there is not */
		0xf | 1ULL << 16, 0xf | 0xffULL << 32, 0xf | 1ULL << 48,
	};

	world_start(4, 4, IRQS);
	for (unsigned int n = 0; n < 4; n++)
		wr(n, sgi_frame(n, 0x100), 4, 0xffff);
	for (unsigned int i = 0; i < ARRAY_SIZE(values); i++) {
		assert_int_equal(vgic_write_sgi1r(on(0), values[i]), VCPU_RESUME);
		for (unsigned int n = 0; n < 4; n++)
			assert_int_equal(world_vcpu[n].vgic->busy & 0xffff, 0);
	}
	/* group 0's registers do not reach group 1 */
	assert_int_equal(vgic_write_sgi0r(on(0), 0xf), VCPU_RESUME);
	assert_int_equal(world_vcpu[1].vgic->busy, 0);
	wr(0, sgi_frame(1, 0x80), 4, ~1U);
	assert_int_equal(vgic_write_sgi0r(on(0), 0xf), VCPU_RESUME);
	assert_int_equal(world_vcpu[1].vgic->busy, 1);
	assert_int_equal(world_told(), 2);
}

static void assert_span(u64 first, u64 end)
{
	assert_int_equal(world_vm.vgic_first, first);
	assert_int_equal(world_vm.vgic_first + world_vm.vgic_span, end);
}

/* Elsewhere no access of the guest comes to the vGIC: trap/abort.c. */
static void all_registers_are_in_the_span_that_is_asked_for(void **state)
{
	world_start_without_vgic(4, 2);
	assert_int_equal(world_vm.vgic_span, 0);
	assert_int_equal(world_create(DIST, REDIST, 64), 0);
	assert_span(DIST, REDIST + 2ULL * VGIC_REDIST_SIZE);
	world_start_without_vgic(4, 2);
	assert_int_equal(world_create(KEEL_NO_PLACE, KEEL_NO_PLACE, 64), 0);
	assert_int_equal(world_vm.vgic_span, 0);
	assert_int_equal(world_add_region(REDIST + 0x100000, 1), 0);
	assert_span(REDIST + 0x100000, REDIST + 0x100000 + VGIC_REDIST_SIZE);
	assert_int_equal(world_add_region(DIST, 0), 0);
	assert_span(DIST, REDIST + 0x100000 + VGIC_REDIST_SIZE);
	assert_int_equal(world_add_region(REDIST, 1), 0);
	assert_span(DIST, REDIST + 0x100000 + VGIC_REDIST_SIZE);
}

static void without_a_vgic_nothing_happens(void **state)
{
	u64 value = 0;

	world_start_without_vgic(4, 1);
	assert_int_equal(vgic_write_sgi1r(on(0), 1), VCPU_RESUME);
	vgic_write_dir(on(0), 1);
	assert_null(vgic_set_level(on(0), 40, true));
	assert_int_equal(vgic_mmio(on(0), DIST, 4, false, &value), TRAP_MMIO_NOT_MINE);
	world_vgic_hooks->load(on(0));
	if (fake_this_icc()->hcr != (7 << 10) || fake_this_icc()->sre_open)
		fail_msg("the CPU interface does not trap");
	assert_int_equal(world_enter(on(0)), VCPU_RESUME);
	assert_false(world_vgic_hooks->pending(on(0)));
	world_vgic_hooks->put(on(0));
	assert_int_equal(fake_this_icc()->hcr, 0);
	assert_true(fake_this_icc()->sre_open);
	world_vgic_hooks->reset(on(0));
}

/* ---- a physical interrupt ---- */

static void start_with_vtimer(void)
{
	world_start(4, 2, IRQS);
	wr(0, sgi_frame(0, 0x100), 4, BITOF(27));
}

static void a_forwarded_interrupt_ends_with_the_guests_eoi(void **state)
{
	start_with_vtimer();
	world_phys27[0] = true;
	world_exit(0);
	assert_int_equal(fake_icc[0].phys_active, BITOF(27));
	assert_ack(0, 27);
	world_phys27[0] = false;
	eoi(0, 27);
	assert_int_equal(fake_icc[0].phys_active, 0);
	world_exit(0);
	assert_ack(0, FAKE_NONE);
	world_phys27[0] = true;
	world_exit(0);
	assert_ack(0, 27);
	eoi(0, 27);
	world_exit(0);
	assert_ack(0, 27); /* the input has not fallen: it fires again */
	world_check();
}

static void an_active_forwarded_interrupt_is_pending_by_its_input(void **state)
{
	start_with_vtimer();
	world_phys27[0] = true;
	world_exit(0);
	assert_ack(0, 27);
	for (int level = 0; level < 2; level++) {
		world_phys27[0] = level;
		assert_int_equal(!!(rd(0, gicr(0, 0x10200), 4) & BITOF(27)), level);
		assert_true(rd(0, gicr(0, 0x10300), 4) & BITOF(27));
	}
	world_phys27[0] = false;
	world_exit(0);
	eoi(0, 27);
	world_exit(0);
	assert_int_equal(fake_icc[0].phys_active, 0);
	assert_ack(0, FAKE_NONE);
	world_check();
}

static void one_is_in_its_list_register_at_once(void **state)
{
	start_with_vtimer();
	world_phys27[0] = true;
	assert_true(vgic_forward(on(0), VGIC_PPI_VTIMER));
	assert_false(vcpu_has_attention(&world_vcpu[0]));
	assert_ack(0, VGIC_PPI_VTIMER);
	world_check();
}

/* List registers that were lent until this exit are filled when it is known who has them next. */
static void one_that_comes_at_the_end_of_a_loan_waits_for_the_refill(void **state)
{
	start_with_vtimer();
	assert_int_equal(vgic_lend(on(0)), VGIC_NO_SIGNAL);
	vgic_end_loan(on(0));
	world_phys27[0] = true;
	assert_true(vgic_forward(on(0), VGIC_PPI_VTIMER));
	assert_int_equal(world_vcpu[0].vgic->lr_used, 0);
	assert_true(vcpu_has_attention(&world_vcpu[0]));
	vgic_refill(on(0));
	assert_ack(0, VGIC_PPI_VTIMER);
	world_check();
}

static void a_forwarded_interrupt_whose_input_falls_is_deactivated(void **state)
{
	start_with_vtimer();
	world_phys27[0] = true;
	world_exit(0);
	world_phys27[0] = false;
	on(0);
	world_vcpu[0].attention = true;
	world_exit(0);
	assert_ack(0, FAKE_NONE);
	assert_int_equal(fake_icc[0].phys_active, 0);
}

static void put_leaves_nothing_in_the_hardware(void **state)
{
	for (int acked = 0; acked < 2; acked++) {
		start_with_vtimer();
		world_phys27[0] = true;
		world_exit(0);
		if (acked)
			assert_ack(0, 27);
		world_put(0);
		assert_int_equal(fake_icc[0].phys_active, 0);
		assert_int_equal(fake_icc[0].hcr, 0);
		assert_true(fake_icc[0].sre_open);
		assert_int_equal(world_vcpu[0].vgic->lr_used, 0);
		for (unsigned int n = 0; n < fake_icc[0].nr_lrs; n++)
			assert_int_equal(fake_icc[0].lr[n], 0);
		world_load(0);
		assert_false(fake_icc[0].sre_open);
		assert_ack(0, acked ? FAKE_NONE : 27);
		world_phys27[0] = false;
		eoi(0, 27);
		world_exit(0);
		assert_int_equal(fake_icc[0].phys_active, 0);
		assert_ack(0, FAKE_NONE);
	}
}

static void an_active_interrupt_survives_a_move(void **state)
{
	start_with_vtimer();
	enable_spi(40);
	level(40, true);
	world_phys27[0] = true;
	world_exit(0);
	assert_ack(0, 27);
	world_put(0);
	/* another CPU: the same hooks, with another CPU's registers */
	world_put(1);
	on(1);
	fake_icc[1].vmcr = 0;
	world_load_here(0);
	assert_int_equal(world_enter(&world_vcpu[0]), VCPU_RESUME);
	assert_int_equal(fake_icc[1].vmcr, fake_icc[0].vmcr);
	assert_int_equal(fake_guest_pending(0, true), FAKE_NONE);
	fake_guest_eoi(27);
	assert_int_equal(fake_icc[1].phys_active, 0);
	assert_int_equal(fake_guest_pending(256, true), 40);
	world_vgic_hooks->put(&world_vcpu[0]);
}

/* ---- WFI ---- */

static void wfi_ends_for_what_would_be_signalled(void **state)
{
	world_start(4, 1, IRQS);
	assert_false(world_vgic_hooks->pending(on(0)));
	wr(0, DIST + 0x400 + 40, 1, 0x80);
	level(40, true);
	assert_false(world_vgic_hooks->pending(on(0))); /* disabled */
	enable_spi(40);
	assert_true(world_vgic_hooks->pending(on(0)));
	world_exit(0);
	fake_this_icc()->vmcr = 0x80ULL << 24 | 3; /* masked: not more urgent than PMR */
	assert_false(world_vgic_hooks->pending(on(0)));
	fake_this_icc()->vmcr = 0x88ULL << 24 | 1; /* group 1 off */
	assert_false(world_vgic_hooks->pending(on(0)));
	fake_this_icc()->vmcr = 0x88ULL << 24 | 2;
	assert_true(world_vgic_hooks->pending(on(0)));
	world_exit(0);
	assert_ack(0, 40);
	assert_false(world_vgic_hooks->pending(on(0))); /* active */
	level(40, false);
	world_exit(0);
	eoi(0, 40);
	assert_false(world_vgic_hooks->pending(on(0)));
}

/* Of a CPU interface that is off, before CPU_SUSPEND; by what is pending, and by a timer to come. */
static void a_redistributor_that_sleeps_wakes_its_vcpu(void **state)
{
	world_start(4, 2, IRQS);
	wr(0, sgi_frame(0, 0x100), 4, 1U << 27);
	enable_spi(40);
	world_exit(0);
	on(0);
	fake_this_icc()->vmcr = 0; /* all masked, both groups off */
	assert_false(vgic_wakes(&world_vcpu[0], 27));
	wr(0, gicr(0, 0x14), 4, 2);
	assert_true(vgic_wakes(on(0), 27));
	assert_false(world_vgic_hooks->pending(on(0)));
	level(40, true);
	assert_true(world_vgic_hooks->pending(on(0)));
	assert_false(world_vgic_hooks->pending(on(1))); /* another's */
	wr(0, DIST, 4, 0); /* what the distributor does not deliver wakes nobody */
	assert_false(world_vgic_hooks->pending(on(0)));
	assert_false(vgic_wakes(on(0), 27));
	wr(0, DIST, 4, 3);
	assert_true(world_vgic_hooks->pending(on(0)));
	wr(0, gicr(0, 0x14), 4, 0);
	assert_false(world_vgic_hooks->pending(on(0)));
	assert_false(vgic_wakes(on(0), 27));
}

/* ---- life ---- */

static void creation_checks_everything_first(void **state)
{
	static const struct {
		u64 dist, redist, irqs;
		int ret;
	} rows[] = {
		{ DIST, REDIST, 32, -EINVAL },
		{ DIST, REDIST, 65, -EINVAL },
		{ DIST, REDIST, 1056, -EINVAL },
		{ DIST, REDIST, ~31ULL, -EINVAL },
		{ DIST + 0x1000, REDIST, 64, -EINVAL },
		{ DIST, REDIST + 0x8000, 64, -EINVAL },
		{ REDIST + 0x10000, REDIST, 64, -EINVAL },
		{ REDIST, REDIST - 0x50000, 64, -EINVAL },
		{ 1ULL << 40, REDIST, 64, -E2BIG },
		{ DIST, (1ULL << 40) - 0x20000, 64, -E2BIG },
		{ DIST, ~0xffffULL, 64, -E2BIG },
	};
	u64 index = 0;

	world_start_without_vgic(4, 3);
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 before = page_pool_available(&world_vm.pool);
		int ret = world_create(rows[i].dist, rows[i].redist, rows[i].irqs);

		if (ret != rows[i].ret || world_vm.vgic)
			fail_msg("row %u: %d, not %d", i, ret, rows[i].ret);
		assert_int_equal(page_pool_available(&world_vm.pool), before);
	}
	assert_int_equal(world_create(DIST, REDIST, 64), 0);
	assert_int_equal(world_create(DIST, REDIST, 64), -EBUSY);
	assert_int_equal(vgic_irq_line(&world_vm, &index, 64, true), -EINVAL);
	assert_int_equal(vgic_irq_line(&world_vm, &index, 15, true), -EINVAL);
	assert_int_equal(vgic_irq_line(&world_vm, &index, 1ULL << 32 | 40, true), -EINVAL);
	index = 3;
	assert_int_equal(vgic_irq_line(&world_vm, &index, 20, true), -EINVAL);
	index = 1ULL << 32;
	assert_int_equal(vgic_irq_line(&world_vm, &index, 20, true), -EINVAL);
	index = 0;
	assert_int_equal(vgic_irq_line(&world_vm, &index, VGIC_PPI_VTIMER, true), 0);
	assert_false(world_vcpu[0].vgic->irq[27].line);
}

static void creation_can_be_repeated_when_memory_is_short(void **state)
{
	u64 needed;

	world_start_without_vgic(4, 4);
	needed = vgic_pages(1024, 4);
	assert_int_equal(needed, 9);
	for (u64 left = 0; left <= needed; left++) {
		void *taken[32];
		unsigned int n = 0;
		int ret;

		world_start_without_vgic(4, 4);
		while (page_pool_available(&world_vm.pool) > left)
			taken[n++] = page_pool_alloc(&world_vm.pool);
		ret = world_create(DIST, REDIST, 1024);
		if (ret != (left < needed ? -ENOMEM : 0))
			fail_msg("%d with %d pages of %d", ret, (int)left, (int)needed);
		while (n)
			page_pool_free(&world_vm.pool, taken[--n]);
		if (ret)
			assert_int_equal(world_create(DIST, REDIST, 1024), 0);
		assert_int_equal(page_pool_available(&world_vm.pool), 32 - needed);
	}
}

/* A vCPU that moves between CPUs with different numbers of list registers. */
static void cpus_may_have_different_numbers_of_list_registers(void **state)
{
	world_start(8, 3, IRQS);
	for (unsigned int cpu = 1; cpu < 3; cpu++) {
		world_put(cpu);
		fake_icc[cpu].nr_lrs = cpu; /* 1 and 2 */
		on(cpu);
		assert_true(vgic_cpu_online());
	}
	pend_edges(33, 20, 0x10, true);
	for (u32 i = 33; i < 53; i++) {
		unsigned int cpu = i % 3;

		on(cpu);
		if (i > 33)
			world_load_here(0);
		assert_int_equal(world_enter(&world_vcpu[0]), VCPU_RESUME);
		if (fake_guest_pending(256, true) != i)
			fail_msg("CPU %u: %u is signalled, not %u", cpu,
				 fake_guest_pending(256, true), i);
		fake_guest_ack(256, true, &(u32){ 0 });
		fake_guest_eoi(i);
		world_vgic_hooks->put(&world_vcpu[0]);
	}
}

/* A CPU is refused if a guest would see a difference there, or could not run. */
static void a_cpu_whose_interface_does_not_fit_is_refused(void **state)
{
	world_start_without_vgic(4, 2);
	on(1);
	fake_icc[1].nr_lrs = 16;
	assert_true(vgic_cpu_online());
	fake_icc[1].prebits = 6;
	assert_false(vgic_cpu_online());
	fake_icc[1].prebits = 5;
	fake_icc[1].absent = true;
	assert_false(vgic_cpu_online());
	world_vgic_hooks->load(&world_vcpu[1]); /* touches nothing that there is not */
	world_vgic_hooks->put(&world_vcpu[1]);
	fake_icc[1].absent = false;
	fake_cpu->gicr = NULL;
	assert_false(vgic_cpu_online());
}

/* Without redistributors VMs have no vGIC, and guests still do not reach the interface. */
static void without_a_redistributor_the_interface_traps(void **state)
{
	world_start_without_vgic(4, 2);
	on(0);
	fake_cpu->gicr = NULL;
	world_last_hooks = NULL;
	vgic_init();
	assert_ptr_equal(world_last_hooks, world_vgic_hooks);
	assert_int_equal(world_create(DIST, REDIST, 64), -ENODEV);
	for (unsigned int n = 0; n < 2; n++) {
		on(n);
		assert_true(vgic_cpu_online());
		world_load_here(n);
		if (fake_this_icc()->hcr != (7 << 10) || fake_this_icc()->sre_open)
			fail_msg("the CPU interface does not trap on CPU %u", n);
		world_vgic_hooks->put(&world_vcpu[n]);
	}
}

static void without_the_hardware_there_is_no_vgic(void **state)
{
	world_start_without_vgic(4, 1);
	fake_icc_present = false;
	vgic_init();
	assert_int_equal(world_create(DIST, REDIST, 64), -ENODEV);
	assert_null(world_vm.vgic);
	fake_icc_present = true;
	this_cpu()->gicr = NULL;
	vgic_init();
	assert_int_equal(world_create(DIST, REDIST, 64), -ENODEV);
}

static void a_reset_forgets_the_cpu_interface(void **state)
{
	world_start(4, 1, 64);
	assert_int_equal(fake_icc[0].hcr & 1, 1);
	on(0);
	world_put(0);
	world_vgic_hooks->reset(&world_vcpu[0]);
	world_load(0);
	assert_int_equal(fake_icc[0].vmcr >> 24, 0);
	world_check();
}

static void reset_keeps_inputs(void **state)
{
	u64 index = 0;

	world_start(4, 1, 64);
	assert_int_equal(vgic_irq_line(&world_vm, &index, 20, true), 0); /* disabled: no wake */
	wr(0, sgi_frame(0, 0x100), 4, BITOF(20));
	assert_ack(0, 20);
	world_put(0);
	world_vgic_hooks->reset(&world_vcpu[0]);
	assert_true(world_vcpu[0].vgic->irq[20].line);
	assert_false(world_vcpu[0].vgic->irq[20].active || world_vcpu[0].vgic->irq[20].enabled);
	world_load(0);
	world_check();
}

/* PSCI turns a vCPU on: only pending interrupts and the levels of inputs stay. */
static void a_vcpu_that_is_turned_on_has_its_interface_reset(void **state)
{
	start_with_vtimer();
	wr(0, sgi_frame(0, 0x100), 4, 0xffff | BITOF(20));
	wr(0, sgi_frame(0, 0x400), 4, 0x20202020);
	wr(0, gicr(0, 0x14), 4, 2);
	assert_int_equal(vgic_write_sgi1r(on(1), 1 | 3 << 24), VCPU_RESUME);
	world_kick();
	assert_ack(0, 3);
	world_phys27[0] = true;
	world_exit(0);
	assert_ack(0, 27); /* active and held when it goes off */
	level(20, true);
	assert_int_equal(vgic_write_sgi1r(on(1), 1 | 2 << 24), VCPU_RESUME);
	world_kick();
	on(0);
	fake_this_icc()->ap0r[0] = fake_this_icc()->ap1r[0] = 0x10;
	vgic_cpu_on(&world_vcpu[0]);
	if (fake_icc[0].vmcr & (0xffULL << 24 | 0x3ff) & ~8ULL)
		fail_msg("ICH_VMCR_EL2 is %#llx", (unsigned long long)fake_icc[0].vmcr);
	assert_int_equal(fake_icc[0].ap0r[0] | fake_icc[0].ap1r[0], 0);
	assert_int_equal(fake_icc[0].phys_active, 0);
	for (u32 i = 0; i < 32; i++) {
		const struct vgic_irq *irq = &world_vcpu[0].vgic->irq[i];

		if (irq->active || irq->enabled != (i < 16) || irq->forwarded || irq->priority ||
		    !irq->group1)
			fail_msg("INTID %u is not as after reset", i);
		if (irq->latch != (i == 2) || irq->line != (i == 20))
			fail_msg("INTID %u: pending %d, input %d", i, irq->latch, irq->line);
	}
	world_phys27[0] = false;
	world_exit(0);
	world_check();
	assert_int_equal(rd(1, gicr(0, 0x14), 4), 0);
	on(0);
	fake_this_icc()->vmcr |= 0xffULL << 24 | 3;
	assert_ack(0, 2);	  /* sent since, or before: as on a machine */
	assert_ack(0, FAKE_NONE); /* no PPI is enabled */
	wr(0, sgi_frame(0, 0x100), 4, BITOF(20));
	eoi(0, 2);
	assert_ack(0, 20);
	world_check();
}

/* An SPI that was active, pending and enabled before the reset is not so after it. */
static void the_distributor_is_reset(void **state)
{
	struct vgic *vgic;

	world_start(2, 2, 1024);
	vgic = world_vm.vgic;
	enable_spi(40);
	wr(0, DIST + 0x400 + 40, 1, 0x40);
	wr(0, DIST + 0x6000 + 40 * 8, 8, 1);
	level(40, true);
	world_kick();
	assert_ack(1, 40);
	for (u32 i = 100; i < 108; i++) {
		set_edge(i);
		enable_spi(i);
		level(i, true);
		level(i, false);
		assert_ack(0, i);
	}
	for (unsigned int n = 0; n < 2; n++)
		world_put(n);
	world_reset_vgic();
	for (u32 i = 32; i < VGIC_INTIDS; i++) {
		struct vgic_irq *irq = vgic_irq_of(&world_vcpu[0], i);

		if (irq->active || irq->enabled || !irq->edge || irq->latch || irq->priority ||
		    irq->target || irq->affinity || irq->in_lr || !irq->group1 ||
		    irq->home != VGIC_NO_VCPU)
			fail_msg("INTID %u is not as after reset", i);
		if (irq->line != (i == 40))
			fail_msg("INTID %u: its input is %d", i, irq->line);
	}
	assert_int_equal(vgic->ctlr, 0);
	for (unsigned int n = 0; n < 2; n++) {
		world_vgic_hooks->reset(&world_vcpu[n]);
		world_load(n);
		fake_this_icc()->vmcr |= 0xffULL << 24 | 3;
	}
	world_check();
	wr(0, DIST, 4, 3);
	enable_spi(40);
	assert_ack(0, FAKE_NONE); /* it is an edge */
	set_level(40);
	world_exit(0);
	assert_ack(0, 40); /* the input is up still */
	world_check();
}

/* ---- random, against a model ---- */

/* A GIC that has no list registers (IHI 0069, 4.1): each change is visible at once. */
struct model_irq {
	u8 priority;
	bool enabled, edge, line, latch, active, group0, report;
	unsigned int
		sources; /* a GICv2's SGI: who has sent it, a bit each; latch says if any has */
	unsigned int target, active_on, ended; /* how often the host was to be told */
};

static struct model_irq spis[IRQS], ppis[WORLD_CPUS][32];
static struct {
	u32 intid, priority;
	unsigned int source;
} stack[WORLD_CPUS][FAKE_STACK];
static unsigned int depth[WORLD_CPUS], model_cpus;
/* ICC_IGRPEN<n>_EL1 of each vCPU, a bit each; and what its EOImode=1 has left active. */
static unsigned int groups[WORLD_CPUS];
static bool split, v2;
static struct {
	unsigned int n, source;
	u32 intid;
} dropped[WORLD_CPUS * IRQS];
static unsigned int nr_dropped;
static u64 seed;

static u32 rnd(u32 below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)(seed >> 20) % below;
}

static struct model_irq *model(unsigned int n, u32 intid)
{
	return intid < 32 ? &ppis[n][intid] : &spis[intid];
}

static u32 running(unsigned int n)
{
	return depth[n] ? stack[n][depth[n] - 1].priority : 256;
}

static bool deliverable(unsigned int n, u32 intid)
{
	struct model_irq *irq = model(n, intid);
	bool line = irq->line || (intid == VGIC_PPI_VTIMER && world_phys27[n]);

	return irq->enabled && !irq->active && (irq->latch || (!irq->edge && line)) &&
	       (intid < 32 || irq->target == n) && irq->priority < running(n) &&
	       irq->priority < 0xf0 && (groups[n] & (irq->group0 ? 1 : 2));
}

static u32 best_priority(unsigned int n)
{
	u32 best = 256;

	for (u32 i = 0; i < IRQS; i++)
		if (deliverable(n, i) && model(n, i)->priority < best)
			best = model(n, i)->priority;
	return best;
}

static void compare_ends(unsigned long step)
{
	for (u32 i = 32; i < IRQS; i++)
		if (world_ended[i] != spis[i].ended)
			fail_msg("step %lu: of INTID %u %u ends were told, not %u", step, i,
				 world_ended[i], spis[i].ended);
}

/* On each vCPU, the CPU interface signals what the model does. */
static void compare(unsigned long step)
{
	compare_ends(step);
	for (unsigned int n = 0; n < model_cpus; n++) {
		u32 best = best_priority(n), got;
		bool group1;

		if (!world_vcpu[n].vgic->loaded)
			continue;
		on(n);
		got = fake_guest_best(running(n), &group1);
		if ((got == FAKE_NONE) != (best == 256))
			fail_msg("step %lu, vCPU %u: INTID %u is signalled, priority %u is due",
				 step, n, got, best);
		if (got != FAKE_NONE && (!deliverable(n, got) || model(n, got)->priority != best))
			fail_msg("step %lu, vCPU %u: INTID %u is signalled, not priority %u", step,
				 n, got, best);
	}
}

static void exit_all(void)
{
	for (unsigned int n = 0; n < model_cpus; n++)
		if (world_vcpu[n].vgic->loaded)
			world_exit(n);
	world_kick();
}

static u32 random_irq(void)
{
	static const u32 some[] = { 0, 3, 15, 16, 20, 27, 32, 33, 40, 63, 64, 65, 66, 80, 90, 95 };

	return some[rnd(ARRAY_SIZE(some))];
}

/* The guest has taken an SGI of a GICv2, which is one of those that were sent. */
static void take_source(struct model_irq *irq)
{
	if (!(irq->sources >> fake_source & 1))
		fail_msg("an SGI of vCPU %u, which has sent none", fake_source);
	irq->sources &= ~(1U << fake_source);
	irq->latch = irq->sources;
}

static void do_ack(unsigned int n)
{
	u32 priority, intid;
	struct model_irq *irq;
	bool group1;

	on(n);
	fake_guest_best(running(n), &group1);
	intid = fake_guest_ack(running(n), group1, &priority);
	world_exit(n);
	if (intid == FAKE_NONE)
		return;
	irq = model(n, intid);
	irq->active = true;
	irq->active_on = n;
	irq->latch = false;
	if (v2 && intid < 16)
		take_source(irq);
	stack[n][depth[n]].source = fake_source;
	stack[n][depth[n]].intid = intid;
	stack[n][depth[n]++].priority = priority;
}

static void deactivate_model(unsigned int n, u32 intid)
{
	struct model_irq *irq = model(n, intid);

	irq->active = false;
	irq->ended += irq->report && !irq->edge;
	irq->report &= irq->edge;
}

static void do_eoi(unsigned int n)
{
	u32 intid;

	if (!depth[n])
		return;
	intid = stack[n][--depth[n]].intid;
	fake_source = stack[n][depth[n]].source;
	on(n);
	fake_guest_eoi(intid);
	world_exit(n);
	if (split) {
		dropped[nr_dropped].n = n;
		dropped[nr_dropped].source = fake_source;
		dropped[nr_dropped++].intid = intid;
	} else {
		deactivate_model(n, intid);
	}
	/* where it comes next, if its route has changed since */
	if (rnd(2))
		world_exit(n);
}

/* With EOImode=1, in any order; an SPI by any vCPU. */
static void do_dir(unsigned int n)
{
	unsigned int which;
	u32 intid;

	if (!nr_dropped)
		return;
	which = rnd(nr_dropped);
	intid = dropped[which].intid;
	if (intid < 32)
		n = dropped[which].n;
	fake_source = dropped[which].source;
	dir(n, intid);
	deactivate_model(n, intid);
	dropped[which] = dropped[--nr_dropped];
}

/* The guest writes ICC_IGRPEN<n>_EL1, which does not trap. */
static void do_groups(unsigned int n)
{
	groups[n] = rnd(4) ? 3 : rnd(4);
	on(n);
	fake_this_icc()->vmcr = (fake_this_icc()->vmcr & ~3ULL) | groups[n];
	world_serve(n);
}

static void do_line(unsigned int n, u32 intid)
{
	bool up = rnd(2), report = up && intid >= 32 && !rnd(3);
	u64 index = n;
	int ret;

	if (intid < 16)
		return;
	if (intid == VGIC_PPI_VTIMER) {
		world_phys27[n] = up;
		world_vcpu[n].attention |= !up; /* a fall alone makes no exit, nor a fold */
		if (world_vcpu[n].vgic->loaded)
			world_exit(n);
		return;
	}
	ret = vgic_irq_line(&world_vm, &index, intid, up | (report ? KEEL_LINE_REPORT : 0));
	if (ret == 1)
		world_woken |= 1U << index;
	model(n, intid)->report |= report;
	model(n, intid)->latch |= up && model(n, intid)->edge;
	model(n, intid)->line = up;
}

/* A register of vCPU @n's private interrupts. */
static u64 private_reg(unsigned int n, u64 offset)
{
	return v2 ? DIST + offset : sgi_frame(n, offset);
}

/* GICD_SGIR, or GICD_SPENDSGIR<n> as if somebody had written the former. */
static void do_v2_sgi(unsigned int n, u32 intid)
{
	unsigned int to = rnd(model_cpus), from = n;

	if (rnd(4)) {
		wr(n, DIST + 0xf00, 4, 1U << (16 + to) | intid);
	} else {
		from = to;
		to = n;
		wr(n, DIST + 0xf20 + intid, 1, 1U << from | 0xf0);
	}
	ppis[to][intid].sources |= 1U << from;
	ppis[to][intid].latch = true;
}

static void do_pend(unsigned int n, u32 intid)
{
	if (v2 && intid < 16) {
		do_v2_sgi(n, intid);
	} else if (intid < 16) {
		unsigned int to = rnd(model_cpus);

		vgic_write_sgi1r(on(n), 1U << to | (u64)intid << 24);
		ppis[to][intid].latch = true;
		world_exit(n);
	} else if (intid == VGIC_PPI_VTIMER) {
		return;
	} else {
		wr(n, intid < 32 ? private_reg(n, 0x200) : ISPENDR(intid), 4, BITOF(intid));
		model(n, intid)->latch = true;
	}
}

static void do_unpend(unsigned int n, u32 intid)
{
	struct model_irq *irq = model(n, intid);
	unsigned int which = 1 + rnd(0xff);

	wr(n, intid < 32 ? private_reg(n, 0x280) : ICPENDR(intid), 4, BITOF(intid));
	if (!v2 || intid >= 16) {
		irq->latch = false;
		return;
	}
	wr(n, DIST + 0xf10 + intid, 1, which);
	irq->sources &= ~which;
	irq->latch = irq->sources;
}

static void do_enable(unsigned int n, u32 intid, bool enable)
{
	u64 offset = enable ? 0x100 : 0x180;

	wr(n, intid < 32 ? private_reg(n, offset) : DIST + offset + intid / 32 * 4, 4,
	   BITOF(intid));
	model(n, intid)->enabled = enable;
}

static void do_priority(unsigned int n, u32 intid)
{
	u32 priority = rnd(32) * 8;

	if (model(n, intid)->active)
		return;
	wr(n, intid < 32 ? private_reg(n, 0x400 + intid) : DIST + 0x400 + intid, 1, priority);
	model(n, intid)->priority = (u8)priority;
}

static void do_route(unsigned int n, u32 intid)
{
	if (intid < 32)
		return;
	spis[intid].target = rnd(model_cpus);
	if (v2)
		wr(n, DIST + 0x800 + intid, 1, 1U << spis[intid].target);
	else
		wr(n, DIST + 0x6000 + intid * 8, 8, spis[intid].target);
}

static void do_move(unsigned int n)
{
	world_put(n);
	if (fake_icc[n].phys_active || fake_icc[n].hcr)
		fail_msg("put leaves something on CPU %u", n);
	world_load(n);
}

static void read_state(unsigned int n, u32 intid)
{
	bool priv = intid < 32, line;
	u64 base = priv ? private_reg(n, 0) : DIST + intid / 32 * 4;
	struct model_irq *irq = model(n, intid);
	u64 pending, active;

	fake_icc[n].host_waits = !rnd(4);
	pending = rd(n, base + 0x200, 4) & BITOF(intid);
	active = rd(n, base + 0x300, 4) & BITOF(intid);
	line = irq->line && !irq->edge;
	if (intid != VGIC_PPI_VTIMER && !pending != !(irq->latch || line))
		fail_msg("INTID %u reads as pending %d", intid, pending != 0);
	if (!active != !irq->active)
		fail_msg("INTID %u reads as active %d", intid, active != 0);
	if (v2 && intid < 16 && rd(n, DIST + (rnd(2) ? 0xf10 : 0xf20) + intid, 1) != irq->sources)
		fail_msg("SGI %u reads as of others than %#x", intid, irq->sources);
}

static void random_step(void)
{
	unsigned int n = rnd(model_cpus);
	u32 intid = random_irq();

	switch (rnd(18)) {
	case 0 ... 3:
		do_ack(n);
		break;
	case 4 ... 6:
		do_eoi(n);
		break;
	case 7:
	case 8:
		do_line(n, intid);
		break;
	case 9:
	case 10:
		do_pend(n, intid);
		break;
	case 11:
		do_unpend(n, intid);
		break;
	case 12:
		do_enable(n, intid, rnd(4));
		break;
	case 13:
		do_priority(n, intid);
		break;
	case 14:
		do_route(n, intid);
		break;
	case 15:
		do_groups(n);
		break;
	case 16:
		do_dir(n);
		break;
	default:
		if (rnd(2))
			do_move(n);
		else
			read_state(n, intid);
	}
}

/* A part of them in group 0. */
static void move_to_group_0(u32 intid)
{
	bool priv = intid < 32;

	for (unsigned int n = 0; n < (priv ? model_cpus : 1); n++) {
		u64 reg = priv ? private_reg(n, 0x80) : DIST + 0x80 + intid / 32 * 4;

		wr(n, reg, 4, rd(n, reg, 4) & ~BITOF(intid));
		model(n, intid)->group0 = true;
	}
}

/* ---- saving and restoring ---- */

#define DIST_WORDS    (0x10000 / 4)
#define REDIST_WORDS  (0x20000 / 4)
#define LINE_WORDS    (1024 / 32)
#define ICC_REGISTERS 9

/* All that the host can read, and what it has of each CPU's interface. */
struct saved {
	u32 dist[DIST_WORDS], redist[WORLD_CPUS][REDIST_WORDS], lines[WORLD_CPUS][LINE_WORDS];
	u64 icc[WORLD_CPUS][ICC_REGISTERS];
};

/* ICC_CTLR_EL1, PMR, BPR0, BPR1, AP0R0, AP1R0, IGRPEN0, IGRPEN1, SRE */
static const u32 icc[ICC_REGISTERS] = { 0xc664, 0xc230, 0xc643, 0xc663, 0xc644,
					0xc648, 0xc666, 0xc667, 0xc665 };

/* GICC_CTLR, PMR, BPR, ABPR, APR0 to APR3, IIDR */
static const u32 gicc[ICC_REGISTERS] = { 0, 4, 8, 0x1c, 0xd0, 0xd4, 0xd8, 0xdc, 0xfc };

static void access_icc(unsigned int n, u64 *values, bool write)
{
	for (unsigned int i = 0; i < ICC_REGISTERS; i++)
		assert_int_equal(vgic_host_reg(&world_vcpu[n], KEEL_VGIC_CPU, v2 ? gicc[i] : icc[i],
					       write, &values[i]),
				 0);
}

static void save_words(unsigned int n, u64 space, u32 *words, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		u64 value = 0;
		int ret = vgic_host_reg(&world_vcpu[n], space, i * 4, false, &value);

		assert_true(ret == 0 || ret == -ENXIO);
		words[i] = (u32)value;
	}
}

static void save_all(struct saved *s)
{
	memset(s, 0, sizeof(*s));
	save_words(0, KEEL_VGIC_DIST, s->dist, DIST_WORDS);
	for (unsigned int n = 0; n < model_cpus; n++) {
		assert_false(world_vcpu[n].vgic->loaded);
		/* a GICv2's distributor is each vCPU's own in part */
		save_words(n, v2 ? KEEL_VGIC_DIST : KEEL_VGIC_REDIST, s->redist[n], REDIST_WORDS);
		save_words(n, KEEL_VGIC_LINES, s->lines[n], LINE_WORDS);
		access_icc(n, s->icc[n], false);
	}
}

/* GICD_ICENABLER and its like, which clear what is written as one. */
static bool clears(u64 space, u32 offset)
{
	if (space == KEEL_VGIC_LINES || (space == KEEL_VGIC_REDIST && offset < 0x10000))
		return false;
	offset %= 0x10000;
	return offset >= 0x180 && offset < 0x400 && offset & 0x80;
}

/* GICD_CPENDSGIR<n>: what GICD_ISPENDR0 has set goes, and GICD_SPENDSGIR<n>, which follow, say who. */
static bool is_cpendsgir(u64 space, u32 offset)
{
	return v2 && space == KEEL_VGIC_DIST && offset >= 0xf10 && offset < 0xf20;
}

static void restore_words(unsigned int n, u64 space, const u32 *words, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		u64 value = is_cpendsgir(space, i * 4) ? ~0U : words[i];
		int ret;

		if (clears(space, i * 4))
			continue;
		ret = vgic_host_reg(&world_vcpu[n], space, i * 4, true, &value);
		assert_true(ret == 0 || ret == -ENXIO);
	}
}

/* SGIs are enabled at reset. */
static void disable_sgis(unsigned int n)
{
	u64 all = ~0U;
	int ret = v2 ? vgic_host_reg(&world_vcpu[n], KEEL_VGIC_DIST, 0x180, true, &all)
		     : vgic_host_reg(&world_vcpu[n], KEEL_VGIC_REDIST, 0x10180, true, &all);

	assert_int_equal(ret, 0);
}

static void restore_all(struct saved *s)
{
	for (unsigned int n = 0; n < model_cpus; n++)
		disable_sgis(n);
	restore_words(0, KEEL_VGIC_DIST, s->dist, DIST_WORDS);
	for (unsigned int n = 0; n < model_cpus; n++) {
		restore_words(n, v2 ? KEEL_VGIC_DIST : KEEL_VGIC_REDIST, s->redist[n],
			      REDIST_WORDS);
		restore_words(n, KEEL_VGIC_LINES, s->lines[n], LINE_WORDS);
		access_icc(n, s->icc[n], true);
	}
}

/*
 * An SPI that was routed elsewhere while it is active. No register says which vCPU has it, so that it
 * cannot be restored, here or elsewhere.
 */
static bool is_astray(void)
{
	for (u32 i = 32; i < IRQS; i++)
		if (spis[i].active && spis[i].active_on != spis[i].target)
			return true;
	/* nor who has sent an SGI that is active, which the hardware wants to know where it ends it */
	for (unsigned int n = 0; v2 && !split && n < model_cpus; n++)
		for (u32 i = 0; i < 16; i++)
			if (ppis[n][i].active)
				return true;
	return false;
}

static void start_model_world(unsigned int lrs)
{
	if (v2)
		world_start_v2(lrs, model_cpus, IRQS);
	else
		world_start(lrs, model_cpus, IRQS);
}

/* Without a run of any vCPU. */
static void start_fresh_world(unsigned int lrs)
{
	if (v2) {
		world_start_v2_without_vgic(lrs, model_cpus);
		assert_int_equal(world_create(KEEL_NO_PLACE, KEEL_NO_PLACE, IRQS), 0);
		assert_int_equal(world_add_region(DIST, 0), 0);
		assert_int_equal(world_add_region(WORLD_GICC, 1), 0);
	} else {
		world_start_without_vgic(lrs, model_cpus);
		assert_int_equal(world_create(DIST, REDIST, IRQS), 0);
	}
}

static unsigned int migrations;

/* Another VM goes on with the state of this one. The host asks anew which ends it is to be told. */
static void migrate(unsigned int lrs)
{
	static struct saved before, after;
	bool phys27[WORLD_CPUS];

	exit_all();
	for (unsigned int n = 0; n < model_cpus; n++)
		world_put(n);
	save_all(&before);
	memcpy(phys27, world_phys27, sizeof(phys27));
	start_fresh_world(lrs);
	restore_all(&before);
	save_all(&after);
	assert_memory_equal(&before, &after, sizeof(before));
	memcpy(world_phys27, phys27, sizeof(phys27));
	for (u32 i = 32; i < IRQS; i++) {
		spis[i].report = false;
		spis[i].ended = 0;
	}
	for (unsigned int n = 0; n < model_cpus; n++)
		world_load(n);
	exit_all();
	migrations++;
}

static void start_model(unsigned int lrs, unsigned int cpus, bool split_)
{
	static const u32 group0[] = { 3, 20, 33, 40, 66, 95 };

	model_cpus = cpus;
	split = split_;
	nr_dropped = 0;
	memset(spis, 0, sizeof(spis));
	memset(ppis, 0, sizeof(ppis));
	memset(depth, 0, sizeof(depth));
	start_model_world(lrs);
	for (u32 i = 0; v2 && i < IRQS; i += 32)
		for (unsigned int n = 0; n < cpus; n++)
			wr(n, DIST + 0x80 + i / 8, 4, ~0U);
	for (unsigned int n = 0; n < cpus; n++) {
		if (!v2 && split) {
			wr(n, gicr(n, 0x70), 8, 0x123450000 + n);
			wr(n, gicr(n, 0x78), 8, 0x678900000 + (n << 20));
		}
		for (u32 i = 0; i < 16; i++)
			ppis[n][i].enabled = true;
		fake_icc[n].vmcr = 0xf0ULL << 24 | (split ? 1 << 9 : 0) | 3;
		groups[n] = 3;
		for (u32 i = 0; i < 16; i++)
			ppis[n][i].edge = true;
	}
	for (u32 i = 32; i < IRQS; i += 2) {
		spis[i].edge = true;
		set_edge(i);
	}
	for (u32 i = 0; i < ARRAY_SIZE(group0); i++)
		move_to_group_0(group0[i]);
	exit_all();
}

static void play(unsigned int steps)
{
	for (unsigned long step = 0; step < steps; step++) {
		random_step();
		world_kick();
		/* what became less needs no wake, and is seen when the vCPU exits */
		exit_all();
		compare(step);
		world_check();
	}
}

static void random_guests_see_a_gicv2_without_list_registers(void **state)
{
	static const unsigned int sizes[][2] = { { 1, 1 }, { 4, 1 }, { 1, 3 },	{ 4, 2 },
						 { 4, 4 }, { 2, 4 }, { 16, 2 }, { 16, 4 } };

	v2 = true;
	for (unsigned int run = 0; run < 80; run++) {
		seed = run * 0x9e3779b97f4a7c15ULL + 12345;
		start_model(sizes[run % 8][0], sizes[run % 8][1], run >= 40);
		play(3000);
	}
	v2 = false;
}

static void random_guests_with_a_gicv2_go_on_in_another_vm(void **state)
{
	static const unsigned int sizes[][2] = {
		{ 1, 1 }, { 4, 1 }, { 2, 3 }, { 4, 4 }, { 16, 2 }
	};

	v2 = true;
	migrations = 0;
	for (unsigned int run = 0; run < 20; run++) {
		unsigned int lrs = sizes[run % 5][0];

		seed = run * 0x9e3779b97f4a7c15ULL + 4711;
		start_model(lrs, sizes[run % 5][1], false);
		for (unsigned int part = 0; part < 75; part++) {
			play(20);
			if (!is_astray())
				migrate(lrs);
		}
	}
	assert_true(migrations > 100);
	v2 = false;
}

static void random_guests_see_a_gic_without_list_registers(void **state)
{
	static const unsigned int sizes[][2] = { { 1, 1 }, { 4, 1 }, { 1, 3 }, { 2, 2 },
						 { 4, 4 }, { 3, 3 }, { 16, 2 } };

	for (unsigned int run = 0; run < 140; run++) {
		seed = run * 0x9e3779b97f4a7c15ULL + 12345;
		start_model(sizes[run % 7][0], sizes[run % 7][1], run >= 70);
		for (unsigned long step = 0; step < 3000; step++) {
			random_step();
			world_kick();
			/* what became less needs no wake, and is seen when the vCPU exits */
			exit_all();
			compare(step);
			world_check();
		}
	}
}

/* The same, but vCPUs exit only when they are notified or the guest itself causes an exit. */
/* Each state that a guest can get to is the same after it was saved and restored: it sees no change. */
static void random_guests_go_on_in_another_vm(void **state)
{
	static const unsigned int sizes[][2] = {
		{ 1, 1 }, { 4, 1 }, { 2, 3 }, { 4, 4 }, { 16, 2 }
	};

	for (unsigned int run = 0; run < 20; run++) {
		unsigned int lrs = sizes[run % 5][0];

		seed = run * 0x9e3779b97f4a7c15ULL + 4711;
		start_model(lrs, sizes[run % 5][1], run >= 10);
		for (unsigned long step = 0; step < 1500; step++) {
			random_step();
			world_kick();
			if (step % 50 == 49 && !is_astray())
				migrate(lrs);
			exit_all();
			compare(step);
			world_check();
		}
	}
	assert_true(migrations > 200);
}

static void the_host_reads_and_writes_state(void **state)
{
	const struct {
		u64 space, offset;
		int ret;
	} rows[] = {
		{ 4, 0, -EINVAL },
		{ KEEL_VGIC_CPU, 0xc645, -EINVAL }, /* ICC_AP0R1_EL1 */
		{ KEEL_VGIC_CPU, 0xc64b, -EINVAL }, /* ICC_AP1R3_EL1 */
		{ KEEL_VGIC_CPU, 0xc64c, -ENXIO },
		{ KEEL_VGIC_CPU, 0xc660, -ENXIO }, /* ICC_IAR1_EL1 */
		{ KEEL_VGIC_CPU, 1ULL << 32 | 0xc230, -ENXIO },
		{ ~0ULL, 0, -EINVAL },
		{ KEEL_VGIC_DIST, 0x10, 0 },
		{ KEEL_VGIC_DIST, 0x14, -ENXIO }, /* the host has what is zero here */
		{ KEEL_VGIC_DIST, 2, -ENXIO },
		{ KEEL_VGIC_DIST, 0x108, 0 },
		{ KEEL_VGIC_DIST, 0x10c, -ENXIO }, /* INTIDs from 96 on */
		{ KEEL_VGIC_DIST, 0x800, -ENXIO },
		{ KEEL_VGIC_DIST, 0xffe8, 0 },
		{ KEEL_VGIC_DIST, 0x10000, -ENXIO },
		{ KEEL_VGIC_DIST, 1ULL << 32, -ENXIO },
		{ KEEL_VGIC_REDIST, 0, 0 },
		{ KEEL_VGIC_REDIST, 0x18, -ENXIO },
		{ KEEL_VGIC_REDIST, 0x70, 0 },
		{ KEEL_VGIC_REDIST, 0x10080, 0 },
		{ KEEL_VGIC_REDIST, 0x10084, -ENXIO },
		{ KEEL_VGIC_REDIST, 0x1fffc, -ENXIO },
		{ KEEL_VGIC_REDIST, 0x20000, -ENXIO },
		{ KEEL_VGIC_LINES, 0x7c, 0 },
		{ KEEL_VGIC_LINES, 0x80, -ENXIO },
	};

	world_start(4, 2, IRQS);
	world_put(0);
	world_put(1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (int write = 0; write < 2; write++) {
			u64 value = 0;
			int ret = vgic_host_reg(&world_vcpu[1], rows[i].space, rows[i].offset,
						write, &value);

			if (ret != rows[i].ret)
				fail_msg("row %zu: %d, not %d", i, ret, rows[i].ret);
		}
}

static u32 host_reads(unsigned int n, u64 space, u64 offset)
{
	u64 value = ~0ULL;

	assert_int_equal(vgic_host_reg(&world_vcpu[n], space, offset, false, &value), 0);
	assert_int_equal(value >> 32, 0);
	return (u32)value;
}

static void host_writes(unsigned int n, u64 space, u64 offset, u64 value)
{
	assert_int_equal(vgic_host_reg(&world_vcpu[n], space, offset, true, &value), 0);
}

/* A machine with fewer bits of priority, and with SPIs alone: its state is taken, and read back. */
static void fewer_bits_of_priority_can_be_restored(void **state)
{
	u64 ctlr, value;

	world_start(4, 1, IRQS);
	world_put(0);
	ctlr = host_reads(0, KEEL_VGIC_CPU, 0xc664);
	assert_int_equal(ctlr & 0x3f00, 4 << 8 | 1 << 11);	    /* what the fake has */
	host_writes(0, KEEL_VGIC_CPU, 0xc664, 3 << 8 | 2 | 1 << 6); /* PMHE is nobody's */
	assert_int_equal(host_reads(0, KEEL_VGIC_CPU, 0xc664), (ctlr & ~0x3f00ULL) | 3 << 8 | 2);
	value = ctlr + (1 << 8);
	assert_int_equal(vgic_host_reg(&world_vcpu[0], KEEL_VGIC_CPU, 0xc664, true, &value),
			 -EINVAL);
	value = ctlr + (1 << 11);
	assert_int_equal(vgic_host_reg(&world_vcpu[0], KEEL_VGIC_CPU, 0xc664, true, &value),
			 -EINVAL);
	value = ctlr ^ 1 << 15; /* A3V */
	assert_int_equal(vgic_host_reg(&world_vcpu[0], KEEL_VGIC_CPU, 0xc664, true, &value),
			 -EINVAL);
	assert_int_equal(host_reads(0, KEEL_VGIC_CPU, 0xc664), (ctlr & ~0x3f00ULL) | 3 << 8 | 2);
	host_writes(0, KEEL_VGIC_CPU, 0xc664, ctlr);
	assert_int_equal(host_reads(0, KEEL_VGIC_CPU, 0xc664), ctlr);
}

/* A guest finds it nowhere; the host reads and writes it, before and after it has its place. */
static void a_redistributor_without_a_place_is_there_for_the_host(void **state)
{
	world_start_without_vgic(4, 2);
	assert_int_equal(world_create_some(DIST, REDIST, IRQS, 1), 0);
	assert_int_equal(host_reads(0, KEEL_VGIC_REDIST, 8), 1 << 4);
	assert_int_equal(host_reads(1, KEEL_VGIC_REDIST, 8), 1 << 8);
	host_writes(1, KEEL_VGIC_REDIST, 0x10100, 0xf00000);
	assert_int_equal(host_reads(1, KEEL_VGIC_REDIST, 0x10100), 0xf0ffff);
	assert_int_equal(world_add_region(REDIST + 0x100000, 1), 0);
	assert_int_equal(host_reads(1, KEEL_VGIC_REDIST, 8), 1 << 8 | 1 << 4);
}

static void inputs_and_latches_are_states_of_their_own(void **state)
{
	u32 config;

	world_start(4, 1, IRQS);
	enable_spi(40);
	level(40, true);
	world_put(0);
	assert_int_equal(host_reads(0, KEEL_VGIC_DIST, 0x204), 0);
	assert_int_equal(host_reads(0, KEEL_VGIC_LINES, 4), BITOF(40));
	config = host_reads(0, KEEL_VGIC_DIST, 0xc08);
	host_writes(0, KEEL_VGIC_DIST, 0xc08, config | 2 << 16);
	assert_int_equal(host_reads(0, KEEL_VGIC_LINES, 4), 0); /* of levels alone */
	host_writes(0, KEEL_VGIC_DIST, 0xc08, config);
	assert_int_equal(host_reads(0, KEEL_VGIC_LINES, 4), BITOF(40));
	host_writes(0, KEEL_VGIC_LINES, 4, BITOF(41)); /* 41 rises, 40 falls */
	host_writes(0, KEEL_VGIC_DIST, 0x204, BITOF(42) | BITOF(40));
	host_writes(0, KEEL_VGIC_DIST, 0x204, BITOF(42));
	host_writes(0, KEEL_VGIC_DIST, 0x284, BITOF(42)); /* nothing */
	assert_int_equal(host_reads(0, KEEL_VGIC_DIST, 0x284), 0);
	assert_int_equal(host_reads(0, KEEL_VGIC_DIST, 0x204), BITOF(42));
	host_writes(0, KEEL_VGIC_LINES, 0, ~0U); /* EL2's own inputs stay, and SGIs have none */
	assert_int_equal(host_reads(0, KEEL_VGIC_LINES, 0), 0xb7ff0000);
	world_load(0);
	assert_int_equal(rd(0, ISPENDR(40), 4), BITOF(41) | BITOF(42));
	enable_spi(41);
	assert_ack(0, 41);
	eoi(0, 41);
	world_check();
}

/* Written before the guest's configuration: an edge is no edge then. */
static void an_input_that_is_restored_is_no_edge(void **state)
{
	world_start(4, 1, IRQS);
	set_edge(40);
	enable_spi(40);
	world_put(0);
	host_writes(0, KEEL_VGIC_LINES, 4, BITOF(40));
	world_load(0);
	assert_ack(0, FAKE_NONE);
	world_check();
}

static void the_cpu_interface_is_as_the_guest_left_it(void **state)
{
	u64 values[ICC_REGISTERS], value;

	world_start(4, 1, IRQS);
	on(0);
	fake_this_icc()->vmcr = 0xf0ULL << 24 | 2 << 21 | 3 << 18 | 1 << 9 | 3;
	world_put(0);
	access_icc(0, values, false);
	assert_int_equal(values[0] & 3, 2);
	assert_int_equal(values[1], 0xf0);
	assert_int_equal(values[2], 2);
	assert_int_equal(values[3], 3);
	assert_int_equal(values[6], 1);
	assert_int_equal(values[7], 1);
	assert_int_equal(values[8], 7);
	value = values[0] ^ 1 << 8; /* another number of priority bits */
	assert_int_equal(vgic_host_reg(&world_vcpu[0], KEEL_VGIC_CPU, icc[0], true, &value),
			 -EINVAL);
	value = 6;
	assert_int_equal(vgic_host_reg(&world_vcpu[0], KEEL_VGIC_CPU, icc[8], true, &value),
			 -EINVAL);
	host_writes(0, KEEL_VGIC_CPU, icc[0], values[0] ^ 3); /* CBPR, without EOImode */
	host_writes(0, KEEL_VGIC_CPU, icc[3], 6);
	assert_int_equal(host_reads(0, KEEL_VGIC_CPU, icc[3]), 3); /* as ICC_BPR0_EL1, and one */
	host_writes(0, KEEL_VGIC_CPU, icc[1], 0x1a8);
	host_writes(0, KEEL_VGIC_CPU, icc[6], 0);
	assert_int_equal(world_vcpu[0].vgic->vmcr, 0xa8ULL << 24 | 2 << 21 | 3 << 18 | 1 << 4 | 2);
}

static void the_host_chooses_a_revision(void **state)
{
	world_start(4, 1, IRQS);
	world_put(0);
	for (u64 revision = 0; revision < 16; revision++) {
		u64 value = 0x4b00043b | revision << 12, other = value | BIT(16);
		bool valid = revision >= 1 && revision <= 3;

		assert_int_equal(vgic_host_reg(&world_vcpu[0], KEEL_VGIC_DIST, 8, true, &value),
				 valid ? 0 : -EINVAL);
		assert_int_equal(vgic_host_reg(&world_vcpu[0], KEEL_VGIC_DIST, 8, true, &other),
				 -EINVAL);
		if (!valid)
			continue;
		assert_int_equal(host_reads(0, KEEL_VGIC_DIST, 8), value);
		assert_int_equal(host_reads(0, KEEL_VGIC_REDIST, 4), 0x4b00043b);
		assert_int_equal(host_reads(0, KEEL_VGIC_REDIST, 0), revision == 3 ? 6 : 0);
	}
}

static void each_vcpu_with_something_new_is_notified(void **state)
{
	for (unsigned int run = 0; run < 80; run++) {
		seed = run * 0x9e3779b97f4a7c15ULL + 777;
		start_model(1 + run % 5, 1 + run % 4, run >= 40);
		for (unsigned long step = 0; step < 3000; step++) {
			random_step();
			world_kick();
			for (unsigned int n = 0; n < model_cpus; n++) {
				u32 best = best_priority(n), got;
				bool group1;

				on(n);
				got = fake_guest_best(running(n), &group1);
				if (best < 256 && got == FAKE_NONE)
					fail_msg("run %u, step %lu: vCPU %u was not woken for "
						 "priority %u",
						 run, step, n, best);
			}
			exit_all();
		}
	}
}

/* ---- what vgic_sane() finds ---- */

static const char *vgic_fault_now(void)
{
	const char *why;
	u32 intid;

	spin_lock(&world_vm.vgic->lock);
	why = vgic_sane(&world_vm, &intid);
	spin_unlock(&world_vm.vgic->lock);
	return why;
}

/* Change one thing, expect that it is found, and put it back. */
#define assert_found(object, change)                                           \
	do {                                                                   \
		typeof(object) saved_ = (object);                              \
		assert_null(vgic_fault_now());                                 \
		change;                                                        \
		if (!vgic_fault_now())                                         \
			fail_msg("line %d: not found: %s", __LINE__, #change); \
		(object) = saved_;                                             \
		assert_null(vgic_fault_now());                                 \
	} while (0)

/* Two vCPUs; SPI 40 in a list register of the first, SGI 1 of the second in one of its own. */
static void a_vgic_that_does_not_fit_together_is_found(void **state)
{
	struct vgic_irq *spi, *sgi, *ppi;
	struct vgic_cpu *v = NULL;
	struct vgic *vgic;

	world_start(4, 2, IRQS);
	wr(1, sgi_frame(1, 0x100), 4, 1U << 1);
	enable_spi(40);
	level(40, true);
	vgic_write_sgi1r(on(0), 2 | 1ULL << 24);
	world_kick();
	vgic = world_vm.vgic;
	v = world_vcpu[1].vgic;
	spi = vgic_irq_of(&world_vcpu[0], 40);
	sgi = &v->irq[1];
	ppi = &v->irq[20];
	assert_true(spi->in_lr && sgi->in_lr);

	assert_found(*spi, spi->in_lr = false);
	assert_found(*spi, spi->home = 1);
	assert_found(*spi, spi->target = 1);
	assert_found(*spi, spi->forwarded = true);
	assert_found(*spi, spi->activate = spi->deactivate = true);
	assert_found(*spi, spi->priority = 1);
	assert_found(*vgic_irq_of(on(0), 41), vgic_irq_of(on(0), 41)->home = 0);
	assert_found(*vgic_irq_of(on(0), 41), vgic_irq_of(on(0), 41)->latch = true);
	assert_found(*vgic_irq_of(on(0), 41), vgic_irq_of(on(0), 41)->in_lr = true);
	assert_found(vgic->busy[0], vgic->busy[0] ^= BIT(40));
	assert_found(vgic->busy[0], vgic->busy[0] ^= BIT(41));
	assert_found(vgic->busy_words, vgic->busy_words ^= 1);
	assert_found(*sgi, sgi->in_lr = false);
	assert_found(*sgi, sgi->edge = false);
	assert_found(*sgi, sgi->line = true);
	assert_found(*sgi, sgi->forwarded = true);
	assert_found(*ppi, ppi->edge = true);
	assert_found(*ppi, ppi->unpend = true);
	assert_found(*ppi, ppi->report = true);
	assert_found(*ppi, ppi->forwarded = true);
	assert_found(v->busy, v->busy ^= 1U << 1);
	assert_found(v->forwarded, v->forwarded = 1U << 20);
	assert_found(v->loaded, v->loaded = false);
	assert_found(v->lr_used, v->lr_used = 0);
	assert_found(v->lr_used, v->lr_used |= 1U << ICH_LR_MAX);
	assert_found(v->lr[0], v->lr[0] = BIT(60) | 1);	   /* not pending */
	assert_found(v->lr[0], v->lr[0] |= BIT(61));	   /* HW */
	assert_found(v->lr[0], v->lr[0] = BIT(62) | 1000); /* no such INTID */
	assert_found(*v, (v->lr[1] = v->lr[0], v->lr_used |= 2));
	assert_found(vgic->nr_irqs, vgic->nr_irqs = 65);
	assert_found(vgic->ctlr, vgic->ctlr |= 4);
	assert_found(vgic->frame[1], vgic->frame[1] = 0);
	assert_found(vgic->frame[1], vgic->frame[1] = 2);
	assert_found(vgic->region[0], vgic->region[0].base = DIST);
	assert_found(vgic->region[0], vgic->region[0].count = 3);
	assert_found(vgic->region[0], vgic->region[0].first = 1);
	world_check();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vgic_that_does_not_fit_together_is_found),
		cmocka_unit_test(a_level_is_delivered_until_it_falls),
		cmocka_unit_test(a_level_that_falls_before_it_is_taken_is_gone),
		cmocka_unit_test(a_level_that_fell_costs_no_maintenance),
		cmocka_unit_test(a_level_that_rises_while_active_comes_again),
		cmocka_unit_test(an_edge_is_delivered_once),
		cmocka_unit_test(an_edge_while_active_is_kept),
		cmocka_unit_test(a_level_written_pending_is_taken_once),
		cmocka_unit_test(the_end_of_a_level_is_told_once_if_the_host_asks),
		cmocka_unit_test(a_run_ends_when_the_host_is_to_be_told),
		cmocka_unit_test(a_refill_tells_of_an_end_too),
		cmocka_unit_test(the_end_of_an_edge_is_not_told),
		cmocka_unit_test(an_end_is_told_that_no_list_register_shows),
		cmocka_unit_test(a_deactivation_by_another_vcpu_is_told),
		cmocka_unit_test(the_host_is_told_over_a_reset_and_of_spis_alone),
		cmocka_unit_test(more_than_list_registers_come_in_order),
		cmocka_unit_test(more_can_be_active_than_there_are_list_registers),
		cmocka_unit_test(many_that_are_active_end_at_once),
		cmocka_unit_test(interrupts_can_be_deactivated_in_any_order),
		cmocka_unit_test(another_vcpu_deactivates),
		cmocka_unit_test(other_vcpus_deactivate_more_than_list_registers),
		cmocka_unit_test(one_vcpu_deactivates_without_a_trap),
		cmocka_unit_test(a_group_that_is_off_does_not_starve_the_other),
		cmocka_unit_test(a_group_that_is_turned_off_makes_room),
		cmocka_unit_test(what_is_not_signalled_makes_no_storm),
		cmocka_unit_test(disabled_and_masked_ones_wait),
		cmocka_unit_test(group_0_is_signalled_as_group_0),
		cmocka_unit_test(what_another_vcpu_handles_reads_as_active),
		cmocka_unit_test(an_access_that_waits_lets_the_host_in),
		cmocka_unit_test(no_access_waits_without_end),
		cmocka_unit_test(two_that_ask_each_other_get_answers),
		cmocka_unit_test(an_spi_goes_where_it_is_routed),
		cmocka_unit_test(a_pending_spi_follows_its_route),
		cmocka_unit_test(a_kick_interrupts_the_cpu),
		cmocka_unit_test(a_redistributor_without_power_is_no_fault_of_el2s),
		cmocka_unit_test(the_host_gets_its_turn_between_kicks),
		cmocka_unit_test(a_vcpu_that_sleeps_is_woken_by_the_host),
		cmocka_unit_test(sgis_reach_whom_they_name),
		cmocka_unit_test(sgis_to_nobody_do_nothing),
		cmocka_unit_test(without_a_vgic_nothing_happens),
		cmocka_unit_test(all_registers_are_in_the_span_that_is_asked_for),
		cmocka_unit_test(a_forwarded_interrupt_ends_with_the_guests_eoi),
		cmocka_unit_test(one_is_in_its_list_register_at_once),
		cmocka_unit_test(one_that_comes_at_the_end_of_a_loan_waits_for_the_refill),
		cmocka_unit_test(a_forwarded_interrupt_whose_input_falls_is_deactivated),
		cmocka_unit_test(an_active_forwarded_interrupt_is_pending_by_its_input),
		cmocka_unit_test(put_leaves_nothing_in_the_hardware),
		cmocka_unit_test(an_active_interrupt_survives_a_move),
		cmocka_unit_test(wfi_ends_for_what_would_be_signalled),
		cmocka_unit_test(a_redistributor_that_sleeps_wakes_its_vcpu),
		cmocka_unit_test(creation_checks_everything_first),
		cmocka_unit_test(creation_can_be_repeated_when_memory_is_short),
		cmocka_unit_test(cpus_may_have_different_numbers_of_list_registers),
		cmocka_unit_test(a_cpu_whose_interface_does_not_fit_is_refused),
		cmocka_unit_test(without_a_redistributor_the_interface_traps),
		cmocka_unit_test(without_the_hardware_there_is_no_vgic),
		cmocka_unit_test(a_reset_forgets_the_cpu_interface),
		cmocka_unit_test(reset_keeps_inputs),
		cmocka_unit_test(a_vcpu_that_is_turned_on_has_its_interface_reset),
		cmocka_unit_test(the_distributor_is_reset),
		cmocka_unit_test(random_guests_see_a_gic_without_list_registers),
		cmocka_unit_test(random_guests_go_on_in_another_vm),
		cmocka_unit_test(random_guests_see_a_gicv2_without_list_registers),
		cmocka_unit_test(random_guests_with_a_gicv2_go_on_in_another_vm),
		cmocka_unit_test(the_host_reads_and_writes_state),
		cmocka_unit_test(fewer_bits_of_priority_can_be_restored),
		cmocka_unit_test(a_redistributor_without_a_place_is_there_for_the_host),
		cmocka_unit_test(inputs_and_latches_are_states_of_their_own),
		cmocka_unit_test(an_input_that_is_restored_is_no_edge),
		cmocka_unit_test(the_cpu_interface_is_as_the_guest_left_it),
		cmocka_unit_test(the_host_chooses_a_revision),
		cmocka_unit_test(each_vcpu_with_something_new_is_notified),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
