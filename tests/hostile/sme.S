/* SPDX-License-Identifier: BSD-2-Clause */
/* What sme.c cannot say in C: vectors, and its guests. */
	.arch	armv9-a+sve+sme

	.macro	vectors op
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	\op	z\n, [x0]
	add	x0, x0, #256
	.endr
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	\op	p\n, [x0]
	add	x0, x0, #32
	.endr
	.endm

	.text
	/* void vectors_load(const struct vectors *from, bool ffr) */
	.globl	vectors_load
vectors_load:
	cbz	w1, 1f
	mov	x2, #8704
	add	x2, x0, x2
	ldr	p0, [x2]
	wrffr	p0.b
1:	vectors	ldr
	ret

	/* void vectors_store(struct vectors *to, bool ffr): changes p0 */
	.globl	vectors_store
vectors_store:
	vectors	str
	cbz	w1, 1f
	rdffr	p0.b
	str	p0, [x0]
1:	ret

	/* void za_load(const void *from), za_store(void *to): rows 256 bytes apart */
	.globl	za_load
za_load:
	rdsvl	x1, #1
	mov	w12, #0
1:	ldr	za[w12, #0], [x0]
	add	x0, x0, #256
	add	w12, w12, #1
	cmp	w12, w1
	b.lo	1b
	ret

	.globl	za_store
za_store:
	rdsvl	x1, #1
	mov	w12, #0
1:	str	za[w12, #0], [x0]
	add	x0, x0, #256
	add	w12, w12, #1
	cmp	w12, w1
	b.lo	1b
	ret

	.globl	streaming_bytes, vector_bytes
streaming_bytes:
	rdsvl	x0, #1
	ret
vector_bytes:
	rdvl	x0, #1
	ret

	/* A guest: notes v0 and FPSR, changes them and more, waits; over and over. */
	.section .rodata
	.balign	16
	.globl	uses_fp, uses_fp_end
uses_fp:
	mov	x0, #(3 << 20)
	msr	cpacr_el1, x0
	isb
	mov	x1, #0x1000
	mov	x2, #0
1:	str	q0, [x1]
	mrs	x3, fpsr
	str	x3, [x1, #16]
	add	x2, x2, #1
	str	x2, [x1, #24]
	movi	v0.16b, #0x5a
	movi	v31.16b, #0xa5
	mov	x3, #0x81
	msr	fpsr, x3
	wfi
	b	1b
uses_fp_end:

	/* One that does not use it, and one that tries Streaming SVE mode. */
	.globl	uses_none, uses_none_end
uses_none:
1:	wfi
	b	1b
uses_none_end:

	.globl	streams, streams_end
streams:
	mov	x0, #0x800              /* its vectors: an exception waits, too */
	msr	vbar_el1, x0
	mov	x0, #(3 << 24)
	orr	x0, x0, #(3 << 20)
	msr	cpacr_el1, x0
	isb
	smstart	sm
	.rept	4
1:	wfi
	b	1b
	.endr
	.org	streams + 0xa00         /* synchronous, current EL with SP_ELx */
	mov	x1, #0x1000
	mrs	x2, esr_el1
	str	x2, [x1]
1:	wfi
	b	1b
streams_end:
