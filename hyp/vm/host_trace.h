/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's trace and branch records while a guest has the CPU. The trace buffer is drained and
 * disabled before any register changes by which it is written; the trace filter and the branch
 * recorder are off, so that neither sees a guest. Inside vm/ only; switch_host_trace() is in
 * switch.h.
 *
 * Firmware may trap the filter and the recorder to EL3 (MDCR_EL3.TTRF, .SBRBE), and EL2 has no way
 * to ask. So both trap to EL2 at first, and Keel accesses neither before the host does. At the
 * host's first access EL2's own filter registers are zeroed, the traps are removed, and the
 * registers are switched from then on. If EL3 withholds them, they are UNDEFINED for the host.
 * Before the first access they have their reset state, which is off.
 */
#ifndef KEEL_VM_HOST_TRACE_H
#define KEEL_VM_HOST_TRACE_H

#include <lib/types.h>

struct cpu_id_regs;
struct vm_cpu;

/**
 * struct host_trace - one CPU's
 * @used:      there may be something to switch: call the functions below
 * @buffer:    there is a trace buffer unit that EL3 does not withhold
 * @filter:    the host uses TRFCR_EL1
 * @branches:  the host uses branch records
 * @has_...:   the CPU has them, and they trap while the host does not use them
 * @trblimitr, @trfcr, @brbcr: the host's, while a guest has the CPU
 */
struct host_trace {
	bool used, buffer, filter, branches;
	bool has_filter, has_branches;
	u64 trblimitr, trfcr, brbcr;
};

/* The CPU has come up. @id: its own. */
void host_trace_online(struct host_trace *trace, const struct cpu_id_regs *id);

/* Before a guest is loaded: before VTTBR_EL2, HCR_EL2, MDCR_EL2 or EL1's registers change. */
void host_trace_leave(struct host_trace *trace);

/* At put, when all registers but these are the host's again. */
void host_trace_return(const struct host_trace *trace);

#endif
