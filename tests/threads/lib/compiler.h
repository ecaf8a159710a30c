/* SPDX-License-Identifier: BSD-2-Clause */
/* As the real one, but ThreadSanitizer knows accesses that may race only as atomic ones. */
#ifndef KEEL_THREADS_COMPILER_H
#define KEEL_THREADS_COMPILER_H

#include_next <lib/compiler.h>

#undef READ_ONCE
#undef WRITE_ONCE
#define READ_ONCE(x)	 __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELAXED)

#endif
