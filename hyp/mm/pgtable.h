/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translation tables of any stage, granule and depth: one walker, and the operations built on it
 * (map, unmap, annotate, change attributes, split, merge, replace, look up).
 *
 * The meaning of attributes is not known here: EL2's stage 1 and all stage 2s differ in attributes
 * only. Known are the valid and table bits, the output address, the Contiguous bit and, from struct
 * pgtable_hw, the bits that hardware sets by itself. struct pgtable_ops provides memory for tables
 * and TLB maintenance.
 *
 * Locking: no function takes a lock. The owner of a struct pgtable serializes all calls on it.
 * Hardware table walkers, and hardware's updates of access flag and dirty state, run concurrently,
 * and no update is lost: valid leaves change by compare-and-exchange only.
 *
 * Break-before-make (ARM DDI 0487, D8.17.1): a valid descriptor gets another output address, size
 * or memory type only after it was invalid and TLBs were invalidated. A walker can see the gap: if
 * a look-up under the lock finds the address of a translation fault mapped, the access is retried.
 * With pgtable.bbm2 (FEAT_BBM level 2) sizes change without the gap. A CPU may then take a TLB
 * conflict abort, whose handler invalidates all entries of the address space and retries.
 */
#ifndef KEEL_MM_PGTABLE_H
#define KEEL_MM_PGTABLE_H

#include <cpu/mmu_caps.h>
#include <lib/types.h>

/* Descriptor bits that all stages and formats share (D8.3.1, D8.3.2). */
#define PTE_VALID BIT(0)
#define PTE_TABLE BIT(1) /* a table, or at level 3 a page; 0 is a block */
#define PTE_AF	  BIT(10)
#define PTE_CONT  BIT(52) /* Contiguous */

#define PGTABLE_LAST_LEVEL 3

/* The format of the tables. Does not change after pgtable_init(). */
struct pgtable_format {
	enum granule granule;
	s8 start_level; /* level of the root: -1..3 */
	u8 root_tables; /* concatenated tables at the start level: 1..16, 1 for stage 1 */
	u8 ia_bits;	/* width of input addresses */
	u8 oa_bits;	/* width of output addresses, 32..52 */
	bool ds;	/* FEAT_LPA2 descriptors: OA[51:50] in bits 9:8 */
};

/* Leaf bits that hardware may set by itself; all zero if it does not. */
struct pgtable_hw {
	u64 access;	  /* the access flag, with TCR.HA */
	u64 dirty;	  /* set by a write ... */
	u64 dirty_enable; /* ... to a leaf that has this bit (DBM), with TCR.HD */
};

#define PGTABLE_LEVEL_ANY ((s8)127)

/* A range for which TLBs must be invalidated. */
struct pgtable_inval {
	u64 ia;	     /* first input address */
	u64 size;    /* bytes */
	u64 stride;  /* bytes: no leaf removed or changed in the range was smaller */
	s8 level;    /* level of all the leaves, or PGTABLE_LEVEL_ANY */
	bool tables; /* tables were unlinked: cached table descriptors must be invalidated, too */
};

/*
 * Functions that the owner of the tables supplies. All are called with the owner's lock held, and
 * with the context given to pgtable_init(). None may be NULL.
 */
struct pgtable_ops {
	/* Allocate a zeroed table, of the granule's size and alignment; NULL if there is none. */
	void *(*zalloc_table)(void *ctx);
	/* Free a table. No walker can access it: TLBs have been invalidated. */
	void (*free_table)(void *ctx, void *table);
	struct pa (*table_to_pa)(void *ctx, const void *table);
	void *(*pa_to_table)(void *ctx, struct pa pa);
	/*
	 * Invalidate, on all CPUs, and wait until it is complete. Begins with whatever barrier
	 * orders it after the descriptor writes before it (DSB ISHST).
	 */
	void (*tlb_inval)(void *ctx, const struct pgtable_inval *inval);
};

/*
 * The empty entry that the last look-up has found; ptep is NULL if tables may have changed since.
 */
struct pgtable_hole {
	u64 *ptep;
	u64 ia; /* first address that it covers */
	s8 level;
};

/* Tables of one address space. Embedded in its owner's structure; only mm/pgtable.c changes it. */
struct pgtable {
	struct pgtable_format fmt;
	struct pgtable_hw hw;
	bool bbm2; /* block sizes and the Contiguous bit may change without a break */
	/*
	 * A table that an unmap empties is kept unless the unmapped range covers all of the table's
	 * range. So mapping the same range again needs no memory.
	 */
	bool keep_partial;
	u64 *root;
	const struct pgtable_ops *ops;
	void *ctx;
	/* A descriptor's address: bits that are in their place, and those to be shifted left. */
	u64 oa_low, oa_high;
	u8 oa_shift;
	struct pgtable_hole hole; /* mapping what was just looked up needs no second walk */
};

/*
 * For operations that may take long. @budget: descriptors that the call may look at, decremented as
 * it proceeds; the call stops with -EAGAIN when it is 0, after at least one step of progress (and
 * at most a contiguous group too late). @done: bytes, from the start of the range, that are
 * finished: 0 before the first call. To continue, repeat the same call, with the same range and a
 * new budget. A null pointer instead means no limit. What is done is complete: TLBs are
 * invalidated, and tables freed.
 */
struct pgtable_progress {
	u64 budget;
	u64 done;
};

/* ---- descriptors and levels: functions of the format alone ---- */

/* log2 of what one descriptor at @level (-1..3) covers. */
unsigned int pgtable_level_shift(const struct pgtable_format *fmt, int level);

/* Bytes that one descriptor at @level covers. */
u64 pgtable_level_size(const struct pgtable_format *fmt, int level);

/* Whether a block (or page, at level 3) may be at @level (D8.3.1: depends on granule, DS, LPA). */
bool pgtable_leaf_allowed(const struct pgtable_format *fmt, int level);

/* How many adjacent leaves at @level the Contiguous bit joins; 1 where it joins none (D8.7.1). */
unsigned int pgtable_contig_entries(const struct pgtable_format *fmt, int level);

/* The bits of a descriptor that are its output address. */
u64 pgtable_oa_mask(const struct pgtable_format *fmt);

/* @pa as a descriptor's output address field; @pa is granule-aligned and below 2^oa_bits. */
u64 pgtable_pa_to_pte(const struct pgtable_format *fmt, struct pa pa);

/* The output address of a valid descriptor. */
struct pa pgtable_pte_to_pa(const struct pgtable_format *fmt, u64 pte);

/* The bits of a leaf that are attributes: neither type, nor address, nor Contiguous. */
u64 pgtable_attr_mask(const struct pgtable_format *fmt);

static inline bool pgtable_pte_valid(u64 pte)
{
	return pte & PTE_VALID;
}

/* A valid descriptor at @level that points to a table of the next one. */
static inline bool pgtable_pte_table(u64 pte, int level)
{
	return level < PGTABLE_LAST_LEVEL &&
	       (pte & (PTE_VALID | PTE_TABLE)) == (PTE_VALID | PTE_TABLE);
}

/* A valid descriptor at @level that is a block or page. */
static inline bool pgtable_pte_leaf(u64 pte, int level)
{
	return pgtable_pte_valid(pte) && !pgtable_pte_table(pte, level);
}

/* ---- the walker ---- */

/* When a visitor is called; flags that are or-ed. */
enum pgtable_when {
	PGTABLE_LEAF = 1,	/* at an entry without a table: valid or not */
	PGTABLE_TABLE_PRE = 2,	/* at a table descriptor, before the table's entries */
	PGTABLE_TABLE_POST = 4, /* at a table descriptor, after them */
	PGTABLE_ROOT_LEAF = 8,	/* as LEAF, but of the root alone */
	/*
	 * Adjacent empty entries (0: neither a leaf nor an annotation) of a table are one visit, to
	 * the first of them, with end behind the last. Not for visitors that write entries.
	 */
	PGTABLE_JOIN = 16,
};

/* The argument of a visitor. */
struct pgtable_visit {
	struct pgtable *pgt;
	u64 *ptep;
	u64 pte;   /* *ptep, read just before */
	u64 ia;	   /* first address that the entry covers */
	u64 start; /* the part of the walk's range that the entry covers: [start, end) */
	u64 end;
	s8 level;
	enum pgtable_when when;
};

/* 0 to continue; any other result ends the walk and is returned. */
typedef int pgtable_visitor(const struct pgtable_visit *visit, void *arg);

/*
 * Instead of the visits to entries of the last level: *@n adjacent ones, from the one at @ptep, which
 * covers @ia. They are empty or leaves. 0 to continue; any other result ends the walk, and *@n may be
 * less then: how many were looked at.
 */
typedef int pgtable_run_visitor(struct pgtable *pgt, u64 *ptep, u64 ia, u64 *n, void *arg);

struct pgtable_walk {
	pgtable_visitor *visit;
	pgtable_run_visitor *visit_run; /* or NULL */
	void *arg;
	unsigned int when;		   /* PGTABLE_* flags of the visits wanted */
	struct pgtable_progress *progress; /* or NULL */
};

/**
 * pgtable_walk() - visit the entries that translate [ia, ia + size)
 * @pgt:  tables
 * @ia:   first input address; granule-aligned
 * @size: bytes; a multiple of the granule, not 0
 * @walk: visitor, its argument, and when to call it
 *
 * In ascending order. After a LEAF or TABLE_PRE visit the entry is read again, and if it is a table
 * now, that is entered: so a visitor can install tables. After TABLE_POST it is not read again, so
 * a visitor can unlink the table.
 *
 * Return: 0; -EINVAL on misalignment; -E2BIG past ia_bits; -EAGAIN when progress->budget ran out;
 * or what the visitor returned. All but -EAGAIN also from the operations below that take a
 * struct pgtable_progress, -EINVAL also for a progress->done that is not within the range.
 */
int __must_check pgtable_walk(struct pgtable *pgt, u64 ia, u64 size,
			      const struct pgtable_walk *walk);

/*
 * How many of @n entries of the last level from @ptep on go on as the first: leaves that translate to
 * adjacent memory with its attributes, but for the Contiguous bit and what hardware sets; or empty
 * entries of its value. At least 1.
 */
u64 pgtable_run_length(const struct pgtable *pgt, const u64 *ptep, u64 n);

/* ---- life ---- */

/**
 * pgtable_init() - empty tables
 * @pgt:  to initialize; hw is zero, bbm2 and keep_partial false afterwards, for the caller to set
 *	  before use
 * @fmt:  format; copied
 * @root: the root: pgtable_root_size(fmt) bytes, aligned as the MMU wants it. Cleared here. Stays
 *	  the caller's, who may free it after pgtable_destroy().
 * @ops:  must outlive @pgt
 * @ctx:  given to each of @ops
 *
 * Return: 0; -EINVAL for a format that the architecture does not have.
 */
int __must_check pgtable_init(struct pgtable *pgt, const struct pgtable_format *fmt, u64 *root,
			      const struct pgtable_ops *ops, void *ctx);

/* Bytes of the root: all its entries, concatenated tables included. */
u64 pgtable_root_size(const struct pgtable_format *fmt);

/* The root, as up to 64 parts of as many entries each, the first one by bit 0. */
#define PGTABLE_ROOT_PARTS_SHIFT 6

/* Bits of the parts that [ia, ia + size) is in; within ia_bits, not empty. */
u64 pgtable_root_parts(const struct pgtable *pgt, u64 ia, u64 size);

/* How many entries a part has. */
u64 pgtable_root_part_entries(const struct pgtable *pgt);

/**
 * pgtable_drop() - empty the root, whatever is below it
 * @parts: in which parts of the root there may be something
 *
 * Takes time linear in these parts alone. The caller invalidates all TLB entries of the address
 * space, and takes all tables back: they are not freed here.
 */
void pgtable_drop(struct pgtable *pgt, u64 parts);

/**
 * pgtable_destroy() - clear the root and free all tables
 *
 * Takes time linear in the tables: to bound it, unmap with a budget first. TLBs are invalidated
 * before anything is freed. The empty root can be used again.
 */
void pgtable_destroy(struct pgtable *pgt);

/* ---- operations ---- */

/* Flag of pgtable_map() and pgtable_split(): pages only, neither blocks nor the Contiguous bit. */
#define PGTABLE_PAGES 1U

/**
 * pgtable_map() - make [ia, ia + size) translate to memory starting at pa
 * @ia, @pa, @size: granule-aligned
 * @attrs: attribute bits of the leaves, within pgtable_attr_mask()
 * @flags: 0 or PGTABLE_PAGES
 *
 * Uses the largest blocks, and the Contiguous bit, where alignment allows. Entries that already
 * translate to the same memory with the same attributes (access flag and dirty state apart) stay as
 * they are. When it returns, a CPU that takes a context synchronization event sees the mapping.
 *
 * Return: 0; -EINVAL on misalignment, empty size or bits outside the attributes; -E2BIG past
 * ia_bits or oa_bits; -EEXIST where something else is mapped or annotated (nothing was changed);
 * -ENOMEM without memory for a table (what was mapped so far stays; the call can be repeated).
 */
int __must_check pgtable_map(struct pgtable *pgt, u64 ia, struct pa pa, u64 size, u64 attrs,
			     unsigned int flags);

/**
 * pgtable_unmap() - make [ia, ia + size) translate to nothing
 *
 * Holes and annotations in the range stay. Tables that become empty are freed, after TLBs were
 * invalidated (with keep_partial: only those whose whole range is unmapped). A block that is partly
 * in the range is split, which is the only reason for -ENOMEM.
 *
 * Return: 0; -EINVAL, -E2BIG as pgtable_map(); -ENOMEM (nothing was changed but how blocks are
 * cut); -EAGAIN (see struct pgtable_progress).
 */
int __must_check pgtable_unmap(struct pgtable *pgt, u64 ia, u64 size,
			       struct pgtable_progress *progress);

/**
 * pgtable_unmap_leaf() - make the leaf (contiguous group) that translates @ia translate to nothing
 * @ia:   any address
 * @size: out: bytes that it had
 *
 * Its table stays, also if it is empty now: so this takes no longer than a look-up and the TLB
 * invalidation.
 *
 * Return: 0; -ENOENT if nothing is mapped there; -E2BIG past ia_bits.
 */
int __must_check pgtable_unmap_leaf(struct pgtable *pgt, u64 ia, u64 *size);

/**
 * pgtable_annotate() - unmap [ia, ia + size) and store a value in its invalid entries
 * @value: bit 0 clear; 0 removes annotations
 *
 * All or nothing: after the memory that it may need is allocated, it does not fail.
 *
 * Return: 0; -EINVAL, -E2BIG; -ENOMEM (nothing was changed but how blocks are cut).
 */
int __must_check pgtable_annotate(struct pgtable *pgt, u64 ia, u64 size, u64 value);

/*
 * A change of attribute bits; all within pgtable_attr_mask(), and only bits that may change without
 * break-before-make: permissions, access flag, software bits, never memory types.
 */
struct pgtable_change {
	u64 clear; /* goes first */
	u64 set;
	/*
	 * Bits whose change needs no TLB invalidation: software's, and the access flag (a leaf that
	 * a TLB still has as young is found to be old a little later).
	 */
	u64 quiet;
	u64 only_with; /* if not 0: a leaf with none of these bits ends the call with -EINVAL */
};

/**
 * pgtable_set_attrs() - change attribute bits of all leaves in [ia, ia + size)
 *
 * Holes are skipped. Leaves partly in the range are split.
 *
 * Return: 0; -EINVAL, -E2BIG, -ENOMEM, -EAGAIN as pgtable_unmap(), -EINVAL also for other bits, and
 * for change->only_with (what lies before that leaf has changed).
 */
int __must_check pgtable_set_attrs(struct pgtable *pgt, u64 ia, u64 size,
				   const struct pgtable_change *change,
				   struct pgtable_progress *progress);

/**
 * pgtable_set_page_attrs() - pgtable_set_attrs() for a page that is a leaf by itself, by one look-up
 *
 * Return: 0; -ENOENT: nothing is mapped there; -EAGAIN: it is part of a block or group, or cannot
 * have these bits: pgtable_set_attrs() knows; -EINVAL, -E2BIG.
 */
int __must_check pgtable_set_page_attrs(struct pgtable *pgt, u64 ia,
					const struct pgtable_change *change);

/**
 * pgtable_split() - cut all leaves in [ia, ia + size) to pages
 *
 * Neither blocks nor Contiguous bits remain in the range; translation and attributes stay, with
 * access flag and dirty state inherited. Blocks partly in the range are cut as far as needed.
 *
 * Return: 0; -EINVAL, -E2BIG, -EAGAIN; -ENOMEM (what was cut stays cut; can be repeated).
 */
int __must_check pgtable_split(struct pgtable *pgt, u64 ia, u64 size,
			       struct pgtable_progress *progress);

/**
 * pgtable_merge() - make the leaves in [ia, ia + size) as large as they can be
 *
 * Tables and groups wholly in the range, whose leaves map adjacent memory with equal attributes,
 * become blocks, or get the Contiguous bit. Empty tables (not with keep_partial), and those with
 * the same annotation in all entries, are freed. The result is young or dirty if any part was.
 * Needs no memory.
 *
 * Return: 0; -EINVAL, -E2BIG, -EAGAIN.
 */
int __must_check pgtable_merge(struct pgtable *pgt, u64 ia, u64 size,
			       struct pgtable_progress *progress);

/**
 * pgtable_merge_up() - merge the leaf at @ia with those around it, as far as they allow
 * @ia:   granule-aligned
 * @most: bytes that the result may have
 *
 * Its group, the block that its table makes, that one's group, and so on upwards: what
 * pgtable_merge() of all addresses would make of this leaf, if all others were as large as they can
 * be. Looks at one table of each level at most. Needs no memory.
 *
 * Return: 0; -EINVAL, -E2BIG.
 */
int __must_check pgtable_merge_up(struct pgtable *pgt, u64 ia, u64 most);

/**
 * pgtable_tables_to_map() - how many tables pgtable_map() with these arguments would allocate
 *
 * Arguments as pgtable_map(), without its flags. Counts for holes only: mapped parts need none.
 *
 * Return: how many; 0 also for a range that pgtable_map() refuses.
 */
u64 pgtable_tables_to_map(struct pgtable *pgt, u64 ia, struct pa pa, u64 size);

/**
 * pgtable_tables_to_cut() - how many tables it takes to split leaves across the ends of a range
 *
 * pgtable_unmap() and other functions that change a range allocate so many.
 *
 * Return: how many; 0 also for a range that they refuse.
 */
u64 pgtable_tables_to_cut(struct pgtable *pgt, u64 ia, u64 size);

/**
 * pgtable_replace() - make mapped [ia, ia + size) translate to other memory
 * @attrs: attribute bits of the new leaves
 *
 * Break-before-make, leaf by leaf. Leaves partly in the range are split; sizes stay otherwise.
 *
 * Return: 0; -EINVAL on misalignment, also of @pa against the size of a block in the range; -E2BIG;
 * -ENOENT where nothing is mapped; -ENOMEM. On any error no translation has changed.
 */
int __must_check pgtable_replace(struct pgtable *pgt, u64 ia, struct pa pa, u64 size, u64 attrs);

/* One entry, as it is. */
struct pgtable_leaf {
	u64 *ptep;
	u64 pte;  /* valid or not; access flag and dirty state of any part of a contiguous group */
	u64 ia;	  /* first address that it covers */
	u64 size; /* bytes that it covers, of the whole contiguous group if it is in one */
	struct pa pa; /* what ia translates to, if it is valid */
	s8 level;
};

/**
 * pgtable_lookup() - the entry that translates @ia
 * @ia: any address
 *
 * Return: 0 with @leaf filled; -ENOENT if it is not valid, @leaf filled as well (pte has the
 * annotation, size what the hole's entry covers); -E2BIG past ia_bits.
 */
int __must_check pgtable_lookup(struct pgtable *pgt, u64 ia, struct pgtable_leaf *leaf);

/**
 * pgtable_test_leaf() - whether the leaf at @ia, a part of a contiguous group included, has a bit
 * @bits:  attribute bits that hardware may set, and whose change no TLB has to be told of
 * @clear: clear them: of a group, in the entry of @ia alone
 *
 * So a group has them until they were cleared for each of its entries.
 *
 * Return: whether it has any of @bits; false if nothing is mapped there, or @ia is past ia_bits.
 */
bool pgtable_test_leaf(struct pgtable *pgt, u64 ia, u64 bits, bool clear);

/* Told of each leaf whose bits pgtable_test_clear() cleared: [ia, ia +
 * size), whole groups at once. */
typedef void pgtable_found(void *arg, u64 ia, u64 size);

/**
 * pgtable_test_clear() - find and clear a bit that hardware may set
 * @bits:  attribute bits; a leaf (contiguous group) with any of them in any part is found
 * @inval: whether the TLBs have to be told (dirty state: yes; access flag: no)
 * @found: called for each, may be NULL
 * @arg:   for @found
 *
 * Leaves partly in the range are cleared and reported whole. When it returns (also with -EAGAIN) no
 * TLB holds what was cleared, if @inval.
 *
 * Return: 0; -EINVAL, -E2BIG, -EAGAIN.
 */
int __must_check pgtable_test_clear(struct pgtable *pgt, u64 ia, u64 size, u64 bits, bool inval,
				    pgtable_found *found, void *arg,
				    struct pgtable_progress *progress);

/* ---- consistency, in debug builds ---- */

#ifdef KEEL_DEBUG

/* Whether leaves may have these attribute bits: what their owner's encoding gives. */
struct pgtable_attrs_check {
	bool (*known)(const void *arg, u64 attrs);
	const void *arg;
};

/**
 * pgtable_sane() - whether [*ia, *ia + size) is as the functions above leave it
 * @ia: first address; a fault's afterwards
 * @attrs: what leaves may have, or NULL for anything
 * @progress: as pgtable_walk()
 *
 * Tables and leaves are where the format has them, point to what the output size allows, aligned,
 * and have no bits beside; contiguous groups continue, with equal attributes; the hole that
 * pgtable_lookup() keeps is one. Changes nothing.
 *
 * Return: what is not so, in words; NULL if all is, as far as the budget went.
 */
const char *pgtable_sane(struct pgtable *pgt, u64 *ia, u64 size,
			 const struct pgtable_attrs_check *attrs,
			 struct pgtable_progress *progress);

#endif

#endif
