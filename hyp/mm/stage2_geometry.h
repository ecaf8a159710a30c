/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shape of a stage-2 translation: from the width of the IPA space, the granule and what the
 * machine can do, to the start level, the root table and the whole of VTCR_EL2. Pure functions of
 * their arguments; docs/stage2-geometry.md explains the rules.
 */
#ifndef KEEL_MM_STAGE2_GEOMETRY_H
#define KEEL_MM_STAGE2_GEOMETRY_H

#include <cpu/mmu_caps.h>
#include <lib/types.h>

/*
 * A value, owned by its holder; nothing in it changes after stage2_geometry() has filled it.
 *
 * start_level is 0 to 3. The architecture's level -1 (4K with LPA2) resolves IPA bits 51:48, which
 * is as many as 16 concatenated tables at level 0 resolve without costing a level: it is never the
 * answer here, and sl2 is therefore always 0.
 *
 * root_size is what the MMU reads, which is less than a granule where the start level resolves few
 * bits; nothing but the root may lie in [root, root + root_size).
 */
struct stage2_geometry {
	u8 ia_bits;	      /* width of the IPA space: 16..52 */
	enum granule granule; /* size of a page and of a table */
	s8 start_level;	      /* level of the root: 0..3 */
	u8 root_tables;	      /* concatenated tables in the root: 1, 2, 4, 8 or 16 */
	u64 root_size;	      /* bytes of the root: entries * 8, all concatenated tables together */
	u64 root_align;	      /* bytes: alignment that VTTBR_EL2.BADDR demands of the root */
	bool ds;	      /* FEAT_LPA2's descriptor format (4K and 16K with 52-bit addresses) */
	u8 oa_bits;	      /* width of output addresses: 32..52 */
	u8 t0sz;	      /* VTCR_EL2.T0SZ */
	u8 sl0;		      /* VTCR_EL2.SL0 */
	u8 sl2;		      /* VTCR_EL2.SL2 */
	u8 ps;		      /* VTCR_EL2.PS */
	u64 vtcr;	      /* VTCR_EL2, whole */
};

/**
 * stage2_geometry() - choose the shape of a stage 2
 * @out:     where it goes; untouched on error
 * @ia_bits: width of the IPA space in bits, any value
 * @granule: translation granule
 * @caps:    what the MMU can do, as the weakest CPU can
 *
 * The choice has the fewest levels that the architecture allows, by concatenating up to 16 tables
 * at the start level. Output addresses are as wide as the machine and the granule allow, whatever
 * @ia_bits is, since the memory behind a small VM can be anywhere. Hardware updates of the access
 * flag and the dirty state are on where @caps has them.
 *
 * Return: 0; -EOPNOTSUPP when stage 2 does not have @granule; -E2BIG when @ia_bits is more than
 * stage2_max_ia_bits(); -ERANGE when it is less than stage2_min_ia_bits(); -EINVAL when @granule
 * is not a granule, or caps->pa_bits not a width that ID_AA64MMFR0_EL1.PARange can name.
 */
int __must_check stage2_geometry(struct stage2_geometry *out, unsigned int ia_bits,
				 enum granule granule, const struct mmu_caps *caps);

/**
 * stage2_max_ia_bits() - the widest IPA space that this machine can translate
 * @granule: translation granule
 * @caps:    what the MMU can do
 *
 * No wider than physical addresses, and no wider than 48 bits except with 64K pages (FEAT_LPA) or
 * FEAT_LPA2's descriptors for @granule.
 *
 * Return: 32..52; 0 where stage 2 does not have @granule or @caps makes no sense.
 */
unsigned int stage2_max_ia_bits(enum granule granule, const struct mmu_caps *caps);

/**
 * stage2_min_ia_bits() - the narrowest IPA space that T0SZ can express
 * @granule: translation granule, a valid one
 * @caps:    what the MMU can do
 *
 * Return: 25; with FEAT_TTST 16, and 17 for 64K.
 */
unsigned int stage2_min_ia_bits(enum granule granule, const struct mmu_caps *caps);

#endif
