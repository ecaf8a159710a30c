/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From Keel's first instruction to a C environment with the MMU on: what head.S, early.c and
 * main.c share. docs/boot.md tells the story in order.
 */
#ifndef KEEL_BOOT_BOOT_H
#define KEEL_BOOT_BOOT_H

/* Keel's own memory: the image, its bss, and pages for tables and stacks behind it. */
#define KEEL_REGION_SIZE 0x200000

/* The headers' page, of which PE makes no section: boot/head.S. */
#define PE_HEADER_SIZE 0x1000

/*
 * Stacks. A slot of 32 KiB a CPU, aligned to its size, in the private area:
 *
 *   0    guard
 *   4K   emergency stack (4K)
 *   8K   guard (8K)
 *   16K  stack (8K)
 *   24K  guard (8K)
 *
 * so that bit 14 of a stack pointer is set exactly while it is in bounds, which the exception
 * vectors test without touching memory. The first stack, used while the MMU is off, lies at the
 * end of Keel's region with the same property.
 */
#define STACK_SLOT_SIZE	     0x8000
#define STACK_EMERGENCY_BASE 0x1000
#define STACK_EMERGENCY_SIZE 0x1000
#define STACK_BASE	     0x4000
#define STACK_SIZE	     0x2000
#define STACK_OK_BIT	     14
#define EARLY_STACK_TOP	     (KEEL_REGION_SIZE - STACK_SLOT_SIZE + STACK_BASE + STACK_SIZE)

/* struct boot_regs, as the trampoline reads it */
#define BOOT_HCR       0
#define BOOT_MAIR      8
#define BOOT_TCR       16
#define BOOT_TTBR0     24
#define BOOT_TTBR1     32
#define BOOT_SCTLR     40
#define BOOT_VBAR      48
#define BOOT_OFFSET    56
#define BOOT_REGS_SIZE 64

/* struct panic_frame, as vectors.S fills it */
#define FRAME_X(n)   ((n)*8)
#define FRAME_SP     (31 * 8)
#define FRAME_ELR    (32 * 8)
#define FRAME_SPSR   (33 * 8)
#define FRAME_ESR    (34 * 8)
#define FRAME_FAR    (35 * 8)
#define FRAME_VECTOR (36 * 8)
#define FRAME_SIZE   (38 * 8)

/* struct host_regs, on the stack during an exception from the host */
#define HOST_REGS_SIZE (32 * 8)

#ifndef __ASSEMBLY__
#include <cpu/extable.h>
#include <cpu/percpu.h>
#include <lib/types.h>

/*
 * What a CPU needs to turn its MMU on. Written once, by the boot CPU with its MMU off, into the
 * trampoline's page; read by every CPU with its MMU off.
 */
struct boot_regs {
	u64 hcr, mair, tcr, ttbr0, ttbr1, sctlr;
	u64 vbar;   /* runtime address of the vectors */
	u64 offset; /* runtime address minus physical address */
};

STATIC_ASSERT(sizeof(struct boot_regs) == BOOT_REGS_SIZE, "trampoline");
STATIC_ASSERT(__builtin_offsetof(struct boot_regs, vbar) == BOOT_VBAR, "trampoline");

/* Everything about an exception from EL2 itself. */
struct panic_frame {
	u64 x[31];
	u64 sp, elr, spsr, esr, far, vector, pad;
};

STATIC_ASSERT(sizeof(struct panic_frame) == FRAME_SIZE, "vectors.S");

/* Symbols of the linker script. Only their distances are fixed: the image may be anywhere. */
extern char _text[], _etext[], _erodata[], _edata[], _end[], _idmap_start[], _bss_start[];
extern char vectors[], secondary_entry[];
extern const struct extable_row _extable_start[], _extable_end[];
extern struct boot_regs boot_regs;

/* early.c: with the MMU off, from head.S */
struct boot_regs *early_main(u64 dtb, u64 image, u64 current_el, u64 entry_count, u64 efi);
/* main.c: on the early stack, at run time addresses */
void __noreturn boot_main(void);
/* main.c: a secondary CPU, on its own stack */
void __noreturn secondary_main(unsigned int id);
/* head.S: continue in fn() on another stack */
void __noreturn call_on_stack(void __noreturn (*fn)(void), u64 stack_top);
/* head.S: enter the host at EL1 with x0..x3; the stack is reset to @stack_top for the next exit */
void __noreturn host_enter(u64 entry, u64 spsr, const u64 args[4], u64 stack_top);
#endif
#endif
