// SPDX-License-Identifier: BSD-2-Clause
/*
 * The shape of a stage-2 translation. Arithmetic over two small tables of facts, no state.
 *
 * References are to ARM DDI 0487, D8.2 (translation process: start level, concatenation, base
 * address alignment) and the description of VTCR_EL2.
 */
#include <arch/reg_bits.h>
#include <lib/errno.h>
#include <mm/stage2_geometry.h>

#define VTCR_RGN_WBWA 1 /* IRGN0, ORGN0: Normal, write-back, read and write allocate */
#define VTCR_SH_INNER 3

#define MAX_CONCAT_BITS 4  /* up to 16 tables at the start level */
#define MIN_IA_BITS	25 /* T0SZ up to 39 without FEAT_TTST */
#define WIDE_BITS	52 /* addresses in the descriptors of FEAT_LPA and FEAT_LPA2 */
#define NARROW_BITS	48 /* addresses in all others */
#define WIDE_MIN_ALIGN	64 /* bytes: BADDR's low bits then hold address bits 51:48 */
#define NO_SL0		0xff

/* What the architecture says about each granule (VTCR_EL2.TG0, .SL0, .T0SZ). */
static const struct granule_rules {
	u8 tg0;
	u8 stride;	     /* IPA bits that a full table resolves */
	u8 ttst_min_ia_bits; /* 64 - the largest T0SZ with FEAT_TTST */
	u8 sl0[4];	     /* by start level */
} granule_rules[GRANULE_COUNT] = {
	[GRANULE_4K] = { .tg0 = 0, .stride = 9, .ttst_min_ia_bits = 16, .sl0 = { 2, 1, 0, 3 } },
	[GRANULE_16K] = { .tg0 = 2, .stride = 11, .ttst_min_ia_bits = 16, .sl0 = { 3, 2, 1, 0 } },
	[GRANULE_64K] = { .tg0 = 1,
			  .stride = 13,
			  .ttst_min_ia_bits = 17,
			  .sl0 = { NO_SL0, 2, 1, 0 } },
};

/*
 * Physical address widths (ID_AA64MMFR0_EL1.PARange) and VTCR_EL2.PS for addresses that wide.
 * Of the 56 bits of FEAT_D128, 64-bit descriptors can name 52.
 */
static const struct pa_width {
	u8 bits;
	u8 ps;
} pa_widths[] = {
	{ 32, 0 }, { 36, 1 }, { 40, 2 }, { 42, 3 }, { 44, 4 }, { 48, 5 }, { 52, 6 }, { 56, 6 },
};

static const struct pa_width *pa_width_of(unsigned int bits)
{
	for (size_t i = 0; i < ARRAY_SIZE(pa_widths); i++)
		if (pa_widths[i].bits == bits)
			return &pa_widths[i];
	return NULL;
}

/* Addresses of 52 bits need 64K pages, or FEAT_LPA2's descriptors for the granule. */
static bool granule_is_wide(enum granule granule, const struct mmu_caps *caps)
{
	return caps->pa_bits >= WIDE_BITS && (granule == GRANULE_64K || caps->s2_lpa2[granule]);
}

static u8 address_bits(enum granule granule, const struct mmu_caps *caps)
{
	u8 limit = granule_is_wide(granule, caps) ? WIDE_BITS : NARROW_BITS;

	return MIN(caps->pa_bits, limit);
}

unsigned int stage2_max_ia_bits(enum granule granule, const struct mmu_caps *caps)
{
	if ((unsigned int)granule >= GRANULE_COUNT || !caps->s2_granule[granule] ||
	    !pa_width_of(caps->pa_bits))
		return 0;
	return address_bits(granule, caps);
}

unsigned int stage2_min_ia_bits(enum granule granule, const struct mmu_caps *caps)
{
	return caps->small_tables ? granule_rules[granule].ttst_min_ia_bits : MIN_IA_BITS;
}

static int check_arguments(unsigned int ia_bits, enum granule granule, const struct mmu_caps *caps)
{
	if ((unsigned int)granule >= GRANULE_COUNT || !pa_width_of(caps->pa_bits))
		return -EINVAL;
	if (!caps->s2_granule[granule])
		return -EOPNOTSUPP;
	if (ia_bits > stage2_max_ia_bits(granule, caps))
		return -E2BIG;
	if (ia_bits < stage2_min_ia_bits(granule, caps))
		return -ERANGE;
	return 0;
}

/* IPA bits that one table at @level resolves, together with all the levels below it. */
static unsigned int table_reach_bits(enum granule granule, int level)
{
	return granule_shift(granule) + granule_rules[granule].stride * (unsigned int)(4 - level);
}

/* VTCR_EL2.SL0: with 4K pages, starting at level 3 came with FEAT_TTST. */
static bool level_allowed(enum granule granule, int level, const struct mmu_caps *caps)
{
	if (granule == GRANULE_4K && level == 3)
		return caps->small_tables;
	return granule_rules[granule].sl0[level] != NO_SL0;
}

/*
 * The highest-numbered level whose concatenated tables reach @ia_bits. 16K's level 0 needs DS and
 * 52-bit addresses, and so do the IPA sizes that need 16K's level 0 (52 alone): no rule for it is
 * wanted here. Nor for the PARange that VTCR_EL2.SL0 demands of 4K's level 0 (44 bits), 16K's
 * level 1 (42) and 64K's level 1 (44): no IPA space that needs them is wider than PARange.
 */
static s8 choose_start_level(enum granule granule, unsigned int ia_bits,
			     const struct mmu_caps *caps)
{
	int level = 3;

	while (level > 0 && (!level_allowed(granule, level, caps) ||
			     ia_bits > table_reach_bits(granule, level) + MAX_CONCAT_BITS))
		level--;
	return (s8)level;
}

/* D8.2: a root is aligned to its size; where addresses have 52 bits, to 64 bytes at least. */
static void shape_root(struct stage2_geometry *g, bool wide)
{
	unsigned int stride = granule_rules[g->granule].stride;
	unsigned int below = table_reach_bits(g->granule, g->start_level) - stride;
	u64 entries = BIT(g->ia_bits - below);

	g->root_tables = (u8)MAX(entries >> stride, 1);
	g->root_size = entries * sizeof(u64);
	g->root_align = wide ? MAX(g->root_size, WIDE_MIN_ALIGN) : g->root_size;
}

static u64 compose_vtcr(const struct stage2_geometry *g, const struct mmu_caps *caps)
{
	u64 vtcr = VTCR_RES1;

	vtcr |= FIELD_PREP(VTCR_T0SZ, g->t0sz) | FIELD_PREP(VTCR_SL0, g->sl0);
	vtcr |= FIELD_PREP(VTCR_IRGN0, VTCR_RGN_WBWA) | FIELD_PREP(VTCR_ORGN0, VTCR_RGN_WBWA);
	vtcr |= FIELD_PREP(VTCR_SH0, VTCR_SH_INNER);
	vtcr |= FIELD_PREP(VTCR_TG0, granule_rules[g->granule].tg0) | FIELD_PREP(VTCR_PS, g->ps);
	vtcr |= FIELD_PREP(VTCR_SL2, g->sl2);
	vtcr |= caps->vmid_bits == 16 ? VTCR_VS : 0;
	vtcr |= caps->hw_access ? VTCR_HA : 0;
	vtcr |= caps->hw_access && caps->hw_dirty ? VTCR_HD : 0;
	vtcr |= g->ds ? VTCR_DS : 0;
	return vtcr;
}

int stage2_geometry(struct stage2_geometry *out, unsigned int ia_bits, enum granule granule,
		    const struct mmu_caps *caps)
{
	int err = check_arguments(ia_bits, granule, caps);
	struct stage2_geometry g = { 0 };
	bool wide;

	if (err)
		return err;
	wide = granule_is_wide(granule, caps);
	g.ia_bits = (u8)ia_bits;
	g.granule = granule;
	g.start_level = choose_start_level(granule, ia_bits, caps);
	shape_root(&g, wide);
	g.ds = wide && granule != GRANULE_64K;
	g.oa_bits = address_bits(granule, caps);
	g.t0sz = (u8)(64 - ia_bits);
	g.sl0 = granule_rules[granule].sl0[g.start_level];
	g.sl2 = 0;
	g.ps = pa_width_of(g.oa_bits)->ps;
	g.vtcr = compose_vtcr(&g, caps);
	*out = g;
	return 0;
}
