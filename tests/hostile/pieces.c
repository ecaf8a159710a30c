// SPDX-License-Identifier: BSD-2-Clause
/*
 * Donates a VM's memory in many small pieces, then ends it: each call gives back a bounded part, so
 * the host's interrupts wait no longer than for that. Runs with a counter that counts instructions.
 */
#include "hostile.h"

#define NVCPUS	64
#define PIECES	256
#define PAGE	4096UL
#define EAGAIN_ (-11L)

/* Instructions of one call: pages, and tables of 2 MiB and 1 GiB that become blocks. */
#define MOST 100000

#define VM_AT	  HOSTILE_MEMORY
#define RUNS_AT	  (HOSTILE_MEMORY + 0x200000UL)
#define VCPUS_AT  (HOSTILE_MEMORY + 0x400000UL)
#define PIECES_AT (HOSTILE_MEMORY + 0x1000000UL)

static u64 create(void)
{
	struct regs size = { { KEEL_HC_VM_SIZE } }, vm;
	u64 i, made = 0;

	hvc0(&size);
	vm = (struct regs){ { KEEL_HC_VM_CREATE, VM_AT, size.x[1] + 4 } };
	hvc0(&vm);
	check("VM_CREATE", vm.x[0], 0);
	for (i = 0; i < NVCPUS; i++)
		made += !hvc(KEEL_HC_VCPU_CREATE, vm.x[1], i, VCPUS_AT + i * size.x[2] * PAGE,
			     size.x[2], RUNS_AT + i * PAGE);
	check("VCPU_CREATE", made, NVCPUS);
	for (i = made = 0; i < PIECES; i++)
		made += !hvc(KEEL_HC_VM_TOPUP, vm.x[1], PIECES_AT + i * 2 * PAGE, 1, 0, 0);
	check("VM_TOPUP", made, PIECES);
	return vm.x[1];
}

static void hostile_main(u64 fdt)
{
	u64 vm = create(), calls = 0, most = 0, begin, took, ret;

	(void)fdt;
	do {
		begin = read_sysreg(CNTPCT_EL0);
		ret = hvc(KEEL_HC_VM_DESTROY, vm, 0, 0, 0, 0);
		took = read_sysreg(CNTPCT_EL0) - begin;
		most = took > most ? took : most;
		calls++;
	} while (ret == (u64)EAGAIN_);
	check("VM_DESTROY, at the end", ret, 0);
	print("hostile: the longest of ");
	print_decimal((u32)calls);
	print(" calls takes ");
	print_decimal((u32)most);
	print("\n");
	check("no call takes long", most < MOST, 1);
}
