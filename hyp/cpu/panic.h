/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end, in words: for broken invariants of Keel's own, never for what a guest, the host or
 * firmware can cause.
 */
#ifndef KEEL_CPU_PANIC_H
#define KEEL_CPU_PANIC_H

#include <lib/compiler.h>

/**
 * panic() - print why, the registers and a backtrace, then stop this CPU for good
 *
 * Any context, any CPU; takes no lock. Other CPUs go on until they need what this one held.
 * Implemented by boot (and by the tests, natively).
 */
void __noreturn panic(const char *fmt, ...) __printf(1, 2);

#endif
