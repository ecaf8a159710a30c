// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/vgic/vgic.c hyp/vgic/vgic_sane.c hyp/vgic/vgic_mmio.c hyp/mm/page_pool.c tests/unit/vgic_world.c tests/unit/arch/fake_ich.c tests/unit/arch/fake_sysreg.c hyp/trap/device.c tests/unit/fake_panic.c */
/* A GICv2: where it differs from a GICv3. test_vgic.c has random guests with either. */
#include "vgic_world.h"

#define IRQS	   96
#define IGROUPR	   (DIST + 0x80)
#define ISENABLER  (DIST + 0x100)
#define ISPENDR	   (DIST + 0x200)
#define ICPENDR	   (DIST + 0x280)
#define ITARGETSR  (DIST + 0x800)
#define SGIR	   (DIST + 0xf00)
#define CPENDSGIR  (DIST + 0xf10)
#define SPENDSGIR  (DIST + 0xf20)
#define KICK	   (1U << KEEL_KICK_SGI)
#define GROUP0_ACK false

/* Interrupts are of group 0 until the guest says otherwise. */
static u32 ack_group0(unsigned int n)
{
	u32 priority, intid;

	on(n);
	intid = fake_guest_ack(256, GROUP0_ACK, &priority);
	world_serve(n);
	return intid;
}

static u64 host_read(unsigned int n, u64 space, u64 offset)
{
	u64 value = ~0ULL;

	assert_int_equal(vgic_host_reg(&world_vcpu[n], space, offset, false, &value), 0);
	return value;
}

static int host_write(unsigned int n, u64 space, u64 offset, u64 value)
{
	return vgic_host_reg(&world_vcpu[n], space, offset, true, &value);
}

static void registers_say_what_there_is(void **state)
{
	world_start_v2(4, 3, IRQS);
	assert_int_equal(vgic_version(), 2);
	assert_int_equal(rd(0, DIST + 4, 4), 2 | 2 << 5); /* 96 interrupts, three vCPUs */
	assert_int_equal(rd(0, DIST + 8, 4), 0x4b00343b);
	assert_int_equal(rd(0, DIST, 4), 1);
	wr(0, DIST, 4, 2); /* KVM's one bit is that of both groups */
	assert_int_equal(rd(0, DIST, 4), 0);
	wr(0, DIST, 4, 3);
	assert_int_equal(rd(0, DIST, 4), 1);
	assert_int_equal(rd(1, ISENABLER, 4), 0xffff);
	assert_int_equal(rd(0, IGROUPR, 4), 0);
	for (unsigned int n = 0; n < 3; n++)
		assert_int_equal(rd(n, ITARGETSR + 4, 4), 0x01010101U << n);
	assert_int_equal(rd(0, DIST + 0xfe8, 4), 0);
	assert_int_equal(rd(0, DIST + 2, 2), 0);
	assert_int_equal(rd(0, SGIR, 4), 0);
}

static void private_interrupts_are_each_vcpus_own(void **state)
{
	world_start_v2(4, 2, IRQS);
	wr(1, ISENABLER, 4, 1 << 20);
	wr(1, DIST + 0x400 + 20, 1, 0x80);
	assert_int_equal(rd(1, ISENABLER, 4), 1 << 20 | 0xffff);
	assert_int_equal(rd(0, ISENABLER, 4), 0xffff);
	assert_int_equal(rd(1, DIST + 0x400 + 20, 1), 0x80);
	assert_int_equal(rd(0, DIST + 0x400 + 20, 1), 0);
}

static void an_spi_goes_to_the_first_of_its_targets(void **state)
{
	u64 index = 0;

	world_start_v2(4, 2, IRQS);
	wr(0, ISENABLER + 4, 4, 0xff);
	assert_int_equal(rd(0, ITARGETSR + 32, 1), 0);
	wr(0, ITARGETSR + 33, 1, 0xfe); /* only the second vCPU is there */
	assert_int_equal(rd(0, ITARGETSR + 33, 1), 2);
	wr(0, ITARGETSR + 34, 1, 3);
	for (u32 intid = 32; intid < 35; intid++)
		if (vgic_irq_line(&world_vm, &index, intid, 1) == 1)
			world_woken |= 1U << index;
	world_kick();
	assert_int_equal(ack_group0(0), 32); /* without a target: the first vCPU's */
	assert_int_equal(ack_group0(0), 34);
	assert_int_equal(ack_group0(1), 33);
	world_check();
}

static void an_sgi_tells_who_has_sent_it(void **state)
{
	world_start_v2(4, 3, IRQS);
	wr(2, SGIR, 4, 1 << 16 | 7);
	wr(1, SGIR, 4, 1 << 16 | 7);
	world_kick();
	assert_int_equal(rd(0, SPENDSGIR + 4, 4), 0x06000000);
	assert_int_equal(rd(0, ISPENDR, 4), 1 << 7);
	assert_int_equal(ack_group0(0), 7);
	assert_int_equal(fake_source, 1);
	assert_int_equal(ack_group0(0), FAKE_NONE); /* the other one waits for its end */
	eoi(0, 7);
	assert_int_equal(ack_group0(0), 7);
	assert_int_equal(fake_source, 2);
	eoi(0, 7);
	assert_int_equal(ack_group0(0), FAKE_NONE);
	world_check();
}

static void an_sgi_reaches_whom_it_names(void **state)
{
	static const struct {
		u32 value, receivers;
	} rows[] = {
		{ 0x050001, 5 },  { 0xf80001, 0 },  { 0x1000001, 5 },
		{ 0x2000001, 2 }, { 0x3070001, 0 }, { 0x1070001, 5 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		world_start_v2(4, 3, IRQS);
		wr(1, SGIR, 4, rows[i].value);
		world_kick();
		for (unsigned int n = 0; n < 3; n++)
			assert_int_equal(ack_group0(n), rows[i].receivers >> n & 1 ? 1 : FAKE_NONE);
	}
}

static void an_sgi_is_made_pending_and_not_by_its_own_registers(void **state)
{
	world_start_v2(4, 2, IRQS);
	wr(0, ISPENDR, 4, 1 << 3);
	assert_int_equal(rd(0, ISPENDR, 4), 0);
	wr(0, SPENDSGIR, 4, 0xff000000); /* of those, two vCPUs are there */
	assert_int_equal(rd(0, SPENDSGIR + 3, 1), 3);
	assert_int_equal(rd(1, SPENDSGIR + 3, 1), 0);
	wr(0, ICPENDR, 4, 1 << 3);
	assert_int_equal(rd(0, CPENDSGIR + 3, 1), 3);
	wr(0, CPENDSGIR + 3, 1, 1);
	assert_int_equal(ack_group0(0), 3);
	assert_int_equal(fake_source, 1);
	world_check();
}

static void a_kick_is_an_sgi_that_el2_takes_back(void **state)
{
	world_start_v2(4, 2, IRQS);
	assert_int_equal(fake_icc[1].enabled, 0); /* as the host left it */
	wr(0, SGIR, 4, 2 << 16 | 5);
	assert_int_equal(fake_icc[0].phys_pending, 0);
	assert_int_equal(fake_icc[1].phys_pending, KICK);
	world_exit(1);
	assert_int_equal(fake_icc[1].phys_pending, 0);
	assert_int_equal(ack_group0(1), 5);
}

/* SGI 0 stays pending for the host. */
static void without_an_sgi_of_its_own_el2_uses_the_hosts(void **state)
{
	world_start_v2_without_vgic(4, 2);
	fake_secure_sgis = 0xff00;
	for (unsigned int n = 0; n < 2; n++) {
		on(n);
		assert_true(vgic_cpu_online());
	}
	assert_int_equal(world_create(KEEL_NO_PLACE, KEEL_NO_PLACE, IRQS), 0);
	assert_int_equal(world_add_region(DIST, 0), 0);
	world_go();
	wr(0, SGIR, 4, 2 << 16 | 5);
	assert_int_equal(fake_icc[1].phys_pending, 1);
	world_vgic_hooks->enter(on(1));
	assert_int_equal(fake_icc[1].phys_pending, 1);
	assert_false(vcpu_is_kicked(&world_vcpu[1]));
}

static void frames_have_their_places_once(void **state)
{
	world_start_v2_without_vgic(4, 1);
	assert_int_equal(world_create(DIST, KEEL_NO_PLACE, IRQS), -EINVAL);
	assert_int_equal(world_create(KEEL_NO_PLACE, REDIST, IRQS), -EINVAL);
	assert_int_equal(world_create(KEEL_NO_PLACE, KEEL_NO_PLACE, IRQS), 0);
	assert_int_equal(world_add_region(DIST + 8, 0), -EINVAL);
	assert_int_equal(world_add_region(1ULL << 40, 0), -E2BIG);
	assert_int_equal(world_add_region((1ULL << 40) - 0x1000, 1), -E2BIG);
	assert_int_equal(world_add_region(DIST, 0), 0);
	assert_int_equal(world_add_region(DIST + 0x1000, 0), -EINVAL);
	assert_int_equal(world_add_region(DIST - 0x1000, 1), -EINVAL);
	world_map_result = -ENOMEM;
	assert_int_equal(world_add_region(WORLD_GICC, 1), -ENOMEM);
	world_map_result = 0;
	assert_int_equal(world_add_region(WORLD_GICC, 1), 0);
	assert_int_equal(world_mapped, WORLD_GICC);
	assert_int_equal(world_add_region(WORLD_GICC + 0x10000, 1), -EINVAL);
}

/* It is mapped where it can be; else EL2 does what the guest would. */
static void an_interface_that_is_not_mapped_is_emulated(void **state)
{
	u64 data = 0xf8000003;

	world_start_v2_without_vgic(4, 1);
	assert_int_equal(world_create(KEEL_NO_PLACE, KEEL_NO_PLACE, IRQS), 0);
	world_map_result = -EINVAL;
	assert_int_equal(world_add_region(WORLD_GICC, 1), 0);
	assert_int_equal(world_mapped, 0);
	world_load(0);
	/* the fake's GICV has GICH's registers */
	assert_int_equal(vgic_v2_mmio(on(0), WORLD_GICC + 8, 4, true, &data), TRAP_MMIO_DONE);
	assert_int_equal(fake_icc[0].vmcr, 0xf8000003);
	data = 0;
	assert_int_equal(vgic_v2_mmio(on(0), WORLD_GICC + 8, 4, false, &data), TRAP_MMIO_DONE);
	assert_int_equal(data, 0xf8000003);
	assert_int_equal(vgic_v2_mmio(on(0), WORLD_GICC + 8, 2, false, &data), TRAP_MMIO_DONE);
	assert_int_equal(data, 0);
	assert_int_equal(vgic_v2_mmio(on(0), WORLD_GICC + 0x1ffe, 4, false, &data),
			 TRAP_MMIO_NOT_MINE);
	assert_int_equal(vgic_v2_mmio(on(0), WORLD_GICC + 0x2000, 4, false, &data),
			 TRAP_MMIO_NOT_MINE);
	assert_int_equal(vgic_v2_mmio(on(0), DIST, 4, false, &data), TRAP_MMIO_NOT_MINE);
}

#define EOIMODE (1U << 9)

static void start_split(unsigned int lrs, unsigned int cpus)
{
	world_start_v2(lrs, cpus, IRQS);
	wr(0, ISENABLER + 4, 4, ~0U);
	wr(0, DIST + 0xc08, 4, ~0U); /* SPIs 32 to 47 are edges */
	for (unsigned int n = 0; n < cpus; n++) {
		on(n);
		fake_this_icc()->vmcr |= EOIMODE;
	}
}

static void v2_spi(u32 intid)
{
	u64 index = 0;

	if (vgic_irq_line(&world_vm, &index, intid, 1) == 1)
		world_woken |= 1U << index;
	world_kick();
}

/* What became of an SPI that was taken: whether it can be taken again. */
static bool comes_again(u32 intid)
{
	v2_spi(intid);
	return ack_group0(0) == intid;
}

static void any_vcpu_deactivates_an_spi_by_gicc_dir(void **state)
{
	start_split(4, 2);
	v2_spi(40);
	assert_int_equal(ack_group0(0), 40);
	eoi(0, 40);
	assert_false(comes_again(40));
	dir(1, 40);
	world_kick();
	assert_int_equal(ack_group0(0), 40); /* that came before it was deactivated */
	eoi(0, 40);
	dir(0, 40);
	assert_true(comes_again(40));
	world_check();
}

/* Of more active interrupts than list registers, those are deactivated that the guest names. */
static void interrupts_are_deactivated_in_any_order(void **state)
{
	start_split(1, 1);
	for (u32 intid = 40; intid < 44; intid++) {
		v2_spi(intid);
		assert_int_equal(ack_group0(0), intid);
		eoi(0, intid);
	}
	assert_int_equal(rd(0, DIST + 0x304, 4), 0xf00);
	dir(0, 42);
	assert_int_equal(rd(0, DIST + 0x304, 4), 0xb00);
	dir(0, 40);
	assert_int_equal(rd(0, DIST + 0x304, 4), 0xa00);
	assert_true(comes_again(42));
	world_check();
}

static void gicc_dir_is_obeyed_where_it_means_something(void **state)
{
	u64 value = 40;

	start_split(4, 2);
	v2_spi(40);
	assert_int_equal(ack_group0(0), 40);
	on(0);
	fake_this_icc()->vmcr &= ~(u64)EOIMODE;
	dir(0, 40); /* with EOImode=0 GICC_EOIR deactivates */
	on(0);
	fake_this_icc()->vmcr |= EOIMODE;
	dir(0, 41);
	dir(0, 200);
	dir(0, 1023);
	assert_int_equal(vgic_v2_mmio(on(0), WORLD_GICC + 0x1000, 2, true, &value), TRAP_MMIO_DONE);
	assert_int_equal(vgic_v2_mmio(on(0), WORLD_GICC + 0x1004, 4, true, &value), TRAP_MMIO_DONE);
	assert_int_equal(vgic_v2_mmio(on(0), WORLD_GICC + 0x1000, 4, false, &value),
			 TRAP_MMIO_DONE);
	assert_int_equal(value, 0);
	assert_int_equal(rd(0, DIST + 0x304, 4), 0x100);
	dir(0, 40);
	assert_int_equal(rd(0, DIST + 0x304, 4), 0);
	wr(1, SGIR, 4, 1 << 16 | 7);
	world_kick();
	assert_int_equal(ack_group0(0), 7);
	assert_int_equal(fake_source, 1);
	eoi(0, 7);
	fake_source = 0;
	dir(0, 7); /* another vCPU's */
	assert_int_equal(rd(0, DIST + 0x300, 4), 1 << 7);
	fake_source = 1;
	dir(0, 7);
	assert_int_equal(rd(0, DIST + 0x300, 4), 0);
	world_check();
}

/* No register says who has sent an SGI that is active: the guest, which knows, deactivates it. */
static void an_sgi_that_was_active_when_saved_is_deactivated_by_its_senders_name(void **state)
{
	start_split(4, 2);
	world_put(0);
	assert_int_equal(host_write(0, KEEL_VGIC_DIST, 0x300, 1 << 7), 0);
	world_load(0);
	wr(1, SGIR, 4, 1 << 16 | 7);
	world_kick();
	assert_int_equal(ack_group0(0), FAKE_NONE);
	fake_source = 1;
	dir(0, 7);
	assert_int_equal(rd(0, DIST + 0x300, 4), 0);
	assert_int_equal(ack_group0(0), 7); /* the one that came meanwhile */
	assert_int_equal(fake_source, 1);
	world_check();
}

/* What a guest makes active itself is its own, as on KVM. */
static void an_sgi_that_a_guest_makes_active_is_its_own(void **state)
{
	start_split(4, 2);
	wr(1, DIST + 0x300, 4, 1 << 7);
	fake_source = 0;
	dir(1, 7);
	assert_int_equal(rd(1, DIST + 0x300, 4), 1 << 7);
	fake_source = 1;
	dir(1, 7);
	assert_int_equal(rd(1, DIST + 0x300, 4), 0);
	world_check();
}

static void vcpus_have_the_numbers_of_interfaces(void **state)
{
	world_start_v2_without_vgic(4, 1);
	world_vm.vcpus[8] = world_vm.vcpus[0];
	world_vm.vcpus[0] = NULL;
	assert_int_equal(world_create(KEEL_NO_PLACE, KEEL_NO_PLACE, IRQS), -EINVAL);
	world_vm.vcpus[7] = world_vm.vcpus[8];
	world_vm.vcpus[8] = NULL;
	assert_int_equal(world_create(KEEL_NO_PLACE, KEEL_NO_PLACE, IRQS), 0);
}

static void without_a_first_vcpu_spis_are_the_next_ones(void **state)
{
	u64 index = 0;

	world_start_v2_without_vgic(4, 2);
	world_vm.vcpus[0] = NULL;
	world_vm.nr_vcpus = 1;
	world_vcpu[1].number = 0;
	assert_int_equal(world_create(KEEL_NO_PLACE, KEEL_NO_PLACE, IRQS), 0);
	assert_int_equal(world_add_region(DIST, 0), 0);
	world_load(1);
	on(1);
	fake_this_icc()->vmcr |= 0xf8ULL << 24 | 3;
	wr(1, DIST, 4, 1);
	wr(1, ISENABLER + 4, 4, 0x300);
	wr(1, ITARGETSR + 40, 1, 1); /* which is not there */
	for (u32 intid = 40; intid < 42; intid++) {
		assert_int_equal(vgic_irq_line(&world_vm, &index, intid, 1), 1);
		assert_int_equal(index, 1);
		world_exit(1);
		assert_int_equal(ack_group0(1), intid);
		eoi(1, intid);
		assert_int_equal(vgic_irq_line(&world_vm, &index, intid, 0), 0);
		world_exit(1);
	}
	world_put(1);
	world_reset_vgic();
	assert_int_equal(vgic_irq_of(&world_vcpu[1], 41)->target, 1);
}

static void a_cpu_with_a_gicv3s_registers_has_no_gicv2(void **state)
{
	const struct vgic_v2_frames frames = { .gich = fake_gich() };

	world_start_without_vgic(4, 1);
	assert_false(vgic_use_v2(&frames));
	assert_false(vgic_is_v2());
	assert_int_equal(vgic_version(), 3);
}

static void groups_are_restored_by_who_knows_of_them(void **state)
{
	world_start_v2(4, 1, IRQS);
	world_put(0);
	assert_int_equal(host_write(0, KEEL_VGIC_DIST, 0x84, 0xff), 0);
	assert_int_equal(host_read(0, KEEL_VGIC_DIST, 0x84), 0);
	assert_int_equal(host_write(0, KEEL_VGIC_DIST, 8, 0x4b00243c), -EINVAL);
	assert_int_equal(host_write(0, KEEL_VGIC_DIST, 8, 0x4b00f43b), -EINVAL);
	assert_int_equal(host_write(0, KEEL_VGIC_DIST, 0x84, 0xff), 0);
	assert_int_equal(host_read(0, KEEL_VGIC_DIST, 0x84), 0);
	for (u64 revision = 0; revision < 16; revision++)
		assert_int_equal(host_write(0, KEEL_VGIC_DIST, 8, 0x4b00043b | revision << 12),
				 revision == 2 || revision == 3 ? 0 : -EINVAL);
	assert_int_equal(host_write(0, KEEL_VGIC_DIST, 8, 0x4b00243c), -EINVAL);
	assert_int_equal(host_write(0, KEEL_VGIC_DIST, 0x84, 0xff), 0);
	assert_int_equal(host_read(0, KEEL_VGIC_DIST, 0x84), 0xff);
}

static void the_host_finds_gicc_as_kvm_has_it(void **state)
{
	u64 value = 0;

	world_start_v2(4, 1, IRQS);
	on(0);
	fake_this_icc()->vmcr = 0xa8ULL << 24 | 2 << 21 | 3 << 18 | 1 << 9 | 1;
	world_put(0);
	assert_int_equal(host_read(0, KEEL_VGIC_CPU, 0), 0x201);
	assert_int_equal(host_read(0, KEEL_VGIC_CPU, 4), 0x15);
	assert_int_equal(host_read(0, KEEL_VGIC_CPU, 8), 2);
	assert_int_equal(host_read(0, KEEL_VGIC_CPU, 0x1c), 3);
	assert_int_equal(host_read(0, KEEL_VGIC_CPU, 0xfc), 0x4b2043b);
	assert_int_equal(host_read(0, KEEL_VGIC_CPU, 0xdc), 0);
	assert_int_equal(host_write(0, KEEL_VGIC_CPU, 4, 0x1f), 0);
	assert_int_equal(host_write(0, KEEL_VGIC_CPU, 0, 0x1f), 0);
	assert_int_equal(world_vcpu[0].vgic->vmcr, 0xf8ULL << 24 | 2 << 21 | 3 << 18 | 0x1f);
	for (u64 offset = 0; offset < 0x1100; offset += 4)
		if (vgic_host_reg(&world_vcpu[0], KEEL_VGIC_CPU, offset, false, &value))
			assert_true(offset == 0xc || (offset >= 0x10 && offset != 0x1c));
	assert_int_equal(vgic_host_reg(&world_vcpu[0], KEEL_VGIC_CPU, 0xd2, false, &value), -ENXIO);
	assert_int_equal(vgic_host_reg(&world_vcpu[0], KEEL_VGIC_REDIST, 0, false, &value), -ENXIO);
	assert_int_equal(vgic_host_reg(&world_vcpu[0], 4, 0, false, &value), -EINVAL);
	assert_int_equal(vgic_host_reg(&world_vcpu[0], KEEL_VGIC_DIST, 0x1000, false, &value),
			 -ENXIO);
	assert_int_equal(vgic_host_reg(&world_vcpu[0], KEEL_VGIC_DIST, 0x10c, false, &value),
			 -ENXIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_say_what_there_is),
		cmocka_unit_test(private_interrupts_are_each_vcpus_own),
		cmocka_unit_test(an_spi_goes_to_the_first_of_its_targets),
		cmocka_unit_test(an_sgi_tells_who_has_sent_it),
		cmocka_unit_test(an_sgi_reaches_whom_it_names),
		cmocka_unit_test(an_sgi_is_made_pending_and_not_by_its_own_registers),
		cmocka_unit_test(a_kick_is_an_sgi_that_el2_takes_back),
		cmocka_unit_test(without_an_sgi_of_its_own_el2_uses_the_hosts),
		cmocka_unit_test(frames_have_their_places_once),
		cmocka_unit_test(an_interface_that_is_not_mapped_is_emulated),
		cmocka_unit_test(any_vcpu_deactivates_an_spi_by_gicc_dir),
		cmocka_unit_test(interrupts_are_deactivated_in_any_order),
		cmocka_unit_test(gicc_dir_is_obeyed_where_it_means_something),
		cmocka_unit_test(
			an_sgi_that_was_active_when_saved_is_deactivated_by_its_senders_name),
		cmocka_unit_test(an_sgi_that_a_guest_makes_active_is_its_own),
		cmocka_unit_test(vcpus_have_the_numbers_of_interfaces),
		cmocka_unit_test(without_a_first_vcpu_spis_are_the_next_ones),
		cmocka_unit_test(a_cpu_with_a_gicv3s_registers_has_no_gicv2),
		cmocka_unit_test(groups_are_restored_by_who_knows_of_them),
		cmocka_unit_test(the_host_finds_gicc_as_kvm_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
