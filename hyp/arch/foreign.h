/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accesses of EL2 to memory that is not its own, or is not yet: memory of a guest or the host may
 * be at addresses where nothing answers, or may have failed. These functions report a fault to
 * their caller. An error that is reported late is an SError (vm/serror.h).
 *
 * The functions in foreign.S preserve ELR_EL2, SPSR_EL2, ESR_EL2, FAR_EL2 and HPFAR_EL2. After the
 * inline ones these may have the values of a fault.
 */
#ifndef KEEL_ARCH_FOREIGN_H
#define KEEL_ARCH_FOREIGN_H

#include <arch/extable.h>
#include <lib/types.h>

/* The bytes that foreign_store_record() writes, and that foreign_load() reads. */
#define FOREIGN_RECORD 64
#define FOREIGN_LOAD   32

/* Fill with zeroes; @start and @size are multiples of 64. Return: false if it faulted. */
bool __must_check foreign_clear(void *start, u64 size);

/*
 * As dcache_clean_inval_poc(), as far as the end of the first page (4 KiB) with a line that faults;
 * this page's other lines are done, too. Return: @size; or the bytes before that page.
 */
u64 __must_check foreign_clean_inval(const void *start, u64 size);

/*
 * Copy FOREIGN_LOAD bytes from memory that may fault to EL2's, each doubleword by one read; both
 * aligned to 8. Return: false if it faulted; nothing is copied then.
 */
bool __must_check foreign_load(void *to, const void *from);

/*
 * Read FOREIGN_TRIED bytes at each multiple of @step, a divisor of @size, from @start on, which is
 * aligned to FOREIGN_TRIED. Memory fails by cache lines or doublewords (FEAT_RAS's poison), so all
 * bytes that will be read later are tried. Return: whether no read faults.
 */
#define FOREIGN_TRIED 32
#define FOREIGN_LINE  64
bool __must_check foreign_answers(const void *start, u64 size, u64 step);

/*
 * Access a register of a device that may be absent, or without power or clock; @bytes: 4 or 8,
 * aligned. Return: false if it faulted; a read gives 0 then. A write may fault too late for that:
 * then there is an SError later, as after a write by the host itself.
 */
bool __must_check foreign_read_reg(const volatile void *reg, unsigned int bytes, u64 *value);
bool __must_check foreign_write_reg(volatile void *reg, unsigned int bytes, u64 value);

/*
 * Save and restore ELR_EL2 and SPSR_EL2, by which EL2 returns to the host: a fault of
 * foreign_read64() and other inline functions changes them. Needed around these while no guest is
 * loaded, and in an early exit (vm/exit.h). (Elsewhere, while one is loaded, the world switch has
 * saved the host's, and enter.S the guest's.)
 */
struct foreign_return {
	u64 elr, spsr;
};

static inline struct foreign_return foreign_return_save(void)
{
	struct foreign_return r;

	__asm__ volatile("mrs %0, elr_el2\n"
			 "mrs %1, spsr_el2\n"
			 : "=r"(r.elr), "=r"(r.spsr)
			 :
			 : "memory");
	return r;
}

static inline void foreign_return_restore(const struct foreign_return *r)
{
	__asm__ volatile("msr elr_el2, %0\n"
			 "msr spsr_el2, %1\n"
			 :
			 : "r"(r->elr), "r"(r->spsr)
			 : "memory");
}

/*
 * Access a doubleword or word, aligned, by one instruction and no other. If it faults, a read gives
 * 0, a write does nothing, and *@failed, in EL2's memory, becomes 1.
 */
static __always_inline u64 foreign_read64(const void *from, u64 *failed)
{
	u64 value;

	__asm__ volatile("1: ldr %0, %2\n"
			 "2:\n"
			 ".subsection 1\n"
			 "3: mov %0, #1\n"
			 "str %0, %1\n"
			 "mov %0, xzr\n"
			 "b 2b\n"
			 ".previous\n" EXTABLE("1b", "2b", "3b")
			 : "=&r"(value), "+m"(*failed)
			 : "m"(*(const u64 *)from));
	return value;
}

#define FOREIGN_WRITE(insn, to, value, failed)                               \
	({                                                                   \
		u64 one_;                                                    \
                                                                             \
		__asm__ volatile("1: " insn "\n"                             \
				 "2:\n"                                      \
				 ".subsection 1\n"                           \
				 "3: mov %0, #1\n"                           \
				 "str %0, %1\n"                              \
				 "b 2b\n"                                    \
				 ".previous\n" EXTABLE("1b", "2b", "3b")     \
				 : "=&r"(one_), "+m"(*(failed)), "=m"(*(to)) \
				 : "rZ"(value));                             \
	})

static __always_inline void foreign_write64(void *to, u64 value, u64 *failed)
{
	FOREIGN_WRITE("str %x3, %2", (u64 *)to, value, failed);
}

static __always_inline void foreign_write32(void *to, u32 value, u64 *failed)
{
	FOREIGN_WRITE("str %w3, %2", (u32 *)to, value, failed);
}

/*
 * Replace @old by @new in an aligned doubleword, if it still is @old, at once. Otherwise nothing is
 * written. Release order. If it faults, *@failed becomes 1. Return: what was there.
 */
static __always_inline u64 foreign_cmpxchg64(u64 *at, u64 old, u64 new, u64 *failed)
{
	u64 was;
	u32 lost;

	__asm__ volatile("1: ldxr %0, %3\n"
			 "cmp %0, %4\n"
			 "b.ne 2f\n"
			 "stlxr %w1, %5, %3\n"
			 "cbnz %w1, 1b\n"
			 "2:\n"
			 ".subsection 1\n"
			 "3: mov %0, #1\n"
			 "str %0, %2\n"
			 "mov %0, %4\n"
			 "b 2b\n"
			 ".previous\n" EXTABLE("1b", "2b", "3b")
			 : "=&r"(was), "=&r"(lost), "+m"(*failed), "+Q"(*at)
			 : "r"(old), "r"(new)
			 : "cc", "memory");
	return was;
}

/*
 * Write a 32-bit register of a device as for foreign_write_reg(), by one instruction, without a
 * result: a write that faults is lost. foreign_settle() reads a register, so that earlier writes
 * are in effect.
 */
static __always_inline void foreign_post32(volatile void *reg, u32 value)
{
	__asm__ volatile("1: str %w1, %0\n"
			 "2:\n" EXTABLE("1b", "2b", "2b")
			 : "=m"(*(volatile u32 *)reg)
			 : "rZ"(value)
			 : "memory");
}

static __always_inline void foreign_settle(const volatile void *reg)
{
	__asm__ volatile("1: ldr wzr, %0\n"
			 "2:\n" EXTABLE("1b", "2b", "2b")
			 :
			 : "m"(*(const volatile u32 *)reg)
			 : "memory");
}

/* Read an instruction. Return: the instruction; 0 (UDF) if the read faults. */
static inline u32 foreign_fetch(const void *from)
{
	u32 word;

	__asm__ volatile("1: ldr %w0, [%1]\n"
			 "2:\n"
			 ".subsection 1\n"
			 "3: mov %w0, wzr\n"
			 "b 2b\n"
			 ".previous\n" EXTABLE("1b", "2b", "3b")
			 : "=&r"(word)
			 : "r"(from)
			 : "memory");
	return word;
}

/* FOREIGN_RECORD bytes, in registers. */
struct foreign_record {
	u64 word[FOREIGN_RECORD / 8];
};

/* Write a record to memory that may fault; @to is aligned to 8. Return: false if it faulted. */
static __always_inline bool __must_check foreign_store_record(void *to, struct foreign_record r)
{
	__asm__ goto("1: stp %x1, %x2, [%0]\n"
		     "stp %x3, %x4, [%0, #16]\n"
		     "stp %x5, %x6, [%0, #32]\n"
		     "stp %x7, %x8, [%0, #48]\n"
		     "2:\n" EXTABLE("1b", "2b", "%l[fault]")
		     :
		     : "r"(to), "rZ"(r.word[0]), "rZ"(r.word[1]), "rZ"(r.word[2]), "rZ"(r.word[3]),
		       "rZ"(r.word[4]), "rZ"(r.word[5]), "rZ"(r.word[6]), "rZ"(r.word[7])
		     : "memory"
		     : fault);
	return true;
fault:
	return false;
}

#endif
