// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_DEV_TYPE_ARM_VGIC_ITS: the surroundings of the model (its_model.h). Guests' accesses and
 * userspace's attributes come here, and go on to the model under its locks; what the model wants of
 * guest memory and of EL2 is done here. An ITS lives as long as its VM, whether its file is open or
 * not: so whoever has the VM may use it. docs/its.md.
 */
#include <linux/anon_inodes.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "its_model.h"
#include "keel.h"

struct keel_its {
	struct its its;
	struct keel_vm *vm;
	u64 base; /* KEEL_NO_ADDRESS until it is set, which is once; under vm->lock */
};

/* The ITSs of a VM. */
struct keel_itss {
	struct keel_vm *vm;
	struct mutex mutex; /* the model's mutex, inside vm->lock and vcpu->mutex */
	spinlock_t lock;    /* the model's lock */
	struct its_lpis lpis;
	struct its_redist *redists[KEEL_VCPUS]; /* by index of a vCPU; NULL where there is none */
	struct its_redist *frames[KEEL_VCPUS];	/* the same by where they lie: keel_vcpu.number */
	unsigned int count;			/* under vm->lock */
	struct keel_its *dev[ITS_MAX];		/* written under vm->lock, with release */
};

static struct keel_itss *itss_of(struct its_lpis *lpis)
{
	return container_of(lpis, struct keel_itss, lpis);
}

/* ---- what the model needs ---- */

void *its_env_alloc(struct its_lpis *lpis)
{
	return kzalloc(ITS_BLOCK, GFP_KERNEL_ACCOUNT);
}

void its_env_free(struct its_lpis *lpis, void *block)
{
	kfree(block);
}

unsigned long its_env_lock(struct its_lpis *lpis)
{
	unsigned long flags;

	spin_lock_irqsave(&itss_of(lpis)->lock, flags);
	return flags;
}

void its_env_unlock(struct its_lpis *lpis, unsigned long flags)
{
	spin_unlock_irqrestore(&itss_of(lpis)->lock, flags);
}

/* How many of @bytes at @ipa are in one page. */
static unsigned int part_of_page(u64 ipa, unsigned int bytes)
{
	return min_t(u64, bytes, PAGE_SIZE - offset_in_page(ipa));
}

/*
 * The process's address for @ipa, to be read. NULL: the guest has no memory there, or this is not
 * its process.
 */
static const void __user *guest_memory(struct keel_vm *vm, u64 ipa)
{
	unsigned long generation;
	struct keel_slot slot;

	if (vm->mm != current->mm || !keel_slot_find(vm, ipa >> PAGE_SHIFT, &slot, &generation))
		return NULL;
	return (const void __user *)(slot.hva + (ipa - (slot.gfn << PAGE_SHIFT)));
}

int its_env_read(struct its_lpis *lpis, u64 ipa, void *to, unsigned int bytes)
{
	while (bytes) {
		unsigned int part = part_of_page(ipa, bytes);
		const void __user *from = guest_memory(itss_of(lpis)->vm, ipa);

		if (!from || copy_from_user(to, from, part))
			return -EFAULT;
		ipa += part;
		to += part;
		bytes -= part;
	}
	return 0;
}

/* In one page. */
static int write_part(struct keel_vm *vm, u64 ipa, const void *from, unsigned int bytes)
{
	struct keel_slot slot;
	void __user *to = vm->mm == current->mm ? keel_write_begin(vm, ipa, &slot) : NULL;
	int ret;

	if (!to)
		return -EFAULT;
	ret = copy_to_user(to, from, bytes) ? -EFAULT : 0;
	keel_write_end(vm, NULL, ipa, &slot); /* also of a part */
	return ret;
}

int its_env_write(struct its_lpis *lpis, u64 ipa, const void *from, unsigned int bytes)
{
	while (bytes) {
		unsigned int part = part_of_page(ipa, bytes);

		if (write_part(itss_of(lpis)->vm, ipa, from, part))
			return -EFAULT;
		ipa += part;
		from += part;
		bytes -= part;
	}
	return 0;
}

bool its_env_has(struct its_lpis *lpis, u64 ipa, unsigned int bytes)
{
	unsigned long generation;
	struct keel_slot slot;
	u64 last = ipa + bytes - 1;

	return keel_slot_find(itss_of(lpis)->vm, ipa >> PAGE_SHIFT, &slot, &generation) &&
	       keel_slot_find(itss_of(lpis)->vm, last >> PAGE_SHIFT, &slot, &generation);
}

static void kick_index(struct keel_vm *vm, u32 index)
{
	struct keel_vcpu *vcpu = keel_vcpu_find(vm, index);

	if (vcpu)
		keel_vcpu_kick(vcpu);
}

int its_env_pend(struct its_lpis *lpis, u32 vcpu, u32 intid, u8 priority, u32 *back)
{
	struct keel_vm *vm = itss_of(lpis)->vm;
	u64 given_back = 0;
	long ret = keel_call(KEEL_HC_LPI_PEND, vm->handle, vcpu, intid, priority, 0, &given_back);

	if (ret < 0)
		return ret;
	if (ret == 1)
		kick_index(vm, vcpu);
	*back = given_back;
	return 0;
}

bool its_env_pend_again(struct its_lpis *lpis, u32 vcpu, u32 intid, u8 priority)
{
	struct keel_vm *vm = itss_of(lpis)->vm;
	long ret = keel_call(KEEL_HC_LPI_PEND, vm->handle, vcpu, intid, priority | KEEL_LPI_AGAIN,
			     0, NULL);

	if (ret == 1)
		kick_index(vm, vcpu);
	return ret >= 0;
}

/* After another error the VM has ended at EL2. */
int its_env_take(struct its_lpis *lpis, u32 vcpu, u32 intid)
{
	struct keel_vm *vm = itss_of(lpis)->vm;
	long ret = keel_call(KEEL_HC_LPI_TAKE, vm->handle, vcpu, intid, 0, 0, NULL);

	if (ret == -EAGAIN)
		kick_index(vm, vcpu);
	return ret < 0 && ret != -EAGAIN ? 0 : ret;
}

void its_env_relax(struct its_lpis *lpis)
{
	cond_resched();
	cpu_relax();
}

bool its_env_must_stop(struct its_lpis *lpis)
{
	cond_resched();
	return signal_pending(current);
}

bool its_env_killed(struct its_lpis *lpis)
{
	cond_resched();
	return fatal_signal_pending(current);
}

/* ---- the VM's ITSs ---- */

static struct keel_itss *vm_itss(struct keel_vm *vm)
{
	return smp_load_acquire(&vm->itss);
}

bool keel_its_created(struct keel_vm *vm)
{
	return vm_itss(vm);
}

static struct keel_its *its_at(struct keel_itss *itss, u64 addr)
{
	for (unsigned int i = 0; i < ITS_MAX; i++) {
		struct keel_its *its = smp_load_acquire(&itss->dev[i]);
		u64 base;

		if (!its)
			break;
		base = READ_ONCE(its->base);
		if (base != KEEL_NO_ADDRESS && addr - base < ITS_FRAME_SIZE)
			return its;
	}
	return NULL;
}

int keel_msi(struct keel_vm *vm, const struct keel_msi *msi)
{
	struct keel_itss *itss = vm_itss(vm);
	struct keel_its *its;

	if (!itss)
		return -ENODEV;
	if (!msi->has_device)
		return -EINVAL;
	its = its_at(itss, msi->address);
	return its ? its_msi(&its->its, msi->device, msi->data) : -EINVAL;
}

static int make_redist(struct keel_itss *itss, struct keel_vcpu *vcpu)
{
	struct its_redist *redist = kzalloc(sizeof(*redist), GFP_KERNEL_ACCOUNT);

	if (!redist)
		return -ENOMEM;
	its_redist_init(redist, vcpu->index);
	itss->redists[vcpu->index] = redist;
	itss->frames[vcpu->number] = redist;
	itss->lpis.nr_redists = max(itss->lpis.nr_redists, vcpu->index + 1);
	smp_store_release(&vcpu->redist, redist);
	return 0;
}

/* No vCPU is added any more. Under vm->lock and the mutex. */
static int make_redists(struct keel_itss *itss)
{
	int ret = 0;

	for (unsigned int i = 0; i < KEEL_VCPUS && !ret; i++) {
		struct keel_vcpu *vcpu = keel_vcpu_find(itss->vm, i);

		if (vcpu && !vcpu->redist)
			ret = make_redist(itss, vcpu);
	}
	return ret;
}

int keel_its_go_live(struct keel_vm *vm)
{
	struct keel_itss *itss = vm->itss;
	int ret;

	if (!itss)
		return 0;
	mutex_lock(&itss->mutex);
	ret = make_redists(itss);
	mutex_unlock(&itss->mutex);
	return ret ? ret : keel_vm_call(vm, KEEL_HC_VGIC_LPIS, 0, 0, 0, 0, NULL);
}

void keel_its_machine_reset(struct keel_vm *vm)
{
	struct keel_itss *itss = vm->itss;

	if (!itss)
		return;
	mutex_lock(&itss->mutex);
	for (unsigned int i = 0; i < itss->lpis.nr_redists; i++) {
		if (itss->redists[i])
			its_redist_reset(&itss->lpis, itss->redists[i]);
		cond_resched(); /* each goes through all LPIs */
	}
	mutex_unlock(&itss->mutex);
}

/* Acquire: the first ITS may have been made while the vCPU ran; vm->itss was set before. */
void keel_its_refill(struct keel_vcpu *vcpu)
{
	struct its_redist *redist = smp_load_acquire(&vcpu->redist);

	if (READ_ONCE(redist->waiting))
		its_refill(&vcpu->vm->itss->lpis, redist);
}

void keel_its_release(struct keel_vm *vm)
{
	struct keel_itss *itss = vm->itss;

	if (!itss)
		return;
	for (unsigned int i = 0; i < itss->count; i++) {
		its_reset(&itss->dev[i]->its);
		kfree(itss->dev[i]);
	}
	while (itss->lpis.reserve.count)
		its_release(&itss->lpis, its_reserve_take(&itss->lpis));
	for (unsigned int i = 0; i < itss->lpis.nr_redists; i++)
		kfree(itss->redists[i]);
	kvfree(itss);
	vm->itss = NULL;
}

/* ---- accesses of guests ---- */

/* The redistributor whose first frame @addr is in, and where in it. */
static struct its_redist *redist_at(struct keel_itss *itss, u64 addr, u32 *offset)
{
	const struct keel_vgic *vgic = &itss->vm->vgic;
	unsigned int first = 0;

	for (unsigned int i = 0; i < vgic->nr_redists; i++) {
		unsigned int count = vgic->redists[i].count ?: itss->vm->nr_vcpus;
		u64 number = first + (addr - vgic->redists[i].base) / KVM_VGIC_V3_REDIST_SIZE;

		*offset = (addr - vgic->redists[i].base) % KVM_VGIC_V3_REDIST_SIZE;
		if (addr >= vgic->redists[i].base && number < first + count)
			return number < KEEL_VCPUS ? itss->frames[number] : NULL;
		first += count;
	}
	return NULL;
}

static void access_its(struct keel_its *its, u64 addr, u32 len, bool write, u64 *value)
{
	u32 offset = addr - its->base;

	if (write)
		its_mmio_write(&its->its, offset, len, *value);
	else
		*value = its_mmio_read(&its->its, offset, len);
}

static void access_redist(struct keel_itss *itss, struct its_redist *redist, u32 offset, u32 len,
			  bool write, u64 *value)
{
	if (write)
		its_redist_write(&itss->lpis, redist, offset, len, *value);
	else
		*value = its_redist_read(&itss->lpis, redist, offset, len);
}

/* A thread that is killed instead of getting the mutex never enters the guest again. */
bool keel_its_access(struct keel_vm *vm, u64 addr, u32 len, bool write, u64 *value)
{
	struct keel_itss *itss = vm_itss(vm);
	struct its_redist *redist = NULL;
	struct keel_its *its;
	u32 offset;

	if (!itss)
		return false;
	its = its_at(itss, addr);
	if (!its)
		redist = redist_at(itss, addr, &offset);
	if (!its && (!redist || !its_redist_has(offset)))
		return false;
	if (!write)
		*value = 0;
	if (mutex_lock_killable(&itss->mutex))
		return true;
	if (its)
		access_its(its, addr, len, write, value);
	else
		access_redist(itss, redist, offset, len, write, value);
	mutex_unlock(&itss->mutex);
	return true;
}

/* Userspace's access, while no vCPU runs. */
bool keel_its_redist_reg(struct keel_vcpu *vcpu, u32 offset, u32 *value, bool set)
{
	struct keel_itss *itss = vcpu->vm->itss;
	u64 word = *value;

	if (!its_redist_has(offset))
		return false;
	mutex_lock(&itss->mutex);
	access_redist(itss, vcpu->redist, offset, sizeof(*value), set, &word);
	mutex_unlock(&itss->mutex);
	*value = word;
	return true;
}

/* ---- attributes; under vm->lock ---- */

static int set_its_base(struct keel_its *its, u64 base)
{
	struct keel_vm *vm = its->vm;

	if (its->base != KEEL_NO_ADDRESS)
		return -EEXIST;
	if (!IS_ALIGNED(base, SZ_64K) || base + ITS_FRAME_SIZE < base)
		return -EINVAL;
	if ((base + ITS_FRAME_SIZE - 1) >> vm->ipa_bits)
		return -E2BIG;
	WRITE_ONCE(its->base, base);
	return 0;
}

static int change_its(struct keel_its *its, u64 attr)
{
	switch (attr) {
	case KVM_DEV_ARM_ITS_CTRL_RESET:
		its_reset(&its->its);
		return 0;
	case KVM_DEV_ARM_ITS_SAVE_TABLES:
		return its_tables_save(&its->its);
	default:
		return its_tables_restore(&its->its);
	}
}

/* While no vCPU runs. */
static int its_ctrl(struct keel_its *its, u64 attr)
{
	struct keel_itss *itss = its->vm->itss;
	int ret;

	if (keel_vcpus_trylock(its->vm))
		return -EBUSY;
	mutex_lock(&itss->mutex);
	ret = change_its(its, attr);
	mutex_unlock(&itss->mutex);
	keel_vcpus_unlock(its->vm);
	return ret;
}

static bool is_its_ctrl(u64 attr)
{
	return attr == KVM_DEV_ARM_ITS_CTRL_RESET || attr == KVM_DEV_ARM_ITS_SAVE_TABLES ||
	       attr == KVM_DEV_ARM_ITS_RESTORE_TABLES;
}

static int its_reg(struct keel_its *its, u64 offset, u64 *value, bool set)
{
	struct keel_itss *itss = its->vm->itss;
	int ret = its_reg_check(offset);

	if (ret == -EINVAL)
		return ret;
	if (its->base == KEEL_NO_ADDRESS || ret)
		return -ENXIO;
	if (keel_vcpus_trylock(its->vm))
		return -EBUSY;
	mutex_lock(&itss->mutex);
	ret = set ? its_reg_set(&its->its, offset, *value) : its_reg_get(&its->its, offset, value);
	mutex_unlock(&itss->mutex);
	keel_vcpus_unlock(its->vm);
	return ret;
}

static int set_its_attr(void *device, const struct kvm_device_attr *attr)
{
	struct keel_its *its = device;
	u64 __user *argp = (u64 __user *)attr->addr;
	u64 value;

	switch (attr->group) {
	case KVM_DEV_ARM_VGIC_GRP_ADDR:
		if (attr->attr != KVM_VGIC_ITS_ADDR_TYPE)
			return -ENODEV;
		return copy_from_user(&value, argp, sizeof(value)) ? -EFAULT
								   : set_its_base(its, value);
	case KVM_DEV_ARM_VGIC_GRP_CTRL:
		if (attr->attr == KVM_DEV_ARM_VGIC_CTRL_INIT)
			return 0;
		return is_its_ctrl(attr->attr) ? its_ctrl(its, attr->attr) : -ENXIO;
	case KVM_DEV_ARM_VGIC_GRP_ITS_REGS:
		return copy_from_user(&value, argp, sizeof(value))
			       ? -EFAULT
			       : its_reg(its, attr->attr, &value, true);
	default:
		return -ENXIO;
	}
}

static int get_its_attr(void *device, const struct kvm_device_attr *attr)
{
	struct keel_its *its = device;
	u64 __user *argp = (u64 __user *)attr->addr;
	u64 value = its->base;
	int ret = 0;

	if (attr->group == KVM_DEV_ARM_VGIC_GRP_ITS_REGS)
		ret = its_reg(its, attr->attr, &value, false);
	else if (attr->group != KVM_DEV_ARM_VGIC_GRP_ADDR)
		ret = -ENXIO;
	else if (attr->attr != KVM_VGIC_ITS_ADDR_TYPE)
		ret = -ENODEV;
	if (ret)
		return ret;
	return copy_to_user(argp, &value, sizeof(value)) ? -EFAULT : 0;
}

static int has_its_attr(void *device, const struct kvm_device_attr *attr)
{
	switch (attr->group) {
	case KVM_DEV_ARM_VGIC_GRP_ADDR:
		return attr->attr == KVM_VGIC_ITS_ADDR_TYPE ? 0 : -ENXIO;
	case KVM_DEV_ARM_VGIC_GRP_CTRL:
		return attr->attr == KVM_DEV_ARM_VGIC_CTRL_INIT || is_its_ctrl(attr->attr) ? 0
											   : -ENXIO;
	case KVM_DEV_ARM_VGIC_GRP_ITS_REGS:
		return its_reg_check(attr->attr);
	default:
		return -ENXIO;
	}
}

static const struct keel_device_ops its_ops = {
	.set = set_its_attr,
	.get = get_its_attr,
	.has = has_its_attr,
};

static long its_ioctl(struct file *file, unsigned int nr, unsigned long arg)
{
	struct keel_its *its = file->private_data;

	return keel_device_ioctl(its->vm, &its_ops, its, nr, arg);
}

static int its_file_release(struct inode *inode, struct file *file)
{
	struct keel_its *its = file->private_data;

	keel_vm_put(its->vm);
	return 0;
}

static const struct file_operations its_fops = {
	.owner = THIS_MODULE,
	.release = its_file_release,
	.unlocked_ioctl = its_ioctl,
	.llseek = noop_llseek,
};

/* ---- KVM_CREATE_DEVICE; under vm->lock ---- */

static struct keel_itss *make_itss(struct keel_vm *vm)
{
	struct keel_itss *itss = kvzalloc(sizeof(*itss), GFP_KERNEL_ACCOUNT);

	if (!itss)
		return NULL;
	itss->vm = vm;
	mutex_init(&itss->mutex);
	spin_lock_init(&itss->lock);
	its_lpis_init(&itss->lpis, itss->redists, 0);
	smp_store_release(&vm->itss, itss);
	return itss;
}

static struct keel_its *make_its(struct keel_vm *vm)
{
	struct keel_its *its = kzalloc(sizeof(*its), GFP_KERNEL_ACCOUNT);

	if (!its)
		return NULL;
	its->vm = vm;
	its->base = KEEL_NO_ADDRESS;
	its_init(&its->its, &vm->itss->lpis);
	return its;
}

static int open_its(struct keel_vm *vm, struct keel_its *its)
{
	int fd;

	keel_vm_get(vm);
	fd = anon_inode_getfd("kvm-arm-vgic-its", &its_fops, its, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		keel_vm_put(vm);
	return fd;
}

static int create_its_locked(struct keel_vm *vm)
{
	struct keel_itss *itss = vm->itss ?: make_itss(vm);
	struct keel_its *its;
	int ret;

	if (!itss)
		return -ENOMEM;
	if (itss->count == ITS_MAX)
		return -ENOSPC;
	ret = keel_vgic_initialized(vm) ? keel_its_go_live(vm) : 0;
	if (ret)
		return ret;
	its = make_its(vm);
	if (!its)
		return -ENOMEM;
	ret = open_its(vm, its);
	if (ret < 0) {
		kfree(its);
		return ret;
	}
	smp_store_release(&itss->dev[itss->count++], its);
	return ret;
}

int keel_its_create(struct keel_vm *vm, struct kvm_create_device *device)
{
	int fd;

	if (keel_gic_version() != 3)
		return -ENODEV;
	if (device->flags & KVM_CREATE_DEVICE_TEST)
		return 0;
	mutex_lock(&vm->lock);
	fd = create_its_locked(vm);
	mutex_unlock(&vm->lock);
	if (fd < 0)
		return fd;
	device->fd = fd;
	return 0;
}

/* KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES, of the GIC. Under vm->lock. */
int keel_its_save_pending(struct keel_vm *vm)
{
	int ret = 0;

	if (keel_vcpus_trylock(vm))
		return -EBUSY;
	if (vm->itss) {
		mutex_lock(&vm->itss->mutex);
		ret = its_pending_save(&vm->itss->lpis);
		mutex_unlock(&vm->itss->mutex);
	}
	keel_vcpus_unlock(vm);
	return ret;
}
