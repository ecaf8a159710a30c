/* SPDX-License-Identifier: BSD-2-Clause */
/* Encodings of system registers and instructions as numbers. Constants only. */
#ifndef KEEL_ARCH_ENCODING_H
#define KEEL_ARCH_ENCODING_H

#include <lib/types.h>

/* As in the low 16 bits of KVM's register ids (and of the instruction, from bit 5 on). */
#define SYSREG_ENC(op0, op1, crn, crm, op2) \
	((u16)((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2)))

#define SYSREG_ICC_DIR_EL1   SYSREG_ENC(3, 0, 12, 11, 1)
#define SYSREG_ICC_SGI1R_EL1 SYSREG_ENC(3, 0, 12, 11, 5)
#define SYSREG_CNTV_CTL_EL0  SYSREG_ENC(3, 3, 14, 3, 1)
#define SYSREG_CNTV_CVAL_EL0 SYSREG_ENC(3, 3, 14, 3, 2)
#define SYSREG_CNTVCT_EL0    SYSREG_ENC(3, 3, 14, 0, 2)
#define SYSREG_CNTPCT_EL0    SYSREG_ENC(3, 3, 14, 0, 1)
#define SYSREG_CNTP_TVAL_EL0 SYSREG_ENC(3, 3, 14, 2, 0)
#define SYSREG_CNTP_CTL_EL0  SYSREG_ENC(3, 3, 14, 2, 1)
#define SYSREG_CNTP_CVAL_EL0 SYSREG_ENC(3, 3, 14, 2, 2)

#endif
