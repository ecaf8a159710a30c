/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The payload's image header, entry points and exception vectors. It runs at EL1 where Keel put it,
 * with the MMU off.
 */
	.section .head, "ax"
	.globl	_start
_start:
	b	entry
	.word	0
	.quad	0			/* text_offset */
	.quad	_end - _start		/* image_size */
	.quad	0xa			/* flags: little-endian, 4K pages, anywhere in memory */
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.word	0

entry:
	adr	x8, stack_top
	mov	sp, x8
	adr	x8, vectors
	msr	vbar_el1, x8
	/* FP registers are not used, but the compiler might: let it */
	mov	x8, #(3 << 20)
	msr	cpacr_el1, x8
	isb
	b	payload_main

	/* A CPU that CPU_ON starts: x0 is the context. */
	.globl	secondary
secondary:
	adr	x8, secondary_stack_top
	mov	sp, x8
	adr	x8, vectors
	msr	vbar_el1, x8
	isb
	b	payload_secondary

	/* u64 access(u64 address, u64 kind): 0 load, 1 store, 2 branch; what the fault handler noted */
	.globl	touch
touch:
	str	x30, [sp, #-16]!
	adr	x8, fault
	stp	xzr, xzr, [x8]
	cmp	x1, #1
	b.eq	1f
	b.hi	2f
	ldr	x9, [x0]
	b	3f
1:	str	x9, [x0]
	b	3f
2:	blr	x0
3:	ldr	x30, [sp], #16
	ret

	/* u64 call(struct regs *r): HVC #0, HVC #1 or SMC #0 with x0..x17 from *r, and back */
	.macro	make_call name, insn
	.globl	\name
\name:
	stp	x29, x30, [sp, #-32]!
	str	x0, [sp, #16]
	mov	x18, x0
	ldp	x0, x1, [x18]
	ldp	x2, x3, [x18, #16]
	ldp	x4, x5, [x18, #32]
	ldp	x6, x7, [x18, #48]
	ldp	x8, x9, [x18, #64]
	ldp	x10, x11, [x18, #80]
	ldp	x12, x13, [x18, #96]
	ldp	x14, x15, [x18, #112]
	ldp	x16, x17, [x18, #128]
	\insn
	ldr	x18, [sp, #16]
	stp	x0, x1, [x18]
	stp	x2, x3, [x18, #16]
	stp	x4, x5, [x18, #32]
	stp	x6, x7, [x18, #48]
	stp	x8, x9, [x18, #64]
	stp	x10, x11, [x18, #80]
	stp	x12, x13, [x18, #96]
	stp	x14, x15, [x18, #112]
	stp	x16, x17, [x18, #128]
	ldp	x29, x30, [sp], #32
	ret
	.endm

	make_call hvc0, "hvc #0"
	make_call hvc1, "hvc #1"
	make_call smc0, "smc #0"

	/* A synchronous exception notes ESR and FAR and goes on: behind a load or store, at LR after a branch. */
	.balign	2048
vectors:
	.rept	4
	.balign	128
	b	unexpected
	.endr
	.balign	128
	b	sync
	.rept	3
	.balign	128
	b	unexpected
	.endr
	.rept	8
	.balign	128
	b	unexpected
	.endr

sync:
	stp	x8, x9, [sp, #-16]!
	adr	x8, fault
	mrs	x9, esr_el1
	str	x9, [x8]
	lsr	x9, x9, #26
	cmp	x9, #0x21		/* instruction abort, same level */
	mrs	x9, far_el1
	str	x9, [x8, #8]
	b.eq	1f
	mrs	x9, elr_el1
	add	x9, x9, #4
	b	2f
1:	mov	x9, x30
2:	msr	elr_el1, x9
	ldp	x8, x9, [sp], #16
	eret

unexpected:
	b	payload_unexpected

	.data
	.balign	16
	.globl	fault
fault:
	.quad	0, 0

	.bss
	.balign	16
	.skip	4096
stack_top:
	.skip	4096
secondary_stack_top:
