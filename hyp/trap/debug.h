/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Self-hosted debug in a guest: breakpoints, watchpoints, software step, the OS locks. Its debug
 * registers trap always and live in the register file; the CPU gets what is needed of them:
 *
 * - MDSCR_EL1 whenever the guest is loaded, for software step; with the guest's OS lock or OS
 *   double lock set, without the bits that these silence;
 * - breakpoints and watchpoints while MDSCR_EL1.MDE enables them. The host's are saved then, and
 *   put back when the vCPU leaves the CPU. A guest that does not use them costs nothing.
 *
 * By the vCPU's owner, on its CPU.
 */
#ifndef KEEL_TRAP_DEBUG_H
#define KEEL_TRAP_DEBUG_H

#include <arch/reg_bits.h>
#include <cpu/features.h>
#include <vm/run.h>

/* @features: the machine's; kept. Boot CPU. */
void debug_init(const struct cpu_features *features);

/**
 * struct debug_user - EL2's own use of a guest's debug registers: emulated SPE's
 *
 * Of vCPUs that have SPE (vcpu->spe); by the vCPU's owner, on its CPU.
 *
 * @breakpoints: how many of @count the guest keeps
 * @load:        the vCPU comes to this CPU: MDSCR_EL1 is EL2's to write
 * @changed:     a breakpoint or watchpoint of the guest's has changed in the register file, and the
 *               hardware has what it was
 */
struct debug_user {
	unsigned int (*breakpoints)(const struct vcpu *vcpu, unsigned int count);
	void (*load)(struct vcpu *vcpu);
	void (*changed)(struct vcpu *vcpu);
};

/* One, or none; boot CPU. */
void debug_set_user(const struct debug_user *el2);

/*
 * How many there are, for a guest: as many as every CPU of the machine has, 2..16; with emulated
 * SPE fewer breakpoints, since EL2 needs them (spe/spe_arm.h).
 */
unsigned int debug_breakpoints(const struct vcpu *vcpu);
unsigned int debug_watchpoints(void);

/* How many breakpoints this CPU has, which can be more than a guest knows of. */
unsigned int debug_breakpoints_here(void);

/*
 * The first @breakpoints and @watchpoints of the guest's go to the hardware, others are off. The
 * host's are saved before if they are still there, and come back with debug_put().
 */
void debug_take_registers(struct vcpu *vcpu, unsigned int breakpoints, unsigned int watchpoints);

/*
 * MDSCR_EL1 as far as debug exceptions go: a locked OS lock or OS double lock leaves none but BRK's
 * (D2.4.1).
 */
static inline u64 debug_mdscr(const struct vcpu *vcpu)
{
	u64 mdscr = vcpu->sysreg[MDSCR_EL1];

	if ((vcpu->sysreg[OSLSR_EL1] & OSLSR_OSLK) || (vcpu->sysreg[OSDLR_EL1] & OSDLR_DLK))
		mdscr &= ~(MDSCR_SS | MDSCR_KDE | MDSCR_MDE);
	return mdscr;
}

/* The vCPU comes to this CPU; it leaves. */
void debug_load(struct vcpu *vcpu);
void debug_put(struct vcpu *vcpu);

/* MDSCR_EL1 or a lock has changed in the register file: so does the hardware. Loaded or not. */
void debug_update(struct vcpu *vcpu);

/* Likewise for one of DBGBVR0_EL1..DBGWCR15_EL1. */
void debug_update_reg(struct vcpu *vcpu, enum vcpu_sysreg reg);

#endif
