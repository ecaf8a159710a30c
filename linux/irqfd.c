// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_IRQFD: a write to an eventfd raises what its GSI is routed to (route.c). With
 * KVM_IRQFD_FLAG_RESAMPLE the interrupt is a level, which stays high until the guest has ended it
 * (EL2 tells); then it is lowered, and the other eventfd is signalled, so that whoever raised it
 * looks again. This other eventfd is found under RCU.
 *
 * An irqfd is on vm->irqfds while it is active. It is removed from the list by KVM_IRQFD with
 * DEASSIGN, at the end of the VM, or when the eventfd is released. The workqueue does the rest,
 * because the eventfd is released with its wait-queue lock held.
 *
 * No irqfd is removed before it is complete, that is before its wait entry is in the queue of the
 * eventfd: DEASSIGN waits for vm->irqfds_mutex, which is held while one is made; the VM ends after
 * all of its ioctls; and the eventfd is released after the last reference to its file, one of which
 * is held meanwhile.
 */
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "keel.h"

struct keel_irqfd {
	struct keel_vm *vm;
	struct eventfd_ctx *eventfd;
	u32 gsi;
	struct eventfd_ctx *resample; /* NULL: it raises edges */
	struct list_head resamplers;  /* in vm->resamplers */
	struct list_head list;	      /* empty: it is being removed */
	wait_queue_entry_t wait;
	poll_table poll;
	struct work_struct end;
};

static struct workqueue_struct *workqueue;

/* Whether another irqfd, which may be what holds the line, raises the same level. */
static bool shares_line(struct keel_irqfd *irqfd)
{
	struct keel_irqfd *other;
	bool shared = false;

	rcu_read_lock();
	list_for_each_entry_rcu (other, &irqfd->vm->resamplers, resamplers)
		shared |= other->gsi == irqfd->gsi;
	rcu_read_unlock();
	return shared;
}

/* With the mutex, so that no other one is made and raises the line before it falls. */
static void leave_line(struct keel_irqfd *irqfd)
{
	mutex_lock(&irqfd->vm->irqfds_mutex);
	if (!shares_line(irqfd))
		keel_lower_gsi(irqfd->vm, irqfd->gsi);
	mutex_unlock(&irqfd->vm->irqfds_mutex);
}

/* It is on no list, and raises nothing any more. */
static void free_irqfd(struct keel_irqfd *irqfd)
{
	if (irqfd->resample) {
		leave_line(irqfd);
		synchronize_rcu();
		eventfd_ctx_put(irqfd->resample);
	}
	eventfd_ctx_put(irqfd->eventfd);
	kfree(irqfd);
}

static void end_work(struct work_struct *work)
{
	struct keel_irqfd *irqfd = container_of(work, struct keel_irqfd, end);
	u64 count;

	/* From here on the eventfd does not call irqfd_wakeup(). */
	eventfd_ctx_remove_wait_queue(irqfd->eventfd, &irqfd->wait, &count);
	free_irqfd(irqfd);
}

/* Under irqfds_lock. */
static void deactivate_irqfd(struct keel_irqfd *irqfd)
{
	list_del_init(&irqfd->list);
	if (irqfd->resample)
		list_del_rcu(&irqfd->resamplers);
	queue_work(workqueue, &irqfd->end);
}

/* Any context. */
static void raise_irqfd(struct keel_irqfd *irqfd)
{
	if (!irqfd->resample) {
		keel_raise_gsi(irqfd->vm, irqfd->gsi);
		return;
	}
	keel_hold_gsi(irqfd->vm, irqfd->gsi);
}

/* The line falls first: what is raised after the signal stays. */
void keel_irqfd_ended(struct keel_vm *vm, u32 pin)
{
	struct keel_irqfd *irqfd;
	bool lowered = false;

	rcu_read_lock();
	list_for_each_entry_rcu (irqfd, &vm->resamplers, resamplers) {
		if (!keel_gsi_is_pin(vm, irqfd->gsi, pin))
			continue;
		if (!lowered)
			keel_lower_gsi(vm, irqfd->gsi);
		lowered = true;
		keel_eventfd_signal(irqfd->resample);
	}
	rcu_read_unlock();
}

/* With the eventfd's wait-queue lock held, interrupts off. */
static int irqfd_wakeup(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct keel_irqfd *irqfd = container_of(wait, struct keel_irqfd, wait);
	__poll_t events = key_to_poll(key);
	unsigned long flags;
	u64 count;

	if (events & EPOLLIN) {
		eventfd_ctx_do_read(irqfd->eventfd, &count);
		raise_irqfd(irqfd);
	}
	if (events & EPOLLHUP) {
		spin_lock_irqsave(&irqfd->vm->irqfds_lock, flags);
		if (!list_empty(&irqfd->list))
			deactivate_irqfd(irqfd);
		spin_unlock_irqrestore(&irqfd->vm->irqfds_lock, flags);
	}
	return 0;
}

static void queue_proc(struct file *file, wait_queue_head_t *head, poll_table *poll)
{
	struct keel_irqfd *irqfd = container_of(poll, struct keel_irqfd, poll);

	add_wait_queue(head, &irqfd->wait);
}

static int add_irqfd(struct keel_vm *vm, struct keel_irqfd *irqfd)
{
	struct keel_irqfd *other;
	int ret = 0;

	spin_lock_irq(&vm->irqfds_lock);
	list_for_each_entry (other, &vm->irqfds, list)
		if (other->eventfd == irqfd->eventfd)
			ret = -EBUSY;
	if (!ret)
		list_add_tail(&irqfd->list, &vm->irqfds);
	if (!ret && irqfd->resample)
		list_add_tail_rcu(&irqfd->resamplers, &vm->resamplers);
	spin_unlock_irq(&vm->irqfds_lock);
	return ret;
}

/* Under irqfds_mutex, with a reference to @file. */
static int start_irqfd(struct keel_vm *vm, struct keel_irqfd *irqfd, struct file *file)
{
	int ret = add_irqfd(vm, irqfd);

	if (ret)
		return ret;
	if (vfs_poll(file, &irqfd->poll) & EPOLLIN)
		raise_irqfd(irqfd);
	return 0;
}

static struct keel_irqfd *alloc_irqfd(struct keel_vm *vm, u32 gsi)
{
	struct keel_irqfd *irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);

	if (!irqfd)
		return NULL;
	irqfd->vm = vm;
	irqfd->gsi = gsi;
	INIT_LIST_HEAD(&irqfd->list);
	INIT_WORK(&irqfd->end, end_work);
	init_waitqueue_func_entry(&irqfd->wait, irqfd_wakeup);
	init_poll_funcptr(&irqfd->poll, queue_proc);
	return irqfd;
}

/* The eventfds of @irqfd. On an error it may have some of them. */
static int take_eventfds(struct keel_irqfd *irqfd, const struct kvm_irqfd *args, struct file *file)
{
	struct eventfd_ctx *eventfd = eventfd_ctx_fileget(file);

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	irqfd->eventfd = eventfd;
	if (!(args->flags & KVM_IRQFD_FLAG_RESAMPLE))
		return 0;
	eventfd = eventfd_ctx_fdget(args->resamplefd);
	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	irqfd->resample = eventfd;
	return 0;
}

/* One that was never on a list. */
static void drop_irqfd(struct keel_irqfd *irqfd)
{
	if (irqfd->eventfd)
		eventfd_ctx_put(irqfd->eventfd);
	if (irqfd->resample)
		eventfd_ctx_put(irqfd->resample);
	kfree(irqfd);
}

static int assign_file(struct keel_vm *vm, const struct kvm_irqfd *args, struct file *file)
{
	struct keel_irqfd *irqfd = alloc_irqfd(vm, args->gsi);
	int ret;

	if (!irqfd)
		return -ENOMEM;
	ret = take_eventfds(irqfd, args, file);
	if (!ret) {
		mutex_lock(&vm->irqfds_mutex);
		ret = start_irqfd(vm, irqfd, file);
		mutex_unlock(&vm->irqfds_mutex);
	}
	if (ret)
		drop_irqfd(irqfd);
	return ret;
}

static int assign_irqfd(struct keel_vm *vm, const struct kvm_irqfd *args)
{
	struct file *file;
	int ret;

	if (!keel_vgic_initialized(vm))
		return -EAGAIN;
	file = fget(args->fd);
	if (!file)
		return -EBADF;
	ret = assign_file(vm, args, file);
	fput(file);
	return ret;
}

static int deassign_irqfd(struct keel_vm *vm, const struct kvm_irqfd *args)
{
	struct eventfd_ctx *eventfd = eventfd_ctx_fdget(args->fd);
	struct keel_irqfd *irqfd, *next;

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	mutex_lock(&vm->irqfds_mutex);
	spin_lock_irq(&vm->irqfds_lock);
	list_for_each_entry_safe (irqfd, next, &vm->irqfds, list)
		if (irqfd->eventfd == eventfd && irqfd->gsi == args->gsi)
			deactivate_irqfd(irqfd);
	spin_unlock_irq(&vm->irqfds_lock);
	mutex_unlock(&vm->irqfds_mutex);
	eventfd_ctx_put(eventfd);
	/* When this returns the irqfd raises no more interrupts. */
	flush_workqueue(workqueue);
	return 0;
}

int keel_irqfd(struct keel_vm *vm, const struct kvm_irqfd *args)
{
	if (args->flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	return args->flags & KVM_IRQFD_FLAG_DEASSIGN ? deassign_irqfd(vm, args)
						     : assign_irqfd(vm, args);
}

/* The VM's file is closed. */
void keel_irqfd_release(struct keel_vm *vm)
{
	struct keel_irqfd *irqfd, *next;

	spin_lock_irq(&vm->irqfds_lock);
	list_for_each_entry_safe (irqfd, next, &vm->irqfds, list)
		deactivate_irqfd(irqfd);
	spin_unlock_irq(&vm->irqfds_lock);
	flush_workqueue(workqueue);
}

int keel_irqfd_init(void)
{
	workqueue = alloc_workqueue("keel-irqfd", 0, 0);
	return workqueue ? 0 : -ENOMEM;
}

void keel_irqfd_exit(void)
{
	destroy_workqueue(workqueue);
}
