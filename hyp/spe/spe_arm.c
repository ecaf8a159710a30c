// SPDX-License-Identifier: BSD-2-Clause
/* The breakpoint on the guest's vectors. See spe_arm.h. */
#include <arch/reg_bits.h>
#include <lib/esr.h>
#include <spe/spe_arm.h>

/* VBAR_EL1: bits 10:0 are RES0 */
#define VBAR GENMASK(63, 11)

/* SPSR_EL1 (C5.2.18) */
#define PSTATE_D    BIT(9)
#define PSTATE_M    GENMASK(4, 0)
#define PSTATE_EL1T 4
#define PSTATE_EL1H 5

/*
 * C6.2: MRS and MSR (register): 1101010100 L 1 o0 op1 CRn CRm op2 Rt. Bits 19:5 are the low 15 bits
 * of the register's encoding, whose top bit is always 1.
 */
#define INSN_MSR_MASK 0xfff00000
#define INSN_MSR      0xd5100000
#define INSN_MRS      0xd5300000

static const u16 vectors[SPE_ARM_VECTORS] = { SPE_VECTOR_EL1H, SPE_VECTOR_EL1T };

void spe_arm_reset(struct spe_arm *arm, unsigned int slots)
{
	*arm = (struct spe_arm){
		.slots = (u8)MIN(slots, SPE_ARM_VECTORS),
		.changed = true,
		.emulated = arm->emulated,
		.false_hits = arm->false_hits,
	};
}

unsigned int spe_arm_breakpoints(const struct spe_arm *arm, unsigned int count)
{
	return MAX(count, 2U + arm->slots) - arm->slots;
}

void spe_arm_interest(struct spe_arm *arm)
{
	arm->interested = true;
	arm->changed = true;
}

void spe_arm_exit(struct spe_arm *arm, const struct spe_guest *guest)
{
	u64 vbar = guest->vbar & VBAR;

	if (!arm->interested || guest->el != 1)
		return;
	arm->changed |= !spe_arm_knows(arm, guest->sp0, vbar, guest->sctlr);
	arm->el1t |= guest->sp0;
	if (!(guest->sctlr & SCTLR_M)) {
		arm->readable = false;
		return;
	}
	if (arm->readable && arm->vbar == vbar)
		return;
	arm->vbar = vbar;
	arm->readable = guest->readable(guest->arg, vbar + SPE_VECTOR_EL1H);
}

/* How many of the vectors get breakpoints, unless the guest single-steps or EL2 does. */
static unsigned int watched_vectors(const struct spe_arm *arm)
{
	if (!arm->interested || !arm->readable)
		return 0;
	return arm->el1t && arm->slots > 1 ? SPE_ARM_VECTORS : 1;
}

static bool is_watched_vector(const struct spe_arm *arm, u64 pc)
{
	u64 offset = pc - arm->vbar;

	if (offset != SPE_VECTOR_EL1H && offset != SPE_VECTOR_EL1T)
		return false;
	return watched_vectors(arm) > (offset == SPE_VECTOR_EL1T ? 1U : 0U);
}

static void step_from(struct spe_arm *arm, u64 pc)
{
	arm->stepping = true;
	arm->changed = true;
	arm->step_pc = pc;
}

void spe_arm_enter(struct spe_arm *arm, u64 pc, u64 mdscr, struct spe_debug_hw *hw)
{
	*hw = (struct spe_debug_hw){ .mdscr = mdscr, .guest = (mdscr & MDSCR_MDE) != 0 };
	/* the instruction has ended without a step exception: it trapped, and EL2 skipped it */
	if (arm->stepping && pc != arm->step_pc)
		arm->stepping = false;
	arm->changed = arm->stepping;
	if (mdscr & MDSCR_SS)
		return;
	if (arm->stepping) {
		hw->tde = true;
		hw->step = true;
		hw->guest = false;
		hw->mdscr = (mdscr & ~MDSCR_MDE) | MDSCR_SS;
		return;
	}
	hw->count = watched_vectors(arm);
	if (!hw->count)
		return;
	hw->tde = true;
	hw->mdscr |= MDSCR_MDE;
	for (unsigned int i = 0; i < hw->count; i++)
		hw->bvr[i] = arm->vbar + vectors[i];
}

bool spe_arm_decode(u32 word, struct spe_access *access)
{
	u32 kind = word & INSN_MSR_MASK;

	if (kind != INSN_MRS && kind != INSN_MSR)
		return false;
	access->encoding = 1U << 15 | ((word >> 5) & 0x7fff);
	access->rt = word & 31;
	access->write = kind == INSN_MSR;
	return spe_reg_is(access->encoding, access->write);
}

bool spe_arm_is_access(u64 esr, u64 spsr, u32 word, struct spe_access *access)
{
	u64 mode = spsr & PSTATE_M;

	return esr_ec(esr) == ESR_EC_UNKNOWN && (mode == PSTATE_EL1H || mode == PSTATE_EL1T) &&
	       spe_arm_decode(word, access);
}

struct spe_hit spe_arm_hit(struct spe_arm *arm, u64 pc, unsigned int el, bool access, u32 vector)
{
	struct spe_hit hit = { .action = SPE_HIT_GUESTS };

	if (el != 1 || !is_watched_vector(arm, pc))
		return hit;
	if (access) {
		spe_count(&arm->emulated);
		hit.action = SPE_HIT_EMULATE;
		return hit;
	}
	spe_count(&arm->false_hits);
	if (spe_arm_sub_sp(vector, &hit.sub)) {
		hit.action = SPE_HIT_SUB_SP;
		return hit;
	}
	hit.action = SPE_HIT_STEP;
	step_from(arm, pc);
	return hit;
}

bool spe_arm_stepped(struct spe_arm *arm, u64 pc)
{
	arm->stepping = false;
	arm->changed = true;
	return is_watched_vector(arm, pc);
}

/* D2.4, "Enabling debug exceptions": whether EL1 takes the exception with MDCR_EL2.TDE = 0. */
static bool guest_takes_step(unsigned int el, u64 pstate, u64 mdscr)
{
	if (!(mdscr & MDSCR_MDE))
		return false;
	return el == 0 || ((mdscr & MDSCR_KDE) && !(pstate & PSTATE_D));
}

enum spe_debug_action spe_arm_debug(struct spe_arm *arm, unsigned int ec, u64 pc, unsigned int el,
				    u64 pstate, u64 mdscr)
{
	bool always = ec == ESR_EC_BRK64;

	if (always || guest_takes_step(el, pstate, mdscr))
		return SPE_DEBUG_INJECT;
	step_from(arm, pc);
	return SPE_DEBUG_STEP;
}
