// SPDX-License-Identifier: BSD-2-Clause
/* Nested guests of payloads at a virtual EL2. See hypervisor.h. */
#include "hypervisor.h"

u64 el1_run_at(void (*function)(void), u64 x0, u64 hcr, u64 spsr)
{
	u64 esr;

	write_sysreg(hcr, hcr_el2);
	esr = el1_enter((u64)function, x0, &this_cpu()->el0_sp, spsr);
	this_cpu()->el0_sp = 0;
	write_sysreg(HCR_HOST, hcr_el2);
	return esr;
}
