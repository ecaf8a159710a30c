// SPDX-License-Identifier: BSD-2-Clause
/*
 * The life of a VM, and the limits that all VMs share. What each function promises is in vm_ops.h.
 *
 * vm_create() takes one donation and lays the VM out in it:
 *
 *      ┌────────────────┬───────────┬──────────────────────────────────────────┐
 *      │ root of stage 2│ struct vm │ vm->pool: records of donations, tables ..│
 *      └────────────────┴───────────┴──────────────────────────────────────────┘
 *      ^ aligned to the root's size
 *
 * Everything is checked before the donation is taken; after that nothing can fail. Nobody finds the
 * VM before vm_table_open().
 *
 * vm_destroy() closes the VM (vm_table.c) and then works in bounded steps, each call one, until all
 * memory is the host's again. The order is given by what each step needs:
 *
 *      vm_unmap_all()      unmap and unshare the guest's memory: needs stage 2 and its tables
 *      vcpu_release_all()  unshare the run pages: needs the vCPUs
 *      return_memory()     give the donations back, newest first; the last one is struct vm itself
 *
 * So slot->vm becomes NULL before the last donation goes back, and what is left to be returned is
 * in the slot.
 *
 * Locking: vm_create() and vm_destroy() are alone with the VM, and take no vm->lock.
 */
#include <arch/barrier.h>
#include <arch/ich.h>
#include <arch/percpu.h>
#include <arch/tlb.h>
#include <cpu/assert.h>
#include <cpu/panic.h>
#include <cpu/percpu.h>
#include <lib/errno.h>
#include <lib/string.h>
#include <vm/donation.h>
#include <vm/vm_ops.h>

/*
 * The least alignment of a VM's first donation, and so of its root, which VTTBR_EL2 needs aligned.
 */
#define VM_ALIGN SZ_64K

/*
 * The limits of a step of vm_destroy(), in pages that are cleared: of a donation, so many go back at
 * once, between two looks whether an interrupt of the host waits; and for all together. What a part
 * costs besides, and how many pages of a donation are unmapped here for the cost of one.
 */
#define RETURN_PART  8
#define RETURN_PAGES 64
#define RETURN_COST  8
#define HIDE_PAGES   16

static const struct cpu_features *machine;
static struct mmu_caps caps;
static enum granule granule;
static unsigned int ipa_bits_max, oa_bits;
static u32 spe_how; /* vm_set_spe() */
static const struct vm_nested_ops *nested_ops;
static bool nested_nvhe;
static struct page_pool *keel_pool;
static void (*created_hook)(struct vm *vm);

/* ---- boot ---- */

const struct cpu_features *vm_features(void)
{
	return machine;
}

int vm_init(const struct cpu_features *features, unsigned int nr_cpus, enum granule pages,
	    struct page_pool *pool)
{
	struct stage2_geometry geometry;
	int ret;

	machine = features;
	keel_pool = pool;
	created_hook = NULL;
	granule = pages;
	spe_how = 0;
	nested_ops = NULL;
	nested_nvhe = false;
	cpu_features_mmu_caps(features, &caps);
	ipa_bits_max = stage2_max_ia_bits(granule, &caps);
	ret = stage2_geometry(&geometry, ipa_bits_max, granule, &caps);
	if (ret)
		return ret;
	oa_bits = geometry.oa_bits;
	ret = vm_table_init(pool);
	if (!ret)
		ret = s2_contexts_init(&caps, pool, nr_cpus);
	page_pool_set_reserve(pool, KEEL_POOL_RESERVE);
	return ret;
}

void vm_set_spe(u32 how)
{
	spe_how = how;
}

void vm_set_nested(const struct vm_nested_ops *ops)
{
	nested_ops = ops;
}

bool vm_nested(void)
{
	return nested_ops;
}

void vm_set_nested_nvhe(void)
{
	nested_nvhe = true;
}

bool vm_nested_nvhe(void)
{
	return nested_nvhe;
}

int vm_prepare_el2(struct vcpu *vcpu)
{
	return nested_ops->prepare(vcpu);
}

bool vm_forget(struct vm *vm, struct pa pa, u64 size, u64 *budget)
{
	return nested_ops->forget(vm, pa, size, budget);
}

/* vm->shadows is set once, when it is complete. */
int vm_nested_stat(const struct vm *vm, u64 which, u64 *value)
{
	if (!__atomic_load_n(&vm->shadows, __ATOMIC_ACQUIRE))
		return -ENXIO;
	return nested_ops->stat(vm, which, value);
}

u32 vm_spe(void)
{
	return spe_how;
}

void vm_set_created(void (*created)(struct vm *vm))
{
	created_hook = created;
}

bool vm_in_linear_window(struct pa pa, u64 size)
{
	const struct el2_layout *l = el2_map_layout();
	u64 end = MIN(l->linear_end.v, BIT(oa_bits));

	return pa.v >= l->linear_start.v && pa.v <= end && size <= end - pa.v;
}

int vm_pool_donate(struct pa pa, u64 pages)
{
	return donation_to_pool(keel_pool, pa, pages);
}

int vm_pool_reclaim(struct pa pa, u64 pages)
{
	return donation_from_pool(keel_pool, pa, pages);
}

/* ---- sizes ---- */

static unsigned int default_ipa_bits(void)
{
	return MIN(VM_IPA_BITS_DEFAULT, ipa_bits_max);
}

static int check_ipa_bits(u64 ipa_bits, unsigned int *bits)
{
	if (ipa_bits && (ipa_bits < VM_IPA_BITS_MIN || ipa_bits > ipa_bits_max))
		return -EINVAL;
	*bits = ipa_bits ? (unsigned int)ipa_bits : default_ipa_bits();
	return 0;
}

static u64 root_bytes(const struct stage2_geometry *geometry)
{
	return ALIGN_UP(geometry->root_size, SZ_4K);
}

/* The least pages of a VM: the root, struct vm, and in the pool a page of records. */
static u64 vm_pages(const struct stage2_geometry *geometry)
{
	return (root_bytes(geometry) + ALIGN_UP(sizeof(struct vm), SZ_4K)) / SZ_4K + 1;
}

static int choose_geometry(u64 ipa_bits, struct stage2_geometry *geometry)
{
	unsigned int bits;
	int ret = check_ipa_bits(ipa_bits, &bits);

	if (ret)
		return ret;
	return stage2_geometry(geometry, bits, granule, &caps) ? -EINVAL : 0;
}

int vm_sizes(u64 ipa_bits, struct vm_sizes *sizes)
{
	struct stage2_geometry geometry;
	int ret = choose_geometry(ipa_bits, &geometry);

	if (ret)
		return ret;
	*sizes = (struct vm_sizes){
		.spe = vcpu_features_known() & BIT(VCPU_SPE) ? spe_how : 0,
		.vm_pages = vm_pages(&geometry),
		.vcpu_pages = vcpu_pages(),
		.ipa_bits_default = default_ipa_bits(),
		.ipa_bits_max = ipa_bits_max,
		.granule_shift = granule_shift(granule),
		.features = vcpu_features_known(),
	};
	return 0;
}

/* ---- making one ---- */

static int init_own_context(struct vm *vm, const struct stage2_geometry *geometry, void *root)
{
	const struct s2_context_config config = {
		.vm = vm,
		.geometry = geometry,
		.caps = &caps,
		.root = root,
		.pool = &vm->pool,
	};

	return s2_context_init(&vm->s2, &config);
}

/* Lay out a VM in memory that is Keel's now. Nothing can fail: everything was checked before. */
static struct vm *build_vm(struct pa pa, u64 pages, const struct stage2_geometry *geometry)
{
	u8 *base = vm_pa_to_va(pa);
	struct vm *vm = (struct vm *)(void *)(base + root_bytes(geometry));
	u64 used = vm_pages(geometry) - 1;

	memset(vm, 0, sizeof(*vm));
	vm->lock = (struct spinlock)SPINLOCK_INIT(LOCK_VM);
	vm->state = VM_LIVE;
	vm->dic = cpu_features_field(machine, ID_CTR_DIC);
	vm->party = (struct ownership_party){ .ops = &vm_party_ops, .ctx = &vm->s2, .apart = true };
	if (page_pool_init(&vm->pool, base + used * SZ_4K, pages - used) ||
	    donation_record(vm, pa, pages) || init_own_context(vm, geometry, base))
		panic("a VM at %#lx cannot be laid out", pa.v);
	ASSERT(donation_sane(vm));
	return vm;
}

static int create_in(struct vm_slot *slot, struct pa pa, u64 pages,
		     const struct stage2_geometry *geometry)
{
	int ret = donation_take(pa, pages);

	if (ret)
		return ret;
	slot->vm = build_vm(pa, pages, geometry);
	slot->vm->handle = slot->handle;
	if (created_hook)
		created_hook(slot->vm);
	return 0;
}

int vm_create(struct pa pa, u64 pages, u64 ipa_bits, u64 *handle)
{
	struct stage2_geometry geometry;
	struct vm_slot *slot;
	int ret = choose_geometry(ipa_bits, &geometry);

	if (!ret &&
	    (pages < vm_pages(&geometry) || !IS_ALIGNED(pa.v, MAX(VM_ALIGN, geometry.root_align))))
		ret = -EINVAL;
	if (ret)
		return ret;
	ret = vm_table_new(&slot);
	if (ret)
		return ret;
	ret = create_in(slot, pa, pages, &geometry);
	if (ret) {
		vm_table_free(slot);
		return ret;
	}
	*handle = slot->handle;
	vm_table_open(slot);
	return 0;
}

/* ---- ending one ---- */

/* Unmap the newest donation from EL2. The oldest contains the VM itself. */
static void hide_newest(struct vm_slot *slot)
{
	struct donation donation;

	if (!donation_pop(slot->vm, &donation))
		panic("a VM without donated memory");
	slot->return_pa = donation.pa;
	slot->return_pages = donation.pages;
	if (!slot->vm->donations)
		slot->vm = NULL;
	donation_hide(&donation);
}

/*
 * The pages of the hidden donation that go back next. Parts are aligned, so that the last one of each
 * of the host's contiguous groups makes it whole.
 */
static u64 next_part(const struct vm_slot *slot)
{
	return MIN(slot->return_pages, RETURN_PART - slot->return_pa.v / SZ_4K % RETURN_PART);
}

/* Whether a step that has spent @spent pages leaves the next part to the next step. */
static bool step_is_over(u64 part, u64 spent)
{
	return spent && (spent + part > RETURN_PAGES || interrupt_waits());
}

/*
 * A part of the hidden donation goes back. Without a table for the part, the whole rest does: it was
 * hidden as a whole, so no table is needed for that, and a VM ends although there is no memory.
 */
static int return_part(struct vm_slot *slot, u64 *part)
{
	int ret = donation_return(slot->return_pa, *part);

	if (ret == -ENOBUFS && *part < slot->return_pages) {
		*part = slot->return_pages;
		ret = donation_return(slot->return_pa, *part);
	}
	if (ret)
		return ret;
	slot->return_pa.v += *part * SZ_4K;
	slot->return_pages -= *part;
	return 0;
}

/* Give donations back, newest first. Return: 0; -EAGAIN: there are more; as donation_return(). */
static int return_memory(struct vm_slot *slot)
{
	u64 spent = 0, part;
	int ret;

	while (slot->vm || slot->return_pages) {
		if (!slot->return_pages) {
			hide_newest(slot);
			spent += slot->return_pages / HIDE_PAGES;
		}
		part = next_part(slot);
		if (step_is_over(part, spent))
			return -EAGAIN;
		ret = return_part(slot, &part);
		if (ret)
			return ret;
		spent += part + RETURN_COST;
	}
	return 0;
}

/* One bounded step. In this order, since each part needs what the next one takes away. */
static int destroy_step(struct vm_slot *slot)
{
	if (slot->vm) {
		slot->vm->state = VM_DYING;
		if (vm_unmap_all(slot->vm) || vcpu_release_all(slot->vm))
			return -EAGAIN;
	}
	return return_memory(slot);
}

int vm_destroy(u64 handle)
{
	struct vm_slot *slot;
	int ret = vm_table_close(handle, &slot);

	if (ret)
		return ret;
	ret = destroy_step(slot);
	if (ret)
		vm_table_pause(slot);
	else
		vm_table_free(slot);
	return ret;
}

int vm_unmap_ending(u64 handle, struct ipa ipa, u64 size, u64 flags, u64 *done)
{
	struct vm_slot *slot;
	int ret = vm_table_close(handle, &slot);

	if (ret)
		return ret;
	/* Once its memory has gone its tables go: they are not looked at any more. */
	if (slot->vm && vm_has_memory(slot->vm))
		ret = vm_unmap(slot->vm, ipa, size, flags, done);
	vm_table_pause(slot);
	return ret;
}

struct vcpu *vm_vcpu(struct vm *vm, u64 index)
{
	return index < VM_VCPUS_MAX ? __atomic_load_n(&vm->vcpus[index], __ATOMIC_ACQUIRE) : NULL;
}
