/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest hypervisor does most often, by short ways.
 *
 * TLBIs and ATs by EL1's names act on EL2's translations while HCR_EL2.{E2H,TGE} are {1,1}, and on
 * EL1's otherwise. EL2's are in EL1's place in the hardware, under the VM's own VMID: so in the first
 * case the CPU can execute them, and in the second they must trap. But HCR_EL2 is in the page of
 * VNCR_EL2, where the guest writes it without an exit. So the page has two addresses:
 *
 *	VNCR_EL2            TLBI, AT (EL1's names)      a write to a register of the page
 *	the page, writable  trap                        is done
 *	the alias, read-only    are executed            faults: nested_fast(), to the first line
 *
 * The second is used from a trapped TLBI or AT of the host's context on. It faults for each register
 * of the page; HCR_EL2 is the one that matters.
 */
#ifndef KEEL_NESTED_NESTED_FAST_H
#define KEEL_NESTED_NESTED_FAST_H

#include <vm/vm.h>

/* The classes that nested_fast() is called for. */
#define NESTED_FAST_CLASSES (BIT(ESR_EC_ERET) | BIT(ESR_EC_DABT_CUR))

/*
 * The fast exit (vm/exit.h): ERET within the context NESTED_EL2, and the fault of a write by the
 * alias. A leaf, compiled without x12 to x18. Return: @vcpu; NULL: nothing has changed.
 */
struct vcpu *nested_fast(struct vcpu *vcpu);

/* The same without VHE, where there is no alias: ERET of EL2 to itself. */
struct vcpu *nested_fast_nvhe(struct vcpu *vcpu);

/* Whether this is the fault of a write to a register of the page by the alias. */
bool nested_is_page_write(const struct vcpu *vcpu, u64 esr);

/**
 * nested_untrap() - TLBIs and ATs of EL1's names do not trap from now on
 * @vcpu: loaded, in the context NESTED_EL2, HCR_EL2.TGE is 1
 *
 * Nothing for CPUs that cannot. Takes effect with nested_fast_controls().
 */
void nested_untrap(struct vcpu *vcpu);

/* Write VNCR_EL2 for the context NESTED_EL2. Return: bits of HCR_EL2 for it. */
u64 nested_fast_controls(struct vcpu *vcpu);

/* The run ends: the alias is closed. */
void nested_fast_leave(struct vcpu *vcpu);

#endif
