/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An EL2 without VHE (vmrun --nested=nvhe), which leaves the payload to EL1: it passes calls on, and
 * runs functions for it.
 *
 *	HVC #0			SMC, with all registers
 *	HVC #EL2_CALL		x0 = x0(x1), at EL2 (el2_call())
 *	an exception there	noted in el2_caught and stepped over
 *	an exception from EL1	while el1_enter() runs (el2_nested_sp): that returns its ESR_EL2
 */
#include "el2.h"

#define STACK 0x2000

	.text
	/* x30: where to go on at EL1 */
	.globl	leave_el2
leave_el2:
	mov	x8, #3				/* API, APK; RW */
	lsl	x8, x8, #40
	orr	x8, x8, #(1 << 31)
	msr	hcr_el2, x8
	mov	x8, #3				/* EL1PCTEN, EL1PCEN */
	msr	cnthctl_el2, x8
	msr	cntvoff_el2, xzr
	mov	x8, #0x32ff			/* RES1, TSM */
	msr	cptr_el2, x8
	mrs	x8, midr_el1
	msr	vpidr_el2, x8
	mrs	x8, mpidr_el1
	msr	vmpidr_el2, x8
	and	x8, x8, #0xff
	add	x8, x8, #1
	mov	x9, #STACK
	mul	x8, x8, x9
	adrp	x9, el2_stacks
	add	x9, x9, :lo12:el2_stacks
	add	x8, x8, x9
	msr	spsel, #1
	mov	sp, x8
	adrp	x8, el2_vectors
	add	x8, x8, :lo12:el2_vectors
	msr	vbar_el2, x8
	ldr	x8, =0x30d00800
	msr	sctlr_el1, x8
	mov	x8, #0x3c5
	msr	spsr_el2, x8
	msr	elr_el2, x30
	isb
	eret

	/* u64 el2_call(function, x0), at EL1 */
	.globl	el2_call
el2_call:
	hvc	#EL2_CALL
	ret

	.macro	note_caught to, tmp
	adrp	\to, el2_caught
	add	\to, \to, :lo12:el2_caught
	mrs	\tmp, esr_el2
	str	\tmp, [\to]
	mrs	\tmp, elr_el2
	str	\tmp, [\to, #8]
	mrs	\tmp, spsr_el2
	str	\tmp, [\to, #16]
	mrs	\tmp, far_el2
	str	\tmp, [\to, #24]
	mrs	\tmp, hpfar_el2
	str	\tmp, [\to, #32]
	.endm

	/* A fetch that fails goes on as if the call had returned. */
from_el2:
	stp	x0, x1, [sp, #-16]!
	note_caught x0, x1
	ldr	x0, [x0]
	mrs	x1, elr_el2
	lsr	x0, x0, #26
	cmp	x0, #0x21
	csel	x1, x30, x1, eq
	b.eq	1f
	cmp	x0, #0x16			/* HVC, and SVC */
	b.eq	1f
	cmp	x0, #0x15
	b.eq	1f
	add	x1, x1, #4
1:	msr	elr_el2, x1
	mrs	x1, spsr_el2
	bic	x1, x1, #(1 << 20)		/* IL */
	msr	spsr_el2, x1
	ldp	x0, x1, [sp], #16
	eret

from_el1:
	stp	x29, x30, [sp, #-32]!
	str	x18, [sp, #16]
	adrp	x29, el2_nested_sp
	ldr	x30, [x29, :lo12:el2_nested_sp]
	cbnz	x30, 2f
	mrs	x30, esr_el2
	lsr	x29, x30, #26
	cmp	x29, #0x16
	b.ne	4f
	and	x30, x30, #0xffff
	cmp	x30, #EL2_CALL
	b.eq	3f
	smc	#0
	ldr	x18, [sp, #16]
	ldp	x29, x30, [sp], #32
	eret
2:	add	sp, sp, #32
	note_caught x1, x2
	str	x0, [x1, #40]
	str	xzr, [x29, :lo12:el2_nested_sp]
	ldr	x1, [x1]
	mov	x0, x30
	b	el0_leave
3:	mrs	x29, elr_el2
	mrs	x30, spsr_el2
	stp	x29, x30, [sp, #-16]!
	mov	x16, x0
	mov	x0, x1
	blr	x16
	ldp	x29, x30, [sp], #16
	msr	elr_el2, x29
	msr	spsr_el2, x30
	ldr	x18, [sp, #16]
	ldp	x29, x30, [sp], #32
	eret
4:	note_caught x0, x1
	b	.				/* nobody has asked for it: the test runs into its time limit */

	.macro	el2_entry to
	.balign	128
	b	\to
	.endm
	.balign	2048
el2_vectors:
	.rept	4
	el2_entry .
	.endr
	el2_entry from_el2
	.rept	3
	el2_entry .
	.endr
	el2_entry from_el1
	.rept	7
	el2_entry .
	.endr

	.bss
	.balign	16
el2_stacks:
	.skip	STACK * 16
	.globl	el2_caught, el2_nested_sp
el2_caught:
	.skip	64
el2_nested_sp:
	.skip	8
