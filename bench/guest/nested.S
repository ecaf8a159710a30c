/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For nested.c: the guest hypervisor's vectors, its entry of EL1 and EL0, and what runs there. Vectors
 * do as little as can be: between the readings of the counter is what the machine takes.
 */
#define HVC64	   0x16
#define DABT_LOWER 0x24

	.text
	.macro	function name
	.globl	\name
\name:
	.endm

	/*
	 * u64 enter(pc, count, address, spsr, host, guest): by ERET, with HCR_EL2 being guest there and
	 * host here. Until HVC or SVC with a number that is not 0; its x0 is returned.
	 */
function enter
	stp	x29, x30, [sp, #-16]!
	msr	elr_el1, x0
	msr	spsr_el1, x3
	mov	x10, x4
	mov	x11, x5
	mov	x0, x1
	mov	x1, x2
	msr	hcr_el2, x11
	isb
	eret
left:
	msr	hcr_el2, x10
	isb
	ldp	x29, x30, [sp], #16
	ret

	/* From EL1 or EL0: as hypervisors do, into the context of a host and back, and after an abort on. */
lower:
	mrs	x9, esr_el1
	tst	x9, #0xff
	lsr	x12, x9, #26
	b.eq	1f
	cmp	x12, #DABT_LOWER
	b.ne	left
	mrs	x12, hpfar_el2
	mrs	x12, elr_el1
	add	x12, x12, #4
	msr	elr_el1, x12
1:	msr	hcr_el2, x10
	isb
	msr	hcr_el2, x11
	isb
	eret

	/* A system call of the host's process: straight back. */
lower_host:
	mrs	x9, esr_el1
	tst	x9, #0xff
	b.ne	left
	eret

	/* From EL2 itself: a mark. */
current:
	stp	x9, x10, [sp, #-16]!
	mrs	x9, esr_el1
	lsr	x9, x9, #26
	cmp	x9, #HVC64
	ldp	x9, x10, [sp], #16
	b.ne	bench_unexpected
	eret

	.macro	nested_vectors name, from_lower
	.balign	2048
	.globl	\name
\name:
	.irp	number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	.balign	128
	.if	\number == 4
	b	current
	.elseif	\number == 8
	b	\from_lower
	.else
	b	bench_unexpected
	.endif
	.endr
	.endm
	nested_vectors	vectors_guest, lower
	nested_vectors	vectors_host, lower_host

	/* ---- at EL0, for the host: x0 system calls ---- */

function process
1:	svc	#0
	subs	x0, x0, #1
	b.ne	1b
	svc	#1

	/* ---- at EL1: x0 operations; their ticks ---- */

	.macro	begin
	isb
	mrs	x2, cntvct_el0
	.endm
	.macro	end
	isb
	mrs	x3, cntvct_el0
	sub	x0, x3, x2
	hvc	#1
	.endm

function guest_hypercalls
	hvc	#0
	begin
1:	hvc	#0
	subs	x0, x0, #1
	b.ne	1b
	end

	/* Loads from one address. */
function guest_loads
	ldr	w3, [x1]
	begin
1:	ldr	w3, [x1]
	subs	x0, x0, #1
	b.ne	1b
	end

	/* Loads from the pages at x1, the first of them before. */
function guest_pages
	ldr	w3, [x1]
	begin
1:	add	x1, x1, #4096
	ldr	w3, [x1]
	subs	x0, x0, #1
	b.ne	1b
	end
