// SPDX-License-Identifier: BSD-2-Clause
/* A guest's debug registers in the hardware. See debug.h. */
#include <arch/debug.h>
#include <arch/el2_regs.h>
#include <arch/sysreg.h>
#include <spe/spe_vcpu.h>
#include <trap/debug.h>
#include <vm/switch.h>

/* ID_AA64DFR0_EL1 (D24.2.69): one less than there are */
#define DFR0_BRPS GENMASK(15, 12)
#define DFR0_WRPS GENMASK(23, 20)

/* MDCR_EL2 (D24.3.17) */
#define MDCR_TDE BIT(8)

static const struct cpu_features *machine;

void debug_init(const struct cpu_features *features)
{
	machine = features;
}

unsigned int debug_breakpoints(const struct vcpu *vcpu)
{
	unsigned int count = (unsigned int)cpu_features_field(machine, ID_DFR0_BRPs) + 1;

	return vcpu->spe ? spe_vcpu_breakpoints(vcpu, count) : count;
}

unsigned int debug_watchpoints(void)
{
	return (unsigned int)cpu_features_field(machine, ID_DFR0_WRPs) + 1;
}

/* ---- this CPU's registers, which can be more than a guest knows of ---- */

static unsigned int breakpoints_here(void)
{
	return (unsigned int)FIELD_GET(DFR0_BRPS, read_sysreg(id_aa64dfr0_el1)) + 1;
}

static unsigned int watchpoints_here(void)
{
	return (unsigned int)FIELD_GET(DFR0_WRPS, read_sysreg(id_aa64dfr0_el1)) + 1;
}

static void save(u64 *to)
{
	unsigned int i, breakpoints = breakpoints_here(), watchpoints = watchpoints_here();

	for (i = 0; i < breakpoints; i++) {
		to[DBGBVR0_EL1 + i] = read_dbgbvr(i);
		to[DBGBCR0_EL1 + i] = read_dbgbcr(i);
	}
	for (i = 0; i < watchpoints; i++) {
		to[DBGWVR0_EL1 + i] = read_dbgwvr(i);
		to[DBGWCR0_EL1 + i] = read_dbgwcr(i);
	}
}

/* The first @breakpoints and @watchpoints of @from; those beyond are off. */
static void load(const u64 *from, unsigned int breakpoints, unsigned int watchpoints)
{
	unsigned int i, end = breakpoints_here();

	for (i = 0; i < end; i++) {
		write_dbgbvr(i, i < breakpoints ? from[DBGBVR0_EL1 + i] : 0);
		write_dbgbcr(i, i < breakpoints ? from[DBGBCR0_EL1 + i] : 0);
	}
	end = watchpoints_here();
	for (i = 0; i < end; i++) {
		write_dbgwvr(i, i < watchpoints ? from[DBGWVR0_EL1 + i] : 0);
		write_dbgwcr(i, i < watchpoints ? from[DBGWCR0_EL1 + i] : 0);
	}
}

/* ---- the guest ---- */

/* D2.4.1: a locked OS lock or double lock leaves no debug exception but BRK's. */
u64 debug_mdscr(const struct vcpu *vcpu)
{
	u64 mdscr = vcpu->sysreg[MDSCR_EL1];

	if ((vcpu->sysreg[OSLSR_EL1] & OSLSR_OSLK) || (vcpu->sysreg[OSDLR_EL1] & OSDLR_DLK))
		mdscr &= ~(MDSCR_SS | MDSCR_KDE | MDSCR_MDE);
	return mdscr;
}

static void take_registers(struct vcpu *vcpu, struct vm_cpu *cpu)
{
	if (cpu->debug_live)
		return;
	save(cpu->sysreg);
	load(vcpu->sysreg, debug_breakpoints(vcpu), debug_watchpoints());
	cpu->debug_live = true;
}

static void set_hardware(struct vcpu *vcpu, struct vm_cpu *cpu)
{
	u64 mdscr = debug_mdscr(vcpu);

	if (mdscr & MDSCR_MDE)
		take_registers(vcpu, cpu);
	write_sysreg(mdscr, mdscr_el1);
}

/* ---- of a vCPU whose SPE is emulated ---- */

static bool registers_as(const struct spe_debug_live *live, const struct spe_debug_hw *hw)
{
	unsigned int i;

	if (!live->valid || live->guest != hw->guest || live->count != hw->count)
		return false;
	for (i = 0; i < hw->count; i++)
		if (live->bvr[i] != hw->bvr[i])
			return false;
	return true;
}

/* The guest's from the first on, ours in the last ones of this CPU. */
static void write_registers(struct vcpu *vcpu, struct vm_cpu *cpu, const struct spe_debug_hw *hw)
{
	struct spe_debug_live *live = &vcpu->spe->live;
	unsigned int i, last = breakpoints_here() - 1;

	if (!cpu->debug_live)
		save(cpu->sysreg);
	cpu->debug_live = true;
	load(vcpu->sysreg, hw->guest ? debug_breakpoints(vcpu) : 0,
	     hw->guest ? debug_watchpoints() : 0);
	for (i = 0; i < hw->count; i++) {
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

/* With MDE = 0 the registers are not looked at, and stay as they are. */
static void settle(struct vcpu *vcpu, u64 mdscr)
{
	struct spe_debug_live *live = &vcpu->spe->live;
	struct spe_debug_hw hw;

	spe_arm_enter(&vcpu->spe->arm, vcpu->regs.pc, mdscr, &hw);
	if ((hw.mdscr & MDSCR_MDE) && !registers_as(live, &hw))
		write_registers(vcpu, this_vm_cpu(), &hw);
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

void debug_enter_spe(struct vcpu *vcpu)
{
	const struct spe_vcpu *spe = vcpu->spe;
	u64 mdscr = debug_mdscr(vcpu);

	if (spe->arm.changed || !spe->live.settled || spe->live.asked != mdscr)
		settle(vcpu, mdscr);
}

/* MDCR_EL2 is without TDE as the world switch writes it. */
static void load_spe(struct vcpu *vcpu)
{
	vcpu->spe->live = (struct spe_debug_live){ .mdscr = 0 };
	write_sysreg(0, mdscr_el1);
}

/* ---- the run loop ---- */

void debug_load(struct vcpu *vcpu)
{
	struct vm_cpu *cpu = this_vm_cpu();

	cpu->sysreg[MDSCR_EL1] = read_sysreg(mdscr_el1);
	if (spe_vcpu_emulated(vcpu))
		load_spe(vcpu);
	else
		set_hardware(vcpu, cpu);
}

/* The guest's are in the register file: every write of them went there. */
void debug_put(struct vcpu *vcpu)
{
	struct vm_cpu *cpu = this_vm_cpu();

	(void)vcpu;
	if (cpu->debug_live)
		load(cpu->sysreg, DEBUG_REGS_MAX, DEBUG_REGS_MAX);
	cpu->debug_live = false;
	write_sysreg(cpu->sysreg[MDSCR_EL1], mdscr_el1);
}

void debug_update(struct vcpu *vcpu)
{
	struct vm_cpu *cpu = this_vm_cpu();

	if (cpu->vcpu == vcpu && !spe_vcpu_emulated(vcpu))
		set_hardware(vcpu, cpu);
}

void debug_update_reg(struct vcpu *vcpu, enum vcpu_sysreg reg)
{
	const struct vm_cpu *cpu = this_vm_cpu();
	u64 value = vcpu->sysreg[reg];

	if (cpu->vcpu != vcpu || !cpu->debug_live)
		return;
	if (spe_vcpu_emulated(vcpu)) {
		vcpu->spe->live.valid = false;
		vcpu->spe->live.settled = false;
		return;
	}
	if (reg < DBGBCR0_EL1)
		write_dbgbvr(reg - DBGBVR0_EL1, value);
	else if (reg < DBGWVR0_EL1)
		write_dbgbcr(reg - DBGBCR0_EL1, value);
	else if (reg < DBGWCR0_EL1)
		write_dbgwvr(reg - DBGWVR0_EL1, value);
	else
		write_dbgwcr(reg - DBGWCR0_EL1, value);
}
