// SPDX-License-Identifier: BSD-2-Clause
/*
 * Interrupt state, and its way into list registers and back (ARM IHI 0069, chapters 4 to 6 and
 * 12.4).
 *
 * The state of an interrupt is a struct vgic_irq. While the interrupt is in a list register, the
 * guest changes its state without an exit, and only the CPU on which the vCPU is loaded can read
 * the list register:
 *
 *	                  fill_lrs(): the most urgent
 *	struct vgic_irq ------------------------------> ICH_LR<n>_EL2   the guest acknowledges
 *	 in_lr == 0     <------------------------------  in_lr == 1     and ends it, no exit
 *	                  vgic_fold(): each one that is used
 *
 * Fold merges each used list register back into the interrupt's state. It applies what other vCPUs
 * requested meanwhile (unpend, activate, deactivate), and ends the forwarding of physical
 * interrupts that the guest has ended. Fill writes the interrupts that are active, or pending and
 * deliverable. If there is a list register for each, as most often, that is all (fill_all()). Else
 * they are ranked by priority and INTID (fill_by_rank()): as many are written as there are list
 * registers, and ICH_HCR_EL2 is set so that a maintenance interrupt comes when one that was left
 * out can have become the most urgent.
 *
 * Both steps happen in the enter hook, which is called if vcpu->attention is set: an entry without
 * changes costs one load. The busy bitmaps (one of each vCPU for its SGIs and PPIs, one of the VM
 * for SPIs) name the interrupts that are pending, active or in a list register: no step looks at
 * all 1020 INTIDs.
 *
 * LPIs have places of their own (struct vgic_lpi), which the host fills: no table here names them
 * all. So that list registers are filled from all kinds alike, an interrupt has an index: its INTID,
 * or, of an LPI, LPI_INDEX and its place. What LPIs need is in functions of its own, so that a vCPU
 * without LPIs pays two tests: VGIC_BUSY_LPIS when it fills, lpi_fold when it folds.
 *
 * An SPI belongs to the vCPU that it is routed to (target), unless it is active or in a list
 * register: then it stays with that vCPU (home) until it is neither.
 *
 * No interrupt is lost. Each change is made under vgic->lock and ends in vgic_changed(), which
 * updates the busy bitmap first and sets attention of the interrupt's vCPU after it, with release.
 * set_idle() clears it before it looks at the bitmaps, so a change that it misses sets it
 * again, for the next entry. Whether a next entry comes soon is vgic_notify()'s part: it
 * interrupts the CPU on which that vCPU runs, or has its thread woken.
 *
 * vgic->lock guards all state but this: list registers, ICH_HCR_EL2, ICH_VMCR_EL2 and lr_used,
 * lr_written belong to the CPU on which the vCPU is loaded; folds, the bitmaps and ctlr are
 * also read without the lock, each with a comment that says why that is enough.
 */
#include <arch/barrier.h>
#include <arch/foreign.h>
#include <arch/gicr.h>
#include <arch/mmio.h>
#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <arch/regs.h>
#include <cpu/assert.h>
#include <cpu/log.h>
#include <cpu/percpu.h>
#include <lib/bitmap.h>
#include <lib/errno.h>
#include <lib/string.h>
#include <vgic/gich.h>
#include <vgic/vgic.h>
#include <vm/vm_ops.h>

/* At reset all is masked and off; VFIQEn is RES1 with system registers. */
#define VMCR_RESET    BIT(3)
#define VMCR_V2_RESET 0

u8 *gich;
struct vgic_v2_frames vgic_v2;

/*
 * Constant from vgic_init() on: whether VMs can have a vGIC, and the boot CPU's numbers of priority
 * and preemption bits, which guests see (fields of ICH_VTR_EL2).
 */
static bool usable;
static u64 priorities;

/* By INTID of a mapped physical PPI: reads the level of its input. */
static bool (*hw_level[VGIC_PRIVATE])(struct vcpu *vcpu);

/* ---- reads without the lock ---- */

/*
 * Whether no interrupt is pending or active for this vCPU, nor any SPI for another one. Called by
 * the vCPU's owner, without the lock: most entries and exits have nothing to do, and all vCPUs of
 * the VM share the lock. A change writes the busy bits first and attention after them
 * (vgic_changed()), so if this misses a change that is made after attention was cleared, it is set
 * again.
 */
static bool vgic_is_idle(const struct vcpu *vcpu)
{
	const struct vgic *vgic = vcpu->vm->vgic;
	const struct vgic_cpu *v = vcpu->vgic;

	return !(__atomic_load_n(&v->busy, __ATOMIC_RELAXED) | v->lr_used | v->forwarded |
		 __atomic_load_n(&vgic->busy_words, __ATOMIC_RELAXED));
}

/* ---- state ---- */

/* An interrupt's index: its INTID, or for an LPI this one and its place. */
#define LPI_INDEX   1024U
#define INDEX_BITS  11
#define INDEX_OF(k) ((k) & (u32)(BIT(INDEX_BITS) - 1))
STATIC_ASSERT(LPI_INDEX + VGIC_LPIS <= BIT(INDEX_BITS), "each place has an index");

struct vgic_irq *vgic_irq_of(struct vcpu *vcpu, u32 intid)
{
	struct vgic *vgic = vcpu->vm->vgic;

	if (intid < VGIC_PRIVATE)
		return &vcpu->vgic->irq[intid];
	if (intid >= vgic->nr_irqs || intid >= VGIC_INTIDS)
		return NULL;
	intid -= VGIC_PRIVATE;
	return &vgic->spi[intid / VGIC_SPIS_A_PAGE][intid % VGIC_SPIS_A_PAGE];
}

static void note_spi_busy(struct vgic *vgic, u32 intid, bool busy)
{
	u64 *word = &vgic->busy[intid / 64];
	u32 bit = (u32)BIT(intid / 64);

	*word = busy ? *word | BIT(intid % 64) : *word & ~BIT(intid % 64);
	vgic->busy_words = *word ? vgic->busy_words | bit : vgic->busy_words & ~bit;
}

static __always_inline void note_busy(struct vcpu *vcpu, u32 intid, const struct vgic_irq *irq)
{
	bool busy = vgic_irq_pending(irq) || irq->active || irq->in_lr;

	if (likely(intid < VGIC_PRIVATE))
		vcpu->vgic->busy = (vcpu->vgic->busy & ~BIT(intid)) | (u64)busy << intid;
	else
		note_spi_busy(vcpu->vm->vgic, intid, busy);
}

struct vcpu *vgic_changed(struct vcpu *vcpu, u32 intid, struct vgic_irq *irq)
{
	struct vcpu *owner = vcpu;

	spin_assert_held(&vcpu->vm->vgic->lock);
	note_busy(vcpu, intid, irq);
	if (intid >= VGIC_PRIVATE)
		owner = vgic_vcpu(vcpu->vm, irq->home == VGIC_NO_VCPU ? irq->target : irq->home);
	if (owner)
		vcpu_set_attention(owner);
	return owner;
}

/*
 * Take back a kick of @vcpu, if there was one, before its state is read. A kick from now on marks
 * the vCPU and makes the CPU's interrupt pending again.
 */
static __always_inline void answer_kick(struct vcpu *vcpu)
{
	const struct percpu *cpu = this_cpu();

	if (vcpu_answer_kick(vcpu)) {
		foreign_post32(cpu->unkick_reg, cpu->unkick_value);
		foreign_settle(cpu->unkick_reg);
	}
}

static __noinline void wake(struct vcpu *vcpu, struct vcpu *owner)
{
	vcpu_wake(vcpu, owner);
	vgic_leave(vcpu);
}

void vgic_notify(struct vcpu *vcpu, struct vcpu *owner)
{
	if (!owner || owner == vcpu)
		return;
	switch (vcpu_kick(owner)) {
	case VCPU_HERE:
		foreign_post32(owner->cpu->kick_reg, owner->cpu->kick_value);
		break;
	case VCPU_WAITS:
		wake(vcpu, owner);
		break;
	default: /* @owner has been kicked already, or reads attention before it runs */
		break;
	}
}

/* Set the level of an interrupt's input. Return: whether the interrupt's state has changed. */
static bool set_line(struct vgic_irq *irq, bool level)
{
	bool changed = irq->line != level;

	irq->line = level;
	if (!irq->edge)
		return changed;
	irq->latch |= level;
	return level;
}

static struct vcpu *set_level_locked(struct vcpu *vcpu, u32 intid, bool level)
{
	struct vgic_irq *irq = vgic_irq_of(vcpu, intid);
	struct vcpu *owner;

	if (intid < VGIC_SGIS || !irq || !set_line(irq, level))
		return NULL;
	owner = vgic_changed(vcpu, intid, irq);
	return level && irq->enabled ? owner : NULL; /* no other change can wake a vCPU */
}

/* With @report, @intid is one that the VM has. */
static __always_inline struct vcpu *set_input(struct vcpu *vcpu, u32 intid, bool level, bool report)
{
	struct vgic *vgic = vcpu->vm->vgic;
	struct vcpu *owner;

	if (!vgic)
		return NULL;
	spin_lock(&vgic->lock);
	owner = set_level_locked(vcpu, intid, level);
	if (report)
		vgic_irq_of(vcpu, intid)->report = true;
	spin_unlock(&vgic->lock);
	return owner;
}

struct vcpu *vgic_set_level(struct vcpu *vcpu, u32 intid, bool level)
{
	return set_input(vcpu, intid, level, false);
}

void vgic_set_timer(struct vcpu *vcpu, u32 intid, bool level)
{
	if (vcpu->vm->vgic && vcpu->vgic->irq[intid].line != level)
		(void)vgic_set_level(vcpu, intid, level);
}

/* PPIs: timers, SPE's, and the maintenance interrupt of the vCPU's EL2. */
bool vgic_drives(const struct vcpu *vcpu, u64 intid)
{
	if (intid == VGIC_PPI_VTIMER || intid == VGIC_PPI_PTIMER ||
	    intid == READ_ONCE(vcpu->vm->spe_intid))
		return true;
	return vcpu->nested && (intid == VGIC_PPI_EL2_PTIMER || intid == VGIC_PPI_EL2_VTIMER ||
				intid == vcpu->vm->vgic->maintenance);
}

static bool is_line_value(u64 intid, u64 level)
{
	return level <= 1 || (level == (1 | KEEL_LINE_REPORT) && intid >= VGIC_PRIVATE);
}

int vgic_irq_line(struct vm *vm, u64 *index, u64 intid, u64 level)
{
	struct vgic *vgic = vm->vgic;
	u64 via = intid < VGIC_PRIVATE ? *index : vgic_first_vcpu(vgic);
	struct vcpu *vcpu = via < VM_VCPUS_MAX ? vgic_vcpu(vm, (u32)via) : NULL;

	if (intid < VGIC_SGIS || intid >= VGIC_INTIDS || intid >= vgic->nr_irqs || !vcpu ||
	    !is_line_value(intid, level))
		return -EINVAL;
	if (vgic_drives(vcpu, intid))
		return 0;
	vcpu = set_input(vcpu, (u32)intid, level & 1, level & KEEL_LINE_REPORT);
	if (!vcpu)
		return 0;
	*index = vcpu->index;
	return 1;
}

/* ---- physical interrupts ---- */

void vgic_map_hw(u32 intid, bool (*level)(struct vcpu *vcpu))
{
	hw_level[intid] = level;
}

/*
 * The physical interrupt is not active any more; if its input is still high, it fires again. The
 * caller notes whether the virtual one is busy.
 */
static void stop_forwarding(struct vcpu *vcpu, u32 intid, struct vgic_irq *irq)
{
	irq->forwarded = false;
	irq->line = false;
	vcpu->vgic->forwarded &= ~(u32)BIT(intid);
}

static void release_hw(struct vcpu *vcpu, u32 intid)
{
	gicr_clear_active(this_cpu()->gicr, intid);
	stop_forwarding(vcpu, intid, &vcpu->vgic->irq[intid]);
	note_busy(vcpu, intid, &vcpu->vgic->irq[intid]);
}

/*
 * Deactivate forwarded physical interrupts whose input has fallen before the guest took them; with
 * @all, every forwarded one. The line of one that the guest has taken follows the input: what it
 * reads as pending is whether there is another one after this. No interrupt is in a list register.
 */
static __noinline void resample_hw(struct vcpu *vcpu, bool all)
{
	u32 left = vcpu->vgic->forwarded;

	for (; left; left &= left - 1) {
		u32 intid = (u32)__builtin_ctz(left);
		struct vgic_irq *irq = &vcpu->vgic->irq[intid];
		bool level = !all && hw_level[intid](vcpu);

		if (all || (!irq->active && !level))
			release_hw(vcpu, intid);
		else
			irq->line = level;
	}
}

/* ---- folding ---- */

/* Apply to a list register's value what other vCPUs requested while it was in use. */
static __noinline u64 apply_requests(struct vgic_irq *irq, u64 lr)
{
	if (irq->unpend)
		lr &= ~LR_PENDING;
	if (irq->activate)
		lr |= LR_ACTIVE;
	if (irq->deactivate)
		lr &= ~LR_ACTIVE;
	irq->unpend = irq->activate = irq->deactivate = false;
	return lr;
}

/* The guest has ended @irq, of which the host wants to know; of an edge it does not. */
static __noinline void report_end(struct vcpu *vcpu, u32 intid, struct vgic_irq *irq)
{
	if (irq->edge)
		return;
	irq->report = false;
	vcpu_tell_ended(vcpu, intid);
	vgic_leave(vcpu);
}

/* The guest has taken the LPI, or it is pending as before. Some CPUs have it active: that it is not. */
static void fold_lpi(struct vcpu *vcpu, u32 place, u64 lr)
{
	struct vgic_irq *irq = &vcpu->vgic->lpi[place].irq;

	irq->in_lr = false;
	irq->home = VGIC_NO_VCPU;
	irq->latch |= lr & LR_PENDING;
	irq->lr_latch = false;
	if (!irq->latch)
		vgic_free_lpi(vcpu->vgic, place);
}

/*
 * The host has more LPIs for this vCPU, and few are left here, no more than list registers can hold:
 * the next entry is an exit, and the host gives it some.
 */
static void ask_for_lpis(struct vcpu *vcpu)
{
	struct vgic_cpu *v = vcpu->vgic;

	if (bitmap_weight(&v->lpi_busy, VGIC_LPIS) > ICH_LR_MAX)
		return;
	v->lpi_fold &= (u32)~VGIC_LPI_MORE;
	vgic_leave(vcpu);
}

/* Merge the list registers back that hold LPIs. Return: those that hold other interrupts. */
static __noinline u32 fold_lpis(struct vcpu *vcpu)
{
	struct vgic_cpu *v = vcpu->vgic;
	u32 lrs = v->lpi_fold & (u32)~VGIC_LPI_MORE;

	for (u32 left = lrs; left; left &= left - 1) {
		unsigned int n = (unsigned int)__builtin_ctz(left);

		fold_lpi(vcpu, v->lr_lpi[n], ich_read_lr(n));
	}
	v->lpi_fold &= (u32)VGIC_LPI_MORE;
	if (v->lpi_fold)
		ask_for_lpis(vcpu);
	return v->lr_used & ~lrs;
}

/* The part of fold_lr() that SPIs alone need. */
static __noinline void fold_spi(struct vcpu *vcpu, u32 intid, struct vgic_irq *irq, bool seen)
{
	if (unlikely(irq->report) && seen && !irq->active)
		report_end(vcpu, intid, irq);
	note_busy(vcpu, intid, irq);
	/* the guest routed the SPI to another vCPU while it was in the list register */
	if (!irq->active && vgic_irq_pending(irq) && irq->target != vcpu->index)
		vgic_notify(vcpu, vgic_changed(vcpu, intid, irq));
}

/* Merge one list register back: @was is the value written at entry, @lr the value read now. */
static __always_inline void fold_lr(struct vcpu *vcpu, enum vgic_hw hw, u64 was, u64 lr)
{
	u32 intid = (u32)FIELD_GET(LR_VINTID, was);
	struct vgic_irq *irq = likely(intid < VGIC_PRIVATE) ? &vcpu->vgic->irq[intid]
							    : vgic_irq_of(vcpu, intid);
	bool ended = (was & LR_HW) && !(lr & (LR_PENDING | LR_ACTIVE));
	/* without LR_EOI it may have ended before the host asked to be told */
	bool seen = (was & LR_EOI) && !(lr & LR_PENDING);

	if (unlikely(irq->unpend || irq->activate || irq->deactivate))
		lr = apply_requests(irq, lr);
	irq->in_lr = false;
	irq->active = (lr & LR_ACTIVE) != 0;
	if (irq->lr_latch && (lr & LR_PENDING)) {
		irq->latch = true;
		if (hw == VGIC_GICH && intid < VGIC_SGIS)
			irq->sgi.sources |= (u8)BIT(irq->sgi.taken);
	}
	irq->lr_latch = false;
	if (!irq->active)
		irq->home = VGIC_NO_VCPU;
	if (ended)
		stop_forwarding(vcpu, intid, irq);
	if (likely(intid < VGIC_PRIVATE))
		note_busy(vcpu, intid, irq);
	else
		fold_spi(vcpu, intid, irq, seen);
}

static __noinline void for_each_lpi(struct vgic_cpu *v, void *ctx,
				    void (*visit)(void *ctx, u32 index, struct vgic_irq *irq))
{
	for (u64 left = v->lpi_busy; left; left &= left - 1) {
		u32 place = (u32)__builtin_ctzll(left);

		visit(ctx, LPI_INDEX + place, &v->lpi[place].irq);
	}
}

static __noinline void for_each_spi(struct vcpu *vcpu, void *ctx,
				    void (*visit)(void *ctx, u32 index, struct vgic_irq *irq))
{
	struct vgic *vgic = vcpu->vm->vgic;

	for (u32 words = vgic->busy_words; words; words &= words - 1) {
		u32 first = (u32)__builtin_ctz(words) * 64;

		for (u64 left = vgic->busy[first / 64]; left; left &= left - 1) {
			u32 intid = first + (u32)__builtin_ctzll(left);
			struct vgic_irq *irq = vgic_irq_of(vcpu, intid);

			if ((irq->home == VGIC_NO_VCPU ? irq->target : irq->home) == vcpu->index)
				visit(ctx, intid, irq);
		}
	}
}

/*
 * Call @visit for each busy interrupt that belongs to @vcpu: its private ones, SPIs by home or
 * target, LPIs.
 */
static void for_each_busy(struct vcpu *vcpu, void *ctx,
			  void (*visit)(void *ctx, u32 index, struct vgic_irq *irq))
{
	const u64 own = vcpu->vgic->busy;

	for (u32 left = (u32)own; left; left &= left - 1)
		visit(ctx, (u32)__builtin_ctz(left), &vcpu->vgic->irq[__builtin_ctz(left)]);
	for_each_spi(vcpu, ctx, visit);
	if (unlikely(own & VGIC_BUSY_LPIS))
		for_each_lpi(vcpu->vgic, ctx, visit);
}

/*
 * Interrupts in the order in which they get list registers: by priority, then by INTID, LPIs last.
 * (The architecture leaves the order of equal priorities to the implementation.)
 */
static u32 irq_key(u32 index, const struct vgic_irq *irq)
{
	return (u32)irq->priority << INDEX_BITS | index;
}

/* The @count most urgent interrupts of a kind, ascending by key; there are @total of that kind. */
struct ranking {
	u32 key[ICH_LR_MAX];
	unsigned int count, total;
};

static void rank_candidate(struct ranking *r, u32 key, unsigned int most)
{
	unsigned int at = r->count;

	r->total++;
	if (at == most && r->key[--at] <= key)
		return;
	for (; at > 0 && r->key[at - 1] > key; at--)
		r->key[at] = r->key[at - 1];
	r->key[at] = key;
	r->count = MIN(r->count + 1, most);
}

/* The most urgent interrupts, up to @most, that are active and in no list register. */
struct outside {
	struct ranking active;
	unsigned int most;
};

static void find_active_outside(void *ctx, u32 intid, struct vgic_irq *irq)
{
	struct outside *outside = ctx;

	if (irq->active && !irq->in_lr)
		rank_candidate(&outside->active, irq_key(intid, irq), outside->most);
}

static void deactivate_irq(struct vcpu *vcpu, u32 intid)
{
	struct vgic_irq *irq = vgic_irq_of(vcpu, intid);

	irq->active = false;
	irq->home = VGIC_NO_VCPU;
	if (irq->forwarded)
		release_hw(vcpu, intid);
	if (irq->report)
		report_end(vcpu, intid, irq);
	vgic_notify(vcpu, vgic_changed(vcpu, intid, irq));
}

static u64 vmcr_of(const struct vgic_cpu *v)
{
	return v->loaded & VGIC_IN_ICH ? ich_read_vmcr() : v->vmcr;
}

/*
 * Deactivate the @count most urgent interrupts that are active and in no list register; ICH_LR_MAX
 * at most. Return: how many there were.
 */
static unsigned int deactivate_outside(struct vcpu *vcpu, unsigned int count)
{
	struct outside outside = { .most = MIN(count, (unsigned int)ICH_LR_MAX) };

	for_each_busy(vcpu, &outside, find_active_outside);
	for (unsigned int i = 0; i < outside.active.count; i++)
		deactivate_irq(vcpu, INDEX_OF(outside.active.key[i]));
	return outside.active.count;
}

/*
 * EOIs of interrupts that were active and in no list register: ICH_HCR_EL2.EOIcount says how many,
 * not which. With EOImode=0 a guest ends the most urgent one first. EOIcount has five bits, and one
 * pass deactivates up to ICH_LR_MAX (16), so there are two passes at most that find any.
 */
static __always_inline void fold_eoicount(struct vcpu *vcpu, enum vgic_hw hw)
{
	unsigned int count, done;

	if (!vcpu->vgic->loaded)
		return;
	vcpu->vgic->hcr &= ~ICH_HCR_LRENPIE;
	/*
	 * With EOImode=1 ICC_DIR_EL1 deactivates, and traps, as GICC_DIR always does. QEMU counts EOIs
	 * all the same.
	 */
	if ((hw == VGIC_GICH || this_cpu()->has_tdir) && (hw_read_vmcr(hw) & VMCR_VEOIM))
		return;
	count = (unsigned int)FIELD_GET(ICH_HCR_EOICOUNT, hw_read_hcr(hw));
	do {
		done = count ? deactivate_outside(vcpu, count) : 0;
		count -= done;
	} while (done);
}

static __noinline void fold_ich_eoicount(struct vcpu *vcpu)
{
	fold_eoicount(vcpu, VGIC_ICH);
}

static __noinline void fold_gich_eoicount(struct vcpu *vcpu)
{
	fold_eoicount(vcpu, VGIC_GICH);
}

/* vgic_fold() for a caller that fills list registers again, under the same lock. */
static __always_inline void fold_lrs(struct vcpu *vcpu, enum vgic_hw hw)
{
	struct vgic_cpu *v = vcpu->vgic;
	u32 left = v->lr_used;

	spin_assert_held(&vcpu->vm->vgic->lock);
	ASSERT(!v->loaded || vcpu->cpu == this_cpu());
	if (unlikely(v->hcr & ICH_HCR_LRENPIE))
		hw == VGIC_ICH ? fold_ich_eoicount(vcpu) : fold_gich_eoicount(vcpu);
	if (hw == VGIC_ICH && unlikely(v->lpi_fold))
		left = fold_lpis(vcpu);
	for (; left; left &= left - 1) {
		unsigned int n = (unsigned int)__builtin_ctz(left);

		fold_lr(vcpu, hw, v->lr[n], hw_read_lr(hw, n));
	}
	v->lr_used = 0;
	if (v->forwarded && v->loaded)
		resample_hw(vcpu, false);
	__atomic_store_n(&v->folds, v->folds + 1, __ATOMIC_RELEASE);
}

/*
 * With a GICv2, list registers are empty already when code that both have calls this: they are folded
 * before it is called (vgic_v2_mmio(), vgic_v2_irq()).
 */
void vgic_fold(struct vcpu *vcpu)
{
	ASSERT(!(vcpu->vgic->loaded & VGIC_IN_GICH) || !vcpu->vgic->lr_used);
	fold_lrs(vcpu, VGIC_ICH);
	vcpu_set_attention(vcpu);
}

static __noinline void fold_gich(struct vcpu *vcpu)
{
	fold_lrs(vcpu, VGIC_GICH);
	vcpu_set_attention(vcpu);
}

static __always_inline void fold_from(struct vcpu *vcpu, enum vgic_hw hw)
{
	if (hw == VGIC_ICH)
		vgic_fold(vcpu);
	else
		fold_gich(vcpu);
}

/* ---- filling ---- */

struct candidates {
	u32 ctlr;
	u32 groups; /* groups that the guest has enabled at its CPU interface: VMCR_VENG<n> */
	u32 off;    /* how many pending interrupts are of the other group or groups */
	unsigned int nr_lrs;
	struct ranking active, pending;
};

/* In a key: the interrupt is not signalled until the guest enables its group; sorts last. */
#define KEY_GROUP_OFF BIT(INDEX_BITS + 8)

static u32 group_bit(const struct vgic_irq *irq)
{
	return irq->group1 ? GICD_CTLR_ENABLE_GRP1 : GICD_CTLR_ENABLE_GRP0;
}

/* Whether the distributor delivers the interrupt when it is pending. */
static bool is_group_on(u32 ctlr, const struct vgic_irq *irq)
{
	return irq->enabled && (ctlr & group_bit(irq));
}

static void consider_pending(struct candidates *c, u32 key, bool signalled)
{
	if (!signalled) {
		key |= (u32)KEY_GROUP_OFF;
		c->off++;
	}
	rank_candidate(&c->pending, key, c->nr_lrs);
}

static void consider_irq(void *ctx, u32 intid, struct vgic_irq *irq)
{
	struct candidates *c = ctx;

	if (irq->active)
		rank_candidate(&c->active, irq_key(intid, irq), c->nr_lrs);
	else if (is_group_on(c->ctlr, irq) && vgic_irq_pending(irq))
		consider_pending(c, irq_key(intid, irq), c->groups & group_bit(irq));
}

/*
 * Whether an active interrupt may be pending as well in its list register. It may not while others
 * have no list register: it would become pending again before them, and they may be more urgent.
 */
static bool can_be_both(const struct vcpu *vcpu, u32 intid, const struct vgic_irq *irq)
{
	return !(vcpu->vgic->hcr & ICH_HCR_NPIE) && irq->edge && !irq->forwarded &&
	       (intid < VGIC_PRIVATE || irq->target == vcpu->index);
}

/*
 * An interrupt as the value of a list register; @pending: the distributor delivers it. It is never
 * pending and active at once if it is a forwarded one (HW = 1: ICH_LR<n>_EL2.State forbids it), a
 * level, or routed to another vCPU: then its EOI raises the maintenance interrupt, and list
 * registers are filled again.
 */
static __always_inline u64 make_lr(const struct vcpu *vcpu, u32 intid, const struct vgic_irq *irq,
				   bool pending)
{
	u64 lr = FIELD_PREP(LR_VINTID, intid) | FIELD_PREP(LR_PRIORITY, irq->priority) |
		 (irq->group1 ? LR_GROUP1 : 0);

	if (irq->active) {
		lr |= LR_ACTIVE;
		pending &= can_be_both(vcpu, intid, irq);
	}
	if (pending)
		lr |= LR_PENDING;
	if (irq->forwarded)
		lr |= LR_HW | FIELD_PREP(LR_PINTID, intid);
	else if ((!irq->edge && (irq->line || irq->report)) || (!pending && vgic_irq_pending(irq)))
		lr |= LR_EOI;
	return lr;
}

/*
 * With a GICv2, each vCPU's SGI of a number is one of its own. They have list registers one after the
 * other: the next one's turn comes with the EOI, which raises the maintenance interrupt.
 */
static __always_inline u64 make_sgi_lr(const struct vcpu *vcpu, u32 intid, struct vgic_irq *irq,
				       bool pending)
{
	u64 lr = make_lr(vcpu, intid, irq, pending && !irq->active);

	if (lr & LR_PENDING) {
		irq->sgi.taken = (u8)__builtin_ctz(irq->sgi.sources);
		irq->sgi.sources &= (u8)~BIT(irq->sgi.taken);
		if (irq->sgi.sources)
			lr |= LR_EOI;
	}
	return lr | FIELD_PREP(LR_SOURCE, irq->sgi.taken);
}

static __always_inline void put_irq_in_lr(struct vcpu *vcpu, enum vgic_hw hw, unsigned int n,
					  u32 intid, struct vgic_irq *irq, bool pending)
{
	struct vgic_cpu *v = vcpu->vgic;
	bool sgi = hw == VGIC_GICH && intid < VGIC_SGIS;
	u64 lr = sgi ? make_sgi_lr(vcpu, intid, irq, pending) : make_lr(vcpu, intid, irq, pending);

	v->lr[n] = lr;
	v->lr_used |= (u32)BIT(n);
	irq->in_lr = true;
	irq->home = (u16)vcpu->index;
	if (lr & LR_PENDING) {
		irq->lr_latch = irq->latch;
		irq->latch = sgi && irq->sgi.sources;
	}
	hw_write_lr(hw, n, lr);
}

/* Whether the interrupt is pending, and the distributor delivers it. */
static __always_inline bool is_delivered(const struct vgic *vgic, const struct vgic_irq *irq)
{
	return is_group_on(vgic->ctlr, irq) && vgic_irq_pending(irq);
}

static __noinline void put_lpi_in_lr(struct vcpu *vcpu, unsigned int n, u32 place)
{
	struct vgic_cpu *v = vcpu->vgic;

	v->lr_lpi[n] = (u8)place;
	v->lpi_fold |= (u32)BIT(n);
	put_irq_in_lr(vcpu, VGIC_ICH, n, v->lpi[place].intid, &v->lpi[place].irq,
		      is_delivered(vcpu->vm->vgic, &v->lpi[place].irq));
}

static __always_inline void put_in_lr(struct vcpu *vcpu, enum vgic_hw hw, unsigned int n, u32 index)
{
	struct vgic_irq *irq;

	if (hw == VGIC_ICH && unlikely(index >= LPI_INDEX)) {
		put_lpi_in_lr(vcpu, n, index - LPI_INDEX);
		return;
	}
	irq = vgic_irq_of(vcpu, index);
	put_irq_in_lr(vcpu, hw, n, index, irq, is_delivered(vcpu->vm->vgic, irq));
}

/*
 * Clear the list registers that are not in use any more. When a vCPU is put, none is in use, so the
 * next vCPU on this CPU finds zeros.
 */
static __always_inline void clear_lrs(struct vgic_cpu *v, enum vgic_hw hw)
{
	u32 left = v->lr_written & ~v->lr_used;

	for (; left; left &= left - 1)
		hw_write_lr(hw, (unsigned int)__builtin_ctz(left), 0);
	v->lr_written = v->lr_used;
}

/*
 * ICH_HCR_EL2's bits for the case that pending interrupts have no list register. One of these can
 * become the most urgent when all signalled ones in list registers have been acknowledged, or when
 * the guest enables or disables a group.
 */
static u64 when_to_fill_again(const struct candidates *c, unsigned int pending)
{
	u64 hcr;

	if (c->pending.total == pending)
		return 0;
	hcr = c->groups & VMCR_VENG0 ? ICH_HCR_VGRP0DIE : ICH_HCR_VGRP0EIE;
	hcr |= c->groups & VMCR_VENG1 ? ICH_HCR_VGRP1DIE : ICH_HCR_VGRP1EIE;
	return c->pending.total - c->off > pending ? hcr | ICH_HCR_NPIE : hcr;
}

/*
 * Write the list registers where there may be too few. At least one is for a pending and signalled
 * interrupt: the guest may need to take it before it can end an active one. The active interrupts
 * that are left out are the least urgent ones; EOIcount says when the guest has ended one, or
 * ICC_DIR_EL1 traps.
 */
static __always_inline void fill_by_rank(struct vcpu *vcpu, enum vgic_hw hw)
{
	struct vgic_cpu *v = vcpu->vgic;
	unsigned int active, pending;
	struct candidates c; /* keys are written before they are read: nothing clears them */

	c.ctlr = vcpu->vm->vgic->ctlr;
	c.groups = (u32)hw_read_vmcr(hw) & (VMCR_VENG0 | VMCR_VENG1);
	c.off = 0;
	c.nr_lrs = this_cpu()->nr_lrs;
	c.active.count = c.active.total = 0;
	c.pending.count = c.pending.total = 0;
	for_each_busy(vcpu, &c, consider_irq);
	active = MIN(c.active.count, c.nr_lrs - (c.pending.total > c.off));
	pending = MIN(c.pending.count, c.nr_lrs - active);
	v->hcr = v->hcr_on | when_to_fill_again(&c, pending);
	if (c.active.total > active)
		v->hcr |= ICH_HCR_LRENPIE | (this_cpu()->has_tdir ? ICH_HCR_TDIR : 0);
	for (unsigned int n = 0; n < active; n++)
		put_in_lr(vcpu, hw, n, INDEX_OF(c.active.key[n]));
	for (unsigned int n = 0; n < pending; n++)
		put_in_lr(vcpu, hw, active + n, INDEX_OF(c.pending.key[n]));
}

static __noinline void fill_ich_by_rank(struct vcpu *vcpu)
{
	fill_by_rank(vcpu, VGIC_ICH);
}

static __noinline void fill_gich_by_rank(struct vcpu *vcpu)
{
	fill_by_rank(vcpu, VGIC_GICH);
}

/* Whether @left list registers are enough for @own, of its private ones, and for all busy SPIs. */
static __always_inline bool lrs_are_enough(const struct vgic *vgic, u64 own, unsigned int left)
{
	for (; own; own &= own - 1)
		if (!left--)
			return false;
	for (u32 words = vgic->busy_words; words; words &= words - 1)
		for (u64 spis = vgic->busy[__builtin_ctz(words)]; spis; spis &= spis - 1)
			if (!left--)
				return false;
	return true;
}

/*
 * Whether there is a list register for each busy interrupt, of whatever vCPU the SPIs are. LPIs
 * have the long way.
 */
static __always_inline bool all_have_lrs(const struct vcpu *vcpu)
{
	u64 own = vcpu->vgic->busy;

	return likely(!(own & VGIC_BUSY_LPIS)) &&
	       lrs_are_enough(vcpu->vm->vgic, own, this_cpu()->nr_lrs);
}

/* The same where it has LPIs. */
static bool lpis_have_lrs(const struct vcpu *vcpu)
{
	const struct vgic_cpu *v = vcpu->vgic;
	unsigned int left = this_cpu()->nr_lrs;

	for (u64 lpis = v->lpi_busy; lpis; lpis &= lpis - 1)
		if (!left--)
			return false;
	return lrs_are_enough(vcpu->vm->vgic, v->busy & ~VGIC_BUSY_LPIS, left);
}

/* Put the interrupt in list register @n if it belongs in one. Return: the next free one. */
static __always_inline unsigned int put_if_due(struct vcpu *vcpu, enum vgic_hw hw, unsigned int n,
					       u32 intid, struct vgic_irq *irq)
{
	bool pending = is_delivered(vcpu->vm->vgic, irq);

	if (!pending && !irq->active)
		return n;
	put_irq_in_lr(vcpu, hw, n, intid, irq, pending);
	return n + 1;
}

struct next_lr {
	struct vcpu *vcpu;
	unsigned int n;
};

static void put_spi_in_ich(void *ctx, u32 intid, struct vgic_irq *irq)
{
	struct next_lr *next = ctx;

	next->n = put_if_due(next->vcpu, VGIC_ICH, next->n, intid, irq);
}

static void put_spi_in_gich(void *ctx, u32 intid, struct vgic_irq *irq)
{
	struct next_lr *next = ctx;

	next->n = put_if_due(next->vcpu, VGIC_GICH, next->n, intid, irq);
}

/*
 * Each interrupt has its list register: no order, and nothing to look for when some are free. LPIs
 * are not among them. Return: the next free list register.
 */
static __always_inline unsigned int fill_all(struct vcpu *vcpu, enum vgic_hw hw)
{
	struct vgic_cpu *v = vcpu->vgic;
	struct next_lr next = { .vcpu = vcpu, .n = 0 };

	v->hcr = v->hcr_on;
	for (u32 left = (u32)v->busy; left; left &= left - 1) {
		u32 intid = (u32)__builtin_ctz(left);

		next.n = put_if_due(vcpu, hw, next.n, intid, &v->irq[intid]);
	}
	if (unlikely(vcpu->vm->vgic->busy_words))
		for_each_spi(vcpu, &next, hw == VGIC_ICH ? put_spi_in_ich : put_spi_in_gich);
	return next.n;
}

/* The same with LPIs, of which none is ever active. */
static __noinline void fill_with_lpis(struct vcpu *vcpu)
{
	const struct vgic *vgic = vcpu->vm->vgic;
	unsigned int n = fill_all(vcpu, VGIC_ICH);

	for (u64 left = vcpu->vgic->lpi_busy; left; left &= left - 1) {
		u32 place = (u32)__builtin_ctzll(left);

		if (is_delivered(vgic, &vcpu->vgic->lpi[place].irq))
			put_lpi_in_lr(vcpu, n++, place);
	}
}

static __noinline void fill_ich_slowly(struct vcpu *vcpu)
{
	if (likely(lpis_have_lrs(vcpu)))
		fill_with_lpis(vcpu);
	else
		fill_ich_by_rank(vcpu);
}

/* Write the list registers. */
static __always_inline void fill_lrs(struct vcpu *vcpu, enum vgic_hw hw)
{
	struct vgic_cpu *v = vcpu->vgic;

	if (likely(all_have_lrs(vcpu)))
		fill_all(vcpu, hw);
	else
		hw == VGIC_ICH ? fill_ich_slowly(vcpu) : fill_gich_by_rank(vcpu);
	clear_lrs(v, hw);
	hw_write_hcr(hw, v->hcr);
}

/* ---- WFI ---- */

/*
 * Whether the interrupt, if pending, is signalled: enabled, not active, within the priority mask.
 */
static __always_inline bool is_urgent(u64 vmcr, u32 ctlr, const struct vgic_irq *irq)
{
	return is_group_on(ctlr, irq) && !irq->active &&
	       (vmcr & (irq->group1 ? VMCR_VENG1 : VMCR_VENG0)) &&
	       irq->priority < FIELD_GET(VMCR_VPMR, vmcr);
}

/*
 * A redistributor that is asleep (GICR_WAKER) requests that its PE be woken for what the distributor
 * delivers, whatever the CPU interface disables or masks: software that lets a PE lose its power puts
 * both to sleep first, and waits by PSCI's CPU_SUSPEND.
 */
static bool wakes_redist(const struct vcpu *vcpu, u32 ctlr, const struct vgic_irq *irq)
{
	return READ_ONCE(vcpu->vgic->asleep) && is_group_on(ctlr, irq) && !irq->active;
}

bool vgic_wakes(struct vcpu *vcpu, u32 intid)
{
	const struct vgic_irq *irq = &vcpu->vgic->irq[intid];
	struct vgic *vgic = vcpu->vm->vgic;
	u32 ctlr;

	ASSERT(vcpu->vgic->loaded);
	/*
	 * Without the lock: if another vCPU enables the interrupt at this moment, it notifies this
	 * one, which then does not sleep.
	 */
	ctlr = __atomic_load_n(&vgic->ctlr, __ATOMIC_RELAXED);
	return is_urgent(vmcr_of(vcpu->vgic), ctlr, irq) || wakes_redist(vcpu, ctlr, irq);
}

struct search {
	const struct vcpu *vcpu;
	u64 vmcr;
	u32 ctlr;
	bool found;
};

static void look_for_urgent(void *ctx, u32 intid, struct vgic_irq *irq)
{
	struct search *s = ctx;

	(void)intid;
	s->found |= vgic_irq_pending(irq) &&
		    (is_urgent(s->vmcr, s->ctlr, irq) || wakes_redist(s->vcpu, s->ctlr, irq));
}

/* Whether WFI ends. The running priority is ignored, since WFI may end without a reason. */
static __always_inline bool wfi_ends(struct vcpu *vcpu, enum vgic_hw hw)
{
	struct vgic *vgic = vcpu->vm->vgic;
	struct search s = { .vcpu = vcpu, .found = false };

	if (!vgic || vgic_is_idle(vcpu))
		return false;
	spin_lock(&vgic->lock);
	s.vmcr = vmcr_of(vcpu->vgic);
	s.ctlr = vgic->ctlr;
	fold_from(vcpu, hw);
	for_each_busy(vcpu, &s, look_for_urgent);
	spin_unlock(&vgic->lock);
	return s.found;
}

static bool vgic_pending(struct vcpu *vcpu)
{
	return wfi_ends(vcpu, VGIC_ICH);
}

/* The interrupt is in a list register: request its vCPU to deactivate it when it folds, now. */
static void deactivate_elsewhere(struct vcpu *vcpu, u32 intid, struct vgic_irq *irq)
{
	irq->activate = false;
	irq->deactivate = true;
	vgic_notify(vcpu, vgic_changed(vcpu, intid, irq));
}

void vgic_deactivate(struct vcpu *vcpu, u32 intid)
{
	struct vgic *vgic = vcpu->vm->vgic;
	struct vgic_irq *irq;

	spin_lock(&vgic->lock);
	vgic_fold(vcpu);
	irq = vgic_irq_of(vcpu, intid);
	if (irq && irq->in_lr)
		deactivate_elsewhere(vcpu, intid, irq);
	else if (irq && irq->active)
		deactivate_irq(vcpu, intid);
	spin_unlock(&vgic->lock);
}

void vgic_write_dir(struct vcpu *vcpu, u64 value)
{
	if (vcpu->vm->vgic && (vmcr_of(vcpu->vgic) & VMCR_VEOIM))
		vgic_deactivate(vcpu, (u32)value & ICC_INTID);
}

/* ---- hooks ---- */

/*
 * ICH_HCR_EL2 without list registers in use. With EOImode=1 a vCPU may deactivate an SPI that
 * another vCPU took, and that is in none of its own list registers, so ICC_DIR_EL1 always traps in
 * a VM with several vCPUs. A guest with EOImode=0 does not write it.
 */
static u64 base_hcr(const struct vgic *vgic)
{
	return ICH_HCR_EN | (this_cpu()->has_tdir && vgic->nr_frames > 1 ? ICH_HCR_TDIR : 0);
}

#ifdef KEEL_DEBUG
static void die_of(u32 intid, const char *why)
{
	if (why)
		panic("vGIC, INTID %u: %s", intid, why);
}

static void assert_cpu_sane(struct vcpu *vcpu)
{
	u32 intid;
	const char *why = vgic_cpu_sane(vcpu, &intid);

	die_of(intid, why);
}

static void assert_spis_sane(struct vm *vm, u32 first, u32 count)
{
	u32 intid;
	const char *why = vgic_spis_sane(vm, first, count, &intid);

	die_of(intid, why);
}
#else
static void assert_cpu_sane(struct vcpu *vcpu)
{
	(void)vcpu;
}

static void assert_spis_sane(struct vm *vm, u32 first, u32 count)
{
	(void)vm;
	(void)first;
	(void)count;
}
#endif

/* All that is new until now is in the list registers, but for what the host is to do. */
static void clear_attention(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->attention, vcpu->vgic->leave, __ATOMIC_RELAXED);
}

/* Under vgic->lock, after a fold. */
static __always_inline void fill_at_once(struct vcpu *vcpu, enum vgic_hw hw)
{
	fill_lrs(vcpu, hw);
	assert_cpu_sane(vcpu);
	clear_attention(vcpu);
}

/*
 * List registers are filled at once, under the lock that is held anyway, and not at the next entry;
 * unless they are lent, or were until this exit: then vgic_lend() or vgic_refill() comes.
 */
bool vgic_forward(struct vcpu *vcpu, u32 intid)
{
	struct vgic_irq *irq = &vcpu->vgic->irq[intid];
	bool new;

	spin_lock(&vcpu->vm->vgic->lock);
	fold_lrs(vcpu,
		 VGIC_ICH); /* the guest may have ended the previous one in its list register */
	new = !irq->forwarded;
	if (new) {
		gicr_set_active(this_cpu()->gicr, intid);
		irq->forwarded = true;
		vcpu->vgic->forwarded |= (u32)BIT(intid);
		irq->line = true;
		vgic_has_pended(vcpu, intid);
	}
	/*
	 * This can take away what a maintenance interrupt is raised for. vgic_irq() has seen it by then:
	 * boot/main.c registers the vGIC's hooks before the timer's.
	 */
	if (likely(!vcpu->vgic->emptied))
		fill_at_once(vcpu, VGIC_ICH);
	else
		vcpu_set_attention(vcpu);
	spin_unlock(&vcpu->vm->vgic->lock);
	return new;
}

/*
 * If the vCPU has nothing in list registers, nor for them, that is all that is new: without the lock.
 * Attention is cleared before the state is read: see vgic_is_idle(). False: it is as it was, but for
 * attention.
 */
static __always_inline bool set_idle(struct vcpu *vcpu, enum vgic_hw hw)
{
	struct vgic_cpu *v = vcpu->vgic;

	(void)__atomic_exchange_n(&vcpu->attention, false, __ATOMIC_SEQ_CST);
	if (!vgic_is_idle(vcpu))
		return false;
	clear_lrs(v, hw);
	v->hcr = v->hcr_on;
	hw_write_hcr(hw, v->hcr);
	return true;
}

static __always_inline void fold_and_fill(struct vcpu *vcpu, enum vgic_hw hw)
{
	answer_kick(vcpu);
	if (set_idle(vcpu, hw))
		return;
	spin_lock(&vcpu->vm->vgic->lock);
	fold_lrs(vcpu, hw);
	fill_at_once(vcpu, hw);
	spin_unlock(&vcpu->vm->vgic->lock);
}

static void vgic_load(struct vcpu *vcpu)
{
	struct vgic_cpu *v = vcpu->vgic;
	const struct percpu *cpu = this_cpu();

	if (!cpu->nr_lrs) /* the CPU has no interface that a guest could reach */
		return;
	icc_open_sre(false); /* ICC_SRE_EL1 traps: a row of trap/sysreg.c emulates it */
	/* a VM without a vGIC has no CPU interface either: all of it traps */
	if (!vcpu->vm->vgic) {
		ich_write_hcr(ICH_HCR_TC | ICH_HCR_TALL0 | ICH_HCR_TALL1);
		return;
	}
	ich_write_vmcr(v->vmcr);
	ich_write_apr(v->ap0r, v->ap1r, cpu->nr_aprs);
	v->hcr_on = base_hcr(vcpu->vm->vgic);
	v->loaded = VGIC_IN_ICH;
	v->leave = false;
	if (!set_idle(vcpu, VGIC_ICH))
		vcpu_set_attention(vcpu);
}

static enum vcpu_action vgic_enter(struct vcpu *vcpu)
{
	if (!vcpu->vm->vgic)
		return VCPU_RESUME;
	fold_and_fill(vcpu, VGIC_ICH);
	return vcpu->vgic->leave ? vcpu_to_host(KEEL_EXIT_IRQ) : VCPU_RESUME;
}

/* ---- the CPU's interface for a nested guest ---- */

/* ICH_AP<n>R<m>_EL2: a bit for each preemption level that is active; 0x100 if none is. */
static u32 running_priority(void)
{
	unsigned int bits = (unsigned int)FIELD_GET(VTR_PREBITS, priorities) + 1;
	const unsigned int count = this_cpu()->nr_aprs;
	u64 ap0r[4] = { 0 }, ap1r[4] = { 0 };

	ich_read_apr(ap0r, ap1r, count);
	for (unsigned int n = 0; n < count; n++) {
		u32 active = (u32)(ap0r[n] | ap1r[n]);

		if (active)
			return (n * 32 + (u32)__builtin_ctz(active)) << (8 - bits);
	}
	return 0x100;
}

/* The part of the priority by which it preempts: the binary point is above the other part. */
static u32 group_priority(u64 vmcr, const struct vgic_irq *irq)
{
	bool own = irq->group1 && !(vmcr & VMCR_VCBPR);
	unsigned int low = own ? (unsigned int)FIELD_GET(VMCR_VBPR1, vmcr)
			       : (unsigned int)FIELD_GET(VMCR_VBPR0, vmcr) + 1;

	return irq->priority & (0xffU << low);
}

struct signal_search {
	u64 vmcr;
	u32 ctlr, running, key;
	enum vgic_signal found;
};

static void look_for_signal(void *ctx, u32 intid, struct vgic_irq *irq)
{
	struct signal_search *s = ctx;

	if (!vgic_irq_pending(irq) || !is_urgent(s->vmcr, s->ctlr, irq) ||
	    group_priority(s->vmcr, irq) >= s->running || irq_key(intid, irq) >= s->key)
		return;
	s->key = irq_key(intid, irq);
	s->found = irq->group1 ? VGIC_IRQ : VGIC_FIQ;
}

/* What a CPU interface with all interrupts in list registers would signal. None is in one. */
static enum vgic_signal find_signal(struct vcpu *vcpu)
{
	struct signal_search s = { .vmcr = ich_read_vmcr(),
				   .ctlr = vcpu->vm->vgic->ctlr,
				   .running = running_priority(),
				   .key = ~0U };

	for_each_busy(vcpu, &s, look_for_signal);
	return s.found;
}

/*
 * Empty the list registers, or fill them anew. All under one lock: a change that this does not see
 * sets attention afterwards.
 */
static __noinline enum vgic_signal exchange_lrs(struct vcpu *vcpu, bool lend)
{
	struct vgic_cpu *v = vcpu->vgic;
	enum vgic_signal signal = VGIC_NO_SIGNAL;

	spin_lock(&vcpu->vm->vgic->lock);
	vgic_fold(vcpu);
	if (lend)
		signal = find_signal(vcpu);
	if (lend && signal == VGIC_NO_SIGNAL)
		clear_lrs(v, VGIC_ICH);
	else
		fill_lrs(vcpu, VGIC_ICH);
	assert_cpu_sane(vcpu);
	clear_attention(vcpu);
	spin_unlock(&vcpu->vm->vgic->lock);
	return signal;
}

/* Without list registers in use, and nothing new, nothing is pending that could be signalled. */
enum vgic_signal vgic_lend(struct vcpu *vcpu)
{
	struct vgic_cpu *v = vcpu->vgic;
	enum vgic_signal signal = VGIC_NO_SIGNAL;

	ASSERT(vcpu->vgic->loaded);
	if (v->lr_used || vcpu_has_attention(vcpu))
		signal = exchange_lrs(vcpu, true);
	if (signal != VGIC_NO_SIGNAL)
		return signal;
	v->emptied = true;
	v->vmcr = ich_read_vmcr();
	ich_read_apr(v->ap0r, v->ap1r, this_cpu()->nr_aprs);
	return VGIC_NO_SIGNAL;
}

void vgic_end_loan(struct vcpu *vcpu)
{
	struct vgic_cpu *v = vcpu->vgic;

	ich_write_vmcr(v->vmcr);
	ich_write_apr(v->ap0r, v->ap1r, this_cpu()->nr_aprs);
	v->hcr = v->hcr_on;
	ich_write_hcr(v->hcr);
}

void vgic_refill(struct vcpu *vcpu)
{
	struct vgic_cpu *v = vcpu->vgic;

	if (v->emptied || vcpu_has_attention(vcpu))
		(void)exchange_lrs(vcpu, false);
	v->emptied = false;
}

u32 vgic_forwarded(const struct vcpu *vcpu)
{
	u32 found = 0;

	for (u32 left = vcpu->vgic->forwarded; left; left &= left - 1)
		if (vcpu->vgic->irq[__builtin_ctz(left)].active)
			found |= left & -left;
	return found;
}

void vgic_end_forwarded(struct vcpu *vcpu, u32 intid)
{
	struct vgic_irq *irq = &vcpu->vgic->irq[intid];

	spin_lock(&vcpu->vm->vgic->lock);
	if (irq->forwarded) {
		irq->active = false;
		irq->home = VGIC_NO_VCPU;
		stop_forwarding(vcpu, intid, irq);
		(void)vgic_changed(vcpu, intid, irq);
	}
	spin_unlock(&vcpu->vm->vgic->lock);
}

void vgic_stop_forwarding(struct vcpu *vcpu, u32 intid, bool level)
{
	struct vgic_irq *irq = &vcpu->vgic->irq[intid];

	if (!irq->forwarded && irq->line == level)
		return;
	spin_lock(&vcpu->vm->vgic->lock);
	vgic_fold(vcpu);
	if (irq->forwarded)
		release_hw(vcpu, intid);
	(void)set_level_locked(vcpu, intid, level);
	spin_unlock(&vcpu->vm->vgic->lock);
}

/* ---- hooks, continued ---- */

static void vgic_put(struct vcpu *vcpu)
{
	const struct percpu *cpu = this_cpu();
	struct vgic_cpu *v = vcpu->vgic;

	if (!cpu->nr_lrs)
		return;
	if (vcpu->vm->vgic) {
		if (v->lr_used | v->forwarded | (u32)(v->hcr & ICH_HCR_LRENPIE)) {
			spin_lock(&vcpu->vm->vgic->lock);
			vgic_fold(vcpu);
			resample_hw(vcpu, true);
			spin_unlock(&vcpu->vm->vgic->lock);
		}
		clear_lrs(v, VGIC_ICH);
		v->vmcr = ich_read_vmcr();
		ich_read_apr(v->ap0r, v->ap1r, cpu->nr_aprs);
		v->loaded = 0;
	}
	ich_write_hcr(0);
	icc_open_sre(true);
	isb(); /* the maintenance interrupt is deasserted before the host could take it */
}

/*
 * The maintenance interrupt. It is asserted when the guest has ended a level, or an interrupt
 * without a list register, or when no list register is pending while more interrupts wait; or
 * another vCPU's kick made it pending. The next entry removes the cause, and so deasserts it.
 */
static enum vcpu_action vgic_irq(struct vcpu *vcpu)
{
	if (!vcpu->vm->vgic || !(vcpu_is_kicked(vcpu) || ich_read_misr()))
		return VCPU_NOT_MINE;
	vcpu_set_attention(vcpu);
	return VCPU_RESUME;
}

/* As KVM's: SGIs are enabled at reset, and a GICv2's interrupts of group 0. */
static void reset_vgic_irq(struct vgic_irq *irq, bool sgi)
{
	bool v2 = vgic_is_v2();

	*irq = (struct vgic_irq){
		.group1 = !v2, .enabled = sgi, .edge = sgi, .target = 0, .home = VGIC_NO_VCPU
	};
}

/*
 * All are alike: an edge, as KVM's; GICD_ITARGETSR<n> is 0, or GICD_IROUTER<n>, which names the vCPU
 * with that affinity.
 */
static struct vgic_irq spi_at_reset(const struct vgic *vgic)
{
	struct vgic_irq irq;

	reset_vgic_irq(&irq, false);
	irq.edge = true;
	if (vgic_is_v2())
		irq.target = vgic_first_vcpu(vgic);
	return irq;
}

/* All but LPIs, which are the host's to take back. */
static void reset_vgic_cpu(struct vgic_cpu *v)
{
	memset(v, 0, offsetof(struct vgic_cpu, lpi_busy));
	for (u32 intid = 0; intid < VGIC_PRIVATE; intid++)
		reset_vgic_irq(&v->irq[intid], intid < VGIC_SGIS);
	vgic_set_lpi_busy(v, v->lpi_busy);
	v->vmcr = vgic_is_v2() ? VMCR_V2_RESET : VMCR_RESET;
}

/* As after reset, but a pending edge stays, and the input keeps its level. In no list register. */
static void restart_private_irq(struct vcpu *vcpu, u32 intid)
{
	struct vgic_irq *irq = &vcpu->vgic->irq[intid];
	bool line = irq->line, latch = irq->latch;
	u8 sources = irq->sgi.sources;

	reset_vgic_irq(irq, intid < VGIC_SGIS);
	irq->line = line;
	irq->latch = latch;
	irq->sgi.sources = sources;
	note_busy(vcpu, intid, irq);
}

static __always_inline void restart_cpu(struct vcpu *vcpu, enum vgic_hw hw)
{
	struct vgic *vgic = vcpu->vm->vgic;
	struct vgic_cpu *v = vcpu->vgic;

	if (!vgic)
		return;
	spin_lock(&vgic->lock);
	fold_from(vcpu, hw);
	resample_hw(vcpu, true);
	for (u32 intid = 0; intid < VGIC_PRIVATE; intid++)
		restart_private_irq(vcpu, intid);
	v->asleep = false;
	WRITE_ONCE(v->statusr, 0);
	spin_unlock(&vgic->lock);
	memset(v->ap0r, 0, sizeof(v->ap0r));
	memset(v->ap1r, 0, sizeof(v->ap1r));
	hw_write_apr(hw, v->ap0r, v->ap1r, this_cpu()->nr_aprs);
	hw_write_vmcr(hw, hw == VGIC_ICH ? VMCR_RESET : VMCR_V2_RESET);
}

void vgic_cpu_on(struct vcpu *vcpu)
{
	restart_cpu(vcpu, VGIC_ICH);
}

/* The vCPU is not loaded, so no list register is in use. Inputs keep their levels. */
static void reset_vgic_vcpu(struct vcpu *vcpu)
{
	u32 lines = 0;

	if (!vcpu->vm->vgic)
		return;
	spin_lock(&vcpu->vm->vgic->lock);
	for (u32 intid = 0; intid < VGIC_PRIVATE; intid++)
		lines |= (u32)vcpu->vgic->irq[intid].line << intid;
	reset_vgic_cpu(vcpu->vgic);
	for (; lines; lines &= lines - 1)
		set_level_locked(vcpu, (u32)__builtin_ctz(lines), true);
	spin_unlock(&vcpu->vm->vgic->lock);
}

/* A write of a CPU interface's register that traps. */
static enum vcpu_action vgic_write_sysreg(struct vcpu *vcpu, u32 encoding, u64 value)
{
	if (likely(encoding == REG_NUM(ICC_SGI1R_EL1)))
		return vgic_write_sgi1r(vcpu, value);
	if (encoding != REG_NUM(ICC_DIR_EL1)) /* ICC_SGI0R_EL1, ICC_ASGI1R_EL1 */
		return vgic_write_sgi0r(vcpu, value);
	vgic_write_dir(vcpu, value);
	return VCPU_RESUME;
}

static const struct trap_device device = {
	.write = vgic_write_sysreg,
	.mmio = vgic_mmio,
	.cpu_on = vgic_cpu_on,
};

static const struct vcpu_hooks hooks = {
	.load = vgic_load,
	.put = vgic_put,
	.enter = vgic_enter,
	.irq = vgic_irq,
	.pending = vgic_pending,
	.reset = reset_vgic_vcpu,
};

/* ---- the same with a GICv2 ---- */

/*
 * Code that knows one kind of list registers, as the timer's, finds none in use here: vgic_cpu.emptied
 * says so while the vCPU is loaded, and that vgic_v2_enter() will fill them.
 */
static void vgic_v2_load(struct vcpu *vcpu)
{
	struct vgic_cpu *v = vcpu->vgic;

	if (!vcpu->vm->vgic) /* GICH_HCR is 0, and GICV is in no VM without a vGIC */
		return;
	hw_write_vmcr(VGIC_GICH, v->vmcr);
	hw_write_apr(VGIC_GICH, v->ap0r, v->ap1r, 1);
	v->hcr_on = ICH_HCR_EN;
	v->loaded = VGIC_IN_GICH;
	v->leave = false;
	v->emptied = true;
	if (!set_idle(vcpu, VGIC_GICH))
		vcpu_set_attention(vcpu);
}

static enum vcpu_action vgic_v2_enter(struct vcpu *vcpu)
{
	if (!vcpu->vm->vgic)
		return VCPU_RESUME;
	fold_and_fill(vcpu, VGIC_GICH);
	return vcpu->vgic->leave ? vcpu_to_host(KEEL_EXIT_IRQ) : VCPU_RESUME;
}

void vgic_v2_fold(struct vcpu *vcpu)
{
	struct vgic_cpu *v = vcpu->vgic;

	v->vmcr = hw_read_vmcr(VGIC_GICH);
	if (!(v->lr_used | v->forwarded | (u32)(v->hcr & ICH_HCR_LRENPIE)))
		return;
	spin_lock(&vcpu->vm->vgic->lock);
	fold_gich(vcpu);
	spin_unlock(&vcpu->vm->vgic->lock);
}

static void vgic_v2_put(struct vcpu *vcpu)
{
	struct vgic_cpu *v = vcpu->vgic;

	if (!vcpu->vm->vgic)
		return;
	vgic_v2_fold(vcpu);
	if (v->forwarded) {
		spin_lock(&vcpu->vm->vgic->lock);
		resample_hw(vcpu, true);
		spin_unlock(&vcpu->vm->vgic->lock);
	}
	clear_lrs(v, VGIC_GICH);
	hw_read_apr(VGIC_GICH, v->ap0r, v->ap1r, 1);
	v->loaded = 0;
	v->emptied = false;
	hw_write_hcr(VGIC_GICH, 0);
	(void)hw_read_hcr(VGIC_GICH); /* the maintenance interrupt is deasserted */
}

/* Whatever interrupts: what comes behind it, the timer's, finds list registers folded. */
static enum vcpu_action vgic_v2_irq(struct vcpu *vcpu)
{
	bool mine;

	if (!vcpu->vm->vgic)
		return VCPU_NOT_MINE;
	mine = vcpu_is_kicked(vcpu) || hw_read_misr(VGIC_GICH);
	vgic_v2_fold(vcpu);
	if (!mine)
		return VCPU_NOT_MINE;
	vcpu_set_attention(vcpu);
	return VCPU_RESUME;
}

static bool vgic_v2_pending(struct vcpu *vcpu)
{
	if (vcpu->vm->vgic)
		vcpu->vgic->vmcr = hw_read_vmcr(VGIC_GICH);
	return wfi_ends(vcpu, VGIC_GICH);
}

static void vgic_v2_cpu_on(struct vcpu *vcpu)
{
	restart_cpu(vcpu, VGIC_GICH);
}

/* Its CPU has none of the GICv3's registers, which are UNDEFINED before they could trap. */
static enum vcpu_action vgic_v2_write_sysreg(struct vcpu *vcpu, u32 encoding, u64 value)
{
	(void)vcpu;
	(void)encoding;
	(void)value;
	return VCPU_RESUME;
}

static const struct trap_device v2_device = {
	.write = vgic_v2_write_sysreg,
	.mmio = vgic_v2_mmio,
	.cpu_on = vgic_v2_cpu_on,
};

static const struct vcpu_hooks v2_hooks = {
	.load = vgic_v2_load,
	.put = vgic_v2_put,
	.enter = vgic_v2_enter,
	.irq = vgic_v2_irq,
	.pending = vgic_v2_pending,
	.reset = reset_vgic_vcpu,
};

/* ---- what a CPU has ---- */

/* GICD: one register for each CPU in the same place, as a GICv3 has them in redistributors; and SGIs. */
#define GICD_ITARGETSR0 0x800
#define GICD_SGIR	0xf00
#define GICD_CPENDSGIR	0xf10

/* A bit for this CPU's interface. A machine of one CPU need not say. */
static u32 own_interface(const struct percpu *cpu)
{
	u32 targets = mmio_read32((u8 *)cpu->gicr + GICD_ITARGETSR0);

	targets |= targets >> 16;
	targets |= targets >> 8;
	return targets & 0xff ? targets & 0xff : 1;
}

/* Whether KEEL_KICK_SGI is there, and not of the Secure world. It stays as enabled as it was. */
static bool has_kick_sgi(u8 *gicd)
{
	u32 bit = (u32)BIT(KEEL_KICK_SGI), was = mmio_read32(gicd + GICR_ISENABLER0);
	bool is_there;

	mmio_write32(gicd + GICR_ISENABLER0, bit);
	is_there = mmio_read32(gicd + GICR_ISENABLER0) & bit;
	if (!(was & bit))
		mmio_write32(gicd + GICR_ICENABLER0, bit);
	return is_there;
}

/*
 * How this CPU is kicked while it has a guest, and how that is taken back. Other CPUs reach each PPI's
 * pending bit in a GICv3; a GICv2 has SGIs for it. If all that the host does not use are the Secure
 * world's, it is SGI 0, which stays pending: the host, if it is Linux, takes it as a call of its
 * scheduler, once for each kick, and finds nothing to do.
 */
static void set_kick(struct percpu *cpu)
{
	u8 *gicr = cpu->gicr;

	if (!gicr)
		return;
	if (!gich) {
		cpu->kick_reg = gicr + GICR_ISPENDR0;
		cpu->unkick_reg = gicr + GICR_ICPENDR0;
		cpu->kick_value = cpu->unkick_value = (u32)BIT(VGIC_PPI_MAINTENANCE);
		return;
	}
	cpu->kick_reg = gicr + GICD_SGIR;
	cpu->kick_value = own_interface(cpu) << 16;
	cpu->unkick_reg = gicr + GICD_CPENDSGIR + KEEL_KICK_SGI / 4 * 4;
	cpu->unkick_value = 0;
	if (!has_kick_sgi(gicr))
		return;
	cpu->kick_value |= KEEL_KICK_SGI;
	cpu->unkick_value = 0xffU << (KEEL_KICK_SGI % 4 * 8);
}

/* The same for GICH. Return: GICH_VTR. */
static u64 ask_gich(struct percpu *cpu)
{
	u64 vtr = mmio_read32(gich + GICH_VTR);

	cpu->nr_lrs = (u8)MIN((unsigned int)FIELD_GET(GICH_VTR_LISTREGS, vtr) + 1, (u32)ICH_LR_MAX);
	cpu->has_tdir = false;
	cpu->nr_aprs = 1;
	hw_write_hcr(VGIC_GICH, 0);
	for (unsigned int n = 0; n < cpu->nr_lrs; n++)
		hw_write_lr(VGIC_GICH, n, 0);
	return vtr;
}

/*
 * Read what this CPU's interface has, and clear its list registers, which are UNKNOWN after reset.
 * Return: ICH_VTR_EL2; 0 without an interface.
 */
static u64 ask_interface(struct percpu *cpu)
{
	u64 vtr = icc_present() ? ich_read_vtr() : 0;

	cpu->nr_lrs = 0;
	set_kick(cpu);
	if (gich)
		return ask_gich(cpu);
	if (!icc_present())
		return 0;
	cpu->nr_lrs = (u8)MIN((unsigned int)FIELD_GET(VTR_LISTREGS, vtr) + 1, (u32)ICH_LR_MAX);
	cpu->has_tdir = vtr & VTR_TDS;
	/*
	 * PREbits is the number of preemption bits less one; 5, 6 or 7 bits take 1, 2 or 4
	 * registers
	 */
	cpu->nr_aprs =
		(u8)(1U << (MIN(MAX((unsigned int)FIELD_GET(VTR_PREBITS, vtr) + 1, 5U), 7U) - 5));
	for (unsigned int n = 0; n < cpu->nr_lrs; n++)
		ich_write_lr(n, 0);
	return vtr;
}

bool vgic_cpu_online(void)
{
	struct percpu *cpu = this_cpu();
	u64 vtr = ask_interface(cpu);

	return !usable ||
	       (cpu->nr_lrs && cpu->gicr && (vtr & (VTR_PREBITS | VTR_PRIBITS)) == priorities);
}

unsigned int vgic_version(void)
{
	if (!usable)
		return 0;
	return vgic_is_v2() ? 2 : 3;
}

bool vgic_use_v2(const struct vgic_v2_frames *frames)
{
	if (icc_present() && frames->gich)
		return false;
	gich = frames->gich;
	vgic_v2 = *frames;
	return true;
}

void vgic_init(void)
{
	struct percpu *cpu = this_cpu();

	priorities = ask_interface(cpu) & (VTR_PREBITS | VTR_PRIBITS);
	usable = cpu->nr_lrs && cpu->gicr;
	if (!usable)
		log_info("%s: virtual machines get no interrupt controller",
			 cpu->nr_lrs ? "no redistributor was found" : "no GICv3");
	/* also if VMs can have no vGIC: vgic_load() keeps guests from the CPU's interface */
	vcpu_add_hooks(gich ? &v2_hooks : &hooks);
	trap_set_device(TRAP_DEVICE_VGIC, gich ? &v2_device : &device);
}

/* ---- the CPU's interface of a vCPU that does not run, for the host ---- */

/* ICC_CTLR_EL1: what is the guest's; and what the hardware has */
#define CTLR_CBPR    BIT(0)
#define CTLR_EOIMODE BIT(1)
#define CTLR_PRIBITS GENMASK(10, 8)
#define CTLR_IDBITS  GENMASK(13, 11)
#define CTLR_SEIS    BIT(14)
#define CTLR_A3V     BIT(15)
#define SRE_VALUE    7 /* ICC_SRE_EL1: system registers alone */
#define BPR1_MOST    7 /* with ICC_CTLR_EL1.CBPR: ICC_BPR0_EL1 and one more, up to this */

/* Registers that are a field of ICH_VMCR_EL2. */
static const struct {
	u32 encoding;
	u64 field;
} icc_fields[] = {
	{ REG_NUM(ICC_PMR_EL1), VMCR_VPMR },
	{ REG_NUM(ICC_BPR0_EL1), VMCR_VBPR0 },
	{ REG_NUM(ICC_IGRPEN0_EL1), VMCR_VENG0 },
	{ REG_NUM(ICC_IGRPEN1_EL1), VMCR_VENG1 },
};

static void access_field(u64 *vmcr, u64 field, bool write, u64 *value)
{
	unsigned int shift = (unsigned int)__builtin_ctzll(field);

	if (write)
		*vmcr = (*vmcr & ~field) | (*value << shift & field);
	else
		*value = (*vmcr & field) >> shift;
}

/* In struct vgic_cpu: one more than the field, so that 0 is what nobody has restored. */
static u64 told_bits(u8 restored, u64 has)
{
	return restored ? restored - 1U : has;
}

/*
 * ICC_CTLR_EL1.PRIbits and IDbits: those of a machine that has fewer are taken, and read back; the
 * guest reads this hardware's. What is neither in @vtr nor the guest's is ignored. All as on KVM.
 */
static int access_icc_ctlr(struct vgic_cpu *v, bool write, u64 *value)
{
	u64 vtr = ich_read_vtr(), pri = FIELD_GET(VTR_PRIBITS, vtr),
	    id = FIELD_GET(VTR_IDBITS, vtr);
	u64 fixed = (vtr & VTR_SEIS ? CTLR_SEIS : 0) | (vtr & VTR_A3V ? CTLR_A3V : 0);

	if (!write) {
		*value = fixed | FIELD_PREP(CTLR_PRIBITS, told_bits(v->pri_bits, pri)) |
			 FIELD_PREP(CTLR_IDBITS, told_bits(v->id_bits, id)) |
			 (v->vmcr & VMCR_VCBPR ? CTLR_CBPR : 0) |
			 (v->vmcr & VMCR_VEOIM ? CTLR_EOIMODE : 0);
		return 0;
	}
	if ((*value & (CTLR_SEIS | CTLR_A3V)) != fixed || FIELD_GET(CTLR_PRIBITS, *value) > pri ||
	    FIELD_GET(CTLR_IDBITS, *value) > id)
		return -EINVAL;
	v->pri_bits = (u8)(FIELD_GET(CTLR_PRIBITS, *value) + 1);
	v->id_bits = (u8)(FIELD_GET(CTLR_IDBITS, *value) + 1);
	v->vmcr = (v->vmcr & ~(VMCR_VCBPR | VMCR_VEOIM)) | (*value & CTLR_CBPR ? VMCR_VCBPR : 0) |
		  (*value & CTLR_EOIMODE ? VMCR_VEOIM : 0);
	return 0;
}

static void access_icc_bpr1(u64 *vmcr, bool write, u64 *value)
{
	if (!(*vmcr & VMCR_VCBPR))
		access_field(vmcr, VMCR_VBPR1, write, value);
	else if (!write)
		*value = MIN(FIELD_GET(VMCR_VBPR0, *vmcr) + 1, (u64)BPR1_MOST);
}

static int access_icc_sre(bool write, u64 *value)
{
	if (!write)
		*value = SRE_VALUE;
	return *value & 1 ? 0 : -EINVAL;
}

/* ICC_AP<n>R<m>_EL1, which are zero if no interrupt is active. */
static int access_icc_apr(u64 *aprs, u64 m, bool write, u64 *value)
{
	if (m >= this_cpu()->nr_aprs)
		return -EINVAL;
	if (write)
		aprs[m] = (u32)*value;
	else
		*value = aprs[m];
	return 0;
}

int vgic_host_icc(struct vcpu *vcpu, u64 encoding, bool write, u64 *value)
{
	struct vgic_cpu *v = vcpu->vgic;

	for (size_t i = 0; i < ARRAY_SIZE(icc_fields); i++)
		if (icc_fields[i].encoding == encoding) {
			access_field(&v->vmcr, icc_fields[i].field, write, value);
			return 0;
		}
	if (encoding - REG_NUM(ICC_AP0R0_EL1) < ARRAY_SIZE(v->ap0r))
		return access_icc_apr(v->ap0r, encoding - REG_NUM(ICC_AP0R0_EL1), write, value);
	if (encoding - REG_NUM(ICC_AP1R0_EL1) < ARRAY_SIZE(v->ap1r))
		return access_icc_apr(v->ap1r, encoding - REG_NUM(ICC_AP1R0_EL1), write, value);
	if (encoding == REG_NUM(ICC_CTLR_EL1))
		return access_icc_ctlr(v, write, value);
	if (encoding == REG_NUM(ICC_SRE_EL1))
		return access_icc_sre(write, value);
	if (encoding != REG_NUM(ICC_BPR1_EL1))
		return -ENXIO;
	access_icc_bpr1(&v->vmcr, write, value);
	return 0;
}

/* GICC's registers, as KVM has them for userspace: by offset, with the field of GICH_VMCR that it is. */
static const struct {
	u32 offset;
	u64 field;
} gicc_fields[] = {
	{ 0x00, VMCR_CTLR },  /* GICC_CTLR */
	{ 0x04, VMCR_PMR5 },  /* GICC_PMR, the upper five bits alone */
	{ 0x08, VMCR_VBPR0 }, /* GICC_BPR */
	{ 0x1c, VMCR_VBPR1 }, /* GICC_ABPR */
};

#define GICC_APR0      0xd0
#define GICC_IIDR      0xfc
#define GICC_IIDR_GIC2 (0x4bULL << 20 | 2 << 16 | 0x43b) /* KVM's */

int vgic_host_gicc(struct vcpu *vcpu, u64 offset, bool write, u64 *value)
{
	struct vgic_cpu *v = vcpu->vgic;

	for (size_t i = 0; i < ARRAY_SIZE(gicc_fields); i++)
		if (gicc_fields[i].offset == offset) {
			access_field(&v->vmcr, gicc_fields[i].field, write, value);
			return 0;
		}
	if (offset == GICC_APR0)
		return access_icc_apr(v->ap0r, 0, write, value);
	/* GICC_APR1 to GICC_APR3: five bits of priority need none of them */
	if (offset != GICC_IIDR && (offset - GICC_APR0 >= 16 || offset % 4))
		return -ENXIO;
	if (!write)
		*value = offset == GICC_IIDR ? GICC_IIDR_GIC2 : 0;
	return 0;
}

/* ---- creation and reset ---- */

STATIC_ASSERT(sizeof(struct vgic) <= SZ_4K, "a page each");
STATIC_ASSERT(sizeof(struct vgic_cpu) <= SZ_4K, "a page each");
STATIC_ASSERT(sizeof(struct vgic_irq) * VGIC_SPIS_A_PAGE <= SZ_4K, "a page each");
STATIC_ASSERT(VGIC_SPIS_A_PAGE *VGIC_SPI_PAGES >= 1024 - VGIC_PRIVATE, "room for all");

static u32 spi_pages(u64 nr_irqs)
{
	return (u32)(nr_irqs - VGIC_PRIVATE + VGIC_SPIS_A_PAGE - 1) / VGIC_SPIS_A_PAGE;
}

u64 vgic_pages(u64 nr_irqs, unsigned int nr_vcpus)
{
	return 1 + spi_pages(nr_irqs) + nr_vcpus;
}

static bool frames_fit(const struct vm *vm, u64 base, u64 size)
{
	u64 end = stage2_size(&vm->s2.stage2);

	return base < end && size <= end - base;
}

/* Of a frame that is given a place. */
static int check_frame(const struct vm *vm, u64 base, u64 size)
{
	if (!IS_ALIGNED(base, SZ_64K))
		return -EINVAL;
	return frames_fit(vm, base, size) ? 0 : -E2BIG;
}

/* A GICv2 has eight CPU interfaces, whose numbers are the vCPUs'. */
static bool has_others(const struct vm *vm)
{
	u32 left = vm->nr_vcpus;

	for (u32 i = 0; i < VGIC_V2_CPUS; i++)
		left -= vm->vcpus[i] != NULL;
	return left;
}

static int check_placement(const struct vm *vm, u64 dist, u64 redist, u64 nr_irqs, u64 count)
{
	u64 redist_size = VGIC_REDIST_SIZE * count;
	int ret = 0;

	if (!usable)
		return -ENODEV;
	if (vm->vgic)
		return -EBUSY;
	if (nr_irqs < 64 || nr_irqs > 1024 || nr_irqs % 32 || !vm->nr_vcpus)
		return -EINVAL;
	if (vgic_is_v2() && (dist != KEEL_NO_PLACE || redist != KEEL_NO_PLACE || has_others(vm)))
		return -EINVAL;
	if (dist != KEEL_NO_PLACE)
		ret = check_frame(vm, dist, VGIC_DIST_SIZE);
	if (!ret && redist != KEEL_NO_PLACE)
		ret = check_frame(vm, redist, redist_size);
	if (ret || dist == KEEL_NO_PLACE || redist == KEEL_NO_PLACE)
		return ret;
	return vgic_frames_overlap(dist, VGIC_DIST_SIZE, redist, redist_size) ? -EINVAL : 0;
}

/* ---- redistributor regions ---- */

/* How many redistributors have their place in a region. */
static u32 placed_frames(const struct vgic *vgic)
{
	const struct vgic_region *last;

	if (!vgic->nr_regions)
		return 0;
	last = &vgic->region[vgic->nr_regions - 1];
	return last->first + last->count;
}

static void append_region(struct vgic *vgic, u64 base, u32 count)
{
	vgic->region[vgic->nr_regions] =
		(struct vgic_region){ .base = base, .first = placed_frames(vgic), .count = count };
	vgic->nr_regions++;
}

/* Registers are placed at [@base, @base + @size): where abort.c asks vgic_mmio() about accesses. */
static void widen_span(struct vm *vm, u64 base, u64 size)
{
	u64 first = base, end = base + size;

	if (vm->vgic_span) {
		first = MIN(first, vm->vgic_first);
		end = MAX(end, vm->vgic_first + vm->vgic_span);
	}
	WRITE_ONCE(vm->vgic_first, first);
	WRITE_ONCE(vm->vgic_span, end - first);
}

/* Whether [@base, @base + @size) overlaps with the distributor or a region, as far as they are placed. */
static bool is_frame_taken(const struct vgic *vgic, u64 base, u64 size)
{
	for (u32 i = 0; i < vgic->nr_regions; i++)
		if (vgic_frames_overlap(base, size, vgic->region[i].base,
					vgic_region_size(&vgic->region[i])))
			return true;
	return vgic_frames_overlap(base, size, vgic->dist_base, VGIC_DIST_SIZE);
}

static int place_dist(struct vm *vm, u64 base)
{
	struct vgic *vgic = vm->vgic;
	int ret = check_frame(vm, base, VGIC_DIST_SIZE);

	if (ret)
		return ret;
	if (vgic->dist_base != VGIC_NOWHERE || is_frame_taken(vgic, base, VGIC_DIST_SIZE))
		return -EINVAL;
	vgic->dist_base = base;
	widen_span(vm, base, VGIC_DIST_SIZE);
	return 0;
}

static int add_region(struct vm *vm, u64 base, u64 count)
{
	struct vgic *vgic = vm->vgic;
	u32 used = (u32)MIN(count, (u64)(vgic->nr_frames - placed_frames(vgic)));
	int ret = check_frame(vm, base, (u64)VGIC_REDIST_SIZE * used);

	if (ret)
		return ret;
	if (!used || is_frame_taken(vgic, base, (u64)VGIC_REDIST_SIZE * used))
		return -EINVAL;
	if (vgic->nr_regions == KEEL_REDIST_REGIONS)
		return -ENOSPC;
	append_region(vgic, base, used);
	widen_span(vm, base, (u64)VGIC_REDIST_SIZE * used);
	return 0;
}

static int check_v2_frame(const struct vm *vm, u64 base, u64 size)
{
	if (!IS_ALIGNED(base, SZ_4K))
		return -EINVAL;
	return frames_fit(vm, base, size) ? 0 : -E2BIG;
}

static int place_v2_dist(struct vm *vm, u64 base)
{
	struct vgic *vgic = vm->vgic;
	int ret = check_v2_frame(vm, base, VGIC_V2_DIST_SIZE);

	if (ret)
		return ret;
	if (vgic->dist_base != VGIC_NOWHERE ||
	    vgic_frames_overlap(base, VGIC_V2_DIST_SIZE, vgic->cpu_base, VGIC_V2_CPU_SIZE))
		return -EINVAL;
	vgic->dist_base = base;
	widen_span(vm, base, VGIC_V2_DIST_SIZE);
	return 0;
}

/*
 * Where stage 2 has larger pages, or something is mapped there, the guest's accesses fault, and EL2
 * carries them out.
 */
static int place_v2_interface(struct vm *vm, u64 base)
{
	struct vgic *vgic = vm->vgic;
	int ret = check_v2_frame(vm, base, VGIC_V2_CPU_SIZE);

	if (ret)
		return ret;
	if (vgic->cpu_base != VGIC_NOWHERE ||
	    vgic_frames_overlap(base, VGIC_V2_CPU_SIZE, vgic->dist_base, VGIC_V2_DIST_SIZE))
		return -EINVAL;
	ret = vm_map_own_device(vm, IPA(base), vgic_v2.gicv_pa, VGIC_V2_CPU_MAPPED);
	if (ret == -ENOMEM)
		return ret;
	vgic->cpu_base = base;
	widen_span(vm, base, VGIC_V2_CPU_SIZE);
	return 0;
}

int vgic_place(struct vm *vm, struct ipa base, u64 count)
{
	spin_assert_held(&vm->lock);
	if (vgic_is_v2())
		return count ? place_v2_interface(vm, base.v) : place_v2_dist(vm, base.v);
	return count ? add_region(vm, base.v, count) : place_dist(vm, base.v);
}

/* vCPUs that get their page in one call, since a page is cleared and then filled: 2,000 a vCPU. */
#define CPUS_A_CALL 8

/*
 * As long as vm->vgic is NULL nothing looks at these pages, also of vCPUs that run. Where there are
 * more vCPUs than that, the call that gives the last page is not the one that does the rest.
 */
static int give_cpu_pages(struct vm *vm)
{
	u32 given = 0, left = vm->nr_vcpus;

	for (u32 i = 0; left && given < CPUS_A_CALL; i++) {
		struct vcpu *vcpu = vgic_vcpu(vm, i);

		left -= vcpu != NULL;
		if (!vcpu || vcpu->vgic)
			continue;
		vcpu->vgic = page_pool_alloc(&vm->pool);
		if (!vcpu->vgic)
			return -ENOMEM;
		reset_vgic_cpu(vcpu->vgic);
		given++;
	}
	return given && vm->nr_vcpus > CPUS_A_CALL ? -EAGAIN : 0;
}

/* In the order in which the vCPUs were created, as KVM does. */
static void number_frames(struct vm *vm, struct vgic *vgic)
{
	u32 left = vm->nr_vcpus;

	for (u32 i = 0; left; i++) {
		const struct vcpu *vcpu = vgic_vcpu(vm, i);

		if (!vcpu)
			continue;
		vgic->frame[vcpu->number] = (u16)i;
		left--;
	}
	vgic->nr_frames = vm->nr_vcpus;
}

static int create_spis(struct vm *vm, struct vgic *vgic)
{
	for (u32 page = 0; page < spi_pages(vgic->nr_irqs); page++) {
		vgic->spi[page] = page_pool_alloc(&vm->pool);
		if (!vgic->spi[page])
			return -ENOMEM;
		for (u32 i = 0; i < VGIC_SPIS_A_PAGE; i++)
			vgic->spi[page][i] = vgic->spi_at_reset;
	}
	return 0;
}

static void free_vgic(struct vm *vm, struct vgic *vgic)
{
	for (u32 page = 0; page < VGIC_SPI_PAGES; page++)
		if (vgic->spi[page])
			page_pool_free(&vm->pool, vgic->spi[page]);
	page_pool_free(&vm->pool, vgic);
}

static void reset_spi(struct vcpu *via, u32 intid)
{
	struct vgic_irq *irq = vgic_irq_of(via, intid);
	bool line = irq->line, report = irq->report;

	*irq = via->vm->vgic->spi_at_reset;
	irq->line = line;
	irq->report = report;
}

/* 32 SPIs that have been reset: an edge that is not latched is not pending, whatever its input. */
static void note_reset(struct vgic *vgic, u32 first)
{
	u64 *word = &vgic->busy[first / 64];

	*word &= ~(GENMASK(31, 0) << first % 64);
	if (!*word)
		vgic->busy_words &= ~(u32)BIT(first / 64);
}

/* SPIs that are reset in one call, fifty instructions each; and while the lock is held. */
#define RESET_A_CALL  256
#define RESET_AT_ONCE 32

int vgic_reset(struct vm *vm, u64 *at)
{
	struct vgic *vgic = vm->vgic;
	struct vcpu *via = vgic_vcpu(vm, vgic_first_vcpu(vgic));
	u32 all = MIN(vgic->nr_irqs, (u32)VGIC_INTIDS), intid, end;

	if (*at % RESET_AT_ONCE || *at >= vgic->nr_irqs)
		return -EINVAL;
	intid = MAX((u32)*at, (u32)VGIC_PRIVATE);
	end = MIN(intid + RESET_A_CALL, all);
	WRITE_ONCE(vgic->ctlr, 0);
	WRITE_ONCE(vgic->statusr, 0);
	WRITE_ONCE(vgic->propbaser, 0);
	for (; intid < end; intid += RESET_AT_ONCE) {
		spin_lock(&vgic->lock);
		for (u32 i = intid; i < MIN(intid + RESET_AT_ONCE, end); i++)
			reset_spi(via, i);
		note_reset(vgic, intid);
		assert_spis_sane(vm, intid, RESET_AT_ONCE);
		spin_unlock(&vgic->lock);
	}
	*at = end;
	return end < all ? -EAGAIN : 0;
}

/* How many redistributors are in the region that KEEL_HC_VGIC_INIT names. */
static u32 first_frames(const struct vm *vm, u64 count)
{
	return count ? (u32)MIN(count, (u64)vm->nr_vcpus) : vm->nr_vcpus;
}

static bool is_ppi(u64 intid)
{
	return intid >= VGIC_SGIS && intid < VGIC_PRIVATE;
}

/* 0 stands for the number that the Base System Architecture gives it. */
static u64 maintenance_ppi(u64 nr_irqs)
{
	return nr_irqs >> 32 ? nr_irqs >> 32 : VGIC_PPI_MAINTENANCE;
}

int vgic_prepare(struct vm *vm, struct ipa dist, struct ipa redist, u64 nr_irqs, u64 count)
{
	int ret = -EINVAL;

	spin_assert_held(&vm->lock);
	if (is_ppi(maintenance_ppi(nr_irqs)))
		ret = check_placement(vm, dist.v, redist.v, nr_irqs & GENMASK(31, 0),
				      first_frames(vm, count));
	return ret ? ret : give_cpu_pages(vm);
}

int vgic_create(struct vm *vm, struct ipa dist, struct ipa redist, u64 nr_irqs, u64 count)
{
	u64 maintenance = maintenance_ppi(nr_irqs);
	struct vgic *vgic;
	int ret;

	spin_assert_held(&vm->lock);
	nr_irqs &= GENMASK(31, 0);
	vgic = page_pool_alloc(&vm->pool);
	if (!vgic)
		return -ENOMEM;
	vgic->lock = (struct spinlock)SPINLOCK_INIT(LOCK_VGIC);
	vgic->dist_base = dist.v == KEEL_NO_PLACE ? VGIC_NOWHERE : dist.v;
	vgic->cpu_base = VGIC_NOWHERE;
	if (redist.v != KEEL_NO_PLACE)
		append_region(vgic, redist.v, first_frames(vm, count));
	vgic->nr_irqs = (u32)nr_irqs;
	vgic->typer = (u32)((nr_irqs / 32 - 1) | GICD_TYPER_IDBITS | GICD_TYPER_NO1N);
	if (vgic_is_v2())
		vgic->typer = (u32)((nr_irqs / 32 - 1) | (vm->nr_vcpus - 1) << 5);
	vgic->maintenance = (u32)maintenance;
	vgic->revision = VGIC_REVISION;
	number_frames(vm, vgic);
	vgic->spi_at_reset = spi_at_reset(vgic);
	ret = create_spis(vm, vgic);
	if (ret) {
		free_vgic(vm, vgic);
		return ret;
	}
	if (dist.v != KEEL_NO_PLACE)
		widen_span(vm, dist.v, VGIC_DIST_SIZE);
	if (redist.v != KEEL_NO_PLACE)
		widen_span(vm, redist.v, (u64)VGIC_REDIST_SIZE * first_frames(vm, count));
	__atomic_store_n(&vm->vgic, vgic, __ATOMIC_RELEASE);
	return 0;
}
