// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/vgic/vgic.c hyp/vgic/vgic_sane.c hyp/vgic/vgic_mmio.c hyp/mm/page_pool.c tests/unit/vgic_world.c tests/unit/arch/fake_ich.c tests/unit/arch/fake_sysreg.c hyp/trap/device.c tests/unit/fake_panic.c */
/* The distributor's and redistributors' registers as a guest sees them
 * (IHI 0069, 12.8 to 12.11). */
#include "vgic_world.h"

#include <string.h>

#define assert_reg(n, ipa, bytes, expected)                                            \
	do {                                                                           \
		u64 got_ = rd(n, ipa, bytes), want_ = (expected);                      \
		if (got_ != want_)                                                     \
			fail_msg("line %d: %#llx reads as %#llx, not %#llx", __LINE__, \
				 (unsigned long long)(ipa), (unsigned long long)got_,  \
				 (unsigned long long)want_);                           \
	} while (0)

static void identification_registers_describe_the_vm(void **state)
{
	world_start(4, 3, 96);
	assert_reg(0, DIST + 4, 4, 2 | 9 << 19 | 1 << 25); /* 96 INTIDs of 10 bits */
	assert_reg(0, DIST + 8, 4, 0x4b00343b);
	assert_reg(0, DIST + 0xffe8, 4, 0x3b);
	assert_reg(0, DIST, 4, 0x53); /* DS, ARE, both groups */
	for (unsigned int n = 0; n < 3; n++) {
		u64 typer = (u64)n << 32 | n << 8 | (n == 2 ? 0x10 : 0);

		assert_reg(0, gicr(n, 8), 8, typer);
		assert_reg(0, gicr(n, 8), 4, (u32)typer);
		assert_reg(0, gicr(n, 12), 4, typer >> 32);
		assert_reg(0, gicr(n, 0), 4, 6); /* IR, CES */
		assert_reg(0, gicr(n, 4), 4, 0x4b00043b);
		assert_reg(0, gicr(n, 0xffe8), 4, 0x3b);
	}
	world_start(4, 1, 1024);
	assert_reg(0, DIST + 4, 4, 31 | 9 << 19 | 1 << 25);
}

static void ctlr_keeps_the_two_enables(void **state)
{
	world_start(4, 1, 96);
	wr(0, DIST, 4, 0);
	assert_reg(0, DIST, 4, 0x50);
	wr(0, DIST, 4, ~0ULL);
	assert_reg(0, DIST, 4, 0x53);
	wr(0, DIST, 4, 2);
	assert_reg(0, DIST, 4, 0x52);
}

static u64 host_ctlr(void)
{
	u64 value = 0;

	assert_int_equal(vgic_host_reg(&world_vcpu[0], KEEL_VGIC_DIST, 0, false, &value), 0);
	return value;
}

static void restore_ctlr(u64 value)
{
	assert_int_equal(vgic_host_reg(&world_vcpu[0], KEEL_VGIC_DIST, 0, true, &value), 0);
}

/*
 * KVM has one enable for both groups: what was saved there goes on with both, and reads as there. What
 * was saved here is as it was, which KVM understands: to it bit 2 is nothing.
 */
static void enables_of_kvms_state_are_of_both_groups(void **state)
{
	world_start(4, 1, 96);
	assert_int_equal(host_ctlr(), 0x53);
	wr(0, DIST, 4, 2);
	assert_int_equal(host_ctlr(), 0x56);
	wr(0, DIST, 4, 1);
	assert_int_equal(host_ctlr(), 0x51);
	world_put(0);
	restore_ctlr(0x52);
	assert_int_equal(world_vm.vgic->ctlr & 3, 3);
	assert_int_equal(host_ctlr(), 0x52);
	restore_ctlr(0x56);
	assert_int_equal(world_vm.vgic->ctlr & 3, 2);
	assert_int_equal(host_ctlr(), 0x56);
	restore_ctlr(0x53);
	assert_int_equal(host_ctlr(), 0x53);
	restore_ctlr(0x52);
	world_load(0);
	assert_reg(0, DIST, 4, 0x52);
	wr(0, DIST, 4, 0x52); /* what a guest writes is its own */
	assert_reg(0, DIST, 4, 0x52);
	assert_int_equal(world_vm.vgic->ctlr, 2);
	world_check();
}

#define statusr_is(dist, first, second)                  \
	do {                                             \
		assert_reg(0, DIST + 0x10, 4, dist);     \
		assert_reg(0, gicr(0, 0x10), 4, first);  \
		assert_reg(0, gicr(1, 0x10), 4, second); \
	} while (0)

/* Each frame's register has its own errors, until the guest clears them. */
static void statusr_has_accesses_that_no_register_allows(void **state)
{
	static const u64 there[] = { 0x0,   0x4,   0x8,	  0xc,	 0x104,	 0x120,
				     0x800, 0xd04, 0xe00, 0xf00, 0xffe8, 0xfffc };

	world_start(4, 2, 96);
	for (unsigned int i = 0; i < ARRAY_SIZE(there); i++)
		rd(0, DIST + there[i], 4);
	wr(0, DIST + 0xc, 4, 1);
	wr(0, gicr(1, 0), 4, 1);
	rd(0, gicr(1, 0xa0), 8);
	rd(0, sgi_frame(1, 0xd00), 4);
	statusr_is(0, 0, 0);
	rd(0, DIST + 0x40, 4);
	wr(0, gicr(1, 0x48), 8, 1);
	statusr_is(1, 0, 2);
	wr(0, DIST + 4, 4, 1); /* GICD_TYPER */
	rd(0, sgi_frame(1, 0x10), 4);
	statusr_is(9, 0, 3);
	wr(0, DIST + 0x10, 4, 0);
	wr(0, DIST + 0x10, 4, 8);
	wr(0, gicr(1, 0x10), 8, ~0ULL);
	wr(0, gicr(1, 0x12), 2, ~0ULL);
	statusr_is(1, 0, 3);
	wr(0, gicr(1, 0x10), 4, ~0ULL);
	statusr_is(1, 0, 0);
	world_reset_vgic();
	statusr_is(0, 0, 0);
}

/* The host's value is simply kept, so that it can be restored. */
static void the_host_sets_statusr(void **state)
{
	u64 value = ~0ULL, got;

	world_start(4, 2, 96);
	assert_int_equal(vgic_host_reg(&world_vcpu[1], KEEL_VGIC_REDIST, 0x10, true, &value), 0);
	statusr_is(0, 0, 0xf);
	value = 5;
	assert_int_equal(vgic_host_reg(&world_vcpu[1], KEEL_VGIC_DIST, 0x10, true, &value), 0);
	statusr_is(5, 0, 0xf);
	assert_int_equal(vgic_host_reg(&world_vcpu[0], KEEL_VGIC_DIST, 0x10, false, &got), 0);
	assert_int_equal(got, 5);
	value = 0;
	assert_int_equal(vgic_host_reg(&world_vcpu[1], KEEL_VGIC_REDIST, 4, true, &value), 0);
	assert_int_equal(vgic_host_reg(&world_vcpu[1], KEEL_VGIC_REDIST, 0x20, false, &got),
			 -ENXIO);
	statusr_is(5, 0, 0xf);
}

/* Frames are in the order of the vCPUs' creation; indices may have gaps, affinity is of 16 values. */
static void frames_are_in_the_order_in_which_vcpus_were_created(void **state)
{
	world_start_without_vgic(4, 3);
	world_vm.vcpus[1] = NULL;
	world_vm.vcpus[2] = NULL;
	world_vm.vcpus[37] = &world_vcpu[1];
	world_vm.vcpus[511] = &world_vcpu[2];
	world_vcpu[1].index = 37;
	world_vcpu[1].number = 2;
	world_vcpu[1].mpidr = 0x80000205;
	world_vcpu[2].index = 511;
	world_vcpu[2].number = 1;
	world_vcpu[2].mpidr = 0x80001f0f;
	assert_int_equal(world_create(DIST, REDIST, 64), 0);
	world_load(0);
	assert_reg(0, gicr(0, 8), 8, 0);
	assert_reg(0, gicr(1, 8), 8, 0x1f0fULL << 32 | 511 << 8);
	assert_reg(0, gicr(2, 8), 8, 0x205ULL << 32 | 37 << 8 | 0x10);
	wr(0, gicr(1, 0x14), 4, 2);
	assert_true(world_vcpu[2].vgic->asleep);
	/* SPI 40 to each, and to nobody */
	wr(0, DIST + 0x6000 + 40 * 8, 8, 0x205);
	assert_int_equal(vgic_irq_of(&world_vcpu[0], 40)->target, 37);
	wr(0, DIST + 0x6000 + 40 * 8, 8, 0x1f0f);
	assert_int_equal(vgic_irq_of(&world_vcpu[0], 40)->target, 511);
	wr(0, DIST + 0x6000 + 40 * 8, 8, 0x10);
	assert_int_equal(vgic_irq_of(&world_vcpu[0], 40)->target, VGIC_NO_VCPU);
	wr(0, DIST + 0x6000 + 40 * 8, 8, 0x2000);
	assert_int_equal(vgic_irq_of(&world_vcpu[0], 40)->target, VGIC_NO_VCPU);
	/* SGIs by affinity */
	wr(0, sgi_frame(2, 0x100), 4, 1);
	world_vcpu[1].place = VCPU_WAITS;
	assert_int_equal(vgic_write_sgi1r(on(0), 2ULL << 16 | 1 << 5), KEEL_EXIT_IRQ);
	assert_int_equal(world_vcpu[1].vgic->busy, 1);
}

static void fields_of_one_bit_are_set_and_cleared(void **state)
{
	world_start(4, 1, 96);
	for (u32 word = 1; word < 3; word++) {
		u64 at = word * 4;

		assert_reg(0, DIST + 0x80 + at, 4, 0xffffffff);
		wr(0, DIST + 0x80 + at, 4, 0xa5a5a5a5);
		assert_reg(0, DIST + 0x80 + at, 4, 0xa5a5a5a5);
		wr(0, DIST + 0x100 + at, 4, 0x0f0f0f0f);
		wr(0, DIST + 0x100 + at, 4, 0x80);
		assert_reg(0, DIST + 0x100 + at, 4, 0x0f0f0f8f);
		assert_reg(0, DIST + 0x180 + at, 4, 0x0f0f0f8f);
		wr(0, DIST + 0x180 + at, 4, 0x0f);
		assert_reg(0, DIST + 0x100 + at, 4, 0x0f0f0f80);
		wr(0, DIST + 0x180 + at, 4, ~0U);
		assert_reg(0, DIST + 0x180 + at, 4, 0);
		wr(0, DIST + 0x200 + at, 4, 0x30000001);
		assert_reg(0, DIST + 0x280 + at, 4, 0x30000001);
		wr(0, DIST + 0x280 + at, 4, 1);
		assert_reg(0, DIST + 0x200 + at, 4, 0x30000000);
		wr(0, DIST + 0x300 + at, 4, 0x80000001);
		assert_reg(0, DIST + 0x380 + at, 4, 0x80000001);
		wr(0, DIST + 0x380 + at, 4, 0x80000000);
		assert_reg(0, DIST + 0x300 + at, 4, 1);
		world_check();
	}
}

static void priorities_keep_five_bits(void **state)
{
	world_start(4, 1, 96);
	wr(0, DIST + 0x400 + 40, 4, 0xffa18007);
	assert_reg(0, DIST + 0x400 + 40, 4, 0xf8a08000);
	wr(0, DIST + 0x400 + 41, 1, 0x1ff);
	assert_reg(0, DIST + 0x400 + 41, 1, 0xf8);
	assert_reg(0, DIST + 0x400 + 40, 4, 0xf8a0f800);
	wr(0, sgi_frame(0, 0x400), 4, 0x08101820);
	assert_reg(0, sgi_frame(0, 0x401), 1, 0x18);
}

static void only_spis_can_be_configured(void **state)
{
	world_start(4, 1, 96);
	wr(0, DIST + 0xc08, 4, ~0U);
	assert_reg(0, DIST + 0xc08, 4, 0xaaaaaaaa); /* the low bit of each is RES0 */
	wr(0, DIST + 0xc08, 4, 0);
	assert_reg(0, DIST + 0xc08, 4, 0);
	wr(0, sgi_frame(0, 0xc00), 4, 0);
	assert_reg(0, sgi_frame(0, 0xc00), 4, 0xaaaaaaaa);
	wr(0, sgi_frame(0, 0xc04), 4, ~0U);
	assert_reg(0, sgi_frame(0, 0xc04), 4, 0);
}

static void routes_are_read_as_written(void **state)
{
	u64 at = DIST + 0x6000 + 95 * 8;

	world_start(4, 4, 96);
	wr(0, at, 8, ~0ULL);
	assert_reg(0, at, 8, 0xffffff); /* no 1 of N, no affinity 3 */
	wr(0, at, 8, 3);
	assert_reg(0, at, 8, 3);
	assert_int_equal(vgic_irq_of(&world_vcpu[0], 95)->target, 3);
	wr(0, at + 4, 4, 0x12);
	assert_reg(0, at, 8, 3);
	assert_reg(0, at + 4, 4, 0);
	wr(0, at, 4, 0x10003);
	assert_int_equal(vgic_irq_of(&world_vcpu[0], 95)->target, VGIC_NO_VCPU);
	wr(0, at, 4, 1);
	assert_int_equal(vgic_irq_of(&world_vcpu[0], 95)->target, 1);
	wr(0, DIST + 0x6000 + 96 * 8, 8, 1); /* there is none */
	assert_reg(0, DIST + 0x6000 + 96 * 8, 8, 0);
	assert_reg(0, DIST + 0x6000 + 31 * 8, 8, 0);
}

static void private_interrupts_are_the_redistributors(void **state)
{
	world_start(4, 2, 96);
	wr(0, DIST + 0x100, 4, ~0U);
	assert_reg(0, DIST + 0x100, 4, 0);
	assert_reg(0, sgi_frame(0, 0x100), 4, 0xffff); /* SGIs are enabled at reset, as on KVM */
	wr(0, sgi_frame(0, 0x180), 4, 0xffff);
	assert_reg(0, sgi_frame(0, 0x100), 4, 0);
	assert_reg(0, sgi_frame(1, 0x100), 4, 0xffff);
	wr(0, sgi_frame(1, 0x180), 4, 0xfffe);
	wr(0, sgi_frame(1, 0x100), 4, 0x10001);
	assert_reg(0, sgi_frame(0, 0x100), 4, 0);
	assert_reg(0, sgi_frame(1, 0x100), 4, 0x10001);
	wr(0, sgi_frame(1, 0x104), 4, ~0U);
	assert_reg(0, sgi_frame(1, 0x104), 4, 0);
}

static void waker_shows_sleep_and_nothing_else(void **state)
{
	world_start(4, 2, 96);
	assert_reg(0, gicr(1, 0x14), 4, 0); /* awake, as a firmware leaves it */
	wr(0, gicr(1, 0x14), 4, 2);
	assert_reg(0, gicr(1, 0x14), 4, 6);
	assert_reg(0, gicr(0, 0x14), 4, 0);
	wr(0, gicr(1, 0x14), 4, 0);
	assert_reg(0, gicr(1, 0x14), 4, 0);
}

static void wrong_accesses_are_ignored(void **state)
{
	static const struct {
		u64 at;
		unsigned int bytes;
	} rows[] = {
		{ DIST + 0x104, 8 },  { DIST + 0x104, 1 },  { DIST + 0x104, 2 },
		{ DIST + 0x105, 4 },  { DIST + 0x102, 4 },  { DIST + 0x428, 2 },
		{ DIST + 0x428, 8 },  { DIST + 0x42a, 4 },  { DIST + 0xc08, 1 },
		{ DIST + 0x6142, 4 }, { DIST + 0x6144, 8 }, { DIST + 0x6140, 1 },
		{ DIST + 4, 8 },      { DIST, 1 },	    { DIST + 0x20, 4 },
		{ DIST + 0x800, 4 },  { DIST + 0xd00, 4 },  { DIST + 0xf00, 4 },
		{ DIST + 0x8000, 8 }, { DIST + 0xfffc, 4 },
	};

	world_start(4, 1, 96);
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vgic before = *world_vm.vgic;
		struct vgic_irq spis[64];

		memcpy(spis, world_vm.vgic->spi[0], sizeof(spis));
		wr(0, rows[i].at, rows[i].bytes, ~0ULL);
		assert_reg(0, rows[i].at, rows[i].bytes, 0);
		assert_memory_equal(spis, world_vm.vgic->spi[0], sizeof(spis));
		assert_int_equal(before.ctlr, world_vm.vgic->ctlr);
	}
}

static void what_is_not_in_the_frames_is_not_the_vgics(void **state)
{
	static const struct {
		u64 at;
		unsigned int bytes;
		bool mine;
	} rows[] = {
		{ DIST - 4, 4, false },
		{ DIST - 1, 4, false },
		{ DIST + 0xfffc, 8, false },
		{ DIST + 0xffff, 1, true },
		{ DIST + 0x10000, 4, false },
		{ REDIST - 8, 8, false },
		{ REDIST, 8, true },
		{ REDIST + 0x3fff8, 8, true },
		{ REDIST + 0x3fffc, 8, false },
		{ REDIST + 0x40000, 1, false },
		{ 0, 1, false },
		{ ~0ULL, 1, false },
		{ ~0ULL - 3, 8, false },
	};

	world_start(4, 2, 96);
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++)
		for (int write = 0; write < 2; write++) {
			u64 value = 0;

			if ((vgic_mmio(on(0), rows[i].at, rows[i].bytes, write, &value) ==
			     TRAP_MMIO_DONE) != rows[i].mine)
				fail_msg("row %u", i);
		}
}

#define FAR  0x10000000ULL
#define FAR2 0x20000000ULL

/* Three regions: the second and third are adjacent, the last has room for more redistributors. */
static void redistributors_lie_in_regions(void **state)
{
	u64 value;

	world_start_without_vgic(4, 4);
	assert_int_equal(world_create_some(DIST, REDIST, 96, 1), 0);
	assert_int_equal(world_add_region(FAR, 1), 0);
	assert_int_equal(world_add_region(FAR + 0x20000, ~0ULL), 0);
	world_load(0);
	assert_reg(0, REDIST + 8, 8, 0x10);
	assert_reg(0, FAR + 8, 8, 1ULL << 32 | 1 << 8);
	assert_reg(0, FAR + 0x20008, 8, 2ULL << 32 | 2 << 8);
	assert_reg(0, FAR + 0x40008, 8, 3ULL << 32 | 3 << 8 | 0x10);
	assert_int_equal(vgic_mmio(on(0), REDIST + 0x20000, 4, false, &value), TRAP_MMIO_NOT_MINE);
	assert_int_equal(vgic_mmio(on(0), FAR - 4, 4, false, &value), TRAP_MMIO_NOT_MINE);
	assert_int_equal(vgic_mmio(on(0), FAR + 0x60000, 4, false, &value), TRAP_MMIO_NOT_MINE);
	/* Across the edge of two is an access to neither. */
	assert_int_equal(vgic_mmio(on(0), FAR + 0x1fffc, 8, false, &value), TRAP_MMIO_NOT_MINE);
	/* Each is its vCPU's. */
	wr(0, FAR + 0x20014, 4, 2);
	assert_true(world_vcpu[2].vgic->asleep);
	assert_false(world_vcpu[1].vgic->asleep || world_vcpu[3].vgic->asleep);
}

static void a_region_must_not_overlap(void **state)
{
	static const struct {
		u64 base, count;
		int ret;
	} rows[] = {
		{ FAR, 0, -EINVAL }, /* the distributor has its place */
		{ FAR + 0x1000, 1, -EINVAL },
		{ DIST, 1, -EINVAL },
		{ DIST - 0x10000, 1, -EINVAL },
		{ REDIST + 0x10000, 1, -EINVAL },
		{ REDIST - 0x20000, 2, -EINVAL },
		{ 1ULL << 40, 1, -E2BIG },
		{ (1ULL << 40) - 0x20000, 2, -E2BIG },
		{ ~0xffffULL, 1, -E2BIG },
		{ REDIST + 0x20000, 1, 0 },
		{ FAR, 5, 0 },
		{ FAR2, 1, -EINVAL }, /* all have theirs */
	};

	world_start_without_vgic(4, 4);
	assert_int_equal(world_create_some(DIST, REDIST, 96, 1), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vgic before = *world_vm.vgic;
		int ret = world_add_region(rows[i].base, rows[i].count);

		if (ret != rows[i].ret)
			fail_msg("row %u: %d, not %d", i, ret, rows[i].ret);
		if (ret)
			assert_memory_equal(&before, world_vm.vgic, sizeof(before));
	}
}

/* A GIC that is made before its frames have places. */
static void frames_get_their_places_later(void **state)
{
	static const struct {
		u64 base, count;
		int ret;
	} rows[] = {
		{ DIST + 0x1000, 0, -EINVAL }, { 1ULL << 40, 0, -E2BIG }, { DIST, 0, 0 },
		{ FAR, 0, -EINVAL }, /* it has one */
		{ DIST, 1, -EINVAL },	       { REDIST, 2, 0 },	  { FAR, 1, -EINVAL },
	};
	u64 value, index = 0;

	world_start_without_vgic(4, 2);
	assert_int_equal(world_create_some(KEEL_NO_PLACE, KEEL_NO_PLACE, 96, 0), 0);
	world_load(0);
	for (u64 ipa = 0; ipa < 1ULL << 40; ipa = ipa ? ipa << 1 : 0x10000)
		assert_int_equal(vgic_mmio(on(0), ipa, 4, false, &value), TRAP_MMIO_NOT_MINE);
	assert_int_equal(vgic_irq_line(&world_vm, &index, 40, true), 0);
	world_put(0);
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		int ret = world_add_region(rows[i].base, rows[i].count);

		if (ret != rows[i].ret)
			fail_msg("row %u: %d, not %d", i, ret, rows[i].ret);
	}
	world_load(0);
	assert_reg(0, DIST, 4, 0x50);
	assert_reg(0, DIST + 0x204, 4, 1 << 8);
	assert_reg(0, gicr(1, 8), 8, 1ULL << 32 | 1 << 8 | 0x10);
}

static void a_distributor_is_not_placed_over_redistributors(void **state)
{
	world_start_without_vgic(4, 2);
	assert_int_equal(world_create_some(KEEL_NO_PLACE, REDIST, 96, 0), 0);
	assert_int_equal(world_add_region(REDIST + 0x30000, 0), -EINVAL);
	assert_int_equal(world_add_region(REDIST + 0x40000, 0), 0);
}

/* Redistributors without a region cannot be accessed; one region too many is refused. */
static void the_number_of_regions_is_limited(void **state)
{
	u64 value, i;

	world_start_without_vgic(4, 2);
	assert_int_equal(world_create_some(DIST, REDIST, 96, 1), 0);
	world_load(0);
	assert_int_equal(vgic_mmio(on(0), REDIST + 0x20000, 4, false, &value), TRAP_MMIO_NOT_MINE);
	world_vm.vgic->nr_frames = 1000;
	for (i = 1; i < KEEL_REDIST_REGIONS; i++)
		assert_int_equal(world_add_region(FAR + i * 0x100000, 1), 0);
	assert_int_equal(world_add_region(FAR2, 1), -ENOSPC);
	world_vm.vgic->nr_frames = 2;
}

/* An interrupt in a list register of another vCPU. */
static void state_in_other_list_registers_is_asked_for(void **state)
{
	u64 index = 0, active = DIST + 0x304, pending = DIST + 0x204;

	world_start(4, 2, 96);
	wr(0, DIST + 0x104, 4, 1 << 8);
	wr(0, DIST + 0x6000 + 40 * 8, 8, 1);
	assert_int_equal(vgic_irq_line(&world_vm, &index, 40, true), 1);
	assert_int_equal(index, 1);
	world_exit(1);
	assert_int_equal(ack(1), 40);
	assert_reg(0, active, 4, 1 << 8);
	/* set and clear it from here */
	wr(0, DIST + 0x384, 4, 1 << 8);
	assert_int_equal(world_told(), 2);
	assert_int_equal(vgic_irq_line(&world_vm, &index, 40, false), 0);
	world_kick();
	assert_reg(0, active, 4, 0);
	assert_int_equal(ack(1), FAKE_NONE);
	wr(0, pending, 4, 1 << 8);
	world_kick();
	wr(0, DIST + 0x284, 4, 1 << 8); /* it sits there, pending */
	world_kick();
	assert_int_equal(ack(1), FAKE_NONE);
	wr(0, pending, 4, 1 << 8);
	world_kick();
	wr(0, DIST + 0x304, 4, 1 << 8);
	world_kick();
	assert_int_equal(ack(1), FAKE_NONE);
	assert_reg(0, active, 4, 1 << 8);
	assert_reg(0, pending, 4, 1 << 8);
	world_check();
}

/* SPI 40 is pending in a list register of vCPU 1, which runs. */
static void offer_40_to_vcpu_1(bool group1)
{
	u64 index = 0;

	world_start(4, 2, 96);
	if (!group1)
		wr(0, DIST + 0x84, 4, ~(1U << 8));
	wr(0, DIST + 0xc08, 4, ~0U);
	wr(0, DIST + 0x104, 4, 1 << 8);
	wr(0, DIST + 0x6000 + 40 * 8, 8, 1);
	assert_int_equal(vgic_irq_line(&world_vm, &index, 40, true), 1);
	world_exit(1);
}

/* What vCPU 1's guest gets that has not left it since. */
static u32 vcpu_1_takes(bool group1)
{
	u32 priority;

	on(1);
	return fake_guest_ack(256, group1, &priority);
}

/*
 * RWP is zero when the write is done, and says that nobody takes any more what it has disabled. A guest
 * repeats the write if an interrupt of the host came meanwhile.
 */
static void what_is_disabled_is_not_taken_any_more(void **state)
{
	static const struct {
		bool group1;
		u64 at;
		u32 value;
	} rows[] = {
		{ true, DIST + 0x184, 1 << 8 },	 /* GICD_ICENABLER1 */
		{ false, DIST + 0x184, 1 << 8 }, /* the same of Group 0 */
		{ true, DIST, 0 },		 /* GICD_CTLR: no group */
		{ true, DIST, 1 },		 /* Group 0 alone */
		{ false, DIST, 2 },		 /* Group 1 alone */
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++)
		for (int waits = 0; waits < 2; waits++) {
			u64 value = rows[i].value;

			offer_40_to_vcpu_1(rows[i].group1);
			fake_icc[0].host_waits = waits;
			if (waits)
				assert_int_equal(vgic_mmio(on(0), rows[i].at, 4, true, &value),
						 TRAP_MMIO_AGAIN);
			fake_icc[0].host_waits = false;
			assert_int_equal(vgic_mmio(on(0), rows[i].at, 4, true, &value),
					 TRAP_MMIO_DONE);
			if (vcpu_1_takes(rows[i].group1) != FAKE_NONE)
				fail_msg("row %u: it is taken", i);
			world_exit(0);
			wr(0, DIST, 4, 3);
			wr(0, DIST + 0x104, 4, 1 << 8);
			world_kick();
			if (vcpu_1_takes(rows[i].group1) != 40)
				fail_msg("row %u: it is lost", i);
			world_check();
		}
}

/* What others do not have is not waited for: the vCPU's own, another's that is not disabled. */
static void nobody_waits_for_what_is_enabled(void **state)
{
	u64 value = 2 << 8, off = 3;

	offer_40_to_vcpu_1(true);
	fake_icc[0].host_waits = true;
	assert_int_equal(vgic_mmio(on(0), DIST + 0x184, 4, true, &value), TRAP_MMIO_DONE);
	assert_int_equal(vgic_mmio(on(0), DIST, 4, true, &off), TRAP_MMIO_DONE);
	assert_int_equal(vgic_mmio(on(1), DIST + 0x184, 4, true, &(u64){ 1 << 8 }), TRAP_MMIO_DONE);
	fake_icc[0].host_waits = false;
	world_exit(1);
	assert_int_equal(vcpu_1_takes(true), FAKE_NONE);
}

static void a_vcpu_that_must_be_woken_is_named_and_the_run_ends(void **state)
{
	world_start(4, 2, 96);
	wr(0, DIST + 0x6000 + 40 * 8, 8, 1);
	world_kick();
	world_vcpu[0].vgic->leave = false;
	world_put(1);
	world_vcpu[1].place = VCPU_WAITS;
	wr(0, DIST + 0x204, 4, 1 << 8);
	world_vcpu[0].vgic->leave = false;
	world_vcpu[0].attention = false; /* what the next write does is enough */
	wr(0, DIST + 0x104, 4, 1 << 8);
	assert_int_equal(world_woken, 2);
	assert_int_equal(world_enter(on(0)), KEEL_EXIT_IRQ);
	world_load(1);
	world_kick();
	assert_int_equal(ack(1), 40);
	assert_int_equal(world_enter(on(0)), VCPU_RESUME);
}

/* As on KVM: what nothing looks at is there nevertheless. */
static void without_an_its_a_redistributor_keeps_addresses_of_tables(void **state)
{
	world_start(4, 2, 96);
	assert_int_equal(rd(0, gicr(0, 0), 4), 6); /* IR, CES */
	wr(0, gicr(0, 0), 4, 1);
	assert_int_equal(rd(0, gicr(0, 0), 4), 6); /* LPIs cannot be enabled */
	assert_int_equal(rd(0, gicr(0, 0x70), 8), 0);
	wr(0, gicr(0, 0x70), 8, ~0ULL);
	assert_int_equal(rd(0, gicr(0, 0x70), 8), 0x000fffffffffff9f);
	wr(0, gicr(1, 0x74), 4, 0x00012345); /* one for all redistributors */
	assert_int_equal(rd(1, gicr(0, 0x70), 8), 0x00012345ffffff9f);
	assert_int_equal(rd(0, gicr(0, 0x74), 4), 0x12345);
	wr(0, gicr(0, 0x70), 8, 0x0200000080000800); /* outer shareable, not cacheable */
	assert_int_equal(rd(0, gicr(0, 0x70), 8), 0x80000680);
	wr(0, gicr(0, 0x70), 8, 0x0100000080000780);
	assert_int_equal(rd(0, gicr(0, 0x70), 8), 0x0100000080000780);
	wr(0, gicr(0, 0x70), 8, 0);
	assert_int_equal(rd(0, gicr(0, 0x70), 8), 0x280);
	wr(0, gicr(0, 0x78), 8, ~0ULL); /* PTZ reads as zero */
	assert_int_equal(rd(0, gicr(0, 0x78), 8), 0x000fffffffff0f80);
	assert_int_equal(rd(0, gicr(1, 0x78), 8), 0);
	assert_int_equal(rd(0, gicr(0, 0xa0), 8), 0);
	world_vm.vgic->revision = 2;
	assert_int_equal(rd(0, gicr(0, 0), 4), 0);
	world_put(0);
	world_put(1);
	world_reset_vgic();
	world_vgic_hooks->reset(&world_vcpu[0]);
	world_load(0);
	assert_int_equal(rd(0, gicr(0, 0x70), 8), 0);
	assert_int_equal(rd(0, gicr(0, 0x78), 8), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identification_registers_describe_the_vm),
		cmocka_unit_test(ctlr_keeps_the_two_enables),
		cmocka_unit_test(enables_of_kvms_state_are_of_both_groups),
		cmocka_unit_test(statusr_has_accesses_that_no_register_allows),
		cmocka_unit_test(the_host_sets_statusr),
		cmocka_unit_test(frames_are_in_the_order_in_which_vcpus_were_created),
		cmocka_unit_test(fields_of_one_bit_are_set_and_cleared),
		cmocka_unit_test(priorities_keep_five_bits),
		cmocka_unit_test(only_spis_can_be_configured),
		cmocka_unit_test(routes_are_read_as_written),
		cmocka_unit_test(private_interrupts_are_the_redistributors),
		cmocka_unit_test(waker_shows_sleep_and_nothing_else),
		cmocka_unit_test(wrong_accesses_are_ignored),
		cmocka_unit_test(what_is_not_in_the_frames_is_not_the_vgics),
		cmocka_unit_test(redistributors_lie_in_regions),
		cmocka_unit_test(a_region_must_not_overlap),
		cmocka_unit_test(frames_get_their_places_later),
		cmocka_unit_test(a_distributor_is_not_placed_over_redistributors),
		cmocka_unit_test(the_number_of_regions_is_limited),
		cmocka_unit_test(state_in_other_list_registers_is_asked_for),
		cmocka_unit_test(what_is_disabled_is_not_taken_any_more),
		cmocka_unit_test(nobody_waits_for_what_is_enabled),
		cmocka_unit_test(a_vcpu_that_must_be_woken_is_named_and_the_run_ends),
		cmocka_unit_test(without_an_its_a_redistributor_keeps_addresses_of_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
