/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the MMU of this machine can do, as the weakest of its CPUs can: the part of the CPU
 * features that page-table code asks for. Plain values, so that page-table code and its tests can
 * make up any machine. Filled by cpu_features_mmu_caps() (cpu/features.h).
 */
#ifndef KEEL_CPU_MMU_CAPS_H
#define KEEL_CPU_MMU_CAPS_H

#include <lib/types.h>

/* A translation granule, as an index. */
enum granule { GRANULE_4K, GRANULE_16K, GRANULE_64K, GRANULE_COUNT };

static inline unsigned int granule_shift(enum granule granule)
{
	return 12 + 2 * (unsigned int)granule;
}

static inline u64 granule_size(enum granule granule)
{
	return 1ULL << granule_shift(granule);
}

struct mmu_caps {
	u8 pa_bits;			/* ID_AA64MMFR0.PARange as a width: 32..56 */
	u8 vmid_bits;			/* 8 or 16 (ID_AA64MMFR1.VMIDBits) */
	u8 bbm_level;			/* FEAT_BBM: 0, 1 or 2 (ID_AA64MMFR2.BBM) */
	bool s1_granule[GRANULE_COUNT]; /* stage 1 supports the granule (TGran*) */
	bool s2_granule[GRANULE_COUNT]; /* stage 2 supports the granule (TGran*_2) */
	bool s1_lpa2[GRANULE_COUNT];	/* FEAT_LPA2 at stage 1: TCR.DS; false for 64K */
	bool s2_lpa2[GRANULE_COUNT];	/* FEAT_LPA2 at stage 2: VTCR.DS; false for 64K */
	bool small_tables;		/* FEAT_TTST: T0SZ up to 48 (47 with 64K) */
	bool hw_access;			/* FEAT_HAFDBS: access flag by hardware */
	bool hw_dirty;			/* FEAT_HAFDBS: dirty state by hardware */
	bool fwb;			/* FEAT_S2FWB */
	bool xnx;			/* FEAT_XNX: separate EL0/EL1 execute-never at stage 2 */
	bool ttl;			/* FEAT_TTL: level hint in TLBI by address */
	bool tlbi_range;		/* FEAT_TLBIRANGE */
	bool vhe;			/* FEAT_VHE: HCR_EL2.E2H may be 1 */
};

#endif
