// SPDX-License-Identifier: BSD-2-Clause
/* A guest's memory by virtual address. See spe_guest.h. */
#include <arch/at.h>
#include <arch/barrier.h>
#include <arch/cache.h>
#include <arch/spinlock.h>
#include <arch/sysreg.h>
#include <mm/el2_map.h>
#include <mm/stage2.h>
#include <spe/spe_guest.h>

/* PAR_EL1 (D24.2.128) */
#define PAR_F	 BIT(0)
#define PAR_FST	 GENMASK(6, 1)
#define PAR_S	 BIT(9) /* of a fault: stage 2's */
#define PAR_PA	 GENMASK(51, 12)
#define PAR_ATTR GENMASK(63, 56)

/* PAR_EL1.ATTR, as MAIR_EL1's: normal memory, write-back cacheable; Device is 0b0000xxxx */
#define ATTR_NORMAL_WB 0xff
#define ATTR_NORMAL    0xf0

/* PAR_EL1 is the guest's. */
static u64 translate(void (*at)(u64 va), u64 va)
{
	u64 saved = read_sysreg(par_el1), par;

	at(va);
	isb();
	par = read_sysreg(par_el1);
	write_sysreg(saved, par_el1);
	return par;
}

static bool is_normal(u64 par)
{
	return (FIELD_GET(PAR_ATTR, par) & ATTR_NORMAL) != 0;
}

bool spe_guest_readable(struct vcpu *vcpu, u64 va)
{
	(void)vcpu;
	return !(translate(at_s12e1r, va) & PAR_F);
}

bool spe_guest_ipa(struct vcpu *vcpu, u64 va, unsigned int el, u64 *ipa)
{
	u64 par = translate(el ? at_s1e1r : at_s1e0r, va);

	(void)vcpu;
	*ipa = (par & PAR_PA) | (va & (SZ_4K - 1));
	return !(par & PAR_F);
}

bool spe_guest_fetch(struct vcpu *vcpu, u64 va, u32 *word)
{
	const u8 *page;
	u64 par;

	if (va & 3)
		return false;
	spin_lock(&vcpu->s2->lock);
	par = translate(at_s12e1r, va);
	if (!(par & PAR_F) && is_normal(par)) {
		page = el2_window_map(PA(par & PAR_PA), EL2_R);
		*word = READ_ONCE(*(const u32 *)(const void *)(page + (va & (SZ_4K - 1))));
		el2_window_unmap();
	}
	spin_unlock(&vcpu->s2->lock);
	return !(par & PAR_F) && is_normal(par);
}

static void copy_record(u64 par, u64 va, const u64 record[SPE_RECORD_WORDS])
{
	u8 *page = el2_window_map(PA(par & PAR_PA), EL2_RW);
	u64 *to = (u64 *)(void *)(page + (va & (SZ_4K - 1)));
	unsigned int i;

	for (i = 0; i < SPE_RECORD_WORDS; i++)
		WRITE_ONCE(to[i], record[i]);
	/* the guest looks at it past the caches */
	if (FIELD_GET(PAR_ATTR, par) != ATTR_NORMAL_WB)
		dcache_clean_inval_poc(to, SPE_RECORD_SIZE);
	el2_window_unmap();
}

/* Stage 1 alone tells where the host has to map something. */
static enum spe_write missing(u64 va, u64 *info)
{
	u64 par = translate(at_s1e1w, va);

	*info = (par & PAR_PA) | (va & (SZ_4K - 1));
	return par & PAR_F ? SPE_WRITE_ABORT : SPE_WRITE_MISSING;
}

enum spe_write spe_guest_write(struct vcpu *vcpu, u64 va, const u64 record[SPE_RECORD_WORDS],
			       u64 *info)
{
	u64 par;

	spin_lock(&vcpu->s2->lock);
	par = translate(at_s12e1w, va);
	if (!(par & PAR_F) && is_normal(par))
		copy_record(par, va, record);
	spin_unlock(&vcpu->s2->lock);
	if (!(par & PAR_F))
		return is_normal(par) ? SPE_WRITE_DONE : SPE_WRITE_ABORT;
	if (par & PAR_S)
		return missing(va, info);
	*info = FIELD_GET(PAR_FST, par);
	return SPE_WRITE_FAULT;
}
