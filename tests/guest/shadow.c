// SPDX-License-Identifier: BSD-2-Clause
/*
 * A guest hypervisor with nested guests: stage 2 of its own. Its faults with their syndromes, changes
 * of its tables and the TLBIs for them, several VMIDs, memory that only the host has, devices, and
 * tables that are wrong. With the argument vmids=N it has N of them in turn.
 */
#include "lib/hypervisor.h"

const char *payload_name = "shadow";

void guest_hvc(void), guest_load(void), guest_load32(void), guest_store(void), guest_jump(void);
void guest_load_pair(void), guest_clean(void), guest_target(void), guest_tlbi(void);
void guest_watch(void);
extern char guest_vectors[];
extern u64 mmu_root[512];

#define FSC_TRANS 4UL
#define FSC_AF	  8UL
#define FSC_PERM  12UL
#define FSC_SIZE  0UL
#define FSC_WALK  20UL
#define ESR_S1PTW BIT(7)
#define ESR_ISV	  BIT(24)

/* Where the nested guest's memory is, by pages: nothing of the machine is at these addresses. */
#define AREA	  0x40000000UL
#define AREA_SIZE BIT(21)
#define FAR_AREA  (AREA + 0x10000000UL)

/* The tables of a nested guest. */
struct tables {
	u64 *root, *level2, *pages;
};

static u64 *table(void)
{
	return memset((void *)fresh_page(), 0, PAGE);
}

/* RAM's first 2 MiB, where the code is, by a block; the area by pages. */
static struct tables tables_new(void)
{
	struct tables t = { table(), table(), table() };
	u64 *ram = table();

	t.root[AREA >> 30] = (u64)t.level2 | S2_TABLE;
	t.level2[0] = (u64)t.pages | S2_TABLE;
	t.root[RAM_BASE >> 30] = (u64)ram | S2_TABLE;
	ram[0] = RAM_BASE | S2_RWX | S2_BLOCK;
	return t;
}

static void set(u64 *entry, u64 value)
{
	write_once(*entry, value);
	__asm__ volatile("dsb ishst; isb" ::: "memory");
}

static u64 vttbr(const struct tables *t, u64 vmid)
{
	return (u64)t->root | vmid << 48;
}

/* ---- running it ---- */

static u64 run(void (*function)(void), u64 x0)
{
	return el1_run(function, x0, HCR_NESTED);
}

static void setup(const struct tables *t, u64 vmid)
{
	write_sysreg(SCTLR_OFF, SCTLR_EL12);
	write_sysreg(FP_ON, CPACR_EL12);
	write_sysreg((u64)guest_vectors, VBAR_EL12);
	write_sysreg(VTCR_AT, vtcr_el2);
	write_sysreg(vttbr(t, vmid), vttbr_el2);
}

TLBI(vmalls12e1is, "vmalls12e1is")
TLBI(vmalls12e1, "vmalls12e1")
TLBI(alle1is, "alle1is")
TLBI(alle1, "alle1")
TLBI(ipas2e1is, "ipas2e1is, %0")
TLBI(ipas2e1, "ipas2e1, %0")
TLBI(ipas2le1is, "ipas2le1is, %0")
TLBI(vmalle1is, "vmalle1is")

/* RIPAS2E1IS, one of two pages */
static void tlbi_range(u64 page)
{
	u64 x = page | 1UL << 46;

	__asm__ volatile("dsb ish; sys #4, c8, c0, #2, %0; dsb ish; isb" ::"r"(x) : "memory");
}

static void tlbi_with_level(u64 page)
{
	tlbi_ipas2e1is(page | 7UL << 44);
}

/* As a hypervisor does it: by IPA, and then what TLBs have combined. */
static void invalidate(u64 ipa)
{
	u64 was = read_sysreg(hcr_el2);

	write_sysreg(was & ~HCR_TGE, hcr_el2);
	tlbi_ipas2e1is(ipa >> 12);
	tlbi_vmalle1is(0);
	write_sysreg(was, hcr_el2);
}

/* The fault that a run ended with: class, status, IPA and address. */
static void check_fault(const char *name, u64 esr, u64 ec, u64 fsc, u64 ipa, u64 va)
{
	check(name, ec_of(esr) << 8 | fsc_of(esr), ec << 8 | fsc);
	check_quiet("HPFAR_EL2", read_sysreg(hpfar_el2), ipa >> 12 << 4);
	check_quiet("FAR_EL2", this_cpu()->far, va);
	check_quiet("from EL1h", this_cpu()->spsr & 0x3df, EL1H);
}

/* ---- faults ---- */

static void check_faults(void)
{
	struct tables t = tables_new();
	u64 page = fresh_page(), ipa = AREA + 3 * PAGE, *entry = &t.pages[3], esr;

	setup(&t, 1);
	check("a nested guest runs", run(guest_hvc, 0), HVC(0x33));
	check("... and again", run(guest_hvc, 0), HVC(0x33));

	esr = run(guest_load, ipa + 8);
	check_fault("a load where no page is", esr, EC_DABT_LOW, FSC_TRANS | 3, ipa, ipa + 8);
	check("... at the instruction", this_cpu()->elr, (u64)guest_load);
	check("... a load to x0", esr >> 14 & 0x7ff, 0x702);
	check("... described", esr & (ESR_ISV | ESR_WNR | ESR_S1PTW), ESR_ISV);
	esr = run(guest_store, AREA + AREA_SIZE);
	check_fault("a store where no table is", esr, EC_DABT_LOW, FSC_TRANS | 2, AREA + AREA_SIZE,
		    AREA + AREA_SIZE);
	check("... a store", esr & ESR_WNR, ESR_WNR);
	esr = run(guest_jump, BIT(32));
	check_fault("a fetch where no level 2 is", esr, EC_IABT_LOW, FSC_TRANS | 1, BIT(32),
		    BIT(32));
	esr = run(guest_load, BIT(39));
	check_fault("a load beyond the tables", esr, EC_DABT_LOW, FSC_TRANS, BIT(39), BIT(39));

	write64(page, 0x1234);
	set(entry, page | S2_RO | S2_PAGE);
	check("a page that is mapped", run(guest_load, ipa), HVC(0x11));
	check("... is read", el0_x0, 0x1234);
	esr = run(guest_store, ipa);
	check_fault("a store to a read-only page", esr, EC_DABT_LOW, FSC_PERM | 3, ipa, ipa);
	esr = run(guest_jump, ipa);
	check_fault("a fetch that is not allowed", esr, EC_IABT_LOW, FSC_PERM | 3, ipa, ipa);
	set(entry, page | S2_RW | S2_PAGE);
	invalidate(ipa);
	check("a store that is allowed now", run(guest_store, ipa), HVC(0x12));
	check("... is done", read64(page), 0x55);
	memcpy((void *)page, (void *)guest_target, 32);
	__asm__ volatile("dc cvau, %0; dsb ish; ic ialluis; dsb ish; isb" ::"r"(page) : "memory");
	set(entry, page | S2_RWX | S2_PAGE);
	invalidate(ipa);
	check("a fetch that is allowed now", run(guest_jump, ipa), HVC(0x13));
	set(entry, page | (S2_RWX & ~S2_R & ~S2_W) | S2_PAGE);
	invalidate(ipa);
	esr = run(guest_load, ipa);
	check_fault("a load that is not allowed", esr, EC_DABT_LOW, FSC_PERM | 3, ipa, ipa);

	set(entry, page | (S2_RW & ~S2_AF) | S2_PAGE);
	invalidate(ipa);
	esr = run(guest_load, ipa);
	check_fault("the access flag is clear", esr, EC_DABT_LOW, FSC_AF | 3, ipa, ipa);
	write_sysreg(VTCR_AT | VTCR_HA, vtcr_el2);
	check("... with hardware's help", run(guest_load, ipa), HVC(0x11));
	check("... it is set", read_once(*entry) & S2_AF, S2_AF);
	write_sysreg(VTCR_AT, vtcr_el2);

	set(entry, BIT(41) | S2_RW | S2_PAGE);
	invalidate(ipa);
	esr = run(guest_load, ipa);
	check_fault("an address that is too wide", esr, EC_DABT_LOW, FSC_SIZE | 3, ipa, ipa);
	set(entry, 0);
	check_round("HPFAR_EL2, FAR_EL2, SPSR_EL2 of these");
}

/* ---- changes, and the TLBIs for them ---- */

static u64 loaded(u64 ipa)
{
	u64 esr = run(guest_load, ipa);

	return esr == HVC(0x11) ? el0_x0 : esr;
}

static void check_changes(void)
{
	static void (*const ways[])(u64 x) = {
		tlbi_vmalls12e1is, tlbi_vmalls12e1, tlbi_alle1is, tlbi_alle1,	  tlbi_ipas2e1is,
		tlbi_ipas2e1,	   tlbi_ipas2le1is, tlbi_range,	  tlbi_with_level
	};
	struct tables t = tables_new();
	u64 a = fresh_page(), b = fresh_page(), i;

	setup(&t, 2);
	write64(a, 0xa);
	write64(b, 0xb);
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		u64 n = 2 * i, ipa = AREA + n * PAGE;

		set(&t.pages[n], a | S2_RW | S2_PAGE);
		check_quiet("before", loaded(ipa), 0xa);
		set(&t.pages[n], 0);
		ways[i](ipa >> 12);
		check_quiet("nothing", ec_of(run(guest_load, ipa)), EC_DABT_LOW);
		set(&t.pages[n], b | S2_RW | S2_PAGE);
		check_quiet("after", loaded(ipa), 0xb);
	}
	check_round("a page replaced, with each TLBI");
	set(&t.pages[100], a | S2_RW | S2_PAGE);
	check_quiet("of a table", loaded(AREA + 100 * PAGE), 0xa);
	set(&t.level2[0], 0);
	tlbi_ipas2e1is(AREA >> 12);
	check("a table that is removed, with a TLBI by another address in it",
	      ec_of(run(guest_load, AREA + 100 * PAGE)), EC_DABT_LOW);
	set(&t.level2[0], (u64)t.pages | S2_TABLE);
	check("a nested guest's own TLBI", run(guest_tlbi, 0), HVC(0x15));
	check("... takes nothing away", loaded(AREA + 100 * PAGE), 0xa);
}

/* A block of 2 MiB, whose parts fault one by one, and that goes as one. */
static void check_blocks(void)
{
	struct tables t = tables_new();
	u64 base = FRESH_BASE + (32UL << 20), i;

	setup(&t, 3);
	t.root[FAR_AREA >> 30] = (u64)t.level2 | S2_TABLE;
	t.level2[128] = base | S2_RW | S2_BLOCK;
	for (i = 0; i < 8; i++)
		write64(base + i * 0x40000, i + 1);
	for (i = 0; i < 8; i++)
		check_quiet("part of a block", loaded(FAR_AREA + i * 0x40000), i + 1);
	set(&t.level2[128], 0);
	invalidate(FAR_AREA + 0x1ff000);
	for (i = 0; i < 8; i++)
		check_quiet("part of no block", ec_of(run(guest_load, FAR_AREA + i * 0x40000)),
			    EC_DABT_LOW);
	for (i = 0; i < 16; i++)
		set(&t.pages[16 + i], (base + i * PAGE) | S2_RW | S2_CONT | S2_PAGE);
	check_quiet("contiguous", loaded(AREA + 16 * PAGE), 1);
	(void)loaded(AREA + 31 * PAGE);
	for (i = 0; i < 16; i++)
		set(&t.pages[16 + i], 0);
	invalidate(AREA + 20 * PAGE);
	check_quiet("contiguous no more", ec_of(run(guest_load, AREA + 31 * PAGE)), EC_DABT_LOW);
	check_round("blocks and contiguous pages");
}

/* ---- VMIDs ---- */

static void check_vmids(void)
{
	struct tables t[2] = { tables_new(), tables_new() };
	u64 page[2] = { fresh_page(), fresh_page() }, i;

	for (i = 0; i < 2; i++) {
		write64(page[i], 0x100 + i);
		set(&t[i].pages[0], page[i] | S2_RW | S2_PAGE);
	}
	for (i = 0; i < 20; i++) {
		setup(&t[i & 1], 10 + (i & 1));
		check_quiet("its own page", loaded(AREA), 0x100 + (i & 1));
	}
	check_round("two nested guests in turn");
	for (i = 0; i < payload_number("vmids", 600); i++) {
		setup(&t[i & 1], i & 0xffff);
		check_quiet("the page of its VMID", loaded(AREA), 0x100 + (i & 1));
	}
	check_round("all VMIDs in turn");
	for (i = 0; i < 20; i++) {
		setup(&t[i & 1], 20);
		tlbi_vmalls12e1is(0);
		check_quiet("the page of its table", loaded(AREA), 0x100 + (i & 1));
	}
	check_round("one VMID with another table each time");
	setup(&t[0], 11); /* VTTBR_EL2 may be written and mean nothing */
	write_sysreg(0, vttbr_el2);
	setup(&t[1], 11);
	check("VTTBR_EL2 is only stored", loaded(AREA), 0x101);
	check("without stage 2", el1_run(guest_load, page[0], HCR_EL1), HVC(0x11));
	check("... the same address is another page", el0_x0, 0x100);
	check("... and with it again", loaded(AREA), 0x101);
}

/* ---- more tables than a shadow can have ---- */

#define REGIONS 512UL

/* One table of pages for each 2 MiB of three GiB: the shadow has a table of its own for each. */
static void check_pool(void)
{
	struct tables t = tables_new();
	u64 *more[2] = { table(), table() }, page = fresh_page(), i, n;

	setup(&t, 60);
	write64(page, 0x9001);
	set(&t.pages[0], page | S2_RW | S2_PAGE);
	t.root[4] = (u64)more[0] | S2_TABLE;
	t.root[5] = (u64)more[1] | S2_TABLE;
	for (i = 0; i < REGIONS; i++) {
		t.level2[i] = (u64)t.pages | S2_TABLE;
		more[0][i] = more[1][i] = (u64)t.pages | S2_TABLE;
	}
	for (n = 0; n < 2; n++)
		for (i = 0; i < REGIONS; i++) {
			check_quiet("a page", loaded(AREA + i * AREA_SIZE), 0x9001);
			check_quiet("a page", loaded((4UL << 30) + i * AREA_SIZE), 0x9001);
			check_quiet("a page", loaded((5UL << 30) + i * AREA_SIZE), 0x9001);
		}
	check_round("more tables than there are pages for");
}

/* ---- other granules ---- */

struct granule {
	const char *name;
	u64 vtcr; /* TG0, SL0 */
	u64 id_shift;
	u64 page_shift, block_shift;
};

/*
 * Pages of 16K and 64K, where the VM is told of them, from level 2 on (16K: eight tables in a row):
 * found, changed, and gone by a TLBI.
 */
static void check_granule(const struct granule *g)
{
	u64 base = FRESH_BASE + (36UL << 20), size = 1UL << g->page_shift, esr;
	u64 *level2 = (u64 *)base, *pages = (u64 *)(base + 0x20000);
	u64 page = base + 0x40000, ipa = AREA + 5 * size, *entry;

	if (field(read_sysreg(id_aa64mmfr0_el1), g->id_shift) != 2) /* TGran16_2, TGran64_2 */
		return;
	memset(level2, 0, 0x20000);
	memset(pages, 0, 0x10000);
	level2[RAM_BASE >> g->block_shift] = RAM_BASE | S2_RWX | S2_BLOCK;
	level2[AREA >> g->block_shift] = (u64)pages | S2_TABLE;
	setup(&(struct tables){ .root = level2 }, 70 + g->id_shift);
	write_sysreg((VTCR_AT & ~(3UL << 6 | 3UL << 14)) | g->vtcr, vtcr_el2);
	entry = &pages[(ipa >> g->page_shift) & ((1UL << (g->block_shift - g->page_shift)) - 1)];
	write64(page + size - PAGE, g->page_shift);
	set(entry, page | S2_RW | S2_PAGE);
	check(g->name, loaded(ipa + size - PAGE), g->page_shift);
	esr = run(guest_load, ipa + size);
	check_fault("... the next one is not there", esr, EC_DABT_LOW, FSC_TRANS | 3, ipa + size,
		    ipa + size);
	set(entry, 0);
	invalidate(ipa + PAGE);
	check("... nor is this one, after a TLBI by another address in it",
	      ec_of(run(guest_load, ipa + size - PAGE)), EC_DABT_LOW);
	check_round("syndromes of these");
}

static void check_granules(void)
{
	static const struct granule granules[] = {
		{ "a page of 16K", 2UL << 14 | 1UL << 6, 32, 14, 25 },
		{ "a page of 64K", 1UL << 14 | 1UL << 6, 36, 16, 29 },
	};
	u64 i;

	for (i = 0; i < ARRAY_SIZE(granules); i++)
		check_granule(&granules[i]);
}

/* ---- what only the host has ---- */

static void check_host_memory(void)
{
	struct tables t = tables_new();
	u64 untouched = fresh_page(), hole = fresh_page(), esr, i;

	setup(&t, 4);
	for (i = 0; i < 64; i++) {
		u64 page = fresh_page(); /* in no table of the VM's yet */

		set(&t.pages[i], page | S2_RW | S2_PAGE);
		check_quiet("a store", run(guest_store, AREA + i * PAGE), HVC(0x12));
		check_quiet("what was stored", read64(page), 0x55);
	}
	check_round("memory that the guest hypervisor has not touched");
	set(&t.level2[1], untouched | S2_TABLE);
	esr = run(guest_load, AREA + AREA_SIZE);
	check_fault("a table that nobody has touched", esr, EC_DABT_LOW, FSC_TRANS | 3,
		    AREA + AREA_SIZE, AREA + AREA_SIZE);
	set(&t.level2[1], UNBACKED | S2_TABLE);
	esr = run(guest_load, AREA + AREA_SIZE);
	check_fault("a table where nothing is", esr, EC_DABT_LOW, FSC_WALK | 3, AREA + AREA_SIZE,
		    AREA + AREA_SIZE);
	set(&t.level2[1], 0);
	set(&t.pages[100], UNBACKED | S2_RW | S2_PAGE);
	esr = run(guest_load_pair, AREA + 100 * PAGE);
	check("memory where nothing is: its own abort", esr, HVC(0x88));
	check("... external", ec_of(el0_x0) << 8 | fsc_of(el0_x0), EC_DABT << 8 | FSC_EXTERNAL);
	set(&t.pages[101], hole | S2_RW | S2_PAGE);
	check("cache maintenance", run(guest_clean, AREA + 101 * PAGE), HVC(0x14));
	set(&t.pages[102], GICD_BASE | S2_DEV | S2_PAGE);
	check("the distributor", run(guest_load32, AREA + 102 * PAGE + GICD_TYPER), HVC(0x11));
	check("... is the VM's", el0_x0, read32(GICD_BASE + GICD_TYPER));
	set(&t.pages[103], UART_BASE | S2_DEV | S2_PAGE);
	check("a device of userspace", run(guest_load32, AREA + 103 * PAGE + 0x18), HVC(0x11));
	check("... is the VM's", el0_x0, read32(UART_BASE + 0x18));
	check_round("syndromes of these");
}

/* ---- stage 1 of the nested guest ---- */

static void stage1_on(void)
{
	write_sysreg((u64)mmu_root, TTBR0_EL12);
	write_sysreg(read_sysreg(tcr_el1), TCR_EL12);
	write_sysreg(read_sysreg(mair_el1), MAIR_EL12);
	write_sysreg(SCTLR_OFF | 0x1005, SCTLR_EL12);
}

#define PAR_F	       BIT(0)
#define PAR_ADDRESS    0xfffffffff000UL
#define PAR_ATTRIBUTES (0xffUL << 56 | 3UL << 7)
#define AT(name, op)                                                         \
	static u64 at_##name(u64 va)                                         \
	{                                                                    \
		__asm__ volatile("at " op ", %0; isb" ::"r"(va) : "memory"); \
		return read_sysreg(par_el1);                                 \
	}
AT(s1e1r, "s1e1r")
AT(s12e1r, "s12e1r")
AT(s12e1w, "s12e1w")

static u64 par_of(u64 (*at)(u64 va), u64 va)
{
	u64 par;

	write_sysreg(HCR_NESTED, hcr_el2);
	par = at(va);
	write_sysreg(HCR_HOST, hcr_el2);
	return par;
}

static void check_stage1(void)
{
	struct tables t = tables_new();
	u64 page = fresh_page(), esr;

	setup(&t, 5);
	write64(page, 0x4711);
	window_map(WINDOW, AREA, PAGE_RW);
	set(&t.pages[0], page | S2_RW | S2_PAGE);
	stage1_on();
	check("a nested guest with its MMU on", run(guest_load, WINDOW), HVC(0x11));
	check("... by both stages", el0_x0, 0x4711);
	check("AT S1E1R is of stage 1", par_of(at_s1e1r, WINDOW) & (PAR_ADDRESS | PAR_F), AREA);
	check("AT S12E1R is of both", par_of(at_s12e1r, WINDOW) & (PAR_ADDRESS | PAR_F), page);
	set(&t.pages[0], page | S2_RO | S2_PAGE);
	invalidate(AREA);
	esr = run(guest_store, WINDOW + 16);
	check_fault("a store to a read-only page", esr, EC_DABT_LOW, FSC_PERM | 3, AREA,
		    WINDOW + 16);
	check("AT S12E1W of a read-only page", par_of(at_s12e1w, WINDOW) & PAR_F, PAR_F);
	check("AT S12E1R of it", par_of(at_s12e1r, WINDOW) & (PAR_ADDRESS | PAR_F), page);
	set(&t.pages[0], 0);
	invalidate(AREA);
	esr = run(guest_load, WINDOW + 24);
	check_fault("a load of nothing", esr, EC_DABT_LOW, FSC_TRANS | 3, AREA, WINDOW + 24);
	check("AT S12E1R of nothing", par_of(at_s12e1r, WINDOW) & PAR_F, PAR_F);
	write_sysreg(AREA + 8 * PAGE, TTBR0_EL12); /* stage 1 tables where stage 2 has nothing */
	esr = run(guest_load, WINDOW);
	check("a stage 1 table that is not there", ec_of(esr) << 8 | fsc_of(esr),
	      EC_IABT_LOW << 8 | FSC_TRANS | 3);
	check("... on the walk", esr & ESR_S1PTW, ESR_S1PTW);
	check("... the table's address", read_sysreg(hpfar_el2) >> 4, (AREA + 8 * PAGE) >> 12);
	set(&t.pages[9], (u64)mmu_root | S2_DEV | S2_PAGE);
	write_sysreg(AREA + 9 * PAGE, TTBR0_EL12);
	esr = el1_run(guest_load, WINDOW, HCR_NESTED | HCR_PTW);
	check("a stage 1 table in a device, with HCR_EL2.PTW", ec_of(esr) << 8 | fsc_of(esr),
	      EC_IABT_LOW << 8 | FSC_PERM | 3);
	check("... on the walk", esr & ESR_S1PTW, ESR_S1PTW);
	window_map(WINDOW, 0, 0);
	check_round("syndromes of these");
}

/* PAR_EL1.ATTR and SH of both stages; HCR_EL2.DC, which puts a cacheable stage 1 in the first's place. */
static void check_attributes(void)
{
	struct tables t = tables_new();
	u64 page = fresh_page(), attributes = PAR_ATTRIBUTES | PAR_ADDRESS | PAR_F;

	setup(&t, 9);
	write64(page, 0x815);
	window_map(WINDOW, AREA, PAGE_RW);
	set(&t.pages[0], page | S2_RW | S2_PAGE);
	stage1_on();
	check("a load by both stages", run(guest_load, WINDOW), HVC(0x11));
	check("AT S12E1R, Write-Back", par_of(at_s12e1r, WINDOW) & attributes,
	      page | 0xffUL << 56 | 3UL << 7);
	set(&t.pages[0], page | (S2_RW & ~S2_NORMAL) | 5UL << 2 | S2_PAGE);
	check("AT S12E1R, Non-cacheable at stage 2", par_of(at_s12e1r, WINDOW) & attributes,
	      page | 0x44UL << 56 | 2UL << 7);
	set(&t.pages[0], page | S2_DEV | S2_PAGE);
	check("AT S12E1R, a device at stage 2", par_of(at_s12e1r, WINDOW) & attributes,
	      page | 4UL << 56 | 2UL << 7);
	set(&t.pages[0], page | S2_RW | S2_PAGE);
	window_map(WINDOW, 0, 0);
	check("HCR_EL2.DC is as if VM were 1", el1_run(guest_load, AREA, HCR_EL1 | HCR_DC),
	      HVC(0x11));
	check("... without stage 1", el0_x0, 0x815);
	write_sysreg(HCR_EL1 | HCR_DC, hcr_el2);
	check("... which is Write-Back", at_s12e1r(AREA) & (PAR_ATTRIBUTES & ~(3UL << 7)),
	      0xffUL << 56);
	write_sysreg(HCR_HOST, hcr_el2);
	check("... and faults by stage 2",
	      ec_of(el1_run(guest_load, AREA + PAGE, HCR_EL1 | HCR_DC)), EC_DABT_LOW);
	write_sysreg(SCTLR_OFF, SCTLR_EL12);
}

/* ---- wrong registers and tables ---- */

static void check_wrong(void)
{
	struct tables t = tables_new();
	u64 esr, i;

	setup(&t, 6);
	for (i = 0; i < 4000; i++) {
		u64 value = random64();

		write_sysreg(i & 1 ? value : VTCR_AT ^ BIT(value & 31), vtcr_el2);
		write_sysreg(i & 2 ? random64() : vttbr(&t, i & 0xff), vttbr_el2);
		esr = run(guest_hvc, 0);
		check_quiet("an abort, or none",
			    esr == HVC(0x33) || ec_of(esr) == EC_IABT_LOW || esr == HVC(0x88), 1);
	}
	check_round("random VTCR_EL2 and VTTBR_EL2");
	setup(&t, 7);
	t.root[1] = (u64)t.root | S2_TABLE; /* a table that is its own */
	esr = run(guest_load, AREA);
	check_true("tables that point to themselves end",
		   ec_of(esr) == EC_DABT_LOW || esr == HVC(0x11));
	setup(&t, 8);
	check("afterwards", run(guest_hvc, 0), HVC(0x33));
}

/* ---- two CPUs ---- */

#define ROUNDS 300
#define POISON 0xdeadUL

static struct {
	struct tables tables;
	u64 page[2];
	u64 end;
} shared;

/*
 * CPU 1 has the nested guest copy a page's first word to the next one, again and again, until it is
 * 0. CPU 0 moves the page, each time with a TLBI, and then writes POISON to where it was.
 */
static void watch(void)
{
	setup(&shared.tables, 30);
	while (!__atomic_load_n(&shared.end, __ATOMIC_ACQUIRE)) {
		u64 esr = run(guest_watch, AREA);

		if (esr != HVC(0x16))
			check_quiet("a hole while the page moves", ec_of(esr), EC_DABT_LOW);
	}
}

static void move(u64 n)
{
	u64 from = shared.page[n & 1], to = shared.page[~n & 1];

	write64(to, n + 1);
	set(&shared.tables.pages[0], 0);
	if (n & 2)
		invalidate(AREA);
	else
		tlbi_vmalls12e1is(0);
	write64(from, POISON);
	set(&shared.tables.pages[0], to | S2_RW | S2_PAGE);
	if (n % 16 == 0)
		relax();
	check_quiet("what was moved is not read", read64(from + 8) != POISON, 1);
	check_quiet("nor where it is", read64(to + 8) != POISON, 1);
}

static void race(u64 cpu, u64 argument)
{
	u64 n;

	(void)argument;
	if (cpu == 1)
		watch();
	if (cpu != 0)
		return;
	setup(&shared.tables, 30);
	for (n = 0; n < ROUNDS; n++)
		move(n);
	write64(shared.page[n & 1], 0);
	__atomic_store_n(&shared.end, 1, __ATOMIC_RELEASE);
}

/* Entries with the same key, with others, and TLBIs, by all CPUs. */
static void enter_many(u64 cpu, u64 argument)
{
	struct tables *t = (struct tables *)argument;
	u64 i;

	for (i = 0; i < 200; i++) {
		u64 vmid = 40 + (i + cpu) % 5;

		setup(&t[vmid & 1], vmid);
		check_quiet("the page of its VMID", run(guest_store, AREA), HVC(0x12));
		if (i % 8 == cpu)
			tlbi_alle1is(0);
		else if (i % 8 == 4)
			tlbi_vmalls12e1is(0);
	}
}

static void check_cpus(void)
{
	struct tables t[2] = { tables_new(), tables_new() };

	smp_start();
	if (nr_cpus < 2)
		return;
	shared.tables = tables_new();
	shared.page[0] = fresh_page();
	shared.page[1] = fresh_page();
	write64(shared.page[0], 1);
	write64(shared.page[0] + 8, 0);
	write64(shared.page[1] + 8, 0);
	set(&shared.tables.pages[0], shared.page[0] | S2_RW | S2_PAGE);
	smp_run(race, 0);
	check_round("a page that moves while another CPU uses it");
	set(&t[0].pages[0], fresh_page() | S2_RW | S2_PAGE);
	set(&t[1].pages[0], fresh_page() | S2_RW | S2_PAGE);
	smp_run(enter_many, (u64)t);
	check_round("several nested guests on several CPUs");
}

void payload_main(void)
{
	check_faults();
	check_changes();
	check_blocks();
	check_vmids();
	check_pool();
	check_granules();
	check_host_memory();
	check_stage1();
	check_attributes();
	check_wrong();
	check_cpus();
}
