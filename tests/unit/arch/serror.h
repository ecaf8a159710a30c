/* SPDX-License-Identifier: BSD-2-Clause */
/* Taking an SError at EL2, fake: a test that has one pending gives it. */
#ifndef KEEL_ARCH_SERROR_H
#define KEEL_ARCH_SERROR_H

#include <lib/types.h>

/* ESR_EL2 of the SError that is pending, which is pending no more; 0 for none. */
u64 fake_serror_window(void) __attribute__((weak));

static inline u64 serror_window(void)
{
	return fake_serror_window ? fake_serror_window() : 0;
}

#endif
