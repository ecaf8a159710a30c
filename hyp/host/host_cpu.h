/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EL2's registers as the host wants them: nothing trapped that need not be, each control at a known
 * value, since all of them are UNKNOWN after reset.
 */
#ifndef KEEL_HOST_HOST_CPU_H
#define KEEL_HOST_HOST_CPU_H

#include <cpu/features.h>
#include <lib/types.h>

/**
 * host_cpu_init() - set up this CPU's EL2 controls and EL1 reset state for the host
 * @vtcr:  VTCR_EL2 of the host's stage 2
 * @vttbr: VTTBR_EL2 of the host's stage 2
 *
 * On every CPU each time it comes from firmware, before it enters the host. Looks at this CPU's own
 * ID registers, since a register that this CPU lacks must not be written.
 */
void host_cpu_init(u64 vtcr, u64 vttbr);

/* HCR_EL2 while the host runs, of which it has @host (host_features_limit()); E2H as it is now. */
u64 host_hcr(const struct cpu_id_regs *host);

#endif
