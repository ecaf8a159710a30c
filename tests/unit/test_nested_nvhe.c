// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/nested/nested_nvhe.c hyp/nested/nested_regs.c hyp/nested/nested_layout.c tests/unit/fake_panic.c tests/unit/arch/fake_sysreg.c */
/*
 * The registers of an EL2 without VHE against a model of one that has a set of its own: what the guest
 * wrote is what it reads, the hardware has it in VHE's layout while EL2 is there, and EL1's registers,
 * CNTKCTL_EL1 among them, are nobody else's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arch/reg_bits.h>
#include <arch/regs.h>
#include <nested/nested_layout.h>
#include <nested/nested_nvhe.h>
#include <vm/vm_ops.h>

#include "swap_el1.h"

static struct vm vm;
static struct vcpu vcpu;
static struct nested_vcpu nested;
static u64 hardware[VCPU_SYSREG_COUNT], seed;

u64 vcpu_read_sysreg(const struct vcpu *v, enum vcpu_sysreg reg)
{
	return hardware[reg];
}

void vcpu_write_sysreg(struct vcpu *v, enum vcpu_sysreg reg, u64 value)
{
	hardware[reg] = value;
}

static u64 rnd(void)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return seed ^ seed >> 29;
}

static const struct {
	u32 encoding;
	enum vcpu_sysreg el1; /* in whose place it is; CNTKCTL_EL1 for none */
	u64 (*layout)(u64 value);
	u64 keeps; /* bits that the guest can write */
} laid[] = {
	{ REG_NUM(SCTLR_EL2), SCTLR_EL1, nested_layout_sctlr, ~0ULL },
	{ REG_NUM(TCR_EL2), TCR_EL1, nested_layout_tcr, ~0ULL },
	{ REG_NUM(TTBR0_EL2), TTBR0_EL1, nested_layout_ttbr0, ~0ULL },
	{ REG_NUM(CPTR_EL2), CPACR_EL1, nested_layout_cptr, 0xc01037ff },
	{ REG_NUM(CNTHCTL_EL2), CNTKCTL_EL1, nested_layout_cnthctl, 0x200ff },
};

#define LAID ARRAY_SIZE(laid)

static const enum vcpu_sysreg el1s[] = { SCTLR_EL1, TCR_EL1,	 TTBR0_EL1, TTBR1_EL1, CPACR_EL1,
					 VBAR_EL1,  CNTKCTL_EL1, ELR_EL1,   SP_EL1,    FAR_EL1 };

static u64 model_el2[LAID], model_el1[ARRAY_SIZE(el1s)];

static u64 read_laid(size_t n)
{
	u64 value = 0;

	assert_true(nested_nvhe_access(&vcpu, laid[n].encoding, true, &value));
	return value;
}

static void compare(void)
{
	for (size_t i = 0; i < LAID; i++) {
		u64 in_hardware = laid[i].layout(model_el2[i]);

		assert_int_equal(read_laid(i), model_el2[i]);
		if (laid[i].el1 == CPACR_EL1)
			in_hardware &= NESTED_CPTR_LIVE & ~CPACR_SMEN;
		if (nested.context == NESTED_EL2 && laid[i].el1 != CNTKCTL_EL1)
			assert_int_equal(hardware[laid[i].el1], in_hardware);
	}
	/* who asks what they mean gets them as with VHE */
	assert_int_equal(nested_read_live(&vcpu, NESTED_CNTHCTL_EL2) & GENMASK(11, 10),
			 (model_el2[4] & 3) << 10);
	assert_int_equal(FIELD_GET(CPACR_FPEN, nested_read_live(&vcpu, NESTED_CPTR_EL2)),
			 model_el2[3] & CPTR_TFP ? 0 : 3);
	assert_int_equal(nested_read_live(&vcpu, NESTED_CPTR_EL2) & CPTR_TCPAC,
			 model_el2[3] & CPTR_TCPAC);
	for (size_t i = 0; i < ARRAY_SIZE(el1s); i++)
		assert_int_equal(nested_read_el1(&vcpu, el1s[i]), model_el1[i]);
}

static int make_vcpu(void **state)
{
	seed = 7;
	memset(&nested, 0xa5, sizeof(nested));
	memset(hardware, 0, sizeof(hardware));
	memset(model_el1, 0, sizeof(model_el1));
	memset(model_el2, 0, sizeof(model_el2));
	vcpu = (struct vcpu){ .vm = &vm,
			      .nested = &nested,
			      .features = BIT(VCPU_HAS_EL2) | BIT(VCPU_HAS_EL2_E2H0) };
	hardware[SCTLR_EL1] = SCTLR_EL1_RESET;
	nested_reset_regs(&vcpu, 0);
	model_el1[0] = SCTLR_EL1_RESET;
	for (size_t i = 0; i < LAID; i++)
		model_el2[i] = read_laid(i);
	return 0;
}

static void it_comes_out_of_reset_as_the_manual_says(void **state)
{
	assert_true(nested.nvhe);
	assert_false(nested.timer_aside);
	assert_int_equal(nested.context, NESTED_EL2);
	assert_int_equal(nested.page[HCR_EL2], 0);
	assert_int_equal(model_el2[0], 0x30c50830); /* RES1: the MMU is off */
	assert_int_equal(model_el2[3] & CPTR_TFP, 0);
	compare();
}

static void each_register_has_the_value_that_was_last_written(void **state)
{
	for (unsigned int step = 0; step < 20000; step++) {
		size_t n = rnd() % LAID, e = rnd() % ARRAY_SIZE(el1s);
		u64 value = rnd();

		switch (rnd() % 4) {
		case 0:
			assert_true(nested_nvhe_access(&vcpu, laid[n].encoding, false, &value));
			model_el2[n] = value & laid[n].keeps;
			break;
		case 1:
			nested_write_el1(&vcpu, el1s[e], value);
			model_el1[e] = value;
			break;
		case 2: /* by its name at EL1, or CNTKCTL_EL1 at EL2 */
			if (nested.context == NESTED_EL1 || el1s[e] == CNTKCTL_EL1) {
				hardware[el1s[e]] = value;
				model_el1[e] = value;
			}
			break;
		default:
			nested_nvhe_switch_regs(&vcpu, nested.context == NESTED_EL2 ? NESTED_EL1
										    : NESTED_EL2);
			break;
		}
		compare();
	}
}

static void registers_of_vhe_are_absent(void **state)
{
	unsigned int absent = 0;

	for (u32 encoding = 0; encoding <= 0xffff; encoding++) {
		bool op0_3 = encoding >> 14 == 3;

		if (op0_3 && (encoding >> 11 & 7) == 5)
			assert_true(nested_nvhe_is_absent(encoding));
		else
			absent += nested_nvhe_is_absent(encoding);
		if (!op0_3)
			assert_false(nested_nvhe_access(&vcpu, encoding, true, &(u64){ 0 }));
	}
	assert_int_equal(absent, 5); /* TTBR1, CONTEXTIDR, CNTHV_TVAL, _CTL, _CVAL _EL2 */
	assert_true(nested_nvhe_is_absent(REG_NUM(TTBR1_EL2)));
	assert_false(nested_nvhe_is_absent(REG_NUM(CNTHP_CTL_EL2)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_comes_out_of_reset_as_the_manual_says, make_vcpu),
		cmocka_unit_test_setup(each_register_has_the_value_that_was_last_written,
				       make_vcpu),
		cmocka_unit_test_setup(registers_of_vhe_are_absent, make_vcpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
