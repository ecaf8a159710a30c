// SPDX-License-Identifier: BSD-2-Clause
/*
 * The life of a vCPU, and its run page. What each function promises is in vm_ops.h.
 *
 *      vcpu_create()       donated pages become struct vcpu_memory; the run page is shared
 *      vcpu_init()         features are chosen, registers are reset; again at each reset
 *      vcpu_run() ...      run.c
 *      vcpu_release_all()  when the VM ends: the run pages go back to the host
 *
 * The pages that the host donates for a vCPU are laid out as struct vcpu_memory. They go back with
 * the VM's other donations: there is no call that ends one vCPU.
 *
 * The run page stays the host's: the host shares it with Keel, which maps it in EL2's linear
 * window. So Keel is a party of that transition (keel_party), with these functions:
 *
 *      prepare   map the page in the linear window, then read each of its cache lines: memory that
 *                faults is refused with -EFAULT
 *      map       nothing, prepare has done it
 *      unmap     unmap it from the linear window
 *
 * Mapping in prepare is sound although the transition may still fail afterwards: it is the last
 * step that can fail, and EL2 may access memory of the host. donation_lock makes "not mapped yet,
 * so map it" one step: a page that the linear window shows already is a run page of some vCPU, or
 * Keel's, and is refused.
 *
 * vcpu->power is PSCI's state. Another vCPU's CPU_ON may claim a stopped vCPU at any time, so it
 * changes by atomic operations only.
 */
#include <arch/foreign.h>
#include <arch/percpu.h>
#include <cpu/assert.h>
#include <cpu/panic.h>
#include <lib/errno.h>
#include <lib/string.h>
#include <mm/el2_map.h>
#include <vm/donation.h>
#include <vm/run.h>
#include <vm/vm_ops.h>

/* Run pages that one step of the VM's end gives back. */
#define RELEASE_STEP 8

/* The layout of a vCPU's donated pages. The register file is a VNCR page: aligned (D8.12). */
struct vcpu_memory {
	u64 sysreg[VCPU_SYSREG_BYTES / sizeof(u64)] __aligned(4096);
	struct vcpu vcpu;
	struct vcpu_fpstate fp;
	u64 spe[VCPU_SPE_BYTES / sizeof(u64)];
};

STATIC_ASSERT(sizeof(struct vcpu_memory) % SZ_4K == 0, "whole pages");
STATIC_ASSERT(sizeof(struct keel_run) == SZ_4K, "the run page is a page");

/* Behind it, where VMs can have it, what a vCPU with an EL2 has. */
static u64 memory_bytes(void)
{
	return sizeof(struct vcpu_memory) + (vm_nested() ? VCPU_NESTED_BYTES : 0);
}

u64 vcpu_pages(void)
{
	return memory_bytes() / SZ_4K;
}

/* ---- the run page ---- */

/*
 * Keel as a party of transitions: the IPA is the physical address, and the mapping is EL2's linear
 * window. Pages that it shows already are run pages of other vCPUs. All under donation_lock.
 */
static int keel_check_mapped(void *ctx, const struct page_move *move)
{
	(void)ctx;
	return el2_linear_shown(move->pa, move->size) ? 0 : -EPERM;
}

static int keel_check_unmapped(void *ctx, const struct page_move *move)
{
	(void)ctx;
	return el2_linear_shown(move->pa, move->size) ? -EEXIST : 0;
}

/* Map memory that Keel will access at any time; refuse it if any of its cache lines faults. */
static int show_and_try(struct pa pa, u64 size)
{
	int ret = donation_show(pa, size);

	if (ret || foreign_answers(vm_pa_to_va(pa), size, FOREIGN_TRIED))
		return ret;
	el2_unmap_linear(pa, size);
	return -EFAULT;
}

/* Map already now: nothing can fail after this, and EL2 may access a page of the host. */
static int keel_prepare(void *ctx, const struct page_move *move)
{
	(void)ctx;
	return move->map ? show_and_try(move->pa, move->size) : 0;
}

/* keel_prepare() has mapped it. */
static void keel_map(void *ctx, const struct page_move *move)
{
	(void)ctx;
	(void)move;
}

static void keel_unmap(void *ctx, const struct page_move *move)
{
	(void)ctx;
	el2_unmap_linear(move->pa, move->size);
}

static const struct ownership_party_ops keel_party_ops = {
	.check_mapped = keel_check_mapped,
	.check_unmapped = keel_check_unmapped,
	.prepare = keel_prepare,
	.map = keel_map,
	.unmap = keel_unmap,
};

static const struct ownership_party keel_party = { .ops = &keel_party_ops };

static struct page_move run_page_move(struct pa pa)
{
	return (struct page_move){ .ipa = host_pa_to_ipa(pa), .pa = pa, .size = SZ_4K };
}

static int share_run_page(struct pa pa)
{
	struct page_move move = run_page_move(pa);
	int ret;

	if (!IS_ALIGNED(pa.v, SZ_4K))
		return -EINVAL;
	if (!vm_in_linear_window(pa, SZ_4K))
		return -ERANGE;
	spin_lock(&donation_lock);
	ret = ownership_share(&move, &keel_party);
	spin_unlock(&donation_lock);
	return ret == -ERANGE ? -EPERM : ret;
}

static void unshare_run_page(struct pa pa)
{
	struct page_move move = run_page_move(pa);
	int ret;

	spin_lock(&donation_lock);
	ret = ownership_unshare(&move, &keel_party);
	spin_unlock(&donation_lock);
	if (ret)
		panic("the run page at %#lx cannot be unshared (error %d)", pa.v, ret);
}

/* ---- making one ---- */

/*
 * MPIDR_EL1, numbered as KVM does: Aff0 has 16 values only, as many as an SGI of GICv3 can reach by
 * its target list. Bit 31 is RES1.
 */
static u64 mpidr_of(unsigned int index)
{
	return BIT(31) | (index & 0xf) | (u64)((index >> 4) & 0xff) << 8 |
	       (u64)((index >> 12) & 0xff) << 16;
}

static struct vcpu *build_vcpu(struct vm *vm, unsigned int index, struct pa pa, struct pa run)
{
	struct vcpu_memory *memory = vm_pa_to_va(pa);
	struct vcpu *vcpu = &memory->vcpu;

	memset(memory, 0, memory_bytes());
	vcpu->vm = vm;
	vcpu->s2 = &vm->s2;
	vcpu->sysreg = memory->sysreg;
	vcpu->fp = &memory->fp;
	vcpu->run = vm_pa_to_va(run);
	vcpu->index = index;
	vcpu->number = vm->nr_vcpus;
	vcpu->mpidr = mpidr_of(index);
	vcpu->owner = VCPU_NO_OWNER;
	vcpu->last_cpu = VCPU_NO_OWNER;
	vcpu->power = VCPU_STOPPED;
	vcpu->steal_ipa = VCPU_NO_STEAL_TIME;
	return vcpu;
}

/* Share the run page first: that can be undone without fail if the donation fails. */
static int create_locked(struct vm *vm, unsigned int index, struct pa pa, u64 pages, struct pa run)
{
	int ret;

	if (vm->vcpus[index])
		return -EEXIST;
	if (vm->vgic)
		return -EBUSY;
	ret = share_run_page(run);
	if (ret)
		return ret;
	ret = donation_add(vm, pa, pages, vcpu_pages());
	if (ret) {
		unshare_run_page(run);
		return ret;
	}
	__atomic_store_n(&vm->vcpus[index], build_vcpu(vm, index, pa, run), __ATOMIC_RELEASE);
	vm->nr_vcpus++;
	return 0;
}

int vcpu_create(struct vm *vm, u64 index, struct pa pa, u64 pages, struct pa run)
{
	int ret;

	if (index >= VM_VCPUS_MAX)
		return -EINVAL;
	spin_lock(&vm->lock);
	ret = create_locked(vm, (unsigned int)index, pa, pages, run);
	spin_unlock(&vm->lock);
	return ret;
}

bool vcpu_release_all(struct vm *vm)
{
	unsigned int released = 0;

	for (; vm->destroy_vcpu < VM_VCPUS_MAX; vm->destroy_vcpu++) {
		struct vcpu *vcpu = vm->vcpus[vm->destroy_vcpu];

		if (!vcpu)
			continue;
		if (released == RELEASE_STEP || (released && interrupt_waits()))
			return true;
		unshare_run_page(vm_va_to_pa(vcpu->run));
		vcpu->run = NULL;
		released++;
	}
	return released && interrupt_waits();
}

/* ---- features and state ---- */

/* The features that vCPUs can have, and what each needs of the machine. */
static const struct {
	u8 bit;
	bool always;
	enum cpu_feature needs;
} feature_rows[] = {
	{ VCPU_PSCI_0_2, true, 0 },
	{ VCPU_SVE, false, FEAT_SVE },
	{ VCPU_PTRAUTH_ADDRESS, false, FEAT_PAuth },
	{ VCPU_PTRAUTH_GENERIC, false, FEAT_PAuth },
	{ VCPU_MTE, false, FEAT_MTE2 },
	{ VCPU_SPE, false, FEAT_GICv3 }, /* for its interrupt; vm_spe() must allow it, too */
};

u64 vcpu_features_known(void)
{
	u64 known = 0;

	for (size_t i = 0; i < ARRAY_SIZE(feature_rows); i++)
		if (feature_rows[i].always || cpu_has(vm_features(), feature_rows[i].needs))
			known |= BIT(feature_rows[i].bit);
	if (vm_nested())
		known |= BIT(VCPU_HAS_EL2);
	if (vm_nested_nvhe())
		known |= BIT(VCPU_HAS_EL2_E2H0);
	return vm_spe() ? known : known & ~BIT(VCPU_SPE);
}

static bool features_valid(u64 features)
{
	const u64 ptrauth = BIT(VCPU_PTRAUTH_ADDRESS) | BIT(VCPU_PTRAUTH_GENERIC);
	u64 keys = features & ptrauth;

	if ((features & BIT(VCPU_HAS_EL2)) && (features & (BIT(VCPU_SPE) | BIT(VCPU_MTE))))
		return false;
	if ((features & BIT(VCPU_HAS_EL2_E2H0)) && !(features & BIT(VCPU_HAS_EL2)))
		return false;
	return !(features & ~vcpu_features_known()) && (!keys || keys == ptrauth);
}

/* What all vCPUs of a VM have or none: the first one writes @mine over 0, undecided. */
static bool is_agreed(u32 *all, u32 mine)
{
	u32 was = 0;

	return __atomic_compare_exchange_n(all, &was, mine, false, __ATOMIC_RELAXED,
					   __ATOMIC_RELAXED) ||
	       was == mine;
}

static u32 el2_kind(u64 features)
{
	if (!(features & BIT(VCPU_HAS_EL2)))
		return VM_EL2_WITHOUT;
	return features & BIT(VCPU_HAS_EL2_E2H0) ? VM_EL2_NVHE : VM_EL2_VHE;
}

static bool features_agreed(struct vm *vm, u64 features)
{
	return is_agreed(&vm->spe, features & BIT(VCPU_SPE) ? VM_SPE_WITH : VM_SPE_WITHOUT) &&
	       is_agreed(&vm->mte, features & BIT(VCPU_MTE) ? VM_MTE_WITH : VM_MTE_WITHOUT) &&
	       is_agreed(&vm->el2, el2_kind(features));
}

static struct nested_vcpu *nested_memory(struct vcpu *vcpu)
{
	struct vcpu_memory *memory = (struct vcpu_memory *)(void *)vcpu->sysreg;

	return (struct nested_vcpu *)(void *)(memory + 1);
}

static struct spe_vcpu *spe_memory(struct vcpu *vcpu)
{
	struct vcpu_memory *memory = (struct vcpu_memory *)(void *)vcpu->sysreg;

	return (struct spe_vcpu *)(void *)memory->spe;
}

int vcpu_init(struct vcpu *vcpu, u64 features)
{
	u64 wanted = features & ~BIT(VCPU_POWER_OFF);
	bool off = features & BIT(VCPU_POWER_OFF);
	int ret = 0;

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	if (!features_valid(wanted) || (vcpu->initialized && wanted != vcpu->features))
		return -EINVAL;
	if (!features_agreed(vcpu->vm, wanted))
		return -EINVAL;
	vcpu->spe = wanted & BIT(VCPU_SPE) ? spe_memory(vcpu) : NULL;
	vcpu->nested = wanted & BIT(VCPU_HAS_EL2) ? nested_memory(vcpu) : NULL;
	if (vcpu->nested)
		ret = vm_prepare_el2(vcpu);
	if (ret)
		return ret;
	vcpu->features = wanted;
	vcpu->has_tags = wanted & BIT(VCPU_MTE);
	vcpu_reset(vcpu);
	vcpu->fault_pending = false;
	vcpu->on_pending = false;
	vcpu->initialized = true;
	__atomic_store_n(&vcpu->power, off ? VCPU_STOPPED : VCPU_RUNNABLE, __ATOMIC_RELEASE);
	return 0;
}

/* VCPU_STARTING, for a moment while a CPU_ON writes the entry point, counts as runnable. */
static int told_state(u32 power)
{
	return power == VCPU_STOPPED ? KEEL_STATE_STOPPED : KEEL_STATE_RUNNABLE;
}

/* CPU_ON of another vCPU changes stopped ones only: on_pending of a runnable one is the owner's. */
static u32 change_state(struct vcpu *vcpu, u32 state)
{
	if (state == VCPU_STOPPED &&
	    __atomic_load_n(&vcpu->power, __ATOMIC_ACQUIRE) == VCPU_RUNNABLE)
		vcpu->on_pending = false;
	return __atomic_exchange_n(&vcpu->power, state, __ATOMIC_ACQ_REL);
}

int vcpu_set_state(struct vcpu *vcpu, u64 state)
{
	int ret;

	if (state == KEEL_STATE_QUERY)
		return told_state(__atomic_load_n(&vcpu->power, __ATOMIC_ACQUIRE));
	if (state != KEEL_STATE_RUNNABLE && state != KEEL_STATE_STOPPED)
		return -EINVAL;
	ret = vcpu_take(vcpu);
	if (ret)
		return ret;
	ret = told_state(change_state(vcpu, (u32)state));
	vcpu_drop(vcpu);
	return ret;
}

/* The structure is 64 bytes long; aligned to that, it does not extend beyond the IPA space. */
int vcpu_set_steal_time(struct vcpu *vcpu, u64 ipa)
{
	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	if (!IS_ALIGNED(ipa, 64))
		return -EINVAL;
	if (ipa >= BIT(vcpu->vm->s2.stage2.geometry.ia_bits))
		return -E2BIG;
	if (vcpu->steal_ipa != VCPU_NO_STEAL_TIME)
		return -EEXIST;
	vcpu->steal_ipa = ipa;
	return 0;
}
