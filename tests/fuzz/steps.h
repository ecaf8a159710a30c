/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Code under test that is driven step by step: by libFuzzer's input, or, built with
 * FUZZ_STANDALONE, by random numbers of a seed. Each choice is rnd()'s; STEPS_MAIN() makes the
 * program.
 */
#ifndef KEEL_TESTS_FUZZ_STEPS_H
#define KEEL_TESTS_FUZZ_STEPS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <lib/types.h>

#define STEPS_A_START  2000 /* of random numbers */
#define STEPS_AN_INPUT 500

#ifdef FUZZ_STANDALONE

static u64 rnd_state;

static u32 rnd(u32 below)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (u32)(rnd_state >> 20) % below;
}

/* usage: PROGRAM [STEPS [SEED]] */
static int steps_main(int argc, char **argv, const char *name, void (*start)(void),
		      void (*step)(void))
{
	unsigned long total = argc > 1 ? strtoul(argv[1], NULL, 0) : 1000000;
	unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;

	for (unsigned long done = 0; done < total; done++) {
		if (done % STEPS_A_START == 0) {
			rnd_state = (seed + done) * 0x9e3779b97f4a7c15ULL | 1;
			start();
		}
		step();
	}
	printf("%s: %lu random steps\n", name, total);
	return 0;
}

#define STEPS_MAIN(name, start, step)                             \
	int main(int argc, char **argv)                           \
	{                                                         \
		return steps_main(argc, argv, name, start, step); \
	}

#else

static const uint8_t *steps_input;
static size_t steps_left;

static u32 rnd(u32 below)
{
	u32 value = 0;

	for (u32 limit = below - 1; limit && steps_left; limit >>= 8, steps_left--)
		value = value << 8 | *steps_input++;
	return value % below;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAIN(name, start, step)                                           \
	int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)            \
	{                                                                       \
		steps_input = data;                                             \
		steps_left = size;                                              \
		start();                                                        \
		for (unsigned int i = 0; i < STEPS_AN_INPUT && steps_left; i++) \
			step();                                                 \
		return 0;                                                       \
	}

#endif
#endif
