/* SPDX-License-Identifier: BSD-2-Clause */
/* What `nested` does at EL1 and EL0, each until an exception that EL2 takes. */

	.arch	armv8.3-a+sve
	.text
	.macro	function name
	.globl	\name
\name:
	.endm

function nested_hvc
	hvc	#0x33
function nested_smc
	smc	#0x44
	hvc	#0
function nested_svc
	svc	#0x55
function nested_wfi
	wfi
	hvc	#0
function nested_id
	mrs	x0, id_aa64pfr0_el1
	hvc	#0
function nested_write_vm
	msr	ttbr0_el1, x0
	hvc	#0
function nested_read_vm
	mrs	x0, ttbr0_el1
	hvc	#0
function nested_fp
	fmov	d0, x0
	hvc	#0
function nested_rdvl
	rdvl	x0, #1
	hvc	#0
function nested_count
	mrs	x0, cntpct_el0
	hvc	#0
function nested_cpacr
	mrs	x0, cpacr_el1
	hvc	#0
function nested_mpidr
	mrs	x0, mpidr_el1
	hvc	#0
function nested_midr
	mrs	x0, midr_el1
	hvc	#0
function nested_key
	mrs	x0, s3_0_c2_c1_0	/* APIAKeyLo_EL1 */
	hvc	#0
function nested_pac
	pacia	x0, x1
	hvc	#0
function nested_currentel
	mrs	x0, currentel
	hvc	#0
function nested_sp
	mov	x0, sp
	hvc	#0
	/* EL1's registers: each gets x0 plus its number */
function nested_write_all
	msr	ttbr0_el1, x0
	add	x0, x0, #1
	msr	contextidr_el1, x0
	add	x0, x0, #1
	msr	far_el1, x0
	add	x0, x0, #1
	msr	elr_el1, x0
	add	x0, x0, #1
	msr	afsr0_el1, x0
	hvc	#0
	/* what is UNDEFINED at EL1, with EL1's vectors at nested_vectors */
function nested_el2_register
	mrs	x0, hcr_el2
	hvc	#0x66
function nested_el12_register
	mrs	x0, s3_5_c1_c0_0
	hvc	#0x66
function nested_at_eret
	adr	x1, 1f
	msr	elr_el1, x1
	mov	x1, #0x3c0
	msr	spsr_el1, x1
	eret
1:	svc	#0x77			/* of EL0, to EL1 */

	.balign	2048
	.globl	nested_vectors
nested_vectors:
	.rept	16
	.balign	128
	mrs	x0, esr_el1
	mrs	x1, spsr_el1
	mrs	x2, currentel
	hvc	#0x88
	.endr
	.balign	2048

	/* the vector length of this level, in bytes */
function own_rdvl
	rdvl	x0, #1
	ret

	/* ERETAA, ERETAB to 1, by SPSR_EL2 x1; x0 is what is wrong in the code. TRY() may skip them. */
	.macro	authenticated_eret name, sign, eret
function \name
	adr	x2, 1f
	mov	x3, sp
	\sign	x2, x3
	eor	x2, x2, x0
	msr	elr_el2, x2
	msr	spsr_el2, x1
	isb
	\eret
1:	nop
	ret
	.endm
	authenticated_eret eret_a, pacia, eretaa
	authenticated_eret eret_b, pacib, eretab

	/* An exception return that is illegal: it goes on at 1, where the exception is. */
function illegal_eret
	msr	spsr_el2, x0
	adr	x1, 1f
	msr	elr_el2, x1
	isb
	eret
1:	nop
	ret
