/* SPDX-License-Identifier: GPL-2.0 */
/* A walk of the process's own page tables, without their locks. */
#ifndef KEEL_LINUX_PROCESS_TABLES_H
#define KEEL_LINUX_PROCESS_TABLES_H

#include <linux/mm.h>
#include <linux/pgtable.h>

/* What maps an address: a block, or the entry of a page, which may be none. */
struct keel_process_leaf {
	pte_t entry;	    /* a block's in the form of a page's: its fields are the same */
	pte_t *page;	    /* where a page's entry is; NULL of a block */
	unsigned long pfn;  /* of a block: its first */
	unsigned int order; /* of a block; 0 of a page */
};

/**
 * keel_process_leaf() - look up an address of the current process
 * @hva:  any
 * @leaf: filled if there is one
 *
 * Interrupts must be off, so that no table is freed during the walk and while @leaf->page is used (as in fast
 * GUP). What was found may be out of date at once.
 *
 * Return: whether there is a block, or a table of pages.
 */
static inline bool keel_process_leaf(unsigned long hva, struct keel_process_leaf *leaf)
{
	pgd_t *pgdp = pgd_offset(current->mm, hva), pgd = READ_ONCE(*pgdp);
	p4d_t *p4dp, p4d;
	pud_t *pudp, pud;
	pmd_t pmd;

	if (pgd_none(pgd))
		return false;
	p4dp = p4d_offset_lockless(pgdp, pgd, hva);
	p4d = READ_ONCE(*p4dp);
	if (p4d_none(p4d) || !p4d_present(p4d))
		return false;
	pudp = pud_offset_lockless(p4dp, p4d, hva);
	pud = READ_ONCE(*pudp);
	if (pud_none(pud) || !pud_present(pud))
		return false;
	if (pud_leaf(pud)) {
		*leaf = (struct keel_process_leaf){ pud_pte(pud), NULL, pud_pfn(pud),
						    PUD_SHIFT - PAGE_SHIFT };
		return true;
	}
	pmd = READ_ONCE(*pmd_offset_lockless(pudp, pud, hva));
	if (pmd_none(pmd) || !pmd_present(pmd))
		return false;
	if (pmd_leaf(pmd)) {
		*leaf = (struct keel_process_leaf){ pmd_pte(pmd), NULL, pmd_pfn(pmd),
						    PMD_SHIFT - PAGE_SHIFT };
		return true;
	}
	leaf->page = pte_offset_kernel(&pmd, hva);
	leaf->entry = READ_ONCE(*leaf->page);
	leaf->order = 0;
	return true;
}

#endif
