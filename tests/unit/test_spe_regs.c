// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/spe/spe_regs.c */
/* SPE's registers, their RES0 bits, when profiling is enabled, the interval counter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <spe/spe_regs.h>

static struct spe_regs regs;

static int setup(void **state)
{
	memset(&regs, 0, sizeof(regs));
	spe_regs_reset(&regs);
	return 0;
}

static u64 read(u32 encoding)
{
	u64 value = 0xdead;

	assert_true(spe_reg_read(&regs, encoding, &value));
	return value;
}

static void write(u32 encoding, u64 value)
{
	assert_true(spe_reg_write(&regs, encoding, value));
}

/* The manual's figures, bit by bit (D24.7): not taken from the header. */
static const struct {
	const char *name;
	u32 crm, op2;
	u64 bits, sve_bits;
} stored[] = {
	{ "PMSCR_EL1", 9, 0, 0x7b, 0x7b },
	{ "PMSNEVFR_EL1", 9, 1, 0x8ea, 0x608ea },
	{ "PMSICR_EL1", 9, 2, 0xff000000ffffffff, 0xff000000ffffffff },
	{ "PMSIRR_EL1", 9, 3, 0xffffff01, 0xffffff01 },
	{ "PMSFCR_EL1", 9, 4, 0x7000f, 0x7000f },
	{ "PMSEVFR_EL1", 9, 5, 0x8ea, 0x608ea },
	{ "PMSLATFR_EL1", 9, 6, 0xfff, 0xfff },
	{ "PMBLIMITR_EL1", 10, 0, 0xfffffffffffff027, 0xfffffffffffff027 },
	{ "PMBPTR_EL1", 10, 1, 0xffffffffffffffc0, 0xffffffffffffffc0 },
	{ "PMBSR_EL1", 10, 3, 0xfc0f003f, 0xfc0f003f },
};

#define ENC(crm, op2) (0xc000U | 9U << 7 | (crm) << 3 | (op2))

static void bits_that_are_res0_read_as_zero(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(stored); i++) {
		u32 encoding = ENC(stored[i].crm, stored[i].op2);

		for (int sve = 0; sve < 2; sve++) {
			u64 bits = sve ? stored[i].sve_bits : stored[i].bits;

			setup(NULL);
			regs.sve = sve;
			write(encoding, ~0ULL);
			if (read(encoding) != bits)
				fail_msg("%s: %llx", stored[i].name,
					 (unsigned long long)read(encoding));
			write(encoding, 0);
			assert_int_equal(read(encoding), 0);
		}
	}
}

static void registers_are_apart(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(stored); i++) {
		setup(NULL);
		write(ENC(stored[i].crm, stored[i].op2), ~0ULL);
		for (size_t j = 0; j < ARRAY_SIZE(stored); j++)
			if (j != i)
				assert_int_equal(read(ENC(stored[j].crm, stored[j].op2)), 0);
	}
}

static void id_registers_show_what_is_offered(void **state)
{
	/* FE, FT, FL, ArchInst, ERnd, FnE; interval 1024; 64 bytes at most; 12-bit counters */
	assert_int_equal(read(ENC(9, 7)), 0x2646f);
	/* 64 bytes; no P, no F */
	assert_int_equal(read(ENC(10, 7)), 6);
	assert_false(spe_reg_write(&regs, ENC(9, 7), 0));
	assert_false(spe_reg_write(&regs, ENC(10, 7), 0));
}

static void no_other_encoding_is_a_register(void **state)
{
	unsigned int found = 0;
	u64 value;

	for (u32 encoding = 0; encoding < 0x20000; encoding++) {
		struct spe_regs before = regs;

		value = 0x55;
		if (spe_reg_read(&regs, encoding, &value)) {
			found++;
			assert_true(spe_reg_is(encoding, false));
			assert_int_equal(spe_reg_is(encoding, true),
					 encoding != ENC(9, 7) && encoding != ENC(10, 7));
			assert_int_equal(encoding & ~0x3f, ENC(8, 0));
			continue;
		}
		assert_int_equal(value, 0x55);
		assert_false(spe_reg_is(encoding, false) || spe_reg_is(encoding, true));
		assert_false(spe_reg_write(&regs, encoding, ~0ULL));
		assert_memory_equal(&before, &regs, sizeof(regs));
	}
	assert_int_equal(found, 12);
}

static void a_reset_clears_all_registers(void **state)
{
	regs.sve = true;
	for (size_t i = 0; i < ARRAY_SIZE(stored); i++)
		write(ENC(stored[i].crm, stored[i].op2), ~0ULL);
	spe_regs_reset(&regs);
	for (size_t i = 0; i < ARRAY_SIZE(stored); i++)
		assert_int_equal(read(ENC(stored[i].crm, stored[i].op2)), 0);
	assert_true(regs.sve);
	assert_false(spe_irq(&regs));
}

static void profiling_is_enabled_as_the_manual_says(void **state)
{
	for (unsigned int bits = 0; bits < 16; bits++) {
		bool e0 = bits & 1, e1 = bits & 2, enable = bits & 4, service = bits & 8;
		bool on = enable && !service;

		write(REG_NUM(PMSCR_EL1), bits & 3);
		write(REG_NUM(PMBLIMITR_EL1), 0x1000 | enable);
		write(REG_NUM(PMBSR_EL1), service ? 1U << 17 : 0);
		assert_int_equal(spe_buffer_enabled(&regs), on);
		assert_int_equal(spe_irq(&regs), service);
		assert_int_equal(spe_enabled_at(&regs, 0, false), on && e0);
		assert_int_equal(spe_enabled_at(&regs, 1, false), on && e1);
		assert_false(spe_enabled_at(&regs, 2, false));
		assert_false(spe_enabled_at(&regs, 0, true));
	}
}

/* ---- the interval, beside the manual's SPEToCollectSample() one instruction at a time ---- */

static u64 seed;

static u8 jitter(void *arg)
{
	u64 *s = arg;

	*s = *s * 6364136223846793005ULL + 1442695040888963407ULL;
	return (*s >> 60) ? (u8)(*s >> 40) : 0; /* 0 more often than it would be */
}

struct model {
	u32 count, interval;
	u8 ecount;
	bool rnd;
};

static bool model_step(struct model *m, u64 *s)
{
	if (!m->count) {
		m->count = m->interval;
	} else if (!--m->count) {
		if (!m->rnd)
			return true;
		m->ecount = jitter(s);
		return !m->ecount;
	}
	return m->rnd && m->ecount && !--m->ecount;
}

static void interval_like_the_manual(bool rnd, u64 icr)
{
	struct model m = { (u32)icr, 0x500, (u8)(icr >> 56), rnd };
	u64 s1 = 12345, s2 = 12345, done = 0, total = 40000;
	unsigned int samples = 0;
	bool sample;

	write(REG_NUM(PMSIRR_EL1), 0x500 | rnd);
	write(REG_NUM(PMSICR_EL1), icr);
	while (done < total) {
		u64 ask = 1 + (seed = seed * 25214903917ULL + 11) % 3000;
		u64 least = spe_interval_left(&regs);
		u64 n = spe_interval_run(&regs, ask, jitter, &s1, &sample);

		assert_true(n >= 1 && n <= ask && (sample || n == ask));
		assert_true(!sample || n >= least);
		for (u64 i = 1; i <= n; i++)
			assert_int_equal(model_step(&m, &s2), sample && i == n);
		assert_int_equal(read(REG_NUM(PMSICR_EL1)), (u64)m.ecount << 56 | m.count);
		done += n;
		samples += sample;
	}
	assert_true(samples >= total / 0x600 && samples <= total / 0x500 + 3);
}

static void the_interval_counts_as_in_the_manual(void **state)
{
	static const u64 starts[] = {
		0, 1, 2, 0x500, 3ULL << 56, 0xffULL << 56 | 1, 9ULL << 56 | 9
	};

	for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
		interval_like_the_manual(false, starts[i] & 0xffffffff);
		interval_like_the_manual(true, starts[i]);
	}
}

static void no_instructions_count_nothing(void **state)
{
	bool sample = true;

	write(REG_NUM(PMSICR_EL1), 5);
	assert_int_equal(spe_interval_run(&regs, 0, jitter, &seed, &sample), 0);
	assert_false(sample);
	assert_int_equal(read(REG_NUM(PMSICR_EL1)), 5);
}

/* An interval below PMSIDR_EL1.Interval, also 0, is that; a sample that is due is not lost. */
static void a_smaller_interval_is_the_least_one(void **state)
{
	static const u64 reloads[] = { 0, 0x100, 0x300, 0x400, 0x500 };
	bool sample;

	for (size_t i = 0; i < ARRAY_SIZE(reloads); i++) {
		write(REG_NUM(PMSIRR_EL1), reloads[i]);
		write(REG_NUM(PMSICR_EL1), 0);
		assert_int_equal(spe_interval_left(&regs), 1 + MAX(reloads[i], 1024));
		assert_int_equal(spe_interval_run(&regs, 1U << 20, jitter, &seed, &sample),
				 1 + MAX(reloads[i], 1024));
		assert_true(sample);
	}
	/* the largest interval does not overflow */
	write(REG_NUM(PMSIRR_EL1), 0xffffff00);
	write(REG_NUM(PMSICR_EL1), 0);
	assert_int_equal(spe_interval_run(&regs, ~0ULL, jitter, &seed, &sample), 0xffffff01);
	assert_true(sample);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(bits_that_are_res0_read_as_zero, setup),
		cmocka_unit_test_setup(registers_are_apart, setup),
		cmocka_unit_test_setup(id_registers_show_what_is_offered, setup),
		cmocka_unit_test_setup(no_other_encoding_is_a_register, setup),
		cmocka_unit_test_setup(a_reset_clears_all_registers, setup),
		cmocka_unit_test_setup(profiling_is_enabled_as_the_manual_says, setup),
		cmocka_unit_test_setup(the_interval_counts_as_in_the_manual, setup),
		cmocka_unit_test_setup(no_instructions_count_nothing, setup),
		cmocka_unit_test_setup(a_smaller_interval_is_the_least_one, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
