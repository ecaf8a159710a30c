// SPDX-License-Identifier: BSD-2-Clause
/*
 * A guest's translation tables point to a device that does not answer, so each translation of one
 * of its addresses by EL2 is an external abort on the walk. Here EL2 translates the address of the
 * guest's vectors, for emulated SPE.
 */
#include "hostile.h"

#include <keel/spe.h>

#define KVM_ARM_VCPU_PSCI_0_2 (1UL << 2)
#define NOTHING_THERE	      0x0b000000UL /* an access is answered with an external abort */
#define HOLE_IPA	      0x80000000UL
#define SPE_PPI		      21

/*
 * Level 1, at IPA 0x1000: the first GiB is an identity mapping, the second one's table is in the
 * hole.
 */
__asm__(".pushsection .rodata\n"
	".balign 8\n"
	"guest_code:\n"
	"	mrs	x0, id_aa64dfr0_el1\n" /* traps: now it knows of SPE */
	"	mov	x1, #0x1000\n"
	"	mov	x2, #0x701\n"
	"	str	x2, [x1]\n"
	"	mov	x2, #0x80000000\n"
	"	orr	x2, x2, #3\n"
	"	str	x2, [x1, #8]\n"
	"	dsb	sy\n" GUEST_MMU_ON "	mov	x2, #0x40000000\n"
	"	msr	vbar_el1, x2\n"
	"	isb\n"
	/* an exit from EL1, at which EL2 reads where the vectors are */
	"	mrs	x0, id_aa64pfr0_el1\n"
	"	ldr	x0, =0x84000008\n"
	"	hvc	#0\n"
	"	b	.\n"
	"	.ltorg\n"
	"guest_code_end:\n"
	".popsection\n");
extern const char guest_code[], guest_code_end[];

static void hostile_main(u64 fdt)
{
	u64 vm, exit = 0;

	(void)fdt;
	vm = guest_create(0, guest_code, (u64)(guest_code_end - guest_code),
			  KVM_ARM_VCPU_PSCI_0_2 | 1UL << KEEL_HC_VCPU_FEATURE_SPE);
	check("VGIC_INIT", hvc(KEEL_HC_VGIC_INIT, vm, 0x8000000, 0x80a0000, 64, 0), 0);
	check("SPE_INIT", hvc(KEEL_HC_VCPU_SPE, vm, 0, KEEL_SPE_INIT, SPE_PPI, 0), 0);
	check("VM_MAP of nothing",
	      hvc(KEEL_HC_VM_MAP, vm, HOLE_IPA, NOTHING_THERE, HOSTILE_PAGE_SIZE,
		  KEEL_MAP_WRITE | KEEL_MAP_DEVICE),
	      0);
	for (int i = 0; i < 8 && exit != KEEL_EXIT_SYSTEM; i++)
		exit = guest_run(vm);
	check("the guest gets to its end", exit, KEEL_EXIT_SYSTEM);
}
