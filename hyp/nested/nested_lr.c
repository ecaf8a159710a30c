// SPDX-License-Identifier: BSD-2-Clause
/* List registers of a guest hypervisor. See nested_lr.h. */
#include <arch/reg_bits.h>
#include <nested/nested_lr.h>

/* ICH_MISR_EL2; the other bits are where their enables are in ICH_HCR_EL2 */
#define MISR_EOI    BIT(0)
#define MISR_IE	    (ICH_HCR_UIE | ICH_HCR_LRENPIE | ICH_HCR_NPIE | MISR_GROUPS)
#define MISR_GROUPS (ICH_HCR_VGRP0EIE | ICH_HCR_VGRP0DIE | ICH_HCR_VGRP1EIE | ICH_HCR_VGRP1DIE)

/* What of the guest hypervisor's ICH_HCR_EL2 reaches the hardware. */
#define HCR_ALLOWED                                                                         \
	(ICH_HCR_EN | MISR_IE | ICH_HCR_TC | ICH_HCR_TALL0 | ICH_HCR_TALL1 | ICH_HCR_TDIR | \
	 ICH_HCR_EOICOUNT)

static bool is_special(u64 lr)
{
	u64 intid = lr & LR_VINTID;

	return intid >= 1020 && intid <= 1023;
}

/* Whether a list register before number @n has the same interrupt. */
static bool is_again(const u64 *lrs, unsigned int n, const struct nested_lrs *out)
{
	for (u32 left = out->used & (u32)(BIT(n) - 1); left; left &= left - 1)
		if ((lrs[__builtin_ctz(left)] & LR_VINTID) == (lrs[n] & LR_VINTID))
			return true;
	return false;
}

static bool can_forward(u64 lr, u32 forwarded)
{
	u32 pintid = nested_lr_pintid(lr);

	return pintid < 32 && (forwarded & BIT(pintid)) && (lr & LR_STATE) != LR_STATE;
}

/* Of several that name one interrupt of the VM, the first is forwarded. */
static void translate_lr(u64 lr, unsigned int n, u32 *forwarded, struct nested_lrs *out)
{
	u64 value = lr & (LR_STATE | LR_GROUP1 | LR_PRIORITY | LR_VINTID);

	out->used |= (u32)BIT(n);
	if (!(lr & LR_HW)) {
		out->lr[n] = value | (lr & LR_EOI);
		return;
	}
	if (!can_forward(lr, *forwarded)) {
		out->resolved |= (u32)BIT(n);
		out->lr[n] = value | LR_EOI;
		return;
	}
	*forwarded &= ~(u32)BIT(nested_lr_pintid(lr));
	out->forwarded |= (u32)BIT(n);
	out->lr[n] = value | LR_HW | (lr & LR_PINTID);
}

void nested_lrs_translate(const u64 *lrs, unsigned int count, u32 forwarded, struct nested_lrs *out)
{
	*out = (struct nested_lrs){ .used = 0 };
	for (unsigned int n = 0; n < count; n++)
		if ((lrs[n] & LR_STATE) && !is_special(lrs[n]) && !is_again(lrs, n, out))
			translate_lr(lrs[n], n, &forwarded, out);
}

u64 nested_lr_merge(u64 lr, u64 now)
{
	return (lr & ~LR_STATE) | (now & LR_STATE);
}

bool nested_lr_ended(u64 was, u64 now)
{
	return (was & LR_STATE) && !(now & LR_STATE);
}

u32 nested_lr_pintid(u64 lr)
{
	return (u32)FIELD_GET(LR_PINTID, lr);
}

/* ---- registers that the CPU computes ---- */

static bool reports_end(u64 lr)
{
	return (lr & (LR_STATE | LR_HW | LR_EOI)) == LR_EOI;
}

u64 nested_lrs_empty(const u64 *lrs, unsigned int count)
{
	u64 empty = 0;

	for (unsigned int n = 0; n < count; n++)
		if (!(lrs[n] & LR_STATE) && !reports_end(lrs[n]))
			empty |= BIT(n);
	return empty;
}

u64 nested_lrs_ended(const u64 *lrs, unsigned int count)
{
	u64 ended = 0;

	for (unsigned int n = 0; n < count; n++)
		if (reports_end(lrs[n]))
			ended |= BIT(n);
	return ended;
}

u64 nested_lrs_misr(const u64 *lrs, unsigned int count, u64 hcr, u64 vmcr)
{
	unsigned int valid = 0, pending = 0;
	u64 misr = 0;

	if (!(hcr & ICH_HCR_EN))
		return 0;
	for (unsigned int n = 0; n < count; n++) {
		valid += (lrs[n] & LR_STATE) != 0;
		pending += (lrs[n] & LR_STATE) == LR_PENDING;
		misr |= reports_end(lrs[n]) ? MISR_EOI : 0;
	}
	misr |= vmcr & VMCR_VENG0 ? ICH_HCR_VGRP0EIE : ICH_HCR_VGRP0DIE;
	misr |= vmcr & VMCR_VENG1 ? ICH_HCR_VGRP1EIE : ICH_HCR_VGRP1DIE;
	misr |= valid <= 1 ? ICH_HCR_UIE : 0;
	misr |= !pending ? ICH_HCR_NPIE : 0;
	misr |= hcr & ICH_HCR_EOICOUNT ? ICH_HCR_LRENPIE : 0;
	return misr & ((hcr & MISR_IE) | MISR_EOI);
}

u64 nested_lrs_hcr(u64 hcr, u64 misr)
{
	return hcr & HCR_ALLOWED & ~(misr & MISR_IE);
}

bool nested_lrs_wake(const u64 *lrs, unsigned int count, u64 hcr, u64 vmcr)
{
	if (!(hcr & ICH_HCR_EN))
		return false;
	for (unsigned int n = 0; n < count; n++)
		if ((lrs[n] & LR_PENDING) &&
		    (vmcr & (lrs[n] & LR_GROUP1 ? VMCR_VENG1 : VMCR_VENG0)) &&
		    FIELD_GET(LR_PRIORITY, lrs[n]) < FIELD_GET(VMCR_VPMR, vmcr))
			return true;
	return false;
}
