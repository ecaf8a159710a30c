// SPDX-License-Identifier: GPL-2.0
/*
 * Errors of the hardware: external aborts of a guest's accesses; and KVM_GET_VCPU_EVENTS and
 * KVM_SET_VCPU_EVENTS, by which userspace raises errors in a guest.
 *
 * Memory is given up only if EL2 has read it and met the error as well. A guest can cause an
 * external abort at good memory, by the kind of access (an atomic access to uncached memory), and
 * could otherwise have the host give up one page after the other.
 */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/delay.h>
#include <linux/hugetlb.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "compat.h"
#include "keel.h"

/* The fields of ESR_EL2 that userspace gets, as from KVM for a VM without FEAT_RAS. */
#define ESR_EC	    GENMASK(31, 26)
#define ESR_IL	    BIT(25)
#define ESR_FNV	    BIT(10)
#define ESR_EA	    BIT(9)
#define ESR_CM	    BIT(8)
#define ESR_WNR	    BIT(6)
#define ESR_FSC	    GENMASK(5, 0)
#define ESR_TO_USER (ESR_EC | ESR_IL | ESR_FNV | ESR_EA | ESR_CM | ESR_WNR | ESR_FSC)

/* ---- giving memory up ---- */

atomic_t keel_giving_up = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(given_up);

/*
 * How long to wait at most for faults that refer to memory already, and for VMs that are being
 * released. Only a process that delays its own faults (userfaultfd) can make it take so long.
 */
#define PINS_TIMEOUT HZ

int keel_wait_until_given_up(void)
{
	return wait_event_interruptible(given_up, !atomic_read(&keel_giving_up)) ? -EINTR : 0;
}

/*
 * Wait for faults of @vm that have not seen keel_giving_up. Acquire: what they map is in the record.
 */
static void wait_for_pins(const struct keel_vm *vm, unsigned long deadline)
{
	while (atomic_read_acquire(&vm->pinning) && time_before(jiffies, deadline))
		usleep_range(50, 100);
}

/*
 * Take @frames from all guests. A huge page may be pinned by each mapping of a part of it: at other
 * addresses of the guest, or in another VM. The kernel can split it only when none of these pins is
 * left, nor the reference of a fault, and it checks that before it notifies the watches.
 *
 * Afterwards no VM refers to it while keel_giving_up is not 0: a fault that had begun to was waited
 * for before the record was searched, and a fault that begins now must wait. A VM that is
 * created meanwhile, and so is not found, sees keel_giving_up at its first fault.
 */
static void take_from_all(const struct keel_frames *frames)
{
	unsigned long deadline = jiffies + PINS_TIMEOUT;
	struct keel_vm *vm = NULL;

	while ((vm = keel_life_next(vm))) {
		wait_for_pins(vm, deadline);
		keel_take_frames(vm, frames);
	}
	while (keel_life_releasing() && time_before(jiffies, deadline))
		usleep_range(500, 1000);
}

static int kernel_gives_up(unsigned long pfn)
{
#ifdef CONFIG_MEMORY_FAILURE
	return memory_failure(pfn, MF_ACTION_REQUIRED);
#else
	return -ENXIO;
#endif
}

enum outcome {
	GIVEN_UP, /* no process has the page mapped */
	KEPT,	  /* the kernel knows that it is broken, but could not unmap it */
	REFUSED,  /* the kernel did not accept the report */
};

/*
 * The result of memory_failure() does not tell. For example -EHWPOISON means that the page was
 * reported before, perhaps while guests had its huge page pinned, so that it stayed mapped.
 */
static enum outcome outcome_of(unsigned long pfn, int ret)
{
	struct page *page = pfn_to_page(pfn);

	if (!ret)
		return GIVEN_UP;
	if (!PageHWPoison(page) && !(PageHuge(page) && PageHWPoison(compound_head(page))))
		return REFUSED;
	return page_mapped(page) ? KEPT : GIVEN_UP;
}

/*
 * The kernel unmaps the page from all processes and never uses it again. It sends SIGBUS to this
 * thread, as if it had accessed the page, unless a file has a good copy: a page of the page cache
 * that is not dirty is read again instead.
 */
static enum outcome give_up(unsigned long pfn, const struct keel_frames *frames)
{
	enum outcome outcome;

	atomic_inc(&keel_giving_up);
	smp_mb__after_atomic(); /* pairs with keel_pin_begin() */
	take_from_all(frames);
	outcome = outcome_of(pfn, kernel_gives_up(pfn));
	if (atomic_dec_and_test(&keel_giving_up))
		wake_up_all(&given_up);
	return outcome;
}

/* ---- external aborts of guests ---- */

/*
 * Return: whether the guest repeats the access. It then finds other memory, or KVM_RUN sends
 * SIGBUS: no page that the kernel knows to be broken is mapped (fault.c). False if the guest would
 * meet the error again.
 */
static bool broken_memory(struct keel_vm *vm, u64 ipa, u64 pa)
{
	unsigned long pfn = PHYS_PFN(pa);
	struct keel_frames frames;
	enum outcome outcome;

	/* The process has discarded that page meanwhile: it may belong to somebody else now. */
	if (!keel_find_frames(vm, ipa >> PAGE_SHIFT, pfn, &frames))
		return true;
	outcome = give_up(pfn, &frames);
	pr_err_ratelimited("VM %#llx: memory at guest address %#llx, %#llx, is broken%s\n",
			   vm->handle, ipa, pa,
			   outcome == GIVEN_UP ? "" : ", and the kernel cannot give it up");
	return outcome != REFUSED;
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

/* An SError has a syndrome of its own only with FEAT_RAS, which no VM has. */
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
	/* The abort is the result of the access that userspace was asked for. */
	vcpu->mmio_read = false;
	vcpu->mmio_pending = false;
	return 0;
}
