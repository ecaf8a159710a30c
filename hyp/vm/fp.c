// SPDX-License-Identifier: BSD-2-Clause
/*
 * Floating point, SVE and Streaming SVE mode: switched when they are used.
 *
 *                      registers are       FP traps for     set by
 *      host_fp_out=0   the host's          the guest        reset; switch_host_fp()
 *      guest_fp_in=1   the loaded vCPU's   nobody           switch_guest_fp(): host's saved
 *      host_fp_out=1   nobody's            host and guest   fp_leave_guest(): guest's saved
 *
 * A guest finds FP trapped when it is loaded. At its first use the host's registers are saved, if
 * they are still in the CPU, and the guest's are loaded. At put the guest's are saved, and FP traps
 * for the host until its own first use. So a guest that uses no FP costs nothing, and neither does
 * a host that uses none between two runs. Registers are saved at the full vector length.
 *
 * Exceptions do not change PSTATE.SM (ARM DDI 0487, B1.4). If the host was in Streaming SVE mode,
 * EL2's own SVE instructions and the guest would run in it, too. So fp_leave_host() saves the
 * host's registers and leaves the mode, before anything else, and fp_return_host() enters it again
 * at put. While the host's registers are in memory SME traps as well: an SMSTART or a write of SVCR
 * zeroes registers, which must be the host's by then. Between fp_leave_host() and fp_return_host(),
 * and while host_fp_out is set, PSTATE.SM is 0.
 *
 * ZA, ZT0 and the other registers of SME stay in the CPU: SME traps for guests.
 *
 * State is the CPU's own (struct vm_cpu), so there is no lock; the vector lengths that all CPUs
 * have are atomic.
 */
#include <arch/barrier.h>
#include <arch/el1.h>
#include <arch/fpsimd.h>
#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <cpu/assert.h>
#include <cpu/log.h>
#include <vm/fp.h>

/* ZCR_EL2: the longest vectors of the CPU */
#define ZCR_EL2_ALL ZCR_LEN

/* The feature bit KVM_ARM_VCPU_SVE */
#define VCPU_FEATURE_SVE BIT(4)

/*
 * The vector lengths that all CPUs have which have come up, BIT(quadwords - 1); and whether a vCPU
 * or userspace was told of them: then a CPU that lacks one is refused.
 */
#define VQS	  GENMASK(SVE_VQ_MAX - 1, 0)
#define VQS_FINAL BIT(63)
static u64 sve_vqs = VQS;

u64 switch_sve_vqs(void)
{
	u64 vqs = __atomic_load_n(&sve_vqs, __ATOMIC_RELAXED);

	if (!(vqs & VQS_FINAL))
		vqs = __atomic_fetch_or(&sve_vqs, VQS_FINAL, __ATOMIC_RELAXED);
	return vqs & VQS;
}

/* A CPU with the lengths @vqs comes up. Return: whether it has all that somebody was told of. */
static bool merge_vqs(u64 vqs)
{
	u64 old = __atomic_load_n(&sve_vqs, __ATOMIC_RELAXED), merged;

	do {
		merged = old & (vqs | VQS_FINAL);
		if ((old & VQS_FINAL) && merged != old)
			return false;
	} while (!__atomic_compare_exchange_n(&sve_vqs, &old, merged, false, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return true;
}

static unsigned int longest_vector(u64 vqs)
{
	unsigned int vq;

	for (vq = SVE_VQ_MAX; vq > 0 && !(vqs & BIT(vq - 1)); vq--)
		;
	return vq;
}

/* Open the FP traps, also for EL2 itself. */
static void open_fp(const struct vm_cpu *cpu, unsigned int also)
{
	write_sysreg(guest_traps_cptr_open(&cpu->traps, also), cptr_el2);
	isb();
}

/* ---- a CPU comes up ---- */

/* A length that the CPU does not have is rounded down to one that it has (E1.2, ZCR_EL2.LEN). */
static u64 find_vqs(void)
{
	u64 vqs = 0;

	for (unsigned int vq = SVE_VQ_MAX; vq > 0; vq = sve_vq() - 1) {
		write_sysreg(vq - 1, ASM_REG(ZCR_EL2));
		isb();
		vqs |= BIT(sve_vq() - 1);
	}
	write_sysreg(ZCR_EL2_ALL, ASM_REG(ZCR_EL2));
	return vqs;
}

/* Firmware may withhold it (SMCR_EL3.FA64), which no ID register says. Leaves the mode. */
static bool full_a64_in_force(void)
{
	bool yes;

	write_sysreg(SVCR_SM, ASM_REG(SVCR));
	yes = sve_has_ffr();
	write_sysreg(0, ASM_REG(SVCR));
	if (!yes)
		log_warn("CPU %u: FEAT_SME_FA64 is not in force: firmware has SMCR_EL3.FA64 clear",
			 this_cpu()->id);
	return yes;
}

/* FP comes from reset: what was saved is stale. Firmware may have left PSTATE.SM set. */
bool fp_cpu_online(struct vm_cpu *cpu)
{
	const struct guest_traps *traps = &cpu->traps;
	u64 cptr = read_sysreg(cptr_el2), vqs = 0;

	cpu->host_fp_out = false;
	cpu->host_streaming = false;
	cpu->guest_fp_in = false;
	open_fp(cpu, (traps->has_sve ? OPEN_SVE : 0) | (traps->has_sme ? OPEN_SME : 0));
	if (traps->has_sme)
		write_sysreg(0, ASM_REG(SVCR));
	if (traps->has_fa64)
		cpu->traps.has_fa64 = full_a64_in_force();
	if (traps->has_sve)
		vqs = find_vqs();
	write_sysreg(cptr, cptr_el2);
	isb();
	cpu->sve_longest = longest_vector(vqs);
	return merge_vqs(vqs);
}

/* ---- the host's ---- */

/* EL2 saves the host's registers at the full length, whatever ZCR_EL1 says. */
static void save_host(struct vm_cpu *cpu)
{
	bool sve = cpu->traps.has_sve;

	open_fp(cpu, sve ? OPEN_SVE : 0);
	if (sve)
		sve_save(cpu->host_fp, true);
	else
		fpsimd_save(cpu->host_fp);
	cpu->host_fp_out = true;
}

static void restore_host(struct vm_cpu *cpu)
{
	bool sve = cpu->traps.has_sve;

	open_fp(cpu, sve ? OPEN_SVE : 0);
	if (sve)
		sve_restore(cpu->host_fp, true);
	else
		fpsimd_restore(cpu->host_fp);
	cpu->host_fp_out = false;
}

/* A change of PSTATE.SM zeroes registers and FPMR, and sets FPSR. */
void fp_save_streaming_host(struct vm_cpu *cpu, u64 svcr)
{
	open_fp(cpu, OPEN_SME);
	sve_save(cpu->host_fp, cpu->traps.has_fa64);
	if (cpu->traps.has_fpmr)
		cpu->host_fpmr = read_sysreg(ASM_REG(FPMR));
	write_sysreg(svcr & ~SVCR_SM, ASM_REG(SVCR));
	cpu->host_fp_out = true;
	cpu->host_streaming = true;
}

/*
 * At put, not at first use: outside of the mode an SVE instruction of the host need not trap, and
 * would be UNDEFINED or have another vector length.
 */
void fp_restore_streaming_host(struct vm_cpu *cpu)
{
	open_fp(cpu, OPEN_SME);
	write_sysreg(read_sysreg(ASM_REG(SVCR)) | SVCR_SM, ASM_REG(SVCR));
	sve_restore(cpu->host_fp, cpu->traps.has_fa64);
	if (cpu->traps.has_fpmr)
		write_sysreg(cpu->host_fpmr, ASM_REG(FPMR));
	cpu->host_fp_out = false;
	cpu->host_streaming = false;
}

u64 fp_trapped_host_cptr(const struct vm_cpu *cpu)
{
	const struct guest_traps *traps = &cpu->traps;

	return traps->e2h ? cpu->cptr & ~guest_traps_cptr_bits(traps, OPEN_SVE | OPEN_SME)
			  : cpu->cptr | guest_traps_cptr_bits(traps, OPEN_SME);
}

bool switch_host_fp(void)
{
	struct vm_cpu *cpu = this_vm_cpu();

	if (!cpu || !cpu->host_fp_out)
		return false;
	restore_host(cpu);
	write_sysreg(cpu->cptr, cptr_el2);
	isb();
	return true;
}

/* ---- a guest's ---- */

/*
 * ZCR_EL1 traps for a guest as long as SVE does, so it is switched together with the vectors. It
 * does not trap for the host, which therefore gets it back at put.
 */
static void load_guest_sve(struct vcpu *vcpu, struct vm_cpu *cpu)
{
	if (!vcpu->sve_vq) /* nobody chose: the longest that all CPUs have */
		vcpu->sve_vq = longest_vector(switch_sve_vqs());
	cpu->sysreg[ZCR_EL1] = read_el1_zcr();
	write_el1_zcr(vcpu->sysreg[ZCR_EL1]);
	if (vcpu->sve_vq < cpu->sve_longest) {
		write_sysreg(vcpu->sve_vq - 1, ASM_REG(ZCR_EL2));
		isb();
	}
	sve_restore(vcpu->fp, true);
}

bool fp_has_zcr(const struct vcpu *vcpu)
{
	return this_vm_cpu()->guest_fp_in && (vcpu->features & VCPU_FEATURE_SVE);
}

/* What traps for a nested guest traps for EL2, too: ZCR_EL1 and ZCR_EL2 are of that. */
u64 fp_read_zcr(void)
{
	open_fp(this_vm_cpu(), OPEN_SVE);
	return read_el1_zcr();
}

void fp_write_zcr(u64 value)
{
	open_fp(this_vm_cpu(), OPEN_SVE);
	write_el1_zcr(value);
}

void switch_limit_sve(const struct vcpu *vcpu, u64 zcr)
{
	if (!fp_has_zcr(vcpu))
		return;
	open_fp(this_vm_cpu(), OPEN_SVE);
	write_sysreg(MIN(FIELD_GET(ZCR_LEN, zcr), vcpu->sve_vq - 1), ASM_REG(ZCR_EL2));
}

/* A nested guest's may be shorter than the vCPU's, of which all is saved. */
static void save_guest_sve(struct vcpu *vcpu, const struct vm_cpu *cpu)
{
	bool limited = vcpu->nested || vcpu->sve_vq < cpu->sve_longest;

	vcpu->sysreg[ZCR_EL1] = read_el1_zcr();
	if (vcpu->nested) {
		switch_limit_sve(vcpu, ZCR_LEN);
		isb();
	}
	sve_save(vcpu->fp, true);
	write_el1_zcr(cpu->sysreg[ZCR_EL1]);
	if (limited) {
		write_sysreg(ZCR_EL2_ALL, ASM_REG(ZCR_EL2));
		isb();
	}
}

void switch_guest_fp(struct vcpu *vcpu)
{
	struct vm_cpu *cpu = this_vm_cpu();
	bool sve = vcpu->features & VCPU_FEATURE_SVE;

	ASSERT(this_vm_cpu()->vcpu == vcpu);
	if (!cpu->host_fp_out)
		save_host(cpu);
	open_fp(cpu, sve ? OPEN_SVE : 0);
	if (sve)
		load_guest_sve(vcpu, cpu);
	else
		fpsimd_restore(vcpu->fp);
	cpu->guest_fp_in = true;
}

void fp_save_guest(struct vcpu *vcpu, struct vm_cpu *cpu)
{
	bool sve = vcpu->features & VCPU_FEATURE_SVE;

	open_fp(cpu, sve ? OPEN_SVE : 0);
	if (sve)
		save_guest_sve(vcpu, cpu);
	else
		fpsimd_save(vcpu->fp);
	cpu->guest_fp_in = false;
}
