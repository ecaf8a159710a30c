// SPDX-License-Identifier: GPL-2.0
/* A VM: creation, file descriptor, ioctls, end. */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/anon_inodes.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "keel.h"

#define VM_TYPE_IPA_BITS 0xff
/* The meaning of type 0 (Linux: api.rst, 4.2), if the machine has that many. */
#define IPA_BITS_DEFAULT 40

static bool strict_ipa;
module_param(strict_ipa, bool, 0644);
MODULE_PARM_DESC(strict_ipa,
		 "Refuse VMs of type 0 on a machine that has no 40 bits of guest physical address");

static bool memlock;
module_param(memlock, bool, 0644);
MODULE_PARM_DESC(memlock, "Guest memory is pinned, and counts against RLIMIT_MEMLOCK, in VMs made "
			  "from now on");

/* ---- life ---- */

static int create_vm_at_el2(struct keel_vm *vm, u32 ipa_bits)
{
	struct keel_vm_size size;
	unsigned int order;
	struct page *pages;
	int ret = keel_vm_size(ipa_bits, &size);

	if (ret)
		return ret;
	pages = keel_donation_alloc(size.vm_pages, SZ_64K, &order);
	if (!pages)
		return -ENOMEM;
	ret = keel_giving_call(KEEL_HC_VM_CREATE, page_to_phys(pages), KEEL_EL2_PAGES(order),
			       ipa_bits, &vm->handle);
	if (ret) {
		keel_donation_free(pages, order);
		return ret;
	}
	keel_donation_add(vm, pages, order);
	vm->ipa_bits = ipa_bits ? ipa_bits : size.ipa_default;
	vm->page_order = max_t(unsigned int, size.granule_shift, PAGE_SHIFT) - PAGE_SHIFT;
	vm->vcpu_pages = size.vcpu_pages;
	return 0;
}

static struct keel_vm *alloc_vm(void)
{
	struct keel_vm *vm = kvzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);

	if (!vm || keel_slots_init(vm)) {
		kvfree(vm);
		return NULL;
	}
	kref_init(&vm->kref);
	mutex_init(&vm->lock);
	mutex_init(&vm->slots_lock);
	init_rwsem(&vm->writing);
	mutex_init(&vm->mem_lock);
	mutex_init(&vm->donate_lock);
	mutex_init(&vm->stop_lock);
	mutex_init(&vm->irqfds_mutex);
	spin_lock_init(&vm->irqfds_lock);
	INIT_LIST_HEAD(&vm->donated);
	INIT_LIST_HEAD(&vm->irqfds);
	INIT_LIST_HEAD(&vm->resamplers);
	INIT_LIST_HEAD(&vm->ioeventfds);
	keel_pins_init(&vm->pins);
	keel_watch_init(&vm->watch);
	vm->vgic.dist = KEEL_NO_ADDRESS;
	vm->vgic.cpu = KEEL_NO_ADDRESS;
	vm->locked = READ_ONCE(memlock);
	vm->mm = current->mm;
	mmgrab(vm->mm);
	return vm;
}

static void free_vm(struct keel_vm *vm)
{
	for (unsigned int i = 0; i < KEEL_VCPUS; i++)
		keel_vcpu_free(vm->vcpus[i]);
	keel_pins_destroy(&vm->pins);
	keel_routes_release(vm);
	keel_slots_free(vm);
	mmdrop(vm->mm);
	kvfree(vm);
}

struct keel_vm *keel_vm_alloc(u32 ipa_bits)
{
	struct keel_vm *vm = alloc_vm();
	int ret;

	if (!vm)
		return ERR_PTR(-ENOMEM);
	ret = keel_life_begin();
	if (ret)
		goto failed;
	ret = create_vm_at_el2(vm, ipa_bits);
	if (!ret)
		keel_life_add(vm);
	keel_life_end();
	if (ret)
		goto failed;
	return vm;

failed:
	free_vm(vm);
	return ERR_PTR(ret);
}

long keel_end_step(struct keel_vm *vm)
{
	long ret;

	lockdep_assert_held(&vm->mem_lock);
	if (vm->gone)
		return 0;
	ret = keel_call(KEEL_HC_VM_DESTROY, vm->handle, 0, 0, 0, 0, NULL);
	if (!ret)
		WRITE_ONCE(vm->gone, true);
	return ret;
}

/* Between two steps the kernel may take some of the VM's memory: EL2 unmaps it then. */
static long locked_end_step(struct keel_vm *vm)
{
	long ret;

	mutex_lock(&vm->mem_lock);
	ret = keel_end_step(vm);
	mutex_unlock(&vm->mem_lock);
	return ret;
}

static long destroy_vm_at_el2(struct keel_vm *vm)
{
	long ret;

	WRITE_ONCE(vm->ended, true);
	do {
		ret = locked_end_step(vm);
		cond_resched();
	} while (ret == -EAGAIN || ret == -EBUSY);
	return ret;
}

/*
 * No thread of the process is left, so no vCPU runs, and none will. EL2 gives all of the VM's memory
 * back at once, which takes a fraction of what it takes to unmap it as the kernel frees it.
 */
void keel_vm_leave(struct keel_vm *vm)
{
	if (READ_ONCE(vm->gone))
		return;
	WRITE_ONCE(vm->dead, true);
	if (destroy_vm_at_el2(vm)) /* release_vm() says so */
		return;
	keel_forget_all(vm);
	mutex_lock(&vm->donate_lock);
	keel_donations_free(vm);
	mutex_unlock(&vm->donate_lock);
}

/* The last user is gone: no vCPU runs, and no other call can begin. */
static void release_vm(struct kref *kref)
{
	struct keel_vm *vm = container_of(kref, struct keel_vm, kref);
	long ret;

	keel_vminfo_remove(vm);
	keel_its_release(vm);
	keel_ioeventfd_release(vm);
	keel_inject_release();
	ret = destroy_vm_at_el2(vm);
	keel_slots_release(vm);
	keel_watch_end(vm);
	if (ret) {
		/* Memory that EL2 may still hold must not go back to the kernel. */
		pr_err("VM %#llx cannot be destroyed (%ld): its memory is lost\n", vm->handle, ret);
		return;
	}
	keel_forget_all(vm);
	keel_donations_free(vm);
	keel_life_remove(vm);
	free_vm(vm);
}

/* How long a call on a VM may last after its vCPUs were kicked. */
#define END_TRIES 10000 /* of a millisecond */

void keel_vm_end(struct keel_vm *vm)
{
	unsigned int tries = 0;
	long ret;

	WRITE_ONCE(vm->ended, true);
	keel_vm_kill(vm);
	for (;;) {
		ret = locked_end_step(vm);
		if (ret == -EAGAIN) { /* destruction has begun: no vCPU runs again */
			cond_resched();
			continue;
		}
		if (ret != -EBUSY || ++tries == END_TRIES)
			break;
		usleep_range(500, 1000);
		keel_vm_kill(vm);
	}
	if (ret) {
		pr_err("VM %#llx cannot be ended (%ld)\n", vm->handle, ret);
		return;
	}
	mutex_lock(&vm->donate_lock);
	keel_donations_free(vm);
	mutex_unlock(&vm->donate_lock);
}

void keel_vm_get(struct keel_vm *vm)
{
	kref_get(&vm->kref);
}

void keel_vm_put(struct keel_vm *vm)
{
	kref_put(&vm->kref, release_vm);
}

/* ---- all vCPUs at once ---- */

static void do_nothing(void *unused)
{
}

/* A CPU leaves its guest before it takes an interrupt. */
void keel_guest_out(int cpu)
{
	smp_call_function_single(cpu, do_nothing, NULL, true);
}

void keel_guests_out(void)
{
	on_each_cpu(do_nothing, NULL, true);
}

void keel_vm_kill(struct keel_vm *vm)
{
	WRITE_ONCE(vm->dead, true);
	keel_guests_out();
	/* Those that sleep in KVM_RUN return, too. */
	for (unsigned int i = 0; i < KEEL_VCPUS; i++) {
		struct keel_vcpu *vcpu = keel_vcpu_find(vm, i);

		if (vcpu)
			keel_vcpu_kick(vcpu);
	}
}

/* Unlock the vCPUs below @end. */
static void unlock_vcpus(struct keel_vm *vm, unsigned int end)
{
	while (end--) {
		struct keel_vcpu *vcpu = keel_vcpu_find(vm, end);

		if (vcpu)
			mutex_unlock(&vcpu->mutex);
	}
}

int keel_vcpus_trylock(struct keel_vm *vm)
{
	for (unsigned int i = 0; i < KEEL_VCPUS; i++) {
		struct keel_vcpu *vcpu = keel_vcpu_find(vm, i);

		if (!vcpu || mutex_trylock(&vcpu->mutex))
			continue;
		unlock_vcpus(vm, i);
		return -EBUSY;
	}
	return 0;
}

void keel_vcpus_unlock(struct keel_vm *vm)
{
	unlock_vcpus(vm, KEEL_VCPUS);
}

/* ---- what was written to memory that EL2 has mapped ---- */

static int sync_some(struct keel_vm *vm)
{
	u64 next;
	long ret;

	/* What is written from here on may need another pass. */
	if (xchg(&vm->stale, KEEL_SYNCING) == KEEL_STALE)
		vm->sync_ipa = 0;
	while ((ret = keel_call(KEEL_HC_VM_SYNC, vm->handle, vm->sync_ipa, 0, 0, 0, &next)) ==
	       -EAGAIN) {
		vm->sync_ipa = next;
		if (signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	cmpxchg(&vm->stale, KEEL_SYNCING, KEEL_FRESH);
	return ret;
}

int keel_sync(struct keel_vm *vm)
{
	int ret = 0;

	if (mutex_lock_interruptible(&vm->lock))
		return -EINTR;
	if (READ_ONCE(vm->stale) != KEEL_FRESH)
		ret = sync_some(vm);
	mutex_unlock(&vm->lock);
	return ret;
}

/* ---- ioctls ---- */

static int ioctl_memory_region(struct keel_vm *vm, void __user *argp)
{
	struct kvm_userspace_memory_region2 region = { 0 };

	BUILD_BUG_ON(offsetof(struct kvm_userspace_memory_region2, guest_memfd_offset) !=
		     sizeof(struct kvm_userspace_memory_region));
	if (copy_from_user(&region, argp, sizeof(struct kvm_userspace_memory_region)))
		return -EFAULT;
	if (region.flags & KVM_MEM_GUEST_MEMFD)
		return -EINVAL;
	return keel_set_memory_region(vm, &region);
}

/* It adds guest_memfd, whose flag is not accepted. */
static int ioctl_memory_region2(struct keel_vm *vm, void __user *argp)
{
	struct kvm_userspace_memory_region2 region;

	BUILD_BUG_ON(sizeof(region) != 160);
	if (copy_from_user(&region, argp, sizeof(region)))
		return -EFAULT;
	return keel_set_memory_region(vm, &region);
}

static int ioctl_create_guest_memfd(struct keel_vm *vm, void __user *argp)
{
	struct kvm_create_guest_memfd args;

	BUILD_BUG_ON(sizeof(args) != 64);
	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	return keel_gmem_create(vm, &args);
}

static long ioctl_copy_tags(struct keel_vm *vm, void __user *argp)
{
	struct kvm_arm_copy_mte_tags copy;

	if (copy_from_user(&copy, argp, sizeof(copy)))
		return -EFAULT;
	return keel_mte_copy(vm, &copy);
}

static int ioctl_preferred_target(void __user *argp)
{
	struct kvm_vcpu_init init = { .target = KVM_ARM_TARGET_GENERIC_V8 };

	return copy_to_user(argp, &init, sizeof(init)) ? -EFAULT : 0;
}

static int ioctl_irq_line(struct keel_vm *vm, void __user *argp)
{
	struct kvm_irq_level irq;

	if (copy_from_user(&irq, argp, sizeof(irq)))
		return -EFAULT;
	return keel_irq_line_ioctl(vm, &irq);
}

static int ioctl_irqfd(struct keel_vm *vm, void __user *argp)
{
	struct kvm_irqfd args;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	return keel_irqfd(vm, &args);
}

static int ioctl_ioeventfd(struct keel_vm *vm, void __user *argp)
{
	struct kvm_ioeventfd args;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;
	return keel_ioeventfd(vm, &args);
}

static int ioctl_enable_cap(struct keel_vm *vm, void __user *argp)
{
	struct kvm_enable_cap cap;

	if (copy_from_user(&cap, argp, sizeof(cap)))
		return -EFAULT;
	if (cap.flags)
		return -EINVAL;
	switch (cap.cap) {
	case KVM_CAP_ARM_SEA_TO_USER:
		WRITE_ONCE(vm->sea_to_user, true);
		return 0;
	case KVM_CAP_ARM_MTE:
		return keel_mte_enable(vm);
	case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2:
		return keel_dirty_set_manual(vm, cap.args[0]);
	case KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE:
		return keel_dirty_set_split(vm, cap.args[0]);
	case KVM_CAP_DIRTY_LOG_RING_ACQ_REL:
		return keel_ring_enable(vm, cap.args[0]);
	case KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP:
		return keel_ring_enable_bitmap(vm);
	default:
		return -EINVAL;
	}
}

long keel_device_ioctl(struct keel_vm *vm, const struct keel_device_ops *ops, void *device,
		       unsigned int nr, unsigned long arg)
{
	int (*handler)(void *device, const struct kvm_device_attr *attr);
	struct kvm_device_attr attr;
	long ret;

	if (vm->mm != current->mm || READ_ONCE(vm->dead))
		return -EIO;
	switch (nr) {
	case KVM_SET_DEVICE_ATTR:
		handler = ops->set;
		break;
	case KVM_GET_DEVICE_ATTR:
		handler = ops->get;
		break;
	case KVM_HAS_DEVICE_ATTR:
		handler = ops->has;
		break;
	default:
		return -ENOTTY;
	}
	if (copy_from_user(&attr, (void __user *)arg, sizeof(attr)))
		return -EFAULT;
	mutex_lock(&vm->lock);
	ret = handler(device, &attr);
	mutex_unlock(&vm->lock);
	return ret;
}

static int ioctl_create_device(struct keel_vm *vm, void __user *argp)
{
	struct kvm_create_device device;
	int ret;

	if (copy_from_user(&device, argp, sizeof(device)))
		return -EFAULT;
	if (device.type == KVM_DEV_TYPE_ARM_VGIC_V3)
		ret = keel_vgic_create(vm, &device);
	else if (device.type == KVM_DEV_TYPE_ARM_VGIC_V2)
		ret = keel_vgic_v2_create(vm, &device);
	else if (device.type == KVM_DEV_TYPE_ARM_VGIC_ITS)
		ret = keel_its_create(vm, &device);
	else
		ret = -ENODEV;
	if (ret)
		return ret;
	return copy_to_user(argp, &device, sizeof(device)) ? -EFAULT : 0;
}

static long vm_ioctl(struct file *file, unsigned int nr, unsigned long arg)
{
	struct keel_vm *vm = file->private_data;
	void __user *argp = (void __user *)arg;

	if (vm->mm != current->mm || READ_ONCE(vm->dead))
		return -EIO;
	switch (nr) {
	case KVM_CHECK_EXTENSION:
		return keel_check_extension(vm, arg);
	case KVM_CREATE_VCPU:
		return keel_vcpu_create(vm, arg);
	case KVM_SET_USER_MEMORY_REGION:
		return ioctl_memory_region(vm, argp);
	case KVM_SET_USER_MEMORY_REGION2:
		return ioctl_memory_region2(vm, argp);
	case KVM_CREATE_GUEST_MEMFD:
		return ioctl_create_guest_memfd(vm, argp);
	case KVM_GET_DIRTY_LOG:
		return keel_get_dirty_log(vm, argp);
	case KVM_CLEAR_DIRTY_LOG:
		return keel_clear_dirty_log(vm, argp);
	case KVM_RESET_DIRTY_RINGS:
		return keel_reset_rings(vm);
	case KVM_ARM_MTE_COPY_TAGS:
		return ioctl_copy_tags(vm, argp);
	case KVM_ARM_PREFERRED_TARGET:
		return ioctl_preferred_target(argp);
	case KVM_ENABLE_CAP:
		return ioctl_enable_cap(vm, argp);
	case KVM_CREATE_IRQCHIP:
		return keel_create_irqchip(vm);
	case KVM_ARM_SET_DEVICE_ADDR:
		return keel_set_device_addr(vm, argp);
	case KVM_CREATE_DEVICE:
		return ioctl_create_device(vm, argp);
	case KVM_IRQ_LINE:
		return ioctl_irq_line(vm, argp);
	case KVM_SIGNAL_MSI:
		return keel_signal_msi(vm, argp);
	case KVM_SET_GSI_ROUTING:
		return keel_set_routing(vm, argp);
	case KVM_IRQFD:
		return ioctl_irqfd(vm, argp);
	case KVM_IOEVENTFD:
		return ioctl_ioeventfd(vm, argp);
	default:
		return -ENOTTY;
	}
}

static int vm_release(struct inode *inode, struct file *file)
{
	struct keel_vm *vm = file->private_data;

	keel_irqfd_release(vm);
	keel_vm_put(vm);
	return 0;
}

static const struct file_operations vm_fops = {
	.owner = THIS_MODULE,
	.release = vm_release,
	.unlocked_ioctl = vm_ioctl,
	.llseek = noop_llseek,
};

/* The machine has fewer bits than type 0 means. Return: 0 if such a VM may be created. */
static int check_default(unsigned int limit)
{
	if (!strict_ipa) {
		pr_info_once("VMs of type 0 have %u bits of guest physical address, not %d: this "
			     "machine has no more\n",
			     limit, IPA_BITS_DEFAULT);
		return 0;
	}
	pr_warn_ratelimited("%s[%d]: a VM of type 0 (%d bits) is refused, as strict_ipa asks: "
			    "KVM_CREATE_VM takes a type of 32 to %u here\n",
			    current->comm, task_pid_nr(current), IPA_BITS_DEFAULT, limit);
	return -EINVAL;
}

static int check_type(unsigned long type)
{
	unsigned int limit = keel_check_extension(NULL, KVM_CAP_ARM_VM_IPA_SIZE);

	if (type & ~VM_TYPE_IPA_BITS)
		return -EINVAL;
	/* EL2 checks which sizes are supported. */
	return type || limit >= IPA_BITS_DEFAULT ? 0 : check_default(limit);
}

int keel_vm_create(unsigned long type)
{
	struct keel_vm *vm;
	int fd, ret = check_type(type);

	if (ret)
		return ret;
	vm = keel_vm_alloc(type);
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	ret = keel_watch_begin(vm);
	if (ret) {
		keel_vm_put(vm);
		return ret;
	}
	keel_vminfo_add(vm);
	fd = anon_inode_getfd("kvm-vm", &vm_fops, vm, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		keel_vm_put(vm);
	return fd;
}
