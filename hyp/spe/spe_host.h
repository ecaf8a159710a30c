/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's own profiling while a guest has the CPU: its buffer is written out and turned off
 * before anything changes that its records go by, and turned on again when all of that is back.
 * Whether the guest has SPE does not matter: a guest's code is never sampled for the host.
 *
 * The other registers stay where they are, and are saved only for a guest that profiles
 * (spe_hw.c). A host that does not profile pays for one read of PMBLIMITR_EL1.
 */
#ifndef KEEL_SPE_SPE_HOST_H
#define KEEL_SPE_SPE_HOST_H

#include <spe/spe_regs.h>

/* One CPU's; inside struct vm_cpu. */
struct spe_host {
	bool usable;   /* there is a profiling unit, and EL3 has given it away: call the others */
	bool inverse;  /* PMSNEVFR_EL1 is there */
	bool taken;    /* the unit is a guest's: @regs, and not the unit, has the host's... */
	u64 pmblimitr; /* ... while a guest has the CPU: PMBLIMITR_EL1 */
	struct spe_regs regs; /* the others */
};

/* The CPU has come up. */
void spe_host_online(struct spe_host *host);

/* A guest comes. Before VTTBR_EL2, HCR_EL2, MDCR_EL2 or EL1's registers change. */
void spe_host_leave(struct spe_host *host);

/* Between leave and return: the unit is for the guest's registers now. It is off. */
void spe_host_take(struct spe_host *host);

/* The guest is gone, the unit is off, all registers but these are the host's. */
void spe_host_return(struct spe_host *host);

#endif
