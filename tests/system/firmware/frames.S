/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Redistributors that can lose their power: frames for two CPUs in the memory of a PCI device
 * (ivshmem at slot 3), which whoever has its configuration space switches off later. Runs on CPU 0
 * at reset, at EL2, switches it on, and goes on with what QEMU starts a kernel by.
 */
#define ECAM	0x4010018000
#define FRAMES	0x20000000
#define STARTER 0x40000000

	.globl	_start
_start:
	ldr	x1, =ECAM
	ldr	x2, =FRAMES
	str	w2, [x1, #0x18]         /* BAR 2 */
	str	wzr, [x1, #0x1c]
	mov	w3, #2                  /* memory space */
	str	w3, [x1, #4]
	dsb	sy
	str	xzr, [x2, #8]           /* GICR_TYPER: affinity 0 */
	add	x2, x2, #0x20000
	ldr	x3, =0x100000010        /* affinity 1, the last one */
	str	x3, [x2, #8]
	dsb	sy
	mov	x1, #STARTER
	br	x1
	.ltorg
