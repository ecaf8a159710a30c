// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: tests/unit/stage2_model.c tests/unit/arch/fake_tlb.c tests/unit/arch/fake_mem.c hyp/mm/pgtable.c hyp/mm/pgtable_sane.c hyp/mm/stage2.c hyp/mm/stage2_geometry.c hyp/cpu/errata.c tests/unit/fake_panic.c */
/*
 * Random operations on a stage 2, against a naive model of it and a strict model of TLBs
 * (tests/unit/stage2_model.c). With libFuzzer the input's bytes are the random numbers; without it
 * (-DFUZZ_STANDALONE) main() makes as many operations as it is told from a seed.
 */
#include <arch/fake_tlb.h>
#include <stdio.h>
#include <stdlib.h>

#include "stage2_model.h"

#ifdef FUZZ_STANDALONE

#define STEPS_A_START 5000

/* Arguments: how many operations (default 10^6), seed (default 1). */
int main(int argc, char **argv)
{
	unsigned long total = argc > 1 ? strtoul(argv[1], NULL, 0) : 1000000;
	unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;
	unsigned long done = 0;

	for (unsigned int run = 0; done < total; run++) {
		model_start(&model_configs[run % model_config_count], seed + run);
		for (unsigned int i = 0; i < STEPS_A_START && done < total; i++, done++)
			model_step();
		model_end();
	}
	printf("stage 2: %lu random operations agree with the model\n", done);
	return 0;
}

#else

static const uint8_t *input;
static size_t left;

static u32 from_input(u32 n)
{
	u32 value = 0;

	for (u32 limit = n - 1; limit && left; limit >>= 8, left--)
		value = value << 8 | *input++;
	return value % n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	input = data;
	left = size;
	model_rand = from_input;
	model_start(&model_configs[from_input(model_config_count)], 1);
	for (unsigned int i = 0; i < 500 && left; i++)
		model_step();
	model_end();
	return 0;
}

#endif
