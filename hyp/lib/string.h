/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory and strings: the C library's functions under the C library's names, because the compiler
 * and libfdt call them by these, and the parsing of numbers.
 *
 * string.c holds the standard functions and is for EL2 alone: native programs have their C
 * library's. Numbers are in parse.c, which native programs link. All of them may run with the MMU
 * off (no access is unaligned), need no lock, and are as reentrant as what they work on.
 */
#ifndef KEEL_LIB_STRING_H
#define KEEL_LIB_STRING_H

#include <lib/types.h>

/* ISO C11, 7.24. Undefined where C says so: overlap in memcpy(), a null pointer, no terminator. */
void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);

size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);

/* POSIX: the length of @s, but @n if there is no terminator in its first @n bytes. */
size_t strnlen(const char *s, size_t n);

/**
 * kl_parse_u64() - read a whole string as an unsigned number
 * @s:   text, which need not be terminated; untrusted
 * @len: its length in bytes
 * @out: the number; untouched on error
 *
 * Decimal, or hexadecimal (either case) behind "0x" or "0X". No sign, no space, nothing behind the
 * digits; leading zeroes do not mean octal.
 *
 * Return: 0; -EINVAL if @s is not such a number; -ERANGE if it does not fit into 64 bits.
 */
int __must_check kl_parse_u64(const char *s, size_t len, u64 *out);

#endif
