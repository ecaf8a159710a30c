/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The hypercall ABI: what the host may ask of Keel by `HVC #0`.
 *
 * SMC Calling Convention (ARM DEN 0028), fast calls in the vendor-hypervisor range; function
 * identifier in x0, arguments in x1.., results in x0... Errors are Linux's numbers, negative, in
 * x0. A call validates everything before it changes anything. Anything that is not listed here
 * returns KEEL_NOT_SUPPORTED and changes no other register. Only the host may make these calls.
 */
#ifndef KEEL_HYPERCALL_H
#define KEEL_HYPERCALL_H

#define KEEL_NOT_SUPPORTED (-1)

/* ABI version: major in bits 31:16 (other majors do not understand each other), minor below. */
#define KEEL_ABI_VERSION 0x00010000

/*
 * General queries that SMCCC defines for the range: UID (x0..x3, little-endian words of
 * 6b65656c-2d68-7970-8572-766973302e31) and revision (x0 major, x1 minor of the ABI).
 */
#define KEEL_HC_UID	 0x8600ff01
#define KEEL_HC_REVISION 0x8600ff03
#define KEEL_UID_0	 0x6c65656b
#define KEEL_UID_1	 0x7079682d
#define KEEL_UID_2	 0x69767285
#define KEEL_UID_3	 0x312e3073

/* KEEL_HC_VERSION() -> x0 = KEEL_ABI_VERSION */
#define KEEL_HC_VERSION 0xc6000000

/*
 * KEEL_HC_STAT(x1 = one of KEEL_STAT_*) -> x0 = 0, x1 = its value; -EINVAL for others.
 * Counters since boot, of all CPUs together.
 */
#define KEEL_HC_STAT 0xc6000001

/*
 * KEEL_HC_LOG_READ(x1 = position, 0 to start with) -> x0 = bytes (0 at the end of the log),
 * x1 = the position to go on at, x2 = bytes lost because the ring had wrapped, x3..x17 = text.
 */
#define KEEL_HC_LOG_READ  0xc6000002
#define KEEL_LOG_READ_MAX 120

enum keel_stat {
	KEEL_STAT_HOST_ABORTS,	    /* host accesses that became an external abort */
	KEEL_STAT_HOST_MMIO_MAPS,   /* device ranges that were mapped when first touched */
	KEEL_STAT_HYPERCALLS,	    /* calls in Keel's range */
	KEEL_STAT_SMCS,		    /* SMCs of the host, PSCI included */
	KEEL_STAT_TABLE_PAGES_FREE, /* pages left for page tables */
	KEEL_STAT_COUNT
};

#endif
