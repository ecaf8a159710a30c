/* SPDX-License-Identifier: BSD-2-Clause */
/* A call to the firmware below (SMC Calling Convention, ARM DEN 0028). */
#ifndef KEEL_ARCH_SMC_H
#define KEEL_ARCH_SMC_H

#include <lib/types.h>

/**
 * arch_smc() - SMC #0 with x0..x17
 * @regs: x0..x17: arguments, then results
 *
 * SMCCC 1.1 lets firmware change x4..x17 as results and no more than that.
 */
static inline void arch_smc(u64 regs[18])
{
	__asm__ volatile("	mov	x19, %0\n"
			 "	ldp	x0, x1, [x19]\n"
			 "	ldp	x2, x3, [x19, #16]\n"
			 "	ldp	x4, x5, [x19, #32]\n"
			 "	ldp	x6, x7, [x19, #48]\n"
			 "	ldp	x8, x9, [x19, #64]\n"
			 "	ldp	x10, x11, [x19, #80]\n"
			 "	ldp	x12, x13, [x19, #96]\n"
			 "	ldp	x14, x15, [x19, #112]\n"
			 "	ldp	x16, x17, [x19, #128]\n"
			 "	smc	#0\n"
			 "	stp	x0, x1, [x19]\n"
			 "	stp	x2, x3, [x19, #16]\n"
			 "	stp	x4, x5, [x19, #32]\n"
			 "	stp	x6, x7, [x19, #48]\n"
			 "	stp	x8, x9, [x19, #64]\n"
			 "	stp	x10, x11, [x19, #80]\n"
			 "	stp	x12, x13, [x19, #96]\n"
			 "	stp	x14, x15, [x19, #112]\n"
			 "	stp	x16, x17, [x19, #128]\n"
			 :
			 : "r"(regs)
			 : "memory", "cc", "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8",
			   "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18",
			   "x19");
}

#endif
