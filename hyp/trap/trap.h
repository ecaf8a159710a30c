/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's synchronous exceptions: the layer of the run loop that handles what EL2 can handle by
 * itself, and ends the run with an exit for what needs the host. docs/traps.md.
 *
 * Everything here runs on the vCPU's CPU, by its owner, without locks.
 */
#ifndef KEEL_TRAP_TRAP_H
#define KEEL_TRAP_TRAP_H

#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <cpu/features.h>
#include <vm/run.h>

/**
 * trap_init() - register with the run loop
 * @features: the machine's; fields that VMs see do not change any more. The pointer is kept
 *
 * Boot CPU, once, before the other layers, since this one handles all exception classes.
 */
void trap_init(const struct cpu_features *features);

/* A CPU has come up and is about to run the host. On that CPU; @id: its own registers. */
void trap_cpu_online(const struct cpu_id_regs *id);

/* ---- inside trap/ ---- */

/* The part of trap_step_over() for AArch32. */
void trap_step_over_aa32(struct vcpu *vcpu, u64 esr);

/*
 * Advance past the instruction that trapped, as if it had been executed: BTYPE and SS become 0
 * (D8.14.1, D2.11.3). @esr: the trap's syndrome, for IL.
 */
static __always_inline void trap_step_over(struct vcpu *vcpu, u64 esr)
{
	if (unlikely(vcpu->regs.pstate & PSR_MODE32)) {
		trap_step_over_aa32(vcpu, esr);
		return;
	}
	vcpu->regs.pc += 4;
	vcpu->regs.pstate &= ~(PSR_BTYPE | PSR_SS);
}

/*
 * The same in an early exit (vm/exit.h), where the guest's pc and PSTATE are in the hardware. Not for
 * AArch32.
 */
static __always_inline void trap_step_over_early(void)
{
	write_sysreg(read_sysreg(elr_el2) + 4, elr_el2);
	write_sysreg(read_sysreg(spsr_el2) & ~(PSR_BTYPE | PSR_SS), spsr_el2);
}

/**
 * trap_wait() - the vCPU waits for an interrupt
 * @until: value of CNTPCT_EL0 at which the wait ends in any case; ~0 for never
 *
 * Return: VCPU_RESUME if one is pending; KEEL_EXIT_WFI, run->wfi filled.
 */
enum vcpu_action trap_wait(struct vcpu *vcpu, u64 until);

/* abort.c: a Data or Instruction Abort from the guest. VCPU_RESUME, VCPU_NOT_MINE or an exit. */
enum vcpu_action abort_trap(struct vcpu *vcpu, u64 esr);

/*
 * abort.c: what else handles stage-2 faults needs of them (hyp/nested/). @esr, @far: ESR_EL2, FAR_EL2
 *
 * abort_is_stage2():  whether it is a stage-2 fault, by a translation that is missing or a permission
 * abort_is_write():   whether the translation must allow to write
 * abort_fault_ipa():  the IPA in the context behind which the vCPU runs. False: stage 1 faults now,
 *                     so the guest repeats the access. HPFAR_EL2 is the fault's
 * abort_at():         handle it as a fault at @ipa of the VM, which the VM's own stage 2 does not map
 */
bool abort_is_stage2(u64 esr);
bool abort_is_write(u64 esr);
bool abort_fault_ipa(u64 esr, u64 far, u64 *ipa);
enum vcpu_action abort_at(struct vcpu *vcpu, u64 esr, u64 far, u64 ipa);

/*
 * abort.c: translate an address of the loaded guest by its stage 1, for a read at EL1. False: the
 * translation faults. PAR_EL1 is preserved; FAR_EL2, HPFAR_EL2 and ESR_EL2 may be of another fault
 * afterwards.
 */
bool abort_translate(u64 va, u64 *ipa);

/*
 * abort.c: whether all tables of both stages that translate an address of the loaded guest can be
 * read now, whatever their contents. Otherwise as abort_translate().
 */
bool abort_tables_answer(u64 va);

/* abort.c: act on the host's answer, if the last exit was KEEL_EXIT_FAULT or _ABORT. */
enum vcpu_action abort_resume(struct vcpu *vcpu);

/* abort.c: the vCPU is reset: drop a fault that waits for an answer. */
void abort_forget(struct vcpu *vcpu);

#endif
