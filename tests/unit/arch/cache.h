/* SPDX-License-Identifier: BSD-2-Clause */
/* Cache maintenance, fake: a test that links a caller defines these, and checks what they get. */
#ifndef KEEL_ARCH_CACHE_H
#define KEEL_ARCH_CACHE_H

#include <lib/types.h>

void dcache_clean_poc(const void *start, u64 size);
void dcache_clean_inval_poc(const void *start, u64 size);
void icache_inval_all(void);

#endif
