// SPDX-License-Identifier: BSD-2-Clause
/*
 * A guest hypervisor whose CPUs change stage 2 tables while others run nested guests behind them.
 * Each set of tables has two VMIDs and two values of VTCR_EL2, so there are more kinds of nested
 * guests than shadows. A CPU takes a page of its set away, with one of the TLBIs for that, and then
 * writes a mark to it: no nested guest sees the mark, and none writes to the page, until it is back.
 */
#include "lib/hypervisor.h"

const char *payload_name = "nested_race";

#define PAGE_RWX  (S2_RWX | S2_PAGE)
#define BLOCK_RWX (S2_RWX | S2_BLOCK)

#define AREA	0x40000000UL
#define NPAGES	64UL
#define GROUP	16UL
#define SETS	4UL
#define VMIDS	2UL
#define MARK	0xdeadUL
#define FINE	0x600dUL
#define IS_DONE 0x20
#define IS_SEEN 0x21

void race_hvc(void), race_scan(void);
extern char race_vectors[];

/* The tables of a set, whose pages follow each other in memory; changed by its CPU alone. */
static struct set {
	u64 *root, *level2, *pages;
	u64 memory; /* 2 MiB, aligned */
} sets[SETS];

static u64 seed[MAX_CPUS], seen, written, strange, scans, aborts;

static u64 next_random(u64 cpu)
{
	seed[cpu] ^= seed[cpu] << 13;
	seed[cpu] ^= seed[cpu] >> 7;
	seed[cpu] ^= seed[cpu] << 17;
	return seed[cpu] >> 8;
}

static void count(u64 *what)
{
	__atomic_fetch_add(what, 1, __ATOMIC_RELAXED);
}

static u64 *table(void)
{
	return memset((void *)fresh_page(), 0, PAGE);
}

static void make_set(struct set *set, u64 memory)
{
	u64 *ram = table(), i;

	*set = (struct set){ table(), table(), table(), memory };
	set->root[AREA >> 30] = (u64)set->level2 | S2_TABLE;
	set->level2[0] = (u64)set->pages | S2_TABLE;
	set->root[RAM_BASE >> 30] = (u64)ram | S2_TABLE;
	ram[0] = RAM_BASE | BLOCK_RWX;
	for (i = 0; i < NPAGES; i++) {
		write64(memory + i * PAGE, FINE);
		set->pages[i] = (memory + i * PAGE) | PAGE_RWX;
	}
}

static u64 vttbr_of(u64 set, u64 n)
{
	return (u64)sets[set].root | (set + 1 + n * SETS) << 48;
}

/* ---- TLBIs ---- */

TLBI(vmalls12e1is, "vmalls12e1is")
TLBI(alle1is, "alle1is")
TLBI(ipas2e1is, "ipas2e1is, %0")
TLBI(ipas2le1is, "ipas2le1is, %0")
TLBI(vmalle1is, "vmalle1is")

/* RIPAS2E1IS of 2, 64 pages */
static void tlbi_range(u64 page)
{
	__asm__ volatile("dsb ish; sys #4, c8, c0, #2, %0; dsb ish; isb" ::"r"(page | 1UL << 46)
			 : "memory");
}

static void tlbi_range_of_all(u64 page)
{
	u64 x = (page & ~(NPAGES - 1)) | 1UL << 46 | 31UL << 39;

	__asm__ volatile("dsb ish; sys #4, c8, c0, #2, %0; dsb ish; isb" ::"r"(x) : "memory");
}

static void (*const ways[])(u64 x) = { tlbi_vmalls12e1is, tlbi_alle1is, tlbi_ipas2e1is,
				       tlbi_ipas2le1is,	  tlbi_range,	tlbi_range_of_all };

/* As a hypervisor does it: by IPA, and then what TLBs have combined; for each VMID. */
static void invalidate(u64 set, u64 ipa, u64 way)
{
	u64 n;

	write_sysreg(HCR_HOST & ~HCR_TGE, hcr_el2);
	for (n = 0; n < VMIDS; n++) {
		write_sysreg(vttbr_of(set, n), vttbr_el2);
		ways[way % ARRAY_SIZE(ways)](ipa >> 12);
		tlbi_vmalle1is(0);
	}
	write_sysreg(HCR_HOST, hcr_el2);
}

/* ---- changes ---- */

static void set_entry(u64 *entry, u64 value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

/* Nobody has the page, until its mark is gone again. */
static void check_taken(u64 page)
{
	u64 i;

	write64(page + 8, 0);
	write64(page, MARK);
	for (i = 0; i < 300; i++)
		if (read64(page + 8))
			break;
	if (i < 300)
		count(&written);
	write64(page, FINE);
	dsb();
}

static void change_page(u64 cpu, u64 random)
{
	struct set *set = &sets[cpu];
	u64 n = random % NPAGES, *entry = &set->pages[n], page = set->memory + n * PAGE;

	set_entry(entry, 0);
	invalidate(cpu, AREA + n * PAGE, random >> 8);
	check_taken(page);
	set_entry(entry, page | S2_PAGE);
}

/* A group becomes contiguous, and goes by the address of any of its pages. */
static void change_group(u64 cpu, u64 random)
{
	struct set *set = &sets[cpu];
	u64 first = random % (NPAGES / GROUP) * GROUP, i;

	for (i = first; i < first + GROUP; i++)
		set_entry(&set->pages[i], 0);
	invalidate(cpu, AREA + first * PAGE, 0);
	for (i = first; i < first + GROUP; i++)
		set_entry(&set->pages[i], (set->memory + i * PAGE) | PAGE_RWX | S2_CONT);
	for (i = 0; i < 200; i++)
		barrier();
	for (i = first; i < first + GROUP; i++)
		set_entry(&set->pages[i], 0);
	invalidate(cpu, AREA + (first + (random >> 16) % GROUP) * PAGE, random >> 8);
	for (i = first; i < first + GROUP; i++) {
		check_taken(set->memory + i * PAGE);
		set_entry(&set->pages[i], (set->memory + i * PAGE) | S2_PAGE);
	}
}

/* The table gives way to a block and comes back. */
static void change_block(u64 cpu, u64 random)
{
	struct set *set = &sets[cpu];
	u64 n = random % NPAGES, i;

	set_entry(&set->level2[0], 0);
	invalidate(cpu, AREA, random & 1);
	set_entry(&set->level2[0], set->memory | S2_BLOCK);
	for (i = 0; i < 200; i++)
		barrier();
	set_entry(&set->level2[0], 0);
	invalidate(cpu, AREA + n * PAGE, random >> 8 & 3);
	for (i = 0; i < NPAGES; i += 7)
		check_taken(set->memory + i * PAGE);
	set_entry(&set->level2[0], (u64)set->pages | S2_TABLE);
}

/* ---- nested guests ---- */

static u64 run(void (*function)(void))
{
	write_sysreg(SCTLR_OFF, SCTLR_EL12);
	write_sysreg((u64)race_vectors, VBAR_EL12);
	return el1_run(function, AREA, HCR_NESTED);
}

static void scan(u64 random)
{
	u64 esr;

	write_sysreg(random & 1 ? VTCR_AT : VTCR_AT | VTCR_HA, vtcr_el2);
	write_sysreg(vttbr_of((random >> 1) % nr_cpus, (random >> 8) % VMIDS), vttbr_el2);
	esr = run(race_scan);
	count(&scans);
	if (esr == HVC(IS_SEEN))
		count(&seen);
	else if (ec_of(esr) == EC_DABT_LOW)
		count(&aborts);
	else if (esr != HVC(IS_DONE))
		count(&strange);
}

/* Tables and VTCR_EL2 that mean nothing, under the VMIDs of the others. */
static void run_nonsense(u64 cpu, u64 random)
{
	u64 esr;

	write_sysreg(random & 1 ? next_random(cpu) * 0x9e3779b97f4a7c15UL : VTCR_AT, vtcr_el2);
	write_sysreg(random & 2 ? vttbr_of(cpu, 0) : next_random(cpu) * 0x9e3779b97f4a7c15UL,
		     vttbr_el2);
	esr = run(race_hvc);
	if (esr != HVC(0x33) && ec_of(esr) != EC_IABT_LOW && esr != HVC(0x88))
		count(&strange);
}

static void step(u64 cpu)
{
	u64 random = next_random(cpu);

	switch (random % 8) {
	case 0:
		change_group(cpu, random >> 3);
		break;
	case 1:
		change_block(cpu, random >> 3);
		break;
	case 2:
		run_nonsense(cpu, random >> 3);
		break;
	case 3:
	case 4:
		change_page(cpu, random >> 3);
		break;
	default:
		scan(random >> 3);
		break;
	}
}

static void race(u64 cpu, u64 rounds)
{
	u64 i;

	seed[cpu] = (cpu + 1) * 0x9e3779b97f4a7c15UL;
	for (i = 0; i < rounds; i++)
		step(cpu);
}

void payload_main(void)
{
	u64 i;

	smp_start();
	if (nr_cpus > SETS)
		die("more CPUs than sets of tables");
	for (i = 0; i < SETS; i++)
		make_set(&sets[i], FRESH_BASE + (16UL << 20) + (i << 21));
	smp_run(race, payload_number("rounds", 1000));
	check("no nested guest saw a page that was taken away", seen, 0);
	check("... or wrote to one", written, 0);
	check("... or ended in another way than it can", strange, 0);
	check_true("they ran", scans > 100);
	check_true("... and met changes", aborts > 0);
	print("nested_race: %u runs, %u of which ended by an abort\n", scans, aborts);
}
