/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLBIs of a guest hypervisor.
 *
 * One that concerns many shadows takes long, and the host's interrupts must not wait for it. It
 * looks whether one waits after each shadow. If so, the run ends with KEEL_EXIT_IRQ, and the next
 * one begins with the rest, before the guest executes anything:
 *
 *	trap ── shadow ── shadow ── an interrupt waits ── the host ── shadow ── ... ── pc + 4
 *
 * Until then the instruction has not completed. So what other vCPUs still have of it between the
 * steps is what they may have. What they put into a shadow meanwhile comes of tables as they are
 * after the TLBI has begun, so no shadow has to be visited twice.
 */
#ifndef KEEL_NESTED_NESTED_TLBI_H
#define KEEL_NESTED_NESTED_TLBI_H

#include <lib/esr.h>
#include <vm/exit.h>
#include <vm/vm.h>

/**
 * nested_tlbi() - carry out a TLBI that has trapped from the context NESTED_EL2
 * @vcpu:     loaded
 * @encoding: of the instruction
 * @xt:       its operand
 *
 * When it returns, and nested_tlbi_is_left() says no, neither a shadow nor any CPU's TLB has what
 * the instruction is about. Takes the VM's own stage2.lock.
 *
 * Return: false if it is no TLBI.
 */
bool nested_tlbi(struct vcpu *vcpu, u32 encoding, u64 xt);

/* The same for a TLBI of EL2's own translations. Return: false for any other; nothing is done. */
bool nested_tlbi_own(struct vcpu *vcpu, u32 encoding, u64 xt);

/* The same without VHE, where only TLBIs by EL2's names are about it. */
bool nested_tlbi_own_nvhe(struct vcpu *vcpu, u32 encoding, u64 xt);

/* ESR_EL2 of a TLBI by an EL2's name: op0 is 1, op1 4, CRn 8 or 9. */
static inline bool nested_is_el2_tlbi(u64 esr)
{
	u64 fixed = ESR_EC | ESR_SYS64_OP0 | ESR_SYS64_OP1 | (ESR_SYS64_CRN & ~ESR_SYS64_CRN_0) |
		    ESR_SYS64_READ;

	return (esr & fixed) == (FIELD_PREP(ESR_EC, ESR_EC_SYS64) | FIELD_PREP(ESR_SYS64_OP0, 1) |
				 FIELD_PREP(ESR_SYS64_OP1, 4) | FIELD_PREP(ESR_SYS64_CRN, 8));
}

/**
 * nested_tlbi_at_once() - a TLBI by such a name, if it is of EL2's own translations; in an early exit
 * @vcpu: loaded, in the context NESTED_EL2
 * @esr:  nested_is_el2_tlbi()
 *
 * Return: whether it is done, pc too. If not, nothing is.
 */
bool nested_tlbi_at_once(struct vcpu *vcpu, u64 esr);

/**
 * nested_tlbi_is_left() - whether the TLBI has to go on after an interrupt of the host
 * @esr: ESR_EL2 of the trap
 *
 * If so, the instruction is not completed: the run is to end with KEEL_EXIT_IRQ.
 */
bool nested_tlbi_is_left(struct vcpu *vcpu, u64 esr);

/**
 * nested_tlbi_resume() - at the begin of a run: go on with a TLBI that is left
 * @vcpu: loaded
 *
 * At its end, pc is the next instruction. If registers that it depends on have been written since,
 * it is forgotten: the guest executes it again.
 *
 * Return: VCPU_RESUME; KEEL_EXIT_IRQ: again in the next run.
 */
enum vcpu_action nested_tlbi_resume(struct vcpu *vcpu);

#endif
