/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The GIC of a guest hypervisor: registers of its virtual CPU interface, which the nested guest uses
 * while HCR_EL2.IMO is 1, and the maintenance interrupt.
 *
 * The CPU has one virtual CPU interface, which the VM's own interrupts use (vgic/vgic.h) and, in
 * turn, the nested guest. It is the nested guest's from the last step of an entry to the first step
 * of the next exit; at all other times it is the VM's:
 *
 *	            nested_vgic_enter()                     nested_vgic_leave()
 *	VM's own    vgic_lend(): list registers emptied     vgic_end_loan()
 *	nested      page ----> hardware                     hardware ----> page
 *
 * The registers are in the page of VNCR_EL2, where EL2 accesses them without an exit; what a CPU
 * computes from them traps (nested_vgic_read()).
 */
#ifndef KEEL_NESTED_NESTED_VGIC_H
#define KEEL_NESTED_NESTED_VGIC_H

#include <vgic/vgic.h>
#include <vm/vm.h>

/* Read what the boot CPU's interface has: guest hypervisors are told of it. Boot CPU, once. */
void nested_vgic_init(void);

/* Whether the context NESTED_EL1, with this HCR_EL2, has the guest hypervisor's interface. */
static inline bool nested_vgic_virtual(const struct vcpu *vcpu, u64 hcr)
{
	return (hcr & HCR_IMO) && vcpu->vm->vgic;
}

/* Whether this CPU has as much as vCPUs were told that it has. */
bool nested_vgic_possible(void);

/**
 * nested_vgic_lend() - before such an entry
 *
 * Loaded, the context may be either. Return: VGIC_NO_SIGNAL; or what the VM's interrupts signal,
 * which is an exception to EL2, so that there is no such entry.
 */
enum vgic_signal nested_vgic_lend(struct vcpu *vcpu);

/* Then: the nested guest's interface into the hardware. The last step before the entry. */
void nested_vgic_enter(struct vcpu *vcpu);

/*
 * Or, for a nested guest that has the VM's interface: the traps of ICH_HCR_EL2, which are for that
 * one, too. After the VM's interface is loaded; nested_vgic_leave() takes them back.
 */
void nested_vgic_add_traps(struct vcpu *vcpu);

/**
 * nested_vgic_leave() - the first step after an exit
 *
 * Loaded. In any context: sets the level of the maintenance interrupt.
 *
 * Return: whether the exit was by a maintenance interrupt of the nested guest's interface.
 */
bool nested_vgic_leave(struct vcpu *vcpu);

/*
 * After that, once the syndrome registers have been read, which a redistributor without power
 * changes: deactivate what the nested guest has ended by software (HW=1).
 */
void nested_vgic_settle(struct vcpu *vcpu);

/* Whether the nested guest's WFI ends at once, for an interrupt of its own. Not lent. */
bool nested_vgic_wakes(const struct vcpu *vcpu);

/* Whether the maintenance interrupt has the level that the registers of the page ask for. */
bool nested_vgic_is_told(const struct vcpu *vcpu);

/* The guest's access, at EL2, to a register that always traps. Return: whether it is one. */
bool nested_vgic_access(struct vcpu *vcpu, u32 encoding, bool read, u64 *value);

/**
 * nested_vgic_user_get() - a register of the guest hypervisor's interface, for userspace
 * @vcpu: not loaded
 *
 * Those that are state: what follows from them (MISR, EISR, ELRSR) is not there. Return: 0; -ENOENT.
 */
int nested_vgic_user_get(const struct vcpu *vcpu, u32 encoding, u64 *value);

/* Any value, as the guest itself may write any; -EINVAL for another one of what is constant. */
int nested_vgic_user_set(struct vcpu *vcpu, u32 encoding, u64 value);

/* After the registers of the page have been reset; loaded or not. */
void nested_vgic_reset(struct vcpu *vcpu);

#endif
