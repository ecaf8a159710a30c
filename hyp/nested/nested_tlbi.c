// SPDX-License-Identifier: BSD-2-Clause
/*
 * TLBIs of a guest hypervisor, at its EL2 (ARM DDI 0487, C5.5, D8.17).
 *
 *	EL2's own, and EL1's while HCR_EL2.TGE is 1    the same, under the VM's own VMID
 *	EL1's while it is 0                            stage 1 of the shadows of VTTBR_EL2.VMID
 *	VMALLS12E1, IPAS2E1, RIPAS2E1                  entries of these shadows
 *	ALLE1                                          all shadows
 *
 * Local, inner and outer shareable ones are the same here, and so are those with nXS: each acts on
 * all CPUs and is complete when it ends.
 */
#include <arch/barrier.h>
#include <arch/ich.h>
#include <arch/reg_bits.h>
#include <arch/regs.h>
#include <arch/tlb.h>
#include <cpu/errata.h>
#include <lib/esr.h>
#include <nested/nested_regs.h>
#include <nested/nested_tlbi.h>
#include <nested/shadow.h>
#include <trap/trap.h>

enum tlbi_kind { NONE, OF_EL2, OF_STAGE1, BY_IPA, BY_IPA_RANGE, OF_VMID, OF_ALL };

/* By op1 (0, 4), CRm and op2; CRn is 8, or 9 for nXS. */
#define STAGE1_ALL                                                                           \
	{                                                                                    \
		OF_STAGE1, OF_STAGE1, OF_STAGE1, OF_STAGE1, NONE, OF_STAGE1, NONE, OF_STAGE1 \
	}
#define STAGE1_RANGES                                                              \
	{                                                                          \
		NONE, OF_STAGE1, NONE, OF_STAGE1, NONE, OF_STAGE1, NONE, OF_STAGE1 \
	}
#define EL2_ALL                                                           \
	{                                                                 \
		OF_EL2, OF_EL2, NONE, NONE, OF_ALL, OF_EL2, OF_VMID, NONE \
	}
#define EL2_RANGES                                                 \
	{                                                          \
		NONE, OF_EL2, NONE, NONE, NONE, OF_EL2, NONE, NONE \
	}

static const u8 kinds[2][16][8] = {
	{
		[1] = STAGE1_ALL,
		[2] = STAGE1_RANGES,
		[3] = STAGE1_ALL,
		[5] = STAGE1_RANGES,
		[6] = STAGE1_RANGES,
		[7] = STAGE1_ALL,
	},
	{
		[0] = { NONE, BY_IPA, BY_IPA_RANGE, NONE, NONE, BY_IPA, BY_IPA_RANGE, NONE },
		[1] = EL2_ALL,
		[2] = EL2_RANGES,
		[3] = EL2_ALL,
		[4] = { BY_IPA, BY_IPA, BY_IPA_RANGE, BY_IPA_RANGE, BY_IPA, BY_IPA, BY_IPA_RANGE,
			BY_IPA_RANGE },
		[5] = EL2_RANGES,
		[6] = EL2_RANGES,
		[7] = EL2_ALL,
	},
};

/* The encoding's fields below CRn. */
#define ENC_CRM GENMASK(6, 3)
#define ENC_OP2 GENMASK(2, 0)

static unsigned int crm_of(u32 encoding)
{
	return (unsigned int)FIELD_GET(ENC_CRM, encoding);
}

static unsigned int op2_of(u32 encoding)
{
	return (unsigned int)FIELD_GET(ENC_OP2, encoding);
}

static enum tlbi_kind kind_of(u32 encoding)
{
	u32 others = SYSREG_ENC(0, 4, 1, 15, 7); /* op1 is 0 or 4, CRn 8 or 9 */
	bool is_op1_4 = encoding & SYSREG_ENC(0, 4, 0, 0, 0);

	if ((encoding & ~others) != SYSREG_ENC(1, 0, 8, 0, 0))
		return NONE;
	return (enum tlbi_kind)kinds[is_op1_4][crm_of(encoding)][op2_of(encoding)];
}

/* ---- operands (C5.5) ---- */

#define XT_IPA	       GENMASK(39, 0) /* IPA[51:12] */
#define XT_TTL_LEVEL   GENMASK(45, 44)
#define XT_TTL_GRANULE GENMASK(47, 46) /* 0: no hint */
#define XT_BASE	       GENMASK(36, 0)
#define XT_RANGE_TTL   GENMASK(38, 37)
#define XT_NUM	       GENMASK(43, 39)
#define XT_SCALE       GENMASK(45, 44)
#define XT_RANGE_TG    GENMASK(47, 46)

struct range {
	struct ipa ipa;
	u64 size;
	int level; /* of the leaves, by the hint; 0 for none */
};

/* 4K, 16K, 64K by TG or TTL[3:2]. What is reserved acts as 64K: it is the most. */
static unsigned int shift_of_tg(u64 tg)
{
	return granule_shift(tg ? (enum granule)(tg - 1) : GRANULE_64K);
}

static struct range range_of(enum tlbi_kind kind, u64 xt)
{
	unsigned int shift = shift_of_tg(FIELD_GET(XT_RANGE_TG, xt));
	u64 scale = FIELD_GET(XT_SCALE, xt);

	if (kind == BY_IPA)
		return (struct range){
			.ipa = IPA(FIELD_GET(XT_IPA, xt) << 12),
			.size = 1,
			.level = FIELD_GET(XT_TTL_GRANULE, xt) ? (int)FIELD_GET(XT_TTL_LEVEL, xt)
							       : 0,
		};
	return (struct range){
		.ipa = IPA(FIELD_GET(XT_BASE, xt) << shift),
		.size = (FIELD_GET(XT_NUM, xt) + 1) << (5 * scale + 1) << shift,
		.level = (int)FIELD_GET(XT_RANGE_TTL, xt),
	};
}

/* ---- shadows; the VM's own stage2.lock is held ---- */

/*
 * The range of the guest hypervisor's leaf that @ipa is in: by the shadow's entry there; else by the
 * hint; else of the largest block. A shadow can have another part of a leaf than the one at @ipa.
 */
static u64 leaf_range(struct shadow *shadow, int level, struct ipa *ipa)
{
	const struct pgtable_format *fmt = &shadow->tables.fmt;
	struct stage2 *s2 = &shadow->ctx.stage2;
	struct stage2_leaf leaf;
	bool found;

	spin_lock(&s2->lock);
	found = !stage2_lookup(s2, *ipa, &leaf);
	spin_unlock(&s2->lock);
	if (!found && level)
		return s2_tagged_range(fmt, s2_level_tag((s8)level, true), ipa);
	return s2_tagged_range(fmt, found ? leaf.attrs : STAGE2_NONE, ipa);
}

/* Both ends are moved to those of the leaves that they are in. */
static void remove_from(struct shadow_set *set, struct shadow *shadow, const struct range *range)
{
	u64 all = stage2_size(&shadow->ctx.stage2);
	struct ipa first = range->ipa, last = IPA(range->ipa.v + range->size - 1);
	u64 end;

	if (first.v >= all)
		return;
	last.v = MIN(last.v, all - 1);
	(void)leaf_range(shadow, range->level, &first);
	end = leaf_range(shadow, range->level, &last);
	end += last.v;
	shadow_unmap(set, shadow, first,
		     ALIGN_UP(end, stage2_granule(&shadow->ctx.stage2)) - first.v);
}

static void act_on(struct shadow_set *set, struct shadow *shadow, enum tlbi_kind kind, u64 xt)
{
	struct range range;

	switch (kind) {
	case OF_STAGE1:
		stage2_invalidate_stage1(&shadow->ctx.stage2);
		break;
	case BY_IPA:
	case BY_IPA_RANGE:
		range = range_of(kind, xt);
		remove_from(set, shadow, &range);
		break;
	default:
		spin_lock(&shadow->ctx.stage2.lock);
		shadow_clear(set, shadow);
		spin_unlock(&shadow->ctx.stage2.lock);
		break;
	}
}

static bool is_concerned(const struct shadow *shadow, enum tlbi_kind kind, u16 vmid)
{
	return kind == OF_ALL || shadow_vmid(READ_ONCE(shadow->key.vttbr)) == vmid;
}

/* Which shadow the vCPU's TLBIs by VMID are about. */
static u16 vmid_now(const struct vcpu *vcpu)
{
	return shadow_vmid(vcpu->nested->page[VTTBR_EL2]);
}

/*
 * The own lock is held for one shadow at a time: with it, faults that have begun before are over.
 * What is filled later comes of tables as they are now. So does what a shadow has that gets another
 * key meanwhile, since it is empty then: give_key(). Return: whether there was something to do.
 */
static bool visit(struct vcpu *vcpu, struct shadow *shadow, const struct nested_tlbi_left *left)
{
	struct spinlock *lock = &vcpu->vm->s2.stage2.lock;
	enum tlbi_kind kind = kind_of(left->encoding);
	bool filled;

	if (!is_concerned(shadow, kind, left->vmid))
		return false;
	spin_lock(lock);
	filled = READ_ONCE(shadow->filled);
	if (filled)
		act_on(vcpu->vm->shadows, shadow, kind, left->xt);
	spin_unlock(lock);
	return filled;
}

static void act_on_shadows(struct vcpu *vcpu)
{
	struct nested_tlbi_left *left = &vcpu->nested->tlbi;
	bool late = false;

	dmb(ish); /* the table's change, then the keys */
	while (left->next && !late) {
		late = visit(vcpu, left->next, left) && interrupt_waits();
		left->next = left->next->next;
	}
}

/* ---- the instruction ---- */

/* TLBIs of ranges have their own CRm. */
static __always_inline bool is_range(unsigned int crm)
{
	return crm == 2 || crm == 5 || crm == 6;
}

static __always_inline void invalidate_range(unsigned int op2, u64 xt)
{
	switch (op2) {
	case 1:
		tlbi_rvae1is(xt);
		break;
	case 3:
		tlbi_rvaae1is(xt);
		break;
	case 5:
		tlbi_rvale1is(xt);
		break;
	default:
		tlbi_rvaale1is(xt);
		break;
	}
}

/*
 * The instruction of EL1's regime that does for EL2's what one with these fields does: op1 0 and 4
 * have the same op2 for the same operand.
 */
static __always_inline void invalidate_stage1(unsigned int crm, unsigned int op2, u64 xt)
{
	if (is_range(crm)) {
		invalidate_range(op2, xt);
		return;
	}
	switch (op2) {
	case 1:
		tlbi_vae1is(xt);
		break;
	case 2:
		tlbi_aside1is(xt);
		break;
	case 3:
		tlbi_vaae1is(xt);
		break;
	case 5:
		tlbi_vale1is(xt);
		break;
	case 7:
		tlbi_vaale1is(xt);
		break;
	default: /* no operand */
		tlbi_vmalle1is();
		break;
	}
}

/*
 * EL2's own translations, as a TLBI with these fields. VTTBR_EL2 has the VM's own VMID, and an
 * exception or an ISB has come since it was written. The next entry is an ISB as well.
 */
static __always_inline void invalidate_own(unsigned int crm, unsigned int op2, u64 xt)
{
	dsb(ishst);
	invalidate_stage1(crm, op2, xt);
	tlb_sync();
}

static bool is_for_el2(const struct vcpu *vcpu, enum tlbi_kind kind)
{
	return kind == OF_EL2 || (kind == OF_STAGE1 && nested_is_host(vcpu));
}

bool nested_tlbi_own(struct vcpu *vcpu, u32 encoding, u64 xt)
{
	if (!is_for_el2(vcpu, kind_of(encoding)))
		return false;
	nested_count(vcpu, KEEL_NESTED_TLBI_EL2);
	invalidate_own(crm_of(encoding), op2_of(encoding), xt);
	return true;
}

bool nested_tlbi_at_once(struct vcpu *vcpu, u64 esr)
{
	unsigned int crm = (unsigned int)FIELD_GET(ESR_SYS64_CRM, esr);
	unsigned int op2 = (unsigned int)FIELD_GET(ESR_SYS64_OP2, esr);

	if (kinds[1][crm][op2] != OF_EL2)
		return false;
	nested_count(vcpu, KEEL_NESTED_TLBI_EL2);
	invalidate_own(crm, op2, vcpu_get_x(vcpu, (unsigned int)FIELD_GET(ESR_SYS64_RT, esr)));
	trap_step_over_early();
	return true;
}

/*
 * Without VHE there are no ASIDs at EL2: bits 63 to 48 of the operand are RES0, and its entries are of
 * ASID 0.
 */
bool nested_tlbi_own_nvhe(struct vcpu *vcpu, u32 encoding, u64 xt)
{
	if (kind_of(encoding) != OF_EL2)
		return false;
	nested_count(vcpu, KEEL_NESTED_TLBI_EL2);
	invalidate_own(crm_of(encoding), op2_of(encoding), xt & GENMASK(47, 0));
	return true;
}

/*
 * Without VHE: EL1 without a stage 2 has its entries under the VM's own VMID, and the guest hypervisor
 * names them by the VMIDs that it had in VTTBR_EL2 then. What is about stage 2 alone does not concern
 * them.
 */
static void forget_plain_el1(struct vcpu *vcpu)
{
	const struct nested_tlbi_left *left = &vcpu->nested->tlbi;
	enum tlbi_kind kind = kind_of(left->encoding);
	const u64 *vmids = &vcpu->vm->shadows->plain_vmids[left->vmid / 64];
	struct stage2 *own = &vcpu->vm->s2.stage2;

	if (kind == BY_IPA || kind == BY_IPA_RANGE)
		return;
	if (kind != OF_ALL && !(__atomic_load_n(vmids, __ATOMIC_RELAXED) & BIT(left->vmid % 64)))
		return;
	spin_lock(&own->lock); /* its VMID stays */
	stage2_invalidate_stage1(own);
	spin_unlock(&own->lock);
}

/* Act on shadows from @left->next on; at the end, on what EL1 without a stage 2 has left. */
static void go_on(struct vcpu *vcpu)
{
	act_on_shadows(vcpu);
	if (vcpu->nested->tlbi.next ||
	    !__atomic_load_n(&vcpu->vm->shadows->plain_el1, __ATOMIC_RELAXED))
		return;
	isb(); /* the vCPU may have been loaded just now */
	if (vcpu->nested->nvhe)
		forget_plain_el1(vcpu);
	else
		invalidate_own(0, 0, 0);
}

static enum keel_nested tlbi_counter(enum tlbi_kind kind)
{
	switch (kind) {
	case OF_STAGE1:
		return KEEL_NESTED_TLBI_STAGE1;
	case BY_IPA:
	case BY_IPA_RANGE:
		return KEEL_NESTED_TLBI_IPA;
	default:
		return KEEL_NESTED_TLBI_ALL;
	}
}

bool nested_tlbi(struct vcpu *vcpu, u32 encoding, u64 xt)
{
	enum tlbi_kind kind = kind_of(encoding);

	if (kind == NONE)
		return false;
	if (nested_tlbi_own(vcpu, encoding, xt))
		return true;
	nested_count(vcpu, tlbi_counter(kind));
	vcpu->nested->tlbi = (struct nested_tlbi_left){
		.next = shadow_first(vcpu->vm->shadows),
		.xt = xt,
		.encoding = encoding,
		.vmid = vmid_now(vcpu),
	};
	go_on(vcpu);
	return true;
}

bool nested_tlbi_is_left(struct vcpu *vcpu, u64 esr)
{
	struct nested_tlbi_left *left = &vcpu->nested->tlbi;

	if (!left->next)
		return false;
	left->esr = esr;
	left->pc = vcpu->regs.pc;
	left->pstate = vcpu->regs.pstate;
	return true;
}

/* Whether the guest's next instruction is the one that is left, with the operands that it had. */
static bool is_same(const struct vcpu *vcpu, const struct nested_tlbi_left *left)
{
	unsigned int rt = (unsigned int)FIELD_GET(ESR_SYS64_RT, left->esr);

	return vcpu->regs.pc == left->pc && vcpu->regs.pstate == left->pstate &&
	       vcpu_get_x(vcpu, rt) == left->xt && vmid_now(vcpu) == left->vmid &&
	       !is_for_el2(vcpu, kind_of(left->encoding));
}

enum vcpu_action nested_tlbi_resume(struct vcpu *vcpu)
{
	struct nested_tlbi_left *left = vcpu->nested ? &vcpu->nested->tlbi : NULL;

	if (!left || !left->next)
		return VCPU_RESUME;
	if (!is_same(vcpu, left)) {
		left->next = NULL;
		return VCPU_RESUME;
	}
	go_on(vcpu);
	if (left->next)
		return vcpu_to_host(KEEL_EXIT_IRQ);
	trap_step_over(vcpu, left->esr);
	return VCPU_RESUME;
}
