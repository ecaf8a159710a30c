/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fake spinlocks for single-threaded tests: a mistake (a deadlock, a lock that is taken against the
 * order of lock_rank.h, an unlock without a lock) ends the test.
 */
#ifndef KEEL_ARCH_SPINLOCK_H
#define KEEL_ARCH_SPINLOCK_H

#include <stdio.h>
#include <stdlib.h>

#include <lib/lock_rank.h>
#include <lib/types.h>

struct spinlock {
	bool held;
	u32 taken; /* how often so far, for tests to look at */
	u32 rank;  /* enum lock_rank */
};

#define SPINLOCK_INIT(lock_rank)    \
	{                           \
		.rank = (lock_rank) \
	}

/* The ranks that are held; a test that is several CPUs in turn has one for each. */
__attribute__((weak)) u32 fake_locks_held;

static inline void fake_spinlock_mistake(const char *what)
{
	fprintf(stderr, "spinlock: %s\n", what);
	abort();
}

static inline void spin_lock(struct spinlock *lock)
{
	if (lock->held)
		fake_spinlock_mistake("taken again by its holder: a deadlock");
	if (lock->rank == LOCK_NO_RANK)
		fake_spinlock_mistake("not initialized");
	if (fake_locks_held >> lock->rank)
		fake_spinlock_mistake("taken while one that comes after it is held");
	fake_locks_held |= 1U << lock->rank;
	lock->held = true;
	lock->taken++;
}

static inline void spin_unlock(struct spinlock *lock)
{
	if (!lock->held)
		fake_spinlock_mistake("released, but not held");
	fake_locks_held &= ~(1U << lock->rank);
	lock->held = false;
}

/* One more of an array of locks that have the same rank, in ascending order. */
static inline void spin_lock_next(struct spinlock *lock, const struct spinlock *before)
{
	if (!before->held || lock <= before || lock->rank != before->rank)
		fake_spinlock_mistake("not after the one that is held");
	if (fake_locks_held >> lock->rank != 1)
		fake_spinlock_mistake("taken while one that comes after it is held");
	if (lock->held)
		fake_spinlock_mistake("taken again by its holder: a deadlock");
	lock->held = true;
	lock->taken++;
}

static inline void spin_unlock_next(struct spinlock *lock)
{
	if (!lock->held)
		fake_spinlock_mistake("released, but not held");
	lock->held = false;
}

static inline bool spin_is_locked(const struct spinlock *lock)
{
	return lock->held;
}

#define spin_assert_held(lock)                                              \
	do {                                                                \
		if (!spin_is_locked(lock))                                  \
			fake_spinlock_mistake("not held where it must be"); \
	} while (0)

#endif
