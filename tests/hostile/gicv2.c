// SPDX-License-Identifier: BSD-2-Clause
/*
 * On a machine with a GICv2: tries to reach the registers of the interface that is for VMs, GICH and
 * GICV, by itself, by a VM and by donating them. ARM IHI 0048 has the names, QEMU's `virt` the
 * addresses.
 */
#include "hostile.h"

#define GICD 0x08000000UL
#define GICC 0x08010000UL
#define GICH 0x08030000UL
#define GICV 0x08040000UL

#define GICH_HCR  0x0
#define GICH_VTR  0x4
#define GICH_LR0  0x100
#define GICV_IIDR 0xfc

#define PAGE   4096UL
#define EPERM  (-1L)
#define ENXIO  (-6L)
#define EINVAL (-22L)

/* Of the guest: where it sees its CPU interface, and a hole. */
#define GUEST_GICC 0x18010000UL
#define GUEST_GICD 0x18000000UL
#define HOLE	   0x09000000UL

/* GICV_IIDR of QEMU's GIC: a GICv2, by Arm */
#define IIDR 0x2043bUL

extern const char guest[], guest_end[];
__asm__(".pushsection .rodata\n"
	".balign 8\n"
	"guest:\n"
	"	mov	x1, #0x18010000\n"
	"	mov	x3, #0x09000000\n"
	"1:	ldr	w2, [x1, #0xfc]\n"
	"	str	w2, [x3]\n"
	"	b	1b\n"
	"guest_end:\n"
	".popsection\n");

static u64 vm;

static u64 refusals(void)
{
	struct regs regs = { { KEEL_HC_STAT, KEEL_STAT_HOST_ABORTS } };

	hvc0(&regs);
	return regs.x[1];
}

/* Loads (0) and stores (1) of the host's. */
static void check_refused(const char *what, u64 address)
{
	for (u64 kind = 0; kind < 2; kind++) {
		fault.esr = 0;
		touch(address, kind);
		check(what, fault.esr >> ESR_EC_SHIFT, 0x25);
	}
}

static void try_frames(void)
{
	u64 before = refusals();

	check_refused("GICH_HCR is not the host's", GICH + GICH_HCR);
	check_refused("nor is GICH_VTR", GICH + GICH_VTR);
	check_refused("nor a list register", GICH + GICH_LR0);
	check_refused("nor the end of that frame", GICH + 0xfffc);
	check_refused("nor GICV", GICV);
	check_refused("nor its second page", GICV + 0x1000);
	check_refused("nor its end", GICV + 0xfffc);
	check("these are counted", refusals() - before, 14);
	fault.esr = 0;
	touch(GICD, 0);
	touch(GICC, 0);
	check("the distributor and the CPU interface are the host's", fault.esr, 0);
}

static void try_pages(u64 frame)
{
	check("a VM cannot have it",
	      hvc(KEEL_HC_VM_MAP, vm, 0x10000000, frame, PAGE, KEEL_MAP_WRITE | KEEL_MAP_DEVICE),
	      (u64)EPERM);
	check("nor as memory",
	      hvc(KEEL_HC_VM_MAP, vm, 0x10000000, frame, PAGE, KEEL_MAP_WRITE) == 0, 0);
	check("it cannot be donated to a VM", hvc(KEEL_HC_VM_TOPUP, vm, frame, 1, 0, 0) == 0, 0);
	check("nor to Keel", hvc(KEEL_HC_POOL_DONATE, frame, 1, 0, 0, 0) == 0, 0);
}

/* The guest tells what it reads of its interface's GICV_IIDR. */
static void guest_reads(const char *what)
{
	struct keel_run *run = (struct keel_run *)GUEST_RUN(0);

	run->answer = KEEL_ANSWER_DONE;
	check("VCPU_RUN", guest_run(vm), KEEL_EXIT_FAULT);
	check("at the hole", run->fault.ipa, HOLE);
	check(what, *(u32 *)run->mmio.data, IIDR);
}

static void try_calls(void)
{
	check("a GICv2 with redistributors",
	      hvc(KEEL_HC_VGIC_INIT, vm, GUEST_GICD, GUEST_GICC, 64, 0), (u64)EINVAL);
	check("VGIC_INIT", hvc(KEEL_HC_VGIC_INIT, vm, KEEL_NO_PLACE, KEEL_NO_PLACE, 64, 0), 0);
	check("an unaligned interface", hvc(KEEL_HC_VGIC_PLACE, vm, GUEST_GICC + 8, 1, 0, 0),
	      (u64)EINVAL);
	check("the interface", hvc(KEEL_HC_VGIC_PLACE, vm, GUEST_GICC, 1, 0, 0), 0);
	check("again", hvc(KEEL_HC_VGIC_PLACE, vm, GUEST_GICC, 1, 0, 0), (u64)EINVAL);
	check("the distributor over it", hvc(KEEL_HC_VGIC_PLACE, vm, GUEST_GICC + PAGE, 0, 0, 0),
	      (u64)EINVAL);
	check("the distributor", hvc(KEEL_HC_VGIC_PLACE, vm, GUEST_GICD, 0, 0, 0), 0);
	check("LPIs", hvc(KEEL_HC_VGIC_LPIS, vm, 0, 0, 0, 0), (u64)KEEL_NOT_SUPPORTED);
	check("an LPI", hvc(KEEL_HC_LPI_PEND, vm, 0, 8192, 0, 0), (u64)KEEL_NOT_SUPPORTED);
	check("taking it", hvc(KEEL_HC_LPI_TAKE, vm, 0, 8192, 0, 0), (u64)KEEL_NOT_SUPPORTED);
	check("a redistributor's register",
	      hvc(KEEL_HC_VGIC_GET_REG, vm, 0, KEEL_VGIC_REDIST, 0, 0), (u64)ENXIO);
	check("an ICC_*_EL1", hvc(KEEL_HC_VGIC_GET_REG, vm, 0, KEEL_VGIC_CPU, 0xc230, 0),
	      (u64)ENXIO);
}

static void end_vm(void)
{
	u64 ret, tries = 0;

	do
		ret = hvc(KEEL_HC_VM_DESTROY, vm, 0, 0, 0, 0);
	while (ret == (u64)-11L && ++tries < 100000);
	check("VM_DESTROY", ret, 0);
}

static void hostile_main(u64 fdt)
{
	(void)fdt;
	try_frames();
	vm = guest_create(0, guest, (u64)(guest_end - guest), 1 << 2);
	try_pages(GICH);
	try_pages(GICV);
	try_calls();
	guest_reads("the guest's interface, as it is mapped");
	guest_reads("and again");
	check("the host unmaps it", hvc(KEEL_HC_VM_UNMAP, vm, GUEST_GICC, 2 * PAGE, 0, 0), 0);
	guest_reads("EL2 carries the guest's access out");
	check("memory there", hvc(KEEL_HC_VM_MAP, vm, GUEST_GICC, GUEST_VM(2), PAGE, 0), 0);
	check("and it is taken away", hvc(KEEL_HC_VM_UNMAP, vm, GUEST_GICC, PAGE, 0, 0), 0);
	guest_reads("the interface again");
	end_vm();
	try_frames();
}
