/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Synchronous external aborts of a guest's accesses (HCR_EL2.TEA; docs/faults.md): what EL2 finds
 * out about each, and to whom it reports it. Also errors that userspace injects into a guest.
 * (vm/serror.h has SErrors.)
 */
#ifndef KEEL_TRAP_ERROR_H
#define KEEL_TRAP_ERROR_H

#include <vm/vm.h>

/* What an external abort is of. */
enum error_at {
	ERROR_AT_ACCESS,	/* the access itself, at FAR_EL2 */
	ERROR_AT_UNKNOWN,	/* likewise, but FAR_EL2 is not valid, or does not translate now */
	ERROR_AT_GUEST_TABLES,	/* a table of stage 1 */
	ERROR_AT_STAGE2_TABLES, /* a table of stage 2 */
	ERROR_AT_GONE,		/* a table of either stage; but now all of them can be read */
	ERROR_AT_COUNT
};

/* What EL2 finds now, for error_at(). */
struct error_now {
	bool tables_answer; /* of a walk: all tables of both stages for FAR_EL2 can be read */
	bool translates;    /* stage 1 translates FAR_EL2 */
};

/**
 * error_at() - what an external abort is of
 * @esr: ESR_EL2
 * @now: @translates is used only if error_needs_stage1(): the syndrome alone does not suffice
 *
 * On a walk, ESR_EL2 does not say of which stage, unless S1PTW is set. If stage 1 can be walked, it
 * was stage 2. If both can be walked, the error has gone, or the guest has changed its tables.
 */
enum error_at error_at(u64 esr, const struct error_now *now);
bool error_needs_stage1(u64 esr);

/**
 * error_trap() - handle an external abort of a guest's access
 * @esr: ESR_EL2, of a Data or Instruction Abort with such a status
 *
 * Return: KEEL_EXIT_ABORT: run->abort is filled, and the host's answer is awaited; KEEL_EXIT_IRQ:
 * the error is not contained, and the host gets an SError; VCPU_RESUME: the error has gone, and the
 * guest repeats the access, once; VCPU_NOT_MINE: a table of stage 2, so the guest cannot go on.
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
