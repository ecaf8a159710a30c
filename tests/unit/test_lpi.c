// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/host/lpi.c hyp/host/redist.c hyp/lib/printf.c hyp/cpu/log.c */
/*
 * A redistributor's RD frame as the host sees it, on a fake one that fails the test when LPIs are
 * enabled with tables that are not pinned.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arch/foreign.h>
#include <arch/gicr.h>
#include <arch/mmio.h>
#include <cpu/panic.h>
#include <host/host.h>
#include <host/lpi.h>
#include <host/redist.h>
#include <keel/hypercall.h>
#include <lib/errno.h>
#include <mm/el2_map.h>

#define PROP 0x60000000ULL
#define PEND 0x61000000ULL
#define BAD  0x70000000ULL /* and above */

#define RDS 4

/* The redistributors, and the one that is accessed. */
static struct fake {
	u8 frame[GIC_FRAME_SIZE];
	u32 ctlr, waker;
	u64 typer, prop, pend, inv;
	unsigned int rwp; /* reads until it is done */
	bool always_on;	  /* EnableLPIs cannot be cleared */
	bool dead;	  /* does not answer */
} fakes[RDS], *now;
#define hw (*now)

static struct lpi_rd rds[RDS];
#define rd (rds[now - fakes])
static bool cpu_off[RDS];
static unsigned int dead_accesses; /* of frames that do not answer: each is an exception of EL2's */
static struct lpi_pin pinned[2 * RDS];
static unsigned int pin_count, refusals, pin_calls, fail_pin;

u32 panic_begun;

void host_count(unsigned int stat)
{
	assert_int_equal(stat, KEEL_STAT_GIC_REFUSED);
	refusals++;
}

static int fake_pin(u64 pa, u64 size)
{
	assert_true(size && IS_ALIGNED(pa | size, SZ_4K));
	if (++pin_calls == fail_pin)
		return -EOVERFLOW;
	if (pa + size > BAD)
		return -EPERM;
	assert_true(pin_count < ARRAY_SIZE(pinned));
	pinned[pin_count++] = (struct lpi_pin){ pa, size };
	return 0;
}

static void fake_unpin(u64 pa, u64 size)
{
	unsigned int i = 0;

	while (i < pin_count && (pinned[i].pa != pa || pinned[i].size != size))
		i++;
	assert_true(i < pin_count);
	pinned[i] = pinned[--pin_count];
}

/* CPU i has affinity i. */
static bool fake_is_off(u64 mpidr)
{
	return mpidr >= RDS || cpu_off[mpidr];
}

static const struct lpi_ops ops = {
	.pin = fake_pin,
	.unpin = fake_unpin,
	.is_off = fake_is_off,
};
static const struct lpi_set set = { &ops, rds, RDS };

void *el2_map_private(struct pa pa, u64 size, enum el2_prot prot)
{
	fail();
	return NULL;
}

void el2_unmap_private(const void *ptr, u64 size)
{
	fail();
}

static bool is_pinned(u64 pa, u64 size)
{
	for (unsigned int i = 0; i < pin_count; i++)
		if (pa >= pinned[i].pa && pa + size <= pinned[i].pa + pinned[i].size)
			return true;
	return false;
}

static void check_tables(void)
{
	u64 ids = 1ULL << ((hw.prop & 0x1f) + 1);

	ids = ids > 1ULL << 24 ? 1ULL << 24 : ids; /* GICD_TYPER.IDbits */
	if (!is_pinned(hw.prop & GICR_PROPBASER_ADDR, ids > 8192 ? ids - 8192 : 1) ||
	    !is_pinned(hw.pend & GICR_PENDBASER_ADDR, ids / 8))
		fail_msg("LPIs with tables at %#lx and %#lx", hw.prop, hw.pend);
}

static u64 offset_of(const volatile void *addr)
{
	for (now = fakes; (u64)((const volatile u8 *)addr - hw.frame) >= GIC_FRAME_SIZE; now++)
		assert_true(now < &fakes[RDS - 1]);
	return (u64)((const volatile u8 *)addr - hw.frame);
}

bool fake_foreign_faults(const void *start, u64 size)
{
	struct fake *before = now;
	bool dead;

	(void)offset_of(start);
	dead = hw.dead;
	dead_accesses += dead;
	now = before;
	return dead;
}

static u32 read32(const volatile void *addr)
{
	switch (offset_of(addr)) {
	case GICR_CTLR:
		if (hw.rwp && --hw.rwp)
			return hw.ctlr | (u32)GICR_CTLR_RWP;
		return hw.ctlr;
	case GICR_WAKER:
		return hw.waker;
	case GICR_TYPER:
		return (u32)hw.typer;
	case GICR_TYPER + 4:
		return (u32)(hw.typer >> 32);
	case GIC_PIDR2:
		return 0x3b;
	case GICR_PROPBASER:
		return (u32)hw.prop;
	case GICR_PENDBASER + 4:
		return (u32)(hw.pend >> 32);
	}
	return 0;
}

static void write32(volatile void *addr, u32 value)
{
	switch (offset_of(addr)) {
	case GICR_CTLR:
		if (hw.always_on)
			value |= hw.ctlr & 1;
		if ((hw.ctlr & 1) && !(value & 1))
			hw.rwp = 3;
		hw.ctlr = value;
		if (value & 1)
			check_tables();
		return;
	case GICR_WAKER:
		hw.waker = value;
		return;
	case GICR_PROPBASER:
		assert_false(hw.ctlr & 1);
		hw.prop = (hw.prop & GENMASK(63, 32)) | value;
		return;
	case GICR_PROPBASER + 4:
		assert_false(hw.ctlr & 1);
		hw.prop = (u32)hw.prop | (u64)value << 32;
		return;
	}
	fail_msg("write of %#lx", offset_of(addr));
}

static u64 read64(const volatile void *addr)
{
	switch (offset_of(addr)) {
	case GICR_TYPER:
		return hw.typer;
	case GICR_PROPBASER:
		return hw.prop;
	case GICR_PENDBASER:
		return hw.pend;
	}
	return 0;
}

static void write64(volatile void *addr, u64 value)
{
	u64 offset = offset_of(addr);

	assert_false((hw.ctlr & 1) && (offset == GICR_PROPBASER || offset == GICR_PENDBASER));
	if (offset == GICR_PROPBASER)
		hw.prop = value;
	else if (offset == GICR_PENDBASER)
		hw.pend = value;
	else if (offset == GICR_INVLPIR)
		hw.inv = value;
	else
		fail_msg("write of %#lx", offset);
}

u32 mmio_read32(const volatile void *addr)
{
	struct fake *before = now;
	u32 value = read32(addr);

	now = before;
	return value;
}

u64 mmio_read64(const volatile void *addr)
{
	struct fake *before = now;
	u64 value = read64(addr);

	now = before;
	return value;
}

void mmio_write32(volatile void *addr, u32 value)
{
	struct fake *before = now;

	write32(addr, value);
	now = before;
}

void mmio_write64(volatile void *addr, u64 value)
{
	struct fake *before = now;

	write64(addr, value);
	now = before;
}

static int setup(void **state)
{
	memset(fakes, 0, sizeof(fakes));
	memset(cpu_off, 0, sizeof(cpu_off));
	for (u64 i = 0; i < RDS; i++) {
		fakes[i].typer = i << 32 | i << 8 | GICR_TYPER_PLPIS;
		rds[i] = (struct lpi_rd){ .base = 0x80a0000 + i * 0x20000,
					  .regs = fakes[i].frame,
					  .typer = fakes[i].typer,
					  .pa_limit = ~0ULL };
	}
	now = &fakes[0];
	pin_count = refusals = pin_calls = fail_pin = 0;
	return 0;
}

static void wr(u64 offset, unsigned int bytes, u64 value)
{
	rd.faulted = false;
	lpi_write(&set, &rd, offset, bytes, value);
}

static u64 rd_(u64 offset, unsigned int bytes)
{
	rd.faulted = false;
	return lpi_read(&set, &rd, offset, bytes);
}

static bool enable(u64 prop, u64 pend)
{
	wr(GICR_PROPBASER, 8, prop);
	wr(GICR_PENDBASER, 8, pend);
	wr(GICR_CTLR, 4, 1);
	return rd_(GICR_CTLR, 4) & 1;
}

static void tables_are_pinned_while_they_are_used(void **state)
{
	assert_true(enable(PROP | 15, PEND));
	assert_int_equal(pin_count, 2);
	assert_true(is_pinned(PROP, 0x10000 - 0x2000));
	assert_true(is_pinned(PEND, 0x2000));
	wr(GICR_PROPBASER, 8, BAD);
	wr(GICR_PENDBASER, 8, BAD);
	wr(GICR_PROPBASER, 4, (u32)BAD);
	assert_int_equal(hw.prop, PROP | 15);
	assert_int_equal(hw.pend, PEND);
	wr(GICR_CTLR, 4, 1 | BIT(25)); /* DPG1NS; still enabled */
	assert_int_equal(hw.ctlr, 1 | BIT(25));
	assert_int_equal(pin_count, 2);
}

static void tables_are_unpinned_once_the_hardware_is_done(void **state)
{
	assert_true(enable(PROP | 15, PEND));
	wr(GICR_CTLR, 4, 0);
	assert_int_equal(pin_count, 2);
	wr(GICR_PROPBASER, 8, BAD); /* RWP is 1 still */
	assert_int_equal(hw.prop, PROP | 15);
	while (rd_(GICR_CTLR, 4) & GICR_CTLR_RWP)
		assert_int_equal(pin_count, 2);
	(void)rd_(GICR_CTLR, 4);
	assert_int_equal(pin_count, 0);
	wr(GICR_PROPBASER, 8, PROP + 0x10000);
	assert_int_equal(hw.prop, PROP + 0x10000);
	assert_true(enable(PROP | 13, PEND));
}

static void tables_of_every_size_are_pinned_whole(void **state)
{
	for (u64 bits = 0; bits < 32; bits++) {
		setup(NULL);
		assert_true(enable(PROP | bits, PEND));
	}
}

static void tables_that_are_not_the_hosts_are_refused(void **state)
{
	static const u64 rows[][2] = {
		{ BAD | 15, PEND },
		{ PROP | 15, BAD },
		{ (BAD - 0x1000) | 15, PEND },
		{ PROP | 23, BAD - 0x10000 },
		{ GENMASK(51, 12) | 23, PEND },
		{ PROP | 31, GENMASK(51, 16) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_false(enable(rows[i][0], rows[i][1]));
		assert_int_equal(refusals, i + 1);
		assert_int_equal(pin_count, 0);
	}
	for (fail_pin = 1; fail_pin < 3; fail_pin++) {
		pin_calls = 0;
		assert_false(enable(PROP | 15, PEND));
		assert_int_equal(pin_count, 0);
	}
	fail_pin = 0;
	assert_true(enable(PROP | 15, PEND));
}

/* The hardware would use memory at the truncated address. */
static void tables_out_of_reach_are_refused(void **state)
{
	rd.pa_limit = PROP + 0x10000;
	assert_false(enable(PROP | 15, PEND));
	assert_int_equal(refusals, 1);
	assert_int_equal(pin_count, 0);
	rd.pa_limit = PEND + 0x2000 - 1;
	assert_false(enable(PROP | 15, PEND));
	rd.pa_limit++;
	assert_true(enable(PROP | 15, PEND));
}

static void other_registers_are_passed_on_or_read_as_zero(void **state)
{
	wr(GICR_WAKER, 4, 2);
	assert_int_equal(hw.waker, 2);
	assert_int_equal(rd_(GICR_WAKER, 4), 2);
	wr(GICR_INVLPIR, 8, 8192);
	assert_int_equal(hw.inv, 8192);
	assert_int_equal(rd_(GICR_TYPER, 8), hw.typer);
	assert_int_equal(rd_(GIC_PIDR2, 4), 0x3b);
	hw.pend = 0x1234500000000ULL;
	assert_int_equal(rd_(GICR_PENDBASER + 4, 4), 0x12345);
	wr(GICR_TYPER, 8, ~0ULL);
	for (u64 offset = 0x100; offset < GIC_ID_FIRST; offset += 8) {
		wr(offset, 8, ~0ULL);
		assert_int_equal(rd_(offset, 8), 0);
	}
	wr(GICR_CTLR, 8, 1); /* no such access */
	assert_int_equal(hw.ctlr, 0);
}

static void lpis_that_firmware_left_enabled_are_disabled(void **state)
{
	assert_int_equal(lpi_start(&set, &rd), 0);
	hw.prop = BAD;
	hw.ctlr = 1;
	assert_int_equal(lpi_start(&set, &rd), 0);
	assert_int_equal(hw.ctlr, 0);
}

static void tables_of_lpis_that_stay_enabled_are_pinned(void **state)
{
	hw.always_on = true;
	hw.ctlr = 1;
	hw.prop = PROP | 13;
	hw.pend = PEND;
	rd.pins[0] = (struct lpi_pin){ 0 };
	fail_pin = 1;
	assert_true(fake_pin(PROP, 0x2000) != 0);
	fail_pin = 0;
	assert_int_equal(fake_pin(PROP, 0x2000), 0); /* for check_tables() */
	assert_int_equal(fake_pin(PEND, 0x1000), 0);
	assert_int_equal(lpi_start(&set, &rd), 0);
	assert_int_equal(pin_count, 4);
	wr(GICR_PENDBASER, 8, BAD);
	assert_int_equal(hw.pend, PEND);
	wr(GICR_CTLR, 4, 0);
	assert_int_equal(pin_count, 4);
}

static void lpis_that_stay_enabled_with_tables_that_cannot_be_pinned_are_an_error(void **state)
{
	assert_int_equal(fake_pin(PROP, 0x2000), 0);
	assert_int_equal(fake_pin(PEND, 0x1000), 0);
	hw.always_on = true;
	hw.ctlr = 1;
	hw.prop = PROP | 13;
	hw.pend = PEND;
	fail_pin = pin_calls + 2;
	assert_int_equal(lpi_start(&set, &rd), -EBUSY);
}

/* ---- shared property tables */

/* All of them: CommonLPIAff 0. */
static void redistributors_that_share_a_property_table_have_one(void **state)
{
	assert_true(enable(PROP | 15, PEND));
	now = &fakes[1];
	wr(GICR_PROPBASER, 8, PROP + 0x20000);
	assert_int_equal(hw.prop, 0);
	assert_int_equal(refusals, 1);
	wr(GICR_PROPBASER, 8, PROP | 14); /* fewer LPIs in the same place */
	assert_int_equal(hw.prop, 0);
	wr(GICR_CTLR, 4, 1); /* with the 0 that is there */
	assert_int_equal(hw.ctlr, 0);
	assert_int_equal(pin_count, 2);
	/* the same place, cached otherwise */
	assert_true(enable(PROP | 15 | 7 << 7, PEND + 0x10000));
	assert_int_equal(pin_count, 4);
	/* Each has its own pin of it. */
	now = &fakes[0];
	wr(GICR_CTLR, 4, 0);
	for (unsigned int i = 0; i < 4; i++)
		(void)rd_(GICR_CTLR, 4);
	assert_true(is_pinned(PROP, 0x10000 - 0x2000));
	assert_false(enable(PROP + 0x20000, PEND));
}

static void a_shared_table_can_be_written_in_two_halves(void **state)
{
	assert_true(enable(PROP | 15 | 1ULL << 56, PEND));
	now = &fakes[1];
	wr(GICR_PROPBASER + 4, 4, 0x1000001); /* another address */
	assert_int_equal(hw.prop, 0);
	wr(GICR_PROPBASER + 4, 4, 0x1000000);
	wr(GICR_PROPBASER, 4, (u32)PROP | 14);
	assert_int_equal(hw.prop, 1ULL << 56);
	wr(GICR_PROPBASER, 4, (u32)PROP | 15);
	assert_int_equal(hw.prop, PROP | 15 | 1ULL << 56);
	wr(GICR_PENDBASER, 8, PEND + 0x10000);
	wr(GICR_CTLR, 4, 1);
	assert_int_equal(hw.ctlr, 1);
}

static void affinities_decide_which_redistributors_share_a_table(void **state)
{
	static const struct {
		u64 level, affinity;
		bool shares;
	} rows[] = {
		{ 0, 0xffffff01, true }, { 1, 0x00ffff01, true },  { 1, 0x01000001, false },
		{ 2, 0x0000ff01, true }, { 2, 0x00010001, false }, { 2, 0x01000001, false },
		{ 3, 0x000000fe, true }, { 3, 0x00000101, false }, { 3, 0x00010001, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		setup(NULL);
		rds[0].typer |= rows[i].level << 24;
		rds[1].typer = rows[i].affinity << 32 | rows[i].level << 24 | GICR_TYPER_PLPIS;
		cpu_off[0] = false;
		assert_true(enable(PROP | 15, PEND));
		now = &fakes[1];
		if (enable((PROP + 0x20000) | 15, PEND + 0x10000) == rows[i].shares)
			fail_msg("row %zu", i);
	}
}

/* A kernel that another one has started: the other CPUs are off, and their redistributors on. */
static void the_next_kernel_has_a_table_of_its_own(void **state)
{
	for (unsigned int i = 0; i < RDS; i++) {
		now = &fakes[i];
		assert_true(enable(PROP | 15, PEND + i * 0x10000));
		cpu_off[i] = i > 0;
	}
	now = &fakes[0];
	wr(GICR_CTLR, 4, 0);
	for (unsigned int i = 0; i < 4; i++)
		(void)rd_(GICR_CTLR, 4);
	cpu_off[2] = false; /* this one is not */
	assert_false(enable((PROP + 0x20000) | 15, PEND));
	cpu_off[2] = true;
	assert_true(enable((PROP + 0x20000) | 15, PEND));
	assert_int_equal(pin_count, 2);
	for (unsigned int i = 1; i < RDS; i++)
		assert_int_equal(fakes[i].ctlr, 0);
}

static void a_redistributor_that_cannot_be_disabled_keeps_its_table(void **state)
{
	assert_true(enable(PROP | 15, PEND));
	hw.always_on = true;
	cpu_off[0] = true;
	now = &fakes[1];
	assert_false(enable((PROP + 0x20000) | 15, PEND + 0x10000));
	fakes[0].always_on = false;
	fakes[0].dead = true;
	dead_accesses = 0;
	assert_false(enable((PROP + 0x20000) | 15, PEND + 0x10000));
	assert_int_equal(pin_count, 2);
	/*
	 * It is not waited for: what the property table's two writes and EnableLPIs try, once each.
	 */
	assert_in_range(dead_accesses, 1, 12);
}

/* ---- frames that do not answer */

static void accesses_to_a_frame_without_power_change_nothing(void **state)
{
	assert_true(enable(PROP | 15, PEND));
	hw.dead = true;
	for (u64 offset = 0; offset < GIC_FRAME_SIZE; offset += 8) {
		wr(offset, 8, ~0ULL);
		wr(offset, 4, 0);
		(void)rd_(offset, 8);
	}
	(void)rd_(GICR_CTLR, 4);
	assert_true(rd.faulted);
	wr(GICR_CTLR, 4, 0);
	assert_true(rd.faulted);
	assert_int_equal(pin_count, 2);
	hw.dead = false;
	hw.ctlr = 0; /* it comes from reset */
	(void)rd_(GICR_CTLR, 4);
	assert_false(rd.faulted);
	assert_int_equal(pin_count, 0);
	hw.dead = true;
	wr(GICR_CTLR, 4, 1);
	assert_true(rd.faulted);
	assert_int_equal(pin_count, 0);
	assert_int_equal(lpi_start(&set, &rd), 0);
}

static void a_frame_is_identified_when_it_answers(void **state)
{
	u64 typer;

	rd.typer = GENMASK(63, 32) | GICR_TYPER_PLPIS;
	hw.dead = true;
	(void)rd_(GICR_WAKER, 4);
	assert_true(redist_is_unknown(rd.typer));
	hw.dead = false;
	typer = hw.typer;
	hw.typer = 0; /* asleep */
	(void)rd_(GICR_WAKER, 4);
	assert_true(redist_is_unknown(rd.typer));
	hw.typer = typer;
	(void)rd_(GICR_WAKER, 4);
	assert_int_equal(rd.typer, typer);
}

/* Whichever register a kernel accesses first, it finds its frame as after a reset. */
static void lpis_that_another_kernel_left_enabled_are_disabled(void **state)
{
	lpi_forget(&set);
	assert_int_equal(rd_(GICR_CTLR, 4), 0);
	assert_true(enable(PROP | 15, PEND));
	lpi_forget(&set);
	assert_int_equal(hw.ctlr, 0);
	assert_int_equal(pin_count, 0);
	assert_true(enable(PROP | 15, PEND));
	hw.dead = true; /* its CPU is off */
	lpi_forget(&set);
	assert_int_equal(pin_count, 2);
	assert_int_equal(hw.ctlr, 1);
	hw.dead = false;
	assert_int_equal(rd_(GICR_CTLR, 4), 0);
	assert_int_equal(pin_count, 0);
	assert_true(enable(PROP | 15, PEND));
	hw.dead = true;
	lpi_forget(&set);
	hw.dead = false;
	assert_true(enable(PROP + 0x10000, PEND + 0x10000));
	assert_int_equal(hw.prop, PROP + 0x10000);
	assert_int_equal(pin_count, 2);
	assert_true(rd_(GICR_CTLR, 4) & 1);
	assert_int_equal(refusals, 0);
}

static void lpis_of_another_kernel_that_cannot_be_disabled_stay_pinned(void **state)
{
	hw.always_on = true;
	assert_true(enable(PROP | 15, PEND));
	lpi_forget(&set);
	assert_int_equal(rd_(GICR_CTLR, 4), 1);
	assert_false(rd.left);
	assert_int_equal(pin_count, 2);
	wr(GICR_PENDBASER, 8, BAD);
	assert_int_equal(hw.pend, PEND);
}

#define test(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(tables_are_pinned_while_they_are_used),
		test(tables_are_unpinned_once_the_hardware_is_done),
		test(tables_of_every_size_are_pinned_whole),
		test(tables_that_are_not_the_hosts_are_refused),
		test(tables_out_of_reach_are_refused),
		test(other_registers_are_passed_on_or_read_as_zero),
		test(redistributors_that_share_a_property_table_have_one),
		test(a_shared_table_can_be_written_in_two_halves),
		test(affinities_decide_which_redistributors_share_a_table),
		test(the_next_kernel_has_a_table_of_its_own),
		test(a_redistributor_that_cannot_be_disabled_keeps_its_table),
		test(accesses_to_a_frame_without_power_change_nothing),
		test(a_frame_is_identified_when_it_answers),
		test(lpis_that_firmware_left_enabled_are_disabled),
		test(tables_of_lpis_that_stay_enabled_are_pinned),
		test(lpis_that_stay_enabled_with_tables_that_cannot_be_pinned_are_an_error),
		test(lpis_that_another_kernel_left_enabled_are_disabled),
		test(lpis_of_another_kernel_that_cannot_be_disabled_stay_pinned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
