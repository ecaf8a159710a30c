/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM's ID registers, which show exactly what the VM has. docs/traps.md. */
#ifndef KEEL_TRAP_ID_REGS_H
#define KEEL_TRAP_ID_REGS_H

#include <cpu/features.h>
#include <vm/vm.h>
#include <vm/vm_ops.h>

/* On which VMs and vCPUs a register or a field exists. */
enum vcpu_when {
	WHEN_ALWAYS,  /* first, and the next second: sysreg.c */
	WHEN_VGIC,    /* the VM has a vGIC */
	WHEN_VGIC_ID, /* likewise; before the first run, true also if it can still get one */
	WHEN_SVE,     /* vCPU feature */
	WHEN_SPE,     /* vCPU feature */
	WHEN_MTE,     /* vCPU feature: memory tags */
	WHEN_PAUTH,   /* both vCPU features of pointer authentication */
	WHEN_EL2,     /* vCPU feature: an EL2 of its own */
	WHEN_NO_EL2,
	WHEN_VHE, /* an EL2 whose HCR_EL2.E2H is 1 */
	/* a guest has it if its number is below the guest's count; userspace always */
	WHEN_BREAKPOINT,
	WHEN_WATCHPOINT,
};

static inline bool vcpu_when(const struct vcpu *vcpu, enum vcpu_when when)
{
	const u64 pauth = BIT(VCPU_PTRAUTH_ADDRESS) | BIT(VCPU_PTRAUTH_GENERIC);

	switch (when) {
	case WHEN_VGIC:
		return vcpu->vm->vgic;
	case WHEN_VGIC_ID:
		return vcpu->vm->vgic || !READ_ONCE(vcpu->vm->has_run);
	case WHEN_SVE:
		return vcpu->features & BIT(VCPU_SVE);
	case WHEN_SPE:
		return vcpu->spe;
	case WHEN_MTE:
		return vcpu->has_tags;
	case WHEN_EL2:
		return vcpu->nested;
	case WHEN_NO_EL2:
		return !vcpu->nested;
	case WHEN_VHE:
		return vcpu->nested && !(vcpu->features & BIT(VCPU_HAS_EL2_E2H0));
	case WHEN_PAUTH:
		return (vcpu->features & pauth) == pauth;
	default:
		return true;
	}
}

/* @features: the machine's; the pointer is kept. Boot CPU. */
void id_regs_init(const struct cpu_features *features);

/* The argument of id_regs_init(). */
const struct cpu_features *id_regs_machine(void);

/**
 * id_reg_value() - an ID register as @vcpu reads it
 * @reg: one that a field table describes: not MIDR, CTR or DCZID, which are the hardware's
 */
u64 id_reg_value(const struct vcpu *vcpu, enum id_reg reg);

/**
 * id_reg_read() - the same, and known to @vcpu from then on if it is final: once a vCPU has run
 *
 * By the vCPU's owner.
 */
u64 id_reg_read(struct vcpu *vcpu, enum id_reg reg);

/**
 * id_reg_set() - userspace chooses the value of a VM's ID register
 * @reg:   as for id_reg_value()
 * @value: a field may show less than the VM has, if a guest can then do without the rest. A field
 *         with alternatives, such as the algorithm of pointer authentication, stays or is zero
 *
 * For all vCPUs of the VM. Only the register's value changes: features that it hides do not trap.
 *
 * Return: 0; -EINVAL; -EBUSY for a change once a vCPU has run.
 */
int __must_check id_reg_set(struct vcpu *vcpu, enum id_reg reg, u64 value);

#endif
