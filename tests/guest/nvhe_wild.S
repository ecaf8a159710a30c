/* SPDX-License-Identifier: BSD-2-Clause */
/* What `nvhe_wild` does at EL1 and EL0, and its vectors at EL2 and EL1. */

	.text
	.macro	function name
	.globl	\name
\name:
	.endm

function wild_hvc
	hvc	#0x33
	b	.
function wild_svc
	svc	#1
	b	.
function wild_load
	ldr	x0, [x0]
	hvc	#0x34
	b	.

	/*
	 * EL2: of struct wild (TPIDR_EL2) the return stack, the vector, ESR, ELR, SPSR, FAR, HPFAR, x0. With a
	 * return stack el1_enter() returns; without one the instruction is stepped over, and a fetch returns
	 * to the caller.
	 */
	.macro	el2_vector n
	.balign	128
	sub	sp, sp, #16
	stp	x0, x1, [sp]
	mov	x0, #\n
	b	note
	.endm
	.balign	2048
function wild_vectors
	el2_vector 0
	el2_vector 1
	el2_vector 2
	el2_vector 3
	el2_vector 4
	el2_vector 5
	el2_vector 6
	el2_vector 7
	el2_vector 8
	el2_vector 9
	el2_vector 10
	el2_vector 11
	el2_vector 12
	el2_vector 13
	el2_vector 14
	el2_vector 15
	.balign	128

note:
	mrs	x1, tpidr_el2
	str	x0, [x1, #8]
	mrs	x0, esr_el2
	str	x0, [x1, #16]
	mrs	x0, elr_el2
	str	x0, [x1, #24]
	mrs	x0, spsr_el2
	str	x0, [x1, #32]
	mrs	x0, far_el2
	str	x0, [x1, #40]
	mrs	x0, hpfar_el2
	str	x0, [x1, #48]
	ldr	x0, [sp]
	str	x0, [x1, #56]
	ldr	x0, [x1]
	cbz	x0, 1f
	str	xzr, [x1]
	ldr	x1, [x1, #16]
	b	el0_leave
1:	ldr	x0, [x1, #16]
	lsr	x0, x0, #26
	mrs	x1, elr_el2
	cmp	x0, #0x16			/* HVC, SVC */
	b.eq	3f
	cmp	x0, #0x15
	b.eq	3f
	cmp	x0, #0x21			/* a fetch */
	b.ne	2f
	sub	x1, x30, #4
2:	add	x1, x1, #4
3:	msr	elr_el2, x1
	mrs	x1, spsr_el2
	bic	x1, x1, #(1 << 20)		/* IL */
	msr	spsr_el2, x1
	ldp	x0, x1, [sp], #16
	eret

	/* EL1: every exception is EL2's in the end. */
	.balign	2048
function wild_el1_vectors
	.rept	16
	.balign	128
	hvc	#0x44
	b	.
	.endr
	.balign	128
