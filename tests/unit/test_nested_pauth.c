// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/nested/nested_pauth.c hyp/cpu/features.c hyp/cpu/errata.c tests/unit/arch/fake_sysreg.c tests/unit/fake_panic.c */
/*
 * Authentication of ELR_EL2 against the manual's AddPAC() and Auth() (shared/functions/pac), for each
 * kind of FEAT_PAuth, both keys, all sizes of both address ranges, with the top byte ignored and not;
 * with codes that are right, and that are not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arch/pauth.h>
#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <lib/esr.h>
#include <nested/nested_pauth.h>
#include <nested/nested_regs.h>
#include <trap/id_regs.h>
#include <vm/run.h>
#include <vm/vm_ops.h>

#define EL2T 0x3c8
#define EL2H 0x3c9
#define KEYS (BIT(VCPU_PTRAUTH_ADDRESS) | BIT(VCPU_PTRAUTH_GENERIC))

static struct cpu_features machine;
static struct vcpu vcpu;
static u64 live[NESTED_LIVE_COUNT], sp_el0, seed;

static u64 roll(void)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return seed ^ seed >> 29;
}

const struct cpu_features *vm_features(void)
{
	return &machine;
}

u64 nested_read_live(const struct vcpu *v, enum nested_own index)
{
	return live[index];
}

u64 vcpu_read_sysreg(const struct vcpu *v, enum vcpu_sysreg reg)
{
	assert_int_equal(reg, SP_EL0);
	return sp_el0;
}

/* Something of all that a code depends on; 32 bits of it, as PACGA gives. */
static u64 hash(u64 value, u64 modifier, u64 lo, u64 hi)
{
	u64 h = value * 0x9e3779b97f4a7c15ULL ^ modifier;

	h = (h ^ h >> 31) * 0xbf58476d1ce4e5b9ULL ^ lo;
	h = (h ^ h >> 27) * 0x94d049bb133111ebULL ^ hi;
	return (h ^ h >> 32) << 32;
}

u64 pacga(u64 value, u64 modifier)
{
	return hash(value, modifier, fake_sysreg_get("s3_0_c2_c3_0"),
		    fake_sysreg_get("s3_0_c2_c3_1"));
}

/* ---- the model ---- */

struct pointer {
	unsigned int bottom;
	bool tbi, key_b;
	u64 modifier;
};

static u64 replace(u64 value, unsigned int high, unsigned int low, u64 field)
{
	u64 mask = (high == 63 ? ~0ULL : (1ULL << (high + 1)) - 1) & ~((1ULL << low) - 1);

	return (value & ~mask) | (field & mask);
}

/* Bits 54:bottom, and 63:56 without TBI, as bit 55. */
static u64 canonical(u64 ptr, const struct pointer *p)
{
	u64 ext = ptr >> 55 & 1 ? ~0ULL : 0;

	ptr = replace(ptr, 54, p->bottom, ext);
	return p->tbi ? ptr : replace(ptr, 63, 56, ext);
}

static u64 code(u64 ptr, const struct pointer *p)
{
	return hash(canonical(ptr, p), p->modifier, p->key_b ? 33 : 11, p->key_b ? 44 : 22);
}

/* AddPAC() of a canonical pointer. */
static u64 add_code(u64 ptr, const struct pointer *p, bool pauth2)
{
	u64 pac = code(ptr, p);

	if (pauth2)
		pac ^= ptr;
	ptr = replace(ptr, 54, p->bottom, pac);
	return p->tbi ? ptr : replace(ptr, 63, 56, pac);
}

/* Auth(). False: an exception. */
static bool model(u64 ptr, const struct pointer *p, unsigned int level, u64 *out)
{
	u64 pac = code(ptr, p), plain = canonical(ptr, p), same = ptr;

	same = replace(same, 54, p->bottom, pac);
	if (!p->tbi)
		same = replace(same, 63, 56, pac);
	if (level >= 3) {
		*out = replace(ptr, 54, p->bottom, ptr ^ pac);
		if (!p->tbi)
			*out = replace(*out, 63, 56, ptr ^ pac);
		return level < 5 || *out == plain;
	}
	*out = plain;
	if (same != ptr)
		*out = p->tbi ? replace(plain, 54, 53, (p->key_b ? 2ULL : 1ULL) << 53)
			      : replace(plain, 62, 61, (p->key_b ? 2ULL : 1ULL) << 61);
	return true;
}

/* ---- the machine ---- */

static void set_up(void)
{
	fake_sysreg_reset();
	fake_sysreg_set("s3_0_c2_c1_0", 11);
	fake_sysreg_set("s3_0_c2_c1_1", 22);
	fake_sysreg_set("s3_0_c2_c1_2", 33);
	fake_sysreg_set("s3_0_c2_c1_3", 44);
	fake_sysreg_set("s3_0_c2_c3_0", 55);
	fake_sysreg_set("s3_0_c2_c3_1", 66);
	live[NESTED_SCTLR_EL2] = 1ULL << 31 | 1ULL << 30;
	machine.reg[ID_REG_MMFR2] = 1ULL << 28; /* ST */
	vcpu.features = KEYS;
}

static u64 esr_of(bool key_b)
{
	return 0x1aULL << 26 | ESR_IL | 2 | key_b;
}

/* Registers for a pointer with bit 55 as @upper. Sizes where all of the code is PACGA's. */
static struct pointer configure(bool upper)
{
	u64 size = 16 + roll() % 17, other = 16 + roll() % 17, r = roll();
	struct pointer p = { .bottom = 64 - (unsigned int)size,
			     .key_b = r & 1,
			     .modifier = roll() };
	bool tbi = r & 2, tbid = r & 4;
	u64 tcr = upper ? size << 16 | other : size | other << 16;

	if (tbi)
		tcr |= 1ULL << (upper ? 38 : 37);
	if (tbid)
		tcr |= 1ULL << (upper ? 52 : 51);
	if (r & 8) /* the other range has no effect */
		tcr |= 1ULL << (upper ? 37 : 38);
	p.tbi = tbi && !tbid;
	live[NESTED_TCR_EL2] = tcr;
	vcpu.regs.pstate = r & 16 ? EL2T : EL2H;
	live[NESTED_SP_EL2] = r & 16 ? ~p.modifier : p.modifier;
	sp_el0 = r & 16 ? p.modifier : ~p.modifier;
	return p;
}

static void set_level(unsigned int level)
{
	unsigned int which = (unsigned int)(roll() % 3);

	machine.reg[ID_REG_ISAR1] = which == 0 ? (u64)level << 4 : which == 1 ? (u64)level << 8 : 0;
	machine.reg[ID_REG_ISAR2] = which == 2 ? (u64)level << 12 : 0;
}

static void check(u64 ptr, const struct pointer *p, unsigned int level)
{
	u64 want, got = ptr;
	bool fine = model(ptr, p, level, &want);

	assert_int_equal(nested_authenticate(&vcpu, esr_of(p->key_b), &got), fine);
	if (fine)
		assert_int_equal(got, want);
	assert_int_equal(fake_sysreg_get("s3_0_c2_c3_0"), 55);
	assert_int_equal(fake_sysreg_get("s3_0_c2_c3_1"), 66);
}

static void an_address_is_authenticated_as_the_cpu_does_it(void **state)
{
	unsigned int i;

	set_up();
	seed = 7;
	for (i = 0; i < 100000; i++) {
		u64 random = roll();
		struct pointer p = configure(random >> 55 & 1);
		unsigned int level = 1 + i % 5;
		u64 plain = canonical(random, &p), ptr = add_code(plain, &p, level >= 3), got = ptr;

		set_level(level);
		assert_true(nested_authenticate(&vcpu, esr_of(p.key_b), &got));
		assert_int_equal(got, plain);
		check(ptr ^ 1ULL << roll() % 55, &p, level); /* bit 55 selects the other range */
		check(random, &p, level);
	}
}

static void what_is_not_enabled_is_not_authenticated(void **state)
{
	u64 elr = 0x1234567800001000ULL;

	set_up();
	set_level(5);
	live[NESTED_SCTLR_EL2] = 1ULL << 30;
	assert_true(nested_authenticate(&vcpu, esr_of(false), &elr));
	assert_int_equal(elr, 0x1234567800001000ULL);
	assert_false(nested_authenticate(&vcpu, esr_of(true), &elr));
	live[NESTED_SCTLR_EL2] = 1ULL << 31;
	elr = 0x1234567800001000ULL;
	assert_true(nested_authenticate(&vcpu, esr_of(true), &elr));
	assert_int_equal(elr, 0x1234567800001000ULL);
}

/* Sizes that a CPU does not have count as the nearest one; 64K pages have others. */
static void sizes_are_within_what_the_cpu_has(void **state)
{
	static const struct {
		u64 tcr;
		bool lva, small;
		unsigned int bottom;
	} cases[] = {
		{ 0, false, false, 48 },	   { 12 | 1 << 14, false, false, 48 },
		{ 12 | 1 << 14, true, false, 52 }, { 12, true, false, 48 },
		{ 45, false, false, 32 }, /* from bit 25 on, but those below bit 32 are not looked at */
	};
	size_t i;

	set_up();
	set_level(4);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pointer p = { .bottom = cases[i].bottom };
		u64 ptr, got;

		machine.reg[ID_REG_MMFR2] = (u64)cases[i].small << 28 | (u64)cases[i].lva << 16;
		live[NESTED_TCR_EL2] = cases[i].tcr;
		live[NESTED_SP_EL2] = 0;
		vcpu.regs.pstate = EL2H;
		ptr = add_code(0x4000, &p, true);
		got = ptr;
		assert_true(nested_authenticate(&vcpu, esr_of(false), &got));
		assert_int_equal(got, 0x4000);
	}
}

static void without_the_feature_there_are_no_keys(void **state)
{
	set_up();
	assert_true(nested_has_pauth(&vcpu));
	vcpu.features = 0;
	assert_false(nested_has_pauth(&vcpu));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_authenticated_as_the_cpu_does_it),
		cmocka_unit_test(what_is_not_enabled_is_not_authenticated),
		cmocka_unit_test(sizes_are_within_what_the_cpu_has),
		cmocka_unit_test(without_the_feature_there_are_no_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
