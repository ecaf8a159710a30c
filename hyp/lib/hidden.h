/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Included before all else when the image is built: nothing outside of it defines what a header
 * declares. So the compiler reaches a variable of another file by its address, not by way of a
 * table of addresses.
 */
#ifndef __ASSEMBLY__
#pragma GCC visibility push(hidden)
#endif
