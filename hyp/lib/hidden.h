/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Included before everything else when the image is built: all that headers declare is defined in
 * the image. So the compiler accesses variables of other files directly, and not by a global offset
 * table.
 */
#ifndef __ASSEMBLY__
#pragma GCC visibility push(hidden)
#endif
