// SPDX-License-Identifier: GPL-2.0
/*
 * Stolen time (ARM DEN 0057): how long a vCPU was ready to run and did not, in the guest's memory.
 * Userspace says where (KVM_ARM_VCPU_PVTIME_CTRL), EL2 tells the guest, and the scheduler's account
 * of the vCPU's thread is added up here before each entry.
 */
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "keel.h"

#define STEAL_ALIGN 64

/* As the guest sees it, little-endian. */
struct steal_time {
	__le32 revision;
	__le32 attributes;
	__le64 stolen; /* nanoseconds */
	u8 padding[48];
};

/* Without it nobody counts how long a thread waits. */
bool keel_pvtime_supported(void)
{
	return IS_ENABLED(CONFIG_SCHEDSTATS);
}

static u64 run_delay(void)
{
#ifdef CONFIG_SCHED_INFO
	return READ_ONCE(current->sched_info.run_delay);
#else
	return 0;
#endif
}

/* Where the process has what is at @ipa in the guest; NULL where the guest cannot be written to. */
static struct steal_time __user *find_steal_time(struct keel_vm *vm, u64 ipa)
{
	unsigned long generation;
	struct keel_slot slot;

	if (!keel_slot_find(vm, ipa >> PAGE_SHIFT, &slot, &generation) ||
	    slot.flags & KVM_MEM_READONLY)
		return NULL;
	return (struct steal_time __user *)(slot.hva + (ipa - (slot.gfn << PAGE_SHIFT)));
}

/* The guest asks for it: from here on, nothing stolen yet. */
void keel_pvtime_begin(struct keel_vcpu *vcpu)
{
	static const struct steal_time zero;
	struct steal_time __user *out = find_steal_time(vcpu->vm, vcpu->steal_ipa);

	BUILD_BUG_ON(sizeof(struct steal_time) != STEAL_ALIGN);
	vcpu->steal_seen = run_delay();
	vcpu->steal_begun = out && !copy_to_user(out, &zero, sizeof(zero));
}

/* The vCPU's own thread, before it enters the guest. Memory that has gone away is left alone. */
void keel_pvtime_update(struct keel_vcpu *vcpu)
{
	struct steal_time __user *out;
	u64 delay = run_delay();
	__le64 stolen;

	if (!vcpu->steal_begun || delay == vcpu->steal_seen)
		return;
	out = find_steal_time(vcpu->vm, vcpu->steal_ipa);
	/* Another thread's account, if userspace has changed threads: it starts from there. */
	if (out && delay > vcpu->steal_seen && !get_user(stolen, &out->stolen))
		(void)!put_user(cpu_to_le64(le64_to_cpu(stolen) + delay - vcpu->steal_seen),
				&out->stolen);
	vcpu->steal_seen = delay;
}

/* ---- KVM_ARM_VCPU_PVTIME_CTRL; under vcpu->mutex ---- */

static bool is_known_attr(const struct kvm_device_attr *attr)
{
	return keel_pvtime_supported() && attr->group == KVM_ARM_VCPU_PVTIME_CTRL &&
	       attr->attr == KVM_ARM_VCPU_PVTIME_IPA;
}

int keel_pvtime_has_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr)
{
	return is_known_attr(attr) ? 0 : -ENXIO;
}

int keel_pvtime_get_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr)
{
	if (!is_known_attr(attr))
		return -ENXIO;
	return put_user(vcpu->steal_ipa, (u64 __user *)attr->addr);
}

int keel_pvtime_set_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr)
{
	u64 ipa;
	int ret;

	if (!is_known_attr(attr))
		return -ENXIO;
	if (get_user(ipa, (u64 __user *)attr->addr))
		return -EFAULT;
	if (!IS_ALIGNED(ipa, STEAL_ALIGN))
		return -EINVAL;
	if (vcpu->steal_ipa != KEEL_NO_ADDRESS)
		return -EEXIST;
	if (!find_steal_time(vcpu->vm, ipa))
		return -EINVAL;
	ret = keel_vm_call(vcpu->vm, KEEL_HC_VCPU_STEAL_TIME, vcpu->index, ipa, 0, 0, NULL);
	if (!ret)
		vcpu->steal_ipa = ipa;
	return ret == -E2BIG ? -EINVAL : ret;
}
