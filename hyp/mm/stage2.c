// SPDX-License-Identifier: BSD-2-Clause
/*
 * Stage 2: attributes of descriptors, TLB maintenance for a VMID, and the operations of stage2.h,
 * which are those of mm/pgtable.c with both added.
 *
 *      stage2_map(R, W, X, memory type)                       stage2_lookup()
 *        encode_attrs()    attributes -> descriptor bits        decode_attrs()
 *        pgtable_map()
 *          stage2_pgtable_ops: tables from stage2.mem, stage2_tlb_inval()
 *
 * Attributes. Memory type and permissions are independent. Without FEAT_S2FWB, MemAttr is combined
 * with stage 1's; with it, Normal memory is Write-Back whatever the guest asks for. The access flag
 * is set at mapping time, unless STAGE2_OLD. With hardware dirty state (HD) a writable leaf has DBM
 * set, and is clean (STAGE2_CLEAN) until hardware sets S2AP's write bit; without it, clean means
 * write-protected.
 *
 * TLB maintenance follows each change, and is complete when the function returns:
 *
 *      DSB ISHST            walkers see the descriptors
 *      TLBI IPAS2E1IS ...   stage-2 entries, by IPA or by range of IPAs
 *      DSB ISH
 *      TLBI VMALLE1IS       combined entries of both stages, which are found by VA only
 *      DSB ISH; ISB
 *
 * A TLB could make a combined entry again from a stage-2 entry that still exists, so the second
 * TLBI comes after the first has completed. TLBIs apply to the VMID in VTTBR_EL2: if another one is
 * loaded, tlb_context_enter() changes it for this time. More than STAGE2_MAX_TLBIS TLBIs are
 * replaced by one for the whole VMID.
 *
 * Locking: each function is called with s2->lock held, except stage2_invalidate_all().
 */
#include <arch/barrier.h>
#include <arch/percpu.h>
#include <arch/pte.h>
#include <arch/reg_bits.h>
#include <arch/tlb.h>
#include <cpu/assert.h>
#include <cpu/errata.h>
#include <cpu/percpu.h>
#include <lib/errno.h>
#include <mm/stage2.h>

/* ---- attributes (ARM DDI 0487, D8.3.2: stage 2 block and page descriptors) ---- */

#define S2_PTE_MEMATTR GENMASK(5, 2)
#define S2_PTE_S2AP_R  BIT(6)
#define S2_PTE_S2AP_W  BIT(7)
#define S2_PTE_SH      GENMASK(9, 8) /* with DS, output address bits: VTCR_EL2.SH0 is used */
#define S2_PTE_AF      BIT(10)
#define S2_PTE_DBM     BIT(51)
#define S2_PTE_XN      GENMASK(54, 53)
#define S2_PTE_SW      GENMASK(58, 55)

/* MemAttr[3:2], or with HCR_EL2.FWB MemAttr[2]: all 0 for Device memory. */
#define S2_PTE_MEMATTR_NORMAL	  GENMASK(5, 4)
#define S2_PTE_MEMATTR_NORMAL_FWB BIT(4)

#define SH_NONE	 0
#define SH_INNER 3

/* The owner (stage2_annotate()) in an invalid entry. */
#define S2_PTE_OWNER GENMASK(9, 2)

struct memtype {
	u8 memattr;	/* MemAttr[3:0], D8.6.5 */
	u8 memattr_fwb; /* the same with HCR_EL2.FWB, D8.6.6 */
	u8 sh;
};

static const struct memtype memtypes[] = {
	[STAGE2_NORMAL >> 4] = { 0xf, 0x6, SH_INNER },
	[STAGE2_NORMAL_NC >> 4] = { 0x5, 0x5, SH_INNER },
	[STAGE2_DEVICE >> 4] = { 0x1, 0x1, SH_NONE },
	[STAGE2_DEVICE_nGnRnE >> 4] = { 0x0, 0x0, SH_NONE },
};

/* XN[1:0] by PX and UX (D8.4.2.2). Without FEAT_XNX bit 0 is RES0, and both permissions are one. */
static const u8 xn_of[4] = {
	[0] = 0x2,
	[STAGE2_PX >> 2] = 0x3,
	[STAGE2_UX >> 2] = 0x1,
	[STAGE2_X >> 2] = 0x0,
};

static u64 encode_memtype(const struct stage2 *s2, enum stage2_attrs attrs)
{
	const struct memtype *type = &memtypes[(attrs & STAGE2_MEMTYPE) >> 4];
	u64 pte = FIELD_PREP(S2_PTE_MEMATTR, s2->fwb ? type->memattr_fwb : type->memattr);

	return s2->geometry.ds ? pte : pte | FIELD_PREP(S2_PTE_SH, type->sh);
}

static u64 encode_attrs(const struct stage2 *s2, enum stage2_attrs attrs)
{
	u64 pte = encode_memtype(s2, attrs) |
		  FIELD_PREP(S2_PTE_XN, xn_of[(attrs & STAGE2_X) >> 2]) |
		  FIELD_PREP(S2_PTE_SW, (attrs & STAGE2_SW) / STAGE2_SW0);

	if (attrs & STAGE2_R)
		pte |= S2_PTE_S2AP_R;
	if ((attrs & STAGE2_W) && !(attrs & STAGE2_CLEAN))
		pte |= S2_PTE_S2AP_W;
	if ((attrs & STAGE2_W) && s2->hw_dirty)
		pte |= S2_PTE_DBM;
	return (attrs & STAGE2_OLD) ? pte : pte | S2_PTE_AF;
}

static enum stage2_attrs decode_memtype(const struct stage2 *s2, u64 pte)
{
	unsigned int memattr = (unsigned int)FIELD_GET(S2_PTE_MEMATTR, pte);

	for (unsigned int i = 0; i < ARRAY_SIZE(memtypes); i++) {
		if (memattr == (s2->fwb ? memtypes[i].memattr_fwb : memtypes[i].memattr))
			return (enum stage2_attrs)(i << 4);
	}
	return STAGE2_NORMAL;
}

static enum stage2_attrs decode_attrs(const struct stage2 *s2, u64 pte)
{
	unsigned int attrs = decode_memtype(s2, pte);

	for (unsigned int i = 0; i < ARRAY_SIZE(xn_of); i++) {
		if (FIELD_GET(S2_PTE_XN, pte) == xn_of[i])
			attrs |= i << 2;
	}
	attrs |= (unsigned int)FIELD_GET(S2_PTE_SW, pte) * STAGE2_SW0;
	if (pte & S2_PTE_S2AP_R)
		attrs |= STAGE2_R;
	if (pte & (S2_PTE_S2AP_W | S2_PTE_DBM))
		attrs |= STAGE2_W;
	if ((pte & (S2_PTE_S2AP_W | S2_PTE_DBM)) == S2_PTE_DBM)
		attrs |= STAGE2_CLEAN;
	if (!(pte & S2_PTE_AF))
		attrs |= STAGE2_OLD;
	return attrs;
}

static bool attrs_are_device(enum stage2_attrs attrs)
{
	return (attrs & STAGE2_MEMTYPE) >= STAGE2_DEVICE;
}

static bool one_execute_only(enum stage2_attrs attrs)
{
	return (attrs & STAGE2_X) == STAGE2_PX || (attrs & STAGE2_X) == STAGE2_UX;
}

static bool attrs_valid(const struct stage2 *s2, enum stage2_attrs attrs)
{
	const unsigned int known = STAGE2_RWX | STAGE2_MEMTYPE | STAGE2_SW | STAGE2_OLD |
				   STAGE2_CLEAN | STAGE2_PAGES;

	if ((unsigned int)attrs & ~known)
		return false;
	if (attrs_are_device(attrs) && (attrs & STAGE2_X))
		return false;
	if (one_execute_only(attrs) && !s2->xnx)
		return false;
	return !(attrs & STAGE2_CLEAN) || ((attrs & STAGE2_W) && s2->hw_dirty);
}

/* ---- TLB maintenance ---- */

/* Operand of TLBI IPAS2E1IS (C5.5): IPA[51:12], and with FEAT_TTL granule and level. */
#define TLBI_IPA GENMASK(39, 0)
#define TLBI_TTL GENMASK(47, 44)

/* Operand of TLBI RIPAS2E1IS (C5.5): (NUM + 1) << (5 * SCALE + 1) granules from BaseADDR on. */
#define TLBI_RANGE_BASE	 GENMASK(36, 0)
#define TLBI_RANGE_TTL	 GENMASK(38, 37)
#define TLBI_RANGE_NUM	 GENMASK(43, 39)
#define TLBI_RANGE_SCALE GENMASK(45, 44)
#define TLBI_RANGE_TG	 GENMASK(47, 46)
#define TLBI_RANGE_PAGES BIT(21) /* fewer granules take at most one operation for each SCALE */

/* TTL[3:2] and TG: 1, 2, 3 for 4K, 16K, 64K. */
static u64 tlbi_granule(const struct stage2 *s2)
{
	return (u64)s2->geometry.granule + 1;
}

static bool has_level(const struct stage2 *s2, s8 level)
{
	return s2->ttl && level >= 1 && level <= PGTABLE_LAST_LEVEL;
}

static void tlbi_ipa(const struct stage2 *s2, u64 ipa, s8 level)
{
	u64 xt = FIELD_PREP(TLBI_IPA, ipa >> 12);

	if (has_level(s2, level))
		xt |= FIELD_PREP(TLBI_TTL, tlbi_granule(s2) << 2 | (u64)level);
	tlbi_ipas2e1is(xt);
}

/* With DS a range's base is in units of 64K, whatever the granule. */
static u64 tlbi_range_unit(const struct stage2 *s2)
{
	return s2->geometry.ds ? SZ_64K : stage2_granule(s2);
}

static void tlbi_ipa_range(const struct stage2 *s2, u64 ipa, u64 num, u64 scale, s8 level)
{
	u64 xt = FIELD_PREP(TLBI_RANGE_BASE, ipa / tlbi_range_unit(s2)) |
		 FIELD_PREP(TLBI_RANGE_NUM, num - 1) | FIELD_PREP(TLBI_RANGE_SCALE, scale) |
		 FIELD_PREP(TLBI_RANGE_TG, tlbi_granule(s2));

	if (has_level(s2, level))
		xt |= FIELD_PREP(TLBI_RANGE_TTL, (u64)level);
	tlbi_ripas2e1is(xt);
}

static void inval_by_stride(const struct stage2 *s2, const struct pgtable_inval *inval)
{
	for (u64 offset = 0; offset < inval->size; offset += inval->stride)
		tlbi_ipa(s2, inval->ia + offset, inval->level);
}

/*
 * By IPA up to the first address that a range's base can have, then by ranges from the largest
 * scale down, so that each next base is as aligned as the first; a last odd page by IPA.
 */
static void inval_by_range(const struct stage2 *s2, const struct pgtable_inval *inval)
{
	unsigned int shift = granule_shift(s2->geometry.granule);
	u64 ipa = inval->ia, end = inval->ia + inval->size;

	for (; ipa < end && !IS_ALIGNED(ipa, tlbi_range_unit(s2)); ipa += inval->stride)
		tlbi_ipa(s2, ipa, inval->level);
	for (int scale = 3; scale >= 0 && ipa < end; scale--) {
		u64 num = ((end - ipa) >> shift) >> (5 * scale + 1);

		if (!num)
			continue;
		tlbi_ipa_range(s2, ipa, num, (u64)scale, inval->level);
		ipa += (num << (5 * scale + 1)) << shift;
	}
	if (ipa < end)
		tlbi_ipa(s2, ipa, inval->level);
}

static bool by_range(const struct stage2 *s2, const struct pgtable_inval *inval)
{
	return s2->tlbi_range && inval->size > inval->stride &&
	       inval->size >> granule_shift(s2->geometry.granule) < TLBI_RANGE_PAGES;
}

static struct tlb_s2_saved tlb_context_enter(const struct stage2 *s2)
{
	return tlb_s2_enter(s2->vttbr, s2->geometry.vtcr, errata_need(ERRATUM_BLOCK_WALKS),
			    this_cpu()->trace_buffer);
}

/* Invalidate all entries of the VMID that is loaded. */
static void inval_vmid(void)
{
	tlbi_vmalls12e1is();
	tlb_sync();
}

/*
 * Invalidate by IPA. TLBs may hold entries that combine both stages, which no IPA finds: so all
 * entries of stage 1 are invalidated as well, after the stage-2 entries from which they could be
 * made again are gone (D8.17.5).
 */
static void inval_ipas(const struct stage2 *s2, const struct pgtable_inval *inval)
{
	if (by_range(s2, inval))
		inval_by_range(s2, inval);
	else
		inval_by_stride(s2, inval);
	tlb_sync();
	tlbi_vmalle1is();
	tlb_sync();
}

static void stage2_tlb_inval(void *ctx, const struct pgtable_inval *inval)
{
	struct stage2 *s2 = ctx;
	struct tlb_s2_saved saved = tlb_context_enter(s2);

	s2->changes++;
	ASSERT(inval->size && IS_ALIGNED(inval->ia | inval->size, inval->stride));
	dsb(ishst);
	if (by_range(s2, inval) || inval->size / inval->stride <= STAGE2_MAX_TLBIS)
		inval_ipas(s2, inval);
	else
		inval_vmid();
	isb();
	tlb_s2_exit(&saved);
}

u64 stage2_tables_needed(struct stage2 *s2, struct ipa ipa, struct pa pa, u64 size)
{
	spin_assert_held(&s2->lock);
	return pgtable_tables_to_map(&s2->pgt, ipa.v, pa, size) +
	       pgtable_tables_to_cut(&s2->pgt, ipa.v, size);
}

void stage2_invalidate_all(const struct stage2 *s2)
{
	struct tlb_s2_saved saved = tlb_context_enter(s2);

	dsb(ishst);
	inval_vmid();
	isb();
	tlb_s2_exit(&saved);
}

void stage2_invalidate_stage1(const struct stage2 *s2)
{
	struct tlb_s2_saved saved = tlb_context_enter(s2);

	dsb(ishst);
	tlbi_vmalle1is();
	tlb_sync();
	isb();
	tlb_s2_exit(&saved);
}

/* ---- life ---- */

static void *s2_zalloc_table(void *ctx)
{
	const struct stage2 *s2 = ctx;

	return s2->mem->zalloc_table(s2->mem_ctx);
}

static void s2_free_table(void *ctx, void *table)
{
	const struct stage2 *s2 = ctx;

	s2->mem->free_table(s2->mem_ctx, table);
}

static struct pa s2_table_to_pa(void *ctx, const void *table)
{
	const struct stage2 *s2 = ctx;

	return s2->mem->table_to_pa(s2->mem_ctx, table);
}

static void *s2_pa_to_table(void *ctx, struct pa pa)
{
	const struct stage2 *s2 = ctx;

	return s2->mem->pa_to_table(s2->mem_ctx, pa);
}

static const struct pgtable_ops stage2_pgtable_ops = {
	.zalloc_table = s2_zalloc_table,
	.free_table = s2_free_table,
	.table_to_pa = s2_table_to_pa,
	.pa_to_table = s2_pa_to_table,
	.tlb_inval = stage2_tlb_inval,
};

void stage2_set_vmid(struct stage2 *s2, u16 vmid)
{
	spin_assert_held(&s2->lock);
	s2->vttbr = (s2->vttbr & ~VTTBR_VMID) | FIELD_PREP(VTTBR_VMID, vmid);
}

static int root_to_vttbr(const struct stage2_config *config, u64 *vttbr)
{
	u64 pa = config->mem->table_to_pa(config->mem_ctx, config->root).v;
	u64 high = pa >> 48;

	if (!IS_ALIGNED(pa, config->geometry->root_align) || pa >> config->geometry->oa_bits)
		return -EINVAL;
	if (config->vmid >> config->caps->vmid_bits)
		return -EINVAL;
	*vttbr = (pa & GENMASK(47, 0)) | FIELD_PREP(VTTBR_BADDR_51_48, high) |
		 FIELD_PREP(VTTBR_VMID, config->vmid);
	return 0;
}

static struct pgtable_format format_of(const struct stage2_geometry *geometry)
{
	return (struct pgtable_format){
		.granule = geometry->granule,
		.start_level = geometry->start_level,
		.root_tables = geometry->root_tables,
		.ia_bits = geometry->ia_bits,
		.oa_bits = geometry->oa_bits,
		.ds = geometry->ds,
	};
}

static void set_features(struct stage2 *s2, const struct mmu_caps *caps)
{
	s2->xnx = caps->xnx;
	s2->hw_dirty = caps->hw_dirty;
	s2->ttl = caps->ttl;
	s2->tlbi_range = caps->tlbi_range;
	s2->pgt.bbm2 = caps->bbm_level == 2;
	/* Even if hardware does not set it, the access flag is state and not an attribute. */
	s2->pgt.hw.access = S2_PTE_AF;
	if (caps->hw_dirty) {
		s2->pgt.hw.dirty = S2_PTE_S2AP_W;
		s2->pgt.hw.dirty_enable = S2_PTE_DBM;
	}
}

int stage2_init(struct stage2 *s2, const struct stage2_config *config)
{
	struct pgtable_format fmt = format_of(config->geometry);
	u64 vttbr;
	int ret = root_to_vttbr(config, &vttbr);

	if (ret)
		return ret;
	if (config->fwb && !config->caps->fwb)
		return -EOPNOTSUPP;
	*s2 = (struct stage2){
		.lock = SPINLOCK_INIT(config->shadow ? LOCK_SHADOW_STAGE2 : LOCK_STAGE2),
		.geometry = *config->geometry,
		.vttbr = vttbr,
		.fwb = config->fwb,
		.mem = config->mem,
		.mem_ctx = config->mem_ctx,
	};
	ret = pgtable_init(&s2->pgt, &fmt, config->root, &stage2_pgtable_ops, s2);
	if (!ret)
		set_features(s2, config->caps);
	return ret;
}

void stage2_clear(struct stage2 *s2, u64 parts)
{
	spin_assert_held(&s2->lock);
	s2->changes++;
	pgtable_drop(&s2->pgt, parts);
	stage2_invalidate_all(s2);
}

void stage2_destroy(struct stage2 *s2)
{
	spin_lock(&s2->lock);
	pgtable_destroy(&s2->pgt);
	spin_unlock(&s2->lock);
}

/* ---- operations ---- */

int stage2_map(struct stage2 *s2, struct ipa ipa, struct pa pa, u64 size, enum stage2_attrs attrs)
{
	unsigned int flags = (attrs & STAGE2_PAGES) ? PGTABLE_PAGES : 0;

	spin_assert_held(&s2->lock);
	if (!attrs_valid(s2, attrs))
		return -EINVAL;
	return pgtable_map(&s2->pgt, ipa.v, pa, size, encode_attrs(s2, attrs), flags);
}

int stage2_unmap(struct stage2 *s2, struct ipa ipa, u64 size, struct stage2_progress *progress)
{
	spin_assert_held(&s2->lock);
	return pgtable_unmap(&s2->pgt, ipa.v, size, progress);
}

int stage2_unmap_leaf(struct stage2 *s2, struct ipa ipa, u64 *size)
{
	spin_assert_held(&s2->lock);
	return pgtable_unmap_leaf(&s2->pgt, ipa.v, size);
}

int stage2_annotate(struct stage2 *s2, struct ipa ipa, u64 size, u8 owner)
{
	spin_assert_held(&s2->lock);
	return pgtable_annotate(&s2->pgt, ipa.v, size, FIELD_PREP(S2_PTE_OWNER, owner));
}

static bool protect_valid(enum stage2_attrs set, enum stage2_attrs clear)
{
	const unsigned int known = STAGE2_RWX | STAGE2_SW;

	return !(((unsigned int)set | (unsigned int)clear) & ~known) && !(set & clear) &&
	       !one_execute_only(set) && !one_execute_only(clear);
}

static struct pgtable_change protect_change(const struct stage2 *s2, enum stage2_attrs set,
					    enum stage2_attrs clear)
{
	const u64 writable = S2_PTE_S2AP_W | (s2->hw_dirty ? S2_PTE_DBM : 0);
	struct pgtable_change c = {
		.clear = FIELD_PREP(S2_PTE_SW, (clear & STAGE2_SW) / STAGE2_SW0),
		.set = FIELD_PREP(S2_PTE_SW, (set & STAGE2_SW) / STAGE2_SW0),
		.quiet = S2_PTE_AF | S2_PTE_SW,
	};

	c.set |= ((set & STAGE2_R) ? S2_PTE_S2AP_R : 0) | ((set & STAGE2_W) ? writable : 0);
	c.clear |= ((clear & STAGE2_R) ? S2_PTE_S2AP_R : 0) | ((clear & STAGE2_W) ? writable : 0);
	if (set & STAGE2_RWX)
		c.set |= S2_PTE_AF;
	if ((set | clear) & STAGE2_X)
		c.clear |= S2_PTE_XN;
	if (clear & STAGE2_X)
		c.set |= FIELD_PREP(S2_PTE_XN, xn_of[0]);
	if (set & STAGE2_X)
		c.only_with = s2->fwb ? S2_PTE_MEMATTR_NORMAL_FWB : S2_PTE_MEMATTR_NORMAL;
	return c;
}

int stage2_protect(struct stage2 *s2, struct ipa ipa, u64 size, enum stage2_attrs set,
		   enum stage2_attrs clear, struct stage2_progress *progress)
{
	struct pgtable_change change;

	spin_assert_held(&s2->lock);
	if (!protect_valid(set, clear))
		return -EINVAL;
	change = protect_change(s2, set, clear);
	return pgtable_set_attrs(&s2->pgt, ipa.v, size, &change, progress);
}

int stage2_let_write(struct stage2 *s2, struct ipa ipa)
{
	const struct pgtable_change change = {
		.set = S2_PTE_AF | S2_PTE_S2AP_W | (s2->hw_dirty ? S2_PTE_DBM : 0),
		.quiet = S2_PTE_AF,
	};

	spin_assert_held(&s2->lock);
	return pgtable_set_page_attrs(&s2->pgt, ipa.v, &change);
}

int stage2_split(struct stage2 *s2, struct ipa ipa, u64 size, struct stage2_progress *progress)
{
	spin_assert_held(&s2->lock);
	return pgtable_split(&s2->pgt, ipa.v, size, progress);
}

int stage2_merge(struct stage2 *s2, struct ipa ipa, u64 size, struct stage2_progress *progress)
{
	spin_assert_held(&s2->lock);
	return pgtable_merge(&s2->pgt, ipa.v, size, progress);
}

int stage2_merge_up(struct stage2 *s2, struct ipa ipa, u64 most)
{
	spin_assert_held(&s2->lock);
	return pgtable_merge_up(&s2->pgt, ipa.v, most);
}

int stage2_remap(struct stage2 *s2, struct ipa ipa, struct pa pa, u64 size, enum stage2_attrs attrs)
{
	spin_assert_held(&s2->lock);
	if (!attrs_valid(s2, attrs) || (attrs & STAGE2_PAGES))
		return -EINVAL;
	return pgtable_replace(&s2->pgt, ipa.v, pa, size, encode_attrs(s2, attrs));
}

/* ---- look-up ---- */

static __always_inline void describe_leaf(const struct stage2 *s2, const struct pgtable_leaf *found,
					  struct stage2_leaf *leaf)
{
	bool mapped = pgtable_pte_valid(found->pte);

	*leaf = (struct stage2_leaf){
		.ipa = IPA(found->ia),
		.size = found->size,
		.pa = mapped ? found->pa : PA(0),
		.attrs = mapped ? decode_attrs(s2, found->pte) : STAGE2_NONE,
		.level = found->level,
		.mapped = mapped,
		.owner = mapped ? 0 : (u8)FIELD_GET(S2_PTE_OWNER, found->pte),
	};
}

int stage2_lookup(struct stage2 *s2, struct ipa ipa, struct stage2_leaf *leaf)
{
	struct pgtable_leaf found;
	int ret;

	spin_assert_held(&s2->lock);
	ret = pgtable_lookup(&s2->pgt, ipa.v, &found);
	if (ret != -E2BIG)
		describe_leaf(s2, &found, leaf);
	return ret;
}

struct walk_arg {
	struct stage2 *s2;
	u64 most; /* of pages that are joined */
	int (*visit)(void *arg, const struct stage2_leaf *leaf);
	void *arg;
};

static int walk_visit(const struct pgtable_visit *v, void *arg)
{
	const struct walk_arg *w = arg;
	u64 size = pgtable_level_size(&v->pgt->fmt, v->level);
	struct pgtable_leaf found = {
		.pte = v->pte,
		.ia = v->ia,
		.size = ALIGN_UP(v->end, size) - v->ia,
		.pa = pgtable_pte_to_pa(&v->pgt->fmt, v->pte),
		.level = v->level,
	};
	struct stage2_leaf leaf;

	describe_leaf(w->s2, &found, &leaf);
	return w->visit(w->arg, &leaf);
}

int stage2_walk(struct stage2 *s2, struct ipa ipa, u64 size,
		int (*visit)(void *arg, const struct stage2_leaf *leaf), void *arg,
		struct stage2_progress *progress)
{
	struct walk_arg w = { .s2 = s2, .visit = visit, .arg = arg };
	struct pgtable_walk walk = {
		.visit = walk_visit,
		.arg = &w,
		.when = PGTABLE_LEAF | PGTABLE_JOIN,
		.progress = progress,
	};

	spin_assert_held(&s2->lock);
	return pgtable_walk(&s2->pgt, ipa.v, size, &walk);
}

static int joined_run(struct pgtable *pgt, u64 *ptep, u64 ia, u64 *n, void *arg)
{
	const struct walk_arg *w = arg;
	u64 size = pgtable_level_size(&pgt->fmt, PGTABLE_LAST_LEVEL), i = 0, count;
	int ret = 0;

	for (; i < *n && !ret; i += count) {
		struct pgtable_leaf found = { .pte = pte_read(ptep + i), .ia = ia + i * size };
		struct stage2_leaf leaf;

		count = pgtable_run_length(pgt, ptep + i, MIN(*n - i, w->most));
		found.size = count * size;
		found.pa = pgtable_pte_to_pa(&pgt->fmt, found.pte);
		found.level = PGTABLE_LAST_LEVEL;
		describe_leaf(w->s2, &found, &leaf);
		ret = w->visit(w->arg, &leaf);
	}
	*n = i;
	return ret;
}

int stage2_walk_joined(struct stage2 *s2, struct ipa ipa, u64 size, u64 most,
		       int (*visit)(void *arg, const struct stage2_leaf *leaf), void *arg,
		       struct stage2_progress *progress)
{
	struct walk_arg w = {
		.s2 = s2, .most = MAX(most / stage2_granule(s2), 1UL), .visit = visit, .arg = arg
	};
	struct pgtable_walk walk = {
		.visit = walk_visit,
		.visit_run = joined_run,
		.arg = &w,
		.when = PGTABLE_LEAF | PGTABLE_JOIN,
		.progress = progress,
	};

	spin_assert_held(&s2->lock);
	return pgtable_walk(&s2->pgt, ipa.v, size, &walk);
}

/* ---- access flag and dirty state ---- */

int stage2_set_young(struct stage2 *s2, struct ipa ipa)
{
	struct pgtable_change young = { .set = S2_PTE_AF, .quiet = S2_PTE_AF };
	struct pgtable_leaf found;
	int ret;

	spin_assert_held(&s2->lock);
	ret = pgtable_lookup(&s2->pgt, ipa.v, &found);
	return ret ? ret : pgtable_set_attrs(&s2->pgt, found.ia, found.size, &young, NULL);
}

static void found_young(void *arg, u64 ia, u64 size)
{
	bool *young = arg;

	(void)ia;
	(void)size;
	*young = true;
}

int stage2_test_clear_young(struct stage2 *s2, struct ipa ipa, u64 size, bool *young,
			    struct stage2_progress *progress)
{
	spin_assert_held(&s2->lock);
	*young = false;
	s2->changes++;
	return pgtable_test_clear(&s2->pgt, ipa.v, size, S2_PTE_AF, false, found_young, young,
				  progress);
}

bool stage2_is_young(struct stage2 *s2, struct ipa ipa, bool clear)
{
	spin_assert_held(&s2->lock);
	s2->changes += clear;
	return pgtable_test_leaf(&s2->pgt, ipa.v, S2_PTE_AF, clear);
}

struct dirty_arg {
	stage2_dirty_fn *dirty;
	void *arg;
};

static void found_dirty(void *arg, u64 ia, u64 size)
{
	const struct dirty_arg *d = arg;

	if (d->dirty)
		d->dirty(d->arg, IPA(ia), size);
}

int stage2_collect_dirty(struct stage2 *s2, struct ipa ipa, u64 size, stage2_dirty_fn *dirty,
			 void *arg, struct stage2_progress *progress)
{
	struct dirty_arg d = { .dirty = dirty, .arg = arg };

	spin_assert_held(&s2->lock);
	return pgtable_test_clear(&s2->pgt, ipa.v, size, S2_PTE_S2AP_W, true, found_dirty, &d,
				  progress);
}

/* ---- consistency ---- */

#ifdef KEEL_DEBUG
static bool is_encoded(const void *arg, u64 attrs)
{
	const struct stage2 *s2 = arg;

	return encode_attrs(s2, decode_attrs(s2, attrs)) == attrs;
}

const char *stage2_sane(struct stage2 *s2, struct ipa *ipa, u64 size,
			struct stage2_progress *progress)
{
	const struct pgtable_attrs_check attrs = { is_encoded, s2 };

	spin_assert_held(&s2->lock);
	return pgtable_sane(&s2->pgt, &ipa->v, size, &attrs, progress);
}
#endif
