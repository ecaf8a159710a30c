/* SPDX-License-Identifier: BSD-2-Clause */
/* Taking an SError at EL2, which runs with them masked. */
#ifndef KEEL_ARCH_SERROR_H
#define KEEL_ARCH_SERROR_H

#include <arch/extable.h>
#include <lib/types.h>

/*
 * Unmask them for one instruction. The vector of EL2's own SErrors finds the place in the exception
 * table and goes on at 2, with PSTATE.A as it was there: clear. So 2 is in the row as well.
 * HCR_EL2.AMO is set. ELR_EL2, SPSR_EL2, ESR_EL2 and FAR_EL2 are lost. Return: ESR_EL2 of the one
 * that was taken; 0 for none.
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
