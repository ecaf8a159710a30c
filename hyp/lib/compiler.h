/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiler attributes and small macros that every folder uses. */
#ifndef KEEL_LIB_COMPILER_H
#define KEEL_LIB_COMPILER_H

#define __must_check	    __attribute__((warn_unused_result))
#define __noreturn	    __attribute__((noreturn))
#define __printf(fmt, args) __attribute__((format(printf, fmt, args)))
#define __packed	    __attribute__((packed))
#define __aligned(n)	    __attribute__((aligned(n)))
#define __section(name)	    __attribute__((section(name)))
#define __maybe_unused	    __attribute__((unused))
#undef __always_inline /* glibc has one, in native builds */
#define __always_inline inline __attribute__((always_inline))
#define __noinline	__attribute__((noinline))
/* A function whose reads race by design; it says why. */
#define __races __attribute__((no_sanitize("thread")))

#define ARRAY_SIZE(a)		 (sizeof(a) / sizeof((a)[0]))
#define STATIC_ASSERT(cond, why) _Static_assert(cond, why)

#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - __builtin_offsetof(type, member)))

/* A load or store that the compiler neither repeats, tears nor removes. */
#define READ_ONCE(x)	 (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

/* The usual case: the compiler puts it first. */
#define likely(condition)   __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

#define BIT(n) (1ULL << (n))
/* GENMASK(hi, lo): bits hi..lo inclusive, 64 bits wide. */
#define GENMASK(hi, lo) ((~0ULL >> (63 - (hi))) & (~0ULL << (lo)))
/* FIELD_GET(mask, reg), FIELD_PREP(mask, value): access a field by its constant mask. */
#define FIELD_SHIFT(mask)     ((unsigned int)__builtin_ctzll(mask))
#define FIELD_GET(mask, reg)  (((reg) & (mask)) >> FIELD_SHIFT(mask))
#define FIELD_PREP(mask, val) (((unsigned long long)(val) << FIELD_SHIFT(mask)) & (mask))

#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define ALIGN_UP(x, a)	 ALIGN_DOWN((x) + ((__typeof__(x))(a)-1), a)
#define IS_ALIGNED(x, a) (((x) & ((__typeof__(x))(a)-1)) == 0)

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define SZ_1K	0x400ULL
#define SZ_4K	0x1000ULL
#define SZ_16K	0x4000ULL
#define SZ_64K	0x10000ULL
#define SZ_128K 0x20000ULL
#define SZ_256K 0x40000ULL
#define SZ_512K 0x80000ULL
#define SZ_1M	0x100000ULL
#define SZ_2M	0x200000ULL
#define SZ_1G	0x40000000ULL
#define SZ_4G	0x100000000ULL

#endif
