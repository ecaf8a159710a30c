/* SPDX-License-Identifier: BSD-2-Clause */
/* <string.h> for libfdt at EL2. */
#include <lib/string.h>
