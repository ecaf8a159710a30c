/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads and stores with byte order reversed, and code for EL0 and for stepping. */

	/* Each: x0 the address, x1 what is stored; returns what is loaded. With the MMU off, so
	 * that only this access is big-endian: with it on, walks would be too. */
	.macro	big_endian name, insn:vararg
	.globl	\name
\name:
	mrs	x9, sctlr_el1
	bic	x10, x9, #1
	orr	x10, x10, #(1 << 25)	/* EE */
	dsb	sy
	msr	sctlr_el1, x10
	isb
	\insn
	dsb	sy
	msr	sctlr_el1, x9
	isb
	ret
	.endm
	big_endian be_ldr16, ldrh w0, [x0]
	big_endian be_ldr32, ldr w0, [x0]
	big_endian be_ldr64, ldr x0, [x0]
	big_endian be_ldrsh, ldrsh x0, [x0]
	big_endian be_ldrsw, ldrsw x0, [x0]
	big_endian be_str16, strh w1, [x0]
	big_endian be_str32, str w1, [x0]

	/* ---- at EL0: each ends by SVC #0, or by what it does */
	.balign	64
	.globl	el0_svc
el0_svc:
	svc	#0x77
	.globl	el0_hvc
el0_hvc:
	hvc	#0
	svc	#0
	.globl	el0_smc
el0_smc:
	smc	#0
	svc	#0
	.globl	el0_load32
el0_load32:
	ldr	w0, [x0]
	svc	#0
	.globl	el0_wfi
el0_wfi:
	wfi
	svc	#0
	.globl	el0_id
el0_id:
	mrs	x0, id_aa64pfr0_el1
	svc	#0
	.globl	el0_msr
el0_msr:
	msr	vbar_el1, x0
	svc	#0
	.globl	el0_dc
el0_dc:
	dc	cisw, x0
	svc	#0

	/*
	 * step_NAME(void *address): one instruction with software step on. The step exception comes
	 * behind it, at \name\()_end.
	 */
	.macro	step name, insn:vararg
	.globl	step_\name, step_\name\()_end
step_\name:
	adr	x9, 1f
	msr	elr_el1, x9
	mov	x9, #0x1c5		/* EL1h, A, I and F masked, D not */
	orr	x9, x9, #(1 << 21)	/* SS */
	msr	spsr_el1, x9
	mrs	x9, mdscr_el1
	orr	x9, x9, #1		/* SS */
	orr	x9, x9, #(1 << 13)	/* KDE */
	msr	mdscr_el1, x9
	isb
	eret
1:	\insn
step_\name\()_end:
	msr	daifset, #8
	ret
	.endm
	step nop, nop
	step hvc, hvc #0
	step id, mrs x0, id_aa64pfr0_el1
	step load, ldr w0, [x0]
	step smc, smc #0
	step wfi, wfi
