// SPDX-License-Identifier: BSD-2-Clause
/*
 * EL2's own page tables: a stage 1 with 4K pages. docs/el2-address-space.md says what is where.
 *
 * Tables. With E2H there are two, map.lower for TTBR0_EL2 and map.upper for TTBR1_EL2; without it
 * one. tables_for() chooses by address. Everything the runtime uses is in these areas:
 *
 *      identity map    the trampoline page at its physical address, for turning the MMU on
 *      linear window   physical memory at a constant offset: the image, donated pages, run pages
 *      private area    devices, the device tree, stacks; handed out from map.private_next upwards,
 *                      with an unmapped guard page behind each part
 *      windows         EL2_WINDOW_PAGES for each CPU, behind its stacks, for memory that is mapped
 *                      nowhere else
 *      aliases         a page for each CPU, before its window, for a page of the linear window that
 *                      is to be read-only at a second address
 *
 * Two phases. At boot, with the MMU off, tables are accessed at their physical addresses and taken
 * from a range of pages behind the image (map.early_next). el2_map_runtime() ends this: pointers
 * become addresses in the linear window, and tables come from Keel's page pool.
 *
 * Mapping in the linear window at run time is all or nothing: show_linear() counts the tables
 * first, and the caller holds ownership_lock, so nobody else takes pages from the pool meanwhile.
 * What was mapped in one piece is unmapped in one piece, so unmapping splits no block and cannot
 * fail.
 *
 * A window needs no lock and no memory: make_window_page() makes its tables at boot and keeps the
 * address of the last-level descriptors. To map a page is one store; to unmap it, one store and one
 * TLBI for all CPUs, since all share the tables and may have cached the descriptor speculatively.
 *
 * Locking: el2_map_lock guards the tables and private_next, from el2_map_runtime() on. A CPU's
 * window is its own: EL2 is not preempted.
 */
#include <arch/barrier.h>
#include <arch/percpu.h>
#include <arch/pte.h>
#include <arch/reg_bits.h>
#include <arch/spinlock.h>
#include <arch/tlb.h>
#include <cpu/assert.h>
#include <cpu/panic.h>
#include <cpu/percpu.h>
#include <lib/errno.h>
#include <lib/string.h>
#include <mm/el2_map.h>
#include <mm/el2_window.h>
#include <mm/pgtable.h>

/* Stage 1 descriptor attributes (D8.3.1.2, D8.4.1) */
#define S1_ATTRINDX(n) ((u64)(n) << 2)
#define S1_AP_EL1RES1  BIT(6) /* AP[1]: RES1 where the regime has one privilege level */
#define S1_AP_RO       BIT(7)
#define S1_SH_INNER    (3ULL << 8)
#define S1_PXN	       BIT(53) /* with E2H=1 */
#define S1_UXN	       BIT(54) /* with E2H=1; the same bit is XN with E2H=0 */

/* For more pages than these, one TLBI ALLE2IS instead of one TLBI VAE2IS for each. */
#define INVAL_PAGES_MAX 64

/* Lock of the tables and of private_next; see el2_map.h. */
static struct spinlock el2_map_lock = SPINLOCK_INIT(LOCK_EL2_MAP);

static struct el2_map {
	struct el2_layout layout;
	struct pgtable lower;	    /* TTBR0_EL2 */
	struct pgtable upper;	    /* TTBR1_EL2, with E2H */
	u64 lower_base, upper_base; /* virtual address of either's first input address */
	struct page_pool *pool;	    /* NULL until run time */
	struct pa early_next, early_end;
	u64 private_next;
} map;

/* ---- tables ---- */

static void *el2_table_at(struct pa pa)
{
	return map.pool ? el2_pa_to_va(&map.layout, pa) : (void *)pa.v;
}

static void *el2_zalloc_table(void *ctx)
{
	void *table;

	(void)ctx;
	if (map.pool)
		return page_pool_alloc(map.pool);
	if (map.early_next.v >= map.early_end.v)
		return NULL;
	table = (void *)map.early_next.v;
	map.early_next.v += SZ_4K;
	memset(table, 0, SZ_4K);
	return table;
}

static void el2_free_table(void *ctx, void *table)
{
	(void)ctx;
	if (map.pool)
		page_pool_free(map.pool, table);
}

static struct pa el2_table_to_pa(void *ctx, const void *table)
{
	(void)ctx;
	return map.pool ? el2_va_to_pa(&map.layout, table) : PA((u64)table);
}

static void *el2_pa_to_table(void *ctx, struct pa pa)
{
	(void)ctx;
	return el2_table_at(pa);
}

/* Before run time the MMU is off: mmu_on invalidates all TLBs before it turns the MMU on. */
static void el2_tlb_inval(void *ctx, const struct pgtable_inval *inval)
{
	u64 base = *(const u64 *)ctx;

	if (!map.pool)
		return;
	dsb(ishst); /* the descriptors, before any TLBI */
	if (inval->tables || inval->size / inval->stride > INVAL_PAGES_MAX)
		tlbi_alle2is();
	else
		for (u64 ia = inval->ia; ia < inval->ia + inval->size; ia += inval->stride)
			tlbi_vae2is(tlbi_va(base + ia));
	tlb_sync();
	isb();
}

static const struct pgtable_ops table_ops = {
	.zalloc_table = el2_zalloc_table,
	.free_table = el2_free_table,
	.table_to_pa = el2_table_to_pa,
	.pa_to_table = el2_pa_to_table,
	.tlb_inval = el2_tlb_inval,
};

/* The tables that translate @va, and @va as their input address. */
static struct pgtable *tables_for(u64 va, u64 *ia)
{
	*ia = va;
	if (map.layout.which != EL2_TWO_BASES || va < map.layout.runtime_base)
		return &map.lower;
	*ia = va & (map.layout.runtime_size - 1);
	return &map.upper;
}

static u64 prot_attrs(enum el2_prot prot)
{
	bool e2h = map.layout.which == EL2_TWO_BASES;
	u64 xn = S1_UXN | (e2h ? S1_PXN : 0);
	u64 attrs = PTE_AF | (e2h ? 0 : S1_AP_EL1RES1);

	if (!map.layout.ds) /* D8.3.1: with DS those bits are address, and TCR says shareability */
		attrs |= S1_SH_INNER;
	switch (prot) {
	case EL2_R:
		return attrs | S1_ATTRINDX(MAIR_IDX_NORMAL) | S1_AP_RO | xn;
	case EL2_RW:
		return attrs | S1_ATTRINDX(MAIR_IDX_NORMAL) | xn;
	case EL2_RX:
		return attrs | S1_ATTRINDX(MAIR_IDX_NORMAL) | S1_AP_RO | (e2h ? S1_UXN : 0);
	case EL2_DEVICE:
		break;
	}
	return attrs | S1_ATTRINDX(MAIR_IDX_DEVICE) | xn;
}

/* ---- consistency ---- */

#ifdef KEEL_DEBUG
static bool is_prot(const void *arg, u64 attrs)
{
	static const enum el2_prot prots[] = { EL2_R, EL2_RW, EL2_RX, EL2_DEVICE };

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(prots); i++)
		if (attrs == prot_attrs(prots[i]))
			return true;
	return false;
}

/*
 * At run time, with el2_map_lock held, after a change of [va, va + size). Another CPU's window may
 * be in the range: its descriptor changes at any time, from one that is sane to another.
 */
static void check_va_range(u64 va, u64 size)
{
	const struct pgtable_attrs_check attrs = { .known = is_prot };
	u64 ia;
	struct pgtable *pgt = tables_for(va, &ia);
	const char *why = map.pool ? pgtable_sane(pgt, &ia, size, &attrs, NULL) : NULL;

	if (why)
		panic("EL2's tables are not sane for %#lx: %s", va, why);
}
#else
static void check_va_range(u64 va, u64 size)
{
	(void)va;
	(void)size;
}
#endif

/* ---- ranges ---- */

static int map_va_range(u64 va, struct pa pa, u64 size, enum el2_prot prot, unsigned int flags)
{
	u64 ia;
	struct pgtable *pgt = tables_for(va, &ia);
	int ret = pgtable_map(pgt, ia, pa, size, prot_attrs(prot), flags);

	if (!ret)
		check_va_range(va, size);
	return ret;
}

/* Whole mappings are unmapped, so no block is split, and this cannot fail. */
static void unmap_va_range(u64 va, u64 size)
{
	u64 ia;
	struct pgtable *pgt = tables_for(va, &ia);
	int ret = pgtable_unmap(pgt, ia, size, NULL);

	if (!ret)
		check_va_range(va, size);
}

/* ---- early: MMU off ---- */

static int init_el2_tables(struct pgtable *pgt, unsigned int bits, int level, u64 *base)
{
	const struct pgtable_format fmt = {
		.granule = GRANULE_4K,
		.start_level = (s8)level,
		.root_tables = 1,
		.ia_bits = (u8)bits,
		.oa_bits = map.layout.ds ? 52 : 48,
		.ds = map.layout.ds,
	};
	u64 *root = el2_zalloc_table(NULL);

	return root ? pgtable_init(pgt, &fmt, root, &table_ops, base) : -ENOMEM;
}

int el2_map_early_init(const struct el2_layout *layout, struct pa pages, struct pa end)
{
	int ret;

	map.layout = *layout;
	map.pool = NULL;
	map.early_next = pages;
	map.early_end = end;
	map.lower_base = 0;
	map.upper.root = NULL;
	map.upper_base = layout->runtime_base;
	map.private_next = ALIGN_UP(layout->private_base, SZ_2M);
	ret = init_el2_tables(&map.lower, layout->ttbr0_bits, layout->ttbr0_level, &map.lower_base);
	if (!ret && layout->which == EL2_TWO_BASES)
		ret = init_el2_tables(&map.upper, layout->ttbr1_bits, layout->ttbr1_level,
				      &map.upper_base);
	return ret;
}

int el2_map_identity(struct pa pa, u64 size, enum el2_prot prot)
{
	return pgtable_map(&map.lower, pa.v, pa, size, prot_attrs(prot), 0);
}

/* TTBR0_EL2: with DS, address bits 51:48 are in BADDR's low bits, 5:2. */
static u64 root_to_ttbr(const u64 *root)
{
	u64 pa = el2_table_to_pa(NULL, root).v;

	return (pa & GENMASK(47, 0)) | FIELD_PREP(GENMASK(5, 2), pa >> 48);
}

u64 el2_map_ttbr0(void)
{
	return root_to_ttbr(map.lower.root);
}

u64 el2_map_ttbr1(void)
{
	return map.upper.root ? root_to_ttbr(map.upper.root) : 0;
}

/* ---- run time ---- */

struct pa el2_map_runtime(struct page_pool *pool)
{
	u64 offset = map.layout.linear_offset;

	map.lower.root = (u64 *)((u64)map.lower.root + offset);
	/* These pointers were physical addresses until now, too. */
	map.lower.ops = &table_ops;
	map.lower.ctx = &map.lower_base;
	if (map.upper.root) {
		map.upper.root = (u64 *)((u64)map.upper.root + offset);
		map.upper.ops = &table_ops;
		map.upper.ctx = &map.upper_base;
	}
	map.pool = pool;
	return map.early_next;
}

const struct el2_layout *el2_map_layout(void)
{
	return &map.layout;
}

/* All or nothing: the pages for tables are counted before any is taken. */
static int show_linear(struct pa pa, u64 size, enum el2_prot prot)
{
	u64 va = pa.v + map.layout.linear_offset, ia;
	struct pgtable *pgt = tables_for(va, &ia);

	if (pgtable_tables_to_map(pgt, ia, pa, size) > page_pool_spare(map.pool))
		return -ENOBUFS;
	return map_va_range(va, pa, size, prot, 0);
}

int el2_map_linear(struct pa pa, u64 size, enum el2_prot prot)
{
	const struct el2_layout *l = &map.layout;
	int ret;

	if (pa.v < l->linear_start.v || pa.v > l->linear_end.v || size > l->linear_end.v - pa.v)
		return -ERANGE;
	if (!map.pool)
		return map_va_range(pa.v + l->linear_offset, pa, size, prot, 0);
	spin_lock(&el2_map_lock);
	ret = show_linear(pa, size, prot);
	spin_unlock(&el2_map_lock);
	return ret;
}

void el2_unmap_linear(struct pa pa, u64 size)
{
	spin_lock(&el2_map_lock);
	unmap_va_range(pa.v + map.layout.linear_offset, size);
	spin_unlock(&el2_map_lock);
}

static int visit_shown(const struct pgtable_visit *visit, void *arg)
{
	bool *shown = arg;

	*shown = pgtable_pte_valid(visit->pte);
	return *shown;
}

bool el2_linear_shown(struct pa pa, u64 size)
{
	bool shown = false;
	const struct pgtable_walk walk = {
		.visit = visit_shown,
		.arg = &shown,
		.when = PGTABLE_LEAF,
	};
	u64 ia;
	struct pgtable *pgt = tables_for(pa.v + map.layout.linear_offset, &ia);
	int ret;

	spin_lock(&el2_map_lock);
	ret = pgtable_walk(pgt, ia, size, &walk);
	spin_unlock(&el2_map_lock);
	return ret != 0;
}

/* The area may end at the top of the address space, where an end address would be 0. */
static bool private_has_room(u64 base, u64 size)
{
	u64 room = map.layout.private_end - base;

	return room >= size && room <= map.layout.runtime_size;
}

/*
 * Take @size bytes of the private area and a guard page. The address is aligned like @pa, so that
 * blocks can be used.
 */
static int take_private(struct pa pa, u64 size, u64 *va)
{
	u64 align = size >= SZ_2M ? SZ_2M : SZ_4K;
	u64 base = ALIGN_UP(map.private_next, align) + (pa.v & (align - 1));

	if (!private_has_room(base, size + SZ_4K))
		return -ENOSPC;
	map.private_next = base + size + SZ_4K;
	*va = base;
	return 0;
}

void *el2_map_private(struct pa pa, u64 size, enum el2_prot prot)
{
	u64 into = pa.v & (SZ_4K - 1);
	struct pa first = PA(pa.v - into);
	u64 bytes = ALIGN_UP(size + into, SZ_4K);
	u64 va = 0, before;
	int ret;

	spin_lock(&el2_map_lock);
	before = map.private_next;
	ret = take_private(first, bytes, &va);
	if (!ret)
		ret = map_va_range(va, first, bytes, prot, 0);
	if (ret && va) {
		unmap_va_range(va, bytes);
		map.private_next = before;
	}
	spin_unlock(&el2_map_lock);
	return ret ? NULL : (void *)(va + into);
}

void el2_unmap_private(const void *ptr, u64 size)
{
	u64 into = (u64)ptr & (SZ_4K - 1), va = (u64)ptr - into;
	u64 bytes = ALIGN_UP(size + into, SZ_4K);

	spin_lock(&el2_map_lock);
	unmap_va_range(va, bytes);
	if (map.private_next == va + bytes + SZ_4K)
		map.private_next = va;
	spin_unlock(&el2_map_lock);
}

/* ---- stacks and windows ---- */

static int map_stack_part(u64 slot, struct el2_stack_part part)
{
	int ret = 0;

	for (u64 offset = part.base; offset < part.base + part.size && !ret; offset += SZ_4K) {
		void *page = page_pool_alloc(map.pool);

		if (!page)
			return -ENOMEM;
		ret = map_va_range(slot + offset, el2_va_to_pa(&map.layout, page), SZ_4K, EL2_RW,
				   PGTABLE_PAGES);
	}
	return ret;
}

/*
 * Make the table of a page that is mapped later, by mapping something there. The descriptor is then
 * cleared by a store and not by an unmap, so that the table stays. From then on it is changed by one
 * store. All pages of a window are in one table, since slots are aligned to their size.
 */
static int make_window_page(u64 va, u64 **pte)
{
	struct pgtable_leaf leaf;
	u64 ia;
	struct pgtable *pgt = tables_for(va, &ia);
	int ret = pgtable_map(pgt, ia, map.layout.linear_start, SZ_4K, prot_attrs(EL2_R),
			      PGTABLE_PAGES);

	if (!ret)
		ret = pgtable_lookup(pgt, ia, &leaf);
	if (ret)
		return ret;
	*pte = leaf.ptep;
	pte_write(leaf.ptep, 0);
	dsb(ishst);
	tlbi_vae2is(tlbi_va(va));
	tlb_sync();
	return 0;
}

/* The window behind the slot, and the alias in its last page. */
static int make_windows(struct percpu *cpu, u64 end)
{
	int ret = make_window_page(end, &cpu->window_pte);

	if (!ret)
		ret = make_window_page(end - SZ_4K, &cpu->alias_pte);
	cpu->window_va = end;
	cpu->alias_va = end - SZ_4K;
	cpu->window_attrs[EL2_R] = prot_attrs(EL2_R) | PTE_VALID | PTE_TABLE;
	cpu->window_attrs[EL2_RW] = prot_attrs(EL2_RW) | PTE_VALID | PTE_TABLE;
	return ret;
}

int el2_map_stacks(struct percpu *cpu, u64 slot_size, struct el2_stack_part stack,
		   struct el2_stack_part emergency)
{
	/* Behind the slot is the window, and the page behind that is its guard. */
	u64 slot, size = slot_size + (EL2_WINDOW_PAGES + 1) * SZ_4K;
	int ret;

	spin_lock(&el2_map_lock);
	slot = ALIGN_UP(map.private_next, slot_size);
	ret = private_has_room(slot, size) ? 0 : -ENOSPC;
	if (!ret) {
		map.private_next = slot + size;
		ret = map_stack_part(slot, stack);
	}
	if (!ret)
		ret = map_stack_part(slot, emergency);
	if (!ret)
		ret = make_windows(cpu, slot + slot_size);
	spin_unlock(&el2_map_lock);
	cpu->stack_top = slot + stack.base + stack.size;
	cpu->emergency_top = slot + emergency.base + emergency.size;
	return ret;
}

void *el2_window_map(struct pa pa, enum el2_prot prot)
{
	return el2_window_open(pa, prot).page;
}

void el2_window_unmap(void)
{
	const struct percpu *cpu = this_cpu();

	el2_window_close((struct el2_window){ (char *)cpu->window_va, cpu->window_pte });
}

void *el2_window_map_pages(struct pa pa, unsigned int count, enum el2_prot prot)
{
	const struct percpu *cpu = this_cpu();
	u64 *pte = cpu->window_pte, *end = pte + count, attrs = cpu->window_attrs[prot];

	if (count == 1)
		return el2_window_map(pa, prot);
	for (u64 at = pa.v; pte < end; pte++, at += SZ_4K)
		pte_write(pte, el2_window_pte(at, attrs));
	dsb(ishst);
	isb();
	return (void *)cpu->window_va;
}

void el2_window_unmap_pages(unsigned int count)
{
	const struct percpu *cpu = this_cpu();
	u64 *pte = cpu->window_pte, *end = pte + count, page = tlbi_va(cpu->window_va);

	if (count == 1) {
		el2_window_unmap();
		return;
	}
	for (; pte < end; pte++)
		pte_write(pte, 0);
	dsb(ishst);
	for (u64 behind = page + count; page < behind; page++)
		tlbi_vae2is(page);
	tlb_sync();
	isb();
}

void *el2_alias_open(const void *page)
{
	const struct percpu *cpu = this_cpu();
	struct pa pa = el2_va_to_pa(&map.layout, page);

	ASSERT(!READ_ONCE(*cpu->alias_pte));
	pte_write(cpu->alias_pte, el2_window_pte(pa.v, cpu->window_attrs[EL2_R]));
	dsb(ishst);
	isb();
	return (void *)cpu->alias_va;
}

void el2_alias_close(void)
{
	const struct percpu *cpu = this_cpu();

	el2_window_close((struct el2_window){ (char *)cpu->alias_va, cpu->alias_pte });
}

static u64 window_physical(u64 pte)
{
	/* D8.3.1.2: with DS, OA[51:50] are in bits 9:8 */
	u64 high = map.layout.ds ? (pte >> 8 & 3) << 50 : 0;

	return (pte & GENMASK(49, 12)) | high;
}

u64 el2_physical(u64 va)
{
	const struct percpu *cpu = this_cpu();
	u64 pte, pa = va - map.layout.linear_offset, page = (va - cpu->window_va) / SZ_4K;

	if (page < EL2_WINDOW_PAGES) {
		pte = READ_ONCE(cpu->window_pte[page]);
		return pte & PTE_VALID ? window_physical(pte) | (va & (SZ_4K - 1)) : ~0ULL;
	}
	return pa >= map.layout.linear_start.v && pa < map.layout.linear_end.v ? pa : ~0ULL;
}
