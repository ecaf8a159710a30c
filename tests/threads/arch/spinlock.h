/* SPDX-License-Identifier: BSD-2-Clause */
/* Spinlocks of real threads, for programs that ThreadSanitizer watches; ranks are checked too. */
#ifndef KEEL_ARCH_SPINLOCK_H
#define KEEL_ARCH_SPINLOCK_H

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include <lib/lock_rank.h>
#include <lib/types.h>

struct spinlock {
	u32 locked;
	u32 rank; /* enum lock_rank */
};

#define SPINLOCK_INIT(lock_rank)    \
	{                           \
		.rank = (lock_rank) \
	}

/* The ranks that this thread holds. */
extern _Thread_local u32 thread_locks_held;

static inline void thread_lock_expect(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "spinlock: %s\n", what);
	abort();
}

static inline void thread_lock_take(struct spinlock *lock)
{
	while (__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE))
		sched_yield();
}

static inline void spin_lock(struct spinlock *lock)
{
	thread_lock_expect(lock->rank != LOCK_NO_RANK, "not initialized");
	thread_lock_expect(!(thread_locks_held >> lock->rank),
			   "taken while one that comes after it is held");
	thread_lock_take(lock);
	thread_locks_held |= 1U << lock->rank;
}

static inline void spin_lock_next(struct spinlock *lock, const struct spinlock *before)
{
	thread_lock_expect(lock > before && lock->rank == before->rank &&
				   thread_locks_held >> lock->rank == 1,
			   "not after the one that is held");
	thread_lock_take(lock);
}

static inline void spin_unlock_next(struct spinlock *lock)
{
	__atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
}

static inline void spin_unlock(struct spinlock *lock)
{
	thread_locks_held &= ~(1U << lock->rank);
	__atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
}

/* A thread that does not hold the lock's rank does not hold the lock. */
#define spin_assert_held(lock) \
	thread_lock_expect(thread_locks_held >> (lock)->rank & 1, "not held where it must be")

#endif
