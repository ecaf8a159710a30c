/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between firmware's EL2 and Keel's (docs/boot.md). Code that runs with firmware's mappings is in
 * the image as firmware loaded it, whose addresses there are physical ones; Keel runs in its copy.
 */
#include <arch/regs.h>
#include <arch/reg_bits.h>
#include <boot/boot.h>
#include <efi/handover.h>

/* What a C function's caller expects to be kept, on firmware's stack. */
#define KEPT_SIZE 176

	.macro	kept op
	\op	x29, x30, [sp, #0]
	\op	x19, x20, [sp, #16]
	\op	x21, x22, [sp, #32]
	\op	x23, x24, [sp, #48]
	\op	x25, x26, [sp, #64]
	\op	x27, x28, [sp, #80]
	\op	x18, xzr, [sp, #96]
	/* Keel tries out streaming mode (vm/fp.c), and that zeroes them. */
	\op	d8, d9, [sp, #112]
	\op	d10, d11, [sp, #128]
	\op	d12, d13, [sp, #144]
	\op	d14, d15, [sp, #160]
	.endm

	.text
/* Firmware's entry: x0 = image handle, x1 = system table. */
	.globl	efi_entry
efi_entry:
	stp	x29, x30, [sp, #-32]!
	stp	x0, x1, [sp, #16]
	mov	x29, sp
	adrp	x0, _text
	bl	relocate
	ldp	x0, x1, [sp, #16]
	bl	efi_main
	ldp	x29, x30, [sp], #32
	ret

/*
 * efi_enter(x0: entry, x1: argument, x2: struct efi_el2_state): leave firmware's regime. Returns
 * through efi_resume or efi_el1_entry.
 */
	.globl	efi_enter
efi_enter:
	sub	sp, sp, #KEPT_SIZE
	kept	stp
	mov	x3, sp
	mrs	x4, spsel
	mrs	x5, daif
	msr	daifset, #0xf
	msr	spsel, #1
	mov	x6, sp
	stp	x3, x4, [x2, #EFI_STATE_SP]
	stp	x5, x6, [x2, #EFI_STATE_DAIF]
	mrs	x3, hcr_el2
	mrs	x4, sctlr_el2
	stp	x3, x4, [x2, #EFI_STATE_HCR]
	mrs	x5, tcr_el2
	mrs	x6, ttbr0_el2
	stp	x5, x6, [x2, #EFI_STATE_TCR]
	mov	x5, xzr
	tbz	x3, #34, 1f             /* TTBR1_EL2 exists with E2H only */
	mrs	x5, ASM_REG(TTBR1_EL2)
1:	mrs	x6, mair_el2
	stp	x5, x6, [x2, #EFI_STATE_TTBR1]
	mrs	x5, vbar_el2
	mrs	x6, tpidr_el2
	stp	x5, x6, [x2, #EFI_STATE_VBAR]
	mrs	x5, cptr_el2
	str	x5, [x2, #EFI_STATE_CPTR]
	/* ID_AA64MMFR3_EL1: TCRX, SCTLRX, S1PIE. EL3 may withhold the registers, and then they are zero. */
	mrs	x7, vbar_el2
	adrp	x6, skip_vectors        /* it changes x6 */
	add	x6, x6, :lo12:skip_vectors
	msr	vbar_el2, x6
	isb
	mov	x8, xzr
	mov	x9, xzr
	mrs	x5, ASM_REG(ID_AA64MMFR3_EL1)
	tst	x5, #0xf
	b.eq	2f
	mrs	x8, ASM_REG(TCR2_EL2)
2:	tst	x5, #0xf0
	b.eq	3f
	mrs	x9, ASM_REG(SCTLR2_EL2)
3:	stp	x8, x9, [x2, #EFI_STATE_TCR2]
	mov	x8, xzr
	mov	x9, xzr
	tst	x5, #0xf00
	b.eq	4f
	mrs	x8, ASM_REG(PIR_EL2)
	mrs	x9, ASM_REG(PIRE0_EL2)
4:	stp	x8, x9, [x2, #EFI_STATE_PIR]
	msr	vbar_el2, x7
	isb
	/* It is read again with the MMU off. A cache line has at least 16 bytes. */
	.irp	n, 0,16,32,48,64,80,96,112,128
	add	x5, x2, #\n
	dc	civac, x5
	.endr
	dsb	sy
	mov	x5, #(SCTLR_M | SCTLR_C)
	bic	x4, x4, x5
	msr	sctlr_el2, x4
	isb
	ic	iallu
	dsb	nsh
	isb
	mov	x3, x0
	mov	x0, x1
	br	x3

/*
 * Back in firmware's regime at EL2: from Keel with the MMU off, x0 = what efi_enter() returns, x2 =
 * struct efi_el2_state.
 */
	.globl	efi_resume
efi_resume:
	ldp	x3, x4, [x2, #EFI_STATE_HCR]
	msr	hcr_el2, x3
	isb                             /* E2H decides the format of what follows */
	ldp	x5, x6, [x2, #EFI_STATE_TCR]
	msr	tcr_el2, x5
	msr	ttbr0_el2, x6
	ldp	x5, x6, [x2, #EFI_STATE_TTBR1]
	tbz	x3, #34, 1f
	msr	ASM_REG(TTBR1_EL2), x5
1:	msr	mair_el2, x6
	ldp	x5, x6, [x2, #EFI_STATE_VBAR]
	msr	vbar_el2, x5
	msr	tpidr_el2, x6
	ldr	x5, [x2, #EFI_STATE_CPTR]
	msr	cptr_el2, x5
	ldp	x5, x6, [x2, #EFI_STATE_PIR]
	cbz	x5, 5f                  /* Keel has zeroed them, or there are none */
	msr	ASM_REG(PIR_EL2), x5
5:	cbz	x6, 6f
	msr	ASM_REG(PIRE0_EL2), x6
6:
	ldp	x5, x6, [x2, #EFI_STATE_TCR2]
	cbz	x5, 3f
	msr	ASM_REG(TCR2_EL2), x5
3:	cbz	x6, 4f
	msr	ASM_REG(SCTLR2_EL2), x6
4:
	ldp	x7, x8, [x2, #EFI_STATE_SP]
	ldp	x9, x10, [x2, #EFI_STATE_DAIF]
	isb
	tlbi	alle2
	ic	iallu
	dsb	nsh
	isb
	msr	sctlr_el2, x4
	isb
	mov	sp, x10
	cbnz	x8, 2f
	msr	spsel, #0
2:	mov	sp, x7
	kept	ldp
	add	sp, sp, #KEPT_SIZE
	msr	daif, x9
	ret

/* EL1, in firmware's mappings: x0 = the stack on which efi_enter() kept registers. */
	.globl	efi_el1_entry
efi_el1_entry:
	mov	sp, x0
	mov	x0, xzr
	kept	ldp
	add	sp, sp, #KEPT_SIZE
	ret

/*
 * efi_leave(x0: what efi_enter() returns, x1: struct efi_handover's `resume`, x2: its `state`,
 * physical addresses): from Keel, with its MMU on or off, back to firmware's regime.
 */
	.globl	efi_leave
efi_leave:
	msr	daifset, #0xf
	mrs	x3, sctlr_el2
	adrp	x4, mmu_off
	add	x4, x4, :lo12:mmu_off
	tbz	w3, #0, 1f
	adrp	x5, boot_regs
	add	x5, x5, :lo12:boot_regs
	ldr	x5, [x5, #BOOT_OFFSET]
	sub	x4, x4, x5
1:	br	x4
