// SPDX-License-Identifier: BSD-2-Clause
/*
 * The benchmark guest for statistical profiling: what a fixed piece of work, single operations and
 * samples take, first with nothing armed, then (if the VM has SPE) with the vectors watched, then
 * profiled. In instructions, by the counter; nothing is printed before the end. Lines of the
 * result:
 *
 *   BENCH operation=NAME count=INSTRUCTIONS_OR_OPERATIONS ticks=TICKS samples=NUMBER
 *
 * Rounds in which the host had something to do (its timer ticks) took more: the least one counts.
 */
#include "guest.h"

#define PMSCR_EL1     "s3_0_c9_c9_0"
#define PMSICR_EL1    "s3_0_c9_c9_2"
#define PMSIRR_EL1    "s3_0_c9_c9_3"
#define PMSFCR_EL1    "s3_0_c9_c9_4"
#define PMBLIMITR_EL1 "s3_0_c9_c10_0"
#define PMBPTR_EL1    "s3_0_c9_c10_1"
#define PMBSR_EL1     "s3_0_c9_c10_3"

/* What perf sets for arm_spe/ts_enable=1,pa_enable=1/ with contexts: E0SPE, E1SPE, CX, PA, TS. */
#define PMSCR	    0x3b
#define PMBLIMITR_E 1
#define JITTER	    1 /* PMSIRR_EL1.RND */
#define RECORD	    64

#define DFR0_PMSVER(dfr0) ((dfr0) >> 32 & 0xf)

/* Turns of 64 instructions each, 60 of them loads. */
#define TURN   64
#define TURNS  (1UL << 15)
#define ROUNDS 9
#define COUNT  64 /* of single operations in a round */

/* The profiling buffer: memory that vmrun has nothing in. */
#define BUFFER	    (RAM_BASE + 160 * MIB)
#define BUFFER_SIZE MIB

extern char vectors_sub[], vectors_str[];

static u64 tables[512] __attribute__((aligned(4096)));
static u64 data[8];

/* ---- the MMU: the vectors are watched only while it is on ---- */

#define BLOCK_DEVICE 0x60000000000405UL /* not executable, access flag, index 1 */
#define BLOCK_MEMORY 0x40000000000701UL /* inner shareable, index 0 */
#define MAIR	     0x04ffUL		/* 0: write-back; 1: device nGnRE */
/* T0SZ = T1SZ = 25; walks cached and inner shareable; EPD1; TG1 = 4K; 40 bits */
#define TCR   (25 | 1 << 8 | 1 << 10 | 3 << 12 | 25UL << 16 | 1UL << 23 | 2UL << 30 | 2UL << 32)
#define SCTLR 0x30d0199dUL /* RES1, and I, SA, C, M */
#define GIB   (1UL << 30)

static void mmu_on(void)
{
	tables[0] = BLOCK_DEVICE;
	tables[RAM_BASE / GIB] = RAM_BASE | BLOCK_MEMORY;
	for (unsigned int i = 0; i < sizeof(tables); i += 64)
		__asm__ volatile("dc civac, %0" : : "r"((char *)tables + i) : "memory");
	write_sysreg(MAIR, "mair_el1");
	write_sysreg(TCR, "tcr_el1");
	write_sysreg((u64)tables, "ttbr0_el1");
	__asm__ volatile("dsb sy\n\ttlbi vmalle1\n\tic iallu\n\tdsb sy\n\tisb" : : : "memory");
	write_sysreg(SCTLR, "sctlr_el1");
}

/* ---- what is measured ---- */

static void work(void)
{
	u64 turns = TURNS, value;

	__asm__ volatile("1:\n"
			 ".rept 15\n"
			 "ldr %0, [%2]\n"
			 "ldr %0, [%2, #8]\n"
			 "ldp %0, xzr, [%2, #16]\n"
			 "ldr %w0, [%2, #36]\n"
			 ".endr\n"
			 "nop\n"
			 "nop\n"
			 "subs %1, %1, #1\n"
			 "b.ne 1b\n"
			 : "=&r"(value), "+r"(turns)
			 : "r"(data)
			 : "memory", "cc");
}

/* The same number of turns and instructions, all of them branches but for two. */
static void branches(void)
{
	u64 turns = TURNS;

	__asm__ volatile("1:\n"
			 ".rept 62\n"
			 "b . + 4\n"
			 ".endr\n"
			 "subs %0, %0, #1\n"
			 "b.ne 1b\n"
			 : "+r"(turns)
			 :
			 : "memory", "cc");
}

static u64 do_work(void)
{
	return REPEATED(1, work());
}

static u64 do_branches(void)
{
	return REPEATED(1, branches());
}

/* An exception that EL1 takes to itself: where the vectors are watched, a false hit. */
static u64 do_svc(void)
{
	return REPEATED(COUNT, __asm__ volatile("svc #0" : : : "memory"));
}

static u64 do_svc_stepped(void)
{
	u64 ticks;

	write_sysreg((u64)vectors_str, "vbar_el1");
	hvc(PSCI_VERSION, 0, 0, 0); /* that they have moved is seen at an exit */
	ticks = do_svc();
	write_sysreg((u64)vectors_sub, "vbar_el1");
	hvc(PSCI_VERSION, 0, 0, 0);
	return ticks;
}

static u64 do_hypercall(void)
{
	return REPEATED(COUNT, hvc(PSCI_VERSION, 0, 0, 0));
}

static u64 do_read(void)
{
	return REPEATED(COUNT, (void)read_sysreg(PMSFCR_EL1));
}

static u64 do_write(void)
{
	return REPEATED(COUNT, write_sysreg(0, PMSFCR_EL1));
}

/* ---- results ---- */

static struct result {
	const char *name, *suffix;
	u64 count, ticks, samples;
} results[32];
static unsigned int nr_results;

static void add(const char *name, const char *suffix, u64 count, u64 ticks, u64 samples)
{
	results[nr_results++] = (struct result){ name, suffix, count, ticks, samples };
}

static void measure(const char *name, const char *suffix, u64 (*run)(void), u64 count)
{
	u64 least = ~0UL;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		u64 ticks = run();

		least = ticks < least ? ticks : least;
	}
	add(name, suffix, count, least, 0);
}

/* What any VM can do. */
static void measure_common(const char *suffix)
{
	measure("work", suffix, do_work, TURN * TURNS);
	measure("branches", suffix, do_branches, TURN * TURNS);
	measure("svc", suffix, do_svc, COUNT);
	measure("svc-stepped", suffix, do_svc_stepped, COUNT);
	measure("hypercall", suffix, do_hypercall, COUNT);
}

/* Samples are counted by the records in the buffer, which has room for all. */
static u64 do_profiled(u64 (*run)(void), u64 interval, u64 *samples)
{
	u64 ticks;

	write_sysreg(0, PMBSR_EL1);
	write_sysreg(BUFFER, PMBPTR_EL1);
	write_sysreg((BUFFER + BUFFER_SIZE) | PMBLIMITR_E, PMBLIMITR_EL1);
	write_sysreg(interval, PMSIRR_EL1);
	write_sysreg(0, PMSICR_EL1);
	write_sysreg(PMSCR, PMSCR_EL1);
	ticks = run();
	write_sysreg(0, PMSCR_EL1);
	write_sysreg(0, PMBLIMITR_EL1);
	*samples = (read_sysreg(PMBPTR_EL1) - BUFFER) / RECORD;
	return ticks;
}

/* @interval: PMSIRR_EL1, a multiple of 256, and JITTER. */
static void measure_profiled(const char *name, u64 (*run)(void), u64 interval)
{
	u64 least = ~0UL, samples = 0, here;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		u64 ticks = do_profiled(run, interval, &here);

		if (ticks >= least)
			continue;
		least = ticks;
		samples = here;
	}
	add(name, "", TURN * TURNS, least, samples);
}

static void report(void)
{
	put_number("BENCH frequency=", read_sysreg("cntfrq_el0"));
	put("\n");
	for (unsigned int i = 0; i < nr_results; i++) {
		put("BENCH operation=");
		put(results[i].name);
		put(results[i].suffix);
		put_number(" count=", results[i].count);
		put_number(" ticks=", results[i].ticks);
		put_number(" samples=", results[i].samples);
		put("\n");
	}
	put("BENCH end\n");
}

/* This read is what makes Keel watch the vectors of a VM that has SPE. */
static bool has_spe(void)
{
	return DFR0_PMSVER(read_sysreg("id_aa64dfr0_el1")) != 0;
}

__attribute__((noreturn)) void bench_main(u64 device_tree)
{
	(void)device_tree;
	write_sysreg((u64)vectors_sub, "vbar_el1");
	mmu_on();
	for (u64 at = 0; at < BUFFER_SIZE; at += 4096)
		write32(BUFFER + at, 0); /* memory is there */
	measure_common("-off");
	if (has_spe()) {
		measure_common("-armed");
		measure("read", "", do_read, COUNT);
		measure("write", "", do_write, COUNT);
		measure_profiled("work-1k", do_work, 1024);
		measure_profiled("work-10k", do_work, 10240);
		measure_profiled("work-100k", do_work, 102400);
		measure_profiled("work-1M", do_work, 1048576);
		measure_profiled("jitter", do_work, 1024 | JITTER);
		measure_profiled("branches-1k", do_branches, 1024);
	}
	report();
	power_off();
}
