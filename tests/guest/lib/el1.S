/* SPDX-License-Identifier: BSD-2-Clause */
/* From EL2 to EL1 and back: for payloads at a virtual EL2. */

	.text
	/*
	 * u64 el1_enter(pc, x0, u64 *sp, spsr): go there by ERET, with x1 = 0x55, until an exception to
	 * EL2 from there, whose handler goes to el0_leave.
	 */
	.globl	el1_enter
el1_enter:
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
