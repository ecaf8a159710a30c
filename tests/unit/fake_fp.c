// SPDX-License-Identifier: BSD-2-Clause
/* FP registers (arch/fpsimd.h) for tests in which nobody uses them. */
#include <arch/fpsimd.h>

void fpsimd_save(struct vcpu_fpstate *state)
{
}

void fpsimd_restore(const struct vcpu_fpstate *state)
{
}

void sve_save(struct vcpu_fpstate *state, bool ffr)
{
}

void sve_restore(const struct vcpu_fpstate *state, bool ffr)
{
}

bool sve_has_ffr(void)
{
	return false;
}

unsigned int sve_vq(void)
{
	return 1;
}
