// SPDX-License-Identifier: BSD-2-Clause
/* The GIC of a guest hypervisor. See nested_vgic.h. */
#include <arch/ich.h>
#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <arch/regs.h>
#include <cpu/assert.h>
#include <cpu/percpu.h>
#include <lib/errno.h>
#include <nested/nested_lr.h>
#include <nested/nested_regs.h>
#include <nested/nested_route.h>
#include <nested/nested_vgic.h>

/* ICC_SRE_EL2: Enable, DIB, DFB, SRE are RAO/WI */
#define ICC_SRE_EL2_VALUE 0xf
/* ICH_VTR_EL2: what guests are told of it */
#define VTR_TOLD (VTR_PRIBITS | VTR_PREBITS | VTR_IDBITS | VTR_A3V | VTR_TDS | VTR_LISTREGS)
/* ICH_VMCR_EL2: VENG0, VENG1, VAckCtl, VFIQEn, VCBPR, VEOIM, VBPR1, VBPR0, VPMR */
#define VMCR_BITS (VMCR_VPMR | VMCR_VBPR0 | VMCR_VBPR1 | VMCR_VEOIM | GENMASK(4, 0))
/* ICH_AP<n>R<m>_EL2: one bit for each level of 32 */
#define APR_BITS GENMASK(31, 0)

/* Constant from nested_vgic_init() on. */
static u64 vtr_told;
static unsigned int nr_lrs;

void nested_vgic_init(void)
{
	vtr_told = (ich_read_vtr() & VTR_TOLD) | VTR_NV4;
	nr_lrs = MIN((unsigned int)FIELD_GET(VTR_LISTREGS, vtr_told) + 1, (unsigned int)ICH_LR_MAX);
}

/* Numbers of priority bits are equal on all CPUs that have guests: vgic_cpu_online(). */
bool nested_vgic_possible(void)
{
	const struct percpu *cpu = this_cpu();

	return cpu->nr_lrs >= nr_lrs && (cpu->has_tdir || !(vtr_told & VTR_TDS));
}

/* ---- the maintenance interrupt ---- */

static u64 misr_of(const u64 *page)
{
	return nested_lrs_misr(&page[ICH_LR0_EL2], nr_lrs, page[ICH_HCR_EL2], page[ICH_VMCR_EL2]);
}

static bool maintenance_level(const u64 *page)
{
	return (page[ICH_HCR_EL2] & ICH_HCR_EN) && misr_of(page);
}

static void tell_maintenance(struct vcpu *vcpu)
{
	vcpu->nested->maintenance = maintenance_level(vcpu->nested->page);
	vgic_set_timer(vcpu, vcpu->vm->vgic->maintenance, vcpu->nested->maintenance);
}

bool nested_vgic_is_told(const struct vcpu *vcpu)
{
	return maintenance_level(vcpu->nested->page) == vcpu->nested->maintenance;
}

/* ---- in ---- */

static void write_lrs(const struct nested_lrs *lrs)
{
	for (u32 left = lrs->used; left; left &= left - 1)
		ich_write_lr((unsigned int)__builtin_ctz(left), lrs->lr[__builtin_ctz(left)]);
}

static void write_aprs(const u64 *page)
{
	u64 ap0r[4], ap1r[4];

	for (unsigned int n = 0; n < 4; n++) {
		ap0r[n] = page[ICH_AP0R0_EL2 + n] & APR_BITS;
		ap1r[n] = page[ICH_AP1R0_EL2 + n] & APR_BITS;
	}
	ich_write_apr(ap0r, ap1r, this_cpu()->nr_aprs);
}

enum vgic_signal nested_vgic_lend(struct vcpu *vcpu)
{
	enum vgic_signal signal = vgic_lend(vcpu);

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	vcpu->nested->lent = signal == VGIC_NO_SIGNAL;
	return signal;
}

/*
 * Reasons that are up already: with all list registers, and with those that the hardware has, since
 * it has none that are not valid. Another reason ends a run, so it must not be there as one begins.
 */
static u64 misr_before(const struct nested_vcpu *nested)
{
	const u64 *page = nested->page;

	return misr_of(page) |
	       nested_lrs_misr(nested->lrs.lr, nr_lrs, page[ICH_HCR_EL2], page[ICH_VMCR_EL2]);
}

void nested_vgic_enter(struct vcpu *vcpu)
{
	struct nested_vcpu *nested = vcpu->nested;
	const u64 *page = nested->page;

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	nested_lrs_translate(&page[ICH_LR0_EL2], nr_lrs, vgic_forwarded(vcpu), &nested->lrs);
	write_lrs(&nested->lrs);
	write_aprs(page);
	ich_write_vmcr(page[ICH_VMCR_EL2] & VMCR_BITS);
	ich_write_hcr(nested_lrs_hcr(page[ICH_HCR_EL2], misr_before(nested)));
}

#define ICH_TRAPS (ICH_HCR_TC | ICH_HCR_TALL0 | ICH_HCR_TALL1 | ICH_HCR_TDIR)

void nested_vgic_add_traps(struct vcpu *vcpu)
{
	u64 traps = vcpu->nested->page[ICH_HCR_EL2] & ICH_TRAPS, hcr;

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	if (likely(!traps))
		return;
	hcr = ich_read_hcr();
	vcpu->nested->ich_traps = traps & ~hcr;
	ich_write_hcr(hcr | traps);
}

static void remove_traps(struct nested_vcpu *nested)
{
	ich_write_hcr(ich_read_hcr() & ~nested->ich_traps);
	nested->ich_traps = 0;
}

/* ---- out ---- */

/* What the nested guest has ended of the VM's interrupts: now, or in nested_vgic_settle(). */
static void end_interrupt(struct vcpu *vcpu, unsigned int n, u64 lr)
{
	struct nested_lrs *lrs = &vcpu->nested->lrs;

	if (lrs->forwarded & BIT(n))
		vgic_end_forwarded(vcpu, nested_lr_pintid(lr));
	else if (lrs->resolved & BIT(n))
		lrs->ended |= (u32)BIT(n);
}

static void read_lrs(struct vcpu *vcpu, u64 values[ICH_LR_MAX])
{
	for (u32 left = vcpu->nested->lrs.used; left; left &= left - 1) {
		unsigned int n = (unsigned int)__builtin_ctz(left);

		values[n] = ich_read_lr(n);
		ich_write_lr(n, 0);
	}
}

static void merge_lrs(struct vcpu *vcpu, const u64 values[ICH_LR_MAX])
{
	u64 *lrs = &vcpu->nested->page[ICH_LR0_EL2];

	for (u32 left = vcpu->nested->lrs.used; left; left &= left - 1) {
		unsigned int n = (unsigned int)__builtin_ctz(left);

		if (nested_lr_ended(lrs[n], values[n]))
			end_interrupt(vcpu, n, lrs[n]);
		lrs[n] = nested_lr_merge(lrs[n], values[n]);
	}
}

static void read_aprs(u64 *page)
{
	ich_read_apr(&page[ICH_AP0R0_EL2], &page[ICH_AP1R0_EL2], this_cpu()->nr_aprs);
}

static bool take_interface_back(struct vcpu *vcpu)
{
	struct nested_vcpu *nested = vcpu->nested;
	u64 values[ICH_LR_MAX], misr = ich_read_misr(), *hcr = &nested->page[ICH_HCR_EL2];

	read_lrs(vcpu, values);
	nested->page[ICH_VMCR_EL2] = ich_read_vmcr();
	read_aprs(nested->page);
	*hcr = (*hcr & ~ICH_HCR_EOICOUNT) | (ich_read_hcr() & ICH_HCR_EOICOUNT);
	vgic_end_loan(vcpu);
	nested->lent = false;
	merge_lrs(vcpu, values);
	return misr;
}

bool nested_vgic_leave(struct vcpu *vcpu)
{
	bool maintenance = false;

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	if (!vcpu->vm->vgic)
		return false;
	if (vcpu->nested->lent)
		maintenance = take_interface_back(vcpu);
	else if (unlikely(vcpu->nested->ich_traps))
		remove_traps(vcpu->nested);
	tell_maintenance(vcpu);
	return maintenance;
}

void nested_vgic_settle(struct vcpu *vcpu)
{
	u32 left = vcpu->nested->lrs.ended;

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	vcpu->nested->lrs.ended = 0;
	for (; left; left &= left - 1)
		vgic_deactivate(
			vcpu,
			nested_lr_pintid(vcpu->nested->page[ICH_LR0_EL2 + __builtin_ctz(left)]));
}

bool nested_vgic_wakes(const struct vcpu *vcpu)
{
	const u64 *page = vcpu->nested->page;
	u64 hcr = nested_hcr(vcpu);

	if (nested_hcr_has_virtual(hcr))
		return true;
	return nested_vgic_virtual(vcpu, hcr) &&
	       nested_lrs_wake(&page[ICH_LR0_EL2], nr_lrs, page[ICH_HCR_EL2], page[ICH_VMCR_EL2]);
}

/* ---- registers ---- */

static bool read_computed(const u64 *page, u32 encoding, u64 *value)
{
	switch (encoding) {
	case REG_NUM(ICH_VTR_EL2):
		*value = vtr_told;
		return true;
	case REG_NUM(ICH_ELRSR_EL2):
		*value = nested_lrs_empty(&page[ICH_LR0_EL2], nr_lrs);
		return true;
	case REG_NUM(ICH_EISR_EL2):
		*value = nested_lrs_ended(&page[ICH_LR0_EL2], nr_lrs);
		return true;
	case REG_NUM(ICH_MISR_EL2):
		*value = misr_of(page);
		return true;
	default:
		return false;
	}
}

bool nested_vgic_access(struct vcpu *vcpu, u32 encoding, bool read, u64 *value)
{
	if (!vcpu->vm->vgic)
		return false;
	if (encoding == REG_NUM(ICC_SRE_EL2)) {
		*value = ICC_SRE_EL2_VALUE;
		return true;
	}
	return read && read_computed(vcpu->nested->page, encoding, value);
}

/* ---- for userspace ---- */

/* Registers of the page: the first of a row, and how many follow it by encoding and by index. */
static const struct {
	u16 encoding, index, count;
} kept[] = {
	{ REG_NUM(ICH_AP0R0_EL2), ICH_AP0R0_EL2, 4 }, { REG_NUM(ICH_AP1R0_EL2), ICH_AP1R0_EL2, 4 },
	{ REG_NUM(ICH_HCR_EL2), ICH_HCR_EL2, 1 },     { REG_NUM(ICH_VMCR_EL2), ICH_VMCR_EL2, 1 },
	{ REG_NUM(ICH_LR0_EL2), ICH_LR0_EL2, 16 },
};

static u64 *find_kept(const struct vcpu *vcpu, u32 encoding)
{
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (encoding >= kept[i].encoding && encoding - kept[i].encoding < kept[i].count)
			return &vcpu->nested->page[kept[i].index + encoding - kept[i].encoding];
	return NULL;
}

int nested_vgic_user_get(const struct vcpu *vcpu, u32 encoding, u64 *value)
{
	const u64 *reg = find_kept(vcpu, encoding);

	if (!vcpu->vm->vgic)
		return -ENOENT;
	if (reg)
		*value = *reg;
	else if (encoding == REG_NUM(ICH_VTR_EL2))
		*value = vtr_told;
	else if (encoding == REG_NUM(ICC_SRE_EL2))
		*value = ICC_SRE_EL2_VALUE;
	else
		return -ENOENT;
	return 0;
}

int nested_vgic_user_set(struct vcpu *vcpu, u32 encoding, u64 value)
{
	u64 *reg = find_kept(vcpu, encoding), now;
	int ret = nested_vgic_user_get(vcpu, encoding, &now);

	if (ret)
		return ret;
	if (reg)
		*reg = value;
	return reg || value == now ? 0 : -EINVAL;
}

void nested_vgic_reset(struct vcpu *vcpu)
{
	vcpu->nested->lent = false;
	if (vcpu->vm->vgic)
		tell_maintenance(vcpu);
}
