// SPDX-License-Identifier: BSD-2-Clause
/*
 * VMIDs by generation.
 *
 * An id is a generation (in the bits above the number) and a number. What makes reuse safe:
 *
 * - Within a generation a number is given out once.
 * - A rollover writes 0 to each CPU's active id, atomically, and keeps what was there as reserved:
 *   that context may be running at this moment, and keeps its number in the new generation.
 * - A CPU whose active id is 0 cannot take the fast path; on the slow path, under the lock, it
 *   finds its flush pending and invalidates its TLBs before its first entry of the new generation.
 *
 * So until a CPU has flushed, it can only be running the one context that it ran at the rollover,
 * under a number that nobody else got.
 */
#include <lib/bitmap.h>
#include <lib/errno.h>
#include <mm/vmid.h>

/* Active id of a CPU that runs no context, but has flushed since the last rollover. */
#define ACTIVE_IDLE (~0ULL)

static u32 nr_numbers(const struct vmid_allocator *va)
{
	return (u32)1 << va->bits;
}

static u32 number_of(const struct vmid_allocator *va, u64 id)
{
	return (u32)(id & (nr_numbers(va) - 1));
}

static u64 load_id(const u64 *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void store_id(u64 *p, u64 value)
{
	__atomic_store_n(p, value, __ATOMIC_RELEASE);
}

/* Stores @to where *p is still @from. Return: whether it was. */
static bool replace_id(u64 *p, u64 from, u64 to)
{
	return __atomic_compare_exchange_n(p, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static bool is_current(const struct vmid_allocator *va, u64 id)
{
	return (id ^ load_id(&va->generation)) < nr_numbers(va);
}

/* All numbers become free; the search starts behind the host's, so that it is never found. */
static void clear_numbers(struct vmid_allocator *va)
{
	bitmap_zero(va->bitmap, nr_numbers(va));
	va->next = VMID_HOST + 1;
}

/* A CPU that has not entered since the rollover before may still run what was reserved then. */
static void reserve_active(struct vmid_allocator *va, struct vmid_cpu *cpu)
{
	u64 active = __atomic_exchange_n(&cpu->active, 0, __ATOMIC_ACQ_REL);

	if (active == ACTIVE_IDLE)
		cpu->reserved = 0;
	else if (active != 0)
		cpu->reserved = active;
	if (cpu->reserved)
		bitmap_set(va->bitmap, number_of(va, cpu->reserved));
	cpu->flush_pending = true;
}

static void begin_generation(struct vmid_allocator *va)
{
	store_id(&va->generation, va->generation + nr_numbers(va));
	va->rollovers++;
	clear_numbers(va);
	for (unsigned int i = 0; i < va->nr_cpus; i++)
		reserve_active(va, &va->cpus[i]);
}

/* Renews a reserved id on all CPUs that have it. Return: whether any did. */
static bool renew_reserved(struct vmid_allocator *va, u64 old, u64 renewed)
{
	bool found = false;

	for (unsigned int i = 0; i < va->nr_cpus; i++) {
		if (va->cpus[i].reserved != old)
			continue;
		va->cpus[i].reserved = renewed;
		found = true;
	}
	return found;
}

/*
 * A context that had a number keeps it where it can: always if it was running at the rollover, for
 * other CPUs may be running it still; else if nobody took it.
 */
static bool keep_number(struct vmid_allocator *va, u64 old, u64 *id)
{
	u32 number = number_of(va, old);

	*id = va->generation | number;
	if (old == 0)
		return false;
	if (renew_reserved(va, old, *id))
		return true;
	if (bitmap_test(va->bitmap, number))
		return false;
	bitmap_set(va->bitmap, number);
	return true;
}

/* An id of the current generation, which is a new one if the numbers have run out. */
static u64 new_id(struct vmid_allocator *va, u64 old)
{
	u32 number;
	u64 id;

	if (keep_number(va, old, &id))
		return id;
	number = bitmap_next_clear(va->bitmap, nr_numbers(va), va->next);
	if (number == nr_numbers(va)) {
		begin_generation(
			va); /* nothing that runs has an old id: it would have kept its number */
		number = bitmap_next_clear(va->bitmap, nr_numbers(va), va->next);
	}
	bitmap_set(va->bitmap, number);
	va->next = number + 1;
	return va->generation | number;
}

static u64 enter_slow(struct vmid_allocator *va, struct vmid *v, struct vmid_cpu *cpu)
{
	u64 id;

	spin_lock(&va->lock);
	id = load_id(&v->id);
	if (!is_current(va, id)) {
		id = new_id(va, id);
		store_id(&v->id, id);
	}
	if (cpu->flush_pending) {
		va->ops->flush_local(va->ctx);
		cpu->flush_pending = false;
	}
	store_id(&cpu->active, id);
	spin_unlock(&va->lock);
	return id;
}

u16 vmid_enter(struct vmid_allocator *va, struct vmid *v, unsigned int cpu)
{
	u64 *active = &va->cpus[cpu].active;
	u64 before = load_id(active);
	u64 id = load_id(&v->id);

	/* A rollover in between makes replace_id() fail, or sees the new active id and reserves it. */
	if (before == 0 || !is_current(va, id) || !replace_id(active, before, id))
		id = enter_slow(va, v, &va->cpus[cpu]);
	return (u16)number_of(va, id);
}

void vmid_leave(struct vmid_allocator *va, unsigned int cpu)
{
	struct vmid_cpu *c = &va->cpus[cpu];
	u64 before = load_id(&c->active);

	if (before != 0 && replace_id(&c->active, before, ACTIVE_IDLE))
		return;
	spin_lock(&va->lock);
	c->reserved = 0;
	spin_unlock(&va->lock);
}

void vmid_cpu_reset(struct vmid_allocator *va, unsigned int cpu)
{
	struct vmid_cpu *c = &va->cpus[cpu];

	spin_lock(&va->lock);
	store_id(&c->active, 0);
	c->reserved = 0;
	c->flush_pending = true;
	spin_unlock(&va->lock);
}

int vmid_init(struct vmid_allocator *va, unsigned int bits, u64 *bitmap, struct vmid_cpu *cpus,
	      unsigned int nr_cpus, const struct vmid_ops *ops, void *ctx)
{
	if ((bits != 8 && bits != 16) || nr_cpus == 0 || nr_cpus >= ((u32)1 << bits) - 1)
		return -EINVAL;
	*va = (struct vmid_allocator){
		.lock = SPINLOCK_INIT(LOCK_VMID),
		.ops = ops,
		.ctx = ctx,
		.generation = BIT(bits),
		.bitmap = bitmap,
		.cpus = cpus,
		.nr_cpus = nr_cpus,
		.bits = bits,
	};
	clear_numbers(va);
	for (unsigned int i = 0; i < nr_cpus; i++)
		cpus[i] = (struct vmid_cpu){ .flush_pending = true };
	return 0;
}
