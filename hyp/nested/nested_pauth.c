// SPDX-License-Identifier: BSD-2-Clause
/*
 * Authentication of an address at a virtual EL2. See nested_pauth.h.
 *
 *	63    56 55 54          bottom              0
 *	┌───────┬──┬──────────────┬─────────────────┐
 *	│ code  │  │ code         │ address         │    bits 63:56 are the address's with TBI
 *	└───────┴──┴──────────────┴─────────────────┘
 *
 * The CPU's own instructions for that use the translation regime of the level that executes them,
 * which decides where the code is. But PACGA computes the same code whatever the regime is, so it is
 * executed with the guest's key in the place of the generic one.
 */
#include <arch/barrier.h>
#include <arch/pauth.h>
#include <arch/reg_bits.h>
#include <arch/regs.h>
#include <arch/sysreg.h>
#include <cpu/features.h>
#include <lib/esr.h>
#include <nested/nested_pauth.h>
#include <nested/nested_regs.h>
#include <trap/id_regs.h>
#include <vm/run.h>
#include <vm/vm_ops.h>

/* ID_AA64ISAR1_EL1.APA, API, ID_AA64ISAR2_EL1.APA3 */
#define PAUTH_2		  3
#define PAUTH_FPACCOMBINE 5

/* The least TCR_ELx.TnSZ: with FEAT_LVA and 64K pages, and else; the greatest with FEAT_TTST, and else */
#define TXSZ_MIN_LVA   12
#define TXSZ_MIN       16
#define TXSZ_MAX_SMALL 48
#define TXSZ_MAX_64K   47
#define TXSZ_MAX       39

bool nested_has_pauth(const struct vcpu *vcpu)
{
	return vcpu_when(vcpu, WHEN_PAUTH);
}

static unsigned int level_of_pauth(const struct cpu_features *cpu)
{
	u64 qarma5 = cpu_features_field(cpu, ID_ISAR1_APA);
	u64 qarma3 = cpu_features_field(cpu, ID_ISAR2_APA3);
	u64 other = cpu_features_field(cpu, ID_ISAR1_API);

	return (unsigned int)MAX(other, MAX(qarma5, qarma3));
}

/* ---- which bits ---- */

static bool is_64k(u64 tcr, bool upper)
{
	return upper ? FIELD_GET(TCR_TG1, tcr) == TCR_TG1_64K
		     : FIELD_GET(TCR_TG0, tcr) == TCR_TG0_64K;
}

static unsigned int bottom_bit(const struct cpu_features *cpu, u64 tcr, bool upper)
{
	u64 size = upper ? FIELD_GET(TCR_T1SZ_BITS, tcr) : FIELD_GET(TCR_T0SZ_BITS, tcr);
	bool large = is_64k(tcr, upper);
	u64 least = large && cpu_has(cpu, FEAT_LVA) ? TXSZ_MIN_LVA : TXSZ_MIN, most = TXSZ_MAX;

	if (cpu_has(cpu, FEAT_TTST))
		most = large ? TXSZ_MAX_64K : TXSZ_MAX_SMALL;
	return 64 - (unsigned int)MIN(MAX(size, least), most);
}

/* Of an instruction's address. */
static bool ignores_top_byte(u64 tcr, bool upper)
{
	return upper ? (tcr & TCR_TBI1) && !(tcr & TCR_TBID1)
		     : (tcr & TCR_TBI0) && !(tcr & TCR_TBID0);
}

static u64 code_bits(const struct cpu_features *cpu, u64 tcr, bool upper)
{
	u64 bits = GENMASK(54, 0) & ~(BIT(bottom_bit(cpu, tcr, upper)) - 1);

	return ignores_top_byte(tcr, upper) ? bits : bits | GENMASK(63, 56);
}

/* ---- the code ---- */

static u64 code_of(u64 address, u64 modifier, bool b)
{
	u64 lo = read_sysreg(ASM_REG(APGAKEYLO_EL1)), hi = read_sysreg(ASM_REG(APGAKEYHI_EL1)),
	    code;

	write_sysreg(b ? read_sysreg(ASM_REG(APIBKEYLO_EL1)) : read_sysreg(ASM_REG(APIAKEYLO_EL1)),
		     ASM_REG(APGAKEYLO_EL1));
	write_sysreg(b ? read_sysreg(ASM_REG(APIBKEYHI_EL1)) : read_sysreg(ASM_REG(APIAKEYHI_EL1)),
		     ASM_REG(APGAKEYHI_EL1));
	isb();
	code = pacga(address, modifier);
	isb();
	write_sysreg(lo, ASM_REG(APGAKEYLO_EL1));
	write_sysreg(hi, ASM_REG(APGAKEYHI_EL1));
	return code;
}

/* An address that faults: 0b01 for key A, 0b10 for key B, in the highest bits that are a code's. */
static u64 spoil(u64 address, u64 bits, bool b)
{
	unsigned int at = bits & BIT(62) ? 61 : 53;

	return (address & ~(3ULL << at)) | (b ? 2ULL : 1ULL) << at;
}

static bool check_code(const struct cpu_features *cpu, u64 tcr, u64 modifier, bool b, u64 *elr)
{
	bool upper = *elr & BIT(55);
	u64 bits = code_bits(cpu, tcr, upper), plain = upper ? *elr | bits : *elr & ~bits;
	unsigned int level = level_of_pauth(cpu);
	/* PACGA has bits 63:32. What is below them, where addresses are shorter, is taken as right. */
	u64 low = bits & GENMASK(31, 0),
	    code = code_of(plain, modifier, b) | (low & (*elr ^ plain));

	if (level >= PAUTH_2) {
		*elr ^= code & bits;
		return *elr == plain || level < PAUTH_FPACCOMBINE;
	}
	*elr = (code ^ *elr) & bits ? spoil(plain, bits, b) : plain;
	return true;
}

static u64 modifier_of_eret(const struct vcpu *vcpu)
{
	return (vcpu->regs.pstate & PSR_MODE_MASK) == PSR_MODE_EL2t
		       ? vcpu_read_sysreg(vcpu, SP_EL0)
		       : nested_read_live(vcpu, NESTED_SP_EL2);
}

bool nested_authenticate(struct vcpu *vcpu, u64 esr, u64 *elr)
{
	bool b = esr & ESR_ERET_ERETAB;
	u64 sctlr = nested_read_live(vcpu, NESTED_SCTLR_EL2);

	if (!(sctlr & (b ? SCTLR_EL1_EnIB : SCTLR_EL1_EnIA)))
		return true;
	return check_code(vm_features(), nested_read_live(vcpu, NESTED_TCR_EL2),
			  modifier_of_eret(vcpu), b, elr);
}
