/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's trace and branch records while a guest has the CPU. Its trace buffer is written out
 * and turned off before anything changes that it goes by; the trace filter and the branch recorder
 * are off, so that neither sees a guest. Inside vm/ only; switch_host_trace() is in switch.h.
 *
 * Firmware may trap the filter and the recorder to EL3 (MDCR_EL3.TTRF, .SBRBE), and has no way to
 * say so. So the host finds both trapped to EL2 at first, and Keel touches neither before the host
 * does. Then EL2's own halves are turned off, if EL3 lets it; they are let go, and switched from
 * there on. Elsewhere they are UNDEFINED to the host.
 * Until then they are as reset leaves them: off.
 */
#ifndef KEEL_VM_HOST_TRACE_H
#define KEEL_VM_HOST_TRACE_H

#include <lib/types.h>

struct cpu_id_regs;
struct vm_cpu;

/**
 * struct host_trace - one CPU's
 * @used:      there may be something to switch: call the functions below
 * @buffer:    there is a trace buffer unit, and EL3 has given it away
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

/* A guest comes. Before VTTBR_EL2, HCR_EL2, MDCR_EL2 or EL1's registers change. */
void host_trace_leave(struct host_trace *trace);

/* The guest is gone, all registers but these are the host's. */
void host_trace_return(const struct host_trace *trace);

#endif
