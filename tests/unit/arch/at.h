/* SPDX-License-Identifier: BSD-2-Clause */
/* Address translation, fake: the test that links a caller defines it, and so is the MMU. */
#ifndef KEEL_ARCH_AT_H
#define KEEL_ARCH_AT_H

#include <lib/types.h>

void at_s1e1r(u64 va);
void at_s1e0r(u64 va);
void at_s1e1w(u64 va);
void at_s12e1r(u64 va);
void at_s12e1w(u64 va);

#endif
