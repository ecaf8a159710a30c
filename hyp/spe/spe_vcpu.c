// SPDX-License-Identifier: BSD-2-Clause
/* A vCPU's SPE. See spe_vcpu.h. */
#include <keel/hypercall.h>
#include <keel/spe.h>
#include <lib/errno.h>
#include <spe/spe_vcpu.h>
#include <vgic/vgic.h>
#include <vm/vm_ops.h>

STATIC_ASSERT(sizeof(struct spe_vcpu) <= VCPU_SPE_BYTES, "struct vcpu_memory has room for it");

static const struct spe_ops *provider;

void spe_vcpu_set_provider(const struct spe_ops *ops)
{
	provider = ops;
}

bool spe_vcpu_emulated(const struct vcpu *vcpu)
{
	return vcpu->spe && provider->how == KEEL_SPE_EMULATED;
}

unsigned int spe_vcpu_version(const struct vcpu *vcpu)
{
	return vcpu->spe ? provider->version() : 0;
}

void spe_vcpu_reset(struct vcpu *vcpu)
{
	struct spe_vcpu *spe = vcpu->spe;

	provider->reset(vcpu);
	spe->regs.sve = vcpu->features & BIT(VCPU_SVE);
	spe_regs_reset(&spe->regs);
	if (vcpu->spe_ready)
		spe_vcpu_update_irq(vcpu);
}

bool spe_vcpu_read(struct vcpu *vcpu, u32 encoding, u64 *value)
{
	return provider->read(vcpu, encoding, value);
}

bool spe_vcpu_write(struct vcpu *vcpu, u32 encoding, u64 value)
{
	if (!provider->write(vcpu, encoding, value))
		return false;
	if (encoding == SPE_PMBSR_EL1 && vcpu->spe_ready)
		spe_vcpu_update_irq(vcpu);
	return true;
}

void spe_vcpu_update_irq(struct vcpu *vcpu)
{
	vgic_set_timer(vcpu, READ_ONCE(vcpu->vm->spe_intid), spe_irq(&vcpu->spe->regs));
}

unsigned int spe_vcpu_breakpoints(const struct vcpu *vcpu, unsigned int count)
{
	return provider->breakpoints(vcpu, count);
}

void spe_vcpu_interest(struct vcpu *vcpu)
{
	provider->interest(vcpu);
}

/* ---- the host's call ---- */

/* PPIs; the timers' are Keel's. */
static bool intid_valid(u64 intid)
{
	return intid >= VGIC_SGIS && intid < VGIC_PRIVATE && intid != VGIC_PPI_VTIMER &&
	       intid != VGIC_PPI_PTIMER;
}

/* The same for all vCPUs: the first one chooses. */
static bool intid_agreed(struct vm *vm, u32 intid)
{
	u32 was = 0;

	return __atomic_compare_exchange_n(&vm->spe_intid, &was, intid, false, __ATOMIC_RELAXED,
					   __ATOMIC_RELAXED) ||
	       was == intid;
}

static int init(struct vcpu *vcpu, u64 intid)
{
	if (vcpu->spe_ready)
		return -EBUSY;
	if (!__atomic_load_n(&vcpu->vm->vgic, __ATOMIC_ACQUIRE))
		return -ENODEV;
	if (!intid_valid(intid) || !intid_agreed(vcpu->vm, (u32)intid))
		return -EINVAL;
	vcpu->spe_ready = true;
	spe_vcpu_update_irq(vcpu);
	return 0;
}

static int stop(struct vcpu *vcpu, u64 how)
{
	if (!vcpu->spe_ready)
		return -EAGAIN;
	switch (how) {
	case KVM_ARM_VCPU_SPE_STOP_TRAP:
	case KVM_ARM_VCPU_SPE_STOP_EXIT:
		vcpu->spe->stop = (u32)how;
		return 0;
	case KVM_ARM_VCPU_SPE_RESUME:
		vcpu->spe->stop = 0;
		return 0;
	default:
		return -EINVAL;
	}
}

int spe_vcpu_control(struct vcpu *vcpu, u64 op, u64 value)
{
	if (!vcpu->spe)
		return -ENXIO;
	switch (op) {
	case KEEL_SPE_INIT:
		return init(vcpu, value);
	case KEEL_SPE_STOP:
		return stop(vcpu, value);
	default:
		return -EINVAL;
	}
}

int spe_vcpu_stats(const struct vcpu *vcpu, struct vcpu_spe_stats *stats)
{
	const struct spe_vcpu *spe = READ_ONCE(vcpu->spe);

	if (!spe)
		return -ENXIO;
	*stats = (struct vcpu_spe_stats){
		.samples = READ_ONCE(spe->samples),
		.dropped = READ_ONCE(spe->dropped),
		.false_hits = READ_ONCE(spe->arm.false_hits),
		.emulated = READ_ONCE(spe->arm.emulated),
	};
	return 0;
}
