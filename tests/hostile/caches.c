// SPDX-License-Identifier: BSD-2-Clause
/*
 * Maps and unmaps 2 MiB. Without FEAT_S2FWB EL2 cleans the memory's caches, a part in each call.
 * The host counts the calls, passes false progress, gives up half-way, and donates memory that EL2
 * has not cleaned yet.
 */
#include "hostile.h"

#define PAGE	4096UL
#define BLOCK	0x200000UL
#define EAGAIN_ (-11L)
#define EINVAL_ (-22L)

#define BLOCK_PA (HOSTILE_MEMORY + 0x10000000)
#define TOPUP_PA (HOSTILE_MEMORY + 0x10400000)
#define VM_PAGES 128

static u64 vm;

/* Repeat a call until it does not return -EAGAIN. Returns how many calls that took. */
static u64 map_calls(u64 clean, u64 last)
{
	u64 calls = 0, done = 0;
	struct regs regs;

	do {
		regs = (struct regs){ { KEEL_HC_VM_MAP, vm, 0, BLOCK_PA, BLOCK, KEEL_MAP_WRITE,
					clean } };
		hvc0(&regs);
		if (regs.x[0] == (u64)EAGAIN_) {
			done |= regs.x[1];
			clean = regs.x[2];
		}
		calls++;
	} while (regs.x[0] == (u64)EAGAIN_ && calls < last);
	check("VM_MAP, at the end", regs.x[0], last == ~0UL ? 0 : (u64)EAGAIN_);
	check("VM_MAP, before that", done, 0);
	return calls;
}

static u64 unmap_calls(u64 ipa, u64 bytes, u64 flags, u64 last)
{
	u64 calls = 0, done = 0;
	struct regs regs;

	do {
		regs = (struct regs){ { KEEL_HC_VM_UNMAP, vm, ipa, bytes, flags } };
		hvc0(&regs);
		if (regs.x[0] == (u64)EAGAIN_)
			done |= regs.x[1];
		calls++;
	} while (regs.x[0] == (u64)EAGAIN_ && calls < last);
	if (last == ~0UL)
		check("VM_UNMAP, at the end", regs.x[0], 0);
	check("VM_UNMAP, before that", done, 0);
	return calls;
}

static u64 sync_calls(void)
{
	struct regs regs = { { 0, 0 } };
	u64 calls = 0;

	do {
		regs = (struct regs){ { KEEL_HC_VM_SYNC, vm, calls ? regs.x[1] : 0 } };
		hvc0(&regs);
		calls++;
	} while (regs.x[0] == (u64)EAGAIN_);
	check("VM_SYNC, at the end", regs.x[0], 0);
	return calls;
}

static u64 map_with(u64 clean)
{
	struct regs regs = { { KEEL_HC_VM_MAP, vm, 0, BLOCK_PA, BLOCK, KEEL_MAP_WRITE, clean } };

	hvc0(&regs);
	return regs.x[0];
}

static void tell(const char *what, u64 calls)
{
	print("hostile: calls to ");
	print(what);
	print(": ");
	print_decimal((u32)calls);
	print("\n");
}

static void check_counts(void)
{
	tell("map", map_calls(0, ~0UL));
	tell("sync", sync_calls());
	tell("unmap", unmap_calls(0, BLOCK, 0, ~0UL));
	check("VM_MAP of what is clean", map_calls(BLOCK, ~0UL), 1);
	tell("unmap a part as a whole", unmap_calls(BLOCK - PAGE, PAGE, KEEL_UNMAP_WHOLE, ~0UL));
}

static void check_lies(void)
{
	static const u64 lies[] = {
		1, PAGE - 1, PAGE + 8, BLOCK + PAGE, 1UL << 63, ~0UL, ~0xfffUL
	};

	for (u32 i = 0; i < ARRAY_SIZE(lies); i++)
		check("VM_MAP of more clean memory than there is", map_with(lies[i]), (u64)EINVAL_);
}

/* The memory that EL2 would clean next has become EL2's own; afterwards the VM ends with it. */
static void check_given_up(void)
{
	struct regs regs;

	(void)map_calls(0, ~0UL);
	(void)unmap_calls(0, BLOCK, 0, 1);
	check("VM_TOPUP of what is not clean",
	      hvc(KEEL_HC_VM_TOPUP, vm, BLOCK_PA + BLOCK - 8 * PAGE, 8, 0, 0), 0);
	(void)unmap_calls(0, BLOCK, 0, 2);
	regs = (struct regs){ { KEEL_HC_VM_DESTROY, vm } };
	do {
		regs.x[0] = KEEL_HC_VM_DESTROY;
		hvc0(&regs);
	} while (regs.x[0] == (u64)EAGAIN_);
	check("VM_DESTROY", regs.x[0], 0);
	check("what was given comes back cleared", *(volatile u64 *)(BLOCK_PA + BLOCK - PAGE), 0);
}

static void hostile_main(u64 fdt)
{
	struct regs regs = { { KEEL_HC_VM_CREATE, HOSTILE_MEMORY, VM_PAGES } };

	(void)fdt;
	hvc0(&regs);
	check("VM_CREATE", regs.x[0], 0);
	vm = regs.x[1];
	check("VM_TOPUP", hvc(KEEL_HC_VM_TOPUP, vm, TOPUP_PA, 8, 0, 0), 0);
	check_counts();
	check_lies();
	check_given_up();
}
