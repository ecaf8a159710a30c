// SPDX-License-Identifier: BSD-2-Clause
/* The shape of EL1's stage 1 (ARM DDI 0487, D8.2; TCR_EL1). See s1_tables.h. */
#include <arch/reg_bits.h>
#include <nested/s1_tables.h>

#define VA_SELECTS	55 /* which of both registers; the top bit below an ignored top byte */
#define VA_BITS_MAX	48
#define VA_BITS_MAX_64K 52 /* FEAT_LVA */
#define DESC_BITS	3

/* TCR_EL1.TG0, TG1; the code that is reserved: GRANULE_COUNT */
static const u8 granule_of_tg[2][4] = {
	{ GRANULE_4K, GRANULE_64K, GRANULE_16K, GRANULE_COUNT },
	{ GRANULE_COUNT, GRANULE_16K, GRANULE_4K, GRANULE_64K },
};

/* The half of the address space that an address is in. */
struct half {
	enum granule granule;
	unsigned int ia_bits;
	bool walks, top_byte_ignored;
	u64 ttbr;
};

static struct half half_of(const struct s1_regs *regs, bool upper)
{
	u64 tcr = regs->tcr;

	if (upper)
		return (struct half){
			.granule = (enum granule)granule_of_tg[1][FIELD_GET(TCR_TG1, tcr)],
			.ia_bits = 64 - (unsigned int)FIELD_GET(TCR_T1SZ_BITS, tcr),
			.walks = !(tcr & TCR_EPD1),
			.top_byte_ignored = tcr & TCR_TBI1,
			.ttbr = regs->ttbr1,
		};
	return (struct half){
		.granule = (enum granule)granule_of_tg[0][FIELD_GET(TCR_TG0, tcr)],
		.ia_bits = 64 - (unsigned int)FIELD_GET(TCR_T0SZ_BITS, tcr),
		.walks = !(tcr & TCR_EPD0),
		.top_byte_ignored = tcr & TCR_TBI0,
		.ttbr = regs->ttbr0,
	};
}

/* All bits above those that are translated are the same. */
static bool is_within(const struct half *half, u64 va, bool upper)
{
	u64 above = ~0ULL << half->ia_bits;

	if (half->top_byte_ignored)
		above &= BIT(VA_SELECTS + 1) - 1;
	return (va & above) == (upper ? above : 0);
}

static bool half_has_tables(const struct half *half)
{
	unsigned int most = half->granule == GRANULE_64K ? VA_BITS_MAX_64K : VA_BITS_MAX;

	return half->walks && half->granule < GRANULE_COUNT && half->ia_bits <= most &&
	       half->ia_bits > granule_shift(half->granule);
}

/* Each level resolves what one table has, the first one the rest. */
static s8 first_level(const struct half *half)
{
	unsigned int page = granule_shift(half->granule), table = page - DESC_BITS;

	return (s8)(PGTABLE_LAST_LEVEL + 1 - (int)((half->ia_bits - page + table - 1) / table));
}

bool s1_tables_decode(struct s2_tables *tables, const struct s1_regs *regs, u8 pa_bits, u64 va,
		      struct ipa *ia)
{
	bool upper = va & BIT(VA_SELECTS);
	const struct half half = half_of(regs, upper);

	if (!(regs->sctlr & SCTLR_M) || !half_has_tables(&half) || !is_within(&half, va, upper))
		return false;
	*tables = (struct s2_tables){
		.fmt = { .granule = half.granule,
			 .start_level = first_level(&half),
			 .root_tables = 1,
			 .ia_bits = (u8)half.ia_bits },
		.big_endian = regs->sctlr & SCTLR_EE,
	};
	s2_tables_set_sizes(tables, pa_bits, FIELD_GET(TCR_IPS, regs->tcr));
	tables->root = s2_tables_root(tables, half.ttbr);
	*ia = IPA(va & (BIT(half.ia_bits) - 1));
	return true;
}
