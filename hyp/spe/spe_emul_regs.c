// SPDX-License-Identifier: BSD-2-Clause
/* struct spe_ops of the emulation: all registers are in memory. */
#include <keel/spe.h>
#include <spe/spe_debug.h>
#include <spe/spe_provider.h>
#include <spe/spe_vcpu.h>

/* Breakpoints that the guest does not get: one, so kernels that run with SP_EL0 are not watched. */
#define SLOTS 1

static unsigned int emul_version(void)
{
	return SPE_PMSVER;
}

static void emul_reset(struct vcpu *vcpu)
{
	struct spe_vcpu *spe = vcpu->spe;
	u64 random = spe->random;

	spe_arm_reset(&spe->arm, SLOTS);
	spe->due = false;
	spe->asked = 0;
	spe->ask = false;
	spe->random = random ? random : 0x9e3779b97f4a7c15ULL * (vcpu->index + 1);
}

static bool emul_read(struct vcpu *vcpu, u32 encoding, u64 *value)
{
	return spe_reg_read(&vcpu->spe->regs, encoding, value);
}

static bool emul_write(struct vcpu *vcpu, u32 encoding, u64 value)
{
	return spe_reg_write(&vcpu->spe->regs, encoding, value);
}

static void emul_interest(struct vcpu *vcpu)
{
	spe_arm_interest(&vcpu->spe->arm);
}

const struct spe_ops spe_emul_ops = {
	.how = KEEL_SPE_EMULATED,
	.version = emul_version,
	.reset = emul_reset,
	.read = emul_read,
	.write = emul_write,
	.interest = emul_interest,
	.debug = &spe_debug_user,
};
