// SPDX-License-Identifier: BSD-2-Clause
/* The timers of a virtual EL2. See nested_timer.h. */
#include <arch/gicr.h>
#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <arch/regs.h>
#include <arch/timer.h>
#include <cpu/assert.h>
#include <cpu/percpu.h>
#include <nested/nested_regs.h>
#include <nested/nested_timer.h>
#include <timer/timer.h>
#include <vgic/vgic.h>
#include <vm/count.h>

/* EL2's timers. */
static const struct nested_timer {
	u16 ctl, cval; /* indices of own[] */
	u32 intid;
} timers[] = {
	{ NESTED_CNTHP_CTL_EL2, NESTED_CNTHP_CVAL_EL2, VGIC_PPI_EL2_PTIMER },
	{ NESTED_CNTHV_CTL_EL2, NESTED_CNTHV_CVAL_EL2, VGIC_PPI_EL2_VTIMER },
};

bool nested_native_timers;

void nested_timer_init(bool has_ecv)
{
	nested_native_timers = !has_ecv;
}

/* As op2 has it. */
enum timer_part { PART_TVAL, PART_CTL, PART_CVAL, TIMER_PARTS };

/* A name by which a guest accesses a timer in the context NESTED_EL2. @el1: it is EL1's. */
struct name {
	u8 timer; /* number; 0 physical, 1 virtual */
	u8 part;
	bool el1;
};

#define ENC_OP1 GENMASK(13, 11)
#define ENC_CRM GENMASK(6, 3)
#define ENC_OP2 GENMASK(2, 0)

#define CRM_PHYSICAL 2

/*
 * All have op0 3 and CRn 14 (D24.11). op1 is 3 for EL1's names, which are EL2's timers there, 4 for
 * EL2's and 5 for EL1's timers; CRm is 2 for the physical and 3 for the virtual one.
 */
static __always_inline bool find_name(u32 encoding, struct name *name)
{
	u32 op1 = (u32)FIELD_GET(ENC_OP1, encoding), crm = (u32)FIELD_GET(ENC_CRM, encoding);

	name->timer = (u8)(crm - CRM_PHYSICAL);
	name->part = (u8)FIELD_GET(ENC_OP2, encoding);
	name->el1 = op1 == 5;
	return (encoding & ~(u32)(ENC_OP1 | ENC_CRM | ENC_OP2)) == SYSREG_ENC(3, 0, 14, 0, 0) &&
	       op1 >= 3 && op1 <= 5 && name->timer <= 1 && name->part < TIMER_PARTS;
}

STATIC_ASSERT(REG_NUM(CNTP_TVAL_EL0) == SYSREG_ENC(3, 3, 14, CRM_PHYSICAL, PART_TVAL),
	      "EL1's name");
STATIC_ASSERT(REG_NUM(CNTV_CVAL_EL0) == SYSREG_ENC(3, 3, 14, CRM_PHYSICAL + 1, PART_CVAL),
	      "virtual");
STATIC_ASSERT(REG_NUM(CNTHP_CTL_EL2) == SYSREG_ENC(3, 4, 14, CRM_PHYSICAL, PART_CTL), "EL2's name");

static bool is_armed(u64 ctl)
{
	return (ctl & CNT_CTL_WRITABLE) == CNT_CTL_ENABLE;
}

/* CNTx_CTL_EL0 as it is read. */
static u64 ctl_now(u64 ctl, u64 cval, u64 count)
{
	ctl &= CNT_CTL_WRITABLE;
	return ctl | ((ctl & CNT_CTL_ENABLE) && count >= cval ? CNT_CTL_ISTATUS : 0);
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

/* ---- native timers ---- */

static bool el2_virtual_fires(const struct nested_vcpu *nested)
{
	return is_armed(nested->own[NESTED_CNTHV_CTL_EL2]) &&
	       timer_counter() >= nested->own[NESTED_CNTHV_CVAL_EL2];
}

/* What the guest has written to EL1's physical timer by its _EL02 names. */
static void take_el1_physical(struct vcpu *vcpu)
{
	u64 ctl = vcpu->nested->page[CNTP_CTL_EL0] & CNT_CTL_WRITABLE,
	    cval = vcpu->nested->page[CNTP_CVAL_EL0];

	if (cval != vcpu->sysreg[CNTP_CVAL_EL0])
		timer_write_sysreg(vcpu, REG_NUM(CNTP_CVAL_EL0), cval);
	if (ctl != (vcpu->sysreg[CNTP_CTL_EL0] & CNT_CTL_WRITABLE))
		timer_write_sysreg(vcpu, REG_NUM(CNTP_CTL_EL0), ctl);
}

/* Return: whether EL2's virtual timer has fired, and interrupted the guest. */
static bool take_native(struct vcpu *vcpu)
{
	struct nested_vcpu *nested = vcpu->nested;

	nested->own[NESTED_CNTHV_CTL_EL2] = read_el1_cntv_ctl() & CNT_CTL_WRITABLE;
	nested->own[NESTED_CNTHV_CVAL_EL2] = read_el1_cntv_cval();
	write_el1_cntv_ctl(0);
	nested->timer_in = false;
	nested->page[CNTV_CTL_EL0] &= CNT_CTL_WRITABLE;
	take_el1_physical(vcpu);
	return !nested->timer_held && el2_virtual_fires(nested);
}

/* As forwarded: the physical interrupt is active, so that the guest runs while the line is high. */
static void hold_native(struct nested_vcpu *nested, bool held)
{
	void *gicr = this_cpu()->gicr;

	if (held == nested->timer_held || !gicr)
		return;
	nested->timer_held = held;
	if (held)
		gicr_set_active(gicr, VGIC_PPI_VTIMER);
	else
		gicr_clear_active(gicr, VGIC_PPI_VTIMER);
}

/* EL1's timers, as the guest reads them by the _EL02 names. */
static void show_el1s(struct vcpu *vcpu)
{
	u64 *page = vcpu->nested->page;

	page[CNTP_CTL_EL0] = timer_read_sysreg(vcpu, REG_NUM(CNTP_CTL_EL0));
	page[CNTP_CVAL_EL0] = vcpu->sysreg[CNTP_CVAL_EL0];
	page[CNTV_CTL_EL0] = ctl_now(page[CNTV_CTL_EL0], page[CNTV_CVAL_EL0],
				     timer_counter() - page[CNTVOFF_EL2]);
}

void nested_timer_bring_in(struct vcpu *vcpu)
{
	struct nested_vcpu *nested = vcpu->nested;
	u64 ctl = nested->own[NESTED_CNTHV_CTL_EL2];

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	show_el1s(vcpu);
	hold_native(nested, el2_virtual_fires(nested));
	if (el2_virtual_fires(nested) && !this_cpu()->gicr)
		ctl |= CNT_CTL_IMASK; /* as timer/ does where no interrupt can be made active */
	write_el1_cntv_cval(nested->own[NESTED_CNTHV_CVAL_EL2]);
	write_el1_cntv_ctl(ctl & CNT_CTL_WRITABLE);
	nested->timer_in = true;
}

void nested_timer_leave(struct vcpu *vcpu)
{
	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	if (vcpu->nested->timer_in) /* the guest has not been entered after all */
		(void)take_native(vcpu);
	hold_native(vcpu->nested, false);
}

/* ---- the records ---- */

bool nested_timer_update(struct vcpu *vcpu)
{
	bool fired = vcpu->nested->timer_in && take_native(vcpu);
	u64 now = timer_counter(), next = update_el2(vcpu, now);
	bool due = fired || (vcpu->alarm && now >= vcpu->alarm);

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	if (vcpu->nested->timer_aside)
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
	if (vcpu->nested->timer_aside && wakes(vcpu, VGIC_PPI_VTIMER))
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

static __always_inline u64 read_part(const struct place *at, enum timer_part part)
{
	switch (part) {
	case PART_CTL:
		return ctl_now(*at->ctl, *at->cval, at->count);
	case PART_CVAL:
		return *at->cval;
	default:
		return (u32)(*at->cval - at->count);
	}
}

static __always_inline void write_part(const struct place *at, enum timer_part part, u64 value)
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

static __always_inline void access_el1_physical(struct vcpu *vcpu, u32 encoding, bool read,
						u64 *value)
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
	struct name name;
	struct place at;

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	if (!find_name(encoding, &name))
		return false;
	if (name.el1 && name.timer == 0) {
		access_el1_physical(vcpu, encoding, read, value);
		return true;
	}
	at = place_of(vcpu, &name);
	if (read)
		*value = read_part(&at, (enum timer_part)name.part);
	else
		write_part(&at, (enum timer_part)name.part, *value);
	if (!read)
		(void)nested_timer_update(vcpu);
	return true;
}

/* ---- without VHE: EL1's by their own names, and EL1's virtual count ---- */

/* It stays in the hardware. */
static void access_el1_virtual(struct vcpu *vcpu, enum timer_part part, bool read, u64 *value)
{
	u64 ctl = read_el1_cntv_ctl(), cval = read_el1_cntv_cval();
	const struct place at = { &ctl, &cval, timer_counter() - vcpu->nested->page[CNTVOFF_EL2] };

	if (read) {
		*value = read_part(&at, part);
		return;
	}
	write_part(&at, part, *value);
	write_el1_cntv_cval(cval);
	write_el1_cntv_ctl(ctl & CNT_CTL_WRITABLE);
}

bool nested_timer_access_nvhe(struct vcpu *vcpu, u32 encoding, bool read, u64 *value)
{
	struct name name;

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	if (encoding == REG_NUM(CNTVCT_EL0) && read) {
		*value = timer_counter() - vcpu->nested->page[CNTVOFF_EL2];
		return true;
	}
	if (!find_name(encoding, &name) || FIELD_GET(ENC_OP1, encoding) != 3)
		return false;
	if (name.timer == 0)
		access_el1_physical(vcpu, encoding, read, value);
	else
		access_el1_virtual(vcpu, (enum timer_part)name.part, read, value);
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

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	page[CNTV_CTL_EL0] = read_el1_cntv_ctl() & CNT_CTL_WRITABLE;
	page[CNTV_CVAL_EL0] = read_el1_cntv_cval();
	write_el1_cntv_ctl(0);
	vcpu->nested->timer_aside = true;
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

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	hold_native(vcpu->nested, false);
	vcpu->nested->timer_aside = false;
	write_el1_cntv_cval(page[CNTV_CVAL_EL0]);
	write_el1_cntv_ctl(page[CNTV_CTL_EL0] & CNT_CTL_WRITABLE);
	if (vcpu->vm->vgic && vgic_level(vcpu, VGIC_PPI_VTIMER))
		(void)vgic_forward(vcpu, VGIC_PPI_VTIMER);
}

void nested_timer_reset(struct vcpu *vcpu)
{
	ASSERT(!vcpu->nested->timer_in && !vcpu->nested->timer_held);
	for (unsigned int i = 0; i < ARRAY_SIZE(timers); i++)
		vgic_set_timer(vcpu, timers[i].intid, false);
	vgic_set_timer(vcpu, VGIC_PPI_VTIMER, false);
	vcpu->alarm = 0;
}
