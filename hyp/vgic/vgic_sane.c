// SPDX-License-Identifier: BSD-2-Clause
/* What holds of a vGIC's state between two changes: vgic_sane(), in debug builds and tests. */
#include <arch/reg_bits.h>
#include <cpu/percpu.h>
#include <lib/compiler.h>
#include <vgic/vgic.h>

#ifdef KEEL_DEBUG

static bool is_busy(const struct vgic_irq *irq)
{
	return vgic_irq_pending(irq) || irq->active || irq->in_lr;
}

/* What holds of every interrupt. */
static const char *irq_fault(const struct vgic_irq *irq)
{
	if (irq->priority & ~VGIC_PRIORITY_MASK)
		return "its priority has bits that there are not";
	if (irq->target != VGIC_NO_VCPU && irq->target >= VM_VCPUS_MAX)
		return "it is routed to a vCPU that cannot be";
	if (!irq->in_lr && (irq->lr_latch || irq->unpend || irq->activate || irq->deactivate))
		return "it has requests, and is in no list register";
	if (irq->activate && irq->deactivate)
		return "it is requested to become active, and not to be";
	if (!irq->in_lr && !irq->active && irq->home != VGIC_NO_VCPU)
		return "it is neither active nor in a list register, and has a home";
	return NULL;
}

/* ---- list registers ---- */

/* The interrupt in list register @n; NULL: there is none. */
static const struct vgic_irq *irq_in_lr(struct vcpu *vcpu, unsigned int n, u32 intid)
{
	const struct vgic_cpu *v = vcpu->vgic;

	if (intid < VGIC_LPI_FIRST)
		return vgic_irq_of(vcpu, intid);
	if (v->lr_lpi[n] >= VGIC_LPIS || v->lpi[v->lr_lpi[n]].intid != intid)
		return NULL;
	return &v->lpi[v->lr_lpi[n]].irq;
}

/* One that is used, with the value that was written at the last fill. */
static const char *lr_fault(struct vcpu *vcpu, unsigned int n, u32 *intid)
{
	u64 lr = vcpu->vgic->lr[n];
	const struct vgic_irq *irq;

	*intid = (u32)FIELD_GET(LR_VINTID, lr);
	irq = irq_in_lr(vcpu, n, *intid);
	if (!!(vcpu->vgic->lpi_fold & BIT(n)) != (*intid >= VGIC_LPI_FIRST))
		return "its list register is one of an LPI, and is not marked so, or the other way";
	if (!irq)
		return "it is in a list register, and there is no such interrupt";
	if (!irq->in_lr || irq->home != vcpu->index)
		return "it is in a list register, and does not know";
	if (!(lr & (LR_PENDING | LR_ACTIVE)))
		return "its list register was filled with an idle interrupt";
	if (!!(lr & LR_HW) != irq->forwarded)
		return "its list register and its state differ in whether it is forwarded";
	if ((lr & LR_HW) && (lr & LR_PENDING) && (lr & LR_ACTIVE))
		return "a forwarded interrupt was pending and active at once";
	if ((lr & LR_HW) && FIELD_GET(LR_PINTID, lr) != *intid)
		return "it is forwarded from another physical interrupt";
	return irq->lr_latch && !(lr & LR_PENDING)
		       ? "its latch was moved to a list register that was not pending"
		       : NULL;
}

/* All of @vcpu's; @private: SGIs and PPIs that are in one of them. */
static const char *lrs_fault(struct vcpu *vcpu, u32 *private, u32 *intid)
{
	const struct vgic_cpu *v = vcpu->vgic;

	*private = 0;
	*intid = 0;
	if (!(v->busy & VGIC_BUSY_LPIS) != !v->lpi_busy)
		return "LPIs have places and are not marked busy, or are marked and have none";
	if (v->lpi_fold & (u32)~VGIC_LPI_MORE & ~v->lr_used)
		return "an LPI is in a list register that is not used";
	if (v->lr_used & ~(BIT(ICH_LR_MAX) - 1))
		return "a list register is used that there is not";
	if (!v->loaded && (v->lr_used | v->forwarded))
		return "a vCPU that is on no CPU has list registers or forwarded interrupts";
	for (u32 left = v->lr_used; left; left &= left - 1) {
		const char *why = lr_fault(vcpu, (unsigned int)__builtin_ctz(left), intid);

		if (why)
			return why;
		if (*intid >= VGIC_PRIVATE)
			continue;
		if (*private & BIT(*intid))
			return "it is in two list registers";
		*private |= (u32)BIT(*intid);
	}
	return NULL;
}

/* ---- SGIs and PPIs ---- */

static const char *private_fault(const struct vgic_cpu *v, u32 intid, bool in_lr)
{
	const struct vgic_irq *irq = &v->irq[intid];

	if (irq->edge != (intid < VGIC_SGIS))
		return "an SGI is a level, or a PPI an edge";
	if (intid < VGIC_SGIS && (irq->line || irq->forwarded))
		return "an SGI has an input";
	if (intid < VGIC_SGIS && vgic_is_v2() && irq->latch != !!irq->sgi.sources)
		return "an SGI is pending and nobody has sent it, or the other way";
	if (irq->report)
		return "the host is to be told of the end of an SGI or PPI";
	if (irq->in_lr != in_lr)
		return "it says that it is in a list register, and is not";
	if (irq->forwarded != !!(v->forwarded & BIT(intid)))
		return "it and its vCPU differ in whether it is forwarded";
	if (is_busy(irq) != !!(v->busy & BIT(intid)))
		return "it is busy and not marked so, or marked and not busy";
	return irq_fault(irq);
}

/* ---- LPIs ---- */

/* In how many list registers, and how many places, an LPI is. */
static const char *lpi_fault(const struct vgic_cpu *v, u32 place)
{
	const struct vgic_lpi *lpi = &v->lpi[place];
	unsigned int places = 0, lrs = 0;

	if (!lpi->intid != !(v->lpi_busy & BIT(place)))
		return "a place for an LPI is not marked as it is";
	if (!lpi->intid)
		return NULL;
	for (u32 i = 0; i < VGIC_LPIS; i++)
		places += v->lpi[i].intid == lpi->intid;
	for (u32 left = v->lr_used; left; left &= left - 1)
		lrs += FIELD_GET(LR_VINTID, v->lr[__builtin_ctz(left)]) == lpi->intid;
	if (places != 1 || lrs != lpi->irq.in_lr)
		return "an LPI is in two places, or not in a list register as it says";
	if (lpi->irq.active || !lpi->irq.edge || !lpi->irq.group1 || lpi->irq.forwarded)
		return "an LPI is what LPIs are not";
	if (!lpi->irq.latch && !lpi->irq.in_lr)
		return "an LPI has a place, and is not pending";
	return irq_fault(&lpi->irq);
}

const char *vgic_cpu_sane(struct vcpu *vcpu, u32 *intid)
{
	u32 in_lrs;
	const char *why = lrs_fault(vcpu, &in_lrs, intid);

	for (u32 i = 0; i < VGIC_PRIVATE && !why; i++) {
		*intid = i;
		why = private_fault(vcpu->vgic, i, in_lrs & BIT(i));
	}
	for (u32 i = 0; i < VGIC_LPIS && !why; i++) {
		*intid = vcpu->vgic->lpi[i].intid;
		why = lpi_fault(vcpu->vgic, i);
	}
	return why;
}

/* ---- SPIs ---- */

/* In how many list registers of its home the SPI is. */
static unsigned int count_in_lrs(const struct vgic_cpu *v, u32 intid)
{
	unsigned int count = 0;

	for (u32 left = v->lr_used; left; left &= left - 1)
		count += FIELD_GET(LR_VINTID, v->lr[__builtin_ctz(left)]) == intid;
	return count;
}

static u16 routed_to(const struct vgic *vgic, const struct vgic_irq *irq)
{
	if (!vgic_is_v2())
		return vgic_index_of(irq->affinity);
	return irq->affinity ? (u16)__builtin_ctz(irq->affinity) : vgic_first_vcpu(vgic);
}

static const char *spi_fault(struct vm *vm, u32 intid)
{
	struct vgic *vgic = vm->vgic;
	const struct vgic_irq *irq = vgic_irq_of(vgic_vcpu(vm, vgic->frame[0]), intid);
	const struct vcpu *home = vgic_vcpu(vm, irq->home);

	if (irq->forwarded)
		return "an SPI is forwarded";
	if (irq->target != routed_to(vgic, irq))
		return "it is not routed to where GICD_IROUTER or GICD_ITARGETSR says";
	if (is_busy(irq) != !!(vgic->busy[intid / 64] & BIT(intid % 64)))
		return "it is busy and not marked so, or marked and not busy";
	if (!vgic->busy[intid / 64] != !(vgic->busy_words & BIT(intid / 64)))
		return "its word of the busy bitmap is not marked as it is";
	if (irq->in_lr && (!home || count_in_lrs(home->vgic, intid) != 1))
		return "it says that it is in a list register, and is not in one of its home's";
	return irq_fault(irq);
}

const char *vgic_spis_sane(struct vm *vm, u32 first, u32 count, u32 *intid)
{
	u32 end = MIN(MIN(vm->vgic->nr_irqs, (u32)VGIC_INTIDS), first + count);
	const char *why = NULL;

	for (u32 i = first; i < end && !why; i++) {
		*intid = i;
		why = spi_fault(vm, i);
	}
	return why;
}

/* ---- the vGIC ---- */

/* Whether region @n overlaps with the distributor or with a region before it. */
static bool region_overlaps(const struct vgic *vgic, u32 n)
{
	const struct vgic_region *region = &vgic->region[n];
	u64 size = vgic_region_size(region);

	for (u32 i = 0; i < n; i++)
		if (vgic_frames_overlap(region->base, size, vgic->region[i].base,
					vgic_region_size(&vgic->region[i])))
			return true;
	return vgic_frames_overlap(region->base, size, vgic->dist_base, VGIC_DIST_SIZE);
}

static const char *regions_fault(const struct vgic *vgic)
{
	u32 placed = 0;

	for (u32 n = 0; n < vgic->nr_regions; n++) {
		if (vgic->region[n].first != placed)
			return "a region does not begin where the one before it ends";
		if (region_overlaps(vgic, n))
			return "a region overlaps with other registers";
		placed += vgic->region[n].count;
	}
	return placed <= vgic->nr_frames ? NULL : "there are more frames than vCPUs";
}

static const char *vgic_fault(struct vm *vm)
{
	const struct vgic *vgic = vm->vgic;

	if (vgic->nr_irqs < 64 || vgic->nr_irqs > 1024 || vgic->nr_irqs % 32)
		return "the number of interrupts cannot be";
	if (vgic->ctlr & ~(GICD_CTLR_ENABLE_GRP0 | GICD_CTLR_ENABLE_GRP1 | VGIC_GRP0_HIDDEN))
		return "groups are on that there are not";
	for (u32 i = 0; i < vgic->nr_frames; i++) {
		const struct vcpu *vcpu = vgic_vcpu(vm, vgic->frame[i]);

		if (!vcpu || vcpu->number != i)
			return "redistributors are not those of the vCPUs, in order";
	}
	return regions_fault(vgic);
}

const char *vgic_sane(struct vm *vm, u32 *intid)
{
	const struct vgic *vgic = vm->vgic;
	const char *why = vgic_fault(vm);

	spin_assert_held(&vgic->lock);
	*intid = 0;
	for (u32 i = 0; i < vgic->nr_frames && !why; i++)
		why = vgic_cpu_sane(vgic_vcpu(vm, vgic->frame[i]), intid);
	return why ? why : vgic_spis_sane(vm, VGIC_PRIVATE, vgic->nr_irqs, intid);
}

#endif
