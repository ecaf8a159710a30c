/* SPDX-License-Identifier: BSD-2-Clause */
/* The short path for a false hit of the breakpoint on a guest's vectors (docs/spe.md). */
#ifndef KEEL_SPE_SPE_HIT_H
#define KEEL_SPE_SPE_HIT_H

#include <arch/el1.h>
#include <spe/spe_vcpu.h>

/* The guest's Exception level: AArch32 is at EL0 only. */
static inline unsigned int spe_el_of(u64 pstate)
{
	return !(pstate & PSR_MODE32) && (pstate & PSR_MODE_MASK) != PSR_MODE_EL0t;
}

/*
 * Whether the loaded guest's vectors have not moved, so that spe_arm_exit() has nothing to do.
 * @pstate: at the exit, which was from EL1
 */
static inline bool spe_vectors_known(const struct spe_arm *arm, u64 pstate)
{
	bool sp0 = (pstate & PSR_MODE_MASK) == PSR_MODE_EL1t;

	if (el2_is_e2h())
		return spe_arm_knows(arm, sp0, read_sysreg(ASM_REG_EL12(VBAR_EL1)),
				     read_sysreg(ASM_REG_EL12(SCTLR_EL1)));
	return spe_arm_knows(arm, sp0, read_sysreg(vbar_el1), read_sysreg(sctlr_el1));
}

/**
 * spe_false_hit() - a breakpoint exception from a loaded guest that has SPE
 *
 * The emulation's struct exit_stage.fast, with the exception's registers as the CPU left them. If
 * it is a false hit in the usual state, at a vector that begins with SUB SP, SP, #imm, emulates
 * that instruction and moves ELR_EL2 behind it.
 *
 * Return: @vcpu if that was done: the guest is entered again; NULL if nothing has changed.
 */
struct vcpu *spe_false_hit(struct vcpu *vcpu);

#endif
