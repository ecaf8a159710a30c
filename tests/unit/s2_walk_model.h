/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A second walker of stage 2, beside that of nested/s2_walk.h: function by function as the manual's
 * pseudocode has it (ARM DDI 0487, J1, AArch64.S2Translate()), with the choices that s2_walk.h
 * states. It shares no code with the first one, nor its tables.
 *
 * And a guest memory for both: every word of a 52-bit address space has a value that is made from
 * its address and a seed, so that each walk finds tables, however wild its pointers are.
 */
#ifndef KEEL_S2_WALK_MODEL_H
#define KEEL_S2_WALK_MODEL_H

#include <nested/s2_walk.h>

/* What the model says about one try of a walk. */
struct model_walk {
	enum s2_walk_end end;
	unsigned int fsc;
	int level;
	u64 reads[4]; /* where descriptors are read, in order */
	unsigned int nr_reads;
	bool writes; /* a descriptor is exchanged, the last one that was read */
	u64 old, new;
	struct s2_leaf leaf;
};

/* Memory for the model: 0, or a negative error as that of struct s2_walk_memory. */
typedef int model_read(u64 address, u64 *raw);

void model_s2_walk(const struct s2_walk_regs *regs, const struct mmu_caps *caps, u64 ipa,
		   struct s2_access access, model_read *read, struct model_walk *out);

/* ---- the random machine ---- */

/* Where random numbers come from. */
extern u32 (*s2_rand)(u32 n);
u64 s2_rand64(void);

/* What a VM may be promised, and what its hypervisor may write: anything. */
void s2_random_caps(struct mmu_caps *caps);
void s2_random_regs(struct s2_walk_regs *regs);
struct s2_access s2_random_access(void);
/* An address: often within the IPA space, or at its end. */
u64 s2_random_ipa(const struct s2_walk_regs *regs);

/* The memory made of a seed. @absent: of 256 pages, so many do not answer. */
void s2_memory_start(u64 seed, unsigned int absent, bool big_endian);
int s2_memory_read(u64 address, u64 *raw);

/*
 * Walk with both, in the memory of the seed, and compare the answers, the reads and the exchange.
 * Aborts with a message on any difference. Returns the model's answer.
 */
struct model_walk s2_compare_walks(const struct s2_walk_regs *regs, const struct mmu_caps *caps,
				   u64 ipa, struct s2_access access);

/* The same in other memory. */
struct model_walk s2_compare_walks_in(model_read *read, const struct s2_walk_regs *regs,
				      const struct mmu_caps *caps, u64 ipa,
				      struct s2_access access);

#endif
