/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address translation instructions (ARM DDI 0487, C5.4). They walk tables that are not EL2's. The
 * result is in PAR_EL1 after an ISB; but an external abort on the walk, or an update of the access
 * flag that fails, is an exception at EL2 (R_QBSVM, R_XQSMX).
 */
#ifndef KEEL_ARCH_AT_H
#define KEEL_ARCH_AT_H

#include <arch/extable.h>
#include <lib/types.h>

/*
 * at_s1e1r(): stage 1 of EL1's regime, for a read at EL1. The others: at EL0, for a write, by
 * PSTATE.PAN, with stage 2 as well. Return: false if the walk faulted; PAR_EL1 is UNKNOWN then.
 */
#define DEFINE_AT(name, op)                                                  \
	static inline bool __must_check name(u64 va)                         \
	{                                                                    \
		__asm__ goto("1: " op " %0\n2:\n" EXTABLE("1b", "2b", "%l1") \
			     :                                               \
			     : "r"(va)                                       \
			     : "memory"                                      \
			     : fault);                                       \
		return true;                                                 \
fault:                                                                       \
		return false;                                                \
	}

DEFINE_AT(at_s1e1r, "at s1e1r,")
DEFINE_AT(at_s1e0r, "at s1e0r,")
DEFINE_AT(at_s1e1w, "at s1e1w,")
DEFINE_AT(at_s1e0w, "at s1e0w,")
DEFINE_AT(at_s1e1rp, "sys #0, c7, c9, #0,") /* S1E1RP, S1E1WP: FEAT_PAN2 */
DEFINE_AT(at_s1e1wp, "sys #0, c7, c9, #1,")
DEFINE_AT(at_s12e1r, "at s12e1r,")
DEFINE_AT(at_s12e1w, "at s12e1w,")

#endif
