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

#define WORD  sizeof(word_t)
#define CHUNK (8 * WORD)

static bool same_alignment(const void *a, const void *b)
{
	return IS_ALIGNED((uintptr_t)a ^ (uintptr_t)b, WORD);
}

/* Loads before stores, so that they become pairs: LDP, LDP, STP, STP. */
static __always_inline void copy_four(word_t *d, const word_t *s)
{
	u64 a = s[0], b = s[1], c = s[2], e = s[3];

	d[0] = a;
	d[1] = b;
	d[2] = c;
	d[3] = e;
}

/* Both word-aligned; moves whole words and tells how many bytes these were. */
static size_t copy_words(u8 *dst, const u8 *src, size_t n)
{
	word_t *d = (word_t *)(void *)dst;
	const word_t *s = (const word_t *)(const void *)src;
	const word_t *chunks_end = d + n / CHUNK * 8;
	const word_t *end = d + n / WORD;

	for (; d != chunks_end; d += 8, s += 8) {
		copy_four(d, s);
		copy_four(d + 4, s + 4);
	}
	while (d != end)
		*d++ = *s++;
	return n / WORD * WORD;
}

/* Four words, each from two aligned ones; @low is the one before @s. Returns the last one read. */
static __always_inline u64 merge_four(word_t *d, const word_t *s, u64 low, unsigned int down)
{
	unsigned int up = 64 - down;
	u64 a = s[0], b = s[1], c = s[2], e = s[3];

	d[0] = low >> down | a << up;
	d[1] = a >> down | b << up;
	d[2] = b >> down | c << up;
	d[3] = c >> down | e << up;
	return e;
}

/* @n: bytes, of which whole chunks are moved; the word behind them is read too. */
static __always_inline size_t merge_chunks(u8 *dst, const u8 *src, size_t n, size_t before)
{
	word_t *d = (word_t *)(void *)dst;
	const word_t *s = (const word_t *)(const void *)(src - before);
	const word_t *end = d + n / CHUNK * 8;
	unsigned int down = 8 * (unsigned int)before;
	u64 low = *s++;

	for (; d != end; d += 8, s += 8) {
		low = merge_four(d, s, low, down);
		low = merge_four(d + 4, s + 4, low, down);
	}
	return n / CHUNK * CHUNK;
}

/*
 * @dst word-aligned, @src not, and the bytes before @src down to a word boundary a part of the same
 * object; @n at least WORD. Tells how many bytes it moved; reads nothing behind @src + @n.
 *
 * Four bytes is how files in a cpio archive may lie, and a constant shift halves the work.
 */
static size_t merge_words(u8 *dst, const u8 *src, size_t n)
{
	size_t before = (uintptr_t)src % WORD;

	if (before == 4)
		return merge_chunks(dst, src, n - WORD, 4);
	return merge_chunks(dst, src, n - WORD, before);
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
	} else if (n - done >= 2 * WORD) {
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

static __always_inline void set_chunk(word_t *d, u64 value)
{
	d[0] = value;
	d[1] = value;
	d[2] = value;
	d[3] = value;
	d[4] = value;
	d[5] = value;
	d[6] = value;
	d[7] = value;
}

/* Whole pages are cleared often: four chunks an iteration, then the rest. */
static size_t set_words(u8 *dst, u64 value, size_t n)
{
	word_t *d = (word_t *)(void *)dst;
	const word_t *fours_end = d + n / (4 * CHUNK) * 32;
	const word_t *chunks_end = d + n / CHUNK * 8;
	const word_t *end = d + n / WORD;

	for (; d != fours_end; d += 32) {
		set_chunk(d, value);
		set_chunk(d + 8, value);
		set_chunk(d + 16, value);
		set_chunk(d + 24, value);
	}
	for (; d != chunks_end; d += 8)
		set_chunk(d, value);
	while (d != end)
		*d++ = value;
	return n / WORD * WORD;
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
