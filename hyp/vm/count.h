/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM's virtual counter (ARM DDI 0487, D12.1.2) and the machine's physical one. */
#ifndef KEEL_VM_COUNT_H
#define KEEL_VM_COUNT_H

#include <arch/timer.h>
#include <vm/vm.h>

/*
 * The value of the physical counter at which the VM's virtual counter reaches @count: now if it has
 * already, ~0 if it never will. A guest's counter may be ahead of the machine's: then CNTVOFF_EL2
 * is negative, and a sum with it wraps. So the distance from now is computed.
 */
static inline u64 vm_count_time(const struct vm *vm, u64 count)
{
	u64 now = timer_counter(), passed = now - vm->cntvoff, at;

	if (count <= passed)
		return now;
	return __builtin_add_overflow(now, count - passed, &at) ? ~0ULL : at;
}

#endif
