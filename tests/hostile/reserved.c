// SPDX-License-Identifier: BSD-2-Clause
/*
 * Passes memory that firmware reserved, where nothing answers, to each call that takes an address.
 * The machine's device tree has RAM from TOP on, in which UPPER is no-map and LISTED is in the
 * reservation block. If EL2 accessed it, the machine would stop.
 */
#include "hostile.h"

#define PAGE	4096UL
#define EPERM_	(-1L)
#define EAGAIN_ (-11L)

#define TOP	    0x80000000UL /* the end of memory that answers */
#define UPPER	    TOP
#define UPPER_SIZE  0x40000000UL
#define LISTED	    0x70000000UL /* LISTED_SIZE bytes that do answer */
#define LISTED_SIZE 0x1000UL

#define VM_MEMORY   0x60000000UL
#define VCPU_MEMORY 0x62000000UL
#define RUN_PAGE    0x64000000UL
#define VM_PAGES    128

static u64 vcpu_pages;

static void check_refused(const char *what, u64 got)
{
	check(what, got, (u64)EPERM_);
}

static void check_donations(u64 pa)
{
	check_refused("VM_CREATE", hvc(KEEL_HC_VM_CREATE, pa, VM_PAGES, 0, 0, 0));
	check_refused("POOL_DONATE", hvc(KEEL_HC_POOL_DONATE, pa, KEEL_POOL_DONATE_PAGES, 0, 0, 0));
}

static void check_of_vm(u64 vm, u64 pa)
{
	check_refused("VM_TOPUP", hvc(KEEL_HC_VM_TOPUP, vm, pa, 1, 0, 0));
	check_refused("VM_TOPUP that ends there",
		      hvc(KEEL_HC_VM_TOPUP, vm, pa - 7 * PAGE, 8, 0, 0));
	check_refused("VM_MAP", hvc(KEEL_HC_VM_MAP, vm, 0, pa, PAGE, KEEL_MAP_WRITE));
	check_refused("VM_MAP to execute", hvc(KEEL_HC_VM_MAP, vm, 0, pa, PAGE, KEEL_MAP_EXEC));
	check_refused("VM_MAP as a device", hvc(KEEL_HC_VM_MAP, vm, 0, pa, PAGE, KEEL_MAP_DEVICE));
	check_refused("VCPU_CREATE", hvc(KEEL_HC_VCPU_CREATE, vm, 0, pa, vcpu_pages, RUN_PAGE));
	check_refused("VCPU_CREATE with its run page",
		      hvc(KEEL_HC_VCPU_CREATE, vm, 0, VCPU_MEMORY, vcpu_pages, pa));
}

/* Map 2 MiB in as many calls as it takes. Return: the last one's error; *@done bytes are mapped. */
static u64 map_2m(u64 vm, u64 ipa, u64 pa, u64 *done)
{
	struct regs regs;
	u64 clean = 0;

	*done = 0;
	do {
		regs = (struct regs){ { KEEL_HC_VM_MAP, vm, ipa + *done, pa + *done,
					0x200000 - *done, KEEL_MAP_WRITE, clean } };
		hvc0(&regs);
		*done += regs.x[0] == (u64)EAGAIN_ ? regs.x[1] : 0;
		clean = regs.x[2];
	} while (regs.x[0] == (u64)EAGAIN_);
	return regs.x[0];
}

/* A block of which only the end is reserved: what is before that may be mapped. */
static void check_block(u64 vm)
{
	u64 done;

	check_refused("VM_MAP of 2 MiB that end in it",
		      map_2m(vm, 0x800000, TOP - 0x1ff000, &done));
	check("nothing of it is mapped", done > 0x1ff000, 0);
	check_refused("VM_MAP of 2 MiB of it",
		      hvc(KEEL_HC_VM_MAP, vm, 0x40000000, UPPER, 0x200000, KEEL_MAP_WRITE));
}

static void hostile_main(u64 fdt)
{
	static const u64 places[] = { UPPER, UPPER + UPPER_SIZE / 2, LISTED };
	struct regs size = { { KEEL_HC_VM_SIZE } };
	struct regs made = { { KEEL_HC_VM_CREATE, VM_MEMORY, VM_PAGES } };
	struct regs aborts = { { KEEL_HC_STAT, KEEL_STAT_HOST_ABORTS } };
	u64 vm;

	(void)fdt;
	hvc0(&size);
	vcpu_pages = size.x[2];
	hvc0(&made);
	vm = made.x[1];
	check("a VM in memory of the host's", made.x[0], 0);
	for (u64 i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		check_donations(places[i]);
		check_of_vm(vm, places[i]);
	}
	check_block(vm);
	/* memory beside it stays the host's, and the host may access reserved memory */
	check("VM_MAP of the page before",
	      hvc(KEEL_HC_VM_MAP, vm, 0, LISTED - PAGE, PAGE, KEEL_MAP_WRITE), 0);
	check("VM_MAP of the page behind",
	      hvc(KEEL_HC_VM_MAP, vm, PAGE, LISTED + LISTED_SIZE, PAGE, KEEL_MAP_WRITE), 0);
	touch(LISTED, 1);
	check("the host's store", fault.esr, 0);
	hvc0(&aborts);
	check("no access of the host was refused", aborts.x[1], 0);
	check("the vCPU in memory of the host's",
	      hvc(KEEL_HC_VCPU_CREATE, vm, 0, VCPU_MEMORY, vcpu_pages, RUN_PAGE), 0);
}
