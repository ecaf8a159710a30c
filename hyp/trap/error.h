/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errors of the machine that a guest's accesses meet, as synchronous external aborts (HCR_EL2.TEA;
 * docs/faults.md): what is known of each, and who is told. And errors that userspace wants a guest
 * to have. (SErrors are vm/serror.h's.)
 */
#ifndef KEEL_TRAP_ERROR_H
#define KEEL_TRAP_ERROR_H

#include <vm/vm.h>

/* What an external abort was met at. */
enum error_at {
	ERROR_AT_ACCESS,  /* where the access went, FAR_EL2 */
	ERROR_AT_UNKNOWN, /* likewise; the CPU does not say where, or it is not there any more */
	ERROR_AT_GUEST_TABLES,	/* a table of stage 1 */
	ERROR_AT_STAGE2_TABLES, /* a table of stage 2 */
	ERROR_AT_COUNT
};

/**
 * error_at() - what an external abort was met at
 * @esr: ESR_EL2
 * @translates: stage 1 translates FAR_EL2, as far as it can be asked; not looked at with
 *		error_needs_stage1() false
 *
 * On a walk ESR_EL2 does not tell the stage, but for S1PTW. If stage 1 can be walked, it was
 * stage 2's.
 */
enum error_at error_at(u64 esr, bool translates);
bool error_needs_stage1(u64 esr);

/**
 * error_trap() - an access of the guest met an external abort
 * @esr: ESR_EL2, of a Data or Instruction Abort with such a status
 *
 * Return: KEEL_EXIT_ABORT, run->abort filled, the access is open; KEEL_EXIT_IRQ: it is not
 * contained, the host has an SError; VCPU_NOT_MINE for tables of stage 2, without which the guest
 * cannot go on.
 */
int error_trap(struct vcpu *vcpu, u64 esr);

/**
 * error_events() - KEEL_HC_VCPU_EVENTS
 * @vcpu:    owned by this CPU, not loaded, initialized
 * @raise:   KEEL_EVENT_*
 * @pending: out: KEEL_EVENT_*
 *
 * Return: 0; -EINVAL.
 */
int error_events(struct vcpu *vcpu, u64 raise, u64 *pending);

#endif
