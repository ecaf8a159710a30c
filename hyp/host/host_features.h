/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The features of a CPU that the host has: those that a table allows, and no others. From the table
 * come both the ID registers that the host reads (HCR_EL2.TID3) and EL2's controls. A feature that
 * is not in it reads as absent, and its controls are zero, so its registers and instructions trap
 * or have no effect. docs/cpu-features.md says what is left out, and why.
 */
#ifndef KEEL_HOST_HOST_FEATURES_H
#define KEEL_HOST_HOST_FEATURES_H

#include <cpu/features.h>

/* EL2's controls for the host that depend on features. */
enum host_control {
	HOST_HCR,	/* HCR_EL2 */
	HOST_HCRX,	/* HCRX_EL2 */
	HOST_HFGR,	/* HFGRTR_EL2 */
	HOST_HFGW,	/* HFGWTR_EL2 */
	HOST_HFGI,	/* HFGITR_EL2 */
	HOST_HDFGR,	/* HDFGRTR_EL2 */
	HOST_HDFGW,	/* HDFGWTR_EL2 */
	HOST_HFGR2,	/* HFGRTR2_EL2 */
	HOST_HFGW2,	/* HFGWTR2_EL2 */
	HOST_HFGI2,	/* HFGITR2_EL2 */
	HOST_HDFGR2,	/* HDFGRTR2_EL2 */
	HOST_HDFGW2,	/* HDFGWTR2_EL2 */
	HOST_CPTR_NVHE, /* CPTR_EL2 with E2H=0: bits to clear */
	HOST_CPTR_VHE,	/* CPTR_EL2 with E2H=1: bits to set */
	HOST_MDCR,	/* MDCR_EL2 */
	HOST_SMCR,	/* SMCR_EL2 */
	HOST_CONTROL_COUNT
};

/**
 * host_features_limit() - reduce a CPU's ID registers to what the host has
 * @id: in: the CPU's own; out: as the host reads them. Those that HCR_EL2.TID3 does not trap
 *      (CTR_EL0, DCZID_EL0, MIDR_EL1) stay
 */
void host_features_limit(struct cpu_id_regs *id);

/**
 * host_features_control() - the bits of a control for the features that the host has
 * @id: after host_features_limit()
 */
u64 host_features_control(const struct cpu_id_regs *id, enum host_control control);

/**
 * host_features_read() - an ID register as the host reads it, on the CPU on which it does
 * @crm, @op2: S3_0_C0_C<crm>_<op2>; crm is 1 to 7, which HCR_EL2.TID3 traps
 *
 * Return: the value; 0 for a register that Keel does not know.
 */
u64 host_features_read(unsigned int crm, unsigned int op2);

#endif
