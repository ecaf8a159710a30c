/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EL2's controls for the host: only what must trap does, and each control has a known value, since
 * all of them are UNKNOWN after reset.
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
 * On each CPU, each time that it comes from firmware, before it enters the host. Uses this CPU's
 * own ID registers, since a register that it does not have must not be written.
 */
void host_cpu_init(u64 vtcr, u64 vttbr);

/*
 * HCR_EL2 while the host runs. @host: ID registers after host_features_limit(). E2H is as it is
 * now.
 */
u64 host_hcr(const struct cpu_id_regs *host);

#endif
