// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/vgic/vgic.c hyp/vgic/vgic_lpi.c hyp/vgic/vgic_sane.c hyp/vgic/vgic_mmio.c hyp/mm/page_pool.c tests/unit/vgic_world.c tests/unit/arch/fake_ich.c tests/unit/arch/fake_sysreg.c hyp/trap/device.c tests/unit/fake_panic.c */
/* LIBS: -lcmocka */
/*
 * A guest that writes anything to any register of its GIC, takes, ends and sends interrupts in any
 * order, while its vCPUs come and go. After each step what must always hold is checked: locks, list
 * registers, what is busy; and the fake GIC checks the architecture's rules for list registers.
 * With libFuzzer the input's bytes are the choices; without it (-DFUZZ_STANDALONE) they are random.
 */
#include "../unit/vgic_world.h"
#include "steps.h"

static u64 rnd64(void)
{
	return (u64)rnd(1U << 16) << 48 | (u64)rnd(1U << 16) << 32 | (u64)rnd(1U << 16) << 16 |
	       rnd(1U << 16);
}

static unsigned int cpus;
static bool v2;			 /* a GICv2 */
static bool outside[WORLD_CPUS]; /* the vCPU has exited */

/* It enters, if it has not: nothing of the guest happens between an exit and the next entry. */
static void enter(unsigned int n)
{
	if (outside[n])
		world_exit(n);
	outside[n] = false;
	on(n);
}

#define FAR	   0x20000000ULL
#define FRAME_SIZE 0x20000ULL

/* Where some redistributor may lie, or none. */
static u64 some_base(void)
{
	static const u64 bases[] = {
		DIST, REDIST, FAR, FAR + 0x8000, (1ULL << 40) - FRAME_SIZE, ~0xffffULL
	};

	return bases[rnd(ARRAY_SIZE(bases))] + rnd(8) * (FRAME_SIZE / 2);
}

static u64 region_end(const struct vgic_region *region)
{
	return region->base + region->count * FRAME_SIZE;
}

/* No region meets another one or the distributor, and each redistributor is in one at most. */
static void check_regions(const struct vgic *vgic)
{
	u32 placed = 0;

	for (u32 i = 0; i < vgic->nr_regions; i++) {
		const struct vgic_region *region = &vgic->region[i];

		if (region->first != placed || region_end(region) > 1ULL << 40 ||
		    (region->base < DIST + 0x10000 && DIST < region_end(region)))
			abort();
		for (u32 j = 0; j < i; j++)
			if (region->base < region_end(&vgic->region[j]) &&
			    vgic->region[j].base < region_end(region))
				abort();
		placed += region->count;
	}
	if (placed > vgic->nr_frames)
		abort();
}

/* An address in some region of redistributors, or a bit behind it. */
static u64 some_frame(void)
{
	const struct vgic *vgic = world_vm.vgic;

	return vgic->region[rnd(vgic->nr_regions)].base + rnd(cpus + 1) * FRAME_SIZE;
}

static u64 some_v2_register(void)
{
	static const u16 offsets[] = { 0x0,   0x4,   0x8,   0x80,  0x100, 0x180, 0x200, 0x280,
				       0x300, 0x380, 0x400, 0x800, 0xc00, 0xf00, 0xf10, 0xf20 };

	if (!rnd(8))
		return DIST + rnd(0x1004);
	return DIST + offsets[rnd(ARRAY_SIZE(offsets))] + rnd(64) * (rnd(4) ? 4 : 1);
}

static u64 some_register(void)
{
	static const u16 offsets[] = { 0x0,   0x4,   0x8,   0x14,  0x80,  0x100, 0x180,
				       0x200, 0x280, 0x300, 0x380, 0x400, 0xc00, 0x6000 };
	u64 base = rnd(2) ? DIST : some_frame() + 0x10000;

	if (!rnd(8))
		return DIST + rnd(0x10000);
	if (!rnd(8))
		return some_frame() + rnd(FRAME_SIZE);
	return base + offsets[rnd(ARRAY_SIZE(offsets))] + rnd(64) * (rnd(4) ? 4 : 1);
}

static void access(unsigned int n)
{
	u64 value = rnd(2) ? rnd64() : BIT(rnd(64));

	fake_icc[n].host_waits = !rnd(8);
	trap_device(TRAP_DEVICE_VGIC)
		->mmio(on(n), v2 ? some_v2_register() : some_register(), 1U << rnd(4), rnd(3),
		       &value);
}

static void input(void)
{
	u64 index = rnd(cpus + 1);

	(void)!vgic_irq_line(&world_vm, &index, rnd(140), rnd(5));
}

/* The host gives EL2 LPIs, takes them back, or tries what it may not. */
static void lpis(void)
{
	struct vcpu *vcpu = &world_vcpu[rnd(cpus)];
	u64 back;

	for (u32 i = rnd(rnd(8) ? 3 : 100); i; i--) {
		u64 intid = rnd(16) ? 8192 + rnd(96) : rnd64();

		if (rnd(4))
			(void)!vgic_lpi_pend(vcpu, intid, rnd(16) ? rnd(32) * 8 : rnd64(), &back);
		else
			(void)!vgic_lpi_take(vcpu, intid);
	}
}

static void take(unsigned int n)
{
	u32 priority;

	enter(n);
	fake_guest_ack(rnd(257), v2 ? !rnd(4) : rnd(4), &priority);
}

/* Ends what was acknowledged, or what was not. */
static void end(unsigned int n)
{
	struct fake_icc *icc = &fake_icc[n];

	enter(n);
	fake_source = v2 ? rnd(4) : 0;
	if (!rnd(3))
		dir(n, rnd(2) ? (u32)icc->lr[rnd(fake_nr_lrs)] : rnd(1024));
	else if (rnd(4))
		fake_guest_eoi((u32)icc->lr[rnd(fake_nr_lrs)]);
	else if ((icc->hcr >> 27) < 31)
		fake_guest_eoi(rnd(1024));
}

/* The host reads and writes the state of a vCPU that is nowhere, while others may run. */
static void host(unsigned int n)
{
	for (unsigned int i = rnd(8); i; i--) {
		u64 space = rnd(5), value = rnd(2) ? rnd64() : BIT(rnd(64));
		u64 offset = rnd(8) ? rnd(space == KEEL_VGIC_LINES ? 40 : 0x8000) * 4 : rnd64();

		if (space == KEEL_VGIC_CPU)
			offset = v2 ? rnd(0x104) : rnd(2) ? 0xc640 + rnd(64) : 0xc230;
		(void)!vgic_host_reg(&world_vcpu[n], space, offset, rnd(2), &value);
	}
}

static void move(unsigned int n)
{
	if (!rnd(4))
		trap_device(TRAP_DEVICE_VGIC)->cpu_on(on(n));
	world_put(n);
	if (fake_icc[n].hcr || fake_icc[n].phys_active)
		abort();
	host(n);
	if (!rnd(4))
		world_vgic_hooks->reset(&world_vcpu[n]);
	world_load(n);
	fake_icc[n].vmcr = rnd(4) ? 0xffULL << 24 | rnd(2) << 9 | 3 : rnd64();
}

/* The machine is reset: its vCPUs leave, and are initialized again or not. */
static void reset_machine(void)
{
	for (unsigned int n = 0; n < cpus; n++)
		world_put(n);
	world_reset_vgic();
	for (unsigned int n = 0; n < cpus; n++) {
		if (rnd(4))
			world_vgic_hooks->reset(&world_vcpu[n]);
		world_load(n);
		fake_icc[n].vmcr = 0xffULL << 24 | rnd(2) << 9 | 3;
		outside[n] = false;
	}
}

static void step(void)
{
	unsigned int n = rnd(cpus), what = rnd(10);

	outside[n] |= what < 4 || what > 6;
	switch (what) {
	case 0 ... 3:
		access(n);
		break;
	case 4:
		if (v2 || rnd(2))
			input();
		else
			lpis();
		break;
	case 5:
		take(n);
		break;
	case 6:
		end(n);
		break;
	case 7:
		if (v2)
			access(n);
		else if (rnd(2))
			vgic_write_sgi1r(on(n), rnd(4) ? rnd64() : rnd(16) | rnd(16) << 24);
		else
			vgic_write_sgi0r(on(n), rnd(16) | rnd(16) << 24);
		break;
	case 8:
		if (rnd(2))
			world_phys27[n] = rnd(2);
		else if (!v2 && rnd(4))
			vgic_write_dir(on(n), rnd(1100));
		else
			move(n);
		break;
	default:
		if (!rnd(100))
			reset_machine();
		else if (rnd(2))
			world_vgic_hooks->pending(on(n));
		else
			world_kick();
	}
	if (rnd(4)) {
		world_exit(n);
		outside[n] = false;
	}
	world_check();
}

static void start(void)
{
	static const u32 irqs[] = { 64, 96, 992, 1024 };

	cpus = 1 + rnd(WORLD_CPUS);
	v2 = !rnd(3);
	if (v2) {
		world_start_v2(1 + rnd(ICH_LR_MAX), cpus, irqs[rnd(4)]);
		return;
	}
	world_start_without_vgic(1 + rnd(ICH_LR_MAX), cpus);
	if (world_create_some(DIST, REDIST, irqs[rnd(4)], rnd(cpus + 1)))
		abort();
	for (u32 tries = rnd(8); tries; tries--) {
		(void)!world_add_region(some_base(), rnd(8) ? rnd(cpus + 2) : rnd64());
		check_regions(world_vm.vgic);
	}
	world_go();
}

/* FUZZ_STANDALONE: see steps.h */
STEPS_MAIN("vGIC", start, step)
