// SPDX-License-Identifier: BSD-2-Clause
/* Formatted printing: one conversion at a time, each handed to a callback in pieces. */
#include <lib/printf.h>
#include <lib/string.h>

/* Where the output goes, and how much of it there was. */
struct out {
	kl_put_t put;
	void *ctx;
	size_t length;
};

/* A va_list that can be handed on: it may be an array. */
struct args {
	va_list ap;
};

struct spec {
	bool left; /* '-' */
	bool zero; /* '0' */
	bool alt;  /* '#' */
	char plus; /* '+' or ' ': what goes before a number that is not negative; 0 for nothing */
	int width; /* at least 0 */
	int precision; /* -1 if there is none */
	char length;   /* 'H' for hh, 'h', 'l', 'L' for ll, 'z', 't', 'j'; 0 for none */
	char conversion;
};

/* More than any field in use needs; what asks for more gets this. */
#define FIELD_MAX 4096
/* A u64 has at most 20 digits. */
#define DIGITS_MAX 20

static void emit_text(struct out *out, const char *s, size_t n)
{
	if (n)
		out->put(out->ctx, s, n);
	out->length += n;
}

static void emit_padding(struct out *out, char c, size_t n)
{
	while (n--)
		emit_text(out, &c, 1);
}

static const char *parse_flags(const char *fmt, struct spec *spec)
{
	for (;; fmt++) {
		if (*fmt == '-')
			spec->left = true;
		else if (*fmt == '0')
			spec->zero = true;
		else if (*fmt == '#')
			spec->alt = true;
		else if (*fmt == '+' || (*fmt == ' ' && !spec->plus))
			spec->plus = *fmt;
		else
			return fmt;
	}
}

/* A width or precision: digits or '*'. */
static const char *parse_count(const char *fmt, struct args *args, int *count)
{
	int n = 0;

	if (*fmt == '*') {
		n = va_arg(args->ap, int);
		fmt++;
	}
	for (; *fmt >= '0' && *fmt <= '9'; fmt++)
		n = MIN(n * 10 + (*fmt - '0'), FIELD_MAX);
	*count = MAX(MIN(n, FIELD_MAX), -FIELD_MAX);
	return fmt;
}

static const char *parse_length(const char *fmt, struct spec *spec)
{
	char c = *fmt;

	if (c != 'h' && c != 'l' && c != 'z' && c != 't' && c != 'j')
		return fmt;
	fmt++;
	if ((c == 'h' || c == 'l') && *fmt == c) {
		c = c == 'h' ? 'H' : 'L';
		fmt++;
	}
	spec->length = c;
	return fmt;
}

/* From behind the '%' to behind the conversion; where the string ends, the conversion is 0. */
static const char *parse_spec(const char *fmt, struct args *args, struct spec *spec)
{
	fmt = parse_flags(fmt, spec);
	fmt = parse_count(fmt, args, &spec->width);
	if (spec->width < 0) {
		spec->left = true;
		spec->width = -spec->width;
	}
	if (*fmt == '.')
		fmt = parse_count(fmt + 1, args, &spec->precision);
	fmt = parse_length(fmt, spec);
	spec->conversion = *fmt;
	return *fmt ? fmt + 1 : fmt;
}

static u64 signed_arg(struct args *args, char length)
{
	switch (length) {
	case 'H':
		return (u64)(s8)va_arg(args->ap, int);
	case 'h':
		return (u64)(s16)va_arg(args->ap, int);
	case 0:
		return (u64)va_arg(args->ap, int);
	default: /* LP64: long, long long, size_t, ptrdiff_t and intmax_t are all 64 bits wide */
		return va_arg(args->ap, u64);
	}
}

static u64 unsigned_arg(struct args *args, char length)
{
	switch (length) {
	case 'H':
		return (u8)va_arg(args->ap, unsigned int);
	case 'h':
		return (u16)va_arg(args->ap, unsigned int);
	case 0:
		return va_arg(args->ap, unsigned int);
	default:
		return va_arg(args->ap, u64);
	}
}

/* Prefix, zeroes and body, within the field's width. */
static void emit_field(struct out *out, const struct spec *spec, const char *prefix, size_t zeroes,
		       const char *body, size_t n)
{
	size_t prefix_length = strlen(prefix);
	size_t used = prefix_length + zeroes + n;
	size_t width = (size_t)spec->width;
	size_t fill = width > used ? width - used : 0;

	if (!spec->left)
		emit_padding(out, ' ', fill);
	emit_text(out, prefix, prefix_length);
	emit_padding(out, '0', zeroes);
	emit_text(out, body, n);
	if (spec->left)
		emit_padding(out, ' ', fill);
}

static size_t zeroes_before(const struct spec *spec, size_t prefix_length, size_t digits)
{
	size_t least = 0;

	if (spec->precision >= 0)
		least = (size_t)spec->precision;
	else if (spec->zero && !spec->left && (size_t)spec->width > prefix_length)
		least = (size_t)spec->width - prefix_length;
	return least > digits ? least - digits : 0;
}

static void print_number(struct out *out, const struct spec *spec, const char *prefix, u64 value,
			 unsigned int base)
{
	const char *alphabet = spec->conversion == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	char digits[DIGITS_MAX];
	size_t start = DIGITS_MAX;

	for (; value; value /= base)
		digits[--start] = alphabet[value % base];
	/* C11 7.21.6.1: zero with a precision of zero prints no digit. */
	if (start == DIGITS_MAX && spec->precision != 0)
		digits[--start] = '0';

	size_t n = DIGITS_MAX - start;

	emit_field(out, spec, prefix, zeroes_before(spec, strlen(prefix), n), digits + start, n);
}

static void print_signed(struct out *out, const struct spec *spec, u64 value)
{
	const char prefix[2] = { spec->plus, 0 };

	if ((s64)value < 0)
		print_number(out, spec, "-", 0 - value, 10);
	else
		print_number(out, spec, prefix, value, 10);
}

static void print_hex(struct out *out, const struct spec *spec, u64 value)
{
	const char *prefix = spec->conversion == 'X' ? "0X" : "0x";

	print_number(out, spec, spec->alt && value ? prefix : "", value, 16);
}

static void print_pointer(struct out *out, struct spec *spec, const void *pointer)
{
	spec->precision = 16;
	print_number(out, spec, "0x", (uintptr_t)pointer, 16);
}

static void print_string(struct out *out, const struct spec *spec, const char *s)
{
	if (!s)
		s = "(null)";
	emit_field(out, spec, "", 0, s,
		   spec->precision >= 0 ? strnlen(s, (size_t)spec->precision) : strlen(s));
}

static void print_char(struct out *out, const struct spec *spec, int c)
{
	char body = (char)c;

	emit_field(out, spec, "", 0, &body, 1);
}

/* Returns false if there is no such conversion. */
static bool print_spec(struct out *out, struct spec *spec, struct args *args)
{
	switch (spec->conversion) {
	case 'd':
	case 'i':
		print_signed(out, spec, signed_arg(args, spec->length));
		return true;
	case 'u':
		print_number(out, spec, "", unsigned_arg(args, spec->length), 10);
		return true;
	case 'x':
	case 'X':
		print_hex(out, spec, unsigned_arg(args, spec->length));
		return true;
	case 'p':
		print_pointer(out, spec, va_arg(args->ap, const void *));
		return true;
	case 's':
		print_string(out, spec, va_arg(args->ap, const char *));
		return true;
	case 'c':
		print_char(out, spec, va_arg(args->ap, int));
		return true;
	case '%':
		emit_text(out, "%", 1);
		return true;
	default:
		return false;
	}
}

/* The length of the text up to the next conversion. */
static size_t literal_length(const char *fmt)
{
	size_t n = 0;

	while (fmt[n] && fmt[n] != '%')
		n++;
	return n;
}

int kl_vprint(kl_put_t put, void *ctx, const char *fmt, va_list ap)
{
	struct out out = { .put = put, .ctx = ctx };
	struct args args;

	va_copy(args.ap, ap);
	for (;;) {
		size_t n = literal_length(fmt);

		emit_text(&out, fmt, n);
		fmt += n;
		if (!*fmt)
			break;

		struct spec spec = { .precision = -1 };
		const char *end = parse_spec(fmt + 1, &args, &spec);

		if (!print_spec(&out, &spec, &args))
			emit_text(&out, fmt, (size_t)(end - fmt));
		fmt = end;
	}
	va_end(args.ap);
	return (int)out.length;
}

struct buffer {
	char *buf;
	size_t size; /* without the terminator */
	size_t used;
};

static void put_buffer(void *ctx, const char *s, size_t n)
{
	struct buffer *b = ctx;
	size_t room = b->size - b->used;

	n = MIN(n, room);
	if (n)
		memcpy(b->buf + b->used, s, n);
	b->used += n;
}

int kl_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct buffer b = { .buf = buf, .size = size ? size - 1 : 0 };
	int length = kl_vprint(put_buffer, &b, fmt, ap);

	if (size)
		buf[b.used] = 0;
	return length;
}

int kl_snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);

	int length = kl_vsnprintf(buf, size, fmt, ap);

	va_end(ap);
	return length;
}
