// SPDX-License-Identifier: BSD-2-Clause
/* Devices by address. */
#include "mmio.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "message.h"

#define MAX_DEVICES	16
#define MAX_STRAY_NOTES 4

static struct mmio_device devices[MAX_DEVICES];
static unsigned int nr_devices;

void mmio_add(const struct mmio_device *device)
{
	if (nr_devices == MAX_DEVICES)
		die("too many devices");
	devices[nr_devices++] = *device;
}

static const struct mmio_device *device_at(uint64_t address, unsigned int size)
{
	for (unsigned int i = 0; i < nr_devices; i++) {
		const struct mmio_device *device = &devices[i];

		if (address >= device->base && size <= device->size &&
		    address - device->base <= device->size - size)
			return device;
	}
	return NULL;
}

static void note_stray(uint64_t address, unsigned int size, bool is_write)
{
	static atomic_uint notes;

	if (atomic_fetch_add(&notes, 1) < MAX_STRAY_NOTES)
		warn("the guest %s %u bytes at 0x%" PRIx64 ", where there is no device",
		     is_write ? "writes" : "reads", size, address);
}

void mmio_access(uint64_t address, uint8_t data[8], unsigned int size, bool is_write)
{
	const struct mmio_device *device = device_at(address, size);
	uint64_t value = 0;

	if (!device)
		note_stray(address, size, is_write);
	if (is_write) {
		memcpy(&value, data, size);
		if (device)
			device->write(device->self, address - device->base, size, value);
		return;
	}
	if (device)
		value = device->read(device->self, address - device->base, size);
	memcpy(data, &value, sizeof(value));
}
