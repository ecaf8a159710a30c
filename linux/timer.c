// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_ARM_VCPU_TIMER_CTRL: the private interrupts of the guest's timers. EL2 fixes them, the same
 * for every VM. Under vcpu->mutex.
 */
#include <linux/uaccess.h>

#include "keel.h"

/* 0 for an attribute that does not exist. */
static int irq_of(const struct kvm_device_attr *attr)
{
	if (attr->group != KVM_ARM_VCPU_TIMER_CTRL)
		return 0;
	switch (attr->attr) {
	case KVM_ARM_VCPU_TIMER_IRQ_VTIMER:
		return KEEL_PPI_VTIMER;
	case KVM_ARM_VCPU_TIMER_IRQ_PTIMER:
		return KEEL_PPI_PTIMER;
	default:
		return 0;
	}
}

int keel_timer_has_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr)
{
	return irq_of(attr) ? 0 : -ENXIO;
}

int keel_timer_get_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr)
{
	int irq = irq_of(attr);

	return irq ? put_user(irq, (int __user *)attr->addr) : -ENXIO;
}

/* A VMM may set the value that it has already. */
int keel_timer_set_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr)
{
	int irq;

	if (!irq_of(attr))
		return -ENXIO;
	if (!keel_vgic_created(vcpu->vm))
		return -EINVAL;
	if (get_user(irq, (int __user *)attr->addr))
		return -EFAULT;
	return irq == irq_of(attr) ? 0 : -EINVAL;
}
