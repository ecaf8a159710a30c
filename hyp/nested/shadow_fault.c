// SPDX-License-Identifier: BSD-2-Clause
/*
 * A nested guest's fault in its shadow: who has withheld the translation?
 *
 *	shadow_resolve()
 *	  abort_fault_ipa()          the nested guest's IPA
 *	  resolve()                  with the VM's own stage2.lock held:
 *	    s2_walk()                  the guest hypervisor's tables, read_table()
 *	    look_up_own()              the VM's own stage 2
 *	    s2_compose(), shadow_map() the nested guest repeats the access: nothing else of it has changed
 *	shadow_conclude()            if not
 *	  SHADOW_FOR_EL2               an abort to EL2
 *	  SHADOW_ASK_TABLE             no memory for a table: ask the host for it (walk_esr)
 *	  SHADOW_ASK_FOR_PAGE          abort_at(): memory of the host, the vGIC, a device of userspace
 *
 * The own lock is held from the first descriptor that is read until the shadow has the translation.
 * A TLBI of the guest hypervisor takes it too, after the guest hypervisor has changed its table: so
 * either this walk has seen the change, or the TLBI removes what comes of it.
 *
 * Speed. What a nested guest's fault goes through is one function, shadow_resolve(), but for the walk and
 * what other files do. So what else calls a part of it has a copy (__always_inline).
 */
#include <arch/foreign.h>
#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <lib/errno.h>
#include <lib/esr.h>
#include <lib/string.h>
#include <mm/el2_map.h>
#include <nested/nested_exception.h>
#include <nested/nested_regs.h>
#include <nested/shadow.h>
#include <nested/shadow_fault.h>
#include <trap/trap.h>

/* ---- memory of the guest hypervisor; the own lock is held ---- */

/* Make a leaf young, and dirty if @needs says write. */
static __noinline int refresh_own(struct stage2 *own, struct ipa ipa, enum stage2_attrs needs,
				  struct stage2_leaf *leaf)
{
	u64 page = ALIGN_DOWN(ipa.v, stage2_granule(own));
	int ret = 0;

	if (leaf->attrs & STAGE2_OLD)
		ret = stage2_set_young(own, ipa);
	if (!ret && (needs & STAGE2_W) && (leaf->attrs & STAGE2_CLEAN))
		ret = stage2_protect(own, IPA(page), stage2_granule(own), STAGE2_W, STAGE2_NONE,
				     NULL);
	return ret ? ret : stage2_lookup(own, ipa, leaf);
}

/* The leaf that translates @ipa, which is accessed as @needs says. */
static __always_inline int look_up_own(struct stage2 *own, struct ipa ipa, enum stage2_attrs needs,
				       struct stage2_leaf *leaf)
{
	int ret = stage2_lookup(own, ipa, leaf);

	if (ret || (needs & ~(unsigned int)leaf->attrs & STAGE2_RWX))
		return ret ? ret : -EACCES;
	if (leaf->attrs & (STAGE2_OLD | (needs & STAGE2_W ? STAGE2_CLEAN : STAGE2_NONE)))
		return refresh_own(own, ipa, needs, leaf);
	return 0;
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

#define TABLE_IS_KNOWN 1ULL /* nested_tables.page[].ipa */

/*
 * The same to read, which most walks do in the pages of the last one. The vCPU keeps them as a TLB
 * would; how often it uses them is as little seen in the own stage 2 as how often a TLB does.
 */
static int find_table_again(struct vcpu *vcpu, struct ipa ipa, s8 level, struct pa *pa)
{
	const struct stage2 *own = &vcpu->vm->s2.stage2;
	struct nested_tables *known = &vcpu->nested->tables;
	u64 page = ALIGN_DOWN(ipa.v, SZ_4K) | TABLE_IS_KNOWN;
	int ret;

	if (known->changes == own->changes && known->page[level].ipa == page) {
		*pa = PA(known->page[level].pa + ipa.v % SZ_4K);
		return 0;
	}
	ret = find_table(vcpu, ipa, STAGE2_R, pa);
	if (ret)
		return ret;
	if (known->changes != own->changes)
		memset(known->page, 0, sizeof(known->page));
	known->changes = own->changes;
	known->page[level].ipa = page;
	known->page[level].pa = ALIGN_DOWN(pa->v, SZ_4K);
	return 0;
}

static u64 *show_table(struct pa pa, enum el2_prot prot)
{
	u8 *page = el2_window_map(PA(ALIGN_DOWN(pa.v, SZ_4K)), prot);

	return (u64 *)(void *)(page + pa.v % SZ_4K);
}

static __always_inline int read_descriptor(struct pa pa, u64 *raw)
{
	u64 failed = 0;

	*raw = foreign_read64(show_table(pa, EL2_R), &failed);
	el2_window_unmap();
	return failed ? -EFAULT : 0;
}

static int read_table(void *ctx, struct ipa ipa, u64 *raw)
{
	struct shadow_fault *f = ctx;
	struct pa pa;
	int ret = find_table_again(f->vcpu, ipa, f->walk.level, &pa);

	return ret ? ret : read_descriptor(pa, raw);
}

static int update_table(void *ctx, struct ipa ipa, u64 old, u64 new)
{
	struct shadow_fault *f = ctx;
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

static __always_inline struct s2_access access_of(const struct vcpu *vcpu, u64 esr)
{
	struct s2_access access = { .kind = S2_READ, .s1ptw = esr & ESR_S1PTW };

	if (abort_is_write(esr))
		access.kind = S2_WRITE;
	else if (esr_ec(esr) == ESR_EC_IABT_LOWER && !access.s1ptw)
		access.kind = S2_FETCH;
	access.el0 = (vcpu->regs.pstate & PSR_MODE_MASK) == PSR_MODE_EL0t;
	return access;
}

/* Where the last walk began its last step, if no TLBI has come since: the levels above are the same. */
static const struct s2_walk_start *known_start(const struct vcpu *vcpu)
{
	const struct nested_tables *known = &vcpu->nested->tables;
	const struct shadow *shadow = vcpu->nested->shadow;

	return known->shadow == shadow && known->shadow_changes == READ_ONCE(shadow->changes)
		       ? &known->start
		       : NULL;
}

/*
 * The shadow has had an entry since it had @changes. So it has one as long as it has them, and TLBIs,
 * which pass by an empty shadow, act on it.
 */
static void keep_start(struct shadow_fault *f, u64 changes)
{
	struct nested_tables *known = &f->vcpu->nested->tables;
	const struct shadow *shadow = f->vcpu->nested->shadow;

	if (known->shadow == shadow && known->shadow_changes == changes &&
	    f->ipa >> known->start.shift == known->start.region)
		return;
	known->shadow = s2_walk_start_of(&shadow->tables, &f->walk, &known->start) ? shadow : NULL;
	known->shadow_changes = changes;
}

static __always_inline enum shadow_outcome fill(struct shadow_fault *f)
{
	struct shadow_set *set = f->vcpu->vm->shadows;
	struct shadow *shadow = f->vcpu->nested->shadow;
	u64 changes = READ_ONCE(shadow->changes);
	struct stage2_leaf own;
	struct s2_composed leaf;
	int ret = look_up_own(&f->vcpu->vm->s2.stage2, IPA(f->vm_ipa), s2_access_needs(f->access),
			      &own);

	if (ret)
		return SHADOW_ASK_FOR_PAGE;
	ret = s2_compose(&set->format, &f->walk.leaf, &own, IPA(f->ipa), &leaf);
	if (!ret)
		ret = shadow_map(set, shadow, &leaf);
	if (!ret) {
		keep_start(f, changes);
		return SHADOW_REPEAT;
	}
	f->walk.fsc = ESR_FSC_TRANSLATION; /* no VM is promised what cannot be combined */
	return SHADOW_FOR_EL2;
}

/* EL2's own, without VHE: as of tables that translate each address to itself, and allow everything. */
static enum shadow_outcome fill_el2(struct shadow_fault *f)
{
	static const struct s2_leaf identity = {
		.size = BIT(52),
		.memattr = 0xf, /* Write-Back */
		.perm = STAGE2_RWX,
	};
	struct shadow_set *set = f->vcpu->vm->shadows;
	struct stage2_leaf own;
	struct s2_composed leaf;

	f->vm_ipa = f->ipa;
	if (look_up_own(&f->vcpu->vm->s2.stage2, IPA(f->ipa), s2_access_needs(f->access), &own))
		return SHADOW_ASK_FOR_PAGE;
	if (s2_compose(&set->format, &identity, &own, IPA(f->ipa), &leaf) ||
	    shadow_map(set, set->el2, &leaf))
		return SHADOW_ASK_FOR_PAGE;
	return SHADOW_REPEAT;
}

static enum s2_walk_end walk_guest(struct shadow_fault *f)
{
	const struct s2_walk_memory memory = {
		.read = read_table,
		.cmpxchg = update_table,
		.ctx = f,
		.start = known_start(f->vcpu),
	};
	enum s2_walk_end end = s2_walk(&f->vcpu->nested->shadow->tables, IPA(f->ipa), f->access,
				       &memory, &f->walk);

	if (end == S2_WALK_LEAF)
		f->vm_ipa = f->walk.leaf.oa.v + (f->ipa - f->walk.leaf.ipa.v);
	return end;
}

static __always_inline enum shadow_outcome resolve(struct shadow_fault *f)
{
	switch (walk_guest(f)) {
	case S2_WALK_LEAF:
		return fill(f);
	case S2_WALK_FAULT:
		return SHADOW_FOR_EL2;
	case S2_WALK_ASK_HOST:
		return SHADOW_ASK_TABLE;
	default:
		return SHADOW_REPEAT;
	}
}

/* ESR_EL2 as the guest hypervisor gets it: the access is the same, the fault is its own. */
static u64 el2_esr(const struct shadow_fault *f, u64 fsc)
{
	return (f->esr & ~(ESR_ISS2 | ESR_FSC)) | fsc;
}

static void set_hpfar(struct shadow_fault *f)
{
	f->vcpu->nested->own[NESTED_HPFAR_EL2] = FIELD_PREP(HPFAR_FIPA, f->ipa >> 12);
}

/*
 * The host is asked for a table as for the memory of any stage-1 table: no register is transferred.
 * If it has none, EL2 takes an External abort on the walk.
 */
static enum vcpu_action ask_for_table(struct shadow_fault *f)
{
	u64 esr = FIELD_PREP(ESR_EC, ESR_EC_DABT_LOWER) | ESR_IL | ESR_S1PTW;

	esr |= f->update ? ESR_FSC_PERMISSION : ESR_FSC_TRANSLATION;
	set_hpfar(f);
	f->vcpu->nested->walk_esr = el2_esr(f, ESR_FSC_EXTABT_WALK | (u64)f->walk.level);
	return abort_at(f->vcpu, esr, f->far, f->walk.desc.v);
}

static __always_inline enum keel_nested fault_counter(enum shadow_outcome outcome)
{
	if (outcome == SHADOW_REPEAT)
		return KEEL_NESTED_FILLED;
	return outcome == SHADOW_FOR_EL2 ? KEEL_NESTED_TO_EL2 : KEEL_NESTED_TO_HOST;
}

static __always_inline bool resolve_by(struct vcpu *vcpu, u64 esr, struct shadow_fault *f,
				       enum shadow_outcome (*how)(struct shadow_fault *f))
{
	struct spinlock *lock = &vcpu->vm->s2.stage2.lock;

	f->vcpu = vcpu;
	f->esr = esr;
	f->far = read_sysreg(far_el2);
	f->outcome = SHADOW_REPEAT;
	f->update = false;
	vcpu->nested->walk_esr = 0;
	nested_count(vcpu, KEEL_NESTED_EXIT_FAULT);
	if (!abort_fault_ipa(esr, f->far, &f->ipa))
		return true;
	f->access = access_of(vcpu, esr);
	spin_lock(lock);
	f->outcome = how(f);
	spin_unlock(lock);
	nested_count(vcpu, fault_counter(f->outcome));
	return f->outcome == SHADOW_REPEAT;
}

bool shadow_resolve(struct vcpu *vcpu, u64 esr, struct shadow_fault *f)
{
	return resolve_by(vcpu, esr, f, resolve);
}

bool shadow_resolve_el2(struct vcpu *vcpu, u64 esr, struct shadow_fault *f)
{
	return resolve_by(vcpu, esr, f, fill_el2);
}

enum vcpu_action shadow_conclude(struct shadow_fault *f)
{
	switch (f->outcome) {
	case SHADOW_FOR_EL2:
		set_hpfar(f);
		nested_take_abort(f->vcpu, el2_esr(f, f->walk.fsc), f->far);
		return VCPU_RESUME;
	case SHADOW_ASK_TABLE:
		return ask_for_table(f);
	case SHADOW_ASK_FOR_PAGE:
		return abort_at(f->vcpu, f->esr, f->far, f->vm_ipa);
	default:
		return VCPU_RESUME;
	}
}

enum s2_walk_end shadow_translate(struct vcpu *vcpu, u64 ipa, struct s2_access access,
				  struct shadow_fault *f)
{
	struct spinlock *lock = &vcpu->vm->s2.stage2.lock;
	enum s2_walk_end end;

	*f = (struct shadow_fault){ .vcpu = vcpu, .ipa = ipa, .access = access };
	spin_lock(lock);
	end = walk_guest(f);
	spin_unlock(lock);
	return end;
}

/* ---- tables of a stage 1 ---- */

static bool is_of_el2(const struct vcpu *vcpu)
{
	const struct shadow *shadow = shadow_current(vcpu);

	return shadow && shadow == vcpu->vm->shadows->el2;
}

/*
 * The memory of a descriptor, by stage 2: a nested guest's table goes into its shadow, as if the
 * hardware's walk had met the hole. -EAGAIN: f->outcome says why not.
 */
static int reach_descriptor(struct shadow_fault *f, struct ipa ipa, struct pa *pa)
{
	int ret;

	f->ipa = f->vm_ipa = ipa.v;
	f->outcome = SHADOW_REPEAT;
	if (is_of_el2(f->vcpu)) {
		f->outcome = fill_el2(f);
		if (f->outcome != SHADOW_REPEAT)
			return -EAGAIN;
	} else if (shadow_current(f->vcpu)) {
		f->outcome = resolve(f);
		if (f->outcome != SHADOW_REPEAT || f->walk.end != S2_WALK_LEAF)
			return -EAGAIN;
	}
	ret = find_table(f->vcpu, IPA(f->vm_ipa), s2_access_needs(f->access), pa);
	if (ret == -EAGAIN)
		f->outcome = SHADOW_ASK_FOR_PAGE;
	return ret;
}

static int read_table_of_stage1(void *ctx, struct ipa ipa, u64 *raw)
{
	struct pa pa;
	int ret = reach_descriptor(ctx, ipa, &pa);

	return ret ? ret : read_descriptor(pa, raw);
}

/* Of a walk of @stage1; f->walk is of the guest hypervisor's tables, if it was these that ended it. */
static enum s2_walk_end end_of_stage1(struct shadow_fault *f, const struct s2_walk_result *stage1)
{
	switch (f->outcome) {
	case SHADOW_FOR_EL2:
		return S2_WALK_FAULT;
	case SHADOW_ASK_TABLE:
		return S2_WALK_ASK_HOST;
	case SHADOW_ASK_FOR_PAGE:
		f->walk = *stage1;
		f->walk.desc = IPA(f->vm_ipa);
		f->update = f->access.kind == S2_WRITE;
		return S2_WALK_ASK_HOST;
	default:
		f->walk = *stage1;
		return stage1->end == S2_WALK_ASK_HOST ? S2_WALK_TRY_AGAIN : stage1->end;
	}
}

/* The access flag, if there is one in tables of this kind, is not set here: there is no .cmpxchg. */
enum s2_walk_end shadow_walk_stage1(struct vcpu *vcpu, const struct s2_tables *tables,
				    struct ipa ia, bool update, struct shadow_fault *f)
{
	const struct s2_walk_memory memory = { .read = read_table_of_stage1, .ctx = f };
	struct spinlock *lock = &vcpu->vm->s2.stage2.lock;
	const struct s2_access access = { .kind = S2_READ };
	struct s2_walk_result stage1;
	enum s2_walk_end end;
	struct pa pa;

	*f = (struct shadow_fault){ .vcpu = vcpu, .access = { .kind = S2_READ, .s1ptw = true } };
	spin_lock(lock);
	if (s2_walk(tables, ia, access, &memory, &stage1) != S2_WALK_ASK_HOST && update) {
		f->access.kind = S2_WRITE;
		(void)reach_descriptor(f, stage1.desc, &pa);
	}
	end = end_of_stage1(f, &stage1);
	spin_unlock(lock);
	return end;
}

bool shadow_walk_failed(struct vcpu *vcpu)
{
	u64 esr = vcpu->nested->walk_esr;

	vcpu->nested->walk_esr = 0;
	if (esr)
		nested_take_abort(vcpu, esr, vcpu->fault_far);
	return esr;
}
