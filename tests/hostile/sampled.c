// SPDX-License-Identifier: BSD-2-Clause
/*
 * A guest is profiled at an interval that is shorter than the way from a sample to the guest and
 * back, under an emulator. Filters reject each record, so the buffer never fills. The host's timer
 * interrupt must end each run all the same; the second CPU checks that.
 */
#define HOSTILE_SECONDARY
#include "hostile.h"

#define GICD_CTLR    ((volatile u32 *)0x08000000UL)
#define GICR_WAKER   ((volatile u32 *)0x080a0014UL)
#define GICR_SGI(at) (*(volatile u32 *)(0x080b0000UL + (at)))
#define TIMER_PPI    30

#define PSCI_CPU_ON  0xc4000003
#define SECOND_MPIDR 1UL

#define FEATURES (1UL << 2 | 1UL << 63) /* KVM_ARM_VCPU_PSCI_0_2, KVM_ARM_VCPU_SPE */

#define ROUNDS	 30
#define PATIENCE 20 /* seconds after which a run counts as stuck */

/*
 * The guest. Its MMU is on, with an identity mapping of its 64 KiB, since nothing is sampled
 * otherwise. The table is at 0x5000, its counter at 0x4000, the buffer of 24 KiB at 0x8000.
 */
__asm__(".pushsection .rodata\n"
	".balign 8\n"
	"guest_code:\n"
	"	mov	x0, #0x800\n" /* 0x200 behind it is a register's access (docs/spe.md) */
	"	msr	vbar_el1, x0\n"
	"	isb\n"
	"	mrs	x0, id_aa64dfr0_el1\n" /* it looks for SPE */
	"	mov	x1, #0x5000\n"
	"	mov	x2, #0x701\n" /* a block: AF, inner shareable, attributes 0 */
	"	str	x2, [x1]\n"
	"	dsb	sy\n" GUEST_MMU_ON "	mov	x4, #0x4000\n"
	"	mov	x2, #1024\n"
	"	msr	s3_0_c9_c9_3, x2\n"   /* PMSIRR_EL1 */
	"	msr	s3_0_c9_c9_2, xzr\n"  /* PMSICR_EL1 */
	"	msr	s3_0_c9_c10_3, xzr\n" /* PMBSR_EL1 */
	"	mov	x2, #0x8000\n"
	"	msr	s3_0_c9_c10_1, x2\n" /* PMBPTR_EL1 */
	"	mov	x2, #0xf001\n"
	"	msr	s3_0_c9_c10_0, x2\n" /* PMBLIMITR_EL1.E */
	"	mov	x2, #1\n"
	"	msr	s3_0_c9_c9_4, x2\n" /* PMSFCR_EL1.FE */
	"	mov	x2, #0x80\n"
	"	msr	s3_0_c9_c9_5, x2\n" /* PMSEVFR_EL1: mispredicted, as no record is */
	"	mov	x2, #2\n"
	"	msr	s3_0_c9_c9_0, x2\n" /* PMSCR_EL1.E1SPE */
	"1:	ldr	x3, [x4]\n"
	"	add	x3, x3, #1\n"
	"	str	x3, [x4]\n"
	"	b	1b\n"
	"	.ltorg\n"
	"	.org	guest_code + 0xa00\n"
	"	b	.\n" /* no exception of the guest's own is expected */
	"guest_code_end:\n"
	".popsection\n");
extern const char guest_code[], guest_code_end[];

static volatile u64 armed; /* when the timer fires, 0 while CPU 0 is not in a run */

static void gic_init(void)
{
	*GICD_CTLR = 0x12; /* ARE, group 1 */
	*GICR_WAKER &= ~2U;
	while (*GICR_WAKER & 4)
		;
	GICR_SGI(0x80) |= 1U << TIMER_PPI; /* group 1 */
	GICR_SGI(0x100) = 1U << TIMER_PPI; /* enabled */
	((volatile u8 *)&GICR_SGI(0x400))[TIMER_PPI] = 0x80;
	write_sysreg(1, S3_0_C12_C12_5);  /* ICC_SRE_EL1 */
	write_sysreg(0xff, S3_0_C4_C6_0); /* ICC_PMR_EL1 */
	write_sysreg(1, S3_0_C12_C12_7);  /* ICC_IGRPEN1_EL1 */
}

void payload_secondary(u64 context)
{
	u64 patience = PATIENCE * read_sysreg(CNTFRQ_EL0);

	(void)context;
	for (;;) {
		u64 at = armed;

		if (!at || read_sysreg(CNTPCT_EL0) < at + patience)
			continue;
		check("a run ends by the host's interrupt", 0, 1);
		finish();
	}
}

static u64 run_with_timer(u64 vm)
{
	u64 ret;

	write_sysreg(read_sysreg(CNTFRQ_EL0) / 200, CNTP_TVAL_EL0);
	armed = read_sysreg(CNTPCT_EL0) + read_sysreg(CNTFRQ_EL0) / 200;
	write_sysreg(1, CNTP_CTL_EL0);
	ret = guest_run(vm);
	armed = 0;
	write_sysreg(0, CNTP_CTL_EL0);
	return ret;
}

static void hostile_main(u64 fdt)
{
	volatile u64 *count = (volatile u64 *)(GUEST_CODE(0) + 0x4000);
	struct regs stats = { { KEEL_HC_VCPU_SPE_STATS } };
	u64 vm, i, ended = 0;

	(void)fdt;
	gic_init();
	vm = guest_create(0, guest_code, (u64)(guest_code_end - guest_code), FEATURES);
	check("the VM has a vGIC", hvc(KEEL_HC_VGIC_INIT, vm, 0x08000000, 0x080a0000, 64, 0), 0);
	check("... and SPE", hvc(KEEL_HC_VCPU_SPE, vm, 0, KEEL_SPE_INIT, 21, 0), 0);
	check("the second CPU starts", smc(PSCI_CPU_ON, SECOND_MPIDR, (u64)secondary, 0), 0);
	for (i = 0; i < ROUNDS; i++)
		ended += run_with_timer(vm) == KEEL_EXIT_IRQ;
	check("each run ends by the host's interrupt", ended, ROUNDS);
	stats.x[1] = vm;
	hvc0(&stats);
	check("its accesses to SPE were emulated", stats.x[4], 8);
	check("it has counted", *count > 0, 1);
}
