// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/host/own_fault.c hyp/cpu/extable.c hyp/cpu/hw_errors.c hyp/vm/serror.c tests/unit/arch/fake_ich.c tests/unit/arch/fake_sysreg.c */
/* Faults of EL2's own accesses that have a fix-up: what is counted, logged and reported. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include <arch/ich.h>
#include <arch/percpu.h>
#include <cpu/hw_errors.h>
#include <cpu/log.h>
#include <host/own_fault.h>
#include <lib/esr.h>
#include <mm/el2_map.h>
#include <vgic/vgic.h>
#include <vm/serror.h>
#include <vm/switch.h>

#define FAR	 0x4000123450ULL
#define ABORT	 (FIELD_PREP(ESR_EC, ESR_EC_DABT_CUR) | ESR_IL | ESR_FSC_EXTABT)
#define SET(set) (ABORT | FIELD_PREP(ESR_SET, set))
#define UER	 0
#define RESERVED 1
#define UC	 2
#define UEO	 3
#define KICK	 (1U << VGIC_PPI_MAINTENANCE)

/* "Code" of one instruction that may fault, and its fix-up. */
static u32 text[4];
static struct extable_row row;
static struct percpu cpu;
static struct vm_cpu vm_cpu;
static struct vcpu vcpu;
static u64 host_serror;
static unsigned int lines;

void log_msg(enum log_level level, const char *fmt, ...)
{
	lines++;
}

u64 ratelimit(struct ratelimit *rl)
{
	return 1;
}

u64 el2_physical(u64 va)
{
	return va & 0xffffffff;
}

void switch_host_serror(u64 esr)
{
	host_serror = esr;
}

static s32 distance(const s32 *from, const u32 *to)
{
	return (s32)((intptr_t)to - (intptr_t)from);
}

static int setup(void **state)
{
	row.from = distance(&row.from, &text[1]);
	row.to = distance(&row.to, &text[2]);
	row.fixup = distance(&row.fixup, &text[3]);
	vm_cpu = (struct vm_cpu){ .vcpu = NULL };
	cpu = (struct percpu){ .vm_cpu = &vm_cpu, .ras = true, .gicr = fake_gicr(0) };
	fake_cpu = &cpu;
	fake_ich_reset(4, 5);
	host_serror = 0;
	lines = 0;
	return 0;
}

static u64 pc(unsigned int at)
{
	return (u64)(uintptr_t)&text[at];
}

/* A fault of the instruction at @at. Returns where EL2 goes on; 0 if there is no fix-up. */
static u64 mend(unsigned int at, u64 esr)
{
	u64 to = pc(at);

	return own_fault_mend(&row, 1, esr, FAR, &to) ? to : 0;
}

static void a_contained_fault_is_counted_and_logged(void **state)
{
	static const u64 esrs[] = { SET(UER), SET(UEO), SET(UER) | ESR_CM,
				    SET(UC) - ESR_FSC_EXTABT + ESR_FSC_EXTABT_WALK };

	for (size_t i = 0; i < ARRAY_SIZE(esrs); i++) {
		u64 before = hw_errors(HW_EL2_FAULTS);

		setup(state);
		vm_cpu.vcpu = i % 2 ? &vcpu : NULL;
		assert_int_equal(mend(1, esrs[i]), pc(3));
		assert_int_equal(hw_errors(HW_EL2_FAULTS), before + 1);
		assert_int_equal(lines, 1);
		assert_int_equal(host_serror, 0);
		assert_int_equal(fake_icc[0].phys_pending, 0);
	}
}

static void an_uncontained_fault_gives_the_host_an_serror(void **state)
{
	static const u64 sets[] = { UC, RESERVED };

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		setup(state);
		assert_int_equal(mend(1, SET(sets[i])), pc(3));
		assert_int_equal(serror_owner(host_serror, true), SERROR_HOST);
		assert_int_equal(host_serror, serror_esr_uncontained());
		assert_int_equal(lines, 1);
		assert_int_equal(fake_icc[0].phys_pending, 0); /* it runs next */
	}
}

/* The guest would go on until something else interrupts it. */
static void an_uncontained_fault_ends_the_run_of_a_loaded_guest(void **state)
{
	vm_cpu.vcpu = &vcpu;
	assert_int_equal(mend(1, SET(UC)), pc(3));
	assert_int_equal(host_serror, serror_esr_uncontained());
	assert_int_equal(fake_icc[0].phys_pending, KICK);

	setup(state);
	vm_cpu.vcpu = &vcpu;
	cpu.gicr = NULL;
	assert_int_equal(mend(1, SET(UC)), pc(3));
	assert_int_equal(host_serror, serror_esr_uncontained());
}

static void the_redistributor_faults(void)
{
	assert_int_equal(mend(1, SET(UC)), pc(3));
}

static void the_redistributor_may_be_what_fails(void **state)
{
	vm_cpu.vcpu = &vcpu;
	fake_gicr_power(0, false);
	fake_gicr_faults = the_redistributor_faults;
	for (unsigned int i = 1; i <= 3; i++) {
		assert_int_equal(mend(1, SET(UC)), pc(3));
		assert_int_equal(fake_icc[0].faults, i);
	}
	assert_int_equal(host_serror, serror_esr_uncontained());
}

/* ESR_EL2.SET means nothing there. */
static void without_ras_all_is_contained(void **state)
{
	cpu.ras = false;
	assert_int_equal(mend(1, SET(UC)), pc(3));
	assert_int_equal(host_serror, 0);
}

static void before_the_host_runs_nothing_is_reported(void **state)
{
	cpu.vm_cpu = NULL;
	assert_int_equal(mend(1, SET(UC)), pc(3));
	fake_cpu = NULL;
	assert_int_equal(mend(1, SET(UC)), pc(3));
	assert_int_equal(host_serror, 0);
	assert_int_equal(lines, 2);
}

/* An expected SError, or a probed register: the code that expects it handles it. */
static void an_expected_fault_is_not_counted(void **state)
{
	u64 before = hw_errors(HW_EL2_FAULTS);

	assert_int_equal(mend(1, FIELD_PREP(ESR_EC, ESR_EC_SERROR) | ESR_IL), pc(3));
	row.fixup |= EXTABLE_UNDEF;
	assert_int_equal(mend(1, FIELD_PREP(ESR_EC, ESR_EC_UNKNOWN) | ESR_IL), pc(3));
	assert_int_equal(hw_errors(HW_EL2_FAULTS), before);
	assert_int_equal(lines, 0);
	assert_int_equal(host_serror, 0);
}

static void a_fault_without_a_row_is_not_mended(void **state)
{
	u64 to = pc(0);

	assert_false(own_fault_mend(&row, 1, SET(UC), FAR, &to));
	assert_int_equal(to, pc(0));
	assert_int_equal(mend(1, ABORT - ESR_FSC_EXTABT + ESR_FSC_PERMISSION), 0);
	assert_int_equal(lines, 0);
	assert_int_equal(host_serror, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_contained_fault_is_counted_and_logged, setup),
		cmocka_unit_test_setup(an_uncontained_fault_gives_the_host_an_serror, setup),
		cmocka_unit_test_setup(an_uncontained_fault_ends_the_run_of_a_loaded_guest, setup),
		cmocka_unit_test_setup(the_redistributor_may_be_what_fails, setup),
		cmocka_unit_test_setup(without_ras_all_is_contained, setup),
		cmocka_unit_test_setup(before_the_host_runs_nothing_is_reported, setup),
		cmocka_unit_test_setup(an_expected_fault_is_not_counted, setup),
		cmocka_unit_test_setup(a_fault_without_a_row_is_not_mended, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
