// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: tests/unit/arch/fake_tlb.c tests/unit/arch/fake_mem.c tests/unit/fake_panic.c hyp/nested/s1_tables.c hyp/nested/s2_walk.c hyp/mm/pgtable.c hyp/mm/pgtable_sane.c hyp/mm/stage2_geometry.c */
/*
 * Which descriptors of EL1's stage 1 an address is translated by: against the fields of an address as
 * the manual's tables have them (ARM DDI 0487, D8.2.6 to D8.2.8), written out here, for each granule,
 * width, half of the address space and level.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lib/errno.h>
#include <nested/s1_tables.h>

#define M    BIT(0)
#define EE   BIT(25)
#define IPS  (2ULL << 32) /* 40 bits */
#define EPD0 BIT(7)
#define EPD1 BIT(23)
#define TBI0 BIT(37)
#define TBI1 BIT(38)

/* Bits [high:low] of the address that index the table of each level; high 0: there is no such level. */
static const struct granule_row {
	u64 tg0, tg1;
	unsigned int page, most;
	struct {
		unsigned int high, low;
	} level[4];
} granules[] = {
	{ 0, 2, 12, 48, { { 47, 39 }, { 38, 30 }, { 29, 21 }, { 20, 12 } } },
	{ 2, 1, 14, 48, { { 47, 47 }, { 46, 36 }, { 35, 25 }, { 24, 14 } } },
	{ 1, 3, 16, 52, { { 0, 0 }, { 51, 42 }, { 41, 29 }, { 28, 16 } } },
};

static u64 seen[8];
static unsigned int seen_count;
static bool swapped;

/* Each table is at its level's number of MiB, times 16, and has nothing but tables, then pages. */
static int read(void *ctx, struct ipa ipa, u64 *raw)
{
	u64 desc = (u64)(seen_count + 1) << 28 | 3 | BIT(10) | 3 << 6;

	seen[seen_count++] = ipa.v;
	*raw = swapped ? __builtin_bswap64(desc) : desc;
	return 0;
}

static u64 tcr_of(const struct granule_row *g, unsigned int bits, bool upper)
{
	if (upper)
		return IPS | g->tg1 << 30 | (u64)(64 - bits) << 16 | (g->tg0 << 14 | 16);
	return IPS | g->tg0 << 14 | (u64)(64 - bits) | g->tg1 << 30 | 16ULL << 16;
}

static void expect_descriptors(const struct granule_row *g, unsigned int bits, u64 va, bool ee)
{
	bool upper = va >> 63;
	const struct s1_regs regs = {
		.sctlr = M | (ee ? EE : 0),
		.tcr = tcr_of(g, bits, upper),
		.ttbr0 = upper ? 0x1230000 : BIT(48) | 0x70000000,
		.ttbr1 = upper ? BIT(48) | 0x70000000 : 0x1230000,
	};
	const struct s2_walk_memory memory = { .read = read };
	const struct s2_access access = { .kind = S2_READ };
	struct s2_walk_result walk;
	struct s2_tables tables;
	unsigned int n = 0;
	struct ipa ia;

	seen_count = 0;
	swapped = ee;
	assert_true(s1_tables_decode(&tables, &regs, 48, va, &ia));
	(void)s2_walk(&tables, ia, access, &memory, &walk);
	for (unsigned int level = 0; level < 4; level++) {
		unsigned int high = g->level[level].high, low = g->level[level].low;
		u64 table = n ? (u64)n << 28 : 0x70000000;

		if (!high || low >= bits) /* not needed for so few bits */
			continue;
		if (high >= bits)
			high = bits - 1;
		assert_int_equal(seen[n], table + ((va >> low) & (BIT(high - low + 1) - 1)) * 8);
		n++;
	}
	assert_int_equal(seen_count, n);
	assert_int_equal(walk.level, 3);
	assert_int_equal(walk.desc.v, seen[n - 1]);
}

static void each_address_has_the_descriptors_of_the_manual(void **state)
{
	u64 seed = 7;

	for (size_t i = 0; i < sizeof(granules) / sizeof(granules[0]); i++)
		for (unsigned int bits = granules[i].page + 1; bits <= granules[i].most; bits++)
			for (unsigned int n = 0; n < 64; n++) {
				u64 va;

				seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
				va = (seed >> 8) & (BIT(bits) - 1);
				if (n & 1)
					va |= ~0ULL << bits;
				expect_descriptors(&granules[i], bits, va, n & 2);
			}
}

static bool decodes(u64 sctlr, u64 tcr, u64 va)
{
	const struct s1_regs regs = { .sctlr = sctlr, .tcr = tcr };
	struct s2_tables tables;
	struct ipa ia;

	return s1_tables_decode(&tables, &regs, 48, va, &ia);
}

static void where_no_table_is_read_there_is_none(void **state)
{
	const u64 tcr = IPS | 25 | 25ULL << 16 | 2ULL << 30, high = ~0ULL << 39;

	assert_true(decodes(M, tcr, 0x7fffffffff));
	assert_true(decodes(M, tcr, high));
	assert_false(decodes(0, tcr, 0)); /* the MMU is off */
	assert_false(decodes(M, tcr | EPD0, 0));
	assert_true(decodes(M, tcr | EPD0, high));
	assert_false(decodes(M, tcr | EPD1, high));
	assert_true(decodes(M, tcr | EPD1, 0));
	/* between the halves, and with a top byte */
	assert_false(decodes(M, tcr, BIT(39)));
	assert_false(decodes(M, tcr, high - 1));
	assert_false(decodes(M, tcr, 0xabULL << 56));
	assert_true(decodes(M, tcr | TBI0, 0xabULL << 56));
	assert_false(decodes(M, tcr | TBI1, 0xabULL << 56));
	assert_false(decodes(M, tcr, high ^ 0xabULL << 56));
	assert_true(decodes(M, tcr | TBI1, high ^ 0xabULL << 56));
	assert_false(decodes(M, tcr | TBI0, 0xabULL << 56 | BIT(39)));
	/* granules that are reserved; sizes that nothing has */
	assert_false(decodes(M, tcr | 3 << 14, 0));
	assert_false(decodes(M, tcr & ~(3ULL << 30), high));
	assert_false(decodes(M, (tcr & ~63ULL) | 15, 0));
	assert_false(decodes(M, (tcr & ~63ULL) | 52, 0));
	assert_false(decodes(M, tcr & ~63ULL, 0));
	assert_true(decodes(M, (tcr & ~63ULL) | 16, 0));
}

/* With 64K pages and 52 bits the register has bits 51:48 below. */
static void wide_addresses_of_roots_are_put_together(void **state)
{
	struct s1_regs regs = { .sctlr = M,
				.tcr = 6ULL << 32 | 1 << 14 | 32,
				.ttbr0 = 0x50040 | 0x24 };
	struct s2_tables tables;
	struct ipa ia;

	assert_true(s1_tables_decode(&tables, &regs, 52, 0, &ia));
	assert_int_equal(tables.root.v, 0x9000000050040);
	assert_true(s1_tables_decode(&tables, &regs, 48, 0, &ia));
	assert_int_equal(tables.root.v, 0x50040);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_address_has_the_descriptors_of_the_manual),
		cmocka_unit_test(where_no_table_is_read_there_is_none),
		cmocka_unit_test(wide_addresses_of_roots_are_put_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
