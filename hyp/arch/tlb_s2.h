/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changing VTTBR_EL2 temporarily, for TLB maintenance of another VMID. Without assembly: tests
 * compile it.
 */
#ifndef KEEL_ARCH_TLB_S2_H
#define KEEL_ARCH_TLB_S2_H

#include <arch/barrier.h>
#include <arch/el1.h>
#include <arch/sysreg.h>
#include <arch/trace_buffer.h>
#include <lib/types.h>

/* The values before tlb_s2_enter(), for tlb_s2_exit(). */
struct tlb_s2_saved {
	u64 vttbr, vtcr;
	u64 tcr, sctlr; /* EL1's, if @blocked */
	u64 trblimitr;	/* of a trace buffer that was disabled, or 0 */
	bool changed, blocked;
};

/*
 * Make the stage-2 TLBIs of tlb.h apply to the VMID in @vttbr, and be decoded by @vtcr (a range's
 * unit is VTCR_EL2.DS's, as loaded: C5.5): loads both unless they are there already. No preemption
 * until tlb_s2_exit(). @block: the CPU may execute AT speculatively, so EL1's walks are disabled
 * meanwhile. @trace: the CPU has a trace buffer unit for EL1.
 *
 * The CPU's profiling unit may still have records of EL1 to write, which must be translated by the
 * stage 2 that was loaded when they were taken; so it is drained first. It takes no new ones at
 * EL2. The same is true of the trace buffer, which is disabled meanwhile: see trace_buffer_stop().
 * Both may have to walk EL1's tables to drain.
 */
static inline struct tlb_s2_saved tlb_s2_enter(u64 vttbr, u64 vtcr, bool block, bool trace)
{
	struct tlb_s2_saved saved = { .vttbr = read_sysreg(vttbr_el2),
				      .vtcr = read_sysreg(vtcr_el2) };

	saved.changed = saved.vttbr != vttbr || saved.vtcr != vtcr;
	saved.blocked = saved.changed && block;
	if (!saved.changed)
		return saved;
	psb_csync();
	dsb(nsh);
	if (trace)
		saved.trblimitr = trace_buffer_stop();
	if (saved.blocked) {
		saved.tcr = read_el1_tcr();
		saved.sctlr = read_el1_sctlr();
		el1_walks_off(saved.tcr, saved.sctlr);
	}
	write_sysreg(vtcr, vtcr_el2);
	write_sysreg(vttbr, vttbr_el2);
	isb();
	return saved;
}

/* Restore everything that tlb_s2_enter() changed. */
static inline void tlb_s2_exit(const struct tlb_s2_saved *saved)
{
	if (!saved->changed)
		return;
	write_sysreg(saved->vtcr, vtcr_el2);
	write_sysreg(saved->vttbr, vttbr_el2);
	isb();
	if (saved->blocked)
		el1_walks_on(saved->tcr, saved->sctlr);
	if (saved->trblimitr)
		trace_buffer_start(saved->trblimitr);
}

#endif
