/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Access to descriptors, fake: as hyp/arch/pte.h, with each store checked by the TLB model
 * (fake_tlb.h) against break-before-make, and hardware's own updates mixed in.
 */
#ifndef KEEL_ARCH_PTE_H
#define KEEL_ARCH_PTE_H

#include <lib/types.h>

u64 pte_read(const u64 *ptep);
void pte_write(u64 *ptep, u64 pte);
bool pte_cmpxchg(u64 *ptep, u64 *old, u64 pte);

#endif
