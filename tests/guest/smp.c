// SPDX-License-Identifier: BSD-2-Clause
/*
 * Several CPUs, more than there are physical ones: atomics and locks, IPIs, translations that one
 * CPU changes and all see, and local TLB maintenance, whose CPU a vCPU may leave at any moment.
 */
#include "lib/guest.h"

const char *payload_name = "smp";

#define ADDS 20000
/* Waiting costs the more, the more CPUs there are. */
#define PINGS	   (nr_cpus > 2 ? 100 : 1000)
#define REMAPS	   (nr_cpus > 2 ? 20 : 100)
#define SHOTS	   10
#define LOCAL_MAPS 3000
#define SGI_PING   3
#define SGI_ALL	   5

/* ---- atomics ---- */

static u64 exclusive_count, lse_count, locked_count, spin_lock;
static bool has_lse;

static void add_exclusive(u64 *to)
{
	u64 value;
	u32 failed;

	do
		__asm__ volatile("ldxr %0, [%2]; add %0, %0, #1; stxr %w1, %0, [%2]"
				 : "=&r"(value), "=&r"(failed)
				 : "r"(to)
				 : "memory");
	while (failed);
}

static void add_lse(u64 *to)
{
	__asm__ volatile(".arch_extension lse\nstadd %0, [%1]" ::"r"(1UL), "r"(to) : "memory");
}

static void add_locked(void)
{
	u64 expected = 0;

	while (!__atomic_compare_exchange_n(&spin_lock, &expected, 1, false, __ATOMIC_ACQUIRE,
					    __ATOMIC_RELAXED))
		expected = 0;
	write_once(locked_count, read_once(locked_count) + 1);
	__atomic_store_n(&spin_lock, 0, __ATOMIC_RELEASE);
}

static void count(u64 cpu, u64 argument)
{
	u64 i;

	(void)cpu;
	(void)argument;
	for (i = 0; i < ADDS; i++) {
		add_exclusive(&exclusive_count);
		if (has_lse)
			add_lse(&lse_count);
	}
	/* A holder that the host has set aside holds everybody up: fewer. */
	for (i = 0; i < ADDS / 20; i++)
		add_locked();
}

static void check_atomics(void)
{
	has_lse = field(read_sysreg(id_aa64isar0_el1), 20) >= 2;
	smp_run(count, 0);
	check("exclusives", exclusive_count, nr_cpus * ADDS);
	if (has_lse)
		check("atomics", lse_count, nr_cpus * ADDS);
	check("a lock", locked_count, nr_cpus * (ADDS / 20));
}

/* ---- IPIs ---- */

static u64 pings[MAX_CPUS], alls[MAX_CPUS], strays;

static void on_ipi(struct frame *frame, bool fiq)
{
	u32 intid = gic_ack();

	(void)frame;
	if (!fiq && intid == SGI_PING)
		write_once(pings[this_cpu_id()], pings[this_cpu_id()] + 1);
	else if (!fiq && intid == SGI_ALL)
		__atomic_fetch_add(&alls[this_cpu_id()], 1, __ATOMIC_RELAXED);
	else if (intid != PPI_VTIMER && intid != SPURIOUS) /* relax() may have ended it just now */
		__atomic_fetch_add(&strays, 1, __ATOMIC_RELAXED);
	if (intid < 1020)
		gic_eoi(intid);
}

/* With IRQs masked, so that none is taken between the look and the WFI. */
static void wait_for_pings(u64 cpu, u64 number)
{
	for (;;) {
		irqs_off();
		if (read_once(pings[cpu]) >= number)
			break;
		wfi();
		irqs_on();
	}
	irqs_on();
}

/* CPUs 0 and 1, 2 and 3, ...: each waits for the other's. */
static void ping_pong(u64 cpu, u64 argument)
{
	u64 other = cpu ^ 1, i;

	(void)argument;
	gic_enable(SGI_PING);
	smp_barrier();
	irqs_on();
	for (i = 1; i <= PINGS && other < nr_cpus; i++) {
		if (!(cpu & 1))
			gic_send_sgi(SGI_PING, other);
		wait_for_pings(cpu, i);
		if (cpu & 1)
			gic_send_sgi(SGI_PING, other);
	}
	irqs_off();
	if (other < nr_cpus)
		check_quiet("pings, none lost and none twice", pings[cpu], PINGS);
}

/* SGIs to one that has not taken the last may merge: a sender waits for all to have come. */
static void shoot_all(u64 cpu, u64 argument)
{
	u64 sum = 0, i, round;

	(void)argument;
	gic_enable(SGI_ALL);
	smp_barrier();
	irqs_on();
	for (round = 1; round <= SHOTS; round++) {
		if (cpu == round % nr_cpus) {
			dsb();
			write_sysreg((u64)SGI_ALL << 24 | BIT(40) /* IRM */, ICC_SGI1R_EL1);
		}
		for (sum = 0; sum < round * (nr_cpus - 1);) {
			for (sum = 0, i = 0; i < nr_cpus; i++)
				sum += __atomic_load_n(&alls[i], __ATOMIC_RELAXED);
			if (sum < round * (nr_cpus - 1)) {
				irqs_off();
				relax();
				irqs_on();
			}
		}
		smp_barrier();
	}
	irqs_off();
	check_quiet("SGIs to all others", sum, SHOTS * (nr_cpus - 1));
}

static void check_ipis(void)
{
	irq_handler = on_ipi;
	smp_run(ping_pong, 0);
	smp_run(shoot_all, 0);
	check("interrupts that nobody sent", strays, 0);
	check_round("IPIs");
}

/* ---- translations ---- */

static u64 page_a, page_b;

/* CPU 0 changes it, by break-before-make and a broadcast TLBI; all others have it in their TLBs. */
static void remap(u64 cpu, u64 va)
{
	u64 i;

	for (i = 0; i < REMAPS; i++) {
		if (cpu == i % nr_cpus)
			window_map(va, i & 1 ? page_b : page_a, PAGE_RW);
		smp_barrier();
		check_quiet("a page that another CPU mapped", read64(va), i & 1 ? 0xb : 0xa);
		smp_barrier();
	}
}

/* Each CPU's own page, with a TLBI for this CPU alone: it may not be the same the next time. */
static void remap_local(u64 cpu, u64 va)
{
	u64 *pte = window_pte(va + cpu * PAGE), i;

	va += cpu * PAGE;
	for (i = 0; i < LOCAL_MAPS; i++) {
		write_once(*pte, 0);
		__asm__ volatile("dsb nshst; tlbi vae1, %0; dsb nsh; isb" ::"r"(va >> 12)
				 : "memory");
		write_once(*pte, (i & 1 ? page_b : page_a) | PAGE_RW);
		__asm__ volatile("dsb nsh; isb" ::: "memory");
		check_quiet("a page after a local TLBI", read64(va), i & 1 ? 0xb : 0xa);
		if (i % 64 == 0)
			relax();
	}
}

/* Two address spaces by turns: the page is not global and differs. */
static void switch_asids(u64 cpu, u64 argument)
{
	static u64 roots[MAX_CPUS][2][512] __attribute__((aligned(4096)));
	static u64 tables[MAX_CPUS][2][2][512] __attribute__((aligned(4096)));
	extern u64 mmu_root[512];
	const u64 va = BIT(38) - PAGE; /* the last page of the address space */
	u64 saved = read_sysreg(ttbr0_el1), i, space;

	(void)argument;
	for (space = 0; space < 2; space++) {
		for (i = 0; i < 512; i++)
			roots[cpu][space][i] = mmu_root[i];
		roots[cpu][space][255] = (u64)tables[cpu][space][0] | 3;
		tables[cpu][space][0][511] = (u64)tables[cpu][space][1] | 3;
		tables[cpu][space][1][511] = (space ? page_b : page_a) | PAGE_RW | PTE_NG;
	}
	dsb();
	for (i = 0; i < LOCAL_MAPS; i++) {
		space = i & 1;
		write_sysreg((u64)roots[cpu][space] | (2 * cpu + 1 + space) << 48, ttbr0_el1);
		check_quiet("a page of this address space", read64(va), space ? 0xb : 0xa);
		if (i % 64 == 0)
			relax();
	}
	write_sysreg(saved, ttbr0_el1);
}

static void check_translations(void)
{
	page_a = fresh_page();
	page_b = fresh_page();
	write64(page_a, 0xa);
	write64(page_b, 0xb);
	smp_run(remap, WINDOW);
	check_round("TLBI of all CPUs");
	smp_run(remap_local, WINDOW + 0x10000);
	check_round("TLBI of one CPU");
	smp_run(switch_asids, 0);
	check_round("ASIDs");
}

/* ---- */

static u64 mpidrs[MAX_CPUS], midrs[MAX_CPUS];

static void identify(u64 cpu, u64 argument)
{
	(void)argument;
	mpidrs[cpu] = read_sysreg(mpidr_el1);
	midrs[cpu] = read_sysreg(midr_el1);
}

static void check_identity(void)
{
	u64 i;

	smp_run(identify, 0);
	for (i = 0; i < nr_cpus; i++) {
		check_quiet("MPIDR_EL1's affinity", mpidrs[i] & 0xff00ffffffUL, i);
		check_quiet("MPIDR_EL1: not a uniprocessor", mpidrs[i] >> 30 & 3, 2);
		check_quiet("MIDR_EL1", midrs[i], midrs[0]);
	}
	check_round("each CPU is who it should be");
}

void payload_main(void)
{
	smp_start();
	print("smp: %u CPUs\n", nr_cpus);
	check_identity();
	check_atomics();
	check_ipis();
	check_translations();
}
