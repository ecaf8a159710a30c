// SPDX-License-Identifier: BSD-2-Clause
/* What the compiler calls, and random numbers that are the same in each run. */
#include "guest.h"

void *memset(void *to, int c, u64 n)
{
	u64 i;

	for (i = 0; i < n; i++)
		((volatile u8 *)to)[i] = (u8)c;
	return to;
}

void *memcpy(void *to, const void *from, u64 n)
{
	u64 i;

	for (i = 0; i < n; i++)
		((volatile u8 *)to)[i] = ((const u8 *)from)[i];
	return to;
}

/* xorshift64 */
u64 random64(void)
{
	static u64 state[MAX_CPUS];
	u64 *s = &state[this_cpu_id() % MAX_CPUS],
	    x = *s ? *s : 0x9e3779b97f4a7c15UL + this_cpu_id();

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*s = x;
	return x;
}
