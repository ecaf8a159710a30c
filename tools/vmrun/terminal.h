/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Standard input: every key goes to the guest's console, but Ctrl-A X leaves, when it is a
 * terminal; what is read from a file or pipe goes to the guest as it is.
 */
#ifndef VMRUN_TERMINAL_H
#define VMRUN_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** struct console - the device that standard input goes to. */
struct console {
	void *self;
	size_t (*room)(void *self); /* how many bytes it can take now */
	void (*input)(void *self, const uint8_t *bytes, size_t count); /* count <= room() */
};

/** terminal_start() - raw mode if standard input is a terminal; input goes to @console. */
void terminal_start(const struct console *console);

/** terminal_restore() - give the terminal back as it was. May be called at any time, repeatedly. */
void terminal_restore(void);

/** terminal_is_raw() - is the terminal in raw mode? */
bool terminal_is_raw(void);

/** terminal_output() - print what the guest's console printed; waits until it is written. */
void terminal_output(const void *bytes, size_t count);

#endif
