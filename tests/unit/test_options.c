// SPDX-License-Identifier: BSD-2-Clause
/* Boot options: every word, every bad value, quoting, and the words that are passed to the host. */
/* SOURCES: hyp/lib/options.c hyp/lib/parse.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <lib/errno.h>
#include <lib/options.h>

/* All complaints of one parse, as "why: word\n". */
struct complaints {
	char text[512];
};

static void complain(void *ctx, const char *why, const char *word, size_t len)
{
	struct complaints *c = ctx;
	size_t n = strlen(c->text);

	snprintf(c->text + n, sizeof(c->text) - n, "%s: %.*s\n", why, (int)len, word);
}

static struct options parse(const char *args, const char *complaints)
{
	struct complaints c = { "" };
	struct options o;

	memset(&o, 0xa5, sizeof(o));
	options_parse(args, &o, complain, &c);
	if (strcmp(c.text, complaints))
		fail_msg("\"%s\" complained \"%s\", expected \"%s\"", args, c.text, complaints);
	return o;
}

static void without_options_there_are_defaults(void **state)
{
	static const char *const empty[] = { NULL, "", "   ", "root=/dev/vda quiet" };

	for (size_t i = 0; i < ARRAY_SIZE(empty); i++) {
		struct options o = parse(empty[i], "");

		assert_int_equal(o.va_bits, 39);
		assert_int_equal(o.pa_bits, 0);
		assert_int_equal(o.e2h, OPTION_E2H_AUTO);
		assert_int_equal(o.loglevel, OPTION_LOG_INFO);
		assert_int_equal(o.console, OPTION_CONSOLE_BOOT);
		assert_int_equal(o.spe, OPTION_SPE_AUTO);
		assert_false(o.smc.optee);
		assert_int_equal(o.smc.count, 0);
		assert_string_equal(o.selftest, "");
	}
}

static bool smc_has(const struct option_smc *smc, u32 id)
{
	for (unsigned int i = 0; i < smc->count; i++)
		if (id >= smc->range[i].first && id <= smc->range[i].last)
			return true;
	return false;
}

/* Each name and number lets through what it stands for, and the call before and behind it not. */
static void smc_takes_ranges_and_optee(void **state)
{
	static const struct {
		const char *args;
		bool optee;
		u32 in[3], out[4];
	} rows[] = {
		{ "keel.smc=optee", true, {}, { 0x32000004, 0xb2000009, 0x82000000, 0 } },
		{ "keel.smc=sip",
		  false,
		  { 0x82000000, 0xc200ffff, 0x82ffffff },
		  { 0x81ffffff, 0x83000000, 0xc1ffffff, 0xc3000000 } },
		{ "keel.smc=cpu",
		  false,
		  { 0x81000000, 0xc1000001, 0xc1ffffff },
		  { 0x80ffffff, 0x82000000, 0xc0ffffff, 0xc2000000 } },
		{ "keel.smc=oem",
		  false,
		  { 0x83000000, 0xc3000001, 0xc3ffffff },
		  { 0x82ffffff, 0x84000000, 0xc2ffffff, 0xc4000000 } },
		{ "keel.smc=trusted-os",
		  false,
		  { 0, 0xb0000000, 0xffffffff },
		  { 0x80000000, 0xaf000000, 0xc0000000, 0xefffffff } },
		{ "keel.smc=0x82000010",
		  false,
		  { 0x82000010, 0x82000010, 0x82000010 },
		  { 0x8200000f, 0x82000011, 0xc2000010, 0 } },
		{ "keel.smc=0x82000010-0x82000012,optee,0xc2000000",
		  true,
		  { 0x82000010, 0x82000012, 0xc2000000 },
		  { 0x8200000f, 0x82000013, 0xc2000001, 0 } },
		/* the last word counts, and the first is forgotten */
		{ "keel.smc=sip,optee keel.smc=oem",
		  false,
		  { 0x83000000, 0x83000001, 0xc3000000 },
		  { 0x82000000, 0xc2000000, 0x81000000, 0 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct option_smc smc = parse(rows[i].args, "").smc;

		assert_int_equal(smc.optee, rows[i].optee);
		for (size_t j = 0; smc.count && j < ARRAY_SIZE(rows[i].in); j++)
			if (!smc_has(&smc, rows[i].in[j]))
				fail_msg("%s: %08x is not in it", rows[i].args, rows[i].in[j]);
		for (size_t j = 0; j < ARRAY_SIZE(rows[i].out); j++)
			if (smc_has(&smc, rows[i].out[j]))
				fail_msg("%s: %08x is in it", rows[i].args, rows[i].out[j]);
	}
}

/* As many ranges as there is room for, and not one more. */
static void smc_takes_a_limited_number_of_ranges(void **state)
{
	char args[512] = "keel.smc=1", complaint[600];
	unsigned int i;

	for (i = 1; i < OPTIONS_SMC_MAX; i++)
		strcat(args, ",3");
	assert_int_equal(parse(args, "").smc.count, OPTIONS_SMC_MAX);
	strcat(args, ",4");
	snprintf(complaint, sizeof(complaint), "bad value in boot option: %s\n", args);
	assert_int_equal(parse(args, complaint).smc.count, 0);
	snprintf(args, sizeof(args), "keel.smc=1,1,1,1,1,1,1,1,1,1,1,1,1,1,trusted-os");
	snprintf(complaint, sizeof(complaint), "bad value in boot option: %s\n", args);
	assert_int_equal(parse(args, complaint).smc.count, 0);
}

static void va_bits_takes_widths_in_range(void **state)
{
	char args[64];

	for (unsigned int n = 25; n <= 52; n++) {
		snprintf(args, sizeof(args), "a keel.va_bits=%u b", n);
		assert_int_equal(parse(args, "").va_bits, n);
	}
	assert_int_equal(parse("keel.va_bits=0x30", "").va_bits, 48);
}

static void stage2_granule_takes_page_sizes(void **state)
{
	static const struct {
		const char *args;
		u8 shift;
	} rows[] = {
		{ "quiet", 0 },
		{ "keel.stage2_granule=4K", 12 },
		{ "keel.stage2_granule=16K", 14 },
		{ "keel.stage2_granule=64K", 16 },
		{ "keel.stage2_granule=64K keel.stage2_granule=4K", 12 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(parse(rows[i].args, "").stage2_page_shift, rows[i].shift);
}

static void pa_bits_takes_widths_in_range(void **state)
{
	char args[64];

	for (unsigned int n = 32; n <= 52; n++) {
		snprintf(args, sizeof(args), "a keel.pa_bits=%u b", n);
		assert_int_equal(parse(args, "").pa_bits, n);
	}
}

static void bad_values_are_reported_and_change_nothing(void **state)
{
	static const char *const bad[] = {
		"keel.va_bits=",
		"keel.va_bits=24",
		"keel.va_bits=53",
		"keel.va_bits=-39",
		"keel.va_bits=39x",
		"keel.va_bits=295",
		"keel.va_bits=18446744073709551655",
		"keel.pa_bits=",
		"keel.stage2_granule=",
		"keel.stage2_granule=4",
		"keel.stage2_granule=8K",
		"keel.stage2_granule=4Kx",
		"keel.stage2_granule=128K",
		"keel.pa_bits=31",
		"keel.pa_bits=53",
		"keel.pa_bits=0",
		"keel.pa_bits=288", /* 32 in a byte */
		"keel.e2h=",
		"keel.e2h=2",
		"keel.e2h=00",
		"keel.e2h=AUTO",
		"keel.loglevel=",
		"keel.loglevel=4",
		"keel.loglevel=inf",
		"keel.loglevel=information",
		"keel.console=",
		"keel.console=on",
		"keel.console=keeps",
		"keel.spe=",
		"keel.spe=on",
		"keel.spe=hardware",
		"keel.spe=HW",
		"keel.nested=",
		"keel.nested=2",
		"keel.nested=on",
		"keel.smc=",
		"keel.smc=,",
		"keel.smc=sip,",
		"keel.smc=,sip",
		"keel.smc=all",
		"keel.smc=Sip",
		"keel.smc=sips",
		"keel.smc=-",
		"keel.smc=1-",
		"keel.smc=-1",
		"keel.smc=2-1",
		"keel.smc=1-2-3",
		"keel.smc=0x100000000",
		"keel.smc=0-0x100000000",
		"keel.smc=optee,0xg",
		"keel.selftest=01234567890123456789012345678901",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char complaint[128];
		struct options o;

		snprintf(complaint, sizeof(complaint), "bad value in boot option: %s\n", bad[i]);
		o = parse(bad[i], complaint);
		assert_int_equal(o.va_bits, 39);
		assert_int_equal(o.e2h, OPTION_E2H_AUTO);
		assert_int_equal(o.loglevel, OPTION_LOG_INFO);
		assert_int_equal(o.console, OPTION_CONSOLE_BOOT);
		assert_int_equal(o.spe, OPTION_SPE_AUTO);
		assert_int_equal(o.smc.count, 0);
		assert_false(o.smc.optee);
		assert_string_equal(o.selftest, "");
	}
}

static void e2h_takes_its_values(void **state)
{
	assert_int_equal(parse("keel.e2h=0", "").e2h, OPTION_E2H_0);
	assert_int_equal(parse("keel.e2h=1", "").e2h, OPTION_E2H_1);
	assert_int_equal(parse("keel.e2h=1 keel.e2h=auto", "").e2h, OPTION_E2H_AUTO);
}

static void loglevel_takes_its_names(void **state)
{
	static const char *const names[] = { "err", "warn", "info", "debug" };

	for (int i = 0; i < 4; i++) {
		char args[32];

		snprintf(args, sizeof(args), "keel.loglevel=%s", names[i]);
		assert_int_equal(parse(args, "").loglevel, i);
		snprintf(args, sizeof(args), "keel.loglevel=%d", i);
		assert_int_equal(parse(args, "").loglevel, i);
	}
}

static void console_takes_its_names(void **state)
{
	assert_int_equal(parse("keel.console=keep", "").console, OPTION_CONSOLE_KEEP);
	assert_int_equal(parse("keel.console=keep keel.console=boot", "").console,
			 OPTION_CONSOLE_BOOT);
}

static void spe_takes_its_names(void **state)
{
	assert_int_equal(parse("keel.spe=hw", "").spe, OPTION_SPE_HW);
	assert_int_equal(parse("keel.spe=emul", "").spe, OPTION_SPE_EMUL);
	assert_int_equal(parse("keel.spe=off", "").spe, OPTION_SPE_OFF);
	assert_int_equal(parse("keel.spe=off keel.spe=auto", "").spe, OPTION_SPE_AUTO);
	assert_false(parse("", "").nested);
	assert_true(parse("keel.nested=1", "").nested);
	assert_false(parse("keel.nested=1 keel.nested=0", "").nested);
}

static void selftest_takes_any_name(void **state)
{
	assert_string_equal(parse("keel.selftest=abort", "").selftest, "abort");
	assert_string_equal(parse("keel.selftest=", "").selftest, "");
	assert_string_equal(parse("keel.selftest=0123456789012345678901234567890", "").selftest,
			    "0123456789012345678901234567890");
}

static void unknown_words_are_reported_and_the_others_count(void **state)
{
	struct options o =
		parse("keel.x=1 keel.va_bits=48 keel. keel.e2h keel.va_bits",
		      "unknown boot option: keel.x=1\nunknown boot option: keel.\n"
		      "unknown boot option: keel.e2h\nunknown boot option: keel.va_bits\n");

	assert_int_equal(o.va_bits, 48);
	/* without a function for warnings */
	options_parse("keel.x", &o, NULL, NULL);
	assert_int_equal(o.va_bits, 39);
}

static void words_are_split_as_the_kernel_does(void **state)
{
	/* the last of two counts; tabs and newlines divide; other prefixes are not ours */
	assert_int_equal(parse("keel.va_bits=40\tkeel.va_bits=41\n", "").va_bits, 41);
	assert_int_equal(parse("xkeel.va_bits=40 keel_va_bits=41 keelva_bits=1", "").va_bits, 39);
	/* quotes hide blanks; what is behind -- belongs to init */
	assert_int_equal(parse("a=\"b keel.va_bits=40 c\" d", "").va_bits, 39);
	assert_int_equal(parse("keel.va_bits=40 -- keel.va_bits=41 keel.bad", "").va_bits, 40);
}

static void host_args_are(const char *args, const char *expected)
{
	char out[256];

	for (size_t size = 1; size <= strlen(expected) + 2; size++) {
		int err;

		memset(out, '#', sizeof(out));
		err = options_host_args(args, out, size);
		if (out[size] != '#')
			fail_msg("\"%s\" wrote behind %zu bytes", args, size);
		if (size <= strlen(expected)) {
			if (err != -E2BIG || out[0])
				fail_msg("\"%s\" in %zu bytes: %d \"%s\"", args, size, err, out);
		} else if (err || strcmp(out, expected)) {
			fail_msg("\"%s\" in %zu bytes: %d \"%s\", expected \"%s\"", args, size, err,
				 out, expected);
		}
	}
}

static void keels_words_are_kept_from_the_host(void **state)
{
	char c;

	host_args_are(NULL, "");
	host_args_are("", "");
	host_args_are("keel.va_bits=48", "");
	host_args_are("keel.va_bits=48 keel.junk ", "");
	host_args_are("root=/dev/vda keel.e2h=0 quiet", "root=/dev/vda quiet");
	host_args_are("  a \t b\nc  ", "a b c");
	host_args_are("x=\"a  keel.b  c\" keel.d", "x=\"a  keel.b  c\"");
	host_args_are("unclosed=\"a  keel.b", "unclosed=\"a  keel.b");
	host_args_are("a keel.b -- keel.c d", "a -- keel.c d");
	assert_int_equal(options_host_args("a", &c, 0), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_options_there_are_defaults),
		cmocka_unit_test(smc_takes_ranges_and_optee),
		cmocka_unit_test(smc_takes_a_limited_number_of_ranges),
		cmocka_unit_test(va_bits_takes_widths_in_range),
		cmocka_unit_test(pa_bits_takes_widths_in_range),
		cmocka_unit_test(stage2_granule_takes_page_sizes),
		cmocka_unit_test(bad_values_are_reported_and_change_nothing),
		cmocka_unit_test(e2h_takes_its_values),
		cmocka_unit_test(loglevel_takes_its_names),
		cmocka_unit_test(console_takes_its_names),
		cmocka_unit_test(spe_takes_its_names),
		cmocka_unit_test(selftest_takes_any_name),
		cmocka_unit_test(unknown_words_are_reported_and_the_others_count),
		cmocka_unit_test(words_are_split_as_the_kernel_does),
		cmocka_unit_test(keels_words_are_kept_from_the_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
