/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Vectors for spe.c: what is taken from EL1 with SP_EL1, synchronously, goes straight back. With the
 * first instruction that kernels have there, and with another one.
 */
	.macro	vectors name, first:vararg
	.balign	2048
	.globl	\name
\name:
	.rept	4
	.balign	128
	b	bench_unexpected
	.endr
	.balign	128
	\first
	sub	sp, sp, #16
	add	sp, sp, #32
	eret
	.rept	11
	.balign	128
	b	bench_unexpected
	.endr
	.endm

	.text
	vectors	vectors_sub, sub sp, sp, #16
	vectors	vectors_str, str xzr, [sp, #-16]!
