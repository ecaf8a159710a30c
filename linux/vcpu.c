// SPDX-License-Identifier: GPL-2.0
/* A vCPU: creation, file descriptor, and its ioctls other than KVM_RUN and those for registers. */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <keel/spe.h>

#include "keel.h"

/* Feature bits that KVM defines. EL2 decides which of them there are. */
#define VCPU_FEATURES GENMASK(8, 0)
/* Keel's own feature, in a word of its own. */
#define SPE_FEATURE BIT(KEEL_ARM_VCPU_SPE_BIT)

/* ---- life ---- */

static int create_vcpu_at_el2(struct keel_vm *vm, struct keel_vcpu *vcpu)
{
	unsigned int order;
	struct page *pages = keel_donation_alloc(vm->vcpu_pages, 0, &order);
	int ret;

	if (!pages)
		return -ENOMEM;
	ret = keel_vm_call(vm, KEEL_HC_VCPU_CREATE, vcpu->index, page_to_phys(pages),
			   KEEL_EL2_PAGES(order), virt_to_phys(vcpu->hyp), NULL);
	if (ret) {
		keel_donation_free(pages, order);
		return ret;
	}
	keel_donation_add(vm, pages, order);
	return 0;
}

static struct keel_vcpu *alloc_vcpu(struct keel_vm *vm, u32 index)
{
	struct keel_vcpu *vcpu = kzalloc(sizeof(*vcpu), GFP_KERNEL_ACCOUNT);

	BUILD_BUG_ON(sizeof(struct keel_run) != 4096);
	if (!vcpu)
		return NULL;
	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->steal_ipa = KEEL_NO_ADDRESS;
	mutex_init(&vcpu->mutex);
	rcuwait_init(&vcpu->wait);
	vcpu->run = (struct kvm_run *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	vcpu->hyp = (struct keel_run *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (vcpu->run && vcpu->hyp && !keel_ring_alloc(vcpu))
		return vcpu;
	keel_vcpu_free(vcpu);
	return NULL;
}

/* When EL2 no longer has it, or never had it. */
void keel_vcpu_free(struct keel_vcpu *vcpu)
{
	if (!vcpu)
		return;
	keel_ring_free(vcpu);
	free_page((unsigned long)vcpu->run);
	free_page((unsigned long)vcpu->hyp);
	kfree(vcpu);
}

/* Under vm->lock. */
struct keel_vcpu *keel_vcpu_alloc(struct keel_vm *vm, u32 index)
{
	struct keel_vcpu *vcpu = alloc_vcpu(vm, index);
	int ret;

	if (!vcpu)
		return ERR_PTR(-ENOMEM);
	ret = create_vcpu_at_el2(vm, vcpu);
	if (ret) {
		keel_vcpu_free(vcpu);
		return ERR_PTR(ret);
	}
	vcpu->number = vm->nr_vcpus;
	smp_store_release(&vm->vcpus[index], vcpu);
	vm->nr_vcpus++;
	return vcpu;
}

struct keel_vcpu *keel_vcpu_find(struct keel_vm *vm, u32 index)
{
	if (index >= KEEL_VCPUS)
		return NULL;
	return smp_load_acquire(&vm->vcpus[array_index_nospec(index, KEEL_VCPUS)]);
}

int keel_vcpu_init(struct keel_vcpu *vcpu, u64 features)
{
	int ret = keel_vm_call(vcpu->vm, KEEL_HC_VCPU_INIT, vcpu->index, features, 0, 0, NULL);

	if (ret)
		return ret;
	vcpu->features = features;
	vcpu->initialized = true;
	vcpu->ready = false;
	vcpu->mmio_read = false;
	vcpu->mmio_pending = false;
	mutex_lock(&vcpu->vm->stop_lock);
	WRITE_ONCE(vcpu->stop, false);
	mutex_unlock(&vcpu->vm->stop_lock);
	/*
	 * It starts from what the VMM writes to memory before it runs. Where that memory is mapped,
	 * a guest with its caches off may not see it.
	 */
	if (vcpu->has_run)
		WRITE_ONCE(vcpu->vm->stale, KEEL_STALE);
	return 0;
}

/* ---- ioctls; under vcpu->mutex ---- */

/* Without SPE its bit is unknown, as to stock KVM. */
static bool init_unknown(const struct kvm_vcpu_init *init)
{
	u32 spe = keel_spe_how() ? SPE_FEATURE : 0;

	for (unsigned int i = 1; i < ARRAY_SIZE(init->features); i++)
		if (init->features[i] & ~(i == KEEL_ARM_VCPU_SPE_WORD ? spe : 0))
			return true;
	return init->features[0] & ~VCPU_FEATURES;
}

/* As KEEL_HC_VCPU_INIT takes them. A vCPU with an EL2 has no tags, as on KVM its EL2 sees none. */
static u64 el2_features(const struct keel_vm *vm, const struct kvm_vcpu_init *init)
{
	bool spe = init->features[KEEL_ARM_VCPU_SPE_WORD] & SPE_FEATURE;
	bool tags = READ_ONCE(vm->mte) && !(init->features[0] & BIT(KVM_ARM_VCPU_HAS_EL2));

	return init->features[0] | (spe ? BIT_ULL(KEEL_HC_VCPU_FEATURE_SPE) : 0) |
	       (tags ? BIT_ULL(KEEL_HC_VCPU_FEATURE_MTE) : 0);
}

static int ioctl_init(struct keel_vcpu *vcpu, void __user *argp)
{
	struct kvm_vcpu_init init;
	int ret;

	if (copy_from_user(&init, argp, sizeof(init)))
		return -EFAULT;
	if (init.target != KVM_ARM_TARGET_GENERIC_V8)
		return -EINVAL;
	if (init_unknown(&init))
		return -ENOENT;
	ret = keel_vcpu_init(vcpu, el2_features(vcpu->vm, &init));
	if (!ret)
		keel_vgic_vcpu_reset(vcpu);
	return ret;
}

static int ioctl_finalize(struct keel_vcpu *vcpu, int __user *argp)
{
	int what;

	if (!vcpu->initialized)
		return -ENOEXEC;
	if (get_user(what, argp))
		return -EFAULT;
	if (what != KVM_ARM_VCPU_SVE || !(vcpu->features & BIT(KVM_ARM_VCPU_SVE)))
		return -EINVAL;
	if (vcpu->sve_finalized)
		return -EPERM;
	vcpu->sve_finalized = true;
	return 0;
}

static int ioctl_get_mp_state(struct keel_vcpu *vcpu, void __user *argp)
{
	struct kvm_mp_state state;
	long ret;

	keel_vcpu_apply_stop(vcpu);
	ret = keel_vm_call(vcpu->vm, KEEL_HC_VCPU_STATE, vcpu->index, KEEL_STATE_QUERY, 0, 0, NULL);
	if (ret < 0)
		return ret;
	state.mp_state = ret == KEEL_STATE_STOPPED ? KVM_MP_STATE_STOPPED : KVM_MP_STATE_RUNNABLE;
	return copy_to_user(argp, &state, sizeof(state)) ? -EFAULT : 0;
}

static int ioctl_set_mp_state(struct keel_vcpu *vcpu, void __user *argp)
{
	struct kvm_mp_state state;
	long ret;

	if (copy_from_user(&state, argp, sizeof(state)))
		return -EFAULT;
	if (state.mp_state != KVM_MP_STATE_RUNNABLE && state.mp_state != KVM_MP_STATE_STOPPED)
		return -EINVAL;
	keel_vcpu_apply_stop(vcpu);
	ret = keel_vm_call(vcpu->vm, KEEL_HC_VCPU_STATE, vcpu->index,
			   state.mp_state == KVM_MP_STATE_STOPPED ? KEEL_STATE_STOPPED
								  : KEEL_STATE_RUNNABLE,
			   0, 0, NULL);
	return ret < 0 ? ret : 0;
}

static int ioctl_attr(struct keel_vcpu *vcpu, void __user *argp,
		      int (*handler)(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr))
{
	struct kvm_device_attr attr;

	if (copy_from_user(&attr, argp, sizeof(attr)))
		return -EFAULT;
	return handler(vcpu, &attr);
}

typedef int attr_handler(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr);

static int set_vcpu_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr)
{
	attr_handler *handler = keel_pvtime_set_attr;

	if (attr->group == KVM_ARM_VCPU_SPE_CTRL)
		handler = keel_spe_set_attr;
	else if (attr->group == KVM_ARM_VCPU_TIMER_CTRL)
		handler = keel_timer_set_attr;
	return handler(vcpu, attr);
}

static int get_vcpu_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr)
{
	attr_handler *handler = keel_pvtime_get_attr;

	if (attr->group == KVM_ARM_VCPU_SPE_CTRL)
		handler = keel_spe_get_attr;
	else if (attr->group == KVM_ARM_VCPU_TIMER_CTRL)
		handler = keel_timer_get_attr;
	return handler(vcpu, attr);
}

static int has_vcpu_attr(struct keel_vcpu *vcpu, const struct kvm_device_attr *attr)
{
	attr_handler *handler = keel_pvtime_has_attr;

	if (attr->group == KVM_ARM_VCPU_SPE_CTRL)
		handler = keel_spe_has_attr;
	else if (attr->group == KVM_ARM_VCPU_TIMER_CTRL)
		handler = keel_timer_has_attr;
	return handler(vcpu, attr);
}

/* ---- signals ---- */

/* Without an argument those of the thread are blocked in KVM_RUN again, as in its other calls. */
static int ioctl_signal_mask(struct keel_vcpu *vcpu, void __user *argp)
{
	struct kvm_signal_mask __user *from = argp;
	sigset_t mask;
	u32 len;

	if (argp) {
		if (get_user(len, &from->len))
			return -EFAULT;
		if (len != sizeof(mask))
			return -EINVAL;
		if (copy_from_user(&mask, from->sigset, sizeof(mask)))
			return -EFAULT;
		sigdelsetmask(&mask, sigmask(SIGKILL) | sigmask(SIGSTOP));
		vcpu->sigmask = mask;
	}
	vcpu->has_sigmask = argp;
	return 0;
}

/*
 * A signal that is blocked otherwise ends the run, and stays pending: the thread's own mask is back
 * before the kernel would deliver it.
 */
static noinline int run_with_signals(struct keel_vcpu *vcpu)
{
	int ret;

	sigprocmask(SIG_SETMASK, &vcpu->sigmask, &current->real_blocked);
	ret = keel_vcpu_run(vcpu);
	sigprocmask(SIG_SETMASK, &current->real_blocked, NULL);
	sigemptyset(&current->real_blocked);
	return ret;
}

static int ioctl_run(struct keel_vcpu *vcpu, void __user *argp)
{
	if (argp)
		return -EINVAL;
	return unlikely(vcpu->has_sigmask) ? run_with_signals(vcpu) : keel_vcpu_run(vcpu);
}

static long locked_ioctl(struct keel_vcpu *vcpu, unsigned int nr, void __user *argp)
{
	switch (nr) {
	case KVM_RUN:
		return ioctl_run(vcpu, argp);
	case KVM_SET_SIGNAL_MASK:
		return ioctl_signal_mask(vcpu, argp);
	case KVM_ARM_VCPU_INIT:
		return ioctl_init(vcpu, argp);
	case KVM_ARM_VCPU_FINALIZE:
		return ioctl_finalize(vcpu, argp);
	case KVM_GET_ONE_REG:
		return keel_vcpu_one_reg(vcpu, argp, false);
	case KVM_SET_ONE_REG:
		return keel_vcpu_one_reg(vcpu, argp, true);
	case KVM_GET_REG_LIST:
		return keel_vcpu_reg_list(vcpu, argp);
	case KVM_GET_VCPU_EVENTS:
		return keel_vcpu_get_events(vcpu, argp);
	case KVM_SET_VCPU_EVENTS:
		return keel_vcpu_set_events(vcpu, argp);
	case KVM_GET_MP_STATE:
		return ioctl_get_mp_state(vcpu, argp);
	case KVM_SET_MP_STATE:
		return ioctl_set_mp_state(vcpu, argp);
	case KVM_SET_DEVICE_ATTR:
		return ioctl_attr(vcpu, argp, set_vcpu_attr);
	case KVM_GET_DEVICE_ATTR:
		return ioctl_attr(vcpu, argp, get_vcpu_attr);
	case KVM_HAS_DEVICE_ATTR:
		return ioctl_attr(vcpu, argp, has_vcpu_attr);
	default:
		return -ENOTTY;
	}
}

static long vcpu_ioctl(struct file *file, unsigned int nr, unsigned long arg)
{
	struct keel_vcpu *vcpu = file->private_data;
	long ret;

	if (vcpu->vm->mm != current->mm || READ_ONCE(vcpu->vm->dead))
		return -EIO;
	if (mutex_lock_killable(&vcpu->mutex))
		return -EINTR;
	ret = locked_ioctl(vcpu, nr, (void __user *)arg);
	mutex_unlock(&vcpu->mutex);
	return ret;
}

static vm_fault_t run_page_fault(struct vm_fault *vmf)
{
	struct keel_vcpu *vcpu = vmf->vma->vm_file->private_data;

	vmf->page = vmf->pgoff ? keel_ring_page(vcpu, vmf->pgoff) : virt_to_page(vcpu->run);
	if (!vmf->page)
		return VM_FAULT_SIGBUS;
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct run_page_ops = {
	.fault = run_page_fault,
};

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (!keel_ring_may_map(file->private_data, vma))
		return -EINVAL;
	vma->vm_ops = &run_page_ops;
	return 0;
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct keel_vcpu *vcpu = file->private_data;

	keel_vm_put(vcpu->vm);
	return 0;
}

static const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.release = vcpu_release,
	.unlocked_ioctl = vcpu_ioctl,
	.mmap = vcpu_mmap,
	.llseek = noop_llseek,
};

/* ---- KVM_CREATE_VCPU ---- */

static int make_fd(struct keel_vcpu *vcpu)
{
	char name[sizeof("kvm-vcpu:") + 8];
	int fd;

	snprintf(name, sizeof(name), "kvm-vcpu:%u", vcpu->index);
	keel_vm_get(vcpu->vm);
	fd = anon_inode_getfd(name, &vcpu_fops, vcpu, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		keel_vm_put(vcpu->vm);
	else
		vcpu->has_fd = true;
	return fd;
}

/*
 * EL2 keeps the vCPU that it has created: if no file descriptor could be allocated, the next call
 * gets one for it.
 */
static struct keel_vcpu *find_or_alloc(struct keel_vm *vm, u32 index)
{
	struct keel_vcpu *vcpu = vm->vcpus[index];

	if (!vcpu)
		return keel_vcpu_alloc(vm, index);
	return vcpu->has_fd ? ERR_PTR(-EEXIST) : vcpu;
}

static int create_vcpu_locked(struct keel_vm *vm, u32 index)
{
	struct keel_vcpu *vcpu;

	/* The redistributors' addresses are assigned already. */
	if (vm->vgic.initialized)
		return -EBUSY;
	vcpu = find_or_alloc(vm, index);
	return IS_ERR(vcpu) ? PTR_ERR(vcpu) : make_fd(vcpu);
}

int keel_vcpu_create(struct keel_vm *vm, unsigned long id)
{
	int ret;

	if (id >= keel_max_vcpus())
		return -EINVAL;
	mutex_lock(&vm->lock);
	ret = create_vcpu_locked(vm, array_index_nospec(id, KEEL_VCPUS));
	mutex_unlock(&vm->lock);
	return ret;
}
