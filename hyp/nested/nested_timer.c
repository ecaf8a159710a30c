// SPDX-License-Identifier: BSD-2-Clause
/* The timers of a virtual EL2. See nested_timer.h. */
#include <arch/regs.h>
#include <arch/timer.h>
#include <nested/nested_regs.h>
#include <nested/nested_timer.h>
#include <timer/timer.h>
#include <vgic/vgic.h>

/* CNTx_CTL_EL0 */
#define CTL_ENABLE   BIT(0)
#define CTL_IMASK    BIT(1)
#define CTL_ISTATUS  BIT(2)
#define CTL_WRITABLE (CTL_ENABLE | CTL_IMASK)

/* NAME_EL02: op1 is 5 in the place of 3 */
#define NAME_EL02(reg) (REG_NUM(reg) ^ SYSREG_ENC(0, 3 ^ 5, 0, 0, 0))

/* EL2's timers. */
static const struct nested_timer {
	u16 ctl, cval; /* indices of own[] */
	u32 intid;
} timers[] = {
	{ NESTED_CNTHP_CTL_EL2, NESTED_CNTHP_CVAL_EL2, NESTED_PPI_CNTHP },
	{ NESTED_CNTHV_CTL_EL2, NESTED_CNTHV_CVAL_EL2, NESTED_PPI_CNTHV },
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
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].encoding == encoding)
			return &names[i];
	return NULL;
}

static bool is_armed(u64 ctl)
{
	return (ctl & CTL_WRITABLE) == CTL_ENABLE;
}

/* ---- EL2's ---- */

static void tell_level(struct vcpu *vcpu, unsigned int n, bool level)
{
	u8 bit = (u8)BIT(n);

	if (level == !!(vcpu->nested->timer_level & bit))
		return;
	vcpu->nested->timer_level ^= bit;
	vgic_set_timer(vcpu, timers[n].intid, level);
}

bool nested_timer_update(struct vcpu *vcpu)
{
	const u64 *own = vcpu->nested->own;
	u64 now = timer_counter(), next = ~0ULL;
	bool due = vcpu->alarm && now >= vcpu->alarm;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(timers); i++) {
		bool armed = is_armed(own[timers[i].ctl]),
		     level = armed && now >= own[timers[i].cval];

		tell_level(vcpu, i, level);
		if (armed && !level)
			next = MIN(next, own[timers[i].cval]);
	}
	if (next == ~0ULL)
		next = 0;
	if (next != vcpu->alarm)
		timer_set_alarm(vcpu, next);
	return due;
}

u64 nested_timer_deadline(struct vcpu *vcpu)
{
	const u64 *own = vcpu->nested->own;
	u64 next = ~0ULL;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(timers); i++)
		if (is_armed(own[timers[i].ctl]) &&
		    (!vcpu->vm->vgic || vgic_wakes(vcpu, timers[i].intid)))
			next = MIN(next, own[timers[i].cval]);
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
			       now - vcpu->vm->cntvoff - nested->page[CNTVOFF_EL2] };
}

static u64 read_part(const struct place *at, enum timer_part part)
{
	u64 ctl = *at->ctl & CTL_WRITABLE;

	switch (part) {
	case PART_CTL:
		return ctl | ((ctl & CTL_ENABLE) && at->count >= *at->cval ? CTL_ISTATUS : 0);
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
		*at->ctl = value & CTL_WRITABLE;
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

void nested_timer_leave_el1(struct vcpu *vcpu)
{
	u64 *page = vcpu->nested->page;

	page[CNTV_CTL_EL0] = read_el1_cntv_ctl() & CTL_WRITABLE;
	page[CNTV_CVAL_EL0] = read_el1_cntv_cval();
	write_el1_cntv_ctl(0);
}

void nested_timer_enter_el1(struct vcpu *vcpu)
{
	const u64 *page = vcpu->nested->page;

	write_el1_cntv_cval(page[CNTV_CVAL_EL0]);
	write_el1_cntv_ctl(page[CNTV_CTL_EL0] & CTL_WRITABLE);
}
