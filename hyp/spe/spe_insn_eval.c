// SPDX-License-Identifier: BSD-2-Clause
/*
 * Evaluates a decoded instruction with the registers: address, condition, target. See spe_insn.h.
 */
#include <spe/spe_insn.h>
#include <spe/spe_packet.h>

static u64 read_xzr(const struct spe_cpu *cpu, u32 n)
{
	return n < 31 ? cpu->x[n] : 0;
}

static u64 read_xsp(const struct spe_cpu *cpu, u32 n)
{
	return n < 31 ? cpu->x[n] : cpu->sp;
}

/*
 * A pointer without its authentication code, as if that is right: bits 54 down to the width of
 * addresses, and the top byte if that is not ignored, repeat bit 55 (Strip() in J1.1.3).
 */
static u64 strip_pac(const struct spe_cpu *cpu, u64 pointer)
{
	unsigned int high = (pointer >> 55) & 1;
	unsigned int low = MIN(cpu->va_bits[high], 55U);
	u64 code = GENMASK(54, 0) & ~(BIT(low) - 1);

	if (!cpu->tbi[high])
		code |= GENMASK(63, 56);
	return high ? pointer | code : pointer & ~code;
}

static u64 authenticate(const struct spe_insn *insn, const struct spe_cpu *cpu, u64 pointer)
{
	return insn->flags & SPE_INSN_AUTH ? strip_pac(cpu, pointer) : pointer;
}

/* ExtendReg() in J1.1.3: the four that addresses can have */
static u64 extend_reg(u64 value, u32 extend)
{
	switch (extend) {
	case 2:
		return (u32)value;
	case 6:
		return (u64)(s64)(s32)(u32)value;
	default:
		return value;
	}
}

/*
 * FEAT_MOPS between its instructions (C6.1.2, options A and B). In option A, which PSTATE.C = 0
 * indicates, the pointers are at the end, and a negative count is the offset from there. A positive
 * count is then a copy that goes backwards, in blocks of an unknown size.
 */
static bool mops_address(const struct spe_insn *insn, const struct spe_cpu *cpu, u64 *va)
{
	u64 count = read_xzr(cpu, insn->rm);

	*va = read_xzr(cpu, insn->rn);
	if (!(insn->flags & SPE_INSN_STARTED) || (cpu->pstate & BIT(29)))
		return true;
	*va += count;
	return (s64)count <= 0;
}

bool spe_insn_address(const struct spe_insn *insn, const struct spe_cpu *cpu, u64 *va)
{
	u64 base = authenticate(insn, cpu, read_xsp(cpu, insn->rn));

	switch (insn->form) {
	case SPE_FORM_LITERAL:
		*va = cpu->pc + (u64)insn->imm;
		return true;
	case SPE_FORM_BASE:
		*va = base + (u64)insn->imm;
		if (insn->flags & SPE_INSN_ALIGN16)
			*va = ALIGN_DOWN(*va, 16);
		return true;
	case SPE_FORM_INDEX:
		*va = base + (extend_reg(read_xzr(cpu, insn->rm), insn->extend) << insn->shift);
		return true;
	case SPE_FORM_VL:
		*va = base + (u64)(insn->imm * (s64)(cpu->vl >> insn->shift));
		return cpu->vl || !insn->imm;
	case SPE_FORM_REG:
		*va = read_xzr(cpu, insn->rn);
		return true;
	case SPE_FORM_MOPS:
		return mops_address(insn, cpu, va);
	default:
		return false;
	}
}

/* ConditionHolds() in J1.1.3 */
static bool condition_holds(u32 cond, u64 pstate)
{
	bool n = pstate & BIT(31), z = pstate & BIT(30), c = pstate & BIT(29), v = pstate & BIT(28);
	const bool results[8] = { z, c, n, v, c && !z, n == v, n == v && !z, true };
	bool result = results[cond >> 1];

	return cond & 1 && cond != 15 ? !result : result;
}

bool spe_insn_holds(const struct spe_insn *insn, const struct spe_cpu *cpu)
{
	u64 rt = read_xzr(cpu, insn->rt);

	if (!insn->is64)
		rt = (u32)rt;
	switch (insn->test) {
	case SPE_TEST_COND:
		return condition_holds(insn->cond, cpu->pstate);
	case SPE_TEST_ZERO:
		return !rt;
	case SPE_TEST_NZERO:
		return rt;
	case SPE_TEST_BIT0:
		return !(rt >> insn->bit & 1);
	case SPE_TEST_BIT1:
		return rt >> insn->bit & 1;
	default:
		return true;
	}
}

bool spe_insn_target(const struct spe_insn *insn, const struct spe_cpu *cpu, u64 *target)
{
	if (insn->class != SPE_INSN_BRANCH)
		return false;
	if (!(insn->flags & SPE_INSN_INDIRECT))
		*target = cpu->pc + (u64)insn->imm;
	else if (insn->rn == SPE_INSN_ELR)
		*target = authenticate(insn, cpu, cpu->elr);
	else
		*target = authenticate(insn, cpu, read_xzr(cpu, insn->rn));
	return true;
}

u64 spe_insn_predicate(const struct spe_insn *insn, const u8 *p, unsigned int vl)
{
	unsigned int elements = vl >> insn->esize, active = 0;

	if (!(insn->flags & SPE_INSN_PRED))
		return 0;
	for (unsigned int bit = 0; bit < vl; bit += 1U << insn->esize)
		active += p[bit / 8] >> (bit % 8) & 1;
	if (active == elements)
		return 0;
	return SPE_EVENT_PRED_PARTIAL | (active ? 0 : SPE_EVENT_PRED_EMPTY);
}

/* SPEConstructClass() in J1.1.1.77, of loads and stores but SVE's */
static u8 ldst_sub(const struct spe_insn *insn)
{
	static const u8 subs[] = {
		[SPE_LDST_GP] = SPE_SUB_LDST_GP,	 [SPE_LDST_SIMDFP] = SPE_SUB_LDST_SIMDFP,
		[SPE_LDST_EXT] = SPE_SUB_LDST_EXT,	 [SPE_LDST_UNSPEC] = SPE_SUB_LDST_UNSPEC,
		[SPE_LDST_TAGS] = SPE_SUB_LDST_TAGS,	 [SPE_LDST_MEMCPY] = SPE_SUB_LDST_MEMCPY,
		[SPE_LDST_MEMSET] = SPE_SUB_LDST_MEMSET, [SPE_LDST_SVE] = SPE_SUB_LDST_SVE,
	};
	u8 sub = subs[insn->kind];

	if (insn->kind == SPE_LDST_EXT) {
		sub |= insn->flags & SPE_INSN_AT ? SPE_SUB_EXT_AT : 0;
		sub |= insn->flags & SPE_INSN_EXCL ? SPE_SUB_EXT_EXCL : 0;
		sub |= insn->flags & SPE_INSN_AR ? SPE_SUB_EXT_AR : 0;
	}
	return sub | (insn->class == SPE_INSN_STORE ? SPE_SUB_ST : 0);
}

static u8 sve_sub(const struct spe_insn *insn, unsigned int vl)
{
	u8 sub = spe_evl(vl);

	if (insn->flags & SPE_INSN_PRED)
		sub |= SPE_SUB_SVE_PRED;
	if (insn->flags & SPE_INSN_SG)
		sub |= SPE_SUB_SVE_SG;
	return sub;
}

void spe_insn_operation(const struct spe_insn *insn, unsigned int vl, u8 *class, u8 *sub)
{
	u8 cond = insn->flags & SPE_INSN_COND ? 1 : 0;

	switch (insn->class) {
	case SPE_INSN_BRANCH:
		*class = SPE_OP_CLASS_BRANCH;
		*sub = cond | (insn->flags & SPE_INSN_INDIRECT ? SPE_SUB_BR_INDIRECT : 0);
		break;
	case SPE_INSN_OTHER:
		*class = SPE_OP_CLASS_OTHER;
		*sub = cond;
		break;
	case SPE_INSN_OTHER_SVE:
		*class = SPE_OP_CLASS_OTHER;
		*sub = SPE_SUB_OTHER_SVE | sve_sub(insn, vl);
		break;
	default:
		*class = SPE_OP_CLASS_LDST;
		*sub = ldst_sub(insn) | (insn->kind == SPE_LDST_SVE ? sve_sub(insn, vl) : 0);
	}
}
