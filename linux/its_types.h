/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the model of the ITS (its_*.c, but for its.c) uses of C: in the kernel, and natively, where
 * tests and the fuzzer compile it. The model uses nothing else of the kernel. Host and guest tables
 * are little-endian.
 */
#ifndef KEEL_ITS_TYPES_H
#define KEEL_ITS_TYPES_H

#ifdef __KERNEL__
#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/types.h>
#else
#include <its_native.h> /* of tests/unit/ */
#endif

#endif
