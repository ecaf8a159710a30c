// SPDX-License-Identifier: BSD-2-Clause
/* Formatted printing against the C library's, and where Keel's differs on purpose. */
/* SOURCES: hyp/lib/printf.c */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lib/printf.h>

/* Flags that do nothing are a part of the test. */
#pragma clang diagnostic ignored "-Wformat"

/* Both must agree on the text and on the length, also where the buffer is too small. */
#define same(...)                                                                            \
	do {                                                                                 \
		char want_[256], got_[256];                                                  \
		int length_ = snprintf(want_, sizeof(want_), __VA_ARGS__);                   \
                                                                                             \
		for (size_t size_ = 1; size_ <= (size_t)length_ + 2; size_++) {              \
			snprintf(want_, size_, __VA_ARGS__);                                 \
			memset(got_, '#', sizeof(got_));                                     \
			int n_ = kl_snprintf(got_, size_, __VA_ARGS__);                      \
			if (n_ != length_ || strcmp(got_, want_))                            \
				fail_msg("%s in %zu bytes: \"%s\", %d, expected \"%s\", %d", \
					 #__VA_ARGS__, size_, got_, n_, want_, length_);     \
			if (got_[size_] != '#')                                              \
				fail_msg("%s wrote behind %zu bytes", #__VA_ARGS__, size_);  \
		}                                                                            \
	} while (0)

static void integers_print_as_in_c(void **state)
{
	static const int numbers[] = { 0, 1, -1, 9, 10, 255, 4096, -4096, INT_MAX, INT_MIN };

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		int n = numbers[i];

		same("%d %i %u %x %X", n, n, n, n, n);
		same("[%5d|%-5d|%-05d|%05d|%+d|% d|%+05d]", n, n, n, n, n, n, n);
		same("[%3x|%-9x|%08x|%#x|%#X|%#010x|%-#10x]", n, n, n, n, n, n, n);
		same("[%.0d|%.3d|%8.3d|%-8.3d|%08.3d|%#.5x|%.0x]", n, n, n, n, n, n, n);
		same("[%hhd|%hd|%hhu|%hu|%hhx]", (signed char)n, (short)n, (unsigned char)n,
		     (unsigned short)n, (unsigned char)n);
		same("[%*d|%-*d|%*d|%.*d]", 7, n, 7, n, -7, n, 4, n);
	}
}

static void wide_integers_print_as_in_c(void **state)
{
	static const s64 numbers[] = { 0, -1, 1LL << 40, -(1LL << 40), INT64_MAX, INT64_MIN };

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		s64 n = numbers[i];

		same("%ld %lu %lx %#lx %lX", n, n, n, n, n);
		same("%lld %llu %llx", (long long)n, (long long)n, (long long)n);
		same("%zd %zu %zx %td %jd", n, n, n, n, n);
		same("[%25ld|%-25lu|%020lx]", n, n, n);
	}
}

static void text_prints_as_in_c(void **state)
{
	same("");
	same("plain");
	same("100%%");
	same("%c%c%c", 'a', '%', 'z');
	same("[%3c|%-3c]", 'a', 'b');
	same("[%s|%8s|%-8s|%2s]", "keel", "keel", "keel", "keel");
	same("[%.2s|%.0s|%.9s|%6.2s|%-6.2s]", "keel", "keel", "keel", "keel", "keel");
	same("[%.*s|%*s]", 3, "keel", 6, "keel");
	same("[%.*s]", -1, "keel");
}

static void precision_bounds_what_is_read(void **state)
{
	char *unterminated = malloc(3);

	memcpy(unterminated, "abc", 3);
	same("%.3s", unterminated);
	same("%.*s", 2, unterminated);
	free(unterminated);
}

static void check(const char *got, const char *want)
{
	if (strcmp(got, want))
		fail_msg("\"%s\", expected \"%s\"", got, want);
}

static void pointers_have_all_digits(void **state)
{
	char buf[64];

	kl_snprintf(buf, sizeof(buf), "%p", (void *)0x40080000);
	check(buf, "0x0000000040080000");
	kl_snprintf(buf, sizeof(buf), "%20p|", NULL);
	check(buf, "  0x0000000000000000|");
}

static int call(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);

	int n = kl_vsnprintf(buf, size, fmt, ap);

	va_end(ap);
	return n;
}

static void a_null_string_is_shown(void **state)
{
	char buf[64];

	call(buf, sizeof(buf), "%s|%.3s", NULL, NULL);
	check(buf, "(null)|(nu");
}

/* A wrong conversion shows in the output, and takes no argument away from the next. */
static void an_unknown_conversion_prints_itself(void **state)
{
	char buf[64];

	call(buf, sizeof(buf), "%q %5lk %d", 42);
	check(buf, "%q %5lk 42");
	call(buf, sizeof(buf), "end %");
	check(buf, "end %");
	call(buf, sizeof(buf), "end %-05l");
	check(buf, "end %-05l");
}

static void a_huge_width_is_bounded(void **state)
{
	assert_int_equal(call(NULL, 0, "%99999999999d", 1), 4096);
	assert_int_equal(call(NULL, 0, "%*d", INT_MIN, 1), 4096);
	assert_int_equal(call(NULL, 0, "%.*d", INT_MAX, 1), 4096);
}

static void no_buffer_gives_the_length(void **state)
{
	assert_int_equal(kl_snprintf(NULL, 0, "%s %d", "keel", 12), 7);
}

struct seen {
	char text[64];
	size_t used;
};

static void see(void *ctx, const char *s, size_t n)
{
	struct seen *seen = ctx;

	assert_true(n > 0 && seen->used + n < sizeof(seen->text));
	memcpy(seen->text + seen->used, s, n);
	seen->used += n;
}

static int print(struct seen *seen, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);

	int n = kl_vprint(see, seen, fmt, ap);

	va_end(ap);
	return n;
}

static void the_callback_gets_all_text_in_order(void **state)
{
	struct seen seen = { .used = 0 };

	assert_int_equal(print(&seen, "a%db%5sc%%", 17, "xy"), 11);
	assert_int_equal(seen.used, 11);
	check(seen.text, "a17b   xyc%");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_print_as_in_c),
		cmocka_unit_test(wide_integers_print_as_in_c),
		cmocka_unit_test(text_prints_as_in_c),
		cmocka_unit_test(precision_bounds_what_is_read),
		cmocka_unit_test(pointers_have_all_digits),
		cmocka_unit_test(a_null_string_is_shown),
		cmocka_unit_test(an_unknown_conversion_prints_itself),
		cmocka_unit_test(a_huge_width_is_bounded),
		cmocka_unit_test(no_buffer_gives_the_length),
		cmocka_unit_test(the_callback_gets_all_text_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
