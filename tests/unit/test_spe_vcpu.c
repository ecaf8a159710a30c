// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/trap/trap.c hyp/trap/abort.c tests/unit/fake_panic.c hyp/trap/error.c hyp/trap/sysreg.c hyp/trap/el2.c hyp/trap/set_way.c hyp/trap/debug.c hyp/trap/device.c hyp/spe/spe_vcpu.c hyp/spe/spe_emul_regs.c hyp/spe/spe_debug.c hyp/spe/spe_arm.c hyp/spe/spe_regs.c hyp/trap/id_regs.c hyp/trap/impl_regs.c hyp/trap/guest_psci.c hyp/trap/guest_smccc.c hyp/cpu/features.c hyp/lib/printf.c tests/unit/arch/fake_sysreg.c hyp/cpu/errata.c hyp/cpu/hw_errors.c hyp/vm/serror.c */
/* A vCPU that has SPE: ID registers, registers for userspace, the host's calls, the hardware. */
#include <trap_world.h>

#include <spe/spe_debug.h>
#include <spe/spe_vcpu.h>
#include <trap/debug.h>

#define VBAR  0xffff800008010000ULL
#define TDE   BIT(8)
#define DFR0  SYSREG_ENC(3, 0, 0, 5, 0)
#define PMSCR REG_NUM(PMSCR_EL1)

static u64 memory[2][VCPU_SPE_BYTES / 8];

/* Two vCPUs with it, on a machine with 6 breakpoints, 2 of them
 * context-aware, and 4 watchpoints. */
static void set_registers(const char *format, unsigned int count)
{
	char name[16];

	while (count--) {
		snprintf(name, sizeof(name), format, count);
		fake_sysreg_set(name, 0);
	}
}

/* Two vCPUs with it, on a machine with 6 breakpoints, 2 of them
 * context-aware, and 4 watchpoints. */
static int setup(void **state)
{
	unsigned int i;

	world_start();
	set_registers("dbgbvr%u_el1", 6);
	set_registers("dbgbcr%u_el1", 6);
	set_registers("dbgwvr%u_el1", 4);
	set_registers("dbgwcr%u_el1", 4);
	set_field(ID_DFR0_BRPs, 5);
	set_field(ID_DFR0_CTX_CMPs, 1);
	set_field(ID_DFR0_WRPs, 3);
	fake_sysreg_set("id_aa64dfr0_el1", 5 << 12 | 3 << 20);
	fake_sysreg_set("mdcr_el2", 0xe00);
	memset(memory, 0, sizeof(memory));
	for (i = 0; i < 2; i++) {
		w.vcpu[i].spe = (void *)memory[i];
		w.vcpu[i].features |= BIT(VCPU_SPE);
		sysreg_reset(&w.vcpu[i]);
	}
	return 0;
}

static u64 id(const struct vcpu *vcpu, enum id_field field)
{
	const struct id_field_desc *desc = id_field_desc(field);

	return id_reg_value(vcpu, desc->reg) >> desc->shift & GENMASK(desc->width - 1, 0);
}

static void id_registers_show_spe_and_the_breakpoints_left(void **state)
{
	const struct vcpu *without = &w.vcpu[2];

	assert_int_equal(id(V, ID_DFR0_PMSVer), SPE_PMSVER);
	assert_int_equal(id(V, ID_DFR0_BRPs), 4);
	assert_int_equal(id(V, ID_DFR0_CTX_CMPs), 0);
	assert_int_equal(id(V, ID_DFR0_WRPs), 3);
	assert_int_equal(debug_breakpoints(V), 5);
	assert_int_equal(id(without, ID_DFR0_PMSVer), 0);
	assert_int_equal(id(without, ID_DFR0_BRPs), 5);
	assert_int_equal(id(without, ID_DFR0_CTX_CMPs), 1);
	assert_int_equal(debug_breakpoints(without), 6);
}

static void only_the_guests_own_read_shows_interest(void **state)
{
	u64 value;

	assert_int_equal(sysreg_user_get(V, DFR0, &value), 0);
	assert_false(V->spe->arm.interested); /* userspace's read is not the guest's */
	w.cpu.vcpu = V;
	assert_int_equal(take(V, ESR_EC_SYS64, 1 | 3 << 20 | 5 << 1 | 1 << 5), VCPU_RESUME);
	assert_true(V->spe->arm.interested);
	assert_int_equal(sysreg_user_set(&w.vcpu[1], PMSCR, 0), 0);
	assert_true(w.vcpu[1].spe->arm.interested); /* it may have asked elsewhere */
}

static void userspace_reads_and_writes_spes_registers(void **state)
{
	u64 value;

	assert_int_equal(sysreg_user_set(V, PMSCR, ~0ULL), 0);
	assert_int_equal(sysreg_user_get(V, PMSCR, &value), 0);
	assert_int_equal(value, 0x7b);
	assert_int_equal(sysreg_user_get(V, REG_NUM(PMSIDR_EL1), &value), 0);
	assert_int_equal(sysreg_user_set(V, REG_NUM(PMSIDR_EL1), value), 0);
	assert_int_equal(sysreg_user_set(V, REG_NUM(PMSIDR_EL1), value + 1), -EINVAL);
	assert_int_equal(sysreg_user_get(V, SPE_SYSREG(10, 2), &value), -ENOENT);
	assert_int_equal(sysreg_user_get(&w.vcpu[2], PMSCR, &value), -ENOENT);
	assert_int_equal(sysreg_user_set(&w.vcpu[2], PMSCR, 0), -ENOENT);
	sysreg_reset(V);
	assert_int_equal(sysreg_user_get(V, PMSCR, &value), 0);
	assert_int_equal(value, 0);
	assert_false(V->spe->arm.interested);
}

static void init_checks_its_interrupt(void **state)
{
	struct vcpu *other = &w.vcpu[1];

	assert_int_equal(spe_vcpu_control(&w.vcpu[2], KEEL_SPE_INIT, 21), -ENXIO);
	assert_int_equal(spe_vcpu_control(V, 2, 0), -EINVAL);
	assert_int_equal(spe_vcpu_control(V, KEEL_SPE_STOP, 1), -EAGAIN);
	w.vm.vgic = NULL;
	assert_int_equal(spe_vcpu_control(V, KEEL_SPE_INIT, 21), -ENODEV);
	w.vm.vgic = &w.vgic;
	assert_int_equal(spe_vcpu_control(V, KEEL_SPE_INIT, 15), -EINVAL);
	assert_int_equal(spe_vcpu_control(V, KEEL_SPE_INIT, 32), -EINVAL);
	assert_int_equal(spe_vcpu_control(V, KEEL_SPE_INIT, 1ULL << 32 | 21), -EINVAL);
	assert_int_equal(spe_vcpu_control(V, KEEL_SPE_INIT, VGIC_PPI_VTIMER), -EINVAL);
	assert_int_equal(spe_vcpu_control(V, KEEL_SPE_INIT, VGIC_PPI_PTIMER), -EINVAL);
	assert_false(V->spe_ready);
	assert_int_equal(spe_vcpu_control(V, KEEL_SPE_INIT, 21), 0);
	assert_true(V->spe_ready);
	assert_int_equal(spe_vcpu_control(V, KEEL_SPE_INIT, 21), -EBUSY);
	assert_int_equal(spe_vcpu_control(other, KEEL_SPE_INIT, 22), -EINVAL);
	assert_int_equal(spe_vcpu_control(other, KEEL_SPE_INIT, 21), 0);
	assert_int_equal(spe_vcpu_control(V, KEEL_SPE_STOP, 3), -EINVAL);
	assert_int_equal(spe_vcpu_control(V, KEEL_SPE_STOP, KVM_ARM_VCPU_SPE_STOP_EXIT), 0);
	assert_int_equal(V->spe->stop, KVM_ARM_VCPU_SPE_STOP_EXIT);
	assert_int_equal(spe_vcpu_control(V, KEEL_SPE_STOP, KVM_ARM_VCPU_SPE_RESUME), 0);
	assert_int_equal(V->spe->stop, 0);
}

static void statistics_are_read(void **state)
{
	struct vcpu_spe_stats stats;

	assert_int_equal(spe_vcpu_stats(&w.vcpu[2], &stats), -ENXIO);
	assert_int_equal(spe_vcpu_stats(V, &stats), 0);
	assert_int_equal(stats.samples | stats.dropped | stats.false_hits | stats.emulated, 0);
	V->spe->samples = 1;
	spe_count(&V->spe->samples);
	spe_count(&V->spe->dropped);
	V->spe->arm.false_hits = 3;
	V->spe->arm.emulated = 4;
	sysreg_reset(V); /* they count on */
	assert_int_equal(spe_vcpu_stats(V, &stats), 0);
	assert_int_equal(stats.samples, 2);
	assert_int_equal(stats.dropped, 1);
	assert_int_equal(stats.false_hits, 3);
	assert_int_equal(stats.emulated, 4);
}

static void the_interrupt_follows_pmbsr(void **state)
{
	assert_true(spe_vcpu_write(V, REG_NUM(PMBSR_EL1), PMBSR_S));
	assert_int_equal(w.ppi, 0); /* which one is not known yet */
	assert_int_equal(spe_vcpu_control(V, KEEL_SPE_INIT, 21), 0);
	assert_int_equal(w.ppi, 21);
	assert_true(w.ppi_level);
	assert_true(spe_vcpu_write(V, REG_NUM(PMBSR_EL1), 0));
	assert_false(w.ppi_level);
	assert_true(spe_vcpu_write(V, REG_NUM(PMBSR_EL1), PMBSR_S));
	assert_true(w.ppi_level);
	sysreg_reset(V);
	assert_false(w.ppi_level);
}

static void watch(void)
{
	w.cpu.vcpu = V;
	debug_load(V);
	V->spe->arm.interested = true;
	V->spe->arm.readable = true;
	V->spe->arm.vbar = VBAR;
}

/* The last register is EL2's, whatever the guest's have; the host's are restored. */
static void el2_uses_the_last_breakpoint_and_the_host_gets_its_own_back(void **state)
{
	fake_sysreg_set("mdscr_el1", 0x1000);
	fake_sysreg_set("dbgbvr5_el1", 0x4444);
	V->sysreg[DBGBVR0_EL1] = 0x1111;
	V->sysreg[DBGBCR0_EL1] = 0x1e5;
	V->sysreg[DBGBCR0_EL1 + 5] = 0x1e5; /* not the guest's: it has five */
	watch();
	spe_debug_enter(V);
	assert_int_equal(fake_sysreg_get("dbgbvr5_el1"), VBAR + 0x200);
	assert_int_equal(fake_sysreg_get("dbgbcr5_el1"), SPE_DBGBCR);
	assert_int_equal(fake_sysreg_get("dbgbcr0_el1"), 0);
	assert_int_equal(fake_sysreg_get("mdscr_el1"), MDSCR_MDE);
	assert_int_equal(fake_sysreg_get("mdcr_el2"), 0xe00 | TDE);
	V->sysreg[MDSCR_EL1] = MDSCR_MDE | MDSCR_KDE;
	spe_debug_enter(V);
	assert_int_equal(fake_sysreg_get("dbgbvr0_el1"), 0x1111);
	assert_int_equal(fake_sysreg_get("dbgbcr0_el1"), 0x1e5);
	assert_int_equal(fake_sysreg_get("dbgbcr5_el1"), SPE_DBGBCR);
	debug_put(V);
	assert_int_equal(fake_sysreg_get("dbgbvr5_el1"), 0x4444);
	assert_int_equal(fake_sysreg_get("mdscr_el1"), 0x1000);
}

static void nothing_is_written_twice(void **state)
{
	unsigned int before;

	watch();
	spe_debug_enter(V);
	before = fake_sysreg_writes("dbgbvr5_el1");
	spe_debug_enter(V);
	assert_int_equal(fake_sysreg_writes("dbgbvr5_el1"), before);
	V->sysreg[DBGBVR0_EL1] = 0x2222;
	debug_update_reg(V, DBGBVR0_EL1);
	spe_debug_enter(V);
	assert_int_equal(fake_sysreg_writes("dbgbvr5_el1"), before + 2); /* off, and on again */
}

/* While the guest steps, EL2 sets no breakpoint; while EL2 steps, the guest's are not set. */
static void a_step_of_the_guests_and_one_of_el2s_exclude_each_other(void **state)
{
	watch();
	V->sysreg[MDSCR_EL1] = MDSCR_SS;
	spe_debug_enter(V);
	assert_int_equal(fake_sysreg_get("mdcr_el2"), 0xe00);
	assert_int_equal(fake_sysreg_get("mdscr_el1"), MDSCR_SS);
	assert_false(V->regs.pstate & PSR_SS);
	V->sysreg[MDSCR_EL1] = 0;
	V->spe->arm.stepping = true;
	V->spe->arm.step_pc = V->regs.pc;
	spe_debug_enter(V);
	assert_int_equal(fake_sysreg_get("mdcr_el2"), 0xe00 | TDE);
	assert_int_equal(fake_sysreg_get("mdscr_el1"), MDSCR_SS);
	assert_true(V->regs.pstate & PSR_SS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(id_registers_show_spe_and_the_breakpoints_left, setup),
		cmocka_unit_test_setup(only_the_guests_own_read_shows_interest, setup),
		cmocka_unit_test_setup(userspace_reads_and_writes_spes_registers, setup),
		cmocka_unit_test_setup(init_checks_its_interrupt, setup),
		cmocka_unit_test_setup(statistics_are_read, setup),
		cmocka_unit_test_setup(the_interrupt_follows_pmbsr, setup),
		cmocka_unit_test_setup(el2_uses_the_last_breakpoint_and_the_host_gets_its_own_back,
				       setup),
		cmocka_unit_test_setup(nothing_is_written_twice, setup),
		cmocka_unit_test_setup(a_step_of_the_guests_and_one_of_el2s_exclude_each_other,
				       setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
