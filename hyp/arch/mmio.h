/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Device registers: each access is one instruction, so that a fault's syndrome is valid, and the
 * compiler can neither split nor merge accesses.
 */
#ifndef KEEL_ARCH_MMIO_H
#define KEEL_ARCH_MMIO_H

#include <lib/types.h>

static inline u32 mmio_read32(const volatile void *addr)
{
	u32 value;

	__asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(addr) : "memory");
	return value;
}

static inline void mmio_write32(volatile void *addr, u32 value)
{
	__asm__ volatile("str %w0, [%1]" : : "r"(value), "r"(addr) : "memory");
}

#endif
