/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every MRS, every MSR (register) and every SYS with a register, as functions of two instructions, by
 * encoding: op0<0>, op1, CRn, CRm, op2. x0 is what is read or written.
 */
	.macro	sweep name, base, count
	.globl	\name
	.balign	8
\name:
	.set	n, 0
	.rept	\count
	.inst	\base | (n << 5)
	ret
	.set	n, n + 1
	.endr
	.endm

	sweep	all_mrs, 0xd5300000, 32768
	sweep	all_msr, 0xd5100000, 32768
	sweep	all_sys, 0xd5080000, 16384
