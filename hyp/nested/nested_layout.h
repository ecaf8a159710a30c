/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers of an EL2 whose HCR_EL2.E2H is 0, in the layout that they have with E2H=1; for those that
 * EL1's registers take the place of, so in the hardware's. From values to values: any 64 bits, of
 * which those count that the architecture gives a meaning (ARM DDI 0487, D24.2). Docs: nested.md,
 * "Without VHE".
 */
#ifndef KEEL_NESTED_NESTED_LAYOUT_H
#define KEEL_NESTED_NESTED_LAYOUT_H

#include <lib/types.h>

/* TCR_EL1 for a regime with a single range: by TTBR0_EL1 alone, without ASIDs. */
u64 nested_layout_tcr(u64 tcr);

/* TTBR0_EL1: of ASID 0. */
u64 nested_layout_ttbr0(u64 ttbr0);

/* SCTLR_EL1. Bits that are about EL0 alone are 0: nothing runs there with this register. */
u64 nested_layout_sctlr(u64 sctlr);

/* CPTR_EL2 with E2H=1, in which CPACR_EL1's bits have the same places. */
u64 nested_layout_cptr(u64 cptr);

/* CNTHCTL_EL2 with E2H=1. Bits that are about EL0 are 0: there CNTKCTL_EL1 counts, which is EL1's. */
u64 nested_layout_cnthctl(u64 cnthctl);

#endif
