/* SPDX-License-Identifier: BSD-2-Clause */
/* FP/SIMD and SVE registers to and from memory (fpsimd.S). EL2's own code uses none of them. */
#ifndef KEEL_ARCH_FPSIMD_H
#define KEEL_ARCH_FPSIMD_H

#include <lib/types.h>

/* FP/SIMD and SVE registers, as fpsimd_save() stores them. SVE_VQ_MAX quadwords for each vector. */
#define SVE_VQ_MAX 16
struct vcpu_fpstate {
	u64 fpcr, fpsr;
	u8 v[32][16] __aligned(16); /* without SVE */
	/* with SVE: the first vq quadwords of each row, predicates, the first fault register */
	u8 z[32][SVE_VQ_MAX * 16] __aligned(16);
	u8 p[16][SVE_VQ_MAX * 2] __aligned(16);
	u8 ffr[SVE_VQ_MAX * 2] __aligned(16);
};

/*
 * Save and load V registers, FPCR and FPSR. CPTR_EL2 must not trap FP.
 */
void fpsimd_save(struct vcpu_fpstate *state);
void fpsimd_restore(const struct vcpu_fpstate *state);

/*
 * Save and load Z and P registers, and FFR if @ffr, at the current vector length, in rows of
 * SVE_VQ_MAX * 16 (Z) and SVE_VQ_MAX * 2 (P) bytes, and FPCR and FPSR. CPTR_EL2 must not trap FP.
 *
 * Outside of Streaming SVE mode the length is that of ZCR_EL2, SVE must not trap, and there is
 * always FFR. With PSTATE.SM set the length is that of SMCR_EL2, SME must not trap, and there is
 * FFR if sve_has_ffr() says so: otherwise RDFFR and WRFFR are illegal (C6,
 * CheckNonStreamingSVEEnabled()).
 */
void sve_save(struct vcpu_fpstate *state, bool ffr);
void sve_restore(const struct vcpu_fpstate *state, bool ffr);

/*
 * Whether FFR can be read in Streaming SVE mode: FEAT_SME_FA64 must be enabled at EL2, by
 * SMCR_EL2.FA64 and, if there is EL3, by SMCR_EL3.FA64. CPTR_EL2 must not trap SME. P0 is lost.
 */
bool sve_has_ffr(void);

/* Quadwords of a vector at ZCR_EL2's length. CPTR_EL2 must trap neither FP nor SVE. */
unsigned int sve_vq(void);

#endif
