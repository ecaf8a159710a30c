/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spinlocks, built on load-acquire/store-exclusive and WFE; usable once the MMU is on (exclusives
 * need Normal memory). docs/locking.md has the order of all locks.
 *
 * Not fair: the first CPU that finds the lock free takes it. A queue would pass the lock to the CPU
 * that came first, whether or not that CPU runs: under an emulator or another hypervisor, where a
 * CPU can be descheduled for milliseconds, all others would wait for it. Hold times are short and
 * bounded, and no holder takes the lock again at once, so waits are short.
 */
#ifndef KEEL_ARCH_SPINLOCK_H
#define KEEL_ARCH_SPINLOCK_H

#include <lib/lock_rank.h>
#include <lib/types.h>

struct spinlock {
	u32 locked;
#ifdef KEEL_DEBUG
	u32 rank;	    /* enum lock_rank */
	const void *holder; /* the holder's TPIDR_EL2 */
#endif
};

/*
 * A debug build panics if a holder takes a lock again, if a lock is taken against the order of
 * lock_rank.h, or if a lock that must be held is not held by this CPU. cpu/lock_check.c.
 */
#ifdef KEEL_DEBUG
#define SPINLOCK_INIT(lock_rank)    \
	{                           \
		.rank = (lock_rank) \
	}
void spin_check_before(const struct spinlock *lock);
void spin_check_next(const struct spinlock *lock, const struct spinlock *before);
void spin_check_taken(struct spinlock *lock);
void spin_check_release(struct spinlock *lock);
void spin_check_release_next(struct spinlock *lock);
void spin_check_held(const struct spinlock *lock, const char *where);
#define spin_assert_held(lock) spin_check_held(lock, __func__)
#else
#define SPINLOCK_INIT(rank) \
	{                   \
		0           \
	}
static inline void spin_check_before(const struct spinlock *lock)
{
	(void)lock;
}
static inline void spin_check_next(const struct spinlock *lock, const struct spinlock *before)
{
	(void)lock;
	(void)before;
}
static inline void spin_check_taken(struct spinlock *lock)
{
	(void)lock;
}
static inline void spin_check_release(struct spinlock *lock)
{
	(void)lock;
}
static inline void spin_check_release_next(struct spinlock *lock)
{
	(void)lock;
}
#define spin_assert_held(lock) ((void)(lock))
#endif

/*
 * A waiter's exclusive load arms its monitor, which the holder's store clears: that ends the WFE.
 * An event from before ends it, too: the waiter reads the lock again.
 */
static inline void spin_lock_unchecked(struct spinlock *lock)
{
	u32 value, failed;

	__asm__ volatile("	prfm	pstl1keep, [%2]\n"
			 "1:	ldaxr	%w0, [%2]\n"
			 "	cbnz	%w0, 2f\n"
			 "	stxr	%w1, %w3, [%2]\n"
			 "	cbz	%w1, 3f\n"
			 "	b	1b\n"
			 "2:	wfe\n"
			 "	b	1b\n"
			 "3:\n"
			 : "=&r"(value), "=&r"(failed)
			 : "r"(&lock->locked), "r"(1)
			 : "memory");
}

static inline void spin_unlock_unchecked(struct spinlock *lock)
{
	__asm__ volatile("stlr wzr, [%0]" : : "r"(&lock->locked) : "memory");
}

static inline void spin_lock(struct spinlock *lock)
{
	spin_check_before(lock);
	spin_lock_unchecked(lock);
	spin_check_taken(lock);
}

static inline void spin_unlock(struct spinlock *lock)
{
	spin_check_release(lock);
	spin_unlock_unchecked(lock);
}

/*
 * One more lock of an array whose elements have the same rank: @before, which comes before it in
 * the array, is the last one that this CPU has taken. Those that were taken like this are released
 * by spin_unlock_next(), in the reverse order; the first one, by spin_unlock(), comes last.
 */
static inline void spin_lock_next(struct spinlock *lock, const struct spinlock *before)
{
	spin_check_next(lock, before);
	spin_lock_unchecked(lock);
	spin_check_taken(lock);
}

static inline void spin_unlock_next(struct spinlock *lock)
{
	spin_check_release_next(lock);
	spin_unlock_unchecked(lock);
}

static inline bool spin_is_locked(const struct spinlock *lock)
{
	return READ_ONCE(lock->locked);
}

#endif
