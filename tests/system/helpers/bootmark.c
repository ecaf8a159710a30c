// SPDX-License-Identifier: BSD-2-Clause
/*
 * bootmark: as the host's first process (rdinit=/bin/bootmark), print the virtual counter and power
 * the machine off. Under `qemu -icount shift=0` the counter is the number of instructions since
 * reset.
 */
#include <stdint.h>
#include <stdio.h>
#include <sys/reboot.h>
#include <unistd.h>

static uint64_t counter(void)
{
	uint64_t value;

	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(value));
	return value;
}

static uint64_t frequency(void)
{
	uint64_t value;

	__asm__ volatile("mrs %0, cntfrq_el0" : "=r"(value));
	return value;
}

int main(void)
{
	uint64_t now = counter();

	printf("BOOTMARK counter=%lu frequency=%lu\n", now, frequency());
	fflush(stdout);
	if (getpid() != 1)
		return 0;
	reboot(RB_POWER_OFF);
	return 1;
}
