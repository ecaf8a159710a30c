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
	ERROR_AT_GONE,		/* a table, of either; and all of them answer again */
	ERROR_AT_COUNT
};

/* What can be asked now about an abort: as far as error_at() looks at it. */
struct error_now {
	bool tables_answer; /* of both stages, for FAR_EL2; looked at of a walk */
	bool translates;    /* FAR_EL2 at stage 1 */
};

/**
 * error_at() - what an external abort was met at
 * @esr: ESR_EL2
 * @now: what is so now. @translates is looked at where the syndrome alone does not tell:
 *	 error_needs_stage1()
 *
 * On a walk ESR_EL2 does not tell the stage, but for S1PTW. If stage 1 can be walked, it was
 * stage 2's. If both can, the error has gone, or the guest has changed its tables.
 */
enum error_at error_at(u64 esr, const struct error_now *now);
bool error_needs_stage1(u64 esr);

/**
 * error_trap() - an access of the guest met an external abort
 * @esr: ESR_EL2, of a Data or Instruction Abort with such a status
 *
 * Return: KEEL_EXIT_ABORT, run->abort filled, the access is open; KEEL_EXIT_IRQ: it is not
 * contained, the host has an SError; VCPU_RESUME: the guest repeats it, once, since the error has
 * gone; VCPU_NOT_MINE for tables of stage 2, without which the guest cannot go on.
 */
enum vcpu_action error_trap(struct vcpu *vcpu, u64 esr);

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
