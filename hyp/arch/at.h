/* SPDX-License-Identifier: BSD-2-Clause */
/* Address translation instructions (ARM DDI 0487, C5.4). */
#ifndef KEEL_ARCH_AT_H
#define KEEL_ARCH_AT_H

#include <lib/types.h>

/* AT S1E1R: stage 1 of EL1's regime, a read at EL1. The result is in PAR_EL1 after an ISB. */
static inline void at_s1e1r(u64 va)
{
	__asm__ volatile("at s1e1r, %0" : : "r"(va) : "memory");
}

/* The same with stage 2 behind it; at EL0, and for a write. */
#define DEFINE_AT(name, op)                                               \
	static inline void name(u64 va)                                   \
	{                                                                 \
		__asm__ volatile("at " op ", %0" : : "r"(va) : "memory"); \
	}

DEFINE_AT(at_s1e0r, "s1e0r")
DEFINE_AT(at_s1e1w, "s1e1w")
DEFINE_AT(at_s12e1r, "s12e1r")
DEFINE_AT(at_s12e1w, "s12e1w")

#endif
