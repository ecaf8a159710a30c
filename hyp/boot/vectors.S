/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EL2's exception vectors (ARM DDI 0487, D1.3.1.5). From EL2 itself an exception is either a fault
 * that the exception table knows (cpu/extable.h), or a bug, which ends in panic; from below,
 * synchronous exceptions are the host's, and while it runs nothing else is routed here but SErrors,
 * if it has a virtual one.
 */
#include <boot/boot.h>
#include <cpu/percpu.h>

/* An exception from EL2: build a panic_frame, on the emergency stack if the stack has overflowed. */
	.macro	fatal_here vector
	sub	sp, sp, #FRAME_SIZE
	add	sp, sp, x0              /* sp' = sp + x0; x0' = sp: no register is lost */
	sub	x0, sp, x0
	tbz	x0, #STACK_OK_BIT, 1f
	sub	x0, sp, x0              /* both back */
	sub	sp, sp, x0
	stp	x0, x1, [sp, #FRAME_X(0)]
	add	x0, sp, #FRAME_SIZE
	mov	x1, #\vector
	b	fatal_common
1:	msr	sp_el0, x0              /* the host's, but it will not run again */
	sub	x0, sp, x0
	msr	tpidr_el0, x0
	mov	x0, #\vector
	b	fatal_overflow
	.endm

	.macro	fatal vector
	.balign	0x80
	fatal_here \vector
	.endm

	/* From a lower EL: the guest's, if this CPU runs one; otherwise the host's. */
	.macro	lower_sync
	.balign	0x80
	stp	x0, x1, [sp, #-16]!
	mrs	x0, tpidr_el2
	ldp	x0, x1, [x0, #PERCPU_VCPU]
	cbnz	x0, guest_exit
	ldp	x0, x1, [sp], #16
	sub	sp, sp, #HOST_REGS_SIZE
	stp	x0, x1, [sp, #0]
	b	host_sync_common
	.endm

	/*
	 * Interrupts are routed here only while a guest runs. So are SErrors, but for those of a
	 * host that has a virtual one: exception_at_el2() makes them virtual as well.
	 */
	.macro	lower_async vector, code
	.balign	0x80
	stp	x0, x1, [sp, #-16]!
	mrs	x0, tpidr_el2
	ldr	x0, [x0, #PERCPU_VCPU]
	mov	x1, #\code
	cbnz	x0, guest_exit_async
	ldp	x0, x1, [sp], #16
	fatal_here \vector
	.endm

	.text
	.balign	0x800
	.globl	vectors
vectors:
	.irp	v, 0,1,2,3              /* EL2 with SP_EL0 */
	fatal	\v
	.endr
	.irp	v, 4,5,6,7              /* EL2 with SP_EL2 */
	fatal	\v
	.endr
	lower_sync                      /* from a lower EL, AArch64 */
	lower_async 9, 1
	lower_async 10, 2
	lower_async 11, 3
	.irp	v, 12,13,14,15          /* from a lower EL, AArch32 at EL1, which Keel does not run */
	fatal	\v
	.endr

/* x0: sp before, x1: vector; x0 and x1 are in the frame already. */
fatal_common:
	stp	x2, x3, [sp, #FRAME_X(2)]
	stp	x4, x5, [sp, #FRAME_X(4)]
	stp	x6, x7, [sp, #FRAME_X(6)]
	stp	x8, x9, [sp, #FRAME_X(8)]
	stp	x10, x11, [sp, #FRAME_X(10)]
	stp	x12, x13, [sp, #FRAME_X(12)]
	stp	x14, x15, [sp, #FRAME_X(14)]
	stp	x16, x17, [sp, #FRAME_X(16)]
	stp	x18, x19, [sp, #FRAME_X(18)]
	stp	x20, x21, [sp, #FRAME_X(20)]
	stp	x22, x23, [sp, #FRAME_X(22)]
	stp	x24, x25, [sp, #FRAME_X(24)]
	stp	x26, x27, [sp, #FRAME_X(26)]
	stp	x28, x29, [sp, #FRAME_X(28)]
	stp	x30, x0, [sp, #FRAME_X(30)]     /* and FRAME_SP */
	mrs	x2, elr_el2
	mrs	x3, spsr_el2
	stp	x2, x3, [sp, #FRAME_ELR]
	mrs	x2, esr_el2
	mrs	x3, far_el2
	stp	x2, x3, [sp, #FRAME_ESR]
	str	x1, [sp, #FRAME_VECTOR]
	mov	x0, sp
	bl	exception_at_el2        /* returns if EL2 can continue, at FRAME_ELR */
	ldp	x2, x3, [sp, #FRAME_ELR]
	msr	elr_el2, x2
	msr	spsr_el2, x3
	ldp	x2, x3, [sp, #FRAME_X(2)]
	ldp	x4, x5, [sp, #FRAME_X(4)]
	ldp	x6, x7, [sp, #FRAME_X(6)]
	ldp	x8, x9, [sp, #FRAME_X(8)]
	ldp	x10, x11, [sp, #FRAME_X(10)]
	ldp	x12, x13, [sp, #FRAME_X(12)]
	ldp	x14, x15, [sp, #FRAME_X(14)]
	ldp	x16, x17, [sp, #FRAME_X(16)]
	ldp	x18, x19, [sp, #FRAME_X(18)]
	ldp	x20, x21, [sp, #FRAME_X(20)]
	ldp	x22, x23, [sp, #FRAME_X(22)]
	ldp	x24, x25, [sp, #FRAME_X(24)]
	ldp	x26, x27, [sp, #FRAME_X(26)]
	ldp	x28, x29, [sp, #FRAME_X(28)]
	ldr	x30, [sp, #FRAME_X(30)]
	ldp	x0, x1, [sp, #FRAME_X(0)]
	add	sp, sp, #FRAME_SIZE     /* the frame was on the stack itself, not on the emergency one */
	eret
	dsb	nsh                     /* no speculation past the return */
	isb

fatal_overflow:
	mrs	x0, tpidr_el2
	cbz	x0, 2f
	ldr	x0, [x0, #PERCPU_EMERGENCY_TOP]
	sub	x0, x0, #FRAME_SIZE
	mov	sp, x0
	mrs	x0, tpidr_el0
	stp	x0, x1, [sp, #FRAME_X(0)]
	mrs	x0, sp_el0
	add	x0, x0, #FRAME_SIZE
	mov	x1, #4                  /* overflows come from EL2h */
	b	fatal_common
2:	wfi
	b	2b

host_sync_common:
	stp	x2, x3, [sp, #16]
	stp	x4, x5, [sp, #32]
	stp	x6, x7, [sp, #48]
	stp	x8, x9, [sp, #64]
	stp	x10, x11, [sp, #80]
	stp	x12, x13, [sp, #96]
	stp	x14, x15, [sp, #112]
	stp	x16, x17, [sp, #128]
	stp	x18, x19, [sp, #144]
	stp	x20, x21, [sp, #160]
	stp	x22, x23, [sp, #176]
	stp	x24, x25, [sp, #192]
	stp	x26, x27, [sp, #208]
	stp	x28, x29, [sp, #224]
	str	x30, [sp, #240]
	mov	x29, xzr                /* Keel's frames end here */
	mov	x30, xzr
	mov	x0, sp
	bl	host_trap
	ldp	x2, x3, [sp, #16]
	ldp	x4, x5, [sp, #32]
	ldp	x6, x7, [sp, #48]
	ldp	x8, x9, [sp, #64]
	ldp	x10, x11, [sp, #80]
	ldp	x12, x13, [sp, #96]
	ldp	x14, x15, [sp, #112]
	ldp	x16, x17, [sp, #128]
	ldp	x18, x19, [sp, #144]
	ldp	x20, x21, [sp, #160]
	ldp	x22, x23, [sp, #176]
	ldp	x24, x25, [sp, #192]
	ldp	x26, x27, [sp, #208]
	ldp	x28, x29, [sp, #224]
	ldr	x30, [sp, #240]
	ldp	x0, x1, [sp], #HOST_REGS_SIZE
	eret
	dsb	nsh                     /* no speculation past the return */
	isb
