/* SPDX-License-Identifier: BSD-2-Clause */
/* The guests of wild.c. */
	.arch	armv8-a

	/* Vectors that all lead to @to; 2 KiB, aligned by who uses it. */
	.macro	all_vectors to
	.rept	16
	.balign	128
	b	\to
	.endr
	.endm

	/*
	 * The wild guest: one instruction after the other, made of random bits, with random registers.
	 * What comes of it leads back to the loop: a branch behind the instruction, or a vector. It keeps
	 * nothing in registers, and finds its memory by where it runs. Behind its code are
	 * struct wild_state (wild.c) and the addresses that registers are given.
	 */
	.section .rodata
	.balign	2048
	.globl	wild, wild_end
wild:
	all_vectors again
	.balign	128
	.globl	wild_entry
wild_entry:
again:
	msr	daifset, #15
	msr	spsel, #1
	adr	x0, wild
	msr	vbar_el1, x0
	mov	x1, #0x0800		/* SCTLR_EL1 as after reset: nothing is on */
	movk	x1, #0x30d0, lsl #16
	msr	sctlr_el1, x1
	mov	x1, #(3 << 20)
	msr	cpacr_el1, x1
	msr	mdscr_el1, xzr
	isb
	/* progress, and the next random numbers */
	adr	x28, wild
	add	x28, x28, #0x4000
	ldp	x27, x26, [x28]		/* seed, rounds */
	add	x26, x26, #1
	eor	x27, x27, x26		/* a seed that was overwritten with 0 would remain 0 */
	bl	next
	/* the kind */
	and	x1, x25, #7
	lsr	x2, x25, #8
	cmp	x1, #3
	b.ls	1f
	cmp	x1, #5
	b.ls	2f
	cmp	x1, #6
	b.eq	3f
	b	4f
1:	and	w2, w2, #0x1fffff	/* MSR, MRS, SYS, hints, barriers, PSTATE */
	mov	w3, #0xd5000000
	orr	w2, w2, w3
	b	4f
2:	and	w2, w2, #0x3fffffff	/* loads and stores of registers */
	mov	w3, #0xf7ffffff
	and	w2, w2, w3
	mov	w3, #0x38000000
	orr	w2, w2, w3
	b	4f
3:	and	w2, w2, #31		/* HVC #0, SMC #0; ERET, after which few get back soon */
	mov	w3, #0x0002
	movk	w3, #0xd400, lsl #16
	cmp	w2, #8
	cinc	w4, w3, lo
	mov	w3, #0x03e0
	movk	w3, #0xd69f, lsl #16
	cmp	w2, #31
	csel	w2, w3, w4, eq
4:	adr	x3, slot
	str	w2, [x3]
	dc	cvau, x3
	dsb	ish
	ic	ivau, x3
	dsb	ish
	stp	x27, x26, [x28]
	/* registers: of the addresses, or random; x0 a function identifier now and then */
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23
	bl	next
	and	x24, x25, #31
	add	x24, x28, x24, lsl #3
	ldr	x24, [x24, #64]
	tst	x25, #0x300
	csel	x24, x25, x24, eq
	str	x24, [x28, #(512 + 8 * \n)]
	.endr
	bl	next
	tbz	x25, #5, 5f
	ubfx	x24, x25, #8, #6
	mov	w0, #0x84000000
	orr	w24, w24, w0
	and	w0, w25, #0x40000000	/* the 64-bit ones */
	orr	w24, w24, w0
	str	x24, [x28, #512]
5:	str	x27, [x28]
	add	x29, x28, #512
	.irp	n, 2,4,6,8,10,12,14,16,18,20,22
	.set	odd, \n + 1
	ldr	x\n, [x29, #(8 * \n)]
	.endr
	.irp	n, 0,1,3,5,7,9,11,13,15,17,19,21,23
	ldr	x\n, [x29, #(8 * \n)]
	.endr
	isb
slot:
	nop
	b	again
	.rept	8			/* what is stepped over leads here too */
	b	again
	.endr

	/* x27: the seed; x25: a random number. Changes x24. */
next:
	eor	x27, x27, x27, lsl #13
	eor	x27, x27, x27, lsr #7
	eor	x27, x27, x27, lsl #17
	mov	x24, #0xdd1d
	movk	x24, #0x4f6c, lsl #16
	movk	x24, #0x4591, lsl #32
	movk	x24, #0x2545, lsl #48
	mul	x25, x27, x24
	ror	x25, x25, #23
	ret
wild_end:

	/*
	 * The other guest: gives its registers values that no other has, and waits; each time that it
	 * goes on it looks whether they are there. At IPA 0x4000 it counts; a register that was
	 * another's leaves its number behind the count.
	 */
	.macro	each_register op
	\op	1, tpidr_el0
	\op	2, tpidr_el1
	\op	3, tpidrro_el0
	\op	4, sp_el0
	\op	5, ttbr0_el1
	\op	6, ttbr1_el1
	\op	7, mair_el1
	\op	8, far_el1
	\op	9, elr_el1
	.endm
	.macro	give n, name
	add	x1, x9, #(\n << 4)
	msr	\name, x1
	.endm
	.macro	look n, name
	add	x1, x9, #(\n << 4)
	mrs	x2, \name
	mov	x3, #\n
	cmp	x1, x2
	b.ne	8f
	.endm

	.balign	2048
	.globl	still, still_end, still_entry
still:
	all_vectors 9f
	.balign	128
still_entry:
	adr	x0, still
	msr	vbar_el1, x0
	mov	x0, #(3 << 20)
	msr	cpacr_el1, x0
	isb
	mov	x9, #0x5a0000
	each_register give
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	add	x1, x9, #\n
	fmov	d\n, x1
	.endr
	mov	x10, #0x4000
	mov	x11, #0
1:	wfi
	each_register look
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	add	x1, x9, #\n
	fmov	x2, d\n
	mov	x3, #(100 + \n)
	cmp	x1, x2
	b.ne	8f
	.endr
	add	x11, x11, #1
	str	x11, [x10]
	b	1b
9:	mov	x10, #0x4000
	mov	x3, #200		/* an exception */
8:	str	x3, [x10, #8]
	wfi
	b	8b
still_end:
