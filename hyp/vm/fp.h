/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Floating point, SVE and Streaming SVE mode in the world switch: fp.c explains how. Inside vm/
 * only; functions for other layers are in switch.h.
 */
#ifndef KEEL_VM_FP_H
#define KEEL_VM_FP_H

#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <vm/switch.h>

/*
 * The CPU has come up, and its traps are computed: nothing is saved for its host. Return: whether
 * it has the vector lengths that vCPUs were told of.
 */
bool __must_check fp_cpu_online(struct vm_cpu *cpu);

/* The uncommon parts of the functions below. */
void fp_save_streaming_host(struct vm_cpu *cpu, u64 svcr);
void fp_restore_streaming_host(struct vm_cpu *cpu);
void fp_save_guest(struct vcpu *vcpu, struct vm_cpu *cpu);
u64 fp_trapped_host_cptr(const struct vm_cpu *cpu);

/*
 * Before a guest is loaded. CPTR_EL2 is the host's before, and undefined afterwards; PSTATE.SM is 0
 * then. While the host's registers are in memory it cannot have entered Streaming SVE mode.
 */
static inline void fp_leave_host(struct vm_cpu *cpu)
{
	u64 svcr;

	if (!cpu->traps.has_sme || cpu->host_fp_out)
		return;
	svcr = read_sysreg(ASM_REG(SVCR));
	if (unlikely(svcr & SVCR_SM))
		fp_save_streaming_host(cpu, svcr);
}

/* Whether the CPU's ZCR_EL1 is that of the loaded vCPU @vcpu: it comes with the vectors. */
bool fp_has_zcr(const struct vcpu *vcpu);

/* Then: access it. SVE does not trap afterwards: CPTR_EL2 is written anew before the next entry. */
u64 fp_read_zcr(void);
void fp_write_zcr(u64 value);

/* At put: save the guest's registers if it used them. CPTR_EL2 is undefined afterwards. */
static inline void fp_leave_guest(struct vcpu *vcpu, struct vm_cpu *cpu)
{
	if (cpu->guest_fp_in)
		fp_save_guest(vcpu, cpu);
}

/* At put: enter Streaming SVE mode if the host was in it. CPTR_EL2 is undefined afterwards. */
static inline void fp_return_host(struct vm_cpu *cpu)
{
	if (unlikely(cpu->host_streaming))
		fp_restore_streaming_host(cpu);
}

/* The host's CPTR_EL2: what is not in the CPU traps at its first use. */
static inline u64 fp_host_cptr(const struct vm_cpu *cpu)
{
	return cpu->host_fp_out ? fp_trapped_host_cptr(cpu) : cpu->cptr;
}

#endif
