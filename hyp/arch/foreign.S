/* SPDX-License-Identifier: BSD-2-Clause */
/* The longer accesses of foreign.h: what a fault would change is kept in registers. */

	/* As EXTABLE() of extable.h. */
	.macro	extable from, to, fixup
	.pushsection .extable, "a"
	.balign	4
	.long	\from - ., \to - ., \fixup - .
	.popsection
	.endm

/* tests/el2 has something in its place, since no emulator's faults. */
#ifndef CLEAN_LINE
#define CLEAN_LINE(at) dc civac, at
#endif

	.macro	keep_syndrome
	mrs	x9, elr_el2
	mrs	x10, spsr_el2
	mrs	x11, esr_el2
	mrs	x12, far_el2
	mrs	x13, hpfar_el2
	.endm

	.macro	restore_syndrome
	msr	elr_el2, x9
	msr	spsr_el2, x10
	msr	esr_el2, x11
	msr	far_el2, x12
	msr	hpfar_el2, x13
	.endm

	.text
/*
 * bool foreign_clear(void *start, u64 size): by DC ZVA, eight blocks an iteration, if the CPU has it
 * and the range is that regular.
 */
	.globl	foreign_clear
foreign_clear:
	keep_syndrome
	orr	x4, x0, x1
	add	x1, x1, x0
	mrs	x2, dczid_el0
	tbnz	x2, #4, .Lclear         /* DZP */
	mov	x3, #4
	lsl	x2, x3, x2              /* BS: log2 of words; the bits above it are 0 */
	lsl	x3, x2, #3
	sub	x3, x3, #1
	tst	x4, x3
	b.ne	.Lclear
.Lblocks:
	cmp	x0, x1
	b.eq	.Ldone
	.rept	8
	dc	zva, x0
	add	x0, x0, x2
	.endr
	b	.Lblocks
.Lclear:
	cmp	x0, x1
	b.eq	.Ldone
	stp	xzr, xzr, [x0]
	stp	xzr, xzr, [x0, #16]
	stp	xzr, xzr, [x0, #32]
	stp	xzr, xzr, [x0, #48]
	add	x0, x0, #64
	b	.Lclear
.Lclear_end:
	extable	.Lblocks, .Lclear_end, .Lfaulted

/*
 * u64 foreign_clean_inval(const void *start, u64 size): 64 lines an iteration, then the rest. After
 * a fault x0 is the line, and its page is the last one.
 */
	.globl	foreign_clean_inval
foreign_clean_inval:
	keep_syndrome
	mov	x6, x1                  /* what is returned */
	mov	x7, x0
	add	x1, x1, x0
	mrs	x2, ctr_el0
	ubfx	x2, x2, #16, #4         /* DminLine: log2 of words */
	mov	x3, #4
	lsl	x2, x3, x2
	sub	x3, x2, #1
	bic	x0, x0, x3
	lsl	x3, x2, #6
	sub	x4, x1, x3
	cmp	x1, x3
	csel	x4, xzr, x4, lo
	mov	w5, wzr                 /* none has faulted */
.Llines:
	cmp	x0, x4
	b.hi	.Lline
	.rept	64
	CLEAN_LINE(x0)
	add	x0, x0, x2
	.endr
	b	.Llines
.Lline:
	cmp	x0, x1
	b.hs	.Lcleaned
	CLEAN_LINE(x0)
	add	x0, x0, x2
	b	.Lline
.Lclean_end:
	extable	.Llines, .Lclean_end, .Lclean_faulted
.Lcleaned:
	dsb	sy
	cbz	w5, 1f
	restore_syndrome
1:	mov	x0, x6
	ret
.Lclean_faulted:
	mov	w5, #1
	mov	x4, xzr
	and	x6, x0, #~0xfff
	add	x3, x6, #0x1000
	cmp	x3, x1
	csel	x1, x3, x1, lo
	subs	x6, x6, x7
	csel	x6, xzr, x6, lo
	add	x0, x0, x2
	b	.Lline

/* bool foreign_load(void *to, const void *from): each doubleword is read once */
	.globl	foreign_load
foreign_load:
	keep_syndrome
.Lload:
	ldp	x2, x3, [x1]
	ldp	x4, x5, [x1, #16]
.Lload_end:
	extable	.Lload, .Lload_end, .Lfaulted
	stp	x2, x3, [x0]
	stp	x4, x5, [x0, #16]
	b	.Ldone

	.macro	try_and_step            /* FOREIGN_TRIED bytes */
	ldp	x3, x4, [x0]
	ldp	x3, x4, [x0, #16]
	add	x0, x0, x2
	.endm

/* bool foreign_answers(const void *start, u64 size, u64 step): 8 steps an iteration, then the rest */
	.globl	foreign_answers
foreign_answers:
	keep_syndrome
	add	x1, x0, x1
	sub	x5, x1, x2, lsl #3
.Ltry:
	cmp	x0, x5
	b.hi	1f
	.rept	8
	try_and_step
	.endr
	b	.Ltry
1:	cmp	x0, x1
	b.hs	.Ldone
	try_and_step
	b	1b
.Ltry_end:
	extable	.Ltry, .Ltry_end, .Lfaulted

/* bool foreign_read_reg(const volatile void *reg, unsigned int bytes, u64 *value) */
	.globl	foreign_read_reg
foreign_read_reg:
	keep_syndrome
	cmp	w1, #8
	b.eq	1f
.Lread:
	ldr	w3, [x0]
	b	2f
1:	ldr	x3, [x0]
.Lread_end:
2:	str	x3, [x2]
	b	.Ldone
	extable	.Lread, .Lread_end, .Lread_faulted

/* bool foreign_write_reg(volatile void *reg, unsigned int bytes, u64 value) */
	.globl	foreign_write_reg
foreign_write_reg:
	keep_syndrome
	cmp	w1, #8
	b.eq	1f
.Lwrite:
	str	w2, [x0]
	b	.Ldone
1:	str	x2, [x0]
.Lwrite_end:
	extable	.Lwrite, .Lwrite_end, .Lfaulted

.Ldone:
	mov	w0, #1
	ret

.Lread_faulted:
	str	xzr, [x2]
	b	.Lfaulted

.Lfaulted:
	restore_syndrome
	mov	w0, wzr
	ret
