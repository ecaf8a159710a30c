// SPDX-License-Identifier: BSD-2-Clause
/*
 * One vCPU stores to a page that it may only read, so EL2 translates the address again. Meanwhile
 * the other one switches the tables between valid ones and ones in a device that does not answer.
 */
#define HOSTILE_SECONDARY
#include "hostile.h"

#define KVM_ARM_VCPU_PSCI_0_2 (1UL << 2)
#define NOTHING_THERE	      0x0b000000UL /* an access is answered with an external abort */
#define PSCI_CPU_ON	      0xc4000003
#define SECOND_MPIDR	      1UL
#define HOLE_IPA	      0x80000000UL
#define PAGE_IPA	      0x200000UL
#define PAGE_PA		      (GUEST_CODE(0) + 0x400000)
#define ROUNDS		      6000

/*
 * Level 1, at IPA 0x1000: the first GiB is an identity mapping, the second one has its table at IPA
 * 0x2000, or in the hole. Vectors at IPA 0x3000: the access is repeated after an abort on the walk.
 */
__asm__(".pushsection .rodata\n"
	".balign 2048\n"
	"guest_code:\n"
	"	mov	x1, #0x1000\n"
	"	mov	x3, #0x2000\n"
	"	mov	x2, #0x701\n"
	"	str	x2, [x1]\n"
	"	mov	x4, #0x200000\n" /* level 2: a block */
	"	orr	x4, x4, x2\n"
	"	str	x4, [x3]\n"
	"	orr	x5, x3, #3\n" /* the good table */
	"	mov	x6, #0x80000000\n"
	"	orr	x6, x6, #3\n" /* the other one */
	"	mrs	x0, mpidr_el1\n"
	"	tst	x0, #0xff\n"
	"	b.ne	flip\n"
	"	str	x5, [x1, #8]\n"
	"	dsb	sy\n"
	"	mov	x2, #0x3000\n"
	"	msr	vbar_el1, x2\n" GUEST_MMU_ON "	mov	x2, #0x40000000\n"
	"1:	str	x2, [x2]\n"
	"	b	1b\n"
	"flip:	str	x5, [x1, #8]\n"
	"	dsb	sy\n"
	"	tlbi	vmalle1is\n"
	"	dsb	sy\n"
	"	str	x6, [x1, #8]\n"
	"	dsb	sy\n"
	"	tlbi	vmalle1is\n"
	"	dsb	sy\n"
	"	b	flip\n"
	"	.ltorg\n"
	"	.balign	4096\n"
	"	.skip	0x2000\n"
	"	.rept	16\n"
	"	.balign	128\n"
	"	eret\n"
	"	.endr\n"
	"guest_code_end:\n"
	".popsection\n");
extern const char guest_code[], guest_code_end[];

static u64 vm;

void payload_secondary(u64 context)
{
	(void)context;
	for (;;)
		(void)hvc(KEEL_HC_VCPU_RUN, vm, 1, 0, 0, 0);
}

static void add_second_vcpu(void)
{
	struct regs size = { { KEEL_HC_VM_SIZE } };

	hvc0(&size);
	check("VCPU_CREATE 1",
	      hvc(KEEL_HC_VCPU_CREATE, vm, 1, GUEST_VCPU(1), size.x[2], GUEST_RUN(1)), 0);
	check("VCPU_INIT 1", hvc(KEEL_HC_VCPU_INIT, vm, 1, KVM_ARM_VCPU_PSCI_0_2, 0, 0), 0);
}

static void hostile_main(u64 fdt)
{
	struct keel_run *run = (struct keel_run *)GUEST_RUN(0);
	u64 faults = 0, others = 0;

	(void)fdt;
	vm = guest_create(0, guest_code, (u64)(guest_code_end - guest_code), KVM_ARM_VCPU_PSCI_0_2);
	add_second_vcpu();
	check("VM_MAP to read", hvc(KEEL_HC_VM_MAP, vm, PAGE_IPA, PAGE_PA, HOSTILE_PAGE_SIZE, 0),
	      0);
	check("VM_MAP of nothing",
	      hvc(KEEL_HC_VM_MAP, vm, HOLE_IPA, NOTHING_THERE, HOSTILE_PAGE_SIZE,
		  KEEL_MAP_WRITE | KEEL_MAP_DEVICE),
	      0);
	check("CPU_ON", smc(PSCI_CPU_ON, SECOND_MPIDR, (u64)secondary, 0), 0);
	while (faults < ROUNDS && others < ROUNDS) {
		if (hvc(KEEL_HC_VCPU_RUN, vm, 0, 0, 0, 0) == KEEL_EXIT_FAULT)
			faults++;
		else
			others++;
		run->answer = KEEL_ANSWER_MAPPED;
	}
	check("the host was asked about so many faults", faults, ROUNDS);
}
