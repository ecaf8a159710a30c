/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ticket spinlocks: fair, so that the time a CPU waits is bounded by what the others hold.
 * Built on load-acquire/store-exclusive and WFE; usable once the MMU is on (exclusives need
 * Normal memory). docs/locking.md has the order of all locks.
 */
#ifndef KEEL_ARCH_SPINLOCK_H
#define KEEL_ARCH_SPINLOCK_H

#include <lib/types.h>

struct spinlock {
	u32 next;  /* ticket for the next CPU to come */
	u32 owner; /* ticket that holds the lock */
};

#define SPINLOCK_INIT \
	{             \
		0, 0  \
	}

static inline void spin_lock(struct spinlock *lock)
{
	u32 ticket, owner, tmp, failed;

	__asm__ volatile("	prfm	pstl1keep, [%4]\n"
			 "1:	ldaxr	%w0, [%4]\n"
			 "	add	%w2, %w0, #1\n"
			 "	stxr	%w3, %w2, [%4]\n"
			 "	cbnz	%w3, 1b\n"
			 "	ldar	%w1, [%5]\n"
			 "	cmp	%w1, %w0\n"
			 "	b.eq	3f\n"
			 "	sevl\n"
			 "2:	wfe\n"
			 "	ldaxr	%w1, [%5]\n"
			 "	cmp	%w1, %w0\n"
			 "	b.ne	2b\n"
			 "3:"
			 : "=&r"(ticket), "=&r"(owner), "=&r"(tmp), "=&r"(failed)
			 : "r"(&lock->next), "r"(&lock->owner)
			 : "memory", "cc");
}

/* The store-release of a new owner also generates the event that ends the waiters' WFE. */
static inline void spin_unlock(struct spinlock *lock)
{
	u32 owner = lock->owner + 1;

	__asm__ volatile("stlr %w0, [%1]" : : "r"(owner), "r"(&lock->owner) : "memory");
}

static inline bool spin_is_locked(const struct spinlock *lock)
{
	return READ_ONCE(lock->next) != READ_ONCE(lock->owner);
}

/* A debug build stops on a lock that ought to be held and is not. */
#ifdef KEEL_DEBUG
void spin_assert_failed(const struct spinlock *lock, const char *where);
#define spin_assert_held(lock)                              \
	do {                                                \
		if (!spin_is_locked(lock))                  \
			spin_assert_failed(lock, __func__); \
	} while (0)
#else
#define spin_assert_held(lock) ((void)(lock))
#endif

#endif
