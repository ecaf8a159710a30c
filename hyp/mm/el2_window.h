/* SPDX-License-Identifier: BSD-2-Clause */
/* Inline variants of el2_window_map() and el2_window_unmap() (mm/el2_map.h), for hot paths. */
#ifndef KEEL_MM_EL2_WINDOW_H
#define KEEL_MM_EL2_WINDOW_H

#include <arch/barrier.h>
#include <arch/percpu.h>
#include <arch/pte.h>
#include <arch/tlb.h>
#include <cpu/errata.h>
#include <cpu/percpu.h>
#include <mm/el2_map.h>

/* C5.5: the operand of TLBI VAE2*: VA[55:12] and no level hint. */
static inline u64 tlbi_va(u64 va)
{
	return (va >> 12) & GENMASK(43, 0);
}

/* This CPU's window, while a page is mapped in it. */
struct el2_window {
	char *page;
	u64 *pte; /* its descriptor */
};

/*
 * The descriptor goes from invalid to valid, which needs no break, and from valid to invalid. Only
 * this CPU uses the window, but all CPUs share the tables, and any may cache the descriptor
 * speculatively. So closing the window invalidates the TLBs of all CPUs: an entry that survived
 * could conflict with that of the next page.
 */
/* D8.3.1.2: OA[51:50], which only descriptors with DS have, are in bits 9:8. */
static inline u64 el2_window_pte(u64 pa, u64 attrs)
{
	return (pa & GENMASK(49, 12)) | pa >> 50 << 8 | attrs;
}

static inline struct el2_window el2_window_open(struct pa pa, enum el2_prot prot)
{
	const struct percpu *cpu = this_cpu();
	struct el2_window window = { (char *)cpu->window_va, cpu->window_pte };

	pte_write(window.pte, el2_window_pte(pa.v, cpu->window_attrs[prot]));
	dsb(ishst);
	isb();
	return window;
}

/* @errata: errata_actions */
static inline void el2_window_close_on(struct el2_window window, u32 errata)
{
	pte_write(window.pte, 0);
	dsb(ishst);
	tlbi_vae2is(tlbi_va((u64)window.page));
	tlb_sync_on(errata);
	isb();
}

static inline void el2_window_close(struct el2_window window)
{
	el2_window_close_on(window, READ_ONCE(errata_actions));
}

#endif
