/* SPDX-License-Identifier: BSD-2-Clause */
/* Pointer authentication of a virtual EL2: what ERETAA and ERETAB do, which trap. */
#ifndef KEEL_NESTED_NESTED_PAUTH_H
#define KEEL_NESTED_NESTED_PAUTH_H

#include <vm/vm.h>

/* Whether the vCPU has pointer authentication. If not, what belongs to it is UNDEFINED. */
bool nested_has_pauth(const struct vcpu *vcpu);

/**
 * nested_authenticate() - the address that ERETAA or ERETAB returns to
 * @vcpu: loaded, in the context NESTED_EL2; it has pointer authentication
 * @esr:  ESR_EL2 of the trapped instruction
 * @elr:  ELR_EL2; becomes the address without its code, or one that cannot be used (FEAT_PAuth)
 *
 * As the CPU does it natively, by the guest's keys, stack pointer and registers of EL2 (ARM DDI 0487,
 * AArch64.AuthIA()). Return: whether it is so; false: a PAC Fail exception is taken (FEAT_FPACCOMBINE).
 */
bool nested_authenticate(struct vcpu *vcpu, u64 esr, u64 *elr);

#endif
