/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A naive model of a stage 2: an array with an entry for each unit of a window of IPA space, beside
 * a real struct stage2 on the TLB model. model_step() does one random operation on both and
 * compares. Used by test_stage2.c and by the fuzzer.
 */
#ifndef KEEL_STAGE2_MODEL_H
#define KEEL_STAGE2_MODEL_H

#include <mm/stage2.h>

struct model_config {
	const char *name;
	enum granule granule;
	u8 ia_bits;
	bool ds; /* ask for a machine with LPA2 or LPA */
	u8 pa_bits;
	int unit_level; /* the model's unit: what a descriptor at this level covers */
	unsigned int units;
	u8 bbm_level;
	bool hw, fwb, xnx, ttl, range;
};

extern const struct model_config model_configs[];
extern const unsigned int model_config_count;

/* Begin with an empty stage 2. */
void model_start(const struct model_config *config, u64 seed);

/* One random operation. Aborts with a message on any difference. */
void model_step(void);

/* Compare everything, destroy the stage 2, and check that all its memory came back. */
void model_end(void);

/* Where random numbers come from; the default is fake_rand(). */
extern u32 (*model_rand)(u32 n);

#endif
