/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers of vCPUs that have an EL2 (vcpu->nested), for userspace: they are the business of a
 * layer above trap/, which registers its functions here. All by the vCPU's owner, not loaded.
 */
#ifndef KEEL_TRAP_EL2_H
#define KEEL_TRAP_EL2_H

#include <vm/vm.h>

/**
 * struct trap_el2 - access to registers of a vCPU with an EL2
 * @get, @set: a register of EL2 by encoding. Return: 0; -ENOENT
 * @get_gic, @set_gic: the same of its GIC's CPU interface. Return: also -EINVAL
 * @encoding:  of the register number @n in the vCPU's list for userspace, or 0 if it is not in it
 * @count:     how many numbers there are
 * @read_el1, @write_el1: EL1's register; vcpu_read_sysreg() and vcpu_write_sysreg() are those of
 *             the level that has the hardware
 */
struct trap_el2 {
	int (*get)(struct vcpu *vcpu, u32 encoding, u64 *value);
	int (*set)(struct vcpu *vcpu, u32 encoding, u64 value);
	int (*get_gic)(struct vcpu *vcpu, u32 encoding, u64 *value);
	int (*set_gic)(struct vcpu *vcpu, u32 encoding, u64 value);
	u32 (*encoding)(const struct vcpu *vcpu, size_t n);
	size_t (*count)(void);
	u64 (*read_el1)(const struct vcpu *vcpu, enum vcpu_sysreg reg);
	void (*write_el1)(struct vcpu *vcpu, enum vcpu_sysreg reg, u64 value);
};

/* Register; the pointer is kept. Boot CPU, once, before the first VM. */
void trap_set_el2(const struct trap_el2 *el2);

/* Of a vCPU with an EL2, for which it is registered. */
const struct trap_el2 *trap_el2(void);

/* EL1's register, of any vCPU, as userspace names it. */
u64 trap_read_el1(const struct vcpu *vcpu, enum vcpu_sysreg reg);
void trap_write_el1(struct vcpu *vcpu, enum vcpu_sysreg reg, u64 value);

#endif
