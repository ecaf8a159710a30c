// SPDX-License-Identifier: BSD-2-Clause
/* A vCPU's SPE. See spe_vcpu.h. */
#include <keel/hypercall.h>
#include <keel/spe.h>
#include <lib/errno.h>
#include <spe/spe_vcpu.h>
#include <trap/debug.h>
#include <trap/device.h>
#include <vgic/vgic.h>
#include <vm/run.h>
#include <vm/vm_ops.h>

STATIC_ASSERT(sizeof(struct spe_vcpu) <= VCPU_SPE_BYTES, "struct vcpu_memory has room for it");

static const struct spe_ops *provider;

static unsigned int provider_version(void)
{
	return provider->version();
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
	if (encoding == REG_NUM(PMBSR_EL1) && vcpu->spe_ready)
		spe_vcpu_update_irq(vcpu);
	return true;
}

static u64 spe_read_trapped(struct vcpu *vcpu, u32 encoding)
{
	u64 value = 0;

	(void)spe_vcpu_read(vcpu, encoding, &value);
	return value;
}

static enum vcpu_action spe_write_trapped(struct vcpu *vcpu, u32 encoding, u64 value)
{
	(void)spe_vcpu_write(vcpu, encoding, value);
	return VCPU_RESUME;
}

void spe_vcpu_update_irq(struct vcpu *vcpu)
{
	vgic_set_timer(vcpu, READ_ONCE(vcpu->vm->spe_intid), spe_irq(&vcpu->spe->regs));
}

/* The guest, or userspace for it, may be about to use SPE. */
static void guest_seeks_spe(struct vcpu *vcpu)
{
	provider->interest(vcpu);
}

void spe_vcpu_set_provider(const struct spe_ops *ops)
{
	static const struct trap_device device = {
		.read = spe_read_trapped,
		.write = spe_write_trapped,
		.reset = spe_vcpu_reset,
		.version = provider_version,
		.sought = guest_seeks_spe,
	};

	provider = ops;
	trap_set_device(TRAP_DEVICE_SPE, &device);
	debug_set_user(ops->debug);
}

/* ---- the host's call ---- */

/* Whether the interrupt may be SPE's: a PPI, but not one of the timers'. */
static bool intid_valid(u64 intid)
{
	return intid >= VGIC_SGIS && intid < VGIC_PRIVATE && intid != VGIC_PPI_VTIMER &&
	       intid != VGIC_PPI_PTIMER;
}

/* All vCPUs of a VM have the same INTID, which the first one sets. Return: whether it is @intid. */
static bool intid_agreed(struct vm *vm, u32 intid)
{
	u32 was = 0;

	return __atomic_compare_exchange_n(&vm->spe_intid, &was, intid, false, __ATOMIC_RELAXED,
					   __ATOMIC_RELAXED) ||
	       was == intid;
}

static int init_spe(struct vcpu *vcpu, u64 intid)
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

static int set_spe_stop(struct vcpu *vcpu, u64 how)
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
		return init_spe(vcpu, value);
	case KEEL_SPE_STOP:
		return set_spe_stop(vcpu, value);
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
