// SPDX-License-Identifier: BSD-2-Clause
/*
 * The log. A message is formatted into a line on the caller's stack, then written to the ring and
 * the consoles (sinks) under one lock.
 *
 *      log_msg() ── format ── lock ──┬─> ring, always: [ ...oldest line .. newest line | free ... ]
 *                                    └─> sinks, if the level is grave enough
 *
 * head counts all bytes ever written to the ring; its low bits are the position in it. A reader
 * keeps a position of the same kind, so it knows how many bytes were overwritten before it came,
 * and then continues at the start of a line.
 *
 * The lock is not taken before the MMU is on (exclusives need not work on Device memory), nor after
 * a panic has begun (the CPU that panics may hold it).
 */
#include <stdarg.h>

#include <arch/spinlock.h>

#include <cpu/log.h>
#include <lib/errno.h>
#include <lib/printf.h>
#include <lib/string.h>

static struct {
	struct spinlock lock; /* covers all but smp and panicking */
	bool smp;	      /* set once: the lock works */
	bool panicking;	      /* set once: the lock may never be released */
	bool console_off;     /* messages go to the ring alone, until a panic */
	enum log_level level;
	struct log_sink *sinks;
	char *ring;
	size_t size; /* of the ring; a power of two */
	u64 head; /* bytes ever written to the ring; its low bits are the index of the next one */
} log_state = { .lock = SPINLOCK_INIT(LOCK_LOG), .level = LOG_INFO };

/* Arrays, not pointers: usable before the image is relocated. */
static const char prefixes[LOG_LEVEL_COUNT][16] = {
	[LOG_ERR] = "keel: error: ",
	[LOG_WARN] = "keel: warning: ",
	[LOG_INFO] = "keel: ",
	[LOG_DEBUG] = "keel: debug: ",
};

/* Return: whether the lock was taken. */
static bool lock_log(void)
{
	if (!READ_ONCE(log_state.smp) || READ_ONCE(log_state.panicking))
		return false;
	spin_lock(&log_state.lock);
	return true;
}

static void unlock_log(bool taken)
{
	if (taken)
		spin_unlock(&log_state.lock);
}

struct line {
	char text[LOG_LINE_MAX];
	size_t used; /* below LOG_LINE_MAX: there is always room for the newline */
	bool cut;
};

/* Text from outside, such as names from the device tree, must not contain control characters. */
static char printable_char(char c)
{
	return c >= ' ' && c <= '~' ? c : '?';
}

static void put_line(void *ctx, const char *s, size_t n)
{
	struct line *line = ctx;

	for (; n && line->used < LOG_LINE_MAX - 1; n--)
		line->text[line->used++] = printable_char(*s++);
	line->cut |= n != 0;
}

static void end_line(struct line *line)
{
	static const char mark[] = { '.', '.', '.' };

	if (line->cut)
		memcpy(line->text + line->used - sizeof(mark), mark, sizeof(mark));
	line->text[line->used++] = '\n';
}

static void write_ring(const char *s, size_t n)
{
	if (!log_state.ring)
		return;
	while (n--)
		log_state.ring[log_state.head++ & (log_state.size - 1)] = *s++;
}

static void write_sinks(const char *s, size_t n)
{
	if (log_state.console_off && !READ_ONCE(log_state.panicking))
		return;
	for (struct log_sink *sink = log_state.sinks; sink; sink = sink->next)
		sink->write(sink->ctx, s, n);
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	struct line
		line; /* not initialized as a whole, which would be a memset() for each message */
	va_list ap;

	line.used = 0;
	line.cut = false;
	put_line(&line, prefixes[level], strlen(prefixes[level]));
	va_start(ap, fmt);
	kl_vprint(put_line, &line, fmt, ap);
	va_end(ap);
	end_line(&line);

	bool taken = lock_log();

	write_ring(line.text, line.used);
	if (level <= log_state.level)
		write_sinks(line.text, line.used);
	unlock_log(taken);
}

int log_init(char *buf, size_t size)
{
	if (size < LOG_LINE_MAX || (size & (size - 1)))
		return -EINVAL;
	if (size != log_state.size)
		log_state.head = 0;
	log_state.ring = buf;
	log_state.size = size;
	return 0;
}

void log_add_sink(struct log_sink *sink)
{
	bool taken = lock_log();

	sink->next = log_state.sinks;
	log_state.sinks = sink;
	unlock_log(taken);
}

void log_reset_sinks(void)
{
	bool taken = lock_log();

	log_state.sinks = NULL;
	unlock_log(taken);
}

void log_set_level(enum log_level level)
{
	bool taken = lock_log();

	log_state.level = level;
	unlock_log(taken);
}

void log_console_off(void)
{
	bool taken = lock_log();

	log_state.console_off = true;
	unlock_log(taken);
}

void log_smp_ready(void)
{
	WRITE_ONCE(log_state.smp, true);
}

void log_panic_enter(void)
{
	WRITE_ONCE(log_state.panicking, true);
}

static char ring_byte(u64 pos)
{
	return log_state.ring[pos & (log_state.size - 1)];
}

/* The position to continue at if @pos was overwritten: the first line that is certainly whole. */
static u64 first_whole_line(u64 oldest, u64 head)
{
	while (oldest < head && ring_byte(oldest) != '\n')
		oldest++;
	return MIN(oldest + 1, head);
}

static u64 valid_position(u64 pos, u64 head)
{
	u64 oldest = head > log_state.size ? head - log_state.size : 0;

	if (pos > head)
		return head;
	return pos < oldest ? first_whole_line(oldest, head) : pos;
}

size_t log_read(u64 *pos, char *buf, size_t size, u64 *lost)
{
	bool taken = lock_log();
	u64 head = log_state.head;
	u64 start = valid_position(*pos, head);
	size_t n = (size_t)MIN(head - start, size);

	for (size_t i = 0; i < n; i++)
		buf[i] = ring_byte(start + i);
	unlock_log(taken);

	*lost = start > *pos ? start - *pos : 0;
	*pos = start + n;
	return n;
}

u64 ratelimit(struct ratelimit *rl)
{
	u64 count = __atomic_add_fetch(&rl->count, 1, __ATOMIC_RELAXED);

	return (count & (count - 1)) ? 0 : count;
}
