// SPDX-License-Identifier: BSD-2-Clause
/*
 * Hypercalls about VMs in any order, with any arguments, while anything may run out of memory: page
 * states, the host's map and EL2's agree after each, and when all VMs have ended the machine is
 * what it was.
 *
 * Input: eight bytes a call: which one, when something is to fail, and five arguments, each of
 * which chooses among values that mean something.
 */
/* SOURCES: tests/unit/vm_machine.c tests/unit/fake_panic.c hyp/host/vm_calls.c hyp/vm/vm.c hyp/vm/s2_context.c hyp/vm/vcpu.c hyp/vm/guest_mem.c hyp/vm/vm_info.c hyp/vm/vm_table.c hyp/vm/donation.c hyp/mm/ownership.c hyp/mm/page_lock.c hyp/mm/page_pool.c hyp/mm/pgtable.c hyp/mm/pgtable_sane.c hyp/mm/stage2.c hyp/mm/stage2_geometry.c hyp/mm/vmid.c hyp/cpu/features.c hyp/cpu/errata.c */
/* LIBS: -lcmocka */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <host/vm_calls.h>
#include <keel/hypercall.h>
#include <vm_machine.h>

#define HANDLES 8
#define CALLS	(KEEL_HC_VM_LAST - KEEL_HC_VM_SIZE + 1)
#define DONATE	CALLS /* one more: KEEL_HC_POOL_DONATE */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static u64 handles[HANDLES];
static unsigned int nr_handles;
static bool donated; /* to Keel's pool, which keeps it */

static u64 argument(uint8_t byte)
{
	static const u64 values[] = {
		0,	    1,		2,	  3,	  7,	     8,		 20,
		32,	    40,		48,	  511,	  512,	     513,	 SZ_4K,
		2 * SZ_4K,  SZ_2M,	SZ_1G,	  ~0ULL,  ~0xfffULL, 1ULL << 32, 1ULL << 40,
		1ULL << 63, IMAGE_BASE, FAR_BASE, DEVICE, KEEL_UART,
	};

	if (byte < 64)
		return values[byte % ARRAY_SIZE(values)];
	if (byte < 96)
		return nr_handles ? handles[byte % nr_handles] : 0;
	if (byte < 160)
		return RAM_BASE + (byte - 96) * SZ_64K;
	return RAM_BASE + 64 * SZ_64K + (byte - 160) * SZ_4K;
}

static int leave(struct vcpu *vcpu)
{
	return KEEL_EXIT_IRQ;
}

static void call(const uint8_t *step)
{
	unsigned int index = step[0] % (CALLS + 1);
	struct host_regs regs = { .x = { KEEL_HC_VM_SIZE + index } };
	bool create = regs.x[0] == KEEL_HC_VM_CREATE;

	for (int i = 1; i <= 5; i++)
		regs.x[i] = argument(step[i]);
	machine_fail_after(step[6] % 4 ? -1 : step[6] / 4);
	if (create && nr_handles == HANDLES)
		return;
	if (index == DONATE) {
		donated |= vm_pool_donate(PA(regs.x[1]), regs.x[2]) == 0;
		return;
	}
	vm_hypercall(&regs);
	if (create && (s64)regs.x[0] == 0)
		handles[nr_handles++] = regs.x[1];
}

static void end_all(void)
{
	struct host_regs regs;

	machine_fail_after(-1);
	while (nr_handles--) {
		do {
			regs.x[0] = KEEL_HC_VM_DESTROY;
			regs.x[1] = handles[nr_handles];
			vm_hypercall(&regs);
		} while ((s64)regs.x[0] == -EAGAIN || (s64)regs.x[0] == -ENOBUFS);
	}
}

static void check_contexts(void)
{
	for (unsigned int i = 0; i < nr_handles; i++) {
		struct vm *vm = vm_get(handles[i]);

		if (!vm)
			continue;
		machine_check_context(&vm->s2);
		vm_put(vm);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct machine_state *before;

	if (!before) {
		machine_start(&(struct machine_config){ .sve = true, .pauth = true });
		machine_run = leave;
		before = machine_save();
	}
	nr_handles = 0;
	donated = false;
	for (; size >= 8; size -= 8, data += 8)
		call(data);
	machine_check();
	check_contexts();
	end_all();
	if (!donated) {
		machine_assert_same(before, "after all VMs");
		return 0;
	}
	/* It is the same machine no more: the next input gets a new one. */
	machine_check();
	machine_drop(before);
	before = NULL;
	return 0;
}
