/* SPDX-License-Identifier: BSD-2-Clause */
/* An EFI application: PE's header, and calls that C cannot make. Linked at 0, with efi.ld. */
	.section .head, "ax"
head:
	.ascii	"MZ"
	.space	0x3a
	.long	pe - head
pe:
	.ascii	"PE\0\0"
	.short	0xaa64, 1
	.long	0, 0, 0
	.short	sections - optional, 0x206
optional:
	.short	0x20b
	.byte	0, 0
	.long	_end - head - 0x1000, 0, 0, efi_entry - head, 0x1000
	.quad	0
	.long	0x1000, 0x200
	.short	0, 0, 0, 0, 0, 0
	.long	0, _end - head, 0x1000, 0
	.short	10, 0
	.quad	0, 0, 0, 0
	.long	0, 6
	.quad	0, 0, 0, 0, 0, 0
sections:
	.ascii	".text\0\0\0"
	.long	_end - head - 0x1000, 0x1000, _end - head - 0x1000, 0x1000, 0, 0, 0, 0xe0000020

	.text
/*
 * exit_watched(x0: ExitBootServices, x1: image, x2: key, x3: u64 differences[1]): call it with values
 * in all registers that a function keeps. differences: a bit for each that came back changed.
 */
	.globl	exit_watched
exit_watched:
	stp	x29, x30, [sp, #-176]!
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	stp	d8, d9, [sp, #96]
	stp	d10, d11, [sp, #112]
	stp	d12, d13, [sp, #128]
	stp	d14, d15, [sp, #144]
	str	x3, [sp, #160]
	mov	x29, sp
	str	x29, [sp, #168]
	mov	x16, x0
	mov	x0, x1
	mov	x1, x2
	.irp	n, 19,20,21,22,23,24,25,26,27,28
	mov	x\n, #(0x7700 + \n)
	.endr
	.irp	n, 8,9,10,11,12,13,14,15
	mov	x9, #(0x5500 + \n)
	fmov	d\n, x9
	.endr
	blr	x16
	mov	x10, xzr
	.irp	n, 19,20,21,22,23,24,25,26,27,28
	mov	x9, #(0x7700 + \n)
	cmp	x9, x\n
	cset	x9, ne
	orr	x10, x10, x9, lsl #\n
	.endr
	.irp	n, 8,9,10,11,12,13,14,15
	mov	x9, #(0x5500 + \n)
	fmov	x11, d\n
	cmp	x9, x11
	cset	x9, ne
	orr	x10, x10, x9, lsl #(\n + 32)
	.endr
	ldr	x9, [sp, #168]
	cmp	x9, x29
	cset	x9, ne
	orr	x10, x10, x9, lsl #29
	mov	x9, sp
	cmp	x9, x29
	cset	x9, ne
	orr	x10, x10, x9, lsl #31
	ldr	x3, [sp, #160]
	str	x10, [x3]
	ldp	x19, x20, [sp, #16]
	ldp	x21, x22, [sp, #32]
	ldp	x23, x24, [sp, #48]
	ldp	x25, x26, [sp, #64]
	ldp	x27, x28, [sp, #80]
	ldp	d8, d9, [sp, #96]
	ldp	d10, d11, [sp, #112]
	ldp	d12, d13, [sp, #128]
	ldp	d14, d15, [sp, #144]
	ldp	x29, x30, [sp], #176
	ret
