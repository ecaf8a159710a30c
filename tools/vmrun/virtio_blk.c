// SPDX-License-Identifier: BSD-2-Clause
/* A virtio disk. Requests are done one after the other, in the I/O thread. */
#include "virtio_blk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "message.h"
#include "virtio.h"

#define SECTOR_SIZE 512
#define FEATURE(n)  (UINT64_C(1) << (n))

struct disk {
	struct virtio_device virtio;
	struct virtio_blk_config config;
	const char *name; /* of the file */
	int fd;
	bool read_only;
};

/* The bytes that @buffers hold together. */
static uint64_t total(const struct iovec *buffers, unsigned int count)
{
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < count; i++)
		bytes += buffers[i].iov_len;
	return bytes;
}

static bool is_on_disk(const struct disk *disk, uint64_t sector, uint64_t bytes)
{
	return bytes % SECTOR_SIZE == 0 && sector <= disk->config.capacity &&
	       bytes / SECTOR_SIZE <= disk->config.capacity - sector;
}

/*
 * Transfer all of @buffers, from @sector on; a short transfer (end of the file, disk full) fails.
 */
static uint8_t transfer(const struct disk *disk, const struct iovec *buffers, unsigned int count,
			uint64_t sector, bool is_write)
{
	off_t at = (off_t)(sector * SECTOR_SIZE);

	for (unsigned int i = 0; i < count; i++) {
		char *next = buffers[i].iov_base;
		size_t left = buffers[i].iov_len;

		while (left) {
			ssize_t done = is_write ? pwrite(disk->fd, next, left, at)
						: pread(disk->fd, next, left, at);

			if (done < 0 && errno == EINTR)
				continue;
			if (done <= 0)
				return VIRTIO_BLK_S_IOERR;
			next += done;
			left -= (size_t)done;
			at += done;
		}
	}
	return VIRTIO_BLK_S_OK;
}

static uint8_t get_id(const struct disk *disk, const struct virtio_chain *chain)
{
	char id[VIRTIO_BLK_ID_BYTES] = { 0 };
	const char *slash = strrchr(disk->name, '/');
	const char *name = slash ? slash + 1 : disk->name;

	memcpy(id, name, strnlen(name, sizeof(id)));
	return virtio_fill(chain, id, sizeof(id)) == sizeof(id) ? VIRTIO_BLK_S_OK
								: VIRTIO_BLK_S_IOERR;
}

/* @chain has been stripped of its header and of the status. */
static uint8_t do_request(const struct disk *disk, const struct virtio_blk_outhdr *header,
			  const struct virtio_chain *chain)
{
	switch (header->type) {
	case VIRTIO_BLK_T_IN:
		if (!is_on_disk(disk, header->sector, total(chain->in, chain->nr_in)))
			return VIRTIO_BLK_S_IOERR;
		return transfer(disk, chain->in, chain->nr_in, header->sector, false);
	case VIRTIO_BLK_T_OUT:
		if (disk->read_only ||
		    !is_on_disk(disk, header->sector, total(chain->out, chain->nr_out)))
			return VIRTIO_BLK_S_IOERR;
		return transfer(disk, chain->out, chain->nr_out, header->sector, true);
	case VIRTIO_BLK_T_FLUSH:
		return fdatasync(disk->fd) == 0 ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
	case VIRTIO_BLK_T_GET_ID:
		return get_id(disk, chain);
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

/* A request begins with its header, in buffers of whatever sizes (2.6.4). Take it off the chain. */
static bool take_header(struct virtio_chain *chain, struct virtio_blk_outhdr *header)
{
	size_t have = 0;

	for (unsigned int i = 0; i < chain->nr_out && have < sizeof(*header); i++) {
		struct iovec *out = &chain->out[i];
		size_t part = sizeof(*header) - have;

		if (part > out->iov_len)
			part = out->iov_len;
		memcpy((char *)header + have, out->iov_base, part);
		out->iov_base = (char *)out->iov_base + part;
		out->iov_len -= part;
		have += part;
	}
	return have == sizeof(*header);
}

/* The last byte that the device writes is the status (5.2.6). Take it off the chain. */
static uint8_t *take_status(struct virtio_chain *chain)
{
	struct iovec *last;

	while (chain->nr_in && !chain->in[chain->nr_in - 1].iov_len)
		chain->nr_in--;
	if (!chain->nr_in)
		return NULL;
	last = &chain->in[chain->nr_in - 1];
	last->iov_len--;
	return (uint8_t *)last->iov_base + last->iov_len;
}

/* Return: bytes written to the driver's buffers. */
static uint32_t handle_request(const struct disk *disk, struct virtio_chain *chain)
{
	struct virtio_blk_outhdr header;
	uint8_t *status = take_status(chain);

	if (!status)
		return 0; /* there is no room for a status */
	*status = take_header(chain, &header) ? do_request(disk, &header, chain)
					      : VIRTIO_BLK_S_IOERR;
	return (uint32_t)total(chain->in, chain->nr_in) + 1;
}

static void kicked(struct virtio_device *device, struct virtio_queue *queue)
{
	struct virtio_chain chain;
	bool any = false;

	while (virtio_pop(queue, &chain)) {
		virtio_push(queue, &chain, handle_request(device->self, &chain));
		any = true;
	}
	if (any)
		virtio_interrupt(queue);
}

static void open_disk(struct disk *disk, const char *spec)
{
	static const char ro[] = ",ro";
	size_t length = strlen(spec);
	char *name = strdup(spec);
	off_t size;

	if (!name)
		die("out of memory");
	if (length > strlen(ro) && !strcmp(spec + length - strlen(ro), ro)) {
		disk->read_only = true;
		name[length - strlen(ro)] = '\0';
	}
	disk->name = name;
	disk->fd = open(name, (disk->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (disk->fd < 0)
		die("cannot open the disk %s: %s%s", name, strerror(errno),
		    disk->read_only ? "" : " (read-only: --disk FILE,ro)");
	size = lseek(disk->fd, 0, SEEK_END);
	if (size < SECTOR_SIZE)
		die("the disk %s is shorter than a sector of %d bytes", name, SECTOR_SIZE);
	disk->config.capacity = (uint64_t)size / SECTOR_SIZE;
}

void virtio_blk_create(const struct vm *vm, const char *spec)
{
	static const struct virtio_ops ops = {
		.id = VIRTIO_ID_BLOCK,
		.features = FEATURE(VIRTIO_BLK_F_FLUSH) | FEATURE(VIRTIO_BLK_F_SEG_MAX),
		.nr_queues = 1,
		.kicked = kicked,
	};
	struct disk *disk = calloc(1, sizeof(*disk));

	if (!disk)
		die("out of memory");
	open_disk(disk, spec);
	disk->config.seg_max = VIRTIO_QUEUE_SIZE - 2; /* header and status take one each */
	virtio_add(&disk->virtio, vm, &ops, disk->read_only ? FEATURE(VIRTIO_BLK_F_RO) : 0, disk,
		   &disk->config, sizeof(disk->config));
}
