/* SPDX-License-Identifier: BSD-2-Clause */
/* Pointer authentication, fake: the test that links a caller defines it. */
#ifndef KEEL_ARCH_PAUTH_H
#define KEEL_ARCH_PAUTH_H

#include <lib/types.h>

u64 pacga(u64 value, u64 modifier);

#endif
