// SPDX-License-Identifier: BSD-2-Clause
/*
 * Checks of locks in debug builds: arch/spinlock.h. A CPU is identified by its TPIDR_EL2, which is
 * 0 on the boot CPU until it has its structure. Until then it is the only CPU, and ranks are not
 * checked.
 */
#include <arch/percpu.h>
#include <arch/spinlock.h>
#include <cpu/panic.h>
#include <cpu/percpu.h>

#ifdef KEEL_DEBUG
STATIC_ASSERT(LOCK_RANKS <= 32, "struct percpu.locks_held has a bit for each");

static bool cpu_holds(const struct spinlock *lock)
{
	return spin_is_locked(lock) && READ_ONCE(lock->holder) == this_cpu();
}

void spin_check_before(const struct spinlock *lock)
{
	const struct percpu *cpu = this_cpu();

	if (!cpu)
		return;
	if (lock->rank == LOCK_NO_RANK)
		panic("lock %p is not initialized", (const void *)lock);
	if (cpu_holds(lock))
		panic("lock %p, rank %u, is taken again by its holder", (const void *)lock,
		      lock->rank);
	if (cpu->locks_held >> lock->rank)
		panic("lock %p, rank %u, is taken while locks %#x are held", (const void *)lock,
		      lock->rank, cpu->locks_held);
}

void spin_check_next(const struct spinlock *lock, const struct spinlock *before)
{
	const struct percpu *cpu = this_cpu();

	spin_check_held(before, __func__);
	if (lock <= before || lock->rank != before->rank)
		panic("lock %p, rank %u, is taken after lock %p, rank %u", (const void *)lock,
		      lock->rank, (const void *)before, before->rank);
	if (cpu && cpu->locks_held >> lock->rank != 1)
		panic("lock %p, rank %u, is taken while locks %#x are held", (const void *)lock,
		      lock->rank, cpu->locks_held);
}

void spin_check_taken(struct spinlock *lock)
{
	struct percpu *cpu = this_cpu();

	WRITE_ONCE(lock->holder, cpu);
	if (cpu)
		cpu->locks_held |= (u32)BIT(lock->rank);
}

/* The rank stays held, by the lock before it. */
void spin_check_release_next(struct spinlock *lock)
{
	spin_check_held(lock, __func__);
	WRITE_ONCE(lock->holder, NULL);
}

void spin_check_release(struct spinlock *lock)
{
	struct percpu *cpu = this_cpu();

	spin_check_release_next(lock);
	if (cpu)
		cpu->locks_held &= ~(u32)BIT(lock->rank);
}

void spin_check_held(const struct spinlock *lock, const char *where)
{
	if (!cpu_holds(lock))
		panic("%s: lock %p, rank %u, is not held by this CPU", where, (const void *)lock,
		      lock->rank);
}
#endif
