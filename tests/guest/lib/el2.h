/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Payloads below an EL2 without VHE of their own (vmrun --nested=nvhe): they run at EL1, and may have
 * functions run at EL2.
 */
#ifndef GUEST_EL2_H
#define GUEST_EL2_H

#define EL2_CALL 0x42

#ifndef __ASSEMBLER__
#include "guest.h"

/* Run a function at EL2, on its own stack. Return: what it returns. */
u64 el2_call(u64 (*function)(u64 x0), u64 x0);

/* The last exception that EL2 has taken: from itself, or from what el1_enter() runs, with x0. */
struct el2_caught {
	u64 esr, elr, spsr, far, hpfar, x0;
};
extern struct el2_caught el2_caught;

/* At EL2: el1_enter()'s @sp. 0 again when that has returned. */
extern u64 el2_nested_sp;

#endif
#endif
