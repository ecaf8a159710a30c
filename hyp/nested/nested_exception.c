// SPDX-License-Identifier: BSD-2-Clause
/* Exceptions to a virtual EL2, and returns from it. See nested_exception.h. */
#include <arch/reg_bits.h>
#include <nested/nested_exception.h>
#include <nested/nested_regs.h>
#include <vm/vm_ops.h>

/* D1.3.1.5: offsets of vectors, by where the exception comes from */
#define VECTOR_CUR_SP0	 0x000
#define VECTOR_CUR_SPX	 0x200
#define VECTOR_LOWER_A64 0x400
#define VECTOR_LOWER_A32 0x600
#define VECTOR_SIZE	 0x80

/* What an exception return takes from SPSR_EL2 on any CPU, a legal one and one that is not. */
#define RETURN_BITS (PSR_NZCV | PSR_DAIF | PSR_DIT)

static u64 mode_of(u64 pstate)
{
	return pstate & (PSR_MODE32 | PSR_MODE_MASK);
}

u64 nested_pstate_to_hw(u64 pstate)
{
	switch (mode_of(pstate)) {
	case PSR_MODE_EL2t:
		return (pstate & ~(u64)PSR_MODE_MASK) | PSR_MODE_EL1t;
	case PSR_MODE_EL2h:
		return (pstate & ~(u64)PSR_MODE_MASK) | PSR_MODE_EL1h;
	default:
		return pstate;
	}
}

u64 nested_pstate_from_hw(u64 pstate, bool el2)
{
	if (!el2)
		return pstate;
	switch (mode_of(pstate)) {
	case PSR_MODE_EL1t:
		return (pstate & ~(u64)PSR_MODE_MASK) | PSR_MODE_EL2t;
	case PSR_MODE_EL1h:
		return (pstate & ~(u64)PSR_MODE_MASK) | PSR_MODE_EL2h;
	default:
		return pstate;
	}
}

/* ---- entry ---- */

static u64 vector_base(u64 spsr)
{
	if (spsr & PSR_MODE32)
		return VECTOR_LOWER_A32;
	switch (spsr & PSR_MODE_MASK) {
	case PSR_MODE_EL2t:
		return VECTOR_CUR_SP0;
	case PSR_MODE_EL2h:
		return VECTOR_CUR_SPX;
	default:
		return VECTOR_LOWER_A64;
	}
}

/* SCTLR_EL2.SPAN counts while EL0 is EL2's: E2H is 1, so while TGE is. */
static bool sets_pan(u64 sctlr, u64 hcr)
{
	return (hcr & HCR_TGE) && !(sctlr & SCTLR_EL1_SPAN);
}

struct el1_entry nested_exception_entry(u64 spsr, enum nested_vector vector, u64 sctlr, u64 hcr,
					const struct pstate_features *has)
{
	/* NZCV and DIT stay; SS, IL, UAO and BTYPE become 0. */
	u64 pstate = PSR_MODE_EL2h | PSR_DAIF | (spsr & (PSR_NZCV | PSR_DIT));

	if (has->pan)
		pstate |= (spsr & PSR_PAN) | (sets_pan(sctlr, hcr) ? PSR_PAN : 0);
	if (has->ssbs && (sctlr & SCTLR_EL1_DSSBS))
		pstate |= PSR_SSBS;
	return (struct el1_entry){
		.vector = vector_base(spsr) + (u64)vector * VECTOR_SIZE,
		.pstate = pstate,
	};
}

void nested_take_exception(struct vcpu *vcpu, enum nested_vector vector, u64 esr)
{
	u64 spsr = vcpu->regs.pstate;
	struct el1_entry entry =
		nested_exception_entry(spsr, vector, nested_read_live(vcpu, NESTED_SCTLR_EL2),
				       nested_hcr(vcpu), &vcpu->nested->pstate_has);

	nested_write_live(vcpu, NESTED_SPSR_EL2, spsr);
	nested_write_live(vcpu, NESTED_ELR_EL2, vcpu->regs.pc);
	if (vector == NESTED_SYNC || vector == NESTED_SERROR)
		nested_write_live(vcpu, NESTED_ESR_EL2, esr);
	vcpu->regs.pc = nested_read_live(vcpu, NESTED_VBAR_EL2) + entry.vector;
	vcpu->regs.pstate = entry.pstate;
}

void nested_take_abort(struct vcpu *vcpu, u64 esr, u64 far)
{
	nested_write_live(vcpu, NESTED_FAR_EL2, far);
	nested_take_exception(vcpu, NESTED_SYNC, esr);
}

/* ---- return ---- */

/* Guests have neither an EL3 nor AArch32. */
bool nested_return_is_legal(u64 spsr, u64 hcr)
{
	switch (mode_of(spsr)) {
	case PSR_MODE_EL2t:
	case PSR_MODE_EL2h:
	case PSR_MODE_EL0t:
		return true;
	case PSR_MODE_EL1t:
	case PSR_MODE_EL1h:
		return !(hcr & HCR_TGE);
	default:
		return false;
	}
}

static u64 return_bits(const struct pstate_features *has)
{
	return RETURN_BITS | (has->pan ? PSR_PAN : 0) | (has->uao ? PSR_UAO : 0);
}

/*
 * SS is the hardware's to judge, when EL2 returns to the guest. An illegal return leaves BTYPE and
 * SSBS UNKNOWN: here BTYPE is 0, and SSBS what it was.
 */
u64 nested_return_pstate(u64 spsr, u64 now, u64 hcr, const struct pstate_features *has)
{
	u64 ssbs = has->ssbs ? PSR_SSBS : 0;

	if (!nested_return_is_legal(spsr, hcr))
		return (spsr & return_bits(has)) | (now & (PSR_MODE_MASK | ssbs)) | PSR_IL;
	return spsr & (return_bits(has) | ssbs | PSR_MODE_MASK | PSR_IL | PSR_SS | PSR_BTYPE);
}

u64 nested_return_usual(const struct pstate_features *has)
{
	return return_bits(has) | (has->ssbs ? PSR_SSBS : 0) | PSR_MODE_MASK | PSR_BTYPE;
}

void nested_eret(struct vcpu *vcpu)
{
	vcpu->regs.pstate = nested_return_pstate(nested_read_live(vcpu, NESTED_SPSR_EL2),
						 vcpu->regs.pstate, nested_hcr(vcpu),
						 &vcpu->nested->pstate_has);
	vcpu->regs.pc = nested_read_live(vcpu, NESTED_ELR_EL2);
}

struct pstate_features nested_pstate_features(void)
{
	const struct cpu_features *machine = vm_features();

	return (struct pstate_features){
		.pan = cpu_has(machine, FEAT_PAN),
		.uao = cpu_has(machine, FEAT_UAO),
		.ssbs = cpu_has(machine, FEAT_SSBS),
	};
}
