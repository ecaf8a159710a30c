/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The payload's image header, entry points and exception vectors. It runs at EL1 where Keel put it,
 * with the MMU off.
 */
#include "../../lib/start.h"

	image_header entry

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

	/* With x0..x17 of struct regs. */
	make_call hvc0, "hvc #0"
	make_call hvc1, "hvc #1"
	make_call smc0, "smc #0"

	/* A synchronous exception notes ESR and FAR and goes on: behind a load or store, at LR after a branch. */
	.macro	vector number
	.if	\number == VECTOR_SYNC
	b	sync
	.else
	b	unexpected
	.endif
	.endm
	vector_table vectors, vector

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
