/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The most frequent loads and stores, decoded inline: for spe_insn_decode(), and for the short path
 * of a sample, which keeps the decoded instruction in registers.
 */
#ifndef KEEL_SPE_SPE_INSN_USUAL_H
#define KEEL_SPE_SPE_INSN_USUAL_H

#include <spe/spe_insn_rows.h>

static __always_inline void spe_ldst(struct spe_insn *insn, bool load, enum spe_insn_kind kind,
				     u32 size)
{
	spe_insn_ldst(insn, load ? SPE_INSN_LOAD : SPE_INSN_STORE, kind, size);
}

static __always_inline void spe_simdfp_or_gp(struct spe_insn *insn, bool load, bool v, u32 size)
{
	spe_ldst(insn, load, v ? SPE_LDST_SIMDFP : SPE_LDST_GP, size);
	if (v)
		insn->flags |= SPE_INSN_FP;
}

/* opc 101 V 0 mode L imm7 Rt2 Rn Rt; modes: no-allocate, post-index, offset, pre-index */
#define SPE_PAIR_POST 1

/* STGP, LDPSW: there is no no-allocate form */
static __always_inline void spe_pair_opc1(u32 word, struct spe_insn *insn)
{
	bool load = spe_bit(word, 22);
	u32 mode = spe_bits(word, 24, 23);
	s64 imm = spe_sbits(word, 21, 15) * (load ? 4 : 16);

	if (!mode)
		return;
	spe_ldst(insn, load, load ? SPE_LDST_GP : SPE_LDST_TAGS, load ? 8 : 16);
	insn->align = load ? 4 : 8;
	spe_insn_base(insn, word, mode == SPE_PAIR_POST ? 0 : imm);
}

static __always_inline void spe_pair(u32 word, struct spe_insn *insn)
{
	u32 opc = spe_bits(word, 31, 30), log2;
	bool v = spe_bit(word, 26);
	s64 imm = spe_sbits(word, 21, 15);

	if (opc == 3)
		return;
	if (opc == 1 && !v) {
		spe_pair_opc1(word, insn);
		return;
	}
	log2 = v ? opc + 2 : (opc >> 1) + 2;
	spe_simdfp_or_gp(insn, spe_bit(word, 22), v, 2U << log2);
	insn->align = (u8)(1U << log2);
	spe_insn_base(insn, word, spe_bits(word, 24, 23) == SPE_PAIR_POST ? 0 : imm * (1 << log2));
}

/*
 * size 111 V 0x opc ... Rn Rt: what all single-register forms are, by size, V and opc (C4.1.94.29
 * and on): log2 of the bytes, and whether they are loaded. SPE_NONE is unallocated.
 */
#define SPE_SINGLE_SIZE 7
#define SPE_SINGLE_LOAD BIT(3)
#define SPE_PREFETCH	0x40
#define SPE_NONE	0x80
#define SPE_LD_(log2)	(SPE_SINGLE_LOAD | (log2))
#define SPE_ST_(log2)	(log2)

static const u8 spe_singles[4][2][4] = {
	{ { SPE_ST_(0), SPE_LD_(0), SPE_LD_(0), SPE_LD_(0) },
	  { SPE_ST_(0), SPE_LD_(0), SPE_ST_(4), SPE_LD_(4) } },
	{ { SPE_ST_(1), SPE_LD_(1), SPE_LD_(1), SPE_LD_(1) },
	  { SPE_ST_(1), SPE_LD_(1), SPE_NONE, SPE_NONE } },
	{ { SPE_ST_(2), SPE_LD_(2), SPE_LD_(2), SPE_NONE },
	  { SPE_ST_(2), SPE_LD_(2), SPE_NONE, SPE_NONE } },
	{ { SPE_ST_(3), SPE_LD_(3), 3 | SPE_PREFETCH, SPE_NONE },
	  { SPE_ST_(3), SPE_LD_(3), SPE_NONE, SPE_NONE } },
};

/* Returns log2 of the size, or -1 if unallocated; PRFM is a form only where @prefetch. */
static __always_inline int spe_single(u32 word, struct spe_insn *insn, bool prefetch)
{
	bool v = spe_bit(word, 26);
	u32 what = spe_singles[spe_bits(word, 31, 30)][v][spe_bits(word, 23, 22)];

	if (what & (SPE_NONE | SPE_PREFETCH)) {
		if ((what & SPE_NONE) || !prefetch)
			return -1;
		insn->flags |= SPE_INSN_PREFETCH;
		return 3;
	}
	spe_simdfp_or_gp(insn, what & SPE_SINGLE_LOAD, v, 1U << (what & SPE_SINGLE_SIZE));
	return (int)(what & SPE_SINGLE_SIZE);
}

static __always_inline void spe_unsigned_offset(u32 word, struct spe_insn *insn)
{
	int scale = spe_single(word, insn, true);

	if (scale >= 0)
		spe_insn_base(insn, word, (s64)spe_bits(word, 21, 10) << scale);
}

/*
 * spe_insn_decode() for the most frequent loads and stores. Return: false for any other word; @insn
 * is "other" then.
 */
static __always_inline bool spe_insn_decode_usual(u32 word, struct spe_insn *insn)
{
	*insn = (struct spe_insn){ .class = SPE_INSN_OTHER };
	if ((word & 0x3b000000) == 0x39000000)
		spe_unsigned_offset(word, insn);
	else if ((word & 0x3a000000) == 0x28000000)
		spe_pair(word, insn);
	else
		return false;
	return true;
}

#endif
