// SPDX-License-Identifier: BSD-2-Clause
/*
 * A nested guest's fault in its shadow: who has withheld the translation?
 *
 *	shadow_fault()
 *	  abort_fault_ipa()          the nested guest's IPA
 *	  resolve()                  with the VM's own stage2.lock held:
 *	    s2_walk()                  the guest hypervisor's tables, read_table()
 *	      fault ─────────────────> an abort to EL2
 *	      no memory for a table ─> ask the host for it (walk_esr)
 *	    look_up_own()              the VM's own stage 2
 *	      not there ─────────────> abort_at(): memory of the host, the vGIC, a device of userspace
 *	    s2_compose(), shadow_map() the nested guest repeats the access
 *
 * The own lock is held from the first descriptor that is read until the shadow has the translation.
 * A TLBI of the guest hypervisor takes it too, after the guest hypervisor has changed its table: so
 * either this walk has seen the change, or the TLBI removes what comes of it.
 */
#include <arch/foreign.h>
#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <lib/errno.h>
#include <lib/esr.h>
#include <mm/el2_map.h>
#include <nested/nested_exception.h>
#include <nested/nested_regs.h>
#include <nested/shadow.h>
#include <nested/shadow_fault.h>
#include <trap/trap.h>

enum outcome {
	REPEAT,	      /* the access succeeds now, or meets another fault */
	FOR_EL2,      /* walk.fsc is the guest hypervisor's */
	ASK_TABLE,    /* the host has to be asked for walk.desc */
	ASK_FOR_PAGE, /* the own stage 2 does not allow the access at vm_ipa */
};

struct fault {
	struct vcpu *vcpu;
	u64 esr, far, ipa, vm_ipa;
	struct s2_access access;
	struct s2_walk_result walk;
	bool update; /* the table is there, but cannot be written */
};

/* ---- memory of the guest hypervisor; the own lock is held ---- */

/* The leaf that translates @ipa, made young, and dirty if @needs says write. */
static int look_up_own(struct stage2 *own, struct ipa ipa, enum stage2_attrs needs,
		       struct stage2_leaf *leaf)
{
	u64 page = ALIGN_DOWN(ipa.v, stage2_granule(own));
	int ret = stage2_lookup(own, ipa, leaf);

	if (ret || (needs & ~(unsigned int)leaf->attrs & STAGE2_RWX))
		return ret ? ret : -EACCES;
	if (leaf->attrs & STAGE2_OLD)
		ret = stage2_set_young(own, ipa);
	if (!ret && (needs & STAGE2_W) && (leaf->attrs & STAGE2_CLEAN))
		ret = stage2_protect(own, IPA(page), stage2_granule(own), STAGE2_W, STAGE2_NONE,
				     NULL);
	return ret ? ret : stage2_lookup(own, ipa, leaf);
}

/* The page of a descriptor. -EFAULT: a device, or nothing can be there. -EAGAIN: ask the host. */
static int find_table(struct vcpu *vcpu, struct ipa ipa, enum stage2_attrs needs, struct pa *pa)
{
	struct stage2_leaf leaf;
	int ret = look_up_own(&vcpu->vm->s2.stage2, ipa, needs, &leaf);

	if (ret == -E2BIG)
		return -EFAULT;
	if (ret)
		return -EAGAIN;
	if ((leaf.attrs & STAGE2_MEMTYPE) != STAGE2_NORMAL)
		return -EFAULT;
	*pa = PA(leaf.pa.v + (ipa.v - leaf.ipa.v));
	return 0;
}

static u64 *show_table(struct pa pa, enum el2_prot prot)
{
	u8 *page = el2_window_map(PA(ALIGN_DOWN(pa.v, SZ_4K)), prot);

	return (u64 *)(void *)(page + pa.v % SZ_4K);
}

static int read_table(void *ctx, struct ipa ipa, u64 *raw)
{
	struct fault *f = ctx;
	u64 failed = 0;
	struct pa pa;
	int ret = find_table(f->vcpu, ipa, STAGE2_R, &pa);

	if (ret)
		return ret;
	*raw = foreign_read64(show_table(pa, EL2_R), &failed);
	el2_window_unmap();
	return failed ? -EFAULT : 0;
}

static int update_table(void *ctx, struct ipa ipa, u64 old, u64 new)
{
	struct fault *f = ctx;
	u64 failed = 0, was;
	struct pa pa;
	int ret = find_table(f->vcpu, ipa, STAGE2_RW, &pa);

	f->update = ret;
	if (ret)
		return ret;
	was = foreign_cmpxchg64(show_table(pa, EL2_RW), old, new, &failed);
	el2_window_unmap();
	if (failed)
		return -EFAULT;
	return was == old ? 0 : -EBUSY;
}

/* ---- the fault ---- */

static struct s2_access access_of(const struct vcpu *vcpu, u64 esr)
{
	struct s2_access access = { .kind = S2_READ, .s1ptw = esr & ESR_S1PTW };

	if (abort_is_write(esr))
		access.kind = S2_WRITE;
	else if (esr_ec(esr) == ESR_EC_IABT_LOWER && !access.s1ptw)
		access.kind = S2_FETCH;
	access.el0 = (vcpu->regs.pstate & PSR_MODE_MASK) == PSR_MODE_EL0t;
	return access;
}

static enum outcome fill(struct fault *f)
{
	struct shadow_set *set = f->vcpu->vm->shadows;
	struct stage2_leaf own;
	struct s2_composed leaf;
	int ret = look_up_own(&f->vcpu->vm->s2.stage2, IPA(f->vm_ipa), s2_access_needs(f->access),
			      &own);

	if (ret)
		return ASK_FOR_PAGE;
	ret = s2_compose(&set->format, &f->walk.leaf, &own, IPA(f->ipa), &leaf);
	if (!ret)
		ret = shadow_map(set, f->vcpu->nested->shadow, &leaf);
	if (!ret)
		return REPEAT;
	f->walk.fsc = ESR_FSC_TRANSLATION; /* no VM is promised what cannot be combined */
	return FOR_EL2;
}

static enum s2_walk_end walk_guest(struct fault *f)
{
	const struct s2_walk_memory memory = {
		.read = read_table,
		.cmpxchg = update_table,
		.ctx = f,
	};
	enum s2_walk_end end = s2_walk(&f->vcpu->nested->shadow->tables, IPA(f->ipa), f->access,
				       &memory, &f->walk);

	if (end == S2_WALK_LEAF)
		f->vm_ipa = f->walk.leaf.oa.v + (f->ipa - f->walk.leaf.ipa.v);
	return end;
}

static enum outcome resolve(struct fault *f)
{
	switch (walk_guest(f)) {
	case S2_WALK_LEAF:
		return fill(f);
	case S2_WALK_FAULT:
		return FOR_EL2;
	case S2_WALK_ASK_HOST:
		return ASK_TABLE;
	default:
		return REPEAT;
	}
}

/* ESR_EL2 as the guest hypervisor gets it: the access is the same, the fault is its own. */
static u64 el2_esr(const struct fault *f, u64 fsc)
{
	return (f->esr & ~(ESR_ISS2 | ESR_FSC)) | fsc;
}

static void set_hpfar(struct fault *f)
{
	f->vcpu->nested->own[NESTED_HPFAR_EL2] = FIELD_PREP(HPFAR_FIPA, f->ipa >> 12);
}

/*
 * The host is asked for a table as for the memory of any stage-1 table: no register is transferred.
 * If it has none, EL2 takes an External abort on the walk.
 */
static enum vcpu_action ask_for_table(struct fault *f)
{
	u64 esr = FIELD_PREP(ESR_EC, ESR_EC_DABT_LOWER) | ESR_IL | ESR_S1PTW;

	esr |= f->update ? ESR_FSC_PERMISSION : ESR_FSC_TRANSLATION;
	set_hpfar(f);
	f->vcpu->nested->walk_esr = el2_esr(f, ESR_FSC_EXTABT_WALK | (u64)f->walk.level);
	return abort_at(f->vcpu, esr, f->far, f->walk.desc.v);
}

static enum keel_nested fault_counter(enum outcome outcome)
{
	if (outcome == REPEAT)
		return KEEL_NESTED_FILLED;
	return outcome == FOR_EL2 ? KEEL_NESTED_TO_EL2 : KEEL_NESTED_TO_HOST;
}

enum vcpu_action shadow_fault(struct vcpu *vcpu, u64 esr)
{
	struct spinlock *lock = &vcpu->vm->s2.stage2.lock;
	struct fault f = { .vcpu = vcpu, .esr = esr, .far = read_sysreg(far_el2) };
	enum outcome outcome;

	if (!abort_fault_ipa(esr, f.far, &f.ipa))
		return VCPU_RESUME;
	f.access = access_of(vcpu, esr);
	vcpu->nested->walk_esr = 0;
	spin_lock(lock);
	outcome = resolve(&f);
	spin_unlock(lock);
	nested_count(vcpu, fault_counter(outcome));
	switch (outcome) {
	case FOR_EL2:
		set_hpfar(&f);
		nested_take_abort(vcpu, el2_esr(&f, f.walk.fsc), f.far);
		return VCPU_RESUME;
	case ASK_TABLE:
		return ask_for_table(&f);
	case ASK_FOR_PAGE:
		return abort_at(vcpu, esr, f.far, f.vm_ipa);
	default:
		return VCPU_RESUME;
	}
}

u8 shadow_translate(struct vcpu *vcpu, u64 ipa, struct s2_access access, u64 *vm_ipa,
		    struct s2_leaf *leaf)
{
	struct spinlock *lock = &vcpu->vm->s2.stage2.lock;
	struct fault f = { .vcpu = vcpu, .ipa = ipa, .access = access };
	enum s2_walk_end end;

	spin_lock(lock);
	end = walk_guest(&f);
	spin_unlock(lock);
	*vm_ipa = f.vm_ipa;
	*leaf = f.walk.leaf;
	if (end == S2_WALK_LEAF)
		return 0;
	return end == S2_WALK_FAULT ? f.walk.fsc : ESR_FSC_EXTABT_WALK | (u8)f.walk.level;
}

bool shadow_walk_failed(struct vcpu *vcpu)
{
	u64 esr = vcpu->nested->walk_esr;

	vcpu->nested->walk_esr = 0;
	if (esr)
		nested_take_abort(vcpu, esr, vcpu->fault_far);
	return esr;
}
