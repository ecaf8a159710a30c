/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Self-hosted debug in a guest: breakpoints, watchpoints, software step, the OS locks. The guest's
 * debug registers always trap; their values are in the vCPU's register file, and the CPU holds only
 * those that are needed:
 *
 * - MDSCR_EL1 while the guest is loaded, for software step. While the guest's OS Lock or OS Double
 *   Lock is set, it is without the bits that these disable;
 * - breakpoints and watchpoints while MDSCR_EL1.MDE enables them. The host's are saved then, and
 *   restored when the vCPU is put. For a guest that does not use them nothing is done.
 *
 * By the vCPU's owner, on its CPU.
 */
#ifndef KEEL_TRAP_DEBUG_H
#define KEEL_TRAP_DEBUG_H

#include <arch/reg_bits.h>
#include <cpu/features.h>
#include <vm/run.h>

/* @features: the machine's; the pointer is kept. Boot CPU. */
void debug_init(const struct cpu_features *features);

/**
 * struct debug_user - EL2's own use of a guest's debug registers, for emulated SPE
 *
 * For vCPUs that have SPE (vcpu->spe); by the vCPU's owner, on its CPU.
 *
 * @breakpoints: how many of @count breakpoints the guest has
 * @load:        the vCPU is loaded: write MDSCR_EL1
 * @changed:     a breakpoint or watchpoint of the guest's has changed in the register file; the
 *               hardware still has the old value
 */
struct debug_user {
	unsigned int (*breakpoints)(const struct vcpu *vcpu, unsigned int count);
	void (*load)(struct vcpu *vcpu);
	void (*changed)(struct vcpu *vcpu);
};

/* Set the user; NULL for none. Boot CPU. */
void debug_set_user(const struct debug_user *el2);

/*
 * How many breakpoints and watchpoints a guest has: as many as all CPUs of the machine have, 2..16.
 * With emulated SPE it has fewer breakpoints, since EL2 uses some (spe/spe_arm.h).
 */
unsigned int debug_breakpoints(const struct vcpu *vcpu);
unsigned int debug_watchpoints(void);

/* How many breakpoints this CPU has, which can be more than a guest sees. */
unsigned int debug_breakpoints_here(void);

/*
 * Write the guest's first @breakpoints and @watchpoints to the hardware, and disable the others. If
 * the host's are in the hardware, they are saved before; debug_put() restores them.
 */
void debug_take_registers(struct vcpu *vcpu, unsigned int breakpoints, unsigned int watchpoints);

/* Of MDSCR_EL1, what guests have. */
#define MDSCR_GUEST (u64)(MDSCR_SS | MDSCR_TDCC | MDSCR_KDE | MDSCR_MDE)

/*
 * The guest's MDSCR_EL1 for the hardware: with the OS Lock or OS Double Lock set, without the bits
 * that enable debug exceptions, of which only BRK's remain (D2.4.1).
 */
static inline u64 debug_mdscr(const struct vcpu *vcpu)
{
	u64 mdscr = vcpu->sysreg[MDSCR_EL1];

	if ((vcpu->sysreg[OSLSR_EL1] & OSLSR_OSLK) || (vcpu->sysreg[OSDLR_EL1] & OSDLR_DLK))
		mdscr &= ~(MDSCR_SS | MDSCR_KDE | MDSCR_MDE);
	return mdscr;
}

/* The vCPU is loaded on this CPU; it is put. */
void debug_load(struct vcpu *vcpu);
void debug_put(struct vcpu *vcpu);

/* MDSCR_EL1 or a lock has changed in the register file: update the hardware. Loaded or not. */
void debug_update(struct vcpu *vcpu);

/* Likewise for one of DBGBVR0_EL1..DBGWCR15_EL1. */
void debug_update_reg(struct vcpu *vcpu, enum vcpu_sysreg reg);

/* Write MDSCR_EL1, as the guest's own write of it. */
void debug_write_mdscr(struct vcpu *vcpu, u64 value);

#endif
