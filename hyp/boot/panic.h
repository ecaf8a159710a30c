/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end, in words: for broken invariants of Keel's own, never for what a guest, the host or
 * firmware can cause.
 */
#ifndef KEEL_BOOT_PANIC_H
#define KEEL_BOOT_PANIC_H

#include <boot/boot.h>
#include <lib/compiler.h>

/**
 * panic() - print why, the registers and a backtrace, then stop this CPU for good
 *
 * Any context, any CPU; takes no lock. Other CPUs go on until they need what this one held.
 */
void __noreturn panic(const char *fmt, ...) __printf(1, 2);

/* From vectors.S: an exception from EL2 itself. */
void __noreturn panic_exception(const struct panic_frame *frame);

/**
 * boot_stop() - one line on the console, then stop: for what makes booting impossible
 *
 * Before the host runs only. What is wrong lies outside Keel, so there is no register dump.
 */
void __noreturn boot_stop(const char *fmt, ...) __printf(1, 2);

#endif
