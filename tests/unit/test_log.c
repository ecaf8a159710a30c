// SPDX-License-Identifier: BSD-2-Clause
/* The log: what reaches console and ring, what a reader is told, and when the lock is taken. */
/* SOURCES: hyp/lib/printf.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Its state is static, and each test starts with a fresh one. */
#include "../../hyp/cpu/log.c"

#define RING_SIZE LOG_LINE_MAX

static char *ring;

struct console {
	struct log_sink sink;
	char text[1024];
	size_t used;
	u32 locked_writes; /* writes with the log's lock held */
};

static struct console console;

static void write_console(void *ctx, const char *s, size_t n)
{
	struct console *c = ctx;

	assert_true(c->used + n < sizeof(c->text));
	memcpy(c->text + c->used, s, n);
	c->used += n;
	c->text[c->used] = 0;
	c->locked_writes += spin_is_locked(&log_state.lock);
}

static void add_console(struct console *c)
{
	*c = (struct console){ .sink = { .write = write_console, .ctx = c } };
	log_add_sink(&c->sink);
}

static int setup(void **state)
{
	memset(&log_state, 0, sizeof(log_state));
	log_state.lock = (struct spinlock)SPINLOCK_INIT(LOCK_LOG);
	fake_locks_held = 0;
	log_state.level = LOG_INFO;
	/* On the heap, so that a write outside of it is seen. */
	ring = calloc(1, RING_SIZE);
	add_console(&console);
	return log_init(ring, RING_SIZE);
}

static int teardown(void **state)
{
	free(ring);
	return 0;
}

static void check_console(const char *want)
{
	if (strcmp(console.text, want))
		fail_msg("console: \"%s\", expected \"%s\"", console.text, want);
}

static void check_read(u64 *pos, size_t size, const char *want, u64 want_lost)
{
	char *buf = malloc(size + 1);
	u64 lost = 99;
	size_t n = log_read(pos, buf, size, &lost);

	buf[n] = 0;
	if (n != strlen(want) || memcmp(buf, want, n) || lost != want_lost)
		fail_msg("read \"%s\", %lu lost, expected \"%s\", %lu", buf, lost, want, want_lost);
	free(buf);
}

static void each_level_has_its_prefix(void **state)
{
	log_set_level(LOG_DEBUG);
	log_err("e%d", 1);
	log_warn("w%d", 2);
	log_info("i%d", 3);
	log_debug("d%d", 4);
	check_console("keel: error: e1\nkeel: warning: w2\nkeel: i3\nkeel: debug: d4\n");
}

static void log_all_levels(void)
{
	log_err("e");
	log_warn("w");
	log_info("i");
	log_debug("d");
}

static void the_level_filters_the_console_and_not_the_ring(void **state)
{
	u64 pos = 0;

	log_set_level(LOG_ERR);
	log_all_levels();
	check_console("keel: error: e\n");
	check_read(&pos, RING_SIZE, "keel: error: e\nkeel: warning: w\nkeel: i\nkeel: debug: d\n",
		   0);
}

static void the_default_level_is_info(void **state)
{
	log_all_levels();
	check_console("keel: error: e\nkeel: warning: w\nkeel: i\n");
}

static void every_sink_gets_every_line_until_reset(void **state)
{
	struct console second;

	add_console(&second);
	log_info("both");
	log_reset_sinks();
	log_info("none");
	check_console("keel: both\n");
	assert_string_equal(second.text, "keel: both\n");
}

static void control_characters_cannot_reach_the_terminal(void **state)
{
	log_info("a%cb%sc~ \x7f\x9b", 27, "\r\n\t");
	check_console("keel: a?b???c~ ??\n");
}

static void a_long_line_is_cut_off_and_says_so(void **state)
{
	char text[LOG_LINE_MAX], want[LOG_LINE_MAX + 1];

	/* One byte more than fits between prefix and newline. */
	memset(text, 'x', sizeof(text));
	text[LOG_LINE_MAX - 6] = 0;
	snprintf(want, sizeof(want), "keel: %s", text);
	memcpy(want + LOG_LINE_MAX - 4, "...\n", 5);
	log_info("%s", text);
	check_console(want);
}

static void the_longest_line_is_whole(void **state)
{
	char text[LOG_LINE_MAX], want[LOG_LINE_MAX + 1];

	memset(text, 'y', sizeof(text));
	text[LOG_LINE_MAX - 1 - 6] = 0;
	snprintf(want, sizeof(want), "keel: %s\n", text);
	log_info("%s", text);
	check_console(want);
	assert_int_equal(console.used, LOG_LINE_MAX);
}

static void reading_in_pieces_misses_nothing(void **state)
{
	u64 pos = 0;

	log_info("abc");
	check_read(&pos, 4, "keel", 0);
	check_read(&pos, 4, ": ab", 0);
	check_read(&pos, 0, "", 0);
	log_info("d");
	check_read(&pos, 99, "c\nkeel: d\n", 0);
	check_read(&pos, 99, "", 0);
	assert_int_equal(pos, 18);
}

/* Each line is 12 bytes long. */
static void log_lines(unsigned int from, unsigned int to)
{
	for (unsigned int i = from; i < to; i++)
		log_info("ln%03u", i);
}

static void a_wrapped_ring_tells_of_the_loss_and_continues_at_a_line(void **state)
{
	u64 pos = 0, lost;
	char buf[RING_SIZE];

	log_set_level(LOG_ERR);
	log_lines(0, 30);
	assert_int_equal(log_state.head, 360);

	/* 360 - 256 = 104 bytes are gone, up to inside of line 8; line 9 starts at 108. */
	size_t n = log_read(&pos, buf, sizeof(buf), &lost);

	assert_int_equal(lost, 108);
	assert_int_equal(n, 360 - 108);
	assert_memory_equal(buf, "keel: ln009\n", 12);
	assert_memory_equal(buf + n - 12, "keel: ln029\n", 12);
	assert_int_equal(pos, 360);
}

static void a_reader_that_keeps_up_loses_nothing_across_the_wrap(void **state)
{
	u64 pos = 0;
	char want[16];

	log_set_level(LOG_ERR);
	for (unsigned int i = 0; i < 200; i++) {
		log_lines(i, i + 1);
		snprintf(want, sizeof(want), "keel: ln%03u\n", i);
		check_read(&pos, RING_SIZE, want, 0);
	}
}

static void a_slow_reader_is_told_what_it_lost(void **state)
{
	u64 pos = 0;

	log_set_level(LOG_ERR);
	log_lines(0, 1);
	check_read(&pos, 12, "keel: ln000\n", 0);
	log_lines(1, 30);
	check_read(&pos, 12, "keel: ln009\n", 108 - 12);
	check_read(&pos, 12, "keel: ln010\n", 0);
}

static void a_position_that_was_never_written_moves_to_the_end(void **state)
{
	u64 pos = UINT64_MAX;

	log_info("a");
	check_read(&pos, 99, "", 0);
	assert_int_equal(pos, 8);
	log_info("b");
	check_read(&pos, 99, "keel: b\n", 0);
}

static void a_bad_ring_size_is_refused(void **state)
{
	u64 pos = 0;

	log_info("a");
	assert_int_equal(log_init(ring, 0), -EINVAL);
	assert_int_equal(log_init(ring, LOG_LINE_MAX / 2), -EINVAL);
	assert_int_equal(log_init(ring, LOG_LINE_MAX + 1), -EINVAL);
	check_read(&pos, 99, "keel: a\n", 0);
}

static void a_ring_at_another_address_keeps_its_lines(void **state)
{
	char *moved = malloc(RING_SIZE);
	u64 pos = 0;

	log_info("before");
	memcpy(moved, ring, RING_SIZE);
	assert_int_equal(log_init(moved, RING_SIZE), 0);
	log_info("after");
	check_read(&pos, 99, "keel: before\nkeel: after\n", 0);
	assert_null(strstr(ring, "after"));
	free(moved);
}

static void the_log_works_before_it_has_a_ring(void **state)
{
	u64 pos = 0;

	memset(&log_state, 0, sizeof(log_state));
	add_console(&console);
	log_err("early");
	check_console("keel: error: early\n");
	check_read(&pos, 99, "", 0);
}

static void the_lock_is_taken_from_smp_ready_on(void **state)
{
	log_info("a");
	assert_int_equal(console.locked_writes, 0);
	log_smp_ready();
	log_info("b");
	assert_int_equal(console.locked_writes, 1);
	assert_false(spin_is_locked(&log_state.lock));
}

/* The fake lock aborts the program if one is taken again. */
static void every_call_releases_the_lock(void **state)
{
	char buf[8];
	u64 pos = 0, lost;

	log_smp_ready();
	log_set_level(LOG_DEBUG);
	log_debug("a");
	log_read(&pos, buf, sizeof(buf), &lost);
	log_reset_sinks();
	add_console(&console);
	assert_false(spin_is_locked(&log_state.lock));
}

static void a_panic_prints_although_the_lock_is_held(void **state)
{
	u64 pos = 0;

	log_smp_ready();
	spin_lock(&log_state.lock);
	log_panic_enter();
	log_err("panic");
	check_console("keel: error: panic\n");
	check_read(&pos, 99, "keel: error: panic\n", 0);
	assert_true(spin_is_locked(&log_state.lock));
}

static void a_console_that_is_off_gets_nothing_until_a_panic(void **state)
{
	u64 pos = 0;

	log_smp_ready();
	log_info("a");
	log_console_off();
	log_err("b");
	check_console("keel: a\n");
	check_read(&pos, RING_SIZE, "keel: a\nkeel: error: b\n", 0);
	assert_false(spin_is_locked(&log_state.lock));
	log_panic_enter();
	log_err("c");
	check_console("keel: a\nkeel: error: c\n");
	check_read(&pos, RING_SIZE, "keel: error: c\n", 0);
}

/* A panic inside of a sink: the interrupted message must still not release a lock that it took. */
static void panic_in_sink(void *ctx, const char *s, size_t n)
{
	struct log_sink *sink = ctx;

	sink->write = write_console;
	sink->ctx = &console;
	log_panic_enter();
	log_err("in the sink");
}

static void a_panic_inside_a_sink_prints(void **state)
{
	struct log_sink sink = { .write = panic_in_sink, .ctx = &sink };

	log_reset_sinks();
	log_add_sink(&sink);
	log_smp_ready();
	log_info("outer");
	check_console("keel: error: in the sink\n");
	assert_false(spin_is_locked(&log_state.lock));
}

static void ratelimit_lets_powers_of_two_through(void **state)
{
	struct ratelimit rl = { 0 };

	for (u64 n = 1; n <= 1025; n++) {
		u64 want = __builtin_popcountll(n) == 1 ? n : 0, got = ratelimit(&rl);

		if (got != want)
			fail_msg("occurrence %lu: %lu, expected %lu", n, got, want);
	}
}

static void a_limited_message_tells_the_count(void **state)
{
	struct ratelimit rl = { 0 };

	for (int i = 1; i <= 5; i++)
		log_limited(&rl, LOG_WARN, "bad access to 0x%x", i);
	check_console("keel: warning: bad access to 0x1 (occurrence 1)\n"
		      "keel: warning: bad access to 0x2 (occurrence 2)\n"
		      "keel: warning: bad access to 0x4 (occurrence 4)\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(each_level_has_its_prefix),
		TEST(the_level_filters_the_console_and_not_the_ring),
		TEST(the_default_level_is_info),
		TEST(every_sink_gets_every_line_until_reset),
		TEST(control_characters_cannot_reach_the_terminal),
		TEST(a_long_line_is_cut_off_and_says_so),
		TEST(the_longest_line_is_whole),
		TEST(reading_in_pieces_misses_nothing),
		TEST(a_wrapped_ring_tells_of_the_loss_and_continues_at_a_line),
		TEST(a_reader_that_keeps_up_loses_nothing_across_the_wrap),
		TEST(a_slow_reader_is_told_what_it_lost),
		TEST(a_position_that_was_never_written_moves_to_the_end),
		TEST(a_bad_ring_size_is_refused),
		TEST(a_ring_at_another_address_keeps_its_lines),
		TEST(the_log_works_before_it_has_a_ring),
		TEST(the_lock_is_taken_from_smp_ready_on),
		TEST(every_call_releases_the_lock),
		TEST(a_panic_prints_although_the_lock_is_held),
		TEST(a_console_that_is_off_gets_nothing_until_a_panic),
		TEST(a_panic_inside_a_sink_prints),
		TEST(ratelimit_lets_powers_of_two_through),
		TEST(a_limited_message_tells_the_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
