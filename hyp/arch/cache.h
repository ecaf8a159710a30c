/* SPDX-License-Identifier: BSD-2-Clause */
/* Cache maintenance by address (ARM DDI 0487, D7.5). */
#ifndef KEEL_ARCH_CACHE_H
#define KEEL_ARCH_CACHE_H

#include <arch/barrier.h>
#include <lib/types.h>

/* Bytes of the smallest data cache line: CTR_EL0.DminLine is log2 of words. */
static inline u64 dcache_line_size(void)
{
	u64 ctr;

	__asm__("mrs %0, ctr_el0" : "=r"(ctr));
	return 4ULL << ((ctr >> 16) & 0xf);
}

/* 16 lines in each iteration, then the rest: used for whole kernels at boot, and guests' memory. */
#define DEFINE_DCACHE_OP(name, op)                                                  \
	static inline void name(const void *start, u64 size)                        \
	{                                                                           \
		u64 line = dcache_line_size();                                      \
		u64 addr = (u64)start & ~(line - 1);                                \
		u64 end = (u64)start + size;                                        \
                                                                                    \
		for (u64 at = addr; addr + 15 * line < end; addr = at)              \
			__asm__ volatile(".rept 16\n"                               \
					 "dc " op ", %0\n"                          \
					 "add %0, %0, %1\n"                         \
					 ".endr\n"                                  \
					 : "+r"(at)                                 \
					 : "r"(line)                                \
					 : "memory");                               \
		for (; addr < end; addr += line)                                    \
			__asm__ volatile("dc " op ", %0" : : "r"(addr) : "memory"); \
		dsb(sy);                                                            \
	}

/*
 * Clean to the point of coherency, where accesses with caches off see the data. Invalidates as
 * well: a clean alone can lose data on early Cortex-A53 (errata 819472, 824069, 826319, 827319).
 */
DEFINE_DCACHE_OP(dcache_clean_poc, "civac")
/* Clean and invalidate to the point of coherency. */
DEFINE_DCACHE_OP(dcache_clean_inval_poc, "civac")

/* All instruction caches of the inner shareable domain. */
static inline void icache_inval_all(void)
{
	__asm__ volatile("ic ialluis" ::: "memory");
	dsb(ish);
	isb();
}

#endif
