// SPDX-License-Identifier: BSD-2-Clause
/*
 * LPIs, as the host gives them and takes them back. Where devices' messages become LPIs, and how they
 * are configured, only the host knows: an LPI has a place here (struct vgic_lpi) as long as it is
 * pending and enabled, and then goes into list registers as other interrupts do (vgic.c).
 */
#include <lib/compiler.h>
#include <lib/errno.h>
#include <vgic/vgic.h>

#define LPI_END	 BIT(24)
#define NO_PLACE VGIC_LPIS

void vgic_enable_lpis(struct vm *vm)
{
	u32 typer = (vm->vgic->typer & (u32)~GICD_TYPER_IDBITS) | (u32)GICD_TYPER_IDBITS_LPIS |
		    (u32)GICD_TYPER_LPIS;

	__atomic_store_n(&vm->vgic->typer, typer, __ATOMIC_RELAXED);
}

static u32 find_place(const struct vgic_cpu *v, u32 intid)
{
	for (u64 left = v->lpi_busy; left; left &= left - 1)
		if (v->lpi[__builtin_ctzll(left)].intid == intid)
			return (u32)__builtin_ctzll(left);
	return NO_PLACE;
}

/* The least urgent LPI whose place can be given to another one. */
static u32 find_least_urgent(const struct vgic_cpu *v)
{
	u32 found = NO_PLACE;

	for (u32 place = 0; place < VGIC_LPIS; place++) {
		const struct vgic_irq *irq = &v->lpi[place].irq;

		if (!irq->in_lr && irq->enabled &&
		    (found == NO_PLACE || irq->priority > v->lpi[found].irq.priority))
			found = place;
	}
	return found;
}

/* A place for an LPI that has none yet. */
static u32 make_lpi_room(struct vgic_cpu *v, u8 priority, u64 *back)
{
	u32 place;

	if (~v->lpi_busy)
		return (u32)__builtin_ctzll(~v->lpi_busy);
	v->lpi_fold |= (u32)VGIC_LPI_MORE;
	place = find_least_urgent(v);
	if (place == NO_PLACE || v->lpi[place].irq.priority <= priority)
		return NO_PLACE;
	*back = v->lpi[place].intid;
	return place;
}

static int pend_new(struct vcpu *vcpu, u32 intid, u8 priority, u64 *back)
{
	struct vgic_cpu *v = vcpu->vgic;
	u32 place = make_lpi_room(v, priority, back);

	if (place == NO_PLACE)
		return -ENOSPC;
	v->lpi[place] = (struct vgic_lpi){ .intid = intid,
					   .irq = { .priority = priority,
						    .enabled = true,
						    .group1 = true,
						    .edge = true,
						    .latch = true,
						    .home = VGIC_NO_VCPU } };
	vgic_set_lpi_busy(v, v->lpi_busy | BIT(place));
	vcpu_set_attention(vcpu);
	return 1;
}

/* In a list register it may have been taken, and then is pending anew. */
static int pend_again(struct vcpu *vcpu, struct vgic_irq *irq, u8 priority)
{
	bool in_lr = irq->in_lr;

	irq->latch = true;
	irq->enabled = true;
	if (!in_lr)
		irq->priority = priority;
	vcpu_set_attention(vcpu);
	return in_lr;
}

int vgic_lpi_pend(struct vcpu *vcpu, u64 intid, u64 priority, u64 *back)
{
	struct vgic_cpu *v = vcpu->vgic;
	u32 place;
	int ret;

	*back = 0;
	if (intid < VGIC_LPI_FIRST || intid >= LPI_END ||
	    priority & ~(u64)(VGIC_PRIORITY_MASK | KEEL_LPI_AGAIN))
		return -EINVAL;
	spin_lock(&vcpu->vm->vgic->lock);
	place = find_place(v, (u32)intid);
	if (place == NO_PLACE && priority & KEEL_LPI_AGAIN)
		ret = -ENOSPC;
	else if (place == NO_PLACE)
		ret = pend_new(vcpu, (u32)intid, (u8)priority, back);
	else
		ret = pend_again(vcpu, &v->lpi[place].irq, (u8)priority & VGIC_PRIORITY_MASK);
	spin_unlock(&vcpu->vm->vgic->lock);
	return ret;
}

/* From now on it does not go into a list register; if it is in one, it comes back. */
static int take_place(struct vcpu *vcpu, u32 place)
{
	struct vgic_cpu *v = vcpu->vgic;
	struct vgic_irq *irq = &v->lpi[place].irq;

	if (irq->in_lr) {
		irq->enabled = false;
		vcpu_set_attention(vcpu);
		return -EAGAIN;
	}
	vgic_free_lpi(v, place);
	return 1;
}

int vgic_lpi_take(struct vcpu *vcpu, u64 intid)
{
	struct vgic_cpu *v = vcpu->vgic;
	u32 place;
	int ret;

	if (intid < VGIC_LPI_FIRST || intid >= LPI_END)
		return -EINVAL;
	spin_lock(&vcpu->vm->vgic->lock);
	place = find_place(v, (u32)intid);
	ret = place == NO_PLACE ? 0 : take_place(vcpu, place);
	spin_unlock(&vcpu->vm->vgic->lock);
	return ret;
}
