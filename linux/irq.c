// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupt lines of guests: EL2's GIC is told, and the vCPU that is to take the interrupt is
 * kicked.
 */
#include <linux/bitmap.h>

#include "keel.h"

static int drive_line(struct keel_vm *vm, u32 vcpu, u32 intid, u64 level)
{
	struct keel_vcpu *to;
	u64 target;
	long ret = keel_call(KEEL_HC_IRQ_LINE, vm->handle, vcpu, intid, level, 0, &target);

	if (ret != 1)
		return ret;
	to = keel_vcpu_find(vm, intid < KEEL_PRIVATE_IRQS ? vcpu : target);
	if (to)
		keel_vcpu_kick(to);
	return 0;
}

/* Any context. */
int keel_irq_line(struct keel_vm *vm, u32 vcpu, u32 intid, bool level)
{
	return drive_line(vm, vcpu, intid, level);
}

void keel_irq_hold(struct keel_vm *vm, u32 intid)
{
	drive_line(vm, 0, intid, 1 | KEEL_LINE_REPORT);
}

/* The words are this module's from the end of a run on. */
void keel_irqs_ended(struct keel_vcpu *vcpu)
{
	struct keel_run *hyp = vcpu->hyp;
	unsigned int bit;

	hyp->any_ended = 0;
	for (unsigned int word = 0; word < ARRAY_SIZE(hyp->ended); word++) {
		unsigned long bits = hyp->ended[word];

		hyp->ended[word] = 0;
		for_each_set_bit (bit, &bits, BITS_PER_LONG)
			keel_irqfd_ended(vcpu->vm, word * 64 + bit - KEEL_PRIVATE_IRQS);
	}
}

/* ---- KVM_IRQ_LINE ---- */

/* The INTIDs that a kind of line can have, whatever the VM has. */
static bool intid_valid(u32 type, u32 intid)
{
	if (type == KVM_ARM_IRQ_TYPE_PPI)
		return intid >= KEEL_SGIS && intid < KEEL_PRIVATE_IRQS;
	return intid >= KEEL_PRIVATE_IRQS;
}

int keel_irq_line_ioctl(struct keel_vm *vm, const struct kvm_irq_level *irq)
{
	u32 type = irq->irq >> KVM_ARM_IRQ_TYPE_SHIFT & KVM_ARM_IRQ_TYPE_MASK;
	u32 intid = irq->irq >> KVM_ARM_IRQ_NUM_SHIFT & KVM_ARM_IRQ_NUM_MASK;
	u32 vcpu = (irq->irq >> KVM_ARM_IRQ_VCPU_SHIFT & KVM_ARM_IRQ_VCPU_MASK) +
		   (irq->irq >> KVM_ARM_IRQ_VCPU2_SHIFT & KVM_ARM_IRQ_VCPU2_MASK) *
			   (KVM_ARM_IRQ_VCPU_MASK + 1);
	int ret;

	if (type > KVM_ARM_IRQ_TYPE_PPI)
		return -EINVAL;
	/* Lines of type CPU are for VMs with a GIC in userspace, which do not exist here. */
	if (type == KVM_ARM_IRQ_TYPE_CPU || !keel_vgic_created(vm))
		return -ENXIO;
	if (type == KVM_ARM_IRQ_TYPE_PPI && !keel_vcpu_find(vm, vcpu))
		return -EINVAL;
	if (!intid_valid(type, intid))
		return -EINVAL;
	/* how many SPIs there are is known behind it */
	ret = keel_vgic_lazy_init(vm);
	if (ret)
		return ret;
	if (intid >= vm->vgic.nr_irqs)
		return -EINVAL;
	return keel_irq_line(vm, type == KVM_ARM_IRQ_TYPE_PPI ? vcpu : 0, intid, irq->level);
}
