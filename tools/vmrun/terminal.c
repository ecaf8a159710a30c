// SPDX-License-Identifier: BSD-2-Clause
/* Standard input and output: raw mode, the Ctrl-A keys, signals that end the process. */
#include "terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "loop.h"
#include "message.h"

#define CTRL_A 0x01

static struct termios saved;
static volatile sig_atomic_t raw;
static const struct console *target;
static uint8_t backlog[4096]; /* read, but not passed to the guest yet */
static size_t backlog_count;
static bool at_end;	  /* standard input has ended */
static bool after_ctrl_a; /* the next key is a command */

bool terminal_is_raw(void)
{
	return raw;
}

void terminal_restore(void)
{
	if (!raw)
		return;
	tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	raw = 0;
}

/* SA_RESETHAND has restored the default: a second signal ends the process. */
static void restore_and_end(int signal_number)
{
	terminal_restore();
	raise(signal_number);
}

static void catch_signals(void)
{
	static const int deadly[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	const struct sigaction action = { .sa_handler = restore_and_end, .sa_flags = SA_RESETHAND };

	for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		sigaction(deadly[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void make_raw(void)
{
	struct termios mode;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved) < 0)
		return;
	mode = saved;
	cfmakeraw(&mode);
	if (tcsetattr(STDIN_FILENO, TCSANOW, &mode) == 0)
		raw = 1;
}

/* Handle the key after Ctrl-A. Return: whether @key goes to the guest. */
static bool command_key(uint8_t key)
{
	after_ctrl_a = false;
	switch (key) {
	case 'x':
	case 'X':
		loop_stop(STATUS_LEFT);
		return false;
	case CTRL_A:
		return true;
	default:
		warn("Ctrl-A X leaves, Ctrl-A Ctrl-A sends a Ctrl-A");
		return false;
	}
}

static bool for_guest(uint8_t key)
{
	if (!raw)
		return true;
	if (after_ctrl_a)
		return command_key(key);
	after_ctrl_a = key == CTRL_A;
	return !after_ctrl_a;
}

/* Pass on as much as the guest has room for. */
static void deliver(void)
{
	size_t room = target->room(target->self);
	size_t count = backlog_count < room ? backlog_count : room;

	if (!count)
		return;
	target->input(target->self, backlog, count);
	backlog_count -= count;
	memmove(backlog, backlog + count, backlog_count);
}

/*
 * A terminal is always read, so that Ctrl-A X works while a guest hangs; when the backlog is full,
 * keys are lost. A file or pipe waits.
 */
static bool before_wait(void *unused)
{
	(void)unused;
	deliver();
	return !at_end && (raw || backlog_count == 0);
}

static void ready(void *unused)
{
	uint8_t bytes[64];
	ssize_t got = read(STDIN_FILENO, bytes, sizeof(bytes));

	(void)unused;
	if (got <= 0)
		at_end = got == 0 || (errno != EAGAIN && errno != EINTR);
	for (ssize_t i = 0; i < got; i++) {
		if (for_guest(bytes[i]) && backlog_count < sizeof(backlog))
			backlog[backlog_count++] = bytes[i];
	}
}

void terminal_start(const struct console *console)
{
	static const struct watch watch = { .fd = STDIN_FILENO,
					    .before_wait = before_wait,
					    .ready = ready };

	target = console;
	catch_signals();
	make_raw();
	loop_watch(&watch);
}

void terminal_output(const void *bytes, size_t count)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };
	const uint8_t *next = bytes;

	while (count) {
		ssize_t done = write(STDOUT_FILENO, next, count);

		if (done > 0) {
			next += done;
			count -= (size_t)done;
		} else if (errno == EAGAIN) {
			poll(&out, 1, -1);
		} else if (errno != EINTR) {
			return; /* the reader is gone: the guest continues */
		}
	}
}
