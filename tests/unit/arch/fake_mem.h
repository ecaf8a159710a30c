/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory for translation tables in tests: an arena of granules at physical addresses that the test
 * chooses, with accounting, failures to order, and use after free caught by ASan. One arena at a
 * time, which the TLB model (fake_tlb.h) walks in.
 */
#ifndef KEEL_FAKE_MEM_H
#define KEEL_FAKE_MEM_H

#include <cpu/mmu_caps.h>
#include <lib/types.h>

/* Begin anew: @pages granules of memory from physical address @base on. */
void fake_mem_init(enum granule granule, u64 base, unsigned int pages);

/* One zeroed table, or NULL: when the arena is full, or as fake_mem_fail_*() ordered. */
void *fake_mem_zalloc(void *ctx);

/* @n adjacent tables whose address is a multiple of @align, for a root. Never fails by order. */
void *fake_mem_zalloc_root(unsigned int n, u64 align);

/* Back to the arena; a violation if a TLB or a walker could still use it. */
void fake_mem_free(void *ctx, void *table);

struct pa fake_mem_to_pa(void *ctx, const void *table);
void *fake_mem_from_pa(void *ctx, struct pa pa);

/* Tables in use, roots included. */
unsigned int fake_mem_in_use(void);

/* Let the @n-th allocation from now on (0: the next one), and all later ones, fail; -1: none. */
void fake_mem_fail_after(int n);

/* For the TLB model: the arena's page that @ptr is in, or -1; whether it is allocated. */
int fake_mem_page(const void *ptr);
bool fake_mem_allocated(int page);
void *fake_mem_page_ptr(int page);
#define FAKE_MEM_MAX_PAGES 4096

#endif
