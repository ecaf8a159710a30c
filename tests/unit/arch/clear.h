/* SPDX-License-Identifier: BSD-2-Clause */
/* Clearing of Keel's own pages, where there is no DC ZVA. */
#ifndef KEEL_ARCH_CLEAR_H
#define KEEL_ARCH_CLEAR_H

#include <lib/string.h>
#include <lib/types.h>

static inline void clear_pages(void *start, u64 size)
{
	__builtin_memset(start, 0, size);
}

#endif
