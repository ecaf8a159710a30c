/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A CPU's trace buffer unit (FEAT_TRBE; ARM DDI 0487, D6). For a CPU with a unit that EL3 does not
 * own (TRBIDR_EL1.P is 0): elsewhere the registers are UNDEFINED or trap to EL3.
 */
#ifndef KEEL_ARCH_TRACE_BUFFER_H
#define KEEL_ARCH_TRACE_BUFFER_H

#include <arch/barrier.h>
#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <lib/types.h>

/*
 * Drain the buffer, under the translation that is loaded, and disable it. Tracing is prohibited, as
 * it is at EL2. Return: TRBLIMITR_EL1, to enable it again; 0 if it was off before.
 *
 * Draining alone is not enough before VTTBR_EL2 changes: while the buffer is on, the unit may
 * prefetch and cache translations even without trace, also outside of the owning context (D6.3.2,
 * R_SJFRQ).
 *
 * TSB CSYNC twice: the first can be lost on Cortex-A710 and Neoverse N2 (errata 2054223, 2067961).
 */
static inline u64 trace_buffer_stop(void)
{
	u64 trblimitr = read_sysreg(ASM_REG(TRBLIMITR_EL1));

	if (!(trblimitr & (TRBLIMITR_E | TRBLIMITR_XE)))
		return 0;
	tsb_csync();
	tsb_csync();
	dsb(nsh);
	write_sysreg(0, ASM_REG(TRBLIMITR_EL1));
	isb();
	return trblimitr;
}

/* Enable it, after its translation was restored. Without an ISB: the ERET synchronizes. */
static inline void trace_buffer_start(u64 trblimitr)
{
	isb();
	write_sysreg(trblimitr, ASM_REG(TRBLIMITR_EL1));
}

#endif
