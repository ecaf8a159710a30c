// SPDX-License-Identifier: BSD-2-Clause
/* The registers of an EL2 without VHE. See nested_nvhe.h. */
#include <arch/reg_bits.h>
#include <arch/regs.h>
#include <cpu/assert.h>
#include <nested/nested_layout.h>
#include <nested/nested_nvhe.h>
#include <vm/run.h>

/* What is there of CPTR_EL2, and of CNTHCTL_EL2: EL1PCTEN, EL1PCEN, the event stream. */
#define CPTR_BITS    (CPTR_TCPAC | CPTR_TAM | CPTR_TTA | CPTR_TFP | CPTR_TZ | CPTR_TSM | CPTR_RES1)
#define CNTHCTL_BITS (GENMASK(7, 0) | BIT(17))

/* D24.2: bits that are RES1 without VHE, in a register that comes out of reset. */
#define SCTLR_RESET 0x30c50830ULL

/* SME is not there. */
static u64 cptr_without_sme(u64 cptr)
{
	return nested_layout_cptr(cptr | CPTR_TSM);
}

/* Registers whose layout is another one: the guest's value, and that in VHE's layout. */
static const struct laid_reg {
	u32 encoding;
	u16 raw, live;
	u64 writable, reset;
	u64 (*layout)(u64 value);
} laid_regs[] = {
	{ REG_NUM(SCTLR_EL2), NESTED_RAW_SCTLR_EL2, NESTED_SCTLR_EL2, ~0ULL, SCTLR_RESET,
	  nested_layout_sctlr },
	{ REG_NUM(CPTR_EL2), NESTED_RAW_CPTR_EL2, NESTED_CPTR_EL2, CPTR_BITS, CPTR_RES1 | CPTR_TSM,
	  cptr_without_sme },
	{ REG_NUM(TTBR0_EL2), NESTED_RAW_TTBR0_EL2, NESTED_TTBR0_EL2, ~0ULL, 0,
	  nested_layout_ttbr0 },
	{ REG_NUM(TCR_EL2), NESTED_RAW_TCR_EL2, NESTED_TCR_EL2, ~0ULL, 0, nested_layout_tcr },
	{ REG_NUM(CNTHCTL_EL2), NESTED_RAW_CNTHCTL_EL2, NESTED_CNTHCTL_EL2, CNTHCTL_BITS, 0,
	  nested_layout_cnthctl },
};

static const struct laid_reg *find_laid(u32 encoding)
{
	for (size_t i = 0; i < ARRAY_SIZE(laid_regs); i++)
		if (laid_regs[i].encoding == encoding)
			return &laid_regs[i];
	return NULL;
}

#define ENC_OP1	  GENMASK(13, 11)
#define ENC_OP0_3 SYSREG_ENC(3, 0, 0, 0, 0)
#define OP1_EL12  5

bool nested_nvhe_is_absent(u32 encoding)
{
	if ((encoding & ENC_OP0_3) != ENC_OP0_3)
		return false;
	if (FIELD_GET(ENC_OP1, encoding) == OP1_EL12)
		return true;
	switch (encoding) {
	case REG_NUM(TTBR1_EL2):
	case REG_NUM(CONTEXTIDR_EL2):
	case SYSREG_ENC(3, 4, 14, 3, 0): /* CNTHV_TVAL_EL2 */
	case REG_NUM(CNTHV_CTL_EL2):
	case REG_NUM(CNTHV_CVAL_EL2):
		return true;
	default:
		return false;
	}
}

/* CNTHCTL_EL2 takes no register's place. */
static void write_laid(struct vcpu *vcpu, const struct laid_reg *reg, u64 value)
{
	u64 *own = vcpu->nested->own;

	own[reg->raw] = value & reg->writable;
	if (reg->live == NESTED_CNTHCTL_EL2)
		own[reg->live] = reg->layout(own[reg->raw]);
	else
		nested_write_live(vcpu, (enum nested_own)reg->live, reg->layout(own[reg->raw]));
}

bool nested_nvhe_access(struct vcpu *vcpu, u32 encoding, bool read, u64 *value)
{
	const struct laid_reg *reg = find_laid(encoding);

	if (!reg)
		return false;
	if (read)
		*value = vcpu->nested->own[reg->raw];
	else
		write_laid(vcpu, reg, *value);
	return true;
}

/* The exchange takes what it finds in CNTKCTL_EL1 for CNTHCTL_EL2's bits. */
void nested_nvhe_switch_regs(struct vcpu *vcpu, enum nested_context to)
{
	u64 cntkctl = vcpu_read_sysreg(vcpu, CNTKCTL_EL1);
	u64 *own = vcpu->nested->own;

	nested_switch_regs(vcpu, to);
	own[NESTED_CNTHCTL_EL2] = nested_layout_cnthctl(own[NESTED_RAW_CNTHCTL_EL2]);
	vcpu_write_sysreg(vcpu, CNTKCTL_EL1, cntkctl);
}

void nested_nvhe_reset(struct vcpu *vcpu)
{
	ASSERT(vcpu->nested->context == NESTED_EL2);
	vcpu->nested->page[HCR_EL2] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(laid_regs); i++)
		write_laid(vcpu, &laid_regs[i], laid_regs[i].reset);
}
