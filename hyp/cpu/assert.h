/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preconditions that headers document, checked where a debug build and the native tests see them. A
 * release build carries none of it: the condition is compiled, and not evaluated.
 *
 * For mistakes of Keel's own, as panic(): what a guest, the host or firmware says is validated.
 */
#ifndef KEEL_CPU_ASSERT_H
#define KEEL_CPU_ASSERT_H

#include <cpu/panic.h>

#ifdef KEEL_DEBUG
#define ASSERT(condition)                                                                 \
	do {                                                                              \
		if (unlikely(!(condition)))                                               \
			panic("%s: line %d: not so: %s", __func__, __LINE__, #condition); \
	} while (0)

/* Two integers; a failure prints both. */
#define ASSERT_CMP(a, op, b)                                                                       \
	do {                                                                                       \
		unsigned long a_ = (unsigned long)(a), b_ = (unsigned long)(b);                    \
                                                                                                   \
		if (unlikely(!(a_ op b_)))                                                         \
			panic("%s: line %d: not so: %s %s %s: %#lx, %#lx", __func__, __LINE__, #a, \
			      #op, #b, a_, b_);                                                    \
	} while (0)
#else
#define ASSERT(condition)    ((void)sizeof(!(condition)))
#define ASSERT_CMP(a, op, b) ((void)sizeof((a)op(b)))
#endif

#endif
