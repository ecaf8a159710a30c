/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All that it takes to run a vCPU behind one stage 2: the tables, the VMID that TLBs know them by,
 * the pool that tables come from, and which vCPU ran behind it last on each CPU. A vCPU points to
 * the one that it runs in (vcpu->s2):
 *
 *      struct vm
 *        s2   <---- vm, pool ----  the VM's own: guest physical to physical addresses
 *         ^  \
 *         |   notifier (stage2_set_notifier())
 *         |    \
 *    vcpu->s2   +-->  shadows: a guest hypervisor's stage 2, combined with the VM's own; each is
 *                     found by what the guest hypervisor has in VTTBR_EL2 and VTCR_EL2
 *
 * Two rules make more than one context of a VM possible:
 *
 *  - Pools. Tables of the VM's own come from vm->pool, and only who holds vm->lock takes any from
 *    there: so what a page move has counted in prepare is there for map and unmap. A shadow is
 *    filled where its vCPU faults, without vm->lock: so it has a pool of its own, which nothing but
 *    its own stage2.lock guards.
 *  - Locks. The VM's own stage2.lock comes before a shadow's (LOCK_STAGE2, LOCK_SHADOW_STAGE2): the
 *    notifier of the first takes the second, and a fault in a shadow may hold the first from the
 *    look-up there until the shadow has the translation. No two shadows' are held at a time.
 *
 * Inside vm/, and for what runs a vCPU.
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
	/* What a shadow is for: the guest hypervisor's VTTBR_EL2 and VTCR_EL2. 0 in the VM's own. */
	u64 tlb_vttbr, tlb_vtcr;
	u16 last_vcpu_ran[KEEL_MAX_CPUS]; /* by CPU: its index + 1. That CPU's own */
};

/**
 * struct s2_context_config - what a context is made of
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
 * s2_contexts_init() - get ready to give out VMIDs
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
 * It has a VMID from now on: TLB maintenance loads VTTBR_EL2, and no tables but the host's may be
 * there under the host's VMID, not for a moment.
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
 * s2_context_load() - the VMID to run it under, here and now; also in stage2.vttbr
 *
 * Before every load of VTTBR_EL2, by the owner of a vCPU that runs in it, without locks. As
 * vmid_enter().
 */
u16 s2_context_load(struct s2_context *ctx);

/* VTTBR_EL2 is the host's again. */
void s2_context_put(struct s2_context *ctx);

/* Of s2_context_take_over(), where another vCPU ran before. */
void s2_context_forget_vcpus(struct s2_context *ctx, unsigned int cpu, u16 vcpu);

/**
 * s2_context_take_over() - let nothing of other vCPUs be left in this CPU's TLBs
 * @cpu:   this one
 * @index: of the vCPU that is about to run
 *
 * Another vCPU behind the same stage 2 may have left translations on this CPU that are its own:
 * ASIDs are private to a vCPU. Guest TLBIs that are local reach all CPUs (HCR_EL2.FB), so nothing
 * else can be stale. VTTBR_EL2 and HCR_EL2 are the guest's. Complete before the first entry.
 */
static inline void s2_context_take_over(struct s2_context *ctx, unsigned int cpu,
					unsigned int index)
{
	const u16 vcpu = (u16)(index + 1);

	if (ctx->last_vcpu_ran[cpu] != vcpu)
		s2_context_forget_vcpus(ctx, cpu, vcpu);
}

/**
 * s2_context_sane() - whether what the fields say fits together
 *
 * For ASSERT() and for tests. A bounded number of steps; the tables themselves are not walked. No
 * lock, if nothing else changes the context.
 */
bool s2_context_sane(const struct s2_context *ctx);

#endif
