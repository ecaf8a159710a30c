/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Firmware at EL3 that is older than the CPU: it opens no feature to lower Exception levels, and
 * whatever traps to it is UNDEFINED where it came from, as of Trusted Firmware. Starts on CPU 0 at
 * reset with the device tree's address behind it, and goes on at EL2 with Keel's image, 512 KiB
 * further. There is no PSCI: one CPU, which is never off.
 */
#define SCR_EL3_VALUE  0x531           /* NS, RES1, HCE, RW: nothing else */
#define MDCR_EL3_VALUE ((1 << 19) | (1 << 6)) /* TTRF, TPM */
#define SPSR_EL2H      0x3c9
#define SPSR_EL1H      0x3c5
#define GICD	       0x08000000
#define GICR	       0x080a0000      /* the RD frame; the SGI frame is behind it */
#define KEEL	       0x80000         /* from here */

	.globl	_start
_start:
	adr	x1, vectors
	msr	vbar_el3, x1
	adr	x1, stack_top
	msr	spsel, #1
	mov	sp, x1

	/* All interrupts are Non-secure Group 1, the host's. */
	ldr	x1, =GICD
	mov	w2, #0x30               /* GICD_CTLR: ARE_S, ARE_NS */
	str	w2, [x1]
	mov	w2, #-1
	mov	x3, #31
	add	x4, x1, #0x84           /* GICD_IGROUPR1 and on */
1:	str	w2, [x4], #4
	subs	x3, x3, #1
	b.ne	1b
	ldr	x1, =GICR + 0x10080     /* GICR_IGROUPR0 */
	str	w2, [x1]

	mov	x1, #0xf
	msr	s3_6_c12_c12_5, x1      /* ICC_SRE_EL3 */
	ldr	x1, =SCR_EL3_VALUE
	msr	scr_el3, x1
	isb
	msr	cptr_el3, xzr           /* EZ, ESM: SVE and SME trap */
	ldr	x1, =MDCR_EL3_VALUE
	msr	mdcr_el3, x1
	mov	x1, #SPSR_EL2H
	msr	spsr_el3, x1
	adr	x1, _start
	add	x1, x1, #KEEL
	msr	elr_el3, x1
	ldr	x0, dtb
	isb
	eret
	.ltorg

	.balign	8
	.globl	dtb
dtb:	.quad	0x4a000000

	.balign	2048
vectors:
	.fill	0x400 / 4, 4, 0x14000000
	stp	x0, x1, [sp, #-16]!     /* synchronous, from a lower level in AArch64 */
	mrs	x0, esr_el3
	lsr	x0, x0, #26
	cmp	x0, #0x17               /* an SMC: not known */
	b.ne	undefined
	ldp	x0, x1, [sp], #16
	mov	x0, #-1
	eret

undefined:
	mrs	x0, spsr_el3
	and	x0, x0, #0xf
	cmp	x0, #9
	b.eq	2f
	/* From EL1 and EL0: EL1's. */
	mrs	x1, vbar_el1
	add	x1, x1, #0x200
	cmp	x0, #5
	b.eq	1f
	add	x1, x1, #0x200
1:	mrs	x0, elr_el3
	msr	elr_el1, x0
	msr	elr_el3, x1
	mrs	x0, spsr_el3
	msr	spsr_el1, x0
	mov	x0, #0x2000000          /* IL; EC 0: UNKNOWN */
	msr	esr_el1, x0
	mov	x0, #SPSR_EL1H
	b	3f
2:	mrs	x1, vbar_el2
	add	x1, x1, #0x200
	mrs	x0, elr_el3
	msr	elr_el2, x0
	msr	elr_el3, x1
	mrs	x0, spsr_el3
	msr	spsr_el2, x0
	mov	x0, #0x2000000
	msr	esr_el2, x0
	mov	x0, #SPSR_EL2H
3:	msr	spsr_el3, x0
	ldp	x0, x1, [sp], #16
	eret

	.balign	16
	.space	1024
stack_top:
