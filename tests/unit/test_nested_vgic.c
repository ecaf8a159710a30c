// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/nested/nested_vgic.c hyp/nested/nested_route.c hyp/nested/nested_lr.c hyp/nested/nested_regs.c hyp/nested/nested_nvhe.c hyp/nested/nested_layout.c hyp/vgic/vgic.c hyp/vgic/vgic_sane.c hyp/vgic/vgic_mmio.c hyp/mm/page_pool.c tests/unit/vgic_world.c tests/unit/arch/fake_ich.c tests/unit/arch/fake_sysreg.c hyp/trap/device.c tests/unit/fake_panic.c */
/*
 * The virtual CPU interface of a guest hypervisor's nested guest, in turn with that of the VM:
 * translation of list registers against the rules one by one, computed registers against the fake
 * CPU interface, then both interfaces with interrupts at random, and a model of each.
 */
#include "vgic_world.h"

#include <stdlib.h>
#include <string.h>

#include <arch/reg_bits.h>
#include <arch/regs.h>
#include <nested/nested_lr.h>
#include <nested/nested_pauth.h>
#include <nested/nested_regs.h>
#include <nested/nested_vgic.h>

#include "swap_el1.h"

#define P	(1ULL << 62)
#define A	(1ULL << 63)
#define HW	(1ULL << 61)
#define G1	(1ULL << 60)
#define EOI	(1ULL << 41)
#define PRIO(p) ((u64)(p) << 48)
#define PIN(n)	((u64)(n) << 32)
#define VMCR	(0xffULL << 24 | 3)
#define IRQS	96
#define TO_EL2	(HCR_IMO | HCR_FMO)
#define MAINT	25

static struct nested_vcpu nested[WORLD_CPUS] __aligned(4096);
static u64 seed;

static u32 roll(u32 below)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (u32)(seed >> 33) % below;
}

static u64 roll64(void)
{
	return (u64)roll(1U << 31) << 42 ^ (u64)roll(1U << 31) << 21 ^ roll(1U << 31);
}

u64 vcpu_read_sysreg(const struct vcpu *vcpu, enum vcpu_sysreg reg)
{
	return 0;
}

void vcpu_write_sysreg(struct vcpu *vcpu, enum vcpu_sysreg reg, u64 value)
{
}

bool nested_has_pauth(const struct vcpu *vcpu)
{
	return true;
}

/* ---- translation, by the rules ---- */

static bool same_as_one_before(const u64 *lrs, const struct nested_lrs *out, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if ((out->used & 1U << i) && (u32)lrs[i] == (u32)lrs[n])
			return true;
	return false;
}

static void check_translation(const u64 *lrs, unsigned int count, u32 forwarded)
{
	struct nested_lrs out;
	u32 seen = 0;

	nested_lrs_translate(lrs, count, forwarded, &out);
	assert_false(out.forwarded & out.resolved);
	assert_false((out.forwarded | out.resolved) & ~out.used);
	for (unsigned int n = 0; n < ICH_LR_MAX; n++) {
		u64 lr = n < count ? lrs[n] : 0, now = out.lr[n];
		u32 intid = (u32)lr, pin = lr >> 32 & 0x1fff;
		bool valid = lr & (P | A),
		     drop = (intid >= 1020 && intid < 1024) || same_as_one_before(lrs, &out, n);
		bool forward = valid && !drop && (lr & HW) && pin < 32 &&
			       (forwarded & ~seen & 1U << pin) && (lr & (P | A)) != (P | A);

		assert_int_equal(out.used >> n & 1, valid && !drop);
		if (!(out.used >> n & 1)) {
			assert_int_equal(now, 0);
			continue;
		}
		/* state, group, priority and INTID are the guest hypervisor's, nothing else is */
		assert_int_equal(now & 0xd0ff0000ffffffffULL, lr & 0xd0ff0000ffffffffULL);
		assert_int_equal(out.forwarded >> n & 1, forward);
		assert_int_equal(out.resolved >> n & 1, (lr & HW) && !forward);
		assert_int_equal(now & 0x2f00ffff00000000ULL, forward	  ? HW | PIN(pin)
							      : (lr & HW) ? EOI
									  : lr & EOI);
		if (forward)
			seen |= 1U << pin;
	}
}

static void list_registers_are_translated_by_the_rules(void **state)
{
	u64 lrs[ICH_LR_MAX];

	seed = 1;
	for (unsigned int i = 0; i < 300000; i++) {
		unsigned int count = 1 + roll(ICH_LR_MAX);

		for (unsigned int n = 0; n < ICH_LR_MAX; n++) {
			lrs[n] = roll64();
			if (roll(4)) /* few INTIDs, so that some are equal */
				lrs[n] = (lrs[n] & ~0xffffffffULL) | (1016 + roll(24));
			if (roll(2))
				lrs[n] = (lrs[n] & ~PIN(0x1fff)) | PIN(24 + roll(8));
		}
		check_translation(lrs, count, (u32)roll64());
	}
}

static void every_mask_keeps_its_numbers(void **state)
{
	u64 lrs[ICH_LR_MAX];
	struct nested_lrs out;

	for (u32 mask = 0; mask < 0x10000; mask++) {
		for (unsigned int n = 0; n < ICH_LR_MAX; n++)
			lrs[n] = (mask & 1U << n ? P : 0) | EOI | (40 + n);
		nested_lrs_translate(lrs, ICH_LR_MAX, 0, &out);
		assert_int_equal(out.used, mask);
		assert_int_equal(nested_lrs_empty(lrs, ICH_LR_MAX), 0);
		assert_int_equal(nested_lrs_ended(lrs, ICH_LR_MAX), mask ^ 0xffff);
	}
}

/* ---- registers that the CPU computes: the fake CPU interface does, too ---- */

static void the_reasons_are_those_of_the_hardware(void **state)
{
	struct percpu cpu = { .id = 0 };
	struct fake_icc *icc;

	fake_cpu = &cpu;
	seed = 2;
	for (unsigned int i = 0; i < 300000; i++) {
		fake_ich_reset(1 + roll(ICH_LR_MAX), 5);
		icc = fake_this_icc();
		for (unsigned int n = 0; n < ICH_LR_MAX; n++)
			icc->lr[n] = roll64() & (roll(3) ? ~(P | A | EOI) : ~0ULL);
		icc->hcr = roll64() & (roll(2) ? 0xffULL : ~0ULL);
		icc->vmcr = roll64();
		assert_int_equal(nested_lrs_misr(icc->lr, icc->nr_lrs, icc->hcr, icc->vmcr),
				 ich_read_misr());
	}
}

static void no_reason_is_reported_twice(void **state)
{
	for (u64 misr = 0; misr < 0x100; misr++) {
		u64 hcr = nested_lrs_hcr(~0ULL, misr);

		assert_int_equal(hcr & 0xfe, ~misr & 0xfe);
		assert_int_equal(hcr & ~0xfeULL, 0xf8005c01);
	}
}

/* ---- both interfaces ---- */

static void start(unsigned int lrs, unsigned int cpus)
{
	world_start(lrs, cpus, IRQS);
	nested_vgic_init();
	memset(nested, 0, sizeof(nested));
	for (unsigned int n = 0; n < cpus; n++) {
		world_vcpu[n].nested = &nested[n];
		nested[n].context = NESTED_EL1;
		nested[n].page[HCR_EL2] = TO_EL2;
		nested[n].page[ICH_HCR_EL2] = 1;
		nested[n].page[ICH_VMCR_EL2] = VMCR;
		wr(n, sgi_frame(n, 0x100), 4, 0xffffffff);
	}
	on(0);
}

/* An entry of vCPU 0's nested guest, or what is signalled to its EL2. */
static enum vgic_signal enter(void)
{
	struct vcpu *vcpu = on(0);
	enum vgic_signal signal;

	(void)world_enter(vcpu);
	signal = nested_vgic_lend(vcpu);
	if (signal == VGIC_NO_SIGNAL)
		nested_vgic_enter(vcpu);
	else
		vgic_refill(vcpu);
	return signal;
}

static bool leave(void)
{
	bool maintenance = nested_vgic_leave(on(0));

	nested_vgic_settle(on(0));
	assert_false(nested[0].lent);
	world_check();
	return maintenance;
}

/* EL2 runs for a while: the VM's interrupts are in list registers. */
static void run_el2(void)
{
	struct vcpu *vcpu = on(0);

	(void)world_enter(vcpu);
	vgic_refill(vcpu);
}

static void the_vms_interface_comes_back(void **state)
{
	start(4, 1);
	fake_icc[0].vmcr = 0xf0ULL << 24 | 3 | 1 << 9;
	wr(0, sgi_frame(0, 0x200), 4, 1 << 5);
	assert_int_equal(ack(0), 5); /* active, at a priority of its own */
	fake_icc[0].ap1r[0] = 1;     /* 0: nothing preempts */
	wr(0, sgi_frame(0, 0x200), 4, 1 << 6);
	nested[0].page[ICH_LR0_EL2 + 2] = P | G1 | PRIO(8) | 50;
	nested[0].page[ICH_AP1R0_EL2] = 0x10;
	assert_int_equal(enter(), VGIC_NO_SIGNAL);
	assert_int_equal(fake_icc[0].lr[2], P | G1 | PRIO(8) | 50);
	assert_int_equal(fake_icc[0].lr[0] | fake_icc[0].lr[1] | fake_icc[0].lr[3], 0);
	assert_int_equal(fake_icc[0].vmcr, VMCR);
	assert_int_equal(fake_icc[0].ap1r[0], 0x10);
	fake_icc[0].vmcr = VMCR & ~1ULL;
	fake_icc[0].ap1r[0] = 0x30;
	(void)leave();
	assert_int_equal(nested[0].page[ICH_VMCR_EL2], VMCR & ~1ULL);
	assert_int_equal(nested[0].page[ICH_AP1R0_EL2], 0x30);
	assert_int_equal(fake_icc[0].vmcr, 0xf0ULL << 24 | 3 | 1 << 9);
	assert_int_equal(fake_icc[0].ap1r[0], 1);
	assert_int_equal(fake_icc[0].lr[2], 0);
	run_el2();
	fake_icc[0].ap1r[0] = 0;
	dir(0, 5);
	assert_int_equal(ack(0), 6);
}

static void lines_and_groups_signal(void **state)
{
	start(4, 1);
	assert_int_equal(enter(), VGIC_NO_SIGNAL);
	(void)leave();
	wr(0, sgi_frame(0, 0x200), 4, 1 << 5);
	assert_int_equal(enter(), VGIC_IRQ);
	assert_int_equal(ack(0), 5);
	assert_int_equal(enter(), VGIC_NO_SIGNAL); /* active */
	(void)leave();
	run_el2();
	eoi(0, 5);
	wr(0, sgi_frame(0, 0x80), 4, ~(1U << 7)); /* of Group 0 */
	wr(0, sgi_frame(0, 0x200), 4, 1 << 7);
	assert_int_equal(enter(), VGIC_FIQ);
	wr(0, sgi_frame(0, 0x280), 4, 1 << 7);
	assert_int_equal(enter(), VGIC_NO_SIGNAL);
	(void)leave();
}

/* The binary point and the running priority, as ICH_VMCR_EL2 and ICH_AP1R0_EL2 have them. */
static void what_does_not_preempt_does_not_signal(void **state)
{
	start(4, 1);
	wr(0, sgi_frame(0, 0x405), 1, 0x50);
	wr(0, sgi_frame(0, 0x200), 4, 1 << 5);
	for (unsigned int level = 0; level < 32; level++)
		for (unsigned int bpr = 0; bpr < 8; bpr++) {
			u32 mask = 0xffU << bpr & 0xff;
			bool preempts = (0x50 & mask) < level << 3;

			run_el2();
			fake_icc[0].ap1r[0] = 1ULL << level;
			fake_icc[0].vmcr = VMCR | (u64)bpr << 18;
			assert_int_equal(enter(), preempts ? VGIC_IRQ : VGIC_NO_SIGNAL);
			if (!preempts)
				(void)leave();
		}
}

static void an_interrupt_at_any_step_ends_the_run(void **state)
{
	struct vcpu *vcpu;

	for (unsigned int step = 0; step < 4; step++) {
		start(4, 2);
		assert_int_equal(enter(), VGIC_NO_SIGNAL);
		(void)leave();
		vcpu = on(0);
		for (unsigned int now = 0; now < 4; now++) {
			if (now == step) {
				(void)vgic_write_sgi1r(on(1), 9ULL << 24 | 1);
				vcpu = on(0);
			}
			if (now == 0)
				(void)world_enter(vcpu);
			else if (now == 1 && nested_vgic_lend(vcpu) != VGIC_NO_SIGNAL)
				break;
			else if (now == 2)
				nested_vgic_enter(vcpu);
		}
		if (!nested[0].lent) {
			assert_true(step < 2);
			continue;
		}
		/* too late for this entry: the CPU is interrupted, and the next one sees it */
		assert_int_equal(fake_irq(), MAINT);
		assert_false(leave());
		assert_int_equal(world_vgic_hooks->irq(vcpu), VCPU_RESUME);
		assert_int_equal(enter(), VGIC_IRQ);
		assert_int_equal(fake_irq(), FAKE_NONE);
	}
}

static void the_vms_forwarded_timer_is_the_nested_guests_to_end(void **state)
{
	start(4, 1);
	world_phys27[0] = true;
	world_serve(0);
	assert_int_equal(enter(), VGIC_IRQ);
	fake_icc[0].vmcr |= 1 << 9;
	assert_int_equal(ack(0), 27);
	nested[0].page[ICH_LR0_EL2 + 3] = P | G1 | HW | PIN(27) | 27;
	assert_int_equal(enter(), VGIC_NO_SIGNAL);
	assert_int_equal(fake_icc[0].lr[3], P | G1 | HW | PIN(27) | 27);
	assert_true(fake_icc[0].phys_active & 1U << 27);
	(void)leave(); /* not ended yet */
	assert_int_equal(enter(), VGIC_NO_SIGNAL);
	assert_int_equal(ack(0), 27);
	world_phys27[0] = false;
	fake_guest_eoi(27);
	assert_false(fake_icc[0].phys_active & 1U << 27);
	(void)leave();
	assert_int_equal(nested[0].page[ICH_LR0_EL2 + 3], G1 | HW | PIN(27) | 27);
	assert_false(world_vcpu[0].vgic->irq[27].active || world_vcpu[0].vgic->irq[27].forwarded);
	assert_int_equal(enter(), VGIC_NO_SIGNAL);
	(void)leave();
}

/* The vCPU was on no CPU meanwhile: the physical interrupt is not active any more. */
static void a_forwarded_timer_that_has_moved_is_ended_by_software(void **state)
{
	start(4, 1);
	world_phys27[0] = true;
	world_serve(0);
	fake_icc[0].vmcr |= 1 << 9;
	assert_int_equal(ack(0), 27);
	nested[0].page[ICH_LR0_EL2] = P | G1 | HW | PIN(27) | 27;
	world_phys27[0] = false;
	world_put(0);
	world_load(0);
	assert_int_equal(enter(), VGIC_NO_SIGNAL);
	assert_int_equal(fake_icc[0].lr[0], P | G1 | EOI | 27);
	assert_int_equal(fake_guest_ack(256, true, &(u32){ 0 }), 27);
	fake_guest_eoi(27);
	assert_int_equal(fake_irq(), MAINT);
	assert_true(leave());
	assert_int_equal(nested[0].page[ICH_LR0_EL2], G1 | HW | PIN(27) | 27);
	assert_false(world_vcpu[0].vgic->irq[27].active);
	/* that is nobody's maintenance interrupt but Keel's */
	assert_false(world_vcpu[0].vgic->irq[MAINT].line);
}

static void the_maintenance_interrupt_is_a_level_of_the_vm(void **state)
{
	start(4, 1);
	nested[0].page[ICH_LR0_EL2 + 1] = P | G1 | EOI | 60;
	assert_int_equal(enter(), VGIC_NO_SIGNAL);
	assert_int_equal(fake_guest_ack(256, true, &(u32){ 0 }), 60);
	assert_int_equal(fake_irq(), FAKE_NONE);
	fake_guest_eoi(60);
	assert_int_equal(fake_irq(), MAINT);
	assert_true(leave());
	assert_true(world_vcpu[0].vgic->irq[MAINT].line);
	assert_int_equal(enter(), VGIC_IRQ);
	assert_int_equal(ack(0), MAINT);
	/* not taken by the VM's choice: no storm at the nested guest */
	wr(0, sgi_frame(0, 0x180), 4, 1U << MAINT);
	eoi(0, MAINT);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(enter(), VGIC_NO_SIGNAL);
		assert_int_equal(fake_irq(), FAKE_NONE);
		assert_false(leave());
	}
	nested[0].page[ICH_LR0_EL2 + 1] = 0;
	(void)nested_vgic_leave(on(0));
	assert_false(world_vcpu[0].vgic->irq[MAINT].line);
}

static void userspace_does_not_drive_what_el2_does(void **state)
{
	u64 index = 0;

	start(4, 1);
	for (u32 intid = 25; intid <= 28; intid++)
		assert_int_equal(vgic_irq_line(&world_vm, &index, intid, true), 0);
	world_vm.vgic->maintenance = 24;
	assert_int_equal(vgic_irq_line(&world_vm, &index, 24, true), 0);
	assert_int_equal(vgic_irq_line(&world_vm, &index, 25, true), 1);
}

static void some_registers_are_computed(void **state)
{
	struct vcpu *vcpu;
	u64 value = 0;

	start(3, 1);
	vcpu = on(0);
	assert_true(nested_vgic_access(vcpu, REG_NUM(ICH_VTR_EL2), true, &value));
	assert_int_equal(value & 0x1f, 2);
	assert_int_equal(value >> 20 & 1, 1);
	nested[0].page[ICH_LR0_EL2] = P;
	nested[0].page[ICH_LR0_EL2 + 1] = EOI;
	assert_true(nested_vgic_access(vcpu, REG_NUM(ICH_ELRSR_EL2), true, &value));
	assert_int_equal(value, 4);
	assert_true(nested_vgic_access(vcpu, REG_NUM(ICH_EISR_EL2), true, &value));
	assert_int_equal(value, 2);
	assert_true(nested_vgic_access(vcpu, REG_NUM(ICH_MISR_EL2), true, &value));
	assert_int_equal(value, 1);
	assert_true(nested_vgic_access(vcpu, REG_NUM(ICC_SRE_EL2), true, &value));
	assert_int_equal(value, 0xf);
	assert_true(nested_vgic_access(vcpu, REG_NUM(ICC_SRE_EL2), false, &value));
	assert_false(nested_vgic_access(vcpu, REG_NUM(ICH_VTR_EL2), false, &value));
	assert_false(nested_vgic_access(vcpu, REG_NUM(ICH_HCR_EL2), true, &value));
	/* WFI of the nested guest */
	nested[0].page[ICH_LR0_EL2] = A | G1 | 50;
	assert_false(nested_vgic_wakes(vcpu));
	nested[0].page[ICH_LR0_EL2] = P | G1 | PRIO(0x80) | 50;
	assert_true(nested_vgic_wakes(vcpu));
	nested[0].page[ICH_VMCR_EL2] = 0x80ULL << 24 | 2;
	assert_false(nested_vgic_wakes(vcpu));
	nested[0].page[HCR_EL2] |= HCR_VI;
	assert_true(nested_vgic_wakes(vcpu));
	nested[0].page[HCR_EL2] = HCR_IMO | HCR_FMO | HCR_VSE;
	assert_false(nested_vgic_wakes(vcpu));
	nested[0].page[HCR_EL2] |= HCR_AMO;
	assert_true(nested_vgic_wakes(vcpu));
}

/* For a nested guest that has the VM's interface: added for a run, and taken back. */
static void traps_are_for_the_vms_interface_too(void **state)
{
	struct vcpu *vcpu;
	u64 hcr;

	start(4, 1);
	vcpu = on(0);
	nested[0].page[HCR_EL2] = 0;
	run_el2();
	hcr = fake_icc[0].hcr;
	nested[0].page[ICH_HCR_EL2] = ~0ULL;
	nested_vgic_add_traps(vcpu);
	assert_int_equal(fake_icc[0].hcr, hcr | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 14);
	(void)leave();
	assert_int_equal(fake_icc[0].hcr, hcr);
	nested[0].page[ICH_HCR_EL2] = 1 << 12;
	nested_vgic_add_traps(vcpu);
	assert_int_equal(fake_icc[0].hcr, hcr | 1 << 12);
	(void)leave();
	nested[0].page[ICH_HCR_EL2] = 0xff; /* none of them */
	nested_vgic_add_traps(vcpu);
	assert_int_equal(fake_icc[0].hcr, hcr);
	(void)leave();
	assert_int_equal(fake_icc[0].hcr, hcr);
}

/* The registers that are state, by encoding, each in a place of its own; no others. */
static void userspace_saves_and_restores_the_interface(void **state)
{
	static const u32 constant[] = { REG_NUM(ICH_VTR_EL2), REG_NUM(ICC_SRE_EL2) };
	unsigned int kept = 0;
	struct vcpu *vcpu;
	u64 value;

	start(4, 1);
	vcpu = on(0);
	for (u32 i = 0; i < 0x10000; i++)
		kept += !nested_vgic_user_get(vcpu, i, &value) &&
			!nested_vgic_user_set(vcpu, i, value ^ 1) &&
			!nested_vgic_user_set(vcpu, i, value);
	assert_int_equal(kept, 8 + 2 + 16);
	for (unsigned int i = 0; i < ARRAY_SIZE(constant); i++) {
		assert_int_equal(nested_vgic_user_get(vcpu, constant[i], &value), 0);
		assert_int_equal(nested_vgic_user_set(vcpu, constant[i], value), 0);
		assert_int_equal(nested_vgic_user_set(vcpu, constant[i], value ^ 2), -EINVAL);
	}
	for (unsigned int n = 0; n < 16; n++)
		assert_int_equal(nested_vgic_user_set(vcpu, SYSREG_ENC(3, 4, 12, 12 + n / 8, n % 8),
						      roll64()),
				 0);
	for (unsigned int n = 0; n < 16; n++) {
		assert_int_equal(
			nested_vgic_user_get(vcpu, SYSREG_ENC(3, 4, 12, 12 + n / 8, n % 8), &value),
			0);
		assert_int_equal(vcpu->nested->page[ICH_LR0_EL2 + n], value);
	}
	assert_int_equal(nested_vgic_user_get(vcpu, REG_NUM(ICH_MISR_EL2), &value), -ENOENT);
	assert_int_equal(nested_vgic_user_set(vcpu, REG_NUM(ICH_ELRSR_EL2), 0), -ENOENT);
}

static void a_cpu_with_less_is_told_apart(void **state)
{
	struct percpu less;

	start(4, 1);
	assert_true(nested_vgic_possible());
	less = *fake_cpu;
	fake_cpu = &less;
	less.nr_lrs = 3;
	assert_false(nested_vgic_possible());
	less.nr_lrs = 5;
	assert_true(nested_vgic_possible());
	less.has_tdir = false;
	assert_false(nested_vgic_possible());
}

/* ---- at random ---- */

/* The nested guest's interrupts are 200 and above: 0 not there, 1 pending, 2 active. */
static unsigned int model[ICH_LR_MAX];

static void hypervisor_fills(unsigned int lrs)
{
	unsigned int n = roll(lrs);

	if (model[n])
		return;
	model[n] = 1;
	nested[0].page[ICH_LR0_EL2 + n] = P | G1 | PRIO(roll(31) << 3) | (roll(2) ? EOI : 0) |
					  (200 + n);
}

static void nested_guest_acts(void)
{
	u32 priority, intid = fake_guest_ack(256, true, &priority);

	if (intid != FAKE_NONE) {
		assert_in_range(intid, 200, 200 + ICH_LR_MAX - 1);
		assert_int_equal(model[intid - 200], 1);
		model[intid - 200] = 2;
	}
	for (unsigned int n = 0; n < ICH_LR_MAX; n++)
		if (model[n] == 2 && roll(2)) {
			fake_guest_eoi(200 + n);
			model[n] = 0;
		}
}

static void check_list_registers(unsigned int lrs)
{
	for (unsigned int n = 0; n < lrs; n++)
		assert_int_equal(nested[0].page[ICH_LR0_EL2 + n] >> 62, model[n]);
}

static void vm_acts(void)
{
	u32 intid = 33 + roll(8);
	u64 index = 0;

	if (roll(3))
		(void)vgic_irq_line(&world_vm, &index, intid, roll(2));
	else
		wr(0, roll(2) ? DIST + 0x104 : DIST + 0x184, 4, 1U << intid % 32);
}

static void both_interfaces_signal_the_most_urgent_at_random(void **state)
{
	for (unsigned int lrs = 1; lrs <= ICH_LR_MAX; lrs++) {
		unsigned int lent = 0, signals = 0;

		seed = 1000 + lrs;
		memset(model, 0, sizeof(model));
		start(lrs, 1);
		for (unsigned int i = 0; i < 3000; i++) {
			bool group1;
			u32 best, intid;

			vm_acts();
			if (roll(2))
				hypervisor_fills(lrs);
			run_el2();
			best = fake_guest_best(256, &group1);
			if (enter() == VGIC_NO_SIGNAL) {
				assert_int_equal(best, FAKE_NONE);
				lent++;
				nested_guest_acts();
				(void)leave();
				check_list_registers(lrs);
				continue;
			}
			signals++;
			assert_int_not_equal(best, FAKE_NONE);
			intid = ack(0);
			assert_int_not_equal(intid, FAKE_NONE);
			if (intid != MAINT)
				(void)vgic_irq_line(&world_vm, &(u64){ 0 }, intid, false);
			for (unsigned int n = 0; n < lrs; n++) /* its handler: EOIs are seen */
				if (!model[n])
					nested[0].page[ICH_LR0_EL2 + n] = 0;
			(void)nested_vgic_leave(on(0));
			run_el2();
			eoi(0, intid);
			world_check();
		}
		assert_true(lent > 100 && signals > 100);
	}
}

/* ---- bad input ---- */

/* Registers of a guest hypervisor that has gone mad; few INTIDs, so that much is equal. */
static void write_anything(u64 *page)
{
	unsigned int n = roll(ICH_LR_MAX);

	page[ICH_LR0_EL2 + n] = roll64();
	if (roll(2))
		page[ICH_LR0_EL2 + n] = (roll64() & ~0x1fffffffffffULL) | PIN(24 + roll(8)) |
					(24 + roll(8));
	switch (roll(6)) {
	case 0:
		page[ICH_HCR_EL2] = roll64() | 1;
		break;
	case 1:
		page[ICH_VMCR_EL2] = roll64() | 3;
		break;
	case 2:
		page[ICH_AP1R0_EL2 + roll(4)] = roll64();
		break;
	case 3:
		page[ICH_AP0R0_EL2 + roll(4)] = roll64();
		break;
	default:
		break;
	}
}

static void nested_guest_does_anything(void)
{
	u32 priority, intid = fake_guest_ack(256, roll(2), &priority);

	if (intid != FAKE_NONE && roll(3))
		fake_guest_eoi(intid);
	if (!roll(4))
		(void)fake_guest_dir(24 + roll(8));
	fake_icc[0].vmcr ^= roll(4);
}

/* The fake CPU interface ends the test where the hardware's rules are broken. */
static void the_rules_hold_whatever_the_registers_have(void **state)
{
	const u64 own = 0xf0ULL << 24 | 3 | 1 << 9;
	unsigned int lent = 0;

	start(5, 1);
	seed = 77;
	fake_icc[0].vmcr = own;
	for (unsigned int i = 0; i < 200000; i++) {
		write_anything(nested[0].page);
		if (!roll(50))
			world_phys27[0] = !world_phys27[0];
		if (!roll(100)) {
			world_put(0);
			world_load(0);
		}
		run_el2();
		world_serve(0);
		assert_int_equal(fake_icc[0].vmcr, own);
		assert_int_equal(fake_icc[0].ap1r[0], 0);
		if (enter() == VGIC_NO_SIGNAL) {
			lent++;
			assert_int_not_equal(fake_irq(), MAINT); /* it makes progress */
			nested_guest_does_anything();
			(void)leave();
			continue;
		}
		(void)ack(0); /* only the priority is dropped: a list register may end the rest */
		if (!roll(3))
			dir(0, 25 + roll(3));
	}
	assert_true(lent > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_registers_are_translated_by_the_rules),
		cmocka_unit_test(every_mask_keeps_its_numbers),
		cmocka_unit_test(the_reasons_are_those_of_the_hardware),
		cmocka_unit_test(no_reason_is_reported_twice),
		cmocka_unit_test(the_vms_interface_comes_back),
		cmocka_unit_test(lines_and_groups_signal),
		cmocka_unit_test(what_does_not_preempt_does_not_signal),
		cmocka_unit_test(an_interrupt_at_any_step_ends_the_run),
		cmocka_unit_test(the_vms_forwarded_timer_is_the_nested_guests_to_end),
		cmocka_unit_test(a_forwarded_timer_that_has_moved_is_ended_by_software),
		cmocka_unit_test(the_maintenance_interrupt_is_a_level_of_the_vm),
		cmocka_unit_test(userspace_does_not_drive_what_el2_does),
		cmocka_unit_test(some_registers_are_computed),
		cmocka_unit_test(traps_are_for_the_vms_interface_too),
		cmocka_unit_test(userspace_saves_and_restores_the_interface),
		cmocka_unit_test(a_cpu_with_less_is_told_apart),
		cmocka_unit_test(both_interfaces_signal_the_most_urgent_at_random),
		cmocka_unit_test(the_rules_hold_whatever_the_registers_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
