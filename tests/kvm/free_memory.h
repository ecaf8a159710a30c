/* SPDX-License-Identifier: BSD-2-Clause */
/* How much of the host's memory is free. */
#ifndef FREE_MEMORY_H
#define FREE_MEMORY_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The sum of the numbers that follow @word at a line's beginning. */
static long sum_of(const char *path, const char *word)
{
	FILE *file = fopen(path, "r");
	long sum = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		char *at = line + strspn(line, " ");

		if (!strncmp(at, word, strlen(word)))
			sum += strtol(at + strlen(word), NULL, 10);
	}
	if (file)
		fclose(file);
	return sum;
}

/* Free memory in KiB. Free pages that a CPU keeps for itself count: with Linux 6.12 they can be many. */
static long free_kib(void)
{
	long page_kib = sysconf(_SC_PAGESIZE) / 1024;

	return sum_of("/proc/meminfo", "MemFree:") + sum_of("/proc/zoneinfo", "count:") * page_kib;
}

#endif
