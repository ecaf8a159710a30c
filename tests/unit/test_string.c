// SPDX-License-Identifier: BSD-2-Clause
/*
 * The string functions against the C library's, over all alignments and many lengths, and number
 * parsing. Keel's functions are compiled here under other names, because a program has one
 * memcpy().
 */
/* SOURCES: hyp/lib/parse.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define memcpy	kl_memcpy
#define memmove kl_memmove
#define memset	kl_memset
#define memcmp	kl_memcmp
#define memchr	kl_memchr
#define strlen	kl_strlen
#define strnlen kl_strnlen
#define strcmp	kl_strcmp
#define strncmp kl_strncmp
#define strchr	kl_strchr
#define strrchr kl_strrchr
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wunknown-pragmas"
#include "../../hyp/lib/string.c"
#pragma clang diagnostic pop
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef memchr
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr
#undef strrchr

#include <lib/errno.h>

#define MAX_ALIGN  9
#define MAX_LENGTH 280

/* A heap buffer of exactly @size bytes, so that the sanitizer sees the first byte too many. */
static u8 *pattern(size_t size, u8 seed)
{
	u8 *p = malloc(size ? size : 1);

	for (size_t i = 0; i < size; i++)
		p[i] = (u8)(seed + i * 7);
	return p;
}

static void check_same(const u8 *got, const u8 *want, size_t n, const char *what, size_t a,
		       size_t b, size_t length)
{
	for (size_t i = 0; i < n; i++) {
		if (got[i] != want[i])
			fail_msg("%s(%zu, %zu, length %zu): byte %zu is 0x%02x, expected 0x%02x",
				 what, a, b, length, i, got[i], want[i]);
	}
}

static void copy_case(size_t to, size_t from, size_t n)
{
	u8 *src = pattern(from + n, 1), *dst = pattern(to + n, 100), *want = pattern(to + n, 100);

	for (size_t i = 0; i < n; i++)
		want[to + i] = src[from + i];
	assert_ptr_equal(kl_memcpy(dst + to, src + from, n), dst + to);
	check_same(dst, want, to + n, "memcpy", to, from, n);
	free(src);
	free(dst);
	free(want);
}

static void memcpy_copies_exactly_its_bytes(void **state)
{
	for (size_t to = 0; to < MAX_ALIGN; to++)
		for (size_t from = 0; from < MAX_ALIGN; from++)
			for (size_t n = 0; n < MAX_LENGTH; n++)
				copy_case(to, from, n);
}

static void move_case(size_t to, size_t from, size_t n)
{
	size_t size = MAX(to, from) + n;
	u8 *buf = pattern(size, 3), *before = pattern(size, 3), *want = pattern(size, 3);

	for (size_t i = 0; i < n; i++)
		want[to + i] = before[from + i];
	assert_ptr_equal(kl_memmove(buf + to, buf + from, n), buf + to);
	check_same(buf, want, size, "memmove", to, from, n);
	free(buf);
	free(before);
	free(want);
}

static void memmove_survives_every_overlap(void **state)
{
	for (size_t to = 0; to < 40; to++)
		for (size_t from = 0; from < 40; from++)
			for (size_t n = 0; n < MAX_LENGTH; n += n < 20 ? 1 : 13)
				move_case(to, from, n);
}

static void set_case(size_t to, size_t n, int c)
{
	u8 *dst = pattern(to + n, 100), *want = pattern(to + n, 100);

	for (size_t i = 0; i < n; i++)
		want[to + i] = (u8)c;
	assert_ptr_equal(kl_memset(dst + to, c, n), dst + to);
	check_same(dst, want, to + n, "memset", to, (size_t)c, n);
	free(dst);
	free(want);
}

static void memset_sets_exactly_its_bytes(void **state)
{
	for (size_t to = 0; to < MAX_ALIGN; to++) {
		for (size_t n = 0; n < MAX_LENGTH; n++) {
			set_case(to, n, 0);
			set_case(to, n, 0x1a5);
			set_case(to, n, 0xff);
		}
		set_case(to, SZ_4K, 0);
		set_case(to, SZ_4K - 1, 0x1a5);
	}
}

static int sign(int x)
{
	return (x > 0) - (x < 0);
}

static void comparisons_order_bytes_as_unsigned(void **state)
{
	static const char *const strings[] = { "", "a", "ab", "abc", "abd", "b", "\xff", "a\xff" };

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(strings); j++) {
			const char *a = strings[i], *b = strings[j];

			if (sign(kl_strcmp(a, b)) != sign(strcmp(a, b)))
				fail_msg("strcmp(\"%s\", \"%s\") is %d", a, b, kl_strcmp(a, b));
			for (size_t n = 0; n < 5; n++) {
				if (sign(kl_strncmp(a, b, n)) != sign(strncmp(a, b, n)))
					fail_msg("strncmp(\"%s\", \"%s\", %zu) is %d", a, b, n,
						 kl_strncmp(a, b, n));
			}
		}
	}
	assert_int_equal(kl_memcmp("a\0b", "a\0b", 3), 0);
	assert_true(kl_memcmp("a\0b", "a\0c", 3) < 0);
	assert_true(kl_memcmp("\xff", "a", 1) > 0);
	assert_int_equal(kl_memcmp("x", "y", 0), 0);
}

static void searches_find_first_last_and_terminator(void **state)
{
	static const char text[] = "console=ttyAMA0";

	assert_ptr_equal(kl_strchr(text, 'o'), text + 1);
	assert_ptr_equal(kl_strrchr(text, 'o'), text + 4);
	assert_ptr_equal(kl_strchr(text, 0), text + 15);
	assert_ptr_equal(kl_strrchr(text, 0), text + 15);
	assert_null(kl_strchr(text, 'z'));
	assert_null(kl_strrchr(text, 'z'));
	assert_ptr_equal(kl_memchr(text, '=', sizeof(text)), text + 7);
	assert_null(kl_memchr(text, '=', 7));
	assert_ptr_equal(kl_memchr("\xfe", 0x1fe, 1), kl_memchr("\xfe", 0xfe, 1));
}

static void lengths_stop_at_terminator_or_limit(void **state)
{
	char *unterminated = malloc(3);

	memcpy(unterminated, "abc", 3);
	assert_int_equal(kl_strnlen(unterminated, 3), 3);
	assert_int_equal(kl_strnlen(unterminated, 0), 0);
	assert_int_equal(kl_strnlen("ab", 9), 2);
	assert_int_equal(kl_strlen("ab"), 2);
	assert_int_equal(kl_strlen(""), 0);
	free(unterminated);
}

static void parse_u64_takes_exactly_numbers(void **state)
{
	static const struct {
		const char *text;
		int error;
		u64 value;
	} cases[] = {
		{ "0", 0, 0 },
		{ "7", 0, 7 },
		{ "010", 0, 10 },
		{ "0x0", 0, 0 },
		{ "0xfF", 0, 255 },
		{ "0X10", 0, 16 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "18446744073709551620", -ERANGE, 0 },
		{ "99999999999999999999999", -ERANGE, 0 },
		{ "0xffffffffffffffff", 0, UINT64_MAX },
		{ "0x0ffffffffffffffff", 0, UINT64_MAX },
		{ "0x10000000000000000", -ERANGE, 0 },
		{ "99999999999999999999999x", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "0x", -EINVAL, 0 },
		{ "x1", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1a", -EINVAL, 0 },
		{ "0xg", -EINVAL, 0 },
		{ "1/", -EINVAL, 0 },
		{ "1:", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		u64 value = 0xdead;
		int error = kl_parse_u64(cases[i].text, strlen(cases[i].text), &value);

		if (error != cases[i].error)
			fail_msg("\"%s\": %d, expected %d", cases[i].text, error, cases[i].error);
		if (value != (error ? 0xdead : cases[i].value))
			fail_msg("\"%s\" became %#lx", cases[i].text, value);
	}
}

static void parse_u64_reads_no_further_than_told(void **state)
{
	char *text = malloc(2);
	u64 value;

	memcpy(text, "12", 2);
	assert_int_equal(kl_parse_u64(text, 2, &value), 0);
	assert_int_equal(value, 12);
	assert_int_equal(kl_parse_u64(text, 1, &value), 0);
	assert_int_equal(value, 1);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memcpy_copies_exactly_its_bytes),
		cmocka_unit_test(memmove_survives_every_overlap),
		cmocka_unit_test(memset_sets_exactly_its_bytes),
		cmocka_unit_test(comparisons_order_bytes_as_unsigned),
		cmocka_unit_test(searches_find_first_last_and_terminator),
		cmocka_unit_test(lengths_stop_at_terminator_or_limit),
		cmocka_unit_test(parse_u64_takes_exactly_numbers),
		cmocka_unit_test(parse_u64_reads_no_further_than_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
