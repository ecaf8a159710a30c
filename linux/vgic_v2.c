// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_DEV_TYPE_ARM_VGIC_V2, which there is on a machine with a GICv2; and the calls from before there
 * were devices, KVM_CREATE_IRQCHIP and KVM_ARM_SET_DEVICE_ADDR. Unlike a GICv3 it need not be told to
 * initialize: the first use does it.
 */
#include <linux/anon_inodes.h>
#include <linux/bitfield.h>
#include <linux/irqchip/arm-gic.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>

#include "keel.h"

/* KEEL_HC_VGIC_PLACE: how many redistributors there are at the address tells a GICv2's frames apart */
#define PLACE_DIST 0
#define PLACE_CPU  1

/* ---- under vm->lock ---- */

static int tell_frame(struct keel_vm *vm, u64 base, u64 what, bool *told)
{
	int ret;

	if (*told)
		return 0;
	ret = keel_vm_call(vm, KEEL_HC_VGIC_PLACE, base, what, 0, 0, NULL);
	*told = !ret;
	return ret;
}

static bool frames_overlap(const struct keel_vgic *vgic)
{
	return vgic->dist < vgic->cpu + KVM_VGIC_V2_CPU_SIZE &&
	       vgic->cpu < vgic->dist + KVM_VGIC_V2_DIST_SIZE;
}

int keel_vgic_v2_is_ready(struct keel_vm *vm)
{
	struct keel_vgic *vgic = &vm->vgic;
	int ret;

	if (vgic->dist == KEEL_NO_ADDRESS || vgic->cpu == KEEL_NO_ADDRESS)
		return -ENXIO;
	if (frames_overlap(vgic))
		return -EINVAL;
	ret = keel_vgic_ctrl_init(vm);
	if (!ret)
		ret = tell_frame(vm, vgic->dist, PLACE_DIST, &vgic->dist_told);
	return ret ? ret : tell_frame(vm, vgic->cpu, PLACE_CPU, &vgic->cpu_told);
}

static u64 *frame_of(struct keel_vgic *vgic, u64 type, u64 *size)
{
	switch (type) {
	case KVM_VGIC_V2_ADDR_TYPE_DIST:
		*size = KVM_VGIC_V2_DIST_SIZE;
		return &vgic->dist;
	case KVM_VGIC_V2_ADDR_TYPE_CPU:
		*size = KVM_VGIC_V2_CPU_SIZE;
		return &vgic->cpu;
	default:
		return NULL;
	}
}

/* -ENODEV: there is no such frame. */
static int set_v2_address(struct keel_vm *vm, u64 type, u64 base)
{
	u64 size, *at = frame_of(&vm->vgic, type, &size);

	if (!at)
		return -ENODEV;
	if (*at != KEEL_NO_ADDRESS)
		return -EEXIST;
	if (!IS_ALIGNED(base, SZ_4K) || base + size < base)
		return -EINVAL;
	if ((base + size - 1) >> vm->ipa_bits)
		return -E2BIG;
	*at = base;
	return 0;
}

static int v2_address(struct keel_vm *vm, const struct kvm_device_attr *attr, bool set)
{
	void __user *argp = (void __user *)attr->addr;
	u64 size, *at = frame_of(&vm->vgic, attr->attr, &size), base;

	if (copy_from_user(&base, argp, sizeof(base)))
		return -EFAULT;
	if (!at)
		return -ENXIO;
	if (set)
		return set_v2_address(vm, attr->attr, base);
	return copy_to_user(argp, at, sizeof(*at)) ? -EFAULT : 0;
}

/* ---- KVM_DEV_ARM_VGIC_GRP_DIST_REGS, _CPU_REGS: 32 bits each ---- */

/* Registers that there are, for KVM_HAS_DEVICE_ATTR and before EL2 has the GIC. */
static const struct v2_range {
	u32 first, size;
} v2_dist_regs[] = { { 0x000, 0xc },
		     { 0x080, 0xb80 },
		     { 0xc00, 0x100 },
		     { 0xf00, 4 },
		     { 0xf10, 0x20 } },
  v2_cpu_regs[] = { { 0x00, 0xc }, { 0x1c, 4 }, { 0xd0, 0x10 }, { 0xfc, 4 } };

static bool in_v2_ranges(const struct v2_range *ranges, unsigned int count, u32 offset)
{
	for (unsigned int i = 0; i < count; i++)
		if (offset - ranges[i].first < ranges[i].size)
			return true;
	return false;
}

static struct keel_vcpu *v2_vcpu_of_attr(struct keel_vm *vm, u64 attr)
{
	return keel_vcpu_find(vm, FIELD_GET(KVM_DEV_ARM_VGIC_CPUID_MASK, attr));
}

static int has_v2_reg(struct keel_vm *vm, const struct kvm_device_attr *attr)
{
	u32 offset = attr->attr & KVM_DEV_ARM_VGIC_OFFSET_MASK;
	bool found;

	if (!v2_vcpu_of_attr(vm, attr->attr))
		return -EINVAL;
	if (attr->group == KVM_DEV_ARM_VGIC_GRP_DIST_REGS)
		found = in_v2_ranges(v2_dist_regs, ARRAY_SIZE(v2_dist_regs), offset) &&
			keel_vgic_has_irqs_of(vm, offset);
	else
		found = in_v2_ranges(v2_cpu_regs, ARRAY_SIZE(v2_cpu_regs), offset);
	return found && IS_ALIGNED(offset, 4) ? 0 : -ENXIO;
}

/*
 * There is no group for inputs, so a level whose input is high reads as pending, as on KVM: who restores
 * this makes it pending, and the interrupt is not lost. @at: of the 32 bits, from the first register on.
 */
static int add_levels(struct keel_vcpu *vcpu, u32 at, u32 *pending)
{
	u32 lines = 0;
	int ret = keel_vgic_reg(vcpu, KEEL_VGIC_LINES, at, &lines, false);

	*pending |= lines;
	return ret;
}

/* GICD_ISPENDR<n>, GICD_ICPENDR<n> */
static bool is_pending_reg(u32 offset)
{
	return offset >= GIC_DIST_PENDING_SET && offset < GIC_DIST_ACTIVE_SET;
}

/* No vCPU runs. */
static int access_v2_reg(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr, u32 *value,
			 bool set)
{
	u64 space = attr->group == KVM_DEV_ARM_VGIC_GRP_DIST_REGS ? KEEL_VGIC_DIST : KEEL_VGIC_CPU;
	u32 offset = attr->attr & KVM_DEV_ARM_VGIC_OFFSET_MASK;
	int ret = keel_vgic_ctrl_init(vcpu->vm);

	if (!ret)
		ret = keel_vgic_reg(vcpu, space, offset, value, set);
	if (!ret && !set && space == KEEL_VGIC_DIST && is_pending_reg(offset))
		ret = add_levels(vcpu, offset % (GIC_DIST_PENDING_CLEAR - GIC_DIST_PENDING_SET),
				 value);
	return ret;
}

static int v2_reg(struct keel_vm *vm, const struct kvm_device_attr *attr, bool set)
{
	struct keel_vcpu *vcpu = v2_vcpu_of_attr(vm, attr->attr);
	u32 __user *argp = (u32 __user *)attr->addr;
	u32 value = 0;
	int ret;

	if (!vcpu)
		return -EINVAL;
	if (set && get_user(value, argp))
		return -EFAULT;
	if (keel_vcpus_trylock(vm))
		return -EBUSY;
	ret = access_v2_reg(vcpu, attr, &value, set);
	keel_vcpus_unlock(vm);
	return ret || set ? ret : put_user(value, argp);
}

/* ---- attributes ---- */

static int set_v2_attr(void *device, const struct kvm_device_attr *attr)
{
	struct keel_vm *vm = device;
	u32 count;

	switch (attr->group) {
	case KVM_DEV_ARM_VGIC_GRP_ADDR:
		return v2_address(vm, attr, true);
	case KVM_DEV_ARM_VGIC_GRP_NR_IRQS:
		if (get_user(count, (u32 __user *)attr->addr))
			return -EFAULT;
		return keel_vgic_set_nr_irqs(vm, count);
	case KVM_DEV_ARM_VGIC_GRP_CTRL:
		return attr->attr == KVM_DEV_ARM_VGIC_CTRL_INIT ? keel_vgic_ctrl_init(vm) : -ENXIO;
	case KVM_DEV_ARM_VGIC_GRP_DIST_REGS:
	case KVM_DEV_ARM_VGIC_GRP_CPU_REGS:
		return v2_reg(vm, attr, true);
	default:
		return -ENXIO;
	}
}

static int get_v2_attr(void *device, const struct kvm_device_attr *attr)
{
	struct keel_vm *vm = device;

	switch (attr->group) {
	case KVM_DEV_ARM_VGIC_GRP_ADDR:
		return v2_address(vm, attr, false);
	case KVM_DEV_ARM_VGIC_GRP_NR_IRQS:
		return put_user(keel_vgic_irqs_so_far(vm), (u32 __user *)attr->addr);
	case KVM_DEV_ARM_VGIC_GRP_DIST_REGS:
	case KVM_DEV_ARM_VGIC_GRP_CPU_REGS:
		return v2_reg(vm, attr, false);
	default:
		return -ENXIO;
	}
}

static int has_v2_attr(void *device, const struct kvm_device_attr *attr)
{
	u64 size;

	switch (attr->group) {
	case KVM_DEV_ARM_VGIC_GRP_ADDR:
		return frame_of(&((struct keel_vm *)device)->vgic, attr->attr, &size) ? 0 : -ENXIO;
	case KVM_DEV_ARM_VGIC_GRP_NR_IRQS:
		return 0;
	case KVM_DEV_ARM_VGIC_GRP_CTRL:
		return attr->attr == KVM_DEV_ARM_VGIC_CTRL_INIT ? 0 : -ENXIO;
	case KVM_DEV_ARM_VGIC_GRP_DIST_REGS:
	case KVM_DEV_ARM_VGIC_GRP_CPU_REGS:
		return has_v2_reg(device, attr);
	default:
		return -ENXIO;
	}
}

static const struct keel_device_ops v2_ops = {
	.set = set_v2_attr,
	.get = get_v2_attr,
	.has = has_v2_attr,
};

static long v2_ioctl(struct file *file, unsigned int nr, unsigned long arg)
{
	return keel_device_ioctl(file->private_data, &v2_ops, file->private_data, nr, arg);
}

static int v2_release(struct inode *inode, struct file *file)
{
	keel_vm_put(file->private_data);
	return 0;
}

static const struct file_operations v2_fops = {
	.owner = THIS_MODULE,
	.release = v2_release,
	.unlocked_ioctl = v2_ioctl,
	.llseek = noop_llseek,
};

/* ---- making one ---- */

/* A file descriptor for the device, or 0 if @irqchip: KVM_CREATE_IRQCHIP gives none. */
static int create_v2_locked(struct keel_vm *vm, bool irqchip)
{
	int fd = 0;

	if (vm->vgic.created)
		return -EEXIST;
	if (vm->has_run)
		return -EBUSY;
	if (!irqchip) {
		keel_vm_get(vm);
		fd = anon_inode_getfd("kvm-arm-vgic-v2", &v2_fops, vm, O_RDWR | O_CLOEXEC);
		if (fd < 0) {
			keel_vm_put(vm);
			return fd;
		}
	}
	vm->vgic.v2 = true;
	smp_store_release(&vm->vgic.created, true);
	return fd;
}

int keel_vgic_v2_create(struct keel_vm *vm, struct kvm_create_device *device)
{
	int fd;

	if (keel_gic_version() != 2)
		return -ENODEV;
	if (device->flags & KVM_CREATE_DEVICE_TEST)
		return 0;
	mutex_lock(&vm->lock);
	fd = create_v2_locked(vm, false);
	mutex_unlock(&vm->lock);
	if (fd < 0)
		return fd;
	device->fd = fd;
	return 0;
}

/* -ENXIO: there is no GIC for VMs; -ENODEV: it is not a GICv2. */
int keel_create_irqchip(struct keel_vm *vm)
{
	int ret;

	if (!keel_gic_version())
		return -ENXIO;
	if (keel_gic_version() != 2)
		return -ENODEV;
	mutex_lock(&vm->lock);
	ret = create_v2_locked(vm, true);
	mutex_unlock(&vm->lock);
	return ret;
}

int keel_set_device_addr(struct keel_vm *vm, void __user *argp)
{
	struct kvm_arm_device_addr arg;
	int ret = -ENODEV;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	if ((arg.id & KVM_ARM_DEVICE_ID_MASK) >> KVM_ARM_DEVICE_ID_SHIFT != KVM_ARM_DEVICE_VGIC_V2)
		return -ENODEV;
	if (!keel_gic_version())
		return -ENXIO;
	mutex_lock(&vm->lock);
	if (vm->vgic.v2)
		ret = set_v2_address(
			vm, (arg.id & KVM_ARM_DEVICE_TYPE_MASK) >> KVM_ARM_DEVICE_TYPE_SHIFT,
			arg.addr);
	mutex_unlock(&vm->lock);
	return ret;
}

/*
 * Before an interrupt is driven. A GICv3 must have been initialized (-EBUSY).
 */
int keel_vgic_lazy_init(struct keel_vm *vm)
{
	int ret;

	if (keel_vgic_initialized(vm))
		return 0;
	if (!vm->vgic.v2)
		return -EBUSY;
	mutex_lock(&vm->lock);
	ret = keel_vgic_ctrl_init(vm);
	mutex_unlock(&vm->lock);
	return ret;
}
