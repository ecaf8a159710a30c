// SPDX-License-Identifier: GPL-2.0
/* Fault injection, in test builds: which of the module's allocations fails. See inject.h. */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/spinlock.h>

#include "keel.h"

/* The n-th allocation from now on fails. Counted down to 0, at which none fails. */
static int fail_at;
module_param(fail_at, int, 0644);
MODULE_PARM_DESC(fail_at, "the n-th allocation from now on fails; 0: none");

/* How many allocations after that fail as well. */
static int fail_more;
module_param(fail_more, int, 0644);
MODULE_PARM_DESC(fail_more, "how many allocations after that one fail as well");

static bool spe_populate;
module_param(spe_populate, bool, 0644);
MODULE_PARM_DESC(spe_populate,
		 "INIT of emulated SPE populates all memory, as INIT of hardware SPE does");

static bool unmap_fails;
module_param(unmap_fails, bool, 0644);
MODULE_PARM_DESC(unmap_fails, "EL2 refuses to unmap what the process discards");

static bool no_vm;
module_param(no_vm, bool, 0644);
MODULE_PARM_DESC(no_vm, "the VM has ended at the next map of its memory");

static unsigned int release_ms;
module_param(release_ms, uint, 0644);
MODULE_PARM_DESC(release_ms, "how much longer the release of a VM takes, in milliseconds");

static unsigned int pin_ms;
module_param(pin_ms, uint, 0644);
MODULE_PARM_DESC(pin_ms, "how much later pages are looked up next, in milliseconds");

static bool pool_late;
module_param(pool_late, bool, 0644);
MODULE_PARM_DESC(pool_late,
		 "EL2's pool is short at the next map, and given more once the host restarts");

static unsigned int invalidate_ms;
module_param(invalidate_ms, uint, 0644);
MODULE_PARM_DESC(invalidate_ms,
		 "how much longer the next change of a process's memory takes, in milliseconds");

/* Takes effect once, after a run that an interrupt ended: EL2 waits for no answer then. */
static unsigned long abort_at;
module_param(abort_at, ulong, 0644);
MODULE_PARM_DESC(abort_at, "the guest meets broken memory at this guest address; 0: never");

static bool abort_told;
module_param(abort_told, bool, 0644);
MODULE_PARM_DESC(abort_told, "the same, but EL2 can read the memory");

static unsigned int write_ms;
module_param(write_ms, uint, 0644);
MODULE_PARM_DESC(write_ms, "how much later guest memory is written to next, in milliseconds");

static bool run_fails;
module_param(run_fails, bool, 0644);
MODULE_PARM_DESC(run_fails, "EL2 loses access to the run page of the next vCPU that runs");

static unsigned long most_taken;
module_param(most_taken, ulong, 0644);
MODULE_PARM_DESC(most_taken, "the most pages that were taken from a guest at once");

static DEFINE_SPINLOCK(lock);

bool keel_inject_populate(void)
{
	return READ_ONCE(spe_populate);
}

bool keel_inject_unmap(void)
{
	return READ_ONCE(unmap_fails);
}

long keel_inject_run(long exit)
{
	if (!READ_ONCE(run_fails))
		return exit;
	WRITE_ONCE(run_fails, false);
	return -EFAULT;
}

void keel_inject_note_taken(u64 pages)
{
	if (pages > READ_ONCE(most_taken))
		WRITE_ONCE(most_taken, pages);
}

u64 keel_inject_handle(u64 handle)
{
	return READ_ONCE(no_vm) && xchg(&no_vm, false) ? 0 : handle;
}

void keel_inject_release(void)
{
	if (READ_ONCE(release_ms))
		msleep(READ_ONCE(release_ms));
}

/* Once. */
static void be_late(unsigned int *ms)
{
	unsigned int late = xchg(ms, 0);

	if (late)
		msleep(late);
}

void keel_inject_pin(void)
{
	be_late(&pin_ms);
}

void keel_inject_write(void)
{
	be_late(&write_ms);
}

int keel_inject_map(void)
{
	if (keel_inject())
		return -ENOMEM;
	return READ_ONCE(pool_late) ? -ENOBUFS : 0;
}

/* The restart waits for what is late. */
#define RESTART_MS	60000
#define RESTART_TIMEOUT msecs_to_jiffies(RESTART_MS)
static DECLARE_COMPLETION(restarting);
static DECLARE_COMPLETION(given);
static bool is_late;

void keel_inject_pool(void)
{
	if (!READ_ONCE(pool_late))
		return;
	WRITE_ONCE(is_late, true);
	WRITE_ONCE(pool_late, false);
	wait_for_completion_timeout(&restarting, RESTART_TIMEOUT);
}

/* The VM ends only after that, for at its end it would give back what was given. */
void keel_inject_pool_given(void)
{
	if (!READ_ONCE(is_late))
		return;
	complete_all(&given);
	msleep(RESTART_MS);
}

void keel_inject_restart(void)
{
	if (!READ_ONCE(is_late))
		return;
	complete_all(&restarting);
	wait_for_completion_timeout(&given, RESTART_TIMEOUT);
}

void keel_inject_invalidate(void)
{
	be_late(&invalidate_ms);
}

long keel_inject_abort(struct keel_vcpu *vcpu, long exit)
{
	unsigned long ipa = READ_ONCE(abort_at), pfn;

	if (!ipa || exit != KEEL_EXIT_IRQ)
		return exit;
	pfn = keel_mapped_pfn(vcpu->vm, ipa >> PAGE_SHIFT);
	if (!pfn)
		return exit;
	WRITE_ONCE(abort_at, 0);
	vcpu->hyp->abort.esr = 0x92000010; /* a read from EL0 */
	vcpu->hyp->abort.far = ipa | 0x123;
	vcpu->hyp->abort.ipa = ipa | 0x123;
	vcpu->hyp->abort.pa = PFN_PHYS(pfn) | 0x123;
	vcpu->hyp->abort.flags = KEEL_ABORT_FAR | KEEL_ABORT_IPA;
	if (!READ_ONCE(abort_told))
		vcpu->hyp->abort.flags |= KEEL_ABORT_MEMORY;
	return KEEL_EXIT_ABORT;
}

bool keel_inject(void)
{
	unsigned long flags;
	bool fail = false;

	spin_lock_irqsave(&lock, flags);
	if (fail_at > 1) {
		fail_at--;
	} else if (fail_at == 1) {
		fail = true;
		if (fail_more)
			fail_more--;
		else
			fail_at = 0;
	}
	spin_unlock_irqrestore(&lock, flags);
	return fail;
}
