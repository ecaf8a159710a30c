// SPDX-License-Identifier: BSD-2-Clause
/* A strict model of TLBs: see fake_tlb.h. Section numbers are of ARM DDI 0487. */
#include <arch/barrier.h>
#include <arch/fake_mem.h>
#include <arch/fake_tlb.h>
#include <arch/percpu.h>
#include <arch/pte.h>
#include <arch/tlb.h>
#include <cpu/percpu.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_REGIMES 16
#define MAX_ENTRIES 131072
#define ALL_CPUS    ((1U << FAKE_CPUS) - 1)

/* What some TLBs may hold. */
struct entry {
	int regime;
	u64 ia, size;
	int level;
	u64 desc;
	u64 oa;	   /* of ia */
	bool walk; /* a table descriptor */
	int table; /* the arena's page that it points to, for those */
	/* CPUs that may hold it as a stage-2 (or EL2) entry, and as part of a combined one. */
	u8 plain, combined;
	/* A TLBI for it was issued and is not complete. */
	u8 plain_going, combined_going;
	/* The same, and a DSB came back too early. */
	u8 plain_late, combined_late;
	/* The change after which it is stale has been published: a TLBI has an effect. */
	bool published;
};

/* Where a page of the arena is linked. */
struct place {
	bool linked;
	int regime;
	int level;
	u64 ia; /* what its first descriptor covers */
};

static struct {
	struct fake_regime regimes[MAX_REGIMES];
	bool known[MAX_REGIMES];
	struct place places[FAKE_MEM_MAX_PAGES];
	struct entry entries[MAX_ENTRIES];
	unsigned int n;
	u16 at[65536]; /* entries by a hash of where they begin: 0 is a quick no */
	unsigned int cpu;
	u64 vttbr, vtcr;
	bool early_dsb, speculative_at; /* errata */
	unsigned int broadcasts;	/* since the last DSB */
	bool unpublished;
	unsigned int by_address, all;
	unsigned int race_percent;
	void (*dirtied)(int regime, u64 ia, u64 size);
	bool expecting;
	char message[256];
	u64 seed;
} t;

/* ---- odds and ends ---- */

void fake_violation(const char *fmt, ...)
{
	char text[sizeof(t.message)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!t.expecting) {
		fprintf(stderr, "MMU violation: %s\n", text);
		abort();
	}
	if (!t.message[0])
		memcpy(t.message, text, sizeof(text));
}

void fake_expect_violation(void)
{
	t.expecting = true;
	t.message[0] = 0;
}

const char *fake_expected_violation(void)
{
	t.expecting = false;
	return t.message[0] ? t.message : NULL;
}

void fake_srand(u64 seed)
{
	t.seed = seed * 2 + 1;
}

/* xorshift64*, so that a seed means the same on every machine. */
u32 fake_rand(u32 n)
{
	t.seed ^= t.seed >> 12;
	t.seed ^= t.seed << 25;
	t.seed ^= t.seed >> 27;
	return (u32)((t.seed * 0x2545F4914F6CDD1DULL) >> 32) % n;
}

void fake_tlb_reset(void)
{
	memset(t.known, 0, sizeof(t.known));
	memset(t.places, 0, sizeof(t.places));
	t.n = t.cpu = 0;
	memset(t.at, 0, sizeof(t.at));
	t.vttbr = t.vtcr = 0;
	t.early_dsb = t.speculative_at = false;
	t.broadcasts = 0;
	t.unpublished = false;
	t.by_address = t.all = 0;
	t.race_percent = 0;
	t.dirtied = NULL;
	t.expecting = false;
	if (!t.seed)
		fake_srand(1);
}

void fake_tlb_set_cpu(unsigned int cpu)
{
	t.cpu = cpu;
}

unsigned int fake_tlb_entries(void)
{
	return t.n;
}

unsigned int fake_tlbi_by_address(void)
{
	return t.by_address;
}

unsigned int fake_tlbi_all(void)
{
	return t.all;
}

void fake_tlb_race(unsigned int percent, void (*dirtied)(int regime, u64 ia, u64 size))
{
	t.race_percent = percent;
	t.dirtied = dirtied;
}

/* ---- the walker, from D8.2 and D8.3 ---- */

#define BITS(x, hi, lo) (((x) >> (lo)) & ((1ULL << ((hi) - (lo) + 1)) - 1))

static const struct {
	unsigned int page_bits, level_bits;
	/* Tables D8-48 and following: highest level of a block, with 48- and with 52-bit output. */
	int block_48, block_52;
	unsigned int contig[4];
} grains[GRANULE_COUNT] = {
	[GRANULE_4K] = { 12, 9, 1, 0, { 0, 16, 16, 16 } },
	[GRANULE_16K] = { 14, 11, 2, 1, { 0, 0, 32, 128 } },
	[GRANULE_64K] = { 16, 13, 2, 1, { 0, 0, 32, 32 } },
};

static unsigned int low_bit(const struct fake_regime *r, int level)
{
	return grains[r->granule].page_bits +
	       (unsigned int)(3 - level) * grains[r->granule].level_bits;
}

static bool is_valid(u64 desc)
{
	return desc & 1;
}

static bool is_table(u64 desc, int level)
{
	return level < 3 && (desc & 3) == 3;
}

/* D8.3: where output address bits are. */
static u64 output(const struct fake_regime *r, u64 desc)
{
	if (r->ds && r->granule == GRANULE_4K)
		return BITS(desc, 9, 8) << 50 | BITS(desc, 49, 12) << 12;
	if (r->ds)
		return BITS(desc, 9, 8) << 50 | BITS(desc, 49, 14) << 14;
	if (r->granule == GRANULE_64K && r->oa_bits == 52)
		return BITS(desc, 15, 12) << 48 | BITS(desc, 47, 16) << 16;
	if (r->granule == GRANULE_64K)
		return BITS(desc, 47, 16) << 16;
	if (r->granule == GRANULE_16K)
		return BITS(desc, 47, 14) << 14;
	return BITS(desc, 47, 12) << 12;
}

static void check_desc(const struct fake_regime *r, u64 desc, int level, u64 ia)
{
	int highest = r->oa_bits == 52 ? grains[r->granule].block_52 : grains[r->granule].block_48;
	u64 oa = output(r, desc);

	if (level == 3 && !(desc & 2))
		fake_violation("reserved descriptor %#llx at level 3 for %#llx",
			       (unsigned long long)desc, (unsigned long long)ia);
	if (level < 3 && !(desc & 2) && level < highest)
		fake_violation("block %#llx at level %d, where there is none",
			       (unsigned long long)desc, level);
	if (!is_table(desc, level) && oa & ((1ULL << low_bit(r, level)) - 1))
		fake_violation("block %#llx at level %d with address bits below its size",
			       (unsigned long long)desc, level);
	if (oa >> r->oa_bits)
		fake_violation("descriptor %#llx: output wider than %d bits",
			       (unsigned long long)desc, r->oa_bits);
	if (!r->ds && BITS(desc, 49, 48))
		fake_violation("descriptor %#llx: RES0 bits 49:48", (unsigned long long)desc);
	if (!r->ds && r->granule == GRANULE_64K && r->oa_bits < 52 && BITS(desc, 15, 12))
		fake_violation("descriptor %#llx: RES0 bits 15:12", (unsigned long long)desc);
}

struct found {
	u64 *where; /* the descriptor */
	u64 desc;
	int level;
};

/* The descriptor that ends the walk for @ia. */
static struct found walk(const struct fake_regime *r, u64 ia)
{
	u64 *table = r->root;
	int level = r->start_level;
	u64 index = ia >> low_bit(r, level);

	for (;;) {
		struct found f = { table + index, table[index], level };

		if (is_valid(f.desc))
			check_desc(r, f.desc, level, ia);
		if (!is_table(f.desc, level))
			return f;
		table = fake_mem_from_pa(NULL, PA(output(r, f.desc)));
		if (!table) {
			fake_violation("table descriptor %#llx leads nowhere",
				       (unsigned long long)f.desc);
			f.desc = 0;
			return f;
		}
		level++;
		index = BITS(ia, low_bit(r, level) + grains[r->granule].level_bits - 1,
			     low_bit(r, level));
	}
}

enum fake_outcome fake_walk(int regime, u64 ia, u64 *pa, u64 *desc, int *level)
{
	const struct fake_regime *r = &t.regimes[regime];
	struct found f = walk(r, ia);

	if (level)
		*level = f.level;
	if (desc)
		*desc = f.desc;
	if (!is_valid(f.desc))
		return FAKE_TRANSLATION;
	if (pa)
		*pa = output(r, f.desc) + (ia & ((1ULL << low_bit(r, f.level)) - 1));
	return (f.desc & BIT(10)) ? FAKE_OK : FAKE_ACCESS_FLAG;
}

/* ---- entries ---- */

/* Bits that may not change without break-before-make: memory type and shareability. */
static u64 type_bits(const struct fake_regime *r)
{
	return BIT(2) | BIT(3) | BIT(4) | BIT(5) | (r->ds ? 0 : BIT(8) | BIT(9));
}

/* Permissions but for write, which hardware may add. */
static u64 permission_bits(const struct fake_regime *r)
{
	if (r->el2)
		return BIT(6) | BIT(7) | BIT(53) | BIT(54);
	return BIT(6) | BIT(53) | BIT(54);
}

static bool overlap(u64 a, u64 a_size, u64 b, u64 b_size)
{
	return a < b + b_size && b < a + a_size;
}

static u64 group_size(const struct fake_regime *r, u64 desc, int level)
{
	u64 n = (desc & BIT(52)) && level > 0 ? grains[r->granule].contig[level] : 1;

	return (n ? n : 1) << low_bit(r, level);
}

static u16 hash(u64 ia)
{
	return (u16)(ia >> 12 ^ ia >> 28 ^ ia >> 44);
}

/* D8.7.1: a contiguous group's output is as aligned as its input, and its members continue. */
static void check_group(const struct fake_regime *r, const u64 *ptep, u64 desc, int level, u64 ia)
{
	u64 group = group_size(r, desc, level);
	const u64 *self = ptep;

	if (is_table(desc, level) || !(desc & BIT(52)))
		return;
	if (group == 1ULL << low_bit(r, level))
		fake_violation("descriptor %#llx: Contiguous at level %d, where it is not",
			       (unsigned long long)desc, level);
	if ((output(r, desc) ^ ia) & (group - 1))
		fake_violation("descriptor %#llx for %#llx: a misaligned contiguous group",
			       (unsigned long long)desc, (unsigned long long)ia);
	ptep -= (ia & (group - 1)) >> low_bit(r, level);
	for (u64 i = 0; i < group >> low_bit(r, level); i++) {
		u64 want = (output(r, desc) & ~(group - 1)) + (i << low_bit(r, level));

		if (is_valid(ptep[i]) && ptep[i] & BIT(52) && ptep + i != self &&
		    output(r, ptep[i]) != want)
			fake_violation("descriptor %#llx for %#llx: others of its contiguous group "
				       "lead elsewhere",
				       (unsigned long long)desc, (unsigned long long)ia);
	}
}

static void drop(unsigned int i)
{
	t.at[hash(t.entries[i].ia)]--;
	t.entries[i] = t.entries[--t.n];
}

static bool same_entry(const struct entry *a, const struct entry *b)
{
	return a->regime == b->regime && a->ia == b->ia && a->size == b->size &&
	       a->level == b->level && a->walk == b->walk && a->table == b->table &&
	       a->desc == b->desc && a->oa == b->oa;
}

static void remember(struct entry e)
{
	for (unsigned int i = 0; i < t.n && t.at[hash(e.ia)]; i++) {
		struct entry *old = &t.entries[i];

		if (!same_entry(old, &e))
			continue;
		old->plain |= e.plain;
		old->combined |= e.combined;
		old->published = old->published && e.published;
		if (!e.published)
			old->plain_going = old->combined_going = old->plain_late =
				old->combined_late = 0;
		return;
	}
	if (t.n == MAX_ENTRIES) {
		fprintf(stderr, "fake TLB: more than %d entries\n", MAX_ENTRIES);
		abort();
	}
	t.at[hash(e.ia)]++;
	t.entries[t.n++] = e;
}

/* A leaf as CPUs may hold it: by itself, and if contiguous as the whole group. */
static void remember_leaf(int regime, u64 ia, int level, u64 desc, u8 cpus, bool published)
{
	const struct fake_regime *r = &t.regimes[regime];
	struct entry e = {
		.regime = regime,
		.ia = ia,
		.size = 1ULL << low_bit(r, level),
		.level = level,
		.desc = desc & ~BIT(10),
		.oa = output(r, desc),
		.plain = cpus,
		.combined = r->el2 ? 0 : cpus,
		.published = published,
	};
	u64 group = group_size(r, desc, level);

	remember(e);
	if (group > e.size) {
		e.ia = ia & ~(group - 1);
		e.oa -= ia - e.ia;
		e.size = group;
		remember(e);
	}
}

static void remember_table(int regime, u64 ia, int level, u64 desc)
{
	const struct fake_regime *r = &t.regimes[regime];
	void *table = fake_mem_from_pa(NULL, PA(output(r, desc)));

	remember((struct entry){
		.regime = regime,
		.ia = ia,
		.size = 1ULL << low_bit(r, level),
		.level = level,
		.desc = desc,
		.walk = true,
		.table = fake_mem_page(table),
		.plain = ALL_CPUS,
	});
}

/* May a TLB load the leaf? Not while its access flag is clear, but hardware can set that (D8.5). */
static bool may_be_cached(const struct fake_regime *r, u64 desc)
{
	return r->ha || (desc & BIT(10));
}

/* All that is valid in the table that @desc, at @level, points to. */
static void remember_below(int regime, u64 ia, int level, u64 desc)
{
	const struct fake_regime *r = &t.regimes[regime];
	const u64 *table = fake_mem_from_pa(NULL, PA(output(r, desc)));
	u64 size = 1ULL << low_bit(r, level + 1);

	for (u64 i = 0; table && i < 1ULL << grains[r->granule].level_bits; i++) {
		if (is_table(table[i], level + 1)) {
			remember_table(regime, ia + i * size, level + 1, table[i]);
			remember_below(regime, ia + i * size, level + 1, table[i]);
		} else if (is_valid(table[i]) && may_be_cached(r, table[i])) {
			remember_leaf(regime, ia + i * size, level + 1, table[i], ALL_CPUS, false);
		}
	}
}

/* ---- break-before-make ---- */

static void bad_make(const struct entry *e, u64 ia, u64 desc, const char *what)
{
	fake_violation("break-before-make: %#llx becomes %#llx while a TLB may hold %#llx "
		       "(level %d, %#llx bytes at %#llx): other %s",
		       (unsigned long long)ia, (unsigned long long)desc,
		       (unsigned long long)e->desc, e->level, (unsigned long long)e->size,
		       (unsigned long long)e->ia, what);
}

/* A leaf becomes valid; does it contradict what a TLB may hold? */
static void check_make(int regime, u64 ia, int level, u64 desc)
{
	const struct fake_regime *r = &t.regimes[regime];
	u64 size = 1ULL << low_bit(r, level);

	for (unsigned int i = 0; i < t.n; i++) {
		const struct entry *e = &t.entries[i];
		bool same_size = e->level == level && !((e->desc ^ desc) & BIT(52));

		if (e->regime != regime || !overlap(ia, size, e->ia, e->size))
			continue;
		/* A table cached at or above this level is how walks get here, or end below. */
		if (e->walk && e->level < level)
			continue;
		if (e->walk) {
			if (r->bbm_level < 2)
				bad_make(e, ia, desc, "size (a table)");
			continue;
		}
		if (e->oa - e->ia != output(r, desc) - ia)
			bad_make(e, ia, desc, "output address");
		else if ((e->desc ^ desc) & type_bits(r))
			bad_make(e, ia, desc, "memory type");
		else if (!same_size && r->bbm_level < 2)
			bad_make(e, ia, desc, "size");
	}
}

static void check_make_table(int regime, u64 ia, int level, u64 desc);

static void check_make_below(int regime, u64 ia, int level, u64 desc)
{
	const struct fake_regime *r = &t.regimes[regime];
	const u64 *table = fake_mem_from_pa(NULL, PA(output(r, desc)));
	u64 size = 1ULL << low_bit(r, level + 1);

	for (u64 i = 0; table && i < 1ULL << grains[r->granule].level_bits; i++) {
		if (is_table(table[i], level + 1))
			check_make_table(regime, ia + i * size, level + 1, table[i]);
		else if (is_valid(table[i]))
			check_make(regime, ia + i * size, level + 1, table[i]);
	}
}

static void check_make_table(int regime, u64 ia, int level, u64 desc)
{
	const struct fake_regime *r = &t.regimes[regime];
	u64 size = 1ULL << low_bit(r, level);

	for (unsigned int i = 0; i < t.n; i++) {
		const struct entry *e = &t.entries[i];

		if (e->regime != regime || !overlap(ia, size, e->ia, e->size))
			continue;
		if (e->walk && e->level == level && output(r, e->desc) != output(r, desc))
			bad_make(e, ia, desc, "table");
		if (!e->walk && e->level <= level && r->bbm_level < 2)
			bad_make(e, ia, desc, "size");
	}
	check_make_below(regime, ia, level, desc);
}

/* ---- descriptor stores ---- */

static void link_table(int regime, u64 ia, int level, u64 desc, bool linked)
{
	const struct fake_regime *r = &t.regimes[regime];
	u64 *table = fake_mem_from_pa(NULL, PA(output(r, desc)));
	int page = fake_mem_page(table);
	u64 size = 1ULL << low_bit(r, level + 1);

	if (!table || page < 0) {
		fake_violation("table descriptor %#llx leads nowhere", (unsigned long long)desc);
		return;
	}
	if (linked && t.places[page].linked)
		fake_violation("table descriptor %#llx: the table is linked elsewhere",
			       (unsigned long long)desc);
	t.places[page] = (struct place){
		.linked = linked,
		.regime = regime,
		.level = level + 1,
		.ia = ia,
	};
	for (u64 i = 0; i < 1ULL << grains[r->granule].level_bits; i++) {
		if (is_table(table[i], level + 1))
			link_table(regime, ia + i * size, level + 1, table[i], linked);
	}
}

/* A valid descriptor is about to change: any TLB may have it as it was. */
static void forget_later(int regime, u64 ia, int level, u64 old)
{
	const struct fake_regime *r = &t.regimes[regime];
	u64 size = 1ULL << low_bit(r, level);

	/* What TLBs have of it could be loaded once more until the change is published. */
	for (unsigned int i = 0; i < t.n; i++) {
		struct entry *e = &t.entries[i];

		if (e->regime == regime && overlap(ia, size, e->ia, e->size)) {
			e->published = false;
			e->plain_going = e->combined_going = 0;
			e->plain_late = e->combined_late = 0;
		}
	}
	if (is_table(old, level)) {
		remember_table(regime, ia, level, old);
		remember_below(regime, ia, level, old);
	} else if (may_be_cached(r, old)) {
		remember_leaf(regime, ia, level, old, ALL_CPUS, false);
	}
}

static void check_store(u64 *ptep, u64 old, u64 new, bool atomic)
{
	int page = fake_mem_page(ptep);
	const struct place *p = page < 0 ? NULL : &t.places[page];
	const struct fake_regime *r;
	u64 ia;

	if (!p || !p->linked || old == new)
		return;
	r = &t.regimes[p->regime];
	ia = p->ia + ((u64)(ptep - (u64 *)fake_mem_page_ptr(page)) << low_bit(r, p->level));
	if (is_valid(old) && !is_table(old, p->level) && !atomic)
		fake_violation("plain store over the valid leaf %#llx for %#llx",
			       (unsigned long long)old, (unsigned long long)ia);
	if (is_valid(old))
		forget_later(p->regime, ia, p->level, old);
	if (is_table(old, p->level))
		link_table(p->regime, ia, p->level, old, false);
	if (!is_valid(new))
		return;
	t.unpublished = true;
	check_desc(r, new, p->level, ia);
	check_group(r, ptep, new, p->level, ia);
	if (is_table(new, p->level)) {
		check_make_table(p->regime, ia, p->level, new);
		link_table(p->regime, ia, p->level, new, true);
	} else {
		check_make(p->regime, ia, p->level, new);
	}
}

u64 pte_read(const u64 *ptep)
{
	return *ptep;
}

void pte_write(u64 *ptep, u64 pte)
{
	check_store(ptep, *ptep, pte, false);
	*ptep = pte;
}

/* Hardware comes between: it sets the access flag, or a CPU writes. */
static void race(u64 *ptep)
{
	int page = fake_mem_page(ptep);
	const struct place *p = page < 0 ? NULL : &t.places[page];
	const struct fake_regime *r;
	u64 ia;

	if (!p || !p->linked || fake_rand(100) >= t.race_percent)
		return;
	r = &t.regimes[p->regime];
	if (!is_valid(*ptep) || is_table(*ptep, p->level) || !r->ha)
		return;
	*ptep |= BIT(10);
	if (!r->hd || r->el2 || !(*ptep & BIT(51)))
		return;
	*ptep |= BIT(7);
	ia = p->ia + ((u64)(ptep - (u64 *)fake_mem_page_ptr(page)) << low_bit(r, p->level));
	if (t.dirtied)
		t.dirtied(p->regime, ia, 1ULL << low_bit(r, p->level));
}

bool pte_cmpxchg(u64 *ptep, u64 *old, u64 pte)
{
	race(ptep);
	if (*ptep != *old) {
		*old = *ptep;
		return false;
	}
	check_store(ptep, *old, pte, true);
	*ptep = pte;
	return true;
}

/* ---- regimes ---- */

static u64 root_entries(const struct fake_regime *r)
{
	return 1ULL << (r->ia_bits - low_bit(r, r->start_level));
}

/* Note (or forget) the pages of the root, which may be several or less than one. */
static void place_root(int regime, bool linked)
{
	const struct fake_regime *r = &t.regimes[regime];
	u64 per_page = 1ULL << grains[r->granule].level_bits;

	for (u64 i = 0; i < root_entries(r); i += per_page) {
		t.places[fake_mem_page(r->root + i)] = (struct place){
			.linked = linked,
			.regime = regime,
			.level = r->start_level,
			.ia = i << low_bit(r, r->start_level),
		};
	}
}

int fake_tlb_add(const struct fake_regime *regime)
{
	for (int i = 0; i < MAX_REGIMES; i++) {
		if (t.known[i])
			continue;
		t.known[i] = true;
		t.regimes[i] = *regime;
		place_root(i, true);
		return i;
	}
	abort();
}

void fake_tlb_remove(int regime)
{
	for (unsigned int i = 0; i < t.n; i++) {
		if (t.entries[i].regime == regime)
			fake_violation("a TLB may hold %#llx of an address space that is gone",
				       (unsigned long long)t.entries[i].ia);
	}
	place_root(regime, false);
	t.known[regime] = false;
}

void fake_tlb_table_freed(int page)
{
	struct place *p = &t.places[page];

	if (p->linked)
		fake_violation("a table is freed that is linked at %#llx",
			       (unsigned long long)p->ia);
	for (unsigned int i = 0; i < t.n; i++) {
		if (t.entries[i].walk && t.entries[i].table == page)
			fake_violation("a table is freed that a TLB may still walk in, for %#llx",
				       (unsigned long long)t.entries[i].ia);
	}
	memset(p, 0, sizeof(*p));
}

/* ---- accesses ---- */

static u64 translate(const struct entry *e, u64 ia)
{
	return e->oa + (ia - e->ia);
}

static bool writable(const struct fake_regime *r, u64 desc)
{
	return (desc & BIT(7)) || (r->hd && (desc & BIT(51)));
}

/* A leaf's descriptor with the dirty state of its contiguous group, which may be noted anywhere. */
static u64 with_group_state(const struct fake_regime *r, const struct found *f, u64 ia)
{
	u64 size = 1ULL << low_bit(r, f->level);
	u64 n = group_size(r, f->desc, f->level) / size;
	const u64 *first = f->where - ((ia / size) & (n - 1));
	u64 desc = f->desc;

	for (u64 i = 0; i < n && r->hd && !r->el2 && (desc & BIT(51)); i++)
		desc |= first[i] & BIT(7);
	return desc;
}

/* Does what @e says of @ia agree with what the tables say? NULL if so, else what does not. */
static const char *disagreement(const struct entry *e, u64 ia)
{
	const struct fake_regime *r = &t.regimes[e->regime];
	struct found f = walk(r, ia);
	u64 base = ia & ~((1ULL << low_bit(r, f.level)) - 1);

	if (e->walk)
		return t.places[e->table].linked && t.places[e->table].ia == e->ia ? NULL : "table";
	if (!is_valid(f.desc))
		return "validity";
	if (translate(e, ia) != output(r, f.desc) + (ia - base))
		return "output address";
	if (f.level != e->level || ((f.desc ^ e->desc) & BIT(52)))
		return "size";
	if ((f.desc ^ e->desc) & type_bits(r))
		return "memory type";
	if ((f.desc ^ e->desc) & permission_bits(r))
		return "permissions";
	if (r->el2)
		return NULL;
	f.desc = with_group_state(r, &f, ia);
	/* Stage-2 write permission: what hardware can make of a clean leaf is the same. */
	if ((e->desc & BIT(7)) && !(f.desc & BIT(7)))
		return "write permission (write-protected, or cleaned)";
	if (writable(r, e->desc) && !writable(r, f.desc))
		return "write permission (write-protected)";
	if (!writable(r, e->desc) && writable(r, f.desc))
		return "write permission (granted)";
	return NULL;
}

static void check_use(const struct entry *e, u64 ia)
{
	const char *what = disagreement(e, ia);

	if (what)
		fake_violation(
			"stale TLB entry: %#llx has %#llx in a TLB; the tables have another %s",
			(unsigned long long)ia, (unsigned long long)e->desc, what);
}

/* Hardware's update on the way of a write: in a contiguous group it may
 * hit any of them (D8.5.2). */
static void note_write(const struct fake_regime *r, struct found *f, u64 ia)
{
	u64 size = 1ULL << low_bit(r, f->level);
	u64 n = group_size(r, f->desc, f->level) / size;
	u64 index = (ia / size) & (n - 1);
	u64 *any = f->where - index + fake_rand((u32)n);

	if (!(*f->where & BIT(7)))
		*any |= BIT(7);
}

static bool permits(const struct fake_regime *r, const struct found *f, enum fake_access access)
{
	if (r->el2)
		return access == FAKE_READ ||
		       (access == FAKE_WRITE ? !(f->desc & BIT(7)) : !(f->desc & BIT(54)));
	if (access == FAKE_WRITE)
		return (f->desc & BIT(7)) || (r->hd && (f->desc & BIT(51)));
	if (access == FAKE_READ)
		return f->desc & BIT(6);
	return !(f->desc & BIT(54)) == !(f->desc & BIT(53));
}

enum fake_outcome fake_tlb_access(unsigned int cpu, int regime, u64 ia, enum fake_access access,
				  u64 *pa)
{
	const struct fake_regime *r = &t.regimes[regime];
	struct found f = walk(r, ia);
	u64 base = ia & ~((1ULL << low_bit(r, f.level)) - 1);

	for (unsigned int i = 0; i < t.n; i++) {
		const struct entry *e = &t.entries[i];

		if (e->regime == regime && ((e->plain | e->combined) & (1U << cpu)) &&
		    overlap(e->ia, e->size, ia, 1))
			check_use(e, ia);
	}
	if (!is_valid(f.desc))
		return FAKE_TRANSLATION;
	if (!(f.desc & BIT(10)) && !r->ha)
		return FAKE_ACCESS_FLAG;
	*f.where |= BIT(10);
	if (!permits(r, &f, access))
		return FAKE_PERMISSION;
	if (access == FAKE_WRITE && !r->el2)
		note_write(r, &f, ia);
	remember_leaf(regime, base, f.level, *f.where, (u8)(1U << cpu), true);
	*pa = output(r, f.desc) + (ia - base);
	return FAKE_OK;
}

void fake_tlb_check(const char *where)
{
	if (t.unpublished)
		fake_violation("after %s: a descriptor was written without a DSB behind it", where);
	for (unsigned int i = 0; i < t.n; i++) {
		const struct entry *e = &t.entries[i];
		const char *what = disagreement(e, e->ia);

		if (!what)
			what = disagreement(e, e->ia + e->size - 1);
		if (what)
			fake_violation("after %s: a TLB may hold %#llx for %#llx (level %d, %#llx "
				       "bytes, CPUs %#x/%#x); the tables have another %s",
				       where, (unsigned long long)e->desc,
				       (unsigned long long)e->ia, e->level,
				       (unsigned long long)e->size, e->plain, e->combined, what);
	}
}

/* ---- TLB maintenance (D8.17, C5.5) ---- */

/* For tests that have no CPUs of their own. */
static struct percpu no_cpu;
__attribute__((weak)) struct percpu *fake_cpu = &no_cpu;

struct tlb_s2_saved tlb_s2_enter(u64 vttbr, u64 vtcr, bool block, bool trace)
{
	struct tlb_s2_saved saved = { t.vttbr, t.vtcr };

	if (trace != fake_cpu->trace_buffer)
		fake_violation("VTTBR_EL2 changes while a trace buffer may be on");
	if (t.speculative_at && !block && (vttbr != t.vttbr || vtcr != t.vtcr))
		fake_violation("VTTBR_EL2 changes while EL1's tables may be walked");
	t.vttbr = vttbr;
	t.vtcr = vtcr;
	return saved;
}

void tlb_s2_exit(const struct tlb_s2_saved *saved)
{
	t.vttbr = saved->vttbr;
	t.vtcr = saved->vtcr;
}

void fake_tlb_errata(bool early_dsb, bool speculative_at)
{
	t.early_dsb = early_dsb;
	t.speculative_at = speculative_at;
}

static bool current_vmid(const struct entry *e)
{
	const struct fake_regime *r = &t.regimes[e->regime];

	return !r->el2 && r->vmid == t.vttbr >> 48;
}

/* TTL and its like: 0 is any level; otherwise a wrong one misses, and so do table descriptors. */
static bool level_matches(const struct entry *e, unsigned int hint)
{
	return !hint || (!e->walk && (unsigned int)e->level == hint);
}

static void issue(struct entry *e, u8 cpus)
{
	if (e->published)
		e->plain_going |= e->plain & cpus;
}

/* TTL: no hint if it names no granule. */
static unsigned int ttl_level(u64 xt)
{
	unsigned int ttl = (unsigned int)BITS(xt, 47, 44);

	return ttl >> 2 ? ttl & 3 : 0;
}

static unsigned int ttl_granule(u64 xt)
{
	return (unsigned int)BITS(xt, 47, 46);
}

void tlbi_ipas2e1is(u64 xt)
{
	u64 ipa = BITS(xt, 39, 0) << 12;
	unsigned int hint = ttl_level(xt);

	t.broadcasts++;
	t.by_address++;
	for (unsigned int i = 0; i < t.n; i++) {
		struct entry *e = &t.entries[i];
		const struct fake_regime *r = &t.regimes[e->regime];

		if (!current_vmid(e) || !overlap(ipa, 1, e->ia, e->size))
			continue;
		/* A hint for another granule is as wrong as one for another level. */
		if (hint && ttl_granule(xt) != (unsigned int)r->granule + 1)
			continue;
		if (level_matches(e, hint))
			issue(e, ALL_CPUS);
	}
}

void tlbi_ripas2e1is(u64 xt)
{
	unsigned int tg = (unsigned int)BITS(xt, 47, 46);
	unsigned int hint = (unsigned int)BITS(xt, 38, 37);
	u64 granules = (BITS(xt, 43, 39) + 1) << (5 * BITS(xt, 45, 44) + 1);

	t.broadcasts++;
	t.by_address++;
	for (unsigned int i = 0; i < t.n; i++) {
		struct entry *e = &t.entries[i];
		const struct fake_regime *r = &t.regimes[e->regime];
		/* C5.5: by what is loaded, not by what the entries were made under */
		u64 unit = t.vtcr & BIT(32) ? 16 : grains[r->granule].page_bits;
		u64 ipa = BITS(xt, 36, 0) << unit;
		u64 size = granules << grains[r->granule].page_bits;

		if (!current_vmid(e) || tg != (unsigned int)r->granule + 1)
			continue;
		if (overlap(ipa, size, e->ia, e->size) && level_matches(e, hint))
			issue(e, ALL_CPUS);
	}
}

/* Combined entries can be made again from what is left of stage 2: then they stay. */
static void combined(u8 cpus)
{
	for (unsigned int i = 0; i < t.n; i++) {
		struct entry *e = &t.entries[i];

		if (current_vmid(e) && e->published)
			e->combined_going |= e->combined & cpus & (u8)~e->plain;
	}
}

void tlbi_vmalle1is(void)
{
	t.broadcasts++;
	combined(ALL_CPUS);
}

void tlbi_vmalle1(void)
{
	combined((u8)(1U << t.cpu));
}

static void everything(bool (*which)(const struct entry *e), u8 cpus)
{
	t.all++;
	for (unsigned int i = 0; i < t.n; i++) {
		struct entry *e = &t.entries[i];

		if (!which(e) || !e->published)
			continue;
		e->plain_going |= e->plain & cpus;
		e->combined_going |= e->combined & cpus;
	}
}

static bool any_stage2(const struct entry *e)
{
	return !t.regimes[e->regime].el2;
}

static bool any_el2(const struct entry *e)
{
	return t.regimes[e->regime].el2;
}

void tlbi_vmalls12e1is(void)
{
	t.broadcasts++;
	everything(current_vmid, ALL_CPUS);
}

void tlbi_alle1is(void)
{
	t.broadcasts++;
	everything(any_stage2, ALL_CPUS);
}

void tlbi_alle1(void)
{
	everything(any_stage2, (u8)(1U << t.cpu));
}

void tlbi_alle2is(void)
{
	t.broadcasts++;
	everything(any_el2, ALL_CPUS);
}

static void by_va(u64 xt, u8 cpus)
{
	bool upper = BITS(xt, 43, 43);
	unsigned int hint = ttl_level(xt);

	t.by_address++;
	for (unsigned int i = 0; i < t.n; i++) {
		struct entry *e = &t.entries[i];
		const struct fake_regime *r = &t.regimes[e->regime];
		u64 va = (BITS(xt, 43, 0) << 12) & ((1ULL << r->ia_bits) - 1);

		if (r->el2 && r->upper == upper && overlap(va, 1, e->ia, e->size) &&
		    level_matches(e, hint))
			issue(e, cpus);
	}
}

void tlbi_vae2is(u64 xt)
{
	t.broadcasts++;
	by_va(xt, ALL_CPUS);
}

/* ---- barriers ---- */

/*
 * With the erratum a DSB waits for its own CPU alone, and for the others only if TLBIs were issued
 * twice, with a DSB in between: then for what came before that one.
 */
static void finish(u8 *holds, u8 *going, u8 *late, u8 cpus)
{
	u8 others = t.early_dsb ? (u8) ~(1U << t.cpu) : 0;
	u8 done = *going & cpus & (u8)~others;

	if (t.broadcasts)
		done |= *late & cpus;
	*holds &= (u8)~done;
	*late = (u8)((*late | (*going & others)) & cpus & ~done);
	*going &= (u8)~cpus;
}

static void complete(u8 cpus)
{
	for (unsigned int i = 0; i < t.n;) {
		struct entry *e = &t.entries[i];

		finish(&e->plain, &e->plain_going, &e->plain_late, cpus);
		finish(&e->combined, &e->combined_going, &e->combined_late, cpus);
		if (e->plain | e->combined)
			i++;
		else
			drop(i);
	}
	t.broadcasts = 0;
}

/* Stores are published by any DSB; TLB maintenance waits for one that covers loads as well. */
void fake_dsb(const char *opt)
{
	t.unpublished = false;
	for (unsigned int i = 0; i < t.n; i++)
		t.entries[i].published = true;
	if (!strcmp(opt, "ish") || !strcmp(opt, "sy"))
		complete(ALL_CPUS);
	else if (!strcmp(opt, "nsh"))
		complete((u8)(1U << t.cpu));
}
