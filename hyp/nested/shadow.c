// SPDX-License-Identifier: BSD-2-Clause
/*
 * The set of a VM's shadows: see shadow.h.
 *
 *      shadow_prepare()   at KEEL_HC_VCPU_INIT: pages of vm->pool become shadows and chunks
 *      shadow_of()        at an entry: find_shadow(), or an idle one and give_key()
 *      shadow_map()       at a fault; takes chunks when its pool has few pages
 *      shadow_clear()     gives chunks back
 *      forget_memory()    the VM's own stage 2 has lost memory: what shadows have of it is removed,
 *                         by their reverse maps
 */
#include <arch/barrier.h>
#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <cpu/assert.h>
#include <cpu/panic.h>
#include <cpu/percpu.h>
#include <lib/bitmap.h>
#include <lib/errno.h>
#include <lib/string.h>
#include <mm/page_pool.h>
#include <nested/nested_regs.h>
#include <nested/nested_stats.h>
#include <nested/shadow.h>
#include <trap/id_regs.h>
#include <vm/run.h>
#include <vm/vm_ops.h>

STATIC_ASSERT(sizeof(struct shadow) <= SZ_4K, "a page for each");
STATIC_ASSERT(sizeof(struct shadow_set) <= SZ_4K, "a page for the set");

/* A chunk is at least so many pages: what keel.ko gives to vm->pool in one piece. */
#define CHUNK_ORDER 3

/* Pages that are taken, and cleared, in one call of shadow_prepare(), at least. */
#define PREPARE_PAGES 24

/* Tables that the largest change of a shadow takes: one of each level below the root. */
#define TABLES_NEEDED 4

/* Descriptors that are looked at to remove a range, before all is removed instead. */
#define UNMAP_BUDGET 1024

/* Entries of the root that a shadow may use, but for those of one leaf: they are what clearing takes. */
#define ROOT_ENTRIES_MAX 2048

/* The same for the reverse map, in its steps. */
#define RMAP_STEPS 1024

#define HCR_KEY (HCR_FWB | HCR_PTW)

/* ---- memory ---- */

static unsigned int table_order(const struct shadow_set *set)
{
	return granule_shift(set->format.granule) - granule_shift(GRANULE_4K);
}

static void push_chunks(struct shadow_set *set, void *const *chunks, unsigned int count)
{
	spin_lock(&set->chunk_lock);
	for (unsigned int i = 0; i < count; i++) {
		struct shadow_chunk *node = chunks[i];

		node->next = set->chunks;
		set->chunks = node;
	}
	spin_unlock(&set->chunk_lock);
}

static void *pop_chunk(struct shadow_set *set)
{
	struct shadow_chunk *node;

	spin_lock(&set->chunk_lock);
	node = set->chunks;
	if (node)
		set->chunks = node->next;
	spin_unlock(&set->chunk_lock);
	return node;
}

static bool add_to_pool(const struct shadow_set *set, struct page_pool *pool, void *chunk)
{
	return !page_pool_add(pool, chunk, BIT(set->chunk_order));
}

/* With the shadow's stage2.lock held, but for a new one. */
static bool take_chunk(struct shadow_set *set, struct shadow *shadow)
{
	void *chunk = shadow->nr_chunks < SHADOW_CHUNKS_MAX ? pop_chunk(set) : NULL;

	if (!chunk || !add_to_pool(set, &shadow->pool, chunk))
		return false;
	shadow->chunks[shadow->nr_chunks++] = chunk;
	return true;
}

/* The reverse map's chunks. */
static void return_rmap(struct shadow_set *set, struct shadow *shadow)
{
	push_chunks(set, shadow->rmap.chunks, shadow->rmap.nr_chunks);
}

/* All pages are free again, whatever they were used for. */
static void return_chunks(struct shadow_set *set, struct shadow *shadow)
{
	return_rmap(set, shadow);
	rmap_reset(&shadow->rmap);
	if (page_pool_init(&shadow->pool, NULL, 0))
		return;
	if (shadow->nr_chunks > set->kept) {
		push_chunks(set, shadow->chunks + set->kept, shadow->nr_chunks - set->kept);
		shadow->nr_chunks = set->kept;
	}
	for (unsigned int i = 0; i < shadow->nr_chunks; i++)
		(void)add_to_pool(set, &shadow->pool, shadow->chunks[i]);
}

static void refill(struct shadow_set *set, struct shadow *shadow)
{
	u64 pages = (u64)TABLES_NEEDED << table_order(set);

	while (page_pool_available(&shadow->pool) < pages && take_chunk(set, shadow))
		;
}

/* ---- lists; set->lock held ---- */

static void link_vmid(struct shadow_set *set, struct shadow *shadow)
{
	struct shadow **head = &set->by_vmid[shadow_vmid(shadow->key.vttbr)];

	shadow->vmid_next = *head;
	shadow->vmid_link = head;
	if (*head)
		(*head)->vmid_link = &shadow->vmid_next;
	*head = shadow;
}

static void unlink_vmid(struct shadow *shadow)
{
	*shadow->vmid_link = shadow->vmid_next;
	if (shadow->vmid_next)
		shadow->vmid_next->vmid_link = shadow->vmid_link;
}

/* Between @prev and @next, either of which can be NULL. */
static void link_idle(struct shadow_set *set, struct shadow *shadow, struct shadow *prev,
		      struct shadow *next)
{
	shadow->idle_prev = prev;
	shadow->idle_next = next;
	*(prev ? &prev->idle_next : &set->idle_first) = shadow;
	*(next ? &next->idle_prev : &set->idle_last) = shadow;
}

static void unlink_idle(struct shadow_set *set, struct shadow *shadow)
{
	struct shadow *prev = shadow->idle_prev, *next = shadow->idle_next;

	*(prev ? &prev->idle_next : &set->idle_first) = next;
	*(next ? &next->idle_prev : &set->idle_last) = prev;
}

/* ---- consistency ---- */

#ifdef KEEL_DEBUG
/* Descriptors that are looked at after each change. */
#define CHECK_BUDGET 64

/* Entries of the reverse map, likewise. */
#define CHECK_ENTRIES 8

/* Reads the list up to the leaf's entry; puts it back behind the head. */
static bool is_in_rmap(struct shadow *shadow, const struct stage2_leaf *leaf)
{
	struct rmap_entry entry;

	u64 steps = ~0ULL;

	if (!rmap_take_leaf(&shadow->rmap, leaf->pa.v, leaf->ipa.v, &steps, &entry))
		return false;
	rmap_add(&shadow->rmap, &entry);
	return true;
}

static int check_leaf_owner(void *arg, const struct stage2_leaf *leaf)
{
	struct ownership_mismatch bad;
	struct shadow *shadow = arg;

	if (leaf->mapped && !shadow->rmap.partial && !is_in_rmap(shadow, leaf))
		panic("a shadow maps %#lx, but its reverse map does not know it", leaf->ipa.v);
	if (leaf->mapped && ownership_check_vm(leaf->pa, leaf->size, &bad))
		panic("page %#lx is %s, but a shadow maps it at %#lx", bad.pa.v,
		      ownership_state_name(bad.state), leaf->ipa.v);
	return 0;
}

/* A part of the reverse map: the shadow has what it says. */
static void check_rmap(struct shadow *shadow)
{
	struct rmap_entry entry;
	struct stage2_leaf leaf;
	int ret;

	for (unsigned int i = 0; i < CHECK_ENTRIES; i++) {
		if (!rmap_next(&shadow->rmap, &shadow->check_entry, &entry)) {
			shadow->check_entry = 0;
			return;
		}
		ret = stage2_lookup(&shadow->ctx.stage2, IPA(entry.ipa), &leaf);
		if (ret || leaf.pa.v != entry.pa || leaf.size > entry.size)
			panic("a reverse map has %#lx at %#lx, but its shadow does not", entry.pa,
			      entry.ipa);
	}
}

/* A part of the shadow, from where the last call ended: sane tables, and pages of VMs alone. */
static void check_shadow(struct shadow *shadow)
{
	struct stage2 *s2 = &shadow->ctx.stage2;
	struct stage2_progress progress = { .budget = CHECK_BUDGET }, same = progress;
	struct ipa ipa = IPA(shadow->check_ipa), at = ipa;
	u64 size = stage2_size(s2) - ipa.v;
	const char *why = stage2_sane(s2, &at, size, &same);

	ASSERT(s2_context_sane(&shadow->ctx));
	if (why)
		panic("a shadow is not sane at %#lx: %s", at.v, why);
	check_rmap(shadow);
	shadow->check_ipa = stage2_walk(s2, ipa, size, check_leaf_owner, shadow, &progress)
				    ? ipa.v + progress.done
				    : 0;
}
#else
static void check_shadow(struct shadow *shadow)
{
	(void)shadow;
}
#endif

/* ---- the reverse map ---- */

static void give_rmap_up(struct shadow_set *set, struct shadow *shadow)
{
	return_rmap(set, shadow);
	rmap_give_up(&shadow->rmap);
}

static bool enlarge_rmap(struct shadow_set *set, struct shadow *shadow)
{
	void *chunk = pop_chunk(set);

	if (chunk && !rmap_give(&shadow->rmap, chunk)) {
		push_chunks(set, &chunk, 1);
		return false;
	}
	return chunk;
}

/* Tables come first: without a chunk the map is given up, and its own are free. */
static void note_leaf(struct shadow_set *set, struct shadow *shadow, const struct s2_composed *leaf)
{
	const struct rmap_entry entry = { leaf->pa.v, leaf->ipa.v, leaf->size };

	if (shadow->rmap.partial)
		return;
	if (rmap_has_room(&shadow->rmap) || enlarge_rmap(set, shadow))
		rmap_add(&shadow->rmap, &entry);
	else
		give_rmap_up(set, shadow);
}

/* ---- contents ---- */

void shadow_clear(struct shadow_set *set, struct shadow *shadow)
{
	struct stage2 *s2 = &shadow->ctx.stage2;

	spin_assert_held(&s2->lock);
	if (!shadow->filled)
		return;
	stage2_clear(s2, shadow->root_parts);
	WRITE_ONCE(shadow->changes, shadow->changes + 1);
	return_chunks(set, shadow);
	shadow->root_parts = 0;
	shadow->cleared++;
	shadow->ctx.nr_tables = 0;
	shadow->filled = false;
}

/* Unmap what is out of the reverse map already. Mostly that is one leaf, which takes less time. */
static void unmap_entries(struct shadow_set *set, struct shadow *shadow, u64 ipa, u64 size)
{
	struct stage2_progress progress = { .budget = UNMAP_BUDGET };
	struct stage2 *s2 = &shadow->ctx.stage2;
	u64 done;
	int ret = stage2_unmap_leaf(s2, IPA(ipa), &done);

	if (ret || done < size)
		ret = stage2_unmap(s2, IPA(ipa), size, &progress);
	if (ret)
		shadow_clear(set, shadow);
}

/* A range that grows to whole entries of the reverse map, which are taken out of it. */
struct removal {
	struct shadow *shadow;
	u64 start, end; /* nothing yet if equal */
	u64 steps;
};

static int widen_to(struct removal *r, u64 start, u64 size)
{
	if (r->start == r->end)
		r->start = start;
	r->start = MIN(r->start, start);
	r->end = MAX(r->end, start + size);
	return 0;
}

static int take_leaf(void *arg, const struct stage2_leaf *leaf)
{
	struct removal *r = arg;
	struct rmap_entry entry;

	if (!leaf->mapped || leaf->ipa.v < r->end)
		return 0;
	if (r->shadow->rmap.partial)
		return widen_to(r, leaf->ipa.v, leaf->size);
	if (rmap_take_leaf(&r->shadow->rmap, leaf->pa.v, leaf->ipa.v, &r->steps, &entry))
		return widen_to(r, entry.ipa, entry.size);
	ASSERT(!r->steps);
	return -EAGAIN;
}

/*
 * Remove a range, and the rest of entries that are partly in it: so none is split. If that takes
 * long, everything.
 */
static void remove_range(struct shadow_set *set, struct shadow *shadow, struct ipa ipa, u64 size)
{
	struct stage2_progress look = { .budget = UNMAP_BUDGET };
	struct removal r = { .shadow = shadow, .steps = RMAP_STEPS };
	int ret = stage2_walk(&shadow->ctx.stage2, ipa, size, take_leaf, &r, &look);

	if (ret)
		shadow_clear(set, shadow);
	else if (r.start != r.end)
		unmap_entries(set, shadow, r.start, r.end - r.start);
}

static bool is_same_leaf(const struct stage2_leaf *there, const struct s2_composed *leaf)
{
	return there->ipa.v == leaf->ipa.v && there->size == leaf->size &&
	       there->pa.v == leaf->pa.v && there->attrs == leaf->attrs;
}

/* Remove what is in the place of a leaf that is to be mapped. Return: whether it is there already. */
static bool make_room(struct shadow_set *set, struct shadow *shadow, const struct s2_composed *leaf)
{
	struct stage2_leaf there;
	int ret = stage2_lookup(&shadow->ctx.stage2, leaf->ipa, &there);

	if (ret == -E2BIG)
		return false;
	if (!ret && is_same_leaf(&there, leaf))
		return true;
	if (!ret || there.size < leaf->size)
		remove_range(set, shadow, leaf->ipa, leaf->size);
	return false;
}

/* A root can be 1 MiB. If it is used all over, the shadow begins again before clearing takes long. */
static void use_root(struct shadow_set *set, struct shadow *shadow, const struct s2_composed *leaf)
{
	const struct stage2 *s2 = &shadow->ctx.stage2;
	u64 parts = stage2_root_parts(s2, leaf->ipa, leaf->size), all = parts | shadow->root_parts;

	if (all == shadow->root_parts)
		return;
	if (bitmap_weight(&all, 64) * pgtable_root_part_entries(&s2->pgt) > ROOT_ENTRIES_MAX)
		shadow_clear(set, shadow);
	shadow->root_parts |= parts;
}

static int map_leaf(struct shadow_set *set, struct shadow *shadow, const struct s2_composed *leaf)
{
	use_root(set, shadow, leaf);
	refill(set, shadow);
	shadow->filled = true;
	return stage2_map(&shadow->ctx.stage2, leaf->ipa, leaf->pa, leaf->size, leaf->attrs);
}

static unsigned int chunks_of(const struct shadow *shadow)
{
	return READ_ONCE(shadow->nr_chunks) + READ_ONCE(shadow->rmap.nr_chunks);
}

/*
 * There are no chunks left: the shadow that has the most of them gives its own back, so that none
 * keeps the others at those that they always have. First those of its reverse map, without which it
 * goes on. It is @shadow itself if no other has more.
 */
static void free_largest(struct shadow_set *set, struct shadow *shadow)
{
	bool full = shadow->nr_chunks == SHADOW_CHUNKS_MAX;
	struct shadow *other, *largest = shadow;

	for (other = shadow_first_of_all(set); other && !full; other = shadow_next(other))
		if (chunks_of(other) > chunks_of(largest))
			largest = other;
	spin_lock(&largest->ctx.stage2.lock);
	if (largest->rmap.nr_chunks && !full)
		give_rmap_up(set, largest);
	else
		shadow_clear(set, largest);
	spin_unlock(&largest->ctx.stage2.lock);
}

/* With no lock but the own one: in the free pages of @shadow or of another one. */
static int map_somehow(struct shadow_set *set, struct shadow *shadow,
		       const struct s2_composed *leaf)
{
	struct spinlock *lock = &shadow->ctx.stage2.lock;
	int ret = map_leaf(set, shadow, leaf);

	if (ret == -ENOMEM) {
		spin_unlock(lock); /* one at a time */
		free_largest(set, shadow);
		spin_lock(lock);
		ret = map_leaf(set, shadow, leaf);
	}
	if (ret == -ENOMEM) {
		shadow_clear(set, shadow);
		ret = map_leaf(set, shadow, leaf);
	}
	return ret;
}

int shadow_map(struct shadow_set *set, struct shadow *shadow, const struct s2_composed *leaf)
{
	struct stage2 *s2 = &shadow->ctx.stage2;
	int ret = 0;

	spin_assert_held(&shadow->ctx.vm->s2.stage2.lock);
	spin_lock(&s2->lock);
	if (!make_room(set, shadow, leaf)) {
		ret = map_somehow(set, shadow, leaf);
		if (!ret)
			note_leaf(set, shadow, leaf);
	}
	check_shadow(shadow);
	spin_unlock(&s2->lock);
	return ret;
}

void shadow_unmap(struct shadow_set *set, struct shadow *shadow, struct ipa ipa, u64 size)
{
	struct stage2 *s2 = &shadow->ctx.stage2;
	u64 end = stage2_size(s2);

	spin_assert_held(&shadow->ctx.vm->s2.stage2.lock);
	if (ipa.v >= end)
		return;
	spin_lock(&s2->lock);
	WRITE_ONCE(shadow->changes, shadow->changes + 1);
	if (shadow->filled)
		remove_range(set, shadow, ipa, MIN(size, end - ipa.v));
	spin_unlock(&s2->lock);
}

/* ---- memory that leaves the VM ---- */

/* Costs in units of about thirteen instructions, as in vm/guest_mem.c. */
#define VISIT_COST  2
#define REMOVE_COST 48
#define CLEAR_COST  256

/* Entries that are removed one by one in one call; for more, the shadow is cleared. */
#define FORGET_ENTRIES 16

static void spend(u64 *budget, u64 cost)
{
	*budget -= MIN(cost, *budget);
}

/* With the shadow's lock held. Return: false if the budget is used up before the end. */
static bool forget_in(struct shadow_set *set, struct shadow *shadow, struct pa pa, u64 size,
		      u64 *budget)
{
	u64 steps = RMAP_STEPS, entries = 0;
	struct rmap_entry entry;

	spin_assert_held(&shadow->ctx.stage2.lock);
	while (entries < FORGET_ENTRIES && rmap_take(&shadow->rmap, pa.v, size, &steps, &entry)) {
		if (!*budget) {
			rmap_add(&shadow->rmap, &entry);
			return false;
		}
		unmap_entries(set, shadow, entry.ipa, entry.size);
		shadow->forgotten++;
		spend(budget, REMOVE_COST);
		entries++;
	}
	spend(budget, RMAP_STEPS - steps);
	if (shadow->rmap.partial || !steps || entries == FORGET_ENTRIES) {
		shadow_clear(set, shadow);
		spend(budget, CLEAR_COST);
	}
	return true;
}

/*
 * The VM's own stage 2 has lost it, under its lock. So whoever has looked there before has filled
 * its shadow by now, and nobody fills one with it any more: each shadow is visited once.
 */
static bool forget_memory(struct vm *vm, struct pa pa, u64 size, u64 *budget)
{
	struct shadow_set *set = vm->shadows;
	struct shadow *shadow = set->leaving ? set->leaving : shadow_first_of_all(set);
	bool done = true;

	for (; shadow && *budget; shadow = done ? shadow->next : shadow) {
		spend(budget, VISIT_COST);
		if (!READ_ONCE(shadow->filled))
			continue;
		spin_lock(&shadow->ctx.stage2.lock);
		done = forget_in(set, shadow, pa, size, budget);
		spin_unlock(&shadow->ctx.stage2.lock);
	}
	set->leaving = shadow;
	return !shadow;
}

const struct vm_nested_ops shadow_vm_ops = {
	.prepare = shadow_prepare,
	.forget = forget_memory,
	.stat = nested_stat,
};

/* ---- making them ---- */

/* Addresses of a nested guest: as wide as the VM is told that physical addresses are. */
static unsigned int shadow_bits(const struct vm *vm, const struct mmu_caps *caps)
{
	static const u8 widths[] = { 32, 36, 40, 42, 44, 48 };
	const struct stage2_geometry *own = &vm->s2.stage2.geometry;
	unsigned int n = 0;

	while (n < ARRAY_SIZE(widths) - 1 && widths[n] < own->ia_bits)
		n++;
	return MIN(widths[n], stage2_max_ia_bits(own->granule, caps));
}

static int set_shape(struct shadow_set *set, const struct vm *vm)
{
	const struct stage2 *own = &vm->s2.stage2;
	struct mmu_caps caps;

	cpu_features_mmu_caps(vm_features(), &caps);
	set->format = (struct s2_shadow_format){
		.granule = own->geometry.granule,
		.fwb = own->fwb,
		.xnx = own->xnx,
	};
	set->chunk_order = MAX(CHUNK_ORDER, table_order(set));
	set->kept = MAX(TABLES_NEEDED >> (set->chunk_order - table_order(set)), 1);
	return stage2_geometry(&set->geometry, shadow_bits(vm, &caps), own->geometry.granule,
			       &caps);
}

static int create_set(struct vm *vm)
{
	struct shadow_set *set = page_pool_alloc(&vm->pool);
	int ret;

	if (!set)
		return -ENOMEM;
	set->lock = (struct spinlock)SPINLOCK_INIT(LOCK_SHADOWS);
	set->chunk_lock = (struct spinlock)SPINLOCK_INIT(LOCK_SHADOW_CHUNKS);
	set->nvhe = __atomic_load_n(&vm->el2, __ATOMIC_RELAXED) == VM_EL2_NVHE;
	ret = set_shape(set, vm);
	if (ret) {
		page_pool_free(&vm->pool, set);
		return -EINVAL;
	}
	__atomic_store_n(&vm->shadows, set, __ATOMIC_RELEASE);
	return 0;
}

/* Of the next one: EL2's own has all addresses of the VM, which can be wider than a nested guest's. */
static const struct stage2_geometry *next_geometry(const struct vm *vm)
{
	const struct shadow_set *set = vm->shadows;

	return set->nvhe && !set->el2 ? &vm->s2.stage2.geometry : &set->geometry;
}

static bool init_context(struct vm *vm, struct shadow *shadow, void *root)
{
	struct mmu_caps caps;
	const struct s2_context_config config = {
		.vm = vm,
		.geometry = next_geometry(vm),
		.caps = &caps,
		.root = root,
		.pool = &shadow->pool,
	};

	cpu_features_mmu_caps(vm_features(), &caps);
	return !page_pool_init(&shadow->pool, NULL, 0) && !s2_context_init(&shadow->ctx, &config);
}

/* How many there are to be. */
static unsigned int shadows_wanted(const struct shadow_set *set)
{
	return set->nr_vcpus * SHADOW_PER_VCPU + (set->nvhe ? 1 : 0);
}

/* The first chunks that there are for a new vCPU: other shadows fill meanwhile, and take the rest. */
static bool is_short_of_reserve(const struct shadow_set *set)
{
	unsigned int missing = shadows_wanted(set) - set->nr_shadows;

	return set->nr_reserved < missing * set->kept;
}

static void reserve_chunk(struct shadow_set *set, void *chunk)
{
	struct shadow_chunk *node = chunk;

	node->next = set->reserved;
	set->reserved = node;
	set->nr_reserved++;
}

static void give_reserve(struct shadow_set *set, struct shadow *shadow)
{
	while (shadow->nr_chunks < set->kept) {
		struct shadow_chunk *chunk = set->reserved;

		ASSERT(chunk);
		set->reserved = chunk->next;
		set->nr_reserved--;
		if (add_to_pool(set, &shadow->pool, chunk))
			shadow->chunks[shadow->nr_chunks++] = chunk;
	}
}

/* Where those that look through a list find it. */
static void publish_shadow(struct shadow_set *set, struct shadow *shadow)
{
	shadow->next = set->first;
	__atomic_store_n(&set->first, shadow, __ATOMIC_RELEASE);
	if (set->el2)
		__atomic_store_n(&set->el2->next, shadow, __ATOMIC_RELEASE);
	else
		__atomic_store_n(&set->all, shadow, __ATOMIC_RELEASE);
	spin_lock(&set->lock);
	link_idle(set, shadow, NULL, set->idle_first);
	spin_unlock(&set->lock);
}

/* It is the first one that is made. */
static void publish_el2(struct shadow_set *set, struct shadow *shadow)
{
	ASSERT(!set->nr_shadows);
	shadow->ctx.identity = true;
	set->el2 = shadow;
	__atomic_store_n(&set->all, shadow, __ATOMIC_RELEASE);
}

static int create_shadow(struct vm *vm)
{
	struct shadow_set *set = vm->shadows;
	unsigned int order = page_pool_order_of(next_geometry(vm)->root_size);
	void *root = page_pool_alloc_run(&vm->pool, order);
	struct shadow *shadow = root ? page_pool_alloc(&vm->pool) : NULL;

	if (!shadow || !init_context(vm, shadow, root)) {
		if (shadow)
			page_pool_free(&vm->pool, shadow);
		if (root)
			page_pool_free_run(&vm->pool, root, order);
		return -ENOMEM;
	}
	shadow->rmap.chunk_shift = set->chunk_order + granule_shift(GRANULE_4K);
	give_reserve(set, shadow);
	if (set->nvhe && !set->el2)
		publish_el2(set, shadow);
	else
		publish_shadow(set, shadow);
	set->nr_shadows++;
	return 0;
}

static int create_chunk(struct vm *vm)
{
	struct shadow_set *set = vm->shadows;
	void *chunk = page_pool_alloc_run(&vm->pool, set->chunk_order);

	if (!chunk)
		return -ENOMEM;
	if (is_short_of_reserve(set))
		reserve_chunk(set, chunk);
	else
		push_chunks(set, &chunk, 1);
	set->pages += BIT(set->chunk_order);
	return 0;
}

static void count_vcpu(struct shadow_set *set, unsigned int index)
{
	u64 bit = BIT(index % 64);

	set->nr_vcpus += !(set->counted[index / 64] & bit);
	set->counted[index / 64] |= bit;
}

/* Chunks first, since each shadow gets those that it keeps. */
static int prepare_step(struct vm *vm)
{
	const struct shadow_set *set = vm->shadows;

	if (set->pages < (u64)set->nr_vcpus * SHADOW_PAGES_PER_VCPU)
		return create_chunk(vm);
	return create_shadow(vm);
}

static bool is_prepared(const struct shadow_set *set)
{
	return set->nr_shadows == shadows_wanted(set);
}

static int prepare_locked(struct vm *vm, unsigned int index)
{
	unsigned int pages = 0;
	int ret = vm->shadows ? 0 : create_set(vm);

	if (ret)
		return ret;
	count_vcpu(vm->shadows, index);
	while (!ret && !is_prepared(vm->shadows)) {
		if (pages >= PREPARE_PAGES)
			return -ENOMEM;
		pages += 1U << vm->shadows->chunk_order;
		ret = prepare_step(vm);
	}
	return ret;
}

int shadow_prepare(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	int ret;

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	spin_lock(&vm->lock);
	ret = prepare_locked(vm, vcpu->index);
	spin_unlock(&vm->lock);
	return ret;
}

/* ---- keys ---- */

static struct shadow_key key_now(const struct vcpu *vcpu)
{
	const u64 *page = vcpu->nested->page;
	u64 vttbr = READ_ONCE(page[VTTBR_EL2]);

	return (struct shadow_key){
		.vttbr = (vttbr & VTTBR_BADDR) | (u64)shadow_vmid(vttbr) << 48,
		.vtcr = READ_ONCE(page[VTCR_EL2]),
		.hcr = nested_hcr(vcpu) & HCR_KEY,
		.sctlr = nested_read_live(vcpu, NESTED_SCTLR_EL2) & SCTLR_EL1_EE,
	};
}

static bool keys_equal(const struct shadow_key *a, const struct shadow_key *b)
{
	return a->vttbr == b->vttbr && a->vtcr == b->vtcr && a->hcr == b->hcr &&
	       a->sctlr == b->sctlr;
}

/* What the VM's ID registers promise of its stage 2. */
static void vm_caps(const struct vcpu *vcpu, struct mmu_caps *caps)
{
	static const u8 regs[] = { ID_REG_MMFR0, ID_REG_MMFR1, ID_REG_MMFR2, ID_REG_ISAR0 };
	struct cpu_features told = { 0 };

	for (unsigned int i = 0; i < ARRAY_SIZE(regs); i++)
		told.reg[regs[i]] = id_reg_value(vcpu, (enum id_reg)regs[i]);
	cpu_features_mmu_caps(&told, caps);
	caps->pa_bits = MIN(caps->pa_bits, vcpu->vm->shadows->geometry.ia_bits);
}

static void decode_key(const struct vcpu *vcpu, struct shadow *shadow)
{
	const struct s2_walk_regs regs = {
		.vtcr_el2 = shadow->key.vtcr,
		.vttbr_el2 = shadow->key.vttbr,
		.hcr_el2 = shadow->key.hcr,
		.sctlr_el2 = shadow->key.sctlr,
	};
	struct mmu_caps caps;

	vm_caps(vcpu, &caps);
	s2_tables_decode(&shadow->tables, &regs, &caps);
}

/*
 * With set->lock held: an idle shadow becomes that of @key, and is empty.
 *
 * A TLBI reads the key without a lock, and passes by a shadow that has another VMID. Meanwhile that
 * shadow may get this VMID here, and be filled. The barrier is one of two: here the key is written
 * before any table is read, there (act_on_shadows()) the change of the table comes before the key is
 * read. So either the TLBI finds the new key, or the walk finds the new table.
 */
static void give_key(struct vcpu *vcpu, struct shadow *shadow, const struct shadow_key *key)
{
	ASSERT(!shadow->refs);
	spin_assert_held(&vcpu->vm->shadows->lock);
	if (shadow->valid)
		unlink_vmid(shadow);
	spin_lock(&shadow->ctx.stage2.lock);
	shadow_clear(vcpu->vm->shadows, shadow);
	shadow->key = *key;
	shadow->valid = true;
	shadow->ctx.tlb_vttbr = key->vttbr;
	shadow->ctx.tlb_vtcr = key->vtcr;
	decode_key(vcpu, shadow);
	spin_unlock(&shadow->ctx.stage2.lock);
	link_vmid(vcpu->vm->shadows, shadow);
	dmb(ish);
}

/*
 * The shadow that has the key. If there is none, *idle is one that nobody has: of the same VMID, whose
 * tables the guest hypervisor has left; else without a key; else the one that was left first.
 */
static struct shadow *find_shadow(const struct shadow_set *set, const struct shadow_key *key,
				  struct shadow **idle)
{
	struct shadow *shadow = set->by_vmid[shadow_vmid(key->vttbr)];

	*idle = set->idle_first;
	for (; shadow && !keys_equal(&shadow->key, key); shadow = shadow->vmid_next)
		if (!shadow->refs)
			*idle = shadow;
	return shadow;
}

/* ---- references ---- */

static void put_shadow(struct shadow_set *set, struct shadow *shadow)
{
	spin_lock(&set->lock);
	ASSERT(shadow->refs);
	if (!--shadow->refs)
		link_idle(set, shadow, set->idle_last, NULL);
	spin_unlock(&set->lock);
}

static struct shadow *get_shadow(struct vcpu *vcpu, const struct shadow_key *key)
{
	struct shadow_set *set = vcpu->vm->shadows;
	struct shadow *shadow, *idle;

	spin_lock(&set->lock);
	shadow = find_shadow(set, key, &idle);
	nested_count(vcpu, shadow ? KEEL_NESTED_HITS : KEEL_NESTED_MISSES);
	if (!shadow) {
		shadow = idle;
		if (shadow->valid)
			nested_count(vcpu, KEEL_NESTED_RECYCLED);
		give_key(vcpu, shadow, key);
	}
	if (!shadow->refs++)
		unlink_idle(set, shadow);
	spin_unlock(&set->lock);
	return shadow;
}

/* The vCPU gives its own back first: so there is an idle one for it. */
struct shadow *shadow_of(struct vcpu *vcpu)
{
	struct shadow_key key = key_now(vcpu);
	struct shadow *shadow = vcpu->nested->shadow;

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	if (shadow && keys_equal(&shadow->key, &key))
		return shadow;
	shadow_drop(vcpu);
	vcpu->nested->shadow = get_shadow(vcpu, &key);
	return vcpu->nested->shadow;
}

void shadow_drop(struct vcpu *vcpu)
{
	struct shadow *shadow = vcpu->nested->shadow;

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	if (!shadow)
		return;
	if (vcpu->s2 == &shadow->ctx)
		vcpu_change_s2(vcpu, &vcpu->vm->s2);
	vcpu->nested->shadow = NULL;
	put_shadow(vcpu->vm->shadows, shadow);
}

struct shadow *shadow_current(const struct vcpu *vcpu)
{
	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	return vcpu->s2 == &vcpu->vm->s2 ? NULL : container_of(vcpu->s2, struct shadow, ctx);
}
