/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices by address. A guest's access outside of its memory makes KVM_RUN return with
 * KVM_EXIT_MMIO; vcpu.c calls mmio_access().
 */
#ifndef VMRUN_MMIO_H
#define VMRUN_MMIO_H

#include <stdbool.h>
#include <stdint.h>

/** struct mmio_device - a device and its registers' place. Calls come from any vCPU's thread. */
struct mmio_device {
	const char *name;
	uint64_t base, size; /* bytes; guest physical */
	void *self;
	/* @offset from base; @size of the access: 1, 2, 4 or 8 bytes. Values are little-endian. */
	uint64_t (*read)(void *self, uint64_t offset, unsigned int size);
	void (*write)(void *self, uint64_t offset, unsigned int size, uint64_t value);
};

/** mmio_add() - put a device in its place (a copy of @device is kept). Before vCPUs run only. */
void mmio_add(const struct mmio_device *device);

/**
 * mmio_access() - do a guest's access
 * @address: guest physical address
 * @data: 8 bytes as they lie in memory: what is written, or where to put what is read
 * @size: bytes
 * @is_write: which of the two
 *
 * Where nothing is, reads give zero and writes do nothing; the first few are reported.
 */
void mmio_access(uint64_t address, uint8_t data[8], unsigned int size, bool is_write);

#endif
