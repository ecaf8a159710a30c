/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A benchmark guest's image header, entry points and vectors. It begins at EL1 with the MMU off:
 * nothing but the operation is measured. A guest of one vCPU has no bench_secondary, one without
 * interrupts no irq_taken.
 */
	.weak	bench_secondary, irq_taken

	.section .head, "ax"
	.globl	_start
_start:
	b	entry
	.word	0
	.quad	0			/* text_offset */
	.quad	_end - _start		/* image_size */
	.quad	0xa			/* flags: little-endian, 4K pages, anywhere in memory */
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.word	0

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
	stp	x2, x3, [sp, #16]
	stp	x4, x5, [sp, #32]
	stp	x6, x7, [sp, #48]
	stp	x8, x9, [sp, #64]
	stp	x10, x11, [sp, #80]
	stp	x12, x13, [sp, #96]
	stp	x14, x15, [sp, #112]
	stp	x16, x17, [sp, #128]
	stp	x18, x30, [sp, #144]
	bl	irq_taken
	ldp	x18, x30, [sp, #144]
	ldp	x16, x17, [sp, #128]
	ldp	x14, x15, [sp, #112]
	ldp	x12, x13, [sp, #96]
	ldp	x10, x11, [sp, #80]
	ldp	x8, x9, [sp, #64]
	ldp	x6, x7, [sp, #48]
	ldp	x4, x5, [sp, #32]
	ldp	x2, x3, [sp, #16]
	ldp	x0, x1, [sp], #176
	eret

	.balign	2048
vectors:
	.rept	5
	.balign	128
	b	bench_unexpected
	.endr
	.balign	128
	b	irq			/* from the current EL with SP_ELx */
	.rept	10
	.balign	128
	b	bench_unexpected
	.endr

	.bss
	.balign	16
stacks:
	.skip	8192
