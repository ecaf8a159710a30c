/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program at EL2, with the MMU off, in place of Keel: image header, entry, and vectors that return
 * to where el2_exception() says.
 */
#define FRAME_SIZE 256			/* x0 to x30 */

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

entry:
	adr	x8, stack_top
	mov	sp, x8
	adr	x8, vectors
	msr	vbar_el2, x8
	isb
	b	el2_main

	.text
	.balign	2048
vectors:
	.rept	4
	.balign	128
	b	unexpected
	.endr
	.balign	128
	b	exception		/* synchronous, from EL2 with SP_EL2 */
	.rept	11
	.balign	128
	b	unexpected
	.endr

exception:
	sub	sp, sp, #FRAME_SIZE
	stp	x0, x1, [sp]
	stp	x2, x3, [sp, #16]
	stp	x4, x5, [sp, #32]
	stp	x6, x7, [sp, #48]
	stp	x8, x9, [sp, #64]
	stp	x10, x11, [sp, #80]
	stp	x12, x13, [sp, #96]
	stp	x14, x15, [sp, #112]
	stp	x16, x17, [sp, #128]
	stp	x18, x30, [sp, #144]
	bl	el2_exception
	ldp	x2, x3, [sp, #16]
	ldp	x4, x5, [sp, #32]
	ldp	x6, x7, [sp, #48]
	ldp	x8, x9, [sp, #64]
	ldp	x10, x11, [sp, #80]
	ldp	x12, x13, [sp, #96]
	ldp	x14, x15, [sp, #112]
	ldp	x16, x17, [sp, #128]
	ldp	x18, x30, [sp, #144]
	ldp	x0, x1, [sp], #FRAME_SIZE
	eret

unexpected:
	adr	x0, stack_top
	mov	sp, x0
	b	el2_unexpected

	.bss
	.balign	4096
	.space	16384
stack_top:
