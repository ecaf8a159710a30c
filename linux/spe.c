// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_ARM_VCPU_SPE_CTRL (keel/spe.h): statistical profiling of a vCPU, which EL2 does. Under
 * vcpu->mutex, so the vCPU does not run.
 */
#include <linux/uaccess.h>

#include <keel/spe.h>

#include "keel.h"

#define PPI_FIRST KEEL_SGIS
#define PPI_END	  KEEL_PRIVATE_IRQS

static bool has_spe(const struct keel_vcpu *vcpu)
{
	return vcpu->features & BIT_ULL(KEEL_HC_VCPU_FEATURE_SPE);
}

bool keel_spe_ready(const struct keel_vcpu *vcpu)
{
	return !has_spe(vcpu) || vcpu->spe_ready;
}

/* ---- the interrupt ---- */

static bool irq_valid(int irq)
{
	return irq >= PPI_FIRST && irq < PPI_END && irq != KEEL_PPI_VTIMER &&
	       irq != KEEL_PPI_PTIMER;
}

/* Whether no vCPU has a different one. Under vm->lock. */
static bool irq_agreed(struct keel_vm *vm, u32 irq)
{
	for (unsigned int i = 0; i < KEEL_VCPUS; i++) {
		struct keel_vcpu *other = keel_vcpu_find(vm, i);

		if (other && other->spe_irq && other->spe_irq != irq)
			return false;
	}
	return true;
}

static int choose_irq(struct keel_vcpu *vcpu, u32 irq)
{
	struct keel_vm *vm = vcpu->vm;
	int ret = -EINVAL;

	mutex_lock(&vm->lock);
	if (irq_agreed(vm, irq)) {
		vcpu->spe_irq = irq;
		ret = 0;
	}
	mutex_unlock(&vm->lock);
	return ret;
}

static int set_irq(struct keel_vcpu *vcpu, int __user *argp)
{
	int irq;

	if (!keel_vgic_created(vcpu->vm))
		return -ENXIO;
	if (vcpu->spe_irq)
		return -EBUSY;
	if (get_user(irq, argp))
		return -EFAULT;
	return irq_valid(irq) ? choose_irq(vcpu, irq) : -EINVAL;
}

static int get_irq(struct keel_vcpu *vcpu, int __user *argp)
{
	return vcpu->spe_irq ? put_user((int)vcpu->spe_irq, argp) : -ENXIO;
}

/* ---- the others ---- */

/*
 * The CPU's profiling unit writes to memory by itself. It cannot wait for a page that is not
 * mapped, and the record would be lost. Emulated SPE faults pages in, as the guest's accesses do.
 */
static bool needs_all_memory(void)
{
	return keel_spe_how() == KEEL_SPE_HARDWARE || keel_inject_populate();
}

/* The GIC's addresses may be set later, even after its INIT: EL2 is told at the first run. */
static int init_spe(struct keel_vcpu *vcpu)
{
	int ret;

	if (vcpu->spe_ready)
		return -EBUSY;
	if (!keel_vgic_initialized(vcpu->vm))
		return -ENODEV;
	if (!vcpu->spe_irq)
		return -ENXIO;
	ret = needs_all_memory() ? keel_populate(vcpu->vm) : 0;
	vcpu->spe_ready = !ret;
	return ret;
}

static int call_spe(struct keel_vcpu *vcpu, u64 op, u32 value)
{
	return keel_vm_call(vcpu->vm, KEEL_HC_VCPU_SPE, vcpu->index, op, value, 0, NULL);
}

int keel_spe_first_run(struct keel_vcpu *vcpu)
{
	int ret;

	if (!has_spe(vcpu) || vcpu->spe_live)
		return 0;
	ret = call_spe(vcpu, KEEL_SPE_INIT, vcpu->spe_irq);
	if (ret)
		return ret;
	vcpu->spe_live = true;
	return vcpu->spe_stop ? call_spe(vcpu, KEEL_SPE_STOP, vcpu->spe_stop) : 0;
}

static bool stop_valid(int how)
{
	return how == KVM_ARM_VCPU_SPE_STOP_TRAP || how == KVM_ARM_VCPU_SPE_STOP_EXIT ||
	       how == KVM_ARM_VCPU_SPE_RESUME;
}

static int stop_spe(struct keel_vcpu *vcpu, int __user *argp)
{
	int how;

	if (!vcpu->spe_ready)
		return -EAGAIN;
	if (get_user(how, argp))
		return -EFAULT;
	if (!stop_valid(how))
		return -EINVAL;
	vcpu->spe_stop = how;
	return vcpu->spe_live ? call_spe(vcpu, KEEL_SPE_STOP, how) : 0;
}

int keel_spe_has_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr)
{
	return has_spe(vcpu) && attr->attr <= KVM_ARM_VCPU_SPE_STOP ? 0 : -ENXIO;
}

int keel_spe_get_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr)
{
	if (!has_spe(vcpu) || attr->attr != KVM_ARM_VCPU_SPE_IRQ)
		return -ENXIO;
	return get_irq(vcpu, (int __user *)attr->addr);
}

int keel_spe_set_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr)
{
	int __user *argp = (int __user *)attr->addr;

	if (!has_spe(vcpu))
		return -ENXIO;
	switch (attr->attr) {
	case KVM_ARM_VCPU_SPE_IRQ:
		return set_irq(vcpu, argp);
	case KVM_ARM_VCPU_SPE_INIT:
		return init_spe(vcpu);
	case KVM_ARM_VCPU_SPE_STOP:
		return stop_spe(vcpu, argp);
	default:
		return -ENXIO;
	}
}
