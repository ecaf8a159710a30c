/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the benchmark guests share: vmrun's machine (tools/vmrun/layout.h), the counter, calls, and
 * output. What is between two readings of the counter is inline.
 */
#ifndef BENCH_GUEST_H
#define BENCH_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint32_t u32;
typedef uint64_t u64;

#define GICD_BASE 0x08000000UL
#define GICR_BASE 0x080a0000UL
#define GICR_SIZE 0x20000UL
#define UART_BASE 0x10000000UL
#define RAM_BASE  0x80000000UL
#define MIB	  (1UL << 20)

#define UARTDR 0x00
#define UARTFR 0x18

#define EL2 8 /* CurrentEL */

#define PSCI_VERSION	0x84000000UL
#define PSCI_SYSTEM_OFF 0x84000008UL
#define PSCI_CPU_ON	0xc4000003UL

#define read_sysreg(name)                                                      \
	({                                                                     \
		u64 value_;                                                    \
		__asm__ volatile("mrs %0, " name : "=r"(value_) : : "memory"); \
		value_;                                                        \
	})
#define write_sysreg(value, name) \
	__asm__ volatile("msr " name ", %0\n\tisb" : : "r"((u64)(value)) : "memory")

static inline u64 counter(void)
{
	u64 value;

	__asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(value) : : "memory");
	return value;
}

static inline u32 read32(u64 address)
{
	u32 value;

	__asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
	return value;
}

static inline void write32(u64 address, u32 value)
{
	__asm__ volatile("str %w0, [%1]" : : "r"(value), "r"(address) : "memory");
}

static inline u64 hvc(u64 function, u64 arg1, u64 arg2, u64 arg3)
{
	register u64 x0 __asm__("x0") = function;
	register u64 x1 __asm__("x1") = arg1;
	register u64 x2 __asm__("x2") = arg2;
	register u64 x3 __asm__("x3") = arg3;

	__asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "memory");
	return x0;
}

/* The ticks of @count times @statement. */
#define REPEATED(count, statement)                            \
	({                                                    \
		u64 start_ = counter();                       \
		for (unsigned int i_ = 0; i_ < (count); i_++) \
			statement;                            \
		counter() - start_;                           \
	})

/* ---- operations ---- */

#define MAX_ROUNDS 33

struct operation {
	const char *name;
	u64 (*run)(unsigned int count, unsigned int round); /* the ticks of @count of them */
	unsigned int count, rounds;
	/* of two vCPUs: done if there are two; the others are done if there is one */
	bool pair;
	/* once before the rounds: not of faults, which are different each time */
	bool warm;
};

/* Do and print what concerns so many vCPUs. */
void run_operations(const struct operation *operations, unsigned int count, bool pair);

/* Text on the serial port; a name and a number behind it. */
void put(const char *text);
void put_number(const char *name, u64 value);

__attribute__((noreturn)) void power_off(void);

/* In ascending order. */
void sort(u64 *values, unsigned int count);

/* An exception that nobody waits for: start.S. It is told, and the machine is off. */
__attribute__((noreturn)) void bench_unexpected(void);

#endif
