/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EL2's own mappings: one set of tables, built with the MMU off and used by all CPUs from then on.
 * The layout is el2_layout.h's; docs/el2-address-space.md explains it.
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

/* What a mapping allows: writable or executable, never both. */
enum el2_prot { EL2_R, EL2_RW, EL2_RX, EL2_DEVICE };

/**
 * el2_map_early_init() - start the tables, with the MMU off
 * @layout: where everything lies; copied
 * @pages:  physical address of zeroed or unused pages for tables
 * @end:    one past the last
 *
 * Return: 0; -ENOMEM.
 */
int __must_check el2_map_early_init(const struct el2_layout *layout, struct pa pages,
				    struct pa end);

/* Map [pa, pa + size) at its own address, in TTBR0's range: the trampoline. Early. */
int __must_check el2_map_identity(struct pa pa, u64 size, enum el2_prot prot);

/* Values of TTBR0_EL2 and TTBR1_EL2 (0 without E2H). Early. */
u64 el2_map_ttbr0(void);
u64 el2_map_ttbr1(void);

/**
 * el2_map_runtime() - the MMU is on: go on with runtime addresses
 * @pool: where tables come from now on; may be empty yet
 *
 * Return: physical address of the first page that the early phase did not use.
 */
struct pa el2_map_runtime(struct page_pool *pool);

/* The layout in use. */
const struct el2_layout *el2_map_layout(void);

/* The linear window: where memory that is Keel's own is seen, at a fixed offset. */
static inline void *el2_pa_to_va(const struct el2_layout *layout, struct pa pa)
{
	return (void *)(pa.v + layout->linear_offset);
}

static inline struct pa el2_va_to_pa(const struct el2_layout *layout, const void *va)
{
	return PA((u64)va - layout->linear_offset);
}

/**
 * el2_map_linear() - show [pa, pa + size) in the linear window
 *
 * Page-aligned. For memory that Keel owns. Once the host runs, whoever calls this holds
 * ownership_lock, as all who take pages of Keel's pool (page_pool_spare()).
 *
 * Return: 0; -ERANGE outside of the window; -EEXIST already shown otherwise; -ENOBUFS, too few
 * pages to spare for tables. On an error nothing was changed.
 */
int __must_check el2_map_linear(struct pa pa, u64 size, enum el2_prot prot);

/* Take [pa, pa + size) out of the linear window again. When it returns
 * no CPU can reach it there. */
void el2_unmap_linear(struct pa pa, u64 size);

/* Whether any of [pa, pa + size) is shown in the linear window now. Page-aligned, within it. */
bool el2_linear_shown(struct pa pa, u64 size);

/**
 * el2_map_private() - map physical memory or a device somewhere in the private area
 * @pa:   any address; what is mapped are the pages around [pa, pa + size)
 * @size: bytes, not 0
 *
 * A guard page lies behind every mapping. Large, aligned ranges get blocks.
 *
 * Return: where @pa is to be found; NULL when the area or the pool is exhausted.
 */
void *el2_map_private(struct pa pa, u64 size, enum el2_prot prot);

/* Undo el2_map_private() of the same @size; the area is used again if it was the last one taken. */
void el2_unmap_private(const void *ptr, u64 size);

/**
 * el2_map_stacks() - make a CPU's stacks, with guard pages around them, and its window
 * @cpu:            its stack_top, emergency_top and window fields are filled
 * @slot:           bytes of address space a CPU, aligned to that
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
 * el2_window_map() - map one page of host or guest memory for this CPU, for a moment
 * @pa:   its address; page-aligned
 * @prot: EL2_R or EL2_RW
 *
 * One window a CPU: not nested. EL2 is not preempted, so no lock is needed.
 *
 * Return: the page.
 */
void *el2_window_map(struct pa pa, enum el2_prot prot);

/**
 * el2_physical() - where memory is that EL2 accesses at an address, as far as no lock is needed
 * @va: in this CPU's window while that shows a page, or in the linear one
 *
 * Return: its physical address; all ones for another @va.
 */
u64 el2_physical(u64 va);

/* End el2_window_map(). The page cannot be reached through the window when it returns. */
void el2_window_unmap(void);

#endif
