/* SPDX-License-Identifier: BSD-2-Clause */
/* Faults of a nested guest in its shadow. */
#ifndef KEEL_NESTED_SHADOW_FAULT_H
#define KEEL_NESTED_SHADOW_FAULT_H

#include <nested/nested_regs.h>
#include <nested/s2_walk.h>
#include <vm/exit.h>
#include <vm/vm.h>

/**
 * shadow_resolve() - a stage-2 fault of a vCPU that runs in a shadow: its first half
 * @vcpu: loaded, shadow_current() is not NULL; as the exit has left it, PSTATE in vcpu->regs
 * @esr:  ESR_EL2, of an abort that abort_is_stage2()
 * @f:    out, for shadow_conclude()
 *
 * Takes the VM's own stage2.lock. Return: true if the shadow has the translation now, or another
 * vCPU's change has to be met again: the guest can be entered at once, since nothing of the vCPU has
 * changed.
 */
bool shadow_resolve(struct vcpu *vcpu, u64 esr, struct shadow_fault *f);

/**
 * shadow_conclude() - its second half, in the long way of the same exit
 *
 * The guest hypervisor gets the fault; or the host is asked for memory, or does the access.
 *
 * Return: VCPU_RESUME or an exit.
 */
enum vcpu_action shadow_conclude(struct shadow_fault *f);

/**
 * shadow_translate() - the second half of AT S12E1R and its like
 * @vcpu:   loaded; it has a shadow
 * @ipa:    of the nested guest
 * @access: what is asked about
 * @vm_ipa: out: what the guest hypervisor's tables translate it to
 * @leaf:   out: by which of their leaves
 *
 * Takes the VM's own stage2.lock. Return: 0, or ESR_ELx.DFSC of the fault, which is not 0. A table
 * that only the host has counts as one that does not answer.
 */
u8 shadow_translate(struct vcpu *vcpu, u64 ipa, struct s2_access access, u64 *vm_ipa,
		    struct s2_leaf *leaf);

/**
 * shadow_walk_failed() - the host has no memory for a table of the guest hypervisor's
 *
 * Return: true if the last exit had asked for one: EL2 takes the abort now.
 */
bool shadow_walk_failed(struct vcpu *vcpu);

#endif
