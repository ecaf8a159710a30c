// SPDX-License-Identifier: BSD-2-Clause
/* virtio over MMIO: registers, split virtqueues, interrupt. Section numbers are virtio 1.1's. */
#include "virtio.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "layout.h"
#include "loop.h"
#include "message.h"
#include "mmio.h"

#define MAGIC	  0x74726976 /* "virt" */
#define VERSION	  2
#define VENDOR_ID 0x4c45454b /* "KEEL" */

static unsigned int nr_devices;

/* ---- virtqueues (2.6) ---- */

/* 2.1.2: the device has met an error that it cannot recover from. */
static void needs_reset(struct virtio_queue *queue, const char *why)
{
	struct virtio_device *device = queue->device;

	warn("virtio device %u, queue %u: %s", device->ops->id, queue->index, why);
	device->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	device->interrupt_status |= VIRTIO_MMIO_INT_CONFIG;
	gic_pulse(&device->irq);
}

static struct vring_avail *avail_ring(const struct virtio_queue *queue)
{
	return vm_ram(queue->device->vm, queue->avail,
		      sizeof(struct vring_avail) + queue->size * sizeof(__virtio16));
}

static struct vring_used *used_ring(const struct virtio_queue *queue)
{
	return vm_ram(queue->device->vm, queue->used,
		      sizeof(struct vring_used) + queue->size * sizeof(struct vring_used_elem));
}

static const struct vring_desc *descriptors(const struct virtio_queue *queue)
{
	return vm_ram(queue->device->vm, queue->desc, queue->size * sizeof(struct vring_desc));
}

/*
 * Checked when the driver sets the queue ready: from then on all of the rings is known to be in
 * memory.
 */
static bool rings_are_usable(const struct virtio_queue *queue)
{
	return queue->size && queue->size <= VIRTIO_QUEUE_SIZE &&
	       !(queue->size & (queue->size - 1)) && !(queue->desc % 16) && !(queue->avail % 2) &&
	       !(queue->used % 4) && descriptors(queue) && avail_ring(queue) && used_ring(queue);
}

static bool is_usable(const struct virtio_queue *queue)
{
	return queue->ready && queue->device->status & VIRTIO_CONFIG_S_DRIVER_OK &&
	       !(queue->device->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

/* Add a buffer of the chain. Return: what is wrong with it, or NULL. */
static const char *add_buffer(const struct virtio_queue *queue, struct virtio_chain *chain,
			      const struct vring_desc *desc)
{
	struct iovec buffer = {
		.iov_base = vm_ram(queue->device->vm, desc->addr, desc->len),
		.iov_len = desc->len,
	};

	if (!buffer.iov_base)
		return "a buffer is not in memory";
	if (chain->nr_out + chain->nr_in == queue->size)
		return "a chain of buffers has no end";
	if (desc->flags & VRING_DESC_F_INDIRECT)
		return "an indirect buffer, which was not offered";
	if (desc->flags & VRING_DESC_F_WRITE)
		chain->in[chain->nr_in++] = buffer;
	else if (chain->nr_in)
		return "a buffer to read comes behind one to write";
	else
		chain->out[chain->nr_out++] = buffer;
	return NULL;
}

/* Each descriptor is copied before it is looked at: the driver may change it at any time. */
static const char *collect_chain(const struct virtio_queue *queue, struct virtio_chain *chain)
{
	const volatile struct vring_desc *table = descriptors(queue);
	const char *wrong = NULL;
	struct vring_desc desc = { .next = chain->head, .flags = VRING_DESC_F_NEXT };

	while (!wrong && desc.flags & VRING_DESC_F_NEXT) {
		if (desc.next >= queue->size)
			return "a descriptor's number is too great";
		desc = table[desc.next];
		wrong = add_buffer(queue, chain, &desc);
	}
	return wrong;
}

bool virtio_pop(struct virtio_queue *queue, struct virtio_chain *chain)
{
	const struct vring_avail *avail;
	const char *wrong;

	if (!is_usable(queue))
		return false;
	avail = avail_ring(queue);
	/* Acquire: the ring's entry and descriptors are read after the index (2.6.13). */
	if (__atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE) == queue->next_avail)
		return false;
	chain->nr_out = 0;
	chain->nr_in = 0;
	chain->head =
		__atomic_load_n(&avail->ring[queue->next_avail % queue->size], __ATOMIC_RELAXED);
	wrong = collect_chain(queue, chain);
	if (wrong) {
		needs_reset(queue, wrong);
		return false;
	}
	queue->next_avail++;
	return true;
}

size_t virtio_fill(const struct virtio_chain *chain, const void *bytes, size_t count)
{
	size_t done = 0;

	for (unsigned int i = 0; i < chain->nr_in && done < count; i++) {
		size_t room = chain->in[i].iov_len;
		size_t part = count - done < room ? count - done : room;

		memcpy(chain->in[i].iov_base, (const char *)bytes + done, part);
		done += part;
	}
	return done;
}

void virtio_push(struct virtio_queue *queue, const struct virtio_chain *chain, uint32_t written)
{
	struct vring_used *used = used_ring(queue);
	uint16_t index = used->idx;

	used->ring[index % queue->size] =
		(struct vring_used_elem){ .id = chain->head, .len = written };
	/* Release: the driver sees the entry before the index (2.6.8). */
	__atomic_store_n(&used->idx, (uint16_t)(index + 1), __ATOMIC_RELEASE);
}

void virtio_interrupt(struct virtio_queue *queue)
{
	struct virtio_device *device = queue->device;
	const struct vring_avail *avail = avail_ring(queue);

	/*
	 * The index is written before the flag is read, while the driver writes the flag and reads
	 * the index.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&avail->flags, __ATOMIC_RELAXED) & VRING_AVAIL_F_NO_INTERRUPT)
		return;
	device->interrupt_status |= VIRTIO_MMIO_INT_VRING;
	gic_pulse(&device->irq);
}

/* ---- registers (4.2.2) ---- */

static void reset(struct virtio_device *device)
{
	device->status = 0;
	device->interrupt_status = 0;
	device->driver_features = 0;
	for (unsigned int i = 0; i < VIRTIO_MAX_QUEUES; i++) {
		struct virtio_queue *queue = &device->queues[i];

		*queue = (struct virtio_queue){ .device = device, .index = i, .kick = queue->kick };
	}
}

static void write_status(struct virtio_device *device, uint32_t value)
{
	if (!value) {
		reset(device);
		return;
	}
	/* 3.1.1: the device refuses features by keeping FEATURES_OK clear. */
	if (device->driver_features & ~device->features)
		value &= ~(uint32_t)VIRTIO_CONFIG_S_FEATURES_OK;
	device->status = value | (device->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void write_ready(struct virtio_queue *queue, uint32_t value)
{
	queue->ready = value && rings_are_usable(queue);
	if (value && !queue->ready)
		needs_reset(queue, "its rings are misaligned, too long or not in memory");
}

static void set_half(uint64_t *whole, bool high, uint32_t value)
{
	unsigned int shift = high ? 32 : 0;

	*whole = (*whole & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)value << shift;
}

static void write_queue_register(struct virtio_queue *queue, uint64_t offset, uint32_t value)
{
	/* 4.2.2.2: the driver must not change a queue that is ready; this one does not change. */
	if (queue->ready && offset != VIRTIO_MMIO_QUEUE_READY)
		return;
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		queue->size = value;
		break;
	case VIRTIO_MMIO_QUEUE_READY:
		write_ready(queue, value);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_half(&queue->desc, offset == VIRTIO_MMIO_QUEUE_DESC_HIGH, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_half(&queue->avail, offset == VIRTIO_MMIO_QUEUE_AVAIL_HIGH, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_half(&queue->used, offset == VIRTIO_MMIO_QUEUE_USED_HIGH, value);
		break;
	default:
		break;
	}
}

static struct virtio_queue *selected_queue(struct virtio_device *device)
{
	return device->queue_select < device->ops->nr_queues ? &device->queues[device->queue_select]
							     : NULL;
}

static void write_register(struct virtio_device *device, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		device->features_select = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		device->driver_features_select = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		if (device->driver_features_select < 2)
			set_half(&device->driver_features, device->driver_features_select, value);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		device->queue_select = value;
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY: /* only without KVM_IOEVENTFD */
		if (value < device->ops->nr_queues)
			eventfd_write(device->queues[value].kick, 1);
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		device->interrupt_status &= ~value;
		break;
	case VIRTIO_MMIO_STATUS:
		write_status(device, value);
		break;
	default:
		if (selected_queue(device))
			write_queue_register(selected_queue(device), offset, value);
		break;
	}
}

static uint32_t read_register(struct virtio_device *device, uint64_t offset)
{
	struct virtio_queue *queue = selected_queue(device);

	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MAGIC;
	case VIRTIO_MMIO_VERSION:
		return VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return device->ops->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR_ID;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return device->features_select < 2
			       ? (uint32_t)(device->features >> (32 * device->features_select))
			       : 0;
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return queue ? VIRTIO_QUEUE_SIZE : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return queue && queue->ready;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return device->interrupt_status;
	case VIRTIO_MMIO_STATUS:
		return device->status;
	default: /* the configuration never changes: neither does its generation */
		return 0;
	}
}

static uint64_t read_config(const struct virtio_device *device, uint64_t offset, unsigned int size)
{
	uint64_t value = 0;

	if (offset < device->config_size && size <= device->config_size - offset)
		memcpy(&value, (const uint8_t *)device->config + offset, size);
	return value;
}

static uint64_t virtio_read(void *self, uint64_t offset, unsigned int size)
{
	struct virtio_device *device = self;
	uint32_t value;

	if (offset >= VIRTIO_MMIO_CONFIG)
		return read_config(device, offset - VIRTIO_MMIO_CONFIG, size);
	pthread_mutex_lock(&device->lock);
	value = read_register(device, offset);
	pthread_mutex_unlock(&device->lock);
	return value;
}

static void virtio_write(void *self, uint64_t offset, unsigned int size, uint64_t value)
{
	struct virtio_device *device = self;

	(void)size;
	pthread_mutex_lock(&device->lock);
	write_register(device, offset, (uint32_t)value);
	pthread_mutex_unlock(&device->lock);
}

/* ---- set-up ---- */

static void queue_ready(void *arg)
{
	struct virtio_queue *queue = arg;
	struct virtio_device *device = queue->device;
	eventfd_t count;

	eventfd_read(queue->kick, &count);
	pthread_mutex_lock(&device->lock);
	device->ops->kicked(device, queue);
	pthread_mutex_unlock(&device->lock);
}

/* KVM then finishes the guest's write of the queue's number to QUEUE_NOTIFY by itself. */
static void let_kvm_notify(const struct virtio_queue *queue, uint64_t base)
{
	const struct kvm_ioeventfd notify = {
		.datamatch = queue->index,
		.addr = base + VIRTIO_MMIO_QUEUE_NOTIFY,
		.len = sizeof(uint32_t),
		.fd = queue->kick,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	VM_IOCTL(queue->device->vm->fd, KVM_IOEVENTFD, &notify);
}

static void add_queue(struct virtio_queue *queue, uint64_t base)
{
	const struct vm *vm = queue->device->vm;
	struct watch watch = { .ready = queue_ready, .arg = queue };

	queue->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->kick < 0)
		die("cannot create an eventfd: %s", strerror(errno));
	if (vm->eventfds && vm_has(vm, KVM_CAP_IOEVENTFD))
		let_kvm_notify(queue, base);
	watch.fd = queue->kick;
	loop_watch(&watch);
}

void virtio_add(struct virtio_device *device, const struct vm *vm, const struct virtio_ops *ops,
		uint64_t more_features, void *self, const void *config, size_t config_size)
{
	const struct mmio_device mmio = {
		.name = "virtio",
		.base = VIRTIO_BASE + nr_devices * VIRTIO_SIZE,
		.size = VIRTIO_SIZE,
		.self = device,
		.read = virtio_read,
		.write = virtio_write,
	};

	if (nr_devices == MAX_VIRTIO)
		die("too many disks: %d at most", MAX_VIRTIO - 1);
	*device = (struct virtio_device){
		.vm = vm,
		.ops = ops,
		.self = self,
		.config = config,
		.config_size = config_size,
		.features = UINT64_C(1) << VIRTIO_F_VERSION_1 | ops->features | more_features,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	gic_edge_init(&device->irq, vm, VIRTIO_INTID + nr_devices);
	reset(device);
	for (unsigned int i = 0; i < ops->nr_queues; i++)
		add_queue(&device->queues[i], mmio.base);
	mmio_add(&mmio);
	nr_devices++;
}

unsigned int virtio_count(void)
{
	return nr_devices;
}
