/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accesses to memory that may fault, fake: as hyp/arch/foreign.h, and they fault where the test
 * that defines fake_foreign_faults() says so. Cache maintenance is the test's (cache.h).
 */
#ifndef KEEL_ARCH_FOREIGN_H
#define KEEL_ARCH_FOREIGN_H

#include <arch/cache.h>
#include <arch/mmio.h>
#include <lib/types.h>

#define FOREIGN_RECORD 64
#define FOREIGN_LOAD   32

/* Whether an access of @size bytes at @start faults; without it none does. */
bool fake_foreign_faults(const void *start, u64 size) __attribute__((weak));

static inline bool fake_foreign_ok(const void *start, u64 size)
{
	return !fake_foreign_faults || !fake_foreign_faults(start, size);
}

static inline bool __must_check foreign_clear(void *start, u64 size)
{
	if (!fake_foreign_ok(start, size))
		return false;
	__builtin_memset(start, 0, size);
	return true;
}

/* Pages count from @start on. */
static inline u64 __must_check foreign_clean_inval(const void *start, u64 size)
{
	u64 done = 0, part;

	for (; done < size; done += part) {
		const u8 *at = (const u8 *)start + done;

		part = MIN(size - done, SZ_4K);
		if (!fake_foreign_ok(at, part))
			return done;
		dcache_clean_inval_poc(at, part);
	}
	return size;
}

static inline bool __must_check foreign_load(void *to, const void *from)
{
	if (!fake_foreign_ok(from, FOREIGN_LOAD))
		return false;
	__builtin_memcpy(to, from, FOREIGN_LOAD);
	return true;
}

#define FOREIGN_TRIED 32
#define FOREIGN_LINE  64

static inline bool __must_check foreign_answers(const void *start, u64 size, u64 step)
{
	for (u64 at = 0; at < size; at += step)
		if (!fake_foreign_ok((const u8 *)start + at, FOREIGN_TRIED))
			return false;
	return true;
}

/* A device's register is a fake one's (mmio.h). */
static inline bool __must_check foreign_read_reg(const volatile void *reg, unsigned int bytes,
						 u64 *value)
{
	*value = 0;
	if (!fake_foreign_ok((const void *)reg, bytes))
		return false;
	*value = bytes == 8 ? mmio_read64(reg) : mmio_read32(reg);
	return true;
}

static inline bool __must_check foreign_write_reg(volatile void *reg, unsigned int bytes, u64 value)
{
	if (!fake_foreign_ok((const void *)reg, bytes))
		return false;
	if (bytes == 8)
		mmio_write64(reg, value);
	else
		mmio_write32(reg, (u32)value);
	return true;
}

/* What EL2 returns by, if the test has it: a fault changes it. */
extern u64 fake_return __attribute__((weak));

struct foreign_return {
	u64 elr;
};

static inline struct foreign_return foreign_return_save(void)
{
	return (struct foreign_return){ &fake_return ? fake_return : 0 };
}

static inline void foreign_return_restore(const struct foreign_return *r)
{
	if (&fake_return)
		fake_return = r->elr;
}

static inline void fake_foreign_fault(u64 *failed)
{
	*failed = 1;
	if (&fake_return)
		fake_return = 0;
}

static inline u64 foreign_read64(const void *from, u64 *failed)
{
	if (fake_foreign_ok(from, sizeof(u64)))
		return READ_ONCE(*(const u64 *)from);
	fake_foreign_fault(failed);
	return 0;
}

static inline void foreign_write64(void *to, u64 value, u64 *failed)
{
	if (fake_foreign_ok(to, sizeof(u64)))
		WRITE_ONCE(*(u64 *)to, value);
	else
		fake_foreign_fault(failed);
}

static inline u64 foreign_cmpxchg64(u64 *at, u64 old, u64 new, u64 *failed)
{
	if (!fake_foreign_ok(at, sizeof(u64))) {
		fake_foreign_fault(failed);
		return old;
	}
	__atomic_compare_exchange_n(at, &old, new, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
	return old;
}

static inline void foreign_write32(void *to, u32 value, u64 *failed)
{
	if (fake_foreign_ok(to, sizeof(u32)))
		WRITE_ONCE(*(u32 *)to, value);
	else
		fake_foreign_fault(failed);
}

static inline void foreign_post32(volatile void *reg, u32 value)
{
	u64 failed;

	if (fake_foreign_ok((const void *)reg, sizeof(u32)))
		mmio_write32(reg, value);
	else
		fake_foreign_fault(&failed);
}

static inline void foreign_settle(const volatile void *reg)
{
	u64 failed;

	if (fake_foreign_ok((const void *)reg, sizeof(u32)))
		(void)mmio_read32(reg);
	else
		fake_foreign_fault(&failed);
}

static inline u32 foreign_fetch(const void *from)
{
	return fake_foreign_ok(from, sizeof(u32)) ? READ_ONCE(*(const u32 *)from) : 0;
}

struct foreign_record {
	u64 word[FOREIGN_RECORD / 8];
};

static inline bool __must_check foreign_store_record(void *to, struct foreign_record r)
{
	if (!fake_foreign_ok(to, FOREIGN_RECORD))
		return false;
	__builtin_memcpy(to, &r, FOREIGN_RECORD);
	return true;
}

#endif
