// SPDX-License-Identifier: BSD-2-Clause
/*
 * VMIDs by generation. A context's id is a generation and a number, which is its VMID:
 *
 *      63                          bits     0
 *      ┌───────────────────────────┬────────┐
 *      │ generation                │ number │
 *      └───────────────────────────┴────────┘
 *
 * A context whose generation is not the current one gets a new number when it is next entered. When
 * the numbers run out, a new generation begins (a rollover), and all numbers are free again, except
 * those of contexts that are running at that moment.
 *
 * Why a number is never used while a TLB holds entries of an earlier user:
 *
 * - Within a generation a number is given out once.
 * - A rollover exchanges each CPU's active id for 0, and stores the old one as reserved: that
 *   context may be running at this moment, and keeps its number in the new generation.
 * - A CPU whose active id is 0 cannot take the fast path of vmid_enter(). On the slow path, under
 *   the lock, it finds flush_pending set, and invalidates its TLBs before its first entry in the
 *   new generation.
 *
 * So until a CPU has flushed, it can only run the one context that it ran at the rollover, under a
 * number that no other context has.
 *
 * Fast path and rollover on two CPUs. vmid_enter() reads its active id, then the generation, then
 * writes the new active id by compare-and-exchange. If a rollover comes between, its exchange has
 * made the active id 0, and the compare fails. If the rollover comes later, its exchange finds the
 * new id, and reserves it. A CPU that does not enter between two rollovers keeps its reserved id. If the
 * context is the CPU's active one already, nothing is written: there was no rollover since it became
 * that, and the next one finds it.
 *
 * Locking: va->lock guards everything but the active ids, which are atomic. It is a leaf.
 */
#include <lib/bitmap.h>
#include <lib/compiler.h>
#include <lib/errno.h>
#include <mm/vmid.h>

/* Active id of a CPU that runs no context, and has flushed since the last rollover. */
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

/* Store @to if *p is @from. Return: whether it was. */
static bool replace_id(u64 *p, u64 from, u64 to)
{
	return __atomic_compare_exchange_n(p, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static bool is_current(const struct vmid_allocator *va, u64 id)
{
	return (id ^ load_id(&va->generation)) < nr_numbers(va);
}

/* All numbers become free. The search starts behind the host's, so that is never given out. */
static void clear_numbers(struct vmid_allocator *va)
{
	bitmap_zero(va->bitmap, nr_numbers(va));
	va->next = VMID_HOST + 1;
}

/* A CPU whose active id is still 0 from the last rollover may still run what was reserved then. */
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

/* Replace a reserved id by its renewed one, on all CPUs. Return: whether any CPU had it. */
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
 * Whether a context keeps its number in this generation: always if it was running at the rollover,
 * since other CPUs may still be running it; otherwise if no other context has got the number.
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

/* An id of the current generation. Begins a new one if the numbers have run out. */
static u64 new_id(struct vmid_allocator *va, u64 old)
{
	u32 number;
	u64 id;

	if (keep_number(va, old, &id))
		return id;
	number = bitmap_next_clear(va->bitmap, nr_numbers(va), va->next);
	if (number == nr_numbers(va)) {
		begin_generation(va); /* @old is not running: else it would have kept its number */
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

	if (likely(before == id && id != 0))
		return (u16)number_of(va, id);
	/* A rollover meanwhile makes replace_id() fail, or it reserves the new active id. */
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
