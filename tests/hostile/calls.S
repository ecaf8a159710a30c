/* SPDX-License-Identifier: BSD-2-Clause */
/* What calls.c cannot say in C: a call from EL1t, and its guest. */
	.arch	armv8-a

	/* void hvc_el1t(struct regs *r): as hvc0() of start.S, with SP_EL0 as the stack pointer. */
	.text
	.globl	hvc_el1t
hvc_el1t:
	stp	x29, x30, [sp, #-16]!
	mov	x9, sp
	msr	sp_el0, x9
	msr	spsel, #0
	bl	hvc0
	msr	spsel, #1
	ldp	x29, x30, [sp], #16
	ret

	/*
	 * The guest: goes through what exits, over and over. An exception goes on behind the
	 * instruction. Vectors first: it begins at IPA 0, where a branch leads over them.
	 */
	.section .rodata
	.balign	2048
	.globl	busy, busy_end
busy:
	b	1f
	.balign	128
	.rept	15
	b	2f
	.balign	128
	.endr
2:	mrs	x0, esr_el1
	mrs	x0, elr_el1
	add	x0, x0, #4
	msr	elr_el1, x0
	eret
1:	adr	x0, busy
	msr	vbar_el1, x0
	mov	x0, #(3 << 20)
	msr	cpacr_el1, x0
	isb
	mov	x28, #0
3:	mov	w0, #0x84000000		/* PSCI_VERSION */
	hvc	#0
	mrs	x0, id_aa64pfr0_el1
	mrs	x0, midr_el1
	mov	x1, #0x08000000		/* the distributor, if there is a vGIC */
	ldr	w0, [x1]
	mov	w0, #3			/* both groups */
	str	w0, [x1]
	ldp	w0, w2, [x1, #8]
	mov	x0, #0xf0
	msr	s3_0_c4_c6_0, x0	/* ICC_PMR_EL1 */
	mov	x0, #1
	msr	s3_0_c12_c12_7, x0	/* ICC_IGRPEN1_EL1 */
	isb
	mrs	x0, s3_0_c12_c12_0	/* ICC_IAR1_EL1: LPIs, if the host has any */
	msr	s3_0_c12_c12_1, x0	/* ICC_EOIR1_EL1 */
	mov	x1, #0xb000		/* its own memory */
	str	x28, [x1]
	ldr	x0, [x1]
	mov	x1, #0x10000		/* what the host maps and unmaps */
	str	x28, [x1]
	ldr	x0, [x1]
	mov	x1, #0x80000000
	str	x28, [x1]
	fmov	d0, x28
	msr	s3_0_c12_c11_5, x28	/* ICC_SGI1R_EL1 */
	dc	cisw, xzr
	dc	civac, x1
	tlbi	vmalle1is
	dsb	ish
	add	x28, x28, #1
	tst	x28, #1
	b.eq	3b			/* an SGI to itself is pending: SGIs are enabled at reset */
	wfi
	b	3b
busy_end:
