/* SPDX-License-Identifier: BSD-2-Clause */
/* What a VM's ID registers say: what it really has. docs/traps.md. */
#ifndef KEEL_TRAP_ID_REGS_H
#define KEEL_TRAP_ID_REGS_H

#include <cpu/features.h>
#include <vm/vm.h>

/* What of a VM or vCPU decides whether something is there. */
enum vcpu_when {
	WHEN_ALWAYS,
	WHEN_VGIC,    /* the VM has a vGIC */
	WHEN_VGIC_ID, /* the same; before the first run it may still come */
	WHEN_SVE,     /* vCPU feature */
	WHEN_SPE,     /* vCPU feature */
	WHEN_PAUTH,   /* both vCPU features of pointer authentication */
	/* a guest has it if there are so many; userspace always */
	WHEN_BREAKPOINT,
	WHEN_WATCHPOINT,
};

bool vcpu_when(const struct vcpu *vcpu, enum vcpu_when when);

/* @features: the machine's; kept. Boot CPU. */
void id_regs_init(const struct cpu_features *features);

/* The machine's, as id_regs_init() was told. */
const struct cpu_features *id_regs_machine(void);

/**
 * id_reg_value() - an ID register as @vcpu reads it
 * @reg: one that a field table describes: not MIDR, CTR or DCZID, which are the hardware's
 */
u64 id_reg_value(const struct vcpu *vcpu, enum id_reg reg);

/**
 * id_reg_set() - userspace chooses what a VM's ID register says
 * @reg:   as for id_reg_value()
 * @value: a field of it may say less than there is, if a guest can then do without the rest. Fields
 *         with alternatives, such as the algorithm of pointer authentication, stay or are zero
 *
 * For all vCPUs of the VM. The hardware is as before: what a guest is not told of does not trap.
 *
 * Return: 0; -EINVAL; -EBUSY for a change once a vCPU has run.
 */
int __must_check id_reg_set(struct vcpu *vcpu, enum id_reg reg, u64 value);

#endif
