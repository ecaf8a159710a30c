// SPDX-License-Identifier: BSD-2-Clause
/*
 * Count this process's CPU cycles by the PMU, through perf_event_open, for a while.
 *
 * Prints the count and how much of the time the counter was running; exit status 0 if it counted,
 * 2 if the kernel has no PMU.
 */
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROUNDS 20000000UL

int main(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_CPU_CYCLES,
		.exclude_kernel = 1,
		.exclude_hv = 1,
		.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
	uint64_t value[3];

	if (fd < 0) {
		perror("cycles: perf_event_open");
		return 2;
	}
	for (volatile unsigned long i = 0; i < ROUNDS; i++)
		;
	if (read(fd, value, sizeof(value)) != sizeof(value)) {
		perror("cycles: read");
		return 1;
	}
	printf("cycles: %lu in %lu ns of %lu\n", (unsigned long)value[0], (unsigned long)value[2],
	       (unsigned long)value[1]);
	return value[0] == 0 || value[1] != value[2];
}
