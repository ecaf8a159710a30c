// SPDX-License-Identifier: BSD-2-Clause
/*
 * The debug registers of a vCPU whose SPE is emulated: the guest's own, and EL2's breakpoint on its
 * vectors. spe_arm.h decides what they hold; trap/debug.h has vCPUs without SPE.
 */
#include <arch/debug.h>
#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <spe/spe_debug.h>
#include <spe/spe_vcpu.h>
#include <trap/debug.h>

static bool registers_are(const struct spe_debug_live *live, const struct spe_debug_hw *hw)
{
	if (!live->valid || live->guest != hw->guest || live->count != hw->count)
		return false;
	for (unsigned int i = 0; i < hw->count; i++)
		if (live->bvr[i] != hw->bvr[i])
			return false;
	return true;
}

/* The guest's are in the first registers, EL2's in the last ones of this CPU. */
static void write_debug_registers(struct vcpu *vcpu, const struct spe_debug_hw *hw)
{
	struct spe_debug_live *live = &vcpu->spe->live;
	unsigned int last = debug_breakpoints_here() - 1;

	debug_take_registers(vcpu, hw->guest ? debug_breakpoints(vcpu) : 0,
			     hw->guest ? debug_watchpoints() : 0);
	for (unsigned int i = 0; i < hw->count; i++) {
		write_dbgbvr(last - i, hw->bvr[i]);
		write_dbgbcr(last - i, SPE_DBGBCR);
		live->bvr[i] = hw->bvr[i];
	}
	live->guest = hw->guest;
	live->count = hw->count;
	live->valid = true;
}

static void write_tde(bool tde)
{
	u64 mdcr = read_sysreg(mdcr_el2) & ~MDCR_TDE;

	write_sysreg(tde ? mdcr | MDCR_TDE : mdcr, mdcr_el2);
}

/* With MDE = 0 the breakpoint and watchpoint registers have no effect, and are left as they are. */
static void settle_registers(struct vcpu *vcpu, u64 mdscr)
{
	struct spe_debug_live *live = &vcpu->spe->live;
	struct spe_debug_hw hw;

	spe_arm_enter(&vcpu->spe->arm, vcpu->regs.pc, mdscr, &hw);
	if ((hw.mdscr & MDSCR_MDE) && !registers_are(live, &hw))
		write_debug_registers(vcpu, &hw);
	if (hw.mdscr != live->mdscr)
		write_sysreg(hw.mdscr, mdscr_el1);
	live->mdscr = hw.mdscr;
	if (hw.tde != live->tde)
		write_tde(hw.tde);
	live->tde = hw.tde;
	if (hw.step)
		vcpu->regs.pstate |= PSR_SS;
	live->asked = mdscr;
	live->settled = true;
}

void spe_debug_enter(struct vcpu *vcpu)
{
	const struct spe_vcpu *spe = vcpu->spe;
	u64 mdscr = debug_mdscr(vcpu);

	if (spe->arm.changed || !spe->live.settled || spe->live.asked != mdscr)
		settle_registers(vcpu, mdscr);
}

/* The world switch writes MDCR_EL2 without TDE, which is what .live says. */
static void load_debug_user(struct vcpu *vcpu)
{
	vcpu->spe->live = (struct spe_debug_live){ .mdscr = 0 };
	write_sysreg(0, mdscr_el1);
}

static unsigned int left_breakpoints(const struct vcpu *vcpu, unsigned int count)
{
	return spe_arm_breakpoints(&vcpu->spe->arm, count);
}

static void debug_regs_changed(struct vcpu *vcpu)
{
	vcpu->spe->live.valid = false;
	vcpu->spe->live.settled = false;
}

const struct debug_user spe_debug_user = {
	.breakpoints = left_breakpoints,
	.load = load_debug_user,
	.changed = debug_regs_changed,
};
