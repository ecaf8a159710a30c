// SPDX-License-Identifier: BSD-2-Clause
/* Counts of errors of the machine. See hw_errors.h. */
#include <cpu/hw_errors.h>

static u64 counts[HW_ERROR_COUNT];

void hw_error(enum hw_error what)
{
	__atomic_fetch_add(&counts[what], 1, __ATOMIC_RELAXED);
}

u64 hw_errors(enum hw_error what)
{
	return __atomic_load_n(&counts[what], __ATOMIC_RELAXED);
}
