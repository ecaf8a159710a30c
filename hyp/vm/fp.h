/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Floating point, SVE and Streaming SVE mode in the world switch: fp.c tells how. Inside vm/ only;
 * what other layers call is in switch.h.
 */
#ifndef KEEL_VM_FP_H
#define KEEL_VM_FP_H

#include <arch/sysreg.h>
#include <vm/switch.h>

/*
 * The CPU has come up: nothing is kept for its host. Its traps are computed. Return: whether it has
 * the vector lengths that vCPUs were told of.
 */
bool __must_check fp_cpu_online(struct vm_cpu *cpu);

/* SVCR: the CPU is in Streaming SVE mode */
#define SVCR_SM BIT(0)

/* What the functions below do when there is something to do, which is seldom. */
void fp_save_streaming_host(struct vm_cpu *cpu, u64 svcr);
void fp_restore_streaming_host(struct vm_cpu *cpu);
void fp_save_guest(struct vcpu *vcpu, struct vm_cpu *cpu);
u64 fp_trapped_host_cptr(const struct vm_cpu *cpu);

/*
 * A guest comes. CPTR_EL2 is the host's; afterwards it is not, and PSTATE.SM is 0. While the host's
 * registers are in memory it cannot have entered Streaming SVE mode.
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

/* The guest goes: its registers, if it used them, are saved. CPTR_EL2 is nobody's afterwards. */
static inline void fp_leave_guest(struct vcpu *vcpu, struct vm_cpu *cpu)
{
	if (cpu->guest_fp_in)
		fp_save_guest(vcpu, cpu);
}

/* The host comes: if it left in Streaming SVE mode it is in it again. CPTR_EL2 is nobody's. */
static inline void fp_return_host(struct vm_cpu *cpu)
{
	if (unlikely(cpu->host_streaming))
		fp_restore_streaming_host(cpu);
}

/* CPTR_EL2 for the host from then on. Its first use of what it does not have traps. */
static inline u64 fp_host_cptr(const struct vm_cpu *cpu)
{
	return cpu->host_fp_out ? fp_trapped_host_cptr(cpu) : cpu->cptr;
}

#endif
