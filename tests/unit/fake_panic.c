// SPDX-License-Identifier: BSD-2-Clause
/* panic() for tests: see fake_panic.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cpu/panic.h>
#include <fake_panic.h>

static jmp_buf *catcher;
static char message[256];

void panic(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	if (catcher)
		longjmp(*catcher, 1);
	fprintf(stderr, "panic: %s\n", message);
	abort();
}

const char *fake_panics(void (*run)(void *arg), void *arg)
{
	jmp_buf here;
	const char *volatile result = message;

	if (!setjmp(here)) {
		catcher = &here;
		run(arg);
		result = NULL;
	}
	catcher = NULL;
	return result;
}
