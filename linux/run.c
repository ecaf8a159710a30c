// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_RUN. One hypercall runs the guest until the host is needed. This file does what the host is
 * needed for: supply memory, sleep, return to userspace, or just take a host interrupt.
 *
 * Waking and kicking: a sender first tells EL2, or sets vcpu->stop; then it sets vcpu->wake; then
 * it reads vcpu->mode. The vCPU first sets mode; then it clears wake and reads stop; then it
 * enters. With a full barrier on each side, either the entry sees the event, or the sender sees the
 * mode and sends an interrupt, which ends the run. docs/module.md lists all such pairs.
 */
#define pr_fmt(fmt) "keel: " fmt

#include <asm/arch_timer.h>
#include <asm/daifflags.h>
#include <linux/bitops.h>
#include <linux/entry-kvm.h>
#include <linux/hrtimer.h>
#include <linux/kvm_host.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>

#include <keel/spe.h>

#include "compat.h"
#include "keel.h"

#define NO_DEADLINE (~0ULL)
/* The longest sleep, in seconds: a guest's compare value may be centuries away. */
#define SLEEP_MAX 100000000ULL

#define AGAIN KEEL_RUN_AGAIN

/* ---- others' side ---- */

/*
 * The thread that runs the vCPU in the guest, or NULL. Acquire: the task was set before the mode. A
 * task that has left KVM_RUN is not freed before the RCU read section ends.
 */
static struct task_struct *in_guest(struct keel_vcpu *vcpu)
{
	return smp_load_acquire(&vcpu->mode) == KEEL_IN_GUEST ? rcu_dereference(vcpu->task) : NULL;
}

static void interrupt_guest(struct keel_vcpu *vcpu)
{
	struct task_struct *task;

	rcu_read_lock();
	task = in_guest(vcpu);
	if (task)
		kick_process(task);
	rcu_read_unlock();
}

/* Any context. */
void keel_vcpu_kick(struct keel_vcpu *vcpu)
{
	atomic_set(&vcpu->wake, 1);
	rcuwait_wake_up(&vcpu->wait);
	smp_mb(); /* pairs with enter_guest() */
	if (READ_ONCE(vcpu->mode) == KEEL_IN_GUEST)
		interrupt_guest(vcpu);
}

/*
 * Wait until the vCPU, which was kicked and does not enter again, has left the guest. It runs with
 * interrupts masked, so its CPU answers another CPU only after it has left; a task that has moved
 * to another CPU has left.
 */
static void wait_outside(struct keel_vcpu *vcpu)
{
	struct task_struct *task;

	rcu_read_lock();
	task = in_guest(vcpu);
	if (task)
		keel_guest_out(task_cpu(task));
	rcu_read_unlock();
}

/* ---- sleeping ---- */

static ktime_t counter_to_ktime(u64 deadline)
{
	u64 now = arch_timer_read_counter(), freq = arch_timer_get_cntfrq();
	u64 ticks = deadline > now ? deadline - now : 0;
	u64 seconds = min(ticks / freq, SLEEP_MAX);
	u64 ns = seconds * NSEC_PER_SEC + ticks % freq * NSEC_PER_SEC / freq;

	return ktime_add_ns(ktime_get(), ns);
}

/*
 * Sleep until an event for the vCPU, a signal, or the time at which the counter reaches @deadline.
 */
static void block_vcpu(struct keel_vcpu *vcpu, u64 deadline)
{
	ktime_t until, *timeout = NULL;

	if (deadline != NO_DEADLINE) {
		until = counter_to_ktime(deadline);
		timeout = &until;
	}
	prepare_to_rcuwait(&vcpu->wait);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (atomic_read(&vcpu->wake) || signal_pending(current))
			break;
		if (!schedule_hrtimeout(timeout, HRTIMER_MODE_ABS))
			break;
	}
	finish_rcuwait(&vcpu->wait);
}

/* ---- entering ---- */

/*
 * What the kernel does before it returns to userspace (signals, rescheduling, restartable
 * sequences) is done before a guest is entered, too. The function for that takes a struct kvm_vcpu,
 * in which it only notes that a signal was the reason. That is never read here, so one structure
 * serves all vCPUs.
 */
static struct kvm_run dummy_run;
static struct kvm_vcpu dummy_vcpu = { .run = &dummy_run };

/* -EINTR: a signal is pending. */
static int do_work(struct keel_vcpu *vcpu)
{
	int ret;

	if (likely(!__xfer_to_guest_mode_work_pending()))
		return 0;
	ret = xfer_to_guest_mode_handle_work(&dummy_vcpu);
	if (ret == -EINTR)
		vcpu->run->exit_reason = KVM_EXIT_INTR;
	return ret;
}

/* RCU may not be watching this CPU: nothing in here can be traced. */
static noinstr long run_guest(u64 handle, u32 index)
{
	long exit;

	guest_state_enter_irqoff();
	exit = keel_hvc_run(handle, index);
	guest_state_exit_irqoff();
	return exit;
}

/*
 * With pseudo-NMIs interrupts are masked by priority, and the GIC would hold back the interrupt
 * that is to end the run. So they are masked in PSTATE, and all priorities are let through. The
 * interrupt that ended the run is taken before guest time ends, so that a tick is accounted to the
 * guest.
 */
static long enter_irqoff(struct keel_vcpu *vcpu)
{
	long exit;

	guest_timing_enter_irqoff();
	local_daif_mask();
	exit = run_guest(vcpu->vm->handle, vcpu->index);
	local_daif_restore(DAIF_PROCCTX_NOIRQ);
	WRITE_ONCE(vcpu->mode, KEEL_OUTSIDE_GUEST);
	if (exit == KEEL_EXIT_IRQ) {
		local_irq_enable();
		isb();
		local_irq_disable();
	}
	guest_timing_exit_irqoff();
	return exit;
}

/* With @finish an access is completed, and the guest executes no instruction. */
static long enter_guest(struct keel_vcpu *vcpu, bool finish)
{
	long exit = KEEL_EXIT_IRQ;

	local_irq_disable();
	smp_store_release(&vcpu->mode, KEEL_IN_GUEST); /* vcpu->task was set before: in_guest() */
	smp_mb();				       /* pairs with keel_vcpu_kick() */
	if (unlikely(READ_ONCE(vcpu->vm->dead))) {
		exit = -EIO;
	} else if (finish || (!xfer_to_guest_mode_work_pending() && !READ_ONCE(vcpu->stop))) {
		atomic_set(&vcpu->wake, 0);
		exit = enter_irqoff(vcpu);
		vcpu->hyp->answer = KEEL_ANSWER_MAPPED;
		vcpu->mmio_pending = false;
	}
	WRITE_ONCE(vcpu->mode, KEEL_OUTSIDE_GUEST);
	local_irq_enable();
	return exit;
}

/* ---- exits: AGAIN, or what KVM_RUN returns ---- */

static int exit_mmio(struct keel_vcpu *vcpu)
{
	struct keel_run *hyp = vcpu->hyp;
	struct kvm_run *run = vcpu->run;
	u32 len = min_t(u32, hyp->mmio.bytes, sizeof(hyp->mmio.data));
	u64 value = 0;

	vcpu->mmio_pending = true;
	hyp->answer = KEEL_ANSWER_DONE;
	if (hyp->mmio.write) /* bytes that are not stored are zero */
		memcpy(&value, hyp->mmio.data, sizeof(value));
	/* before the ITSs: a doorbell is rung more often than an ITS is written to */
	if (hyp->mmio.write && keel_ioeventfd_write(vcpu->vm, hyp->mmio.address, len, value))
		return AGAIN;
	if (unlikely(READ_ONCE(vcpu->redist)) &&
	    keel_its_access(vcpu->vm, hyp->mmio.address, len, hyp->mmio.write, &value)) {
		memcpy(hyp->mmio.data, &value, sizeof(value));
		return AGAIN;
	}
	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = hyp->mmio.address;
	run->mmio.len = len;
	run->mmio.is_write = hyp->mmio.write;
	memcpy(run->mmio.data, &value, sizeof(run->mmio.data));
	vcpu->mmio_read = !hyp->mmio.write;
	return 0;
}

/*
 * There is no slot, or the slot is read-only and the access a store. Userspace does the access if
 * it is described.
 */
static int no_memory(struct keel_vcpu *vcpu)
{
	struct keel_run *hyp = vcpu->hyp;

	if (hyp->mmio.bytes)
		return exit_mmio(vcpu);
	hyp->answer = hyp->fault.exec ? KEEL_ANSWER_ABORT : KEEL_ANSWER_NONE;
	return AGAIN;
}

static int exit_fault(struct keel_vcpu *vcpu)
{
	struct keel_run *hyp = vcpu->hyp;
	int ret = keel_fault(vcpu->vm, vcpu, hyp->fault.ipa, hyp->fault.write);

	if (ret == -ENOENT)
		return no_memory(vcpu);
	/* For -EHWPOISON: a SIGBUS is pending, and ends KVM_RUN unless the thread blocks it. */
	if (!ret || ret == -EINTR || ret == -EHWPOISON)
		return AGAIN;
	if (ret != -ENOEXEC)
		return ret;
	hyp->answer = KEEL_ANSWER_ABORT;
	return AGAIN;
}

static int exit_wfi(struct keel_vcpu *vcpu)
{
	block_vcpu(vcpu, vcpu->hyp->wfi.deadline);
	return AGAIN;
}

/* Another vCPU may have turned it on since EL2 reported that it is off. */
static int exit_off(struct keel_vcpu *vcpu)
{
	if (keel_call(KEEL_HC_VCPU_STATE, vcpu->vm->handle, vcpu->index, KEEL_STATE_QUERY, 0, 0,
		      NULL) == KEEL_STATE_STOPPED)
		block_vcpu(vcpu, NO_DEADLINE);
	return AGAIN;
}

static void for_each_vcpu(struct keel_vm *vm, void (*act)(struct keel_vcpu *vcpu))
{
	for (unsigned int i = 0; i < KEEL_VCPUS; i++) {
		struct keel_vcpu *vcpu = keel_vcpu_find(vm, i);

		if (vcpu)
			act(vcpu);
	}
}

static void stop_vcpu(struct keel_vcpu *vcpu)
{
	WRITE_ONCE(vcpu->stop, true);
	keel_vcpu_kick(vcpu);
}

/*
 * The guest asked to power the machine off or to reset it: no vCPU runs until userspace initializes
 * it again. When this returns none is in the guest. No vCPU acts on its stop before that, since one
 * that still runs could turn it on again.
 */
static void stop_all(struct keel_vm *vm)
{
	mutex_lock(&vm->stop_lock);
	for_each_vcpu(vm, stop_vcpu);
	for_each_vcpu(vm, wait_outside);
	mutex_unlock(&vm->stop_lock);
}

static int off_at_el2(struct keel_vcpu *vcpu)
{
	return keel_vm_call(vcpu->vm, KEEL_HC_VCPU_STATE, vcpu->index, KEEL_STATE_STOPPED, 0, 0,
			    NULL);
}

void keel_vcpu_apply_stop(struct keel_vcpu *vcpu)
{
	if (likely(!READ_ONCE(vcpu->stop)))
		return;
	mutex_lock(&vcpu->vm->stop_lock);
	off_at_el2(vcpu);
	WRITE_ONCE(vcpu->stop, false);
	mutex_unlock(&vcpu->vm->stop_lock);
}

static int exit_system(struct keel_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	stop_all(vcpu->vm);
	run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
	memset(&run->system_event, 0, sizeof(run->system_event));
	run->system_event.type = vcpu->hyp->system.type;
	run->system_event.ndata = 1;
	run->system_event.data[0] = vcpu->hyp->system.data[0];
	return 0;
}

static int exit_fail(struct keel_vcpu *vcpu)
{
	struct keel_run *hyp = vcpu->hyp;
	struct kvm_run *run = vcpu->run;

	pr_err_ratelimited("VM %#llx, vCPU %u cannot go on: ESR_EL2 %#llx, FAR_EL2 %#llx, "
			   "guest address %#llx, pc %#llx\n",
			   vcpu->vm->handle, vcpu->index, hyp->fail.esr, hyp->fail.far,
			   hyp->fail.ipa, hyp->fail.pc);
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON;
	run->internal.ndata = 4;
	run->internal.data[0] = hyp->fail.esr;
	run->internal.data[1] = hyp->fail.far;
	run->internal.data[2] = hyp->fail.ipa;
	run->internal.data[3] = hyp->fail.pc;
	return 0;
}

static int exit_irq(struct keel_vcpu *vcpu)
{
	return AGAIN;
}

static int exit_steal_time(struct keel_vcpu *vcpu)
{
	keel_pvtime_begin(vcpu);
	return AGAIN;
}

/* Userspace has stopped profiling (STOP_EXIT), and the guest uses it. */
static int exit_spe(struct keel_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	run->fail_entry.hardware_entry_failure_reason = KEEL_EXIT_FAIL_ENTRY_SPE;
	run->fail_entry.cpu = raw_smp_processor_id();
	return 0;
}

/* Random numbers for a CPU without FEAT_RNG. The next entry completes the guest's call. */
static int exit_entropy(struct keel_vcpu *vcpu)
{
	struct keel_run *hyp = vcpu->hyp;

	get_random_bytes(hyp->entropy.word, sizeof(hyp->entropy.word));
	hyp->answer = KEEL_ANSWER_DONE;
	vcpu->mmio_pending = true;
	return AGAIN;
}

/* For the guest's PTP call, which the next entry completes. */
static int exit_clock(struct keel_vcpu *vcpu)
{
	struct keel_run *hyp = vcpu->hyp;
	struct system_time_snapshot now;

	/* The kernel's virtual count is the physical one. */
	ktime_get_snapshot(&now);
	hyp->clock.real = ktime_to_ns(now.real);
	hyp->clock.count = now.cycles;
	hyp->clock.valid = now.cs_id == CSID_ARM_ARCH_COUNTER;
	hyp->answer = KEEL_ANSWER_DONE;
	vcpu->mmio_pending = true;
	return AGAIN;
}

static int (*const exits[])(struct keel_vcpu *vcpu) = {
	[KEEL_EXIT_IRQ] = exit_irq,
	[KEEL_EXIT_FAULT] = exit_fault,
	[KEEL_EXIT_WFI] = exit_wfi,
	[KEEL_EXIT_OFF] = exit_off,
	[KEEL_EXIT_SYSTEM] = exit_system,
	[KEEL_EXIT_FAIL] = exit_fail,
	[KEEL_EXIT_STEAL_TIME] = exit_steal_time,
	[KEEL_EXIT_SPE] = exit_spe,
	[KEEL_EXIT_ENTROPY] = exit_entropy,
	[KEEL_EXIT_ABORT] = keel_exit_abort,
	[KEEL_EXIT_CLOCK] = exit_clock,
};

/*
 * EL2 did not run the vCPU. -EFAULT: its run page has failed and it never runs again, so the VM has
 * ended; the other vCPUs are kicked, and see that it is dead. An exit that is not in the table is
 * an error of this module or of EL2.
 */
static int exit_error(struct keel_vcpu *vcpu, long error)
{
	if (error == -EFAULT) {
		pr_err_ratelimited("VM %#llx, vCPU %u: EL2 cannot access its run page any more: "
				   "the VM is stopped\n",
				   vcpu->vm->handle, vcpu->index);
		keel_vm_kill(vcpu->vm);
	}
	return error < 0 ? error : -EIO;
}

/* All words are combined without a loop: most runs wake no vCPU. */
static __always_inline bool wakes_no_vcpu(const struct keel_run *hyp)
{
	unsigned long any = 0;

#pragma GCC unroll 8
	for (unsigned int word = 0; word < ARRAY_SIZE(hyp->wake); word++)
		any |= hyp->wake[word];
	return !any;
}

/* Kick the vCPUs for which this run has caused an event: an interrupt, or a PSCI call. */
static void wake_others(struct keel_vcpu *vcpu)
{
	unsigned int bit;

	if (likely(wakes_no_vcpu(vcpu->hyp)))
		return;
	for (unsigned int word = 0; word < ARRAY_SIZE(vcpu->hyp->wake); word++) {
		unsigned long bits = vcpu->hyp->wake[word];

		for_each_set_bit (bit, &bits, BITS_PER_LONG) {
			struct keel_vcpu *other = keel_vcpu_find(vcpu->vm, word * 64 + bit);

			if (other)
				keel_vcpu_kick(other);
		}
		vcpu->hyp->wake[word] = 0;
	}
}

/*
 * KVM promises that accesses are completed, and registers consistent, once KVM_RUN has returned
 * -EINTR.
 */
static void finish_at_el2(struct keel_vcpu *vcpu)
{
	if (!vcpu->mmio_pending)
		return;
	vcpu->hyp->answer = KEEL_ANSWER_STOP;
	enter_guest(vcpu, true);
}

/* Userspace is to take entries, and KVM_RESET_DIRTY_RINGS, before the guest can go on. */
static int exit_ring_full(struct keel_vcpu *vcpu)
{
	finish_at_el2(vcpu);
	vcpu->run->exit_reason = KVM_EXIT_DIRTY_RING_FULL;
	return 0;
}

static int run_once(struct keel_vcpu *vcpu)
{
	int ret = do_work(vcpu);
	long exit;

	if (ret)
		return ret;
	if (unlikely(vcpu->ring.entry) && keel_ring_is_full(&vcpu->ring))
		return exit_ring_full(vcpu);
	keel_vcpu_apply_stop(vcpu);
	if (unlikely(vcpu->steal_ipa != KEEL_NO_ADDRESS))
		keel_pvtime_update(vcpu);
	exit = keel_inject_run(keel_inject_abort(vcpu, enter_guest(vcpu, false)));
	if (exit < 0 || exit >= ARRAY_SIZE(exits))
		return exit_error(vcpu, exit);
	wake_others(vcpu);
	if (unlikely(vcpu->hyp->any_ended))
		keel_irqs_ended(vcpu);
	if (unlikely(READ_ONCE(vcpu->redist)))
		keel_its_refill(vcpu);
	return exits[exit](vcpu);
}

/* ---- KVM_RUN ---- */

static noinline int prepare_first_run(struct keel_vcpu *vcpu)
{
	int ret;

	if (!vcpu->initialized)
		return -ENOEXEC;
	if (vcpu->features & BIT(KVM_ARM_VCPU_SVE) && !vcpu->sve_finalized)
		return -EPERM;
	if (!keel_spe_ready(vcpu))
		return -EINVAL;
	ret = keel_vgic_first_run(vcpu->vm);
	if (!ret)
		ret = keel_spe_first_run(vcpu);
	vcpu->ready = !ret;
	return ret;
}

/* Of what can be missing nothing is taken away, but by KVM_ARM_VCPU_INIT with other features. */
static int check_ready(struct keel_vcpu *vcpu)
{
	return likely(vcpu->ready) ? 0 : prepare_first_run(vcpu);
}

/* The data of a read that userspace was asked for; the next entry passes it to the guest. */
static void finish_mmio(struct keel_vcpu *vcpu)
{
	if (!vcpu->mmio_read)
		return;
	memcpy(vcpu->hyp->mmio.data, vcpu->run->mmio.data, sizeof(vcpu->hyp->mmio.data));
	vcpu->mmio_read = false;
}

/*
 * After KVM_ARM_VCPU_INIT of a vCPU that has run: let the guest see what the VMM has written to
 * memory since.
 */
static int sync_memory(struct keel_vcpu *vcpu)
{
	int ret;

	if (likely(READ_ONCE(vcpu->vm->stale) == KEEL_FRESH))
		return 0;
	ret = keel_sync(vcpu->vm);
	if (ret == -EINTR)
		vcpu->run->exit_reason = KVM_EXIT_INTR;
	return ret;
}

static int run_loop(struct keel_vcpu *vcpu)
{
	int ret = sync_memory(vcpu);

	if (ret)
		return ret;
	vcpu->has_run = true;
	/*
	 * An answer that an earlier call left because of a signal may be out of date: the guest
	 * repeats the access.
	 */
	vcpu->hyp->answer = vcpu->mmio_pending ? KEEL_ANSWER_DONE : KEEL_ANSWER_MAPPED;
	WRITE_ONCE(vcpu->ran_since, true);
	rcu_assign_pointer(vcpu->task, current);
	do
		ret = run_once(vcpu);
	while (ret == AGAIN);
	RCU_INIT_POINTER(vcpu->task, NULL);
	return ret;
}

/*
 * As in KVM, the access that userspace was asked for is completed first. With immediate_exit
 * nothing else is done, and the exit reason before and its fields stay unchanged.
 */
int keel_vcpu_run(struct keel_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	int ret = check_ready(vcpu);

	if (ret)
		return ret;
	finish_mmio(vcpu);
	if (keel_immediate_exit(run)) {
		ret = -EINTR;
	} else {
		run->exit_reason = KVM_EXIT_UNKNOWN;
		run->flags = 0;
		ret = run_loop(vcpu);
	}
	if (ret == -EINTR)
		finish_at_el2(vcpu);
	return ret;
}
