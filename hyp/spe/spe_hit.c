// SPDX-License-Identifier: BSD-2-Clause
/*
 * The short path for a false hit. enter.S calls this before it saves the guest's callee-saved
 * registers. If the case is not the usual one, nothing is changed, and spe_emul.c handles it.
 */
#include <arch/el1.h>
#include <arch/reg_bits.h>
#include <cpu/panic.h>
#include <lib/esr.h>
#include <spe/spe_guest.h>
#include <spe/spe_hit.h>
#include <spe/spe_vcpu.h>

/*
 * PSTATE's bits that must be as an exception to EL1h leaves them, for the SUB to change nothing
 * else.
 */
#define PSTATE_CHECKED (PSR_MODE32 | PSR_MODE_MASK | PSR_BTYPE | PSR_SS)

/* Whether EL1 is at its vector with an exception that cannot be an access to SPE's registers. */
static bool is_false_hit(u64 vector)
{
	u64 vbar, esr;

	if (el2_is_e2h()) {
		vbar = read_sysreg(ASM_REG_EL12(VBAR_EL1));
		esr = read_sysreg(ASM_REG_EL12(ESR_EL1));
	} else {
		vbar = read_sysreg(vbar_el1);
		esr = read_sysreg(esr_el1);
	}
	return vector - vbar == SPE_VECTOR_EL1H && esr_ec(esr) != ESR_EC_UNKNOWN;
}

static u32 instruction_at(struct vcpu *vcpu, u64 va)
{
	struct spe_view view = spe_guest_view(vcpu);
	u64 saved = spe_guest_begin(view);
	u32 word = spe_guest_fetch_fast(view, va);

	spe_guest_end(saved);
	return word;
}

/* The syndrome (ESR_EL2) of a breakpoint in a lower Exception level is always the same. */
#define ESR_BREAKPOINT (FIELD_PREP(ESR_EC, ESR_EC_BRKPT_LOWER) | ESR_IL | 0x22)

/* Not the usual case. Restore the registers that a fault of the fetch at EL2 would have changed. */
static struct vcpu *take_usual_exit(u64 pc, u64 pstate)
{
	write_sysreg(pc, elr_el2);
	write_sysreg(pstate, spsr_el2);
	write_sysreg(ESR_BREAKPOINT, esr_el2);
	return NULL;
}

struct vcpu *spe_false_hit(struct vcpu *vcpu)
{
	struct spe_vcpu *spe = vcpu->spe;
	u64 pc = read_sysreg(elr_el2), pstate;
	u32 word, sub;

	if (panic_in_progress() || spe->since || !spe->live.count || spe->live.bvr[0] != pc)
		return NULL;
	pstate = read_sysreg(spsr_el2);
	if ((pstate & PSTATE_CHECKED) != PSR_MODE_EL1h || !is_false_hit(pc))
		return NULL;
	word = instruction_at(vcpu, pc);
	if (!spe_arm_sub_sp(word, &sub))
		return take_usual_exit(pc, pstate);
	write_sysreg(read_sysreg(sp_el1) - sub, sp_el1);
	write_sysreg(pc + 4, elr_el2);
	spe_count(&spe->arm.false_hits);
	return vcpu;
}
