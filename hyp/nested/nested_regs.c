// SPDX-License-Identifier: BSD-2-Clause
/* The registers of a virtual EL2 by name, context and place. See nested_regs.h. */
#include <arch/el1.h>
#include <arch/reg_bits.h>
#include <arch/regs.h>
#include <cpu/assert.h>
#include <lib/string.h>
#include <nested/nested_nvhe.h>
#include <nested/nested_regs.h>
#include <vm/switch.h>
#include <vm/vm_ops.h>

STATIC_ASSERT(sizeof(struct nested_vcpu) <= VCPU_NESTED_BYTES, "a vCPU has room for it");
STATIC_ASSERT(VM_EL2_UNDECIDED == 0 && VM_SPE_UNDECIDED == 0, "vm/vcpu.c");

#define AT(reg)		.encoding = REG_NUM(reg), .name = #reg
#define LIVE(reg, bits) AT(reg), .place = NESTED_IS_LIVE, .index = NESTED_##reg, .writable = (bits)
#define PAGE(reg, bits) AT(reg), .place = NESTED_IS_PAGE, .index = (reg), .writable = (bits)
#define OWN(reg, bits)	AT(reg), .place = NESTED_IS_OWN, .index = NESTED_##reg, .writable = (bits)
#define CONSTANT(reg)	AT(reg), .place = NESTED_IS_CONSTANT

/* MDCR_EL2 without PMU, SPE and trace: TDE, TDA, TDOSA, TDRA */
#define MDCR_BITS (MDCR_TDE | MDCR_TDA | MDCR_TDOSA | MDCR_TDRA)
/* CPTR_EL2 without SME */
#define CPTR_BITS  (CPACR_FPEN | CPACR_ZEN | CPTR_TAM | CPTR_TCPAC)
#define HPFAR_BITS (HPFAR_FIPA | BIT(63))

/*
 * In order of encodings, which a test checks. SP_EL2 has a name for EL3 and userspace alone, and
 * SP_EL1 is a register of EL1 whose name only EL2 and above have.
 */
static const struct nested_reg rows[] = {
	{ PAGE(VPIDR_EL2, 0xffffffffULL) },
	{ PAGE(VMPIDR_EL2, ~0ULL) },
	{ LIVE(SCTLR_EL2, ~0ULL) },
	{ CONSTANT(ACTLR_EL2) },
	{ PAGE(HCR_EL2, ~0ULL), .reset = HCR_E2H },
	{ OWN(MDCR_EL2, MDCR_BITS) },
	{ LIVE(CPTR_EL2, CPTR_BITS) },
	{ PAGE(HSTR_EL2, 0) },
	{ CONSTANT(HACR_EL2) },
	{ AT(ZCR_EL2), .place = NESTED_IS_ZCR, .writable = ZCR_LEN },
	{ LIVE(TTBR0_EL2, ~0ULL) },
	{ LIVE(TTBR1_EL2, ~0ULL) },
	{ LIVE(TCR_EL2, ~0ULL) },
	{ PAGE(VTTBR_EL2, ~0ULL) },
	{ PAGE(VTCR_EL2, ~0ULL) },
	{ LIVE(SPSR_EL2, ~0ULL) },
	{ LIVE(ELR_EL2, ~0ULL) },
	{ PAGE(SP_EL1, ~0ULL), .hidden = true },
	{ LIVE(AFSR0_EL2, ~0ULL) },
	{ LIVE(AFSR1_EL2, ~0ULL) },
	{ LIVE(ESR_EL2, ~0ULL) },
	{ LIVE(FAR_EL2, ~0ULL) },
	{ OWN(HPFAR_EL2, HPFAR_BITS) },
	{ LIVE(MAIR_EL2, ~0ULL) },
	{ LIVE(AMAIR_EL2, ~0ULL) },
	{ LIVE(VBAR_EL2, ~0ULL) },
	{ CONSTANT(RVBAR_EL2), .hidden = true },
	{ CONSTANT(RMR_EL2), .hidden = true },
	{ LIVE(CONTEXTIDR_EL2, ~0ULL) },
	{ PAGE(TPIDR_EL2, ~0ULL) },
	{ PAGE(CNTVOFF_EL2, ~0ULL) },
	{ LIVE(CNTHCTL_EL2, CNTKCTL_BITS | CNTHCTL_EL1PCTEN | CNTHCTL_EL1PTEN) },
	{ OWN(CNTHP_CTL_EL2, CNT_CTL_WRITABLE) },
	{ OWN(CNTHP_CVAL_EL2, ~0ULL) },
	{ OWN(CNTHV_CTL_EL2, CNT_CTL_WRITABLE) },
	{ OWN(CNTHV_CVAL_EL2, ~0ULL) },
	{ LIVE(SP_EL2, ~0ULL) },
};

/* By index of own[]: EL1's register in the same place of the hardware, and which bits of it. */
static const struct live {
	u16 el1;
	u64 bits;
} live[NESTED_LIVE_COUNT] = {
#define LIVE_ROW(name, el1_reg, mask) [NESTED_##name] = { el1_reg, mask },
	NESTED_LIVE_REGS(LIVE_ROW)
#undef LIVE_ROW
};

size_t nested_reg_count(void)
{
	return ARRAY_SIZE(rows);
}

const struct nested_reg *nested_row(size_t n)
{
	return &rows[n];
}

const struct nested_reg *nested_find(u32 encoding)
{
	size_t low = 0, high = ARRAY_SIZE(rows);

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (rows[middle].encoding == encoding)
			return &rows[middle];
		if (rows[middle].encoding < encoding)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

bool nested_has_reg(const struct vcpu *vcpu, const struct nested_reg *reg)
{
	return reg->place != NESTED_IS_ZCR || (vcpu->features & BIT(VCPU_SVE));
}

/* ---- live registers ---- */

u64 nested_read_live(const struct vcpu *vcpu, enum nested_own index)
{
	const struct nested_vcpu *nested = vcpu->nested;
	const struct live *at = &live[index];

	if (nested->context == NESTED_EL1)
		return nested->own[index];
	return (nested->own[index] & ~at->bits) |
	       (vcpu_read_sysreg(vcpu, (enum vcpu_sysreg)at->el1) & at->bits);
}

void nested_write_live(struct vcpu *vcpu, enum nested_own index, u64 value)
{
	const struct live *at = &live[index];

	vcpu->nested->own[index] = value;
	if (vcpu->nested->context == NESTED_EL2)
		vcpu_write_sysreg(vcpu, (enum vcpu_sysreg)at->el1, value & at->bits);
}

/* ---- CPTR_EL2, without a look at where it is ---- */

u64 nested_read_cptr(const struct vcpu *vcpu)
{
	const u64 *own = &vcpu->nested->own[NESTED_CPTR_EL2];

	ASSERT(vcpu->nested->context == NESTED_EL2);
	return (*own & ~NESTED_CPTR_LIVE) | (read_el1_cpacr() & NESTED_CPTR_LIVE);
}

void nested_write_cptr(struct vcpu *vcpu, u64 value)
{
	ASSERT(vcpu->nested->context == NESTED_EL2);
	vcpu->nested->own[NESTED_CPTR_EL2] = value & CPTR_BITS;
	write_el1_cpacr(value & CPTR_BITS & NESTED_CPTR_LIVE);
}

/* ---- ZCR_EL2, in ZCR_EL1's place while the context is EL2's ---- */

u64 nested_read_zcr(const struct vcpu *vcpu)
{
	return vcpu->nested->context == NESTED_EL2 ? vcpu_read_sysreg(vcpu, ZCR_EL1)
						   : vcpu->nested->own[NESTED_ZCR_EL2];
}

static void write_zcr(struct vcpu *vcpu, u64 value)
{
	vcpu->nested->own[NESTED_ZCR_EL2] = value;
	if (vcpu->nested->context == NESTED_EL2)
		vcpu_write_sysreg(vcpu, ZCR_EL1, value);
}

static void switch_zcr(struct vcpu *vcpu, enum nested_context to)
{
	u64 *el2 = &vcpu->nested->own[NESTED_ZCR_EL2], *el1 = &vcpu->nested->page[ZCR_EL1];

	*(to == NESTED_EL1 ? el2 : el1) = vcpu_read_sysreg(vcpu, ZCR_EL1);
	vcpu_write_sysreg(vcpu, ZCR_EL1, *(to == NESTED_EL1 ? el1 : el2));
}

/* ---- EL1's ---- */

/* Where EL1's register is while EL2's is in its place; NULL if none ever is. */
static __always_inline u64 *el1_aside(struct nested_vcpu *nested, enum vcpu_sysreg reg)
{
	switch (reg) {
	case CNTKCTL_EL1:
		return nested->nvhe ? NULL : &nested->own[NESTED_CNTKCTL_EL1];
	case CNTV_CTL_EL0: /* switched with the timer: nested_stage.c */
	case CNTV_CVAL_EL0:
		return nested->nvhe ? NULL : &nested->page[reg];
	case ZCR_EL1:
		return &nested->page[reg];
	default:
		break;
	}
	for (unsigned int i = 0; i < NESTED_LIVE_COUNT; i++)
		if (live[i].el1 == reg)
			return &nested->page[reg];
	return NULL;
}

static __always_inline u64 *el1_place(const struct vcpu *vcpu, enum vcpu_sysreg reg)
{
	return vcpu->nested->context == NESTED_EL2 ? el1_aside(vcpu->nested, reg) : NULL;
}

u64 nested_read_el1(const struct vcpu *vcpu, enum vcpu_sysreg reg)
{
	const u64 *aside = el1_place(vcpu, reg);

	return aside ? *aside : vcpu_read_sysreg(vcpu, reg);
}

void nested_write_el1(struct vcpu *vcpu, enum vcpu_sysreg reg, u64 value)
{
	u64 *aside = el1_place(vcpu, reg);

	if (aside)
		*aside = value;
	else
		vcpu_write_sysreg(vcpu, reg, value);
}

/* ---- by row ---- */

/* SP_EL1 is EL1's: in the page only while EL2's stack pointer is in its place. */
u64 nested_read(const struct vcpu *vcpu, const struct nested_reg *reg)
{
	switch ((enum nested_place)reg->place) {
	case NESTED_IS_LIVE:
		return nested_read_live(vcpu, (enum nested_own)reg->index);
	case NESTED_IS_PAGE:
		return reg->index == SP_EL1 ? nested_read_el1(vcpu, SP_EL1)
					    : vcpu->nested->page[reg->index];
	case NESTED_IS_OWN:
		return vcpu->nested->own[reg->index];
	case NESTED_IS_ZCR:
		return nested_read_zcr(vcpu);
	default:
		return reg->reset;
	}
}

void nested_write(struct vcpu *vcpu, const struct nested_reg *reg, u64 value)
{
	value &= reg->writable;
	switch ((enum nested_place)reg->place) {
	case NESTED_IS_LIVE:
		nested_write_live(vcpu, (enum nested_own)reg->index, value);
		break;
	case NESTED_IS_PAGE:
		if (reg->index == SP_EL1)
			nested_write_el1(vcpu, SP_EL1, value);
		else
			vcpu->nested->page[reg->index] = value;
		break;
	case NESTED_IS_OWN:
		vcpu->nested->own[reg->index] = value;
		break;
	case NESTED_IS_ZCR:
		write_zcr(vcpu, value);
		break;
	default:
		break;
	}
}

/* ---- contexts ---- */

enum nested_context nested_context_of(u64 pstate, u64 hcr)
{
	if (pstate & PSR_MODE32)
		return hcr & HCR_TGE ? NESTED_EL2 : NESTED_EL1;
	switch (pstate & PSR_MODE_MASK) {
	case PSR_MODE_EL2t:
	case PSR_MODE_EL2h:
		return NESTED_EL2;
	case PSR_MODE_EL0t:
		return hcr & HCR_TGE ? NESTED_EL2 : NESTED_EL1;
	default:
		return NESTED_EL1;
	}
}

/* Where EL1's register is that takes the place of one in NESTED_LIVE_REGS. */
static __always_inline u64 *live_aside(struct nested_vcpu *nested, enum vcpu_sysreg reg)
{
	return reg == CNTKCTL_EL1 ? &nested->own[NESTED_CNTKCTL_EL1] : &nested->page[reg];
}

/* The world switch has them in the same order. */
enum {
#define LEVEL_INDEX(reg, asm_name) LEVEL_##reg,
	EL1_LEVEL_REGS(LEVEL_INDEX, LEVEL_INDEX) LEVEL_COUNT
#undef LEVEL_INDEX
};
#define SAME_ORDER(el2, el1_reg, mask) \
	STATIC_ASSERT((int)NESTED_##el2 == (int)LEVEL_##el1_reg, "the order of EL1_LEVEL_REGS");
NESTED_LIVE_REGS(SAME_ORDER)
STATIC_ASSERT((int)NESTED_LIVE_COUNT == (int)LEVEL_COUNT, "and no other");

/* The registers of the level that comes in go where those of the one that leaves were. */
static void bring_in_el1(struct vcpu *vcpu)
{
	struct nested_vcpu *nested = vcpu->nested;
	u64 in[NESTED_LIVE_COUNT], out[NESTED_LIVE_COUNT];

#define GET_EL1(el2, el1_reg, mask) in[NESTED_##el2] = *live_aside(nested, el1_reg);
#define PUT_EL2(el2, el1_reg, mask)                                         \
	nested->own[NESTED_##el2] = (nested->own[NESTED_##el2] & ~(mask)) | \
				    (out[NESTED_##el2] & (mask));
	NESTED_LIVE_REGS(GET_EL1)
	switch_swap_el1(vcpu, out, in);
	NESTED_LIVE_REGS(PUT_EL2)
#undef GET_EL1
#undef PUT_EL2
}

static void bring_in_el2(struct vcpu *vcpu)
{
	struct nested_vcpu *nested = vcpu->nested;
	u64 in[NESTED_LIVE_COUNT], out[NESTED_LIVE_COUNT];

#define GET_EL2(el2, el1_reg, mask) in[NESTED_##el2] = nested->own[NESTED_##el2] & (mask);
#define PUT_EL1(el2, el1_reg, mask) *live_aside(nested, el1_reg) = out[NESTED_##el2];
	NESTED_LIVE_REGS(GET_EL2)
	switch_swap_el1(vcpu, out, in);
	NESTED_LIVE_REGS(PUT_EL1)
#undef GET_EL2
#undef PUT_EL1
}

void nested_switch_regs(struct vcpu *vcpu, enum nested_context to)
{
	ASSERT(vcpu->nested->context != to);
	if (to == NESTED_EL1)
		bring_in_el1(vcpu);
	else
		bring_in_el2(vcpu);
	if (vcpu->features & BIT(VCPU_SVE))
		switch_zcr(vcpu, to);
	vcpu->nested->context = to;
}

void nested_reset_regs(struct vcpu *vcpu, u64 midr)
{
	struct nested_vcpu *nested = vcpu->nested;

	memset(nested, 0, __builtin_offsetof(struct nested_vcpu, counters));
	nested->context = NESTED_EL2;
	for (unsigned int i = 0; i < NESTED_LIVE_COUNT; i++)
		*live_aside(nested, (enum vcpu_sysreg)live[i].el1) =
			vcpu_read_sysreg(vcpu, (enum vcpu_sysreg)live[i].el1);
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].place == NESTED_IS_PAGE && rows[i].index != SP_EL1)
			nested->page[rows[i].index] = rows[i].reset;
	nested->page[VPIDR_EL2] = midr;
	nested->page[VMPIDR_EL2] = vcpu->mpidr;
	nested->nvhe = vcpu->features & BIT(VCPU_HAS_EL2_E2H0);
	nested->timer_aside = !nested->nvhe;
	if (nested->nvhe)
		nested_nvhe_reset(vcpu);
}
