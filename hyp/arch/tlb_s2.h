/* SPDX-License-Identifier: BSD-2-Clause */
/* Borrowing VTTBR_EL2 for TLB maintenance of another VMID. No assembly of its own: tests compile
 * it. */
#ifndef KEEL_ARCH_TLB_S2_H
#define KEEL_ARCH_TLB_S2_H

#include <arch/barrier.h>
#include <arch/percpu.h>
#include <arch/sysreg.h>
#include <arch/trace_buffer.h>
#include <lib/types.h>

/*
 * Make the stage-2 TLBIs of tlb.h apply to the VMID in @vttbr: loads VTTBR_EL2 unless it is there
 * already. No preemption until tlb_s2_exit(). Returns what VTTBR_EL2 was.
 *
 * The CPU's profiling unit may still have records of EL1's to write, which must go by the stage 2
 * that they were taken under. At EL2 it takes none, so the next ones are behind tlb_s2_exit(). The
 * same is true of the trace buffer, which is off meanwhile: see trace_buffer_stop().
 */
static inline u64 tlb_s2_enter(u64 vttbr)
{
	u64 saved = read_sysreg(vttbr_el2);

	if (saved != vttbr) {
		psb_csync();
		dsb(nsh);
		if (this_cpu()->trace_buffer)
			this_cpu()->trblimitr = trace_buffer_stop();
		write_sysreg(vttbr, vttbr_el2);
		isb();
	}
	return saved;
}

/* Put VTTBR_EL2 back to @saved. */
static inline void tlb_s2_exit(u64 saved)
{
	if (read_sysreg(vttbr_el2) != saved) {
		write_sysreg(saved, vttbr_el2);
		isb();
		if (this_cpu()->trace_buffer && this_cpu()->trblimitr)
			trace_buffer_start(this_cpu()->trblimitr);
	}
}

#endif
