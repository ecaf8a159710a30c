/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AT at a virtual EL2 (ARM DDI 0487, C5.4): the hardware does it, in the context that it is about.
 *
 * What it meets that is not the guest's to know is what it is for other accesses. A table in memory
 * that the VM's own stage 2 does not map: the host is asked for it, and the instruction is executed
 * again. A table where nothing is, or that does not answer: an External abort on the walk, which is an
 * exception for AT as well (R_QBSVM).
 */
#ifndef KEEL_NESTED_NESTED_AT_H
#define KEEL_NESTED_NESTED_AT_H

#include <vm/exit.h>
#include <vm/vm.h>

/**
 * nested_at() - an AT in the context NESTED_EL2
 * @encoding: of the instruction, or of anything else
 * @va:       its operand
 * @again:    out, with VCPU_RESUME: the guest's pc is where it is to go on
 *
 * Return: VCPU_RESUME; an exit; VCPU_NOT_MINE if it is none.
 */
enum vcpu_action nested_at(struct vcpu *vcpu, u32 encoding, u64 va, bool *again);

/**
 * nested_at_own() - the same, in an early exit, of EL2's own translations alone
 *
 * Return: whether it is done. If not, nothing has changed but PAR_EL1.
 */
bool nested_at_own(struct vcpu *vcpu, u32 encoding, u64 va);

#endif
