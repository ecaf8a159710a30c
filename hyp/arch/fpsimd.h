/* SPDX-License-Identifier: BSD-2-Clause */
/* FP/SIMD and SVE registers to and from memory (fpsimd.S). EL2's own code uses none of them. */
#ifndef KEEL_ARCH_FPSIMD_H
#define KEEL_ARCH_FPSIMD_H

#include <vm/vcpu_regs.h>

/*
 * V registers, FPCR and FPSR. CPTR_EL2 must not trap FP.
 */
void fpsimd_save(struct vcpu_fpstate *state);
void fpsimd_restore(const struct vcpu_fpstate *state);

/*
 * Z, P and FFR registers at the vector length in force (ZCR_EL2, ZCR_EL1), one register each
 * SVE_VQ_MAX * 16 (2) bytes, and FPCR and FPSR. CPTR_EL2 must trap neither FP nor SVE.
 */
void sve_save(struct vcpu_fpstate *state);
void sve_restore(const struct vcpu_fpstate *state);

/* Quadwords of a vector, as ZCR_EL2 has it; CPTR_EL2 must trap neither FP nor SVE. */
unsigned int sve_vq(void);

#endif
