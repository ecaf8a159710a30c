// SPDX-License-Identifier: BSD-2-Clause
/*
 * Translation tables: level arithmetic, descriptors, the walker, and the operations built on it.
 * pgtable.h says what each operation promises; the meaning of attributes is the callers' business.
 *
 *    root (1 to 16 tables)     table                       table (last level)
 *    ┌───────────────┐    ┌──> ┌──────────────────┐    ┌─> ┌────────────────┐ ─┐
 *    │ table       ──┼────┘    │ block            │    │   │ page, Cont     │  │ a group: one leaf
 *    │ 0 (empty)     │         │ table          ──┼────┘   │ page, Cont     │  │ that takes several
 *    │ annotation    │         │ 0 (empty)        │        │ ...            │  │ descriptors
 *    └───────────────┘         └──────────────────┘        └────────────────┘ ─┘
 *
 * A *leaf* is a block, a page or a contiguous group. A *hole* is an invalid entry: 0, or an
 * annotation, a value without bit 0 that the callers define.
 *
 * pgtable_walk() visits the entries of a range in ascending order, and each operation is a small
 * visitor: map writes a leaf where one fits and otherwise installs a table, which the walk then
 * enters; unmap breaks leaves, and unlinks a table on the way up when all its entries are the same
 * hole. Operations that change existing leaves first split those that lie across an end of the
 * range (split_ends()). After that they meet whole leaves only, need no memory, and cannot fail.
 *
 * Three rules hold everywhere below (ARM DDI 0487, D8.16 and D8.17):
 *  - a valid leaf changes by pte_cmpxchg() alone, since hardware may set its access flag or dirty
 *    state at any moment;
 *  - a change of address, size or memory type goes through an invalid entry and a TLB invalidation
 *    (with FEAT_BBM level 2, sizes change without the invalid entry);
 *  - a table is freed after the TLB invalidation that follows its unlinking.
 *
 * TLB invalidations are gathered (struct gather) and done once an operation, before tables are
 * freed. Because hardware may note an access to one page of a group in another's descriptor, a
 * group is made, broken and read as a whole.
 *
 * No lock is taken here: the owner of a struct pgtable serializes all calls on it.
 */
#include <arch/barrier.h>
#include <arch/pte.h>
#include <cpu/assert.h>
#include <lib/errno.h>
#include <mm/pgtable.h>

/* ---- levels and descriptors ---- */

#define PTE_OA_47 GENMASK(47, 0)
#define PTE_OA_49 GENMASK(49, 0)
/* FEAT_LPA2, DS=1: OA[51:50] in bits 9:8; 64K with FEAT_LPA: OA[51:48] in bits 15:12 (D8.3). */
#define PTE_OA_51_50_DS	 GENMASK(9, 8)
#define PTE_OA_51_48_64K GENMASK(15, 12)

/* D8.7.1: leaves joined by the Contiguous bit, by granule, at levels 1 to 3. */
static const u8 contig_entries[GRANULE_COUNT][4] = {
	[GRANULE_4K] = { 1, 16, 16, 16 },
	[GRANULE_16K] = { 1, 1, 32, 128 },
	[GRANULE_64K] = { 1, 1, 32, 32 },
};

static bool has_lpa_64k(const struct pgtable_format *fmt)
{
	return fmt->granule == GRANULE_64K && fmt->oa_bits > 48;
}

/* log2 of the descriptors in a table: a table is a granule, a descriptor 8 bytes. */
static unsigned int table_index_bits(const struct pgtable_format *fmt)
{
	return granule_shift(fmt->granule) - 3;
}

static u64 table_entries(const struct pgtable_format *fmt)
{
	return BIT(table_index_bits(fmt));
}

unsigned int pgtable_level_shift(const struct pgtable_format *fmt, int level)
{
	return granule_shift(fmt->granule) +
	       (unsigned int)(PGTABLE_LAST_LEVEL - level) * table_index_bits(fmt);
}

u64 pgtable_level_size(const struct pgtable_format *fmt, int level)
{
	return BIT(pgtable_level_shift(fmt, level));
}

bool pgtable_leaf_allowed(const struct pgtable_format *fmt, int level)
{
	/* The highest level with blocks: one higher with 52-bit output addresses. */
	static const s8 highest[GRANULE_COUNT] = { 1, 2, 2 };
	bool wide = fmt->ds || has_lpa_64k(fmt);

	return level >= highest[fmt->granule] - (wide ? 1 : 0);
}

unsigned int pgtable_contig_entries(const struct pgtable_format *fmt, int level)
{
	return level < 0 ? 1 : contig_entries[fmt->granule][level];
}

static u64 contig_size(const struct pgtable_format *fmt, int level)
{
	return pgtable_contig_entries(fmt, level) * pgtable_level_size(fmt, level);
}

u64 pgtable_oa_mask(const struct pgtable_format *fmt)
{
	u64 page = ~(granule_size(fmt->granule) - 1);

	if (fmt->ds)
		return (PTE_OA_49 & page) | PTE_OA_51_50_DS;
	return (PTE_OA_47 & page) | (has_lpa_64k(fmt) ? PTE_OA_51_48_64K : 0);
}

u64 pgtable_pa_to_pte(const struct pgtable_format *fmt, struct pa pa)
{
	ASSERT_CMP(pa.v >> fmt->oa_bits, ==, 0);
	ASSERT(IS_ALIGNED(pa.v, granule_size(fmt->granule)));
	if (fmt->ds)
		return (pa.v & PTE_OA_49) | FIELD_PREP(PTE_OA_51_50_DS, pa.v >> 50);
	if (has_lpa_64k(fmt))
		return (pa.v & PTE_OA_47) | FIELD_PREP(PTE_OA_51_48_64K, pa.v >> 48);
	return pa.v;
}

struct pa pgtable_pte_to_pa(const struct pgtable_format *fmt, u64 pte)
{
	u64 page = ~(granule_size(fmt->granule) - 1);

	if (fmt->ds)
		return PA((pte & PTE_OA_49 & page) | FIELD_GET(PTE_OA_51_50_DS, pte) << 50);
	if (has_lpa_64k(fmt))
		return PA((pte & PTE_OA_47 & page) | FIELD_GET(PTE_OA_51_48_64K, pte) << 48);
	return PA(pte & PTE_OA_47 & page);
}

u64 pgtable_attr_mask(const struct pgtable_format *fmt)
{
	/* With 4K and 16K pages and no DS, bits below the address that are not attributes are 0. */
	u64 low = GENMASK(11, 2);

	return (low | GENMASK(63, 50)) & ~(pgtable_oa_mask(fmt) | PTE_CONT);
}

static u64 leaf_pte(const struct pgtable_format *fmt, int level, struct pa pa, u64 attrs)
{
	u64 type = PTE_VALID | (level == PGTABLE_LAST_LEVEL ? PTE_TABLE : 0);

	return pgtable_pa_to_pte(fmt, pa) | attrs | type;
}

static u64 table_pte(struct pgtable *pgt, const void *table)
{
	struct pa pa = pgt->ops->table_to_pa(pgt->ctx, table);

	return pgtable_pa_to_pte(&pgt->fmt, pa) | PTE_VALID | PTE_TABLE;
}

/* As pgtable_pte_to_pa(), prepared by set_oa(). */
static struct pa address_of(const struct pgtable *pgt, u64 pte)
{
	return PA((pte & pgt->oa_low) | (pte & pgt->oa_high) << pgt->oa_shift);
}

static u64 *pte_table(struct pgtable *pgt, u64 pte)
{
	return pgt->ops->pa_to_table(pgt->ctx, address_of(pgt, pte));
}

/* The bits of a leaf that hardware may set at any moment. */
static u64 hw_mask(const struct pgtable *pgt, u64 pte)
{
	return pgt->hw.access | ((pte & pgt->hw.dirty_enable) ? pgt->hw.dirty : 0);
}

/* Whether two leaves have the same attributes; access flag and dirty state may differ. */
static bool same_attrs(const struct pgtable *pgt, u64 a, u64 b)
{
	return ((a ^ b) & pgtable_attr_mask(&pgt->fmt) & ~hw_mask(pgt, a & b)) == 0;
}

/* ---- one entry ---- */

/* As pte_change(), where *ptep was @old a moment ago. */
static u64 pte_change_from(u64 *ptep, u64 old, u64 clear, u64 set)
{
	while (((old & ~clear) | set) != old && !pte_cmpxchg(ptep, &old, (old & ~clear) | set))
		;
	return old;
}

/* Clear @clear and set @set in *ptep, losing no update by hardware. Return: the old value. */
static u64 pte_change(u64 *ptep, u64 clear, u64 set)
{
	return pte_change_from(ptep, pte_read(ptep), clear, set);
}

/* As pte_break(), where *ptep was @old a moment ago. */
static u64 pte_break_from(u64 *ptep, u64 old, u64 invalid)
{
	while (!pte_cmpxchg(ptep, &old, invalid))
		;
	return old;
}

/* Make *ptep invalid. Return: its last value, all updates by hardware included. */
static u64 pte_break(u64 *ptep, u64 invalid)
{
	return pte_break_from(ptep, pte_read(ptep), invalid);
}

static void inval_leaf(struct pgtable *pgt, u64 ia, u64 size, s8 level)
{
	struct pgtable_inval inval = {
		.ia = ia,
		.size = size,
		.stride = pgtable_level_size(&pgt->fmt, level),
		.level = level,
	};

	pgt->ops->tlb_inval(pgt->ctx, &inval);
}

/* ---- gathering: what TLBs must invalidate, and the tables to be freed after that ---- */

/*
 * Broken leaves and unlinked tables of one operation. Unlinked tables have no valid entry. They are
 * chained through their first entry: a walker that has cached the table's descriptor reads the
 * address of the next table as an invalid descriptor, since its bit 0 is clear.
 */
struct gather {
	struct pgtable *pgt;
	u64 start, end; /* nothing gathered while they are equal */
	u64 stride;
	s8 level;
	bool tables;
	u64 *unlinked;
};

static void gather_range(struct gather *g, u64 ia, u64 size, u64 stride, s8 level)
{
	if (g->start == g->end) {
		g->start = ia;
		g->end = ia + size;
		g->stride = stride;
		g->level = level;
		return;
	}
	g->start = MIN(g->start, ia);
	g->end = MAX(g->end, ia + size);
	g->stride = MIN(g->stride, stride);
	if (g->level != level)
		g->level = PGTABLE_LEVEL_ANY;
}

static void gather_leaf(struct gather *g, u64 ia, s8 level)
{
	u64 size = pgtable_level_size(&g->pgt->fmt, level);

	gather_range(g, ia, size, size, level);
}

/* For ASSERT(): tests count what pte_read() reads. */
static __maybe_unused bool has_no_valid(const struct pgtable *pgt, const u64 *table)
{
	u64 i;

	for (i = 0; i < table_entries(&pgt->fmt) && !pgtable_pte_valid(READ_ONCE(table[i])); i++)
		;
	return i == table_entries(&pgt->fmt);
}

/*
 * Unlink the table at @v and write @invalid in its place. To invalidate cached copies of its
 * descriptor, the part of its addresses that is in the walk's range is enough.
 */
static void gather_table(struct gather *g, const struct pgtable_visit *v, u64 invalid)
{
	u64 *table = pte_table(g->pgt, v->pte);
	u64 size = pgtable_level_size(&g->pgt->fmt, v->level);

	ASSERT(has_no_valid(g->pgt, table));
	ASSERT(!pgtable_pte_valid(invalid));
	pte_write(v->ptep, invalid);
	pte_write(table, (u64)(uintptr_t)g->unlinked);
	g->unlinked = table;
	g->tables = true;
	gather_range(g, v->start, v->end - v->start, size, PGTABLE_LEVEL_ANY);
}

static void gather_free_tables(struct gather *g)
{
	for (u64 *table = g->unlinked, *next; table; table = next) {
		next = (u64 *)(uintptr_t)pte_read(table);
		g->pgt->ops->free_table(g->pgt->ctx, table);
	}
}

/* Invalidate TLBs, and then free the unlinked tables. */
static void gather_flush(struct gather *g)
{
	u64 start = ALIGN_DOWN(g->start, g->stride);
	struct pgtable_inval inval = {
		.ia = start,
		.size = ALIGN_UP(g->end, g->stride) - start,
		.stride = g->stride,
		.level = g->level,
		.tables = g->tables,
	};

	if (g->start == g->end)
		return;
	g->pgt->ops->tlb_inval(g->pgt->ctx, &inval);
	gather_free_tables(g);
}

/* ---- the walker ---- */

struct walker {
	struct pgtable *pgt;
	const struct pgtable_walk *walk;
	u64 ia;		 /* start of the caller's range */
	bool progressed; /* in this call */
};

static u64 *table_entry(const struct pgtable *pgt, u64 *table, int level, u64 ia)
{
	u64 index = ia >> pgtable_level_shift(&pgt->fmt, level);

	/* The root has as many entries as ia_bits needs: more or fewer than a table. */
	if (level != pgt->fmt.start_level)
		index &= table_entries(&pgt->fmt) - 1;
	return table + index;
}

static int visit_entry(struct walker *w, struct pgtable_visit *v, enum pgtable_when when)
{
	v->pte = pte_read(v->ptep);
	v->when = when;
	return w->walk->visit(v, w->walk->arg);
}

/* Whether the budget is used up before the entry at @ia. A walk never stops within a group. */
static bool must_stop(const struct walker *w, s8 level, u64 ia)
{
	const struct pgtable_progress *progress = w->walk->progress;

	return progress && w->progressed && !progress->budget &&
	       IS_ALIGNED(ia, contig_size(&w->pgt->fmt, level));
}

/*
 * With PGTABLE_JOIN: extend @v, at an empty entry, over the empty entries that follow it in the
 * table and the range, as far as the budget goes. All but the first are charged here.
 */
static void join_empty(struct walker *w, struct pgtable_visit *v, u64 end, u64 size)
{
	struct pgtable_progress *progress = w->walk->progress;
	u64 most = 1 + (end - v->end + size - 1) / size, n = 1;

	if (progress)
		most = MIN(most, MAX(progress->budget, 1UL));
	while (n < most && !pte_read(v->ptep + n))
		n++;
	v->end = MIN(end, v->end + (n - 1) * size);
	if (progress && n > 1)
		progress->budget -= n - 1;
}

static bool wants_leaves(const struct walker *w, s8 level)
{
	unsigned int when = w->walk->when;

	return (when & PGTABLE_LEAF) ||
	       ((when & PGTABLE_ROOT_LEAF) && level == w->pgt->fmt.start_level);
}

static void count_step(struct walker *w, const struct pgtable_visit *v, bool finished)
{
	struct pgtable_progress *progress = w->walk->progress;

	if (progress && finished) {
		progress->done = v->end - w->ia;
		w->progressed = true;
	} else if (progress && progress->budget) {
		progress->budget--;
	}
}

static int walk_table(struct walker *w, u64 *table, s8 level, u64 start, u64 end);

static int walk_entry(struct walker *w, struct pgtable_visit *v)
{
	u64 pte = pte_read(v->ptep);
	int ret = 0;

	count_step(w, v, false);
	if (!pgtable_pte_table(pte, v->level)) {
		if (wants_leaves(w, v->level))
			ret = visit_entry(w, v, PGTABLE_LEAF);
	} else if (w->walk->when & PGTABLE_TABLE_PRE) {
		ret = visit_entry(w, v, PGTABLE_TABLE_PRE);
	}
	if (ret)
		return ret;
	pte = pte_read(v->ptep);
	if (pgtable_pte_table(pte, v->level)) {
		ret = walk_table(w, pte_table(w->pgt, pte), (s8)(v->level + 1), v->start, v->end);
		if (!ret && (w->walk->when & PGTABLE_TABLE_POST))
			ret = visit_entry(w, v, PGTABLE_TABLE_POST);
	}
	if (!ret)
		count_step(w, v, true);
	return ret;
}

/* The end of what the budget allows of [start, end) in a table of the last level. */
static u64 budget_end(const struct walker *w, u64 start, u64 end)
{
	const struct pgtable_progress *progress = w->walk->progress;
	const struct pgtable_format *fmt = &w->pgt->fmt;
	u64 size = pgtable_level_size(fmt, PGTABLE_LAST_LEVEL), most;

	if (!progress || progress->budget >= (end - start) / size)
		return end;
	most = MAX(progress->budget, 1UL) * size;
	return MIN(end, ALIGN_UP(start + most, contig_size(fmt, PGTABLE_LAST_LEVEL)));
}

static int walk_run(struct walker *w, u64 *ptep, u64 start, u64 end)
{
	struct pgtable_progress *progress = w->walk->progress;
	u64 stop, n;
	int ret;

	if (must_stop(w, PGTABLE_LAST_LEVEL, start))
		return -EAGAIN;
	stop = budget_end(w, start, end);
	n = (stop - start) / pgtable_level_size(&w->pgt->fmt, PGTABLE_LAST_LEVEL);
	ret = w->walk->visit_run(w->pgt, ptep, start, &n, w->walk->arg);
	if (progress)
		progress->budget -= MIN(progress->budget, n);
	if (ret)
		return ret;
	if (progress) {
		progress->done = stop - w->ia;
		w->progressed = true;
	}
	return stop < end ? -EAGAIN : 0;
}

static int walk_table(struct walker *w, u64 *table, s8 level, u64 start, u64 end)
{
	unsigned int shift = pgtable_level_shift(&w->pgt->fmt, level);
	struct pgtable_visit v = { .pgt = w->pgt, .level = level, .end = start };
	u64 size = BIT(shift);
	int ret = 0;

	/* The last level has nothing but leaves. */
	if (level == PGTABLE_LAST_LEVEL && !wants_leaves(w, level) && !w->walk->progress)
		return 0;
	table = table_entry(w->pgt, table, level, start);
	if (level == PGTABLE_LAST_LEVEL && w->walk->visit_run)
		return walk_run(w, table, start, end);
	while (v.end < end && !ret) {
		v.start = v.end;
		if (must_stop(w, level, v.start))
			return -EAGAIN;
		v.ptep = table + ((v.start >> shift) - (start >> shift));
		v.ia = ALIGN_DOWN(v.start, size);
		v.end = MIN(end, v.ia + size);
		if ((w->walk->when & PGTABLE_JOIN) && !pte_read(v.ptep))
			join_empty(w, &v, end, size);
		ret = walk_entry(w, &v);
	}
	return ret;
}

static int check_ia_range(const struct pgtable *pgt, u64 ia, u64 size)
{
	u64 limit = BIT(pgt->fmt.ia_bits);

	if (!size || !IS_ALIGNED(ia | size, granule_size(pgt->fmt.granule)))
		return -EINVAL;
	return ia >= limit || size > limit - ia ? -E2BIG : 0;
}

static int check_output(const struct pgtable *pgt, struct pa pa, u64 size)
{
	u64 limit = BIT(pgt->fmt.oa_bits);

	if (!IS_ALIGNED(pa.v, granule_size(pgt->fmt.granule)))
		return -EINVAL;
	return pa.v >= limit || size > limit - pa.v ? -E2BIG : 0;
}

int pgtable_walk(struct pgtable *pgt, u64 ia, u64 size, const struct pgtable_walk *walk)
{
	struct walker w = { .pgt = pgt, .walk = walk, .ia = ia };
	u64 done = walk->progress ? walk->progress->done : 0;
	int ret = check_ia_range(pgt, ia, size);

	pgt->hole.ptep = NULL;
	if (ret)
		return ret;
	if (done > size || !IS_ALIGNED(done, granule_size(pgt->fmt.granule)))
		return -EINVAL;
	return walk_table(&w, pgt->root, pgt->fmt.start_level, ia + done, ia + size);
}

/* Addresses below this are one field of a descriptor, from bit 12 on, in every format. */
#define OA_FIELD_END BIT(48)

u64 pgtable_run_length(const struct pgtable *pgt, const u64 *ptep, u64 n)
{
	u64 first = pte_read(ptep), step = 0, ignored = 0, i;

	if (pgtable_pte_valid(first)) {
		u64 pa = pgtable_pte_to_pa(&pgt->fmt, first).v;

		step = pgtable_level_size(&pgt->fmt, PGTABLE_LAST_LEVEL);
		ignored = PTE_CONT | hw_mask(pgt, first);
		n = MIN(n, (OA_FIELD_END - pa % OA_FIELD_END) / step);
	}
	for (i = 1; i < n && !((pte_read(ptep + i) ^ (first + i * step)) & ~ignored); i++)
		;
	return i;
}

/* ---- look-up ---- */

/*
 * Access flag and dirty state of @n leaves with equal attributes: set if they are set in any of
 * them. Most often the first ones have all that there can be.
 */
static u64 any_hw_state(const struct pgtable *pgt, const u64 *ptep, u64 n)
{
	u64 all = hw_mask(pgt, pte_read(ptep)), state = 0;

	for (u64 i = 0; i < n && state != all; i++)
		state |= pte_read(ptep + i) & all;
	return state;
}

/* Extend @leaf, which has the Contiguous bit, to its whole group. */
static void widen_to_group(struct pgtable *pgt, struct pgtable_leaf *leaf)
{
	unsigned int n = pgtable_contig_entries(&pgt->fmt, leaf->level);
	u64 index = (leaf->ia >> pgtable_level_shift(&pgt->fmt, leaf->level)) & (n - 1);

	leaf->ptep -= index;
	leaf->ia -= index * leaf->size;
	leaf->size *= n;
	leaf->pte |= any_hw_state(pgt, leaf->ptep, n);
	leaf->pa = address_of(pgt, pte_read(leaf->ptep));
}

static void find_leaf(struct pgtable *pgt, u64 ia, struct pgtable_leaf *leaf)
{
	unsigned int bits = table_index_bits(&pgt->fmt);
	s8 level = pgt->fmt.start_level;
	unsigned int shift = pgtable_level_shift(&pgt->fmt, level);
	u64 *ptep = pgt->root + (ia >> shift), pte = pte_read(ptep);

	for (; pgtable_pte_table(pte, level); pte = pte_read(ptep)) {
		level++;
		shift -= bits;
		ptep = pte_table(pgt, pte) + (ia >> shift & (BIT(bits) - 1));
	}
	*leaf = (struct pgtable_leaf){
		.ptep = ptep,
		.pte = pte,
		.ia = ALIGN_DOWN(ia, BIT(shift)),
		.size = BIT(shift),
		.pa = address_of(pgt, pte),
		.level = level,
	};
	if (pgtable_pte_valid(pte) && (pte & PTE_CONT))
		widen_to_group(pgt, leaf);
}

int pgtable_lookup(struct pgtable *pgt, u64 ia, struct pgtable_leaf *leaf)
{
	if (ia >> pgt->fmt.ia_bits)
		return -E2BIG;
	find_leaf(pgt, ia, leaf);
	pgt->hole = (struct pgtable_hole){ leaf->pte ? NULL : leaf->ptep, leaf->ia, leaf->level };
	return pgtable_pte_valid(leaf->pte) ? 0 : -ENOENT;
}

/* ---- contiguous groups ---- */

struct group {
	u64 *ptep; /* of the first leaf */
	unsigned int n;
	u64 ia;
	s8 level;
};

static struct group group_around(const struct pgtable *pgt, u64 *ptep, u64 ia, s8 level)
{
	unsigned int n = pgtable_contig_entries(&pgt->fmt, level);
	u64 index = (ia >> pgtable_level_shift(&pgt->fmt, level)) & (n - 1);
	u64 base = ALIGN_DOWN(ia, contig_size(&pgt->fmt, level));

	return (struct group){ .ptep = ptep - index, .n = n, .ia = base, .level = level };
}

/* Write all descriptors of a group, given the first one, with or without the Contiguous bit. */
static void write_group(struct pgtable *pgt, const struct group *g, u64 first)
{
	u64 size = pgtable_level_size(&pgt->fmt, g->level);
	u64 rest = first & ~pgtable_oa_mask(&pgt->fmt);
	struct pa pa = pgtable_pte_to_pa(&pgt->fmt, first);

	ASSERT(IS_ALIGNED(g->ia | pa.v, first & PTE_CONT ? g->n * size : size));
	for (unsigned int i = 0; i < g->n; i++)
		pte_write(g->ptep + i, rest | pgtable_pa_to_pte(&pgt->fmt, PA(pa.v + i * size)));
}

/*
 * Make the group invalid, and invalidate TLBs. Return: the first descriptor, with access flag and
 * dirty state of all.
 */
static u64 break_group(struct pgtable *pgt, const struct group *g)
{
	u64 first = 0;

	for (unsigned int i = 0; i < g->n; i++) {
		u64 old = pte_break(g->ptep + i, 0);

		first |= i ? old & hw_mask(pgt, old) : old;
	}
	inval_leaf(pgt, g->ia, g->n * pgtable_level_size(&pgt->fmt, g->level), g->level);
	return first;
}

int pgtable_unmap_leaf(struct pgtable *pgt, u64 ia, u64 *size)
{
	struct pgtable_leaf leaf;
	struct group g;
	int ret = pgtable_lookup(pgt, ia, &leaf);

	if (ret)
		return ret;
	g = (struct group){
		.ptep = leaf.ptep,
		.n = (unsigned int)(leaf.size >> pgtable_level_shift(&pgt->fmt, leaf.level)),
		.ia = leaf.ia,
		.level = leaf.level,
	};
	(void)break_group(pgt, &g);
	*size = leaf.size;
	return 0;
}

/*
 * Set (@cont is PTE_CONT) or clear (0) the Contiguous bit without a break, with FEAT_BBM level 2.
 * While a TLB holds the group as one entry, hardware may note a write to one leaf in any other. So
 * after the TLB invalidation each leaf gets the state of all.
 */
static void change_group_bbm2(struct pgtable *pgt, const struct group *g, u64 cont)
{
	u64 state;

	for (unsigned int i = 0; i < g->n; i++)
		(void)pte_change(g->ptep + i, PTE_CONT, cont);
	inval_leaf(pgt, g->ia, g->n * pgtable_level_size(&pgt->fmt, g->level), g->level);
	state = any_hw_state(pgt, g->ptep, g->n);
	for (unsigned int i = 0; i < g->n; i++)
		(void)pte_change(g->ptep + i, 0, state);
	dsb(ishst);
}

static void change_group(struct pgtable *pgt, const struct group *g, u64 cont)
{
	if (pgt->bbm2) {
		change_group_bbm2(pgt, g, cont);
		return;
	}
	write_group(pgt, g, (break_group(pgt, g) & ~PTE_CONT) | cont);
	dsb(ishst);
}

/* ---- splitting ---- */

#define NO_CUT (~0ULL)

/* Whether @cut, an address that is to become a boundary, is inside the range, not at its start. */
static bool is_cut(u64 ia, u64 size, u64 cut)
{
	return cut > ia && cut - ia < size;
}

/*
 * Fill a table that is not linked yet with leaves that translate as @block, at the level above,
 * does. They form contiguous groups, except for the group that contains @cut, and unless @flags has
 * PGTABLE_PAGES.
 */
static void fill_table(struct pgtable *pgt, u64 *table, s8 level, u64 ia, u64 block, u64 cut,
		       unsigned int flags)
{
	const struct pgtable_format *fmt = &pgt->fmt;
	u64 size = pgtable_level_size(fmt, level), group = contig_size(fmt, level);
	u64 pte =
		leaf_pte(fmt, level, pgtable_pte_to_pa(fmt, block), block & pgtable_attr_mask(fmt));
	u64 *end = table + table_entries(fmt), *next;
	bool contig = !(flags & PGTABLE_PAGES) && group > size;

	/* The block is aligned: to add to a descriptor changes its address field alone. */
	for (; table != end; ia += group) {
		u64 cont = contig && !is_cut(ia, group, cut) ? PTE_CONT : 0;

		for (next = table + group / size; table != next; table++, pte += size)
			pte_write(table, pte | cont);
	}
}

static void fill_table_invalid(struct pgtable *pgt, u64 *table, u64 value)
{
	for (u64 i = 0; value && i < table_entries(&pgt->fmt); i++)
		pte_write(table + i, value);
}

/* Replace an invalid entry by a table whose entries all have its value. */
static int install_table(struct pgtable *pgt, u64 *ptep, u64 invalid)
{
	u64 *table = pgt->ops->zalloc_table(pgt->ctx);

	if (!table)
		return -ENOMEM;
	fill_table_invalid(pgt, table, invalid);
	pte_write(ptep, table_pte(pgt, table));
	return 0;
}

/* Replace the block at @ptep, which is in no contiguous group, by a table of smaller leaves. */
static int split_block(struct pgtable *pgt, u64 *ptep, u64 ia, s8 level, u64 cut,
		       unsigned int flags)
{
	u64 *table = pgt->ops->zalloc_table(pgt->ctx);
	s8 below = (s8)(level + 1);
	u64 size = pgtable_level_size(&pgt->fmt, level);
	u64 old = pte_read(ptep);

	if (!table)
		return -ENOMEM;
	if (pgt->bbm2) {
		do {
			fill_table(pgt, table, below, ia, old, cut, flags);
		} while (!pte_cmpxchg(ptep, &old, table_pte(pgt, table)));
		inval_leaf(pgt, ia, size, level);
		return 0;
	}
	old = pte_break(ptep, 0);
	inval_leaf(pgt, ia, size, level);
	fill_table(pgt, table, below, ia, old, cut, flags);
	pte_write(ptep, table_pte(pgt, table));
	dsb(ishst);
	return 0;
}

/* Cut the leaf once: a group into its descriptors, or a block into a table, but not further. */
static int cut_leaf(struct pgtable *pgt, const struct pgtable_leaf *leaf, u64 cut)
{
	if (leaf->pte & PTE_CONT) {
		struct group g = group_around(pgt, leaf->ptep, leaf->ia, leaf->level);

		change_group(pgt, &g, 0);
		return 0;
	}
	return split_block(pgt, leaf->ptep, leaf->ia, leaf->level, cut, 0);
}

/* Make @cut a boundary between leaves. A hole is not cut. */
static int split_at(struct pgtable *pgt, u64 cut)
{
	struct pgtable_leaf leaf;
	int ret = 0;

	if (cut >> pgt->fmt.ia_bits)
		return 0;
	for (;;) {
		find_leaf(pgt, cut, &leaf);
		if (ret || leaf.ia == cut || !pgtable_pte_valid(leaf.pte))
			return ret;
		ret = cut_leaf(pgt, &leaf, cut);
	}
}

/* Split leaves that lie across an end of the range. */
static int split_ends(struct pgtable *pgt, u64 ia, u64 size)
{
	int ret = check_ia_range(pgt, ia, size);

	pgt->hole.ptep = NULL;
	if (!ret)
		ret = split_at(pgt, ia);
	return ret ? ret : split_at(pgt, ia + size);
}

static int split_visit(const struct pgtable_visit *v, void *arg)
{
	(void)arg;
	if (!pgtable_pte_valid(v->pte))
		return 0;
	if (v->pte & PTE_CONT) {
		struct group g = group_around(v->pgt, v->ptep, v->ia, v->level);

		change_group(v->pgt, &g, 0);
	}
	if (v->level == PGTABLE_LAST_LEVEL)
		return 0;
	return split_block(v->pgt, v->ptep, v->ia, v->level, NO_CUT, PGTABLE_PAGES);
}

int pgtable_split(struct pgtable *pgt, u64 ia, u64 size, struct pgtable_progress *progress)
{
	struct pgtable_walk walk = {
		.visit = split_visit,
		.when = PGTABLE_LEAF,
		.progress = progress,
	};

	return pgtable_walk(pgt, ia, size, &walk);
}

/* ---- mapping ---- */

struct map {
	u64 ia, end;
	struct pa pa; /* of ia */
	u64 attrs;
	unsigned int flags;
	bool check; /* map_visit() is to check existing entries: no walk has done so before */
};

static int map_check_visit(const struct pgtable_visit *v, void *arg)
{
	const struct map *m = arg;
	u64 have = pgtable_pte_to_pa(&v->pgt->fmt, v->pte).v + (v->start - v->ia);
	u64 want = m->pa.v + (v->start - m->ia);

	if (!v->pte)
		return 0;
	if (!pgtable_pte_valid(v->pte) || have != want || !same_attrs(v->pgt, v->pte, m->attrs))
		return -EEXIST;
	return 0;
}

static bool map_fits(const struct map *m, const struct pgtable_visit *v, struct pa pa)
{
	u64 size = pgtable_level_size(&v->pgt->fmt, v->level);

	if (v->level < PGTABLE_LAST_LEVEL && (m->flags & PGTABLE_PAGES))
		return false;
	return pgtable_leaf_allowed(&v->pgt->fmt, v->level) && v->end - v->start == size &&
	       IS_ALIGNED(pa.v, size);
}

static bool all_equal(const u64 *ptep, u64 n, u64 value)
{
	for (u64 i = 0; i < n; i += 4) {
		u64 differ = (pte_read(ptep + i) ^ value) | (pte_read(ptep + i + 1) ^ value);

		differ |= (pte_read(ptep + i + 2) ^ value) | (pte_read(ptep + i + 3) ^ value);
		if (differ)
			return false;
	}
	return true;
}

/* Whether a contiguous group can be mapped that begins at @v. */
static bool map_fits_group(const struct map *m, const struct pgtable_visit *v, struct pa pa)
{
	unsigned int n = pgtable_contig_entries(&v->pgt->fmt, v->level);
	u64 size = contig_size(&v->pgt->fmt, v->level);

	return !(m->flags & PGTABLE_PAGES) && n > 1 && IS_ALIGNED(v->ia | pa.v, size) &&
	       m->end - v->ia >= size && all_equal(v->ptep, n, 0);
}

static int map_visit(const struct pgtable_visit *v, void *arg)
{
	const struct map *m = arg;
	struct pa pa = PA(m->pa.v + (v->start - m->ia));
	u64 pte = leaf_pte(&v->pgt->fmt, v->level, pa, m->attrs);

	if (v->pte && m->check) {
		int ret = map_check_visit(v, arg);

		if (ret)
			return ret;
	}
	if (pgtable_pte_valid(v->pte))
		return 0;
	if (!map_fits(m, v, pa))
		return install_table(v->pgt, v->ptep, v->pte);
	if (map_fits_group(m, v, pa)) {
		struct group g = group_around(v->pgt, v->ptep, v->ia, v->level);

		write_group(v->pgt, &g, pte | PTE_CONT);
	} else {
		pte_write(v->ptep, pte);
	}
	return 0;
}

/* The entry of @ia if it is empty. Often the last look-up has found it already (pgt->hole). */
static struct pgtable_hole find_hole(struct pgtable *pgt, u64 ia)
{
	struct pgtable_hole hole = pgt->hole;
	struct pgtable_leaf leaf;

	pgt->hole.ptep = NULL;
	if (hole.ptep && hole.ia == ia)
		return hole;
	find_leaf(pgt, ia, &leaf);
	return (struct pgtable_hole){ leaf.pte ? NULL : leaf.ptep, leaf.ia, leaf.level };
}

/*
 * The usual case: the range is one leaf, in a table that exists. Writes what map_by_walk() would
 * write. Return: false if this is not such a case.
 */
static bool map_one_leaf(struct pgtable *pgt, const struct map *m)
{
	u64 size = m->end - m->ia;
	const struct pgtable_hole hole = find_hole(pgt, m->ia);

	if (!hole.ptep || hole.ia != m->ia || pgtable_level_size(&pgt->fmt, hole.level) != size ||
	    !IS_ALIGNED(m->pa.v, size) || !pgtable_leaf_allowed(&pgt->fmt, hole.level) ||
	    (hole.level < PGTABLE_LAST_LEVEL && (m->flags & PGTABLE_PAGES)))
		return false;
	pte_write(hole.ptep, leaf_pte(&pgt->fmt, hole.level, m->pa, m->attrs));
	return true;
}

static int map_by_walk(struct pgtable *pgt, struct map *m)
{
	struct pgtable_walk check = {
		.visit = map_check_visit,
		.arg = m,
		.when = PGTABLE_LEAF | PGTABLE_JOIN,
	};
	struct pgtable_walk map = { .visit = map_visit, .arg = m, .when = PGTABLE_LEAF };
	u64 size = m->end - m->ia;
	int ret = 0;

	/* A single page has one leaf only, so map_visit() can check it just before it writes it. */
	m->check = size == granule_size(pgt->fmt.granule);
	if (!m->check)
		ret = pgtable_walk(pgt, m->ia, size, &check);
	return ret ? ret : pgtable_walk(pgt, m->ia, size, &map);
}

int pgtable_map(struct pgtable *pgt, u64 ia, struct pa pa, u64 size, u64 attrs, unsigned int flags)
{
	struct map m = { .ia = ia, .end = ia + size, .pa = pa, .attrs = attrs, .flags = flags };
	int ret = check_ia_range(pgt, ia, size);

	if (!ret)
		ret = check_output(pgt, pa, size);
	if (!ret && ((attrs & ~pgtable_attr_mask(&pgt->fmt)) || (flags & ~PGTABLE_PAGES)))
		ret = -EINVAL;
	if (ret)
		return ret;
	if (!map_one_leaf(pgt, &m))
		ret = map_by_walk(pgt, &m);
	/* D8.2.6: no TLBI, but walkers see the new descriptor only after a DSB. */
	dsb(ishst);
	return ret;
}

/* ---- counting the tables that a change needs ---- */

/* Tables that map_visit() needs for [start, end), which is in one invalid entry at @level. */
static u64 tables_in(const struct pgtable_format *fmt, int level, u64 start, u64 end, u64 pa)
{
	u64 size = pgtable_level_size(fmt, level), below, n = 1;

	if (level == PGTABLE_LAST_LEVEL ||
	    (end - start == size && IS_ALIGNED(pa, size) && pgtable_leaf_allowed(fmt, level)))
		return 0;
	if (level + 1 == PGTABLE_LAST_LEVEL)
		return 1;
	below = pgtable_level_size(fmt, level + 1);
	for (u64 at = start, next; at < end; at = next) {
		next = MIN(end, ALIGN_DOWN(at, below) + below);
		n += tables_in(fmt, level + 1, at, next, pa + (at - start));
	}
	return n;
}

struct table_count {
	u64 pa_offset;
	u64 tables;
};

static int count_visit(const struct pgtable_visit *v, void *arg)
{
	struct table_count *count = arg;

	if (!pgtable_pte_valid(v->pte))
		count->tables += tables_in(&v->pgt->fmt, v->level, v->start, v->end,
					   v->start + count->pa_offset);
	return 0;
}

u64 pgtable_tables_to_map(struct pgtable *pgt, u64 ia, struct pa pa, u64 size)
{
	struct table_count count = { .pa_offset = pa.v - ia };
	const struct pgtable_walk walk = {
		.visit = count_visit,
		.arg = &count,
		.when = PGTABLE_LEAF,
	};

	return pgtable_walk(pgt, ia, size, &walk) ? 0 : count.tables;
}

/* Whether cutting at @cut replaces the leaf at @level around it by a table. */
static bool cut_divides(const struct pgtable_format *fmt, int level, u64 cut)
{
	return !IS_ALIGNED(cut, pgtable_level_size(fmt, level));
}

/* Tables needed to cut at @cut after a cut at @before: a table around both is counted there. */
static u64 tables_to_cut_at(struct pgtable *pgt, u64 cut, u64 before)
{
	const struct pgtable_format *fmt = &pgt->fmt;
	struct pgtable_leaf leaf;
	u64 n = 0;

	if (pgtable_lookup(pgt, cut, &leaf))
		return 0;
	for (int level = (int)leaf.level; level < PGTABLE_LAST_LEVEL; level++) {
		u64 size = pgtable_level_size(fmt, level);
		bool there = before != NO_CUT && cut_divides(fmt, level, before) &&
			     ALIGN_DOWN(cut, size) == ALIGN_DOWN(before, size);

		n += cut_divides(fmt, level, cut) && !there;
	}
	return n;
}

u64 pgtable_tables_to_cut(struct pgtable *pgt, u64 ia, u64 size)
{
	if (check_ia_range(pgt, ia, size))
		return 0;
	return tables_to_cut_at(pgt, ia, NO_CUT) + tables_to_cut_at(pgt, ia + size, ia);
}

/* ---- unmapping and annotating ---- */

struct remove {
	struct gather gather;
	bool annotate; /* write value into all entries; otherwise into valid ones only */
	u64 value;
};

static int remove_leaf(const struct pgtable_visit *v, struct remove *r)
{
	if (pgtable_pte_valid(v->pte)) {
		(void)pte_break(v->ptep, r->value);
		gather_leaf(&r->gather, v->ia, v->level);
	} else if (r->annotate && v->pte != r->value) {
		pte_write(v->ptep, r->value);
	}
	return 0;
}

/* Of a run of pages: those from number @first up to @last were changed; none if @first is not less. */
static void gather_pages(struct gather *g, u64 ia, u64 first, u64 last)
{
	u64 size = pgtable_level_size(&g->pgt->fmt, PGTABLE_LAST_LEVEL);

	if (first < last)
		gather_range(g, ia + first * size, (last - first) * size, size, PGTABLE_LAST_LEVEL);
}

/* As remove_leaf() for each page. */
static int remove_page_leaves(struct pgtable *pgt, u64 *ptep, u64 ia, u64 *n, void *arg)
{
	struct remove *r = arg;
	u64 first = *n, last = 0;

	(void)pgt;
	for (u64 i = 0; i < *n; i++) {
		u64 old = pte_read(ptep + i);

		if (pgtable_pte_valid(old)) {
			(void)pte_break_from(ptep + i, old, r->value);
			first = MIN(first, i);
			last = i + 1;
		} else if (r->annotate && old != r->value) {
			pte_write(ptep + i, r->value);
		}
	}
	gather_pages(&r->gather, ia, first, last);
	return 0;
}

static bool may_remove(const struct pgtable_visit *v)
{
	return !v->pgt->keep_partial ||
	       v->end - v->start == pgtable_level_size(&v->pgt->fmt, v->level);
}

/* Unlink a table whose entries are all the same hole: its own entry can have that value. */
static int remove_table(const struct pgtable_visit *v, struct remove *r)
{
	const u64 *table = pte_table(v->pgt, v->pte);
	u64 first = pte_read(table);

	if (!pgtable_pte_valid(first) && may_remove(v) &&
	    all_equal(table, table_entries(&v->pgt->fmt), first))
		gather_table(&r->gather, v, first);
	return 0;
}

static int remove_visit(const struct pgtable_visit *v, void *arg)
{
	return v->when == PGTABLE_LEAF ? remove_leaf(v, arg) : remove_table(v, arg);
}

static int remove_leaves(struct pgtable *pgt, u64 ia, u64 size, struct remove *r,
			 struct pgtable_progress *progress)
{
	struct pgtable_walk walk = {
		.visit = remove_visit,
		.visit_run = remove_page_leaves,
		.arg = r,
		.when = PGTABLE_LEAF | PGTABLE_TABLE_POST | (r->value ? 0 : PGTABLE_JOIN),
		.progress = progress,
	};
	int ret = pgtable_walk(pgt, ia, size, &walk);

	gather_flush(&r->gather);
	return ret;
}

/* How many entries around one are looked at to see that its table is not empty without it. */
#define NEIGHBOURS 64

/* Whether there is another leaf near @leaf, a page, in its table. */
static bool has_neighbour(const struct pgtable_leaf *leaf)
{
	const u64 *ptep = (u64 *)ALIGN_DOWN((uintptr_t)leaf->ptep, NEIGHBOURS * sizeof(u64));
	const u64 *end = ptep + NEIGHBOURS;

	while (ptep < end && (ptep == leaf->ptep || !pgtable_pte_valid(pte_read(ptep))))
		ptep++;
	return ptep < end;
}

/* By one look-up, if it is one page of others, whose table stays. Return: whether it was unmapped. */
static bool unmap_page(struct pgtable *pgt, u64 ia, u64 size)
{
	struct pgtable_leaf leaf;

	if (size != granule_size(pgt->fmt.granule) || check_ia_range(pgt, ia, size))
		return false;
	find_leaf(pgt, ia, &leaf);
	if (!pgtable_pte_valid(leaf.pte) || leaf.size != size ||
	    leaf.level == pgt->fmt.start_level || !has_neighbour(&leaf))
		return false;
	pgt->hole.ptep = NULL;
	(void)pte_break(leaf.ptep, 0);
	inval_leaf(pgt, ia, size, leaf.level);
	return true;
}

int pgtable_unmap(struct pgtable *pgt, u64 ia, u64 size, struct pgtable_progress *progress)
{
	struct remove r = { .gather.pgt = pgt };
	int ret;

	if (!progress && unmap_page(pgt, ia, size))
		return 0;
	ret = split_ends(pgt, ia, size);

	return ret ? ret : remove_leaves(pgt, ia, size, &r, progress);
}

/* As split_at(), for a hole whose value is not @value already. */
static int split_hole_at(struct pgtable *pgt, u64 cut, u64 value)
{
	struct pgtable_leaf leaf;
	int ret = 0;

	if (cut >> pgt->fmt.ia_bits)
		return 0;
	for (;;) {
		find_leaf(pgt, cut, &leaf);
		if (ret || leaf.ia == cut || pgtable_pte_valid(leaf.pte) || leaf.pte == value)
			return ret;
		ret = install_table(pgt, leaf.ptep, leaf.pte);
	}
}

int pgtable_annotate(struct pgtable *pgt, u64 ia, u64 size, u64 value)
{
	struct remove r = { .gather.pgt = pgt, .annotate = true, .value = value };
	int ret = (value & PTE_VALID) ? -EINVAL : split_ends(pgt, ia, size);

	if (!ret)
		ret = split_hole_at(pgt, ia, value);
	if (!ret)
		ret = split_hole_at(pgt, ia + size, value);
	if (!ret)
		ret = remove_leaves(pgt, ia, size, &r, NULL);
	dsb(ishst);
	return ret;
}

/* ---- attributes ---- */

struct change {
	struct gather gather;
	const struct pgtable_change *bits;
};

/* Whether TLBs must not go on to use @old. */
static bool is_loud(const struct pgtable_change *bits, u64 old)
{
	return (old ^ ((old & ~bits->clear) | bits->set)) & ~bits->quiet;
}

static int change_visit(const struct pgtable_visit *v, void *arg)
{
	struct change *c = arg;
	const struct pgtable_change *bits = c->bits;

	if (!pgtable_pte_valid(v->pte))
		return 0;
	if (bits->only_with && !(v->pte & bits->only_with))
		return -EINVAL;
	if (is_loud(bits, pte_change(v->ptep, bits->clear, bits->set)))
		gather_leaf(&c->gather, v->ia, v->level);
	return 0;
}

/* As change_visit() for each page. */
static int change_page_leaves(struct pgtable *pgt, u64 *ptep, u64 ia, u64 *n, void *arg)
{
	struct change *c = arg;
	const struct pgtable_change bits = *c->bits;
	u64 first = *n, last = 0;
	int ret = 0;

	(void)pgt;
	for (u64 i = 0; i < *n; i++) {
		u64 old = pte_read(ptep + i);

		if (!pgtable_pte_valid(old))
			continue;
		if (bits.only_with && !(old & bits.only_with)) {
			ret = -EINVAL;
			break;
		}
		old = pte_change_from(ptep + i, old, bits.clear, bits.set);
		if (is_loud(&bits, old)) {
			first = MIN(first, i);
			last = i + 1;
		}
	}
	gather_pages(&c->gather, ia, first, last);
	return ret;
}

int pgtable_set_attrs(struct pgtable *pgt, u64 ia, u64 size, const struct pgtable_change *change,
		      struct pgtable_progress *progress)
{
	struct change c = { .gather.pgt = pgt, .bits = change };
	struct pgtable_walk walk = {
		.visit = change_visit,
		.visit_run = change_page_leaves,
		.arg = &c,
		.when = PGTABLE_LEAF | PGTABLE_JOIN,
		.progress = progress,
	};
	int ret = -EINVAL;

	if (!((change->clear | change->set) & ~pgtable_attr_mask(&pgt->fmt)))
		ret = split_ends(pgt, ia, size);
	if (ret)
		return ret;
	ret = pgtable_walk(pgt, ia, size, &walk);
	gather_flush(&c.gather);
	/* Quiet changes need no TLBI, but walkers must see them. */
	dsb(ishst);
	return ret;
}

int pgtable_set_page_attrs(struct pgtable *pgt, u64 ia, const struct pgtable_change *change)
{
	u64 size = granule_size(pgt->fmt.granule);
	struct pgtable_leaf leaf;
	int ret = check_ia_range(pgt, ia, size);

	if (ret)
		return ret;
	find_leaf(pgt, ia, &leaf);
	if (!pgtable_pte_valid(leaf.pte))
		return -ENOENT;
	if (leaf.size != size || (change->only_with && !(leaf.pte & change->only_with)))
		return -EAGAIN;
	if (is_loud(change, pte_change(leaf.ptep, change->clear, change->set)))
		inval_leaf(pgt, ia, size, leaf.level);
	else
		dsb(ishst);
	return 0;
}

/* ---- hardware's bits ---- */

bool pgtable_test_leaf(struct pgtable *pgt, u64 ia, u64 bits, bool clear)
{
	struct pgtable_leaf leaf;
	u64 size;

	if (pgtable_lookup(pgt, ia, &leaf) || !(leaf.pte & bits))
		return false;
	size = pgtable_level_size(&pgt->fmt, leaf.level);
	if (clear)
		(void)pte_change(leaf.ptep + (ia - leaf.ia) / size, bits, 0);
	return true;
}

struct test_clear {
	struct gather gather;
	u64 bits;
	bool inval;
	u64 seen; /* leaves below this address are done: a contiguous group is done as a whole */
	pgtable_found *found;
	void *arg;
};

static void clear_leaves(struct test_clear *t, const struct pgtable_leaf *leaf)
{
	u64 size = pgtable_level_size(&t->gather.pgt->fmt, leaf->level);

	for (u64 i = 0; i < leaf->size / size; i++)
		(void)pte_change(leaf->ptep + i, t->bits, 0);
	if (t->inval)
		gather_range(&t->gather, leaf->ia, leaf->size, size, leaf->level);
	if (t->found)
		t->found(t->arg, leaf->ia, leaf->size);
}

static int test_clear_visit(const struct pgtable_visit *v, void *arg)
{
	struct test_clear *t = arg;
	struct pgtable_leaf leaf;

	if (!pgtable_pte_valid(v->pte) || v->start < t->seen)
		return 0;
	find_leaf(v->pgt, v->ia, &leaf);
	t->seen = leaf.ia + leaf.size;
	if (leaf.pte & t->bits)
		clear_leaves(t, &leaf);
	return 0;
}

int pgtable_test_clear(struct pgtable *pgt, u64 ia, u64 size, u64 bits, bool inval,
		       pgtable_found *found, void *arg, struct pgtable_progress *progress)
{
	struct test_clear t = {
		.gather.pgt = pgt,
		.bits = bits,
		.inval = inval,
		.found = found,
		.arg = arg,
	};
	struct pgtable_walk walk = {
		.visit = test_clear_visit,
		.arg = &t,
		.when = PGTABLE_LEAF | PGTABLE_JOIN,
		.progress = progress,
	};
	int ret = -EINVAL;

	if (!(bits & ~pgtable_attr_mask(&pgt->fmt)))
		ret = pgtable_walk(pgt, ia, size, &walk);
	gather_flush(&t.gather);
	dsb(ishst);
	return ret;
}

/* ---- merging ---- */

/*
 * Whether @n entries, a multiple of four, are leaves at @level with equal attributes that map adjacent
 * memory, aligned to the size of all. Because of the alignment, adding i * size to the first descriptor
 * gives the address field of the i-th, without a carry into other fields.
 */
static bool leaves_continue(struct pgtable *pgt, const u64 *ptep, u64 n, s8 level)
{
	u64 size = pgtable_level_size(&pgt->fmt, level);
	u64 first = pte_read(ptep);
	u64 ignored = PTE_CONT | hw_mask(pgt, first);

	if (!pgtable_pte_leaf(first, level) ||
	    !IS_ALIGNED(pgtable_pte_to_pa(&pgt->fmt, first).v, n * size))
		return false;
	for (u64 i = 0; i < n; i += 4, first += 4 * size) {
		u64 differ = (pte_read(ptep + i) ^ first) |
			     (pte_read(ptep + i + 1) ^ (first + size));

		differ |= pte_read(ptep + i + 2) ^ (first + 2 * size);
		differ |= pte_read(ptep + i + 3) ^ (first + 3 * size);
		if (differ & ~ignored)
			return false;
	}
	return true;
}

static bool any_without_cont(const u64 *ptep, u64 n)
{
	for (u64 i = 0; i < n; i++) {
		if (!(pte_read(ptep + i) & PTE_CONT))
			return true;
	}
	return false;
}

struct merge {
	u64 ia, end;
};

static bool in_range(const struct merge *m, u64 ia, u64 size)
{
	return ia >= m->ia && ia + size <= m->end;
}

static void merge_group(struct pgtable *pgt, const struct merge *m, const struct group *g)
{
	if (g->n > 1 && in_range(m, g->ia, g->n * pgtable_level_size(&pgt->fmt, g->level)) &&
	    leaves_continue(pgt, g->ptep, g->n, g->level) && any_without_cont(g->ptep, g->n))
		change_group(pgt, g, PTE_CONT);
}

/* Set the Contiguous bit in each group of the table at @v that allows it. */
static void merge_groups(const struct pgtable_visit *v, const struct merge *m)
{
	const struct pgtable_format *fmt = &v->pgt->fmt;
	s8 level = (s8)(v->level + 1);
	unsigned int n = pgtable_contig_entries(fmt, level);
	u64 *table = pte_table(v->pgt, v->pte);

	for (u64 i = 0; i < table_entries(fmt); i += n) {
		u64 ia = v->ia + i * pgtable_level_size(fmt, level);
		struct group g = { .ptep = table + i, .n = n, .ia = ia, .level = level };

		merge_group(v->pgt, m, &g);
	}
}

/* Invalidate cached copies of the table at @v and of all its entries. */
static void inval_table(const struct pgtable_visit *v)
{
	struct pgtable_inval inval = {
		.ia = v->ia,
		.size = pgtable_level_size(&v->pgt->fmt, v->level),
		.stride = pgtable_level_size(&v->pgt->fmt, v->level + 1),
		.level = PGTABLE_LEVEL_ANY,
		.tables = true,
	};

	v->pgt->ops->tlb_inval(v->pgt->ctx, &inval);
}

/*
 * Replace the table at @v by a block. Hardware may note accesses in the old leaves until the TLB
 * invalidation is complete, so their state is read again after it.
 */
static void merge_table(const struct pgtable_visit *v)
{
	struct pgtable *pgt = v->pgt;
	u64 *table = pte_table(pgt, v->pte);
	u64 attrs = pte_read(table) & pgtable_attr_mask(&pgt->fmt);
	struct pa pa = pgtable_pte_to_pa(&pgt->fmt, pte_read(table));
	u64 block = leaf_pte(&pgt->fmt, v->level, pa, attrs);
	u64 n = table_entries(&pgt->fmt);

	pte_write(v->ptep, pgt->bbm2 ? block | any_hw_state(pgt, table, n) : 0);
	inval_table(v);
	block |= any_hw_state(pgt, table, n);
	if (pgt->bbm2)
		(void)pte_change(v->ptep, 0, block);
	else
		pte_write(v->ptep, block);
	dsb(ishst);
	pgt->ops->free_table(pgt->ctx, table);
}

static void merge_invalid(const struct pgtable_visit *v, u64 invalid)
{
	struct gather g = { .pgt = v->pgt };

	gather_table(&g, v, invalid);
	gather_flush(&g);
}

/* Whether all entries of the table are the same hole, and its own entry may have that value. */
static bool is_void(const struct pgtable *pgt, const u64 *table)
{
	u64 first = pte_read(table);

	return !pgtable_pte_valid(first) && (first || !pgt->keep_partial) &&
	       all_equal(table, table_entries(&pgt->fmt), first);
}

static void merge_below(const struct pgtable_visit *v, const struct merge *m)
{
	const struct pgtable_format *fmt = &v->pgt->fmt;
	u64 *table = pte_table(v->pgt, v->pte);

	if (is_void(v->pgt, table))
		merge_invalid(v, pte_read(table));
	else if (pgtable_leaf_allowed(fmt, v->level) &&
		 in_range(m, v->ia, pgtable_level_size(fmt, v->level)) &&
		 leaves_continue(v->pgt, table, table_entries(fmt), (s8)(v->level + 1)))
		merge_table(v);
	else
		merge_groups(v, m);
}

static int merge_visit(const struct pgtable_visit *v, void *arg)
{
	const struct merge *m = arg;

	if (v->when == PGTABLE_TABLE_POST)
		merge_below(v, m);
	/* Groups in the root have no entry above them: merge each when its last leaf is visited. */
	if (v->level == v->pgt->fmt.start_level) {
		struct group g = group_around(v->pgt, v->ptep, v->ia, v->level);

		if (v->ptep == g.ptep + g.n - 1)
			merge_group(v->pgt, m, &g);
	}
	return 0;
}

int pgtable_merge(struct pgtable *pgt, u64 ia, u64 size, struct pgtable_progress *progress)
{
	struct merge m = { .ia = ia, .end = ia + size };
	struct pgtable_walk walk = {
		.visit = merge_visit,
		.arg = &m,
		.when = PGTABLE_ROOT_LEAF | PGTABLE_TABLE_POST,
		.progress = progress,
	};

	return pgtable_walk(pgt, ia, size, &walk);
}

/* The entry for @ia in the table of each level, from the root's on, by level + 1. */
struct trail {
	u64 *ptep[PGTABLE_LAST_LEVEL + 2];
};

/* Return: the level of the last one, which is no table. */
static s8 follow_trail(struct pgtable *pgt, u64 ia, struct trail *trail)
{
	u64 *table = pgt->root, *ptep;

	for (s8 level = pgt->fmt.start_level;; level++) {
		ptep = table_entry(pgt, table, level, ia);
		trail->ptep[level + 1] = ptep;
		if (!pgtable_pte_table(pte_read(ptep), level))
			return level;
		table = pte_table(pgt, pte_read(ptep));
	}
}

/* The table that @v, an entry of which there is one, is about becomes a block, if it can. */
static bool merge_if_complete(const struct pgtable_visit *v)
{
	if (!pgtable_leaf_allowed(&v->pgt->fmt, v->level) ||
	    !leaves_continue(v->pgt, pte_table(v->pgt, v->pte), table_entries(&v->pgt->fmt),
			     (s8)(v->level + 1)))
		return false;
	merge_table(v);
	return true;
}

int pgtable_merge_up(struct pgtable *pgt, u64 ia, u64 most)
{
	const struct merge all = { .ia = 0, .end = BIT(pgt->fmt.ia_bits) };
	struct pgtable_visit v = { .pgt = pgt };
	struct trail trail;
	int ret = check_ia_range(pgt, ia, granule_size(pgt->fmt.granule));

	pgt->hole.ptep = NULL;
	if (ret)
		return ret;
	v.level = follow_trail(pgt, ia, &trail);
	do {
		struct group g = group_around(pgt, trail.ptep[v.level + 1], ia, v.level);

		if (contig_size(&pgt->fmt, v.level) <= most)
			merge_group(pgt, &all, &g);
		if (v.level-- == pgt->fmt.start_level)
			break;
		v.ptep = trail.ptep[v.level + 1];
		v.pte = pte_read(v.ptep);
		v.ia = ALIGN_DOWN(ia, pgtable_level_size(&pgt->fmt, v.level));
	} while (pgtable_level_size(&pgt->fmt, v.level) <= most && merge_if_complete(&v));
	return 0;
}

/* ---- replacing ---- */

struct replace {
	struct map map;
	u64 seen; /* leaves below this address are done: a group is replaced as a whole */
};

/* Check a leaf; clear the Contiguous bit of a group whose new address is not aligned enough. */
static int replace_check_visit(const struct pgtable_visit *v, void *arg)
{
	const struct map *m = arg;
	u64 pa = m->pa.v + (v->ia - m->ia);
	struct group g = group_around(v->pgt, v->ptep, v->ia, v->level);

	if (!pgtable_pte_valid(v->pte))
		return -ENOENT;
	if (!IS_ALIGNED(pa, pgtable_level_size(&v->pgt->fmt, v->level)))
		return -EINVAL;
	if ((v->pte & PTE_CONT) &&
	    !IS_ALIGNED(pa - (v->ia - g.ia), contig_size(&v->pgt->fmt, v->level)))
		change_group(v->pgt, &g, 0);
	return 0;
}

static int replace_visit(const struct pgtable_visit *v, void *arg)
{
	struct replace *r = arg;
	struct group g = { .ptep = v->ptep, .n = 1, .ia = v->ia, .level = v->level };
	struct pa pa = PA(r->map.pa.v + (v->ia - r->map.ia));
	u64 cont = v->pte & PTE_CONT;

	if (v->start < r->seen)
		return 0;
	if (cont)
		g = group_around(v->pgt, v->ptep, v->ia, v->level);
	(void)break_group(v->pgt, &g);
	write_group(v->pgt, &g, leaf_pte(&v->pgt->fmt, v->level, pa, r->map.attrs) | cont);
	r->seen = g.ia + g.n * pgtable_level_size(&v->pgt->fmt, v->level);
	return 0;
}

int pgtable_replace(struct pgtable *pgt, u64 ia, struct pa pa, u64 size, u64 attrs)
{
	struct replace r = { .map = { .ia = ia, .end = ia + size, .pa = pa, .attrs = attrs } };
	struct pgtable_walk check = {
		.visit = replace_check_visit,
		.arg = &r.map,
		.when = PGTABLE_LEAF,
	};
	struct pgtable_walk replace = { .visit = replace_visit, .arg = &r, .when = PGTABLE_LEAF };
	int ret = check_output(pgt, pa, size);

	if (!ret && (attrs & ~pgtable_attr_mask(&pgt->fmt)))
		ret = -EINVAL;
	if (!ret)
		ret = split_ends(pgt, ia, size);
	if (!ret)
		ret = pgtable_walk(pgt, ia, size, &check);
	if (!ret)
		ret = pgtable_walk(pgt, ia, size, &replace);
	dsb(ishst);
	return ret;
}

/* ---- life ---- */

u64 pgtable_root_size(const struct pgtable_format *fmt)
{
	return BIT(fmt->ia_bits - pgtable_level_shift(fmt, fmt->start_level)) * sizeof(u64);
}

static bool format_start_valid(const struct pgtable_format *fmt)
{
	/* D8.2.1, D8.2.2: 64K tables begin at level 1 or below, level -1 is for 4K with DS. */
	s8 lowest = fmt->granule == GRANULE_64K ? 1 : 0;

	if (fmt->granule == GRANULE_4K && fmt->ds)
		lowest = -1;
	return fmt->start_level >= lowest && fmt->start_level <= PGTABLE_LAST_LEVEL;
}

static bool format_valid(const struct pgtable_format *fmt)
{
	unsigned int max_bits, bits;

	if ((unsigned int)fmt->granule >= GRANULE_COUNT || !format_start_valid(fmt) ||
	    (fmt->ds && fmt->granule == GRANULE_64K))
		return false;
	max_bits = fmt->ds || fmt->granule == GRANULE_64K ? 52 : 48;
	if (fmt->oa_bits < 32 || fmt->oa_bits > max_bits || fmt->ia_bits > max_bits)
		return false;
	/* D8.2.2: concatenated tables at the start level, 1 to 16 of them, all in use. */
	bits = pgtable_level_shift(fmt, fmt->start_level);
	if (fmt->ia_bits <= bits || !fmt->root_tables)
		return false;
	bits += table_index_bits(fmt);
	if (fmt->root_tables == 1)
		return fmt->ia_bits <= bits;
	return fmt->root_tables <= 16 && fmt->ia_bits > bits &&
	       BIT(fmt->ia_bits - bits) == fmt->root_tables;
}

static void set_oa(struct pgtable *pgt)
{
	const struct pgtable_format *fmt = &pgt->fmt;

	if (fmt->ds) {
		pgt->oa_high = PTE_OA_51_50_DS;
		pgt->oa_shift = 50 - 8;
	} else if (has_lpa_64k(fmt)) {
		pgt->oa_high = PTE_OA_51_48_64K;
		pgt->oa_shift = 48 - 12;
	}
	pgt->oa_low = pgtable_oa_mask(fmt) & ~pgt->oa_high;
}

int pgtable_init(struct pgtable *pgt, const struct pgtable_format *fmt, u64 *root,
		 const struct pgtable_ops *ops, void *ctx)
{
	if (!format_valid(fmt))
		return -EINVAL;
	*pgt = (struct pgtable){ .fmt = *fmt, .root = root, .ops = ops, .ctx = ctx };
	set_oa(pgt);
	/* No walker uses the root yet. */
	__builtin_memset(root, 0, pgtable_root_size(fmt));
	dsb(ishst);
	return 0;
}

/* A leaf in the root may be one that hardware updates. */
static void drop_entry(u64 *ptep)
{
	u64 pte = pte_read(ptep);

	while (pte && !pte_cmpxchg(ptep, &pte, 0))
		;
}

/* log2 of the entries of one part of the root. */
static unsigned int part_shift(const struct pgtable *pgt)
{
	unsigned int shift = pgtable_level_shift(&pgt->fmt, pgt->fmt.start_level);
	unsigned int bits = pgt->fmt.ia_bits - MIN(pgt->fmt.ia_bits, shift);

	return bits > PGTABLE_ROOT_PARTS_SHIFT ? bits - PGTABLE_ROOT_PARTS_SHIFT : 0;
}

u64 pgtable_root_parts(const struct pgtable *pgt, u64 ia, u64 size)
{
	unsigned int shift = pgtable_level_shift(&pgt->fmt, pgt->fmt.start_level) + part_shift(pgt);

	return GENMASK((ia + size - 1) >> shift, ia >> shift);
}

u64 pgtable_root_part_entries(const struct pgtable *pgt)
{
	return BIT(part_shift(pgt));
}

static void drop_part(struct pgtable *pgt, unsigned int part)
{
	u64 first = (u64)part << part_shift(pgt), end = (part + 1ULL) << part_shift(pgt);

	for (u64 i = first; i < end; i++)
		drop_entry(pgt->root + i);
}

void pgtable_drop(struct pgtable *pgt, u64 parts)
{
	pgt->hole.ptep = NULL;
	for (; parts; parts &= parts - 1)
		drop_part(pgt, (unsigned int)__builtin_ctzll(parts));
}

void pgtable_destroy(struct pgtable *pgt)
{
	struct remove r = { .gather.pgt = pgt, .annotate = true };

	/* The range is valid, and as the whole space it splits no leaf: this cannot fail. */
	(void)remove_leaves(pgt, 0, BIT(pgt->fmt.ia_bits), &r, NULL);
}
