// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: tests/unit/s2_walk_model.c tests/unit/arch/fake_tlb.c tests/unit/arch/fake_mem.c tests/unit/fake_panic.c hyp/nested/s2_compose.c hyp/nested/s2_walk.c hyp/mm/pgtable.c hyp/mm/pgtable_sane.c hyp/mm/stage2.c hyp/mm/stage2_geometry.c hyp/cpu/errata.c */
/*
 * A guest hypervisor's leaf combined with the VM's own, against the two translations one after the
 * other: addresses, permissions and memory attributes; and a shadow that is filled from both while
 * the guest hypervisor changes its tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <nested/s2_compose.h>

#include "s2_walk_model.h"
#include "stage2_world.h"

#define RANDOM_LEAVES 500000

static const struct s2_shadow_format format_4k = { .granule = GRANULE_4K, .xnx = true };

/* Every size that a leaf can have: pages, blocks and contiguous groups of all granules. */
static const u8 leaf_shifts[] = { 12, 14, 16, 21, 25, 29, 30, 34, 42 };

static u64 align_down(u64 value, unsigned int shift)
{
	return value >> shift << shift;
}

/* ---- addresses ---- */

/* The two translations, one after the other. False where there is none. */
static bool product(const struct s2_leaf *guest, const struct stage2_leaf *own, u64 ipa, u64 *pa)
{
	u64 middle;

	if (ipa < guest->ipa.v || ipa - guest->ipa.v >= guest->size)
		return false;
	middle = ipa - guest->ipa.v + guest->oa.v;
	if (middle < own->ipa.v || middle - own->ipa.v >= own->size)
		return false;
	*pa = middle - own->ipa.v + own->pa.v;
	return true;
}

/* An address aligned to 1 << @shift; one in four is the highest that there is. */
static u64 random_base(unsigned int shift)
{
	return align_down(s2_rand(4) ? s2_rand64() >> s2_rand(30) : ~0ULL, shift);
}

static void random_leaves(struct s2_leaf *guest, struct stage2_leaf *own, u64 *ipa)
{
	unsigned int g = leaf_shifts[s2_rand(ARRAY_SIZE(leaf_shifts))];
	unsigned int o = leaf_shifts[s2_rand(ARRAY_SIZE(leaf_shifts))];

	*guest = (struct s2_leaf){ .ipa = IPA(random_base(g)),
				   .oa = IPA(random_base(g)),
				   .size = BIT(g),
				   .level = 3,
				   .memattr = 0xf,
				   .perm = STAGE2_RWX };
	*ipa = guest->ipa.v + (s2_rand64() & (guest->size - 1));
	*own = (struct stage2_leaf){ .ipa = IPA(align_down(*ipa - guest->ipa.v + guest->oa.v, o)),
				     .pa = PA(random_base(o)),
				     .size = BIT(o),
				     .attrs = STAGE2_RWX,
				     .mapped = true };
}

static void check_point(const struct s2_composed *got, const struct s2_leaf *guest,
			const struct stage2_leaf *own, u64 offset)
{
	u64 pa = 0;

	assert_true(product(guest, own, got->ipa.v + offset, &pa));
	assert_int_equal(got->pa.v + offset, pa);
}

static void a_leaf_translates_as_the_two_stages_in_a_row_and_is_as_large_as_the_smaller(
	void **state)
{
	for (unsigned int i = 0; i < RANDOM_LEAVES; i++) {
		struct s2_composed got;
		struct stage2_leaf own;
		struct s2_leaf guest;
		u64 ipa;

		random_leaves(&guest, &own, &ipa);
		assert_int_equal(s2_compose(&format_4k, &guest, &own, IPA(ipa), &got), 0);
		assert_int_equal(got.size, MIN(guest.size, own.size));
		assert_int_equal(got.ipa.v & (got.size - 1), 0);
		assert_int_equal(got.pa.v & (got.size - 1), 0);
		assert_true(ipa - got.ipa.v < got.size);
		check_point(&got, &guest, &own, 0);
		check_point(&got, &guest, &own, ipa - got.ipa.v);
		check_point(&got, &guest, &own, got.size - 1);
	}
}

static void the_last_page_of_all_address_spaces_is_a_page_like_others(void **state)
{
	const struct s2_leaf guest = { .ipa = IPA(~0ULL << 21),
				       .oa = IPA(~0ULL << 21),
				       .size = SZ_2M,
				       .level = 2,
				       .memattr = 0xf,
				       .perm = STAGE2_R };
	const struct stage2_leaf own = { .ipa = IPA(~0ULL << 12),
					 .pa = PA(~0ULL << 12),
					 .size = SZ_4K,
					 .attrs = STAGE2_R,
					 .mapped = true };
	struct s2_composed got;

	assert_int_equal(s2_compose(&format_4k, &guest, &own, IPA(~0ULL), &got), 0);
	assert_int_equal(got.ipa.v, ~0ULL << 12);
	assert_int_equal(got.pa.v, ~0ULL << 12);
	assert_int_equal(got.size, SZ_4K);
	/* The page below is not in the own leaf, nor is the first one of all behind it. */
	assert_int_equal(s2_compose(&format_4k, &guest, &own, IPA((~0ULL << 12) - 1), &got),
			 -ENOENT);
	assert_int_equal(s2_compose(&format_4k, &guest, &own, IPA(0), &got), -EINVAL);
}

static void what_does_not_fit_together_is_refused(void **state)
{
	struct s2_composed got = { .size = 77 };

	for (unsigned int i = 0; i < 20000; i++) {
		struct stage2_leaf own;
		struct s2_leaf guest;
		int want = -EINVAL;
		u64 ipa, bit;

		random_leaves(&guest, &own, &ipa);
		bit = BIT(s2_rand(12));
		switch (i % 8) {
		case 0:
			own.mapped = false;
			want = -ENOENT;
			break;
		case 1:
			own.ipa.v ^= own.size;
			want = -ENOENT;
			break;
		case 2:
			ipa ^= guest.size;
			break;
		case 3:
			guest.ipa.v |= bit;
			break;
		case 4:
			guest.oa.v |= bit;
			break;
		case 5:
			own.ipa.v |= bit;
			break;
		case 6:
			own.pa.v |= bit;
			break;
		default:
			if (s2_rand(2))
				guest.size = s2_rand(2) ? 0 : guest.size + bit;
			else
				own.size = s2_rand(2) ? 0 : own.size + bit;
			break;
		}
		assert_int_equal(s2_compose(&format_4k, &guest, &own, IPA(ipa), &got), want);
		assert_int_equal(got.size, 77);
	}
}

static void a_guests_page_smaller_than_the_shadows_is_refused(void **state)
{
	const struct s2_leaf guest = { .size = SZ_16K, .memattr = 0xf };
	const struct stage2_leaf own = { .size = SZ_2M, .mapped = true };
	struct s2_shadow_format format = format_4k;
	struct s2_composed got;

	format.granule = GRANULE_64K;
	assert_int_equal(s2_compose(&format, &guest, &own, IPA(0), &got), -ERANGE);
	format.granule = GRANULE_16K;
	assert_int_equal(s2_compose(&format, &guest, &own, IPA(0), &got), 0);
}

/* ---- permissions ---- */

static unsigned int composed_permissions(unsigned int perm, unsigned int attrs, bool xnx)
{
	const struct s2_leaf guest = { .size = SZ_4K,
				       .memattr = 0xf,
				       .perm = (enum stage2_attrs)perm };
	const struct stage2_leaf own = { .size = SZ_4K,
					 .attrs = (enum stage2_attrs)attrs,
					 .mapped = true };
	const struct s2_shadow_format format = { .granule = GRANULE_4K, .xnx = xnx };
	struct s2_composed got;

	assert_int_equal(s2_compose(&format, &guest, &own, IPA(0), &got), 0);
	return got.attrs & STAGE2_RWX;
}

static void a_permission_is_there_where_both_have_it_and_nowhere_else(void **state)
{
	for (unsigned int n = 0; n < 1 << 11; n++) {
		unsigned int guest = n & 15, own = n >> 4 & 15, type = (n >> 8 & 3) << 4;
		bool clean = n >> 10 & 1;
		unsigned int got, want = guest & own;

		if (clean)
			want &= ~(unsigned int)STAGE2_W;
		if (type >= STAGE2_DEVICE)
			want &= ~(unsigned int)STAGE2_X;
		own |= type | (clean ? STAGE2_CLEAN : 0) | STAGE2_OLD | STAGE2_SW;
		got = composed_permissions(guest, own, true);
		assert_int_equal(got, want);
		/* Without FEAT_XNX a permission to execute for one level alone cannot be given. */
		got = composed_permissions(guest, own, false);
		if ((want & STAGE2_X) != STAGE2_X)
			want &= ~(unsigned int)STAGE2_X;
		assert_int_equal(got, want);
	}
}

/* ---- memory attributes ---- */

/* What memory is after a stage: Device of a type, or Normal with an inner and an outer part. */
struct memory {
	bool device;
	unsigned int type;	   /* 0 nGnRnE to 3 GRE */
	unsigned int inner, outer; /* 1 NC, 2 WT, 3 WB, as MemAttr has them */
};

static struct memory device_of(struct memory s1, unsigned int type)
{
	return (struct memory){ .device = true, .type = s1.device ? MIN(s1.type, type) : type };
}

/* S2CombineS1MemAttrs() */
static struct memory combine(struct memory s1, unsigned int memattr)
{
	unsigned int outer = memattr >> 2, inner = memattr & 3 ? memattr & 3 : 1;

	if (!outer)
		return device_of(s1, memattr & 3);
	if (s1.device)
		return s1;
	return (struct memory){ .inner = MIN(s1.inner, inner), .outer = MIN(s1.outer, outer) };
}

/* AArch64.S2ApplyFWBMemAttrs() */
static struct memory apply_fwb(struct memory s1, unsigned int memattr)
{
	if (!(memattr & 4))
		return device_of(s1, memattr & 3);
	if ((memattr & 3) == 3)
		return s1;
	if ((memattr & 3) == 2)
		return (struct memory){ .inner = 3, .outer = 3 };
	return s1.device ? s1 : (struct memory){ .inner = 1, .outer = 1 };
}

static struct memory stage(struct memory before, unsigned int memattr, bool fwb)
{
	return fwb ? apply_fwb(before, memattr) : combine(before, memattr);
}

/* MemAttr of a stage 2 of Keel's, by type (stage2.h), without FEAT_S2FWB and with it. */
static unsigned int keel_memattr(unsigned int attrs, bool fwb)
{
	static const u8 plain[4] = { 0xf, 0x5, 0x1, 0x0 }, with_fwb[4] = { 0x6, 0x5, 0x1, 0x0 };

	return (fwb ? with_fwb : plain)[(attrs & STAGE2_MEMTYPE) >> 4];
}

static bool at_least_as_strong(struct memory a, struct memory b)
{
	if (a.device != b.device)
		return a.device;
	if (a.device)
		return a.type <= b.type;
	return a.inner <= b.inner && a.outer <= b.outer;
}

static bool the_same(struct memory a, struct memory b)
{
	return at_least_as_strong(a, b) && at_least_as_strong(b, a);
}

/* Four types of Device memory, then nine kinds of Normal. */
static struct memory stage_1(unsigned int n)
{
	if (n < 4)
		return (struct memory){ .device = true, .type = n };
	return (struct memory){ .inner = 1 + (n - 4) % 3, .outer = 1 + (n - 4) / 3 };
}

struct attributes {
	unsigned int memattr, own_type;
	bool guest_fwb, fwb;
};

/* Whether four types can say exactly what the two stages do: see s2_compose.h. */
static bool is_exact(const struct attributes *a)
{
	bool device = a->guest_fwb ? !(a->memattr & 4) : !(a->memattr & 12);

	if (a->fwb && a->own_type == STAGE2_NORMAL)
		return true;
	if (device) /* nGnRnE, nGnRE */
		return (a->memattr & 3) < 2 || a->own_type >= STAGE2_DEVICE;
	if (a->guest_fwb)
		/* Write-Back by force would undo what stage 1 asks for. */
		return (a->memattr & 7) != 6;
	return a->memattr == 0xf || a->memattr == 0x5 || a->memattr == 0x4 ||
	       a->own_type != STAGE2_NORMAL;
}

static unsigned int composed_type(const struct attributes *a)
{
	const struct s2_leaf guest = { .size = SZ_4K,
				       .memattr = (u8)a->memattr,
				       .fwb = a->guest_fwb,
				       .device = a->guest_fwb ? !(a->memattr & 4)
							      : !(a->memattr & 12) };
	const struct stage2_leaf own = { .size = SZ_4K,
					 .attrs = (enum stage2_attrs)a->own_type,
					 .mapped = true };
	const struct s2_shadow_format format = { .granule = GRANULE_4K, .fwb = a->fwb };
	struct s2_composed got;

	assert_int_equal(s2_compose(&format, &guest, &own, IPA(0), &got), 0);
	return got.attrs & STAGE2_MEMTYPE;
}

static void memory_attributes_are_those_of_both_stages_in_a_row_or_stronger(void **state)
{
	for (unsigned int n = 0; n < 16 * 4 * 4; n++) {
		const struct attributes a = { .memattr = n & 15,
					      .own_type = n & 0x30,
					      .guest_fwb = n & 0x40,
					      .fwb = n & 0x80 };
		unsigned int shadow = keel_memattr(composed_type(&a), a.fwb);
		unsigned int own = keel_memattr(a.own_type, a.fwb);

		for (unsigned int k = 0; k < 13; k++) {
			struct memory s1 = stage_1(k);
			struct memory want = stage(stage(s1, a.memattr, a.guest_fwb), own, a.fwb);
			struct memory got = stage(s1, shadow, a.fwb);

			assert_true(at_least_as_strong(got, want));
			if (is_exact(&a))
				assert_true(the_same(got, want));
		}
	}
}

/* PAR_EL1.ATTR (D24.2): Write-Through and Write-Back have two bits for allocation, here @hints. */
static u64 nibble_of(unsigned int kind, unsigned int hints)
{
	static const u8 nibbles[] = { 0, 4, 8, 12 };

	return nibbles[kind] | (kind > 1 ? hints : 0);
}

static u64 par_of(struct memory memory, unsigned int hints, unsigned int sh)
{
	u64 attr = memory.device
			   ? memory.type << 2
			   : nibble_of(memory.outer, hints) << 4 | nibble_of(memory.inner, hints);

	if (memory.device || (memory.inner == 1 && memory.outer == 1))
		sh = 2;
	return attr << 56 | sh << 7 | 0x800 | 0x123000;
}

static unsigned int widest(unsigned int a, unsigned int b)
{
	static const u8 width[] = { 0, 0, 2, 1 }; /* none, reserved, outer, inner */

	return width[a] > width[b] ? a : b;
}

/* What is forced to be Write-Back and was not cacheable has all hints. */
static void at_of_both_stages_tells_the_attributes_of_both(void **state)
{
	static const u8 shareable[] = { 0, 2, 3 };

	for (unsigned int n = 0; n < 32 * 13 * 9 * 4; n++) {
		unsigned int memattr = n & 15, hints = n / (32 * 13 * 9);
		unsigned int sh = shareable[n / (32 * 13) % 3],
			     sh2 = shareable[n / (32 * 13 * 3) % 3];
		bool fwb = n & 16;
		struct memory s1 = stage_1(n / 32 % 13), want = stage(s1, memattr, fwb);
		const struct s2_leaf guest = { .memattr = (u8)memattr,
					       .fwb = fwb,
					       .sh = (u8)sh2,
					       .device = fwb ? !(memattr & 4) : !(memattr & 12) };
		u64 got = s2_compose_par(par_of(s1, hints, sh), &guest);
		bool forced = fwb && (memattr & 7) == 6 &&
			      (s1.device || s1.inner == 1 || s1.outer == 1);

		/* stage 1's shareability is outer where it is not cacheable */
		if (s1.device || (s1.inner == 1 && s1.outer == 1))
			sh = 2;
		if (forced)
			got |= 0x3300000000000000, want.inner = want.outer = 3, hints = 3;
		assert_int_equal(got, par_of(want, hints, widest(sh, sh2)));
	}
}

/* ---- levels ---- */

static void a_tag_tells_the_size_of_the_guests_leaf_whatever_its_level(void **state)
{
	static const struct {
		enum granule granule;
		s8 level;
		u64 one, group;
	} rows[] = {
		{ GRANULE_4K, 1, SZ_1G, 16 * SZ_1G },	     { GRANULE_4K, 2, SZ_2M, 16 * SZ_2M },
		{ GRANULE_4K, 3, SZ_4K, 16 * SZ_4K },	     { GRANULE_16K, 2, 16 * SZ_2M, SZ_1G },
		{ GRANULE_16K, 3, SZ_16K, SZ_2M },	     { GRANULE_64K, 1, 4096 * SZ_1G, 0 },
		{ GRANULE_64K, 2, 256 * SZ_2M, 16 * SZ_1G }, { GRANULE_64K, 3, SZ_64K, SZ_2M },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct pgtable_format fmt = { .granule = rows[i].granule, .oa_bits = 48 };
		unsigned int tag = s2_level_tag(rows[i].level, false);
		struct ipa ipa = IPA(~0ULL);

		assert_int_equal(tag & ~(unsigned int)STAGE2_SW, 0);
		assert_int_equal(s2_tagged_range(&fmt, tag | STAGE2_RWX, &ipa), rows[i].one);
		assert_int_equal(ipa.v, -rows[i].one);
		if (!rows[i].group)
			continue;
		tag = s2_level_tag(rows[i].level, true);
		assert_int_equal(tag & ~(unsigned int)STAGE2_SW, 0);
		assert_int_equal(s2_tagged_range(&fmt, tag, &ipa), rows[i].group);
		assert_int_equal(ipa.v, -rows[i].group);
	}
	for (s8 level = -1; level < 3; level++)
		assert_int_not_equal(s2_level_tag(level, false), 0);
}

static void where_a_shadow_has_no_leaf_a_tlbi_is_for_the_largest_block_of_the_granule(void **state)
{
	static const struct {
		enum granule granule;
		u8 oa_bits;
		u64 size;
	} rows[] = {
		{ GRANULE_4K, 48, SZ_1G },
		{ GRANULE_16K, 48, 16 * SZ_2M },
		{ GRANULE_64K, 48, 256 * SZ_2M },
		{ GRANULE_64K, 52, 4096 * SZ_1G },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct pgtable_format fmt = { .granule = rows[i].granule,
						    .oa_bits = rows[i].oa_bits };
		struct ipa ipa = IPA(3 * rows[i].size + SZ_4K);

		assert_int_equal(s2_tagged_range(&fmt, STAGE2_NONE, &ipa), rows[i].size);
		assert_int_equal(ipa.v, 3 * rows[i].size);
	}
}

static void a_composed_leaf_has_the_tag_of_the_guests_leaf_however_small_it_is_itself(void **state)
{
	const struct pgtable_format fmt = { .granule = GRANULE_4K, .oa_bits = 48 };
	const struct stage2_leaf own = { .size = SZ_4K, .mapped = true };

	for (unsigned int n = 0; n < 6; n++) {
		unsigned int level = 1 + n / 2;
		u64 size = SZ_1G >> 9 * (level - 1);
		struct s2_leaf guest = { .size = size, .level = (s8)level, .memattr = 0xf };
		struct s2_composed got;
		struct ipa ipa = IPA(0);

		guest.contiguous = n % 2;
		guest.size *= guest.contiguous ? 16 : 1;
		assert_int_equal(s2_compose(&format_4k, &guest, &own, IPA(5), &got), 0);
		assert_int_equal(got.size, SZ_4K);
		assert_int_equal(s2_tagged_range(&fmt, got.attrs, &ipa), guest.size);
	}
}

/* ---- a shadow ---- */

/*
 * A guest hypervisor's tables: a root of level 2 with 8 entries, and a table behind each. Its blocks
 * and pages are at random, and their output is in the first GiB of the VM.
 */
#define ROOT	    0x10000ULL
#define TABLE_AT(i) (0x1000000ULL + (u64)(i)*SZ_64K)
#define ROOT_SIZE   8

static u64 guest_root[ROOT_SIZE];
static u64 guest_tables[ROOT_SIZE][SZ_64K / sizeof(u64)];
static enum granule guest_granule;
static u64 own_seed;
static unsigned int leaves_checked, tagged_tlbis, untagged_tlbis;

static int guest_read(u64 address, u64 *raw)
{
	u64 table = (address - TABLE_AT(0)) / SZ_64K;

	if (address >= ROOT && address < ROOT + sizeof(guest_root))
		*raw = guest_root[(address - ROOT) / sizeof(u64)];
	else if (table < ROOT_SIZE)
		*raw = guest_tables[table][address % SZ_64K / sizeof(u64)];
	else
		return -ENXIO;
	return 0;
}

static unsigned int guest_shift(int level)
{
	unsigned int page = 12 + 2 * (unsigned int)guest_granule;

	return level == 3 ? page : page + page - 3;
}

static u64 guest_leaf(u64 type, int level)
{
	u64 oa = align_down(s2_rand64() & (SZ_1G - 1), guest_shift(level));

	/* Mostly readable, and young. */
	return oa | (s2_rand64() & (0xfcULL | 3ULL << 53 | BIT(52))) | (s2_rand(8) ? BIT(6) : 0) |
	       BIT(10) | type;
}

/* Pages that the Contiguous bit joins (D8.7.1). */
static unsigned int guest_group(void)
{
	static const u8 entries[GRANULE_COUNT] = { 16, 128, 32 };

	return entries[guest_granule];
}

/* Of each group of pages, a contiguous one, or pages and holes. */
static void guest_fill_table(unsigned int table)
{
	unsigned int page = guest_shift(3), group = guest_group();
	u64 first = 0;

	for (u64 i = 0; i < BIT(page - 3); i++) {
		u64 desc = s2_rand(4) ? guest_leaf(3, 3) & ~BIT(52) : 0;

		if (i % group == 0)
			first = s2_rand(2) ? guest_leaf(3, 3) & ~((u64)(group - 1) << page) : 0;
		guest_tables[table][i] = first ? (first | BIT(52)) + (i % group << page) : desc;
	}
}

/* One page becomes another, or none; its group is no group any more. */
static void guest_change_page(unsigned int table, u64 entry)
{
	u64 first = entry - entry % guest_group();

	for (u64 i = first; i < first + guest_group(); i++)
		guest_tables[table][i] &= ~BIT(52);
	guest_tables[table][entry] = s2_rand(2) ? guest_leaf(3, 3) & ~BIT(52) : 0;
}

static void guest_change_block(unsigned int index)
{
	guest_root[index] = 0;
	if (s2_rand(8) == 0)
		return;
	guest_root[index] = s2_rand(3) ? TABLE_AT(index) | 3 : guest_leaf(1, 2) & ~BIT(52);
	guest_fill_table(index);
}

static u64 mix(u64 value)
{
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ULL;
	value = (value ^ value >> 27) * 0x94d049bb133111ebULL;
	return value ^ value >> 31;
}

static unsigned int random_own_attrs(u64 hash)
{
	unsigned int attrs = (unsigned int)(hash & (STAGE2_RWX | STAGE2_MEMTYPE));

	if ((attrs & STAGE2_MEMTYPE) >= STAGE2_DEVICE)
		attrs &= ~(unsigned int)STAGE2_X;
	return attrs;
}

/* The VM's own stage 2: for each block of the shadow's granule a hole, a block or pages. */
static void own_lookup(const struct stage2 *shadow, u64 address, struct stage2_leaf *own)
{
	unsigned int page = granule_shift(shadow->geometry.granule), block = page + page - 3;
	u64 of_block = mix(own_seed + (address >> block));
	unsigned int shift = of_block % 4 == 1 ? block : page;
	u64 hash = mix(own_seed ^ (address >> shift));

	*own = (struct stage2_leaf){ .ipa = IPA(align_down(address, shift)), .size = BIT(shift) };
	own->mapped = of_block % 4 && (shift == block || hash >> 40 & 7);
	own->pa = PA(align_down(hash & GENMASK(44, 0), shift));
	own->attrs = (enum stage2_attrs)random_own_attrs(hash);
}

static const struct mmu_caps promised = {
	.pa_bits = 48,
	.vmid_bits = 16,
	.s2_granule = { true, true, true },
	.small_tables = true,
	.fwb = true,
	.xnx = true,
};

static struct s2_walk_regs guest_regs(void)
{
	static const u64 tg0[] = { 0, 2, 1 }, sl0[] = { 0, 1, 1 };
	u64 ia = guest_shift(2) + 3;

	return (struct s2_walk_regs){ .vtcr_el2 = tg0[guest_granule] << 14 |
						  sl0[guest_granule] << 6 | 5 << 16 | (64 - ia),
				      .vttbr_el2 = ROOT };
}

/* What both translations say, by the second walker. False where there is none. */
static bool shadow_product(const struct stage2 *shadow, u64 ipa, u64 *pa, unsigned int *perm)
{
	const struct s2_walk_regs regs = guest_regs();
	struct stage2_leaf own;
	struct model_walk walk;
	u64 middle;

	model_s2_walk(&regs, &promised, ipa, (struct s2_access){ 0 }, guest_read, &walk);
	if (walk.end != S2_WALK_LEAF && (walk.fsc & 0x3c) != 0x0c)
		return false;
	middle = ipa - walk.leaf.ipa.v + walk.leaf.oa.v;
	own_lookup(shadow, middle, &own);
	*pa = middle - own.ipa.v + own.pa.v;
	*perm = walk.leaf.perm & own.attrs & STAGE2_RWX;
	return own.mapped;
}

static int read_for_walk(void *ctx, struct ipa ipa, u64 *raw)
{
	return guest_read(ipa.v, raw);
}

/* What a fault of the nested guest does: walk, look up, combine, map. */
static void shadow_fault(struct stage2 *shadow, u64 ipa)
{
	const struct s2_shadow_format format = { .granule = shadow->geometry.granule,
						 .fwb = shadow->fwb,
						 .xnx = shadow->xnx };
	const struct s2_walk_memory memory = { .read = read_for_walk };
	const struct s2_walk_regs regs = guest_regs();
	struct s2_walk_result walk;
	struct s2_tables tables;
	struct s2_composed got;
	struct stage2_leaf own;

	s2_tables_decode(&tables, &regs, &promised);
	s2_walk(&tables, IPA(ipa), (struct s2_access){ .kind = S2_READ }, &memory, &walk);
	if (walk.end != S2_WALK_LEAF)
		return;
	own_lookup(shadow, ipa - walk.leaf.ipa.v + walk.leaf.oa.v, &own);
	if (!own.mapped)
		return;
	assert_int_equal(s2_compose(&format, &walk.leaf, &own, IPA(ipa), &got), 0);
	assert_int_equal(stage2_map(shadow, got.ipa, got.pa, got.size, got.attrs), 0);
}

static int check_shadow_leaf(void *arg, const struct stage2_leaf *leaf)
{
	struct stage2 *shadow = arg;
	u64 step = MAX(leaf->size / 8, stage2_granule(shadow));

	if (!leaf->mapped)
		return 0;
	leaves_checked++;
	for (u64 offset = 0; offset < leaf->size; offset += step) {
		unsigned int perm = 0;
		u64 pa = 0;

		assert_true(shadow_product(shadow, leaf->ipa.v + offset, &pa, &perm));
		assert_int_equal(leaf->pa.v + offset, pa);
		assert_int_equal(leaf->attrs & STAGE2_RWX, perm);
	}
	return 0;
}

static void check_shadow(struct stage2 *shadow)
{
	assert_int_equal(stage2_walk(shadow, IPA(0), 8 * BIT(guest_shift(2)), check_shadow_leaf,
				     shadow, NULL),
			 0);
}

/* A TLBI by IPA, without a level hint: at any address of what has changed. */
static void shadow_tlbi(struct stage2 *shadow, u64 address)
{
	const struct s2_walk_regs regs = guest_regs();
	struct ipa ipa = IPA(address);
	struct s2_tables tables;
	struct stage2_leaf leaf;
	u64 size, end;

	s2_tables_decode(&tables, &regs, &promised);
	if (stage2_lookup(shadow, ipa, &leaf)) {
		leaf.attrs = STAGE2_NONE;
		untagged_tlbis++;
	} else {
		tagged_tlbis++;
	}
	size = s2_tagged_range(&tables.fmt, leaf.attrs, &ipa);
	end = MIN(ipa.v + size, stage2_size(shadow));
	assert_int_equal(stage2_unmap(shadow, ipa, end - ipa.v, NULL), 0);
}

/* Change a page, which the shadow mostly has, and tell it as a guest hypervisor would. */
static void shadow_change_page(struct stage2 *shadow, unsigned int index)
{
	unsigned int page = guest_shift(3), block = guest_shift(2);
	u64 entry = s2_rand64() & (BIT(block - page) - 1);
	u64 ipa = ((u64)index << block) + (entry << page);

	if (s2_rand(4))
		shadow_fault(shadow, ipa);
	guest_change_page(index, entry);
	shadow_tlbi(shadow, ipa);
}

/* Another table, or a block: one TLBI for each leaf that there was. */
static void shadow_change_block(struct stage2 *shadow, unsigned int index)
{
	unsigned int page = guest_shift(3), block = guest_shift(2);
	u64 base = (u64)index << block, any = s2_rand64() & (BIT(block) - 1);
	bool table = (guest_root[index] & 3) == 3;

	if (!table && s2_rand(4))
		shadow_fault(shadow, base + any);
	guest_change_block(index);
	if (!table)
		shadow_tlbi(shadow, base + any);
	for (u64 i = 0; table && i < BIT(block - page); i++)
		shadow_tlbi(shadow, base + (i << page));
}

static void shadow_change(struct stage2 *shadow)
{
	unsigned int index = s2_rand(ROOT_SIZE);

	if ((guest_root[index] & 3) == 3 && s2_rand(8))
		shadow_change_page(shadow, index);
	else
		shadow_change_block(shadow, index);
}

static void run_shadow(enum granule guest, enum granule own, bool fwb)
{
	const struct mmu_caps caps = world_caps();
	struct world w;

	guest_granule = guest;
	world_start(&w, &caps, own, guest_shift(2) + 3, fwb);
	own_seed = s2_rand64();
	for (unsigned int i = 0; i < ROOT_SIZE; i++)
		guest_change_block(i);
	for (unsigned int round = 0; round < 30; round++) {
		for (unsigned int i = 0; i < 100; i++)
			shadow_fault(&w.s2, s2_rand64() & (8 * BIT(guest_shift(2)) - 1));
		check_shadow(&w.s2);
		shadow_change(&w.s2);
		check_shadow(&w.s2);
	}
	assert_int_equal(stage2_unmap(&w.s2, IPA(0), stage2_size(&w.s2), NULL), 0);
	world_end(&w);
}

static void a_shadow_has_nothing_but_the_product_whatever_the_guest_hypervisor_changes(void **state)
{
	for (unsigned int own = 0; own < GRANULE_COUNT; own++)
		for (unsigned int guest = own; guest < GRANULE_COUNT; guest++)
			for (unsigned int fwb = 0; fwb < 2; fwb++)
				run_shadow((enum granule)guest, (enum granule)own, fwb);
	/* The shadows had leaves, and TLBIs met them and met holes. */
	assert_true(leaves_checked > 10000 && tagged_tlbis > 100 && untagged_tlbis > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_leaf_translates_as_the_two_stages_in_a_row_and_is_as_large_as_the_smaller),
		cmocka_unit_test(the_last_page_of_all_address_spaces_is_a_page_like_others),
		cmocka_unit_test(what_does_not_fit_together_is_refused),
		cmocka_unit_test(a_guests_page_smaller_than_the_shadows_is_refused),
		cmocka_unit_test(a_permission_is_there_where_both_have_it_and_nowhere_else),
		cmocka_unit_test(memory_attributes_are_those_of_both_stages_in_a_row_or_stronger),
		cmocka_unit_test(at_of_both_stages_tells_the_attributes_of_both),
		cmocka_unit_test(a_tag_tells_the_size_of_the_guests_leaf_whatever_its_level),
		cmocka_unit_test(
			a_composed_leaf_has_the_tag_of_the_guests_leaf_however_small_it_is_itself),
		cmocka_unit_test(
			where_a_shadow_has_no_leaf_a_tlbi_is_for_the_largest_block_of_the_granule),
		cmocka_unit_test(
			a_shadow_has_nothing_but_the_product_whatever_the_guest_hypervisor_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
