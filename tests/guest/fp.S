/* SPDX-License-Identifier: BSD-2-Clause */
/* All FP, SIMD and SVE registers from memory and to memory. */
	.arch	armv8.2-a+sve

	.macro	each_pair op
	.irp	n, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
	pair	\op, \n, %(\n + 1)
	.endr
	.endm
	.altmacro
	.macro	pair op, a, b
	\op	q\a, q\b, [x0, #(\a * 16)]
	.endm

	/* void fp_load(const u8 v[32][16], u64 fpcr, u64 fpsr) */
	.globl	fp_load
fp_load:
	each_pair ldp
	msr	fpcr, x1
	msr	fpsr, x2
	ret

	/* void fp_store(u8 v[32][16], u64 *fpcr, u64 *fpsr) */
	.globl	fp_store
fp_store:
	each_pair stp
	mrs	x3, fpcr
	str	x3, [x1]
	mrs	x3, fpsr
	str	x3, [x2]
	ret

	.macro	each_z op
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	\op	z\n, [x0, #\n, mul vl]
	.endr
	.endm
	.macro	each_p op
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	\op	p\n, [x1, #\n, mul vl]
	.endr
	.endm

	/* void sve_load(const u8 *z, const u8 *p): 32 Z registers; 16 P registers and FFR */
	.globl	sve_load
sve_load:
	ldr	p0, [x1, #16, mul vl]
	wrffr	p0.b
	each_z	ldr
	each_p	ldr
	ret

	/* void sve_store(u8 *z, u8 *p) */
	.globl	sve_store
sve_store:
	each_z	str
	each_p	str
	rdffr	p0.b
	str	p0, [x1, #16, mul vl]
	ldr	p0, [x1]
	ret

	/* u64 sve_bytes(void) */
	.globl	sve_bytes
sve_bytes:
	rdvl	x0, #1
	ret

	/* void v_write(void): an FP instruction, which clears what is above 128 bits of Z0 and Z31 */
	.globl	v_write
v_write:
	mov	v0.16b, v1.16b
	mov	v31.16b, v1.16b
	ret
