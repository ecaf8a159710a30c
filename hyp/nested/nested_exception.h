/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions to a virtual EL2 and returns from it (ARM DDI 0487, D1.3, D1.4).
 *
 * vcpu->regs.pstate is the guest's, with EL2t and EL2h, while EL2 handles an exit; the hardware's,
 * in which these are EL1t and EL1h, only from the last step before an entry to the first one after
 * the exit.
 */
#ifndef KEEL_NESTED_NESTED_EXCEPTION_H
#define KEEL_NESTED_NESTED_EXCEPTION_H

#include <cpu/inject.h>
#include <vm/vm.h>

/* Which of the four vectors of a kind of source. */
enum nested_vector { NESTED_SYNC, NESTED_IRQ, NESTED_FIQ, NESTED_SERROR };

/* PSTATE as the hardware has it, and back; @el2: the context is NESTED_EL2. */
u64 nested_pstate_to_hw(u64 pstate);
u64 nested_pstate_from_hw(u64 pstate, bool el2);

/**
 * nested_exception_entry() - where and how an exception enters EL2
 * @spsr:  PSTATE that it is taken from, EL0 to EL2
 * @sctlr: SCTLR_EL2
 * @hcr:   HCR_EL2 as it acts
 * @has:   what guests have
 *
 * Return: offset from VBAR_EL2, and the new PSTATE.
 */
struct el1_entry nested_exception_entry(u64 spsr, enum nested_vector vector, u64 sctlr, u64 hcr,
					const struct pstate_features *has);

/* Whether an exception return from EL2 with this SPSR_EL2 is legal (D1.4.3). */
bool nested_return_is_legal(u64 spsr, u64 hcr);

/**
 * nested_return_pstate() - PSTATE after an exception return from EL2
 * @spsr: SPSR_EL2, any value
 * @now:  PSTATE before
 *
 * An illegal return stays where it is, with PSTATE.IL set: the next instruction takes the
 * exception.
 */
u64 nested_return_pstate(u64 spsr, u64 now, u64 hcr, const struct pstate_features *has);

/* The bits that nested_return_pstate() copies without a look at others: not SS, IL, and AArch32. */
u64 nested_return_usual(const struct pstate_features *has);

/* What of PSTATE guests have. */
struct pstate_features nested_pstate_features(void);

/*
 * Make the guest take an exception to its EL2 at its current instruction; @esr counts for
 * synchronous exceptions and SErrors. Registers may be in either context's places.
 */
void nested_take_exception(struct vcpu *vcpu, enum nested_vector vector, u64 esr);
/* The same for an abort. */
void nested_take_abort(struct vcpu *vcpu, u64 esr, u64 far);

/* ERET at EL2. */
void nested_eret(struct vcpu *vcpu);

#endif
