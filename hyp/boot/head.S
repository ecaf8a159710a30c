/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entry. The first header makes keel.img an arm64 Linux `Image` (Documentation/arch/arm64/booting.rst),
 * so whatever boots a kernel boots Keel: MMU and data cache off, x0 = physical address of the DTB.
 * The second makes it an EFI application (Microsoft's PE format, UEFI 2.1.1), which begins in efi.S.
 */
#include <arch/regs.h>
#include <boot/boot.h>
#include <arch/reg_bits.h>
#include <cpu/percpu.h>
#include <efi/handover.h>

	.section .head.text, "ax"
head:
	ccmp	x18, #0, #0xd, pl       /* in memory "MZ", by which EFI knows a program; no effect */
	b	primary_entry
	.quad	0                       /* text_offset */
	.quad	KEEL_REGION_SIZE        /* image_size: the loader keeps so many bytes free */
	.quad	0xa                     /* flags: little-endian, 4K pages, anywhere in memory */
	.quad	0
	.quad	0
	.quad	0
	.ascii	"ARM\x64"
	.long	pe_header - head

/*
 * Two sections, so that firmware can give each its permissions: code, and all else. The page that
 * this header is in belongs to none; there is nothing in it that runs with firmware's MMU on. No
 * base relocations: the image relocates itself. Distances are from `head`, which is _text.
 */
pe_header:
	.ascii	"PE\0\0"
	.short	0xaa64                  /* Machine: ARM64 */
	.short	2                       /* NumberOfSections */
	.long	0, 0, 0
	.short	pe_sections - pe_optional
	.short	0x206                   /* executable, without line numbers and debug information */
pe_optional:
	.short	0x20b                   /* PE32+ */
	.byte	0, 0
	.long	_etext - head - PE_HEADER_SIZE  /* SizeOfCode */
	.long	_pe_data_size - head           /* SizeOfInitializedData */
	.long	0
	.long	efi_entry - head        /* AddressOfEntryPoint */
	.long	PE_HEADER_SIZE          /* BaseOfCode */
	.quad	0                       /* ImageBase: any */
	.long	0x1000                  /* SectionAlignment */
	.long	0x200                   /* FileAlignment */
	.short	0, 0, 0, 0, 0, 0        /* versions */
	.long	0
	.long	_end - head             /* SizeOfImage */
	.long	PE_HEADER_SIZE          /* SizeOfHeaders */
	.long	0
	.short	10                      /* Subsystem: EFI application */
	.short	0x100                   /* DllCharacteristics: data need not be executable */
	.quad	0, 0, 0, 0
	.long	0
	.long	6                       /* directories: all empty; a signature would be the fifth */
	.quad	0, 0, 0, 0, 0, 0
pe_sections:
	.ascii	".text\0\0\0"
	.long	_etext - head - PE_HEADER_SIZE
	.long	PE_HEADER_SIZE
	.long	_etext - head - PE_HEADER_SIZE
	.long	PE_HEADER_SIZE
	.long	0, 0, 0
	.long	0x60000020              /* code: execute, read */
	.ascii	".data\0\0\0"
	.long	_pe_data_size - head
	.long	_etext - head
	.long	_pe_data_raw - head
	.long	_etext - head
	.long	0, 0, 0
	.long	0xc0000040              /* initialized data: read, write */

/*
 * The boot CPU. x19: counter at entry, x20: DTB, x21: physical address of the image, x23: struct
 * efi_handover.
 */
primary_entry:
	mov	x20, x0
	mov	x23, xzr
	b	1f
	.globl	efi_primary_entry
efi_primary_entry:                      /* from efi.S: x0 = the handover */
	mov	x23, x0
	ldr	x20, [x0, #EFI_HANDOVER_FDT]
1:	mrs	x19, cntpct_el0
	adrp	x21, _text
	msr	daifset, #0xf
	msr	spsel, #1
	mov	x0, #EARLY_STACK_TOP
	add	x0, x0, x21
	mov	sp, x0
	mov	x29, xzr
	mov	x30, xzr

	/*
	 * The loader cleaned the file's part of the image, not the room behind it. A dirty line there
	 * would be written back over what goes past the caches from here on.
	 */
	adrp	x0, _bss_start
	add	x0, x0, :lo12:_bss_start
	add	x1, x21, #KEEL_REGION_SIZE
	bl	inval_dcache

	adrp	x0, _bss_start
	add	x0, x0, :lo12:_bss_start
	adrp	x1, _bss_end
	add	x1, x1, :lo12:_bss_end
1:	stp	xzr, xzr, [x0], #16
	cmp	x0, x1
	b.lo	1b

	mov	x0, x21
	bl	relocate

	mrs	x2, CurrentEL
	cmp	x2, #CURRENTEL_EL2
	b.ne	2f
	/* A fault from here on is at least printed. */
	adrp	x0, vectors
	add	x0, x0, :lo12:vectors
	msr	vbar_el2, x0
	msr	tpidr_el2, xzr
	ldr	x0, =SCTLR_EL2_RES1
	msr	sctlr_el2, x0
	isb
2:	mov	x0, x20
	mov	x1, x21
	mov	x3, x19
	mov	x4, x23
	bl	early_main              /* returns only if all is well */
	mov	x22, x0

	/* From here on pointers in data are runtime addresses. */
	ldr	x1, [x22, #BOOT_OFFSET]
	add	x0, x21, x1
	bl	relocate

	/*
	 * All that was written so far went past the caches. Clean lines that were or came there
	 * meanwhile must not cover it once the caches are on.
	 */
	mov	x0, x21
	add	x1, x21, #KEEL_REGION_SIZE
	bl	inval_dcache

	ldr	x1, [x22, #BOOT_OFFSET]
	mov	x0, sp
	add	x0, x0, x1
	mov	sp, x0
	adrp	x2, boot_main
	add	x2, x2, :lo12:boot_main
	add	x2, x2, x1
	mov	x1, x22
	b	mmu_on

/* inval_dcache(x0: start, x1: end): to the point of coherency. CTR_EL0.DminLine is log2 of words. */
inval_dcache:
	mrs	x2, ctr_el0
	ubfx	x2, x2, #16, #4
	mov	x3, #4
	lsl	x3, x3, x2
	sub	x2, x3, #1
	bic	x0, x0, x2
	/* Four lines a round; the rest one by one. */
	sub	x4, x1, x3, lsl #2
1:	cmp	x0, x4
	b.hi	2f
	dc	ivac, x0
	add	x0, x0, x3
	dc	ivac, x0
	add	x0, x0, x3
	dc	ivac, x0
	add	x0, x0, x3
	dc	ivac, x0
	add	x0, x0, x3
	b	1b
2:	cmp	x0, x1
	b.hs	3f
	dc	ivac, x0
	add	x0, x0, x3
	b	2b
3:
	dsb	sy
	ret

	.text
/*
 * relocate(x0: base to relocate to). Applies R_AARCH64_RELATIVE (1027) entries. The addend is in
 * the entry, so this can be done again for another base. Written with PC-relative addresses only.
 */
	.globl	relocate
relocate:
	adrp	x1, _text
	adrp	x2, _rela_start
	add	x2, x2, :lo12:_rela_start
	adrp	x3, _rela_end
	add	x3, x3, :lo12:_rela_end
1:	cmp	x2, x3
	b.hs	2f
	ldp	x4, x5, [x2], #16
	ldr	x6, [x2], #8
	cmp	w5, #1027
	b.ne	1b
	add	x6, x6, x0
	str	x6, [x1, x4]
	b	1b
2:	ret

/*
 * The trampoline: a page that is mapped at its physical address, where a CPU runs while it turns
 * its MMU on.
 */
	.section .idmap.text, "ax"
	.align	3
	.globl	boot_regs
boot_regs:
	.space	BOOT_REGS_SIZE

/* mmu_on(x1: struct boot_regs, x2: runtime address to go on at); x0 and x19.. are kept. */
mmu_on:
	ldp	x3, x4, [x1, #BOOT_HCR]
	msr	hcr_el2, x3
	isb                             /* E2H decides the format of what follows */
	/*
	 * What later architectures added to the controls of translation and of exceptions is UNKNOWN
	 * after reset, and would be live. ID_AA64MMFR3_EL1 (RAZ before it was defined): TCRX, SCTLRX,
	 * S1PIE.
	 */
	adr	x6, skip_vectors        /* EL3 may withhold them: then they count as zero */
	msr	vbar_el2, x6
	isb
	mrs	x5, ASM_REG(ID_AA64MMFR3_EL1)
	tst	x5, #0xf
	b.eq	2f
	msr	ASM_REG(TCR2_EL2), xzr
2:	tst	x5, #0xf0
	b.eq	3f
	msr	ASM_REG(SCTLR2_EL2), xzr
3:	tst	x5, #0xf00
	b.eq	4f
	msr	ASM_REG(PIRE0_EL2), xzr
	msr	ASM_REG(PIR_EL2), xzr
4:
	msr	mair_el2, x4
	ldp	x4, x5, [x1, #BOOT_TCR]
	msr	tcr_el2, x4
	msr	ttbr0_el2, x5
	tbz	x3, #34, 1f             /* TTBR1_EL2 exists with E2H only */
	ldr	x4, [x1, #BOOT_TTBR1]
	msr	ASM_REG(TTBR1_EL2), x4
1:	ldp	x4, x5, [x1, #BOOT_SCTLR]
	msr	vbar_el2, x5
	isb
	tlbi	alle2
	ic	iallu
	dsb	nsh
	isb
	msr	sctlr_el2, x4
	isb
	br	x2

/*
 * A secondary CPU, or one that comes back from a deep sleep: from firmware, MMU off, x0 = index of
 * its percpu structure.
 */
	.globl	secondary_entry
secondary_entry:
	mrs	x2, CurrentEL
	cmp	x2, #CURRENTEL_EL2
	b.ne	9f
	msr	daifset, #0xf
	msr	spsel, #1
	/* No stack and no structure yet: a fault counts as an overflow, and stops this CPU. */
	msr	tpidr_el2, xzr
	mov	x3, #FRAME_SIZE
	mov	sp, x3
	ldr	x3, =SCTLR_EL2_RES1
	msr	sctlr_el2, x3
	isb
	adr	x1, boot_regs
	ldr	x3, [x1, #BOOT_OFFSET]
	adrp	x2, secondary_runtime
	add	x2, x2, :lo12:secondary_runtime
	add	x2, x2, x3
	b	mmu_on
9:	wfi                             /* not at EL2: an error of firmware, with no way to report it */
	b	9b

/* mmu_off(x1: physical address to go on at): x0 and x2 are kept. */
	.globl	mmu_off
mmu_off:
	mrs	x3, sctlr_el2
	mov	x4, #(SCTLR_M | SCTLR_C)
	bic	x3, x3, x4
	msr	sctlr_el2, x3
	isb
	br	x1
	.ltorg

/* Only one of these vectors is used: it skips an access to a system register that is UNDEFINED. */
	.balign	0x800
	.globl	skip_vectors
skip_vectors:
	.fill	0x200 / 4, 4, 0x14000000        /* B to itself */
	mrs	x6, esr_el2
	lsr	x6, x6, #26
	cbz	x6, 1f                  /* ESR_EC_UNKNOWN */
	cmp	x6, #0x18               /* ESR_EC_SYS64 */
	b.ne	.
1:	mrs	x6, elr_el2
	add	x6, x6, #4
	msr	elr_el2, x6
	eret

	.text
secondary_runtime:
	adrp	x1, percpu_table
	add	x1, x1, :lo12:percpu_table
	ldr	x1, [x1, x0, lsl #3]
	msr	tpidr_el2, x1
	ldr	x2, [x1, #PERCPU_STACK_TOP]
	mov	sp, x2
	mov	x29, xzr
	mov	x30, xzr
	b	secondary_main

	.globl	call_on_stack
call_on_stack:
	mov	sp, x1
	mov	x29, xzr
	mov	x30, xzr
	br	x0

	.globl	host_enter
host_enter:
	mov	sp, x3
	msr	elr_el2, x0
	msr	spsr_el2, x1
	mov	x4, x2
	ldp	x0, x1, [x4]
	ldp	x2, x3, [x4, #16]
	.irp	n, 4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
	mov	x\n, xzr
	.endr
	eret
	dsb	nsh                     /* no speculation past the return */
	isb
