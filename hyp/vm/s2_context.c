// SPDX-License-Identifier: BSD-2-Clause
/*
 * Contexts: a stage 2 with its VMID, its pool of tables and the last vCPU of each CPU. What a
 * context is, and the rules for more than one of a VM, are in s2_context.h.
 *
 *      s2_context_init()       a VMID, an empty root
 *      s2_context_load()       at each run: a current VMID, also in stage2.vttbr
 *        switch_to_guest()       writes VTTBR_EL2
 *      s2_context_take_over()  at each run: no TLB entries of another vCPU on this CPU
 *
 * One allocator (mm/vmid.c) gives out the VMIDs of all contexts. A CPU holds the one that it was given last,
 * also while its host runs: the next run of the same context finds it by two loads. After a rollover a context gets
 * another number at its next load. TLB invalidations use the number in stage2.vttbr, so
 * s2_context_load() changes it with stage2.lock held: an unmap on another CPU is either complete
 * under the old number, whose entries nobody uses any more, or it uses the new one.
 *
 * ASIDs belong to a vCPU and VMIDs to a context: two vCPUs of one context may use the same ASID for
 * different tables. So a CPU invalidates its TLB entries of the context when another vCPU than the
 * last one is loaded there. last_vcpu_ran[] needs no lock, since each CPU uses its own element.
 */
#include <arch/barrier.h>
#include <arch/percpu.h>
#include <arch/tlb.h>
#include <cpu/assert.h>
#include <cpu/percpu.h>
#include <lib/errno.h>
#include <vm/s2_context.h>
#include <vm/vm_ops.h>

static struct vmid_allocator vmids;

/* vm_pa_to_va() without a call: a walk does it at each level. From s2_contexts_init() on. */
static u64 linear_offset;

static bool shape_is_sane(const struct s2_context *ctx);

bool s2_context_is_own(const struct s2_context *ctx)
{
	return ctx == &ctx->vm->s2;
}

/* ---- VMIDs ---- */

/* D8.17.2: DSB NSH completes the TLBI on this CPU, ISB makes later instructions see that. */
static void flush_this_cpu(void *ctx)
{
	(void)ctx;
	dsb(nshst);
	tlbi_alle1();
	dsb(nsh);
	isb();
}

static const struct vmid_ops vmid_ops = { .flush_local = flush_this_cpu };

/* Memory that is never freed: a run of a power of two pages. */
static void *alloc_bytes(struct page_pool *pool, u64 bytes)
{
	unsigned int order = 0;

	while ((SZ_4K << order) < bytes)
		order++;
	return page_pool_alloc_run(pool, order);
}

int s2_contexts_init(const struct mmu_caps *caps, struct page_pool *pool, unsigned int nr_cpus)
{
	u64 *bitmap = alloc_bytes(pool, VMID_BITMAP_WORDS(caps->vmid_bits) * sizeof(u64));
	struct vmid_cpu *cpus = alloc_bytes(pool, nr_cpus * sizeof(*cpus));

	if (!bitmap || !cpus)
		return -ENOMEM;
	linear_offset = el2_map_layout()->linear_offset;
	return vmid_init(&vmids, caps->vmid_bits, bitmap, cpus, nr_cpus, &vmid_ops, NULL);
}

void s2_contexts_cpu_online(void)
{
	vmid_cpu_reset(&vmids, this_cpu()->id);
}

/*
 * TLB invalidations use the VMID in stage2.vttbr, so it changes under the lock: an unmap that is in
 * progress ends before this CPU can fill its TLB under the new number.
 */
u16 s2_context_load(struct s2_context *ctx)
{
	struct stage2 *s2 = &ctx->stage2;
	u16 vmid = vmid_enter(&vmids, &ctx->vmid, this_cpu()->id);

	ASSERT(shape_is_sane(ctx)); /* other CPUs may be changing the tables */
	if (READ_ONCE(s2->vttbr) >> 48 != vmid) {
		spin_lock(&s2->lock);
		stage2_set_vmid(s2, vmid);
		spin_unlock(&s2->lock);
	}
	return vmid;
}

void s2_context_forget_vcpus(struct s2_context *ctx, unsigned int cpu, u16 vcpu)
{
	isb(); /* the TLBI uses VTTBR_EL2 and HCR_EL2 */
	tlbi_vmalle1();
	dsb(nsh);
	isb();
	ctx->last_vcpu_ran[cpu] = vcpu;
}

/* ---- tables ---- */

/* Tables come from vm->pool under vm->lock only, so that pages counted in prepare stay there. */
static void assert_may_take(const struct s2_context *ctx)
{
	if (s2_context_is_own(ctx))
		spin_assert_held(&ctx->vm->lock);
}

/* A table is a page of the granule. */
static void *context_zalloc_table(void *arg)
{
	struct s2_context *ctx = arg;
	unsigned int order = s2_context_table_order(ctx);
	void *table;

	assert_may_take(ctx);
	table = order ? page_pool_alloc_run(ctx->pool, order) : page_pool_alloc(ctx->pool);
	if (table)
		ctx->nr_tables++;
	return table;
}

static void context_free_table(void *arg, void *table)
{
	struct s2_context *ctx = arg;

	ctx->nr_tables--;
	page_pool_free_run(ctx->pool, table, s2_context_table_order(ctx));
}

static struct pa context_table_to_pa(void *arg, const void *table)
{
	(void)arg;
	return vm_va_to_pa(table);
}

static void *context_pa_to_table(void *arg, struct pa pa)
{
	(void)arg;
	return (void *)(pa.v + linear_offset);
}

static const struct stage2_mem_ops table_mem = {
	.zalloc_table = context_zalloc_table,
	.free_table = context_free_table,
	.table_to_pa = context_table_to_pa,
	.pa_to_table = context_pa_to_table,
};

/* ---- making one ---- */

static u16 first_vmid(struct s2_context *ctx)
{
	u16 vmid = vmid_enter(&vmids, &ctx->vmid, this_cpu()->id);

	vmid_leave(&vmids, this_cpu()->id);
	return vmid;
}

int s2_context_init(struct s2_context *ctx, const struct s2_context_config *config)
{
	const struct stage2_config stage2 = {
		.geometry = config->geometry,
		.caps = config->caps,
		.fwb = config->caps->fwb,
		.vmid = first_vmid(ctx),
		.root = config->root,
		.mem = &table_mem,
		.mem_ctx = ctx,
		.shadow = ctx != &config->vm->s2,
	};

	ctx->vm = config->vm;
	ctx->pool = config->pool;
	ctx->tlb_vttbr = config->tlb_vttbr;
	ctx->tlb_vtcr = config->tlb_vtcr;
	return stage2_init(&ctx->stage2, &stage2);
}

/* ---- consistency ---- */

static bool pool_is_sane(const struct s2_context *ctx)
{
	const struct stage2 *s2 = &ctx->stage2;

	if (s2->mem != &table_mem || s2->mem_ctx != ctx || !ctx->pool)
		return false;
	if (s2_context_is_own(ctx))
		return ctx->pool == &ctx->vm->pool && !ctx->tlb_vttbr && !ctx->tlb_vtcr;
	return ctx->pool != &ctx->vm->pool;
}

/* VTTBR_EL2 gives the root that stage2.pgt changes, and a VMID that is not the host's. */
static bool root_is_sane(const struct s2_context *ctx)
{
	const struct stage2 *s2 = &ctx->stage2;
	u64 pa = vm_va_to_pa(s2->pgt.root).v, vttbr = READ_ONCE(s2->vttbr);

	return s2->pgt.fmt.granule == s2->geometry.granule &&
	       s2->pgt.fmt.ia_bits == s2->geometry.ia_bits &&
	       (vttbr & GENMASK(47, 6)) == (pa & GENMASK(47, 6)) && vttbr >> 48 != VMID_HOST;
}

/* What stays as it is while a vCPU runs in the context, and VTTBR_EL2: no lock is needed. */
static bool shape_is_sane(const struct s2_context *ctx)
{
	return ctx->vm && pool_is_sane(ctx) && root_is_sane(ctx);
}

bool s2_context_sane(const struct s2_context *ctx)
{
	u64 tables;

	if (!shape_is_sane(ctx))
		return false;
	tables = READ_ONCE(ctx->nr_tables) << s2_context_table_order(ctx);
	return tables <= READ_ONCE(ctx->pool->total) - page_pool_available(ctx->pool);
}
