/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What nested_wild.c cannot say in C: how its guest hypervisor begins, enters a nested guest and comes
 * back, and the nested guest.
 */
	.arch	armv8.4-a

#define DATA_IPA   0x20000000	/* nested_wild.c */
#define DATA_SHIFT 18
#define SAVED_SP   0

	/* x18 = the vCPU's data; others stay */
	.macro	find_data
	mrs	x18, mpidr_el1
	and	x18, x18, #0xf
	lsl	x18, x18, #DATA_SHIFT
	orr	x18, x18, #DATA_IPA
	.endm

	.macro	leave_nested number
	find_data
	ldr	x9, [x18, #SAVED_SP]
	mov	sp, x9
	mov	x0, #\number
	ldp	x27, x28, [sp, #80]
	ldp	x25, x26, [sp, #64]
	ldp	x23, x24, [sp, #48]
	ldp	x21, x22, [sp, #32]
	ldp	x19, x20, [sp, #16]
	ldp	x29, x30, [sp], #96
	ret
	.endm

	.section .rodata
	.globl	hypervisor
hypervisor:
	find_data
	add	x0, x18, #0x4000	/* 8 KiB of stack */
	mov	sp, x0
	adr	x0, hypervisor_vectors
	msr	vbar_el1, x0		/* EL2's: HCR_EL2.E2H is 1 */
	isb
	mov	x0, x18
	b	hypervisor_main

	/*
	 * u64 enter_nested(u64 elr, u64 x0, u64 x1, u64 x2, u64 x3, u64 how): by ERET, ERETAA, ERETAB.
	 * Returns the number of the vector at its end, or 16.
	 */
	.globl	enter_nested
enter_nested:
	stp	x29, x30, [sp, #-96]!
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	find_data
	mov	x9, sp
	str	x9, [x18, #SAVED_SP]
	msr	elr_el1, x0
	mov	x0, x1
	mov	x1, x2
	mov	x2, x3
	mov	x3, x4
	cmp	x5, #1
	b.lo	1f
	b.eq	2f
	eretab
	b	3f
2:	eretaa
	b	3f
1:	eret
3:	leave_nested 16			/* it was refused, and skipped */

	/* From a lower level: back in enter_nested(). From EL2: behind the instruction. */
	.macro	vector number
	.balign	128
	.if	\number >= 8
	leave_nested \number
	.else
	str	x9, [sp, #-16]!
	mrs	x9, elr_el1
	add	x9, x9, #4
	msr	elr_el1, x9
	ldr	x9, [sp], #16
	eret
	.endif
	.endm

	.balign	2048
hypervisor_vectors:
	.irp	number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vector	\number
	.endr

	/*
	 * The nested guest. x0: random number, not 0; x1: accesses; x2: where; x3: which offsets. What
	 * it writes has the upper half of x0 in the upper half.
	 */
	.globl	nested_guest
nested_guest:
	mov	x10, x0
	lsr	x11, x0, #32
1:	eor	x10, x10, x10, lsl #13
	eor	x10, x10, x10, lsr #7
	eor	x10, x10, x10, lsl #17
	and	x4, x10, x3
	add	x4, x4, x2
	ubfx	x5, x10, #40, #4
	mov	x6, x10
	bfi	x6, x11, #32, #32
	cmp	x5, #8
	b.lo	2f
	b.eq	3f
	cmp	x5, #10
	b.lo	4f
	b.eq	5f
	ldr	x7, [x4]
	b	9f
2:	str	x6, [x4]
	b	9f
3:	dc	civac, x4
	at	s1e1w, x4
	b	9f
4:	ldxr	x7, [x4]
	stxr	w8, x6, [x4]
	b	9f
5:	tlbi	vmalle1is
	dsb	ish
	fmov	d0, x6
	pacia	x7, x6
	autia	x7, x6
	pacga	x7, x7, x6
	.inst	0x04bf5027		/* rdvl x7, #1 */
	ubfx	x7, x10, #44, #5
	cbnz	x7, 9f
	br	x4			/* what others have written */
9:	subs	x1, x1, #1
	b.ne	1b
	hvc	#0
	b	9b

	/*
	 * The host's vectors. vectors_fill(u64 first): element k of 64 bits of zN becomes
	 * first + (N << 32) + 7 * k. vectors_store(u64 *to): z0 to z31; returns the bytes of each.
	 */
	.arch_extension sve
	.text
	.globl	vectors_fill, vectors_store
vectors_fill:
	mov	x1, #7
	mov	x2, #1
	lsl	x2, x2, #32
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23
	index	z\n\().d, x0, x1
	add	x0, x0, x2
	.endr
	.irp	n, 24, 25, 26, 27, 28, 29, 30, 31
	index	z\n\().d, x0, x1
	add	x0, x0, x2
	.endr
	ret

vectors_store:
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23
	str	z\n, [x0, #\n, mul vl]
	.endr
	.irp	n, 24, 25, 26, 27, 28, 29, 30, 31
	str	z\n, [x0, #\n, mul vl]
	.endr
	rdvl	x0, #1
	ret
