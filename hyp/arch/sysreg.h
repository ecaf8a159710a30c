/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Access to system registers: by the assembler's name where its base architecture knows one, by
 * ASM_REG(NAME) otherwise (arch/regs.h).
 */
#ifndef KEEL_ARCH_SYSREG_H
#define KEEL_ARCH_SYSREG_H

#include <arch/extable.h>
#include <arch/regs.h>
#include <lib/types.h>

#define SYSREG_STR_(x) #x
#define SYSREG_STR(x)  SYSREG_STR_(x)

#define read_sysreg(reg)                                                     \
	({                                                                   \
		u64 value_;                                                  \
		__asm__ volatile("mrs %0, " SYSREG_STR(reg) : "=r"(value_)); \
		value_;                                                      \
	})

#define write_sysreg(value, reg)                                                     \
	do {                                                                         \
		u64 written_ = (u64)(value);                                         \
		__asm__ volatile("msr " SYSREG_STR(reg) ", %x0" : : "rZ"(written_)); \
	} while (0)

/*
 * Registers that EL3 may withhold from EL2: false if the access is UNDEFINED; the value is 0 then,
 * and ELR_EL2, SPSR_EL2, ESR_EL2 and FAR_EL2 are lost. The flags change: reading RNDR and RNDRRS
 * sets them.
 */
#define try_read_sysreg(reg, value)                                                          \
	({                                                                                   \
		u64 done_ = 1;                                                               \
		__asm__ volatile("1: mrs %0, " SYSREG_STR(reg) "\n"                          \
							       "2:\n"                        \
							       ".subsection 1\n"             \
							       "3: mov %0, xzr\n"            \
							       "mov %1, xzr\n"               \
							       "b 2b\n"                      \
							       ".previous\n" EXTABLE_SYSREG( \
								       "1b", "2b", "3b")     \
				 : "=&r"(*(value)), "+r"(done_)                              \
				 :                                                           \
				 : "cc");                                                    \
		done_ != 0;                                                                  \
	})

#define try_write_sysreg(value, reg)                                                             \
	({                                                                                       \
		u64 done_ = 1, written_ = (u64)(value);                                          \
		__asm__ volatile(                                                                \
			"1: msr " SYSREG_STR(reg) ", %x1\n"                                      \
						  "2:\n"                                         \
						  ".subsection 1\n"                              \
						  "3: mov %0, xzr\n"                             \
						  "b 2b\n"                                       \
						  ".previous\n" EXTABLE_SYSREG("1b", "2b", "3b") \
			: "+r"(done_)                                                            \
			: "rZ"(written_));                                                       \
		done_ != 0;                                                                      \
	})

#endif
