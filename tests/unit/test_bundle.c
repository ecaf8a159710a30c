// SPDX-License-Identifier: BSD-2-Clause
/* The bundle: files of sound archives are found, and each kind of damage has a clear error. */
/* SOURCES: hyp/host/bundle.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpio_world.h"
#include <host/bundle.h>
#include <lib/errno.h>

static struct cpio sound_bundle(void)
{
	struct cpio c = { 0 };

	cpio_add(&c, "kernel", "KERNEL", 6);
	cpio_add(&c, "initrd", "the initrd", 10);
	cpio_add(&c, "cmdline", "quiet\n", 6);
	cpio_end(&c);
	return c;
}

/* Parses an exact copy on the heap, so that a read beyond it is caught. */
static int parse(const struct cpio *c, struct bundle *b, const char **why)
{
	char *copy = malloc(c->size ? c->size : 1);
	int err;

	if (c->size)
		memcpy(copy, c->data, c->size);
	*why = NULL;
	memset(b, 0xa5, sizeof(*b));
	err = bundle_parse(copy, c->size, b, why);
	free(copy);
	return err;
}

/* Parsing fails with @err and a line that contains @line; frees the archive. */
static void is_refused(struct cpio *c, int err, const char *line)
{
	const char *why;
	struct bundle b, untouched;
	int got = parse(c, &b, &why);

	memset(&untouched, 0xa5, sizeof(untouched));
	if (got != err || !why || !strstr(why, line) || strchr(why, '\n'))
		fail_msg("got %d \"%s\", expected %d and \"%s\"", got, why ? why : "-", err, line);
	assert_memory_equal(&b, &untouched, sizeof(b));
	cpio_free(c);
}

static void holds(const struct cpio *c, struct bundle_file f, const char *contents)
{
	assert_int_equal(f.size, strlen(contents));
	assert_true(f.offset + f.size <= c->size);
	assert_memory_equal(c->data + f.offset, contents, f.size);
}

static void a_sound_bundle_is_parsed(void **state)
{
	struct cpio c = sound_bundle();
	const char *why;
	struct bundle b;

	assert_int_equal(parse(&c, &b, &why), 0);
	holds(&c, b.kernel, "KERNEL");
	holds(&c, b.initrd, "the initrd");
	holds(&c, b.cmdline, "quiet");
	assert_int_equal(b.size, c.size);
	cpio_free(&c);
}

static void order_padding_and_trailing_bytes_do_not_matter(void **state)
{
	struct cpio c = { 0 };
	const char *why;
	struct bundle b;
	size_t size;

	cpio_add(&c, ".", "", 0);
	cpio_add(&c, "pad", NULL, 5000);
	cpio_add(&c, "./initrd", "I", 1);
	cpio_add(&c, "pad", NULL, 3);
	cpio_add(&c, "kernel", "K", 1);
	cpio_add(&c, "kernel2", "no", 2);
	cpio_end(&c);
	size = c.size;
	cpio_bytes(&c, NULL, 777);
	assert_int_equal(parse(&c, &b, &why), 0);
	holds(&c, b.kernel, "K");
	holds(&c, b.initrd, "I");
	assert_int_equal(b.cmdline.size, 0);
	assert_int_equal(b.size, size);
	cpio_free(&c);
}

static void headers_with_checksums_or_upper_case_digits_are_accepted(void **state)
{
	struct cpio c = sound_bundle();
	const char *why;
	struct bundle b;

	c.data[5] = '2';
	memcpy(c.data + 6, "ABCDEFAF", 8);
	assert_int_equal(parse(&c, &b, &why), 0);
	cpio_free(&c);

	/* digits of either case have the same value */
	for (unsigned int upper = 0; upper < 2; upper++) {
		cpio_add(&c, "kernel", NULL, 0xabc);
		memcpy(c.data + 6 + 6 * 8, upper ? "00000ABC" : "00000abc", 8);
		cpio_add(&c, "initrd", "I", 1);
		cpio_end(&c);
		assert_int_equal(parse(&c, &b, &why), 0);
		assert_int_equal(b.kernel.size, 0xabc);
		cpio_free(&c);
	}
}

static void contents_that_are_one_byte_short_are_refused(void **state)
{
	struct cpio c = { 0 };

	cpio_add(&c, "kernel", "KERNEL!!", 8);
	c.size--;
	is_refused(&c, -EINVAL, "cut short in a file's contents");
}

static void what_is_no_archive_is_refused(void **state)
{
	struct cpio c = { 0 };

	is_refused(&c, -ENOENT, "none there");
	cpio_bytes(&c, "\x1f\x8b gzip, not cpio", 18);
	is_refused(&c, -ENOENT, "none there");
	cpio_bytes(&c, "070707", 6);
	is_refused(&c, -ENOENT, "none there");
	cpio_bytes(&c, "07070", 5);
	is_refused(&c, -ENOENT, "none there");
}

static void an_archive_that_is_cut_short_anywhere_is_refused(void **state)
{
	struct cpio whole = sound_bundle();

	/* less than the magic is "none there", all else "cut short" */
	for (size_t size = 6; size < whole.size; size++) {
		struct cpio c = { 0 };
		const char *why;
		struct bundle b;

		cpio_bytes(&c, whole.data, size);
		/* without the padding behind the trailer it is still whole */
		if (parse(&c, &b, &why) == 0) {
			assert_true(size >= whole.size - 3);
			cpio_free(&c);
			continue;
		}
		is_refused(&c, -EINVAL, "cut short");
	}
	cpio_free(&whole);
}

static void an_archive_without_a_trailer_is_refused(void **state)
{
	struct cpio c = { 0 };

	cpio_add(&c, "kernel", "K", 1);
	cpio_add(&c, "initrd", "I", 1);
	is_refused(&c, -EINVAL, "cut short");
}

static void damaged_headers_are_refused(void **state)
{
	struct cpio c = sound_bundle();
	size_t second;

	c.data[6 + 3 * 8] = 'g';
	is_refused(&c, -EINVAL, "bad hexadecimal");

	c = sound_bundle();
	c.data[109] = ' ';
	is_refused(&c, -EINVAL, "bad hexadecimal");

	cpio_add(&c, "kernel", "K", 1);
	second = cpio_add(&c, "initrd", "I", 1);
	cpio_end(&c);
	c.data[second + 5] = '3';
	is_refused(&c, -EINVAL, "bad magic");
}

static void set_field(struct cpio *c, size_t header, unsigned int field, const char *value)
{
	memcpy(c->data + header + 6 + field * 8, value, 8);
}

static void sizes_beyond_the_end_are_refused(void **state)
{
	struct cpio c = sound_bundle();

	set_field(&c, 0, 6, "ffffffff");
	is_refused(&c, -EINVAL, "cut short in a file's contents");
	c = sound_bundle();
	set_field(&c, 0, 11, "ffffffff");
	is_refused(&c, -E2BIG, "name is too long");
	c = sound_bundle();
	set_field(&c, 0, 11, "00000101");
	is_refused(&c, -E2BIG, "name is too long");
}

static void bad_file_names_are_refused(void **state)
{
	struct cpio c = sound_bundle();

	set_field(&c, 0, 11, "00000000");
	is_refused(&c, -EINVAL, "bad file name");
	c = sound_bundle();
	set_field(&c, 0, 11, "00000001");
	is_refused(&c, -EINVAL, "bad file name");
	/* not terminated, and terminated too early */
	c = sound_bundle();
	c.data[110 + 6] = 'x';
	is_refused(&c, -EINVAL, "bad file name");
	c = sound_bundle();
	c.data[110 + 2] = '\0';
	is_refused(&c, -EINVAL, "bad file name");
}

static void the_longest_name_is_accepted_and_no_longer_one(void **state)
{
	struct cpio c = { 0 };
	const char *why;
	struct bundle b;
	char name[BUNDLE_NAME_MAX + 1];

	memset(name, 'n', sizeof(name));
	name[BUNDLE_NAME_MAX - 1] = '\0';
	cpio_add(&c, name, "x", 1);
	cpio_add(&c, "kernel", "K", 1);
	cpio_add(&c, "initrd", "I", 1);
	cpio_end(&c);
	assert_int_equal(parse(&c, &b, &why), 0);
	cpio_free(&c);

	name[BUNDLE_NAME_MAX - 1] = 'n';
	name[BUNDLE_NAME_MAX] = '\0';
	cpio_add(&c, name, "x", 1);
	cpio_end(&c);
	is_refused(&c, -E2BIG, "name is too long");
}

static void a_bundle_without_a_kernel_or_an_initrd_is_refused(void **state)
{
	struct cpio c = { 0 };

	cpio_add(&c, "initrd", "I", 1);
	cpio_end(&c);
	is_refused(&c, -ENOENT, "has no kernel");
	cpio_add(&c, "kernel", "K", 1);
	cpio_end(&c);
	is_refused(&c, -ENOENT, "has no initrd");
	cpio_end(&c);
	is_refused(&c, -ENOENT, "has no kernel");
	/* empty is as good as missing */
	cpio_add(&c, "kernel", "", 0);
	cpio_add(&c, "initrd", "I", 1);
	cpio_end(&c);
	is_refused(&c, -ENOENT, "has no kernel");
	/* what is behind the trailer does not count */
	cpio_add(&c, "kernel", "K", 1);
	cpio_end(&c);
	cpio_add(&c, "initrd", "I", 1);
	is_refused(&c, -ENOENT, "has no initrd");
}

static void two_files_of_one_name_are_refused(void **state)
{
	static const char *const names[] = { "kernel", "initrd", "cmdline" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct cpio c = { 0 };

		cpio_add(&c, names[i], "", 0);
		cpio_add(&c, names[i], "x", 1);
		cpio_end(&c);
		is_refused(&c, -EEXIST, "same name");
	}
}

static struct cpio with_cmdline(const char *text, size_t size)
{
	struct cpio c = { 0 };

	cpio_add(&c, "cmdline", text, size);
	cpio_add(&c, "kernel", "K", 1);
	cpio_add(&c, "initrd", "I", 1);
	cpio_end(&c);
	return c;
}

static void the_command_line_is_one_line_of_limited_length(void **state)
{
	char text[BUNDLE_CMDLINE_MAX + 2];
	struct bundle b;
	const char *why;
	struct cpio c;

	memset(text, 'a', sizeof(text));
	text[BUNDLE_CMDLINE_MAX] = '\n';
	c = with_cmdline(text, BUNDLE_CMDLINE_MAX + 1);
	assert_int_equal(parse(&c, &b, &why), 0);
	assert_int_equal(b.cmdline.size, BUNDLE_CMDLINE_MAX);
	cpio_free(&c);

	c = with_cmdline("\n\r\n", 3);
	assert_int_equal(parse(&c, &b, &why), 0);
	assert_int_equal(b.cmdline.size, 0);
	cpio_free(&c);

	text[BUNDLE_CMDLINE_MAX] = 'a';
	c = with_cmdline(text, BUNDLE_CMDLINE_MAX + 1);
	is_refused(&c, -E2BIG, "cmdline is too long");
	c = with_cmdline("a\nb", 3);
	is_refused(&c, -EINVAL, "one line of text");
	c = with_cmdline("a\0b", 3);
	is_refused(&c, -EINVAL, "one line of text");
	c = with_cmdline("tab\tand \xc3\xa4", 10);
	assert_int_equal(parse(&c, &b, &why), 0);
	cpio_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sound_bundle_is_parsed),
		cmocka_unit_test(order_padding_and_trailing_bytes_do_not_matter),
		cmocka_unit_test(headers_with_checksums_or_upper_case_digits_are_accepted),
		cmocka_unit_test(contents_that_are_one_byte_short_are_refused),
		cmocka_unit_test(what_is_no_archive_is_refused),
		cmocka_unit_test(an_archive_that_is_cut_short_anywhere_is_refused),
		cmocka_unit_test(an_archive_without_a_trailer_is_refused),
		cmocka_unit_test(damaged_headers_are_refused),
		cmocka_unit_test(sizes_beyond_the_end_are_refused),
		cmocka_unit_test(bad_file_names_are_refused),
		cmocka_unit_test(the_longest_name_is_accepted_and_no_longer_one),
		cmocka_unit_test(a_bundle_without_a_kernel_or_an_initrd_is_refused),
		cmocka_unit_test(two_files_of_one_name_are_refused),
		cmocka_unit_test(the_command_line_is_one_line_of_limited_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
