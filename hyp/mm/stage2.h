/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stage-2 translation: from the IPAs of a VM (the host, a guest, or a guest's guest by a shadow) to
 * physical addresses. Attributes, permissions, dirty logging, ageing and TLB maintenance for one
 * VMID, on top of the tables of mm/pgtable.h.
 *
 * A vCPU runs behind one stage 2: its VM's own or a shadow. vm/s2_context.h has what else it needs.
 *
 * Locking: s2->lock serializes everything on one stage 2. The caller takes it, once around all
 * steps that must be one change; each function below that changes or reads tables asserts that it
 * is held. Callbacks run with it held.
 *
 * When a function returns, also with an error, no CPU's TLB holds a translation that the tables do
 * not have, and memory that was unmapped can get another owner. Break-before-make has two
 * consequences for handlers of stage-2 faults. If stage2_lookup() finds the address mapped with the
 * permission wanted, the access is retried. With FEAT_BBM level 2, a TLB conflict abort (fault
 * status 0b110000) is answered by stage2_invalidate_all() and a retry.
 */
#ifndef KEEL_MM_STAGE2_H
#define KEEL_MM_STAGE2_H

#include <arch/spinlock.h>
#include <cpu/mmu_caps.h>
#include <lib/types.h>
#include <mm/pgtable.h>
#include <mm/stage2_geometry.h>

/*
 * Attributes of a mapping: permissions, or-ed with exactly one memory type (0 is normal
 * write-back).
 */
enum stage2_attrs {
	STAGE2_NONE = 0,
	STAGE2_R = 1 << 0,
	STAGE2_W = 1 << 1,
	STAGE2_PX = 1 << 2, /* executable at EL1; apart from UX only with FEAT_XNX */
	STAGE2_UX = 1 << 3, /* executable at EL0 */
	STAGE2_X = STAGE2_PX | STAGE2_UX,
	STAGE2_RW = STAGE2_R | STAGE2_W,
	STAGE2_RWX = STAGE2_RW | STAGE2_X,

	/* Memory types; never executable but for normal memory. */
	STAGE2_NORMAL = 0 << 4,
	STAGE2_NORMAL_NC = 1 << 4,
	STAGE2_DEVICE = 2 << 4, /* nGnRE */
	STAGE2_DEVICE_nGnRnE = 3 << 4,
	STAGE2_MEMTYPE = 3 << 4,

	/* Four software bits in the descriptor, whose meaning the stage 2's owner defines. */
	STAGE2_SW0 = 1 << 6,
	STAGE2_SW1 = 1 << 7,
	STAGE2_SW2 = 1 << 8,
	STAGE2_SW3 = 1 << 9,
	STAGE2_SW = 15 << 6,

	/* State: for stage2_map(), map as old or as clean. stage2_lookup() returns it. */
	STAGE2_OLD = 1 << 10,	/* access flag clear */
	STAGE2_CLEAN = 1 << 11, /* writable, and not written yet; only with hardware dirty state */

	/* For stage2_map() only: map pages, not blocks, for dirty logging. */
	STAGE2_PAGES = 1 << 12,
};

/* Memory for tables. All functions are called with s2->lock held. */
struct stage2_mem_ops {
	/* One zeroed table, a granule large and aligned; NULL if the pool is dry. */
	void *(*zalloc_table)(void *ctx);
	/* Free a table that is in no TLB and that no walker reads any more. */
	void (*free_table)(void *ctx, void *table);
	struct pa (*table_to_pa)(void *ctx, const void *table);
	void *(*pa_to_table)(void *ctx, struct pa pa);
};

struct stage2 {
	struct spinlock lock;
	struct pgtable pgt;
	struct stage2_geometry geometry; /* constant after stage2_init() */
	u64 vttbr;			 /* VTTBR_EL2, whole; see stage2_set_vmid() */
	/* Moves with each TLB invalidation, and when leaves become old: a look-up's answer may be
	 * kept, as in a TLB, until then. A hole's must not. */
	u64 changes;
	bool fwb; /* FEAT_S2FWB encodings: vCPUs behind it run with HCR_EL2.FWB */
	bool xnx, hw_dirty, ttl, tlbi_range; /* of the machine, constant */
	const struct stage2_mem_ops *mem;
	void *mem_ctx;
};

struct stage2_config {
	const struct stage2_geometry *geometry; /* copied */
	const struct mmu_caps *caps;		/* used during stage2_init() only */
	bool fwb;				/* use FEAT_S2FWB */
	u16 vmid;
	/* geometry->root_size bytes aligned to geometry->root_align; cleared here, stays the
	 * caller's */
	void *root;			  /* mem->table_to_pa() tells its address */
	const struct stage2_mem_ops *mem; /* must outlive the stage 2 */
	void *mem_ctx;
	bool shadow; /* derived from another one, whose lock may be held when its own is taken */
};

/* As struct pgtable_progress: for calls that return -EAGAIN after a bounded number of steps. */
#define stage2_progress pgtable_progress

/*
 * The most TLBIs by IPA for one change. For more, all entries of the VMID are invalidated: a TLBI,
 * which all CPUs must answer, costs about as much as refilling one entry, and TLBs have around a
 * thousand. One range TLBI counts as one.
 */
#define STAGE2_MAX_TLBIS 256

/**
 * stage2_init() - an empty stage 2
 * @s2: storage, owned by the caller
 * @config: see struct stage2_config
 *
 * Invalidates no TLBs: a VMID has no TLB entries when it is given out.
 *
 * Return: 0; -EINVAL for a geometry without meaning, a misaligned root or a root or VMID that
 * VTTBR_EL2 cannot hold; -EOPNOTSUPP for fwb on a machine without it.
 */
int __must_check stage2_init(struct stage2 *s2, const struct stage2_config *config);

/**
 * stage2_destroy() - unmap everything and free all tables
 *
 * Takes and drops s2->lock. No vCPU may be running behind it. Takes time linear
 * in the tables: to bound it, call stage2_unmap() with a budget over the whole range before.
 */
void stage2_destroy(struct stage2 *s2);

/**
 * stage2_clear() - make all addresses translate to nothing, at once
 * @parts: stage2_root_parts() of all that may have been mapped
 *
 * Takes time linear in these parts of the root, since it frees no table: the caller takes all of
 * them back, and may use their memory when this returns. Lock held.
 */
void stage2_clear(struct stage2 *s2, u64 parts);

/* The parts of the root that have [ipa, ipa + size), as pgtable_root_parts(). */
static inline u64 stage2_root_parts(const struct stage2 *s2, struct ipa ipa, u64 size)
{
	return pgtable_root_parts(&s2->pgt, ipa.v, size);
}

/**
 * stage2_set_vmid() - use the tables under another VMID
 *
 * The caller loads s2->vttbr on CPUs that run it, and guarantees that no TLB has entries of the new
 * VMID. Lock held.
 */
void stage2_set_vmid(struct stage2 *s2, u16 vmid);

/* Bytes of the IPA space. */
static inline u64 stage2_size(const struct stage2 *s2)
{
	return BIT(s2->geometry.ia_bits);
}

/* Bytes of a page: the unit of all ranges. */
static inline u64 stage2_granule(const struct stage2 *s2)
{
	return granule_size(s2->geometry.granule);
}

/* Bytes that one descriptor at @level covers. */
static inline u64 stage2_level_size(const struct stage2 *s2, s8 level)
{
	return pgtable_level_size(&s2->pgt.fmt, level);
}

/**
 * stage2_map() - make [ipa, ipa + size) translate to memory starting at pa
 * @s2:    stage 2 to change; its lock must be held
 * @ipa:   first guest physical address; granule-aligned, within the VM's IPA size
 * @pa:    first physical address; granule-aligned
 * @size:  bytes; a multiple of the granule, not 0
 * @attrs: permissions and a memory type; STAGE2_SW*, _OLD, _CLEAN, _PAGES
 *
 * Uses the largest blocks, and the Contiguous bit, where alignment allows (never with
 * STAGE2_PAGES). Table memory comes from the pool. Mapping what is mapped already, to the same
 * memory with the same attributes, changes nothing and is no error (STAGE2_OLD, and the clean or
 * dirty state, do not count as attributes then).
 *
 * Return: 0; -E2BIG past the IPA size or the machine's output size; -EINVAL on misalignment,
 * unknown or contradicting attributes (executable device memory; PX apart from UX without FEAT_XNX;
 * CLEAN without W); -EEXIST where something else is mapped or annotated (nothing was changed);
 * -ENOMEM when the pool ran dry (what was mapped so far stays, and the same call can be repeated
 * after a top-up).
 */
int __must_check stage2_map(struct stage2 *s2, struct ipa ipa, struct pa pa, u64 size,
			    enum stage2_attrs attrs);

/**
 * stage2_unmap() - make [ipa, ipa + size) translate to nothing
 * @progress: limit and progress, or NULL for no limit
 *
 * Holes and annotations in the range stay as they are. Empty tables go back to the pool. Lock held.
 *
 * Return: 0; -EINVAL, -E2BIG as stage2_map(); -ENOMEM if a block only partly in the range could not
 * be split (nothing was unmapped); -EAGAIN: make the same call again.
 */
int __must_check stage2_unmap(struct stage2 *s2, struct ipa ipa, u64 size,
			      struct stage2_progress *progress);

/* stage2_unmap_leaf() - unmap the leaf at @ipa: as pgtable_unmap_leaf(). Lock held. */
int __must_check stage2_unmap_leaf(struct stage2 *s2, struct ipa ipa, u64 *size);

/**
 * stage2_annotate() - unmap [ipa, ipa + size) and store an owner in its entries
 * @owner: 1..255, with the caller's meaning; 0 removes the annotation
 *
 * An annotated address translates to nothing, and stage2_map() refuses it with -EEXIST until the
 * note is removed. Annotations of whole blocks take no table. All or nothing. Lock held.
 *
 * Return: 0; -EINVAL, -E2BIG; -ENOMEM (nothing was unmapped or annotated).
 */
int __must_check stage2_annotate(struct stage2 *s2, struct ipa ipa, u64 size, u8 owner);

/**
 * stage2_protect() - change permissions of what is mapped in [ipa, ipa + size)
 * @set:   STAGE2_R/_W/_X/_SW* to grant; PX and UX go together
 * @clear: ... to remove; not also in @set
 *
 * Holes are skipped. Leaves partly in the range are split. Granting W makes a leaf dirty; removing
 * W loses the dirty state: stage2_collect_dirty() reads and clears it at once. Granting also makes
 * a leaf young. Concurrent hardware updates of other bits are kept. Lock held.
 *
 * Return: 0; -EINVAL on misalignment, other bits, @set meeting @clear, X on device memory (what
 * lies before it may have changed), or an execute permission that would need FEAT_XNX; -E2BIG;
 * -ENOMEM (nothing was changed); -EAGAIN.
 */
int __must_check stage2_protect(struct stage2 *s2, struct ipa ipa, u64 size, enum stage2_attrs set,
				enum stage2_attrs clear, struct stage2_progress *progress);

/**
 * stage2_let_write() - stage2_protect() that sets STAGE2_W of the page at @ipa, if it is a leaf
 *
 * For the fault of a write, by one look-up. Lock held.
 *
 * Return: 0; -ENOENT: nothing is mapped there; -EAGAIN: it is part of a larger leaf; -EINVAL, -E2BIG.
 */
int __must_check stage2_let_write(struct stage2 *s2, struct ipa ipa);

/**
 * stage2_split() - cut everything in [ipa, ipa + size) to pages, for dirty logging
 *
 * Return: 0; -EINVAL, -E2BIG, -EAGAIN; -ENOMEM (what was cut stays so; can be repeated). Lock held.
 */
int __must_check stage2_split(struct stage2 *s2, struct ipa ipa, u64 size,
			      struct stage2_progress *progress);

/**
 * stage2_merge() - join adjacent leaves to blocks and contiguous groups, after dirty logging
 *
 * A joined leaf is young or dirty if any of its parts was. Frees tables, needs none. Lock held.
 *
 * Return: 0; -EINVAL, -E2BIG, -EAGAIN.
 */
int __must_check stage2_merge(struct stage2 *s2, struct ipa ipa, u64 size,
			      struct stage2_progress *progress);

/**
 * stage2_merge_up() - join the leaf at @ipa, granule-aligned, with those around it, as far as it goes
 * @most: bytes that the result may have
 *
 * As pgtable_merge_up(). Lock held.
 *
 * Return: 0; -EINVAL, -E2BIG.
 */
int __must_check stage2_merge_up(struct stage2 *s2, struct ipa ipa, u64 most);

/**
 * stage2_remap() - let mapped [ipa, ipa + size) translate to other memory, as copy-on-write does
 * @pa:	   new memory; aligned as the blocks in the range are (granule-aligned is enough for a page)
 * @attrs: of the new mapping; as for stage2_map(), without STAGE2_PAGES
 *
 * A CPU sees the old translation, then none, then the new one. Lock held.
 *
 * Return: 0; -ENOENT where nothing is mapped; -EINVAL, -E2BIG as stage2_map(), and -EINVAL on @pa
 * misaligned to a block; -ENOMEM if a block partly in the range could not be split. On an error no
 * translation has changed.
 */
int __must_check stage2_remap(struct stage2 *s2, struct ipa ipa, struct pa pa, u64 size,
			      enum stage2_attrs attrs);

/* What stage2_lookup() found. */
struct stage2_leaf {
	struct ipa ipa; /* first address of the leaf (of its contiguous group) or of the hole */
	u64 size;	/* bytes of it */
	struct pa pa;	/* what leaf.ipa translates to */
	enum stage2_attrs attrs; /* permissions, type, SW bits, OLD, CLEAN */
	s8 level;
	bool mapped;
	u8 owner; /* annotation if it is not mapped, 0 for none */
};

/**
 * stage2_lookup() - what an address translates to
 * @ipa: any address
 *
 * STAGE2_W tells that a write does not fault; STAGE2_CLEAN, with it, that there was none yet.
 *
 * Return: 0; -ENOENT if it is not mapped (@leaf is filled as well); -E2BIG past the IPA size. Lock
 * held.
 */
int __must_check stage2_lookup(struct stage2 *s2, struct ipa ipa, struct stage2_leaf *leaf);

/**
 * stage2_set_young() - set the access flag of the leaf at @ipa
 *
 * The answer to an access flag fault, on machines whose hardware does not set it. Lock held.
 *
 * Return: 0; -ENOENT if nothing is mapped there; -E2BIG.
 */
int __must_check stage2_set_young(struct stage2 *s2, struct ipa ipa);

/**
 * stage2_test_clear_young() - read and clear the access flags in [ipa, ipa + size)
 * @young: out: whether any was set, as far as the call came
 *
 * TLBs are not invalidated: a leaf that a TLB still holds is used without becoming young again
 * until the entry is evicted, which is good enough for an estimate. Lock held.
 *
 * Return: 0; -EINVAL, -E2BIG, -EAGAIN.
 */
int __must_check stage2_test_clear_young(struct stage2 *s2, struct ipa ipa, u64 size, bool *young,
					 struct stage2_progress *progress);

/**
 * stage2_is_young() - whether the leaf at @ipa is young
 * @clear: it is old from now on; of a contiguous group, that page or block alone
 *
 * A group is young until each of its parts was cleared: which part is accessed, nobody is told. TLBs
 * are not invalidated, as by stage2_test_clear_young(). Lock held.
 *
 * Return: false also if nothing is mapped there.
 */
bool stage2_is_young(struct stage2 *s2, struct ipa ipa, bool clear);

/* Called for each dirty leaf: all of its size bytes count as written. */
typedef void stage2_dirty_fn(void *arg, struct ipa ipa, u64 size);

/**
 * stage2_collect_dirty() - find what was written in [ipa, ipa + size), and watch for the next write
 * @dirty: called for each leaf that is dirty; may be NULL to discard
 *
 * With hardware dirty state the leaf stays writable and is clean afterwards. Without it, a dirty
 * leaf is a writable one, and is write-protected: the next write faults, and stage2_protect() with
 * STAGE2_W makes it dirty. Leaves partly in the range are reported whole: split them before. Copy
 * the memory after this returned: a CPU may write through its TLB until then, not afterwards.
 * Lock held.
 *
 * Return: 0; -EINVAL, -E2BIG, -EAGAIN.
 */
int __must_check stage2_collect_dirty(struct stage2 *s2, struct ipa ipa, u64 size,
				      stage2_dirty_fn *dirty, void *arg,
				      struct stage2_progress *progress);

/**
 * stage2_walk() - visit the leaves and holes of [ipa, ipa + size), without changing them
 * @visit: called for each leaf or hole; for each entry of a contiguous group; once for adjacent
 *         empty
 *	   entries of one table. A result other than 0 ends the walk
 *
 * Return: 0; -EINVAL, -E2BIG, -EAGAIN; what @visit returned. Lock held.
 */
int __must_check stage2_walk(struct stage2 *s2, struct ipa ipa, u64 size,
			     int (*visit)(void *arg, const struct stage2_leaf *leaf), void *arg,
			     struct stage2_progress *progress);

/**
 * stage2_walk_joined() - as stage2_walk(), where adjacent pages may be one leaf for @visit
 * @most: bytes of such a leaf. Its pages are in one table, translate to adjacent memory and have the
 *        attributes of the first, but for STAGE2_OLD and STAGE2_CLEAN
 */
int __must_check stage2_walk_joined(struct stage2 *s2, struct ipa ipa, u64 size, u64 most,
				    int (*visit)(void *arg, const struct stage2_leaf *leaf),
				    void *arg, struct stage2_progress *progress);

/**
 * stage2_tables_needed() - how many tables the next change of a range can take
 * @pa: the output that stage2_map() will give to holes in [ipa, ipa + size)
 *
 * For mapping (without STAGE2_PAGES) what is not mapped, or for unmapping, protecting or remapping
 * what is: the sum of both, where the range has both. Lock held.
 *
 * Return: how many; exactly so many for a range that is all hole, or all mapped.
 */
u64 stage2_tables_needed(struct stage2 *s2, struct ipa ipa, struct pa pa, u64 size);

/**
 * stage2_invalidate_all() - invalidate all TLB entries of this VMID
 *
 * Both stages. Complete when it returns. Needs no lock.
 */
void stage2_invalidate_all(const struct stage2 *s2);

/* The same for stage 1, with entries that combine both stages. */
void stage2_invalidate_stage1(const struct stage2 *s2);

#ifdef KEEL_DEBUG
/**
 * stage2_sane() - as pgtable_sane(), with the attributes that stage 2 has
 * @ipa: first address; a fault's afterwards
 *
 * Lock held. Return: what is not so; NULL if all is.
 */
const char *stage2_sane(struct stage2 *s2, struct ipa *ipa, u64 size,
			struct stage2_progress *progress);
#endif

#endif
