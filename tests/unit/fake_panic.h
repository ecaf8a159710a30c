/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * panic() for tests: ends the program with the message, unless within fake_panics(), which runs
 * code that must panic.
 */
#ifndef KEEL_FAKE_PANIC_H
#define KEEL_FAKE_PANIC_H

/*
 * Run run(arg). Returns the message of the panic that ended it, or NULL if it came back. Locks that
 * were held stay held.
 */
const char *fake_panics(void (*run)(void *arg), void *arg);

#endif
