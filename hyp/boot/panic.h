/* SPDX-License-Identifier: BSD-2-Clause */
/* How boot and the exception vectors stop, besides panic() (cpu/panic.h). */
#ifndef KEEL_BOOT_PANIC_H
#define KEEL_BOOT_PANIC_H

#include <boot/boot.h>
#include <cpu/panic.h>

/*
 * From vectors.S: an exception from EL2 itself. Returns if the exception table has a row for it,
 * with the address to continue at in @frame; panics otherwise.
 */
void exception_at_el2(struct panic_frame *frame);

/**
 * boot_stop() - one line on the console, then stop: for what makes booting impossible
 *
 * Before the host runs only. What is wrong lies outside Keel, so there is no register dump.
 */
void __noreturn boot_stop(const char *fmt, ...) __printf(1, 2);

#endif
