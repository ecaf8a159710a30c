// SPDX-License-Identifier: BSD-2-Clause
/* A VM with a vGIC for tests: see vgic_world.h. */
#include "vgic_world.h"

#include <cpu/log.h>
#include <stdlib.h>
#include <string.h>

#define POOL_PAGES 32

struct vm world_vm;
struct vcpu world_vcpu[WORLD_CPUS];
const struct vcpu_hooks *world_vgic_hooks;
u32 world_woken;
unsigned int world_ended[1024];
bool world_phys27[WORLD_CPUS];

static struct keel_run run_page[WORLD_CPUS];
static u64 sysregs[WORLD_CPUS][VCPU_SYSREG_COUNT];
static struct percpu cpus[WORLD_CPUS];
static u8 pool_memory[POOL_PAGES * SZ_4K] __aligned(4096);
static unsigned int nr_cpus;
static bool left[WORLD_CPUS];

void log_msg(enum log_level level, const char *fmt, ...)
{
}

/* The vGIC's hooks are the ones that come when vgic_init() runs. */
const struct vcpu_hooks *world_last_hooks;

void vcpu_add_hooks(const struct vcpu_hooks *hooks)
{
	world_last_hooks = hooks;
}

void vcpu_wake(struct vcpu *runner, const struct vcpu *vcpu)
{
	assert_ptr_not_equal(runner, vcpu);
	world_woken |= 1U << vcpu->index % 32;
}

void vcpu_tell_ended(struct vcpu *runner, u32 intid)
{
	assert_int_equal(runner->index, this_cpu()->id);
	world_ended[intid]++;
}

struct vcpu *on(unsigned int n)
{
	fake_cpu = &cpus[n];
	return &world_vcpu[n];
}

static bool phys27(struct vcpu *vcpu)
{
	return world_phys27[vcpu->index];
}

/* vCPUs that are kicked exit and enter again; then this CPU goes on. */
static void others_go_on(void)
{
	struct percpu *me = fake_cpu;

	assert_false(world_vm.vgic->lock.held);
	for (unsigned int n = 0; n < nr_cpus; n++)
		if (n != me->id && vcpu_is_kicked(&world_vcpu[n]))
			world_exit(n);
	fake_cpu = me;
}

/* ---- the VM's memory: where a GICv2's CPU interface is mapped ---- */

u64 world_mapped;
int world_map_result;

int vm_map_own_device(struct vm *vm, struct ipa ipa, struct pa pa, u64 size)
{
	assert_ptr_equal(vm, &world_vm);
	assert_true(vm->lock.held);
	assert_int_equal(pa.v, WORLD_GICV);
	assert_int_equal(size, 0x1000); /* without GICC_DIR */
	if (!world_map_result)
		world_mapped = ipa.v;
	return world_map_result;
}

/* The bit of the interrupt by which EL2 kicks a CPU. */
static u32 kick_bit(void)
{
	return vgic_is_v2() ? 1U << KEEL_KICK_SGI : 1U << VGIC_PPI_MAINTENANCE;
}

static void start_vgic(unsigned int lrs, unsigned int count, const struct vgic_v2_frames *v2)
{
	static const struct vgic_v2_frames none;

	nr_cpus = count;
	world_mapped = 0;
	world_map_result = 0;
	memset(&world_vm, 0, sizeof(world_vm));
	memset(world_vcpu, 0, sizeof(world_vcpu));
	memset(run_page, 0, sizeof(run_page));
	memset(sysregs, 0, sizeof(sysregs));
	memset(world_phys27, 0, sizeof(world_phys27));
	memset(left, 0, sizeof(left));
	world_woken = 0;
	memset(world_ended, 0, sizeof(world_ended));
	world_vm.lock = (struct spinlock)SPINLOCK_INIT(LOCK_VM);
	world_vm.s2.stage2.geometry.ia_bits = 40;
	assert_int_equal(page_pool_init(&world_vm.pool, pool_memory, POOL_PAGES), 0);
	for (unsigned int i = 0; i < count; i++) {
		cpus[i].id = i;
		cpus[i].gicr = v2 ? (void *)fake_gicd() : fake_gicr(i);
		world_vcpu[i] = (struct vcpu){ .vm = &world_vm,
					       .index = i,
					       .number = i,
					       .run = &run_page[i],
					       .sysreg = sysregs[i],
					       .mpidr = 0x80000000 | i };
		world_vm.vcpus[i] = &world_vcpu[i];
	}
	world_vm.nr_vcpus = count;
	fake_ich_reset(lrs, 5);
	fake_others_go_on = others_go_on;
	on(0);
	fake_icc_present = !v2;
	vgic_map_hw(VGIC_PPI_VTIMER, phys27);
	assert_true(vgic_use_v2(v2 ? v2 : &none));
	vgic_init();
	world_vgic_hooks = world_last_hooks;
	for (unsigned int i = 1; i < count; i++) {
		on(i);
		assert_true(vgic_cpu_online());
	}
	on(0);
}

void world_start_without_vgic(unsigned int lrs, unsigned int count)
{
	start_vgic(lrs, count, NULL);
}

void world_start_v2_without_vgic(unsigned int lrs, unsigned int count)
{
	const struct vgic_v2_frames v2 = { .gich = fake_gich(),
					   .gicv = fake_gich(),
					   .gicv_pa = PA(WORLD_GICV) };

	start_vgic(lrs, count, &v2);
}

void world_start_v2(unsigned int lrs, unsigned int count, u32 irqs)
{
	world_start_v2_without_vgic(lrs, count);
	assert_int_equal(world_create(KEEL_NO_PLACE, KEEL_NO_PLACE, irqs), 0);
	assert_int_equal(world_add_region(DIST, 0), 0);
	assert_int_equal(world_add_region(WORLD_GICC, 1), 0);
	world_go();
}

int world_create_some(u64 dist, u64 redist, u64 irqs, u64 count)
{
	int ret;

	do {
		spin_lock(&world_vm.lock);
		ret = vgic_prepare(&world_vm, IPA(dist), IPA(redist), irqs, count);
		if (!ret)
			ret = vgic_create(&world_vm, IPA(dist), IPA(redist), irqs, count);
		spin_unlock(&world_vm.lock);
	} while (ret == -EAGAIN);
	return ret;
}

void world_reset_vgic(void)
{
	u64 at = 0, before;
	int ret;

	do {
		before = at;
		ret = vgic_reset(&world_vm, &at);
		assert_true(at > before && at - before <= 256 + VGIC_PRIVATE);
	} while (ret == -EAGAIN);
	assert_int_equal(ret, 0);
}

int world_create(u64 dist, u64 redist, u64 irqs)
{
	return world_create_some(dist, redist, irqs, 0);
}

int world_add_region(u64 base, u64 count)
{
	int ret;

	spin_lock(&world_vm.lock);
	ret = vgic_place(&world_vm, IPA(base), count);
	spin_unlock(&world_vm.lock);
	return ret;
}

void world_go(void)
{
	for (unsigned int i = 0; i < nr_cpus; i++) {
		world_load(i);
		fake_this_icc()->vmcr |= 0xffULL << 24 | 3;
	}
	for (u32 intid = VGIC_PRIVATE; intid < world_vm.vgic->nr_irqs; intid += 16)
		wr(0, DIST + 0xc00 + intid / 4, 4, 0);
	wr(0, DIST, 4, 3);
	world_kick();
	world_exit(0);
}

void world_start(unsigned int lrs, unsigned int count, u32 irqs)
{
	world_start_without_vgic(lrs, count);
	assert_int_equal(world_create(DIST, REDIST, irqs), 0);
	world_go();
}

void world_load(unsigned int n)
{
	world_vcpu[n].cpu = &cpus[n];
	world_vcpu[n].place = VCPU_HERE;
	world_vgic_hooks->load(on(n));
	world_exit(n);
}

void world_put(unsigned int n)
{
	world_vgic_hooks->put(on(n));
	if (world_vcpu[n].place == VCPU_HERE) /* what vcpu_run() does; a kick is left to see */
		world_vcpu[n].place = VCPU_AWAY;
}

/* The kick of a vCPU that was on this CPU before: the host takes it, and ignores it. */
static void host_takes_kick(struct fake_icc *icc)
{
	assert_int_equal(ich_read_misr(), 0);
	assert_true(icc->phys_pending & kick_bit());
	icc->phys_pending &= ~kick_bit();
}

static void serve_irqs(struct vcpu *vcpu)
{
	struct fake_icc *icc = fake_this_icc();

	for (unsigned int i = 0; i < 100; i++) {
		icc->phys_pending &= kick_bit();
		icc->phys_pending |= (u32)world_phys27[vcpu->index] << VGIC_PPI_VTIMER;
		if (fake_irq() == FAKE_NONE)
			return;
		if (fake_irq() == VGIC_PPI_VTIMER) {
			if (vgic_is_v2()) /* whose hook comes first */
				(void)world_vgic_hooks->irq(vcpu);
			assert_true(vgic_forward(vcpu, VGIC_PPI_VTIMER));
		} else if (world_vgic_hooks->irq(vcpu) != VCPU_RESUME)
			host_takes_kick(icc);
		left[vcpu->index] |= world_enter(vcpu) != VCPU_RESUME;
	}
	fail_msg("a storm of interrupts on CPU %u", vcpu->index);
}

void world_serve(unsigned int n)
{
	serve_irqs(on(n));
}

void world_exit(unsigned int n)
{
	struct vcpu *vcpu = on(n);

	left[n] |= world_enter(vcpu) != VCPU_RESUME;
	serve_irqs(vcpu);
}

u32 world_told(void)
{
	u32 told = world_woken;

	for (unsigned int n = 0; n < nr_cpus; n++)
		if (fake_icc[n].phys_pending & kick_bit())
			told |= 1U << n;
	return told;
}

void world_kick(void)
{
	bool any = true;

	for (unsigned int round = 0; any; round++) {
		any = false;
		if (round == 100)
			fail_msg("vCPUs wake one another for ever");
		for (unsigned int n = 0; n < nr_cpus; n++) {
			struct vcpu *vcpu = on(n);

			if (!left[n] && !(world_told() & 1U << n) && !vcpu->vgic->leave)
				continue;
			any = true;
			world_woken &= ~(1U << n);
			left[n] = false;
			vcpu->vgic->leave = false; /* what the next load does */
			if (vcpu->vgic->loaded)
				world_exit(n);
		}
	}
}

u64 rd(unsigned int n, u64 ipa, unsigned int bytes)
{
	u64 value = ~0ULL;

	while (true) {
		enum trap_mmio answer =
			trap_device(TRAP_DEVICE_VGIC)->mmio(on(n), ipa, bytes, false, &value);

		world_exit(n);
		if (answer == TRAP_MMIO_DONE)
			return value;
		assert_int_equal(answer, TRAP_MMIO_AGAIN);
		assert_true(fake_icc[n].host_waits);
		fake_icc[n].host_waits = false; /* the host has taken its interrupt */
	}
}

void wr(unsigned int n, u64 ipa, unsigned int bytes, u64 value)
{
	enum trap_mmio answer = TRAP_MMIO_AGAIN;

	while (answer == TRAP_MMIO_AGAIN) {
		answer = trap_device(TRAP_DEVICE_VGIC)->mmio(on(n), ipa, bytes, true, &value);
		world_exit(n);
		if (answer == TRAP_MMIO_AGAIN)
			assert_true(fake_icc[n].host_waits);
		fake_icc[n].host_waits = false; /* the host has taken its interrupt */
	}
	assert_int_equal(answer, TRAP_MMIO_DONE);
}

u32 ack(unsigned int n)
{
	u32 priority, intid;

	on(n);
	intid = fake_guest_ack(256, true, &priority);
	serve_irqs(&world_vcpu[n]);
	return intid;
}

void eoi(unsigned int n, u32 intid)
{
	on(n);
	fake_guest_eoi(intid);
	serve_irqs(&world_vcpu[n]);
}

/* GICC_DIR, which traps always. */
static void v2_dir(unsigned int n, u32 intid)
{
	u64 value = intid | fake_source << 10;

	assert_int_equal(vgic_v2_mmio(on(n), WORLD_GICC + 0x1000, 4, true, &value), TRAP_MMIO_DONE);
	world_exit(n);
}

void dir(unsigned int n, u32 intid)
{
	on(n);
	if (vgic_is_v2()) {
		v2_dir(n, intid);
	} else if (fake_guest_dir(intid)) {
		vgic_write_dir(&world_vcpu[n], intid);
		world_exit(n);
	}
	serve_irqs(&world_vcpu[n]);
}

void world_check(void)
{
	struct vgic *vgic = world_vm.vgic;
	const char *why;
	u32 intid;

	if (vgic->lock.held)
		fail_msg("the vGIC's lock is held");
	spin_lock(&vgic->lock);
	why = vgic_sane(&world_vm, &intid);
	spin_unlock(&vgic->lock);
	if (why)
		fail_msg("INTID %u: %s", intid, why);
	for (unsigned int n = 0; n < nr_cpus; n++)
		if (world_vcpu[n].vgic->lr_used >> fake_icc[n].nr_lrs)
			fail_msg("list registers in use that there are not: %#x",
				 world_vcpu[n].vgic->lr_used);
}
