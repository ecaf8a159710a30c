/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Floating point, SVE and Streaming SVE mode in the world switch: fp.c tells how. Inside vm/ only;
 * what other layers call is in switch.h.
 */
#ifndef KEEL_VM_FP_H
#define KEEL_VM_FP_H

#include <vm/switch.h>

/*
 * The CPU has come up: nothing is kept for its host. Its traps are computed. Return: whether it has
 * the vector lengths that vCPUs were told of.
 */
bool __must_check fp_cpu_online(struct vm_cpu *cpu);

/* A guest comes. CPTR_EL2 is the host's; afterwards it is not, and PSTATE.SM is 0. */
void fp_leave_host(struct vm_cpu *cpu);

/* The guest goes: its registers, if it used them, are saved. CPTR_EL2 is nobody's afterwards. */
void fp_leave_guest(struct vcpu *vcpu, struct vm_cpu *cpu);

/* The host comes: if it left in Streaming SVE mode it is in it again. CPTR_EL2 is nobody's. */
void fp_return_host(struct vm_cpu *cpu);

/* CPTR_EL2 for the host from then on. */
u64 fp_host_cptr(const struct vm_cpu *cpu);

#endif
