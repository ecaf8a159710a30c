// SPDX-License-Identifier: BSD-2-Clause
/* keel.cfg and load options: what they say, and what cannot be used. */
/* SOURCES: hyp/efi/efi_config.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <efi/efi_config.h>

static struct efi_config config;
static unsigned int warnings;
static char last_warning[256];

static void note(const char *why, const char *text, size_t len)
{
	warnings++;
	snprintf(last_warning, sizeof(last_warning), "%.*s: %s", (int)len, text, why);
}

static int start_empty(void **state)
{
	memset(&config, 0, sizeof(config));
	warnings = 0;
	last_warning[0] = '\0';
	return 0;
}

/* Exactly sized, so that a read beyond the end is found. */
static void file_of(const char *text, size_t size)
{
	char *copy = malloc(size ? size : 1);

	memcpy(copy, text, size);
	efi_config_file(&config, copy, size, note);
	free(copy);
}

static void file(const char *text)
{
	file_of(text, strlen(text));
}

static void load_options(const char *text, bool terminated)
{
	size_t count = strlen(text) + (terminated ? 1 : 0);
	u8 *wide = calloc(count ? count : 1, 2);

	for (size_t i = 0; i < count; i++)
		wide[2 * i] = (u8)text[i];
	efi_config_load_options(&config, wide, 2 * count, note);
	free(wide);
}

static void a_file_says_options_loader_and_arguments(void **state)
{
	file("# Keel\n\noptions keel.nested=1  keel.loglevel=debug\r\n"
	     "  loader \\EFI\\debian\\grubaa64.efi \n\targuments\troot=/dev/vda1 quiet -- single");
	assert_int_equal(warnings, 0);
	assert_string_equal(config.options, "keel.nested=1  keel.loglevel=debug");
	assert_string_equal(config.loader, "\\EFI\\debian\\grubaa64.efi");
	assert_string_equal(config.arguments, "root=/dev/vda1 quiet -- single");
}

static void lines_of_options_add_up_and_others_replace(void **state)
{
	file("options keel.e2h=1\noptions keel.spe=off\nloader \\a\nloader \\b\n");
	assert_int_equal(warnings, 0);
	assert_string_equal(config.options, "keel.e2h=1 keel.spe=off");
	assert_string_equal(config.loader, "\\b");
}

static void lines_that_cannot_be_used_are_reported_and_the_others_count(void **state)
{
	static const char *const bad[] = {
		"loder \\a", "loader",	  "loader a.efi",
		"loader \\", "options x", "options keel.e2h=1 quiet",
		"=",
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		char text[128];

		start_empty(NULL);
		snprintf(text, sizeof(text), "%s\nloader \\b\n", bad[i]);
		file(text);
		assert_int_equal(warnings, 1);
		assert_memory_equal(last_warning, bad[i], strlen(bad[i]));
		assert_string_equal(config.loader, "\\b");
		assert_string_equal(config.options, "");
	}
}

static void what_is_too_long_is_reported_and_changes_nothing(void **state)
{
	static char text[EFI_CONFIG_MAX];

	file("loader \\old\noptions keel.e2h=1\n");
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "loader \\", 8);
	text[7 + EFI_LOADER_MAX] = '\0';
	file(text);
	assert_int_equal(warnings, 1);
	assert_string_equal(config.loader, "\\old");
	text[7 + EFI_LOADER_MAX - 1] = '\0'; /* one less fits */
	file(text);
	assert_int_equal(warnings, 1);
	assert_int_equal(strlen(config.loader), EFI_LOADER_MAX - 1);
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "options keel.", 13);
	text[8 + EFI_OPTIONS_MAX - 11] = '\0'; /* with the blank and what is there: one too many */
	file(text);
	assert_int_equal(warnings, 2);
	assert_string_equal(config.options, "keel.e2h=1");
}

static void what_is_no_text_ends_the_file(void **state)
{
	file_of("loader \\a\n\0\nloader \\b", 21);
	assert_int_equal(warnings, 1);
	assert_string_equal(config.loader, "\\a");
	start_empty(NULL);
	file("\xef\xbb\xbfloader \\a\n");
	assert_int_equal(warnings, 1);
	assert_string_equal(config.loader, "");
}

static void load_options_win_over_the_file(void **state)
{
	file("options keel.e2h=0\nloader \\a\narguments one\n");
	load_options("keel.e2h=1 loader=\\b  keel.spe=off --  two  -- three ", true);
	assert_int_equal(warnings, 0);
	assert_string_equal(config.options, "keel.e2h=0 keel.e2h=1 keel.spe=off");
	assert_string_equal(config.loader, "\\b");
	assert_string_equal(config.arguments, "two  -- three");
}

static void load_options_may_lack_a_terminator_and_begin_with_the_program(void **state)
{
	load_options("fs0:\\EFI\\keel\\keel.efi loader=\\b", false);
	assert_int_equal(warnings, 0);
	assert_string_equal(config.loader, "\\b");
	start_empty(NULL);
	load_options("loader=\\b.efi", true); /* the first word, but no program's name */
	assert_string_equal(config.loader, "\\b.efi");
	start_empty(NULL);
	load_options("", false);
	load_options("", true);
	assert_int_equal(warnings, 0);
}

static void unknown_words_are_reported(void **state)
{
	load_options("quiet loader=b keel.e2h=1", true);
	assert_int_equal(warnings, 2);
	assert_string_equal(config.options, "keel.e2h=1");
	assert_string_equal(config.loader, "");
}

static void load_options_that_are_no_text_are_ignored(void **state)
{
	static const u8 guid[16] = { 0x4e, 0xac, 0x08, 0x81, 0x11, 0x9f, 0x59, 0x4d,
				     0x85, 0x0e, 0xe2, 0x1a, 0x52, 0x2c, 0x59, 0xb2 };
	static u8 endless[20000];

	efi_config_load_options(&config, guid, sizeof(guid), note);
	assert_int_equal(warnings, 1);
	efi_config_load_options(&config, guid, 1, note); /* half a character */
	assert_int_equal(warnings, 1);
	for (size_t i = 0; i < sizeof(endless); i += 2)
		endless[i] = 'x';
	efi_config_load_options(&config, endless, sizeof(endless), note);
	assert_int_equal(warnings, 2);
	assert_string_equal(config.options, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_file_says_options_loader_and_arguments, start_empty),
		cmocka_unit_test_setup(lines_of_options_add_up_and_others_replace, start_empty),
		cmocka_unit_test_setup(lines_that_cannot_be_used_are_reported_and_the_others_count,
				       start_empty),
		cmocka_unit_test_setup(what_is_too_long_is_reported_and_changes_nothing,
				       start_empty),
		cmocka_unit_test_setup(what_is_no_text_ends_the_file, start_empty),
		cmocka_unit_test_setup(load_options_win_over_the_file, start_empty),
		cmocka_unit_test_setup(
			load_options_may_lack_a_terminator_and_begin_with_the_program, start_empty),
		cmocka_unit_test_setup(unknown_words_are_reported, start_empty),
		cmocka_unit_test_setup(load_options_that_are_no_text_are_ignored, start_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
