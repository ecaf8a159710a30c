/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who takes an SError (docs/faults.md). One that is taken while a guest runs, or is found pending
 * when the guest is put, was caused by the guest, but may have corrupted more than the guest.
 */
#ifndef KEEL_VM_SERROR_H
#define KEEL_VM_SERROR_H

#include <lib/types.h>

/* Who takes an SError. The host, if it is not known to be the guest's alone. */
enum serror_owner { SERROR_HOST, SERROR_GUEST, SERROR_NOBODY };

/**
 * serror_owner() - who takes an SError that a guest has caused
 * @esr: ESR_EL2
 * @ras: the CPU has FEAT_RAS
 *
 * Without FEAT_RAS, or with an IMPLEMENTATION DEFINED syndrome, the extent of the error is not
 * known. It is taken as the guest's, such as one from a device that the guest was given.
 *
 * Return: SERROR_NOBODY: it was corrected, or nothing has consumed the data: the guest continues.
 * SERROR_GUEST: the guest's state is corrupt. SERROR_HOST: it is not contained, or not known to be.
 */
enum serror_owner serror_owner(u64 esr, bool ras);

/**
 * abort_is_contained() - whether a guest's synchronous external abort concerns that guest only
 * @esr: ESR_EL2
 * @ras: the CPU has FEAT_RAS
 *
 * Return: false if ESR_EL2.SET is "uncontainable" or reserved: then it is the host's.
 */
bool abort_is_contained(u64 esr, bool ras);

/* ESR_EL2 of the SError that stands for an uncontained abort. */
u64 serror_esr_uncontained(void);

/* The ESR_EL2 of an SError that ESB has deferred, from DISR_EL1, as if it had been taken. */
u64 serror_esr_of_disr(u64 disr);

#endif
