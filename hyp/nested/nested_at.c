// SPDX-License-Identifier: BSD-2-Clause
/*
 * AT at a virtual EL2. See nested_at.h.
 *
 *	nested_at()          the context of the translation
 *	  do_translation()     the instruction; PAR_EL1
 *	  find_table_of()      if it could not read a table: which one
 *	  add_stage2()         of AT S12..: the guest hypervisor's stage 2, by the walk
 *	  ask_for_table_of()   in the context NESTED_EL2 again; or an abort to EL2
 */
#include <arch/at.h>
#include <arch/barrier.h>
#include <arch/reg_bits.h>
#include <arch/regs.h>
#include <arch/sysreg.h>
#include <lib/esr.h>
#include <nested/nested_at.h>
#include <nested/nested_exception.h>
#include <nested/nested_regs.h>
#include <nested/nested_route.h>
#include <nested/nested_stage.h>
#include <nested/s1_tables.h>
#include <nested/s2_compose.h>
#include <nested/shadow.h>
#include <nested/shadow_fault.h>
#include <trap/trap.h>
#include <vm/switch.h>

#define ENC(op0, op1, crn, crm, op2) SYSREG_ENC(op0, op1, crn, crm, op2)

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

static const struct translation *find_translation(u32 encoding)
{
	for (size_t i = 0; i < ARRAY_SIZE(translations); i++)
		if (translations[i].encoding == encoding)
			return &translations[i];
	return NULL;
}

static bool is_own(const struct vcpu *vcpu, const struct translation *t)
{
	return t->regime == OF_EL2 || nested_is_host(vcpu);
}

/* PAR_EL1 of a fault: an external abort on the walk. */
#define PAR_WALK_ABORT (PAR_F | FIELD_PREP(PAR_FST, ESR_FSC_EXTABT_WALK) | BIT(11))

/*
 * Return: false if a table could not be read, by stage 2, or since it did not answer.
 *
 * An exception of EL2's own changes ELR_EL2 and SPSR_EL2, by which an early exit enters the guest, and
 * ESR_EL2, by which the long way knows what the exit is.
 */
static bool do_translation(const struct translation *t, u64 va)
{
	u64 elr = read_sysreg(elr_el2), spsr = read_sysreg(spsr_el2), esr = read_sysreg(esr_el2);
	u64 par;
	bool done;

	isb();
	done = t->at(va);
	isb();
	if (!done) {
		write_sysreg(PAR_WALK_ABORT, par_el1); /* UNKNOWN, or the guest's own value */
		write_sysreg(elr, elr_el2);
		write_sysreg(spsr, spsr_el2);
		write_sysreg(esr, esr_el2);
		return false;
	}
	par = read_sysreg(par_el1);
	return !(par & PAR_F) || !(par & PAR_S);
}

/*
 * How it ends is told as of a walk: S2_WALK_LEAF: PAR_EL1 says everything; S2_WALK_FAULT: an External
 * abort on the walk; S2_WALK_ASK_HOST; S2_WALK_TRY_AGAIN.
 */

/* ---- stage 1: a table that could not be read ---- */

static bool is_walk_abort(const struct s2_walk_result *walk)
{
	return (walk->fsc & ESR_FSC_TYPE) == ESR_FSC_EXTABT_WALK;
}

/* Which one. The context is that of the translation. */
static enum s2_walk_end find_table_of(struct vcpu *vcpu, u64 va, u64 par, struct shadow_fault *f)
{
	const struct s1_regs regs = {
		.sctlr = vcpu_read_sysreg(vcpu, SCTLR_EL1),
		.tcr = vcpu_read_sysreg(vcpu, TCR_EL1),
		.ttbr0 = vcpu_read_sysreg(vcpu, TTBR0_EL1),
		.ttbr1 = vcpu_read_sysreg(vcpu, TTBR1_EL1),
	};
	bool update = (FIELD_GET(PAR_FST, par) & ESR_FSC_TYPE) == ESR_FSC_PERMISSION;
	u8 bits = vcpu->vm->s2.stage2.geometry.ia_bits;
	struct s2_tables tables;
	enum s2_walk_end end;
	struct ipa ia;

	if (!s1_tables_decode(&tables, &regs, bits, va, &ia))
		return S2_WALK_LEAF;
	end = shadow_walk_stage1(vcpu, &tables, ia, update, f);
	if (end != S2_WALK_FAULT || is_walk_abort(&f->walk) || f->outcome == SHADOW_FOR_EL2)
		return end;
	return S2_WALK_LEAF;
}

/* The guest hypervisor's stage 2 does not have a table of stage 1's. */
static enum s2_walk_end tell_stage2_fault(const struct shadow_fault *f, u64 of_walk)
{
	if (is_walk_abort(&f->walk))
		return S2_WALK_FAULT;
	write_sysreg(PAR_F | PAR_S | of_walk | FIELD_PREP(PAR_FST, f->walk.fsc) | BIT(11), par_el1);
	return S2_WALK_LEAF;
}

/*
 * A table may go again before the hardware looks: the host takes it, or a shadow that has no memory for
 * one of its entries begins anew.
 */
#define FINDS 2

/*
 * In its context. A table that is there when it is looked for has come meanwhile. If the instruction
 * fails each time, PAR_EL1 has to tell: what the hardware has walked is something else.
 */
static enum s2_walk_end translate_in_context(struct vcpu *vcpu, const struct translation *t, u64 va,
					     struct shadow_fault *f)
{
	enum s2_walk_end end;

	for (int finds = 0; !do_translation(t, va); finds++) {
		if (finds == FINDS) {
			write_sysreg(PAR_WALK_ABORT, par_el1);
			break;
		}
		end = find_table_of(vcpu, va, read_sysreg(par_el1), f);
		if (end == S2_WALK_FAULT)
			return tell_stage2_fault(f, PAR_PTW);
		if (end != S2_WALK_LEAF)
			return end;
	}
	return S2_WALK_LEAF;
}

/* ---- the guest hypervisor's stage 2 ---- */

/* PAR_EL1 has the nested guest's address, and the attributes of stage 1. */
static enum s2_walk_end add_stage2(struct vcpu *vcpu, const struct translation *t,
				   struct shadow_fault *f)
{
	u64 par = read_sysreg(par_el1);
	enum s2_walk_end end;

	if (t->regime != BOTH || (par & PAR_F) || !shadow_current(vcpu))
		return S2_WALK_LEAF;
	end = shadow_translate(vcpu, par & PAR_PA, t->access, f);
	if (end == S2_WALK_FAULT)
		return tell_stage2_fault(f, 0);
	if (end == S2_WALK_LEAF)
		write_sysreg((s2_compose_par(par, &f->walk.leaf) & ~PAR_PA) | (f->vm_ipa & PAR_PA),
			     par_el1);
	return end;
}

/* ---- the instruction ---- */

bool nested_at_own(struct vcpu *vcpu, u32 encoding, u64 va)
{
	const struct translation *t = find_translation(encoding);

	return t && is_own(vcpu, t) && do_translation(t, va);
}

/* Of HCR_EL2, what a translation of EL1 depends on. The next entry writes the register anew. */
#define OF_WALKS (HCR_DC | HCR_PTW)

static enum s2_walk_end translate_el1(struct vcpu *vcpu, const struct translation *t, u64 va,
				      struct shadow_fault *f)
{
	enum s2_walk_end end;

	nested_change_context(vcpu, NESTED_EL1);
	switch_set_hcr(vcpu, nested_hcr_for_el1(nested_hcr(vcpu), vcpu->s2->stage2.fwb) & OF_WALKS,
		       0);
	end = translate_in_context(vcpu, t, va, f);
	if (end == S2_WALK_LEAF)
		end = add_stage2(vcpu, t, f);
	nested_change_context(vcpu, NESTED_EL2);
	return end;
}

/* The syndrome is the instruction's own, whoever has the table: WnR is 1 for each AT. */
static u64 abort_esr(const struct s2_walk_result *walk)
{
	u64 fsc = ESR_FSC_EXTABT_WALK | (u8)walk->level;

	return FIELD_PREP(ESR_EC, ESR_EC_DABT_CUR) | ESR_IL | ESR_CM | ESR_WNR | fsc;
}

/* Memory is asked for as for any table of stage 1. If there is none, EL2 takes walk_esr. */
static enum vcpu_action ask_for_table_of(struct vcpu *vcpu, u64 va, const struct shadow_fault *f)
{
	u64 esr = FIELD_PREP(ESR_EC, ESR_EC_DABT_LOWER) | ESR_IL | ESR_S1PTW;

	esr |= f->update ? ESR_FSC_PERMISSION : ESR_FSC_TRANSLATION;
	vcpu->nested->walk_esr = abort_esr(&f->walk);
	return abort_at(vcpu, esr, va, f->walk.desc.v);
}

enum vcpu_action nested_at(struct vcpu *vcpu, u32 encoding, u64 va, bool *again)
{
	const struct translation *t = find_translation(encoding);
	struct shadow_fault f = { .vcpu = vcpu };
	enum s2_walk_end end;

	if (!t)
		return VCPU_NOT_MINE;
	end = is_own(vcpu, t) ? translate_in_context(vcpu, t, va, &f)
			      : translate_el1(vcpu, t, va, &f);
	*again = end != S2_WALK_LEAF;
	if (end == S2_WALK_ASK_HOST)
		return ask_for_table_of(vcpu, va, &f);
	if (end == S2_WALK_FAULT)
		nested_take_abort(vcpu, abort_esr(&f.walk), va);
	return VCPU_RESUME;
}
