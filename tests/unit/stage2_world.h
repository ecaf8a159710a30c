/* SPDX-License-Identifier: BSD-2-Clause */
/* A stage 2 on the TLB model, for tests: made in one call, its lock
 * held. Include after cmocka.h. */
#ifndef KEEL_STAGE2_WORLD_H
#define KEEL_STAGE2_WORLD_H

#include <arch/fake_mem.h>
#include <arch/fake_tlb.h>
#include <lib/errno.h>
#include <mm/stage2.h>

#define WORLD_VMID 9

struct world {
	struct mmu_caps caps;
	struct stage2_geometry geometry;
	struct stage2_config config;
	struct stage2 s2;
	int regime;
};

static const struct stage2_mem_ops world_mem = {
	.zalloc_table = fake_mem_zalloc,
	.free_table = fake_mem_free,
	.table_to_pa = fake_mem_to_pa,
	.pa_to_table = fake_mem_from_pa,
};

/* A machine with everything; tests take away what they want gone. */
static inline struct mmu_caps world_caps(void)
{
	return (struct mmu_caps){
		.pa_bits = 52,
		.vmid_bits = 16,
		.bbm_level = 0,
		.s1_granule = { true, true, true },
		.s2_granule = { true, true, true },
		.s2_lpa2 = { true, true, false },
		.small_tables = true,
		.hw_access = true,
		.hw_dirty = true,
		.fwb = true,
		.xnx = true,
		.ttl = true,
		.tlbi_range = true,
		.vhe = true,
	};
}

/* The same without what came after Armv8.0, and 48 bits. */
static inline struct mmu_caps world_old_caps(void)
{
	return (struct mmu_caps){
		.pa_bits = 48,
		.vmid_bits = 8,
		.s1_granule = { true, true, true },
		.s2_granule = { true, true, true },
	};
}

static inline void world_start(struct world *w, const struct mmu_caps *caps, enum granule granule,
			       unsigned int ia_bits, bool fwb)
{
	u64 size = granule_size(granule);
	struct fake_regime r = { .vmid = WORLD_VMID, .granule = granule };

	w->caps = *caps;
	assert_int_equal(stage2_geometry(&w->geometry, ia_bits, granule, &w->caps), 0);
	fake_tlb_reset();
	fake_mem_init(granule, BIT(w->geometry.oa_bits) - 600 * size, 600);
	w->config = (struct stage2_config){ .geometry = &w->geometry,
					    .caps = &w->caps,
					    .vmid = WORLD_VMID,
					    .mem = &world_mem,
					    .fwb = fwb };
	w->config.root = fake_mem_zalloc_root((unsigned int)MAX(w->geometry.root_size / size, 1ULL),
					      w->geometry.root_align);
	assert_non_null(w->config.root);
	r.start_level = w->geometry.start_level;
	r.ia_bits = w->geometry.ia_bits;
	r.oa_bits = w->geometry.oa_bits;
	r.ds = w->geometry.ds;
	r.ha = caps->hw_access;
	r.hd = caps->hw_dirty;
	r.bbm_level = caps->bbm_level;
	r.root = w->config.root;
	w->regime = fake_tlb_add(&r);
	assert_int_equal(stage2_init(&w->s2, &w->config), 0);
	spin_lock(&w->s2.lock);
}

/* Tables in use besides the root. */
static inline unsigned int world_tables(const struct world *w)
{
	u64 root = w->geometry.root_size / granule_size(w->geometry.granule);

	return fake_mem_in_use() - (unsigned int)MAX(root, 1ULL);
}

static inline void world_end(struct world *w)
{
	fake_tlb_check("the test");
	spin_unlock(&w->s2.lock);
	stage2_destroy(&w->s2);
	fake_tlb_check("destroy");
	assert_int_equal(world_tables(w), 0);
	fake_tlb_remove(w->regime);
}

/* The descriptor that translates @ipa, as it is in memory. */
static inline u64 world_desc(struct world *w, u64 ipa, int *level)
{
	u64 desc = 0;

	(void)fake_walk(w->regime, ipa, NULL, &desc, level);
	return desc;
}

#endif
