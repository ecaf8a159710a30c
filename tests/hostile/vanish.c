// SPDX-License-Identifier: BSD-2-Clause
/*
 * A guest's memory stops to answer. The machine has memory in a PCI device (ivshmem at slot 3),
 * which the device tree describes as RAM; the host switches it on and off. A VM has stage 2 tables
 * there, and a page of the guest is at an address where nothing ever answers.
 */
#include "hostile.h"

#define ECAM	(0x4010000000UL + (3UL << 15))
#define PCI_ID	((volatile u32 *)ECAM)
#define PCI_CMD ((volatile u32 *)(ECAM + 4))
#define PCI_BAR ((volatile u32 *)(ECAM + 0x18))
#define MEMORY	0x20000000UL /* the device's memory, while it is on */
#define NOTHING 0x0b000000UL /* an access is answered with an external abort */

#define DEVICE	 0x09000000UL
#define HOLE_IPA 0x80000000UL
#define ENOMEM_	 ((u64)-12L)
#define GIB	 0x40000000UL

#define ESR_EC(esr)  ((esr) >> 26 & 0x3f)
#define ESR_FSC(esr) ((esr)&0x3f)

/* The guest: reads at the address that it is given, and reports the value or the syndrome. */
__asm__(".pushsection .rodata\n"
	".balign 8\n"
	"guest_code:\n"
	"	adr	x0, 2f\n"
	"	msr	vbar_el1, x0\n"
	"	isb\n"
	"	mov	x1, #0x09000000\n"
	"1:	ldr	x2, [x1]\n"
	"	ldr	x3, [x2]\n"
	"	str	x3, [x1, #8]\n"
	"	b	1b\n"
	"	.org	guest_code + 2048\n"
	"2:	.space	0x200\n"
	"	mrs	x3, esr_el1\n"
	"	str	x3, [x1, #16]\n"
	"	mrs	x3, far_el1\n"
	"	str	x3, [x1, #24]\n"
	"	b	1b\n"
	"guest_code_end:\n"
	".popsection\n");
extern const char guest_code[], guest_code_end[];

static struct keel_run *const run = (struct keel_run *)GUEST_RUN(0);
static u64 vm;

static u64 stat(u64 which)
{
	struct regs regs = { { KEEL_HC_STAT, which } };

	hvc0(&regs);
	return regs.x[1];
}

static void switch_memory(u32 on)
{
	*PCI_CMD = (*PCI_CMD & ~2U) | on << 1;
	__asm__ volatile("dsb sy" ::: "memory");
}

static u64 map(u64 ipa, u64 pa, u64 size, u64 flags)
{
	return hvc(KEEL_HC_VM_MAP, vm, ipa, pa, size, flags);
}

/* The VM's first tables are used for other addresses, so those of its code are in the device. */
static void make_vm(void)
{
	struct regs size = { { KEEL_HC_VM_SIZE } }, made;
	u64 ret = 0;

	hvc0(&size);
	made = (struct regs){ { KEEL_HC_VM_CREATE, GUEST_VM(0), size.x[1] } };
	hvc0(&made);
	check("VM_CREATE", made.x[0], 0);
	vm = made.x[1];
	check("VCPU_CREATE",
	      hvc(KEEL_HC_VCPU_CREATE, vm, 0, GUEST_VCPU(0), size.x[2], GUEST_RUN(0)), 0);
	check("VCPU_INIT", hvc(KEEL_HC_VCPU_INIT, vm, 0, 1UL << 2, 0, 0), 0);
	memcpy((void *)GUEST_CODE(0), guest_code, (u64)(guest_code_end - guest_code));
	for (u64 i = 4; i < 1000 && !ret; i++)
		ret = map(i * GIB, GUEST_CODE(0), HOSTILE_PAGE_SIZE, 0);
	check("the VM's own memory is used up", ret, ENOMEM_);
	check("VM_TOPUP with what can vanish", hvc(KEEL_HC_VM_TOPUP, vm, MEMORY, 8, 0, 0), 0);
	check("VM_MAP", map(0, GUEST_CODE(0), HOSTILE_PAGE_SIZE, KEEL_MAP_WRITE | KEEL_MAP_EXEC),
	      0);
	check("VM_MAP of nothing",
	      map(HOLE_IPA, NOTHING, HOSTILE_PAGE_SIZE, KEEL_MAP_WRITE | KEEL_MAP_DEVICE), 0);
}

/* The guest's next access to its emulated device: the value that it writes, or 0 for a read. */
static u64 next(u64 offset)
{
	u64 value = 0;

	check("the guest runs", guest_run(vm), KEEL_EXIT_FAULT);
	check("... to its device", run->mmio.address, DEVICE + offset);
	if (run->mmio.write)
		memcpy(&value, run->mmio.data, sizeof(value));
	run->answer = KEEL_ANSWER_DONE;
	return value;
}

static void read_at(u64 ipa)
{
	memcpy(run->mmio.data, &ipa, sizeof(ipa));
	run->answer = KEEL_ANSWER_DONE;
}

/*
 * If the CPU routes the abort to EL2 (HCR_EL2.TEA), the host is asked and answers with an abort. In
 * both cases the guest gets an abort.
 */
static void read_nothing(void)
{
	u64 aborts = stat(KEEL_STAT_GUEST_ABORTS), esr;

	next(0);
	read_at(HOLE_IPA + 8);
	if (guest_run(vm) == KEEL_EXIT_ABORT) {
		print("hostile: the abort comes to EL2\n");
		check("the host knows where", run->abort.flags, KEEL_ABORT_FAR | KEEL_ABORT_IPA);
		check("... as the guest says", run->abort.far, HOLE_IPA + 8);
		check("... and in its memory", run->abort.ipa, HOLE_IPA + 8);
		check("... and it is counted", stat(KEEL_STAT_GUEST_ABORTS), aborts + 1);
		run->answer = KEEL_ANSWER_ABORT;
		(void)guest_run(vm);
	} else {
		print("hostile: the abort comes to EL1\n");
	}
	check("the guest tells its syndrome", run->mmio.address, DEVICE + 16);
	memcpy(&esr, run->mmio.data, sizeof(esr));
	check("an abort of data", ESR_EC(esr), 0x25);
	check("... an external one", ESR_FSC(esr), 0x10);
	run->answer = KEEL_ANSWER_DONE;
	check("... with its address", next(24), HOLE_IPA + 8);
}

/* The walk for its first fetch is an external abort, each time. */
static void lose_tables(void)
{
	u64 aborts = stat(KEEL_STAT_GUEST_ABORTS);

	switch_memory(0);
	for (u64 i = 1; i <= 3; i++) {
		check("the guest cannot go on", guest_run(vm), KEEL_EXIT_FAIL);
		check("... fetching", ESR_EC(run->fail.esr), 0x20);
		check("... for a table walk", ESR_FSC(run->fail.esr) & ~3UL, 0x14);
		check("... which is counted", stat(KEEL_STAT_GUEST_ABORTS), aborts + i);
	}
	switch_memory(1);
}

static void hostile_main(u64 fdt)
{
	u64 word;

	(void)fdt;
	check("the device with the memory", *PCI_ID, 0x11101af4);
	PCI_BAR[1] = 0;
	PCI_BAR[0] = MEMORY;
	switch_memory(1);
	*(volatile u64 *)MEMORY = 0x1234;
	check("it is there", *(volatile u64 *)MEMORY, 0x1234);
	make_vm();
	next(0);
	read_at(0);
	word = next(8);
	check("the guest reads its own code", word, *(const u64 *)GUEST_CODE(0));
	read_nothing();
	lose_tables();
	/* memory that answers again can be used as before */
	next(0);
	while ((word = hvc(KEEL_HC_VM_DESTROY, vm, 0, 0, 0, 0)) == (u64)-11L)
		;
	check("VM_DESTROY", word, 0);
}
