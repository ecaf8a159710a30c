// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_GET_ONE_REG, KVM_SET_ONE_REG, KVM_GET_REG_LIST: registers are passed to and from EL2
 * unchanged.
 */
#include <linux/uaccess.h>

#include "keel.h"

static bool needs_finalize(const struct keel_vcpu *vcpu)
{
	return vcpu->features & BIT(KVM_ARM_VCPU_SVE) && !vcpu->sve_finalized;
}

static int reg_call(struct keel_vcpu *vcpu, u64 id, bool set)
{
	return keel_vm_call(vcpu->vm, set ? KEEL_HC_VCPU_SET_REG : KEEL_HC_VCPU_GET_REG,
			    vcpu->index, id, 0, 0, NULL);
}

static int set_reg(struct keel_vcpu *vcpu, const struct kvm_one_reg *reg)
{
	if (copy_from_user(vcpu->hyp->data, (void __user *)reg->addr, KVM_REG_SIZE(reg->id)))
		return -EFAULT;
	/* The vector length is fixed by KVM_ARM_VCPU_FINALIZE. */
	if (reg->id == KVM_REG_ARM64_SVE_VLS && vcpu->sve_finalized)
		return -EPERM;
	return reg_call(vcpu, reg->id, true);
}

static int get_reg(struct keel_vcpu *vcpu, const struct kvm_one_reg *reg)
{
	int ret = reg_call(vcpu, reg->id, false);

	if (ret)
		return ret;
	return copy_to_user((void __user *)reg->addr, vcpu->hyp->data, KVM_REG_SIZE(reg->id))
		       ? -EFAULT
		       : 0;
}

/* Z, P and FFR registers have no size before the vector length is fixed. */
static bool reg_too_early(const struct keel_vcpu *vcpu, u64 id)
{
	return (id & KVM_REG_ARM_COPROC_MASK) == KVM_REG_ARM64_SVE && id != KVM_REG_ARM64_SVE_VLS &&
	       needs_finalize(vcpu);
}

/* They are attributes of the GIC. */
static bool is_of_gic(u64 id)
{
	return (id & KVM_REG_ARM_COPROC_MASK) == (KEEL_REG_CPU_INTERFACE & KVM_REG_ARM_COPROC_MASK);
}

int keel_vcpu_gic_reg(struct keel_vcpu *vcpu, u32 encoding, u64 *value, bool set)
{
	int ret;

	if (set)
		memcpy(vcpu->hyp->data, value, sizeof(*value));
	ret = vcpu->initialized ? reg_call(vcpu, KEEL_REG_CPU_INTERFACE | encoding, set) : -ENOENT;
	if (!ret && !set)
		memcpy(value, vcpu->hyp->data, sizeof(*value));
	return ret == -ENOENT ? -ENXIO : ret;
}

int keel_vcpu_one_reg(struct keel_vcpu *vcpu, void __user *argp, bool set)
{
	struct kvm_one_reg reg;

	if (!vcpu->initialized)
		return -ENOEXEC;
	if (copy_from_user(&reg, argp, sizeof(reg)))
		return -EFAULT;
	if ((reg.id & ~KVM_REG_SIZE_MASK) >> 32 != KVM_REG_ARM64 >> 32)
		return -EINVAL;
	if (KVM_REG_SIZE(reg.id) > sizeof(vcpu->hyp->data) || is_of_gic(reg.id))
		return -ENOENT;
	if (reg_too_early(vcpu, reg.id))
		return -EPERM;
	return set ? set_reg(vcpu, &reg) : get_reg(vcpu, &reg);
}

/* The number of registers, or a negative errno; hyp->data has the ids from number @from on. */
static long list_from(struct keel_vcpu *vcpu, u64 from)
{
	u64 total;
	long ret = keel_vm_call(vcpu->vm, KEEL_HC_VCPU_REG_LIST, vcpu->index, from, 0, 0, &total);

	return ret ? ret : (long)total;
}

static int copy_list(struct keel_vcpu *vcpu, u64 __user *out, long total)
{
	long from = 0;

	while (from < total) {
		long count = min_t(long, total - from, KEEL_REG_LIST_MAX);
		long ret = list_from(vcpu, from);

		if (ret < 0)
			return ret;
		if (copy_to_user(out + from, vcpu->hyp->data, count * sizeof(*out)))
			return -EFAULT;
		from += count;
	}
	return 0;
}

int keel_vcpu_reg_list(struct keel_vcpu *vcpu, void __user *argp)
{
	struct kvm_reg_list __user *list = argp;
	u64 room, total;
	long ret;

	if (!vcpu->initialized)
		return -ENOEXEC;
	if (needs_finalize(vcpu))
		return -EPERM;
	if (get_user(room, &list->n))
		return -EFAULT;
	ret = list_from(vcpu, 0);
	if (ret < 0)
		return ret;
	total = ret;
	if (put_user(total, &list->n))
		return -EFAULT;
	return room < total ? -E2BIG : copy_list(vcpu, list->reg, total);
}
