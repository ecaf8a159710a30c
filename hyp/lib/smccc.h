/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SMC Calling Convention (ARM DEN 0028): how a function identifier is built, who owns which range,
 * and the return codes that every owner shares.
 */
#ifndef KEEL_LIB_SMCCC_H
#define KEEL_LIB_SMCCC_H

#include <lib/types.h>

/* DEN 0028, 2.5: the fields of a function identifier (W0). */
#define SMCCC_FAST     BIT(31) /* atomic call; clear for a yielding call */
#define SMCCC_64       BIT(30) /* SMC64: arguments are 64 bits wide */
#define SMCCC_OWNER    GENMASK(29, 24)
#define SMCCC_RESERVED GENMASK(23, 17) /* zero in a fast call */
#define SMCCC_SVE_HINT BIT(16) /* caller holds no live SVE state; not part of the identity */
#define SMCCC_FUNCTION GENMASK(15, 0)

/* DEN 0028, table 6-1: owning entities of fast calls. */
enum smccc_owner {
	SMCCC_OWNER_ARCH = 0,
	SMCCC_OWNER_CPU = 1,
	SMCCC_OWNER_SIP = 2,
	SMCCC_OWNER_OEM = 3,
	SMCCC_OWNER_STANDARD = 4,
	SMCCC_OWNER_STANDARD_HYP = 5,
	SMCCC_OWNER_VENDOR_HYP = 6,
	SMCCC_OWNER_TRUSTED_APP = 48, /* 48 and 49 */
	SMCCC_OWNER_TRUSTED_OS = 50,  /* 50 to 63 */
};

/* DEN 0028, 7: Arm Architecture Calls that Keel itself knows by name. */
#define SMCCC_VERSION 0x80000000U

/* DEN 0028, table 7-1: return codes, in W0 or X0. */
#define SMCCC_RET_SUCCESS	0
#define SMCCC_RET_NOT_SUPPORTED (-1)

/* What a call carries in and out: X0 to X17, as the caller's registers were or are to be. */
struct smccc_regs {
	u64 x[18];
};

#endif
