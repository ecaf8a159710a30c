/* SPDX-License-Identifier: BSD-2-Clause */
/* What the programs of a measuring host share: its clock, how long its CPU was idle, and errors. */
#ifndef BENCH_HOST_TICKS_H
#define BENCH_HOST_TICKS_H

#include <err.h>
#include <stdint.h>
#include <stdio.h>

static inline uint64_t counter(void)
{
	uint64_t value;

	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(value) : : "memory");
	return value;
}

static inline int need(long result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return (int)result;
}

/* Nanoseconds that the CPU has been idle. */
static inline uint64_t idle(void)
{
	FILE *file = fopen("/proc/timer_list", "r");
	unsigned long long value = 0;
	char line[256];

	if (!file)
		err(1, "/proc/timer_list");
	while (fgets(line, sizeof(line), file) &&
	       sscanf(line, " .idle_sleeptime : %llu", &value) != 1)
		;
	fclose(file);
	return value;
}

static inline uint64_t frequency(void)
{
	uint64_t value;

	__asm__ volatile("mrs %0, cntfrq_el0" : "=r"(value));
	return value;
}

#endif
