// SPDX-License-Identifier: GPL-2.0
/*
 * VMs and EL2's memory when the host hibernates or another kernel replaces it. An image of the
 * host's memory does not contain what EL2 has, and the next kernel needs all memory for itself.
 * Also VMs that an earlier kernel left behind.
 *
 * Locks: life_lock, then vms_lock. A VM is created with life_lock held for reading.
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
static int closed; /* error for the creation of a VM, 0 if VMs can be created; under life_lock */

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

/* After the last VM has gone EL2 needs no more memory than at boot. */
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

/* A VM that has not been ended and still has users, with a reference; NULL if there is none. */
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

/* The same, or a VM's process ends, which ends the VM first (keel_vm_leave()). */
static bool is_any_ending(void)
{
	struct keel_vm *vm;
	bool found = false;

	spin_lock(&vms_lock);
	list_for_each_entry (vm, &vms, all)
		if (!kref_read(&vm->kref) || (READ_ONCE(vm->ended) && !READ_ONCE(vm->gone)))
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
		pr_err("%s is refused: there are VMs, whose state at EL2 would be lost\n", what);
	} else if (!keel_pool_reclaim()) {
		pr_err("%s is refused: Keel cannot return all donated memory\n", what);
	} else {
		closed = -EBUSY;
		ret = NOTIFY_OK;
	}
	up_write(&life_lock);
	return ret;
}

/*
 * It may be another Keel than the one that was there when the image was written, with other limits.
 * No VM is created while the limits are replaced.
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
 * How long a restart waits for VMs that are being released, in steps of half a millisecond: a large
 * VM takes a while.
 */
#define RELEASE_TRIES 20000

/* kexec, too, reports SYS_RESTART. */
static int on_restart(struct notifier_block *block, unsigned long event, void *unused)
{
	struct keel_vm *vm;

	if (event != SYS_RESTART)
		return NOTIFY_DONE;
	down_write(&life_lock);
	closed = -EIO;
	up_write(&life_lock);
	while ((vm = next_vm())) {
		keel_vm_end(vm);
		keel_vm_put(vm);
	}
	for (unsigned int tries = 0; tries < RELEASE_TRIES && is_any_ending(); tries++)
		usleep_range(500, 1000);
	keel_pool_close();
	if (!keel_pool_reclaim())
		pr_err("Keel cannot return all donated memory: a kernel started by kexec must not use it\n");
	keel_inject_restart();
	return NOTIFY_OK;
}

static struct notifier_block restart_block = { .notifier_call = on_restart };

/* VMs of a kernel that crashed: nobody uses them any more. */
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
		pr_info("destroyed %u VMs of an earlier kernel\n", count);
}

/* ---- memory ---- */

/* The memory cannot be refused here: it may be meant for the host alone. */
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
		pr_warn("Keel cannot return all donated memory\n");
}
