/* SPDX-License-Identifier: BSD-2-Clause */
/* What `nvhe` does at EL1, each until an exception that EL2 takes; and what it executes at EL2. */

	.text
	.macro	function name
	.globl	\name
\name:
	.endm

function nvhe_hvc
	hvc	#0x33
function nvhe_read_ttbr1
	mrs	x0, ttbr1_el1
	hvc	#0
function nvhe_write_vbar
	msr	vbar_el1, x0
	hvc	#0
function nvhe_count
	mrs	x0, cntpct_el0
	hvc	#0
function nvhe_timer
	mrs	x0, cntv_ctl_el0
	hvc	#0
function nvhe_fp
	fmov	d0, x0
	hvc	#0
function nvhe_load
	ldr	x0, [x0]
	hvc	#0
function nvhe_cntkctl
	mrs	x0, cntkctl_el1
	hvc	#0

	/* A page of its own. */
	.balign	4096
function nvhe_page
	mov	x0, #0x77
	ret
	.balign	4096
