// SPDX-License-Identifier: BSD-2-Clause
/* A naive model of a stage 2, and random operations on both: see stage2_model.h. */
#include "stage2_model.h"

#include <arch/fake_mem.h>
#include <arch/fake_tlb.h>
#include <lib/errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_UNITS 4096

const struct model_config model_configs[] = {
	/* name, granule, ia, ds, pa, unit level, units, bbm, hw, fwb, xnx, ttl, range */
	{ "4k-pages", GRANULE_4K, 40, false, 44, 3, 1600, 0, true, true, true, true, false },
	{ "4k-pages-bbm2", GRANULE_4K, 48, false, 48, 3, 1600, 2, true, false, true, true, true },
	{ "4k-pages-old-cpu", GRANULE_4K, 40, false, 40, 3, 1600, 0, false, false, false, false,
	  false },
	{ "4k-lpa2", GRANULE_4K, 52, true, 52, 3, 1600, 0, true, true, true, true, true },
	{ "4k-2m", GRANULE_4K, 36, false, 48, 2, 1600, 1, true, true, true, true, true },
	{ "4k-2m-lpa2-bbm2", GRANULE_4K, 52, true, 52, 2, 1600, 2, true, true, true, true, true },
	{ "4k-1g-lpa2", GRANULE_4K, 52, true, 52, 1, 1200, 0, true, true, true, true, true },
	{ "16k-pages", GRANULE_16K, 40, false, 48, 3, 4096, 0, true, true, true, true, true },
	{ "16k-lpa2-bbm2", GRANULE_16K, 52, true, 52, 3, 4096, 2, true, true, true, true, true },
	{ "16k-32m-lpa2", GRANULE_16K, 52, true, 52, 2, 4096, 0, false, true, true, true, true },
	{ "64k-pages", GRANULE_64K, 42, false, 48, 3, 4096, 0, true, true, true, true, true },
	{ "64k-lpa-bbm2", GRANULE_64K, 52, true, 52, 3, 4096, 2, true, true, false, true, true },
	{ "64k-512m-lpa", GRANULE_64K, 52, true, 52, 2, 4096, 0, true, true, true, true, false },
};
const unsigned int model_config_count = ARRAY_SIZE(model_configs);

u32 (*model_rand)(u32 n) = fake_rand;

/* What a unit is. */
struct unit {
	bool mapped;
	u8 owner;
	u8 attrs; /* index into attr_sets, or those with bits changed since */
	u64 pa;
	enum stage2_attrs prot; /* permissions, type, SW */
	bool written;		/* since dirty state was last collected */
	bool used;		/* since the access flag was last cleared */
};

static struct {
	const struct model_config *config;
	struct mmu_caps caps;
	struct stage2_geometry geometry;
	struct stage2 s2;
	void *root;
	int regime;
	u64 base, unit; /* of the window; bytes of a unit */
	struct unit units[MAX_UNITS];
	u64 pa_base;
	u64 steps;
	unsigned int collected[MAX_UNITS];
	const char *op;
} m;

static void __printf(1, 2) die(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "model %s, step %llu, %s: ", m.config->name, (unsigned long long)m.steps,
		m.op);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

/* ---- the world ---- */

static const struct stage2_mem_ops mem_ops = {
	.zalloc_table = fake_mem_zalloc,
	.free_table = fake_mem_free,
	.table_to_pa = fake_mem_to_pa,
	.pa_to_table = fake_mem_from_pa,
};

static struct mmu_caps caps_of(const struct model_config *c)
{
	struct mmu_caps caps = {
		.pa_bits = c->pa_bits,
		.vmid_bits = 16,
		.bbm_level = c->bbm_level,
		.s1_granule = { true, true, true },
		.s2_granule = { true, true, true },
		.small_tables = true,
		.hw_access = c->hw,
		.hw_dirty = c->hw,
		.fwb = c->fwb,
		.xnx = c->xnx,
		.ttl = c->ttl,
		.tlbi_range = c->range,
	};

	caps.s2_lpa2[GRANULE_4K] = caps.s2_lpa2[GRANULE_16K] = c->ds;
	return caps;
}

static void dirtied(int regime, u64 ia, u64 size)
{
	u64 first = (ia - m.base) / m.unit;

	if (ia >= m.base && first < m.config->units)
		m.units[first].written = m.units[first].used = true;
}

static void add_regime(void)
{
	const struct stage2_geometry *g = &m.geometry;
	struct fake_regime regime = {
		.vmid = 5,
		.granule = g->granule,
		.start_level = g->start_level,
		.ia_bits = g->ia_bits,
		.oa_bits = g->oa_bits,
		.ds = g->ds,
		.ha = m.caps.hw_access,
		.hd = m.caps.hw_dirty,
		.bbm_level = m.caps.bbm_level,
		.root = m.root,
	};

	m.regime = fake_tlb_add(&regime);
}

void model_start(const struct model_config *config, u64 seed)
{
	struct stage2_config sc = { .vmid = 5, .fwb = config->fwb, .mem = &mem_ops };
	u64 granule = granule_size(config->granule);

	memset(&m, 0, sizeof(m));
	m.config = config;
	m.op = "start";
	m.caps = caps_of(config);
	fake_tlb_reset();
	fake_srand(seed);
	if (stage2_geometry(&m.geometry, config->ia_bits, config->granule, &m.caps))
		die("no geometry");
	/* Tables at the top of the output range, so that all their address bits are used. */
	fake_mem_init(config->granule, BIT(m.geometry.oa_bits) - 600 * granule, 600);
	m.root = fake_mem_zalloc_root((unsigned int)MAX(m.geometry.root_size / granule, 1ULL),
				      m.geometry.root_align);
	if (!m.root)
		die("no root");
	sc.geometry = &m.geometry;
	sc.caps = &m.caps;
	sc.root = m.root;
	add_regime();
	if (stage2_init(&m.s2, &sc))
		die("stage2_init() failed");
	spin_lock(&m.s2.lock);
	m.unit = pgtable_level_size(&m.s2.pgt.fmt, config->unit_level);
	/* Across a boundary of the level two above the unit, off it by what makes ends uneven. */
	m.base = BIT(config->ia_bits - 1) - config->units / 2 * m.unit;
	/* As aligned as the IPAs, to the level above the unit: so that there can be blocks. */
	m.pa_base = BIT(m.geometry.oa_bits - 1) +
		    ALIGN_UP(config->units * m.unit,
			     pgtable_level_size(&m.s2.pgt.fmt, config->unit_level - 1));
	fake_tlb_race(20, dirtied);
}

/* ---- comparing ---- */

static u64 ipa_of(unsigned int unit)
{
	return m.base + unit * m.unit;
}

static void check_unit(unsigned int i)
{
	const struct unit *u = &m.units[i];
	u64 offset = model_rand((u32)MIN(m.unit >> 12, 0xffffffffULL)) * SZ_4K;
	u64 ipa = ipa_of(i) + offset, pa = 0;
	enum fake_outcome outcome = fake_walk(m.regime, ipa, &pa, NULL, NULL);
	struct stage2_leaf leaf;
	int ret = stage2_lookup(&m.s2, IPA(ipa), &leaf);
	const unsigned int state = STAGE2_OLD | STAGE2_CLEAN;

	if ((ret == 0) != u->mapped || (outcome != FAKE_TRANSLATION) != u->mapped)
		die("unit %u: mapped %d, lookup says %d, the MMU %d", i, u->mapped, ret, outcome);
	if (leaf.owner != u->owner)
		die("unit %u: owner %u, should be %u", i, leaf.owner, u->owner);
	if (ipa < leaf.ipa.v || ipa - leaf.ipa.v >= leaf.size)
		die("unit %u: leaf %#llx+%#llx does not cover %#llx", i,
		    (unsigned long long)leaf.ipa.v, (unsigned long long)leaf.size,
		    (unsigned long long)ipa);
	if (!u->mapped)
		return;
	if (pa != u->pa + offset || leaf.pa.v + (ipa - leaf.ipa.v) != pa)
		die("unit %u: %#llx, lookup says %#llx, should be %#llx", i, (unsigned long long)pa,
		    (unsigned long long)(leaf.pa.v + (ipa - leaf.ipa.v)),
		    (unsigned long long)(u->pa + offset));
	if (((unsigned int)leaf.attrs & ~state) != (unsigned int)u->prot)
		die("unit %u: attributes %#x, should be %#x", i, (unsigned int)leaf.attrs & ~state,
		    (unsigned int)u->prot);
	if (u->written && leaf.size >= m.unit && (leaf.attrs & STAGE2_CLEAN))
		die("unit %u: a write was lost", i);
}

static void check_range(unsigned int first, unsigned int n)
{
	unsigned int end = MIN(first + n + 2, m.config->units);

	for (unsigned int i = first < 2 ? 0 : first - 2; i < end; i++)
		check_unit(i);
}

static void check_all(void)
{
	struct ipa ipa = IPA(0);
	const char *why = stage2_sane(&m.s2, &ipa, stage2_size(&m.s2), NULL);

	if (why)
		die("not sane at %#llx: %s", (unsigned long long)ipa.v, why);
	check_range(0, m.config->units);
	fake_tlb_check(m.op);
}

/* ---- operations ---- */

struct range {
	unsigned int first, n;
	struct ipa ipa;
	u64 size;
};

/* Often short; sometimes aligned to what blocks and contiguous groups want. */
static struct range random_range(void)
{
	static const u16 aligns[] = { 1, 1, 16, 32, 128, 512 };
	unsigned int align = aligns[model_rand(ARRAY_SIZE(aligns))];
	unsigned int units = m.config->units;
	struct range r;

	r.first = model_rand(units) / align * align;
	r.n = align == 1 ? 1 + model_rand(model_rand(8) ? 6 : 64) : align * (1 + model_rand(2));
	/* The window's first unit is not aligned to much: what is aligned is the address. */
	if (align > 1) {
		u64 skew = (ipa_of(r.first) / m.unit) % align;

		r.first = skew ? r.first + align - (unsigned int)skew : r.first;
	}
	if (r.first >= units)
		r.first = units - 1;
	r.n = MIN(r.n, units - r.first);
	r.ipa = IPA(ipa_of(r.first));
	r.size = r.n * m.unit;
	return r;
}

static enum stage2_attrs random_attrs(void)
{
	static const unsigned int sets[] = {
		STAGE2_RWX,
		STAGE2_RWX,
		STAGE2_RWX,
		STAGE2_RW,
		STAGE2_R | STAGE2_X,
		STAGE2_RW | STAGE2_DEVICE,
		STAGE2_RW | STAGE2_NORMAL_NC,
		STAGE2_RWX | STAGE2_SW1,
		STAGE2_RW | STAGE2_PX,
	};
	unsigned int n = ARRAY_SIZE(sets) - (m.config->xnx ? 0 : 1);

	return (enum stage2_attrs)sets[model_rand(n)];
}

/* Mostly the same offset for all, so that neighbours continue one another. */
static struct pa random_pa(const struct range *r)
{
	u64 offset = model_rand(4) ? 0 : model_rand(3) * m.unit;

	return PA(m.pa_base + (r->ipa.v - BIT(m.config->ia_bits - 1)) + offset);
}

/* Run @call until it is done: with budgets, and again after a failed allocation. */
#define FINISH(call, what)                                                    \
	({                                                                    \
		struct stage2_progress progress = { 0 };                      \
		struct stage2_progress *p = model_rand(3) ? NULL : &progress; \
		int ret_;                                                     \
		m.op = (what);                                                \
		for (;;) {                                                    \
			u64 before = progress.done;                           \
			progress.budget = 1 + model_rand(300);                \
			ret_ = (call);                                        \
			if (ret_ == -ENOMEM) {                                \
				fake_tlb_check(what);                         \
				fake_mem_fail_after(-1);                      \
			} else if (ret_ != -EAGAIN) {                         \
				break;                                        \
			} else if (progress.done <= before) {                 \
				die("no progress");                           \
			} else {                                              \
				fake_tlb_check(what);                         \
			}                                                     \
		}                                                             \
		(void)p;                                                      \
		ret_;                                                         \
	})

static void expect(int ret, int want)
{
	if (ret != want)
		die("returned %d, should be %d", ret, want);
}

static void op_map(const struct range *r)
{
	enum stage2_attrs attrs = random_attrs();
	struct pa pa = random_pa(r);
	enum stage2_attrs how = attrs;
	int want = 0, ret;

	if (!model_rand(6))
		how |= STAGE2_PAGES;
	if (!model_rand(6))
		how |= STAGE2_OLD;
	if (!model_rand(4) && m.config->hw && (attrs & STAGE2_W))
		how |= STAGE2_CLEAN;
	/* Pages of a large unit would fill all memory. */
	if (m.config->unit_level < 3)
		how &= ~STAGE2_PAGES;
	for (unsigned int i = 0; i < r->n; i++) {
		const struct unit *u = &m.units[r->first + i];

		if (u->owner || (u->mapped && (u->pa != pa.v + i * m.unit || u->prot != attrs)))
			want = -EEXIST;
	}
	ret = FINISH(stage2_map(&m.s2, r->ipa, pa, r->size, how), "map");
	expect(ret, want);
	for (unsigned int i = 0; i < r->n && !want; i++) {
		struct unit *u = &m.units[r->first + i];

		if (!u->mapped)
			*u = (struct unit){ .mapped = true,
					    .pa = pa.v + i * m.unit,
					    .prot = attrs };
	}
}

static void op_unmap(const struct range *r)
{
	expect(FINISH(stage2_unmap(&m.s2, r->ipa, r->size, p), "unmap"), 0);
	for (unsigned int i = 0; i < r->n; i++) {
		struct unit *u = &m.units[r->first + i];

		if (u->mapped)
			*u = (struct unit){ 0 };
	}
}

static void op_annotate(const struct range *r)
{
	u8 owner = (u8)(model_rand(3) ? 0 : 1 + model_rand(2) * 254);

	expect(FINISH(stage2_annotate(&m.s2, r->ipa, r->size, owner), "annotate"), 0);
	for (unsigned int i = 0; i < r->n; i++)
		m.units[r->first + i] = (struct unit){ .owner = owner };
}

static bool has_device(const struct range *r)
{
	for (unsigned int i = 0; i < r->n; i++) {
		const struct unit *u = &m.units[r->first + i];

		if (u->mapped && (u->prot & STAGE2_MEMTYPE) >= STAGE2_DEVICE)
			return true;
	}
	return false;
}

static void op_protect(const struct range *r)
{
	static const u16 bits[] = { STAGE2_R, STAGE2_W, STAGE2_X, STAGE2_SW1 };
	unsigned int set = 0, clear = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(bits); i++) {
		switch (model_rand(4)) {
		case 0:
			set |= bits[i];
			break;
		case 1:
			clear |= bits[i];
			break;
		default:
			break;
		}
	}
	if (has_device(r))
		set &= ~(unsigned int)STAGE2_X;
	expect(FINISH(stage2_protect(&m.s2, r->ipa, r->size, (enum stage2_attrs)set,
				     (enum stage2_attrs)clear, p),
		      "protect"),
	       0);
	for (unsigned int i = 0; i < r->n; i++) {
		struct unit *u = &m.units[r->first + i];

		if (!u->mapped)
			continue;
		u->prot = (enum stage2_attrs)(((unsigned int)u->prot & ~clear) | set);
		/* What W was lost, and whether the unit was dirty is forgotten with it. */
		if (clear & STAGE2_W)
			u->written = false;
	}
}

static void op_split(const struct range *whole)
{
	struct range r = *whole;

	/* Splitting a large unit to pages makes many of them: some, now and then. */
	if (m.config->unit_level < 3 && m.config->granule == GRANULE_64K && model_rand(8))
		return;
	if (m.config->unit_level < 3)
		r.size = MIN(r.size, 16 * stage2_granule(&m.s2));
	expect(FINISH(stage2_split(&m.s2, r.ipa, r.size, p), "split"), 0);
	for (u64 offset = 0; offset < r.size; offset += stage2_granule(&m.s2)) {
		struct stage2_leaf leaf;
		int ret = stage2_lookup(&m.s2, IPA(r.ipa.v + offset), &leaf);

		if (!ret && leaf.size != stage2_granule(&m.s2))
			die("%#llx is in a leaf of %#llx", (unsigned long long)(r.ipa.v + offset),
			    (unsigned long long)leaf.size);
	}
}

static void op_merge(const struct range *r)
{
	fake_mem_fail_after(0);
	if (model_rand(2))
		expect(FINISH(stage2_merge(&m.s2, r->ipa, r->size, p), "merge"), 0);
	else
		expect(stage2_merge_up(&m.s2, r->ipa, 1ULL << model_rand(64)), 0);
}

static void op_remap(const struct range *r)
{
	enum stage2_attrs attrs = random_attrs();
	struct pa pa = random_pa(r);
	int want = 0, ret;

	for (unsigned int i = 0; i < r->n; i++) {
		if (!m.units[r->first + i].mapped)
			want = -ENOENT;
	}
	ret = FINISH(stage2_remap(&m.s2, r->ipa, pa, r->size, attrs), "remap");
	/* Misaligned to a block is a right answer as well, on blocks larger than a unit. */
	if (ret == -EINVAL && pa.v % (m.unit * 2))
		return;
	if (ret == -EINVAL && (pa.v ^ r->ipa.v) % BIT(m.config->ia_bits - 1))
		return;
	expect(ret, want);
	if (ret)
		return;
	for (unsigned int i = 0; i < r->n; i++)
		m.units[r->first + i] =
			(struct unit){ .mapped = true, .pa = pa.v + i * m.unit, .prot = attrs };
}

static void collect(void *arg, struct ipa ipa, u64 size)
{
	for (unsigned int i = 0; i < m.config->units; i++) {
		if (ipa_of(i) < ipa.v + size && ipa.v < ipa_of(i) + m.unit)
			m.collected[i]++;
	}
}

static void op_collect_dirty(const struct range *r)
{
	memset(m.collected, 0, sizeof(m.collected));
	expect(FINISH(stage2_collect_dirty(&m.s2, r->ipa, r->size, collect, NULL, p), "collect"),
	       0);
	for (unsigned int i = 0; i < m.config->units; i++) {
		struct unit *u = &m.units[i];

		if (i >= r->first && i < r->first + r->n && u->mapped && u->written &&
		    !m.collected[i])
			die("unit %u was written and is not reported", i);
		if (m.collected[i] && !m.config->hw)
			u->prot &= ~STAGE2_W;
		/* A race may have written after it was collected; then it is dirty again. */
		if (m.collected[i])
			u->written = false;
	}
}

/* The units that share a leaf with unit @i, as [*from, *to). */
static void units_of_leaf(unsigned int i, unsigned int *from, unsigned int *to)
{
	struct stage2_leaf leaf;
	u64 end = ipa_of(m.config->units);

	*from = i;
	*to = i + 1;
	if (stage2_lookup(&m.s2, IPA(ipa_of(i)), &leaf))
		return;
	*from = (unsigned int)((MAX(leaf.ipa.v, m.base) - m.base) / m.unit);
	*to = MAX(*to, (unsigned int)((MIN(leaf.ipa.v + leaf.size, end) - m.base) / m.unit));
}

static void op_clear_young(const struct range *r)
{
	bool young = false, any = false, used = false;
	unsigned int from, to, ignored;

	units_of_leaf(r->first, &from, &ignored);
	units_of_leaf(r->first + r->n - 1, &ignored, &to);

	for (unsigned int i = 0; i < r->n; i++)
		used |= m.units[r->first + i].mapped && m.units[r->first + i].used;
	expect(FINISH(({
			      int ret = stage2_test_clear_young(&m.s2, r->ipa, r->size, &young, p);

			      any |= young;
			      ret;
		      }),
		      "clear young"),
	       0);
	if (used && !any)
		die("a use was forgotten");
	/* A leaf that is only partly in the range is old altogether now. */
	for (unsigned int i = from; i < to; i++)
		m.units[i].used = false;
}

/* Use the window through TLBs, as CPUs do while operations go on. */
static void op_access(const struct range *r)
{
	m.op = "access";
	for (unsigned int i = 0; i < 8; i++) {
		unsigned int n = r->first + model_rand(r->n);
		enum fake_access access = (enum fake_access)model_rand(3);
		struct unit *u = &m.units[n];
		u64 offset = model_rand((u32)MIN(m.unit >> 12, 0xffffffffULL)) * SZ_4K, pa;
		u64 ipa = ipa_of(n) + offset;
		static const unsigned int needs[] = { STAGE2_R, STAGE2_W, STAGE2_PX };
		bool allowed = u->mapped && (u->prot & needs[access]);
		unsigned int cpu = model_rand(FAKE_CPUS);
		enum fake_outcome got = fake_tlb_access(cpu, m.regime, ipa, access, &pa);

		if (got == FAKE_ACCESS_FLAG) {
			expect(stage2_set_young(&m.s2, IPA(ipa)), 0);
			got = fake_tlb_access(cpu, m.regime, ipa, access, &pa);
		}
		if (access == FAKE_EXEC && u->mapped && (u->prot & STAGE2_X) == STAGE2_PX)
			continue;
		if ((got == FAKE_OK) != allowed)
			die("access %d to unit %u gives %d", access, n, got);
		if (got == FAKE_OK && pa != u->pa + offset)
			die("access to unit %u reaches %#llx", n, (unsigned long long)pa);
		if (got == FAKE_OK) {
			u->used = true;
			u->written |= access == FAKE_WRITE;
		}
	}
	if (fake_tlb_entries() > 150)
		stage2_invalidate_all(&m.s2);
}

static const struct {
	void (*run)(const struct range *r);
	unsigned int weight;
	bool allocates;
} ops[] = {
	{ op_map, 30, true },	  { op_unmap, 12, true },	  { op_annotate, 5, true },
	{ op_protect, 10, true }, { op_split, 5, true },	  { op_merge, 8, false },
	{ op_remap, 5, true },	  { op_collect_dirty, 7, false }, { op_clear_young, 4, false },
	{ op_access, 14, false },
};

void model_step(void)
{
	struct range r = random_range();
	unsigned int pick = model_rand(100), i = 0;

	for (; pick >= ops[i].weight; i++)
		pick -= ops[i].weight;
	fake_mem_fail_after(ops[i].allocates && !model_rand(4) ? (int)model_rand(4) : -1);
	ops[i].run(&r);
	fake_mem_fail_after(-1);
	fake_tlb_check(m.op);
	check_range(r.first, r.n);
	if (++m.steps % 256 == 0)
		check_all();
}

void model_end(void)
{
	u64 granule = granule_size(m.config->granule);

	m.op = "end";
	check_all();
	spin_unlock(&m.s2.lock);
	stage2_destroy(&m.s2);
	fake_tlb_check("destroy");
	if (fake_mem_in_use() != MAX(m.geometry.root_size / granule, 1ULL))
		die("%u tables are left", fake_mem_in_use());
	fake_tlb_remove(m.regime);
	if (fake_tlb_entries())
		die("%u TLB entries are left", fake_tlb_entries());
}
