/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The common part of the programs of tests/hostile, each of which is a small malicious host without
 * an operating system. It starts in tests/system/payload/start.S, runs with the MMU off on QEMU's
 * `virt` machine, prints a line for each check and one with the totals, and turns the machine off.
 *
 * Included once by each program. A program defines hostile_main(). If it defines HOSTILE_SECONDARY
 * before the include, it also defines payload_secondary(), which a second CPU executes that is
 * started at `secondary`.
 */
#ifndef KEEL_TESTS_HOSTILE_H
#define KEEL_TESTS_HOSTILE_H

#include <keel/hypercall.h>

typedef unsigned long u64;
typedef unsigned int u32;
typedef unsigned char u8;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define UNUSED	      __attribute__((unused))

#define UART_DR		  ((volatile u32 *)0x09000000)
#define PSCI_SYSTEM_OFF	  0x84000008
#define ESR_EC_SHIFT	  26
#define HOSTILE_MEMORY	  0x60000000UL /* free memory, for the program's use */
#define HOSTILE_PAGE_SIZE 4096

struct regs {
	u64 x[18];
};

/* start.S */
extern volatile struct {
	u64 esr, far;
} fault;
extern char secondary[], _start[];
void touch(u64 address, u64 access);
void hvc0(struct regs *regs);
void hvc1(struct regs *regs);
void smc0(struct regs *regs);
void payload_main(u64 fdt, u64 x1, u64 x2, u64 x3);
void payload_secondary(u64 context);
void payload_unexpected(void);
void *memset(void *to, int c, u64 n);
void *memcpy(void *to, const void *from, u64 n);

static void hostile_main(u64 fdt);

static u32 passed, failed;

/* @name: the assembler's name of a register, or a macro for it. */
#define STR_(x) #x
#define STR(x)	STR_(x)
#define read_sysreg(name)                                                    \
	({                                                                   \
		u64 v_;                                                      \
		__asm__ volatile("mrs %0, " STR(name) : "=r"(v_)::"memory"); \
		v_;                                                          \
	})
#define write_sysreg(value, name) \
	__asm__ volatile("msr " STR(name) ", %0; isb" ::"r"((u64)(value)) : "memory")

/* The compiler calls these two. */
void *memset(void *to, int c, u64 n)
{
	for (u64 i = 0; i < n; i++)
		((volatile u8 *)to)[i] = (u8)c;
	return to;
}

void *memcpy(void *to, const void *from, u64 n)
{
	for (u64 i = 0; i < n; i++)
		((volatile u8 *)to)[i] = ((const volatile u8 *)from)[i];
	return to;
}

static void print(const char *s)
{
	for (; *s; s++) {
		if (*s == '\n')
			*UART_DR = '\r';
		*UART_DR = (u32)*s;
	}
}

static void print_hex(u64 value)
{
	print("0x");
	for (int shift = 60; shift >= 0; shift -= 4)
		*UART_DR = (u32) "0123456789abcdef"[(value >> shift) & 15];
}

static void print_decimal(u32 value)
{
	if (value >= 10)
		print_decimal(value / 10);
	*UART_DR = (u32)('0' + value % 10);
}

static void check(const char *what, u64 got, u64 expected)
{
	print(got == expected ? "hostile: ok " : "hostile: FAILED ");
	print(what);
	if (got == expected) {
		passed++;
	} else {
		failed++;
		print(": expected ");
		print_hex(expected);
		print(", got ");
		print_hex(got);
	}
	print("\n");
}

static u64 smc(u64 fid, u64 x1, u64 x2, u64 x3)
{
	struct regs regs = { { fid, x1, x2, x3 } };

	smc0(&regs);
	return regs.x[0];
}

static void __attribute__((noreturn)) finish(void)
{
	print("hostile: done, ");
	print_decimal(passed);
	print(" passed, ");
	print_decimal(failed);
	print(" failed\n");
	smc(PSCI_SYSTEM_OFF, 0, 0, 0);
	for (;;)
		;
}

/* For programs that do not start a second CPU (start.S: secondary). */
#ifndef HOSTILE_SECONDARY
void payload_secondary(u64 context)
{
	(void)context;
	for (;;)
		;
}
#endif

void payload_unexpected(void)
{
	check("an exception that nobody expects: ESR_EL1", read_sysreg(ESR_EL1), 0);
	finish();
}

void payload_main(u64 fdt, u64 x1, u64 x2, u64 x3)
{
	(void)x1, (void)x2, (void)x3;
	hostile_main(fdt);
	/* Keel still answers calls. */
	struct regs regs = { { KEEL_HC_VERSION } };

	hvc0(&regs);
	check("Keel answers at the end", regs.x[0], KEEL_ABI_VERSION);
	finish();
}

/* ---- VMs with one vCPU, which starts at IPA 0 */

/* The memory of VM @n, 0 to 3: */
#define GUEST_VM(n)   (HOSTILE_MEMORY + (n)*0x8000000UL)
#define GUEST_MORE(n) (GUEST_VM(n) + 0x1000000)
#define GUEST_VCPU(n) (GUEST_VM(n) + 0x2000000)
#define GUEST_RUN(n)  (GUEST_VM(n) + 0x4000000)
#define GUEST_CODE(n) (GUEST_VM(n) + 0x6000000) /* at IPA 0... */
#define GUEST_BYTES   0x10000UL			/* ... so much */

static UNUSED u64 hvc(u64 fid, u64 x1, u64 x2, u64 x3, u64 x4, u64 x5)
{
	struct regs regs = { { fid, x1, x2, x3, x4, x5 } };

	hvc0(&regs);
	return regs.x[0];
}

/* Of a guest, in assembly: its MMU on, 39 bits by TTBR0_EL1 alone, the table at x1; x2 is lost. */
#define GUEST_MMU_ON                     \
	"	mov	x2, #0xff\n"               \
	"	msr	mair_el1, x2\n"            \
	"	ldr	x2, =0x0000000200803519\n" \
	"	msr	tcr_el1, x2\n"             \
	"	msr	ttbr0_el1, x1\n"           \
	"	isb\n"                         \
	"	tlbi	vmalle1\n"                \
	"	dsb	sy\n"                      \
	"	isb\n"                         \
	"	ldr	x2, =0x30d01805\n"         \
	"	msr	sctlr_el1, x2\n"           \
	"	isb\n"

#define GUEST_EL2    (1UL << 7) /* KVM_ARM_VCPU_HAS_EL2 */
#define GUEST_ENOMEM (-12L)
#define GUEST_PART   16UL /* pages */

/* An EL2 brings shadows, whose memory is donated in parts. */
static UNUSED u64 guest_init(u64 n, u64 handle, u64 feature_bits)
{
	u64 more = GUEST_MORE(n), ret;

	while ((ret = hvc(KEEL_HC_VCPU_INIT, handle, 0, feature_bits, 0, 0)) == (u64)GUEST_ENOMEM &&
	       !hvc(KEEL_HC_VM_TOPUP, handle, more, GUEST_PART, 0, 0))
		more += GUEST_PART * HOSTILE_PAGE_SIZE;
	return ret;
}

/* @feature_bits: KVM_ARM_VCPU_*. Returns the handle. */
static UNUSED u64 guest_create(u64 n, const void *code, u64 bytes, u64 feature_bits)
{
	struct regs size = { { KEEL_HC_VM_SIZE } }, vm;

	hvc0(&size);
	vm = (struct regs){ { KEEL_HC_VM_CREATE, GUEST_VM(n), size.x[1] + 128 } };
	hvc0(&vm);
	check("VM_CREATE", vm.x[0], 0);
	check("VCPU_CREATE",
	      hvc(KEEL_HC_VCPU_CREATE, vm.x[1], 0, GUEST_VCPU(n), size.x[2], GUEST_RUN(n)), 0);
	check("VCPU_INIT", guest_init(n, vm.x[1], feature_bits), 0);
	memset((void *)GUEST_CODE(n), 0, GUEST_BYTES);
	memcpy((void *)GUEST_CODE(n), code, bytes);
	check("VM_MAP",
	      hvc(KEEL_HC_VM_MAP, vm.x[1], 0, GUEST_CODE(n), GUEST_BYTES,
		  KEEL_MAP_WRITE | KEEL_MAP_EXEC),
	      0);
	return vm.x[1];
}

static UNUSED u64 guest_run(u64 handle)
{
	return hvc(KEEL_HC_VCPU_RUN, handle, 0, 0, 0, 0);
}

#endif
