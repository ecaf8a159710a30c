/* SPDX-License-Identifier: BSD-2-Clause */
/* Fake spinlocks for single-threaded tests: a mistake (deadlock, unlock without lock) ends the
 * test. */
#ifndef KEEL_ARCH_SPINLOCK_H
#define KEEL_ARCH_SPINLOCK_H

#include <stdio.h>
#include <stdlib.h>

#include <lib/types.h>

struct spinlock {
	bool held;
	u32 taken; /* how often so far, for tests to look at */
};

#define SPINLOCK_INIT    \
	{                \
		false, 0 \
	}

static inline void fake_spinlock_mistake(const char *what)
{
	fprintf(stderr, "spinlock: %s\n", what);
	abort();
}

static inline void spin_lock(struct spinlock *lock)
{
	if (lock->held)
		fake_spinlock_mistake("taken again by its holder: a deadlock");
	lock->held = true;
	lock->taken++;
}

static inline void spin_unlock(struct spinlock *lock)
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
