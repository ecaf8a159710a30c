// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/vgic/vgic.c hyp/vgic/vgic_lpi.c hyp/vgic/vgic_sane.c hyp/vgic/vgic_mmio.c hyp/mm/page_pool.c tests/unit/vgic_world.c tests/unit/arch/fake_ich.c tests/unit/arch/fake_sysreg.c hyp/trap/device.c tests/unit/fake_panic.c */
/* LPIs that the host gives to EL2 and takes back, on their way through list registers. */
#include "vgic_world.h"

#include <stdlib.h>
#include <string.h>

#define IRQS 96
#define LPI  8192U

static u64 came_back;

/* The host: it kicks the vCPU if it is told to. */
static int pend(unsigned int n, u32 intid, u32 priority)
{
	int ret = vgic_lpi_pend(&world_vcpu[n], intid, priority, &came_back);

	if (ret == 1)
		world_exit(n);
	world_check();
	return ret < 0 ? ret : 0;
}

static int take(unsigned int n, u32 intid)
{
	int ret = vgic_lpi_take(&world_vcpu[n], intid);

	if (ret == -EAGAIN) {
		world_exit(n);
		ret = vgic_lpi_take(&world_vcpu[n], intid);
	}
	world_check();
	return ret;
}

/* How many LPIs have a place when list registers have been read. */
static unsigned int places(unsigned int n)
{
	world_put(n);
	world_load(n);
	world_exit(n);
	return (unsigned int)__builtin_popcountll(world_vcpu[n].vgic->lpi_busy);
}

static void an_lpi_is_taken_once(void **state)
{
	for (int active = 0; active < 2; active++) {
		world_start(4, 2, IRQS);
		fake_lpis_become_active = active;
		assert_int_equal(pend(0, LPI + 5, 0xa0), 0);
		assert_int_equal(ack(1), FAKE_NONE);
		assert_int_equal(ack(0), LPI + 5);
		assert_int_equal(places(0), 0);
		assert_int_equal(ack(0), FAKE_NONE);
		eoi(0, LPI + 5);
		world_exit(0);
		assert_int_equal(ack(0), FAKE_NONE);
		assert_int_equal(pend(0, LPI + 5, 0xa0), 0);
		assert_int_equal(ack(0), LPI + 5);
		world_check();
	}
}

static void one_that_comes_while_it_is_handled_comes_again(void **state)
{
	for (int active = 0; active < 2; active++) {
		world_start(4, 1, IRQS);
		fake_lpis_become_active = active;
		pend(0, LPI, 0xa0);
		pend(0, LPI, 0xa0); /* pending already */
		assert_int_equal(ack(0), LPI);
		pend(0, LPI, 0xa0);
		eoi(0, LPI);
		world_exit(0);
		assert_int_equal(ack(0), LPI);
		eoi(0, LPI);
		world_exit(0);
		assert_int_equal(ack(0), FAKE_NONE);
	}
}

static void lpis_and_others_come_by_priority(void **state)
{
	world_start(2, 1, IRQS);
	wr(0, DIST + 0x400 + 40, 1, 0x90);
	wr(0, DIST + 0x100 + 4, 4, 1 << 8);
	wr(0, DIST + 0x200 + 4, 4, 1 << 8);
	pend(0, LPI + 1, 0xa0);
	pend(0, LPI + 2, 0x80);
	pend(0, LPI + 3, 0x10);
	world_exit(0);
	assert_int_equal(ack(0), LPI + 3);
	world_exit(0);
	assert_int_equal(ack(0), LPI + 2);
	world_exit(0);
	assert_int_equal(ack(0), 40);
	world_exit(0);
	assert_int_equal(ack(0), LPI + 1);
}

static void one_that_is_taken_back_is_gone(void **state)
{
	world_start(4, 1, IRQS);
	pend(0, LPI, 0xa0);
	assert_int_equal(vgic_lpi_take(&world_vcpu[0], LPI), -EAGAIN);
	assert_int_equal(take(0, LPI), 1);
	assert_int_equal(take(0, LPI), 0);
	assert_int_equal(ack(0), FAKE_NONE);
	assert_int_equal(places(0), 0);
}

static void one_that_the_guest_takes_first_is_not_pending(void **state)
{
	world_start(4, 1, IRQS);
	pend(0, LPI, 0xa0);
	assert_int_equal(vgic_lpi_take(&world_vcpu[0], LPI), -EAGAIN);
	assert_int_equal(ack(0), LPI);
	world_exit(0);
	assert_int_equal(vgic_lpi_take(&world_vcpu[0], LPI), 0);
}

static void one_that_is_being_taken_goes_into_no_list_register(void **state)
{
	world_start(4, 1, IRQS);
	pend(0, LPI, 0xa0);
	assert_int_equal(vgic_lpi_take(&world_vcpu[0], LPI), -EAGAIN);
	world_exit(0);
	world_exit(0);
	assert_int_equal(ack(0), FAKE_NONE);
	world_put(0);
	assert_int_equal(vgic_lpi_take(&world_vcpu[0], LPI), 1);
}

static void a_vcpu_that_is_put_keeps_its_lpis(void **state)
{
	world_start(4, 1, IRQS);
	pend(0, LPI, 0xa0);
	world_put(0);
	assert_int_equal(vgic_lpi_pend(&world_vcpu[0], LPI + 1, 0x20, &came_back), 1);
	assert_true(world_vgic_hooks->pending(&world_vcpu[0]));
	world_load(0);
	world_exit(0);
	assert_int_equal(ack(0), LPI + 1);
	assert_int_equal(ack(0), LPI);
}

static void lpis_wait_for_their_group(void **state)
{
	world_start(1, 1, IRQS);
	wr(0, DIST, 4, 1);
	pend(0, LPI, 0xa0);
	assert_false(world_vgic_hooks->pending(&world_vcpu[0]));
	assert_int_equal(ack(0), FAKE_NONE);
	wr(0, DIST, 4, 3);
	world_exit(0);
	assert_int_equal(ack(0), LPI);
}

/* ---- more than there is room for ---- */

static void fill_places(u32 priority)
{
	for (u32 i = 0; i < VGIC_LPIS; i++) {
		assert_int_equal(pend(0, LPI + i, priority), 0);
		assert_int_equal(came_back, 0);
	}
}

static void a_more_urgent_lpi_takes_the_place_of_another(void **state)
{
	world_start(4, 1, IRQS);
	fill_places(0xa0);
	assert_int_equal(pend(0, LPI + 100, 0xa0), -ENOSPC);
	assert_int_equal(pend(0, LPI + 100, 0xa8), -ENOSPC);
	assert_int_equal(pend(0, LPI + 3, 0xa0), 0);
	assert_int_equal(came_back, 0);
	assert_int_equal(pend(0, LPI + 3, 0xa0 | KEEL_LPI_AGAIN), 0);
	assert_int_equal(pend(0, LPI + 100, 0x98 | KEEL_LPI_AGAIN), -ENOSPC);
	assert_int_equal(pend(0, LPI + 100, 0x98), 0);
	assert_in_range(came_back, LPI, LPI + VGIC_LPIS - 1);
	assert_int_equal(take(0, (u32)came_back), 0);
	world_exit(0);
	assert_int_equal(ack(0), LPI + 100);
}

static void the_host_is_asked_for_more_when_few_are_left(void **state)
{
	u32 taken = 0;

	world_start(4, 1, IRQS);
	fill_places(0xa0);
	assert_int_equal(pend(0, LPI + 100, 0xa0), -ENOSPC);
	while (!world_vcpu[0].vgic->leave) {
		u32 intid = ack(0);

		assert_in_range(intid, LPI, LPI + VGIC_LPIS - 1);
		eoi(0, intid);
		world_serve(0);
		taken++;
	}
	assert_in_range(taken, VGIC_LPIS - ICH_LR_MAX, VGIC_LPIS);
	assert_in_range(places(0), 0, ICH_LR_MAX);
	assert_int_equal(world_vcpu[0].vgic->lpi_fold & VGIC_LPI_MORE, 0);
}

static void all_are_taken_if_the_host_has_no_more(void **state)
{
	for (unsigned int lrs = 1; lrs <= ICH_LR_MAX; lrs++) {
		u64 seen = 0;

		world_start(lrs, 1, IRQS);
		fake_lpis_become_active = lrs % 2;
		fill_places(0xa0);
		for (u32 i = 0; i < VGIC_LPIS; i++) {
			u32 intid = ack(0);

			if (intid < LPI || intid >= LPI + VGIC_LPIS)
				fail_msg("%u list registers, LPI %u: took %u", lrs, i, intid);
			seen |= BIT(intid - LPI);
			eoi(0, intid);
			world_serve(0);
		}
		assert_true(!~seen);
		assert_int_equal(ack(0), FAKE_NONE);
		assert_int_equal(places(0), 0);
	}
}

static void arguments_are_checked(void **state)
{
	world_start(4, 1, IRQS);
	assert_int_equal(pend(0, LPI - 1, 0), -EINVAL);
	assert_int_equal(pend(0, 0, 0), -EINVAL);
	assert_int_equal(pend(0, 1 << 24, 0), -EINVAL);
	assert_int_equal(pend(0, LPI, 0xa4), -EINVAL);
	assert_int_equal(pend(0, LPI, 0x100), -EINVAL);
	assert_int_equal(vgic_lpi_pend(&world_vcpu[0], 1ULL << 32 | LPI, 0, &came_back), -EINVAL);
	assert_int_equal(take(0, LPI - 1), -EINVAL);
	assert_int_equal(take(0, 1 << 24), -EINVAL);
	assert_int_equal(pend(0, (1 << 24) - 1, 0xf8), 0);
	assert_int_equal(take(0, (1 << 24) - 1), 1);
}

/* ---- registers, reset ---- */

static void registers_say_whether_there_are_lpis(void **state)
{
	static const u32 theirs[] = { 0, 0x70, 0x74, 0x78, 0x7c, 0xa0, 0xb0, 0xc0 };
	u64 data = 0;

	world_start(4, 2, IRQS);
	assert_int_equal(rd(0, DIST + 4, 4), 2 | 9 << 19 | 1 << 25);
	assert_int_equal(rd(0, gicr(1, 8), 4), 1 << 8 | 1 << 4);
	for (unsigned int i = 0; i < ARRAY_SIZE(theirs); i++)
		assert_int_equal(vgic_mmio(on(0), gicr(1, theirs[i]), 4, false, &data),
				 TRAP_MMIO_DONE);
	vgic_enable_lpis(&world_vm);
	assert_int_equal(rd(0, DIST + 4, 4), 2 | 15 << 19 | 1 << 17 | 1 << 25);
	assert_int_equal(rd(0, gicr(1, 8), 4), 1 << 8 | 1 << 4 | 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(theirs); i++) {
		assert_int_equal(vgic_mmio(on(0), gicr(1, theirs[i]), 4, true, &data),
				 TRAP_MMIO_NOT_MINE);
		assert_int_equal(vgic_mmio(on(0), gicr(1, theirs[i] + 0x10000), 4, false, &data),
				 TRAP_MMIO_DONE);
	}
	assert_int_equal(rd(0, gicr(0, 0xffe8), 4), 0x3b);
}

static void a_reset_of_the_vcpu_keeps_them(void **state)
{
	world_start(4, 1, IRQS);
	pend(0, LPI, 0xa0);
	world_put(0);
	world_vgic_hooks->reset(&world_vcpu[0]);
	world_check();
	assert_int_equal(vgic_lpi_take(&world_vcpu[0], LPI), 1);
	world_check();
}

/* An LPI's list register is used for another interrupt afterwards, and the other way. */
static void list_registers_are_used_for_lpis_and_others_in_turn(void **state)
{
	world_start(1, 1, IRQS);
	wr(0, sgi_frame(0, 0x100), 4, 1 << 3);
	for (unsigned int i = 0; i < 4; i++) {
		pend(0, LPI + i, 0xa0);
		assert_int_equal(ack(0), LPI + i);
		eoi(0, LPI + i);
		world_serve(0);
		assert_int_equal(vgic_write_sgi1r(on(0), 1 | 3 << 24), VCPU_RESUME);
		world_exit(0);
		assert_int_equal(ack(0), 3);
		eoi(0, 3);
		world_serve(0);
		assert_int_equal(world_vcpu[0].vgic->lpi_fold, 0);
	}
	assert_int_equal(places(0), 0);
	assert_int_equal(world_vcpu[0].vgic->busy, 0);
}

/* Break @what by @change, which must be found, and mend it. */
#define assert_found(what, change)                                                  \
	do {                                                                        \
		__typeof__(what) was_ = (what);                                     \
		u32 intid_;                                                         \
		change;                                                             \
		if (!vgic_cpu_sane(&world_vcpu[0], &intid_))                        \
			fail_msg("line %d: nothing was found: " #change, __LINE__); \
		(what) = was_;                                                      \
	} while (0)

static void lpis_that_do_not_fit_together_are_found(void **state)
{
	struct vgic_cpu *v;

	world_start(4, 1, IRQS);
	for (u32 i = 0; i < 8; i++)
		pend(0, LPI + i, 0xa0);
	v = world_vcpu[0].vgic;
	assert_found(v->lpi_busy, v->lpi_busy |= BIT(60));
	assert_found(v->lpi_busy, v->lpi_busy &= ~BIT(7));
	assert_found(v->lpi[7].intid, v->lpi[7].intid = v->lpi[6].intid);
	assert_found(v->lpi[7].intid, v->lpi[7].intid = 0);
	assert_found(v->lpi[7].irq, v->lpi[7].irq.latch = false);
	assert_found(v->lpi[7].irq, v->lpi[7].irq.active = true);
	assert_found(v->lpi[7].irq, v->lpi[7].irq.group1 = false);
	assert_found(v->lpi[7].irq, v->lpi[7].irq.in_lr = true);
	assert_found(v->lpi[0].irq, v->lpi[0].irq.in_lr = false);
	assert_found(v->lpi[7].irq, v->lpi[7].irq.priority |= 1);
	assert_found(v->lr_lpi[0], v->lr_lpi[0] = 7);
	assert_found(v->lr_lpi[0], v->lr_lpi[0] = VGIC_LPIS);
	assert_found(v->busy, v->busy &= ~VGIC_BUSY_LPIS);
	assert_found(v->lpi_fold, v->lpi_fold &= ~1U);
	assert_found(v->lpi_fold, v->lpi_fold |= BIT(4));
	world_check();
}

/* ---- random ---- */

#define SOME 128

static struct {
	u32 pending[SOME]; /* how often it may be taken: 0, 1, or 2 while it is handled */
	u8 priority[SOME];
} model;

/* What the host has, for which there was no room. */
static bool waits[SOME];

static void send_lpi(u32 i)
{
	int ret = pend(0, LPI + i, model.priority[i]);

	assert_true(!ret || ret == -ENOSPC);
	waits[i] = ret;
	if (!ret && came_back)
		waits[came_back - LPI] = true;
}

static void send_what_waits(void)
{
	for (u32 priority = 0; priority < 0x100; priority += 8)
		for (u32 i = 0; i < SOME; i++)
			if (waits[i] && model.priority[i] == priority)
				send_lpi(i);
}

static u32 most_urgent_priority(void)
{
	u32 found = 0x100;

	for (u32 i = 0; i < SOME; i++)
		if (model.pending[i] && model.priority[i] < found)
			found = model.priority[i];
	return found;
}

static void take_one(void)
{
	u32 intid = ack(0), i = intid - LPI;

	if (intid == FAKE_NONE) {
		assert_int_equal(most_urgent_priority(), 0x100);
		return;
	}
	if (i >= SOME || !model.pending[i] || model.priority[i] != most_urgent_priority())
		fail_msg("took %u", intid);
	model.pending[i] = 0;
	eoi(0, intid);
	world_serve(0);
}

/* Every step: what the guest takes next is the most urgent that is pending, wherever it is. */
static void guests_take_the_most_urgent(void **state)
{
	srand(1);
	for (unsigned int round = 0; round < 100; round++) {
		world_start(1 + round % ICH_LR_MAX, 1, IRQS);
		fake_lpis_become_active = round & 1;
		memset(&model, 0, sizeof(model));
		memset(waits, 0, sizeof(waits));
		for (u32 i = 0; i < SOME; i++)
			model.priority[i] = (u8)(rand() % (round % 7 + 1) * 8);
		for (unsigned int step = 0; step < 300; step++) {
			u32 i = (u32)rand() % SOME;

			if (rand() % 5 < (int)(step / 60)) {
				take_one();
			} else if (rand() % 8) {
				model.pending[i] = 1;
				send_lpi(i);
			} else if (!waits[i]) {
				assert_int_equal(take(0, LPI + i), model.pending[i]);
				model.pending[i] = 0;
			}
			if (world_vcpu[0].vgic->leave) {
				world_put(0);
				world_load(0);
				send_what_waits();
			}
			world_exit(0);
			send_what_waits();
			world_check();
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_lpi_is_taken_once),
		cmocka_unit_test(one_that_comes_while_it_is_handled_comes_again),
		cmocka_unit_test(lpis_and_others_come_by_priority),
		cmocka_unit_test(one_that_is_taken_back_is_gone),
		cmocka_unit_test(one_that_the_guest_takes_first_is_not_pending),
		cmocka_unit_test(one_that_is_being_taken_goes_into_no_list_register),
		cmocka_unit_test(a_vcpu_that_is_put_keeps_its_lpis),
		cmocka_unit_test(lpis_wait_for_their_group),
		cmocka_unit_test(a_more_urgent_lpi_takes_the_place_of_another),
		cmocka_unit_test(the_host_is_asked_for_more_when_few_are_left),
		cmocka_unit_test(all_are_taken_if_the_host_has_no_more),
		cmocka_unit_test(arguments_are_checked),
		cmocka_unit_test(registers_say_whether_there_are_lpis),
		cmocka_unit_test(a_reset_of_the_vcpu_keeps_them),
		cmocka_unit_test(list_registers_are_used_for_lpis_and_others_in_turn),
		cmocka_unit_test(lpis_that_do_not_fit_together_are_found),
		cmocka_unit_test(guests_take_the_most_urgent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
