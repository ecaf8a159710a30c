// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/trap/impl_regs.c hyp/cpu/features.c tests/unit/arch/fake_sysreg.c hyp/cpu/errata.c */
/* CPUs whose caches or identities differ: the machine's values, and what traps on which CPU. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arch/barrier.h>
#include <arch/sysreg.h>
#include <trap/impl_regs.h>

#define TID2 BIT(17)
#define TDZ  BIT(28)

/* RK3399: Cortex-A72 and Cortex-A53 */
#define A72_CTR 0x8444c004ULL
#define A53_CTR 0x84448004ULL

void fake_dsb(const char *opt)
{
}

static void make(u64 clidr, u64 ccsidr)
{
	fake_sysreg_reset();
	fake_sysreg_set("midr_el1", 0x410fd080);
	fake_sysreg_set("revidr_el1", 1);
	fake_sysreg_set("aidr_el1", 2);
	fake_sysreg_set("clidr_el1", clidr);
	fake_sysreg_set("csselr_el1", 7);
	fake_sysreg_set("ccsidr_el1", ccsidr);
}

static struct cpu_id_regs cpu(u64 ctr, u64 dczid)
{
	return (struct cpu_id_regs){ .reg = { [ID_REG_CTR] = ctr, [ID_REG_DCZID] = dczid } };
}

/* The machine of two CPUs. */
static struct cpu_features merged(const struct cpu_id_regs *a, const struct cpu_id_regs *b)
{
	struct cpu_features_diff diff;
	struct cpu_features all;

	cpu_features_init(&all, a);
	assert_int_equal(cpu_features_merge(&all, b, &diff), 0);
	return all;
}

static void on_equal_cpus_nothing_traps(void **state)
{
	const struct cpu_id_regs a = cpu(A72_CTR, 4);
	const struct cpu_features all = merged(&a, &a);

	make(0x0a200023, 0x701fe00a);
	impl_regs_init();
	assert_int_equal(impl_regs_traps(&a, &all), 0);
	assert_int_equal(fake_sysreg_get("csselr_el1"), 7); /* somebody's */
	assert_int_equal(impl_regs_machine()->midr, 0x410fd080);
	assert_int_equal(impl_regs_machine()->ccsidr[0], 0x701fe00a);
	assert_int_equal(impl_regs_machine()->ccsidr[3], 0); /* level 2 has one cache */
	assert_true(impl_regs_has_cache(0) && impl_regs_has_cache(1) && impl_regs_has_cache(2));
	assert_false(impl_regs_has_cache(3) || impl_regs_has_cache(4) || impl_regs_has_cache(14));
	assert_false(impl_regs_has_cache(~0ULL));
}

/* CTR_EL0 differs: it traps only on the CPU that differs from the machine. */
static void only_a_cpu_whose_ctr_differs_from_the_machines_traps(void **state)
{
	const struct cpu_id_regs big = cpu(A72_CTR, 4), little = cpu(A53_CTR, 4);
	const struct cpu_features all = merged(&big, &little);

	make(0x0a200023, 0x701fe00a);
	impl_regs_init();
	assert_int_equal(all.reg[ID_REG_CTR] >> 14 & 3, 2); /* VIPT */
	assert_int_equal(impl_regs_traps(&big, &all), TID2);
	assert_int_equal(impl_regs_traps(&little, &all), 0);
}

/* Bits that Keel does not know are no difference. */
static void bits_that_are_unknown_are_no_difference(void **state)
{
	const struct cpu_id_regs a = cpu(A72_CTR, 4), b = cpu(A72_CTR | 1ULL << 60, 4 | 1 << 9);
	const struct cpu_features all = merged(&a, &b);

	make(0x0a200023, 0x701fe00a);
	impl_regs_init();
	assert_int_equal(impl_regs_traps(&b, &all), 0);
}

static void a_cpu_whose_caches_differ_in_size_traps(void **state)
{
	const struct cpu_id_regs a = cpu(A72_CTR, 4);
	const struct cpu_features all = merged(&a, &a);

	make(0x0a200023, 0x701fe00a);
	impl_regs_init();
	make(0x0a200023, 0x700fe01a);
	assert_int_equal(impl_regs_traps(&a, &all), TID2);
	make(0x0a000023, 0x701fe00a);
	assert_int_equal(impl_regs_traps(&a, &all), TID2);
}

/* DC ZVA traps on all CPUs if sizes differ; a CPU that prohibits it itself needs no trap. */
static void dc_zva_traps_where_cpus_zero_blocks_of_different_sizes(void **state)
{
	const struct cpu_id_regs a = cpu(A72_CTR, 4), b = cpu(A72_CTR, 5), c = cpu(A72_CTR, 4 | 16);
	struct cpu_features all = merged(&a, &b);

	make(0x0a200023, 0x701fe00a);
	impl_regs_init();
	assert_int_equal(impl_regs_traps(&a, &all), TDZ);
	assert_int_equal(impl_regs_traps(&b, &all), TDZ);
	all = merged(&a, &c);
	assert_int_equal(impl_regs_traps(&a, &all), TDZ);
	assert_int_equal(impl_regs_traps(&c, &all), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_equal_cpus_nothing_traps),
		cmocka_unit_test(only_a_cpu_whose_ctr_differs_from_the_machines_traps),
		cmocka_unit_test(bits_that_are_unknown_are_no_difference),
		cmocka_unit_test(a_cpu_whose_caches_differ_in_size_traps),
		cmocka_unit_test(dc_zva_traps_where_cpus_zero_blocks_of_different_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
