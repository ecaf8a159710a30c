// SPDX-License-Identifier: BSD-2-Clause
/* A VM as the host's tools see it: its sizes, and what its stage 2 maps. */
#include <lib/errno.h>
#include <vm/vm_ops.h>

/* Descriptors that one call of vm_walk() looks at, under stage2.lock: 200 instructions each. */
#define WALK_BUDGET 96

void vm_info(struct vm *vm, struct vm_info *info)
{
	const struct stage2_geometry *g = &vm->s2.stage2.geometry;

	spin_lock(&vm->lock);
	*info = (struct vm_info){
		.geometry = *g,
		.table_bytes = g->root_size + vm->s2.nr_tables * granule_size(g->granule),
		.donated_bytes = vm->donated_pages * SZ_4K,
		.free_bytes = page_pool_available(&vm->pool) * SZ_4K,
		.vcpus = vm->nr_vcpus,
	};
	spin_unlock(&vm->lock);
}

static u64 map_flags(enum stage2_attrs attrs)
{
	u64 flags = 0;

	flags |= attrs & STAGE2_W ? KEEL_MAP_WRITE : 0;
	flags |= attrs & STAGE2_X ? KEEL_MAP_EXEC : 0;
	flags |= (attrs & STAGE2_MEMTYPE) != STAGE2_NORMAL ? KEEL_MAP_DEVICE : 0;
	flags |= (attrs & STAGE2_MEMTYPE) == STAGE2_NORMAL_NC ? KEEL_MAP_NC : 0;
	return flags;
}

/* Extend the first mapped extent while leaves follow that have its leaf size and permissions. */
static int visit_extent(void *arg, const struct stage2_leaf *leaf)
{
	struct vm_extent *s = arg;
	u64 flags = map_flags(leaf->attrs);

	if (!leaf->mapped)
		return s->size ? 1 : 0;
	if (s->size && (leaf->size != s->block || flags != s->flags))
		return 1;
	if (!s->size)
		*s = (struct vm_extent){ .ipa = leaf->ipa, .block = leaf->size, .flags = flags };
	s->size = leaf->ipa.v + leaf->size - s->ipa.v;
	return 0;
}

int vm_walk(struct vm *vm, struct ipa ipa, struct vm_extent *extent)
{
	struct stage2_progress progress = { .budget = WALK_BUDGET };
	struct stage2 *s2 = &vm->s2.stage2;
	u64 end = stage2_size(s2);
	int ret;

	*extent = (struct vm_extent){ .ipa = ipa };
	if (!IS_ALIGNED(ipa.v, stage2_granule(s2)))
		return -EINVAL;
	if (ipa.v >= end)
		return -E2BIG;
	spin_lock(&s2->lock);
	ret = stage2_walk(s2, ipa, end - ipa.v, visit_extent, extent, &progress);
	spin_unlock(&s2->lock);
	if (ret == -EAGAIN && !extent->size)
		extent->ipa.v += progress.done;
	return ret < 0 && !extent->size ? ret : 0;
}
