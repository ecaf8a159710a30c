/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A payload's image header, its entry, that of its secondary CPUs, exception vectors, and what C
 * cannot say: calls by HVC and SMC with all registers watched, a visit to EL0.
 */
#include "../../lib/start.h"

#define SCTLR_ON  0x30d0199d	/* RES1, and I, SA, C, M (D23.2.138) */
#define STACK	  0x4000
#define FRAME	  (34 * 8)

	image_header entry

	/* What was found at entry is kept for `registers`. Memory behind the file is not zero. */
entry:
	mrs	x9, sctlr_el1
	mrs	x10, daif
	mrs	x11, currentel
	mrs	x12, spsel
	adrp	x13, _data_end
	add	x13, x13, :lo12:_data_end	/* on a page */
	adrp	x14, _end
1:	cmp	x13, x14
	b.hs	2f
	str	xzr, [x13], #8
	b	1b
2:	adrp	x13, at_entry
	add	x13, x13, :lo12:at_entry
	stp	x0, x1, [x13]
	stp	x2, x3, [x13, #16]
	stp	x9, x10, [x13, #32]
	stp	x11, x12, [x13, #48]
	mov	x19, x0
	bl	cpu_setup
	bl	mmu_tables

	/* It was written past the caches, which may have old contents. */
	mrs	x8, ctr_el0
	ubfx	x8, x8, #16, #4
	mov	x9, #4
	lsl	x9, x9, x8
	adrp	x13, _data_end
	add	x13, x13, :lo12:_data_end
	adrp	x14, _end
3:	dc	ivac, x13
	add	x13, x13, x9
	cmp	x13, x14
	b.lo	3b
	bl	mmu_on
	mov	x0, x19
	b	guest_main

	/* PSCI starts a CPU here; x0 is its number. */
	.globl	secondary_entry
secondary_entry:
	mrs	x9, sctlr_el1
	mrs	x10, daif
	mrs	x11, currentel
	mrs	x12, spsel
	mov	x19, x0
	adrp	x13, at_secondary_entry
	add	x13, x13, :lo12:at_secondary_entry
	stp	x9, x10, [x13, #32]
	stp	x11, x12, [x13, #48]
	bl	cpu_setup
	bl	mmu_on
	mov	x0, x19
	b	secondary_main

	/* The stack is by Aff0; FP and SVE are `fp`'s business. */
cpu_setup:
	mrs	x8, currentel
	cmp	x8, #8
	b.ne	1f
	mrs	x8, id_aa64mmfr1_el1
	ubfx	x8, x8, #8, #4			/* VH */
	cbz	x8, 2f
	mov	x8, #(1 << 27 | 1 << 31)	/* TGE, RW, E2H */
	orr	x8, x8, #(1 << 34)
	msr	hcr_el2, x8
	isb
1:
	msr	spsel, #1
	mrs	x8, mpidr_el1
	and	x8, x8, #0xff
	add	x8, x8, #1
	mov	x9, #STACK
	mul	x8, x8, x9
	adrp	x9, stacks
	add	x9, x9, :lo12:stacks
	add	x8, x8, x9
	mov	sp, x8
	adrp	x8, vectors
	add	x8, x8, :lo12:vectors
	msr	vbar_el1, x8
	mov	x8, #(3 << 20)
	msr	cpacr_el1, x8
	isb
	ret
	/* Without VHE the payload is EL1's. */
2:	mov	x20, x30
	bl	leave_el2
	mov	x30, x20
	b	1b

mmu_on:
	ldr	x8, =mair_value
	ldr	x8, [x8]
	msr	mair_el1, x8
	ldr	x8, =tcr_value
	ldr	x8, [x8]
	msr	tcr_el1, x8
	adrp	x8, mmu_root
	add	x8, x8, :lo12:mmu_root
	msr	ttbr0_el1, x8
	dsb	sy
	tlbi	vmalle1
	ic	iallu
	dsb	sy
	isb
	ldr	x8, =SCTLR_ON
	msr	sctlr_el1, x8
	isb
	ret

	make_call hvc_regs, "hvc #0"
	make_call smc_regs, "smc #0"

	/*
	 * u64 el0_enter(pc, x0, u64 *sp): run at EL0 until an exception from there; the handler goes to
	 * el0_leave with the stack as it was. Callee-saved registers are as they were.
	 */
	.globl	el0_enter
el0_enter:
	stp	x29, x30, [sp, #-96]!
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	msr	elr_el1, x0
	mov	x8, #0x3c0
	msr	spsr_el1, x8
	mov	x8, sp
	str	x8, [x2]
	mov	x0, x1
	eret
	.globl	el0_leave
el0_leave:
	mov	sp, x0
	mov	x0, x1
	ldp	x19, x20, [sp, #16]
	ldp	x21, x22, [sp, #32]
	ldp	x23, x24, [sp, #48]
	ldp	x25, x26, [sp, #64]
	ldp	x27, x28, [sp, #80]
	ldp	x29, x30, [sp], #96
	ret

	.macro	vector kind
	sub	sp, sp, #FRAME
	stp	x0, x1, [sp]
	mov	x0, #\kind
	b	enter
	.endm
	.globl	vectors
	vector_table vectors, vector

	/* struct frame: x0..x30, elr, spsr */
enter:
	store_x2_to_x17 sp
	stp	x18, x19, [sp, #144]
	stp	x20, x21, [sp, #160]
	stp	x22, x23, [sp, #176]
	stp	x24, x25, [sp, #192]
	stp	x26, x27, [sp, #208]
	stp	x28, x29, [sp, #224]
	mrs	x2, elr_el1
	stp	x30, x2, [sp, #240]
	mrs	x2, spsr_el1
	str	x2, [sp, #256]
	mov	x1, sp
	bl	handle_exception
	ldr	x2, [sp, #256]
	msr	spsr_el1, x2
	ldp	x30, x2, [sp, #240]
	msr	elr_el1, x2
	ldp	x28, x29, [sp, #224]
	ldp	x26, x27, [sp, #208]
	ldp	x24, x25, [sp, #192]
	ldp	x22, x23, [sp, #176]
	ldp	x20, x21, [sp, #160]
	ldp	x18, x19, [sp, #144]
	load_x2_to_x17 sp
	ldp	x0, x1, [sp]
	add	sp, sp, #FRAME
	eret

	.bss
	.balign	16
stacks:
	.skip	STACK * 16
