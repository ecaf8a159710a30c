/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SErrors: whose they are (docs/faults.md). One that is taken while a guest runs, or is found
 * pending when it is left, came of what the guest did, but may have spoilt more than the guest.
 */
#ifndef KEEL_VM_SERROR_H
#define KEEL_VM_SERROR_H

#include <lib/types.h>

/* Who takes it. The host's is what nobody knows better. */
enum serror_owner { SERROR_HOST, SERROR_GUEST, SERROR_NOBODY };

/**
 * serror_owner() - who takes an SError that came of a guest
 * @esr: ESR_EL2
 * @ras: the CPU has FEAT_RAS
 *
 * Without FEAT_RAS, or with an IMPLEMENTATION DEFINED syndrome, nothing is known of how far it
 * reaches: it is taken for the guest's, as from a device that it was given.
 *
 * Return: SERROR_NOBODY: it was corrected, or nothing has consumed the data yet: the guest goes on.
 * SERROR_GUEST: the guest's state is bad. SERROR_HOST: it is not contained, or not known to be.
 */
enum serror_owner serror_owner(u64 esr, bool ras);

/**
 * abort_is_contained() - whether a guest's synchronous external abort reaches no further
 * @esr: ESR_EL2
 * @ras: the CPU has FEAT_RAS
 *
 * Return: false: ESR_EL2.SET says that it is uncontainable, or what nobody knows: the host's.
 */
bool abort_is_contained(u64 esr, bool ras);

/* ESR_EL2 of the SError that stands for an uncontained abort. */
u64 serror_esr_uncontained(void);

/* ESR_EL2 as it would be if what ESB has put into @disr, DISR_EL1, had been taken. */
u64 serror_esr_of_disr(u64 disr);

#endif
