/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's own profiling while a guest has the CPU: its buffer is drained and disabled before any
 * register changes by which records are written, and enabled again when all of these are restored.
 * A guest's code is never sampled for the host, whether or not the guest has SPE.
 *
 * The other registers stay in the unit, and are saved only for a guest that profiles (spe_hw.c). A
 * host that does not profile costs one read of PMBLIMITR_EL1.
 */
#ifndef KEEL_VM_HOST_SPE_H
#define KEEL_VM_HOST_SPE_H

#include <cpu/spe_fields.h>

/* One CPU's; inside struct vm_cpu. */
struct host_spe {
	bool usable;   /* there is a profiling unit that EL3 does not withhold: call the others */
	bool inverse;  /* there is PMSNEVFR_EL1 */
	bool taken;    /* the unit has a guest's registers, and @regs the host's */
	u64 pmblimitr; /* the host's PMBLIMITR_EL1 while a guest has the CPU */
	struct spe_regs regs; /* the others */
};

/* The CPU has come up. */
void host_spe_online(struct host_spe *host);

/* Before a guest is loaded: before VTTBR_EL2, HCR_EL2, MDCR_EL2 or EL1's registers change. */
void host_spe_leave(struct host_spe *host);

/* Between leave and return, while the unit is off: save the host's registers for a guest's. */
void host_spe_take(struct host_spe *host);

/* At put, when all registers but the unit's are the host's again. The unit is off. */
void host_spe_return(struct host_spe *host);

#endif
