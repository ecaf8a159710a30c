/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Self-hosted debug in a guest: breakpoints, watchpoints, software step, the OS locks. Its debug
 * registers trap always and live in the register file; the CPU gets what is needed of them:
 *
 * - MDSCR_EL1 whenever the guest is loaded, for software step; with the guest's OS lock or OS
 * double lock set, without the bits that these silence;
 * - breakpoints and watchpoints while MDSCR_EL1.MDE enables them. The host's are saved then, and
 *   put back when the vCPU leaves the CPU. A guest that does not use them costs nothing.
 *
 * By the vCPU's owner, on its CPU.
 */
#ifndef KEEL_TRAP_DEBUG_H
#define KEEL_TRAP_DEBUG_H

#include <cpu/features.h>
#include <vm/run.h>

/* MDSCR_EL1 (D24.3.20): what software can use */
#define MDSCR_SS   BIT(0)
#define MDSCR_TDCC BIT(12)
#define MDSCR_KDE  BIT(13)
#define MDSCR_MDE  BIT(15)

/* OSLSR_EL1 (D24.3.27): the OS lock is there, and is unlocked, as KVM hands it over */
#define OSLSR_OSLK BIT(1)
#define OSLSR_OSLM BIT(3)
#define OSDLR_DLK  BIT(0)

/* @features: the machine's; kept. Boot CPU. */
void debug_init(const struct cpu_features *features);

/*
 * How many there are, for a guest: as many as every CPU of the machine has, 2..16; with emulated
 * SPE fewer breakpoints, since EL2 needs them (spe/spe_arm.h).
 */
unsigned int debug_breakpoints(const struct vcpu *vcpu);
unsigned int debug_watchpoints(void);

/*
 * A vCPU whose SPE is emulated, before each entry, in the place of debug_update(): its own
 * registers, and the breakpoint on its vectors.
 */
void debug_enter_spe(struct vcpu *vcpu);

/* MDSCR_EL1 as far as debug exceptions go: without what an OS lock silences. */
u64 debug_mdscr(const struct vcpu *vcpu);

/* The vCPU comes to this CPU; it leaves. */
void debug_load(struct vcpu *vcpu);
void debug_put(struct vcpu *vcpu);

/* MDSCR_EL1 or a lock has changed in the register file: so does the hardware. Loaded or not. */
void debug_update(struct vcpu *vcpu);

/* Likewise for one of DBGBVR0_EL1..DBGWCR15_EL1. */
void debug_update_reg(struct vcpu *vcpu, enum vcpu_sysreg reg);

#endif
