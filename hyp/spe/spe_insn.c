// SPDX-License-Identifier: BSD-2-Clause
/*
 * Decodes A64: loads and stores (ARM DDI 0487, C4.1.94), branches (C4.1.93) and conditional
 * instructions. Each function decodes one encoding group; the tables at the end list the groups.
 * See spe_insn.h.
 */
#include <spe/spe_insn_usual.h>

/* Acquire, release, exclusive or atomic: @flags is not empty. */
static void ldst_extended(struct spe_insn *insn, enum spe_insn_class class, u32 size, u64 flags)
{
	spe_insn_ldst(insn, class, SPE_LDST_EXT, size);
	insn->flags |= (u32)flags;
}

/* ---- Advanced SIMD structures ---- */

/*
 * How many registers LD1..LD4 and ST1..ST4 (multiple structures) transfer, by opcode; 0:
 * unallocated.
 */
static const u8 simd_registers[16] = {
	[0x0] = 4, [0x2] = 4, [0x4] = 3, [0x6] = 3, [0x7] = 1, [0x8] = 2, [0xa] = 2,
};

static void decode_simd_multiple(u32 word, struct spe_insn *insn)
{
	u32 opcode = spe_bits(word, 15, 12), registers = simd_registers[opcode];
	bool q = spe_bit(word, 30), interleaved = !(opcode & 3);

	/* LD2 to LD4 have no 1D arrangement */
	if (!registers || (interleaved && spe_bits(word, 11, 10) == 3 && !q))
		return;
	spe_ldst(insn, spe_bit(word, 22), SPE_LDST_SIMDFP, registers * (q ? 16 : 8));
	insn->align = (u8)BIT(spe_bits(word, 11, 10));
	insn->flags |= SPE_INSN_SIMD;
	spe_insn_base(insn, word, 0);
}

/* Log2 of the element's bytes of LD1..LD4, ST1..ST4 (single structure), or -1 (C4.1.94.4). */
static int simd_single_scale(u32 word)
{
	u32 size = spe_bits(word, 11, 10);
	bool s = spe_bit(word, 12), load = spe_bit(word, 22);

	switch (spe_bits(word, 15, 14)) {
	case 0:
		return 0;
	case 1:
		return size & 1 ? -1 : 1;
	case 2:
		if (size == 0)
			return 2;
		return size == 1 && !s ? 3 : -1;
	default: /* load and replicate */
		return load && !s ? (int)size : -1;
	}
}

static void decode_simd_single(u32 word, struct spe_insn *insn)
{
	u32 elements = spe_bits(word, 13, 13) * 2 + spe_bits(word, 21, 21) + 1;
	int scale = simd_single_scale(word);

	if (scale < 0)
		return;
	spe_ldst(insn, spe_bit(word, 22), SPE_LDST_SIMDFP, elements << scale);
	insn->align = (u8)BIT(scale);
	insn->flags |= SPE_INSN_SIMD;
	spe_insn_base(insn, word, 0);
}

/* LDAP1, STL1 (FEAT_LRCPC3): one doubleword, with acquire or release. */
static void decode_simd_ordered(u32 word, struct spe_insn *insn)
{
	ldst_extended(insn, spe_bit(word, 22) ? SPE_INSN_LOAD : SPE_INSN_STORE, 8, SPE_INSN_AR);
	insn->flags |= SPE_INSN_SIMD;
	spe_insn_base(insn, word, 0);
}

/* ---- memory tags ---- */

static void decode_tags(u32 word, struct spe_insn *insn)
{
	u32 opc = spe_bits(word, 23, 22), op2 = spe_bits(word, 11, 10);
	s64 imm = spe_sbits(word, 20, 12) * 16;

	if (op2) { /* STG, STZG, ST2G, STZ2G: post-index, offset, pre-index */
		spe_ldst(insn, false, SPE_LDST_TAGS, opc & 2 ? 32 : 16);
		spe_insn_base(insn, word, op2 == 1 ? 0 : imm);
	} else if (opc == 1) { /* LDG */
		spe_ldst(insn, true, SPE_LDST_TAGS, 16);
		spe_insn_base(insn, word, imm);
		insn->flags |= SPE_INSN_ALIGN16;
	} else if (!imm) { /* STZGM, STGM, LDGM: a block of IMPLEMENTATION DEFINED size */
		spe_ldst(insn, opc == 3, SPE_LDST_TAGS, 0);
		spe_insn_base(insn, word, 0);
	}
}

/* ---- exclusives, ordered, compare and swap ---- */

static void compare_and_swap(u32 word, struct spe_insn *insn, u32 size)
{
	bool ar = spe_bit(word, 22) || spe_bit(word, 15);

	if (spe_bits(word, 14, 10) != 31)
		return;
	ldst_extended(insn, SPE_INSN_LOAD_ATOMIC, size, SPE_INSN_AT | (ar ? SPE_INSN_AR : 0));
	spe_insn_base(insn, word, 0);
}

static void exclusive(u32 word, struct spe_insn *insn, u32 size)
{
	ldst_extended(insn, spe_bit(word, 22) ? SPE_INSN_LOAD : SPE_INSN_STORE, size,
		      SPE_INSN_EXCL | (spe_bit(word, 15) ? SPE_INSN_AR : 0));
	spe_insn_base(insn, word, 0);
}

static void ordered(u32 word, struct spe_insn *insn, u32 size)
{
	ldst_extended(insn, spe_bit(word, 22) ? SPE_INSN_LOAD : SPE_INSN_STORE, size, SPE_INSN_AR);
	spe_insn_base(insn, word, 0);
}

/* CASP takes pairs of registers that start at an even one. */
static void decode_compare_and_swap_pair(u32 word, struct spe_insn *insn)
{
	if (!spe_bit(word, 16) && !spe_bit(word, 0))
		compare_and_swap(word, insn, spe_bit(word, 30) ? 16 : 8);
}

/* size 001000 o2 L o1 Rs o0 Rt2 Rn Rt */
static void decode_exclusive_group(u32 word, struct spe_insn *insn)
{
	u32 size = spe_bits(word, 31, 30);
	bool o2 = spe_bit(word, 23), o1 = spe_bit(word, 21);

	if (!o2 && !o1)
		exclusive(word, insn, 1U << size);
	else if (!o2 && size >= 2)
		exclusive(word, insn, 2U << size);
	else if (!o2)
		decode_compare_and_swap_pair(word, insn);
	else if (!o1)
		ordered(word, insn, 1U << size);
	else
		compare_and_swap(word, insn, 1U << size);
}

/* LDAPUR*, STLUR* (FEAT_LRCPC2) */
static void decode_ordered_unscaled(u32 word, struct spe_insn *insn)
{
	u32 size = spe_bits(word, 31, 30), opc = spe_bits(word, 23, 22);

	if ((opc == 2 && size == 3) || (opc == 3 && size >= 2))
		return;
	ldst_extended(insn, opc ? SPE_INSN_LOAD : SPE_INSN_STORE, 1U << size, SPE_INSN_AR);
	spe_insn_base(insn, word, spe_sbits(word, 20, 12));
}

/* LDAPUR, STLUR of SIMD&FP registers (FEAT_LRCPC3) */
static void decode_ordered_simd(u32 word, struct spe_insn *insn)
{
	u32 size = spe_bits(word, 31, 30), opc = spe_bits(word, 23, 22);

	if (opc >= 2 && size)
		return;
	ldst_extended(insn, opc & 1 ? SPE_INSN_LOAD : SPE_INSN_STORE, opc >= 2 ? 16 : 1U << size,
		      SPE_INSN_AR | SPE_INSN_FP);
	spe_insn_base(insn, word, spe_sbits(word, 20, 12));
}

/*
 * FEAT_LRCPC3: 1 sz 011001 w L 0 Rt2 op2 10 Rn Rt. With w the pointer is moved by one register:
 * STLR before, LDAPR after. Without, STILP and LDIAPP: pairs, moved so if op2 is 0, else not.
 */
static void decode_ordered_writeback(u32 word, struct spe_insn *insn)
{
	u32 bytes = spe_bit(word, 30) ? 8 : 4, op2 = spe_bits(word, 15, 12);
	bool load = spe_bit(word, 22), single = spe_bit(word, 23);

	if (!spe_bit(word, 31) || op2 > 1 || (single && spe_bits(word, 20, 12)))
		return;
	if (!single)
		bytes *= 2;
	ldst_extended(insn, load ? SPE_INSN_LOAD : SPE_INSN_STORE, bytes, SPE_INSN_AR);
	spe_insn_base(insn, word, load || op2 ? 0 : -(s64)bytes);
}

/* ---- memory copy and set (FEAT_MOPS) ---- */

/* 00 011 o0 01 op1 0 Rs op2 01 Rn Rd */
static void decode_memory_copy_set(u32 word, struct spe_insn *insn)
{
	u32 op1 = spe_bits(word, 23, 22), stage = op1;
	bool set = op1 == 3;
	u32 rs = spe_bits(word, 20, 16), rn = spe_bits(word, 9, 5), rd = spe_bits(word, 4, 0);

	if (set)
		stage = spe_bits(word, 15, 14);
	/* registers that are the same, or the zero register, are UNDEFINED */
	if (stage == 3 || rn == rd || rn == rs || rd == rs || rn == 31 || rd == 31 ||
	    (!set && rs == 31))
		return;
	spe_ldst(insn, !set, set ? SPE_LDST_MEMSET : SPE_LDST_MEMCPY, 0);
	insn->form = SPE_FORM_MOPS;
	insn->rn = (u8)(set ? rd : rs);
	insn->rm = (u8)rn;
	insn->rt = (u8)rd;
	if (stage)
		insn->flags |= SPE_INSN_STARTED;
}

void spe_insn_as_store(struct spe_insn *insn)
{
	if (insn->kind != SPE_LDST_MEMCPY)
		return;
	insn->class = SPE_INSN_STORE;
	insn->rn = insn->rt;
}

/* ---- atomics ---- */

/* LDCLRP, LDSETP, SWPP (FEAT_LSE128) */
static void decode_atomic_pair(u32 word, struct spe_insn *insn)
{
	u32 op = spe_bits(word, 15, 12);
	bool ar = spe_bit(word, 23) || spe_bit(word, 22);

	if (op != 1 && op != 3 && op != 8)
		return;
	ldst_extended(insn, SPE_INSN_LOAD_ATOMIC, 16, SPE_INSN_AT | (ar ? SPE_INSN_AR : 0));
	spe_insn_base(insn, word, 0);
}

/* LD64B, ST64B, ST64BV, ST64BV0 (FEAT_LS64) have neither A nor R. */
static void single_copy_64(u32 word, struct spe_insn *insn, bool load)
{
	if (spe_bits(word, 23, 22))
		return;
	spe_ldst(insn, load, SPE_LDST_GP, 64);
	spe_insn_base(insn, word, 0);
}

static void decode_atomic(u32 word, struct spe_insn *insn)
{
	u32 size = spe_bits(word, 31, 30), op = spe_bits(word, 15, 12);
	bool a = spe_bit(word, 23), r = spe_bit(word, 22), none = spe_bits(word, 4, 0) == 31;
	enum spe_insn_class class = SPE_INSN_LOAD_ATOMIC;

	if (op == 0xc) { /* LDAPR */
		if (a && !r)
			ordered(word | BIT(22), insn, 1U << size);
		return;
	}
	if (size == 3 && (op == 0x9 || op == 0xa || op == 0xb || op == 0xd)) {
		single_copy_64(word, insn, op == 0xd);
		return;
	}
	if (size < 2 && op >= 0x9 && op <= 0xb) /* RCWCLR, RCWSWP, RCWSET (FEAT_THE) */
		size = 3;
	else if (op > 8)
		return;
	if (op < 8 && none && !a) /* STADD and its like */
		class = SPE_INSN_STORE;
	ldst_extended(insn, class, 1U << size, SPE_INSN_AT | (a || r ? SPE_INSN_AR : 0));
	spe_insn_base(insn, word, 0);
}

/* ---- plain loads and stores ---- */

/* opc 011 V 00 imm19 Rt */
static void decode_literal(u32 word, struct spe_insn *insn)
{
	u32 opc = spe_bits(word, 31, 30);
	bool v = spe_bit(word, 26);

	if (v && opc == 3)
		return;
	if (!v && opc == 3)
		insn->flags |= SPE_INSN_PREFETCH;
	else
		spe_simdfp_or_gp(insn, true, v, v || opc < 2 ? 4U << opc : 4);
	insn->form = SPE_FORM_LITERAL;
	insn->imm = spe_sbits(word, 23, 5) * 4;
}

static void decode_unscaled(u32 word, struct spe_insn *insn)
{
	if (spe_single(word, insn, true) >= 0)
		spe_insn_base(insn, word, spe_sbits(word, 20, 12));
}

static void decode_post_index(u32 word, struct spe_insn *insn)
{
	if (spe_single(word, insn, false) >= 0)
		spe_insn_base(insn, word, 0);
}

static void decode_pre_index(u32 word, struct spe_insn *insn)
{
	if (spe_single(word, insn, false) >= 0)
		spe_insn_base(insn, word, spe_sbits(word, 20, 12));
}

static void decode_unprivileged(u32 word, struct spe_insn *insn)
{
	if (!spe_bit(word, 26))
		decode_pre_index(word, insn);
}

static void decode_register_offset(u32 word, struct spe_insn *insn)
{
	int scale = spe_bit(word, 14) ? spe_single(word, insn, true) : -1;

	if (scale < 0)
		return;
	/* RPRFM: Xm describes a range */
	if ((insn->flags & SPE_INSN_PREFETCH) && spe_bits(word, 4, 3) == 3)
		return;
	insn->form = SPE_FORM_INDEX;
	insn->rn = (u8)spe_bits(word, 9, 5);
	insn->rm = (u8)spe_bits(word, 20, 16);
	insn->extend = (u8)spe_bits(word, 15, 13);
	insn->shift = spe_bit(word, 12) ? (u8)scale : 0;
}

/* LDRAA, LDRAB: 11 111 0 00 M S 1 imm9 W 1 Rn Rt */
static void decode_authenticated(u32 word, struct spe_insn *insn)
{
	s64 imm = (s64)spe_bits(word, 20, 12) - (spe_bit(word, 22) ? 512 : 0);

	spe_ldst(insn, true, SPE_LDST_GP, 8);
	insn->flags |= SPE_INSN_AUTH;
	spe_insn_base(insn, word, imm * 8);
}

/* DC ZVA, DC GVA, DC GZVA: a block at Xt, which the CPU aligns */
static void decode_system_store(u32 word, struct spe_insn *insn)
{
	spe_ldst(insn, false, spe_bits(word, 7, 5) == 1 ? SPE_LDST_UNSPEC : SPE_LDST_TAGS, 0);
	insn->form = SPE_FORM_REG;
	insn->rn = (u8)spe_bits(word, 4, 0);
}

/* ---- branches ---- */

static void branch_to(struct spe_insn *insn, u64 flags, s64 offset)
{
	insn->class = SPE_INSN_BRANCH;
	insn->flags |= (u32)flags;
	insn->imm = offset;
}

static void decode_branch_immediate(u32 word, struct spe_insn *insn)
{
	branch_to(insn, spe_bit(word, 31) ? SPE_INSN_CALL : 0, spe_sbits(word, 25, 0) * 4);
}

static void decode_branch_conditional(u32 word, struct spe_insn *insn)
{
	branch_to(insn, SPE_INSN_COND, spe_sbits(word, 23, 5) * 4);
	insn->test = SPE_TEST_COND;
	insn->cond = (u8)spe_bits(word, 3, 0);
}

static void decode_branch_compare(u32 word, struct spe_insn *insn)
{
	branch_to(insn, SPE_INSN_COND, spe_sbits(word, 23, 5) * 4);
	insn->test = spe_bit(word, 24) ? SPE_TEST_NZERO : SPE_TEST_ZERO;
	insn->rt = (u8)spe_bits(word, 4, 0);
	insn->is64 = spe_bit(word, 31);
}

static void decode_branch_test(u32 word, struct spe_insn *insn)
{
	branch_to(insn, SPE_INSN_COND, spe_sbits(word, 18, 5) * 4);
	insn->test = spe_bit(word, 24) ? SPE_TEST_BIT1 : SPE_TEST_BIT0;
	insn->rt = (u8)spe_bits(word, 4, 0);
	insn->bit = (u8)(spe_bits(word, 31, 31) << 5 | spe_bits(word, 23, 19));
	insn->is64 = true;
}

/*
 * 1101011 opc 11111 op3 Rn op4 (C4.1.93.12). Whether op3 and op4 are those of the plain form, or of
 * one with pointer authentication; @modifier: it takes a register, in op4.
 */
static bool branch_form(u32 word, struct spe_insn *insn, bool modifier)
{
	u32 op3 = spe_bits(word, 15, 10), op4 = spe_bits(word, 4, 0);

	if (op3 == 0)
		return op4 == 0 && !modifier;
	if ((op3 != 2 && op3 != 3) || (!modifier && op4 != 31))
		return false;
	insn->flags |= SPE_INSN_AUTH;
	return true;
}

static void decode_branch_register(u32 word, struct spe_insn *insn)
{
	static const struct {
		u64 flags;
		u8 rn; /* of the authenticated form, if it takes none: else 0 */
		bool allocated, modifier;
	} opcs[16] = {
		[0x0] = { .allocated = true },
		[0x1] = { .allocated = true, .flags = SPE_INSN_CALL },
		[0x2] = { .allocated = true, .flags = SPE_INSN_RETURN },
		[0x4] = { .allocated = true },
		[0x8] = { .allocated = true, .modifier = true },
		[0x9] = { .allocated = true, .modifier = true, .flags = SPE_INSN_CALL },
	};
	u32 opc = spe_bits(word, 24, 21), rn = spe_bits(word, 9, 5);
	struct spe_insn form = *insn;

	if (!opcs[opc].allocated || !branch_form(word, &form, opcs[opc].modifier))
		return;
	/* ERET, ERETAA, RETAA and similar ones name no register */
	if (rn != 31 && (opc == 4 || (opc == 2 && (form.flags & SPE_INSN_AUTH))))
		return;
	*insn = form;
	branch_to(insn, opcs[opc].flags | SPE_INSN_INDIRECT, 0);
	insn->rn = (u8)rn;
	if (opc == 4)
		insn->rn = SPE_INSN_ELR;
	else if (opc == 2 && (form.flags & SPE_INSN_AUTH))
		insn->rn = 30;
}

/* ---- others ---- */

static void decode_conditional(u32 word, struct spe_insn *insn)
{
	insn->flags |= SPE_INSN_COND;
	insn->test = SPE_TEST_COND;
	insn->cond = (u8)spe_bits(word, 15, 12);
}

static void decode_fp_conditional(u32 word, struct spe_insn *insn)
{
	insn->flags |= SPE_INSN_FP;
	if (spe_bits(word, 23, 22) != 2)
		decode_conditional(word, insn);
}

static void decode_fp(u32 word, struct spe_insn *insn)
{
	(void)word;
	insn->flags |= SPE_INSN_FP;
}

static void decode_simd(u32 word, struct spe_insn *insn)
{
	(void)word;
	insn->flags |= SPE_INSN_SIMD;
}

/* Loads and stores (C4.1.94) without those of spe_insn_decode_usual(). */
static const struct spe_insn_row ldst_rows[] = {
	{ 0x3b200c00, 0x38000000, decode_unscaled },
	{ 0x3b200c00, 0x38000400, decode_post_index },
	{ 0x3b200c00, 0x38000800, decode_unprivileged },
	{ 0x3b200c00, 0x38000c00, decode_pre_index },
	{ 0x3b200c00, 0x38200800, decode_register_offset },
	{ 0x3f200c00, 0x38200000, decode_atomic },
	{ 0x3f000000, 0x08000000, decode_exclusive_group },
	{ 0x3b000000, 0x18000000, decode_literal },
	{ 0xff200400, 0xf8200400, decode_authenticated },
	{ 0xff200000, 0xd9200000, decode_tags },
	{ 0x3f200c00, 0x19000000, decode_ordered_unscaled },
	{ 0x3f200c00, 0x19000800, decode_ordered_writeback },
	{ 0x3f200c00, 0x1d000800, decode_ordered_simd },
	{ 0xfb200c00, 0x19000400, decode_memory_copy_set },
	{ 0xff200c00, 0x19200000, decode_atomic_pair },
	{ 0xbfbf0000, 0x0c000000, decode_simd_multiple },
	{ 0xbfa00000, 0x0c800000, decode_simd_multiple }, /* post-index */
	{ 0xbfbffc00, 0x0d018400, decode_simd_ordered },
	{ 0xbf9f0000, 0x0d000000, decode_simd_single },
	{ 0xbf800000, 0x0d800000, decode_simd_single }, /* post-index */
};

/* Branches, exceptions and System instructions (C4.1.93); DC ZVA, GVA and GZVA store */
static const struct spe_insn_row branch_rows[] = {
	{ 0xff000000, 0x54000000, decode_branch_conditional }, /* bit 4: BC.cond, FEAT_HBC */
	{ 0x7e000000, 0x34000000, decode_branch_compare },
	{ 0x7c000000, 0x14000000, decode_branch_immediate },
	{ 0x7e000000, 0x36000000, decode_branch_test },
	{ 0xfe1f0000, 0xd61f0000, decode_branch_register },
	{ 0xffffffe0, 0xd50b7420, decode_system_store },
	{ 0xffffffe0, 0xd50b7460, decode_system_store },
	{ 0xffffffe0, 0xd50b7480, decode_system_store },
};

/* Data processing, register (C4.1.95): conditional select, conditional compare */
static const struct spe_insn_row register_rows[] = {
	{ 0x3fe00800, 0x1a800000, decode_conditional },
	{ 0x3fe00410, 0x3a400000, decode_conditional },
};

/* Data processing, scalar floating-point and Advanced SIMD (C4.1.96) */
static const struct spe_insn_row simdfp_rows[] = {
	{ 0xff200c00, 0x1e200400, decode_fp_conditional }, /* FCCMP, FCCMPE */
	{ 0xff200c00, 0x1e200c00, decode_fp_conditional }, /* FCSEL */
	{ 0x5e000000, 0x1e000000, decode_fp },
	{ 0x0e000000, 0x0e000000, decode_simd },
};

static const struct spe_insn_row sme_rows[] = { { 0x9e000000, 0x80000000, spe_insn_decode_sme } };
static const struct spe_insn_row sve_rows[] = { { 0x1e000000, 0x04000000, spe_insn_decode_sve } };

#define GROUP(rows)                      \
	{                                \
		(rows), ARRAY_SIZE(rows) \
	}

/* C4.1, A64 instruction set encoding: by bits 28:25. Immediates (100x) are "other" to SPE. */
static const struct {
	const struct spe_insn_row *rows;
	size_t count;
} groups[16] = {
	[0x0] = GROUP(sme_rows),      [0x2] = GROUP(sve_rows),	  [0x4] = GROUP(ldst_rows),
	[0x6] = GROUP(ldst_rows),     [0xc] = GROUP(ldst_rows),	  [0xe] = GROUP(ldst_rows),
	[0xa] = GROUP(branch_rows),   [0xb] = GROUP(branch_rows), [0x5] = GROUP(register_rows),
	[0xd] = GROUP(register_rows), [0x7] = GROUP(simdfp_rows), [0xf] = GROUP(simdfp_rows),
};

void spe_insn_decode(u32 word, struct spe_insn *insn)
{
	u32 group = spe_bits(word, 28, 25);

	if (spe_insn_decode_usual(word, insn))
		return;
	spe_insn_by_row(groups[group].rows, groups[group].count, word, insn);
}
