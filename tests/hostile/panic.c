// SPDX-License-Identifier: BSD-2-Clause
/*
 * Creates and destroys VMs in a loop, while the other CPU comes up for the second time and panics
 * (keel.selftest=panic-again): then this CPU is inside a call, and EL2 stops it there.
 */
#define HOSTILE_SECONDARY
#include "hostile.h"

#define PSCI_CPU_ON	   0xc4000003
#define PSCI_CPU_OFF	   0x84000002
#define PSCI_AFFINITY_INFO 0xc4000004
#define PSCI_OFF	   1
#define EAGAIN_		   (-11L)
#define VM_PAGES	   512

void payload_secondary(u64 context)
{
	(void)context;
	smc(PSCI_CPU_OFF, 0, 0, 0);
	check("CPU_OFF comes back", 1, 0);
}

static void start_second(void)
{
	check("CPU_ON", smc(PSCI_CPU_ON, 1, (u64)secondary, 0), 0);
}

static void make_and_end(void)
{
	struct regs vm = { { KEEL_HC_VM_CREATE, HOSTILE_MEMORY, VM_PAGES } };

	hvc0(&vm);
	check("VM_CREATE", vm.x[0], 0);
	while (hvc(KEEL_HC_VM_DESTROY, vm.x[1], 0, 0, 0, 0) == (u64)EAGAIN_)
		;
}

static void hostile_main(u64 fdt)
{
	(void)fdt;
	start_second();
	while (smc(PSCI_AFFINITY_INFO, 1, 0, 0) != PSCI_OFF)
		;
	make_and_end();
	start_second();
	for (;;)
		make_and_end();
}
