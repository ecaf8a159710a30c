/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list registers of a guest hypervisor, and what follows from them (ARM IHI 0069, 12.4): the
 * values that the hardware gets for a nested guest, and the registers that a CPU computes. Nothing
 * here touches the hardware.
 */
#ifndef KEEL_NESTED_NESTED_LR_H
#define KEEL_NESTED_NESTED_LR_H

#include <arch/ich.h>
#include <lib/types.h>

/* What the hardware gets. The list register of a number stays that number's. */
struct nested_lrs {
	u64 lr[ICH_LR_MAX]; /* 0 where @used says no */
	u32 used;	    /* those that are valid */
	u32 forwarded;	    /* of them: the guest's deactivation is the physical interrupt's, too */
	u32 resolved;	    /* of them: HW=1 for the guest hypervisor, 0 in the hardware */
	u32 ended;	    /* of these: the guest has ended them (nested_vgic.c's) */
};

/**
 * nested_lrs_translate() - list registers for the hardware
 * @lrs:       the guest hypervisor's: any 64 bits each
 * @count:     how many it has
 * @forwarded: PPIs of the VM that are active and stand for the physical one of the same number
 *
 * A list register that is invalid is 0 in the hardware, so that it causes no maintenance interrupt.
 * So is one with an INTID that is special, or in another list register too, which the architecture
 * leaves UNPREDICTABLE: its interrupt waits. HW=1 stays where the interrupt of the VM that it names
 * is one of @forwarded; everywhere else the hardware's list register reports the deactivation.
 */
void nested_lrs_translate(const u64 *lrs, unsigned int count, u32 forwarded,
			  struct nested_lrs *out);

/* The guest hypervisor's list register after the nested guest has run; @now: the hardware's. */
u64 nested_lr_merge(u64 lr, u64 now);

/* Whether the nested guest has ended the interrupt. */
bool nested_lr_ended(u64 was, u64 now);

/* The INTID of the VM that a list register with HW=1 names. */
u32 nested_lr_pintid(u64 lr);

/* ICH_ELRSR_EL2, ICH_EISR_EL2. */
u64 nested_lrs_empty(const u64 *lrs, unsigned int count);
u64 nested_lrs_ended(const u64 *lrs, unsigned int count);

/* ICH_MISR_EL2: why the maintenance interrupt is asserted; 0 if it is not. */
u64 nested_lrs_misr(const u64 *lrs, unsigned int count, u64 hcr, u64 vmcr);

/**
 * nested_lrs_hcr() - ICH_HCR_EL2 for the hardware
 * @hcr:  the guest hypervisor's
 * @misr: nested_lrs_misr(): the maintenance interrupt is asserted already, for these reasons. The
 *        hardware reports other ones
 */
u64 nested_lrs_hcr(u64 hcr, u64 misr);

/* Whether an interrupt in a list register would end WFI: of a group that is on, not masked. */
bool nested_lrs_wake(const u64 *lrs, unsigned int count, u64 hcr, u64 vmcr);

#endif
