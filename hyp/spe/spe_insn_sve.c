// SPDX-License-Identifier: BSD-2-Clause
/*
 * Decodes SVE's and SME's loads and stores (ARM DDI 0487, C4.1.36 on, "SVE Memory"). Contiguous
 * ones have an address; gathers, scatters and ZA transfers by vector number are only classified.
 * See spe_insn.h.
 */
#include <spe/spe_insn_rows.h>

static void ldst_vector(u32 word, struct spe_insn *insn, u64 flags)
{
	bool store = word >> 29 == 7;

	spe_insn_ldst(insn, store ? SPE_INSN_STORE : SPE_INSN_LOAD, SPE_LDST_SVE, 0);
	insn->flags |= (u32)flags;
}

/* Predicated by the register in bits 12:10, with elements of 1 << @esize bytes. */
static void ldst_predicated(u32 word, struct spe_insn *insn, u64 flags, u32 esize)
{
	ldst_vector(word, insn, SPE_INSN_PRED | flags);
	insn->pg = (u8)spe_bits(word, 12, 10);
	insn->esize = (u8)esize;
}

/* Xn|SP + @imm times the vector length, shifted right by @shift */
static void by_vl(u32 word, struct spe_insn *insn, s64 imm, u32 shift)
{
	insn->form = SPE_FORM_VL;
	insn->rn = (u8)spe_bits(word, 9, 5);
	insn->imm = imm;
	insn->shift = (u8)shift;
}

/* Xn|SP + Xm << @shift */
static void by_register(u32 word, struct spe_insn *insn, u32 shift)
{
	insn->form = SPE_FORM_INDEX;
	insn->rn = (u8)spe_bits(word, 9, 5);
	insn->rm = (u8)spe_bits(word, 20, 16);
	insn->extend = 3;
	insn->shift = (u8)shift;
}

/* Rm = 31 is not the zero register: the word is another instruction, or unallocated. */
static bool no_index(u32 word)
{
	return spe_bits(word, 20, 16) == 31;
}

/* LD1*, LDFF1*, LDNF1*, LD1R*: size in memory and in the vector, by dtype */
static const u8 dtype_msz[16] = { 0, 0, 0, 0, 2, 1, 1, 1, 1, 1, 2, 2, 0, 0, 0, 3 };
static const u8 dtype_esz[16] = { 0, 1, 2, 3, 3, 1, 2, 3, 3, 2, 2, 3, 3, 2, 1, 3 };

/* LDR, STR of a vector; imm9 is split */
static void decode_whole_vector(u32 word, struct spe_insn *insn)
{
	ldst_vector(word, insn, 0);
	by_vl(word, insn, spe_sbits(word, 21, 16) * 8 + spe_bits(word, 12, 10), 0);
}

static void decode_whole_predicate(u32 word, struct spe_insn *insn)
{
	ldst_vector(word, insn, 0);
	by_vl(word, insn, spe_sbits(word, 21, 16) * 8 + spe_bits(word, 12, 10), 3);
}

static void decode_broadcast(u32 word, struct spe_insn *insn)
{
	u32 dtype = spe_bits(word, 24, 23) << 2 | spe_bits(word, 14, 13);

	ldst_predicated(word, insn, 0, dtype_esz[dtype]);
	spe_insn_base(insn, word, (s64)spe_bits(word, 21, 16) << dtype_msz[dtype]);
}

/* LD1RQ*: 16 bytes, LD1RO*: 32 */
static void decode_replicate_register(u32 word, struct spe_insn *insn)
{
	if (spe_bits(word, 22, 21) > 1 || no_index(word))
		return;
	ldst_predicated(word, insn, 0, spe_bits(word, 24, 23));
	by_register(word, insn, spe_bits(word, 24, 23));
}

static void decode_replicate_immediate(u32 word, struct spe_insn *insn)
{
	u32 ssz = spe_bits(word, 22, 21);

	if (ssz > 1)
		return;
	ldst_predicated(word, insn, 0, spe_bits(word, 24, 23));
	spe_insn_base(insn, word, spe_sbits(word, 19, 16) * (ssz ? 32 : 16));
}

static void decode_load_register(u32 word, struct spe_insn *insn)
{
	if (no_index(word))
		return;
	ldst_predicated(word, insn, 0, dtype_esz[spe_bits(word, 24, 21)]);
	by_register(word, insn, dtype_msz[spe_bits(word, 24, 21)]);
}

static void decode_load_first_fault(u32 word, struct spe_insn *insn)
{
	ldst_predicated(word, insn, 0, dtype_esz[spe_bits(word, 24, 21)]);
	by_register(word, insn, dtype_msz[spe_bits(word, 24, 21)]);
}

static void decode_load_immediate(u32 word, struct spe_insn *insn)
{
	u32 dtype = spe_bits(word, 24, 21);

	ldst_predicated(word, insn, 0, dtype_esz[dtype]);
	by_vl(word, insn, spe_sbits(word, 19, 16), (u32)(dtype_esz[dtype] - dtype_msz[dtype]));
}

/* LDNT1*, LD2* to LD4*, STNT1*, ST2* to ST4*: bits 22:21 are the registers less one */
static void decode_structure_register(u32 word, struct spe_insn *insn)
{
	if (no_index(word))
		return;
	ldst_predicated(word, insn, 0, spe_bits(word, 24, 23));
	by_register(word, insn, spe_bits(word, 24, 23));
}

static void decode_structure_immediate(u32 word, struct spe_insn *insn)
{
	ldst_predicated(word, insn, 0, spe_bits(word, 24, 23));
	by_vl(word, insn, spe_sbits(word, 19, 16) * (s64)(1 + spe_bits(word, 22, 21)), 0);
}

/* ST1*: bits 24:23 are the size in memory, 22:21 in the vector, which is not smaller */
static void decode_store_register(u32 word, struct spe_insn *insn)
{
	if (no_index(word) || spe_bits(word, 22, 21) < spe_bits(word, 24, 23))
		return;
	ldst_predicated(word, insn, 0, spe_bits(word, 22, 21));
	by_register(word, insn, spe_bits(word, 24, 23));
}

static void decode_store_immediate(u32 word, struct spe_insn *insn)
{
	u32 msz = spe_bits(word, 24, 23), esz = spe_bits(word, 22, 21);

	if (esz < msz)
		return;
	ldst_predicated(word, insn, 0, esz);
	by_vl(word, insn, spe_sbits(word, 19, 16), esz - msz);
}

static void gather_scatter(u32 word, struct spe_insn *insn, u32 esize)
{
	ldst_predicated(word, insn, SPE_INSN_SG, esize);
}

/* Into 32-bit elements: bits 24:23 are the size in memory, @u says that it is zero-extended. */
static void gather_32(u32 word, struct spe_insn *insn, bool u)
{
	u32 msz = spe_bits(word, 24, 23);

	if (msz < 2 || (msz == 2 && u))
		gather_scatter(word, insn, 2);
}

static void decode_gather_32_offset(u32 word, struct spe_insn *insn)
{
	gather_32(word, insn, spe_bit(word, 14));
}

static void decode_gather_32_nontemporal(u32 word, struct spe_insn *insn)
{
	gather_32(word, insn, spe_bit(word, 13));
}

/* Into 64-bit elements: a doubleword is not extended. */
static void decode_gather_64(u32 word, struct spe_insn *insn)
{
	if (spe_bits(word, 24, 23) < 3 || spe_bit(word, 14))
		gather_scatter(word, insn, 3);
}

/* From 32-bit elements: not a doubleword. */
static void decode_scatter_32(u32 word, struct spe_insn *insn)
{
	if (spe_bits(word, 24, 23) < 3)
		gather_scatter(word, insn, 2);
}

static void decode_scatter_64(u32 word, struct spe_insn *insn)
{
	gather_scatter(word, insn, 3);
}

/* Scaled offsets are not for bytes. */
static void decode_scatter_64_scaled(u32 word, struct spe_insn *insn)
{
	if (spe_bits(word, 24, 23))
		gather_scatter(word, insn, 3);
}

static void decode_scatter_32_scaled(u32 word, struct spe_insn *insn)
{
	if (spe_bits(word, 24, 23))
		decode_scatter_32(word, insn);
}

/* A prefetch of SVE's has no address in its record: it is for a whole vector. */
static void decode_prefetch(u32 word, struct spe_insn *insn)
{
	(void)word;
	insn->flags |= SPE_INSN_PREFETCH;
}

static const struct spe_insn_row memory_rows[] = {
	/* 32-bit gather and unsized contiguous: 1000010 */
	{ 0xffc0e010, 0x85800000, decode_whole_predicate },
	{ 0xffc0e000, 0x85804000, decode_whole_vector },
	{ 0xffc08010, 0x85c00000, decode_prefetch },
	{ 0xffa08010, 0x84200000, decode_prefetch },
	{ 0xfe60e010, 0x8400c000, decode_prefetch },
	{ 0xfe60e010, 0x8400e000, decode_prefetch },
	{ 0xfe408000, 0x84408000, decode_broadcast },
	{ 0xffa08000, 0x84a00000, decode_gather_32_offset }, /* scaled halfwords */
	{ 0xffa08000, 0x85200000, decode_gather_32_offset }, /* scaled words */
	{ 0xfe60c000, 0x84008000, decode_gather_32_nontemporal },
	{ 0xfe208000, 0x84000000, decode_gather_32_offset }, /* unscaled */
	{ 0xfe608000, 0x84208000, decode_gather_32_offset }, /* vector and immediate */
	/* contiguous load: 1010010 */
	{ 0xfe00e000, 0xa4000000, decode_replicate_register },
	{ 0xfe10e000, 0xa4002000, decode_replicate_immediate },
	{ 0xfe00e000, 0xa4004000, decode_load_register },
	{ 0xfe00e000, 0xa4006000, decode_load_first_fault },
	{ 0xfe00e000, 0xa400a000, decode_load_immediate }, /* bit 20: LDNF1* */
	{ 0xfe00e000, 0xa400c000, decode_structure_register },
	{ 0xfe10e000, 0xa400e000, decode_structure_immediate },
	/* 64-bit gather: 1100010 */
	{ 0xffa08010, 0xc4200000, decode_prefetch },
	{ 0xffe08010, 0xc4608000, decode_prefetch },
	{ 0xfe60e010, 0xc400e000, decode_prefetch },
	{ 0xff808000, 0xc4800000, decode_gather_64 }, /* 32-bit offsets, halfwords */
	{ 0xff008000, 0xc5000000, decode_gather_64 }, /* words and doublewords */
	{ 0xffa08000, 0xc4000000, decode_gather_64 }, /* bytes: unscaled only */
	{ 0xffe08000, 0xc4e08000, decode_gather_64 }, /* scaled 64-bit offsets: not bytes */
	{ 0xff608000, 0xc5608000, decode_gather_64 },
	{ 0xfe60a000, 0xc4008000, decode_gather_64 }, /* LDNT1* */
	{ 0xfe608000, 0xc4208000, decode_gather_64 }, /* vector and immediate */
	{ 0xfe608000, 0xc4408000, decode_gather_64 }, /* unscaled 64-bit offsets */
	/* stores: 1110010 */
	{ 0xffc0e010, 0xe5800000, decode_whole_predicate },
	{ 0xffc0e000, 0xe5804000, decode_whole_vector },
	{ 0xfe00e000, 0xe4004000, decode_store_register },
	{ 0xfe00e000, 0xe4006000, decode_structure_register },
	{ 0xfe10e000, 0xe410e000, decode_structure_immediate },
	{ 0xfe10e000, 0xe400e000, decode_store_immediate },
	{ 0xfe60e000, 0xe4002000, decode_scatter_64 }, /* STNT1*, from 64-bit elements */
	{ 0xfe60e000, 0xe4402000, decode_scatter_32 }, /* and from 32-bit ones */
	{ 0xfe60a000, 0xe4008000, decode_scatter_64 }, /* 32-bit offsets for 64-bit elements */
	{ 0xfe60a000, 0xe4208000, decode_scatter_64_scaled },
	{ 0xfe60a000, 0xe4408000, decode_scatter_32 },
	{ 0xfe60a000, 0xe4608000, decode_scatter_32_scaled },
	{ 0xfe60e000, 0xe400a000, decode_scatter_64 }, /* 64-bit offsets */
	{ 0xfe60e000, 0xe420a000, decode_scatter_64_scaled },
	{ 0xfe60e000, 0xe440a000, decode_scatter_64 }, /* vector and immediate */
	{ 0xfe60e000, 0xe460a000, decode_scatter_32 },
};

void spe_insn_decode_sve(u32 word, struct spe_insn *insn)
{
	insn->class = SPE_INSN_OTHER_SVE;
	if (word >> 31)
		spe_insn_by_row(memory_rows, ARRAY_SIZE(memory_rows), word, insn);
}

/* ---- SME ---- */

static void ldst_tile(struct spe_insn *insn, u32 word)
{
	bool store = spe_bit(word, 21);

	spe_insn_ldst(insn, store ? SPE_INSN_STORE : SPE_INSN_LOAD, SPE_LDST_SVE, 0);
}

/* LD1B..LD1D, ST1B..ST1D of a tile slice */
static void tile_slice_of(u32 word, struct spe_insn *insn, u32 msz)
{
	ldst_tile(insn, word);
	insn->flags |= SPE_INSN_PRED;
	insn->pg = (u8)spe_bits(word, 12, 10);
	insn->esize = (u8)msz;
	by_register(word, insn, msz);
}

static void decode_tile_slice(u32 word, struct spe_insn *insn)
{
	tile_slice_of(word, insn, spe_bits(word, 23, 22));
}

static void decode_tile_slice_quad(u32 word, struct spe_insn *insn)
{
	tile_slice_of(word, insn, 4);
}

/* LDR, STR of ZA: the offset is in vector lengths of Streaming mode */
static void decode_tile_array(u32 word, struct spe_insn *insn)
{
	ldst_tile(insn, word);
}

static const struct spe_insn_row sme_rows[] = {
	{ 0xff000010, 0xe0000000, decode_tile_slice },
	{ 0xffc00010, 0xe1c00000, decode_tile_slice_quad },
	{ 0xffdf9c10, 0xe1000000, decode_tile_array },
};

void spe_insn_decode_sme(u32 word, struct spe_insn *insn)
{
	insn->class = SPE_INSN_OTHER_SVE;
	spe_insn_by_row(sme_rows, ARRAY_SIZE(sme_rows), word, insn);
}
