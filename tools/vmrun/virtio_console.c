// SPDX-License-Identifier: BSD-2-Clause
/* A virtio console. Queue 0 takes input to the guest, queue 1 brings its output. */
#include "virtio_console.h"

#include <linux/virtio_ids.h>
#include <string.h>

#include "loop.h"
#include "virtio.h"

#define RX_QUEUE 0
#define TX_QUEUE 1

static struct {
	struct virtio_device virtio;
	/* input that the driver has no buffer for yet; under the device's lock */
	uint8_t pending[64];
	size_t count;
} hvc;

static void give_pending(struct virtio_queue *queue)
{
	struct virtio_chain chain;
	bool any = false;

	while (hvc.count && virtio_pop(queue, &chain)) {
		size_t done = virtio_fill(&chain, hvc.pending, hvc.count);

		virtio_push(queue, &chain, (uint32_t)done);
		hvc.count -= done;
		memmove(hvc.pending, hvc.pending + done, hvc.count);
		any = true;
	}
	if (any)
		virtio_interrupt(queue);
}

static void print_output(struct virtio_queue *queue)
{
	struct virtio_chain chain;
	bool any = false;

	while (virtio_pop(queue, &chain)) {
		for (unsigned int i = 0; i < chain.nr_out; i++)
			terminal_output(chain.out[i].iov_base, chain.out[i].iov_len);
		virtio_push(queue, &chain, 0);
		any = true;
	}
	if (any)
		virtio_interrupt(queue);
}

static void kicked(struct virtio_device *device, struct virtio_queue *queue)
{
	(void)device;
	if (queue->index == RX_QUEUE)
		give_pending(queue);
	else if (queue->index == TX_QUEUE)
		print_output(queue);
}

/* No input is read before there is a driver. Both are called in the I/O thread, as kicked() is. */
static size_t room(void *self)
{
	size_t free_bytes = 0;

	(void)self;
	pthread_mutex_lock(&hvc.virtio.lock);
	if (hvc.virtio.queues[RX_QUEUE].ready)
		free_bytes = sizeof(hvc.pending) - hvc.count;
	pthread_mutex_unlock(&hvc.virtio.lock);
	return free_bytes;
}

static void input(void *self, const uint8_t *bytes, size_t count)
{
	(void)self;
	pthread_mutex_lock(&hvc.virtio.lock);
	if (count > sizeof(hvc.pending) - hvc.count)
		count = sizeof(hvc.pending) - hvc.count;
	memcpy(hvc.pending + hvc.count, bytes, count);
	hvc.count += count;
	give_pending(&hvc.virtio.queues[RX_QUEUE]);
	pthread_mutex_unlock(&hvc.virtio.lock);
}

const struct console *virtio_console_create(const struct vm *vm)
{
	static const struct virtio_ops ops = {
		.id = VIRTIO_ID_CONSOLE,
		.nr_queues = 2,
		.kicked = kicked,
	};
	static const struct console console = { .room = room, .input = input };

	virtio_add(&hvc.virtio, vm, &ops, 0, NULL, NULL, 0);
	return &console;
}
