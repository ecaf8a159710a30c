/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A context: everything that is needed to run a vCPU behind one stage 2. That is the tables, the
 * VMID that tags their TLB entries, the pool that tables come from, and which vCPU ran behind it
 * last on each CPU. A vCPU points to the context in which it runs (vcpu->s2):
 *
 *      struct vm
 *        s2   <---- vm, pool ----  the VM's own: guest physical to physical addresses
 *         ^  \
 *         |   vm_forget()
 *         |    \
 *    vcpu->s2   +-->  shadows: a guest hypervisor's stage 2, combined with the VM's own; each is
 *                     found by what the guest hypervisor has in VTTBR_EL2 and VTCR_EL2
 *
 * Two rules make more than one context of a VM possible:
 *
 *  - Pools. Tables of the VM's own context come from vm->pool, and only a holder of vm->lock takes
 *    pages from there. So tables that a transition has counted in prepare are there for map and
 *    unmap. A shadow is filled when its vCPU faults, without vm->lock. So it has a pool of its own,
 *    which only its own stage2.lock guards.
 *  - Locks. The VM's own stage2.lock comes before a shadow's (LOCK_STAGE2, LOCK_SHADOW_STAGE2): a
 *    fault in a shadow holds the VM's own from its look-up until the shadow has the translation.
 *    So once the VM's own has lost one, no shadow gets it any more, and vm_forget() takes it out
 *    of them, before the memory has another owner. At most one shadow's is held at a time.
 *
 * Inside vm/, and for code that runs a vCPU.
 */
#ifndef KEEL_VM_S2_CONTEXT_H
#define KEEL_VM_S2_CONTEXT_H

#include <lib/types.h>
#include <mm/page_pool.h>
#include <mm/stage2.h>
#include <mm/vmid.h>

struct vm;

struct s2_context {
	struct stage2 stage2;
	struct vmid vmid;
	struct vm *vm;		/* whose; it outlives the context */
	struct page_pool *pool; /* tables, but for the root */
	u64 nr_tables;		/* taken from @pool; under stage2.lock */
	/* Of a shadow: the guest hypervisor's VTTBR_EL2 and VTCR_EL2. 0 in the VM's own. */
	u64 tlb_vttbr, tlb_vtcr;
	bool identity;			  /* of a shadow: its addresses are the VM's */
	u16 last_vcpu_ran[KEEL_MAX_CPUS]; /* by CPU: its index + 1. That CPU's own */
};

/**
 * struct s2_context_config - arguments of s2_context_init()
 * @vm:       whose it is
 * @geometry: of stage 2; copied
 * @caps:     the machine's; used during s2_context_init() only
 * @root:     geometry->root_size bytes aligned to geometry->root_align, in EL2's linear window
 * @pool:     for tables: vm->pool for vm->s2, another one for a shadow
 * @tlb_vttbr, @tlb_vtcr: as in struct s2_context
 */
struct s2_context_config {
	struct vm *vm;
	const struct stage2_geometry *geometry;
	const struct mmu_caps *caps;
	void *root;
	struct page_pool *pool;
	u64 tlb_vttbr, tlb_vtcr;
};

/**
 * s2_contexts_init() - initialize the allocator of VMIDs
 *
 * Boot CPU, once. Return: 0; -ENOMEM; -EINVAL for more CPUs than there are VMIDs.
 */
int __must_check s2_contexts_init(const struct mmu_caps *caps, struct page_pool *pool,
				  unsigned int nr_cpus);

/* A CPU is about to run vCPUs for the first time since it came up. On that CPU. */
void s2_contexts_cpu_online(void);

/**
 * s2_context_init() - an empty stage 2, ready to be run
 * @ctx: &vm->s2, or a shadow's; zeroed
 *
 * It gets a VMID now, because TLB maintenance loads stage2.vttbr into VTTBR_EL2, where no tables
 * but the host's may ever be under the host's VMID.
 *
 * Return: 0; as stage2_init().
 */
int __must_check s2_context_init(struct s2_context *ctx, const struct s2_context_config *config);

/* Whether it is a VM's own, and not a shadow. */
bool s2_context_is_own(const struct s2_context *ctx);

/* log2 of the pages of a table. */
static inline unsigned int s2_context_table_order(const struct s2_context *ctx)
{
	return granule_shift(ctx->stage2.geometry.granule) - granule_shift(GRANULE_4K);
}

/**
 * s2_context_load() - get a current VMID for a run on this CPU, and write it to stage2.vttbr
 *
 * Before every load of VTTBR_EL2, by the owner of a vCPU that runs in it, without locks. As
 * vmid_enter().
 */
u16 s2_context_load(struct s2_context *ctx);

/* The uncommon part of s2_context_take_over(): another vCPU was the last one. */
void s2_context_forget_vcpus(struct s2_context *ctx, unsigned int cpu, u16 vcpu);

/**
 * s2_context_take_over() - remove TLB entries of other vCPUs on this CPU
 * @cpu:   this one
 * @index: of the vCPU that is about to run
 *
 * Another vCPU of the same context may have left TLB entries on this CPU, and ASIDs are private to
 * a vCPU. A guest's local TLBIs reach all CPUs (HCR_EL2.FB), so no other entries can be stale.
 * VTTBR_EL2 and HCR_EL2 are the guest's. Complete before the first entry.
 */
static inline void s2_context_take_over(struct s2_context *ctx, unsigned int cpu,
					unsigned int index)
{
	const u16 vcpu = (u16)(index + 1);

	if (ctx->last_vcpu_ran[cpu] != vcpu)
		s2_context_forget_vcpus(ctx, cpu, vcpu);
}

/**
 * s2_context_sane() - whether the fields are consistent
 *
 * For ASSERT() and for tests. A bounded number of steps; the tables themselves are not walked. Nothing
 * else takes or gives back tables meanwhile: of a shadow with its stage2.lock held, of a VM's own with
 * vm->lock.
 */
bool s2_context_sane(const struct s2_context *ctx);

#endif
