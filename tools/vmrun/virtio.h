/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * virtio over MMIO (Virtual I/O Device version 1.1, 4.2; no legacy interface) with split virtqueues
 * (2.6). A kind of device (block, console) is a struct virtio_ops; this part has the registers, the
 * queues and the interrupt.
 *
 * A queue's work is done in the I/O thread: the guest's notification is a write to an eventfd, by
 * KVM where it has KVM_IOEVENTFD (and may use it), else by the vCPU's thread.
 */
#ifndef VMRUN_VIRTIO_H
#define VMRUN_VIRTIO_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "gic.h"
#include "vm.h"

#define VIRTIO_MAX_QUEUES 2
#define VIRTIO_QUEUE_SIZE 128

struct virtio_device;

/** struct virtio_queue - a virtqueue, as the driver has set it up. */
struct virtio_queue {
	struct virtio_device *device;
	unsigned int index;
	int kick; /* eventfd: the driver has added buffers */

	uint32_t size;
	bool ready;
	uint64_t desc, avail, used; /* guest physical */
	uint16_t next_avail;	    /* the first that was not taken yet */
};

/** struct virtio_ops - what makes a device a block device or a console. */
struct virtio_ops {
	uint32_t id;	   /* VIRTIO_ID_* */
	uint64_t features; /* offered beyond VIRTIO_F_VERSION_1 */
	unsigned int nr_queues;
	/* The driver has added buffers to @queue. I/O thread, with the device's lock held. */
	void (*kicked)(struct virtio_device *device, struct virtio_queue *queue);
};

/** struct virtio_device - a device's transport. */
struct virtio_device {
	const struct vm *vm;
	const struct virtio_ops *ops;
	void *self; /* the ops' own */
	const void *config;
	size_t config_size;
	uint64_t features;

	pthread_mutex_t lock; /* for all that follows, and the queues */
	struct gic_edge irq;
	uint32_t status, interrupt_status;
	uint32_t queue_select, features_select, driver_features_select;
	uint64_t driver_features;
	struct virtio_queue queues[VIRTIO_MAX_QUEUES];
};

/** struct virtio_chain - one request: buffers that the device reads, and such that it writes. */
struct virtio_chain {
	uint16_t head;
	unsigned int nr_out, nr_in;
	struct iovec out[VIRTIO_QUEUE_SIZE], in[VIRTIO_QUEUE_SIZE];
};

/**
 * virtio_add() - put a device into the next free place. After gic_create(), before vCPUs run.
 * @device: to be filled, and to stay
 * @more_features: offered beyond those of @ops
 * @config: the device's configuration space, @config_size bytes, constant
 */
void virtio_add(struct virtio_device *device, const struct vm *vm, const struct virtio_ops *ops,
		uint64_t more_features, void *self, const void *config, size_t config_size);

/** virtio_count() - how many there are, for the device tree: they lie one behind the other. */
unsigned int virtio_count(void);

/**
 * virtio_pop() - take the queue's next request
 *
 * Return: true with @chain filled; false if there is none, or if the driver has made a mess of the
 * queue (the device then tells the driver that it needs a reset, and the user what was wrong).
 */
bool virtio_pop(struct virtio_queue *queue, struct virtio_chain *chain);

/**
 * virtio_fill() - write to a request's in buffers, from their beginning
 *
 * Return: how much of the @count bytes fitted.
 */
size_t virtio_fill(const struct virtio_chain *chain, const void *bytes, size_t count);

/** virtio_push() - give a request back, with @written bytes written to its in buffers. */
void virtio_push(struct virtio_queue *queue, const struct virtio_chain *chain, uint32_t written);

/** virtio_interrupt() - tell the driver that requests came back, unless it suppresses interrupts. */
void virtio_interrupt(struct virtio_queue *queue);

#endif
