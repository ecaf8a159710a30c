// SPDX-License-Identifier: BSD-2-Clause
/* A guest's debug registers in the hardware. See debug.h. */
#include <arch/debug.h>
#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <cpu/assert.h>
#include <cpu/percpu.h>
#include <trap/debug.h>
#include <vm/switch.h>

static const struct cpu_features *machine;
static const struct debug_user *user;

void debug_init(const struct cpu_features *features)
{
	machine = features;
}

void debug_set_user(const struct debug_user *el2)
{
	user = el2;
}

static bool used_by_el2(const struct vcpu *vcpu)
{
	return vcpu->spe && user;
}

unsigned int debug_breakpoints(const struct vcpu *vcpu)
{
	unsigned int count = (unsigned int)cpu_features_field(machine, ID_DFR0_BRPs) + 1;

	return used_by_el2(vcpu) ? user->breakpoints(vcpu, count) : count;
}

unsigned int debug_watchpoints(void)
{
	return (unsigned int)cpu_features_field(machine, ID_DFR0_WRPs) + 1;
}

/* ---- this CPU's registers, which can be more than a guest sees; ID fields: less one ---- */

unsigned int debug_breakpoints_here(void)
{
	return (unsigned int)ID_FIELD_GET(DFR0_BRPs, read_sysreg(id_aa64dfr0_el1)) + 1;
}

static unsigned int watchpoints_here(void)
{
	return (unsigned int)ID_FIELD_GET(DFR0_WRPs, read_sysreg(id_aa64dfr0_el1)) + 1;
}

static void save_debug_regs(u64 *to)
{
	unsigned int breakpoints = debug_breakpoints_here(), watchpoints = watchpoints_here();

	for (unsigned int i = 0; i < breakpoints; i++) {
		to[DBGBVR0_EL1 + i] = read_dbgbvr(i);
		to[DBGBCR0_EL1 + i] = read_dbgbcr(i);
	}
	for (unsigned int i = 0; i < watchpoints; i++) {
		to[DBGWVR0_EL1 + i] = read_dbgwvr(i);
		to[DBGWCR0_EL1 + i] = read_dbgwcr(i);
	}
}

/* Load the first @breakpoints and @watchpoints of @from; disable the others. */
static void load_debug_regs(const u64 *from, unsigned int breakpoints, unsigned int watchpoints)
{
	unsigned int end = debug_breakpoints_here();

	for (unsigned int i = 0; i < end; i++) {
		write_dbgbvr(i, i < breakpoints ? from[DBGBVR0_EL1 + i] : 0);
		write_dbgbcr(i, i < breakpoints ? from[DBGBCR0_EL1 + i] : 0);
	}
	end = watchpoints_here();
	for (unsigned int i = 0; i < end; i++) {
		write_dbgwvr(i, i < watchpoints ? from[DBGWVR0_EL1 + i] : 0);
		write_dbgwcr(i, i < watchpoints ? from[DBGWCR0_EL1 + i] : 0);
	}
}

/* ---- the guest ---- */

void debug_take_registers(struct vcpu *vcpu, unsigned int breakpoints, unsigned int watchpoints)
{
	struct vm_cpu *cpu = this_vm_cpu();

	if (!cpu->debug_live)
		save_debug_regs(cpu->sysreg);
	cpu->debug_live = true;
	load_debug_regs(vcpu->sysreg, breakpoints, watchpoints);
}

static void set_hardware(struct vcpu *vcpu, struct vm_cpu *cpu)
{
	u64 mdscr = debug_mdscr(vcpu);

	if ((mdscr & MDSCR_MDE) && !cpu->debug_live)
		debug_take_registers(vcpu, debug_breakpoints(vcpu), debug_watchpoints());
	write_sysreg(mdscr, mdscr_el1);
}

/* ---- the run loop ---- */

void debug_load(struct vcpu *vcpu)
{
	struct vm_cpu *cpu = this_vm_cpu();

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	cpu->sysreg[MDSCR_EL1] = read_sysreg(mdscr_el1);
	if (used_by_el2(vcpu))
		user->load(vcpu);
	else
		set_hardware(vcpu, cpu);
}

/* The guest's values need not be saved: each of its writes has gone to the register file. */
void debug_put(struct vcpu *vcpu)
{
	struct vm_cpu *cpu = this_vm_cpu();

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	(void)vcpu;
	if (cpu->debug_live)
		load_debug_regs(cpu->sysreg, DEBUG_REGS_MAX, DEBUG_REGS_MAX);
	cpu->debug_live = false;
	write_sysreg(cpu->sysreg[MDSCR_EL1], mdscr_el1);
}

void debug_update(struct vcpu *vcpu)
{
	struct vm_cpu *cpu = this_vm_cpu();

	if (cpu->vcpu == vcpu && !used_by_el2(vcpu))
		set_hardware(vcpu, cpu);
}

void debug_write_mdscr(struct vcpu *vcpu, u64 value)
{
	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	value &= MDSCR_GUEST;
	if (vcpu->sysreg[MDSCR_EL1] == value)
		return;
	vcpu->sysreg[MDSCR_EL1] = value;
	debug_update(vcpu);
}

void debug_update_reg(struct vcpu *vcpu, enum vcpu_sysreg reg)
{
	const struct vm_cpu *cpu = this_vm_cpu();
	u64 value = vcpu->sysreg[reg];

	if (cpu->vcpu != vcpu || !cpu->debug_live)
		return;
	if (used_by_el2(vcpu)) {
		user->changed(vcpu);
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
