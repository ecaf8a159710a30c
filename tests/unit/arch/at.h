/* SPDX-License-Identifier: BSD-2-Clause */
/* Address translation, fake: the test that links a caller defines it, and so is the MMU; false is a
 * fault of EL2. */
#ifndef KEEL_ARCH_AT_H
#define KEEL_ARCH_AT_H

#include <lib/types.h>

bool __must_check at_s1e1r(u64 va);
bool __must_check at_s1e0r(u64 va);
bool __must_check at_s1e1w(u64 va);
bool __must_check at_s1e0w(u64 va);
bool __must_check at_s1e1rp(u64 va);
bool __must_check at_s1e1wp(u64 va);
bool __must_check at_s12e1r(u64 va);
bool __must_check at_s12e1w(u64 va);

#endif
