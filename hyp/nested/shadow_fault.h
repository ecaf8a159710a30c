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

/* The same for EL2's own, without VHE: shadow_current() is set->el2. */
bool shadow_resolve_el2(struct vcpu *vcpu, u64 esr, struct shadow_fault *f);

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
 * @f:      out: walk, and with S2_WALK_LEAF vm_ipa, what the guest hypervisor's tables translate it to
 *
 * Takes the VM's own stage2.lock. Return: as s2_walk(). With S2_WALK_ASK_HOST, f->update says whether
 * the memory at f->walk.desc is to be written.
 */
enum s2_walk_end shadow_translate(struct vcpu *vcpu, u64 ipa, struct s2_access access,
				  struct shadow_fault *f);

/**
 * shadow_walk_stage1() - read the tables of EL1's stage 1, or of an EL2 in its place
 * @vcpu:   loaded; by the stage 2 in which it is
 * @tables: s1_tables_decode(), which also gives @ia
 * @update: the hardware could not write to the last descriptor: find out why
 * @f:      out: walk, of which desc and level are those of the last descriptor, outcome and update
 *
 * Takes the VM's own stage2.lock. What it finds is young in the own stage 2, and in the shadow, if
 * there is one; with @update, also dirty, and writable.
 *
 * Return: as shadow_translate(). Of faults, only External aborts on the walk mean something; but with
 * SHADOW_FOR_EL2 as the outcome, f->walk is of the guest hypervisor's stage 2, and means what it says.
 */
enum s2_walk_end shadow_walk_stage1(struct vcpu *vcpu, const struct s2_tables *tables,
				    struct ipa ia, bool update, struct shadow_fault *f);

/**
 * shadow_walk_failed() - the host has no memory for a table of the guest hypervisor's
 *
 * Return: true if the last exit had asked for one: EL2 takes the abort now.
 */
bool shadow_walk_failed(struct vcpu *vcpu);

#endif
