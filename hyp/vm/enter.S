/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * In and out of a guest: general registers, and the loop around them, which holds nothing in a
 * register over an entry: so the callee-saved registers of EL2's own code are saved once a run.
 * Everything else is run.c's and switch.c's. Assembly because between the last load and the ERET no
 * register is free.
 */
#include <cpu/percpu.h>
#include <vm/vcpu_regs.h>

	.text
	.macro	x4_to_x11 op
	\op	x4, x5, [x0, #VCPU_GPREGS + 4 * 8]
	\op	x6, x7, [x0, #VCPU_GPREGS + 6 * 8]
	\op	x8, x9, [x0, #VCPU_GPREGS + 8 * 8]
	\op	x10, x11, [x0, #VCPU_GPREGS + 10 * 8]
	.endm

	.macro	x4_to_x29 op
	x4_to_x11 \op
	\op	x12, x13, [x0, #VCPU_GPREGS + 12 * 8]
	\op	x14, x15, [x0, #VCPU_GPREGS + 14 * 8]
	\op	x16, x17, [x0, #VCPU_GPREGS + 16 * 8]
	\op	x18, x19, [x0, #VCPU_GPREGS + 18 * 8]
	\op	x20, x21, [x0, #VCPU_GPREGS + 20 * 8]
	\op	x22, x23, [x0, #VCPU_GPREGS + 22 * 8]
	\op	x24, x25, [x0, #VCPU_GPREGS + 24 * 8]
	\op	x26, x27, [x0, #VCPU_GPREGS + 26 * 8]
	\op	x28, x29, [x0, #VCPU_GPREGS + 28 * 8]
	.endm

	.text
/*
 * int guest_run(struct vcpu *vcpu): enter the guest, and again after each exit for as long as its
 * handler, or vcpu_exit(), says VCPU_RESUME, -1. Returns the first other thing that it says.
 */
	.globl	guest_run
guest_run:
	stp	x29, x30, [sp, #-96]!
	mov	x29, sp
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	b	enter

/*
 * From vectors.S: x0 is the vCPU, x1 the CPU's percpu.stop; the guest's x0 and x1 are on the stack, which is
 * as guest_run left it otherwise. A synchronous exception of a vCPU without stages goes to the handler of its
 * class from here: what is uncommon about its result is vcpu_exit_handled()'s.
 */
	.globl	guest_exit
guest_exit:
	stp	x2, x3, [x0, #VCPU_GPREGS + 2 * 8]
	cbnz	x1, stopped
	ldp	x2, x3, [x0, #VCPU_HANDLERS]
	mrs	x1, esr_el2
	cbz	x2, staged
	lsr	w3, w1, #26             /* the class */
	ldr	x2, [x2, x3, lsl #3]
	x4_to_x29 stp
	ldp	x4, x5, [sp], #16
	mrs	x6, elr_el2
	mrs	x7, spsr_el2
	stp	x4, x5, [x0, #VCPU_GPREGS]
	stp	x30, x6, [x0, #VCPU_GPREGS + 30 * 8]
	str	x7, [x0, #VCPU_GPREGS + 32 * 8]
	mov	x29, sp
	mov	x19, x0
	mov	x20, x1                 /* a fault of EL2's own, mended meanwhile, changes ESR_EL2 */
	blr	x2
	ldrb	w1, [x19, #VCPU_ATTENTION]
	cmn	w0, #1                  /* VCPU_RESUME */
	ccmp	w1, #0, #0, eq          /* and no hook's .enter has work */
	b.ne	handled
	mov	x0, x19
enter:
	ldp	x2, x3, [x0, #VCPU_GPREGS + 31 * 8]
	msr	elr_el2, x2
	msr	spsr_el2, x3
enter_gpregs:
	ldp	x2, x3, [x0, #VCPU_GPREGS + 2 * 8]
	x4_to_x29 ldp
	ldr	x30, [x0, #VCPU_GPREGS + 30 * 8]
	ldp	x0, x1, [x0, #VCPU_GPREGS]
	eret
	dsb	nsh                     /* no speculation past the return */
	isb

/* The same for an interrupt or an SError: x1 is what kind of exception it was. */
	.globl	guest_exit_async
guest_exit_async:
	stp	x2, x3, [x0, #VCPU_GPREGS + 2 * 8]
save:
	x4_to_x29 stp
	ldp	x4, x5, [sp], #16
	stp	x4, x5, [x0, #VCPU_GPREGS]
saved:
	mrs	x2, elr_el2
	mrs	x3, spsr_el2
	stp	x30, x2, [x0, #VCPU_GPREGS + 30 * 8]
	str	x3, [x0, #VCPU_GPREGS + 32 * 8]
	mov	x29, sp
	mov	x19, x0
	bl	vcpu_exit
exited:
	cmn	w0, #1                  /* VCPU_RESUME */
	b.ne	1f
	mov	x0, x19
	b	enter
1:
	ldp	x19, x20, [sp, #16]
	ldp	x21, x22, [sp, #32]
	ldp	x23, x24, [sp, #48]
	ldp	x25, x26, [sp, #64]
	ldp	x27, x28, [sp, #80]
	ldp	x29, x30, [sp], #96
	ret

handled:
	mov	w1, w0
	mov	x2, x20
	mov	x0, x19
	bl	vcpu_exit_handled
	b	exited

stopped:
	dmb	ishld                   /* what panic_in_progress() reads is as new as percpu.stop */
	mov	x1, #0
	b	save

/*
 * A synchronous exception of a vCPU that has stages, with ESR_EL2 in x1; the classes of its fast exit (exit.h)
 * are in x3. If this exception is of one of these, what such a function uses is saved for it, and nothing
 * else: x0 to x11 and x30. SPSR_EL2 and ELR_EL2 stay in the hardware.
 */
staged:
	lsr	x1, x1, #26             /* the class is in bits 5:0, which is what a shift looks at */
	asr	x3, x3, x1              /* EXIT_HAS_EARLY is the highest bit, and stays */
	tbz	x3, #0, 2f
	x4_to_x11 stp
	ldr	x2, [x0, #VCPU_FAST_EXIT]
	str	x30, [sp, #-16]!
	blr	x2
	ldr	x30, [sp], #16
	cbz	x0, 1f
	x4_to_x11 ldp
	ldp	x2, x3, [x0, #VCPU_GPREGS + 2 * 8]
	ldp	x0, x1, [sp], #16
	eret
	dsb	nsh
	isb
1:	mrs	x0, tpidr_el2           /* as if nothing had been */
	ldr	x0, [x0, #PERCPU_VCPU]
	x4_to_x11 ldp
	mov	x1, #0
	b	save
2:	tbnz	x3, #EXIT_HAS_EARLY, try_early
3:	mov	x1, #0
	b	save

/* So it has an early exit: likewise, but all general registers are saved before it is known who handles it. */
try_early:
	ldp	x2, x3, [x0, #VCPU_EARLY_EXIT]
	lsr	x3, x3, x1
	tbz	x3, #0, 3b
	x4_to_x29 stp
	str	x30, [x0, #VCPU_GPREGS + 30 * 8]
	ldp	x4, x5, [sp], #16
	stp	x4, x5, [x0, #VCPU_GPREGS]
	mov	x29, sp
	mov	x19, x0
	mov	x20, x1                 /* a fault of EL2's own, mended meanwhile, changes ESR_EL2 */
	blr	x2
	and	x1, x0, #1              /* a bool */
	mov	x0, x19
	cbnz	w1, enter_gpregs
	ldr	x30, [x0, #VCPU_GPREGS + 30 * 8]
	b	saved                   /* x1 is 0: synchronous */
