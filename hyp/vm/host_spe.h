/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's own profiling while a guest has the CPU: its buffer is written out and turned off
 * before anything changes that its records go by, and turned on again when all of that is back.
 * Whether the guest has SPE does not matter: a guest's code is never sampled for the host.
 *
 * The other registers stay where they are, and are saved only for a guest that profiles
 * (spe_hw.c). A host that does not profile pays for one read of PMBLIMITR_EL1.
 */
#ifndef KEEL_VM_HOST_SPE_H
#define KEEL_VM_HOST_SPE_H

#include <cpu/spe_fields.h>

/* One CPU's; inside struct vm_cpu. */
struct host_spe {
	bool usable;   /* there is a profiling unit, and EL3 has given it away: call the others */
	bool inverse;  /* PMSNEVFR_EL1 is there */
	bool taken;    /* the unit is a guest's: @regs, and not the unit, has the host's... */
	u64 pmblimitr; /* ... while a guest has the CPU: PMBLIMITR_EL1 */
	struct spe_regs regs; /* the others */
};

/* The CPU has come up. */
void host_spe_online(struct host_spe *host);

/* A guest comes. Before VTTBR_EL2, HCR_EL2, MDCR_EL2 or EL1's registers change. */
void host_spe_leave(struct host_spe *host);

/* Between leave and return: the unit is for the guest's registers now. It is off. */
void host_spe_take(struct host_spe *host);

/* The guest is gone, the unit is off, all registers but these are the host's. */
void host_spe_return(struct host_spe *host);

#endif
