// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: tests/unit/arch/fake_tlb.c tests/unit/arch/fake_mem.c */
/*
 * The tests' TLB model itself: that it catches each mistake that page-table code can make, by
 * making them, and lets the right sequences pass.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include <arch/barrier.h>
#include <arch/fake_mem.h>
#include <arch/fake_tlb.h>
#include <arch/pte.h>
#include <arch/tlb.h>

#define VMID  7
#define VTTBR ((u64)VMID << 48)

/* A stage-2 page or block: normal write-back, readable and writable, young. */
#define ATTRS	  (0xfULL << 2 | 3ULL << 6 | 3ULL << 8 | 1ULL << 10)
#define PAGE(pa)  ((pa) | ATTRS | 3)
#define BLOCK(pa) ((pa) | ATTRS | 1)
#define W	  BIT(7)

/* Tables for [0, 512G) with 4K pages: one page is mapped at 0, one block of 2M at 4M. */
static u64 *root, *l2, *l3;
static int regime;

static u64 table(const void *t)
{
	return fake_mem_to_pa(NULL, t).v | 3;
}

static void world_with(struct fake_regime r)
{
	fake_tlb_reset();
	fake_mem_init(r.granule, 0x40000000, 16);
	root = fake_mem_zalloc_root(1, SZ_4K);
	l2 = fake_mem_zalloc(NULL);
	l3 = fake_mem_zalloc(NULL);
	r.root = root;
	regime = fake_tlb_add(&r);
	pte_write(&l3[0], PAGE(0x80000000));
	pte_write(&l2[0], table(l3));
	pte_write(&l2[2], BLOCK(0x80400000));
	pte_write(&root[0], table(l2));
	dsb(ishst);
	(void)tlb_s2_enter(VTTBR, 0, false, false);
}

static struct fake_regime usual(void)
{
	return (struct fake_regime){ .vmid = VMID,
				     .granule = GRANULE_4K,
				     .start_level = 1,
				     .ia_bits = 39,
				     .oa_bits = 44,
				     .ha = true,
				     .hd = true };
}

static int world(void **state)
{
	(void)state;
	world_with(usual());
	fake_expect_violation();
	return 0;
}

static int world_bbm2(void **state)
{
	struct fake_regime r = usual();

	(void)state;
	r.bbm_level = 2;
	world_with(r);
	fake_expect_violation();
	return 0;
}

static void caught(const char *what)
{
	const char *message = fake_expected_violation();

	if (!message)
		fail_msg("not caught: %s", what);
	if (!strstr(message, what))
		fail_msg("expected '%s', caught '%s'", what, message);
}

static void passed(void)
{
	const char *message = fake_expected_violation();

	if (message)
		fail_msg("nothing is wrong, but: %s", message);
}

static void set(u64 *ptep, u64 pte)
{
	u64 old = *ptep;

	assert_true(pte_cmpxchg(ptep, &old, pte));
}

/* ttl: 0, or 4 (4K) | level */
static void ipas2e1(u64 ipa, u64 ttl)
{
	tlbi_ipas2e1is(ttl << 44 | ipa >> 12);
}

/* All that is needed for one page, in order. */
static void invalidate(u64 ipa)
{
	dsb(ishst);
	ipas2e1(ipa, 0);
	dsb(ish);
	tlbi_vmalle1is();
	dsb(ish);
}

static void the_right_sequence_passes(void **state)
{
	u64 pa;

	assert_int_equal(fake_tlb_access(1, regime, 0x123, FAKE_READ, &pa), FAKE_OK);
	assert_int_equal(pa, 0x80000123);
	set(&l3[0], 0);
	invalidate(0);
	pte_write(&l3[0], PAGE(0x90000000));
	dsb(ishst);
	assert_int_equal(fake_tlb_access(1, regime, 0x123, FAKE_WRITE, &pa), FAKE_OK);
	assert_int_equal(pa, 0x90000123);
	fake_tlb_check("test");
	passed();
}

static void an_address_changed_in_place_is_found(void **state)
{
	set(&l3[0], PAGE(0x90000000));
	caught("other output address");
}

static void a_break_without_invalidation_is_found(void **state)
{
	set(&l3[0], 0);
	dsb(ish);
	pte_write(&l3[0], PAGE(0x90000000));
	caught("other output address");
}

static void a_make_before_the_invalidation_is_complete_is_found(void **state)
{
	set(&l3[0], 0);
	dsb(ishst);
	tlbi_vmalls12e1is();
	dsb(ishst);
	pte_write(&l3[0], PAGE(0x90000000));
	caught("other output address");
}

static void an_invalidation_before_the_store_is_published_is_found(void **state)
{
	set(&l3[0], 0);
	tlbi_vmalls12e1is();
	dsb(ish);
	fake_tlb_check("test");
	caught("another validity");
}

static void without_vmalle1_combined_entries_remain(void **state)
{
	set(&l3[0], 0);
	dsb(ishst);
	ipas2e1(0, 0);
	dsb(ish);
	fake_tlb_check("test");
	caught("another validity");
}

static void vmalle1_before_ipas2e1_is_complete_is_found(void **state)
{
	set(&l3[0], 0);
	dsb(ishst);
	ipas2e1(0, 0);
	tlbi_vmalle1is();
	dsb(ish);
	fake_tlb_check("test");
	caught("another validity");
}

static void a_local_vmalle1_leaves_other_cpus(void **state)
{
	set(&l3[0], 0);
	dsb(ishst);
	ipas2e1(0, 0);
	dsb(ish);
	tlbi_vmalle1();
	dsb(ish);
	fake_tlb_check("test");
	caught("CPUs 0/0xe");
}

static void a_wrong_level_hint_is_found(void **state)
{
	set(&l3[0], 0);
	dsb(ishst);
	ipas2e1(0, 4 | 2);
	dsb(ish);
	tlbi_vmalle1is();
	dsb(ish);
	fake_tlb_check("test");
	caught("another validity");
}

static void a_wrong_granule_hint_is_found(void **state)
{
	set(&l3[0], 0);
	dsb(ishst);
	ipas2e1(0, 8 | 3);
	dsb(ish);
	tlbi_vmalle1is();
	dsb(ish);
	fake_tlb_check("test");
	caught("another validity");
}

static void the_right_level_hint_passes(void **state)
{
	set(&l3[0], 0);
	dsb(ishst);
	ipas2e1(0, 4 | 3);
	dsb(ish);
	tlbi_vmalle1is();
	dsb(ish);
	fake_tlb_check("test");
	passed();
}

static void a_wrong_vmid_is_found(void **state)
{
	set(&l3[0], 0);
	(void)tlb_s2_enter((u64)(VMID + 1) << 48, 0, false, false);
	invalidate(0);
	fake_tlb_check("test");
	caught("another validity");
}

static void a_wrong_address_is_found(void **state)
{
	set(&l3[0], 0);
	invalidate(SZ_4K);
	fake_tlb_check("test");
	caught("another validity");
}

static void range(u64 ipa, u64 tg, u64 scale, u64 num, u64 ttl)
{
	set(&l2[2], 0);
	dsb(ishst);
	tlbi_ripas2e1is(ipa >> 12 | ttl << 37 | num << 39 | scale << 44 | tg << 46);
	dsb(ish);
	tlbi_vmalle1is();
	dsb(ish);
	fake_tlb_check("test");
}

static void a_range_reaches_all_its_pages(void **state)
{
	/* 2 pages from 4M - 8K, (4 + 1) << 6 pages: into the block at 4M. */
	range(0x3fe000, 1, 1, 4, 2);
	passed();
}

static void a_range_that_is_too_short_is_found(void **state)
{
	range(0x3fe000, 1, 0, 0, 2);
	caught("another validity");
}

static void a_range_with_a_wrong_granule_is_found(void **state)
{
	range(0x400000, 2, 1, 4, 2);
	caught("another validity");
}

static void a_range_with_a_wrong_level_is_found(void **state)
{
	range(0x400000, 1, 1, 4, 3);
	caught("another validity");
}

/* C5.5: with VTCR_EL2.DS as loaded a range's base counts in 64K, whatever the tables have. */
static void a_range_is_decoded_by_the_loaded_vtcr(void **state)
{
	set(&l2[2], 0);
	(void)tlb_s2_enter(VTTBR, BIT(32), false, false);
	range(0x400000, 1, 1, 4, 2);
	caught("another validity");
	fake_expect_violation();
	dsb(ishst);
	tlbi_ripas2e1is(0x400000 >> 16 | 2ULL << 37 | 4ULL << 39 | 1ULL << 44 | 1ULL << 46);
	dsb(ish);
	tlbi_vmalle1is();
	dsb(ish);
	fake_tlb_check("test");
	passed();
}

/* The erratum: one TLBI and DSB are not enough, two TLBIs in front of one DSB are not either. */
static void an_early_dsb_needs_a_second_tlbi_and_dsb(void **state)
{
	fake_tlb_errata(true, false);
	set(&l3[0], 0);
	dsb(ishst);
	tlbi_vmalls12e1is();
	tlbi_vmalls12e1is();
	dsb(ish);
	dsb(ish);
	fake_tlb_check("test");
	caught("another validity");
	fake_expect_violation();
	tlbi_vae2is(0); /* any will do */
	dsb(ish);
	fake_tlb_check("test");
	passed();
}

static void vttbr_changes_only_while_walks_are_off(void **state)
{
	fake_tlb_errata(false, true);
	(void)tlb_s2_enter(VTTBR, 0, false, false); /* it is there already */
	(void)tlb_s2_enter((u64)(VMID + 1) << 48, 0, true, false);
	passed();
	fake_expect_violation();
	(void)tlb_s2_enter(VTTBR, 0, false, false);
	caught("EL1's tables may be walked");
}

static void a_plain_store_over_a_valid_leaf_is_found(void **state)
{
	pte_write(&l3[0], PAGE(0x80000000) & ~W);
	caught("plain store over the valid leaf");
}

static void write_protection_without_invalidation_is_found(void **state)
{
	set(&l3[0], PAGE(0x80000000) & ~W);
	dsb(ish);
	fake_tlb_check("test");
	caught("write permission (write-protected");
}

static void a_grant_without_invalidation_is_found(void **state)
{
	u64 pa;

	set(&l3[0], PAGE(0x80000000) & ~W);
	invalidate(0);
	assert_int_equal(fake_tlb_access(2, regime, 0, FAKE_READ, &pa), FAKE_OK);
	assert_int_equal(fake_tlb_access(2, regime, 0, FAKE_WRITE, &pa), FAKE_PERMISSION);
	set(&l3[0], PAGE(0x80000000));
	dsb(ish);
	fake_tlb_check("test");
	caught("write permission (granted)");
}

static void cleaning_without_invalidation_is_found(void **state)
{
	u64 pa;

	set(&l3[0], PAGE(0x80000000) | BIT(51));
	invalidate(0);
	assert_int_equal(fake_tlb_access(2, regime, 0, FAKE_WRITE, &pa), FAKE_OK);
	set(&l3[0], (PAGE(0x80000000) | BIT(51)) & ~W);
	dsb(ish);
	fake_tlb_check("test");
	caught("write permission (write-protected, or cleaned)");
}

static void a_memory_type_changed_in_place_is_found(void **state)
{
	set(&l3[0], PAGE(0x80000000) & ~(0xeULL << 2));
	caught("other memory type");
}

static void ageing_needs_no_invalidation(void **state)
{
	u64 pa;

	assert_int_equal(fake_tlb_access(2, regime, 0, FAKE_READ, &pa), FAKE_OK);
	set(&l3[0], PAGE(0x80000000) & ~BIT(10));
	dsb(ishst);
	fake_tlb_check("test");
	passed();
}

static void use_of_a_stale_entry_is_found(void **state)
{
	u64 pa;

	assert_int_equal(fake_tlb_access(3, regime, 0, FAKE_READ, &pa), FAKE_OK);
	set(&l3[0], 0);
	dsb(ish);
	(void)fake_tlb_access(3, regime, 0, FAKE_READ, &pa);
	caught("stale TLB entry");
}

static void a_store_that_is_not_published_is_found(void **state)
{
	pte_write(&l3[1], PAGE(0x80001000));
	fake_tlb_check("test");
	caught("without a DSB");
}

/* Fill a table with the pages that the block at 4M stands for, but for the offset. */
static u64 *pages_of_block(u64 offset)
{
	u64 *t = fake_mem_zalloc(NULL);

	for (u64 i = 0; i < 512; i++)
		pte_write(&t[i], PAGE(0x80400000 + offset + i * SZ_4K));
	return t;
}

static void a_block_that_becomes_a_table_in_place_is_found(void **state)
{
	set(&l2[2], table(pages_of_block(0)));
	caught("other size");
}

static void block_becomes_table_in_place_with_bbm2(void **state)
{
	set(&l2[2], table(pages_of_block(0)));
	invalidate(0x400000);
	fake_tlb_check("test");
	passed();
}

static void block_becomes_other_pages_with_bbm2(void **state)
{
	set(&l2[2], table(pages_of_block(SZ_4K)));
	caught("other output address");
}

static void split_without_invalidation_with_bbm2(void **state)
{
	set(&l2[2], table(pages_of_block(0)));
	dsb(ish);
	fake_tlb_check("test");
	caught("another size");
}

static void a_table_that_becomes_a_block_in_place_is_found(void **state)
{
	pte_write(&l2[0], BLOCK(0x80000000));
	caught("other size");
}

static void a_contiguous_bit_set_in_place_is_found(void **state)
{
	set(&l3[0], PAGE(0x80000000) | BIT(52));
	caught("other size");
}

static void one_invalidation_is_not_enough_for_a_group(void **state)
{
	for (u64 i = 1; i < 16; i++)
		pte_write(&l3[i + 16], PAGE(0x80010000 + i * SZ_4K) | BIT(52));
	pte_write(&l3[16], PAGE(0x80010000) | BIT(52));
	for (u64 i = 16; i < 32; i++)
		set(&l3[i], 0);
	invalidate(0x10000);
	fake_tlb_check("test");
	caught("another validity");
}

static void a_table_freed_while_linked_is_found(void **state)
{
	fake_mem_free(NULL, l3);
	caught("freed that is linked");
}

static void a_table_freed_before_the_invalidation_is_found(void **state)
{
	pte_write(&l2[0], 0);
	dsb(ish);
	fake_mem_free(NULL, l3);
	caught("may still walk in");
}

static void a_level_hint_leaves_table_descriptors(void **state)
{
	set(&l3[0], 0);
	pte_write(&l2[0], 0);
	dsb(ishst);
	ipas2e1(0, 4 | 3);
	dsb(ish);
	tlbi_vmalle1is();
	dsb(ish);
	fake_mem_free(NULL, l3);
	caught("may still walk in");
}

static void a_table_freed_in_order_passes(void **state)
{
	set(&l3[0], 0);
	pte_write(&l2[0], 0);
	invalidate(0);
	fake_mem_free(NULL, l3);
	fake_tlb_check("test");
	passed();
}

static void a_table_replaced_by_a_table_is_found(void **state)
{
	pte_write(&l2[0], table(fake_mem_zalloc(NULL)));
	caught("other table");
}

static void a_table_linked_twice_is_found(void **state)
{
	pte_write(&l2[9], table(l3));
	caught("linked elsewhere");
}

static void a_double_free_is_found(void **state)
{
	void *t = fake_mem_zalloc(NULL);

	fake_mem_free(NULL, t);
	fake_mem_free(NULL, t);
	caught("no table in use");
}

static void malformed_descriptors_are_found(void **state)
{
	pte_write(&l3[1], BLOCK(0x80001000));
	caught("reserved descriptor");
	fake_expect_violation();
	pte_write(&l2[3], BLOCK(0x80001000));
	caught("address bits below its size");
	fake_expect_violation();
	pte_write(&l3[2], PAGE(BIT(44)));
	caught("wider than 44 bits");
	fake_expect_violation();
	pte_write(&l3[3], PAGE(BIT(48)));
	caught("RES0");
	fake_expect_violation();
	pte_write(&l2[4], 0x7f000003);
	caught("leads nowhere");
	fake_expect_violation();
	pte_write(&l3[16], PAGE(0x80001000) | BIT(52));
	caught("misaligned contiguous group");
	fake_expect_violation();
	pte_write(&l3[32], PAGE(0x80020000) | BIT(52));
	pte_write(&l3[33], PAGE(0x80031000) | BIT(52));
	caught("lead elsewhere");
}

static void el2_invalidates_by_va(void **state)
{
	struct fake_regime r = usual();

	r.el2 = true;
	world_with(r);
	fake_expect_violation();
	set(&l3[0], 0);
	dsb(ishst);
	tlbi_vae2is(8);
	dsb(ish);
	fake_tlb_check("test");
	caught("another validity");
	fake_expect_violation();
	tlbi_vae2is(0);
	dsb(ish);
	fake_tlb_check("test");
	passed();
}

int main(void)
{
#define T(name)	 cmocka_unit_test_setup(name, world)
#define T2(name) cmocka_unit_test_setup(name, world_bbm2)
	const struct CMUnitTest tests[] = {
		T(the_right_sequence_passes),
		T(an_address_changed_in_place_is_found),
		T(a_break_without_invalidation_is_found),
		T(a_make_before_the_invalidation_is_complete_is_found),
		T(an_invalidation_before_the_store_is_published_is_found),
		T(without_vmalle1_combined_entries_remain),
		T(vmalle1_before_ipas2e1_is_complete_is_found),
		T(a_local_vmalle1_leaves_other_cpus),
		T(a_wrong_level_hint_is_found),
		T(a_wrong_granule_hint_is_found),
		T(the_right_level_hint_passes),
		T(a_wrong_vmid_is_found),
		T(a_wrong_address_is_found),
		T(a_range_reaches_all_its_pages),
		T(a_range_that_is_too_short_is_found),
		T(a_range_with_a_wrong_granule_is_found),
		T(a_range_with_a_wrong_level_is_found),
		T(a_range_is_decoded_by_the_loaded_vtcr),
		T(an_early_dsb_needs_a_second_tlbi_and_dsb),
		T(vttbr_changes_only_while_walks_are_off),
		T(a_plain_store_over_a_valid_leaf_is_found),
		T(write_protection_without_invalidation_is_found),
		T(a_grant_without_invalidation_is_found),
		T(cleaning_without_invalidation_is_found),
		T(a_memory_type_changed_in_place_is_found),
		T(ageing_needs_no_invalidation),
		T(use_of_a_stale_entry_is_found),
		T(a_store_that_is_not_published_is_found),
		T(a_block_that_becomes_a_table_in_place_is_found),
		T2(block_becomes_table_in_place_with_bbm2),
		T2(block_becomes_other_pages_with_bbm2),
		T2(split_without_invalidation_with_bbm2),
		T(a_table_that_becomes_a_block_in_place_is_found),
		T(a_contiguous_bit_set_in_place_is_found),
		T(one_invalidation_is_not_enough_for_a_group),
		T(a_table_freed_while_linked_is_found),
		T(a_table_freed_before_the_invalidation_is_found),
		T(a_level_hint_leaves_table_descriptors),
		T(a_table_freed_in_order_passes),
		T(a_table_replaced_by_a_table_is_found),
		T(a_table_linked_twice_is_found),
		T(a_double_free_is_found),
		T(malformed_descriptors_are_found),
		T(el2_invalidates_by_va),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
