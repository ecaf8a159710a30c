/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A benchmark guest's image header, entry points and vectors. It begins at EL1 with the MMU off:
 * nothing but the operation is measured. A guest of one vCPU has no bench_secondary, one without
 * interrupts no irq_taken.
 */
#include "../../tests/lib/start.h"

	.weak	bench_secondary, irq_taken

	image_header entry

	/* x0: the device tree's address */
entry:
	adr	x8, vectors
	msr	vbar_el1, x8
	adr	x8, stacks + 4096
	mov	sp, x8
	isb
	b	bench_main

	/* The other vCPU, by PSCI CPU_ON */
	.globl	secondary
secondary:
	adr	x8, vectors
	msr	vbar_el1, x8
	adr	x8, stacks + 8192
	mov	sp, x8
	isb
	b	bench_secondary

	/* An interrupt: irq_taken(the counter when it came). The counter is read as early as can be. */
irq:
	stp	x0, x1, [sp, #-176]!
	mrs	x0, cntvct_el0
	store_x2_to_x17 sp
	stp	x18, x30, [sp, #144]
	bl	irq_taken
	ldp	x18, x30, [sp, #144]
	load_x2_to_x17 sp
	ldp	x0, x1, [sp], #176
	eret

	.macro	vector number
	.if	\number == VECTOR_IRQ
	b	irq
	.else
	b	bench_unexpected
	.endif
	.endm
	vector_table vectors, vector

	.bss
	.balign	16
stacks:
	.skip	8192
