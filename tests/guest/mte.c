// SPDX-License-Identifier: BSD-2-Clause
/*
 * Memory tags (vmrun --mte): registers, tags of fresh pages, which are zero whatever was in that memory
 * before, tags that are stored and loaded, and faults of accesses by the wrong tag. At its end all
 * of its fresh memory has tags, for the next guest not to find.
 */
#include "lib/guest.h"

__asm__(".arch armv8.5-a+memtag");

const char *payload_name = "mte";

#define GCR_EL1	   S3_0_C1_C0_6
#define RGSR_EL1   S3_0_C1_C0_5
#define TFSR_EL1   S3_0_C5_C6_0
#define TFSRE0_EL1 S3_0_C5_C6_1
#define GMID_EL1   S3_1_C0_C0_4
#define TCO	   S3_3_C4_C2_7

#define GRANULE	     16UL
#define TAG(n)	     ((u64)(n) << 56)
#define ATTR_TAGGED  (2UL << 2) /* MAIR_EL1.Attr2 */
#define PAGE_TAGGED  (PAGE_RW | ATTR_TAGGED)
#define SCTLR_ATA    BIT(43)
#define SCTLR_TCF(n) ((u64)(n) << 40)
#define TCF_SYNC     1
#define TCF_ASYNC    2
#define TCR_TBI0     BIT(37)
#define FSC_TAG	     0x11UL
#define ROUNDS	     20
#define PAGES	     64

static void tags_on(void)
{
	write_sysreg((read_sysreg(mair_el1) & ~(0xffUL << 16)) | 0xf0UL << 16, mair_el1);
	write_sysreg(read_sysreg(tcr_el1) | TCR_TBI0, tcr_el1);
	write_sysreg(read_sysreg(sctlr_el1) | SCTLR_ATA, sctlr_el1);
	__asm__ volatile("dsb ish; tlbi vmalle1; dsb ish; isb" ::: "memory");
	write_sysreg(0, TCO);
}

static void check_faults(u64 how)
{
	write_sysreg((read_sysreg(sctlr_el1) & ~SCTLR_TCF(3)) | SCTLR_TCF(how), sctlr_el1);
}

static u64 load_tag(u64 va)
{
	u64 tag = 0;

	__asm__ volatile("ldg %0, [%1]" : "+r"(tag) : "r"(va) : "memory");
	return tag >> 56 & 15;
}

static void store_tag(u64 va, u64 tag)
{
	__asm__ volatile("stg %0, [%1]" ::"r"(TAG(tag)), "r"(va) : "memory");
}

static void leave_and_return(void)
{
	hvc(PSCI_VERSION, 0, 0, 0);
	read32(UART_BASE + 0x18); /* vmrun's */
	relax();
}

/* ---- registers ---- */

static void check_id(void)
{
	u64 pfr1 = read_sysreg(id_aa64pfr1_el1), gmid = read_sysreg(GMID_EL1);

	check_true("MTE is 2 or 3", field(pfr1, 8) == 2 || field(pfr1, 8) == 3);
	check("nothing that is newer", field(pfr1, 52), 0);
	check_true("GMID_EL1 is readable", gmid >= 2 && gmid <= 6);
}

static void check_registers(u64 cpu, u64 argument)
{
	u64 i;

	tags_on();
	for (i = 0; i < ROUNDS; i++) {
		u64 gcr = (random64() & 0xffff) | BIT(16), rgsr = random64() & 0xffff00;
		u64 tfsr = i & 3, tfsre0 = (i + cpu) & 3;

		write_sysreg(gcr, GCR_EL1);
		write_sysreg(rgsr | argument, RGSR_EL1);
		write_sysreg(tfsr, TFSR_EL1);
		write_sysreg(tfsre0, TFSRE0_EL1);
		leave_and_return();
		check_quiet("GCR_EL1", read_sysreg(GCR_EL1), gcr);
		check_quiet("RGSR_EL1", read_sysreg(RGSR_EL1), rgsr | argument);
		check_quiet("TFSR_EL1", read_sysreg(TFSR_EL1), tfsr);
		check_quiet("TFSRE0_EL1", read_sysreg(TFSRE0_EL1), tfsre0);
	}
	write_sysreg(0, TFSR_EL1);
	write_sysreg(0, TFSRE0_EL1);
}

static void check_random_tag(void)
{
	u64 address;

	write_sysreg(0xffff & ~BIT(5), GCR_EL1);
	leave_and_return();
	__asm__ volatile("irg %0, %1" : "=r"(address) : "r"(WINDOW));
	check("IRG gives a tag that GCR_EL1 leaves", address, WINDOW | TAG(5));
}

/* ---- memory ---- */

static u64 tagged_page(u64 n)
{
	u64 va = WINDOW + n * PAGE;

	window_map(va, fresh_page(), PAGE_TAGGED);
	return va;
}

static void check_fresh_pages(void)
{
	u64 n, at;

	for (n = 0; n < PAGES; n++) {
		u64 va = tagged_page(n);

		for (at = 0; at < PAGE; at += GRANULE)
			check_quiet("a tag", load_tag(va + at), 0);
	}
	check_round("fresh pages have zero tags");
	for (; n < 2 * PAGES; n++) { /* the first access is a store of a tag */
		u64 va = tagged_page(n);

		store_tag(va + n % 256 * GRANULE, 9);
		for (at = 0; at < PAGE; at += GRANULE)
			check_quiet("a tag", load_tag(va + at), at == n % 256 * GRANULE ? 9 : 0);
	}
	check_round("... also if the first access stores one");
}

static void check_stores(u64 va)
{
	u64 at;

	for (at = 0; at < PAGE; at += GRANULE)
		store_tag(va + at, at / GRANULE & 15);
	leave_and_return();
	for (at = 0; at < PAGE; at += GRANULE)
		check_quiet("a tag", load_tag(va + at), at / GRANULE & 15);
	check_round("tags are what was stored");
	__asm__ volatile("stgp xzr, xzr, [%0]" ::"r"(va | TAG(12)) : "memory");
	check("STGP", load_tag(va), 12);
	if (!(read_sysreg(dczid_el0) & 0x10)) {
		__asm__ volatile("dc gzva, %0" ::"r"((va + PAGE / 2) | TAG(7)) : "memory");
		check("DC GZVA", load_tag(va + PAGE / 2), 7);
	}
}

static void check_tag_faults(u64 va)
{
	u64 right = va | TAG(3), wrong = va | TAG(4), value = 0;

	store_tag(va, 3);
	check_faults(TCF_SYNC);
	check("a load by the right tag",
	      TRY(__asm__ volatile("ldr %0, [%1]"
				   : "=r"(value)
				   : "r"(right)
				   : "memory")),
	      NO_EXCEPTION);
	for (u64 i = 0; i < ROUNDS; i++) {
		u64 esr = TRY(__asm__ volatile("ldr %0, [%1]"
					       : "=r"(value)
					       : "r"(wrong)
					       : "memory"));

		check_quiet("class", ec_of(esr), EC_DABT);
		check_quiet("status", fsc_of(esr), FSC_TAG);
		check_quiet("a load", esr & ESR_WNR, 0);
		check_quiet("address", this_cpu()->far & GENMASK(55, 0), va);
		write_sysreg(0, TCO);
		esr = TRY(__asm__ volatile("str xzr, [%0]" ::"r"(wrong) : "memory"));
		check_quiet("status of a store", fsc_of(esr), FSC_TAG);
		check_quiet("a store", esr & ESR_WNR, ESR_WNR);
		write_sysreg(0, TCO);
		leave_and_return();
	}
	check_round("an access by the wrong tag is a fault");
	write_sysreg(BIT(25), TCO);
	check("PSTATE.TCO turns checks off",
	      TRY(__asm__ volatile("ldr %0, [%1]"
				   : "=r"(value)
				   : "r"(wrong)
				   : "memory")),
	      NO_EXCEPTION);
	write_sysreg(0, TCO);
}

static void check_late_faults(u64 va)
{
	check_faults(TCF_ASYNC);
	write_sysreg(0, TFSR_EL1);
	store_tag(va, 3);
	check("an asynchronous fault is no exception",
	      TRY(__asm__ volatile("str xzr, [%0]" ::"r"(va | TAG(4))
				   : "memory")),
	      NO_EXCEPTION);
	leave_and_return();
	check("... and in TFSR_EL1", read_sysreg(TFSR_EL1), 1);
	write_sysreg(0, TFSR_EL1);
	check_faults(0);
}

/* UNDEFINED without tags; with them as DC CSW, which a hypervisor answers. */
static void check_set_way(void)
{
	check("DC CGSW", TRY(__asm__ volatile("sys #0, c7, c10, #4, xzr")), NO_EXCEPTION);
	check("DC CIGDSW", TRY(__asm__ volatile("sys #0, c7, c14, #6, xzr")), NO_EXCEPTION);
}

static void leave_tags(void)
{
	u64 n, at;

	for (n = 0; n < 2 * PAGES; n++)
		for (at = 0; at < PAGE; at += GRANULE)
			store_tag(WINDOW + n * PAGE + at, 15);
}

void payload_main(void)
{
	check_id();
	smp_start();
	tags_on();
	smp_run(check_registers, 5);
	check_round("registers keep their values on every CPU");
	check_random_tag();
	check_fresh_pages();
	check_stores(WINDOW);
	check_tag_faults(WINDOW + PAGE);
	check_late_faults(WINDOW + 2 * PAGE);
	check_set_way();
	leave_tags();
}
