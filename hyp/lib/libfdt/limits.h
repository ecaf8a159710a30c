/* SPDX-License-Identifier: BSD-2-Clause */
/* <limits.h> for libfdt at EL2: the compiler's own wants a C library's beside it. */
#ifndef KEEL_LIBFDT_LIMITS_H
#define KEEL_LIBFDT_LIMITS_H

#define INT_MAX	 __INT_MAX__
#define UINT_MAX (2U * __INT_MAX__ + 1)

#endif
