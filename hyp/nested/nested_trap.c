// SPDX-License-Identifier: BSD-2-Clause
/*
 * What traps from a guest's EL2 (context NESTED_EL2), beside what traps from any guest:
 *
 *	registers of EL2 that the CPU does not redirect   nested_find()
 *	CPACR_EL1, CNTKCTL_EL12                           by the same rows, or EL1's
 *	timers                                            nested_timer.c
 *	the GIC's registers for hypervisors               nested_vgic.c
 *	TLBI                                              nested_tlbi.c
 *	AT                                                nested_at.c
 *
 * What of this changes nothing but registers and TLBs is done at once, before the rest of an exit.
 *
 * Registers that the CPU redirects to the page do not trap; their rows are for userspace, and for
 * CPUs that may trap them.
 */
#include <arch/barrier.h>
#include <arch/reg_bits.h>
#include <arch/regs.h>
#include <arch/sysreg.h>
#include <lib/errno.h>
#include <lib/esr.h>
#include <nested/nested_at.h>
#include <nested/nested_exception.h>
#include <nested/nested_fast.h>
#include <nested/nested_nvhe.h>
#include <nested/nested_regs.h>
#include <nested/nested_route.h>
#include <nested/nested_stage.h>
#include <nested/nested_timer.h>
#include <nested/nested_tlbi.h>
#include <nested/nested_trap.h>
#include <nested/nested_vgic.h>
#include <trap/debug.h>
#include <trap/el2.h>
#include <trap/sysreg.h>
#include <trap/trap.h>
#include <vm/switch.h>
#include <vm/vm_ops.h>

#define ENC(op0, op1, crn, crm, op2) SYSREG_ENC(op0, op1, crn, crm, op2)

struct access {
	u32 encoding;
	bool read;
	u64 value; /* to write, or read */
};

/* ---- registers ---- */

/* One of EL1's names is not redirected by the CPU, with HCR_EL2.E2H=1: EL2's register by EL1's name. */
static u32 el2_name(u32 encoding)
{
	return encoding == REG_NUM(CPACR_EL1) ? REG_NUM(CPTR_EL2) : encoding;
}

static bool access_row(struct vcpu *vcpu, struct access *a)
{
	const struct nested_reg *reg = nested_find(el2_name(a->encoding));

	if (!reg || !nested_has_reg(vcpu, reg))
		return false;
	if ((a->encoding == REG_NUM(RVBAR_EL2) && !a->read) || a->encoding == REG_NUM(SP_EL2))
		return false;
	if (a->read)
		a->value = nested_read(vcpu, reg);
	else
		nested_write(vcpu, reg, a->value);
	return true;
}

static bool access_el12(struct vcpu *vcpu, struct access *a)
{
	if (a->encoding != ENC(3, 5, 14, 1, 0)) /* CNTKCTL_EL12 */
		return false;
	if (a->read)
		a->value = nested_read_el1(vcpu, CNTKCTL_EL1);
	else
		nested_write_el1(vcpu, CNTKCTL_EL1, a->value & CNTKCTL_BITS);
	return true;
}

/* ---- the trap ---- */

static bool carry_out(struct vcpu *vcpu, struct access *a)
{
	return nested_timer_access(vcpu, a->encoding, a->read, &a->value) || access_row(vcpu, a) ||
	       access_el12(vcpu, a) || nested_vgic_access(vcpu, a->encoding, a->read, &a->value) ||
	       (!a->read && nested_tlbi(vcpu, a->encoding, a->value));
}

/* ZCR_EL2, if EL2 has made SVE trap to itself. */
static bool is_sve_trap(struct vcpu *vcpu, u32 encoding)
{
	return encoding == REG_NUM(ZCR_EL2) && (vcpu->features & BIT(VCPU_SVE)) &&
	       nested_traps_sve(nested_read_live(vcpu, NESTED_CPTR_EL2));
}

static unsigned int rt_of(u64 esr)
{
	return (unsigned int)FIELD_GET(ESR_SYS64_RT, esr);
}

/* In a syndrome, as in an encoding, CRn follows on op1. */
static __always_inline struct access trapped_access(const struct vcpu *vcpu, u64 esr)
{
	return (struct access){
		.encoding = ENC(FIELD_GET(ESR_SYS64_OP0, esr), 0,
				FIELD_GET(ESR_SYS64_OP1 | ESR_SYS64_CRN, esr),
				FIELD_GET(ESR_SYS64_CRM, esr), FIELD_GET(ESR_SYS64_OP2, esr)),
		.read = esr & ESR_SYS64_READ,
		.value = vcpu_get_x(vcpu, rt_of(esr)),
	};
}

static __always_inline void complete(struct vcpu *vcpu, const struct access *a, u64 esr)
{
	if (a->read)
		vcpu_set_x(vcpu, rt_of(esr), a->value);
	trap_step_over(vcpu, esr);
}

/* What is nothing else. */
static enum vcpu_action maybe_at(struct vcpu *vcpu, const struct access *a, u64 esr)
{
	enum vcpu_action action = VCPU_NOT_MINE;
	bool again = true;

	if (!a->read)
		action = nested_at(vcpu, a->encoding, a->value, &again);
	if (!again)
		trap_step_over(vcpu, esr);
	return action;
}

enum vcpu_action nested_sysreg_trap(struct vcpu *vcpu, u64 esr)
{
	struct access a = trapped_access(vcpu, esr);

	if (is_sve_trap(vcpu, a.encoding)) {
		nested_take_exception(vcpu, NESTED_SYNC, FIELD_PREP(ESR_EC, ESR_EC_SVE) | ESR_IL);
		return VCPU_RESUME;
	}
	if (!carry_out(vcpu, &a))
		return maybe_at(vcpu, &a, esr);
	if (nested_tlbi_is_left(vcpu, esr))
		return vcpu_to_host(KEEL_EXIT_IRQ);
	complete(vcpu, &a, esr);
	return VCPU_RESUME;
}

/* Without VHE: what is another register there, or none. */
static bool carry_out_nvhe(struct vcpu *vcpu, struct access *a)
{
	return nested_nvhe_access(vcpu, a->encoding, a->read, &a->value) ||
	       nested_timer_access_nvhe(vcpu, a->encoding, a->read, &a->value) ||
	       (!a->read && nested_tlbi_own_nvhe(vcpu, a->encoding, a->value));
}

enum vcpu_action nested_sysreg_trap_nvhe(struct vcpu *vcpu, u64 esr)
{
	struct access a = trapped_access(vcpu, esr);

	if (nested_nvhe_is_absent(a.encoding)) {
		vcpu_inject_undef(vcpu);
		return VCPU_RESUME;
	}
	if (!carry_out_nvhe(vcpu, &a))
		return nested_sysreg_trap(vcpu, esr);
	complete(vcpu, &a, esr);
	return VCPU_RESUME;
}

/* ---- at once ---- */

#define ENC_OP1	   GENMASK(13, 11)
#define ENC_CRN	   GENMASK(10, 7)
#define CRN_TIMERS 14
#define OP1_EL0	   3

/*
 * TLBI and AT of EL2's own translations. One by an EL1's name shows that the guest is in its host's
 * context: the next ones need not trap.
 */
static __always_inline bool instruct_at_once(struct vcpu *vcpu, const struct access *a)
{
	if (a->read || (!nested_tlbi_own(vcpu, a->encoding, a->value) &&
			!nested_at_own(vcpu, a->encoding, a->value)))
		return false;
	if (!(a->encoding & ENC_OP1)) {
		nested_untrap(vcpu);
		switch_set_hcr(vcpu, nested_fast_controls(vcpu), 0);
	}
	trap_step_over_early();
	return true;
}

/* What KVM accesses around each entry of its guest. MDSCR_EL1 is as from EL1. */
static __always_inline bool access_often(struct vcpu *vcpu, struct access *a)
{
	switch (a->encoding) {
	case REG_NUM(MDSCR_EL1):
		if (a->read)
			a->value = vcpu->sysreg[MDSCR_EL1];
		else
			debug_write_mdscr(vcpu, a->value);
		return true;
	case REG_NUM(CPACR_EL1):
		if (a->read)
			a->value = nested_read_cptr(vcpu);
		else
			nested_write_cptr(vcpu, a->value);
		return true;
	default:
		return false;
	}
}

/* An ID register, whose value depends on the VM alone. */
static bool read_id(struct vcpu *vcpu, struct access *a)
{
	const struct sysreg_row *row;

	if (!a->read || a->encoding >= ENC(3, 0, 1, 0, 0))
		return false;
	row = sysreg_find(a->encoding);
	if (!row || row->user != USER_ID || !row->read)
		return false;
	a->value = row->read(vcpu, row);
	return true;
}

/* Timers: a write may change a level, and the alarm. Native ones are in the hardware. */
static bool access_own(struct vcpu *vcpu, struct access *a)
{
	if (a->encoding == REG_NUM(ZCR_EL2)) /* it may open SVE's traps to EL2 */
		return false;
	if (FIELD_GET(ENC_CRN, a->encoding) != CRN_TIMERS)
		return nested_vgic_access(vcpu, a->encoding, a->read, &a->value) ||
		       access_row(vcpu, a);
	return a->read && !nested_timers_are_native() &&
	       (nested_timer_access(vcpu, a->encoding, true, &a->value) || access_row(vcpu, a) ||
		access_el12(vcpu, a));
}

static __noinline bool access_seldom(struct vcpu *vcpu, u64 esr)
{
	struct access a = trapped_access(vcpu, esr);

	if (!read_id(vcpu, &a) && !access_own(vcpu, &a))
		return false;
	if (a.read)
		vcpu_set_x(vcpu, rt_of(esr), a.value);
	trap_step_over_early();
	return true;
}

bool nested_sysreg_at_once(struct vcpu *vcpu, u64 esr)
{
	struct access a = trapped_access(vcpu, esr);

	if (a.encoding < ENC(2, 0, 0, 0, 0))
		return instruct_at_once(vcpu, &a);
	if (!nested_vgic_is_told(vcpu))
		return false;
	if (!access_often(vcpu, &a))
		return access_seldom(vcpu, esr);
	if (a.read)
		vcpu_set_x(vcpu, rt_of(esr), a.value);
	trap_step_over_early();
	return true;
}

/* And EL1's counts. */
static bool is_el1_timer(u32 encoding)
{
	return FIELD_GET(ENC_OP1 | ENC_CRN, encoding) ==
	       FIELD_GET(ENC_OP1 | ENC_CRN, ENC(0, OP1_EL0, CRN_TIMERS, 0, 0));
}

static bool access_mdscr(struct vcpu *vcpu, struct access *a)
{
	return a->encoding == REG_NUM(MDSCR_EL1) && access_often(vcpu, a);
}

/* Timers of EL1 take the long way. */
bool nested_sysreg_at_once_nvhe(struct vcpu *vcpu, u64 esr)
{
	struct access a = trapped_access(vcpu, esr);

	if (a.encoding < ENC(2, 0, 0, 0, 0)) {
		if (a.read || !nested_tlbi_own_nvhe(vcpu, a.encoding, a.value))
			return false;
		trap_step_over_early();
		return true;
	}
	if (!nested_vgic_is_told(vcpu) || nested_nvhe_is_absent(a.encoding))
		return false;
	if (!nested_nvhe_access(vcpu, a.encoding, a.read, &a.value) && !access_mdscr(vcpu, &a))
		return !is_el1_timer(a.encoding) && access_seldom(vcpu, esr);
	if (a.read)
		vcpu_set_x(vcpu, rt_of(esr), a.value);
	trap_step_over_early();
	return true;
}

/* ---- userspace; the vCPU is not loaded ---- */

/* A time that has passed: the next entry is followed by an exit, which finds the right one. */
#define ALARM_AT_ONCE 1

/* It may have been of a timer, an offset, or a reason for the maintenance interrupt. */
static void registers_are_new(struct vcpu *vcpu)
{
	vcpu->alarm = ALARM_AT_ONCE;
}

static bool is_users(const struct vcpu *vcpu, const struct nested_reg *reg)
{
	return reg && !reg->hidden && nested_has_reg(vcpu, reg) &&
	       !(vcpu->nested->nvhe && nested_nvhe_is_absent(reg->encoding));
}

static int user_get(struct vcpu *vcpu, u32 encoding, u64 *value)
{
	const struct nested_reg *reg = nested_find(encoding);

	if (!is_users(vcpu, reg))
		return -ENOENT;
	if (!vcpu->nested->nvhe || !nested_nvhe_access(vcpu, encoding, true, value))
		*value = nested_read(vcpu, reg);
	return 0;
}

static int user_set(struct vcpu *vcpu, u32 encoding, u64 value)
{
	const struct nested_reg *reg = nested_find(encoding);

	if (!is_users(vcpu, reg))
		return -ENOENT;
	if (!vcpu->nested->nvhe || !nested_nvhe_access(vcpu, encoding, false, &value))
		nested_write(vcpu, reg, value);
	registers_are_new(vcpu);
	return 0;
}

static int user_set_gic(struct vcpu *vcpu, u32 encoding, u64 value)
{
	int ret = nested_vgic_user_set(vcpu, encoding, value);

	if (!ret)
		registers_are_new(vcpu);
	return ret;
}

static int user_get_gic(struct vcpu *vcpu, u32 encoding, u64 *value)
{
	return nested_vgic_user_get(vcpu, encoding, value);
}

static void user_write_el1(struct vcpu *vcpu, enum vcpu_sysreg reg, u64 value)
{
	nested_write_el1(vcpu, reg, value);
	registers_are_new(vcpu);
}

static u32 user_encoding(const struct vcpu *vcpu, size_t n)
{
	const struct nested_reg *reg = nested_row(n);

	return is_users(vcpu, reg) ? reg->encoding : 0;
}

void nested_trap_init(void)
{
	static const struct trap_el2 el2 = {
		.get = user_get,
		.set = user_set,
		.get_gic = user_get_gic,
		.set_gic = user_set_gic,
		.encoding = user_encoding,
		.count = nested_reg_count,
		.read_el1 = nested_read_el1,
		.write_el1 = user_write_el1,
	};

	trap_set_el2(&el2);
}
