/* SPDX-License-Identifier: BSD-2-Clause */
/* Taking an SError at EL2, where they are masked otherwise. */
#ifndef KEEL_ARCH_SERROR_H
#define KEEL_ARCH_SERROR_H

#include <arch/extable.h>
#include <lib/types.h>

/*
 * Unmask SErrors for one instruction. The vector of EL2's own SErrors finds the row in the
 * exception table and continues at label 2, with PSTATE.A still clear, so the row contains the
 * instruction at 2 as well. HCR_EL2.AMO is set. ELR_EL2, SPSR_EL2, ESR_EL2 and FAR_EL2 are lost.
 * Return: ESR_EL2 of the SError that was taken; 0 for none.
 */
static inline u64 serror_window(void)
{
	u64 esr = 0;

	__asm__ volatile("1: msr daifclr, #4\n"
			 "isb\n"
			 "msr daifset, #4\n"
			 "b 3f\n"
			 "2: msr daifset, #4\n"
			 "mrs %0, esr_el2\n"
			 "3:\n" EXTABLE("1b", "2b + 4", "2b")
			 : "+r"(esr)
			 :
			 : "memory");
	return esr;
}

#endif
