/* SPDX-License-Identifier: BSD-2-Clause */
/* Clearing of Keel's own pages by DC ZVA (ARM DDI 0487, D7.5.9.8). */
#ifndef KEEL_ARCH_CLEAR_H
#define KEEL_ARCH_CLEAR_H

#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <lib/compiler.h>
#include <lib/string.h>

/* Blocks that are cleared in each iteration. */
#define CLEAR_BLOCKS 8

/*
 * Bytes that one DC ZVA clears; 0 if it must not be used: the CPU has none, CLEAR_BLOCKS of its
 * blocks are more than a page, or the MMU is off. Memory is Device memory then, where it faults.
 */
static inline u64 zva_block(void)
{
	u64 dczid = read_sysreg(dczid_el0);
	u64 block = 4ULL << (dczid & DCZID_BS);

	if (dczid & DCZID_DZP || block * CLEAR_BLOCKS > SZ_4K ||
	    !(read_sysreg(sctlr_el2) & SCTLR_M))
		return 0;
	return block;
}

/**
 * clear_pages() - fill pages with zeroes
 * @start: aligned to 4 KiB; Keel's own memory, mapped as Normal memory or before the MMU is on
 * @size:  bytes, a multiple of 4 KiB
 */
static inline void clear_pages(void *start, u64 size)
{
	const u64 block = zva_block();

	if (!block) {
		__builtin_memset(start, 0, size);
		return;
	}
	for (u64 done = 0; done < size; done += CLEAR_BLOCKS * block) {
		u64 at = (u64)start + done;

		__asm__ volatile(".rept 8\n"
				 "dc zva, %0\n"
				 "add %0, %0, %1\n"
				 ".endr\n"
				 : "+r"(at)
				 : "r"(block)
				 : "memory");
	}
}

#endif
