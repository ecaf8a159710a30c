// SPDX-License-Identifier: GPL-2.0
/*
 * Errors of the machine: what becomes of an external abort that a guest's access met, and
 * KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, by which userspace has a guest meet one.
 *
 * Memory is given up only where EL2 has read it and met the error as well: a guest can have an
 * access fail that nothing is wrong with, by its kind (an atomic access to uncached memory), and
 * would take page after page away from the machine.
 */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/mm.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "keel.h"

/* What userspace is told of ESR_EL2, as by KVM to a VM without FEAT_RAS. */
#define ESR_EC	    GENMASK(31, 26)
#define ESR_IL	    BIT(25)
#define ESR_FNV	    BIT(10)
#define ESR_EA	    BIT(9)
#define ESR_CM	    BIT(8)
#define ESR_WNR	    BIT(6)
#define ESR_FSC	    GENMASK(5, 0)
#define ESR_TO_USER (ESR_EC | ESR_IL | ESR_FNV | ESR_EA | ESR_CM | ESR_WNR | ESR_FSC)

/* ---- what the guest met ---- */

/*
 * The kernel takes the page from all who have it, this VM among them, keeps it from being used
 * again, and sends this thread SIGBUS, as to a process that has touched it. Return: whether it did.
 */
static bool give_up_page(unsigned long pfn)
{
#ifdef CONFIG_MEMORY_FAILURE
	int ret = memory_failure(pfn, MF_ACTION_REQUIRED);

	/* Somebody has found it before: this thread has its signal all the same. */
	return !ret || ret == -EHWPOISON;
#else
	return false;
#endif
}

/* Return: false if it cannot be given up, and the guest meets it again. */
static bool broken_memory(struct keel_vm *vm, u64 ipa, u64 pa)
{
	unsigned long pfn = PHYS_PFN(pa);
	bool done;

	/* What was discarded meanwhile is somebody else's: the guest looks again. */
	if (!keel_let_go(vm, ipa >> PAGE_SHIFT, pfn))
		return true;
	done = give_up_page(pfn);
	pr_err_ratelimited("VM %#llx: memory at guest address %#llx, %#llx, is broken%s\n",
			   vm->handle, ipa, pa, done ? "" : ", and the kernel keeps it");
	return done;
}

static int tell_user(struct keel_vcpu *vcpu)
{
	struct keel_run *hyp = vcpu->hyp;
	struct keel_arm_sea *sea = keel_arm_sea(vcpu->run);

	memset(sea, 0, sizeof(*sea));
	sea->esr = hyp->abort.esr & ESR_TO_USER;
	if (hyp->abort.flags & KEEL_ABORT_FAR)
		sea->gva = hyp->abort.far;
	if (hyp->abort.flags & KEEL_ABORT_IPA) {
		sea->flags = KVM_EXIT_ARM_SEA_FLAG_GPA_VALID;
		sea->gpa = ALIGN_DOWN(hyp->abort.ipa, SZ_4K);
	}
	vcpu->run->exit_reason = KVM_EXIT_ARM_SEA;
	return 0;
}

int keel_exit_abort(struct keel_vcpu *vcpu)
{
	struct keel_run *hyp = vcpu->hyp;

	if (hyp->abort.flags & KEEL_ABORT_MEMORY &&
	    broken_memory(vcpu->vm, hyp->abort.ipa, hyp->abort.pa))
		return KEEL_RUN_AGAIN;
	if (READ_ONCE(vcpu->vm->sea_to_user))
		return tell_user(vcpu);
	hyp->answer = KEEL_ANSWER_ABORT;
	return KEEL_RUN_AGAIN;
}

/* ---- events ---- */

static long call_events(struct keel_vcpu *vcpu, u64 raise, u64 *pending)
{
	return keel_vm_call(vcpu->vm, KEEL_HC_VCPU_EVENTS, vcpu->index, raise, 0, 0, pending);
}

int keel_vcpu_get_events(struct keel_vcpu *vcpu, void __user *argp)
{
	struct kvm_vcpu_events events = { 0 };
	u64 pending;
	int ret;

	if (!vcpu->initialized)
		return -ENOEXEC;
	ret = call_events(vcpu, 0, &pending);
	if (ret)
		return ret;
	events.exception.serror_pending = !!(pending & KEEL_EVENT_SERROR);
	return copy_to_user(argp, &events, sizeof(events)) ? -EFAULT : 0;
}

static bool is_zero(const void *field, size_t size)
{
	return !memchr_inv(field, 0, size);
}

/* A syndrome of its own an SError has with FEAT_RAS alone, which no VM has. */
static bool are_valid(const struct kvm_vcpu_events *events)
{
	if (events->exception.serror_pending && events->exception.serror_has_esr)
		return false;
	return is_zero(events->reserved, sizeof(events->reserved)) &&
	       is_zero(events->exception.pad, sizeof(events->exception.pad));
}

int keel_vcpu_set_events(struct keel_vcpu *vcpu, void __user *argp)
{
	struct kvm_vcpu_events events;
	u64 raise = 0;
	long ret;

	if (!vcpu->initialized)
		return -ENOEXEC;
	if (copy_from_user(&events, argp, sizeof(events)))
		return -EFAULT;
	if (!are_valid(&events))
		return -EINVAL;
	if (events.exception.serror_pending)
		raise |= KEEL_EVENT_SERROR;
	if (events.exception.ext_dabt_pending)
		raise |= KEEL_EVENT_ABORT;
	ret = raise ? call_events(vcpu, raise, NULL) : 0;
	if (ret || !(raise & KEEL_EVENT_ABORT))
		return ret;
	/* It is what the access has come to that userspace was asked for. */
	vcpu->mmio_read = false;
	vcpu->mmio_pending = false;
	return 0;
}
