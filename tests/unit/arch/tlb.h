/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLB maintenance, fake: the same names as hyp/arch/tlb.h, carried out on the TLB model of
 * fake_tlb.c. Each tlbi_*() is exactly one TLBI instruction without any barrier: what sequence of
 * them is right is the business of the portable code, so that it can be tested here.
 *
 * Arguments are the register operand as the manual lays it out (ARM DDI 0487, C5.5), built by
 * mm/stage2.c and mm/el2_map.c.
 */
#ifndef KEEL_ARCH_TLB_H
#define KEEL_ARCH_TLB_H

#include <lib/types.h>

/* What was loaded before. */
struct tlb_s2_saved {
	u64 vttbr, vtcr;
};

/*
 * Make the stage-2 TLBIs below apply to the VMID in @vttbr and be decoded by @vtcr. @block: with
 * EL1's walks off meanwhile. Without preemption until tlb_s2_exit().
 */
struct tlb_s2_saved tlb_s2_enter(u64 vttbr, u64 vtcr, bool block, bool trace);

/* Put back what was loaded. */
void tlb_s2_exit(const struct tlb_s2_saved *saved);

/* TLBI IPAS2E1IS, Xt: stage-2 entries (all levels) for one IPA under the current VMID. */
void tlbi_ipas2e1is(u64 xt);

/* TLBI RIPAS2E1IS, Xt (FEAT_TLBIRANGE): the same for a range of IPAs. */
void tlbi_ripas2e1is(u64 xt);

/* TLBI VMALLE1IS: stage-1 entries, and those that combine both stages, under the current VMID. */
void tlbi_vmalle1is(void);

/* TLBI VMALLE1: the same, on this CPU alone. */
void tlbi_vmalle1(void);

/* TLBI VAE1IS and its like, Xt: stage-1 entries by address or ASID. No model needs them. */
void tlbi_vae1is(u64 xt);
void tlbi_aside1is(u64 xt);
void tlbi_vaae1is(u64 xt);
void tlbi_vale1is(u64 xt);
void tlbi_vaale1is(u64 xt);
void tlbi_rvae1is(u64 xt);
void tlbi_rvaae1is(u64 xt);
void tlbi_rvale1is(u64 xt);
void tlbi_rvaale1is(u64 xt);

/* TLBI VMALLS12E1IS: all entries of both stages under the current VMID. */
void tlbi_vmalls12e1is(void);

/* TLBI ALLE1IS: all entries of both stages, all VMIDs. */
void tlbi_alle1is(void);

/* TLBI ALLE1: the same, on this CPU alone. */
void tlbi_alle1(void);

/* TLBI VAE2IS, Xt: EL2 stage-1 entries (all levels) for one address. */
void tlbi_vae2is(u64 xt);

/* TLBI ALLE2IS: all EL2 stage-1 entries. */
void tlbi_alle2is(void);

#endif
