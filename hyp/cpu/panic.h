/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end, in words: for broken invariants of Keel's own, never for what a guest, the host or
 * firmware can cause.
 */
#ifndef KEEL_CPU_PANIC_H
#define KEEL_CPU_PANIC_H

#include <lib/compiler.h>
#include <lib/types.h>

/**
 * panic() - print why, the registers and a backtrace, then stop this CPU for good
 *
 * Any context, any CPU; takes no lock. The other CPUs stop as well, at once: docs/console.md. On a
 * CPU that comes here while another one has panicked: one line, which says why, then stop.
 * Implemented by boot (and by the tests, natively).
 */
void __noreturn panic(const char *fmt, ...) __printf(1, 2);

/* Set once, by any CPU, as it begins to panic. */
extern u32 panic_begun;

/*
 * panic_in_progress() - whether any CPU has begun to panic. Its data may be half changed: code that
 * enters EL2 and sees this calls panic_stop_cpu() before anything else.
 */
static inline bool panic_in_progress(void)
{
	return READ_ONCE(panic_begun);
}

/*
 * panic_stop_cpu() - print one line, after the report of the CPU that panicked, then stop this CPU
 * permanently. Takes no lock. At EL2's entry: ELR_EL2 is where the CPU comes from.
 */
void __noreturn panic_stop_cpu(void);

#endif
