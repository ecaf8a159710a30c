/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Breakpoint and watchpoint registers by number (ARM DDI 0487). A CPU has as many as its
 * ID_AA64DFR0_EL1 says. The others are UNDEFINED and must not be accessed.
 */
#ifndef KEEL_ARCH_DEBUG_H
#define KEEL_ARCH_DEBUG_H

#include <arch/sysreg.h>

#define DEBUG_REGS_MAX 16

/* clang-format off */
#define DEBUG_REG_NUMBERS(X, name)                              \
	X(name, 0) X(name, 1) X(name, 2) X(name, 3)             \
	X(name, 4) X(name, 5) X(name, 6) X(name, 7)             \
	X(name, 8) X(name, 9) X(name, 10) X(name, 11)           \
	X(name, 12) X(name, 13) X(name, 14) X(name, 15)
/* clang-format on */
#define DEBUG_REG_READ(name, n) \
	case n:                 \
		return read_sysreg(name##n##_el1);
#define DEBUG_REG_WRITE(name, n)                    \
	case n:                                     \
		write_sysreg(value, name##n##_el1); \
		break;

#define DEFINE_DEBUG_REG(name)                                     \
	static inline u64 read_##name(unsigned int n)              \
	{                                                          \
		switch (n) {                                       \
			DEBUG_REG_NUMBERS(DEBUG_REG_READ, name)    \
		default:                                           \
			return 0;                                  \
		}                                                  \
	}                                                          \
	static inline void write_##name(unsigned int n, u64 value) \
	{                                                          \
		switch (n) {                                       \
			DEBUG_REG_NUMBERS(DEBUG_REG_WRITE, name)   \
		default:                                           \
			break;                                     \
		}                                                  \
	}

DEFINE_DEBUG_REG(dbgbvr)
DEFINE_DEBUG_REG(dbgbcr)
DEFINE_DEBUG_REG(dbgwvr)
DEFINE_DEBUG_REG(dbgwcr)

#endif
