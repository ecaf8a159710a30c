/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tags of a page of the kernel's linear map, which is tagged memory where the CPU has tags. The
 * kernel exports no functions for them. An instruction that stores a tag takes it from bits 59:56 of a
 * register.
 */
#ifndef KEEL_TAGS_H
#define KEEL_TAGS_H

#include <asm/mte-def.h>
#include <linux/types.h>

#define KEEL_GRANULE 16 /* bytes that have one tag */

static inline void keel_tags_clear(void *page)
{
	const char *end = (char *)page + PAGE_SIZE;

	for (char *at = page; at < end; at += 2 * KEEL_GRANULE)
		asm volatile(__MTE_PREAMBLE "st2g %0, [%1]" : : "r"(0UL), "r"(at) : "memory");
}

static inline void keel_tags_write(void *page, const u8 *tags, unsigned long count)
{
	for (char *at = page; count; count--, at += KEEL_GRANULE)
		asm volatile(__MTE_PREAMBLE "stg %0, [%1]"
			     :
			     : "r"((unsigned long)*tags++ << MTE_TAG_SHIFT), "r"(at)
			     : "memory");
}

static inline void keel_tags_read(const void *page, u8 *tags, unsigned long count)
{
	for (const char *at = page; count; count--, at += KEEL_GRANULE) {
		unsigned long tag = 0;

		asm volatile(__MTE_PREAMBLE "ldg %0, [%1]" : "+r"(tag) : "r"(at) : "memory");
		*tags++ = tag >> MTE_TAG_SHIFT & 0xf;
	}
}

#endif
