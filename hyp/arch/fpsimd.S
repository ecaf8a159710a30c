/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FP/SIMD and SVE state, in struct vcpu_fpstate's layout (vm/vcpu_regs.h): FPCR, FPSR, V rows of 16
 * bytes at 16, Z rows of 256 at 528, P rows of 32 at 8720, FFR at 9232.
 */
	.arch	armv8-a+sve
#define FP_V   16
#define FP_Z   528
#define FP_P   8720
#define FP_FFR 9232

	.macro	status_save
	mrs	x1, fpcr
	mrs	x2, fpsr
	stp	x1, x2, [x0]
	.endm

	.macro	status_restore
	ldp	x1, x2, [x0]
	msr	fpcr, x1
	msr	fpsr, x2
	.endm

	.text
	.globl	fpsimd_save
fpsimd_save:
	status_save
	add	x1, x0, #FP_V
	stp	q0, q1, [x1, #0]
	stp	q2, q3, [x1, #32]
	stp	q4, q5, [x1, #64]
	stp	q6, q7, [x1, #96]
	stp	q8, q9, [x1, #128]
	stp	q10, q11, [x1, #160]
	stp	q12, q13, [x1, #192]
	stp	q14, q15, [x1, #224]
	stp	q16, q17, [x1, #256]
	stp	q18, q19, [x1, #288]
	stp	q20, q21, [x1, #320]
	stp	q22, q23, [x1, #352]
	stp	q24, q25, [x1, #384]
	stp	q26, q27, [x1, #416]
	stp	q28, q29, [x1, #448]
	stp	q30, q31, [x1, #480]
	ret

	.globl	fpsimd_restore
fpsimd_restore:
	status_restore
	add	x1, x0, #FP_V
	ldp	q0, q1, [x1, #0]
	ldp	q2, q3, [x1, #32]
	ldp	q4, q5, [x1, #64]
	ldp	q6, q7, [x1, #96]
	ldp	q8, q9, [x1, #128]
	ldp	q10, q11, [x1, #160]
	ldp	q12, q13, [x1, #192]
	ldp	q14, q15, [x1, #224]
	ldp	q16, q17, [x1, #256]
	ldp	q18, q19, [x1, #288]
	ldp	q20, q21, [x1, #320]
	ldp	q22, q23, [x1, #352]
	ldp	q24, q25, [x1, #384]
	ldp	q26, q27, [x1, #416]
	ldp	q28, q29, [x1, #448]
	ldp	q30, q31, [x1, #480]
	ret

/* Rows are as far apart as the longest vector: step by row, so any vector length works. */
	.macro	row op, reg, step
	\op	\reg, [x1]
	add	x1, x1, #\step
	.endm

	.globl	sve_save
sve_save:
	mov	w3, w1
	status_save
	add	x1, x0, #FP_Z
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	row	str, z\n, 256
	.endr
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	row	str, p\n, 32
	.endr
	cbz	w3, 1f
	rdffr	p0.b
	str	p0, [x1]
	mov	x2, #(FP_FFR - FP_P)
	sub	x1, x1, x2
	ldr	p0, [x1]                /* p0 carried the FFR: put it back */
1:	ret

	.globl	sve_restore
sve_restore:
	cbz	w1, 1f
	mov	x1, #FP_FFR
	add	x1, x0, x1
	ldr	p0, [x1]
	wrffr	p0.b
1:	status_restore
	add	x1, x0, #FP_Z
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	row	ldr, z\n, 256
	.endr
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	row	ldr, p\n, 32
	.endr
	ret

	/* An illegal instruction of Streaming SVE mode is trapped, to where it was: to EL2. */
	.globl	sve_has_ffr
sve_has_ffr:
1:	rdffr	p0.b
2:	mov	w0, #1
	ret
3:	mov	w0, #0
	ret
	/* As EXTABLE_SYSREG() of extable.h. */
	.pushsection .extable, "a"
	.balign	4
	.long	1b - ., 2b - ., 3b - . + 1
	.popsection

	.globl	sve_vq
sve_vq:
	rdvl	x0, #1
	lsr	x0, x0, #4
	ret
