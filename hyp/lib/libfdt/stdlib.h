/* SPDX-License-Identifier: BSD-2-Clause */
/* <stdlib.h> for libfdt at EL2: what it includes, it uses nothing of. */
