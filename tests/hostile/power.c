// SPDX-License-Identifier: BSD-2-Clause
/*
 * The host cuts the power of both CPUs' redistributors while guests run. EL2's accesses to
 * interrupt another CPU, to clear that, and to make the timer's interrupt active, are external
 * aborts then. The redistributors in the device tree are memory of a PCI device
 * (tests/system/firmware/frames.S); the machine's own, which interrupt CPUs, are not in the device
 * tree.
 */
#define HOSTILE_SECONDARY
#include "hostile.h"

#define KVM_ARM_VCPU_PSCI_0_2 (1UL << 2)
#define PSCI_CPU_ON	      0xc4000003
#define SECOND_MPIDR	      1UL

#define PCI_CMD	     ((volatile u32 *)0x4010018004UL)
#define FRAMES	     0x20000000UL
#define TYPER	     (*(volatile u64 *)(FRAMES + 8))
#define GICD_CTLR    ((volatile u32 *)0x08000000UL)
#define GICR_WAKER   ((volatile u32 *)0x080a0014UL)
#define SGI_FRAME    ((volatile u32 *)0x080b0000UL)
#define GICR_SGI(at) (SGI_FRAME[(at) / 4])
#define VTIMER	     27

#define DEVICE 0x09000000UL

/*
 * The first vCPU says that it is ready, sends SGI 3 to the other one, says so, has its timer fire,
 * and would say that. The other one says that it is ready, and then what interrupted it; it exits
 * all the time, but to EL2 alone.
 */
__asm__(".pushsection .rodata\n"
	".balign 8\n"
	"guest_code:\n"
	"	mov	x9, #0x09000000\n"
	"	mov	x0, #0xff\n"
	"	msr	s3_0_c4_c6_0, x0\n" /* ICC_PMR_EL1 */
	"	mov	x0, #1\n"
	"	msr	s3_0_c12_c12_7, x0\n" /* ICC_IGRPEN1_EL1 */
	"	isb\n"
	"	mov	x1, #0x08000000\n"
	"	mov	w2, #2\n"
	"	str	w2, [x1]\n" /* GICD_CTLR.EnableGrp1 */
	"	mrs	x0, mpidr_el1\n"
	"	and	x0, x0, #0xff\n"
	"	ldr	x1, =0x080b0100\n" /* GICR_ISENABLER0 */
	"	add	x1, x1, x0, lsl #17\n"
	"	ldr	w2, =0x0800ffff\n"
	"	str	w2, [x1]\n"
	"	str	x0, [x9]\n" /* ready */
	"	cbnz	x0, 2f\n"
	"	ldr	x0, =0x03000002\n"
	"	msr	s3_0_c12_c11_5, x0\n" /* ICC_SGI1R_EL1: SGI 3 to vCPU 1 */
	"	str	x0, [x9]\n"
	"	msr	cntv_cval_el0, xzr\n"
	"	mov	x0, #1\n"
	"	msr	cntv_ctl_el0, x0\n"
	"	isb\n"
	"2:	mrs	x0, id_aa64pfr0_el1\n" /* traps */
	"	mrs	x0, s3_0_c12_c12_0\n"  /* ICC_IAR1_EL1 */
	"	and	x0, x0, #0xffffff\n"
	"	cmp	x0, #1023\n"
	"	b.eq	2b\n"
	"	str	x0, [x9]\n"
	"	b	2b\n"
	"	.ltorg\n"
	"guest_code_end:\n"
	".popsection\n");
extern const char guest_code[], guest_code_end[];

static struct keel_run *const runs[2] = { (struct keel_run *)GUEST_RUN(0),
					  (struct keel_run *)GUEST_RUN(1) };
static u64 vm;
/* What the second vCPU has written, and how often. */
static volatile u64 said, times;

static u64 faults(void)
{
	struct regs regs = { { KEEL_HC_STAT, KEEL_STAT_EL2_FAULTS } };

	hvc0(&regs);
	return regs.x[1];
}

static void power(u32 on)
{
	*PCI_CMD = on << 1;
	__asm__ volatile("dsb sy" ::: "memory");
}

/* Run @vcpu until it writes something; it may be interrupted up to a limit. */
static u64 listen(u64 vcpu, u64 *what, u64 interrupts)
{
	u64 exit;

	do
		exit = hvc(KEEL_HC_VCPU_RUN, vm, vcpu, 0, 0, 0);
	while (exit == KEEL_EXIT_IRQ && interrupts--);
	memcpy(what, runs[vcpu]->mmio.data, sizeof(*what));
	runs[vcpu]->answer = KEEL_ANSWER_DONE;
	return exit;
}

void payload_secondary(u64 context)
{
	u64 what;

	(void)context;
	while (listen(1, &what, ~0UL) == KEEL_EXIT_FAULT) {
		said = what;
		times++;
	}
	for (;;)
		;
}

static u64 wait_for(u64 count)
{
	u64 end = read_sysreg(CNTPCT_EL0) + 20 * read_sysreg(CNTFRQ_EL0);

	while (times < count && read_sysreg(CNTPCT_EL0) < end)
		;
	return times;
}

static void make_vm(void)
{
	struct regs size = { { KEEL_HC_VM_SIZE } };

	vm = guest_create(0, guest_code, (u64)(guest_code_end - guest_code), KVM_ARM_VCPU_PSCI_0_2);
	hvc0(&size);
	check("VCPU_CREATE 1",
	      hvc(KEEL_HC_VCPU_CREATE, vm, 1, GUEST_VCPU(1), size.x[2], GUEST_RUN(1)), 0);
	check("VCPU_INIT 1", hvc(KEEL_HC_VCPU_INIT, vm, 1, KVM_ARM_VCPU_PSCI_0_2, 0, 0), 0);
	check("VGIC_INIT", hvc(KEEL_HC_VGIC_INIT, vm, 0x8000000, 0x80a0000, 64, 0), 0);
}

/* Let the virtual timer's interrupt reach this CPU. */
static void hear_the_timer(void)
{
	*GICD_CTLR = 0x12;  /* ARE, EnableGrp1 */
	*GICR_WAKER &= ~2U; /* ProcessorSleep */
	while (*GICR_WAKER & 4)
		;
	GICR_SGI(0x80) |= 1U << VTIMER;
	((volatile u8 *)SGI_FRAME)[0x400 + VTIMER] = 0x80;
	GICR_SGI(0x100) = 1U << VTIMER;
	write_sysreg(1, S3_0_C12_C12_5); /* ICC_SRE_EL1 */
	write_sysreg(0xff, S3_0_C4_C6_0);
	write_sysreg(1, S3_0_C12_C12_7);
}

static void hostile_main(u64 fdt)
{
	u64 before, what;

	(void)fdt;
	check("the frames are there", TYPER, 0);
	make_vm();
	check("CPU_ON", smc(PSCI_CPU_ON, SECOND_MPIDR, (u64)secondary, 0), 0);
	check("the first vCPU runs", listen(0, &what, 0), KEEL_EXIT_FAULT);
	check("the second vCPU runs", wait_for(1), 1);

	power(0);
	before = faults();
	check("an interrupt for a CPU whose redistributor is off", listen(0, &what, 0),
	      KEEL_EXIT_FAULT);
	check("... is an access that faults", faults() > before, 1);
	check("... and is seen", wait_for(2), 2);
	check("... as what it is", said, 3);
	hear_the_timer();
	for (u64 i = 0; i < 3; i++) {
		before = faults();
		check("a timer that cannot be held is the host's", listen(0, &what, 0),
		      KEEL_EXIT_IRQ);
		check("... after accesses that fault", faults() > before, 1);
	}
	power(1);
	check("the frames are there again", TYPER, 0);
}
