// SPDX-License-Identifier: BSD-2-Clause
/* The timers of a virtual EL2. See nested_timer.h. */
#include <arch/reg_bits.h>
#include <arch/regs.h>
#include <arch/timer.h>
#include <nested/nested_regs.h>
#include <nested/nested_timer.h>
#include <timer/timer.h>
#include <vgic/vgic.h>
#include <vm/count.h>

/* NAME_EL02: op1 is 5 in the place of 3 */
#define NAME_EL02(reg) (REG_NUM(reg) ^ SYSREG_ENC(0, 3 ^ 5, 0, 0, 0))

/* EL2's timers. */
static const struct nested_timer {
	u16 ctl, cval; /* indices of own[] */
	u32 intid;
} timers[] = {
	{ NESTED_CNTHP_CTL_EL2, NESTED_CNTHP_CVAL_EL2, VGIC_PPI_EL2_PTIMER },
	{ NESTED_CNTHV_CTL_EL2, NESTED_CNTHV_CVAL_EL2, VGIC_PPI_EL2_VTIMER },
};

enum timer_part { PART_CTL, PART_CVAL, PART_TVAL };

/* Names by which a guest accesses a timer in the context NESTED_EL2. @el1: it is EL1's. */
static const struct name {
	u16 encoding;
	u8 timer; /* number; 0 physical, 1 virtual */
	u8 part;
	bool el1;
} names[] = {
#define TIMER_NAMES(kind, number, el2)                                   \
	{ REG_NUM(kind##_TVAL_EL0), number, PART_TVAL, false },          \
		{ REG_NUM(kind##_CTL_EL0), number, PART_CTL, false },    \
		{ REG_NUM(kind##_CVAL_EL0), number, PART_CVAL, false },  \
		{ REG_NUM(el2##_TVAL_EL2), number, PART_TVAL, false },   \
		{ REG_NUM(el2##_CTL_EL2), number, PART_CTL, false },     \
		{ REG_NUM(el2##_CVAL_EL2), number, PART_CVAL, false },   \
		{ NAME_EL02(kind##_TVAL_EL0), number, PART_TVAL, true }, \
		{ NAME_EL02(kind##_CTL_EL0), number, PART_CTL, true },   \
	{                                                                \
		NAME_EL02(kind##_CVAL_EL0), number, PART_CVAL, true      \
	}
	TIMER_NAMES(CNTP, 0, CNTHP),
	TIMER_NAMES(CNTV, 1, CNTHV),
};

static const struct name *find_name(u32 encoding)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].encoding == encoding)
			return &names[i];
	return NULL;
}

static bool is_armed(u64 ctl)
{
	return (ctl & CNT_CTL_WRITABLE) == CNT_CTL_ENABLE;
}

/* ---- EL2's ---- */

/* Set the levels of EL2's own. Return: when the next of them fires; ~0 for never. */
static u64 update_el2(struct vcpu *vcpu, u64 now)
{
	const u64 *own = vcpu->nested->own;
	u64 next = ~0ULL;

	for (unsigned int i = 0; i < ARRAY_SIZE(timers); i++) {
		bool armed = is_armed(own[timers[i].ctl]),
		     level = armed && now >= own[timers[i].cval];

		vgic_set_timer(vcpu, timers[i].intid, level);
		if (armed && !level)
			next = MIN(next, own[timers[i].cval]);
	}
	return next;
}

/* When EL1's virtual timer fires, which is not in the hardware: 0 if it has; ~0 for never. */
static u64 el1_time(const struct vcpu *vcpu, u64 now)
{
	const u64 *page = vcpu->nested->page;
	u64 offset = page[CNTVOFF_EL2], cval = page[CNTV_CVAL_EL0];

	if (!is_armed(page[CNTV_CTL_EL0]))
		return ~0ULL;
	return now - offset >= cval ? 0 : count_time(offset, cval);
}

/* The same for EL1's virtual timer while EL2 has the hardware. */
static u64 update_el1(struct vcpu *vcpu, u64 now)
{
	u64 at = el1_time(vcpu, now);

	vgic_set_timer(vcpu, VGIC_PPI_VTIMER, !at);
	return at ? at : ~0ULL;
}

bool nested_timer_update(struct vcpu *vcpu)
{
	u64 now = timer_counter(), next = update_el2(vcpu, now);
	bool due = vcpu->alarm && now >= vcpu->alarm;

	if (vcpu->nested->context == NESTED_EL2)
		next = MIN(next, update_el1(vcpu, now));
	if (next == ~0ULL)
		next = 0;
	if (next != vcpu->alarm)
		timer_set_alarm(vcpu, next);
	return due;
}

static bool wakes(struct vcpu *vcpu, u32 intid)
{
	return !vcpu->vm->vgic || vgic_wakes(vcpu, intid);
}

u64 nested_timer_deadline(struct vcpu *vcpu)
{
	const u64 *own = vcpu->nested->own;
	u64 next = ~0ULL;

	for (unsigned int i = 0; i < ARRAY_SIZE(timers); i++)
		if (is_armed(own[timers[i].ctl]) && wakes(vcpu, timers[i].intid))
			next = MIN(next, own[timers[i].cval]);
	if (vcpu->nested->context == NESTED_EL2 && wakes(vcpu, VGIC_PPI_VTIMER))
		next = MIN(next, el1_time(vcpu, timer_counter()));
	return next;
}

/* ---- accesses ---- */

struct place {
	u64 *ctl, *cval;
	u64 count;
};

/*
 * EL1's physical timer is timer/'s, in the register file in either context. EL1's virtual timer is
 * in the page while EL2 has the hardware, which is the only context whose accesses come here.
 */
static struct place place_of(struct vcpu *vcpu, const struct name *name)
{
	struct nested_vcpu *nested = vcpu->nested;
	u64 now = timer_counter();

	if (!name->el1)
		return (struct place){ &nested->own[timers[name->timer].ctl],
				       &nested->own[timers[name->timer].cval], now };
	return (struct place){ &nested->page[CNTV_CTL_EL0], &nested->page[CNTV_CVAL_EL0],
			       now - nested->page[CNTVOFF_EL2] };
}

static u64 read_part(const struct place *at, enum timer_part part)
{
	u64 ctl = *at->ctl & CNT_CTL_WRITABLE;

	switch (part) {
	case PART_CTL:
		return ctl |
		       ((ctl & CNT_CTL_ENABLE) && at->count >= *at->cval ? CNT_CTL_ISTATUS : 0);
	case PART_CVAL:
		return *at->cval;
	default:
		return (u32)(*at->cval - at->count);
	}
}

static void write_part(const struct place *at, enum timer_part part, u64 value)
{
	switch (part) {
	case PART_CTL:
		*at->ctl = value & CNT_CTL_WRITABLE;
		break;
	case PART_CVAL:
		*at->cval = value;
		break;
	default: /* signed, 32 bits */
		*at->cval = at->count + (u64)(s64)(s32)(u32)value;
		break;
	}
}

static void access_el1_physical(struct vcpu *vcpu, u32 encoding, bool read, u64 *value)
{
	encoding &= ~(u32)SYSREG_ENC(0, 7, 0, 0, 0);
	encoding |= SYSREG_ENC(0, 3, 0, 0, 0);
	if (read)
		*value = timer_read_sysreg(vcpu, encoding);
	else
		timer_write_sysreg(vcpu, encoding, *value);
}

bool nested_timer_access(struct vcpu *vcpu, u32 encoding, bool read, u64 *value)
{
	const struct name *name = find_name(encoding);
	struct place at;

	if (!name)
		return false;
	if (name->el1 && name->timer == 0) {
		access_el1_physical(vcpu, encoding, read, value);
		return true;
	}
	at = place_of(vcpu, name);
	if (read)
		*value = read_part(&at, (enum timer_part)name->part);
	else
		write_part(&at, (enum timer_part)name->part, *value);
	if (!read)
		(void)nested_timer_update(vcpu);
	return true;
}

/* ---- EL1's virtual timer ---- */

/*
 * Its interrupt is the VM's PPI 27. In the hardware that is the physical PPI 27, forwarded
 * (vgic_forward()); as a record it is a level. An interrupt that EL2 has acknowledged stays active.
 */
void nested_timer_leave_el1(struct vcpu *vcpu)
{
	u64 *page = vcpu->nested->page;

	page[CNTV_CTL_EL0] = read_el1_cntv_ctl() & CNT_CTL_WRITABLE;
	page[CNTV_CVAL_EL0] = read_el1_cntv_cval();
	write_el1_cntv_ctl(0);
	if (vcpu->vm->vgic)
		vgic_stop_forwarding(vcpu, VGIC_PPI_VTIMER, !el1_time(vcpu, timer_counter()));
}

/*
 * A level that is high is forwarded at once, or the physical interrupt would come next. One that
 * rises from now on does so by its interrupt.
 */
void nested_timer_enter_el1(struct vcpu *vcpu)
{
	const u64 *page = vcpu->nested->page;

	write_el1_cntv_cval(page[CNTV_CVAL_EL0]);
	write_el1_cntv_ctl(page[CNTV_CTL_EL0] & CNT_CTL_WRITABLE);
	if (vcpu->vm->vgic && vgic_level(vcpu, VGIC_PPI_VTIMER))
		(void)vgic_forward(vcpu, VGIC_PPI_VTIMER);
}

void nested_timer_reset(struct vcpu *vcpu)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(timers); i++)
		vgic_set_timer(vcpu, timers[i].intid, false);
	vgic_set_timer(vcpu, VGIC_PPI_VTIMER, false);
	vcpu->alarm = 0;
}
