// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of VMs and of EL2's memory when the host goes: it hibernates, or another kernel
 * takes its place. EL2 does not come along in an image of memory, and the next kernel has to find
 * all memory its own. Also what becomes of VMs that another kernel left.
 *
 * Locks: life_lock, then vms_lock. A VM is made with life_lock held for reading.
 */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/delay.h>
#include <linux/memory.h>
#include <linux/notifier.h>
#include <linux/reboot.h>
#include <linux/rwsem.h>
#include <linux/suspend.h>

#include "keel.h"

static DECLARE_RWSEM(life_lock);
static int closed; /* the errno of a VM's creation, or 0 if VMs can be made; under life_lock */

static DEFINE_SPINLOCK(vms_lock);
static LIST_HEAD(vms); /* keel_vm.all; under vms_lock */

/* ---- VMs ---- */

int keel_life_begin(void)
{
	int ret;

	down_read(&life_lock);
	ret = closed;
	if (ret)
		up_read(&life_lock);
	return ret;
}

void keel_life_end(void)
{
	up_read(&life_lock);
}

void keel_life_add(struct keel_vm *vm)
{
	spin_lock(&vms_lock);
	list_add(&vm->all, &vms);
	spin_unlock(&vms_lock);
}

/* The last one gone, EL2 needs no more than it had at boot. */
void keel_life_remove(struct keel_vm *vm)
{
	bool last;

	spin_lock(&vms_lock);
	list_del(&vm->all);
	last = list_empty(&vms);
	spin_unlock(&vms_lock);
	if (last)
		keel_pool_reclaim();
}

/* A VM that has not ended yet, and whose last user is not gone: counted. */
static struct keel_vm *next_vm(void)
{
	struct keel_vm *vm, *found = NULL;

	spin_lock(&vms_lock);
	list_for_each_entry (vm, &vms, all) {
		if (READ_ONCE(vm->ended) || !kref_get_unless_zero(&vm->kref))
			continue;
		found = vm;
		break;
	}
	spin_unlock(&vms_lock);
	return found;
}

struct keel_vm *keel_life_next(struct keel_vm *vm)
{
	struct keel_vm *previous = vm, *found = NULL;

	spin_lock(&vms_lock);
	vm = list_prepare_entry(vm, &vms, all);
	list_for_each_entry_continue(vm, &vms, all)
	{
		if (!kref_get_unless_zero(&vm->kref))
			continue;
		found = vm;
		break;
	}
	spin_unlock(&vms_lock);
	if (previous)
		keel_vm_put(previous);
	return found;
}

bool keel_life_releasing(void)
{
	struct keel_vm *vm;
	bool found = false;

	spin_lock(&vms_lock);
	list_for_each_entry (vm, &vms, all)
		if (!kref_read(&vm->kref))
			found = true;
	spin_unlock(&vms_lock);
	return found;
}

/* ---- hibernation ---- */

static int prepare_sleep(const char *what)
{
	int ret = notifier_from_errno(-EBUSY);

	down_write(&life_lock);
	if (!list_empty_careful(&vms)) {
		pr_err("%s is refused: there are VMs, and what EL2 has of them is in no image\n",
		       what);
	} else if (!keel_pool_reclaim()) {
		pr_err("%s is refused: Keel cannot give all memory back that it was given\n", what);
	} else {
		closed = -EBUSY;
		ret = NOTIFY_OK;
	}
	up_write(&life_lock);
	return ret;
}

/*
 * It may be another Keel than the one that was there when the image was written, with other limits.
 * No VM is made while these are replaced.
 */
static int allow_vms_again(void)
{
	down_write(&life_lock);
	closed = keel_find();
	if (!closed)
		closed = keel_caps_probe();
	up_write(&life_lock);
	return NOTIFY_OK;
}

static int on_sleep(struct notifier_block *block, unsigned long event, void *unused)
{
	switch (event) {
	case PM_HIBERNATION_PREPARE:
		return prepare_sleep("hibernation");
	case PM_RESTORE_PREPARE:
		return prepare_sleep("the return from hibernation");
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
		return allow_vms_again();
	default:
		return NOTIFY_DONE;
	}
}

static struct notifier_block sleep_block = { .notifier_call = on_sleep };

/* ---- another kernel ---- */

/*
 * How long the restart waits for VMs that are being released, in steps of half a millisecond: a large
 * one takes a while.
 */
#define RELEASE_TRIES 20000

/* SYS_RESTART is also what kexec says. */
static int on_restart(struct notifier_block *block, unsigned long event, void *unused)
{
	struct keel_vm *vm;
	unsigned int tries;

	if (event != SYS_RESTART)
		return NOTIFY_DONE;
	down_write(&life_lock);
	closed = -EIO;
	up_write(&life_lock);
	while ((vm = next_vm())) {
		keel_vm_end(vm);
		keel_vm_put(vm);
	}
	for (tries = 0; tries < RELEASE_TRIES && keel_life_releasing(); tries++)
		usleep_range(500, 1000);
	if (!keel_pool_reclaim())
		pr_err("Keel keeps memory: a kernel that is started by kexec must not use it\n");
	return NOTIFY_OK;
}

static struct notifier_block restart_block = { .notifier_call = on_restart };

/* A kernel that died had VMs: nobody has them now. */
static void end_leftovers(void)
{
	unsigned int count = 0;
	u64 handle = 0;
	long ret;

	while (!keel_call(KEEL_HC_VM_NEXT, handle, 0, 0, 0, 0, &handle) && handle) {
		do {
			ret = keel_call(KEEL_HC_VM_DESTROY, handle, 0, 0, 0, 0, NULL);
			cond_resched();
		} while (ret == -EAGAIN);
		count += !ret;
	}
	if (count)
		pr_info("%u VMs of an earlier kernel's are ended\n", count);
}

/* ---- memory ---- */

/* Nobody can take it back: it may well be meant for the host alone. */
static int on_memory(struct notifier_block *block, unsigned long event, void *arg)
{
	struct memory_notify *memory = arg;

	if (event == MEM_ONLINE && !keel_boot_memory(pfn_to_page(memory->start_pfn)))
		pr_warn("memory at %#llx was added after boot, and Keel does not know it: KVM_RUN "
			"fails for a VM that uses some of it\n",
			(u64)PFN_PHYS(memory->start_pfn));
	return NOTIFY_OK;
}

static struct notifier_block memory_block = { .notifier_call = on_memory };

/* ---- life ---- */

int keel_life_init(void)
{
	int ret;

	end_leftovers();
	ret = register_pm_notifier(&sleep_block);
	if (ret)
		return ret;
	ret = register_reboot_notifier(&restart_block);
	if (ret)
		goto no_restart;
	ret = register_memory_notifier(&memory_block);
	if (ret)
		goto no_memory;
	return 0;

no_memory:
	unregister_reboot_notifier(&restart_block);
no_restart:
	unregister_pm_notifier(&sleep_block);
	return ret;
}

void keel_life_exit(void)
{
	unregister_memory_notifier(&memory_block);
	unregister_reboot_notifier(&restart_block);
	unregister_pm_notifier(&sleep_block);
	if (!keel_pool_reclaim())
		pr_warn("Keel keeps some of the memory that it was given\n");
}
