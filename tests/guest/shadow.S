/* SPDX-License-Identifier: BSD-2-Clause */
/* What `shadow` does as a nested guest, at EL1, each until an exception that EL2 takes. */

	.text
	.macro	function name
	.globl	\name
\name:
	.endm

	/*
	 * u64 guest_enter(pc, x0, u64 *sp, spsr): go there by ERET, until an exception to EL2 from
	 * there, whose handler goes to el0_leave.
	 */
function guest_enter
	stp	x29, x30, [sp, #-96]!
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	msr	elr_el2, x0
	msr	spsr_el2, x3
	mov	x8, sp
	str	x8, [x2]
	mov	x0, x1
	mov	x1, #0x55
	eret

function guest_hvc
	hvc	#0x33
function guest_load
	ldr	x0, [x0]
	hvc	#0x11
function guest_load32
	ldr	w0, [x0]
	hvc	#0x11
function guest_store
	str	x1, [x0]
	hvc	#0x12
function guest_load_pair
	ldp	x0, x1, [x0]
	hvc	#0x11
function guest_clean
	dc	cvac, x0
	hvc	#0x14
function guest_jump
	br	x0
	/* the code that is copied to a page of its own */
function guest_target
	mov	x0, #0x77
	hvc	#0x13
	/* its own TLBI, for all that it has */
function guest_tlbi
	dsb	ish
	tlbi	vmalle1is
	dsb	ish
	isb
	hvc	#0x15
	/* read x0 again and again, and write what was read to x0 + 8, until it is 0 */
function guest_watch
	mov	x2, x0
1:	ldr	x0, [x2]
	str	x0, [x2, #8]
	cbnz	x0, 1b
	hvc	#0x16

	.balign	2048
	.globl	guest_vectors
guest_vectors:
	.rept	16
	.balign	128
	mrs	x0, esr_el1
	hvc	#0x88
	.endr
	.balign	2048
