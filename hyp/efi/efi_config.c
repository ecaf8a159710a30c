// SPDX-License-Identifier: BSD-2-Clause
/* keel.cfg and load options, as text. */
#include <efi/efi_config.h>
#include <lib/string.h>

/* Characters of load options that are looked at; a path and a command line fit. */
#define LOAD_OPTIONS_MAX (EFI_OPTIONS_MAX + EFI_LOADER_MAX + EFI_ARGUMENTS_MAX)

/* A piece of text, not terminated. */
struct piece {
	const char *s;
	size_t len;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool piece_begins(struct piece p, const char *with)
{
	size_t len = strlen(with);

	return p.len >= len && memcmp(p.s, with, len) == 0;
}

static bool piece_is(struct piece p, const char *s)
{
	return piece_begins(p, s) && p.len == strlen(s);
}

static struct piece strip(struct piece p)
{
	while (p.len && is_space(p.s[0])) {
		p.s++;
		p.len--;
	}
	while (p.len && is_space(p.s[p.len - 1]))
		p.len--;
	return p;
}

/* Take the text up to the next @end (or the last) off @rest. */
static struct piece cut(struct piece *rest, bool (*end)(char c))
{
	struct piece p = { rest->s, 0 };

	while (p.len < rest->len && !end(rest->s[p.len]))
		p.len++;
	rest->s += MIN(p.len + 1, rest->len);
	rest->len -= MIN(p.len + 1, rest->len);
	return p;
}

static bool is_newline(char c)
{
	return c == '\n';
}

static bool is_printable(struct piece p)
{
	for (size_t i = 0; i < p.len; i++) {
		if ((p.s[i] < ' ' || p.s[i] > '~') && p.s[i] != '\t' && p.s[i] != '\r')
			return false;
	}
	return true;
}

/* Set @to, or add to it behind a blank. Return: NULL, or why not. */
static const char *put_text(char *to, size_t size, struct piece p, bool add)
{
	size_t at = add ? strlen(to) : 0;

	if (p.len + (at ? 1 : 0) >= size - at)
		return "is too long";
	if (at)
		to[at++] = ' ';
	memcpy(to + at, p.s, p.len);
	to[at + p.len] = '\0';
	return NULL;
}

static const char *put_options(struct efi_config *config, struct piece p)
{
	struct piece rest = p;

	while ((rest = strip(rest)).len) {
		if (!piece_begins(cut(&rest, is_space), "keel."))
			return "has words that are not Keel's";
	}
	return put_text(config->options, sizeof(config->options), p, true);
}

static const char *put_loader(struct efi_config *config, struct piece p)
{
	if (p.len < 2 || p.s[0] != '\\')
		return "names no path from the root, as \\EFI\\debian\\grubaa64.efi is one";
	return put_text(config->loader, sizeof(config->loader), p, false);
}

static const char *put_arguments(struct efi_config *config, struct piece p)
{
	return put_text(config->arguments, sizeof(config->arguments), p, false);
}

/* The first words of keel.cfg's lines. */
static const struct config_key {
	char name[12];
	const char *(*put)(struct efi_config *config, struct piece p);
} config_keys[] = {
	{ "options", put_options },
	{ "loader", put_loader },
	{ "arguments", put_arguments },
};

static const char *put_config_line(struct efi_config *config, struct piece line)
{
	struct piece rest = line, key = cut(&rest, is_space);

	for (size_t i = 0; i < ARRAY_SIZE(config_keys); i++) {
		if (piece_is(key, config_keys[i].name))
			return config_keys[i].put(config, strip(rest));
	}
	return "is not known";
}

void efi_config_file(struct efi_config *config, const char *data, size_t size,
		     efi_config_warn_t *warn)
{
	struct piece rest = { data, size };

	while (rest.len) {
		struct piece line = cut(&rest, is_newline);
		const char *why;

		if (!is_printable(line)) {
			warn("keel.cfg is not text, what follows is ignored", "", 0);
			return;
		}
		line = strip(line);
		if (!line.len || line.s[0] == '#')
			continue;
		why = put_config_line(config, line);
		if (why)
			warn(why, line.s, line.len);
	}
}

static const char *put_word(struct efi_config *config, struct piece word)
{
	if (piece_begins(word, "keel."))
		return put_text(config->options, sizeof(config->options), word, true);
	if (piece_begins(word, "loader="))
		return put_loader(config, (struct piece){ word.s + 7, word.len - 7 });
	return "is not known";
}

static bool is_program(struct piece word)
{
	return word.len >= 4 && (memcmp(word.s + word.len - 4, ".efi", 4) == 0 ||
				 memcmp(word.s + word.len - 4, ".EFI", 4) == 0);
}

static void put_words(struct efi_config *config, struct piece rest, efi_config_warn_t *warn)
{
	for (bool first = true; (rest = strip(rest)).len; first = false) {
		struct piece word = cut(&rest, is_space);
		const char *why;

		if (piece_is(word, "--")) {
			why = put_arguments(config, strip(rest));
			if (why)
				warn(why, word.s, word.len);
			return;
		}
		if (first && is_program(word) && !piece_begins(word, "loader="))
			continue;
		why = put_word(config, word);
		if (why)
			warn(why, word.s, word.len);
	}
}

/* Return: characters up to the terminator; @most + 1 if there are more, or not all are ASCII. */
static size_t narrow(char *to, const u8 *data, size_t count, size_t most)
{
	size_t n = 0;

	while (n < count && (data[2 * n] || data[2 * n + 1])) {
		if (data[2 * n + 1] || n == most)
			return most + 1;
		to[n] = (char)data[2 * n];
		n++;
	}
	return n;
}

void efi_config_load_options(struct efi_config *config, const void *data, size_t size,
			     efi_config_warn_t *warn)
{
	static char text[LOAD_OPTIONS_MAX];
	size_t n = narrow(text, data, size / sizeof(efi_char), sizeof(text));

	if (n > sizeof(text) || !is_printable((struct piece){ text, n }))
		warn("the load options are not text, and are ignored", "", 0);
	else
		put_words(config, (struct piece){ text, n }, warn);
}
