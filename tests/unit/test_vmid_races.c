// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: */
/*
 * VMIDs when CPUs come between each other: just before one of the atomic accesses that a CPU makes
 * outside the allocator's lock, other CPUs enter and leave contexts, through one rollover or more.
 * The allocator is built into this program, with a hook at each such access. test_vmid.c says what
 * the checks are for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <lib/types.h>

static void interfere(void);

#define __atomic_load_n(...)		 (interfere(), __atomic_load_n(__VA_ARGS__))
#define __atomic_store_n(...)		 (interfere(), __atomic_store_n(__VA_ARGS__))
#define __atomic_exchange_n(...)	 (interfere(), __atomic_exchange_n(__VA_ARGS__))
#define __atomic_compare_exchange_n(...) (interfere(), __atomic_compare_exchange_n(__VA_ARGS__))
#include "../../hyp/mm/vmid.c"

#define CPUS	 4
#define CONTEXTS 600
#define NUMBERS	 256
#define NOBODY	 (-1)
#define TRIALS	 20000

static struct vmid_allocator va;
static struct vmid_cpu cpus[CPUS];
static u64 bitmap[VMID_BITMAP_WORDS(8)];
static struct vmid contexts[CONTEXTS];
static int tlb[CPUS][NUMBERS]; /* the context that filled the TLB under each number */
static int running[CPUS];
static u16 number[CPUS];
static unsigned int this_cpu;

static u64 seed;
static int accesses_left; /* until the others come in between; 0 when they have, -1 for never */
static unsigned int interrupted_cpu, interruptions, lockless;

static u32 random_below(u32 n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (u32)(seed >> 33) % n;
}

static void fake_flush_local(void *ctx)
{
	for (size_t i = 0; i < NUMBERS; i++)
		tlb[this_cpu][i] = NOBODY;
}

static const struct vmid_ops fake_ops = { .flush_local = fake_flush_local };

static void check_entry(unsigned int cpu, int context, u16 n)
{
	if (tlb[cpu][n] != NOBODY && tlb[cpu][n] != context)
		fail_msg("CPU %u: context %d runs as VMID %u, under which the TLB has context %d",
			 cpu, context, n, tlb[cpu][n]);
	for (unsigned int other = 0; other < CPUS; other++)
		if (other != cpu && running[other] != NOBODY &&
		    (running[other] == context) != (number[other] == n))
			fail_msg("CPU %u runs context %d as VMID %u, CPU %u context %d as %u", cpu,
				 context, n, other, running[other], number[other]);
}

static void enter(unsigned int cpu, int context)
{
	u16 n;

	this_cpu = cpu;
	running[cpu] = NOBODY;
	n = vmid_enter(&va, &contexts[context], cpu);
	check_entry(cpu, context, n);
	running[cpu] = context;
	number[cpu] = n;
	tlb[cpu][n] = context;
}

static void leave(unsigned int cpu)
{
	running[cpu] = NOBODY;
	vmid_leave(&va, cpu);
}

/* Something happens on a CPU other than the one that was interrupted. */
static void other_cpu_acts(void)
{
	unsigned int cpu = (interrupted_cpu + 1 + random_below(CPUS - 1)) % CPUS;

	if (random_below(10) == 0)
		leave(cpu);
	else
		enter(cpu, (int)random_below(random_below(2) ? 8 : CONTEXTS));
}

/* While one CPU holds the lock, another can still enter what needs no lock. */
static void other_cpu_enters_without_the_lock(void)
{
	unsigned int holder = this_cpu, cpu = (holder + 1) % CPUS;
	int context = (int)random_below(8), left = accesses_left;

	accesses_left = -1;
	if (cpu != interrupted_cpu && load_id(&cpus[cpu].active) &&
	    is_current(&va, load_id(&contexts[context].id))) {
		enter(cpu, context);
		lockless++;
	}
	accesses_left = left;
	this_cpu = holder;
}

/* Runs before each atomic access. */
static void interfere(void)
{
	unsigned int interrupted = this_cpu;

	if (accesses_left < 0)
		return;
	if (va.lock.held) {
		if (random_below(4) == 0)
			other_cpu_enters_without_the_lock();
		return;
	}
	if (accesses_left == 0 || --accesses_left > 0)
		return;
	interruptions++;
	for (u32 n = random_below(random_below(2) ? 10 : 1500); n > 0; n--)
		other_cpu_acts();
	this_cpu = interrupted;
}

static void make_machine(void)
{
	accesses_left = -1;
	memset(contexts, 0, sizeof(contexts));
	memset(&va, 0, sizeof(va));
	assert_int_equal(vmid_init(&va, 8, bitmap, cpus, CPUS, &fake_ops, NULL), 0);
	for (unsigned int cpu = 0; cpu < CPUS; cpu++) {
		running[cpu] = NOBODY;
		for (size_t i = 0; i < NUMBERS; i++)
			tlb[cpu][i] = NOBODY;
	}
}

static void interrupted_entries_and_exits_meet_nothing_stale(void **state)
{
	seed = 11;
	make_machine();
	for (int trial = 0; trial < TRIALS; trial++) {
		unsigned int cpu = random_below(CPUS);

		interrupted_cpu = cpu;
		accesses_left = 1 + (int)random_below(6);
		if (random_below(4) == 0)
			leave(cpu);
		else
			enter(cpu, (int)random_below(random_below(2) ? 8 : CONTEXTS));
		accesses_left = -1;
		/* What was left behind shows when contexts of the new generation come by. */
		for (int i = 0; i < 4; i++)
			enter(cpu, (int)random_below(8));
	}
	print_message("%u interruptions, %u entries beside the lock, %llu rollovers\n",
		      interruptions, lockless, (unsigned long long)va.rollovers);
	assert_true(interruptions > TRIALS / 4 && lockless > TRIALS / 4 &&
		    va.rollovers > TRIALS / 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interrupted_entries_and_exits_meet_nothing_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
