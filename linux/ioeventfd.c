// SPDX-License-Identifier: GPL-2.0
/* KVM_IOEVENTFD: a guest's write to an address signals an eventfd, without an exit to userspace. */
#include <linux/rculist.h>
#include <linux/slab.h>

#include "compat.h"
#include "keel.h"

struct keel_ioeventfd {
	struct list_head list;
	struct rcu_head rcu;
	struct eventfd_ctx *eventfd;
	u64 addr;
	u32 len; /* 0: any */
	bool any_data;
	u64 data;
};

#define IOEVENTFD_FLAGS (KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_DEASSIGN)

static bool len_valid(u32 len)
{
	return len == 0 || len == 1 || len == 2 || len == 4 || len == 8;
}

static int check_args(const struct kvm_ioeventfd *args)
{
	if (args->flags & ~IOEVENTFD_FLAGS || !len_valid(args->len))
		return -EINVAL;
	if (args->addr + args->len < args->addr)
		return -EINVAL;
	/* Without a length there is no value to compare with. */
	if (!args->len && args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH)
		return -EINVAL;
	return 0;
}

static bool ioeventfds_collide(const struct keel_ioeventfd *a, const struct keel_ioeventfd *b)
{
	return a->addr == b->addr && (!a->len || !b->len || a->len == b->len) &&
	       (a->any_data || b->any_data || a->data == b->data);
}

static bool same_ioeventfd(const struct keel_ioeventfd *a, const struct keel_ioeventfd *b)
{
	return a->eventfd == b->eventfd && a->addr == b->addr && a->len == b->len &&
	       a->any_data == b->any_data && (a->any_data || a->data == b->data);
}

static void fill_ioeventfd(struct keel_ioeventfd *io, const struct kvm_ioeventfd *args,
			   struct eventfd_ctx *eventfd)
{
	io->eventfd = eventfd;
	io->addr = args->addr;
	io->len = args->len;
	io->any_data = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);
	io->data = args->datamatch;
}

/* Under vm->lock, as is remove_ioeventfd(). */
static int insert_ioeventfd(struct keel_vm *vm, struct keel_ioeventfd *io)
{
	struct keel_ioeventfd *other;

	list_for_each_entry (other, &vm->ioeventfds, list)
		if (ioeventfds_collide(io, other))
			return -EEXIST;
	list_add_tail_rcu(&io->list, &vm->ioeventfds);
	return 0;
}

static struct keel_ioeventfd *remove_ioeventfd(struct keel_vm *vm, const struct keel_ioeventfd *key)
{
	struct keel_ioeventfd *io;

	list_for_each_entry (io, &vm->ioeventfds, list) {
		if (!same_ioeventfd(io, key))
			continue;
		list_del_rcu(&io->list);
		return io;
	}
	return NULL;
}

static void free_ioeventfd(struct keel_ioeventfd *io)
{
	eventfd_ctx_put(io->eventfd);
	kfree(io);
}

static int assign_ioeventfd(struct keel_vm *vm, const struct kvm_ioeventfd *args,
			    struct eventfd_ctx *eventfd)
{
	struct keel_ioeventfd *io = kzalloc(sizeof(*io), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!io)
		return -ENOMEM;
	fill_ioeventfd(io, args, eventfd);
	mutex_lock(&vm->lock);
	ret = insert_ioeventfd(vm, io);
	mutex_unlock(&vm->lock);
	if (ret)
		kfree(io);
	return ret;
}

static int deassign_ioeventfd(struct keel_vm *vm, const struct kvm_ioeventfd *args,
			      struct eventfd_ctx *eventfd)
{
	struct keel_ioeventfd key, *io;

	fill_ioeventfd(&key, args, eventfd);
	mutex_lock(&vm->lock);
	io = remove_ioeventfd(vm, &key);
	mutex_unlock(&vm->lock);
	if (!io)
		return -ENOENT;
	synchronize_rcu();
	free_ioeventfd(io);
	return 0;
}

int keel_ioeventfd(struct keel_vm *vm, const struct kvm_ioeventfd *args)
{
	struct eventfd_ctx *eventfd;
	int ret = check_args(args);

	if (ret)
		return ret;
	eventfd = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	if (args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN) {
		ret = deassign_ioeventfd(vm, args, eventfd);
		eventfd_ctx_put(eventfd);
		return ret;
	}
	/* The list keeps the reference. */
	ret = assign_ioeventfd(vm, args, eventfd);
	if (ret)
		eventfd_ctx_put(eventfd);
	return ret;
}

static bool ioeventfd_matches(const struct keel_ioeventfd *io, u64 addr, u32 len, u64 value)
{
	return io->addr == addr && (!io->len || io->len == len) &&
	       (io->any_data || io->data == value);
}

bool keel_ioeventfd_write(struct keel_vm *vm, u64 addr, u32 len, u64 value)
{
	struct keel_ioeventfd *io;
	bool found = false;

	rcu_read_lock();
	list_for_each_entry_rcu (io, &vm->ioeventfds, list) {
		if (!ioeventfd_matches(io, addr, len, value))
			continue;
		keel_eventfd_signal(io->eventfd);
		found = true;
		break;
	}
	rcu_read_unlock();
	return found;
}

void keel_ioeventfd_release(struct keel_vm *vm)
{
	struct keel_ioeventfd *io, *next;

	list_for_each_entry_safe (io, next, &vm->ioeventfds, list)
		free_ioeventfd(io);
}
