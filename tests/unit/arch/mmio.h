/* SPDX-License-Identifier: BSD-2-Clause */
/* Fake device registers: a test that links a driver defines what it uses, and so is the device. */
#ifndef KEEL_ARCH_MMIO_H
#define KEEL_ARCH_MMIO_H

#include <lib/types.h>

u32 mmio_read32(const volatile void *addr);
void mmio_write32(volatile void *addr, u32 value);
u64 mmio_read64(const volatile void *addr);
void mmio_write64(volatile void *addr, u64 value);

#endif
