// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_DEV_TYPE_ARM_VGIC_V3: the settings of userspace are collected here and passed to EL2 in one
 * call once they are complete. VMMs differ in whether addresses or KVM_DEV_ARM_VGIC_CTRL_INIT come
 * first.
 */
#include <linux/anon_inodes.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/uaccess.h>

#include "keel.h"

#define NR_IRQS_DEFAULT 256
#define NR_IRQS_MIN	64

/* ---- under vm->lock ---- */

static bool ranges_overlap(struct keel_vm *vm)
{
	const struct keel_vgic *vgic = &vm->vgic;

	return vgic->dist < vgic->redist + vm->nr_vcpus * KVM_VGIC_V3_REDIST_SIZE &&
	       vgic->redist < vgic->dist + KVM_VGIC_V3_DIST_SIZE;
}

static int go_live(struct keel_vm *vm)
{
	struct keel_vgic *vgic = &vm->vgic;
	int ret;

	if (ranges_overlap(vm))
		return -EINVAL;
	ret = keel_vm_call(vm, KEEL_HC_VGIC_INIT, vgic->dist, vgic->redist, vgic->nr_irqs, 0, NULL);
	if (ret)
		return ret == -ENODEV ? -ENXIO : ret;
	keel_irq_early_lines(vm);
	smp_store_release(&vgic->live, true);
	return 0;
}

static bool addresses_known(const struct keel_vgic *vgic)
{
	return vgic->dist != KEEL_NO_ADDRESS && vgic->redist != KEEL_NO_ADDRESS;
}

static int go_live_if_known(struct keel_vm *vm)
{
	return addresses_known(&vm->vgic) && !vm->vgic.live ? go_live(vm) : 0;
}

static u64 *address_of(struct keel_vgic *vgic, u64 type, u64 *size)
{
	switch (type) {
	case KVM_VGIC_V3_ADDR_TYPE_DIST:
		*size = KVM_VGIC_V3_DIST_SIZE;
		return &vgic->dist;
	case KVM_VGIC_V3_ADDR_TYPE_REDIST:
		*size = KVM_VGIC_V3_REDIST_SIZE;
		return &vgic->redist;
	default:
		return NULL;
	}
}

static int set_address(struct keel_vm *vm, u64 type, u64 value)
{
	u64 size, *address = address_of(&vm->vgic, type, &size);
	int ret;

	if (!address)
		return -ENXIO;
	if (*address != KEEL_NO_ADDRESS)
		return -EEXIST;
	if (!IS_ALIGNED(value, SZ_64K))
		return -EINVAL;
	if (value + size < value || (value + size - 1) >> vm->ipa_bits)
		return -E2BIG;
	*address = value;
	ret = vm->vgic.init_asked ? go_live_if_known(vm) : 0;
	if (ret)
		*address = KEEL_NO_ADDRESS;
	return ret;
}

static int get_address(struct keel_vm *vm, u64 type, u64 *value)
{
	u64 size, *address = address_of(&vm->vgic, type, &size);

	if (!address)
		return -ENXIO;
	*value = *address;
	return 0;
}

static int set_nr_irqs(struct keel_vm *vm, u32 value)
{
	if (value < NR_IRQS_MIN || value > KEEL_IRQS_MAX || value % 32)
		return -EINVAL;
	if (vm->vgic.nr_irqs || vm->vgic.init_asked)
		return -EBUSY;
	vm->vgic.nr_irqs = value;
	return 0;
}

static int ctrl_init(struct keel_vm *vm)
{
	struct keel_vgic *vgic = &vm->vgic;
	int ret;

	if (vgic->init_asked)
		return 0;
	if (!vm->nr_vcpus)
		return -ENODEV;
	if (!vgic->nr_irqs)
		vgic->nr_irqs = NR_IRQS_DEFAULT;
	ret = go_live_if_known(vm);
	if (!ret)
		smp_store_release(&vgic->init_asked, true);
	return ret;
}

static int first_run(struct keel_vm *vm)
{
	if (vm->vgic.created) {
		if (!addresses_known(&vm->vgic))
			return -ENXIO;
		if (!vm->vgic.init_asked)
			return -EBUSY;
	}
	WRITE_ONCE(vm->has_run, true);
	return 0;
}

/*
 * Before the first entry of any vCPU. -EBUSY, -ENXIO: there is a GIC, but its settings are
 * incomplete.
 */
int keel_vgic_first_run(struct keel_vm *vm)
{
	int ret;

	if (READ_ONCE(vm->has_run))
		return 0;
	mutex_lock(&vm->lock);
	ret = first_run(vm);
	mutex_unlock(&vm->lock);
	return ret;
}

bool keel_vgic_created(struct keel_vm *vm)
{
	return smp_load_acquire(&vm->vgic.created);
}

bool keel_vgic_initialized(struct keel_vm *vm)
{
	return smp_load_acquire(&vm->vgic.init_asked);
}

/* Under vm->lock. Whether a vCPU has run since its last KVM_ARM_VCPU_INIT. */
static bool any_has_run(struct keel_vm *vm)
{
	unsigned int i;

	for (i = 0; i < KEEL_VCPUS; i++) {
		struct keel_vcpu *vcpu = keel_vcpu_find(vm, i);

		if (vcpu && READ_ONCE(vcpu->ran_since))
			return true;
	}
	return false;
}

/* -EBUSY is due to an ioctl on a vCPU, which ends soon, or to a run that has begun meanwhile. */
static void reset_vgic(struct keel_vm *vm)
{
	while (!any_has_run(vm) && keel_vm_call(vm, KEEL_HC_VGIC_RESET, 0, 0, 0, 0, NULL) == -EBUSY)
		cond_resched();
}

/*
 * The vCPU was initialized again. If no vCPU has run since its last initialization, userspace
 * resets the machine, and the distributor is reset as well.
 */
void keel_vgic_vcpu_reset(struct keel_vcpu *vcpu)
{
	struct keel_vm *vm = vcpu->vm;

	if (!xchg(&vcpu->ran_since, false) || !keel_vgic_live(vm))
		return;
	mutex_lock(&vm->lock);
	reset_vgic(vm);
	mutex_unlock(&vm->lock);
}

bool keel_vgic_live(struct keel_vm *vm)
{
	return smp_load_acquire(&vm->vgic.live);
}

/* ---- attributes ---- */

static int set_vgic_attr(struct keel_vm *vm, const struct kvm_device_attr *attr)
{
	void __user *argp = (void __user *)attr->addr;
	u64 address;
	u32 count;

	switch (attr->group) {
	case KVM_DEV_ARM_VGIC_GRP_ADDR:
		if (copy_from_user(&address, argp, sizeof(address)))
			return -EFAULT;
		return set_address(vm, attr->attr, address);
	case KVM_DEV_ARM_VGIC_GRP_NR_IRQS:
		if (copy_from_user(&count, argp, sizeof(count)))
			return -EFAULT;
		return set_nr_irqs(vm, count);
	case KVM_DEV_ARM_VGIC_GRP_CTRL:
		return attr->attr == KVM_DEV_ARM_VGIC_CTRL_INIT ? ctrl_init(vm) : -ENXIO;
	default:
		return -ENXIO;
	}
}

static int get_vgic_attr(struct keel_vm *vm, const struct kvm_device_attr *attr)
{
	void __user *argp = (void __user *)attr->addr;
	u64 address;
	int ret;

	switch (attr->group) {
	case KVM_DEV_ARM_VGIC_GRP_ADDR:
		ret = get_address(vm, attr->attr, &address);
		if (ret)
			return ret;
		return copy_to_user(argp, &address, sizeof(address)) ? -EFAULT : 0;
	case KVM_DEV_ARM_VGIC_GRP_NR_IRQS:
		return put_user(vm->vgic.nr_irqs, (u32 __user *)argp);
	default:
		return -ENXIO;
	}
}

static int has_vgic_attr(struct keel_vm *vm, const struct kvm_device_attr *attr)
{
	u64 size;

	switch (attr->group) {
	case KVM_DEV_ARM_VGIC_GRP_ADDR:
		return address_of(&vm->vgic, attr->attr, &size) ? 0 : -ENXIO;
	case KVM_DEV_ARM_VGIC_GRP_NR_IRQS:
		return 0;
	case KVM_DEV_ARM_VGIC_GRP_CTRL:
		return attr->attr == KVM_DEV_ARM_VGIC_CTRL_INIT ? 0 : -ENXIO;
	default:
		return -ENXIO;
	}
}

static long device_ioctl(struct file *file, unsigned int nr, unsigned long arg)
{
	int (*handler)(struct keel_vm * vm, const struct kvm_device_attr *attr);
	struct keel_vm *vm = file->private_data;
	struct kvm_device_attr attr;
	long ret;

	if (vm->mm != current->mm)
		return -EIO;
	switch (nr) {
	case KVM_SET_DEVICE_ATTR:
		handler = set_vgic_attr;
		break;
	case KVM_GET_DEVICE_ATTR:
		handler = get_vgic_attr;
		break;
	case KVM_HAS_DEVICE_ATTR:
		handler = has_vgic_attr;
		break;
	default:
		return -ENOTTY;
	}
	if (copy_from_user(&attr, (void __user *)arg, sizeof(attr)))
		return -EFAULT;
	mutex_lock(&vm->lock);
	ret = handler(vm, &attr);
	mutex_unlock(&vm->lock);
	return ret;
}

static int device_release(struct inode *inode, struct file *file)
{
	keel_vm_put(file->private_data);
	return 0;
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.release = device_release,
	.unlocked_ioctl = device_ioctl,
	.llseek = noop_llseek,
};

/* ---- KVM_CREATE_DEVICE ---- */

static int create_vgic_locked(struct keel_vm *vm)
{
	int fd;

	if (vm->vgic.created)
		return -EEXIST;
	if (vm->has_run)
		return -EBUSY;
	keel_vm_get(vm);
	fd = anon_inode_getfd("kvm-arm-vgic-v3", &device_fops, vm, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		keel_vm_put(vm);
	else
		smp_store_release(&vm->vgic.created, true);
	return fd;
}

int keel_vgic_create(struct keel_vm *vm, struct kvm_create_device *device)
{
	int fd;

	if (!keel_has_gicv3())
		return -ENODEV;
	if (device->flags & KVM_CREATE_DEVICE_TEST)
		return 0;
	mutex_lock(&vm->lock);
	fd = create_vgic_locked(vm);
	mutex_unlock(&vm->lock);
	if (fd < 0)
		return fd;
	device->fd = fd;
	return 0;
}
