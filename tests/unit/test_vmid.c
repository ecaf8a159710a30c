// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/mm/vmid.c */
/*
 * VMIDs on simulated CPUs, whose TLBs remember for each number the context that last ran under it.
 * Each entry is checked: no translation of another context may be left under the number in this
 * CPU's TLB, no other CPU may run another context under it, and CPUs that run the same context must
 * use the same number (else an invalidation by VMID would miss one of them).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lib/errno.h>
#include <mm/vmid.h>

#define MAX_CPUS 16
#define CONTEXTS 1200
#define NOBODY	 (-1)

static struct vmid_allocator va;
static struct vmid_cpu cpus[MAX_CPUS];
static u64 bitmap[VMID_BITMAP_WORDS(16)];
static struct vmid contexts[CONTEXTS];

static int tlb[MAX_CPUS][65536]; /* the context that filled the TLB under each number */
static int running[MAX_CPUS];	 /* context */
static u16 number[MAX_CPUS];	 /* under which it runs */
static unsigned int this_cpu, flushes;

static void fake_flush_local(void *ctx)
{
	assert_ptr_equal(ctx, tlb);
	assert_true(spin_is_locked(&va.lock));
	for (size_t i = 0; i < (size_t)1 << va.bits; i++)
		tlb[this_cpu][i] = NOBODY;
	flushes++;
}

static const struct vmid_ops fake_ops = { .flush_local = fake_flush_local };

/* TLBs start full of what firmware left: translations that belong to no context of ours. */
static void make_machine(unsigned int bits, unsigned int nr_cpus)
{
	assert_int_equal(vmid_init(&va, bits, bitmap, cpus, nr_cpus, &fake_ops, tlb), 0);
	memset(contexts, 0, sizeof(contexts));
	for (unsigned int cpu = 0; cpu < MAX_CPUS; cpu++) {
		running[cpu] = NOBODY;
		for (size_t i = 0; i < ARRAY_SIZE(tlb[0]); i++)
			tlb[cpu][i] = CONTEXTS;
	}
	flushes = 0;
}

static void check_entry(unsigned int cpu, int context, u16 n)
{
	if (n == VMID_HOST)
		fail_msg("CPU %u: context %d got the host's VMID", cpu, context);
	if (va.bits == 8 && n > 255)
		fail_msg("CPU %u: context %d got VMID %u of 8 bits", cpu, context, n);
	if (tlb[cpu][n] != NOBODY && tlb[cpu][n] != context)
		fail_msg("CPU %u: context %d runs as VMID %u, under which the TLB has context %d",
			 cpu, context, n, tlb[cpu][n]);
	for (unsigned int other = 0; other < va.nr_cpus; other++) {
		if (other == cpu || running[other] == NOBODY)
			continue;
		if ((running[other] == context) != (number[other] == n))
			fail_msg("CPU %u runs context %d as VMID %u, CPU %u context %d as %u", cpu,
				 context, n, other, running[other], number[other]);
	}
}

static u16 enter(unsigned int cpu, int context)
{
	u16 n;

	this_cpu = cpu;
	running[cpu] = NOBODY; /* what ran before has left */
	n = vmid_enter(&va, &contexts[context], cpu);
	check_entry(cpu, context, n);
	assert_false(spin_is_locked(&va.lock));
	running[cpu] = context;
	number[cpu] = n;
	tlb[cpu][n] = context;
	return n;
}

static void leave(unsigned int cpu)
{
	running[cpu] = NOBODY;
	vmid_leave(&va, cpu);
	assert_false(spin_is_locked(&va.lock));
}

static void bad_machines_are_refused(void **state)
{
	assert_int_equal(vmid_init(&va, 7, bitmap, cpus, 1, &fake_ops, tlb), -EINVAL);
	assert_int_equal(vmid_init(&va, 0, bitmap, cpus, 1, &fake_ops, tlb), -EINVAL);
	assert_int_equal(vmid_init(&va, 8, bitmap, cpus, 0, &fake_ops, tlb), -EINVAL);
	/* 255 numbers: 255 CPUs could run them all, and leave none for a new context */
	assert_int_equal(vmid_init(&va, 8, bitmap, cpus, 255, &fake_ops, tlb), -EINVAL);
	assert_int_equal(vmid_init(&va, 16, bitmap, cpus, 65535, &fake_ops, tlb), -EINVAL);
}

static void a_context_keeps_its_number(void **state)
{
	u16 a, b;

	make_machine(8, 2);
	a = enter(0, 0);
	b = enter(0, 1);
	assert_int_not_equal(a, b);
	assert_int_equal(enter(1, 0), a);
	assert_int_equal(enter(0, 0), a);
	assert_int_equal(enter(1, 1), b);
	assert_int_equal(flushes, 2); /* each CPU's first entry, and no more */
}

/* All numbers but the host's are used before the first rollover. */
static void every_number_is_used(void **state)
{
	static const unsigned int bits[] = { 8, 16 };
	static struct vmid many[65536];

	for (size_t i = 0; i < ARRAY_SIZE(bits); i++) {
		u32 last = ((u32)1 << bits[i]) - 1;

		make_machine(bits[i], 1);
		memset(many, 0, sizeof(many));
		this_cpu = 0;
		for (u32 n = 1; n <= last; n++)
			assert_int_equal(vmid_enter(&va, &many[n - 1], 0), n);
		assert_int_equal(va.rollovers, 0);
		assert_int_equal(flushes, 1);
		/* The next one starts a generation; the one before it was
		 * running, and keeps 2^n-1. */
		assert_int_equal(vmid_enter(&va, &many[last], 0), 1);
		assert_int_equal(va.rollovers, 1);
		assert_int_equal(flushes, 2);
		assert_int_equal(vmid_enter(&va, &many[last - 1], 0), last);
	}
}

/* Uses up the generation on a CPU with contexts from first on; returns the one that began a new. */
static int roll_over(unsigned int cpu, int first)
{
	u64 before = va.rollovers;

	while (va.rollovers == before) {
		assert_true(first < CONTEXTS);
		enter(cpu, first++);
	}
	return first - 1;
}

static void a_context_that_runs_at_a_rollover_keeps_its_number(void **state)
{
	u16 n;

	make_machine(8, 4);
	n = enter(1, 0);
	enter(2, 0);
	enter(3, 1);
	roll_over(0, 2);
	/* CPUs 1 to 3 have not noticed; what they run goes on under the numbers it has. */
	assert_int_equal(enter(0, 0), n);
	assert_int_equal(enter(1, 0), n);
	assert_int_equal(enter(2, 0), n);
}

/* A CPU that stays in its guest through several rollovers. */
static void a_long_run_survives_many_rollovers(void **state)
{
	int next = 1;
	u16 n;

	make_machine(8, 3);
	n = enter(2, 0);
	for (int i = 0; i < 3; i++)
		next = roll_over(0, next) + 1;
	assert_int_equal(enter(1, 0), n); /* renewed by another CPU, in between */
	roll_over(0, next);
	assert_int_equal(enter(0, 0), n);
	assert_int_equal(enter(2, 0), n);
	assert_int_equal(va.rollovers, 4);
}

/* Renewing a context's id reaches every CPU that still runs it, not the first alone. */
static void all_cpus_that_run_a_context_renew_its_number(void **state)
{
	int next;
	u16 n;

	make_machine(8, 4);
	n = enter(1, 0);
	enter(2, 0);
	enter(3, 0);
	next = roll_over(0, 1) + 1;
	assert_int_equal(enter(0, 0), n);
	leave(1);
	next = roll_over(0, next) + 1;
	assert_int_equal(enter(0, 0), n);
	leave(2);
	roll_over(0, next);
	assert_int_equal(enter(0, 0), n);
	assert_int_equal(enter(3, 0), n);
}

static void each_cpu_flushes_once_a_generation(void **state)
{
	unsigned int before;

	make_machine(8, 3);
	enter(1, 0);
	enter(2, 0);
	roll_over(0, 1);
	before = flushes;
	for (int i = 0; i < 5; i++)
		enter(1, i % 2);
	assert_int_equal(flushes, before + 1);
	enter(2, 0);
	enter(2, 1);
	assert_int_equal(flushes, before + 2);
}

/* A CPU that left its guest keeps no number, but still flushes before its next entry. */
static void an_idle_cpu_holds_no_number(void **state)
{
	u16 n;
	int next;

	make_machine(8, 2);
	n = enter(1, 0);
	leave(1);
	next = roll_over(0, 1) + 1;
	assert_int_equal(va.cpus[1].reserved, 0);
	assert_int_equal(n, 1);
	roll_over(0, next); /* 1 is given to others meanwhile: the checker looks */
	enter(1, 0);
	/* Leaving after the rollover gives up what was reserved. */
	roll_over(0, 1);
	assert_int_not_equal(va.cpus[1].reserved, 0);
	leave(1);
	assert_int_equal(va.cpus[1].reserved, 0);
	enter(1, 5);
}

static void leaving_does_not_lose_a_flush(void **state)
{
	unsigned int before;
	int current;

	make_machine(8, 2);
	enter(1, 0);
	current = roll_over(0, 1);
	leave(1);
	leave(1);
	before = flushes;
	enter(1, current); /* of the new generation already, and yet not without a flush */
	assert_int_equal(flushes, before + 1);
	leave(1);
	enter(1, current); /* and none without a rollover */
	assert_int_equal(flushes, before + 1);
}

static void a_cpu_that_comes_up_flushes(void **state)
{
	make_machine(8, 2);
	enter(0, 0);
	enter(1, 0);
	leave(1);
	for (size_t i = 0; i < 256; i++)
		tlb[1][i] = CONTEXTS; /* it was off; its TLB holds anything */
	vmid_cpu_reset(&va, 1);
	assert_int_equal(enter(1, 0), number[0]);
}

/* The fast path takes no lock: with the lock held it works, and slow ones would stop the test. */
static void entering_again_takes_no_lock(void **state)
{
	make_machine(8, 1);
	enter(0, 0);
	enter(0, 1);
	spin_lock(&va.lock);
	assert_int_equal(vmid_enter(&va, &contexts[0], 0), 1);
	assert_int_equal(vmid_enter(&va, &contexts[1], 0), 2);
	vmid_leave(&va, 0);
	assert_int_equal(vmid_enter(&va, &contexts[1], 0), 2);
	spin_unlock(&va.lock);
}

/* A run of the context that the CPU has run last: no lock, and nothing is written, until a rollover. */
static void the_last_context_is_found_by_loads_until_a_rollover(void **state)
{
	struct vmid_cpu before;

	make_machine(8, 2);
	enter(0, 0);
	before = va.cpus[0];
	assert_int_equal(enter(0, 0), 1);
	assert_memory_equal(&va.cpus[0], &before, sizeof(before));
	for (int context = 1; context < 300; context++)
		enter(1, context);
	assert_int_equal(va.rollovers, 1);
	assert_int_equal(va.cpus[0].active, 0);
	/* it keeps its number, and flushes before it is used again */
	assert_true(va.cpus[0].flush_pending);
	assert_int_equal(enter(0, 0), 1);
	assert_false(va.cpus[0].flush_pending);
}

static u32 random_below(u64 *seed, u32 n)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (u32)(*seed >> 33) % n;
}

/* A context dies: it runs nowhere, and its memory becomes another one. */
static void replace_context(int context)
{
	for (unsigned int cpu = 0; cpu < va.nr_cpus; cpu++)
		if (running[cpu] == context)
			return;
	contexts[context] = (struct vmid){ 0 };
	/* What TLBs hold of the old one is as stale for the new one as anybody else's. */
	for (unsigned int cpu = 0; cpu < va.nr_cpus; cpu++)
		for (size_t n = 0; n < 256; n++)
			if (tlb[cpu][n] == context)
				tlb[cpu][n] = CONTEXTS;
}

static void random_step(u64 *seed)
{
	/* A few CPUs are busy, the others come by seldom. */
	unsigned int cpu =
		random_below(seed, random_below(seed, 4) ? MIN(3U, va.nr_cpus) : va.nr_cpus);
	int context = (int)random_below(seed, random_below(seed, 3) ? CONTEXTS : 20);

	switch (random_below(seed, 20)) {
	case 0:
		leave(cpu);
		break;
	case 1:
		if (running[cpu] != NOBODY)
			break;
		vmid_cpu_reset(&va, cpu);
		break;
	case 2:
		replace_context(context);
		break;
	default:
		enter(cpu, context);
	}
}

static void no_stale_number_in_random_use(void **state)
{
	static const unsigned int nr_cpus[] = { 1, 2, 5, 16 };

	for (size_t i = 0; i < ARRAY_SIZE(nr_cpus); i++) {
		u64 seed = 99 + i;

		make_machine(8, nr_cpus[i]);
		for (int step = 0; step < 100000; step++)
			random_step(&seed);
		print_message("%u CPUs: %llu rollovers, %u flushes\n", nr_cpus[i],
			      (unsigned long long)va.rollovers, flushes);
		assert_true(va.rollovers > 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_machines_are_refused),
		cmocka_unit_test(a_context_keeps_its_number),
		cmocka_unit_test(every_number_is_used),
		cmocka_unit_test(a_context_that_runs_at_a_rollover_keeps_its_number),
		cmocka_unit_test(a_long_run_survives_many_rollovers),
		cmocka_unit_test(all_cpus_that_run_a_context_renew_its_number),
		cmocka_unit_test(each_cpu_flushes_once_a_generation),
		cmocka_unit_test(an_idle_cpu_holds_no_number),
		cmocka_unit_test(leaving_does_not_lose_a_flush),
		cmocka_unit_test(a_cpu_that_comes_up_flushes),
		cmocka_unit_test(entering_again_takes_no_lock),
		cmocka_unit_test(the_last_context_is_found_by_loads_until_a_rollover),
		cmocka_unit_test(no_stale_number_in_random_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
