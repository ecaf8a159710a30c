/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's virtual counter (ARM DDI 0487, D12.1.2) and the machine's physical one. */
#ifndef KEEL_VM_COUNT_H
#define KEEL_VM_COUNT_H

#include <arch/sysreg.h>
#include <arch/timer.h>
#include <vm/vm.h>

/*
 * The value of the physical counter at which a virtual counter with @offset reaches @count: now if
 * it has already, ~0 if it never will. A guest's counter may be ahead of the machine's: then
 * the offset is negative, and a sum with it wraps. So the distance from now is computed.
 */
static inline u64 count_time(u64 offset, u64 count)
{
	u64 now = timer_counter(), passed = now - offset, at;

	if (count <= passed)
		return now;
	return __builtin_add_overflow(now, count - passed, &at) ? ~0ULL : at;
}

/*
 * The same for the counter that the vCPU, loaded here, has had since its last entry: with an EL2 of
 * its own that depends on the level it was at.
 */
static inline u64 vcpu_count_time(const struct vcpu *vcpu, u64 count)
{
	return count_time(vcpu->nested ? read_sysreg(cntvoff_el2) : vcpu->vm->cntvoff, count);
}

#endif
