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

#endif
