// SPDX-License-Identifier: BSD-2-Clause
/*
 * Firmware's translation at EL2 and what becomes of it at EL1: each address translates as before,
 * what EL2 may do EL1 may do, and nothing is EL0's. Walked by a model of both regimes.
 */
/* SOURCES: hyp/efi/efi_regime.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arch/reg_bits.h>
#include <efi/efi_regime.h>

#define BASE	0x40000000ULL
#define PAGES	64
#define ENTRIES 512

static u64 memory[PAGES][ENTRIES];
static unsigned int used, opened, limit;
static u64 last_opened;

static u64 *open_page(void *ctx, u64 pa)
{
	assert_int_equal(opened, 0);
	assert_true(IS_ALIGNED(pa, SZ_4K));
	last_opened = pa;
	if (pa < BASE || pa >= BASE + limit * SZ_4K)
		return NULL;
	opened++;
	return memory[(pa - BASE) / SZ_4K];
}

static void close_page(void *ctx, u64 *page)
{
	assert_int_equal(opened, 1);
	opened--;
}

static const struct efi_table_ops ops = { open_page, close_page };

static int start_empty(void **state)
{
	memset(memory, 0, sizeof(memory));
	used = opened = 0;
	limit = PAGES;
	return 0;
}

static u64 new_table(void)
{
	assert_true(used < PAGES);
	return BASE + used++ * SZ_4K;
}

static u64 *at(u64 table, unsigned int i)
{
	return &memory[(table - BASE) / SZ_4K][i];
}

/* What firmware at EL2 has: 4 KiB, caches, inner shareable, 48-bit output. */
static struct efi_el2_state el2_state(unsigned int t0sz, u64 root)
{
	return (struct efi_el2_state){
		.hcr = HCR_RW,
		.sctlr = SCTLR_EL2_RES1 | SCTLR_M | SCTLR_C | SCTLR_I,
		.tcr = TCR_EL2_RES1 | t0sz | 1 << 8 | 1 << 10 | 3 << 12 | 5 << 16,
		.ttbr0 = root,
		.mair = 0xffbb4400,
	};
}

static struct efi_el1_regime accepted(const struct efi_el2_state *state)
{
	struct efi_el1_regime regime;
	const char *why = efi_regime_read(state, &regime);

	if (why)
		fail_msg("refused: %s", why);
	return regime;
}

static void refused(const struct efi_el2_state *state, const char *line)
{
	struct efi_el1_regime regime;
	const char *why = efi_regime_read(state, &regime);

	assert_non_null(why);
	assert_string_equal(why, line);
}

static void convert(const struct efi_el1_regime *regime)
{
	const char *why = efi_tables_check(regime, &ops, NULL);

	if (why)
		fail_msg("refused: %s", why);
	efi_tables_convert(regime, &ops, NULL);
}

/* ---- the registers ---- */

static void registers_keep_their_meaning(void **state)
{
	struct efi_el2_state s = el2_state(20, BASE);
	struct efi_el1_regime r;

	s.sctlr |= SCTLR_WXN | SCTLR_A;
	s.tcr |= BIT(20) | BIT(21) | BIT(22) | BIT(24); /* TBI, HA, HD, HPD */
	r = accepted(&s);
	assert_true(r.mmu && r.convert);
	assert_int_equal(r.sctlr & (SCTLR_M | SCTLR_C | SCTLR_I | SCTLR_WXN | SCTLR_A | SCTLR_SA),
			 SCTLR_M | SCTLR_C | SCTLR_I | SCTLR_WXN | SCTLR_A);
	assert_int_equal(r.sctlr & SCTLR_EL1_RESET, SCTLR_EL1_RESET);
	/* T0SZ, cacheability, TG0 as they were; no TTBR1; IPS; TBI0, HA, HD, HPD0 */
	assert_int_equal(r.tcr, 20 | 1 << 8 | 1 << 10 | 3 << 12 | BIT(23) | 5ULL << 32 | BIT(37) |
					BIT(39) | BIT(40) | BIT(41));
	assert_int_equal(r.ttbr0, BASE);
	assert_int_equal(r.mair, 0xffbb4400);
}

/* What the caller has on its stack is signed; it may also access memory that is not aligned. */
static void pointer_authentication_goes_on(void **state)
{
	const u64 same = BIT(31) | BIT(30) | BIT(27) | BIT(13) | BIT(6); /* EnIA, IB, DA, DB; nAA */
	struct efi_el2_state s = el2_state(20, BASE);

	assert_int_equal(accepted(&s).sctlr & same, 0);
	s.sctlr |= same;
	assert_int_equal(accepted(&s).sctlr & same, same);
	s.hcr |= HCR_E2H;
	assert_int_equal(accepted(&s).sctlr & same, same);
}

static void with_the_mmu_off_tables_do_not_matter(void **state)
{
	struct efi_el2_state s = el2_state(0, 0x123);
	struct efi_el1_regime r;

	s.sctlr &= ~(u64)SCTLR_M;
	r = accepted(&s);
	assert_false(r.mmu || r.convert || (r.sctlr & SCTLR_M));
	limit = 0;
	convert(&r);
}

static void a_vhe_firmware_has_el1_s_formats_already(void **state)
{
	struct efi_el2_state s = el2_state(20, BASE);
	struct efi_el1_regime r;

	s.hcr |= HCR_E2H;
	s.tcr = 0x5b5103510ULL;
	s.ttbr1 = 0x48000000;
	r = accepted(&s);
	assert_int_equal(r.tcr, s.tcr);
	assert_int_equal(r.ttbr1, s.ttbr1);
	assert_false(r.convert);
}

static void what_is_not_known_is_refused(void **state)
{
	struct efi_el2_state s = el2_state(20, BASE);

	s.sctlr |= SCTLR_EE;
	refused(&s, "firmware is big-endian at EL2");
	s = el2_state(20, BASE);
	s.tcr2 = 2; /* PIE */
	refused(&s, "firmware uses TCR2_EL2, which Keel does not know");
	s.tcr2 = 0;
	s.sctlr2 = 8;
	refused(&s, "firmware uses SCTLR2_EL2, which Keel does not know");
	s.sctlr &= ~SCTLR_M; /* it is about exceptions, too */
	refused(&s, "firmware uses SCTLR2_EL2, which Keel does not know");
	s = el2_state(20, BASE);
	for (unsigned int bit = 0; bit < 64; bit++) {
		bool known = bit <= 15 || (bit >= 16 && bit <= 18) || (bit >= 20 && bit <= 24) ||
			     bit == 31 || bit == 32;

		if (known && bit != 6 && bit != 7)
			continue;
		s.tcr = el2_state(20, BASE).tcr | BIT(bit);
		refused(&s, "firmware's TCR_EL2 has bits that Keel does not know");
	}
	for (u64 tg0 = 1; tg0 < 4; tg0++) {
		s.tcr = el2_state(20, BASE).tcr | tg0 << 14;
		refused(&s, "firmware's page tables at EL2 are not of 4 KiB");
	}
}

static void widths_and_alignments_that_cannot_be_are_refused(void **state)
{
	struct efi_el2_state s;

	for (unsigned int t0sz = 0; t0sz < 64; t0sz++) {
		s = el2_state(t0sz, BASE);
		if (t0sz >= 16 && t0sz <= 39)
			(void)accepted(&s);
		else
			refused(&s, "firmware's TCR_EL2.T0SZ is out of range");
	}
	for (unsigned int t0sz = 0; t0sz < 64; t0sz++) {
		s = el2_state(t0sz, BASE);
		s.tcr |= BIT(32); /* DS */
		if (t0sz >= 12 && t0sz <= 39)
			(void)accepted(&s);
		else
			refused(&s, "firmware's TCR_EL2.T0SZ is out of range");
	}
	s = el2_state(25, BASE + 8);
	refused(&s, "firmware's TTBR0_EL2 is not aligned");
	s = el2_state(39, BASE + 16); /* the root has 16 descriptors, of level 2 */
	s.ttbr0 = BASE + 64;
	refused(&s, "firmware's TTBR0_EL2 is not aligned");
	s.ttbr0 = BASE + 128 + 1; /* CnP */
	assert_int_equal(accepted(&s).root, BASE + 128);
}

static void the_root_is_of_the_level_that_the_width_asks_for(void **state)
{
	static const struct {
		unsigned int t0sz, level, size;
	} roots[] = { { 16, 0, 512 }, { 20, 0, 32 }, { 24, 0, 2 },   { 25, 1, 512 },
		      { 32, 1, 4 },   { 33, 1, 2 },  { 34, 2, 512 }, { 39, 2, 16 } };

	for (unsigned int i = 0; i < ARRAY_SIZE(roots); i++) {
		struct efi_el2_state s = el2_state(roots[i].t0sz, BASE);
		struct efi_el1_regime r = accepted(&s);

		assert_int_equal(r.level, roots[i].level);
		assert_int_equal(r.root_size, roots[i].size);
	}
}

static void with_ds_addresses_have_52_bits(void **state)
{
	struct efi_el2_state s = el2_state(12, BASE | 0xf << 2 | 1);
	struct efi_el1_regime r;

	s.tcr |= BIT(32);
	r = accepted(&s);
	assert_true(r.ds && (r.tcr & BIT(59)));
	assert_int_equal(r.level, -1);
	assert_int_equal(r.root_size, 16);
	assert_int_equal(r.root, BASE | 0xfULL << 48);
}

/* A table at level -1, one at level 0 with a block, and one whose address has all of its bits. */
static void with_ds_tables_are_found_and_blocks_of_512_gib_converted(void **state)
{
	u64 root = new_table(), table = new_table();
	struct efi_el2_state s = el2_state(12, root);
	struct efi_el1_regime r;

	s.tcr |= BIT(32);
	r = accepted(&s);
	*at(root, 0) = table | 3;
	*at(table, 0) = 1 | BIT(6) | BIT(54);
	convert(&r);
	assert_int_equal(*at(table, 0), 1 | BIT(53) | BIT(54));
	*at(table, 1) = BASE | 3ULL << 48 | 3 << 8 | 3; /* 0xf... : not the memory at BASE */
	assert_string_equal(efi_tables_check(&r, &ops, NULL),
			    "firmware's page tables at EL2 are not in the host's memory");
	assert_int_equal(last_opened, BASE | 0xfULL << 48);
}

/* ---- the tables: a model of both regimes' walks ---- */

struct rights {
	bool valid;
	u64 pa;
	bool write, run; /* the firmware's own level, or EL1 */
	bool el0;	 /* any access of EL0's */
	u64 attributes;	 /* AttrIndx, SH, AF, contiguous */
};

/* Walk @tables from a root of level 0 with 512 entries; @el1: by which rules. */
static struct rights walk_as(u64 (*tables)[ENTRIES], u64 table, u64 va, bool el1)
{
	bool no_write = false, no_run = false, no_el0 = false;
	struct rights r = { 0 };

	for (int level = 0; level < 4; level++) {
		unsigned int shift = 39 - 9 * (unsigned int)level;
		u64 d = tables[(table - BASE) / SZ_4K][va >> shift & 511];
		bool leaf = level == 3 ? (d & 3) == 3 : level && (d & 3) == 1;

		if (leaf) {
			bool ap1 = d & BIT(6), ap2 = d & BIT(7);

			r.valid = true;
			r.pa = (d & GENMASK(47, 12) & ~(BIT(shift) - 1)) | (va & (BIT(shift) - 1));
			r.write = !ap2 && !no_write;
			r.el0 = el1 && ap1 && !no_el0;
			r.run = !(d & (el1 ? BIT(53) : BIT(54))) && !no_run;
			/* D8.4.1.2.3: what EL0 can write EL1 does not execute */
			if (el1 && r.el0 && r.write)
				r.run = false;
			r.attributes = d & (GENMASK(4, 2) | GENMASK(10, 8) | BIT(52));
			return r;
		}
		if (level == 3 || (d & 3) != 3)
			return r;
		no_write |= d & BIT(62);
		no_run |= d & (el1 ? BIT(59) : BIT(60));
		no_el0 |= el1 && (d & BIT(61));
		table = d & GENMASK(47, 12);
	}
	return r;
}

static u64 some_bits(void)
{
	return (u64)rand() << 42 ^ (u64)rand() << 21 ^ (u64)rand();
}

/* Descriptors of every kind, with all bits that EL2 has, and RES1's AP[1] set or not. */
static void fill_random(u64 table, int level, unsigned int *left)
{
	for (unsigned int i = 0; i < ENTRIES; i++) {
		u64 bits = some_bits() & (GENMASK(10, 2) | BIT(52) | BIT(54) | GENMASK(58, 55));
		u64 pa = (some_bits() & GENMASK(46, 12));

		if (level < 3 && *left && rand() % (level ? 256 : 16) == 0) {
			u64 next = new_table();

			(*left)--;
			*at(table, i) = next | 3 | (some_bits() & (BIT(60) | BIT(62)));
			fill_random(next, level + 1, left);
		} else if (rand() % 3 == 0) {
			*at(table, i) = some_bits() & ~1ULL; /* invalid: anything else */
		} else {
			*at(table, i) = pa | bits | (level == 3 ? 3 : 1);
		}
	}
}

static void every_address_translates_as_before_and_none_is_el0_s(void **state)
{
	static u64 before[PAGES][ENTRIES];

	for (unsigned int seed = 1; seed < 20; seed++) {
		struct efi_el2_state s;
		struct efi_el1_regime r;
		unsigned int left = PAGES - 1, valid = 0;

		srand(seed);
		start_empty(NULL);
		s = el2_state(16, new_table());
		fill_random(s.ttbr0, 0, &left);
		r = accepted(&s);
		memcpy(before, memory, sizeof(memory));
		assert_null(efi_tables_check(&r, &ops, NULL));
		assert_memory_equal(before, memory, sizeof(memory));
		efi_tables_convert(&r, &ops, NULL);
		/* all entries of the root, and random addresses below each */
		for (unsigned int i = 0; i < 60000; i++) {
			u64 va = ((u64)(i % ENTRIES) << 39 | (some_bits() & GENMASK(38, 0)));
			struct rights was = walk_as(before, s.ttbr0, va, false);
			struct rights is = walk_as(memory, s.ttbr0, va, true);

			assert_int_equal(was.valid, is.valid);
			assert_int_equal(was.pa, is.pa);
			assert_int_equal(was.write, is.write);
			assert_int_equal(was.run, is.run);
			assert_false(is.el0);
			assert_int_equal(was.attributes, is.attributes);
			valid += was.valid;
		}
		assert_true(valid > 100);
	}
}

static void converting_twice_changes_nothing_more(void **state)
{
	static u64 once[PAGES][ENTRIES];
	struct efi_el2_state s;
	struct efi_el1_regime r;
	unsigned int left = PAGES - 1;

	srand(99);
	s = el2_state(16, new_table());
	fill_random(s.ttbr0, 0, &left);
	r = accepted(&s);
	convert(&r);
	memcpy(once, memory, sizeof(memory));
	convert(&r);
	assert_memory_equal(once, memory, sizeof(memory));
}

static void a_table_that_is_not_the_host_s_is_found_before_anything_changes(void **state)
{
	static u64 before[PAGES][ENTRIES];
	struct efi_el2_state s;
	struct efi_el1_regime r;
	u64 table = new_table(), last = new_table();

	s = el2_state(16, table);
	*at(table, 0) = last | 3;
	for (unsigned int i = 0; i < ENTRIES; i++)
		*at(last, i) = BIT(6) | 1 | (u64)i << 30;
	*at(last, ENTRIES - 1) = 0x80000000 | 3; /* a table where there is no memory */
	r = accepted(&s);
	memcpy(before, memory, sizeof(memory));
	assert_string_equal(efi_tables_check(&r, &ops, NULL),
			    "firmware's page tables at EL2 are not in the host's memory");
	assert_memory_equal(before, memory, sizeof(memory));
	assert_int_equal(opened, 0);
}

static void tables_that_point_at_themselves_end(void **state)
{
	struct efi_el2_state s;
	struct efi_el1_regime r;
	u64 table = new_table();

	s = el2_state(16, table);
	for (unsigned int i = 0; i < ENTRIES; i++)
		*at(table, i) = table | 3;
	r = accepted(&s);
	assert_string_equal(efi_tables_check(&r, &ops, NULL),
			    "firmware has too many page tables at EL2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(registers_keep_their_meaning, start_empty),
		cmocka_unit_test_setup(pointer_authentication_goes_on, start_empty),
		cmocka_unit_test_setup(with_the_mmu_off_tables_do_not_matter, start_empty),
		cmocka_unit_test_setup(a_vhe_firmware_has_el1_s_formats_already, start_empty),
		cmocka_unit_test_setup(what_is_not_known_is_refused, start_empty),
		cmocka_unit_test_setup(widths_and_alignments_that_cannot_be_are_refused,
				       start_empty),
		cmocka_unit_test_setup(the_root_is_of_the_level_that_the_width_asks_for,
				       start_empty),
		cmocka_unit_test_setup(with_ds_addresses_have_52_bits, start_empty),
		cmocka_unit_test_setup(with_ds_tables_are_found_and_blocks_of_512_gib_converted,
				       start_empty),
		cmocka_unit_test_setup(every_address_translates_as_before_and_none_is_el0_s,
				       start_empty),
		cmocka_unit_test_setup(converting_twice_changes_nothing_more, start_empty),
		cmocka_unit_test_setup(
			a_table_that_is_not_the_host_s_is_found_before_anything_changes,
			start_empty),
		cmocka_unit_test_setup(tables_that_point_at_themselves_end, start_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
