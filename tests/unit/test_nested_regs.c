// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/nested/nested_regs.c hyp/nested/nested_nvhe.c hyp/nested/nested_layout.c hyp/nested/nested_exception.c hyp/cpu/features.c hyp/cpu/errata.c hyp/lib/printf.c tests/unit/fake_panic.c tests/unit/arch/fake_sysreg.c */
/*
 * A guest with an EL2 against a model of one that has two sets of registers: whatever names are
 * used, in whichever context, and however often EL1 and EL2 take turns, each register has the value
 * that was last written to it. Exceptions and returns against the manual's pseudocode.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arch/reg_bits.h>
#include <arch/regs.h>
#include <nested/nested_exception.h>
#include <nested/nested_regs.h>
#include <vm/vm_ops.h>

#include "swap_el1.h"

#define MIDR 0x410fd0c0ULL

static struct cpu_features features;
static struct vm vm;
static struct vcpu vcpu;
static struct nested_vcpu nested;
static u64 hardware[VCPU_SYSREG_COUNT];

const struct cpu_features *vm_features(void)
{
	return &features;
}

/* ---- EL1's registers of the CPU: some have fewer bits than EL2's ---- */

static u64 hardware_bits(enum vcpu_sysreg reg)
{
	switch (reg) {
	case CPACR_EL1: /* FPEN, ZEN, SMEN, TTA */
		return 3ULL << 20 | 3ULL << 16 | 3ULL << 24 | 1ULL << 28;
	case CNTKCTL_EL1:
		return 0x3ff | 1ULL << 17;
	default:
		return ~0ULL;
	}
}

u64 vcpu_read_sysreg(const struct vcpu *v, enum vcpu_sysreg reg)
{
	assert_true(reg < VCPU_SYSREG_COUNT);
	return hardware[reg];
}

void vcpu_write_sysreg(struct vcpu *v, enum vcpu_sysreg reg, u64 value)
{
	assert_true(reg < VCPU_SYSREG_COUNT);
	hardware[reg] = value & hardware_bits(reg);
}

/* ---- the model: each register once, by level ---- */

static const struct pair {
	const char *name;
	u32 el2; /* encoding; 0: it has no name there */
	enum vcpu_sysreg el1;
	enum nested_own own;
} pairs[] = {
#define PAIR(name, el1, bits) { #name, 0, el1, NESTED_##name },
	NESTED_LIVE_REGS(PAIR)
};

#define PAIRS ARRAY_SIZE(pairs)

static u64 model_el1[PAIRS], model_el2[PAIRS], model_row[64];
static u64 seed;

static u64 rnd(void)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return seed ^ seed >> 29;
}

static const struct nested_reg *row_of(enum nested_own own)
{
	size_t i;

	for (i = 0; i < nested_reg_count(); i++)
		if (nested_row(i)->place == NESTED_IS_LIVE && nested_row(i)->index == own)
			return nested_row(i);
	return NULL;
}

static void compare(const char *when)
{
	size_t i;

	for (i = 0; i < PAIRS; i++) {
		const struct nested_reg *row = row_of(pairs[i].own);
		u64 el1 = nested_read_el1(&vcpu, pairs[i].el1);
		u64 el2 = nested_read_live(&vcpu, pairs[i].own);

		if (el1 != model_el1[i] || el2 != model_el2[i])
			fail_msg("%s, context %u: %s %#lx (%#lx expected), EL1's %#lx (%#lx)", when,
				 nested.context, pairs[i].name, el2, model_el2[i], el1,
				 model_el1[i]);
		if (row)
			assert_int_equal(nested_read(&vcpu, row), el2);
	}
	for (i = 0; i < nested_reg_count(); i++)
		if (nested_row(i)->place == NESTED_IS_PAGE || nested_row(i)->place == NESTED_IS_OWN)
			if (nested_row(i)->index != SP_EL1 &&
			    nested_read(&vcpu, nested_row(i)) != model_row[i])
				fail_msg("%s: %s", when, nested_row(i)->name);
}

static int make_vcpu(void **state)
{
	size_t i;

	seed = 42;
	memset(&features, 0, sizeof(features));
	memset(&nested, 0xa5, sizeof(nested));
	memset(hardware, 0, sizeof(hardware));
	vcpu = (struct vcpu){ .vm = &vm, .nested = &nested, .mpidr = 0x80000003 };
	hardware[SCTLR_EL1] = SCTLR_EL1_RESET;
	nested_reset_regs(&vcpu, MIDR);
	for (i = 0; i < PAIRS; i++)
		model_el1[i] = model_el2[i] = pairs[i].el1 == SCTLR_EL1 ? SCTLR_EL1_RESET : 0;
	memset(model_row, 0, sizeof(model_row));
	assert_true(nested_reg_count() <= ARRAY_SIZE(model_row));
	for (i = 0; i < nested_reg_count(); i++) {
		switch (nested_row(i)->encoding) {
		case REG_NUM(HCR_EL2):
			model_row[i] = 1ULL << 34;
			break;
		case REG_NUM(VPIDR_EL2):
			model_row[i] = MIDR;
			break;
		case REG_NUM(VMPIDR_EL2):
			model_row[i] = 0x80000003;
			break;
		default:
			break;
		}
	}
	return 0;
}

static void reset_is_at_el2_with_both_levels_reset_values(void **state)
{
	assert_int_equal(nested.context, NESTED_EL2);
	compare("after reset");
}

static void rows_are_sorted_and_found_and_nothing_else_is(void **state)
{
	u32 encoding;
	size_t i;

	for (i = 1; i < nested_reg_count(); i++)
		assert_true(nested_row(i - 1)->encoding < nested_row(i)->encoding);
	for (encoding = 0, i = 0; encoding < 0x10000; encoding++) {
		bool there = i < nested_reg_count() && nested_row(i)->encoding == encoding;

		assert_ptr_equal(nested_find(encoding), there ? nested_row(i) : NULL);
		i += there;
	}
	assert_int_equal(i, nested_reg_count());
}

/* A VM's state is all of them: userspace must not lose one. SP_EL1 is in struct kvm_regs. */
static void userspace_has_each_live_register_by_a_row(void **state)
{
	size_t i;

	for (i = 0; i < PAIRS; i++) {
		const struct nested_reg *row = row_of(pairs[i].own);

		if (!row || row->hidden)
			fail_msg("%s has no row", pairs[i].name);
	}
	assert_int_equal(row_of(NESTED_SP_EL2)->encoding, SYSREG_ENC(3, 6, 4, 1, 0));
}

/* By the manual's table of offsets (D8.12.1.3). */
static void the_page_has_the_architectures_places(void **state)
{
	static const struct {
		u32 encoding;
		u16 offset;
	} places[] = {
		{ REG_NUM(VTTBR_EL2), 0x20 },  { REG_NUM(VTCR_EL2), 0x40 },
		{ REG_NUM(VMPIDR_EL2), 0x50 }, { REG_NUM(CNTVOFF_EL2), 0x60 },
		{ REG_NUM(HCR_EL2), 0x78 },    { REG_NUM(HSTR_EL2), 0x80 },
		{ REG_NUM(VPIDR_EL2), 0x88 },  { REG_NUM(TPIDR_EL2), 0x90 },
		{ REG_NUM(SP_EL1), 0x240 },
	};
	static const struct {
		enum vcpu_sysreg reg;
		u16 offset;
	} el1[] = {
		{ CPACR_EL1, 0x100 },	 { CONTEXTIDR_EL1, 0x108 }, { SCTLR_EL1, 0x110 },
		{ TCR_EL1, 0x120 },	 { AFSR0_EL1, 0x128 },	    { AFSR1_EL1, 0x130 },
		{ ESR_EL1, 0x138 },	 { MAIR_EL1, 0x140 },	    { AMAIR_EL1, 0x148 },
		{ SPSR_EL1, 0x160 },	 { CNTV_CVAL_EL0, 0x168 },  { CNTV_CTL_EL0, 0x170 },
		{ TTBR0_EL1, 0x200 },	 { TTBR1_EL1, 0x210 },	    { FAR_EL1, 0x220 },
		{ ELR_EL1, 0x230 },	 { SP_EL1, 0x240 },	    { VBAR_EL1, 0x250 },
		{ SCTLR2_EL1, 0x278 },	 { ICH_LR0_EL2, 0x400 },    { ICH_HCR_EL2, 0x4c0 },
		{ ICH_VMCR_EL2, 0x4c8 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		nested_write(&vcpu, nested_find(places[i].encoding), 0x1000 + i);
		if (places[i].encoding != REG_NUM(HSTR_EL2))
			assert_int_equal(nested.page[places[i].offset / 8], 0x1000 + i);
	}
	for (i = 0; i < ARRAY_SIZE(el1); i++)
		assert_int_equal(el1[i].reg * 8, el1[i].offset);
}

static void one_step(void)
{
	size_t n = rnd() % PAIRS, r = rnd() % nested_reg_count();
	const struct nested_reg *row = row_of(pairs[n].own), *any = nested_row(r);
	u64 value = rnd(), bits = hardware_bits(pairs[n].el1);

	switch (rnd() % 8) {
	case 0: /* ERET, or an exception to EL2 */
		nested_switch_regs(&vcpu, nested.context == NESTED_EL2 ? NESTED_EL1 : NESTED_EL2);
		break;
	case 1: /* EL1's by its own name at EL1, by _EL12 at EL2 */
		if (pairs[n].el1 != CPACR_EL1 && pairs[n].el1 != CNTKCTL_EL1)
			bits = ~0ULL;
		nested_write_el1(&vcpu, pairs[n].el1, value & bits);
		model_el1[n] = value & bits;
		break;
	case 2: /* what an access does that does not trap: EL1's name, at either level */
		vcpu_write_sysreg(&vcpu, pairs[n].el1, value);
		if (nested.context == NESTED_EL1)
			model_el1[n] = value & bits;
		else
			model_el2[n] = (model_el2[n] & ~bits) | (value & bits);
		break;
	case 3: /* the CPU's redirection of EL1's, at EL2 */
		if (nested.context != NESTED_EL2 || pairs[n].el1 >= VCPU_SYSREG_FIRST_OWN)
			break;
		nested.page[pairs[n].el1] = value & bits;
		model_el1[n] = value & bits;
		break;
	case 4: /* EL2's by its own name */
		if (!row)
			break;
		nested_write(&vcpu, row, value);
		model_el2[n] = value & row->writable;
		break;
	case 5:
		nested_write_live(&vcpu, pairs[n].own, value);
		model_el2[n] = value;
		break;
	default:
		if ((any->place != NESTED_IS_PAGE && any->place != NESTED_IS_OWN) ||
		    any->index == SP_EL1)
			break;
		nested_write(&vcpu, any, value);
		model_row[r] = value & any->writable;
	}
}

static void each_register_keeps_its_value_whatever_takes_turns(void **state)
{
	unsigned int i;

	for (i = 0; i < 200000; i++) {
		one_step();
		compare("random steps");
	}
}

static void el1s_timer_is_aside_while_el2_has_the_hardware(void **state)
{
	nested_write_el1(&vcpu, CNTV_CVAL_EL0, 77);
	assert_int_equal(nested.page[CNTV_CVAL_EL0], 77);
	assert_int_equal(hardware[CNTV_CVAL_EL0], 0);
	nested_switch_regs(&vcpu, NESTED_EL1);
	nested_write_el1(&vcpu, CNTV_CVAL_EL0, 78);
	assert_int_equal(hardware[CNTV_CVAL_EL0], 78);
}

static void e2h_has_no_effect_whatever_the_guest_writes(void **state)
{
	for (u64 n = 0; n < 8; n++) {
		u64 tge = n & 1 ? HCR_TGE : 0;

		nested.nvhe = n & 2;
		nested.page[HCR_EL2] = tge | (n & 4 ? HCR_E2H : 0);
		assert_int_equal(nested_is_host(&vcpu), tge && !nested.nvhe);
		assert_int_equal(nested_context_of(PSR_MODE_EL0t, nested_hcr(&vcpu)),
				 tge ? NESTED_EL2 : NESTED_EL1);
	}
}

/* ---- PSTATE ---- */

#define AARCH32	   0x10ULL
#define TGE	   (1ULL << 27)
#define SPAN	   (1ULL << 23)
#define DSSBS	   (1ULL << 44)
#define DAIF	   (0xfULL << 6)
#define SPSR_N_V   (0xfULL << 28)
#define SPSR_DIT   (1ULL << 24)
#define SPSR_UAO   (1ULL << 23)
#define SPSR_PAN   (1ULL << 22)
#define SPSR_SS	   (1ULL << 21)
#define SPSR_IL	   (1ULL << 20)
#define SPSR_SSBS  (1ULL << 12)
#define SPSR_BTYPE (3ULL << 10)

static void the_mode_alone_differs_from_the_hardwares(void **state)
{
	static const struct {
		u64 guest, hw;
		bool el2;
	} modes[] = {
		{ 0, 0, true },	 { 8, 4, true },  { 9, 5, true },	{ 0, 0, false },
		{ 4, 4, false }, { 5, 5, false }, { 0x10, 0x10, true }, { 0x10, 0x10, false }
	};
	const u64 rest = 0xffffffff & ~0x1fULL;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		assert_int_equal(nested_pstate_to_hw(modes[i].guest | rest), modes[i].hw | rest);
		assert_int_equal(nested_pstate_from_hw(modes[i].hw | rest, modes[i].el2),
				 modes[i].guest | rest);
	}
}

/* Whatever a guest hypervisor has in SPSR_EL2, what the hardware is given is no level above EL1. */
static void no_return_gives_the_hardware_a_level_above_el1(void **state)
{
	static const struct pstate_features all = { .pan = true, .uao = true, .ssbs = true };
	u64 spsr;

	for (spsr = 0; spsr < 0x40; spsr++) {
		static const u64 hcrs[] = { 0, TGE };
		size_t i;

		for (i = 0; i < ARRAY_SIZE(hcrs); i++) {
			u64 noise = rnd() << 6;
			u64 pstate = nested_return_pstate(spsr | noise, 9, hcrs[i], &all);
			u64 hw = nested_pstate_to_hw(pstate) & 0x1f;

			if (hw != 0 && hw != 4 && hw != 5)
				fail_msg("SPSR_EL2 %#lx: mode %#lx", spsr | noise, hw);
			assert_int_equal(pstate >> 32, 0);
		}
	}
}

/* D1.4.3 and SetPSTATEFromPSR(): a guest without EL3 and AArch32. */
static void returns_are_legal_as_the_manual_says(void **state)
{
	u64 mode;

	for (mode = 0; mode < 32; mode++) {
		bool el1 = mode == 4 || mode == 5, other = mode == 0 || mode == 8 || mode == 9;

		assert_int_equal(nested_return_is_legal(mode | 0xf0000000, 0), el1 || other);
		assert_int_equal(nested_return_is_legal(mode | 0xf0000000, TGE), other);
	}
}

static void a_legal_return_takes_what_there_is(void **state)
{
	static const struct pstate_features none, all = { .pan = true, .uao = true, .ssbs = true };
	const u64 always = SPSR_N_V | SPSR_DIT | SPSR_SS | SPSR_IL | SPSR_BTYPE | DAIF;

	assert_int_equal(nested_return_pstate(0xffffffe0 | 5, 9, 0, &none), always | 5);
	assert_int_equal(nested_return_pstate(0xffffffe0 | 5, 9, 0, &all),
			 always | SPSR_UAO | SPSR_PAN | SPSR_SSBS | 5);
	assert_int_equal(nested_return_pstate(0, 9 | always, 0, &all), 0);
}

static void an_illegal_return_stays_with_il_set(void **state)
{
	static const struct pstate_features all = { .pan = true, .uao = true, .ssbs = true };
	static const u64 modes[] = { 4, 5, 1, 2, 3, 6, 7, 10, 11, 12, 13, 14, 15, 0x10, 0x13 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		u64 kept = SPSR_N_V | SPSR_DIT | SPSR_UAO | SPSR_PAN | DAIF;

		assert_int_equal(nested_return_pstate(0xffffffe0 | modes[i], 9, TGE, &all),
				 kept | SPSR_IL | 9);
		assert_int_equal(nested_return_pstate(modes[i], 8 | SPSR_SSBS | kept, TGE, &all),
				 SPSR_IL | SPSR_SSBS | 8);
	}
}

static void each_exception_has_its_vector(void **state)
{
	static const struct {
		u64 mode, base;
	} from[] = { { 8, 0 },	   { 9, 0x200 }, { 0, 0x400 },
		     { 4, 0x400 }, { 5, 0x400 }, { AARCH32, 0x600 } };
	static const struct pstate_features none;
	size_t i, v;

	for (i = 0; i < ARRAY_SIZE(from); i++)
		for (v = 0; v < 4; v++)
			assert_int_equal(nested_exception_entry(from[i].mode | SPSR_N_V,
								(enum nested_vector)v, 0, 0, &none)
						 .vector,
					 from[i].base + 0x80 * v);
}

static void pstate_of_an_exception_is_as_the_manual_says(void **state)
{
	static const struct pstate_features none, all = { .pan = true, .uao = true, .ssbs = true };
	const u64 spsr = 0xffffffe0 | 5;
	const struct {
		u64 sctlr, hcr;
		const struct pstate_features *has;
		u64 from, expected;
	} rows[] = {
		{ 0, 0, &none, spsr, SPSR_N_V | SPSR_DIT },
		{ 0, 0, &all, spsr, SPSR_N_V | SPSR_DIT | SPSR_PAN },
		{ 0, TGE, &all, 0, SPSR_PAN },
		{ SPAN, TGE, &all, 0, 0 },
		{ 0, 0, &all, 5, 0 },
		{ DSSBS, 0, &all, 5, SPSR_SSBS },
		{ DSSBS, TGE, &none, 0, 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(nested_exception_entry(rows[i].from, NESTED_SYNC, rows[i].sctlr,
							rows[i].hcr, rows[i].has)
					 .pstate,
				 rows[i].expected | DAIF | 9);
}

static void pstate_and_tge_say_whose_context_it_is(void **state)
{
	assert_int_equal(nested_context_of(9, 0), NESTED_EL2);
	assert_int_equal(nested_context_of(8, TGE), NESTED_EL2);
	assert_int_equal(nested_context_of(0, TGE), NESTED_EL2);
	assert_int_equal(nested_context_of(0, 0), NESTED_EL1);
	assert_int_equal(nested_context_of(4, 0), NESTED_EL1);
	assert_int_equal(nested_context_of(5, TGE), NESTED_EL1);
	assert_int_equal(nested_context_of(AARCH32, 0), NESTED_EL1);
	assert_int_equal(nested_context_of(AARCH32, TGE), NESTED_EL2);
}

/* There and back: from EL1 to EL2 by an exception, and by ERET to where it came from. */
static void an_exception_returns_to_where_it_came_from(void **state)
{
	vcpu.regs.pc = 0x1000;
	vcpu.regs.pstate = 5 | SPSR_N_V;
	nested_write_live(&vcpu, NESTED_VBAR_EL2, 0x80000);
	nested_switch_regs(&vcpu, NESTED_EL1);
	hardware[VBAR_EL1] = 0x70000;
	nested_take_abort(&vcpu, 0x92000007, 0xdead);
	assert_int_equal(vcpu.regs.pc, 0x80400);
	assert_int_equal(vcpu.regs.pstate & 0x1f, 9);
	assert_int_equal(hardware[ESR_EL1], 0);
	nested_switch_regs(&vcpu, NESTED_EL2);
	assert_int_equal(hardware[ESR_EL1], 0x92000007);
	assert_int_equal(hardware[FAR_EL1], 0xdead);
	assert_int_equal(hardware[ELR_EL1], 0x1000);
	assert_int_equal(hardware[SPSR_EL1], 5 | SPSR_N_V);
	nested_eret(&vcpu);
	assert_int_equal(vcpu.regs.pc, 0x1000);
	assert_int_equal(vcpu.regs.pstate, 5 | SPSR_N_V);
	/* an interrupt leaves the syndrome as it was */
	nested_take_exception(&vcpu, NESTED_IRQ, 0x123);
	assert_int_equal(hardware[ESR_EL1], 0x92000007);
	assert_int_equal(vcpu.regs.pc, 0x80480);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(reset_is_at_el2_with_both_levels_reset_values, make_vcpu),
		cmocka_unit_test_setup(rows_are_sorted_and_found_and_nothing_else_is, make_vcpu),
		cmocka_unit_test_setup(userspace_has_each_live_register_by_a_row, make_vcpu),
		cmocka_unit_test_setup(the_page_has_the_architectures_places, make_vcpu),
		cmocka_unit_test_setup(each_register_keeps_its_value_whatever_takes_turns,
				       make_vcpu),
		cmocka_unit_test_setup(el1s_timer_is_aside_while_el2_has_the_hardware, make_vcpu),
		cmocka_unit_test_setup(e2h_has_no_effect_whatever_the_guest_writes, make_vcpu),
		cmocka_unit_test_setup(the_mode_alone_differs_from_the_hardwares, make_vcpu),
		cmocka_unit_test_setup(no_return_gives_the_hardware_a_level_above_el1, make_vcpu),
		cmocka_unit_test_setup(returns_are_legal_as_the_manual_says, make_vcpu),
		cmocka_unit_test_setup(a_legal_return_takes_what_there_is, make_vcpu),
		cmocka_unit_test_setup(an_illegal_return_stays_with_il_set, make_vcpu),
		cmocka_unit_test_setup(each_exception_has_its_vector, make_vcpu),
		cmocka_unit_test_setup(pstate_of_an_exception_is_as_the_manual_says, make_vcpu),
		cmocka_unit_test_setup(pstate_and_tge_say_whose_context_it_is, make_vcpu),
		cmocka_unit_test_setup(an_exception_returns_to_where_it_came_from, make_vcpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
