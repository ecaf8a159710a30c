// SPDX-License-Identifier: BSD-2-Clause
/*
 * memtouch: fill memory with a pattern that depends on the place, read it back, and say so. Runs
 * in the system tests' host and guests, also as a load that never sleeps.
 *
 *   memtouch MIB [ROUNDS]     ROUNDS: 1 by default, 0 for ever
 *
 * Exit status: 0 all that was read is what was written; 1 it was not, or there is no such memory.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Every 256 bytes: under emulation each word of a GiB would take minutes. */
#define STRIDE 32

static uint64_t pattern(size_t word, uint64_t round)
{
	return (word + 1) * 0x9e3779b97f4a7c15u ^ round;
}

static void fill(volatile uint64_t *memory, size_t words, uint64_t round)
{
	for (size_t i = 0; i < words; i += STRIDE)
		memory[i] = pattern(i, round);
}

/* The index of the first word that is wrong, or @words. */
static size_t first_wrong(const volatile uint64_t *memory, size_t words, uint64_t round)
{
	for (size_t i = 0; i < words; i += STRIDE)
		if (memory[i] != pattern(i, round))
			return i;
	return words;
}

int main(int argc, char **argv)
{
	size_t mib = argc > 1 ? strtoul(argv[1], NULL, 0) : 0;
	uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	size_t words = (mib << 20) / sizeof(uint64_t), wrong;
	uint64_t *memory;

	if (!mib) {
		fprintf(stderr, "usage: memtouch MIB [ROUNDS]\n");
		return 1;
	}
	memory = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		perror("memtouch: mmap");
		return 1;
	}
	madvise(memory, mib << 20, MADV_HUGEPAGE); /* a wish: it saves most of the page faults */
	for (uint64_t round = 0; !rounds || round < rounds; round++) {
		fill(memory, words, round);
		wrong = first_wrong(memory, words, round);
		if (wrong < words) {
			printf("memtouch: wrong at byte %#zx: %#lx\n", wrong * sizeof(uint64_t),
			       memory[wrong]);
			return 1;
		}
	}
	printf("memtouch: %zu MiB good\n", mib);
	return 0;
}
