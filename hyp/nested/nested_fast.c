// SPDX-License-Identifier: BSD-2-Clause
/*
 * Short ways of a guest hypervisor. See nested_fast.h.
 *
 * Why the CPU may execute the guest's TLBIs. VTTBR_EL2 has the VM's own VMID in the context
 * NESTED_EL2, and a TLBI at EL1 acts on entries of the current VMID alone, with HCR_EL2.FB on those of
 * all CPUs. So whatever a guest does, it reaches no entries but those of this VM's own VMID, EL2's and,
 * of a guest hypervisor without stage 2, EL1's: never a shadow's, nor another VM's. TLBIs of EL2's
 * names and those by IPA trap in either case (HCR_EL2.NV).
 *
 * What must be right is the guest's own view: no TLBI that is meant for EL1's translations may be
 * executed as one of EL2's. That follows from HCR_EL2.TGE, which is 1 when the alias is chosen, and
 * cannot change without a fault, or an exit that ends the run: userspace writes registers between runs,
 * and nested_fast_controls() looks at TGE again at each entry. E2H is 1 always, and VTTBR_EL2.VMID
 * counts only while TGE is 0. The other registers of the page are protected because they are beside it.
 *
 * A return to TGE=1 is not noticed until a TLBI or AT traps, which costs time and nothing else.
 */
#include <arch/el1.h>
#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <cpu/assert.h>
#include <cpu/errata.h>
#include <cpu/panic.h>
#include <cpu/percpu.h>
#include <lib/esr.h>
#include <mm/el2_map.h>
#include <nested/nested_fast.h>
#include <nested/nested_regs.h>

/* ERET, not ERETAA or ERETAB */
#define ESR_PLAIN_ERET (FIELD_PREP(ESR_EC, ESR_EC_ERET) | ESR_IL)

/* A write through VNCR_EL2 that is not permitted, at any level */
#define PAGE_WRITE_MASK (ESR_EC | ESR_VNCR | ESR_WNR | (ESR_FSC & ~3ULL))
#define PAGE_WRITE	(FIELD_PREP(ESR_EC, ESR_EC_DABT_CUR) | ESR_VNCR | ESR_WNR | ESR_FSC_PERMISSION)

/* EL2h is EL1h in the hardware */
#define MODE_EL2_TO_EL1 (PSR_MODE_EL2h ^ PSR_MODE_EL1h)

/* ---- the fast exit ---- */

/* nested_fast() changes no level of an interrupt: whether one of the page's may be different. */
static bool has_maintenance(const struct nested_vcpu *nested)
{
	return nested->maintenance || (nested->page[ICH_HCR_EL2] & ICH_HCR_EN);
}

static u64 read_spsr(bool e2h)
{
	return e2h ? read_sysreg(ASM_REG_EL12(SPSR_EL1)) : read_sysreg(spsr_el1);
}

static u64 read_elr(bool e2h)
{
	return e2h ? read_sysreg(ASM_REG_EL12(ELR_EL1)) : read_sysreg(elr_el1);
}

/* Whether it is a return to EL2, or to EL0 that is EL2's. The others, and EL2t, take the long way. */
static bool stays_at_el2(u64 spsr, u64 hcr)
{
	u64 mode = spsr & PSR_MODE_MASK;

	return mode == PSR_MODE_EL2h || (mode == PSR_MODE_EL0t && (hcr & HCR_TGE));
}

static __always_inline struct vcpu *fast_eret(struct vcpu *vcpu, const bool vhe)
{
	const struct nested_vcpu *nested = vcpu->nested;
	bool e2h = el2_is_e2h();
	u64 spsr = read_spsr(e2h);

	if (nested->context != NESTED_EL2 || has_maintenance(nested) ||
	    (spsr & ~nested->eret_pstate) || !stays_at_el2(spsr, vhe ? nested->page[HCR_EL2] : 0))
		return NULL;
	write_sysreg(read_elr(e2h), elr_el2);
	write_sysreg(spsr & PSR_MODE_MASK ? spsr ^ MODE_EL2_TO_EL1 : spsr, spsr_el2);
	return vcpu;
}

bool nested_is_page_write(const struct vcpu *vcpu, u64 esr)
{
	return vcpu->nested->untrapped && (esr & PAGE_WRITE_MASK) == PAGE_WRITE;
}

/* The instruction is executed again. */
static struct vcpu *make_writable(struct vcpu *vcpu)
{
	if (READ_ONCE(errata_actions) & ERRATUM_FENCE_HCR)
		return NULL;
	vcpu->nested->untrapped = false;
	write_sysreg((u64)vcpu->nested->page, ASM_REG(VNCR_EL2));
	write_sysreg(read_sysreg(hcr_el2) | HCR_AT | HCR_TTLB, hcr_el2);
	return vcpu;
}

struct vcpu *nested_fast(struct vcpu *vcpu)
{
	u64 esr = read_sysreg(esr_el2);

	if (panic_in_progress())
		return NULL;
	if (esr == ESR_PLAIN_ERET)
		return fast_eret(vcpu, true);
	return nested_is_page_write(vcpu, esr) ? make_writable(vcpu) : NULL;
}

/* EL0 is EL2's in no case in which it can be entered. */
struct vcpu *nested_fast_nvhe(struct vcpu *vcpu)
{
	if (panic_in_progress() || read_sysreg(esr_el2) != ESR_PLAIN_ERET)
		return NULL;
	return fast_eret(vcpu, false);
}

/* ---- the alias; loaded ---- */

void nested_untrap(struct vcpu *vcpu)
{
	vcpu->nested->untrapped = true;
}

/* The alias stays open, once it is, until the run ends. */
u64 nested_fast_controls(struct vcpu *vcpu)
{
	struct nested_vcpu *nested = vcpu->nested;

	ASSERT(nested->context == NESTED_EL2);
	nested->untrapped &= (nested_hcr(vcpu) & HCR_TGE) != 0;
	if (nested->untrapped && !nested->alias_open)
		(void)el2_alias_open(nested->page);
	nested->alias_open |= nested->untrapped;
	write_sysreg(nested->untrapped ? this_cpu()->alias_va : (u64)nested->page,
		     ASM_REG(VNCR_EL2));
	return HCR_NV | HCR_NV2 | (nested->untrapped ? 0 : HCR_AT | HCR_TTLB);
}

void nested_fast_leave(struct vcpu *vcpu)
{
	if (!vcpu->nested->alias_open)
		return;
	vcpu->nested->alias_open = false;
	el2_alias_close();
}
