/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errors of the machine that EL2 has met, counted since boot: KEEL_STAT_*. Each comes with a line
 * in the log, whose rate is limited; the count is exact.
 */
#ifndef KEEL_CPU_HW_ERRORS_H
#define KEEL_CPU_HW_ERRORS_H

#include <lib/types.h>

enum hw_error {
	HW_GUEST_ABORTS,  /* external aborts of guests */
	HW_GUEST_SERRORS, /* SErrors that came of guests */
	HW_EL2_FAULTS,	  /* faults that the exception table has mended */
	HW_ERROR_COUNT
};

/* By any CPU, with the MMU on. */
void hw_error(enum hw_error what);

u64 hw_errors(enum hw_error what);

#endif
