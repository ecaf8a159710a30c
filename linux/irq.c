// SPDX-License-Identifier: GPL-2.0
/* Interrupt lines of guests: to EL2's GIC, and to the vCPU that is to notice. */
#include "keel.h"

/* Another CPU is at the same line: EL2 never holds it for longer than a few hundred instructions.
 */
#define BUSY_RETRIES 1000

/* Any context. */
int keel_irq_line(struct keel_vm *vm, u32 vcpu, u32 intid, bool level)
{
	unsigned int tries;
	u64 target;
	long ret;

	for (tries = 0; tries < BUSY_RETRIES; tries++) {
		ret = keel_call(KEEL_HC_IRQ_LINE, vm->handle, vcpu, intid, level, 0, &target);
		if (ret != -EBUSY)
			break;
		cpu_relax();
	}
	if (ret == 1) {
		struct keel_vcpu *to =
			keel_vcpu_find(vm, intid < KEEL_PRIVATE_IRQS ? vcpu : target);

		if (to)
			keel_vcpu_kick(to);
		ret = 0;
	}
	return ret;
}

/* An INTID that userspace may drive, by kind of line. */
static bool intid_valid(struct keel_vm *vm, u32 type, u32 intid)
{
	if (type == KVM_ARM_IRQ_TYPE_PPI)
		return intid >= KEEL_SGIS && intid < KEEL_PRIVATE_IRQS;
	return intid >= KEEL_PRIVATE_IRQS && intid < vm->vgic.nr_irqs;
}

int keel_irq_line_ioctl(struct keel_vm *vm, const struct kvm_irq_level *irq)
{
	u32 type = irq->irq >> KVM_ARM_IRQ_TYPE_SHIFT & KVM_ARM_IRQ_TYPE_MASK;
	u32 intid = irq->irq >> KVM_ARM_IRQ_NUM_SHIFT & KVM_ARM_IRQ_NUM_MASK;
	u32 vcpu = (irq->irq >> KVM_ARM_IRQ_VCPU_SHIFT & KVM_ARM_IRQ_VCPU_MASK) +
		   (irq->irq >> KVM_ARM_IRQ_VCPU2_SHIFT & KVM_ARM_IRQ_VCPU2_MASK) *
			   (KVM_ARM_IRQ_VCPU_MASK + 1);

	if (type > KVM_ARM_IRQ_TYPE_PPI)
		return -EINVAL;
	/* A CPU's own lines are for VMs with a GIC in userspace: there are none such here. */
	if (type == KVM_ARM_IRQ_TYPE_CPU || !READ_ONCE(vm->vgic.created))
		return -ENXIO;
	if (type == KVM_ARM_IRQ_TYPE_PPI && !keel_vcpu_find(vm, vcpu))
		return -EINVAL;
	if (!keel_vgic_live(vm))
		return irq->level ? -EBUSY : 0;
	if (!intid_valid(vm, type, intid))
		return -EINVAL;
	return keel_irq_line(vm, type == KVM_ARM_IRQ_TYPE_PPI ? vcpu : 0, intid, irq->level);
}
