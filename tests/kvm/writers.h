/* SPDX-License-Identifier: BSD-2-Clause */
/* Guests that write: what the tests of the dirty log and of the dirty ring share. */
#ifndef WRITERS_H
#define WRITERS_H

#include "kvmtest.h"

/* Writes at random: x0 the base, x1 pages - 1, x2 the page's shift, x3 the place in it, x5 a seed. */
GUEST_CODE(scribble, "mov x10, #0x09000000\n"
		     "movz x6, #0x7f2d\n"
		     "movk x6, #0x4c95, lsl #16\n"
		     "movk x6, #0xf42d, lsl #32\n"
		     "movk x6, #0x5851, lsl #48\n"
		     "1: mov x4, #500\n"
		     "2: mul x5, x5, x6\n"
		     "add x5, x5, #11\n"
		     "lsr x8, x5, #33\n"
		     "and x8, x8, x1\n"
		     "lsl x8, x8, x2\n"
		     "add x8, x8, x0\n"
		     "str x5, [x8, x3]\n"
		     "subs x4, x4, #1\n"
		     "b.ne 2b\n"
		     "str x5, [x10]\n"
		     "b 1b\n");

/* Asks for its stolen time. */
GUEST_CODE(ask_for_time, "mov x10, #0x09000000\n"
			 "movz w0, #0x21\n"
			 "movk w0, #0xc500, lsl #16\n"
			 "hvc #0\n"
			 "1: str x0, [x10]\n"
			 "b 1b\n");

/* Let the vCPU write at random to the @npages pages of @page bytes at @base: @code is scribble. */
static void set_scribble(const struct vcpu *vcpu, uint64_t code, uint64_t base, uint64_t npages,
			 uint64_t page, unsigned int seed)
{
	set_reg(vcpu, CORE_REG(pc), code);
	set_reg(vcpu, CORE_REG(regs[0]), base);
	set_reg(vcpu, CORE_REG(regs[1]), npages - 1);
	set_reg(vcpu, CORE_REG(regs[2]), (uint64_t)__builtin_ctzll(page));
	set_reg(vcpu, CORE_REG(regs[3]), 8 * seed);
	set_reg(vcpu, CORE_REG(regs[5]), 12345 + seed);
}

#endif
