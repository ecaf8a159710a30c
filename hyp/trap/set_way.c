// SPDX-License-Identifier: BSD-2-Clause
/* See set_way.h. */
#include <arch/reg_bits.h>
#include <trap/set_way.h>
#include <vm/switch.h>
#include <vm/vm_ops.h>

/* Do the next part of the work for the instruction at pc; another instruction's starts over. */
static bool flush_some(struct vcpu *vcpu)
{
	if (vcpu->flush_pc != vcpu->regs.pc)
		vcpu->flush_at = 0;
	vcpu->flush_pc = vcpu->regs.pc;
	if (vm_flush_caches(vcpu->vm, &vcpu->flush_at))
		return false;
	vcpu->flush_at = 0;
	return true;
}

static void trap_writes(struct vcpu *vcpu, bool on)
{
	vcpu->trap_vm_regs = on;
	switch_update_hcr(vcpu);
}

bool set_way_trap(struct vcpu *vcpu)
{
	if (vcpu->s2->stage2.fwb || vcpu->trap_vm_regs)
		return true;
	if (!flush_some(vcpu))
		return false;
	trap_writes(vcpu, true);
	return true;
}

static bool caches_on(u64 sctlr)
{
	return (sctlr & (SCTLR_M | SCTLR_C)) == (SCTLR_M | SCTLR_C);
}

static bool write_sctlr(struct vcpu *vcpu, u64 value)
{
	bool was = caches_on(vcpu_read_sysreg(vcpu, SCTLR_EL1)), now = caches_on(value);

	if (was != now && !flush_some(vcpu))
		return false;
	vcpu_write_sysreg(vcpu, SCTLR_EL1, value);
	if (now)
		trap_writes(vcpu, false);
	return true;
}

bool set_way_write(struct vcpu *vcpu, enum vcpu_sysreg reg, u64 value)
{
	if (reg == SCTLR_EL1)
		return write_sctlr(vcpu, value);
	vcpu_write_sysreg(vcpu, reg, value);
	return true;
}
