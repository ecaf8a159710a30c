/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What bare-metal programs begin with, as macros for the assembler: guests of benchmarks
 * (bench/guest), guest payloads (tests/guest), hosts (tests/system/payload, tests/hostile). What each
 * does with them is in its start.S.
 */

	/*
	 * The header of an arm64 Linux Image, where the program begins; the CPU goes on at \entry. \room:
	 * bytes of memory that are wanted behind _end.
	 */
	.macro	image_header entry, room=0
	.section .head, "ax"
	.globl	_start
_start:
	b	\entry
	.word	0
	.quad	0			/* text_offset */
	.quad	_end - _start + \room	/* image_size */
	.quad	0xa			/* flags: little-endian, 4K pages, anywhere in memory */
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.word	0
	.endm

	/*
	 * Exception vectors at \name: the code of each of the 16 is what the macro \vector makes of its
	 * number. The first is of the current EL with SP_EL0, synchronous.
	 */
	.macro	vector_table name, vector
	.balign	2048
\name:
	.irp	number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	.balign	128
	\vector	\number
	.endr
	.endm
#define VECTOR_SYNC 4 /* from the current EL with SP_ELx */
#define VECTOR_IRQ  5

	/* x2 to x17 at [\base, #16] to [\base, #136], behind x0 and x1. */
	.macro	store_x2_to_x17 base
	stp	x2, x3, [\base, #16]
	stp	x4, x5, [\base, #32]
	stp	x6, x7, [\base, #48]
	stp	x8, x9, [\base, #64]
	stp	x10, x11, [\base, #80]
	stp	x12, x13, [\base, #96]
	stp	x14, x15, [\base, #112]
	stp	x16, x17, [\base, #128]
	.endm
	.macro	load_x2_to_x17 base
	ldp	x16, x17, [\base, #128]
	ldp	x14, x15, [\base, #112]
	ldp	x12, x13, [\base, #96]
	ldp	x10, x11, [\base, #80]
	ldp	x8, x9, [\base, #64]
	ldp	x6, x7, [\base, #48]
	ldp	x4, x5, [\base, #32]
	ldp	x2, x3, [\base, #16]
	.endm

	/* u64 name(u64 *x): the instruction \insn with x0..x17 from *x, and back; x0 is returned, too */
	.macro	make_call name, insn
	.globl	\name
\name:
	stp	x29, x30, [sp, #-32]!
	stp	x18, x19, [sp, #16]
	mov	x19, x0
	ldp	x0, x1, [x19]
	load_x2_to_x17 x19
	\insn
	stp	x0, x1, [x19]
	store_x2_to_x17 x19
	ldp	x18, x19, [sp, #16]
	ldp	x29, x30, [sp], #32
	ret
	.endm
