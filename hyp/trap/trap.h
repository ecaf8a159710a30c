/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest's synchronous exceptions mean: the layer on the run loop that finishes what EL2 can
 * finish and says what the host is needed for. docs/traps.md.
 *
 * Everything here runs on the vCPU's CPU, by its owner, without locks.
 */
#ifndef KEEL_TRAP_TRAP_H
#define KEEL_TRAP_TRAP_H

#include <cpu/features.h>
#include <vm/run.h>

/**
 * trap_init() - register on the run loop
 * @features: the machine's, final in what VMs are told; kept
 *
 * Boot CPU, once, before the other layers, since this one answers for all exception classes.
 */
void trap_init(const struct cpu_features *features);

/* A CPU has come up and is about to run its host. On it; @id: its own registers. */
void trap_cpu_online(const struct cpu_id_regs *id);

/* ---- inside trap/ ---- */

/* The instruction that trapped is done: on to the next one. @esr: the trap's syndrome, for IL. */
void trap_step_over(struct vcpu *vcpu, u64 esr);

/**
 * trap_wait() - the vCPU waits for an interrupt
 * @until: counter value (CNTPCT_EL0) at which it wants to go on in any case; ~0 for never
 *
 * Return: VCPU_RESUME if one is pending; KEEL_EXIT_WFI, run->wfi filled.
 */
enum vcpu_action trap_wait(struct vcpu *vcpu, u64 until);

/* abort.c: a Data or Instruction Abort from the guest. VCPU_RESUME, VCPU_NOT_MINE or an exit. */
enum vcpu_action abort_trap(struct vcpu *vcpu, u64 esr);

/*
 * abort.c: what stage 1 makes of an address of the loaded guest now, for a read at EL1. False: it
 * faults, or the walk does. PAR_EL1 stays the guest's; FAR_EL2 and its like may be another fault's.
 */
bool abort_translate(u64 va, u64 *ipa);

/*
 * abort.c: whether all tables that translate an address of the loaded guest, of both stages, can be
 * read now; what they say is not looked at. Otherwise as abort_translate().
 */
bool abort_tables_answer(u64 va);

/* abort.c: what the host answered to the last KEEL_EXIT_FAULT or _ABORT, if that was the exit. */
enum vcpu_action abort_resume(struct vcpu *vcpu);

/* abort.c: there is nothing to finish any more. */
void abort_forget(struct vcpu *vcpu);

#endif
