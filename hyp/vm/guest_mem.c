// SPDX-License-Identifier: BSD-2-Clause
/*
 * A VM's memory: map, unmap, write permission, cache maintenance and top-up, and the VM as a party
 * of transitions.
 *
 * All functions work on the VM's own context, vm->s2. A call that maps or unmaps cuts its range
 * into extents: an extent is a hole, or it is mapped to adjacent memory with the same attributes.
 *
 *      IPA     ├──── hole ────┼──────── RAM ────────┼──── device ────┤
 *      map       map_hole()     nothing if it is the same, or -EEXIST
 *      unmap     skipped        ownership_unshare()   stage2_unmap()
 *
 * RAM has an owner: mapping and unmapping it is a transition of ownership.c, which calls back the
 * functions of vm_party_ops (vm_party_...()) for the VM's stage 2. Devices have no owner: they are
 * mapped in stage 2 directly, after a look whether the host may access them.
 *
 * Locking. vm->lock is held throughout (or the VM is ending, and nobody else can find it). So
 * nobody else changes this stage 2 or takes pages from its pool, and what find_extent() has seen is
 * still true when the extent is mapped or unmapped. stage2.lock is taken for each step alone:
 *
 *      vm->lock > page_locks > stage2.lock > pool.lock
 *
 * Bounds. The host's interrupts wait for the end of a call. So a call stops with -EAGAIN when it
 * has looked at CALL_BUDGET descriptors and pages, when it has mapped VM_MAP_STEP, or when it has
 * cleaned CLEAN_STEP from the caches. What is done then is complete, and the caller repeats the
 * call for the rest.
 *
 * Caches. Without FEAT_S2FWB a guest can access its memory with its caches off. The memory is
 * therefore cleaned and invalidated before the guest gets it, and again when the host has it back
 * from a VM that goes on (vm->unclean). With FEAT_S2FWB, and CTR_EL0.DIC for instruction caches,
 * nothing of this is needed.
 */
#include <arch/cache.h>
#include <arch/foreign.h>
#include <arch/ich.h>
#include <cpu/assert.h>
#include <cpu/panic.h>
#include <lib/errno.h>
#include <mm/el2_map.h>
#include <vm/donation.h>
#include <vm/vm_ops.h>

/*
 * The cost limit of a call, in units of about thirteen instructions: 20,000. A page state costs one,
 * a descriptor that is looked at one to ten. MAP_COST and UNMAP_COST are what an extent costs
 * besides, for the walks, the search whether its tables are empty, and the TLB invalidation;
 * UNMAP_PAGE_COST is for each page of stage 2 that is unmapped. PROTECT_DESCRIPTORS is how many descriptors
 * a call looks at that changes write permission.
 */
#define CALL_BUDGET	    1536
#define MAP_COST	    256
#define UNMAP_COST	    480
#define UNMAP_PAGE_COST	    3
#define PROTECT_DESCRIPTORS 448

/* How many descriptors a call looks at, or clears the access flag of. Each is looked up again. */
#define YOUNG_DESCRIPTORS 64

/*
 * How much is mapped at once where it is not one block, and in a range that is mapped in part; and
 * how much is unmapped at once where it is not one leaf.
 */
#define PAGES_STEP    SZ_512K
#define FRAGMENT_STEP SZ_64K
#define UNMAP_STEP    SZ_1M

/*
 * The limit of a step of a VM's end, in the same units: it stops when an interrupt waits, for which it
 * looks after each END_STEP that is not one leaf.
 */
#define END_BUDGET 8192
#define END_STEP   SZ_512K

/*
 * Without FEAT_S2FWB: bytes that one call may clean from the caches, line by line, while no
 * interrupt waits; and bytes between two looks whether one does. A line takes two instructions, and
 * a page some twenty: 10,000 and 1,100 in all for lines of 64 bytes.
 */
#define CLEAN_STEP SZ_256K
#define CLEAN_PART (EL2_WINDOW_PAGES * SZ_4K)

/* State of a leaf that changes while it is mapped; not attributes. */
#define STATE_ATTRS ((unsigned int)STAGE2_OLD | STAGE2_CLEAN)

/* ---- extents of the IPA space ---- */

/* [ipa, ipa + size): a hole, or mapped to adjacent memory with the same attributes. */
struct extent {
	struct ipa ipa;
	u64 size;
	bool mapped;
	struct pa pa;
	enum stage2_attrs attrs; /* without STATE_ATTRS */
	s8 level;		 /* of its smallest leaf */
	/* used by the walk: */
	u64 end;
	u64 enough; /* a mapped extent of this size or more is not extended by another leaf */
};

static bool extent_continues(const struct extent *extent, const struct stage2_leaf *leaf,
			     struct pa pa, enum stage2_attrs attrs)
{
	if (leaf->mapped != extent->mapped)
		return false;
	return !extent->mapped || (extent->size < extent->enough && attrs == extent->attrs &&
				   pa.v == extent->pa.v + extent->size);
}

static int extent_visit(void *arg, const struct stage2_leaf *leaf)
{
	struct extent *extent = arg;
	u64 at = extent->ipa.v + extent->size;
	u64 end = MIN(extent->end, leaf->ipa.v + leaf->size);
	struct pa pa = PA(leaf->pa.v + (at - leaf->ipa.v));
	enum stage2_attrs attrs = (enum stage2_attrs)((unsigned int)leaf->attrs & ~STATE_ATTRS);

	if (!extent->size) {
		extent->mapped = leaf->mapped;
		extent->pa = pa;
		extent->attrs = attrs;
		extent->level = leaf->level;
	} else if (!extent_continues(extent, leaf, pa, attrs)) {
		return 1;
	}
	extent->size = end - extent->ipa.v;
	extent->level = MAX(extent->level, leaf->level);
	return 0;
}

/*
 * If one leaf, or one hole, contains all of [ipa, end): the extent, found by one look-up. Otherwise
 * it has at least that leaf, which can be many descriptors with the contiguous bit.
 */
static bool extent_in_one_leaf(struct stage2 *s2, struct extent *extent)
{
	struct stage2_leaf leaf;
	int ret = stage2_lookup(s2, extent->ipa, &leaf);
	u64 size;

	if (ret && ret != -ENOENT)
		return false;
	size = leaf.size - (extent->ipa.v - leaf.ipa.v);
	extent->enough = MAX(extent->enough, size);
	if (size < extent->end - extent->ipa.v)
		return false;
	(void)extent_visit(extent, &leaf);
	return true;
}

/*
 * The extent that starts at @ipa and ends at @end at the latest; a mapped one is at most one leaf
 * longer than @enough. It is cut short, but not before the end of its first leaf, when *@budget is
 * used up.
 */
static void find_extent(struct s2_context *ctx, struct extent *extent, struct ipa ipa, u64 end,
			u64 enough, u64 *budget)
{
	struct stage2_progress progress = { .budget = *budget };
	struct stage2 *s2 = &ctx->stage2;
	int ret = 0;

	extent->ipa = ipa;
	extent->size = 0; /* the walk's first leaf decides what it is */
	extent->end = end;
	extent->enough = enough;
	spin_lock(&s2->lock);
	if (!extent_in_one_leaf(s2, extent))
		ret = stage2_walk_joined(s2, ipa, end - ipa.v, extent->enough, extent_visit, extent,
					 &progress);
	spin_unlock(&s2->lock);
	if (ret != 0 && ret != 1 && ret != -EAGAIN)
		panic("stage 2 cannot be walked at %#lx (error %d)", ipa.v, ret);
	*budget = progress.budget;
}

/* Charge the mapping or unmapping of an extent; find_extent() has charged its walk already. */
static void spend_budget(u64 *budget, u64 size, u64 cost)
{
	*budget -= MIN(*budget, cost + size / SZ_4K);
}

/* What taking an extent from stage 2 costs, besides its size. */
static u64 cost_to_take(const struct extent *extent)
{
	u64 pages = extent->level == PGTABLE_LAST_LEVEL ? extent->size / SZ_4K : 0;

	return UNMAP_COST + pages * UNMAP_PAGE_COST;
}

static bool maps_device(enum stage2_attrs attrs)
{
	return (attrs & STAGE2_MEMTYPE) != STAGE2_NORMAL;
}

/* Registers that are EL2's: vm_map_own_device(). */
#define OWN_DEVICE STAGE2_SW0

#ifdef KEEL_DEBUG
static bool is_own_device(enum stage2_attrs attrs)
{
	return attrs & OWN_DEVICE;
}
#endif

/* ---- caches ---- */

/* At most CLEAN_PART bytes. Return: those before the first page that faults. */
static u64 clean_part(struct pa pa, u64 size)
{
	unsigned int pages = (unsigned int)(size / SZ_4K);
	u64 done = foreign_clean_inval(el2_window_map_pages(pa, pages, EL2_RW), size);

	el2_window_unmap_pages(pages);
	return done;
}

/*
 * Clean and invalidate the data caches for [pa, pa + size). Not called with FEAT_S2FWB. A guest may
 * use its memory with caches off: without this, host and guest could see data that the other one
 * wrote before. Not called when a VM ends: docs/vms.md says why.
 *
 * The call stops after the part in which an interrupt of the host comes, since maintenance of a
 * page can take long; and after a page that faults, since each of its lines may take an exception.
 *
 * @left: bytes that may still be cleaned. Return: bytes that are done; *@faulted: whether a
 * part of them could not be cleaned.
 */
static u64 clean_some(struct pa pa, u64 size, u64 *left, bool *faulted)
{
	u64 at = 0, part, done;

	*faulted = false;
	while (at < size && *left) {
		part = MIN(MIN(size - at, *left), CLEAN_PART);
		done = clean_part(PA(pa.v + at), part);
		*faulted = done < part;
		at += *faulted ? done + SZ_4K : part;
		*left = *faulted || interrupt_waits() ? 0 : *left - part;
	}
	return at;
}

/*
 * Clean the next part of what the last unmap gave back. A fault is ignored: the host has the memory
 * already, and its own accesses will fault likewise. Return: whether all of it is clean.
 */
static bool clean_unmapped(struct vm *vm, u64 *clean_left)
{
	struct vm_unclean *left = &vm->unclean;
	bool faulted;
	u64 done = clean_some(left->pa, left->size, clean_left, &faulted);

	left->pa.v += done;
	left->size -= done;
	return !left->size;
}

/* The progress of cache maintenance in one call that maps. */
struct cleaning {
	u64 left; /* bytes that the call may still clean */
	u64 end;  /* the physical address up to which memory is clean */
};

/*
 * Clean memory that the VM is about to get, from where earlier calls stopped. Return: 0 if all of
 * it is clean; -EAGAIN; -EFAULT if it faults.
 */
static int clean_to_map(struct s2_context *ctx, const struct page_move *move,
			struct cleaning *clean)
{
	u64 end = move->pa.v + move->size, from = MAX(move->pa.v, clean->end), done;
	bool faulted;

	if (ctx->stage2.fwb || from >= end)
		return 0;
	done = clean_some(PA(from), end - from, &clean->left, &faulted);
	if (faulted)
		return -EFAULT;
	clean->end = from + done;
	return clean->end < end ? -EAGAIN : 0;
}

/*
 * Let the guest fetch what the host wrote. Data caches need nothing here: they have been cleaned,
 * or there is FEAT_S2FWB, with which instruction fetches need no data cache cleaned (CLIDR_EL1's
 * LoUU and LoUIS are 0).
 */
static void sync_instruction_caches(const struct vm *vm, enum stage2_attrs attrs)
{
	if ((attrs & STAGE2_X) && !vm->dic)
		icache_inval_all();
}

static bool needs_sync(const struct s2_context *ctx)
{
	return !ctx->stage2.fwb || !ctx->vm->dic;
}

/* ---- memory that has failed ---- */

static bool memory_at(struct stage2 *s2, struct ipa ipa, struct pa *pa)
{
	struct stage2_leaf leaf;
	int ret;

	spin_lock(&s2->lock);
	ret = stage2_lookup(s2, ipa, &leaf);
	spin_unlock(&s2->lock);
	if (ret || maps_device(leaf.attrs))
		return false;
	*pa = PA(leaf.pa.v + (ipa.v - leaf.ipa.v));
	return true;
}

/*
 * The page may have another owner by the time that it is read. That is harmless: it is RAM, and the
 * data read is discarded.
 */
bool vm_memory_answers(struct vcpu *vcpu, struct ipa ipa, struct pa *pa)
{
	const char *page;
	bool answers;

	if (!memory_at(&vcpu->s2->stage2, ipa, pa))
		return true;
	page = el2_window_map(PA(ALIGN_DOWN(pa->v, SZ_4K)), EL2_R);
	answers = foreign_answers(page + ALIGN_DOWN(pa->v, FOREIGN_LINE) % SZ_4K, FOREIGN_LINE,
				  FOREIGN_TRIED);
	el2_window_unmap();
	return answers;
}

/* ---- the VM as a party of transitions ---- */

/*
 * An upper bound of the tables for a transition within one VM_MAP_STEP: one of each level below the
 * root to fill a hole; as many for a cut at each end to unmap. If the pool has that many, the exact
 * number need not be counted.
 */
static u64 step_tables(const struct s2_context *ctx, bool map)
{
	u64 levels = (u64)(PGTABLE_LAST_LEVEL - ctx->stage2.geometry.start_level);

	return map ? levels : 2 * levels;
}

static bool within_step(const struct page_move *move)
{
	u64 ipa = move->ipa.v, size = move->size;

	return size <= VM_MAP_STEP &&
	       ALIGN_DOWN(ipa, VM_MAP_STEP) == ALIGN_DOWN(ipa + size - 1, VM_MAP_STEP);
}

static bool has_tables(struct s2_context *ctx, u64 count)
{
	return page_pool_has_runs(ctx->pool, s2_context_table_order(ctx), count);
}

static int vm_party_prepare(void *arg, const struct page_move *move)
{
	struct s2_context *ctx = arg;
	u64 needed;

	if (within_step(move) && has_tables(ctx, step_tables(ctx, move->map)))
		return 0;
	if (move->whole)
		return 0;
	spin_lock(&ctx->stage2.lock);
	needed = stage2_tables_needed(&ctx->stage2, move->ipa, move->pa, move->size);
	spin_unlock(&ctx->stage2.lock);
	return has_tables(ctx, needed) ? 0 : -ENOMEM;
}

static int walk_context(struct s2_context *ctx, struct ipa ipa, u64 size,
			int (*visit)(void *arg, const struct stage2_leaf *leaf), void *arg)
{
	int ret;

	spin_lock(&ctx->stage2.lock);
	ret = stage2_walk(&ctx->stage2, ipa, size, visit, arg, NULL);
	spin_unlock(&ctx->stage2.lock);
	return ret;
}

static int map_stage2(struct stage2 *s2, const struct page_move *move)
{
	int ret;

	spin_lock(&s2->lock);
	ret = stage2_map(s2, move->ipa, move->pa, move->size, move->attrs);
	spin_unlock(&s2->lock);
	return ret;
}

static int unmap_stage2(struct stage2 *s2, const struct page_move *move)
{
	int ret;

	spin_lock(&s2->lock);
	ret = stage2_unmap(s2, move->ipa, move->size, NULL);
	spin_unlock(&s2->lock);
	return ret;
}

static void vm_party_map(void *arg, const struct page_move *move)
{
	struct s2_context *ctx = arg;
	int ret = map_stage2(&ctx->stage2, move);

	if (ret)
		panic("a VM's stage 2 cannot map %#lx (error %d)", move->ipa.v, ret);
}

static void vm_party_unmap(void *arg, const struct page_move *move)
{
	struct s2_context *ctx = arg;
	int ret = unmap_stage2(&ctx->stage2, move);

	if (ret)
		panic("a VM's stage 2 cannot unmap %#lx (error %d)", move->ipa.v, ret);
}

/*
 * Without check_mapped and check_unmapped: under the same vm->lock, find_extent() has just found
 * that the range is a hole, or that it is mapped to exactly these pages.
 */
const struct ownership_party_ops vm_party_ops = {
	.prepare = vm_party_prepare,
	.map = vm_party_map,
	.unmap = vm_party_unmap,
};

/* ---- consistency ---- */

#ifdef KEEL_DEBUG
/* Descriptors that one call of vm_mem_check() looks at. */
#define CHECK_BUDGET 128

static int visit_check(void *arg, const struct stage2_leaf *leaf)
{
	struct ownership_mismatch bad;

	(void)arg;
	if (leaf->mapped && !is_own_device(leaf->attrs) &&
	    ownership_check_vm(leaf->pa, leaf->size, &bad))
		panic("page %#lx is %s, but a VM's stage 2 maps it at %#lx", bad.pa.v,
		      ownership_state_name(bad.state), leaf->ipa.v);
	return 0;
}

/* With s2->lock held. */
static void check_tables(struct stage2 *s2, struct ipa ipa, u64 size, u64 budget)
{
	struct stage2_progress progress = { .budget = budget };
	const char *why = stage2_sane(s2, &ipa, size, &progress);

	if (why)
		panic("a VM's stage 2 is not sane at %#lx: %s", ipa.v, why);
}

/* With vm->lock held. Return: the bytes that were checked. */
static u64 check_some(struct stage2 *s2, struct ipa ipa, u64 size, u64 budget)
{
	struct stage2_progress progress = { .budget = budget };
	int ret;

	spin_lock(&s2->lock);
	check_tables(s2, ipa, size, budget);
	ret = stage2_walk(s2, ipa, size, visit_check, NULL, &progress);
	spin_unlock(&s2->lock);
	return ret ? progress.done : size;
}

static void check_range_states(struct s2_context *ctx, struct ipa ipa, u64 size)
{
	if (size)
		check_some(&ctx->stage2, ipa, size, ~0ULL);
}

void vm_mem_check(struct vm *vm)
{
	struct stage2 *s2 = &vm->s2.stage2;
	u64 end = stage2_size(s2);

	spin_lock(&vm->lock);
	ASSERT(s2_context_sane(&vm->s2));
	vm->check_ipa += check_some(s2, IPA(vm->check_ipa), end - vm->check_ipa, CHECK_BUDGET);
	if (vm->check_ipa == end)
		vm->check_ipa = 0;
	spin_unlock(&vm->lock);
}
#else
static void check_range_states(struct s2_context *ctx, struct ipa ipa, u64 size)
{
	(void)ctx;
	(void)ipa;
	(void)size;
}

void vm_mem_check(struct vm *vm)
{
	(void)vm;
}
#endif

/* ---- mapping ---- */

static int check_ipa_range(const struct stage2 *s2, u64 ipa, u64 size)
{
	if (!size || !IS_ALIGNED(ipa | size, stage2_granule(s2)) || ipa + size < ipa)
		return -EINVAL;
	return ipa + size > stage2_size(s2) ? -E2BIG : 0;
}

static int attrs_of(u64 flags, enum stage2_attrs *attrs)
{
	unsigned int a = STAGE2_R;

	a |= flags & KEEL_MAP_WRITE ? STAGE2_W : 0;
	switch (flags & ~(u64)KEEL_MAP_WRITE) {
	case 0:
	case KEEL_MAP_EXEC:
		a |= flags & KEEL_MAP_EXEC ? STAGE2_X : 0;
		break;
	case KEEL_MAP_DEVICE:
		a |= STAGE2_DEVICE;
		break;
	case KEEL_MAP_DEVICE | KEEL_MAP_NC:
		a |= STAGE2_NORMAL_NC;
		break;
	default:
		return -EINVAL;
	}
	*attrs = (enum stage2_attrs)a;
	return 0;
}

/*
 * How much of the range one call maps: 1 GiB if alignment allows and no cache has to be cleaned
 * line by line, or VM_MAP_STEP if alignment allows; otherwise up to the next boundary of PAGES_STEP.
 */
static u64 map_step(const struct s2_context *ctx, const struct page_move *move)
{
	u64 ipa = move->ipa.v, all = ipa | move->pa.v;

	if (ctx->stage2.fwb && IS_ALIGNED(all, SZ_1G) && move->size >= SZ_1G)
		return SZ_1G;
	if (IS_ALIGNED(all, VM_MAP_STEP) && move->size >= VM_MAP_STEP)
		return VM_MAP_STEP;
	return MIN(move->size, ALIGN_DOWN(ipa, PAGES_STEP) + PAGES_STEP - ipa);
}

/* Whether [pa, pa + size) has no RAM, and the host may access all of it. */
static bool host_has_devices(struct pa pa, u64 size)
{
	struct ownership_run run;

	if (pa.v + size < pa.v)
		return false;
	spin_lock(&ownership_lock);
	run = ownership_run_at(pa, pa.v + size);
	spin_unlock(&ownership_lock);
	return run.host && !run.ram && run.size == size;
}

/*
 * Maintain caches only for memory that can be shared: EL2 must not access any other. The states may
 * change before ownership_share(), which checks them again.
 */
static int sync_caches(struct s2_context *ctx, const struct page_move *move, struct cleaning *clean)
{
	int ret = ownership_may_share(move->pa, move->size);

	if (!ret)
		ret = clean_to_map(ctx, move, clean);
	if (!ret)
		sync_instruction_caches(ctx->vm, move->attrs);
	return ret;
}

static int map_ram_hole(struct s2_context *ctx, struct page_move *move, struct cleaning *clean)
{
	int ret = needs_sync(ctx) ? sync_caches(ctx, move, clean) : 0;

	if (!ret)
		ret = ownership_share(move, &ctx->vm->party);
	return ret == -ERANGE ? -EPERM : ret;
}

static int map_device_hole(struct s2_context *ctx, struct page_move *move)
{
	int ret;

	if (!host_has_devices(move->pa, move->size))
		return -EPERM;
	ret = vm_party_prepare(ctx, move);
	return ret ? ret : map_stage2(&ctx->stage2, move);
}

static int map_hole(struct s2_context *ctx, struct page_move *move, struct cleaning *clean)
{
	if (move->pa.v + move->size > BIT(ctx->stage2.geometry.oa_bits))
		return -EPERM;
	return maps_device(move->attrs) ? map_device_hole(ctx, move)
					: map_ram_hole(ctx, move, clean);
}

/* A leaf that is mapped in the range of @arg must translate as @arg asks for. */
static int visit_same(void *arg, const struct stage2_leaf *leaf)
{
	const struct page_move *move = arg;

	if (!leaf->mapped)
		return 0;
	return leaf->pa.v - leaf->ipa.v == move->pa.v - move->ipa.v &&
			       ((unsigned int)leaf->attrs & ~STATE_ATTRS) == move->attrs
		       ? 0
		       : -EEXIST;
}

/*
 * The size of this step, given its first extent: what map_step() says only if all of it is one
 * extent, otherwise that extent, or FRAGMENT_STEP. The extent is cut to the step.
 */
static u64 limit_step(struct extent *extent, u64 size)
{
	if (extent->size < size)
		size = MIN(size, MAX(extent->size, FRAGMENT_STEP));
	extent->size = MIN(extent->size, size);
	return size;
}

/*
 * What is mapped there already is young again: who asked for it has met the access flag, where the
 * hardware does not set it.
 */
static void make_young_again(struct stage2 *s2, struct ipa ipa)
{
	spin_lock(&s2->lock);
	if (stage2_set_young(s2, ipa))
		panic("memory of a VM at %#lx cannot be made young", ipa.v);
	spin_unlock(&s2->lock);
}

/*
 * Map one step, hole by hole; usually all of it is one hole. @move is overwritten with each hole in
 * turn. Return: 0 or an error; *done bytes are mapped in either case. *done can be less than the
 * size without an error if the step was cut short or the budget is used up.
 */
static int map_extents(struct s2_context *ctx, struct page_move *move, struct cleaning *clean,
		       u64 *done)
{
	const struct ipa ipa = move->ipa;
	const u64 offset = move->pa.v - ipa.v;
	u64 end = ipa.v + move->size, budget = CALL_BUDGET, size;
	struct extent extent;
	int ret;

	find_extent(ctx, &extent, ipa, end, FRAGMENT_STEP, &budget);
	size = limit_step(&extent, move->size);
	end = ipa.v + size;
	ret = extent.mapped || extent.size < size ? walk_context(ctx, ipa, size, visit_same, move)
						  : 0;
	if (extent.mapped && !ret)
		make_young_again(&ctx->stage2, ipa);
	for (*done = 0; !ret;
	     find_extent(ctx, &extent, IPA(ipa.v + *done), end, FRAGMENT_STEP, &budget)) {
		move->ipa = extent.ipa;
		move->pa = PA(extent.ipa.v + offset);
		move->size = extent.size;
		if (!extent.mapped)
			ret = map_hole(ctx, move, clean);
		if (!ret)
			*done += extent.size;
		if (*done == size)
			break;
		if (!extent.mapped)
			spend_budget(&budget, extent.size, MAP_COST);
		if (!budget)
			break;
	}
	return ret;
}

static int map_locked(struct s2_context *ctx, struct page_move *move, struct vm_mapped *so_far)
{
	const u64 pa = move->pa.v, size = move->size;
	struct cleaning clean = { .left = CLEAN_STEP, .end = pa + so_far->clean };
	u64 *done = &so_far->done;
	int ret;

	move->size = map_step(ctx, move);
	ret = map_extents(ctx, move, &clean, done);
	so_far->clean = clean.end - MIN(clean.end, pa + *done);
	if (!*done)
		return ret;
	return *done == size ? 0 : -EAGAIN;
}

int vm_map(struct vm *vm, struct ipa ipa, struct pa pa, u64 size, u64 flags,
	   struct vm_mapped *so_far)
{
	struct s2_context *ctx = &vm->s2;
	struct page_move move = { .ipa = ipa, .pa = pa, .size = size, .map = true };
	int ret = attrs_of(flags, &move.attrs);

	so_far->done = 0;
	if (!ret && (!IS_ALIGNED(pa.v, stage2_granule(&ctx->stage2)) || pa.v + size < pa.v))
		ret = -EINVAL;
	if (!ret && (!IS_ALIGNED(so_far->clean, SZ_4K) || so_far->clean > size))
		ret = -EINVAL;
	if (!ret)
		ret = check_ipa_range(&ctx->stage2, ipa.v, size);
	if (ret)
		return ret;
	spin_lock(&vm->lock);
	ret = map_locked(ctx, &move, so_far);
	check_range_states(ctx, ipa, so_far->done);
	spin_unlock(&vm->lock);
	return ret;
}

int vm_map_own_device(struct vm *vm, struct ipa ipa, struct pa pa, u64 size)
{
	const unsigned int attrs = (unsigned int)STAGE2_RW | STAGE2_DEVICE | OWN_DEVICE;
	struct page_move move = {
		.ipa = ipa, .pa = pa, .size = size, .attrs = (enum stage2_attrs)attrs, .map = true
	};
	int ret = check_ipa_range(&vm->s2.stage2, ipa.v, size);

	spin_assert_held(&vm->lock);
	if (!ret && !IS_ALIGNED(pa.v, stage2_granule(&vm->s2.stage2)))
		ret = -EINVAL;
	if (!ret)
		ret = vm_party_prepare(&vm->s2, &move);
	return ret ? ret : map_stage2(&vm->s2.stage2, &move);
}

/* ---- unmapping ---- */

static int unshare(struct vm *vm, struct page_move *move, const struct ownership_party *party)
{
	int ret = ownership_unshare(move, party);

	if (!ret && vm->state != VM_DYING && !vm->s2.stage2.fwb)
		vm->unclean = (struct vm_unclean){ move->pa, move->size };
	return ret;
}

static int left_prepare(void *arg, const struct page_move *move)
{
	(void)arg;
	(void)move;
	return 0;
}

static void left_unmap(void *arg, const struct page_move *move)
{
	(void)arg;
	(void)move;
}

/* The VM as a party that has been left by the memory in a transition. */
static const struct ownership_party_ops left_ops = {
	.prepare = left_prepare,
	.unmap = left_unmap,
};

/*
 * A VM with shadows loses memory in three steps: its own stage 2 first, so that no shadow gets more
 * of it; then the shadows, in as many calls as that takes; at last the page states. Until then the
 * pages are shared with it.
 */
static int start_leaving(struct s2_context *ctx, const struct extent *extent, bool whole)
{
	struct page_move move = {
		.ipa = extent->ipa, .pa = extent->pa, .size = extent->size, .whole = whole
	};
	int ret = vm_party_prepare(ctx, &move);

	if (!ret)
		ret = unmap_stage2(&ctx->stage2, &move);
	if (!ret)
		ctx->vm->leaving = (struct vm_leaving){
			.pa = extent->pa,
			.size = extent->size,
			.why = maps_device(extent->attrs) ? VM_LEAVES_DEVICE : VM_LEAVES_HOST,
		};
	return ret;
}

/* At a VM's end no vCPU runs in a shadow again, and what TLBs have under its VMID is not used. */
static bool has_left(struct vm *vm, u64 *budget)
{
	const struct ownership_party party = { .ops = &left_ops, .apart = true };
	struct vm_leaving *leaving = &vm->leaving;
	struct page_move move = { .pa = leaving->pa, .size = leaving->size };
	int ret;

	if (likely(!leaving->size))
		return true;
	if (vm->state != VM_DYING && !vm_forget(vm, leaving->pa, leaving->size, budget))
		return false;
	ret = leaving->why == VM_LEAVES_HOST ? unshare(vm, &move, &party) : 0;
	if (ret)
		panic("memory of a VM at %#lx cannot be unshared (error %d)", move.pa.v, ret);
	leaving->size = 0;
	return true;
}

/* @whole: as in struct page_move. */
static int unmap_extent(struct s2_context *ctx, const struct extent *extent, bool whole)
{
	struct page_move move = {
		.ipa = extent->ipa, .pa = extent->pa, .size = extent->size, .whole = whole
	};

	if (!extent->mapped)
		return 0;
	if (ctx->vm->shadows && ctx->vm->state != VM_DYING)
		return start_leaving(ctx, extent, whole);
	return maps_device(extent->attrs) ? unmap_stage2(&ctx->stage2, &move)
					  : unshare(ctx->vm, &move, &ctx->vm->party);
}

/* Whether nothing is left to do for what was unmapped before. */
static bool is_over(struct vm *vm, u64 *clean_left, u64 *budget)
{
	return has_left(vm, budget) && clean_unmapped(vm, clean_left);
}

/* At the end of a VM its steps are long, but no interrupt waits for one. */
static bool ends_early(const struct vm *vm, u64 done)
{
	return vm->state == VM_DYING && done && interrupt_waits();
}

/*
 * What is unmapped at once: no more pages than the budget is for. Each is looked at, unmapped, and
 * given back.
 */
static u64 unmap_step(const struct vm *vm, u64 budget)
{
	u64 most = vm->state == VM_DYING ? END_STEP : UNMAP_STEP;
	u64 pages = (budget - MIN(budget, UNMAP_COST)) / (UNMAP_PAGE_COST + 2);

	return MIN(most, MAX(ALIGN_DOWN(pages * SZ_4K, FRAGMENT_STEP), FRAGMENT_STEP));
}

/*
 * Unmap [ipa, end) as far as the budget goes. Return: 0 or an error; *done bytes are finished in
 * either case, and without an error fewer than all if the budget is used up. An extent that is
 * unmapped, but not yet out of all shadows, or not yet clean, is not finished: the next unmap of
 * this VM first does the rest (vm->leaving, vm->unclean), then finds a hole there. @whole: no block
 * extends over an end of the range, as none does between two extents.
 */
static int unmap_some(struct s2_context *ctx, struct ipa ipa, u64 end, bool whole, u64 budget,
		      u64 *done)
{
	u64 clean_left = CLEAN_STEP;
	int ret = 0;

	*done = 0;
	while (is_over(ctx->vm, &clean_left, &budget) && ipa.v + *done < end &&
	       (budget >= UNMAP_COST || !*done) && !ends_early(ctx->vm, *done)) {
		struct extent extent;

		find_extent(ctx, &extent, IPA(ipa.v + *done), end, unmap_step(ctx->vm, budget),
			    &budget);
		ret = unmap_extent(ctx, &extent, whole);
		if (!ret && extent.mapped)
			spend_budget(&budget, extent.size, cost_to_take(&extent));
		if (ret || !is_over(ctx->vm, &clean_left, &budget))
			break;
		*done += extent.size;
	}
	return ret;
}

/*
 * Extend the range to whole blocks: no table is needed. A contiguous group that extends over an end
 * becomes single leaves, which needs none, either.
 */
static void widen_to_blocks(struct stage2 *s2, u64 *ipa, u64 *end)
{
	struct stage2_leaf leaf;
	u64 start;
	int ret;

	spin_lock(&s2->lock);
	ret = stage2_lookup(s2, IPA(*end - 1), &leaf);
	if (!ret)
		*end = ALIGN_UP(*end, stage2_level_size(s2, leaf.level));
	start = ALIGN_DOWN(*end - 1, stage2_level_size(s2, leaf.level));
	if (*ipa < start)
		ret = stage2_lookup(s2, IPA(*ipa), &leaf);
	if (!ret)
		*ipa = ALIGN_DOWN(*ipa, stage2_level_size(s2, leaf.level));
	spin_unlock(&s2->lock);
}

static int unmap_locked(struct s2_context *ctx, u64 ipa, u64 end, u64 flags, u64 *done)
{
	u64 first = ipa, last = end, size = end - ipa;
	int ret;

	if (flags & KEEL_UNMAP_WHOLE)
		widen_to_blocks(&ctx->stage2, &first, &last);
	ret = unmap_some(ctx, IPA(first), last, flags & KEEL_UNMAP_WHOLE, CALL_BUDGET, done);
	/* Count from ipa on: the first leaf may begin before ipa, but it ends behind it. */
	*done = *done ? MIN(first + *done - ipa, size) : 0;
	return ret;
}

int vm_unmap(struct vm *vm, struct ipa ipa, u64 size, u64 flags, u64 *done)
{
	int ret = flags & ~(u64)KEEL_UNMAP_WHOLE ? -EINVAL
						 : check_ipa_range(&vm->s2.stage2, ipa.v, size);

	*done = 0;
	if (ret)
		return ret;
	spin_lock(&vm->lock);
	ret = unmap_locked(&vm->s2, ipa.v, ipa.v + size, flags, done);
	spin_unlock(&vm->lock);
	if (ret && !*done)
		return ret;
	return *done == size ? 0 : -EAGAIN;
}

bool vm_has_memory(const struct vm *vm)
{
	return vm->destroy_ipa != stage2_size(&vm->s2.stage2);
}

/* The range is the whole IPA space, so no leaf is split and no table is needed. */
bool vm_unmap_all(struct vm *vm)
{
	u64 end = stage2_size(&vm->s2.stage2), done;
	int ret;

	if (vm->destroy_ipa == end)
		return false;
	ret = unmap_some(&vm->s2, IPA(vm->destroy_ipa), end, true, END_BUDGET, &done);
	if (ret)
		panic("memory of a VM cannot be unmapped at %#lx (error %d)",
		      vm->destroy_ipa + done, ret);
	vm->destroy_ipa += done;
	return vm->destroy_ipa != end || interrupt_waits();
}

/* ---- write permission ---- */

/*
 * Change write permission in [ipa, end), as far as the budget goes. *@done: bytes, with an error 0.
 * Where it stops there is no block or group to be split.
 */
static int protect_some(struct stage2 *s2, u64 ipa, u64 end, bool give, u64 *done)
{
	struct stage2_progress progress = { .budget = PROTECT_DESCRIPTORS };
	int ret;

	spin_lock(&s2->lock);
	ret = stage2_protect(s2, IPA(ipa), end - ipa, give ? STAGE2_W : STAGE2_NONE,
			     give ? STAGE2_NONE : STAGE2_W, &progress);
	spin_unlock(&s2->lock);
	*done = ret == -EAGAIN ? progress.done : end - ipa;
	if (ret == -EAGAIN)
		return 0;
	if (ret)
		*done = 0;
	return ret;
}

/* Take it from one extent, and have the shadows forget that. */
static void protect_extent(struct s2_context *ctx, const struct extent *extent)
{
	u64 end = extent->ipa.v + extent->size, done;

	for (u64 at = extent->ipa.v; at < end; at += done)
		if (protect_some(&ctx->stage2, at, end, false, &done))
			panic("memory of a VM at %#lx cannot be protected", at);
	ctx->vm->leaving = (struct vm_leaving){
		.pa = extent->pa,
		.size = extent->size,
		.why = VM_LEAVES_READABLE,
	};
}

/*
 * As unmap_some(), of a VM with shadows: what its own stage 2 may not write any more leaves them. An
 * extent is done when it has; until then, the next call finds it in vm->leaving.
 */
static void protect_shadowed(struct s2_context *ctx, u64 ipa, u64 end, u64 *done)
{
	u64 budget = CALL_BUDGET;

	*done = 0;
	while (has_left(ctx->vm, &budget) && ipa + *done < end && budget) {
		struct extent extent;

		find_extent(ctx, &extent, IPA(ipa + *done), end, UNMAP_STEP, &budget);
		if (extent.mapped && (extent.attrs & STAGE2_W)) {
			protect_extent(ctx, &extent);
			spend_budget(&budget, 0, cost_to_take(&extent));
			if (!has_left(ctx->vm, &budget))
				break;
		}
		*done += extent.size;
	}
}

/* Extend the range to whole leaves at both ends: then nothing is split and no table is needed. */
static void widen_to_leaves(struct stage2 *s2, u64 *ipa, u64 *end)
{
	struct stage2_leaf leaf;

	spin_lock(&s2->lock);
	if (!stage2_lookup(s2, IPA(*end - 1), &leaf))
		*end = leaf.ipa.v + leaf.size;
	if (!stage2_lookup(s2, IPA(*ipa), &leaf))
		*ipa = leaf.ipa.v;
	spin_unlock(&s2->lock);
}

/* Whole leaves at both ends, so that nothing is split, and no table needed. */
static int take_write(struct s2_context *ctx, u64 ipa, u64 end, u64 *done)
{
	u64 first = ipa, last = end;
	int ret = 0;

	widen_to_leaves(&ctx->stage2, &first, &last);
	if (ctx->vm->shadows)
		protect_shadowed(ctx, first, last, done);
	else
		ret = protect_some(&ctx->stage2, first, last, false, done);
	*done = *done ? MIN(first + *done - ipa, end - ipa) : 0;
	return ret;
}

/* The usual case: -EAGAIN for others. */
static int give_page(struct stage2 *s2, u64 ipa)
{
	int ret;

	spin_lock(&s2->lock);
	ret = stage2_let_write(s2, IPA(ipa));
	spin_unlock(&s2->lock);
	return ret == -ENOENT ? -ENXIO : ret;
}

static int give_write(struct s2_context *ctx, u64 ipa, u64 end, u64 *done)
{
	u64 budget = PROTECT_DESCRIPTORS;
	struct extent extent;
	int ret = -EAGAIN;

	*done = end - ipa;
	if (*done == stage2_granule(&ctx->stage2))
		ret = give_page(&ctx->stage2, ipa);
	if (ret != -EAGAIN)
		return ret;
	find_extent(ctx, &extent, IPA(ipa), end, 1, &budget);
	if (extent.mapped)
		return protect_some(&ctx->stage2, ipa, end, true, done);
	*done = extent.size;
	return extent.size == end - ipa ? -ENXIO : 0;
}

/* The end of the VM_MAP_STEP that @ipa is in, or of the range. */
static u64 step_end(u64 ipa, u64 end)
{
	return MIN(end, ALIGN_DOWN(ipa, VM_MAP_STEP) + VM_MAP_STEP);
}

/* Within one VM_MAP_STEP; a leaf or a hole that is as large is passed over. */
static int join_leaves(struct s2_context *ctx, u64 ipa, u64 end, u64 *done)
{
	u64 budget = PROTECT_DESCRIPTORS;
	struct extent extent;
	int ret;

	find_extent(ctx, &extent, IPA(ipa), end, 1, &budget);
	*done = extent.size;
	if (extent.size >= VM_MAP_STEP || !extent.mapped)
		return 0;
	*done = step_end(ipa, end) - ipa;
	spin_lock(&ctx->stage2.lock);
	ret = stage2_merge(&ctx->stage2, IPA(ipa), *done, NULL);
	spin_unlock(&ctx->stage2.lock);
	return ret;
}

/*
 * Within one VM_MAP_STEP, which has a table already if it begins with a page. To split a page off splits its
 * block, and no more is looked at.
 */
static int split_leaves(struct s2_context *ctx, u64 ipa, u64 end, u64 *done)
{
	u64 budget = PROTECT_DESCRIPTORS;
	struct extent extent;
	int ret;

	find_extent(ctx, &extent, IPA(ipa), end, 1, &budget);
	*done = extent.size;
	if (!extent.mapped)
		return 0;
	*done = step_end(ipa, end) - ipa;
	if (extent.level == PGTABLE_LAST_LEVEL)
		return 0;
	spin_lock(&ctx->stage2.lock);
	ret = stage2_split(&ctx->stage2, IPA(ipa), stage2_granule(&ctx->stage2), NULL);
	spin_unlock(&ctx->stage2.lock);
	if (ret)
		*done = 0;
	return ret;
}

static int protect_locked(struct s2_context *ctx, u64 ipa, u64 end, u64 how, u64 *done)
{
	switch (how) {
	case KEEL_PROTECT_TAKE:
		return take_write(ctx, ipa, end, done);
	case KEEL_PROTECT_GIVE:
		return give_write(ctx, ipa, end, done);
	case KEEL_PROTECT_JOIN:
		return join_leaves(ctx, ipa, end, done);
	default:
		return split_leaves(ctx, ipa, end, done);
	}
}

int vm_protect(struct vm *vm, struct ipa ipa, u64 size, u64 how, u64 *done)
{
	int ret = how > KEEL_PROTECT_SPLIT ? -EINVAL : check_ipa_range(&vm->s2.stage2, ipa.v, size);

	*done = 0;
	if (ret)
		return ret;
	spin_lock(&vm->lock);
	ret = protect_locked(&vm->s2, ipa.v, ipa.v + size, how, done);
	spin_unlock(&vm->lock);
	if (ret)
		return ret;
	return *done == size ? 0 : -EAGAIN;
}

/* ---- access flags ---- */

/* Ends the walk at the first leaf that is young. */
static int visit_young(void *arg, const struct stage2_leaf *leaf)
{
	(void)arg;
	return leaf->mapped && !(leaf->attrs & STAGE2_OLD);
}

static int young_in_range(struct stage2 *s2, struct ipa ipa, u64 size, bool clear, u64 *done,
			  bool *young)
{
	struct stage2_progress progress = { .budget = YOUNG_DESCRIPTORS };
	int ret;

	if (clear) {
		ret = stage2_test_clear_young(s2, ipa, size, young, &progress);
	} else {
		ret = stage2_walk(s2, ipa, size, visit_young, NULL, &progress);
		*young = ret == 1;
	}
	*done = progress.done;
	return ret == 1 ? 0 : ret;
}

int vm_young(struct vm *vm, struct ipa ipa, u64 size, u64 how, u64 *done, bool *young)
{
	struct stage2 *s2 = &vm->s2.stage2;
	int ret = how > KEEL_YOUNG_CLEAR ? -EINVAL : check_ipa_range(s2, ipa.v, size);

	*done = 0;
	if (ret)
		return ret;
	spin_lock(&s2->lock);
	if (size == stage2_granule(s2))
		*young = stage2_is_young(s2, ipa, how == KEEL_YOUNG_CLEAR);
	else
		ret = young_in_range(s2, ipa, size, how == KEEL_YOUNG_CLEAR, done, young);
	spin_unlock(&s2->lock);
	return ret;
}

/* ---- caches of all memory ---- */

/* Clean the next extent, or as much of it as this call may still clean. */
static void flush_extent(struct s2_context *ctx, u64 *at, u64 end, u64 *budget, u64 *clean_left)
{
	struct extent extent;
	bool faulted; /* ignored: the guest's own accesses there fault, too */

	find_extent(ctx, &extent, IPA(*at), end, *clean_left, budget);
	if (extent.mapped && !maps_device(extent.attrs))
		extent.size = clean_some(extent.pa, extent.size, clean_left, &faulted);
	*at += extent.size;
}

int vm_flush_caches(struct vm *vm, u64 *at)
{
	u64 end = stage2_size(&vm->s2.stage2), budget = CALL_BUDGET, clean_left = CLEAN_STEP;

	spin_lock(&vm->lock);
	while (*at < end && budget && clean_left)
		flush_extent(&vm->s2, at, end, &budget, &clean_left);
	spin_unlock(&vm->lock);
	return *at < end ? -EAGAIN : 0;
}

int vm_sync(struct vm *vm, u64 *at)
{
	int ret = 0;

	if (!IS_ALIGNED(*at, stage2_granule(&vm->s2.stage2)))
		return -EINVAL;
	if (*at > stage2_size(&vm->s2.stage2))
		return -E2BIG;
	if (!vm->s2.stage2.fwb)
		ret = vm_flush_caches(vm, at);
	if (!ret && !vm->dic)
		icache_inval_all();
	return ret;
}

/* ---- top-up ---- */

int vm_topup(struct vm *vm, struct pa pa, u64 pages)
{
	int ret;

	spin_lock(&vm->lock);
	ret = donation_add(vm, pa, pages, 0);
	spin_unlock(&vm->lock);
	return ret;
}
