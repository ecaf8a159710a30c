/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A Linux kernel with a few instructions before it: they print the counter as it is when the guest's
 * first instruction runs, and go on to the kernel. KERNEL: the Image.
 */
#include "../../tests/lib/start.h"

#define UARTDR	  0x10000000	/* tools/vmrun/layout.h */
#define UARTFR	  0x18
#define KERNEL_AT 0x200000	/* a kernel wants a multiple of 2 MiB */
#define BSS_ROOM  0x1000000	/* the kernel's memory behind its file */

	image_header entry, BSS_ROOM

	/* x0 to x3 are the kernel's. */
entry:
	isb
	mrs	x8, cntvct_el0
	mov	x9, #UARTDR
	ldrsb	x10, [x9, #UARTFR]	/* as nobody else does: bench/exits.py */
	adr	x10, text
1:	ldrb	w11, [x10], #1
	cbz	w11, 2f
	str	w11, [x9]
	b	1b
2:	mov	x12, #60		/* 16 hexadecimal digits */
3:	lsr	x11, x8, x12
	and	x11, x11, #15
	cmp	x11, #10
	add	x13, x11, #'0'
	add	x14, x11, #'a' - 10
	csel	x11, x13, x14, lo
	str	w11, [x9]
	subs	x12, x12, #4
	b.pl	3b
	mov	w11, #'\n'
	str	w11, [x9]
	adr	x8, _start
	add	x8, x8, #KERNEL_AT
	br	x8
text:
	.asciz	"BENCH start=0x"

	.org	_start + KERNEL_AT
	.incbin	KERNEL
	.balign	4096
