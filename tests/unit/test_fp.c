// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/vm/guest_traps.c hyp/cpu/features.c hyp/cpu/errata.c tests/unit/arch/fake_sysreg.c tests/unit/fake_panic.c */
/*
 * SVE vector lengths of machines whose CPUs have different ones: what is offered, what a guest gets
 * on a CPU that has longer ones, and which CPUs are kept out. Includes the source, whose static
 * state is that of a machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../hyp/vm/fp.c"

#define ZCR_EL1_NAME "s3_0_c1_c2_0"
#define ZCR_EL2_NAME "s3_4_c1_c2_0"

/* Lengths of 1, 2, 4 and 8 quadwords, as sve_vqs has them. */
#define VQS_1	 0x01
#define VQS_TO_2 0x03
#define VQS_TO_4 0x0b
#define VQS_TO_8 0x8b

static struct percpu percpu;
static struct vm_cpu vm_cpu;
static struct vcpu_fpstate host_fp;
static struct vcpu vcpu;

/* The CPU: its lengths, and that with which vectors were last saved and loaded. */
static struct {
	u64 vqs;
	unsigned int saved, restored;
	unsigned int asked;
} cpu;

unsigned int sve_vq(void)
{
	u64 vqs = cpu.vqs & GENMASK(fake_sysreg_get(ZCR_EL2_NAME) & 0xf, 0);

	assert_true(vqs);
	cpu.asked++;
	return 64 - (unsigned int)__builtin_clzll(vqs);
}

void sve_save(struct vcpu_fpstate *state, bool ffr)
{
	(void)state;
	assert_true(ffr);
	cpu.saved = sve_vq();
}

void sve_restore(const struct vcpu_fpstate *state, bool ffr)
{
	(void)state;
	assert_true(ffr);
	cpu.restored = sve_vq();
}

void fpsimd_save(struct vcpu_fpstate *state)
{
	(void)state;
}

void fpsimd_restore(const struct vcpu_fpstate *state)
{
	(void)state;
}

bool sve_has_ffr(void)
{
	return true;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

/* A CPU comes up with the lengths @vqs; without SVE if there are none. */
static bool cpu_comes(u64 vqs)
{
	fake_sysreg_reset();
	fake_sysreg_set("hcr_el2", 0);
	fake_sysreg_set("cptr_el2", CPTR_RES1 | CPTR_TFP | CPTR_TZ);
	fake_sysreg_set(ZCR_EL1_NAME, 0);
	fake_sysreg_set(ZCR_EL2_NAME, 0);
	cpu.vqs = vqs;
	cpu.asked = 0;
	fake_cpu = &percpu;
	percpu = (struct percpu){ .vm_cpu = &vm_cpu };
	vm_cpu = (struct vm_cpu){ .host_fp = &host_fp, .traps.has_sve = vqs != 0 };
	return fp_cpu_online(&vm_cpu);
}

/* A guest with SVE uses it, and is put. @vq: what userspace has chosen, or 0. */
static void guest_uses_sve(unsigned int vq)
{
	vcpu = (struct vcpu){ .features = VCPU_FEATURE_SVE, .sve_vq = vq };
	vcpu.sysreg = (u64[VCPU_SYSREG_COUNT]){ 0 };
	vcpu.fp = &(struct vcpu_fpstate){ 0 };
	vm_cpu.vcpu = &vcpu;
	switch_guest_fp(&vcpu);
	assert_int_equal(cpu.saved, vm_cpu.sve_longest); /* of the host all is saved */
	fp_save_guest(&vcpu, &vm_cpu);
	assert_int_equal(cpu.saved, cpu.restored);
	assert_int_equal(fake_sysreg_get(ZCR_EL2_NAME), 0xf);
}

static int new_machine(void **state)
{
	(void)state;
	sve_vqs = VQS;
	return 0;
}

static void what_all_cpus_have_is_offered(void **state)
{
	assert_true(cpu_comes(VQS_TO_8));
	assert_int_equal(vm_cpu.sve_longest, 8);
	assert_true(cpu_comes(VQS_TO_4));
	assert_int_equal(vm_cpu.sve_longest, 4);
	assert_true(cpu_comes(VQS_TO_8 & ~BIT(1)));
	assert_int_equal(switch_sve_vqs(), VQS_TO_4 & ~BIT(1));
}

static void without_a_choice_a_guest_has_the_longest_of_all_cpus(void **state)
{
	assert_true(cpu_comes(VQS_TO_4));
	assert_true(cpu_comes(VQS_TO_8));
	guest_uses_sve(0);
	assert_int_equal(cpu.restored, 4);
	assert_int_equal(vcpu.sve_vq, 4);
}

static void a_chosen_length_is_the_guests_on_every_cpu(void **state)
{
	assert_true(cpu_comes(VQS_TO_2));
	guest_uses_sve(1);
	assert_int_equal(cpu.restored, 1);
	assert_true(cpu_comes(VQS_TO_8));
	guest_uses_sve(1);
	assert_int_equal(cpu.restored, 1);
}

static void a_cpu_that_lacks_what_was_told_is_kept_out(void **state)
{
	assert_true(cpu_comes(VQS_TO_4));
	assert_int_equal(switch_sve_vqs(), VQS_TO_4);
	assert_false(cpu_comes(VQS_TO_2));
	assert_false(cpu_comes(VQS_1));
	assert_false(cpu_comes(0));
	assert_true(cpu_comes(VQS_TO_8));
	assert_int_equal(switch_sve_vqs(), VQS_TO_4);
}

/* RDVL and ZCR_EL2 are UNDEFINED there. */
static void a_cpu_without_sve_is_not_asked_for_its_lengths(void **state)
{
	assert_true(cpu_comes(VQS_TO_4));
	assert_true(cpu_comes(0));
	assert_int_equal(cpu.asked, 0);
	assert_int_equal(fake_sysreg_get(ZCR_EL2_NAME), 0);
	assert_int_equal(switch_sve_vqs(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_all_cpus_have_is_offered, new_machine),
		cmocka_unit_test_setup(without_a_choice_a_guest_has_the_longest_of_all_cpus,
				       new_machine),
		cmocka_unit_test_setup(a_chosen_length_is_the_guests_on_every_cpu, new_machine),
		cmocka_unit_test_setup(a_cpu_that_lacks_what_was_told_is_kept_out, new_machine),
		cmocka_unit_test_setup(a_cpu_without_sve_is_not_asked_for_its_lengths, new_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
