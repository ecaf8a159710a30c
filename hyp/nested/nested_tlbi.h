/* SPDX-License-Identifier: BSD-2-Clause */
/* TLBIs of a guest hypervisor. */
#ifndef KEEL_NESTED_NESTED_TLBI_H
#define KEEL_NESTED_NESTED_TLBI_H

#include <vm/vm.h>

/**
 * nested_tlbi() - carry out a TLBI that has trapped from the context NESTED_EL2
 * @vcpu:     loaded
 * @encoding: of the instruction
 * @xt:       its operand
 *
 * When it returns, neither a shadow nor any CPU's TLB has what the instruction is about. Takes the
 * VM's own stage2.lock.
 *
 * Return: false if it is no TLBI.
 */
bool nested_tlbi(struct vcpu *vcpu, u32 encoding, u64 xt);

/* The same for a TLBI of EL2's own translations. Return: false for any other; nothing is done. */
bool nested_tlbi_own(struct vcpu *vcpu, u32 encoding, u64 xt);

#endif
