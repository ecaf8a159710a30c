/* SPDX-License-Identifier: BSD-2-Clause */
/* What `shadow` does as a nested guest, at EL1, each until an exception that EL2 takes. */

	.text
	.macro	function name
	.globl	\name
\name:
	.endm

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
