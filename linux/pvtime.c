// SPDX-License-Identifier: GPL-2.0
/*
 * Stolen time (ARM DEN 0057): how long a vCPU was ready to run but did not run, in the guest's
 * memory. Userspace sets the address (KVM_ARM_VCPU_PVTIME_CTRL), and EL2 tells it to the guest.
 * From then on, as KVM does, the time that the scheduler has counted for the vCPU's thread is added
 * before each entry.
 */
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "keel.h"

#define STEAL_ALIGN 64

/* The guest's structure, little-endian. */
struct steal_time {
	__le32 revision;
	__le32 attributes;
	__le64 stolen; /* nanoseconds */
	u8 padding[48];
};

/* Without it the time that a thread waits is not counted. */
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

static bool may_be_steal_time(struct keel_vm *vm, u64 ipa)
{
	unsigned long generation;
	struct keel_slot slot;

	return keel_slot_find(vm, ipa >> PAGE_SHIFT, &slot, &generation) &&
	       !(slot.flags & KVM_MEM_READONLY);
}

/* The guest asks for the structure: it begins with nothing stolen. */
void keel_pvtime_begin(struct keel_vcpu *vcpu)
{
	static const struct steal_time zero;
	struct keel_slot slot;
	struct steal_time __user *out = keel_write_begin(vcpu->vm, vcpu->steal_ipa, &slot);

	BUILD_BUG_ON(sizeof(struct steal_time) != STEAL_ALIGN);
	vcpu->steal_seen = run_delay();
	if (!out)
		return;
	(void)!copy_to_user(out, &zero, sizeof(zero));
	keel_write_end(vcpu->vm, vcpu, vcpu->steal_ipa, &slot);
}

static void add_stolen(struct keel_vcpu *vcpu, u64 time)
{
	struct keel_slot slot;
	struct steal_time __user *out = keel_write_begin(vcpu->vm, vcpu->steal_ipa, &slot);
	__le64 stolen;

	if (!out)
		return;
	/*
	 * The revision is 0. It is written first: a read of memory that nobody has written would bring
	 * the zero page, a huge one perhaps, which the first write replaces by a small page.
	 */
	if (!put_user(0, &out->revision) && !get_user(stolen, &out->stolen))
		(void)!put_user(cpu_to_le64(le64_to_cpu(stolen) + time), &out->stolen);
	keel_write_end(vcpu->vm, vcpu, vcpu->steal_ipa, &slot);
}

/*
 * In the vCPU's thread, before it enters the guest, if userspace has set the address: also of a guest
 * that was saved elsewhere, which has asked there and does not ask again. If the memory is gone
 * nothing is written.
 */
void keel_pvtime_update(struct keel_vcpu *vcpu)
{
	u64 delay = run_delay();

	/*
	 * If userspace runs the vCPU in another thread now, counting starts over from that thread's
	 * time.
	 */
	if (delay > vcpu->steal_seen)
		add_stolen(vcpu, delay - vcpu->steal_seen);
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
	if (!may_be_steal_time(vcpu->vm, ipa))
		return -EINVAL;
	ret = keel_vm_call(vcpu->vm, KEEL_HC_VCPU_STEAL_TIME, vcpu->index, ipa, 0, 0, NULL);
	if (!ret)
		vcpu->steal_ipa = ipa;
	return ret == -E2BIG ? -EINVAL : ret;
}
