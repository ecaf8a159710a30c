/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EL2's own mappings: one set of tables, built with the MMU off and then used by all CPUs.
 * el2_layout.h decides the layout; docs/el2-address-space.md explains it.
 *
 * Locking: el2_map_lock guards the tables and the private area; taken inside any other lock but a
 * page pool's. The early functions run on one CPU with the MMU off, before locks work.
 */
#ifndef KEEL_MM_EL2_MAP_H
#define KEEL_MM_EL2_MAP_H

#include <cpu/percpu.h>
#include <lib/types.h>
#include <mm/el2_layout.h>
#include <mm/page_pool.h>

/* Permissions and type of a mapping: writable or executable, never both. */
enum el2_prot { EL2_R, EL2_RW, EL2_RX, EL2_DEVICE };

/**
 * el2_map_early_init() - start the tables, with the MMU off
 * @layout: the address space; copied
 * @pages:  physical address of zeroed or unused pages for tables
 * @end:    one past the last
 *
 * Return: 0; -ENOMEM.
 */
int __must_check el2_map_early_init(const struct el2_layout *layout, struct pa pages,
				    struct pa end);

/* Map [pa, pa + size) at its own address, in TTBR0's range: the trampoline. Early. */
int __must_check el2_map_identity(struct pa pa, u64 size, enum el2_prot prot);

/* The values of TTBR0_EL2 and TTBR1_EL2 (0 without E2H). Early. */
u64 el2_map_ttbr0(void);
u64 el2_map_ttbr1(void);

/**
 * el2_map_runtime() - the MMU is on: use runtime addresses from now on
 * @pool: provides tables from now on; may still be empty
 *
 * Return: physical address of the first page that the early phase did not use.
 */
struct pa el2_map_runtime(struct page_pool *pool);

/* The layout in use. */
const struct el2_layout *el2_map_layout(void);

/* The linear window maps memory that Keel owns, at a fixed offset. */
static inline void *el2_pa_to_va(const struct el2_layout *layout, struct pa pa)
{
	return (void *)(pa.v + layout->linear_offset);
}

static inline struct pa el2_va_to_pa(const struct el2_layout *layout, const void *va)
{
	return PA((u64)va - layout->linear_offset);
}

/**
 * el2_map_linear() - map [pa, pa + size) in the linear window
 *
 * Page-aligned. For memory that Keel owns. Once the host runs, the caller holds ownership_lock, as
 * all who take pages from Keel's pool (page_pool_spare()).
 *
 * Return: 0; -ERANGE outside of the window; -EEXIST already mapped with other permissions; -ENOBUFS
 * too few pages to spare for tables. On an error nothing was changed.
 */
int __must_check el2_map_linear(struct pa pa, u64 size, enum el2_prot prot);

/* Unmap [pa, pa + size) from the linear window. When it returns, no CPU can access it there. */
void el2_unmap_linear(struct pa pa, u64 size);

/* Whether any page of [pa, pa + size) is mapped in the linear window. Page-aligned, within it. */
bool el2_linear_shown(struct pa pa, u64 size);

/**
 * el2_map_private() - map physical memory or a device in the private area
 * @pa:   any address; the pages around [pa, pa + size) are mapped
 * @size: bytes, not 0
 *
 * A guard page is behind every mapping. Large, aligned ranges get blocks.
 *
 * Return: the address of @pa; NULL if the area or the pool is exhausted.
 */
void *el2_map_private(struct pa pa, u64 size, enum el2_prot prot);

/* Undo el2_map_private() of the same @size. Its addresses are reused if it was the last one. */
void el2_unmap_private(const void *ptr, u64 size);

/**
 * el2_map_stacks() - make a CPU's stacks, with guard pages around them, its window and its alias
 * @cpu:            its stack_top, emergency_top, window and alias fields are filled
 * @slot:           bytes of address space for each CPU, aligned to that; its last page is the alias
 * @stack:          [base, base + size) of the stack in the slot
 * @emergency:      likewise of the emergency stack
 *
 * Return: 0; -ENOSPC, the private area is too small; -ENOMEM.
 */
struct el2_stack_part {
	u64 base, size;
};
int __must_check el2_map_stacks(struct percpu *cpu, u64 slot, struct el2_stack_part stack,
				struct el2_stack_part emergency);

/**
 * el2_window_map() - map one page of host or guest memory in this CPU's window
 * @pa:   its address; page-aligned
 * @prot: EL2_R or EL2_RW
 *
 * One window for each CPU: calls do not nest. EL2 is not preempted, so no lock is needed.
 *
 * Return: the page.
 */
void *el2_window_map(struct pa pa, enum el2_prot prot);

/**
 * el2_window_map_pages() - map adjacent pages of host or guest memory in this CPU's window
 * @pa:    the first; as for el2_window_map(), and likewise not nested
 * @count: 1 to EL2_WINDOW_PAGES
 *
 * Return: the first page.
 */
#define EL2_WINDOW_PAGES 7
void *el2_window_map_pages(struct pa pa, unsigned int count, enum el2_prot prot);

/* The end of el2_window_map_pages() of @count pages. */
void el2_window_unmap_pages(unsigned int count);

/**
 * el2_physical() - the physical address of an address of EL2, without a lock
 * @va: in this CPU's window while a page is mapped there, or in the linear window
 *
 * Return: its physical address; all ones for another @va.
 */
u64 el2_physical(u64 va);

/* The end of el2_window_map(). When it returns, the page is not accessible in the window. */
void el2_window_unmap(void);

/**
 * el2_alias_open() - map a page that is in the linear window a second time, read-only
 * @page: its address there
 *
 * One for each CPU, with the attributes that it has in the linear window. No lock.
 *
 * Return: the second address.
 */
void *el2_alias_open(const void *page);

/* The end of el2_alias_open(). When it returns, no CPU has the second translation. */
void el2_alias_close(void);

#endif
