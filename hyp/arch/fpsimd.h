/* SPDX-License-Identifier: BSD-2-Clause */
/* FP/SIMD and SVE registers to and from memory (fpsimd.S). EL2's own code uses none of them. */
#ifndef KEEL_ARCH_FPSIMD_H
#define KEEL_ARCH_FPSIMD_H

#include <lib/types.h>

/* FP/SIMD and SVE, as fpsimd_save() lays them out. SVE_VQ_MAX quadwords a vector. */
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
 * V registers, FPCR and FPSR. CPTR_EL2 must not trap FP.
 */
void fpsimd_save(struct vcpu_fpstate *state);
void fpsimd_restore(const struct vcpu_fpstate *state);

/*
 * Z and P registers, and FFR if @ffr, at the vector length in force, one register each SVE_VQ_MAX *
 * 16 (2) bytes, and FPCR and FPSR. CPTR_EL2 must not trap FP.
 *
 * Out of Streaming SVE mode the length is by ZCR_EL2, SVE must not be trapped, and FFR is always
 * there. With PSTATE.SM set it is by SMCR_EL2, SME must not be trapped, and FFR is there if
 * sve_has_ffr() says so: elsewhere RDFFR and WRFFR are illegal (C6, CheckNonStreamingSVEEnabled()).
 */
void sve_save(struct vcpu_fpstate *state, bool ffr);
void sve_restore(const struct vcpu_fpstate *state, bool ffr);

/*
 * Whether FFR can be read, in Streaming SVE mode: FEAT_SME_FA64 must be in force at EL2, which takes
 * SMCR_EL2.FA64 and, where there is EL3, SMCR_EL3.FA64. CPTR_EL2 must not trap SME. P0 is lost.
 */
bool sve_has_ffr(void);

/* Quadwords of a vector, as ZCR_EL2 has it; CPTR_EL2 must trap neither FP nor SVE. */
unsigned int sve_vq(void);

#endif
