/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keel's messages: to the console by level, to a ring in memory always.
 *
 * A message is one line, given without its newline: longer than LOG_LINE_MAX it is cut off, control
 * characters in it print as '?'. It gets the prefix "keel: ", and "error: ", "warning: " or
 * "debug: " behind that.
 *
 * Any CPU may log at any time. One lock covers ring and sinks; it is the innermost of Keel's locks,
 * so messages may be logged with any other held. Until log_smp_ready() the lock is not taken,
 * because exclusive accesses may not work before the MMU is on; after log_panic_enter() neither,
 * because the CPU that holds it may be the one that panics.
 */
#ifndef KEEL_CPU_LOG_H
#define KEEL_CPU_LOG_H

#include <lib/types.h>

/* A lower value is more severe. */
enum log_level { LOG_ERR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_LEVEL_COUNT };

/* Bytes of a line, prefix and newline included. */
#define LOG_LINE_MAX 256

/* A console, in memory of the caller that stays valid until log_reset_sinks(). */
struct log_sink {
	/* Gets whole lines, newline included; called with the log's lock held: it must not log. */
	void (*write)(void *ctx, const char *s, size_t n);
	void *ctx;
	struct log_sink *next; /* the log's own */
};

#define log_err(...)   log_msg(LOG_ERR, __VA_ARGS__)
#define log_warn(...)  log_msg(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_msg(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_DEBUG, __VA_ARGS__)

/**
 * log_msg() - log one line
 * @level: its severity; it goes to the consoles if it is at least as severe as log_set_level() says
 * @fmt:   as kl_snprintf() takes it, without a newline
 */
void log_msg(enum log_level level, const char *fmt, ...) __printf(2, 3);

/**
 * log_init() - give the log its ring
 * @buf:  stays the log's; before the first call messages go to the sinks alone
 * @size: of @buf in bytes; a power of two of at least LOG_LINE_MAX
 *
 * Called again with the same @size (when the MMU is on and @buf has a new address) it keeps what
 * the ring holds. One CPU only: before log_smp_ready().
 *
 * Return: 0; -EINVAL for a bad size (the log stays as it was).
 */
int __must_check log_init(char *buf, size_t size);

/**
 * log_add_sink() - messages go to this console too, from the next on
 * @sink: not yet added
 */
void log_add_sink(struct log_sink *sink);

/* log_reset_sinks() - remove all sinks, for example because their addresses change */
void log_reset_sinks(void);

/**
 * log_set_level() - choose what the consoles get
 * @level: this level and all more severe ones; LOG_INFO at first. The ring gets every level.
 */
void log_set_level(enum log_level level);

/**
 * log_console_off() - from now on messages go to the ring alone
 *
 * For the time when the host may turn the consoles' hardware off. log_panic_enter() ends it.
 */
void log_console_off(void);

/**
 * log_smp_ready() - from now on the lock is taken
 *
 * Called once, before a second CPU starts, with MMU and caches on.
 */
void log_smp_ready(void);

/**
 * log_panic_enter() - from now on no CPU takes the lock, and the consoles are on
 *
 * A panicking CPU calls it first. Lines of several CPUs may then mix; memory stays intact.
 */
void log_panic_enter(void);

/**
 * log_read() - read the ring
 * @pos:  where to continue, in bytes ever logged; 0 starts at the oldest byte. Advanced by what was
 *        read. Untrusted: a position that was never written reads nothing and is set to the end.
 * @buf:  gets the text, not terminated
 * @size: of @buf in bytes
 * @lost: bytes that were overwritten before they could be read, 0 if none. After a loss reading
 *        continues at the start of a line.
 *
 * Starting with *@pos = 0 in a ring that has wrapped counts as a loss. Any number of readers, each
 * with its own position. Copies at most the ring's size with the lock held.
 *
 * Return: bytes read; 0 at the end.
 */
size_t log_read(u64 *pos, char *buf, size_t size, u64 *lost);

/*
 * Rate limiting of messages that a guest or the host can cause: the 1st, 2nd, 4th, 8th, ...
 * occurrence is logged, with the count, so n occurrences take log2(n) lines. One static structure
 * for each message; zeroed at the start.
 */
struct ratelimit {
	u64 count; /* occurrences so far; atomic */
};

/**
 * ratelimit() - count an occurrence
 *
 * Any CPU, any number at once; needs the MMU on.
 *
 * Return: how many there were, if this one is to be logged; otherwise 0.
 */
u64 ratelimit(struct ratelimit *rl);

/* log_limited() - log_msg() for what the host or a guest can cause; @fmt must be a literal */
#define log_limited(rl, level, fmt, ...)                                                     \
	do {                                                                                 \
		u64 occurrence_ = ratelimit(rl);                                             \
                                                                                             \
		if (occurrence_)                                                             \
			log_msg(level, fmt " (occurrence %lu)", ##__VA_ARGS__, occurrence_); \
	} while (0)

#endif
