/* SPDX-License-Identifier: BSD-2-Clause */
/* What `nested_race` does as a nested guest, at EL1, until an exception that EL2 takes. */

	.text
	.macro	function name
	.globl	\name
\name:
	.endm

function race_hvc
	hvc	#0x33
	/* read and write 64 pages from x0 on, again and again; end at a page that was taken away */
function race_scan
	mov	x5, #40
	mov	x2, #0xdead
	mov	x6, #1
1:	mov	x3, #64
	mov	x4, x0
2:	ldr	x1, [x4]
	cmp	x1, x2
	b.eq	3f
	str	x6, [x4, #8]
	add	x4, x4, #0x1000
	subs	x3, x3, #1
	b.ne	2b
	subs	x5, x5, #1
	b.ne	1b
	hvc	#0x20
3:	hvc	#0x21

	.balign	2048
	.globl	race_vectors
race_vectors:
	.rept	16
	.balign	128
	mrs	x0, esr_el1
	hvc	#0x88
	.endr
	.balign	2048
