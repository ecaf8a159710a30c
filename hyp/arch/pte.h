/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Access to translation table descriptors that a table walker may be reading, and that hardware
 * may be updating (access flag, dirty state), at the same time. The tests' fake of this file checks
 * every use against the rules of break-before-make (ARM DDI 0487, D8.17.1).
 */
#ifndef KEEL_ARCH_PTE_H
#define KEEL_ARCH_PTE_H

#include <lib/types.h>

/* One single-copy atomic load. */
static inline u64 pte_read(const u64 *ptep)
{
	return READ_ONCE(*ptep);
}

/*
 * One single-copy atomic store, only over a descriptor that hardware does not update: an invalid
 * one, a table, or one in memory that no walker can reach. A release, so that a table's contents
 * are seen before the descriptor that points to it.
 */
static inline void pte_write(u64 *ptep, u64 pte)
{
	__atomic_store_n(ptep, pte, __ATOMIC_RELEASE);
}

/*
 * Replace the descriptor by @pte if it is still *old, atomically with respect to hardware's
 * updates. Otherwise write its value to *old and return false. Release order if it succeeds.
 */
static inline bool pte_cmpxchg(u64 *ptep, u64 *old, u64 pte)
{
	return __atomic_compare_exchange_n(ptep, old, pte, false, __ATOMIC_RELEASE,
					   __ATOMIC_RELAXED);
}

#endif
