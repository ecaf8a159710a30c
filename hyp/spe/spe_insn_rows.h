/* SPDX-License-Identifier: BSD-2-Clause */
/* Decoding by tables. Internal to the files of the instruction decoder. */
#ifndef KEEL_SPE_SPE_INSN_ROWS_H
#define KEEL_SPE_SPE_INSN_ROWS_H

#include <spe/spe_insn.h>

/*
 * An encoding group: words with (word & mask) == value. .decode fills in the instruction, or leaves
 * it as it is, "other", if the word is unallocated.
 */
struct spe_insn_row {
	u32 mask, value;
	void (*decode)(u32 word, struct spe_insn *insn);
};

/* Bits @hi..@lo of @word. */
static inline u32 spe_bits(u32 word, unsigned int hi, unsigned int lo)
{
	return word << (31 - hi) >> (31 - hi + lo);
}

/* The same, signed. */
static inline s64 spe_sbits(u32 word, unsigned int hi, unsigned int lo)
{
	return (s32)(word << (31 - hi)) >> (31 - hi + lo);
}

static inline bool spe_bit(u32 word, unsigned int n)
{
	return (word >> n) & 1;
}

/* Decode by the first row that matches the word, if there is one. */
static inline void spe_insn_by_row(const struct spe_insn_row *rows, size_t count, u32 word,
				   struct spe_insn *insn)
{
	for (size_t i = 0; i < count; i++)
		if ((word & rows[i].mask) == rows[i].value) {
			rows[i].decode(word, insn);
			return;
		}
}

/* The common part of loads and stores. @class is SPE_INSN_LOAD, _STORE or _LOAD_ATOMIC. */
static inline void spe_insn_ldst(struct spe_insn *insn, enum spe_insn_class class,
				 enum spe_insn_kind kind, u32 size)
{
	insn->class = (u8) class;
	insn->kind = (u8)kind;
	insn->size = (u16)size;
	insn->align = (u8)size;
}

static inline void spe_insn_base(struct spe_insn *insn, u32 word, s64 imm)
{
	insn->form = SPE_FORM_BASE;
	insn->rn = (u8)spe_bits(word, 9, 5);
	insn->imm = imm;
}

/* SVE and SME (C4.1, op0 = 0x0 with bit 31, and 0x2). */
void spe_insn_decode_sve(u32 word, struct spe_insn *insn);
void spe_insn_decode_sme(u32 word, struct spe_insn *insn);

#endif
