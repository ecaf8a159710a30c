// SPDX-License-Identifier: BSD-2-Clause
/*
 * The registers of the distributor and the redistributors (ARM IHI 0069, 12.8 to 12.11), with one
 * security state and affinity routing always on; and SGIs.
 *
 * Each register, or array of registers, is a row of a table. A row of an array with a field for
 * each interrupt says how wide the field is and how one field is read and written:
 *
 *	vgic_mmio() -> access_dist() or access_redist()    which frame, which vCPU
 *	            -> access_reg()                        which row; width and alignment
 *	            -> row->read()                         a plain register: one load, no lock
 *	               access_locked() -> row->write(), or row->get() or set() of each field
 *	               read_state()                        get() of each field, after a fold
 *
 * GICD_ISPENDR, GICD_ICPENDR, GICD_ISACTIVER, GICD_ICACTIVER (and the redistributors' same
 * registers) show what list registers can hold, so this vCPU's list registers are folded first.
 * Those of other vCPUs only their own CPUs can read:
 *
 * - A read kicks each vCPU that has one of the interrupts in a list register, drops the lock, and
 *   waits until each of them has folded, which it does without waiting for anyone: a vCPU that
 *   waits here has folded before. If a physical interrupt comes meanwhile, or the wait takes too
 *   long, nothing is read and the guest repeats the access.
 * - A write leaves a request in the interrupt's state (unpend, activate, deactivate), which the
 *   other vCPU carries out when it folds, and kicks that vCPU.
 *
 * A write that disables interrupts waits in the same way until no other vCPU can take them any more.
 *
 * An access has the fields of at most 32 interrupts, which bounds the time under vgic->lock. Longer
 * are only a write of GICD_CTLR and an SGI to all, each over the VM's vCPUs.
 */
#include <arch/barrier.h>
#include <arch/foreign.h>
#include <arch/reg_bits.h>
#include <lib/compiler.h>
#include <lib/errno.h>
#include <vgic/vgic.h>

/* GICD_CTLR, GICD_IIDR: what KVM's says, revision 3 */
#define GICD_CTLR_ARE	   BIT(4)
#define GICD_CTLR_DS	   BIT(6)
#define GICD_CTLR_WRITABLE (GICD_CTLR_ENABLE_GRP0 | GICD_CTLR_ENABLE_GRP1)
#define HOST_CTLR_GRP0_OFF BIT(2) /* what the host reads and writes: Group 1 alone is on */
#define GIC_IIDR	   (0x4bULL << 24 | 0x43b)
#define GIC_IIDR_REVISION  GENMASK(15, 12)
#define GIC_PIDR2	   0x3b /* ArchRev 3 */
/* GICR_TYPER, GICR_WAKER */
#define GICR_TYPER_PLPIS	  BIT(0)
#define GICR_TYPER_LAST		  BIT(4)
#define GICR_WAKER_PROCESSORSLEEP BIT(1)
#define GICR_WAKER_CHILDRENASLEEP BIT(2)
/* GICD_STATUSR, GICR_STATUSR: a read or a write of a reserved location, a write of what is read-only */
#define STATUSR	     0x10
#define STATUSR_RRD  BIT(0)
#define STATUSR_WRD  BIT(1)
#define STATUSR_WROD BIT(3)
#define STATUSR_ALL  GENMASK(3, 0)
/* GICR_CTLR: LPIs can be disabled again, and be invalidated by registers */
#define GICR_CTLR_CES BIT(1)
#define GICR_CTLR_IR  BIT(2)
/* GICR_PROPBASER, GICR_PENDBASER */
#define BASER_INNER	   GENMASK(9, 7)
#define BASER_SHARE	   GENMASK(11, 10)
#define BASER_OUTER	   GENMASK(58, 56)
#define PROPBASER_WRITABLE (GENMASK(4, 0) | GENMASK(51, 7) | BASER_OUTER)
#define PENDBASER_WRITABLE (GENMASK(11, 7) | GENMASK(51, 16) | BASER_OUTER)
/* GICD_IROUTER<n>: GICD_TYPER.A3V is 0, so there is no affinity 3 */
#define IROUTER_AFFINITY GENMASK(23, 0)

/* An access in progress. */
struct access {
	struct vcpu *vcpu; /* the vCPU that makes it */
	struct vcpu *of;   /* the redistributor's vCPU; for the distributor the same as @vcpu */
	bool redist;
	u32 frame;			  /* number of the redistributor */
	const struct vgic_region *region; /* the region that the redistributor is in, or NULL */
	u32 offset;			  /* from the row's first register */
	unsigned int bytes;
	bool again; /* the access was not done, or has not taken effect: the guest repeats it */
	bool wait; /* it is to take effect on other vCPUs before the guest goes on: await_effect() */
	bool host; /* the host makes it: vgic_host_reg(). Nobody is notified */
};

/*
 * A row. With @bits, an array of fields, one for each interrupt, of which @get and @set read and
 * write one, under the lock. Without, one register: @read, by one load and without the lock, and
 * @write, under the lock. A function that is NULL: reads as zero, writes are ignored.
 */
struct reg {
	u16 offset, size;
	u8 bits;
	u8 widths; /* of accesses: the sum of 1, 2, 4, 8 */
	bool fold; /* the fields are state that list registers can hold */
	u32 (*get)(struct access *a, u32 intid, struct vgic_irq *irq);
	void (*set)(struct access *a, u32 intid, struct vgic_irq *irq, u32 field);
	u64 (*read)(struct access *a);
	void (*write)(struct access *a, u64 value);
};

/* Offsets in a frame. */
struct span {
	u16 offset, size;
};

/* ---- one interrupt's fields ---- */

/* The interrupt's state has changed: have its vCPU look at it, which may be another one. */
static void irq_changed(struct access *a, u32 intid, struct vgic_irq *irq)
{
	struct vcpu *owner = vgic_changed(a->of, intid, irq);

	if (!a->host)
		vgic_notify(a->vcpu, owner);
}

static u32 get_group(struct access *a, u32 intid, struct vgic_irq *irq)
{
	(void)a;
	(void)intid;
	return irq->group1;
}

static void set_group(struct access *a, u32 intid, struct vgic_irq *irq, u32 field)
{
	if (irq->group1 == field)
		return;
	irq->group1 = field;
	irq_changed(a, intid, irq);
}

static u32 get_enabled(struct access *a, u32 intid, struct vgic_irq *irq)
{
	(void)a;
	(void)intid;
	return irq->enabled;
}

static void change_enabled(struct access *a, u32 intid, struct vgic_irq *irq, bool enabled)
{
	if (irq->enabled == enabled)
		return;
	irq->enabled = enabled;
	/* an interrupt that is not busy has no vCPU that must look at it */
	if (vgic_irq_pending(irq) || irq->active || irq->in_lr)
		irq_changed(a, intid, irq);
}

static void set_enabled(struct access *a, u32 intid, struct vgic_irq *irq, u32 field)
{
	if (field)
		change_enabled(a, intid, irq, true);
}

static void clear_enabled(struct access *a, u32 intid, struct vgic_irq *irq, u32 field)
{
	if (!field)
		return;
	change_enabled(a, intid, irq, false);
	a->wait |= irq->in_lr && irq->home != a->vcpu->index;
}

static u32 get_pending(struct access *a, u32 intid, struct vgic_irq *irq)
{
	(void)a;
	(void)intid;
	return vgic_irq_pending(irq);
}

/* Also for SGIs: with affinity routing these registers set SGIs' pending state too. */
static void set_pending(struct access *a, u32 intid, struct vgic_irq *irq, u32 field)
{
	if (!field || irq->latch)
		return;
	irq->latch = true;
	irq_changed(a, intid, irq);
}

static void clear_pending(struct access *a, u32 intid, struct vgic_irq *irq, u32 field)
{
	if (!field)
		return;
	irq->latch = false;
	if (irq->in_lr && irq->lr_latch)
		irq->unpend = true;
	irq_changed(a, intid, irq);
}

static u32 get_active(struct access *a, u32 intid, struct vgic_irq *irq)
{
	(void)a;
	(void)intid;
	return irq->active;
}

static void change_active(struct access *a, u32 intid, struct vgic_irq *irq, bool active)
{
	irq->activate = irq->in_lr && active;
	irq->deactivate = irq->in_lr && !active;
	if (!irq->in_lr) {
		irq->active = active;
		if (!active)
			irq->home = VGIC_NO_VCPU;
		else if (irq->home == VGIC_NO_VCPU)
			irq->home = irq->target;
	}
	irq_changed(a, intid, irq);
}

static void set_active(struct access *a, u32 intid, struct vgic_irq *irq, u32 field)
{
	if (field)
		change_active(a, intid, irq, true);
}

static void clear_active(struct access *a, u32 intid, struct vgic_irq *irq, u32 field)
{
	if (field)
		change_active(a, intid, irq, false);
}

static u32 get_priority(struct access *a, u32 intid, struct vgic_irq *irq)
{
	(void)a;
	(void)intid;
	return irq->priority;
}

static void set_priority(struct access *a, u32 intid, struct vgic_irq *irq, u32 field)
{
	irq->priority = (u8)(field & VGIC_PRIORITY_MASK);
	if (vgic_irq_pending(irq) || irq->active || irq->in_lr)
		irq_changed(a, intid, irq);
}

static u32 get_config(struct access *a, u32 intid, struct vgic_irq *irq)
{
	(void)a;
	(void)intid;
	return irq->edge ? 2 : 0;
}

/* SGIs are always edges, and this GIC's PPIs always levels: only SPIs can be configured. */
static void set_config(struct access *a, u32 intid, struct vgic_irq *irq, u32 field)
{
	bool edge = field & 2;

	if (intid < VGIC_PRIVATE || irq->edge == edge)
		return;
	irq->edge = edge;
	irq_changed(a, intid, irq);
}

/* ---- registers of the distributor ---- */

/*
 * RWP is 0: a write has taken effect when it is done. On KVM one bit, EnableGrp1, is for both groups,
 * and EnableGrp0 reads as 0. So that a guest goes on from there with what it had, the host's
 * EnableGrp1 is of both, and hides the other; Group 1 alone has a bit more, which KVM ignores.
 */
static u64 read_dist_ctlr(struct access *a)
{
	u32 ctlr = READ_ONCE(a->vcpu->vm->vgic->ctlr), shown = ctlr & GICD_CTLR_WRITABLE;

	if (ctlr & VGIC_GRP0_HIDDEN)
		shown = GICD_CTLR_ENABLE_GRP1;
	else if (a->host && ctlr == GICD_CTLR_ENABLE_GRP1)
		shown |= HOST_CTLR_GRP0_OFF;
	return shown | GICD_CTLR_ARE | GICD_CTLR_DS;
}

static u32 dist_ctlr_of(const struct access *a, u64 value)
{
	u32 enables = (u32)(value & GICD_CTLR_WRITABLE);

	if (a->host && enables == GICD_CTLR_ENABLE_GRP1 && !(value & HOST_CTLR_GRP0_OFF))
		return GICD_CTLR_WRITABLE | VGIC_GRP0_HIDDEN;
	return enables;
}

/* The vCPU runs with what it had in list registers before. */
static bool has_old_lrs(struct vcpu *vcpu)
{
	return READ_ONCE(vcpu->vgic->lr_used) && READ_ONCE(vcpu->vgic->loaded) &&
	       vcpu_has_attention(vcpu);
}

/*
 * All vCPUs fold and fill again. They are notified if a group was enabled; and where one is disabled,
 * those that may have its interrupts in list registers, which a->wait is for.
 */
static void set_dist_ctlr(struct access *a, u32 ctlr)
{
	struct vm *vm = a->vcpu->vm;
	struct vgic *vgic = vm->vgic;
	u32 old = vgic->ctlr;

	a->wait = (ctlr & GICD_CTLR_WRITABLE) != GICD_CTLR_WRITABLE;
	vgic->ctlr = ctlr;
	if (ctlr == old && !a->wait)
		return;
	for (u32 i = 0; i < vgic->nr_frames; i++) {
		struct vcpu *vcpu = vgic_vcpu(vm, vgic->frame[i]);

		if (ctlr != old)
			vcpu_set_attention(vcpu);
		if (!a->host && ((ctlr & ~old) || has_old_lrs(vcpu)))
			vgic_notify(a->vcpu, vcpu);
	}
}

static void write_dist_ctlr(struct access *a, u64 value)
{
	set_dist_ctlr(a, dist_ctlr_of(a, value));
}

static u64 read_dist_typer(struct access *a)
{
	return READ_ONCE(a->vcpu->vm->vgic->typer);
}

static u64 read_iidr(struct access *a)
{
	return GIC_IIDR | FIELD_PREP(GIC_IIDR_REVISION, a->vcpu->vm->vgic->revision);
}

/* KVM's has no revision. */
static u64 read_redist_iidr(struct access *a)
{
	(void)a;
	return GIC_IIDR;
}

static u64 read_pidr2(struct access *a)
{
	(void)a;
	return GIC_PIDR2;
}

/* The part that an access has of a register of 64 bits; and such a register with a part written. */
static u64 part_of_reg(const struct access *a, u64 reg)
{
	return reg >> (a->offset % 8 * 8);
}

static u64 with_part(const struct access *a, u64 reg, u64 value)
{
	unsigned int shift = a->offset % 8 * 8;
	u64 mask = (a->bytes == 8 ? ~0ULL : GENMASK(31, 0)) << shift;

	return (reg & ~mask) | (value << shift & mask);
}

/* The SPI of the GICD_IROUTER<n> that is accessed, or NULL. */
static struct vgic_irq *router_irq(struct access *a, u32 *intid)
{
	*intid = a->offset / 8;
	return *intid < VGIC_PRIVATE ? NULL : vgic_irq_of(a->vcpu, *intid);
}

static u64 read_irouter(struct access *a)
{
	u32 intid;
	struct vgic_irq *irq = router_irq(a, &intid);

	return irq ? part_of_reg(a, READ_ONCE(irq->affinity)) : 0;
}

/* An active interrupt stays with its vCPU until it is deactivated there; a pending one moves. */
static void write_irouter(struct access *a, u64 value)
{
	u32 intid;
	struct vgic_irq *irq = router_irq(a, &intid);

	if (!irq)
		return;
	irq->affinity = (u32)(with_part(a, irq->affinity, value) & IROUTER_AFFINITY);
	irq->target = vgic_index_of(irq->affinity);
	/* state is restored in any order: who has it active is known only now */
	if (a->host && irq->active && !irq->in_lr)
		irq->home = irq->target;
	irq_changed(a, intid, irq);
}

/* ---- registers of a redistributor ---- */

/* GICR_TYPER.Affinity_Value: the affinities of MPIDR_EL1; a vCPU's Aff3 is 0. */
static u64 redist_affinity(const struct vcpu *vcpu)
{
	return vcpu->mpidr & GENMASK(23, 0);
}

/*
 * GICR_TYPER.Last: software that walks adjacent frames stops there, so a region that another one
 * follows directly has no last frame. Nor has one without a place, which the host alone reads.
 */
static bool is_last_frame(const struct vgic *vgic, const struct access *a)
{
	u64 end;

	if (!a->region || a->frame + 1 < a->region->first + a->region->count)
		return false;
	end = a->region->base + vgic_region_size(a->region);
	for (u32 i = 0; i < vgic->nr_regions; i++)
		if (vgic->region[i].base == end)
			return false;
	return true;
}

static u64 read_redist_typer(struct access *a)
{
	bool last = is_last_frame(a->vcpu->vm->vgic, a);
	u64 typer = redist_affinity(a->of) << 32 | (u64)a->of->index << 8 |
		    (last ? GICR_TYPER_LAST : 0) |
		    (vgic_has_lpis(a->vcpu->vm->vgic) ? GICR_TYPER_PLPIS : 0);

	return typer >> (a->offset * 8);
}

/* Delivery does not depend on it; what ends a vCPU's wait does (wakes_redist()). */
static u64 read_waker(struct access *a)
{
	return READ_ONCE(a->of->vgic->asleep)
		       ? GICR_WAKER_PROCESSORSLEEP | GICR_WAKER_CHILDRENASLEEP
		       : 0;
}

static void write_waker(struct access *a, u64 value)
{
	a->of->vgic->asleep = value & GICR_WAKER_PROCESSORSLEEP;
}

/*
 * The registers of a redistributor that are about LPIs, of a VM without an ITS: as KVM's they say that
 * LPIs could be disabled again, and keep addresses of tables that nothing looks at.
 */
static u64 read_redist_ctlr(struct access *a)
{
	return a->vcpu->vm->vgic->revision >= VGIC_REVISION ? GICR_CTLR_CES | GICR_CTLR_IR : 0;
}

static void write_redist_ctlr(struct access *a, u64 value)
{
	(void)a;
	(void)value;
}

static u64 replace(u64 reg, u64 field, u64 value)
{
	return (reg & ~field) | value << __builtin_ctzll(field);
}

/*
 * Attributes that this GIC does not have become those that it has: inner shareable, write-back. What
 * the host restores as zero is what nobody has written.
 */
static u64 table_attributes(const struct access *a, u64 reg)
{
	if (a->host && !reg)
		return 0;
	if (FIELD_GET(BASER_SHARE, reg) == 2)
		reg = replace(reg, BASER_SHARE, 1);
	if (FIELD_GET(BASER_INNER, reg) <= 1)
		reg = replace(reg, BASER_INNER, 5);
	return FIELD_GET(BASER_OUTER, reg) <= 1 ? reg : replace(reg, BASER_OUTER, 0);
}

static u64 read_propbaser(struct access *a)
{
	return part_of_reg(a, READ_ONCE(a->vcpu->vm->vgic->propbaser));
}

static void write_propbaser(struct access *a, u64 value)
{
	struct vgic *vgic = a->vcpu->vm->vgic;
	u64 reg = with_part(a, vgic->propbaser, value) & PROPBASER_WRITABLE;

	WRITE_ONCE(vgic->propbaser, table_attributes(a, reg));
}

static u64 read_pendbaser(struct access *a)
{
	return part_of_reg(a, READ_ONCE(a->of->vgic->pendbaser));
}

static void write_pendbaser(struct access *a, u64 value)
{
	u64 reg = with_part(a, a->of->vgic->pendbaser, value) & PENDBASER_WRITABLE;

	WRITE_ONCE(a->of->vgic->pendbaser, table_attributes(a, reg));
}

/* ---- the register maps ---- */

#define FIELDS(at, n_bits, intids, get_, set_)                                                  \
	{                                                                                       \
		.offset = (at), .size = (intids) * (n_bits) / 8, .bits = (n_bits), .widths = 4, \
		.get = (get_), .set = (set_)                                                    \
	}
#define STATE(at, intids, get_, set_)                                                       \
	{                                                                                   \
		.offset = (at), .size = (intids) / 8, .bits = 1, .widths = 4, .fold = true, \
		.get = (get_), .set = (set_)                                                \
	}
#define BYTES(at, intids, get_, set_)                                                        \
	{                                                                                    \
		.offset = (at), .size = (intids), .bits = 8, .widths = 1 | 4, .get = (get_), \
		.set = (set_)                                                                \
	}

/* 12.8, ascending. Other offsets are reserved, or are of registers that this GIC does not have. */
static const struct reg dist_regs[] = {
	{ .offset = 0x0000,
	  .size = 4,
	  .widths = 4,
	  .read = read_dist_ctlr,
	  .write = write_dist_ctlr },
	{ .offset = 0x0004, .size = 4, .widths = 4, .read = read_dist_typer },
	{ .offset = 0x0008, .size = 4, .widths = 4, .read = read_iidr },
	FIELDS(0x0080, 1, 1024, get_group, set_group),
	FIELDS(0x0100, 1, 1024, get_enabled, set_enabled),
	FIELDS(0x0180, 1, 1024, get_enabled, clear_enabled),
	STATE(0x0200, 1024, get_pending, set_pending),
	STATE(0x0280, 1024, get_pending, clear_pending),
	STATE(0x0300, 1024, get_active, set_active),
	STATE(0x0380, 1024, get_active, clear_active),
	BYTES(0x0400, 1024, get_priority, set_priority),
	FIELDS(0x0c00, 2, 1024, get_config, set_config),
	{ .offset = 0x6000,
	  .size = 0x1fe0,
	  .widths = 4 | 8,
	  .read = read_irouter,
	  .write = write_irouter },
	{ .offset = 0xffe8, .size = 4, .widths = 4, .read = read_pidr2 },
};

/* 12.10: the frame of control registers, then the frame of SGIs and PPIs. */
static const struct reg redist_regs[] = {
	{ .offset = 0x0000,
	  .size = 4,
	  .widths = 4,
	  .read = read_redist_ctlr,
	  .write = write_redist_ctlr },
	{ .offset = 0x0004, .size = 4, .widths = 4, .read = read_redist_iidr },
	{ .offset = 0x0008, .size = 8, .widths = 4 | 8, .read = read_redist_typer },
	{ .offset = 0x0014, .size = 4, .widths = 4, .read = read_waker, .write = write_waker },
	{ .offset = 0x0070,
	  .size = 8,
	  .widths = 4 | 8,
	  .read = read_propbaser,
	  .write = write_propbaser },
	{ .offset = 0x0078,
	  .size = 8,
	  .widths = 4 | 8,
	  .read = read_pendbaser,
	  .write = write_pendbaser },
	{ .offset = 0xffe8, .size = 4, .widths = 4, .read = read_pidr2 },
};

/*
 * Registers of the frame of control registers that are about LPIs: GICR_CTLR, GICR_PROPBASER,
 * GICR_PENDBASER, GICR_INVLPIR, GICR_INVALLR, GICR_SYNCR. If the VM has LPIs, the host has these.
 */
static const struct span lpi_regs[] = { { 0x0000, 4 },
					{ 0x0070, 16 },
					{ 0x00a0, 8 },
					{ 0x00b0, 8 },
					{ 0x00c0, 4 } };

static bool in_spans(const struct span *spans, size_t count, u32 offset)
{
	for (size_t i = 0; i < count; i++)
		if (offset - spans[i].offset < spans[i].size)
			return true;
	return false;
}

static bool is_lpi_reg(u32 offset)
{
	return in_spans(lpi_regs, ARRAY_SIZE(lpi_regs), offset);
}

static const struct reg sgi_regs[] = {
	FIELDS(0x0080, 1, 32, get_group, set_group),
	FIELDS(0x0100, 1, 32, get_enabled, set_enabled),
	FIELDS(0x0180, 1, 32, get_enabled, clear_enabled),
	STATE(0x0200, 32, get_pending, set_pending),
	STATE(0x0280, 32, get_pending, clear_pending),
	STATE(0x0300, 32, get_active, set_active),
	STATE(0x0380, 32, get_active, clear_active),
	BYTES(0x0400, 32, get_priority, set_priority),
	FIELDS(0x0c00, 2, 32, get_config, set_config),
};

static const struct reg *find_reg(const struct reg *regs, size_t count, u32 offset)
{
	for (size_t i = 0; i < count && regs[i].offset <= offset; i++)
		if (offset - regs[i].offset < regs[i].size)
			return &regs[i];
	return NULL;
}

/*
 * Registers that read as zero and ignore writes, as KVM's, since what they are about is not here: the
 * distributor's, those of a redistributor's two frames. STATUSR of each is in none of the tables.
 */
static const struct span dist_zeros[] = {
	{ 0x000c, 4 },	   /* GICD_TYPER2 */
	{ 0x0800, 0x400 }, /* GICD_ITARGETSR */
	{ 0x0d00, 0x80 },  /* GICD_IGRPMODR */
	{ 0x0e00, 0x130 }, /* GICD_NSACR to GICD_SPENDSGIR */
	{ 0xffd0, 0x30 },
};
static const struct span redist_zeros[] = { { 0x00a0, 8 },
					    { 0x00b0, 8 },
					    { 0x00c0, 4 },
					    { 0xffd0, 0x30 } };
static const struct span sgi_zeros[] = { { 0x0d00, 4 }, { 0x0e00, 4 } };

/* ---- an access ---- */

static u8 *statusr_of(const struct access *a)
{
	return a->redist ? &a->of->vgic->statusr : &a->vcpu->vm->vgic->statusr;
}

static void note_error(const struct access *a, u64 error)
{
	(void)__atomic_fetch_or(statusr_of(a), (u8)error, __ATOMIC_RELAXED);
}

/* A bit that is written as 1 is cleared. */
static u64 access_statusr(struct access *a, bool write, u64 value)
{
	if (write && a->bytes == 4)
		(void)__atomic_fetch_and(statusr_of(a), (u8)~value, __ATOMIC_RELAXED);
	return write || a->bytes != 4 ? 0 : READ_ONCE(*statusr_of(a));
}

/* Where there is no row; the frame's other registers are @zeros. */
static u64 access_rest(struct access *a, const struct span *zeros, size_t count, bool write,
		       u64 value)
{
	if (zeros != sgi_zeros && a->offset == STATUSR)
		return access_statusr(a, write, value);
	if (!in_spans(zeros, count, a->offset))
		note_error(a, write ? STATUSR_WRD : STATUSR_RRD);
	return 0;
}

/* How many of the @count interrupts from @first on the VM has. */
static u32 existing_irqs(const struct vgic *vgic, u32 first, u32 count)
{
	u32 end = MIN(vgic->nr_irqs, (u32)VGIC_INTIDS);

	return first >= end ? 0 : MIN(count, end - first);
}

/*
 * Read or write the fields of the interrupts that the VM has. In the distributor, those of SGIs and
 * PPIs are reserved. The interrupts of one access are adjacent in memory: an access is aligned and
 * has 32 fields at most, and private interrupts and pages of SPIs begin at multiples of 32.
 */
static u64 access_fields(const struct reg *reg, struct access *a, bool write, u64 value)
{
	u32 bits = reg->bits, first = a->offset * 8 / bits, mask = (u32)BIT(bits) - 1, i, shift;
	u32 count = existing_irqs(a->vcpu->vm->vgic, first, a->bytes * 8 / bits);
	struct vgic_irq *irq = vgic_irq_of(a->of, first);
	u64 result = 0;

	if (!a->redist && first < VGIC_PRIVATE)
		return 0;
	for (i = 0, shift = 0; i < count; i++, shift += bits)
		if (write)
			reg->set(a, first + i, &irq[i], (u32)(value >> shift) & mask);
		else
			result |= (u64)reg->get(a, first + i, &irq[i]) << shift;
	return result;
}

/* vCPUs that an access waits for, and how often each had folded when it was asked. */
struct asked {
	unsigned int count;
	struct vcpu *vcpu[32]; /* as many as an access has fields */
	u32 folds[32];
};

/*
 * Ask the vCPUs that have one of the access's interrupts in a list register to fold; @disabled: one
 * that is not enabled.
 */
static void ask_vcpus_to_fold(const struct reg *reg, struct access *a, bool disabled,
			      struct asked *asked)
{
	u32 first = a->offset * 8 / reg->bits;
	u32 count = existing_irqs(a->vcpu->vm->vgic, first, a->bytes * 8 / reg->bits);
	struct vgic_irq *irq = vgic_irq_of(a->of, first);

	for (u32 i = 0; i < count; i++) {
		struct vcpu *home = irq[i].in_lr ? vgic_vcpu(a->vcpu->vm, irq[i].home) : NULL;

		if (!home || (disabled && irq[i].enabled))
			continue;
		irq_changed(a, first + i, &irq[i]);
		asked->vcpu[asked->count] = home;
		asked->folds[asked->count++] = home->vgic->folds;
	}
}

/* How often an access looks whether the others have folded: far more often than they need. */
#define WAIT_LOOKS 100000U

/*
 * Wait until each vCPU that was asked has folded. It does so soon: its CPU has been interrupted, or
 * is at EL2 already, and it does not wait for this vCPU, which has folded before. The wait ends
 * early if a physical interrupt is pending here, so that the host's are not delayed, and after
 * WAIT_LOOKS, in case the other CPU has masked the interrupt. Return: whether all have folded.
 */
static bool wait_for_folds(const struct asked *asked)
{
	unsigned int looks = 0;

	for (unsigned int i = 0; i < asked->count; i++)
		while (__atomic_load_n(&asked->vcpu[i]->vgic->folds, __ATOMIC_ACQUIRE) ==
		       asked->folds[i]) {
			if (interrupt_waits() || ++looks == WAIT_LOOKS)
				return false;
			cpu_relax();
		}
	return true;
}

/* A read of pending or active state, which can be in list registers of several vCPUs. */
static u64 read_state(const struct reg *reg, struct access *a)
{
	struct vgic *vgic = a->vcpu->vm->vgic;
	struct asked asked;
	u64 result = 0;

	asked.count = 0;
	spin_lock(&vgic->lock);
	vgic_fold(a->vcpu);
	ask_vcpus_to_fold(reg, a, false, &asked);
	if (!asked.count)
		result = access_fields(reg, a, false, 0);
	spin_unlock(&vgic->lock);
	if (!asked.count)
		return result;
	a->again = !wait_for_folds(&asked);
	if (a->again)
		return 0;
	spin_lock(&vgic->lock);
	result = access_fields(reg, a, false, 0);
	spin_unlock(&vgic->lock);
	return result;
}

static u64 access_locked(const struct reg *reg, struct access *a, bool write, u64 value)
{
	struct vgic *vgic = a->vcpu->vm->vgic;
	u64 result = 0;

	spin_lock(&vgic->lock);
	if (reg->fold)
		vgic_fold(a->vcpu);
	if (reg->bits)
		result = access_fields(reg, a, write, value);
	else if (reg->write)
		reg->write(a, value);
	else if (!a->host)
		note_error(a, STATUSR_WROD);
	spin_unlock(&vgic->lock);
	return result;
}

/*
 * Wait until no vCPU has interrupts in list registers that a write to GICD_CTLR has disabled: that
 * write, or the one that this repeats, has set attention under the lock. A vCPU that had filled list
 * registers by then has lr_used set, and attention until it is at EL2; from then on it fills them by
 * what is enabled now. Return: as wait_for_folds(); this vCPU has folded, too, so none waits for ever.
 */
static bool wait_for_all(const struct access *a)
{
	const struct vgic *vgic = a->vcpu->vm->vgic;
	unsigned int looks = 0;

	for (u32 i = 0; i < vgic->nr_frames; i++) {
		struct vcpu *vcpu = vgic_vcpu(a->vcpu->vm, vgic->frame[i]);

		while (has_old_lrs(vcpu)) {
			if (interrupt_waits() || ++looks == WAIT_LOOKS)
				return false;
			cpu_relax();
		}
	}
	return true;
}

/*
 * RWP reads as zero, so the guest may rely on it that what it has disabled is not taken any more when
 * the write is done. If that is not known yet, it repeats the write, which changes nothing.
 */
static __noinline void await_effect(const struct reg *reg, struct access *a)
{
	struct vgic *vgic = a->vcpu->vm->vgic;
	struct asked asked;

	asked.count = 0;
	spin_lock(&vgic->lock);
	vgic_fold(a->vcpu); /* others may wait for this vCPU */
	if (reg->bits)
		ask_vcpus_to_fold(reg, a, true, &asked);
	spin_unlock(&vgic->lock);
	a->again = !(reg->bits ? wait_for_folds(&asked) : wait_for_all(a));
}

static __noinline u64 access_state(const struct reg *reg, struct access *a, bool write, u64 value)
{
	u64 result;

	if (reg->fold && !write)
		return read_state(reg, a);
	result = access_locked(reg, a, write, value);
	if (unlikely(a->wait))
		await_effect(reg, a);
	return result;
}

/* A register that is not an array of fields is read by one load, which needs no lock. */
static __always_inline u64 access_reg(const struct reg *reg, struct access *a, bool write,
				      u64 value)
{
	u64 result = 0, mask = ~0ULL >> (64 - a->bytes * 8);

	if (!reg || !(reg->widths & a->bytes) || (a->offset & (a->bytes - 1)))
		return 0;
	a->offset -= reg->offset;
	if (write || reg->bits)
		result = access_state(reg, a, write, value & mask);
	else if (reg->read)
		result = reg->read(a);
	return result & mask;
}

static u64 access_dist(struct access *a, bool write, u64 value)
{
	const struct reg *reg = find_reg(dist_regs, ARRAY_SIZE(dist_regs), a->offset);

	if (unlikely(!reg))
		return access_rest(a, dist_zeros, ARRAY_SIZE(dist_zeros), write, value);
	return access_reg(reg, a, write, value);
}

static __noinline u64 access_redist(struct access *a, bool write, u64 value)
{
	struct vgic *vgic = a->vcpu->vm->vgic;
	const struct reg *reg;

	a->redist = true;
	a->frame = a->region->first + a->offset / VGIC_REDIST_SIZE;
	a->of = vgic_vcpu(a->vcpu->vm, vgic->frame[a->frame]);
	a->offset %= VGIC_REDIST_SIZE;
	if (a->offset < SZ_64K) {
		reg = find_reg(redist_regs, ARRAY_SIZE(redist_regs), a->offset);
		if (unlikely(!reg))
			return access_rest(a, redist_zeros, ARRAY_SIZE(redist_zeros), write, value);
		return access_reg(reg, a, write, value);
	}
	a->offset -= (u32)SZ_64K;
	reg = find_reg(sgi_regs, ARRAY_SIZE(sgi_regs), a->offset);
	if (unlikely(!reg))
		return access_rest(a, sgi_zeros, ARRAY_SIZE(sgi_zeros), write, value);
	return access_reg(reg, a, write, value);
}

static bool offset_within(u64 ipa, unsigned int bytes, u64 base, u64 size)
{
	return ipa - base < size && size - (ipa - base) >= bytes;
}

static const struct vgic_region *region_of(const struct vgic *vgic, u64 ipa, unsigned int bytes)
{
	for (u32 i = 0; i < vgic->nr_regions; i++) {
		const struct vgic_region *region = &vgic->region[i];

		if (offset_within(ipa, bytes, region->base, (u64)VGIC_REDIST_SIZE * region->count))
			return region;
	}
	return NULL;
}

enum trap_mmio vgic_mmio(struct vcpu *vcpu, u64 ipa, unsigned int bytes, bool write, u64 *data)
{
	struct vgic *vgic = vcpu->vm->vgic;
	struct access a = { .vcpu = vcpu, .of = vcpu, .bytes = bytes };
	u64 result;

	if (!vgic)
		return TRAP_MMIO_NOT_MINE;
	if (offset_within(ipa, bytes, vgic->dist_base, VGIC_DIST_SIZE)) {
		a.offset = (u32)(ipa - vgic->dist_base);
		result = access_dist(&a, write, *data);
	} else {
		a.region = region_of(vgic, ipa, bytes);
		if (!a.region)
			return TRAP_MMIO_NOT_MINE;
		a.offset = (u32)(ipa - a.region->base);
		if (vgic_has_lpis(vgic) && is_lpi_reg(a.offset % VGIC_REDIST_SIZE))
			return TRAP_MMIO_NOT_MINE;
		result = access_redist(&a, write, *data);
	}
	if (a.again)
		return TRAP_MMIO_AGAIN;
	if (!write)
		*data = result;
	return TRAP_MMIO_DONE;
}

/* ---- accesses of the host, to save and restore state ---- */

/* As the registers above for pending state, but of the latch alone: an input is state of its own. */
static u32 get_latch(struct access *a, u32 intid, struct vgic_irq *irq)
{
	(void)a;
	(void)intid;
	return irq->latch || irq->lr_latch;
}

static void set_latch(struct access *a, u32 intid, struct vgic_irq *irq, u32 field)
{
	if (field)
		set_pending(a, intid, irq, 1);
	else
		clear_pending(a, intid, irq, 1);
}

/*
 * The inputs: of levels alone, as on KVM; written whatever the interrupt is configured as, which may be
 * restored behind it. EL2's own inputs stay as they are.
 */
static u32 get_host_line(struct access *a, u32 intid, struct vgic_irq *irq)
{
	(void)a;
	(void)intid;
	return irq->line && !irq->edge;
}

static void set_host_line(struct access *a, u32 intid, struct vgic_irq *irq, u32 field)
{
	if (intid < VGIC_SGIS || vgic_drives(a->of, intid))
		return;
	irq->line = field;
	irq_changed(a, intid, irq);
}

static u32 get_nothing(struct access *a, u32 intid, struct vgic_irq *irq)
{
	(void)a;
	(void)intid;
	(void)irq;
	return 0;
}

static void set_nothing(struct access *a, u32 intid, struct vgic_irq *irq, u32 field)
{
	(void)a;
	(void)intid;
	(void)irq;
	(void)field;
}

/* GICD_ISPENDR and GICD_ICPENDR, GICR_ISPENDR0 and GICR_ICPENDR0, for the host; and the inputs. */
static const struct reg host_ispendr = STATE(0x0200, 1024, get_latch, set_latch);
static const struct reg host_icpendr = STATE(0x0280, 1024, get_nothing, set_nothing);
static const struct reg host_lines = STATE(0, 1024, get_host_line, set_host_line);

static const struct reg *host_row(const struct reg *row)
{
	if (!row || row->get != get_pending)
		return row;
	return row->set == set_pending ? &host_ispendr : &host_icpendr;
}

/* The row for what is at @offset; a->offset is then where it is in that frame. NULL: none. */
static const struct reg *find_host_reg(struct access *a, u64 space, u64 offset)
{
	if (offset % 4 || offset >= VGIC_REDIST_SIZE)
		return NULL;
	a->redist = space != KEEL_VGIC_DIST; /* private interrupts as well */
	a->offset = (u32)offset;
	if (space == KEEL_VGIC_LINES)
		return offset < 1024 / 8 ? &host_lines : NULL;
	if (space == KEEL_VGIC_DIST)
		return host_row(find_reg(dist_regs, ARRAY_SIZE(dist_regs), a->offset));
	if (offset < SZ_64K)
		return find_reg(redist_regs, ARRAY_SIZE(redist_regs), a->offset);
	a->offset -= (u32)SZ_64K;
	return host_row(find_reg(sgi_regs, ARRAY_SIZE(sgi_regs), a->offset));
}

/* A row whose fields are of interrupts has no register where the VM has no interrupts. */
static bool has_fields(const struct access *a, const struct reg *reg)
{
	u32 first = (a->offset - reg->offset) * 8 / (reg->bits ? reg->bits : 1);

	return !reg->bits || reg == &host_lines || first < a->vcpu->vm->vgic->nr_irqs;
}

/* GICD_IIDR: which of KVM's revisions the guest sees. The rest of it must be as it is. */
static int set_revision(struct vgic *vgic, u64 value)
{
	u64 revision = FIELD_GET(GIC_IIDR_REVISION, value);

	if ((value & ~GIC_IIDR_REVISION) != GIC_IIDR || revision < 1 || revision > VGIC_REVISION)
		return -EINVAL;
	vgic->revision = (u8)revision;
	return 0;
}

/* The redistributor of @vcpu. */
static void find_frame(struct access *a)
{
	struct vgic *vgic = a->vcpu->vm->vgic;

	a->frame = a->vcpu->number;
	for (u32 i = 0; i < vgic->nr_regions; i++)
		if (a->frame - vgic->region[i].first < vgic->region[i].count)
			a->region = &vgic->region[i];
}

/* As it is, and becomes. */
static void host_statusr(const struct access *a, bool write, u64 *value)
{
	if (write)
		WRITE_ONCE(*statusr_of(a), (u8)(*value & STATUSR_ALL));
	else
		*value = READ_ONCE(*statusr_of(a));
}

int vgic_host_reg(struct vcpu *vcpu, u64 space, u64 offset, bool write, u64 *value)
{
	struct access a = { .vcpu = vcpu, .of = vcpu, .bytes = 4, .host = true };
	const struct reg *reg;
	u64 result;

	if (vgic_is_v2())
		return vgic_v2_host_reg(vcpu, space, offset, write, value);
	if (space == KEEL_VGIC_CPU)
		return vgic_host_icc(vcpu, offset, write, value);
	if (space > KEEL_VGIC_CPU)
		return -EINVAL;
	reg = find_host_reg(&a, space, offset);
	if (offset == STATUSR && space != KEEL_VGIC_LINES) {
		host_statusr(&a, write, value);
		return 0;
	}
	if (!reg || !has_fields(&a, reg))
		return -ENXIO;
	find_frame(&a);
	if (reg->read == read_iidr && write)
		return set_revision(vcpu->vm->vgic, *value);
	a.offset -= reg->offset;
	result = write || reg->bits ? access_locked(reg, &a, write, *value) : reg->read(&a);
	if (!write)
		*value = (u32)result;
	return 0;
}

/* ---- the distributor of a GICv2 (ARM IHI 0048, 4.3), in the parts that are its own ---- */

/* One bit enables both groups, as KVM's does. */
static u64 read_v2_ctlr(struct access *a)
{
	return READ_ONCE(a->vcpu->vm->vgic->ctlr) ? GICD_CTLR_ENABLE_GRP0 : 0;
}

static void write_v2_ctlr(struct access *a, u64 value)
{
	set_dist_ctlr(a, value & GICD_CTLR_ENABLE_GRP0 ? GICD_CTLR_WRITABLE : 0);
}

/* GICD_ITARGETSR<n>: a bit for each vCPU, by index. Private interrupts have their own vCPU. */
static u32 get_targets(struct access *a, u32 intid, struct vgic_irq *irq)
{
	return intid < VGIC_PRIVATE ? (u32)BIT(a->of->index) : irq->affinity;
}

/* Of several targets the interrupt goes to the first one; of none, to vgic_first_vcpu(). As on KVM. */
static void set_targets(struct access *a, u32 intid, struct vgic_irq *irq, u32 field)
{
	if (intid < VGIC_PRIVATE)
		return;
	irq->affinity = 0;
	for (u32 i = 0; i < VGIC_V2_CPUS; i++)
		if (vgic_vcpu(a->vcpu->vm, i))
			irq->affinity |= field & (u32)BIT(i);
	irq->target = irq->affinity ? (u16)__builtin_ctz(irq->affinity)
				    : vgic_first_vcpu(a->vcpu->vm->vgic);
	if (a->host && irq->active && !irq->in_lr)
		irq->home = irq->target;
	irq_changed(a, intid, irq);
}

/* GICD_CPENDSGIR<n>, GICD_SPENDSGIR<n>: a bit for each vCPU that has sent the SGI. */
static u32 get_sources(struct access *a, u32 intid, struct vgic_irq *irq)
{
	(void)a;
	(void)intid;
	return irq->sgi.sources | (irq->lr_latch ? (u32)BIT(irq->sgi.taken) : 0);
}

static void clear_sources(struct access *a, u32 intid, struct vgic_irq *irq, u32 field)
{
	irq->sgi.sources &= (u8)~field;
	irq->latch = irq->sgi.sources;
	if (irq->lr_latch && (field & BIT(irq->sgi.taken)))
		irq->unpend = true;
	irq_changed(a, intid, irq);
}

static void set_sources(struct access *a, u32 intid, struct vgic_irq *irq, u32 field)
{
	for (u32 i = 0; i < VGIC_V2_CPUS; i++)
		if ((field & BIT(i)) && vgic_vcpu(a->vcpu->vm, i))
			irq->sgi.sources |= (u8)BIT(i);
	irq->latch = irq->sgi.sources;
	irq_changed(a, intid, irq);
}

/* GICD_ISPENDR0 and GICD_ICPENDR0 of a guest do nothing to SGIs, which those two registers are for. */
static void set_v2_pending(struct access *a, u32 intid, struct vgic_irq *irq, u32 field)
{
	if (intid >= VGIC_SGIS)
		set_pending(a, intid, irq, field);
}

static void clear_v2_pending(struct access *a, u32 intid, struct vgic_irq *irq, u32 field)
{
	if (intid >= VGIC_SGIS)
		clear_pending(a, intid, irq, field);
}

/*
 * An SGI that becomes active here: no register says whose it is. What the host restores is anyone's, so
 * that the guest can deactivate it; a guest makes its own active, as on KVM.
 */
static void set_v2_active(struct access *a, u32 intid, struct vgic_irq *irq, u32 field)
{
	if (field && intid < VGIC_SGIS && !irq->in_lr && !irq->active)
		irq->sgi.taken = (u8)(a->host ? VGIC_SGI_OF_ANY : a->vcpu->index);
	set_active(a, intid, irq, field);
}

/* GICD_SGIR */
#define SGIR_V2_FILTER	GENMASK(25, 24)
#define SGIR_V2_TARGETS GENMASK(23, 16)
#define SGIR_V2_INTID	GENMASK(3, 0)
enum sgir_filter { SGIR_LISTED, SGIR_OTHERS, SGIR_SELF };

static void send_v2_sgi(struct access *a, struct vcpu *to, u32 intid)
{
	struct vgic_irq *irq = &to->vgic->irq[intid];

	irq->sgi.sources |= (u8)BIT(a->vcpu->index);
	irq->latch = true;
	vgic_has_pended(to, intid);
	if (irq->enabled && !a->host)
		vgic_notify(a->vcpu, to);
}

static void write_v2_sgir(struct access *a, u64 value)
{
	u32 self = (u32)BIT(a->vcpu->index), targets = 0;

	switch ((enum sgir_filter)FIELD_GET(SGIR_V2_FILTER, value)) {
	case SGIR_LISTED:
		targets = (u32)FIELD_GET(SGIR_V2_TARGETS, value);
		break;
	case SGIR_OTHERS:
		targets = 0xff & ~self;
		break;
	case SGIR_SELF:
		targets = self;
		break;
	default:
		break;
	}
	for (; targets; targets &= targets - 1) {
		struct vcpu *to = vgic_vcpu(a->vcpu->vm, (u32)__builtin_ctz(targets));

		if (to)
			send_v2_sgi(a, to, (u32)FIELD_GET(SGIR_V2_INTID, value));
	}
}

#define SOURCES(at, set_)                                                                    \
	{                                                                                    \
		.offset = (at), .size = VGIC_SGIS, .bits = 8, .widths = 1 | 4, .fold = true, \
		.get = get_sources, .set = (set_)                                            \
	}

static const struct reg v2_regs[] = {
	{ .offset = 0x000, .size = 4, .widths = 4, .read = read_v2_ctlr, .write = write_v2_ctlr },
	{ .offset = 0x004, .size = 4, .widths = 4, .read = read_dist_typer },
	{ .offset = 0x008, .size = 4, .widths = 4, .read = read_iidr },
	FIELDS(0x080, 1, 1024, get_group, set_group),
	FIELDS(0x100, 1, 1024, get_enabled, set_enabled),
	FIELDS(0x180, 1, 1024, get_enabled, clear_enabled),
	STATE(0x200, 1024, get_pending, set_v2_pending),
	STATE(0x280, 1024, get_pending, clear_v2_pending),
	STATE(0x300, 1024, get_active, set_v2_active),
	STATE(0x380, 1024, get_active, clear_active),
	BYTES(0x400, 1024, get_priority, set_priority),
	BYTES(0x800, 1024, get_targets, set_targets),
	FIELDS(0xc00, 2, 1024, get_config, set_config),
	{ .offset = 0xf00, .size = 4, .widths = 4, .write = write_v2_sgir },
	SOURCES(0xf10, clear_sources),
	SOURCES(0xf20, set_sources),
};

/* GICC_DIR, the one register of the interface's second page */
#define GICC_DIR	0x1000
#define GICC_DIR_INTID	GENMASK(9, 0)
#define GICC_DIR_SOURCE GENMASK(12, 10)

static bool is_sgi_of(const struct vgic_irq *irq, u32 sender)
{
	return irq->sgi.taken == sender || irq->sgi.taken == VGIC_SGI_OF_ANY;
}

/* With EOImode=1, as ICC_DIR_EL1's; of an SGI also by which vCPU's it is. */
static void write_v2_dir(struct vcpu *vcpu, u64 value)
{
	u32 intid = (u32)FIELD_GET(GICC_DIR_INTID, value);

	vgic_v2_fold(vcpu);
	if (!(vcpu->vgic->vmcr & VMCR_VEOIM))
		return;
	/* which of them is active, this CPU alone changes */
	if (intid < VGIC_SGIS &&
	    !is_sgi_of(&vcpu->vgic->irq[intid], (u32)FIELD_GET(GICC_DIR_SOURCE, value)))
		return;
	vgic_deactivate(vcpu, intid);
}

/*
 * The CPU interface where it is not mapped: what the guest would do there itself. Its virtual
 * interrupts are in list registers, as they were when it ran. GICC_DIR is nowhere mapped.
 */
static enum trap_mmio access_interface(struct vcpu *vcpu, u64 offset, unsigned int bytes,
				       bool write, u64 *data)
{
	if (bytes != 4 || offset % 4 || offset >= VGIC_V2_CPU_MAPPED) {
		if (!write)
			*data = 0;
		else if (bytes == 4 && offset == GICC_DIR)
			write_v2_dir(vcpu, *data);
		return TRAP_MMIO_DONE;
	}
	/* the guest chooses the register: where there is none, some machines answer with an abort */
	if (write) {
		(void)!foreign_write_reg(vgic_v2.gicv + offset, 4, (u32)*data);
		return TRAP_MMIO_DONE;
	}
	*data = 0;
	(void)!foreign_read_reg(vgic_v2.gicv + offset, 4, data);
	return TRAP_MMIO_DONE;
}

enum trap_mmio vgic_v2_mmio(struct vcpu *vcpu, u64 ipa, unsigned int bytes, bool write, u64 *data)
{
	struct vgic *vgic = vcpu->vm->vgic;
	struct access a = { .vcpu = vcpu, .of = vcpu, .redist = true, .bytes = bytes };
	u64 result;

	if (!vgic)
		return TRAP_MMIO_NOT_MINE;
	if (offset_within(ipa, bytes, vgic->cpu_base, VGIC_V2_CPU_SIZE))
		return access_interface(vcpu, ipa - vgic->cpu_base, bytes, write, data);
	if (!offset_within(ipa, bytes, vgic->dist_base, VGIC_V2_DIST_SIZE))
		return TRAP_MMIO_NOT_MINE;
	vgic_v2_fold(vcpu);
	a.offset = (u32)(ipa - vgic->dist_base);
	result = access_reg(find_reg(v2_regs, ARRAY_SIZE(v2_regs), a.offset), &a, write, *data);
	if (a.again)
		return TRAP_MMIO_AGAIN;
	if (!write)
		*data = result;
	return TRAP_MMIO_DONE;
}

/*
 * For the host: pending state without inputs. Who has sent an SGI these registers do not say, so one
 * that is made pending is of the vCPU itself, and one that is cleared, of all.
 */
static void set_v2_latch(struct access *a, u32 intid, struct vgic_irq *irq, u32 field)
{
	if (!field)
		return;
	if (intid < VGIC_SGIS)
		set_sources(a, intid, irq, (u32)BIT(a->of->index));
	else
		set_pending(a, intid, irq, field);
}

static void clear_v2_latch(struct access *a, u32 intid, struct vgic_irq *irq, u32 field)
{
	if (!field)
		return;
	if (intid < VGIC_SGIS)
		clear_sources(a, intid, irq, ~0U);
	else
		clear_pending(a, intid, irq, field);
}

/*
 * KVM lets userspace write groups only once it has written GICD_IIDR: VMMs that do not know the
 * register restore what an early KVM read there, which was wrong.
 */
static void set_v2_group(struct access *a, u32 intid, struct vgic_irq *irq, u32 field)
{
	if (a->vcpu->vm->vgic->groups_known)
		set_group(a, intid, irq, field);
}

static const struct reg v2_host_groups = FIELDS(0x080, 1, 1024, get_group, set_v2_group);
static const struct reg v2_host_ispendr = STATE(0x200, 1024, get_latch, set_v2_latch);
static const struct reg v2_host_icpendr = STATE(0x280, 1024, get_latch, clear_v2_latch);

static const struct reg *find_v2_host_reg(u64 space, u64 offset)
{
	const struct reg *row;

	if (offset % 4 || offset >= VGIC_V2_DIST_SIZE)
		return NULL;
	if (space == KEEL_VGIC_LINES)
		return offset < 1024 / 8 ? &host_lines : NULL;
	row = find_reg(v2_regs, ARRAY_SIZE(v2_regs), (u32)offset);
	if (row && row->set == set_group)
		return &v2_host_groups;
	if (row && row->set == set_v2_pending)
		return &v2_host_ispendr;
	return row && row->set == clear_v2_pending ? &v2_host_icpendr : row;
}

static int set_v2_revision(struct vgic *vgic, u64 value)
{
	int ret = -EINVAL;

	if (FIELD_GET(GIC_IIDR_REVISION, value) >= VGIC_V2_REVISION_MIN)
		ret = set_revision(vgic, value);
	if (!ret)
		vgic->groups_known = true;
	return ret;
}

static int access_v2_reg(struct vcpu *vcpu, u64 space, u64 offset, bool write, u64 *value)
{
	struct access a = { .vcpu = vcpu, .of = vcpu, .redist = true, .bytes = 4, .host = true };
	const struct reg *reg = find_v2_host_reg(space, offset);
	u64 result = 0;

	a.offset = (u32)offset;
	if (!reg || !has_fields(&a, reg))
		return -ENXIO;
	if (reg->read == read_iidr && write)
		return set_v2_revision(vcpu->vm->vgic, *value);
	a.offset -= reg->offset;
	if (write || reg->bits)
		result = access_locked(reg, &a, write, *value);
	else if (reg->read)
		result = reg->read(&a);
	if (!write)
		*value = (u32)result;
	return 0;
}

int vgic_v2_host_reg(struct vcpu *vcpu, u64 space, u64 offset, bool write, u64 *value)
{
	switch (space) {
	case KEEL_VGIC_DIST:
	case KEEL_VGIC_LINES:
		return access_v2_reg(vcpu, space, offset, write, value);
	case KEEL_VGIC_CPU:
		return vgic_host_gicc(vcpu, offset, write, value);
	case KEEL_VGIC_REDIST:
		return -ENXIO;
	default:
		return -EINVAL;
	}
}

/* ---- SGIs ---- */

/* ICC_SGI1R_EL1 */
#define SGIR_TARGETS GENMASK(15, 0)
#define SGIR_AFF1    GENMASK(23, 16)
#define SGIR_INTID   GENMASK(27, 24)
#define SGIR_AFF2    GENMASK(39, 32)
#define SGIR_IRM     BIT(40)
#define SGIR_RS	     GENMASK(47, 44)
#define SGIR_AFF3    GENMASK(55, 48)

/* With one security state, ICC_SGI1R_EL1 (@group1) reaches SGIs of both groups, others Group 0. */
static __always_inline void send_sgi(struct vcpu *vcpu, struct vcpu *to, u32 intid, bool group1)
{
	struct vgic_irq *irq;

	if (!to)
		return;
	irq = &to->vgic->irq[intid];
	if ((irq->group1 && !group1) || irq->latch)
		return;
	irq->latch = true;
	vgic_has_pended(to, intid);
	if (irq->enabled)
		vgic_notify(vcpu, to);
}

static __noinline void send_to_others(struct vcpu *vcpu, u32 intid, bool group1)
{
	struct vgic *vgic = vcpu->vm->vgic;

	for (u32 i = 0; i < vgic->nr_frames; i++)
		if (vgic->frame[i] != vcpu->index)
			send_sgi(vcpu, vgic_vcpu(vcpu->vm, vgic->frame[i]), intid, group1);
}

/* GICD_TYPER.RSS is 0: affinity 0 has one range, and any other range selector names no vCPU. */
static void send_to_list(struct vcpu *vcpu, u64 value, u32 intid, bool group1)
{
	u32 affinity = (u32)(FIELD_GET(SGIR_AFF3, value) << 24 | FIELD_GET(SGIR_AFF2, value) << 16 |
			     FIELD_GET(SGIR_AFF1, value) << 8);
	u32 targets = (u32)FIELD_GET(SGIR_TARGETS, value);
	u16 first = vgic_index_of(affinity);

	if (FIELD_GET(SGIR_RS, value) || first == VGIC_NO_VCPU)
		return;
	for (; targets; targets &= targets - 1)
		send_sgi(vcpu, vgic_vcpu(vcpu->vm, first + (u32)__builtin_ctz(targets)), intid,
			 group1);
}

static __always_inline enum vcpu_action write_sgir(struct vcpu *vcpu, u64 value, bool group1)
{
	u32 intid = (u32)FIELD_GET(SGIR_INTID, value);
	struct vgic *vgic = vcpu->vm->vgic;

	if (!vgic)
		return VCPU_RESUME;
	spin_lock(&vgic->lock);
	if (value & SGIR_IRM)
		send_to_others(vcpu, intid, group1);
	else
		send_to_list(vcpu, value, intid, group1);
	spin_unlock(&vgic->lock);
	return vcpu->vgic->leave ? vcpu_to_host(KEEL_EXIT_IRQ) : VCPU_RESUME;
}

int vgic_write_sgi1r(struct vcpu *vcpu, u64 value)
{
	return write_sgir(vcpu, value, true);
}

int vgic_write_sgi0r(struct vcpu *vcpu, u64 value)
{
	return write_sgir(vcpu, value, false);
}
