/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Formatted printing into a buffer or through a callback, without allocation or locks.
 *
 * Conversions: %d %i %u %x %X %p %s %c %%; lengths hh h l ll z t j; flags '-', '0', '#' (0x before
 * hexadecimal that is not zero), '+' and ' '; width and precision as digits or '*'. A precision
 * cuts off a string (which then need not be terminated) and is the least number of digits of a
 * number. %p is 0x and 16 digits; a null string prints as "(null)". A conversion that is none of
 * these is printed as it stands, and consumes no argument. u64 is printed with %lu and %lx.
 */
#ifndef KEEL_LIB_PRINTF_H
#define KEEL_LIB_PRINTF_H

#include <stdarg.h>

#include <lib/types.h>

/* Takes the next @n bytes of the output; @s is not terminated and valid during the call alone. */
typedef void (*kl_put_t)(void *ctx, const char *s, size_t n);

/**
 * kl_vprint() - format through a callback
 * @put: called with each piece of the output, in order
 * @ctx: handed to @put
 *
 * Return: the length of the output in bytes.
 */
int kl_vprint(kl_put_t put, void *ctx, const char *fmt, va_list ap) __printf(3, 0);

/**
 * kl_vsnprintf() - format into a buffer
 * @buf:  may be NULL if @size is 0
 * @size: of @buf in bytes; the output is cut off to fit and terminated if @size is not 0
 *
 * Return: the length that the output would have in a buffer large enough, without the terminator.
 */
int kl_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap) __printf(3, 0);

/* kl_snprintf() - kl_vsnprintf() with the arguments given */
int kl_snprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);

#endif
