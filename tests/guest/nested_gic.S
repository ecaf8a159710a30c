/* SPDX-License-Identifier: BSD-2-Clause */
/* What `nested_gic` does at EL1, until an exception that EL2 takes. */

	.text
	.macro	function name
	.globl	\name
\name:
	.endm

	/* interrupts: one that is there is taken, at a vector of EL1's */
function el1_unmask
	msr	daifclr, #7
	isb
	nop
	hvc	#0
function el1_spin
1:	add	x0, x0, #1
	b	1b
	/* the GIC's CPU interface: EL1's, or the guest hypervisor's for it */
function el1_ack
	mrs	x0, s3_0_c12_c12_0	/* ICC_IAR1_EL1 */
	hvc	#0
function el1_end
	msr	s3_0_c12_c12_1, x0	/* ICC_EOIR1_EL1 */
	isb
	hvc	#0
function el1_ack_and_end
	mrs	x0, s3_0_c12_c12_0
	msr	s3_0_c12_c12_1, x0
	isb
	hvc	#0
function el1_group1
	msr	s3_0_c12_c12_7, x0	/* ICC_IGRPEN1_EL1 */
	isb
	hvc	#0
function el1_group0
	msr	s3_0_c12_c12_6, x0	/* ICC_IGRPEN0_EL1 */
	isb
	hvc	#0
function el1_pmr
	mrs	x0, s3_0_c4_c6_0	/* ICC_PMR_EL1 */
	hvc	#0
function el1_ack0
	mrs	x0, s3_0_c12_c8_0	/* ICC_IAR0_EL1 */
	hvc	#0
function el1_deactivate
	msr	s3_0_c12_c11_1, x0	/* ICC_DIR_EL1 */
	isb
	hvc	#0
function el1_sgi
	msr	s3_0_c12_c11_5, x0	/* ICC_SGI1R_EL1 */
	hvc	#0
	/* the virtual timer fires at count x0; then there is no end */
function el1_vtimer
	msr	cntv_cval_el0, x0
	mov	x0, #1
	msr	cntv_ctl_el0, x0
	b	el1_spin
	/* the same with the physical timer */
function el1_ptimer
	msr	cntp_cval_el0, x0
	mov	x0, #1
	msr	cntp_ctl_el0, x0
	b	el1_spin
	/* its interrupt's handler: acknowledge, the timer off, end */
function el1_vtimer_handler
	mrs	x0, s3_0_c12_c12_0
	msr	cntv_ctl_el0, xzr
	isb
	msr	s3_0_c12_c12_1, x0
	isb
	hvc	#0
	/* the same, but the timer stays on: the VM's interrupt is there again at once */
function el1_end_and_spin
	mrs	x0, s3_0_c12_c12_0
	msr	s3_0_c12_c12_1, x0
	isb
	b	el1_spin
function el1_count
	mrs	x0, cntvct_el0
	hvc	#0

	.balign	2048
	.globl	el1_vectors
el1_vectors:
	.rept	16
	.balign	128
	hvc	#0x88
	.endr
	.balign	2048
