/* SPDX-License-Identifier: BSD-2-Clause */
/* switch_swap_el1() for tests whose registers are behind vcpu_read_sysreg() and vcpu_write_sysreg(). */
#ifndef TESTS_UNIT_SWAP_EL1_H
#define TESTS_UNIT_SWAP_EL1_H

#include <nested/nested_regs.h>
#include <vm/switch.h>
#include <vm/vm_ops.h>

/* By NESTED_LIVE_REGS, whose order is the world switch's. */
void switch_swap_el1(const struct vcpu *v, u64 *out, const u64 *in)
{
#define SWAP(el2, el1, bits)               \
	*out++ = vcpu_read_sysreg(v, el1); \
	vcpu_write_sysreg((struct vcpu *)(uintptr_t)v, el1, *in++);
	NESTED_LIVE_REGS(SWAP)
#undef SWAP
}

#endif
