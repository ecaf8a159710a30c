/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A CPU's trace buffer unit (FEAT_TRBE; ARM DDI 0487, D6). For a CPU that has one which EL3 has
 * given away (TRBIDR_EL1.P is 0): elsewhere its registers are UNDEFINED or trap to EL3.
 */
#ifndef KEEL_ARCH_TRACE_BUFFER_H
#define KEEL_ARCH_TRACE_BUFFER_H

#include <arch/barrier.h>
#include <arch/sysreg.h>
#include <lib/types.h>

/* TRBLIMITR_EL1: on, for the CPU's own trace unit or for an external one */
#define TRBLIMITR_E  BIT(0)
#define TRBLIMITR_XE BIT(6)

/*
 * What was traced is written, by the translation that it was traced under, and the buffer is off.
 * Tracing is prohibited, as it is at EL2. Returns TRBLIMITR_EL1 to start it with again; 0 if it was
 * off before.
 *
 * Off, since writing out alone is not enough for who changes VTTBR_EL2: of a buffer that is on, the
 * unit may prefetch and cache translations even while no trace comes, also out of the context that
 * it belongs to (D6.3.2, R_SJFRQ).
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

/* The translation that the buffer goes by is written. No ISB behind it: the ERET synchronizes. */
static inline void trace_buffer_start(u64 trblimitr)
{
	isb();
	write_sysreg(trblimitr, ASM_REG(TRBLIMITR_EL1));
}

#endif
