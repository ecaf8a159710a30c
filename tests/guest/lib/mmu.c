// SPDX-License-Identifier: BSD-2-Clause
/*
 * Stage 1: addresses of 39 bits, 4K pages, everything at its own address but for a window of pages.
 * Built with the MMU off, so nothing here may be big.
 */
#include "guest.h"

#define TABLE	  3UL
#define BLOCK	  1UL
#define GIB	  BIT(30)
#define DEVICE	  (BLOCK | PTE_DEVICE | PTE_AF | PTE_PXN | PTE_UXN)
#define MEMORY	  (BLOCK | PTE_NORMAL | PTE_SH | PTE_AF | PTE_UXN)
#define MEMORY_MB 64

/* MAIR_EL1: 0 is normal, write-back; 1 is device nGnRE. The others are
 * `registers`' to play with. */
const u64 mair_value = 0x04ff;
/* TCR_EL1: T0SZ 25, walks cached and shareable, EPD1, T1SZ 25, 4K; IPS 44 bits, or what there is */
const u64 tcr_value = 25 | 1 << 8 | 1 << 10 | 3 << 12 | 25UL << 16 | BIT(23) | 2UL << 30 |
		      4UL << 32;

u64 mmu_root[512] __attribute__((aligned(4096)));
static u64 memory[512] __attribute__((aligned(4096)));
static u64 window_level2[512] __attribute__((aligned(4096)));
static u64 window_level3[512] __attribute__((aligned(4096)));

void mmu_tables(void);
void mmu_tables(void)
{
	u64 i;

	mmu_root[0] = 0 * GIB | DEVICE;
	mmu_root[RAM_BASE / GIB] = (u64)memory | TABLE;
	mmu_root[WINDOW / GIB] = (u64)window_level2 | TABLE;
	mmu_root[UNBACKED / GIB] = UNBACKED | DEVICE;
	mmu_root[BEYOND_IPA / GIB] = BIT(40) | DEVICE;
	for (i = 0; i < MEMORY_MB / 2; i++)
		memory[i] = (RAM_BASE + (i << 21)) | MEMORY;
	window_level2[0] = (u64)window_level3 | TABLE;
}

u64 *window_pte(u64 va)
{
	return &window_level3[(va - WINDOW) / PAGE];
}

void window_map(u64 va, u64 pa, u64 attributes)
{
	write_once(*window_pte(va), 0);
	tlbi_va(va);
	if (attributes) {
		write_once(*window_pte(va), pa | attributes);
		__asm__ volatile("dsb ish; isb" ::: "memory");
	}
}

u64 fresh_page(void)
{
	static u64 next = FRESH_BASE;

	if (next == FRESH_END)
		die("out of fresh pages");
	next += PAGE;
	return next - PAGE;
}
