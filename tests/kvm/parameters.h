/* SPDX-License-Identifier: BSD-2-Clause */
/* Parameters of keel.ko, most of them of its test build; and what it has pinned. */
#ifndef PARAMETERS_H
#define PARAMETERS_H

#include "kvmtest.h"

#define PARAMETER(name) "/sys/module/keel/parameters/" name
#define FAIL_AT		PARAMETER("fail_at")
#define FAIL_MORE	PARAMETER("fail_more")
#define POPULATE	PARAMETER("spe_populate")
#define UNMAP_FAILS	PARAMETER("unmap_fails")
#define MEMLOCK		PARAMETER("memlock")

static inline void write_number(const char *path, long number)
{
	FILE *file = fopen(path, "w");

	if (!file || fprintf(file, "%ld\n", number) < 0 || fclose(file))
		give_up(path);
}

static inline int read_number(const char *path)
{
	FILE *file = fopen(path, "r");
	int number = -1;

	if (!file || fscanf(file, "%d", &number) != 1)
		give_up(path);
	fclose(file);
	return number;
}

/* Guests' memory is pinned, and counts as locked, with MEMLOCK. -1: it is not told. */
static inline long locked_kib(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[128];
	long kib = -1;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmLck: %ld", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib;
}

#endif
