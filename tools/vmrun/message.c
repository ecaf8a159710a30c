// SPDX-License-Identifier: BSD-2-Clause
/* Messages to the user. */
#include "message.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "terminal.h"

/*
 * One write() for each line, so that lines of several threads do not mix. A raw terminal needs the
 * \r.
 */
static void say(const char *format, va_list args, const char *hint)
{
	char text[512], line[640];
	int length;

	vsnprintf(text, sizeof(text), format, args);
	length = snprintf(line, sizeof(line), "vmrun: %s%s%s", text, hint,
			  terminal_is_raw() ? "\r\n" : "\n");
	if (write(STDERR_FILENO, line, (size_t)length) < 0)
		return; /* standard error is closed */
}

void warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args, "");
	va_end(args);
}

/* _exit(), since other threads still use what exit() would free. */
void die(const char *format, ...)
{
	va_list args;

	terminal_restore();
	va_start(args, format);
	say(format, args, "");
	va_end(args);
	_exit(STATUS_ERROR);
}

void die_usage(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args, " (vmrun --help lists the options)");
	va_end(args);
	_exit(STATUS_USAGE);
}
