/* SPDX-License-Identifier: BSD-2-Clause */
/* Fake device registers: a test that links a driver defines these two, and so is the device. */
#ifndef KEEL_ARCH_MMIO_H
#define KEEL_ARCH_MMIO_H

#include <lib/types.h>

u32 mmio_read32(const volatile void *addr);
void mmio_write32(volatile void *addr, u32 value);

#endif
