// SPDX-License-Identifier: BSD-2-Clause
/*
 * The host's stage 2, and the host as a party of page ownership. Three kinds of mapping are in it:
 *
 *	address    page state              mapped                    by
 *	RAM        the host's, or shared   identity, RWX             map_host_ram() at boot;
 *	                                                             host_party_map()
 *	RAM        given away              nothing; after a read,    host_mem_fault()
 *	                                   zero_page, read-only
 *	not RAM    the host's (devices)    identity, RW, in blocks   host_mem_fault()
 *	                                   that hold devices only
 *
 * Only the first kind is what page states record; the other two can be dropped at any time, since a
 * fault maps them again. When tables run out, drop_devices() drops all mappings of devices, and so
 * frees their tables: no transition fails because devices have too many. The tables that devices
 * share with RAM or with Keel's memory are made at boot and stay.
 *
 * Each change after boot is made with ownership_lock held, so the page's state and its mapping
 * change together. While the lock is held nobody else takes pages from the pool for this stage 2.
 * That is why prepare() can promise that the map() and unmap() that follow find enough tables, and
 * why these may panic if they do not.
 *
 * Memory that comes back needs no table. A table of which part was donated stays, even when it is
 * empty (keep_partial), so the memory is mapped again with the tables that it was unmapped from.
 * When a whole block is the host's again, it is merged to a block and the table is freed.
 *
 * Lock order: ownership_lock, the stage 2's lock, the page pool's lock.
 */
#include <arch/barrier.h>
#include <arch/cache.h>
#include <arch/foreign.h>
#include <arch/pte.h>
#include <arch/spinlock.h>
#include <arch/tlb.h>
#include <cpu/log.h>
#include <cpu/panic.h>
#include <host/host.h>
#include <host/host_mem.h>
#include <keel/hypercall.h>
#include <lib/errno.h>
#include <lib/string.h>
#include <mm/el2_map.h>
#include <mm/ownership.h>
#include <mm/stage2.h>
#include <mm/vmid.h>

/*
 * Stage 2 leaves memory types to the host's stage 1: Normal write-back here combines to the type
 * that stage 1 has (D8.6.5), so the host can map a device as Device, or as Normal Non-cacheable, as
 * it does a frame buffer. Devices are not executable.
 */
#define HOST_RAM_ATTRS	  (STAGE2_RWX | STAGE2_NORMAL)
#define HOST_DEVICE_ATTRS (STAGE2_RW | STAGE2_NORMAL)

/* What descriptors of pages map together with the Contiguous bit. */
#define GROUP_SIZE (16 * SZ_4K)

/* Sizes of a device mapping, largest first. */
static const u64 device_blocks[] = { SZ_1G, SZ_2M, SZ_4K };

static struct stage2 host_s2;
static struct page_pool *table_pool;

/*
 * What the host reads where it gave memory away: a page of Keel's that is never written again; and
 * how many pages of the host's address space map it. To ownership.c nothing is mapped there. Under
 * the stage 2's lock.
 */
static struct pa zero_page;
static u64 zero_leaves;

/* ---- memory for tables ---- */

static void *host_mem_zalloc_table(void *ctx)
{
	return page_pool_alloc(ctx);
}

static void host_mem_free_table(void *ctx, void *table)
{
	page_pool_free(ctx, table);
}

static struct pa host_mem_table_to_pa(void *ctx, const void *table)
{
	(void)ctx;
	return el2_va_to_pa(el2_map_layout(), table);
}

static void *host_mem_pa_to_table(void *ctx, struct pa pa)
{
	(void)ctx;
	return el2_pa_to_va(el2_map_layout(), pa);
}

static const struct stage2_mem_ops table_mem = {
	.zalloc_table = host_mem_zalloc_table,
	.free_table = host_mem_free_table,
	.table_to_pa = host_mem_table_to_pa,
	.pa_to_table = host_mem_pa_to_table,
};

u64 host_mem_table_pages_free(void)
{
	return page_pool_available(table_pool);
}

u64 host_mem_table_pages(void)
{
	return READ_ONCE(table_pool->total);
}

/* Unmap all devices, which frees their tables; the host's next accesses map them again. */
static void drop_devices(void)
{
	u64 end = stage2_size(&host_s2);
	struct ownership_run run;

	for (u64 pa = 0; ownership_next_device(pa, end, &run); pa = run.pa.v + run.size) {
		/*
		 * A device mapping lies entirely within such a run, so no block is split. Tables
		 * that RAM shares stay, even when empty, for RAM that comes back.
		 */
		if (stage2_unmap(&host_s2, IPA(run.pa.v), run.size, NULL))
			panic("the host's device mappings cannot be dropped");
	}
}

/* ---- the host as a party of ownership ---- */

static int check_mapped_leaf(void *arg, const struct stage2_leaf *leaf)
{
	(void)arg;
	return leaf->mapped && leaf->pa.v == leaf->ipa.v ? 0 : -EPERM;
}

static bool shows_zeros(const struct stage2_leaf *leaf)
{
	return leaf->mapped && leaf->pa.v == zero_page.v && leaf->size == SZ_4K &&
	       (leaf->attrs & STAGE2_RWX) == STAGE2_R;
}

static int check_unmapped_leaf(void *arg, const struct stage2_leaf *leaf)
{
	(void)arg;
	return leaf->mapped && !shows_zeros(leaf) ? -EEXIST : 0;
}

static int walk_host(struct ipa ipa, u64 size,
		     int (*visit)(void *arg, const struct stage2_leaf *leaf))
{
	int ret;

	spin_lock(&host_s2.lock);
	ret = stage2_walk(&host_s2, ipa, size, visit, NULL, NULL);
	spin_unlock(&host_s2.lock);
	return ret;
}

static int host_party_check_mapped(void *ctx, const struct page_move *move)
{
	(void)ctx;
	return move->ipa.v == move->pa.v ? walk_host(move->ipa, move->size, check_mapped_leaf)
					 : -EINVAL;
}

static int host_party_check_unmapped(void *ctx, const struct page_move *move)
{
	(void)ctx;
	return walk_host(move->ipa, move->size, check_unmapped_leaf);
}

/* Reclaims tables of device mappings before it returns -ENOBUFS. */
static int host_party_prepare(void *ctx, const struct page_move *move)
{
	u64 needed;

	(void)ctx;
	spin_lock(&host_s2.lock);
	needed = stage2_tables_needed(&host_s2, move->ipa, move->pa, move->size);
	if (page_pool_spare(table_pool) < needed)
		drop_devices();
	spin_unlock(&host_s2.lock);
	return page_pool_spare(table_pool) >= needed ? 0 : -ENOBUFS;
}

/* Whether the host has all of the 2 MiB at @ipa. Reads their states, which are fewer bytes. */
static bool is_complete(u64 ipa)
{
	struct pa pa = host_ipa_to_pa(IPA(ipa));
	struct ownership_run run = ownership_run_at(pa, pa.v + SZ_2M);

	return run.host && run.size == SZ_2M;
}

/* The tables of a larger block are read only if it can be made, and not for each page that comes. */
static int merge_at(u64 ipa)
{
	bool complete = is_complete(ALIGN_DOWN(ipa, SZ_2M));

	return stage2_merge_up(&host_s2, IPA(ipa), complete ? ~0ULL : GROUP_SIZE);
}

/*
 * Merge what was mapped with its neighbours: pages to groups, groups to 2 MiB, these to groups and
 * to 1 GiB. What does not begin or end in the range has been mapped as large as it can be.
 */
static int merge_with_neighbours(struct ipa ipa, u64 size)
{
	u64 last = ipa.v + size - SZ_4K;
	int ret = merge_at(ipa.v);

	for (u64 at = ALIGN_DOWN(ipa.v, SZ_2M) + SZ_2M; !ret && at <= last; at += SZ_2M)
		ret = merge_at(at);
	if (!ret && ALIGN_DOWN(last, GROUP_SIZE) > ipa.v)
		ret = merge_at(last);
	return ret;
}

static int count_zeros(void *arg, const struct stage2_leaf *leaf)
{
	u64 *count = arg;

	*count += shows_zeros(leaf);
	return 0;
}

/*
 * Unmap the zero page from memory that the host gets back (break-before-make). Tables that become
 * empty stay or are freed as if memory had been unmapped there, so prepare() counted right.
 */
static int drop_zeros(struct ipa ipa, u64 size)
{
	u64 count = 0;
	int ret;

	if (!zero_leaves)
		return 0;
	ret = stage2_walk(&host_s2, ipa, size, count_zeros, &count, NULL);
	if (ret || !count)
		return ret;
	zero_leaves -= count;
	return stage2_unmap(&host_s2, ipa, size, NULL);
}

/* Map RAM that the host gets, or gets back. */
static void host_party_map(void *ctx, const struct page_move *move)
{
	const struct ipa ipa = move->ipa;
	const u64 size = move->size;
	int ret;

	(void)ctx;
	spin_lock(&host_s2.lock);
	ret = drop_zeros(ipa, size);
	if (!ret)
		ret = stage2_map(&host_s2, ipa, move->pa, size, HOST_RAM_ATTRS);
	if (!ret)
		ret = merge_with_neighbours(ipa, size);
	spin_unlock(&host_s2.lock);
	if (ret)
		panic("the host's stage 2 cannot map %#lx (error %d)", ipa.v, ret);
}

static void host_party_unmap(void *ctx, const struct page_move *move)
{
	int ret;

	(void)ctx;
	spin_lock(&host_s2.lock);
	ret = stage2_unmap(&host_s2, move->ipa, move->size, NULL);
	spin_unlock(&host_s2.lock);
	if (ret)
		panic("the host's stage 2 cannot unmap %#lx (error %d)", move->ipa.v, ret);
}

static const struct ownership_party_ops party_ops = {
	.check_mapped = host_party_check_mapped,
	.check_unmapped = host_party_check_unmapped,
	.prepare = host_party_prepare,
	.map = host_party_map,
	.unmap = host_party_unmap,
};

/*
 * Cleaned to the point of coherency: the host can map the page as Normal Non-cacheable, and would
 * read the last owner's data from memory if the zeros were only in caches.
 */
static bool host_party_clear_page(void *ctx, struct pa pa)
{
	static struct ratelimit limit;
	void *page = el2_window_map(pa, EL2_RW);
	bool done = foreign_clear(page, SZ_4K) && foreign_clean_inval(page, SZ_4K) == SZ_4K;

	(void)ctx;
	el2_window_unmap();
	if (!done)
		log_limited(&limit, LOG_ERR, "page %#lx cannot be cleared: it stays Keel's", pa.v);
	return done;
}

/* Unmap the zero page from memory that never comes back. */
static void host_party_forget(void *ctx, struct pa pa, u64 size)
{
	int ret;

	(void)ctx;
	spin_lock(&host_s2.lock);
	ret = drop_zeros(host_pa_to_ipa(pa), size);
	spin_unlock(&host_s2.lock);
	if (ret)
		panic("the host's stage 2 cannot forget %#lx (error %d)", pa.v, ret);
}

static void host_party_shrink(void *ctx)
{
	(void)ctx;
	spin_lock(&host_s2.lock);
	drop_devices();
	spin_unlock(&host_s2.lock);
}

static u32 *take_table_counts(void *ctx)
{
	if (!page_pool_spare(table_pool))
		host_party_shrink(ctx);
	return page_pool_spare(table_pool) ? page_pool_alloc(table_pool) : NULL;
}

static void give_table_counts(void *ctx, u32 *counts)
{
	(void)ctx;
	page_pool_free(table_pool, counts);
}

static const struct ownership_host host_party = {
	.party = { .ops = &party_ops },
	.clear_page = host_party_clear_page,
	.forget = host_party_forget,
	.shrink = host_party_shrink,
	.take_counts = take_table_counts,
	.give_counts = give_table_counts,
};

/* ---- devices ---- */

/* The size of the largest block around @ipa that is all device, and in which nothing is mapped. */
static u64 device_block_size(struct ipa ipa, u64 hole)
{
	for (size_t i = 0; i < ARRAY_SIZE(device_blocks); i++) {
		u64 size = device_blocks[i], base = ALIGN_DOWN(ipa.v, size);
		struct ownership_run run;

		if (size > hole)
			continue;
		run = ownership_run_at(PA(base), base + size);
		if (run.size == size && run.host && !run.ram)
			return size;
	}
	return 0;
}

static int map_device_block(u64 ipa)
{
	u64 size = device_block_size(IPA(ipa), stage2_size(&host_s2));
	u64 base = ALIGN_DOWN(ipa, size);

	return stage2_map(&host_s2, IPA(base), PA(base), size, HOST_DEVICE_ATTRS);
}

/*
 * Make the tables that devices share with RAM or with Keel's memory; they stay. So the tables that
 * devices take later are used by devices only, and drop_devices() frees all of them.
 */
static int make_shared_tables(void)
{
	u64 end = stage2_size(&host_s2), next = 0;
	struct ownership_run run;
	int ret = 0;

	while (!ret && ownership_next_device(next, end, &run)) {
		next = run.pa.v + run.size;
		if (run.pa.v > 0)
			ret = map_device_block(run.pa.v);
		if (!ret && next < end)
			ret = map_device_block(next - SZ_4K);
	}
	drop_devices();
	return ret;
}

/* ---- boot ---- */

static int init_stage2(const struct mmu_caps *caps)
{
	struct stage2_geometry geometry;
	struct stage2_config config = {
		.geometry = &geometry,
		.caps = caps,
		.fwb = false, /* it would override the host's memory types */
		.vmid = VMID_HOST,
		.mem = &table_mem,
		.mem_ctx = table_pool,
	};
	unsigned int order = 0;
	int ret =
		stage2_geometry(&geometry, stage2_max_ia_bits(GRANULE_4K, caps), GRANULE_4K, caps);

	if (ret)
		return ret;
	while ((SZ_4K << order) < geometry.root_size || (SZ_4K << order) < geometry.root_align)
		order++;
	config.root = page_pool_alloc_run(table_pool, order);
	if (!config.root)
		return -ENOMEM;
	return stage2_init(&host_s2, &config);
}

static int map_host_ram(void)
{
	u64 end = stage2_size(&host_s2);
	struct ownership_run run;
	int ret = 0;

	for (u64 pa = 0; pa < end && !ret; pa += run.size) {
		run = ownership_run_at(PA(pa), end);
		if (run.ram && run.host)
			ret = stage2_map(&host_s2, host_pa_to_ipa(run.pa), run.pa, run.size,
					 HOST_RAM_ATTRS);
	}
	return ret;
}

/* Cleaned to the point of coherency, as in host_party_clear_page(). */
static int make_zero_page(void)
{
	void *page = page_pool_alloc(table_pool);

	if (!page)
		return -ENOMEM;
	dcache_clean_inval_poc(page, SZ_4K);
	zero_page = el2_va_to_pa(el2_map_layout(), page);
	zero_leaves = 0;
	return 0;
}

int host_mem_init(const struct mmu_caps *caps, struct page_pool *pool)
{
	int ret;

	table_pool = pool;
	ret = init_stage2(caps);
	if (!ret)
		ret = make_zero_page();
	if (ret)
		return ret;
	host_s2.pgt.keep_partial = true;
	spin_lock(&ownership_lock);
	spin_lock(&host_s2.lock);
	ret = map_host_ram();
	if (!ret)
		ret = make_shared_tables();
	spin_unlock(&host_s2.lock);
	spin_unlock(&ownership_lock);
	if (!ret)
		ownership_set_host(&host_party);
	return ret;
}

u64 host_mem_vtcr(void)
{
	return host_s2.geometry.vtcr;
}

u64 host_mem_vttbr(void)
{
	return host_s2.vttbr;
}

/* ---- faults ---- */

/* Whether the pool has enough pages beside the reserve, which devices may use a part of. */
static bool room_for_device(struct ipa ipa, u64 size)
{
	u64 reserve = READ_ONCE(table_pool->reserve);

	reserve -= MIN(reserve, KEEL_POOL_RESERVE_DEVICE);
	return page_pool_available(table_pool) >=
	       reserve + stage2_tables_needed(&host_s2, ipa, host_ipa_to_pa(ipa), size);
}

/* Under ownership_lock and the stage 2's lock. */
static int map_host_device(struct ipa ipa)
{
	struct stage2_leaf leaf;
	u64 size, base;
	int ret = stage2_lookup(&host_s2, ipa, &leaf);

	if (ret != -ENOENT)
		return ret; /* mapped meanwhile by another CPU */
	size = device_block_size(ipa, leaf.size);
	if (!size)
		return -EPERM;
	base = ALIGN_DOWN(ipa.v, size);
	if (!room_for_device(IPA(base), size))
		drop_devices();
	ret = stage2_map(&host_s2, IPA(base), PA(base), size, HOST_DEVICE_ATTRS);
	if (!ret)
		host_count(KEEL_STAT_HOST_MMIO_MAPS);
	return ret;
}

/* Under ownership_lock and the stage 2's lock. Takes no page of the reserve. */
static int map_zero_page(struct ipa ipa)
{
	struct ipa page = IPA(ALIGN_DOWN(ipa.v, SZ_4K));
	struct stage2_leaf leaf;
	u64 needed;
	int ret = stage2_lookup(&host_s2, page, &leaf);

	if (ret != -ENOENT)
		return ret; /* mapped meanwhile by another CPU */
	needed = stage2_tables_needed(&host_s2, page, zero_page, SZ_4K);
	if (page_pool_spare(table_pool) < needed)
		drop_devices();
	if (page_pool_spare(table_pool) < needed)
		return -ENOMEM;
	ret = stage2_map(&host_s2, page, zero_page, SZ_4K, STAGE2_R | STAGE2_NORMAL);
	if (ret)
		return ret;
	zero_leaves++;
	host_count(KEEL_STAT_HOST_ZERO_PAGES);
	return HOST_MEM_ZEROS;
}

/* Under ownership_lock. */
static int map_on_fault(struct ipa ipa, enum host_access access)
{
	struct pa pa = host_ipa_to_pa(ipa);
	bool reachable = ownership_host_may_reach(pa);
	int ret;

	if (!reachable && (access != HOST_READ || !ownership_host_gave(pa)))
		return -EPERM;
	spin_lock(&host_s2.lock);
	ret = reachable ? map_host_device(ipa) : map_zero_page(ipa);
	spin_unlock(&host_s2.lock);
	return ret;
}

int host_mem_fault(struct ipa ipa, enum host_access access)
{
	int ret;

	if (ipa.v >= stage2_size(&host_s2))
		return -ERANGE;
	spin_lock(&ownership_lock);
	ret = map_on_fault(ipa, access);
	spin_unlock(&ownership_lock);
	return ret;
}

void host_mem_tlb_conflict(void)
{
	stage2_invalidate_all(&host_s2);
}

void host_mem_stop(void)
{
	u64 *root = host_s2.pgt.root, old;

	if (!root)
		return;
	for (size_t i = 0; i < host_s2.geometry.root_size / sizeof(*root); i++) {
		old = pte_read(&root[i]);
		while (!pte_cmpxchg(&root[i], &old, 0))
			;
	}
	dsb(ishst);
	tlbi_alle1is();
	dsb(ish);
	isb();
}

const char *host_mem_describe(struct ipa ipa)
{
	switch (ownership_state(host_ipa_to_pa(ipa))) {
	case OWNERSHIP_KEEL:
	case OWNERSHIP_IMAGE:
		return "Keel's memory";
	case OWNERSHIP_DONATED:
		return "a VM's memory";
	case OWNERSHIP_HOST:
	case OWNERSHIP_SHARED:
		return "the host's memory";
	case OWNERSHIP_FIXED:
		return "memory that firmware reserved";
	case OWNERSHIP_NONE:
		break;
	}
	return "no memory of the host's";
}

/* ---- consistency ---- */

#ifdef KEEL_DEBUG
/* How the host's stage 2 maps @pa, and for how many bytes, for ownership_check_consistency(). */
static enum ownership_view host_view(void *ctx, struct pa pa, u64 max, u64 *run)
{
	struct stage2_leaf leaf;
	int ret;

	(void)ctx;
	spin_lock(&host_s2.lock);
	ret = stage2_lookup(&host_s2, host_pa_to_ipa(pa), &leaf);
	spin_unlock(&host_s2.lock);
	if (ret == -E2BIG) {
		*run = max;
		return OWNERSHIP_VIEW_NOTHING;
	}
	*run = leaf.ipa.v + leaf.size - pa.v;
	if (ret || (shows_zeros(&leaf) && ownership_host_gave(pa)))
		return OWNERSHIP_VIEW_NOTHING;
	return leaf.pa.v == leaf.ipa.v ? OWNERSHIP_VIEW_IDENTITY : OWNERSHIP_VIEW_WRONG;
}

/* How much RAM host_mem_check_some() checks. */
#define CHECK_STEP (32 * SZ_1M)

static void log_mismatch(int err, const struct ownership_mismatch *bad)
{
	static const char *const views[] = {
		[OWNERSHIP_VIEW_NOTHING] = "does not map",
		[OWNERSHIP_VIEW_IDENTITY] = "maps",
		[OWNERSHIP_VIEW_WRONG] = "maps elsewhere",
	};

	if (err)
		panic("page %#lx is %s, but the host's stage 2 %s it", bad->pa.v,
		      ownership_state_name(bad->state), views[bad->view]);
}

void host_mem_check(void)
{
	struct ownership_mismatch bad;

	log_mismatch(ownership_check_consistency(host_view, NULL, &bad), &bad);
}

void host_mem_check_some(void)
{
	struct ownership_mismatch bad;

	log_mismatch(ownership_check_some(CHECK_STEP, host_view, NULL, &bad), &bad);
}
#else
void host_mem_check(void)
{
}

void host_mem_check_some(void)
{
}
#endif
