/* SPDX-License-Identifier: BSD-2-Clause */
/* What linux/its_types.h has of the kernel, where the model of the ITS is compiled natively. */
#ifndef ITS_NATIVE_H
#define ITS_NATIVE_H

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <lib/types.h>

#define WARN_ON_ONCE(condition)       \
	({                            \
		assert(!(condition)); \
		false;                \
	})

#endif
