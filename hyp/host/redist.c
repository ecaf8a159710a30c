// SPDX-License-Identifier: BSD-2-Clause
/* Redistributors (ARM IHI 0069, 12.10 and 12.11): see redist.h. */
#include <arch/foreign.h>
#include <arch/gicr.h>
#include <host/gic_regs.h>
#include <host/redist.h>
#include <lib/errno.h>
#include <mm/el2_map.h>

/* A redistributor is an RD frame and an SGI frame; GICv4's has two more. */
#define FRAME_SIZE SZ_64K
#define GICV3_SIZE (2 * FRAME_SIZE)
#define GICV4_SIZE (4 * FRAME_SIZE)

struct search {
	struct percpu *const *cpus;
	unsigned int count, found;
};

/* GICR_TYPER of a frame that did not answer: an affinity that no CPU has. */
#define NOBODY GICR_TYPER_AFF

bool redist_is_unknown(u64 typer)
{
	return (typer & GICR_TYPER_AFF) == NOBODY;
}

/* One without power may read as zero. A GIC has LPIs in all redistributors or in none. */
static bool is_asleep(u64 typer, u64 like)
{
	return !typer && (like & GICR_TYPER_PLPIS);
}

/* Read GICR_TYPER, of a CPU that may have no power. @like: another frame's, for its size. */
static int redist_read_typer(u64 base, u64 like, u64 *typer)
{
	u8 *rd = el2_map_private(PA(base), SZ_4K, EL2_DEVICE);
	u64 low, high;

	if (!rd)
		return -ENOMEM;
	if (foreign_read_reg(rd + GICR_TYPER, 4, &low) &&
	    foreign_read_reg(rd + GICR_TYPER + 4, 4, &high) && !is_asleep(low | high << 32, like))
		*typer = low | high << 32;
	else
		*typer = NOBODY | GICR_TYPER_PLPIS | (like & GICR_TYPER_VLPIS);
	el2_unmap_private(rd, SZ_4K);
	return 0;
}

/* In GICR_TYPER, Aff3 follows Aff2 directly. */
u64 redist_mpidr(u64 typer)
{
	u64 affinity = FIELD_GET(GICR_TYPER_AFF, typer);

	return (affinity & GENMASK(23, 0)) | FIELD_PREP(GENMASK(39, 32), affinity >> 24);
}

static struct percpu *redist_cpu_of(const struct search *s, u64 mpidr)
{
	for (unsigned int i = 0; i < s->count; i++)
		if (s->cpus[i]->mpidr == mpidr)
			return s->cpus[i];
	return NULL;
}

/*
 * Map the redistributor at @base for its CPU, if it has one. Return: 1 when all CPUs have theirs.
 */
static int redist_take_frame(void *ctx, u64 base, u64 typer)
{
	struct search *s = ctx;
	struct percpu *cpu = redist_cpu_of(s, redist_mpidr(typer));

	if (!cpu || cpu->gicr)
		return 0;
	cpu->gicr = el2_map_private(PA(base + FRAME_SIZE), SZ_4K, EL2_DEVICE);
	if (!cpu->gicr)
		return -ENOMEM;
	s->found++;
	return s->found == s->count;
}

static u64 redist_next_frame(u64 stride, u64 base, u64 typer)
{
	if (stride)
		return base + stride;
	return base + (typer & GICR_TYPER_VLPIS ? GICV4_SIZE : GICV3_SIZE);
}

/*
 * The walk's position. The size of a redistributor follows from the stride, or a known GICR_TYPER.
 */
struct walk {
	u64 stride, like;
	bool sized;
	int (*visit_one)(void *ctx, u64 base, u64 typer);
	void *ctx;
};

static int redist_walk_frame(struct walk *w, u64 base, u64 *typer)
{
	int ret = redist_read_typer(base, w->like, typer);

	if (ret)
		return ret;
	if (!redist_is_unknown(*typer)) {
		w->like = *typer;
		w->sized = true;
	} else if (!w->sized) {
		return -ENOENT;
	}
	return w->visit_one(w->ctx, base, *typer);
}

/* Where each region has one redistributor, the first that answers may be in any of them. */
static int redist_find_size(struct walk *w, const struct fdt_redists *redists)
{
	u64 typer;
	int ret = 0;

	for (unsigned int i = 0; i < redists->count && !ret && !w->like; i++) {
		const struct mem_range *region = &redists->region[i];

		if (region->end < region->base + GICV3_SIZE)
			continue;
		ret = redist_read_typer(region->base, 0, &typer);
		if (ret || redist_is_unknown(typer))
			continue;
		w->like = typer;
		w->sized = true;
	}
	return ret;
}

static int redist_walk_region(struct walk *w, const struct mem_range *region)
{
	u64 base = region->base, typer = 0;
	int ret = 0;

	while (!ret && base < region->end && region->end - base >= GICV3_SIZE &&
	       !(typer & GICR_TYPER_LAST)) {
		ret = redist_walk_frame(w, base, &typer);
		base = redist_next_frame(w->stride, base, typer);
	}
	return ret;
}

int redist_walk(const struct fdt_redists *redists, int (*visit_one)(void *ctx, u64 base, u64 typer),
		void *ctx)
{
	struct walk w = { .stride = redists->stride,
			  .like = redists->stride >= GICV4_SIZE ? GICR_TYPER_VLPIS : 0,
			  .sized = redists->stride != 0,
			  .visit_one = visit_one,
			  .ctx = ctx };
	int ret = 0;

	if (redists->stride % FRAME_SIZE || (redists->stride && redists->stride < GICV3_SIZE))
		return -ENOENT;
	ret = redist_find_size(&w, redists);
	for (unsigned int i = 0; i < redists->count && !ret; i++)
		ret = redist_walk_region(&w, &redists->region[i]);
	return ret;
}

static void redist_forget_all(const struct search *s)
{
	for (unsigned int i = 0; i < s->count; i++) {
		if (s->cpus[i]->gicr)
			el2_unmap_private(s->cpus[i]->gicr, SZ_4K);
		s->cpus[i]->gicr = NULL;
	}
}

int redist_init(const struct fdt_redists *redists, struct percpu *const cpus[], unsigned int count)
{
	struct search s = { .cpus = cpus, .count = count };
	int ret = redist_walk(redists, redist_take_frame, &s);

	if (ret >= 0)
		ret = s.found == count ? 0 : -ENOENT;
	if (ret == -ENOMEM)
		redist_forget_all(&s);
	return ret;
}
