// SPDX-License-Identifier: BSD-2-Clause
/* pgtable_sane(): checks that translation tables are well-formed. Debug builds and tests only. */
#include <arch/pte.h>
#include <lib/errno.h>
#include <mm/pgtable.h>

#ifdef KEEL_DEBUG

struct sane {
	const struct pgtable_attrs_check *attrs;
	const char *why; /* what is wrong; NULL so far */
	u64 ia;
};

static bool output_fits(const struct pgtable_format *fmt, u64 pte, u64 align)
{
	u64 pa = pgtable_pte_to_pa(fmt, pte).v;

	return IS_ALIGNED(pa, align) && !(pa >> fmt->oa_bits);
}

static const char *table_fault(const struct pgtable_visit *v)
{
	const struct pgtable_format *fmt = &v->pgt->fmt;

	if (v->pte & ~(pgtable_oa_mask(fmt) | PTE_VALID | PTE_TABLE))
		return "a table's descriptor has more than its address";
	return output_fits(fmt, v->pte, granule_size(fmt->granule))
		       ? NULL
		       : "a table is where none can be";
}

/* Whether @pte is leaf @i of the group that @first begins; access and dirty bits may differ. */
static bool leaf_continues(const struct pgtable_visit *v, u64 first, u64 pte, u64 i)
{
	const struct pgtable *pgt = v->pgt;
	u64 attrs = pgtable_attr_mask(&pgt->fmt) & ~(pgt->hw.access | pgt->hw.dirty);
	u64 size = pgtable_level_size(&pgt->fmt, v->level);

	return pgtable_pte_leaf(pte, v->level) && (pte & PTE_CONT) && !((first ^ pte) & attrs) &&
	       pgtable_pte_to_pa(&pgt->fmt, pte).v ==
		       pgtable_pte_to_pa(&pgt->fmt, first).v + i * size;
}

/* Compare the first leaf of a group with all others, and another leaf with the first one. */
static bool group_continues(const struct pgtable_visit *v, unsigned int n, u64 index)
{
	u64 first = pte_read(v->ptep - index);

	if (index)
		return leaf_continues(v, first, first, 0) &&
		       leaf_continues(v, first, v->pte, index);
	for (unsigned int i = 0; i < n; i++)
		if (!leaf_continues(v, first, pte_read(v->ptep + i), i))
			return false;
	return true;
}

static const char *group_fault(const struct pgtable_visit *v)
{
	const struct pgtable_format *fmt = &v->pgt->fmt;
	unsigned int n = pgtable_contig_entries(fmt, v->level);
	u64 size = pgtable_level_size(fmt, v->level);
	u64 index = (v->ia / size) & (n - 1);

	if (n == 1)
		return "the Contiguous bit, where it joins nothing";
	if (!group_continues(v, n, index))
		return "a contiguous group does not continue";
	return IS_ALIGNED(pgtable_pte_to_pa(fmt, v->pte).v - index * size, n * size)
		       ? NULL
		       : "a contiguous group's output is not aligned";
}

static const char *leaf_fault(const struct pgtable_visit *v,
			      const struct pgtable_attrs_check *check)
{
	const struct pgtable_format *fmt = &v->pgt->fmt;
	u64 attrs = v->pte & pgtable_attr_mask(fmt);

	if (!pgtable_leaf_allowed(fmt, v->level))
		return "a block at a level that has none";
	if (v->level == PGTABLE_LAST_LEVEL && !(v->pte & PTE_TABLE))
		return "a page's descriptor is reserved";
	if (v->pte & ~(pgtable_oa_mask(fmt) | attrs | PTE_CONT | PTE_VALID | PTE_TABLE))
		return "a leaf has bits that mean nothing";
	if (!output_fits(fmt, v->pte, pgtable_level_size(fmt, v->level)))
		return "a leaf's output is not aligned, or too large";
	if (check && !check->known(check->arg, attrs))
		return "a leaf has attributes that nobody gives";
	return v->pte & PTE_CONT ? group_fault(v) : NULL;
}

static int visit_sane(const struct pgtable_visit *v, void *arg)
{
	struct sane *s = arg;

	if (v->when == PGTABLE_TABLE_PRE)
		s->why = table_fault(v);
	else if (pgtable_pte_valid(v->pte))
		s->why = leaf_fault(v, s->attrs);
	s->ia = v->ia;
	return s->why != NULL;
}

static bool hole_is_one(const struct pgtable_hole *hole, const struct pgtable_format *fmt)
{
	return !hole->ptep || (!pte_read(hole->ptep) &&
			       IS_ALIGNED(hole->ia, pgtable_level_size(fmt, hole->level)));
}

const char *pgtable_sane(struct pgtable *pgt, u64 *ia, u64 size,
			 const struct pgtable_attrs_check *attrs, struct pgtable_progress *progress)
{
	struct sane s = { .attrs = attrs, .ia = *ia };
	struct pgtable_walk walk = {
		.visit = visit_sane,
		.arg = &s,
		.when = PGTABLE_LEAF | PGTABLE_TABLE_PRE | PGTABLE_JOIN,
		.progress = progress,
	};
	struct pgtable_hole hole = pgt->hole;
	int ret;

	if (!hole_is_one(&hole, &pgt->fmt))
		return "the hole that was found last is none";
	ret = pgtable_walk(pgt, *ia, size, &walk);
	if (!s.why && ret && ret != -EAGAIN)
		s.why = "the range is none";
	pgt->hole = hole;
	*ia = s.ia;
	return s.why;
}

#endif
