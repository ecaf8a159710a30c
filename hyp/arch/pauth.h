/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pointer authentication, computed for others: EL2 itself does not use it. Only on CPUs with
 * FEAT_PAuth.
 */
#ifndef KEEL_ARCH_PAUTH_H
#define KEEL_ARCH_PAUTH_H

#include <lib/types.h>

/*
 * PACGA: the code of @value with @modifier, by the key in APGAKey, in bits 63:32. SCTLR_EL2 has no
 * effect on it. As a number, since the assembler is not told of FEAT_PAuth: pacga x0, x0, x1.
 */
static inline u64 pacga(u64 value, u64 modifier)
{
	register u64 x0 __asm__("x0") = value;
	register u64 x1 __asm__("x1") = modifier;

	__asm__ volatile(".inst 0x9ac13000" : "+r"(x0) : "r"(x1));
	return x0;
}

#endif
