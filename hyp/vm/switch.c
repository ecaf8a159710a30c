/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The world switch (docs/world-switch.md): EL1's registers belong to the host or to one guest, and
 * EL2's controls follow. What a guest does not have is trapped, and so need not be switched.
 *
 * Floating point is switched when it is used, on both sides: a guest finds it trapped when it
 * comes, and the host finds it trapped when a guest has used it.
 */
#include <arch/barrier.h>
#include <arch/el1.h>
#include <arch/fpsimd.h>
#include <arch/percpu.h>
#include <arch/sysreg.h>
#include <arch/tlb.h>
#include <cpu/el2_regs.h>
#include <lib/errno.h>
#include <vm/run.h>
#include <vm/switch.h>

/* Registers that are EL1's in either regime: place, name with E2H=0, encoding with E2H=1 (_EL12).
 */
#define EL1_REGS(X)                                      \
	X(SCTLR_EL1, sctlr_el1, s3_5_c1_c0_0)            \
	X(CPACR_EL1, cpacr_el1, s3_5_c1_c0_2)            \
	X(TTBR0_EL1, ttbr0_el1, s3_5_c2_c0_0)            \
	X(TTBR1_EL1, ttbr1_el1, s3_5_c2_c0_1)            \
	X(TCR_EL1, tcr_el1, s3_5_c2_c0_2)                \
	X(SPSR_EL1, spsr_el1, s3_5_c4_c0_0)              \
	X(ELR_EL1, elr_el1, s3_5_c4_c0_1)                \
	X(AFSR0_EL1, afsr0_el1, s3_5_c5_c1_0)            \
	X(AFSR1_EL1, afsr1_el1, s3_5_c5_c1_1)            \
	X(ESR_EL1, esr_el1, s3_5_c5_c2_0)                \
	X(FAR_EL1, far_el1, s3_5_c6_c0_0)                \
	X(MAIR_EL1, mair_el1, s3_5_c10_c2_0)             \
	X(AMAIR_EL1, amair_el1, s3_5_c10_c3_0)           \
	X(VBAR_EL1, vbar_el1, s3_5_c12_c0_0)             \
	X(CONTEXTIDR_EL1, contextidr_el1, s3_5_c13_c0_1) \
	X(CNTKCTL_EL1, cntkctl_el1, s3_5_c14_c1_0)       \
	X(SP_EL0, sp_el0, sp_el0)                        \
	X(SP_EL1, sp_el1, sp_el1)                        \
	X(TPIDR_EL0, tpidr_el0, tpidr_el0)               \
	X(TPIDRRO_EL0, tpidrro_el0, tpidrro_el0)         \
	X(TPIDR_EL1, tpidr_el1, tpidr_el1)               \
	X(PAR_EL1, par_el1, par_el1)                     \
	X(CSSELR_EL1, csselr_el1, csselr_el1)            \
	X(MDSCR_EL1, mdscr_el1, mdscr_el1)

/* Pointer authentication keys (D23.2.9 and on), where the CPU has it. */
#define KEY_REGS(X)                    \
	X(APIAKEYLO_EL1, s3_0_c2_c1_0) \
	X(APIAKEYHI_EL1, s3_0_c2_c1_1) \
	X(APIBKEYLO_EL1, s3_0_c2_c1_2) \
	X(APIBKEYHI_EL1, s3_0_c2_c1_3) \
	X(APDAKEYLO_EL1, s3_0_c2_c2_0) \
	X(APDAKEYHI_EL1, s3_0_c2_c2_1) \
	X(APDBKEYLO_EL1, s3_0_c2_c2_2) \
	X(APDBKEYHI_EL1, s3_0_c2_c2_3) \
	X(APGAKEYLO_EL1, s3_0_c2_c3_0) \
	X(APGAKEYHI_EL1, s3_0_c2_c3_1)

#define SAVE_NVHE(place, el1, el12) to[place] = read_sysreg(el1);
#define SAVE_VHE(place, el1, el12)  to[place] = read_sysreg(el12);
#define LOAD_NVHE(place, el1, el12) write_sysreg(from[place], el1);
#define LOAD_VHE(place, el1, el12)  write_sysreg(from[place], el12);
#define SAVE_KEY(place, name)	    to[place] = read_sysreg(name);
#define LOAD_KEY(place, name)	    write_sysreg(from[place], name);

/* CPTR_EL2 (D23.2.33): with E2H=0 RES1 bits, traps of FP, SVE, SME and trace */
#define CPTR_GUEST_NVHE (0x22ffULL | BIT(8) | BIT(12) | BIT(20))
#define CPTR_TFP	BIT(10)
#define CPTR_TZ		BIT(8)
/* With E2H=1: FPEN, ZEN, SMEN 0 trap; TTA */
#define CPACR_TTA  BIT(28)
#define CPACR_FPEN GENMASK(21, 20)
#define CPACR_ZEN  GENMASK(17, 16)

/* CNTHCTL_EL2: the physical counter is free, the physical timer traps; bits move with E2H */
#define CNTHCTL_GUEST_NVHE BIT(0)
#define CNTHCTL_GUEST_VHE  BIT(10)

/* MDCR_EL2: debug, OS lock, PMU, trace-filter and profiling registers trap */
#define MDCR_HPMN  GENMASK(4, 0)
#define MDCR_TPMCR BIT(5)
#define MDCR_TPM   BIT(6)
#define MDCR_TDA   BIT(9)
#define MDCR_TDOSA BIT(10)
#define MDCR_TDRA  BIT(11)
#define MDCR_TPMS  BIT(14)
#define MDCR_TTRF  BIT(19)
#define MDCR_GUEST \
	(MDCR_TPMCR | MDCR_TPM | MDCR_TDA | MDCR_TDOSA | MDCR_TDRA | MDCR_TPMS | MDCR_TTRF)

/* KVM_ARM_VCPU_* feature bits that matter here */
#define VCPU_FEATURE_SVE     BIT(4)
#define VCPU_FEATURE_PTRAUTH (BIT(5) | BIT(6))

static struct vm_cpu *vm_cpus[KEEL_MAX_CPUS];

/* What the CPU has, from its ID registers, once for each question: see switch_init(). */
static struct {
	bool pauth, hcx, fgt, sve;
} cpu_has_;

struct vm_cpu *this_vm_cpu(void)
{
	return vm_cpus[this_cpu()->id];
}

static unsigned int order_of(u64 bytes)
{
	unsigned int order = 0;

	while ((SZ_4K << order) < bytes)
		order++;
	return order;
}

int switch_init(struct page_pool *pool, unsigned int nr_cpus)
{
	u64 isar1 = read_sysreg(id_aa64isar1_el1), isar2 = read_sysreg(SYS_ID_AA64ISAR2_EL1);
	unsigned int i;

	cpu_has_.pauth = (isar1 & GENMASK(11, 4)) || (isar2 & GENMASK(15, 12));
	cpu_has_.hcx = read_sysreg(id_aa64mmfr1_el1) & GENMASK(43, 40);
	cpu_has_.fgt = read_sysreg(id_aa64mmfr0_el1) & GENMASK(59, 56);
	cpu_has_.sve = read_sysreg(id_aa64pfr0_el1) & GENMASK(35, 32);
	for (i = 0; i < nr_cpus; i++) {
		vm_cpus[i] = page_pool_alloc_run(pool, order_of(sizeof(struct vm_cpu)));
		if (!vm_cpus[i])
			return -ENOMEM;
		vm_cpus[i]->host_fp =
			page_pool_alloc_run(pool, order_of(sizeof(struct vcpu_fpstate)));
		if (!vm_cpus[i]->host_fp)
			return -ENOMEM;
	}
	return 0;
}

/* ---- EL1 registers ---- */

static void save_el1(u64 *to)
{
	if (el2_is_e2h()) {
		EL1_REGS(SAVE_VHE)
	} else {
		EL1_REGS(SAVE_NVHE)
	}
	if (cpu_has_.pauth) {
		KEY_REGS(SAVE_KEY)
	}
}

static void load_el1(const u64 *from)
{
	if (el2_is_e2h()) {
		EL1_REGS(LOAD_VHE)
	} else {
		EL1_REGS(LOAD_NVHE)
	}
	if (cpu_has_.pauth) {
		KEY_REGS(LOAD_KEY)
	}
}

#define READ_CASE(place, el1, el12) \
	case place:                 \
		return el2_is_e2h() ? read_sysreg(el12) : read_sysreg(el1);
#define WRITE_CASE(place, el1, el12)               \
	case place:                                \
		if (el2_is_e2h())                  \
			write_sysreg(value, el12); \
		else                               \
			write_sysreg(value, el1);  \
		return;
#define READ_KEY_CASE(place, name) \
	case place:                \
		return read_sysreg(name);
#define WRITE_KEY_CASE(place, name)        \
	case place:                        \
		write_sysreg(value, name); \
		return;

u64 vcpu_read_sysreg(const struct vcpu *vcpu, enum vcpu_sysreg reg)
{
	if (this_vm_cpu()->vcpu != vcpu)
		return vcpu->sysreg[reg];
	switch ((unsigned int)reg) {
		EL1_REGS(READ_CASE)
	default:
		break;
	}
	if (cpu_has_.pauth) {
		switch ((unsigned int)reg) {
			KEY_REGS(READ_KEY_CASE)
		default:
			break;
		}
	}
	return vcpu->sysreg[reg];
}

void vcpu_write_sysreg(struct vcpu *vcpu, enum vcpu_sysreg reg, u64 value)
{
	vcpu->sysreg[reg] = value;
	if (this_vm_cpu()->vcpu != vcpu)
		return;
	switch ((unsigned int)reg) {
		EL1_REGS(WRITE_CASE)
	default:
		break;
	}
	if (cpu_has_.pauth) {
		switch ((unsigned int)reg) {
			KEY_REGS(WRITE_KEY_CASE)
		default:
			break;
		}
	}
}

/* ---- EL2 controls ---- */

static void save_controls(struct vm_cpu *cpu)
{
	cpu->hcr = read_sysreg(hcr_el2);
	if (!cpu->host_fp_out) /* otherwise it has our trap in it */
		cpu->cptr = read_sysreg(cptr_el2);
	cpu->mdcr = read_sysreg(mdcr_el2);
	cpu->cnthctl = read_sysreg(cnthctl_el2);
	cpu->cntvoff = read_sysreg(cntvoff_el2);
	cpu->vtcr = read_sysreg(vtcr_el2);
	cpu->vttbr = read_sysreg(vttbr_el2);
	cpu->vmpidr = read_sysreg(vmpidr_el2);
	if (cpu_has_.hcx)
		cpu->hcrx = read_sysreg(SYS_HCRX_EL2);
	if (cpu_has_.fgt) {
		cpu->hfgrtr = read_sysreg(SYS_HFGRTR_EL2);
		cpu->hfgwtr = read_sysreg(SYS_HFGWTR_EL2);
		cpu->hfgitr = read_sysreg(SYS_HFGITR_EL2);
		cpu->hdfgrtr = read_sysreg(SYS_HDFGRTR_EL2);
		cpu->hdfgwtr = read_sysreg(SYS_HDFGWTR_EL2);
	}
}

static void write_fine_traps(u64 hfgrtr, u64 hfgwtr, u64 hfgitr, u64 hdfgrtr, u64 hdfgwtr)
{
	if (!cpu_has_.fgt)
		return;
	write_sysreg(hfgrtr, SYS_HFGRTR_EL2);
	write_sysreg(hfgwtr, SYS_HFGWTR_EL2);
	write_sysreg(hfgitr, SYS_HFGITR_EL2);
	write_sysreg(hdfgrtr, SYS_HDFGRTR_EL2);
	write_sysreg(hdfgwtr, SYS_HDFGWTR_EL2);
}

static u64 guest_hcr(const struct vcpu *vcpu, u64 host_hcr)
{
	u64 hcr = (host_hcr & HCR_E2H) | HCR_VM | HCR_RW | HCR_GUEST_TRAPS;

	if ((vcpu->features & VCPU_FEATURE_PTRAUTH) == VCPU_FEATURE_PTRAUTH)
		hcr |= HCR_API | HCR_APK;
	if (vcpu->s2->fwb)
		hcr |= HCR_FWB;
	return hcr;
}

static u64 guest_cptr_trapping(void)
{
	return el2_is_e2h() ? CPACR_TTA : CPTR_GUEST_NVHE | CPTR_TFP;
}

static u64 guest_cptr_open(const struct vcpu *vcpu)
{
	bool sve = vcpu->features & VCPU_FEATURE_SVE;

	if (el2_is_e2h())
		return CPACR_TTA | CPACR_FPEN | (sve ? CPACR_ZEN : 0);
	return CPTR_GUEST_NVHE & ~(sve ? CPTR_TZ : 0);
}

static void load_guest_controls(struct vcpu *vcpu, const struct vm_cpu *cpu)
{
	write_sysreg(guest_cptr_trapping(), cptr_el2);
	write_sysreg((cpu->mdcr & MDCR_HPMN) | MDCR_GUEST, mdcr_el2);
	write_sysreg(el2_is_e2h() ? CNTHCTL_GUEST_VHE : CNTHCTL_GUEST_NVHE, cnthctl_el2);
	write_sysreg(vcpu->vm->cntvoff, cntvoff_el2);
	write_sysreg(vcpu->mpidr, vmpidr_el2);
	if (cpu_has_.hcx)
		write_sysreg(0, SYS_HCRX_EL2);
	/* What the guest does not have traps: the n... bits are 0, and nothing else is set. */
	write_fine_traps(0, 0, 0, 0, 0);
	write_sysreg(vcpu->s2->geometry.vtcr, vtcr_el2);
	write_sysreg(vcpu->s2->vttbr, vttbr_el2);
	write_sysreg(guest_hcr(vcpu, cpu->hcr), hcr_el2);
	isb();
}

static void load_host_controls(const struct vm_cpu *cpu)
{
	u64 cptr = cpu->cptr;

	if (cpu->host_fp_out) /* its first use traps, see switch_host_fp() */
		cptr = el2_is_e2h() ? cptr & ~(CPACR_FPEN | CPACR_ZEN) : cptr | CPTR_TFP;
	write_sysreg(cptr, cptr_el2);
	write_sysreg(cpu->mdcr, mdcr_el2);
	write_sysreg(cpu->cnthctl, cnthctl_el2);
	write_sysreg(cpu->cntvoff, cntvoff_el2);
	write_sysreg(cpu->vmpidr, vmpidr_el2);
	if (cpu_has_.hcx)
		write_sysreg(cpu->hcrx, SYS_HCRX_EL2);
	write_fine_traps(cpu->hfgrtr, cpu->hfgwtr, cpu->hfgitr, cpu->hdfgrtr, cpu->hdfgwtr);
	write_sysreg(cpu->vtcr, vtcr_el2);
	write_sysreg(cpu->vttbr, vttbr_el2);
	write_sysreg(cpu->hcr, hcr_el2);
	isb();
}

void switch_to_guest(struct vcpu *vcpu)
{
	struct vm_cpu *cpu = this_vm_cpu();

	cpu->elr = read_sysreg(elr_el2);
	cpu->spsr = read_sysreg(spsr_el2);
	save_controls(cpu);
	save_el1(cpu->sysreg);
	cpu->guest_fp_in = false;
	load_guest_controls(vcpu, cpu);
	load_el1(vcpu->sysreg);
	cpu->vcpu = vcpu;
}

/* ---- floating point ---- */

/* Open the FP traps for EL2 itself; both kinds of register, whatever CPTR_EL2 says for EL1. */
static void open_fp(bool sve)
{
	if (el2_is_e2h())
		write_sysreg(CPACR_FPEN | (sve ? CPACR_ZEN : 0), cptr_el2);
	else
		write_sysreg(CPTR_GUEST_NVHE & ~(sve ? CPTR_TZ : 0), cptr_el2);
	isb();
}

/* ZCR_EL1 is the host's or the guest's; EL2 saves at the full length whatever it says. */
static void save_host_fp(struct vm_cpu *cpu)
{
	open_fp(cpu_has_.sve);
	if (cpu_has_.sve)
		sve_save(cpu->host_fp);
	else
		fpsimd_save(cpu->host_fp);
	cpu->host_fp_out = true;
}

void switch_guest_fp(struct vcpu *vcpu)
{
	struct vm_cpu *cpu = this_vm_cpu();
	bool sve = vcpu->features & VCPU_FEATURE_SVE;

	if (!cpu->host_fp_out)
		save_host_fp(cpu);
	open_fp(sve);
	if (sve)
		sve_restore(vcpu->fp);
	else
		fpsimd_restore(vcpu->fp);
	cpu->guest_fp_in = true;
	write_sysreg(guest_cptr_open(vcpu), cptr_el2);
	isb();
}

static void save_guest_fp(struct vcpu *vcpu, struct vm_cpu *cpu)
{
	bool sve = vcpu->features & VCPU_FEATURE_SVE;

	if (!cpu->guest_fp_in)
		return;
	open_fp(sve);
	if (sve)
		sve_save(vcpu->fp);
	else
		fpsimd_save(vcpu->fp);
	cpu->guest_fp_in = false;
}

bool switch_host_fp(void)
{
	struct vm_cpu *cpu = this_vm_cpu();

	if (!cpu || !cpu->host_fp_out)
		return false;
	open_fp(cpu_has_.sve);
	if (cpu_has_.sve)
		sve_restore(cpu->host_fp);
	else
		fpsimd_restore(cpu->host_fp);
	cpu->host_fp_out = false;
	write_sysreg(cpu->cptr, cptr_el2);
	isb();
	return true;
}

void switch_to_host(struct vcpu *vcpu)
{
	struct vm_cpu *cpu = this_vm_cpu();

	save_guest_fp(vcpu, cpu);
	save_el1(vcpu->sysreg);
	cpu->vcpu = NULL;
	load_el1(cpu->sysreg);
	load_host_controls(cpu);
	write_sysreg(cpu->elr, elr_el2);
	write_sysreg(cpu->spsr, spsr_el2);
}
