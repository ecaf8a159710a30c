// SPDX-License-Identifier: BSD-2-Clause
/*
 * The registers of the interrupt controller that are EL2's, and what they need from the rest of
 * Keel: host_gic.h.
 *
 * Pinned memory is shared memory (mm/ownership.h), with the GIC in the role of a VM. So the host
 * has it mapped as before, and it cannot be donated while it is pinned.
 */
#include <arch/foreign.h>
#include <arch/gicr.h>
#include <arch/spinlock.h>
#include <cpu/log.h>
#include <cpu/panic.h>
#include <host/host.h>
#include <host/host_gic.h>
#include <host/its.h>
#include <host/its_quirk.h>
#include <host/lpi.h>
#include <host/psci.h>
#include <host/redist.h>
#include <lib/errno.h>
#include <mm/el2_map.h>
#include <mm/ownership.h>

/* GICv4: two frames of virtual LPIs lie behind the RD frame and the SGI frame. */
#define VLPI_OFFSET (2 * GIC_FRAME_SIZE)
#define VLPI_SIZE   (2 * GIC_FRAME_SIZE)

/* Written at boot. rd_lock serializes accesses to RD frames; ownership_lock is taken inside. */
static struct its *itses;
static unsigned int its_count;
static u64 rd_limit; /* redistributors can reach addresses below this */
static struct spinlock rd_lock = SPINLOCK_INIT(LOCK_RD);

/* ---- pinned memory ---- */

static int gic_prepare(void *ctx, const struct page_move *move)
{
	(void)ctx;
	(void)move;
	return 0;
}

static void gic_change(void *ctx, const struct page_move *move)
{
	(void)ctx;
	(void)move;
}

/* The GIC has no stage 2, so nothing is mapped; its pins are recorded by its.c and lpi.c. */
static const struct ownership_party_ops gic_party_ops = {
	.prepare = gic_prepare,
	.map = gic_change,
	.unmap = gic_change,
};

static const struct ownership_party gic_party = { .ops = &gic_party_ops };

static struct page_move gic_move(u64 pa, u64 size)
{
	return (struct page_move){ .ipa = host_pa_to_ipa(PA(pa)), .pa = PA(pa), .size = size };
}

static int pin_gic_memory(u64 pa, u64 size)
{
	struct page_move move = gic_move(pa, size);

	return ownership_share(&move, &gic_party);
}

static void unpin_gic_memory(u64 pa, u64 size)
{
	struct page_move move = gic_move(pa, size);
	int ret = ownership_unshare(&move, &gic_party);

	if (ret)
		panic("memory at %#lx cannot be unpinned (error %d)", pa, ret);
}

static bool is_off(u64 mpidr)
{
	return psci_is_off(&host_psci, mpidr);
}

static const struct lpi_ops lpi_ops = { .pin = pin_gic_memory,
					.unpin = unpin_gic_memory,
					.is_off = is_off };

/* The redistributors; written at boot, and then under rd_lock. */
static struct lpi_set rds = { .ops = &lpi_ops };

/* ---- struct its_ops ---- */

STATIC_ASSERT(sizeof(struct its_command) == FOREIGN_LOAD, "a command is read at once");

/* Read from a page that the host can access, which may fault all the same. ownership_lock held. */
static int read_command(u64 pa, bool coherent, struct its_command *command)
{
	u8 *page = el2_window_map(PA(ALIGN_DOWN(pa, SZ_4K)), EL2_R);
	const u8 *from = page + pa % SZ_4K;
	const u64 size = sizeof(*command);
	bool done = (coherent || foreign_clean_inval(from, size) == size) &&
		    foreign_load(command, from);

	el2_window_unmap();
	return done ? 0 : -EFAULT;
}

static int fetch_its_command(u64 pa, bool coherent, struct its_command *command)
{
	enum ownership_state state;
	int ret = -EPERM;

	spin_lock(&ownership_lock);
	state = ownership_state(PA(pa));
	if (state == OWNERSHIP_HOST || state == OWNERSHIP_SHARED)
		ret = read_command(pa, coherent, command);
	spin_unlock(&ownership_lock);
	return ret;
}

static bool is_rd_target(u64 target, bool pta)
{
	for (unsigned int i = 0; i < rds.count; i++) {
		const struct lpi_rd *rd = &rds.rds[i];

		if (target == (pta ? rd->base / GIC_FRAME_SIZE
				   : FIELD_GET(GICR_TYPER_NUMBER, READ_ONCE(rd->typer))))
			return true;
	}
	return false;
}

static const struct its_ops its_ops = {
	.pin = pin_gic_memory,
	.unpin = unpin_gic_memory,
	.fetch = fetch_its_command,
	.is_target = is_rd_target,
};

/* ---- boot ---- */

static void *alloc_records(struct page_pool *pool, u64 bytes)
{
	unsigned int order = 0;

	while ((SZ_4K << order) < bytes)
		order++;
	return page_pool_alloc_run(pool, order);
}

static bool has_lpis(u64 typer)
{
	return typer & (GICR_TYPER_PLPIS | GICR_TYPER_VLPIS);
}

static int count_rd(void *ctx, u64 base, u64 typer)
{
	unsigned int *count = ctx;

	(void)base;
	*count += has_lpis(typer);
	return 0;
}

static int add_rd(void *ctx, u64 base, u64 typer)
{
	struct lpi_rd *rd = &rds.rds[rds.count];
	int ret;

	(void)ctx;
	if (!has_lpis(typer))
		return 0;
	*rd = (struct lpi_rd){
		.base = base,
		.regs = el2_map_private(PA(base), GIC_FRAME_SIZE, EL2_DEVICE),
		.typer = typer,
		.virtual = typer & GICR_TYPER_VLPIS,
		.pa_limit = rd_limit,
	};
	if (!rd->regs)
		return -ENOMEM;
	rds.count++;
	ret = ownership_claim_device(PA(base), GIC_FRAME_SIZE);
	if (!ret && rd->virtual)
		ret = ownership_claim_device(PA(base + VLPI_OFFSET), VLPI_SIZE);
	return ret;
}

static int init_rds(const struct host_gic_boot *boot)
{
	unsigned int count = 0;
	int ret = redist_walk(boot->redists, count_rd, &count);

	if (ret || !count)
		return ret;
	rds.rds = alloc_records(boot->pool, count * sizeof(*rds.rds));
	return rds.rds ? redist_walk(boot->redists, add_rd, NULL) : -ENOMEM;
}

/* Log the errata that apply. Return: what Keel does about them, enum its_action. */
static u32 find_quirks(const struct host_gic_boot *boot, u64 base, u32 iidr)
{
	const struct its_quirk *quirk = NULL;
	u32 actions = 0;

	while ((quirk = its_quirk_next(iidr, host_fdt_is_machine, boot->fdt, quirk))) {
		log_info("erratum %s of the ITS at %#lx: %s", quirk->number, base,
			 its_quirk_describe(quirk));
		actions |= quirk->actions;
	}
	return actions;
}

/* The ITS's registers and memory, if it can be used; else NULL, and the host reads zeros there. */
static u8 *probe_its(const struct host_gic_boot *boot, const struct fdt_its *fdt,
		     struct its_plan *plan, void **memory, struct pa *pa)
{
	u64 limit = boot->limit / boot->itses->count, iidr;
	u32 actions;
	u8 *regs;

	if (!fdt->available)
		return NULL;
	regs = el2_map_private(PA(fdt->base), GIC_FRAME_SIZE, EL2_DEVICE);
	if (regs) {
		/* its_plan() refuses an ITS that does not answer */
		if (!foreign_read_reg(regs + GITS_IIDR, 4, &iidr))
			iidr = 0;
		actions = find_quirks(boot, fdt->base, (u32)iidr);
		if (!its_plan(regs, limit, actions, plan))
			*memory = boot->take(plan->total, plan->memory_limit, pa);
	}
	if (*memory)
		return regs;
	log_warn("the ITS at %#lx is not one that Keel can use: the host has none there",
		 fdt->base);
	return NULL;
}

static int add_its(const struct host_gic_boot *boot, const struct fdt_its *fdt)
{
	void *memory = NULL;
	struct its_plan plan;
	struct pa pa = PA(0);
	int ret = ownership_claim_device(PA(fdt->base), GIC_FRAME_SIZE);
	u8 *regs;

	if (ret)
		return ret;
	regs = probe_its(boot, fdt, &plan, &memory, &pa);
	its_init(&itses[its_count++], &its_ops, fdt->base, regs, &plan, memory, pa.v,
		 fdt->coherent);
	if (regs)
		log_info("ITS at %#lx: %llu KiB of tables, %u bits of DeviceID", fdt->base,
			 plan.total / SZ_1K, plan.device_bits);
	return 0;
}

int host_gic_init(const struct host_gic_boot *boot)
{
	int ret;

	rd_limit = its_quirk_redist_limit(host_fdt_is_machine, boot->fdt);
	ret = init_rds(boot);

	if (ret || !boot->itses->count)
		return ret;
	itses = alloc_records(boot->pool, boot->itses->count * sizeof(*itses));
	if (!itses)
		return -ENOMEM;
	for (unsigned int i = 0; i < boot->itses->count && !ret; i++)
		ret = add_its(boot, &boot->itses->its[i]);
	return ret;
}

int host_gic_start(void)
{
	int ret = 0;

	for (unsigned int i = 0; i < rds.count && !ret; i++)
		ret = lpi_start(&rds, &rds.rds[i]);
	return ret;
}

void host_gic_forget(void)
{
	for (unsigned int i = 0; i < its_count; i++)
		its_forget(&itses[i]);
	spin_lock(&rd_lock);
	lpi_forget(&rds);
	spin_unlock(&rd_lock);
}

/* ---- the host's accesses ---- */

/*
 * If the hardware does not answer, the host gets an abort, as if it had accessed the frame itself.
 */
static enum host_gic_result access_its_frames(struct its *its, u64 offset,
					      const struct mmio_access *access, u64 *data)
{
	static const enum host_gic_result results[] = { [ITS_DONE] = HOST_GIC_DONE,
							[ITS_AGAIN] = HOST_GIC_AGAIN,
							[ITS_FAULTED] = HOST_GIC_FAULTED };

	return results[access->write ? its_write(its, offset, access->bytes, *data)
				     : its_read(its, offset, access->bytes, data)];
}

static enum host_gic_result access_rd_frames(struct lpi_rd *rd, u64 offset,
					     const struct mmio_access *access, u64 *data)
{
	enum host_gic_result result;

	spin_lock(&rd_lock);
	rd->faulted = false;
	if (access->write)
		lpi_write(&rds, rd, offset, access->bytes, *data);
	else
		*data = lpi_read(&rds, rd, offset, access->bytes);
	result = rd->faulted ? HOST_GIC_FAULTED : HOST_GIC_DONE;
	spin_unlock(&rd_lock);
	return result;
}

static bool is_register(u64 offset, const struct mmio_access *access)
{
	return (access->bytes == 4 || access->bytes == 8) && IS_ALIGNED(offset, access->bytes);
}

/* Whether @pa is in the RD frame, or in the frames for virtual LPIs, which read as zero. */
static bool is_rds(const struct lpi_rd *rd, u64 pa)
{
	return pa - rd->base < GIC_FRAME_SIZE ||
	       (rd->virtual && pa - rd->base - VLPI_OFFSET < VLPI_SIZE);
}

enum host_gic_result host_gic_access(struct ipa ipa, const struct mmio_access *access, u64 *data)
{
	u64 pa = host_ipa_to_pa(ipa).v;

	if (!access->write)
		*data = 0;
	for (unsigned int i = 0; i < its_count; i++)
		if (pa - itses[i].base < GIC_FRAME_SIZE)
			return is_register(pa, access)
				       ? access_its_frames(&itses[i], pa - itses[i].base, access,
							   data)
				       : HOST_GIC_DONE;
	for (unsigned int i = 0; i < rds.count; i++) {
		struct lpi_rd *rd = &rds.rds[i];

		if (!is_rds(rd, pa))
			continue;
		return is_register(pa, access) && pa - rd->base < GIC_FRAME_SIZE
			       ? access_rd_frames(rd, pa - rd->base, access, data)
			       : HOST_GIC_DONE;
	}
	return HOST_GIC_NONE;
}
