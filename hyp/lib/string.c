// SPDX-License-Identifier: BSD-2-Clause
/*
 * The C library's memory and string functions, for EL2.
 *
 * The first code runs with the MMU off, where all memory is Device memory and an unaligned access
 * faults: words are moved only where both ends can be aligned, everything else by bytes.
 */
#include <lib/string.h>

/* Or the compiler sees a memcpy() in memcpy()'s loop, and calls it. */
#pragma GCC optimize("no-tree-loop-distribute-patterns")

/* Any object may be looked at through it. */
typedef u64 __attribute__((may_alias)) word_t;

#define WORD sizeof(word_t)
/* Four words a round, which become pairs of LDP and STP. */
#define CHUNK (4 * WORD)

static bool same_alignment(const void *a, const void *b)
{
	return IS_ALIGNED((uintptr_t)a ^ (uintptr_t)b, WORD);
}

/* Both word-aligned; moves whole words and tells how many bytes these were. */
static size_t copy_words(u8 *dst, const u8 *src, size_t n)
{
	size_t i = 0;

	for (; n - i >= CHUNK; i += CHUNK) {
		word_t *d = (word_t *)(void *)(dst + i);
		const word_t *s = (const word_t *)(const void *)(src + i);
		u64 a = s[0], b = s[1], c = s[2], e = s[3];

		d[0] = a;
		d[1] = b;
		d[2] = c;
		d[3] = e;
	}
	for (; n - i >= WORD; i += WORD)
		*(word_t *)(void *)(dst + i) = *(const word_t *)(const void *)(src + i);
	return i;
}

/*
 * @dst word-aligned, @src not, and the byte before @src in the same object, back to a word
 * boundary: makes each word of two aligned ones. Tells how many bytes it moved; reads nothing
 * behind @src + @n.
 */
static size_t merge_words(u8 *dst, const u8 *src, size_t n)
{
	size_t before = (uintptr_t)src % WORD;
	const word_t *s = (const word_t *)(const void *)(src - before);
	unsigned int down = 8 * (unsigned int)before, up = 64 - down;
	u64 low = *s++;
	size_t i = 0;

	for (; n - i >= CHUNK + WORD; i += CHUNK, s += 4) {
		word_t *d = (word_t *)(void *)(dst + i);
		u64 a = s[0], b = s[1], c = s[2], e = s[3];

		d[0] = low >> down | a << up;
		d[1] = a >> down | b << up;
		d[2] = b >> down | c << up;
		d[3] = c >> down | e << up;
		low = e;
	}
	return i;
}

static size_t copy_bytes(u8 *dst, const u8 *src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = src[i];
	return n;
}

/* Upwards, and each byte is read before any above it is written: memmove() relies on it. */
void *memcpy(void *dst, const void *src, size_t n)
{
	u8 *d = dst;
	const u8 *s = src;
	size_t done = copy_bytes(d, s, MIN(-(uintptr_t)d % WORD, n));

	if (same_alignment(d, s)) {
		done += copy_words(d + done, s + done, n - done);
	} else if (n - done >= CHUNK + 2 * WORD) {
		/* A word of bytes first, so that what lies before it belongs to @src. */
		done += copy_bytes(d + done, s + done, WORD);
		done += merge_words(d + done, s + done, n - done);
	}
	copy_bytes(d + done, s + done, n - done);
	return dst;
}

static void copy_down(u8 *dst, const u8 *src, size_t n)
{
	if (same_alignment(dst, src)) {
		for (; n && !IS_ALIGNED((uintptr_t)(dst + n), WORD); n--)
			dst[n - 1] = src[n - 1];
		for (; n >= WORD; n -= WORD)
			*(word_t *)(void *)(dst + n - WORD) =
				*(const word_t *)(const void *)(src + n - WORD);
	}
	for (; n; n--)
		dst[n - 1] = src[n - 1];
}

void *memmove(void *dst, const void *src, size_t n)
{
	/* As unsigned numbers: a destination below the source is "far above" it. */
	if ((uintptr_t)dst - (uintptr_t)src >= n)
		return memcpy(dst, src, n);
	copy_down(dst, src, n);
	return dst;
}

static size_t set_words(u8 *dst, u64 value, size_t n)
{
	size_t i = 0;

	for (; n - i >= CHUNK; i += CHUNK) {
		word_t *d = (word_t *)(void *)(dst + i);

		d[0] = value;
		d[1] = value;
		d[2] = value;
		d[3] = value;
	}
	for (; n - i >= WORD; i += WORD)
		*(word_t *)(void *)(dst + i) = value;
	return i;
}

void *memset(void *dst, int c, size_t n)
{
	u8 *d = dst;
	u8 byte = (u8)c;

	for (; n && !IS_ALIGNED((uintptr_t)d, WORD); n--)
		*d++ = byte;

	size_t words = set_words(d, byte * 0x0101010101010101ULL, n);

	d += words;
	n -= words;
	while (n--)
		*d++ = byte;
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a;
	const u8 *y = b;

	for (; n; n--, x++, y++) {
		if (*x != *y)
			return *x - *y;
	}
	return 0;
}

void *memchr(const void *s, int c, size_t n)
{
	const u8 *p = s;

	for (; n; n--, p++) {
		if (*p == (u8)c)
			return (void *)(uintptr_t)p;
	}
	return NULL;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

size_t strnlen(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && s[i])
		i++;
	return i;
}

int strcmp(const char *a, const char *b)
{
	for (; *a && *a == *b; a++)
		b++;
	return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n && *a && *a == *b; a++, n--)
		b++;
	return n ? (u8)*a - (u8)*b : 0;
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++) {
		if (!*s)
			return NULL;
	}
	return (char *)(uintptr_t)s;
}

char *strrchr(const char *s, int c)
{
	const char *last = NULL;

	do {
		if (*s == (char)c)
			last = s;
	} while (*s++);
	return (char *)(uintptr_t)last;
}
