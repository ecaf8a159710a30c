/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bitmaps: arrays of u64, bit n in word n / 64 at position n % 64.
 *
 * Not atomic: the caller holds the lock of the structure that the bitmap is in. Bit numbers must be
 * below the size that the bitmap was declared with.
 */
#ifndef KEEL_LIB_BITMAP_H
#define KEEL_LIB_BITMAP_H

#include <lib/types.h>

#define BITMAP_WORDS(bits)	   (((bits) + 63) / 64)
#define DECLARE_BITMAP(name, bits) u64 name[BITMAP_WORDS(bits)]

static inline bool bitmap_test(const u64 *map, unsigned int bit)
{
	return (map[bit / 64] >> (bit % 64)) & 1;
}

static inline void bitmap_set(u64 *map, unsigned int bit)
{
	map[bit / 64] |= BIT(bit % 64);
}

static inline void bitmap_clear(u64 *map, unsigned int bit)
{
	map[bit / 64] &= ~BIT(bit % 64);
}

/* Clear the first @bits bits, and the others in the last of their words. */
static inline void bitmap_zero(u64 *map, unsigned int bits)
{
	for (unsigned int i = 0; i < BITMAP_WORDS(bits); i++)
		map[i] = 0;
}

/* The first bit at @from or above that is set; @bits if none is. */
static inline unsigned int bitmap_next_set(const u64 *map, unsigned int bits, unsigned int from)
{
	while (from < bits) {
		u64 word = map[from / 64] >> (from % 64);

		if (word) {
			from += (unsigned int)__builtin_ctzll(word);
			return MIN(from, bits);
		}
		from = (from / 64 + 1) * 64;
	}
	return bits;
}

/* The first bit at @from or above that is clear; @bits if none is. */
static inline unsigned int bitmap_next_clear(const u64 *map, unsigned int bits, unsigned int from)
{
	while (from < bits) {
		u64 word = ~map[from / 64] >> (from % 64);

		if (word) {
			from += (unsigned int)__builtin_ctzll(word);
			return MIN(from, bits);
		}
		from = (from / 64 + 1) * 64;
	}
	return bits;
}

/* How many of the first @bits bits are set. */
static inline unsigned int bitmap_weight(const u64 *map, unsigned int bits)
{
	unsigned int weight = 0;

	for (unsigned int bit = bitmap_next_set(map, bits, 0); bit < bits;
	     bit = bitmap_next_set(map, bits, bit + 1))
		weight++;
	return weight;
}

/* Loop over the set bits of a bitmap in ascending order; the body may clear @bit. */
#define for_each_set_bit(bit, map, bits)                            \
	for ((bit) = bitmap_next_set(map, bits, 0); (bit) < (bits); \
	     (bit) = bitmap_next_set(map, bits, (bit) + 1))

#endif
