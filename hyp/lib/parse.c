// SPDX-License-Identifier: BSD-2-Clause
/* Numbers from text. Not in string.c, which native programs do not link. */
#include <lib/errno.h>
#include <lib/string.h>

/* The value of a digit; 16 or more for another character. */
static unsigned int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned int)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned int)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (unsigned int)(c - 'A') + 10;
	return 16;
}

static int parse_digits(const char *s, size_t len, unsigned int base, u64 *out)
{
	u64 value = 0;
	bool overflow = false;

	for (size_t i = 0; i < len; i++) {
		unsigned int digit = digit_value(s[i]);

		if (digit >= base)
			return -EINVAL;
		overflow |= __builtin_mul_overflow(value, base, &value);
		overflow |= __builtin_add_overflow(value, digit, &value);
	}
	if (overflow)
		return -ERANGE;
	*out = value;
	return 0;
}

int kl_parse_u64(const char *s, size_t len, u64 *out)
{
	unsigned int base = 10;

	if (len >= 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		s += 2;
		len -= 2;
	}
	return len ? parse_digits(s, len, base, out) : -EINVAL;
}
