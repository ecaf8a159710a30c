// SPDX-License-Identifier: BSD-2-Clause
/*
 * What traps from a guest's EL2 (context NESTED_EL2), beside what traps from any guest:
 *
 *	registers of EL2 that the CPU does not redirect   nested_find()
 *	CPACR_EL1, CNTKCTL_EL12                           by the same rows, or EL1's
 *	timers                                            nested_timer.c
 *	the GIC's registers for hypervisors               nested_vgic.c
 *	TLBI                                              nested_tlbi.c
 *	AT                                                translate()
 *
 * What of this changes nothing but registers and TLBs is done at once, before the rest of an exit.
 *
 * Registers that the CPU redirects to the page do not trap; their rows are for userspace, and for
 * CPUs that may trap them.
 */
#include <arch/at.h>
#include <arch/barrier.h>
#include <arch/reg_bits.h>
#include <arch/regs.h>
#include <arch/sysreg.h>
#include <lib/errno.h>
#include <lib/esr.h>
#include <nested/nested_exception.h>
#include <nested/nested_fast.h>
#include <nested/nested_regs.h>
#include <nested/nested_route.h>
#include <nested/nested_stage.h>
#include <nested/nested_timer.h>
#include <nested/nested_tlbi.h>
#include <nested/nested_trap.h>
#include <nested/nested_vgic.h>
#include <nested/s2_compose.h>
#include <nested/shadow.h>
#include <nested/shadow_fault.h>
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

/* ---- AT ---- */

/*
 * Which instruction of EL1's regime does it. @regime: of EL2 in any case; else EL2's only while
 * HCR_EL2.TGE is 1. BOTH: the guest hypervisor's stage 2 as well, if it has one.
 */
enum regime { OF_EL2, OF_EL1, BOTH };

static const struct translation {
	u16 encoding;
	u8 regime;
	bool (*at)(u64 va);
	struct s2_access access; /* of BOTH */
} translations[] = {
	{ ENC(1, 0, 7, 8, 0), OF_EL1, at_s1e1r, { 0 } },
	{ ENC(1, 0, 7, 8, 1), OF_EL1, at_s1e1w, { 0 } },
	{ ENC(1, 0, 7, 8, 2), OF_EL1, at_s1e0r, { 0 } },
	{ ENC(1, 0, 7, 8, 3), OF_EL1, at_s1e0w, { 0 } },
	{ ENC(1, 0, 7, 9, 0), OF_EL1, at_s1e1rp, { 0 } },
	{ ENC(1, 0, 7, 9, 1), OF_EL1, at_s1e1wp, { 0 } },
	{ ENC(1, 4, 7, 8, 0), OF_EL2, at_s1e1r, { 0 } },
	{ ENC(1, 4, 7, 8, 1), OF_EL2, at_s1e1w, { 0 } },
	{ ENC(1, 4, 7, 8, 4), BOTH, at_s1e1r, { .kind = S2_READ } },
	{ ENC(1, 4, 7, 8, 5), BOTH, at_s1e1w, { .kind = S2_WRITE } },
	{ ENC(1, 4, 7, 8, 6), BOTH, at_s1e0r, { .kind = S2_READ, .el0 = true } },
	{ ENC(1, 4, 7, 8, 7), BOTH, at_s1e0w, { .kind = S2_WRITE, .el0 = true } },
};

/* PAR_EL1 of a fault: an external abort on the walk. */
#define PAR_WALK_ABORT (PAR_F | FIELD_PREP(PAR_FST, ESR_FSC_EXTABT_WALK) | BIT(11))

/*
 * A table that the VM's own stage 2 does not map, or that does not answer, is to the guest a table
 * where nothing is: PAR_EL1 says external abort. A table that the shadow does not map is a fault at
 * stage 2, which the nested guest's own access will meet as well, and end.
 *
 * An exception of EL2's own changes ELR_EL2 and SPSR_EL2, by which an early exit enters the guest.
 */
static void do_translation(const struct vcpu *vcpu, const struct translation *t, u64 va)
{
	u64 elr = read_sysreg(elr_el2), spsr = read_sysreg(spsr_el2), par;
	bool done;

	isb();
	done = t->at(va);
	isb();
	if (!done) {
		write_sysreg(elr, elr_el2);
		write_sysreg(spsr, spsr_el2);
	}
	par = read_sysreg(par_el1);
	if (!done || ((par & PAR_F) && (par & PAR_S) && !shadow_current(vcpu)))
		write_sysreg(PAR_WALK_ABORT, par_el1);
}

/* PAR_EL1 has the nested guest's address, and the attributes of stage 1. */
static void add_stage2(struct vcpu *vcpu, const struct translation *t)
{
	u64 par = read_sysreg(par_el1), vm_ipa;
	struct s2_leaf leaf;
	u8 fsc;

	if (t->regime != BOTH || (par & PAR_F) || !shadow_current(vcpu))
		return;
	fsc = shadow_translate(vcpu, par & PAR_PA, t->access, &vm_ipa, &leaf);
	par = fsc ? PAR_F | PAR_S | FIELD_PREP(PAR_FST, fsc) | BIT(11)
		  : (s2_compose_par(par, &leaf) & ~PAR_PA) | (vm_ipa & PAR_PA);
	write_sysreg(par, par_el1);
}

static const struct translation *find_translation(u32 encoding)
{
	for (size_t i = 0; i < ARRAY_SIZE(translations); i++)
		if (translations[i].encoding == encoding)
			return &translations[i];
	return NULL;
}

/* One of EL2's own translations. */
static bool translate_own(struct vcpu *vcpu, u32 encoding, u64 va)
{
	const struct translation *t = find_translation(encoding);

	if (!t || (t->regime != OF_EL2 && !(nested_hcr(vcpu) & HCR_TGE)))
		return false;
	do_translation(vcpu, t, va);
	return true;
}

/* Of HCR_EL2, what a translation of EL1 depends on. The next entry writes the register anew. */
#define OF_WALKS (HCR_DC | HCR_PTW)

static bool translate(struct vcpu *vcpu, const struct access *a)
{
	const struct translation *t = find_translation(a->encoding);

	if (!t)
		return false;
	if (translate_own(vcpu, a->encoding, a->value))
		return true;
	nested_change_context(vcpu, NESTED_EL1);
	switch_set_hcr(vcpu, nested_hcr_for_el1(nested_hcr(vcpu), vcpu->s2->stage2.fwb) & OF_WALKS,
		       0);
	do_translation(vcpu, t, a->value);
	add_stage2(vcpu, t);
	nested_change_context(vcpu, NESTED_EL2);
	return true;
}

/* ---- the trap ---- */

static bool carry_out(struct vcpu *vcpu, struct access *a)
{
	return nested_timer_access(vcpu, a->encoding, a->read, &a->value) || access_row(vcpu, a) ||
	       access_el12(vcpu, a) || nested_vgic_access(vcpu, a->encoding, a->read, &a->value) ||
	       (!a->read && (nested_tlbi(vcpu, a->encoding, a->value) || translate(vcpu, a)));
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

static void complete(struct vcpu *vcpu, const struct access *a, u64 esr)
{
	if (a->read)
		vcpu_set_x(vcpu, rt_of(esr), a->value);
	trap_step_over(vcpu, esr);
}

enum vcpu_action nested_sysreg_trap(struct vcpu *vcpu, u64 esr)
{
	struct access a = trapped_access(vcpu, esr);

	if (is_sve_trap(vcpu, a.encoding)) {
		nested_take_exception(vcpu, NESTED_SYNC, FIELD_PREP(ESR_EC, ESR_EC_SVE) | ESR_IL);
		return VCPU_RESUME;
	}
	if (!carry_out(vcpu, &a))
		return VCPU_NOT_MINE;
	if (nested_tlbi_is_left(vcpu, esr))
		return vcpu_to_host(KEEL_EXIT_IRQ);
	complete(vcpu, &a, esr);
	return VCPU_RESUME;
}

/* ---- at once ---- */

#define ENC_OP1	   GENMASK(13, 11)
#define ENC_CRN	   GENMASK(10, 7)
#define CRN_TIMERS 14

/*
 * TLBI and AT of EL2's own translations. One by an EL1's name shows that the guest is in its host's
 * context: the next ones need not trap.
 */
static __always_inline bool instruct_at_once(struct vcpu *vcpu, const struct access *a)
{
	if (a->read || (!nested_tlbi_own(vcpu, a->encoding, a->value) &&
			!translate_own(vcpu, a->encoding, a->value)))
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
	return reg && !reg->hidden && nested_has_reg(vcpu, reg);
}

static int user_get(struct vcpu *vcpu, u32 encoding, u64 *value)
{
	const struct nested_reg *reg = nested_find(encoding);

	if (!is_users(vcpu, reg))
		return -ENOENT;
	*value = nested_read(vcpu, reg);
	return 0;
}

static int user_set(struct vcpu *vcpu, u32 encoding, u64 value)
{
	const struct nested_reg *reg = nested_find(encoding);

	if (!is_users(vcpu, reg))
		return -ENOENT;
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
