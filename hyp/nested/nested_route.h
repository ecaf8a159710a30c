/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of EL1 and EL0 a guest hypervisor has made trap to its EL2: one table, by register or
 * instruction, of the control and the bit. For exits from the context NESTED_EL1.
 */
#ifndef KEEL_NESTED_NESTED_ROUTE_H
#define KEEL_NESTED_NESTED_ROUTE_H

#include <vm/vm.h>

/* Controls of a guest hypervisor, as they act. */
struct nested_controls {
	u64 hcr, mdcr, cptr, cnthctl;
	u64 ich;  /* ICH_HCR_EL2; 0 without a GIC */
	bool sve; /* the vCPU has SVE */
};

struct nested_controls nested_controls_of(const struct vcpu *vcpu);

enum nested_route {
	NESTED_ROUTE_KEEL,  /* not trapped by the guest hypervisor: as for any guest */
	NESTED_ROUTE_EL2,   /* it is its EL2's */
	NESTED_ROUTE_FP,    /* it is its EL2's, as a trap of FP: class ESR_EC_FP_ASIMD */
	NESTED_ROUTE_UNDEF, /* UNDEFINED where it was executed */
};

/* A synchronous exception with syndrome @esr. */
enum nested_route nested_route(const struct nested_controls *controls, u64 esr);

/*
 * What of the guest hypervisor's HCR_EL2 goes into the hardware's for EL1. An allow-list: anything
 * else, of which Keel may not even know the meaning, does not. @fwb: the VM's memory is Write-Back by
 * its own stage 2 (FEAT_S2FWB).
 */
u64 nested_hcr_for_el1(u64 hcr, bool fwb);

/* What of an ordinary guest's HCR_EL2 it takes away: traps that are there while a bit is 0. */
u64 nested_hcr_denied(u64 hcr);

/* Whether EL1 has a stage 2 of the guest hypervisor's: HCR_EL2.DC makes VM count as 1. */
bool nested_hcr_has_stage2(u64 hcr);

/*
 * Whether EL1 cannot be entered: one of both kinds of interrupts is taken to EL2, and not the other.
 * There is one virtual CPU interface, and it would be the VM's and the guest hypervisor's at once.
 */
bool nested_hcr_refused(u64 hcr);

/*
 * Whether EL1 and EL0 with this HCR_EL2 have a virtual SError pending; the CPU clears HCR_EL2.VSE
 * as it is taken. Part of nested_hcr_for_el1(), as virtual IRQs and FIQs are.
 */
bool nested_hcr_has_vse(u64 hcr);

/* Whether a virtual IRQ, FIQ or SError is pending by this HCR_EL2: each of them ends WFI. */
bool nested_hcr_has_virtual(u64 hcr);

/* Whether FP, or SVE in particular, traps to EL2 from EL1 and EL2, with this CPTR_EL2. */
bool nested_traps_fp(u64 cptr);
bool nested_traps_sve(u64 cptr);

#endif
