// SPDX-License-Identifier: BSD-2-Clause
/* Keel's boot options: words of a command line, and what each `keel.` word means. */
#include <lib/errno.h>
#include <lib/options.h>
#include <lib/string.h>

/* A piece of the command line, not terminated. */
struct text {
	const char *s;
	size_t len;
};

static bool text_is(struct text t, const char *s)
{
	return strlen(s) == t.len && memcmp(t.s, s, t.len) == 0;
}

static bool text_begins(struct text t, const char *s)
{
	size_t len = strlen(s);

	return t.len >= len && memcmp(t.s, s, len) == 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Take the next word off @s; false at the end. Blanks between double quotes belong to the word. */
static bool next_word(const char **s, struct text *word)
{
	const char *p = *s;
	bool quoted = false;

	while (is_blank(*p))
		p++;
	word->s = p;
	for (; *p && (quoted || !is_blank(*p)); p++)
		quoted ^= *p == '"';
	word->len = (size_t)(p - word->s);
	*s = p;
	return word->len != 0;
}

static bool is_keel(struct text word)
{
	return text_begins(word, "keel.");
}

static bool parse_bits(struct text value, u64 least, u64 most, u8 *out)
{
	u64 bits;

	if (kl_parse_u64(value.s, value.len, &bits) || bits < least || bits > most)
		return false;
	*out = (u8)bits;
	return true;
}

static bool set_va_bits(struct options *o, struct text value)
{
	return parse_bits(value, OPTIONS_VA_BITS_MIN, OPTIONS_VA_BITS_MAX, &o->va_bits);
}

static bool set_pa_bits(struct options *o, struct text value)
{
	return parse_bits(value, OPTIONS_PA_BITS_MIN, OPTIONS_PA_BITS_MAX, &o->pa_bits);
}

static bool set_stage2_granule(struct options *o, struct text value)
{
	static const struct {
		char name[4];
		u8 shift;
	} sizes[] = { { "4K", 12 }, { "16K", 14 }, { "64K", 16 } };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (text_is(value, sizes[i].name)) {
			o->stage2_page_shift = sizes[i].shift;
			return true;
		}
	}
	return false;
}

static bool set_e2h(struct options *o, struct text value)
{
	if (text_is(value, "auto"))
		o->e2h = OPTION_E2H_AUTO;
	else if (text_is(value, "0"))
		o->e2h = OPTION_E2H_0;
	else if (text_is(value, "1"))
		o->e2h = OPTION_E2H_1;
	else
		return false;
	return true;
}

static bool set_spe(struct options *o, struct text value)
{
	static const char names[][8] = { "auto", "hw", "emul", "off" }; /* enum option_spe */

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		if (text_is(value, names[i])) {
			o->spe = (enum option_spe)i;
			return true;
		}
	}
	return false;
}

static bool set_nested(struct options *o, struct text value)
{
	o->nested = text_is(value, "1");
	return o->nested || text_is(value, "0");
}

static bool set_loglevel(struct options *o, struct text value)
{
	static const char names[][8] = { "err", "warn", "info", "debug" };
	static const char digits[][2] = { "0", "1", "2", "3" };

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		if (text_is(value, names[i]) || text_is(value, digits[i])) {
			o->loglevel = (enum option_loglevel)i;
			return true;
		}
	}
	return false;
}

static bool set_console(struct options *o, struct text value)
{
	if (text_is(value, "boot"))
		o->console = OPTION_CONSOLE_BOOT;
	else if (text_is(value, "keep"))
		o->console = OPTION_CONSOLE_KEEP;
	else
		return false;
	return true;
}

/*
 * DEN 0028, table 6-1: names for the calls of an owner. Yielding calls are the trusted OS's
 * whatever their owner field says: old ones got their numbers before there was such a field.
 */
static const struct smc_name {
	char name[12];
	u32 first, last;
} smc_names[] = {
	{ "cpu", 0x81000000, 0x81ffffff },	  { "cpu", 0xc1000000, 0xc1ffffff },
	{ "sip", 0x82000000, 0x82ffffff },	  { "sip", 0xc2000000, 0xc2ffffff },
	{ "oem", 0x83000000, 0x83ffffff },	  { "oem", 0xc3000000, 0xc3ffffff },
	{ "trusted-os", 0x00000000, 0x7fffffff }, { "trusted-os", 0xb0000000, 0xbfffffff },
	{ "trusted-os", 0xf0000000, 0xffffffff },
};

static bool add_smc_range(struct option_smc *smc, u64 first, u64 last)
{
	if (first > last || last > UINT32_MAX || smc->count == OPTIONS_SMC_MAX)
		return false;
	smc->range[smc->count].first = (u32)first;
	smc->range[smc->count].last = (u32)last;
	smc->count++;
	return true;
}

/* FIRST or FIRST-LAST */
static bool add_smc_numbers(struct option_smc *smc, struct text item)
{
	struct text left = item, right;
	u64 first, last;

	for (left.len = 0; left.len < item.len && item.s[left.len] != '-'; left.len++)
		;
	if (left.len == item.len)
		return !kl_parse_u64(item.s, item.len, &first) && add_smc_range(smc, first, first);
	right = (struct text){ item.s + left.len + 1, item.len - left.len - 1 };
	return !kl_parse_u64(left.s, left.len, &first) &&
	       !kl_parse_u64(right.s, right.len, &last) && add_smc_range(smc, first, last);
}

static bool add_smc_item(struct option_smc *smc, struct text item)
{
	bool known = false, fits = true;

	if (text_is(item, "optee"))
		return smc->optee = true;
	for (size_t i = 0; i < ARRAY_SIZE(smc_names); i++) {
		if (!text_is(item, smc_names[i].name))
			continue;
		known = true;
		fits &= add_smc_range(smc, smc_names[i].first, smc_names[i].last);
	}
	return known ? fits : add_smc_numbers(smc, item);
}

static bool set_smc(struct options *o, struct text value)
{
	struct option_smc smc = { .count = 0 };
	const char *end = value.s + value.len;

	for (const char *s = value.s; s <= end;) {
		struct text item = { s, 0 };

		while (s + item.len < end && s[item.len] != ',')
			item.len++;
		if (!add_smc_item(&smc, item))
			return false;
		s += item.len + 1;
	}
	o->smc = smc;
	return true;
}

static bool set_selftest(struct options *o, struct text value)
{
	if (value.len >= sizeof(o->selftest))
		return false;
	memcpy(o->selftest, value.s, value.len);
	o->selftest[value.len] = '\0';
	return true;
}

/* An option: its name with the equals sign, and the function that parses its value. */
static const struct option {
	char name[24];
	bool (*set)(struct options *o, struct text value);
} options[] = {
	{ "keel.va_bits=", set_va_bits },
	{ "keel.pa_bits=", set_pa_bits },
	{ "keel.stage2_granule=", set_stage2_granule },
	{ "keel.e2h=", set_e2h },
	{ "keel.loglevel=", set_loglevel },
	{ "keel.console=", set_console },
	{ "keel.selftest=", set_selftest },
	{ "keel.spe=", set_spe },
	{ "keel.nested=", set_nested },
	{ "keel.smc=", set_smc },
};

/* Return: NULL, or why @word cannot be used. */
static const char *parse_word(struct options *o, struct text word)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		size_t len = strlen(options[i].name);

		if (!text_begins(word, options[i].name))
			continue;
		if (options[i].set(o, (struct text){ word.s + len, word.len - len }))
			return NULL;
		return "bad value in boot option";
	}
	return "unknown boot option";
}

void options_parse(const char *bootargs, struct options *out, options_warn_t *warn, void *ctx)
{
	const char *s = bootargs ? bootargs : "";
	struct text word;

	memset(out, 0, sizeof(*out));
	out->va_bits = OPTIONS_VA_BITS_DEFAULT;
	out->e2h = OPTION_E2H_AUTO;
	out->loglevel = OPTION_LOG_INFO;
	out->console = OPTION_CONSOLE_BOOT;
	out->spe = OPTION_SPE_AUTO;

	while (next_word(&s, &word) && !text_is(word, "--")) {
		const char *why = is_keel(word) ? parse_word(out, word) : NULL;

		if (why && warn)
			warn(ctx, why, word.s, word.len);
	}
}

int options_host_args(const char *bootargs, char *out, size_t size)
{
	const char *s = bootargs ? bootargs : "";
	bool for_init = false;
	struct text word;
	size_t n = 0;

	if (!size)
		return -E2BIG;
	while (next_word(&s, &word)) {
		size_t blank = n ? 1 : 0;

		for_init |= text_is(word, "--");
		if (is_keel(word) && !for_init)
			continue;
		if (word.len >= size - n - blank) {
			out[0] = '\0';
			return -E2BIG;
		}
		if (blank)
			out[n++] = ' ';
		memmove(out + n, word.s, word.len);
		n += word.len;
	}
	out[n] = '\0';
	return 0;
}
